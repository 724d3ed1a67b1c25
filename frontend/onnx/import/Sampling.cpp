//===- Sampling.cpp - AffineGrid, GridSample, Col2Im ------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sampling at computed places is a gather per tap of the interpolation, each
// with its weight; folding columns to an image is a transposed convolution
// with one-hot kernels.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Compose.h"

using namespace mlir;

namespace smelt::onnx {

LogicalResult importAffineGrid(NodeImport &n) {
  Value theta = n.in(0);
  auto size = n.exprs(n.in(1), "size");
  if (failed(size) || failed(expectFloat(n, theta, "theta")) || failed(expectRank(n, theta, 3, 3, "theta")))
    return failure();
  if (size->size() != 4 && size->size() != 5)
    return n.error("size has " + Twine(size->size()) + " entries, want 4 or 5");
  int64_t spatial = size->size() - 2;
  if (failed(expectShape(n, theta, {{}, n.num(spatial), n.num(spatial + 1)}, "theta")))
    return failure();
  bool align = n.i("align_corners", 0) != 0;
  Type elem = computeType(n.elem(theta));
  Dims grid(size->begin() + 2, size->end()), column = grid;
  column.push_back(n.num(1));
  // Coordinates x, y(, z) and 1 of every place, in [-1, 1].
  SmallVector<Value> parts;
  AffineExpr count = n.num(1);
  for (int64_t axis = spatial - 1; axis >= 0; --axis) {
    Value at = make<IotaOp>(n, column, elem, axis);
    AffineExpr extent = grid[axis];
    count = count * extent;
    if (align)
      parts.push_back(
          n.sub(n.div(n.mul(at, n.scalar(elem, 2)), n.exprScalar(elem, n.symbols().max(extent - 1, n.num(1)))),
                n.scalar(elem, 1)));
    else
      parts.push_back(n.sub(n.div(n.add(n.mul(at, n.scalar(elem, 2)), n.scalar(elem, 1)), n.exprScalar(elem, extent)),
                            n.scalar(elem, 1)));
  }
  parts.push_back(n.broadcast(n.scalar(elem, 1), column));
  Value places = n.reshape(n.concat(parts, spatial), {count, n.num(spatial + 1)});
  auto y = matmul(n, places, n.cast(theta, elem), elem, false, /*transposeRhs=*/true);
  if (failed(y))
    return failure();
  Dims out = {n.dims(theta)[0]};
  out.append(grid);
  out.push_back(n.num(spatial));
  return n.set(0, n.cast(n.reshape(*y, out), n.elem(theta)));
}

namespace {
/// One place to read along a dim: index as a float, and its weight.
struct Tap {
  Value index, weight;
};
struct Sampler {
  NodeImport &n;
  Type elem;
  bool align;
  std::string mode, padding;

  Value num(double v) { return n.scalar(elem, v); }

  /// x mirrored at the borders until it lies within.
  Value reflect(Value x, Value low, Value high) {
    Value range = n.sub(high, low), twice = n.add(range, range);
    Value m = n.elementwise<ModOp>({n.sub(x, low), twice});
    return n.add(low, n.select(n.cmp(CmpKind::le, m, range), m, n.sub(twice, m)));
  }

  Value limit(Value x, Value last) { return n.min(n.max(x, num(0)), last); }

  /// Pixels from a coordinate in [-1, 1].
  Value toPixels(Value g, Value size, Value last, Value low, Value high) {
    Value x = align ? n.mul(n.div(n.add(g, num(1)), num(2)), last)
                    : n.div(n.sub(n.mul(n.add(g, num(1)), size), num(1)), num(2));
    if (mode == "nearest")
      x = unary<RoundOp>(n, x);
    if (padding == "reflection")
      return reflect(x, low, high);
    if (padding == "border") {
      Value inside = n.elementwise<AndOp>({n.cmp(CmpKind::ge, x, low), n.cmp(CmpKind::le, x, high)});
      return n.select(inside, x, limit(x, last));
    }
    return x;
  }

