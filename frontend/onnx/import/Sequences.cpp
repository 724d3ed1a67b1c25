//===- Sequences.cpp - Sequences and optionals ------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   SequenceInsert(s, x) -> smelt.host_call "SequenceInsert"(%s, %x)
//   SequenceAt(s, i)     -> smelt.host_call "SequenceAt"(%s, %i) binds [3, 4] : tensor<?x?xf32>
//
// A sequence's type says its elements' type but not their shape, so that all
// sequences of a type meet in Ifs and Loops. The rank of the elements, which a
// tensor taken out needs, is followed beside the types (Importer::elementRanks).
// Tests: the backend suite, test/runtime/HostCallTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Compose.h"
#include "frontend/onnx/import/Graph.h"

using namespace mlir;

namespace smelt::onnx {

int64_t joinRanks(int64_t a, int64_t b) { return a == kNoElements ? b : b == kNoElements || a == b ? a : kSomeRank; }

namespace {

int64_t rankIn(NodeImport &n, Value v) {
  auto it = n.importer.elementRanks.find(v);
  return it == n.importer.elementRanks.end() ? kSomeRank : it->second;
}

LogicalResult setValue(NodeImport &n, size_t i, Value value, int64_t elementRank) {
  n.importer.elementRanks[value] = elementRank;
  return n.set(i, value);
}

Value call(NodeImport &n, Type type, ValueRange args, ArrayRef<int64_t> ints = {}, ArrayRef<int64_t> binds = {},
           bool placed = false, StringRef callee = {}) {
  if (llvm::is_contained(args, Value()))
    return {};
  return hostCall(n, callee.empty() ? n.opType() : callee, type, args,
                  {SmallVector<int64_t>(ints), SmallVector<int64_t>(binds), {}, placed})[0];
}

/// The type of a tensor whose size only the run knows, with the symbols that it gets.
Type foundTensor(NodeImport &n, Type elementType, int64_t rank, SmallVectorImpl<int64_t> &binds) {
  SmallVector<AffineExpr> dims;
  for (int64_t d = 0; d < rank; ++d) {
    dims.push_back(n.symbols().fresh((n.node.label() + ".dim" + Twine(d)).str()));
    binds.push_back(cast<AffineSymbolExpr>(dims.back()).getPosition());
  }
  return getTensorType(dims, elementType);
}

/// The element type of the tensors in a sequence or optional; null with an error
/// when it holds something else.
Type elementOf(NodeImport &n, Value v) {
  Type inner = isa<SequenceType>(v.getType()) ? cast<SequenceType>(v.getType()).getElementType()
                                              : cast<OptionalType>(v.getType()).getElementType();
  if (auto tensor = dyn_cast<TensorType>(inner))
    return tensor.getElementType();
  (void)n.unsupported("elements that are not tensors");
  return {};
}

LogicalResult expectSequence(NodeImport &n, size_t i) {
  if (isa<SequenceType>(n.in(i).getType()))
    return success();
  return n.error("input " + Twine(i) + " is not a sequence", "onnx.value-type");
}
LogicalResult expectTensor(NodeImport &n, size_t i) {
  if (isa<RankedTensorType>(n.in(i).getType()))
    return success();
  return n.error("input " + Twine(i) + " is not a tensor", "onnx.value-type");
}
/// A position, when there is one: a single integer.
LogicalResult expectPosition(NodeImport &n, size_t i) {
  if (!n.hasIn(i))
    return success();
  if (failed(expectTensor(n, i)))
    return failure();
  return expectInteger(n, n.in(i), "position");
}

/// A tensor out of a sequence or optional.
LogicalResult takeTensor(NodeImport &n, ValueRange args, int64_t rank) {
  Type element = elementOf(n, args[0]);
  if (!element)
    return failure();
  if (rank < 0)
    return n.unsupported(rank == kNoElements ? "an element of a sequence that is always empty"
                                             : "an element whose rank is not known before the run");
  SmallVector<int64_t> binds;
  Type type = foundTensor(n, element, rank, binds);
  return n.set(0, call(n, type, args, {}, binds));
}

LogicalResult importSequenceEmpty(NodeImport &n) {
  Type element = n.dtype(DType(n.i("dtype", int64_t(DType::F32))));
  if (!element)
    return failure();
  return setValue(n, 0, call(n, sequenceOf(element), {}, {}, {}, false, "SequenceConstruct"), kNoElements);
}

LogicalResult importSequenceConstruct(NodeImport &n) {
  SmallVector<Value> elements;
  int64_t rank = kNoElements;
  for (size_t i = 0; i < n.numInputs(); ++i) {
    if (!n.in(i) || failed(expectTensor(n, i)))
      return failure();
    elements.push_back(n.in(i));
    rank = joinRanks(rank, n.rank(n.in(i)));
  }
  if (failed(n.sameElementType(elements)))
    return failure();
  return setValue(n, 0, call(n, sequenceOf(n.elem(elements[0])), elements), rank);
}

LogicalResult importSequenceInsert(NodeImport &n) {
  if (failed(expectSequence(n, 0)) || failed(expectTensor(n, 1)) || failed(expectPosition(n, 2)))
    return failure();
  SmallVector<Value> args = {n.in(0), n.in(1)};
  if (n.hasIn(2))
    args.push_back(n.in(2));
  if (elementOf(n, n.in(0)) != n.elem(n.in(1)))
    return n.error("the tensor is not of the sequence's element type", "onnx.dtype-mismatch");
  return setValue(n, 0, call(n, n.in(0).getType(), args), joinRanks(rankIn(n, n.in(0)), n.rank(n.in(1))));
}

LogicalResult importSequenceErase(NodeImport &n) {
  if (failed(expectSequence(n, 0)) || failed(expectPosition(n, 1)))
    return failure();
  SmallVector<Value> args = {n.in(0)};
  if (n.hasIn(1))
    args.push_back(n.in(1));
  return setValue(n, 0, call(n, n.in(0).getType(), args), rankIn(n, n.in(0)));
}

LogicalResult importSequenceAt(NodeImport &n) {
  if (failed(expectSequence(n, 0)) || failed(expectPosition(n, 1)))
    return failure();
  return takeTensor(n, {n.in(0), n.in(1)}, rankIn(n, n.in(0)));
}

LogicalResult importSequenceLength(NodeImport &n) {
  if (failed(expectSequence(n, 0)))
    return failure();
  return n.set(0, sequenceLength(n, n.in(0)));
}

LogicalResult importSplitToSequence(NodeImport &n) {
  if (failed(expectTensor(n, 0)))
    return failure();
  auto axis = n.axis(n.i("axis", 0), n.rank(n.in(0)));
  if (failed(axis) || (n.hasIn(1) && (failed(expectTensor(n, 1)) || failed(expectInteger(n, n.in(1), "split")) ||
                                      failed(expectRank(n, n.in(1), 0, 1, "split")))))
    return failure();
  bool keeps = n.hasIn(1) || n.i("keepdims", 1) != 0;
  SmallVector<Value> args = {n.in(0)};
  if (n.hasIn(1))
    args.push_back(n.in(1));
  return setValue(n, 0, call(n, sequenceOf(n.elem(n.in(0))), args, {*axis, keeps}), n.rank(n.in(0)) - !keeps);
}

LogicalResult importConcatFromSequence(NodeImport &n) {
  if (failed(expectSequence(n, 0)) || failed(n.require("axis")))
    return failure();
  int64_t rank = rankIn(n, n.in(0));
  Type element = elementOf(n, n.in(0));
  if (!element)
    return failure();
  if (rank < 0)
    return n.unsupported("elements whose rank is not known before the run");
  bool isNew = n.i("new_axis", 0) != 0;
  auto axis = n.axis(n.i("axis", 0), rank + isNew);
  if (failed(axis))
    return failure();
  SmallVector<int64_t> binds;
  Type type = foundTensor(n, element, rank + isNew, binds);
  return n.set(0, call(n, type, {n.in(0)}, {*axis, isNew}, binds));
}

LogicalResult importOptional(NodeImport &n) {
  MLIRContext *context = n.b.getContext();
  if (n.hasIn(0)) {
    Value x = n.in(0);
    if (isa<OptionalType>(x.getType()))
      return n.error("input 0 is an optional already", "onnx.value-type");
    auto tensor = dyn_cast<RankedTensorType>(x.getType());
    Type inner = tensor ? Type(UnrankedTensorType::get(tensor.getElementType())) : x.getType();
    return setValue(n, 0, call(n, OptionalType::get(context, inner), {x}), tensor ? tensor.getRank() : rankIn(n, x));
  }
  const Attribute *type = n.attribute("type");
  if (!type || type->kind != AttrKind::TypeProto)
    return n.error("attribute 'type' is missing, it is required without an input", "onnx.missing-attribute");
  int64_t rank = kSomeRank;
  Type inner = n.importer.hostType(*type->typeProto, n.node.scope, rank);
  if (!inner)
    return failure();
  return setValue(n, 0, call(n, OptionalType::get(context, inner), {}), kNoElements);
}

LogicalResult importOptionalHasElement(NodeImport &n) {
  Type i1 = n.b.getI1Type();
  if (!n.hasIn(0) || !isa<OptionalType>(n.in(0).getType()))
    return n.set(0, n.scalar(i1, n.hasIn(0)));
  return n.set(0, call(n, RankedTensorType::get({}, i1), {n.in(0)}, {}, {}, /*placed=*/true));
}

LogicalResult importOptionalGetElement(NodeImport &n) {
  auto optional = dyn_cast<OptionalType>(n.in(0).getType());
  if (!optional) // what is no optional is its own element
    return n.set(0, n.in(0));
  if (isa<SequenceType>(optional.getElementType()))
    return setValue(n, 0, call(n, optional.getElementType(), {n.in(0)}), rankIn(n, n.in(0)));
  return takeTensor(n, {n.in(0)}, rankIn(n, n.in(0)));
}

} // namespace

Value wrapOptional(OpBuilder &b, Location loc, Value sequence) {
  return hostCall(b, loc, "Optional", OptionalType::get(b.getContext(), sequence.getType()), sequence)[0];
}
Value takeOptional(OpBuilder &b, Location loc, Value optional) {
  return hostCall(b, loc, "OptionalGetElement", cast<OptionalType>(optional.getType()).getElementType(), optional)[0];
}

Value sequenceLength(NodeImport &n, Value sequence) {
  return call(n, RankedTensorType::get({}, n.b.getI64Type()), {sequence}, {}, {}, /*placed=*/true, "SequenceLength");
}

/// One function call an element: a Loop that takes element i of every sequence and
/// appends the body's outputs.
LogicalResult Importer::importSequenceMap(const Node &node, Env &env, OpBuilder &b) {
  SmallVector<Value> inputs;
  for (std::string_view name : node.inputs) {
    Value value = lookup(name, env, node);
    if (!value)
      return failure();
    inputs.push_back(value);
  }
  NodeImport n(*this, node, inputs, b, location(node));
  if (inputs.empty() || !isa<SequenceType>(inputs[0].getType()))
    return n.error("input 0 is not a sequence", "onnx.value-type");
  const Graph *graph = loopBody(node, inputs.size(), node.outputs.size());
  if (!graph)
    return failure();
  auto trip = n.exprs(sequenceLength(n, inputs[0]), node.label() + ".length", 0, kMaxDim);
  if (failed(trip))
    return failure();
  LoopSpec spec{node, (*trip)[0], {}, {}};
  for (const ValueInfo &info : graph->outputs) {
    Type element = elementType(info.type.elem, node);
    if (!element)
      return failure();
    spec.inits.push_back(call(n, sequenceOf(element), {}, {}, {}, false, "SequenceConstruct"));
    elementRanks[spec.inits.back()] = kNoElements;
  }
  auto results = buildLoop(spec, b, [&](OpBuilder &inner, AffineExpr iteration, ValueRange args) -> FailureOr<LoopPass> {
    NodeImport body(*this, node, inputs, inner, n.loc);
    Env *own = newEnv(&env);
    if (failed(initializers(*graph, *own, inner)))
      return failure();
    Value index = body.exprScalar(inner.getI64Type(), iteration);
    for (auto [info, input] : llvm::zip(graph->inputs, inputs)) {
      Value value = input;
      if (isa<SequenceType>(input.getType())) {
        Type element = elementOf(body, input);
        int64_t rank = rankIn(body, input);
        if (!element)
          return failure();
        if (rank < 0)
          return body.unsupported("elements whose rank is not known before the run");
        SmallVector<int64_t> binds;
        Type type = foundTensor(body, element, rank, binds);
        value = call(body, type, {input, index}, {}, binds, false, "SequenceAt");
      }
      own->values[ref(info.name)] = value;
    }
    auto outs = walk({Frame{graph, 0, own, nullptr}}, inner);
    if (failed(outs))
      return failure();
    LoopPass pass;
    for (auto [sequence, value] : llvm::zip(args, *outs)) {
      auto tensor = dyn_cast<RankedTensorType>(value.getType());
      if (!tensor)
        return body.unsupported("a body's output that is not a tensor");
      if (sequence.getType() != sequenceOf(tensor.getElementType()))
        return body.error("an output of the body is not of its declared element type", "onnx.dtype-mismatch");
      pass.carried.push_back(call(body, sequence.getType(), {sequence, value}, {}, {}, false, "SequenceInsert"));
      elementRanks[pass.carried.back()] = joinRanks(elementRanks[sequence], tensor.getRank());
    }
    return pass;
  });
  if (failed(results))
    return rankFailure(node);
  return bindOutputs(node, *results, env);
}

ArrayRef<OpRow> sequenceOps() {
  static constexpr OpRow rows[] = {
      {"", "SequenceEmpty", 11, 0, 0, importSequenceEmpty},
      {"", "SequenceConstruct", 11, 1, -1, importSequenceConstruct, true},
      {"", "SequenceInsert", 11, 2, 3, importSequenceInsert, true},
      {"", "SequenceErase", 11, 1, 2, importSequenceErase, true},
      {"", "SequenceAt", 11, 2, 2, importSequenceAt, true},
      {"", "SequenceLength", 11, 1, 1, importSequenceLength, true},
      {"", "SplitToSequence", 11, 1, 2, importSplitToSequence, true},
      {"", "ConcatFromSequence", 11, 1, 1, importConcatFromSequence, true},
      {"", "Optional", 15, 0, 1, importOptional, true},
      {"", "OptionalHasElement", 15, 0, 1, importOptionalHasElement, true},
      {"", "OptionalGetElement", 15, 1, 1, importOptionalGetElement, true},
  };
  return rows;
}

} // namespace smelt::onnx
