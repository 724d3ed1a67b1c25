//===- Text.cpp - Regular expressions and n-grams ----------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The compiler turns a pattern into instructions (frontend/onnx/import/Regex.h);
// here they are run over all ways at once (Thompson, "Regular Expression Search
// Algorithm", 1968), so no text takes more than its length times the program's.
// Tested by test/runtime/HostCallTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/host/Call.h"
#include "runtime/host/Utf8.h"

namespace smelt::rt {

namespace {

/// Instructions of three words each, then the sets of characters: a count and
/// that many ranges (low, high).
class Regex {
public:
  enum Code : int64_t { Match, Split, Jump, Set, Assert };
  enum Place : int64_t { TextBegin, TextEnd, LineBegin, LineEnd, Word, NotWord };

  Regex(Call &c) : c(c), count(c.integer(size_t(0))) {}
  /// The instructions are those of a program of `words` integers.
  bool isValid(int64_t words) const;
  bool allocate() { return now.resize(count) && next.resize(count) && mark.resize(count) && stack.reserve(2 * count + 2); }
  bool matches(const String &text);

private:
  int64_t word(int64_t instruction, int64_t i) const { return c.integer(static_cast<size_t>(1 + 3 * instruction + i)); }
  static bool isWord(char32_t ch) {
    return (ch >= '0' && ch <= '9') || (ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z') || ch == '_';
  }
  bool contains(int64_t set, bool isNegated, char32_t ch) const;
  /// Adds an instruction and those it leads to without a character.
  void add(Vec<int64_t> &to, size_t &size, int64_t instruction, char32_t before, char32_t after);

  Call &c;
  const int64_t count;
  Vec<int64_t> now, next, stack;
  Vec<uint64_t> mark;
  uint64_t step = 0;
  bool found = false;
};

bool Regex::isValid(int64_t words) const {
  if (count < 1 || count > (words - 1) / 3)
    return false;
  for (int64_t i = 0; i < count; ++i) {
    int64_t a = word(i, 1), b = word(i, 2);
    switch (word(i, 0)) {
    case Match: case Assert: break;
    case Jump: b = 0; [[fallthrough]];
    case Split:
      if (a < 0 || a >= count || b < 0 || b >= count)
        return false;
      break;
    case Set: {
      if (a < 1 + 3 * count || a >= words)
        return false;
      int64_t ranges = c.integer(static_cast<size_t>(a));
      if (ranges < 0 || ranges > (words - a - 1) / 2)
        return false;
      break;
    }
    default: return false;
    }
    if (word(i, 0) != Match && word(i, 0) != Jump && word(i, 0) != Split && i + 1 >= count)
      return false;
  }
  return true;
}

bool Regex::contains(int64_t set, bool isNegated, char32_t ch) const {
  bool isIn = false;
  for (int64_t n = c.integer(static_cast<size_t>(set)), at = set + 1; n > 0; --n, at += 2)
    isIn |= static_cast<int64_t>(ch) >= c.integer(static_cast<size_t>(at)) &&
            static_cast<int64_t>(ch) <= c.integer(static_cast<size_t>(at + 1));
  return isIn != isNegated;
}

void Regex::add(Vec<int64_t> &to, size_t &size, int64_t instruction, char32_t before, char32_t after) {
  auto enter = [&](int64_t i) {
    if (mark[i] == step)
      return;
    mark[i] = step;
    (void)stack.push(i); // each instruction once a step: there is room
  };
  enter(instruction);
  while (!stack.empty()) {
    int64_t i = stack.back();
    stack.pop();
    bool holds = true;
    switch (word(i, 0)) {
    case Match: found |= after == kNoCharacter; break;
    case Jump: enter(word(i, 1)); break;
    case Split:
      enter(word(i, 1));
      enter(word(i, 2));
      break;
    case Assert:
      switch (word(i, 1)) {
      case TextBegin: holds = before == kNoCharacter; break;
      case TextEnd: holds = after == kNoCharacter; break;
      case LineBegin: holds = before == kNoCharacter || before == '\n'; break;
      case LineEnd: holds = after == kNoCharacter || after == '\n'; break;
      case Word: holds = isWord(before) != isWord(after); break;
      default: holds = isWord(before) == isWord(after); break;
      }
      if (holds)
        enter(i + 1);
      break;
    default: to[size++] = i; break;
    }
  }
}

/// Does the whole text match?
bool Regex::matches(const String &text) {
  const char *at = text.c_str(), *end = at + text.size();
  // A byte that is no UTF-8 is a character of its own, beyond all others.
  auto take = [&]() -> char32_t {
    if (at == end)
      return kNoCharacter;
    char32_t ch = decodeUtf8(at, end);
    return ch == kNoCharacter ? 0x110000 + static_cast<unsigned char>(at[-1]) : ch;
  };
  size_t size = 0;
  char32_t before = kNoCharacter, ch = take();
  found = false;
  ++step;
  add(now, size, 0, before, ch);
  while (ch != kNoCharacter) {
    char32_t after = take();
    size_t grown = 0;
    ++step;
    found = false;
    for (size_t i = 0; i < size; ++i)
      if (contains(word(now[i], 1), word(now[i], 2), ch))
        add(next, grown, now[i] + 1, ch, after);
    Vec<int64_t> swapped = std::move(now);
    now = std::move(next);
    next = std::move(swapped);
    size = grown;
    ch = after;
  }
  return found;
}

} // namespace

/// X; the program.
int regexFullMatch(HostOpCall &call) {
  Call c(call);
  const smelt_value *x;
  TensorOperand out;
  if (int code = c.parse(1, 1, 1, 1))
    return code;
  if (int code = c.strings(0, x))
    return code;
  if (int code = c.place(0, out))
    return code;
  Regex regex(c);
  if (!regex.isValid(static_cast<int64_t>(c.integerCount())) || static_cast<size_t>(out.count) != x->texts.size())
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "bad program: a pattern of %zu words", c.integerCount());
  if (!regex.allocate())
    return c.noMemory();
  for (size_t i = 0; i < x->texts.size(); ++i)
    storeInt(DType::Bool, out.data, i, regex.matches(x->texts[i]));
  return SMELT_OK;
}

/// X [C] or [N, C] of integers or strings, weights?; mode (0 TF, 1 IDF, 2 TFIDF),
/// the shortest and longest gram, the most skipped, then counts, indexes and the
/// pool, each with its length before it. Pools of strings are the texts.
int tfIdfVectorizer(HostOpCall &call) {
  Call c(call);
  TensorOperand out, x, weights;
  const smelt_value *strings = nullptr;
  if (int code = c.parse(1, 2, 1, 7))
    return code;
  if (int code = c.isValue(0) ? c.strings(0, strings) : c.tensor(0, x))
    return code;
  if (int code = c.place(0, out))
    return code;
  if (c.operandCount() == 2)
    if (int code = c.tensor(1, weights))
      return code;
  size_t at = 4;
  struct List {
    size_t from = 0;
    int64_t size = 0;
  } counts, indexes, pool;
  for (List *list : {&counts, &indexes, &pool}) {
    if (at >= c.integerCount() || c.integer(at) < 0 || c.integer(at) > static_cast<int64_t>(c.integerCount() - at - 1))
      return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "bad program: lists of n-grams");
    *list = {at + 1, c.integer(at)};
    at += 1 + static_cast<size_t>(list->size);
  }
  const int64_t mode = c.integer(size_t(0)), shortest = c.integer(size_t(1)), longest = c.integer(size_t(2)), most = c.integer(size_t(3));
  const int64_t items = strings ? static_cast<int64_t>(c.textCount()) : pool.size;
  int64_t rank = strings ? strings->rank : x.rank;
  const int64_t *dims = strings ? strings->dims : x.dims;
  int64_t columns = rank ? dims[rank - 1] : 1, rows = rank == 2 ? dims[0] : 1, width = out.rank ? out.dims[out.rank - 1] : 0;
  bool fits = shortest >= 1 && longest >= shortest && counts.size >= longest && rank <= 2 && out.dtype == DType::F32 &&
              out.count == rows * width && (!weights.data || (weights.dtype == DType::F32 && weights.count == indexes.size));
  for (int64_t n = 0; fits && n < counts.size; ++n)
    fits = c.integer(counts.from + n) >= 0 && c.integer(counts.from + n) <= items &&
           (n == 0 || c.integer(counts.from + n - 1) <= c.integer(counts.from + n));
  for (int64_t n = 0; fits && n < indexes.size; ++n)
    fits = c.integer(indexes.from + n) >= 0 && c.integer(indexes.from + n) < width;
  if (!fits)
    return SMELT_HOST_FAIL(call, SMELT_BAD_DATA, "bad program: lists of n-grams that do not fit the input and output");
  auto *to = reinterpret_cast<float *>(out.data);
  memset(to, 0, static_cast<size_t>(out.bytes));
  auto isItem = [&](int64_t place, int64_t element) {
    if (!strings)
      return c.integer(pool.from + place) == loadInt(x.dtype, x.data, static_cast<size_t>(element));
    const char *text;
    const String &have = strings->texts[static_cast<size_t>(element)];
    return !c.text(static_cast<size_t>(place), text) && strlen(text) == have.size() && !memcmp(text, have.c_str(), have.size());
  };
  for (int64_t row = 0; row < rows; ++row) {
    int64_t gram = 0; // number of the pool's n-gram
    for (int64_t n = 1; n <= counts.size; ++n) {
      int64_t from = c.integer(counts.from + n - 1), end = n < counts.size ? c.integer(counts.from + n) : items;
      for (; from + n <= end; from += n, ++gram) {
        if (n < shortest || n > longest || gram >= indexes.size)
          continue;
        int64_t seen = 0;
        for (int64_t skip = 0; skip <= (n == 1 ? 0 : most); ++skip)
          for (int64_t start = 0; start + (n - 1) * (skip + 1) < columns; ++start) {
            int64_t k = 0;
            while (k < n && isItem(from + k, row * columns + start + k * (skip + 1)))
              ++k;
            seen += k == n;
          }
        float weight = weights.data ? reinterpret_cast<const float *>(weights.data)[gram] : 1;
        float &cell = to[row * width + c.integer(indexes.from + gram)];
        if (mode == 0)
          cell += static_cast<float>(seen);
        else if (mode == 1)
          cell = seen ? weight : cell;
        else
          cell += static_cast<float>(seen) * weight;
      }
    }
  }
  return SMELT_OK;
}

} // namespace smelt::rt
