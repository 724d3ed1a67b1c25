//===- PadInPlace.cpp - Pads as concatenations with borders -----------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Before -> after: see Passes.td. A pad is a concatenation with borders, dim by
// dim from the innermost one out; smelt-join-in-place, which runs next, lets the
// interior's kernel write its part, so that only the borders are filled. Tested
// by test/passes/storage/pad-in-place.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/Cost.h"
#include "dialects/smelt/Placement.h"
#include "passes/storage/Passes.h"

namespace smelt {
#define GEN_PASS_DEF_PADINPLACEPASS
#include "passes/storage/Passes.h.inc"
} // namespace smelt

using namespace mlir;
using namespace smelt;

namespace {

/// The pad of a kernel that does nothing else.
PadOp getPad(KernelOp kernel) {
  Block &body = kernel.getBody().front();
  PadOp pad;
  for (Operation &op : body.without_terminator()) {
    if (auto found = dyn_cast<PadOp>(op); found && !pad)
      pad = found;
    else if (!isa<ConstantOp>(op))
      return {};
  }
  if (!pad || !isa<BlockArgument>(pad.getX()) || body.getTerminator()->getNumOperands() != 1 ||
      body.getTerminator()->getOperand(0) != pad.getResult())
    return {};
  return pad;
}

struct PadInPlace : smelt::impl::PadInPlacePassBase<PadInPlace> {
  explicit PadInPlace(const TargetModel *target) : target(target) {}
  void runOnOperation() override;

private:
  LogicalResult split(KernelOp kernel);
  KernelOp makeKernel(OpBuilder &builder, KernelOp pad, ValueRange inputs, Type type,
                      llvm::function_ref<Value(OpBuilder &, Block *)> body);

  const TargetModel *target;
};

KernelOp PadInPlace::makeKernel(OpBuilder &builder, KernelOp pad, ValueRange inputs, Type type,
                                llvm::function_ref<Value(OpBuilder &, Block *)> body) {
  auto kernel = KernelOp::create(builder, pad.getLoc(), type, inputs, builder.getStringAttr(pad.getName()),
                                 ScheduleAttr(), ArrayAttr());
  OpBuilder inner(builder.getContext());
  Block *block = inner.createBlock(&kernel.getBody());
  for (Value input : inputs)
    block->addArgument(input.getType(), input.getLoc());
  Value result = body(inner, block);
  YieldOp::create(inner, pad.getLoc(), result);
  return kernel;
}

LogicalResult PadInPlace::split(KernelOp kernel) {
  PadOp pad = getPad(kernel);
  auto refuse = [&](const Twine &reason) {
    kernel.emitRemark() << "storage refused: " << kernel.getName() << " stays a copy: " << reason;
    return success();
  };
  if (pad.getMode() != PadMode::constant)
    return refuse("its border is no constant");
  Value x = kernel.getInputs()[cast<BlockArgument>(pad.getX()).getArgNumber()];
  auto type = cast<RankedTensorType>(x.getType());
  SmallVector<AffineExpr> from = getDims(x.getType()), to = getDims(pad.getType());
  SmallVector<int64_t> low, high;
  double border = 1, interior = 1;
  for (auto [a, b, l] : llvm::zip(from, to, pad.getLow().getExprs())) {
    auto before = dyn_cast<AffineConstantExpr>(l), after = dyn_cast<AffineConstantExpr>(b - a - l);
    if (!before || !after || before.getValue() < 0 || after.getValue() < 0)
      return refuse("its pads are negative or no constants");
    low.push_back(before.getValue());
    high.push_back(after.getValue());
    border *= estimateSize(b);
    interior *= estimateSize(a);
  }
  border -= interior;
  if (border > interior)
    return refuse("its border is larger than what it pads");
  if (!getJoinable(kernel, x))
    return refuse("it pads no kernel's result that only kernels read");

  OpBuilder builder(kernel);
  // The padding value, an input or a splat.
  SmallVector<Value> valueInput;
  if (auto argument = dyn_cast<BlockArgument>(pad.getValue()))
    valueInput.push_back(kernel.getInputs()[argument.getArgNumber()]);
  auto makeBorder = [&](ArrayRef<AffineExpr> dims) -> FailureOr<Value> {
    Type borderType = getTensorType(dims, type.getElementType());
    KernelOp fill = makeKernel(builder, kernel, valueInput, borderType, [&](OpBuilder &b, Block *block) -> Value {
      Value value = pad.getValue();
      value = valueInput.empty() ? Value(b.clone(*value.getDefiningOp())->getResult(0)) : block->getArgument(0);
      return BroadcastOp::create(b, kernel.getLoc(), borderType, value);
    });
    if (failed(target->schedule(fill)))
      return failure();
    return fill.getResult(0);
  };
  Value padded = x;
  for (size_t d = low.size(); d-- > 0;) {
    if (low[d] == 0 && high[d] == 0)
      continue;
    SmallVector<AffineExpr> dims = getDims(padded.getType());
    SmallVector<Value> parts;
    AffineExpr total = dims[d] + low[d] + high[d];
    for (int64_t side : {low[d], int64_t(-1), high[d]}) {
      if (side < 0) {
        parts.push_back(padded);
      } else if (side > 0) {
        dims[d] = getAffineConstantExpr(side, builder.getContext());
        FailureOr<Value> made = makeBorder(dims);
        if (failed(made))
          return failure();
        parts.push_back(*made);
      }
    }
    dims[d] = total;
    bool isLast = true;
    for (size_t outer = 0; outer < d; ++outer)
      isLast &= low[outer] == 0 && high[outer] == 0;
    Type joined = isLast ? pad.getType() : getTensorType(dims, type.getElementType());
    KernelOp join = makeKernel(builder, kernel, parts, joined, [&](OpBuilder &b, Block *block) -> Value {
      return ConcatOp::create(b, kernel.getLoc(), joined, block->getArguments(), d);
    });
    if (failed(target->schedule(join)))
      return failure();
    padded = join.getResult(0);
  }
  if (padded == x)
    return success();
  kernel.getResult(0).replaceAllUsesWith(padded);
  kernel.erase();
  return success();
}

void PadInPlace::runOnOperation() {
  SmallVector<KernelOp> pads;
  getOperation().walk([&](KernelOp kernel) {
    if (getPad(kernel))
      pads.push_back(kernel);
  });
  for (KernelOp kernel : pads)
    if (failed(split(kernel)))
      return signalPassFailure();
}

} // namespace

std::unique_ptr<Pass> smelt::createPadInPlacePass(const TargetModel &target) {
  return std::make_unique<PadInPlace>(&target);
}
