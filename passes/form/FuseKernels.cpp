//===- FuseKernels.cpp - Merge kernels where it pays ------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Before -> after: see Passes.td. A candidate is a kernel and the only kernel
// that reads it, reshapes between them included; or a contraction and the norm of
// its result, which others read too and which stays a result. Rules before the
// target is asked: what is dear is never computed twice, and a contraction keeps
// the generator it has. Bare concatenations come last and are left alone where the
// storage phase lets their producers write them. Tested by test/passes/form/fuse-kernels.mlir and by the
// execution tests over the corpus.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/KernelInfo.h"
#include "dialects/smelt/Constants.h"
#include "dialects/smelt/Cost.h"
#include "dialects/smelt/Placement.h"
#include "passes/form/Passes.h"
#include "llvm/ADT/SetVector.h"
#include <queue>

namespace smelt {
#define GEN_PASS_DEF_FUSEKERNELSPASS
#include "passes/form/Passes.h.inc"
} // namespace smelt

using namespace mlir;
using namespace smelt;

namespace {

/// Ops whose one result element takes a loop.
bool isHeavy(Operation *op) {
  return isa<MatMulOp, ConvOp, ConvTransposeOp, PoolOp, ArgPoolOp, ReduceOp, ArgReduceOp, RecurrentOp, CumSumOp,
             ScatterElementsOp, ScatterNDOp, TreeEnsembleOp, ResizeOp>(op);
}

bool hasHeavy(KernelOp kernel) {
  return llvm::any_of(kernel.getBody().front(), [](Operation &op) { return isHeavy(&op); });
}

int64_t bodyCost(KernelOp kernel) {
  int64_t cost = 0;
  for (Operation &op : kernel.getBody().front())
    if (auto body = dyn_cast<ScalarBodyInterface>(op))
      cost += body.getElementCost();
    else if (isHeavy(&op))
      cost += 1000;
  return cost;
}

/// A reshape that only adds or drops dims of size 1 costs no index arithmetic.
bool isUnitReshape(Type from, Type to) {
  auto significant = [](Type type) {
    SmallVector<AffineExpr> dims;
    for (AffineExpr dim : getDims(type)) {
      auto constant = dyn_cast<AffineConstantExpr>(dim);
      if (!constant || constant.getValue() != 1)
        dims.push_back(dim);
    }
    return dims;
  };
  return significant(from) == significant(to);
}

/// A reshape that splits dims into ones of static size: an index of the source is
/// a sum of products, without division.
bool isSplitReshape(Type from, Type to) {
  SmallVector<AffineExpr> target = getDims(to);
  size_t j = 0;
  for (AffineExpr dim : getDims(from)) {
    AffineExpr product = getAffineConstantExpr(1, from.getContext());
    for (bool isFirst = true; product != dim; isFirst = false) {
      if (j == target.size() || !(isFirst || isa<AffineConstantExpr>(target[j])))
        return false;
      product = product * target[j++];
    }
  }
  return llvm::all_of(ArrayRef(target).drop_front(j), [](AffineExpr dim) {
    auto constant = dyn_cast<AffineConstantExpr>(dim);
    return constant && constant.getValue() == 1;
  });
}

/// Moves elements without computing.
bool isMove(KernelOp kernel) {
  return llvm::all_of(kernel.getBody().front(), [](Operation &op) { return isa<SliceOp, TransposeOp, YieldOp>(op); });
}

/// Is every element of `argument` read at most once per result element of the
/// same position, all the way to the yields? Each value is looked at once: the
/// ways through a body can be exponentially many.
bool isReadOnce(Value argument) {
  SmallVector<Value> worklist = {argument};
  llvm::SmallDenseSet<Value> seen = {argument};
  while (!worklist.empty()) {
    Value value = worklist.pop_back_val();
    for (Operation *user : value.getUsers()) {
      if (isa<YieldOp>(user))
        continue;
      if (isa<ScalarBodyInterface, BroadcastOp>(user)) {
        if (!isUnitReshape(value.getType(), user->getResult(0).getType()))
          return false;
      } else if (isa<MatMulOp, ConvOp, ConvTransposeOp, PoolOp, ArgPoolOp, GatherOp, GatherElementsOp, GatherNDOp,
                     TileOp, ResizeOp, RecurrentOp, TreeEnsembleOp, ScatterElementsOp, ScatterNDOp, CumSumOp>(user)) {
        return false;
      }
      for (Value result : user->getResults())
        if (seen.insert(result).second)
          worklist.push_back(result);
    }
  }
  return true;
}

double bytesOf(Type type) {
  double bytes = getElementBytes(cast<RankedTensorType>(type).getElementType());
  for (AffineExpr dim : getDims(type))
    bytes *= estimateSize(dim);
  return bytes;
}

/// A concatenation of which contractions and the like can write a half or more
/// in place: merged with a neighbour it would stay a copy.
bool isWrittenInPlace(KernelOp kernel) {
  ConcatOp concat = getJoin(kernel);
  if (!concat)
    return false;
  double inPlace = 0;
  for (Value input : kernel.getInputs())
    if (OpResult result = getJoinable(kernel, input); result && hasHeavy(cast<KernelOp>(result.getOwner())))
      inPlace += bytesOf(input.getType());
  return 2 * inPlace >= bytesOf(concat.getType());
}

struct Candidate {
  KernelOp producer, consumer;
  SmallVector<ReshapeOp> views; // between them, in program order
  bool keepsResult = false;     // others read the producer's result too
  double savedBytes = 0;
};

struct FuseKernels : smelt::impl::FuseKernelsPassBase<FuseKernels> {
  FuseKernels(const TargetModel *target, const FuseKernelsPassOptions &options)
      : FuseKernelsPassBase(options), target(target) {}
  void runOnOperation() override;

private:
  std::optional<Candidate> findCandidate(KernelOp producer);
  std::optional<Candidate> findKeeping(KernelOp producer);
  KernelOp merge(const Candidate &candidate, OpBuilder &builder);
  bool tryMerge(Candidate &candidate);
  std::string familyOf(KernelOp kernel) {
    auto [it, isNew] = families.try_emplace(kernel, "");
    if (isNew)
      it->second = target->assess(kernel).family;
    return it->second;
  }

