//===- ScalarBody.cpp - The function of one element, for elementwise ops ----===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each op once, in arith and math on carried types, for scalars and vectors.
// Signedness comes from the op's element types: carried integers are signless.
// Tested by test/exec/elementwise.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/NarrowFloat.h"
#include "dialects/smelt/Dialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace smelt;

namespace {

/// Builds ops on values that may be vectors.
struct Emit {
  OpBuilder &b;
  Location loc;

  Type elementType(Value v) { return getElementTypeOrSelf(v.getType()); }
  Type like(Value v, Type element) {
    if (auto vector = dyn_cast<VectorType>(v.getType()))
      return VectorType::get(vector.getShape(), element);
    return element;
  }
  Value constant(Type type, TypedAttr element) {
    if (auto vector = dyn_cast<VectorType>(type))
      return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(vector, Attribute(element)));
    return arith::ConstantOp::create(b, loc, element);
  }
  Value num(Value v, double value) {
    Type element = elementType(v);
    if (isa<FloatType>(element))
      return constant(v.getType(), FloatAttr::get(element, value));
    return constant(v.getType(), IntegerAttr::get(element, APInt(element.getIntOrFloatBitWidth(),
                                                                 uint64_t(int64_t(value)), false, true)));
  }
  bool isFloat(Value v) { return isa<FloatType>(elementType(v)); }
  Value cmpf(arith::CmpFPredicate p, Value x, Value y) { return arith::CmpFOp::create(b, loc, p, x, y); }
  Value cmpi(arith::CmpIPredicate p, Value x, Value y) { return arith::CmpIOp::create(b, loc, p, x, y); }
  Value select(Value c, Value x, Value y) { return arith::SelectOp::create(b, loc, c, x, y); }
};

Type elementOf(Value tensor) { return cast<RankedTensorType>(tensor.getType()).getElementType(); }

/// float -> integer as the hardware's saturated conversion: NaN gives 0.
Value floatToInt(Emit &e, Value x, Type target, bool isUnsignedTarget) {
  unsigned width = target.getIntOrFloatBitWidth();
  double low = isUnsignedTarget ? 0.0 : -std::ldexp(1.0, width - 1);
  double high = isUnsignedTarget ? std::ldexp(1.0, width) : std::ldexp(1.0, width - 1);
  Value inLow = e.cmpf(arith::CmpFPredicate::OGE, x, e.num(x, low));
  Value inHigh = e.cmpf(arith::CmpFPredicate::OLT, x, e.num(x, high));
  Value ok = arith::AndIOp::create(e.b, e.loc, inLow, inHigh);
  Value safe = e.select(ok, x, e.num(x, 0.0));
  Type type = e.like(x, target);
  Value converted = isUnsignedTarget ? Value(arith::FPToUIOp::create(e.b, e.loc, type, safe))
                                     : Value(arith::FPToSIOp::create(e.b, e.loc, type, safe));
  APInt lowest = isUnsignedTarget ? APInt::getZero(width) : APInt::getSignedMinValue(width);
  APInt highest = isUnsignedTarget ? APInt::getMaxValue(width) : APInt::getSignedMaxValue(width);
  Value lowValue = e.constant(type, IntegerAttr::get(target, lowest));
  Value highValue = e.constant(type, IntegerAttr::get(target, highest));
  Value above = e.cmpf(arith::CmpFPredicate::OGE, x, e.num(x, high));
  Value below = e.cmpf(arith::CmpFPredicate::OLT, x, e.num(x, low));
  return e.select(above, highValue, e.select(below, lowValue, converted));
}

/// Clamps a carried value of a sub-byte integer type to its bits.
Value wrapSubByte(Emit &e, Value x, Type elementType) {
  auto integer = dyn_cast<IntegerType>(elementType);
  if (!integer || integer.getWidth() >= 8 || integer.getWidth() == 1)
    return x;
  Value shift = e.num(x, 8 - integer.getWidth());
  Value up = arith::ShLIOp::create(e.b, e.loc, x, shift);
  return integer.isUnsigned() ? Value(arith::ShRUIOp::create(e.b, e.loc, up, shift))
                              : Value(arith::ShRSIOp::create(e.b, e.loc, up, shift));
}

