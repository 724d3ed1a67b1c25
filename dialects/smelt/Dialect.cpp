//===- Dialect.cpp - Registration, attributes, type helpers -----------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/Dialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace smelt;

#include "dialects/smelt/Dialect.cpp.inc"
#include "dialects/smelt/Enums.cpp.inc"
#include "dialects/smelt/Interfaces.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/smelt/Attrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/smelt/Types.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/smelt/Ops.cpp.inc"

void SmeltDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/smelt/Attrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/smelt/Types.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/smelt/Ops.cpp.inc"
      >();
}

/// The map's symbol count is the smallest that covers the expressions, and sums
/// are in one order, so that equal lists are equal attributes.
DimsAttr DimsAttr::get(MLIRContext *context, ArrayRef<AffineExpr> exprs) {
  unsigned symbols = 0;
  bool simple = true;
  for (AffineExpr expr : exprs) {
    simple &= isa<AffineConstantExpr, AffineSymbolExpr>(expr);
    expr.walk([&](AffineExpr e) {
      if (auto symbol = dyn_cast<AffineSymbolExpr>(e))
        symbols = std::max(symbols, symbol.getPosition() + 1);
    });
  }
  if (simple)
    return get(context, AffineMap::get(0, symbols, exprs, context));
  SmallVector<AffineExpr> simplified;
  for (AffineExpr expr : exprs)
    simplified.push_back(simplifyAffineExpr(expr, 0, symbols));
  return get(context, AffineMap::get(0, symbols, simplified, context));
}

DimsAttr DimsAttr::get(MLIRContext *context, ArrayRef<int64_t> values) {
  SmallVector<AffineExpr> exprs;
  for (int64_t value : values)
    exprs.push_back(getAffineConstantExpr(value, context));
  return get(context, exprs);
}

bool DimsAttr::isStatic() const {
  return llvm::all_of(getExprs(), [](AffineExpr e) { return isa<AffineConstantExpr>(e); });
}

std::optional<SmallVector<int64_t>> DimsAttr::getStatic() const {
  SmallVector<int64_t> values;
  for (AffineExpr expr : getExprs()) {
    auto constant = dyn_cast<AffineConstantExpr>(expr);
    if (!constant)
      return std::nullopt;
    values.push_back(constant.getValue());
  }
  return values;
}

namespace smelt {

SmallVector<AffineExpr> getDims(Type tensorType) {
  auto type = cast<RankedTensorType>(tensorType);
  if (auto dims = dyn_cast_or_null<DimsAttr>(type.getEncoding()))
    return SmallVector<AffineExpr>(dims.getExprs());
  SmallVector<AffineExpr> exprs;
  for (int64_t size : type.getShape())
    exprs.push_back(getAffineConstantExpr(size, type.getContext()));
  return exprs;
}

AffineExpr getDim(Type tensorType, int64_t dim) { return getDims(tensorType)[dim]; }

RankedTensorType getTensorType(ArrayRef<AffineExpr> dims, Type elementType) {
  SmallVector<int64_t> shape;
  bool isStatic = true;
  for (AffineExpr dim : dims) {
    if (auto constant = dyn_cast<AffineConstantExpr>(dim)) {
      shape.push_back(constant.getValue());
    } else {
      shape.push_back(ShapedType::kDynamic);
      isStatic = false;
    }
  }
  if (isStatic)
    return RankedTensorType::get(shape, elementType);
  return RankedTensorType::get(shape, elementType, DimsAttr::get(elementType.getContext(), dims));
}

RankedTensorType getTensorType(MLIRContext *context, ArrayRef<int64_t> dims, Type elementType) {
  return RankedTensorType::get(dims, elementType);
}

AffineExpr getNumElements(Type tensorType) {
  AffineExpr count = getAffineConstantExpr(1, tensorType.getContext());
  for (AffineExpr dim : getDims(tensorType))
    count = count * dim;
  return count;
}

int64_t getElementBytes(Type elementType) {
  if (auto complex = dyn_cast<ComplexType>(elementType))
    return 2 * getElementBytes(complex.getElementType());
  if (!elementType.isIntOrFloat())
    return 0; // strings have no buffer
  return (elementType.getIntOrFloatBitWidth() + 7) / 8;
}

Type carriedType(Type elementType) {
  MLIRContext *context = elementType.getContext();
  if (auto floatType = dyn_cast<FloatType>(elementType))
    return floatType.getWidth() < 32 ? Float32Type::get(context) : elementType;
  if (auto integer = dyn_cast<IntegerType>(elementType)) {
    unsigned width = integer.getWidth();
    return IntegerType::get(context, width == 1 ? 1 : std::max(8u, width));
  }
  return elementType;
}

} // namespace smelt
