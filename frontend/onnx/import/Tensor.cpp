//===- Tensor.cpp - Ops that move elements ----------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Transposes, pieces, pads and repetitions. Starts, ends, pads and repeats may
// be expressions of sizes, or be read from data. Test:
// test/frontend/import/tensor*.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Importer.h"

using namespace mlir;

namespace smelt::onnx {

static std::optional<int64_t> asConstant(AffineExpr expr) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue();
  return std::nullopt;
}

static LogicalResult transpose(NodeImport &n) {
  int64_t rank = n.rank(n.in(0));
  SmallVector<int64_t> perm(llvm::reverse(llvm::seq<int64_t>(0, rank)));
  if (n.has("perm"))
    perm = n.ints("perm");
  if (int64_t(perm.size()) != rank)
    return n.error("perm has " + Twine(perm.size()) + " entries, the input's rank is " + Twine(rank),
                   "onnx.shape-mismatch");
  SmallVector<bool> seen(rank);
  for (int64_t &p : perm) {
    if (p < -rank || p >= rank || seen[p < 0 ? p + rank : p])
      return n.error("perm is not a permutation of 0.." + Twine(rank - 1) + ": entry " + Twine(p), "onnx.axis");
    p = p < 0 ? p + rank : p;
    seen[p] = true;
  }
  return n.set(0, n.transpose(n.in(0), perm));
}

static LogicalResult concat(NodeImport &n) {
  if (n.opset() >= 4 && failed(n.require("axis")))
    return failure();
  SmallVector<Value> inputs;
  for (size_t i = 0; i < n.numInputs(); ++i)
    inputs.push_back(n.in(i));
  if (llvm::is_contained(inputs, Value()))
    return n.error("an input is missing", "onnx.arity");
  auto axis = n.axis(n.i("axis", 1), n.rank(inputs[0]));
  if (failed(axis) || failed(n.sameElementType(inputs)))
    return failure();
  return n.set(0, n.concat(inputs, *axis));
}

//===----------------------------------------------------------------------===//
// Pieces
//===----------------------------------------------------------------------===//

/// A slice of sizes along one axis.
static Value piece(NodeImport &n, Value x, int64_t axis, AffineExpr start, AffineExpr size) {
  SmallVector<AffineExpr> starts(n.rank(x), n.num(0)), sizes = n.dims(x);
  starts[axis] = start;
  sizes[axis] = size;
  return n.slice(x, starts, sizes);
}

static LogicalResult split(NodeImport &n) {
  Value x = n.in(0);
  auto axis = n.axis(n.i("axis", 0), n.rank(x));
  if (failed(axis))
    return failure();
  AffineExpr total = n.dims(x)[*axis];
  SmallVector<AffineExpr> sizes;
  int64_t count = n.numOutputs();
  if (n.hasIn(1)) {
    auto given = n.exprs(n.in(1), n.node.label() + ".split");
    if (failed(given))
      return failure();
    sizes = *given;
  } else if (n.has("split")) {
    for (int64_t size : n.ints("split"))
      sizes.push_back(n.num(size));
  } else if (n.opset() >= 18) {
    // Chunks of one size, rounded up; the last one may be smaller.
    if (n.has("num_outputs") && n.i("num_outputs", count) != count)
      return n.error("attribute 'num_outputs' is " + Twine(n.i("num_outputs", 0)) + ", the node has " + Twine(count) +
                     " outputs");
    AffineExpr chunk = total.ceilDiv(count);
    sizes.assign(count, chunk);
    sizes.back() = n.symbols().max(total - chunk * (count - 1), n.num(0));
  } else {
    if (auto size = asConstant(total); size && *size % count != 0)
      return n.error("dim of size " + Twine(*size) + " does not split into " + Twine(count) + " equal parts",
                     "onnx.shape-mismatch");
    sizes.assign(count, total.floorDiv(count));
    n.checkEqual(total % count, n.num(0), "the dim does not split into equal parts");
  }
  if (int64_t(sizes.size()) != count)
    return n.error("split into " + Twine(sizes.size()) + " parts, the node has " + Twine(count) + " outputs",
                   "onnx.arity");
  AffineExpr start = n.num(0);
  for (auto [i, size] : llvm::enumerate(sizes)) {
    if (auto value = asConstant(size); value && *value < 0)
      return n.error("split into a part of size " + Twine(*value), "onnx.shape-mismatch");
    if (n.wantsOut(i))
      (void)n.set(i, piece(n, x, *axis, start, size));
    start = simplifyAffineExpr(start + size, 0, n.symbols().size());
  }
  auto sum = asConstant(start), want = asConstant(total);
  if (sum && want && *sum != *want)
    return n.error("the parts' sizes add up to " + Twine(*sum) + ", the dim is of size " + Twine(*want),
                   "onnx.shape-mismatch");
  n.checkEqual(start, total, "the parts' sizes do not add up to the dim's");
  return success();
}