/// A float of any width as f32 that `to`, of 8 bits or fewer, holds.
Value roundToNarrow(Emit &e, Value x, FloatType to, bool saturate) {
  if (e.elementType(x).isF64())
    x = roundToOdd(e.b, e.loc, x);
  return decodeNarrow(e.b, e.loc, encodeNarrow(e.b, e.loc, x, to, saturate), to);
}

Value convert(Emit &e, Value x, Type from, Type to, bool saturate = true) {
  Type target = carriedType(to);
  Type source = e.elementType(x);
  Type type = e.like(x, target);
  if (to.isInteger(1)) {
    if (source.isInteger(1))
      return x;
    return e.isFloat(x) ? e.cmpf(arith::CmpFPredicate::UNE, x, e.num(x, 0))
                        : e.cmpi(arith::CmpIPredicate::ne, x, e.num(x, 0));
  }
  if (isa<FloatType>(target)) {
    Value wide = x;
    if (!e.isFloat(x)) {
      wide = isUnsigned(from) || source.isInteger(1) ? Value(arith::UIToFPOp::create(e.b, e.loc, type, x))
                                                      : Value(arith::SIToFPOp::create(e.b, e.loc, type, x));
    } else if (source.getIntOrFloatBitWidth() < target.getIntOrFloatBitWidth()) {
      wide = arith::ExtFOp::create(e.b, e.loc, type, x);
    } else if (source.getIntOrFloatBitWidth() > target.getIntOrFloatBitWidth() && !isNarrowFloat(to)) {
      // To a narrow float from f64: straight, so that it rounds once.
      if (target != to) {
        Value narrow = arith::TruncFOp::create(e.b, e.loc, e.like(x, to), x);
        return arith::ExtFOp::create(e.b, e.loc, type, narrow);
      }
      wide = arith::TruncFOp::create(e.b, e.loc, type, x);
    }
    if (isNarrowFloat(to))
      return roundToNarrow(e, wide, cast<FloatType>(to), saturate);
    if (target != to) { // a cast to f16 or bf16 rounds even when the value stays carried in f32
      Value narrow = arith::TruncFOp::create(e.b, e.loc, e.like(wide, to), wide);
      wide = arith::ExtFOp::create(e.b, e.loc, type, narrow);
    }
    return wide;
  }
  // Below 8 bits codes wrap, unsigned ones too: a negative float keeps its bits.
  if (e.isFloat(x))
    return wrapSubByte(e, floatToInt(e, x, target, isUnsigned(to) && to.getIntOrFloatBitWidth() >= 8), to);
  unsigned ws = source.getIntOrFloatBitWidth(), wt = target.getIntOrFloatBitWidth();
  if (ws < wt)
    return isUnsigned(from) || ws == 1 ? Value(arith::ExtUIOp::create(e.b, e.loc, type, x))
                                       : Value(arith::ExtSIOp::create(e.b, e.loc, type, x));
  if (ws > wt)
    x = arith::TruncIOp::create(e.b, e.loc, type, x);
  return wrapSubByte(e, x, to);
}

} // namespace

//===----------------------------------------------------------------------===//
// Unary
//===----------------------------------------------------------------------===//

#define SMELT_MATH(OP, MATH, COST) \
  Value OP::emitScalarBody(OpBuilder &b, Location loc, ValueRange args) { return math::MATH::create(b, loc, args[0]); } \
  int64_t OP::getElementCost() { return COST; }
SMELT_MATH(ExpOp, ExpOp, 8) SMELT_MATH(LogOp, LogOp, 10) SMELT_MATH(SqrtOp, SqrtOp, 4) SMELT_MATH(SinOp, SinOp, 12)
SMELT_MATH(CosOp, CosOp, 12) SMELT_MATH(TanOp, TanOp, 20) SMELT_MATH(AsinOp, AsinOp, 20)
SMELT_MATH(AcosOp, AcosOp, 20) SMELT_MATH(AtanOp, AtanOp, 20) SMELT_MATH(SinhOp, SinhOp, 20)
SMELT_MATH(CoshOp, CoshOp, 20) SMELT_MATH(TanhOp, TanhOp, 12) SMELT_MATH(AsinhOp, AsinhOp, 20)
SMELT_MATH(AcoshOp, AcoshOp, 20) SMELT_MATH(AtanhOp, AtanhOp, 20) SMELT_MATH(ErfOp, ErfOp, 14)
#undef SMELT_MATH

