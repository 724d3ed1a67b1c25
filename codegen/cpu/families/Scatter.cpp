//===- Scatter.cpp - Copies with elements replaced by index -----------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   smelt.kernel { y = scatter_nd(x, indices, updates); yield y }
//     -> for workgroup (a range of y's first dim): copy the range of x, then
//        apply, in their order, the updates that fall into it
//
// Every workgroup looks at all indices, so the result is that of one sequential
// pass however many threads there are. x, indices and updates may be computed.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/families/Contraction.h"
#include "codegen/cpu/families/Loops.h"

using namespace mlir;

namespace smelt::codegen::cpu {

namespace {

/// Either scatter op.
struct Root {
  Operation *op = nullptr;
  Value x, indices, updates, result;
  ScatterKind kind = ScatterKind::none;
  int64_t axis = -1; // of scatter_elements
  explicit operator bool() const { return op; }
  bool isElements() const { return axis >= 0; }
};

RankedTensorType tensorType(Value v) { return cast<RankedTensorType>(v.getType()); }

Root getRoot(KernelOp kernel) {
  Operation *terminator = kernel.getBody().front().getTerminator();
  if (terminator->getNumOperands() != 1)
    return {};
  Operation *op = terminator->getOperand(0).getDefiningOp();
  if (auto elements = dyn_cast_or_null<ScatterElementsOp>(op))
    return {op, elements.getX(), elements.getIndices(), elements.getUpdates(), elements.getResult(),
            elements.getKind(), int64_t(elements.getAxis())};
  if (auto nd = dyn_cast_or_null<ScatterNDOp>(op))
    return {op, nd.getX(), nd.getIndices(), nd.getUpdates(), nd.getResult(), nd.getKind(), -1};
  return {};
}

std::optional<Plan> planScatter(KernelOp kernel, const CpuTarget &target) {
  constexpr int64_t kParts = 8, kElements = 1 << 15; // of a workgroup's range, at least
  Root root = getRoot(kernel);
  if (!root || !isComputableAround(kernel, root.op))
    return std::nullopt;
  for (Operation &op : kernel.getBody().front())
    if (llvm::is_contained(op.getOperands(), root.result) && !op.hasTrait<OpTrait::IsTerminator>())
      return std::nullopt;
  int64_t rank = tensorType(root.x).getRank(), tupleRank = tensorType(root.indices).getRank();
  if (rank < 1 || !isa<IntegerType>(tensorType(root.indices).getElementType()) || tupleRank < 1)
    return std::nullopt;
  if (!root.isElements()) {
    int64_t depth = tensorType(root.indices).getShape().back();
    if (ShapedType::isDynamic(depth) || depth < 1 || depth > rank)
      return std::nullopt;
  }
  Builder b(kernel.getContext());
  SmallVector<AffineExpr> dims = getDims(root.x.getType());
  std::optional<int64_t> count = asConstant(getNumElements(root.x.getType())), first = asConstant(dims[0]);
  int64_t parts = count ? std::clamp<int64_t>(*count / kElements, 1, kParts) : kParts;
  if (first)
    parts = std::clamp<int64_t>(*first, 1, parts);
  Plan plan;
  plan.params.push_back(b.getNamedAttr("parts", b.getI64IntegerAttr(parts)));
  plan.grid = b.getAffineConstantExpr(parts);
  return plan;
}

struct ScatterCode {
  KernelContext &ctx;
  Emitter &e;
  Root root;
  int64_t rank;
  SmallVector<Value> sizes;
  const Buffer &y;

  ScatterCode(KernelContext &ctx)
      : ctx(ctx), e(ctx.e), root(getRoot(ctx.kernel)), rank(tensorType(root.x).getRank()), sizes(e.sizes(root.x)),
        y(ctx.outputs[0]) {}

  /// Loops over sizes[d..], the last dim in vectors where all of `values` have
  /// vector code (a scatter's runs do not overlap themselves).
  void forAll(ArrayRef<Value> ends, SmallVector<Value> &index, unsigned lanes,
              llvm::function_ref<void(ArrayRef<Value> index, unsigned lanes)> body) {
    if (index.size() == ends.size())
      return body(index, 1);
    Value end = ends[index.size()];
    if (index.size() + 1 == ends.size() && lanes > 1) {
      // No overlapping vectors: an update that adds must come once.
      Value whole = e.sub(end, e.remU(end, e.num(lanes)));
      auto loop = [&](Value from, Value to, unsigned width) {
        e.forLoop(from, to, e.num(width), [&](Value i) {
          index.push_back(i);
          body(index, width);
          index.pop_back();
        });
      };
      loop(e.num(0), whole, lanes);
      return loop(whole, end, 1);
    }
    e.forLoop(e.num(0), end, e.num(1), [&](Value i) {
      index.push_back(i);
      forAll(ends, index, lanes, body);
      index.pop_back();
    });
  }

  unsigned lanesFor(Value value, int64_t dim) {
    if (rank < 1 || dim < 0 || !e.vectorizes(value, dim) || e.constant(y.strides[rank - 1]) != 1)
      return 1;
    return chooseLanes(ctx.target, widestCarried(ctx.kernel), getDim(root.x.getType(), rank - 1));
  }

