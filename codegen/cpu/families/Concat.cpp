//===- Concat.cpp - Concatenation, one copy loop per operand ----------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   smelt.kernel { c = concat(f(a), g(b)); yield c }
//     ->  for row: copy f(a)'s row, then g(b)'s row behind it
//
// A row is the concatenated dim and everything inside of it; operands may be
// any value of the body (elementwise prologues). An epilogue belongs to map.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/families/Loops.h"

using namespace mlir;
using namespace smelt;
using namespace smelt::codegen;
using namespace smelt::codegen::cpu;

namespace {

ConcatOp getRoot(KernelOp kernel) {
  Operation *terminator = kernel.getBody().front().getTerminator();
  return terminator->getNumOperands() == 1 ? terminator->getOperand(0).getDefiningOp<ConcatOp>() : ConcatOp();
}

std::optional<Plan> planConcat(KernelOp kernel, const CpuTarget &target) {
  ConcatOp concat = getRoot(kernel);
  if (!concat || !isElementwiseComputable(kernel))
    return std::nullopt;
  Builder b(kernel.getContext());
  AffineExpr rows = b.getAffineConstantExpr(1);
  SmallVector<AffineExpr> dims = getDims(concat.getType());
  int64_t axis = concat.getAxis();
  for (AffineExpr dim : ArrayRef(dims).take_front(axis))
    rows = rows * dim;
  AffineExpr inner = b.getAffineConstantExpr(1);
  for (AffineExpr dim : ArrayRef(dims).drop_front(axis))
    inner = inner * dim;
  auto staticInner = dyn_cast<AffineConstantExpr>(inner);
  int64_t count = staticInner ? std::max<int64_t>(16384 / std::max<int64_t>(staticInner.getValue(), 1), 1) : 1;
  Plan plan;
  plan.params.push_back(b.getNamedAttr("rows", b.getI64IntegerAttr(count)));
  plan.grid = rows.ceilDiv(count);
  return plan;
}

LogicalResult emitConcat(KernelContext &context) {
  Emitter &e = context.e;
  ConcatOp concat = getRoot(context.kernel);
  int64_t axis = concat.getAxis(), rank = cast<RankedTensorType>(concat.getType()).getRank(), last = rank - 1;
  SmallVector<Value> sizes = e.sizes(concat.getResult());
  ArrayRef<Value> outerSizes = ArrayRef(sizes).take_front(axis);
  Value rows = e.num(1);
  for (Value size : outerSizes)
    rows = e.mul(rows, size);
  Value count = e.num(context.param("rows"));
  int64_t bytes = widestCarried(context.kernel);
  e.forLoop(e.mul(context.wgBegin, count), e.min(rows, e.mul(context.wgEnd, count)), e.num(1), [&](Value row) {
    SmallVector<Value> outer = e.delinearize(row, outerSizes);
    Value start = e.num(0);
    for (Value input : concat.getInputs()) {
      SmallVector<Value> inSizes = e.sizes(input);
      unsigned lanes = e.vectorizes(input, last)
                           ? chooseLanes(context.target, bytes, getDim(input.getType(), last)) : 1;
      SmallVector<Value> index(outer);
      std::function<void(int64_t)> nest = [&](int64_t d) {
        if (d == last) {
          vectorLoop(e, e.num(0), inSizes[last], lanes, [&](Value i, unsigned width) {
            SmallVector<Value> from(index), to;
            from.push_back(i);
            to = from;
            to[axis] = e.add(from[axis], start);
            e.store(context.outputs[0], to, e.element(input, from, width, last), last);
          });
          return;
        }
        e.forLoop(e.num(0), inSizes[d], e.num(1), [&](Value iv) {
          index.push_back(iv);
          nest(d + 1);
          index.pop_back();
        });
      };
      nest(axis);
      start = e.add(start, inSizes[axis]);
    }
  });
  return success();
}

} // namespace

const Family smelt::codegen::cpu::concatFamily = {"concat", planConcat, emitConcat, Views::Any};
