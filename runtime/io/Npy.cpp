//===- Npy.cpp - NumPy's .npy --------------------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The header is a Python dict; exactly the three keys NumPy writes are taken.
// Tested by test/runtime/{IoTest,IoFuzzTest}.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/io/Files.h"
#include <stdio.h>

namespace smelt::rt {
namespace {

struct Code {
  const char *text; // kind and size
  DType dtype;
};
constexpr Code kCodes[] = {
    {"f4", DType::F32}, {"f8", DType::F64}, {"f2", DType::F16}, {"i1", DType::I8},  {"i2", DType::I16},
    {"i4", DType::I32}, {"i8", DType::I64}, {"u1", DType::U8},  {"u2", DType::U16}, {"u4", DType::U32},
    {"u8", DType::U64}, {"b1", DType::Bool}, {"c8", DType::C64}, {"c16", DType::C128}, {"V2", DType::BF16},
};

struct Header {
  char descr[32] = {};
  bool isFortran = false, hasDescr = false, hasOrder = false, hasShape = false;
  int64_t rank = 0, dims[SMELT_MAX_RANK];
};

/// A recogniser of the dict {'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }.
class HeaderParser {
public:
  HeaderParser(Span text, Header &h) : at(reinterpret_cast<const char *>(text.data)), end(at + text.size), h(h) {}
  bool parse() {
    if (!eat('{'))
      return false;
    while (!eat('}')) {
      char key[32];
      if (!quoted(key, sizeof key) || !eat(':') || !item(key))
        return false;
      if (!eat(','))
        return eat('}') && skip() && at == end && complete();
    }
    return skip() && at == end && complete();
  }

private:
  bool complete() const { return h.hasDescr && h.hasOrder && h.hasShape; }
  bool skip() {
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\t'))
      ++at;
    return true;
  }
  bool eat(char c) {
    skip();
    if (at >= end || *at != c)
      return false;
    return ++at, true;
  }
  bool word(const char *w) {
    skip();
    size_t n = strlen(w);
    if (static_cast<size_t>(end - at) < n || memcmp(at, w, n) != 0)
      return false;
    return at += n, true;
  }
  bool quoted(char *to, size_t size) {
    skip();
    if (at >= end || (*at != '\'' && *at != '"'))
      return false;
    char quote = *at++;
    size_t n = 0;
    while (at < end && *at != quote && n + 1 < size)
      to[n++] = *at++;
    to[n] = 0;
    return at < end && *at++ == quote;
  }
  bool item(const char *key) {
    if (!strcmp(key, "descr") && !h.hasDescr)
      return h.hasDescr = quoted(h.descr, sizeof h.descr);
    if (!strcmp(key, "fortran_order") && !h.hasOrder) {
      h.isFortran = word("True");
      return h.hasOrder = h.isFortran || word("False");
    }
    if (strcmp(key, "shape") || h.hasShape || !eat('('))
      return false;
    h.hasShape = true;
    while (!eat(')')) {
      int64_t dim = 0;
      skip();
      const char *begin = at;
      for (; at < end && *at >= '0' && *at <= '9'; ++at)
        if (mulOverflows(dim, 10, dim) || addOverflows(dim, *at - '0', dim))
          return false;
      if (at == begin || h.rank >= SMELT_MAX_RANK)
        return false;
      h.dims[h.rank++] = dim;
      if (!eat(','))
        return eat(')');
    }
    return true;
  }

