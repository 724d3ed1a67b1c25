//===- Call.cpp - Operands and results of smelt.host_call --------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See Call.h. The words were verified at load, what they hold is checked here.
//
//===----------------------------------------------------------------------===//
#include "runtime/host/Call.h"

namespace smelt::rt {

static const char *kindName(smelt_kind kind) {
  static const char *const names[] = {"a tensor", "a sequence", "a map", "an optional"};
  return names[kind];
}

int Call::parse(size_t least, size_t most, size_t resultCount, size_t leastInts) {
  Operands in(call);
  auto count = static_cast<size_t>(in.word());
  if (!results.resize(count))
    return noMemory();
  for (Result &r : results) {
    r.kind = static_cast<Kind>(in.word());
    if (r.kind == Kind::Placed) {
      if (int code = in.tensor(r.tensor))
        return code;
      continue;
    }
    if (r.kind == Kind::Value) {
      r.value = &in.value();
    } else {
      r.slot = &in.buffer();
      r.dtype = static_cast<DType>(in.word());
    }
    r.rank = in.word();
    r.dimRegisters = in.position();
    for (int64_t d = 0; d < r.rank; ++d)
      in.word();
  }
  count = static_cast<size_t>(in.word());
  if (!operands.resize(count))
    return noMemory();
  for (Operand &operand : operands) {
    operand.isValue = in.word() == 0;
    if (!operand.isValue) {
      if (int code = in.tensor(operand.tensor))
        return code;
      continue;
    }
    operand.value = in.value().get();
    if (!operand.value)
      return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "bad program: a host value is used before it is set");
  }
  intCount = static_cast<size_t>(in.word());
  ints = in.position();
  for (size_t i = 0; i < intCount; ++i)
    in.word();
  if (int code = in.array(texts, textOffsets))
    return code;
  if (operands.size() < least || operands.size() > most || results.size() != resultCount || intCount < leastInts)
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "bad program: %zu operands, %zu results and %zu integers", operands.size(),
                           results.size(), intCount);
  return SMELT_OK;
}

int Call::value(size_t i, smelt_kind kind, const smelt_value *&result) {
  const Operand &operand = operands[i];
  if (!operand.isValue || operand.value->kind != kind)
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "operand %zu is %s, %s is wanted", i,
                           kindName(operand.isValue ? operand.value->kind : SMELT_TENSOR), kindName(kind));
  result = operand.value;
  return SMELT_OK;
}

int Call::strings(size_t i, const smelt_value *&result) {
  if (int code = value(i, SMELT_TENSOR, result))
    return code;
  return result->dtype == DType::String
             ? SMELT_OK
             : SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "operand %zu is of %s, strings are wanted", i, name(result->dtype));
}

int Call::tensor(size_t i, TensorOperand &result) {
  if (operands[i].isValue)
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "bad program: operand %zu is a host value, a tensor is wanted", i);
  result = operands[i].tensor;
  return SMELT_OK;
}

int Call::shared(size_t i, ValueRef &result) {
  const Operand &operand = operands[i];
  if (operand.isValue) {
    result = ValueRef::share(operand.value);
    return SMELT_OK;
  }
  const TensorOperand &t = operand.tensor;
  result = makeTensor(t.dtype, t.rank, t.dims);
  if (!result)
    return noMemory();
  memcpy(result->data, t.data, static_cast<size_t>(t.bytes));
  return SMELT_OK;
}

int Call::integer(size_t i, int64_t &result) {
  TensorOperand t;
  if (int code = tensor(i, t))
    return code;
  if (t.count != 1 || !isInteger(t.dtype))
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "operand %zu has %lld elements of %s, one integer is wanted", i,
                           static_cast<long long>(t.count), name(t.dtype));
  result = loadInt(t.dtype, t.data, 0);
  return SMELT_OK;
}

int Call::text(size_t i, const char *&result) { return Operands(call).text(texts[i], result); }

int Call::giveDims(Result &r, int64_t rank, const int64_t *dims) {
  if (rank != r.rank)
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "the result has rank %lld, rank %lld is wanted",
                           static_cast<long long>(rank), static_cast<long long>(r.rank));
  for (int64_t d = 0; d < rank; ++d)
    call.context.registers[r.dimRegisters[d]] = dims[d];
  return SMELT_OK;
}

int Call::set(size_t i, ValueRef value) {
  Result &r = results[i];
  if (r.kind != Kind::Value)
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "bad program: result %zu is a tensor, a host value is given", i);
  if (value->kind == SMELT_TENSOR)
    if (int code = giveDims(r, value->rank, value->dims))
      return code;
  *r.value = std::move(value);
  return SMELT_OK;
}

int Call::make(size_t i, DType dtype, int64_t rank, const int64_t *dims, uint8_t *&data) {
  Result &r = results[i];
  int64_t count, bytes;
  if (r.kind != Kind::Made || dtype != r.dtype)
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "result %zu is of %s, %s is wanted", i, name(dtype), name(r.dtype));
  if (!elementCount(rank, dims, count) || !byteSize(dtype, rank, dims, bytes))
    return noMemory();
  if (int code = giveDims(r, rank, dims))
    return code;
  if (int code = call.context.allocateSlot(*r.slot, bytes, call.err))
    return code;
  data = r.slot->data;
  return SMELT_OK;
}

int Call::place(size_t i, TensorOperand &result) {
  if (results[i].kind != Kind::Placed)
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "bad program: result %zu has no memory", i);
  result = results[i].tensor;
  return SMELT_OK;
}

int Call::give(size_t i, const smelt_value *value) {
  if (results[i].kind == Kind::Value)
    return set(i, ValueRef::share(const_cast<smelt_value *>(value)));
  if (value->kind != SMELT_TENSOR)
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "the element is %s, a tensor is wanted", kindName(value->kind));
  uint8_t *data;
  if (int code = make(i, value->dtype, value->rank, value->dims, data))
    return code;
  memcpy(data, value->data, value->bytes);
  return SMELT_OK;
}

} // namespace smelt::rt
