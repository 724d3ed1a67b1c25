//===- Recurrent.cpp - Evaluating RNN, GRU and LSTM layers ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Step by step in float (or f64); the state is not rounded to the element type
// between steps. A sequence shorter than T yields zeros behind its end and
// keeps its last state. Tested by test/dialects/eval/recurrent.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/eval/Families.h"
#include "dialects/smelt/eval/Kinds.h"
#include "llvm/ADT/StringSwitch.h"
#include <algorithm>

using namespace mlir;

namespace smelt::eval {

namespace {

enum class Activation {
  Relu, Tanh, Sigmoid, Affine, LeakyRelu, ThresholdedRelu, ScaledTanh, HardSigmoid, Elu, Softsign, Softplus, Unknown
};

struct Gate {
  Activation kind;
  double alpha, beta;

  template <typename T> T operator()(T x) const {
    T a = T(alpha), b = T(beta);
    switch (kind) {
    case Activation::Relu: return x > 0 ? x : T(0);
    case Activation::Tanh: return std::tanh(x);
    case Activation::Sigmoid: return 1 / (1 + std::exp(-x));
    case Activation::Affine: return a * x + b;
    case Activation::LeakyRelu: return x >= 0 ? x : a * x;
    case Activation::ThresholdedRelu: return x > a ? x : T(0);
    case Activation::ScaledTanh: return a * std::tanh(b * x);
    case Activation::HardSigmoid: return std::min(std::max(a * x + b, T(0)), T(1));
    case Activation::Elu: return x >= 0 ? x : a * std::expm1(x);
    case Activation::Softsign: return x / (1 + std::fabs(x));
    case Activation::Softplus: return std::log1p(std::exp(x));
    case Activation::Unknown: break;
    }
    llvm_unreachable("unknown activation");
  }
};

/// ONNX's names and defaults.
std::optional<Gate> makeGate(RecurrentOp op, size_t index) {
  if (index >= op.getActivations().size())
    return std::nullopt;
  StringRef name = cast<StringAttr>(op.getActivations()[index]).getValue();
  auto kind = llvm::StringSwitch<Activation>(name)
                  .CaseLower("relu", Activation::Relu).CaseLower("tanh", Activation::Tanh)
                  .CaseLower("sigmoid", Activation::Sigmoid).CaseLower("affine", Activation::Affine)
                  .CaseLower("leakyrelu", Activation::LeakyRelu)
                  .CaseLower("thresholdedrelu", Activation::ThresholdedRelu)
                  .CaseLower("scaledtanh", Activation::ScaledTanh)
                  .CaseLower("hardsigmoid", Activation::HardSigmoid).CaseLower("elu", Activation::Elu)
                  .CaseLower("softsign", Activation::Softsign).CaseLower("softplus", Activation::Softplus)
                  .Default(Activation::Unknown);
  if (kind == Activation::Unknown)
    return std::nullopt;
  double alpha = kind == Activation::HardSigmoid ? 0.2 : kind == Activation::LeakyRelu ? 0.01 : 1.0;
  double beta = kind == Activation::HardSigmoid ? 0.5 : kind == Activation::ScaledTanh ? 1.0 : 0.0;
  if (index < op.getActivationAlpha().size())
    alpha = op.getActivationAlpha()[index];
  if (index < op.getActivationBeta().size())
    beta = op.getActivationBeta()[index];
  return Gate{kind, alpha, beta};
}

/// One layer on elements of type T.
template <typename T> struct Layer {
  RecurrentOp op;
  int64_t hidden;
  Gate f, g, h;
  const T *r, *rbias, *peephole;
  T clipAt;
  std::vector<T> sums, reset;

  T clip(T x) const { return clipAt > 0 ? std::clamp(x, -clipAt, clipAt) : x; }

  /// sums[gate * H + j] = state . r[gate * H + j]
  void project(int64_t firstGate, int64_t gates, const T *state) {
    for (int64_t j = firstGate * hidden, e = (firstGate + gates) * hidden; j < e; ++j) {
      T sum = 0;
      for (int64_t k = 0; k < hidden; ++k)
        sum += state[k] * r[j * hidden + k];
      sums[j] = sum;
    }
  }

  void stepRnn(const T *x, T *state) {
    project(0, 1, state);
    for (int64_t j = 0; j < hidden; ++j)
      state[j] = f(clip(x[j] + sums[j]));
  }

  void stepGru(const T *x, T *state) {
    bool linear = op.getLinearBeforeReset();
    project(0, linear ? 3 : 2, state);
    std::vector<T> &gates = reset;
    gates.resize(2 * hidden); // r times the state, z
    for (int64_t j = 0; j < hidden; ++j) {
      T z = f(clip(x[j] + sums[j])), rj = f(clip(x[hidden + j] + sums[hidden + j]));
      gates[hidden + j] = z;
      gates[j] = linear ? rj : rj * state[j];
    }
    if (!linear)
      project(2, 1, gates.data());
    for (int64_t j = 0; j < hidden; ++j) {
      T recurrent = sums[2 * hidden + j];
      if (linear)
        recurrent = gates[j] * (recurrent + (rbias ? rbias[j] : T(0)));
      T candidate = g(clip(x[2 * hidden + j] + recurrent)), z = gates[hidden + j];
      state[j] = (1 - z) * candidate + z * state[j];
    }
  }

  void stepLstm(const T *x, T *state, T *cell) {
    project(0, 4, state);
    for (int64_t j = 0; j < hidden; ++j) {
      auto gate = [&](int64_t k) { return x[k * hidden + j] + sums[k * hidden + j]; };
      auto peep = [&](int64_t k, T c) { return peephole ? peephole[k * hidden + j] * c : T(0); };
      T in = f(clip(gate(0) + peep(0, cell[j])));
      T forget = op.getInputForget() ? 1 - in : f(clip(gate(2) + peep(2, cell[j])));
      T next = forget * cell[j] + in * g(clip(gate(3)));
      T out = f(clip(gate(1) + peep(1, next)));
      cell[j] = next;
      state[j] = out * h(next);
    }
  }
};

} // namespace

SmallVector<HostTensor> evaluateRecurrent(Call &call, RecurrentOp op) {
  auto optional = [&](unsigned index) -> const HostTensor * {
    auto [at, count] = op.getODSOperandIndexAndLength(index);
    return count ? &call[at] : nullptr;
  };
  const HostTensor *x = optional(0), *r = optional(1), *h0 = optional(2), *c0 = optional(3), *rbias = optional(4),
                   *peephole = optional(5), *lengths = optional(6);
  int64_t gates = op.getCell() == CellKind::rnn ? 1 : op.getCell() == CellKind::gru ? 3 : 4;
  auto refuse = [&](const Twine &text) {
    call.refuse(text);
    return SmallVector<HostTensor>();
  };
  if (x->getRank() != 3 || r->getRank() != 2 || h0->getRank() != 2)
    return refuse("x, r and h0 want ranks 3, 2 and 2");
  int64_t steps = x->getShape()[0], batch = x->getShape()[1], hidden = h0->getShape()[1];
  if (x->getShape()[2] != gates * hidden || r->getShape()[0] != gates * hidden || r->getShape()[1] != hidden)
    return refuse("x or r does not hold " + Twine(gates) + " gates of " + Twine(hidden));
  std::optional<Gate> f = makeGate(op, 0), g = f, h = f;
  if (gates >= 3)
    g = makeGate(op, 1);
  if (gates == 4)
    h = makeGate(op, 2);
  if (!f || !g || !h)
    return refuse("activations are too few or not known");
  std::optional<Elements<int64_t>> ends;
  if (lengths)
    ends.emplace(*lengths);
  auto run = [&](auto tag) -> SmallVector<HostTensor> {
    using T = decltype(tag);
    Elements<T> in(*x), weights(*r), h0In(*h0);
    std::optional<Elements<T>> cIn, biasIn, peepIn;
    if (c0)
      cIn.emplace(*c0);
    if (rbias)
      biasIn.emplace(*rbias);
    if (peephole)
      peepIn.emplace(*peephole);
    Layer<T> layer{op, hidden, *f, *g, *h, weights.data(), biasIn ? biasIn->data() : nullptr,
                   peepIn ? peepIn->data() : nullptr, T(op.getClip().convertToDouble()), {}, {}};
    layer.sums.resize(gates * hidden);
    Result<T> y(call.types[0], call.shapes[0]), hT(call.types[1], call.shapes[1]), cT(call.types[2], call.shapes[2]);
    std::fill_n(y.data(), steps * batch * hidden, T(0));
    std::vector<T> state(hidden), cell(hidden);
    for (int64_t b = 0; b < batch; ++b) {
      std::copy_n(h0In.data() + b * hidden, hidden, state.begin());
      for (int64_t j = 0; j < hidden; ++j)
        cell[j] = cIn ? (*cIn)[b * hidden + j] : T(0);
      int64_t end = ends ? std::clamp<int64_t>((*ends)[b], 0, steps) : steps;
      for (int64_t s = 0; s < end; ++s) {
        int64_t t = op.getReverse() ? end - 1 - s : s;
        const T *row = in.data() + (t * batch + b) * gates * hidden;
        if (gates == 1)
          layer.stepRnn(row, state.data());
        else if (gates == 3)
          layer.stepGru(row, state.data());
        else
          layer.stepLstm(row, state.data(), cell.data());
        std::copy_n(state.begin(), hidden, y.data() + (t * batch + b) * hidden);
      }
      std::copy_n(state.begin(), hidden, hT.data() + b * hidden);
      std::copy_n((gates == 4 ? cell : state).begin(), hidden, cT.data() + b * hidden);
    }
    return {y.finish(), hT.finish(), cT.finish()};
  };
  return carriedKind(call.types[0]) == Kind::F64 ? run(double()) : run(float());
}

} // namespace smelt::eval