  const char *at, *end;
  Header &h;
};

/// Copies elements from column-major order.
void fromFortran(const uint8_t *from, uint8_t *to, const Header &h, size_t size, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    int64_t rest = i, source = 0, stride = 1, index[SMELT_MAX_RANK];
    for (int64_t d = h.rank; d-- > 0; rest /= h.dims[d])
      index[d] = rest % h.dims[d];
    for (int64_t d = 0; d < h.rank; stride *= h.dims[d], ++d)
      source += index[d] * stride;
    memcpy(to + i * size, from + source * size, size);
  }
}

bool putUtf8(String &text, uint32_t c) {
  char b[4];
  if (c < 0x80)
    return b[0] = static_cast<char>(c), text.append(b, 1);
  if (c < 0x800) {
    b[0] = static_cast<char>(0xc0 | c >> 6);
    b[1] = static_cast<char>(0x80 | (c & 63));
    return text.append(b, 2);
  }
  if (c < 0x10000) {
    b[0] = static_cast<char>(0xe0 | c >> 12);
    b[1] = static_cast<char>(0x80 | (c >> 6 & 63));
    b[2] = static_cast<char>(0x80 | (c & 63));
    return text.append(b, 3);
  }
  b[0] = static_cast<char>(0xf0 | c >> 18);
  b[1] = static_cast<char>(0x80 | (c >> 12 & 63));
  b[2] = static_cast<char>(0x80 | (c >> 6 & 63));
  b[3] = static_cast<char>(0x80 | (c & 63));
  return text.append(b, 4);
}

/// Fixed-width strings: U (UTF-32) and S (bytes), padded by NULs.
int readStrings(const Header &h, char kind, Span data, ValueRef &value, smelt_error *err) {
  int64_t width = strtoll(h.descr + 2, nullptr, 10), count, unit = kind == 'U' ? 4 : 1, bytes;
  if (width < 0 || width > 1 << 20 || !elementCount(h.rank, h.dims, count) ||
      mulOverflows(count, width * unit, bytes) || static_cast<uint64_t>(bytes) != data.size || (!width && count > 1 << 20))
    return fail(err, SMELT_BAD_DATA, "the .npy file has %zu bytes of %s strings, which do not fit its shape", data.size, h.descr);
  value = makeTensor(DType::String, h.rank, h.dims);
  if (!value)
    return failMemory(err, bytes, "strings");
  for (int64_t i = 0; i < count; ++i) {
    String &text = value->texts[i];
    const uint8_t *from = data.data + i * width * unit;
    int64_t length = width;
    for (; length > 0; --length) {
      uint32_t c = 0;
      memcpy(&c, from + (length - 1) * unit, unit);
      if (c)
        break;
    }
    for (int64_t k = 0; k < length; ++k) {
      uint32_t c = 0;
      memcpy(&c, from + k * unit, unit);
      if (c > 0x10ffff)
        return fail(err, SMELT_BAD_DATA, "the .npy file has a character U+%x, at most U+10ffff is wanted", c);
      char byte = static_cast<char>(c);
      if (!(kind == 'U' ? putUtf8(text, c) : text.append(&byte, 1)))
        return failMemory(err, 4, "strings");
    }
  }
  return SMELT_OK;
}

} // namespace

int readNpy(Span bytes, ValueRef &value, smelt_error *err) {
  Cursor in(bytes);
  Span magic = in.take(6);
  uint8_t major = in.word<uint8_t>();
  in.word<uint8_t>();
  if (in.failed() || memcmp(magic.data, "\x93NUMPY", 6) != 0)
    return fail(err, SMELT_BAD_DATA, "not a .npy file: it does not begin with \\x93NUMPY");
  if (major < 1 || major > 3)
    return fail(err, SMELT_UNSUPPORTED, "the .npy file has version %u, 1 to 3 are read", major);
  Span text = in.take(major == 1 ? in.word<uint16_t>() : in.word<uint32_t>());
  Header h;
  if (in.failed() || !HeaderParser(text, h).parse())
    return fail(err, SMELT_BAD_DATA, "the .npy file has no valid header; descr, fortran_order and a shape of rank <= %d are wanted",
                SMELT_MAX_RANK);
  Span data = in.take(in.left());
  if (h.descr[0] == '>')
    return fail(err, SMELT_UNSUPPORTED, "the .npy file is big-endian ('%s'), little-endian is wanted", h.descr);
  bool isText = h.descr[0] && (h.descr[1] == 'U' || h.descr[1] == 'S');
  if (isText && h.isFortran && h.rank > 1)
    return fail(err, SMELT_UNSUPPORTED, "the .npy file has strings in Fortran order, C order is wanted");
  if (isText)
    return readStrings(h, h.descr[1], data, value, err);
  DType dtype = DType::Undefined;
  for (const Code &c : kCodes)
    if (h.descr[0] && !strcmp(h.descr + 1, c.text))
      dtype = c.dtype;
  if (dtype == DType::Undefined)
    return fail(err, SMELT_UNSUPPORTED, "the .npy file has the dtype '%s', which is not read", h.descr);
  int64_t count, wanted;
  char dims[256];
  if (!elementCount(h.rank, h.dims, count) || !byteSize(dtype, h.rank, h.dims, wanted) ||
      static_cast<uint64_t>(wanted) != data.size)
    return fail(err, SMELT_BAD_DATA, "the .npy file has %zu bytes of data, which is not %s of %s", data.size,
                formatDims(h.rank, h.dims, dims, sizeof dims), name(dtype));
  value = makeTensor(dtype, h.rank, h.dims);
  if (!value)
    return failMemory(err, wanted, "a tensor");
  auto *to = static_cast<uint8_t *>(value->data);
  if (h.isFortran && h.rank > 1)
    fromFortran(data.data, to, h, elementSize(dtype), count);
  else if (wanted)
    memcpy(to, data.data, wanted);
  if (dtype == DType::Bool)
    for (int64_t i = 0; i < count; ++i)
      to[i] = to[i] != 0;
  return SMELT_OK;
}

