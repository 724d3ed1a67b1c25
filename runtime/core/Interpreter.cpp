//===- Interpreter.cpp - Runs a host program ---------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The Ops of core/Artifact.h over a context's registers, buffers and values.
// The words were verified at load; what is checked here are the values:
// overflow, sizes, unset buffers. Tested by test/runtime/InterpreterTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/Context.h"
#include "runtime/core/HostOps.h"

using namespace smelt::rt;
using namespace smelt::artifact;

namespace {

class Interpreter {
public:
  Interpreter(smelt_context &c, smelt_error *err)
      : c(c), p(c.module->program), r(c.registers.data()), b(c.buffers.data()), err(err) {}
  int run();

private:
  int arithmetic(Op op, const int64_t *w);
  int memoryOp(Op op, const int64_t *w);
  int setOutput(const int64_t *w);
  int readWrite(Op op, const int64_t *w);
  int checkDim(const int64_t *w);
  int inputDim(const int64_t *w, int64_t &dim);
  /// Runs `n` Dispatch instructions from `w` on and moves `w` behind them.
  int segment(const int64_t *&w, int64_t n);
  int scratchFor(int64_t bytes);
  int record(size_t events);
  int checkDeadline();
  int outside(const char *what, int64_t offset, int64_t bytes, int64_t size) {
    return fail(err, SMELT_BAD_DATA, "bad program: %s of %lld bytes at %lld does not fit in %lld bytes", what,
                static_cast<long long>(bytes), static_cast<long long>(offset), static_cast<long long>(size));
  }
  static bool fits(int64_t offset, int64_t bytes, int64_t size) {
    return offset >= 0 && bytes >= 0 && offset <= size && bytes <= size - offset;
  }
  int unset(int64_t buffer) {
    return fail(err, SMELT_BAD_DATA, "bad program: buffer %lld is used before it is set",
                static_cast<long long>(buffer));
  }
  int readOnly(int64_t buffer) {
    return fail(err, SMELT_BAD_DATA, "bad program: buffer %lld, a constant or an input, is written to",
                static_cast<long long>(buffer));
  }

