//===- HostOps.cpp - The host-op library: tables and values ---------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Linked when a program has host ops (see core/HostOps.h): ZipMap, ToValue and
// StringLookup make host values of tensors. Tested by
// test/runtime/HostOpsTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/host/Operands.h"

namespace smelt::rt {

int Operands::tensor(TensorOperand &t) {
  int64_t index = word();
  const Slot &slot = call.context.buffers[index];
  t.dtype = static_cast<DType>(word());
  t.rank = word();
  for (int64_t i = 0; i < t.rank; ++i)
    t.dims[i] = call.context.registers[word()];
  char dims[256];
  if (!slot.data)
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "bad program: buffer %lld is used before it is set",
                           static_cast<long long>(index));
  if (!elementSize(t.dtype) || !elementCount(t.rank, t.dims, t.count) || !byteSize(t.dtype, t.rank, t.dims, t.bytes) ||
      t.bytes > slot.bytes)
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "bad program: %s of %s does not fit in a buffer of %lld bytes",
                           formatDims(t.rank, t.dims, dims, sizeof dims), name(t.dtype),
                           static_cast<long long>(slot.bytes));
  t.data = slot.data;
  return SMELT_OK;
}

int Operands::array(const int64_t *&words, int64_t &count) {
  const Slot &slot = buffer();
  count = word();
  if (!slot.data || count > slot.bytes / 8 || reinterpret_cast<uintptr_t>(slot.data) % 8)
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "bad program: a table of %lld words does not fit in %lld bytes",
                           static_cast<long long>(count), static_cast<long long>(slot.bytes));
  words = reinterpret_cast<const int64_t *>(slot.data);
  return SMELT_OK;
}

int Operands::text(int64_t offset, const char *&result) {
  const artifact::Descriptor &d = *call.context.program().descriptor;
  if (offset < 0 || static_cast<uint64_t>(offset) >= d.stringsSize)
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "bad program: the text at %lld, the strings have %llu bytes",
                           static_cast<long long>(offset), static_cast<unsigned long long>(d.stringsSize));
  result = d.strings + offset;
  return SMELT_OK;
}

static int noMemory(HostOpCall &call) { return SMELT_HOST_FAIL(call, SMELT_NO_MEMORY, "out of memory"); }

int toValue(HostOpCall &call) {
  Operands in(call);
  ValueRef &out = in.value();
  TensorOperand t;
  if (int code = in.tensor(t))
    return code;
  ValueRef value = makeTensor(t.dtype, t.rank, t.dims);
  if (!value)
    return noMemory(call);
  memcpy(value->data, t.data, static_cast<size_t>(t.bytes));
  out = std::move(value);
  return SMELT_OK;
}

int zipMap(HostOpCall &call) {
  Operands in(call);
  ValueRef &out = in.value();
  TensorOperand t;
  const int64_t *keys;
  int64_t keyCount;
  if (int code = in.tensor(t))
    return code;
  auto keyDType = static_cast<DType>(in.word());
  if (int code = in.array(keys, keyCount))
    return code;
  char dims[256];
  if (t.rank < 1 || t.rank > 2 || !isFloat(t.dtype) || t.dims[t.rank - 1] != keyCount)
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "the probabilities are %s of %s, floats [N, %lld] are wanted",
                           formatDims(t.rank, t.dims, dims, sizeof dims), name(t.dtype),
                           static_cast<long long>(keyCount));
  ValueRef sequence(smelt_value_create_sequence());
  if (!sequence)
    return noMemory(call);
  int64_t rows = t.rank == 2 ? t.dims[0] : 1;
  for (int64_t n = 0; n < rows; ++n) {
    ValueRef map(smelt_value_create_map(static_cast<smelt_dtype>(keyDType)));
    if (!map)
      return isValid(static_cast<int64_t>(keyDType)) && keyDType != DType::I64 && keyDType != DType::String
                 ? SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "bad program: keys of %s, i64 or string are wanted", name(keyDType))
                 : noMemory(call);
    for (int64_t c = 0; c < keyCount; ++c) {
      auto value = static_cast<float>(loadDouble(t.dtype, t.data, static_cast<size_t>(n * keyCount + c)));
      const char *text = nullptr;
      if (keyDType == DType::String)
        if (int code = in.text(keys[c], text))
          return code;
      if (smelt_value_map_add_float(map.get(), text ? static_cast<const void *>(text) : &keys[c],
                                    text ? strlen(text) : 8, value))
        return noMemory(call);
    }
    if (smelt_value_append(sequence.get(), map.get()))
      return noMemory(call);
  }
  out = std::move(sequence);
  return SMELT_OK;
}

int stringLookup(HostOpCall &call) {
  Operands in(call);
  ValueRef &out = in.value();
  TensorOperand t;
  const int64_t *table;
  int64_t count;
  if (int code = in.tensor(t))
    return code;
  if (int code = in.array(table, count))
    return code;
  if (t.dtype != DType::I64)
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "bad program: indices of %s, i64 is wanted", name(t.dtype));
  ValueRef value = makeTensor(DType::String, t.rank, t.dims);
  if (!value)
    return noMemory(call);
  for (int64_t i = 0; i < t.count; ++i) {
    int64_t index = loadInt(DType::I64, t.data, static_cast<size_t>(i));
    const char *text;
    if (index < 0 || index >= count)
      return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "the index %lld is outside of a table of %lld strings",
                             static_cast<long long>(index), static_cast<long long>(count));
    if (int code = in.text(table[index], text))
      return code;
    if (!value->texts[i].assign(text))
      return noMemory(call);
  }
  out = std::move(value);
  return SMELT_OK;
}

} // namespace smelt::rt

extern "C" __attribute__((visibility("default"))) const smelt::rt::HostOpTable smelt_host_op_table = {
    smelt::artifact::kHostOpCount,
    {smelt::rt::zipMap, smelt::rt::toValue, smelt::rt::topK, smelt::rt::nonZero, smelt::rt::stringLookup,
     smelt::rt::sequenceConstruct, smelt::rt::sequenceInsert, smelt::rt::sequenceErase, smelt::rt::sequenceAt,
     smelt::rt::sequenceLength, smelt::rt::splitToSequence, smelt::rt::concatFromSequence,
     smelt::rt::optionalConstruct, smelt::rt::optionalHasElement, smelt::rt::optionalGetElement,
     smelt::rt::stringConcat, smelt::rt::stringEqual, smelt::rt::stringIndex, smelt::rt::stringSplit,
     smelt::rt::stringNormalizer, smelt::rt::regexFullMatch, smelt::rt::tfIdfVectorizer,
     smelt::rt::unique, smelt::rt::det, smelt::rt::pairwiseCoupling}};
