//===- JoinInPlace.cpp - Let kernels write their slices of a concat ---------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Before -> after: see Passes.td. The last concat first, so that one inside of
// another finds out where its own result lies. A producer and all its readers
// are asked of the target with their new strides; if one of them would lose its
// generator, the operand is copied. Tested by
// test/passes/storage/join-in-place.mlir.
//
//===----------------------------------------------------------------------===//
#include "passes/storage/Passes.h"
#include "dialects/smelt/Cost.h"
#include "dialects/smelt/Placement.h"
#include "llvm/ADT/SetVector.h"

namespace smelt {
#define GEN_PASS_DEF_JOININPLACEPASS
#include "passes/storage/Passes.h.inc"
} // namespace smelt

using namespace mlir;
using namespace smelt;

namespace {

struct JoinInPlace : smelt::impl::JoinInPlacePassBase<JoinInPlace> {
  explicit JoinInPlace(const TargetModel *target) : target(target) {}
  void runOnOperation() override;

private:
  void join(KernelOp kernel);
  std::string place(OpResult result, KernelOp join);
  LogicalResult reschedule(KernelOp kernel, StringRef family);
  FailureOr<KernelOp> makeCopy(Value v, KernelOp join);
  bool isEntry(AffineExpr e);
  double bytesOf(Type type);

