//===- Dot.cpp - Narrow matrix products as dot products along K -------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// With one to four columns (or one or two rows) a panel would leave most lanes
// empty. Here the lanes run along K: mr x nc vector accumulators, one masked
// step for the rest of K, then a sum over the lanes in a fixed tree.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/families/Dot.h"
#include "codegen/cpu/Pack.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace smelt::codegen::cpu {

static RankedTensorType tensorType(Value v) { return cast<RankedTensorType>(v.getType()); }

std::optional<Plan> planDot(KernelOp kernel, MatMulOp op, const CpuTarget &target) {
  constexpr int64_t kColumns = 4, kRows = 2;
  int64_t aArg = argumentNumber(op.getLhs()), bArg = argumentNumber(op.getRhs());
  SmallVector<AffineExpr> dims = getDims(op.getType());
  AffineExpr n = dims.back(), m = dims[dims.size() - 2], k = getDims(op.getLhs().getType()).back();
  std::optional<int64_t> staticM = asConstant(m), staticN = asConstant(n), staticK = asConstant(k);
  if (aArg < 0 || bArg < 0 || op.getTransposeLhs())
    return std::nullopt;
  bool isConstant = constantOperand(kernel, bArg) && staticN && staticK;
  bool fewColumns = staticN && *staticN <= kColumns && (isConstant || op.getTransposeRhs() || *staticN == 1);
  bool fewRows = staticM && *staticM <= kRows && op.getTransposeRhs() && !isConstant;
  if (!fewColumns && !fewRows)
    return std::nullopt;
  Type acc = carriedType(tensorType(op.getResult()).getElementType());
  unsigned lanes = target.lanes(acc), mr, nc;
  if (staticK)
    while (lanes > 2 && int64_t(lanes) > std::max<int64_t>(*staticK, 1))
      lanes /= 2;
  if (fewColumns) {
    nc = std::max<int64_t>(*staticN, 1);
    mr = nc == 1 ? 8 : 4;
    if (staticM)
      mr = std::clamp<int64_t>(*staticM, 1, mr);
  } else {
    mr = std::max<int64_t>(*staticM, 1);
    nc = 8 / mr;
    if (staticN)
      nc = std::min<int64_t>(nc, llvm::bit_floor(uint64_t(*staticN)));
  }
  int64_t depth = std::max<int64_t>(staticK.value_or(512), 1);
  auto blockOf = [&](int64_t unit, std::optional<int64_t> total) {
    // About a quarter of a million multiply-adds a workgroup.
    int64_t size = llvm::alignTo(std::max<int64_t>((1 << 18) / (depth * (fewColumns ? nc : mr)), 1), unit);
    return total ? std::min<int64_t>(size, llvm::alignTo(std::max<int64_t>(*total, 1), unit)) : size;
  };
  int64_t rows = fewColumns ? blockOf(mr, staticM) : mr, cols = fewColumns ? nc : blockOf(nc, staticN);
  Builder b(kernel.getContext());
  Plan plan;
  auto param = [&](StringRef name, int64_t value) {
    plan.params.push_back(b.getNamedAttr(name, b.getI64IntegerAttr(value)));
  };
  param("dot", 1);
  param("mr", mr);
  param("nc", nc);
  param("lanes", lanes);
  param("rows", rows);
  param("cols", cols);
  plan.grid = m.ceilDiv(rows) * n.ceilDiv(cols);
  for (AffineExpr dim : ArrayRef(dims).drop_back(2))
    plan.grid = plan.grid * dim;
  plan.scratch = b.getAffineConstantExpr(llvm::alignTo(mr * nc * 8, 64));
  if (isConstant && !op.getTransposeRhs() && *staticN > 1) {
    ArrayRef<int64_t> shape = tensorType(op.getRhs()).getShape();
    int64_t outer = 1;
    for (int64_t size : shape.drop_back(2))
      outer *= size;
    Packing packing{{outer, *staticN, *staticK}, {*staticN * *staticK, 1, *staticN}, {}};
    plan.packings.push_back({unsigned(bArg), packing.encode(kernel.getContext())});
    param("packed", 1);
  } else {
    param("packed", 0);
  }
  return plan;
}

