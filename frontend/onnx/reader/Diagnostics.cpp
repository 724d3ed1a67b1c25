//===- Diagnostics.cpp - Collecting errors while reading -------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Paths, quoting and the text form of an error.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/reader/Diagnostics.h"

using namespace smelt::onnx;

/// Escapes control bytes, so that no model writes to the user's terminal, and
/// cuts the middle out of what is longer than `limit`.
static std::string printable(std::string_view text, size_t limit) {
  static const char digits[] = "0123456789abcdef";
  std::string out;
  auto append = [&](std::string_view part) {
    for (unsigned char c : part) {
      if (c >= 0x20 && c != 0x7f) {
        out += char(c);
        continue;
      }
      out += "\\x";
      out += digits[c >> 4];
      out += digits[c & 15];
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
  std::string out = "'" + printable(text, 80) + "'";
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
  return printable(path, 400);
}

void Diagnostics::error(int exitCode, std::string_view code, const Where &where,
                        std::string message, std::string hint) {
  if (full())
    return;
  add({exitCode, std::string(code), std::move(message), where.str(), {}, -1,
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
