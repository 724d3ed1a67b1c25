//===- ElementCompute.cpp - Elements of contractions, windows, resampling ---===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pull form of the ops that have families of their own: loops around one
// element (or lanes of it). It is what runs when such an op sits in the middle
// of another kernel and what every family falls back to; explain says so.
//
//===----------------------------------------------------------------------===//
#include "codegen/common/Emitter.h"

using namespace mlir;
using namespace smelt;
using namespace smelt::codegen;

static RankedTensorType tensorType(Value v) { return cast<RankedTensorType>(v.getType()); }
static Type lanesType(Type element, unsigned lanes) {
  return lanes == 1 ? element : Type(VectorType::get({int64_t(lanes)}, element));
}

Value Emitter::reduceElement(ReduceOp op, ArrayRef<Value> index, unsigned lanes, int64_t laneDim) {
  int64_t rank = tensorType(op.getX()).getRank();
  SmallVector<Value> at(rank), extents = sizes(op.getX());
  SmallVector<int64_t> kept;
  for (int64_t i = 0; i < rank; ++i)
    if (!llvm::is_contained(op.getAxes(), i))
      kept.push_back(i);
  for (auto [i, dim] : llvm::enumerate(kept))
    at[dim] = index[i];
  int64_t dim = lanes > 1 ? kept[laneDim] : -1;
  Type elementType = tensorType(op.getResult()).getElementType();
  Type type = lanesType(carriedType(elementType), lanes);
  bool isUns = isUnsigned(elementType);
  // Each level has a sum of its own: a million addends in one f32 lose digits
  // that a thousand sums of a thousand keep.
  std::function<Value(size_t)> nest = [&](size_t k) -> Value {
    if (k == op.getAxes().size())
      return element(op.getX(), at, lanes, dim);
    int64_t axis = op.getAxes()[k];
    Value identity = reduceIdentity(op.getKind(), type, isUns);
    return forLoop(num(0), extents[axis], num(1), identity, [&](Value iv, ValueRange carried) -> SmallVector<Value> {
      at[axis] = iv;
      return {combine(op.getKind(), carried[0], nest(k + 1), isUns)};
    })[0];
  };
  return nest(0);
}

Value Emitter::argReduceElement(ArgReduceOp op, ArrayRef<Value> index) {
  int64_t axis = op.getAxis();
  SmallVector<Value> at(index.begin(), index.end());
  at.insert(at.begin() + axis, num(0));
  Type elementType = tensorType(op.getX()).getElementType();
  Value first = element(op.getX(), at);
  Value extent = expr(getDim(op.getX().getType(), axis));
  bool isUns = isUnsigned(elementType) || elementType.isInteger(1);
  SmallVector<Value> best = forLoop(num(1), extent, num(1), {first, num(0)}, [&](Value iv, ValueRange carried) -> SmallVector<Value> {
    at[axis] = iv;
    Value x = element(op.getX(), at), better;
    if (isa<FloatType>(x.getType())) {
      auto p = op.getLargest() ? (op.getLastIndex() ? arith::CmpFPredicate::OGE : arith::CmpFPredicate::OGT)
                               : (op.getLastIndex() ? arith::CmpFPredicate::OLE : arith::CmpFPredicate::OLT);
      better = arith::CmpFOp::create(b, loc, p, x, carried[0]);
    } else {
      using P = arith::CmpIPredicate;
      P p = op.getLargest() ? (op.getLastIndex() ? (isUns ? P::uge : P::sge) : (isUns ? P::ugt : P::sgt))
                            : (op.getLastIndex() ? (isUns ? P::ule : P::sle) : (isUns ? P::ult : P::slt));
      better = cmp(p, x, carried[0]);
    }
    return {select(better, x, carried[0]), select(better, iv, carried[1])};
  });
  Type type = carriedType(tensorType(op.getResult()).getElementType());
  return type.getIntOrFloatBitWidth() < 64 ? Value(arith::TruncIOp::create(b, loc, type, best[1])) : best[1];
}

