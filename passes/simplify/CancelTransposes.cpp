//===- CancelTransposes.cpp - Remove inverse pairs around elementwise ops ---===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// transpose(f(transpose'(x), c)) -> f(x, c'), where both cancel: a tree of
// elementwise ops is rebuilt below its moves when every leaf can follow.
// Reshapes likewise, leaves being reshapes from the result's sizes and
// scalars. Exact. Tested by test/passes/simplify/cancel-transposes.mlir.
//
//===----------------------------------------------------------------------===//
#include "mlir/IR/PatternMatch.h"
#include "passes/simplify/Passes.h"
#include "passes/simplify/Rewrites.h"

using namespace mlir;

namespace smelt {

#define GEN_PASS_DEF_CANCELTRANSPOSESPASS
#include "passes/simplify/Passes.h.inc"

namespace {

constexpr int kMostOps = 16;
constexpr int64_t kMostBytes = int64_t(1) << 20; // of a constant moved along

/// A tree of single-use elementwise ops over `root`, operands before users;
/// false when it is larger than the bound.
bool collectTree(Value root, SmallVectorImpl<Operation *> &tree, int &budget) {
  Operation *op = root.getDefiningOp();
  if (!op || !isa<ScalarBodyInterface>(op) || !root.hasOneUse())
    return true; // a leaf
  if (--budget < 0)
    return false;
  for (Value operand : op->getOperands())
    if (!collectTree(operand, tree, budget))
      return false;
  tree.push_back(op);
  return true;
}

/// Rebuilds `tree` on what `moveLeaf` gives for its leaves; result types are
/// `typeOf(old type)`. Nothing is made unless every leaf can be moved.
template <typename LeafFn, typename TypeFn>
Value rebuild(PatternRewriter &rewriter, Operation *root, ArrayRef<Operation *> tree, LeafFn moveLeaf, TypeFn typeOf) {
  IRMapping mapping;
  Operation *last = nullptr;
  for (Operation *op : tree) {
    for (Value operand : op->getOperands())
      if (!mapping.contains(operand))
        mapping.map(operand, moveLeaf(operand));
    last = rewriter.clone(*op, mapping);
    rewriter.modifyOpInPlace(last, [&] {
      last->getResult(0).setType(typeOf(op->getResult(0).getType()));
      last->setLoc(fuse(op, root));
    });
    mapping.map(op->getResult(0), last->getResult(0));
  }
  return last->getResult(0);
}

/// OpT of a constant: computed now, so that later patterns see a constant.
template <typename OpT, typename... Args>
Value moveConstant(PatternRewriter &rewriter, Value constant, Type type, Args &&...args) {
  Location loc = constant.getLoc();
  Value folded = foldNow(rewriter, OpT::create(rewriter, loc, type, constant, args...), kMostBytes);
  return folded ? folded : OpT::create(rewriter, loc, type, constant, args...).getResult();
}

bool isLeafOf(ArrayRef<Operation *> tree, Value value) {
  Operation *op = value.getDefiningOp();
  return !op || !llvm::is_contained(tree, op);
}

struct CancelTranspose : OpRewritePattern<TransposeOp> {
  CancelTranspose(MLIRContext *context, int64_t &count) : OpRewritePattern(context), count(count) {}