#define SMELT_ROUNDING(OP, MATH) \
  Value OP::emitScalarBody(OpBuilder &b, Location loc, ValueRange args) { \
    return Emit{b, loc}.isFloat(args[0]) ? Value(math::MATH::create(b, loc, args[0])) : args[0]; \
  } \
  int64_t OP::getElementCost() { return 1; }
SMELT_ROUNDING(FloorOp, FloorOp) SMELT_ROUNDING(CeilOp, CeilOp) SMELT_ROUNDING(RoundOp, RoundEvenOp)
#undef SMELT_ROUNDING

Value AbsOp::emitScalarBody(OpBuilder &b, Location loc, ValueRange args) {
  if (Emit{b, loc}.isFloat(args[0]))
    return math::AbsFOp::create(b, loc, args[0]);
  return isUnsigned(elementOf(getX())) ? args[0] : Value(math::AbsIOp::create(b, loc, args[0]));
}
int64_t AbsOp::getElementCost() { return 1; }

Value NegOp::emitScalarBody(OpBuilder &b, Location loc, ValueRange args) {
  Emit e{b, loc};
  if (e.isFloat(args[0]))
    return arith::NegFOp::create(b, loc, args[0]);
  return arith::SubIOp::create(b, loc, e.num(args[0], 0), args[0]);
}
int64_t NegOp::getElementCost() { return 1; }

Value SignOp::emitScalarBody(OpBuilder &b, Location loc, ValueRange args) {
  Emit e{b, loc};
  Value x = args[0], zero = e.num(x, 0), one = e.num(x, 1), minus = e.num(x, -1);
  if (e.isFloat(x)) {
    Value nonNegative = e.select(e.cmpf(arith::CmpFPredicate::OGT, x, zero), one, x); // ±0 and NaN stay
    return e.select(e.cmpf(arith::CmpFPredicate::OLT, x, zero), minus, nonNegative);
  }
  Value nonZero = e.cmpi(arith::CmpIPredicate::ne, x, zero);
  if (isUnsigned(elementOf(getX())))
    return e.select(nonZero, one, zero);
  return e.select(e.cmpi(arith::CmpIPredicate::slt, x, zero), minus, e.select(nonZero, one, zero));
}
int64_t SignOp::getElementCost() { return 2; }

Value SigmoidOp::emitScalarBody(OpBuilder &b, Location loc, ValueRange args) {
  Emit e{b, loc};
  Value one = e.num(args[0], 1);
  Value exp = math::ExpOp::create(b, loc, arith::NegFOp::create(b, loc, args[0]));
  return arith::DivFOp::create(b, loc, one, arith::AddFOp::create(b, loc, one, exp));
}
int64_t SigmoidOp::getElementCost() { return 12; }

Value NotOp::emitScalarBody(OpBuilder &b, Location loc, ValueRange args) {
  Value ones = Emit{b, loc}.num(args[0], -1);
  return wrapSubByte(*std::make_unique<Emit>(Emit{b, loc}), arith::XOrIOp::create(b, loc, args[0], ones),
                     elementOf(getX()));
}
int64_t NotOp::getElementCost() { return 1; }

Value IsNaNOp::emitScalarBody(OpBuilder &b, Location loc, ValueRange args) {
  return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, args[0], args[0]);
}
int64_t IsNaNOp::getElementCost() { return 1; }

Value IsInfOp::emitScalarBody(OpBuilder &b, Location loc, ValueRange args) {
  Emit e{b, loc};
  Value x = args[0];
  auto is = [&](double value) { return e.cmpf(arith::CmpFPredicate::OEQ, x, e.num(x, value)); };
  double inf = std::numeric_limits<double>::infinity();
  if (getPositive() && getNegative())
    return arith::OrIOp::create(b, loc, is(inf), is(-inf));
  if (getPositive() || getNegative())
    return is(getPositive() ? inf : -inf);
  return arith::XOrIOp::create(b, loc, is(inf), is(inf)); // neither sign: false
}
int64_t IsInfOp::getElementCost() { return 1; }