  smelt_context &c;
  const Program &p;
  int64_t *r;
  Slot *b;
  smelt_error *err;
};

int Interpreter::arithmetic(Op op, const int64_t *w) {
  int64_t x = r[w[2]], y = r[w[3]], result = 0;
  bool overflows = false;
  switch (op) {
  case Op::Add: overflows = __builtin_add_overflow(x, y, &result); break;
  case Op::Sub: overflows = __builtin_sub_overflow(x, y, &result); break;
  case Op::Mul: overflows = __builtin_mul_overflow(x, y, &result); break;
  case Op::FloorDiv: case Op::CeilDiv: case Op::Mod: {
    if (y == 0)
      return fail(err, SMELT_BAD_DATA, "a size computed from the inputs' dims divides by zero");
    overflows = x == INT64_MIN && y == -1;
    if (overflows)
      break;
    int64_t quotient = x / y, rest = x % y;
    bool isInexact = rest != 0, isNegative = (rest < 0) != (y < 0);
    if (op == Op::FloorDiv)
      result = quotient - (isInexact && isNegative);
    else if (op == Op::CeilDiv)
      result = quotient + (isInexact && !isNegative);
    else
      result = isInexact && isNegative ? rest + y : rest; // the sign of the divisor
    break;
  }
  case Op::Min: result = x < y ? x : y; break;
  case Op::Max: result = x > y ? x : y; break;
  case Op::CmpEq: result = x == y; break;
  case Op::CmpNe: result = x != y; break;
  case Op::CmpLt: result = x < y; break;
  case Op::CmpLe: result = x <= y; break;
  case Op::And: result = x && y; break;
  default: result = x || y; break; // Or
  }
  if (overflows)
    return fail(err, SMELT_BAD_DATA, "a size computed from the inputs' dims overflows 64 bits (%lld and %lld)",
                static_cast<long long>(x), static_cast<long long>(y));
  r[w[1]] = result;
  return SMELT_OK;
}

int Interpreter::inputDim(const int64_t *w, int64_t &dim) {
  const Input &input = c.inputs[w[2]];
  if (w[3] >= input.rank)
    return fail(err, SMELT_BAD_DATA, "input '%s' has rank %d, its dim %lld is wanted", p.inputs[w[2]].name,
                input.rank, static_cast<long long>(w[3]));
  dim = input.dims[w[3]];
  return SMELT_OK;
}

int Interpreter::checkDim(const int64_t *w) {
  int64_t dim;
  if (int code = inputDim(w, dim))
    return code;
  if (dim == r[w[1]])
    return SMELT_OK;
  const Port &port = p.inputs[w[2]];
  const char *symbol = port.rank >= 0 ? port.dimNames[w[3]] : nullptr;
  const Input &input = c.inputs[w[2]];
  char dims[256];
  return fail(err, SMELT_BAD_DATA, "input '%s' has %lld as dim %lld (%s), %s%s%lld is wanted", port.name,
              static_cast<long long>(dim), static_cast<long long>(w[3]),
              formatDims(input.rank, input.dims, dims, sizeof dims), symbol ? symbol : "", symbol ? " = " : "",
              static_cast<long long>(r[w[1]]));
}

int Interpreter::setOutput(const int64_t *w) {
  const Port &port = p.outputs[w[2]];
  Output &o = c.outputs[w[2]];
  int64_t rank = w[3], dims[SMELT_MAX_RANK], bytes;
  for (int64_t i = 0; i < rank; ++i)
    dims[i] = r[w[4 + i]];
  char text[256];
  if (!byteSize(port.dtype, rank, dims, bytes))
    return fail(err, SMELT_BAD_DATA, "output '%s' would have dims %s, each must be 0..2^40 and all 2^47 bytes at most",
                port.name, formatDims(rank, dims, text, sizeof text));
  if (o.bound) {
    if (bytes > o.capacity)
      return fail(err, SMELT_USAGE, "output '%s' needs %lld bytes (%s of %s), it is bound to %lld", port.name,
                  static_cast<long long>(bytes), formatDims(rank, dims, text, sizeof text), name(port.dtype),
                  static_cast<long long>(o.capacity));
    o.data = o.bound;
  } else {
    if (o.data && bytes > o.owned.size())
      return fail(err, SMELT_BAD_DATA, "bad program: output '%s' is set twice, the second time larger", port.name);
    if (int code = o.owned.ensure(c.memory, bytes, port.name, err))
      return code;
    if (!o.data)
      c.poison(o.owned.data(), bytes);
    o.data = o.owned.data();
  }
  o.bytes = bytes;
  o.rank = static_cast<int32_t>(rank);
  for (int64_t i = 0; i < rank; ++i)
    o.dims[i] = dims[i];
  Slot &slot = b[w[1]];
  c.clearSlot(slot);
  slot.data = o.data;
  slot.bytes = bytes;
  return SMELT_OK;
}

int Interpreter::memoryOp(Op op, const int64_t *w) {
  Slot &slot = b[w[1]];
  switch (op) {
  case Op::ArenaAt: {
    int64_t offset = r[w[2]], bytes = r[w[3]];
    if (!fits(offset, bytes, c.arenaBytes))
      return outside("a tensor", offset, bytes, c.arenaBytes);
    c.arenaIsUsed = true;
    c.clearSlot(slot);
    slot.data = c.arena.data() + offset;
    slot.bytes = bytes;
    return SMELT_OK;
  }
  case Op::Const:
    c.clearSlot(slot);
    // Kernels get one type of pointer for all buffers; the pool is read-only.
    slot.data = const_cast<uint8_t *>(p.descriptor->constants) + w[2];
    slot.bytes = w[3];
    slot.isReadOnly = true;
    if (!slot.data) { // an empty constant of an artifact without a pool
      static uint8_t empty[64];
      slot.data = empty;
    }
    return SMELT_OK;
  case Op::Input:
    c.clearSlot(slot);
    slot.data = c.inputs[w[2]].data;
    slot.bytes = c.inputs[w[2]].bytes;
    slot.isReadOnly = true;
    return SMELT_OK;
  case Op::Alloc: {
    int64_t bytes = r[w[2]];
    if (bytes < 0)
      return fail(err, SMELT_BAD_DATA, "bad program: buffer %lld would have %lld bytes",
                  static_cast<long long>(w[1]), static_cast<long long>(bytes));
    return c.allocateSlot(slot, bytes, err);
  }
  case Op::View: {
    const Slot source = b[w[2]];
    int64_t offset = r[w[3]], bytes = r[w[4]];
    if (!source.data)
      return unset(w[2]);
    if (!fits(offset, bytes, source.bytes))
      return outside("a view", offset, bytes, source.bytes);
    if (w[1] != w[2])
      c.clearSlot(slot);
    slot.data = source.data + offset;
    slot.bytes = bytes;
    slot.isReadOnly = source.isReadOnly;
    return SMELT_OK;
  }
  default: { // Copy
    const Slot &source = b[w[2]];
    int64_t bytes = r[w[3]];
    if (!slot.data || !source.data)
      return unset(slot.data ? w[2] : w[1]);
    if (slot.isReadOnly)
      return readOnly(w[1]);
    if (!fits(0, bytes, slot.bytes) || !fits(0, bytes, source.bytes))
      return outside("a copy", 0, bytes, slot.bytes < source.bytes ? slot.bytes : source.bytes);
    memmove(slot.data, source.data, static_cast<size_t>(bytes));
    return SMELT_OK;
  }
  }
}

/// Read r, b, rIndex, dtype and Write b, rIndex, r, dtype.
int Interpreter::readWrite(Op op, const int64_t *w) {
  bool isRead = op == Op::Read;
  int64_t buffer = isRead ? w[2] : w[1], index = isRead ? r[w[3]] : r[w[2]];
  DType dtype = static_cast<DType>(w[4]);
  int64_t size = static_cast<int64_t>(elementSize(dtype));
  const Slot &slot = b[buffer];
  if (!slot.data)
    return unset(buffer);
  if (index < 0 || index >= slot.bytes / size)
    return fail(err, SMELT_BAD_DATA, "element %lld of a tensor with %lld elements is wanted",
                static_cast<long long>(index), static_cast<long long>(slot.bytes / size));
  if (!isRead) {
    if (slot.isReadOnly)
      return readOnly(buffer);
    if (!storeInt(dtype, slot.data, static_cast<size_t>(index), r[w[3]]))
      return fail(err, SMELT_UNSUPPORTED, "the host program cannot write elements of %s", name(dtype));
    return SMELT_OK;
  }
  if (!isFloat(dtype)) {
    r[w[1]] = loadInt(dtype, slot.data, static_cast<size_t>(index));
    return SMELT_OK;
  }
  double value = loadDouble(dtype, slot.data, static_cast<size_t>(index));
  if (!(value > -9223372036854775808.0 && value < 9223372036854775808.0))
    return fail(err, SMELT_BAD_DATA, "a value %g is used as a size or an index, an integer is wanted", value);
  r[w[1]] = static_cast<int64_t>(value);
  return SMELT_OK;
}

//===----------------------------------------------------------------------===//
// Dispatches
//===----------------------------------------------------------------------===//

int Interpreter::scratchFor(int64_t bytes) {
  // Until all threads have theirs: the next try must not trust one of them.
  c.scratchBytes = -1;
  for (size_t t = 0; t < c.scratch.size(); ++t) {
    if (int code = c.scratch[t].ensure(c.memory, bytes + kStatusBytes, "a thread's scratch", err))
      return code;
    memset(c.scratch[t].data(), 0, kStatusBytes);
    c.scratchPointers[t] = c.scratch[t].data() + kStatusBytes;
  }
  c.scratchBytes = bytes;
  return SMELT_OK;
}

int Interpreter::segment(const int64_t *&w, int64_t n) {
  // Reserved at creation for the largest segment, so no push can fail or move.
  c.records.clear();
  c.recordBuffers.clear();
  c.recordSymbols.clear();
  int64_t scratch = 0;
  const char *first = p.text(w[4]);
  size_t firstEvent = c.events.size();
  for (int64_t i = 0; i < n; ++i) {
    // Dispatch: kernel, rGrid, rScratch, text, nSymbols, r..., nBuffers, b...
    KernelFn kernel = p.descriptor->kernels[w[1]];
    int64_t grid = r[w[2]], bytes = r[w[3]];
    const char *text = p.text(w[4]);
    if (grid < 0 || bytes < 0 || bytes > int64_t(1) << 40)
      return fail(err, SMELT_BAD_DATA, "bad program: kernel '%s' has %lld workgroups and %lld bytes of scratch",
                  text, static_cast<long long>(grid), static_cast<long long>(bytes));
    scratch = bytes > scratch ? bytes : scratch;
    int64_t symbols = w[5];
    const int64_t *operand = w + 6;
    int64_t *symbolsAt = c.recordSymbols.end();
    bool ok = true;
    for (int64_t s = 0; s < symbols; ++s)
      ok &= c.recordSymbols.push(r[operand[s]]);
    operand += symbols;
    int64_t buffers = *operand++;
    void **buffersAt = c.recordBuffers.end();
    for (int64_t k = 0; k < buffers; ++k) {
      if (!b[operand[k]].data)
        return unset(operand[k]);
      ok &= c.recordBuffers.push(b[operand[k]].data);
    }
    ok &= c.records.push({kernel, buffersAt, symbolsAt, grid});
    if (c.isProfiling)
      ok &= c.events.push({text, 0, 0, grid});
    if (!ok)
      return failMemory(err, sizeof(DispatchRecord), "a segment");
    w = operand + buffers;
  }
  if (scratch > c.scratchBytes)
    if (int code = scratchFor(scratch))
      return code;
  for (void *own : c.scratchPointers)
    c.poison(static_cast<uint8_t *>(own), scratch);
  if (c.isProfiling && !c.times.resize(n + 1))
    return failMemory(err, 8 * (n + 1), "a profile");
  c.pool.run(c.records.data(), c.records.size(), c.scratchPointers.data(),
             c.isProfiling ? c.times.data() : nullptr);
  bool badIndex = false;
  for (size_t t = 0; t < c.scratch.size(); ++t) {
    int64_t &status = *reinterpret_cast<int64_t *>(c.scratch[t].data());
    badIndex |= status != 0;
    status = 0;
  }
  if (badIndex)
    return fail(err, SMELT_BAD_DATA, "an index is out of range in kernel '%s'%s", first,
                n > 1 ? " or one that follows it" : "");
  for (size_t i = 0; c.isProfiling && i < static_cast<size_t>(n); ++i) {
    c.events[firstEvent + i].start_ns = c.times[i] - c.runStart;
    c.events[firstEvent + i].duration_ns = c.times[i + 1] - c.times[i];
  }
  return SMELT_OK;
}

int Interpreter::checkDeadline() {
  if (c.deadlineNs && nowNanoseconds() - c.runStart > c.deadlineNs)
    return fail(err, SMELT_DEADLINE, "the run took longer than its deadline of %llu ms",
                static_cast<unsigned long long>(c.deadlineNs / 1000000));
  return SMELT_OK;
}

//===----------------------------------------------------------------------===//
// The loop
//===----------------------------------------------------------------------===//

int Interpreter::run() {
  const int64_t *code = p.code, *w = code;
  for (;;) {
    int status = SMELT_OK;
    Op op = static_cast<Op>(w[0]);
    switch (op) {
    case Op::End: return SMELT_OK;
    case Op::LoadImm: r[w[1]] = w[2]; w += 3; break;
    case Op::Move: r[w[1]] = r[w[2]]; w += 3; break;
    case Op::Add: case Op::Sub: case Op::Mul: case Op::FloorDiv: case Op::CeilDiv: case Op::Mod:
    case Op::Min: case Op::Max: case Op::CmpEq: case Op::CmpNe: case Op::CmpLt: case Op::CmpLe:
    case Op::And: case Op::Or:
      status = arithmetic(op, w);
      w += 4;
      break;
    case Op::Not: r[w[1]] = !r[w[2]]; w += 3; break;
    case Op::Select: r[w[1]] = r[w[2]] ? r[w[3]] : r[w[4]]; w += 5; break;
    case Op::Jump: case Op::JumpIfZero: {
      const int64_t *next = w + (op == Op::Jump ? 2 : 3);
      if (op == Op::Jump || r[w[1]] == 0)
        next = code + w[op == Op::Jump ? 1 : 2];
      if (next <= w) // a loop: the only way to run for ever
        status = checkDeadline();
      w = next;
      break;
    }
    case Op::InputDim: {
      int64_t dim = 0;
      status = inputDim(w, dim);
      r[w[1]] = dim;
      w += 4;
      break;
    }
    case Op::CheckDim: status = checkDim(w); w += 4; break;
    case Op::Check:
      if (!r[w[1]])
        status = fail(err, SMELT_BAD_DATA, "%s", p.text(w[2]));
      w += 3;
      break;
    case Op::Arena: {
      int64_t bytes = r[w[1]];
      if (bytes < 0)
        return fail(err, SMELT_BAD_DATA, "bad program: an arena of %lld bytes", static_cast<long long>(bytes));
      if (c.arenaIsUsed && bytes > c.arena.size())
        return fail(err, SMELT_BAD_DATA, "bad program: the arena grows to %lld bytes after its use",
                    static_cast<long long>(bytes));
      status = c.arena.ensure(c.memory, bytes, "the arena", err);
      if (!status && !c.arenaIsUsed)
        c.poison(c.arena.data(), bytes);
      c.arenaBytes = bytes;
      w += 2;
      break;
    }
    case Op::ArenaAt: case Op::Copy: status = memoryOp(op, w); w += 4; break;
    case Op::Const: status = memoryOp(op, w); w += 4; break;
    case Op::Input: case Op::Alloc: status = memoryOp(op, w); w += 3; break;
    case Op::View: status = memoryOp(op, w); w += 5; break;
    case Op::Output: status = setOutput(w); w += 4 + w[3]; break;
    case Op::Free: c.clearSlot(b[w[1]]); w += 2; break;
    case Op::Swap: {
      Slot first = b[w[1]];
      b[w[1]] = b[w[2]];
      b[w[2]] = first;
      w += 3;
      break;
    }
    case Op::Read: case Op::Write: status = readWrite(op, w); w += 5; break;
    case Op::Segment: {
      int64_t n = w[1];
      w += 2;
      status = checkDeadline();
      if (!status && n > 0)
        status = segment(w, n);
      break;
    }
    case Op::Dispatch:
      status = checkDeadline();
      if (!status)
        status = segment(w, 1);
      break;
    case Op::HostOp: {
      HostOpCall call{c, w + 4, p.text(w[2]), err};
      status = smelt_host_op_table.ops[w[1]](call);
      w += 4 + w[3];
      break;
    }
    case Op::ShareValue:
      c.values[w[1]] = ValueRef::share(c.values[w[2]].get());
      w += 3;
      break;
    case Op::Plan: status = c.sizePlan.apply(w, r, err); w += 3 + 4 * w[2]; break;
    case Op::OutputValue:
      if (!c.values[w[1]])
        return fail(err, SMELT_BAD_DATA, "bad program: value %lld is used before it is set",
                    static_cast<long long>(w[1]));
      c.outputs[w[2]].value = ValueRef::share(c.values[w[1]].get());
      w += 3;
      break;
    case Op::InputValue:
      c.values[w[1]] = ValueRef::share(c.inputs[w[2]].value.get());
      w += 3;
      break;
    }
    if (status)
      return status;
  }
}

} // namespace

int smelt_context::run(smelt_error *err) {
  hasRun = false;
  if (bindingsChanged)
    if (int code = checkBindings(err))
      return code;
  for (int64_t &value : registers)
    value = 0;
  for (Slot &slot : buffers)
    slot = Slot();
  for (ValueRef &value : values)
    value = ValueRef();
  for (Output &o : outputs) {
    o.data = nullptr;
    o.value = ValueRef();
  }
  blocks.giveAll();
  arenaIsUsed = false;
  arenaBytes = 0;
  events.clear();
  if (isProfiling || deadlineNs)
    runStart = nowNanoseconds();
  if (int code = Interpreter(*this, err).run())
    return code;
  for (size_t i = 0; i < outputs.size(); ++i)
    if (!outputs[i].data && !outputs[i].value)
      return fail(err, SMELT_BAD_DATA, "bad program: it ended without setting output '%s'",
                  program().outputs[i].name);
  hasRun = true;
  return SMELT_OK;
}
