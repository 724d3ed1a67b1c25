//===- Attention.cpp - Recognising and planning attention -------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   smelt.kernel { s = matmul(q, k); p = softmax(s * scale + mask); o = matmul(p, v); yield transpose(o) }
//     ->  for workgroup (batch, block of rows): pack k and v; for strip of rows:
//           scores, softmax row by row, product with v, store (AttentionCode.cpp)
//
// A row's scores are computed whole: one strip of them stays in cache up to many
// thousand keys, and no rescaling is needed. The last division by the row's sum
// is done on the product's few columns. Tested by test/codegen/cpu/AttentionTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/families/Attention.h"
#include "codegen/cpu/families/Loops.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace smelt::codegen::cpu {

static AffineExpr product(ArrayRef<AffineExpr> dims, MLIRContext *context) {
  AffineExpr all = getAffineConstantExpr(1, context);
  for (AffineExpr dim : dims)
    all = all * dim;
  return all;
}

static RankedTensorType tensorType(Value v) { return cast<RankedTensorType>(v.getType()); }

bool AttentionShape::isFull(Type type) const {
  SmallVector<AffineExpr> dims = getDims(type);
  return dims.size() >= 2 && dims.back() == n &&
         product(ArrayRef(dims).drop_back(), n.getContext()) == product(batch, n.getContext()) * m;
}

bool AttentionShape::isRow(Type type) const {
  return product(getDims(type), n.getContext()) == product(batch, n.getContext()) * m;
}

namespace {

/// Everything that is computed from `root`.
DenseSet<Operation *> dependentsOf(Operation *root) {
  DenseSet<Operation *> dependents = {root};
  for (Operation *op = root->getNextNode(); op; op = op->getNextNode())
    if (llvm::any_of(op->getOperands(), [&](Value v) { return dependents.contains(v.getDefiningOp()); }))
      dependents.insert(op);
  return dependents;
}

/// Does the computation of `v` reach `target`, going through no reduction and not
/// behind `stop`?
bool reaches(Value v, Value target, Value stop) {
  if (v == target)
    return true;
  Operation *op = v.getDefiningOp();
  if (!op || v == stop || isa<ReduceOp>(op))
    return false;
  return llvm::any_of(op->getOperands(), [&](Value operand) { return reaches(operand, target, stop); });
}

/// May an elementwise op stand between the products? Values of rows keep a unit
/// dim where their row's scores would be, so that none is aligned with the keys.
bool isRowwise(const AttentionShape &shape, Operation &op, const DenseSet<Operation *> &dependents) {
  Type result = op.getResult(0).getType();
  SmallVector<AffineExpr> dims = getDims(result);
  if (!shape.isFull(result) && !shape.isRow(result))
    return false;
  for (Value operand : op.getOperands()) {
    if (!dependents.contains(operand.getDefiningOp()))
      continue;
    SmallVector<AffineExpr> from = getDims(operand.getType());
    if (from.size() != dims.size() || ArrayRef(from).drop_back() != ArrayRef(dims).drop_back() ||
        (from.back() != dims.back() && asConstant(from.back()) != 1))
      return false;
  }
  return true;
}

/// The kernel's result as a buffer in the dims of a value it is moved from;
/// `strides` are the result's and become that value's.
Value followMoves(Value v, SmallVectorImpl<AffineExpr> &strides) {
  Operation *op = v.getDefiningOp();
  if (auto rebind = dyn_cast_or_null<RebindOp>(op))
    return followMoves(rebind.getX(), strides);
  if (auto transpose = dyn_cast_or_null<TransposeOp>(op)) {
    SmallVector<AffineExpr> from(strides.size());
    for (auto [i, p] : llvm::enumerate(transpose.getPerm()))
      from[p] = strides[i];
    strides.assign(from.begin(), from.end());
    return followMoves(transpose.getX(), strides);
  }
  auto reshape = dyn_cast_or_null<ReshapeOp>(op);
  if (!reshape)
    return v;
  // Dims with equal products correspond; each such group must be one line.
  SmallVector<AffineExpr> to = getDims(reshape.getType()), from = getDims(reshape.getX().getType());
  SmallVector<AffineExpr> found(from.size());
  AffineExpr one = getAffineConstantExpr(1, reshape.getContext());
  int64_t i = int64_t(from.size()) - 1, j = int64_t(to.size()) - 1;
  while (i >= 0 || j >= 0) {
    while (j >= 0 && to[j] == one)
      --j;
    if (i >= 0 && from[i] == one) {
      found[i--] = one;
      continue;
    }
    if (i < 0 || j < 0)
      return i < 0 && j < 0 ? Value(reshape.getX()) : v;
    AffineExpr stride = strides[j], a = from[i], c = to[j], line = strides[j] * to[j];
    found[i] = stride;
    stride = stride * from[i];
    --i, --j;
    while (a != c) {
      auto sizeA = asConstant(a), sizeC = asConstant(c);
      bool takeA = i >= 0 && (j < 0 || (sizeA && sizeC ? *sizeA < *sizeC : sizeA.has_value()));
      if (takeA) {
        found[i] = stride;
        a = a * from[i];
        stride = stride * from[i--];
      } else if (j >= 0 && strides[j] == line) {
        c = c * to[j];
        line = line * to[j--];
      } else {
        return v;
      }
    }
  }
  strides.assign(found.begin(), found.end());
  return followMoves(reshape.getX(), strides);
}

/// Which passes leave a value in the score row for the later ones, and whether
/// the last one has to compute the weights.
void planPasses(AttentionShape &shape) {
  Value row = shape.scores.getResult(); // what the score row holds
  for (size_t i = 0; i < shape.reductions.size(); ++i) {
    Value x = shape.reductions[i].getX();
    SmallVector<Value> later = {shape.weights};
    if (shape.divisor)
      later.push_back(shape.divisor);
    for (ReduceOp op : ArrayRef(shape.reductions).drop_front(i + 1))
      later.push_back(op.getX());
    bool isF32 = carriedType(tensorType(x).getElementType()).isF32();
    bool keep = x != row && isF32 && llvm::any_of(later, [&](Value v) { return reaches(v, x, row); }) &&
                llvm::none_of(later, [&](Value v) { return reaches(v, row, x); });
    shape.keeps.push_back(keep);
    if (keep)
      row = x;
  }
  shape.storesWeights = shape.weights != row;
}

} // namespace

