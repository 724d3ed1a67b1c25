//===- Contraction.cpp - What matmul and convolution share ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/families/Contraction.h"
#include "dialects/smelt/Constants.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace smelt::codegen::cpu {

//===----------------------------------------------------------------------===//
// Recognising kernels
//===----------------------------------------------------------------------===//

std::optional<int64_t> asConstant(AffineExpr e) {
  if (auto constant = dyn_cast<AffineConstantExpr>(e))
    return constant.getValue();
  return std::nullopt;
}

bool isEpilogueOf(KernelOp kernel, Operation *root) {
  Block &block = kernel.getBody().front();
  SmallVector<AffineExpr> dims = getDims(root->getResult(0).getType());
  DenseSet<Operation *> dependent = {root};
  for (Operation &op : block) {
    if (&op == root || op.hasTrait<OpTrait::IsTerminator>())
      continue;
    bool depends = llvm::any_of(op.getOperands(), [&](Value v) { return dependent.count(v.getDefiningOp()); });
    if (!depends)
      continue;
    if (!isa<ScalarBodyInterface>(op) || getDims(op.getResult(0).getType()) != dims)
      return false;
    dependent.insert(&op);
  }
  return llvm::all_of(block.getTerminator()->getOperands(),
                      [&](Value v) { return getDims(v.getType()) == dims; });
}

int64_t argumentNumber(Value value) {
  auto argument = dyn_cast<BlockArgument>(value);
  return argument ? int64_t(argument.getArgNumber()) : -1;
}

Value constantOperand(KernelOp kernel, int64_t argument) {
  if (argument < 0)
    return {};
  Value operand = kernel.getInputs()[argument];
  return operand.getDefiningOp<ConstantOp>() ? operand : Value();
}

Value computedFromConstant(KernelOp kernel, Value value) {
  SmallVector<AffineExpr> dims = getDims(value.getType());
  SmallVector<Value> work = {value};
  Value found;
  while (!work.empty()) {
    Value v = work.pop_back_val();
    if (auto argument = dyn_cast<BlockArgument>(v)) {
      if (getDims(v.getType()) != dims)
        continue; // broadcast
      if (found || !argument.hasOneUse() || !constantOperand(kernel, argument.getArgNumber()))
        return {};
      found = v;
    } else if (isa<ScalarBodyInterface>(v.getDefiningOp())) {
      llvm::append_range(work, v.getDefiningOp()->getOperands());
    } else if (!isa<ConstantOp>(v.getDefiningOp())) {
      return {};
    }
  }
  return found == value ? Value() : found;
}

SmallVector<AffineExpr> stridesOf(KernelOp kernel, unsigned operandOrResult, Type type) {
  if (ArrayAttr strides = kernel.getStridesAttr())
    if (operandOrResult < strides.size())
      if (auto dims = dyn_cast<DimsAttr>(strides[operandOrResult]); dims && dims.size())
        return SmallVector<AffineExpr>(dims.getExprs());
  SmallVector<AffineExpr> dims = getDims(type), result(dims.size());
  AffineExpr stride = getAffineConstantExpr(1, type.getContext());
  for (size_t i = dims.size(); i-- > 0;) {
    result[i] = stride;
    stride = stride * dims[i];
  }
  return result;
}

bool isComputable(Operation &op) {
  if (auto constant = dyn_cast<ConstantOp>(op))
    return getSplatValue(constant.getResult()).has_value();
  return isa<ScalarBodyInterface, FromExprsOp, IotaOp, ReshapeOp, RebindOp, TransposeOp, BroadcastOp, SliceOp, ConcatOp,
             PadOp, TileOp, GatherOp, GatherElementsOp, GatherNDOp, YieldOp>(op);
}

bool isComputableAround(KernelOp kernel, Operation *root) {
  return llvm::all_of(kernel.getBody().front(), [&](Operation &op) { return &op == root || isComputable(op); });
}

bool isArithmetic(Type elementType) {
  if (auto floating = dyn_cast<FloatType>(elementType))
    return floating.isF32() || floating.isF64() || floating.isF16() || floating.isBF16();
  auto integer = dyn_cast<IntegerType>(elementType);
  return integer && integer.getWidth() >= 8 && integer.getWidth() <= 64;
}

