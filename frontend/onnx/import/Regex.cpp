//===- Regex.cpp - Patterns to programs -------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   a(b|c)* -> count, then Set a; Split 2, 7; Split 3, 5; Set b; Jump 6; Set c; Jump 1; Match
//
// The sets of characters stand behind the instructions. A repetition is so many
// copies, as RE2 has it. Which way is preferred does not matter, as the whole text
// must match. Tests: test/values/run.py.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Regex.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ConvertUTF.h"
#include <memory>
#include <optional>

using llvm::SmallVector;

namespace smelt::onnx {

namespace {

using Ranges = SmallVector<std::pair<int64_t, int64_t>>;
constexpr int64_t kLastCharacter = 0x1100ff; // bytes that are no UTF-8 included
constexpr int64_t kMostWords = 4000, kMostRepeats = 1000, kMostDepth = 200;

enum Code : int64_t { Match, Split, Jump, Set, Assert };
enum Place : int64_t { TextBegin, TextEnd, LineBegin, LineEnd, Word, NotWord };

struct Node {
  enum Kind { Empty, Characters, At, Sequence, Choice, Repeat } kind = Empty;
  Ranges ranges;
  Place place = TextBegin;
  int64_t least = 0, most = 0; // most -1: any number
  SmallVector<std::unique_ptr<Node>> children;
};

Ranges negated(Ranges ranges) {
  llvm::sort(ranges);
  Ranges result;
  int64_t from = 0;
  for (auto [low, high] : ranges) {
    if (low > from)
      result.push_back({from, low - 1});
    from = std::max(from, high + 1);
  }
  if (from <= kLastCharacter)
    result.push_back({from, kLastCharacter});
  return result;
}

const Ranges digits = {{'0', '9'}}, spaces = {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}},
             words = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};

/// The class of a letter behind a backslash.
std::optional<Ranges> perlClass(char letter) {
  switch (letter) {
  case 'd': return digits;
  case 'D': return negated(digits);
  case 's': return spaces;
  case 'S': return negated(spaces);
  case 'w': return words;
  case 'W': return negated(words);
  default: return std::nullopt;
  }
}

std::optional<Ranges> posixClass(llvm::StringRef name) {
  static const std::pair<llvm::StringLiteral, Ranges> classes[] = {
      {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}}, {"alpha", {{'A', 'Z'}, {'a', 'z'}}}, {"ascii", {{0, 127}}},
      {"blank", {{'\t', '\t'}, {' ', ' '}}}, {"cntrl", {{0, 31}, {127, 127}}}, {"digit", digits}, {"graph", {{'!', '~'}}},
      {"lower", {{'a', 'z'}}}, {"print", {{' ', '~'}}}, {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
      {"space", {{'\t', '\r'}, {' ', ' '}}}, {"upper", {{'A', 'Z'}}}, {"word", words},
      {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}}};
  for (const auto &[known, ranges] : classes)
    if (known == name)
      return ranges;
  return std::nullopt;
}