Value CastOp::emitScalarBody(OpBuilder &b, Location loc, ValueRange args) {
  Emit e{b, loc};
  return convert(e, args[0], elementOf(getX()), elementOf(getResult()), getSaturate());
}
int64_t CastOp::getElementCost() { return 1; }

Value BitCastOp::emitScalarBody(OpBuilder &b, Location loc, ValueRange args) {
  Type from = elementOf(getX()), to = elementOf(getResult()), carried = carriedType(to);
  Value x = args[0];
  auto like = [&](Type element) { // scalar or lanes, as the argument is
    auto vector = dyn_cast<VectorType>(x.getType());
    return vector ? Type(VectorType::get(vector.getShape(), element)) : element;
  };
  unsigned bits = from.isInteger(1) ? 8 : from.getIntOrFloatBitWidth();
  Type word = b.getIntegerType(bits);
  if (isa<FloatType>(from)) {
    if (getElementTypeOrSelf(x.getType()) != from) // carried wider: the narrow value is exact
      x = arith::TruncFOp::create(b, loc, like(from), x);
    x = arith::BitcastOp::create(b, loc, like(word), x);
  } else if (from.isInteger(1)) {
    x = arith::ExtUIOp::create(b, loc, like(word), x);
  }
  if (isa<FloatType>(to)) {
    x = arith::BitcastOp::create(b, loc, like(to), x);
    return to == carried ? x : arith::ExtFOp::create(b, loc, like(carried), x).getResult();
  }
  if (to.isInteger(1))
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, x, arith::XOrIOp::create(b, loc, x, x));
  return x;
}
int64_t BitCastOp::getElementCost() { return 1; }

//===----------------------------------------------------------------------===//
// Binary and ternary
//===----------------------------------------------------------------------===//

#define SMELT_ARITH(OP, FLOATOP, INTOP, COST) \
  Value OP::emitScalarBody(OpBuilder &b, Location loc, ValueRange args) { \
    Emit e{b, loc}; \
    if (e.isFloat(args[0])) \
      return arith::FLOATOP::create(b, loc, args[0], args[1]); \
    return wrapSubByte(e, arith::INTOP::create(b, loc, args[0], args[1]), elementOf(getResult())); \
  } \
  int64_t OP::getElementCost() { return COST; }
SMELT_ARITH(AddOp, AddFOp, AddIOp, 1) SMELT_ARITH(SubOp, SubFOp, SubIOp, 1) SMELT_ARITH(MulOp, MulFOp, MulIOp, 1)
#undef SMELT_ARITH

/// Divisors that would trap are replaced by 1 and the result patched: 0 gives
/// 0, and the smallest integer by -1 wraps to itself.
static Value safeDivide(Emit &e, Value x, Value y, bool isUnsignedType, bool remainder) {
  Value zero = e.num(y, 0), one = e.num(y, 1);
  Value byZero = e.cmpi(arith::CmpIPredicate::eq, y, zero);
  Value unsafe = byZero;
  Value byMinusOne;
  if (!isUnsignedType) {
    byMinusOne = e.cmpi(arith::CmpIPredicate::eq, y, e.num(y, -1));
    unsafe = arith::OrIOp::create(e.b, e.loc, byZero, byMinusOne);
  }
  Value divisor = e.select(unsafe, one, y);
  Value result;
  if (remainder)
    result = isUnsignedType ? Value(arith::RemUIOp::create(e.b, e.loc, x, divisor))
                            : Value(arith::RemSIOp::create(e.b, e.loc, x, divisor));
  else
    result = isUnsignedType ? Value(arith::DivUIOp::create(e.b, e.loc, x, divisor))
                            : Value(arith::DivSIOp::create(e.b, e.loc, x, divisor));
  if (!remainder && byMinusOne)
    result = e.select(byMinusOne, arith::SubIOp::create(e.b, e.loc, zero, x), result);
  return e.select(byZero, zero, result);
}

Value DivOp::emitScalarBody(OpBuilder &b, Location loc, ValueRange args) {
  Emit e{b, loc};
  if (e.isFloat(args[0]))
    return arith::DivFOp::create(b, loc, args[0], args[1]);
  return safeDivide(e, args[0], args[1], isUnsigned(elementOf(getLhs())), /*remainder=*/false);
}
int64_t DivOp::getElementCost() { return 4; }

