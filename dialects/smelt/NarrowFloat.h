//===- NarrowFloat.h - Codes of float8 and below as arithmetic --------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// No target of LLVM knows all of these types: their codes are i8 in memory, f32
// in registers, and integer arithmetic between the two. Bit for bit what the
// evaluator does through APFloat. Tested by test/codegen/cpu/NarrowFloatTest.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_DIALECTS_SMELT_NARROWFLOAT_H
#define SMELT_DIALECTS_SMELT_NARROWFLOAT_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

namespace smelt {

/// A float of 8 bits or fewer.
bool isNarrowFloat(mlir::Type elementType);

/// f32 of codes (i8, scalar or vector); exact, NaN keeps its sign.
mlir::Value decodeNarrow(mlir::OpBuilder &b, mlir::Location loc, mlir::Value codes, mlir::FloatType type);

/// Codes of f32 values, rounded to nearest even. Beyond the largest value:
/// that with `saturate`, else infinity or, in types without it, NaN.
mlir::Value encodeNarrow(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x, mlir::FloatType type, bool saturate);

/// f64 to f32 by rounding to odd, so that rounding again to fewer bits is as
/// rounding once.
mlir::Value roundToOdd(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x);

} // namespace smelt

#endif // SMELT_DIALECTS_SMELT_NARROWFLOAT_H
