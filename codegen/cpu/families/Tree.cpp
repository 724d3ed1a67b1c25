//===- Tree.cpp - Ensembles of decision trees -------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   smelt.kernel { y = tree_ensemble(x, nodes...); yield h(y) }
//     -> for row: for tree: walk to a leaf; combine its weights per target
//
// Features that are computed (scaled, imputed, gathered) are so once per row.
//
// Comparisons are made in f64, in which every threshold and feature is exact. A
// walk that leaves the node arrays, or does not end, flags a bad index and stops.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/families/Contraction.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace smelt::codegen::cpu {

namespace {

RankedTensorType tensorType(Value v) { return cast<RankedTensorType>(v.getType()); }

TreeEnsembleOp getRoot(KernelOp kernel) {
  TreeEnsembleOp root;
  for (Operation &op : kernel.getBody().front())
    if (auto tree = dyn_cast<TreeEnsembleOp>(op)) {
      if (root)
        return {};
      root = tree;
    }
  return root;
}

constexpr int64_t kRows = 16; // of a workgroup

/// Scratch of one row's targets and the marks of those seen, a multiple of 64.
int64_t targetBytes(RankedTensorType y) {
  return llvm::alignTo(y.getDimSize(1) * (getElementBytes(carriedType(y.getElementType())) + 1), 64) + 64;
}

std::optional<Plan> planTree(KernelOp kernel, const CpuTarget &target) {
  TreeEnsembleOp op = getRoot(kernel);
  if (!op || !isEpilogueOf(kernel, op) || !isComputableAround(kernel, op))
    return std::nullopt;
  for (Value operand : op->getOperands())
    if (argumentNumber(operand) < 0 && operand != op.getX())
      return std::nullopt;
  RankedTensorType y = tensorType(op.getResult());
  if (y.getRank() != 2 || tensorType(op.getX()).getRank() != 2 || !isa<FloatType>(y.getElementType()) ||
      ShapedType::isDynamic(y.getDimSize(1)))
    return std::nullopt;
  Builder b(kernel.getContext());
  Plan plan;
  plan.grid = getDim(y, 0).ceilDiv(kRows);
  plan.scratch = b.getAffineConstantExpr(targetBytes(y));
  if (argumentNumber(op.getX()) < 0) // computed features: one row of them
    plan.scratch = plan.scratch +
                   getDim(op.getX().getType(), 1) * getElementBytes(carriedType(tensorType(op.getX()).getElementType()));
  return plan;
}

struct TreeCode {
  KernelContext &ctx;
  Emitter &e;
  TreeEnsembleOp op;
  Type acc, i64;
  Value nodes, features, targets, seen;
  Buffer x; // the features of all rows, or of the row at hand where they are computed

  TreeCode(KernelContext &ctx)
      : ctx(ctx), e(ctx.e), op(getRoot(ctx.kernel)),
        acc(carriedType(tensorType(op.getResult()).getElementType())), i64(e.b.getI64Type()),
        nodes(buffer(op.getModes()).sizes[0]), features(e.expr(getDim(op.getX().getType(), 1))),
        targets(e.expr(getDim(op.getType(), 1))),
        seen(e.address(ctx.scratch, e.mul(targets, e.num(getElementBytes(acc))), e.b.getI8Type())) {
    if (computesX()) {
      Type element = tensorType(op.getX()).getElementType(); // its sign is kept; narrow floats are f32 here
      Value memory = e.address(ctx.scratch, e.num(targetBytes(tensorType(op.getResult()))), e.b.getI8Type());
      x = Buffer{memory, isa<FloatType>(element) ? carriedType(element) : element, {features}, {e.num(1)}};
    } else {
      x = buffer(op.getX());
    }
  }

  bool computesX() { return argumentNumber(op.getX()) < 0; }

  const Buffer &buffer(Value operand) { return ctx.inputs[argumentNumber(operand)]; }

