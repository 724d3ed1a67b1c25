//===- DType.cpp - Element types: sizes, names, conversions ----------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See DType.h. Tested by test/runtime/ValueTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/DType.h"
#include <math.h>
#include <stdio.h>

namespace smelt::rt {

static constexpr DTypeInfo kTable[] = {
    {"?", 0, 0, DTypeClass::None},           {"f32", 4, 32, DTypeClass::Float},
    {"u8", 1, 8, DTypeClass::Unsigned},      {"i8", 1, 8, DTypeClass::Signed},
    {"u16", 2, 16, DTypeClass::Unsigned},    {"i16", 2, 16, DTypeClass::Signed},
    {"i32", 4, 32, DTypeClass::Signed},      {"i64", 8, 64, DTypeClass::Signed},
    {"string", 0, 0, DTypeClass::Text},      {"bool", 1, 8, DTypeClass::Bool},
    {"f16", 2, 16, DTypeClass::Float},       {"f64", 8, 64, DTypeClass::Float},
    {"u32", 4, 32, DTypeClass::Unsigned},    {"u64", 8, 64, DTypeClass::Unsigned},
    {"c64", 8, 64, DTypeClass::Complex},     {"c128", 16, 128, DTypeClass::Complex},
    {"bf16", 2, 16, DTypeClass::Float},      {"f8E4M3FN", 1, 8, DTypeClass::Float},
    {"f8E4M3FNUZ", 1, 8, DTypeClass::Float}, {"f8E5M2", 1, 8, DTypeClass::Float},
    {"f8E5M2FNUZ", 1, 8, DTypeClass::Float}, {"u4", 1, 4, DTypeClass::Unsigned},
    {"i4", 1, 4, DTypeClass::Signed},        {"f4E2M1", 1, 4, DTypeClass::Float},
    {"f8E8M0", 1, 8, DTypeClass::Float},     {"u2", 1, 2, DTypeClass::Unsigned},
    {"i2", 1, 2, DTypeClass::Signed},
};

const DTypeInfo &info(DType dtype) {
  auto i = static_cast<uint32_t>(dtype);
  return kTable[i < sizeof kTable / sizeof *kTable ? i : 0];
}

DType dtypeByName(const char *text, size_t size) {
  for (uint32_t i = 1; i < sizeof kTable / sizeof *kTable; ++i)
    if (strlen(kTable[i].name) == size && memcmp(kTable[i].name, text, size) == 0)
      return static_cast<DType>(i);
  return DType::Undefined;
}

//===----------------------------------------------------------------------===//
// Small floats
//===----------------------------------------------------------------------===//

/// A float of `exponentBits` and `mantissaBits` with an IEEE bias, as a double.
static double decode(uint32_t bits, int exponentBits, int mantissaBits, int bias) {
  uint32_t mantissa = bits & ((1u << mantissaBits) - 1);
  int exponent = (bits >> mantissaBits) & ((1u << exponentBits) - 1);
  double sign = (bits >> (mantissaBits + exponentBits)) & 1 ? -1.0 : 1.0;
  if (exponent == 0)
    return sign * ldexp(mantissa, 1 - bias - mantissaBits);
  return sign * ldexp((1u << mantissaBits) + mantissa, exponent - bias - mantissaBits);
}

float halfToFloat(uint16_t bits) {
  uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  uint32_t exponent = (bits >> 10) & 31, mantissa = bits & 1023;
  if (exponent == 0)
    return static_cast<float>(decode(bits, 5, 10, 15));
  uint32_t word = exponent == 31 ? sign | 0x7f800000u | mantissa << 13
                                 : sign | (exponent + 112) << 23 | mantissa << 13;
  float value;
  memcpy(&value, &word, 4);
  return value;
}

uint16_t floatToHalf(float value) {
  uint32_t word;
  memcpy(&word, &value, 4);
  uint16_t sign = static_cast<uint16_t>(word >> 16 & 0x8000);
  word &= 0x7fffffffu;
  if (word > 0x7f800000u)
    return sign | 0x7e00;
  if (word >= 0x47800000u) // 65536 and above
    return sign | 0x7c00;
  if (word < 0x38800000u) { // subnormal: units of 2^-24, to even
    float magnitude;
    memcpy(&magnitude, &word, 4);
    return sign | static_cast<uint16_t>(lrintf(magnitude * 16777216.0f));
  }
  word += 0xfffu + (word >> 13 & 1); // to nearest, ties to even
  return sign | static_cast<uint16_t>((word - 0x38000000u) >> 13);
}

float bf16ToFloat(uint16_t bits) {
  uint32_t word = static_cast<uint32_t>(bits) << 16;
  float value;
  memcpy(&value, &word, 4);
  return value;
}

uint16_t floatToBf16(float value) {
  uint32_t word;
  memcpy(&word, &value, 4);
  if ((word & 0x7fffffffu) > 0x7f800000u)
    return static_cast<uint16_t>(word >> 16 | 0x40);
  return static_cast<uint16_t>((word + 0x7fffu + (word >> 16 & 1)) >> 16);
}

static double loadFloat8(DType dtype, uint8_t bits) {
  uint8_t magnitude = bits & 0x7f;
  switch (dtype) {
  case DType::F8E4M3FN: return magnitude == 0x7f ? NAN : decode(bits, 4, 3, 7);
  case DType::F8E4M3FNUZ: return bits == 0x80 ? NAN : decode(bits, 4, 3, 8);
  case DType::F8E5M2:
    if (magnitude > 0x7c)
      return NAN;
    return magnitude == 0x7c ? (bits & 0x80 ? -INFINITY : INFINITY) : decode(bits, 5, 2, 15);
  case DType::F8E5M2FNUZ: return bits == 0x80 ? NAN : decode(bits, 5, 2, 16);
  case DType::F8E8M0: return bits == 0xff ? NAN : ldexp(1.0, bits - 127);
  default: return decode(bits & 15, 2, 1, 1); // F4E2M1
  }
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

template <typename T> static T load(const void *data, size_t index) {
  T value;
  memcpy(&value, static_cast<const char *>(data) + index * sizeof(T), sizeof(T));
  return value;
}
template <typename T> static void store(void *data, size_t index, T value) {
  memcpy(static_cast<char *>(data) + index * sizeof(T), &value, sizeof(T));
}

double loadDouble(DType dtype, const void *data, size_t index) {
  switch (dtype) {
  case DType::F32: return load<float>(data, index);
  case DType::F64: return load<double>(data, index);
  case DType::F16: return halfToFloat(load<uint16_t>(data, index));
  case DType::BF16: return bf16ToFloat(load<uint16_t>(data, index));
  case DType::C64: return load<float>(data, 2 * index);
  case DType::C128: return load<double>(data, 2 * index);
  case DType::U64: return static_cast<double>(load<uint64_t>(data, index));
  case DType::F8E4M3FN: case DType::F8E4M3FNUZ: case DType::F8E5M2:
  case DType::F8E5M2FNUZ: case DType::F8E8M0: case DType::F4E2M1:
    return loadFloat8(dtype, load<uint8_t>(data, index));
  default: return static_cast<double>(loadInt(dtype, data, index));
  }
}

int64_t loadInt(DType dtype, const void *data, size_t index) {
  switch (dtype) {
  case DType::I64: case DType::U64: return load<int64_t>(data, index);
  case DType::I32: return load<int32_t>(data, index);
  case DType::U32: return load<uint32_t>(data, index);
  case DType::I16: return load<int16_t>(data, index);
  case DType::U16: return load<uint16_t>(data, index);
  case DType::I8: case DType::I4: case DType::I2: return load<int8_t>(data, index);
  default: return load<uint8_t>(data, index);
  }
}

bool storeInt(DType dtype, void *data, size_t index, int64_t value) {
  if (dtype == DType::Bool)
    return store<uint8_t>(data, index, value != 0), true;
  if (!isInteger(dtype))
    return storeDouble(dtype, data, index, static_cast<double>(value));
  switch (elementSize(dtype)) {
  case 8: store<int64_t>(data, index, value); return true;
  case 4: store<uint32_t>(data, index, static_cast<uint32_t>(value)); return true;
  case 2: store<uint16_t>(data, index, static_cast<uint16_t>(value)); return true;
  default: store<uint8_t>(data, index, static_cast<uint8_t>(value)); return true;
  }
}

bool storeDouble(DType dtype, void *data, size_t index, double value) {
  switch (dtype) {
  case DType::F32: store(data, index, static_cast<float>(value)); return true;
  case DType::F64: store(data, index, value); return true;
  case DType::F16: store(data, index, floatToHalf(static_cast<float>(value))); return true;
  case DType::BF16: store(data, index, floatToBf16(static_cast<float>(value))); return true;
  case DType::C64:
    store(data, 2 * index, static_cast<float>(value));
    store(data, 2 * index + 1, 0.0f);
    return true;
  case DType::C128:
    store(data, 2 * index, value);
    store(data, 2 * index + 1, 0.0);
    return true;
  default: break;
  }
  if (!isInteger(dtype))
    return false;
  if (!(value >= -9223372036854775808.0 && value < 9223372036854775808.0))
    return false;
  return storeInt(dtype, data, index, static_cast<int64_t>(value));
}

bool elementCount(int64_t rank, const int64_t *dims, int64_t &count) {
  if (rank < 0 || rank > SMELT_MAX_RANK)
    return false;
  // A zero extent does not excuse the others from being sane.
  int64_t product = 1;
  bool isEmpty = false;
  for (int64_t i = 0; i < rank; ++i) {
    if (dims[i] < 0 || dims[i] > int64_t(1) << 40)
      return false;
    isEmpty |= dims[i] == 0;
    if (dims[i] && (mulOverflows(product, dims[i], product) || product > int64_t(1) << 47))
      return false;
  }
  count = isEmpty ? 0 : product;
  return true;
}

bool byteSize(DType dtype, int64_t rank, const int64_t *dims, int64_t &bytes) {
  int64_t count;
  return elementCount(rank, dims, count) &&
         !mulOverflows(count, static_cast<int64_t>(elementSize(dtype)), bytes) &&
         bytes <= int64_t(1) << 47;
}

const char *formatDims(int64_t rank, const int64_t *dims, char *buffer, size_t size) {
  if (rank == 0)
    snprintf(buffer, size, "scalar");
  size_t used = 0;
  for (int64_t i = 0; i < rank && used < size; ++i)
    used += snprintf(buffer + used, size - used, i ? "x%lld" : "%lld", static_cast<long long>(dims[i]));
  return buffer;
}

} // namespace smelt::rt

extern "C" {
uint32_t smelt_api_version(void) { return SMELT_API_VERSION; }
const char *smelt_dtype_name(smelt_dtype dtype) { return smelt::rt::name(smelt::rt::dtypeOf(dtype)); }
size_t smelt_dtype_size(smelt_dtype dtype) { return smelt::rt::elementSize(smelt::rt::dtypeOf(dtype)); }
}
