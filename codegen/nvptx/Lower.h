//===- Lower.h - From a kernel to PTX ---------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_CODEGEN_NVPTX_LOWER_H
#define SMELT_CODEGEN_NVPTX_LOWER_H

#include "codegen/nvptx/Target.h"
#include "dialects/smelt/Dialect.h"

namespace smelt::codegen::nvptx {

/// How a kernel is launched. Its parameters are a pointer for each operand and
/// result, one to an i64 status (not 0: an index was out of range), and the symbols
/// of getKernelSymbols as i64.
struct KernelLaunch {
  mlir::AffineExpr grid; // CTAs, over the module's symbols
  unsigned block = 0;    // threads of a CTA
};

/// The family of kernels of one thread an element: the fallback of all others.
inline constexpr llvm::StringLiteral kElementFamily = "element";
/// Its launch of this kernel; nothing where it does not compute the body.
std::optional<KernelLaunch> planElements(KernelOp kernel);

/// Appends the kernel to `module` as a function of scf, arith, math and
/// llvm.load/store. A kernel with an op that no family has is an error at the op.
mlir::FailureOr<KernelLaunch> emitKernelFunction(mlir::ModuleOp module, KernelOp kernel, llvm::StringRef name,
                                                 const NvTarget &target);

/// Lowers and optimizes a module of kernel functions, and prints its PTX. What the
/// target has no instruction for is an error, never LLVM's abort.
mlir::FailureOr<std::string> emitPtx(mlir::ModuleOp module, const NvTarget &target);

} // namespace smelt::codegen::nvptx

#endif // SMELT_CODEGEN_NVPTX_LOWER_H
