//===- Load.h - A module from .mlir or .onnx --------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_TOOLS_SMELT_EVAL_LOAD_H
#define SMELT_TOOLS_SMELT_EVAL_LOAD_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace smelt {

/// The file's module; null after errors were printed. `-` is stdin, as MLIR.
mlir::OwningOpRef<mlir::ModuleOp> load(llvm::StringRef path, mlir::MLIRContext *context);

} // namespace smelt

#endif // SMELT_TOOLS_SMELT_EVAL_LOAD_H
