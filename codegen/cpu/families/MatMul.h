//===- MatMul.h - A product of matrices, tile by tile -----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the families `matmul` and `matmulrows` share.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_CODEGEN_CPU_FAMILIES_MATMUL_H
#define SMELT_CODEGEN_CPU_FAMILIES_MATMUL_H

#include "codegen/cpu/families/Contraction.h"

namespace smelt::codegen::cpu {

/// The body's only product; null when it has none or several.
MatMulOp getProduct(KernelOp kernel);

/// Where the tiles of a product go instead of into the epilogue.
struct ProductSink {
  /// Rows row0.. (`rows` of the tile's count) and columns col0.. of a workgroup whose first row is `block0`.
  llvm::function_ref<void(const Tile &tile, llvm::ArrayRef<mlir::Value> sums, mlir::Value block0, mlir::Value row0,
                          mlir::Value col0)>
      tile;
  /// All columns of rows [row0, rowEnd) are done.
  llvm::function_ref<void(mlir::Value row0, mlir::Value rowEnd)> block;
};

/// Grid, blocks and packings of a product of numbers; nothing when the types are
/// not those of one. With `wholeRows` a workgroup computes all columns of its rows;
/// nothing when those are not the flattened leading dims of the result, or the
/// number of columns is symbolic.
std::optional<Plan> planProduct(KernelOp kernel, MatMulOp op, const CpuTarget &target, bool wholeRows);
/// Emits the workgroups' loops; the epilogue is the body's rest unless there is a sink.
void emitProduct(KernelContext &context, const ProductSink *sink);

} // namespace smelt::codegen::cpu

#endif // SMELT_CODEGEN_CPU_FAMILIES_MATMUL_H
