//===- Detection.cpp - NonMaxSuppression, RoiAlign, MaxRoiPool ---------------===//
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
namespace {
/// The samples of one dim: [R, bins * grid], `grid` for each bin of each region.
struct RoiSamples {
  Value low, high, fraction; // i64, i64, and the weight of `high`
  Value inside;              // i1: in the image, and one of the region's own
  Value perBin;              // [R, 1], or null: all of the grid
  AffineExpr grid;
};
} // namespace

/// Samples of the dim of `size` between columns `first` and `first + 2` of the
/// regions. With `ratio` 0 a region has ceil(extent / bins) in each bin, and the
/// grid is that of the largest.
static FailureOr<RoiSamples> sampleRois(NodeImport &n, Value rois, int64_t first, int64_t bins, int64_t ratio, AffineExpr size,
                                        bool isShifted) {
  constexpr int64_t limit = 1 << 16;
  Type elem = n.elem(rois), i64 = n.b.getI64Type();
  Value one = n.scalar(elem, 1), half = n.scalar(elem, 0.5);
  Value start = sliceAxis(n, rois, 1, n.num(first), n.num(1));
  Value extent = n.sub(sliceAxis(n, rois, 1, n.num(first + 2), n.num(1)), start);
  if (!isShifted)
    extent = n.max(extent, one);
  Value bin = n.mul(extent, n.scalar(elem, 1.0 / double(bins)));
  RoiSamples s;
  s.grid = n.num(ratio);
  Value count = n.scalar(elem, double(ratio));
  if (ratio == 0) {
    s.perBin = count = n.max(unary<CeilOp>(n, n.div(extent, n.scalar(elem, double(bins)))), n.scalar(elem, 0));
    Value most = count ? n.max(n.reduce(ReduceKind::max, count, {0, 1}, false), one) : Value();
    auto grid = n.exprs(n.cast(most, i64), n.node.label() + ".grid", 1, limit);
    if (failed(grid))
      return failure();
    s.grid = grid->front();
  }
  // Sample i of bin b stands at start + (b + (i + 0.5) / count) * bin.
  Dims cells = {n.num(bins), s.grid};
  auto flat = [&](Value v) { return n.reshape(v, {n.num(1), n.num(bins) * s.grid}); };
  Value b = flat(make<IotaOp>(n, cells, elem, 0)), i = flat(make<IotaOp>(n, cells, elem, 1));
  Value at = n.add(start, n.mul(n.add(b, n.div(n.add(i, half), n.max(count, one))), bin));
  Value end = n.exprScalar(elem, size), last = n.sub(end, one);
  s.inside = n.elementwise<AndOp>({n.cmp(CmpKind::ge, at, n.scalar(elem, -1)), n.cmp(CmpKind::le, at, end)});
  if (s.perBin)
    s.inside = n.elementwise<AndOp>({s.inside, n.cmp(CmpKind::lt, i, count)});
  at = n.min(n.max(at, n.scalar(elem, 0)), last);
  Value low = unary<FloorOp>(n, at);
  s.fraction = n.sub(at, low);
  s.low = n.cast(low, i64);
  s.high = n.cast(n.min(n.add(low, one), last), i64);
  if (!s.high || !s.inside)
    return failure();
  return s;
}

