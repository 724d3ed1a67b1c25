//===- Reduce.cpp - Evaluating reductions and running sums ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Elements are folded in row-major order, in float for f32 and below. NaN wins
// max and min. Tested by test/dialects/eval/reduce.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/eval/Families.h"
#include "dialects/smelt/eval/Kinds.h"
#include <algorithm>

using namespace mlir;

namespace smelt::eval {

namespace {

template <typename T> T startValue(ReduceKind kind) {
  using L = std::numeric_limits<T>;
  switch (kind) {
  case ReduceKind::sum: return T(0);
  case ReduceKind::prod: return T(1);
  case ReduceKind::max: return L::has_infinity ? T(-L::infinity()) : L::lowest();
  case ReduceKind::min: return L::has_infinity ? T(L::infinity()) : L::max();
  }
  llvm_unreachable("unknown reduction");
}

template <typename T, typename F> void fold(ReduceKind kind, F f) {
  switch (kind) {
  case ReduceKind::sum:
    return f([](T a, T b) -> T {
      if constexpr (std::is_floating_point_v<T>) return a + b;
      else return wrapTo<T>(WrappingT<T>(a) + WrappingT<T>(b));
    });
  case ReduceKind::prod:
    return f([](T a, T b) -> T {
      if constexpr (std::is_floating_point_v<T>) return a * b;
      else return wrapTo<T>(WrappingT<T>(a) * WrappingT<T>(b));
    });
  case ReduceKind::max: return f([](T a, T b) -> T { return a != a ? a : b > a || b != b ? b : a; });
  case ReduceKind::min: return f([](T a, T b) -> T { return a != a ? a : b < a || b != b ? b : a; });
  }
}

/// Dims of x, innermost first and merged, with their step in the result.
struct Groups {
  SmallVector<int64_t> sizes, steps;
};

} // namespace

HostTensor evaluateReduce(Call &call, ReduceOp op) {
  ArrayRef<int64_t> shape = call[0].getShape();
  Groups groups;
  int64_t step = 1;
  bool lastReduced = false;
  int64_t resultElements = 1;
  for (size_t d = shape.size(); d-- > 0;) {
    bool reduced = llvm::is_contained(op.getAxes(), int64_t(d));
    if (!groups.sizes.empty() && reduced == lastReduced) {
      groups.sizes.back() *= shape[d];
    } else {
      groups.sizes.push_back(shape[d]);
      groups.steps.push_back(reduced ? 0 : step);
    }
    lastReduced = reduced;
    if (!reduced) {
      step *= shape[d];
      resultElements *= shape[d];
    }
  }
  if (groups.sizes.empty()) {
    groups.sizes.push_back(1);
    groups.steps.push_back(0);
  }
  int64_t total = call[0].getNumElements();
  return dispatch(carriedKind(call.types[0]), [&](auto tag) {
    using T = decltype(tag);
    Elements<T> x(call[0]);
    Result<T> result(call.types[0], call.shapes[0]);
    T *out = result.data();
    std::fill_n(out, resultElements, startValue<T>(op.getKind()));
    if (total)
      fold<T>(op.getKind(), [&](auto combine) {
        SmallVector<int64_t> index(groups.sizes.size(), 0);
        int64_t n = groups.sizes[0], to = 0;
        for (int64_t at = 0; at < total; at += n) {
          const T *in = x.data() + at;
          if (groups.steps[0] == 0) {
            T value = out[to];
            for (int64_t i = 0; i < n; ++i)
              value = combine(value, in[i]);
            out[to] = value;
          } else {
            T *row = out + to;
            for (int64_t i = 0; i < n; ++i)
              row[i] = combine(row[i], in[i]);
          }
          for (size_t d = 1; d < index.size(); ++d) {
            to += groups.steps[d];
            if (++index[d] < groups.sizes[d])
              break;
            to -= groups.steps[d] * groups.sizes[d];
            index[d] = 0;
          }
        }
      });
    return result.finish();
  });
}

HostTensor evaluateArgReduce(Call &call, ArgReduceOp op) {
  AxisSplit split(call[0].getShape(), op.getAxis());
  HostTensor result = HostTensor::allocate(IntegerType::get(op.getContext(), 64), call.shapes[0]);
  if (split.size == 0 && result.getNumElements() != 0)
    return call.refuse("axis has no elements");
  dispatch(carriedKind(call[0].getElementType()), [&](auto tag) {
    using T = decltype(tag);
    Elements<T> x(call[0]);
    bool largest = op.getLargest(), last = op.getLastIndex();
    auto better = [&](T a, T b) { // a before b; NaN wins
      if (a != a || b != b)
        return a != a && (b == b || last);
      return largest ? (last ? a >= b : a > b) : (last ? a <= b : a < b);
    };
    for (int64_t o = 0; o < split.outer; ++o)
      for (int64_t n = 0; n < split.inner; ++n) {
        const T *in = x.data() + o * split.size * split.inner + n;
        int64_t winner = 0;
        for (int64_t i = 1; i < split.size; ++i)
          if (better(in[i * split.inner], in[winner * split.inner]))
            winner = i;
        result.mutableData<int64_t>()[o * split.inner + n] = winner;
      }
  });
  return convert(result, call.types[0]);
}

HostTensor evaluateCumSum(Call &call, CumSumOp op) {
  AxisSplit split(call[0].getShape(), op.getAxis());
  return dispatch(carriedKind(call[0].getElementType()), [&](auto tag) {
    using T = decltype(tag);
    Elements<T> x(call[0]);
    Result<T> result(call.types[0], call.shapes[0]);
    for (int64_t o = 0; o < split.outer; ++o)
      for (int64_t n = 0; n < split.inner; ++n) {
        T sum = T(op.getProduct() ? 1 : 0);
        for (int64_t i = 0; i < split.size; ++i) {
          int64_t at = op.getReverse() ? split.size - 1 - i : i;
          int64_t offset = (o * split.size + at) * split.inner + n;
          if (op.getExclusive())
            result.data()[offset] = sum;
          if constexpr (std::is_floating_point_v<T>)
            sum = op.getProduct() ? sum * x[offset] : sum + x[offset];
          else
            sum = wrapTo<T>(op.getProduct() ? WrappingT<T>(sum) * WrappingT<T>(x[offset])
                                            : WrappingT<T>(sum) + WrappingT<T>(x[offset]));
          if (!op.getExclusive())
            result.data()[offset] = sum;
        }
      }
    return result.finish();
  });
}

} // namespace smelt::eval