Value RemOp::emitScalarBody(OpBuilder &b, Location loc, ValueRange args) {
  Emit e{b, loc};
  if (e.isFloat(args[0]))
    return arith::RemFOp::create(b, loc, args[0], args[1]);
  return safeDivide(e, args[0], args[1], isUnsigned(elementOf(getLhs())), /*remainder=*/true);
}
int64_t RemOp::getElementCost() { return 8; }

Value ModOp::emitScalarBody(OpBuilder &b, Location loc, ValueRange args) {
  Emit e{b, loc};
  Value x = args[0], y = args[1];
  if (e.isFloat(x)) {
    Value r = arith::RemFOp::create(b, loc, x, y), zero = e.num(x, 0);
    Value nonZero = e.cmpf(arith::CmpFPredicate::ONE, r, zero);
    Value differ = arith::XOrIOp::create(b, loc, e.cmpf(arith::CmpFPredicate::OLT, r, zero),
                                         e.cmpf(arith::CmpFPredicate::OLT, y, zero));
    Value fix = arith::AndIOp::create(b, loc, nonZero, differ);
    return e.select(fix, arith::AddFOp::create(b, loc, r, y), r);
  }
  bool isUnsignedType = isUnsigned(elementOf(getLhs()));
  Value r = safeDivide(e, x, y, isUnsignedType, /*remainder=*/true);
  if (isUnsignedType)
    return r;
  Value zero = e.num(x, 0);
  Value differ = e.cmpi(arith::CmpIPredicate::slt, arith::XOrIOp::create(b, loc, r, y), zero);
  Value fix = arith::AndIOp::create(b, loc, e.cmpi(arith::CmpIPredicate::ne, r, zero), differ);
  return e.select(fix, arith::AddIOp::create(b, loc, r, y), r);
}
int64_t ModOp::getElementCost() { return 8; }

Value PowOp::emitScalarBody(OpBuilder &b, Location loc, ValueRange args) {
  Emit e{b, loc};
  Value x = args[0], y = args[1];
  Type from = elementOf(getLhs());
  if (e.isFloat(x)) {
    if (e.elementType(y) != e.elementType(x))
      y = convert(e, y, elementOf(getRhs()), from);
    return math::PowFOp::create(b, loc, x, y);
  }
  // Integer bases go through f64, as ONNX's reference does.
  Type f64 = b.getF64Type();
  Value wideX = convert(e, x, from, f64), wideY = convert(e, y, elementOf(getRhs()), f64);
  return convert(e, math::PowFOp::create(b, loc, wideX, wideY), f64, from);
}
int64_t PowOp::getElementCost() { return 24; }

#define SMELT_MINMAX(OP, FLOATOP, SIGNED, UNSIGNED) \
  Value OP::emitScalarBody(OpBuilder &b, Location loc, ValueRange args) { \
    if (Emit{b, loc}.isFloat(args[0])) \
      return arith::FLOATOP::create(b, loc, args[0], args[1]); \
    return isUnsigned(elementOf(getLhs())) ? Value(arith::UNSIGNED::create(b, loc, args[0], args[1])) \
                                           : Value(arith::SIGNED::create(b, loc, args[0], args[1])); \
  } \
  int64_t OP::getElementCost() { return 1; }
SMELT_MINMAX(MinOp, MinimumFOp, MinSIOp, MinUIOp) SMELT_MINMAX(MaxOp, MaximumFOp, MaxSIOp, MaxUIOp)
#undef SMELT_MINMAX

#define SMELT_BITS(OP, ARITH) \
  Value OP::emitScalarBody(OpBuilder &b, Location loc, ValueRange args) { return arith::ARITH::create(b, loc, args[0], args[1]); } \
  int64_t OP::getElementCost() { return 1; }
SMELT_BITS(AndOp, AndIOp) SMELT_BITS(OrOp, OrIOp) SMELT_BITS(XorOp, XOrIOp)
#undef SMELT_BITS

#define SMELT_SHIFT(OP, ARITH) \
  Value OP::emitScalarBody(OpBuilder &b, Location loc, ValueRange args) { \
    Emit e{b, loc}; \
    Value width = e.num(args[1], e.elementType(args[1]).getIntOrFloatBitWidth()), zero = e.num(args[1], 0); \
    Value inside = e.cmpi(arith::CmpIPredicate::ult, args[1], width); \
    Value amount = e.select(inside, args[1], zero); \
    return e.select(inside, arith::ARITH::create(b, loc, args[0], amount), zero); \
  } \
  int64_t OP::getElementCost() { return 2; }
