//===- Lower.h - From a scheduled kernel to object code ---------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_CODEGEN_CPU_LOWER_H
#define SMELT_CODEGEN_CPU_LOWER_H

#include "codegen/cpu/Family.h"

namespace smelt::codegen::cpu {

/// Registers LLVM's code generators and MLIR's translation once.
void initializeTargets();

/// What compileModule hands back.
enum class Emit { Object, Assembly, LLVMIR, MLIR };

/// Appends `func.func @name` computing the kernel to `module`, in scf, arith,
/// math, vector and llvm.load/store, with the signature of artifact::KernelFn.
mlir::LogicalResult emitKernelFunction(mlir::ModuleOp module, KernelOp kernel, llvm::StringRef name,
                                       const CpuTarget &target);

/// Lowers a module of kernel functions to LLVM, optimizes and emits it.
mlir::FailureOr<std::string> compileModule(mlir::ModuleOp module, const CpuTarget &target, Emit emit, unsigned optLevel);

/// Registers the passes that compileModule runs (smelt-expand-math, ...).
void buildLoweringPipeline(mlir::OpPassManager &pm, const CpuTarget &target);

} // namespace smelt::codegen::cpu

#endif // SMELT_CODEGEN_CPU_LOWER_H