namespace {
/// ONNX Slice along one axis: indices from the end when negative, clamped.
struct Cut {
  NodeImport &n;
  AffineExpr dim;
  int64_t step;

  /// `index` as a position in [low, dim + highOffset].
  AffineExpr position(AffineExpr index, AffineExpr low, int64_t highOffset) {
    DimSymbols &symbols = n.symbols();
    AffineExpr high = dim + highOffset;
    if (auto value = asConstant(index)) {
      if (*value > kMaxDim)
        return high;
      if (*value < -kMaxDim)
        return low;
      if (*value < 0)
        index = dim + *value;
    } else {
      Range range = symbols.range(index);
      if (range.max < 0)
        index = dim + index;
      else if (range.min < 0)
        index = symbols.select(symbols.max(-index, n.num(0)), dim + index, index);
    }
    return index == high ? high : symbols.max(symbols.min(index, high), low);
  }

  /// The first element's position and the number of elements.
  std::pair<AffineExpr, AffineExpr> get(AffineExpr start, AffineExpr end) {
    DimSymbols &symbols = n.symbols();
    auto simplify = [&](AffineExpr e) { return simplifyAffineExpr(e, 0, symbols.size()); };
    if (step > 0) {
      AffineExpr first = position(start, n.num(0), 0), last = position(end, n.num(0), 0);
      AffineExpr count = symbols.max(simplify(last - first), n.num(0));
      return {first, step == 1 ? count : simplify(count.ceilDiv(step))};
    }
    // The last element, or -1 where there is none.
    AffineExpr first = position(start, symbols.min(n.num(0), dim - 1), -1), last = position(end, n.num(-1), -1);
    AffineExpr count = symbols.max(simplify(first - last), n.num(0));
    return {first, step == -1 ? count : simplify(count.ceilDiv(-step))};
  }
};
} // namespace

/// Elements along `axis` from `start` to `end` by a step that only the run knows: a
/// gather of the positions.
static Value sliceByStep(NodeImport &n, Value x, int64_t axis, AffineExpr start, AffineExpr end, AffineExpr step) {
  DimSymbols &symbols = n.symbols();
  AffineExpr zero = n.num(0), one = n.num(1), dim = n.dims(x)[axis];
  CheckOp::create(n.b, n.loc, DimsAttr::get(n.b.getContext(), ArrayRef<AffineExpr>(step)),
                  n.node.path() + ": step 0 along axis " + std::to_string(axis));
  Cut up{n, dim, 1}, down{n, dim, -1};
  auto [firstUp, countUp] = up.get(start, end);
  auto [firstDown, countDown] = down.get(start, end);
  AffineExpr isDown = symbols.min(step, zero); // 0 when it goes up
  AffineExpr width = symbols.max(symbols.max(step, -step), one);
  AffineExpr first = symbols.select(isDown, firstDown, firstUp);
  AffineExpr count = symbols.select(isDown, countDown, countUp).ceilDiv(width);
  AffineExpr size = n.named(count, "count" + Twine(axis));
  Type i64 = n.b.getI64Type();
  Value at = n.add(n.mul(n.iota(i64, {size}, 0), n.exprScalar(i64, step)), n.exprScalar(i64, first));
  SmallVector<AffineExpr> dims = n.dims(x);
  dims[axis] = size;
  return GatherOp::create(n.b, n.loc, getTensorType(dims, n.elem(x)), x, at, axis);
}

