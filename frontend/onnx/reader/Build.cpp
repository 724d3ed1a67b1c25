//===- Build.cpp - From ModelProto to Model
//--------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Walks the proto once, checks every piece by itself (names, attributes,
// tensors, types, opset imports) and leaves how pieces fit to Check.cpp.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/reader/Build.h"

using namespace smelt::onnx;
using ::onnx::AttributeProto;
namespace pb = ::onnx;

namespace {

/// The opset versions in force, by domain ("" for ai.onnx).
using Opsets = std::unordered_map<std::string_view, int64_t>;

class Builder {
public:
  Builder(Context &context, Model &model) : context(context), model(model) {}
  void run(const pb::ModelProto &proto);

private:
  void buildGraph(const pb::GraphProto &proto, const Opsets &opsets,
                  const Scope *scope, uint32_t depth, bool inFunction,
                  Graph &out);
  void buildNode(const pb::NodeProto &proto, uint32_t index,
                 const Opsets &opsets, const Scope *scope, uint32_t depth,
                 bool inFunction, Node &out);
  void buildAttribute(const pb::AttributeProto &proto, const Opsets &opsets,
                      const Node &node, uint32_t depth, bool inFunction,
                      Attribute &out);
  void buildFunction(const pb::FunctionProto &proto, const Opsets &modelOpsets,
                     Function &out);
  bool checkKind(const pb::AttributeProto &proto, const Where &where,
                 AttrKind &kind);
  template <typename Protos>
  std::vector<OpsetImport> buildOpsets(const Protos &protos, const Where &where,
                                       Opsets &table);
  ValueInfo buildValue(const pb::ValueInfoProto &proto, const Scope *scope,
                       std::string_view what);
  const Tensor *newTensor(const pb::TensorProto &proto, const Where &where) {
    Tensor tensor;
    buildTensor(context, proto, where, tensor);
    return &context.storage.tensors.emplace_back(std::move(tensor));
  }
  const Tensor *newSparse(const pb::SparseTensorProto &proto,
                          const Where &where) {
    Tensor tensor;
    buildSparse(context, proto, where, tensor);
    return &context.storage.tensors.emplace_back(std::move(tensor));
  }

  std::string_view checked(std::string_view name, const Where &where,
                           std::string_view what) {
    return checkedName(context, name, where, what);
  }

  Context &context;
  Model &model;
};

} // namespace

