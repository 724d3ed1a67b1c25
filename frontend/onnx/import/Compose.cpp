//===- Compose.cpp - Checks and small values of the op families -------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every check says what was found and what is wanted; a symbolic size passes,
// the op's run-time checks see to it.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Compose.h"
#include "frontend/onnx/import/Graph.h"
#include <cmath>

using namespace mlir;

namespace smelt::onnx {

LogicalResult expectRank(NodeImport &n, Value v, int64_t min, int64_t max, StringRef name) {
  int64_t rank = n.rank(v);
  if (rank >= min && rank <= max)
    return success();
  if (min == max)
    return n.error(Twine(name) + " has rank " + Twine(rank) + ", want " + Twine(min));
  return n.error(Twine(name) + " has rank " + Twine(rank) + ", want " + Twine(min) + " to " + Twine(max));
}

static std::string shapeText(ArrayRef<AffineExpr> dims) {
  std::string text = "[";
  llvm::raw_string_ostream os(text);
  llvm::interleave(dims, os, [&](AffineExpr e) { e ? void(os << e) : void(os << "?"); }, ", ");
  os << "]";
  return text;
}

LogicalResult expectShape(NodeImport &n, Value v, ArrayRef<AffineExpr> want, StringRef name) {
  Dims found = n.dims(v);
  bool ok = found.size() == want.size();
  for (size_t i = 0; ok && i < want.size(); ++i) {
    auto a = dyn_cast<AffineConstantExpr>(found[i]);
    auto b = want[i] ? dyn_cast<AffineConstantExpr>(want[i]) : AffineConstantExpr();
    ok = !a || !b || a.getValue() == b.getValue();
  }
  if (ok)
    return success();
  return n.error(Twine(name) + " has shape " + shapeText(found) + ", want " + shapeText(want));
}

static std::string typeText(Type type) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << type;
  return text;
}

LogicalResult expectElem(NodeImport &n, Value v, Type want, StringRef name) {
  if (n.elem(v) == want)
    return success();
  return n.error(Twine(name) + " has element type " + typeText(n.elem(v)) + ", want " + typeText(want));
}

LogicalResult expectFloat(NodeImport &n, Value v, StringRef name) {
  if (isa<FloatType>(n.elem(v)))
    return success();
  return n.error(Twine(name) + " has element type " + typeText(n.elem(v)) + ", want a floating-point type");
}

LogicalResult expectInteger(NodeImport &n, Value v, StringRef name) {
  if (isa<IntegerType>(n.elem(v)))
    return success();
  return n.error(Twine(name) + " has element type " + typeText(n.elem(v)) + ", want integers");
}

LogicalResult expectBroadcast(NodeImport &n, Value v, Value x, StringRef name) {
  Dims have = n.dims(v), want = n.dims(x);
  bool ok = have.size() <= want.size();
  for (size_t i = 0; ok && i < have.size(); ++i) {
    auto a = dyn_cast<AffineConstantExpr>(have[i]);
    auto b = dyn_cast<AffineConstantExpr>(want[want.size() - have.size() + i]);
    ok = !a || !b || a.getValue() == 1 || a.getValue() == b.getValue();
  }
  if (ok)
    return success();
  return n.error(Twine(name) + " has shape " + shapeText(have) + ", want one that broadcasts to " + shapeText(want));
}

LogicalResult expectRange(NodeImport &n, int64_t value, int64_t min, int64_t max, const Twine &name) {
  if (value >= min && value <= max)
    return success();
  return n.error(name + " is " + Twine(value) + ", want " + Twine(min) + " to " + Twine(max));
}

LogicalResult requireInputs(NodeImport &n, ArrayRef<size_t> inputs) {
  for (size_t i : inputs)
    if (!n.hasIn(i))
      return n.error("input " + Twine(i) + " is missing, it is required", "onnx.arity");
  return success();
}

FailureOr<int64_t> staticDim(NodeImport &n, Value v, int64_t dim, StringRef name) {
  if (auto constant = dyn_cast<AffineConstantExpr>(n.dims(v)[dim]))
    return constant.getValue();
  n.importer.wantSizes(n.dims(v)[dim], n.importer.wanted);
  return n.unsupported(Twine(name) + " has a size unknown at compile time in dim " + Twine(dim) +
                       ", want a static one");
}

Value mean(NodeImport &n, Value x, ArrayRef<int64_t> axes) {
  if (!x)
    return {};
  AffineExpr count = n.num(1);
  for (int64_t axis : axes)
    count = count * n.dims(x)[axis];
  Type type = n.elem(x);
  Value wide = n.cast(x, computeType(type));
  Value sum = n.reduce(ReduceKind::sum, wide, axes, /*keepDims=*/true);
  return n.cast(n.div(sum, n.exprScalar(n.elem(wide), count)), type);
}

Value alongAxis(NodeImport &n, Value v, int64_t rank, int64_t axis) {
  if (!v)
    return {};
  Dims dims = n.dims(v);
  dims.append(rank - axis - 1, n.num(1));
  return n.reshape(v, dims);
}

