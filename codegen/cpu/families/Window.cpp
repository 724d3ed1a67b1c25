//===- Window.cpp - What depthwise convolutions and pools share -------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/families/Window.h"

using namespace mlir;

namespace smelt::codegen::cpu {

/// ceil(x / y) for x of any sign, y > 0, at least 0.
static Value ceilAtLeastZero(Emitter &e, Value x, int64_t y) {
  return e.divU(e.max(e.add(x, e.num(y - 1)), e.num(0)), e.num(y));
}

Value windowStart(Emitter &e, const WindowDim &dim, Value position) {
  return e.sub(e.mul(position, e.num(dim.stride)), dim.pad);
}

std::pair<Value, Value> windowTaps(Emitter &e, const WindowDim &dim, Value start) {
  Value first = ceilAtLeastZero(e, e.sub(e.num(0), start), dim.dilation);
  Value second = e.min(e.num(dim.kernel), ceilAtLeastZero(e, e.sub(dim.in, start), dim.dilation));
  return {first, second};
}

std::pair<Value, Value> innerRange(Emitter &e, const WindowDim &dim) {
  Value first = e.min(ceilAtLeastZero(e, dim.pad, dim.stride), dim.out);
  // position * stride - pad + reach < in
  Value room = e.sub(e.add(dim.in, dim.pad), e.num((dim.kernel - 1) * dim.dilation));
  Value second = e.min(ceilAtLeastZero(e, room, dim.stride), dim.out);
  return {first, e.max(first, second)};
}

SmallVector<Value> forWindow(Emitter &e, ArrayRef<WindowDim> dims, ArrayRef<Value> starts, ArrayRef<Value> strides,
                             ValueRange init, WindowBody body) {
  SmallVector<Value> taps;
  std::function<SmallVector<Value>(size_t, Value, ValueRange)> nest = [&](size_t d, Value offset, ValueRange carried) {
    if (d == dims.size())
      return body(taps, offset, carried);
    auto [first, second] = windowTaps(e, dims[d], starts[d]);
    return e.forLoop(first, second, e.num(1), carried, [&](Value tap, ValueRange state) {
      taps.push_back(tap);
      Value at = e.add(starts[d], e.mul(tap, e.num(dims[d].dilation)));
      SmallVector<Value> result = nest(d + 1, e.add(offset, e.mul(at, strides[d])), state);
      taps.pop_back();
      return result;
    });
  };
  return nest(0, e.num(0), init);
}

void forLine(Emitter &e, const WindowDim &dim, unsigned wide, llvm::function_ref<void(Value, unsigned, bool)> body) {
  auto [first, second] = innerRange(e, dim);
  Value one = e.num(1), from = first;
  e.forLoop(e.num(0), first, one, [&](Value position) { body(position, 1, false); });
  for (unsigned width = wide; width >= 1; width /= 2) {
    Value count = e.sub(second, from), whole = e.sub(count, e.remU(count, e.num(width)));
    Value to = e.add(from, whole);
    e.forLoop(from, to, e.num(width), [&](Value position) { body(position, width, true); });
    from = to;
  }
  e.forLoop(second, dim.out, one, [&](Value position) { body(position, 1, false); });
}

void forLineLanes(Emitter &e, const WindowDim &dim, unsigned lanes,
                  llvm::function_ref<void(Value, unsigned, bool)> body) {
  auto [first, second] = innerRange(e, dim);
  Value one = e.num(1), size = e.num(lanes), narrowFrom = first;
  e.forLoop(e.num(0), first, one, [&](Value position) { body(position, 1, false); });
  if (lanes > 1) {
    Value isWide = e.cmp(arith::CmpIPredicate::sge, e.sub(second, first), size), lastStart = e.sub(second, size);
    e.ifThen(isWide, [&] {
      e.forLoop(first, second, size, [&](Value position) { body(e.min(position, lastStart), lanes, true); });
    });
    narrowFrom = e.select(isWide, second, first);
  }
  e.forLoop(narrowFrom, dim.out, one, [&](Value position) { body(position, 1, false); });
}

Value loadStepped(Emitter &e, Value pointer, Type type, unsigned lanes, int64_t step) {
  if (step == 1 || lanes == 1)
    return e.load(pointer, type, lanes);
  if (step == 2) {
    Value low = e.load(pointer, type, lanes), high = e.load(e.address(pointer, e.num(lanes - 1), type), type, lanes);
    SmallVector<int64_t> pick;
    for (int64_t l = 0; l < int64_t(lanes); ++l)
      pick.push_back(2 * l < int64_t(lanes) ? 2 * l : 2 * l + 1); // the second vector starts one early
    return vector::ShuffleOp::create(e.b, e.loc, low, high, pick);
  }
  SmallVector<Value> parts;
  for (unsigned l = 0; l < lanes; ++l)
    parts.push_back(e.load(e.address(pointer, e.num(l * step), type), type));
  return vector::FromElementsOp::create(e.b, e.loc, VectorType::get({int64_t(lanes)}, parts[0].getType()), parts);
}

} // namespace smelt::codegen::cpu
