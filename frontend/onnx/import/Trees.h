//===- Trees.h - Trees, kernel machines and class scores of ai.onnx.ml -------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_FRONTEND_ONNX_IMPORT_TREES_H
#define SMELT_FRONTEND_ONNX_IMPORT_TREES_H

#include "frontend/onnx/import/Compose.h"

namespace smelt::onnx {

/// Class labels of a classifier: int64 or strings, whichever is given.
struct ClassLabels {
  llvm::SmallVector<int64_t> ints;
  std::vector<std::string> strings;
  int64_t size() const { return strings.empty() ? ints.size() : strings.size(); }
};
mlir::FailureOr<ClassLabels> readLabels(NodeImport &n, llvm::StringRef intsName, llvm::StringRef stringsName);

/// The ArrayAttr of strings or of i64 integers.
mlir::ArrayAttr labelAttr(NodeImport &n, const ClassLabels &labels);
/// labels[indices], indices any shape of i64.
mlir::Value lookUp(NodeImport &n, const ClassLabels &labels, mlir::Value indices);

/// NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT over the last dim of [N, C].
mlir::FailureOr<mlir::Value> postTransform(NodeImport &n, llvm::StringRef kind, mlir::Value scores);

/// Numeric input of rank 1 or 2 as f32 (f64 stays).
mlir::FailureOr<mlir::Value> numeric(NodeImport &n, size_t i = 0);

mlir::LogicalResult importSVMRegressor(NodeImport &n);
mlir::LogicalResult importSVMClassifier(NodeImport &n);
mlir::LogicalResult importTreeClassifier(NodeImport &n);
mlir::LogicalResult importTreeRegressor(NodeImport &n);
mlir::LogicalResult importTreeEnsemble(NodeImport &n);

} // namespace smelt::onnx

#endif // SMELT_FRONTEND_ONNX_IMPORT_TREES_H
