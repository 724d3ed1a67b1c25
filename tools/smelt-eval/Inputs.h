//===- Inputs.h - Made-up inputs of a function ------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_TOOLS_SMELT_EVAL_INPUTS_H
#define SMELT_TOOLS_SMELT_EVAL_INPUTS_H

#include "dialects/smelt/eval/Evaluator.h"
#include "llvm/ADT/StringMap.h"
#include <string>
#include <vector>

namespace smelt {

struct FillOptions {
  uint64_t seed = 0;
  /// Fractions in [-2, 2) in place of integers -4..4 for floats.
  bool fractions = false;
  /// `SHAPE:FILE` per argument, SHAPE as 2x3 (empty: 0-d), FILE its raw bytes;
  /// none: made up.
  std::vector<std::string> files;
  /// Of symbols not named below; 0: 3, 4, 5 or 6 by its number.
  int64_t size = 0;
  /// Values of symbols by name; the others get a small one of their range.
  llvm::StringMap<int64_t> symbols;
};

/// One tensor per argument of `func`; the symbols of its types are bound in
/// `env`. Integers are 0..2, so that they can be indices.
llvm::FailureOr<llvm::SmallVector<eval::HostTensor>> makeInputs(mlir::func::FuncOp func, const FillOptions &options,
                                                                eval::SymbolEnv &env);

} // namespace smelt

#endif // SMELT_TOOLS_SMELT_EVAL_INPUTS_H
