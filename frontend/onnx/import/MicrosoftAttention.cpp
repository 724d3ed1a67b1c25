//===- MicrosoftAttention.cpp - ONNX Runtime's attention ops ----------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// They differ in how q, k, v arrive (one projection, packed, split, grouped)
// and in the masks' forms; the rest is attention() of Attention.cpp. Caches
// are concatenated: a pass makes that an update in place.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Microsoft.h"

using namespace mlir;

namespace smelt::onnx {

/// A mask in one of ONNX Runtime's forms as an additive value that broadcasts
/// to [B, H, S, T]: `fill` where a key is not to be seen.
static FailureOr<Value> paddingMask(NodeImport &n, Value mask, AffineExpr batch, AffineExpr keys, double fill,
                                    Type elem) {
  if (failed(expectRank(n, mask, 1, 3, "mask")))
    return failure();
  if (!isa<IntegerType>(n.elem(mask)))
    return n.error("mask is of a floating-point type, want integers");
  Dims d = n.dims(mask);
  Value allowed;
  if (n.rank(mask) == 1) {
    // [B]: the count of keys; [2 * B]: the ends, then the starts.
    Type i64 = n.b.getI64Type();
    Value at = make<IotaOp>(n, {keys}, i64, 0);
    Value ends = n.cast(mask, i64), starts;
    if (d[0] == batch * 2) {
      starts = sliceAxis(n, ends, 0, batch, batch);
      ends = sliceAxis(n, ends, 0, n.num(0), batch);
    } else if (failed(expectShape(n, mask, {batch}, "mask"))) {
      return failure();
    }
    Dims column = {batch, n.num(1), n.num(1), n.num(1)};
    allowed = n.cmp(CmpKind::lt, at, n.reshape(ends, column));
    if (starts)
      allowed = n.elementwise<AndOp>({allowed, n.cmp(CmpKind::ge, at, n.reshape(starts, column))});
  } else {
    Dims want = n.rank(mask) == 2 ? Dims{{}, keys} : Dims{{}, {}, keys};
    if (failed(expectShape(n, mask, want, "mask")))
      return failure();
    // Its last dim has a name of its own in most models; it is that of the keys.
    Dims exact = n.dims(mask);
    exact.back() = keys;
    mask = n.rebind(mask, exact);
    Value seen = n.elem(mask).isInteger(1) ? mask : n.cmp(CmpKind::gt, mask, n.scalar(n.elem(mask), 0));
    allowed = n.rank(mask) == 2 ? n.unsqueeze(seen, {1, 2}) : n.unsqueeze(seen, {1});
  }
  return n.select(allowed, n.scalar(elem, 0), n.scalar(elem, fill));
}

/// Adds masks to the spec. With padding, a causally hidden key is the lowest
/// number, so that a row of padding alone stays finite, as ONNX Runtime has it.
static LogicalResult applyMasks(NodeImport &n, AttentionSpec &spec, Value mask, bool causal, AffineExpr offset,
                                Value bias) {
  Dims qd = n.dims(spec.q);
  AffineExpr keys = n.dims(spec.k)[2];
  Type elem = n.elem(spec.q);
  Value hidden = causal ? causalMask(n, qd[2], keys, offset) : Value();
  if (mask) {
    auto padding = paddingMask(n, mask, qd[0], keys, n.f("mask_filter_value", -10000.0), elem);
    if (failed(padding))
      return failure();
    spec.bias = *padding;
    if (hidden) {
      llvm::APFloat lowest = llvm::APFloat::getLargest(cast<FloatType>(elem).getFloatSemantics(), /*Negative=*/true);
      bool lost;
      lowest.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &lost);
      spec.bias = n.select(hidden, *padding, n.scalar(elem, lowest.convertToDouble()));
    }
  } else {
    spec.allowed = hidden;
  }
  if (bias) {
    if (failed(expectRank(n, bias, 4, 4, "attention_bias")))
      return failure();
    spec.bias = spec.bias ? n.add(spec.bias, bias) : bias;
  }
  return success();
}

