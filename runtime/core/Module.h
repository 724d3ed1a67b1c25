//===- Module.h - A verified model ---------------------------------*- C++ -*-===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Immutable after opening, shared by its contexts. Tested by
// test/runtime/{ContextTest,VerifyTest}.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_CORE_MODULE_H
#define SMELT_RUNTIME_CORE_MODULE_H

#include "runtime/core/Verify.h"
#include <atomic>

struct smelt_module {
  std::atomic<uint32_t> references{1};
  void *library = nullptr; // of dlopen, or null
  smelt::rt::Program program;

  ~smelt_module();
};

namespace smelt::rt {
/// The ports' names as "'a', 'b'", for messages.
void listNames(const Vec<Port> &ports, String &text);
} // namespace smelt::rt

#endif // SMELT_RUNTIME_CORE_MODULE_H