  SmallVector<Tap> taps(Value x) {
    if (mode == "nearest")
      return {{unary<RoundOp>(n, x), num(1)}};
    Value base = unary<FloorOp>(n, x), t = n.sub(x, base), u = n.sub(num(1), t);
    if (mode == "linear")
      return {{base, u}, {n.add(base, num(1)), t}};
    // Keys' cubic convolution with a = -0.75.
    auto near = [&](Value d) { // |d| < 1
      return n.add(n.mul(n.sub(n.mul(num(1.25), d), num(2.25)), n.mul(d, d)), num(1));
    };
    auto far = [&](Value d) { // 1 < |d| < 2
      Value p = n.sub(n.mul(num(-0.75), d), num(-3.75));
      return n.sub(n.mul(n.add(n.mul(p, d), num(-6)), d), num(-3));
    };
    return {{n.sub(base, num(1)), far(n.add(t, num(1)))},
            {base, near(t)},
            {n.add(base, num(1)), near(u)},
            {n.add(base, num(2)), far(n.add(u, num(1)))}};
  }
};
} // namespace

LogicalResult importGridSample(NodeImport &n) {
  Value x = n.in(0), grid = n.in(1);
  if (failed(expectRank(n, x, 4, 5, "X")) || failed(expectFloat(n, x, "X")) || failed(expectFloat(n, grid, "grid")))
    return failure();
  int64_t spatial = n.rank(x) - 2;
  Dims want(n.rank(x));
  want.front() = n.dims(x)[0];
  want.back() = n.num(spatial);
  if (failed(expectShape(n, grid, want, "grid")))
    return failure();
  Sampler s{n, computeType(n.elem(x)), n.i("align_corners", 0) != 0, n.s("mode", "linear"),
            n.s("padding_mode", "zeros")};
  // Opset 16 said bilinear and bicubic.
  if (s.mode == "bilinear")
    s.mode = "linear";
  if (s.mode == "bicubic")
    s.mode = "cubic";
  if (s.mode != "linear" && s.mode != "nearest" && s.mode != "cubic")
    return n.error("mode is '" + s.mode + "', want linear, nearest or cubic");
  if (s.padding != "zeros" && s.padding != "border" && s.padding != "reflection")
    return n.error("padding_mode is '" + s.padding + "', want zeros, border or reflection");
  if (s.mode == "cubic" && spatial != 2)
    return n.unsupported("GridSample of mode cubic in " + Twine(spatial) + " dims");
  Dims xd = n.dims(x), gd = n.dims(grid);
  AffineExpr batch = xd[0], places = n.num(1), pixels = n.num(1);
  for (int64_t i = 0; i < spatial; ++i) {
    places = places * gd[i + 1];
    pixels = pixels * xd[i + 2];
  }
  Value flatGrid = n.reshape(n.cast(grid, s.elem), {batch, places, n.num(spatial)});
  Type i64 = n.b.getI64Type();
  // Per dim: its taps as (flat index part, weight, inside or null).
  struct Choice {
    Value index, weight, inside;
  };
  SmallVector<Choice> combined = {{n.scalar(i64, 0), s.num(1), {}}};
  for (int64_t i = 0; i < spatial; ++i) {
    Value size = n.exprScalar(s.elem, xd[i + 2]), last = n.sub(size, s.num(1));
    Value low = s.num(s.align ? 0 : -0.5), high = s.align ? last : n.sub(size, s.num(0.5));
    // The grid's last entry belongs to the first spatial dim.
    Value g = n.reshape(sliceAxis(n, flatGrid, 2, n.num(spatial - 1 - i), n.num(1)), {batch, places});
    SmallVector<Choice> next;
    for (const Tap &tap : s.taps(s.toPixels(g, size, last, low, high))) {
      Value at = tap.index, inside;
      if (s.padding == "zeros")
        inside = n.elementwise<AndOp>({n.cmp(CmpKind::ge, at, s.num(0)), n.cmp(CmpKind::le, at, last)});
      else if (s.padding == "reflection")
        at = s.reflect(at, low, high);
      Value index = n.cast(s.limit(at, last), i64);
      for (const Choice &c : combined)
        next.push_back({n.add(n.mul(c.index, n.exprScalar(i64, xd[i + 2])), index), n.mul(c.weight, tap.weight),
                        c.inside && inside ? n.elementwise<AndOp>({c.inside, inside}) : inside});
    }
    combined = std::move(next);
  }
  // Pixels as rows of channels: [N, P, C].
  Value rows = n.transpose(n.reshape(n.cast(x, s.elem), {batch, xd[1], pixels}), {0, 2, 1});
  Value sum;
  for (const Choice &c : combined) {
    Value index = n.reshape(n.broadcast(c.index, {batch, places}), {batch, places, n.num(1)});
    Value v = make<GatherNDOp>(n, {batch, places, xd[1]}, s.elem, rows, index, 1);
    if (c.inside)
      v = n.select(n.unsqueeze(c.inside, {2}), v, s.num(0));
    Value weight = n.rank(c.weight) == 2 ? n.unsqueeze(c.weight, {2}) : c.weight;
    v = n.mul(v, weight);
    sum = sum ? n.add(sum, v) : v;
  }
  Dims out = {batch, xd[1]};
  out.append(gd.begin() + 1, gd.end() - 1);
  return n.set(0, n.cast(n.reshape(n.transpose(sum, {0, 2, 1}), out), n.elem(x)));
}

/// Col2Im of blocks whose sizes only the run knows: every element of a column is
/// added where it came from, in an image with its pads.
static LogicalResult scatterColumns(NodeImport &n, ArrayRef<AffineExpr> image, ArrayRef<AffineExpr> block) {
  constexpr int64_t limit = (int64_t(1) << 31) - 1;
  Value x = n.in(0);
  size_t spatial = block.size();
  auto strides = listAttr(n, "strides", spatial, 1, 1, limit), dilations = listAttr(n, "dilations", spatial, 1, 1, limit);
  auto pads = listAttr(n, "pads", 2 * spatial, 0, 0, limit);
  if (failed(strides) || failed(dilations) || failed(pads))
    return failure();
  Type i64 = n.b.getI64Type();
  AffineExpr taps = n.num(1), pixels = n.num(1), one = n.num(1);
  Dims positions, padded;
  for (size_t i = 0; i < spatial; ++i) {
    padded.push_back(image[i] + (*pads)[i] + (*pads)[i + spatial]);
    positions.push_back((padded[i] - (block[i] - 1) * (*dilations)[i] - 1).floorDiv((*strides)[i]) + 1);
    taps = taps * block[i];
    pixels = pixels * padded[i];
  }
  AffineExpr tapCount = n.named(taps, "taps"), channels = n.named(n.dims(x)[1].floorDiv(tapCount), "channels");
  AffineExpr columns = n.dims(x)[2], area = n.named(pixels, "pixels");
  n.checkEqual(channels * tapCount, n.dims(x)[1], "Col2Im: the columns are no multiple of the block's elements");
  // The place of tap t at position p, row by row of the padded image.
  auto digits = [&](Value at, ArrayRef<AffineExpr> sizes) {
    SmallVector<Value> parts(sizes.size());
    for (size_t i = sizes.size(); i-- > 0;) {
      Value size = n.exprScalar(i64, sizes[i]);
      parts[i] = n.elementwise<RemOp>({at, size});
      at = n.div(at, size);
    }
    return parts;
  };
  SmallVector<Value> tap = digits(n.iota(i64, {tapCount, one}, 0), block), position = digits(n.iota(i64, {one, columns}, 1), positions);
  Value place = n.scalar(i64, 0);
  for (size_t i = 0; i < spatial; ++i) {
    Value along = n.add(n.mul(position[i], n.scalar(i64, (*strides)[i])), n.mul(tap[i], n.scalar(i64, (*dilations)[i])));
    place = n.add(n.mul(place, n.exprScalar(i64, padded[i])), along);
  }
  AffineExpr batch = n.dims(x)[0], lines = n.named(batch * channels, "lines"), each = n.named(tapCount * columns, "each");
  Value updates = n.reshape(x, {lines, each}), indices = n.broadcast(n.reshape(place, {one, each}), {lines, each});
  Value zero = n.broadcast(n.scalar(n.elem(x), 0), {lines, area});
  if (!updates || !indices || !zero)
    return failure();
  Value y = ScatterElementsOp::create(n.b, n.loc, n.type(zero), zero, indices, updates, 1, ScatterKind::add);
  Dims whole = {batch, channels}, starts(2, n.num(0)), sizes = whole;
  for (size_t i = 0; i < spatial; ++i) {
    whole.push_back(padded[i]);
    starts.push_back(n.num((*pads)[i]));
    sizes.push_back(image[i]);
  }
  return n.set(0, n.slice(n.reshape(y, whole), starts, sizes));
}

LogicalResult importCol2Im(NodeImport &n) {
  constexpr int64_t limit = (int64_t(1) << 31) - 1;
  Value x = n.in(0);
  auto image = n.exprs(n.in(1), "image_shape");
  auto blockExprs = n.exprs(n.in(2), "block_shape", 1, 1 << 16);
  if (failed(image) || failed(blockExprs) || failed(expectRank(n, x, 3, 3, "input")))
    return failure();
  if (llvm::any_of(*blockExprs, [](AffineExpr e) { return !isa<AffineConstantExpr>(e); }) && image->size() == blockExprs->size())
    return scatterColumns(n, *image, *blockExprs);
  auto block = n.constants(n.in(2), "block_shape");
  if (failed(block))
    return failure();
  size_t spatial = block->size();
  if (image->size() != spatial || spatial < 1 || spatial > 3)
    return n.error("image_shape has " + Twine(image->size()) + " entries and block_shape " + Twine(spatial) +
                   ", want the same number, 1 to 3");
  auto strides = listAttr(n, "strides", spatial, 1, 1, limit),
       dilations = listAttr(n, "dilations", spatial, 1, 1, limit);
  auto pads = listAttr(n, "pads", 2 * spatial, 0, 0, limit);
  auto columns = staticDim(n, x, 1, "input");
  if (failed(strides) || failed(dilations) || failed(pads) || failed(columns))
    return failure();
  int64_t taps = 1;
  for (auto [i, size] : llvm::enumerate(*block)) {
    if (failed(expectRange(n, size, 1, 1 << 16, "block_shape[" + Twine(i) + "]")))
      return failure();
    taps = std::min<int64_t>(taps * size, 1 << 20);
  }
  if (*columns % taps != 0 || *columns > (1 << 16))
    return n.error("input has " + Twine(*columns) + " columns, want a multiple of the " + Twine(taps) +
                   " elements of a block, 65536 at most");
  int64_t channels = *columns / taps;
  if (taps * *columns > (int64_t(1) << 26))
    return n.unsupported("Col2Im of " + Twine(channels) + " channels in blocks of " + Twine(taps) + " elements");
  Dims in = {n.dims(x)[0], n.num(*columns)}, out = {n.dims(x)[0], n.num(channels)};
  SmallVector<int64_t> kernelDims = {*columns, 1};
  Dims padExprs;
  for (size_t i = 0; i < spatial; ++i) {
    AffineExpr room = (*image)[i] + (*pads)[i] + (*pads)[i + spatial] - (*dilations)[i] * ((*block)[i] - 1) - 1;
    in.push_back(simplifyAffineExpr(room.floorDiv((*strides)[i]) + 1, 0, n.symbols().size()));
    out.push_back((*image)[i]);
    kernelDims.push_back((*block)[i]);
  }
  for (int64_t pad : *pads)
    padExprs.push_back(n.num(pad));
  // Kernel j of a channel has its only one at place j of the block.
  SmallVector<double> kernel(*columns * taps, 0.0);
  for (int64_t c = 0; c < *columns; ++c)
    kernel[c * taps + c % taps] = 1.0;
  if (failed(expectFloat(n, x, "input")))
    return failure();
  Value y = make<ConvTransposeOp>(n, out, n.elem(x), n.reshape(x, in), floats(n, kernel, kernelDims, n.elem(x)),
                                  *strides, DimsAttr::get(n.b.getContext(), padExprs), *dilations, channels);
  return n.set(0, y);
}

} // namespace smelt::onnx
