//===- Elementwise.cpp - Evaluating ops with a scalar body ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The same functions as dialects/smelt/ScalarBody.cpp, as typed loops: dims are
// merged where every operand runs on, and the inner loop is specialised on
// which operands stand still. Tested by test/dialects/eval/elementwise.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/eval/ElementwiseBinary.h"
#include "dialects/smelt/eval/Families.h"
#include "dialects/smelt/eval/Kinds.h"
#include "dialects/smelt/eval/Loops.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace smelt::eval {

namespace {

bool broadcastsTo(ArrayRef<int64_t> from, ArrayRef<int64_t> to) {
  if (from.size() > to.size())
    return false;
  for (size_t i = 0; i < from.size(); ++i)
    if (from[i] != 1 && from[i] != to[to.size() - from.size() + i])
      return false;
  return true;
}

/// Computes in T, the carried type of the operand, and rounds to the result's.
template <typename T, typename F> HostTensor mapUnary(Call &call, F f) {
  Elements<T> x(call[0]);
  Result<T> out(call.types[0], call.shapes[0]);
  Broadcast<1> loops(call.shapes[0], {&call[0]});
  loops.run([&](int64_t o, std::array<int64_t, 1> at, int64_t n, auto steps) {
    const T *in = x.data() + at[0];
    T *to = out.data() + o;
    for (int64_t i = 0; i < n; ++i)
      to[i] = f(in[i * steps[0]]);
  });
  return out.finish();
}

template <typename F> HostTensor mapFloat(Call &call, F f) {
  Kind kind = carriedKind(call[0].getElementType());
  if (kind == Kind::F64)
    return mapUnary<double>(call, f);
  if (kind == Kind::F32)
    return mapUnary<float>(call, f);
  return call.refuse("element type is not a float");
}

/// Any carried type; T -> T.
template <typename F> HostTensor mapAny(Call &call, F f) {
  return dispatch(carriedKind(call[0].getElementType()), [&](auto tag) {
    using T = decltype(tag);
    return mapUnary<T>(call, [&](T x) { return f(x); });
  });
}

/// To i1.
template <typename F> HostTensor testFloat(Call &call, F f) {
  HostTensor result = HostTensor::allocate(call.types[0], call.shapes[0]);
  bool *out = result.mutableData<bool>();
  auto run = [&](auto tag) {
    using T = decltype(tag);
    Elements<T> x(call[0]);
    for (int64_t i = 0, e = result.getNumElements(); i < e; ++i)
      out[i] = f(x[i]);
    return result;
  };
  if (call[0].getNumElements() != result.getNumElements())
    return call.refuse("operand does not have the result's shape");
  Kind kind = carriedKind(call[0].getElementType());
  return kind == Kind::F64 ? run(double()) : kind == Kind::F32 ? run(float()) : call.refuse("element type is not a float");
}

HostTensor evaluateCast(Call &call, CastOp op) {
  HostTensor x = call[0];
  if (call[0].getShape() != ArrayRef<int64_t>(call.shapes[0]))
    return call.refuse("operand does not have the result's shape");
  return convert(x, call.types[0], op.getSaturate());
}

HostTensor evaluateBitCast(Call &call) {
  HostTensor result = HostTensor::allocate(call.types[0], call.shapes[0]);
  if (call[0].getNumElements() != result.getNumElements() || call[0].getBytes().size() != result.getBytes().size())
    return call.refuse("operand does not have the result's shape and width");
  std::memcpy(result.mutableData<char>(), call[0].getBytes().data(), result.getBytes().size());
  return result;
}

HostTensor evaluateSelect(Call &call) {
  if (call[1].getElementType() != call[2].getElementType() || call[1].getElementType() != call.types[0])
    return call.refuse("operands of different element types");
  Elements<bool> cond(call[0]);
  HostTensor result = HostTensor::allocate(call.types[0], call.shapes[0]);
  Broadcast<3> loops(call.shapes[0], {&call[0], &call[1], &call[2]});
  auto run = [&](auto tag) {
    using T = decltype(tag);
    T *out = result.mutableData<T>();
    loops.run([&](int64_t o, std::array<int64_t, 3> at, int64_t n, auto steps) {
      const bool *c = cond.data() + at[0];
      const T *x = call[1].data<T>() + at[1], *y = call[2].data<T>() + at[2];
      for (int64_t i = 0; i < n; ++i)
        out[o + i] = c[i * steps[0]] ? x[i * steps[1]] : y[i * steps[2]];
    });
    return result;
  };
  switch (getElementBytes(call.types[0])) {
  case 1: return run(uint8_t());
  case 2: return run(uint16_t());
  case 4: return run(uint32_t());
  default: return run(uint64_t());
  }
}

/// x / scale, rounded to even, plus the zero point, clamped: in x's type.
HostTensor evaluateQuantize(Call &call) {
  auto integer = dyn_cast<IntegerType>(cast<RankedTensorType>(call.op->getResult(0).getType()).getElementType());
  auto run = [&](auto tag) {
    using T = decltype(tag);
    Elements<T> x(call[0]), scale(call[1]), zero(call[2]);
    Result<T> out(integer ? Type(integer) : call.types[0], call.shapes[0]);
    Broadcast<3> loops(call.shapes[0], {&call[0], &call[1], &call[2]});
    unsigned width = integer ? integer.getWidth() : 0;
    bool isUnsignedType = integer && integer.isUnsigned();
    T low = isUnsignedType || !integer ? T(0) : -std::ldexp(T(1), int(width) - 1);
    T high = integer ? std::ldexp(T(1), int(isUnsignedType ? width : width - 1)) - T(1) : T(0);
    loops.run([&](int64_t o, std::array<int64_t, 3> at, int64_t n, auto steps) {
      for (int64_t i = 0; i < n; ++i) {
        T value = x[at[0] + i * steps[0]] / scale[at[1] + i * steps[1]];
        if (integer) {
          value = std::nearbyint(value) + zero[at[2] + i * steps[2]];
          value = value >= low ? value : low; // NaN gives the lowest code
          value = value <= high ? value : high;
        }
        out.data()[o + i] = value;
      }
    });
    return out.finish();
  };
  Kind kind = carriedKind(call[0].getElementType());
  if (kind != Kind::F64 && kind != Kind::F32)
    return call.refuse("element type is not a float");
  if (integer)
    return kind == Kind::F64 ? run(double()) : run(float());
  // Oracle: codes of float8 and below are rounded to, then held in f64.
  Type code = cast<RankedTensorType>(call.op->getResult(0).getType()).getElementType();
  Type held = call.types[0];
  call.types[0] = code;
  HostTensor rounded = kind == Kind::F64 ? run(double()) : run(float());
  call.types[0] = held;
  return convert(rounded, held);
}

HostTensor evaluateDequantize(Call &call) {
  bool fromFloat = isa<FloatType>(call[0].getElementType());
  auto run = [&](auto tag) {
    using T = decltype(tag);
    Elements<T> scale(call[1]);
    Result<T> out(call.types[0], call.shapes[0]);
    Broadcast<3> loops(call.shapes[0], {&call[0], &call[1], &call[2]});
    if (fromFloat) {
      Elements<T> x(call[0]);
      loops.run([&](int64_t o, std::array<int64_t, 3> at, int64_t n, auto steps) {
        for (int64_t i = 0; i < n; ++i)
          out.data()[o + i] = x[at[0] + i * steps[0]] * scale[at[1] + i * steps[1]];
      });
      return out.finish();
    }
    Elements<int32_t> x(call[0]), zero(call[2]);
    loops.run([&](int64_t o, std::array<int64_t, 3> at, int64_t n, auto steps) {
      for (int64_t i = 0; i < n; ++i) {
        uint32_t difference = uint32_t(x[at[0] + i * steps[0]]) - uint32_t(zero[at[2] + i * steps[2]]);
        out.data()[o + i] = T(int32_t(difference)) * scale[at[1] + i * steps[1]];
      }
    });
    return out.finish();
  };
  Kind kind = carriedKind(call[1].getElementType());
  return kind == Kind::F64 ? run(double()) : kind == Kind::F32 ? run(float()) : call.refuse("scale is not a float");
}

} // namespace

