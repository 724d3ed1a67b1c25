//===- NarrowFloat.cpp - Codes of float8 and below as arithmetic ------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Formats: OCP 8-bit and microscaling formats (E5M2, E4M3FN, E2M1, E8M0) and
// those without negative zero (FNUZ), whose NaN is the code 0x80.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/NarrowFloat.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace smelt {

namespace {

struct Format {
  int exponentBits, mantissaBits, bias;
  int largest;       // code of the largest finite magnitude
  int infinity = -1; // code; -1: none
  int nan = -1;      // magnitude of NaN's code; -1: none
  bool hasNegativeZero = true;
  int signShift() const { return exponentBits + mantissaBits; }
};

Format formatOf(FloatType type) {
  if (isa<Float8E4M3FNType>(type))
    return {4, 3, 7, 0x7e, -1, 0x7f};
  if (isa<Float8E5M2Type>(type))
    return {5, 2, 15, 0x7b, 0x7c, 0x7e};
  if (isa<Float8E4M3FNUZType>(type))
    return {4, 3, 8, 0x7f, -1, 0x80, false};
  if (isa<Float8E5M2FNUZType>(type))
    return {5, 2, 16, 0x7f, -1, 0x80, false};
  assert(isa<Float4E2M1FNType>(type) && "a float of 8 bits or fewer");
  return {2, 1, 1, 0x7, -1, -1};
}

/// Arithmetic on i32 and f32, scalars or vectors like `model`.
struct Words {
  OpBuilder &b;
  Location loc;
  VectorType vector; // null for scalars

  Words(OpBuilder &b, Location loc, Value model) : b(b), loc(loc), vector(dyn_cast<VectorType>(model.getType())) {}
  Type like(Type element) const { return vector ? Type(VectorType::get(vector.getShape(), element)) : element; }
  Type i32() const { return like(b.getI32Type()); }
  Type f32() const { return like(b.getF32Type()); }
  Value constant(Type element, Attribute value) const {
    Type type = like(element);
    if (vector)
      return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(cast<ShapedType>(type), value));
    return arith::ConstantOp::create(b, loc, cast<TypedAttr>(value));
  }
  Value num(int64_t value) const { return constant(b.getI32Type(), b.getI32IntegerAttr(int32_t(value))); }
  Value real(double value) const { return constant(b.getF32Type(), b.getF32FloatAttr(float(value))); }
  Value bits(Value f) const { return arith::BitcastOp::create(b, loc, i32(), f); }
  Value floats(Value i) const { return arith::BitcastOp::create(b, loc, f32(), i); }
  Value both(Value x, Value y) const { return arith::AndIOp::create(b, loc, x, y); }
  Value either(Value x, Value y) const { return arith::OrIOp::create(b, loc, x, y); }
  Value plus(Value x, Value y) const { return arith::AddIOp::create(b, loc, x, y); }
  Value minus(Value x, Value y) const { return arith::SubIOp::create(b, loc, x, y); }
  Value left(Value x, int by) const { return arith::ShLIOp::create(b, loc, x, num(by)); }
  Value right(Value x, int by) const { return arith::ShRUIOp::create(b, loc, x, num(by)); }
  Value is(arith::CmpIPredicate p, Value x, Value y) const { return arith::CmpIOp::create(b, loc, p, x, y); }
  Value choose(Value c, Value x, Value y) const { return arith::SelectOp::create(b, loc, c, x, y); }
};

using Int = arith::CmpIPredicate;
constexpr int kNaN = 0x7fc00000, kInfinity = 0x7f800000;

/// E8M0: a power of two, neither sign nor zero.
Value decodeScale(const Words &w, Value code) {
  Value value = w.choose(w.is(Int::eq, code, w.num(0)), w.num(0x00400000), w.left(code, 23));
  return w.floats(w.choose(w.is(Int::eq, code, w.num(255)), w.num(kNaN), value));
}

Value encodeScale(const Words &w, Value x, bool saturate) {
  Value u = w.bits(x), magnitude = w.both(u, w.num(0x7fffffff));
  // Without a fraction every significand is odd: ties go up.
  Value code = w.right(w.plus(magnitude, w.num(0x400000)), 23);
  // Between 2^-127 and 2^-126 f32 is denormal.
  Value isAbove = w.is(Int::sge, magnitude, w.num(0x00600000));
  code = w.choose(w.is(Int::slt, magnitude, w.num(0x00800000)), w.choose(isAbove, w.num(1), w.num(0)), code);
  code = w.choose(w.is(Int::sgt, code, w.num(254)), w.num(saturate ? 254 : 255), code);
  code = w.choose(w.is(Int::slt, u, w.num(0)), w.num(0), code);
  return w.choose(w.is(Int::sgt, magnitude, w.num(kInfinity)), w.num(255), code);
}

} // namespace

