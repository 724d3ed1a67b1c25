//===- Passes.h - Kernel formation ------------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_PASSES_FORM_PASSES_H
#define SMELT_PASSES_FORM_PASSES_H

#include "dialects/smelt/Dialect.h"
#include "dialects/target/TargetModel.h"
#include "mlir/Pass/Pass.h"

namespace smelt {

#define GEN_PASS_DECL
#include "passes/form/Passes.h.inc"

/// The pass with the target it asks; the generated factory takes no target and
/// is for smelt-opt's listing only.
std::unique_ptr<mlir::Pass> createFuseKernelsPass(const TargetModel &target, const FuseKernelsPassOptions &options = {});

std::unique_ptr<mlir::Pass> createFormAttentionPass(const TargetModel &target);
std::unique_ptr<mlir::Pass> createMergeProjectionsPass(const TargetModel &target);
std::unique_ptr<mlir::Pass> createFuseRowsPass(const TargetModel &target);

/// A short name for people: the ONNX node of the op's location, else the op's.
std::string getKernelName(mlir::Operation *op);

#define GEN_PASS_REGISTRATION
#include "passes/form/Passes.h.inc"

} // namespace smelt

#endif // SMELT_PASSES_FORM_PASSES_H
