//===- Passes.h - Layout of activations -------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_PASSES_LAYOUT_PASSES_H
#define SMELT_PASSES_LAYOUT_PASSES_H

#include "dialects/target/TargetModel.h"
#include "mlir/Pass/Pass.h"

namespace smelt {

std::unique_ptr<mlir::Pass> createChannelsLastPass();
std::unique_ptr<mlir::Pass> createWidenOperandsPass(const TargetModel &target);

#define GEN_PASS_DECL
#include "passes/layout/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/layout/Passes.h.inc"

} // namespace smelt

#endif // SMELT_PASSES_LAYOUT_PASSES_H
