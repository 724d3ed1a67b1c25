//===- Files.cpp - Picks a format by the file's name --------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See Files.h. Tested by test/runtime/IoTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/io/Files.h"

namespace smelt::rt {

static bool endsWith(const char *path, const char *end) {
  size_t n = strlen(path), m = strlen(end);
  return n >= m && strcmp(path + n - m, end) == 0;
}

bool holdsMany(const char *path) { return endsWith(path, ".npz") || endsWith(path, ".safetensors"); }

/// Puts the path in front of a reader's message.
static int inFile(const char *path, int code, smelt_error *err) {
  if (code && err) {
    smelt_error inner = *err;
    fail(err, code, "'%.200s': %.300s", path, inner.message);
  }
  return code;
}

int loadFile(const char *path, smelt_kind kind, NamedValues &values, smelt_error *err) {
  bool isNpy = endsWith(path, ".npy"), isPb = endsWith(path, ".pb");
  if (!isNpy && !isPb && !holdsMany(path))
    return fail(err, SMELT_UNSUPPORTED, "'%s' is of no known format; .npy, .npz, .pb and .safetensors are", path);
  Bytes bytes;
  if (int code = readFile(path, bytes, err))
    return code;
  Span span = spanOf(bytes);
  smelt_error inner{};
  int code = SMELT_OK;
  if (endsWith(path, ".npz"))
    code = readNpz(span, values, &inner);
  else if (endsWith(path, ".safetensors"))
    code = readSafetensors(span, values, &inner);
  else {
    NamedValue one;
    code = isNpy ? readNpy(span, one.value, &inner) : readProto(span, kind, one, &inner);
    if (!code && !values.push(std::move(one)))
      code = failMemory(&inner, sizeof(NamedValue), "a tensor");
  }
  if (code && err)
    *err = inner;
  return inFile(path, code, err);
}

int saveFile(const char *path, const NamedValues &values, smelt_error *err) {
  Bytes bytes;
  int code = SMELT_OK;
  bool isPb = endsWith(path, ".pb");
  if (endsWith(path, ".npz"))
    code = writeNpz(values, bytes, err);
  else if (endsWith(path, ".safetensors"))
    code = writeSafetensors(values, bytes, err);
  else if (!isPb && !endsWith(path, ".npy"))
    return fail(err, SMELT_USAGE, "'%s' is of no known format; .npy, .npz, .pb and .safetensors are", path);
  else if (values.size() != 1)
    return fail(err, SMELT_USAGE, "'%s' holds one tensor, %zu are to be written: use .npz or .safetensors", path,
                values.size());
  else
    code = isPb ? writeProto(values[0].name.c_str(), *values[0].value.get(), bytes, err)
                : writeNpy(*values[0].value.get(), bytes, err);
  if (code)
    return inFile(path, code, err);
  return writeFile(path, spanOf(bytes), err);
}

} // namespace smelt::rt
