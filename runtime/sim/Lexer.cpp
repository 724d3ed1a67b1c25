//===- Lexer.cpp - Tokens of PTX --------------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// PTX ISA 9.0, 4.1 to 4.5. An opcode and its modifiers are one word, `::` and all.
// Tested by test/runtime/sim/ParserTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/sim/Lexer.h"
#include <bit>
#include <cstdlib>

namespace smelt::sim {

static bool isLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || c == '%';
}
static bool isDigit(char c) { return c >= '0' && c <= '9'; }
static int hexValue(char c) {
  if (isDigit(c))
    return c - '0';
  char lower = char(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

void Lexer::skipBlanks() {
  while (place < text.size()) {
    char c = text[place];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      step();
    } else if (c == '/' && at(1) == '/') {
      while (place < text.size() && text[place] != '\n')
        step();
    } else if (c == '/' && at(1) == '*') {
      size_t end = text.find("*/", place + 2);
      size_t stop = end == std::string_view::npos ? text.size() : end + 2;
      while (place < stop)
        step();
    } else {
      return;
    }
  }
}

bool Lexer::isBefore(char c) const {
  size_t i = place;
  while (i < text.size() && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r'))
    ++i;
  return i < text.size() && text[i] == c && !(c == ':' && i + 1 < text.size() && text[i + 1] == ':');
}

/// Integers in decimal, octal (0...), hexadecimal (0x) and binary (0b), with an
/// optional U; 0f and 0d bit patterns; decimal numbers with a point or an exponent.
void Lexer::number() {
  size_t start = place;
  auto fail = [&] { token.kind = Token::Bad; };
  auto digits = [&](unsigned base) {
    uint64_t value = 0;
    size_t count = 0;
    for (; place < text.size() && hexValue(at()) >= 0 && unsigned(hexValue(at())) < base; step(), ++count) {
      uint64_t digit = unsigned(hexValue(at()));
      if (value > (~uint64_t(0) - digit) / base)
        fail();
      value = value * base + digit;
    }
    if (count == 0)
      fail();
    token.value = value;
    return count;
  };
  token.kind = Token::Integer;
  char second = char(at(1) | 0x20);
  if (at() == '0' && (second == 'f' || second == 'd')) {
    token.kind = second == 'f' ? Token::Float32 : Token::Float64;
    size_t want = second == 'f' ? 8 : 16;
    step(), step();
    if (digits(16) != want)
      fail();
  } else if (at() == '0' && (second == 'x' || second == 'b')) {
    step(), step();
    digits(second == 'x' ? 16 : 2);
  } else {
    size_t end = place;
    while (end < text.size() && isDigit(text[end]))
      ++end;
    bool isReal = end < text.size() &&
                  ((text[end] == '.' && end + 1 < text.size() && isDigit(text[end + 1])) || (text[end] | 0x20) == 'e');
    if (isReal) {
      std::string copy(text.substr(place, std::min<size_t>(text.size() - place, 64)));
      char *stop = nullptr;
      double value = strtod(copy.c_str(), &stop);
      for (size_t used = size_t(stop - copy.c_str()); used > 0; --used)
        step();
      token.kind = Token::Float64;
      token.value = std::bit_cast<uint64_t>(value);
    } else {
      digits(at() == '0' && isDigit(at(1)) ? 8 : 10);
    }
  }
  if (token.kind == Token::Integer && (at() == 'U' || at() == 'u'))
    step();
  if (isLetter(at()) || isDigit(at()))
    fail();
  while (token.kind == Token::Bad && (isLetter(at()) || isDigit(at())))
    step();
  token.text = text.substr(start, place - start);
}

void Lexer::advance() {
  skipBlanks();
  token = {};
  token.at = position;
  if (place >= text.size())
    return;
  size_t start = place;
  char c = at();
  auto wordTail = [&] {
    // "a.b::c": a point and a double colon join what follows to the word.
    while (place < text.size()) {
      if (isLetter(at()) || isDigit(at()))
        step();
      else if (at() == '.' && (isLetter(at(1)) || isDigit(at(1))))
        step();
      else if (at() == ':' && at(1) == ':' && isLetter(at(2)))
        step(), step();
      else
        break;
    }
  };
  if (isLetter(c)) {
    token.kind = Token::Word;
    wordTail();
  } else if (c == '.' && isLetter(at(1))) {
    token.kind = Token::Directive;
    step();
    while (place < text.size() && (isLetter(at()) || isDigit(at())))
      step();
  } else if (isDigit(c)) {
    return number();
  } else if (c == '"') {
    token.kind = Token::String;
    do
      step();
    while (place < text.size() && at() != '"' && at() != '\n');
    if (at() == '"')
      step();
    else
      token.kind = Token::Bad;
  } else {
    constexpr std::string_view known = "(){}[]<>,;:+-!@|=~";
    token.kind = known.find(c) == std::string_view::npos ? Token::Bad : Token::Punctuation;
    step();
  }
  token.text = text.substr(start, place - start);
}

} // namespace smelt::sim
