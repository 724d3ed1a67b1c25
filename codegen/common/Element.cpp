//===- Element.cpp - One element of a body value ----------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The dispatch of the element emitter, elementwise ops and data movement.
// ElementCompute.cpp has contractions, windows, reductions and resampling.
//
//===----------------------------------------------------------------------===//
#include "codegen/common/Emitter.h"
#include "dialects/smelt/Constants.h"
#include "dialects/smelt/Placement.h"

using namespace mlir;
using namespace smelt;
using namespace smelt::codegen;

static RankedTensorType tensorType(Value v) { return cast<RankedTensorType>(v.getType()); }

SmallVector<Value> Emitter::sizes(Value tensor) {
  SmallVector<Value> result;
  for (AffineExpr dim : getDims(tensor.getType()))
    result.push_back(expr(dim));
  return result;
}

Value Emitter::element(Value tensor, ArrayRef<Value> index, unsigned lanes, int64_t laneDim) {
  assert(int64_t(index.size()) == tensorType(tensor).getRank());
  std::vector<void *> key = {tensor.getAsOpaquePointer(), reinterpret_cast<void *>(uintptr_t(lanes)),
                             reinterpret_cast<void *>(uintptr_t(lanes > 1 ? laneDim : -1))};
  for (Value i : index)
    key.push_back(i.getAsOpaquePointer());
  for (Scope &scope : scopes)
    if (auto it = scope.elements.find(key); it != scope.elements.end())
      return it->second;
  Value result;
  if (auto source = sources.find(tensor); source != sources.end())
    result = source->second(index, lanes, laneDim);
  else if (auto buffer = buffers.find(tensor); buffer != buffers.end())
    result = load(buffer->second, index, lanes, laneDim);
  else
    result = elementOf(tensor.getDefiningOp(), tensor, index, lanes, laneDim);
  scopes.back().elements[key] = result;
  return result;
}

Value Emitter::lanesOf(Value tensor, ArrayRef<Value> index, unsigned lanes, int64_t laneDim) {
  SmallVector<Value> parts, at(index);
  for (unsigned l = 0; l < lanes; ++l) {
    at[laneDim] = add(index[laneDim], num(l));
    parts.push_back(element(tensor, at));
  }
  return vector::FromElementsOp::create(b, loc, VectorType::get({int64_t(lanes)}, parts[0].getType()), parts);
}

Value Emitter::constantElement(ConstantOp op, unsigned lanes) {
  double value = *getSplatValue(op.getResult()); // formation passes all others as operands
  return splat(constantLike(carriedType(tensorType(op.getResult()).getElementType()), value), lanes);
}

