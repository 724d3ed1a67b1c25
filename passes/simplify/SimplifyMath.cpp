//===- SimplifyMath.cpp - Identities of elementwise ops ---------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// x * 1, x ** 2, - - x, casts there and back, clamps within clamps, select on a
// constant, constants that meet. Passes.td lists what is not exact. Tested by
// test/passes/simplify/simplify.mlir.
//
//===----------------------------------------------------------------------===//
#include "mlir/IR/PatternMatch.h"
#include "passes/simplify/Rewrites.h"
#include <cmath>

using namespace mlir;

namespace smelt {

namespace {

/// Bytes of a constant made from others: small ones, so that sharing lost by it costs little.
constexpr int64_t kMergeLimit = int64_t(1) << 20;

bool isSplatOf(Value value, double wanted) {
  std::optional<double> splat = getSplatValue(value);
  return splat && *splat == wanted;
}

/// x op neutral -> x
template <typename OpT> struct DropNeutral : OpRewritePattern<OpT> {
  DropNeutral(MLIRContext *context, double neutral, bool bothSides)
      : OpRewritePattern<OpT>(context), neutral(neutral), bothSides(bothSides) {}
  LogicalResult matchAndRewrite(OpT op, PatternRewriter &rewriter) const override {
    Value kept;
    if (isSplatOf(op.getRhs(), neutral))
      kept = op.getLhs();
    else if (bothSides && isSplatOf(op.getLhs(), neutral))
      kept = op.getRhs();
    if (!kept || tensorOf(kept).getElementType() != tensorOf(op.getResult()).getElementType())
      return rewriter.notifyMatchFailure(op, "no neutral operand");
    rewriter.replaceOp(op, matchType(rewriter, op.getLoc(), kept, op.getType()));
    return success();
  }
  double neutral;
  bool bothSides;
};

/// x / 2^n -> x * 2^-n: both round the same real number.
struct DivToMul : OpRewritePattern<DivOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(DivOp op, PatternRewriter &rewriter) const override {
    std::optional<double> divisor = getSplatValue(op.getRhs());
    if (!isFloatTensor(op.getResult()) || !divisor || *divisor == 1)
      return rewriter.notifyMatchFailure(op, "divisor is not a splat of floats");
    int exponent;
    if (std::fabs(std::frexp(*divisor, &exponent)) != 0.5 || std::abs(exponent) > 8)
      return rewriter.notifyMatchFailure(op, "divisor is not a small power of two");
    Value factor = createSplat(rewriter, op.getRhs().getLoc(), tensorOf(op.getRhs()), 1 / *divisor);
    rewriter.replaceOpWithNewOp<MulOp>(op, op.getType(), op.getLhs(), factor);
    return success();
  }
};

/// x ** 1 -> x, x ** 2 -> x * x, x ** 3 -> x * x * x (two roundings), x ** 0.5 -> sqrt x
struct SimplifyPow : OpRewritePattern<PowOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(PowOp op, PatternRewriter &rewriter) const override {
    std::optional<double> exponent = getSplatValue(op.getRhs());
    bool sameType = op.getLhs().getType() == op.getType();
    if (!exponent || !sameType)
      return rewriter.notifyMatchFailure(op, "exponent is not a splat, or it broadcasts x");
    if (*exponent == 1)
      rewriter.replaceOp(op, op.getLhs());
    else if (*exponent == 2 && isFloatTensor(op.getLhs()))
      rewriter.replaceOpWithNewOp<MulOp>(op, op.getType(), op.getLhs(), op.getLhs());
    else if (*exponent == 3 && isFloatTensor(op.getLhs()))
      rewriter.replaceOpWithNewOp<MulOp>(op, op.getType(), MulOp::create(rewriter, op.getLoc(), op.getType(), op.getLhs(), op.getLhs()), op.getLhs());
    else if (*exponent == 0.5 && isFloatTensor(op.getLhs()))
      rewriter.replaceOpWithNewOp<SqrtOp>(op, op.getType(), op.getLhs());
    else
      return rewriter.notifyMatchFailure(op, "no cheaper form");
    return success();
  }
};

