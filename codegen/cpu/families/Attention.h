//===- Attention.h - The shape of an attention kernel ------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What Attention.cpp finds in a body and AttentionCode.cpp writes code for: two
// products, reductions of the score rows between them, operands that the element
// emitter reads, and a result that is moved, at most, before it is stored.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_CODEGEN_CPU_FAMILIES_ATTENTION_H
#define SMELT_CODEGEN_CPU_FAMILIES_ATTENTION_H

#include "codegen/cpu/families/Contraction.h"

namespace smelt::codegen::cpu {

struct AttentionShape {
  MatMulOp scores, output;                    // Q Kᵀ and P V
  llvm::SmallVector<mlir::AffineExpr> batch;  // of both products
  mlir::AffineExpr m, n, d, v;                // queries, keys, depth of Q and K, columns of V
  llvm::SmallVector<ReduceOp> reductions;     // of the score rows, in program order
  llvm::SmallVector<bool> keeps;              // reduction i leaves its operand in the score row
  mlir::Value weights;                        // what multiplies V: P, or P without its last division
  mlir::Value divisor;                        // that division's, one per row; null when there is none
  bool storesWeights = false;                 // a last pass over the row computes `weights`
  mlir::Value result;                         // the epilogue's end, in the dims of `output`
  llvm::SmallVector<mlir::AffineExpr> strides; // of the kernel's result, in those dims

  /// One value per score: n in the last dim, the products' rows before it.
  bool isFull(mlir::Type type) const;
  /// One value per score row.
  bool isRow(mlir::Type type) const;
};

/// Nothing when the body is no attention.
std::optional<AttentionShape> analyseAttention(KernelOp kernel);

} // namespace smelt::codegen::cpu

#endif // SMELT_CODEGEN_CPU_FAMILIES_ATTENTION_H
