//===- Scan.cpp - Running sums ----------------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   smelt.kernel { y = cumsum(x) axis }  ->  per row: acc += x[i]; y[i] = acc
//
// A row is one line along the axis; sums run in order, in the carried type.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/families/Loops.h"

using namespace mlir;
using namespace smelt;
using namespace smelt::codegen;
using namespace smelt::codegen::cpu;

namespace {

CumSumOp getRoot(KernelOp kernel) {
  Operation *yield = kernel.getBody().front().getTerminator();
  return yield->getNumOperands() == 1 ? yield->getOperand(0).getDefiningOp<CumSumOp>() : CumSumOp();
}

std::optional<Plan> planScan(KernelOp kernel, const CpuTarget &target) {
  CumSumOp root = getRoot(kernel);
  if (!root || !llvm::all_of(kernel.getBody().front(), [&](Operation &op) {
        return &op == root.getOperation() || isa<ScalarBodyInterface, ConstantOp, BroadcastOp, YieldOp>(op);
      }))
    return std::nullopt;
  Builder b(kernel.getContext());
  SmallVector<AffineExpr> dims = getDims(root.getType());
  AffineExpr rows = b.getAffineConstantExpr(1);
  for (auto [i, dim] : llvm::enumerate(dims))
    if (int64_t(i) != int64_t(root.getAxis()))
      rows = rows * dim;
  Plan plan;
  plan.grid = rows.ceilDiv(64);
  return plan;
}

LogicalResult emitScan(KernelContext &context) {
  Emitter &e = context.e;
  CumSumOp root = getRoot(context.kernel);
  int64_t axis = root.getAxis();
  SmallVector<Value> sizes = e.sizes(root.getResult()), others;
  for (auto [i, size] : llvm::enumerate(sizes))
    if (int64_t(i) != axis)
      others.push_back(size);
  Value rows = e.num(1);
  for (Value size : others)
    rows = e.mul(rows, size);
  auto type = cast<RankedTensorType>(root.getType());
  Type carried = carriedType(type.getElementType());
  bool isUns = isUnsigned(type.getElementType());
  e.forLoop(e.mul(context.wgBegin, e.num(64)), e.min(rows, e.mul(context.wgEnd, e.num(64))), e.num(1), [&](Value row) {
    SmallVector<Value> at = e.delinearize(row, others);
    at.insert(at.begin() + axis, e.num(0));
    e.forLoop(e.num(0), sizes[axis], e.num(1), e.constantLike(carried, 0), [&](Value i, ValueRange acc) -> SmallVector<Value> {
      at[axis] = root.getReverse() ? e.sub(e.sub(sizes[axis], e.num(1)), i) : i;
      Value next = e.combine(ReduceKind::sum, acc[0], e.element(root.getX(), at), isUns);
      e.store(context.outputs[0], at, root.getExclusive() ? acc[0] : next, -1);
      return {next};
    });
  });
  return success();
}

} // namespace

const Family smelt::codegen::cpu::scanFamily = {"scan", planScan, emitScan};
