//===- Compare.h - Print and compare results --------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_TOOLS_SMELT_EVAL_COMPARE_H
#define SMELT_TOOLS_SMELT_EVAL_COMPARE_H

#include "dialects/smelt/eval/Tensor.h"
#include "llvm/Support/raw_ostream.h"

namespace smelt {

struct Tolerance {
  /// `absolute` in units of the wanted tensor's rms; both 0: equal as numbers,
  /// NaN as NaN.
  double relative = 0, absolute = 0;
};

/// `tensor<2xf32> = 1 2`, the first 64 elements; `full`: all of them, exactly.
void print(llvm::raw_ostream &os, const eval::HostTensor &tensor, bool full = false);

/// The first difference in words; empty when there is none.
std::string firstDifference(const eval::HostTensor &got, const eval::HostTensor &want, const Tolerance &tolerance);

} // namespace smelt

#endif // SMELT_TOOLS_SMELT_EVAL_COMPARE_H
