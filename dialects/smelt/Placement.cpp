//===- Placement.cpp - Where the values between kernels lie -----------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tested by test/passes/storage/.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/Placement.h"

using namespace mlir;

namespace smelt {

bool isPlacing(Operation *op) {
  return isa_and_nonnull<ConcatOp, SliceOp>(op) && !isa_and_nonnull<KernelOp>(op->getParentOp());
}

static bool isOne(AffineExpr e) {
  auto constant = dyn_cast<AffineConstantExpr>(e);
  return constant && constant.getValue() == 1;
}

SmallVector<AffineExpr> getRowMajorStrides(Type type) {
  SmallVector<AffineExpr> dims = getDims(type), result(dims.size());
  AffineExpr stride = getAffineConstantExpr(1, type.getContext());
  for (size_t i = dims.size(); i-- > 0;) {
    result[i] = stride;
    stride = stride * dims[i];
  }
  return result;
}

bool isRowMajor(Type type, ArrayRef<AffineExpr> strides) {
  SmallVector<AffineExpr> dims = getDims(type), plain = getRowMajorStrides(type);
  for (size_t d = 0; d < dims.size(); ++d)
    if (!isOne(dims[d]) && strides[d] != plain[d])
      return false;
  return true;
}

std::optional<SmallVector<AffineExpr>> reshapeStrides(Type from, ArrayRef<AffineExpr> strides, Type to) {
  if (isRowMajor(from, strides))
    return getRowMajorStrides(to);
  SmallVector<AffineExpr> a = getDims(from), c = getDims(to), result(c.size());
  // From the innermost dim out: runs of dims with equal products, each of which
  // has to be one evenly spaced row in memory.
  int64_t i = int64_t(a.size()) - 1, j = int64_t(c.size()) - 1;
  AffineExpr one = getAffineConstantExpr(1, from.getContext());
  while (i >= 0 || j >= 0) {
    if (i >= 0 && isOne(a[i])) {
      --i;
      continue;
    }
    if (j >= 0 && isOne(c[j])) {
      result[j] = j + 1 < int64_t(c.size()) ? result[j + 1] * c[j + 1] : one;
      --j;
      continue;
    }
    if (i < 0 || j < 0)
      return std::nullopt;
    AffineExpr stride = strides[i], pa = a[i], pc = c[j], next = stride * a[i];
    result[j] = stride;
    --i, --j;
    while (pa != pc) {
      auto ca = dyn_cast<AffineConstantExpr>(pa), cc = dyn_cast<AffineConstantExpr>(pc);
      bool takesFrom = ca && cc ? ca.getValue() < cc.getValue() : i >= 0;
      if (takesFrom) {
        if (i < 0 || (!isOne(a[i]) && strides[i] != next))
          return std::nullopt;
        pa = pa * a[i];
        next = next * a[i];
        --i;
      } else {
        if (j < 0)
          return std::nullopt;
        result[j] = result[j + 1] * c[j + 1];
        pc = pc * c[j];
        --j;
      }
    }
  }
  return result;
}

/// The use of a value, or of a reshape of it, by a concat that places it.
static Operation *getSink(Value v) {
  for (Operation *user : v.getUsers()) {
    if (isa<ConcatOp>(user) && isPlacing(user))
      return user;
    if (isa<ReshapeOp>(user) && !isa<KernelOp>(user->getParentOp()) && getSink(user->getResult(0)))
      return user;
  }
  return nullptr;
}

std::optional<Placement> getPlacement(Value v) {
  if (Operation *sink = getSink(v)) {
    std::optional<Placement> outer = getPlacement(sink->getResult(0));
    if (!outer)
      return std::nullopt;
    if (auto concat = dyn_cast<ConcatOp>(sink)) {
      for (Value input : concat.getInputs()) {
        if (input == v)
          return outer;
        int64_t axis = concat.getAxis();
        outer->offset = outer->offset + getDim(input.getType(), axis) * outer->strides[axis];
      }
      llvm_unreachable("a user has the value as operand");
    }
    auto strides = reshapeStrides(sink->getResult(0).getType(), outer->strides, v.getType());
    if (!strides)
      return std::nullopt;
    return Placement{outer->root, outer->offset, *strides};
  }
  Operation *op = v.getDefiningOp();
  if (isa_and_nonnull<ReshapeOp, RebindOp>(op)) {
    std::optional<Placement> inner = getPlacement(op->getOperand(0));
    if (!inner)
      return std::nullopt;
    auto strides = reshapeStrides(op->getOperand(0).getType(), inner->strides, v.getType());
    if (!strides)
      return std::nullopt;
    return Placement{inner->root, inner->offset, *strides};
  }
  if (auto slice = dyn_cast_or_null<SliceOp>(op); slice && isPlacing(op)) {
    std::optional<Placement> inner = getPlacement(slice.getX());
    if (!inner)
      return std::nullopt;
    for (auto [d, step] : llvm::enumerate(slice.getSteps())) {
      inner->offset = inner->offset + slice.getStarts().getExprs()[d] * inner->strides[d];
      inner->strides[d] = inner->strides[d] * step;
    }
    return inner;
  }
  return Placement{v, getAffineConstantExpr(0, v.getContext()), getRowMajorStrides(v.getType())};
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

static Type typeOf(KernelOp kernel, unsigned i) {
  unsigned operands = kernel.getNumOperands();
  return i < operands ? kernel.getOperand(i).getType() : kernel.getResult(i - operands).getType();
}

static DimsAttr stridesAttr(KernelOp kernel, unsigned i) {
  ArrayAttr strides = kernel.getStridesAttr();
  auto dims = strides && i < strides.size() ? dyn_cast<DimsAttr>(strides[i]) : DimsAttr();
  return dims && dims.size() ? dims : DimsAttr();
}

bool hasStrides(KernelOp kernel, unsigned i) { return bool(stridesAttr(kernel, i)); }

SmallVector<AffineExpr> getStrides(KernelOp kernel, unsigned i) {
  if (DimsAttr dims = stridesAttr(kernel, i))
    return SmallVector<AffineExpr>(dims.getExprs());
  return getRowMajorStrides(typeOf(kernel, i));
}

FailureOr<ArrayAttr> getPlacedStrides(KernelOp kernel) {
  SmallVector<Attribute> strides;
  auto none = DimsAttr::get(kernel.getContext(), ArrayRef<AffineExpr>());
  bool any = false;
  auto see = [&](Value v) {
    std::optional<Placement> placement = getPlacement(v);
    if (!placement)
      return failure();
    bool plain = isRowMajor(v.getType(), placement->strides);
    any |= !plain;
    strides.push_back(plain ? none : DimsAttr::get(kernel.getContext(), placement->strides));
    return success();
  };
  for (Value v : kernel.getOperands())
    if (failed(see(v)))
      return failure();
  for (Value v : kernel.getResults())
    if (failed(see(v)))
      return failure();
  return any ? ArrayAttr::get(kernel.getContext(), strides) : ArrayAttr();
}

LogicalResult updateStrides(KernelOp kernel) {
  FailureOr<ArrayAttr> strides = getPlacedStrides(kernel);
  if (failed(strides))
    return failure();
  if (*strides)
    kernel.setStridesAttr(*strides);
  else
    kernel.removeStridesAttr();
  return success();
}

ConcatOp getJoin(KernelOp kernel) {
  Block &body = kernel.getBody().front();
  if (!llvm::hasNItems(body, 2))
    return {};
  auto concat = dyn_cast<ConcatOp>(body.front());
  if (!concat || body.getTerminator()->getNumOperands() != 1 || body.getTerminator()->getOperand(0) != concat.getResult())
    return {};
  return concat;
}

OpResult getJoinable(KernelOp join, Value operand) {
  Value v = operand;
  while (auto reshape = v.getDefiningOp<ReshapeOp>())
    v = reshape.getX();
  auto producer = v.getDefiningOp<KernelOp>();
  if (!producer || producer->getBlock() != join->getBlock())
    return {};
  std::function<bool(Value)> onlyKernelsRead = [&](Value value) {
    return llvm::all_of(value.getUsers(), [&](Operation *user) {
      if (isa<ReshapeOp>(user))
        return onlyKernelsRead(user->getResult(0));
      return isa<KernelOp>(user);
    });
  };
  return onlyKernelsRead(v) ? cast<OpResult>(v) : OpResult();
}

} // namespace smelt
