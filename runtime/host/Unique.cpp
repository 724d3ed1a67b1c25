//===- Unique.cpp - Different elements or slices of a tensor -----------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Slices along an axis (elements without one) are sorted by their values and
// counted. Tested by test/runtime/HostCallTest.cpp and the backend suite.
//
//===----------------------------------------------------------------------===//
#include "runtime/host/Call.h"
#include <algorithm>

namespace smelt::rt {

namespace {

/// The slices of a tensor: element e of slice i lies at i * step + offset(e).
struct Slices {
  const TensorOperand &x;
  int64_t count = 0, size = 1, outer = 1, inner = 1;

  Slices(const TensorOperand &x, int64_t axis) : x(x) {
    count = axis < 0 ? x.count : x.dims[axis];
    for (int64_t d = 0; axis >= 0 && d < x.rank; ++d)
      (d < axis ? outer : d > axis ? inner : size) *= d == axis ? 1 : x.dims[d];
    size = outer * inner;
  }
  size_t at(int64_t slice, int64_t o, int64_t n) const { return static_cast<size_t>((o * count + slice) * inner + n); }
  /// -1, 0 or 1, element by element; NaN is above all numbers.
  int compare(int64_t a, int64_t b) const {
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t n = 0; n < inner; ++n) {
        int order = isFloat(x.dtype) ? floats(at(a, o, n), at(b, o, n)) : integers(at(a, o, n), at(b, o, n));
        if (order)
          return order;
      }
    return 0;
  }

private:
  int floats(size_t a, size_t b) const {
    double p = loadDouble(x.dtype, x.data, a), q = loadDouble(x.dtype, x.data, b);
    if (p != p || q != q)
      return (p != p) - (q != q);
    return (p > q) - (p < q);
  }
  int integers(size_t a, size_t b) const {
    int64_t p = loadInt(x.dtype, x.data, a), q = loadInt(x.dtype, x.data, b);
    if (x.dtype == DType::U64) // as the bits say
      return (static_cast<uint64_t>(p) > static_cast<uint64_t>(q)) - (static_cast<uint64_t>(p) < static_cast<uint64_t>(q));
    return (p > q) - (p < q);
  }
};

} // namespace

/// X; axis (-1: none), sorted. Results: the different ones, where each is first, which
/// one each slice is, how often each is.
int unique(HostOpCall &call) {
  Call c(call);
  TensorOperand x;
  if (int code = c.parse(1, 1, 4, 2))
    return code;
  if (int code = c.tensor(0, x))
    return code;
  const int64_t axis = c.integer(size_t(0));
  const bool isSorted = c.integer(size_t(1));
  if (axis >= x.rank || (!isFloat(x.dtype) && !isInteger(x.dtype)))
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "bad program: axis %lld of %s of rank %lld", static_cast<long long>(axis),
                           name(x.dtype), static_cast<long long>(x.rank));
  Slices slices(x, axis);
  // order: slices by value, of equal ones the first before the others.
  Vec<int64_t> order, group, first, places;
  const auto count = static_cast<size_t>(slices.count);
  if (!order.resize(count) || !group.resize(count))
    return c.noMemory();
  for (size_t i = 0; i < count; ++i)
    order[i] = static_cast<int64_t>(i);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    int by = slices.compare(a, b);
    return by ? by < 0 : a < b;
  });
  for (size_t i = 0; i < count; ++i) {
    if (i == 0 || slices.compare(order[i - 1], order[i]))
      if (!first.push(order[i]))
        return c.noMemory();
    group[order[i]] = static_cast<int64_t>(first.size()) - 1;
  }
  const auto found = static_cast<int64_t>(first.size());
  if (!places.resize(first.size()))
    return c.noMemory();
  // places[k]: the group that stands k-th in the result.
  for (size_t k = 0; k < first.size(); ++k)
    places[k] = static_cast<int64_t>(k);
  if (!isSorted)
    std::sort(places.begin(), places.end(), [&](int64_t a, int64_t b) { return first[a] < first[b]; });
  Vec<int64_t> rankOf;
  if (!rankOf.resize(first.size()))
    return c.noMemory();
  for (size_t k = 0; k < first.size(); ++k)
    rankOf[places[k]] = static_cast<int64_t>(k);

  int64_t dims[SMELT_MAX_RANK];
  for (int64_t d = 0; d < x.rank; ++d)
    dims[d] = d == axis ? found : x.dims[d];
  uint8_t *values, *firsts, *inverse, *counts;
  if (int code = axis < 0 ? c.make(0, x.dtype, 1, &found, values) : c.make(0, x.dtype, x.rank, dims, values))
    return code;
  if (int code = c.make(1, DType::I64, 1, &found, firsts))
    return code;
  if (int code = c.make(2, DType::I64, 1, &slices.count, inverse))
    return code;
  if (int code = c.make(3, DType::I64, 1, &found, counts))
    return code;
  const size_t width = elementSize(x.dtype), line = static_cast<size_t>(slices.inner) * width;
  memset(counts, 0, first.size() * 8);
  for (size_t k = 0; k < first.size(); ++k) {
    storeInt(DType::I64, firsts, k, first[places[k]]);
    for (int64_t o = 0; o < slices.outer; ++o)
      memcpy(values + (static_cast<size_t>(o * found) + k) * line, x.data + slices.at(first[places[k]], o, 0) * width, line);
  }
  auto *often = reinterpret_cast<int64_t *>(counts);
  for (size_t i = 0; i < count; ++i) {
    storeInt(DType::I64, inverse, i, rankOf[group[i]]);
    ++often[rankOf[group[i]]];
  }
  return SMELT_OK;
}

} // namespace smelt::rt
