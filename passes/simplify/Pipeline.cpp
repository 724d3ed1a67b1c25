//===- Pipeline.cpp - The order of the simplifying passes -------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tested by test/passes/simplify/pipeline.mlir.
//
//===----------------------------------------------------------------------===//
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "passes/simplify/Passes.h"

using namespace mlir;

namespace smelt {

void buildSimplifyPipeline(OpPassManager &pm, const SimplifyOptions &options) {
  FoldConstantsPassOptions limits;
  limits.nodeLimit = options.nodeLimit;
  limits.totalLimit = options.totalLimit;
  // Constants first: patterns see scales, indices and shapes as constants only
  // when the ops that make them are gone.
  pm.addPass(createFoldConstantsPass(limits));
  pm.addNestedPass<func::FuncOp>(createSimplifyPass());
  pm.addPass(createCSEPass());
  // Transposes before scales: a bias behind a cancelled pair is seen per channel.
  pm.addNestedPass<func::FuncOp>(createCancelTransposesPass());
  if (options.foldScales) {
    FoldScalesPassOptions scales;
    scales.nodeLimit = options.nodeLimit;
    pm.addNestedPass<func::FuncOp>(createFoldScalesPass(scales));
  }
  // What the passes above left as ops on constants.
  pm.addPass(createFoldConstantsPass(limits));
  pm.addNestedPass<func::FuncOp>(createSimplifyPass());
  pm.addPass(createCSEPass());
}

void registerSimplifyPassesAndPipeline() {
  registerSimplifyPasses();
  PassPipelineRegistration<>("smelt-simplify-pipeline", "constants, identities, scales and transposes, with CSE",
                             [](OpPassManager &pm) { buildSimplifyPipeline(pm); });
}

} // namespace smelt
