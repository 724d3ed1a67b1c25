//===- Launcher.h - What an executable model does by itself ----------*- C++ -*-===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The command line of every compiled executable, as a library: Main.cpp is an
// executable's main, and `smelt run m.so` opens a library and calls
// smelt_launcher_run. Tested by test/runtime/launcher.py.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_LAUNCHER_LAUNCHER_H
#define SMELT_RUNTIME_LAUNCHER_LAUNCHER_H

#include "runtime/core/Artifact.h"
#include "runtime/include/smelt.h"

extern "C" {
/// Runs the command line on a linked model; returns the exit code.
int smelt_launcher_main(const smelt::artifact::Descriptor *descriptor, int argc, char **argv);
/// The same on an open module, which stays the caller's. argv[0] is the name
/// in messages.
int smelt_launcher_run(smelt_module *module, int argc, char **argv);
}

#endif // SMELT_RUNTIME_LAUNCHER_LAUNCHER_H
