//===- RowBlock.h - Reductions of rows and their use ------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the families `rowblock` and `matmulrows` share. Rows may hold values that
// are given: the result of another op of the body, computed beforehand.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_CODEGEN_CPU_FAMILIES_ROWBLOCK_H
#define SMELT_CODEGEN_CPU_FAMILIES_ROWBLOCK_H

#include "codegen/cpu/Family.h"
#include "llvm/ADT/SetVector.h"

namespace smelt::codegen::cpu {

/// A body of reductions over the same innermost dims of one shape, elementwise
/// otherwise. What `given` is computed from is not looked at.
struct RowShape {
  llvm::SmallVector<ReduceOp> reductions; // in program order
  mlir::RankedTensorType full;            // what they reduce
  int64_t lead = 0;                       // dims that stay
  mlir::Operation *given = nullptr;

  /// The sizes' products: how many rows, and elements of one.
  mlir::AffineExpr rows() const, inner() const;
};

/// The rows of a kernel's body; nothing when it has another form.
std::optional<RowShape> analyseRows(KernelOp kernel, mlir::Operation *given = nullptr);
/// Lanes of the passes over a row.
unsigned chooseRowLanes(KernelOp kernel, const CpuTarget &target, const RowShape &shape);
/// Bytes of scratch that the passes over a row take.
mlir::AffineExpr rowScratch(KernelOp kernel, const RowShape &shape);
/// Computes and stores the results of rows [begin, end). `eachRow` runs before a
/// row's passes.
void emitRows(KernelContext &context, const RowShape &shape, unsigned lanes, mlir::Value scratch, mlir::Value begin,
              mlir::Value end, llvm::function_ref<void(mlir::Value row)> eachRow = nullptr);

} // namespace smelt::codegen::cpu

#endif // SMELT_CODEGEN_CPU_FAMILIES_ROWBLOCK_H
