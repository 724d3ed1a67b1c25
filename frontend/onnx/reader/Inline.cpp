//===- Inline.cpp - Model-local functions into their callers
//---------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   y = f.Twice<k = 3>(x)       %t#1 = Mul(x, ...)   scope main/Twice_0
//                           =>  y = Add(%t#1, %t#1)
//
// Each call gets its own copy of the body: names of the signature become the
// caller's, all others get a suffix that no name of the model has. A graph
// passed as an attribute is shared, not copied: it sees the caller's names.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/reader/Build.h"

#include <unordered_set>

using namespace smelt::onnx;

namespace {

/// The names of a function's body in its caller; subgraphs add a layer.
struct Names {
  const Names *outer = nullptr;
  std::unordered_map<std::string_view, std::string_view> map;

  std::string_view operator()(std::string_view name) const {
    for (const Names *at = this; at; at = at->outer)
      if (auto found = at->map.find(name); found != at->map.end())
        return found->second;
    return name;
  }
};

/// One call being expanded.
struct Call {
  const Node &node;
  const Function &function;
  const Scope *scope; // of its copies
  std::string suffix;
};

class Inliner {
public:
  Inliner(Model &model, Diagnostics &diag)
      : model(model), storage(*model.storage), diag(diag), functions(model) {
    chooseTag();
  }
  void run() { expandCalls(model.graph); }

private:
  void chooseTag();
  void expandCalls(Graph &graph);
  void expandCallsIn(Node &node);
  void place(Node node, Graph &into, std::vector<Node> &out);
  void expand(const Node &call, const Function &function, Graph &into,
              std::vector<Node> &out);
  std::string_view fresh(const Call &call, std::string_view name) {
    return storage.intern(std::string(name) + call.suffix);
  }
  Node copy(const Node &node, const Call &call, const Names &names,
            const Scope *scope);
  Graph *copy(const Graph &graph, const Call &call, const Names &outer,
              const Scope *scope);
  std::optional<Attribute> resolve(const Attribute &reference,
                                   const Call &call);

  Model &model;
  Storage &storage;
  Diagnostics &diag;
  FunctionTable functions;
  std::string tag = "#";
  uint64_t calls = 0;
  std::unordered_set<const Graph *> done;
};

} // namespace

/// Calls `visit` for every name defined in `graph` and below it.
template <typename Visitor>
static void forEachName(const Graph &graph, Visitor &&visit) {
  for (const ValueInfo &value : graph.inputs)
    visit(value.name);
  for (const Tensor &tensor : graph.initializers)
    visit(tensor.name);
  for (const Node &node : graph.nodes) {
    for (std::string_view output : node.outputs)
      visit(output);
    for (const Attribute &attribute : node.attributes) {
      if (attribute.graph)
        forEachName(*attribute.graph, visit);
      for (const Graph *subgraph : attribute.graphs)
        forEachName(*subgraph, visit);
    }
  }
}

/// Makes `tag` longer than any run of its character in a name, so that
/// name + tag + number is new.
void Inliner::chooseTag() {
  auto visit = [&](std::string_view name) {
    while (name.find(tag) != std::string_view::npos)
      tag += '#';
  };
  forEachName(model.graph, visit);
  for (const Function &function : model.functions)
    forEachName(function.body, visit);
}

void Inliner::expandCallsIn(Node &node) {
  for (Attribute &attribute : node.attributes) {
    if (attribute.graph)
      expandCalls(*attribute.graph);
    for (Graph *graph : attribute.graphs)
      expandCalls(*graph);
  }
}

void Inliner::expandCalls(Graph &graph) {
  if (!done.insert(&graph).second)
    return;
  std::vector<Node> out;
  out.reserve(graph.nodes.size());
  for (Node &node : graph.nodes) {
    if (diag.any())
      return;
    place(std::move(node), graph, out);
  }
  graph.nodes = std::move(out);
}

void Inliner::place(Node node, Graph &into, std::vector<Node> &out) {
  expandCallsIn(node);
  if (const Function *function = functions.find(node))
    expand(node, *function, into, out);
  else
    out.push_back(std::move(node));
}

