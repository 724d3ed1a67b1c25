//===- Importer.cpp - From an ONNX model to a module ------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The registry over the families' tables, the walk over a graph's nodes, and
// the function around it. Tests: test/frontend/import/.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/Origin.h"
#include "frontend/onnx/import/Graph.h"

using namespace mlir;

namespace smelt::onnx {

/// The newest version of a domain whose ops are known here.
static std::optional<int64_t> newestOpset(StringRef domain) {
  if (domain.empty())
    return 28;
  if (domain == "ai.onnx.ml")
    return 5;
  return std::nullopt; // com.microsoft and others stay at version 1
}

//===----------------------------------------------------------------------===//
// Errors and locations
//===----------------------------------------------------------------------===//

static std::string scopePath(const Scope *scope) {
  SmallVector<StringRef> labels;
  for (; scope; scope = scope->parent)
    labels.push_back(scope->label);
  std::string path;
  for (StringRef label : llvm::reverse(labels))
    path += (path.empty() ? "" : "/") + label.str();
  return path;
}

static std::string opText(const Node &node) {
  return (node.domain.empty() ? std::string() : std::string(node.domain) + ".") + std::string(node.opType) +
         " (opset " + std::to_string(node.opset) + ")";
}

LogicalResult Importer::report(const Node &node, const Twine &message, StringRef code, int exitCode) {
  Error error;
  error.exitCode = exitCode;
  error.code = code.str();
  error.message = opText(node) + ": " + message.str();
  error.path = node.path();
  error.file = model.file;
  errors.push_back(std::move(error));
  return failure();
}

LogicalResult Importer::report(const Scope *scope, const Twine &message, StringRef code, int exitCode) {
  Error error;
  error.exitCode = exitCode;
  error.code = code.str();
  error.message = message.str();
  error.path = scopePath(scope);
  error.file = model.file;
  errors.push_back(std::move(error));
  return failure();
}

Location Importer::location(const Node &node) {
  return getOriginLoc(module.getContext(), {model.file, node.path(), std::string(node.name), std::string(node.opType),
                                            std::string(node.domain), int64_t(node.index), node.opset});
}

Location Importer::location(StringRef name, StringRef kind, const Scope *scope) {
  return getOriginLoc(module.getContext(),
                      {model.file, scopePath(scope) + "/" + name.str(), name.str(), kind.str(), "", 0, 0});
}

//===----------------------------------------------------------------------===//
// The registry
//===----------------------------------------------------------------------===//

Importer::Importer(const Model &model, ModuleOp module, const ImportOptions &options,
                   const llvm::StringSet<> &pinned, std::vector<Error> &errors)
    : model(model), module(module), options(options), symbols(module), values(symbols), errors(errors), pinned(pinned) {
  for (ArrayRef<OpRow> rows : {mathOps(), reduceOps(), contractOps(), tensorOps(), shapeOps(), indexOps(), resizeOps(), lossOps(), nnOps(), quantizeOps(),
                               recurrentOps(), mlOps(), microsoftOps(), legacyOps(), sequenceOps(), stringOps(), trainingOps(), stateAttentionOps(), randomOps()})
    for (const OpRow &row : rows)
      registry[(row.domain + ":" + row.opType).str()].push_back(&row);
  for (auto &entry : registry)
    llvm::stable_sort(entry.second, [](const OpRow *a, const OpRow *b) { return a->since > b->since; });
}

bool isControl(const Node &node) {
  return node.domain.empty() && (node.opType == "If" || node.opType == "Loop" || node.opType == "Scan" || node.opType == "SequenceMap");
}

const OpRow *Importer::find(const Node &node) const {
  auto it = registry.find((ref(node.domain) + ":" + ref(node.opType)).str());
  if (it == registry.end())
    return nullptr;
  for (const OpRow *row : it->second)
    if (row->since <= node.opset)
      return row;
  return nullptr;
}

/// All that is not supported, one error per op, version and reason.
LogicalResult Importer::checkSupported() {
  struct Finding {
    const Node *first;
    std::string reason;
    int64_t count = 0;
  };
  SmallVector<const Graph *> graphs = {&model.graph};
  llvm::StringMap<Finding> byOp;
  std::vector<std::string> order;
  while (!graphs.empty()) {
    const Graph *graph = graphs.pop_back_val();
    for (const Node &node : graph->nodes) {
      for (const Attribute &attribute : node.attributes) {
        if (attribute.graph)
          graphs.push_back(attribute.graph);
        graphs.append(attribute.graphs.begin(), attribute.graphs.end());
      }
      std::string reason;
      auto newest = newestOpset(ref(node.domain));
      if (newest && node.opset > *newest)
        reason = "opset version is newer than the newest one known, " + std::to_string(*newest);
      else if (!isControl(node) && !find(node))
        reason = "op is not supported";
      if (reason.empty())
        continue;
      std::string key = opText(node) + reason;
      auto [it, isNew] = byOp.try_emplace(key);
      if (isNew) {
        it->second = {&node, reason, 0};
        order.push_back(key);
      }
      ++it->second.count;
    }
  }
  for (const std::string &key : order) {
    const Finding &finding = byOp[key];
    std::string more = finding.count > 1 ? " (" + std::to_string(finding.count) + " nodes)" : "";
    (void)report(*finding.first, finding.reason + more, "onnx.unsupported", kExitUnsupported);
  }
  for (const OpsetImport &import : model.opsets) {
    auto newest = newestOpset(ref(import.domain));
    if (order.empty() && newest && import.version > *newest)
      (void)report(model.graph.scope,
                   "opset version " + Twine(import.version) + " of domain '" +
                       (import.domain.empty() ? StringRef("ai.onnx") : ref(import.domain)) +
                       "' is newer than the newest one known, " + Twine(*newest),
                   "onnx.unsupported", kExitUnsupported);
  }
  return success(errors.empty());
}

//===----------------------------------------------------------------------===//
// Nodes
//===----------------------------------------------------------------------===//

/// Sizes are sane and fit the memory budget.
LogicalResult Importer::checkSize(const Node &node, Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type)
    return success();
  if (type.getRank() > 16)
    return report(node, "result of rank " + Twine(type.getRank()) + ", the limit is 16", "onnx.rank", kExitInvalid);
  __int128 bytes = std::max<int64_t>(1, getElementBytes(type.getElementType()));
  bool isStatic = true;
  for (AffineExpr dim : getDims(type)) {
    auto constant = dyn_cast<AffineConstantExpr>(dim);
    if (!constant) {
      isStatic = false;
      continue;
    }
    int64_t size = constant.getValue();
    if (size < 0 || size > kMaxDim)
      return report(node, "result dim of size " + Twine(size) + ", want 0..2^40", "onnx.shape-mismatch",
                    size < 0 ? kExitInvalid : kExitMemory);
    bytes = std::min<__int128>(bytes * size, __int128(1) << 80);
  }
  if (isStatic && bytes > __int128(budget))
    return report(node,
                  "result of " + Twine(uint64_t(std::min<__int128>(bytes, UINT64_MAX) >> 20)) +
                      " MiB, the memory budget is " + Twine(budget >> 20) + " MiB",
                  "onnx.memory", kExitMemory);
  return success();
}

