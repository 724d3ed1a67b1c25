//===- Legacy.cpp - Ops that ONNX has dropped -------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The experimental ops of ONNX 1.0 to 1.2, which converters of that time (Core
// ML, Caffe2) wrote and models still carry.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Compose.h"

using namespace mlir;

namespace smelt::onnx {

/// alpha * x + beta
static LogicalResult importAffine(NodeImport &n) {
  Value x = n.in(0);
  if (failed(expectFloat(n, x, "X")))
    return failure();
  return n.set(0, n.add(n.mul(x, like(n, x, n.f("alpha", 1.0))), like(n, x, n.f("beta", 0.0))));
}

/// scale * x + bias[channel]
static LogicalResult importImageScaler(NodeImport &n) {
  Value x = n.in(0);
  if (failed(expectRank(n, x, 4, 4, "input")) || failed(expectFloat(n, x, "input")))
    return failure();
  SmallVector<double> bias = n.floats("bias");
  if (auto channels = dyn_cast<AffineConstantExpr>(n.dims(x)[1]);
      !bias.empty() && channels && channels.getValue() != int64_t(bias.size()))
    return n.error("bias has " + Twine(bias.size()) + " entries, want " + Twine(channels.getValue()));
  Value y = n.mul(x, like(n, x, n.f("scale", 1.0)));
  if (!bias.empty())
    y = n.add(y, floats(n, bias, {int64_t(bias.size()), 1, 1}, n.elem(x)));
  return n.set(0, y);
}

/// Cuts `border` (left, top, right, bottom), or to `scale` (height, width) from there.
static LogicalResult importCrop(NodeImport &n) {
  Value x = n.in(0);
  auto border = listAttr(n, "border", 4, 0, 0, (int64_t(1) << 31) - 1);
  if (failed(expectRank(n, x, 4, 4, "input")) || failed(border))
    return failure();
  Dims d = n.dims(x), starts(4, n.num(0)), sizes = d;
  starts[2] = n.num((*border)[1]);
  starts[3] = n.num((*border)[0]);
  if (n.has("scale")) {
    auto scale = listAttr(n, "scale", 2, 1, 1, (int64_t(1) << 31) - 1);
    if (failed(scale))
      return failure();
    sizes[2] = n.num((*scale)[0]);
    sizes[3] = n.num((*scale)[1]);
  } else {
    sizes[2] = d[2] - ((*border)[1] + (*border)[3]);
    sizes[3] = d[3] - ((*border)[0] + (*border)[2]);
  }
  for (int i : {2, 3}) {
    auto size = dyn_cast<AffineConstantExpr>(sizes[i]), end = dyn_cast<AffineConstantExpr>(starts[i] + sizes[i]);
    auto have = dyn_cast<AffineConstantExpr>(d[i]);
    if ((size && size.getValue() < 0) || (end && have && end.getValue() > have.getValue()))
      return n.error("border and scale do not fit dim " + Twine(i) + " of the input");
  }
  return n.set(0, n.slice(x, starts, sizes));
}

/// alpha * log(exp(beta * x) + 1)
static LogicalResult importParametricSoftplus(NodeImport &n) {
  Value x = n.in(0);
  if (failed(expectFloat(n, x, "X")))
    return failure();
  // max(t, 0) + log(1 + exp(-|t|)) does not overflow.
  Value t = n.mul(x, like(n, x, n.f("beta", 1.0)));
  Value tail = unary<LogOp>(n, n.add(unary<ExpOp>(n, unary<NegOp>(n, unary<AbsOp>(n, t))), like(n, x, 1.0)));
  return n.set(0, n.mul(n.add(n.max(t, like(n, x, 0.0)), tail), like(n, x, n.f("alpha", 1.0))));
}

/// alpha * tanh(beta * x)
static LogicalResult importScaledTanh(NodeImport &n) {
  Value x = n.in(0);
  if (failed(expectFloat(n, x, "input")))
    return failure();
  return n.set(0, n.mul(unary<TanhOp>(n, n.mul(x, like(n, x, n.f("beta", 1.0)))), like(n, x, n.f("alpha", 1.0))));
}

/// scale * x
static LogicalResult importScale(NodeImport &n) {
  Value x = n.in(0);
  if (failed(expectFloat(n, x, "input")))
    return failure();
  return n.set(0, n.mul(x, like(n, x, n.f("scale", 1.0))));
}

/// A constant of `values` and `shape`.
static LogicalResult importGivenTensorFill(NodeImport &n) {
  if (n.hasIn(0) || n.i("input_as_shape", 0) || n.has("extra_shape"))
    return n.unsupported("GivenTensorFill with its shape from an input");
  SmallVector<double> values = n.floats("values");
  SmallVector<int64_t> shape = n.ints("shape");
  __int128 count = 1;
  for (auto [i, size] : llvm::enumerate(shape)) {
    if (failed(expectRange(n, size, 0, kMaxDim, "shape[" + Twine(i) + "]")))
      return failure();
    count = std::min<__int128>(count * size, __int128(1) << 62);
  }
  if (count != __int128(values.size()))
    return n.error("values has " + Twine(values.size()) + " entries, shape wants " + Twine(int64_t(count)));
  return n.set(0, floats(n, values, shape, n.b.getF32Type()));
}

static LogicalResult refuse(NodeImport &n) { return n.unsupported("operator " + n.opType() + " is not supported"); }

llvm::ArrayRef<OpRow> legacyOps() {
  static const OpRow rows[] = {
      {"", "Affine", 1, 1, 1, importAffine},
      {"", "ImageScaler", 1, 1, 1, importImageScaler},
      {"", "Crop", 1, 1, 1, importCrop},
      {"", "ParametricSoftplus", 1, 1, 1, importParametricSoftplus},
      {"", "ScaledTanh", 1, 1, 1, importScaledTanh},
      {"", "Scale", 1, 1, 1, importScale},
      {"", "GivenTensorFill", 1, 0, 1, importGivenTensorFill},
      {"", "GRUUnit", 1, 1, -1, refuse},
      {"", "ATen", 1, 0, -1, refuse},
  };
  return rows;
}

} // namespace smelt::onnx
