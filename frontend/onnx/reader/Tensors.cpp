//===- Tensors.cpp - From TensorProto to Tensor
//----------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Raw data, typed fields, external files and sparse tensors, in that order.
// Wherever the stored form is what Tensor::data promises, data is a view.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/reader/Tensors.h"

#include <bit>
#include <charconv>
#include <cstring>

using namespace smelt::onnx;
using ::onnx::TensorProto;

static_assert(std::endian::native == std::endian::little,
              "tensor data are little endian in files and in Tensor::data");

static std::string shapeText(std::span<const int64_t> dims, DType dtype) {
  std::string out(name(dtype));
  out += '[';
  for (size_t i = 0; i < dims.size(); ++i)
    out += (i ? "," : "") + std::to_string(dims[i]);
  return out + "]";
}

static std::span<const uint8_t> asBytes(const void *data, size_t size) {
  return {static_cast<const uint8_t *>(data), size};
}

/// A zeroed buffer that lives as long as the model; null over the budget.
static std::vector<uint8_t> *newBuffer(Context &context, uint64_t size,
                                       const Where &where) {
  if (context.budget.take(size))
    return &context.storage.buffers.emplace_back(size);
  context.diag.error(
      kExitMemory, "onnx.memory-budget", where,
      "the tensor needs " + std::to_string(size) + " bytes, " +
          std::to_string(context.budget.limit - context.budget.used) + " of " +
          std::to_string(context.budget.limit) + " are left");
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Packed elements
//===----------------------------------------------------------------------===//

/// Element `i` of elements of 2, 4 or 6 bits, first one in the low bits.
static uint8_t packedElement(std::span<const uint8_t> bytes, uint64_t i,
                             uint32_t bits) {
  uint64_t bit = i * bits;
  uint32_t window = bytes[bit / 8];
  if (bit % 8 + bits > 8)
    window |= uint32_t(bytes[bit / 8 + 1]) << 8;
  return uint8_t(window >> (bit % 8) & ((1u << bits) - 1));
}

static bool unpack(Context &context, std::span<const uint8_t> packed,
                   uint64_t count, const Where &where, Tensor &out) {
  std::vector<uint8_t> *buffer = newBuffer(context, count, where);
  if (!buffer)
    return false;
  uint32_t bits = storedBits(out.dtype);
  bool isSigned = out.dtype == DType::I4 || out.dtype == DType::I2;
  for (uint64_t i = 0; i < count; ++i) {
    uint8_t value = packedElement(packed, i, bits);
    if (isSigned && value >> (bits - 1))
      value |= uint8_t(0xff << bits);
    (*buffer)[i] = value;
  }
  out.data = *buffer;
  return true;
}

/// Takes `bytes` in the form of raw_data. Their size has been checked.
static bool takeRaw(Context &context, std::span<const uint8_t> bytes,
                    const Where &where, Tensor &out) {
  if (storedBits(out.dtype) < 8)
    return unpack(context, bytes, uint64_t(out.elements()), where, out);
  if (out.dtype == DType::Bool)
    for (uint8_t byte : bytes)
      if (byte > 1) {
        context.diag.invalid("onnx.bad-bool", where,
                             "found the byte " + std::to_string(byte) +
                                 " in a bool tensor, want 0 or 1");
        return false;
      }
  out.data = bytes;
  return true;
}

//===----------------------------------------------------------------------===//
// External data
//===----------------------------------------------------------------------===//

static bool buildExternal(Context &context, const TensorProto &proto,
                          const Where &where, uint64_t want, Tensor &out) {
  std::optional<std::string_view> location, offsetText, lengthText;
  for (const ::onnx::StringStringEntryProto &entry : proto.external_data()) {
    auto *slot = entry.key() == "location" ? &location
                 : entry.key() == "offset" ? &offsetText
                 : entry.key() == "length"
                     ? &lengthText
                     : nullptr; // checksum and producers' notes
    if (!slot)
      continue;
    if (*slot) {
      context.diag.invalid("onnx.external-location", where,
                           "external_data says " + quote(entry.key()) +
                               " twice, want once");
      return false;
    }
    *slot = entry.value();
  }
  auto number = [&](std::optional<std::string_view> text, const char *key,
                    const char *code, uint64_t &value) {
    if (!text)
      return true;
    const char *end = text->data() + text->size();
    auto [rest, error] = std::from_chars(text->data(), end, value);
    if (error == std::errc() && rest == end && value <= uint64_t(INT64_MAX))
      return true;
    context.diag.invalid(code, where,
                         "external_data has the " + std::string(key) + " " +
                             quote(*text) +
                             ", want a number from 0 to 2^63 - 1");
    return false;
  };
  uint64_t offset = 0, length = 0;
  if (!number(offsetText, "offset", "onnx.external-offset", offset) ||
      !number(lengthText, "length", "onnx.external-length", length))
    return false;
  if (!location) {
    context.diag.invalid("onnx.external-location", where,
                         "the tensor is external and says no location");
    return false;
  }

  auto known = context.storage.externalFiles.find(std::string(*location));
  if (known == context.storage.externalFiles.end()) {
    Result<MappedFile> mapped =
        mapExternalFile(context.localDir, *location, context.options.trustRoot);
    if (!mapped) {
      for (Error error : mapped.errors()) {
        error.path = where.str();
        context.diag.add(std::move(error));
      }
      return false;
    }
    known = context.storage.externalFiles
                .emplace(std::string(*location), std::move(*mapped))
                .first;
  }
  std::span<const uint8_t> file = known->second.bytes();
  std::string hint;
  if (guessContent(file) == "a git-lfs pointer")
    hint = quote(*location) +
           " is a git-lfs pointer: fetch the data with `git lfs pull`";
  if (offset > file.size()) {
    context.diag.invalid(
        "onnx.external-offset", where,
        "external data start at byte " + std::to_string(offset) + " of " +
            quote(*location) + ", which has " + std::to_string(file.size()),
        std::move(hint));
    return false;
  }
  if (!lengthText)
    length = file.size() - offset;
  if (length != want || length > file.size() - offset) {
    context.diag.invalid(
        "onnx.external-length", where,
        shapeText(out.dims, out.dtype) + " has " + std::to_string(want) +
            " bytes; external_data gives " + std::to_string(length) +
            " at byte " + std::to_string(offset) + " of " + quote(*location) +
            ", which has " + std::to_string(file.size()),
        std::move(hint));
    return false;
  }
  out.isExternal = true;
  return takeRaw(context, file.subspan(offset, length), where, out);
}

//===----------------------------------------------------------------------===//
// Typed fields
//===----------------------------------------------------------------------===//

namespace {
/// The least and greatest value of int32_data for a type.
struct Range {
  int32_t low, high;
};
} // namespace

static Range int32Range(DType dtype) {
  switch (dtype) {
  case DType::I8:
    return {INT8_MIN, INT8_MAX};
  case DType::I16:
    return {INT16_MIN, INT16_MAX};
  case DType::U16:
  case DType::F16:
  case DType::BF16:
    return {0, UINT16_MAX};
  case DType::Bool:
    return {0, 1};
  case DType::F6E2M3:
  case DType::F6E3M2:
    return {0, 63};
  default:
    return {0, UINT8_MAX};
  }
}

/// int32_data into elements of `width` bytes, or nothing after an error.
static std::vector<uint8_t> *narrow(Context &context, const TensorProto &proto,
                                    uint32_t width, const Where &where,
                                    DType dtype) {
  std::vector<uint8_t> *buffer =
      newBuffer(context, uint64_t(proto.int32_data_size()) * width, where);
  if (!buffer)
    return nullptr;
  Range range = int32Range(dtype);
  for (int i = 0; i < proto.int32_data_size(); ++i) {
    int32_t value = proto.int32_data(i);
    // Some producers write packed 4-bit pairs as signed bytes.
    bool fits = storedBits(dtype) < 6
                    ? value >= INT8_MIN && value <= UINT8_MAX
                    : value >= range.low && value <= range.high;
    if (!fits) {
      context.diag.invalid(
          "onnx.value-out-of-range", where,
          "int32_data[" + std::to_string(i) + "] is " + std::to_string(value) +
              ", want " + std::to_string(range.low) + " to " +
              std::to_string(range.high) + " for " + std::string(name(dtype)));
      return nullptr;
    }
    std::memcpy(buffer->data() + size_t(i) * width, &value, width);
  }
  return buffer;
}

/// Which typed field a type uses, and how many entries `count` elements take.
static int fieldOf(DType dtype, uint64_t &count) {
  switch (dtype) {
  case DType::C64:
    count *= 2;
    return TensorProto::kFloatDataFieldNumber;
  case DType::F32:
    return TensorProto::kFloatDataFieldNumber;
  case DType::C128:
    count *= 2;
    return TensorProto::kDoubleDataFieldNumber;
  case DType::F64:
    return TensorProto::kDoubleDataFieldNumber;
  case DType::I64:
    return TensorProto::kInt64DataFieldNumber;
  case DType::U32:
  case DType::U64:
    return TensorProto::kUint64DataFieldNumber;
  case DType::String:
    return TensorProto::kStringDataFieldNumber;
  case DType::U4:
  case DType::I4:
  case DType::F4E2M1:
    count = (count + 1) / 2;
    return TensorProto::kInt32DataFieldNumber;
  case DType::U2:
  case DType::I2:
    count = (count + 3) / 4;
    return TensorProto::kInt32DataFieldNumber;
  default:
    return TensorProto::kInt32DataFieldNumber;
  }
}

static bool takeTyped(Context &context, const TensorProto &proto,
                      const Where &where, Tensor &out) {
  switch (out.dtype) {
  case DType::F32:
  case DType::C64:
    out.data = asBytes(proto.float_data().data(), proto.float_data_size() * 4);
    return true;
  case DType::F64:
  case DType::C128:
    out.data =
        asBytes(proto.double_data().data(), proto.double_data_size() * 8);
    return true;
  case DType::I64:
    out.data = asBytes(proto.int64_data().data(), proto.int64_data_size() * 8);
    return true;
  case DType::I32:
    out.data = asBytes(proto.int32_data().data(), proto.int32_data_size() * 4);
    return true;
  case DType::U64:
    out.data =
        asBytes(proto.uint64_data().data(), proto.uint64_data_size() * 8);
    return true;
  case DType::U32: {
    std::vector<uint8_t> *buffer =
        newBuffer(context, uint64_t(proto.uint64_data_size()) * 4, where);
    if (!buffer)
      return false;
    for (int i = 0; i < proto.uint64_data_size(); ++i) {
      uint64_t value = proto.uint64_data(i);
      if (value > UINT32_MAX) {
        context.diag.invalid("onnx.value-out-of-range", where,
                             "uint64_data[" + std::to_string(i) + "] is " +
                                 std::to_string(value) +
                                 ", want 0 to 4294967295 for u32");
        return false;
      }
      uint32_t narrowed = uint32_t(value);
      std::memcpy(buffer->data() + size_t(i) * 4, &narrowed, 4);
    }
    out.data = *buffer;
    return true;
  }
  case DType::String: {
    if (!context.budget.take(uint64_t(proto.string_data_size()) * 16)) {
      context.diag.error(kExitMemory, "onnx.memory-budget", where,
                         "no memory is left for " +
                             std::to_string(proto.string_data_size()) +
                             " strings");
      return false;
    }
    out.strings = context.storage.textLists.emplace_back(
        proto.string_data().begin(), proto.string_data().end());
    return true;
  }
  default:
    break;
  }
  bool packed = storedBits(out.dtype) < 6;
  std::vector<uint8_t> *buffer =
      narrow(context, proto, elementBytes(out.dtype), where, out.dtype);
  if (!buffer)
    return false;
  out.data = *buffer;
  return !packed ||
         unpack(context, *buffer, uint64_t(out.elements()), where, out);
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

bool smelt::onnx::buildTensor(Context &context, const TensorProto &proto,
                              const Where &where, Tensor &out) {
  Diagnostics &diag = context.diag;
  out.name = checkedName(context, proto.name(), where, "tensor name");
  if (proto.data_type() < 1 || proto.data_type() > int32_t(DType::F6E3M2)) {
    diag.invalid("onnx.unknown-dtype", where,
                 "found data_type " + std::to_string(proto.data_type()) +
                     ", want 1 (float) to 28 (float6e3m2)");
    return false;
  }
  out.dtype = DType(proto.data_type());
  out.dims.assign(proto.dims().begin(), proto.dims().end());
  if (proto.has_segment()) {
    diag.invalid("onnx.segment", where,
                 "the tensor is one segment of several, want it whole");
    return false;
  }
  if (!checkDims(context, out.dims, where))
    return false;
  std::optional<uint64_t> want = denseBytes(out.dims, storedBits(out.dtype));
  if (!want) {
    diag.invalid("onnx.dims-overflow", where,
                 "the size of " + shapeText(out.dims, out.dtype) +
                     " is over 2^63 - 1 bytes");
    return false;
  }

  // One form of data, and the one that fits the type.
  struct Form {
    int field;
    const char *name;
    int size;
  };
  const Form forms[] = {
      {TensorProto::kFloatDataFieldNumber, "float_data",
       proto.float_data_size()},
      {TensorProto::kInt32DataFieldNumber, "int32_data",
       proto.int32_data_size()},
      {TensorProto::kStringDataFieldNumber, "string_data",
       proto.string_data_size()},
      {TensorProto::kInt64DataFieldNumber, "int64_data",
       proto.int64_data_size()},
      {TensorProto::kDoubleDataFieldNumber, "double_data",
       proto.double_data_size()},
      {TensorProto::kUint64DataFieldNumber, "uint64_data",
       proto.uint64_data_size()},
      {TensorProto::kRawDataFieldNumber, "raw_data",
       int(proto.raw_data().size())},
  };
  const Form *found = nullptr;
  for (const Form &form : forms) {
    if (!form.size)
      continue;
    if (found) {
      diag.invalid("onnx.two-data-fields", where,
                   "the tensor has both " + std::string(found->name) + " and " +
                       form.name + ", want one of them");
      return false;
    }
    found = &form;
  }
  if (proto.data_location() == TensorProto::EXTERNAL) {
    if (found) {
      diag.invalid("onnx.two-data-fields", where,
                   "the tensor is external and has " +
                       std::string(found->name) + ", want one of them");
      return false;
    }
    if (out.dtype == DType::String) {
      diag.invalid(
          "onnx.wrong-data-field", where,
          "a string tensor is external, want its elements in string_data");
      return false;
    }
    return buildExternal(context, proto, where, *want, out);
  }

  uint64_t entries = uint64_t(out.elements());
  int field = fieldOf(out.dtype, entries);
  bool isString = out.dtype == DType::String;
  bool raw =
      !isString && (!found || found->field == TensorProto::kRawDataFieldNumber);
  if (found && !raw && found->field != field) {
    diag.invalid("onnx.wrong-data-field", where,
                 "the elements of a tensor of " + std::string(name(out.dtype)) +
                     " lie in " + found->name);
    return false;
  }
  if (raw) {
    if (proto.raw_data().size() != *want) {
      diag.invalid("onnx.data-size", where,
                   shapeText(out.dims, out.dtype) + " has " +
                       std::to_string(*want) + " bytes, found " +
                       std::to_string(proto.raw_data().size()));
      return false;
    }
    return takeRaw(context,
                   asBytes(proto.raw_data().data(), proto.raw_data().size()),
                   where, out);
  }
  uint64_t size = found ? uint64_t(found->size) : 0;
  if (size != entries) {
    diag.invalid("onnx.data-size", where,
                 shapeText(out.dims, out.dtype) + " takes " +
                     std::to_string(entries) + " entries of " +
                     (found ? found->name : "string_data") + ", found " +
                     std::to_string(size));
    return false;
  }
  return takeTyped(context, proto, where, out);
}

bool smelt::onnx::buildSparse(Context &context,
                              const ::onnx::SparseTensorProto &proto,
                              const Where &where, Tensor &out) {
  Diagnostics &diag = context.diag;
  Tensor values, indices;
  if (!buildTensor(context, proto.values(), where, values) ||
      !buildTensor(context, proto.indices(), where, indices))
    return false;
  out.name = values.name;
  out.dtype = values.dtype;
  out.isSparse = true;
  out.isExternal = values.isExternal;
  out.dims.assign(proto.dims().begin(), proto.dims().end());
  if (!checkDims(context, out.dims, where))
    return false;
  std::optional<uint64_t> bytes =
      denseBytes(out.dims, elementBytes(out.dtype) * 8);
  if (!bytes) {
    diag.invalid("onnx.dims-overflow", where,
                 "the size of " + shapeText(out.dims, out.dtype) +
                     " is over 2^63 - 1 bytes");
    return false;
  }
  int64_t count = values.dims.size() == 1 ? values.dims[0] : -1;
  int64_t rank = int64_t(out.dims.size());
  bool linear = indices.dims.size() == 1 && indices.dims[0] == count;
  bool tuples = indices.dims.size() == 2 && indices.dims[0] == count &&
                indices.dims[1] == rank;
  if (count < 0 || indices.dtype != DType::I64 || (!linear && !tuples) ||
      out.dtype == DType::String) {
    diag.invalid("onnx.sparse-shape", where,
                 "found values " + shapeText(values.dims, values.dtype) +
                     " and indices " + shapeText(indices.dims, indices.dtype) +
                     ", want numbers [n] and i64[n] or i64[n," +
                     std::to_string(rank) + "]");
    return false;
  }
  std::vector<uint8_t> *buffer = newBuffer(context, *bytes, where);
  if (!buffer)
    return false;
  int64_t elements = out.elements(), previous = -1;
  uint32_t width = elementBytes(out.dtype);
  for (int64_t i = 0; i < count; ++i) {
    int64_t position = 0;
    bool inside = true;
    if (linear) {
      std::memcpy(&position, indices.data.data() + i * 8, 8);
      inside = position >= 0 && position < elements;
    } else {
      for (int64_t d = 0; d < rank; ++d) {
        int64_t index;
        std::memcpy(&index, indices.data.data() + (i * rank + d) * 8, 8);
        inside &= index >= 0 && index < out.dims[d];
        if (inside)
          position = position * out.dims[d] + index;
      }
      inside &= elements > 0;
    }
    if (!inside || position <= previous) {
      diag.invalid("onnx.sparse-index", where,
                   "index " + std::to_string(i) +
                       " is out of range or out of order, want "
                       "ascending positions in " +
                       shapeText(out.dims, out.dtype));
      return false;
    }
    previous = position;
    std::memcpy(buffer->data() + position * width,
                values.data.data() + i * width, width);
  }
  out.data = *buffer;
  return true;
}