Value Importer::lookup(std::string_view name, const Env &env, const Node &node) {
  Value value = env.lookup(ref(name));
  if (!value)
    (void)report(node, "value '" + ref(name) + "' is used before it is defined", "onnx.undefined-value", kExitInvalid);
  return value;
}

LogicalResult Importer::bindOutputs(const Node &node, ArrayRef<Value> outputs, Env &env) {
  if (node.outputs.size() > outputs.size())
    return report(node, "node has " + Twine(node.outputs.size()) + " outputs, its subgraph gives " + Twine(outputs.size()),
                  "onnx.arity", kExitInvalid);
  for (auto [name, value] : llvm::zip(node.outputs, outputs))
    if (!name.empty())
      env.values[ref(name)] = value;
  return success();
}

LogicalResult Importer::importNode(const Node &node, Env &env, OpBuilder &b) {
  if (node.domain.empty() && node.opType == "Loop")
    return importLoop(node, env, b);
  if (node.domain.empty() && node.opType == "Scan")
    return importScan(node, env, b);
  if (node.domain.empty() && node.opType == "SequenceMap")
    return importSequenceMap(node, env, b);

  const OpRow *row = find(node);
  SmallVector<Value> inputs;
  for (std::string_view name : node.inputs) {
    Value value;
    if (!name.empty() && !(value = lookup(name, env, node)))
      return failure();
    inputs.push_back(value);
  }
  while (!inputs.empty() && !inputs.back())
    inputs.pop_back();
  if (row->maxInputs >= 0 && int64_t(inputs.size()) > row->maxInputs)
    return report(node, Twine(inputs.size()) + " inputs, want at most " + Twine(int(row->maxInputs)), "onnx.arity",
                  kExitInvalid);
  for (int64_t i = 0; i < row->minInputs; ++i)
    if (i >= int64_t(inputs.size()) || !inputs[i])
      return report(node, "input " + Twine(i) + " is missing, want at least " + Twine(int(row->minInputs)),
                    "onnx.arity", kExitInvalid);
  for (auto [i, value] : llvm::enumerate(inputs))
    if (value && !row->takesValues && !isa<RankedTensorType>(value.getType()))
      return report(node, "input " + Twine(i) + " is not a tensor", "onnx.unsupported", kExitUnsupported);

  NodeImport n(*this, node, inputs, b, location(node));
  size_t before = errors.size();
  nodeEnv = &env;
  LogicalResult result = row->fn(n);
  if (choice && errors.size() == before)
    return failure();
  if (failed(result) || errors.size() != before)
    for (Value input : inputs)
      if (input && isa<RankedTensorType>(input.getType()))
        wantSizes(getDims(input.getType()), suspected);
  if (errors.size() != before)
    return failure();
  if (failed(result))
    return report(node, "could not be imported", "onnx.invalid-node", kExitInvalid);
  for (auto [i, name] : llvm::enumerate(node.outputs)) {
    if (name.empty())
      continue;
    Value value = n.getResults()[i];
    if (!value)
      return report(node, "output " + Twine(i) + " is not supported", "onnx.unsupported", kExitUnsupported);
    if (failed(checkSize(node, value)))
      return failure();
    env.values[ref(name)] = value;
    // Asked as they are made, so that later questions find their operands known.
    if (auto type = dyn_cast<RankedTensorType>(value.getType()))
      if (isa<IntegerType>(type.getElementType()) && !type.getElementType().isInteger(1))
        (void)values.get(value);
  }
  return success();
}

