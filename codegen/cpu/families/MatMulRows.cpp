//===- MatMulRows.cpp - A product and the norm or softmax of its rows -------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   smelt.kernel { c = matmul(f(a), b); x = c + skip; m = reduce sum(x); ...; yield norm(x) }
//     -> for workgroup (block of rows):
//          for panel: for tile of rows: accumulate over K, store to scratch
//          for row of the block: the passes of `rowblock` over scratch
//
// Neither the product nor its sum with the skip connection reaches memory. A
// workgroup takes all columns, so threads share rows only: products that few rows
// with large weights make would run on one thread, and stay apart.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/families/Dot.h"
#include "codegen/cpu/families/MatMul.h"
#include "codegen/cpu/families/RowBlock.h"

using namespace mlir;

namespace smelt::codegen::cpu {

/// Weights that one thread reads from its L2 in the time a dispatch takes, or so.
static constexpr int64_t kMostWeightBytes = 256 << 10;

static RankedTensorType tensorType(Value v) { return cast<RankedTensorType>(v.getType()); }

/// The product's place in scratch, one row after the other.
static int64_t rowPitch(MatMulOp op, int64_t nr) { return llvm::alignTo(tensorType(op).getShape().back(), nr); }

static std::optional<Plan> planMatMulRows(KernelOp kernel, const CpuTarget &target) {
  MatMulOp op = getProduct(kernel);
  if (!op || !llvm::all_of(kernel.getBody().front(), [&](Operation &other) {
        return &other == op.getOperation() || isa<ReduceOp>(other) || isComputable(other);
      }))
    return std::nullopt;
  std::optional<RowShape> shape = analyseRows(kernel, op);
  // One value per row of the product: lead dims are what its rows flatten.
  if (!shape || shape->lead + 1 != shape->full.getRank() || planDot(kernel, op, target))
    return std::nullopt;
  std::optional<Plan> plan = planProduct(kernel, op, target, /*wholeRows=*/true);
  if (!plan)
    return std::nullopt;
  ArrayRef<int64_t> weights = tensorType(op.getRhs()).getShape();
  int64_t elements = 1;
  for (int64_t size : weights)
    elements = ShapedType::isDynamic(size) ? kMostWeightBytes : elements * size;
  if (elements * getElementBytes(tensorType(op.getRhs()).getElementType()) > kMostWeightBytes)
    return std::nullopt;
  Builder b(kernel.getContext());
  DictionaryAttr params = b.getDictionaryAttr(plan->params);
  auto param = [&](StringRef name) { return cast<IntegerAttr>(params.get(name)).getInt(); };
  int64_t mr = param("mr"), pitch = rowPitch(op, param("nv") * param("lanes"));
  Type acc = carriedType(tensorType(op).getElementType());
  // The last tile's surplus rows land behind the block.
  AffineExpr lines = b.getAffineConstantExpr(llvm::alignTo((param("rows") + mr) * pitch * getElementBytes(acc), 64));
  plan->params.push_back(b.getNamedAttr("row_lanes", b.getI64IntegerAttr(chooseRowLanes(kernel, target, *shape))));
  plan->scratch = lines + rowScratch(kernel, *shape) + plan->scratch;
  return plan;
}

static LogicalResult emitMatMulRows(KernelContext &context) {
  Emitter &e = context.e;
  MatMulOp op = getProduct(context.kernel);
  RowShape shape = *analyseRows(context.kernel, op);
  Type acc = carriedType(tensorType(op).getElementType());
  int64_t mr = context.param("mr"), pitch = rowPitch(op, context.param("nv") * context.param("lanes"));
  // Scratch: the block's rows, what the passes keep, what the product takes.
  Value lines = context.scratch;
  auto take = [&](Value bytes) {
    Value at = context.scratch;
    context.scratch = e.address(at, bytes, e.b.getI8Type());
    return at;
  };
  take(e.num(llvm::alignTo((context.param("rows") + mr) * pitch * getElementBytes(acc), 64)));
  Value kept = take(e.expr(rowScratch(context.kernel, shape)));

  auto lineOf = [&](Value row) { return e.address(lines, e.mul(row, e.num(pitch)), acc); };
  auto setLine = [&](Value line) {
    e.setSource(op.getResult(), [&e, line, acc](ArrayRef<Value> index, unsigned lanes, int64_t) {
      return e.load(e.address(line, index.back(), acc), acc, lanes);
    });
  };
  auto tile = [&](const Tile &tile, ArrayRef<Value> sums, Value block0, Value row0, Value col0) {
    for (unsigned i = 0; i < tile.mr; ++i) {
      Value line = lineOf(e.add(e.sub(row0, block0), e.num(i)));
      for (unsigned j = 0; j < tile.nv; ++j)
        e.store(e.address(line, e.add(col0, e.num(j * tile.lanes)), acc), acc, sums[i * tile.nv + j]);
    }
  };
  auto block = [&](Value row0, Value rowEnd) {
    setLine(lines); // that it has lanes is asked before a row is
    emitRows(context, shape, context.param("row_lanes"), kept, row0, rowEnd,
             [&](Value row) { setLine(lineOf(e.sub(row, row0))); });
  };
  ProductSink sink{tile, block};
  emitProduct(context, &sink);
  return success();
}

const Family matmulRowsFamily = {"matmulrows", planMatMulRows, emitMatMulRows, Views::Rows, {"matmul", "rowblock"}, true};

} // namespace smelt::codegen::cpu