//===----------------------------------------------------------------------===//
// The register tile
//===----------------------------------------------------------------------===//

static Type withLanes(Type element, Type like) {
  auto vector = dyn_cast<VectorType>(like);
  return vector ? Type(VectorType::get(vector.getShape(), element)) : element;
}

Value widen(Emitter &e, Value carried, Type type, Type acc) {
  Type from = getElementTypeOrSelf(carried.getType());
  if (from == acc)
    return carried;
  Type to = withLanes(acc, carried.getType());
  if (isa<FloatType>(acc))
    return isa<FloatType>(from) ? Value(arith::ExtFOp::create(e.b, e.loc, to, carried))
           : isUnsigned(type)   ? Value(arith::UIToFPOp::create(e.b, e.loc, to, carried))
                                : Value(arith::SIToFPOp::create(e.b, e.loc, to, carried));
  if (from.getIntOrFloatBitWidth() > acc.getIntOrFloatBitWidth())
    return arith::TruncIOp::create(e.b, e.loc, to, carried);
  return isUnsigned(type) ? Value(arith::ExtUIOp::create(e.b, e.loc, to, carried))
                          : Value(arith::ExtSIOp::create(e.b, e.loc, to, carried));
}

Value multiplyAdd(Emitter &e, Value x, Value y, Value acc) {
  if (isa<FloatType>(getElementTypeOrSelf(acc.getType())))
    return LLVM::FMAOp::create(e.b, e.loc, acc.getType(), x, y, acc);
  return arith::AddIOp::create(e.b, e.loc, acc, arith::MulIOp::create(e.b, e.loc, x, y));
}

Value laneMask(Emitter &e, unsigned lanes, Value valid) {
  return arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::slt, e.laneIndex(lanes), e.splat(valid, lanes));
}

Value maskedLoad(Emitter &e, Value pointer, Type type, unsigned lanes, Value mask) {
  Type storage = type;
  if (auto integer = dyn_cast<IntegerType>(type))
    storage = e.b.getIntegerType(integer.getWidth());
  auto vector = VectorType::get({int64_t(lanes)}, storage);
  Value zero = arith::ConstantOp::create(e.b, e.loc, e.b.getZeroAttr(vector));
  Value raw = LLVM::MaskedLoadOp::create(e.b, e.loc, vector, pointer, mask, zero,
                                         e.b.getI32IntegerAttr(getElementBytes(type)), UnitAttr());
  Type carried = carriedType(type);
  return carried == storage ? raw : arith::ExtFOp::create(e.b, e.loc, VectorType::get({int64_t(lanes)}, carried), raw);
}

SmallVector<Value> zeroTile(Emitter &e, const Tile &tile, Type acc) {
  Type type = tile.lanes > 1 ? Type(VectorType::get({int64_t(tile.lanes)}, acc)) : acc;
  return SmallVector<Value>(tile.mr * tile.nv, e.constantLike(type, 0));
}

