//===- Memory.cpp - The plan of the arena -----------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Live ranges over the program order; a value used inside a loop that is made
// outside lives to the loop's end. Static sizes are planned here (Arena.cpp),
// symbolic ones by the run that first has them (Op::Plan).
//
//===----------------------------------------------------------------------===//
#include "passes/program/Memory.h"
#include "dialects/smelt/Cost.h"
#include "dialects/smelt/Placement.h"
#include "passes/program/Arena.h"

using namespace mlir;

namespace smelt {

Value MemoryPlan::root(Value v) const {
  for (auto it = aliases.find(v); it != aliases.end(); it = aliases.find(v))
    v = it->second;
  return v;
}

void MemoryPlan::findRoots(func::FuncOp main) {
  main.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<KernelOp>(op))
      return WalkResult::skip();
    if (isa<ReshapeOp, RebindOp, SliceOp>(op))
      aliases[op->getResult(0)] = op->getOperand(0);
    if (auto concat = dyn_cast<ConcatOp>(op))
      for (Value input : concat.getInputs()) {
        Value part = root(input);
        aliases[part] = concat.getResult();
        parts[concat.getResult()].push_back(part);
      }
    return WalkResult::advance();
  });
}

namespace {
struct Item {
  Value value;
  AffineExpr bytes;
  int64_t begin, end;
  bool second = false; // the other buffer of a carried value
};

int64_t alignUp(int64_t bytes) { return (bytes + 63) / 64 * 64; }
} // namespace

void MemoryPlan::assign(func::FuncOp main, llvm::function_ref<bool(AffineExpr)> isEntry,
                        llvm::function_ref<bool(Value)> isOutput) {
  // Positions, and for every loop its last one.
  DenseMap<Operation *, int64_t> position, regionEnd;
  int64_t clock = 0;
  std::function<void(Block &)> number = [&](Block &block) {
    for (Operation &op : block) {
      position[&op] = clock++;
      if (isa<KernelOp>(op))
        continue;
      for (Region &region : op.getRegions())
        for (Block &inner : region)
          number(inner);
      regionEnd[&op] = clock++;
    }
  };
  number(main.getBody().front());

  auto bytesOf = [&](Type type) {
    return getNumElements(type) * getElementBytes(cast<RankedTensorType>(type).getElementType());
  };
  auto isBuffer = [](Value v) {
    auto type = dyn_cast<RankedTensorType>(v.getType());
    return type && !isa<StringType>(type.getElementType());
  };
  std::vector<Item> items;
  // The last position at which a value's memory is read, through all names it has.
  std::function<int64_t(Value)> lastUse = [&](Value v) -> int64_t {
    Operation *definition = v.getDefiningOp();
    Block *home = v.getParentBlock();
    int64_t last = definition ? position.lookup(definition) : position.lookup(&home->front());
    for (OpOperand &use : v.getUses()) {
      Operation *user = use.getOwner();
      // Out of the loops between the definition and the use.
      int64_t at = position.lookup(user);
      for (Operation *parent = user->getParentOp(); parent && parent != home->getParentOp();
           parent = parent->getParentOp())
        if (isa<LoopOp>(parent))
          at = std::max(at, regionEnd.lookup(parent));
      last = std::max(last, at);
      if (isa<ReshapeOp, RebindOp, SliceOp>(user))
        last = std::max(last, lastUse(user->getResult(0)));
      if (auto yield = dyn_cast<scf::YieldOp>(user))
        last = std::max(last, lastUse(yield->getParentOp()->getResult(use.getOperandNumber())));
      // Carried and stacked values are copied at the body's end.
    }
    return last;
  };
  // The life of a concat's memory: from the first part written to the last read
  // of any of them.
  std::function<void(Value, int64_t &, int64_t &)> widen = [&](Value v, int64_t &begin, int64_t &end) {
    if (Operation *definition = v.getDefiningOp())
      begin = std::min(begin, position.lookup(definition));
    end = std::max(end, lastUse(v));
    auto it = parts.find(v);
    if (it != parts.end())
      for (Value part : it->second)
        widen(part, begin, end);
  };
  // A value seen again inside a loop after an outer view keeps its range: views
  // are followed by lastUse from the root, whose home is the outermost.
  auto addItem = [&](Value v, int64_t begin) {
    if (!isBuffer(v) || isOutput(v) || root(v) != v)
      return;
    AffineExpr bytes = bytesOf(v.getType());
    if (!isEntry(bytes))
      return;
    int64_t end = begin;
    widen(v, begin, end);
    items.push_back({v, bytes, begin, end});
  };
  main.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<KernelOp>(op)) {
      for (Value result : op->getResults())
        addItem(result, position.lookup(op));
      return WalkResult::skip();
    }
    auto call = dyn_cast<HostCallOp>(op);
    if (isa<TopKOp, ConcatOp>(op) || (call && call.getPlaced()))
      for (Value result : op->getResults())
        addItem(result, position.lookup(op));
    if (auto loop = dyn_cast<LoopOp>(op)) {
      Block &body = loop.getBody().front();
      int64_t begin = position.lookup(op), end = regionEnd.lookup(op);
      for (auto [arg, result] : llvm::zip(body.getArguments(), loop.getResults())) {
        if (!isBuffer(arg))
          continue;
        AffineExpr bytes = bytesOf(arg.getType());
        if (!isEntry(bytes))
          continue;
        int64_t last = std::max(end, lastUse(result));
        items.push_back({arg, bytes, begin, last});
        items.push_back({arg, bytes, begin, last, true});
      }
      for (Value scan : loop.getResults().drop_front(body.getNumArguments()))
        if (int64_t(loop.getCount()) < 0) {
          AffineExpr bytes = bytesOf(scan.getType());
          if (isEntry(bytes))
            items.push_back({scan, bytes, begin, std::max(end, lastUse(scan))});
        }
    }
    return WalkResult::advance();
  });

  for (const Item &item : items) {
    unsigned place = places.size();
    places.push_back({item.bytes, item.begin, item.end});
    if (!isa<BlockArgument>(item.value))
      placeOf[item.value] = place;
    else if (item.second)
      carried[item.value].second = place;
    else
      carried[item.value].first = place;
  }
  SmallVector<Lifetime> lives;
  bool isStatic = true;
  for (const Place &place : places) {
    lives.push_back({alignUp(int64_t(estimateSize(place.bytes))), place.begin, place.end});
    isStatic &= isa<AffineConstantExpr>(place.bytes);
  }
  lowerBound = getLiveBytes(lives);
  if (isStatic)
    offsets = planArena(lives, arenaBytes);
  else
    arenaBytes = planByRun(lives);
}

} // namespace smelt
