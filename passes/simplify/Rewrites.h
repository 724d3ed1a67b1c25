//===- Rewrites.h - What the simplifying patterns share (internal) ----------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_PASSES_SIMPLIFY_REWRITES_H
#define SMELT_PASSES_SIMPLIFY_REWRITES_H

#include "dialects/smelt/eval/Evaluator.h"
#include "mlir/IR/PatternMatch.h"

namespace smelt {

/// A constant op of a host tensor; a splat attribute when all elements are
/// equal. `isSplat`: the tensor holds the one element only.
mlir::Value materialize(mlir::OpBuilder &builder, mlir::Location loc, mlir::RankedTensorType type,
                        const eval::HostTensor &tensor, bool isSplat = false);

/// Bytes of a static tensor type; the largest int64 when they overflow.
int64_t byteSize(mlir::Type type);

/// The location of an op made from these.
mlir::Location fuse(mlir::Operation *a, mlir::Operation *b);

/// `value` as `type`: itself, or broadcast (NumPy) where the types differ.
mlir::Value matchType(mlir::PatternRewriter &rewriter, mlir::Location loc, mlir::Value value, mlir::Type type);

/// The value of an op on constants, when every operand is one and the result is
/// at most `limit` bytes. `op` is created and erased again.
mlir::Value foldNow(mlir::PatternRewriter &rewriter, mlir::Operation *op, int64_t limit);

inline mlir::RankedTensorType tensorOf(mlir::Value value) {
  return mlir::cast<mlir::RankedTensorType>(value.getType());
}
inline bool isFloatTensor(mlir::Value value) { return mlir::isa<mlir::FloatType>(tensorOf(value).getElementType()); }
inline bool isConstant(mlir::Value value) { return value.getDefiningOp<ConstantOp>() != nullptr; }

/// The elementwise op's result type for operands of these types: the larger of
/// each dim; nothing when they do not broadcast provably.
std::optional<mlir::SmallVector<mlir::AffineExpr>> broadcastDims(mlir::ArrayRef<mlir::Type> types);

/// An expression over the module's symbols with equal terms cancelled.
mlir::AffineExpr simplify(mlir::AffineExpr expr);

void populateMathPatterns(mlir::RewritePatternSet &patterns);
void populateMovementPatterns(mlir::RewritePatternSet &patterns);
void populateViewPatterns(mlir::RewritePatternSet &patterns);
void populateChainPatterns(mlir::RewritePatternSet &patterns);
void populateWindowPatterns(mlir::RewritePatternSet &patterns);

/// Applies patterns with the house's driver settings: a bounded number of
/// rounds, constants left where and as they are.
void applyPatterns(mlir::Operation *op, mlir::RewritePatternSet &&patterns);

} // namespace smelt

#endif // SMELT_PASSES_SIMPLIFY_REWRITES_H