  // The walk's loop is not one of the emitter's, whose shared arithmetic would
  // leak out of it: the helpers below make fresh ops only.
  Value read(Value operand, Value index) { return read(buffer(operand), index); }
  Value read(const Buffer &from, Value index) {
    return e.load(e.address(from.pointer, index, from.elementType), from.elementType);
  }
  Value readInt(Value operand, Value index) {
    Value value = read(operand, index);
    if (value.getType() == i64)
      return value;
    return isUnsigned(buffer(operand).elementType) || value.getType().isInteger(1)
               ? Value(arith::ExtUIOp::create(e.b, e.loc, i64, value))
               : Value(arith::ExtSIOp::create(e.b, e.loc, i64, value));
  }
  Value readDouble(const Buffer &from, Value index) {
    Value value = read(from, index);
    Type f64 = e.b.getF64Type();
    if (value.getType() == f64)
      return value;
    if (isa<FloatType>(value.getType()))
      return arith::ExtFOp::create(e.b, e.loc, f64, value);
    return isUnsigned(from.elementType) ? Value(arith::UIToFPOp::create(e.b, e.loc, f64, value))
                                        : Value(arith::SIToFPOp::create(e.b, e.loc, f64, value));
  }
  Value all(Value a, Value b) { return arith::AndIOp::create(e.b, e.loc, a, b); }
  Value compare(arith::CmpIPredicate p, Value a, Value b) { return arith::CmpIOp::create(e.b, e.loc, p, a, b); }
  Value choose(Value c, Value a, Value b) { return arith::SelectOp::create(e.b, e.loc, c, a, b); }

  /// The next node: which way `node` sends the row that starts at xRow.
  Value stepFrom(Value node, Value mode, Value xRow) {
    Value feature = readInt(op.getFeatureIds(), node);
    Value known = compare(arith::CmpIPredicate::ult, feature, features);
    Value at = arith::AddIOp::create(e.b, e.loc, xRow, choose(known, feature, e.num(0)));
    Value value = readDouble(x, at), threshold = readDouble(buffer(op.getThresholds()), node);
    auto is = [&](arith::CmpFPredicate p) -> Value { return arith::CmpFOp::create(e.b, e.loc, p, value, threshold); };
    Value yes = is(arith::CmpFPredicate::ONE);
    const std::pair<int64_t, arith::CmpFPredicate> modes[] = {{1, arith::CmpFPredicate::OLE},
                                                              {2, arith::CmpFPredicate::OLT},
                                                              {3, arith::CmpFPredicate::OGE},
                                                              {4, arith::CmpFPredicate::OGT},
                                                              {5, arith::CmpFPredicate::OEQ}};
    for (auto [number, predicate] : modes)
      yes = choose(compare(arith::CmpIPredicate::eq, mode, e.num(number)), is(predicate), yes);
    Value isMissing = arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::UNO, value, value);
    Value missing = compare(arith::CmpIPredicate::ne, readInt(op.getMissingTrue(), node), e.num(0));
    yes = choose(isMissing, missing, yes);
    Value next = choose(yes, readInt(op.getTrueIds(), node), readInt(op.getFalseIds(), node));
    return choose(known, next, e.num(-1)); // a feature that is not there ends the walk
  }

  /// The leaf of a tree for a row; 0 with the flag set if there is none.
  Value walk(Value root, Value xRow) {
    SmallVector<Type> types = {i64, i64};
    auto loop = scf::WhileOp::create(e.b, e.loc, types, ValueRange{root, e.num(0)});
    auto modeAt = [&](Value node) {
      Value in = compare(arith::CmpIPredicate::ult, node, nodes);
      return std::pair(in, readInt(op.getModes(), choose(in, node, e.num(0))));
    };
    {
      OpBuilder::InsertionGuard guard(e.b);
      Block *before = e.b.createBlock(&loop.getBefore(), {}, types, {e.loc, e.loc});
      auto [in, nodeMode] = modeAt(before->getArgument(0));
      Value goesOn = all(in, compare(arith::CmpIPredicate::ne, nodeMode, e.num(0)));
      goesOn = all(goesOn, compare(arith::CmpIPredicate::sle, before->getArgument(1), nodes));
      scf::ConditionOp::create(e.b, e.loc, goesOn, before->getArguments());
      Block *after = e.b.createBlock(&loop.getAfter(), {}, types, {e.loc, e.loc});
      Value node = after->getArgument(0);
      Value next = stepFrom(node, readInt(op.getModes(), node), xRow);
      Value steps = arith::AddIOp::create(e.b, e.loc, after->getArgument(1), e.num(1));
      scf::YieldOp::create(e.b, e.loc, ValueRange{next, steps});
    }
    auto [in, leafMode] = modeAt(loop.getResult(0));
    Value isLeaf = all(in, compare(arith::CmpIPredicate::eq, leafMode, e.num(0)));
    Value yes = arith::ConstantOp::create(e.b, e.loc, e.b.getBoolAttr(true));
    e.flagBadIndex(arith::XOrIOp::create(e.b, e.loc, isLeaf, yes));
    return choose(isLeaf, loop.getResult(0), e.num(0));
  }