  LogicalResult matchAndRewrite(TransposeOp root, PatternRewriter &rewriter) const override {
    SmallVector<Operation *> tree;
    int budget = kMostOps;
    if (!collectTree(root.getX(), tree, budget) || tree.empty())
      return rewriter.notifyMatchFailure(root, "operand is no small tree of elementwise ops");
    ArrayRef<int64_t> perm = root.getPerm();
    int64_t rank = perm.size(), cancelled = 0;
    for (Operation *op : tree) {
      if (tensorOf(op->getResult(0)).getRank() != rank)
        return rewriter.notifyMatchFailure(root, "the tree changes the rank");
      for (Value operand : op->getOperands()) {
        if (!isLeafOf(tree, operand))
          continue;
        RankedTensorType type = tensorOf(operand);
        if (isConstant(operand)) {
          if (type.getNumElements() != 1 && type.getNumElements() * getElementBytes(type.getElementType()) > kMostBytes)
            return rewriter.notifyMatchFailure(root, "a constant is too large to move");
          continue;
        }
        auto inner = operand.getDefiningOp<TransposeOp>();
        if (!inner || type.getRank() != rank)
          return rewriter.notifyMatchFailure(root, "a leaf is no transpose");
        for (int64_t i = 0; i < rank; ++i)
          if (inner.getPerm()[perm[i]] != i)
            return rewriter.notifyMatchFailure(root, "a leaf's permutation is not the inverse");
        ++cancelled;
      }
    }
    if (cancelled == 0)
      return rewriter.notifyMatchFailure(root, "constants only");
    auto permuted = [&](ArrayRef<AffineExpr> dims) {
      // Operands of fewer dims stand for leading ones.
      SmallVector<AffineExpr> full(rank - dims.size(), getAffineConstantExpr(1, root.getContext()));
      llvm::append_range(full, dims);
      SmallVector<AffineExpr> result;
      for (int64_t p : perm)
        result.push_back(full[p]);
      return result;
    };
    auto typeOf = [&](Type type) -> Type {
      return getTensorType(permuted(getDims(type)), cast<RankedTensorType>(type).getElementType());
    };
    auto moveLeaf = [&](Value leaf) -> Value {
      if (auto inner = leaf.getDefiningOp<TransposeOp>(); inner && !isConstant(leaf))
        return inner.getX();
      RankedTensorType type = tensorOf(leaf);
      if (type.getNumElements() == 1)
        return leaf;
      Value full = leaf;
      if (type.getRank() != rank) {
        SmallVector<int64_t> shape(rank - type.getRank(), 1);
        llvm::append_range(shape, type.getShape());
        full = moveConstant<ReshapeOp>(rewriter, leaf, RankedTensorType::get(shape, type.getElementType()));
      }
      return moveConstant<TransposeOp>(rewriter, full, typeOf(full.getType()), perm);
    };
    rewriter.setInsertionPoint(root);
    Value result = rebuild(rewriter, root, tree, moveLeaf, typeOf);
    rewriter.replaceOp(root, matchType(rewriter, root.getLoc(), result, root.getType()));
    count += cancelled + 1;
    return success();
  }
  int64_t &count;
};

struct CancelReshape : OpRewritePattern<ReshapeOp> {
  CancelReshape(MLIRContext *context, int64_t &count) : OpRewritePattern(context), count(count) {}

  LogicalResult matchAndRewrite(ReshapeOp root, PatternRewriter &rewriter) const override {
    SmallVector<Operation *> tree;
    int budget = kMostOps;
    if (!collectTree(root.getX(), tree, budget) || tree.empty())
      return rewriter.notifyMatchFailure(root, "operand is no small tree of elementwise ops");
    SmallVector<AffineExpr> wide = getDims(root.getX().getType()), target = getDims(root.getType());
    int64_t cancelled = 0;
    for (Operation *op : tree) {
      if (getDims(op->getResult(0).getType()) != wide)
        return rewriter.notifyMatchFailure(root, "the tree broadcasts");
      for (Value operand : op->getOperands()) {
        if (!isLeafOf(tree, operand) || (isConstant(operand) && tensorOf(operand).getNumElements() == 1))
          continue;
        auto inner = operand.getDefiningOp<ReshapeOp>();
        if (!inner || getDims(inner.getX().getType()) != target || getDims(inner.getType()) != wide)
          return rewriter.notifyMatchFailure(root, "a leaf is neither one element nor a reshape from the result's sizes");
        ++cancelled;
      }
    }
    if (cancelled == 0)
      return rewriter.notifyMatchFailure(root, "constants only");
    auto typeOf = [&](Type type) -> Type {
      return getTensorType(target, cast<RankedTensorType>(type).getElementType());
    };
    auto moveLeaf = [&](Value leaf) -> Value {
      if (auto inner = leaf.getDefiningOp<ReshapeOp>())
        return inner.getX();
      if (tensorOf(leaf).getRank() <= int64_t(target.size()))
        return leaf;
      // One element of more dims than the result has.
      return moveConstant<ReshapeOp>(rewriter, leaf, RankedTensorType::get({}, tensorOf(leaf).getElementType()));
    };
    rewriter.setInsertionPoint(root);
    Value result = rebuild(rewriter, root, tree, moveLeaf, typeOf);
    rewriter.replaceOp(root, matchType(rewriter, root.getLoc(), result, root.getType()));
    count += cancelled + 1;
    return success();
  }
  int64_t &count;
};

struct CancelTransposesPass : impl::CancelTransposesPassBase<CancelTransposesPass> {
  using CancelTransposesPassBase::CancelTransposesPassBase;

  void runOnOperation() override {
    int64_t count = 0;
    RewritePatternSet patterns(&getContext());
    patterns.add<CancelTranspose, CancelReshape>(&getContext(), count);
    applyPatterns(getOperation(), std::move(patterns));
    numCancelled += count;
  }
};

} // namespace
} // namespace smelt
