//===- FuseRows.cpp - Merge a value with consumers that meet again ----------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Before -> after: see Passes.td. Softmax, norms and GELU read a value twice, on
// two ways to one kernel; merging by pairs sees two consumers and leaves it, or
// gives the last op to the contraction behind it. Here the value, both ways and
// the kernel where they meet become one. Tested by test/passes/form/fuse-rows.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/KernelInfo.h"
#include "passes/form/Passes.h"
#include "llvm/ADT/SetVector.h"

namespace smelt {
#define GEN_PASS_DEF_FUSEROWSPASS
#include "passes/form/Passes.h.inc"
} // namespace smelt

using namespace mlir;
using namespace smelt;

namespace {

struct Cluster {
  llvm::SetVector<Operation *> members; // kernels and the reshapes between, without the sink
  KernelOp sink;
};

/// Kernels that are elementwise on what a contraction, a gather, ... computes for
/// them alone: they are better off there. Asked in program order, as a chain can be
/// as long as the program.
class Belonging {
public:
  bool elsewhere(KernelOp kernel) const { return known.lookup(kernel); }
  void note(KernelOp kernel) {
    known[kernel] = llvm::any_of(kernel.getInputs(), [&](Value input) {
      while (auto view = input.getDefiningOp<ReshapeOp>()) {
        if (!input.hasOneUse())
          return false;
        input = view.getX();
      }
      auto producer = input.getDefiningOp<KernelOp>();
      return producer && input.hasOneUse() &&
             (llvm::any_of(producer.getBody().front(), [](Operation &op) {
                return !isa<ScalarBodyInterface, ReduceOp, ReshapeOp, ConstantOp, YieldOp>(op);
              }) || known.lookup(producer));
    });
  }
  void forget(Operation *op) { known.erase(op); }

private:
  llvm::DenseMap<Operation *, bool> known;
};

/// All from a kernel to the last of its consumers; nothing when a value of them is
/// wanted elsewhere, or when there is only one consumer.
std::optional<Cluster> findCluster(KernelOp producer, const Belonging &belonging, int64_t maxOps) {
  Cluster cluster;
  if (producer.getNumResults() != 1 || belonging.elsewhere(producer))
    return std::nullopt;
  llvm::SetVector<Operation *> consumers;
  SmallVector<Value> values = {producer.getResult(0)};
  while (!values.empty()) {
    Value value = values.pop_back_val();
    for (Operation *user : value.getUsers()) {
      if (user->getBlock() != producer->getBlock() || !isa<ReshapeOp, KernelOp>(user))
        return std::nullopt;
      if (isa<ReshapeOp>(user))
        values.push_back(user->getResult(0));
      else
        consumers.insert(user);
    }
  }
  if (consumers.size() < 2)
    return std::nullopt;
  for (Operation *consumer : consumers)
    if (!cluster.sink || cluster.sink->isBeforeInBlock(consumer))
      cluster.sink = cast<KernelOp>(consumer);
  cluster.members.insert(producer);
  int64_t ops = cluster.sink.getBody().front().getOperations().size();
  for (size_t i = 0; i < cluster.members.size(); ++i) {
    Operation *member = cluster.members[i];
    if (auto kernel = dyn_cast<KernelOp>(member))
      ops += kernel.getBody().front().getOperations().size();
    if (member->getNumResults() != 1 || ops > maxOps)
      return std::nullopt;
    for (Operation *user : member->getUsers()) {
      if (user == cluster.sink.getOperation())
        continue;
      if (user->getBlock() != producer->getBlock() || !isa<ReshapeOp, KernelOp>(user) ||
          !user->isBeforeInBlock(cluster.sink))
        return std::nullopt;
      cluster.members.insert(user);
    }
  }
  return cluster;
}

/// The merged kernel, before the sink.
KernelOp merge(const Cluster &cluster, OpBuilder &builder) {
  SmallVector<Operation *> ops(cluster.members.begin(), cluster.members.end());
  llvm::sort(ops, [](Operation *x, Operation *y) { return x->isBeforeInBlock(y); });
  ops.push_back(cluster.sink);
  llvm::SetVector<Value> inputs;
  SmallVector<Location> locs;
  for (Operation *op : ops) {
    locs.push_back(op->getLoc());
    for (Value operand : op->getOperands())
      if (!cluster.members.contains(operand.getDefiningOp()))
        inputs.insert(operand);
  }
  builder.setInsertionPoint(cluster.sink);
  std::string name = joinKernelNames(cast<KernelOp>(cluster.members[0]).getName(), KernelOp(cluster.sink).getName());
  auto kernel = KernelOp::create(builder, builder.getFusedLoc(locs), KernelOp(cluster.sink).getResultTypes(), inputs.getArrayRef(),
                                 builder.getStringAttr(name), ScheduleAttr(), ArrayAttr());
  Block *body = builder.createBlock(&kernel.getBody());
  IRMapping outer;
  for (Value input : inputs)
    outer.map(input, body->addArgument(input.getType(), input.getLoc()));
  for (Operation *op : ops) {
    auto inner = dyn_cast<KernelOp>(op);
    if (!inner) {
      builder.clone(*op, outer);
      continue;
    }
    IRMapping mapping;
    for (auto [arg, input] : llvm::zip(inner.getBody().getArguments(), inner.getInputs()))
      mapping.map(arg, outer.lookup(input));
    Block &block = inner.getBody().front();
    for (Operation &each : block.without_terminator())
      builder.clone(each, mapping);
    for (auto [result, yielded] : llvm::zip(inner.getResults(), block.getTerminator()->getOperands()))
      outer.map(result, mapping.lookup(yielded));
  }
  SmallVector<Value> results;
  for (Value result : KernelOp(cluster.sink).getResults())
    results.push_back(outer.lookup(result));
  YieldOp::create(builder, kernel.getLoc(), results);
  return kernel;
}

/// Is every value read at the place it is computed for only? Then it is computed once.
bool isPlaceByPlace(KernelOp kernel) {
  auto significant = [](Type type) {
    SmallVector<AffineExpr> dims;
    for (AffineExpr dim : getDims(type))
      if (auto constant = dyn_cast<AffineConstantExpr>(dim); !constant || constant.getValue() != 1)
        dims.push_back(dim);
    return dims;
  };
  return llvm::all_of(kernel.getBody().front(), [&](Operation &op) {
    if (auto reshape = dyn_cast<ReshapeOp>(op))
      return significant(reshape.getX().getType()) == significant(reshape.getType());
    return isa<ScalarBodyInterface, ConstantOp, YieldOp>(op);
  });
}

struct FuseRows : smelt::impl::FuseRowsPassBase<FuseRows> {
  explicit FuseRows(const TargetModel *target) : target(target) {}

