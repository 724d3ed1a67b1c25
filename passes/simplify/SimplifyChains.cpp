//===- SimplifyChains.cpp - Transposes that meet through other movement -----===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   transpose(reshape(transpose(x)))        -> reshape(x), or one transpose
//   transpose(concat(reshape(transpose(x)), ...)) -> concat(reshape(x), ...)
//   matmul(reshape(transpose(x)), constant) -> matmul(reshape(x), its rows moved)
//
// Chains are followed as strides over their source. Exact but for the last,
// which adds up the same products in another order. Tested by test/passes/simplify/simplify-chains.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/Placement.h"
#include "mlir/IR/PatternMatch.h"
#include "passes/simplify/Rewrites.h"

using namespace mlir;

namespace smelt {

namespace {

constexpr int kMostOps = 8;

/// A value that others are made from by reshapes and transposes alone.
struct Source {
  Value value;
  int transposes; // between it and the end of the chain
};

/// The sources of a chain, the farthest first.
SmallVector<Source> sourcesOf(Value v) {
  SmallVector<Source> sources;
  int transposes = 0;
  for (int i = 0; i < kMostOps; ++i) {
    Operation *op = v.getDefiningOp();
    if (!isa_and_nonnull<ReshapeOp, TransposeOp>(op))
      break;
    transposes += isa<TransposeOp>(op);
    v = op->getOperand(0);
    sources.insert(sources.begin(), {v, transposes});
  }
  return sources;
}

/// Strides of `v` over a row-major `source` of its chain.
std::optional<SmallVector<AffineExpr>> stridesOver(Value v, Value source) {
  if (v == source)
    return getRowMajorStrides(v.getType());
  Operation *op = v.getDefiningOp();
  auto strides = stridesOver(op->getOperand(0), source);
  if (!strides)
    return std::nullopt;
  if (isa<ReshapeOp>(op))
    return reshapeStrides(op->getOperand(0).getType(), *strides, v.getType());
  SmallVector<AffineExpr> moved;
  for (int64_t p : cast<TransposeOp>(op).getPerm())
    moved.push_back((*strides)[p]);
  return moved;
}

/// The value with these strides over `source` by one transpose, null where sizes are not known.
Value byOneTranspose(Value result, ArrayRef<AffineExpr> strides, Value source, PatternRewriter &rewriter) {
  auto type = tensorOf(result);
  if (!type.hasStaticShape())
    return {};
  SmallVector<std::pair<int64_t, int64_t>> order; // stride, dim
  for (auto [d, stride] : llvm::enumerate(strides))
    if (type.getDimSize(d) != 1)
      order.emplace_back(-cast<AffineConstantExpr>(stride).getValue(), d);
  SmallVector<int64_t> natural, perm, shape;
  for (auto [stride, d] : order)
    natural.push_back(d);
  llvm::sort(order);
  SmallVector<int64_t> sorted;
  for (auto [stride, d] : order) {
    shape.push_back(type.getDimSize(d));
    sorted.push_back(d);
  }
  SmallVector<int64_t> moved;
  for (int64_t d : natural) {
    perm.push_back(llvm::find(sorted, d) - sorted.begin());
    moved.push_back(type.getDimSize(d));
  }
  Value x = ReshapeOp::create(rewriter, result.getLoc(), RankedTensorType::get(shape, type.getElementType()), source);
  x = TransposeOp::create(rewriter, result.getLoc(), RankedTensorType::get(moved, type.getElementType()), x, perm);
  return ReshapeOp::create(rewriter, result.getLoc(), type, x);
}

struct MergeChain : RewritePattern {
  explicit MergeChain(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}
  LogicalResult matchAndRewrite(Operation *root, PatternRewriter &rewriter) const override {
    if (!isa<ReshapeOp, TransposeOp>(root))
      return failure();
    Value result = root->getResult(0);
    SmallVector<Source> sources = sourcesOf(result);
    if (sources.size() < 2)
      return rewriter.notifyMatchFailure(root, "no chain");
    for (Source source : sources) {
      auto strides = source.transposes ? stridesOver(result, source.value) : std::nullopt;
      if (!strides)
        continue;
      Value made;
      if (isRowMajor(result.getType(), *strides))
        made = ReshapeOp::create(rewriter, root->getLoc(), result.getType(), source.value);
      else if (source.transposes >= 2)
        made = byOneTranspose(result, *strides, source.value, rewriter);
      if (!made)
        continue;
      rewriter.replaceOp(root, made);
      return success();
    }
    return rewriter.notifyMatchFailure(root, "its transposes do not meet");
  }
};

struct TransposeOfConcat : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    auto concat = op.getX().getDefiningOp<ConcatOp>();
    if (!concat || !concat->hasOneUse())
      return rewriter.notifyMatchFailure(op, "operand is no concat of its own");
    SmallVector<Value> from;
    SmallVector<Type> types;
    for (Value input : concat.getInputs()) {
      SmallVector<AffineExpr> dims = getDims(input.getType()), moved;
      for (int64_t p : op.getPerm())
        moved.push_back(dims[p]);
      types.push_back(getTensorType(moved, tensorOf(input).getElementType()));
      Value found;
      for (Source source : sourcesOf(input)) {
        auto strides = source.transposes ? stridesOver(input, source.value) : std::nullopt;
        if (!strides)
          continue;
        SmallVector<AffineExpr> permuted;
        for (int64_t p : op.getPerm())
          permuted.push_back((*strides)[p]);
        if (isRowMajor(types.back(), permuted)) {
          found = source.value;
          break;
        }
      }
      if (!found)
        return rewriter.notifyMatchFailure(op, "an input would have to be moved");
      from.push_back(found);
    }
    SmallVector<Value> inputs;
    for (auto [source, type] : llvm::zip(from, types))
      inputs.push_back(ReshapeOp::create(rewriter, op.getLoc(), type, source));
    int64_t axis = llvm::find(op.getPerm(), int64_t(concat.getAxis())) - op.getPerm().begin();
    auto made = ConcatOp::create(rewriter, fuse(op, concat), op.getType(), inputs, axis);
    rewriter.replaceOp(op, made.getResult());
    return success();
  }
};

