//===- Search.cpp - Evaluating top_k, non_zero and decision trees -----------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tested by test/dialects/eval/index.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/eval/Families.h"
#include "dialects/smelt/eval/Kinds.h"
#include <algorithm>
#include <cstring>
#include <numeric>

using namespace mlir;

namespace smelt::eval {

/// Equal elements keep the order of their indices; NaN is the largest.
SmallVector<HostTensor> evaluateTopK(Call &call, TopKOp op) {
  AxisSplit split(call[0].getShape(), op.getAxis());
  int64_t k = call.shapes[0][op.getAxis()];
  if (k > split.size) {
    call.refuse("k is " + Twine(k) + ", the axis has " + Twine(split.size));
    return {};
  }
  HostTensor values = HostTensor::allocate(call.types[0], call.shapes[0]);
  HostTensor indices = HostTensor::allocate(IntegerType::get(op.getContext(), 64), call.shapes[1]);
  int64_t size = getElementBytes(call.types[0]);
  const char *in = call[0].getBytes().data();
  dispatch(carriedKind(call[0].getElementType()), [&](auto tag) {
    using T = decltype(tag);
    Elements<T> x(call[0]);
    std::vector<int64_t> order(split.size);
    auto above = [](T a, T b) { return a != a ? b == b : a > b; };
    for (int64_t o = 0; o < split.outer; ++o)
      for (int64_t n = 0; n < split.inner; ++n) {
        auto at = [&](int64_t i) { return (o * split.size + i) * split.inner + n; };
        std::iota(order.begin(), order.end(), 0);
        std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](int64_t i, int64_t j) {
          T a = x[at(i)], b = x[at(j)];
          if (op.getLargest() ? above(a, b) : above(b, a))
            return true;
          if (op.getLargest() ? above(b, a) : above(a, b))
            return false;
          return i < j;
        });
        for (int64_t i = 0; i < k; ++i) {
          int64_t to = (o * k + i) * split.inner + n;
          std::memcpy(values.mutableData<char>() + to * size, in + at(order[i]) * size, size);
          indices.mutableData<int64_t>()[to] = order[i];
        }
      }
  });
  return {values, convert(indices, call.types[1])};
}

HostTensor evaluateNonZero(Call &call) {
  SmallVector<int64_t> strides = rowMajorStrides(call[0].getShape());
  int64_t rank = call[0].getRank();
  Elements<bool> x(call[0]);
  std::vector<int64_t> found;
  for (int64_t i = 0, e = call[0].getNumElements(); i < e; ++i)
    if (x[i])
      found.push_back(i);
  int64_t count = found.size();
  HostTensor result = HostTensor::allocate(IntegerType::get(call.op->getContext(), 64), {rank, count});
  for (int64_t d = 0; d < rank; ++d)
    for (int64_t i = 0; i < count; ++i)
      result.mutableData<int64_t>()[d * count + i] = found[i] / strides[d] % call[0].getShape()[d];
  return convert(result, call.types[0]);
}

/// A leaf, or which way the node sends `value`.
static bool takesTrue(int64_t mode, double value, double threshold, bool missingTrue) {
  if (value != value)
    return missingTrue;
  switch (mode) {
  case 1: return value <= threshold;
  case 2: return value < threshold;
  case 3: return value >= threshold;
  case 4: return value > threshold;
  case 5: return value == threshold;
  default: return value != threshold;
  }
}

HostTensor evaluateTreeEnsemble(Call &call, TreeEnsembleOp op) {
  if (call[0].getRank() != 2 || call.shapes[0].size() != 2 || call[0].getShape()[0] != call.shapes[0][0])
    return call.refuse("operand and result are not [N, F] and [N, targets]");
  int64_t rows = call[0].getShape()[0], features = call[0].getShape()[1], targets = call.shapes[0][1];
  Elements<double> x(call[0]), thresholds(call[2]);
  Elements<int64_t> featureIds(call[1]), modes(call[3]), trueIds(call[4]), falseIds(call[5]), roots(call[7]),
      leafBegin(call[8]), leafTargets(call[9]);
  Elements<bool> missingTrue(call[6]);
  int64_t nodes = call[3].getNumElements(), trees = call[7].getNumElements(), leaves = call[10].getNumElements();
  return dispatch(carriedKind(call.types[0]), [&](auto tag) -> HostTensor {
    using T = decltype(tag);
    Elements<T> weights(call[10]);
    Result<T> result(call.types[0], call.shapes[0]);
    std::fill_n(result.data(), rows * targets, T(0));
    std::vector<char> seen(targets);
    for (int64_t row = 0; row < rows; ++row) {
      std::fill(seen.begin(), seen.end(), 0);
      for (int64_t tree = 0; tree < trees; ++tree) {
        int64_t node = roots[tree], steps = 0;
        while (node >= 0 && node < nodes && modes[node] != 0 && steps++ <= nodes) {
          int64_t feature = featureIds[node];
          if (feature < 0 || feature >= features)
            return call.refuse("node " + Twine(node) + " reads feature " + Twine(feature) + " of " + Twine(features));
          bool yes = takesTrue(modes[node], x[row * features + feature], thresholds[node], missingTrue[node]);
          node = yes ? trueIds[node] : falseIds[node];
        }
        if (node < 0 || node >= nodes || modes[node] != 0)
          return call.refuse("tree " + Twine(tree) + " does not end in a leaf");
        for (int64_t leaf = leafBegin[node]; leaf < leafBegin[node + 1]; ++leaf) {
          if (leaf < 0 || leaf >= leaves || leafTargets[leaf] < 0 || leafTargets[leaf] >= targets)
            return call.refuse("leaf weight " + Twine(leaf) + " has no target");
          int64_t target = leafTargets[leaf];
          T &sum = result.data()[row * targets + target], weight = weights[leaf];
          switch (op.getAggregate()) {
          case ReduceKind::sum: sum = T(sum + weight); break;
          case ReduceKind::prod: sum = seen[target] ? T(sum * weight) : weight; break;
          case ReduceKind::max: sum = seen[target] ? std::max(sum, weight) : weight; break;
          case ReduceKind::min: sum = seen[target] ? std::min(sum, weight) : weight; break;
          }
          seen[target] = 1;
        }
      }
    }
    return result.finish();
  });
}

} // namespace smelt::eval
