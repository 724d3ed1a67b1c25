//===- Wire.cpp - Checking the wire format before protobuf sees it
//---------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A table of all messages of the format with the fields that matter, and a
// walker driven by it. Fields that the table leaves out are numbers, and
// strings skipped by their length, as protobuf does. Unlike protobuf it refuses
// a second value of a singular message or data field: merging is where two
// parsers of one file come to disagree.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/reader/Wire.h"

#include "onnx-ml.pb.h"

#include <cstring>

using namespace smelt::onnx;

namespace {

enum class Msg : uint8_t {
  Model,
  Graph,
  Node,
  Attr,
  Tensor,
  Sparse,
  Value,
  Type,
  TypeTensor,
  TypeHolder,
  Shape,
  Dim,
  Function,
  Opset,
  Entry,
  Annotation,
  Training,
  Opaque,
  Segment,
  Device,
  NodeDevice,
  Sharding,
  ShardingMap,
  ShardedDim,
  SimpleDim,
  None
};

enum class Shape : uint8_t {
  Sub,    // a message of the table
  Bytes,  // a string
  Varint, // one or many, packed or not
  Fixed32,
  Fixed64,
};

struct Field {
  uint8_t number;
  Shape shape;
  std::string_view name;
  Msg sub = Msg::None;
  bool once = false;
};

struct Message {
  uint32_t memory; // of one message: protobuf's object, ours, a pointer to it
  const Field *fields[32] = {}; // by number

  constexpr Message(size_t memory, std::span<const Field> list)
      : memory(uint32_t(memory)) {
    for (const Field &field : list)
      fields[field.number] = &field;
  }
};

/// Where the walker is, for messages; lives on the stack.
struct Frame {
  const Frame *parent;
  std::string_view field;
  uint32_t index;
};

} // namespace

static constexpr Field kModel[] = {
    {8, Shape::Sub, "opset_import", Msg::Opset},
    {7, Shape::Sub, "graph", Msg::Graph, true},
    {14, Shape::Sub, "metadata_props", Msg::Entry},
    {20, Shape::Sub, "training_info", Msg::Training},
    {25, Shape::Sub, "functions", Msg::Function},
    {26, Shape::Sub, "configuration", Msg::Device},
    {1, Shape::Varint, "ir_version"},
};
static constexpr Field kGraph[] = {
    {1, Shape::Sub, "node", Msg::Node},
    {2, Shape::Bytes, "name"},
    {5, Shape::Sub, "initializer", Msg::Tensor},
    {15, Shape::Sub, "sparse_initializer", Msg::Sparse},
    {11, Shape::Sub, "input", Msg::Value},
    {12, Shape::Sub, "output", Msg::Value},
    {13, Shape::Sub, "value_info", Msg::Value},
    {14, Shape::Sub, "quantization_annotation", Msg::Annotation},
    {16, Shape::Sub, "metadata_props", Msg::Entry},
};
static constexpr Field kNode[] = {
    {1, Shape::Bytes, "input"},
    {2, Shape::Bytes, "output"},
    {3, Shape::Bytes, "name"},
    {4, Shape::Bytes, "op_type"},
    {5, Shape::Sub, "attribute", Msg::Attr},
    {9, Shape::Sub, "metadata_props", Msg::Entry},
    {10, Shape::Sub, "device_configurations", Msg::NodeDevice},
};
static constexpr Field kAttr[] = {
    {1, Shape::Bytes, "name"},
    {2, Shape::Fixed32, "f"},
    {3, Shape::Varint, "i"},
    {4, Shape::Bytes, "s"},
    {5, Shape::Sub, "t", Msg::Tensor, true},
    {6, Shape::Sub, "g", Msg::Graph, true},
    {22, Shape::Sub, "sparse_tensor", Msg::Sparse, true},
    {14, Shape::Sub, "tp", Msg::Type, true},
    {7, Shape::Fixed32, "floats"},
    {8, Shape::Varint, "ints"},
    {9, Shape::Bytes, "strings"},
    {10, Shape::Sub, "tensors", Msg::Tensor},
    {11, Shape::Sub, "graphs", Msg::Graph},
    {23, Shape::Sub, "sparse_tensors", Msg::Sparse},
    {15, Shape::Sub, "type_protos", Msg::Type},
};
static constexpr Field kTensor[] = {
    {1, Shape::Varint, "dims"},
    {3, Shape::Sub, "segment", Msg::Segment, true},
    {4, Shape::Fixed32, "float_data"},
    {5, Shape::Varint, "int32_data"},
    {6, Shape::Bytes, "string_data"},
    {7, Shape::Varint, "int64_data"},
    {8, Shape::Bytes, "name"},
    {9, Shape::Bytes, "raw_data", Msg::None, true},
    {13, Shape::Sub, "external_data", Msg::Entry},
    {10, Shape::Fixed64, "double_data"},
    {11, Shape::Varint, "uint64_data"},
    {16, Shape::Sub, "metadata_props", Msg::Entry},
};
static constexpr Field kSparse[] = {
    {1, Shape::Sub, "values", Msg::Tensor, true},
    {2, Shape::Sub, "indices", Msg::Tensor, true},
    {3, Shape::Varint, "dims"},
};
static constexpr Field kValue[] = {
    {1, Shape::Bytes, "name"},
    {2, Shape::Sub, "type", Msg::Type, true},
    {4, Shape::Sub, "metadata_props", Msg::Entry},
};
static constexpr Field kType[] = {
    {1, Shape::Sub, "tensor_type", Msg::TypeTensor, true},
    {4, Shape::Sub, "sequence_type", Msg::TypeHolder, true},
    {5, Shape::Sub, "map_type", Msg::TypeHolder, true},
    {9, Shape::Sub, "optional_type", Msg::TypeHolder, true},
    {8, Shape::Sub, "sparse_tensor_type", Msg::TypeTensor, true},
    {7, Shape::Sub, "opaque_type", Msg::Opaque, true},
};
static constexpr Field kTypeTensor[] = {
    {2, Shape::Sub, "shape", Msg::Shape, true},
};
// Sequence and Optional keep their element at 1; Map its key, a varint, at 1
// and its value at 2. One entry serves the three: 1 is walked when it is a
// message.
static constexpr Field kTypeHolder[] = {
    {1, Shape::Sub, "elem_type", Msg::Type},
    {2, Shape::Sub, "value_type", Msg::Type, true},
};
static constexpr Field kShape[] = {{1, Shape::Sub, "dim", Msg::Dim}};
static constexpr Field kDim[] = {{2, Shape::Bytes, "dim_param"}};
static constexpr Field kFunction[] = {
    {4, Shape::Bytes, "input"},
    {5, Shape::Bytes, "output"},
    {6, Shape::Bytes, "attribute"},
    {11, Shape::Sub, "attribute_proto", Msg::Attr},
    {7, Shape::Sub, "node", Msg::Node},
    {9, Shape::Sub, "opset_import", Msg::Opset},
    {12, Shape::Sub, "value_info", Msg::Value},
    {14, Shape::Sub, "metadata_props", Msg::Entry},
};
static constexpr Field kAnnotation[] = {
    {2, Shape::Sub, "quant_parameter_tensor_names", Msg::Entry}};