/// Slice i of the first dim, without it.
static Value nth(NodeImport &n, Value x, int64_t i) { return n.squeeze(sliceAxis(n, x, 0, n.num(i), n.num(1)), {0}); }

/// input, weights, bias, mask_index, past, attention_bias, past_sequence_length.
LogicalResult importMsAttention(NodeImport &n) {
  Value x = n.in(0), w = n.in(1);
  int64_t heads = n.i("num_heads", 0);
  if (n.hasIn(6) || n.i("do_rotary", 0) || n.i("past_present_share_buffer", 0))
    return n.unsupported("Attention with a shared cache buffer or rotary embedding");
  if (failed(expectRank(n, x, 3, 3, "input")) || failed(expectRank(n, w, 2, 2, "weights")) ||
      failed(expectFloat(n, x, "input")) || failed(n.sameElementType({x, w, n.in(2), n.in(4), n.in(5)})))
    return failure();
  auto width = staticDim(n, w, 1, "weights");
  if (failed(width))
    return failure();
  SmallVector<int64_t> sizes = n.ints("qkv_hidden_sizes");
  if (sizes.empty())
    sizes.assign(3, *width / 3);
  if (sizes.size() != 3 || llvm::any_of(sizes, [](int64_t s) { return s <= 0 || s > (int64_t(1) << 31); }) ||
      sizes[0] + sizes[1] + sizes[2] != *width || sizes[0] != sizes[1])
    return n.error("qkv_hidden_sizes do not make up the " + Twine(*width) + " columns of weights");
  auto projected = matmul(n, x, w, n.elem(x));
  if (failed(projected))
    return failure();
  Value qkv = *projected;
  if (n.hasIn(2)) {
    if (failed(expectShape(n, n.in(2), {n.num(*width)}, "bias")))
      return failure();
    qkv = n.add(qkv, n.in(2));
  }
  Value parts[3];
  int64_t from = 0;
  for (int i = 0; i < 3; from += sizes[i++]) {
    auto split = splitHeads(n, sliceAxis(n, qkv, 2, n.num(from), n.num(sizes[i])), heads, "projection");
    if (failed(split))
      return failure();
    parts[i] = *split;
  }
  AttentionSpec spec;
  spec.q = parts[0], spec.k = parts[1], spec.v = parts[2];
  AffineExpr offset = n.num(0);
  Value present;
  if (Value past = n.in(4)) {
    // Keys and values in one tensor [2, B, H, P, D].
    Dims kd = n.dims(spec.k);
    if (failed(expectShape(n, past, {n.num(2), kd[0], kd[1], {}, kd[3]}, "past")))
      return failure();
    offset = n.dims(past)[3];
    // The new ones as [2, B, H, S, D] too: one concatenation makes the output that holds both.
    Value fresh = n.reshape(sliceAxis(n, qkv, 2, n.num(sizes[0]), n.num(2 * sizes[1])),
                            {kd[0], kd[2], n.num(2), kd[1], kd[3]});
    present = n.concat({past, n.transpose(fresh, {2, 0, 3, 1, 4})}, 3);
    if (!present)
      return failure();
    spec.k = nth(n, present, 0);
    spec.v = nth(n, present, 1);
  }
  spec.scale = n.f("scale", 0);
  if (failed(applyMasks(n, spec, n.in(3), n.i("unidirectional", 0) != 0, offset, n.in(5))))
    return failure();
  auto y = attention(n, spec);
  if (failed(y))
    return failure();
  if (n.wantsOut(1))
    (void)n.set(1, present ? present : n.concat({n.unsqueeze(spec.k, {0}), n.unsqueeze(spec.v, {0})}, 0));
  return n.set(0, mergeHeads(n, *y));
}

/// [B, S, N, parts, D] packed: part i as [B, N, S, D].
static Value unpackPart(NodeImport &n, Value packed, int64_t i) {
  return n.transpose(n.squeeze(sliceAxis(n, packed, 3, n.num(i), n.num(1)), {3}), {0, 2, 1, 3});
}