  void runOnOperation() override {
    SmallVector<KernelOp> order;
    Belonging belonging;
    getOperation().walk([&](KernelOp kernel) {
      order.push_back(kernel);
      belonging.note(kernel);
    });
    // From the last: where two ways meet inside of two others, the inner ones first.
    llvm::SetVector<Operation *> work(order.rbegin(), order.rend());
    OpBuilder builder(&getContext());
    while (!work.empty()) {
      auto producer = cast<KernelOp>(work.front());
      work.remove(producer);
      std::optional<Cluster> cluster = findCluster(producer, belonging, maxOps);
      if (!cluster)
        continue;
      KernelOp merged = merge(*cluster, builder);
      KernelAnswer answer = target->assess(merged);
      bool taken = answer.legal && (answer.family == "rowblock" || (answer.family == "map" && isPlaceByPlace(merged)));
      if (!taken) {
        merged.erase();
        producer.emitRemark() << "rows refused: " << producer.getName() << " and " << cluster->members.size()
                              << " ops to " << KernelOp(cluster->sink).getName() << ": "
                              << (answer.legal ? "the target would compute them as " + answer.family : answer.reason);
        continue;
      }
      merged.emitRemark() << "rows taken: " << producer.getName() << " and " << cluster->members.size() << " ops to "
                          << KernelOp(cluster->sink).getName() << " as " << answer.family;
      KernelOp sink = cluster->sink;
      sink->replaceAllUsesWith(merged.getResults());
      work.remove(sink);
      belonging.forget(sink);
      sink.erase();
      SmallVector<Operation *> members(cluster->members.begin(), cluster->members.end());
      llvm::sort(members, [](Operation *x, Operation *y) { return y->isBeforeInBlock(x); });
      for (Operation *member : members) {
        work.remove(member);
        belonging.forget(member);
        member->erase();
      }
      belonging.note(merged);
      work.insert(merged);
      for (Value input : merged.getInputs()) {
        Operation *definition = input.getDefiningOp();
        while (auto view = dyn_cast_or_null<ReshapeOp>(definition))
          definition = view.getX().getDefiningOp();
        if (isa_and_nonnull<KernelOp>(definition))
          work.insert(definition);
      }
    }
  }

  const TargetModel *target;
};

} // namespace

std::unique_ptr<Pass> smelt::createFuseRowsPass(const TargetModel &target) { return std::make_unique<FuseRows>(&target); }
