//===- ExpandMath.cpp - math ops as arithmetic ------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   %y = math.exp %x : vector<16xf32>   ->   range reduction, polynomial, scaling
//
// Range reductions and coefficients are the published ones of the Cephes
// library (single precision); erf's tail is our own fit of -log(erfc). Errors
// are measured by test/codegen/ulp against f64. What is not here (sin, pow, f64)
// is a call of libm, lane by lane.
//
//===----------------------------------------------------------------------===//
#include "codegen/common/ExpandMath.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

using namespace mlir;

namespace {

/// f32 arithmetic on scalars or vectors.
struct F {
  OpBuilder &b;
  Location loc;
  Type type; // f32 or vector of it
  Type intType() const {
    Type i32 = b.getI32Type();
    if (auto vector = dyn_cast<VectorType>(type))
      return vector.clone(i32);
    return i32;
  }
  Value c(double v) {
    TypedAttr attr = b.getF32FloatAttr(v);
    if (auto vector = dyn_cast<VectorType>(type))
      attr = DenseElementsAttr::get(vector, Attribute(attr));
    return arith::ConstantOp::create(b, loc, attr);
  }
  Value i(int32_t v) {
    TypedAttr attr = b.getI32IntegerAttr(v);
    if (auto vector = dyn_cast<VectorType>(type))
      attr = DenseElementsAttr::get(cast<VectorType>(intType()), Attribute(attr));
    return arith::ConstantOp::create(b, loc, attr);
  }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y); }
  Value fma(Value x, Value y, Value z) { return math::FmaOp::create(b, loc, x, y, z); }
  Value select(Value p, Value x, Value y) { return arith::SelectOp::create(b, loc, p, x, y); }
  Value cmp(arith::CmpFPredicate p, Value x, Value y) { return arith::CmpFOp::create(b, loc, p, x, y); }
  Value bits(Value x) { return arith::BitcastOp::create(b, loc, intType(), x); }
  Value fromBits(Value x) { return arith::BitcastOp::create(b, loc, type, x); }
  /// Horner with fused steps, highest coefficient first.
  Value poly(Value x, ArrayRef<double> coefficients) {
    Value p = c(coefficients[0]);
    for (double k : coefficients.drop_front())
      p = fma(p, x, c(k));
    return p;
  }
  /// 2^n for an integral n in [-126, 127].
  Value exp2i(Value n) {
    Value biased = arith::AddIOp::create(b, loc, n, i(127));
    return fromBits(arith::ShLIOp::create(b, loc, biased, i(23)));
  }
};

Value expandExp(F f, Value x) {
  // Beyond these the result is 0 or infinity; NaN passes through.
  x = arith::MinimumFOp::create(f.b, f.loc, arith::MaximumFOp::create(f.b, f.loc, x, f.c(-104.0)), f.c(89.0));
  Value n = math::RoundEvenOp::create(f.b, f.loc, f.mul(x, f.c(1.44269504088896341)));
  Value r = f.fma(n, f.c(-0.693359375), x);
  r = f.fma(n, f.c(2.12194440e-4), r);
  Value p = f.poly(r, {1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1,
                       5.0000001201e-1});
  p = f.add(f.fma(p, f.mul(r, r), r), f.c(1.0));
  // In two steps, so that subnormal results and the largest ones are right.
  Value whole = arith::FPToSIOp::create(f.b, f.loc, f.intType(),
                                        f.select(f.cmp(arith::CmpFPredicate::UNO, n, n), f.c(0), n));
  Value half = arith::ShRSIOp::create(f.b, f.loc, whole, f.i(1));
  Value rest = arith::SubIOp::create(f.b, f.loc, whole, half);
  return f.mul(f.mul(p, f.exp2i(half)), f.exp2i(rest));
}

