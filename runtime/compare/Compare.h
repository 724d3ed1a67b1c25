//===- Compare.h - Are two results the same? -------------------------*- C++ -*-===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The comparison of the project: every element within atol * rms + rtol * |ref|
// *and* the cosine of the whole tensor; NaN and infinities match both ways;
// integers, booleans, float8 and strings are exact. Tested, with seeded
// mutants, by test/runtime/CompareTest.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_COMPARE_COMPARE_H
#define SMELT_RUNTIME_COMPARE_COMPARE_H

#include "runtime/core/Value.h"

namespace smelt::rt {

/// `atol` is multiplied by the root mean square of the reference.
struct Tolerance {
  double rtol, atol, cosine;
  bool isExact() const { return rtol == 0 && atol == 0; }
};

/// The table of external goldens: f32 (also f64, complex), f16, bf16. Exact
/// types have rtol = atol = 0.
Tolerance defaultTolerance(DType dtype);

struct Comparison {
  bool isSame = true;
  uint64_t count = 0, wrong = 0;
  uint64_t worst = 0; // index of the element with the largest error / limit
  double worstGot = 0, worstWanted = 0;
  double worstRatio = 0; // error / limit; above 1 is wrong, infinite for NaN
  double rms = 0, cosine = 1;
  bool cosineFailed = false;
};

/// `count` elements of one dtype on both sides.
Comparison compareElements(DType dtype, const void *got, const void *wanted, uint64_t count,
                           const Tolerance &tolerance);

/// Given fields replace those of the default for each tensor's dtype.
struct ToleranceChoice {
  bool hasRtol = false, hasAtol = false, hasCosine = false;
  Tolerance given{};
  Tolerance of(DType dtype) const;
};

/// Whole values, also sequences, maps (by key) and strings. One line for each
/// tensor is added to `report`, beginning with `name`.
bool compareValues(const char *name, const smelt_value &got, const smelt_value &wanted,
                   const ToleranceChoice &tolerance, String &report);

} // namespace smelt::rt

#endif // SMELT_RUNTIME_COMPARE_COMPARE_H