static constexpr Field kTraining[] = {
    {1, Shape::Sub, "initialization", Msg::Graph, true},
    {2, Shape::Sub, "algorithm", Msg::Graph, true},
    {3, Shape::Sub, "initialization_binding", Msg::Entry},
    {4, Shape::Sub, "update_binding", Msg::Entry},
};

// Where a model is to run; parsed with the rest, and not used.
static constexpr Field kDevice[] = {{1, Shape::Bytes, "name"},
                                    {3, Shape::Bytes, "device"}};
static constexpr Field kNodeDevice[] = {
    {1, Shape::Bytes, "configuration_id"},
    {2, Shape::Sub, "sharding_spec", Msg::Sharding},
};
static constexpr Field kSharding[] = {
    {1, Shape::Bytes, "tensor_name"},
    {2, Shape::Varint, "device"},
    {3, Shape::Sub, "index_to_device_group_map", Msg::ShardingMap},
    {4, Shape::Sub, "sharded_dim", Msg::ShardedDim},
};
static constexpr Field kShardingMap[] = {{2, Shape::Varint, "value"}};
static constexpr Field kShardedDim[] = {
    {2, Shape::Sub, "simple_sharding", Msg::SimpleDim}};
static constexpr Field kSimpleDim[] = {{2, Shape::Bytes, "dim_param"}};