/// The next character of valid UTF-8; bytes that are none stand for themselves.
static uint32_t nextUtf8(const char *&p, const char *end) {
  auto c = static_cast<unsigned char>(*p);
  int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
  if (c < 0xc0 || end - p <= more)
    return ++p, c;
  uint32_t value = c & (0x3f >> more);
  for (int i = 1; i <= more; ++i) {
    if ((p[i] & 0xc0) != 0x80)
      return ++p, c;
    value = value << 6 | (p[i] & 0x3f);
  }
  return p += more + 1, value;
}

int writeNpy(const smelt_value &v, Bytes &out, smelt_error *err) {
  if (v.kind != SMELT_TENSOR)
    return fail(err, SMELT_USAGE, "a sequence, map or optional cannot be written as .npy: use .pb");
  // What NumPy has no name for is widened, which loses nothing.
  DType dtype = v.dtype;
  if (dtype == DType::BF16 || (isFloat(dtype) && elementSize(dtype) == 1))
    dtype = DType::F32;
  else if (dtype == DType::I4 || dtype == DType::I2)
    dtype = DType::I8;
  else if (dtype == DType::U4 || dtype == DType::U2)
    dtype = DType::U8;
  size_t width = 1;
  String descr;
  if (dtype == DType::String) {
    for (const String &text : v.texts) {
      size_t n = 0;
      for (const char *p = text.c_str(), *end = p + text.size(); p < end; ++n)
        nextUtf8(p, end);
      width = n > width ? n : width;
    }
    descr.appendf("<U%zu", width);
  }
  for (const Code &c : kCodes)
    if (c.dtype == dtype)
      descr.appendf("%c%s", elementSize(dtype) == 1 ? '|' : '<', c.text);
  String header;
  header.appendf("{'descr': '%s', 'fortran_order': False, 'shape': (", descr.c_str());
  for (int32_t i = 0; i < v.rank; ++i)
    header.appendf(v.rank == 1 ? "%lld," : i ? ", %lld" : "%lld", static_cast<long long>(v.dims[i]));
  header.appendf("), }");
  while ((10 + header.size() + 1) % 64)
    if (!header.append(" "))
      return failMemory(err, 64, "a header");
  bool ok = header.append("\n") && !header.failed() && !descr.failed();
  uint16_t length = static_cast<uint16_t>(header.size());
  ok = ok && out.append(reinterpret_cast<const uint8_t *>("\x93NUMPY\x01\x00"), 8) &&
       out.append(reinterpret_cast<const uint8_t *>(&length), 2) &&
       out.append(reinterpret_cast<const uint8_t *>(header.c_str()), header.size());
  size_t count = smelt_value_count(&v);
  if (dtype == DType::String) {
    for (const String &text : v.texts) {
      const char *p = text.c_str(), *end = p + text.size();
      for (size_t i = 0; i < width; ++i) {
        uint32_t c = p < end ? nextUtf8(p, end) : 0;
        ok = ok && out.append(reinterpret_cast<const uint8_t *>(&c), 4);
      }
    }
  } else if (dtype == v.dtype || elementSize(v.dtype) == elementSize(dtype)) {
    ok = ok && out.append(static_cast<const uint8_t *>(v.data), v.bytes);
  } else {
    for (size_t i = 0; ok && i < count; ++i) {
      float f = static_cast<float>(loadDouble(v.dtype, v.data, i));
      ok = out.append(reinterpret_cast<const uint8_t *>(&f), 4);
    }
  }
  return ok ? SMELT_OK : failMemory(err, v.bytes, "a .npy file");
}

} // namespace smelt::rt
