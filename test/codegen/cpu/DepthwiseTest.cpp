//===- DepthwiseTest.cpp - One input channel per group ----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ConvReference.h"

using namespace smelt::test;

namespace {

class Depthwise : public testing::TestWithParam<std::string> {};

TEST_P(Depthwise, Shapes) {
  for (bool last : {true, false})
    for (int64_t c : {2, 3, 8, 17, 24, 40})
      for (int64_t stride : {1, 2, 3}) {
        runConv<float>({.batch = 2, .size = {7, 20}, .in = c, .out = c, .kernel = {3, 3}, .stride = {stride, stride}, .pad = {1, 1}, .groups = c, .channelsLast = last, .bias = true}, "f32", "depthwise", GetParam());
        runConv<float>({.batch = 1, .size = {6, 37}, .in = c, .out = c, .kernel = {1, 5}, .stride = {1, stride}, .pad = {0, 2}, .groups = c, .channelsLast = last, .residual = true}, "f32", "depthwise", GetParam());
      }
}
TEST_P(Depthwise, SmallAndDilated) {
  for (bool last : {true, false}) {
    runConv<float>({.batch = 1, .size = {2, 2}, .in = 9, .out = 9, .kernel = {5, 5}, .pad = {2, 2}, .groups = 9, .channelsLast = last}, "f32", "depthwise", GetParam());
    runConv<float>({.batch = 1, .size = {9, 25}, .in = 9, .out = 9, .kernel = {3, 3}, .pad = {2, 3}, .dilation = {2, 3}, .groups = 9, .channelsLast = last, .bias = true}, "f32", "depthwise", GetParam());
    runConv<float>({.batch = 2, .size = {21}, .in = 20, .out = 20, .kernel = {4}, .pad = {3}, .groups = 20, .channelsLast = last}, "f32", "depthwise", GetParam());
    runConv<float>({.batch = 1, .size = {4, 5, 18}, .in = 18, .out = 18, .kernel = {3, 3, 3}, .pad = {1, 1, 1}, .groups = 18, .channelsLast = last}, "f32", "depthwise", GetParam());
  }
}
TEST_P(Depthwise, Multiplier) {
  runConv<float>({.batch = 2, .size = {6, 19}, .in = 5, .out = 15, .kernel = {3, 3}, .pad = {1, 1}, .groups = 5, .channelsLast = false, .bias = true}, "f32", "depthwise", GetParam());
  runConv<float>({.batch = 2, .size = {6, 9}, .in = 5, .out = 15, .kernel = {3, 3}, .pad = {1, 1}, .groups = 5, .channelsLast = true, .bias = true}, "f32", "conv", GetParam());
}
TEST_P(Depthwise, SymbolicAndTypes) {
  for (bool last : {true, false}) {
    for (int64_t size : {1, 5, 33})
      runConv<float>({.batch = 2, .size = {size, size}, .in = 24, .out = 24, .kernel = {3, 3}, .pad = {1, 1}, .groups = 24, .channelsLast = last, .symbolic = true, .bias = true, .residual = true}, "f32", "depthwise", GetParam());
    runConv<_Float16>({.batch = 1, .size = {6, 19}, .in = 20, .out = 20, .kernel = {3, 3}, .pad = {1, 1}, .groups = 20, .channelsLast = last}, "f16", "depthwise", GetParam());
    runConv<double>({.batch = 1, .size = {6, 19}, .in = 20, .out = 20, .kernel = {3, 3}, .pad = {1, 1}, .groups = 20, .channelsLast = last}, "f64", "depthwise", GetParam());
  }
}
INSTANTIATE_TEST_SUITE_P(Targets, Depthwise, testing::ValuesIn(runnableTargets()),
                         [](const auto &info) { std::string s = info.param; for (char &ch : s) if (ch == '-') ch = '_'; return s; });

} // namespace
