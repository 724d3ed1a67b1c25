//===- Placement.h - Where the values between kernels lie -------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// After the storage phase a concat or slice that stands outside of kernels is no
// computation but a statement about memory: the operands of such a concat lie in
// the result's buffer, such a slice lies in its operand's. A kernel's `strides`
// must say the same; the host program checks that they do.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_DIALECTS_SMELT_PLACEMENT_H
#define SMELT_DIALECTS_SMELT_PLACEMENT_H

#include "dialects/smelt/Symbols.h"

namespace smelt {

/// Element i of a value lies at offset + sum(i[d] * strides[d]) in the memory of
/// `root`, in elements.
struct Placement {
  mlir::Value root;
  mlir::AffineExpr offset;
  llvm::SmallVector<mlir::AffineExpr> strides;
};

/// Is `op` a concat or slice that describes memory?
bool isPlacing(mlir::Operation *op);

/// Nothing where a reshape cannot be said with strides.
std::optional<Placement> getPlacement(mlir::Value v);

llvm::SmallVector<mlir::AffineExpr> getRowMajorStrides(mlir::Type type);
/// Do the strides say row-major? Dims of size 1 may say anything.
bool isRowMajor(mlir::Type type, llvm::ArrayRef<mlir::AffineExpr> strides);
/// The strides of the same elements under another shape, if there are any.
std::optional<llvm::SmallVector<mlir::AffineExpr>> reshapeStrides(mlir::Type from, llvm::ArrayRef<mlir::AffineExpr> strides,
                                                                  mlir::Type to);

/// Strides of a kernel's operand or (counted behind them) result: its attribute,
/// row-major where that says nothing.
llvm::SmallVector<mlir::AffineExpr> getStrides(KernelOp kernel, unsigned operandOrResult);
bool hasStrides(KernelOp kernel, unsigned operandOrResult);
/// Sets every operand's and result's strides to where the values lie now; fails
/// where a placement cannot be said.
mlir::LogicalResult updateStrides(KernelOp kernel);
/// The attribute that updateStrides() would set: null when all is row-major.
mlir::FailureOr<mlir::ArrayAttr> getPlacedStrides(KernelOp kernel);

/// The concat of a kernel that does nothing but concatenate its arguments.
ConcatOp getJoin(KernelOp kernel);
/// The kernel's result whose memory an operand of a join may share, null when
/// something other than kernels in its block reads it, or it lies elsewhere.
mlir::OpResult getJoinable(KernelOp join, mlir::Value operand);

} // namespace smelt

#endif // SMELT_DIALECTS_SMELT_PLACEMENT_H
