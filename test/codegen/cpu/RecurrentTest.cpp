//===- RecurrentTest.cpp - RNN, GRU and LSTM against the evaluator ----------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Agree.h"
#include "llvm/ADT/STLExtras.h"

using namespace smelt::test;

namespace {

struct Layer {
  int cell; // 0 rnn, 1 gru, 2 lstm
  int64_t steps, batch, hidden;
  bool reverse = false, lengths = false, peephole = false, linear = false, inputForget = false, constantR = true,
       symbolic = false;
  double clip = 0;
  std::vector<std::string> activations = {};
};

void runLayer(const Layer &l, const std::string &target) {
  int64_t gates = l.cell == 0 ? 1 : l.cell == 1 ? 3 : 4, h = l.hidden;
  auto shaped = [&](std::vector<int64_t> sizes, std::vector<std::string> names) {
    std::string shape, map;
    for (size_t i = 0; i < sizes.size(); ++i) {
      bool named = l.symbolic && !names[i].empty();
      shape += (named ? "?" : std::to_string(sizes[i])) + "x";
      map += (i ? ", " : "") + (named ? names[i] : std::to_string(sizes[i]));
    }
    bool any = l.symbolic && llvm::any_of(names, [](auto &n) { return !n.empty(); });
    return "tensor<" + shape + "f32" + (any ? ", #smelt.dims<()[s0, s1] -> (" + map + ")>>" : ">");
  };
  std::string x = shaped({l.steps, l.batch, gates * h}, {"s0", "s1", ""}), r = shaped({gates * h, h}, {"", ""}),
              state = shaped({l.batch, h}, {"s1", ""}), y = shaped({l.steps, l.batch, h}, {"s0", "s1", ""}),
              bias = shaped({h}, {""}), peep = shaped({3 * h}, {""});
  std::string ends = l.symbolic ? "tensor<?xi32, #smelt.dims<()[s0, s1] -> (s1)>>" : "tensor<" + std::to_string(l.batch) + "xi32>";
  KernelText text;
  text.symbols = "smelt.symbol 0 \"T\" [0, 4096]\nsmelt.symbol 1 \"B\" [0, 4096]\n";
  text.operands = {x, r, state};
  std::vector<Operand> operands = {fractions(l.steps * l.batch * gates * h, 1), fractions(gates * h * h, 2, l.constantR),
                                   fractions(l.batch * h, 3)};
  std::string names = "%a0, %a1, %a2", types = x + ", " + r + ", " + state, sizes = "1, 1, 1";
  auto add = [&](bool present, const std::string &type, Operand operand) {
    sizes += present ? ", 1" : ", 0";
    if (!present)
      return;
    names += ", %a" + std::to_string(operands.size());
    types += ", " + type;
    text.operands.push_back(type);
    operands.push_back(std::move(operand));
  };
  add(l.cell == 2, state, fractions(l.batch * h, 4));
  add(l.cell == 1 && l.linear, bias, fractions(h, 5));
  add(l.peephole, peep, fractions(3 * h, 6));
  std::vector<int32_t> lengths;
  for (int64_t b = 0; b < l.batch; ++b)
    lengths.push_back((b * 3 + l.steps - 1) % (l.steps + 1));
  add(l.lengths, ends, values(lengths));
  std::vector<std::string> activations = l.activations;
  if (activations.empty())
    activations = l.cell == 0 ? std::vector<std::string>{"Tanh"} : l.cell == 1 ? std::vector<std::string>{"Sigmoid", "Tanh"}
                                                                               : std::vector<std::string>{"Sigmoid", "Tanh", "Tanh"};
  std::string quoted;
  for (auto &name : activations)
    quoted += (quoted.empty() ? "\"" : ", \"") + name + "\"";
  auto flag = [](bool b) { return b ? "true" : "false"; };
  text.results = {y, state, state};
  text.body = "    %y, %h, %c = smelt.recurrent " + names + " {operandSegmentSizes = array<i32: " + sizes + ">, cell = " +
              std::to_string(l.cell) + " : i32, reverse = " + flag(l.reverse) + ", activations = [" + quoted +
              "], activationAlpha = array<f64>, activationBeta = array<f64>, clip = " + std::to_string(l.clip) +
              " : f64, linearBeforeReset = " + flag(l.linear) + ", inputForget = " + flag(l.inputForget) + "} : (" + types +
              ") -> (" + y + ", " + state + ", " + state + ")\n    smelt.yield %y, %h, %c : " + y + ", " + state + ", " + state;
  expectAgrees(text, operands, "recurrent", target, {l.steps, l.batch}, 1e-5);
}

class Recurrent : public testing::TestWithParam<std::string> {};

TEST_P(Recurrent, Cells) {
  for (int cell : {0, 1, 2})
    for (int64_t hidden : {1, 5, 16, 40})
      for (int64_t batch : {1, 3, 10})
        runLayer({.cell = cell, .steps = 4, .batch = batch, .hidden = hidden}, GetParam());
}
TEST_P(Recurrent, Options) {
  for (int cell : {0, 1, 2})
    for (bool reverse : {false, true}) {
      runLayer({.cell = cell, .steps = 5, .batch = 9, .hidden = 21, .reverse = reverse, .lengths = true}, GetParam());
      runLayer({.cell = cell, .steps = 5, .batch = 2, .hidden = 21, .reverse = reverse, .constantR = false, .clip = 0.4}, GetParam());
      runLayer({.cell = cell, .steps = 5, .batch = 9, .hidden = 33, .reverse = reverse, .lengths = true, .symbolic = true}, GetParam());
    }
  runLayer({.cell = 1, .steps = 5, .batch = 3, .hidden = 21, .linear = true}, GetParam());
  runLayer({.cell = 2, .steps = 5, .batch = 3, .hidden = 21, .peephole = true}, GetParam());
  runLayer({.cell = 2, .steps = 5, .batch = 3, .hidden = 21, .inputForget = true}, GetParam());
}
TEST_P(Recurrent, Activations) {
  for (const char *name : {"Relu", "Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu", "Softsign", "Softplus"})
    runLayer({.cell = 0, .steps = 2, .batch = 2, .hidden = 9, .activations = {name}}, GetParam());
}
INSTANTIATE_TEST_SUITE_P(Targets, Recurrent, testing::ValuesIn(runnableTargets()),
                         [](const auto &info) { std::string s = info.param; for (char &ch : s) if (ch == '-') ch = '_'; return s; });

} // namespace
