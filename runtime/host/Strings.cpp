//===- Strings.cpp - Ops on tensors of strings -------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Strings are bytes, UTF-8 where characters count. Tested by
// test/runtime/HostCallTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/host/Call.h"
#include "runtime/host/Utf8.h"
#include <locale.h>
#include <wctype.h>

namespace smelt::rt {

namespace {

/// The element of an operand that NumPy's broadcasting puts at an index of the result.
class Broadcast {
public:
  Broadcast(const smelt_value *x, int64_t rank, const int64_t *dims) {
    int64_t stride = 1;
    fits = x->rank <= rank;
    for (int64_t d = rank - 1, from = x->rank - 1; fits && d >= 0; --d, --from) {
      int64_t size = from >= 0 ? x->dims[from] : 1;
      fits = size == dims[d] || size == 1;
      strides[d] = size == 1 ? 0 : stride;
      stride *= size;
    }
  }
  int64_t at(int64_t i, int64_t rank, const int64_t *dims) const {
    int64_t offset = 0;
    for (int64_t d = rank - 1; d >= 0; --d) {
      offset += i % dims[d] * strides[d];
      i /= dims[d];
    }
    return offset;
  }
  bool fits = false;

private:
  int64_t strides[SMELT_MAX_RANK] = {};
};

int broadcastDims(Call &c, const smelt_value *x, const smelt_value *y, int64_t &rank, int64_t *dims) {
  rank = x->rank > y->rank ? x->rank : y->rank;
  for (int64_t d = 0; d < rank; ++d) {
    int64_t i = d - (rank - x->rank), j = d - (rank - y->rank);
    int64_t a = i >= 0 ? x->dims[i] : 1, b = j >= 0 ? y->dims[j] : 1;
    if (a != b && a != 1 && b != 1)
      return SMELT_HOST_FAIL(c.call, SMELT_BAD_DATA, "sizes %lld and %lld do not broadcast", static_cast<long long>(a),
                             static_cast<long long>(b));
    dims[d] = a == 1 ? b : a;
  }
  return SMELT_OK;
}

/// The two operands of a call with one result.
int bothStrings(Call &c, const smelt_value *&x, const smelt_value *&y) {
  if (int code = c.parse(2, 2, 1, 0))
    return code;
  if (int code = c.strings(0, x))
    return code;
  return c.strings(1, y);
}

bool equal(const String &a, const String &b) { return a.size() == b.size() && !memcmp(a.c_str(), b.c_str(), a.size()); }

} // namespace

int stringConcat(HostOpCall &call) {
  Call c(call);
  const smelt_value *x, *y;
  if (int code = bothStrings(c, x, y))
    return code;
  int64_t rank, dims[SMELT_MAX_RANK];
  if (int code = broadcastDims(c, x, y, rank, dims))
    return code;
  ValueRef result = makeTensor(DType::String, rank, dims);
  if (!result)
    return c.noMemory();
  Broadcast a(x, rank, dims), b(y, rank, dims);
  for (size_t i = 0; i < result->texts.size(); ++i) {
    const String &left = x->texts[a.at(static_cast<int64_t>(i), rank, dims)],
                 &right = y->texts[b.at(static_cast<int64_t>(i), rank, dims)];
    if (!result->texts[i].assign(left.c_str(), left.size()) || !result->texts[i].append(right.c_str(), right.size()))
      return c.noMemory();
  }
  return c.set(0, std::move(result));
}

int stringEqual(HostOpCall &call) {
  Call c(call);
  const smelt_value *x, *y;
  TensorOperand out;
  if (int code = bothStrings(c, x, y))
    return code;
  if (int code = c.place(0, out))
    return code;
  Broadcast a(x, out.rank, out.dims), b(y, out.rank, out.dims);
  if (!a.fits || !b.fits)
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "the operands do not broadcast to the result");
  for (int64_t i = 0; i < out.count; ++i)
    storeInt(DType::Bool, out.data, static_cast<size_t>(i),
             equal(x->texts[a.at(i, out.rank, out.dims)], y->texts[b.at(i, out.rank, out.dims)]));
  return SMELT_OK;
}

/// The place of each string among the texts; their number when it is none of them.
int stringIndex(HostOpCall &call) {
  Call c(call);
  const smelt_value *x;
  TensorOperand out;
  if (int code = c.parse(1, 1, 1, 0))
    return code;
  if (int code = c.strings(0, x))
    return code;
  if (int code = c.place(0, out))
    return code;
  if (static_cast<size_t>(out.count) != x->texts.size())
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "bad program: %lld results for %zu strings",
                           static_cast<long long>(out.count), x->texts.size());
  for (size_t i = 0; i < x->texts.size(); ++i) {
    size_t found = 0;
    for (; found < c.textCount(); ++found) {
      const char *key;
      if (int code = c.text(found, key))
        return code;
      if (strlen(key) == x->texts[i].size() && !memcmp(key, x->texts[i].c_str(), x->texts[i].size()))
        break;
    }
    storeInt(DType::I64, out.data, i, static_cast<int64_t>(found));
  }
  return SMELT_OK;
}

