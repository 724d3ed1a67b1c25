//===- Passes.h - Passes that simplify the graph ----------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_PASSES_SIMPLIFY_PASSES_H
#define SMELT_PASSES_SIMPLIFY_PASSES_H

#include "dialects/smelt/Dialect.h"
#include "mlir/Pass/Pass.h"

namespace smelt {

#define GEN_PASS_DECL
#include "passes/simplify/Passes.h.inc"

struct SimplifyOptions {
  /// Limits of constant folding (RELIABILITY.md): one result, all of them.
  int64_t nodeLimit = int64_t(64) << 20;
  int64_t totalLimit = int64_t(1) << 30;
  /// Batch normalization into weights: changes rounding.
  bool foldScales = true;
};

/// Constants, identities, scales and transposes, with CSE between.
void buildSimplifyPipeline(mlir::OpPassManager &pm, const SimplifyOptions &options = {});

#define GEN_PASS_REGISTRATION
#include "passes/simplify/Passes.h.inc"

/// The passes and the pipeline `smelt-simplify-pipeline`.
void registerSimplifyPassesAndPipeline();

} // namespace smelt

#endif // SMELT_PASSES_SIMPLIFY_PASSES_H
