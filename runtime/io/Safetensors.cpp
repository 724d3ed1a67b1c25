//===- Safetensors.cpp - Files in the .safetensors format ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A length, a JSON header, the data. Refused: a header over 100 MB, duplicate
// names, overlaps and holes, data that do not end with the file. Tested by
// test/runtime/{IoTest,IoFuzzTest}.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/io/Files.h"

namespace smelt::rt {
namespace {

struct Code {
  const char *text;
  DType dtype;
};
constexpr Code kCodes[] = {
    {"F32", DType::F32}, {"F64", DType::F64},   {"F16", DType::F16}, {"BF16", DType::BF16}, {"I64", DType::I64},
    {"I32", DType::I32}, {"I16", DType::I16},   {"I8", DType::I8},   {"U8", DType::U8},     {"U16", DType::U16},
    {"U32", DType::U32}, {"U64", DType::U64},   {"BOOL", DType::Bool}, {"F8_E4M3", DType::F8E4M3FN},
    {"F8_E5M2", DType::F8E5M2}, {"F8_E8M0", DType::F8E8M0}, {"C64", DType::C64},
};

struct Entry {
  String name;
  DType dtype = DType::Undefined;
  int64_t rank = 0, dims[SMELT_MAX_RANK];
  uint64_t begin = 0, end = 0;
};

/// The JSON that the format allows: one object of objects.
class HeaderParser {
public:
  HeaderParser(Span text, Vec<Entry> &entries, smelt_error *err)
      : at(reinterpret_cast<const char *>(text.data)), begin(at), end(at + text.size), entries(entries), err(err) {}

  int parse() {
    if (!eat('{'))
      return bad("an object");
    if (eat('}'))
      return tail();
    do {
      String key;
      if (!text(key) || !eat(':'))
        return bad("a name and ':'");
      if (key == "__metadata__") {
        if (int code = metadata())
          return code;
        continue;
      }
      Entry entry;
      entry.name = std::move(key);
      if (int code = tensor(entry))
        return code;
      if (!entries.push(std::move(entry)))
        return failMemory(err, sizeof entry, "the header");
    } while (eat(','));
    return eat('}') ? tail() : bad("',' or '}'");
  }

private:
  int bad(const char *wanted) {
    if (isOutOfMemory)
      return failMemory(err, static_cast<uint64_t>(end - begin), "the header");
    return fail(err, SMELT_BAD_DATA, "the safetensors header is malformed at byte %zu: %s is wanted",
                static_cast<size_t>(at - begin), wanted);
  }
  int tail() {
    skip();
    return at == end ? SMELT_OK : bad("the end");
  }
  void skip() {
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
      ++at;
  }
  bool eat(char c) {
    skip();
    if (at >= end || *at != c)
      return false;
    return ++at, true;
  }
  bool text(String &to) {
    if (!eat('"'))
      return false;
    for (; at < end && *at != '"'; ++at) {
      char c = *at;
      if (static_cast<unsigned char>(c) < 0x20)
        return false;
      if (c == '\\') {
        if (++at >= end)
          return false;
        switch (*at) {
        case '"': case '\\': case '/': c = *at; break;
        case 'n': c = '\n'; break;
        case 't': c = '\t'; break;
        case 'r': c = '\r'; break;
        case 'b': c = '\b'; break;
        case 'f': c = '\f'; break;
        case 'u': {
          unsigned code = 0;
          for (int i = 0; i < 4; ++i) {
            if (++at >= end)
              return false;
            char h = *at;
            unsigned digit = h >= '0' && h <= '9' ? h - '0' : (h | 32) >= 'a' && (h | 32) <= 'f' ? (h | 32) - 'a' + 10 : 16;
            if (digit > 15)
              return false;
            code = code * 16 + digit;
          }
          if (code >= 0x80 || code == 0)
            return false; // names are written as UTF-8, not escaped
          c = static_cast<char>(code);
          break;
        }
        default: return false;
        }
      }
      if (!to.append(&c, 1)) {
        isOutOfMemory = true;
        return false;
      }
    }
    return at < end && *at++ == '"';
  }
  bool number(uint64_t &value) {
    skip();
    const char *first = at;
    value = 0;
    for (; at < end && *at >= '0' && *at <= '9'; ++at)
      if (__builtin_mul_overflow(value, uint64_t(10), &value) || __builtin_add_overflow(value, uint64_t(*at - '0'), &value))
        return false;
    return at != first;
  }
  int metadata() {
    if (!eat('{'))
      return bad("an object");
    if (eat('}'))
      return SMELT_OK;
    do {
      String key, value;
      if (!text(key) || !eat(':') || !text(value))
        return bad("a text, ':' and a text");
    } while (eat(','));
    return eat('}') ? SMELT_OK : bad("',' or '}'");
  }
  int tensor(Entry &e) {
    bool hasDType = false, hasShape = false, hasOffsets = false;
    if (!eat('{'))
      return bad("an object");
    do {
      String key;
      if (!text(key) || !eat(':'))
        return bad("a key and ':'");
      if (key == "dtype" && !hasDType) {
        String code;
        hasDType = true;
        if (!text(code))
          return bad("a dtype");
        for (const Code &c : kCodes)
          if (code == c.text)
            e.dtype = c.dtype;
        if (e.dtype == DType::Undefined)
          return fail(err, SMELT_UNSUPPORTED, "the tensor '%.100s' has the dtype '%.32s', which is not read", e.name.c_str(),
                      code.c_str());
      } else if (key == "shape" && !hasShape) {
        hasShape = true;
        if (!eat('['))
          return bad("a list");
        for (uint64_t dim; !eat(']'); e.dims[e.rank++] = static_cast<int64_t>(dim)) {
          if ((e.rank && !eat(',')) || !number(dim) || dim > uint64_t(1) << 40)
            return bad("a dim of at most 2^40");
          if (e.rank >= SMELT_MAX_RANK)
            return bad("a rank of at most 16");
        }
      } else if (key == "data_offsets" && !hasOffsets) {
        hasOffsets = true;
        if (!eat('[') || !number(e.begin) || !eat(',') || !number(e.end) || !eat(']'))
          return bad("two offsets");
      } else {
        return bad("one each of dtype, shape and data_offsets");
      }
    } while (eat(','));
    if (!eat('}') || !hasDType || !hasShape || !hasOffsets)
      return bad("dtype, shape, data_offsets and '}'");
    return SMELT_OK;
  }

