//===- Npz.cpp - Zip files of .npy files ------------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads by the central directory, with Zip64 (np.savez writes it for large
// arrays), stored and deflated members; each checked by its checksum. Writes
// stored members. Tested by test/runtime/{IoTest,IoFuzzTest}.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/io/Files.h"

namespace smelt::rt {
namespace {

constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                   kLocator64 = 0x07064b50;

uint32_t crc32(Span bytes) {
  uint32_t table[256];
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int k = 0; k < 8; ++k)
      c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
    table[i] = c;
  }
  uint32_t crc = ~0u;
  for (size_t i = 0; i < bytes.size; ++i)
    crc = table[(crc ^ bytes.data[i]) & 255] ^ crc >> 8;
  return ~crc;
}

int malformed(smelt_error *err, const char *what) {
  return fail(err, SMELT_BAD_DATA, "not a valid .npz (zip) file: %s", what);
}

Cursor at(Span bytes, uint64_t offset) {
  Cursor in(bytes);
  in.take(offset);
  return in;
}

struct Directory {
  uint64_t count = 0, offset = 0;
};

int findDirectory(Span bytes, Directory &d, smelt_error *err) {
  // The end record, behind which a comment of at most 64 KB may stand.
  if (bytes.size < 22)
    return malformed(err, "it is too short");
  uint64_t end = bytes.size - 22, least = end > 65535 ? end - 65535 : 0;
  for (;; --end) {
    if (at(bytes, end).word<uint32_t>() == kEnd)
      break;
    if (end == least)
      return malformed(err, "it has no end record");
  }
  Cursor in = at(bytes, end + 8);
  in.word<uint16_t>();
  d.count = in.word<uint16_t>();
  in.word<uint32_t>();
  d.offset = in.word<uint32_t>();
  if (d.count != 0xffff && d.offset != 0xffffffffu)
    return SMELT_OK;
  Cursor locator = at(bytes, end < 20 ? bytes.size : end - 20);
  if (locator.word<uint32_t>() != kLocator64)
    return malformed(err, "its Zip64 locator is missing");
  locator.word<uint32_t>();
  Cursor record = at(bytes, locator.word<uint64_t>());
  if (record.word<uint32_t>() != kEnd64)
    return malformed(err, "its Zip64 end record is missing");
  record.take(28);
  d.count = record.word<uint64_t>();
  record.word<uint64_t>();
  d.offset = record.word<uint64_t>();
  return record.failed() ? malformed(err, "it is cut off") : SMELT_OK;
}

struct Member {
  uint16_t method = 0, flags = 0;
  uint32_t crc = 0;
  uint64_t packed = 0, size = 0, offset = 0;
  Span name;
};

int readMember(Cursor &in, Member &m, smelt_error *err) {
  if (in.word<uint32_t>() != kCentral)
    return malformed(err, "a record of its directory is missing");
  in.take(4);
  m.flags = in.word<uint16_t>();
  m.method = in.word<uint16_t>();
  in.take(4);
  m.crc = in.word<uint32_t>();
  m.packed = in.word<uint32_t>();
  m.size = in.word<uint32_t>();
  uint16_t nameSize = in.word<uint16_t>(), extraSize = in.word<uint16_t>(), commentSize = in.word<uint16_t>();
  in.take(8);
  m.offset = in.word<uint32_t>();
  m.name = in.take(nameSize);
  Cursor extra(in.take(extraSize));
  in.take(commentSize);
  while (!extra.atEnd() && !extra.failed()) {
    uint16_t id = extra.word<uint16_t>();
    Cursor field(extra.take(extra.word<uint16_t>()));
    if (id != 1)
      continue;
    if (m.size == 0xffffffffu)
      m.size = field.word<uint64_t>();
    if (m.packed == 0xffffffffu)
      m.packed = field.word<uint64_t>();
    if (m.offset == 0xffffffffu)
      m.offset = field.word<uint64_t>();
    if (field.failed())
      return malformed(err, "a Zip64 field is cut off");
  }
  return in.failed() || extra.failed() ? malformed(err, "its directory is cut off") : SMELT_OK;
}

template <typename T> bool put(Bytes &out, T word) {
  return out.append(reinterpret_cast<const uint8_t *>(&word), sizeof word);
}

} // namespace

