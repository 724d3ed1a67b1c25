//===- Constants.cpp - Reading and making constant tensors ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// DenseElementsAttr packs i1 by bits and stores others by whole bytes; both are
// turned into the buffer layout here and nowhere else.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/Constants.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/APFloat.h"
#include <cstring>

using namespace mlir;

namespace smelt {

std::optional<ConstantBytes> getConstantBytes(Attribute value, RankedTensorType type) {
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob)
      return std::nullopt;
    return ConstantBytes{blob->getData(), nullptr};
  }
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (!dense || !dense.getElementType().isIntOrIndexOrFloat())
    return std::nullopt;
  int64_t bytes = getElementBytes(type.getElementType()), count = type.getNumElements();
  auto owned = std::make_shared<std::vector<char>>(bytes * count);
  auto put = [&](int64_t i, APInt bits) {
    if (bits.getBitWidth() < 64) // an element below 8 bits fills its byte by its sign
      bits = isUnsigned(type.getElementType()) || bits.getBitWidth() == 1 ? bits.zext(64) : bits.sext(64);
    uint64_t word = bits.getRawData()[0];
    std::memcpy(owned->data() + i * bytes, &word, bytes);
  };
  bool isFloat = isa<FloatType>(type.getElementType());
  int64_t i = 0;
  if (isFloat)
    for (APFloat f : dense.getValues<APFloat>()) {
      APInt bits = f.bitcastToAPInt();
      put(i++, bits.getBitWidth() < 64 ? bits.zext(64) : bits);
    }
  else
    for (APInt v : dense.getValues<APInt>())
      put(i++, v);
  ConstantBytes result{{}, owned};
  result.data = ArrayRef<char>(owned->data(), owned->size());
  return result;
}

std::optional<ConstantBytes> getConstantBytes(Value value) {
  auto constant = value.getDefiningOp<ConstantOp>();
  if (!constant)
    return std::nullopt;
  return getConstantBytes(constant.getValue(), cast<RankedTensorType>(constant.getType()));
}

static double toDouble(Type elementType, const char *bytes) {
  if (auto floatType = dyn_cast<FloatType>(elementType)) {
    uint64_t word = 0;
    std::memcpy(&word, bytes, getElementBytes(elementType));
    APFloat f(floatType.getFloatSemantics(), APInt(floatType.getWidth(), word, false, true));
    bool lost;
    f.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
    return f.convertToDouble();
  }
  int64_t word = 0;
  int64_t size = getElementBytes(elementType);
  std::memcpy(&word, bytes, size);
  if (size < 8 && !isUnsigned(elementType) && !elementType.isInteger(1))
    word = (word << (64 - 8 * size)) >> (64 - 8 * size);
  return isUnsigned(elementType) ? double(uint64_t(word)) : double(word);
}

std::optional<double> getSplatValue(Value value) {
  auto constant = value.getDefiningOp<ConstantOp>();
  if (!constant)
    return std::nullopt;
  auto type = cast<RankedTensorType>(constant.getType());
  if (auto dense = dyn_cast<DenseElementsAttr>(constant.getValue())) {
    if (!dense.isSplat())
      return std::nullopt;
    if (isa<FloatType>(type.getElementType())) {
      APFloat f = dense.getSplatValue<APFloat>();
      bool lost;
      f.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
      return f.convertToDouble();
    }
    if (!type.getElementType().isIntOrIndex())
      return std::nullopt;
    APInt v = dense.getSplatValue<APInt>();
    return isUnsigned(type.getElementType()) || type.getElementType().isInteger(1)
               ? double(v.getZExtValue()) : double(v.getSExtValue());
  }
  if (type.getNumElements() != 1)
    return std::nullopt;
  auto bytes = getConstantBytes(value);
  if (!bytes)
    return std::nullopt;
  return toDouble(type.getElementType(), bytes->data.data());
}

