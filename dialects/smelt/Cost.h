//===- Cost.h - Arithmetic and bytes of ops and kernels ---------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_DIALECTS_SMELT_COST_H
#define SMELT_DIALECTS_SMELT_COST_H

#include "dialects/smelt/Dialect.h"

namespace smelt {

/// A size for estimates: constants as they are, a symbol at `symbolValue`.
double estimateSize(mlir::AffineExpr expr, double symbolValue = 32);
/// Floating-point or integer operations: 2 per multiply-add, the element cost
/// of elementwise ops.
double estimateFlops(mlir::Operation *op);
/// Bytes of the op's operands and results, each once (a kernel's traffic).
double estimateBytes(mlir::Operation *op);

} // namespace smelt

#endif // SMELT_DIALECTS_SMELT_COST_H
