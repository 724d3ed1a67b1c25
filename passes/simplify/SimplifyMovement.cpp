//===- SimplifyMovement.cpp - Identities of data movement -------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reshapes and transposes in a row, slices of concats and of slices, concats of
// slices, gathers with constant indices. All exact. Tested by
// test/passes/simplify/simplify-movement.mlir.
//
//===----------------------------------------------------------------------===//
#include "mlir/IR/PatternMatch.h"
#include "passes/simplify/Rewrites.h"

using namespace mlir;

namespace smelt {

namespace {

bool isZero(AffineExpr expr) {
  auto constant = dyn_cast<AffineConstantExpr>(expr);
  return constant && constant.getValue() == 0;
}

/// reshape(reshape(x)) -> reshape(x): squeeze and unsqueeze pairs too.
struct MergeReshapes : OpRewritePattern<ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ReshapeOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getX().getDefiningOp<ReshapeOp>();
    if (!inner)
      return rewriter.notifyMatchFailure(op, "operand is not a reshape");
    if (inner.getX().getType() == op.getType()) {
      rewriter.replaceOp(op, inner.getX());
      return success();
    }
    auto made = ReshapeOp::create(rewriter, fuse(op, inner), op.getType(), inner.getX());
    rewriter.replaceOp(op, made.getResult());
    return success();
  }
};

/// transpose(transpose(x)) -> transpose(x)
struct MergeTransposes : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getX().getDefiningOp<TransposeOp>();
    if (!inner)
      return rewriter.notifyMatchFailure(op, "operand is not a transpose");
    SmallVector<int64_t> perm;
    for (int64_t p : op.getPerm())
      perm.push_back(inner.getPerm()[p]);
    auto made = TransposeOp::create(rewriter, fuse(op, inner), op.getType(), inner.getX(), perm);
    rewriter.replaceOp(op, made.getResult());
    return success();
  }
};

/// A transpose that only moves dims of size 1 is a reshape.
struct TransposeToReshape : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    int64_t last = -1;
    for (int64_t p : op.getPerm()) {
      if (tensorOf(op.getX()).getDimSize(p) == 1)
        continue;
      if (p < last)
        return rewriter.notifyMatchFailure(op, "moves elements");
      last = p;
    }
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), op.getX());
    return success();
  }
};

/// matmul(a, transpose(b)) -> matmul with transposeRhs flipped; lhs alike.
struct TransposeIntoMatMul : OpRewritePattern<MatMulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatMulOp op, PatternRewriter &rewriter) const override {
    for (bool isRhs : {false, true}) {
      auto transpose = (isRhs ? op.getRhs() : op.getLhs()).getDefiningOp<TransposeOp>();
      if (!transpose)
        continue;
      ArrayRef<int64_t> perm = transpose.getPerm();
      int64_t rank = perm.size();
      bool swapsLast = perm[rank - 1] == rank - 2 && perm[rank - 2] == rank - 1;
      for (int64_t i = 0; i + 2 < rank; ++i)
        swapsLast &= perm[i] == i;
      if (!swapsLast)
        continue;
      rewriter.modifyOpInPlace(op, [&] {
        (isRhs ? op.getRhsMutable() : op.getLhsMutable()).assign(transpose.getX());
        if (isRhs)
          op.setTransposeRhs(!op.getTransposeRhs());
        else
          op.setTransposeLhs(!op.getTransposeLhs());
        op->setLoc(fuse(op, transpose));
      });
      return success();
    }
    return rewriter.notifyMatchFailure(op, "no operand swaps its last two dims");
  }
};

//===----------------------------------------------------------------------===//
// Slices and concats
//===----------------------------------------------------------------------===//

/// slice(slice(x)) -> slice(x)
struct MergeSlices : OpRewritePattern<SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SliceOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getX().getDefiningOp<SliceOp>();
    if (!inner)
      return rewriter.notifyMatchFailure(op, "operand is not a slice");
    SmallVector<AffineExpr> starts;
    SmallVector<int64_t> steps;
    for (auto [a, b, s, t] : llvm::zip_equal(inner.getStarts().getExprs(), op.getStarts().getExprs(),
                                             inner.getSteps(), op.getSteps())) {
      starts.push_back(a + b * s);
      steps.push_back(s * t);
    }
    auto made = SliceOp::create(rewriter, fuse(op, inner), op.getType(), inner.getX(),
                                DimsAttr::get(op.getContext(), starts), steps);
    rewriter.replaceOp(op, made.getResult());
    return success();
  }
};

