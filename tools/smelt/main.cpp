//===- main.cpp - The driver ------------------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "tools/smelt/Commands.h"
#include "llvm/Config/llvm-config.h"

int main(int argc, char **argv) {
  CLI::App app{"Smelt compiles a model to one native binary."};
  app.set_version_flag("--version", "smelt " SMELT_VERSION " (LLVM " LLVM_VERSION_STRING ")");
  app.require_subcommand(1);
  std::function<int()> action;
  smelt::addCommands(app, argv[0], action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success &success) { // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError &error) {
    app.exit(error);
    return 64;
  }
  return action();
}
