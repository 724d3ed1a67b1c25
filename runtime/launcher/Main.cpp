//===- Main.cpp - The main of an executable model -------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Linked from libsmelt_launcher.a when nothing else defines main; the compiler
// exports the descriptor under this name. Tested by test/runtime/launcher.py.
//
//===----------------------------------------------------------------------===//
#include "runtime/launcher/Launcher.h"

extern "C" const smelt::artifact::Descriptor smelt_artifact;

int main(int argc, char **argv) { return smelt_launcher_main(&smelt_artifact, argc, argv); }
