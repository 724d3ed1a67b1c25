//===- Commands.h - The verbs of the driver ---------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_TOOLS_SMELT_COMMANDS_H
#define SMELT_TOOLS_SMELT_COMMANDS_H

#include <CLI/CLI.hpp>
#include <functional>

namespace smelt {

/// Adds the verbs to the command line. The chosen one leaves its action in
/// `action`, which returns the exit code.
void addCommands(CLI::App &app, const char *argv0, std::function<int()> &action);

} // namespace smelt

#endif // SMELT_TOOLS_SMELT_COMMANDS_H