std::optional<AttentionShape> analyseAttention(KernelOp kernel) {
  Block &body = kernel.getBody().front();
  SmallVector<MatMulOp> products(body.getOps<MatMulOp>());
  if (products.size() != 2 || body.getTerminator()->getNumOperands() != 1)
    return std::nullopt;
  AttentionShape shape;
  shape.scores = products[0];
  shape.output = products[1];
  SmallVector<AffineExpr> scoreDims = getDims(shape.scores.getType()), outDims = getDims(shape.output.getType());
  SmallVector<AffineExpr> lhs = getDims(shape.scores.getLhs().getType());
  if (scoreDims.size() < 2 || shape.output.getTransposeLhs())
    return std::nullopt;
  shape.v = outDims.pop_back_val();
  shape.n = scoreDims.pop_back_val();
  shape.m = scoreDims.back();
  shape.d = lhs[lhs.size() - (shape.scores.getTransposeLhs() ? 2 : 1)];
  if (scoreDims != outDims || asConstant(shape.n) == 1)
    return std::nullopt;
  shape.batch.assign(scoreDims.begin(), scoreDims.end() - 1);
  for (MatMulOp op : products)
    for (Value v : {op.getLhs(), op.getRhs(), op.getResult()})
      if (!carriedType(tensorType(v).getElementType()).isF32())
        return std::nullopt;

  DenseSet<Operation *> inner = dependentsOf(shape.scores), after = dependentsOf(shape.output);
  if (after.contains(shape.output.getRhs().getDefiningOp()) || inner.contains(shape.output.getRhs().getDefiningOp()) ||
      !inner.contains(shape.output.getLhs().getDefiningOp()))
    return std::nullopt;
  for (Operation &op : body) {
    if (&op == shape.scores || &op == shape.output || op.hasTrait<OpTrait::IsTerminator>())
      continue;
    if (after.contains(&op)) {
      if (!isa<ScalarBodyInterface, TransposeOp, ReshapeOp, RebindOp>(op))
        return std::nullopt;
      continue;
    }
    if (!inner.contains(&op)) {
      if (isa<ReduceOp, ArgReduceOp, ConvOp, ConvTransposeOp, PoolOp, ArgPoolOp, ResizeOp>(op))
        return std::nullopt;
      continue;
    }
    if (auto reduce = dyn_cast<ReduceOp>(op)) {
      int64_t last = tensorType(reduce.getX()).getRank() - 1;
      if (reduce.getAxes() != ArrayRef<int64_t>{last} || !shape.isFull(reduce.getX().getType()))
        return std::nullopt;
      shape.reductions.push_back(reduce);
    } else if (auto reshape = dyn_cast<ReshapeOp>(op)) {
      bool full = shape.isFull(reshape.getX().getType());
      if (full ? !shape.isFull(reshape.getType())
               : !shape.isRow(reshape.getX().getType()) || !shape.isRow(reshape.getType()))
        return std::nullopt;
    } else if (!isa<ScalarBodyInterface, BroadcastOp>(op) || !isRowwise(shape, op, inner)) {
      return std::nullopt;
    }
  }
  // A norm between two layers is no attention: their weights are constants.
  if (llvm::none_of(inner, [&](Operation *op) { return isa<ExpOp>(op) && !after.contains(op); }) ||
      !isElementwiseComputable(kernel) || shape.reductions.empty() || !shape.isFull(shape.output.getLhs().getType()))
    return std::nullopt;

  // The weights of a softmax are at most 1, so that the division may wait.
  shape.weights = shape.output.getLhs();
  Operation *last = shape.weights.getDefiningOp();
  if (isa<DivOp>(last) && last->getOperand(0).getDefiningOp<ExpOp>() &&
      last->getOperand(0).getType() == last->getResult(0).getType() &&
      tensorType(last->getResult(0)).getElementType().isF32() && shape.isRow(last->getOperand(1).getType()) &&
      inner.contains(last->getOperand(1).getDefiningOp())) {
    shape.weights = last->getOperand(0);
    shape.divisor = last->getOperand(1);
  }
  planPasses(shape);

  // Behind the second product: elementwise ops in its dims, then moves.
  Value yielded = body.getTerminator()->getOperand(0);
  shape.strides = stridesOf(kernel, kernel.getNumOperands(), yielded.getType());
  shape.result = followMoves(yielded, shape.strides);
  SmallVector<AffineExpr> want = getDims(shape.output.getType());
  for (Operation *op : after)
    if (op != shape.output.getOperation() && isa<ScalarBodyInterface>(op) && getDims(op->getResult(0).getType()) != want)
      return std::nullopt;
  Operation *end = shape.result.getDefiningOp();
  if (!end || !after.contains(end) || getDims(shape.result.getType()) != want ||
      !(end == shape.output.getOperation() || isa<ScalarBodyInterface>(end)))
    return std::nullopt;
  return shape;
}

