//===- Shape.cpp - Constants, shapes and what only renames dims -------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shape and Size become from_exprs, so shape subgraphs are expressions; Reshape
// and its kin ask for them and state the result's dims. Test:
// test/frontend/import/shape*.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Compose.h"
#include "frontend/onnx/import/Graph.h"

using namespace mlir;

namespace smelt::onnx {

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

static LogicalResult constant(NodeImport &n) {
  if (n.has("value") || n.has("sparse_value")) {
    const Tensor *tensor = n.tensor(n.has("value") ? "value" : "sparse_value");
    return tensor ? n.set(0, n.importer.constant(*tensor, n.b, n.loc, n.node.scope)) : failure();
  }
  OpBuilder &b = n.b;
  auto strings = [&](ArrayRef<std::string> texts, ArrayRef<int64_t> shape) {
    SmallVector<mlir::Attribute> attrs;
    for (const std::string &text : texts)
      attrs.push_back(b.getStringAttr(text));
    auto type = RankedTensorType::get(shape, StringType::get(b.getContext()));
    return n.set(0, ConstantOp::create(b, n.loc, type, b.getArrayAttr(attrs)));
  };
  if (n.has("value_float"))
    return n.set(0, n.scalar(b.getF32Type(), n.f("value_float", 0)));
  if (n.has("value_floats")) {
    SmallVector<float> values(llvm::map_range(n.floats("value_floats"), [](double v) { return float(v); }));
    auto type = RankedTensorType::get({int64_t(values.size())}, b.getF32Type());
    return n.set(0, createConstant(b, n.loc, type,
                                   {reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float)}));
  }
  if (n.has("value_int")) {
    int64_t value = n.i("value_int", 0);
    return n.set(0, createConstant(b, n.loc, RankedTensorType::get({}, b.getI64Type()),
                                   {reinterpret_cast<const char *>(&value), sizeof(value)}));
  }
  if (n.has("value_ints"))
    return n.set(0, createInts(b, n.loc, n.ints("value_ints")));
  if (n.has("value_string"))
    return strings({n.s("value_string", "")}, {});
  if (n.has("value_strings")) {
    std::vector<std::string> texts = n.strings("value_strings");
    return strings(texts, {int64_t(texts.size())});
  }
  return n.error("no attribute holds the value; want one of value, sparse_value, value_*", "onnx.missing-attribute");
}

static LogicalResult constantOfShape(NodeImport &n) {
  auto dims = n.exprs(n.in(0), "shape");
  if (failed(dims))
    return failure();
  Value value = n.scalar(n.b.getF32Type(), 0);
  if (n.has("value")) {
    const Tensor *tensor = n.tensor("value");
    if (!tensor)
      return failure();
    if (tensor->elements() != 1 || tensor->dtype == DType::String)
      return n.error("attribute 'value' must hold one number");
    value = n.reshape(n.importer.constant(*tensor, n.b, n.loc, n.node.scope), {});
    if (!value)
      return failure();
    // One element was [1]; a 0-d constant takes its place.
    if (auto reshape = value.getDefiningOp<ReshapeOp>()) {
      auto dense = cast<DenseElementsAttr>(reshape.getX().getDefiningOp<ConstantOp>().getValue());
      value = ConstantOp::create(n.b, n.loc, value.getType(), dense.reshape(n.type(value)));
    }
  }
  return n.set(0, n.broadcast(value, *dims));
}

static LogicalResult eyeLike(NodeImport &n) {
  Value x = n.in(0);
  if (n.rank(x) != 2)
    return n.error("input of rank " + Twine(n.rank(x)) + ", want 2", "onnx.shape-mismatch");
  Type type = n.has("dtype") ? n.dtype(DType(n.i("dtype", 1))) : n.elem(x);
  if (!type)
    return failure();
  Type i64 = n.b.getI64Type();
  SmallVector<AffineExpr> dims = n.dims(x);
  Value row = n.add(n.iota(i64, {dims[0], n.num(1)}, 0), n.scalar(i64, n.i("k", 0)));
  Value on = n.cmp(CmpKind::eq, row, n.iota(i64, {n.num(1), dims[1]}, 1));
  return n.set(0, n.cast(on, type));
}