static const Message &message(Msg msg) {
  namespace pb = ::onnx;
  // The second summand is what Build.cpp makes of it, with hash-table entries.
  static constexpr Message table[] = {
      {sizeof(pb::ModelProto), kModel},
      {sizeof(pb::GraphProto) + sizeof(Graph) + 256, kGraph},
      {sizeof(pb::NodeProto) + sizeof(Node) + 64, kNode},
      {sizeof(pb::AttributeProto) + sizeof(Attribute) + 64, kAttr},
      {sizeof(pb::TensorProto) + sizeof(Tensor) + 128, kTensor},
      {sizeof(pb::SparseTensorProto) + 64, kSparse},
      {sizeof(pb::ValueInfoProto) + sizeof(ValueInfo) + 128, kValue},
      {sizeof(pb::TypeProto) + sizeof(TypeInfo) + 16, kType},
      {sizeof(pb::TypeProto_Tensor) + 16, kTypeTensor},
      {sizeof(pb::TypeProto_Map) + 16, kTypeHolder},
      {sizeof(pb::TensorShapeProto) + 16, kShape},
      {sizeof(pb::TensorShapeProto_Dimension) + sizeof(Dim) + 16, kDim},
      {sizeof(pb::FunctionProto) + sizeof(Function) + 256, kFunction},
      {sizeof(pb::OperatorSetIdProto) + sizeof(OpsetImport) + 80, {}},
      {sizeof(pb::StringStringEntryProto) + 112, {}},
      {sizeof(pb::TensorAnnotation) + 16, kAnnotation},
      {sizeof(pb::TrainingInfoProto) + 16, kTraining},
      {sizeof(pb::TypeProto_Opaque) + 16, {}},
      {sizeof(pb::TensorProto_Segment) + 16, {}},
      {sizeof(pb::DeviceConfigurationProto) + 16, kDevice},
      {sizeof(pb::NodeDeviceConfigurationProto) + 16, kNodeDevice},
      {sizeof(pb::ShardingSpecProto) + 16, kSharding},
      {sizeof(pb::IntIntListEntryProto) + 16, kShardingMap},
      {sizeof(pb::ShardedDimProto) + 16, kShardedDim},
      {sizeof(pb::SimpleShardedDimProto) + 16, kSimpleDim},
  };
  return table[size_t(msg)];
}

/// Of a string: its object, and a share of our views and hash tables.
static constexpr uint64_t kStringMemory = sizeof(std::string) + 16 + 96;
/// Of a number that comes alone: arrays grow by doubling, and an arena keeps
/// what they grew out of.
static constexpr uint64_t kNumberMemory = 32;

namespace {

class Scanner {
public:
  Scanner(std::span<const uint8_t> bytes, const Limits &limits)
      : bytes(bytes), limits(limits) {}

  Result<WireFacts> run() {
    Frame root = {nullptr, "model", 0};
    if (!walk(Msg::Model, 0, bytes.size(), 0, root))
      return error;
    return facts;
  }

private:
  bool fail(size_t at, const Frame &frame, std::string code, std::string text) {
    error.code = std::move(code);
    error.offset = int64_t(at);
    error.message = "in " + describe(&frame) + ": " + text;
    return false;
  }
  static std::string describe(const Frame *frame) {
    std::vector<const Frame *> chain;
    for (; frame; frame = frame->parent)
      chain.push_back(frame);
    std::string out;
    // The ends tell enough of a chain of a hundred.
    for (size_t i = chain.size(); i-- > 0;) {
      if (chain.size() > 12 && i == chain.size() - 7) {
        out += "...";
        i = 5;
        continue;
      }
      out += std::string(out.empty() ? "" : ".") + std::string(chain[i]->field);
      if (chain[i]->index)
        out += "[" + std::to_string(chain[i]->index - 1) + "]";
    }
    return out;
  }

  /// Tags and lengths take at most 5 bytes, other numbers 10.
  bool varint(size_t &at, size_t end, const Frame &frame, uint64_t &value,
              unsigned most = 10) {
    size_t start = at;
    value = 0;
    for (unsigned shift = 0; shift < 7 * most; shift += 7) {
      if (at >= end)
        return fail(start, frame, "onnx.truncated",
                    "a number runs past the end of its message");
      uint8_t byte = bytes[at++];
      if (shift == 63 && byte > 1)
        break;
      value |= uint64_t(byte & 0x7f) << shift;
      if (!(byte & 0x80))
        return true;
    }
    return fail(start, frame, "onnx.bad-varint",
                "found a number of more than " + std::to_string(most) +
                    " bytes or 64 bits");
  }

  bool walk(Msg msg, size_t at, size_t end, uint32_t depth, const Frame &frame);
  bool value(const Field *field, uint32_t wire, size_t &at, size_t end,
             uint32_t depth, const Frame &frame, uint32_t *counts,
             uint64_t &seen, size_t tagAt);
  /// Counts the numbers of a packed field.
  bool packed(const Field &field, size_t at, size_t end, const Frame &frame);

  std::span<const uint8_t> bytes;
  const Limits &limits;
  WireFacts facts;
  Error error;
};

} // namespace

