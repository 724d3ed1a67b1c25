//===- Map.cpp - Kernels that compute each element by itself ----------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   smelt.kernel { y = add(x, b); z = tanh(y); yield z }
//     ->  for row: for i step lanes: store z[row, i..] = element(z, ...)
//
// Takes any body of which the element emitter knows every op, so it is the
// last family tried. Neighbouring dims that all values treat alike become one.
// Tested by test/codegen/cpu/map.mlir and by every corpus model.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/families/Loops.h"
#include "dialects/smelt/Constants.h"
#include "dialects/smelt/Placement.h"

using namespace mlir;
using namespace smelt;
using namespace smelt::codegen;
using namespace smelt::codegen::cpu;

namespace {

/// Groups of neighbouring result dims that can be one loop: in every value of
/// the body both are the result's, or both are 1; in memory they are one row.
SmallVector<SmallVector<int64_t>> collapseGroups(KernelOp kernel) {
  auto type = cast<RankedTensorType>(kernel.getResultTypes()[0]);
  SmallVector<AffineExpr> out = getDims(type);
  SmallVector<SmallVector<int64_t>> groups;
  bool onlyElementwise = llvm::all_of(kernel.getBody().front(), [](Operation &op) {
    return isa<ScalarBodyInterface, ConstantOp, BroadcastOp, YieldOp>(op);
  });
  SmallVector<SmallVector<AffineExpr>> values;
  auto see = [&](Value v) {
    if (!v.getDefiningOp<ConstantOp>())
      values.push_back(getDims(v.getType()));
  };
  for (Value arg : kernel.getBody().getArguments())
    see(arg);
  for (Operation &op : kernel.getBody().front())
    for (Value result : op.getResults())
      see(result);
  auto isOne = [](AffineExpr e) {
    auto constant = dyn_cast<AffineConstantExpr>(e);
    return constant && constant.getValue() == 1;
  };
  // Operands and results that lie in other buffers: dims, strides.
  SmallVector<std::pair<SmallVector<AffineExpr>, SmallVector<AffineExpr>>> strided;
  for (unsigned i = 0; i < kernel.getNumOperands() + kernel.getNumResults(); ++i)
    if (hasStrides(kernel, i)) {
      Type viewed = i < kernel.getNumOperands() ? kernel.getOperand(i).getType()
                                                : kernel.getResult(i - kernel.getNumOperands()).getType();
      strided.emplace_back(getDims(viewed), getStrides(kernel, i));
    }
  auto alike = [&](ArrayRef<int64_t> group, int64_t next) {
    for (const auto &[dims, strides] : strided) {
      int64_t d = next - (int64_t(out.size()) - int64_t(dims.size()));
      if (d > 0 && strides[d - 1] != strides[d] * dims[d])
        return false;
    }
    for (const auto &dims : values) {
      int64_t shift = int64_t(out.size()) - int64_t(dims.size());
      auto full = [&](int64_t d) { return d - shift >= 0 && dims[d - shift] == out[d]; };
      auto one = [&](int64_t d) { return d - shift < 0 || isOne(dims[d - shift]); };
      // All of the group, not neighbours by pairs: a unit dim is full and one.
      if (!(llvm::all_of(group, full) && full(next)) && !(llvm::all_of(group, one) && one(next)))
        return false;
    }
    return true;
  };
  for (int64_t i = 0; i < int64_t(out.size()); ++i) {
    if (i > 0 && onlyElementwise && alike(groups.back(), i))
      groups.back().push_back(i);
    else
      groups.push_back({i});
  }
  return groups;
}

SmallVector<AffineExpr> collapsedDims(RankedTensorType type, ArrayRef<SmallVector<int64_t>> groups, int64_t rank) {
  SmallVector<AffineExpr> dims = getDims(type), result;
  int64_t shift = rank - int64_t(dims.size());
  for (const auto &group : groups) {
    AffineExpr size = getAffineConstantExpr(1, type.getContext());
    for (int64_t d : group)
      if (d - shift >= 0)
        size = size * dims[d - shift];
    result.push_back(size);
  }
  return result;
}

/// Rows and their length after collapsing.
std::pair<AffineExpr, AffineExpr> rowsAndLength(RankedTensorType type, ArrayRef<SmallVector<int64_t>> groups) {
  SmallVector<AffineExpr> dims = collapsedDims(type, groups, type.getRank());
  AffineExpr one = getAffineConstantExpr(1, type.getContext());
  if (dims.empty())
    return {one, one};
  AffineExpr rows = one;
  for (AffineExpr dim : ArrayRef(dims).drop_back())
    rows = rows * dim;
  return {rows, dims.back()};
}

std::optional<Plan> planMap(KernelOp kernel, const CpuTarget &target) {
  if (!isElementwiseComputable(kernel) || kernel.getNumResults() == 0)
    return std::nullopt;
  auto type = cast<RankedTensorType>(kernel.getResultTypes()[0]);
  for (Type other : kernel.getResultTypes())
    if (getDims(other) != getDims(type))
      return std::nullopt;
  Builder b(kernel.getContext());
  auto [rows, length] = rowsAndLength(type, collapseGroups(kernel));
  // About 16k additions a workgroup: enough to pay for its dispatch.
  int64_t elements = std::max<int64_t>(16384 / elementCost(kernel), 64);
  Plan plan;
  unsigned lanes = chooseLanes(target, widestCarried(kernel), length);
  plan.params.push_back(b.getNamedAttr("lanes", b.getI64IntegerAttr(lanes)));
  auto staticRows = dyn_cast<AffineConstantExpr>(rows), staticLength = dyn_cast<AffineConstantExpr>(length);
  if (staticRows && staticRows.getValue() == 1) {
    int64_t chunk = llvm::divideCeil(elements, 64) * 64;
    plan.params.push_back(b.getNamedAttr("chunk", b.getI64IntegerAttr(chunk)));
    plan.grid = length.ceilDiv(chunk);
  } else {
    int64_t count = staticLength ? std::max<int64_t>(elements / std::max<int64_t>(staticLength.getValue(), 1), 1) : 1;
    plan.params.push_back(b.getNamedAttr("rows", b.getI64IntegerAttr(count)));
    plan.grid = rows.ceilDiv(count);
  }
  return plan;
}

/// Gives every value of the body its collapsed type.
void collapse(KernelContext &context, ArrayRef<SmallVector<int64_t>> groups, int64_t rank) {
  Emitter &e = context.e;
  if (int64_t(groups.size()) == rank)
    return;
  auto retype = [&](Value v) {
    auto type = cast<RankedTensorType>(v.getType());
    v.setType(getTensorType(collapsedDims(type, groups, rank), type.getElementType()));
  };
  Block &body = context.kernel.getBody().front();
  auto relayout = [&](Buffer &buffer, Type type) { // a group steps as its last dim does
    SmallVector<Value> strides;
    int64_t shift = rank - int64_t(buffer.strides.size());
    for (const auto &group : groups)
      strides.push_back(group.back() >= shift ? buffer.strides[group.back() - shift] : e.num(1));
    buffer.strides = strides;
    buffer.sizes.clear();
    for (AffineExpr dim : getDims(type))
      buffer.sizes.push_back(e.expr(dim));
  };
  for (auto [arg, buffer] : llvm::zip(body.getArguments(), context.inputs)) {
    retype(arg);
    relayout(buffer, arg.getType());
    e.setBuffer(arg, buffer);
  }
  for (Operation &op : body)
    for (Value result : op.getResults())
      if (auto constant = dyn_cast<ConstantOp>(op); !constant)
        retype(result);
  for (auto [value, buffer] : llvm::zip(body.getTerminator()->getOperands(), context.outputs))
    relayout(buffer, value.getType());
}

LogicalResult emitMap(KernelContext &context) {
  Emitter &e = context.e;
  Block &body = context.kernel.getBody().front();
  auto type = cast<RankedTensorType>(context.kernel.getResultTypes()[0]);
  SmallVector<SmallVector<int64_t>> groups = collapseGroups(context.kernel);
  auto [rowsExpr, lengthExpr] = rowsAndLength(type, groups);
  collapse(context, groups, type.getRank());
  OperandRange yields = body.getTerminator()->getOperands();
  int64_t rank = cast<RankedTensorType>(yields[0].getType()).getRank(), last = rank - 1;
  Value rows = e.expr(rowsExpr), length = e.expr(lengthExpr);
  SmallVector<Value> outerSizes = e.sizes(yields[0]);
  if (rank > 0)
    outerSizes.pop_back();
  unsigned lanes = context.param("lanes");
  if (rank == 0 || !llvm::all_of(yields, [&](Value v) { return e.vectorizes(v, last); }))
    lanes = 1;
  // Small or narrow on purpose is no weakness; rows of length 1 have no lanes.
  if (auto fixed = dyn_cast<AffineConstantExpr>(lengthExpr);
      lanes == 1 && context.param("lanes") > 1 && (!fixed || fixed.getValue() >= 64))
    context.kernel.emitRemark() << "not vectorized: " << context.kernel.getName()
                                << " is computed one element at a time, its operands are not read in order";
  auto computeRow = [&](ArrayRef<Value> outer, Value from, Value to) {
    vectorLoop(e, from, to, lanes, [&](Value i, unsigned width) {
      SmallVector<Value> index(outer);
      if (rank > 0)
        index.push_back(i);
      for (auto [value, buffer] : llvm::zip(yields, context.outputs))
        e.store(buffer, index, e.element(value, index, width, last), last);
    });
  };
  if (context.params().get("chunk")) {
    Value chunk = e.num(context.param("chunk"));
    SmallVector<Value> outer(outerSizes.size(), e.num(0));
    computeRow(outer, e.mul(context.wgBegin, chunk), e.min(length, e.mul(context.wgEnd, chunk)));
    return success();
  }
  Value count = e.num(context.param("rows"));
  e.forLoop(e.mul(context.wgBegin, count), e.min(rows, e.mul(context.wgEnd, count)), e.num(1), [&](Value row) {
    computeRow(e.delinearize(row, outerSizes), e.num(0), length);
  });
  return success();
}

} // namespace

const Family smelt::codegen::cpu::mapFamily = {"map", planMap, emitMap, Views::Any};
