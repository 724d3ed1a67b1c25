//===- Math.cpp - Elementwise ops of ONNX -----------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Activations that are not ops of the dialect are composed of its primitives,
// in the formulas of ONNX's own function bodies where those are stable. Test:
// test/frontend/import/math*.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Compose.h"

using namespace mlir;

namespace smelt::onnx {

//===----------------------------------------------------------------------===//
// Unary
//===----------------------------------------------------------------------===//

static LogicalResult wantFloat(NodeImport &n, Value x) {
  if (isa<FloatType>(n.elem(x)))
    return success();
  std::string text;
  llvm::raw_string_ostream(text) << "input of element type " << n.elem(x) << ", want a float type";
  return n.error(text, "onnx.dtype-mismatch");
}

static LogicalResult wantBool(NodeImport &n, Value x) {
  if (n.elem(x).isInteger(1))
    return success();
  std::string text;
  llvm::raw_string_ostream(text) << "input of element type " << n.elem(x) << ", want bool";
  return n.error(text, "onnx.dtype-mismatch");
}

static LogicalResult wantNumber(NodeImport &n, Value x) {
  if (n.elem(x).isIntOrFloat())
    return success();
  return n.unsupported("input of strings, want numbers");
}

template <typename OpTy> static LogicalResult unary(NodeImport &n) {
  if (failed(wantNumber(n, n.in(0))))
    return failure();
  return n.set(0, n.elementwise<OpTy>({n.in(0)}));
}

template <typename OpTy> static LogicalResult unaryFloat(NodeImport &n) {
  if (failed(wantFloat(n, n.in(0))))
    return failure();
  return n.set(0, n.elementwise<OpTy>({n.in(0)}));
}

static LogicalResult logicalNot(NodeImport &n) {
  if (failed(wantBool(n, n.in(0))))
    return failure();
  return n.set(0, n.elementwise<NotOp>({n.in(0)}));
}

static LogicalResult isNaN(NodeImport &n) {
  if (failed(wantFloat(n, n.in(0))))
    return failure();
  return n.set(0, n.elementwise<IsNaNOp>({n.in(0)}, n.b.getI1Type()));
}

static LogicalResult isInf(NodeImport &n) {
  if (failed(wantFloat(n, n.in(0))))
    return failure();
  return n.set(0, n.elementwise<IsInfOp>({n.in(0)}, n.b.getI1Type(), n.b.getBoolAttr(n.i("detect_negative", 1)),
                                         n.b.getBoolAttr(n.i("detect_positive", 1))));
}

static LogicalResult reciprocal(NodeImport &n) {
  if (failed(wantFloat(n, n.in(0))))
    return failure();
  return n.set(0, n.div(n.scalar(n.elem(n.in(0)), 1), n.in(0)));
}

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

/// What activations are written with: constants of x's type.
struct Activation {
  NodeImport &n;
  Value x;
  Type type;
  explicit Activation(NodeImport &n) : n(n), x(n.in(0)), type(n.elem(n.in(0))) {}
  Value num(double value) { return n.scalar(type, value); }
  Value exp(Value v) { return n.elementwise<ExpOp>({v}); }
  Value log(Value v) { return n.elementwise<LogOp>({v}); }
  Value tanh(Value v) { return n.elementwise<TanhOp>({v}); }
  /// negative ? y : x
  Value below(CmpKind kind, Value y) { return n.select(n.cmp(kind, x, num(0)), y, x); }
  /// log(1 + e^x) without overflow.
  Value softplus() {
    Value magnitude = n.elementwise<AbsOp>({x});
    Value tail = log(n.add(num(1), exp(n.elementwise<NegOp>({magnitude}))));
    return n.add(n.max(x, num(0)), tail);
  }
};

using ActivationFn = Value (*)(Activation &);
template <ActivationFn fn> static LogicalResult activation(NodeImport &n) {
  if (failed(wantFloat(n, n.in(0))))
    return failure();
  Activation a(n);
  return n.set(0, fn(a));
}

static LogicalResult relu(NodeImport &n) {
  if (failed(wantNumber(n, n.in(0))))
    return failure();
  return n.set(0, n.max(n.in(0), n.scalar(n.elem(n.in(0)), 0)));
}
static Value leakyRelu(Activation &a) {
  return a.below(CmpKind::lt, a.n.mul(a.x, a.num(a.n.f("alpha", 0.01))));
}
static Value elu(Activation &a) {
  return a.below(CmpKind::lt, a.n.mul(a.num(a.n.f("alpha", 1.0)), a.n.sub(a.exp(a.x), a.num(1))));
}
static Value selu(Activation &a) {
  double alpha = a.n.f("alpha", 1.67326319217681884765625), gamma = a.n.f("gamma", 1.05070102214813232421875);
  Value low = a.n.mul(a.num(alpha), a.n.sub(a.exp(a.x), a.num(1)));
  return a.n.mul(a.num(gamma), a.below(CmpKind::le, low));
}
static Value celu(Activation &a) {
  Value alpha = a.num(a.n.f("alpha", 1.0));
  Value low = a.n.mul(alpha, a.n.sub(a.exp(a.n.div(a.x, alpha)), a.num(1)));
  return a.n.add(a.n.max(a.x, a.num(0)), a.n.min(a.num(0), low));
}
static Value thresholdedRelu(Activation &a) {
  return a.n.select(a.n.cmp(CmpKind::gt, a.x, a.num(a.n.f("alpha", 1.0))), a.x, a.num(0));
}
static Value hardSigmoidOf(Activation &a, double alpha, double beta) {
  Value line = a.n.add(a.n.mul(a.x, a.num(alpha)), a.num(beta));
  return a.n.max(a.num(0), a.n.min(a.num(1), line));
}
static Value hardSigmoid(Activation &a) { return hardSigmoidOf(a, a.n.f("alpha", 0.2), a.n.f("beta", 0.5)); }
static Value hardSwish(Activation &a) { return a.n.mul(a.x, hardSigmoidOf(a, 1.0 / 6.0, 0.5)); }
static Value softplus(Activation &a) { return a.softplus(); }
static Value mish(Activation &a) { return a.n.mul(a.x, a.tanh(a.softplus())); }
static Value softsign(Activation &a) {
  return a.n.div(a.x, a.n.add(a.num(1), a.n.elementwise<AbsOp>({a.x})));
}
static Value swish(Activation &a) {
  double alpha = a.n.f("alpha", 1.0);
  Value scaled = alpha == 1.0 ? a.x : a.n.mul(a.x, a.num(alpha));
  return a.n.mul(a.x, a.n.elementwise<SigmoidOp>({scaled}));
}
static LogicalResult swiGlu(NodeImport &n) {
  if (failed(wantFloat(n, n.in(0))) || failed(n.sameElementType({n.in(0), n.in(1)})))
    return failure();
  Activation gate(n);
  return n.set(0, n.mul(swish(gate), n.in(1)));
}
static Value gelu(Activation &a) {
  std::string approximate = a.n.s("approximate", "none");
  if (approximate != "none" && approximate != "tanh") {
    (void)a.n.error("attribute 'approximate' is '" + approximate + "', want none or tanh");
    return {};
  }
  Value half = a.n.mul(a.num(0.5), a.x), inner;
  if (approximate == "tanh") {
    Value cube = a.n.mul(a.x, a.n.mul(a.x, a.x));
    Value sum = a.n.add(a.x, a.n.mul(a.num(0.044715), cube));
    inner = a.tanh(a.n.mul(a.num(0.7978845608028654), sum)); // sqrt(2 / pi)
  } else {
    inner = a.n.elementwise<ErfOp>({a.n.mul(a.x, a.num(0.7071067811865476))}); // 1 / sqrt(2)
  }
  return a.n.mul(half, a.n.add(a.num(1), inner));
}
static Value shrink(Activation &a) {
  double lambd = a.n.f("lambd", 0.5), bias = a.n.f("bias", 0.0);
  Value high = a.n.select(a.n.cmp(CmpKind::gt, a.x, a.num(lambd)), a.n.sub(a.x, a.num(bias)), a.num(0));
  return a.n.select(a.n.cmp(CmpKind::lt, a.x, a.num(-lambd)), a.n.add(a.x, a.num(bias)), high);
}

static LogicalResult prelu(NodeImport &n) {
  Value x = n.in(0), slope = n.in(1);
  if (failed(n.sameElementType({x, slope})))
    return failure();
  // Before opset 7 a slope per channel is [C] and stands at dim 1.
  if (n.opset() < 7 && n.rank(slope) == 1 && n.rank(x) > 2 && n.dims(slope)[0] != n.num(1)) {
    SmallVector<AffineExpr> shape(n.rank(x) - 1, n.num(1));
    shape[0] = n.dims(slope)[0];
    slope = n.reshape(slope, shape);
  }
  Value negative = n.cmp(CmpKind::lt, x, n.scalar(n.elem(x), 0));
  return n.set(0, n.select(negative, n.mul(x, slope), x));
}

/// Clip's bounds are attributes before opset 11, inputs since.
static LogicalResult clip(NodeImport &n) {
  Value x = n.in(0), low = n.in(1), high = n.in(2);
  if (failed(wantNumber(n, x)) || failed(n.sameElementType({x, low, high})))
    return failure();
  if (n.opset() < 11) {
    if (n.has("min"))
      low = n.scalar(n.elem(x), n.f("min", 0));
    if (n.has("max"))
      high = n.scalar(n.elem(x), n.f("max", 0));
  }
  for (Value bound : {low, high})
    if (bound && n.type(bound).hasStaticShape() && n.type(bound).getNumElements() != 1)
      return n.error("the bounds must be scalars", "onnx.shape-mismatch");
  // A bound of shape [1] is a scalar to real models.
  auto flat = [&](Value bound) { return n.rank(bound) ? n.reshape(bound, {}) : bound; };
  if (low)
    x = n.max(x, flat(low));
  if (high)
    x = n.min(x, flat(high));
  return n.set(0, x);
}

//===----------------------------------------------------------------------===//
// Binary
//===----------------------------------------------------------------------===//

/// The second operand of a binary op. Before opset 7 it broadcasts only when
/// `broadcast` says so, its first dim standing at `axis` of the first operand.
static Value rightOperand(NodeImport &n) {
  Value x = n.in(0), y = n.in(1);
  if (n.opset() >= 7)
    return y;
  if (!n.i("broadcast", 0)) {
    if (n.rank(x) != n.rank(y)) {
      (void)n.error("inputs of rank " + Twine(n.rank(x)) + " and " + Twine(n.rank(y)) +
                        " without attribute 'broadcast', want equal shapes",
                    "onnx.shape-mismatch");
      return {};
    }
    return y;
  }
  if (!n.has("axis"))
    return y;
  auto axis = n.axis(n.i("axis", 0), n.rank(x));
  if (failed(axis))
    return {};
  SmallVector<AffineExpr> dims = n.dims(y);
  if (*axis + int64_t(dims.size()) > n.rank(x)) {
    (void)n.error("second input of rank " + Twine(dims.size()) + " does not fit at axis " + Twine(*axis) +
                      " of rank " + Twine(n.rank(x)),
                  "onnx.shape-mismatch");
    return {};
  }
  dims.resize(n.rank(x) - *axis, n.num(1));
  return n.reshape(y, dims);
}

template <typename OpTy> static LogicalResult binary(NodeImport &n) {
  Value x = n.in(0), y = rightOperand(n);
  if (!y || failed(wantNumber(n, x)) || failed(n.sameElementType({x, y})))
    return failure();
  return n.set(0, n.elementwise<OpTy>({x, y}));
}

template <typename OpTy> static LogicalResult logical(NodeImport &n) {
  if (failed(wantBool(n, n.in(0))))
    return failure();
  return binary<OpTy>(n);
}

template <typename OpTy> static LogicalResult bitwise(NodeImport &n) {
  for (size_t i = 0; i < n.numInputs(); ++i)
    if (!isa<IntegerType>(n.elem(n.in(i))))
      return n.error("bitwise ops take integers", "onnx.dtype-mismatch");
  if constexpr (std::is_same_v<OpTy, NotOp>)
    return n.set(0, n.elementwise<NotOp>({n.in(0)}));
  else
    return binary<OpTy>(n);
}

template <CmpKind kind> static LogicalResult compare(NodeImport &n) {
  Value x = n.in(0), y = rightOperand(n);
  if (kind == CmpKind::eq && y && isString(n, x) && isString(n, y))
    return n.set(0, stringEqual(n, x, y));
  if (!y || failed(wantNumber(n, x)) || failed(n.sameElementType({x, y})))
    return failure();
  return n.set(0, n.cmp(kind, x, y));
}

static LogicalResult power(NodeImport &n) {
  Value y = rightOperand(n);
  if (!y || failed(wantNumber(n, n.in(0))) || failed(wantNumber(n, y)))
    return failure();
  return n.set(0, n.elementwise<PowOp>({n.in(0), y}));
}

static LogicalResult modulo(NodeImport &n) {
  bool fmod = n.i("fmod", 0);
  if (!fmod && isa<FloatType>(n.elem(n.in(0))))
    return n.error("attribute 'fmod' must be 1 for floats");
  return fmod ? binary<RemOp>(n) : binary<ModOp>(n);
}

static LogicalResult bitShift(NodeImport &n) {
  if (failed(n.require("direction")))
    return failure();
  std::string direction = n.s("direction", "");
  if (direction != "LEFT" && direction != "RIGHT")
    return n.error("attribute 'direction' is '" + direction + "', want LEFT or RIGHT");
  return direction == "LEFT" ? bitwise<ShlOp>(n) : bitwise<ShrOp>(n);
}

template <typename OpTy> static LogicalResult variadic(NodeImport &n) {
  Value result = n.in(0);
  for (size_t i = 0; i < n.numInputs(); ++i) {
    Value x = n.in(i);
    if (!x || failed(wantNumber(n, x)) || failed(n.sameElementType({n.in(0), x})))
      return failure();
    if (i > 0)
      result = n.elementwise<OpTy>({result, x});
  }
  return n.set(0, result);
}

static LogicalResult mean(NodeImport &n) {
  if (failed(wantFloat(n, n.in(0))))
    return failure();
  Value sum = n.in(0);
  for (size_t i = 1; i < n.numInputs(); ++i)
    sum = n.add(sum, n.in(i));
  return n.set(0, n.numInputs() > 1 ? n.div(sum, n.scalar(n.elem(n.in(0)), n.numInputs())) : sum);
}

static LogicalResult where(NodeImport &n) {
  if (failed(wantBool(n, n.in(0))) || failed(wantNumber(n, n.in(1))) || failed(n.sameElementType({n.in(1), n.in(2)})))
    return failure();
  return n.set(0, n.select(n.in(0), n.in(1), n.in(2)));
}

//===----------------------------------------------------------------------===//
// Cast
//===----------------------------------------------------------------------===//

static LogicalResult castTo(NodeImport &n, Type to) {
  Value x = n.in(0);
  if (!to)
    return failure();
  if (!to.isIntOrFloat() || !n.elem(x).isIntOrFloat())
    return n.elem(x) == to ? n.set(0, x) : n.unsupported("conversion to or from strings");
  if (n.elem(x) == to)
    return n.set(0, x);
  if (n.i("saturate", 1))
    return n.set(0, n.cast(x, to));
  return n.set(0, n.elementwise<CastOp>({x}, to, n.b.getBoolAttr(false)));
}

/// The power of two above or below positive floats, as round_mode of a cast to
/// float8e8m0 says; the cast itself is to the nearest, and exact then.
static Value toPowerOfTwo(NodeImport &n, Value x, bool isUp) {
  Type i32 = n.b.getI32Type(), f32 = n.b.getF32Type();
  Value wide = n.cast(x, f32), bits = n.elementwise<BitCastOp>({wide}, i32);
  auto number = [&](int64_t v) { return n.scalar(i32, double(v)); };
  Value raised = isUp ? n.add(bits, number(0x7fffff)) : bits;
  Value power = n.mul(n.div(raised, number(0x800000)), number(0x800000));
  // The least one, 2^-127, is a denormal number.
  Value isLeast = n.cmp(CmpKind::le, bits, number(isUp ? 0x400000 : 0x7fffff));
  power = n.select(isLeast, number(0x400000), power);
  Value isNumber = n.elementwise<AndOp>({n.cmp(CmpKind::ge, bits, number(0)), n.cmp(CmpKind::lt, bits, number(0x7f800000))});
  return n.select(isNumber, n.elementwise<BitCastOp>({power}, f32), wide);
}

static LogicalResult castOp(NodeImport &n) {
  if (failed(n.require("to")))
    return failure();
  const Attribute *to = n.attribute("to");
  if (n.opset() < 6 && to->kind == AttrKind::String) { // opset 1 names the type
    static constexpr std::pair<std::string_view, DType> names[] = {
        {"FLOAT", DType::F32}, {"UINT8", DType::U8}, {"INT8", DType::I8}, {"UINT16", DType::U16},
        {"INT16", DType::I16}, {"INT32", DType::I32}, {"INT64", DType::I64}, {"STRING", DType::String},
        {"BOOL", DType::Bool}, {"FLOAT16", DType::F16}, {"DOUBLE", DType::F64}, {"UINT32", DType::U32},
        {"UINT64", DType::U64}};
    for (auto [name, dtype] : names)
      if (name == to->s)
        return castTo(n, n.dtype(dtype));
    return n.error("attribute 'to' names no element type: '" + StringRef(to->s.data(), to->s.size()) + "'");
  }
  Type type = n.dtype(DType(n.i("to", 0)));
  std::string mode = n.s("round_mode", "up");
  if (type && isa<Float8E8M0FNUType>(type) && isa<FloatType>(n.elem(n.in(0))) && n.opset() >= 24 && mode != "nearest") {
    if (mode != "up" && mode != "down")
      return n.error("round_mode is '" + mode + "', want up, down or nearest");
    return n.set(0, n.elementwise<CastOp>({toPowerOfTwo(n, n.in(0), mode == "up")}, type, n.b.getBoolAttr(n.i("saturate", 1) != 0)));
  }
  return castTo(n, type);
}

static LogicalResult bitCast(NodeImport &n) {
  Value x = n.in(0);
  Type to = n.dtype(DType(n.i("to", 0)));
  if (!to)
    return failure();
  auto bits = [](Type t) { return t.isInteger(1) ? 8u : t.getIntOrFloatBitWidth(); };
  if (!n.elem(x).isIntOrFloat() || !to.isIntOrFloat())
    return n.error("BitCast of strings", "onnx.dtype-mismatch");
  if (bits(n.elem(x)) != bits(to))
    return n.error("BitCast from " + Twine(bits(n.elem(x))) + " to " + Twine(bits(to)) + " bits", "onnx.dtype-mismatch");
  for (Type t : {n.elem(x), to})
    if (bits(t) < 8 || (isa<FloatType>(t) && bits(t) < 16))
      return n.unsupported("BitCast of types of less than 8 bits and of float8");
  return n.set(0, n.elem(x) == to ? x : n.elementwise<BitCastOp>({x}, to));
}

static LogicalResult castLike(NodeImport &n) { return castTo(n, n.elem(n.in(1))); }

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

ArrayRef<OpRow> mathOps() {
  static constexpr OpRow rows[] = {
      {"", "Abs", 1, 1, 1, unary<AbsOp>},
      {"", "Neg", 1, 1, 1, unary<NegOp>},
      {"", "Sign", 9, 1, 1, unary<SignOp>},
      {"", "Exp", 1, 1, 1, unaryFloat<ExpOp>},
      {"", "Log", 1, 1, 1, unaryFloat<LogOp>},
      {"", "Sqrt", 1, 1, 1, unaryFloat<SqrtOp>},
      {"", "Sin", 7, 1, 1, unaryFloat<SinOp>},
      {"", "Cos", 7, 1, 1, unaryFloat<CosOp>},
      {"", "Tan", 7, 1, 1, unaryFloat<TanOp>},
      {"", "Asin", 7, 1, 1, unaryFloat<AsinOp>},
      {"", "Acos", 7, 1, 1, unaryFloat<AcosOp>},
      {"", "Atan", 7, 1, 1, unaryFloat<AtanOp>},
      {"", "Sinh", 9, 1, 1, unaryFloat<SinhOp>},
      {"", "Cosh", 9, 1, 1, unaryFloat<CoshOp>},
      {"", "Tanh", 1, 1, 1, unaryFloat<TanhOp>},
      {"", "Asinh", 9, 1, 1, unaryFloat<AsinhOp>},
      {"", "Acosh", 9, 1, 1, unaryFloat<AcoshOp>},
      {"", "Atanh", 9, 1, 1, unaryFloat<AtanhOp>},
      {"", "Erf", 9, 1, 1, unaryFloat<ErfOp>},
      {"", "Floor", 1, 1, 1, unaryFloat<FloorOp>},
      {"", "Ceil", 1, 1, 1, unaryFloat<CeilOp>},
      {"", "Round", 11, 1, 1, unaryFloat<RoundOp>},
      {"", "Sigmoid", 1, 1, 1, unaryFloat<SigmoidOp>},
      {"", "Reciprocal", 1, 1, 1, reciprocal},
      {"", "Not", 1, 1, 1, logicalNot},
      {"", "IsNaN", 9, 1, 1, isNaN},
      {"", "IsInf", 10, 1, 1, isInf},
      {"", "Relu", 1, 1, 1, relu},
      {"", "LeakyRelu", 1, 1, 1, activation<leakyRelu>},
      {"", "PRelu", 1, 2, 2, prelu},
      {"", "Elu", 1, 1, 1, activation<elu>},
      {"", "Selu", 1, 1, 1, activation<selu>},
      {"", "Celu", 12, 1, 1, activation<celu>},
      {"", "ThresholdedRelu", 10, 1, 1, activation<thresholdedRelu>},
      {"", "HardSigmoid", 1, 1, 1, activation<hardSigmoid>},
      {"", "HardSwish", 14, 1, 1, activation<hardSwish>},
      {"", "Mish", 18, 1, 1, activation<mish>},
      {"", "Softplus", 1, 1, 1, activation<softplus>},
      {"", "Softsign", 1, 1, 1, activation<softsign>},
      {"", "Gelu", 20, 1, 1, activation<gelu>},
      {"", "Swish", 24, 1, 1, activation<swish>},
      {"", "SwiGLU", 28, 2, 2, swiGlu},
      {"", "Shrink", 9, 1, 1, activation<shrink>},
      {"", "Clip", 1, 1, 3, clip},
      {"", "Add", 1, 2, 2, binary<AddOp>},
      {"", "Sub", 1, 2, 2, binary<SubOp>},
      {"", "Mul", 1, 2, 2, binary<MulOp>},
      {"", "Div", 1, 2, 2, binary<DivOp>},
      {"", "Mod", 10, 2, 2, modulo},
      {"", "Pow", 1, 2, 2, power},
      {"", "And", 1, 2, 2, logical<AndOp>},
      {"", "Or", 1, 2, 2, logical<OrOp>},
      {"", "Xor", 1, 2, 2, logical<XorOp>},
      {"", "BitwiseAnd", 18, 2, 2, bitwise<AndOp>},
      {"", "BitwiseOr", 18, 2, 2, bitwise<OrOp>},
      {"", "BitwiseXor", 18, 2, 2, bitwise<XorOp>},
      {"", "BitwiseNot", 18, 1, 1, bitwise<NotOp>},
      {"", "BitShift", 11, 2, 2, bitShift},
      {"", "Equal", 1, 2, 2, compare<CmpKind::eq>},
      {"", "Less", 1, 2, 2, compare<CmpKind::lt>},
      {"", "Greater", 1, 2, 2, compare<CmpKind::gt>},
      {"", "LessOrEqual", 12, 2, 2, compare<CmpKind::le>},
      {"", "GreaterOrEqual", 12, 2, 2, compare<CmpKind::ge>},
      {"", "Sum", 1, 1, -1, variadic<AddOp>},
      {"", "Max", 1, 1, -1, variadic<MaxOp>},
      {"", "Min", 1, 1, -1, variadic<MinOp>},
      {"", "Mean", 1, 1, -1, mean},
      {"", "Where", 9, 3, 3, where},
      {"", "Cast", 1, 1, 1, castOp},
      {"", "CastLike", 15, 2, 2, castLike},
      {"", "BitCast", 26, 1, 1, bitCast},
  };
  return rows;
}

} // namespace smelt::onnx
