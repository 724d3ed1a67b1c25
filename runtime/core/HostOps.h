//===- HostOps.h - The door to the host-op library ------------------*- C++ -*-===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The core calls host ops only through smelt_host_op_table, a weak symbol that
// runtime/host defines: a program without host ops links nothing of them.
// Linking with `-Wl,-u,smelt_host_op_table` pulls the library in. The operands
// of each op are verified at load by core/Verify.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_CORE_HOSTOPS_H
#define SMELT_RUNTIME_CORE_HOSTOPS_H

#include "runtime/core/Artifact.h"
#include "runtime/core/Support.h"

struct smelt_context;

namespace smelt::rt {

/// One HostOp instruction: `words` are its operands, `text` its ONNX name.
struct HostOpCall {
  smelt_context &context;
  const int64_t *words;
  const char *text;
  smelt_error *err;
};
using HostOpFn = int (*)(HostOpCall &call);

struct HostOpTable {
  int64_t count;
  HostOpFn ops[artifact::kHostOpCount];
};

} // namespace smelt::rt

extern "C" const smelt::rt::HostOpTable smelt_host_op_table __attribute__((weak));

#endif // SMELT_RUNTIME_CORE_HOSTOPS_H