  void copy(Value from, Value to) {
    unsigned lanes = rank > 1 ? lanesFor(root.x, rank - 1) : 1;
    e.forLoop(from, to, e.num(1), [&](Value first) {
      SmallVector<Value> index = {first};
      forAll(sizes, index, lanes, [&](ArrayRef<Value> at, unsigned width) {
        e.store(y, at, e.element(root.x, at, width, rank - 1), rank - 1);
      });
    });
  }

  /// An index as i64, counted from the front; sets `ok` to whether it is one.
  Value checked(Value index, Value size, Value &ok) {
    Type i64 = e.b.getI64Type();
    if (index.getType() != i64)
      index = isUnsigned(tensorType(root.indices).getElementType())
                  ? Value(arith::ExtUIOp::create(e.b, e.loc, i64, index))
                  : Value(arith::ExtSIOp::create(e.b, e.loc, i64, index));
    Value wrapped = e.select(e.cmp(arith::CmpIPredicate::slt, index, e.num(0)), e.add(index, size), index);
    Value in = e.cmp(arith::CmpIPredicate::ult, wrapped, size);
    ok = ok ? e.b.createOrFold<arith::AndIOp>(e.loc, ok, in) : in;
    return wrapped;
  }

  void place(ArrayRef<Value> at, Value update) {
    if (root.kind != ScatterKind::none) {
      unsigned lanes = 1;
      if (auto vector = dyn_cast<VectorType>(update.getType()))
        lanes = vector.getNumElements();
      Value old = e.load(y, at, lanes, rank - 1);
      ReduceKind kind = root.kind == ScatterKind::add   ? ReduceKind::sum
                        : root.kind == ScatterKind::mul ? ReduceKind::prod
                        : root.kind == ScatterKind::max ? ReduceKind::max
                                                        : ReduceKind::min;
      update = e.combine(kind, old, update, isUnsigned(y.elementType));
    }
    e.store(y, at, update, rank - 1);
  }

  /// Runs `body` when the index is good and its first dim lies in [from, to).
  void whenInside(Value first, Value ok, Value from, Value to, llvm::function_ref<void()> body) {
    Value yes = arith::ConstantOp::create(e.b, e.loc, e.b.getBoolAttr(true));
    e.flagBadIndex(e.b.createOrFold<arith::XOrIOp>(e.loc, ok, yes));
    Value above = e.cmp(arith::CmpIPredicate::sge, first, from), below = e.cmp(arith::CmpIPredicate::slt, first, to);
    Value mine = e.b.createOrFold<arith::AndIOp>(e.loc, above, below);
    e.ifThen(e.b.createOrFold<arith::AndIOp>(e.loc, ok, mine), body);
  }

  void updateElements(Value from, Value to) {
    SmallVector<Value> ends = e.sizes(root.indices), index;
    forAll(ends, index, 1, [&](ArrayRef<Value> at, unsigned) {
      Value ok;
      SmallVector<Value> target(at);
      target[root.axis] = checked(e.element(root.indices, at), sizes[root.axis], ok);
      whenInside(target[0], ok, from, to, [&] { place(target, e.element(root.updates, at)); });
    });
  }

  void updateSlices(Value from, Value to) {
    SmallVector<Value> ends = e.sizes(root.indices), index;
    int64_t depth = *e.constant(ends.pop_back_val()), updateRank = tensorType(root.updates).getRank();
    unsigned lanes = depth < rank ? lanesFor(root.updates, updateRank - 1) : 1;
    forAll(ends, index, 1, [&](ArrayRef<Value> tuple, unsigned) {
      Value ok;
      SmallVector<Value> where(tuple), target;
      where.push_back({});
      for (int64_t d = 0; d < depth; ++d) {
        where.back() = e.num(d);
        target.push_back(checked(e.element(root.indices, where), sizes[d], ok));
      }
      SmallVector<Value> outer(tuple);
      whenInside(target[0], ok, from, to, [&] {
        SmallVector<Value> inner;
        forAll(ArrayRef(sizes).drop_front(depth), inner, lanes, [&](ArrayRef<Value> at, unsigned width) {
          SmallVector<Value> source(outer), destination(target);
          source.append(at.begin(), at.end());
          destination.append(at.begin(), at.end());
          place(destination, e.element(root.updates, source, width, updateRank - 1));
        });
      });
    });
  }
};

LogicalResult emitScatter(KernelContext &ctx) {
  Emitter &e = ctx.e;
  ScatterCode code(ctx);
  Value parts = e.num(ctx.param("parts"));
  Value each = e.divU(e.add(code.sizes[0], e.sub(parts, e.num(1))), parts);
  // Neighbouring ranges are one longer range.
  Value from = e.min(e.mul(ctx.wgBegin, each), code.sizes[0]), to = e.min(e.mul(ctx.wgEnd, each), code.sizes[0]);
  code.copy(from, to);
  if (code.root.isElements())
    code.updateElements(from, to);
  else
    code.updateSlices(from, to);
  return success();
}

} // namespace

const Family scatterFamily = {"scatter", planScatter, emitScatter};

} // namespace smelt::codegen::cpu
