//===- Tensors.h - From TensorProto to Tensor
//------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Private to the reader: every way in which ONNX stores a constant becomes
// dense little-endian bytes, checked against shape and type.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_FRONTEND_ONNX_READER_TENSORS_H
#define SMELT_FRONTEND_ONNX_READER_TENSORS_H

#include "frontend/onnx/reader/Storage.h"

namespace smelt::onnx {

/// What reading needs beside the proto.
struct Context {
  const ReadOptions &options;
  Diagnostics &diag;
  Storage &storage;
  Budget &budget;
  std::string localDir;
};

/// A name's text after the policy: length and control characters.
std::string_view checkedName(Context &context, std::string_view name,
                             const Where &where, std::string_view what);

/// Checks rank and dims; false after an error.
bool checkDims(Context &context, std::span<const int64_t> dims,
               const Where &where);
/// The product of dims (zeros count as one while checking) times `bits` in
/// whole bytes, or nothing when it overflows.
std::optional<uint64_t> denseBytes(std::span<const int64_t> dims,
                                   uint32_t bits);

/// False after an error.
bool buildTensor(Context &context, const ::onnx::TensorProto &proto,
                 const Where &where, Tensor &out);
bool buildSparse(Context &context, const ::onnx::SparseTensorProto &proto,
                 const Where &where, Tensor &out);

TypeInfo buildType(Context &context, const ::onnx::TypeProto &proto,
                   const Where &where);

} // namespace smelt::onnx

#endif // SMELT_FRONTEND_ONNX_READER_TENSORS_H
