//===- Simplify.cpp - Local identities of the graph -------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass over the patterns of SimplifyMath.cpp, SimplifyMovement.cpp and
// SimplifyWindows.cpp; dead ops go with them. Tested by
// test/passes/simplify/simplify.mlir.
//
//===----------------------------------------------------------------------===//
#include "passes/simplify/Passes.h"
#include "passes/simplify/Rewrites.h"

using namespace mlir;

namespace smelt {

#define GEN_PASS_DEF_SIMPLIFYPASS
#include "passes/simplify/Passes.h.inc"

namespace {

struct SimplifyPass : impl::SimplifyPassBase<SimplifyPass> {
  using SimplifyPassBase::SimplifyPassBase;

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateMathPatterns(patterns);
    populateMovementPatterns(patterns);
    populateWindowPatterns(patterns);
    applyPatterns(getOperation(), std::move(patterns));
  }
};

} // namespace
} // namespace smelt
