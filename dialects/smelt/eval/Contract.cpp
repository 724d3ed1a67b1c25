//===- Contract.cpp - Evaluating matrix products and convolutions -----------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One plain product C += A B with contiguous rows of B; a convolution gathers
// its windows into rows first. Every element sums over k in rising order: in
// float for f32 and below, modulo 2^32 or 2^64 for integers. Tested by
// test/dialects/eval/contract.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/eval/Families.h"
#include "dialects/smelt/eval/Kinds.h"
#include <algorithm>

using namespace mlir;

namespace smelt::eval {

namespace {

/// The type products are summed in; calls `f(T())`.
template <typename F> HostTensor withAccumulator(Call &call, F f) {
  for (const HostTensor &operand : call.operands)
    if (isa<FloatType>(operand.getElementType()) != isa<FloatType>(call.types[0]))
      return call.refuse("operands and result are not all floats or all integers");
  if (auto integer = dyn_cast<IntegerType>(call.types[0]))
    return integer.getWidth() <= 32 ? f(uint32_t()) : f(uint64_t());
  bool isDouble = call.types[0].isF64() || call[0].getElementType().isF64() || call[1].getElementType().isF64();
  return isDouble ? f(double()) : f(float());
}

/// One row of C over `n` columns, `k` rows of B at a time in order.
template <typename T>
void rowProduct(T *__restrict c, const T *a, int64_t strideA, const T *__restrict b, int64_t strideB, int64_t n,
                int64_t k) {
  int64_t i = 0;
  for (; i + 4 <= k; i += 4) {
    T a0 = a[i * strideA], a1 = a[(i + 1) * strideA], a2 = a[(i + 2) * strideA], a3 = a[(i + 3) * strideA];
    const T *b0 = b + i * strideB, *b1 = b0 + strideB, *b2 = b1 + strideB, *b3 = b2 + strideB;
    for (int64_t j = 0; j < n; ++j)
      c[j] = (((c[j] + a0 * b0[j]) + a1 * b1[j]) + a2 * b2[j]) + a3 * b3[j];
  }
  for (; i < k; ++i) {
    T a0 = a[i * strideA];
    const T *b0 = b + i * strideB;
    for (int64_t j = 0; j < n; ++j)
      c[j] += a0 * b0[j];
  }
}

/// C[m, n] += A[m, k] B[k, n]; blocks of B stay in the cache over the rows.
template <typename T>
void product(int64_t m, int64_t n, int64_t k, const T *a, int64_t rowA, int64_t strideA, const T *b, int64_t rowB,
             T *c, int64_t rowC) {
  constexpr int64_t columns = 512, depth = 128;
  for (int64_t j = 0; j < n; j += columns)
    for (int64_t p = 0; p < k; p += depth)
      for (int64_t i = 0; i < m; ++i)
        rowProduct(c + i * rowC + j, a + i * rowA + p * strideA, strideA, b + p * rowB + j, rowB,
                   std::min(columns, n - j), std::min(depth, k - p));
}

/// Offset of batch `index` (row-major over `batch`) in an operand with these
/// leading dims and `inner` elements per matrix.
int64_t batchOffset(int64_t index, ArrayRef<int64_t> batch, ArrayRef<int64_t> own, int64_t inner) {
  int64_t offset = 0, stride = inner;
  for (size_t d = 0; d < batch.size(); ++d) {
    size_t fromBack = batch.size() - 1 - d;
    int64_t at = index % batch[fromBack];
    index /= batch[fromBack];
    if (d >= own.size())
      continue;
    int64_t size = own[own.size() - 1 - d];
    offset += size == 1 ? 0 : at * stride;
    stride *= size;
  }
  return offset;
}

} // namespace

HostTensor evaluateMatMul(Call &call, MatMulOp op) {
  ArrayRef<int64_t> shapeA = call[0].getShape(), shapeB = call[1].getShape(), shape = call.shapes[0];
  auto size = [](ArrayRef<int64_t> s, int64_t fromBack) { return s[s.size() - fromBack]; };
  bool ta = op.getTransposeLhs(), tb = op.getTransposeRhs();
  if (shapeA.size() < 2 || shapeB.size() < 2 || shape.size() < 2)
    return call.refuse("operands of rank below 2");
  int64_t m = size(shapeA, ta ? 1 : 2), k = size(shapeA, ta ? 2 : 1), n = size(shapeB, tb ? 2 : 1);
  if (size(shapeB, tb ? 1 : 2) != k || size(shape, 2) != m || size(shape, 1) != n)
    return call.refuse("sizes " + Twine(m) + "x" + Twine(k) + " by " + Twine(size(shapeB, tb ? 1 : 2)) + "x" +
                       Twine(n) + " do not give the result's");
  ArrayRef<int64_t> batch = shape.drop_back(2);
  int64_t batches = 1;
  for (int64_t d : batch)
    batches *= d;
  for (ArrayRef<int64_t> own : {shapeA.drop_back(2), shapeB.drop_back(2)})
    for (size_t d = 0; d < own.size(); ++d)
      if (own.size() > batch.size() || (own[own.size() - 1 - d] != 1 &&
                                        own[own.size() - 1 - d] != batch[batch.size() - 1 - d]))
        return call.refuse("batch dims do not broadcast to the result's");
  return withAccumulator(call, [&](auto tag) {
    using T = decltype(tag);
    Elements<T> a(call[0]), b(call[1]);
    Result<T> c(call.types[0], shape);
    std::fill_n(c.data(), batches * m * n, T(0));
    std::vector<T> turned;
    int64_t turnedFrom = -1;
    for (int64_t i = 0; i < batches; ++i) {
      const T *left = a.data() + batchOffset(i, batch, shapeA.drop_back(2), m * k);
      int64_t offsetB = batchOffset(i, batch, shapeB.drop_back(2), k * n);
      const T *right = b.data() + offsetB;
      if (tb) {
        if (turnedFrom != offsetB) {
          turned.resize(k * n);
          copyStrided(reinterpret_cast<char *>(turned.data()), reinterpret_cast<const char *>(right), {k, n}, {1, k},
                      sizeof(T));
          turnedFrom = offsetB;
        }
        right = turned.data();
      }
      product<T>(m, n, k, left, ta ? 1 : k, ta ? m : 1, right, n, c.data() + i * m * n, n);
    }
    return c.finish();
  });
}

namespace {

/// Sizes and strides of a convolution; spatial dims are `space` many.
struct ConvShape {
  int64_t space, batch, channels, groups, outputs; // channels and outputs per group
  SmallVector<int64_t> in, out, kernel, inStrides, outStrides, strides, dilations, low;
  int64_t inBatch, inChannel, outBatch, outChannel; // strides in elements
  int64_t points = 1, taps = 1;                     // product of out, of kernel

