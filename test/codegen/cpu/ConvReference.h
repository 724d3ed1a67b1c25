//===- ConvReference.h - Convolutions by definition -------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Builds a kernel with one convolution (plain or transposed), runs it whole and
// in three parts and compares both with a loop over the definition.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_TEST_CODEGEN_CPU_CONVREFERENCE_H
#define SMELT_TEST_CODEGEN_CPU_CONVREFERENCE_H

#include "Harness.h"
#include <gtest/gtest.h>

namespace smelt::test {

/// One convolution.
struct ConvCase {
  int64_t batch = 1;
  std::vector<int64_t> size;
  int64_t in, out;
  std::vector<int64_t> kernel, stride = {}, pad = {}, dilation = {};
  int64_t groups = 1;
  bool channelsLast = true, symbolic = false, bias = false, residual = false;
  bool transposed = false;
  std::vector<int64_t> outputPad = {};
  enum { Constant, Argument, Quantized } weights = Constant; // Quantized: i8 with a scale and a zero point per channel
};

inline std::string list(const std::vector<int64_t> &values) {
  std::string text;
  for (int64_t v : values)
    text += (text.empty() ? "" : ", ") + std::to_string(v);
  return text;
}

/// Row-major index counting; false after the last.
inline bool next(std::vector<int64_t> &index, const std::vector<int64_t> &sizes) {
  for (size_t d = index.size(); d-- > 0;) {
    if (++index[d] < sizes[d])
      return true;
    index[d] = 0;
  }
  return false;
}

template <class T> void runConv(ConvCase c, const std::string &element, const std::string &family, const std::string &target) {
  if (!isSampled(target))
    return;
  size_t rank = c.kernel.size();
  auto fill = [&](std::vector<int64_t> &v, int64_t value) {
    if (v.empty())
      v.assign(rank, value);
  };
  fill(c.stride, 1), fill(c.pad, 0), fill(c.dilation, 1), fill(c.outputPad, 0);
  std::vector<int64_t> outSize;
  for (size_t d = 0; d < rank; ++d) {
    int64_t reach = (c.kernel[d] - 1) * c.dilation[d] + 1;
    outSize.push_back(c.transposed ? (c.size[d] - 1) * c.stride[d] + reach - 2 * c.pad[d] + c.outputPad[d]
                                   : (c.size[d] + 2 * c.pad[d] - reach) / c.stride[d] + 1);
  }
  // Symbols: s0 the batch, s1.. the input's sizes, s4.. the output's.
  auto shaped = [&](int64_t channels, const std::vector<int64_t> &sizes, int firstSymbol) {
    std::vector<std::string> dims, exprs;
    auto put = [&](int64_t size, int symbol) {
      bool named = c.symbolic && symbol >= 0;
      dims.push_back(named ? "?" : std::to_string(size));
      exprs.push_back(named ? "s" + std::to_string(symbol) : std::to_string(size));
    };
    put(c.batch, 0);
    if (!c.channelsLast)
      put(channels, -1);
    for (size_t d = 0; d < rank; ++d)
      put(sizes[d], firstSymbol + d);
    if (c.channelsLast)
      put(channels, -1);
    std::string text = "tensor<", map;
    for (size_t i = 0; i < dims.size(); ++i)
      text += dims[i] + "x", map += (i ? ", " : "") + exprs[i];
    return text + element + (c.symbolic ? ", #smelt.dims<()[s0, s1, s2, s3, s4, s5, s6] -> (" + map + ")>>" : ">");
  };
  std::string x = shaped(c.in, c.size, 1), y = shaped(c.out, outSize, 4);
  int64_t outGroup = c.out / c.groups, inGroup = c.in / c.groups, taps = 1;
  for (int64_t k : c.kernel)
    taps *= k;
  std::string w = "tensor<" + std::to_string(c.transposed ? c.in : c.out) + "x" + std::to_string(c.transposed ? outGroup : inGroup) + "x";
  for (int64_t k : c.kernel)
    w += std::to_string(k) + "x";
  w += element + ">";
  std::string bias = "tensor<" + std::to_string(c.out);
  for (size_t d = 0; d < rank && !c.channelsLast; ++d)
    bias += "x1";
  bias += "x" + element + ">";
  KernelText text;
  text.operands = {x, w, bias, y};
  text.results = {y};
  for (int i = 0; i < 7; ++i)
    text.symbols += "smelt.symbol " + std::to_string(i) + " \"S" + std::to_string(i) + "\" [0, 4096]\n";
  std::vector<int64_t> pads = c.pad;
  if (!c.transposed)
    pads.insert(pads.end(), c.pad.begin(), c.pad.end());
  // As integers, (w - zero) * 2 must be the weights again.
  std::string weights = "%a1", scales;
  bool quantized = c.weights == ConvCase::Quantized;
  if (quantized) {
    std::string i8 = w.substr(0, w.size() - element.size() - 1) + "i8>";
    scales = "tensor<" + std::string(c.transposed ? "1x" + std::to_string(outGroup) : std::to_string(c.out) + "x1");
    for (size_t d = 0; d < rank; ++d)
      scales += "x1";
    text.operands[1] = i8;
    text.operands.push_back(scales + "x" + element + ">");
    text.operands.push_back(scales + "xi8>");
    text.body = "    %w = smelt.dequantize %a1, %a4, %a5 : (" + i8 + ", " + text.operands[4] + ", " + text.operands[5] +
                ") -> " + w + "\n";
    weights = "%w";
  }
  text.body += std::string("    %c = smelt.") + (c.transposed ? "conv_transpose" : "conv") + " %a0, " + weights + " {strides = array<i64: " +
              list(c.stride) + ">, pads = #smelt.dims<() -> (" + list(pads) + ")>, dilations = array<i64: " + list(c.dilation) +
              ">, groups = " + std::to_string(c.groups) + ", channelsLast = " + (c.channelsLast ? "true" : "false") + "} : (" +
              x + ", " + w + ") -> " + y + "\n";
  std::string out = "%c";
  if (c.bias) {
    text.body += "    %d = smelt.add " + out + ", %a2 : (" + y + ", " + bias + ") -> " + y + "\n";
    out = "%d";
  }
  if (c.residual) {
    text.body += "    %e = smelt.add " + out + ", %a3 : (" + y + ", " + y + ") -> " + y + "\n";
    text.body += "    %f = smelt.max %e, %a3 : (" + y + ", " + y + ") -> " + y + "\n";
    text.body += "    %g = smelt.add %f, %f : (" + y + ", " + y + ") -> " + y + "\n";
    out = "%g";
  }
  text.body += "    smelt.yield " + out + " : " + y;
  SCOPED_TRACE(target + " " + text.body);

  int64_t inPixels = 1, outPixels = 1;
  for (size_t d = 0; d < rank; ++d)
    inPixels *= c.size[d], outPixels *= outSize[d];
  size_t xCount = c.batch * inPixels * c.in, wCount = (c.transposed ? c.in * outGroup : c.out * inGroup) * taps,
         yCount = c.batch * outPixels * c.out;
  GuardedBuffer xs(xCount * sizeof(T)), ws(wCount * sizeof(T)), bs(c.out * sizeof(T)), rs(yCount * sizeof(T)),
      got(yCount * sizeof(T)), split(yCount * sizeof(T));
  fillIntegers(xs.as<T>(), xCount, 1);
  fillIntegers(ws.as<T>(), wCount, 2, -2, 2);
  fillIntegers(bs.as<T>(), c.out, 3);
  fillIntegers(rs.as<T>(), yCount, 4);
  std::vector<char> constant(ws.data(), ws.data() + ws.size()), scaleBytes, zeroBytes;
  if (quantized) {
    // Two per step, and a zero point of the channel's number modulo 5.
    constant.assign(wCount, 0);
    size_t channels = c.transposed ? outGroup : c.out, perChannel = c.transposed ? taps : inGroup * taps;
    for (size_t i = 0; i < wCount; ++i)
      constant[i] = char(int(ws.as<T>()[i]) + int(i / perChannel % channels % 5));
    std::vector<T> scale(channels, T(2));
    scaleBytes.resize(channels * sizeof(T));
    std::memcpy(scaleBytes.data(), scale.data(), scaleBytes.size());
    for (size_t o = 0; o < channels; ++o)
      zeroBytes.push_back(char(o % 5));
  }
  std::vector<std::pair<unsigned, std::vector<char>>> constants;
  if (c.weights != ConvCase::Argument)
    constants.push_back({1, constant});
  Kernel kernel(text, constants, target);
  ASSERT_EQ(kernel.family(), family);
  std::vector<int64_t> symbols = {c.batch, 0, 0, 0, 0, 0, 0};
  for (size_t d = 0; d < rank; ++d)
    symbols[1 + d] = c.size[d], symbols[4 + d] = outSize[d];
  std::vector<void *> pointers = {xs.data(), constant.data(), bs.data(), rs.data()};
  if (quantized)
    pointers.insert(pointers.end(), {scaleBytes.data(), zeroBytes.data()});
  pointers.push_back(got.data());
  ASSERT_EQ(kernel.run(pointers, symbols), 0);
  pointers.back() = split.data();
  kernel.run(pointers, symbols, 3);
  ASSERT_EQ(std::memcmp(got.data(), split.data(), got.size()), 0) << "depends on the split";

  auto at = [&](const std::vector<int64_t> &sizes, int64_t channels, int64_t n, int64_t ch, const std::vector<int64_t> &p) {
    int64_t linear = n;
    if (!c.channelsLast)
      linear = linear * channels + ch;
    for (size_t d = 0; d < rank; ++d)
      linear = linear * sizes[d] + p[d];
    return c.channelsLast ? linear * channels + ch : linear;
  };
  std::vector<double> want(yCount, 0);
  std::vector<int64_t> p(rank, 0), k(rank, 0), q(rank);
  // The pixels of the smaller role: output pixels, or input ones when transposed.
  const std::vector<int64_t> &own = c.transposed ? c.size : outSize, &other = c.transposed ? outSize : c.size;
  do {
    std::fill(k.begin(), k.end(), 0);
    int64_t tap = 0;
    do {
      bool inside = true;
      for (size_t d = 0; d < rank; ++d) {
        q[d] = p[d] * c.stride[d] + k[d] * c.dilation[d] - c.pad[d];
        inside &= q[d] >= 0 && q[d] < other[d];
      }
      for (int64_t n = 0; inside && n < c.batch; ++n)
        for (int64_t o = 0; o < c.out; ++o)
          for (int64_t i = 0; i < inGroup; ++i) {
            int64_t group = o / outGroup, in = group * inGroup + i;
            double weight = c.transposed ? double(ws.as<T>()[(in * outGroup + o % outGroup) * taps + tap])
                                         : double(ws.as<T>()[(o * inGroup + i) * taps + tap]);
            int64_t from = at(c.size, c.in, n, in, c.transposed ? p : q), to = at(outSize, c.out, n, o, c.transposed ? q : p);
            want[to] += weight * double(xs.as<T>()[from]);
          }
      ++tap;
    } while (next(k, c.kernel));
  } while (next(p, own));
  for (size_t i = 0; i < yCount; ++i) {
    double value = quantized ? 2 * want[i] : want[i], r = double(rs.as<T>()[i]);
    int64_t channel = c.channelsLast ? i % c.out : i / outPixels % c.out;
    if (c.bias)
      value += double(bs.as<T>()[channel]);
    if (c.residual)
      value = 2 * std::max(value + r, r);
    ASSERT_EQ(double(got.as<T>()[i]), value) << "element " << i;
  }
}

} // namespace smelt::test

#endif // SMELT_TEST_CODEGEN_CPU_CONVREFERENCE_H
