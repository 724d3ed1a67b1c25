//===- Dialect.h - The smelt graph dialect ----------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Dialect, attributes, types, op classes; and what every user of a tensor type
// needs: its dims as expressions, the carried type of an element.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_DIALECTS_SMELT_DIALECT_H
#define SMELT_DIALECTS_SMELT_DIALECT_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include <optional>

#include "dialects/smelt/Dialect.h.inc"
#include "dialects/smelt/Enums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/smelt/Attrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/smelt/Types.h.inc"
#include "dialects/smelt/Interfaces.h.inc"
#define GET_OP_CLASSES
#include "dialects/smelt/Ops.h.inc"

namespace smelt {

/// Dims of a ranked tensor type as expressions: constants where static, the
/// encoding's entry where not.
llvm::SmallVector<mlir::AffineExpr> getDims(mlir::Type tensorType);
mlir::AffineExpr getDim(mlir::Type tensorType, int64_t dim);

/// The tensor type of these dims: constant expressions become static sizes;
/// the encoding is set exactly when one dim is not constant.
mlir::RankedTensorType getTensorType(llvm::ArrayRef<mlir::AffineExpr> dims, mlir::Type elementType);
mlir::RankedTensorType getTensorType(mlir::MLIRContext *context, llvm::ArrayRef<int64_t> dims, mlir::Type elementType);

/// Product of the dims, in elements.
mlir::AffineExpr getNumElements(mlir::Type tensorType);

/// Bytes of one element in a buffer (i1 and narrower integers: 1).
int64_t getElementBytes(mlir::Type elementType);

/// The type a kernel computes an element in: f32 for floats below 32 bits, a
/// signless integer for integers (i8 below 8 bits), i1 for booleans.
mlir::Type carriedType(mlir::Type elementType);

/// True for `ui*` element types.
inline bool isUnsigned(mlir::Type elementType) { return elementType.isUnsignedInteger(); }

} // namespace smelt

#endif // SMELT_DIALECTS_SMELT_DIALECT_H