static LogicalResult slice(NodeImport &n) {
  Value x = n.in(0);
  int64_t rank = n.rank(x);
  SmallVector<AffineExpr> starts, ends, stepExprs;
  SmallVector<int64_t> axes, steps;
  if (n.opset() < 10) {
    if (failed(n.require("starts")) || failed(n.require("ends")))
      return failure();
    for (int64_t v : n.ints("starts"))
      starts.push_back(n.num(v));
    for (int64_t v : n.ints("ends"))
      ends.push_back(n.num(v));
    axes = n.ints("axes", llvm::to_vector(llvm::seq<int64_t>(0, starts.size())));
  } else {
    if (n.numInputs() < 3)
      return n.error(Twine(n.numInputs()) + " inputs, want starts and ends", "onnx.arity");
    auto first = n.exprs(n.in(1), n.node.label() + ".start", -kMaxDim);
    auto last = n.exprs(n.in(2), n.node.label() + ".end", -kMaxDim);
    if (failed(first) || failed(last))
      return failure();
    starts = *first;
    ends = *last;
    axes = llvm::to_vector(llvm::seq<int64_t>(0, starts.size()));
    if (n.hasIn(3)) {
      auto given = n.axes(n.in(3), rank, NodeImport::AxisOrder::AsGiven, "axes");
      if (failed(given))
        return failure();
      axes = *given;
    }
    if (n.hasIn(4)) {
      auto given = n.exprs(n.in(4), n.node.label() + ".step", -kMaxDim);
      if (failed(given))
        return failure();
      for (AffineExpr step : *given)
        steps.push_back(asConstant(step).value_or(1));
      stepExprs = *given;
    }
  }
  if (steps.empty())
    steps.assign(starts.size(), 1);
  if (starts.size() != ends.size() || starts.size() != axes.size() || starts.size() != steps.size())
    return n.error(Twine(starts.size()) + " starts, " + Twine(ends.size()) + " ends, " + Twine(axes.size()) +
                       " axes and " + Twine(steps.size()) + " steps, want equal numbers",
                   "onnx.shape-mismatch");

  SmallVector<AffineExpr> first(rank, n.num(0)), sizes = n.dims(x);
  SmallVector<int64_t> allSteps(rank, 1);
  SmallVector<bool> seen(rank);
  for (auto [i, start, end, axis, step] : llvm::enumerate(starts, ends, axes, steps)) {
    auto at = n.axis(axis, rank);
    if (failed(at))
      return failure();
    if (seen[*at])
      return n.error("axis " + Twine(axis) + " stands twice in axes", "onnx.axis");
    seen[*at] = true;
    if (!stepExprs.empty() && !asConstant(stepExprs[i])) {
      x = sliceByStep(n, x, *at, start, end, stepExprs[i]);
      sizes[*at] = n.dims(x)[*at];
      continue;
    }
    if (step == 0)
      return n.error("step 0 along axis " + Twine(*at) + ", want another number");
    step = std::clamp<int64_t>(step, -kMaxDim, kMaxDim);
    Cut cut{n, sizes[*at], step};
    std::tie(first[*at], sizes[*at]) = cut.get(start, end);
    allSteps[*at] = step;
  }
  return n.set(0, n.slice(x, first, sizes, allSteps));
}

//===----------------------------------------------------------------------===//
// Pads and repetitions
//===----------------------------------------------------------------------===//

static LogicalResult pad(NodeImport &n) {
  Value x = n.in(0), value;
  int64_t rank = n.rank(x);
  if (!n.elem(x).isIntOrFloat())
    return n.unsupported("pads of strings");
  SmallVector<AffineExpr> pads;
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  if (n.opset() < 11) {
    StringRef name = n.opset() < 2 ? "paddings" : "pads";
    if (failed(n.require(name)))
      return failure();
    for (int64_t v : n.ints(name))
      pads.push_back(n.num(v));
    value = n.scalar(n.elem(x), n.f("value", 0));
  } else {
    if (!n.hasIn(1))
      return n.error("input 1 is missing, want the pads", "onnx.arity");
    auto given = n.exprs(n.in(1), n.node.label() + ".pad", -kMaxDim);
    if (failed(given))
      return failure();
    pads = *given;
    value = n.in(2);
    if (value) {
      if (failed(n.sameElementType({x, value})))
        return failure();
      value = n.reshape(value, {});
      if (!value)
        return failure();
    } else {
      value = n.scalar(n.elem(x), 0);
    }
    if (n.hasIn(3)) {
      auto given = n.axes(n.in(3), rank, NodeImport::AxisOrder::AsGiven, "axes");
      if (failed(given))
        return failure();
      axes = *given;
    }
  }
  if (pads.size() != 2 * axes.size())
    return n.error(Twine(pads.size()) + " pads, want " + Twine(2 * axes.size()), "onnx.shape-mismatch");
  std::string name = n.s("mode", "constant");
  auto mode = symbolizePadMode(name);
  if (!mode)
    return n.error("attribute 'mode' is '" + name + "', want constant, reflect, edge or wrap");

  SmallVector<AffineExpr> from = n.dims(x), low(rank, n.num(0)), to = from;
  for (auto [i, axis] : llvm::enumerate(axes)) {
    AffineExpr before = pads[i], after = pads[axes.size() + i];
    for (AffineExpr p : {before, after})
      if (auto v = asConstant(p); v && (*v > kMaxDim || *v < -kMaxDim))
        return n.error("pad of " + Twine(*v) + ", the limit is 2^40", "onnx.memory", kExitMemory);
    low[axis] = low[axis] + before;
    to[axis] = simplifyAffineExpr(to[axis] + before + after, 0, n.symbols().size());
    if (n.symbols().range(to[axis]).min < 0 && !asConstant(to[axis]))
      to[axis] = n.symbols().max(to[axis], n.num(0));
    auto size = asConstant(from[axis]), b = asConstant(before), a = asConstant(after);
    if (*mode != PadMode::constant && size && b && a && (*b > 0 || *a > 0) &&
        (*size == 0 || (*mode == PadMode::reflect && std::max(*b, *a) >= *size)))
      return n.error("mode " + name + " cannot pad a dim of size " + Twine(*size) + " by " + Twine(*b) + " and " +
                         Twine(*a),
                     "onnx.shape-mismatch");
  }
  if (llvm::all_of(axes, [&](int64_t axis) { return low[axis] == n.num(0) && to[axis] == from[axis]; }))
    return n.set(0, x);
  return n.set(0, PadOp::create(n.b, n.loc, getTensorType(to, n.elem(x)), x, value,
                                DimsAttr::get(n.b.getContext(), low), *mode));
}