HostTensor evaluateElementwise(Call &call) {
  for (const HostTensor &operand : call.operands)
    if (!isSupportedElement(operand.getElementType()))
      return call.refuse("element type of an operand is not a float or integer of at most 64 bits");
  for (auto [i, operand] : llvm::enumerate(call.operands))
    if (!broadcastsTo(operand.getShape(), call.shapes[0]))
      return call.refuse("operand " + Twine(i) + " does not broadcast to the result's shape");
#define SMELT_FLOAT(OP, EXPR) .Case<OP>([&](auto) { return mapFloat(call, [](auto x) { return EXPR; }); })
#define SMELT_ROUND(OP, FUNCTION) \
  .Case<OP>([&](auto) { \
    return mapAny(call, [](auto x) { \
      if constexpr (std::is_floating_point_v<decltype(x)>) \
        return FUNCTION(x); \
      else \
        return x; \
    }); \
  })
  return llvm::TypeSwitch<Operation *, HostTensor>(call.op)
      SMELT_FLOAT(ExpOp, std::exp(x)) SMELT_FLOAT(LogOp, std::log(x)) SMELT_FLOAT(SqrtOp, std::sqrt(x))
      SMELT_FLOAT(SinOp, std::sin(x)) SMELT_FLOAT(CosOp, std::cos(x)) SMELT_FLOAT(TanOp, std::tan(x))
      SMELT_FLOAT(AsinOp, std::asin(x)) SMELT_FLOAT(AcosOp, std::acos(x)) SMELT_FLOAT(AtanOp, std::atan(x))
      SMELT_FLOAT(SinhOp, std::sinh(x)) SMELT_FLOAT(CoshOp, std::cosh(x)) SMELT_FLOAT(TanhOp, std::tanh(x))
      SMELT_FLOAT(AsinhOp, std::asinh(x)) SMELT_FLOAT(AcoshOp, std::acosh(x)) SMELT_FLOAT(AtanhOp, std::atanh(x))
      SMELT_FLOAT(ErfOp, std::erf(x)) SMELT_FLOAT(SigmoidOp, 1 / (1 + std::exp(-x)))
      SMELT_ROUND(FloorOp, std::floor) SMELT_ROUND(CeilOp, std::ceil) SMELT_ROUND(RoundOp, std::nearbyint)
      .Case<AbsOp>([&](auto) {
        return mapAny(call, [](auto x) {
          using T = decltype(x);
          if constexpr (std::is_floating_point_v<T>)
            return std::fabs(x);
          else if constexpr (std::is_signed_v<T>)
            return x < 0 ? wrapTo<T>(0 - WrappingT<T>(x)) : x;
          else
            return x;
        });
      })
      .Case<NegOp>([&](auto) {
        return mapAny(call, [](auto x) {
          using T = decltype(x);
          if constexpr (std::is_floating_point_v<T>)
            return -x;
          else
            return wrapTo<T>(0 - WrappingT<T>(x));
        });
      })
      .Case<SignOp>([&](auto) {
        return mapAny(call, [](auto x) {
          using T = decltype(x);
          if constexpr (std::is_same_v<T, bool>)
            return x;
          else
            return x > T(0) ? T(1) : x < T(0) ? T(-1) : x; // zeros and NaN stay
        });
      })
      .Case<NotOp>([&](auto) {
        return mapAny(call, [](auto x) {
          using T = decltype(x);
          if constexpr (std::is_same_v<T, bool>)
            return !x;
          else if constexpr (std::is_integral_v<T>)
            return T(~x);
          else
            return x;
        });
      })
      .Case<IsNaNOp>([&](auto) { return testFloat(call, [](auto x) { return x != x; }); })
      .Case<IsInfOp>([&](IsInfOp op) {
        bool positive = op.getPositive(), negative = op.getNegative();
        return testFloat(call, [=](auto x) { return std::isinf(x) && (x > 0 ? positive : negative); });
      })
      .Case<CastOp>([&](CastOp op) { return evaluateCast(call, op); })
      .Case<BitCastOp>([&](BitCastOp) { return evaluateBitCast(call); })
      .Case<SelectOp>([&](auto) { return evaluateSelect(call); })
      .Case<QuantizeOp>([&](auto) { return evaluateQuantize(call); })
      .Case<DequantizeOp>([&](auto) { return evaluateDequantize(call); })
      .Default([&](Operation *) { return evaluateBinary(call); });
#undef SMELT_FLOAT
#undef SMELT_ROUND
}

} // namespace smelt::eval
