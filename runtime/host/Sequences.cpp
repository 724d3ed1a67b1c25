//===- Sequences.cpp - Ops on sequences and optionals ------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Values are immutable once made: an op that changes a sequence makes another one
// that shares the elements. Tested by test/runtime/HostCallTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/host/Call.h"

namespace smelt::rt {

/// An operand's position in a sequence, counted from the end when negative; the
/// last one when absent.
static int position(Call &c, size_t operand, int64_t length, bool canBeEnd, int64_t &at) {
  int64_t limit = canBeEnd ? length : length - 1;
  at = limit;
  if (operand < c.operandCount())
    if (int code = c.integer(operand, at))
      return code;
  if (at < -length || at > limit)
    return SMELT_HOST_FAIL(c.call, SMELT_BAD_DATA, "position %lld of a sequence of %lld, %lld..%lld is wanted",
                           static_cast<long long>(at), static_cast<long long>(length), static_cast<long long>(-length),
                           static_cast<long long>(limit));
  at += at < 0 ? length : 0;
  return SMELT_OK;
}

int sequenceConstruct(HostOpCall &call) {
  Call c(call);
  if (int code = c.parse(0, SIZE_MAX, 1, 0))
    return code;
  ValueRef sequence(smelt_value_create_sequence());
  for (size_t i = 0; sequence && i < c.operandCount(); ++i) {
    ValueRef element;
    if (int code = c.shared(i, element))
      return code;
    if (smelt_value_append(sequence.get(), element.get()))
      return c.noMemory();
  }
  return sequence ? c.set(0, std::move(sequence)) : c.noMemory();
}

int sequenceInsert(HostOpCall &call) {
  Call c(call);
  const smelt_value *from;
  int64_t at;
  ValueRef element;
  if (int code = c.parse(2, 3, 1, 0))
    return code;
  if (int code = c.value(0, SMELT_SEQUENCE, from))
    return code;
  auto length = static_cast<int64_t>(from->elements.size());
  if (int code = position(c, 2, length, true, at))
    return code;
  if (int code = c.shared(1, element))
    return code;
  ValueRef sequence(smelt_value_create_sequence());
  if (!sequence || !sequence->elements.reserve(static_cast<size_t>(length) + 1))
    return c.noMemory();
  for (int64_t i = 0; i <= length; ++i)
    if (smelt_value_append(sequence.get(), i == at ? element.get() : from->elements[i < at ? i : i - 1]))
      return c.noMemory();
  return c.set(0, std::move(sequence));
}

int sequenceErase(HostOpCall &call) {
  Call c(call);
  const smelt_value *from;
  int64_t at;
  if (int code = c.parse(1, 2, 1, 0))
    return code;
  if (int code = c.value(0, SMELT_SEQUENCE, from))
    return code;
  auto length = static_cast<int64_t>(from->elements.size());
  if (int code = position(c, 1, length, false, at))
    return code;
  ValueRef sequence(smelt_value_create_sequence());
  if (!sequence)
    return c.noMemory();
  for (int64_t i = 0; i < length; ++i)
    if (i != at && smelt_value_append(sequence.get(), from->elements[i]))
      return c.noMemory();
  return c.set(0, std::move(sequence));
}

int sequenceAt(HostOpCall &call) {
  Call c(call);
  const smelt_value *from;
  int64_t at;
  if (int code = c.parse(2, 2, 1, 0))
    return code;
  if (int code = c.value(0, SMELT_SEQUENCE, from))
    return code;
  if (int code = position(c, 1, static_cast<int64_t>(from->elements.size()), false, at))
    return code;
  return c.give(0, from->elements[at]);
}

int sequenceLength(HostOpCall &call) {
  Call c(call);
  const smelt_value *from;
  TensorOperand out;
  if (int code = c.parse(1, 1, 1, 0))
    return code;
  if (int code = c.value(0, SMELT_SEQUENCE, from))
    return code;
  if (int code = c.place(0, out))
    return code;
  storeInt(DType::I64, out.data, 0, static_cast<int64_t>(from->elements.size()));
  return SMELT_OK;
}

/// Elements [from, from + size) of `t` along `axis`, as a tensor without that dim
/// unless it is kept.
static ValueRef part(const TensorOperand &t, int64_t axis, int64_t from, int64_t size, bool keeps) {
  int64_t dims[SMELT_MAX_RANK], rank = 0, outer = 1, inner = static_cast<int64_t>(elementSize(t.dtype));
  for (int64_t d = 0; d < t.rank; ++d) {
    if (d != axis || keeps)
      dims[rank++] = d == axis ? size : t.dims[d];
    outer *= d < axis ? t.dims[d] : 1;
    inner *= d > axis ? t.dims[d] : 1;
  }
  ValueRef value = makeTensor(t.dtype, rank, dims);
  for (int64_t o = 0; value && o < outer; ++o)
    memcpy(static_cast<uint8_t *>(value->data) + o * size * inner, t.data + (o * t.dims[axis] + from) * inner,
           static_cast<size_t>(size * inner));
  return value;
}

/// data, split?; axis, keepdims.
int splitToSequence(HostOpCall &call) {
  Call c(call);
  TensorOperand data, split;
  if (int code = c.parse(1, 2, 1, 2))
    return code;
  if (int code = c.tensor(0, data))
    return code;
  bool hasSplit = c.operandCount() == 2;
  if (hasSplit)
    if (int code = c.tensor(1, split))
      return code;
  int64_t axis = c.integer(size_t(0)), chunk = 1;
  if (axis >= data.rank || (hasSplit && (!isInteger(split.dtype) || split.rank > 1)))
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "bad program: axis %lld of rank %lld, split of %s",
                           static_cast<long long>(axis), static_cast<long long>(data.rank), name(split.dtype));
  bool isList = hasSplit && split.rank == 1;
  if (hasSplit && !isList)
    chunk = loadInt(split.dtype, split.data, 0);
  if (chunk <= 0)
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "split is %lld, a positive size is wanted", static_cast<long long>(chunk));
  ValueRef sequence(smelt_value_create_sequence());
  if (!sequence)
    return c.noMemory();
  const int64_t length = data.dims[axis];
  int64_t from = 0;
  for (int64_t i = 0; isList ? i < split.count : from < length; ++i) {
    int64_t size = isList ? loadInt(split.dtype, split.data, static_cast<size_t>(i)) : chunk < length - from ? chunk : length - from;
    if (size < 0 || size > length - from)
      break;
    ValueRef element = part(data, axis, from, size, hasSplit || c.integer(size_t(1)));
    if (!element || smelt_value_append(sequence.get(), element.get()))
      return c.noMemory();
    from += size;
  }
  if (from != length || (isList && sequence->elements.size() != static_cast<size_t>(split.count)))
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "the sizes of split do not add up to the dim %lld of axis %lld",
                           static_cast<long long>(length), static_cast<long long>(axis));
  return c.set(0, std::move(sequence));
}

