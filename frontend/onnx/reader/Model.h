//===- Model.h - An ONNX model as plain structs
//----------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the importer walks: a checked model without protobuf types. Every
// string_view, span and pointer points into memory that Model::storage owns,
// so Node and Attribute are cheap to copy and the Model is the only thing to
// keep alive. Reader.h fills these structs; test/frontend/reader/ checks them.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_FRONTEND_ONNX_READER_MODEL_H
#define SMELT_FRONTEND_ONNX_READER_MODEL_H

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace smelt::onnx {

/// Element types, with the numbers of ONNX's TensorProto.DataType.
enum class DType : int32_t {
  Undefined = 0,
  F32 = 1,
  U8 = 2,
  I8 = 3,
  U16 = 4,
  I16 = 5,
  I32 = 6,
  I64 = 7,
  String = 8,
  Bool = 9,
  F16 = 10,
  F64 = 11,
  U32 = 12,
  U64 = 13,
  C64 = 14,
  C128 = 15,
  BF16 = 16,
  F8E4M3FN = 17,
  F8E4M3FNUZ = 18,
  F8E5M2 = 19,
  F8E5M2FNUZ = 20,
  U4 = 21,
  I4 = 22,
  F4E2M1 = 23,
  F8E8M0 = 24,
  U2 = 25,
  I2 = 26,
  F6E2M3 = 27,
  F6E3M2 = 28,
};

/// "f32", "i4", …; "undefined" for what is none of ONNX's types.
std::string_view name(DType dtype);
/// Bytes of one element in Tensor::data; 0 for String and Undefined. Types of
/// less than 8 bits take one byte each.
uint32_t elementBytes(DType dtype);
/// Bits of one element in the file: 4 for I4, 1 byte for Bool, 0 for String.
uint32_t storedBits(DType dtype);

struct Dim {
  enum class Kind : uint8_t { Unknown, Value, Param };
  Kind kind = Kind::Unknown;
  int64_t value = 0;      // Value: 0..2^40
  std::string_view param; // Param: a symbol, the same one everywhere
};

struct TypeInfo {
  enum class Kind : uint8_t {
    None,
    Tensor,
    SparseTensor,
    Sequence,
    Optional,
    Map,
    Opaque
  };
  Kind kind = Kind::None;        // None: the model states no type
  DType elem = DType::Undefined; // Tensor, SparseTensor; the key type of a Map
  bool ranked = false;           // false: no shape stated, dims is empty
  std::vector<Dim> dims;
  const TypeInfo *inner =
      nullptr; // element of Sequence and Optional, value of Map
};

struct ValueInfo {
  std::string_view name;
  TypeInfo type;
};

/// A constant. `data` holds exactly elements() × elementBytes(dtype) bytes,
/// little endian, dense and row-major, whatever form the file used: typed
/// fields, packed 2-, 4- and 6-bit elements (here one byte each, i2 and i4
/// sign-extended), external files and sparse tensors are all resolved. Large
/// data are views into mapped files, of any alignment: use memcpy.
struct Tensor {
  std::string_view name;
  DType dtype = DType::Undefined;
  std::vector<int64_t> dims;
  std::span<const uint8_t> data;
  std::span<const std::string_view> strings; // String only; then data is empty
  bool isExternal = false;                   // came from another file
  bool isSparse = false;                     // was a SparseTensorProto
  int64_t elements() const; // the product of dims; never overflows
};

struct Graph;

/// ONNX's AttributeProto.AttributeType.
enum class AttrKind : int32_t {
  Undefined = 0,
  Float = 1,
  Int = 2,
  String = 3,
  Tensor = 4,
  Graph = 5,
  Floats = 6,
  Ints = 7,
  Strings = 8,
  Tensors = 9,
  Graphs = 10,
  SparseTensor = 11,
  SparseTensors = 12,
  TypeProto = 13,
  TypeProtos = 14,
};
std::string_view name(AttrKind kind);

/// Only the members of `kind` are set. Sparse tensors come as dense ones, so a
/// SparseTensor attribute uses `tensor` too.
struct Attribute {
  std::string_view name;
  AttrKind kind = AttrKind::Undefined;
  int64_t i = 0;
  float f = 0;
  std::string_view s;
  const Tensor *tensor = nullptr;
  Graph *graph = nullptr;
  const TypeInfo *typeProto = nullptr;
  std::span<const int64_t> ints;
  std::span<const float> floats;
  std::span<const std::string_view> strings;
  std::span<const Tensor *const> tensors;
  std::span<Graph *const> graphs;
  std::span<const TypeInfo *const> typeProtos;
  std::string_view
      refAttrName; // inside functions only; none is left by inlineFunctions
};

/// A link in the chain from a node to the model's root: a graph, or a function
/// call that was inlined. Kept as links because full paths of a hostile model
/// would take gigabytes.
struct Scope {
  const Scope *parent = nullptr;
  std::string label; // "main", "Loop_12.body", "Gelu_3"
};

struct Node {
  std::string_view name; // may be empty
  std::string_view opType;
  std::string_view domain; // "" for ai.onnx
  std::string_view overload;
  int64_t opset = 0; // the version of `domain` in force here; 0: not imported
  std::vector<std::string_view> inputs, outputs; // "" is an omitted one
  std::vector<Attribute> attributes;
  uint32_t index = 0; // place in its graph in the file
  const Scope *scope = nullptr;

  /// The name, or OpType_index for a node without one.
  std::string label() const;
  /// The full path, such as `main/Loop_12.body/MatMul_7`.
  std::string path() const;
  const Attribute *attribute(std::string_view name) const;
};

/// Nodes are in topological order. Every name is defined once in its graph;
/// a subgraph sees the names of the graphs around it, its own ones first.
struct Graph {
  std::string_view name;
  std::vector<Node> nodes;
  std::vector<ValueInfo> inputs, outputs, valueInfos;
  std::vector<Tensor>
      initializers; // may share a name with an input (a default)
  const Scope *scope = nullptr;
};

struct OpsetImport {
  std::string_view domain; // "" for ai.onnx
  int64_t version = 0;
};

struct Function {
  std::string_view name, domain, overload;
  std::vector<std::string_view> inputs, outputs;
  std::vector<std::string_view> attributes; // those without a default
  std::vector<Attribute> defaults;          // those with one
  std::vector<OpsetImport> opsets;
  Graph body; // nodes and valueInfos; inputs and outputs carry names only
};

/// Something wrong in a file that its users rely on, and that was put right.
struct Warning {
  std::string code, message, path; // as of an Error
};

class Storage; // the parsed file, mapped external files, converted data

struct Model {
  int64_t irVersion = 0;
  std::string_view producer, producerVersion, domain;
  int64_t modelVersion = 0;
  std::vector<OpsetImport> opsets; // one per domain
  std::vector<std::pair<std::string_view, std::string_view>> metadata;
  Graph graph;
  std::vector<Function> functions; // emptied by inlineFunctions
  std::vector<Warning> warnings;   // to be shown to the user
  std::string file;                // the path as given
  std::string localDir;            // its folder: the root of external data
  std::shared_ptr<Storage> storage;

  /// The version of a domain ("" or "ai.onnx" is the standard one).
  std::optional<int64_t> opset(std::string_view domain) const;
  /// A copy of `text` that lives as long as the model.
  std::string_view intern(std::string text);
};

} // namespace smelt::onnx

#endif // SMELT_FRONTEND_ONNX_READER_MODEL_H
