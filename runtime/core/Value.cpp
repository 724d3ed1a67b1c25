//===- Value.cpp - Reference-counted host values ----------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See Value.h. Tested by test/runtime/ValueTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/Value.h"

using namespace smelt::rt;

smelt_value::~smelt_value() {
  free(data);
  for (smelt_value *element : elements)
    smelt_value_release(element);
}

namespace smelt::rt {

ValueRef makeTensor(DType dtype, int64_t rank, const int64_t *dims) {
  int64_t bytes, count;
  if (!isValid(static_cast<int64_t>(dtype)) || !elementCount(rank, dims, count) ||
      !byteSize(dtype, rank, dims, bytes))
    return {};
  ValueRef value(create<smelt_value>());
  if (!value)
    return {};
  value->dtype = dtype;
  value->rank = static_cast<int32_t>(rank);
  for (int64_t i = 0; i < rank; ++i)
    value->dims[i] = dims[i];
  if (dtype == DType::String)
    return value->texts.resize(count) ? std::move(value) : ValueRef();
  value->bytes = bytes;
  value->data = aligned_alloc(64, (static_cast<size_t>(bytes) + 64) & ~size_t(63));
  return value->data ? std::move(value) : ValueRef();
}

/// Whether `value` is, or holds, `part`: such a cycle would never be freed.
static bool contains(const smelt_value *value, const smelt_value *part) {
  if (value == part)
    return true;
  for (const smelt_value *element : value->elements)
    if (contains(element, part))
      return true;
  return false;
}

static bool pushShared(smelt_value *to, smelt_value *element) {
  if (!to->elements.push(element))
    return false;
  smelt_value_retain(element);
  return true;
}

static int addKey(smelt_value *map, const void *key, size_t size) {
  if (!map || map->kind != SMELT_MAP || !key)
    return SMELT_USAGE;
  if (map->dtype == DType::I64) {
    int64_t word;
    memcpy(&word, key, sizeof word);
    return map->keys.push(word) ? SMELT_OK : SMELT_NO_MEMORY;
  }
  String text;
  if (!text.assign(static_cast<const char *>(key), size) || !map->texts.push(std::move(text)))
    return SMELT_NO_MEMORY;
  return SMELT_OK;
}
static void dropKey(smelt_value *map) {
  if (map->dtype == DType::I64)
    map->keys.pop();
  else
    map->texts.pop();
}

} // namespace smelt::rt