/// Recursive descent over the pattern's bytes.
class Parser {
public:
  explicit Parser(llvm::StringRef pattern) : rest(pattern) {}
  std::unique_ptr<Node> parse() {
    auto node = choice(0);
    if (!rest.empty())
      fail("')' without '('");
    return node;
  }
  std::string error;

private:
  void fail(const llvm::Twine &what) {
    if (error.empty())
      error = what.str();
    rest = {};
  }
  std::unique_ptr<Node> make(Node::Kind kind) {
    auto node = std::make_unique<Node>();
    node->kind = kind;
    return node;
  }
  std::unique_ptr<Node> characters(Ranges ranges) {
    auto node = make(Node::Characters);
    if (ignoresCase)
      for (size_t i = 0, e = ranges.size(); i < e; ++i)
        for (auto [low, high, delta] : {std::tuple<int64_t, int64_t, int64_t>{'a', 'z', -32}, {'A', 'Z', 32}})
          if (int64_t from = std::max(ranges[i].first, low), to = std::min(ranges[i].second, high); from <= to)
            ranges.push_back({from + delta, to + delta});
    node->ranges = std::move(ranges);
    return node;
  }
  std::unique_ptr<Node> at(Place place) {
    auto node = make(Node::At);
    node->place = place;
    return node;
  }
  int64_t character() {
    const auto *from = reinterpret_cast<const llvm::UTF8 *>(rest.begin()), *start = from;
    llvm::UTF32 code = 0;
    if (llvm::convertUTF8Sequence(&from, reinterpret_cast<const llvm::UTF8 *>(rest.end()), &code, llvm::strictConversion) !=
        llvm::conversionOK) {
      fail("bytes that are not UTF-8");
      return 0;
    }
    rest = rest.drop_front(from - start);
    return code;
  }
  /// What stands behind a backslash: one character.
  int64_t escaped() {
    char letter = rest.front();
    if (letter == 'x') {
      rest = rest.drop_front();
      llvm::StringRef number = rest.take_front(2);
      if (rest.consume_front("{"))
        number = rest.take_until([](char c) { return c == '}'; });
      int64_t value = 0;
      if (number.getAsInteger(16, value) || value > 0x10ffff) {
        fail("\\x without a hexadecimal number");
        return 0;
      }
      rest = rest.drop_front(number.size());
      rest.consume_front("}");
      return value;
    }
    static constexpr llvm::StringLiteral letters = "afnrtv", values = "\a\f\n\r\t\v";
    if (size_t i = letters.find(letter); i != llvm::StringRef::npos) {
      rest = rest.drop_front();
      return values[i];
    }
    if (llvm::isAlnum(letter))
      fail(llvm::Twine("\\") + llvm::Twine(letter));
    return rest.empty() ? 0 : character();
  }
  std::unique_ptr<Node> bracket() {
    Ranges ranges;
    bool isNegated = rest.consume_front("^"), isFirst = true;
    while (!rest.empty() && (isFirst || rest.front() != ']')) {
      isFirst = false;
      if (rest.starts_with("[:")) {
        llvm::StringRef name = rest.drop_front(2).take_until([](char c) { return c == ':'; });
        bool isNot = name.consume_front("^");
        auto known = posixClass(name);
        if (!known) {
          fail("the class [:" + name + ":]");
          break;
        }
        llvm::append_range(ranges, isNot ? negated(*known) : *known);
        rest = rest.drop_front(rest.find(":]") + 2);
        continue;
      }
      bool isEscape = rest.consume_front("\\");
      if (isEscape && rest.empty())
        break;
      if (auto known = isEscape ? perlClass(rest.front()) : std::nullopt) {
        llvm::append_range(ranges, *known);
        rest = rest.drop_front();
        continue;
      }
      int64_t low = isEscape ? escaped() : character(), high = low;
      if (rest.size() > 1 && rest[0] == '-' && rest[1] != ']') {
        rest = rest.drop_front();
        bool isHighEscape = rest.consume_front("\\");
        high = rest.empty() ? 0 : isHighEscape ? escaped() : character();
      }
      if (high < low)
        fail("a range of characters that ends before it begins");
      ranges.push_back({low, high});
    }
    if (!rest.consume_front("]"))
      fail("'[' without ']'");
    auto node = characters(std::move(ranges));
    if (isNegated)
      node->ranges = negated(std::move(node->ranges));
    return node;
  }
  /// Flags up to ':' or ')'; true when a group follows.
  bool flags() {
    bool on = true;
    while (!rest.empty()) {
      char flag = rest.front();
      rest = rest.drop_front();
      switch (flag) {
      case '-': on = false; break;
      case 'i': ignoresCase = on; break;
      case 'm': isMultiline = on; break;
      case 's': dotTakesNewline = on; break;
      case 'U': break; // which way is preferred does not matter
      case ':': return true;
      case ')': return false;
      default: fail(llvm::Twine("(?") + llvm::Twine(flag)); return false;
      }
    }
    fail("'(' without ')'");
    return false;
  }
  std::unique_ptr<Node> group(int64_t depth) {
    bool saved[] = {ignoresCase, isMultiline, dotTakesNewline};
    if (rest.consume_front("?P<") || rest.consume_front("?<")) {
      size_t end = rest.find('>');
      if (end == llvm::StringRef::npos)
        fail("a group's name without '>'");
      else
        rest = rest.drop_front(end + 1);
    } else if (rest.consume_front("?") && !flags()) {
      return make(Node::Empty); // the flags hold to the end of the group around
    }
    auto node = choice(depth + 1);
    if (!rest.consume_front(")"))
      fail("'(' without ')'");
    std::tie(ignoresCase, isMultiline, dotTakesNewline) = std::tuple(saved[0], saved[1], saved[2]);
    return node;
  }
  std::unique_ptr<Node> atom(int64_t depth) {
    if (rest.consume_front("("))
      return group(depth);
    if (rest.consume_front("["))
      return bracket();
    if (rest.consume_front("."))
      return characters(dotTakesNewline ? Ranges{{0, kLastCharacter}} : negated({{'\n', '\n'}}));
    if (rest.consume_front("^"))
      return at(isMultiline ? LineBegin : TextBegin);
    if (rest.consume_front("$"))
      return at(isMultiline ? LineEnd : TextEnd);
    if (rest.consume_front("\\")) {
      if (rest.empty()) {
        fail("a backslash at the end");
        return make(Node::Empty);
      }
      for (auto [letter, place] : {std::pair{"b", Word}, {"B", NotWord}, {"A", TextBegin}, {"z", TextEnd}})
        if (rest.consume_front(letter))
          return at(place);
      if (auto known = perlClass(rest.front())) {
        rest = rest.drop_front();
        return characters(*known);
      }
      int64_t code = escaped();
      return characters({{code, code}});
    }
    if (llvm::StringRef("*+?").contains(rest.front())) {
      fail(llvm::Twine("'") + llvm::Twine(rest.front()) + "' without something to repeat");
      return make(Node::Empty);
    }
    int64_t code = character();
    return characters({{code, code}});
  }
  /// "{2,5}": true when it is a repetition and not plain characters.
  bool bounds(int64_t &least, int64_t &most) {
    llvm::StringRef inner = rest.drop_front().take_until([](char c) { return c == '}'; });
    if (inner.size() + 2 > rest.size())
      return false;
    auto [low, high] = inner.split(',');
    if (low.getAsInteger(10, least))
      return false;
    most = least;
    if (inner.contains(',') && (high.empty() ? (most = -1, false) : high.getAsInteger(10, most)))
      return false;
    rest = rest.drop_front(inner.size() + 2);
    if (least > kMostRepeats || most > kMostRepeats || (most >= 0 && most < least))
      fail("a repetition of " + llvm::Twine(least) + " to " + llvm::Twine(most) + " times");
    return true;
  }
  std::unique_ptr<Node> repeated(int64_t depth) {
    auto node = atom(depth);
    while (!rest.empty()) {
      int64_t least = 0, most = -1;
      if (rest.consume_front("*")) {
      } else if (rest.consume_front("+")) {
        least = 1;
      } else if (rest.consume_front("?")) {
        most = 1;
      } else if (rest.front() != '{' || !bounds(least, most)) {
        break;
      }
      rest.consume_front("?"); // prefers few
      auto outer = make(Node::Repeat);
      outer->least = least;
      outer->most = most;
      outer->children.push_back(std::move(node));
      node = std::move(outer);
    }
    return node;
  }
  std::unique_ptr<Node> choice(int64_t depth) {
    auto node = make(Node::Choice);
    if (depth > kMostDepth) {
      fail("groups in " + llvm::Twine(depth) + " others");
      return node;
    }
    do {
      auto sequence = make(Node::Sequence);
      while (!rest.empty() && rest.front() != '|' && rest.front() != ')')
        sequence->children.push_back(repeated(depth));
      node->children.push_back(std::move(sequence));
    } while (rest.consume_front("|"));
    return node;
  }