/// What an attribute reference stands for, or nothing when neither the call
/// nor the function gives it a value.
std::optional<Attribute> Inliner::resolve(const Attribute &reference,
                                          const Call &call) {
  const Attribute *value = call.node.attribute(reference.refAttrName);
  if (!value)
    for (const Attribute &attribute : call.function.defaults)
      if (attribute.name == reference.refAttrName)
        value = &attribute;
  if (!value)
    return std::nullopt;
  if (reference.kind != AttrKind::Undefined && reference.kind != value->kind) {
    diag.invalid("onnx.attribute-kind", {nullptr, &call.node, value->name},
                 "the attribute is of type " + std::string(name(value->kind)) +
                     ", " + quote(call.function.name) + " uses it as " +
                     std::string(name(reference.kind)));
    return std::nullopt;
  }
  Attribute out = *value;
  out.name = reference.name;
  return out;
}

Node Inliner::copy(const Node &node, const Call &call, const Names &names,
                   const Scope *scope) {
  Node out = node;
  out.scope = scope;
  for (std::string_view &input : out.inputs)
    input = names(input);
  for (std::string_view &output : out.outputs)
    output = names(output);
  out.attributes.clear();
  for (const Attribute &attribute : node.attributes) {
    if (!attribute.refAttrName.empty()) {
      if (std::optional<Attribute> value = resolve(attribute, call))
        out.attributes.push_back(*value);
      continue;
    }
    Attribute &copied = out.attributes.emplace_back(attribute);
    if (attribute.graph)
      copied.graph = copy(*attribute.graph, call, names, scope);
    if (!attribute.graphs.empty()) {
      std::vector<Graph *> list;
      for (const Graph *graph : attribute.graphs)
        list.push_back(copy(*graph, call, names, scope));
      copied.graphs = storage.graphLists.emplace_back(std::move(list));
    }
  }
  return out;
}

Graph *Inliner::copy(const Graph &graph, const Call &call, const Names &outer,
                     const Scope *scope) {
  Graph &out = storage.graphs.emplace_back();
  out.name = graph.name;
  out.scope = storage.scope(scope, graph.scope->label);
  Names names{&outer, {}};
  auto define = [&](std::string_view name) {
    if (!name.empty() && !names.map.contains(name))
      names.map.emplace(name, fresh(call, name));
  };
  for (const ValueInfo &value : graph.inputs)
    define(value.name);
  for (const Tensor &tensor : graph.initializers)
    define(tensor.name);
  for (const Node &node : graph.nodes)
    for (std::string_view output : node.outputs)
      define(output);
  auto renamed = [&](std::vector<ValueInfo> values) {
    for (ValueInfo &value : values)
      value.name = names(value.name);
    return values;
  };
  out.inputs = renamed(graph.inputs);
  out.outputs = renamed(graph.outputs);
  out.valueInfos = renamed(graph.valueInfos);
  out.initializers = graph.initializers;
  for (Tensor &tensor : out.initializers)
    tensor.name = names(tensor.name);
  out.nodes.reserve(graph.nodes.size());
  for (const Node &node : graph.nodes)
    out.nodes.push_back(copy(node, call, names, out.scope));
  return &out;
}

