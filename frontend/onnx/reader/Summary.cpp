//===- Summary.cpp - The data behind `smelt inspect model.onnx`
//------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One walk over all graphs. Constants held by Constant nodes count as
// parameters, since many exporters keep all weights there.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/reader/Summary.h"
#include "frontend/onnx/reader/Diagnostics.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_set>

using namespace smelt::onnx;

std::string smelt::onnx::typeText(const TypeInfo &type) {
  auto inner = [&] {
    return type.inner ? typeText(*type.inner) : std::string("?");
  };
  switch (type.kind) {
  case TypeInfo::Kind::None:
    return "?";
  case TypeInfo::Kind::Opaque:
    return "opaque";
  case TypeInfo::Kind::Sequence:
    return "seq(" + inner() + ")";
  case TypeInfo::Kind::Optional:
    return "optional(" + inner() + ")";
  case TypeInfo::Kind::Map:
    return "map(" + std::string(name(type.elem)) + "," + inner() + ")";
  case TypeInfo::Kind::Tensor:
  case TypeInfo::Kind::SparseTensor:
    break;
  }
  std::string out = type.kind == TypeInfo::Kind::SparseTensor ? "sparse " : "";
  out += name(type.elem);
  if (!type.ranked)
    return out + "[*]";
  out += '[';
  for (size_t i = 0; i < type.dims.size(); ++i) {
    const Dim &dim = type.dims[i];
    out += i ? "," : "";
    out += dim.kind == Dim::Kind::Value   ? std::to_string(dim.value)
           : dim.kind == Dim::Kind::Param ? std::string(dim.param)
                                          : "?";
  }
  return out + "]";
}

std::string smelt::onnx::typeText(const Tensor &tensor) {
  std::string out(name(tensor.dtype));
  out += '[';
  for (size_t i = 0; i < tensor.dims.size(); ++i)
    out += (i ? "," : "") + std::to_string(tensor.dims[i]);
  return out + "]";
}

namespace {

class Walker {
public:
  explicit Walker(Summary &out) : out(out) {}
  void graph(const Graph &graph);
  void finish();

private:
  void tensor(const Tensor &tensor);

  Summary &out;
  std::map<std::tuple<std::string_view, std::string_view, int64_t>, int64_t>
      ops;
  std::map<DType, TypeSummary> constants;
};

} // namespace

void Walker::tensor(const Tensor &tensor) {
  TypeSummary &type = constants[tensor.dtype];
  int64_t bytes = int64_t(tensor.data.size());
  for (std::string_view text : tensor.strings)
    bytes += int64_t(text.size());
  type.dtype = tensor.dtype;
  ++type.tensors;
  type.elements += tensor.elements();
  type.bytes += bytes;
  out.parameters += tensor.elements();
  out.parameterBytes += bytes;
  if (tensor.isExternal)
    out.externalBytes += bytes;
}

void Walker::graph(const Graph &graph) {
  for (const Tensor &initializer : graph.initializers)
    tensor(initializer);
  for (const Node &node : graph.nodes) {
    ++out.nodes;
    ++ops[{node.domain, node.opType, node.opset}];
    for (const Attribute &attribute : node.attributes) {
      if (attribute.tensor && node.opType == "Constant" && node.domain.empty())
        tensor(*attribute.tensor);
      if (attribute.graph) {
        ++out.subgraphs;
        this->graph(*attribute.graph);
      }
      for (const Graph *inner : attribute.graphs) {
        ++out.subgraphs;
        this->graph(*inner);
      }
    }
  }
}

void Walker::finish() {
  for (const auto &[key, count] : ops) {
    const auto &[domain, opType, opset] = key;
    out.ops.push_back({std::string(domain), std::string(opType), opset, count});
  }
  // The map's order, by name, holds among equals.
  std::ranges::stable_sort(out.ops, std::greater<>(), &OpSummary::count);
  for (const auto &[dtype, summary] : constants)
    out.constants.push_back(summary);
}

Summary smelt::onnx::summarize(const Model &model) {
  Summary out;
  out.file = model.file;
  out.graph = model.graph.name;
  // These two aren't names, and unchecked.
  out.producer = escaped(model.producer);
  if (!model.producerVersion.empty())
    out.producer += " " + escaped(model.producerVersion);
  out.irVersion = model.irVersion;
  for (const OpsetImport &import : model.opsets)
    out.opsets.emplace_back(import.domain, import.version);
  for (const auto &[key, value] : model.metadata)
    out.metadata.emplace_back(escaped(key), escaped(value));
  std::unordered_set<std::string_view> initializers;
  for (const Tensor &tensor : model.graph.initializers)
    initializers.insert(tensor.name);
  for (const ValueInfo &input : model.graph.inputs)
    out.inputs.push_back({std::string(input.name), typeText(input.type),
                          initializers.contains(input.name)});
  for (const ValueInfo &output : model.graph.outputs)
    out.outputs.push_back(
        {std::string(output.name), typeText(output.type), false});
  out.functions = int64_t(model.functions.size());
  Walker walker(out);
  walker.graph(model.graph);
  for (const Function &function : model.functions)
    walker.graph(function.body);
  walker.finish();
  return out;
}
