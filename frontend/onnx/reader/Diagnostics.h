//===- Diagnostics.h - Collecting errors while reading
//---------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Private to the reader: a bounded list of errors, and places that turn into
// a path only when something is wrong there.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_FRONTEND_ONNX_READER_DIAGNOSTICS_H
#define SMELT_FRONTEND_ONNX_READER_DIAGNOSTICS_H

#include "frontend/onnx/reader/Reader.h"

namespace smelt::onnx {

/// A node, or an item (tensor, value) of a scope or of a node.
struct Where {
  const Scope *scope = nullptr;
  const Node *node = nullptr;
  std::string_view item = {};
  std::string str() const;
};

/// The length of the UTF-8 sequence at the start of `text`, 0 if there is none.
size_t utf8Length(std::string_view text);
/// `text` with control bytes and what isn't UTF-8 as \xNN, so that no model
/// writes to the user's terminal or breaks a JSON file; the middle is cut out
/// of what is longer than `limit`.
std::string escaped(std::string_view text, size_t limit = SIZE_MAX);
/// `text` for a message: quoted, at most 80 bytes, control bytes escaped.
std::string quote(std::string_view text);
std::string pathOf(const Scope *scope);

class Diagnostics {
public:
  Diagnostics(std::string file, uint32_t limit)
      : file(std::move(file)), limit(limit) {}

  void error(int exitCode, std::string_view code, const Where &where,
             std::string message, std::string hint = {});
  void invalid(std::string_view code, const Where &where, std::string message,
               std::string hint = {}) {
    error(kExitInvalid, code, where, std::move(message), std::move(hint));
  }
  void add(Error error);

  bool any() const { return !errors.empty(); }
  bool full() const { return errors.size() >= limit; }
  std::vector<Error> take() { return std::move(errors); }

private:
  std::string file;
  uint32_t limit;
  std::vector<Error> errors;
};

} // namespace smelt::onnx

#endif // SMELT_FRONTEND_ONNX_READER_DIAGNOSTICS_H