SmallVector<Value> accumulate(Emitter &e, const Tile &tile, Type acc, const RowOperand &a, const PanelOperand &b,
                              Value k, ValueRange init, unsigned unroll) {
  // Few accumulators cannot keep the FMA units busy: then the steps of one loop
  // turn go to sets of their own, which are added at the end.
  unsigned sets = 1;
  while (tile.mr * tile.nv * sets < 8 && sets < unroll)
    sets *= 2;
  if (auto count = e.constant(k); count && *count < 4 * unroll)
    sets = 1;
  // A tile with enough accumulators gains nothing by more than two steps a turn,
  // and LLVM's time grows with every address in the loop.
  if (sets == 1)
    unroll = 2;
  SmallVector<Value> masks(tile.nv);
  if (b.valid)
    for (unsigned j = 0; j < tile.nv; ++j)
      masks[j] = laneMask(e, tile.lanes, e.sub(b.valid, e.num(j * tile.lanes)));

  size_t count = tile.mr * tile.nv;
  SmallVector<Value> state(init);
  for (unsigned s = 1; s < sets; ++s)
    llvm::append_range(state, zeroTile(e, tile, acc));

  auto steps = [&](Value k0, ValueRange carried, unsigned turns) {
    SmallVector<Value> sums(carried);
    Value bRow = e.address(b.pointer, e.mul(k0, b.step), b.type), aCol = e.mul(k0, a.step);
    SmallVector<Value> rows;
    for (Value pointer : a.pointers)
      rows.push_back(e.address(pointer, aCol, a.type));
    for (unsigned u = 0; u < turns; ++u) {
      unsigned set = u % sets;
      SmallVector<Value> bs;
      for (unsigned j = 0; j < tile.nv; ++j) {
        Value at = e.address(bRow, e.add(e.mul(e.num(u), b.step), e.num(j * tile.lanes)), b.type);
        Value value = masks[j] ? maskedLoad(e, at, b.type, tile.lanes, masks[j]) : e.load(at, b.type, tile.lanes);
        bs.push_back(widen(e, value, b.type, acc));
      }
      for (unsigned i = 0; i < tile.mr; ++i) {
        Value value = e.load(e.address(rows[i], e.mul(e.num(u), a.step), a.type), a.type);
        Value spread = e.splat(widen(e, value, a.type, acc), tile.lanes);
        for (unsigned j = 0; j < tile.nv; ++j) {
          Value &sum = sums[set * count + i * tile.nv + j];
          sum = multiplyAdd(e, spread, bs[j], sum);
        }
      }
    }
    return sums;
  };
  Value whole = e.sub(k, e.remU(k, e.num(unroll)));
  state = e.forLoop(e.num(0), whole, e.num(unroll), state,
                    [&](Value k0, ValueRange carried) { return steps(k0, carried, unroll); });
  if (auto rest = e.constant(e.remU(k, e.num(unroll)))) {
    if (*rest)
      state = steps(whole, state, *rest);
  } else {
    state = e.forLoop(whole, k, e.num(1), state,
                      [&](Value k0, ValueRange carried) { return steps(k0, carried, 1); });
  }
  SmallVector<Value> result(ArrayRef(state).take_front(count));
  for (unsigned half = sets / 2; half >= 1; half /= 2) // a tree, set by set
    for (unsigned s = 0; s < half; ++s)
      for (size_t i = 0; i < count; ++i) {
        Value &low = s == 0 ? result[i] : state[s * count + i];
        low = e.combine(ReduceKind::sum, low, state[(s + half) * count + i], false);
      }
  return result;
}

//===----------------------------------------------------------------------===//
// The epilogue
//===----------------------------------------------------------------------===//

/// Cost of the body's epilogue for one element; light ones are computed from the
/// registers, others from a copy of the tile so that their code stands once.
static bool isLightEpilogue(KernelOp kernel, Value root) {
  int64_t cost = 0;
  DenseSet<Operation *> dependent = {root.getDefiningOp()};
  for (Operation &op : kernel.getBody().front())
    if (llvm::any_of(op.getOperands(), [&](Value v) { return dependent.contains(v.getDefiningOp()); })) {
      dependent.insert(&op);
      if (auto body = dyn_cast<ScalarBodyInterface>(op))
        cost += body.getElementCost();
    }
  return cost <= 4;
}

Epilogue::Epilogue(KernelContext &ctx, Value root, Type acc, Value tileMemory, int64_t colDim, IndexOf indexOf)
    : ctx(ctx), e(ctx.e), root(root), acc(acc), tileMemory(tileMemory), colDim(colDim) {
  // A unit dim has index 0 by whatever way it is reached, as broadcasting says so too.
  SmallVector<int64_t> unit;
  for (auto [d, size] : llvm::enumerate(cast<RankedTensorType>(root.getType()).getShape()))
    if (size == 1)
      unit.push_back(d);
  this->indexOf = [this, unit, indexOf = std::move(indexOf)](Value row, Value col) {
    SmallVector<Value> index = indexOf(row, col);
    for (int64_t d : unit)
      index[d] = e.num(0);
    return index;
  };
  e.setSource(root, [](ArrayRef<Value>, unsigned, int64_t) { return Value(); });
  hasLanes = true;
  for (Value yielded : ctx.kernel.getBody().front().getTerminator()->getOperands())
    hasLanes &= e.vectorizes(yielded, colDim);
  for (const Buffer &output : ctx.outputs)
    hasLanes &= e.constant(output.strides[colDim]) == 1;
  isLight = hasLanes && isLightEpilogue(ctx.kernel, root);
}

