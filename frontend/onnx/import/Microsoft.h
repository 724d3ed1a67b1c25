//===- Microsoft.h - The attention ops of com.microsoft ---------------------===//
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

} // namespace smelt::onnx

#endif // SMELT_FRONTEND_ONNX_IMPORT_MICROSOFT_H
