//===- Functions.cpp - Calls of model-local functions
//----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which nodes are calls, and what inlining them would cost: a file of a few
// hundred bytes can ask for 2^60 nodes. Everything is counted before any node
// is copied.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/reader/Build.h"

using namespace smelt::onnx;

static std::string keyOf(std::string_view domain, std::string_view name,
                         std::string_view overload) {
  std::string key(domain);
  key += '\0'; // checkedName keeps it out of names
  key += name;
  key += '\0';
  key += overload;
  return key;
}

FunctionTable::FunctionTable(const Model &model) {
  for (const Function &function : model.functions)
    if (!table
             .emplace(keyOf(function.domain, function.name, function.overload),
                      &function)
             .second)
      twice = &function;
}

const Function *FunctionTable::find(const Node &node) const {
  if (table.empty())
    return nullptr;
  auto found = table.find(keyOf(node.domain, node.opType, node.overload));
  return found == table.end() ? nullptr : found->second;
}

namespace {

/// What a graph or function becomes when its calls are inlined.
struct Cost {
  uint64_t nodes = 0, memory = 0;
  uint32_t callDepth = 0, graphDepth = 0;

  void add(const Cost &other) {
    if (__builtin_add_overflow(nodes, other.nodes, &nodes))
      nodes = UINT64_MAX;
    if (__builtin_add_overflow(memory, other.memory, &memory))
      memory = UINT64_MAX;
    callDepth = std::max(callDepth, other.callDepth);
    graphDepth = std::max(graphDepth, other.graphDepth);
  }
};

class Counter {
public:
  Counter(Diagnostics &diag, const FunctionTable &functions,
          uint32_t depthLimit)
      : diag(diag), functions(functions), depthLimit(depthLimit) {}

  Cost count(const Graph &graph);
  Cost count(const Attribute &attribute);
  Cost count(const Function &function, const Node *caller);
  bool failed = false;

private:
  Diagnostics &diag;
  const FunctionTable &functions;
  uint32_t depthLimit;
  uint32_t depth = 0; // of calls, in the recursion
  struct State {
    bool active = false;
    Cost cost;
  };
  std::unordered_map<const Function *, State> known;
};

} // namespace

Cost Counter::count(const Attribute &attribute) {
  Cost cost;
  cost.memory = sizeof(Attribute);
  auto addGraph = [&](const Graph &graph) {
    Cost inner = count(graph);
    ++inner.graphDepth;
    inner.memory += sizeof(Graph) + 128;
    cost.add(inner);
  };
  if (attribute.graph)
    addGraph(*attribute.graph);
  for (const Graph *graph : attribute.graphs)
    addGraph(*graph);
  return cost;
}

Cost Counter::count(const Graph &graph) {
  Cost total;
  // Copies of subgraphs copy these; a fresh name is longer than its origin.
  total.memory =
      (graph.inputs.size() + graph.outputs.size() + graph.valueInfos.size()) *
          (sizeof(ValueInfo) + 128) +
      graph.initializers.size() * (sizeof(Tensor) + 128);
  for (const Node &node : graph.nodes) {
    if (failed)
      return total;
    Cost cost;
    cost.nodes = 1; // a call counts too: chains of empty functions cost time
    cost.memory = sizeof(Node) + node.inputs.size() * 16;
    for (std::string_view output : node.outputs)
      cost.memory += 192 + output.size();
    for (const Attribute &attribute : node.attributes)
      cost.add(count(attribute));
    if (const Function *callee = functions.find(node))
      cost.add(count(*callee, &node));
    total.add(cost);
  }
  return total;
}

Cost Counter::count(const Function &function, const Node *caller) {
  auto [state, fresh] = known.try_emplace(&function);
  // References into an unordered_map survive insertions.
  State &entry = state->second;
  if (!fresh && !entry.active)
    return entry.cost;
  if (entry.active || depth >= depthLimit) {
    failed = true;
    diag.invalid(entry.active ? "onnx.recursive-function" : "onnx.call-depth",
                 {caller ? caller->scope : function.body.scope, caller, {}},
                 entry.active
                     ? "the function " + quote(function.name) + " calls itself"
                     : "calls nest more than " + std::to_string(depthLimit) +
                           " deep at " + quote(function.name));
    return {};
  }
  entry.active = true;
  ++depth;
  Cost cost = count(function.body);
  --depth;
  ++cost.callDepth;
  entry.active = false;
  entry.cost = cost;
  if (cost.callDepth > depthLimit && !failed) {
    failed = true;
    diag.invalid("onnx.call-depth", {function.body.scope},
                 "calls nest more than " + std::to_string(depthLimit) +
                     " deep at " + quote(function.name));
  }
  return cost;
}

void smelt::onnx::checkFunctions(Diagnostics &diag, const Model &model,
                                 const Limits &limits, uint64_t memory) {
  if (model.functions.empty())
    return;
  FunctionTable functions(model);
  if (const Function *twice = functions.duplicate()) {
    diag.invalid("onnx.duplicate-function", {},
                 "the model has two functions " + quote(twice->name) +
                     " in domain " + quote(twice->domain) + ", want one");
    return;
  }
  Counter counter(diag, functions, limits.graphDepth);
  for (const Function &function : model.functions) {
    counter.count(function, nullptr);
    for (const Attribute &attribute : function.defaults)
      counter.count(attribute);
    if (counter.failed)
      return;
  }
  Cost total = counter.count(model.graph);
  if (counter.failed)
    return;
  if (total.nodes > limits.nodes)
    diag.invalid("onnx.too-many-nodes", {},
                 "with its functions inlined the model has " +
                     std::to_string(total.nodes) + " nodes, want at most " +
                     std::to_string(limits.nodes));
  else if (total.memory > memory)
    diag.error(kExitMemory, "onnx.memory-budget", {},
               "with its functions inlined the model takes " +
                   std::to_string(total.memory) + " bytes, the budget is " +
                   std::to_string(memory));
}
