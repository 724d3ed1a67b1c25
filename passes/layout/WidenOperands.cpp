//===- WidenOperands.cpp - Keep 16-bit floats as f32 between kernels --------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Before -> after: see Passes.td. A contraction reads each element of its left
// operand alone and often: converting it there costs more than the product. The
// value is still rounded to 16 bits where it is made, so no result changes.
// Tested by test/passes/layout/widen-operands.mlir.
//
//===----------------------------------------------------------------------===//
#include "passes/layout/Passes.h"

namespace smelt {
#define GEN_PASS_DEF_WIDENOPERANDSPASS
#include "passes/layout/Passes.h.inc"
} // namespace smelt

using namespace mlir;
using namespace smelt;

namespace {

/// The operand whose elements are read one by one; null where there is none.
/// Depthwise convolutions read theirs by vectors.
OpOperand *leftOperand(Operation *op) {
  if (auto conv = dyn_cast<ConvOp>(op))
    return cast<RankedTensorType>(conv.getW().getType()).getDimSize(1) == 1 ? nullptr : &conv.getXMutable();
  if (auto conv = dyn_cast<ConvTransposeOp>(op))
    return &conv.getXMutable();
  if (auto matmul = dyn_cast<MatMulOp>(op))
    return &matmul.getLhsMutable();
  return nullptr;
}

Value castTo(OpBuilder &b, Value x, Type elementType) {
  return CastOp::create(b, x.getLoc(), getTensorType(getDims(x.getType()), elementType), x);
}

struct WidenOperands : smelt::impl::WidenOperandsPassBase<WidenOperands> {
  explicit WidenOperands(const TargetModel &target) : target(target) {}

  void runOnOperation() override {
    SmallVector<OpOperand *> operands;
    getOperation().walk([&](Operation *op) {
      if (OpOperand *operand = leftOperand(op))
        if (target.prefersWide(getElementTypeOrSelf(operand->get().getType())) && !operand->get().getDefiningOp<ConstantOp>())
          operands.push_back(operand);
    });
    for (OpOperand *operand : operands) {
      operand->set(widened(operand->get()));
      // Weights stay in 16 bits; the kernel widens a panel of them for many pixels.
      if (auto conv = dyn_cast<ConvOp>(operand->getOwner()); conv && conv.getW().getDefiningOp<ConstantOp>()) {
        OpBuilder b(conv);
        conv.getWMutable().assign(castTo(b, conv.getW(), b.getF32Type()));
      }
    }
  }

private:
  /// `x` in f32, made beside it; what else reads x takes that and rounds again.
  Value widened(Value x) {
    if (Value known = wide.lookup(x))
      return known;
    OpBuilder b(x.getContext());
    b.setInsertionPointAfterValue(x);
    Value made = castTo(b, x, b.getF32Type());
    wide[x] = made;
    for (OpOperand &use : llvm::make_early_inc_range(x.getUses())) {
      Operation *user = use.getOwner();
      if (user == made.getDefiningOp() || leftOperand(user) == &use || !isa<ScalarBodyInterface, PoolOp, ConcatOp, ConvOp>(user))
        continue;
      b.setInsertionPoint(user);
      use.set(castTo(b, made, getElementTypeOrSelf(x.getType())));
    }
    return made;
  }

  const TargetModel &target;
  DenseMap<Value, Value> wide;
};

} // namespace

std::unique_ptr<Pass> smelt::createWidenOperandsPass(const TargetModel &target) {
  return std::make_unique<WidenOperands>(target);
}