bool Scanner::packed(const Field &field, size_t at, size_t end,
                     const Frame &frame) {
  size_t size = end - at;
  if (field.shape != Shape::Varint) {
    unsigned width = field.shape == Shape::Fixed32 ? 4 : 8;
    if (size % width)
      return fail(at, frame, "onnx.wrong-wire-type",
                  "packed " + std::string(field.name) + " has " +
                      std::to_string(size) + " bytes, want a multiple of " +
                      std::to_string(width));
    facts.memory += size;
    return true;
  }
  // Every byte with the top bit clear ends a number.
  uint64_t count = 0;
  size_t start = at;
  for (size_t i = at; i < end; ++i) {
    if (bytes[i] < 0x80) {
      ++count;
      start = i + 1;
    } else if (i - start >= 9) {
      break;
    }
  }
  if (start != end)
    return fail(start, frame, "onnx.bad-varint",
                "a number in packed " + std::string(field.name) +
                    " has no end");
  facts.memory += kNumberMemory * count;
  return true;
}

bool Scanner::value(const Field *field, uint32_t wire, size_t &at, size_t end,
                    uint32_t depth, const Frame &frame, uint32_t *counts,
                    uint64_t &seen, size_t tagAt) {
  auto wrong = [&] {
    static constexpr std::string_view wants[] = {
        "2 (bytes)", "2 (bytes)", "0 (varint) or 2 (packed)",
        "5 (32 bits) or 2 (packed)", "1 (64 bits) or 2 (packed)"};
    return fail(tagAt, frame, "onnx.wrong-wire-type",
                std::string(field->name) + " has wire type " +
                    std::to_string(wire) + ", want " +
                    std::string(wants[size_t(field->shape)]));
  };
  if (wire == 0) {
    uint64_t ignored;
    facts.memory += kNumberMemory;
    if (!varint(at, end, frame, ignored))
      return false;
    bool mapKey = field && field->name == "elem_type";
    return !field || field->shape == Shape::Varint || mapKey || wrong();
  }
  if (wire == 1 || wire == 5) {
    size_t width = wire == 1 ? 8 : 4;
    if (end - at < width)
      return fail(tagAt, frame, "onnx.truncated",
                  "a fixed-width number runs past the end of its message");
    at += width;
    facts.memory += kNumberMemory;
    return !field ||
           field->shape == (wire == 1 ? Shape::Fixed64 : Shape::Fixed32) ||
           wrong();
  }
  if (wire != 2)
    return fail(tagAt, frame, "onnx.wrong-wire-type",
                "found wire type " + std::to_string(wire) +
                    ", want 0 (varint), 1 (64 bits), 2 (bytes) or 5 (32 bits)");

  uint64_t size;
  if (!varint(at, end, frame, size, 5))
    return false;
  if (size > end - at)
    return fail(tagAt, frame, "onnx.truncated",
                std::string(field ? field->name : "a field") + " says it has " +
                    std::to_string(size) + " bytes, its message has " +
                    std::to_string(end - at) + " left");
  size_t start = at;
  at += size;
  if (!field) { // kept as unknown, or a string we don't use
    facts.memory += size + kStringMemory;
    return true;
  }
  if (field->once) {
    if (seen >> field->number & 1)
      return fail(tagAt, frame, "onnx.repeated-field",
                  "found a second " + std::string(field->name) + ", want one");
    seen |= uint64_t(1) << field->number;
  }
  switch (field->shape) {
  case Shape::Bytes:
    facts.memory += size + kStringMemory;
    return true;
  case Shape::Sub: {
    Frame inner = {&frame, field->name, field->once ? 0 : ++*counts};
    return walk(field->sub, start, at, depth + 1, inner);
  }
  default:
    return packed(*field, start, at, frame);
  }
}

bool Scanner::walk(Msg msg, size_t at, size_t end, uint32_t depth,
                   const Frame &frame) {
  if (depth > limits.messageDepth)
    return fail(at, frame, "onnx.nesting-depth",
                "messages nest more than " +
                    std::to_string(limits.messageDepth) + " deep");
  const Message &kind = message(msg);
  facts.memory += kind.memory;
  if (msg == Msg::Node && ++facts.nodes > limits.nodes)
    return fail(at, frame, "onnx.too-many-nodes",
                "the model has more than " + std::to_string(limits.nodes) +
                    " nodes");
  uint32_t counts[32] = {}; // by field number
  uint64_t seen = 0;
  while (at < end) {
    size_t tagAt = at;
    uint64_t tag;
    if (!varint(at, end, frame, tag, 5))
      return false;
    if (tag >> 32 || tag >> 3 == 0)
      return fail(tagAt, frame, "onnx.bad-tag",
                  "found field number " + std::to_string(tag >> 3) +
                      ", want 1 to 2^29 - 1");
    const Field *field = tag >> 3 < 32 ? kind.fields[tag >> 3] : nullptr;
    if (!value(field, tag & 7, at, end, depth, frame, &counts[tag >> 3 & 31],
               seen, tagAt))
      return false;
  }
  return true;
}

Result<WireFacts> smelt::onnx::scanModel(std::span<const uint8_t> bytes,
                                         const Limits &limits) {
  return Scanner(bytes, limits).run();
}