void Importer::wantSizes(ArrayRef<AffineExpr> dims, SmallVectorImpl<std::string> &to) {
  SmallVector<int64_t> ids;
  for (AffineExpr dim : dims)
    collectSymbols(dim, ids);
  for (size_t i = 0; i < ids.size(); ++i) { // and what they derive from
    if (auto exprs = symbols.get(ids[i]).getExprs())
      for (AffineExpr e : exprs->getExprs())
        collectSymbols(e, ids);
    if (auto it = freed.find(ids[i]); it != freed.end())
      to.push_back(it->second);
  }
}

LogicalResult Importer::initializers(const Graph &graph, Env &env, OpBuilder &b) {
  for (const Tensor &tensor : graph.initializers) {
    Value value = constant(tensor, b, location(ref(tensor.name), "Initializer", graph.scope), graph.scope);
    if (!value)
      return failure();
    env.values[ref(tensor.name)] = value;
  }
  return success();
}

Env *Importer::newEnv(const Env *parent) {
  envs.push_back(std::make_unique<Env>());
  envs.back()->parent = parent;
  return envs.back().get();
}

FailureOr<SmallVector<Value>> Importer::walk(SmallVector<Frame> frames, OpBuilder &b) {
  while (true) {
    Frame &top = frames.back();
    if (top.next < top.graph->nodes.size()) {
      const Node &node = top.graph->nodes[top.next++];
      if (node.domain.empty() && node.opType == "If") {
        auto rest = importIf(node, frames, b);
        if (failed(rest))
          return failure();
        if (*rest)
          return std::move(**rest);
      } else if (failed(importNode(node, *top.env, b))) {
        if (!choice)
          return failure();
        auto rest = importChoice(node, frames, b);
        if (failed(rest))
          return failure();
        if (*rest)
          return std::move(**rest);
      }
      continue;
    }
    SmallVector<Value> outputs;
    for (const ValueInfo &info : top.graph->outputs) {
      Value value = top.env->lookup(ref(info.name));
      if (!value)
        return report(top.graph->scope, "output '" + ref(info.name) + "' is never produced", "onnx.undefined-value",
                      kExitInvalid);
      outputs.push_back(value);
    }
    const Node *owner = top.owner;
    if (top.graph == &model.graph)
      for (auto [info, value] : llvm::zip(model.graph.outputs, outputs))
        if (failed(checkDeclared(info, value, model.graph.scope)))
          return failure();
    if (frames.size() == 1)
      return outputs;
    frames.pop_back();
    if (failed(bindOutputs(*owner, outputs, *frames.back().env)))
      return failure();
  }
}

