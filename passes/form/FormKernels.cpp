//===- FormKernels.cpp - Put every device op into a kernel ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Before -> after: see Passes.td. Tested by test/passes/form/form-kernels.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/Constants.h"
#include "passes/form/Passes.h"

namespace smelt {
#define GEN_PASS_DEF_FORMKERNELSPASS
#include "passes/form/Passes.h.inc"
} // namespace smelt

using namespace mlir;
using namespace smelt;

std::string smelt::getKernelName(Operation *op) {
  std::string name;
  op->getLoc()->walk([&](Location loc) {
    if (auto named = dyn_cast<NameLoc>(loc)) {
      name = named.getName().str();
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  if (name.empty())
    name = op->getName().stripDialect().str();
  return name;
}

namespace {

/// Ops that run on the device. Views, host scalars and host ops do not.
bool isDeviceOp(Operation *op) {
  if (!isa_and_nonnull<SmeltDialect>(op->getDialect()))
    return false;
  return !isa<ConstantOp, ReshapeOp, RebindOp, SymbolOp, BindOp, CheckOp, TestOp, ReadScalarOp, LoopOp, LoopYieldOp,
              KernelOp, YieldOp, ZipMapOp, StringLookupOp, TopKOp, NonZeroOp, HostCallOp>(op);
}

KernelOp formKernel(Operation *op, OpBuilder &builder) {
  builder.setInsertionPoint(op);
  SmallVector<Value> inputs, splats;
  for (Value operand : op->getOperands()) {
    // Generators that walk their operands' memory get constants as buffers too.
    bool canInline = !isa<RecurrentOp, TreeEnsembleOp, ScatterElementsOp, ScatterNDOp>(op);
    if (canInline && operand.getDefiningOp<ConstantOp>() && getSplatValue(operand)) {
      if (!llvm::is_contained(splats, operand))
        splats.push_back(operand);
    } else if (!llvm::is_contained(inputs, operand)) {
      inputs.push_back(operand);
    }
  }
  auto kernel = KernelOp::create(builder, op->getLoc(), op->getResultTypes(), inputs,
                                 builder.getStringAttr(getKernelName(op)), ScheduleAttr(), ArrayAttr());
  Block *body = builder.createBlock(&kernel.getBody());
  IRMapping mapping;
  for (Value input : inputs)
    mapping.map(input, body->addArgument(input.getType(), input.getLoc()));
  for (Value splat : splats)
    builder.clone(*splat.getDefiningOp(), mapping);
  Operation *inner = builder.clone(*op, mapping);
  YieldOp::create(builder, op->getLoc(), inner->getResults());
  op->replaceAllUsesWith(kernel.getResults());
  op->erase();
  return kernel;
}

struct FormKernelsPass : smelt::impl::FormKernelsPassBase<FormKernelsPass> {
  void runOnOperation() override {
    SmallVector<Operation *> ops;
    getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (isa<KernelOp>(op))
        return WalkResult::skip();
      if (isDeviceOp(op))
        ops.push_back(op);
      return WalkResult::advance();
    });
    OpBuilder builder(&getContext());
    for (Operation *op : ops)
      formKernel(op, builder);
    // Constants that only kernels' bodies use now.
    SmallVector<Operation *> dead;
    getOperation().walk([&](ConstantOp op) {
      if (op->use_empty())
        dead.push_back(op);
    });
    for (Operation *op : dead)
      op->erase();
  }
};

} // namespace
