//===- Crash.h - What a crash of the compiler leaves behind ----------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A folder smelt-crash-<hash> with the IR of each phase up to the crash (weights
// elided), the passes that were next, and run.sh. Tested by test/tools/crash.test.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_TOOLS_SMELT_CRASH_H
#define SMELT_TOOLS_SMELT_CRASH_H

#include "tools/common/Compiler.h"

namespace smelt {

/// Compiles once more, on one thread and watched, keeping each phase's IR; says
/// on stderr where.
void writeReproducer(const CompileOptions &options, llvm::ArrayRef<std::string> shapes, llvm::StringRef reason);

} // namespace smelt

#endif // SMELT_TOOLS_SMELT_CRASH_H
