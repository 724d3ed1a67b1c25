//===- Select.cpp - Host ops that pick elements: TopK, NonZero -------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every element type is compared through an integer key of the same order, so
// there is one code for all. Equal elements: the lower index first. NaN counts
// as the largest, as in NumPy. Tested by test/runtime/HostOpsTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/host/Operands.h"
#include <math.h>

namespace smelt::rt {
namespace {

int64_t keyOf(DType dtype, const void *data, size_t index) {
  if (!isFloat(dtype)) {
    int64_t value = loadInt(dtype, data, index);
    return dtype == DType::U64 ? value ^ INT64_MIN : value;
  }
  double value = loadDouble(dtype, data, index) + 0.0; // -0 becomes 0
  if (isnan(value))
    return INT64_MAX;
  int64_t bits;
  memcpy(&bits, &value, 8);
  return bits < 0 ? bits ^ INT64_MAX : bits;
}

struct Candidate {
  int64_t key, index;
};

/// Whether `a` comes before `b` in the result.
bool before(const Candidate &a, const Candidate &b, bool largest) {
  if (a.key != b.key)
    return largest ? a.key > b.key : a.key < b.key;
  return a.index < b.index;
}

/// Restores the heap (the last of the result on top) below `at`.
void sift(Candidate *heap, int64_t size, int64_t at, bool largest) {
  for (;;) {
    int64_t child = 2 * at + 1;
    if (child >= size)
      return;
    if (child + 1 < size && before(heap[child], heap[child + 1], largest))
      ++child;
    if (!before(heap[at], heap[child], largest))
      return;
    std::swap(heap[at], heap[child]);
    at = child;
  }
}

int byIndex(const void *a, const void *b) {
  int64_t x = static_cast<const Candidate *>(a)->index, y = static_cast<const Candidate *>(b)->index;
  return (x > y) - (x < y);
}

/// The k first of a lane into heap[0..k).
void select(const TensorOperand &x, int64_t first, int64_t stride, int64_t length, int64_t k, bool largest,
            bool sorted, Candidate *heap) {
  for (int64_t i = 0; i < length; ++i) {
    Candidate c{keyOf(x.dtype, x.data, static_cast<size_t>(first + i * stride)), i};
    if (i < k) {
      heap[i] = c;
      if (i + 1 == k)
        for (int64_t at = k / 2; at-- > 0;)
          sift(heap, k, at, largest);
    } else if (k && before(c, heap[0], largest)) {
      heap[0] = c;
      sift(heap, k, 0, largest);
    }
  }
  if (!sorted) { // any order is allowed: that of the input is a stable one
    qsort(heap, static_cast<size_t>(k), sizeof(Candidate), byIndex);
    return;
  }
  for (int64_t size = k; size > 1;) {
    std::swap(heap[0], heap[--size]);
    sift(heap, size, 0, largest);
  }
}

} // namespace

int topK(HostOpCall &call) {
  Operands in(call);
  TensorOperand x, values, indices;
  if (int code = in.tensor(x))
    return code;
  if (int code = in.tensor(values))
    return code;
  if (int code = in.tensor(indices))
    return code;
  int64_t axis = in.word();
  bool largest = in.word(), sorted = in.word();
  bool fits = axis < x.rank && values.rank == x.rank && indices.rank == x.rank && values.dtype == x.dtype &&
              indices.dtype == DType::I64 && (isFloat(x.dtype) || isInteger(x.dtype));
  int64_t k = fits ? values.dims[axis] : 0, length = fits ? x.dims[axis] : 0;
  for (int64_t d = 0; fits && d < x.rank; ++d)
    fits = values.dims[d] == indices.dims[d] && (d == axis || values.dims[d] == x.dims[d]);
  char a[256], b[256];
  if (!fits)
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "bad program: TopK of %s of %s along %lld into %s",
                           formatDims(x.rank, x.dims, a, sizeof a), name(x.dtype), static_cast<long long>(axis),
                           formatDims(values.rank, values.dims, b, sizeof b));
  if (k > length)
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "k is %lld, at most the dim %lld of the axis %lld is wanted",
                           static_cast<long long>(k), static_cast<long long>(length), static_cast<long long>(axis));
  if (!values.count)
    return SMELT_OK;
  Vec<Candidate> heap;
  if (!heap.resize(static_cast<size_t>(k)))
    return SMELT_HOST_FAIL(call, SMELT_NO_MEMORY, "out of memory");
  int64_t outer = 1, inner = 1;
  for (int64_t d = 0; d < axis; ++d)
    outer *= x.dims[d];
  for (int64_t d = axis + 1; d < x.rank; ++d)
    inner *= x.dims[d];
  size_t size = elementSize(x.dtype);
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      int64_t from = o * length * inner + i, to = o * k * inner + i;
      select(x, from, inner, length, k, largest, sorted, heap.data());
      for (int64_t n = 0; n < k; ++n) {
        memcpy(values.data + (to + n * inner) * size, x.data + (from + heap[n].index * inner) * size, size);
        storeInt(DType::I64, indices.data, static_cast<size_t>(to + n * inner), heap[n].index);
      }
    }
  return SMELT_OK;
}

int nonZero(HostOpCall &call) {
  Operands in(call);
  TensorOperand x;
  if (int code = in.tensor(x))
    return code;
  Slot &out = in.buffer();
  int64_t &found = in.reg();
  if (!isFloat(x.dtype) && !isInteger(x.dtype))
    return SMELT_HOST_FAIL(call, SMELT_UNSUPPORTED, "NonZero of %s, numbers or booleans are wanted", name(x.dtype));
  auto isNonZero = [&](int64_t i) {
    return isFloat(x.dtype) ? loadDouble(x.dtype, x.data, static_cast<size_t>(i)) != 0
                            : loadInt(x.dtype, x.data, static_cast<size_t>(i)) != 0;
  };
  int64_t count = 0, bytes;
  for (int64_t i = 0; i < x.count; ++i)
    count += isNonZero(i);
  if (mulOverflows(count, x.rank * 8, bytes))
    return SMELT_HOST_FAIL(call, SMELT_NO_MEMORY, "out of memory");
  // Into fresh memory first: `out` may be the buffer that is read.
  Slot fresh;
  if (int code = call.context.allocateSlot(fresh, bytes, call.err))
    return code;
  auto *to = reinterpret_cast<int64_t *>(fresh.data);
  int64_t index[SMELT_MAX_RANK] = {};
  for (int64_t i = 0, n = 0; i < x.count; ++i) {
    if (isNonZero(i)) {
      for (int64_t d = 0; d < x.rank; ++d)
        to[d * count + n] = index[d];
      ++n;
    }
    for (int64_t d = x.rank; d-- > 0;) { // the next index
      if (++index[d] < x.dims[d])
        break;
      index[d] = 0;
    }
  }
  call.context.clearSlot(out);
  out = fresh;
  found = count;
  return SMELT_OK;
}

} // namespace smelt::rt
