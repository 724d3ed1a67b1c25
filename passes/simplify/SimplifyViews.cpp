//===- SimplifyViews.cpp - Chains of movement that are one slice ------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   slice(reshape(transpose(reshape(x)))) -> slice(x)
//
// Half of a channel shuffle is every second channel. The chain is followed as
// strides over x; where the last shape's are multiples of x's own, dim by dim,
// it is a slice. Exact. Tested by test/passes/simplify/simplify-views.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/Placement.h"
#include "mlir/IR/PatternMatch.h"
#include "passes/simplify/Rewrites.h"

using namespace mlir;

namespace smelt {

namespace {

constexpr int kMostOps = 8;

struct View {
  AffineExpr offset;
  SmallVector<AffineExpr> strides;
};

/// Where the elements of `v` lie in a row-major `source`, through movement only.
std::optional<View> viewOf(Value v, Value source) {
  if (v == source)
    return View{getAffineConstantExpr(0, v.getContext()), getRowMajorStrides(v.getType())};
  Operation *op = v.getDefiningOp();
  std::optional<View> view = viewOf(op->getOperand(0), source);
  if (!view)
    return std::nullopt;
  if (isa<ReshapeOp>(op)) {
    auto strides = reshapeStrides(op->getOperand(0).getType(), view->strides, v.getType());
    if (!strides)
      return std::nullopt;
    view->strides = *strides;
  } else if (auto transpose = dyn_cast<TransposeOp>(op)) {
    SmallVector<AffineExpr> strides;
    for (int64_t p : transpose.getPerm())
      strides.push_back(view->strides[p]);
    view->strides = strides;
  } else {
    auto slice = cast<SliceOp>(op);
    for (auto [d, step] : llvm::enumerate(slice.getSteps())) {
      view->offset = view->offset + slice.getStarts().getExprs()[d] * view->strides[d];
      view->strides[d] = view->strides[d] * step;
    }
  }
  return view;
}

std::optional<int64_t> known(AffineExpr e) {
  auto constant = dyn_cast<AffineConstantExpr>(e);
  return constant ? std::optional<int64_t>(constant.getValue()) : std::nullopt;
}

/// The slice of `source` that has the result's shape and elements, null if none has.
SliceOp asSlice(Value result, Value source, PatternRewriter &rewriter) {
  SmallVector<AffineExpr> from = getDims(source.getType()), to = getDims(result.getType());
  if (from.size() != to.size())
    return {};
  std::optional<View> view = viewOf(result, source);
  std::optional<int64_t> rest = view ? known(view->offset) : std::nullopt;
  if (!rest || *rest < 0)
    return {};
  SmallVector<AffineExpr> own = getRowMajorStrides(source.getType());
  SmallVector<int64_t> starts, steps;
  for (size_t d = 0; d < to.size(); ++d) {
    std::optional<int64_t> stride = known(own[d]), wanted = known(view->strides[d]), size = known(to[d]),
                           whole = known(from[d]);
    int64_t start = 0, step = 1;
    if (stride && *stride > 0 && whole) {
      start = *rest / *stride;
      *rest %= *stride;
    }
    if (size != 1) {
      if (wanted && stride && *stride > 0 && *wanted > 0 && *wanted % *stride == 0)
        step = *wanted / *stride;
      else if (view->strides[d] != own[d])
        return {};
    }
    bool isInside = size && whole ? *size > 0 && start + (*size - 1) * step < *whole
                                  : start == 0 && step == 1 && from[d] == to[d];
    if (!isInside)
      return {};
    starts.push_back(start);
    steps.push_back(step);
  }
  if (*rest != 0)
    return {};
  return SliceOp::create(rewriter, result.getLoc(), result.getType(), source,
                         DimsAttr::get(rewriter.getContext(), starts), steps);
}

/// From the last op of a chain, the farthest source of which it is a slice.
struct ChainToSlice : RewritePattern {
  explicit ChainToSlice(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}
  LogicalResult matchAndRewrite(Operation *root, PatternRewriter &rewriter) const override {
    if (!isa<ReshapeOp, SliceOp, TransposeOp>(root))
      return failure();
    bool slices = false, moves = false;
    SmallVector<Value> sources;
    Operation *op = root;
    for (int i = 0; i < kMostOps && isa_and_nonnull<ReshapeOp, SliceOp, TransposeOp>(op); ++i) {
      slices |= isa<SliceOp>(op);
      moves |= isa<TransposeOp>(op);
      Value source = op->getOperand(0);
      // A slice of a reshape alone is as good as a reshape of a slice.
      if (slices && moves && !isConstant(source))
        sources.push_back(source);
      op = source.getDefiningOp();
    }
    for (Value source : llvm::reverse(sources))
      if (SliceOp slice = asSlice(root->getResult(0), source, rewriter)) {
        rewriter.replaceOp(root, slice.getResult());
        return success();
      }
    return rewriter.notifyMatchFailure(root, "no slice of a value that it is made from");
  }
};

} // namespace

void populateViewPatterns(RewritePatternSet &patterns) { patterns.add<ChainToSlice>(patterns.getContext()); }

} // namespace smelt