SMELT_SHIFT(ShlOp, ShLIOp) SMELT_SHIFT(ShrOp, ShRUIOp)
#undef SMELT_SHIFT

Value CmpOp::emitScalarBody(OpBuilder &b, Location loc, ValueRange args) {
  Emit e{b, loc};
  if (e.isFloat(args[0])) {
    static constexpr arith::CmpFPredicate predicates[] = {
        arith::CmpFPredicate::OEQ, arith::CmpFPredicate::UNE, arith::CmpFPredicate::OLT,
        arith::CmpFPredicate::OLE, arith::CmpFPredicate::OGT, arith::CmpFPredicate::OGE};
    return e.cmpf(predicates[unsigned(getKind())], args[0], args[1]);
  }
  static constexpr arith::CmpIPredicate signedPredicates[] = {
      arith::CmpIPredicate::eq, arith::CmpIPredicate::ne, arith::CmpIPredicate::slt,
      arith::CmpIPredicate::sle, arith::CmpIPredicate::sgt, arith::CmpIPredicate::sge};
  static constexpr arith::CmpIPredicate unsignedPredicates[] = {
      arith::CmpIPredicate::eq, arith::CmpIPredicate::ne, arith::CmpIPredicate::ult,
      arith::CmpIPredicate::ule, arith::CmpIPredicate::ugt, arith::CmpIPredicate::uge};
  bool asUnsigned = isUnsigned(elementOf(getLhs())) || elementOf(getLhs()).isInteger(1);
  return e.cmpi((asUnsigned ? unsignedPredicates : signedPredicates)[unsigned(getKind())], args[0], args[1]);
}
int64_t CmpOp::getElementCost() { return 1; }

Value SelectOp::emitScalarBody(OpBuilder &b, Location loc, ValueRange args) {
  return arith::SelectOp::create(b, loc, args[0], args[1], args[2]);
}
int64_t SelectOp::getElementCost() { return 1; }

//===----------------------------------------------------------------------===//
// Quantization
//===----------------------------------------------------------------------===//

Value QuantizeOp::emitScalarBody(OpBuilder &b, Location loc, ValueRange args) {
  Emit e{b, loc};
  Type to = elementOf(getResult());
  Value scaled = arith::DivFOp::create(b, loc, args[0], args[1]);
  auto integer = dyn_cast<IntegerType>(to);
  if (!integer)
    return convert(e, scaled, e.elementType(scaled), to);
  Value rounded = math::RoundEvenOp::create(b, loc, scaled);
  Value zero = convert(e, args[2], elementOf(getZeroPoint()), e.elementType(scaled));
  Value sum = arith::AddFOp::create(b, loc, rounded, zero);
  unsigned width = integer.getWidth();
  double low = integer.isUnsigned() ? 0 : -std::ldexp(1.0, width - 1);
  double high = std::ldexp(1.0, integer.isUnsigned() ? width : width - 1) - 1;
  Value clamped = arith::MinNumFOp::create(b, loc, arith::MaxNumFOp::create(b, loc, sum, e.num(sum, low)),
                                           e.num(sum, high));
  return convert(e, clamped, e.elementType(clamped), to);
}
int64_t QuantizeOp::getElementCost() { return 8; }

Value DequantizeOp::emitScalarBody(OpBuilder &b, Location loc, ValueRange args) {
  Emit e{b, loc};
  Type from = elementOf(getX());
  Type target = e.elementType(args[1]);
  if (isa<FloatType>(from))
    return arith::MulFOp::create(b, loc, convert(e, args[0], from, target), args[1]);
  // The difference of two 8-bit codes is exact in i32, as of an i32 code and 0.
  Type i32 = b.getI32Type();
  Value difference = arith::SubIOp::create(b, loc, convert(e, args[0], from, i32),
                                           convert(e, args[2], elementOf(getZeroPoint()), i32));
  return arith::MulFOp::create(b, loc, convert(e, difference, i32, target), args[1]);
}
int64_t DequantizeOp::getElementCost() { return 3; }
