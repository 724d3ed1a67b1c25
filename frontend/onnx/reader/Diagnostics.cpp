//===- Diagnostics.cpp - Collecting errors while reading
//-------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Paths, quoting and the text form of an error.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/reader/Diagnostics.h"

using namespace smelt::onnx;

size_t smelt::onnx::utf8Length(std::string_view text) {
  auto byte = [&](size_t i) { return i < text.size() ? uint8_t(text[i]) : 0; };
  auto tail = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  uint8_t first = byte(0);
  if (text.empty() || first < 0x80)
    return text.empty() ? 0 : 1;
  if (first >= 0xc2 && first <= 0xdf)
    return tail(1) ? 2 : 0;
  // No overlong forms, no surrogates, nothing above U+10FFFF.
  if (first >= 0xe0 && first <= 0xef)
    return tail(1) && tail(2) && !(first == 0xe0 && byte(1) < 0xa0) &&
                   !(first == 0xed && byte(1) > 0x9f)
               ? 3
               : 0;
  if (first >= 0xf0 && first <= 0xf4)
    return tail(1) && tail(2) && tail(3) &&
                   !(first == 0xf0 && byte(1) < 0x90) &&
                   !(first == 0xf4 && byte(1) > 0x8f)
               ? 4
               : 0;
  return 0;
}

std::string smelt::onnx::escaped(std::string_view text, size_t limit) {
  static const char digits[] = "0123456789abcdef";
  std::string out;
  auto append = [&](std::string_view part) {
    while (!part.empty()) {
      size_t length = utf8Length(part);
      uint8_t c = uint8_t(part[0]);
      if (length && c >= 0x20 && c != 0x7f) {
        out += part.substr(0, length);
        part.remove_prefix(length);
        continue;
      }
      out += "\\x";
      out += digits[c >> 4];
      out += digits[c & 15];
      part.remove_prefix(1);
    }
  };
  if (text.size() <= limit) {
    append(text);
    return out;
  }
  append(text.substr(0, limit / 2));
  out += "...";
  append(text.substr(text.size() - limit / 4));
  return out;
}

std::string smelt::onnx::quote(std::string_view text) {
  std::string out = "'" + escaped(text, 80) + "'";
  if (text.size() > 80)
    out += " (" + std::to_string(text.size()) + " bytes)";
  return out;
}

std::string smelt::onnx::pathOf(const Scope *scope) {
  std::vector<const Scope *> chain;
  for (; scope; scope = scope->parent)
    chain.push_back(scope);
  std::string path;
  for (size_t i = chain.size(); i-- > 0;) {
    path += chain[i]->label;
    if (i)
      path += '/';
  }
  return path;
}

std::string Where::str() const {
  std::string path = node ? node->path() : pathOf(scope);
  if (!item.empty()) {
    path += node ? "." : "/";
    path += item;
  }
  return escaped(path, 400);
}

void Diagnostics::error(int exitCode, std::string_view code, const Where &where,
                        std::string message, std::string hint) {
  if (full())
    return;
  add({exitCode,
       std::string(code),
       std::move(message),
       where.str(),
       {},
       -1,
       std::move(hint)});
}

void Diagnostics::add(Error error) {
  if (full())
    return;
  if (error.file.empty())
    error.file = file;
  errors.push_back(std::move(error));
}

std::string Error::str() const {
  std::string out = file.empty() ? std::string("<memory>") : file;
  if (offset >= 0)
    out += "@" + std::to_string(offset);
  out += ": ";
  if (!path.empty())
    out += path + ": ";
  out += message + " [" + code + "]";
  if (!hint.empty())
    out += "\n  hint: " + hint;
  return out;
}
