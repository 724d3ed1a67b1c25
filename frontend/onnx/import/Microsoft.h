//===- Microsoft.h - What the files of com.microsoft share --------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_FRONTEND_ONNX_IMPORT_MICROSOFT_H
#define SMELT_FRONTEND_ONNX_IMPORT_MICROSOFT_H

#include "frontend/onnx/import/Compose.h"

namespace smelt::onnx {

mlir::LogicalResult importMsAttention(NodeImport &n);
mlir::LogicalResult importMultiHeadAttention(NodeImport &n);
mlir::LogicalResult importGroupQueryAttention(NodeImport &n);
mlir::LogicalResult importMsRotaryEmbedding(NodeImport &n);
mlir::LogicalResult importMoE(NodeImport &n);
mlir::LogicalResult importQMoE(NodeImport &n);

/// A stack of `parts` matrices [rows, cols] of integers of `bits` bits (2, 3, 4 or
/// 8), packed in a constant of bytes, in blocks along the columns that have a
/// scale and a zero point (none: the middle) each.
struct PackedMatrix {
  mlir::Value codes, scales, zeros;
  int64_t rows, cols, block, bits, parts = 1;
  bool zerosAlongRows = false; // zero points packed over the rows, one block a row
};
/// Matrix `part` of the stack in the type of its scales; `name` is for errors.
mlir::FailureOr<mlir::Value> unpackMatrix(NodeImport &n, const PackedMatrix &m, int64_t part, llvm::StringRef name);

} // namespace smelt::onnx

#endif // SMELT_FRONTEND_ONNX_IMPORT_MICROSOFT_H
