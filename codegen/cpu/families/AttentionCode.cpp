//===- AttentionCode.cpp - The code of an attention kernel ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Before -> after: see Attention.cpp. K and V are packed into panels once per
// (batch, head) of a range of workgroups; Q, one strip of rows after the other,
// is copied beside its scores. All three come through the element emitter.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/families/Attention.h"
#include "codegen/cpu/families/Dot.h"
#include "codegen/cpu/families/Loops.h"
#include "codegen/cpu/families/RowPass.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace smelt::codegen::cpu {

LogicalResult emitAttention(KernelContext &ctx);

namespace {

RankedTensorType tensorType(Value v) { return cast<RankedTensorType>(v.getType()); }

struct AttentionCode {
  KernelContext &ctx;
  Emitter &e;
  AttentionShape shape;
  Type f32;
  Tile scoreTile, outTile;
  SmallVector<Value> batchSizes;
  Value m, n, d, v, blockRows, strip, pitch, qPitch;
  Value tileMemory, divisors, qMemory, scoreMemory, kMemory, vMemory;

  AttentionCode(KernelContext &ctx, AttentionShape found)
      : ctx(ctx), e(ctx.e), shape(std::move(found)), f32(e.b.getF32Type()),
        scoreTile{unsigned(ctx.param("mr")), unsigned(ctx.param("score_nv")), unsigned(ctx.param("score_lanes"))},
        outTile{unsigned(ctx.param("mr")), unsigned(ctx.param("nv")), unsigned(ctx.param("lanes"))},
        m(e.expr(shape.m)), n(e.expr(shape.n)), d(e.expr(shape.d)), v(e.expr(shape.v)),
        blockRows(e.num(ctx.param("rows"))), strip(e.num(ctx.param("strip"))) {
    for (AffineExpr dim : shape.batch)
      batchSizes.push_back(e.expr(dim));
    Value scoreNr = e.num(scoreTile.nr());
    Value scoreWidth = e.mul(panelsOf(n, scoreTile), scoreNr);
    pitch = e.add(scoreWidth, e.num(16));
    qPitch = e.add(d, e.num(16));
    tileMemory = ctx.scratch;
    Value next = e.num(std::max(tileBytes(scoreTile, f32), tileBytes(outTile, f32)));
    auto take = [&](Value elements) {
      Value at = e.address(ctx.scratch, next, e.b.getI8Type());
      next = e.add(next, e.mul(e.divU(e.add(elements, e.num(15)), e.num(16)), e.num(64)));
      return at;
    };
    divisors = take(strip);
    qMemory = take(e.mul(qPitch, strip));
    scoreMemory = take(e.mul(pitch, strip));
    kMemory = take(e.mul(scoreWidth, d));
    vMemory = take(e.mul(e.mul(panelsOf(v, outTile), e.num(outTile.nr())), n));
  }

  Value panelsOf(Value cols, const Tile &tile) {
    return e.divU(e.add(cols, e.num(tile.nr() - 1)), e.num(tile.nr()));
  }

  /// An operand's batch index: the product's, 0 where the operand has 1.
  SmallVector<Value> batchOf(Value operand, ArrayRef<Value> batch) {
    SmallVector<AffineExpr> dims = getDims(operand.getType());
    SmallVector<Value> index;
    size_t count = dims.size() - 2, shift = batch.size() - count;
    for (size_t i = 0; i < count; ++i) {
      if (asConstant(dims[i]) == 1)
        index.push_back(e.num(0));
      else if (dims[i] == shape.batch[i + shift])
        index.push_back(batch[i + shift]);
      else // 1 or the result's size: only the run knows
        index.push_back(e.select(e.cmp(arith::CmpIPredicate::eq, e.expr(dims[i]), e.num(1)), e.num(0), batch[i + shift]));
    }
    return index;
  }

