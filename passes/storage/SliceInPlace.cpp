//===- SliceInPlace.cpp - Let kernels read slices in place ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Before -> after: see Passes.td. Every reader is asked of the target with the
// slice's strides; all take them or the copy stays. After smelt-join-in-place: a
// slice that is written into a concatenation is a copy anyway. Tested by
// test/passes/storage/slice-in-place.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/Cost.h"
#include "dialects/smelt/Placement.h"
#include "passes/storage/Passes.h"
#include "llvm/ADT/SetVector.h"

namespace smelt {
#define GEN_PASS_DEF_SLICEINPLACEPASS
#include "passes/storage/Passes.h.inc"
} // namespace smelt

using namespace mlir;
using namespace smelt;

namespace {

/// The slice of a kernel that does nothing else.
SliceOp getSlice(KernelOp kernel) {
  Block &body = kernel.getBody().front();
  auto slice = dyn_cast<SliceOp>(body.front());
  return slice && llvm::hasNItems(body, 2) && body.getTerminator()->getNumOperands() == 1 &&
                 body.getTerminator()->getOperand(0) == slice.getResult()
             ? slice
             : SliceOp();
}

struct SliceInPlace : smelt::impl::SliceInPlacePassBase<SliceInPlace> {
  explicit SliceInPlace(const TargetModel *target) : target(target) {}
  void runOnOperation() override {
    SmallVector<KernelOp> slices;
    getOperation().walk([&](KernelOp kernel) {
      if (getSlice(kernel))
        slices.push_back(kernel);
    });
    for (KernelOp kernel : slices)
      view(kernel);
  }

private:
  void view(KernelOp kernel);
  const TargetModel *target;
};

void SliceInPlace::view(KernelOp kernel) {
  SliceOp inner = getSlice(kernel);
  auto refuse = [&](const Twine &reason) {
    kernel.emitRemark() << "storage refused: " << kernel.getName() << " stays a copy: " << reason;
  };
  Value x = kernel.getInputs()[0];
  if (x.getDefiningOp<ConstantOp>())
    return refuse("it is of a constant");
  if (llvm::any_of(inner.getSteps(), [](int64_t step) { return step < 0; }))
    return refuse("it goes backwards");
  llvm::SetVector<Operation *> readers;
  std::function<bool(Value)> onlyKernelsRead = [&](Value v) {
    return llvm::all_of(v.getUsers(), [&](Operation *user) {
      if (isa<ReshapeOp>(user))
        return onlyKernelsRead(user->getResult(0));
      readers.insert(user);
      return isa<KernelOp>(user) && user->getBlock() == kernel->getBlock();
    });
  };
  if (!onlyKernelsRead(kernel.getResult(0)))
    return refuse("not only kernels of its block read it");
  OpBuilder builder(kernel);
  auto slice = SliceOp::create(builder, kernel.getLoc(), inner.getType(), x, inner.getStarts(), inner.getSteps());
  kernel.getResult(0).replaceAllUsesWith(slice.getResult());
  SmallVector<std::tuple<KernelOp, ArrayAttr, ScheduleAttr>> before;
  for (Operation *op : readers) {
    auto reader = cast<KernelOp>(op);
    ScheduleAttr schedule = reader.getScheduleAttr();
    before.emplace_back(reader, reader.getStridesAttr(), schedule);
    bool takes = succeeded(updateStrides(reader));
    reader.removeScheduleAttr();
    if (takes && target->assess(reader).family == schedule.getFamily() && succeeded(target->schedule(reader)))
      continue;
    for (auto [changed, strides, old] : before) {
      changed.setScheduleAttr(old);
      if (strides)
        changed.setStridesAttr(strides);
      else
        changed.removeStridesAttr();
    }
    slice.getResult().replaceAllUsesWith(kernel.getResult(0));
    slice.erase();
    return refuse("its reader " + reader.getName() + " (" + schedule.getFamily() + ") takes no such strides");
  }
  double saved = 2.0 * getElementBytes(cast<RankedTensorType>(slice.getType()).getElementType());
  for (AffineExpr dim : getDims(slice.getType()))
    saved *= estimateSize(dim);
  kernel.emitRemark() << "storage taken: " << kernel.getName() << " is read in place, saves " << int64_t(saved)
                      << " bytes";
  kernel.erase();
}

} // namespace

std::unique_ptr<Pass> smelt::createSliceInPlacePass(const TargetModel &target) {
  return std::make_unique<SliceInPlace>(&target);
}