/// f(f(x)) -> x for neg and not; abs(abs(x)), abs(neg(x)) -> abs(x)
template <typename OpT> struct DoubleInverse : OpRewritePattern<OpT> {
  using OpRewritePattern<OpT>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpT op, PatternRewriter &rewriter) const override {
    auto inner = op.getX().template getDefiningOp<OpT>();
    if (!inner || inner.getX().getType() != op.getType())
      return rewriter.notifyMatchFailure(op, "operand is not the same op");
    rewriter.replaceOp(op, inner.getX());
    return success();
  }
};

struct AbsOfSign : OpRewritePattern<AbsOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AbsOp op, PatternRewriter &rewriter) const override {
    if (auto inner = op.getX().getDefiningOp<AbsOp>()) {
      rewriter.replaceOp(op, inner.getResult());
      return success();
    }
    auto inner = op.getX().getDefiningOp<NegOp>();
    if (!inner)
      return rewriter.notifyMatchFailure(op, "operand is neither abs nor neg");
    auto made = AbsOp::create(rewriter, fuse(op, inner), op.getType(), inner.getX());
    rewriter.replaceOp(op, made.getResult());
    return success();
  }
};

/// x + -y -> x - y, x - -y -> x + y
template <typename From, typename To> struct AbsorbNeg : OpRewritePattern<From> {
  using OpRewritePattern<From>::OpRewritePattern;
  LogicalResult matchAndRewrite(From op, PatternRewriter &rewriter) const override {
    auto neg = op.getRhs().template getDefiningOp<NegOp>();
    if (!neg)
      return rewriter.notifyMatchFailure(op, "right operand is not negated");
    auto made = To::create(rewriter, fuse(op, neg), op.getType(), op.getLhs(), neg.getX());
    rewriter.replaceOp(op, made.getResult());
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Casts
//===----------------------------------------------------------------------===//

/// Every value of `from` is a value of `to`.
bool holdsAll(Type from, Type to) {
  if (from == to)
    return true;
  if (from.isInteger(1))
    return isa<IntegerType>(to) || isa<FloatType>(to);
  if (auto fromInt = dyn_cast<IntegerType>(from)) {
    unsigned bits = fromInt.getWidth() - !fromInt.isUnsigned();
    if (auto toInt = dyn_cast<IntegerType>(to)) {
      if (toInt.getWidth() == 1 || (toInt.isUnsigned() && !fromInt.isUnsigned()))
        return false;
      return toInt.getWidth() - !toInt.isUnsigned() >= bits;
    }
    // Magnitudes up to 2^bits are exact in a significand of that many.
    return (to.isF64() && bits <= 53) || (to.isF32() && bits <= 24) || (to.isF16() && bits <= 11) ||
           (to.isBF16() && bits <= 8);
  }
  if (!isa<FloatType>(to))
    return false;
  if (to.isF64())
    return cast<FloatType>(from).getWidth() <= 64;
  if (to.isF32())
    return cast<FloatType>(from).getWidth() < 32 && (from.isF16() || from.isBF16() || cast<FloatType>(from).getWidth() <= 8);
  return false;
}

/// cast(cast(x)) -> cast(x) where the middle type loses nothing, or all three
/// are integers and wrapping twice is wrapping once.
struct MergeCasts : OpRewritePattern<CastOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(CastOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getX().getDefiningOp<CastOp>();
    if (!inner)
      return rewriter.notifyMatchFailure(op, "operand is not a cast");
    Type a = tensorOf(inner.getX()).getElementType(), b = tensorOf(op.getX()).getElementType(),
         c = tensorOf(op.getResult()).getElementType();
    bool isWrapping = false;
    if (auto ai = dyn_cast<IntegerType>(a), bi = dyn_cast<IntegerType>(b), ci = dyn_cast<IntegerType>(c); ai && bi && ci)
      isWrapping = ai.getWidth() > 1 && ci.getWidth() > 1 && bi.getWidth() >= ci.getWidth() && bi.getWidth() <= ai.getWidth();
    // Through a float an integer saturates; straight it would wrap.
    bool saturates = isa<IntegerType>(a) && isa<FloatType>(b) && isa<IntegerType>(c) && !c.isInteger(1);
    if (!isWrapping && (!holdsAll(a, b) || (saturates && !holdsAll(a, c))))
      return rewriter.notifyMatchFailure(op, "the middle type loses values");
    if (a == c) {
      rewriter.replaceOp(op, inner.getX());
      return success();
    }
    auto made = CastOp::create(rewriter, fuse(op, inner), op.getType(), inner.getX(), op.getSaturate());
    rewriter.replaceOp(op, made.getResult());
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Clamps
//===----------------------------------------------------------------------===//

/// A bound every element keeps (NaN aside): from constants and ranges of ops.
std::optional<double> bound(Value value, bool isLower, int depth = 4) {
  if (depth == 0)
    return std::nullopt;
  if (auto splat = getSplatValue(value))
    return *splat != *splat ? std::nullopt : splat;
  Operation *op = value.getDefiningOp();
  if (!op)
    return std::nullopt;
  if (isa<SigmoidOp>(op))
    return isLower ? 0.0 : 1.0;
  if (isa<TanhOp, ErfOp, SinOp, CosOp>(op))
    return isLower ? -1.0 : 1.0;
  if (isa<AbsOp, SqrtOp, ExpOp>(op) && isLower && isFloatTensor(value))
    return 0.0;
  if (auto reshape = dyn_cast<ReshapeOp>(op))
    return bound(reshape.getX(), isLower, depth - 1);
  if (!isa<MaxOp, MinOp>(op))
    return std::nullopt;
  auto a = bound(op->getOperand(0), isLower, depth - 1), b = bound(op->getOperand(1), isLower, depth - 1);
  // One operand bounds a maximum from below; from above it takes both.
  if (isa<MaxOp>(op) == isLower) {
    if (a && b)
      return isLower ? std::max(*a, *b) : std::min(*a, *b);
    return a ? a : b;
  }
  if (!a || !b)
    return std::nullopt;
  return isLower ? std::min(*a, *b) : std::max(*a, *b);
}

/// max(x, c) -> x where x >= c; max(max(x, a), b) -> max(x, max(a, b)); min alike
template <typename OpT, bool IsMax> struct SimplifyClamp : OpRewritePattern<OpT> {
  using OpRewritePattern<OpT>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpT op, PatternRewriter &rewriter) const override {
    Value x = op.getLhs(), limit = op.getRhs();
    if (!getSplatValue(limit))
      std::swap(x, limit);
    std::optional<double> c = getSplatValue(limit);
    if (!c || *c != *c)
      return rewriter.notifyMatchFailure(op, "no constant bound");
    std::optional<double> known = bound(x, IsMax);
    if (known && (IsMax ? *known >= *c : *known <= *c) && x.getType() == op.getType()) {
      rewriter.replaceOp(op, x);
      return success();
    }
    auto inner = x.getDefiningOp<OpT>();
    if (!inner)
      return rewriter.notifyMatchFailure(op, "operand is not the same clamp");
    Value y = inner.getLhs(), other = inner.getRhs();
    if (!getSplatValue(other))
      std::swap(y, other);
    std::optional<double> d = getSplatValue(other);
    if (!d || *d != *d || y.getType() != op.getType())
      return rewriter.notifyMatchFailure(op, "inner clamp has no constant bound");
    bool keepsOuter = IsMax ? *c >= *d : *c <= *d;
    auto made = OpT::create(rewriter, fuse(op, inner), op.getType(), y, keepsOuter ? limit : other);
    rewriter.replaceOp(op, made.getResult());
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Select and constants
//===----------------------------------------------------------------------===//

struct SelectConstant : OpRewritePattern<SelectOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SelectOp op, PatternRewriter &rewriter) const override {
    Value kept;
    if (std::optional<double> cond = getSplatValue(op.getCond()))
      kept = *cond != 0 ? op.getX() : op.getY();
    else if (op.getX() == op.getY())
      kept = op.getX();
    if (!kept)
      return rewriter.notifyMatchFailure(op, "condition is not constant");
    rewriter.replaceOp(op, matchType(rewriter, op.getLoc(), kept, op.getType()));
    return success();
  }
};

/// (x op c) op d -> x op (c op d) for add and mul, when the new constant is no
/// larger than the larger of both.
template <typename OpT> struct MergeConstants : OpRewritePattern<OpT> {
  using OpRewritePattern<OpT>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpT op, PatternRewriter &rewriter) const override {
    Value inner = op.getLhs(), d = op.getRhs();
    if (!isConstant(d))
      std::swap(inner, d);
    auto innerOp = inner.getDefiningOp<OpT>();
    if (!isConstant(d) || isConstant(inner) || !innerOp || !innerOp->hasOneUse())
      return rewriter.notifyMatchFailure(op, "no chain with a constant");
    Value x = innerOp.getLhs(), c = innerOp.getRhs();
    if (!isConstant(c))
      std::swap(x, c);
    if (!isConstant(c) || isConstant(x))
      return rewriter.notifyMatchFailure(op, "inner op has no constant");
    auto dims = broadcastDims({c.getType(), d.getType()});
    auto whole = broadcastDims({x.getType(), op.getType()});
    if (!dims || !whole || *whole != getDims(op.getType()))
      return rewriter.notifyMatchFailure(op, "sizes do not fit");
    RankedTensorType type = getTensorType(*dims, tensorOf(c).getElementType());
    if (type.getNumElements() > std::max(tensorOf(c).getNumElements(), tensorOf(d).getNumElements()))
      return rewriter.notifyMatchFailure(op, "the constant would grow");
    auto all = broadcastDims({x.getType(), type});
    if (!all || *all != getDims(op.getType()))
      return rewriter.notifyMatchFailure(op, "the result would shrink");
    Location loc = fuse(op, innerOp);
    Value merged = foldNow(rewriter, OpT::create(rewriter, loc, type, c, d), kMergeLimit);
    if (!merged)
      return rewriter.notifyMatchFailure(op, "constants cannot be combined");
    rewriter.replaceOpWithNewOp<OpT>(op, op.getType(), x, merged)->setLoc(loc);
    return success();
  }
};

/// x - c -> x + -c for floats, so that constants meet: exact.
struct SubToAdd : OpRewritePattern<SubOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SubOp op, PatternRewriter &rewriter) const override {
    if (!isConstant(op.getRhs()) || isConstant(op.getLhs()) || !isFloatTensor(op.getRhs()))
      return rewriter.notifyMatchFailure(op, "right operand is not a constant of floats");
    Value negated = foldNow(
        rewriter, NegOp::create(rewriter, op.getRhs().getLoc(), op.getRhs().getType(), op.getRhs()), kMergeLimit);
    if (!negated)
      return rewriter.notifyMatchFailure(op, "constant cannot be negated");
    rewriter.replaceOpWithNewOp<AddOp>(op, op.getType(), op.getLhs(), negated);
    return success();
  }
};