/// X [N, C, H, W], rois [R, 4], batch_indices [R]: the mean or the largest of each
/// bin's samples. As ONNX's reference defines it, `max` takes the largest of the
/// four weighted pixels, not of their sum.
LogicalResult importRoiAlign(NodeImport &n) {
  Value x = n.in(0), rois = n.in(1), batches = n.in(2);
  constexpr int64_t limit = 1 << 16;
  int64_t height = n.i("output_height", 1), width = n.i("output_width", 1), ratio = n.i("sampling_ratio", 0);
  std::string mode = n.s("mode", "avg");
  if (failed(expectRank(n, x, 4, 4, "X")) || failed(expectFloat(n, x, "X")) || failed(n.sameElementType({x, rois})) ||
      failed(expectShape(n, rois, {{}, n.num(4)}, "rois")) ||
      failed(expectShape(n, batches, {n.dims(rois)[0]}, "batch_indices")) ||
      failed(expectInteger(n, batches, "batch_indices")) || failed(expectRange(n, height, 1, limit, "output_height")) ||
      failed(expectRange(n, width, 1, limit, "output_width")) ||
      failed(expectRange(n, ratio, 0, limit, "sampling_ratio")))
    return failure();
  if (mode != "avg" && mode != "max")
    return n.error("attribute 'mode' is '" + mode + "', want avg or max");
  bool isMax = mode == "max";
  bool shifted = n.opset() >= 16 && n.s("coordinate_transformation_mode", "half_pixel") == "half_pixel";
  Type elem = computeType(n.elem(x)), i64 = n.b.getI64Type();
  Dims xd = n.dims(x);
  AffineExpr count = n.dims(rois)[0];
  Value scaled = n.mul(n.cast(rois, elem), n.scalar(elem, n.f("spatial_scale", 1.0)));
  if (shifted)
    scaled = n.sub(scaled, n.scalar(elem, 0.5));
  auto ys = sampleRois(n, scaled, 1, height, ratio, xd[2], shifted), xs = sampleRois(n, scaled, 0, width, ratio, xd[3], shifted);
  if (failed(ys) || failed(xs))
    return failure();

  Dims grid = {count, n.num(height) * ys->grid, n.num(width) * xs->grid}, points = grid;
  points.push_back(xd[1]);
  Value pixels = n.transpose(n.cast(x, elem), {0, 2, 3, 1});
  Value batch = n.unsqueeze(n.rebind(n.cast(batches, i64), {count}), {1, 2});
  auto column = [&](Value v) { return n.unsqueeze(v, {2}); };
  auto row = [&](Value v) { return n.unsqueeze(v, {1}); };
  Value one = n.scalar(elem, 1), sample;
  for (bool down : {false, true})
    for (bool right : {false, true}) {
      Value parts[] = {batch, column(down ? ys->high : ys->low), row(right ? xs->high : xs->low)};
      SmallVector<Value> index;
      for (Value part : parts)
        index.push_back(n.unsqueeze(n.broadcast(part, grid), {3}));
      Value v = make<GatherNDOp>(n, points, elem, pixels, n.concat(index, 3), 0);
      Value wy = column(down ? ys->fraction : n.sub(one, ys->fraction));
      Value wx = row(right ? xs->fraction : n.sub(one, xs->fraction));
      v = n.mul(v, n.unsqueeze(n.mul(wy, wx), {3}));
      sample = !sample ? v : isMax ? n.max(sample, v) : n.add(sample, v);
    }
  Value inside = n.elementwise<AndOp>({column(ys->inside), row(xs->inside)}), zero = n.scalar(elem, 0);
  sample = n.select(n.unsqueeze(inside, {3}), sample, zero); // of a region's own, those outside the image count as 0
  Value own;
  if (isMax && ys->perBin) {
    auto ownOf = [&](const RoiSamples &s, int64_t bins) {
      Dims cells = {n.num(bins), s.grid};
      return n.cmp(CmpKind::lt, n.reshape(make<IotaOp>(n, cells, elem, 1), {n.num(1), n.num(bins) * s.grid}), s.perBin);
    };
    own = n.elementwise<AndOp>({column(ownOf(*ys, height)), row(ownOf(*xs, width))});
    sample = n.select(n.unsqueeze(own, {3}), sample, n.scalar(elem, -std::numeric_limits<double>::infinity()));
  }
  if (!sample)
    return failure();
  Value cells = n.reshape(sample, {count, n.num(height), ys->grid, n.num(width), xs->grid, xd[1]});
  Value y = n.reduce(isMax ? ReduceKind::max : ReduceKind::sum, cells, {2, 4}, false); // [R, height, width, C]
  if (ys->perBin) {
    Value samples = n.unsqueeze(n.mul(ys->perBin, xs->perBin), {2, 3});
    y = isMax ? n.select(n.cmp(CmpKind::gt, samples, zero), y, zero) : n.div(y, n.max(samples, one));
  } else if (!isMax) {
    y = n.mul(y, n.scalar(elem, 1.0 / double(ratio * ratio)));
  }
  return n.set(0, n.cast(y ? n.transpose(y, {0, 3, 1, 2}) : Value(), n.elem(x)));
}