/// query, key, value, bias, key_padding_mask, attention_bias, past_key, past_value, ...
LogicalResult importMultiHeadAttention(NodeImport &n) {
  int64_t heads = n.i("num_heads", 0);
  Value query = n.in(0), key = n.in(1), value = n.in(2), bias = n.in(3);
  if (n.hasIn(8) || n.hasIn(9))
    return n.unsupported("MultiHeadAttention with a shared cache buffer");
  if (failed(expectFloat(n, query, "query")) ||
      failed(n.sameElementType({query, key, value, bias, n.in(5), n.in(6), n.in(7)})))
    return failure();
  AttentionSpec spec;
  if (!key) {
    if (failed(expectShape(n, query, {{}, {}, n.num(heads), n.num(3), {}}, "packed query")))
      return failure();
    if (bias)
      return n.unsupported("MultiHeadAttention with packed inputs and a bias");
    spec.q = unpackPart(n, query, 0), spec.k = unpackPart(n, query, 1), spec.v = unpackPart(n, query, 2);
  } else {
    if (failed(expectRank(n, query, 3, 3, "query")))
      return failure();
    AffineExpr hidden = n.dims(query)[2];
    if (bias) {
      // One vector: the biases of q, k and v.
      if (failed(expectRank(n, bias, 1, 1, "bias")))
        return failure();
      query = n.add(query, sliceAxis(n, bias, 0, n.num(0), hidden));
      if (n.rank(key) == 3)
        key = n.add(key, sliceAxis(n, bias, 0, hidden, hidden));
      if (value && n.rank(value) == 3)
        value = n.add(value, sliceAxis(n, bias, 0, hidden * 2, n.dims(value)[2]));
    }
    auto split = [&](Value v, StringRef name) -> FailureOr<Value> {
      if (!v)
        return failure();
      if (n.rank(v) == 4) // a cache of cross attention has its heads apart
        return v;
      return splitHeads(n, v, heads, name);
    };
    auto q = split(query, "query");
    if (failed(q))
      return failure();
    spec.q = *q;
    if (!value) {
      if (failed(expectShape(n, key, {{}, {}, n.num(heads), n.num(2), {}}, "packed key")))
        return failure();
      spec.k = unpackPart(n, key, 0), spec.v = unpackPart(n, key, 1);
    } else {
      auto k = split(key, "key"), v = split(value, "value");
      if (failed(k) || failed(v))
        return failure();
      spec.k = *k, spec.v = *v;
    }
  }
  AffineExpr offset = n.num(0);
  if (n.hasIn(6) && n.hasIn(7)) {
    if (failed(expectRank(n, n.in(6), 4, 4, "past_key")) || failed(expectRank(n, n.in(7), 4, 4, "past_value")))
      return failure();
    offset = n.dims(n.in(6))[2];
    spec.k = n.concat({n.in(6), spec.k}, 2);
    spec.v = n.concat({n.in(7), spec.v}, 2);
  }
  if (!spec.q || !spec.k || !spec.v)
    return failure();
  spec.scale = n.f("scale", 0);
  if (failed(applyMasks(n, spec, n.in(4), n.i("unidirectional", 0) != 0, offset, n.in(5))))
    return failure();
  if (n.wantsOut(3))
    return n.unsupported("MultiHeadAttention with its scores as an output");
  auto y = attention(n, spec);
  if (failed(y))
    return failure();
  (void)n.set(1, spec.k);
  (void)n.set(2, spec.v);
  return n.set(0, mergeHeads(n, *y));
}

/// Rows [B, 1, S, R/2] of a cache for positions [B, S].
static FailureOr<Value> cacheRows(NodeImport &n, Value cache, Value positions, Type elem, StringRef name) {
  if (!cache || !positions || failed(expectRank(n, cache, 2, 2, name)) ||
      failed(expectRank(n, positions, 2, 2, "position_ids")))
    return failure();
  Dims d = n.dims(positions);
  Value rows = make<GatherOp>(n, {d[0], d[1], n.dims(cache)[1]}, n.elem(cache), cache, positions, 0);
  return n.cast(n.unsqueeze(rows, {1}), elem);
}