/// A carried value in the accumulator's type.
static Value widen(Emitter &e, Value v, Type from, Type accumulator) {
  Type source = getElementTypeOrSelf(v.getType());
  if (source == accumulator)
    return v;
  Type type = isa<VectorType>(v.getType()) ? Type(cast<VectorType>(v.getType()).clone(accumulator)) : accumulator;
  if (isa<FloatType>(accumulator))
    return isa<FloatType>(source) ? Value(arith::ExtFOp::create(e.b, e.loc, type, v))
           : isUnsigned(from)     ? Value(arith::UIToFPOp::create(e.b, e.loc, type, v))
                                  : Value(arith::SIToFPOp::create(e.b, e.loc, type, v));
  return isUnsigned(from) ? Value(arith::ExtUIOp::create(e.b, e.loc, type, v))
                          : Value(arith::ExtSIOp::create(e.b, e.loc, type, v));
}

static Value multiplyAdd(Emitter &e, Value x, Value y, Value acc) {
  if (isa<FloatType>(getElementTypeOrSelf(acc.getType()))) {
    if (isa<VectorType>(acc.getType()))
      return vector::FMAOp::create(e.b, e.loc, x, y, acc);
    return math::FmaOp::create(e.b, e.loc, x, y, acc);
  }
  return arith::AddIOp::create(e.b, e.loc, arith::MulIOp::create(e.b, e.loc, x, y), acc);
}

Value Emitter::matmulElement(MatMulOp op, ArrayRef<Value> index, unsigned lanes, int64_t laneDim) {
  RankedTensorType lhs = tensorType(op.getLhs()), rhs = tensorType(op.getRhs());
  int64_t rank = index.size();
  Value m = index[rank - 2], n = index[rank - 1];
  auto batchIndex = [&](Value operand) {
    SmallVector<Value> at;
    int64_t r = tensorType(operand).getRank();
    for (int64_t i = 0; i < r - 2; ++i) {
      int64_t j = rank - r + i;
      if (tensorType(operand).getDimSize(i) == 1)
        at.push_back(num(0));
      else if (getDim(operand.getType(), i) == getDim(op.getType(), j))
        at.push_back(index[j]);
      else
        at.push_back(select(cmp(arith::CmpIPredicate::eq, expr(getDim(operand.getType(), i)), num(1)), num(0), index[j]));
    }
    return at;
  };
  SmallVector<Value> a = batchIndex(op.getLhs()), c = batchIndex(op.getRhs());
  Type accumulator = carriedType(tensorType(op.getResult()).getElementType());
  Value extent = expr(getDim(op.getLhs().getType(), lhs.getRank() - (op.getTransposeLhs() ? 2 : 1)));
  Value zero = constantLike(lanesType(accumulator, lanes), 0);
  return forLoop(num(0), extent, num(1), zero, [&](Value k, ValueRange carried) -> SmallVector<Value> {
    SmallVector<Value> ai(a), bi(c);
    ai.append(op.getTransposeLhs() ? SmallVector<Value>{k, m} : SmallVector<Value>{m, k});
    bi.append(op.getTransposeRhs() ? SmallVector<Value>{n, k} : SmallVector<Value>{k, n});
    Value x = widen(*this, element(op.getLhs(), ai), lhs.getElementType(), accumulator);
    Value y = lanes == 1 ? element(op.getRhs(), bi) : element(op.getRhs(), bi, lanes, rhs.getRank() - 1);
    y = widen(*this, y, rhs.getElementType(), accumulator);
    return {multiplyAdd(*this, splat(x, lanes), y, carried[0])};
  })[0];
}

