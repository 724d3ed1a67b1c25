//===- Regex.h - Patterns to programs ---------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_FRONTEND_ONNX_IMPORT_REGEX_H
#define SMELT_FRONTEND_ONNX_IMPORT_REGEX_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace smelt::onnx {

/// The integers that runtime/host/Text.cpp runs, of a pattern in RE2's syntax
/// (github.com/google/re2/wiki/Syntax): characters, classes with Perl's and
/// POSIX's names, groups, alternatives, repetitions up to 1000, anchors, word
/// boundaries and the flags i, m and s. An error says what is not supported.
llvm::Expected<llvm::SmallVector<int64_t>> compileRegex(llvm::StringRef pattern);

} // namespace smelt::onnx

#endif // SMELT_FRONTEND_ONNX_IMPORT_REGEX_H