/// query, key, value, past_key, past_value, seqlens_k, total_sequence_length,
/// cos_cache, sin_cache, position_ids, attention_bias, head_sink. Rows of
/// different lengths (right padding) would need a ragged cache: checked at run time.
LogicalResult importGroupQueryAttention(NodeImport &n) {
  int64_t heads = n.i("num_heads", 0), kvHeads = n.i("kv_num_heads", 0), window = n.i("local_window_size", -1);
  Value query = n.in(0), key = n.in(1), value = n.in(2);
  if (n.hasIn(11) || n.i("smooth_softmax", 0) > 0)
    return n.unsupported("GroupQueryAttention with attention sinks");
  if (!query || failed(n.sameElementType({query, key, value, n.in(3), n.in(4), n.in(10)})) ||
      failed(expectRank(n, query, 3, 3, "query")) || failed(expectFloat(n, query, "query")) ||
      failed(expectRange(n, heads, 1, 1 << 20, "num_heads")) ||
      failed(expectRange(n, kvHeads, 1, 1 << 20, "kv_num_heads")))
    return failure();
  if (!key) {
    // q, k and v side by side in the last dim.
    auto width = staticDim(n, query, 2, "query");
    if (failed(width))
      return failure();
    int64_t size = *width / (heads + 2 * kvHeads);
    Value packed = query;
    query = sliceAxis(n, packed, 2, n.num(0), n.num(heads * size));
    key = sliceAxis(n, packed, 2, n.num(heads * size), n.num(kvHeads * size));
    value = sliceAxis(n, packed, 2, n.num((heads + kvHeads) * size), n.num(kvHeads * size));
  }
  if (!value)
    return n.error("value is missing beside key, want both or none");
  auto q = splitHeads(n, query, heads, "query"), k = splitHeads(n, key, kvHeads, "key"),
       v = splitHeads(n, value, kvHeads, "value");
  if (failed(q) || failed(k) || failed(v))
    return failure();
  AttentionSpec spec;
  spec.q = *q, spec.k = *k, spec.v = *v;
  AffineExpr batch = n.dims(*q)[0], s = n.dims(*q)[2], past = n.num(0);
  if (n.hasIn(3)) {
    if (failed(expectRank(n, n.in(3), 4, 4, "past_key")) || !n.hasIn(4) ||
        failed(expectRank(n, n.in(4), 4, 4, "past_value")))
      return failure();
    past = n.dims(n.in(3))[2];
  }
  Type i64 = n.b.getI64Type();
  if (n.hasIn(5)) {
    // seqlens_k is the last key's index of each row: all must be the full length.
    Value lengths = n.reshape(n.cast(n.in(5), i64), {batch});
    Value ends =
        n.concat({n.reduce(ReduceKind::min, lengths, {0}, true), n.reduce(ReduceKind::max, lengths, {0}, true)}, 0);
    auto found = n.exprs(ends, "seqlens_k", -1);
    if (failed(found))
      return failure();
    for (AffineExpr e : *found) {
      AffineExpr off = simplifyAffineExpr(e + 1 - past - s, 0, n.symbols().size());
      AffineExpr ok = n.symbols().select(off, n.num(0), n.num(1));
      if (ok != n.num(1))
        CheckOp::create(n.b, n.loc, DimsAttr::get(n.b.getContext(), {ok}),
                        "GroupQueryAttention: seqlens_k is not past + sequence length - 1 (padded rows)");
    }
  }
  if (n.i("do_rotary", 0)) {
    Value at =
        n.hasIn(9) ? n.cast(n.in(9), i64) : n.add(make<IotaOp>(n, {n.num(1), s}, i64, 1), n.exprScalar(i64, past));
    Type elem = n.elem(spec.q);
    if (!at || failed(expectRank(n, at, 2, 2, "position_ids")))
      return failure();
    auto cos = cacheRows(n, n.in(7), at, elem, "cos_cache"), sin = cacheRows(n, n.in(8), at, elem, "sin_cache");
    if (failed(cos) || failed(sin))
      return n.error("do_rotary without cos_cache and sin_cache of rank 2");
    auto half = staticDim(n, *cos, 3, "cos_cache");
    if (failed(half))
      return failure();
    bool interleaved = n.i("rotary_interleaved", 0) != 0;
    spec.q = rotate(n, spec.q, *cos, *sin, 2 * *half, interleaved);
    spec.k = rotate(n, spec.k, *cos, *sin, 2 * *half, interleaved);
  }
  if (n.hasIn(3)) {
    spec.k = n.concat({n.in(3), spec.k}, 2);
    spec.v = n.concat({n.in(4), spec.v}, 2);
  }
  if (!spec.q || !spec.k || !spec.v)
    return failure();
  spec.scale = n.f("scale", 0);
  spec.softcap = n.f("softcap", 0);
  spec.allowed = causalMask(n, s, n.dims(spec.k)[2], past, window > 0 ? window - 1 : -1);
  spec.bias = n.in(10);
  auto y = attention(n, spec);
  if (failed(y))
    return failure();
  (void)n.set(1, spec.k);
  (void)n.set(2, spec.v);
  if (n.wantsOut(3))
    return n.unsupported("GroupQueryAttention with its scores as an output");
  return n.set(0, mergeHeads(n, *y));
}

