//===- DeformConv.cpp - Convolution at displaced positions ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   DeformConv(x, w, offset) -> columns = sum of 4 corners (gather_elements(x, place) * weight);
//                               matmul(w, columns)
//
// Two spatial dims. Positions outside of the input count as 0. Tests: the backend
// suite.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Compose.h"

using namespace mlir;

namespace smelt::onnx {

LogicalResult importDeformConv(NodeImport &n) {
  constexpr int64_t limit = (int64_t(1) << 31) - 1;
  Value x = n.in(0), w = n.in(1), offset = n.in(2), bias = n.in(3), mask = n.in(4);
  for (auto [v, name] : {std::pair(x, "X"), {w, "W"}, {offset, "offset"}})
    if (failed(expectRank(n, v, 4, 4, name)) || failed(expectFloat(n, v, name)))
      return failure();
  if (failed(n.sameElementType({x, w, offset})) || (mask && failed(expectRank(n, mask, 4, 4, "mask"))))
    return failure();
  int64_t groups = n.i("group", 1), offsetGroups = n.i("offset_group", 1);
  auto channels = staticDim(n, x, 1, "X"), outputs = staticDim(n, w, 0, "W"), kh = staticDim(n, w, 2, "W"),
       kw = staticDim(n, w, 3, "W");
  auto strides = listAttr(n, "strides", 2, 1, 1, limit), dilations = listAttr(n, "dilations", 2, 1, 1, limit);
  auto pads = listAttr(n, "pads", 4, 0, 0, limit);
  if (failed(channels) || failed(outputs) || failed(kh) || failed(kw) || failed(strides) || failed(dilations) || failed(pads))
    return failure();
  if (groups < 1 || offsetGroups < 1 || *channels % groups || *outputs % groups || *channels % offsetGroups)
    return n.error("group and offset_group must divide the channels", "onnx.shape-mismatch");
  int64_t taps = *kh * *kw, each = *channels / offsetGroups;
  Dims d = n.dims(x), od = n.dims(offset);
  AffineExpr batch = d[0], height = d[2], width = d[3], rows = od[2], columns = od[3], places = rows * columns;
  if (failed(expectShape(n, w, {{}, n.num(*channels / groups), {}, {}}, "W")) ||
      failed(expectShape(n, offset, {batch, n.num(offsetGroups * taps * 2), {}, {}}, "offset")) ||
      (mask && failed(expectShape(n, mask, {batch, n.num(offsetGroups * taps), rows, columns}, "mask"))))
    return failure();
  Type f32 = n.b.getF32Type(), work = n.elem(x).isF64() ? n.elem(x) : Type(f32), i64 = n.b.getI64Type();
  auto flt = [&](double v) { return n.scalar(work, v); };

  // Positions [N, G, taps, rows, columns] of both dims, fractions and all.
  Value shifts = n.reshape(n.cast(offset, work), {batch, n.num(offsetGroups), n.num(taps), n.num(2), rows, columns});
  auto position = [&](int64_t axis) {
    Dims line(5, n.num(1));
    line[3 + axis] = axis == 0 ? rows : columns;
    Value at = n.mul(n.iota(work, line, 3 + axis), flt((*strides)[axis]));
    Dims tapLine = {n.num(1), n.num(1), n.num(taps), n.num(1), n.num(1)};
    Value tap = n.iota(i64, tapLine, 2), wide = n.scalar(i64, double(*kw));
    tap = axis == 0 ? n.div(tap, wide) : n.elementwise<RemOp>({tap, wide});
    at = n.add(n.sub(at, flt((*pads)[axis])), n.mul(n.cast(tap, work), flt((*dilations)[axis])));
    Value shift = n.squeeze(sliceAxis(n, shifts, 3, n.num(axis), n.num(1)), {3});
    return n.add(at, shift);
  };
  Value y0 = position(0), x0 = position(1);
  Value lowY = unary<FloorOp>(n, y0), lowX = unary<FloorOp>(n, x0);
  Value fractionY = n.sub(y0, lowY), fractionX = n.sub(x0, lowX);
  Value source = n.reshape(n.cast(x, work), {batch, n.num(offsetGroups), n.num(each), height * width});
  Dims flat = {batch, n.num(offsetGroups), n.num(1), n.num(taps) * places}, full = flat;
  full[2] = n.num(each);
  Value sum;
  for (int corner = 0; corner < 4; ++corner) {
    bool isDown = corner / 2, isRight = corner % 2;
    Value row = n.add(lowY, flt(isDown)), column = n.add(lowX, flt(isRight));
    Value weight = n.mul(isDown ? fractionY : n.sub(flt(1), fractionY), isRight ? fractionX : n.sub(flt(1), fractionX));
    auto inside = [&](Value at, AffineExpr size) {
      return n.elementwise<AndOp>({n.cmp(CmpKind::ge, at, flt(0)), n.cmp(CmpKind::lt, at, n.exprScalar(work, size))});
    };
    weight = n.select(n.elementwise<AndOp>({inside(row, height), inside(column, width)}), weight, flt(0));
    auto clamped = [&](Value at, AffineExpr size) {
      return n.cast(n.max(flt(0), n.min(at, n.exprScalar(work, size - 1))), i64);
    };
    Value place = n.add(n.mul(clamped(row, height), n.exprScalar(i64, width)), clamped(column, width));
    place = n.broadcast(n.reshape(place, flat), full);
    Value value = make<GatherElementsOp>(n, full, work, source, place, 3);
    value = n.mul(value, n.reshape(weight, flat));
    sum = sum ? n.add(sum, value) : value;
  }
  if (mask)
    sum = n.mul(sum, n.reshape(n.cast(mask, work), flat));
  int64_t depth = *channels / groups * taps;
  Value cols = n.reshape(sum, {batch, n.num(groups), n.num(depth), places});
  Value kernels = n.reshape(n.cast(w, work), {n.num(groups), n.num(*outputs / groups), n.num(depth)});
  Value y = n.cast(n.reshape(n.matmul(kernels, cols), {batch, n.num(*outputs), rows, columns}), n.elem(x));
  if (!y || !bias)
    return n.set(0, y);
  auto withBias = addChannelBias(n, y, bias);
  return failed(withBias) ? failure() : n.set(0, *withBias);
}

} // namespace smelt::onnx
