//===- Coupling.cpp - Class probabilities from those of pairs ---------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The second method of Wu, Lin and Weng, "Probability Estimates for Multi-class
// Classification by Pairwise Coupling" (JMLR 5, 2004): minimize p'Qp over
// probability vectors, by the paper's algorithm 2 with LIBSVM's stopping rule, so
// that the numbers are those of the libraries that train such models. Tested against
// ONNX Runtime by test/frontend/import-nn/cases_ml.py.
//
//===----------------------------------------------------------------------===//
#include "runtime/host/Call.h"

namespace smelt::rt {

/// p [n] from q [n, n]; `qp` [n] is for work.
static void minimize(int64_t n, const double *q, double *qp, double *p) {
  for (int64_t i = 0; i < n; ++i)
    p[i] = 1.0 / static_cast<double>(n);
  const double tolerance = 0.005 / static_cast<double>(n);
  for (int64_t round = 0, rounds = n > 100 ? n : 100; round < rounds; ++round) {
    double pqp = 0, worst = 0;
    for (int64_t i = 0; i < n; ++i) {
      qp[i] = 0;
      for (int64_t j = 0; j < n; ++j)
        qp[i] += q[i * n + j] * p[j];
      pqp += p[i] * qp[i];
    }
    for (int64_t i = 0; i < n; ++i) {
      double error = __builtin_fabs(qp[i] - pqp);
      worst = error > worst ? error : worst;
    }
    if (worst < tolerance)
      return;
    for (int64_t i = 0; i < n; ++i) {
      double step = (pqp - qp[i]) / q[i * n + i], scale = 1 / (1 + step);
      p[i] += step;
      pqp = (pqp + step * (step * q[i * n + i] + 2 * qp[i])) * scale * scale;
      for (int64_t j = 0; j < n; ++j) {
        qp[j] = (qp[j] + step * q[i * n + j]) * scale;
        p[j] *= scale;
      }
    }
  }
}

int pairwiseCoupling(HostOpCall &call) {
  Call c(call);
  TensorOperand x, out;
  if (int code = c.parse(1, 1, 1, 0))
    return code;
  if (int code = c.tensor(0, x))
    return code;
  if (int code = c.place(0, out))
    return code;
  int64_t n = out.rank == 2 ? out.dims[1] : 0, rows = out.rank == 2 ? out.dims[0] : 0, pairs = n * (n - 1) / 2;
  constexpr int64_t most = 1024;
  if (n < 2 || n > most || x.rank != 2 || x.dims[0] != rows || x.dims[1] != pairs || x.dtype != DType::F32 ||
      out.dtype != DType::F32)
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "probabilities of every pair of 2 to %lld classes are wanted, in f32",
                           static_cast<long long>(most));
  Vec<double> work;
  if (!work.resize(static_cast<size_t>(2 * n * n + 2 * n)))
    return c.noMemory();
  double *r = work.data(), *q = r + n * n, *qp = q + n * n, *p = qp + n;
  for (int64_t row = 0; row < rows; ++row) {
    int64_t pair = row * pairs;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = i + 1; j < n; ++j, ++pair) {
        r[i * n + j] = loadDouble(x.dtype, x.data, static_cast<size_t>(pair));
        r[j * n + i] = 1 - r[i * n + j];
      }
    for (int64_t i = 0; i < n; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < n; ++j) {
        if (j == i)
          continue;
        sum += r[j * n + i] * r[j * n + i];
        q[i * n + j] = -r[j * n + i] * r[i * n + j];
      }
      q[i * n + i] = sum;
    }
    minimize(n, q, qp, p);
    for (int64_t i = 0; i < n; ++i)
      storeDouble(out.dtype, out.data, static_cast<size_t>(row * n + i), p[i]);
  }
  return SMELT_OK;
}

} // namespace smelt::rt
