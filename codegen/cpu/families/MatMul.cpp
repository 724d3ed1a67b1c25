//===- MatMul.cpp - Matrix products with prologue and epilogue --------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   smelt.kernel { c = matmul(f(a), g(b)); yield h(c) }
//     -> for workgroup (batch, block of rows, block of panels):
//          for panel: for tile of rows: accumulate over K, epilogue, store
//
// A is read in place, or, when it has a prologue, computed once per block into
// scratch. B is packed at compile time, read in place, or packed per workgroup
// panel by panel. A left operand of rows that lie evenly apart and a B without
// batch make the batch dims part of the rows. Narrow products (few columns, or
// few rows against a transposed B) are dot products along K instead: Dot.cpp.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/families/MatMul.h"
#include "codegen/cpu/Pack.h"
#include "codegen/cpu/families/Dot.h"
#include "codegen/cpu/families/Loops.h"

using namespace mlir;

namespace smelt::codegen::cpu {

namespace {

/// Elements between the rows of a computed A, beyond K.
constexpr int64_t kPitch = 16;
/// Rows of a workgroup that computes all columns, when their number is symbolic.
constexpr int64_t kWholeRows = 32;

enum BMode : int64_t { Packed = 0, InPlace = 1, Transposed = 2, Computed = 3 };

RankedTensorType tensorType(Value v) { return cast<RankedTensorType>(v.getType()); }

/// The sizes of a matmul, as expressions; batch dims are the result's.
struct Problem {
  SmallVector<AffineExpr> batch;
  AffineExpr m, n, k;
  explicit Problem(MatMulOp op) {
    SmallVector<AffineExpr> dims = getDims(op.getType()), lhs = getDims(op.getLhs().getType());
    n = dims.pop_back_val();
    m = dims.pop_back_val();
    batch = dims;
    k = lhs[lhs.size() - (op.getTransposeLhs() ? 2 : 1)];
  }
};

/// May the batch dims be rows? When B has none, and A's have the result's sizes.
bool canFlatten(MatMulOp op, const Problem &problem) {
  SmallVector<AffineExpr> rhs = getDims(op.getRhs().getType());
  for (AffineExpr dim : ArrayRef(rhs).drop_back(2))
    if (asConstant(dim) != 1)
      return false;
  SmallVector<AffineExpr> lhs = getDims(op.getLhs().getType());
  return ArrayRef(lhs).drop_back(2) == ArrayRef(problem.batch) && !op.getTransposeLhs();
}

} // namespace

MatMulOp getProduct(KernelOp kernel) {
  MatMulOp root;
  for (Operation &op : kernel.getBody().front())
    if (auto matmul = dyn_cast<MatMulOp>(op)) {
      if (root)
        return {};
      root = matmul;
    }
  return root;
}

/// Floats by floats into floats or integers into integers, the sum at least as wide.
static bool isProductOfNumbers(MatMulOp op) {
  Type aType = tensorType(op.getLhs()).getElementType(), bType = tensorType(op.getRhs()).getElementType();
  Type acc = carriedType(tensorType(op.getResult()).getElementType());
  return isArithmetic(aType) && isArithmetic(bType) && isArithmetic(tensorType(op.getResult()).getElementType()) &&
         isa<FloatType>(acc) == isa<FloatType>(aType) && isa<FloatType>(acc) == isa<FloatType>(bType) &&
         acc.getIntOrFloatBitWidth() >= carriedType(aType).getIntOrFloatBitWidth() &&
         acc.getIntOrFloatBitWidth() >= carriedType(bType).getIntOrFloatBitWidth();
}

static std::optional<Plan> planMatMul(KernelOp kernel, const CpuTarget &target) {
  MatMulOp op = getProduct(kernel);
  if (!op || !isEpilogueOf(kernel, op) || !isComputableAround(kernel, op) || !isProductOfNumbers(op))
    return std::nullopt;
  if (std::optional<Plan> plan = planDot(kernel, op, target))
    return plan;
  return planProduct(kernel, op, target, /*wholeRows=*/false);
}

std::optional<Plan> planProduct(KernelOp kernel, MatMulOp op, const CpuTarget &target, bool wholeRows) {
  if (!isProductOfNumbers(op))
    return std::nullopt;
  Type aType = tensorType(op.getLhs()).getElementType();
  Type acc = carriedType(tensorType(op.getResult()).getElementType());
  Builder b(kernel.getContext());
  Problem problem(op);
  bool flatten = canFlatten(op, problem);
  AffineExpr rows = problem.m, outer = b.getAffineConstantExpr(1);
  for (AffineExpr dim : problem.batch)
    (flatten ? rows : outer) = (flatten ? rows : outer) * dim;
  std::optional<int64_t> staticRows = asConstant(rows), n = asConstant(problem.n), k = asConstant(problem.k);
  if (wholeRows && (!flatten || !n))
    return std::nullopt;

  // Where A and B come from.
  int64_t aArg = argumentNumber(op.getLhs()), bArg = argumentNumber(op.getRhs());
  bool computesA = aArg < 0;
  Value constant = constantOperand(kernel, bArg);
  RankedTensorType bTensor = tensorType(op.getRhs());
  int64_t mode = Computed;
  if (constant && n && k && kernel.getInputs()[bArg].getType() == bTensor)
    mode = Packed;
  else if (bArg >= 0)
    mode = op.getTransposeRhs() ? Transposed : InPlace;
  bool packsB = mode == Transposed || mode == Computed;

  Tile tile = chooseTile(target, acc, staticRows, n, /*wideRows=*/k.has_value());
  // A row-major B is read along its rows: few rows of A leave room for wide ones.
  if (mode == InPlace && staticRows && *staticRows > 0 && *staticRows <= 2 && (!n || *n >= 8 * tile.lanes))
    tile.nv = 8 / *staticRows;
  int64_t nr = tile.nr();
  std::optional<int64_t> panels = n ? std::optional<int64_t>(llvm::divideCeil(*n, nr)) : std::nullopt;
  Blocks blocks = chooseBlocks(target, tile, asConstant(outer), staticRows, wholeRows ? 1 : panels, k, packsB);
  if (wholeRows) {
    blocks.panels = *panels;
    if (!staticRows) // the threads share nothing but rows
      blocks.rows = llvm::alignTo(kWholeRows, tile.mr);
  }

  // Rows that lie a multiple of a page apart fall into one set of L1 and drive
  // each other out: then a block of them is copied to a better distance.
  if (!op.getTransposeLhs() && k && *k * getElementBytes(aType) % 4096 == 0 && tile.mr > 4 && blocks.panels >= 2)
    computesA = true;

  Plan plan;
  auto param = [&](StringRef name, int64_t value) {
    plan.params.push_back(b.getNamedAttr(name, b.getI64IntegerAttr(value)));
  };
  param("mr", tile.mr);
  param("nv", tile.nv);
  param("lanes", tile.lanes);
  param("rows", blocks.rows);
  param("panels", blocks.panels);
  param("b", mode);
  param("computes_a", computesA);
  param("flatten", flatten);
  plan.grid = outer * rows.ceilDiv(blocks.rows) * problem.n.ceilDiv(nr * blocks.panels);
  int64_t accBytes = getElementBytes(acc);
  plan.scratch = b.getAffineConstantExpr(tileBytes(tile, acc));
  if (computesA)
    plan.scratch = plan.scratch + (problem.k + kPitch) * (blocks.rows * accBytes) + 64;
  if (packsB)
    plan.scratch = plan.scratch + problem.k * (nr * accBytes) + 64;
  if (mode == Packed) {
    // [batch..., panels, K, nr]
    SmallVector<AffineExpr> strides = stridesOf(kernel, bArg, bTensor);
    ArrayRef<int64_t> shape = bTensor.getShape();
    size_t rank = shape.size(), kDim = rank - (op.getTransposeRhs() ? 1 : 2), nDim = rank - (op.getTransposeRhs() ? 2 : 1);
    Packing packing;
    for (size_t d = 0; d + 2 < rank; ++d) {
      packing.sizes.push_back(shape[d]);
      packing.strides.push_back(*asConstant(strides[d]));
    }
    int64_t nStride = *asConstant(strides[nDim]);
    packing.sizes.append({*panels, *k, nr});
    packing.strides.append({nr * nStride, *asConstant(strides[kDim]), nStride});
    packing.limits = {int64_t(rank) - 2, int64_t(rank), *n};
    plan.packings.push_back({unsigned(bArg), packing.encode(kernel.getContext())});
  }
  return plan;
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

namespace {

/// One kernel being written.
struct MatMulCode {
  KernelContext &ctx;
  const ProductSink *sink;
  Emitter &e;
  MatMulOp op;
  Problem problem;
  Type acc, aType, bType;
  Tile tile;
  int64_t mode, nr;
  bool computesA, flatten;
  Value m, n, k, rows, panels;
  SmallVector<Value> batchSizes, rowSizes;
  Value tileMemory, aMemory, bMemory, pitch;
  int64_t aArg, bArg;

  MatMulCode(KernelContext &ctx, const ProductSink *sink)
      : ctx(ctx), sink(sink), e(ctx.e), op(getProduct(ctx.kernel)), problem(op),
        acc(carriedType(tensorType(op.getResult()).getElementType())), aType(tensorType(op.getLhs()).getElementType()),
        bType(tensorType(op.getRhs()).getElementType()),
        tile{unsigned(ctx.param("mr")), unsigned(ctx.param("nv")), unsigned(ctx.param("lanes"))}, mode(ctx.param("b")),
        nr(tile.nr()), computesA(ctx.param("computes_a")), flatten(ctx.param("flatten")), m(e.expr(problem.m)),
        n(e.expr(problem.n)), k(e.expr(problem.k)), aArg(argumentNumber(op.getLhs())), bArg(argumentNumber(op.getRhs())) {
    for (AffineExpr dim : problem.batch)
      batchSizes.push_back(e.expr(dim));
    rowSizes = {m};
    rows = m;
    if (flatten) {
      rowSizes = batchSizes;
      rowSizes.push_back(m);
      for (Value size : batchSizes)
        rows = e.mul(rows, size);
    }
    panels = e.divU(e.add(n, e.num(nr - 1)), e.num(nr));
    pitch = e.add(k, e.num(kPitch));
    tileMemory = ctx.scratch;
    Value next = e.num(tileBytes(tile, acc));
    auto take = [&](Value bytes) {
      Value at = e.address(ctx.scratch, next, e.b.getI8Type());
      next = e.add(next, e.mul(e.divU(e.add(bytes, e.num(63)), e.num(64)), e.num(64)));
      return at;
    };
    int64_t accBytes = getElementBytes(acc);
    if (computesA)
      aMemory = take(e.mul(pitch, e.num(ctx.param("rows") * accBytes)));
    if (mode == Transposed || mode == Computed)
      bMemory = take(e.mul(k, e.num(nr * accBytes)));
  }

  /// Index of an operand's batch dims: the result's, 0 where the operand has 1.
  SmallVector<Value> batchOf(Value operand, ArrayRef<Value> batch) {
    SmallVector<AffineExpr> dims = getDims(operand.getType());
    SmallVector<Value> index;
    size_t count = dims.size() - 2, shift = batch.size() - count;
    for (size_t d = 0; d < count; ++d) {
      if (asConstant(dims[d]) == 1)
        index.push_back(e.num(0));
      else if (dims[d] == problem.batch[d + shift])
        index.push_back(batch[d + shift]);
      else // 1 or the result's size: only the run knows
        index.push_back(e.select(e.cmp(arith::CmpIPredicate::eq, e.expr(dims[d]), e.num(1)), e.num(0), batch[d + shift]));
    }
    return index;
  }

  /// Batch index and row of M of a row of this workgroup.
  std::pair<SmallVector<Value>, Value> splitRow(ArrayRef<Value> batch, Value row) {
    if (!flatten)
      return {SmallVector<Value>(batch), row};
    SmallVector<Value> index = e.delinearize(row, rowSizes);
    Value last = index.pop_back_val();
    return {index, last};
  }

  SmallVector<Value> indexOfA(ArrayRef<Value> batch, Value row, Value kk) {
    auto [rowBatch, mm] = splitRow(batch, row);
    SmallVector<Value> index = batchOf(op.getLhs(), rowBatch);
    if (op.getTransposeLhs())
      index.append({kk, mm});
    else
      index.append({mm, kk});
    return index;
  }

  SmallVector<Value> indexOfB(ArrayRef<Value> batch, Value kk, Value col) {
    // Flattened: B's batch dims are all 1.
    SmallVector<Value> index;
    if (flatten)
      index.assign(tensorType(op.getRhs()).getRank() - 2, e.num(0));
    else
      index = batchOf(op.getRhs(), batch);
    if (op.getTransposeRhs())
      index.append({col, kk});
    else
      index.append({kk, col});
    return index;
  }

  /// Computes A's rows [row0, rowEnd) into scratch, K elements each.
  void computeA(ArrayRef<Value> batch, Value row0, Value rowEnd) {
    int64_t rank = tensorType(op.getLhs()).getRank(), kDim = rank - (op.getTransposeLhs() ? 2 : 1);
    unsigned lanes = e.vectorizes(op.getLhs(), kDim) ? chooseLanes(ctx.target, widestCarried(ctx.kernel), problem.k) : 1;
    e.forLoop(row0, rowEnd, e.num(1), [&](Value row) {
      Value line = e.address(aMemory, e.mul(e.sub(row, row0), pitch), acc);
      vectorLoop(e, e.num(0), k, lanes, [&](Value kk, unsigned width) {
        Value value = e.element(op.getLhs(), indexOfA(batch, row, kk), width, kDim);
        e.store(e.address(line, kk, acc), acc, widen(e, value, aType, acc));
      });
    });
  }

  /// Fills the panel in scratch: K rows of nr columns from `col0`, zero beyond N.
  void packB(ArrayRef<Value> batch, Value col0, Value cols) {
    int64_t rank = tensorType(op.getRhs()).getRank(), nDim = rank - (op.getTransposeRhs() ? 2 : 1);
    if (mode == Transposed) {
      const Buffer &buffer = ctx.inputs[bArg];
      Value first = e.address(buffer.pointer, e.offset(buffer, indexOfB(batch, e.num(0), col0)), bType);
      return packTransposed(e, first, buffer.strides[nDim], bType, cols, k, bMemory, nr, tile.lanes, acc);
    }
    unsigned lanes = e.vectorizes(op.getRhs(), nDim) ? tile.lanes : 1;
    Type vector = lanes > 1 ? Type(VectorType::get({int64_t(lanes)}, acc)) : acc;
    Value whole = e.sub(cols, e.remU(cols, e.num(lanes)));
    e.forLoop(e.num(0), k, e.num(1), [&](Value kk) {
      Value line = e.address(bMemory, e.mul(kk, e.num(nr)), acc);
      auto part = [&](Value j, unsigned width) {
        Value value = e.element(op.getRhs(), indexOfB(batch, kk, e.add(col0, j)), width, nDim);
        e.store(e.address(line, j, acc), acc, widen(e, value, bType, acc));
      };
      e.forLoop(e.num(0), whole, e.num(lanes), [&](Value j) { part(j, lanes); });
      e.forLoop(whole, cols, e.num(1), [&](Value j) { part(j, 1); });
      Value padded = e.mul(e.divU(e.add(cols, e.num(lanes - 1)), e.num(lanes)), e.num(lanes));
      e.forLoop(cols, padded, e.num(1), [&](Value j) { e.store(e.address(line, j, acc), acc, e.constantLike(acc, 0)); });
      e.forLoop(padded, e.num(nr), e.num(lanes),
                [&](Value j) { e.store(e.address(line, j, acc), acc, e.constantLike(vector, 0)); });
    });
  }

  PanelOperand panelOperand(ArrayRef<Value> batch, Value panel, Value col0) {
    if (mode == Packed) {
      // Batch dims of the packed form count panels * K * nr elements each.
      Value linear = e.num(0);
      SmallVector<Value> index = indexOfB(batch, e.num(0), e.num(0));
      for (int64_t d = 0; d + 2 < int64_t(index.size()); ++d)
        linear = e.add(e.mul(linear, e.num(tensorType(op.getRhs()).getDimSize(d))), index[d]);
      Value at = e.mul(e.add(e.mul(linear, panels), panel), e.mul(k, e.num(nr)));
      return {e.address(ctx.inputs[bArg].pointer, at, bType), e.num(nr), bType, {}};
    }
    if (mode == InPlace) {
      const Buffer &buffer = ctx.inputs[bArg];
      Value at = e.offset(buffer, indexOfB(batch, e.num(0), col0));
      return {e.address(buffer.pointer, at, bType), buffer.strides[buffer.strides.size() - 2], bType, {}};
    }
    return {bMemory, e.num(nr), acc, {}};
  }

  RowOperand rowOperand(ArrayRef<Value> batch, unsigned mr, Value block0, Value row0, Value lastRow) {
    RowOperand a;
    auto rowAt = [&](unsigned i) {
      Value row = e.add(row0, e.num(i));
      return lastRow ? e.min(row, lastRow) : row;
    };
    if (computesA) {
      a.step = e.num(1);
      a.type = acc;
      Value base = e.address(aMemory, e.mul(e.sub(row0, block0), pitch), acc);
      for (unsigned i = 0; i < mr; ++i) {
        Value delta = lastRow ? e.min(e.num(i), e.sub(lastRow, row0)) : e.num(i);
        a.pointers.push_back(e.address(base, e.mul(delta, pitch), acc));
      }
      return a;
    }
    const Buffer &buffer = ctx.inputs[aArg];
    int64_t rank = buffer.strides.size(), mDim = rank - (op.getTransposeLhs() ? 1 : 2);
    a.step = buffer.strides[rank - (op.getTransposeLhs() ? 2 : 1)];
    a.type = aType;
    // Rows at one distance: batch strides that continue the row stride.
    bool even = true;
    Value stride = buffer.strides[mDim];
    if (flatten)
      for (int64_t d = 0; d < mDim; ++d)
        even &= continues(buffer, d);
    if (!even) {
      for (unsigned i = 0; i < mr; ++i)
        a.pointers.push_back(e.address(buffer.pointer, e.offset(buffer, indexOfA(batch, rowAt(i), e.num(0))), aType));
      return a;
    }
    SmallVector<Value> index;
    if (flatten)
      index.assign(rank, e.num(0));
    else
      index = indexOfA(batch, e.num(0), e.num(0));
    Value base = e.address(buffer.pointer, e.add(e.offset(buffer, index), e.mul(row0, stride)), aType);
    for (unsigned i = 0; i < mr; ++i) {
      Value delta = e.num(i);
      if (lastRow)
        delta = e.min(delta, e.sub(lastRow, row0));
      a.pointers.push_back(e.address(base, e.mul(delta, stride), aType));
    }
    return a;
  }

  /// stride[d] == stride[d+1] * size[d+1], provably (buffers are built that way
  /// when they are contiguous).
  bool continues(const Buffer &buffer, int64_t d) {
    Value want = e.mul(buffer.strides[d + 1], buffer.sizes[d + 1]);
    return want == buffer.strides[d];
  }

  void emit();
  void emitGroup(Value group);
};

void MatMulCode::emitGroup(Value group) {
  Value blockRows = e.num(ctx.param("rows")), blockPanels = e.num(ctx.param("panels"));
  Value rowBlocks = e.divU(e.add(rows, e.sub(blockRows, e.num(1))), blockRows);
  Value panelBlocks = e.divU(e.add(panels, e.sub(blockPanels, e.num(1))), blockPanels);
  // Neighbours share the panels of B.
  SmallVector<Value> at = e.delinearize(group, {e.num(0), panelBlocks, rowBlocks});
  SmallVector<Value> batch;
  if (!flatten)
    batch = e.delinearize(at[0], batchSizes);
  Value row0 = e.mul(at[2], blockRows), rowEnd = e.min(e.add(row0, blockRows), rows);
  Value panel0 = e.mul(at[1], blockPanels), panelEnd = e.min(e.add(panel0, blockPanels), panels);
  if (computesA)
    computeA(batch, row0, rowEnd);

  std::optional<Epilogue> epilogue;
  if (!sink)
    epilogue.emplace(ctx, op.getResult(), acc, tileMemory, tensorType(op.getResult()).getRank() - 1,
                     [&](Value row, Value col) {
                       auto [index, mm] = splitRow(batch, row);
                       index.append({mm, col});
                       return index;
                     });
  std::optional<int64_t> staticRows = e.constant(rows);
  auto panelTiles = [&](Value panel, unsigned nv, Value cols) {
    Value col0 = e.mul(panel, e.num(nr));
    if (bMemory)
      packB(batch, col0, cols);
    PanelOperand b = panelOperand(batch, panel, col0);
    auto full = e.constant(cols);
    if (mode == InPlace && !(full && *full == int64_t(nv * tile.lanes)))
      b.valid = cols;
    Tile shape = tile;
    shape.nv = nv;
    forRowTiles(e, shape, row0, rowEnd, staticRows, [&](const Tile &t, Value first, Value count) {
      Value last; // surplus rows of the tile repeat this one
      if (e.constant(count) != t.mr)
        last = e.add(first, e.sub(count, e.num(1)));
      RowOperand a = rowOperand(batch, t.mr, row0, first, last);
      // The loop over K carries the tile; short tiles are unrolled less to keep the code small.
      SmallVector<Value> sums = accumulate(e, t, acc, a, b, k, zeroTile(e, t, acc), 4);
      if (sink)
        sink->tile(t, sums, row0, first, col0);
      else
        epilogue->finish(t, sums, first, count, col0, cols);
    });
  };
  auto staticN = e.constant(n);
  if (staticN) {
    int64_t rest = *staticN % nr;
    Value wholePanels = e.num(*staticN / nr);
    e.forLoop(panel0, e.min(panelEnd, wholePanels), e.num(1),
              [&](Value panel) { panelTiles(panel, tile.nv, e.num(nr)); });
    if (rest)
      e.ifThen(e.cmp(arith::CmpIPredicate::eq, panelEnd, panels), [&] {
        panelTiles(wholePanels, llvm::divideCeil(rest, tile.lanes), e.num(rest));
      });
    if (sink)
      sink->block(row0, rowEnd);
    return;
  }
  Value wholePanels = e.divU(n, e.num(nr));
  e.forLoop(panel0, e.min(panelEnd, wholePanels), e.num(1),
            [&](Value panel) { panelTiles(panel, tile.nv, e.num(nr)); });
  Value rest = e.remU(n, e.num(nr));
  Value isLast = e.b.createOrFold<arith::AndIOp>(e.loc, e.cmp(arith::CmpIPredicate::eq, panelEnd, panels),
                                                 e.cmp(arith::CmpIPredicate::ne, rest, e.num(0)));
  e.ifThen(isLast, [&] { panelTiles(wholePanels, tile.nv, rest); });
}

void MatMulCode::emit() {
  e.forLoop(ctx.wgBegin, ctx.wgEnd, e.num(1), [&](Value group) { emitGroup(group); });
}

} // namespace

void emitProduct(KernelContext &context, const ProductSink *sink) { MatMulCode(context, sink).emit(); }

static LogicalResult emitMatMul(KernelContext &context) {
  if (context.params().get("dot"))
    return emitDot(context, getProduct(context.kernel));
  emitProduct(context, nullptr);
  return success();
}

const Family matmulFamily = {"matmul", planMatMul, emitMatMul, Views::Rows};

} // namespace smelt::codegen::cpu