  void packPanels(MatMulOp op, ArrayRef<Value> batch, const Tile &tile, Value depth, Value cols, Value memory);
  void packPanel(Value operand, bool transposed, ArrayRef<Value> batch, const Tile &tile, Value depth, Value col0,
                 Value cols, Value panel);
  void copyQ(ArrayRef<Value> batch, Value row0, Value rowEnd);
  /// Panels of one product over the rows of a strip.
  void multiply(const Tile &tile, Value a, Value aPitch, Value memory, Value depth, Value cols, Value row0, Value rowEnd,
                llvm::function_ref<void(const Tile &, ArrayRef<Value> sums, Value first, Value count, Value col0, Value cols)> finish);
  void softmaxRow(ArrayRef<Value> batch, Value row, Value line, Value divisorAt);
  void emitStrip(ArrayRef<Value> batch, Value row0, Value rowEnd, Epilogue &epilogue);
  void emit();
};

/// K (and V) as panels [panels][depth][nr], zero beyond the columns.
void AttentionCode::packPanels(MatMulOp op, ArrayRef<Value> batch, const Tile &tile, Value depth, Value cols, Value memory) {
  Value nr = e.num(tile.nr());
  auto pack = [&](Value p, Value count) {
    packPanel(op.getRhs(), op.getTransposeRhs(), batch, tile, depth, e.mul(p, nr), count,
              e.address(memory, e.mul(p, e.mul(nr, depth)), f32));
  };
  if (!e.constant(cols)) {
    e.forLoop(e.num(0), panelsOf(cols, tile), e.num(1), [&](Value p) { pack(p, e.min(nr, e.sub(cols, e.mul(p, nr)))); });
    return;
  }
  Value whole = e.divU(cols, nr), rest = e.remU(cols, nr);
  e.forLoop(e.num(0), whole, e.num(1), [&](Value p) { pack(p, nr); });
  e.ifThen(e.cmp(arith::CmpIPredicate::ne, rest, e.num(0)), [&] { pack(whole, rest); });
}

void AttentionCode::packPanel(Value operand, bool transposed, ArrayRef<Value> batch, const Tile &tile, Value depth,
                              Value col0, Value cols, Value panel) {
  int64_t rank = tensorType(operand).getRank(), depthDim = rank - (transposed ? 1 : 2), colDim = rank - (transposed ? 2 : 1);
  Value nr = e.num(tile.nr()), zero = e.num(0), one = e.num(1);
  SmallVector<Value> index = batchOf(operand, batch);
  index.resize(rank);
  auto read = [&](Value k, Value j, unsigned lanes, int64_t laneDim) {
    index[depthDim] = k;
    index[colDim] = e.add(col0, j);
    return e.element(operand, index, lanes, laneDim);
  };
  auto at = [&](Value k, Value j) { return e.address(panel, e.add(e.mul(k, nr), j), f32); };
  Value none = e.constantLike(f32, 0);
  // Along the columns, row by row of the panel.
  std::optional<int64_t> staticDepth = e.constant(depth);
  unsigned side = std::min<uint64_t>(tile.lanes, staticDepth ? llvm::bit_floor(uint64_t(std::max<int64_t>(*staticDepth, 1))) : tile.lanes);
  if (e.vectorizes(operand, colDim) || side == 1 || !e.vectorizes(operand, depthDim)) {
    unsigned lanes = e.vectorizes(operand, colDim) ? tile.lanes : 1;
    Value whole = e.sub(cols, e.remU(cols, e.num(lanes)));
    e.forLoop(zero, depth, one, [&](Value k) {
      e.forLoop(zero, whole, e.num(lanes), [&](Value j) { e.store(at(k, j), f32, read(k, j, lanes, colDim)); });
      e.forLoop(whole, cols, one, [&](Value j) { e.store(at(k, j), f32, read(k, j, 1, -1)); });
      e.forLoop(cols, nr, one, [&](Value j) { e.store(at(k, j), f32, none); });
    });
    return;
  }
  // Along the depth: squares, turned in registers.
  Value width = e.num(side), whole = e.sub(depth, e.remU(depth, width));
  e.forLoop(zero, nr, width, [&](Value j0) {
    Value isWhole = e.cmp(arith::CmpIPredicate::sle, e.add(j0, width), cols);
    e.ifThen(isWhole, [&] {
      e.forLoop(zero, whole, width, [&](Value k0) {
        SmallVector<Value> rows;
        for (unsigned j = 0; j < side; ++j)
          rows.push_back(read(k0, e.add(j0, e.num(j)), side, depthDim));
        transposeSquare(e, rows);
        for (unsigned k = 0; k < side; ++k)
          e.store(at(e.add(k0, e.num(k)), j0), f32, rows[k]);
      });
    });
    e.forLoop(e.select(isWhole, whole, zero), depth, one, [&](Value k) {
      Value count = e.min(width, e.max(e.sub(cols, j0), zero));
      e.forLoop(zero, count, one, [&](Value j) { e.store(at(k, e.add(j0, j)), f32, read(k, e.add(j0, j), 1, -1)); });
      e.forLoop(count, width, one, [&](Value j) { e.store(at(k, e.add(j0, j)), f32, none); });
    });
  });
}

void AttentionCode::copyQ(ArrayRef<Value> batch, Value row0, Value rowEnd) {
  Value operand = shape.scores.getLhs();
  bool transposed = shape.scores.getTransposeLhs();
  int64_t rank = tensorType(operand).getRank(), rowDim = rank - (transposed ? 1 : 2), kDim = rank - (transposed ? 2 : 1);
  unsigned lanes = e.vectorizes(operand, kDim) ? chooseLanes(ctx.target, widestCarried(ctx.kernel), shape.d) : 1;
  SmallVector<Value> index = batchOf(operand, batch);
  index.resize(rank);
  e.forLoop(row0, rowEnd, e.num(1), [&](Value row) {
    Value line = e.address(qMemory, e.mul(e.sub(row, row0), qPitch), f32);
    vectorLoop(e, e.num(0), d, lanes, [&](Value k, unsigned width) {
      index[rowDim] = row;
      index[kDim] = k;
      e.store(e.address(line, k, f32), f32, e.element(operand, index, width, kDim));
    });
  });
}

void AttentionCode::multiply(
    const Tile &tile, Value a, Value aPitch, Value memory, Value depth, Value cols, Value row0, Value rowEnd,
    llvm::function_ref<void(const Tile &, ArrayRef<Value>, Value, Value, Value, Value)> finish) {
  Value nr = e.num(tile.nr());
  auto panelTiles = [&](Value panel, unsigned nv, Value panelCols) {
    Value col0 = e.mul(panel, nr);
    PanelOperand b{e.address(memory, e.mul(panel, e.mul(nr, depth)), f32), nr, f32, {}};
    Tile narrow = tile;
    narrow.nv = nv;
    forRowTiles(e, narrow, row0, rowEnd, e.constant(m), [&](const Tile &t, Value first, Value count) {
      RowOperand rows{{}, e.num(1), f32};
      Value base = e.address(a, e.mul(e.sub(first, row0), aPitch), f32), last = e.sub(count, e.num(1));
      for (unsigned i = 0; i < t.mr; ++i)
        rows.pointers.push_back(e.address(base, e.mul(e.min(e.num(i), last), aPitch), f32));
      finish(t, accumulate(e, t, f32, rows, b, depth, zeroTile(e, t, f32), 4), first, count, col0, panelCols);
    });
  };
  auto fixed = e.constant(cols);
  Value whole = e.divU(cols, nr), rest = e.remU(cols, nr);
  e.forLoop(e.num(0), whole, e.num(1), [&](Value panel) { panelTiles(panel, tile.nv, nr); });
  e.ifThen(e.cmp(arith::CmpIPredicate::ne, rest, e.num(0)), [&] {
    panelTiles(whole, fixed ? llvm::divideCeil(*fixed % tile.nr(), tile.lanes) : tile.nv, rest);
  });
}

/// The reductions of one row of scores, and its weights in their place.
void AttentionCode::softmaxRow(ArrayRef<Value> batch, Value row, Value line, Value divisorAt) {
  Value linear = e.num(0);
  for (auto [index, size] : llvm::zip(batch, batchSizes))
    linear = e.add(e.mul(linear, size), index);
  linear = e.add(e.mul(linear, m), row);
  // Index of the row in a value of the same rows, whose leading dims may be grouped otherwise.
  auto rowOf = [&](Value value) {
    SmallVector<AffineExpr> dims = getDims(value.getType()), own(shape.batch);
    own.push_back(shape.m);
    SmallVector<Value> index(batch);
    index.push_back(row);
    if (ArrayRef(dims).take_front(own.size()) != ArrayRef(own)) {
      bool isFull = shape.isFull(value.getType());
      SmallVector<Value> sizes = e.sizes(value);
      index = e.delinearize(linear, ArrayRef(sizes).drop_back(isFull ? 1 : 0));
    }
    index.resize(dims.size(), e.num(0));
    return index;
  };
  Emitter::Source inRow = [this, line](ArrayRef<Value> index, unsigned width, int64_t) {
    return e.load(e.address(line, index.back(), f32), f32, width);
  };
  SmallVector<Value> overridden;
  auto setSource = [&](Value value, Emitter::Source source) {
    e.setSource(value, std::move(source));
    overridden.push_back(value);
  };
  setSource(shape.scores.getResult(), inRow);
  auto pass = [&](Value value, std::optional<ReduceKind> kind, bool store) {
    int64_t last = tensorType(value).getRank() - 1;
    SmallVector<Value> index = rowOf(value);
    unsigned lanes = e.vectorizes(value, last) ? chooseLanes(ctx.target, widestCarried(ctx.kernel), shape.n) : 1;
    return rowPass(e, kind, carriedType(tensorType(value).getElementType()), n, lanes, store ? line : Value(),
                   [&](Value i, unsigned width) {
                     index.back() = i;
                     return e.element(value, index, width, last);
                   });
  };
  for (auto [op, keeps] : llvm::zip(shape.reductions, shape.keeps)) {
    Value total = pass(op.getX(), op.getKind(), keeps);
    if (keeps)
      setSource(op.getX(), inRow);
    setSource(op.getResult(), [this, total](ArrayRef<Value>, unsigned width, int64_t) { return e.splat(total, width); });
  }
  if (shape.storesWeights)
    pass(shape.weights, std::nullopt, true);
  if (shape.divisor) {
    // Without keys the product is 0, and so are its quotients.
    Value divisor = e.element(shape.divisor, rowOf(shape.divisor)), one = e.constantLike(f32, 1);
    e.store(divisorAt, f32, e.select(e.cmp(arith::CmpIPredicate::eq, n, e.num(0)), one, divisor));
  }
  for (Value value : overridden)
    e.dropSource(value);
}

void AttentionCode::emitStrip(ArrayRef<Value> batch, Value row0, Value rowEnd, Epilogue &epilogue) {
  copyQ(batch, row0, rowEnd);
  auto scoreLine = [&](Value row) { return e.address(scoreMemory, e.mul(e.sub(row, row0), pitch), f32); };
  multiply(scoreTile, qMemory, qPitch, kMemory, d, n, row0, rowEnd,
           [&](const Tile &t, ArrayRef<Value> sums, Value first, Value, Value col0, Value) {
             for (unsigned i = 0; i < t.mr; ++i)
               for (unsigned j = 0; j < t.nv; ++j)
                 e.store(e.address(scoreLine(e.add(first, e.num(i))), e.add(col0, e.num(j * t.lanes)), f32), f32,
                         sums[i * t.nv + j]);
           });
  e.forLoop(row0, rowEnd, e.num(1), [&](Value row) {
    softmaxRow(batch, row, scoreLine(row), e.address(divisors, e.sub(row, row0), f32));
  });
  multiply(outTile, scoreMemory, pitch, vMemory, n, v, row0, rowEnd,
           [&](const Tile &t, ArrayRef<Value> sums, Value first, Value count, Value col0, Value cols) {
             SmallVector<Value> scaled(sums);
             if (shape.divisor)
               for (unsigned i = 0; i < t.mr; ++i) {
                 Value row = e.add(e.sub(first, row0), e.min(e.num(i), e.sub(count, e.num(1))));
                 Value divisor = e.splat(e.load(e.address(divisors, row, f32), f32), t.lanes);
                 for (unsigned j = 0; j < t.nv; ++j)
                   scaled[i * t.nv + j] = arith::DivFOp::create(e.b, e.loc, sums[i * t.nv + j], divisor);
               }
             epilogue.finish(t, scaled, first, count, col0, cols);
           });
}

void AttentionCode::emit() {
  // The result as a buffer in the second product's dims, so that moving it is addressing.
  KernelContext direct = ctx;
  direct.outputs[0].sizes = e.sizes(shape.output.getResult());
  direct.outputs[0].strides.clear();
  for (AffineExpr stride : shape.strides)
    direct.outputs[0].strides.push_back(e.expr(stride));
  ctx.kernel.getBody().front().getTerminator()->setOperand(0, shape.result);

  Value rowBlocks = e.divU(e.add(m, e.sub(blockRows, e.num(1))), blockRows);
  e.forLoop(ctx.wgBegin, ctx.wgEnd, e.num(1), [&](Value group) {
    SmallVector<Value> sizes(batchSizes);
    sizes.push_back(rowBlocks);
    SmallVector<Value> batch = e.delinearize(group, sizes);
    Value block = batch.pop_back_val();
    // Neighbours share K and V.
    Value fresh = e.b.createOrFold<arith::OrIOp>(e.loc, e.cmp(arith::CmpIPredicate::eq, group, ctx.wgBegin),
                                                 e.cmp(arith::CmpIPredicate::eq, block, e.num(0)));
    e.ifThen(fresh, [&] {
      packPanels(shape.scores, batch, scoreTile, d, n, kMemory);
      packPanels(shape.output, batch, outTile, n, v, vMemory);
    });
    Epilogue epilogue(direct, shape.output.getResult(), f32, tileMemory, tensorType(shape.output.getResult()).getRank() - 1,
                      [&](Value row, Value col) {
                        SmallVector<Value> index(batch);
                        index.append({row, col});
                        return index;
                      });
    Value first = e.mul(block, blockRows), end = e.min(e.add(first, blockRows), m);
    e.forLoop(first, end, strip, [&](Value row0) { emitStrip(batch, row0, e.min(e.add(row0, strip), end), epilogue); });
    e.dropSource(shape.output.getResult());
  });
}

} // namespace

LogicalResult emitAttention(KernelContext &ctx) {
  AttentionCode(ctx, *analyseAttention(ctx.kernel)).emit();
  return success();
}

} // namespace smelt::codegen::cpu
