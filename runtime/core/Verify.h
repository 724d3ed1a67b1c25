//===- Verify.h - Checks an artifact before anything of it runs ----*- C++ -*-===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A Program is a descriptor whose every word has been looked at: the
// interpreter indexes registers, buffers, kernels, strings and code without a
// further check. Tested by test/runtime/VerifyTest.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_CORE_VERIFY_H
#define SMELT_RUNTIME_CORE_VERIFY_H

#include "runtime/core/DType.h"

namespace smelt::rt {

using artifact::Descriptor;

/// One input or output record.
struct Port {
  const char *name = nullptr;
  smelt_kind kind = SMELT_TENSOR;
  DType dtype = DType::Undefined;
  int32_t rank = 0;
  Vec<int64_t> dims;           // -1: symbolic
  Vec<const char *> dimNames; // null: static

  bool isValue() const { return kind != SMELT_TENSOR || dtype == DType::String; }
};

struct Program {
  const Descriptor *descriptor = nullptr;
  const int64_t *code = nullptr;
  int64_t registers = 0, buffers = 0, values = 0;
  Vec<Port> inputs, outputs;
  // The largest segment: its dispatches, and their buffers and symbols in all.
  int64_t segmentDispatches = 0, segmentBuffers = 0, segmentSymbols = 0;

  const char *text(int64_t offset) const { return descriptor->strings + offset; }
};

/// Magic, version, architecture, CPU, sizes and checksum.
int verifyDescriptor(const Descriptor *descriptor, smelt_error *err);
/// The host program's words; fills `program`.
int verifyProgram(const Descriptor *descriptor, Program &program, smelt_error *err);

} // namespace smelt::rt

#endif // SMELT_RUNTIME_CORE_VERIFY_H
