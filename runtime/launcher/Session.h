//===- Session.h - One invocation of the launcher ---------------------*- C++ -*-===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Inputs.cpp finds and binds the inputs, Results.cpp prints, saves and
// compares the outputs, Bench.cpp times. Tested by test/runtime/launcher.py.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_LAUNCHER_SESSION_H
#define SMELT_RUNTIME_LAUNCHER_SESSION_H

#include "runtime/io/Files.h"
#include "runtime/launcher/Options.h"

namespace smelt::rt {

struct Session {
  smelt_module *module = nullptr;
  smelt_context *context = nullptr;
  Options options;
  Vec<ValueRef> inputs; // what is bound: the context does not own tensors

  ~Session() { smelt_context_destroy(context); }
};

// Inputs.cpp
int bindInputs(Session &s, smelt_error *err);

// Results.cpp
/// Writes --output files, or prints every output when there are none.
int deliverOutputs(Session &s, smelt_error *err);
/// Compares with --expected and --test-data; prints the report.
int compareOutputs(Session &s, smelt_error *err);

// Bench.cpp
int bench(Session &s, smelt_error *err);
void printProfile(const Session &s);

} // namespace smelt::rt

#endif // SMELT_RUNTIME_LAUNCHER_SESSION_H
