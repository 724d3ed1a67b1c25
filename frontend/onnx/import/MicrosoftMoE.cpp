//===- MicrosoftMoE.cpp - Mixtures of experts of com.microsoft --------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// MoE and QMoE as ONNX Runtime defines them. Each token goes through the k
// experts with the largest router values only: the rows of all tokens' slots are
// sorted by expert, each expert multiplies its own range of rows (which may be
// empty), and the results return to their slots, weighted.
//
//   x [T, H], router [T, E] -> rows [T * k, H] sorted by expert
//   expert e: act(rows[begin_e : begin_e+1] * fc1_e^T) * fc2_e^T
//   y [T, H] = sum over the slots of weight [T, k] * rows back at their slots
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Microsoft.h"

using namespace mlir;

namespace smelt::onnx {

namespace {

/// One projection of every expert: a weight [E, N, K] in float, or its packed
/// codes with scales and zero points, and a bias [E, N] or none.
struct Projection {
  Value weight, bias, scales, zeros;
  StringRef name;
  int64_t experts = 0, rows = 0, cols = 0; // E, N, K
  int64_t bits = 0, block = 0;             // 0 bits: in float
};

enum class Activation { Relu, Gelu, Silu, Identity, SwiGLU };

/// Tokens' slots in the order of their experts.
struct Dispatch {
  Value rows;                     // [T * k, H]
  Value back;                     // i64 [T * k]: where a slot's row stands
  SmallVector<AffineExpr> begin;  // per expert, the first of its rows
  SmallVector<AffineExpr> length; // and their number
  AffineExpr tokens;
};

} // namespace

static Value indicesOf(NodeImport &n, Value x, int64_t axis, AffineExpr count, bool largest, Value *values = nullptr) {
  Dims dims = n.dims(x);
  dims[axis] = count;
  auto op = TopKOp::create(n.b, n.loc, getTensorType(dims, n.elem(x)), getTensorType(dims, n.b.getI64Type()), x, axis,
                           largest, /*sorted=*/true);
  if (values)
    *values = op.getValues();
  return op.getIndices();
}

/// Sorts the slots of `experts` [T, k] by their expert, stably.
static FailureOr<Dispatch> dispatch(NodeImport &n, Value x, Value experts, int64_t numExperts, int64_t k) {
  Type i64 = n.b.getI64Type();
  Dispatch d;
  d.tokens = n.dims(x)[0];
  AffineExpr slots = d.tokens * k;
  Value flat = n.reshape(experts, {slots});
  Value order = indicesOf(n, flat, 0, slots, /*largest=*/false);
  d.back = indicesOf(n, order, 0, slots, /*largest=*/false);
  Value token = n.div(order, n.scalar(i64, double(k)));
  d.rows = make<GatherOp>(n, {slots, n.dims(x)[1]}, n.elem(x), x, token, 0);
  // begin_e = the slots whose expert is below e, for e up to E.
  Value below = n.cmp(CmpKind::lt, n.reshape(flat, {slots, n.num(1)}), n.iota(i64, {n.num(1), n.num(numExperts)}, 1));
  Value counts = below ? n.reduce(ReduceKind::sum, n.cast(below, i64), {0}, false) : Value();
  if (!counts || !d.rows)
    return failure();
  auto begins = n.exprs(counts, n.node.label() + ".begin");
  if (failed(begins))
    return failure();
  d.begin = *begins;
  for (int64_t e = 0; e < numExperts; ++e) {
    AffineExpr end = e + 1 < numExperts ? d.begin[e + 1] : slots;
    d.length.push_back(n.symbols().max(end - d.begin[e], n.num(0)));
  }
  return d;
}

/// Rows x [m, K] by the projection's weight of expert e, and its bias.
static FailureOr<Value> project(NodeImport &n, const Projection &p, Value x, int64_t e) {
  Value w = p.weight;
  auto expert = [&](Value all) -> Value {
    if (!all)
      return {};
    Value one = sliceAxis(n, all, 0, n.num(e), n.num(1));
    return one ? n.squeeze(one, {0}) : Value();
  };
  if (p.bits == 0) {
    w = expert(w);
  } else {
    PackedMatrix packed{p.weight, p.scales,  p.zeros,     p.rows, p.cols, p.block ? p.block : p.cols,
                        p.bits,   p.experts, p.block == 0};
    auto decoded = unpackMatrix(n, packed, e, p.name);
    if (failed(decoded))
      return failure();
    w = *decoded;
  }
  auto y = matmul(n, x, n.cast(w, n.elem(x)), n.elem(x), false, /*transposeRhs=*/true);
  if (failed(y))
    return failure();
  return p.bias ? n.add(*y, expert(p.bias)) : *y;
}

/// Every second column, from `first` on, of [m, 2 * width].
static Value everySecond(NodeImport &n, Value x, int64_t first, int64_t width) {
  return sliceAxis(n, x, 1, n.num(first), n.num(width), 2);
}

/// ONNX Runtime's SwiGLU: gate * sigmoid(alpha * gate) * (linear + beta), both clamped.
static Value swiglu(NodeImport &n, Value gate, Value linear) {
  if (!gate || !linear)
    return {};
  if (n.has("swiglu_limit")) {
    double limit = n.f("swiglu_limit", 0);
    gate = n.min(gate, like(n, gate, limit));
    linear = clamp(n, linear, -limit, limit);
  }
  Value s = unary<SigmoidOp>(n, n.mul(gate, like(n, gate, n.f("activation_alpha", 1.0))));
  return n.mul(n.mul(gate, s), n.add(linear, like(n, linear, n.f("activation_beta", 0.0))));
}

static Value activate(NodeImport &n, Activation kind, Value x) {
  switch (kind) {
  case Activation::Relu: return n.max(x, like(n, x, 0));
  case Activation::Gelu: return geluTanh(n, x);
  case Activation::Silu: return n.mul(x, unary<SigmoidOp>(n, x));
  case Activation::Identity:
  case Activation::SwiGLU: return x;
  }
  llvm_unreachable("an activation");
}

/// act(x * fc1) * fc2 of one expert.
static FailureOr<Value> runExpert(NodeImport &n, Activation kind, ArrayRef<Projection> fc, int64_t fusion, Value x,
                                  int64_t e) {
  auto h = project(n, fc[0], x, e);
  if (failed(h))
    return failure();
  FailureOr<Value> linear = Value();
  if (fc[2].weight)
    linear = project(n, fc[2], x, e);
  if (failed(linear))
    return failure();
  int64_t width = fc[1].cols;
  Value y;
  if (kind == Activation::SwiGLU) {
    Value gate = fusion == 0   ? *h
                 : fusion == 1 ? everySecond(n, *h, 0, width)
                               : sliceAxis(n, *h, 1, n.num(0), n.num(width));
    Value up = fusion == 0   ? *linear
               : fusion == 1 ? everySecond(n, *h, 1, width)
                             : sliceAxis(n, *h, 1, n.num(width), n.num(width));
    y = swiglu(n, gate, up);
  } else {
    y = activate(n, kind, *h);
    if (*linear)
      y = n.mul(y, *linear);
  }
  if (!y)
    return failure();
  return project(n, fc[1], y, e);
}

/// What MoE and QMoE share once the projections and the slots' weights are known.
static LogicalResult mixture(NodeImport &n, MutableArrayRef<Projection> fc, Value mix, bool normalize) {
  Value x = n.in(0), router = n.in(1);
  if (n.i("use_sparse_mixer", 0))
    return n.unsupported("use_sparse_mixer");
  if (n.i("swiglu_limit_after_activation", 0))
    return n.unsupported("swiglu_limit_after_activation");
  std::string name = n.s("activation_type", "relu");
  auto kind = llvm::StringSwitch<std::optional<Activation>>(name)
                  .Case("relu", Activation::Relu)
                  .Case("gelu", Activation::Gelu)
                  .Case("silu", Activation::Silu)
                  .Case("identity", Activation::Identity)
                  .Case("swiglu", Activation::SwiGLU)
                  .Default(std::nullopt);
  if (!kind)
    return n.unsupported("activation_type '" + Twine(name) + "'");
  int64_t fusion = n.i("swiglu_fusion", 0);
  if (failed(expectRange(n, fusion, 0, 2, "swiglu_fusion")))
    return failure();
  bool fused = *kind == Activation::SwiGLU && fusion != 0;
  if (*kind == Activation::SwiGLU && fused == bool(fc[2].weight))
    return n.error(fused ? "swiglu that is fused, and a weight of fc3"
                         : "swiglu that is not fused without a weight of fc3");
  if (failed(expectRank(n, x, 2, 3, "input")) || failed(expectRank(n, router, 2, 2, "router_probs")) ||
      failed(expectFloat(n, x, "input")) || failed(n.sameElementType({x, router, mix})))
    return failure();
  auto experts = staticDim(n, router, 1, "router_probs");
  auto hidden = staticDim(n, x, n.rank(x) - 1, "input");
  if (failed(experts) || failed(hidden))
    return failure();
  constexpr int64_t maxExperts = 1024; // each has kernels of its own
  if (*experts > maxExperts)
    return n.unsupported(Twine(*experts) + " experts, want " + Twine(maxExperts) + " at most");
  int64_t k = n.i("k", 1), inner = fc[1].cols;
  if (failed(expectRange(n, k, 1, *experts, "k")))
    return failure();
  for (auto [i, p] : llvm::enumerate(fc)) {
    if (!p.weight)
      continue;
    int64_t rows = i == 1 ? *hidden : i == 0 && fused ? 2 * inner : inner, cols = i == 1 ? inner : *hidden;
    if (p.experts != *experts || p.rows != rows || p.cols != cols)
      return n.error(Twine(p.name) + " has the shape [" + Twine(p.experts) + ", " + Twine(p.rows) + ", " +
                     Twine(p.cols) + "], want [" + Twine(*experts) + ", " + Twine(rows) + ", " + Twine(cols) + "]");
    AffineExpr blocks = p.bits && p.block ? n.num(cols / p.block) : AffineExpr();
    Dims scales = {n.num(*experts), n.num(rows)};
    if (blocks)
      scales.push_back(blocks);
    if ((p.bias && failed(expectShape(n, p.bias, {n.num(*experts), n.num(rows)}, "the bias of " + p.name.str()))) ||
        (p.scales && failed(expectShape(n, p.scales, scales, "the scales of " + p.name.str()))))
      return failure();
  }

  Dims outer = n.dims(x);
  AffineExpr tokens = n.rank(x) == 3 ? outer[0] * outer[1] : outer[0];
  if (failed(expectShape(n, router, {tokens, n.num(*experts)}, "router_probs")) ||
      (mix && failed(expectShape(n, mix, {tokens, n.num(*experts)}, "router_weights"))))
    return failure();
  Value rows = n.reshape(x, {tokens, n.num(*hidden)});
  router = n.rebind(router, {tokens, n.num(*experts)});
  Value best, chosen = indicesOf(n, router, 1, n.num(k), /*largest=*/true, &best);
  Value weight;
  if (mix) {
    weight = make<GatherElementsOp>(n, {tokens, n.num(k)}, n.elem(mix), n.rebind(mix, n.dims(router)), chosen, 1);
    if (weight && normalize)
      weight = n.div(weight, n.reduce(ReduceKind::sum, weight, {1}, true));
  } else if (normalize) {
    weight = n.softmax(best, {1}); // a softmax over all, made to sum to 1 over the chosen
  } else {
    weight = make<GatherElementsOp>(n, {tokens, n.num(k)}, n.elem(router), n.softmax(router, {1}), chosen, 1);
  }
  if (!weight)
    return failure();
  auto d = dispatch(n, rows, chosen, *experts, k);
  if (failed(d))
    return failure();
  SmallVector<Value> results;
  for (int64_t e = 0; e < *experts; ++e) {
    auto y = runExpert(n, *kind, fc, fusion, sliceAxis(n, d->rows, 0, d->begin[e], d->length[e]), e);
    if (failed(y))
      return failure();
    results.push_back(*y);
  }
  Value all = n.concat(results, 0);
  if (!all)
    return failure();
  Value slots = make<GatherOp>(n, {tokens * k, n.num(*hidden)}, n.elem(x), all, d->back, 0);
  if (!slots)
    return failure();
  Value y =
      n.mul(n.reshape(slots, {tokens, n.num(k), n.num(*hidden)}), n.reshape(weight, {tokens, n.num(k), n.num(1)}));
  return n.set(0, y ? n.reshape(n.reduce(ReduceKind::sum, y, {1}, false), outer) : Value());
}

/// input, router_probs, fc1 weights and bias, fc2 weights and bias, fc3 weights and bias.
LogicalResult importMoE(NodeImport &n) {
  if (failed(requireInputs(n, {1, 2, 4})))
    return failure();
  Projection fc[3] = {
      {n.in(2), n.in(3), {}, {}, "fc1"}, {n.in(4), n.in(5), {}, {}, "fc2"}, {n.in(6), n.in(7), {}, {}, "fc3"}};
  for (Projection &p : fc) {
    if (!p.weight)
      continue;
    if (failed(expectRank(n, p.weight, 3, 3, p.name)) || failed(n.sameElementType({n.in(0), p.weight, p.bias})))
      return failure();
    auto experts = staticDim(n, p.weight, 0, p.name), rows = staticDim(n, p.weight, 1, p.name),
         cols = staticDim(n, p.weight, 2, p.name);
    if (failed(experts) || failed(rows) || failed(cols))
      return failure();
    p.experts = *experts, p.rows = *rows, p.cols = *cols;
  }
  return mixture(n, fc, {}, n.i("normalize_routing_weights", 0) != 0);
}

/// The same with weights of few bits: per projection codes, scales and bias, then
/// the zero points, then router_weights. ONNX Runtime's CPU provider makes the
/// weights of the chosen experts sum to 1 whatever normalize_routing_weights says,
/// unless router_weights gives them.
LogicalResult importQMoE(NodeImport &n) {
  if (std::string type = n.s("quant_type", "int"); type != "int")
    return n.unsupported("quant_type '" + Twine(type) + "'");
  if (failed(requireInputs(n, {1, 2, 3, 5, 6})))
    return failure();
  Projection fc[3] = {{n.in(2), n.in(4), n.in(3), n.in(11), "fc1"},
                      {n.in(5), n.in(7), n.in(6), n.in(12), "fc2"},
                      {n.in(8), n.in(10), n.in(9), n.in(13), "fc3"}};
  for (size_t i : {15, 16, 17, 18, 19, 20})
    if (n.hasIn(i))
      return n.unsupported("a global scale or the scale of an activation");
  int64_t all = n.i("expert_weight_bits", 4), block = n.has("block_size") ? n.i("block_size", 0) : 0;
  for (Projection &p : fc) {
    if (!p.weight)
      continue;
    p.bits = n.i(p.name.str() + "_expert_weight_bits", all), p.block = block;
    if (p.bits != 2 && p.bits != 3 && p.bits != 4 && p.bits != 8)
      return n.error("weights of " + Twine(p.bits) + " bits, want 2, 3, 4 or 8");
    if (!p.scales)
      return n.error("the scales of " + Twine(p.name) + " are missing");
    if (failed(expectRank(n, p.weight, 3, 3, p.name)) ||
        failed(expectRank(n, p.scales, block ? 3 : 2, block ? 3 : 2, "the scales of " + p.name.str())) ||
        failed(expectFloat(n, p.scales, "the scales of " + p.name.str())))
      return failure();
    auto experts = staticDim(n, p.weight, 0, p.name), rows = staticDim(n, p.weight, 1, p.name),
         bytes = staticDim(n, p.weight, 2, p.name);
    if (failed(experts) || failed(rows) || failed(bytes))
      return failure();
    p.experts = *experts, p.rows = *rows, p.cols = *bytes * 8 / p.bits;
    if (block && (block < 16 || p.cols % block != 0))
      return n.error("block_size is " + Twine(block) + ", want 16 or more and a divisor of " + Twine(p.cols));
  }
  return mixture(n, fc, n.in(14), !n.hasIn(14) || n.i("normalize_routing_weights", 0) != 0);
}

} // namespace smelt::onnx
