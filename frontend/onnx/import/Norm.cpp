//===- Norm.cpp - Normalizations --------------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// All are compositions of reductions and pointwise ops; raising finds them
// again where a target has a better way. Floats below 32 bits are normalized
// in f32. Inference BatchNormalization is x * scale' + shift' with constants
// that folding computes, so it melts into the convolution before it.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Compose.h"

using namespace mlir;

namespace smelt::onnx {

static Value invSqrt(NodeImport &n, Value x, double eps) {
  return n.div(like(n, x, 1.0), unary<SqrtOp>(n, n.add(x, like(n, x, eps))));
}

static SmallVector<int64_t> axesFrom(int64_t first, int64_t rank) {
  SmallVector<int64_t> axes;
  for (int64_t i = first; i < rank; ++i)
    axes.push_back(i);
  return axes;
}

LogicalResult importBatchNorm(NodeImport &n) {
  Value x = n.in(0);
  if (failed(expectRank(n, x, 2, 16, "X")) || failed(expectFloat(n, x, "X")))
    return failure();
  int64_t rank = n.rank(x);
  Dims xd = n.dims(x);
  // Until opset 8, spatial = 0 has one scale per element of [C, D...].
  bool spatial = n.opset() >= 9 || n.i("spatial", 1) != 0;
  Dims want = spatial ? Dims{xd[1]} : Dims(xd.begin() + 1, xd.end());
  static constexpr StringLiteral names[] = {"X", "scale", "B", "mean", "var"};
  Type type = computeType(n.elem(x));
  Value params[5];
  for (int i = 1; i < 5; ++i) {
    if (failed(expectShape(n, n.in(i), want, names[i])) || failed(expectFloat(n, n.in(i), names[i])))
      return failure();
    params[i] = n.cast(n.in(i), type);
    if (spatial)
      params[i] = alongAxis(n, params[i], rank, 1);
  }
  bool training = n.opset() >= 14 && n.i("training_mode", 0) != 0;
  if (!training && n.numOutputs() > 1 && (n.wantsOut(1) || n.wantsOut(2) || n.wantsOut(3) || n.wantsOut(4)))
    return n.unsupported("BatchNormalization with training outputs at opset " + Twine(n.opset()));
  Value wide = n.cast(x, type), m = params[3], var = params[4];
  double eps = n.f("epsilon", 1e-5);
  if (training) {
    SmallVector<int64_t> axes = axesFrom(2, rank);
    axes.insert(axes.begin(), 0);
    m = mean(n, wide, axes);
    Value centered = n.sub(wide, m);
    var = mean(n, n.mul(centered, centered), axes);
    double momentum = n.f("momentum", 0.9);
    auto running = [&](Value old, Value now, Value like_) {
      Value mixed = n.add(n.mul(old, like(n, old, momentum)), n.mul(now, like(n, now, 1.0 - momentum)));
      return n.cast(n.reshape(mixed, want), n.elem(like_));
    };
    if (n.wantsOut(1))
      (void)n.set(1, running(params[3], m, n.in(3)));
    if (n.wantsOut(2))
      (void)n.set(2, running(params[4], var, n.in(4)));
  }
  Value scale = n.div(params[1], unary<SqrtOp>(n, n.add(var, like(n, var, eps))));
  Value shift = n.sub(params[2], n.mul(m, scale));
  return n.set(0, n.cast(n.add(n.mul(wide, scale), shift), n.elem(x)));
}

LogicalResult importInstanceNorm(NodeImport &n) {
  Value x = n.in(0);
  if (failed(expectRank(n, x, 3, 16, "input")) || failed(expectFloat(n, x, "input")) ||
      failed(expectShape(n, n.in(1), {n.dims(x)[1]}, "scale")) || failed(expectShape(n, n.in(2), {n.dims(x)[1]}, "B")))
    return failure();
  Type type = computeType(n.elem(x));
  Value y = n.normalize(n.cast(x, type), axesFrom(2, n.rank(x)), n.f("epsilon", 1e-5));
  y = n.mul(y, alongAxis(n, n.cast(n.in(1), type), n.rank(x), 1));
  y = n.add(y, alongAxis(n, n.cast(n.in(2), type), n.rank(x), 1));
  return n.set(0, n.cast(y, n.elem(x)));
}

FailureOr<Value> layerNorm(NodeImport &n, Value x, Value scale, Value bias, int64_t axis, double eps, Type stash,
                           Value *meanOut, Value *invStd) {
  auto first = n.axis(axis, n.rank(x));
  if (failed(first) || failed(expectFloat(n, x, "X")) || (scale && failed(expectBroadcast(n, scale, x, "scale"))) ||
      (bias && failed(expectBroadcast(n, bias, x, "bias"))))
    return failure();
  if (!stash)
    stash = computeType(n.elem(x));
  Value y = n.normalize(n.cast(x, stash), axesFrom(*first, n.rank(x)), eps, meanOut, invStd);
  y = n.cast(y, n.elem(x));
  if (scale)
    y = n.mul(y, n.cast(scale, n.elem(x)));
  if (bias)
    y = n.add(y, n.cast(bias, n.elem(x)));
  return y;
}

FailureOr<Value> rmsNorm(NodeImport &n, Value x, Value scale, int64_t axis, double eps, Type stash, Value *invStd) {
  auto first = n.axis(axis, n.rank(x));
  if (failed(first) || failed(expectFloat(n, x, "X")) || (scale && failed(expectBroadcast(n, scale, x, "scale"))))
    return failure();
  Value wide = n.cast(x, stash ? stash : computeType(n.elem(x)));
  Value inv = invSqrt(n, mean(n, n.mul(wide, wide), axesFrom(*first, n.rank(x))), eps);
  if (invStd)
    *invStd = inv;
  Value y = n.cast(n.mul(wide, inv), n.elem(x));
  return scale ? n.mul(y, n.cast(scale, n.elem(x))) : y;
}

/// The type of the attribute stash_type; a null type is an error already.
static Type stashType(NodeImport &n) { return n.dtype(DType(n.i("stash_type", 1))); }

LogicalResult importLayerNorm(NodeImport &n) {
  Type stash = stashType(n);
  if (!stash)
    return failure();
  Value m, inv;
  auto y = layerNorm(n, n.in(0), n.in(1), n.in(2), n.i("axis", -1), n.f("epsilon", 1e-5), stash, &m, &inv);
  if (failed(y))
    return failure();
  if (n.wantsOut(1))
    (void)n.set(1, m);
  if (n.wantsOut(2))
    (void)n.set(2, inv);
  return n.set(0, *y);
}

LogicalResult importRMSNorm(NodeImport &n) {
  Type stash = stashType(n);
  if (!stash)
    return failure();
  auto y = rmsNorm(n, n.in(0), n.in(1), n.i("axis", -1), n.f("epsilon", 1e-5), stash);
  return failed(y) ? failure() : n.set(0, *y);
}

/// x as [N, groups, C / groups * D...], normalized over the last dim.
static FailureOr<Value> normalizeGroups(NodeImport &n, Value x, int64_t groups, Type type) {
  if (failed(expectRank(n, x, 3, 16, "X")) || failed(expectFloat(n, x, "X")) ||
      failed(expectRange(n, groups, 1, kMaxDim, "num_groups")))
    return failure();
  Dims xd = n.dims(x);
  if (auto channels = dyn_cast<AffineConstantExpr>(xd[1]); channels && channels.getValue() % groups != 0)
    return n.error("X has " + Twine(channels.getValue()) + " channels, want a multiple of num_groups " + Twine(groups));
  AffineExpr inner = xd[1].floorDiv(groups);
  for (AffineExpr d : ArrayRef(xd).drop_front(2))
    inner = inner * d;
  Value grouped = n.reshape(n.cast(x, type), {xd[0], n.num(groups), inner});
  return n.normalize(grouped, {2}, n.f("epsilon", 1e-5));
}

/// Opset 18: one scale and bias per group.
LogicalResult importGroupNorm18(NodeImport &n) {
  Value x = n.in(0);
  int64_t groups = n.i("num_groups", 0);
  Type type = computeType(n.elem(x));
  auto y = normalizeGroups(n, x, groups, type);
  if (failed(y) || failed(expectShape(n, n.in(1), {n.num(groups)}, "scale")) ||
      failed(expectShape(n, n.in(2), {n.num(groups)}, "bias")))
    return failure();
  Value scaled = n.mul(*y, alongAxis(n, n.cast(n.in(1), type), 3, 1));
  scaled = n.add(scaled, alongAxis(n, n.cast(n.in(2), type), 3, 1));
  return n.set(0, n.reshape(n.cast(scaled, n.elem(x)), n.dims(x)));
}

/// Opset 21: one scale and bias per channel, applied in the input's type.
LogicalResult importGroupNorm21(NodeImport &n) {
  Value x = n.in(0);
  Type stash = stashType(n);
  if (!stash)
    return failure();
  auto y = normalizeGroups(n, x, n.i("num_groups", 0), stash);
  if (failed(y) || failed(n.sameElementType({x, n.in(1), n.in(2)})) ||
      failed(expectShape(n, n.in(1), {n.dims(x)[1]}, "scale")) ||
      failed(expectShape(n, n.in(2), {n.dims(x)[1]}, "bias")))
    return failure();
  Value full = n.reshape(n.cast(*y, n.elem(x)), n.dims(x));
  full = n.mul(full, alongAxis(n, n.in(1), n.rank(x), 1));
  return n.set(0, n.add(full, alongAxis(n, n.in(2), n.rank(x), 1)));
}

LogicalResult importLRN(NodeImport &n) {
  // The sum over neighbouring channels is a pool over [N, 1, C, D * ...].
  Value x = n.in(0);
  int64_t size = n.i("size", 0);
  if (failed(expectRank(n, x, 3, 16, "X")) || failed(expectFloat(n, x, "X")) ||
      failed(expectRange(n, size, 1, (int64_t(1) << 31) - 1, "size")))
    return failure();
  Dims xd = n.dims(x);
  AffineExpr inner = n.num(1);
  for (AffineExpr d : ArrayRef(xd).drop_front(2))
    inner = inner * d;
  Type type = computeType(n.elem(x));
  Value wide = n.cast(x, type);
  Dims flat = {xd[0], n.num(1), xd[1], inner};
  Value squares = n.reshape(n.mul(wide, wide), flat);
  int64_t low = (size - 1) / 2, high = size - 1 - low;
  Value sum =
      make<PoolOp>(n, flat, type, squares, PoolKind::sum, ArrayRef<int64_t>{size, 1}, ArrayRef<int64_t>{1, 1},
                   DimsAttr::get(n.b.getContext(), ArrayRef<int64_t>{low, 0, high, 0}), ArrayRef<int64_t>{1, 1});
  sum = n.reshape(sum, xd);
  Value base = n.add(n.mul(sum, like(n, sum, n.f("alpha", 1e-4) / double(size))), like(n, sum, n.f("bias", 1.0)));
  Value y = n.div(wide, n.elementwise<PowOp>({base, like(n, base, n.f("beta", 0.75))}));
  return n.set(0, n.cast(y, n.elem(x)));
}

LogicalResult importMeanVarianceNorm(NodeImport &n) {
  Value x = n.in(0);
  SmallVector<int64_t> axes = n.ints("axes", {0, 2, 3});
  // Opset 1 of ONNX's experimental time: across_channels instead of axes.
  if (n.opset() < 9 && !n.has("axes"))
    axes = n.i("across_channels", 0) ? SmallVector<int64_t>{1, 2, 3} : SmallVector<int64_t>{2, 3};
  if (failed(expectFloat(n, x, "X")))
    return failure();
  for (int64_t &axis : axes) {
    auto a = n.axis(axis, n.rank(x));
    if (failed(a))
      return failure();
    axis = *a;
  }
  llvm::sort(axes);
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end())
    return n.error("axes name a dim twice, want each once");
  Value wide = n.cast(x, computeType(n.elem(x)));
  Value centered = n.sub(wide, mean(n, wide, axes));
  if (n.opset() < 9 && n.i("normalize_variance", 1) == 0)
    return n.set(0, n.cast(centered, n.elem(x)));
  Value std = unary<SqrtOp>(n, mean(n, n.mul(centered, centered), axes));
  return n.set(0, n.cast(n.div(centered, n.add(std, like(n, std, 1e-9))), n.elem(x)));
}

LogicalResult importLpNorm(NodeImport &n) {
  Value x = n.in(0);
  auto axis = n.axis(n.i("axis", -1), n.rank(x));
  int64_t p = n.i("p", 2);
  if (failed(axis) || failed(expectRange(n, p, 1, 2, "p")) || failed(expectFloat(n, x, "input")))
    return failure();
  Value wide = n.cast(x, computeType(n.elem(x)));
  Value powers = p == 1 ? unary<AbsOp>(n, wide) : n.mul(wide, wide);
  Value norm = n.reduce(ReduceKind::sum, powers, {*axis}, /*keepDims=*/true);
  if (p == 2)
    norm = unary<SqrtOp>(n, norm);
  // A vector of norm 0 stays 0.
  Value isZero = n.cmp(CmpKind::eq, norm, like(n, norm, 0.0));
  Value y = n.div(wide, n.select(isZero, like(n, norm, 1.0), norm));
  return n.set(0, n.cast(y, n.elem(x)));
}

} // namespace smelt::onnx
