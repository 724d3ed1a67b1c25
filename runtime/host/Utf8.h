//===- Utf8.h - Characters of UTF-8 --------------------------------------*- C++ -*-===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// RFC 3629. Tested by test/runtime/HostCallTest.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_HOST_UTF8_H
#define SMELT_RUNTIME_HOST_UTF8_H

#include <stddef.h>
#include <stdint.h>

namespace smelt::rt {

inline constexpr char32_t kNoCharacter = 0xffffffff;

/// The character at `at`, which moves behind it; kNoCharacter and one byte where
/// the bytes are no UTF-8. `at` < `end`.
inline char32_t decodeUtf8(const char *&at, const char *end) {
  auto byte = [&](ptrdiff_t i) { return static_cast<unsigned char>(at[i]); };
  unsigned char first = byte(0);
  int more = first < 0x80 ? 0 : (first >> 5) == 6 ? 1 : (first >> 4) == 14 ? 2 : (first >> 3) == 30 ? 3 : -1;
  char32_t code = more <= 0 ? first : first & (0x3f >> more);
  static constexpr char32_t least[] = {0, 0x80, 0x800, 0x10000};
  bool isValid = more >= 0 && end - at > more;
  for (int i = 1; isValid && i <= more; ++i) {
    isValid = (byte(i) & 0xc0) == 0x80;
    code = code << 6 | (byte(i) & 0x3f);
  }
  if (!isValid || code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
    ++at;
    return kNoCharacter;
  }
  at += more + 1;
  return code;
}

/// Writes a character; returns its bytes.
inline size_t encodeUtf8(char32_t code, char *to) {
  if (code < 0x80) {
    to[0] = static_cast<char>(code);
    return 1;
  }
  size_t more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  static constexpr unsigned char mark[] = {0, 0xc0, 0xe0, 0xf0};
  to[0] = static_cast<char>(mark[more] | code >> (6 * more));
  for (size_t i = 1; i <= more; ++i)
    to[i] = static_cast<char>(0x80 | (code >> (6 * (more - i)) & 0x3f));
  return more + 1;
}

} // namespace smelt::rt

#endif // SMELT_RUNTIME_HOST_UTF8_H