bool isNarrowFloat(Type elementType) {
  auto type = dyn_cast<FloatType>(elementType);
  return type && type.getWidth() <= 8;
}

Value decodeNarrow(OpBuilder &b, Location loc, Value codes, FloatType type) {
  Words w(b, loc, codes);
  Value code = arith::ExtUIOp::create(b, loc, w.i32(), codes);
  if (isa<Float8E8M0FNUType>(type))
    return decodeScale(w, code);
  Format f = formatOf(type);
  Value magnitude = w.both(code, w.num((1 << f.signShift()) - 1));
  Value sign = w.left(w.right(code, f.signShift()), 31);
  // Exponent and fraction in their places, the exponent off by a constant: denormal codes
  // are denormals there, and the product with a power of two is exact.
  Value small = w.floats(w.left(magnitude, 23 - f.mantissaBits));
  Value value = w.bits(arith::MulFOp::create(b, loc, small, w.real(std::ldexp(1.0, 127 - f.bias))));
  if (f.infinity >= 0)
    value = w.choose(w.is(Int::eq, magnitude, w.num(f.infinity)), w.num(kInfinity), value);
  value = w.either(value, sign);
  if (f.nan == 0x80)
    value = w.choose(w.is(Int::eq, code, w.num(0x80)), w.num(kNaN), value);
  else if (f.nan >= 0)
    value = w.choose(w.is(Int::sgt, magnitude, w.num(f.infinity >= 0 ? f.infinity : f.largest)),
                     w.either(sign, w.num(kNaN)), value);
  return w.floats(value);
}

Value encodeNarrow(OpBuilder &b, Location loc, Value x, FloatType type, bool saturate) {
  Words w(b, loc, x);
  Type i8 = w.like(b.getI8Type());
  if (isa<Float8E8M0FNUType>(type))
    return arith::TruncIOp::create(b, loc, i8, encodeScale(w, x, saturate));
  Format f = formatOf(type);
  int drop = 23 - f.mantissaBits;
  Value u = w.bits(x), magnitude = w.both(u, w.num(0x7fffffff)), sign = w.left(w.right(u, 31), f.signShift());
  // Normal codes: the dropped bits round the rest to even.
  Value odd = w.both(w.right(magnitude, drop), w.num(1));
  Value rounded = w.right(w.plus(w.plus(magnitude, w.num((1 << (drop - 1)) - 1)), odd), drop);
  Value normal = w.minus(rounded, w.num((127 - f.bias) << f.mantissaBits));
  // Denormal ones: the addition of a number whose unit is theirs rounds as it must.
  Value magic = w.real(std::ldexp(1.0, 24 - f.bias - f.mantissaBits));
  Value denormal = w.minus(w.bits(arith::AddFOp::create(b, loc, w.floats(magnitude), magic)), w.bits(magic));
  Value isDenormal = w.is(Int::slt, magnitude, w.num((128 - f.bias) << 23));
  Value code = w.choose(isDenormal, denormal, normal);
  int beyond = saturate || f.nan < 0 ? f.largest : f.infinity >= 0 ? f.infinity : f.nan;
  code = w.choose(w.is(Int::sgt, code, w.num(f.largest)), w.num(beyond), code);
  Value isNaN = w.is(Int::sgt, magnitude, w.num(kInfinity));
  if (f.hasNegativeZero) {
    code = w.choose(isNaN, w.num(f.nan < 0 ? 0 : f.nan), code);
    if (f.nan < 0) // no NaN: negative zero stands for it
      sign = w.choose(isNaN, w.num(1 << f.signShift()), sign);
    code = w.either(code, sign);
  } else {
    code = w.choose(w.is(Int::eq, code, w.num(0)), code, w.either(code, sign));
    code = w.choose(isNaN, w.num(f.nan), code);
  }
  return arith::TruncIOp::create(b, loc, i8, code);
}

Value roundToOdd(OpBuilder &b, Location loc, Value x) {
  Words w(b, loc, x);
  Value nearest = arith::TruncFOp::create(b, loc, w.f32(), x), back = arith::ExtFOp::create(b, loc, x.getType(), nearest);
  auto magnitude = [&](Value v) {
    Type word = w.like(b.getI64Type());
    Value mask = w.constant(b.getI64Type(), b.getI64IntegerAttr(0x7fffffffffffffff));
    return w.both(arith::BitcastOp::create(b, loc, word, v), mask);
  };
  Value isAway = w.is(Int::ugt, magnitude(back), magnitude(x));
  Value differs = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::ONE, back, x);
  isAway = w.both(isAway, differs); // not for NaN
  Value bits = w.minus(w.bits(nearest), arith::ExtUIOp::create(b, loc, w.i32(), isAway));
  return w.floats(w.either(bits, arith::ExtUIOp::create(b, loc, w.i32(), differs)));
}

} // namespace smelt
