//===- Target.h - NVIDIA chips as targets -----------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_CODEGEN_NVPTX_TARGET_H
#define SMELT_CODEGEN_NVPTX_TARGET_H

#include "mlir/Support/LLVM.h"
#include <string>

namespace smelt::codegen::nvptx {

struct NvTarget {
  unsigned sm = 80;
  std::string cpu = "sm_80"; // sm_90a has what sm_90 has not
  unsigned ptxVersion = 80;  // the oldest that has its instructions: old drivers take it
  std::string features() const { return "+ptx" + std::to_string(ptxVersion); }
};

/// The target of a name like cuda:sm_80: sm_75, sm_80, sm_86, sm_89, sm_90, sm_90a.
mlir::FailureOr<NvTarget> getTarget(llvm::StringRef name, std::string &error);

} // namespace smelt::codegen::nvptx

#endif // SMELT_CODEGEN_NVPTX_TARGET_H