  const char *at, *begin, *end;
  bool isOutOfMemory = false;
  Vec<Entry> &entries;
  smelt_error *err;
};

int byOffset(const void *a, const void *b) {
  const Entry &x = **static_cast<Entry *const *>(a), &y = **static_cast<Entry *const *>(b);
  if (x.begin != y.begin)
    return x.begin < y.begin ? -1 : 1;
  return x.end < y.end ? -1 : x.end > y.end;
}
int byName(const void *a, const void *b) {
  return strcmp((*static_cast<Entry *const *>(a))->name.c_str(), (*static_cast<Entry *const *>(b))->name.c_str());
}

int checkLayout(Vec<Entry> &entries, uint64_t dataSize, smelt_error *err) {
  Vec<Entry *> order;
  for (Entry &e : entries)
    if (!order.push(&e))
      return failMemory(err, 8, "the header");
  if (order.size())
    qsort(order.data(), order.size(), sizeof(Entry *), byName);
  for (size_t i = 1; i < order.size(); ++i)
    if (byName(&order[i - 1], &order[i]) == 0)
      return fail(err, SMELT_BAD_DATA, "the tensor '%.100s' is there twice", order[i]->name.c_str());
  if (order.size())
    qsort(order.data(), order.size(), sizeof(Entry *), byOffset);
  uint64_t at = 0;
  for (Entry *e : order) {
    int64_t bytes;
    char dims[256];
    if (e->begin != at || e->end < e->begin)
      return fail(err, SMELT_BAD_DATA, "the tensor '%.100s' is at %llu..%llu, its beginning at %llu is wanted (no holes, no overlaps)",
                  e->name.c_str(), static_cast<unsigned long long>(e->begin), static_cast<unsigned long long>(e->end),
                  static_cast<unsigned long long>(at));
    if (!byteSize(e->dtype, e->rank, e->dims, bytes) || static_cast<uint64_t>(bytes) != e->end - e->begin)
      return fail(err, SMELT_BAD_DATA, "the tensor '%.100s' has %llu bytes, which is not %s of %s", e->name.c_str(),
                  static_cast<unsigned long long>(e->end - e->begin), formatDims(e->rank, e->dims, dims, sizeof dims),
                  name(e->dtype));
    at = e->end;
  }
  if (at != dataSize)
    return fail(err, SMELT_BAD_DATA, "the tensors end at byte %llu of the data, which has %llu",
                static_cast<unsigned long long>(at), static_cast<unsigned long long>(dataSize));
  return SMELT_OK;
}

bool putQuoted(String &to, const String &from) {
  bool ok = to.append("\"");
  for (size_t i = 0; i < from.size(); ++i) {
    char c = from.c_str()[i];
    if (static_cast<unsigned char>(c) < 0x20)
      ok &= to.appendf("\\u%04x", c);
    else
      ok &= to.appendf(c == '"' || c == '\\' ? "\\%c" : "%c", c);
  }
  return to.append("\"") && ok;
}

} // namespace

int readSafetensors(Span bytes, NamedValues &values, smelt_error *err) {
  Cursor in(bytes);
  uint64_t size = in.word<uint64_t>();
  if (in.failed() || size > 100000000 || size > in.left())
    return fail(err, SMELT_BAD_DATA, "not a safetensors file: its header would have %llu bytes, at most 100 MB and the file's %zu are wanted",
                static_cast<unsigned long long>(size), in.left());
  Vec<Entry> entries;
  if (int code = HeaderParser(in.take(size), entries, err).parse())
    return code;
  Span data = in.take(in.left());
  if (int code = checkLayout(entries, data.size, err))
    return code;
  for (Entry &e : entries) {
    NamedValue v;
    v.name = std::move(e.name);
    v.value = makeTensor(e.dtype, e.rank, e.dims);
    if (!v.value)
      return failMemory(err, e.end - e.begin, "a tensor");
    if (v.value->bytes)
      memcpy(v.value->data, data.data + e.begin, v.value->bytes);
    if (e.dtype == DType::Bool)
      for (size_t i = 0; i < v.value->bytes; ++i)
        static_cast<uint8_t *>(v.value->data)[i] = static_cast<uint8_t *>(v.value->data)[i] != 0;
    if (!values.push(std::move(v)))
      return failMemory(err, sizeof v, "a tensor");
  }
  return SMELT_OK;
}

int writeSafetensors(const NamedValues &values, Bytes &out, smelt_error *err) {
  String header;
  uint64_t offset = 0;
  bool ok = header.append("{");
  for (const NamedValue &v : values) {
    const char *code = nullptr;
    for (const Code &c : kCodes)
      if (v.value->kind == SMELT_TENSOR && c.dtype == v.value->dtype)
        code = c.text;
    if (!code)
      return fail(err, SMELT_USAGE, "'%.100s' (%s) cannot be written as safetensors: use .pb", v.name.c_str(),
                  v.value->kind == SMELT_TENSOR ? name(v.value->dtype) : "not a tensor");
    ok = ok && (header.size() == 1 || header.append(",")) && putQuoted(header, v.name) &&
         header.appendf(":{\"dtype\":\"%s\",\"shape\":[", code);
    for (int32_t i = 0; i < v.value->rank; ++i)
      ok &= header.appendf(i ? ",%lld" : "%lld", static_cast<long long>(v.value->dims[i]));
    ok &= header.appendf("],\"data_offsets\":[%llu,%llu]}", static_cast<unsigned long long>(offset),
                         static_cast<unsigned long long>(offset + v.value->bytes));
    offset += v.value->bytes;
  }
  ok = ok && header.append("}");
  while (ok && header.size() % 8)
    ok = header.append(" ");
  uint64_t size = header.size();
  ok = ok && out.append(reinterpret_cast<const uint8_t *>(&size), 8) &&
       out.append(reinterpret_cast<const uint8_t *>(header.c_str()), size);
  for (const NamedValue &v : values)
    ok = ok && out.append(static_cast<const uint8_t *>(v.value->data), v.value->bytes);
  return ok ? SMELT_OK : failMemory(err, offset, "a safetensors file");
}

} // namespace smelt::rt
