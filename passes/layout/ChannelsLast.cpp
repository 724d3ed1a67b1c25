//===- ChannelsLast.cpp - Activations with channels innermost ---------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Before -> after: see Passes.td. One walk in program order keeps for each
// value its *twin*, the same tensor with channels last. A window op makes
// twins; an op that can work on its operands' twins does; whoever needs the
// first layout reads the transpose that is left beside each twin, which is
// dead when nobody does. Tested by test/passes/layout/channels-last.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/Constants.h"
#include "dialects/smelt/Cost.h"
#include "passes/layout/Passes.h"

namespace smelt {
#define GEN_PASS_DEF_CHANNELSLASTPASS
#include "passes/layout/Passes.h.inc"
} // namespace smelt

using namespace mlir;
using namespace smelt;

namespace {

RankedTensorType tensorType(Value v) { return cast<RankedTensorType>(v.getType()); }

/// [0, 2, ..., r-1, 1]: result dim i is operand dim perm[i].
SmallVector<int64_t> toLast(int64_t rank) {
  SmallVector<int64_t> perm = {0};
  for (int64_t i = 2; i < rank; ++i)
    perm.push_back(i);
  perm.push_back(1);
  return perm;
}
SmallVector<int64_t> toFirst(int64_t rank) {
  SmallVector<int64_t> perm = {0, rank - 1};
  for (int64_t i = 1; i < rank - 1; ++i)
    perm.push_back(i);
  return perm;
}
RankedTensorType permuted(RankedTensorType type, ArrayRef<int64_t> perm) {
  SmallVector<AffineExpr> from = getDims(type), to;
  for (int64_t p : perm)
    to.push_back(from[p]);
  return getTensorType(to, type.getElementType());
}
template <typename T> SmallVector<T> permute(ArrayRef<T> from, ArrayRef<int64_t> perm) {
  SmallVector<T> to;
  for (int64_t p : perm)
    to.push_back(from[p]);
  return to;
}

double elements(Type type) {
  double count = 1;
  for (AffineExpr dim : getDims(type))
    count *= estimateSize(dim);
  return count;
}

struct ChannelsLast : smelt::impl::ChannelsLastPassBase<ChannelsLast> {
  void runOnOperation() override {
    SmallVector<Operation *> ops;
    getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) { ops.push_back(op); });
    for (Operation *op : ops)
      visit(op);
  }

  Value hasTwin(Value v) { return twins.lookup(v); }

  /// The twin of a value; made by a transpose where there is none.
  Value twin(OpBuilder &b, Value v) {
    if (Value known = twins.lookup(v))
      return known;
    SmallVector<int64_t> perm = toLast(tensorType(v).getRank());
    Value made = TransposeOp::create(b, v.getLoc(), permuted(tensorType(v), perm), v, perm);
    // Only reusable where it dominates: beside the definition's block.
    if (b.getInsertionBlock() == v.getParentBlock())
      twins[v] = made;
    return made;
  }

  /// Replaces a result by the transpose of its twin and remembers the twin.
  void setTwin(OpBuilder &b, Value old, Value twinValue) {
    SmallVector<int64_t> perm = toFirst(tensorType(twinValue).getRank());
    Value back = TransposeOp::create(b, old.getLoc(), old.getType(), twinValue, perm);
    old.replaceAllUsesWith(back);
    twins[back] = twinValue;
  }

  void visit(Operation *op) {
    OpBuilder b(op);
    if (auto conv = dyn_cast<ConvOp>(op)) {
      if (conv.getChannelsLast() || tensorType(conv.getX()).getRank() < 3)
        return;
      auto made = ConvOp::create(b, conv.getLoc(), permuted(tensorType(conv.getResult()), toLast(tensorType(conv.getX()).getRank())),
                                 twin(b, conv.getX()), conv.getW(), conv.getStrides(), conv.getPads(),
                                 conv.getDilations(), conv.getGroups(), /*channelsLast=*/true);
      setTwin(b, conv.getResult(), made.getResult());
      op->erase();
    } else if (auto conv = dyn_cast<ConvTransposeOp>(op)) {
      if (conv.getChannelsLast() || tensorType(conv.getX()).getRank() < 3)
        return;
      auto made = ConvTransposeOp::create(
          b, conv.getLoc(), permuted(tensorType(conv.getResult()), toLast(tensorType(conv.getX()).getRank())),
          twin(b, conv.getX()), conv.getW(), conv.getStrides(), conv.getPads(), conv.getDilations(), conv.getGroups(), true);
      setTwin(b, conv.getResult(), made.getResult());
      op->erase();
    } else if (auto pool = dyn_cast<PoolOp>(op)) {
      if (pool.getChannelsLast() || !hasTwin(pool.getX()))
        return;
      auto made = PoolOp::create(b, pool.getLoc(), permuted(tensorType(pool.getResult()), toLast(tensorType(pool.getX()).getRank())),
                                 twin(b, pool.getX()), pool.getKind(), pool.getKernel(), pool.getStrides(),
                                 pool.getPads(), pool.getDilations(), true);
      setTwin(b, pool.getResult(), made.getResult());
      op->erase();
    } else if (isa<ScalarBodyInterface>(op)) {
      elementwise(op, b);
    } else if (auto concat = dyn_cast<ConcatOp>(op)) {
      if (!llvm::any_of(concat.getInputs(), [&](Value v) { return hasTwin(v); }) || !mostHaveTwins(concat.getInputs()))
        return;
      int64_t rank = tensorType(concat.getResult()).getRank();
      SmallVector<Value> inputs;
      for (Value v : concat.getInputs())
        inputs.push_back(twin(b, v));
      SmallVector<int64_t> first = toFirst(rank);
      auto made = ConcatOp::create(b, op->getLoc(), permuted(tensorType(concat.getResult()), toLast(rank)), inputs,
                                   first[concat.getAxis()]);
      setTwin(b, concat.getResult(), made.getResult());
      op->erase();
    } else if (auto pad = dyn_cast<PadOp>(op)) {
      if (!hasTwin(pad.getX()))
        return;
      SmallVector<int64_t> perm = toLast(tensorType(pad.getX()).getRank());
      auto made = PadOp::create(b, op->getLoc(), permuted(tensorType(pad.getResult()), perm), twin(b, pad.getX()),
                                pad.getValue(), DimsAttr::get(&getContext(), permute(pad.getLow().getExprs(), perm)),
                                pad.getMode());
      setTwin(b, pad.getResult(), made.getResult());
      op->erase();
    } else if (auto slice = dyn_cast<SliceOp>(op)) {
      if (!hasTwin(slice.getX()))
        return;
      SmallVector<int64_t> perm = toLast(tensorType(slice.getX()).getRank());
      auto made = SliceOp::create(b, op->getLoc(), permuted(tensorType(slice.getResult()), perm), twin(b, slice.getX()),
                                  DimsAttr::get(&getContext(), permute(slice.getStarts().getExprs(), perm)),
                                  b.getDenseI64ArrayAttr(permute(slice.getSteps(), perm)));
      setTwin(b, slice.getResult(), made.getResult());
      op->erase();
    } else if (auto resize = dyn_cast<ResizeOp>(op)) {
      if (!hasTwin(resize.getX()) || !resize.getRoi().empty() || resize.getFactors() || resize.getBox())
        return;
      SmallVector<int64_t> perm = toLast(tensorType(resize.getX()).getRank());
      Operation *made = b.clone(*op);
      made->setOperand(0, twin(b, resize.getX()));
      made->moveAfter(op); // behind the twin, which may be new
      cast<ResizeOp>(made).setScalesAttr(b.getDenseF64ArrayAttr(permute(resize.getScales(), perm)));
      made->getResult(0).setType(permuted(tensorType(resize.getResult()), perm));
      b.setInsertionPointAfter(made);
      setTwin(b, resize.getResult(), made->getResult(0));
      op->erase();
    } else if (auto reduce = dyn_cast<ReduceOp>(op)) {
      reduction(reduce, b);
    } else if (auto reshape = dyn_cast<ReshapeOp>(op)) {
      // [N, C, 1, 1] lies in memory as [N, 1, 1, C] does.
      Value twinValue = hasTwin(reshape.getX());
      if (!twinValue)
        return;
      ArrayRef<int64_t> shape = tensorType(reshape.getX()).getShape();
      if (llvm::all_of(shape.drop_front(2), [](int64_t d) { return d == 1; }) || shape[1] == 1)
        reshape.getXMutable().assign(twinValue);
    }
  }

  /// Is the larger part of the data there with channels last already?
  bool mostHaveTwins(ValueRange values) {
    double with = 0, without = 0;
    for (Value v : values) {
      if (v.getDefiningOp<ConstantOp>())
        continue;
      (hasTwin(v) ? with : without) += elements(v.getType());
    }
    return with > 0 && without <= with;
  }

  void elementwise(Operation *op, OpBuilder &b) {
    auto type = tensorType(op->getResult(0));
    int64_t rank = type.getRank();
    if (!mostHaveTwins(op->getOperands()) || rank < 3)
      return;
    SmallVector<int64_t> perm = toLast(rank);
    for (Value v : op->getOperands()) // a twin of another rank means another permutation
      if (hasTwin(v) && tensorType(v).getRank() != rank)
        return;
    SmallVector<Value> operands;
    for (Value v : op->getOperands()) {
      int64_t r = tensorType(v).getRank();
      if (r == 0 || (r < rank && tensorType(v).hasStaticShape() && tensorType(v).getNumElements() == 1)) {
        operands.push_back(v);
        continue;
      }
      if (r < rank) { // right-aligned: lead with ones
        SmallVector<AffineExpr> dims(rank - r, b.getAffineConstantExpr(1));
        llvm::append_range(dims, getDims(v.getType()));
        Value wide = ReshapeOp::create(b, v.getLoc(), getTensorType(dims, tensorType(v).getElementType()), v);
        operands.push_back(TransposeOp::create(b, v.getLoc(), permuted(tensorType(wide), perm), wide, perm));
        continue;
      }
      operands.push_back(twin(b, v));
    }
    Operation *made = b.clone(*op);
    made->setOperands(operands);
    made->getResult(0).setType(permuted(type, perm));
    setTwin(b, op->getResult(0), made->getResult(0));
    op->erase();
  }

  /// Reductions whose remaining dims keep their order: [N, C] and [N, H, W].
  void reduction(ReduceOp op, OpBuilder &b) {
    if (!hasTwin(op.getX()))
      return;
    int64_t rank = tensorType(op.getX()).getRank();
    SmallVector<int64_t> perm = toLast(rank), first = toFirst(rank), kept, axes;
    for (int64_t p : perm)
      if (!llvm::is_contained(op.getAxes(), p))
        kept.push_back(p);
    if (!llvm::is_sorted(kept))
      return;
    for (int64_t axis : op.getAxes())
      for (int64_t i = 0; i < rank; ++i)
        if (perm[i] == axis)
          axes.push_back(i);
    llvm::sort(axes);
    auto made = ReduceOp::create(b, op.getLoc(), op.getType(), twin(b, op.getX()), op.getKind(), axes);
    op.replaceAllUsesWith(made.getResult());
    op.erase();
  }

  DenseMap<Value, Value> twins;
};

} // namespace

std::unique_ptr<Pass> smelt::createChannelsLastPass() { return std::make_unique<ChannelsLast>(); }
