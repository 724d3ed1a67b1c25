//===- Det.cpp - Determinants ------------------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Elimination with the largest pivot of a column, in f64. Tested by the backend
// suite and test/runtime/HostCallTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/host/Call.h"

namespace smelt::rt {

static double eliminate(double *a, int64_t n) {
  double det = 1;
  for (int64_t k = 0; k < n; ++k) {
    int64_t pivot = k;
    for (int64_t i = k + 1; i < n; ++i)
      if (__builtin_fabs(a[i * n + k]) > __builtin_fabs(a[pivot * n + k]))
        pivot = i;
    double largest = a[pivot * n + k];
    det *= pivot == k ? largest : -largest;
    if (largest == 0)
      return 0;
    for (int64_t j = k; j < n; ++j)
      std::swap(a[k * n + j], a[pivot * n + j]);
    for (int64_t i = k + 1; i < n; ++i) {
      double factor = a[i * n + k] / largest;
      for (int64_t j = k; j < n; ++j)
        a[i * n + j] -= factor * a[k * n + j];
    }
  }
  return det;
}

int det(HostOpCall &call) {
  Call c(call);
  TensorOperand x, out;
  if (int code = c.parse(1, 1, 1, 0))
    return code;
  if (int code = c.tensor(0, x))
    return code;
  if (int code = c.place(0, out))
    return code;
  int64_t n = x.rank >= 2 ? x.dims[x.rank - 1] : -1;
  if (n < 0 || x.dims[x.rank - 2] != n || !isFloat(x.dtype) || out.dtype != x.dtype || (n ? out.count * n * n != x.count : false))
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "matrices of %lld columns are wanted square, of floats", static_cast<long long>(n));
  Vec<double> work;
  if (!work.resize(static_cast<size_t>(n * n)))
    return c.noMemory();
  for (int64_t m = 0; m < out.count; ++m) {
    for (int64_t i = 0; i < n * n; ++i)
      work[i] = loadDouble(x.dtype, x.data, static_cast<size_t>(m * n * n + i));
    storeDouble(out.dtype, out.data, static_cast<size_t>(m), eliminate(work.data(), n));
  }
  return SMELT_OK;
}

} // namespace smelt::rt