void Epilogue::storeLanes(Value accumulator, Value row, Value col, unsigned lanes) {
  e.setSource(root, [=](ArrayRef<Value>, unsigned, int64_t) { return accumulator; });
  SmallVector<Value> index = indexOf(row, col), values;
  auto yielded = ctx.kernel.getBody().front().getTerminator()->getOperands();
  for (Value value : yielded)
    values.push_back(e.element(value, index, lanes, colDim));
  for (auto [output, value] : llvm::zip(ctx.outputs, values))
    e.store(output, index, value, colDim);
}

void Epilogue::useRowLanes(ArrayRef<Value> rowSizes) {
  int64_t lastDim = cast<RankedTensorType>(root.getType()).getRank() - 1;
  if (hasLanes || e.constant(rowSizes.back()) == 1)
    return;
  for (Value yielded : ctx.kernel.getBody().front().getTerminator()->getOperands())
    if (!e.vectorizes(yielded, lastDim))
      return;
  for (const Buffer &output : ctx.outputs)
    if (e.constant(output.strides[lastDim]) != 1)
      return;
  lineSize = rowSizes.back();
}

void Epilogue::storeRows(Value memory, int64_t pitch, unsigned lanes, Value row0, Value col0, Value cols) {
  int64_t lastDim = cast<RankedTensorType>(root.getType()).getRank() - 1;
  Buffer tile{memory, acc, {e.num(lanes), cols}, {e.num(pitch), e.num(1)}};
  e.forLoop(e.num(0), cols, e.num(1), [&](Value j) {
    Value accumulator = e.load(tile, {e.num(0), j}, lanes, 0);
    e.setSource(root, [=](ArrayRef<Value>, unsigned, int64_t) { return accumulator; });
    SmallVector<Value> index = indexOf(row0, e.add(col0, j)), values;
    for (Value value : ctx.kernel.getBody().front().getTerminator()->getOperands())
      values.push_back(e.element(value, index, lanes, lastDim));
    for (auto [output, value] : llvm::zip(ctx.outputs, values))
      e.store(output, index, value, lastDim);
  });
}

void Epilogue::direct(const Tile &tile, ArrayRef<Value> accumulators, Value row0, Value col0) {
  // All loads before all stores: what one row of columns needs is loaded once.
  SmallVector<SmallVector<Value>> indices;
  std::map<std::vector<void *>, Value> known;
  auto keyOf = [](ArrayRef<Value> index) {
    std::vector<void *> key;
    for (Value i : index)
      key.push_back(i.getAsOpaquePointer());
    return key;
  };
  for (unsigned i = 0; i < tile.mr; ++i)
    for (unsigned j = 0; j < tile.nv; ++j) {
      indices.push_back(indexOf(e.add(row0, e.num(i)), e.add(col0, e.num(j * tile.lanes))));
      known[keyOf(indices.back())] = accumulators[i * tile.nv + j];
    }
  e.setSource(root, [&](ArrayRef<Value> index, unsigned, int64_t) { return known.at(keyOf(index)); });
  for (auto [output, value] : llvm::zip(ctx.outputs, ctx.kernel.getBody().front().getTerminator()->getOperands())) {
    SmallVector<Value> values;
    for (auto &index : indices)
      values.push_back(e.element(value, index, tile.lanes, colDim));
    for (auto [index, result] : llvm::zip(indices, values))
      e.store(output, index, result, colDim);
  }
  e.setSource(root, [](ArrayRef<Value>, unsigned, int64_t) { return Value(); }); // `known` ends here
}

