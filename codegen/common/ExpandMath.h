//===- ExpandMath.h - math ops as arithmetic --------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_CODEGEN_COMMON_EXPANDMATH_H
#define SMELT_CODEGEN_COMMON_EXPANDMATH_H

#include "mlir/Pass/Pass.h"
#include <memory>

namespace smelt::codegen {

/// f32 exp, log, tanh, ... on scalars and vectors become polynomials within
/// RELIABILITY's ULP limits, the same on every target; f64 stays for libm.
std::unique_ptr<mlir::Pass> createExpandMathPass();

} // namespace smelt::codegen

#endif // SMELT_CODEGEN_COMMON_EXPANDMATH_H
