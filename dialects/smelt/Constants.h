//===- Constants.h - Reading and making constant tensors --------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The ConstantStore is MLIR's resource manager: weights are dense_resource
// blobs, owned or borrowed from a mapped file, outside of the IR. Elements are
// laid out as in a run-time buffer: row-major, i1 and narrower than 8 bits one
// byte each.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_DIALECTS_SMELT_CONSTANTS_H
#define SMELT_DIALECTS_SMELT_CONSTANTS_H

#include "dialects/smelt/Dialect.h"
#include <memory>

namespace smelt {

/// Largest constant kept as an attribute (elements); larger ones are blobs.
inline constexpr int64_t kInlineElements = 64;

/// A constant's bytes in buffer layout. `owned` holds them when they had to be
/// made (splats, i1 attributes), else `data` points into the blob.
struct ConstantBytes {
  llvm::ArrayRef<char> data;
  std::shared_ptr<std::vector<char>> owned;
};

/// Value of a constant op as bytes; nothing for strings.
std::optional<ConstantBytes> getConstantBytes(mlir::Value value);
std::optional<ConstantBytes> getConstantBytes(mlir::Attribute value, mlir::RankedTensorType type);

/// The one element of a splat (or one-element) constant as a double.
std::optional<double> getSplatValue(mlir::Value value);

/// Integer elements (i1 and unsigned too) of a constant of at most `limit`.
std::optional<llvm::SmallVector<int64_t>> getConstantInts(mlir::Value value, int64_t limit = 4096);

/// A constant op of these bytes (copied; buffer layout, type.getNumElements() elements).
mlir::Value createConstant(mlir::OpBuilder &builder, mlir::Location loc, mlir::RankedTensorType type,
                           llvm::ArrayRef<char> bytes, llvm::StringRef name = "weight");
/// The same without a copy: `keepAlive` is held as long as the blob lives.
mlir::Value createBorrowedConstant(mlir::OpBuilder &builder, mlir::Location loc, mlir::RankedTensorType type,
                                   llvm::ArrayRef<char> bytes, std::shared_ptr<const void> keepAlive,
                                   llvm::StringRef name = "weight");
/// A splat of `value`, converted to the element type (integers: truncated).
mlir::Value createSplat(mlir::OpBuilder &builder, mlir::Location loc, mlir::RankedTensorType type, double value);
/// A 0-d constant.
mlir::Value createScalar(mlir::OpBuilder &builder, mlir::Location loc, mlir::Type elementType, double value);
/// A 1-d i64 constant.
mlir::Value createInts(mlir::OpBuilder &builder, mlir::Location loc, llvm::ArrayRef<int64_t> values);

} // namespace smelt

#endif // SMELT_DIALECTS_SMELT_CONSTANTS_H