Value Emitter::elementOf(Operation *op, Value tensor, ArrayRef<Value> index, unsigned lanes, int64_t laneDim) {
  if (lanes > 1 && !vectorizes(tensor, laneDim))
    return lanesOf(tensor, index, lanes, laneDim);
  if (auto body = dyn_cast<ScalarBodyInterface>(op))
    return elementwise(body, index, lanes, laneDim);
  return TypeSwitch<Operation *, Value>(op)
      .Case([&](ConstantOp constantOp) { return constantElement(constantOp, lanes); })
      .Case([&](FromExprsOp fromExprs) { return splat(fromExprsElement(fromExprs, index), lanes); })
      .Case([&](IotaOp iota) -> Value {
        Value i = index[iota.getAxis()];
        if (lanes > 1) {
          i = splat(i, lanes);
          if (int64_t(iota.getAxis()) == laneDim)
            i = arith::AddIOp::create(b, loc, i, laneIndex(lanes));
        }
        Type type = carriedType(tensorType(tensor).getElementType());
        Type target = lanes > 1 ? Type(VectorType::get({int64_t(lanes)}, type)) : type;
        if (isa<FloatType>(type))
          return arith::SIToFPOp::create(b, loc, target, i);
        if (type.getIntOrFloatBitWidth() < 64)
          return arith::TruncIOp::create(b, loc, target, i);
        return i;
      })
      .Case([&](ReshapeOp reshape) { return reshapeElement(reshape, index, lanes, laneDim); })
      .Case([&](RebindOp rebind) { return element(rebind.getX(), index, lanes, laneDim); })
      .Case([&](TransposeOp transpose) {
        SmallVector<Value> from(index.size());
        for (auto [i, p] : llvm::enumerate(transpose.getPerm()))
          from[p] = index[i];
        return element(transpose.getX(), from, lanes, lanes > 1 ? transpose.getPerm()[laneDim] : -1);
      })
      .Case([&](BroadcastOp broadcast) {
        return broadcastOperand(broadcast.getX(), broadcast.getResult(), index, lanes, laneDim);
      })
      .Case([&](SliceOp slice) {
        SmallVector<Value> from;
        for (auto [i, start, step] : llvm::zip(index, slice.getStarts().getExprs(), slice.getSteps()))
          from.push_back(add(expr(start), mul(i, num(step))));
        return element(slice.getX(), from, lanes, laneDim);
      })
      .Case([&](ConcatOp concat) { return concatElement(concat, index, lanes, laneDim); })
      .Case([&](PadOp pad) { return padElement(pad, index, lanes, laneDim); })
      .Case([&](TileOp tile) {
        SmallVector<Value> from;
        for (auto [i, size] : llvm::zip(index, sizes(tile.getX())))
          from.push_back(remU(i, size));
        if (lanes > 1)
          from[laneDim] = index[laneDim];
        return element(tile.getX(), from, lanes, laneDim);
      })
      .Case([&](GatherOp gather) { return gatherElement(gather, index, lanes, laneDim); })
      .Case([&](GatherElementsOp gather) { return gatherElementsElement(gather, index); })
      .Case([&](GatherNDOp gather) { return gatherNDElement(gather, index, lanes, laneDim); })
      .Case([&](ReduceOp reduce) { return reduceElement(reduce, index, lanes, laneDim); })
      .Case([&](ArgReduceOp reduce) { return argReduceElement(reduce, index); })
      .Case([&](MatMulOp matmul) { return matmulElement(matmul, index, lanes, laneDim); })
      .Case([&](ConvOp conv) { return convElement(conv, index, lanes, laneDim); })
      .Case([&](ConvTransposeOp conv) { return convTransposeElement(conv, index, lanes, laneDim); })
      .Case([&](PoolOp pool) { return poolElement(pool, index, lanes, laneDim); })
      .Case([&](ArgPoolOp pool) { return argPoolElement(pool, index); })
      .Case([&](ResizeOp resize) { return resizeElement(resize, index, lanes, laneDim); })
      .Default([&](Operation *other) -> Value {
        llvm_unreachable("a family took an op the element emitter does not know");
      });
}

//===----------------------------------------------------------------------===//
// Which values have vector code
//===----------------------------------------------------------------------===//

static bool isUnit(Value tensor, int64_t dim) { return tensorType(tensor).getDimSize(dim) == 1; }
static bool sameDim(Value a, int64_t i, Value b, int64_t j) { return getDim(a.getType(), i) == getDim(b.getType(), j); }

namespace {
/// How the dims of a reshape correspond: groups of source and result dims with
/// equal products, as short as the sizes allow.
struct DimGroup {
  SmallVector<int64_t> from, to;
};
} // namespace

static SmallVector<DimGroup> groupDims(Value from, Value to) {
  SmallVector<AffineExpr> a = getDims(from.getType()), c = getDims(to.getType());
  SmallVector<DimGroup> groups;
  size_t i = 0, j = 0;
  auto isOne = [](AffineExpr e) {
    auto constantExpr = dyn_cast<AffineConstantExpr>(e);
    return constantExpr && constantExpr.getValue() == 1;
  };
  while (i < a.size() || j < c.size()) {
    DimGroup group;
    AffineExpr pa = getAffineConstantExpr(1, from.getContext()), pc = pa;
    auto takeA = [&] { pa = pa * a[i]; group.from.push_back(i++); };
    auto takeC = [&] { pc = pc * c[j]; group.to.push_back(j++); };
    if (i < a.size() && isOne(a[i])) {
      takeA();
    } else if (j < c.size() && isOne(c[j])) {
      takeC();
    } else {
      if (i < a.size())
        takeA();
      if (j < c.size())
        takeC();
      while (pa != pc && (i < a.size() || j < c.size())) {
        auto ca = dyn_cast<AffineConstantExpr>(pa), cc = dyn_cast<AffineConstantExpr>(pc);
        if (ca && cc) {
          if (ca.getValue() < cc.getValue() ? i < a.size() : j >= c.size())
            takeA();
          else
            takeC();
        } else { // symbolic: one group to the end of both
          while (i < a.size())
            takeA();
          while (j < c.size())
            takeC();
        }
      }
    }
    groups.push_back(group);
  }
  return groups;
}