//===----------------------------------------------------------------------===//
// The plan
//===----------------------------------------------------------------------===//

/// The constant part of a product of sizes: heads, however many sequences.
static int64_t constantFactor(ArrayRef<AffineExpr> dims) {
  int64_t factor = 1;
  for (AffineExpr dim : dims)
    factor *= std::max<int64_t>(dim.getLargestKnownDivisor(), 1);
  return factor;
}

static std::optional<Plan> planAttention(KernelOp kernel, const CpuTarget &target) {
  std::optional<AttentionShape> shape = analyseAttention(kernel);
  if (!shape)
    return std::nullopt;
  constexpr int64_t kWantedGroups = 8;
  Builder b(kernel.getContext());
  Type f32 = b.getF32Type();
  std::optional<int64_t> m = asConstant(shape->m), n = asConstant(shape->n), v = asConstant(shape->v);
  Tile scores = chooseTile(target, f32, m, n, asConstant(shape->d).has_value());
  Tile output = chooseTile(target, f32, m, v, n.has_value());
  scores.mr = output.mr = std::min(scores.mr, output.mr);
  int64_t mr = scores.mr;
  AffineExpr pitch = shape->n.ceilDiv(scores.nr()) * scores.nr() + 16;
  // A strip of score rows stays in half of L1, or is one tile of rows.
  int64_t strip = 4 * mr;
  if (auto row = asConstant(pitch))
    strip = mr * std::max<int64_t>(target.l1Bytes / 2 / (mr * *row * 4), 1);
  // Rows of a workgroup: all of them, so that k and v are packed once, unless
  // there are few heads to go round.
  int64_t blocks = llvm::divideCeil(kWantedGroups, constantFactor(shape->batch));
  int64_t rows = 128;
  if (m) {
    rows = std::max<int64_t>(llvm::divideCeil(std::max<int64_t>(*m, 1), blocks), std::min<int64_t>(*m, 4 * mr));
    strip = std::min(strip, int64_t(llvm::alignTo(std::max<int64_t>(rows, 1), mr)));
  }
  rows = llvm::alignTo(std::max<int64_t>(rows, 1), mr);

  Plan plan;
  auto param = [&](StringRef name, int64_t value) {
    plan.params.push_back(b.getNamedAttr(name, b.getI64IntegerAttr(value)));
  };
  param("mr", mr);
  param("score_nv", scores.nv);
  param("score_lanes", scores.lanes);
  param("nv", output.nv);
  param("lanes", output.lanes);
  param("rows", rows);
  param("strip", strip);
  plan.grid = product(shape->batch, kernel.getContext()) * shape->m.ceilDiv(rows);
  // As AttentionCode lays it out: a tile, divisors, Q, scores, K and V.
  plan.scratch = std::max(tileBytes(scores, f32), tileBytes(output, f32)) + llvm::alignTo(strip * 4, 64) +
                 (shape->d + 16) * (strip * 4) + pitch * (strip * 4) +
                 shape->n.ceilDiv(scores.nr()) * (scores.nr() * 4) * shape->d +
                 shape->v.ceilDiv(output.nr()) * (output.nr() * 4) * shape->n + 5 * 64;
  return plan;
}

LogicalResult emitAttention(KernelContext &ctx); // AttentionCode.cpp

const Family attentionFamily = {"attention", planAttention, emitAttention};

} // namespace smelt::codegen::cpu