/// A slice within one input of a concat reads that input.
struct SliceOfConcat : OpRewritePattern<SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SliceOp op, PatternRewriter &rewriter) const override {
    auto concat = op.getX().getDefiningOp<ConcatOp>();
    if (!concat)
      return rewriter.notifyMatchFailure(op, "operand is not a concat");
    int64_t axis = concat.getAxis(), step = op.getSteps()[axis];
    auto start = dyn_cast<AffineConstantExpr>(op.getStarts().getExprs()[axis]);
    int64_t size = tensorOf(op.getResult()).getDimSize(axis);
    if (!start || ShapedType::isDynamic(size) || size == 0)
      return rewriter.notifyMatchFailure(op, "start or size along the axis is not known");
    int64_t first = start.getValue(), last = first + (size - 1) * step, offset = 0;
    if (first > last)
      std::swap(first, last);
    for (Value input : concat.getInputs()) {
      int64_t own = tensorOf(input).getDimSize(axis);
      if (ShapedType::isDynamic(own) || first < offset)
        break;
      if (last < offset + own) {
        SmallVector<AffineExpr> starts(op.getStarts().getExprs());
        starts[axis] = starts[axis] - offset;
        auto made = SliceOp::create(rewriter, fuse(op, concat), op.getType(), input,
                                    DimsAttr::get(op.getContext(), starts), op.getSteps());
        rewriter.replaceOp(op, made.getResult());
        return success();
      }
      offset += own;
    }
    return rewriter.notifyMatchFailure(op, "crosses inputs of the concat");
  }
};

/// Slices of one value that follow each other along `axis`: the second starts
/// where the first ends.
bool follows(SliceOp a, SliceOp b, int64_t axis) {
  if (!a || !b || a.getX() != b.getX())
    return false;
  for (auto [d, x, y] : llvm::enumerate(a.getStarts().getExprs(), b.getStarts().getExprs())) {
    if (a.getSteps()[d] != 1 || b.getSteps()[d] != 1)
      return false;
    AffineExpr end = int64_t(d) == axis ? x + getDim(a.getType(), d) : x;
    if (end != y && simplify(end - y) != getAffineConstantExpr(0, a.getContext()))
      return false;
  }
  return true;
}