/// start, start + delta, ... below limit. The count follows from the operands
/// when they are known; else it is computed on the device and read.
static LogicalResult range(NodeImport &n) {
  Value start = n.in(0), limit = n.in(1), delta = n.in(2);
  if (failed(n.sameElementType({start, limit, delta})))
    return failure();
  for (Value *v : {&start, &limit, &delta}) {
    if (!n.type(*v).hasStaticShape() || n.type(*v).getNumElements() != 1)
      return n.error("inputs must be scalars", "onnx.shape-mismatch");
    *v = n.reshape(*v, {});
  }
  Type type = n.elem(start), i64 = n.b.getI64Type();
  AffineExpr count;
  auto s = n.importer.values.getQuotients(start), l = n.importer.values.getQuotients(limit),
       d = n.importer.values.getQuotients(delta);
  auto constantDelta = d ? dyn_cast<AffineConstantExpr>((*d)[0].num) : AffineConstantExpr();
  if (s && l && constantDelta) {
    if (constantDelta.getValue() == 0)
      return n.error("delta is 0");
    // (l - s) / d with the denominators multiplied out.
    AffineExpr distance = (*l)[0].num * (*s)[0].den - (*s)[0].num * (*l)[0].den;
    AffineExpr step = (*s)[0].den * (*l)[0].den * constantDelta.getValue();
    distance = distance * (*d)[0].den;
    if (constantDelta.getValue() < 0) {
      distance = -distance;
      step = -step;
    }
    distance = simplifyAffineExpr(distance, 0, n.symbols().size());
    count = n.symbols().max(step == n.num(1) ? distance : distance.ceilDiv(step), n.num(0));
  } else {
    Value distance = n.sub(limit, start), steps;
    if (isa<FloatType>(type)) {
      steps = n.cast(n.elementwise<CeilOp>({n.div(distance, delta)}), i64);
    } else {
      // Ceiling of a truncating division: one more where a remainder of the quotient's sign is left.
      Value quotient = n.div(distance, delta), rest = n.sub(distance, n.mul(quotient, delta));
      Value zero = n.scalar(type, 0);
      Value more = n.elementwise<AndOp>({n.cmp(CmpKind::ne, rest, zero),
                                         n.cmp(CmpKind::eq, n.cmp(CmpKind::lt, rest, zero), n.cmp(CmpKind::lt, delta, zero))});
      steps = n.add(n.cast(quotient, i64), n.cast(more, i64));
    }
    auto counted = n.exprs(n.max(steps, n.scalar(i64, 0)), n.node.label() + ".count");
    if (failed(counted))
      return failure();
    count = (*counted)[0];
  }
  Value index = n.cast(n.iota(i64, {count}, 0), type);
  return n.set(0, n.add(start, n.mul(index, delta)));
}

//===----------------------------------------------------------------------===//
// Shape and Size
//===----------------------------------------------------------------------===//

static LogicalResult shape(NodeImport &n) {
  SmallVector<AffineExpr> dims = n.dims(n.in(0));
  int64_t rank = dims.size();
  auto clamp = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank); };
  int64_t start = clamp(std::max(n.i("start", 0), -rank)), end = clamp(std::max(n.i("end", rank), -rank));
  return n.set(0, n.fromExprs(ArrayRef(dims).slice(start, std::max<int64_t>(0, end - start))));
}

static LogicalResult size(NodeImport &n) {
  return n.set(0, n.exprScalar(n.b.getI64Type(), getNumElements(n.type(n.in(0)))));
}

//===----------------------------------------------------------------------===//
// Reshape
//===----------------------------------------------------------------------===//

namespace {
/// A product of sizes, factored so that equal factors cancel.
struct Product {
  __int128 constant = 1;
  SmallVector<AffineExpr> factors;

  void times(AffineExpr expr) {
    if (auto number = dyn_cast<AffineConstantExpr>(expr)) {
      constant *= number.getValue();
      constant = std::min<__int128>(constant, __int128(1) << 90); // stays a marker of "too large"
      return;
    }
    auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
    if (binary && expr.getKind() == AffineExprKind::Mul) {
      times(binary.getLHS());
      times(binary.getRHS());
      return;
    }
    factors.push_back(expr);
  }
  /// Takes out what both have.
  static void cancel(Product &a, Product &b) {
    for (size_t i = 0; i < a.factors.size();) {
      auto it = llvm::find(b.factors, a.factors[i]);
      if (it == b.factors.end()) {
        ++i;
        continue;
      }
      b.factors.erase(it);
      a.factors.erase(a.factors.begin() + i);
    }
    if (b.constant != 0 && a.constant % b.constant == 0) {
      a.constant /= b.constant;
      b.constant = 1;
    }
  }
  bool isConstant() const { return factors.empty(); }
  AffineExpr expr(NodeImport &n) const {
    AffineExpr result = n.num(int64_t(std::min<__int128>(constant, std::numeric_limits<int64_t>::max())));
    for (AffineExpr factor : factors)
      result = result * factor;
    return result;
  }
};
} // namespace

