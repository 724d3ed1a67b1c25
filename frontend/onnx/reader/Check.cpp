//===- Check.cpp - Definitions and uses
//------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every name is defined once in its graph and used where it can be seen; what
// a subgraph takes from around it orders the node that holds the subgraph.
// Unsorted nodes are sorted, stably; cycles are refused. One repair is made,
// with a warning: of two Constant nodes with one output the later one holds.
// It is what ONNX Runtime does, and published GPT-2 models rely on it.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/reader/Build.h"

#include <functional>
#include <queue>

using namespace smelt::onnx;

namespace {

/// A definition by no node: an input or an initializer.
constexpr int64_t kFromOutside = -1;

struct GraphNames {
  GraphNames *parent = nullptr;
  std::unordered_map<std::string_view, int64_t>
      defs;                                         // the node that defines it
  std::vector<std::pair<uint32_t, uint32_t>> edges; // defining node, using node
  uint32_t current = 0;                             // the node being checked
  bool unsorted = false;
};

class Checker {
public:
  Checker(Diagnostics &diag, Model &model) : diag(diag), model(model) {}
  void check(Graph &graph, GraphNames *parent, bool wantOutputsHere);

private:
  void mergeConstants(Graph &graph);
  void define(Graph &graph, GraphNames &names);
  /// False when no graph around defines `name`.
  bool use(std::string_view name, GraphNames &names);
  void sort(Graph &graph, GraphNames &names);

  Diagnostics &diag;
  Model &model;
};

} // namespace

void Checker::mergeConstants(Graph &graph) {
  std::unordered_map<std::string_view, size_t> constants;
  std::vector<bool> gone;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    Node &node = graph.nodes[i];
    if (node.opType != "Constant" || !node.domain.empty() ||
        !node.inputs.empty() || node.outputs.size() != 1 ||
        node.outputs[0].empty())
      continue;
    auto [first, fresh] = constants.emplace(node.outputs[0], i);
    if (fresh)
      continue;
    Node &before = graph.nodes[first->second];
    if (model.warnings.size() < 20)
      model.warnings.push_back({"onnx.redefined-constant",
                                "the constant " + quote(node.outputs[0]) +
                                    " is defined twice, also by " +
                                    before.path() + "; this later one holds",
                                node.path()});
    before = std::move(node);
    gone.resize(graph.nodes.size());
    gone[i] = true;
  }
  if (gone.empty())
    return;
  std::vector<Node> kept;
  kept.reserve(graph.nodes.size());
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    if (!gone[i])
      kept.push_back(std::move(graph.nodes[i]));
  graph.nodes = std::move(kept);
}

void Checker::define(Graph &graph, GraphNames &names) {
  names.defs.reserve(graph.nodes.size() + graph.inputs.size() +
                     graph.initializers.size());
  for (const ValueInfo &input : graph.inputs) {
    Where where = {graph.scope, nullptr, input.name};
    if (input.name.empty())
      diag.invalid("onnx.empty-name", where, "a graph input has no name");
    else if (!names.defs.emplace(input.name, kFromOutside).second)
      diag.invalid("onnx.duplicate-name", where,
                   "the graph has two inputs " + quote(input.name) +
                       ", want one");
  }
  std::unordered_map<std::string_view, int> initializers;
  for (const Tensor &tensor : graph.initializers) {
    Where where = {graph.scope, nullptr, tensor.name};
    if (tensor.name.empty())
      diag.invalid("onnx.empty-name", where, "an initializer has no name");
    else if (++initializers[tensor.name] == 2)
      diag.invalid("onnx.duplicate-initializer", where,
                   "the graph has two initializers " + quote(tensor.name) +
                       ", want one");
    names.defs.emplace(tensor.name, kFromOutside);
  }
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    for (std::string_view output : graph.nodes[i].outputs) {
      if (output.empty())
        continue;
      auto [known, fresh] = names.defs.emplace(output, int64_t(i));
      if (fresh)
        continue;
      std::string before = known->second == kFromOutside
                               ? "an input or initializer"
                               : graph.nodes[known->second].path();
      diag.invalid("onnx.duplicate-name", {graph.scope, &graph.nodes[i], {}},
                   "the output " + quote(output) + " is already defined by " +
                       before + ", want one definition");
    }
}