//===----------------------------------------------------------------------===//
// The function
//===----------------------------------------------------------------------===//

LogicalResult Importer::run() {
  if (failed(checkSupported()) || failed(applyOverrides()))
    return failure();
  const Graph &graph = model.graph;
  MLIRContext *context = module.getContext();
  OpBuilder b(context);
  auto name = [&](StringRef text) {
    return b.getDictionaryAttr(b.getNamedAttr("smelt.name", b.getStringAttr(text)));
  };

  Env *env = newEnv(nullptr);
  llvm::DenseSet<StringRef> initialized;
  for (const Tensor &tensor : graph.initializers)
    initialized.insert(ref(tensor.name));
  SmallVector<Type> types;
  SmallVector<mlir::Attribute> argNames, resultNames;
  SmallVector<const ValueInfo *> inputs;
  for (const ValueInfo &info : graph.inputs) {
    if (initialized.contains(ref(info.name))) // a default value is taken as the value
      continue;
    Type type = valueType(info, info.type, graph.scope);
    if (!type)
      return failure();
    types.push_back(type);
    argNames.push_back(name(ref(info.name)));
    inputs.push_back(&info);
  }

  b.setInsertionPointToEnd(module.getBody());
  auto func = func::FuncOp::create(b, module.getLoc(), "main", b.getFunctionType(types, {}));
  Block *entry = func.addEntryBlock();
  for (auto [info, arg] : llvm::zip(inputs, entry->getArguments())) {
    arg.setLoc(location(ref(info->name), "Input", graph.scope));
    if (int64_t rank = kSomeRank; !isa<RankedTensorType>(arg.getType())) {
      (void)hostType(info->type, graph.scope, rank);
      elementRanks[arg] = rank;
    }
    env->values[ref(info->name)] = arg;
  }
  b.setInsertionPointToStart(entry);
  if (failed(initializers(graph, *env, b)))
    return failure();
  auto outputs = walk({Frame{&graph, 0, env, nullptr}}, b);
  if (failed(outputs)) {
    if (errors.empty())
      return report(graph.scope, "an If gives outputs of the model different ranks; want one rank",
                    "onnx.output-rank", kExitUnsupported);
    return failure();
  }
  SmallVector<Type> resultTypes;
  for (auto [info, value] : llvm::zip(graph.outputs, *outputs)) {
    resultTypes.push_back(value.getType());
    resultNames.push_back(name(ref(info.name)));
  }
  func::ReturnOp::create(b, module.getLoc(), *outputs);
  func.setType(b.getFunctionType(types, resultTypes));
  func.setArgAttrsAttr(b.getArrayAttr(argNames));
  func.setResAttrsAttr(b.getArrayAttr(resultNames));
  return success();
}

OwningOpRef<ModuleOp> importModel(const Model &model, MLIRContext *context, const ImportOptions &options,
                                  std::vector<Error> &errors) {
  context->loadDialect<SmeltDialect, func::FuncDialect, scf::SCFDialect, arith::ArithDialect>();
  Location loc = NameLoc::get(StringAttr::get(context, model.file.empty() ? "model" : model.file));
  // A size that some node needs stays as the model says even under `all:?`: once
  // it is known to be wanted, the import begins anew.
  llvm::StringSet<> pinned;
  size_t before = errors.size();
  while (true) {
    OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
    Importer importer(model, *module, options, pinned, errors);
    if (succeeded(importer.run()) && errors.size() == before) {
      SmallVector<StringRef> names(pinned.keys());
      llvm::sort(names);
      if (!names.empty())
        emitRemark(loc) << "all:? leaves sizes that some op needs as the model says: " << llvm::join(names, ", ");
      return module;
    }
    bool isNew = false;
    for (ArrayRef<std::string> dims : {ArrayRef(importer.wanted), ArrayRef(importer.suspected)})
      if (!isNew)
        for (const std::string &dim : dims)
          isNew |= pinned.insert(dim).second;
    if (!isNew) // the length of a vector of sizes may come by ways that are not followed
      for (const ValueInfo &info : model.graph.inputs)
        if (info.type.kind == TypeInfo::Kind::Tensor && info.type.dims.size() == 1 && info.type.elem == DType::I64 && !importer.freed.empty())
          isNew |= pinned.insert((ref(info.name) + ".dim0").str()).second;
    if (!isNew)
      return nullptr;
    errors.resize(before);
  }
}

} // namespace smelt::onnx
