//===- Commands.h - The verbs of the driver --------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One file for each group of verbs; Commands.cpp declares their options.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_TOOLS_SMELT_COMMANDS_H
#define SMELT_TOOLS_SMELT_COMMANDS_H

#include "tools/common/Compiler.h"
#include "tools/smelt/Supervise.h"
#include <CLI/CLI.hpp>
#include <functional>

namespace smelt {

/// What compile and explain share, as given on the command line.
struct CompileArgs {
  CompileOptions options;
  WorkLimits limits;
  std::string emit, jsonFile, diagnostics, debugCrash;
  std::vector<std::string> shapes;
  unsigned memoryMegabytes = 0;
  bool quiet = false, noCache = false, stats = false, saveTemps = false, inProcess = false;
};

/// Adds the verbs to the command line. The chosen one leaves its action in
/// `action`, which returns the exit code.
void addCommands(CLI::App &app, const char *argv0, std::function<int()> &action);

/// What ptx-check takes.
struct PtxArgs {
  std::string file, kernel, grid = "1", block = "32", counters;
  std::vector<std::string> arguments;
  std::vector<size_t> print;
  uint64_t sharedBytes = 0, seed = 0;
  bool noChecks = false;
};

int compileCommand(CompileArgs &args);
int ptxCheck(const PtxArgs &args);
int explainCommand(CompileArgs &args);
int runArtifact(const std::string &file, std::vector<std::string> arguments);
int inspectFile(const std::string &file);

/// Reports a wrong command line; returns 64.
int usageError(const llvm::Twine &message);
/// Takes --shapes and the like into args.options; an exit code.
int finishOptions(CompileArgs &args);
/// Compiles in a watched process; leaves a reproducer when that crashes.
int compileWatched(const CompileArgs &args);

} // namespace smelt

#endif // SMELT_TOOLS_SMELT_COMMANDS_H