/// The source dim that runs along with a result dim of a reshape, -1 if none does.
static int64_t laneOfReshape(ReshapeOp op, int64_t laneDim) {
  for (DimGroup &group : groupDims(op.getX(), op.getResult())) {
    if (!llvm::is_contained(group.to, laneDim))
      continue;
    if (group.to.back() != laneDim || group.from.empty())
      return -1;
    if (group.to.size() == 1 && group.from.size() == 1)
      return group.from[0];
    auto inner = dyn_cast<AffineConstantExpr>(getDim(op.getX().getType(), group.from.back()));
    auto outer = dyn_cast<AffineConstantExpr>(getDim(op.getType(), laneDim));
    // A row of the result lies within one row of the source.
    if (inner && outer && outer.getValue() > 0 && inner.getValue() % outer.getValue() == 0)
      return group.from.back();
    return -1;
  }
  return -1;
}

bool Emitter::vectorizes(Value tensor, int64_t laneDim) {
  if (laneDim < 0)
    return false;
  if (auto it = vectorizable.find({tensor, laneDim}); it != vectorizable.end())
    return it->second;
  bool result = computeVectorizes(tensor, laneDim);
  vectorizable[{tensor, laneDim}] = result;
  return result;
}

bool Emitter::computeVectorizes(Value tensor, int64_t laneDim) {
  if (sources.count(tensor))
    return true;
  if (auto it = buffers.find(tensor); it != buffers.end()) {
    auto stride = constant(it->second.strides[laneDim]);
    return stride && (*stride == 1 || *stride == 0);
  }
  Operation *op = tensor.getDefiningOp();
  int64_t rank = tensorType(tensor).getRank();
  auto operandOk = [&](Value operand) { // right-aligned broadcasting
    int64_t dim = laneDim - (rank - tensorType(operand).getRank());
    if (dim < 0 || isUnit(operand, dim))
      return true;
    return sameDim(operand, dim, tensor, laneDim) && vectorizes(operand, dim);
  };
  if (isa<ScalarBodyInterface>(op) || isa<BroadcastOp>(op))
    return llvm::all_of(op->getOperands(), operandOk);
  return TypeSwitch<Operation *, bool>(op)
      .Case<ConstantOp, IotaOp>([](auto) { return true; })
      .Case([&](RebindOp rebind) { return vectorizes(rebind.getX(), laneDim); })
      .Case([&](TransposeOp t) { return vectorizes(t.getX(), t.getPerm()[laneDim]); })
      .Case([&](ReshapeOp reshape) {
        int64_t dim = laneOfReshape(reshape, laneDim);
        return dim >= 0 && vectorizes(reshape.getX(), dim);
      })
      .Case([&](SliceOp slice) { return slice.getSteps()[laneDim] == 1 && vectorizes(slice.getX(), laneDim); })
      .Case([&](ConcatOp concat) {
        return int64_t(concat.getAxis()) != laneDim &&
               llvm::all_of(concat.getInputs(), [&](Value v) { return vectorizes(v, laneDim); });
      })
      .Case([&](PadOp pad) {
        return pad.getLow().getExprs()[laneDim] == getAffineConstantExpr(0, pad.getContext()) &&
               sameDim(pad.getX(), laneDim, tensor, laneDim) && vectorizes(pad.getX(), laneDim);
      })
      .Case([&](TileOp tile) {
        return sameDim(tile.getX(), laneDim, tensor, laneDim) && vectorizes(tile.getX(), laneDim);
      })
      .Case([&](GatherOp gather) {
        int64_t axis = gather.getAxis(), q = tensorType(gather.getIndices()).getRank();
        if (laneDim >= axis && laneDim < axis + q)
          return false;
        return vectorizes(gather.getX(), laneDim < axis ? laneDim : laneDim - q + 1);
      })
      .Case([&](GatherNDOp gather) {
        int64_t q = tensorType(gather.getIndices()).getRank();
        int64_t tuple = tensorType(gather.getIndices()).getDimSize(q - 1);
        if (ShapedType::isDynamic(tuple) || laneDim < q - 1)
          return false;
        return vectorizes(gather.getX(), laneDim - (q - 1) + gather.getBatchDims() + tuple);
      })
      .Case([&](ReduceOp reduce) {
        int64_t dim = laneDim;
        for (int64_t axis : reduce.getAxes())
          dim += axis <= dim;
        return vectorizes(reduce.getX(), dim);
      })
      .Case([&](MatMulOp matmul) {
        return laneDim == rank - 1 && !matmul.getTransposeRhs() &&
               tensorType(matmul.getLhs()).getElementType() == tensorType(matmul.getRhs()).getElementType() &&
               vectorizes(matmul.getRhs(), tensorType(matmul.getRhs()).getRank() - 1);
      })
      .Case([&](PoolOp pool) { return pool.getChannelsLast() && laneDim == rank - 1 && vectorizes(pool.getX(), laneDim); })
      .Case([&](ResizeOp resize) {
        return sameDim(resize.getX(), laneDim, tensor, laneDim) && resize.getScales()[laneDim] == 1.0 &&
               vectorizes(resize.getX(), laneDim);
      })
      .Default([](Operation *) { return false; });
}

