//===- Control.cpp - If -----------------------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An If whose condition is decided (a constant, sizes, what an enclosing branch
// assumes) is its branch, inline. Else its branches become an scf.if and their
// results meet through smelt.rebind:
//
//   %y = scf.if %c { yield rebind(%a : [N]) to [s7] } else { yield rebind(%b : [M]) to [s7] }
//
// Where branches give different ranks nothing can meet, and a rank must be
// static. So the rest of the model is imported *in each branch* and meets at its
// end: the frames of the walk are copied, the branch's graph is put on top, and
// the walk goes on to the root's outputs. In a branch the condition is an
// assumption, so the same question asked later is decided. Where the rest is not
// valid for one of the ranks, that branch is a run-time status and the other one
// is inline. Tests:
// test/frontend/import/if*.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Graph.h"

using namespace mlir;

namespace smelt::onnx {

/// The same pure computation of the same values.
static bool sameComputation(Value a, Value b, unsigned depth = 8) {
  if (a == b)
    return true;
  Operation *x = a.getDefiningOp(), *y = b.getDefiningOp();
  if (!x || !y || depth == 0 || x->getName() != y->getName() || x->getNumOperands() != y->getNumOperands() ||
      x->getNumResults() != 1 || y->getNumResults() != 1 || x->getNumRegions() || y->getNumRegions() ||
      a.getType() != b.getType() || !isMemoryEffectFree(x) ||
      x->getPropertiesAsAttribute() != y->getPropertiesAsAttribute() || x->getDiscardableAttrDictionary() != y->getDiscardableAttrDictionary())
    return false;
  for (auto [p, q] : llvm::zip(x->getOperands(), y->getOperands()))
    if (!sameComputation(p, q, depth - 1))
      return false;
  return true;
}

std::optional<bool> Importer::decide(Value condition) {
  for (auto &[fact, truth] : llvm::reverse(facts))
    if (sameComputation(fact, condition))
      return truth;
  if (auto predicate = values.getPredicate(condition))
    return values.decide(*predicate);
  return std::nullopt;
}

void Importer::assume(Value condition, bool truth) {
  facts.push_back({condition, truth});
  if (auto predicate = values.getPredicate(condition))
    values.push(truth ? *predicate : predicate->negated());
  else
    values.push({getAffineConstantExpr(0, module.getContext()), CmpKind::eq}); // says nothing
}

void Importer::forgetAssumptions(size_t count) {
  while (facts.size() > count) {
    facts.pop_back();
    values.pop();
  }
}

/// Ends the run with a status when the condition is not `truth`.
void Importer::requireCondition(Value condition, bool truth, OpBuilder &b, Location loc, const Twine &message) {
  MLIRContext *context = b.getContext();
  AffineExpr one = getAffineConstantExpr(1, context), holds;
  if (auto known = values.get(condition)) { // 0 or 1
    holds = truth ? (*known)[0] : one - (*known)[0];
  } else {
    AffineExpr symbol = symbols.fresh("condition", 0, 1);
    BindOp::create(b, loc, condition, ArrayRef<int64_t>{0}, ArrayRef<int64_t>{int64_t(cast<AffineSymbolExpr>(symbol).getPosition())});
    holds = truth ? symbol : one - symbol;
  }
  CheckOp::create(b, loc, DimsAttr::get(context, ArrayRef<AffineExpr>(holds)), message.str());
}

Value Importer::hostCondition(Value condition, OpBuilder &b, Location loc) {
  if (auto predicate = values.getPredicate(condition))
    return TestOp::create(b, loc, b.getI1Type(), DimsAttr::get(b.getContext(), ArrayRef<AffineExpr>(predicate->expr)),
                          CmpKindAttr::get(b.getContext(), predicate->kind));
  return ReadScalarOp::create(b, loc, b.getI1Type(), condition);
}

/// Types in which the two branches' results meet; nothing when ranks or element
/// types differ.
std::optional<SmallVector<Type>> Importer::joinTypes(ArrayRef<Value> a, ArrayRef<Value> b, StringRef name) {
  if (a.size() != b.size())
    return std::nullopt;
  for (auto [x, y] : llvm::zip(a, b)) {
    auto s = dyn_cast<RankedTensorType>(x.getType()), t = dyn_cast<RankedTensorType>(y.getType());
    if (x.getType() != y.getType() &&
        (!s || !t || s.getRank() != t.getRank() || s.getElementType() != t.getElementType()))
      return std::nullopt;
  }
  SmallVector<Type> result;
  for (auto [i, x, y] : llvm::enumerate(a, b)) {
    if (x.getType() == y.getType()) {
      result.push_back(x.getType());
      continue;
    }
    SmallVector<AffineExpr> dims = getDims(x.getType());
    for (auto [d, other] : llvm::enumerate(getDims(y.getType()))) {
      if (dims[d] == other)
        continue;
      Range p = symbols.range(dims[d]), q = symbols.range(other);
      dims[d] = symbols.fresh((name + ".out" + Twine(i) + ".dim" + Twine(d)).str(), std::max<int64_t>(0, std::min(p.min, q.min)),
                              std::min(kMaxDim, std::max(p.max, q.max)));
    }
    result.push_back(getTensorType(dims, cast<RankedTensorType>(x.getType()).getElementType()));
  }
  return result;
}

SmallVector<Value> finishIf(scf::IfOp shell, ArrayRef<Type> types, ArrayRef<Value> thenValues,
                                   ArrayRef<Value> elseValues) {
  OpBuilder b(shell);
  auto op = scf::IfOp::create(b, shell.getLoc(), types, shell.getCondition(), /*addThenBlock=*/false,
                              /*addElseBlock=*/false);
  op.getThenRegion().takeBody(shell.getThenRegion());
  op.getElseRegion().takeBody(shell.getElseRegion());
  ArrayRef<Value> sides[] = {thenValues, elseValues};
  for (auto [region, side] : llvm::zip(op->getRegions(), sides)) {
    b.setInsertionPointToEnd(&region.front());
    SmallVector<Value> yielded;
    for (auto [value, type] : llvm::zip(side, types))
      yielded.push_back(value.getType() == type ? value : RebindOp::create(b, shell.getLoc(), type, value).getResult());
    scf::YieldOp::create(b, shell.getLoc(), yielded);
  }
  shell.erase();
  return SmallVector<Value>(op.getResults());
}

FailureOr<std::optional<SmallVector<Value>>> Importer::importIf(const Node &node, SmallVector<Frame> &frames,
                                                                OpBuilder &b) {
  Env *env = frames.back().env;
  auto bad = [&](const Twine &message) { return report(node, message, "onnx.invalid-node", kExitInvalid); };
  if (node.inputs.size() != 1 || node.inputs[0].empty())
    return bad(Twine(node.inputs.size()) + " inputs, want the condition only");
  const Graph *branches[2] = {};
  for (int i = 0; i < 2; ++i) {
    const char *name = i == 0 ? "then_branch" : "else_branch";
    const Attribute *attribute = node.attribute(name);
    if (!attribute)
      return report(node, Twine("attribute '") + name + "' is missing, it is required", "onnx.missing-attribute", kExitInvalid);
    if (attribute->kind != AttrKind::Graph)
      return report(node, Twine("attribute '") + name + "' is of kind " + ref(onnx::name(attribute->kind)) + ", want graph",
                    "onnx.attribute-kind", kExitInvalid);
    branches[i] = attribute->graph;
    if (branches[i]->outputs.size() != node.outputs.size())
      return bad(Twine(name) + " gives " + Twine(branches[i]->outputs.size()) + " outputs, the node has " +
                 Twine(node.outputs.size()));
  }
  Value condition = lookup(node.inputs[0], *env, node);
  if (!condition)
    return failure();
  auto type = dyn_cast<RankedTensorType>(condition.getType());
  if (!type || !type.getElementType().isInteger(1))
    return bad("the condition must be a tensor of bool");

  auto takeInline = [&](bool taken) -> FailureOr<std::optional<SmallVector<Value>>> {
    const Graph *graph = branches[taken ? 0 : 1];
    Env *inner = newEnv(env);
    if (failed(initializers(*graph, *inner, b)))
      return failure();
    frames.push_back({graph, 0, inner, &node});
    return std::optional<SmallVector<Value>>();
  };
  if (auto decided = decide(condition))
    return takeInline(*decided);

  Location loc = location(node);
  Value test = hostCondition(condition, b, loc);
  std::string label = node.label();
  bool invalid[2] = {};
  /// Imports both branches by `import(graph, builder)`; nothing when their
  /// results cannot meet.
  auto both = [&](auto import) -> FailureOr<std::optional<SmallVector<Value>>> {
    auto shell = scf::IfOp::create(b, loc, TypeRange{}, test, /*addThenBlock=*/false, /*addElseBlock=*/false);
    SmallVector<Value> results[2];
    size_t errorsBefore = errors.size(), assumptions = facts.size();
    bool meets = true;
    for (int i = 0; i < 2; ++i) {
      OpBuilder inner = OpBuilder::atBlockEnd(&shell->getRegion(i).emplaceBlock());
      size_t before = errors.size();
      assume(condition, i == 0);
      FailureOr<SmallVector<Value>> values = import(*branches[i], inner);
      forgetAssumptions(assumptions);
      if (succeeded(values))
        results[i] = std::move(*values);
      else
        meets = false;
      invalid[i] = errors.size() != before;
    }
    std::optional<SmallVector<Type>> types;
    if (meets)
      types = joinTypes(results[0], results[1], label);
    if (!types) {
      shell.erase();
      values.clear();
      if (errors.size() != errorsBefore)
        return failure();
      return std::optional<SmallVector<Value>>();
    }
    auto joined = finishIf(shell, *types, results[0], results[1]);
    for (auto [value, a, b] : llvm::zip(joined, results[0], results[1]))
      if (elementRanks.count(a) && elementRanks.count(b))
        elementRanks[value] = joinRanks(elementRanks[a], elementRanks[b]);
    values.clear();
    return std::optional(std::move(joined));
  };

  auto joined = both([&](const Graph &graph, OpBuilder &inner) -> FailureOr<SmallVector<Value>> {
    Env *own = newEnv(env);
    if (failed(initializers(graph, *own, inner)))
      return failure();
    return walk({Frame{&graph, 0, own, nullptr}}, inner);
  });
  if (failed(joined))
    return failure();
  if (*joined) {
    if (failed(bindOutputs(node, **joined, *env)))
      return failure();
    return std::optional<SmallVector<Value>>();
  }

  if (++forks > kMaxForks)
    return report(node,
                  "branches give different ranks, and importing the rest of the model once for each has made " +
                      Twine(kMaxForks) + " copies",
                  "onnx.too-many-ranks", kExitUnsupported);
  size_t errorsBefore = errors.size();
  auto forked = both([&](const Graph &graph, OpBuilder &inner) -> FailureOr<SmallVector<Value>> {
    SmallVector<Frame> rest = frames;
    for (Frame &frame : rest)
      frame.env = newEnv(frame.env);
    Env *own = newEnv(rest.back().env);
    if (failed(initializers(graph, *own, inner)))
      return failure();
    rest.push_back({&graph, 0, own, &node});
    return walk(std::move(rest), inner);
  });
  if (failed(forked)) {
    if (invalid[0] == invalid[1])
      return failure();
    // With one of the ranks the rest of the model makes no sense: it was
    // written for the other one, and for inputs that lead to it.
    bool taken = invalid[1];
    std::string reason = errors[errorsBefore].message;
    errors.resize(errorsBefore);
    requireCondition(condition, taken, b, loc, node.path() + ": the model has no result for this input: " + reason);
    test.getDefiningOp()->erase();
    assume(condition, taken);
    return takeInline(taken);
  }
  if (!*forked) // the root's outputs differ in rank: an If further out may fork, or the root reports it
    return failure();
  return std::optional(std::move(**forked));
}

} // namespace smelt::onnx