static LogicalResult centerCropPad(NodeImport &n) {
  Value x = n.in(0);
  int64_t rank = n.rank(x);
  auto wanted = n.exprs(n.in(1), n.node.label() + ".dim");
  if (failed(wanted))
    return failure();
  SmallVector<int64_t> axes = n.ints("axes", llvm::to_vector(llvm::seq<int64_t>(0, rank)));
  if (axes.size() != wanted->size())
    return n.error(Twine(wanted->size()) + " sizes for " + Twine(axes.size()) + " axes", "onnx.shape-mismatch");
  SmallVector<AffineExpr> dims = n.dims(x), low(rank, n.num(0)), to = dims;
  for (auto [axis, want] : llvm::zip(axes, *wanted)) {
    auto at = n.axis(axis, rank);
    if (failed(at))
      return failure();
    AffineExpr grow = n.symbols().max(want - dims[*at], n.num(0)), cut = n.symbols().max(dims[*at] - want, n.num(0));
    low[*at] = grow.floorDiv(2) - cut.floorDiv(2);
    to[*at] = want;
  }
  return n.set(0, PadOp::create(n.b, n.loc, getTensorType(to, n.elem(x)), x, n.scalar(n.elem(x), 0),
                                DimsAttr::get(n.b.getContext(), low), PadMode::constant));
}

static LogicalResult tile(NodeImport &n) {
  Value x = n.in(0);
  SmallVector<AffineExpr> dims = n.dims(x), repeats(dims.size(), n.num(1));
  if (n.opset() < 6 && n.numInputs() == 3) { // tiles along one axis
    auto tiles = n.exprs(n.in(1), n.node.label() + ".tiles");
    auto axis = n.constants(n.in(2), "axis");
    if (failed(tiles) || failed(axis) || tiles->size() != 1 || axis->size() != 1)
      return n.error("tiles and axis must be one number each");
    auto at = n.axis(axis->front(), dims.size());
    if (failed(at))
      return failure();
    repeats[*at] = tiles->front();
  } else {
    auto given = n.exprs(n.in(1), n.node.label() + ".repeat");
    if (failed(given))
      return failure();
    if (given->size() != dims.size())
      return n.error(Twine(given->size()) + " repeats for rank " + Twine(dims.size()), "onnx.shape-mismatch");
    repeats = *given;
  }
  bool broadcasts = true;
  SmallVector<AffineExpr> to;
  for (auto [dim, repeat] : llvm::zip(dims, repeats)) {
    if (auto count = asConstant(repeat); count && (*count < 0 || *count > kMaxDim))
      return n.error("repeat of " + Twine(*count) + ", want 0..2^40", "onnx.memory",
                     *count < 0 ? kExitInvalid : kExitMemory);
    broadcasts &= dim == n.num(1) || repeat == n.num(1);
    to.push_back(dim * repeat);
  }
  if (broadcasts)
    return n.set(0, n.broadcast(x, to));
  return n.set(0, TileOp::create(n.b, n.loc, getTensorType(to, n.elem(x)), x));
}