void Epilogue::finishFromMemory(Value memory, int64_t pitch, unsigned lanes, Value row0, Value rows, Value col0,
                                Value cols) {
  if (!hasLanes)
    lanes = 1;
  e.forLoop(e.num(0), rows, e.num(1), [&](Value i) {
    Value line = e.address(memory, e.mul(i, e.num(pitch)), acc);
    auto part = [&](Value j, unsigned width) {
      storeLanes(e.load(e.address(line, j, acc), acc, width), e.add(row0, i), e.add(col0, j), width);
    };
    Value whole = e.sub(cols, e.remU(cols, e.num(lanes)));
    e.forLoop(e.num(0), whole, e.num(lanes), [&](Value j) { part(j, lanes); });
    if (lanes == 1)
      return;
    if (auto rest = e.constant(e.sub(cols, whole))) {
      // Halves down to single columns; never over columns already written, as
      // an output may be the very buffer of an input.
      int64_t from = *e.constant(whole), left = *rest;
      for (unsigned width = lanes / 2; width >= 1; width /= 2)
        if (left >= int64_t(width)) {
          part(e.num(from), width);
          from += width;
          left -= width;
        }
      return;
    }
    e.forLoop(whole, cols, e.num(1), [&](Value j) { part(j, 1); });
  });
}

void Epilogue::finish(const Tile &tile, ArrayRef<Value> accumulators, Value row0, Value rows, Value col0, Value cols) {
  if (isLight && e.constant(rows) == tile.mr && e.constant(cols) == tile.nr())
    return direct(tile, accumulators, row0, col0);
  for (unsigned i = 0; i < tile.mr; ++i)
    for (unsigned j = 0; j < tile.nv; ++j)
      e.store(e.address(tileMemory, e.num(i * tile.nr() + j * tile.lanes), acc), acc, accumulators[i * tile.nv + j]);
  if (lineSize && e.constant(rows) == tile.mr && tile.mr > 1 && llvm::isPowerOf2_32(tile.mr)) {
    Value inLine = e.cmp(arith::CmpIPredicate::sle, e.add(e.remU(row0, lineSize), rows), lineSize);
    e.ifThen(inLine, [&] { storeRows(tileMemory, tile.nr(), tile.mr, row0, col0, cols); });
    Value yes = arith::ConstantOp::create(e.b, e.loc, e.b.getBoolAttr(true));
    e.ifThen(e.b.createOrFold<arith::XOrIOp>(e.loc, inLine, yes),
             [&] { finishFromMemory(tileMemory, tile.nr(), tile.lanes, row0, rows, col0, cols); });
    return;
  }
  finishFromMemory(tileMemory, tile.nr(), tile.lanes, row0, rows, col0, cols);
}

int64_t tileBytes(const Tile &tile, Type acc) {
  return llvm::alignTo(tile.mr * tile.nr() * getElementBytes(acc), 64);
}

void forRowTiles(Emitter &e, const Tile &tile, Value begin, Value end, std::optional<int64_t> total,
                 llvm::function_ref<void(const Tile &, Value, Value)> body) {
  Value mr = e.num(tile.mr);
  Value rest = e.remU(e.sub(end, begin), mr), whole = e.sub(end, rest);
  e.forLoop(begin, whole, mr, [&](Value row0) { body(tile, row0, mr); });
  if (total) {
    // Blocks hold whole tiles, so only the very last rows can be fewer.
    Tile tail = tile;
    tail.mr = *total % tile.mr;
    if (tail.mr)
      e.ifThen(e.cmp(arith::CmpIPredicate::ne, rest, e.num(0)), [&] { body(tail, whole, e.num(tail.mr)); });
    return;
  }
  // Surplus rows repeat the last one, which costs time but no code of their own.
  Tile small = tile;
  small.mr = llvm::divideCeil(tile.mr, 4);
  Value limit = e.num(small.mr);
  if (small.mr < tile.mr)
    e.ifThen(e.cmp(arith::CmpIPredicate::sgt, rest, limit), [&] { body(tile, whole, rest); });
  Value few = e.b.createOrFold<arith::AndIOp>(e.loc, e.cmp(arith::CmpIPredicate::sgt, rest, e.num(0)),
                                              e.cmp(arith::CmpIPredicate::sle, rest, limit));
  e.ifThen(few, [&] { body(small, whole, rest); });
}

} // namespace smelt::codegen::cpu
