//===- Kernels.h - The compiled kernels of a program ------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_CODEGEN_ARTIFACT_KERNELS_H
#define SMELT_CODEGEN_ARTIFACT_KERNELS_H

#include "codegen/artifact/Artifact.h"

namespace smelt::codegen {

/// One text or object each, and the symbol it defines.
struct CompiledKernels {
  std::vector<std::string> symbols, parts;
};

mlir::FailureOr<CompiledKernels> compileKernels(const HostProgram &program, const cpu::CpuTarget &target, cpu::Emit emit,
                                                const ArtifactOptions &options);

} // namespace smelt::codegen

#endif // SMELT_CODEGEN_ARTIFACT_KERNELS_H
