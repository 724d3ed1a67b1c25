//===- Options.h - The launcher's command line ------------------------*- C++ -*-===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Options are `--name value` or `--name=value`. Tested by
// test/runtime/launcher.py.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_LAUNCHER_OPTIONS_H
#define SMELT_RUNTIME_LAUNCHER_OPTIONS_H

#include "runtime/compare/Compare.h"

namespace smelt::rt {

enum class Fill { None, Random, Ints };
enum class Format { Markdown, Csv, Json };

/// `name=@file`, `name=text`, `@file` (name empty): pieces of argv.
struct Binding {
  String name;
  const char *file = nullptr; // or
  const char *text = nullptr;
};
struct DimChoice {
  String symbol;
  int64_t value = 0;
};

struct Options {
  const char *program = "model";
  bool isPoisoning = false;
  bool wantsHelp = false, wantsManifest = false, wantsBench = false, wantsProfile = false;
  Vec<Binding> inputs, outputs, expected;
  Vec<DimChoice> dims;
  const char *testData = nullptr;
  ToleranceChoice tolerance;
  Fill fill = Fill::None;
  Format format = Format::Markdown;
  int64_t runs = 20, warmup = 3, threads = 0, seed = 0, deadlineMs = 0;
};

int parseOptions(int argc, char **argv, Options &options, smelt_error *err);
/// The text of --help, with the model's inputs and outputs.
void printHelp(const Options &options, const smelt_module *module);
/// "f32[Nx3x224x224]" of a port.
void describePort(const smelt_port &port, String &text);

} // namespace smelt::rt

#endif // SMELT_RUNTIME_LAUNCHER_OPTIONS_H
