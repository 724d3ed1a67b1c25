//===- Optimize.h - LLVM's passes for a kernel ------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_CODEGEN_CPU_OPTIMIZE_H
#define SMELT_CODEGEN_CPU_OPTIMIZE_H

#include "llvm/Support/Error.h"

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace smelt::codegen::cpu {

/// Optimizes a module of kernels; at 0 without LLVM's loop vectorizer.
llvm::Error optimizeModule(llvm::Module &module, llvm::TargetMachine &machine, unsigned optLevel);

} // namespace smelt::codegen::cpu

#endif // SMELT_CODEGEN_CPU_OPTIMIZE_H
