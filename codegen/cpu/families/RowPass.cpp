//===- RowPass.cpp - A pass over a row that may write into it ---------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// vectorReduce and vectorLoop of Loops.cpp cover a ragged end by a vector that
// overlaps the one before. In place that one must be computed first and stored
// last. Tested by test/codegen/cpu/AttentionTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/families/RowPass.h"

using namespace mlir;

namespace smelt::codegen::cpu {

namespace {

struct RowPass {
  Emitter &e;
  std::optional<ReduceKind> kind;
  Value line;
  llvm::function_ref<Value(Value, unsigned)> element;

  void store(Value i, Value value) {
    if (line)
      e.store(e.address(line, i, e.b.getF32Type()), e.b.getF32Type(), value);
  }
  /// One vector or scalar into the accumulator, when there is one.
  Value step(Value i, unsigned lanes, Value acc) {
    Value value = element(i, lanes);
    store(i, value);
    return kind ? e.combine(*kind, acc, value, false) : acc;
  }
  /// [from, to) by steps of lanes * accumulators.
  SmallVector<Value> loop(Value from, Value to, unsigned lanes, SmallVector<Value> accs, unsigned unroll) {
    auto turn = [&](Value i, ValueRange carried) {
      SmallVector<Value> next(carried);
      next.resize(std::max<size_t>(next.size(), unroll));
      for (unsigned u = 0; u < unroll; ++u)
        next[u] = step(e.add(i, e.num(u * lanes)), lanes, next[u]);
      next.resize(carried.size());
      return next;
    };
    return e.forLoop(from, to, e.num(unroll * lanes), accs, turn);
  }
};

} // namespace

Value rowPass(Emitter &e, std::optional<ReduceKind> kind, Type carried, Value length, unsigned lanes, Value line,
              llvm::function_ref<Value(Value, unsigned)> element) {
  RowPass pass{e, kind, line, element};
  Value zero = e.num(0);
  auto identity = [&](Type type) { return e.reduceIdentity(kind.value_or(ReduceKind::sum), type, false); };
  auto accs = [&](unsigned count, Type type) { return SmallVector<Value>(kind ? count : 0, identity(type)); };
  if (lanes == 1) {
    SmallVector<Value> total = pass.loop(zero, length, 1, accs(1, carried), 1);
    return kind ? total[0] : Value();
  }
  Type vector = VectorType::get({int64_t(lanes)}, carried);
  Value width = e.num(lanes), mainEnd = e.sub(length, e.remU(length, width)), tailAt = e.sub(length, width);
  std::optional<int64_t> fixed = e.constant(length);
  // Four accumulators hide the latency of the reduction where the row is long.
  unsigned unroll = !fixed || *fixed >= 8 * int64_t(lanes) ? 4 : 1;
  Value tail, hasTail; // the last vector, which overlaps the one before
  if (fixed) {
    if (*fixed % lanes)
      tail = element(tailAt, lanes);
  } else {
    hasTail = arith::AndIOp::create(e.b, e.loc, e.cmp(arith::CmpIPredicate::slt, mainEnd, length),
                                    e.cmp(arith::CmpIPredicate::sge, length, width));
    tail = e.ifElse(hasTail, vector, [&] { return element(tailAt, lanes); }, [&] { return identity(vector); });
  }
  Value blocksEnd = unroll > 1 ? e.sub(length, e.remU(length, e.num(unroll * lanes))) : zero;
  SmallVector<Value> sums = accs(unroll, vector);
  if (unroll > 1)
    sums = pass.loop(zero, blocksEnd, lanes, sums, unroll);
  while (sums.size() > 1) {
    SmallVector<Value> half;
    for (size_t i = 0; i < sums.size(); i += 2)
      half.push_back(e.combine(*kind, sums[i], sums[i + 1], false));
    sums = half;
  }
  sums = pass.loop(blocksEnd, mainEnd, lanes, sums, 1);
  if (tail && kind) {
    // Its lanes before mainEnd are counted already.
    Value position = arith::AddIOp::create(e.b, e.loc, e.splat(tailAt, lanes), e.laneIndex(lanes));
    Value fresh = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::sge, position, e.splat(mainEnd, lanes));
    sums[0] = e.combine(*kind, sums[0], arith::SelectOp::create(e.b, e.loc, fresh, tail, identity(vector)), false);
  }
  if (tail && line) {
    if (hasTail)
      e.ifThen(hasTail, [&] { pass.store(tailAt, tail); });
    else
      pass.store(tailAt, tail);
  }
  Value total = kind ? e.reduceLanes(*kind, sums[0], false) : Value();
  if (fixed)
    return total;
  // A row shorter than a vector: by fours, then one by one.
  Value shortEnd = e.select(e.cmp(arith::CmpIPredicate::slt, length, width), length, zero), foursEnd = zero;
  if (lanes > 4) {
    foursEnd = e.sub(shortEnd, e.remU(shortEnd, e.num(4)));
    SmallVector<Value> fours = pass.loop(zero, foursEnd, 4, accs(1, VectorType::get({4}, carried)), 1);
    if (kind)
      total = e.combine(*kind, total, e.reduceLanes(*kind, fours[0], false), false);
  }
  SmallVector<Value> rest = pass.loop(foursEnd, shortEnd, 1, kind ? SmallVector<Value>{total} : SmallVector<Value>(), 1);
  return kind ? rest[0] : Value();
}

} // namespace smelt::codegen::cpu
