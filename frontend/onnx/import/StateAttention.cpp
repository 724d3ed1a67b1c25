//===- StateAttention.cpp - LinearAttention, FlexAttention ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   LinearAttention(q, k, v, past) -> smelt.loop over the tokens, the state carried
//   FlexAttention(q, k, v) { score_mod } -> softmax(score_mod(q k^T * scale)) v
//
// A token of linear attention is an outer product added to the state and a product
// of it with the query; FlexAttention's modifiers are imported where they apply.
// Tests: the backend suite.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Compose.h"
#include "frontend/onnx/import/Graph.h"
#include <cmath>

using namespace mlir;

namespace smelt::onnx {

namespace {

/// Token t of [B, T, H * D] packed, as [B, H, D].
Value tokenOf(NodeImport &n, Value packed, AffineExpr t, ArrayRef<AffineExpr> heads) {
  Dims d = n.dims(packed), sizes = d, starts(3, n.num(0));
  sizes[1] = n.num(1);
  starts[1] = t;
  Dims to = {d[0]};
  to.append(heads.begin(), heads.end());
  return n.reshape(n.slice(packed, starts, sizes), to);
}

LogicalResult importLinearAttention(NodeImport &n) {
  Value q = n.in(0), k = n.in(1), v = n.in(2), past = n.in(3), decay = n.in(4), beta = n.in(5);
  for (auto [x, name] : {std::pair(q, "query"), {k, "key"}, {v, "value"}})
    if (failed(expectRank(n, x, 3, 3, name)) || failed(expectFloat(n, x, name)))
      return failure();
  std::string rule = n.s("update_rule", "gated_delta");
  bool isGated = rule == "gated" || rule == "gated_delta", isDelta = rule == "delta" || rule == "gated_delta";
  if (!isGated && !isDelta && rule != "linear")
    return n.error("update_rule is '" + rule + "', want linear, gated, delta or gated_delta");
  if (isGated != bool(decay) || isDelta != bool(beta))
    return n.error("update_rule " + rule + (isGated ? " needs" : " has no") + " decay and" + (isDelta ? " needs" : " has no") + " beta");
  int64_t queryHeads = n.i("q_num_heads", 0), heads = n.i("kv_num_heads", 0);
  if (heads < 1 || queryHeads < heads || queryHeads % heads)
    return n.error("q_num_heads must be a positive multiple of kv_num_heads");
  auto width = staticDim(n, q, 2, "query"), valueWidth = staticDim(n, v, 2, "value");
  if (failed(width) || failed(valueWidth))
    return failure();
  if (*width % queryHeads || *valueWidth % heads)
    return n.error("the last dims of query and value are no multiples of the heads", "onnx.shape-mismatch");
  int64_t dk = *width / queryHeads, dv = *valueWidth / heads, group = queryHeads / heads;
  Dims qd = n.dims(q);
  AffineExpr batch = qd[0], tokens = qd[1];
  if (failed(expectShape(n, k, {batch, tokens, n.num(heads * dk)}, "key")) || failed(expectShape(n, v, {batch, tokens, {}}, "value")))
    return failure();
  int64_t decayWidth = 0, betaWidth = 0;
  if (decay) {
    auto last = staticDim(n, decay, 2, "decay");
    if (failed(expectRank(n, decay, 3, 3, "decay")) || failed(last))
      return failure();
    decayWidth = *last / heads;
    if (*last != heads && *last != heads * dk)
      return n.error("decay has " + Twine(*last) + " columns, want one a head or one a key's element", "onnx.shape-mismatch");
  }
  if (beta) {
    auto last = staticDim(n, beta, 2, "beta");
    if (failed(expectRank(n, beta, 3, 3, "beta")) || failed(last))
      return failure();
    betaWidth = *last;
    if (betaWidth != heads && betaWidth != 1)
      return n.error("beta has " + Twine(betaWidth) + " columns, want one a head or one", "onnx.shape-mismatch");
  }
  Type f32 = n.b.getF32Type(), stateType = past ? n.elem(past) : n.elem(q);
  Dims stateDims = {batch, n.num(heads), n.num(dk), n.num(dv)};
  if (past && failed(expectShape(n, past, stateDims, "past_state")))
    return failure();
  Value state = past ? n.cast(n.rebind(past, stateDims), f32) : n.broadcast(n.scalar(f32, 0), stateDims);
  double scale = n.f("scale", 0);
  if (scale == 0)
    scale = 1 / std::sqrt(double(dk));

  Importer::LoopSpec spec{n.node, tokens, {}, {state}};
  auto results = n.importer.buildLoop(
      spec, n.b, [&](OpBuilder &inner, AffineExpr t, ValueRange carried) -> FailureOr<Importer::LoopPass> {
        NodeImport body(n.importer, n.node, {q, k, v, past, decay, beta}, inner, n.loc);
        auto num = [&](int64_t x) { return body.num(x); };
        Value s = carried[0];
        Value kt = body.cast(tokenOf(body, k, t, {num(heads), num(dk), num(1)}), f32);
        Value vt = body.cast(tokenOf(body, v, t, {num(heads), num(1), num(dv)}), f32);
        Value qt = body.cast(tokenOf(body, q, t, {num(heads), num(group), num(dk)}), f32);
        if (isGated)
          s = body.mul(unary<ExpOp>(body, body.cast(tokenOf(body, decay, t, {num(heads), num(decayWidth), num(1)}), f32)), s);
        if (isDelta) {
          Value seen = body.reduce(ReduceKind::sum, body.mul(kt, s), {2}, true); // S^T k as a row
          vt = body.mul(body.cast(tokenOf(body, beta, t, {num(betaWidth), num(1), num(1)}), f32), body.sub(vt, seen));
        }
        s = body.add(s, body.mul(kt, vt));
        Value out = body.mul(body.matmul(qt, s), body.scalar(f32, scale));
        if (!s || !out)
          return failure();
        return Importer::LoopPass{{}, {s}, {out}};
      });
  if (failed(results))
    return failure();
  // [T, B, H, group, dv]
  Value out = n.transpose((*results)[1], {1, 0, 2, 3, 4});
  (void)n.set(1, n.cast((*results)[0], stateType));
  return n.set(0, n.cast(n.reshape(out, {batch, tokens, n.num(queryHeads * dv)}), n.elem(q)));
}

/// The output of a modifier, which keeps type and shape.
FailureOr<Value> modified(NodeImport &n, StringRef name, Value x) {
  const Attribute *attribute = n.attribute(name);
  if (!attribute)
    return x;
  const Graph *graph = attribute->kind == AttrKind::Graph ? attribute->graph : nullptr;
  if (!graph || graph->inputs.size() != 1 || graph->outputs.size() != 1)
    return n.error("attribute '" + name + "' must be a graph of one input and one output");
  Env *own = n.importer.newEnv(n.importer.nodeEnv);
  if (failed(n.importer.initializers(*graph, *own, n.b)))
    return failure();
  own->values[ref(graph->inputs[0].name)] = x;
  auto out = n.importer.walk({Frame{graph, 0, own, nullptr}}, n.b);
  if (failed(out))
    return failure();
  auto type = dyn_cast<RankedTensorType>((*out)[0].getType());
  if (!type || type.getElementType() != n.elem(x) || type.getRank() != n.rank(x))
    return n.error("the graph '" + name + "' changes its input's type or rank");
  return n.rebind((*out)[0], n.dims(x));
}

LogicalResult importFlexAttention(NodeImport &n) {
  Value q = n.in(0), k = n.in(1), v = n.in(2);
  for (auto [x, name] : {std::pair(q, "Q"), {k, "K"}, {v, "V"}})
    if (failed(expectRank(n, x, 4, 4, name)) || failed(expectFloat(n, x, name)))
      return failure();
  auto queryHeads = staticDim(n, q, 1, "Q"), heads = staticDim(n, k, 1, "K"), width = staticDim(n, q, 3, "Q");
  if (failed(queryHeads) || failed(heads) || failed(width))
    return failure();
  if (*heads < 1 || *queryHeads % *heads)
    return n.error(Twine(*queryHeads) + " heads of Q, want a multiple of the " + Twine(*heads) + " of K", "onnx.shape-mismatch");
  Type type = n.elem(q), work = type.isF64() ? type : Type(n.b.getF32Type());
  if (n.has("softmax_precision") && !(work = n.dtype(DType(n.i("softmax_precision", 1)))))
    return failure();
  if (!isa<FloatType>(work))
    return n.error("softmax_precision is not a type of floats");
  Dims qd = n.dims(q), kd = n.dims(k), vd = n.dims(v);
  int64_t group = *queryHeads / *heads;
  auto grouped = [&](Value x, const Dims &d) { // [B, Hkv, G, S, D]
    return n.reshape(n.cast(x, work), {d[0], n.num(*heads), n.num(x == q ? group : 1), d[2], d[3]});
  };
  Value scores = n.matmul(grouped(q, qd), grouped(k, kd), false, true);
  double scale = n.has("scale") ? n.f("scale", 0) : 1 / std::sqrt(double(*width));
  Dims flat = {qd[0], qd[1], qd[2], kd[2]};
  scores = n.reshape(n.mul(scores, n.scalar(work, scale)), flat);
  if (!scores)
    return failure();
  auto changed = modified(n, "score_mod", scores);
  if (failed(changed))
    return failure();
  auto probabilities = modified(n, "prob_mod", n.softmax(*changed, {3}));
  if (failed(probabilities))
    return failure();
  Value y = n.matmul(n.reshape(*probabilities, {qd[0], n.num(*heads), n.num(group), qd[2], kd[2]}), grouped(v, vd));
  return n.set(0, n.cast(n.reshape(y, {qd[0], qd[1], qd[2], vd[3]}), type));
}

} // namespace

ArrayRef<OpRow> stateAttentionOps() {
  static const OpRow rows[] = {
      {"", "LinearAttention", 27, 3, 6, importLinearAttention},
      {"ai.onnx.preview", "FlexAttention", 1, 3, 3, importFlexAttention},
  };
  return rows;
}

} // namespace smelt::onnx