  const TargetModel *target;
  /// What is looked at: pairs, then also results that stay, then bare concatenations too.
  enum Stage { Pairs, KeptResults, Joins } stage = Pairs;
  llvm::DenseMap<Operation *, std::string> families;
  llvm::SetVector<Operation *> worklist;
};

std::optional<Candidate> FuseKernels::findCandidate(KernelOp producer) {
  Candidate candidate{producer, {}, {}, /*keepsResult=*/false, 0};
  if (producer.getNumResults() != 1)
    return std::nullopt;
  SmallVector<Value> values = {producer.getResult(0)};
  while (!values.empty()) {
    Value value = values.pop_back_val();
    for (Operation *user : value.getUsers()) {
      if (user->getBlock() != producer->getBlock())
        return std::nullopt;
      if (auto view = dyn_cast<ReshapeOp>(user)) {
        if (!llvm::is_contained(candidate.views, view)) {
          candidate.views.push_back(view);
          values.push_back(view.getResult());
        }
        continue;
      }
      auto kernel = dyn_cast<KernelOp>(user);
      if (!kernel || (candidate.consumer && candidate.consumer != kernel))
        return stage >= KeptResults ? findKeeping(producer) : std::nullopt;
      candidate.consumer = kernel;
    }
  }
  if (!candidate.consumer)
    return std::nullopt;
  if (stage < Joins && (getJoin(producer) || getJoin(candidate.consumer)))
    return std::nullopt;
  candidate.savedBytes = 2 * bytesOf(producer.getResult(0).getType());
  return candidate;
}

/// The first reader of a contraction, when it reduces what it reads: the result
/// stays for the others.
std::optional<Candidate> FuseKernels::findKeeping(KernelOp producer) {
  Value result = producer.getResult(0);
  Operation *first = nullptr;
  for (Operation *user : result.getUsers()) {
    Operation *here = producer->getBlock()->findAncestorOpInBlock(*user);
    if (!here)
      return std::nullopt;
    if (!first || here->isBeforeInBlock(first))
      first = here;
  }
  auto consumer = dyn_cast<KernelOp>(first);
  if (!consumer || !hasHeavy(producer))
    return std::nullopt;
  for (auto [arg, input] : llvm::zip(consumer.getBody().getArguments(), consumer.getInputs()))
    if (input == result && llvm::any_of(arg.getUsers(), [](Operation *user) { return isa<ReduceOp>(user); }))
      return Candidate{producer, consumer, {}, /*keepsResult=*/true, bytesOf(result.getType())};
  return std::nullopt;
}

/// The merged kernel, beside the two it may replace.
KernelOp FuseKernels::merge(const Candidate &candidate, OpBuilder &builder) {
  KernelOp producer = candidate.producer, consumer = candidate.consumer;
  llvm::SetVector<Value> inputs(producer.getInputs().begin(), producer.getInputs().end());
  llvm::SmallDenseSet<Value> inner = {producer.getResult(0)};
  for (ReshapeOp view : candidate.views)
    inner.insert(view.getResult());
  for (Value input : consumer.getInputs())
    if (!inner.contains(input))
      inputs.insert(input);
  builder.setInsertionPoint(consumer);
  std::string name = joinKernelNames(producer.getName(), consumer.getName());
  SmallVector<Type> types(consumer.getResultTypes());
  if (candidate.keepsResult)
    types.push_back(producer.getResult(0).getType());
  auto kernel = KernelOp::create(builder, builder.getFusedLoc({producer.getLoc(), consumer.getLoc()}), types, inputs.getArrayRef(), builder.getStringAttr(name),
                                 ScheduleAttr(), ArrayAttr());
  Block *body = builder.createBlock(&kernel.getBody());
  IRMapping outer, mapping;
  for (Value input : inputs)
    outer.map(input, body->addArgument(input.getType(), input.getLoc()));
  for (auto [arg, input] : llvm::zip(producer.getBody().getArguments(), producer.getInputs()))
    mapping.map(arg, outer.lookup(input));
  Block &first = producer.getBody().front();
  for (Operation &op : first.without_terminator())
    builder.clone(op, mapping);
  outer.map(producer.getResult(0), mapping.lookup(first.getTerminator()->getOperand(0)));
  for (ReshapeOp view : candidate.views)
    builder.clone(*view, outer);
  for (auto [arg, input] : llvm::zip(consumer.getBody().getArguments(), consumer.getInputs()))
    mapping.map(arg, outer.lookup(input));
  for (Operation &op : consumer.getBody().front())
    builder.clone(op, mapping);
  if (candidate.keepsResult)
    body->getTerminator()->insertOperands(consumer.getNumResults(), outer.lookup(producer.getResult(0)));
  return kernel;
}

bool FuseKernels::tryMerge(Candidate &candidate) {
  KernelOp producer = candidate.producer, consumer = candidate.consumer;
  auto refuse = [&](const Twine &reason) {
    consumer.emitRemark() << "fusion refused: " << producer.getName() << " into " << consumer.getName() << ": " << reason
                          << "; would save " << int64_t(candidate.savedBytes) << " bytes";
    return false;
  };
  size_t ops = producer.getBody().front().getOperations().size() + consumer.getBody().front().getOperations().size();
  if (int64_t(ops) > maxOps)
    return refuse("the body would have " + Twine(ops) + " ops, the limit is " + Twine(int64_t(maxOps)));
  if (isWrittenInPlace(producer) || isWrittenInPlace(consumer))
    return refuse("the concatenation is written in place");
  // The views' shapes meet the consumer's arguments.
  bool readOnce = true;
  for (auto [arg, input] : llvm::zip(consumer.getBody().getArguments(), consumer.getInputs())) {
    bool isInner = input == producer.getResult(0);
    for (ReshapeOp view : candidate.views)
      isInner |= input == view.getResult();
    if (isInner)
      readOnce &= isReadOnce(arg);
  }
  int64_t cost = bodyCost(producer);
  std::string producerFamily = familyOf(producer), consumerFamily = familyOf(consumer);
  bool heavyProducer = hasHeavy(producer), heavyConsumer = hasHeavy(consumer);
  for (ReshapeOp view : candidate.views)
    if (!isUnitReshape(view.getX().getType(), view.getType()) &&
        !(isMove(producer) && isSplitReshape(view.getX().getType(), view.getType())))
      return refuse("a reshape between them would cost index arithmetic per element");
  OpBuilder builder(&getContext());
  KernelOp merged = merge(candidate, builder);
  KernelAnswer answer = target->assess(merged);
  std::string reason;
  if (!answer.legal)
    reason = answer.reason;
  else if (candidate.keepsResult && !answer.keepsRows)
    reason = "its result is read elsewhere too";
  else if (!readOnce && !answer.keepsRows && (heavyProducer || cost > 4))
    reason = "the producer's elements (cost " + std::to_string(cost) + ") would be computed more than once";
  else if (heavyProducer && !llvm::is_contained(answer.generators, producerFamily))
    reason = "the producer would lose its generator " + producerFamily + " to " + answer.family;
  else if (heavyConsumer && !llvm::is_contained(answer.generators, consumerFamily))
    reason = "the consumer would lose its generator " + consumerFamily + " to " + answer.family;
  if (!reason.empty()) {
    merged.erase();
    return refuse(reason);
  }
  merged.emitRemark() << "fusion taken: " << producer.getName() << " into " << consumer.getName() << " as "
                      << answer.family << ", saves " << int64_t(candidate.savedBytes) << " bytes";
  families.erase(consumer);
  families.erase(producer);
  families[merged] = answer.family;
  worklist.remove(consumer);
  worklist.remove(producer);
  consumer->replaceAllUsesWith(merged.getResults().take_front(consumer.getNumResults()));
  consumer.erase();
  for (ReshapeOp view : llvm::reverse(candidate.views))
    if (view.use_empty())
      view.erase();
  if (candidate.keepsResult)
    producer.getResult(0).replaceAllUsesWith(merged.getResults().back());
  producer.erase();
  // The neighbours have a new partner.
  worklist.insert(merged);
  for (Value input : merged.getInputs()) {
    Operation *definition = input.getDefiningOp();
    while (auto view = dyn_cast_or_null<ReshapeOp>(definition))
      definition = view.getX().getDefiningOp();
    if (isa_and_nonnull<KernelOp>(definition))
      worklist.insert(definition);
  }
  return true;
}

void FuseKernels::runOnOperation() {
  stage = Pairs;
  // Elementwise chains first, lest one is torn between two contractions; then most
  // bytes, of equal ones epilogues. What a merge changes is looked at again.
  struct Entry {
    bool isLight;
    double bytes;
    bool isEpilogue;
    int64_t order;
    Operation *producer;
    bool operator<(const Entry &other) const {
      if (isLight != other.isLight)
        return other.isLight;
      if (bytes == other.bytes && isEpilogue != other.isEpilogue)
        return other.isEpilogue;
      return bytes != other.bytes ? bytes < other.bytes : order > other.order;
    }
  };
  int64_t order = 0;
  getOperation().walk([&](KernelOp kernel) { worklist.insert(kernel); });
  while (true) {
    if (worklist.empty()) {
      if (stage == Joins)
        break;
      stage = Stage(stage + 1);
      getOperation().walk([&](KernelOp kernel) { worklist.insert(kernel); });
    }
    std::priority_queue<Entry> queue;
    llvm::SmallVector<Operation *> round(worklist.begin(), worklist.end());
    worklist.clear();
    for (Operation *op : round)
      if (auto candidate = findCandidate(cast<KernelOp>(op))) {
        bool lightEnd = !hasHeavy(candidate->consumer);
        queue.push({lightEnd && !hasHeavy(candidate->producer), candidate->savedBytes, lightEnd, order++, op});
      }
    llvm::DenseSet<Operation *> gone;
    bool tookLight = false;
    while (!queue.empty()) {
      auto [isLight, bytes, isEpilogue, place, op] = queue.top();
      queue.pop();
      if (gone.contains(op))
        continue;
      if (!isLight && tookLight) { // the chains are not complete yet
        worklist.insert(op);
        continue;
      }
      auto candidate = findCandidate(cast<KernelOp>(op));
      if (!candidate)
        continue;
      Operation *consumer = candidate->consumer;
      if (tryMerge(*candidate)) {
        tookLight |= isLight;
        gone.insert(op);
        gone.insert(consumer);
      }
    }
  }
}

} // namespace

std::unique_ptr<Pass> smelt::createFuseKernelsPass(const TargetModel &target, const FuseKernelsPassOptions &options) {
  return std::make_unique<FuseKernels>(&target, options);
}