static LogicalResult reshapeTo(NodeImport &n, Value x, ArrayRef<AffineExpr> wanted, bool allowZero) {
  SmallVector<AffineExpr> from = n.dims(x), to;
  DimSymbols &symbols = n.symbols();
  bool infers = llvm::is_contained(wanted, n.num(-1));
  // Per entry: 0 or 1, does it ask for the inferred size? Null where it cannot.
  SmallVector<AffineExpr> asks(wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    AffineExpr want = wanted[i];
    if (auto number = dyn_cast<AffineConstantExpr>(want)) {
      int64_t value = number.getValue();
      if (value < -1)
        return n.error("shape entry " + Twine(i) + " is " + Twine(value) + ", want -1 or more", "onnx.shape-mismatch");
      if (value == -1) {
        if (llvm::is_contained(asks, n.num(1)))
          return n.error("shape has more than one -1", "onnx.shape-mismatch");
        asks[i] = want = n.num(1);
      } else if (value == 0 && !allowZero) {
        if (i >= from.size())
          return n.error("shape entry " + Twine(i) + " is 0 (copy), the input's rank is " + Twine(from.size()),
                         "onnx.shape-mismatch");
        want = from[i];
      }
      to.push_back(want);
      continue;
    }
    // A size that only the data know may still be 0 (copy) or -1 (inferred).
    auto symbol = dyn_cast<AffineSymbolExpr>(want);
    bool fromData = symbols.range(want).min < 0 && symbol && !symbols.get(symbol.getPosition()).getDerive();
    if (fromData && i < from.size() && !allowZero)
      want = symbols.select(want, want, from[i]);
    if (symbols.range(want).min < 0 && !infers) {
      asks[i] = symbols.min(symbols.max(-want, n.num(0)), n.num(1));
      want = symbols.select(asks[i], n.num(1), want);
    }
    to.push_back(want);
  }

  Product total, others;
  for (AffineExpr dim : from)
    total.times(dim);
  for (AffineExpr dim : to)
    others.times(dim);
  Product rest = total, divisor = others;
  Product::cancel(rest, divisor);
  if (llvm::any_of(asks, [](AffineExpr e) { return bool(e); })) {
    AffineExpr size;
    if (rest.isConstant() && divisor.isConstant()) {
      if (divisor.constant == 0 || rest.constant % divisor.constant != 0)
        return n.error("shape cannot be inferred: " + Twine(int64_t(total.constant)) + " elements over " +
                           Twine(int64_t(others.constant)),
                       "onnx.shape-mismatch");
      size = n.num(int64_t(rest.constant / divisor.constant));
    } else if (divisor.isConstant() && divisor.constant == 1) {
      size = rest.expr(n);
    } else {
      AffineExpr by = symbols.max(divisor.expr(n), n.num(1)), product = rest.expr(n);
      n.checkEqual(product % by, n.num(0), "the input's size is not a multiple of the shape's");
      size = simplifyAffineExpr(product.floorDiv(by), 0, symbols.size());
    }
    for (auto [dim, ask] : llvm::zip(to, asks))
      if (ask)
        dim = symbols.select(ask, size, dim);
  } else if (!(rest.isConstant() && divisor.isConstant()) && !(rest.factors == divisor.factors && rest.constant == divisor.constant)) {
    n.checkEqual(total.expr(n), others.expr(n), "the shape does not hold the input's number of elements");
  }
  Value result = n.reshape(x, to);
  return result ? n.set(0, result) : failure();
}

static LogicalResult reshape(NodeImport &n) {
  Value x = n.in(0);
  if (n.opset() < 5 && !n.hasIn(1)) { // the shape is an attribute
    if (failed(n.require("shape")))
      return failure();
    SmallVector<AffineExpr> to;
    for (int64_t size : n.ints("shape"))
      to.push_back(n.num(size));
    return reshapeTo(n, x, to, false);
  }
  if (!n.hasIn(1))
    return n.error("input 1 is missing, want the shape", "onnx.arity");
  auto to = n.exprs(n.in(1), n.node.label() + ".dim", -1);
  if (failed(to))
    return failure();
  return reshapeTo(n, x, *to, n.i("allowzero", 0));
}

static LogicalResult flatten(NodeImport &n) {
  Value x = n.in(0);
  int64_t rank = n.rank(x), axis = n.i("axis", 1);
  if (axis < -rank || axis > rank)
    return n.error("axis " + Twine(axis) + " is out of range for rank " + Twine(rank), "onnx.axis");
  if (axis < 0)
    axis += rank;
  AffineExpr rows = n.num(1), columns = n.num(1);
  for (auto [i, dim] : llvm::enumerate(n.dims(x)))
    (int64_t(i) < axis ? rows : columns) = (int64_t(i) < axis ? rows : columns) * dim;
  return n.set(0, n.reshape(x, {rows, columns}));
}