//===----------------------------------------------------------------------===//
// Elementwise and movement
//===----------------------------------------------------------------------===//

Value Emitter::broadcastOperand(Value operand, Value like, ArrayRef<Value> index, unsigned lanes, int64_t laneDim) {
  if (auto constantOp = operand.getDefiningOp<ConstantOp>()) // one value, whatever its shape: dims may be collapsed
    return constantElement(constantOp, lanes);
  int64_t rank = tensorType(operand).getRank(), shift = int64_t(index.size()) - rank;
  SmallVector<Value> at;
  bool uniform = true;
  for (int64_t i = 0; i < rank; ++i) {
    bool isLane = lanes > 1 && i + shift == laneDim;
    if (isUnit(operand, i)) {
      at.push_back(num(0));
    } else if (sameDim(operand, i, like, i + shift)) {
      at.push_back(index[i + shift]);
      uniform &= !isLane;
    } else { // 1 or the result's size: only the run knows
      assert(!isLane && "vectorizes() promised otherwise");
      Value size = expr(getDim(operand.getType(), i));
      at.push_back(select(cmp(arith::CmpIPredicate::eq, size, num(1)), num(0), index[i + shift]));
    }
  }
  if (lanes == 1 || uniform)
    return splat(element(operand, at), lanes);
  return element(operand, at, lanes, laneDim - shift);
}

Value Emitter::elementwise(ScalarBodyInterface op, ArrayRef<Value> index, unsigned lanes, int64_t laneDim) {
  SmallVector<Value> args;
  Value result = op->getResult(0);
  // Values that do not change along the lanes are computed once and spread.
  bool uniform = lanes > 1;
  for (Value operand : op->getOperands()) {
    int64_t dim = laneDim - (tensorType(result).getRank() - tensorType(operand).getRank());
    if (lanes > 1 && dim >= 0 && !isUnit(operand, dim) && !operand.getDefiningOp<ConstantOp>())
      uniform = false;
  }
  unsigned width = uniform ? 1 : lanes;
  for (Value operand : op->getOperands())
    args.push_back(broadcastOperand(operand, result, index, width, laneDim));
  return splat(op.emitScalarBody(b, op->getLoc(), args), lanes);
}

Value Emitter::fromExprsElement(FromExprsOp op, ArrayRef<Value> index) {
  SmallVector<Value> dims = sizes(op.getResult());
  Value linear = num(0);
  for (auto [i, size] : llvm::zip(index, dims))
    linear = add(mul(linear, size), i);
  ArrayRef<AffineExpr> exprs = op.getValues().getExprs();
  Value value = expr(exprs.back());
  for (int64_t k = int64_t(exprs.size()) - 2; k >= 0; --k)
    value = select(cmp(arith::CmpIPredicate::eq, linear, num(k)), expr(exprs[k]), value);
  Type type = carriedType(tensorType(op.getResult()).getElementType());
  if (isa<FloatType>(type))
    return arith::SIToFPOp::create(b, loc, type, value);
  if (type.isInteger(1))
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, value, num(0));
  return type.getIntOrFloatBitWidth() < 64 ? Value(arith::TruncIOp::create(b, loc, type, value)) : value;
}

