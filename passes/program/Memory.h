//===- Memory.h - The plan of the arena -------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_PASSES_PROGRAM_MEMORY_H
#define SMELT_PASSES_PROGRAM_MEMORY_H

#include "dialects/smelt/Symbols.h"
#include <map>

namespace smelt {

/// Where every buffer lies. Values that share memory (views, branch results,
/// slices of a concatenation) have one root; roots whose size is known from the
/// inputs' shapes get a place in the arena, all others are allocated when they are
/// made.
struct MemoryPlan {
  /// A place: its bytes, and the positions between which it is in use.
  struct Place {
    mlir::AffineExpr bytes;
    int64_t begin, end;
  };
  std::vector<Place> places;
  llvm::DenseMap<mlir::Value, unsigned> placeOf;                       // of roots
  llvm::DenseMap<mlir::Value, std::pair<unsigned, unsigned>> carried;  // body argument of a loop: both buffers
  /// Offsets of the places when all sizes are static, else none: the run plans.
  std::optional<llvm::SmallVector<int64_t>> offsets;
  /// What the arena takes, and the largest sum of bytes that live at once, with
  /// symbols at their probable values.
  int64_t arenaBytes = 0, lowerBound = 0;

  /// The value whose memory `v` uses; itself when it has its own.
  mlir::Value root(mlir::Value v) const;
  void findRoots(mlir::func::FuncOp main);
  void assign(mlir::func::FuncOp main, llvm::function_ref<bool(mlir::AffineExpr)> isEntry,
              llvm::function_ref<bool(mlir::Value)> isOutput);

private:
  llvm::DenseMap<mlir::Value, mlir::Value> aliases;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::Value>> parts; // of a concat: the roots that it took in
};

/// Adds `offset` to every jump target of a code stream.
void relocateJumps(std::vector<int64_t> &code, int64_t offset);

} // namespace smelt

#endif // SMELT_PASSES_PROGRAM_MEMORY_H