void Inliner::expand(const Node &node, const Function &function, Graph &into,
                     std::vector<Node> &out) {
  auto wrongCount = [&](const char *what, size_t found, size_t want) {
    diag.invalid("onnx.function-arity", {nullptr, &node, {}},
                 "the call of " + quote(function.name) + " has " +
                     std::to_string(found) + " " + what +
                     ", the function has " + std::to_string(want));
  };
  if (node.inputs.size() > function.inputs.size())
    return wrongCount("inputs", node.inputs.size(), function.inputs.size());
  if (node.outputs.size() > function.outputs.size())
    return wrongCount("outputs", node.outputs.size(), function.outputs.size());
  for (const Attribute &attribute : node.attributes) {
    auto named = [&](const Attribute &other) {
      return other.name == attribute.name;
    };
    if (std::ranges::find(function.attributes, attribute.name) ==
            function.attributes.end() &&
        std::ranges::find_if(function.defaults, named) ==
            function.defaults.end())
      return diag.invalid(
          "onnx.function-attribute", {nullptr, &node, attribute.name},
          quote(function.name) + " has no attribute " + quote(attribute.name));
  }

  Call call = {node, function, storage.scope(node.scope, node.label()),
               tag + std::to_string(++calls)};
  Names names;
  for (size_t i = 0; i < function.inputs.size(); ++i)
    names.map[function.inputs[i]] =
        i < node.inputs.size() ? node.inputs[i] : std::string_view();
  // An output that is an input too has no node of its own to rename.
  std::vector<std::pair<std::string_view, std::string_view>> handedOn;
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i].empty())
      continue;
    if (!names.map.emplace(function.outputs[i], node.outputs[i]).second)
      handedOn.emplace_back(function.outputs[i], node.outputs[i]);
  }
  std::vector<std::string_view> inner;
  for (const Node &body : function.body.nodes)
    for (std::string_view output : body.outputs)
      if (!output.empty() && !names.map.contains(output)) {
        names.map.emplace(output, fresh(call, output));
        inner.push_back(output);
      }
  std::unordered_set<std::string_view> innerNames(inner.begin(), inner.end());
  for (ValueInfo value : function.body.valueInfos)
    if (innerNames.contains(value.name)) {
      value.name = names(value.name);
      into.valueInfos.push_back(value);
    }

  for (const Node &body : function.body.nodes) {
    if (diag.any())
      return;
    place(copy(body, call, names, call.scope), into, out);
  }
  for (auto [from, to] : handedOn) {
    Node identity;
    identity.opType = "Identity";
    identity.opset = model.opset("").value_or(0);
    for (const OpsetImport &import : function.opsets)
      if (import.domain.empty())
        identity.opset = import.version;
    identity.inputs = {names(from)};
    identity.outputs = {to};
    identity.index = uint32_t(function.body.nodes.size());
    identity.scope = call.scope;
    if (identity.inputs[0].empty())
      return diag.invalid("onnx.function-arity", {nullptr, &node, {}},
                          "the output " + quote(to) + " is the input " +
                              quote(from) + " of " + quote(function.name) +
                              ", which the call omits");
    out.push_back(std::move(identity));
  }
}

//===----------------------------------------------------------------------===//
// The size of the result
//===----------------------------------------------------------------------===//

namespace {
struct Size {
  uint64_t nodes = 0;
  uint32_t depth = 0;
};
} // namespace

/// Shared graphs count at each use, as whoever walks the model sees them.
static Size sizeOf(const Graph &graph,
                   std::unordered_map<const Graph *, Size> &known) {
  if (auto found = known.find(&graph); found != known.end())
    return found->second;
  Size size;
  auto add = [&](const Graph &inner) {
    Size part = sizeOf(inner, known);
    if (__builtin_add_overflow(size.nodes, part.nodes, &size.nodes))
      size.nodes = UINT64_MAX / 2;
    size.depth = std::max(size.depth, part.depth + 1);
  };
  for (const Node &node : graph.nodes) {
    ++size.nodes;
    for (const Attribute &attribute : node.attributes) {
      if (attribute.graph)
        add(*attribute.graph);
      for (const Graph *inner : attribute.graphs)
        add(*inner);
    }
  }
  known[&graph] = size;
  return size;
}

std::vector<Error> smelt::onnx::inlineFunctions(Model &model,
                                                const ReadOptions &options) {
  if (model.functions.empty())
    return {};
  Diagnostics diag(model.file, options.limits.errors);
  uint64_t memory =
      options.memoryBudget ? options.memoryBudget : defaultMemoryBudget();
  checkFunctions(diag, model, options.limits, memory);
  if (diag.any())
    return diag.take();
  Inliner(model, diag).run();
  if (diag.any())
    return diag.take();
  std::unordered_map<const Graph *, Size> known;
  Size size = sizeOf(model.graph, known);
  if (size.depth > options.limits.graphDepth)
    diag.invalid("onnx.subgraph-depth", {},
                 "with its functions inlined the model has subgraphs " +
                     std::to_string(size.depth) + " deep, want at most " +
                     std::to_string(options.limits.graphDepth));
  if (size.nodes > options.limits.nodes)
    diag.invalid("onnx.too-many-nodes", {},
                 "with its functions inlined the model has " +
                     std::to_string(size.nodes) + " nodes, want at most " +
                     std::to_string(options.limits.nodes));
  model.functions.clear();
  return diag.take();
}
