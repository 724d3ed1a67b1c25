//===- Index.cpp - Gather, scatter, and what finds indices ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compress, ReverseSequence and TensorScatter are gathers and scatters by
// indices that are computed. Test: test/frontend/import/index*.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Compose.h"

using namespace mlir;

namespace smelt::onnx {

static LogicalResult wantIndices(NodeImport &n, Value indices) {
  auto type = dyn_cast<IntegerType>(n.elem(indices));
  if (type && (type.getWidth() == 32 || type.getWidth() == 64))
    return success();
  std::string text;
  llvm::raw_string_ostream(text) << "indices of element type " << n.elem(indices) << ", want i32 or i64";
  return n.error(text, "onnx.dtype-mismatch");
}

/// Constant indices lie in the dim they index.
static LogicalResult wantInRange(NodeImport &n, Value indices, AffineExpr dim) {
  auto size = dyn_cast<AffineConstantExpr>(dim);
  auto constants = getConstantInts(indices, kInlineElements);
  if (!size || !constants)
    return success();
  for (int64_t index : *constants)
    if (index < -size.getValue() || index >= size.getValue())
      return n.error("index " + Twine(index) + " into a dim of size " + Twine(size.getValue()), "onnx.index");
  return success();
}

//===----------------------------------------------------------------------===//
// Gather
//===----------------------------------------------------------------------===//

/// x at indices along axis.
static Value gatherAt(NodeImport &n, Value x, Value indices, int64_t axis) {
  SmallVector<AffineExpr> dims = n.dims(x), at = n.dims(indices);
  SmallVector<AffineExpr> result(dims.begin(), dims.begin() + axis);
  result.append(at);
  result.append(dims.begin() + axis + 1, dims.end());
  return GatherOp::create(n.b, n.loc, getTensorType(result, n.elem(x)), x, indices, axis);
}

static LogicalResult gather(NodeImport &n) {
  Value x = n.in(0), indices = n.in(1);
  auto axis = n.axis(n.i("axis", 0), n.rank(x));
  if (failed(axis) || failed(wantIndices(n, indices)) || failed(wantInRange(n, indices, n.dims(x)[*axis])))
    return failure();
  return n.set(0, gatherAt(n, x, indices, *axis));
}

static LogicalResult gatherElements(NodeImport &n) {
  Value x = n.in(0), indices = n.in(1);
  auto axis = n.axis(n.i("axis", 0), n.rank(x));
  if (failed(axis) || failed(wantIndices(n, indices)) || failed(wantInRange(n, indices, n.dims(x)[*axis])))
    return failure();
  if (n.rank(x) != n.rank(indices))
    return n.error("indices of rank " + Twine(n.rank(indices)) + ", want the data's " + Twine(n.rank(x)),
                   "onnx.shape-mismatch");
  auto result = getTensorType(n.dims(indices), n.elem(x));
  return n.set(0, GatherElementsOp::create(n.b, n.loc, result, x, indices, *axis));
}

/// Length of the index tuples: the last dim, which must be static.
static FailureOr<int64_t> tupleLength(NodeImport &n, Value indices, int64_t limit) {
  if (n.rank(indices) < 1)
    return n.error("indices must have at least one dim", "onnx.shape-mismatch");
  auto length = dyn_cast<AffineConstantExpr>(n.dims(indices).back());
  if (!length)
    return n.unsupported("the last dim of the indices must be static");
  if (length.getValue() < 1 || length.getValue() > limit)
    return n.error("index tuples of length " + Twine(length.getValue()) + ", want 1.." + Twine(limit),
                   "onnx.shape-mismatch");
  return length.getValue();
}

static LogicalResult gatherND(NodeImport &n) {
  Value x = n.in(0), indices = n.in(1);
  int64_t batch = n.i("batch_dims", 0);
  if (batch < 0 || batch >= std::min(n.rank(x), n.rank(indices)))
    return n.error("batch_dims " + Twine(batch) + " for ranks " + Twine(n.rank(x)) + " and " + Twine(n.rank(indices)));
  auto length = tupleLength(n, indices, n.rank(x) - batch);
  if (failed(length) || failed(wantIndices(n, indices)))
    return failure();
  SmallVector<AffineExpr> result = n.dims(indices), dims = n.dims(x);
  result.pop_back();
  result.append(dims.begin() + batch + *length, dims.end());
  return n.set(0, GatherNDOp::create(n.b, n.loc, getTensorType(result, n.elem(x)), x, indices, batch));
}

//===----------------------------------------------------------------------===//
// Scatter
//===----------------------------------------------------------------------===//

static FailureOr<ScatterKind> scatterKind(NodeImport &n) {
  std::string name = n.s("reduction", "none");
  if (auto kind = symbolizeScatterKind(name))
    return *kind;
  return n.error("attribute 'reduction' is '" + name + "', want none, add, mul, max or min");
}

static LogicalResult scatterElements(NodeImport &n) {
  Value x = n.in(0), indices = n.in(1), updates = n.in(2);
  auto axis = n.axis(n.i("axis", 0), n.rank(x));
  auto kind = scatterKind(n);
  if (failed(axis) || failed(kind) || failed(wantIndices(n, indices)) || failed(n.sameElementType({x, updates})) ||
      failed(wantInRange(n, indices, n.dims(x)[*axis])))
    return failure();
  if (n.rank(indices) != n.rank(x) || n.rank(updates) != n.rank(x))
    return n.error("data, indices and updates of ranks " + Twine(n.rank(x)) + ", " + Twine(n.rank(indices)) + ", " +
                       Twine(n.rank(updates)) + ", want equal ranks",
                   "onnx.shape-mismatch");
  updates = n.rebind(updates, n.dims(indices));
  return n.set(0, ScatterElementsOp::create(n.b, n.loc, n.type(x), x, indices, updates, *axis, *kind));
}

static LogicalResult scatterND(NodeImport &n) {
  Value x = n.in(0), indices = n.in(1), updates = n.in(2);
  auto length = tupleLength(n, indices, n.rank(x));
  auto kind = scatterKind(n);
  if (failed(length) || failed(kind) || failed(wantIndices(n, indices)) || failed(n.sameElementType({x, updates})))
    return failure();
  SmallVector<AffineExpr> want = n.dims(indices), dims = n.dims(x);
  want.pop_back();
  want.append(dims.begin() + *length, dims.end());
  if (int64_t(want.size()) != n.rank(updates))
    return n.error("updates of rank " + Twine(n.rank(updates)) + ", want " + Twine(want.size()), "onnx.shape-mismatch");
  for (auto [have, size] : llvm::zip(n.dims(updates), want))
    if (isa<AffineConstantExpr>(have) && isa<AffineConstantExpr>(size) && have != size)
      return n.error("updates do not have the shape that data and indices ask for", "onnx.shape-mismatch");
  return n.set(0, ScatterNDOp::create(n.b, n.loc, n.type(x), x, indices, n.rebind(updates, want), *kind));
}

/// Writes `update` into a cache of fixed size at write_indices[batch] on.
static LogicalResult tensorScatter(NodeImport &n) {
  Value cache = n.in(0), update = n.in(1), begin = n.in(2);
  if (n.rank(cache) != n.rank(update) || failed(n.sameElementType({cache, update})))
    return n.error("cache and update must have equal ranks and element types", "onnx.shape-mismatch");
  auto axis = n.axis(n.i("axis", -2), n.rank(cache));
  if (failed(axis))
    return failure();
  std::string mode = n.s("mode", "linear");
  if (*axis == 0 || (mode != "linear" && mode != "circular"))
    return n.error("axis 0 or mode '" + mode + "', want another axis and linear or circular");
  SmallVector<AffineExpr> dims = n.dims(update), line(dims.size(), n.num(1)), batch = line;
  line[*axis] = dims[*axis];
  batch[0] = dims[0];
  Type i64 = n.b.getI64Type();
  Value index = n.iota(i64, line, *axis);
  if (begin)
    index = n.add(n.reshape(n.cast(begin, i64), batch), index);
  if (mode == "circular")
    index = n.elementwise<ModOp>({index, n.exprScalar(i64, n.dims(cache)[*axis])});
  index = n.broadcast(index, dims);
  if (!index)
    return failure();
  return n.set(0, ScatterElementsOp::create(n.b, n.loc, n.type(cache), cache, index, update, *axis, ScatterKind::none));
}

//===----------------------------------------------------------------------===//
// Indices from data
//===----------------------------------------------------------------------===//

static Value nonZeroOf(NodeImport &n, Value x) {
  // Small constants are known at once: exporters write index ranges this way.
  if (auto ints = getConstantInts(x, kInlineElements)) {
    SmallVector<SmallVector<int64_t>> rows(n.rank(x));
    ArrayRef<int64_t> shape = n.type(x).getShape();
    for (auto [i, value] : llvm::enumerate(*ints)) {
      int64_t at = i;
      for (int64_t d = shape.size(); value && d-- > 0;) {
        rows[d].push_back(at % shape[d]);
        at /= shape[d];
      }
    }
    int64_t count = rows.empty() ? 0 : rows[0].size();
    SmallVector<int64_t> all;
    for (auto &row : rows)
      all.append(row);
    auto type = RankedTensorType::get({int64_t(rows.size()), count}, n.b.getI64Type());
    if (type.getNumElements() > 0)
      return createConstant(n.b, n.loc, type, {reinterpret_cast<const char *>(all.data()), all.size() * 8});
  }
  if (n.rank(x) == 0)
    x = n.reshape(x, {n.num(1)});
  AffineExpr total = getNumElements(n.type(x));
  int64_t most = std::clamp<int64_t>(n.symbols().range(total).max, 0, kMaxDim);
  AffineExpr count = n.symbols().fresh(n.node.label() + ".count", 0, most);
  return NonZeroOp::create(n.b, n.loc, getTensorType({n.num(n.rank(x)), count}, n.b.getI64Type()), x,
                           cast<AffineSymbolExpr>(count).getPosition());
}

/// A broadcast of one constant is that constant.
static Value splatOf(NodeImport &n, Value x) {
  auto broadcast = x.getDefiningOp<BroadcastOp>();
  if (!broadcast || !n.type(x).hasStaticShape() || n.type(x).getNumElements() > kInlineElements)
    return x;
  auto value = getSplatValue(broadcast.getX());
  return value ? createSplat(n.b, n.loc, n.type(x), *value) : x;
}

static LogicalResult nonZero(NodeImport &n) { return n.set(0, nonZeroOf(n, splatOf(n, n.in(0)))); }

static LogicalResult compress(NodeImport &n) {
  Value x = n.in(0), condition = n.in(1);
  if (n.rank(condition) != 1)
    return n.error("condition of rank " + Twine(n.rank(condition)) + ", want 1", "onnx.shape-mismatch");
  int64_t axis = 0;
  if (n.has("axis")) {
    auto given = n.axis(n.i("axis", 0), n.rank(x));
    if (failed(given))
      return failure();
    axis = *given;
  } else {
    x = n.reshape(x, {getNumElements(n.type(x))});
  }
  Value indices = nonZeroOf(n, condition);
  return n.set(0, gatherAt(n, x, n.reshape(indices, {n.dims(indices)[1]}), axis));
}

static LogicalResult oneHot(NodeImport &n) {
  Value indices = n.in(0), values = n.in(2);
  int64_t rank = n.rank(indices);
  auto axis = n.axis(n.i("axis", -1), rank + 1);
  if (failed(axis))
    return failure();
  if (n.rank(values) != 1)
    return n.error("values of rank " + Twine(n.rank(values)) + ", want [off, on]", "onnx.shape-mismatch");
  Type i64 = n.b.getI64Type();
  auto depth = n.exprs(n.cast(n.in(1), i64), n.node.label() + ".depth");
  if (failed(depth))
    return failure();
  if (depth->size() != 1)
    return n.error("depth must be one number", "onnx.shape-mismatch");
  Value at = n.cast(indices, i64), size = n.exprScalar(i64, (*depth)[0]), zero = n.scalar(i64, 0);
  at = n.select(n.cmp(CmpKind::lt, at, zero), n.add(at, size), at);
  SmallVector<AffineExpr> line(rank + 1, n.num(1));
  line[*axis] = (*depth)[0];
  Value hit = n.cmp(CmpKind::eq, n.unsqueeze(at, {*axis}), n.iota(i64, line, *axis));
  Value off = n.squeeze(n.slice(values, {n.num(0)}, {n.num(1)}), {0});
  Value on = n.squeeze(n.slice(values, {n.num(1)}, {n.num(1)}), {0});
  return n.set(0, n.select(hit, on, off));
}

static LogicalResult topK(NodeImport &n) {
  Value x = n.in(0);
  auto axis = n.axis(n.i("axis", -1), n.rank(x));
  if (failed(axis))
    return failure();
  AffineExpr k;
  if (n.opset() < 10) {
    if (failed(n.require("k")))
      return failure();
    k = n.num(n.i("k", 0));
  } else {
    if (!n.hasIn(1))
      return n.error("input 1 is missing, want k", "onnx.arity");
    auto given = n.exprs(n.in(1), n.node.label() + ".k");
    if (failed(given))
      return failure();
    if (given->size() != 1)
      return n.error("k must be one number", "onnx.shape-mismatch");
    k = given->front();
  }
  AffineExpr dim = n.dims(x)[*axis];
  auto count = dyn_cast<AffineConstantExpr>(k), size = dyn_cast<AffineConstantExpr>(dim);
  if (count && (count.getValue() < 0 || (size && count.getValue() > size.getValue())))
    return n.error("k is " + Twine(count.getValue()) + (size ? ", the dim has size " + Twine(size.getValue()) : Twine()),
                   "onnx.shape-mismatch");
  if (!n.symbols().provablyLessEqual(k, dim)) // 1 where k <= dim
    CheckOp::create(n.b, n.loc,
                    DimsAttr::get(n.b.getContext(),
                                  ArrayRef<AffineExpr>(n.num(1) - n.symbols().min(n.symbols().max(k - dim, n.num(0)), n.num(1)))),
                    n.node.path() + ": k is larger than the dim");
  SmallVector<AffineExpr> dims = n.dims(x);
  dims[*axis] = k;
  auto op = TopKOp::create(n.b, n.loc, getTensorType(dims, n.elem(x)), getTensorType(dims, n.b.getI64Type()), x, *axis,
                           bool(n.i("largest", 1)), bool(n.i("sorted", 1)));
  (void)n.set(0, op.getValues());
  return n.set(1, op.getIndices());
}

/// Reverses the first lengths[b] steps of every sequence: a gather by
/// t < length ? length - 1 - t : t.
static LogicalResult reverseSequence(NodeImport &n) {
  Value x = n.in(0);
  if (n.rank(x) < 2 || n.rank(n.in(1)) != 1)
    return n.error("input of rank " + Twine(n.rank(x)) + " and lengths of rank " + Twine(n.rank(n.in(1))) +
                       ", want at least 2 and 1",
                   "onnx.shape-mismatch");
  int64_t batch = n.i("batch_axis", 1), time = n.i("time_axis", 0);
  if (batch + time != 1 || batch * time != 0)
    return n.error("batch_axis " + Twine(batch) + " and time_axis " + Twine(time) + ", want 0 and 1 or 1 and 0",
                   "onnx.axis");
  SmallVector<AffineExpr> dims = n.dims(x), perBatch(dims.size(), n.num(1)), perStep = perBatch;
  perBatch[batch] = dims[batch];
  perStep[time] = dims[time];
  Type i64 = n.b.getI64Type();
  Value length = n.reshape(n.cast(n.in(1), i64), perBatch), step = n.iota(i64, perStep, time);
  Value mirrored = n.sub(n.sub(length, n.scalar(i64, 1)), step);
  Value index = n.broadcast(n.select(n.cmp(CmpKind::lt, step, length), mirrored, step), dims);
  if (!index)
    return failure();
  return n.set(0, GatherElementsOp::create(n.b, n.loc, n.type(x), x, index, time));
}

/// Different elements, or slices along an axis; how many there are the run finds.
static LogicalResult unique(NodeImport &n) {
  Value x = n.in(0);
  if (!n.elem(x).isIntOrFloat())
    return n.unsupported("Unique of strings");
  int64_t axis = -1;
  SmallVector<AffineExpr> dims = n.dims(x);
  AffineExpr found = n.symbols().fresh(n.node.label() + ".count"), all = getNumElements(x.getType());
  if (n.has("axis")) {
    auto at = n.axis(n.i("axis", 0), n.rank(x));
    if (failed(at))
      return failure();
    axis = *at;
    all = dims[axis];
    dims[axis] = found;
  } else {
    dims = {found};
  }
  Type i64 = n.b.getI64Type(), list = getTensorType({found}, i64);
  ResultRange results = hostCall(n, "Unique", {getTensorType(dims, n.elem(x)), list, getTensorType({all}, i64), list}, x,
                                 {{axis, n.i("sorted", 1)}, {int64_t(cast<AffineSymbolExpr>(found).getPosition())}});
  for (size_t i = 0; i < 4; ++i)
    (void)n.set(i, results[i]);
  return success();
}

static LogicalResult det(NodeImport &n) {
  Value x = n.in(0);
  if (!isa<FloatType>(n.elem(x)) || n.rank(x) < 2)
    return n.error("input must be matrices of floats", "onnx.shape-mismatch");
  SmallVector<AffineExpr> dims = n.dims(x);
  n.checkEqual(dims[dims.size() - 1], dims[dims.size() - 2], "Det: the matrices must be square");
  dims.resize(dims.size() - 2);
  return n.set(0, hostCall(n, "Det", getTensorType(dims, n.elem(x)), x, {{}, {}, {}, /*placed=*/true})[0]);
}

ArrayRef<OpRow> indexOps() {
  static constexpr OpRow rows[] = {
      {"", "Unique", 11, 1, 1, unique},
      {"", "Det", 11, 1, 1, det},
      {"", "Gather", 1, 2, 2, gather},
      {"", "GatherElements", 11, 2, 2, gatherElements},
      {"", "GatherND", 11, 2, 2, gatherND},
      {"", "Scatter", 9, 3, 3, scatterElements},
      {"", "ScatterElements", 11, 3, 3, scatterElements},
      {"", "ScatterND", 11, 3, 3, scatterND},
      {"", "TensorScatter", 24, 2, 3, tensorScatter},
      {"", "NonZero", 9, 1, 1, nonZero},
      {"", "Compress", 9, 2, 2, compress},
      {"", "OneHot", 9, 3, 3, oneHot},
      {"", "TopK", 1, 1, 2, topK},
      {"", "ReverseSequence", 10, 2, 2, reverseSequence},
  };
  return rows;
}

} // namespace smelt::onnx
