//===- Passes.h - Where values lie in memory --------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_PASSES_STORAGE_PASSES_H
#define SMELT_PASSES_STORAGE_PASSES_H

#include "dialects/target/TargetModel.h"
#include "mlir/Pass/Pass.h"

namespace smelt {

std::unique_ptr<mlir::Pass> createPadInPlacePass(const TargetModel &target);
std::unique_ptr<mlir::Pass> createJoinInPlacePass(const TargetModel &target);
std::unique_ptr<mlir::Pass> createSliceInPlacePass(const TargetModel &target);

} // namespace smelt

#endif // SMELT_PASSES_STORAGE_PASSES_H
