//===- Model.cpp - Small queries on a Model
//--------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Names and sizes of element types, labels and paths of nodes.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/reader/Model.h"
#include "frontend/onnx/reader/Storage.h"

using namespace smelt::onnx;

namespace {
struct TypeFacts {
  std::string_view name;
  uint32_t bits;  // in the file
  uint32_t bytes; // in Tensor::data
};
} // namespace

static const TypeFacts &facts(DType dtype) {
  static constexpr TypeFacts table[] = {
      {"undefined", 0, 0},  {"f32", 32, 4},   {"u8", 8, 1},
      {"i8", 8, 1},         {"u16", 16, 2},   {"i16", 16, 2},
      {"i32", 32, 4},       {"i64", 64, 8},   {"string", 0, 0},
      {"bool", 8, 1},       {"f16", 16, 2},   {"f64", 64, 8},
      {"u32", 32, 4},       {"u64", 64, 8},   {"c64", 64, 8},
      {"c128", 128, 16},    {"bf16", 16, 2},  {"f8e4m3fn", 8, 1},
      {"f8e4m3fnuz", 8, 1}, {"f8e5m2", 8, 1}, {"f8e5m2fnuz", 8, 1},
      {"u4", 4, 1},         {"i4", 4, 1},     {"f4e2m1", 4, 1},
      {"f8e8m0", 8, 1},     {"u2", 2, 1},     {"i2", 2, 1},
      {"f6e2m3", 6, 1},     {"f6e3m2", 6, 1},
  };
  size_t i = size_t(dtype);
  return table[i < std::size(table) ? i : 0];
}

std::string_view smelt::onnx::name(DType dtype) { return facts(dtype).name; }
uint32_t smelt::onnx::elementBytes(DType dtype) { return facts(dtype).bytes; }
uint32_t smelt::onnx::storedBits(DType dtype) { return facts(dtype).bits; }

std::string_view smelt::onnx::name(AttrKind kind) {
  static constexpr std::string_view names[] = {
      "undefined",      "float",   "int",    "string",
      "tensor",         "graph",   "floats", "ints",
      "strings",        "tensors", "graphs", "sparse tensor",
      "sparse tensors", "type",    "types"};
  size_t i = size_t(kind);
  return names[i < std::size(names) ? i : 0];
}

int64_t Tensor::elements() const {
  int64_t product = 1;
  for (int64_t dim : dims)
    product *= dim; // the reader has checked that this fits
  return product;
}

std::string Node::label() const {
  if (!name.empty())
    return std::string(name);
  return std::string(opType) + "_" + std::to_string(index);
}

std::string Node::path() const { return pathOf(scope) + "/" + label(); }

const Attribute *Node::attribute(std::string_view name) const {
  for (const Attribute &attribute : attributes)
    if (attribute.name == name)
      return &attribute;
  return nullptr;
}

std::optional<int64_t> Model::opset(std::string_view domain) const {
  if (domain == "ai.onnx")
    domain = {};
  for (const OpsetImport &import : opsets)
    if (import.domain == domain)
      return import.version;
  return std::nullopt;
}

std::string_view Model::intern(std::string text) {
  return storage->intern(std::move(text));
}
