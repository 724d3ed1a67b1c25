//===- Context.cpp - Creates contexts and binds inputs and outputs ----------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See Context.h. Everything a caller can get wrong is found here, before the
// program runs. Tested by test/runtime/ContextTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/Context.h"

using namespace smelt::rt;

smelt_context::~smelt_context() {
  pool.stop();
  for (Output &o : outputs)
    o.owned.release(memory);
  for (Region &r : scratch)
    r.release(memory);
  arena.release(memory);
  blocks.release(memory);
  smelt_module_release(module);
}

static int setUp(smelt_context &c, smelt_module *module, const smelt_context_options &options, smelt_error *err) {
  if (!options.allocator.alloc != !options.allocator.free)
    return fail(err, SMELT_USAGE, "an allocator needs both alloc and free, one of them is NULL");
  if (options.flags & ~uint32_t(SMELT_NO_PINNING | SMELT_POISON))
    return fail(err, SMELT_USAGE,
                "the context's flags are 0x%x, SMELT_NO_PINNING (1) and SMELT_POISON (2) are known",
                options.flags);
  c.isPoisoning = options.flags & SMELT_POISON;
  if (options.threads > 4096)
    return fail(err, SMELT_USAGE, "%u threads are wanted, at most 4096 are possible", options.threads);
  c.memory.configure(options.allocator, options.memory_limit);
  smelt_module_retain(module);
  c.module = module;
  const Program &p = module->program;
  uint32_t threads = options.threads ? options.threads : usableCpus();
  if (!c.inputs.resize(p.inputs.size()) || !c.outputs.resize(p.outputs.size()) ||
      !c.registers.resize(p.registers) || !c.buffers.resize(p.buffers) || !c.values.resize(p.values) ||
      !c.scratch.resize(threads) || !c.scratchPointers.resize(threads) ||
      !c.records.reserve(p.segmentDispatches) || !c.recordBuffers.reserve(p.segmentBuffers) ||
      !c.recordSymbols.reserve(p.segmentSymbols))
    return fail(err, SMELT_NO_MEMORY, "out of memory: a context of %lld registers and %lld buffers",
                static_cast<long long>(p.registers), static_cast<long long>(p.buffers));
  return c.pool.start(threads, !(options.flags & SMELT_NO_PINNING), err);
}

/// Checks what is common to tensors given by callers; `what` names the place.
static int checkTensor(const Port &port, const char *what, const smelt_tensor &t, smelt_error *err) {
  DType dtype = dtypeOf(t.dtype);
  if (dtype != port.dtype)
    return fail(err, SMELT_BAD_DATA, "%s '%s' has dtype %s, %s is wanted", what, port.name, name(dtype),
                name(port.dtype));
  char found[256], wanted[256];
  if (t.rank < 0 || t.rank > SMELT_MAX_RANK || (t.rank && !t.dims))
    return fail(err, SMELT_BAD_DATA, "%s '%s' has rank %d or no dims, a rank of 0..%d is wanted", what,
                port.name, t.rank, SMELT_MAX_RANK);
  // One element is a scalar whatever its rank: exporters and their test data disagree on [] and [1].
  bool isScalar = port.rank == 0;
  for (int32_t i = 0; i < t.rank; ++i)
    isScalar &= t.dims[i] == 1;
  if (port.rank >= 0 && t.rank != port.rank && !isScalar)
    return fail(err, SMELT_BAD_DATA, "%s '%s' has rank %d (%s), rank %d is wanted", what, port.name, t.rank,
                formatDims(t.rank, t.dims, found, sizeof found), port.rank);
  for (int32_t i = 0; i < port.rank; ++i)
    if (port.dims[i] >= 0 && t.dims[i] != port.dims[i])
      return fail(err, SMELT_BAD_DATA, "%s '%s' has %lld as dim %d (%s), %lld is wanted (%s)", what, port.name,
                  static_cast<long long>(t.dims[i]), i, formatDims(t.rank, t.dims, found, sizeof found),
                  static_cast<long long>(port.dims[i]),
                  formatDims(port.rank, port.dims.data(), wanted, sizeof wanted));
  int64_t bytes;
  if (!byteSize(dtype, t.rank, t.dims, bytes))
    return fail(err, SMELT_BAD_DATA, "%s '%s' has dims %s, each must be 0..2^40 and all 2^47 bytes at most",
                what, port.name, formatDims(t.rank, t.dims, found, sizeof found));
  if (t.bytes != static_cast<size_t>(bytes))
    return fail(err, SMELT_BAD_DATA, "%s '%s' has %zu bytes, %lld are wanted for %s of %s", what, port.name,
                t.bytes, static_cast<long long>(bytes), formatDims(t.rank, t.dims, found, sizeof found),
                name(dtype));
  if (!t.data && bytes)
    return fail(err, SMELT_BAD_DATA, "%s '%s' has no data (NULL)", what, port.name);
  size_t alignment = elementSize(dtype) > 8 ? 8 : elementSize(dtype);
  if (reinterpret_cast<uintptr_t>(t.data) % alignment)
    return fail(err, SMELT_BAD_DATA, "%s '%s' is at %p, which is not aligned to the %zu bytes of %s", what,
                port.name, t.data, alignment, name(dtype));
  return SMELT_OK;
}