Value expandLog(F f, Value x) {
  Value tiny = f.cmp(arith::CmpFPredicate::OLT, x, f.c(1.17549435e-38));
  Value scaled = f.select(tiny, f.mul(x, f.c(8388608.0)), x);
  Value bits = f.bits(scaled);
  Value exponent = arith::SubIOp::create(f.b, f.loc, arith::ShRUIOp::create(f.b, f.loc, bits, f.i(23)), f.i(126));
  Value mantissa = f.fromBits(arith::OrIOp::create(
      f.b, f.loc, arith::AndIOp::create(f.b, f.loc, bits, f.i(0x007fffff)), f.i(0x3f000000))); // [0.5, 1)
  Value e = arith::SIToFPOp::create(f.b, f.loc, f.type, exponent);
  e = f.select(tiny, f.sub(e, f.c(23.0)), e);
  Value low = f.cmp(arith::CmpFPredicate::OLT, mantissa, f.c(0.707106781186547524));
  Value m = f.sub(f.select(low, f.add(mantissa, mantissa), mantissa), f.c(1.0));
  e = f.select(low, f.sub(e, f.c(1.0)), e);
  Value z = f.mul(m, m);
  Value p = f.poly(m, {7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
                       -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1});
  Value y = f.mul(f.mul(p, m), z);
  y = f.fma(e, f.c(-2.12194440e-4), y);
  y = f.fma(z, f.c(-0.5), y);
  Value result = f.fma(e, f.c(0.693359375), f.add(m, y));
  double inf = std::numeric_limits<double>::infinity();
  result = f.select(f.cmp(arith::CmpFPredicate::OEQ, x, f.c(inf)), x, result);
  result = f.select(f.cmp(arith::CmpFPredicate::OEQ, x, f.c(0)), f.c(-inf), result);
  // Negative and NaN.
  return f.select(f.cmp(arith::CmpFPredicate::UGE, x, f.c(0)),
                  f.select(f.cmp(arith::CmpFPredicate::UNO, x, x), x, result),
                  f.c(std::numeric_limits<double>::quiet_NaN()));
}

Value expandTanh(F f, Value x) {
  Value a = math::AbsFOp::create(f.b, f.loc, x);
  Value z = f.mul(x, x);
  Value p = f.poly(z, {-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1});
  Value small = f.fma(f.mul(p, z), x, x);
  Value clamped = arith::MinimumFOp::create(f.b, f.loc, a, f.c(10.0));
  Value e = expandExp(f, f.add(clamped, clamped));
  Value large = f.sub(f.c(1.0), f.div(f.c(2.0), f.add(e, f.c(1.0))));
  large = math::CopySignOp::create(f.b, f.loc, large, x);
  return f.select(f.cmp(arith::CmpFPredicate::OLT, a, f.c(0.625)), small, large);
}

Value expandErf(F f, Value x) {
  Value a = math::AbsFOp::create(f.b, f.loc, x);
  Value z = f.mul(x, x);
  Value p = f.poly(z, {7.853861353153693e-5, -8.010193625184903e-4, 5.188327685732524e-3, -2.685381193529856e-2,
                       1.128358514861418e-1, -3.761262582423300e-1, 1.128379165726710e+0});
  Value small = f.mul(x, p);
  Value t = arith::MinimumFOp::create(f.b, f.loc, a, f.c(4.0)); // erf(4) rounds to 1
  Value g = f.poly(t, {4.897073620e-07, 1.464006532e-05, -3.979552648e-04, 4.055304474e-03, -2.489424742e-02, 1.080047774e-01, 6.335536192e-01, 1.129427739e+00, -1.588570281e-04});
  Value large = f.sub(f.c(1.0), expandExp(f, arith::NegFOp::create(f.b, f.loc, g)));
  large = math::CopySignOp::create(f.b, f.loc, large, x);
  return f.select(f.cmp(arith::CmpFPredicate::OLT, a, f.c(1.0)), small, large);
}

template <typename OpTy> struct Expand : OpRewritePattern<OpTy> {
  Value (*expand)(F, Value);
  Expand(MLIRContext *context, Value (*expand)(F, Value)) : OpRewritePattern<OpTy>(context), expand(expand) {}
  LogicalResult matchAndRewrite(OpTy op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF32())
      return rewriter.notifyMatchFailure(op, "not f32: left to libm");
    rewriter.replaceOp(op, expand(F{rewriter, op.getLoc(), op.getType()}, op.getOperand()));
    return success();
  }
};

struct ExpandMathPass : PassWrapper<ExpandMathPass, OperationPass<>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ExpandMathPass)
  StringRef getArgument() const override { return "smelt-expand-math"; }
  StringRef getDescription() const override { return "Expand f32 math ops to arithmetic"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, math::MathDialect>();
  }
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<Expand<math::ExpOp>>(&getContext(), expandExp);
    patterns.add<Expand<math::LogOp>>(&getContext(), expandLog);
    patterns.add<Expand<math::TanhOp>>(&getContext(), expandTanh);
    patterns.add<Expand<math::ErfOp>>(&getContext(), expandErf);
    walkAndApplyPatterns(getOperation(), std::move(patterns));
  }
};

} // namespace

std::unique_ptr<Pass> smelt::codegen::createExpandMathPass() { return std::make_unique<ExpandMathPass>(); }
