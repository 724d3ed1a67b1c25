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

/// What emitModule hands back.
enum class Emit { Object, Assembly, LLVMIR };

/// Appends `func.func @name` computing the kernel to `module`, in scf, arith,
/// math, vector and llvm.load/store, with the signature of artifact::KernelFn.
mlir::LogicalResult emitKernelFunction(mlir::ModuleOp module, KernelOp kernel, llvm::StringRef name,
                                       const CpuTarget &target);

/// Lowers kernel functions to the LLVM dialect: of every module nested in
/// `outer`, in parallel.
mlir::LogicalResult lowerModules(mlir::ModuleOp outer, const CpuTarget &target);

/// Optimizes one lowered module and emits it. Safe to call from several threads.
/// isShared: entries are hidden, and the linker keeps one of each name.
mlir::FailureOr<std::string> emitModule(mlir::ModuleOp module, const CpuTarget &target, Emit emit, unsigned optLevel,
                                        bool isShared = false);

/// Both for one module by itself.
mlir::FailureOr<std::string> compileModule(mlir::ModuleOp module, const CpuTarget &target, Emit emit, unsigned optLevel);

/// The passes that lowerModules runs on each module.
void buildLoweringPipeline(mlir::OpPassManager &pm, const CpuTarget &target);

} // namespace smelt::codegen::cpu

#endif // SMELT_CODEGEN_CPU_LOWER_H