/// Loops over a window's taps; `at` gets the spatial position and whether it
/// lies inside.
static SmallVector<Value> overWindow(Emitter &e, ArrayRef<Value> kernel, ArrayRef<Value> inits,
                                     llvm::function_ref<SmallVector<Value>(ArrayRef<Value> tap, ValueRange acc)> body) {
  SmallVector<Value> tap(kernel.size());
  std::function<SmallVector<Value>(size_t, ValueRange)> nest = [&](size_t d, ValueRange acc) -> SmallVector<Value> {
    if (d == kernel.size())
      return body(tap, acc);
    return e.forLoop(e.num(0), kernel[d], e.num(1), acc, [&](Value iv, ValueRange carried) {
      tap[d] = iv;
      return nest(d + 1, carried);
    });
  };
  return nest(0, inits);
}

static Value andAll(Emitter &e, ArrayRef<Value> conditions) {
  Value all = arith::ConstantOp::create(e.b, e.loc, e.b.getBoolAttr(true));
  for (Value c : conditions)
    all = e.b.createOrFold<arith::AndIOp>(e.loc, all, c);
  return all;
}

Value Emitter::convElement(ConvOp op, ArrayRef<Value> index, unsigned lanes, int64_t laneDim) {
  int64_t rank = index.size(), spatial = rank - 2;
  bool last = op.getChannelsLast();
  auto spatialDim = [&](int64_t d) { return last ? 1 + d : 2 + d; };
  int64_t channelDim = last ? rank - 1 : 1;
  SmallVector<Value> xSizes = sizes(op.getX()), wSizes = sizes(op.getW());
  Value o = index[channelDim];
  Value outPerGroup = divU(wSizes[0], num(op.getGroups()));
  Value channelBase = mul(divU(o, outPerGroup), wSizes[1]);
  Type accumulator = carriedType(tensorType(op.getResult()).getElementType());
  SmallVector<Value> taps(wSizes.begin() + 2, wSizes.end());
  return overWindow(*this, taps, constantLike(accumulator, 0), [&](ArrayRef<Value> tap, ValueRange acc) -> SmallVector<Value> {
    SmallVector<Value> at(rank), wAt = {o, num(0)}, ok;
    at[0] = index[0];
    for (int64_t d = 0; d < spatial; ++d) {
      Value p = sub(add(mul(index[spatialDim(d)], num(op.getStrides()[d])), mul(tap[d], num(op.getDilations()[d]))),
                    expr(op.getPads().getExprs()[d]));
      at[spatialDim(d)] = p;
      ok.push_back(inside(p, xSizes[spatialDim(d)]));
      wAt.push_back(tap[d]);
    }
    Value in = acc[0];
    return {ifElse(andAll(*this, ok), in.getType(), [&] {
      return forLoop(num(0), wSizes[1], num(1), in, [&](Value c, ValueRange carried) -> SmallVector<Value> {
        at[channelDim] = add(channelBase, c);
        wAt[1] = c;
        Value x = widen(*this, element(op.getX(), at), tensorType(op.getX()).getElementType(), accumulator);
        Value w = widen(*this, element(op.getW(), wAt), tensorType(op.getW()).getElementType(), accumulator);
        return {multiplyAdd(*this, x, w, carried[0])};
      })[0];
    }, [&] { return in; })};
  })[0];
}