  ConvShape(ArrayRef<int64_t> x, ArrayRef<int64_t> y, ArrayRef<int64_t> w, bool channelsLast) {
    space = x.size() - 2;
    SmallVector<int64_t> sx = rowMajorStrides(x), sy = rowMajorStrides(y);
    int64_t first = channelsLast ? 1 : 2, channel = channelsLast ? space + 1 : 1;
    batch = x[0];
    in.assign(x.begin() + first, x.begin() + first + space);
    out.assign(y.begin() + first, y.begin() + first + space);
    inStrides.assign(sx.begin() + first, sx.begin() + first + space);
    outStrides.assign(sy.begin() + first, sy.begin() + first + space);
    kernel.assign(w.begin() + 2, w.end());
    inBatch = sx[0], inChannel = sx[channel], outBatch = sy[0], outChannel = sy[channel];
    for (int64_t size : out)
      points *= size;
    for (int64_t size : kernel)
      taps *= size;
  }

  /// Coordinates of a flat index.
  static void unflatten(int64_t flat, ArrayRef<int64_t> sizes, MutableArrayRef<int64_t> at) {
    for (size_t d = sizes.size(); d-- > 0;) {
      at[d] = flat % sizes[d];
      flat /= sizes[d];
    }
  }
};

/// Rows of window elements: row (c, tap), column = output point.
template <typename T>
void gatherWindows(const ConvShape &s, const T *x, int64_t firstPoint, int64_t points, T *rows) {
  SmallVector<int64_t> point(s.space), tap(s.space);
  // Per point and tap the input offset, once for all channels.
  std::vector<int64_t> offsets(points * s.taps);
  for (int64_t t = 0; t < s.taps; ++t) {
    ConvShape::unflatten(t, s.kernel, tap);
    ConvShape::unflatten(firstPoint, s.out, point);
    for (int64_t p = 0; p < points; ++p) {
      int64_t offset = 0;
      for (int64_t d = 0; d < s.space; ++d) {
        int64_t at = point[d] * s.strides[d] + tap[d] * s.dilations[d] - s.low[d];
        if (at < 0 || at >= s.in[d]) {
          offset = -1;
          break;
        }
        offset += at * s.inStrides[d];
      }
      offsets[t * points + p] = offset;
      for (int64_t d = s.space; d-- > 0;) {
        if (++point[d] < s.out[d])
          break;
        point[d] = 0;
      }
    }
  }
  for (int64_t c = 0; c < s.channels; ++c) {
    const T *in = x + c * s.inChannel;
    for (int64_t i = 0, e = points * s.taps; i < e; ++i)
      *rows++ = offsets[i] < 0 ? T(0) : in[offsets[i]];
  }
}

} // namespace

HostTensor evaluateConv(Call &call, ConvOp op) {
  ArrayRef<int64_t> x = call[0].getShape(), w = call[1].getShape(), y = call.shapes[0];
  std::optional<SmallVector<int64_t>> pads = call.resolve(op.getPads());
  if (!pads)
    return {};
  if (x.size() < 2 || w.size() != x.size() || y.size() != x.size())
    return call.refuse("operands of different ranks");
  ConvShape s(x, y, w, op.getChannelsLast());
  s.groups = op.getGroups();
  s.channels = w[1];
  s.outputs = w[0] / s.groups;
  s.strides.assign(op.getStrides().begin(), op.getStrides().end());
  s.dilations.assign(op.getDilations().begin(), op.getDilations().end());
  s.low.assign(pads->begin(), pads->begin() + s.space);
  int64_t channelDim = op.getChannelsLast() ? x.size() - 1 : 1;
  if (x[channelDim] != s.channels * s.groups || y[channelDim] != w[0] || y[0] != x[0])
    return call.refuse("channels of input, weights and result do not fit");
  return withAccumulator(call, [&](auto tag) {
    using T = decltype(tag);
    Elements<T> in(call[0]), weights(call[1]);
    Result<T> out(call.types[0], y);
    int64_t depth = s.channels * s.taps, step = std::min<int64_t>(512, std::max<int64_t>(s.points, 1));
    std::vector<T> rows(depth * step), sums(s.outputs * step);
    for (int64_t n = 0; n < s.batch; ++n)
      for (int64_t g = 0; g < s.groups; ++g)
        for (int64_t p = 0; p < s.points; p += step) {
          int64_t count = std::min(step, s.points - p);
          gatherWindows(s, in.data() + n * s.inBatch + g * s.channels * s.inChannel, p, count, rows.data());
          std::fill(sums.begin(), sums.end(), T(0));
          product<T>(s.outputs, count, depth, weights.data() + g * s.outputs * depth, depth, 1, rows.data(), count,
                     sums.data(), count);
          // The result's points are row-major with one stride, last dim's.
          int64_t pointStride = s.space ? s.outStrides[s.space - 1] : 1;
          for (int64_t o = 0; o < s.outputs; ++o) {
            T *to = out.data() + n * s.outBatch + (g * s.outputs + o) * s.outChannel + p * pointStride;
            for (int64_t i = 0; i < count; ++i)
              to[i * pointStride] = sums[o * count + i];
          }
        }
    return out.finish();
  });
}

HostTensor evaluateConvTranspose(Call &call, ConvTransposeOp op) {
  ArrayRef<int64_t> x = call[0].getShape(), w = call[1].getShape(), y = call.shapes[0];
  std::optional<SmallVector<int64_t>> pads = call.resolve(op.getPads());
  if (!pads)
    return {};
  if (x.size() < 2 || w.size() != x.size() || y.size() != x.size() || pads->size() + 2 < x.size())
    return call.refuse("operands of different ranks");
  ConvShape s(x, y, w, op.getChannelsLast());
  s.groups = op.getGroups();
  s.channels = w[0] / s.groups;
  s.outputs = w[1];
  int64_t channelDim = op.getChannelsLast() ? x.size() - 1 : 1;
  if (x[channelDim] != w[0] || y[channelDim] != s.outputs * s.groups || y[0] != x[0])
    return call.refuse("channels of input, weights and result do not fit");
  ArrayRef<int64_t> strides = op.getStrides(), dilations = op.getDilations();
  int64_t inPoints = 1;
  for (int64_t size : s.in)
    inPoints *= size;
  return withAccumulator(call, [&](auto tag) {
    using T = decltype(tag);
    Elements<T> in(call[0]), weights(call[1]);
    Result<T> out(call.types[0], y);
    int64_t total = 1;
    for (int64_t size : y)
      total *= size;
    std::fill_n(out.data(), total, T(0));
    SmallVector<int64_t> at(s.space), tap(s.space);
    for (int64_t t = 0; t < s.taps; ++t) {
      ConvShape::unflatten(t, s.kernel, tap);
      for (int64_t p = 0; p < inPoints; ++p) {
        ConvShape::unflatten(p, s.in, at);
        int64_t from = 0, to = 0;
        bool inside = true;
        for (int64_t d = 0; d < s.space; ++d) {
          int64_t o = at[d] * strides[d] + tap[d] * dilations[d] - (*pads)[d];
          inside &= o >= 0 && o < s.out[d];
          from += at[d] * s.inStrides[d];
          to += o * s.outStrides[d];
        }
        if (!inside)
          continue;
        for (int64_t n = 0; n < s.batch; ++n)
          for (int64_t g = 0; g < s.groups; ++g)
            for (int64_t c = 0; c < s.channels; ++c) {
              T value = in[n * s.inBatch + (g * s.channels + c) * s.inChannel + from];
              const T *row = weights.data() + (g * s.channels + c) * s.outputs * s.taps + t;
              T *sum = out.data() + n * s.outBatch + g * s.outputs * s.outChannel + to;
              for (int64_t o = 0; o < s.outputs; ++o)
                sum[o * s.outChannel] += value * row[o * s.taps];
            }
      }
    }
    return out.finish();
  });
}

} // namespace smelt::eval