/// Channels last before a flattening: the weights' rows take the other order.
struct TransposeIntoWeights : OpRewritePattern<MatMulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatMulOp op, PatternRewriter &rewriter) const override {
    auto flat = op.getLhs().getDefiningOp<ReshapeOp>();
    auto transpose = flat ? flat.getX().getDefiningOp<TransposeOp>() : TransposeOp();
    if (!transpose || op.getTransposeLhs() || !isConstant(op.getRhs()) || tensorOf(op.getRhs()).getRank() != 2)
      return rewriter.notifyMatchFailure(op, "no flattened transpose times a constant matrix");
    SmallVector<AffineExpr> dims = getDims(transpose.getType()), flattened = getDims(flat.getType());
    ArrayRef<int64_t> perm = transpose.getPerm();
    if (flattened.size() != 2 || dims.size() < 2 || flattened[0] != dims[0] || perm[0] != 0 ||
        llvm::any_of(tensorOf(transpose.getResult()).getShape().drop_front(), ShapedType::isDynamic))
      return rewriter.notifyMatchFailure(op, "rows are moved too, or sizes are not known");
    // W: [K, N] or [N, K]; K as [dims...], moved back to x's order.
    bool last = op.getTransposeRhs();
    RankedTensorType w = tensorOf(op.getRhs());
    int64_t rank = perm.size() - 1;
    SmallVector<int64_t> split(tensorOf(transpose.getResult()).getShape().drop_front()), order(rank), moved(rank);
    for (int64_t i = 0; i < rank; ++i)
      order[perm[i + 1] - 1] = i;
    for (int64_t i = 0; i < rank; ++i)
      moved[i] = split[order[i]];
    int64_t columns = w.getDimSize(last ? 0 : 1);
    split.insert(last ? split.begin() : split.end(), columns);
    moved.insert(last ? moved.begin() : moved.end(), columns);
    if (last) {
      for (int64_t &i : order)
        ++i;
      order.insert(order.begin(), 0);
    } else {
      order.push_back(rank);
    }
    Location loc = op.getRhs().getLoc();
    Value weights = ReshapeOp::create(rewriter, loc, RankedTensorType::get(split, w.getElementType()), op.getRhs());
    weights = TransposeOp::create(rewriter, loc, RankedTensorType::get(moved, w.getElementType()), weights, order);
    weights = ReshapeOp::create(rewriter, loc, w, weights);
    Value x = ReshapeOp::create(rewriter, fuse(flat, transpose), flat.getType(), transpose.getX());
    rewriter.modifyOpInPlace(op, [&] {
      op.getLhsMutable().assign(x);
      op.getRhsMutable().assign(weights);
    });
    return success();
  }
};

} // namespace

void populateChainPatterns(RewritePatternSet &patterns) {
  patterns.add<MergeChain, TransposeOfConcat, TransposeIntoWeights>(patterns.getContext());
}

} // namespace smelt