Value Emitter::convTransposeElement(ConvTransposeOp op, ArrayRef<Value> index, unsigned lanes, int64_t laneDim) {
  // out[p] += x[q] w[t] where q * stride + t * dilation - pad == p.
  int64_t rank = index.size(), spatial = rank - 2;
  bool last = op.getChannelsLast();
  auto spatialDim = [&](int64_t d) { return last ? 1 + d : 2 + d; };
  int64_t channelDim = last ? rank - 1 : 1;
  SmallVector<Value> xSizes = sizes(op.getX()), wSizes = sizes(op.getW());
  Value o = index[channelDim];
  Value inPerGroup = divU(wSizes[0], num(op.getGroups()));
  Value group = divU(o, wSizes[1]), oInGroup = remU(o, wSizes[1]);
  Type accumulator = carriedType(tensorType(op.getResult()).getElementType());
  SmallVector<Value> taps(wSizes.begin() + 2, wSizes.end());
  return overWindow(*this, taps, constantLike(accumulator, 0), [&](ArrayRef<Value> tap, ValueRange acc) -> SmallVector<Value> {
    SmallVector<Value> at(rank), wAt = {num(0), oInGroup}, ok;
    at[0] = index[0];
    for (int64_t d = 0; d < spatial; ++d) {
      Value shifted = sub(add(index[spatialDim(d)], expr(op.getPads().getExprs()[d])),
                          mul(tap[d], num(op.getDilations()[d])));
      Value stride = num(op.getStrides()[d]);
      ok.push_back(cmp(arith::CmpIPredicate::sge, shifted, num(0)));
      Value positive = max(shifted, num(0)); // so that unsigned division is right
      ok.push_back(cmp(arith::CmpIPredicate::eq, remU(positive, stride), num(0)));
      at[spatialDim(d)] = divU(positive, stride);
      ok.push_back(inside(at[spatialDim(d)], xSizes[spatialDim(d)]));
      wAt.push_back(tap[d]);
    }
    Value in = acc[0];
    return {ifElse(andAll(*this, ok), in.getType(), [&] {
      return forLoop(num(0), inPerGroup, num(1), in, [&](Value c, ValueRange carried) -> SmallVector<Value> {
        at[channelDim] = wAt[0] = add(mul(group, inPerGroup), c);
        Value x = widen(*this, element(op.getX(), at), tensorType(op.getX()).getElementType(), accumulator);
        Value w = widen(*this, element(op.getW(), wAt), tensorType(op.getW()).getElementType(), accumulator);
        return {multiplyAdd(*this, x, w, carried[0])};
      })[0];
    }, [&] { return in; })};
  })[0];
}

Value Emitter::poolElement(PoolOp op, ArrayRef<Value> index, unsigned lanes, int64_t laneDim) {
  int64_t rank = index.size(), spatial = rank - 2;
  auto spatialDim = [&](int64_t d) { return op.getChannelsLast() ? 1 + d : 2 + d; };
  SmallVector<Value> xSizes = sizes(op.getX()), taps;
  for (int64_t k : op.getKernel())
    taps.push_back(num(k));
  Type elementType = tensorType(op.getResult()).getElementType();
  Type type = lanesType(carriedType(elementType), lanes);
  bool isMax = op.getKind() == PoolKind::max;
  ReduceKind kind = isMax ? ReduceKind::max : ReduceKind::sum;
  SmallVector<Value> inits = {reduceIdentity(kind, type, isUnsigned(elementType)), num(0)};
  SmallVector<Value> totals = overWindow(*this, taps, inits, [&](ArrayRef<Value> tap, ValueRange acc) -> SmallVector<Value> {
    SmallVector<Value> at(index.begin(), index.end()), ok, padded;
    for (int64_t d = 0; d < spatial; ++d) {
      Value p = sub(add(mul(index[spatialDim(d)], num(op.getStrides()[d])), mul(tap[d], num(op.getDilations()[d]))),
                    expr(op.getPads().getExprs()[d]));
      at[spatialDim(d)] = p;
      Value size = xSizes[spatialDim(d)];
      ok.push_back(inside(p, size));
      // Before the low pad nothing lies; the high pad may be exceeded by ceil mode.
      padded.push_back(cmp(arith::CmpIPredicate::slt, p, add(size, expr(op.getPads().getExprs()[spatial + d]))));
    }
    Value isInside = andAll(*this, ok);
    Value sum = ifElse(isInside, type, [&] {
      return combine(kind, acc[0], element(op.getX(), at, lanes, laneDim), isUnsigned(elementType));
    }, [&] { return acc[0]; });
    Value counts = op.getKind() == PoolKind::avg_include_pad ? andAll(*this, padded) : isInside;
    return {sum, add(acc[1], select(counts, num(1), num(0)))};
  });
  if (isMax || op.getKind() == PoolKind::sum)
    return totals[0];
  Type scalar = carriedType(elementType);
  Value count = arith::SIToFPOp::create(b, loc, scalar, max(totals[1], num(1)));
  return arith::DivFOp::create(b, loc, totals[0], splat(count, lanes));
}

