//===- Loops.h - Loops over broadcast operands (internal) -------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Row-major result, operands broadcast to it the NumPy way. Neighbouring dims
// are merged while each operand either runs on or stands still over both, so
// that the inner loop is long and its steps are the constants 0 and 1.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_DIALECTS_SMELT_EVAL_LOOPS_H
#define SMELT_DIALECTS_SMELT_EVAL_LOOPS_H

#include "dialects/smelt/eval/Tensor.h"
#include <array>

namespace smelt::eval {

/// Steps of N operands in the inner loop, as constants.
template <bool... Moves> struct Steps {
  static constexpr std::array<int64_t, sizeof...(Moves)> values = {int64_t(Moves)...};
  constexpr int64_t operator[](size_t i) const { return values[i]; }
};

template <size_t N> class Broadcast {
public:
  Broadcast(llvm::ArrayRef<int64_t> shape, std::array<const HostTensor *, N> operands) {
    // Innermost dim first.
    for (size_t d = shape.size(); d-- > 0;) {
      if (shape[d] == 1)
        continue;
      std::array<int64_t, N> step;
      for (size_t k = 0; k < N; ++k)
        step[k] = strideOf(*operands[k], shape, d);
      if (!sizes.empty() && runsOn(step)) {
        sizes.back() *= shape[d];
      } else {
        sizes.push_back(shape[d]);
        steps.push_back(step);
      }
    }
    if (sizes.empty()) {
      sizes.push_back(1);
      steps.push_back({});
    }
  }

  /// `f(offset in the result, offsets in the operands, count, steps)` per inner
  /// loop; steps are constants.
  template <typename F> void run(F &&f) { choose<>(std::forward<F>(f)); }

private:
  static int64_t strideOf(const HostTensor &x, llvm::ArrayRef<int64_t> shape, size_t dim) {
    int64_t own = int64_t(dim) - (int64_t(shape.size()) - x.getRank());
    if (own < 0 || x.getShape()[own] == 1)
      return 0;
    int64_t stride = 1;
    for (int64_t i = own + 1; i < x.getRank(); ++i)
      stride *= x.getShape()[i];
    return stride;
  }
  bool runsOn(const std::array<int64_t, N> &step) const {
    for (size_t k = 0; k < N; ++k)
      if (step[k] != steps.back()[k] * sizes.back())
        return false;
    return true;
  }

  template <bool... Moves, typename F> void choose(F &&f) {
    if constexpr (sizeof...(Moves) < N) {
      // A row-major operand's innermost moving dim has stride 1.
      if (steps[0][sizeof...(Moves)] != 0)
        choose<Moves..., true>(std::forward<F>(f));
      else
        choose<Moves..., false>(std::forward<F>(f));
    } else {
      loop(f, Steps<Moves...>());
    }
  }

  template <typename F, typename S> void loop(F &f, S constantSteps) {
    for (int64_t size : sizes)
      if (size == 0)
        return;
    llvm::SmallVector<int64_t> index(sizes.size(), 0);
    std::array<int64_t, N> at{};
    for (int64_t offset = 0;;) {
      f(offset, at, sizes[0], constantSteps);
      offset += sizes[0];
      size_t d = 1;
      for (; d < sizes.size(); ++d) {
        for (size_t k = 0; k < N; ++k)
          at[k] += steps[d][k];
        if (++index[d] < sizes[d])
          break;
        for (size_t k = 0; k < N; ++k)
          at[k] -= steps[d][k] * sizes[d];
        index[d] = 0;
      }
      if (d >= sizes.size())
        return;
    }
  }

  llvm::SmallVector<int64_t> sizes;
  llvm::SmallVector<std::array<int64_t, N>> steps;
};

} // namespace smelt::eval

#endif // SMELT_DIALECTS_SMELT_EVAL_LOOPS_H
