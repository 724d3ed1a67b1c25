//===- Arena.h - Offsets for buffers of known size and life -----------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_PASSES_PROGRAM_ARENA_H
#define SMELT_PASSES_PROGRAM_ARENA_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>

namespace smelt {

/// A buffer of `bytes`, live from position `begin` to `end` (both included).
struct Lifetime {
  int64_t bytes, begin, end;
};

/// The largest sum of bytes that live at once: no plan takes less.
int64_t getLiveBytes(llvm::ArrayRef<Lifetime> buffers);

/// Offsets at which buffers whose lives meet do not overlap, and the total.
llvm::SmallVector<int64_t> planArena(llvm::ArrayRef<Lifetime> buffers, int64_t &total);

/// The total that a run would plan for these sizes.
int64_t planByRun(llvm::ArrayRef<Lifetime> buffers);

} // namespace smelt

#endif // SMELT_PASSES_PROGRAM_ARENA_H
