//===- RowBlock.cpp - Softmax, norms: reductions of a row and their use -----===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   smelt.kernel { m = reduce max(x); e = exp(x - m); s = reduce sum(e); yield e / s }
//     ->  for row: pass over the row per reduction, then one that stores
//
// All reductions run over the same innermost dims of one full shape; results
// are full or one per row. What is dear (exp, ...) and used again in a later
// pass is kept in a row of scratch instead of being computed twice.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/families/Loops.h"
#include "dialects/smelt/Constants.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace smelt;
using namespace smelt::codegen;
using namespace smelt::codegen::cpu;

namespace {

struct Shape {
  SmallVector<ReduceOp> reductions; // in program order
  RankedTensorType full;            // what they reduce
  int64_t lead = 0;                 // dims that stay
};

bool isUnitExpr(AffineExpr e) {
  auto constant = dyn_cast<AffineConstantExpr>(e);
  return constant && constant.getValue() == 1;
}

/// Dims `dims` are those of one value per row: the leading ones, then ones.
bool isRowShape(ArrayRef<AffineExpr> dims, const Shape &shape) {
  SmallVector<AffineExpr> full = getDims(shape.full);
  if (int64_t(dims.size()) < shape.lead || dims.size() > full.size())
    return false;
  for (int64_t i = 0; i < int64_t(dims.size()); ++i)
    if (i < shape.lead ? dims[i] != full[i] : !isUnitExpr(dims[i]))
      return false;
  return true;
}

std::optional<Shape> analyse(KernelOp kernel) {
  Shape shape;
  if (!isElementwiseComputable(kernel))
    return std::nullopt;
  Block &body = kernel.getBody().front();
  for (auto op : body.getOps<ReduceOp>())
    shape.reductions.push_back(op);
  if (shape.reductions.empty())
    return std::nullopt;
  shape.full = cast<RankedTensorType>(shape.reductions[0].getX().getType());
  ArrayRef<int64_t> axes = shape.reductions[0].getAxes();
  shape.lead = shape.full.getRank() - int64_t(axes.size());
  for (auto [i, axis] : llvm::enumerate(axes))
    if (axis != shape.lead + int64_t(i))
      return std::nullopt;
  SmallVector<AffineExpr> full = getDims(shape.full);
  for (ReduceOp op : shape.reductions)
    if (op.getAxes() != axes || getDims(op.getX().getType()) != full)
      return std::nullopt;
  // Every other op: elementwise, or a reshape between the two row shapes.
  for (Operation &op : body) {
    if (isa<ReduceOp, ConstantOp, YieldOp>(op))
      continue;
    if (auto reshape = dyn_cast<ReshapeOp>(op)) {
      if (isRowShape(getDims(reshape.getX().getType()), shape) && isRowShape(getDims(reshape.getType()), shape))
        continue;
      return std::nullopt;
    }
    if (!isa<ScalarBodyInterface, BroadcastOp>(op))
      return std::nullopt;
    for (Value v : op.getOperands()) // an operand of lower rank would be right-aligned
      if (v.getDefiningOp<ReduceOp>() && int64_t(full.size()) != shape.lead &&
          cast<RankedTensorType>(op.getResult(0).getType()).getRank() != shape.lead)
        return std::nullopt;
  }
  for (Value v : body.getTerminator()->getOperands())
    if (getDims(v.getType()) != full && !isRowShape(getDims(v.getType()), shape))
      return std::nullopt;
  return shape;
}

/// Body ops a value is computed from, stopping at reductions other than itself.
void collectCone(Value v, llvm::SetVector<Operation *> &cone) {
  Operation *op = v.getDefiningOp();
  if (!op || isa<ReduceOp>(op) || !cone.insert(op))
    return;
  for (Value operand : op->getOperands())
    collectCone(operand, cone);
}

/// For pass i (reduction i), the dear values that a later pass needs again.
SmallVector<SmallVector<Value>> chooseKept(KernelOp kernel, const Shape &shape) {
  SmallVector<llvm::SetVector<Operation *>> cones;
  for (ReduceOp op : shape.reductions) {
    cones.emplace_back();
    collectCone(op.getX(), cones.back());
  }
  cones.emplace_back();
  for (Value v : kernel.getBody().front().getTerminator()->getOperands())
    if (getDims(v.getType()) == getDims(shape.full))
      collectCone(v, cones.back());
  SmallVector<SmallVector<Value>> kept(shape.reductions.size());
  llvm::DenseSet<Operation *> done;
  for (size_t i = 0; i < shape.reductions.size(); ++i)
    for (Operation *op : cones[i]) {
      auto body = dyn_cast<ScalarBodyInterface>(op);
      if (!body || body.getElementCost() < 8 || done.contains(op) ||
          getDims(op->getResult(0).getType()) != getDims(shape.full))
        continue;
      for (size_t j = i + 1; j < cones.size(); ++j)
        if (cones[j].contains(op)) {
          kept[i].push_back(op->getResult(0));
          done.insert(op);
          break;
        }
    }
  return kept;
}

std::optional<Plan> planRowBlock(KernelOp kernel, const CpuTarget &target) {
  std::optional<Shape> shape = analyse(kernel);
  if (!shape)
    return std::nullopt;
  Builder b(kernel.getContext());
  SmallVector<AffineExpr> full = getDims(shape->full);
  AffineExpr rows = b.getAffineConstantExpr(1), inner = rows;
  for (int64_t i = 0; i < int64_t(full.size()); ++i)
    (i < shape->lead ? rows : inner) = (i < shape->lead ? rows : inner) * full[i];
  int64_t keptCount = 0;
  for (auto &values : chooseKept(kernel, *shape))
    keptCount += values.size();
  auto staticInner = dyn_cast<AffineConstantExpr>(inner);
  int64_t cost = std::max<int64_t>(elementCost(kernel) % 1000 + 4, 1);
  int64_t count = staticInner ? std::max<int64_t>(16384 / (cost * std::max<int64_t>(staticInner.getValue(), 1)), 1) : 1;
  Plan plan;
  plan.params.push_back(b.getNamedAttr("lanes", b.getI64IntegerAttr(chooseLanes(target, widestCarried(kernel), full.back()))));
  plan.params.push_back(b.getNamedAttr("rows", b.getI64IntegerAttr(count)));
  plan.grid = rows.ceilDiv(count);
  // Rows of scratch start on 64 bytes and take 8 bytes an element at most.
  plan.scratch = (inner.ceilDiv(8) * 64 + 64) * keptCount;
  return plan;
}

LogicalResult emitRowBlock(KernelContext &context) {
  Emitter &e = context.e;
  Shape shape = *analyse(context.kernel);
  SmallVector<SmallVector<Value>> kept = chooseKept(context.kernel, shape);
  Block &body = context.kernel.getBody().front();
  int64_t rank = shape.full.getRank(), last = rank - 1;
  SmallVector<Value> sizes;
  for (AffineExpr dim : getDims(shape.full))
    sizes.push_back(e.expr(dim));
  ArrayRef<Value> leadSizes = ArrayRef(sizes).take_front(shape.lead);
  Value rows = e.num(1), inner = e.num(1);
  for (int64_t i = 0; i < rank; ++i)
    (i < shape.lead ? rows : inner) = e.mul(i < shape.lead ? rows : inner, sizes[i]);
  Value middle = e.num(1); // reduced dims but the last
  for (int64_t i = shape.lead; i < last; ++i)
    middle = e.mul(middle, sizes[i]);
  SmallVector<Value> middleSizes(sizes.begin() + shape.lead, sizes.begin() + last);
  Value rowBytes = e.add(e.mul(e.divU(e.add(inner, e.num(7)), e.num(8)), e.num(64)), e.num(64));
  unsigned lanes = context.param("lanes");
  SmallVector<Value> yields(body.getTerminator()->getOperands());
  auto fullYield = [&](Value v) { return getDims(v.getType()) == getDims(shape.full); };
  for (ReduceOp op : shape.reductions)
    if (!e.vectorizes(op.getX(), last))
      lanes = 1;
  Value count = e.num(context.param("rows"));
  e.forLoop(e.mul(context.wgBegin, count), e.min(rows, e.mul(context.wgEnd, count)), e.num(1), [&](Value row) {
    SmallVector<Value> lead = e.delinearize(row, leadSizes);
    int64_t slot = 0;
    SmallVector<Value> overridden;
    auto indexAt = [&](Value m, Value i) {
      SmallVector<Value> index(lead);
      index.append(e.delinearize(m, middleSizes));
      index.push_back(i);
      return index;
    };
    for (auto [pass, op] : llvm::enumerate(shape.reductions)) {
      auto resultType = cast<RankedTensorType>(op.getType());
      Type carried = carriedType(resultType.getElementType());
      bool isUns = isUnsigned(resultType.getElementType());
      SmallVector<Value> rowsOfScratch;
      for (size_t k = 0; k < kept[pass].size(); ++k)
        rowsOfScratch.push_back(LLVM::GEPOp::create(
            e.b, e.loc, LLVM::LLVMPointerType::get(e.b.getContext()), e.b.getI8Type(), context.scratch,
            ArrayRef<LLVM::GEPArg>{e.mul(rowBytes, e.num(slot++))}));
      auto scratchType = [&](Value v) { return carriedType(cast<RankedTensorType>(v.getType()).getElementType()); };
      auto reduceMiddle = [&](Value m) {
        return vectorReduce(e, op.getKind(), isUns, carried, sizes[last], lanes, [&](Value i, unsigned width) {
          SmallVector<Value> index = indexAt(m, i);
          for (auto [value, base] : llvm::zip(kept[pass], rowsOfScratch))
            e.store(e.address(base, e.add(e.mul(m, sizes[last]), i), scratchType(value)), scratchType(value),
                    e.element(value, index, width, last));
          return e.element(op.getX(), index, width, last);
        });
      };
      Value total = e.forLoop(e.num(0), middle, e.num(1), e.reduceIdentity(op.getKind(), carried, isUns),
                              [&](Value m, ValueRange acc) -> SmallVector<Value> {
                                return {e.combine(op.getKind(), acc[0], reduceMiddle(m), isUns)};
                              })[0];
      e.setSource(op.getResult(), [&e, total](ArrayRef<Value>, unsigned width, int64_t) { return e.splat(total, width); });
      overridden.push_back(op.getResult());
      for (auto [value, base] : llvm::zip(kept[pass], rowsOfScratch)) {
        Type type = scratchType(value);
        Value pointer = base, width0 = sizes[last];
        SmallVector<Value> mids = middleSizes;
        int64_t leadDims = shape.lead;
        e.setSource(value, [&e, pointer, width0, mids, leadDims, type](ArrayRef<Value> index, unsigned width, int64_t) {
          Value m = e.num(0);
          for (size_t d = 0; d < mids.size(); ++d)
            m = e.add(e.mul(m, mids[d]), index[leadDims + d]);
          return e.load(e.address(pointer, e.add(e.mul(m, width0), index.back()), type), type, width);
        });
        overridden.push_back(value);
      }
    }
    unsigned storeLanes = lanes;
    for (Value v : yields)
      if (fullYield(v) && !e.vectorizes(v, last))
        storeLanes = 1;
    if (llvm::any_of(yields, fullYield))
      e.forLoop(e.num(0), middle, e.num(1), [&](Value m) {
        vectorLoop(e, e.num(0), sizes[last], storeLanes, [&](Value i, unsigned width) {
          SmallVector<Value> index = indexAt(m, i);
          for (auto [v, buffer] : llvm::zip(yields, context.outputs))
            if (fullYield(v))
              e.store(buffer, index, e.element(v, index, width, last), last);
        });
      });
    for (auto [v, buffer] : llvm::zip(yields, context.outputs))
      if (!fullYield(v)) {
        SmallVector<Value> index(lead);
        index.resize(cast<RankedTensorType>(v.getType()).getRank(), e.num(0));
        e.store(buffer, index, e.element(v, index), -1);
      }
    for (Value v : overridden)
      e.dropSource(v);
  });
  return success();
}

} // namespace

const Family smelt::codegen::cpu::rowblockFamily = {"rowblock", planRowBlock, emitRowBlock, Views::Any};
