//===- Call.h - Operands and results of smelt.host_call -----------------*- C++ -*-===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ops on sequences, optionals and strings have operands of one form ("G" of
// core/Verify.cpp), which this class takes apart. Tested by
// test/runtime/HostCallTest.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_HOST_CALL_H
#define SMELT_RUNTIME_HOST_CALL_H

#include "runtime/host/Operands.h"

namespace smelt::rt {

class Call {
public:
  explicit Call(HostOpCall &call) : call(call) {}

  /// Reads all words. There must be that many operands (`most`: -1 is any number),
  /// results, and at least that many integers.
  int parse(size_t least, size_t most, size_t results, size_t ints);

  size_t operandCount() const { return operands.size(); }
  bool isValue(size_t i) const { return operands[i].isValue; }
  /// Operand i, a host value of that kind.
  int value(size_t i, smelt_kind kind, const smelt_value *&result);
  /// Operand i, a tensor of strings.
  int strings(size_t i, const smelt_value *&result);
  /// Operand i, a tensor that is no host value.
  int tensor(size_t i, TensorOperand &result);
  /// Operand i as a host value: a copy of a tensor's bytes, or a reference.
  int shared(size_t i, ValueRef &result);
  /// Operand i, one integer.
  int integer(size_t i, int64_t &result);
  int64_t integer(size_t i) const { return ints[i]; }
  size_t integerCount() const { return intCount; }
  size_t textCount() const { return static_cast<size_t>(textOffsets); }
  int text(size_t i, const char *&result);

  /// Result i becomes that value; the dims of a tensor of strings are given out.
  int set(size_t i, ValueRef value);
  /// Result i becomes a tensor of these dims, with memory from the pool.
  int make(size_t i, DType dtype, int64_t rank, const int64_t *dims, uint8_t *&data);
  /// Result i, a tensor whose memory is there.
  int place(size_t i, TensorOperand &result);
  /// Result i becomes that value, or a copy of it where a plain tensor is wanted.
  int give(size_t i, const smelt_value *value);

  int noMemory() { return SMELT_HOST_FAIL(call, SMELT_NO_MEMORY, "out of memory"); }
  HostOpCall &call;

private:
  struct Operand {
    bool isValue = false;
    smelt_value *value = nullptr;
    TensorOperand tensor;
  };
  enum class Kind { Value, Placed, Made };
  struct Result {
    Kind kind = Kind::Value;
    ValueRef *value = nullptr;
    Slot *slot = nullptr;
    DType dtype = DType::Undefined;
    TensorOperand tensor;
    int64_t rank = 0;
    const int64_t *dimRegisters = nullptr;
  };
  int giveDims(Result &r, int64_t rank, const int64_t *dims);

  Vec<Operand> operands;
  Vec<Result> results;
  const int64_t *ints = nullptr, *texts = nullptr;
  size_t intCount = 0;
  int64_t textOffsets = 0;
};

} // namespace smelt::rt

#endif // SMELT_RUNTIME_HOST_CALL_H