static std::string_view normalDomain(std::string_view domain) {
  return domain == "ai.onnx" ? std::string_view() : domain;
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

/// The kind a file states or, in files of IR version 1, implies; false when
/// the values given don't fit it.
bool Builder::checkKind(const AttributeProto &proto, const Where &where,
                        AttrKind &kind) {
  // Singular values are optional: proto3 writers leave out zeros.
  const std::pair<AttrKind, bool> values[] = {
      {AttrKind::Float, proto.has_f()},
      {AttrKind::Int, proto.has_i()},
      {AttrKind::String, proto.has_s()},
      {AttrKind::Tensor, proto.has_t()},
      {AttrKind::Graph, proto.has_g()},
      {AttrKind::SparseTensor, proto.has_sparse_tensor()},
      {AttrKind::TypeProto, proto.has_tp()},
      {AttrKind::Floats, proto.floats_size() > 0},
      {AttrKind::Ints, proto.ints_size() > 0},
      {AttrKind::Strings, proto.strings_size() > 0},
      {AttrKind::Tensors, proto.tensors_size() > 0},
      {AttrKind::Graphs, proto.graphs_size() > 0},
      {AttrKind::SparseTensors, proto.sparse_tensors_size() > 0},
      {AttrKind::TypeProtos, proto.type_protos_size() > 0},
  };
  AttrKind given = AttrKind::Undefined;
  for (const auto &[candidate, present] : values) {
    if (!present)
      continue;
    if (given != AttrKind::Undefined && kind == AttrKind::Undefined) {
      context.diag.invalid(
          "onnx.attribute-kind", where,
          "the attribute says no type and has both a value of type " +
              std::string(name(given)) + " and of type " +
              std::string(name(candidate)));
      return false;
    }
    // A zero that a writer put into every attribute does no harm.
    bool zero = (candidate == AttrKind::Float && proto.f() == 0) ||
                (candidate == AttrKind::Int && proto.i() == 0) ||
                (candidate == AttrKind::String && proto.s().empty());
    if (kind != AttrKind::Undefined && candidate != kind && !zero) {
      context.diag.invalid(
          "onnx.attribute-kind", where,
          "the attribute says type " + std::string(name(kind)) +
              " and has a value of type " + std::string(name(candidate)));
      return false;
    }
    given = candidate;
  }
  if (kind == AttrKind::Undefined)
    kind = given;
  bool missing =
      (kind == AttrKind::Tensor && !proto.has_t()) ||
      (kind == AttrKind::Graph && !proto.has_g()) ||
      (kind == AttrKind::SparseTensor && !proto.has_sparse_tensor()) ||
      (kind == AttrKind::TypeProto && !proto.has_tp());
  if (kind == AttrKind::Undefined || missing) {
    context.diag.invalid("onnx.attribute-kind", where,
                         kind == AttrKind::Undefined
                             ? "the attribute has neither a type nor a value"
                             : "the attribute says type " +
                                   std::string(name(kind)) +
                                   " and has no value");
    return false;
  }
  return true;
}

void Builder::buildAttribute(const AttributeProto &proto, const Opsets &opsets,
                             const Node &node, uint32_t depth, bool inFunction,
                             Attribute &out) {
  Where where = {node.scope, &node, proto.name()};
  out.name = checked(proto.name(), where, "attribute name");
  if (proto.type() < 0 || proto.type() > int(AttrKind::TypeProtos)) {
    context.diag.invalid("onnx.attribute-kind", where,
                         "found attribute type " +
                             std::to_string(proto.type()) +
                             ", want 1 (float) to 14 (type protos)");
    return;
  }
  out.kind = AttrKind(proto.type());
  if (!proto.ref_attr_name().empty()) {
    out.refAttrName = checked(proto.ref_attr_name(), where, "ref_attr_name");
    if (!inFunction)
      context.diag.invalid("onnx.attribute-reference", where,
                           "the attribute refers to " + quote(out.refAttrName) +
                               " of a function, but stands outside of one");
    return;
  }
  if (!checkKind(proto, where, out.kind))
    return;

  Storage &storage = context.storage;
  auto newGraph = [&](const pb::GraphProto &graph, std::string label) {
    Graph *result = &storage.graphs.emplace_back();
    buildGraph(graph, opsets,
               storage.scope(node.scope, node.label() + "." + label), depth + 1,
               inFunction, *result);
    return result;
  };
  switch (out.kind) {
  case AttrKind::Undefined:
    break; // checkKind has refused it
  case AttrKind::Float:
    out.f = proto.f();
    break;
  case AttrKind::Int:
    out.i = proto.i();
    break;
  case AttrKind::String:
    out.s = proto.s();
    break;
  case AttrKind::Tensor:
    out.tensor = newTensor(proto.t(), where);
    break;
  case AttrKind::Graph:
    out.graph = newGraph(proto.g(), std::string(out.name));
    break;
  case AttrKind::SparseTensor:
    out.tensor = newSparse(proto.sparse_tensor(), where);
    break;
  case AttrKind::TypeProto:
    out.typeProto =
        &storage.types.emplace_back(buildType(context, proto.tp(), where));
    break;
  case AttrKind::Floats:
    out.floats = {proto.floats().data(), size_t(proto.floats_size())};
    break;
  case AttrKind::Ints:
    out.ints = {proto.ints().data(), size_t(proto.ints_size())};
    break;
  case AttrKind::Strings:
    out.strings = storage.textLists.emplace_back(proto.strings().begin(),
                                                 proto.strings().end());
    break;
  case AttrKind::Tensors:
  case AttrKind::SparseTensors: {
    std::vector<const Tensor *> list;
    for (const pb::TensorProto &tensor : proto.tensors())
      list.push_back(newTensor(tensor, where));
    for (const pb::SparseTensorProto &tensor : proto.sparse_tensors())
      list.push_back(newSparse(tensor, where));
    out.tensors = storage.tensorLists.emplace_back(std::move(list));
    break;
  }
  case AttrKind::Graphs: {
    std::vector<Graph *> list;
    for (const pb::GraphProto &graph : proto.graphs())
      list.push_back(newGraph(graph, std::string(out.name) + "[" +
                                         std::to_string(list.size()) + "]"));
    out.graphs = storage.graphLists.emplace_back(std::move(list));
    break;
  }
  case AttrKind::TypeProtos: {
    std::vector<const TypeInfo *> list;
    for (const pb::TypeProto &type : proto.type_protos())
      list.push_back(
          &storage.types.emplace_back(buildType(context, type, where)));
    out.typeProtos = storage.typeLists.emplace_back(std::move(list));
    break;
  }
  }
}

//===----------------------------------------------------------------------===//
// Nodes and graphs
//===----------------------------------------------------------------------===//

void Builder::buildNode(const pb::NodeProto &proto, uint32_t index,
                        const Opsets &opsets, const Scope *scope,
                        uint32_t depth, bool inFunction, Node &out) {
  out.index = index;
  out.scope = scope;
  out.name = proto.name();
  out.opType = proto.op_type();
  Where where = {scope, &out, {}};
  checked(proto.name(), where, "node name");
  checked(proto.op_type(), where, "op_type");
  out.domain = normalDomain(checked(proto.domain(), where, "domain"));
  out.overload = checked(proto.overload(), where, "overload");
  if (out.opType.empty())
    context.diag.invalid("onnx.no-op-type", where, "the node has no op_type");
  auto version = opsets.find(out.domain);
  if (version != opsets.end())
    out.opset = version->second;
  else if (out.domain.empty())
    context.diag.invalid("onnx.no-opset", where,
                         "the model imports no opset for ai.onnx, which " +
                             quote(out.opType) + " needs");
  out.inputs.reserve(proto.input_size());
  for (const std::string &input : proto.input())
    out.inputs.push_back(checked(input, where, "input name"));
  out.outputs.reserve(proto.output_size());
  for (const std::string &output : proto.output())
    out.outputs.push_back(checked(output, where, "output name"));
  out.attributes.reserve(proto.attribute_size());
  std::unordered_map<std::string_view, int> seen;
  for (const AttributeProto &attribute : proto.attribute()) {
    buildAttribute(attribute, opsets, out, depth, inFunction,
                   out.attributes.emplace_back());
    if (++seen[attribute.name()] == 2)
      context.diag.invalid("onnx.duplicate-attribute",
                           {scope, &out, attribute.name()},
                           "the node has two attributes " +
                               quote(attribute.name()) + ", want one");
    if (context.diag.full())
      return;
  }
}

ValueInfo Builder::buildValue(const pb::ValueInfoProto &proto,
                              const Scope *scope, std::string_view what) {
  Where where = {scope, nullptr, proto.name()};
  ValueInfo value = {checked(proto.name(), where, what), {}};
  if (proto.has_type())
    value.type = buildType(context, proto.type(), where);
  return value;
}

void Builder::buildGraph(const pb::GraphProto &proto, const Opsets &opsets,
                         const Scope *scope, uint32_t depth, bool inFunction,
                         Graph &out) {
  out.scope = scope;
  out.name = checked(proto.name(), {scope}, "graph name");
  if (depth > context.options.limits.graphDepth) {
    context.diag.invalid("onnx.subgraph-depth", {scope},
                         "subgraphs nest more than " +
                             std::to_string(context.options.limits.graphDepth) +
                             " deep");
    return;
  }
  out.inputs.reserve(proto.input_size());
  for (const pb::ValueInfoProto &value : proto.input())
    out.inputs.push_back(buildValue(value, scope, "input name"));
  out.outputs.reserve(proto.output_size());
  for (const pb::ValueInfoProto &value : proto.output())
    out.outputs.push_back(buildValue(value, scope, "output name"));
  out.valueInfos.reserve(proto.value_info_size());
  for (const pb::ValueInfoProto &value : proto.value_info())
    out.valueInfos.push_back(buildValue(value, scope, "value name"));
  out.initializers.reserve(proto.initializer_size() +
                           proto.sparse_initializer_size());
  for (const pb::TensorProto &tensor : proto.initializer()) {
    if (context.diag.full())
      return;
    buildTensor(context, tensor, {scope, nullptr, tensor.name()},
                out.initializers.emplace_back());
  }
  for (const pb::SparseTensorProto &tensor : proto.sparse_initializer()) {
    if (context.diag.full())
      return;
    buildSparse(context, tensor, {scope, nullptr, tensor.values().name()},
                out.initializers.emplace_back());
  }
  out.nodes.resize(proto.node_size());
  for (int i = 0; i < proto.node_size() && !context.diag.full(); ++i)
    buildNode(proto.node(i), uint32_t(i), opsets, scope, depth, inFunction,
              out.nodes[i]);
}

//===----------------------------------------------------------------------===//
// Functions and the model
//===----------------------------------------------------------------------===//

template <typename Protos>
std::vector<OpsetImport>
Builder::buildOpsets(const Protos &protos, const Where &where, Opsets &table) {
  std::vector<OpsetImport> imports;
  Opsets seen;
  for (const pb::OperatorSetIdProto &proto : protos) {
    std::string_view domain =
        normalDomain(checked(proto.domain(), where, "domain"));
    if (proto.version() < 1) {
      context.diag.invalid("onnx.bad-opset", where,
                           "found opset version " +
                               std::to_string(proto.version()) + " of domain " +
                               quote(domain) + ", want 1 or more");
      continue;
    }
    auto [known, fresh] = seen.emplace(domain, proto.version());
    if (!fresh) {
      if (known->second != proto.version())
        context.diag.invalid(
            "onnx.bad-opset", where,
            "domain " + quote(domain) + " is imported as version " +
                std::to_string(known->second) + " and as version " +
                std::to_string(proto.version()) + ", want one");
      continue;
    }
    imports.push_back({domain, proto.version()});
    table[domain] = proto.version();
  }
  return imports;
}

void Builder::buildFunction(const pb::FunctionProto &proto,
                            const Opsets &modelOpsets, Function &out) {
  out.name = proto.name();
  const Scope *scope = context.storage.scope(
      nullptr, "function " + quote(proto.name().empty() ? "?" : proto.name()));
  Where where = {scope};
  checked(proto.name(), where, "function name");
  out.domain = normalDomain(checked(proto.domain(), where, "domain"));
  out.overload = checked(proto.overload(), where, "overload");
  if (proto.name().empty())
    context.diag.invalid("onnx.no-function-name", where,
                         "a function has no name");
  Opsets opsets = modelOpsets; // what the function doesn't import itself
  out.opsets = buildOpsets(proto.opset_import(), where, opsets);

  std::unordered_map<std::string_view, int> seen;
  auto unique = [&](std::string_view name, const char *what) {
    checked(name, where, what);
    if (name.empty() || ++seen[name] == 2)
      context.diag.invalid("onnx.function-signature", where,
                           std::string(what) + " " + quote(name) +
                               (name.empty() ? " is empty, want a name"
                                             : " appears twice, want it once"));
    return name;
  };
  for (const std::string &input : proto.input())
    out.inputs.push_back(unique(input, "input name"));
  seen.clear();
  for (const std::string &output : proto.output())
    out.outputs.push_back(unique(output, "output name"));
  seen.clear();
  for (const std::string &attribute : proto.attribute())
    out.attributes.push_back(unique(attribute, "attribute name"));
  Node signature; // gives the paths of the defaults
  signature.scope = scope;
  signature.name = "signature";
  for (const AttributeProto &attribute : proto.attribute_proto()) {
    unique(attribute.name(), "attribute name");
    buildAttribute(attribute, opsets, signature, 0, false,
                   out.defaults.emplace_back());
  }

  out.body.scope = scope;
  out.body.name = out.name;
  for (std::string_view input : out.inputs)
    out.body.inputs.push_back({input, {}});
  for (std::string_view output : out.outputs)
    out.body.outputs.push_back({output, {}});
  for (const pb::ValueInfoProto &value : proto.value_info())
    out.body.valueInfos.push_back(buildValue(value, scope, "value name"));
  out.body.nodes.resize(proto.node_size());
  for (int i = 0; i < proto.node_size() && !context.diag.full(); ++i)
    buildNode(proto.node(i), uint32_t(i), opsets, scope, 0, true,
              out.body.nodes[i]);
}

void Builder::run(const pb::ModelProto &proto) {
  Diagnostics &diag = context.diag;
  model.irVersion = proto.ir_version();
  model.producer = proto.producer_name();
  model.producerVersion = proto.producer_version();
  model.domain = proto.domain();
  model.modelVersion = proto.model_version();
  for (const pb::StringStringEntryProto &entry : proto.metadata_props())
    model.metadata.emplace_back(entry.key(), entry.value());

  if (proto.ir_version() < 1) {
    diag.invalid("onnx.bad-ir-version", {},
                 "found IR version " + std::to_string(proto.ir_version()) +
                     ", want 1 to " + std::to_string(pb::IR_VERSION),
                 "this may not be an ONNX model at all");
    return;
  }
  if (proto.ir_version() > pb::IR_VERSION) {
    diag.error(kExitUnsupported, "onnx.new-ir-version", {},
               "found IR version " + std::to_string(proto.ir_version()) +
                   ", this build knows 1 to " + std::to_string(pb::IR_VERSION));
    return;
  }
  if (!proto.has_graph()) {
    diag.invalid("onnx.no-graph", {}, "the model has no graph");
    return;
  }
  Opsets opsets;
  model.opsets = buildOpsets(proto.opset_import(), {}, opsets);
  if (proto.opset_import_size() == 0) {
    if (proto.ir_version() >= 3) {
      diag.invalid("onnx.no-opset", {},
                   "a model of IR version " +
                       std::to_string(proto.ir_version()) +
                       " imports no opset; only those before version 3 may");
      return;
    }
    model.opsets.push_back({"", 1});
    opsets.emplace("", 1);
  }
  // A function may shadow an op, so calls are told from ops by the table of
  // functions alone; see Functions.cpp.
  model.functions.resize(proto.functions_size());
  for (int i = 0; i < proto.functions_size() && !diag.full(); ++i)
    buildFunction(proto.functions(i), opsets, model.functions[i]);
  buildGraph(proto.graph(), opsets, context.storage.scope(nullptr, "main"), 0,
             false, model.graph);
}

void smelt::onnx::buildModel(Context &context, Model &model) {
  Builder(context, model).run(*context.storage.proto);
}