/// Drops empty inputs, opens inner concats, joins slices that follow each other.
struct SimplifyConcat : OpRewritePattern<ConcatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ConcatOp op, PatternRewriter &rewriter) const override {
    int64_t axis = op.getAxis();
    SmallVector<Value> inputs;
    Location loc = op.getLoc();
    bool changed = false;
    for (Value input : op.getInputs()) {
      auto inner = input.getDefiningOp<ConcatOp>();
      if (inner && inner->hasOneUse() && int64_t(inner.getAxis()) == axis) {
        llvm::append_range(inputs, inner.getInputs());
        loc = fuse(op, inner);
        changed = true;
      } else {
        inputs.push_back(input);
      }
    }
    size_t before = inputs.size();
    llvm::erase_if(inputs, [&](Value input) { return tensorOf(input).getDimSize(axis) == 0; });
    if (inputs.empty())
      return rewriter.notifyMatchFailure(op, "all inputs are empty");
    changed |= inputs.size() != before;
    SmallVector<Value> joined;
    for (size_t i = 0; i < inputs.size();) {
      auto first = inputs[i].getDefiningOp<SliceOp>();
      size_t end = i + 1;
      AffineExpr size = getDim(inputs[i].getType(), axis);
      for (; first && end < inputs.size() &&
             follows(inputs[end - 1].getDefiningOp<SliceOp>(), inputs[end].getDefiningOp<SliceOp>(), axis);
           ++end)
        size = size + getDim(inputs[end].getType(), axis);
      if (end == i + 1) {
        joined.push_back(inputs[i]);
      } else {
        SmallVector<AffineExpr> dims = getDims(first.getType());
        dims[axis] = size;
        Type type = getTensorType(dims, tensorOf(op.getResult()).getElementType());
        // The whole axis from its start: the operand itself.
        joined.push_back(SliceOp::create(rewriter, fuse(op, first), type, first.getX(), first.getStarts(),
                                         first.getSteps()));
        changed = true;
      }
      i = end;
    }
    if (joined.size() == 1 && joined[0].getType() == op.getType()) {
      rewriter.replaceOp(op, joined[0]);
      return success();
    }
    if (!changed)
      return rewriter.notifyMatchFailure(op, "nothing to drop, open or join");
    rewriter.replaceOpWithNewOp<ConcatOp>(op, op.getType(), joined, op.getAxis())->setLoc(loc);
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Gathers
//===----------------------------------------------------------------------===//

/// One index or evenly spaced ones -> slice, and a reshape to the result.
struct GatherToSlice : OpRewritePattern<GatherOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(GatherOp op, PatternRewriter &rewriter) const override {
    std::optional<SmallVector<int64_t>> indices = getConstantInts(op.getIndices(), 1 << 16);
    RankedTensorType type = tensorOf(op.getX());
    int64_t axis = op.getAxis(), size = type.getDimSize(axis);
    if (!indices || indices->empty() || ShapedType::isDynamic(size))
      return rewriter.notifyMatchFailure(op, "indices or the axis are not known");
    for (int64_t &index : *indices) {
      index += index < 0 ? size : 0;
      if (index < 0 || index >= size)
        return rewriter.notifyMatchFailure(op, "index out of range: the run reports it");
    }
    int64_t step = indices->size() > 1 ? (*indices)[1] - (*indices)[0] : 1;
    for (size_t i = 1; i < indices->size(); ++i)
      if ((*indices)[i] - (*indices)[i - 1] != step || step == 0)
        return rewriter.notifyMatchFailure(op, "indices are not evenly spaced");
    SmallVector<int64_t> starts(type.getRank(), 0), steps(type.getRank(), 1);
    starts[axis] = indices->front();
    steps[axis] = step;
    SmallVector<AffineExpr> dims = getDims(type);
    dims[axis] = getAffineConstantExpr(indices->size(), op.getContext());
    Value slice = SliceOp::create(rewriter, op.getLoc(), getTensorType(dims, type.getElementType()), op.getX(),
                                  DimsAttr::get(op.getContext(), starts), steps);
    if (slice.getType() != op.getType())
      slice = ReshapeOp::create(rewriter, op.getLoc(), op.getType(), slice);
    rewriter.replaceOp(op, slice);
    return success();
  }
};

/// broadcast(broadcast(x)) -> broadcast(x)
struct MergeBroadcasts : OpRewritePattern<BroadcastOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(BroadcastOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getX().getDefiningOp<BroadcastOp>();
    if (!inner)
      return rewriter.notifyMatchFailure(op, "operand is not a broadcast");
    auto made = BroadcastOp::create(rewriter, fuse(op, inner), op.getType(), inner.getX());
    rewriter.replaceOp(op, made.getResult());
    return success();
  }
};

/// A tile of dims of size 1 only is a broadcast, and of no dim the operand.
struct TileToBroadcast : OpRewritePattern<TileOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TileOp op, PatternRewriter &rewriter) const override {
    for (auto [own, to] : llvm::zip_equal(getDims(op.getX().getType()), getDims(op.getType())))
      if (own != to && own != getAffineConstantExpr(1, op.getContext()))
        return rewriter.notifyMatchFailure(op, "repeats more than one element");
    rewriter.replaceOp(op, matchType(rewriter, op.getLoc(), op.getX(), op.getType()));
    return success();
  }
};

/// pad by nothing -> x
struct DropEmptyPad : OpRewritePattern<PadOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(PadOp op, PatternRewriter &rewriter) const override {
    if (op.getX().getType() != op.getType() || !llvm::all_of(op.getLow().getExprs(), isZero))
      return rewriter.notifyMatchFailure(op, "pads something");
    rewriter.replaceOp(op, op.getX());
    return success();
  }
};

} // namespace

void populateMovementPatterns(RewritePatternSet &patterns) {
  patterns.add<MergeReshapes, MergeTransposes, TransposeToReshape, TransposeIntoMatMul, MergeSlices, SliceOfConcat,
               SimplifyConcat, GatherToSlice, MergeBroadcasts, TileToBroadcast, DropEmptyPad>(patterns.getContext());
}

} // namespace smelt