Value Emitter::reshapeElement(ReshapeOp op, ArrayRef<Value> index, unsigned lanes, int64_t laneDim) {
  SmallVector<Value> from(tensorType(op.getX()).getRank()), fromSizes = sizes(op.getX()),
      toSizes = sizes(op.getResult());
  for (DimGroup &group : groupDims(op.getX(), op.getResult())) {
    if (group.from.size() == 1 && group.to.size() == 1) {
      from[group.from[0]] = index[group.to[0]];
      continue;
    }
    Value linear = num(0);
    for (int64_t j : group.to)
      linear = add(mul(linear, toSizes[j]), index[j]);
    SmallVector<Value> groupSizes;
    for (int64_t i : group.from)
      groupSizes.push_back(fromSizes[i]);
    for (auto [i, value] : llvm::zip(group.from, delinearize(linear, groupSizes)))
      from[i] = value;
  }
  return element(op.getX(), from, lanes, lanes > 1 ? laneOfReshape(op, laneDim) : -1);
}

Value Emitter::concatElement(ConcatOp op, ArrayRef<Value> index, unsigned lanes, int64_t laneDim) {
  int64_t axis = op.getAxis();
  SmallVector<Value> starts = {num(0)};
  for (Value input : op.getInputs())
    starts.push_back(add(starts.back(), expr(getDim(input.getType(), axis))));
  Type type = carriedType(tensorType(op.getResult()).getElementType());
  if (lanes > 1)
    type = VectorType::get({int64_t(lanes)}, type);
  std::function<Value(size_t)> pick = [&](size_t k) -> Value {
    auto inner = [&]() -> Value {
      SmallVector<Value> at(index);
      at[axis] = sub(index[axis], starts[k]);
      return element(op.getInputs()[k], at, lanes, laneDim);
    };
    if (k + 1 == op.getInputs().size())
      return inner();
    return ifElse(cmp(arith::CmpIPredicate::slt, index[axis], starts[k + 1]), type, inner, [&] { return pick(k + 1); });
  };
  return pick(0);
}

Value Emitter::inside(Value position, Value size) { return cmp(arith::CmpIPredicate::ult, position, size); }

Value Emitter::padElement(PadOp op, ArrayRef<Value> index, unsigned lanes, int64_t laneDim) {
  SmallVector<Value> at, from = sizes(op.getX());
  Value ok;
  for (int64_t i = 0; i < int64_t(index.size()); ++i) {
    AffineExpr low = op.getLow().getExprs()[i];
    bool unchanged = low == getAffineConstantExpr(0, op.getContext()) && sameDim(op.getX(), i, op.getResult(), i);
    if (unchanged) {
      at.push_back(index[i]);
      continue;
    }
    Value p = sub(index[i], expr(low)), size = from[i];
    switch (op.getMode()) {
    case PadMode::constant: {
      Value in = inside(p, size);
      ok = ok ? Value(arith::AndIOp::create(b, loc, ok, in)) : in;
      break;
    }
    case PadMode::edge:
      p = max(num(0), min(p, sub(size, num(1))));
      break;
    case PadMode::wrap: {
      Value r = arith::RemSIOp::create(b, loc, p, size);
      p = select(cmp(arith::CmpIPredicate::slt, r, num(0)), add(r, size), r);
      break;
    }
    case PadMode::reflect: { // ... 2 1 | 0 1 2 ... n-1 | n-2 ...: period 2(n-1)
      Value period = max(num(1), mul(num(2), sub(size, num(1))));
      Value r = arith::RemSIOp::create(b, loc, p, period);
      r = select(cmp(arith::CmpIPredicate::slt, r, num(0)), add(r, period), r);
      p = select(cmp(arith::CmpIPredicate::slt, r, size), r, sub(period, r));
      break;
    }
    }
    at.push_back(p);
  }
  if (!ok)
    return element(op.getX(), at, lanes, laneDim);
  Type type = carriedType(tensorType(op.getResult()).getElementType());
  if (lanes > 1)
    type = VectorType::get({int64_t(lanes)}, type);
  return ifElse(ok, type, [&] { return element(op.getX(), at, lanes, laneDim); },
                [&] { return splat(element(op.getValue(), {}), lanes); });
}