Value Emitter::argPoolElement(ArgPoolOp op, ArrayRef<Value> index) {
  int64_t rank = index.size(), spatial = rank - 2;
  SmallVector<Value> xSizes = sizes(op.getX()), taps;
  for (int64_t k : op.getKernel())
    taps.push_back(num(k));
  Type elementType = tensorType(op.getX()).getElementType();
  bool isUns = isUnsigned(elementType);
  SmallVector<Value> inits = {reduceIdentity(ReduceKind::max, carriedType(elementType), isUns), num(-1)};
  Value best = overWindow(*this, taps, inits, [&](ArrayRef<Value> tap, ValueRange acc) -> SmallVector<Value> {
    SmallVector<Value> at(index.begin(), index.end()), ok;
    for (int64_t d = 0; d < spatial; ++d) {
      Value p = sub(add(mul(index[2 + d], num(op.getStrides()[d])), mul(tap[d], num(op.getDilations()[d]))),
                    expr(op.getPads().getExprs()[d]));
      at[2 + d] = p;
      ok.push_back(inside(p, xSizes[2 + d]));
    }
    auto found = scf::IfOp::create(b, loc, TypeRange{acc[0].getType(), acc[1].getType()}, andAll(*this, ok), true);
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(found.thenBlock());
      pushScope();
      Value x = element(op.getX(), at);
      Value flat = num(0);
      for (int64_t k = 0; k < rank; ++k) {
        int64_t i = op.getColumnMajor() && k >= 2 ? rank - 1 - (k - 2) : k;
        flat = add(mul(flat, xSizes[i]), at[i]);
      }
      Value better = isa<FloatType>(x.getType())
                         ? Value(arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, acc[0]))
                         : cmp(isUns ? arith::CmpIPredicate::ugt : arith::CmpIPredicate::sgt, x, acc[0]);
      better = arith::OrIOp::create(b, loc, better, cmp(arith::CmpIPredicate::slt, acc[1], num(0)));
      scf::YieldOp::create(b, loc, ValueRange{select(better, x, acc[0]), select(better, flat, acc[1])});
      popScope();
      b.setInsertionPointToStart(found.elseBlock());
      scf::YieldOp::create(b, loc, acc);
    }
    return SmallVector<Value>(found.getResults());
  })[1];
  return best;
}

/// Keys' cubic convolution kernel: |s| <= 1.
Value Emitter::cubicNear(Value s, double a) { // (a+2)s^3 - (a+3)s^2 + 1
  auto flt = [&](double v) { return constantLike(b.getF32Type(), v); };
  Value s2 = arith::MulFOp::create(b, loc, s, s), s3 = arith::MulFOp::create(b, loc, s2, s);
  Value high = arith::MulFOp::create(b, loc, flt(a + 2), s3), low = arith::MulFOp::create(b, loc, flt(a + 3), s2);
  return arith::AddFOp::create(b, loc, arith::SubFOp::create(b, loc, high, low), flt(1));
}

/// 1 < |s| < 2.
Value Emitter::cubicFar(Value s, double a) { // a (s^3 - 5s^2 + 8s - 4)
  auto flt = [&](double v) { return constantLike(b.getF32Type(), v); };
  Value sum = arith::SubFOp::create(b, loc, s, flt(5));
  for (double term : {8.0, -4.0})
    sum = arith::AddFOp::create(b, loc, arith::MulFOp::create(b, loc, sum, s), flt(term));
  return arith::MulFOp::create(b, loc, flt(a), sum);
}

