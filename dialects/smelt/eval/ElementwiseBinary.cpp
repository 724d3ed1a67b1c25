//===- ElementwiseBinary.cpp - Evaluating binary ops ------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Both operands in the carried type of the first; the functions are those of
// dialects/smelt/ScalarBody.cpp. Tested by test/dialects/eval/elementwise.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/eval/ElementwiseBinary.h"
#include "dialects/smelt/eval/Kinds.h"
#include "dialects/smelt/eval/Loops.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace smelt::eval {

namespace {

template <typename T, typename F> HostTensor mapBinary(Call &call, F f) {
  Elements<T> x(call[0]), y(call[1]);
  Result<T> out(call.types[0], call.shapes[0]);
  Broadcast<2> loops(call.shapes[0], {&call[0], &call[1]});
  loops.run([&](int64_t o, std::array<int64_t, 2> at, int64_t n, auto steps) {
    const T *a = x.data() + at[0], *b = y.data() + at[1];
    T *to = out.data() + o;
    for (int64_t i = 0; i < n; ++i)
      to[i] = f(a[i * steps[0]], b[i * steps[1]]);
  });
  return out.finish();
}

/// Any carried type; (T, T) -> T.
template <typename F> HostTensor mapAny(Call &call, F f) {
  return dispatch(carriedKind(call[0].getElementType()), [&](auto tag) {
    using T = decltype(tag);
    return mapBinary<T>(call, [&](T x, T y) -> T { return f(x, y); });
  });
}

template <typename F> HostTensor mapInteger(Call &call, F f) {
  return dispatch(carriedKind(call[0].getElementType()), [&](auto tag) -> HostTensor {
    using T = decltype(tag);
    if constexpr (std::is_integral_v<T>)
      return mapBinary<T>(call, [&](T x, T y) -> T { return f(x, y); });
    else
      return call.refuse("element type is not an integer");
  });
}

template <typename F> HostTensor compare(Call &call, F f) {
  HostTensor result = HostTensor::allocate(call.types[0], call.shapes[0]);
  bool *out = result.mutableData<bool>();
  Broadcast<2> loops(call.shapes[0], {&call[0], &call[1]});
  return dispatch(carriedKind(call[0].getElementType()), [&](auto tag) {
    using T = decltype(tag);
    Elements<T> x(call[0]), y(call[1]);
    loops.run([&](int64_t o, std::array<int64_t, 2> at, int64_t n, auto steps) {
      const T *a = x.data() + at[0], *b = y.data() + at[1];
      for (int64_t i = 0; i < n; ++i)
        out[o + i] = f(a[i * steps[0]], b[i * steps[1]]);
    });
    return result;
  });
}

template <typename T> T divide(T x, T y) {
  if constexpr (std::is_floating_point_v<T>) {
    return x / y;
  } else if constexpr (std::is_same_v<T, bool>) {
    return x && y;
  } else {
    if (y == 0)
      return 0;
    if constexpr (std::is_signed_v<T>)
      if (y == T(-1))
        return wrapTo<T>(0 - WrappingT<T>(x));
    return T(x / y);
  }
}

template <typename T> T remainder(T x, T y) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::fmod(x, y);
  } else if constexpr (std::is_same_v<T, bool>) {
    return false;
  } else {
    if (y == 0)
      return 0;
    if constexpr (std::is_signed_v<T>)
      if (y == T(-1))
        return 0;
    return T(x % y);
  }
}

/// The remainder takes the sign of y.
template <typename T> T modulo(T x, T y) {
  T r = remainder(x, y);
  if constexpr (std::is_floating_point_v<T>)
    return (r < 0 || r > 0) && (r < 0) != (y < 0) ? r + y : r;
  else if constexpr (std::is_signed_v<T>)
    return r != 0 && (r < 0) != (y < 0) ? T(r + y) : r;
  else
    return r;
}

/// NaN wins; -0 is below +0.
template <typename T> T maximum(T x, T y) {
  if constexpr (std::is_floating_point_v<T>)
    return x > y ? x : y > x ? y : x == y ? (std::signbit(x) ? y : x) : x + y;
  else
    return x > y ? x : y;
}
template <typename T> T minimum(T x, T y) {
  if constexpr (std::is_floating_point_v<T>)
    return x < y ? x : y < x ? y : x == y ? (std::signbit(x) ? x : y) : x + y;
  else
    return x < y ? x : y;
}

