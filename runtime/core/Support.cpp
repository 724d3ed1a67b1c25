//===- Support.cpp - Text, statuses and time ------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See Support.h. Tested by test/runtime/ValueTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/Support.h"
#include <stdio.h>
#include <time.h>

namespace smelt::rt {

int fail(smelt_error *err, int code, const char *format, ...) {
  if (!err)
    return code;
  err->code = code;
  va_list args;
  va_start(args, format);
  vsnprintf(err->message, sizeof err->message, format, args);
  va_end(args);
  // One line, whatever names a hostile file brought into it.
  for (char *c = err->message; *c; ++c)
    if (static_cast<unsigned char>(*c) < 0x20 || *c == 0x7f)
      *c = '?';
  return code;
}

int failMemory(smelt_error *err, uint64_t bytes, const char *what) {
  return fail(err, SMELT_NO_MEMORY, "out of memory: %llu bytes wanted for %s",
              static_cast<unsigned long long>(bytes), what);
}

bool String::append(const char *text, size_t size) {
  if (!bytes.grow(size + 1)) {
    hasFailed = true;
    return false;
  }
  if (!bytes.empty())
    bytes.pop(); // the NUL
  return bytes.append(text, size) && bytes.push(0); // there is room
}

bool String::appendf(const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int length = vsnprintf(nullptr, 0, format, args);
  va_end(args);
  size_t old = size();
  bool ok = length >= 0 && bytes.grow(static_cast<size_t>(length) + 1) && bytes.resize(old + length + 1);
  hasFailed |= !ok;
  if (ok)
    vsnprintf(bytes.data() + old, length + 1, format, again);
  va_end(again);
  return ok;
}

uint64_t nowNanoseconds() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000000000u + static_cast<uint64_t>(t.tv_nsec);
}

} // namespace smelt::rt
