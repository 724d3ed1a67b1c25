//===- NarrowFloatTest.cpp - Codes of float8 and below against APFloat ------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every code of every type to f32, and floats around every rounding boundary to
// codes, compiled and compared with the evaluator (which goes through APFloat).
//
//===----------------------------------------------------------------------===//
#include "test/codegen/cpu/Agree.h"
#include <cmath>

using namespace smelt::test;

namespace {

struct NarrowFloat : testing::TestWithParam<std::string> {};

const char *const kTypes[] = {"f8E4M3FN", "f8E5M2", "f8E4M3FNUZ", "f8E5M2FNUZ", "f4E2M1FN", "f8E8M0FNU"};

TEST_P(NarrowFloat, EveryCode) {
  for (std::string type : kTypes) {
    int codes = type == "f4E2M1FN" ? 16 : 256;
    std::vector<uint8_t> all;
    for (int code = 0; code < codes; ++code)
      all.push_back(uint8_t(code));
    std::string from = "tensor<" + std::to_string(codes) + "x" + type + ">", to = "tensor<" + std::to_string(codes) + "xf32>";
    KernelText text;
    text.operands = {from};
    text.results = {to, from};
    std::string mask = "tensor<" + std::to_string(codes) + "xi1>";
    // Which NaN it is in f32 does not matter, only that it becomes the same code again.
    text.body = "    %c = smelt.cast %a0 : (" + from + ") -> " + to + "\n    %d = smelt.cast %c : (" + to + ") -> " + from +
                "\n    %m = smelt.is_nan %c : (" + to + ") -> " + mask + "\n    %z = smelt.constant(dense<0.0> : tensor<f32>) : tensor<f32>\n" +
                "    %e = smelt.select %m, %z, %c : (" + mask + ", tensor<f32>, " + to + ") -> " + to +
                "\n    smelt.yield %e, %d : " + to + ", " + from;
    expectAgrees(text, {values<uint8_t>(all)}, "map", GetParam());
  }
}

TEST_P(NarrowFloat, Rounding) {
  std::vector<float> all = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, 1e-45f, -1e-45f, 3e38f, -3e38f};
  // Values, ties and their neighbours over all exponents that matter.
  for (int exponent = -130; exponent <= 127; exponent += exponent < -24 || exponent > 18 ? 7 : 1)
    for (int sixteenths = 16; sixteenths < 32; ++sixteenths) {
      float tie = std::ldexp(float(sixteenths) / 16, exponent);
      for (float v : {tie, std::nextafter(tie, INFINITY), std::nextafter(tie, 0.0f)})
        all.insert(all.end(), {v, -v});
    }
  std::string n = std::to_string(all.size());
  for (std::string type : kTypes)
    for (bool saturate : {true, false})
      for (std::string wide : {"f32", "f64"}) {
        std::string from = "tensor<" + n + "xf32>", middle = "tensor<" + n + "x" + wide + ">", to = "tensor<" + n + "x" + type + ">";
        KernelText text;
        text.operands = {from};
        text.results = {to};
        text.body = "    %w = smelt.cast %a0 : (" + from + ") -> " + middle + "\n    %c = smelt.cast %w {saturate = " +
                    (saturate ? "true" : "false") + "} : (" + middle + ") -> " + to + "\n    smelt.yield %c : " + to;
        expectAgrees(text, {values<float>(all)}, "map", GetParam());
      }
}

INSTANTIATE_TEST_SUITE_P(Targets, NarrowFloat, testing::ValuesIn(runnableTargets()),
                         [](const auto &info) { std::string s = info.param; for (char &ch : s) if (ch == '-') ch = '_'; return s; });

} // namespace