extern "C" {

void smelt_value_retain(smelt_value *value) {
  value->references.fetch_add(1, std::memory_order_relaxed);
}

void smelt_value_release(smelt_value *value) {
  if (value && value->references.fetch_sub(1, std::memory_order_acq_rel) == 1)
    destroy(value);
}

smelt_kind smelt_value_kind(const smelt_value *value) { return value->kind; }

size_t smelt_value_count(const smelt_value *value) {
  switch (value->kind) {
  case SMELT_TENSOR: {
    int64_t count = 0;
    return elementCount(value->rank, value->dims, count) ? static_cast<size_t>(count) : 0;
  }
  case SMELT_MAP: return value->dtype == DType::I64 ? value->keys.size() : value->texts.size();
  default: return value->elements.size();
  }
}

int smelt_value_tensor(const smelt_value *value, smelt_tensor *tensor) {
  if (!value || !tensor || value->kind != SMELT_TENSOR)
    return SMELT_USAGE;
  *tensor = {static_cast<smelt_dtype>(value->dtype), value->rank, value->dims, value->data, value->bytes};
  return SMELT_OK;
}

static const char *text(const smelt_value *value, smelt_kind kind, size_t index, size_t *size) {
  if (!value || value->kind != kind || index >= value->texts.size())
    return nullptr;
  if (size)
    *size = value->texts[index].size();
  return value->texts[index].c_str();
}

const char *smelt_value_string(const smelt_value *value, size_t index, size_t *size) {
  return text(value, SMELT_TENSOR, index, size);
}

const smelt_value *smelt_value_element(const smelt_value *value, size_t index) {
  return value && index < value->elements.size() ? value->elements[index] : nullptr;
}

smelt_dtype smelt_value_map_key_dtype(const smelt_value *value) {
  return value && value->kind == SMELT_MAP ? static_cast<smelt_dtype>(value->dtype) : SMELT_UNDEFINED;
}

int smelt_value_map_key_i64(const smelt_value *value, size_t index, int64_t *key) {
  if (!value || value->kind != SMELT_MAP || index >= value->keys.size())
    return SMELT_USAGE;
  *key = value->keys[index];
  return SMELT_OK;
}

const char *smelt_value_map_key_string(const smelt_value *value, size_t index, size_t *size) {
  return text(value, SMELT_MAP, index, size);
}

int smelt_value_map_float(const smelt_value *value, size_t index, float *result) {
  if (!value || value->kind != SMELT_MAP || index >= value->floats.size())
    return SMELT_USAGE;
  *result = value->floats[index];
  return SMELT_OK;
}

smelt_value *smelt_value_create_tensor(const smelt_tensor *tensor) {
  if (!tensor || tensor->dtype == SMELT_STRING || (tensor->rank > 0 && !tensor->dims))
    return nullptr;
  ValueRef value = makeTensor(dtypeOf(tensor->dtype), tensor->rank, tensor->dims);
  if (!value || (tensor->data && tensor->bytes != value->bytes))
    return nullptr;
  if (tensor->data)
    memcpy(value->data, tensor->data, value->bytes);
  else
    memset(value->data, 0, value->bytes);
  return value.take();
}

smelt_value *smelt_value_create_strings(int32_t rank, const int64_t *dims, const char *const *texts,
                                        const size_t *sizes) {
  ValueRef value = makeTensor(DType::String, rank, dims);
  for (size_t i = 0; value && i < value->texts.size(); ++i)
    if (!value->texts[i].assign(texts[i], sizes ? sizes[i] : strlen(texts[i])))
      return nullptr;
  return value.take();
}

smelt_value *smelt_value_create_sequence(void) {
  smelt_value *value = create<smelt_value>();
  if (value)
    value->kind = SMELT_SEQUENCE;
  return value;
}

smelt_value *smelt_value_create_optional(smelt_value *content) {
  ValueRef value(create<smelt_value>());
  if (!value)
    return nullptr;
  value->kind = SMELT_OPTIONAL;
  if (content && !pushShared(value.get(), content))
    return nullptr;
  return value.take();
}

smelt_value *smelt_value_create_map(smelt_dtype keyDType) {
  if (keyDType != SMELT_I64 && keyDType != SMELT_STRING)
    return nullptr;
  smelt_value *value = create<smelt_value>();
  if (value) {
    value->kind = SMELT_MAP;
    value->dtype = dtypeOf(keyDType);
  }
  return value;
}

int smelt_value_append(smelt_value *sequence, smelt_value *element) {
  if (!sequence || !element || sequence->kind != SMELT_SEQUENCE || contains(element, sequence))
    return SMELT_USAGE;
  return pushShared(sequence, element) ? SMELT_OK : SMELT_NO_MEMORY;
}

int smelt_value_map_add_float(smelt_value *map, const void *key, size_t size, float value) {
  if (map && !map->elements.empty())
    return SMELT_USAGE;
  if (int code = addKey(map, key, size))
    return code;
  if (map->floats.push(value))
    return SMELT_OK;
  dropKey(map);
  return SMELT_NO_MEMORY;
}

int smelt_value_map_add(smelt_value *map, const void *key, size_t size, smelt_value *value) {
  if (!map || !value || !map->floats.empty() || contains(value, map))
    return SMELT_USAGE;
  if (int code = addKey(map, key, size))
    return code;
  if (pushShared(map, value))
    return SMELT_OK;
  dropKey(map);
  return SMELT_NO_MEMORY;
}

} // extern "C"
