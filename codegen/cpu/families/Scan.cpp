//===- Scan.cpp - Running sums ----------------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   smelt.kernel { y = cumsum(f(x)) {axis}; yield h(y) }
//     -> for line (all other dims): sum = 0; for i along axis: sum += f(x)[i]
//
// Where the axis is not the last dim, a vector of neighbouring lines runs at
// once.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/families/Contraction.h"
#include "codegen/cpu/families/Loops.h"

using namespace mlir;

namespace smelt::codegen::cpu {

namespace {

RankedTensorType tensorType(Value v) { return cast<RankedTensorType>(v.getType()); }

CumSumOp getRoot(KernelOp kernel) {
  CumSumOp root;
  for (Operation &op : kernel.getBody().front())
    if (auto scan = dyn_cast<CumSumOp>(op)) {
      if (root)
        return {};
      root = scan;
    }
  return root;
}

std::optional<Plan> planScan(KernelOp kernel, const CpuTarget &target) {
  CumSumOp op = getRoot(kernel);
  if (!op || !isEpilogueOf(kernel, op) || !isComputableAround(kernel, op) || tensorType(op.getX()).getRank() < 1)
    return std::nullopt;
  SmallVector<AffineExpr> dims = getDims(op.getType());
  int64_t axis = op.getAxis(), last = int64_t(dims.size()) - 1;
  Builder b(kernel.getContext());
  AffineExpr lines = b.getAffineConstantExpr(1);
  for (auto [d, size] : llvm::enumerate(dims))
    if (int64_t(d) != axis && int64_t(d) != last)
      lines = lines * size;
  Plan plan;
  plan.grid = lines;
  return plan;
}

LogicalResult emitScan(KernelContext &ctx) {
  Emitter &e = ctx.e;
  CumSumOp op = getRoot(ctx.kernel);
  RankedTensorType type = tensorType(op.getResult());
  Type acc = carriedType(type.getElementType());
  int64_t axis = op.getAxis(), last = type.getRank() - 1;
  SmallVector<Value> sizes = e.sizes(op.getResult()), lineSizes;
  SmallVector<int64_t> lineDims;
  for (int64_t d = 0; d <= last; ++d)
    if (d != axis && d != last) {
      lineDims.push_back(d);
      lineSizes.push_back(sizes[d]);
    }
  Value result = op.getResult();
  auto yielded = ctx.kernel.getBody().front().getTerminator()->getOperands();
  unsigned lanes = 1;
  if (axis != last) {
    e.setSource(result, [](ArrayRef<Value>, unsigned, int64_t) { return Value(); });
    if (e.vectorizes(op.getX(), last) && llvm::all_of(yielded, [&](Value v) { return e.vectorizes(v, last); }))
      lanes = chooseLanes(ctx.target, widestCarried(ctx.kernel), getDim(type, last));
  }
  e.forLoop(ctx.wgBegin, ctx.wgEnd, e.num(1), [&](Value line) {
    SmallVector<Value> index(type.getRank());
    for (auto [d, i] : llvm::zip(lineDims, e.delinearize(line, lineSizes)))
      index[d] = i;
    auto run = [&](unsigned width) {
      Type vector = width > 1 ? Type(VectorType::get({int64_t(width)}, acc)) : acc;
      e.forLoop(e.num(0), sizes[axis], e.num(1), ValueRange(e.constantLike(vector, op.getProduct() ? 1 : 0)),
                [&](Value step, ValueRange carried) -> SmallVector<Value> {
                  SmallVector<Value> at(index);
                  at[axis] = op.getReverse() ? e.sub(e.sub(sizes[axis], e.num(1)), step) : step;
                  Value x = e.element(op.getX(), at, width, last);
                  Value next = e.combine(op.getProduct() ? ReduceKind::prod : ReduceKind::sum, carried[0], x, isUnsigned(type.getElementType()));
                  Value here = op.getExclusive() ? carried[0] : next;
                  e.setSource(result, [=](ArrayRef<Value>, unsigned, int64_t) { return here; });
                  for (auto [output, value] : llvm::zip(ctx.outputs, yielded))
                    e.store(output, at, e.element(value, at, width, last), last);
                  return {next};
                });
    };
    if (axis == last)
      return run(1);
    vectorLoop(e, e.num(0), sizes[last], lanes, [&](Value i, unsigned width) {
      index[last] = i;
      run(width);
    });
  });
  return success();
}

} // namespace

const Family scanFamily = {"scan", planScan, emitScan};

} // namespace smelt::codegen::cpu