  llvm::StringRef rest;
  bool ignoresCase = false, isMultiline = false, dotTakesNewline = false;
};

class Writer {
public:
  bool emit(const Node &node) {
    if (int64_t(code.size()) * 3 + int64_t(sets.size()) > kMostWords)
      return false;
    switch (node.kind) {
    case Node::Empty: return true;
    case Node::At: code.push_back({Assert, node.place, 0}); return true;
    case Node::Characters:
      code.push_back({Set, int64_t(sets.size()), 0});
      sets.push_back(node.ranges.size());
      for (auto [low, high] : node.ranges)
        sets.append({low, high});
      return true;
    case Node::Sequence: return llvm::all_of(node.children, [&](const auto &child) { return emit(*child); });
    case Node::Choice: {
      SmallVector<size_t> exits;
      for (auto [i, child] : llvm::enumerate(node.children)) {
        size_t split = code.size();
        bool isLast = i + 1 == node.children.size();
        if (!isLast)
          code.push_back({Split, int64_t(split + 1), 0});
        if (!emit(*child))
          return false;
        if (!isLast) {
          exits.push_back(code.size());
          code.push_back({Jump, 0, 0});
          code[split][2] = code.size();
        }
      }
      for (size_t exit : exits)
        code[exit][1] = code.size();
      return true;
    }
    case Node::Repeat: {
      const Node &child = *node.children[0];
      for (int64_t i = 0; i < node.least; ++i)
        if (!emit(child))
          return false;
      if (node.most < 0) {
        size_t split = code.size();
        code.push_back({Split, int64_t(split + 1), 0});
        if (!emit(child))
          return false;
        code.push_back({Jump, int64_t(split), 0});
        code[split][2] = code.size();
        return true;
      }
      SmallVector<size_t> splits;
      for (int64_t i = node.least; i < node.most; ++i) {
        splits.push_back(code.size());
        code.push_back({Split, int64_t(code.size() + 1), 0});
        if (!emit(child))
          return false;
      }
      for (size_t split : splits)
        code[split][2] = code.size();
      return true;
    }
    }
    return false;
  }
  SmallVector<int64_t> finish() {
    code.push_back({Match, 0, 0});
    SmallVector<int64_t> words = {int64_t(code.size())};
    int64_t setsAt = 1 + 3 * int64_t(code.size());
    for (auto &instruction : code) {
      if (instruction[0] == Set)
        instruction[1] += setsAt;
      words.append(instruction.begin(), instruction.end());
    }
    words.append(sets);
    return words;
  }

private:
  std::vector<std::array<int64_t, 3>> code;
  SmallVector<int64_t> sets;
};

} // namespace

llvm::Expected<SmallVector<int64_t>> compileRegex(llvm::StringRef pattern) {
  Parser parser(pattern);
  std::unique_ptr<Node> node = parser.parse();
  Writer writer;
  if (parser.error.empty() && !writer.emit(*node))
    parser.error = "more than " + std::to_string(kMostWords) + " words of program";
  if (!parser.error.empty())
    return llvm::createStringError(parser.error);
  return writer.finish();
}

} // namespace smelt::onnx
