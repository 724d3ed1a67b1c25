//===- Tensor.h - A tensor's value on the host ------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Element type, static shape and bytes in buffer layout (Constants.h). The
// bytes are shared and, once a tensor is passed on, immutable: copies are cheap.
// Conversions between all builtin element types live here too.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_DIALECTS_SMELT_EVAL_TENSOR_H
#define SMELT_DIALECTS_SMELT_EVAL_TENSOR_H

#include "dialects/smelt/Constants.h"
#include <memory>

namespace smelt::eval {

class HostTensor {
public:
  HostTensor() = default;
  /// Uninitialised elements.
  static HostTensor allocate(mlir::Type elementType, llvm::ArrayRef<int64_t> shape);
  static HostTensor zeros(mlir::Type elementType, llvm::ArrayRef<int64_t> shape);
  /// A copy of `bytes`.
  static HostTensor copy(mlir::Type elementType, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<char> bytes);
  /// `bytes` as they are; `keepAlive` may be null when they outlive the tensor.
  static HostTensor borrow(mlir::Type elementType, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<char> bytes,
                           std::shared_ptr<const void> keepAlive);
  static HostTensor scalar(mlir::Type elementType, double value);
  /// The value of a constant op; nothing for strings and missing blobs.
  static std::optional<HostTensor> fromConstant(mlir::Value constant);
  static std::optional<HostTensor> fromAttribute(mlir::Attribute value, mlir::RankedTensorType type);

  explicit operator bool() const { return bool(elementType); }
  mlir::Type getElementType() const { return elementType; }
  llvm::ArrayRef<int64_t> getShape() const { return shape; }
  int64_t getRank() const { return shape.size(); }
  int64_t getNumElements() const;
  mlir::RankedTensorType getType() const { return mlir::RankedTensorType::get(shape, elementType); }
  llvm::ArrayRef<char> getBytes() const { return bytes; }
  template <typename T> const T *data() const { return reinterpret_cast<const T *>(bytes.data()); }
  /// Only for a tensor just allocated, before it is shared.
  template <typename T> T *mutableData() { return reinterpret_cast<T *>(const_cast<char *>(bytes.data())); }

  /// Same bytes, another shape of as many elements.
  HostTensor reshaped(llvm::ArrayRef<int64_t> newShape) const;
  /// Every element as a number: exact but for integers above 2^53.
  double getDouble(int64_t i) const;
  int64_t getInt(int64_t i) const;
  /// True when all elements have the same bits (and there is one).
  bool isSplat() const;

private:
  mlir::Type elementType;
  llvm::SmallVector<int64_t, 4> shape;
  llvm::ArrayRef<char> bytes;
  std::shared_ptr<const void> owner;
};

/// Elements the evaluator can compute with: floats and integers up to 64 bits.
bool isSupportedElement(mlir::Type elementType);

/// Element by element as smelt.cast does it; `saturate` is for float8 and below.
void convertElements(mlir::Type from, const char *source, mlir::Type to, char *target, int64_t count,
                     bool saturate = true);
HostTensor convert(const HostTensor &x, mlir::Type to, bool saturate = true);

/// Row-major strides in elements.
llvm::SmallVector<int64_t> rowMajorStrides(llvm::ArrayRef<int64_t> shape);

} // namespace smelt::eval

#endif // SMELT_DIALECTS_SMELT_EVAL_TENSOR_H