std::optional<SmallVector<int64_t>> getConstantInts(Value value, int64_t limit) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || !type.hasStaticShape() || !isa<IntegerType>(type.getElementType()) ||
      type.getNumElements() > limit)
    return std::nullopt;
  auto bytes = getConstantBytes(value);
  if (!bytes)
    return std::nullopt;
  int64_t size = getElementBytes(type.getElementType());
  SmallVector<int64_t> result;
  for (int64_t i = 0, e = type.getNumElements(); i < e; ++i) {
    int64_t word = 0;
    std::memcpy(&word, bytes->data.data() + i * size, size);
    if (size < 8 && !isUnsigned(type.getElementType()) && !type.getElementType().isInteger(1))
      word = (word << (64 - 8 * size)) >> (64 - 8 * size);
    result.push_back(word);
  }
  return result;
}

static DenseElementsAttr inlineAttr(RankedTensorType type, ArrayRef<char> bytes) {
  // Attributes never carry the dims encoding: a constant's shape is static.
  int64_t size = getElementBytes(type.getElementType());
  if (auto floatType = dyn_cast<FloatType>(type.getElementType())) {
    SmallVector<APFloat> values;
    for (int64_t i = 0, e = type.getNumElements(); i < e; ++i) {
      uint64_t word = 0;
      std::memcpy(&word, bytes.data() + i * size, size);
      values.push_back(APFloat(floatType.getFloatSemantics(), APInt(floatType.getWidth(), word, false, true)));
    }
    return DenseElementsAttr::get(type, values);
  }
  unsigned width = type.getElementTypeBitWidth();
  SmallVector<APInt> values;
  for (int64_t i = 0, e = type.getNumElements(); i < e; ++i) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i * size, size);
    values.push_back(APInt(width, word, false, true));
  }
  return DenseElementsAttr::get(type, values);
}

static Value makeConstant(OpBuilder &builder, Location loc, RankedTensorType type, AsmResourceBlob blob,
                          StringRef name) {
  if (type.getNumElements() <= kInlineElements)
    return ConstantOp::create(builder, loc, type, inlineAttr(type, blob.getData()));
  auto attr = DenseResourceElementsAttr::get(type, name, std::move(blob));
  return ConstantOp::create(builder, loc, type, attr);
}

Value createConstant(OpBuilder &builder, Location loc, RankedTensorType type, ArrayRef<char> bytes, StringRef name) {
  assert(int64_t(bytes.size()) == type.getNumElements() * getElementBytes(type.getElementType()));
  return makeConstant(builder, loc, type, HeapAsmResourceBlob::allocateAndCopyWithAlign(bytes, 64), name);
}

Value createBorrowedConstant(OpBuilder &builder, Location loc, RankedTensorType type, ArrayRef<char> bytes,
                             std::shared_ptr<const void> keepAlive, StringRef name) {
  AsmResourceBlob blob(bytes, 1, [keepAlive](void *, size_t, size_t) {}, /*dataIsMutable=*/false);
  return makeConstant(builder, loc, type, std::move(blob), name);
}

Value createSplat(OpBuilder &builder, Location loc, RankedTensorType type, double value) {
  Type elementType = type.getElementType();
  Attribute element;
  if (auto floatType = dyn_cast<FloatType>(elementType)) {
    APFloat f(value);
    bool lost;
    f.convert(floatType.getFloatSemantics(), APFloat::rmNearestTiesToEven, &lost);
    element = FloatAttr::get(floatType, f);
  } else {
    element = IntegerAttr::get(elementType, APInt(elementType.getIntOrFloatBitWidth(), uint64_t(int64_t(value)),
                                                  /*isSigned=*/false, /*implicitTrunc=*/true));
  }
  return ConstantOp::create(builder, loc, type, DenseElementsAttr::get(type, element));
}

Value createScalar(OpBuilder &builder, Location loc, Type elementType, double value) {
  return createSplat(builder, loc, RankedTensorType::get({}, elementType), value);
}

Value createInts(OpBuilder &builder, Location loc, ArrayRef<int64_t> values) {
  auto type = RankedTensorType::get({int64_t(values.size())}, builder.getI64Type());
  return createConstant(builder, loc, type,
                        ArrayRef<char>(reinterpret_cast<const char *>(values.data()), values.size() * 8));
}

} // namespace smelt
