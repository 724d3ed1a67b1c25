//===- HostProgram.h - The program that launches kernels --------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The module after formation and scheduling becomes the words of
// runtime/core/Artifact.h: registers for symbols and sizes, buffers in one
// planned arena, dispatches cut into segments.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_PASSES_PROGRAM_HOSTPROGRAM_H
#define SMELT_PASSES_PROGRAM_HOSTPROGRAM_H

#include "dialects/smelt/Dialect.h"
#include "runtime/core/Artifact.h"

namespace smelt {

/// A constant of the pool: the value, as the kernel that reads it wants it.
struct PoolConstant {
  mlir::Attribute value;
  mlir::RankedTensorType type;
  mlir::DictionaryAttr packing; // null: row-major
  int64_t offset = 0, bytes = 0; // set when the pool is laid out
};

struct HostProgram {
  std::vector<int64_t> words;
  std::string strings;
  std::vector<KernelOp> kernels; // one per distinct code, by kernel number
  std::vector<std::string> kernelKeys; // their texts (getKernelKey)
  std::vector<PoolConstant> constants;
  /// Positions in `words` of constant operands to patch: (word, constant).
  std::vector<std::pair<size_t, size_t>> constantPatches;
  int64_t arenaBytes = 0;      // planned, with symbols at their probable values
  int64_t arenaLowerBound = 0; // the largest sum of buffers that live at once, likewise
  int64_t dispatches = 0;
  bool usesHostOps = false;
};

/// The program of `@main`. Every kernel must have a schedule.
mlir::FailureOr<HostProgram> buildHostProgram(mlir::ModuleOp module);

/// For people: one instruction a line.
void printHostProgram(const HostProgram &program, llvm::raw_ostream &os);

} // namespace smelt

#endif // SMELT_PASSES_PROGRAM_HOSTPROGRAM_H
