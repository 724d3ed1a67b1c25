//===- IndexTest.cpp - Scatter, scan and trees against the evaluator --------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Agree.h"

using namespace smelt::test;

namespace {

class Index : public testing::TestWithParam<std::string> {};

TEST_P(Index, ScatterElements) {
  for (int kind = 0; kind < 5; ++kind)
    for (int axis : {0, 1, 2}) {
      std::string x = "tensor<5x7x33xf32>", i = "tensor<4x6x20xi64>", u = "tensor<4x6x20xf32>";
      KernelText text;
      text.operands = {x, i, u};
      text.results = {x};
      text.body = "    %s = smelt.scatter_elements %a0, %a1, %a2 {axis = " + std::to_string(axis) + " : i64, kind = " +
                  std::to_string(kind) + " : i32} : (" + x + ", " + i + ", " + u + ") -> " + x + "\n    smelt.yield %s : " + x;
      int limit = axis == 0 ? 5 : axis == 1 ? 7 : 33;
      expectAgrees(text, {integers<float>(5 * 7 * 33, 1, -4, 4), integers<int64_t>(4 * 6 * 20, 2, -limit, limit - 1), integers<float>(4 * 6 * 20, 3, -2, 2)}, "scatter", GetParam());
    }
}
TEST_P(Index, ScatterND) {
  for (int kind = 0; kind < 5; ++kind)
    for (int depth : {1, 2, 3}) {
      std::string x = "tensor<40x50x21xf32>", i = "tensor<6x3x" + std::to_string(depth) + "xi32>",
                  u = depth == 1 ? "tensor<6x3x50x21xf32>" : depth == 2 ? "tensor<6x3x21xf32>" : "tensor<6x3xf32>";
      KernelText text;
      text.operands = {x, i, u};
      text.results = {x};
      text.body = "    %n = smelt.add %a2, %a2 : (" + u + ", " + u + ") -> " + u + "\n    %s = smelt.scatter_nd %a0, %a1, %n {kind = " +
                  std::to_string(kind) + " : i32} : (" + x + ", " + i + ", " + u + ") -> " + x + "\n    smelt.yield %s : " + x;
      expectAgrees(text, {integers<float>(40 * 50 * 21, 1, -4, 4), integers<int32_t>(18 * depth, 2, -21, 20), integers<float>(18 * (depth == 1 ? 1050 : depth == 2 ? 21 : 1), 3, -2, 2)}, "scatter", GetParam());
    }
}
TEST_P(Index, ScatterOutOfRange) {
  KernelText text;
  text.operands = {"tensor<5xi64>", "tensor<2x1xi64>", "tensor<2xi64>"};
  text.results = {"tensor<5xi64>"};
  text.body = "    %s = smelt.scatter_nd %a0, %a1, %a2 : (tensor<5xi64>, tensor<2x1xi64>, tensor<2xi64>) -> tensor<5xi64>\n    smelt.yield %s : tensor<5xi64>";
  Kernel kernel(text, {}, GetParam());
  std::vector<int64_t> x = {1, 2, 3, 4, 5}, u = {7, 8}, y(5);
  for (auto [index, bad] : {std::pair{4, false}, std::pair{5, true}, std::pair{-5, false}, std::pair{-6, true}}) {
    std::vector<int64_t> i = {1, index};
    EXPECT_EQ(kernel.run({x.data(), i.data(), u.data(), y.data()}) != 0, bad) << index;
    EXPECT_EQ(y[1], 7);
  }
}
TEST_P(Index, CumSum) {
  for (int axis : {0, 1, 2})
    for (bool exclusive : {false, true})
      for (bool reverse : {false, true}) {
        std::string t = "tensor<3x9x21xf32>";
        KernelText text;
        text.operands = {t};
        text.results = {t};
        text.body = "    %c = smelt.cumsum %a0 {axis = " + std::to_string(axis) + " : i64, exclusive = " + (exclusive ? "true" : "false") +
                    ", reverse = " + (reverse ? "true" : "false") + "} : (" + t + ") -> " + t + "\n    %d = smelt.add %c, %a0 : (" + t + ", " + t +
                    ") -> " + t + "\n    smelt.yield %d : " + t;
        expectAgrees(text, {integers<float>(3 * 9 * 21, 1, -4, 4)}, "scan", GetParam());
      }
}
TEST_P(Index, Trees) {
  // Two trees of three levels over four features; every mode, a NaN feature.
  const int64_t rows = 37;
  Operand x = integers<float>(rows * 4, 1, -4, 4);
  reinterpret_cast<float *>(x.bytes.data())[6] = NAN;
  for (int aggregate = 0; aggregate < 4; ++aggregate)
    for (int64_t mode = 1; mode <= 6; ++mode) {
      bool computesX = mode == 2 || mode == 5; // features in place, or made for each row
      auto ints = [](std::vector<int64_t> v) { return values(v, true); };
      std::string n = "tensor<10xi64>";
      KernelText text;
      text.operands = {"tensor<37x4xf32>", n, "tensor<10xf32>", n, n, n, "tensor<10xi1>", "tensor<2xi64>", "tensor<11xi64>", "tensor<7xi64>", "tensor<7xf32>"};
      text.results = {"tensor<37x3xf32>"};
      std::string names, types;
      for (size_t i = 0; i < text.operands.size(); ++i) {
        names += (i ? ", %a" : "%a") + std::to_string(i);
        types += (i ? ", " : "") + text.operands[i];
      }
      if (computesX) {
        text.body = "    %x = smelt.neg %a0 : (tensor<37x4xf32>) -> tensor<37x4xf32>\n";
        names.replace(0, 3, "%x");
      }
      text.body += "    %t = smelt.tree_ensemble " + names + " {aggregate = " + std::to_string(aggregate) + " : i32} : (" + types +
                  ") -> tensor<37x3xf32>\n    %u = smelt.add %t, %t : (tensor<37x3xf32>, tensor<37x3xf32>) -> tensor<37x3xf32>\n    smelt.yield %u : tensor<37x3xf32>";
      expectAgrees(text,
                   {x, ints({0, 1, 2, 0, 0, 3, 2, 0, 0, 0}), values<float>({1, 0, -1, 0, 0, 2, 0, 0, 0, 0}, true),
                    ints({mode, mode, 0, mode, 0, 0, 1, 0, 0, 0}), ints({1, 3, 0, 4, 0, 0, 7, 0, 0, 0}), ints({2, 5, 0, 5, 0, 0, 8, 0, 0, 0}),
                    values<char>({1, 0, 0, 1, 0, 0, 1, 0, 0, 0}, true), ints({0, 6}), ints({0, 0, 0, 2, 2, 3, 5, 5, 6, 7, 7}),
                    ints({0, 1, 2, 0, 2, 1, 0}), values<float>({1, -2, 3, 4, -5, 6, 7}, true)},
                   "tree", GetParam());
    }
}
INSTANTIATE_TEST_SUITE_P(Targets, Index, testing::ValuesIn(runnableTargets()),
                         [](const auto &info) { std::string s = info.param; for (char &ch : s) if (ch == '-') ch = '_'; return s; });

} // namespace
