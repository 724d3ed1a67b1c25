//===- Pipeline.cpp - The phases of the compiler, in order ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "passes/Pipeline.h"
#include "passes/form/Passes.h"
#include "passes/layout/Passes.h"
#include "passes/schedule/Passes.h"
#include "passes/simplify/Passes.h"
#include "passes/storage/Passes.h"

using namespace mlir;

namespace smelt {

StringRef getPhaseName(Phase phase) {
  switch (phase) {
  case Phase::Import: return "import";
  case Phase::Simplify: return "simplify";
  case Phase::Layout: return "layout";
  case Phase::Form: return "form";
  case Phase::Schedule: return "schedule";
  case Phase::Storage: return "storage";
  case Phase::Program: return "program";
  }
  llvm_unreachable("phase");
}

void buildPhase(Phase phase, OpPassManager &pm, const TargetModel &target, const PipelineOptions &options) {
  switch (phase) {
  case Phase::Import:
  case Phase::Program:
    return;
  case Phase::Simplify:
    buildSimplifyPipeline(pm);
    return;
  case Phase::Layout:
    if (options.optLevel >= 2 && target.prefersChannelsLast()) {
      pm.addPass(createChannelsLastPass());
      // Transposed constants and pairs that met.
      buildSimplifyPipeline(pm);
    }
    // Last: simplification would merge the casts.
    if (options.optLevel >= 2)
      pm.addPass(createWidenOperandsPass(target));
    return;
  case Phase::Form:
    // Before every op has a kernel of its own: pairwise merging never finds it.
    if (options.optLevel >= 1) {
      pm.addPass(createFormAttentionPass(target));
      pm.addPass(createMergeProjectionsPass(target));
    }
    pm.addPass(createFormKernelsPass());
    if (options.optLevel >= 1) {
      // First what only goes together, lest a norm's last op goes to the product behind it.
      pm.addPass(createFuseRowsPass(target));
      pm.addPass(createFuseKernelsPass(target));
    }
    return;
  case Phase::Schedule:
    pm.addPass(createScheduleKernelsPass(target));
    return;
  case Phase::Storage:
    if (options.optLevel >= 1) {
      pm.addPass(createPadInPlacePass(target)); // makes concatenations
      pm.addPass(createJoinInPlacePass(target));
      pm.addPass(createSliceInPlacePass(target)); // slices in concatenations were placed there
    }
    return;
  }
}

} // namespace smelt