/// A possibly negative index as an index in [0, size); flags and clamps others.
Value Emitter::checkedIndex(Value index, Value size) {
  Type type = index.getType();
  if (type.getIntOrFloatBitWidth() < 64)
    index = arith::ExtSIOp::create(b, loc, b.getI64Type(), index);
  Value wrapped = select(cmp(arith::CmpIPredicate::slt, index, num(0)), add(index, size), index);
  Value ok = cmp(arith::CmpIPredicate::ult, wrapped, size);
  flagBadIndex(arith::XOrIOp::create(b, loc, ok, arith::ConstantOp::create(b, loc, b.getBoolAttr(true))));
  return select(ok, wrapped, num(0));
}

Value Emitter::gatherElement(GatherOp op, ArrayRef<Value> index, unsigned lanes, int64_t laneDim) {
  int64_t axis = op.getAxis(), q = tensorType(op.getIndices()).getRank();
  Value i = element(op.getIndices(), index.slice(axis, q));
  if (isUnsigned(tensorType(op.getIndices()).getElementType()) && i.getType().getIntOrFloatBitWidth() < 64)
    i = arith::ExtUIOp::create(b, loc, b.getI64Type(), i);
  SmallVector<Value> at(index.take_front(axis));
  at.push_back(checkedIndex(i, expr(getDim(op.getX().getType(), axis))));
  at.append(index.begin() + axis + q, index.end());
  return element(op.getX(), at, lanes, laneDim < axis ? laneDim : laneDim - q + 1);
}

Value Emitter::gatherElementsElement(GatherElementsOp op, ArrayRef<Value> index) {
  SmallVector<Value> at(index);
  at[op.getAxis()] = checkedIndex(element(op.getIndices(), index), expr(getDim(op.getX().getType(), op.getAxis())));
  return element(op.getX(), at);
}

Value Emitter::gatherNDElement(GatherNDOp op, ArrayRef<Value> index, unsigned lanes, int64_t laneDim) {
  int64_t q = tensorType(op.getIndices()).getRank(), batch = op.getBatchDims();
  int64_t tuple = tensorType(op.getIndices()).getDimSize(q - 1);
  SmallVector<Value> at(index.take_front(batch)), where(index.take_front(q - 1));
  where.push_back(num(0));
  for (int64_t t = 0; t < tuple; ++t) {
    where.back() = num(t);
    at.push_back(checkedIndex(element(op.getIndices(), where), expr(getDim(op.getX().getType(), batch + t))));
  }
  at.append(index.begin() + (q - 1), index.end());
  return element(op.getX(), at, lanes, lanes > 1 ? laneDim - (q - 1) + batch + tuple : -1);
}

bool smelt::codegen::isElementwiseComputable(KernelOp kernel) {
  return llvm::all_of(kernel.getBody().front(), [](Operation &op) {
    if (auto constant = dyn_cast<ConstantOp>(op))
      return getSplatValue(constant.getResult()).has_value();
    return isa<ScalarBodyInterface, FromExprsOp, IotaOp, ReshapeOp, RebindOp, TransposeOp, BroadcastOp, SliceOp,
               ConcatOp, PadOp, TileOp, GatherOp, GatherElementsOp, GatherNDOp, ReduceOp, ArgReduceOp, MatMulOp, ConvOp,
               ConvTransposeOp, PoolOp, ArgPoolOp, ResizeOp, YieldOp>(op);
  });
}

Buffer smelt::codegen::bufferOf(Emitter &e, KernelOp kernel, unsigned index, Type type, Value pointer) {
  Buffer buffer;
  buffer.pointer = pointer;
  buffer.elementType = cast<RankedTensorType>(type).getElementType();
  for (AffineExpr dim : getDims(type))
    buffer.sizes.push_back(e.expr(dim));
  if (hasStrides(kernel, index)) {
    for (AffineExpr stride : getStrides(kernel, index))
      buffer.strides.push_back(e.expr(stride));
    return buffer;
  }
  buffer.strides.assign(buffer.sizes.size(), e.num(1));
  for (int64_t d = int64_t(buffer.sizes.size()) - 2; d >= 0; --d)
    buffer.strides[d] = e.mul(buffer.strides[d + 1], buffer.sizes[d + 1]);
  return buffer;
}
