//===- Simplify.cpp - Local identities of the graph -------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass over the patterns of SimplifyMath.cpp, SimplifyMovement.cpp and
// SimplifyWindows.cpp, and of ifs on constants; dead ops go with them. Tested by
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

/// An if on a constant is its branch.
struct InlineConstantIf : OpRewritePattern<scf::IfOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(scf::IfOp op, PatternRewriter &rewriter) const override {
    auto constant = op.getCondition().getDefiningOp<arith::ConstantOp>();
    if (!constant)
      return rewriter.notifyMatchFailure(op, "condition is not a constant");
    bool isTrue = !cast<IntegerAttr>(constant.getValue()).getValue().isZero();
    Region &region = isTrue ? op.getThenRegion() : op.getElseRegion();
    if (region.empty()) {
      rewriter.eraseOp(op);
      return success();
    }
    Operation *yield = region.front().getTerminator();
    SmallVector<Value> results(yield->getOperands());
    rewriter.eraseOp(yield);
    rewriter.inlineBlockBefore(&region.front(), op);
    rewriter.replaceOp(op, results);
    return success();
  }
};

struct SimplifyPass : impl::SimplifyPassBase<SimplifyPass> {
  using SimplifyPassBase::SimplifyPassBase;

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<InlineConstantIf>(&getContext());
    populateMathPatterns(patterns);
    populateMovementPatterns(patterns);
    populateViewPatterns(patterns);
    populateChainPatterns(patterns);
    populateWindowPatterns(patterns);
    applyPatterns(getOperation(), std::move(patterns));
  }
};

} // namespace
} // namespace smelt