/// input, position_ids ([1] or [B, S]), cos_cache, sin_cache.
LogicalResult importMsRotaryEmbedding(NodeImport &n) {
  Value x = n.in(0), ids = n.in(1);
  if (n.i("is_packed_batching", 0))
    return n.unsupported("RotaryEmbedding with packed batches");
  if (failed(expectRank(n, x, 3, 4, "input")) || failed(expectRank(n, n.in(2), 2, 2, "cos_cache")) ||
      failed(expectRank(n, ids, 1, 2, "position_ids")) || failed(expectInteger(n, ids, "position_ids")))
    return failure();
  auto half = staticDim(n, n.in(2), 1, "cos_cache");
  if (failed(half))
    return failure();
  bool flat = n.rank(x) == 3;
  int64_t heads = n.i("num_heads", 0), rotary = 2 * *half;
  if (flat && heads == 0) {
    auto hidden = staticDim(n, x, 2, "input");
    if (failed(hidden))
      return failure();
    if (rotary == 0 || *hidden % rotary != 0)
      return n.error("input has hidden size " + Twine(*hidden) + ", want a multiple of " + Twine(rotary));
    heads = *hidden / rotary;
  }
  FailureOr<Value> split = x;
  if (flat)
    split = splitHeads(n, x, heads, "input");
  if (failed(split))
    return failure();
  auto headSize = staticDim(n, *split, 3, "input");
  if (failed(headSize) || failed(expectRange(n, rotary, 2, *headSize, "width of the caches")))
    return failure();
  Type i64 = n.b.getI64Type();
  Value at = n.cast(ids, i64);
  if (n.rank(ids) == 1) // one start for all rows
    at = n.add(make<IotaOp>(n, {n.num(1), n.dims(*split)[2]}, i64, 1), n.reshape(at, {}));
  auto cos = cacheRows(n, n.in(2), at, n.elem(x), "cos_cache"), sin = cacheRows(n, n.in(3), at, n.elem(x), "sin_cache");
  if (failed(cos) || failed(sin))
    return failure();
  Value y = rotate(n, *split, *cos, *sin, rotary, n.i("interleaved", 0) != 0);
  if (double scale = n.f("scale", 1.0); scale != 1.0)
    y = n.mul(y, like(n, y, scale));
  return n.set(0, flat ? mergeHeads(n, y) : y);
}

} // namespace smelt::onnx
