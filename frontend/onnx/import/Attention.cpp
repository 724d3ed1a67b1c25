//===- Attention.cpp - Attention and rotary embedding -----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One composition for ai.onnx's Attention and com.microsoft's four kinds:
// scores = (q * scale) kᵀ, softcap, masks, softmax, times v. Grouped heads
// stay grouped (a batch dim of size 1 in k and v), nothing is repeated in
// memory. Fusion finds matmul-softmax-matmul by its shape.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Compose.h"
#include <cmath>

using namespace mlir;

namespace smelt::onnx {

static constexpr double kInfinity = std::numeric_limits<double>::infinity();

FailureOr<Value> splitHeads(NodeImport &n, Value x, int64_t heads, StringRef name) {
  if (failed(expectRank(n, x, 3, 3, name)) || failed(expectRange(n, heads, 1, kMaxDim, "number of heads of " + name)))
    return failure();
  Dims d = n.dims(x);
  if (auto hidden = dyn_cast<AffineConstantExpr>(d[2]); hidden && hidden.getValue() % heads != 0)
    return n.error(Twine(name) + " has hidden size " + Twine(hidden.getValue()) + ", want a multiple of " +
                   Twine(heads) + " heads");
  return n.transpose(n.reshape(x, {d[0], d[1], n.num(heads), d[2].floorDiv(heads)}), {0, 2, 1, 3});
}

Value mergeHeads(NodeImport &n, Value x) {
  if (!x)
    return {};
  Dims d = n.dims(x);
  return n.reshape(n.transpose(x, {0, 2, 1, 3}), {d[0], d[2], d[1] * d[3]});
}

/// The index along a dim of size `size`, as [size, 1] or [size] i64.
static Value positions(NodeImport &n, AffineExpr size, bool column) {
  Value at = make<IotaOp>(n, {size}, n.b.getI64Type(), 0);
  return column ? n.unsqueeze(at, {1}) : at;
}

Value causalMask(NodeImport &n, AffineExpr s, AffineExpr t, AffineExpr offset, int64_t window) {
  Value query = n.add(positions(n, s, true), n.exprScalar(n.b.getI64Type(), offset));
  Value key = positions(n, t, false);
  Value allowed = n.cmp(CmpKind::ge, query, key);
  if (window >= 0) {
    Value back = n.cmp(CmpKind::le, n.sub(query, key), n.scalar(n.b.getI64Type(), double(window)));
    allowed = n.elementwise<AndOp>({allowed, back});
  }
  return allowed;
}

FailureOr<Value> attention(NodeImport &n, const AttentionSpec &spec, Value *captured) {
  Value q = spec.q, k = spec.k, v = spec.v;
  Dims qd = n.dims(q), kd = n.dims(k), vd = n.dims(v);
  auto headDim = staticDim(n, q, 3, "Q");
  auto qHeads = staticDim(n, q, 1, "Q"), kvHeads = staticDim(n, k, 1, "K");
  if (failed(headDim) || failed(qHeads) || failed(kvHeads) || failed(expectShape(n, k, {qd[0], {}, {}, qd[3]}, "K")) ||
      failed(expectShape(n, v, {qd[0], kd[1], kd[2], {}}, "V")))
    return failure();
  if (*kvHeads == 0 || *qHeads % *kvHeads != 0)
    return n.error("Q has " + Twine(*qHeads) + " heads, want a multiple of the " + Twine(*kvHeads) + " of K and V");
  bool grouped = *qHeads != *kvHeads;
  Dims scoreDims = {qd[0], qd[1], qd[2], kd[2]};
  Dims groupDims = {qd[0], kd[1], n.num(*qHeads / *kvHeads)};

  double scale = spec.scale != 0 ? spec.scale : 1.0 / std::sqrt(double(std::max<int64_t>(1, *headDim)));
  q = n.mul(q, like(n, q, scale));
  if (grouped) {
    q = n.reshape(q, {groupDims[0], groupDims[1], groupDims[2], qd[2], qd[3]});
    k = n.unsqueeze(k, {2});
    v = n.unsqueeze(v, {2});
  }
  auto product = matmul(n, q, k, n.elem(q), false, /*transposeRhs=*/true);
  if (failed(product))
    return failure();
  Value scores = grouped ? n.reshape(*product, scoreDims) : n.rebind(*product, scoreDims);
  auto capture = [&](int mode) {
    if (captured && spec.captureMode == mode)
      *captured = scores;
  };
  capture(0);
  if (spec.softcap > 0)
    scores = n.mul(unary<TanhOp>(n, n.div(scores, like(n, scores, spec.softcap))), like(n, scores, spec.softcap));
  capture(1);
  if (spec.softmaxType && captured == nullptr)
    scores = n.cast(scores, spec.softmaxType);
  if (spec.allowed && spec.fillAdds) {
    Value zero = like(n, scores, 0.0), fill = like(n, scores, spec.fill);
    scores = n.add(scores, n.select(spec.allowed, zero, fill));
  } else if (spec.allowed) {
    scores = n.select(spec.allowed, scores, like(n, scores, spec.fill));
  }
  if (spec.bias)
    scores = n.add(scores, n.cast(spec.bias, scores ? n.elem(scores) : Type()));
  if (!scores)
    return failure();
  scores = n.rebind(scores, scoreDims);
  capture(2);
  if (spec.softmaxType)
    scores = n.cast(scores, spec.softmaxType);
  Value probs = n.softmax(scores, {3});
  if (spec.guardMaskedRows) {
    Value top = n.reduce(ReduceKind::max, scores, {3}, /*keepDims=*/true);
    probs = n.select(n.cmp(CmpKind::eq, top, like(n, top, -kInfinity)), like(n, probs, 0.0), probs);
  }
  probs = n.cast(probs, n.elem(v));
  scores = probs;
  capture(3);
  if (grouped)
    probs = n.reshape(probs, {groupDims[0], groupDims[1], groupDims[2], qd[2], kd[2]});
  auto y = matmul(n, probs, v, n.elem(v));
  if (failed(y))
    return failure();
  Dims out = {qd[0], qd[1], qd[2], vd[3]};
  return grouped ? n.reshape(*y, out) : n.rebind(*y, out);
}

/// The mask's last dim may end before the keys do; what is missing is masked.
static FailureOr<Value> extendMask(NodeImport &n, Value mask, AffineExpr keys) {
  if (failed(expectRank(n, mask, 1, 4, "attn_mask")))
    return failure();
  Dims d = n.dims(mask);
  auto found = dyn_cast<AffineConstantExpr>(d.back()), want = dyn_cast<AffineConstantExpr>(keys);
  if (!found || !want || found == want || found.getValue() == 1)
    return mask;
  if (found.getValue() > want.getValue())
    return n.error("attn_mask has " + Twine(found.getValue()) + " keys, want " + Twine(want.getValue()) + " at most");
  Dims low(d.size(), n.num(0));
  d.back() = keys;
  Value outside = like(n, mask, n.elem(mask).isInteger(1) ? 0.0 : -kInfinity);
  return make<PadOp>(n, d, n.elem(mask), mask, outside, DimsAttr::get(n.b.getContext(), low), PadMode::constant);
}

LogicalResult importAttention(NodeImport &n) {
  AttentionSpec spec;
  Value q = n.in(0), k = n.in(1), v = n.in(2);
  bool flat = n.rank(q) == 3;
  if (failed(expectFloat(n, q, "Q")) || failed(n.sameElementType({q, k, n.in(4)})) || failed(expectFloat(n, v, "V")) ||
      failed(n.sameElementType({v, n.in(5)})) || failed(expectRank(n, q, 3, 4, "Q")) ||
      failed(expectRank(n, k, n.rank(q), n.rank(q), "K")) || failed(expectRank(n, v, n.rank(q), n.rank(q), "V")))
    return failure();
  if (flat) {
    if (failed(n.require("q_num_heads")) || failed(n.require("kv_num_heads")))
      return failure();
    auto sq = splitHeads(n, q, n.i("q_num_heads", 0), "Q"), sk = splitHeads(n, k, n.i("kv_num_heads", 0), "K");
    auto sv = splitHeads(n, v, n.i("kv_num_heads", 0), "V");
    if (failed(sq) || failed(sk) || failed(sv))
      return failure();
    q = *sq, k = *sk, v = *sv;
  }
  Value pastKey = n.in(4), pastValue = n.in(5), lengths = n.in(6);
  if (bool(pastKey) != bool(pastValue))
    return n.error("past_key and past_value: found one of them, want both or none");
  if (pastKey && lengths)
    return n.error("nonpad_kv_seqlen together with past_key, want one of them");
  AffineExpr offset = n.num(0);
  if (pastKey) {
    if (failed(expectShape(n, pastKey, {n.dims(k)[0], n.dims(k)[1], {}, n.dims(k)[3]}, "past_key")) ||
        failed(expectShape(n, pastValue, {n.dims(v)[0], n.dims(v)[1], {}, n.dims(v)[3]}, "past_value")))
      return failure();
    offset = n.dims(pastKey)[2];
    k = n.concat({pastKey, k}, 2);
    v = n.concat({pastValue, v}, 2);
    if (!k || !v)
      return failure();
  }
  AffineExpr s = n.dims(q)[2], t = n.dims(k)[2];
  if (n.hasIn(3)) {
    auto mask = extendMask(n, n.in(3), t);
    if (failed(mask))
      return failure();
    (n.elem(*mask).isInteger(1) ? spec.allowed : spec.bias) = *mask;
  }
  spec.guardMaskedRows = n.hasIn(3) || lengths;
  auto also = [&](Value mask) { spec.allowed = spec.allowed ? n.elementwise<AndOp>({spec.allowed, mask}) : mask; };
  bool causal = n.i("is_causal", 0) != 0;
  int64_t left = n.i("left_window_size", -1), right = n.i("right_window_size", -1);
  if (failed(expectRange(n, left, -1, kMaxDim, "left_window_size")) ||
      failed(expectRange(n, right, -1, kMaxDim, "right_window_size")))
    return failure();
  Type i64 = n.b.getI64Type();
  if (causal || left >= 0 || right >= 0) {
    // Query i stands at i + offset, with lengths at the end of its batch's keys.
    Value at = n.add(make<IotaOp>(n, {s, n.num(1)}, i64, 0), n.exprScalar(i64, offset));
    if (lengths) {
      Dims perBatch = {n.dims(lengths)[0], n.num(1), n.num(1), n.num(1)};
      at = n.add(at, n.sub(n.reshape(n.cast(lengths, i64), perBatch), n.exprScalar(i64, s)));
    }
    Value back = n.sub(at, make<IotaOp>(n, {t}, i64, 0));
    if (causal)
      also(n.cmp(CmpKind::ge, back, n.scalar(i64, 0)));
    if (left >= 0)
      also(n.cmp(CmpKind::le, back, n.scalar(i64, double(left))));
    if (right >= 0)
      also(n.cmp(CmpKind::ge, back, n.scalar(i64, -double(right))));
  }
  if (lengths) {
    if (failed(expectShape(n, lengths, {n.dims(q)[0]}, "nonpad_kv_seqlen")))
      return failure();
    Value end = n.reshape(n.cast(lengths, i64), {n.dims(lengths)[0], n.num(1), n.num(1), n.num(1)});
    also(n.cmp(CmpKind::lt, make<IotaOp>(n, {t}, i64, 0), end));
  }
  spec.q = q, spec.k = k, spec.v = v;
  spec.scale = n.f("scale", 0);
  spec.softcap = n.f("softcap", 0);
  spec.captureMode = int(n.i("qk_matmul_output_mode", 0));
  if (failed(expectRange(n, spec.captureMode, 0, 3, "qk_matmul_output_mode")))
    return failure();
  if (n.has("softmax_precision") && !(spec.softmaxType = n.dtype(DType(n.i("softmax_precision", 1)))))
    return failure();
  Value scores;
  auto y = attention(n, spec, n.wantsOut(3) ? &scores : nullptr);
  if (failed(y))
    return failure();
  if (n.wantsOut(1))
    (void)n.set(1, k);
  if (n.wantsOut(2))
    (void)n.set(2, v);
  if (n.wantsOut(3))
    (void)n.set(3, n.cast(scores, n.elem(q)));
  return n.set(0, flat ? mergeHeads(n, *y) : *y);
}

Value rotate(NodeImport &n, Value x, Value cos, Value sin, int64_t rotaryDim, bool interleaved) {
  if (!x || !cos || !sin)
    return {};
  Dims d = n.dims(x);
  int64_t half = rotaryDim / 2;
  Value turned = sliceAxis(n, x, 3, n.num(0), n.num(rotaryDim));
  Value a =
      interleaved ? sliceAxis(n, turned, 3, n.num(0), n.num(half), 2) : sliceAxis(n, turned, 3, n.num(0), n.num(half));
  Value b = interleaved ? sliceAxis(n, turned, 3, n.num(1), n.num(half), 2)
                        : sliceAxis(n, turned, 3, n.num(half), n.num(half));
  Value real = n.sub(n.mul(cos, a), n.mul(sin, b)), imag = n.add(n.mul(sin, a), n.mul(cos, b));
  Value y;
  if (interleaved)
    y = n.reshape(n.concat({n.unsqueeze(real, {4}), n.unsqueeze(imag, {4})}, 4), {d[0], d[1], d[2], n.num(rotaryDim)});
  else
    y = n.concat({real, imag}, 3);
  if (d[3] == n.num(rotaryDim))
    return y;
  return n.concat({y, sliceAxis(n, x, 3, n.num(rotaryDim), d[3] - rotaryDim)}, 3);
}

LogicalResult importRotaryEmbedding(NodeImport &n) {
  Value x = n.in(0), cos = n.in(1), sin = n.in(2), ids = n.in(3);
  if (failed(expectRank(n, x, 3, 4, "X")) || failed(expectFloat(n, x, "X")) || failed(n.sameElementType({x, cos, sin})))
    return failure();
  bool flat = n.rank(x) == 3;
  Value split = x;
  if (flat) {
    auto heads = splitHeads(n, x, n.i("num_heads", 0), "X");
    if (failed(heads))
      return failure();
    split = *heads;
  }
  auto headSize = staticDim(n, split, 3, "X");
  if (failed(headSize))
    return failure();
  int64_t rotary = n.i("rotary_embedding_dim", 0);
  if (rotary == 0)
    rotary = *headSize;
  if (failed(expectRange(n, rotary, 2, *headSize, "rotary_embedding_dim")))
    return failure();
  Dims d = n.dims(split);
  auto table = [&](Value cache, StringRef name) -> FailureOr<Value> {
    // By position: [P, R/2] gathered to [B, S, R/2]; without ids it is that already.
    if (failed(expectRank(n, cache, ids ? 2 : 3, ids ? 2 : 3, name)))
      return failure();
    Value rows = cache;
    if (ids) {
      if (failed(expectRank(n, ids, 2, 2, "position_ids")) || failed(expectInteger(n, ids, "position_ids")))
        return failure();
      rows = make<GatherOp>(n, {n.dims(ids)[0], n.dims(ids)[1], n.dims(cache)[1]}, n.elem(cache), cache, ids, 0);
    }
    if (failed(expectShape(n, rows, {{}, d[2], n.num(rotary / 2)}, name)))
      return failure();
    return n.unsqueeze(rows, {1});
  };
  auto c = table(cos, "cos_cache"), s = table(sin, "sin_cache");
  if (failed(c) || failed(s))
    return failure();
  Value y = rotate(n, split, *c, *s, rotary, n.i("interleaved", 0) != 0);
  return n.set(0, flat ? mergeHeads(n, y) : y);
}

} // namespace smelt::onnx
