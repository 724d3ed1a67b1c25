//===- Model.cpp - The CPU as passes see it ---------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A kernel is legal when a family plans it. Its cost is the larger of its
// arithmetic at the vector units' rate and its bytes at the cache's, plus a
// dispatch: enough to rank candidates; tuning replaces it.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/Model.h"
#include "dialects/smelt/Cost.h"

using namespace mlir;

namespace smelt::codegen::cpu {

KernelAnswer CpuModel::assess(KernelOp kernel) const {
  KernelAnswer answer;
  for (const Family &family : families())
    if (family.planFor(kernel, target)) {
      answer.legal = true;
      answer.family = family.name.str();
      answer.generators = {family.name};
      llvm::append_range(answer.generators, family.holds);
      answer.keepsRows = family.keepsRows;
      break;
    }
  if (!answer.legal) {
    answer.reason = "no kernel family of the target computes this body";
    return answer;
  }
  answer.cost.flops = estimateFlops(kernel);
  answer.cost.bytes = estimateBytes(kernel);
  // One core: 2 operations a lane and cycle at 3 GHz; 40 bytes a nanosecond from cache.
  double flopsPerMicrosecond = 2.0 * (target.vectorBytes / 4) * 3000, bytesPerMicrosecond = 40000;
  double compute = answer.cost.flops / flopsPerMicrosecond, memory = answer.cost.bytes / bytesPerMicrosecond;
  answer.cost.computeBound = compute > memory;
  answer.cost.microseconds = std::max(compute, memory) + 0.5;
  return answer;
}

} // namespace smelt::codegen::cpu
