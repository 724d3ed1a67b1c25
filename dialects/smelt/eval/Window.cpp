//===- Window.cpp - Evaluating pools ----------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One walk over windows; a pool folds the elements inside. NaN wins a maximum;
// sums run in the carried type. Tested by test/dialects/eval/contract.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/eval/Families.h"
#include "dialects/smelt/eval/Kinds.h"

using namespace mlir;

namespace smelt::eval {

namespace {

/// Spatial geometry of a pool.
struct Windows {
  SmallVector<int64_t> in, out, kernel, strides, dilations, low, high, inStrides, outStrides;
  int64_t points = 1, taps = 1;

  /// Calls `inside(offset in x)` for the window's elements inside x; returns
  /// how many of its elements lie in the padded tensor.
  template <typename F> int64_t walk(int64_t flat, F inside) const {
    int64_t space = in.size(), padded = 0;
    SmallVector<int64_t, 4> base(space), tap(space, 0);
    for (int64_t d = space; d-- > 0;) {
      base[d] = (flat % out[d]) * strides[d] - low[d];
      flat /= out[d];
    }
    for (int64_t t = 0; t < taps; ++t) {
      int64_t offset = 0;
      bool isInside = true, isPadded = true;
      for (int64_t d = 0; d < space; ++d) {
        int64_t at = base[d] + tap[d] * dilations[d];
        isInside &= at >= 0 && at < in[d];
        isPadded &= at >= -low[d] && at < in[d] + high[d];
        offset += at * inStrides[d];
      }
      padded += isPadded;
      if (isInside)
        inside(offset);
      for (int64_t d = space; d-- > 0;) {
        if (++tap[d] < kernel[d])
          break;
        tap[d] = 0;
      }
    }
    return padded;
  }

  int64_t outOffset(int64_t flat) const {
    int64_t offset = 0;
    for (int64_t d = out.size(); d-- > 0;) {
      offset += (flat % out[d]) * outStrides[d];
      flat /= out[d];
    }
    return offset;
  }
};

template <typename OpT>
std::optional<Windows> makeWindows(Call &call, OpT op, bool channelsLast) {
  ArrayRef<int64_t> x = call[0].getShape(), y = call.shapes[0];
  std::optional<SmallVector<int64_t>> pads = call.resolve(op.getPads());
  if (!pads)
    return std::nullopt;
  int64_t space = op.getKernel().size(), first = channelsLast ? 1 : 2;
  if (int64_t(x.size()) != space + 2 || int64_t(y.size()) != space + 2 || int64_t(pads->size()) != 2 * space) {
    call.refuse("kernel and pads do not fit an operand of rank " + Twine(x.size()));
    return std::nullopt;
  }
  Windows w;
  SmallVector<int64_t> sx = rowMajorStrides(x), sy = rowMajorStrides(y);
  for (int64_t d = 0; d < space; ++d) {
    w.in.push_back(x[first + d]);
    w.out.push_back(y[first + d]);
    w.inStrides.push_back(sx[first + d]);
    w.outStrides.push_back(sy[first + d]);
    w.kernel.push_back(op.getKernel()[d]);
    w.strides.push_back(op.getStrides()[d]);
    w.dilations.push_back(op.getDilations()[d]);
    w.low.push_back((*pads)[d]);
    w.high.push_back((*pads)[space + d]);
    w.points *= w.out[d];
    w.taps *= w.kernel[d];
  }
  return w;
}

template <typename T> T lowest() {
  if constexpr (std::is_floating_point_v<T>)
    return -std::numeric_limits<T>::infinity();
  else
    return std::numeric_limits<T>::lowest();
}

} // namespace

HostTensor evaluatePool(Call &call, PoolOp op) {
  bool last = op.getChannelsLast();
  std::optional<Windows> windows = makeWindows(call, op, last);
  if (!windows)
    return {};
  ArrayRef<int64_t> x = call[0].getShape();
  SmallVector<int64_t> sx = rowMajorStrides(x), sy = rowMajorStrides(call.shapes[0]);
  int64_t channelDim = last ? x.size() - 1 : 1;
  bool isMax = op.getKind() == PoolKind::max, divides = op.getKind() != PoolKind::sum && !isMax;
  if (divides && !isa<FloatType>(call[0].getElementType()))
    return call.refuse("average of integers");
  return dispatch(carriedKind(call[0].getElementType()), [&](auto tag) -> HostTensor {
    using T = decltype(tag);
    if constexpr (std::is_same_v<T, bool>) {
      return call.refuse("pool of booleans");
    } else {
      Elements<T> in(call[0]);
      Result<T> out(call.types[0], call.shapes[0]);
      for (int64_t n = 0; n < x[0]; ++n)
        for (int64_t c = 0; c < x[channelDim]; ++c) {
          const T *plane = in.data() + n * sx[0] + c * sx[channelDim];
          T *to = out.data() + n * sy[0] + c * sy[channelDim];
          for (int64_t p = 0; p < windows->points; ++p) {
            T value = isMax ? lowest<T>() : T(0);
            int64_t inside = 0;
            int64_t padded = windows->walk(p, [&](int64_t offset) {
              T element = plane[offset];
              ++inside;
              if (!isMax)
                value = T(value + element);
              else if (element > value || element != element)
                value = element;
            });
            if (divides) {
              int64_t count = op.getKind() == PoolKind::avg ? inside : padded;
              value = count ? T(value / T(count)) : T(0);
            }
            to[windows->outOffset(p)] = value;
          }
        }
      return out.finish();
    }
  });
}

HostTensor evaluateArgPool(Call &call, ArgPoolOp op) {
  std::optional<Windows> windows = makeWindows(call, op, false);
  if (!windows)
    return {};
  ArrayRef<int64_t> x = call[0].getShape();
  int64_t plane = 1;
  for (int64_t size : windows->in)
    plane *= size;
  HostTensor result = HostTensor::allocate(IntegerType::get(op.getContext(), 64), call.shapes[0]);
  dispatch(carriedKind(call[0].getElementType()), [&](auto tag) {
    using T = decltype(tag);
    Elements<T> in(call[0]);
    int64_t *out = result.mutableData<int64_t>();
    for (int64_t n = 0; n < x[0] * x[1]; ++n)
      for (int64_t p = 0; p < windows->points; ++p) {
        int64_t winner = -1;
        windows->walk(p, [&](int64_t offset) {
          T element = in[n * plane + offset];
          if (winner < 0 || element > in[n * plane + winner] || (element != element && in[n * plane + winner] == in[n * plane + winner]))
            winner = offset;
        });
        int64_t index = std::max<int64_t>(winner, 0);
        if (op.getColumnMajor()) {
          int64_t rest = index, flat = 0;
          SmallVector<int64_t> at(windows->in.size());
          for (int64_t d = at.size(); d-- > 0;) {
            at[d] = rest % windows->in[d];
            rest /= windows->in[d];
          }
          for (int64_t d = at.size(); d-- > 0;)
            flat = flat * windows->in[d] + at[d];
          index = flat;
        }
        *out++ = n * plane + index;
      }
  });
  return convert(result, call.types[0]);
}

} // namespace smelt::eval
