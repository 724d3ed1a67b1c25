//===- Cache.h - Where compiled kernels are kept ----------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the environment says of the compile cache, and which compiler this is.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_TOOLS_COMMON_CACHE_H
#define SMELT_TOOLS_COMMON_CACHE_H

#include <string>

namespace smelt {

/// $XDG_CACHE_HOME/smelt, else ~/.cache/smelt; empty when neither is set.
std::string defaultCacheFolder();

/// The linker's build ids of this program, libLLVM and libMLIR. Empty when one
/// of them has none; there is no cache then.
std::string compilerBuildId();

} // namespace smelt

#endif // SMELT_TOOLS_COMMON_CACHE_H
