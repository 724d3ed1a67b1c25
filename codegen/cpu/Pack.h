//===- Pack.h - Closed descriptions of packed constants ---------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A packing is a strided gather with limits: the packed tensor has dims `sizes`;
// its element at index d comes from source element sum(d[i] * strides[i]). Every
// triple (a, b, n) of `limits` says that dims a and b together run over n
// elements, d[a] * sizes[b] + d[b] < n, and that what lies beyond is zero. All
// panel forms are of this kind, so the code that applies it needs no names.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_CODEGEN_CPU_PACK_H
#define SMELT_CODEGEN_CPU_PACK_H

#include "mlir/IR/BuiltinAttributes.h"

namespace smelt::codegen::cpu {

struct Packing {
  llvm::SmallVector<int64_t> sizes, strides, limits;
  mlir::DictionaryAttr encode(mlir::MLIRContext *context) const;
  static Packing decode(mlir::DictionaryAttr attr);
};

} // namespace smelt::codegen::cpu

#endif // SMELT_CODEGEN_CPU_PACK_H
