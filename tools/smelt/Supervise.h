//===- Supervise.h - Work in a process that is watched ---------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The compiler works in a child: a crash, an exhausted memory or a passed
// deadline there becomes an exit code here, and files half-written are removed.
// Tested by test/tools/limits.test and test/tools/crash.test.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_TOOLS_SMELT_SUPERVISE_H
#define SMELT_TOOLS_SMELT_SUPERVISE_H

#include <cstdint>
#include <functional>
#include <string>

namespace smelt {

struct WorkLimits {
  double seconds = 0;       // 0: none
  uint64_t memoryBytes = 0; // 0: min(75 % of this machine's, 64 GiB)
};

struct WorkResult {
  int exitCode = 0;   // of the work; 71 or 75 when a limit ended it, 70 after a crash
  int signal = 0;     // that ended it
  std::string reason; // in words, when a signal or a limit did
};

/// Calls `work` in a child of this process and waits. `temporary`: a path whose
/// `.tmp-<child>` files and folders are removed when the child is killed.
WorkResult supervise(const WorkLimits &limits, const std::string &temporary, const std::function<int()> &work);

} // namespace smelt

#endif // SMELT_TOOLS_SMELT_SUPERVISE_H
