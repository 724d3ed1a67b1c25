//===- Recurrent.cpp - RNN, GRU, LSTM ---------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A direction is one matmul with all steps (x Wᵀ + Wb + Rb) and one
// smelt.recurrent, which walks the steps with the recurrent weights alone; two
// directions are two of them side by side. Layout 1 is transposed around it.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Compose.h"

using namespace mlir;

namespace smelt::onnx {

namespace {
/// What RNN, GRU and LSTM differ in.
struct Cell {
  CellKind kind;
  int64_t gates;
  ArrayRef<StringRef> activations; // defaults, for one direction
};

/// One layer, read from the node; weights still carry the direction in front.
struct Layer {
  Cell cell;
  Value x;       // [T, B, I]
  Value lengths; // [B] or null
  Value h0, c0;  // [D, B, H] or null
  AffineExpr steps, batch;
  int64_t hidden = 0, directions = 1;
  bool linearBeforeReset = false, inputForget = false;
  double clip = 0;
  std::vector<std::string> activations; // per direction, one after another
  SmallVector<double> alpha, beta;
};
} // namespace

/// Slice `dir` of a tensor with the directions in front, without that dim.
static Value ofDirection(NodeImport &n, Value v, int64_t dir) {
  if (!v)
    return {};
  return n.squeeze(sliceAxis(n, v, 0, n.num(dir), n.num(1)), {0});
}

static Value part(NodeImport &n, Value vector, int64_t from, int64_t size) {
  return sliceAxis(n, vector, n.rank(vector) - 1, n.num(from), n.num(size));
}

/// Activation functions with their default parameters (ONNX operators' text).
static LogicalResult readActivations(NodeImport &n, Layer &layer) {
  struct Known {
    StringLiteral name;
    double alpha, beta;
    int parameters;
  };
  static constexpr Known known[] = {
      {"Relu", 0, 0, 0},         {"Tanh", 0, 0, 0},
      {"Sigmoid", 0, 0, 0},      {"Affine", 1, 0, 2},
      {"LeakyRelu", 0.01, 0, 1}, {"ThresholdedRelu", 1, 0, 1},
      {"ScaledTanh", 1, 1, 2},   {"HardSigmoid", 0.2, 0.5, 2},
      {"Elu", 1, 0, 1},          {"Softsign", 0, 0, 0},
      {"Softplus", 0, 0, 0},
  };
  size_t want = layer.cell.activations.size() * layer.directions;
  std::vector<std::string> names = n.strings("activations");
  if (names.empty())
    for (int64_t d = 0; d < layer.directions; ++d)
      for (StringRef name : layer.cell.activations)
        names.push_back(name.str());
  if (names.size() != want)
    return n.error("activations has " + Twine(names.size()) + " entries, want " + Twine(want));
  SmallVector<double> alpha = n.floats("activation_alpha"), beta = n.floats("activation_beta");
  size_t nextAlpha = 0, nextBeta = 0;
  for (const std::string &name : names) {
    const Known *found = llvm::find_if(known, [&](const Known &k) { return k.name.equals_insensitive(name); });
    if (found == std::end(known))
      return n.unsupported("activation '" + name + "'");
    layer.activations.push_back(found->name.str());
    // Parameters are listed for the functions that have them, in order.
    bool takesAlpha = found->parameters >= 1 && nextAlpha < alpha.size();
    bool takesBeta = found->parameters >= 2 && nextBeta < beta.size();
    layer.alpha.push_back(takesAlpha ? alpha[nextAlpha++] : found->alpha);
    layer.beta.push_back(takesBeta ? beta[nextBeta++] : found->beta);
  }
  return success();
}

/// Results of one direction: y [T, B, H], hT and cT [B, H].
static FailureOr<std::array<Value, 3>> runDirection(NodeImport &n, const Layer &layer, int64_t dir, bool reverse) {
  int64_t h = layer.hidden, g = layer.cell.gates;
  bool isLstm = layer.cell.kind == CellKind::lstm;
  // The hidden size is static, and names the weights' sizes where the model leaves them open.
  auto sized = [&](size_t input, Dims dims) {
    Value value = ofDirection(n, n.in(input), dir);
    return value ? n.rebind(value, dims) : value;
  };
  AffineExpr gates = n.num(layer.cell.gates * layer.hidden), hidden = n.num(layer.hidden);
  Value w = sized(1, {gates, n.dims(layer.x)[2]}), r = sized(2, {gates, hidden}), bias = sized(3, {gates * 2});
  auto projected = matmul(n, layer.x, w, n.elem(layer.x), false, /*transposeRhs=*/true);
  if (failed(projected))
    return failure();
  Value x = *projected, rbias;
  if (bias) {
    Value wb = part(n, bias, 0, g * h), rb = part(n, bias, g * h, g * h);
    if (layer.linearBeforeReset) {
      // The reset gate scales h Rᵀ + Rb of the last gate: that Rb stays inside.
      rbias = part(n, rb, 2 * h, h);
      rb = n.concat({part(n, rb, 0, 2 * h), n.broadcast(like(n, rb, 0.0), {n.num(h)})}, 0);
    }
    x = n.add(x, n.add(wb, rb));
  }
  Dims state = {layer.batch, n.num(h)};
  Value zero;
  auto initial = [&](Value states) {
    if (Value given = ofDirection(n, states, dir))
      return n.rebind(given, state);
    if (!zero)
      zero = n.broadcast(like(n, x, 0.0), state);
    return zero;
  };
  Value h0 = initial(layer.h0), c0 = isLstm ? initial(layer.c0) : Value();
  Value peephole = isLstm ? sized(7, {hidden * 3}) : Value();
  if (!x || !h0)
    return failure();
  size_t count = layer.cell.activations.size();
  SmallVector<StringRef> names;
  for (size_t i = 0; i < count; ++i)
    names.push_back(layer.activations[dir * count + i]);
  Type elem = n.elem(x);
  Dims all = {layer.steps, layer.batch, n.num(h)};
  auto op = RecurrentOp::create(
      n.b, n.loc, getTensorType(all, elem), getTensorType(state, elem), getTensorType(state, elem), x, r, h0, c0, rbias,
      peephole, layer.lengths, layer.cell.kind, reverse, n.b.getStrArrayAttr(names),
      ArrayRef<double>(layer.alpha).slice(dir * count, count), ArrayRef<double>(layer.beta).slice(dir * count, count),
      llvm::APFloat(layer.clip), layer.linearBeforeReset, layer.inputForget);
  return std::array<Value, 3>{op.getY(), op.getHT(), op.getCT()};
}

/// Checks of the weights' shapes against the hidden size and directions.
static LogicalResult checkInputs(NodeImport &n, const Layer &layer) {
  AffineExpr d = n.num(layer.directions), h = n.num(layer.hidden), gh = n.num(layer.cell.gates * layer.hidden);
  if (failed(expectShape(n, n.in(1), {d, gh, n.dims(layer.x)[2]}, "W")) ||
      failed(expectShape(n, n.in(2), {d, gh, h}, "R")) ||
      failed(n.sameElementType({layer.x, n.in(1), n.in(2), n.in(3), n.in(5), n.in(6), n.in(7)})))
    return failure();
  if (n.hasIn(3) && failed(expectShape(n, n.in(3), {d, n.num(2 * layer.cell.gates * layer.hidden)}, "B")))
    return failure();
  if (n.hasIn(4) && (failed(expectShape(n, n.in(4), {layer.batch}, "sequence_lens")) ||
                     failed(expectInteger(n, n.in(4), "sequence_lens"))))
    return failure();
  for (auto [state, name] : {std::pair(layer.h0, "initial_h"), std::pair(layer.c0, "initial_c")})
    if (state && failed(expectShape(n, state, {d, layer.batch, h}, name)))
      return failure();
  if (n.hasIn(7) && failed(expectShape(n, n.in(7), {d, n.num(3 * layer.hidden)}, "P")))
    return failure();
  return success();
}

static LogicalResult importRecurrent(NodeImport &n, Cell cell) {
  Layer layer;
  layer.cell = cell;
  Value x = n.in(0);
  if (failed(expectRank(n, x, 3, 3, "X")) || failed(expectFloat(n, x, "X")) ||
      failed(expectRank(n, n.in(1), 3, 3, "W")) || failed(expectRank(n, n.in(2), 3, 3, "R")))
    return failure();
  bool batchFirst = n.i("layout", 0) != 0;
  layer.x = batchFirst ? n.transpose(x, {1, 0, 2}) : x;
  layer.steps = n.dims(layer.x)[0];
  layer.batch = n.dims(layer.x)[1];
  auto states = [&](size_t i) {
    return batchFirst && n.hasIn(i) && n.rank(n.in(i)) == 3 ? n.transpose(n.in(i), {1, 0, 2}) : n.in(i);
  };
  layer.h0 = states(5);
  layer.c0 = cell.kind == CellKind::lstm ? states(6) : Value();
  std::string direction = n.s("direction", "forward");
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional")
    return n.error("direction is '" + direction + "', want forward, reverse or bidirectional");
  layer.directions = direction == "bidirectional" ? 2 : 1;
  auto hidden = staticDim(n, n.in(2), 2, "R");
  if (failed(hidden))
    return failure();
  layer.hidden = n.i("hidden_size", *hidden);
  layer.linearBeforeReset = cell.kind == CellKind::gru && n.i("linear_before_reset", 0) != 0;
  layer.inputForget = cell.kind == CellKind::lstm && n.i("input_forget", 0) != 0;
  layer.clip = n.f("clip", 0);
  if (failed(expectRange(n, layer.hidden, 1, (int64_t(1) << 31) - 1, "hidden_size")) || failed(checkInputs(n, layer)) ||
      failed(readActivations(n, layer)))
    return failure();
  if (!(layer.clip >= 0))
    return n.error("clip is " + std::to_string(layer.clip) + ", want 0 or more");
  layer.lengths = n.cast(n.in(4), n.b.getI32Type());

  // States leave as [D, B, H], or [B, D, H] with layout 1.
  SmallVector<Value> ys, hs, cs;
  for (int64_t dir = 0; dir < layer.directions; ++dir) {
    auto results = runDirection(n, layer, dir, dir == 1 || direction == "reverse");
    if (failed(results))
      return failure();
    ys.push_back(n.unsqueeze((*results)[0], {batchFirst ? 2 : 1}));
    hs.push_back(n.unsqueeze((*results)[1], {batchFirst ? 1 : 0}));
    cs.push_back(n.unsqueeze((*results)[2], {batchFirst ? 1 : 0}));
  }
  if (n.wantsOut(0)) {
    Value y = n.concat(ys, batchFirst ? 2 : 1);
    (void)n.set(0, batchFirst ? n.transpose(y, {1, 0, 2, 3}) : y);
  }
  if (n.wantsOut(1))
    (void)n.set(1, n.concat(hs, batchFirst ? 1 : 0));
  if (n.wantsOut(2))
    (void)n.set(2, n.concat(cs, batchFirst ? 1 : 0));
  return success();
}

static LogicalResult importRNN(NodeImport &n) {
  static constexpr StringRef names[] = {"Tanh"};
  return importRecurrent(n, {CellKind::rnn, 1, names});
}
static LogicalResult importGRU(NodeImport &n) {
  static constexpr StringRef names[] = {"Sigmoid", "Tanh"};
  return importRecurrent(n, {CellKind::gru, 3, names});
}
static LogicalResult importLSTM(NodeImport &n) {
  static constexpr StringRef names[] = {"Sigmoid", "Tanh", "Tanh"};
  return importRecurrent(n, {CellKind::lstm, 4, names});
}

llvm::ArrayRef<OpRow> recurrentOps() {
  static const OpRow rows[] = {
      {"", "RNN", 1, 3, 6, importRNN},
      {"", "GRU", 1, 3, 6, importGRU},
      {"", "LSTM", 1, 3, 8, importLSTM},
  };
  return rows;
}

} // namespace smelt::onnx