namespace {

/// acc[i][c] += sum over lanes' K of a[i] * b[c]; rows and columns by pointer.
SmallVector<Value> dotTile(Emitter &e, ArrayRef<Value> as, Type aType, ArrayRef<Value> bs, Type bType, Value k,
                           unsigned lanes, Type acc) {
  size_t count = as.size() * bs.size();
  unsigned sets = 1;
  while (count * sets < 8)
    sets *= 2;
  auto vector = VectorType::get({int64_t(lanes)}, acc);
  SmallVector<Value> state(count * sets, e.constantLike(vector, 0));
  auto steps = [&](Value k0, ValueRange carried, unsigned turns, Value mask) {
    SmallVector<Value> sums(carried);
    for (unsigned s = 0; s < turns; ++s) {
      Value at = e.add(k0, e.num(s * lanes));
      auto loadAll = [&](ArrayRef<Value> pointers, Type type) {
        SmallVector<Value> values;
        for (Value pointer : pointers) {
          Value from = e.address(pointer, at, type);
          Value value = mask ? maskedLoad(e, from, type, lanes, mask) : e.load(from, type, lanes);
          values.push_back(widen(e, value, type, acc));
        }
        return values;
      };
      SmallVector<Value> x = loadAll(as, aType), y = loadAll(bs, bType);
      for (size_t i = 0; i < x.size(); ++i)
        for (size_t c = 0; c < y.size(); ++c) {
          Value &sum = sums[s * count + i * y.size() + c];
          sum = multiplyAdd(e, x[i], y[c], sum);
        }
    }
    return sums;
  };
  unsigned stride = lanes * sets;
  Value wide = e.sub(k, e.remU(k, e.num(stride))), whole = e.sub(k, e.remU(k, e.num(lanes)));
  state = e.forLoop(e.num(0), wide, e.num(stride), state,
                    [&](Value k0, ValueRange carried) { return steps(k0, carried, sets, {}); });
  if (sets > 1)
    state = e.forLoop(wide, whole, e.num(lanes), state,
                      [&](Value k0, ValueRange carried) { return steps(k0, carried, 1, {}); });
  if (Value rest = e.sub(k, whole); e.constant(rest) != 0)
    state = steps(whole, state, 1, laneMask(e, lanes, rest)); // no lanes left: adds zeros
  for (unsigned half = sets / 2; half >= 1; half /= 2)
    for (unsigned s = 0; s < half; ++s)
      for (size_t i = 0; i < count; ++i)
        state[s * count + i] =
            e.combine(ReduceKind::sum, state[s * count + i], state[(s + half) * count + i], false);
  SmallVector<Value> sums;
  for (size_t i = 0; i < count; ++i)
    sums.push_back(e.reduceLanes(ReduceKind::sum, state[i], false));
  return sums;
}

} // namespace

LogicalResult emitDot(KernelContext &ctx, MatMulOp op) {
  Emitter &e = ctx.e;
  const Buffer &a = ctx.inputs[argumentNumber(op.getLhs())], &b = ctx.inputs[argumentNumber(op.getRhs())];
  SmallVector<AffineExpr> dims = getDims(op.getType());
  Type acc = carriedType(tensorType(op.getResult()).getElementType());
  int64_t rank = dims.size();
  unsigned mr = ctx.param("mr"), nc = ctx.param("nc"), lanes = ctx.param("lanes");
  bool packed = ctx.param("packed");
  Value m = e.expr(dims[rank - 2]), n = e.expr(dims[rank - 1]), k = a.sizes.back();
  Value blockRows = e.num(ctx.param("rows")), blockCols = e.num(ctx.param("cols"));
  auto blocks = [&](Value total, Value block) { return e.divU(e.add(total, e.sub(block, e.num(1))), block); };
  SmallVector<Value> grid;
  for (AffineExpr dim : ArrayRef(dims).drop_back(2))
    grid.push_back(e.expr(dim));
  grid.append({blocks(n, blockCols), blocks(m, blockRows)});

  e.forLoop(ctx.wgBegin, ctx.wgEnd, e.num(1), [&](Value group) {
    SmallVector<Value> at = e.delinearize(group, grid);
    Value row0 = e.mul(at.pop_back_val(), blockRows), col0 = e.mul(at.pop_back_val(), blockCols);
    Value rowEnd = e.min(e.add(row0, blockRows), m), colEnd = e.min(e.add(col0, blockCols), n);
    auto batchOffset = [&](const Buffer &buffer, Value operand) {
      SmallVector<AffineExpr> own = getDims(operand.getType());
      Value offset = e.num(0);
      size_t count = own.size() - 2, shift = at.size() - count;
      for (size_t d = 0; d < count; ++d) {
        Value i = at[d + shift];
        if (asConstant(own[d]) == 1)
          continue;
        if (own[d] != dims[d + shift])
          i = e.select(e.cmp(arith::CmpIPredicate::eq, e.expr(own[d]), e.num(1)), e.num(0), i);
        offset = e.add(offset, e.mul(i, buffer.strides[d]));
      }
      return offset;
    };
    Value aBase = e.address(a.pointer, batchOffset(a, op.getLhs()), a.elementType);
    // The packed form has the buffer's strides per matrix, columns K apart.
    Value bBase = e.address(b.pointer, batchOffset(b, op.getRhs()), b.elementType);
    Value aStride = a.strides[a.strides.size() - 2];
    Value bStride = packed || !op.getTransposeRhs() ? k : b.strides[b.strides.size() - 2];
    Epilogue epilogue(ctx, op.getResult(), acc, ctx.scratch, rank - 1, [&](Value row, Value col) {
      SmallVector<Value> index(at);
      index.append({row, col});
      return index;
    });
    Tile tile{mr, 1, lanes};
    forRowTiles(e, tile, row0, rowEnd, e.constant(m), [&](const Tile &t, Value first, Value count) {
      auto tileAt = [&](Value col, unsigned width) {
        SmallVector<Value> rows, cols;
        for (unsigned i = 0; i < t.mr; ++i)
          rows.push_back(e.address(aBase, e.mul(e.add(first, e.min(e.num(i), e.sub(count, e.num(1)))), aStride), a.elementType));
        for (unsigned c = 0; c < width; ++c)
          cols.push_back(e.address(bBase, e.mul(e.add(col, e.num(c)), bStride), b.elementType));
        SmallVector<Value> sums = dotTile(e, rows, a.elementType, cols, b.elementType, k, lanes, acc);
        for (auto [i, sum] : llvm::enumerate(sums))
          e.store(e.address(ctx.scratch, e.num(i), acc), acc, sum);
        epilogue.finishFromMemory(ctx.scratch, width, llvm::bit_floor(width), first, count, col, e.num(width));
      };
      Value whole = e.sub(colEnd, e.remU(e.sub(colEnd, col0), e.num(nc)));
      e.forLoop(col0, whole, e.num(nc), [&](Value col) { tileAt(col, nc); });
      if (nc > 1 && !(e.constant(n) && *e.constant(n) % nc == 0))
        e.forLoop(whole, colEnd, e.num(1), [&](Value col) { tileAt(col, 1); });
    });
  });
  return success();
}

