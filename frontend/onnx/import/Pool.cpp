//===- Pool.cpp - Pools over windows and over everything --------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Windows become smelt.pool; global pools are reductions, whose sizes may be
// symbolic; p-norms are powers around a sum. Used by ai.onnx and com.microsoft.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Compose.h"
#include <cmath>

using namespace mlir;

namespace smelt::onnx {

/// The window of a pool over x [N, C, D...] and the dims of its result.
static FailureOr<Window> poolWindow(NodeImport &n, Value x, Dims &dims) {
  if (failed(expectRank(n, x, 3, 5, "X")))
    return failure();
  size_t spatial = n.rank(x) - 2;
  if (!n.has("kernel_shape"))
    return n.error("attribute kernel_shape is missing, want " + Twine(spatial) + " entries");
  auto kernel = listAttr(n, "kernel_shape", spatial, 1, 1, (int64_t(1) << 31) - 1);
  if (failed(kernel))
    return failure();
  Dims xd = n.dims(x);
  auto window = readWindow(n, ArrayRef(xd).drop_front(2), *kernel);
  if (failed(window))
    return failure();
  dims = {xd[0], xd[1]};
  dims.append(window->out);
  return window;
}

/// A window that lies in the padding alone has no element to take.
static LogicalResult expectPadsInside(NodeImport &n, const Window &w) {
  for (size_t i = 0; i < w.kernel.size(); ++i) {
    int64_t reach = w.dilations[i] * (w.kernel[i] - 1) + 1;
    for (AffineExpr pad : {w.low[i], w.high[i]})
      if (auto constant = dyn_cast<AffineConstantExpr>(pad); constant && constant.getValue() >= reach)
        return n.error("pad of " + Twine(constant.getValue()) + " in dim " + Twine(i) +
                       ", want less than the window's " + Twine(reach));
  }
  return success();
}

FailureOr<Value> poolOf(NodeImport &n, Value x, PoolKind kind) {
  Dims dims;
  auto w = poolWindow(n, x, dims);
  if (failed(w) || (kind == PoolKind::avg && failed(expectPadsInside(n, *w))))
    return failure();
  return make<PoolOp>(n, dims, n.elem(x), x, kind, w->kernel, w->strides, w->pads(n), w->dilations);
}

FailureOr<Value> averagePoolOf(NodeImport &n, Value x) {
  return poolOf(n, x, n.i("count_include_pad", 0) ? PoolKind::avg_include_pad : PoolKind::avg);
}

static SmallVector<int64_t> spatialAxes(NodeImport &n, Value x) {
  SmallVector<int64_t> axes;
  for (int64_t i = 2; i < n.rank(x); ++i)
    axes.push_back(i);
  return axes;
}

FailureOr<Value> globalAverageOf(NodeImport &n, Value x) {
  if (failed(expectRank(n, x, 2, 16, "X")) || failed(expectFloat(n, x, "X")))
    return failure();
  return mean(n, x, spatialAxes(n, x));
}

LogicalResult importMaxPool(NodeImport &n) {
  Value x = n.in(0);
  int64_t order = n.i("storage_order", 0);
  Dims dims;
  auto w = poolWindow(n, x, dims);
  if (failed(w) || failed(expectPadsInside(n, *w)) || failed(expectRange(n, order, 0, 1, "storage_order")))
    return failure();
  if (n.wantsOut(0))
    (void)n.set(0, make<PoolOp>(n, dims, n.elem(x), x, PoolKind::max, w->kernel, w->strides, w->pads(n), w->dilations));
  if (n.wantsOut(1))
    (void)n.set(
        1, make<ArgPoolOp>(n, dims, n.b.getI64Type(), x, w->kernel, w->strides, w->pads(n), w->dilations, order == 1));
  return success();
}

LogicalResult importAveragePool(NodeImport &n) {
  if (failed(expectFloat(n, n.in(0), "X")))
    return failure();
  FailureOr<Value> y = averagePoolOf(n, n.in(0));
  return failed(y) ? failure() : n.set(0, *y);
}

/// `p` is a float in opset 1, an integer since.
static FailureOr<double> normOrder(NodeImport &n) {
  const Attribute *a = n.attribute("p");
  double p = !a ? 2.0 : a->kind == AttrKind::Float ? double(a->f) : double(n.i("p", 2));
  if (!(p > 0))
    return n.error("p is " + std::to_string(p) + ", want a positive number");
  return p;
}

static Value toPower(NodeImport &n, Value x, double p) {
  x = unary<AbsOp>(n, x);
  if (p == 1)
    return x;
  return p == 2 ? n.mul(x, x) : n.elementwise<PowOp>({x, like(n, x, p)});
}

static Value fromPower(NodeImport &n, Value x, double p) {
  if (p == 1)
    return x;
  return p == 2 ? unary<SqrtOp>(n, x) : n.elementwise<PowOp>({x, like(n, x, 1.0 / p)});
}

LogicalResult importLpPool(NodeImport &n) {
  auto p = normOrder(n);
  if (failed(p) || failed(expectFloat(n, n.in(0), "X")))
    return failure();
  FailureOr<Value> sum = poolOf(n, toPower(n, n.in(0), *p), PoolKind::sum);
  return failed(sum) ? failure() : n.set(0, fromPower(n, *sum, *p));
}

LogicalResult importGlobalAveragePool(NodeImport &n) {
  FailureOr<Value> y = globalAverageOf(n, n.in(0));
  return failed(y) ? failure() : n.set(0, *y);
}

LogicalResult importGlobalMaxPool(NodeImport &n) {
  if (failed(expectRank(n, n.in(0), 2, 16, "X")))
    return failure();
  return n.set(0, n.reduce(ReduceKind::max, n.in(0), spatialAxes(n, n.in(0)), /*keepDims=*/true));
}

LogicalResult importGlobalLpPool(NodeImport &n) {
  auto p = normOrder(n);
  if (failed(p) || failed(expectRank(n, n.in(0), 2, 16, "X")) || failed(expectFloat(n, n.in(0), "X")))
    return failure();
  Value sum = n.reduce(ReduceKind::sum, toPower(n, n.in(0), *p), spatialAxes(n, n.in(0)), /*keepDims=*/true);
  return n.set(0, fromPower(n, sum, *p));
}

LogicalResult importMaxUnpool(NodeImport &n) {
  // The winners go back to their flat places in a tensor of zeros; a stated
  // output shape pads that tensor behind.
  Value x = n.in(0), indices = n.in(1);
  if (failed(expectRank(n, x, 3, 5, "X")) || failed(expectShape(n, indices, n.dims(x), "I")) ||
      failed(expectElem(n, indices, n.b.getI64Type(), "I")))
    return failure();
  constexpr int64_t limit = (int64_t(1) << 31) - 1;
  size_t spatial = n.rank(x) - 2;
  if (!n.has("kernel_shape"))
    return n.error("attribute kernel_shape is missing, want " + Twine(spatial) + " entries");
  auto kernel = listAttr(n, "kernel_shape", spatial, 1, 1, limit);
  auto strides = listAttr(n, "strides", spatial, 1, 1, limit);
  auto pads = listAttr(n, "pads", 2 * spatial, 0, 0, limit);
  if (failed(kernel) || failed(strides) || failed(pads))
    return failure();
  Dims dims = n.dims(x);
  AffineExpr count = getNumElements(x.getType()), total = dims[0] * dims[1];
  for (size_t i = 0; i < spatial; ++i) {
    dims[i + 2] = simplifyAffineExpr(
        (dims[i + 2] - 1) * (*strides)[i] + (*kernel)[i] - (*pads)[i] - (*pads)[i + spatial], 0, n.symbols().size());
    if (auto size = dyn_cast<AffineConstantExpr>(dims[i + 2]); size && size.getValue() < 0)
      return n.error("output of size " + Twine(size.getValue()) + " in dim " + Twine(i + 2) +
                     ": the pads are larger than the result");
    total = total * dims[i + 2];
  }
  Value zeros = n.broadcast(like(n, x, 0.0), {total});
  Value flat =
      make<ScatterElementsOp>(n, {total}, n.elem(x), zeros, n.reshape(indices, {count}), n.reshape(x, {count}), 0);
  Value y = n.reshape(flat, dims);
  if (n.hasIn(2)) {
    auto shape = n.exprs(n.in(2), "output_shape");
    if (failed(shape))
      return failure();
    if (shape->size() != dims.size())
      return n.error("output_shape has " + Twine(shape->size()) + " entries, want " + Twine(dims.size()));
    Dims low(dims.size(), n.num(0));
    if (!llvm::equal(*shape, dims))
      y = make<PadOp>(n, *shape, n.elem(x), y, like(n, x, 0.0), DimsAttr::get(n.b.getContext(), low),
                      PadMode::constant);
  }
  return n.set(0, y);
}

} // namespace smelt::onnx
