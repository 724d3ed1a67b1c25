//===- Tensor.cpp - A tensor's value on the host ----------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rounding to f16 and bf16 is done in C++; float8 and below go through APFloat
// with the overflow rules of ONNX Cast. Tested by test/dialects/eval/.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/eval/Tensor.h"
#include "dialects/smelt/eval/Kinds.h"
#include "llvm/ADT/APFloat.h"
#include <cstring>
#include <vector>

using namespace mlir;

namespace smelt::eval {

//===----------------------------------------------------------------------===//
// HostTensor
//===----------------------------------------------------------------------===//

static int64_t product(ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

int64_t HostTensor::getNumElements() const { return product(shape); }

HostTensor HostTensor::allocate(Type elementType, ArrayRef<int64_t> shape) {
  HostTensor result;
  result.elementType = elementType;
  result.shape.assign(shape.begin(), shape.end());
  size_t size = product(shape) * getElementBytes(elementType);
  std::shared_ptr<char[]> buffer(new char[size ? size : 1]);
  result.bytes = ArrayRef<char>(buffer.get(), size);
  result.owner = std::move(buffer);
  return result;
}

HostTensor HostTensor::zeros(Type elementType, ArrayRef<int64_t> shape) {
  HostTensor result = allocate(elementType, shape);
  std::memset(result.mutableData<char>(), 0, result.bytes.size());
  return result;
}

HostTensor HostTensor::copy(Type elementType, ArrayRef<int64_t> shape, ArrayRef<char> bytes) {
  HostTensor result = allocate(elementType, shape);
  assert(result.bytes.size() == bytes.size() && "bytes do not fit the shape");
  std::memcpy(result.mutableData<char>(), bytes.data(), bytes.size());
  return result;
}

HostTensor HostTensor::borrow(Type elementType, ArrayRef<int64_t> shape, ArrayRef<char> bytes,
                              std::shared_ptr<const void> keepAlive) {
  HostTensor result;
  result.elementType = elementType;
  result.shape.assign(shape.begin(), shape.end());
  assert(int64_t(bytes.size()) == product(shape) * getElementBytes(elementType) && "bytes do not fit the shape");
  result.bytes = bytes;
  result.owner = std::move(keepAlive);
  return result;
}

HostTensor HostTensor::scalar(Type elementType, double value) {
  HostTensor result = allocate(elementType, {});
  storeElements(Kind::F64, &value, elementType, result.mutableData<char>(), 1, true);
  return result;
}

std::optional<HostTensor> HostTensor::fromAttribute(Attribute value, RankedTensorType type) {
  std::optional<ConstantBytes> bytes = getConstantBytes(value, type);
  if (!bytes)
    return std::nullopt;
  HostTensor result = borrow(type.getElementType(), type.getShape(), bytes->data, bytes->owned);
  auto integer = dyn_cast<IntegerType>(type.getElementType());
  if (integer && integer.getWidth() > 1 && integer.getWidth() < 8) {
    // Sub-byte codes from an attribute may carry foreign upper bits.
    HostTensor wrapped = allocate(integer, type.getShape());
    storeElements(Kind::I8, result.bytes.data(), integer, wrapped.mutableData<char>(), wrapped.bytes.size(), true);
    return wrapped;
  }
  return result;
}

std::optional<HostTensor> HostTensor::fromConstant(Value value) {
  auto constant = value.getDefiningOp<ConstantOp>();
  if (!constant)
    return std::nullopt;
  return fromAttribute(constant.getValue(), cast<RankedTensorType>(constant.getType()));
}

HostTensor HostTensor::reshaped(ArrayRef<int64_t> newShape) const {
  assert(product(newShape) == getNumElements() && "reshape changes the number of elements");
  HostTensor result = *this;
  result.shape.assign(newShape.begin(), newShape.end());
  return result;
}

double HostTensor::getDouble(int64_t i) const {
  int64_t size = getElementBytes(elementType);
  double value;
  loadElements(borrow(elementType, {}, bytes.slice(i * size, size), nullptr), Kind::F64, &value);
  return value;
}

int64_t HostTensor::getInt(int64_t i) const {
  int64_t size = getElementBytes(elementType);
  int64_t value;
  loadElements(borrow(elementType, {}, bytes.slice(i * size, size), nullptr), Kind::I64, &value);
  return value;
}

bool HostTensor::isSplat() const {
  size_t size = getElementBytes(elementType);
  if (bytes.empty())
    return false;
  // Equal to itself moved by one element: every element equals the first.
  return std::memcmp(bytes.data(), bytes.data() + size, bytes.size() - size) == 0;
}

//===----------------------------------------------------------------------===//
// Element types
//===----------------------------------------------------------------------===//

bool isSupportedElement(Type elementType) {
  if (auto floatType = dyn_cast<FloatType>(elementType))
    return floatType.getWidth() <= 64;
  auto integer = dyn_cast<IntegerType>(elementType);
  return integer && integer.getWidth() >= 1 && integer.getWidth() <= 64 &&
         (integer.getWidth() <= 8 || llvm::isPowerOf2_32(integer.getWidth()));
}

Kind carriedKind(Type elementType) {
  if (isa<FloatType>(elementType))
    return elementType.isF64() ? Kind::F64 : Kind::F32;
  unsigned width = cast<IntegerType>(elementType).getWidth();
  bool isUnsignedType = isUnsigned(elementType);
  if (width == 1)
    return Kind::Bool;
  if (width <= 8)
    return isUnsignedType ? Kind::U8 : Kind::I8;
  if (width == 16)
    return isUnsignedType ? Kind::U16 : Kind::I16;
  if (width == 32)
    return isUnsignedType ? Kind::U32 : Kind::I32;
  return isUnsignedType ? Kind::U64 : Kind::I64;
}

bool storedAsCarried(Type elementType) {
  if (isa<FloatType>(elementType))
    return elementType.isF32() || elementType.isF64();
  unsigned width = cast<IntegerType>(elementType).getWidth();
  return width == 1 || width >= 8;
}

SmallVector<int64_t> rowMajorStrides(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

static float floatFromBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

/// Elements of a float type narrower than 32 bits, as T.
template <typename T> static void loadNarrowFloat(FloatType type, const char *source, T *target, int64_t count) {
  if (type.isF16()) {
    auto *half = reinterpret_cast<const _Float16 *>(source);
    if (count < 4 << 16) {
      for (int64_t i = 0; i < count; ++i)
        target[i] = castElement<T>(float(half[i]));
      return;
    }
    // The conversion is a library call on most hosts: once per code.
    std::vector<T> table(1 << 16);
    for (uint32_t code = 0; code < table.size(); ++code) {
      uint16_t bits = code;
      _Float16 value;
      std::memcpy(&value, &bits, 2);
      table[code] = castElement<T>(float(value));
    }
    auto *codes = reinterpret_cast<const uint16_t *>(source);
    for (int64_t i = 0; i < count; ++i)
      target[i] = table[codes[i]];
    return;
  }
  if (type.isBF16()) {
    auto *brain = reinterpret_cast<const uint16_t *>(source);
    for (int64_t i = 0; i < count; ++i)
      target[i] = castElement<T>(floatFromBits(uint32_t(brain[i]) << 16));
    return;
  }
  // 8 bits and below: a table over all codes that fit.
  unsigned width = type.getWidth();
  auto decode = [&](uint64_t bits) {
    APFloat value(type.getFloatSemantics(), APInt(width, bits, false, true));
    bool lost;
    // Converting NaN of a format without a fraction gives infinity in APFloat.
    if (value.isNaN())
      return castElement<T>(std::copysign(std::numeric_limits<float>::quiet_NaN(), value.isNegative() ? -1.0f : 1.0f));
    value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
    return castElement<T>(float(value.convertToDouble()));
  };
  if (width > 8) {
    for (int64_t i = 0; i < count; ++i) {
      uint64_t bits = 0;
      std::memcpy(&bits, source + i * ((width + 7) / 8), (width + 7) / 8);
      target[i] = decode(bits);
    }
    return;
  }
  T table[256];
  for (unsigned code = 0; code < (1u << width); ++code)
    table[code] = decode(code);
  for (int64_t i = 0; i < count; ++i)
    target[i] = table[uint8_t(source[i]) & ((1u << width) - 1)];
}

void loadElements(const HostTensor &x, Kind kind, void *target) {
  Type from = x.getElementType();
  int64_t count = x.getNumElements();
  const char *source = x.getBytes().data();
  dispatch(kind, [&](auto tag) {
    using T = decltype(tag);
    T *out = static_cast<T *>(target);
    auto floatType = dyn_cast<FloatType>(from);
    if (floatType && floatType.getWidth() < 32)
      return loadNarrowFloat<T>(floatType, source, out, count);
    dispatch(carriedKind(from), [&](auto fromTag) {
      using S = decltype(fromTag);
      auto *in = reinterpret_cast<const S *>(source);
      for (int64_t i = 0; i < count; ++i)
        out[i] = castElement<T>(in[i]);
    });
  });
}

//===----------------------------------------------------------------------===//
// Rounding and writing
//===----------------------------------------------------------------------===//

static uint16_t toBFloat(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  if (x != x)
    return uint16_t(bits >> 16) | 0x40; // stays a NaN, quiet
  return uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/// To f32 with the last bit odd when inexact: rounding the result to fewer
/// than 22 bits again is as rounding the double once.
static float toOddFloat(double x) {
  float nearest = float(x);
  if (double(nearest) == x || x != x || std::isinf(nearest))
    return nearest;
  uint32_t bits;
  std::memcpy(&bits, &nearest, 4);
  if (std::fabs(double(nearest)) > std::fabs(x))
    --bits; // toward zero
  return floatFromBits(bits | 1);
}

/// One element to float8 and below, by the rules of ONNX Cast.
static uint64_t encodeNarrow(const llvm::fltSemantics &semantics, double x, bool saturate) {
  APFloat largest = APFloat::getLargest(semantics, std::signbit(x));
  bool hasInf = APFloat::semanticsHasInf(semantics), hasNaN = APFloat::semanticsHasNaN(semantics);
  unsigned width = APFloat::semanticsSizeInBits(semantics);
  if (x != x) {
    if (hasNaN)
      return APFloat::getNaN(semantics, std::signbit(x) && APFloat::semanticsHasSignedRepr(semantics)).bitcastToAPInt().getZExtValue();
    return uint64_t(1) << (width - 1); // no NaN in the format: negative zero
  }
  auto overflow = [&]() -> uint64_t {
    if (saturate || !hasNaN)
      return largest.bitcastToAPInt().getZExtValue();
    if (hasInf)
      return APFloat::getInf(semantics, std::signbit(x)).bitcastToAPInt().getZExtValue();
    return APFloat::getNaN(semantics, std::signbit(x)).bitcastToAPInt().getZExtValue();
  };
  if (!APFloat::semanticsHasSignedRepr(semantics)) {
    // A power-of-two scale: the format holds neither zero nor a sign.
    APFloat smallest = APFloat::getSmallest(semantics);
    if (!(x > smallest.convertToDouble()))
      return smallest.bitcastToAPInt().getZExtValue();
  }
  if (std::isinf(x))
    return overflow();
  APFloat value(x);
  bool lost;
  APFloat::opStatus status = value.convert(semantics, APFloat::rmNearestTiesToEven, &lost);
  if (!value.isFinite() || (status & APFloat::opOverflow))
    return overflow();
  return value.bitcastToAPInt().getZExtValue();
}

/// Round to nearest even, without the library call for ordinary values.
static uint16_t toHalf(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  uint32_t sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7fffffff;
  // Normal in f16 and not rounded to infinity: drop 13 bits of the fraction.
  if (magnitude >= 0x38800000 && magnitude < 0x477fe000) {
    uint32_t rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
    return uint16_t(sign | ((rounded >> 13) - (112 << 10)));
  }
  _Float16 half = _Float16(x);
  uint16_t code;
  std::memcpy(&code, &half, 2);
  return code;
}

template <typename S>
static void storeFloat(FloatType type, const S *source, char *target, int64_t count, bool saturate) {
  if (type.isF32() || type.isF64())
    return dispatch(carriedKind(type), [&](auto tag) {
      using T = decltype(tag);
      auto *out = reinterpret_cast<T *>(target);
      for (int64_t i = 0; i < count; ++i)
        out[i] = castElement<T>(source[i]);
    });
  if (type.isF16()) {
    auto *out = reinterpret_cast<uint16_t *>(target);
    for (int64_t i = 0; i < count; ++i) {
      if constexpr (std::is_same_v<S, double>)
        out[i] = toHalf(toOddFloat(source[i]));
      else
        out[i] = toHalf(float(source[i]));
    }
    return;
  }
  if (type.isBF16()) {
    auto *out = reinterpret_cast<uint16_t *>(target);
    for (int64_t i = 0; i < count; ++i) {
      if constexpr (std::is_same_v<S, double>)
        out[i] = toBFloat(toOddFloat(source[i]));
      else
        out[i] = toBFloat(float(source[i]));
    }
    return;
  }
  int64_t size = getElementBytes(type);
  for (int64_t i = 0; i < count; ++i) {
    uint64_t bits = encodeNarrow(type.getFloatSemantics(), double(source[i]), saturate);
    std::memcpy(target + i * size, &bits, size);
  }
}

void storeElements(Kind kind, const void *source, Type to, char *target, int64_t count, bool saturate) {
  dispatch(kind, [&](auto tag) {
    using S = decltype(tag);
    auto *in = static_cast<const S *>(source);
    if (auto floatType = dyn_cast<FloatType>(to))
      return storeFloat<S>(floatType, in, target, count, saturate);
    unsigned width = cast<IntegerType>(to).getWidth();
    dispatch(carriedKind(to), [&](auto toTag) {
      using T = decltype(toTag);
      auto *out = reinterpret_cast<T *>(target);
      // Below 8 bits codes wrap, unsigned ones too: a negative float keeps its bits.
      if constexpr (sizeof(T) == 1 && !std::is_same_v<T, bool>)
        if (width < 8) {
          for (int64_t i = 0; i < count; ++i)
            out[i] = T(T(uint8_t(castElement<int8_t>(in[i])) << (8 - width)) >> (8 - width));
          return;
        }
      for (int64_t i = 0; i < count; ++i)
        out[i] = castElement<T>(in[i]);
    });
  });
}

void convertElements(Type from, const char *source, Type to, char *target, int64_t count, bool saturate) {
  if (from == to) {
    std::memcpy(target, source, count * getElementBytes(from));
    return;
  }
  HostTensor view =
      HostTensor::borrow(from, {count}, ArrayRef<char>(source, count * getElementBytes(from)), nullptr);
  dispatch(carriedKind(from), [&](auto tag) {
    using T = decltype(tag);
    Elements<T> elements(view);
    storeElements(kindOf<T>(), elements.data(), to, target, count, saturate);
  });
}

HostTensor convert(const HostTensor &x, Type to, bool saturate) {
  if (x.getElementType() == to)
    return x;
  HostTensor result = HostTensor::allocate(to, x.getShape());
  convertElements(x.getElementType(), x.getBytes().data(), to, result.mutableData<char>(), x.getNumElements(),
                  saturate);
  return result;
}

} // namespace smelt::eval
