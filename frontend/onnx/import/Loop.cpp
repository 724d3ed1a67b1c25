//===- Loop.cpp - Loop and Scan ---------------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Both become smelt.loop. The body is imported with the carried tensors in the
// types they come in with; where an iteration changes a size, that dim becomes
// a symbol which the loop binds anew for each iteration, and the body is
// imported again. Tests: test/frontend/import/{loop,scan}*.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Graph.h"

using namespace mlir;

namespace smelt::onnx {

/// Does the expression use a symbol with an id from `first` on that is bound
/// inside of the loop? Derived symbols are judged by what they are made of.
static bool isLocal(DimSymbols &symbols, AffineExpr expr, int64_t first) {
  SmallVector<int64_t> ids;
  collectSymbols(expr, ids);
  return llvm::any_of(ids, [&](int64_t id) {
    if (id < first)
      return false;
    auto exprs = symbols.get(id).getExprs();
    return !exprs || llvm::any_of(exprs->getExprs(), [&](AffineExpr e) { return isLocal(symbols, e, first); });
  });
}

FailureOr<SmallVector<Value>> Importer::buildLoop(const LoopSpec &spec, OpBuilder &b, LoopBody body) {
  MLIRContext *context = b.getContext();
  Location loc = location(spec.node);
  std::string label = spec.node.label();
  Range tripRange = spec.trip ? symbols.range(*spec.trip) : Range{0, kMaxDim};
  AffineExpr iteration = symbols.fresh(label + ".i", 0, std::max<int64_t>(0, tripRange.max - 1));
  auto idOf = [](AffineExpr symbol) { return int64_t(cast<AffineSymbolExpr>(symbol).getPosition()); };

  SmallVector<Type> types;
  SmallVector<int64_t> ranks; // of the elements of carried sequences
  llvm::SmallDenseSet<int64_t> isFilled;
  for (Value init : spec.inits) {
    types.push_back(init.getType());
    auto it = elementRanks.find(init);
    ranks.push_back(it == elementRanks.end() ? kSomeRank : it->second);
  }
  while (true) {
    int64_t firstLocal = idOf(iteration);
    auto loop = LoopOp::create(b, loc, TypeRange{}, spec.condition, spec.inits,
                               spec.trip ? DimsAttr::get(context, ArrayRef<AffineExpr>(*spec.trip)) : DimsAttr(),
                               b.getI64IntegerAttr(idOf(iteration)), b.getI64IntegerAttr(-1));
    Block &block = loop.getBody().emplaceBlock();
    for (auto [type, rank] : llvm::zip(types, ranks))
      elementRanks[block.addArgument(type, loc)] = rank;
    OpBuilder inner = OpBuilder::atBlockEnd(&block);
    values.clear();
    auto pass = body(inner, iteration, block.getArguments());
    if (failed(pass)) {
      loop.erase();
      values.clear();
      return failure();
    }

    // Sizes that an iteration changes become symbols.
    bool changed = false;
    for (auto [i, value] : llvm::enumerate(pass->carried)) {
      // An optional that the body fills stays one while the loop runs.
      if (auto optional = dyn_cast<OptionalType>(types[i]); optional && optional.getElementType() == value.getType()) {
        isFilled.insert(i);
        Value filled = value;
        value = wrapOptional(inner, loc, filled);
      }
      auto have = dyn_cast<RankedTensorType>(types[i]);
      if (!have && value.getType() == types[i]) {
        auto it = elementRanks.find(value);
        int64_t rank = joinRanks(ranks[i], it == elementRanks.end() ? kSomeRank : it->second);
        changed |= rank != ranks[i];
        ranks[i] = rank;
        continue;
      }
      auto next = dyn_cast<RankedTensorType>(value.getType());
      if (!have || !next || next.getRank() != have.getRank() || next.getElementType() != have.getElementType()) {
        std::string text;
        llvm::raw_string_ostream(text) << "carried value " << i << " changes from " << types[i] << " to "
                                       << value.getType() << " in an iteration, want one element type and rank";
        bool isRank = have && next && next.getElementType() == have.getElementType();
        return report(spec.node, text, "onnx.loop-carried", isRank ? kExitUnsupported : kExitInvalid);
      }
      SmallVector<AffineExpr> dims = getDims(have);
      for (auto [d, dim] : llvm::enumerate(getDims(next))) {
        bool varies = isa<AffineSymbolExpr>(dims[d]) && idOf(dims[d]) >= firstLocal;
        if (dim == dims[d] || varies || symbols.provablyEqual(dim, dims[d]))
          continue;
        dims[d] = symbols.fresh((label + ".carried" + Twine(i) + ".dim" + Twine(d)).str());
        changed = true;
      }
      types[i] = getTensorType(dims, have.getElementType());
    }
    if (changed) {
      loop.erase();
      values.clear();
      continue;
    }

    // The count is known when nothing but the trip count ends the loop.
    std::optional<bool> always = pass->condition ? decide(pass->condition) : true;
    bool byTripOnly = spec.trip && !spec.condition && always == true;
    AffineExpr count = byTripOnly ? *spec.trip : symbols.fresh(label + ".count", 0, std::max<int64_t>(0, tripRange.max));
    Value condition;
    if (always != true)
      condition = hostCondition(pass->condition, inner, loc);
    SmallVector<Type> results;
    auto outside = [&](AffineExpr dim, const Twine &name) {
      return isLocal(symbols, dim, firstLocal) ? symbols.fresh(name.str()) : dim;
    };
    SmallVector<Value> yields;
    for (auto [i, type] : llvm::enumerate(types)) {
      yields.push_back(pass->carried[i]);
      if (!isa<RankedTensorType>(type)) {
        results.push_back(type);
        continue;
      }
      SmallVector<AffineExpr> dims = getDims(type);
      for (auto [d, dim] : llvm::enumerate(dims))
        dim = outside(dim, label + ".out" + Twine(i) + ".dim" + Twine(d));
      results.push_back(getTensorType(dims, cast<RankedTensorType>(type).getElementType()));
    }
    for (auto [i, value] : llvm::enumerate(pass->scans)) {
      auto slice = dyn_cast<RankedTensorType>(value.getType());
      if (!slice)
        return report(spec.node, "a scan output is not a tensor", "onnx.unsupported", kExitUnsupported);
      SmallVector<AffineExpr> dims = {count};
      for (auto [d, dim] : llvm::enumerate(getDims(slice)))
        dims.push_back(outside(dim, label + ".scan" + Twine(i) + ".dim" + Twine(d)));
      results.push_back(getTensorType(dims, slice.getElementType()));
      yields.push_back(value);
    }
    LoopYieldOp::create(inner, loc, condition, yields);
    auto final = LoopOp::create(b, loc, results, spec.condition, spec.inits, loop.getTripAttr(), loop.getIterationAttr(),
                                b.getI64IntegerAttr(byTripOnly ? -1 : idOf(count)));
    final.getBody().takeBody(loop.getBody());
    for (auto [result, rank] : llvm::zip(final.getResults(), ranks))
      elementRanks[result] = rank;
    loop.erase();
    values.clear();
    SmallVector<Value> out(final.getResults());
    for (int64_t i : isFilled) {
      int64_t rank = ranks[i];
      out[i] = takeOptional(b, loc, out[i]);
      elementRanks[out[i]] = rank;
    }
    return out;
  }
}

/// The body of a Loop or Scan node as a graph of that many inputs and at least
/// that many outputs.
const Graph *Importer::loopBody(const Node &node, size_t inputs, size_t carried) {
  const Attribute *attribute = node.attribute("body");
  if (!attribute || attribute->kind != AttrKind::Graph) {
    (void)report(node, attribute ? "attribute 'body' is not a graph" : "attribute 'body' is missing, it is required",
                 attribute ? "onnx.attribute-kind" : "onnx.missing-attribute", kExitInvalid);
    return nullptr;
  }
  const Graph *body = attribute->graph;
  if (body->inputs.size() != inputs || body->outputs.size() < carried) {
    (void)report(node,
                 "the body has " + Twine(body->inputs.size()) + " inputs and " + Twine(body->outputs.size()) +
                     " outputs, want " + Twine(inputs) + " and at least " + Twine(carried),
                 "onnx.arity", kExitInvalid);
    return nullptr;
  }
  return body;
}

LogicalResult Importer::importLoop(const Node &node, Env &env, OpBuilder &b) {
  if (node.inputs.size() < 2)
    return report(node, Twine(node.inputs.size()) + " inputs, want at least 2", "onnx.arity", kExitInvalid);
  size_t carried = node.inputs.size() - 2;
  const Graph *graph = loopBody(node, carried + 2, carried + 1);
  if (!graph)
    return failure();
  size_t outputs = graph->outputs.size() - 1;
  if (node.outputs.size() > outputs)
    return report(node, Twine(node.outputs.size()) + " outputs, the body gives " + Twine(outputs), "onnx.arity",
                  kExitInvalid);
  SmallVector<Value> inputs;
  for (auto [i, name] : llvm::enumerate(node.inputs)) {
    Value value = name.empty() ? Value() : lookup(name, env, node);
    if (!value && (i >= 2 || !name.empty()))
      return name.empty() ? report(node, "carried input " + Twine(i) + " is missing", "onnx.arity", kExitInvalid)
                          : failure();
    inputs.push_back(value);
  }
  NodeImport n(*this, node, inputs, b, location(node));
  AffineExpr zero = n.num(0);
  LoopSpec spec{node, std::nullopt, {}, SmallVector<Value>(ArrayRef(inputs).drop_front(2))};
  if (inputs[0]) {
    auto trip = n.exprs(inputs[0], node.label() + ".trip", 0, kMaxDim);
    if (failed(trip))
      return failure();
    if (trip->size() != 1)
      return report(node, "the trip count must be one number", "onnx.shape-mismatch", kExitInvalid);
    spec.trip = symbols.max((*trip)[0], zero);
  }
  if (inputs[1]) {
    auto type = dyn_cast<RankedTensorType>(inputs[1].getType());
    if (!type || !type.getElementType().isInteger(1))
      return report(node, "the condition must be a tensor of bool", "onnx.dtype-mismatch", kExitInvalid);
    auto decided = decide(inputs[1]);
    if (decided == false)
      spec.trip = zero;
    else if (!decided)
      spec.condition = hostCondition(inputs[1], b, n.loc);
  }

  auto results = buildLoop(spec, b, [&](OpBuilder &inner, AffineExpr iteration, ValueRange args) -> FailureOr<LoopPass> {
    NodeImport body(*this, node, {}, inner, n.loc);
    Env *own = newEnv(&env);
    if (failed(initializers(*graph, *own, inner)))
      return failure();
    SmallVector<Value> given = {body.exprScalar(inner.getI64Type(), iteration), body.scalar(inner.getI1Type(), 1)};
    llvm::append_range(given, args);
    for (auto [info, value] : llvm::zip(graph->inputs, given)) {
      // The iteration number may be declared [1] in old models.
      if (auto given = dyn_cast<RankedTensorType>(value.getType());
          given && info.type.kind == TypeInfo::Kind::Tensor && info.type.ranked && info.type.dims.size() == 1 &&
          given.getRank() == 0)
        value = body.reshape(value, {body.num(1)});
      own->values[ref(info.name)] = value;
    }
    auto outs = walk({Frame{graph, 0, own, nullptr}}, inner);
    if (failed(outs))
      return failure();
    auto condition = dyn_cast<RankedTensorType>(outs->front().getType());
    if (!condition || !condition.getElementType().isInteger(1))
      return report(node, "the body's first output must be a bool, the condition", "onnx.dtype-mismatch", kExitInvalid);
    ArrayRef<Value> rest = ArrayRef(*outs).drop_front();
    return LoopPass{outs->front(), SmallVector<Value>(rest.take_front(carried)),
                    SmallVector<Value>(rest.drop_front(carried))};
  });
  if (failed(results))
    return rankFailure(node);
  return bindOutputs(node, *results, env);
}

/// Failure; an error when the reason was that Ifs in the body give it different ranks.
LogicalResult Importer::rankFailure(const Node &node) {
  if (errors.empty())
    return report(node, "an If in the body gives its outputs different ranks; want one rank", "onnx.output-rank",
                  kExitUnsupported);
  return failure();
}

//===----------------------------------------------------------------------===//
// Scan
//===----------------------------------------------------------------------===//

/// One sequence: states and scan inputs (trip along their axes) to final states
/// and stacked outputs.
FailureOr<SmallVector<Value>> Importer::scan(NodeImport &n, const Graph &graph, const Env &env, ArrayRef<Value> states,
                                             ArrayRef<Value> sequences, const ScanAxes &axes) {
  AffineExpr trip = n.dims(sequences[0])[axes.inputAxes[0]];
  for (auto [sequence, axis] : llvm::zip(sequences, axes.inputAxes)) {
    AffineExpr size = n.dims(sequence)[axis];
    if (isa<AffineConstantExpr>(size) && isa<AffineConstantExpr>(trip) && size != trip)
      return n.error("scan inputs differ in length along their scan axes", "onnx.shape-mismatch");
  }
  LoopSpec spec{n.node, trip, {}, SmallVector<Value>(states)};
  auto results = buildLoop(spec, n.b, [&](OpBuilder &inner, AffineExpr iteration, ValueRange args) -> FailureOr<LoopPass> {
    NodeImport body(*this, n.node, {}, inner, n.loc);
    Env *own = newEnv(&env);
    if (failed(initializers(graph, *own, inner)))
      return failure();
    SmallVector<Value> given(args);
    for (auto [i, sequence] : llvm::enumerate(sequences)) {
      int64_t axis = axes.inputAxes[i];
      SmallVector<AffineExpr> sizes = body.dims(sequence), starts(sizes.size(), body.num(0));
      sizes[axis] = body.num(1);
      starts[axis] = axes.inputReverse[i] ? trip - 1 - iteration : iteration;
      given.push_back(body.squeeze(body.slice(sequence, starts, sizes), {axis}));
    }
    for (auto [info, value] : llvm::zip(graph.inputs, given))
      own->values[ref(info.name)] = value;
    auto outs = walk({Frame{&graph, 0, own, nullptr}}, inner);
    if (failed(outs))
      return failure();
    return LoopPass{{}, SmallVector<Value>(ArrayRef(*outs).take_front(states.size())),
                    SmallVector<Value>(ArrayRef(*outs).drop_front(states.size()))};
  });
  if (failed(results))
    return failure();
  for (auto [i, result] : llvm::enumerate(MutableArrayRef(*results).drop_front(states.size()))) {
    if (axes.outputReverse.size() > i && axes.outputReverse[i]) {
      SmallVector<AffineExpr> sizes = n.dims(result), starts(sizes.size(), n.num(0));
      SmallVector<int64_t> steps(sizes.size(), 1);
      starts[0] = symbols.max(sizes[0] - 1, n.num(0));
      steps[0] = -1;
      result = n.slice(result, starts, sizes, steps);
    }
    auto axis = n.axis(axes.outputAxes.size() > i ? axes.outputAxes[i] : 0, n.rank(result));
    if (failed(axis))
      return failure();
    SmallVector<int64_t> perm;
    for (int64_t d = 1; d < n.rank(result); ++d)
      perm.push_back(d);
    perm.insert(perm.begin() + *axis, 0);
    result = n.transpose(result, perm);
  }
  return results;
}

LogicalResult Importer::importScan(const Node &node, Env &env, OpBuilder &b) {
  SmallVector<Value> inputs;
  for (std::string_view name : node.inputs) {
    Value value = name.empty() ? Value() : lookup(name, env, node);
    if (!value && !name.empty())
      return failure();
    if (value && !isa<RankedTensorType>(value.getType()))
      return report(node, "an input is not a tensor", "onnx.unsupported", kExitUnsupported);
    inputs.push_back(value);
  }
  NodeImport n(*this, node, inputs, b, location(node));
  bool batched = node.opset < 9;
  if (batched) {
    if (!inputs.empty() && inputs[0])
      return n.unsupported("sequence_lens of opset 8 is not supported, want the whole sequences");
    if (!inputs.empty())
      inputs.erase(inputs.begin());
  }
  if (failed(n.require("num_scan_inputs")))
    return failure();
  int64_t count = n.i("num_scan_inputs", 0);
  if (count < 1 || count > int64_t(inputs.size()) || llvm::is_contained(inputs, Value()))
    return n.error(Twine(inputs.size()) + " inputs with " + Twine(count) + " scan inputs, want at least one scan input");
  size_t numStates = inputs.size() - count;
  const Graph *graph = loopBody(node, inputs.size(), numStates);
  if (!graph)
    return failure();
  ArrayRef<Value> states = ArrayRef(inputs).take_front(numStates), sequences = ArrayRef(inputs).drop_front(numStates);
  size_t numOutputs = graph->outputs.size() - numStates;

  ScanAxes axes;
  auto flags = [&](StringRef name, size_t size, SmallVectorImpl<bool> &into) -> LogicalResult {
    SmallVector<int64_t> values = n.ints(name, SmallVector<int64_t>(size, 0));
    if (values.size() != size)
      return n.error("attribute '" + name + "' has " + Twine(values.size()) + " entries, want " + Twine(size));
    for (int64_t value : values)
      into.push_back(value != 0);
    return success();
  };
  if (failed(flags(batched ? "directions" : "scan_input_directions", count, axes.inputReverse)) ||
      failed(flags("scan_output_directions", numOutputs, axes.outputReverse)))
    return failure();
  SmallVector<int64_t> inputAxes = n.ints("scan_input_axes", SmallVector<int64_t>(count, 0));
  axes.outputAxes = n.ints("scan_output_axes", SmallVector<int64_t>(numOutputs, 0));
  if (inputAxes.size() != size_t(count) || axes.outputAxes.size() != numOutputs)
    return n.error("scan_input_axes or scan_output_axes do not fit the inputs and outputs");
  for (auto [value, axis] : llvm::zip(sequences, inputAxes)) {
    auto at = n.axis(axis, n.rank(value) - (batched ? 1 : 0));
    if (failed(at))
      return failure();
    axes.inputAxes.push_back(*at);
  }

  FailureOr<SmallVector<Value>> results = failure();
  if (!batched) {
    results = scan(n, *graph, env, states, sequences, axes);
  } else {
    // Opset 8: everything has a batch in front; a loop over it around the scan.
    AffineExpr batch = n.dims(sequences[0])[0];
    LoopSpec spec{node, batch, {}, {}};
    results = buildLoop(spec, b, [&](OpBuilder &inner, AffineExpr index, ValueRange) -> FailureOr<LoopPass> {
      NodeImport body(*this, node, {}, inner, n.loc);
      auto at = [&](Value value) {
        SmallVector<AffineExpr> sizes = body.dims(value), starts(sizes.size(), body.num(0));
        sizes[0] = body.num(1);
        starts[0] = index;
        return body.squeeze(body.slice(value, starts, sizes), {0});
      };
      SmallVector<Value> s = llvm::map_to_vector(states, at), q = llvm::map_to_vector(sequences, at);
      auto outs = scan(body, *graph, env, s, q, axes);
      if (failed(outs))
        return failure();
      return LoopPass{{}, {}, std::move(*outs)};
    });
  }
  if (failed(results))
    return rankFailure(node);
  return bindOutputs(node, *results, env);
}

} // namespace smelt::onnx