static int checkIndex(const Vec<Port> &ports, const char *what, size_t index, smelt_error *err) {
  if (index < ports.size())
    return SMELT_OK;
  return fail(err, SMELT_USAGE, "%s %zu is wanted, the model has %zu", what, index, ports.size());
}

static bool overlap(const uint8_t *a, int64_t aBytes, const uint8_t *b, int64_t bBytes) {
  return aBytes && bBytes && a < b + bBytes && b < a + aBytes;
}

int smelt_context::checkBindings(smelt_error *err) {
  String missing;
  for (size_t i = 0; i < inputs.size(); ++i)
    if (!inputs[i].isBound)
      missing.appendf("%s'%s'", missing.empty() ? "" : ", ", program().inputs[i].name);
  if (!missing.empty())
    return fail(err, SMELT_USAGE, "not all inputs are bound; missing: %s", missing.c_str());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Output &o = outputs[i];
    if (!o.bound)
      continue;
    for (size_t j = 0; j < inputs.size(); ++j)
      if (overlap(o.bound, o.capacity, inputs[j].data, inputs[j].bytes))
        return fail(err, SMELT_USAGE, "the memory bound to output '%s' overlaps that of input '%s'",
                    program().outputs[i].name, program().inputs[j].name);
    for (size_t j = 0; j < i; ++j)
      if (overlap(o.bound, o.capacity, outputs[j].bound, outputs[j].capacity))
        return fail(err, SMELT_USAGE, "the memory bound to output '%s' overlaps that of output '%s'",
                    program().outputs[i].name, program().outputs[j].name);
  }
  bindingsChanged = false;
  return SMELT_OK;
}

void smelt_context::clearSlot(Slot &slot) {
  if (slot.block != BlockPool::kNone)
    blocks.give(slot.block);
  slot = Slot();
}

int smelt_context::allocateSlot(Slot &slot, int64_t bytes, smelt_error *err) {
  clearSlot(slot);
  int32_t block;
  if (int code = blocks.take(memory, bytes, block, err))
    return code;
  slot = {blocks.data(block), bytes, block};
  poison(slot.data, bytes);
  return SMELT_OK;
}