ResultRange hostCall(OpBuilder &b, Location loc, StringRef callee, TypeRange types, ValueRange args, const HostCall &call) {
  SmallVector<mlir::Attribute> texts;
  for (const std::string &text : call.texts)
    texts.push_back(b.getStringAttr(text));
  return HostCallOp::create(b, loc, types, b.getStringAttr(callee), args, b.getDenseI64ArrayAttr(call.ints),
                            texts.empty() ? ArrayAttr() : b.getArrayAttr(texts), b.getDenseI64ArrayAttr(call.binds),
                            call.placed ? b.getUnitAttr() : UnitAttr())
      .getResults();
}

Value floats(NodeImport &n, ArrayRef<double> values, ArrayRef<int64_t> dims, Type elementType) {
  auto floatType = cast<FloatType>(elementType);
  size_t bytes = getElementBytes(elementType);
  std::vector<char> data(values.size() * bytes);
  for (size_t i = 0; i < values.size(); ++i) {
    llvm::APFloat f(values[i]);
    bool lost;
    f.convert(floatType.getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven, &lost);
    uint64_t word = f.bitcastToAPInt().getZExtValue();
    std::memcpy(data.data() + i * bytes, &word, bytes);
  }
  return createConstant(n.b, n.loc, RankedTensorType::get(dims, elementType), data);
}

Value clamp(NodeImport &n, Value x, double low, double high) {
  return n.min(n.max(x, like(n, x, low)), like(n, x, high));
}

Value moveAxis(NodeImport &n, Value x, int64_t from, int64_t to) {
  if (from == to || !x)
    return x;
  SmallVector<int64_t> perm;
  for (int64_t i = 0; i < n.rank(x); ++i)
    if (i != from)
      perm.push_back(i);
  perm.insert(perm.begin() + to, from);
  return n.transpose(x, perm);
}

Value sliceAxis(NodeImport &n, Value x, int64_t axis, AffineExpr start, AffineExpr size, int64_t step) {
  if (!x)
    return {};
  Dims starts(n.rank(x), n.num(0)), sizes = n.dims(x);
  SmallVector<int64_t> steps(n.rank(x), 1);
  starts[axis] = start;
  sizes[axis] = size;
  steps[axis] = step;
  return n.slice(x, starts, sizes, steps);
}

FailureOr<Value> matmul(NodeImport &n, Value lhs, Value rhs, Type resultElem, bool transposeLhs, bool transposeRhs) {
  if (!lhs || !rhs)
    return failure();
  if (n.rank(lhs) == 0 || n.rank(rhs) == 0)
    return n.error("matrix product of operands of rank " + Twine(n.rank(lhs)) + " and " + Twine(n.rank(rhs)) +
                   ", want 1 or more");
  bool rowVector = n.rank(lhs) == 1, columnVector = n.rank(rhs) == 1;
  if (rowVector)
    lhs = n.unsqueeze(lhs, {transposeLhs ? 1 : 0});
  if (columnVector)
    rhs = n.unsqueeze(rhs, {transposeRhs ? 0 : 1});
  Dims a = n.dims(lhs), b = n.dims(rhs);
  size_t ra = a.size(), rb = b.size();
  AffineExpr m = a[ra - (transposeLhs ? 1 : 2)], ka = a[ra - (transposeLhs ? 2 : 1)];
  AffineExpr kb = b[rb - (transposeRhs ? 1 : 2)], cols = b[rb - (transposeRhs ? 2 : 1)];
  if (isa<AffineConstantExpr>(ka) && isa<AffineConstantExpr>(kb) && ka != kb)
    return n.error("inner sizes of the matrix product are " + shapeText({ka}) + " and " + shapeText({kb}) +
                   ", want them equal");
  // Batch dims broadcast; lend broadcastDims two values of just these dims.
  Dims batch;
  size_t rank = std::max(ra, rb);
  for (size_t i = 0; i + 2 < rank; ++i) {
    AffineExpr x = i + ra >= rank ? a[i + ra - rank] : n.num(1);
    AffineExpr y = i + rb >= rank ? b[i + rb - rank] : n.num(1);
    if (x == n.num(1))
      batch.push_back(y);
    else if (y == n.num(1) || x == y || !isa<AffineConstantExpr>(y))
      batch.push_back(x);
    else if (!isa<AffineConstantExpr>(x))
      batch.push_back(y);
    else
      return n.error("batch sizes of the matrix product are " + shapeText({x}) + " and " + shapeText({y}) +
                     ", want them equal or 1");
  }
  Dims dims = batch;
  dims.push_back(m);
  dims.push_back(cols);
  Value y = make<MatMulOp>(n, dims, resultElem, lhs, rhs, transposeLhs, transposeRhs);
  if (columnVector)
    y = n.squeeze(y, {n.rank(y) - 1});
  if (rowVector)
    y = n.squeeze(y, {n.rank(y) - (columnVector ? 1 : 2)});
  return y;
}

Value gelu(NodeImport &n, Value x) {
  Value e = unary<ErfOp>(n, n.mul(x, like(n, x, std::sqrt(0.5))));
  return n.mul(n.mul(x, like(n, x, 0.5)), n.add(e, like(n, x, 1.0)));
}

Value geluTanh(NodeImport &n, Value x) {
  // x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
  Value cubic = n.mul(n.mul(x, x), n.mul(x, like(n, x, 0.044715)));
  Value t = unary<TanhOp>(n, n.mul(n.add(x, cubic), like(n, x, std::sqrt(2.0 / M_PI))));
  return n.mul(n.mul(x, like(n, x, 0.5)), n.add(t, like(n, x, 1.0)));
}

} // namespace smelt::onnx
