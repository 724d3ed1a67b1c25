//===- Microsoft.cpp - ONNX Runtime's fused ops (com.microsoft) -------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An optimizer's fused ops are taken apart into the same compositions as the
// standard's: norms with skips, activations, matmuls with extras, quantized
// ops. Attention and its relatives stand in MicrosoftAttention.cpp.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Microsoft.h"
#include <cmath>

using namespace mlir;

namespace smelt::onnx {

//===----------------------------------------------------------------------===//
// Norms and activations
//===----------------------------------------------------------------------===//

/// Table rows for token ids: [B, S] into [V, H] gives [B, S, H].
static FailureOr<Value> embed(NodeImport &n, Value table, Value ids, StringRef name) {
  if (failed(expectRank(n, table, 2, 2, name)) || failed(expectRank(n, ids, 2, 2, "ids of " + name.str())) ||
      failed(expectInteger(n, ids, "ids of " + name.str())))
    return failure();
  return make<GatherOp>(n, {n.dims(ids)[0], n.dims(ids)[1], n.dims(table)[1]}, n.elem(table), table, ids, 0);
}

/// input_ids, segment_ids, word, position and segment tables, gamma, beta, mask, position_ids.
static LogicalResult importEmbedLayerNorm(NodeImport &n) {
  Value ids = n.in(0);
  if (failed(requireInputs(n, {2, 3, 5, 6})))
    return failure();
  auto words = embed(n, n.in(2), ids, "word_embedding");
  if (failed(words) || failed(expectRank(n, n.in(3), 2, 2, "position_embedding")))
    return failure();
  Dims d = n.dims(*words);
  FailureOr<Value> positions = Value();
  if (n.hasIn(8))
    positions = embed(n, n.in(3), n.in(8), "position_embedding");
  else
    positions = sliceAxis(n, n.in(3), 0, n.num(0), d[1]);
  if (failed(positions))
    return failure();
  if (failed(n.sameElementType({n.in(2), n.in(3), n.in(4), n.in(5), n.in(6)})) ||
      (n.hasIn(7) && (failed(expectRank(n, n.in(7), 2, 2, "mask")) || failed(expectInteger(n, n.in(7), "mask")))))
    return failure();
  Value sum = n.add(*words, *positions);
  if (n.hasIn(1) && n.hasIn(4)) {
    auto segments = embed(n, n.in(4), n.in(1), "segment_embedding");
    if (failed(segments))
      return failure();
    sum = n.add(sum, *segments);
  }
  if (!sum)
    return failure();
  auto y = layerNorm(n, sum, n.in(5), n.in(6), -1, n.f("epsilon", 1e-12), {});
  if (failed(y))
    return failure();
  if (n.wantsOut(1)) {
    // The count of ones of each row of the mask.
    Type i32 = n.b.getI32Type();
    Value counts = n.hasIn(7) ? n.reduce(ReduceKind::sum, n.cast(n.in(7), i32), {1}, false)
                              : n.broadcast(n.scalar(i32, 0), {d[0]});
    (void)n.set(1, counts);
  }
  if (n.wantsOut(2))
    (void)n.set(2, sum);
  return n.set(0, *y);
}

/// input + skip (+ bias), the sum of both skip norms.
static FailureOr<Value> skipSum(NodeImport &n, Value bias) {
  Value x = n.in(0);
  if (failed(n.sameElementType({x, n.in(1), n.in(2), bias})) || failed(expectBroadcast(n, n.in(1), x, "skip")) ||
      (bias && failed(expectBroadcast(n, bias, x, "bias"))))
    return failure();
  Value sum = n.add(x, n.in(1));
  if (bias)
    sum = n.add(sum, bias);
  if (!sum)
    return failure();
  return n.rebind(sum, n.dims(x));
}

/// input, skip, gamma, beta, bias.
static LogicalResult importSkipLayerNorm(NodeImport &n) {
  auto sum = skipSum(n, n.in(4));
  if (failed(sum))
    return failure();
  Value m, inv;
  auto y = layerNorm(n, *sum, n.in(2), n.in(3), -1, n.f("epsilon", 1e-12), {}, &m, &inv);
  if (failed(y))
    return failure();
  (void)n.set(1, m);
  (void)n.set(2, inv);
  (void)n.set(3, *sum);
  return n.set(0, *y);
}

/// input, skip, gamma, bias.
static LogicalResult importSkipSimplifiedLayerNorm(NodeImport &n) {
  auto sum = skipSum(n, n.in(3));
  if (failed(sum))
    return failure();
  Value inv;
  auto y = rmsNorm(n, *sum, n.in(2), -1, n.f("epsilon", 1e-12), {}, &inv);
  if (failed(y))
    return failure();
  if (n.wantsOut(1))
    return n.unsupported("SkipSimplifiedLayerNormalization with a mean output");
  (void)n.set(2, inv);
  (void)n.set(3, *sum);
  return n.set(0, *y);
}

static LogicalResult importSimplifiedLayerNorm(NodeImport &n) {
  Value inv;
  auto y = rmsNorm(n, n.in(0), n.in(1), n.i("axis", -1), n.f("epsilon", 1e-5), {}, &inv);
  if (failed(y))
    return failure();
  (void)n.set(1, inv);
  return n.set(0, *y);
}

static LogicalResult importGelu(NodeImport &n) { return n.set(0, gelu(n, n.in(0))); }
static LogicalResult importBiasGelu(NodeImport &n) {
  if (failed(n.sameElementType({n.in(0), n.in(1)})))
    return failure();
  return n.set(0, gelu(n, n.add(n.in(0), n.in(1))));
}
static LogicalResult importFastGelu(NodeImport &n) {
  if (failed(n.sameElementType({n.in(0), n.in(1)})))
    return failure();
  return n.set(0, geluTanh(n, n.hasIn(1) ? n.add(n.in(0), n.in(1)) : n.in(0)));
}
static LogicalResult importQuickGelu(NodeImport &n) {
  Value x = n.in(0);
  return n.set(0, n.mul(x, unary<SigmoidOp>(n, n.mul(x, like(n, x, n.f("alpha", 1.702))))));
}
static LogicalResult importBiasAdd(NodeImport &n) {
  if (failed(n.sameElementType({n.in(0), n.in(1), n.in(2)})))
    return failure();
  return n.set(0, n.add(n.add(n.in(0), n.in(1)), n.in(2)));
}

/// The activation a fused op ends in.
static FailureOr<Value> activate(NodeImport &n, Value y) {
  std::string kind = n.s("activation", "");
  SmallVector<double> p = n.floats("activation_params");
  auto param = [&](size_t i, double fallback) { return i < p.size() ? p[i] : fallback; };
  if (!y)
    return failure();
  if (kind.empty())
    return y;
  if (kind == "Relu")
    return n.max(y, like(n, y, 0));
  if (kind == "Tanh")
    return unary<TanhOp>(n, y);
  if (kind == "Sigmoid")
    return unary<SigmoidOp>(n, y);
  if (kind == "LeakyRelu")
    return n.select(n.cmp(CmpKind::ge, y, like(n, y, 0)), y, n.mul(y, like(n, y, param(0, 0.01))));
  if (kind == "Clip" && p.size() == 2)
    return clamp(n, y, p[0], p[1]);
  if (kind == "HardSigmoid")
    return clamp(n, n.add(n.mul(y, like(n, y, param(0, 0.2))), like(n, y, param(1, 0.5))), 0, 1);
  return n.unsupported("fused activation '" + kind + "' with " + Twine(p.size()) + " parameters");
}

static LogicalResult importFusedConv(NodeImport &n) {
  if (failed(n.sameElementType({n.in(0), n.in(1), n.in(2), n.in(3)})))
    return failure();
  auto y = convolve(n, n.in(0), n.in(1), n.elem(n.in(0)));
  if (succeeded(y) && n.hasIn(2))
    y = addChannelBias(n, *y, n.in(2));
  if (succeeded(y) && n.hasIn(3))
    y = n.add(*y, n.in(3));
  if (succeeded(y))
    y = activate(n, *y);
  return failed(y) ? failure() : n.set(0, *y);
}

static LogicalResult importFusedMatMul(NodeImport &n) {
  if (n.i("transBatchA", 0) || n.i("transBatchB", 0))
    return n.unsupported("FusedMatMul with transposed batch dims");
  if (failed(n.sameElementType({n.in(0), n.in(1)})))
    return failure();
  auto y = matmul(n, n.in(0), n.in(1), n.elem(n.in(0)), n.i("transA", 0) != 0, n.i("transB", 0) != 0);
  if (failed(y))
    return failure();
  double alpha = n.f("alpha", 1.0);
  return n.set(0, alpha == 1.0 ? *y : n.mul(*y, like(n, *y, alpha)));
}

static LogicalResult importFusedGemm(NodeImport &n) {
  if (failed(expectRank(n, n.in(0), 2, 2, "A")) || failed(expectRank(n, n.in(1), 2, 2, "B")) ||
      failed(n.sameElementType({n.in(0), n.in(1), n.in(2)})))
    return failure();
  auto y = matmul(n, n.in(0), n.in(1), n.elem(n.in(0)), n.i("transA", 0) != 0, n.i("transB", 0) != 0);
  if (failed(y))
    return failure();
  double alpha = n.f("alpha", 1.0), beta = n.f("beta", 1.0);
  if (alpha != 1.0)
    y = n.mul(*y, like(n, *y, alpha));
  if (n.hasIn(2))
    y = n.add(*y, beta == 1.0 ? n.in(2) : n.mul(n.in(2), like(n, n.in(2), beta)));
  y = activate(n, *y);
  return failed(y) ? failure() : n.set(0, *y);
}

//===----------------------------------------------------------------------===//
// Quantized ops
//===----------------------------------------------------------------------===//

/// Inputs i, i + 1, i + 2 are a tensor, its scale and its zero point.
static FailureOr<Value> quantizedInput(NodeImport &n, size_t i) {
  if (failed(requireInputs(n, {i, i + 1})))
    return failure();
  return dequantize(n, n.in(i), n.in(i + 1), n.in(i + 2), 1);
}

/// Sets the result, quantized by inputs i (scale) and i + 1 (zero point).
static LogicalResult quantizedResult(NodeImport &n, FailureOr<Value> y, size_t i, Type elementType) {
  if (failed(y) || failed(requireInputs(n, {i})))
    return failure();
  auto q = quantize(n, *y, n.in(i), n.in(i + 1), elementType, 1);
  return failed(q) ? failure() : n.set(0, *q);
}

template <typename OpTy> static LogicalResult importQLinearBinary(NodeImport &n) {
  auto a = quantizedInput(n, 0), b = quantizedInput(n, 3);
  if (failed(a) || failed(b))
    return failure();
  Value y = n.elementwise<OpTy>({*a, *b});
  return y ? quantizedResult(n, y, 6, n.elem(n.in(0))) : failure();
}

static LogicalResult importQLinearSigmoid(NodeImport &n) {
  auto x = quantizedInput(n, 0);
  return failed(x) ? failure() : quantizedResult(n, unary<SigmoidOp>(n, *x), 3, n.elem(n.in(0)));
}

static LogicalResult importQLinearLeakyRelu(NodeImport &n) {
  auto x = quantizedInput(n, 0);
  if (failed(x))
    return failure();
  Value low = n.mul(*x, like(n, *x, n.f("alpha", 0.01)));
  return quantizedResult(n, n.select(n.cmp(CmpKind::ge, *x, like(n, *x, 0)), *x, low), 3, n.elem(n.in(0)));
}

/// Runs a pool of [N, C, D...] on a tensor that may have its channels last.
static FailureOr<Value> channelsFirst(NodeImport &n, Value x, bool last,
                                      llvm::function_ref<FailureOr<Value>(Value)> pool) {
  if (!last)
    return pool(x);
  if (failed(expectRank(n, x, 3, 16, "X")))
    return failure();
  auto y = pool(moveAxis(n, x, n.rank(x) - 1, 1));
  if (failed(y))
    return failure();
  return moveAxis(n, *y, 1, n.rank(*y) - 1);
}

static LogicalResult importQLinearAveragePool(NodeImport &n) {
  auto x = quantizedInput(n, 0);
  if (failed(x))
    return failure();
  auto y = channelsFirst(n, *x, n.i("channels_last", 0) != 0, [&](Value v) { return averagePoolOf(n, v); });
  return quantizedResult(n, y, 3, n.elem(n.in(0)));
}

static LogicalResult importQLinearGlobalAveragePool(NodeImport &n) {
  auto x = quantizedInput(n, 0);
  if (failed(x))
    return failure();
  auto y = channelsFirst(n, *x, n.i("channels_last", 0) != 0, [&](Value v) { return globalAverageOf(n, v); });
  return quantizedResult(n, y, 3, n.elem(n.in(0)));
}

static LogicalResult importNhwcMaxPool(NodeImport &n) {
  auto y = channelsFirst(n, n.in(0), true, [&](Value v) { return poolOf(n, v, PoolKind::max); });
  return failed(y) ? failure() : n.set(0, *y);
}

/// Y_scale, Y_zero_point, then tensor, scale and zero point of each part.
static LogicalResult importQLinearConcat(NodeImport &n) {
  if (n.numInputs() < 5 || n.numInputs() % 3 != 2)
    return n.error("QLinearConcat has " + Twine(n.numInputs()) + " inputs, want 2 + 3 per tensor");
  SmallVector<Value> parts;
  for (size_t i = 2; i < n.numInputs(); i += 3) {
    auto part = quantizedInput(n, i);
    if (failed(part))
      return failure();
    parts.push_back(*part);
  }
  auto axis = n.axis(n.i("axis", 0), n.rank(parts.front()));
  if (failed(axis))
    return failure();
  Value y = n.concat(parts, *axis);
  return y ? quantizedResult(n, y, 0, n.elem(n.in(2))) : failure();
}

/// Softmax as the opset in the attribute has it: over one axis from 13 on, over all
/// dims from it on before.
static LogicalResult importQLinearSoftmax(NodeImport &n) {
  auto x = quantizedInput(n, 0);
  if (failed(x))
    return failure();
  int64_t opset = n.i("opset", 13);
  auto axis = n.axis(n.i("axis", opset < 13 ? 1 : -1), n.rank(*x));
  if (failed(axis))
    return failure();
  SmallVector<int64_t> axes = {*axis};
  for (int64_t next = *axis + 1; opset < 13 && next < n.rank(*x); ++next)
    axes.push_back(next);
  return quantizedResult(n, n.softmax(*x, axes), 3, n.elem(n.in(0)));
}

/// condition, X, x_scale, x_zero_point, Y, y_scale, y_zero_point, z_scale, z_zero_point.
static LogicalResult importQLinearWhere(NodeImport &n) {
  auto x = quantizedInput(n, 1), y = quantizedInput(n, 4);
  if (failed(x) || failed(y))
    return failure();
  Value z = n.select(n.in(0), *x, *y);
  return z ? quantizedResult(n, z, 7, n.elem(n.in(1))) : failure();
}

/// A, a_scale, a_zero_point, B, b_scale, b_zero_point, C, y_scale, y_zero_point.
static LogicalResult importQGemm(NodeImport &n) {
  bool transA = n.i("transA", 0) != 0, transB = n.i("transB", 0) != 0;
  if (failed(requireInputs(n, {3, 4})) || failed(expectRank(n, n.in(0), 2, 2, "A")) ||
      failed(expectRank(n, n.in(3), 2, 2, "B")))
    return failure();
  auto a = dequantize(n, n.in(0), n.in(1), n.in(2), 0), b = dequantize(n, n.in(3), n.in(4), n.in(5), transB ? 0 : 1);
  if (failed(a) || failed(b))
    return failure();
  auto y = matmul(n, *a, *b, n.elem(*a), transA, transB);
  if (failed(y))
    return failure();
  double alpha = n.f("alpha", 1.0);
  if (alpha != 1.0)
    y = n.mul(*y, like(n, *y, alpha));
  if (n.hasIn(6)) {
    // The bias is in units of alpha * a_scale * b_scale.
    Value unit = n.mul(n.mul(n.in(1), n.in(4)), like(n, n.in(1), alpha));
    y = n.add(*y, n.mul(n.cast(n.in(6), n.elem(*y)), unit));
  }
  if (!n.hasIn(7))
    return n.set(0, *y);
  auto q = quantize(n, *y, n.in(7), n.in(8), n.hasIn(8) ? n.elem(n.in(8)) : n.elem(n.in(0)), 1);
  return failed(q) ? failure() : n.set(0, *q);
}

static LogicalResult finishFloatMatMul(NodeImport &n, FailureOr<Value> a, FailureOr<Value> b, Value bias) {
  if (failed(a) || failed(b))
    return failure();
  auto y = matmul(n, *a, *b, n.elem(*a));
  if (failed(y) || failed(n.sameElementType({*y, bias})))
    return failure();
  return n.set(0, bias ? n.add(*y, bias) : *y);
}

/// A, B, a_scale, b_scale, a_zero_point, b_zero_point, bias.
static LogicalResult importMatMulIntegerToFloat(NodeImport &n) {
  if (failed(expectRank(n, n.in(0), 2, 16, "A")) || failed(expectRank(n, n.in(1), 2, 16, "B")))
    return failure();
  return finishFloatMatMul(n, dequantize(n, n.in(0), n.in(2), n.in(4), n.rank(n.in(0)) - 2),
                           dequantize(n, n.in(1), n.in(3), n.in(5), n.rank(n.in(1)) - 1), n.in(6));
}

/// A (f32), B, b_scale, b_zero_point, bias. Quantizing A is ONNX Runtime's way
/// to integer speed, not part of the meaning: A stays exact.
static LogicalResult importDynamicQuantizeMatMul(NodeImport &n) {
  if (failed(expectRank(n, n.in(0), 2, 16, "A")) || failed(expectRank(n, n.in(1), 2, 16, "B")))
    return failure();
  return finishFloatMatMul(n, n.in(0), dequantize(n, n.in(1), n.in(2), n.in(3), n.rank(n.in(1)) - 1), n.in(4));
}

/// Part `part` of `parts` of a constant of bytes that holds elements of `bits`
/// bits, the low ones first, in rows that begin at a byte; one byte per element.
static FailureOr<std::vector<char>> unpackBits(NodeImport &n, Value packed, int64_t bits, int64_t rows, int64_t perRow,
                                               int64_t part, int64_t parts, const Twine &name) {
  auto bytes = getConstantBytes(packed);
  if (!bytes)
    return n.unsupported(name + " that is not a constant");
  int64_t rowBytes = llvm::divideCeil(perRow * bits, 8);
  if (int64_t(bytes->data.size()) != parts * rows * rowBytes)
    return n.error(name + " has " + Twine(bytes->data.size()) + " bytes, want " + Twine(parts * rows * rowBytes));
  const char *from = bytes->data.data() + part * rows * rowBytes;
  std::vector<char> out;
  out.reserve(rows * perRow);
  for (int64_t r = 0; r < rows; ++r, from += rowBytes)
    for (int64_t i = 0; i < perRow; ++i) {
      int64_t at = i * bits / 8, shift = i * bits % 8;
      unsigned pair = uint8_t(from[at]);
      if (shift + bits > 8)
        pair |= unsigned(uint8_t(from[at + 1])) << 8;
      out.push_back(char((pair >> shift) & ((1u << bits) - 1)));
    }
  return out;
}

FailureOr<Value> unpackMatrix(NodeImport &n, const PackedMatrix &m, int64_t part, StringRef name) {
  int64_t blocks = llvm::divideCeil(m.cols, m.block);
  Type quantized = n.b.getIntegerType(m.bits == 3 ? 4 : m.bits, /*isSigned=*/false);
  auto codes = unpackBits(n, m.codes, m.bits, m.rows * blocks, m.block, part, m.parts, name);
  if (failed(codes))
    return failure();
  Value w = createConstant(n.b, n.loc, RankedTensorType::get({m.rows, blocks, m.block}, quantized), *codes);
  Dims perBlock = {n.num(m.rows), n.num(blocks), n.num(1)};
  auto partOf = [&](Value all) {
    Value flat = n.reshape(all, {n.num(m.parts), n.num(m.rows * blocks)});
    return flat ? n.reshape(sliceAxis(n, flat, 0, n.num(part), n.num(1)), perBlock) : Value();
  };
  Value scale = partOf(m.scales);
  if (m.zeros && isa<FloatType>(n.elem(m.zeros))) {
    // Zero points in float: (code - zero) * scale in the scale's type.
    w = n.mul(n.sub(n.cast(w, n.elem(m.scales)), partOf(m.zeros)), scale);
  } else {
    Value zero = n.scalar(quantized, double(1 << (m.bits - 1)));
    if (m.zeros) {
      auto points = unpackBits(n, m.zeros, m.bits, m.zerosAlongRows ? 1 : m.rows, m.zerosAlongRows ? m.rows : blocks, part,
                               m.parts, name + Twine("'s zero points"));
      if (failed(points))
        return failure();
      zero = createConstant(n.b, n.loc, RankedTensorType::get({m.rows, blocks, 1}, quantized), *points);
    }
    w = scale ? n.elementwise<DequantizeOp>({w, scale, zero}, n.elem(m.scales)) : Value();
  }
  w = sliceAxis(n, n.reshape(w, {n.num(m.rows), n.num(blocks * m.block)}), 1, n.num(0), n.num(m.cols));
  if (!w)
    return failure();
  return w;
}

/// A [..., K] times a matrix [N, K] in blocks of few-bit integers.
static LogicalResult importMatMulNBits(NodeImport &n) {
  constexpr int64_t limit = (int64_t(1) << 31) - 1;
  int64_t k = n.i("K", 0), cols = n.i("N", 0), bits = n.i("bits", 4), block = n.i("block_size", 0);
  Value a = n.in(0), scales = n.in(2);
  if (n.hasIn(4))
    return n.unsupported("MatMulNBits with g_idx");
  if (failed(expectRange(n, k, 1, limit, "K")) || failed(expectRange(n, cols, 1, limit, "N")) ||
      failed(expectRange(n, block, 16, limit, "block_size")) || failed(expectRank(n, a, 1, 16, "A")) ||
      failed(expectFloat(n, scales, "scales")))
    return failure();
  if (bits != 2 && bits != 4 && bits != 8)
    return n.error("bits is " + Twine(bits) + ", want 2, 4 or 8");
  auto w = unpackMatrix(n, {n.in(1), scales, n.in(3), cols, k, block, bits}, 0, "B");
  if (failed(w))
    return failure();
  auto y = matmul(n, a, n.cast(*w, n.elem(a)), n.elem(a), false, /*transposeRhs=*/true);
  if (failed(y))
    return failure();
  if (failed(n.sameElementType({*y, n.in(5)})))
    return failure();
  return n.set(0, n.hasIn(5) ? n.add(*y, n.in(5)) : *y);
}

llvm::ArrayRef<OpRow> microsoftOps() {
  static constexpr StringLiteral ms = "com.microsoft";
  static const OpRow rows[] = {
      {ms, "Attention", 1, 2, 7, importMsAttention},
      {ms, "MultiHeadAttention", 1, 1, 10, importMultiHeadAttention},
      {ms, "GroupQueryAttention", 1, 1, 12, importGroupQueryAttention},
      {ms, "RotaryEmbedding", 1, 4, 4, importMsRotaryEmbedding},
      {ms, "EmbedLayerNormalization", 1, 1, 9, importEmbedLayerNorm},
      {ms, "SkipLayerNormalization", 1, 3, 5, importSkipLayerNorm},
      {ms, "SkipSimplifiedLayerNormalization", 1, 3, 4, importSkipSimplifiedLayerNorm},
      {ms, "SimplifiedLayerNormalization", 1, 2, 2, importSimplifiedLayerNorm},
      {"", "SimplifiedLayerNormalization", 1, 2, 2, importSimplifiedLayerNorm},
      {ms, "Gelu", 1, 1, 1, importGelu},
      {ms, "BiasGelu", 1, 2, 2, importBiasGelu},
      {ms, "FastGelu", 1, 1, 2, importFastGelu},
      {ms, "QuickGelu", 1, 1, 1, importQuickGelu},
      {ms, "BiasAdd", 1, 3, 3, importBiasAdd},
      {ms, "FusedConv", 1, 2, 4, importFusedConv},
      {ms, "FusedMatMul", 1, 2, 2, importFusedMatMul},
      {ms, "FusedGemm", 1, 2, 3, importFusedGemm},
      {ms, "MatMulNBits", 1, 3, 6, importMatMulNBits},
      {ms, "MoE", 1, 3, 8, importMoE},
      {ms, "QMoE", 1, 4, 21, importQMoE},
      {ms, "MatMulIntegerToFloat", 1, 4, 7, importMatMulIntegerToFloat},
      {ms, "DynamicQuantizeMatMul", 1, 3, 5, importDynamicQuantizeMatMul},
      {ms, "QGemm", 1, 2, 9, importQGemm},
      {ms, "QLinearAdd", 1, 2, 8, importQLinearBinary<AddOp>},
      {ms, "QLinearMul", 1, 2, 8, importQLinearBinary<MulOp>},
      {ms, "QLinearSigmoid", 1, 2, 5, importQLinearSigmoid},
      {ms, "QLinearLeakyRelu", 1, 2, 5, importQLinearLeakyRelu},
      {ms, "QLinearAveragePool", 1, 2, 5, importQLinearAveragePool},
      {ms, "QLinearGlobalAveragePool", 1, 2, 5, importQLinearGlobalAveragePool},
      {ms, "QLinearConcat", 1, 1, -1, importQLinearConcat},
      {ms, "QLinearSoftmax", 1, 2, 5, importQLinearSoftmax},
      {ms, "QLinearWhere", 1, 9, 9, importQLinearWhere},
      {ms, "NhwcMaxPool", 1, 1, 1, importNhwcMaxPool},
  };
  return rows;
}

} // namespace smelt::onnx