bool Checker::use(std::string_view name, GraphNames &names) {
  for (GraphNames *at = &names; at; at = at->parent) {
    auto found = at->defs.find(name);
    if (found == at->defs.end())
      continue;
    if (found->second != kFromOutside) {
      at->edges.emplace_back(uint32_t(found->second), at->current);
      at->unsorted |= found->second >= int64_t(at->current);
    }
    return true;
  }
  return false;
}

void Checker::check(Graph &graph, GraphNames *parent, bool wantOutputsHere) {
  GraphNames names;
  names.parent = parent;
  mergeConstants(graph);
  define(graph, names);
  if (diag.full())
    return;
  for (size_t i = 0; i < graph.nodes.size() && !diag.full(); ++i) {
    Node &node = graph.nodes[i];
    names.current = uint32_t(i);
    for (std::string_view input : node.inputs)
      if (!input.empty() && !use(input, names))
        diag.invalid(
            "onnx.undefined-input", {graph.scope, &node, {}},
            quote(node.opType) + " reads " + quote(input) +
                ", which no node, input or initializer in sight defines");
    for (Attribute &attribute : node.attributes) {
      if (attribute.graph)
        check(*attribute.graph, &names, false);
      for (Graph *subgraph : attribute.graphs)
        check(*subgraph, &names, false);
    }
  }
  names.current = uint32_t(graph.nodes.size());
  std::unordered_map<std::string_view, int> outputs;
  for (const ValueInfo &output : graph.outputs) {
    Where where = {graph.scope, nullptr, output.name};
    // A branch may hand on a value of the graph around it.
    bool known = wantOutputsHere ? names.defs.contains(output.name)
                                 : use(output.name, names);
    if (!known)
      diag.invalid("onnx.undefined-output", where,
                   "no node, input or initializer defines the graph's output " +
                       quote(output.name));
    else if (wantOutputsHere && ++outputs[output.name] == 2)
      diag.invalid("onnx.duplicate-name", where,
                   "the graph has two outputs " + quote(output.name) +
                       ", want one");
  }
  if (names.unsorted && !diag.any())
    sort(graph, names);
}

void Checker::sort(Graph &graph, GraphNames &names) {
  size_t count = graph.nodes.size();
  std::vector<std::vector<uint32_t>> users(count);
  std::vector<uint32_t> waiting(count);
  for (auto [from, to] : names.edges)
    if (to < count) { // the graph's outputs stand behind all nodes
      users[from].push_back(to);
      ++waiting[to];
    }
  std::priority_queue<uint32_t, std::vector<uint32_t>, std::greater<>> ready;
  for (uint32_t i = 0; i < count; ++i)
    if (!waiting[i])
      ready.push(i);
  std::vector<Node> sorted;
  sorted.reserve(count);
  while (!ready.empty()) {
    uint32_t next = ready.top();
    ready.pop();
    sorted.push_back(std::move(graph.nodes[next]));
    for (uint32_t user : users[next])
      if (!--waiting[user])
        ready.push(user);
  }
  for (uint32_t i = 0; i < count; ++i)
    if (waiting[i]) {
      const Node &node = graph.nodes[i];
      std::string inputs;
      for (std::string_view input : node.inputs)
        if (inputs.size() < 200)
          inputs += (inputs.empty() ? "" : ", ") + quote(input);
      diag.invalid("onnx.cycle", {graph.scope, &node, {}},
                   quote(node.opType) +
                       " needs its own result, or one that needs it (inputs " +
                       inputs + "); want a graph without cycles");
      return;
    }
  graph.nodes = std::move(sorted);
}

void smelt::onnx::checkModel(Diagnostics &diag, Model &model) {
  Checker checker(diag, model);
  checker.check(model.graph, nullptr, true);
  for (Function &function : model.functions) {
    checker.check(function.body, nullptr, true);
    // A function's defaults may hold graphs, which see nothing of the caller.
    for (Attribute &attribute : function.defaults) {
      if (attribute.graph)
        checker.check(*attribute.graph, nullptr, false);
      for (Graph *graph : attribute.graphs)
        checker.check(*graph, nullptr, false);
    }
  }
}