/// sequence; axis, new_axis. Elements of one shape, but along the axis.
int concatFromSequence(HostOpCall &call) {
  Call c(call);
  const smelt_value *from;
  if (int code = c.parse(1, 1, 1, 2))
    return code;
  if (int code = c.value(0, SMELT_SEQUENCE, from))
    return code;
  if (from->elements.empty())
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "an empty sequence, one element or more is wanted");
  const smelt_value &first = *from->elements[0];
  const bool isNew = c.integer(size_t(1));
  const int64_t axis = c.integer(size_t(0)), rank = first.rank + isNew;
  int64_t dims[SMELT_MAX_RANK + 1], total = 0, outer = 1;
  if (axis >= rank || rank > SMELT_MAX_RANK)
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "elements of rank %d, axis %lld", first.rank, static_cast<long long>(axis));
  for (const smelt_value *element : from->elements) {
    bool fits = element->kind == SMELT_TENSOR && element->dtype == first.dtype && element->rank == first.rank &&
                element->dtype != DType::String;
    for (int64_t d = 0; fits && d < first.rank; ++d)
      fits = (d == axis && !isNew) || element->dims[d] == first.dims[d];
    if (!fits)
      return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "elements of different types or shapes");
    total += isNew ? 1 : element->dims[axis];
  }
  for (int64_t d = 0; d < rank; ++d) {
    dims[d] = d == axis ? total : first.dims[d - (isNew && d > axis)];
    outer *= d < axis ? dims[d] : 1;
  }
  uint8_t *data;
  if (int code = c.make(0, first.dtype, rank, dims, data))
    return code;
  for (int64_t o = 0; o < outer; ++o)
    for (const smelt_value *element : from->elements) {
      size_t bytes = element->bytes / static_cast<size_t>(outer);
      memcpy(data, static_cast<const uint8_t *>(element->data) + static_cast<size_t>(o) * bytes, bytes);
      data += bytes;
    }
  return SMELT_OK;
}

//===----------------------------------------------------------------------===//
// Optionals
//===----------------------------------------------------------------------===//

int optionalConstruct(HostOpCall &call) {
  Call c(call);
  if (int code = c.parse(0, 1, 1, 0))
    return code;
  ValueRef content;
  if (c.operandCount())
    if (int code = c.shared(0, content))
      return code;
  ValueRef optional(smelt_value_create_optional(content.get()));
  return optional ? c.set(0, std::move(optional)) : c.noMemory();
}

int optionalHasElement(HostOpCall &call) {
  Call c(call);
  const smelt_value *from;
  TensorOperand out;
  if (int code = c.parse(1, 1, 1, 0))
    return code;
  if (int code = c.value(0, SMELT_OPTIONAL, from))
    return code;
  if (int code = c.place(0, out))
    return code;
  storeInt(DType::Bool, out.data, 0, !from->elements.empty());
  return SMELT_OK;
}

int optionalGetElement(HostOpCall &call) {
  Call c(call);
  const smelt_value *from;
  if (int code = c.parse(1, 1, 1, 0))
    return code;
  if (int code = c.value(0, SMELT_OPTIONAL, from))
    return code;
  if (from->elements.empty())
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "the optional is empty");
  return c.give(0, from->elements[0]);
}

} // namespace smelt::rt
