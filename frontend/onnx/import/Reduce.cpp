//===- Reduce.cpp - Reductions, softmax, running sums -----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every Reduce* is sum, product, maximum or minimum between two elementwise
// functions. Axes are an attribute in old opsets and an input in new ones; both
// are taken wherever they stand. Test: test/frontend/import/reduce*.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Importer.h"

using namespace mlir;

namespace smelt::onnx {

/// The reduced axes, rising; all of them when none are given (none at all with
/// noop_with_empty_axes).
static FailureOr<SmallVector<int64_t>> reducedAxes(NodeImport &n) {
  SmallVector<int64_t> given, axes;
  int64_t rank = n.rank(n.in(0));
  if (n.hasIn(1)) {
    auto chosen = n.axes(n.in(1), rank, NodeImport::AxisOrder::Rising, "axes");
    if (failed(chosen))
      return failure();
    given = *chosen;
  } else {
    given = n.ints("axes");
  }
  if (given.empty() && !n.i("noop_with_empty_axes", 0))
    return llvm::to_vector(llvm::seq<int64_t>(0, rank));
  for (int64_t axis : given) {
    auto at = n.axis(axis, rank);
    if (failed(at))
      return failure();
    if (!llvm::is_contained(axes, *at))
      axes.push_back(*at);
  }
  llvm::sort(axes);
  return axes;
}

enum class Reduction { Sum, Mean, Prod, Max, Min, L1, L2, LogSum, LogSumExp, SumSquare };

template <Reduction kind> static LogicalResult reduceOp(NodeImport &n) {
  Value x = n.in(0);
  if (!n.elem(x).isIntOrFloat())
    return n.unsupported("reduction of strings");
  auto axes = reducedAxes(n);
  if (failed(axes))
    return failure();
  bool keep = n.i("keepdims", 1);
  Type type = n.elem(x);
  auto unary = [&]<typename OpTy>(OpTy *, Value v) { return n.elementwise<OpTy>({v}); };
  auto abs = [&](Value v) { return unary((AbsOp *)nullptr, v); };
  auto sum = [&](Value v) { return n.reduce(ReduceKind::sum, v, *axes, keep); };

  Value result;
  if constexpr (kind == Reduction::Sum) {
    result = sum(x);
  } else if constexpr (kind == Reduction::Prod) {
    result = n.reduce(ReduceKind::prod, x, *axes, keep);
  } else if constexpr (kind == Reduction::Max || kind == Reduction::Min) {
    result = n.reduce(kind == Reduction::Max ? ReduceKind::max : ReduceKind::min, x, *axes, keep);
  } else if constexpr (kind == Reduction::Mean) {
    AffineExpr count = n.num(1);
    for (int64_t axis : *axes)
      count = count * n.dims(x)[axis];
    result = n.div(sum(x), n.exprScalar(type, count));
  } else if constexpr (kind == Reduction::L1) {
    result = sum(abs(x));
  } else if constexpr (kind == Reduction::L2) {
    // The root of integers is taken in f32, as ONNX's function body does.
    Value squares = sum(n.mul(x, x));
    Value wide = isa<FloatType>(type) ? squares : n.cast(squares, n.b.getF32Type());
    result = n.cast(unary((SqrtOp *)nullptr, wide), type);
  } else if constexpr (kind == Reduction::LogSum) {
    Value wide = isa<FloatType>(type) ? sum(x) : n.cast(sum(x), n.b.getF32Type());
    result = n.cast(unary((LogOp *)nullptr, wide), type);
  } else if constexpr (kind == Reduction::SumSquare) {
    result = sum(n.mul(x, x));
  } else {
    // log(sum(e^(x - m))) + m with m the largest, or 0 where that is infinite.
    Type work = isa<FloatType>(type) ? type : Type(n.b.getF32Type());
    Value wide = n.cast(x, work);
    Value largest = n.reduce(ReduceKind::max, wide, *axes, true);
    Value infinite = n.elementwise<IsInfOp>({largest}, n.b.getI1Type(), n.b.getBoolAttr(true), n.b.getBoolAttr(true));
    Value shift = n.select(infinite, n.scalar(work, 0), largest);
    if (axes->empty())
      shift = n.scalar(work, 0);
    Value total = n.reduce(ReduceKind::sum, unary((ExpOp *)nullptr, n.sub(wide, shift)), *axes, true);
    result = n.add(unary((LogOp *)nullptr, total), shift);
    if (!keep)
      result = n.squeeze(result, *axes);
    result = n.cast(result, type);
  }
  return n.set(0, result);
}

template <bool largest> static LogicalResult argReduce(NodeImport &n) {
  Value x = n.in(0);
  auto axis = n.axis(n.i("axis", 0), n.rank(x));
  if (failed(axis))
    return failure();
  SmallVector<AffineExpr> dims = n.dims(x), kept = dims;
  dims[*axis] = n.num(1);
  kept.erase(kept.begin() + *axis);
  Value result = ArgReduceOp::create(n.b, n.loc, getTensorType(kept, n.b.getI64Type()), x, *axis, largest,
                                     bool(n.i("select_last_index", 0)));
  return n.set(0, n.i("keepdims", 1) ? n.reshape(result, dims) : result);
}

//===----------------------------------------------------------------------===//
// Softmax and its kin
//===----------------------------------------------------------------------===//

/// Before opset 13 the input is seen as a matrix: all dims from `axis` (1) on
/// are one. Since then it is one axis, the last one.
static FailureOr<SmallVector<int64_t>> softmaxAxes(NodeImport &n) {
  int64_t rank = n.rank(n.in(0));
  bool coerced = n.opset() < 13;
  int64_t given = n.i("axis", coerced ? 1 : -1);
  if (coerced && given == rank)
    return SmallVector<int64_t>(); // rows of one element
  auto axis = n.axis(given, rank);
  if (failed(axis))
    return failure();
  if (!coerced)
    return SmallVector<int64_t>{*axis};
  return llvm::to_vector(llvm::seq<int64_t>(*axis, rank));
}

template <bool log> static LogicalResult softmax(NodeImport &n) {
  if (!isa<FloatType>(n.elem(n.in(0))))
    return n.error("input must be of a float type", "onnx.dtype-mismatch");
  auto axes = softmaxAxes(n);
  if (failed(axes))
    return failure();
  return n.set(0, n.softmax(n.in(0), *axes, log));
}

/// 1 at the first largest element, else 0.
static LogicalResult hardmax(NodeImport &n) {
  Value x = n.in(0);
  auto axes = softmaxAxes(n);
  if (failed(axes))
    return failure();
  SmallVector<AffineExpr> dims = n.dims(x), work = dims;
  int64_t axis = axes->empty() ? n.rank(x) : axes->front();
  if (axes->size() != 1) { // several dims as one
    AffineExpr row = n.num(1);
    for (int64_t i : *axes)
      row = row * dims[i];
    work.truncate(axis);
    work.push_back(row);
  }
  Value flat = n.reshape(x, work);
  SmallVector<AffineExpr> kept = work, line(work.size(), n.num(1)), one = work;
  kept.erase(kept.begin() + axis);
  line[axis] = work[axis];
  one[axis] = n.num(1);
  Type i64 = n.b.getI64Type();
  Value best = ArgReduceOp::create(n.b, n.loc, getTensorType(kept, i64), flat, axis, true, false);
  Value hit = n.cmp(CmpKind::eq, n.reshape(best, one), n.iota(i64, line, axis));
  return n.set(0, n.reshape(n.cast(hit, n.elem(x)), dims));
}

template <bool product> static LogicalResult cumulate(NodeImport &n) {
  Value x = n.in(0);
  auto axis = n.oneAxis(n.in(1), n.rank(x), "axis");
  if (failed(axis))
    return failure();
  return n.set(0, CumSumOp::create(n.b, n.loc, n.type(x), x, *axis, bool(n.i("exclusive", 0)), bool(n.i("reverse", 0)), product));
}

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

ArrayRef<OpRow> reduceOps() {
  static constexpr OpRow rows[] = {
      {"", "ReduceSum", 1, 1, 2, reduceOp<Reduction::Sum>},
      {"", "ReduceMean", 1, 1, 2, reduceOp<Reduction::Mean>},
      {"", "ReduceProd", 1, 1, 2, reduceOp<Reduction::Prod>},
      {"", "ReduceMax", 1, 1, 2, reduceOp<Reduction::Max>},
      {"", "ReduceMin", 1, 1, 2, reduceOp<Reduction::Min>},
      {"", "ReduceL1", 1, 1, 2, reduceOp<Reduction::L1>},
      {"", "ReduceL2", 1, 1, 2, reduceOp<Reduction::L2>},
      {"", "ReduceLogSum", 1, 1, 2, reduceOp<Reduction::LogSum>},
      {"", "ReduceLogSumExp", 1, 1, 2, reduceOp<Reduction::LogSumExp>},
      {"", "ReduceSumSquare", 1, 1, 2, reduceOp<Reduction::SumSquare>},
      {"", "ArgMax", 1, 1, 1, argReduce<true>},
      {"", "ArgMin", 1, 1, 1, argReduce<false>},
      {"", "Softmax", 1, 1, 1, softmax<false>},
      {"", "LogSoftmax", 1, 1, 1, softmax<true>},
      {"", "Hardmax", 1, 1, 1, hardmax},
      {"", "CumSum", 11, 2, 2, cumulate<false>},
      {"", "CumProd", 26, 2, 2, cumulate<true>},
  };
  return rows;
}

} // namespace smelt::onnx
