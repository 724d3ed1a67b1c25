//===- Types.cpp - Names, shapes and types
//---------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The policy on names and dims, and TypeProto to TypeInfo.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/reader/Tensors.h"

using namespace smelt::onnx;

std::string_view smelt::onnx::checkedName(Context &context,
                                          std::string_view name,
                                          const Where &where,
                                          std::string_view what) {
  uint32_t limit = context.options.limits.nameBytes;
  if (name.size() > limit) {
    context.diag.invalid("onnx.name-too-long", where,
                         "the " + std::string(what) + " " + quote(name) +
                             " has " + std::to_string(name.size()) +
                             " bytes, want at most " + std::to_string(limit));
    return name;
  }
  for (size_t i = 0; i < name.size();) {
    uint8_t c = uint8_t(name[i]);
    size_t length = utf8Length(name.substr(i));
    if (length && c >= 0x20 && c != 0x7f) {
      i += length;
      continue;
    }
    context.diag.invalid(
        length ? "onnx.name-control-character" : "onnx.name-not-utf8", where,
        "the " + std::string(what) + " " + quote(name) +
            (length ? " holds a control character, want none"
                    : " is not UTF-8"));
    break;
  }
  return name;
}

bool smelt::onnx::checkDims(Context &context, std::span<const int64_t> dims,
                            const Where &where) {
  const Limits &limits = context.options.limits;
  if (dims.size() > limits.rank) {
    context.diag.invalid("onnx.rank-too-high", where,
                         "found rank " + std::to_string(dims.size()) +
                             ", want at most " + std::to_string(limits.rank));
    return false;
  }
  for (int64_t dim : dims)
    if (dim < 0 || dim > limits.dim) {
      context.diag.invalid("onnx.dim-out-of-range", where,
                           "found dim " + std::to_string(dim) + ", want 0 to " +
                               std::to_string(limits.dim));
      return false;
    }
  return true;
}

std::optional<uint64_t> smelt::onnx::denseBytes(std::span<const int64_t> dims,
                                                uint32_t bits) {
  // Zeros count as one here: strides must not overflow either.
  uint64_t nonZero = 1;
  bool empty = false;
  for (int64_t dim : dims) {
    empty |= dim == 0;
    if (__builtin_mul_overflow(nonZero, uint64_t(std::max<int64_t>(dim, 1)),
                               &nonZero))
      return std::nullopt;
  }
  unsigned __int128 total =
      static_cast<unsigned __int128>(nonZero) * std::max(bits, 8u) / 8;
  if (total > uint64_t(INT64_MAX))
    return std::nullopt;
  if (empty)
    return 0;
  return uint64_t((static_cast<unsigned __int128>(nonZero) * bits + 7) / 8);
}

/// The element type of a declared value; 0 (unknown) is allowed there.
static DType declaredType(Context &context, int32_t number,
                          const Where &where) {
  if (number < 0 || number > int32_t(DType::F6E3M2)) {
    context.diag.invalid("onnx.unknown-dtype", where,
                         "found element type " + std::to_string(number) +
                             ", want 1 (float) to 28 (float6e3m2)");
    return DType::Undefined;
  }
  return DType(number);
}

static void buildShape(Context &context, const ::onnx::TensorShapeProto &proto,
                       const Where &where, TypeInfo &out) {
  out.ranked = true;
  if (uint32_t(proto.dim_size()) > context.options.limits.rank) {
    context.diag.invalid("onnx.rank-too-high", where,
                         "found rank " + std::to_string(proto.dim_size()) +
                             ", want at most " +
                             std::to_string(context.options.limits.rank));
    return;
  }
  for (const ::onnx::TensorShapeProto_Dimension &dim : proto.dim()) {
    Dim &info = out.dims.emplace_back();
    if (dim.has_dim_value()) {
      info = {Dim::Kind::Value, dim.dim_value(), {}};
      checkDims(context, {&info.value, 1}, where);
    } else if (!dim.dim_param().empty()) {
      info = {Dim::Kind::Param, 0,
              checkedName(context, dim.dim_param(), where, "dim_param")};
    }
  }
}

TypeInfo smelt::onnx::buildType(Context &context,
                                const ::onnx::TypeProto &proto,
                                const Where &where) {
  TypeInfo out;
  auto inner = [&](const ::onnx::TypeProto &type) {
    return &context.storage.types.emplace_back(buildType(context, type, where));
  };
  switch (proto.value_case()) {
  case ::onnx::TypeProto::kTensorType:
    out.kind = TypeInfo::Kind::Tensor;
    out.elem = declaredType(context, proto.tensor_type().elem_type(), where);
    if (proto.tensor_type().has_shape())
      buildShape(context, proto.tensor_type().shape(), where, out);
    break;
  case ::onnx::TypeProto::kSparseTensorType:
    out.kind = TypeInfo::Kind::SparseTensor;
    out.elem =
        declaredType(context, proto.sparse_tensor_type().elem_type(), where);
    if (proto.sparse_tensor_type().has_shape())
      buildShape(context, proto.sparse_tensor_type().shape(), where, out);
    break;
  case ::onnx::TypeProto::kSequenceType:
    out.kind = TypeInfo::Kind::Sequence;
    out.inner = inner(proto.sequence_type().elem_type());
    break;
  case ::onnx::TypeProto::kOptionalType:
    out.kind = TypeInfo::Kind::Optional;
    out.inner = inner(proto.optional_type().elem_type());
    break;
  case ::onnx::TypeProto::kMapType:
    out.kind = TypeInfo::Kind::Map;
    out.elem = declaredType(context, proto.map_type().key_type(), where);
    out.inner = inner(proto.map_type().value_type());
    break;
  case ::onnx::TypeProto::kOpaqueType:
    out.kind = TypeInfo::Kind::Opaque;
    break;
  case ::onnx::TypeProto::VALUE_NOT_SET:
    break;
  }
  return out;
}