/// Swaps of blocks of half the size each time.
void transposeSquare(Emitter &e, SmallVectorImpl<Value> &rows) {
  unsigned size = rows.size();
  for (unsigned s = 1; s < size; s *= 2) {
    SmallVector<int64_t> low, high;
    for (unsigned l = 0; l < size; ++l) {
      bool odd = l & s;
      low.push_back(odd ? size + l - s : l);
      high.push_back(odd ? size + l : l + s);
    }
    for (unsigned i = 0; i < size; ++i)
      if (!(i & s)) {
        Value x = rows[i], y = rows[i + s];
        rows[i] = vector::ShuffleOp::create(e.b, e.loc, x, y, low);
        rows[i + s] = vector::ShuffleOp::create(e.b, e.loc, x, y, high);
      }
  }
}

void packTransposed(Emitter &e, Value matrix, Value rowStride, Type type, Value cols, Value k, Value panel, int64_t nr,
                    unsigned lanes, Type acc) {
  Value width = e.num(lanes), zero = e.num(0), one = e.num(1);
  Value whole = e.sub(k, e.remU(k, width));
  e.forLoop(zero, e.num(nr), width, [&](Value j0) {
    Value isWhole = e.cmp(arith::CmpIPredicate::sle, e.add(j0, width), cols);
    e.ifThen(isWhole, [&] {
      e.forLoop(zero, whole, width, [&](Value k0) {
        SmallVector<Value> rows;
        for (unsigned j = 0; j < lanes; ++j) {
          Value at = e.address(matrix, e.add(e.mul(e.add(j0, e.num(j)), rowStride), k0), type);
          rows.push_back(widen(e, e.load(at, type, lanes), type, acc));
        }
        transposeSquare(e, rows);
        for (unsigned l = 0; l < lanes; ++l)
          e.store(e.address(panel, e.add(e.mul(e.add(k0, e.num(l)), e.num(nr)), j0), acc), acc, rows[l]);
      });
    });
    Value from = e.select(isWhole, whole, zero);
    e.forLoop(from, k, one, [&](Value kk) {
      Value line = e.address(panel, e.add(e.mul(kk, e.num(nr)), j0), acc);
      Value count = e.min(width, e.max(e.sub(cols, j0), zero));
      e.forLoop(zero, count, one, [&](Value j) {
        Value at = e.address(matrix, e.add(e.mul(e.add(j0, j), rowStride), kk), type);
        e.store(e.address(line, j, acc), acc, widen(e, e.load(at, type), type, acc));
      });
      e.forLoop(count, width, one, [&](Value j) { e.store(e.address(line, j, acc), acc, e.constantLike(acc, 0)); });
    });
  });
}

} // namespace smelt::codegen::cpu
