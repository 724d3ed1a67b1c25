//===- Bytes.h - Bounded reading of bytes, and whole files ----------*- C++ -*-===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the readers of hostile files are made of: a cursor that cannot leave its
// span, and files that are read whole under a limit and written under another
// name first. Tested by test/runtime/IoTest.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_IO_BYTES_H
#define SMELT_RUNTIME_IO_BYTES_H

#include "runtime/core/Support.h"

namespace smelt::rt {

using Bytes = Vec<uint8_t>;

struct Span {
  const uint8_t *data = nullptr;
  size_t size = 0;
};
inline Span spanOf(const Bytes &bytes) { return {bytes.data(), bytes.size()}; }

/// Reads little-endian words; once it ran out, `failed` stays true and zeros
/// come back.
class Cursor {
public:
  explicit Cursor(Span span) : span(span) {}
  bool failed() const { return isFailed; }
  bool atEnd() const { return offset >= span.size; }
  size_t position() const { return offset; }
  size_t left() const { return span.size - offset; }

  template <typename T> T word() {
    T value{};
    if (left() < sizeof(T))
      return isFailed = true, offset = span.size, value;
    memcpy(&value, span.data + offset, sizeof(T));
    offset += sizeof(T);
    return value;
  }
  Span take(uint64_t size) {
    if (size > left())
      return isFailed = true, offset = span.size, Span();
    Span piece{span.data + offset, static_cast<size_t>(size)};
    offset += piece.size;
    return piece;
  }
  /// A protobuf varint: at most ten bytes.
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      uint64_t byte = word<uint8_t>();
      if (shift == 63 && byte > 1)
        isFailed = true;
      value |= shift < 64 ? (byte & 127) << shift : 0;
      if (!(byte & 128))
        return value;
    }
    isFailed = true;
    return value;
  }

private:
  Span span;
  size_t offset = 0;
  bool isFailed = false;
};

/// Decodes deflate into exactly `size` bytes; false when the data are not that.
[[nodiscard]] bool inflate(Span packed, uint8_t *to, size_t size);

/// A whole regular file, at most 64 GiB (or `limit` bytes).
int readFile(const char *path, Bytes &bytes, smelt_error *err, uint64_t limit = uint64_t(64) << 30);
/// Publishes the file at once: written beside, synced, renamed. Device
/// files (/dev/null) are written directly.
int writeFile(const char *path, Span bytes, smelt_error *err);

} // namespace smelt::rt

#endif // SMELT_RUNTIME_IO_BYTES_H
