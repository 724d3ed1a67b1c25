//===- Detection.cpp - NonMaxSuppression, RoiAlign --------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Suppression is a loop over candidates in the order of their scores: step i
// drops the later boxes that overlap with box i, if that is still kept. The
// count of candidates (scores above the threshold, of the fullest class) is
// read on the host first: sizes and steps follow from it, not from all boxes.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Compose.h"

using namespace mlir;

namespace smelt::onnx {

namespace {
struct Boxes {
  Value top, left, bottom, right, area; // each [B, C, K]
};
} // namespace

/// Boxes [B, C, K, 4] by their corners; they come as two opposite corners
/// (y, x) in any order, or as center and size (x, y, w, h).
static Boxes corners(NodeImport &n, Value boxes, bool centers) {
  Dims d = n.dims(boxes);
  d.pop_back();
  Value v[4];
  for (int i = 0; i < 4; ++i)
    v[i] = n.reshape(sliceAxis(n, boxes, 3, n.num(i), n.num(1)), d);
  Boxes b;
  if (centers) {
    Value halfW = n.div(v[2], like(n, v[2], 2)), halfH = n.div(v[3], like(n, v[3], 2));
    b.left = n.sub(v[0], halfW), b.right = n.add(v[0], halfW);
    b.top = n.sub(v[1], halfH), b.bottom = n.add(v[1], halfH);
  } else {
    b.top = n.min(v[0], v[2]), b.bottom = n.max(v[0], v[2]);
    b.left = n.min(v[1], v[3]), b.right = n.max(v[1], v[3]);
  }
  b.area = n.mul(n.sub(b.bottom, b.top), n.sub(b.right, b.left));
  return b;
}

/// boxes [B, N, 4], scores [B, C, N], most boxes per class, IoU and score thresholds.
LogicalResult importNonMaxSuppression(NodeImport &n) {
  Value boxes = n.in(0), scores = n.in(1);
  if (failed(expectRank(n, boxes, 3, 3, "boxes")) || failed(expectRank(n, scores, 3, 3, "scores")) ||
      failed(expectFloat(n, boxes, "boxes")) || failed(n.sameElementType({boxes, scores, n.in(3), n.in(4)})))
    return failure();
  Dims bd = n.dims(boxes), sd = n.dims(scores);
  int64_t centers = n.i("center_point_box", 0);
  if (failed(expectShape(n, boxes, {sd[0], sd[2], n.num(4)}, "boxes")) ||
      failed(expectRange(n, centers, 0, 1, "center_point_box")))
    return failure();
  Type i64 = n.b.getI64Type(), elem = n.elem(boxes);
  for (size_t i : {2, 3, 4})
    if (n.hasIn(i) && (failed(expectRank(n, n.in(i), 0, 1, "a threshold")) ||
                       failed(expectShape(n, n.in(i), Dims(n.rank(n.in(i)), n.num(1)), "a threshold"))))
      return failure();
  auto scalar = [&](size_t i, Type type) { return n.hasIn(i) ? n.reshape(n.in(i), {}) : n.scalar(type, 0); };
  Value most = n.cast(scalar(2, i64), i64), overlap = scalar(3, elem), threshold = scalar(4, elem);

  AffineExpr batch = sd[0], classes = sd[1], k = sd[2];
  if (n.hasIn(4)) {
    Value above = n.cast(n.cmp(CmpKind::gt, scores, threshold), i64);
    Value counts = n.reduce(ReduceKind::sum, above, {2}, false);
    // A 0 in front makes the maximum of no class 0.
    Value flat = n.concat({createInts(n.b, n.loc, {0}), n.reshape(counts, {batch * classes})}, 0);
    auto found = n.exprs(n.reduce(ReduceKind::max, flat, {0}, true), "nms_candidates", 0, n.symbols().range(k).max);
    if (failed(found))
      return failure();
    k = found->front();
  }
  Dims dims = {batch, classes, k};
  auto sorted = TopKOp::create(n.b, n.loc, getTensorType(dims, elem), getTensorType(dims, i64), scores, 2, true, true);
  Value picks = n.reshape(sorted.getIndices(), {batch, classes * k, n.num(1)});
  Value rows =
      make<GatherNDOp>(n, {batch, classes * k, n.num(4)}, elem, n.rebind(boxes, {batch, bd[1], n.num(4)}), picks, 1);
  Boxes all = corners(n, n.reshape(rows, {batch, classes, k, n.num(4)}), centers == 1);
  Value keep =
      n.hasIn(4) ? n.cmp(CmpKind::gt, sorted.getValues(), threshold) : n.broadcast(n.scalar(n.b.getI1Type(), 1), dims);
  if (!keep || !all.area)
    return failure();

  AffineExpr step = n.symbols().fresh("nms_step", 0, std::max<int64_t>(0, n.symbols().range(k).max - 1));
  auto loop =
      LoopOp::create(n.b, n.loc, TypeRange(keep.getType()), Value(), ValueRange(keep),
                     DimsAttr::get(n.b.getContext(), ArrayRef<AffineExpr>(k)),
                     n.b.getI64IntegerAttr(cast<AffineSymbolExpr>(step).getPosition()), n.b.getI64IntegerAttr(-1));
  Block &body = loop.getBody().emplaceBlock();
  Value kept = body.addArgument(keep.getType(), n.loc);
  {
    OpBuilder::InsertionGuard guard(n.b);
    n.b.setInsertionPointToEnd(&body);
    auto current = [&](Value v) { return sliceAxis(n, v, 2, step, n.num(1)); };
    Value zero = n.scalar(elem, 0);
    Value height = n.sub(n.min(all.bottom, current(all.bottom)), n.max(all.top, current(all.top)));
    Value width = n.sub(n.min(all.right, current(all.right)), n.max(all.left, current(all.left)));
    Value common = n.mul(n.max(height, zero), n.max(width, zero));
    Value both = n.sub(n.add(all.area, current(all.area)), common);
    // Two boxes without an area give 0 / 0, which is above nothing.
    Value overlaps = n.cmp(CmpKind::gt, n.div(common, both), overlap);
    Value later = n.cmp(CmpKind::gt, make<IotaOp>(n, {k}, i64, 0), n.exprScalar(i64, step));
    Value drop = n.elementwise<AndOp>({n.elementwise<AndOp>({overlaps, later}), current(kept)});
    Value next = n.elementwise<AndOp>({kept, unary<NotOp>(n, drop)});
    if (!next)
      return failure();
    LoopYieldOp::create(n.b, n.loc, Value(), n.rebind(next, dims));
  }
  // The first `most` of each class stay.
  Value left = loop.getResult(0);
  Value rank = CumSumOp::create(n.b, n.loc, getTensorType(dims, i64), n.cast(left, i64), 2, false, false);
  left = n.elementwise<AndOp>({left, n.cmp(CmpKind::le, rank, most)});
  AffineExpr count = n.symbols().fresh("nms_selected", 0, n.symbols().range(batch * classes * k).max);
  Value where = NonZeroOp::create(n.b, n.loc, getTensorType({n.num(3), count}, i64), left,
                                  cast<AffineSymbolExpr>(count).getPosition());
  where = n.transpose(where, {1, 0}); // batch, class, place in the order
  Value box = make<GatherNDOp>(n, {count}, i64, sorted.getIndices(), where, 0);
  return n.set(0, n.concat({sliceAxis(n, where, 1, n.num(0), n.num(2)), n.unsqueeze(box, {1})}, 1));
}

/// X [N, C, H, W], rois [R, 4], batch_indices [R]: the mean of ratio x ratio
/// bilinear samples in every bin.
LogicalResult importRoiAlign(NodeImport &n) {
  Value x = n.in(0), rois = n.in(1), batches = n.in(2);
  constexpr int64_t limit = 1 << 16;
  int64_t height = n.i("output_height", 1), width = n.i("output_width", 1), ratio = n.i("sampling_ratio", 0);
  if (failed(expectRank(n, x, 4, 4, "X")) || failed(expectFloat(n, x, "X")) || failed(n.sameElementType({x, rois})) ||
      failed(expectShape(n, rois, {{}, n.num(4)}, "rois")) ||
      failed(expectShape(n, batches, {n.dims(rois)[0]}, "batch_indices")) ||
      failed(expectInteger(n, batches, "batch_indices")) || failed(expectRange(n, height, 1, limit, "output_height")) ||
      failed(expectRange(n, width, 1, limit, "output_width")) ||
      failed(expectRange(n, ratio, 0, limit, "sampling_ratio")))
    return failure();
  if (n.s("mode", "avg") != "avg" || ratio == 0)
    return n.unsupported("RoiAlign of mode '" + n.s("mode", "avg") + "' with sampling_ratio " + Twine(ratio) +
                         "; only avg with a ratio of 1 or more is supported");
  bool shifted = n.opset() >= 16 && n.s("coordinate_transformation_mode", "half_pixel") == "half_pixel";
  Type elem = computeType(n.elem(x)), i64 = n.b.getI64Type();
  Dims xd = n.dims(x);
  AffineExpr count = n.dims(rois)[0];
  Value scaled = n.mul(n.cast(rois, elem), n.scalar(elem, n.f("spatial_scale", 1.0)));
  if (shifted)
    scaled = n.sub(scaled, n.scalar(elem, 0.5));
  auto corner = [&](int64_t i) { return sliceAxis(n, scaled, 1, n.num(i), n.num(1)); }; // [R, 1]

  // Samples of one dim: floor index, the one after, weight of the latter, and is it in the image.
  struct Axis {
    Value low, high, fraction, inside;
  };
  auto sample = [&](int64_t first, int64_t bins, AffineExpr size) {
    Value start = corner(first), extent = n.sub(corner(first + 2), start);
    if (!shifted)
      extent = n.max(extent, n.scalar(elem, 1));
    Value at = make<IotaOp>(n, {n.num(bins * ratio)}, elem, 0);
    Value places = n.mul(n.add(at, n.scalar(elem, 0.5)), n.scalar(elem, 1.0 / double(bins * ratio)));
    Value p = n.add(start, n.mul(extent, places)); // [R, bins * ratio]
    Value end = n.exprScalar(elem, size), last = n.sub(end, n.scalar(elem, 1));
    Axis a;
    a.inside = n.elementwise<AndOp>({n.cmp(CmpKind::ge, p, n.scalar(elem, -1)), n.cmp(CmpKind::le, p, end)});
    p = n.min(n.max(p, n.scalar(elem, 0)), last);
    Value low = unary<FloorOp>(n, p);
    a.fraction = n.sub(p, low);
    a.low = n.cast(low, i64);
    a.high = n.cast(n.min(n.add(low, n.scalar(elem, 1)), last), i64);
    return a;
  };
  Axis ys = sample(1, height, xd[2]), xs = sample(0, width, xd[3]);
  Dims grid = {count, n.num(height * ratio), n.num(width * ratio)}, points = grid;
  points.push_back(xd[1]);
  Value pixels = n.transpose(n.cast(x, elem), {0, 2, 3, 1});
  Value batch = n.unsqueeze(n.cast(batches, i64), {1, 2});
  auto column = [&](Value v) { return n.unsqueeze(v, {2}); };
  auto row = [&](Value v) { return n.unsqueeze(v, {1}); };
  Value sum;
  for (bool down : {false, true})
    for (bool right : {false, true}) {
      Value parts[] = {batch, column(down ? ys.high : ys.low), row(right ? xs.high : xs.low)};
      SmallVector<Value> index;
      for (Value part : parts)
        index.push_back(n.unsqueeze(n.broadcast(part, grid), {3}));
      Value v = make<GatherNDOp>(n, points, elem, pixels, n.concat(index, 3), 0);
      Value one = n.scalar(elem, 1);
      Value wy = column(down ? ys.fraction : n.sub(one, ys.fraction));
      Value wx = row(right ? xs.fraction : n.sub(one, xs.fraction));
      v = n.mul(v, n.unsqueeze(n.mul(wy, wx), {3}));
      sum = sum ? n.add(sum, v) : v;
    }
  Value inside = n.elementwise<AndOp>({column(ys.inside), row(xs.inside)});
  sum = n.select(n.unsqueeze(inside, {3}), sum, n.scalar(elem, 0));
  if (!sum)
    return failure();
  Value image = n.rebind(n.transpose(sum, {0, 3, 1, 2}), {count, xd[1], grid[1], grid[2]});
  SmallVector<int64_t> cell = {ratio, ratio}, ones = {1, 1};
  Value y = make<PoolOp>(n, {count, xd[1], n.num(height), n.num(width)}, elem, image, PoolKind::avg, cell, cell,
                         DimsAttr::get(n.b.getContext(), ArrayRef<int64_t>{0, 0, 0, 0}), ones);
  return n.set(0, n.cast(y, n.elem(x)));
}

} // namespace smelt::onnx
