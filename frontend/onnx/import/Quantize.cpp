//===- Quantize.cpp - Quantization ------------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Q and DQ stay ops of the graph; scale and zero point are shaped to broadcast.
// QLinear ops are dequantize - op - quantize: a kernel of that body is a
// low-bit kernel, and making its integer arithmetic explicit is a later pass.
// Float8 and float4 have no rounding to integers: they are casts of x / scale.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Compose.h"

using namespace mlir;

namespace smelt::onnx {

FailureOr<Value> quantParam(NodeImport &n, Value param, Value x, int64_t axis, StringRef name) {
  if (!param || !x)
    return failure();
  int64_t rank = n.rank(param);
  if (rank == 0)
    return param;
  Dims pd = n.dims(param);
  if (rank == 1) {
    // Some writers give the one scale of a tensor as a vector of length 1.
    if (pd[0] == n.num(1))
      return n.reshape(param, {});
    auto at = n.axis(axis, n.rank(x));
    if (failed(at) || failed(expectShape(n, param, {n.dims(x)[*at]}, name)))
      return failure();
    return alongAxis(n, param, n.rank(x), *at);
  }
  if (failed(expectRank(n, param, n.rank(x), n.rank(x), name)) || failed(expectBroadcast(n, param, x, name)))
    return failure();
  return param;
}

/// With blocks, x is seen as [..., blocks, block, ...] and the parameter as
/// [..., blocks, 1, ...]; a last block that is not full is padded.
static FailureOr<Value> splitBlocks(NodeImport &n, Value x, int64_t axis, int64_t block) {
  Dims d = n.dims(x), padded = d, low(d.size(), n.num(0));
  AffineExpr blocks = d[axis].ceilDiv(block);
  padded[axis] = blocks * block;
  if (!n.symbols().provablyEqual(padded[axis], d[axis])) {
    Value zero = n.scalar(n.elem(x), 0);
    x = make<PadOp>(n, padded, n.elem(x), x, zero, DimsAttr::get(n.b.getContext(), low), PadMode::constant);
  }
  Dims split(d.begin(), d.begin() + axis);
  split.push_back(blocks);
  split.push_back(n.num(block));
  split.append(d.begin() + axis + 1, d.end());
  return n.reshape(x, split);
}

static Value mergeBlocks(NodeImport &n, Value x, ArrayRef<AffineExpr> dims, int64_t axis, int64_t block) {
  Dims padded(dims);
  padded[axis] = dims[axis].ceilDiv(block) * block;
  Value merged = n.reshape(x, padded);
  return sliceAxis(n, merged, axis, n.num(0), dims[axis]);
}

static FailureOr<Value> blockParam(NodeImport &n, Value param, Value x, int64_t axis, int64_t block, StringRef name) {
  Dims want = n.dims(x);
  want[axis] = want[axis].ceilDiv(block);
  if (failed(expectShape(n, param, want, name)))
    return failure();
  return n.unsqueeze(param, {axis + 1});
}

/// The parameters of one Q or DQ node, shaped against x (itself maybe split in blocks).
struct QuantParams {
  Value x, scale, zeroPoint;
};
static FailureOr<QuantParams> shapeParams(NodeImport &n, Value x, Value scale, Value zeroPoint, int64_t axis,
                                          int64_t block) {
  if (block > 0) {
    auto at = n.axis(axis, n.rank(x));
    if (failed(at))
      return failure();
    auto split = splitBlocks(n, x, *at, block);
    auto s = blockParam(n, scale, x, *at, block, "scale");
    FailureOr<Value> z = zeroPoint;
    if (zeroPoint && n.rank(zeroPoint) > 0)
      z = blockParam(n, zeroPoint, x, *at, block, "zero point");
    if (failed(split) || failed(s) || failed(z))
      return failure();
    return QuantParams{*split, *s, *z};
  }
  auto s = quantParam(n, scale, x, axis, "scale");
  auto z = zeroPoint ? quantParam(n, zeroPoint, x, axis, "zero point") : FailureOr<Value>(Value());
  if (failed(s) || failed(z))
    return failure();
  return QuantParams{x, *s, *z};
}

FailureOr<Value> quantize(NodeImport &n, Value x, Value scale, Value zeroPoint, Type elementType, int64_t axis,
                          int64_t block, bool saturate, Type precision) {
  if (!x || failed(expectFloat(n, scale, "scale")))
    return failure();
  auto p = shapeParams(n, x, scale, zeroPoint, axis, block);
  if (failed(p))
    return failure();
  // The division happens in the scale's type, or in the stated precision.
  Type wide = precision ? precision : isa<FloatType>(n.elem(x)) ? n.elem(x) : n.elem(scale);
  Value wideX = n.cast(p->x, wide), wideScale = n.cast(p->scale, wide), y;
  if (isa<FloatType>(elementType)) {
    Value quotient = n.div(wideX, wideScale);
    if (!quotient)
      return failure();
    y = n.elementwise<CastOp>({quotient}, elementType, saturate);
  } else {
    Value zero = p->zeroPoint ? p->zeroPoint : n.scalar(elementType, 0);
    y = n.elementwise<QuantizeOp>({wideX, wideScale, zero}, elementType);
  }
  if (!y)
    return failure();
  return block > 0 ? mergeBlocks(n, y, n.dims(x), *n.axis(axis, n.rank(x)), block) : n.rebind(y, n.dims(x));
}

FailureOr<Value> dequantize(NodeImport &n, Value x, Value scale, Value zeroPoint, int64_t axis, int64_t block) {
  if (!x || failed(expectFloat(n, scale, "scale")) || (zeroPoint && failed(n.sameElementType({x, zeroPoint}))))
    return failure();
  auto p = shapeParams(n, x, scale, zeroPoint, axis, block);
  if (failed(p))
    return failure();
  Value y;
  if (isa<FloatType>(n.elem(x))) {
    y = n.mul(n.cast(p->x, n.elem(scale)), p->scale);
  } else {
    Value zero = p->zeroPoint ? p->zeroPoint : n.scalar(n.elem(x), 0);
    y = n.elementwise<DequantizeOp>({p->x, p->scale, zero}, n.elem(scale));
  }
  if (!y)
    return failure();
  return block > 0 ? mergeBlocks(n, y, n.dims(x), *n.axis(axis, n.rank(x)), block) : n.rebind(y, n.dims(x));
}

static LogicalResult checkBlock(NodeImport &n, int64_t block) {
  return expectRange(n, block, 0, (int64_t(1) << 31) - 1, "block_size");
}

static LogicalResult importQuantize(NodeImport &n) {
  Value x = n.in(0), scale = n.in(1), zero = n.in(2);
  int64_t block = n.i("block_size", 0), stated = n.i("output_dtype", 0), precision = n.i("precision", 0);
  Type type = zero ? n.elem(zero) : stated ? n.dtype(DType(stated)) : n.b.getIntegerType(8, /*isSigned=*/false);
  Type wide = precision ? n.dtype(DType(precision)) : Type();
  if (failed(checkBlock(n, block)) || !type || (precision && !wide))
    return failure();
  if (zero && stated && n.dtype(DType(stated)) != type)
    return n.error("output_dtype differs from the type of y_zero_point, want the same");
  auto y = quantize(n, x, scale, zero, type, n.i("axis", 1), block, n.i("saturate", 1) != 0, wide);
  return failed(y) ? failure() : n.set(0, *y);
}

static LogicalResult importDequantize(NodeImport &n) {
  int64_t block = n.i("block_size", 0), stated = n.i("output_dtype", 0);
  if (failed(checkBlock(n, block)))
    return failure();
  auto y = dequantize(n, n.in(0), n.in(1), n.in(2), n.i("axis", 1), block);
  if (failed(y))
    return failure();
  Type type = stated ? n.dtype(DType(stated)) : n.elem(*y);
  return type ? n.set(0, n.cast(*y, type)) : failure();
}

static LogicalResult importDynamicQuantize(NodeImport &n) {
  // scale and zero point from the range of x, widened to hold 0
  Value x = n.in(0);
  if (failed(expectElem(n, x, n.b.getF32Type(), "x")))
    return failure();
  Type u8 = n.b.getIntegerType(8, /*isSigned=*/false);
  SmallVector<int64_t> axes;
  for (int64_t i = 0; i < n.rank(x); ++i)
    axes.push_back(i);
  Value zero = like(n, x, 0.0);
  Value low = n.min(n.reduce(ReduceKind::min, x, axes, false), zero);
  Value high = n.max(n.reduce(ReduceKind::max, x, axes, false), zero);
  Value range = n.sub(high, low);
  // All zeros: any scale will do, 0 would not.
  Value scale = n.select(n.cmp(CmpKind::eq, range, zero), like(n, x, 1.0), n.div(range, like(n, x, 255.0)));
  Value point = unary<RoundOp>(n, clamp(n, n.div(n.sub(zero, low), scale), 0, 255));
  Value zeroPoint = n.cast(point, u8);
  auto y = quantize(n, x, scale, zeroPoint, u8, 0);
  if (failed(y))
    return failure();
  (void)n.set(1, scale);
  (void)n.set(2, zeroPoint);
  return n.set(0, *y);
}

static LogicalResult importMatMulInteger(NodeImport &n) {
  Value a = n.in(0), b = n.in(1);
  if (failed(expectInteger(n, a, "A")) || failed(expectInteger(n, b, "B")))
    return failure();
  Type i32 = n.b.getI32Type();
  auto isZero = [&](size_t i) { return !n.hasIn(i) || getSplatValue(n.in(i)) == 0.0; };
  if (!isZero(2) || !isZero(3)) {
    a = n.cast(a, i32);
    b = n.cast(b, i32);
    // One zero point per row of A, per column of B.
    if (n.hasIn(2)) {
      auto zero = quantParam(n, n.in(2), a, n.rank(a) > 1 ? n.rank(a) - 2 : 0, "a_zero_point");
      if (failed(zero))
        return failure();
      a = n.sub(a, n.cast(*zero, i32));
    }
    if (n.hasIn(3)) {
      auto zero = quantParam(n, n.in(3), b, n.rank(b) - 1, "b_zero_point");
      if (failed(zero))
        return failure();
      b = n.sub(b, n.cast(*zero, i32));
    }
  }
  auto y = matmul(n, a, b, i32);
  return failed(y) ? failure() : n.set(0, *y);
}

/// a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point.
static LogicalResult importQLinearMatMul(NodeImport &n) {
  Value a = n.in(0), b = n.in(3);
  auto fa = dequantize(n, a, n.in(1), n.in(2), n.rank(a) > 1 ? n.rank(a) - 2 : 0);
  auto fb = dequantize(n, b, n.in(4), n.in(5), n.rank(b) > 0 ? n.rank(b) - 1 : 0);
  if (failed(fa) || failed(fb) || failed(n.sameElementType({*fa, *fb})))
    return failure();
  auto y = matmul(n, *fa, *fb, n.elem(*fa));
  if (failed(y))
    return failure();
  auto q = quantize(n, *y, n.in(6), n.in(7), n.elem(n.in(7)), n.rank(*y) > 1 ? n.rank(*y) - 2 : 0);
  return failed(q) ? failure() : n.set(0, *q);
}

/// x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B.
static LogicalResult importQLinearConv(NodeImport &n) {
  Value x = n.in(0), w = n.in(3);
  if (failed(expectRank(n, x, 3, 5, "x")))
    return failure();
  auto fx = dequantize(n, x, n.in(1), n.in(2), 1);
  auto fw = dequantize(n, w, n.in(4), n.in(5), 0);
  if (failed(fx) || failed(fw))
    return failure();
  auto y = convolve(n, *fx, *fw, n.elem(*fx));
  if (failed(y))
    return failure();
  if (n.hasIn(8)) {
    // The bias is in units of x_scale * w_scale.
    auto xs = quantParam(n, n.in(1), x, 1, "x_scale");
    Value ws = n.rank(n.in(4)) == 1 && n.dims(n.in(4))[0] == n.num(1) ? n.reshape(n.in(4), {}) : n.in(4);
    if (failed(xs) || failed(expectRank(n, *xs, 0, 0, "x_scale")))
      return failure();
    auto bias = dequantize(n, n.in(8), n.mul(*xs, ws), Value(), 0);
    if (failed(bias))
      return failure();
    y = addChannelBias(n, *y, *bias);
    if (failed(y))
      return failure();
  }
  auto q = quantize(n, *y, n.in(6), n.in(7), n.elem(n.in(7)), 1);
  return failed(q) ? failure() : n.set(0, *q);
}

llvm::ArrayRef<OpRow> quantizeOps() {
  static const OpRow rows[] = {
      {"", "QuantizeLinear", 10, 2, 3, importQuantize},
      {"", "DequantizeLinear", 10, 2, 3, importDequantize},
      {"", "DynamicQuantizeLinear", 11, 1, 1, importDynamicQuantize},
      {"", "MatMulInteger", 10, 2, 4, importMatMulInteger},
      {"", "QLinearMatMul", 10, 8, 8, importQLinearMatMul},
      {"", "QLinearConv", 10, 8, 9, importQLinearConv},
      {"com.microsoft", "QuantizeLinear", 1, 2, 3, importQuantize},
      {"com.microsoft", "DequantizeLinear", 1, 2, 3, importDequantize},
  };
  return rows;
}

} // namespace smelt::onnx
