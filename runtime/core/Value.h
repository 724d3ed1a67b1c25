//===- Value.h - Reference-counted host values ---------------------*- C++ -*-===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sequences, maps, optionals, strings and owned tensors: what a model holds
// beside plain buffers. smelt.h has the accessors. Tested by
// test/runtime/ValueTest.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_CORE_VALUE_H
#define SMELT_RUNTIME_CORE_VALUE_H

#include "runtime/core/DType.h"
#include <atomic>

struct smelt_value {
  std::atomic<uint32_t> references{1};
  smelt_kind kind = SMELT_TENSOR;
  smelt::rt::DType dtype = smelt::rt::DType::Undefined; // of a tensor, or a map's keys

  // A tensor. Strings are in `texts`, all else in `data` (64-byte aligned).
  int32_t rank = 0;
  int64_t dims[SMELT_MAX_RANK] = {};
  void *data = nullptr;
  size_t bytes = 0;

  smelt::rt::Vec<smelt::rt::String> texts; // a string tensor, or a map's string keys
  smelt::rt::Vec<int64_t> keys;            // a map's integer keys
  smelt::rt::Vec<float> floats;            // a map's values, or
  smelt::rt::Vec<smelt_value *> elements;  // its tensors; a sequence; an optional

  ~smelt_value();
};

namespace smelt::rt {

/// A reference that is released with its scope.
class ValueRef {
public:
  ValueRef() = default;
  explicit ValueRef(smelt_value *owned) : value(owned) {}
  ValueRef(ValueRef &&other) noexcept : value(std::exchange(other.value, nullptr)) {}
  ValueRef &operator=(ValueRef &&other) noexcept {
    if (this != &other) {
      smelt_value_release(value);
      value = std::exchange(other.value, nullptr);
    }
    return *this;
  }
  ~ValueRef() { smelt_value_release(value); }
  static ValueRef share(smelt_value *v) {
    if (v)
      smelt_value_retain(v);
    return ValueRef(v);
  }
  smelt_value *get() const { return value; }
  smelt_value *take() { return std::exchange(value, nullptr); }
  smelt_value *operator->() const { return value; }
  explicit operator bool() const { return value; }

private:
  smelt_value *value = nullptr;
};

/// A tensor with its data uninitialised; null when there is no memory or the
/// shape is none.
ValueRef makeTensor(DType dtype, int64_t rank, const int64_t *dims);

} // namespace smelt::rt

#endif // SMELT_RUNTIME_CORE_VALUE_H