extern "C" {

int smelt_context_create(smelt_module *module, const smelt_context_options *given, smelt_context **result,
                         smelt_error *err) {
  if (!module || !result)
    return fail(err, SMELT_USAGE, "smelt_context_create: the module or the place for the context is NULL");
  *result = nullptr;
  smelt_context_options options{};
  if (given) {
    if (given->struct_size != sizeof options)
      return fail(err, SMELT_USAGE, "smelt_context_options has struct_size %zu, sizeof(smelt_context_options) = %zu is wanted",
                  given->struct_size, sizeof options);
    options = *given;
  }
  // The pool's cache lines ask for more alignment than malloc gives.
  void *place = aligned_alloc(alignof(smelt_context), sizeof(smelt_context));
  if (!place)
    return failMemory(err, sizeof(smelt_context), "a context");
  auto *context = new (place) smelt_context();
  if (int code = setUp(*context, module, options, err)) {
    smelt_context_destroy(context);
    return code;
  }
  *result = context;
  return SMELT_OK;
}

void smelt_context_destroy(smelt_context *context) { destroy(context); }

uint32_t smelt_context_threads(const smelt_context *context) { return context->pool.size(); }

void smelt_context_set_deadline_ms(smelt_context *context, uint64_t milliseconds) {
  context->deadlineNs = milliseconds > UINT64_MAX / 2000000 ? 0 : milliseconds * 1000000;
}

int smelt_bind_input(smelt_context *context, size_t index, const smelt_tensor *tensor, smelt_error *err) {
  if (!context || !tensor)
    return fail(err, SMELT_USAGE, "smelt_bind_input: the context or the tensor is NULL");
  const Program &p = context->program();
  if (int code = checkIndex(p.inputs, "input", index, err))
    return code;
  const Port &port = p.inputs[index];
  if (port.isValue())
    return fail(err, SMELT_USAGE, "input '%s' is a host value (a sequence, map, optional or strings): bind it with smelt_bind_input_value",
                port.name);
  if (int code = checkTensor(port, "input", *tensor, err))
    return code;
  Input &input = context->inputs[index];
  input.isBound = true;
  // An empty tensor needs an address too: null means "not set" to the program.
  static uint8_t empty[64];
  input.data = tensor->data ? static_cast<uint8_t *>(tensor->data) : empty;
  input.bytes = static_cast<int64_t>(tensor->bytes);
  input.rank = tensor->rank;
  for (int32_t i = 0; i < tensor->rank; ++i)
    input.dims[i] = tensor->dims[i];
  context->bindingsChanged = true;
  return SMELT_OK;
}

int smelt_bind_input_value(smelt_context *context, size_t index, smelt_value *value, smelt_error *err) {
  if (!context || !value)
    return fail(err, SMELT_USAGE, "smelt_bind_input_value: the context or the value is NULL");
  const Program &p = context->program();
  if (int code = checkIndex(p.inputs, "input", index, err))
    return code;
  const Port &port = p.inputs[index];
  static const char *const kinds[] = {"a tensor", "a sequence", "a map", "an optional"};
  if (value->kind != port.kind)
    return fail(err, SMELT_BAD_DATA, "input '%s' is given %s, %s is wanted", port.name, kinds[value->kind],
                kinds[port.kind]);
  if (!port.isValue()) {
    // A plain tensor in a value: bound without a copy, kept alive by the reference.
    smelt_tensor tensor;
    smelt_value_tensor(value, &tensor);
    if (int code = smelt_bind_input(context, index, &tensor, err))
      return code;
  } else if (port.kind == SMELT_TENSOR) {
    if (value->dtype != DType::String)
      return fail(err, SMELT_BAD_DATA, "input '%s' has dtype %s, string is wanted", port.name,
                  name(value->dtype));
    if (port.rank >= 0 && value->rank != port.rank)
      return fail(err, SMELT_BAD_DATA, "input '%s' has rank %d, rank %d is wanted", port.name, value->rank,
                  port.rank);
    Input &input = context->inputs[index];
    input.rank = value->rank;
    for (int32_t i = 0; i < value->rank; ++i)
      input.dims[i] = value->dims[i];
  }
  context->inputs[index].isBound = true;
  context->inputs[index].value = ValueRef::share(value);
  context->bindingsChanged = true;
  return SMELT_OK;
}

int smelt_bind_output(smelt_context *context, size_t index, void *data, size_t capacity, smelt_error *err) {
  if (!context)
    return fail(err, SMELT_USAGE, "smelt_bind_output: the context is NULL");
  const Program &p = context->program();
  if (int code = checkIndex(p.outputs, "output", index, err))
    return code;
  const Port &port = p.outputs[index];
  if (port.isValue() && data)
    return fail(err, SMELT_USAGE, "output '%s' is a host value: read it with smelt_get_output_value", port.name);
  size_t alignment = elementSize(port.dtype) > 8 ? 8 : elementSize(port.dtype);
  if (data && reinterpret_cast<uintptr_t>(data) % alignment)
    return fail(err, SMELT_BAD_DATA, "output '%s' is bound to %p, which is not aligned to the %zu bytes of %s",
                port.name, data, alignment, name(port.dtype));
  if (capacity > size_t(1) << 47)
    return fail(err, SMELT_USAGE, "output '%s' is bound to %zu bytes, at most 2^47 are possible", port.name,
                capacity);
  context->outputs[index].bound = static_cast<uint8_t *>(data);
  context->outputs[index].capacity = data ? static_cast<int64_t>(capacity) : 0;
  context->bindingsChanged = true;
  return SMELT_OK;
}

int smelt_run(smelt_context *context, smelt_error *err) {
  if (!context)
    return fail(err, SMELT_USAGE, "smelt_run: the context is NULL");
  if (context->isBusy.exchange(true, std::memory_order_acquire))
    return fail(err, SMELT_USAGE, "the context is running on another thread: use one context per thread");
  int code = context->run(err);
  context->isBusy.store(false, std::memory_order_release);
  return code;
}

int smelt_get_output(smelt_context *context, size_t index, smelt_tensor *tensor, smelt_error *err) {
  if (!context || !tensor)
    return fail(err, SMELT_USAGE, "smelt_get_output: the context or the tensor is NULL");
  const Program &p = context->program();
  if (int code = checkIndex(p.outputs, "output", index, err))
    return code;
  if (p.outputs[index].isValue())
    return fail(err, SMELT_USAGE, "output '%s' is a host value: read it with smelt_get_output_value",
                p.outputs[index].name);
  if (!context->hasRun)
    return fail(err, SMELT_USAGE, "output '%s' is asked for, but the last run did not end well", p.outputs[index].name);
  Output &o = context->outputs[index];
  *tensor = {static_cast<smelt_dtype>(p.outputs[index].dtype), o.rank, o.dims, o.data,
             static_cast<size_t>(o.bytes)};
  return SMELT_OK;
}

int smelt_get_output_value(smelt_context *context, size_t index, smelt_value **value, smelt_error *err) {
  if (!context || !value)
    return fail(err, SMELT_USAGE, "smelt_get_output_value: the context or the place for the value is NULL");
  *value = nullptr;
  const Program &p = context->program();
  if (int code = checkIndex(p.outputs, "output", index, err))
    return code;
  if (!context->hasRun)
    return fail(err, SMELT_USAGE, "output '%s' is asked for, but the last run did not end well", p.outputs[index].name);
  if (p.outputs[index].isValue()) {
    *value = ValueRef::share(context->outputs[index].value.get()).take();
    return SMELT_OK;
  }
  smelt_tensor tensor;
  if (int code = smelt_get_output(context, index, &tensor, err))
    return code;
  *value = smelt_value_create_tensor(&tensor);
  return *value ? SMELT_OK : failMemory(err, tensor.bytes, "a copy of an output");
}

void smelt_context_memory(const smelt_context *context, uint64_t *now, uint64_t *peak) {
  if (now)
    *now = context->memory.now();
  if (peak)
    *peak = context->memory.peak();
}

void smelt_context_set_profiling(smelt_context *context, int enabled) { context->isProfiling = enabled; }

const smelt_profile_event *smelt_context_profile(const smelt_context *context, size_t *count) {
  if (count)
    *count = context->events.size();
  return context->events.data();
}

} // extern "C"
