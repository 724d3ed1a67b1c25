//===- SimplifyWindows.cpp - Pads into convolutions and pools ---------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A pad of spatial dims with the value that a window op takes for outside
// elements becomes its own pads. All exact. Tested by
// test/passes/simplify/simplify-windows.mlir.
//
//===----------------------------------------------------------------------===//
#include "mlir/IR/PatternMatch.h"
#include "passes/simplify/Rewrites.h"
#include <cmath>
#include <limits>

using namespace mlir;

namespace smelt {

namespace {

/// A constant pad of spatial dims only by numbers >= 0: low pads, then high.
std::optional<SmallVector<int64_t>> spatialPads(PadOp pad, bool channelsLast) {
  if (pad.getMode() != PadMode::constant)
    return std::nullopt;
  SmallVector<AffineExpr> own = getDims(pad.getX().getType()), padded = getDims(pad.getType());
  int64_t rank = own.size();
  SmallVector<int64_t> lows, highs;
  for (int64_t d = 0; d < rank; ++d) {
    AffineExpr low = pad.getLow().getExprs()[d];
    auto lowConstant = dyn_cast<AffineConstantExpr>(low);
    auto high = dyn_cast<AffineConstantExpr>(simplify(padded[d] - own[d] - low));
    if (!lowConstant || !high || lowConstant.getValue() < 0 || high.getValue() < 0)
      return std::nullopt;
    bool isSpatial = d != 0 && d != (channelsLast ? rank - 1 : 1);
    if (!isSpatial) {
      if (lowConstant.getValue() != 0 || high.getValue() != 0)
        return std::nullopt;
      continue;
    }
    lows.push_back(lowConstant.getValue());
    highs.push_back(high.getValue());
  }
  llvm::append_range(lows, highs);
  return lows;
}

DimsAttr addPads(DimsAttr pads, ArrayRef<int64_t> more) {
  SmallVector<AffineExpr> sums;
  for (auto [pad, extra] : llvm::zip_equal(pads.getExprs(), more))
    sums.push_back(pad + extra);
  return DimsAttr::get(pads.getContext(), sums);
}

/// conv(pad(x, 0)) -> conv(x) with larger pads
struct PadIntoConv : OpRewritePattern<ConvOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ConvOp op, PatternRewriter &rewriter) const override {
    auto pad = op.getX().getDefiningOp<PadOp>();
    if (!pad)
      return rewriter.notifyMatchFailure(op, "operand is not a pad");
    std::optional<double> value = getSplatValue(pad.getValue());
    std::optional<SmallVector<int64_t>> pads = spatialPads(pad, op.getChannelsLast());
    if (!value || *value != 0 || !pads)
      return rewriter.notifyMatchFailure(op, "pad is not of zeros around spatial dims");
    rewriter.modifyOpInPlace(op, [&] {
      op.getXMutable().assign(pad.getX());
      op.setPadsAttr(addPads(op.getPads(), *pads));
      op->setLoc(fuse(op, pad));
    });
    return success();
  }
};

/// The value that never wins a maximum.
bool isLowest(double value, Type type) {
  if (isa<FloatType>(type))
    return std::isinf(value) && value < 0;
  auto integer = cast<IntegerType>(type);
  return value == (integer.isUnsigned() ? 0.0 : -std::ldexp(1.0, int(integer.getWidth()) - 1));
}

/// max pools take -inf outside, sums 0; an average over the padded tensor
/// counts the zeros: `avg` without pads of its own becomes `avg_include_pad`.
struct PadIntoPool : OpRewritePattern<PoolOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(PoolOp op, PatternRewriter &rewriter) const override {
    auto pad = op.getX().getDefiningOp<PadOp>();
    if (!pad)
      return rewriter.notifyMatchFailure(op, "operand is not a pad");
    std::optional<double> value = getSplatValue(pad.getValue());
    std::optional<SmallVector<int64_t>> pads = spatialPads(pad, op.getChannelsLast());
    if (!value || !pads)
      return rewriter.notifyMatchFailure(op, "pad is not constant around spatial dims");
    PoolKind kind = op.getKind();
    bool isMax = kind == PoolKind::max;
    bool ownPads = !llvm::all_of(op.getPads().getExprs(), [](AffineExpr e) {
      return isa<AffineConstantExpr>(e) && cast<AffineConstantExpr>(e).getValue() == 0;
    });
    if (isMax ? !isLowest(*value, tensorOf(op.getX()).getElementType()) : *value != 0)
      return rewriter.notifyMatchFailure(op, "the pad's value is not what the pool takes outside");
    if (kind == PoolKind::avg && ownPads)
      return rewriter.notifyMatchFailure(op, "own pads are not counted, the pad's elements are");
    rewriter.modifyOpInPlace(op, [&] {
      op.getXMutable().assign(pad.getX());
      op.setPadsAttr(addPads(op.getPads(), *pads));
      if (kind == PoolKind::avg)
        op.setKind(PoolKind::avg_include_pad);
      op->setLoc(fuse(op, pad));
    });
    return success();
  }
};

} // namespace

void populateWindowPatterns(RewritePatternSet &patterns) {
  patterns.add<PadIntoConv, PadIntoPool>(patterns.getContext());
}

} // namespace smelt
