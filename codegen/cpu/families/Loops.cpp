//===- Loops.cpp - Vector loops over a row ----------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/families/Loops.h"
#include "dialects/smelt/Constants.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace smelt::codegen::cpu {

unsigned chooseLanes(const CpuTarget &target, int64_t bytes, AffineExpr length) {
  int64_t lanes = std::min<int64_t>(target.vectorBytes / std::max<int64_t>(bytes, 1), 32);
  if (auto constant = dyn_cast<AffineConstantExpr>(length)) {
    if (constant.getValue() <= 0)
      return 1;
    lanes = std::min<int64_t>(lanes, llvm::bit_floor(uint64_t(constant.getValue())));
  }
  return lanes;
}

int64_t widestCarried(KernelOp kernel) {
  int64_t bytes = 1;
  auto see = [&](Type type) {
    if (auto tensor = dyn_cast<RankedTensorType>(type))
      bytes = std::max(bytes, getElementBytes(carriedType(tensor.getElementType())));
  };
  kernel.getBody().walk([&](Operation *op) {
    for (Type type : op->getResultTypes())
      see(type);
  });
  for (Type type : kernel.getBody().getArgumentTypes())
    see(type);
  return bytes;
}

void vectorLoop(Emitter &e, Value from, Value to, unsigned lanes, llvm::function_ref<void(Value, unsigned)> body) {
  Value one = e.num(1);
  if (lanes == 1) {
    e.forLoop(from, to, one, [&](Value i) { body(i, 1); });
    return;
  }
  Value step = e.num(lanes);
  Value count = e.sub(to, from);
  Value whole = e.sub(count, e.remU(count, step));
  Value mainEnd = e.add(from, whole);
  auto staticCount = e.constant(count);
  e.forLoop(from, mainEnd, step, [&](Value i) { body(i, lanes); });
  if (staticCount) {
    if (*staticCount % lanes == 0)
      return;
    if (*staticCount >= lanes)
      body(e.sub(to, step), lanes);
    else
      e.forLoop(from, to, one, [&](Value i) { body(i, 1); });
    return;
  }
  Value rest = e.cmp(arith::CmpIPredicate::slt, mainEnd, to);
  e.ifThen(rest, [&] {
    Value longEnough = e.cmp(arith::CmpIPredicate::sge, count, step);
    e.ifThen(longEnough, [&] { body(e.sub(to, step), lanes); });
    Value isShort = e.cmp(arith::CmpIPredicate::slt, count, step);
    e.ifThen(isShort, [&] { e.forLoop(from, to, one, [&](Value i) { body(i, 1); }); });
  });
}

Value vectorReduce(Emitter &e, ReduceKind kind, bool isUnsigned, Type carried, Value length, unsigned lanes,
                   llvm::function_ref<Value(Value, unsigned)> element) {
  Value zero = e.num(0), one = e.num(1);
  if (lanes == 1)
    return e.forLoop(zero, length, one, e.reduceIdentity(kind, carried, isUnsigned),
                     [&](Value i, ValueRange acc) -> SmallVector<Value> {
                       return {e.combine(kind, acc[0], element(i, 1), isUnsigned)};
                     })[0];
  Type vectorType = VectorType::get({int64_t(lanes)}, carried);
  Value identity = e.reduceIdentity(kind, vectorType, isUnsigned);
  Value step = e.num(lanes);
  auto staticLength = e.constant(length);
  // Four accumulators hide the latency of the additions where the row is long.
  unsigned unroll = !staticLength || *staticLength >= 8 * int64_t(lanes) ? 4 : 1;
  Value block = e.num(unroll * lanes);
  Value blocksEnd = e.sub(length, e.remU(length, block));
  SmallVector<Value> accumulators(unroll, identity);
  if (unroll > 1)
    accumulators = e.forLoop(zero, blocksEnd, block, accumulators, [&](Value i, ValueRange acc) {
      SmallVector<Value> next;
      for (unsigned u = 0; u < unroll; ++u)
        next.push_back(e.combine(kind, acc[u], element(e.add(i, e.num(u * lanes)), lanes), isUnsigned));
      return next;
    });
  else
    blocksEnd = zero;
  while (accumulators.size() > 1) {
    SmallVector<Value> half;
    for (size_t i = 0; i < accumulators.size(); i += 2)
      half.push_back(e.combine(kind, accumulators[i], accumulators[i + 1], isUnsigned));
    accumulators = half;
  }
  Value mainEnd = e.sub(length, e.remU(length, step));
  Value acc = e.forLoop(blocksEnd, mainEnd, step, accumulators[0], [&](Value i, ValueRange carriedAcc) -> SmallVector<Value> {
    return {e.combine(kind, carriedAcc[0], element(i, lanes), isUnsigned)};
  })[0];
  // The last vector ends with the row; its lanes before mainEnd count nothing.
  auto overlapped = [&](Value in) -> Value {
    Value start = e.sub(length, step);
    Value value = element(start, lanes);
    Value position = arith::AddIOp::create(e.b, e.loc, e.splat(start, lanes), e.laneIndex(lanes));
    Value fresh = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::sge, position, e.splat(mainEnd, lanes));
    return e.combine(kind, in, arith::SelectOp::create(e.b, e.loc, fresh, value, identity), isUnsigned);
  };
  if (staticLength) {
    if (*staticLength % lanes != 0 && *staticLength >= int64_t(lanes))
      acc = overlapped(acc);
    return e.reduceLanes(kind, acc, isUnsigned);
  }
  Value ragged = e.cmp(arith::CmpIPredicate::slt, mainEnd, length);
  Value longEnough = e.cmp(arith::CmpIPredicate::sge, length, step);
  Value useVector = arith::AndIOp::create(e.b, e.loc, ragged, longEnough);
  acc = e.ifElse(useVector, vectorType, [&] { return overlapped(acc); }, [&] { return acc; });
  Value total = e.reduceLanes(kind, acc, isUnsigned);
  Value shortEnd = e.select(longEnough, zero, length);
  return e.forLoop(zero, shortEnd, one, total, [&](Value i, ValueRange carriedAcc) -> SmallVector<Value> {
    return {e.combine(kind, carriedAcc[0], element(i, 1), isUnsigned)};
  })[0];
}

int64_t elementCost(KernelOp kernel) {
  int64_t cost = 0;
  for (Operation &op : kernel.getBody().front()) {
    if (auto body = dyn_cast<ScalarBodyInterface>(op))
      cost += body.getElementCost();
    else if (isa<ReduceOp, ArgReduceOp, MatMulOp, ConvOp, ConvTransposeOp, PoolOp, ArgPoolOp>(op))
      cost += 1000;
    else if (isa<ResizeOp>(op))
      cost += 50;
    else
      cost += 1;
  }
  return std::max<int64_t>(cost, 1);
}

} // namespace smelt::codegen::cpu
