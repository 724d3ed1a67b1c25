//===- RowPass.h - A pass over a row that may write into it -----------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_CODEGEN_CPU_FAMILIES_ROWPASS_H
#define SMELT_CODEGEN_CPU_FAMILIES_ROWPASS_H

#include "codegen/cpu/Family.h"

namespace smelt::codegen::cpu {

/// Computes `element(i, lanes)` for [0, length), reduces it by `kind` (null without
/// one) in a fixed order, and, with `line`, stores it there as f32. The elements may
/// be computed from `line` itself: none is read after its place was written.
mlir::Value rowPass(Emitter &e, std::optional<ReduceKind> kind, mlir::Type carried, mlir::Value length, unsigned lanes,
                    mlir::Value line, llvm::function_ref<mlir::Value(mlir::Value i, unsigned lanes)> element);

} // namespace smelt::codegen::cpu

#endif // SMELT_CODEGEN_CPU_FAMILIES_ROWPASS_H
