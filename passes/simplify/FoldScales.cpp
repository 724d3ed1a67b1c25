//===- FoldScales.cpp - Scales into weights ---------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// conv(x, w) * c -> conv(x, w * c), and (conv + b) * c -> conv * c + b * c so
// that the first applies; conv_transpose and matmul likewise; / c as * (1/c)
// on the weights. Changes rounding. Tested by
// test/passes/simplify/fold-scales.mlir.
//
//===----------------------------------------------------------------------===//
#include "mlir/IR/PatternMatch.h"
#include "passes/simplify/Passes.h"
#include "passes/simplify/Rewrites.h"

using namespace mlir;

namespace smelt {

#define GEN_PASS_DEF_FOLDSCALESPASS
#include "passes/simplify/Passes.h.inc"

namespace {

/// The weights of a contraction a scale can move into, and where the result's
/// scaled dim lies in both.
struct Scaled {
  OpOperand *weights = nullptr;
  int64_t weightDim, resultDim;
};

std::optional<Scaled> getScaled(Operation *op) {
  if (!op || op->getNumResults() != 1 || !op->hasOneUse())
    return std::nullopt;
  int64_t rank = tensorOf(op->getResult(0)).getRank();
  Scaled scaled;
  if (auto conv = dyn_cast<ConvOp>(op)) {
    scaled = {&conv.getWMutable(), 0, conv.getChannelsLast() ? rank - 1 : 1};
  } else if (auto conv = dyn_cast<ConvTransposeOp>(op)) {
    if (conv.getGroups() != 1)
      return std::nullopt; // the groups' outputs share one dim of the weights
    scaled = {&conv.getWMutable(), 1, conv.getChannelsLast() ? rank - 1 : 1};
  } else if (auto matmul = dyn_cast<MatMulOp>(op)) {
    int64_t own = tensorOf(matmul.getRhs()).getRank();
    scaled = {&matmul.getRhsMutable(), matmul.getTransposeRhs() ? own - 2 : own - 1, rank - 1};
  } else {
    return std::nullopt;
  }
  Value weights = scaled.weights->get();
  if (!isConstant(weights) || !weights.hasOneUse() || !isFloatTensor(weights) || !isFloatTensor(op->getResult(0)))
    return std::nullopt;
  return scaled;
}

/// The constant as one factor per entry of the weights' dim: its shape with
/// sizes 1 elsewhere; nothing when it varies along another dim of the result.
Value alignScale(PatternRewriter &rewriter, Location loc, Value scale, const Scaled &scaled, int64_t resultRank) {
  RankedTensorType type = tensorOf(scale), weights = tensorOf(scaled.weights->get());
  if (type.getElementType() != weights.getElementType())
    return {};
  int64_t size = 1;
  for (int64_t d = 0; d < type.getRank(); ++d) {
    if (type.getDimSize(d) == 1)
      continue;
    if (resultRank - type.getRank() + d != scaled.resultDim)
      return {};
    size = type.getDimSize(d);
  }
  if (size != 1 && size != weights.getDimSize(scaled.weightDim))
    return {};
  SmallVector<int64_t> shape(weights.getRank(), 1);
  shape[scaled.weightDim] = size;
  auto aligned = RankedTensorType::get(shape, type.getElementType());
  if (type.getNumElements() == 1 && getSplatValue(scale))
    return createSplat(rewriter, loc, aligned, *getSplatValue(scale));
  return foldNow(rewriter, ReshapeOp::create(rewriter, loc, aligned, scale), std::numeric_limits<int64_t>::max());
}

/// contraction(x, w) op c -> contraction(x, w op c), op being * or /.
template <typename OpT> struct ScaleIntoWeights : OpRewritePattern<OpT> {
  ScaleIntoWeights(MLIRContext *context, int64_t limit, int64_t &count)
      : OpRewritePattern<OpT>(context), limit(limit), count(count) {}

  LogicalResult matchAndRewrite(OpT op, PatternRewriter &rewriter) const override {
    Value y = op.getLhs(), scale = op.getRhs();
    if (isa<MulOp>(op) && !isConstant(scale))
      std::swap(y, scale);
    Operation *contraction = y.getDefiningOp();
    std::optional<Scaled> scaled = getScaled(contraction);
    if (!scaled || !isConstant(scale) || y.getType() != op.getType())
      return rewriter.notifyMatchFailure(op, "no contraction with constant weights, or no constant scale");
    Value weights = scaled->weights->get();
    if (tensorOf(weights).getNumElements() * getElementBytes(tensorOf(weights).getElementType()) > limit)
      return rewriter.notifyMatchFailure(op, "weights are over the limit");
    Location loc = fuse(contraction, op);
    Value aligned = alignScale(rewriter, loc, scale, *scaled, tensorOf(y).getRank());
    if (!aligned)
      return rewriter.notifyMatchFailure(op, "scale varies along another dim");
    Value folded = foldNow(rewriter, OpT::create(rewriter, weights.getLoc(), weights.getType(), weights, aligned), limit);
    if (!folded)
      return rewriter.notifyMatchFailure(op, "weights cannot be scaled");
    // The new weights stand where the scale is known: before the contraction.
    rewriter.moveOpBefore(folded.getDefiningOp(), contraction);
    rewriter.modifyOpInPlace(contraction, [&] {
      scaled->weights->set(folded);
      contraction->setLoc(loc);
    });
    rewriter.replaceOp(op, y);
    ++count;
    return success();
  }
  int64_t limit;
  int64_t &count;
};

/// (contraction + b) * c -> contraction * c + b * c
struct ScaleBeforeBias : OpRewritePattern<MulOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MulOp op, PatternRewriter &rewriter) const override {
    Value sum = op.getLhs(), scale = op.getRhs();
    if (!isConstant(scale))
      std::swap(sum, scale);
    auto add = sum.getDefiningOp<AddOp>();
    if (!add || !add->hasOneUse() || !isConstant(scale) || sum.getType() != op.getType())
      return rewriter.notifyMatchFailure(op, "no sum scaled by a constant");
    Value y = add.getLhs(), bias = add.getRhs();
    if (!isConstant(bias))
      std::swap(y, bias);
    std::optional<Scaled> scaled = getScaled(y.getDefiningOp());
    if (!scaled || !isConstant(bias) || y.getType() != op.getType())
      return rewriter.notifyMatchFailure(op, "no contraction with a constant bias");
    // Only where the scale then moves on, into the weights.
    RankedTensorType scaleType = tensorOf(scale), resultType = tensorOf(y);
    for (int64_t d = 0; d < scaleType.getRank(); ++d)
      if (scaleType.getDimSize(d) != 1 && resultType.getRank() - scaleType.getRank() + d != scaled->resultDim)
        return rewriter.notifyMatchFailure(op, "scale varies along another dim");
    auto dims = broadcastDims({bias.getType(), scale.getType()});
    if (!dims)
      return rewriter.notifyMatchFailure(op, "bias and scale do not broadcast");
    Location loc = fuse(add, op);
    Type type = getTensorType(*dims, tensorOf(bias).getElementType());
    Value scaledBias = foldNow(rewriter, MulOp::create(rewriter, loc, type, bias, scale), int64_t(1) << 20);
    if (!scaledBias)
      return rewriter.notifyMatchFailure(op, "bias cannot be scaled");
    Value product = MulOp::create(rewriter, loc, op.getType(), y, scale);
    rewriter.replaceOpWithNewOp<AddOp>(op, op.getType(), product, scaledBias)->setLoc(loc);
    return success();
  }
};

/// contraction + b where two constants follow each other: Simplify joins them.
struct FoldScalesPass : impl::FoldScalesPassBase<FoldScalesPass> {
  using FoldScalesPassBase::FoldScalesPassBase;

  void runOnOperation() override {
    int64_t count = 0;
    RewritePatternSet patterns(&getContext());
    patterns.add<ScaleIntoWeights<MulOp>, ScaleIntoWeights<DivOp>>(&getContext(), int64_t(nodeLimit), count);
    patterns.add<ScaleBeforeBias>(&getContext());
    applyPatterns(getOperation(), std::move(patterns));
    numFolded += count;
  }
};

} // namespace
} // namespace smelt