HostTensor evaluatePow(Call &call) {
  Type base = call[0].getElementType();
  return dispatch(carriedKind(base), [&](auto tag) {
    using T = decltype(tag);
    if constexpr (std::is_floating_point_v<T>) {
      HostTensor y = convert(call[1], base); // an exponent of another type is rounded to x's
      HostTensor operands[] = {call[0], y};
      Call same{call.op, operands, call.shapes, call.types, call.env, {}};
      return mapBinary<T>(same, [](T a, T b) { return T(std::pow(a, b)); });
    } else {
      // Integer bases go through f64.
      Elements<double> x(call[0]), y(call[1]);
      Result<T> out(call.types[0], call.shapes[0]);
      Broadcast<2> loops(call.shapes[0], {&call[0], &call[1]});
      loops.run([&](int64_t o, std::array<int64_t, 2> at, int64_t n, auto steps) {
        for (int64_t i = 0; i < n; ++i)
          out.data()[o + i] = castElement<T>(std::pow(x[at[0] + i * steps[0]], y[at[1] + i * steps[1]]));
      });
      return out.finish();
    }
  });
}

HostTensor evaluateCmp(Call &call, CmpOp op) {
  switch (op.getKind()) {
  case CmpKind::eq: return compare(call, [](auto x, auto y) { return x == y; });
  case CmpKind::ne: return compare(call, [](auto x, auto y) { return x != y; });
  case CmpKind::lt: return compare(call, [](auto x, auto y) { return x < y; });
  case CmpKind::le: return compare(call, [](auto x, auto y) { return x <= y; });
  case CmpKind::gt: return compare(call, [](auto x, auto y) { return x > y; });
  case CmpKind::ge: return compare(call, [](auto x, auto y) { return x >= y; });
  }
  llvm_unreachable("unknown comparison");
}

} // namespace

HostTensor evaluateBinary(Call &call) {
  if (call.operands.size() != 2)
    return call.refuse("op is not known to the evaluator");
  if (isa<PowOp>(call.op))
    return evaluatePow(call);
  if (call[0].getElementType() != call[1].getElementType())
    return call.refuse("operands of different element types");
#define SMELT_WRAPPING(OP, SYMBOL) \
  .Case<OP>([&](auto) { \
    return mapAny(call, [](auto x, auto y) { \
      using T = decltype(x); \
      if constexpr (std::is_floating_point_v<T>) \
        return x SYMBOL y; \
      else \
        return wrapTo<T>(WrappingT<T>(x) SYMBOL WrappingT<T>(y)); \
    }); \
  })
#define SMELT_BITS(OP, SYMBOL) \
  .Case<OP>([&](auto) { return mapInteger(call, [](auto x, auto y) { return decltype(x)(x SYMBOL y); }); })
#define SMELT_SHIFT(OP, SYMBOL) \
  .Case<OP>([&](auto) { \
    return mapInteger(call, [](auto x, auto y) { \
      using T = decltype(x); \
      if constexpr (std::is_same_v<T, bool>) { \
        return T(x && !y); \
      } else { \
        using U = std::make_unsigned_t<T>; \
        return U(y) >= 8 * sizeof(T) ? T(0) : T(WrappingT<T>(U(x)) SYMBOL U(y)); \
      } \
    }); \
  })
  return llvm::TypeSwitch<Operation *, HostTensor>(call.op)
      SMELT_WRAPPING(AddOp, +) SMELT_WRAPPING(SubOp, -) SMELT_WRAPPING(MulOp, *)
      SMELT_BITS(AndOp, &) SMELT_BITS(OrOp, |) SMELT_BITS(XorOp, ^)
      SMELT_SHIFT(ShlOp, <<) SMELT_SHIFT(ShrOp, >>)
      .Case<DivOp>([&](auto) { return mapAny(call, [](auto x, auto y) { return divide(x, y); }); })
      .Case<RemOp>([&](auto) { return mapAny(call, [](auto x, auto y) { return remainder(x, y); }); })
      .Case<ModOp>([&](auto) { return mapAny(call, [](auto x, auto y) { return modulo(x, y); }); })
      .Case<MinOp>([&](auto) { return mapAny(call, [](auto x, auto y) { return minimum(x, y); }); })
      .Case<MaxOp>([&](auto) { return mapAny(call, [](auto x, auto y) { return maximum(x, y); }); })
      .Case<CmpOp>([&](CmpOp op) { return evaluateCmp(call, op); })
      .Default([&](Operation *) { return call.refuse("op is not known to the evaluator"); });
#undef SMELT_WRAPPING
#undef SMELT_BITS
#undef SMELT_SHIFT
}

} // namespace smelt::eval
