//===- PoolTest.cpp - Windows of every kind ---------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ConvReference.h"
#include <limits>

using namespace smelt::test;

namespace {

struct PoolCase {
  std::string kind;
  int64_t channels, height, width, kernel, stride, low, high, dilation = 1;
  bool last = true, symbolic = false, epilogue = false;
};

template <class T> void runPool(const PoolCase &c, const char *element, const std::string &target) {
  if (!isSampled(target))
    return;
  SCOPED_TRACE(target + " " + c.kind + " " + list({c.channels, c.height, c.width, c.kernel, c.stride, c.low, c.high, c.dilation, c.last, c.symbolic}));
  const int64_t batch = 2, reach = (c.kernel - 1) * c.dilation + 1;
  int64_t oh = (c.height + c.low + c.high - reach) / c.stride + 1, ow = (c.width + c.low + c.high - reach) / c.stride + 1;
  auto shaped = [&](int64_t h, int64_t w, int symbol) {
    std::string hs = c.symbolic ? "?" : std::to_string(h), ws = c.symbolic ? "?" : std::to_string(w), ch = std::to_string(c.channels);
    std::string sh = "s" + std::to_string(symbol), sw = "s" + std::to_string(symbol + 1);
    std::string text = "tensor<2x" + (c.last ? hs + "x" + ws + "x" + ch : ch + "x" + hs + "x" + ws) + "x" + element;
    if (!c.symbolic)
      return text + ">";
    return text + ", #smelt.dims<()[s0, s1, s2, s3] -> (2, " + (c.last ? sh + ", " + sw + ", " + ch : ch + ", " + sh + ", " + sw) + ")>>";
  };
  std::string x = shaped(c.height, c.width, 0), y = shaped(oh, ow, 2);
  KernelText text;
  text.operands = {x, y};
  text.results = {y};
  for (int i = 0; i < 4; ++i)
    text.symbols += "smelt.symbol " + std::to_string(i) + " \"S" + std::to_string(i) + "\" [0, 4096]\n";
  std::string two = list({c.kernel, c.kernel});
  text.body = "    %p = smelt.pool %a0 {kind = " + std::to_string(c.kind == "max" ? 0 : c.kind == "avg" ? 1 : c.kind == "avg_include_pad" ? 2 : 3) +
              " : i32, kernel = array<i64: " + two + ">, strides = array<i64: " + list({c.stride, c.stride}) +
              ">, pads = #smelt.dims<() -> (" + list({c.low, c.low, c.high, c.high}) + ")>, dilations = array<i64: " +
              list({c.dilation, c.dilation}) + ">, channelsLast = " + (c.last ? "true" : "false") + "} : (" + x + ") -> " + y + "\n";
  if (c.epilogue)
    text.body += "    %e = smelt.add %p, %a1 : (" + y + ", " + y + ") -> " + y + "\n    smelt.yield %e : " + y;
  else
    text.body += "    smelt.yield %p : " + y;
  size_t xCount = batch * c.channels * c.height * c.width, yCount = batch * c.channels * oh * ow;
  GuardedBuffer xs(xCount * sizeof(T)), rs(yCount * sizeof(T)), got(yCount * sizeof(T)), split(yCount * sizeof(T));
  fillIntegers(xs.as<T>(), xCount, 1);
  fillIntegers(rs.as<T>(), yCount, 2);
  Kernel kernel(text, {}, target);
  ASSERT_EQ(kernel.family(), "pool");
  std::vector<int64_t> symbols = {c.height, c.width, oh, ow};
  ASSERT_EQ(kernel.run({xs.data(), rs.data(), got.data()}, symbols), 0);
  kernel.run({xs.data(), rs.data(), split.data()}, symbols, 3);
  ASSERT_EQ(std::memcmp(got.data(), split.data(), got.size()), 0) << "depends on the split";
  auto at = [&](int64_t n, int64_t ch, int64_t h, int64_t w, int64_t height, int64_t width) {
    return c.last ? ((n * height + h) * width + w) * c.channels + ch : ((n * c.channels + ch) * height + h) * width + w;
  };
  for (int64_t n = 0; n < batch; ++n)
    for (int64_t ch = 0; ch < c.channels; ++ch)
      for (int64_t i = 0; i < oh; ++i)
        for (int64_t j = 0; j < ow; ++j) {
          double sum = 0, most = -std::numeric_limits<double>::infinity();
          int64_t inside = 0, padded = 0;
          for (int64_t a = 0; a < c.kernel; ++a)
            for (int64_t b = 0; b < c.kernel; ++b) {
              int64_t h = i * c.stride - c.low + a * c.dilation, w = j * c.stride - c.low + b * c.dilation;
              padded += h < c.height + c.high && w < c.width + c.high;
              if (h < 0 || w < 0 || h >= c.height || w >= c.width)
                continue;
              ++inside;
              double value = double(xs.as<T>()[at(n, ch, h, w, c.height, c.width)]);
              sum += value;
              most = std::max(most, value);
            }
          T want = c.kind == "max" ? T(most) : c.kind == "sum" ? T(sum) : T(float(sum) / float(c.kind == "avg" ? inside : padded));
          if (c.epilogue)
            want = T(want + rs.as<T>()[at(n, ch, i, j, oh, ow)]);
          ASSERT_EQ(double(got.as<T>()[at(n, ch, i, j, oh, ow)]), double(want)) << n << ", " << ch << ", " << i << ", " << j;
        }
}

class Pool : public testing::TestWithParam<std::string> {};

TEST_P(Pool, Kinds) {
  for (const char *kind : {"max", "avg", "avg_include_pad", "sum"})
    for (bool last : {true, false})
      for (int64_t c : {1, 3, 16, 37}) {
        runPool<float>({.kind = kind, .channels = c, .height = 7, .width = 21, .kernel = 3, .stride = 2, .low = 1, .high = 1, .last = last, .epilogue = true}, "f32", GetParam());
        runPool<float>({.kind = kind, .channels = c, .height = 8, .width = 40, .kernel = 2, .stride = 1, .low = 0, .high = 1, .last = last}, "f32", GetParam());
      }
}
TEST_P(Pool, OtherForms) {
  for (bool last : {true, false})
    for (const char *kind : {"max", "avg"}) {
      runPool<float>({.kind = kind, .channels = 20, .height = 7, .width = 7, .kernel = 7, .stride = 1, .low = 0, .high = 0, .last = last}, "f32", GetParam());
      runPool<float>({.kind = kind, .channels = 5, .height = 24, .width = 30, .kernel = 9, .stride = 3, .low = 4, .high = 4, .last = last}, "f32", GetParam());
      runPool<float>({.kind = kind, .channels = 5, .height = 24, .width = 30, .kernel = 3, .stride = 1, .low = 2, .high = 2, .dilation = 2, .last = last}, "f32", GetParam());
      for (int64_t size : {2, 19})
        runPool<float>({.kind = kind, .channels = 20, .height = size, .width = size + 4, .kernel = 3, .stride = 2, .low = 1, .high = 1, .last = last, .symbolic = true, .epilogue = true}, "f32", GetParam());
    }
}
TEST_P(Pool, Types) {
  for (bool last : {true, false}) {
    runPool<double>({.kind = "max", .channels = 20, .height = 9, .width = 40, .kernel = 3, .stride = 2, .low = 1, .high = 1, .last = last}, "f64", GetParam());
    runPool<_Float16>({.kind = "sum", .channels = 20, .height = 9, .width = 40, .kernel = 3, .stride = 2, .low = 1, .high = 1, .last = last}, "f16", GetParam());
    runPool<int8_t>({.kind = "max", .channels = 20, .height = 9, .width = 40, .kernel = 3, .stride = 2, .low = 1, .high = 1, .last = last}, "i8", GetParam());
    runPool<uint8_t>({.kind = "max", .channels = 20, .height = 9, .width = 40, .kernel = 3, .stride = 2, .low = 1, .high = 1, .last = last}, "ui8", GetParam());
  }
}
INSTANTIATE_TEST_SUITE_P(Targets, Pool, testing::ValuesIn(runnableTargets()),
                         [](const auto &info) { std::string s = info.param; for (char &ch : s) if (ch == '-') ch = '_'; return s; });

} // namespace