/// X [N, C, H, W], rois [R, 5] of (batch, x1, y1, x2, y2): the largest pixel of each
/// bin, 0 where a bin holds none. The rows of a bin are reduced first, then its columns.
LogicalResult importMaxRoiPool(NodeImport &n) {
  Value x = n.in(0), rois = n.in(1);
  SmallVector<int64_t> bins = n.ints("pooled_shape");
  constexpr int64_t limit = 1 << 16;
  if (failed(n.require("pooled_shape")) || failed(expectRank(n, x, 4, 4, "X")) || failed(expectFloat(n, x, "X")) ||
      failed(n.sameElementType({x, rois})) || failed(expectShape(n, rois, {{}, n.num(5)}, "rois")))
    return failure();
  if (bins.size() != 2 || failed(expectRange(n, bins[0], 1, limit, "pooled_shape[0]")) ||
      failed(expectRange(n, bins[1], 1, limit, "pooled_shape[1]")))
    return n.error("pooled_shape has " + Twine(bins.size()) + " entries, want 2 from 1 on");
  Type elem = computeType(n.elem(x)), i64 = n.b.getI64Type();
  Dims xd = n.dims(x);
  AffineExpr count = n.dims(rois)[0];
  Value zero = n.scalar(elem, 0), half = n.scalar(elem, 0.5), one = n.scalar(elem, 1);
  Value lowest = n.scalar(elem, -std::numeric_limits<double>::infinity());
  rois = n.cast(rois, elem);
  auto corner = [&](int64_t i) { // rounded, halves away from zero
    Value v = n.mul(sliceAxis(n, rois, 1, n.num(i), n.num(1)), n.scalar(elem, n.f("spatial_scale", 1.0)));
    Value size = unary<FloorOp>(n, n.add(unary<AbsOp>(n, v), half));
    return n.select(n.cmp(CmpKind::lt, v, zero), unary<NegOp>(n, size), size);
  };
  // i1 [R, bins, size]: the pixels of each bin.
  auto members = [&](int64_t first, int64_t bins, AffineExpr size) {
    Value start = corner(first), extent = n.max(n.add(n.sub(corner(first + 2), start), one), one);
    Value bin = n.div(extent, n.scalar(elem, double(bins))), at = make<IotaOp>(n, {n.num(bins)}, elem, 0);
    Value from = n.add(start, unary<FloorOp>(n, n.mul(at, bin))), to = n.add(start, unary<CeilOp>(n, n.mul(n.add(at, one), bin)));
    Value pixel = make<IotaOp>(n, {size}, elem, 0);
    return n.elementwise<AndOp>({n.cmp(CmpKind::ge, pixel, n.unsqueeze(from, {2})), n.cmp(CmpKind::lt, pixel, n.unsqueeze(to, {2}))});
  };
  Value rows = members(2, bins[0], xd[2]), columns = members(1, bins[1], xd[3]);
  Value batch = n.reshape(n.cast(sliceAxis(n, rois, 1, n.num(0), n.num(1)), i64), {count});
  Value image = make<GatherOp>(n, {count, xd[1], xd[2], xd[3]}, elem, n.cast(x, elem), batch, 0);
  if (!rows || !columns || !image)
    return failure();
  Value y = n.select(n.unsqueeze(rows, {1, 4}), n.unsqueeze(image, {2}), lowest); // [R, C, bins, H, W]
  y = n.reduce(ReduceKind::max, y, {3}, false);
  y = n.select(n.unsqueeze(columns, {1, 2}), n.unsqueeze(y, {3}), lowest); // [R, C, bins, bins, W]
  y = n.reduce(ReduceKind::max, y, {4}, false);
  auto any = [&](Value v) { return n.reduce(ReduceKind::max, v, {2}, false); };
  Value some = n.elementwise<AndOp>({n.unsqueeze(any(rows), {1, 3}), n.unsqueeze(any(columns), {1, 2})});
  return n.set(0, n.cast(n.select(some, y, zero), n.elem(x)));
}

} // namespace smelt::onnx
