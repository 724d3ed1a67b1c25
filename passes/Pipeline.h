//===- Pipeline.h - The phases of the compiler, in order --------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_PASSES_PIPELINE_H
#define SMELT_PASSES_PIPELINE_H

#include "dialects/target/TargetModel.h"
#include "mlir/Pass/PassManager.h"

namespace smelt {

/// The phases over the module, in the order in which they run. The importer
/// resolves shapes, ranks and Ifs as it goes, so the graph phases start typed.
enum class Phase { Import, Simplify, Layout, Form, Schedule, Storage, Program };
llvm::StringRef getPhaseName(Phase phase);

struct PipelineOptions {
  unsigned optLevel = 2; // 0: one op per kernel; 1: fusion, values in place; 2: layout and packing too
};

/// Passes of one phase. Import and Program are not pass pipelines.
void buildPhase(Phase phase, mlir::OpPassManager &pm, const TargetModel &target, const PipelineOptions &options);

} // namespace smelt

#endif // SMELT_PASSES_PIPELINE_H