  void addLeaf(Value leaf) {
    Value begin = readInt(op.getLeafBegin(), leaf), end = readInt(op.getLeafBegin(), e.add(leaf, e.num(1)));
    e.forLoop(begin, end, e.num(1), [&](Value i) {
      Value target = readInt(op.getLeafTargets(), i);
      Value known = compare(arith::CmpIPredicate::ult, target, targets);
      Value yes = arith::ConstantOp::create(e.b, e.loc, e.b.getBoolAttr(true));
      e.flagBadIndex(arith::XOrIOp::create(e.b, e.loc, known, yes));
      target = choose(known, target, e.num(0));
      Value slot = e.address(ctx.scratch, target, acc), old = e.load(slot, acc);
      Value weight = widen(e, read(op.getLeafWeights(), i), buffer(op.getLeafWeights()).elementType, acc);
      Value next = e.combine(op.getAggregate(), old, weight, false);
      if (op.getAggregate() != ReduceKind::sum) {
        // The first weight of a target stands for itself.
        Type byte = e.b.getI8Type();
        Value mark = e.address(seen, target, byte);
        Value isFirst = compare(arith::CmpIPredicate::eq, e.load(mark, byte), zeroByte());
        next = choose(isFirst, weight, next);
        e.store(mark, byte, arith::ConstantOp::create(e.b, e.loc, e.b.getI8IntegerAttr(1)));
      }
      e.store(slot, acc, next);
    });
  }
  Value zeroByte() { return arith::ConstantOp::create(e.b, e.loc, e.b.getI8IntegerAttr(0)); }

  void emitRow(Value row) {
    e.forLoop(e.num(0), targets, e.num(1), [&](Value t) {
      e.store(e.address(ctx.scratch, t, acc), acc, e.constantLike(acc, 0));
      e.store(e.address(seen, t, e.b.getI8Type()), e.b.getI8Type(), zeroByte());
    });
    if (computesX())
      e.forLoop(e.num(0), features, e.num(1), [&](Value f) {
        e.store(e.address(x.pointer, f, x.elementType), x.elementType, e.element(op.getX(), {row, f}, 1, 1));
      });
    Value xRow = computesX() ? e.num(0) : e.mul(row, features);
    e.forLoop(e.num(0), buffer(op.getRoots()).sizes[0], e.num(1),
              [&](Value tree) { addLeaf(walk(readInt(op.getRoots(), tree), xRow)); });
    Epilogue epilogue(ctx, op.getResult(), acc, ctx.scratch, 1,
                      [&](Value r, Value col) { return SmallVector<Value>{r, col}; });
    epilogue.finishFromMemory(ctx.scratch, 0, 1, row, e.num(1), e.num(0), targets);
  }
};

LogicalResult emitTree(KernelContext &ctx) {
  Emitter &e = ctx.e;
  TreeCode code(ctx);
  Value rows = e.expr(getDim(code.op.getType(), 0)), block = e.num(kRows);
  e.forLoop(e.mul(ctx.wgBegin, block), e.min(rows, e.mul(ctx.wgEnd, block)), e.num(1),
            [&](Value row) { code.emitRow(row); });
  return success();
}

} // namespace

const Family treeFamily = {"tree", planTree, emitTree};

} // namespace smelt::codegen::cpu
