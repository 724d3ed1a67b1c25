//===- KernelInfo.h - The contract of a kernel's arguments ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The dialect-level facts that the host program and every code generator must
// agree on.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_DIALECTS_SMELT_KERNELINFO_H
#define SMELT_DIALECTS_SMELT_KERNELINFO_H

#include "dialects/smelt/Symbols.h"

namespace smelt {

/// The module symbols a kernel's code uses, in the order in which they are
/// passed: first use in operand types, result types, strides, then the body.
llvm::SmallVector<int64_t> getKernelSymbols(KernelOp kernel);

/// Workgroups, and bytes of scratch per thread, of a scheduled kernel.
mlir::AffineExpr getGrid(KernelOp kernel);
mlir::AffineExpr getScratch(KernelOp kernel);

/// The name of a kernel made of two: the nodes of both, each once; long lists are
/// named by their ends.
std::string joinKernelNames(llvm::StringRef first, llvm::StringRef second);

/// A text that is equal for kernels with equal code: body, schedule and types
/// without names and locations, symbols renamed in the order of their use.
std::string getKernelKey(KernelOp kernel);

} // namespace smelt

#endif // SMELT_DIALECTS_SMELT_KERNELINFO_H
