//===- DType.h - Element types: sizes, names, conversions ----------*- C++ -*-===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Everything the runtime knows of an element type, in one table. 4- and 2-bit
// types are held one per byte (sign-extended). Tested by
// test/runtime/ValueTest.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_CORE_DTYPE_H
#define SMELT_RUNTIME_CORE_DTYPE_H

#include "runtime/core/Artifact.h"
#include "runtime/core/Support.h"

namespace smelt::rt {

using artifact::DType;

enum class DTypeClass : uint8_t { None, Float, Signed, Unsigned, Bool, Complex, Text };

struct DTypeInfo {
  const char *name;
  uint8_t size; // bytes of an element in a buffer; 0: none or strings
  uint8_t bits; // as stored in ONNX's raw_data
  DTypeClass kind;
};

/// The row of `dtype`; of Undefined when it is no dtype.
const DTypeInfo &info(DType dtype);
inline bool isValid(int64_t dtype) { return dtype > 0 && dtype <= 26; }
inline DType dtypeOf(smelt_dtype d) { return static_cast<DType>(d); }
inline size_t elementSize(DType dtype) { return info(dtype).size; }
inline const char *name(DType dtype) { return info(dtype).name; }
inline bool isFloat(DType d) { return info(d).kind == DTypeClass::Float; }
inline bool isInteger(DType d) {
  return info(d).kind == DTypeClass::Signed || info(d).kind == DTypeClass::Unsigned ||
         info(d).kind == DTypeClass::Bool;
}
/// By name ("f32"); Undefined when there is none.
DType dtypeByName(const char *name, size_t size);

float halfToFloat(uint16_t bits);
uint16_t floatToHalf(float value);
float bf16ToFloat(uint16_t bits);
uint16_t floatToBf16(float value);

/// Element `index` as a double; of a complex, the real part.
double loadDouble(DType dtype, const void *data, size_t index);
/// Element `index` of an integer or boolean tensor.
int64_t loadInt(DType dtype, const void *data, size_t index);
/// Writes a value rounded to the type; integers are truncated and wrapped.
/// Float8 and float4 are not written (false).
bool storeDouble(DType dtype, void *data, size_t index, double value);
bool storeInt(DType dtype, void *data, size_t index, int64_t value);

/// The number of elements and bytes; false on overflow, a negative dim, a rank
/// above SMELT_MAX_RANK or a size above 2^47.
[[nodiscard]] bool elementCount(int64_t rank, const int64_t *dims, int64_t &count);
[[nodiscard]] bool byteSize(DType dtype, int64_t rank, const int64_t *dims, int64_t &bytes);

/// "2x3" or "scalar" into `buffer`.
const char *formatDims(int64_t rank, const int64_t *dims, char *buffer, size_t size);

} // namespace smelt::rt

#endif // SMELT_RUNTIME_CORE_DTYPE_H