/// An elementwise op does its operands' broadcasts by itself, as long as the
/// other operands give the result its sizes.
struct AbsorbBroadcast : OpInterfaceRewritePattern<ScalarBodyInterface> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;
  LogicalResult matchAndRewrite(ScalarBodyInterface iface, PatternRewriter &rewriter) const override {
    Operation *op = iface;
    for (OpOperand &use : op->getOpOperands()) {
      auto broadcast = use.get().getDefiningOp<BroadcastOp>();
      if (!broadcast)
        continue;
      SmallVector<Type> types(op->getOperandTypes());
      types[use.getOperandNumber()] = broadcast.getX().getType();
      auto dims = broadcastDims(types);
      if (!dims || *dims != getDims(op->getResult(0).getType()))
        continue;
      rewriter.modifyOpInPlace(op, [&] {
        use.set(broadcast.getX());
        op->setLoc(fuse(op, broadcast));
      });
      return success();
    }
    return rewriter.notifyMatchFailure(op, "no broadcast the other operands repeat");
  }
};

} // namespace

void populateMathPatterns(RewritePatternSet &patterns) {
  MLIRContext *context = patterns.getContext();
  patterns.add<DropNeutral<MulOp>>(context, 1.0, true);
  patterns.add<DropNeutral<AddOp>>(context, 0.0, true);
  patterns.add<DropNeutral<SubOp>>(context, 0.0, false);
  patterns.add<DropNeutral<DivOp>>(context, 1.0, false);
  patterns.add<DivToMul, SimplifyPow, DoubleInverse<NegOp>, DoubleInverse<NotOp>, AbsOfSign, AbsorbNeg<AddOp, SubOp>,
               AbsorbNeg<SubOp, AddOp>, MergeCasts, SimplifyClamp<MaxOp, true>, SimplifyClamp<MinOp, false>,
               SelectConstant, MergeConstants<AddOp>, MergeConstants<MulOp>, SubToAdd, AbsorbBroadcast>(context);
}

} // namespace smelt
