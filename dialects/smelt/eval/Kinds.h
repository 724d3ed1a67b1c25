//===- Kinds.h - Element types as C++ types ---------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An element is computed in its *carried* C++ type: float below 64 bits, the
// integer of its width (8 bits below 8), bool for i1. Loops are templates over
// it; `Elements<T>` views a tensor as T and converts only where storage differs.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_DIALECTS_SMELT_EVAL_KINDS_H
#define SMELT_DIALECTS_SMELT_EVAL_KINDS_H

#include "dialects/smelt/eval/Tensor.h"
#include <cmath>
#include <limits>
#include <type_traits>

namespace smelt::eval {

enum class Kind { Bool, I8, I16, I32, I64, U8, U16, U32, U64, F32, F64 };

/// The carried kind of an element type that `isSupportedElement`.
Kind carriedKind(mlir::Type elementType);
/// True when a buffer of this type is an array of the carried C++ type.
bool storedAsCarried(mlir::Type elementType);

/// Calls `f(T())` with the C++ type of `kind`.
template <typename F> decltype(auto) dispatch(Kind kind, F &&f) {
  switch (kind) {
  case Kind::Bool: return f(bool());
  case Kind::I8: return f(int8_t());
  case Kind::I16: return f(int16_t());
  case Kind::I32: return f(int32_t());
  case Kind::I64: return f(int64_t());
  case Kind::U8: return f(uint8_t());
  case Kind::U16: return f(uint16_t());
  case Kind::U32: return f(uint32_t());
  case Kind::U64: return f(uint64_t());
  case Kind::F32: return f(float());
  case Kind::F64: return f(double());
  }
  llvm_unreachable("unknown kind");
}

template <typename T> constexpr Kind kindOf() {
  if constexpr (std::is_same_v<T, bool>) return Kind::Bool;
  else if constexpr (std::is_same_v<T, int8_t>) return Kind::I8;
  else if constexpr (std::is_same_v<T, int16_t>) return Kind::I16;
  else if constexpr (std::is_same_v<T, int32_t>) return Kind::I32;
  else if constexpr (std::is_same_v<T, int64_t>) return Kind::I64;
  else if constexpr (std::is_same_v<T, uint8_t>) return Kind::U8;
  else if constexpr (std::is_same_v<T, uint16_t>) return Kind::U16;
  else if constexpr (std::is_same_v<T, uint32_t>) return Kind::U32;
  else if constexpr (std::is_same_v<T, uint64_t>) return Kind::U64;
  else if constexpr (std::is_same_v<T, float>) return Kind::F32;
  else return Kind::F64;
}

/// smelt.cast between carried types: float to integer saturates, NaN gives 0;
/// integers wrap; to bool is `!= 0`.
template <typename To, typename From> inline To castElement(From x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    constexpr int bits = std::numeric_limits<To>::digits;
    const From high = std::ldexp(From(1), bits);
    const From low = std::is_signed_v<To> ? -high : From(0);
    if (x >= high)
      return std::numeric_limits<To>::max();
    if (x < low)
      return std::numeric_limits<To>::min();
    return x != x ? To(0) : To(x);
  } else {
    return To(x);
  }
}

/// A tensor's elements as T.
template <typename T> class Elements {
public:
  explicit Elements(const HostTensor &x) {
    if (storedAsCarried(x.getElementType()) && carriedKind(x.getElementType()) == kindOf<T>()) {
      held = x;
      pointer = x.data<T>();
      return;
    }
    int64_t count = x.getNumElements();
    owned.reset(new T[size_t(count ? count : 1)]);
    load(x, kindOf<T>(), owned.get());
    pointer = owned.get();
  }
  const T *data() const { return pointer; }
  const T &operator[](int64_t i) const { return pointer[i]; }

private:
  static void load(const HostTensor &x, Kind kind, void *target);
  HostTensor held;
  std::unique_ptr<T[]> owned;
  const T *pointer;
};

/// Converts all elements of `x` to the C++ type of `kind`.
void loadElements(const HostTensor &x, Kind kind, void *target);
template <typename T> void Elements<T>::load(const HostTensor &x, Kind kind, void *target) {
  loadElements(x, kind, target);
}

/// A result being computed as T: written in place where storage is T, else
/// rounded to the element type by `finish`.
template <typename T> class Result {
public:
  Result(mlir::Type elementType, llvm::ArrayRef<int64_t> shape)
      : tensor(HostTensor::allocate(elementType, shape)) {
    if (storedAsCarried(elementType) && carriedKind(elementType) == kindOf<T>()) {
      pointer = tensor.template mutableData<T>();
    } else {
      int64_t count = tensor.getNumElements();
      owned.reset(new T[size_t(count ? count : 1)]);
      pointer = owned.get();
    }
  }
  T *data() { return pointer; }
  HostTensor finish(bool saturate = true);

private:
  HostTensor tensor;
  std::unique_ptr<T[]> owned;
  T *pointer;
};

/// Rounds `count` elements of the C++ type of `kind` to `to`.
void storeElements(Kind kind, const void *source, mlir::Type to, char *target, int64_t count, bool saturate);
template <typename T> HostTensor Result<T>::finish(bool saturate) {
  if (owned)
    storeElements(kindOf<T>(), owned.get(), tensor.getElementType(), tensor.template mutableData<char>(),
                  tensor.getNumElements(), saturate);
  return std::move(tensor);
}

/// Arithmetic that wraps: integers narrower than int are widened to unsigned.
template <typename T> struct Wrapping {
  using type = std::common_type_t<std::make_unsigned_t<T>, unsigned>;
};
template <> struct Wrapping<bool> { using type = unsigned; };
template <typename T> using WrappingT = typename Wrapping<T>::type;
/// The result of wrapping arithmetic back in T (bool: modulo 2).
template <typename T> inline T wrapTo(WrappingT<T> x) {
  if constexpr (std::is_same_v<T, bool>)
    return (x & 1) != 0;
  else
    return T(x);
}

} // namespace smelt::eval

#endif // SMELT_DIALECTS_SMELT_EVAL_KINDS_H
