//===- ConvTransposeTest.cpp - Transposed convolutions ----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ConvReference.h"

using namespace smelt::test;

namespace {

class ConvTranspose : public testing::TestWithParam<std::string> {};

TEST_P(ConvTranspose, Shapes) {
  for (bool last : {true, false})
    for (int64_t stride : {1, 2, 3})
      for (int64_t kernel : {1, 2, 3, 4})
        runConv<float>({.batch = 2, .size = {5, 7}, .in = 6, .out = 20, .kernel = {kernel, kernel}, .stride = {stride, stride}, .pad = {kernel / 2, kernel / 2}, .channelsLast = last, .bias = true, .residual = true, .transposed = true, .outputPad = {stride / 2, stride / 2}}, "f32", "conv", GetParam());
}
TEST_P(ConvTranspose, OtherForms) {
  for (bool last : {true, false}) {
    runConv<float>({.batch = 1, .size = {5, 6}, .in = 8, .out = 12, .kernel = {3, 3}, .stride = {2, 1}, .pad = {1, 0}, .groups = 2, .channelsLast = last, .bias = true, .transposed = true}, "f32", "conv", GetParam());
    runConv<float>({.batch = 1, .size = {5, 6}, .in = 8, .out = 12, .kernel = {3, 2}, .stride = {2, 2}, .dilation = {3, 1}, .channelsLast = last, .transposed = true}, "f32", "conv", GetParam());
    runConv<float>({.batch = 2, .size = {9}, .in = 40, .out = 33, .kernel = {5}, .stride = {3}, .pad = {2}, .channelsLast = last, .transposed = true}, "f32", "conv", GetParam());
    runConv<float>({.batch = 1, .size = {3, 4, 5}, .in = 3, .out = 9, .kernel = {3, 3, 3}, .stride = {2, 2, 2}, .pad = {1, 1, 1}, .channelsLast = last, .transposed = true}, "f32", "conv", GetParam());
    for (int64_t size : {1, 6})
      runConv<float>({.batch = 2, .size = {size, size + 2}, .in = 7, .out = 18, .kernel = {4, 4}, .stride = {2, 2}, .pad = {1, 1}, .channelsLast = last, .symbolic = true, .bias = true, .transposed = true}, "f32", "conv", GetParam());
  }
}
INSTANTIATE_TEST_SUITE_P(Targets, ConvTranspose, testing::ValuesIn(runnableTargets()),
                         [](const auto &info) { std::string s = info.param; for (char &ch : s) if (ch == '-') ch = '_'; return s; });

} // namespace
