//===- Loops.h - Vector loops over a row, shared by the families ------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_CODEGEN_CPU_FAMILIES_LOOPS_H
#define SMELT_CODEGEN_CPU_FAMILIES_LOOPS_H

#include "codegen/cpu/Family.h"

namespace smelt::codegen::cpu {

/// Lanes for a row of `length` elements when the widest carried value takes
/// `bytes`: the register's, or the largest power of two below a short row.
unsigned chooseLanes(const CpuTarget &target, int64_t bytes, mlir::AffineExpr length);

/// Bytes of the widest carried value of a kernel's body.
int64_t widestCarried(KernelOp kernel);

/// Calls `body(i, lanes)` so that every element of [from, to) is covered: whole
/// vectors, then one vector that ends at `to` and overlaps (the body must be
/// idempotent); where the range is shorter than a vector, one by one.
void vectorLoop(Emitter &e, mlir::Value from, mlir::Value to, unsigned lanes,
                llvm::function_ref<void(mlir::Value i, unsigned lanes)> body);

/// Reduction of `element(i, lanes)` over [0, length): vector accumulators, a masked
/// last vector, a fixed tree. Returns the scalar.
mlir::Value vectorReduce(Emitter &e, ReduceKind kind, bool isUnsigned, mlir::Type carried, mlir::Value length,
                         unsigned lanes, llvm::function_ref<mlir::Value(mlir::Value i, unsigned lanes)> element);


/// Relative cost of one element of the kernel's results (1 is an addition);
/// loops inside (contractions, windows) count as 1000.
int64_t elementCost(KernelOp kernel);

} // namespace smelt::codegen::cpu

#endif // SMELT_CODEGEN_CPU_FAMILIES_LOOPS_H
