//===- ConvTest.cpp - Convolutions over ragged shapes -----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Integer-filled data against the definition, bit for bit: layouts, groups,
// strides, dilations, pads, one to three spatial dims, symbolic sizes.
//
//===----------------------------------------------------------------------===//
#include "Harness.h"
#include "ConvReference.h"
#include "llvm/Support/FormatVariadic.h"
#include <gtest/gtest.h>

using namespace smelt::test;

namespace {

class Conv : public testing::TestWithParam<std::string> {};

TEST_P(Conv, Shapes2d) {
  for (bool last : {true, false})
    for (int64_t o : {1, 7, 16, 33, 64})
      for (int64_t c : {1, 3, 20}) {
        runConv<float>({.batch = 1, .size = {9, 11}, .in = c, .out = o, .kernel = {3, 3}, .pad = {1, 1}, .channelsLast = last, .bias = true}, "f32", "conv", GetParam());
        runConv<float>({.batch = 2, .size = {8, 8}, .in = c, .out = o, .kernel = {2, 3}, .stride = {2, 1}, .pad = {1, 0}, .channelsLast = last, .residual = true}, "f32", "conv", GetParam());
      }
}
TEST_P(Conv, Pointwise) {
  for (bool last : {true, false})
    for (int64_t stride : {1, 2})
      for (int64_t c : {3, 40})
        runConv<float>({.batch = 2, .size = {7, 5}, .in = c, .out = 40, .kernel = {1, 1}, .stride = {stride, stride}, .channelsLast = last, .bias = true, .residual = true}, "f32", "conv", GetParam());
}
TEST_P(Conv, WideKernelsAndDilation) {
  for (bool last : {true, false}) {
    runConv<float>({.batch = 1, .size = {20, 23}, .in = 3, .out = 20, .kernel = {7, 7}, .stride = {2, 2}, .pad = {3, 3}, .channelsLast = last, .bias = true}, "f32", "conv", GetParam());
    runConv<float>({.batch = 1, .size = {20, 23}, .in = 34, .out = 20, .kernel = {3, 3}, .pad = {2, 2}, .dilation = {2, 2}, .channelsLast = last, .bias = true}, "f32", "conv", GetParam());
    runConv<float>({.batch = 1, .size = {20, 23}, .in = 5, .out = 20, .kernel = {3, 3}, .pad = {2, 4}, .dilation = {2, 3}, .channelsLast = last}, "f32", "conv", GetParam());
    runConv<float>({.batch = 1, .size = {2, 2}, .in = 5, .out = 9, .kernel = {5, 5}, .pad = {2, 2}, .channelsLast = last}, "f32", "conv", GetParam());
  }
}
TEST_P(Conv, Groups) {
  for (bool last : {true, false})
    for (int64_t groups : {2, 3}) {
      runConv<float>({.batch = 2, .size = {7, 9}, .in = 4 * groups, .out = 5 * groups, .kernel = {3, 3}, .pad = {1, 1}, .groups = groups, .channelsLast = last, .bias = true}, "f32", "conv", GetParam());
      runConv<float>({.batch = 1, .size = {7, 9}, .in = 33 * groups, .out = 35 * groups, .kernel = {3, 3}, .pad = {1, 1}, .groups = groups, .channelsLast = last, .bias = true}, "f32", "conv", GetParam());
    }
}
TEST_P(Conv, OtherRanks) {
  for (bool last : {true, false}) {
    runConv<float>({.batch = 2, .size = {19}, .in = 6, .out = 20, .kernel = {3}, .pad = {1}, .channelsLast = last, .bias = true}, "f32", "conv", GetParam());
    runConv<float>({.batch = 2, .size = {19}, .in = 80, .out = 20, .kernel = {3}, .stride = {2}, .pad = {1}, .channelsLast = last}, "f32", "conv", GetParam());
    runConv<float>({.batch = 1, .size = {5, 6, 7}, .in = 3, .out = 18, .kernel = {3, 3, 3}, .pad = {1, 1, 1}, .channelsLast = last, .bias = true}, "f32", "conv", GetParam());
  }
}
TEST_P(Conv, Symbolic) {
  for (bool last : {true, false})
    for (int64_t size : {4, 9, 17})
      for (int64_t c : {3, 33})
        runConv<float>({.batch = 2, .size = {size, size + 3}, .in = c, .out = 34, .kernel = {3, 3}, .pad = {1, 1}, .channelsLast = last, .symbolic = true, .bias = true, .residual = true}, "f32", "conv", GetParam());
}
TEST_P(Conv, Weights) {
  for (auto weights : {ConvCase::Argument, ConvCase::Quantized})
    for (bool last : {true, false}) {
      for (int64_t groups : {1, 2})
        runConv<float>({.batch = 1, .size = {7, 9}, .in = 6 * groups, .out = 37 * groups, .kernel = {3, 3}, .pad = {1, 1}, .groups = groups, .channelsLast = last, .bias = true, .weights = weights}, "f32", "conv", GetParam());
      runConv<float>({.batch = 1, .size = {7, 9}, .in = 40, .out = 64, .kernel = {1, 1}, .channelsLast = last, .weights = weights}, "f32", "conv", GetParam());
      runConv<float>({.batch = 1, .size = {7, 9}, .in = 6, .out = 38, .kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1}, .groups = 2, .channelsLast = last, .transposed = true, .weights = weights}, "f32", "conv", GetParam());
      runConv<float>({.batch = 1, .size = {7, 21}, .in = 24, .out = 24, .kernel = {3, 3}, .pad = {1, 1}, .groups = 24, .channelsLast = last, .weights = weights}, "f32", "depthwise", GetParam());
    }
}
TEST_P(Conv, Types) {
  for (bool last : {true, false}) {
    runConv<double>({.batch = 1, .size = {6, 7}, .in = 5, .out = 20, .kernel = {3, 3}, .pad = {1, 1}, .channelsLast = last}, "f64", "conv", GetParam());
    runConv<_Float16>({.batch = 1, .size = {6, 7}, .in = 5, .out = 20, .kernel = {3, 3}, .pad = {1, 1}, .channelsLast = last}, "f16", "conv", GetParam());
    runConv<int32_t>({.batch = 1, .size = {6, 7}, .in = 5, .out = 20, .kernel = {3, 3}, .pad = {1, 1}, .channelsLast = last}, "i32", "conv", GetParam());
  }
}
INSTANTIATE_TEST_SUITE_P(Targets, Conv, testing::ValuesIn(runnableTargets()),
                         [](const auto &info) { std::string s = info.param; for (char &ch : s) if (ch == '-') ch = '_'; return s; });

} // namespace
