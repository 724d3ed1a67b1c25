//===- Scatter.cpp - ScatterElements and ScatterND --------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   smelt.kernel { y = scatter_nd(x, indices, updates) }
//     ->  copy x; for each index tuple: combine its slice into y
//
// One workgroup: updates may meet, and their order decides. Tested by the
// corpus (several_io, gtcrn_simple) and test/codegen/cpu.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/families/Loops.h"

using namespace mlir;
using namespace smelt;
using namespace smelt::codegen;
using namespace smelt::codegen::cpu;

namespace {

Operation *getRoot(KernelOp kernel) {
  Operation *yield = kernel.getBody().front().getTerminator();
  if (yield->getNumOperands() != 1)
    return nullptr;
  Operation *root = yield->getOperand(0).getDefiningOp();
  return isa_and_nonnull<ScatterElementsOp, ScatterNDOp>(root) ? root : nullptr;
}

std::optional<Plan> planScatter(KernelOp kernel, const CpuTarget &target) {
  Operation *root = getRoot(kernel);
  if (!root || !llvm::all_of(kernel.getBody().front(), [&](Operation &op) {
        return &op == root || isa<ScalarBodyInterface, ConstantOp, BroadcastOp, YieldOp>(op);
      }))
    return std::nullopt;
  if (isa<ScatterNDOp>(root)) {
    auto indices = cast<RankedTensorType>(root->getOperand(1).getType());
    if (indices.getRank() == 0 || indices.isDynamicDim(indices.getRank() - 1))
      return std::nullopt;
  }
  Plan plan;
  plan.grid = getAffineConstantExpr(1, kernel.getContext());
  return plan;
}

/// Loops over every index of these sizes.
void forAll(Emitter &e, ArrayRef<Value> sizes, llvm::function_ref<void(ArrayRef<Value>)> body) {
  SmallVector<Value> index;
  std::function<void(size_t)> nest = [&](size_t d) {
    if (d == sizes.size())
      return body(index);
    e.forLoop(e.num(0), sizes[d], e.num(1), [&](Value iv) {
      index.push_back(iv);
      nest(d + 1);
      index.pop_back();
    });
  };
  nest(0);
}

Value combineUpdate(Emitter &e, ScatterKind kind, Value old, Value update, bool isUns) {
  switch (kind) {
  case ScatterKind::none: return update;
  case ScatterKind::add: return e.combine(ReduceKind::sum, old, update, isUns);
  case ScatterKind::mul: return e.combine(ReduceKind::prod, old, update, isUns);
  case ScatterKind::max: return e.combine(ReduceKind::max, old, update, isUns);
  case ScatterKind::min: return e.combine(ReduceKind::min, old, update, isUns);
  }
  llvm_unreachable("kind");
}

LogicalResult emitScatter(KernelContext &context) {
  Emitter &e = context.e;
  Operation *root = getRoot(context.kernel);
  Value x = root->getOperand(0), indices = root->getOperand(1), updates = root->getOperand(2);
  Buffer &out = context.outputs[0];
  auto type = cast<RankedTensorType>(x.getType());
  bool isUns = isUnsigned(type.getElementType());
  int64_t rank = type.getRank(), last = rank - 1;
  SmallVector<Value> sizes = e.sizes(x);
  unsigned lanes = rank > 0 && e.vectorizes(x, last)
                       ? chooseLanes(context.target, widestCarried(context.kernel), getDim(type, last)) : 1;
  forAll(e, rank > 0 ? ArrayRef(sizes).drop_back() : ArrayRef<Value>(), [&](ArrayRef<Value> outer) {
    vectorLoop(e, e.num(0), rank > 0 ? sizes[last] : e.num(1), lanes, [&](Value i, unsigned width) {
      SmallVector<Value> at(outer);
      if (rank > 0)
        at.push_back(i);
      e.store(out, at, e.element(x, at, width, last), last);
    });
  });
  auto update = [&](ArrayRef<Value> at, Value value, ScatterKind kind) {
    Value old = kind == ScatterKind::none ? Value() : e.load(out, at, 1, -1);
    e.store(out, at, combineUpdate(e, kind, old, value, isUns), -1);
  };
  if (auto op = dyn_cast<ScatterElementsOp>(root)) {
    forAll(e, e.sizes(indices), [&](ArrayRef<Value> p) {
      SmallVector<Value> at(p);
      at[op.getAxis()] = e.checkedIndex(e.element(indices, p), sizes[op.getAxis()]);
      update(at, e.element(updates, p), op.getKind());
    });
    return success();
  }
  auto op = cast<ScatterNDOp>(root);
  SmallVector<Value> indexSizes = e.sizes(indices);
  int64_t tuple = cast<RankedTensorType>(indices.getType()).getShape().back();
  indexSizes.pop_back();
  forAll(e, indexSizes, [&](ArrayRef<Value> p) {
    SmallVector<Value> lead, where(p);
    where.push_back(e.num(0));
    for (int64_t t = 0; t < tuple; ++t) {
      where.back() = e.num(t);
      lead.push_back(e.checkedIndex(e.element(indices, where), sizes[t]));
    }
    SmallVector<Value> prefix(p);
    forAll(e, ArrayRef(sizes).drop_front(tuple), [&](ArrayRef<Value> rest) {
      SmallVector<Value> at(lead), from(prefix);
      at.append(rest.begin(), rest.end());
      from.append(rest.begin(), rest.end());
      update(at, e.element(updates, from), op.getKind());
    });
  });
  return success();
}

} // namespace

const Family smelt::codegen::cpu::scatterFamily = {"scatter", planScatter, emitScatter};
