//===- FormAttention.cpp - Outline attention as one kernel ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Before -> after: see Passes.td. The body is the graph's ops as they were: the
// pass only decides which belong together. From a product whose left operand
// is computed, through reductions, from another product, it takes everything
// between; then what only serves Q, K and V, and the result's transposes.
// Tested by test/passes/form/form-attention.mlir and the corpus.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/Constants.h"
#include "passes/form/Passes.h"
#include "llvm/ADT/SetVector.h"

namespace smelt {
#define GEN_PASS_DEF_FORMATTENTIONPASS
#include "passes/form/Passes.h.inc"
} // namespace smelt

using namespace mlir;
using namespace smelt;

namespace {

using OpSet = llvm::SmallSetVector<Operation *, 16>;

/// Moves elements without computing.
bool isMove(Operation *op) {
  return isa<TransposeOp, ReshapeOp, RebindOp, SliceOp, BroadcastOp, ConcatOp>(op);
}

bool isRowOp(Operation *op) {
  return isa<ScalarBodyInterface, ReduceOp, ReshapeOp, RebindOp, BroadcastOp>(op);
}

struct Attention {
  MatMulOp scores, output;
  OpSet ops; // all of them
  Value result;
};

/// Ops from `scores` to the left operand of `output`; what goes wrong otherwise.
std::string collectCore(Attention &a) {
  Block *block = a.output->getBlock();
  // Which ops lead back to a product?
  DenseMap<Operation *, bool> leads;
  SmallVector<MatMulOp> products;
  std::function<bool(Value)> visit = [&](Value v) {
    Operation *op = v.getDefiningOp();
    if (!op || op->getBlock() != block || products.size() > 1)
      return false;
    auto [it, isNew] = leads.try_emplace(op, false);
    if (!isNew)
      return it->second;
    bool found = false;
    if (auto product = dyn_cast<MatMulOp>(op)) {
      if (!llvm::is_contained(products, product))
        products.push_back(product);
      found = true;
    } else if (isRowOp(op)) {
      for (Value operand : op->getOperands())
        found |= visit(operand);
    }
    return leads[op] = found;
  };
  visit(a.output.getLhs());
  bool hasReduction = false, hasExp = false;
  for (auto [op, isInner] : leads)
    if (isInner) {
      a.ops.insert(op);
      hasReduction |= isa<ReduceOp>(op);
      hasExp |= isa<ExpOp>(op);
    }
  if (products.empty() || !hasReduction || !hasExp)
    return ""; // products in a row, with a norm between them perhaps
  if (products.size() > 1)
    return "more than one product leads to the weights";
  a.scores = products[0];
  a.ops.insert(a.output);
  a.result = a.output.getResult();
  for (Operation *op : a.ops)
    if (op != a.output.getOperation())
      for (Operation *user : op->getUsers())
        if (!a.ops.contains(user))
          return "the scores or weights are used elsewhere, by " + user->getName().getStringRef().str();
  return "";
}

/// Adds what serves the kernel only: moves, and elementwise ops on moved values
/// (an elementwise op on what another kernel computes is that kernel's epilogue).
void addPrologues(Attention &a) {
  OpSet added;
  bool changed = true;
  auto isInside = [&](Operation *op) { return a.ops.contains(op) || added.contains(op); };
  while (changed) {
    changed = false;
    SmallVector<Operation *> inside(a.ops.begin(), a.ops.end());
    llvm::append_range(inside, added);
    for (Operation *op : inside)
      for (Value operand : op->getOperands()) {
        Operation *definition = operand.getDefiningOp();
        if (!definition || isInside(definition) || definition->getBlock() != a.output->getBlock())
          continue;
        auto body = dyn_cast<ScalarBodyInterface>(definition);
        if (!isMove(definition) && !(body && body.getElementCost() <= 4))
          continue;
        if (llvm::all_of(definition->getUsers(), isInside))
          changed |= added.insert(definition);
      }
  }
  for (changed = true; changed;) {
    changed = false;
    for (Operation *op : SmallVector<Operation *>(added.begin(), added.end()))
      if (!isMove(op) && llvm::none_of(op->getOperands(), [&](Value v) { return added.contains(v.getDefiningOp()); }))
        changed |= added.remove(op);
  }
  // A reshape of a whole buffer is free outside, and it is easier to read there.
  for (changed = true; changed;) {
    changed = false;
    for (Operation *op : SmallVector<Operation *>(added.begin(), added.end()))
      if (isa<ReshapeOp, RebindOp>(op) && !added.contains(op->getOperand(0).getDefiningOp()))
        changed |= added.remove(op);
  }
  a.ops.insert(added.begin(), added.end());
}

/// The result's transposes, with the reshapes before them.
void addEpilogue(Attention &a) {
  SmallVector<Operation *> chain;
  for (Value v = a.output.getResult(); v.hasOneUse();) {
    Operation *user = *v.getUsers().begin();
    if (!isa<TransposeOp, ReshapeOp, RebindOp>(user) || user->getBlock() != a.output->getBlock())
      break;
    chain.push_back(user);
    v = user->getResult(0);
  }
  while (!chain.empty() && !isa<TransposeOp>(chain.back()))
    chain.pop_back();
  for (Operation *op : chain)
    a.ops.insert(op);
  if (!chain.empty())
    a.result = chain.back()->getResult(0);
}

/// The kernel beside the ops; they stay.
KernelOp outline(const Attention &a, OpBuilder &builder) {
  SmallVector<Operation *> ops(a.ops.begin(), a.ops.end());
  llvm::sort(ops, [](Operation *x, Operation *y) { return x->isBeforeInBlock(y); });
  llvm::SetVector<Value> inputs, splats;
  SmallVector<Location> locs;
  for (Operation *op : ops) {
    locs.push_back(op->getLoc());
    for (Value operand : op->getOperands())
      if (!a.ops.contains(operand.getDefiningOp()))
        (operand.getDefiningOp<ConstantOp>() && getSplatValue(operand) ? splats : inputs).insert(operand);
  }
  builder.setInsertionPointAfter(a.result.getDefiningOp());
  std::string name = getKernelName(a.scores) + "+" + getKernelName(a.output);
  auto kernel = KernelOp::create(builder, builder.getFusedLoc(locs), a.result.getType(), inputs.getArrayRef(),
                                 builder.getStringAttr(name), ScheduleAttr(), ArrayAttr());
  Block *body = builder.createBlock(&kernel.getBody());
  IRMapping mapping;
  for (Value input : inputs)
    mapping.map(input, body->addArgument(input.getType(), input.getLoc()));
  for (Value splat : splats)
    builder.clone(*splat.getDefiningOp(), mapping);
  for (Operation *op : ops)
    builder.clone(*op, mapping);
  YieldOp::create(builder, kernel.getLoc(), mapping.lookup(a.result));
  return kernel;
}

struct FormAttention : smelt::impl::FormAttentionPassBase<FormAttention> {
  explicit FormAttention(const TargetModel *target) : target(target) {}
  void runOnOperation() override {
    SmallVector<MatMulOp> outputs;
    getOperation().walk([&](MatMulOp op) {
      if (!op->getParentOfType<KernelOp>())
        outputs.push_back(op);
    });
    for (MatMulOp op : outputs)
      tryForm(op);
  }

private:
  void tryForm(MatMulOp output) {
    Attention core{{}, output, {}, {}};
    std::string reason = collectCore(core);
    if (!core.result && reason.empty())
      return; // no attention
    OpBuilder builder(&getContext());
    for (int tries = 0; reason.empty() && tries < 3; ++tries) {
      // With all that belongs to it; without its transposes; alone.
      Attention a = core;
      if (tries < 2)
        addPrologues(a);
      if (tries < 1)
        addEpilogue(a);
      KernelOp kernel = outline(a, builder);
      KernelAnswer answer = target->assess(kernel);
      if (answer.legal && answer.family == "attention") {
        kernel.emitRemark() << "attention taken: " << kernel.getName() << " of " << a.ops.size() << " ops";
        a.result.replaceAllUsesWith(kernel.getResult(0));
        SmallVector<Operation *> ops(a.ops.begin(), a.ops.end());
        llvm::sort(ops, [](Operation *x, Operation *y) { return y->isBeforeInBlock(x); });
        for (Operation *op : ops)
          op->erase();
        return;
      }
      kernel.erase();
      if (tries == 2)
        reason = answer.legal ? "the target would compute it as " + answer.family : answer.reason;
    }
    output.emitRemark() << "attention refused: " << getKernelName(output) << ": " << reason;
  }

  const TargetModel *target;
};

} // namespace

std::unique_ptr<Pass> smelt::createFormAttentionPass(const TargetModel &target) {
  return std::make_unique<FormAttention>(&target);
}