/// Axes from attribute or input, counted for `rank`, rising.
static FailureOr<SmallVector<int64_t>> givenAxes(NodeImport &n, int64_t added) {
  SmallVector<int64_t> given = n.ints("axes"), axes;
  if (n.hasIn(1)) {
    auto count = dyn_cast<AffineConstantExpr>(getNumElements(n.in(1).getType()));
    return n.axes(n.in(1), n.rank(n.in(0)) + (added && count ? count.getValue() : 0), NodeImport::AxisOrder::Rising, "axes");
  }
  int64_t rank = n.rank(n.in(0)) + (added ? given.size() : 0);
  for (int64_t axis : given) {
    auto at = n.axis(axis, rank);
    if (failed(at))
      return failure();
    if (llvm::is_contained(axes, *at))
      return n.error("axis " + Twine(axis) + " stands twice in axes", "onnx.axis");
    axes.push_back(*at);
  }
  llvm::sort(axes);
  return axes;
}

static LogicalResult squeeze(NodeImport &n) {
  Value x = n.in(0);
  if (!n.has("axes") && !n.hasIn(1)) {
    SmallVector<int64_t> ones;
    for (auto [i, dim] : llvm::enumerate(n.dims(x)))
      if (dim == n.num(1))
        ones.push_back(i);
    return n.set(0, n.squeeze(x, ones));
  }
  auto axes = givenAxes(n, false);
  return failed(axes) ? failure() : n.set(0, n.squeeze(x, *axes));
}

static LogicalResult unsqueeze(NodeImport &n) {
  if (!n.hasIn(1) && failed(n.require("axes")))
    return failure();
  auto axes = givenAxes(n, true);
  return failed(axes) ? failure() : n.set(0, n.unsqueeze(n.in(0), *axes));
}

static LogicalResult expand(NodeImport &n) {
  Value x = n.in(0);
  auto shape = n.exprs(n.in(1), n.node.label() + ".dim");
  if (failed(shape))
    return failure();
  SmallVector<AffineExpr> dims = n.dims(x), to(std::max(dims.size(), shape->size()), n.num(1));
  for (size_t back = 1; back <= to.size(); ++back) {
    AffineExpr have = back <= dims.size() ? dims[dims.size() - back] : n.num(1);
    AffineExpr want = back <= shape->size() ? (*shape)[shape->size() - back] : n.num(1);
    AffineExpr &out = to[to.size() - back];
    bool both = isa<AffineConstantExpr>(have) && isa<AffineConstantExpr>(want);
    if (both && have != want && have != n.num(1) && want != n.num(1))
      return n.error("dim of size " + Twine(cast<AffineConstantExpr>(have).getValue()) + " does not expand to " +
                         Twine(cast<AffineConstantExpr>(want).getValue()),
                     "onnx.shape-mismatch");
    out = n.broadcastDim(have, want);
  }
  return n.set(0, n.broadcast(x, to));
}

static LogicalResult identity(NodeImport &n) { return n.set(0, n.in(0)); }

/// Inference: the input; the mask is all true.
static LogicalResult dropout(NodeImport &n) {
  if (n.hasIn(2)) {
    auto training = getConstantInts(n.in(2));
    auto ratio = n.hasIn(1) ? getSplatValue(n.in(1)) : std::optional<double>(0.5);
    bool isInference = (training && training->size() == 1 && !training->front()) || ratio == 0.0;
    if (!isInference)
      return trainingDropout(n, n.in(2));
  }
  if (n.wantsOut(1)) {
    Type mask = n.opset() < 10 ? n.elem(n.in(0)) : n.b.getI1Type();
    (void)n.set(1, n.broadcast(n.scalar(mask, 1), n.dims(n.in(0))));
  }
  return n.set(0, n.in(0));
}

ArrayRef<OpRow> shapeOps() {
  static constexpr OpRow rows[] = {
      {"", "Constant", 1, 0, 0, constant},
      {"", "ConstantOfShape", 9, 1, 1, constantOfShape},
      {"", "EyeLike", 9, 1, 1, eyeLike},
      {"", "Range", 11, 3, 3, range},
      {"", "Shape", 1, 1, 1, shape},
      {"", "Size", 1, 1, 1, size},
      {"", "Reshape", 1, 1, 2, reshape},
      {"", "Flatten", 1, 1, 1, flatten},
      {"", "Squeeze", 1, 1, 2, squeeze},
      {"", "Unsqueeze", 1, 1, 2, unsqueeze},
      {"", "Expand", 8, 2, 2, expand},
      {"", "Identity", 1, 1, 1, identity, true},
      {"", "Dropout", 1, 1, 3, dropout},
  };
  return rows;
}

} // namespace smelt::onnx
