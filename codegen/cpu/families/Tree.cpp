//===- Tree.cpp - Decision tree ensembles -----------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   smelt.kernel { y = tree_ensemble(x, ...) }
//     ->  per row and tree: walk to a leaf, combine its weights into y
//
// Trees in order, so sums do not depend on threads; workgroups are rows. Honestly
// scalar: every step depends on the one before.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/families/Loops.h"

using namespace mlir;
using namespace smelt;
using namespace smelt::codegen;
using namespace smelt::codegen::cpu;

namespace {

TreeEnsembleOp getRoot(KernelOp kernel) {
  Operation *yield = kernel.getBody().front().getTerminator();
  return yield->getNumOperands() == 1 ? yield->getOperand(0).getDefiningOp<TreeEnsembleOp>() : TreeEnsembleOp();
}

std::optional<Plan> planTree(KernelOp kernel, const CpuTarget &target) {
  TreeEnsembleOp root = getRoot(kernel);
  if (!root || !llvm::all_of(kernel.getBody().front(), [&](Operation &op) {
        return &op == root.getOperation() || isa<ScalarBodyInterface, ConstantOp, BroadcastOp, YieldOp>(op);
      }))
    return std::nullopt;
  Plan plan;
  plan.grid = getDim(root.getX().getType(), 0).ceilDiv(8);
  return plan;
}

/// mode 1..6 of a node: <=, <, >=, >, ==, != against the threshold.
Value takesTrue(Emitter &e, Value mode, Value x, Value threshold) {
  using P = arith::CmpFPredicate;
  Value result = arith::CmpFOp::create(e.b, e.loc, P::UNE, x, threshold);
  P predicates[] = {P::OLE, P::OLT, P::OGE, P::OGT, P::OEQ};
  for (int64_t m = 5; m >= 1; --m) {
    Value is = e.cmp(arith::CmpIPredicate::eq, mode, e.num(m));
    Value test = arith::CmpFOp::create(e.b, e.loc, predicates[m - 1], x, threshold);
    result = e.select(is, test, result);
  }
  return result;
}

LogicalResult emitTree(KernelContext &context) {
  Emitter &e = context.e;
  OpBuilder &b = e.b;
  TreeEnsembleOp op = getRoot(context.kernel);
  Location loc = e.loc;
  auto resultType = cast<RankedTensorType>(op.getType());
  Type carried = carriedType(resultType.getElementType());
  Value rows = e.expr(getDim(op.getX().getType(), 0)), features = e.expr(getDim(op.getX().getType(), 1));
  Value targets = e.expr(getDim(resultType, 1));
  Value trees = e.expr(getDim(op.getRoots().getType(), 0));
  Buffer &out = context.outputs[0];
  bool isSum = op.getAggregate() == ReduceKind::sum;
  Value identity = e.reduceIdentity(op.getAggregate(), carried, false);
  auto intAt = [&](Value tensor, Value i) -> Value { // any integer type as i64
    Value v = e.element(tensor, {i});
    if (v.getType().isInteger(1) || (isUnsigned(cast<RankedTensorType>(tensor.getType()).getElementType()) &&
                                     v.getType().getIntOrFloatBitWidth() < 64))
      return arith::ExtUIOp::create(b, loc, b.getI64Type(), v);
    return v.getType().getIntOrFloatBitWidth() < 64 ? Value(arith::ExtSIOp::create(b, loc, b.getI64Type(), v)) : v;
  };
  e.forLoop(e.mul(context.wgBegin, e.num(8)), e.min(rows, e.mul(context.wgEnd, e.num(8))), e.num(1), [&](Value row) {
    e.forLoop(e.num(0), targets, e.num(1), [&](Value t) { e.store(out, {row, t}, identity, -1); });
    e.forLoop(e.num(0), trees, e.num(1), [&](Value tree) {
      Value root = intAt(op.getRoots(), tree);
      auto loop = scf::WhileOp::create(b, loc, TypeRange{b.getI64Type()}, ValueRange{root});
      {
        OpBuilder::InsertionGuard guard(b);
        Block *before = b.createBlock(&loop.getBefore(), {}, b.getI64Type(), loc);
        e.inScope([&] {
          Value node = before->getArgument(0);
          Value inner = e.cmp(arith::CmpIPredicate::ne, intAt(op.getModes(), node), e.num(0));
          scf::ConditionOp::create(b, loc, inner, node);
        });
        Block *after = b.createBlock(&loop.getAfter(), {}, b.getI64Type(), loc);
        e.inScope([&] {
          Value node = after->getArgument(0);
          Value feature = e.checkedIndex(intAt(op.getFeatureIds(), node), features);
          Value x = e.element(op.getX(), {row, feature});
          Value threshold = e.element(op.getThresholds(), {node});
          if (x.getType() != threshold.getType()) { // compare in the wider type
            Type wide = x.getType().getIntOrFloatBitWidth() > threshold.getType().getIntOrFloatBitWidth() &&
                                isa<FloatType>(x.getType()) ? x.getType() : threshold.getType();
            auto widen = [&](Value v) -> Value {
              if (v.getType() == wide)
                return v;
              return isa<FloatType>(v.getType()) ? Value(arith::ExtFOp::create(b, loc, wide, v))
                                                 : Value(arith::SIToFPOp::create(b, loc, wide, v));
            };
            x = widen(x);
            threshold = widen(threshold);
          }
          Value taken = takesTrue(e, intAt(op.getModes(), node), x, threshold);
          Value missing = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, x, x);
          Value missingTrue = e.cmp(arith::CmpIPredicate::ne, intAt(op.getMissingTrue(), node), e.num(0));
          taken = arith::OrIOp::create(b, loc, taken, arith::AndIOp::create(b, loc, missing, missingTrue));
          Value next = e.select(taken, intAt(op.getTrueIds(), node), intAt(op.getFalseIds(), node));
          scf::YieldOp::create(b, loc, next);
        });
      }
      Value leaf = loop.getResult(0);
      e.forLoop(intAt(op.getLeafBegin(), leaf), intAt(op.getLeafBegin(), e.add(leaf, e.num(1))), e.num(1), [&](Value j) {
        SmallVector<Value> at = {row, intAt(op.getLeafTargets(), j)};
        Value weight = e.element(op.getLeafWeights(), {j});
        e.store(out, at, e.combine(op.getAggregate(), e.load(out, at, 1, -1), weight, false), -1);
      });
    });
    if (!isSum) // a target that no leaf names is 0
      e.forLoop(e.num(0), targets, e.num(1), [&](Value t) {
        Value value = e.load(out, {row, t}, 1, -1);
        Value untouched = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, value, identity);
        e.store(out, {row, t}, e.select(untouched, e.constantLike(carried, 0), value), -1);
      });
  });
  return success();
}

} // namespace

const Family smelt::codegen::cpu::treeFamily = {"tree", planTree, emitTree};
