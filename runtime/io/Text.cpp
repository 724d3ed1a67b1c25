//===- Text.cpp - Tensors written out on the command line ----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// "2x2xf32=1,2,3,4": dims, dtype, values in row-major order, or one value for
// all elements. Tested by test/runtime/IoTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/io/Files.h"
#include <ctype.h>
#include <errno.h>

namespace smelt::rt {

static int bad(const char *text, const char *why, smelt_error *err) {
  return fail(err, SMELT_USAGE, "'%.120s' is not a tensor: %s; wanted is for example 2x2xf32=1,2,3,4", text, why);
}

/// Parses one element into `value[index]`; moves `p` behind it.
static bool parseElement(const char *&p, smelt_value &value, size_t index) {
  char *end = nullptr;
  errno = 0;
  if (!strncmp(p, "true", 4) || !strncmp(p, "false", 5)) {
    bool isTrue = *p == 't';
    p += isTrue ? 4 : 5;
    return value.dtype == DType::Bool && storeInt(value.dtype, value.data, index, isTrue);
  }
  if (isInteger(value.dtype)) {
    bool isUnsigned = value.dtype == DType::U64;
    int64_t word = isUnsigned ? static_cast<int64_t>(strtoull(p, &end, 0)) : strtoll(p, &end, 0);
    if (end == p || errno || !storeInt(value.dtype, value.data, index, word))
      return false;
    p = end;
    // What does not fit the type is refused, not wrapped.
    return loadInt(value.dtype, value.data, index) == word;
  }
  double number = strtod(p, &end);
  if (end == p)
    return false;
  p = end;
  return storeDouble(value.dtype, value.data, index, number);
}

int readText(const char *text, ValueRef &value, smelt_error *err) {
  int64_t dims[SMELT_MAX_RANK], rank = 0;
  const char *p = text;
  while (isdigit(static_cast<unsigned char>(*p))) {
    char *end;
    errno = 0;
    long long dim = strtoll(p, &end, 10);
    if (errno || *end != 'x' || rank >= SMELT_MAX_RANK)
      return bad(text, "its dims are not numbers joined by x", err);
    dims[rank++] = dim;
    p = end + 1;
  }
  const char *equals = strchr(p, '=');
  if (!equals)
    return bad(text, "it has no '=' before the values", err);
  DType dtype = dtypeByName(p, static_cast<size_t>(equals - p));
  if (dtype == DType::Undefined)
    return bad(text, "its dtype is unknown", err);
  int64_t count;
  // A command line is short: what is larger is a slip, or meant to hurt.
  bool isText = dtype == DType::String;
  if (!elementCount(rank, dims, count) || count > int64_t(1) << 30 || (isText && count > int64_t(strlen(text))))
    return bad(text, "its dims are too large", err);
  value = makeTensor(dtype, rank, dims);
  if (!value)
    return failMemory(err, static_cast<uint64_t>(count), "a tensor");
  p = equals + 1;
  int64_t found = 0;
  for (; *p; ++found) {
    if (found && *p++ != ',')
      return bad(text, "its values are not joined by commas", err);
    if (found >= count)
      return bad(text, "it has more values than its dims say", err);
    if (dtype == DType::String) {
      size_t length = strcspn(p, ",");
      if (!value->texts[found].assign(p, length))
        return failMemory(err, length, "a string");
      p += length;
    } else if (!parseElement(p, *value.get(), found)) {
      return bad(text, "a value is not of its dtype", err);
    }
  }
  if (found == 1 && count > 1) {
    if (dtype == DType::String)
      return bad(text, "it has fewer values than its dims say", err);
    size_t size = elementSize(dtype);
    for (int64_t i = 1; i < count; ++i)
      memcpy(static_cast<char *>(value->data) + i * size, value->data, size);
  } else if (found != count) {
    return bad(text, "it has fewer values than its dims say", err);
  }
  return SMELT_OK;
}

} // namespace smelt::rt
