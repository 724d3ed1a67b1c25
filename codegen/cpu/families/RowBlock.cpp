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
#include "codegen/cpu/families/RowBlock.h"
#include "codegen/cpu/families/Loops.h"
#include "dialects/smelt/Constants.h"

using namespace mlir;

namespace smelt::codegen::cpu {

namespace {

bool isUnitExpr(AffineExpr e) {
  auto constant = dyn_cast<AffineConstantExpr>(e);
  return constant && constant.getValue() == 1;
}

/// Dims `dims` are those of one value per row: the leading ones, then ones.
bool isRowShape(ArrayRef<AffineExpr> dims, const RowShape &shape) {
  SmallVector<AffineExpr> full = getDims(shape.full);
  if (int64_t(dims.size()) < shape.lead || dims.size() > full.size())
    return false;
  for (int64_t i = 0; i < int64_t(dims.size()); ++i)
    if (i < shape.lead ? dims[i] != full[i] : !isUnitExpr(dims[i]))
      return false;
  return true;
}

/// Body ops a value is computed from, stopping at reductions and what is given.
void collectCone(Value v, const RowShape &shape, llvm::SetVector<Operation *> &cone) {
  Operation *op = v.getDefiningOp();
  if (!op || isa<ReduceOp>(op) || op == shape.given || !cone.insert(op))
    return;
  for (Value operand : op->getOperands())
    collectCone(operand, shape, cone);
}

} // namespace

std::optional<RowShape> analyseRows(KernelOp kernel, Operation *given) {
  RowShape shape;
  shape.given = given;
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
  llvm::SetVector<Operation *> before;
  if (given) {
    if (getDims(given->getResult(0).getType()) != full)
      return std::nullopt;
    for (Value operand : given->getOperands()) {
      collectCone(operand, shape, before);
      if (operand.getDefiningOp<ReduceOp>())
        return std::nullopt;
    }
    for (Operation *op : before) // would run for every element
      if (llvm::any_of(op->getOperands(), [](Value v) { return bool(v.getDefiningOp<ReduceOp>()); }))
        return std::nullopt;
  }
  // Every other op: elementwise, or a reshape between the two row shapes.
  for (Operation &op : body) {
    if (isa<ReduceOp, ConstantOp, YieldOp>(op) || &op == given || before.contains(&op))
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

/// For pass i (reduction i), the dear values that a later pass needs again.
static SmallVector<SmallVector<Value>> chooseKept(KernelOp kernel, const RowShape &shape) {
  SmallVector<llvm::SetVector<Operation *>> cones;
  for (ReduceOp op : shape.reductions) {
    cones.emplace_back();
    collectCone(op.getX(), shape, cones.back());
  }
  cones.emplace_back();
  for (Value v : kernel.getBody().front().getTerminator()->getOperands())
    if (getDims(v.getType()) == getDims(shape.full))
      collectCone(v, shape, cones.back());
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

static AffineExpr product(ArrayRef<AffineExpr> dims, MLIRContext *context) {
  AffineExpr result = getAffineConstantExpr(1, context);
  for (AffineExpr dim : dims)
    result = result * dim;
  return result;
}

AffineExpr RowShape::rows() const { return product(ArrayRef(getDims(full)).take_front(lead), full.getContext()); }
AffineExpr RowShape::inner() const { return product(ArrayRef(getDims(full)).drop_front(lead), full.getContext()); }

unsigned chooseRowLanes(KernelOp kernel, const CpuTarget &target, const RowShape &shape) {
  return chooseLanes(target, widestCarried(kernel), getDims(shape.full).back());
}

AffineExpr rowScratch(KernelOp kernel, const RowShape &shape) {
  int64_t keptCount = 0;
  for (auto &values : chooseKept(kernel, shape))
    keptCount += values.size();
  // Rows of scratch start on 64 bytes and take 8 bytes an element at most.
  return (shape.inner().ceilDiv(8) * 64 + 64) * keptCount;
}

static std::optional<Plan> planRowBlock(KernelOp kernel, const CpuTarget &target) {
  std::optional<RowShape> shape = analyseRows(kernel);
  if (!shape)
    return std::nullopt;
  Builder b(kernel.getContext());
  auto staticInner = dyn_cast<AffineConstantExpr>(shape->inner());
  int64_t cost = std::max<int64_t>(elementCost(kernel) % 1000 + 4, 1);
  int64_t count = staticInner ? std::max<int64_t>(16384 / (cost * std::max<int64_t>(staticInner.getValue(), 1)), 1) : 1;
  Plan plan;
  plan.params.push_back(b.getNamedAttr("lanes", b.getI64IntegerAttr(chooseRowLanes(kernel, target, *shape))));
  plan.params.push_back(b.getNamedAttr("rows", b.getI64IntegerAttr(count)));
  plan.grid = shape->rows().ceilDiv(count);
  plan.scratch = rowScratch(kernel, *shape);
  return plan;
}

void emitRows(KernelContext &context, const RowShape &shape, unsigned lanes, Value scratch, Value begin, Value end,
              llvm::function_ref<void(Value)> eachRow) {
  Emitter &e = context.e;
  SmallVector<SmallVector<Value>> kept = chooseKept(context.kernel, shape);
  Block &body = context.kernel.getBody().front();
  int64_t rank = shape.full.getRank(), last = rank - 1;
  SmallVector<Value> sizes;
  for (AffineExpr dim : getDims(shape.full))
    sizes.push_back(e.expr(dim));
  ArrayRef<Value> leadSizes = ArrayRef(sizes).take_front(shape.lead);
  Value inner = e.num(1);
  for (Value size : ArrayRef(sizes).drop_front(shape.lead))
    inner = e.mul(inner, size);
  Value middle = e.num(1); // reduced dims but the last
  for (int64_t i = shape.lead; i < last; ++i)
    middle = e.mul(middle, sizes[i]);
  SmallVector<Value> middleSizes(sizes.begin() + shape.lead, sizes.begin() + last);
  Value rowBytes = e.add(e.mul(e.divU(e.add(inner, e.num(7)), e.num(8)), e.num(64)), e.num(64));
  SmallVector<Value> yields(body.getTerminator()->getOperands());
  auto fullYield = [&](Value v) { return getDims(v.getType()) == getDims(shape.full); };
  for (ReduceOp op : shape.reductions)
    if (!e.vectorizes(op.getX(), last))
      lanes = 1;
  e.forLoop(begin, end, e.num(1), [&](Value row) {
    if (eachRow)
      eachRow(row);
    SmallVector<Value> lead = e.delinearize(row, leadSizes);
    int64_t slot = 0;
    SmallVector<Value> overridden;
    auto indexAt = [&](Value m, Value i) {
      SmallVector<Value> index(lead);
      index.append(e.delinearize(m, middleSizes));
      index.push_back(i);
      return index;
    };
    for (auto [pass, reduction] : llvm::enumerate(shape.reductions)) {
      ReduceOp op = reduction;
      auto resultType = cast<RankedTensorType>(op.getType());
      Type carried = carriedType(resultType.getElementType());
      bool isUns = isUnsigned(resultType.getElementType());
      SmallVector<Value> rowsOfScratch;
      for (size_t k = 0; k < kept[pass].size(); ++k)
        rowsOfScratch.push_back(LLVM::GEPOp::create(
            e.b, e.loc, LLVM::LLVMPointerType::get(e.b.getContext()), e.b.getI8Type(), scratch,
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
}

static LogicalResult emitRowBlock(KernelContext &context) {
  Emitter &e = context.e;
  RowShape shape = *analyseRows(context.kernel);
  Value count = e.num(context.param("rows"));
  emitRows(context, shape, context.param("lanes"), context.scratch, e.mul(context.wgBegin, count),
           e.min(e.expr(shape.rows()), e.mul(context.wgEnd, count)));
  return success();
}

const Family rowblockFamily = {"rowblock", planRowBlock, emitRowBlock, Views::Any, {}, true};

} // namespace smelt::codegen::cpu