int readNpz(Span bytes, NamedValues &values, smelt_error *err) {
  Directory d;
  if (int code = findDirectory(bytes, d, err))
    return code;
  if (d.count > bytes.size / 46)
    return malformed(err, "it has more members than bytes for them");
  Cursor in = at(bytes, d.offset);
  for (uint64_t i = 0; i < d.count; ++i) {
    Member m;
    if (int code = readMember(in, m, err))
      return code;
    auto *text = reinterpret_cast<const char *>(m.name.data);
    int shown = static_cast<int>(m.name.size < 100 ? m.name.size : 100);
    if (m.flags & 1)
      return fail(err, SMELT_UNSUPPORTED, "the member '%.*s' is encrypted, a plain one is wanted", shown, text);
    if (m.method != 0 && m.method != 8)
      return fail(err, SMELT_UNSUPPORTED, "the member '%.*s' is compressed by method %u, 0 (stored) and 8 (deflate) are read",
                  shown, text, m.method);
    Cursor local = at(bytes, m.offset);
    if (local.word<uint32_t>() != kLocal)
      return malformed(err, "a member's header is missing");
    local.take(22);
    uint16_t nameSize = local.word<uint16_t>(), extraSize = local.word<uint16_t>();
    local.take(static_cast<uint64_t>(nameSize) + extraSize);
    Span data = local.take(m.packed);
    if (local.failed() || (m.method == 0 && m.packed != m.size))
      return malformed(err, "a member is cut off");
    Bytes unpacked;
    if (m.method == 8) {
      // Deflate makes at most 1032 bytes of one: more would be a bomb.
      if (m.size / 1032 > m.packed)
        return malformed(err, "a member is larger than its bytes can be");
      if (!unpacked.resize(m.size))
        return failMemory(err, m.size, "a compressed member");
      if (!inflate(data, unpacked.data(), unpacked.size()))
        return fail(err, SMELT_BAD_DATA, "the member '%.*s' is not valid deflated data of %llu bytes", shown, text,
                    static_cast<unsigned long long>(m.size));
      data = spanOf(unpacked);
    }
    if (crc32(data) != m.crc)
      return fail(err, SMELT_BAD_DATA, "the checksum of the member '%.*s' is wrong", shown, text);
    size_t nameLength = m.name.size;
    if (nameLength > 4 && memcmp(text + nameLength - 4, ".npy", 4) == 0)
      nameLength -= 4;
    NamedValue value;
    if (!value.name.assign(text, nameLength))
      return failMemory(err, nameLength, "a name");
    if (int code = readNpy(data, value.value, err))
      return code;
    if (!values.push(std::move(value)))
      return failMemory(err, sizeof value, "a tensor");
  }
  return SMELT_OK;
}

int writeNpz(const NamedValues &values, Bytes &out, smelt_error *err) {
  Bytes directory;
  bool ok = true;
  for (const NamedValue &v : values) {
    Bytes npy;
    if (int code = writeNpy(*v.value.get(), npy, err))
      return code;
    uint64_t offset = out.size();
    if (npy.size() >= 0xffffffffu || offset >= 0xffffffffu - npy.size())
      return fail(err, SMELT_UNSUPPORTED, "a .npz file of over 4 GiB would be written: use .safetensors");
    String file;
    ok = ok && file.append(v.name.c_str(), v.name.size()) && file.append(".npy");
    auto size = static_cast<uint32_t>(npy.size()), crc = crc32(spanOf(npy));
    auto nameSize = static_cast<uint16_t>(file.size());
    auto *name = reinterpret_cast<const uint8_t *>(file.c_str());
    // Version 2.0, no flags, stored, the first of January 1980.
    auto common = [&](Bytes &to) {
      return put<uint16_t>(to, 20) && put<uint16_t>(to, 0x800) && put<uint16_t>(to, 0) && put<uint16_t>(to, 0) &&
             put<uint16_t>(to, 0x21) && put(to, crc) && put(to, size) && put(to, size) && put(to, nameSize) &&
             put<uint16_t>(to, 0);
    };
    ok = ok && put(out, kLocal) && common(out) && out.append(name, nameSize) && out.append(npy.data(), npy.size());
    ok = ok && put(directory, kCentral) && put<uint16_t>(directory, 20) && common(directory) &&
         put<uint16_t>(directory, 0) && put<uint16_t>(directory, 0) && put<uint16_t>(directory, 0) &&
         put<uint32_t>(directory, 0) && put(directory, static_cast<uint32_t>(offset)) &&
         directory.append(name, nameSize);
  }
  if (values.size() >= 0xffff)
    return fail(err, SMELT_UNSUPPORTED, "a .npz file of %zu members would be written, at most 65534 are", values.size());
  auto offset = static_cast<uint32_t>(out.size());
  auto count = static_cast<uint16_t>(values.size());
  ok = ok && out.append(directory.data(), directory.size()) && put(out, kEnd) && put<uint32_t>(out, 0) &&
       put(out, count) && put(out, count) && put(out, static_cast<uint32_t>(directory.size())) && put(out, offset) &&
       put<uint16_t>(out, 0);
  return ok ? SMELT_OK : failMemory(err, out.size(), "a .npz file");
}

} // namespace smelt::rt
