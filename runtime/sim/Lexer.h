//===- Lexer.h - Tokens of PTX ----------------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_SIM_LEXER_H
#define SMELT_RUNTIME_SIM_LEXER_H

#include "runtime/sim/Ptx.h"

namespace smelt::sim {

struct Token {
  enum Kind : uint8_t {
    End,
    Word,      // an identifier, %-register or opcode with its .modifiers
    Directive, // .word, also a type
    Integer,   // `value`
    Float32,   // 0f + 8 digits, the bits in `value`
    Float64,   // 0d + 16 digits or a decimal number
    String,    // between quotes
    Punctuation,
    Bad,
  };
  Kind kind = End;
  Position at;
  std::string_view text;
  uint64_t value = 0;

  bool is(std::string_view punctuation) const { return kind == Punctuation && text == punctuation; }
  bool isWord(std::string_view word) const { return (kind == Word || kind == Directive) && text == word; }
};

/// Tokens one after the other. A `Bad` token's text is what cannot be one.
class Lexer {
public:
  explicit Lexer(std::string_view text) : text(text) { advance(); }

  const Token &peek() const { return token; }
  Token next() {
    Token result = token;
    advance();
    return result;
  }
  /// Whether the token at hand is followed by `c`, blanks apart.
  bool isBefore(char c) const;

private:
  void advance();
  void skipBlanks();
  void number();
  char at(size_t ahead = 0) const { return place + ahead < text.size() ? text[place + ahead] : '\0'; }
  void step() {
    if (text[place] == '\n')
      ++position.line, position.column = 1;
    else
      ++position.column;
    ++place;
  }

  std::string_view text;
  size_t place = 0;
  Position position{1, 1};
  Token token;
};

} // namespace smelt::sim

#endif // SMELT_RUNTIME_SIM_LEXER_H