//===----------------------------------------------------------------------===//
// Blocks and triangles
//===----------------------------------------------------------------------===//

/// Channels to blocks of pixels: [N, C, H, W] to [N, C/b², H·b, W·b].
static LogicalResult depthToSpace(NodeImport &n) {
  Value x = n.in(0);
  if (failed(n.require("blocksize")))
    return failure();
  int64_t block = n.i("blocksize", 0);
  if (n.rank(x) != 4 || block < 1 || block > 65536)
    return n.error("input of rank " + Twine(n.rank(x)) + " and blocksize " + Twine(block) + ", want rank 4 and 1 or more");
  std::string mode = n.s("mode", "DCR");
  if (mode != "DCR" && mode != "CRD")
    return n.error("attribute 'mode' is '" + mode + "', want DCR or CRD");
  SmallVector<AffineExpr> d = n.dims(x);
  if (auto c = asConstant(d[1]); c && *c % (block * block) != 0)
    return n.error(Twine(*c) + " channels are no multiple of " + Twine(block * block), "onnx.shape-mismatch");
  AffineExpr channels = d[1].floorDiv(block * block), k = n.num(block);
  bool dcr = mode == "DCR";
  Value split = dcr ? n.reshape(x, {d[0], k, k, channels, d[2], d[3]}) : n.reshape(x, {d[0], channels, k, k, d[2], d[3]});
  Value moved = n.transpose(split, dcr ? ArrayRef<int64_t>{0, 3, 4, 1, 5, 2} : ArrayRef<int64_t>{0, 1, 4, 2, 5, 3});
  return n.set(0, n.reshape(moved, {d[0], channels, d[2] * block, d[3] * block}));
}

static LogicalResult spaceToDepth(NodeImport &n) {
  Value x = n.in(0);
  if (failed(n.require("blocksize")))
    return failure();
  int64_t block = n.i("blocksize", 0);
  if (n.rank(x) != 4 || block < 1 || block > 65536)
    return n.error("input of rank " + Twine(n.rank(x)) + " and blocksize " + Twine(block) + ", want rank 4 and 1 or more");
  SmallVector<AffineExpr> d = n.dims(x);
  for (int i : {2, 3})
    if (auto size = asConstant(d[i]); size && *size % block != 0)
      return n.error("dim of size " + Twine(*size) + " is no multiple of " + Twine(block), "onnx.shape-mismatch");
  AffineExpr h = d[2].floorDiv(block), w = d[3].floorDiv(block), k = n.num(block);
  Value split = n.reshape(x, {d[0], d[1], h, k, w, k});
  Value moved = n.transpose(split, {0, 3, 5, 1, 2, 4});
  return n.set(0, n.reshape(moved, {d[0], d[1] * (block * block), h, w}));
}

/// Keeps where column - row >= k (upper), or <= k.
static LogicalResult trilu(NodeImport &n) {
  Value x = n.in(0);
  int64_t rank = n.rank(x);
  if (rank < 2)
    return n.error("input of rank " + Twine(rank) + ", want at least 2", "onnx.shape-mismatch");
  Type i64 = n.b.getI64Type();
  Value row = n.iota(i64, {n.dims(x)[rank - 2], n.num(1)}, 0), column = n.iota(i64, {n.num(1), n.dims(x)[rank - 1]}, 1);
  Value k = n.hasIn(1) ? n.reshape(n.in(1), {}) : n.scalar(i64, 0);
  if (!k)
    return failure();
  Value keep = n.cmp(n.i("upper", 1) ? CmpKind::ge : CmpKind::le, n.sub(column, row), k);
  return n.set(0, n.select(keep, x, n.scalar(n.elem(x), 0)));
}

ArrayRef<OpRow> tensorOps() {
  static constexpr OpRow rows[] = {
      {"", "Transpose", 1, 1, 1, transpose},
      {"", "Concat", 1, 1, -1, concat},
      {"", "Split", 1, 1, 2, split},
      {"", "Slice", 1, 1, 5, slice},
      {"", "Pad", 1, 1, 4, pad},
      {"", "CenterCropPad", 18, 2, 2, centerCropPad},
      {"", "Tile", 1, 2, 3, tile},
      {"", "DepthToSpace", 1, 1, 1, depthToSpace},
      {"", "SpaceToDepth", 1, 1, 1, spaceToDepth},
      {"", "Trilu", 14, 1, 2, trilu},
  };
  return rows;
}

} // namespace smelt::onnx