Value Emitter::resizeElement(ResizeOp op, ArrayRef<Value> index, unsigned lanes, int64_t laneDim) {
  int64_t rank = index.size();
  SmallVector<Value> in = sizes(op.getX()), out = sizes(op.getResult());
  Type f32 = b.getF32Type(), i64 = b.getI64Type();
  Type elementType = tensorType(op.getX()).getElementType();
  // Coordinates in f32, as the reference implementations compute them.
  auto toFloat = [&](Value v) -> Value { return arith::SIToFPOp::create(b, loc, f32, v); };
  auto flt = [&](double v) { return constantLike(f32, v); };
  auto fadd = [&](Value x, Value y) -> Value { return arith::AddFOp::create(b, loc, x, y); };
  auto fsub = [&](Value x, Value y) -> Value { return arith::SubFOp::create(b, loc, x, y); };
  auto fmul = [&](Value x, Value y) -> Value { return arith::MulFOp::create(b, loc, x, y); };
  auto fdiv = [&](Value x, Value y) -> Value { return arith::DivFOp::create(b, loc, x, y); };
  auto toInt = [&](Value x) -> Value { return arith::FPToSIOp::create(b, loc, i64, x); };
  auto floor = [&](Value x) -> Value { return math::FloorOp::create(b, loc, x); };
  auto clamp = [&](Value i, Value size) { return max(num(0), min(i, sub(size, num(1)))); };

  struct Axis {
    int64_t dim;
    SmallVector<Value> positions, weights;
  };
  SmallVector<Axis> axes;
  SmallVector<Value> at(index.begin(), index.end());
  Value outsideCrop;
  for (int64_t d = 0; d < rank; ++d) {
    double scale = op.getScales()[d];
    bool same = getDim(op.getX().getType(), d) == getDim(op.getType(), d) && scale == 1.0 &&
                op.getCoord() != ResizeCoord::tf_crop_and_resize;
    if (same)
      continue;
    bool isGiven = scale != 0.0 || op.getFactors(); // and not the quotient of the sizes
    Value factor = scale != 0.0       ? flt(scale)
                   : op.getFactors() ? element(op.getFactors(), {num(d)})
                                     : fdiv(toFloat(out[d]), toFloat(in[d]));
    Value o = toFloat(index[d]), x;
    switch (op.getCoord()) {
    case ResizeCoord::half_pixel:
      x = fsub(fdiv(fadd(o, flt(0.5)), factor), flt(0.5));
      break;
    case ResizeCoord::half_pixel_symmetric: {
      // The output's size before rounding moves the centre.
      Value exact = fmul(factor, toFloat(in[d]));
      Value adjustment = fdiv(toFloat(out[d]), exact);
      Value center = fdiv(toFloat(in[d]), flt(2));
      Value shift = fmul(center, fsub(flt(1), adjustment));
      x = fsub(fadd(shift, fdiv(fadd(o, flt(0.5)), factor)), flt(0.5));
      break;
    }
    case ResizeCoord::pytorch_half_pixel:
      x = select(cmp(arith::CmpIPredicate::sgt, out[d], num(1)),
                 fsub(fdiv(fadd(o, flt(0.5)), factor), flt(0.5)), flt(0));
      break;
    case ResizeCoord::align_corners:
    {
      // The last input lies at the last output as it was before its size was rounded.
      Value last = isGiven ? fsub(fmul(factor, toFloat(in[d])), flt(1)) : toFloat(max(num(1), sub(out[d], num(1))));
      x = select(cmp(arith::CmpIPredicate::sgt, out[d], num(1)), fdiv(fmul(o, toFloat(sub(in[d], num(1)))), last), flt(0));
      break;
    }
    case ResizeCoord::asymmetric:
      x = fdiv(o, factor);
      break;
    case ResizeCoord::tf_crop_and_resize: {
      Value start = op.getBox() ? element(op.getBox(), {num(d)}) : flt(op.getRoi()[d]);
      Value end = op.getBox() ? element(op.getBox(), {num(rank + d)}) : flt(op.getRoi()[rank + d]);
      Value last = toFloat(sub(in[d], num(1)));
      Value step = fdiv(fmul(fsub(end, start), last), toFloat(max(num(1), sub(out[d], num(1)))));
      Value many = fadd(fmul(start, last), fmul(o, step));
      Value one = fmul(fmul(flt(0.5), fadd(start, end)), last);
      x = select(cmp(arith::CmpIPredicate::sgt, out[d], num(1)), many, one);
      Value low = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, x, flt(0));
      Value high = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, last);
      Value bad = arith::OrIOp::create(b, loc, low, high);
      outsideCrop = outsideCrop ? Value(arith::OrIOp::create(b, loc, outsideCrop, bad)) : bad;
      break;
    }
    }
    Axis axis{d, {}, {}};
    if (op.getMode() == ResizeMode::nearest) {
      Value r;
      switch (op.getNearest()) {
      case NearestMode::floor: r = floor(x); break;
      case NearestMode::ceil: r = math::CeilOp::create(b, loc, x); break;
      case NearestMode::round_prefer_floor: r = math::CeilOp::create(b, loc, fsub(x, flt(0.5))); break;
      case NearestMode::round_prefer_ceil: r = floor(fadd(x, flt(0.5))); break;
      }
      at[d] = clamp(toInt(r), in[d]);
      continue;
    }
    if (op.getMode() == ResizeMode::linear) {
      // Taps outside repeat the border; with exclude_outside clamping x does.
      Value limited = arith::MaximumFOp::create(b, loc, flt(0), arith::MinimumFOp::create(b, loc, x, toFloat(sub(in[d], num(1)))));
      Value base = floor(limited), fraction = fsub(limited, base);
      Value i0 = clamp(toInt(base), in[d]);
      axis.positions = {i0, clamp(add(i0, num(1)), in[d])};
      axis.weights = {fsub(flt(1), fraction), fraction};
    } else {
      Value base = floor(x), t = fsub(x, base), i0 = toInt(base);
      double a = op.getCubicA().convertToDouble();
      SmallVector<Value> w = {cubicFar(fadd(t, flt(1)), a), cubicNear(t, a), cubicNear(fsub(flt(1), t), a), cubicFar(fsub(flt(2), t), a)};
      Value sum = flt(0);
      for (int64_t k = 0; k < 4; ++k) {
        Value p = add(i0, num(k - 1));
        if (op.getExcludeOutside()) {
          w[k] = select(inside(p, in[d]), w[k], flt(0));
          sum = fadd(sum, w[k]);
        }
        axis.positions.push_back(clamp(p, in[d]));
      }
      if (op.getExcludeOutside())
        for (Value &weight : w)
          weight = fdiv(weight, sum);
      axis.weights = w;
    }
    axes.push_back(axis);
  }
  Type type = carriedType(elementType);
  Type compute = isa<FloatType>(type) ? type : f32;
  std::function<Value(size_t)> sumAxes = [&](size_t k) -> Value {
    if (k == axes.size()) {
      Value x = element(op.getX(), at, lanes, laneDim);
      return isa<FloatType>(type) ? x : widen(*this, x, elementType, f32);
    }
    Value total;
    for (auto [p, w] : llvm::zip(axes[k].positions, axes[k].weights)) {
      at[axes[k].dim] = p;
      Value weight = compute == f32 ? w : Value(arith::ExtFOp::create(b, loc, compute, w));
      Value term = fmul(sumAxes(k + 1), splat(weight, lanes));
      total = total ? fadd(total, term) : term;
    }
    return total;
  };
  Value result;
  if (axes.empty())
    result = element(op.getX(), at, lanes, laneDim);
  else {
    result = sumAxes(0);
    if (!isa<FloatType>(type)) {
      Value rounded = math::RoundEvenOp::create(b, loc, result);
      Type target = lanesType(type, lanes);
      result = isUnsigned(elementType) ? Value(arith::FPToUIOp::create(b, loc, target, rounded))
                                       : Value(arith::FPToSIOp::create(b, loc, target, rounded));
    }
  }
  if (outsideCrop)
    result = select(outsideCrop, constantLike(result.getType(), op.getExtrapolation().convertToDouble()), result);
  return result;
}