  const TargetModel *target;
  DimSymbols *symbols = nullptr;
  llvm::DenseSet<int64_t> inputSymbols;
};

double JoinInPlace::bytesOf(Type type) {
  double bytes = getElementBytes(cast<RankedTensorType>(type).getElementType());
  for (AffineExpr dim : getDims(type))
    bytes *= estimateSize(dim);
  return bytes;
}

/// Is the size known as soon as the inputs are?
bool JoinInPlace::isEntry(AffineExpr e) {
  SmallVector<int64_t> ids;
  collectSymbols(e, ids);
  return llvm::all_of(ids, [&](int64_t id) {
    if (inputSymbols.contains(id))
      return true;
    SymbolOp symbol = symbols->get(id);
    return symbol.getDerive() && llvm::all_of(symbol.getExprs()->getExprs(), [&](AffineExpr x) { return isEntry(x); });
  });
}

/// The kernel's strides as its values lie now, and a schedule of the same family.
LogicalResult JoinInPlace::reschedule(KernelOp kernel, StringRef family) {
  if (failed(updateStrides(kernel)))
    return failure();
  kernel.removeScheduleAttr();
  if (target->assess(kernel).family != family)
    return failure();
  return target->schedule(kernel);
}

/// The result's kernel and all that read it, but for the join.
llvm::SetVector<Operation *> kernelsAround(OpResult result, KernelOp join) {
  llvm::SetVector<Operation *> kernels;
  kernels.insert(result.getOwner());
  std::function<void(Value)> addReaders = [&](Value v) {
    for (Operation *user : v.getUsers()) {
      if (isa<ReshapeOp>(user))
        addReaders(user->getResult(0));
      else if (isa<KernelOp>(user) && user != join)
        kernels.insert(user);
    }
  };
  addReaders(result);
  return kernels;
}

/// Gives the result's kernel and all readers its new place; the reason if not.
std::string JoinInPlace::place(OpResult result, KernelOp join) {
  SmallVector<std::tuple<KernelOp, ArrayAttr, ScheduleAttr>> before;
  for (Operation *op : kernelsAround(result, join)) {
    auto kernel = cast<KernelOp>(op);
    ScheduleAttr schedule = kernel.getScheduleAttr();
    before.emplace_back(kernel, kernel.getStridesAttr(), schedule);
    if (succeeded(reschedule(kernel, schedule.getFamily())))
      continue;
    for (auto [changed, strides, old] : before) {
      changed.setScheduleAttr(old);
      if (strides)
        changed.setStridesAttr(strides);
      else
        changed.removeStridesAttr();
    }
    return ((op == result.getOwner() ? "its kernel " : "its reader ") + kernel.getName() + " (" + schedule.getFamily() +
            ") takes no such strides")
        .str();
  }
  return "";
}

/// A kernel that copies `v`, in front of the join.
FailureOr<KernelOp> JoinInPlace::makeCopy(Value v, KernelOp join) {
  OpBuilder builder(join);
  auto kernel = KernelOp::create(builder, join.getLoc(), v.getType(), v, builder.getStringAttr(join.getName()),
                                 ScheduleAttr(), ArrayAttr());
  Block *body = builder.createBlock(&kernel.getBody());
  YieldOp::create(builder, join.getLoc(), body->addArgument(v.getType(), v.getLoc()));
  if (failed(target->schedule(kernel)))
    return failure();
  return kernel;
}

void JoinInPlace::join(KernelOp kernel) {
  ConcatOp inner = getJoin(kernel);
  auto refuse = [&](const Twine &reason) {
    kernel.emitRemark() << "storage refused: " << kernel.getName() << " stays a copy: " << reason;
  };
  if (!llvm::all_of(getDims(inner.getType()), [&](AffineExpr e) { return isEntry(e); }))
    return refuse("its size does not follow from the inputs' shapes");
  SmallVector<Value> values;
  for (Value input : inner.getInputs())
    values.push_back(kernel.getInputs()[cast<BlockArgument>(input).getArgNumber()]);
  SmallVector<OpResult> results;
  SmallVector<std::string> reasons(values.size());
  llvm::SmallPtrSet<void *, 8> seen;
  for (auto [value, reason] : llvm::zip(values, reasons)) {
    OpResult result = getJoinable(kernel, value);
    if (!result)
      reason = "it is no kernel's result that only kernels read";
    else if (!seen.insert(result.getAsOpaquePointer()).second) {
      reason = "it is joined twice";
      result = {};
    }
    results.push_back(result);
  }
  if (llvm::all_of(results, [](OpResult r) { return !r; }))
    return refuse("no operand is a kernel's result that only kernels read");

  OpBuilder builder(kernel);
  SmallVector<KernelOp> copies(values.size());
  SmallVector<Value> operands(values);
  auto copy = [&](size_t i) {
    FailureOr<KernelOp> made = makeCopy(values[i], kernel);
    if (succeeded(made))
      copies[i] = *made;
    return made;
  };
  for (auto [i, result] : llvm::enumerate(results))
    if (!result) {
      if (failed(copy(i)))
        return signalPassFailure();
      operands[i] = copies[i].getResult(0);
    }
  auto concat = ConcatOp::create(builder, kernel.getLoc(), inner.getType(), operands, inner.getAxis());
  kernel.getResult(0).replaceAllUsesWith(concat.getResult());
  double saved = 0;
  bool anyPlaced = false; // a symbolic size may be estimated as nothing
  for (auto [i, result] : llvm::enumerate(results)) {
    if (!result)
      continue;
    reasons[i] = place(result, kernel);
    if (reasons[i].empty()) {
      anyPlaced = true;
      saved += 2 * bytesOf(values[i].getType());
      continue;
    }
    if (failed(copy(i)))
      return signalPassFailure();
    copies[i]->moveBefore(concat);
    concat->setOperand(i, copies[i].getResult(0));
    // A reader of several operands may have been set with this one in place.
    for (Operation *op : kernelsAround(result, kernel))
      if (failed(reschedule(cast<KernelOp>(op), cast<KernelOp>(op).getScheduleAttr().getFamily())))
        return signalPassFailure();
  }
  if (!anyPlaced) {
    concat.getResult().replaceAllUsesWith(kernel.getResult(0));
    concat.erase();
    for (KernelOp unused : copies)
      if (unused)
        unused.erase();
    std::string text;
    for (auto [i, reason] : llvm::enumerate(reasons))
      text += (i ? "; " : "") + ("operand " + std::to_string(i) + ": " + reason);
    return refuse(text);
  }
  InFlightDiagnostic remark = kernel.emitRemark();
  remark << "storage taken: " << kernel.getName() << " is written in place, saves " << int64_t(saved) << " bytes";
  for (auto [i, made] : llvm::enumerate(copies)) {
    if (!made)
      continue;
    remark << "; operand " << i << " is copied: " << reasons[i];
    if (failed(reschedule(made, made.getScheduleAttr().getFamily())))
      return signalPassFailure();
  }
  kernel.erase();
}

void JoinInPlace::runOnOperation() {
  DimSymbols moduleSymbols(getOperation());
  symbols = &moduleSymbols;
  inputSymbols.clear();
  for (auto function : getOperation().getOps<func::FuncOp>())
    for (Type type : function.getArgumentTypes())
      if (isa<RankedTensorType>(type))
        for (AffineExpr dim : getDims(type)) // a bare symbol is bound by the input
          if (auto symbol = dyn_cast<AffineSymbolExpr>(dim))
            inputSymbols.insert(symbol.getPosition());
  SmallVector<KernelOp> joins;
  getOperation().walk([&](KernelOp kernel) {
    if (getJoin(kernel))
      joins.push_back(kernel);
  });
  for (KernelOp kernel : llvm::reverse(joins))
    join(kernel);
}

} // namespace

std::unique_ptr<Pass> smelt::createJoinInPlacePass(const TargetModel &target) {
  return std::make_unique<JoinInPlace>(&target);
}
