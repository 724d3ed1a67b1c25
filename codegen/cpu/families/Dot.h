//===- Dot.h - Narrow matrix products as dot products along K ---------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_CODEGEN_CPU_FAMILIES_DOT_H
#define SMELT_CODEGEN_CPU_FAMILIES_DOT_H

#include "codegen/cpu/families/Contraction.h"

namespace smelt::codegen::cpu {

/// A plan when the product has few columns, or few rows against a transposed B
/// that is not constant, and K runs contiguously in both operands.
std::optional<Plan> planDot(KernelOp kernel, MatMulOp op, const CpuTarget &target);
mlir::LogicalResult emitDot(KernelContext &ctx, MatMulOp op);

/// Writes K rows of `nr` columns (type acc) to `panel` from `cols` rows of a
/// matrix that lie `rowStride` apart and run along K; zero beyond `cols`. Whole
/// squares are transposed in registers.
void packTransposed(Emitter &e, mlir::Value matrix, mlir::Value rowStride, mlir::Type type, mlir::Value cols,
                    mlir::Value k, mlir::Value panel, int64_t nr, unsigned lanes, mlir::Type acc);
/// `lanes` vectors as rows of a square to its columns, by swaps in registers.
void transposeSquare(Emitter &e, llvm::SmallVectorImpl<mlir::Value> &rows);

} // namespace smelt::codegen::cpu

#endif // SMELT_CODEGEN_CPU_FAMILIES_DOT_H