namespace {

/// Calls `part(begin, size)` for each part of a text. Without a delimiter runs of
/// white space are one; at most `most` cuts (-1: any number).
template <typename Fn> bool forParts(const String &text, const char *delimiter, size_t width, int64_t most, Fn part) {
  const char *at = text.c_str(), *end = at + text.size();
  auto isSpace = [](char ch) { return ch == ' ' || (ch >= '\t' && ch <= '\r'); };
  if (width == 0) {
    while (true) {
      while (at < end && isSpace(*at))
        ++at;
      if (at == end)
        return true;
      const char *stop = at;
      if (most == 0) { // the rest, without the space at its end
        stop = end;
        while (isSpace(stop[-1]))
          --stop;
        return part(at, static_cast<size_t>(stop - at));
      }
      while (stop < end && !isSpace(*stop))
        ++stop;
      if (!part(at, static_cast<size_t>(stop - at)))
        return false;
      at = stop;
      most -= most > 0;
    }
  }
  while (true) {
    const char *stop = at;
    while (most != 0 && stop + width <= end && memcmp(stop, delimiter, width))
      ++stop;
    if (most == 0 || stop + width > end)
      return part(at, static_cast<size_t>(end - at));
    if (!part(at, static_cast<size_t>(stop - at)))
      return false;
    at = stop + width;
    most -= most > 0;
  }
}

} // namespace

/// X; maxsplit; the delimiter. Results: the parts, filled up with empty strings, and
/// how many there are.
int stringSplit(HostOpCall &call) {
  Call c(call);
  const smelt_value *x;
  TensorOperand counts;
  const char *delimiter = "";
  if (int code = c.parse(1, 1, 2, 1))
    return code;
  if (int code = c.strings(0, x))
    return code;
  if (int code = c.place(1, counts))
    return code;
  if (c.textCount())
    if (int code = c.text(0, delimiter))
      return code;
  size_t width = strlen(delimiter);
  int64_t most = c.integer(size_t(0)), longest = 0, dims[SMELT_MAX_RANK];
  if (static_cast<size_t>(counts.count) != x->texts.size() || x->rank + 1 > SMELT_MAX_RANK)
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "bad program: %lld counts for %zu strings of rank %d",
                           static_cast<long long>(counts.count), x->texts.size(), x->rank);
  for (size_t i = 0; i < x->texts.size(); ++i) {
    int64_t parts = 0;
    forParts(x->texts[i], delimiter, width, most, [&](const char *, size_t) { return ++parts; });
    storeInt(DType::I64, counts.data, i, parts);
    longest = parts > longest ? parts : longest;
  }
  for (int32_t d = 0; d < x->rank; ++d)
    dims[d] = x->dims[d];
  dims[x->rank] = longest;
  ValueRef result = makeTensor(DType::String, x->rank + 1, dims);
  if (!result)
    return c.noMemory();
  for (size_t i = 0; i < x->texts.size(); ++i) {
    size_t to = i * static_cast<size_t>(longest);
    if (!forParts(x->texts[i], delimiter, width, most,
                  [&](const char *part, size_t size) { return result->texts[to++].assign(part, size); }))
      return c.noMemory();
  }
  return c.set(0, std::move(result));
}

/// X [N] or [1, N]; case (0 none, 1 lower, 2 upper), is_case_sensitive; stopwords.
/// Characters change as C.UTF-8 says, whatever the environment's locale.
int stringNormalizer(HostOpCall &call) {
  Call c(call);
  const smelt_value *x;
  if (int code = c.parse(1, 1, 1, 2))
    return code;
  if (int code = c.strings(0, x))
    return code;
  const int64_t action = c.integer(size_t(0));
  const bool isSensitive = c.integer(size_t(1));
  locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (!locale)
    return SMELT_HOST_FAIL(call, SMELT_UNSUPPORTED, "the C library has no locale C.UTF-8");
  struct Guard {
    locale_t locale;
    ~Guard() { freelocale(locale); }
  } guard{locale};
  auto change = [&](const char *text, size_t size, int64_t how, String &to) {
    if (how == 0)
      return to.assign(text, size);
    if (!to.assign("", 0))
      return false;
    for (const char *at = text, *end = text + size; at < end;) {
      const char *from = at;
      char32_t code = decodeUtf8(at, end);
      char out[4];
      size_t width = 0;
      if (code != kNoCharacter)
        width = encodeUtf8(how == 1 ? towlower_l(static_cast<wint_t>(code), locale) : towupper_l(static_cast<wint_t>(code), locale), out);
      if (!(width ? to.append(out, width) : to.append(from, static_cast<size_t>(at - from))))
        return false;
    }
    return true;
  };
  // Without case, both sides are compared in lower case.
  Vec<String> stop, kept;
  for (size_t i = 0; i < c.textCount(); ++i) {
    const char *text;
    String word;
    if (int code = c.text(i, text))
      return code;
    if (!change(text, strlen(text), isSensitive ? 0 : 1, word) || !stop.push(std::move(word)))
      return c.noMemory();
  }
  for (const String &text : x->texts) {
    String compared, changed;
    if (!change(text.c_str(), text.size(), isSensitive ? 0 : 1, compared))
      return c.noMemory();
    bool isStop = false;
    for (const String &word : stop)
      isStop |= equal(word, compared);
    if (isStop)
      continue;
    if (!change(text.c_str(), text.size(), action, changed) || !kept.push(std::move(changed)))
      return c.noMemory();
  }
  if (kept.empty() && !kept.push(String())) // nothing left: one empty string
    return c.noMemory();
  int64_t dims[2] = {1, 1};
  dims[x->rank == 2] = static_cast<int64_t>(kept.size());
  ValueRef result = makeTensor(DType::String, x->rank == 2 ? 2 : 1, dims);
  if (!result)
    return c.noMemory();
  for (size_t i = 0; i < kept.size(); ++i)
    result->texts[i] = std::move(kept[i]);
  return c.set(0, std::move(result));
}

} // namespace smelt::rt
