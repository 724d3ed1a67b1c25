//===- Choice.cpp - Parameters that only the run knows ----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   ReduceSum(x, axes), axes a tensor of one integer, x of rank 2
//     -> smelt.bind %axes [0] to [s2]
//        scf.if (s2 mod 2 == 0) { yield ReduceSum(x, [0]) } else { yield ReduceSum(x, [1]) }
//
// A node that needs its axes as constants is imported once for each possibility;
// what comes out meets as the branches of an If do, or the rest of the model is
// imported in each (Control.cpp). The possibilities are numbered by an expression
// of the integers, so that the run compares one number. Values that are no
// possibility end the run with a status. Tests: test/values/run.py,
// test/frontend/import/errors.test, the backend suite.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Graph.h"
#include "llvm/ADT/ScopeExit.h"

using namespace mlir;

namespace smelt::onnx {

/// Copies of a node; more than axes of common ranks have.
static constexpr size_t kMostPossible = 64;

FailureOr<SmallVector<int64_t>> NodeImport::axes(Value v, int64_t rank, AxisOrder order, StringRef what) {
  if (!v)
    return failure();
  SmallVector<int64_t> given;
  if (auto it = importer.chosen.find(v); it != importer.chosen.end())
    return it->second;
  RankedTensorType t = type(v);
  auto known = this->known(v);
  bool isConstant = bool(getConstantInts(v)) || (t.hasStaticShape() && t.getNumElements() == 0);
  if (known)
    isConstant |= llvm::all_of(*known, [](AffineExpr e) { return isa<AffineConstantExpr>(e); });
  if (isConstant) {
    if (t.getNumElements() > 0) {
      auto constant = constants(v, what);
      if (failed(constant))
        return failure();
      given = *constant;
    }
    SmallVector<int64_t> result;
    for (int64_t axis : given) {
      auto at = this->axis(axis, rank);
      if (failed(at))
        return failure();
      if (llvm::is_contained(result, *at))
        return error("axis " + Twine(axis) + " stands twice in " + what, "onnx.axis");
      result.push_back(*at);
    }
    if (order == AxisOrder::Rising)
      llvm::sort(result);
    return result;
  }

  auto exprs = this->exprs(v, (node.label() + "." + what).str(), -rank, rank - 1);
  if (failed(exprs))
    return failure();
  if (int64_t(exprs->size()) > rank)
    return error(Twine(exprs->size()) + " " + what + " for rank " + Twine(rank), "onnx.axis");
  // Counted from the front; as a set, rising.
  SmallVector<AffineExpr> places;
  for (AffineExpr e : *exprs)
    places.push_back((e + rank) % rank);
  if (order == AxisOrder::Rising)
    for (size_t i = 0; i < places.size(); ++i)
      for (size_t j = i + 1; j < places.size(); ++j) {
        AffineExpr low = symbols().min(places[i], places[j]), high = symbols().max(places[i], places[j]);
        places[i] = low;
        places[j] = high;
      }
  Importer::Choice choice{v, num(0), {}, what.str()};
  for (AffineExpr place : llvm::reverse(places))
    choice.code = choice.code * rank + place;
  choice.code = simplifyAffineExpr(choice.code, 0, symbols().size());
  SmallVector<int64_t> tuple;
  std::function<void()> extend = [&] {
    if (choice.possible.size() > kMostPossible)
      return;
    if (tuple.size() == places.size()) {
      int64_t code = 0;
      for (int64_t axis : llvm::reverse(tuple))
        code = code * rank + axis;
      choice.possible.push_back({code, tuple});
      return;
    }
    for (int64_t axis = order == AxisOrder::Rising && !tuple.empty() ? tuple.back() + 1 : 0; axis < rank; ++axis) {
      if (llvm::is_contained(tuple, axis))
        continue;
      tuple.push_back(axis);
      extend();
      tuple.pop_back();
    }
  };
  extend();
  if (choice.possible.size() > kMostPossible)
    return unsupported(what + " computed at run time: more than " + Twine(kMostPossible) + " possibilities for rank " +
                       Twine(rank));
  importer.choice = std::move(choice);
  return failure();
}

FailureOr<int64_t> NodeImport::oneAxis(Value v, int64_t rank, StringRef what) {
  if (v && type(v).hasStaticShape() && type(v).getNumElements() != 1)
    return error(what + " has " + Twine(type(v).getNumElements()) + " elements, want one");
  auto axes = this->axes(v, rank, AxisOrder::AsGiven, what);
  if (failed(axes))
    return failure();
  return axes->front();
}

/// Possibilities from `at` on.
Importer::Outputs Importer::buildChoice(const Node &node, const Choice &choice, size_t at, OpBuilder &b, ChoiceLeaf leaf) {
  MLIRContext *context = b.getContext();
  Location loc = location(node);
  auto &[code, integers] = choice.possible[at];
  AffineExpr difference = simplifyAffineExpr(choice.code - code, 0, symbols.size());
  auto take = [&](OpBuilder &inner) {
    values.push({difference, CmpKind::eq});
    chosen[choice.value] = integers;
    auto back = llvm::make_scope_exit([&] {
      chosen.erase(choice.value);
      values.pop();
    });
    return leaf(inner);
  };
  if (at + 1 == choice.possible.size()) {
    AffineExpr zero = getAffineConstantExpr(0, context), one = getAffineConstantExpr(1, context);
    CheckOp::create(b, loc, DimsAttr::get(context, ArrayRef<AffineExpr>(symbols.select(difference, zero, one))),
                    node.path() + ": no result for these " + choice.what);
    return take(b);
  }
  // What the model says may rule a possibility out; then the run must not take it.
  Value test = TestOp::create(b, loc, b.getI1Type(), DimsAttr::get(context, ArrayRef<AffineExpr>(difference)),
                              CmpKindAttr::get(context, CmpKind::eq));
  auto shell = scf::IfOp::create(b, loc, TypeRange{}, test, /*addThenBlock=*/false, /*addElseBlock=*/false);
  OpBuilder first = OpBuilder::atBlockEnd(&shell.getThenRegion().emplaceBlock());
  OpBuilder second = OpBuilder::atBlockEnd(&shell.getElseRegion().emplaceBlock());
  auto giveUp = [&] {
    shell.erase();
    test.getDefiningOp()->erase();
    values.clear();
  };
  size_t before = errors.size();
  Outputs mine = take(first);
  if (failed(mine)) {
    if (errors.size() == before) { // ranks that do not meet further on
      giveUp();
      return failure();
    }
    giveUp();
    std::vector<Error> reasons(std::make_move_iterator(errors.begin() + before), std::make_move_iterator(errors.end()));
    errors.resize(before);
    Outputs others = buildChoice(node, choice, at + 1, b, leaf);
    if (failed(others) && errors.size() != before) { // none is possible: the first reason
      errors.resize(before);
      llvm::append_range(errors, reasons);
    }
    return others;
  }
  Outputs others = buildChoice(node, choice, at + 1, second, leaf);
  if (failed(others)) {
    bool isRuledOut = errors.size() != before;
    giveUp();
    if (!isRuledOut)
      return failure();
    errors.resize(before);
    Choice rest = choice; // this one is the last that is possible
    rest.possible.resize(at + 1);
    return buildChoice(node, rest, at, b, leaf);
  }
  std::optional<SmallVector<Type>> types;
  SmallVector<Value> a, c;
  if (*mine && *others) { // omitted outputs stand as nulls
    for (auto [x, y] : llvm::zip(**mine, **others))
      if (x && y) {
        a.push_back(x);
        c.push_back(y);
      }
    types = joinTypes(a, c, node.label());
  }
  if (!types) {
    giveUp();
    return std::optional<SmallVector<Value>>();
  }
  SmallVector<Value> joined = finishIf(shell, *types, a, c), outputs;
  size_t next = 0;
  for (auto [x, y] : llvm::zip(**mine, **others))
    outputs.push_back(x && y ? joined[next++] : Value());
  values.clear();
  return std::optional(std::move(outputs));
}

/// The node's outputs; null where they are omitted.
Importer::Outputs Importer::importChosen(const Node &node, Env &env, OpBuilder &b) {
  choice.reset();
  Env *own = newEnv(&env);
  if (failed(importNode(node, *own, b))) {
    if (!choice)
      return failure();
    Choice mine = std::move(*choice);
    choice.reset();
    return buildChoice(node, mine, 0, b, [&](OpBuilder &inner) { return importChosen(node, env, inner); });
  }
  SmallVector<Value> outputs;
  for (std::string_view name : node.outputs)
    outputs.push_back(name.empty() ? Value() : own->values.lookup(ref(name)));
  return std::optional(std::move(outputs));
}

FailureOr<std::optional<SmallVector<Value>>> Importer::importChoice(const Node &node, SmallVector<Frame> &frames,
                                                                    OpBuilder &b) {
  Env &env = *frames.back().env;
  Choice mine = std::move(*choice);
  choice.reset();
  Outputs outputs = buildChoice(node, mine, 0, b, [&](OpBuilder &inner) { return importChosen(node, env, inner); });
  if (failed(outputs))
    return failure();
  if (*outputs) {
    for (auto [name, value] : llvm::zip(node.outputs, **outputs))
      if (!name.empty())
        env.values[ref(name)] = value;
    return std::optional<SmallVector<Value>>();
  }
  if (++forks > kMaxForks)
    return report(node, mine.what + " give different ranks, and importing the rest of the model once for each has made " +
                            Twine(kMaxForks) + " copies",
                  "onnx.too-many-ranks", kExitUnsupported);
  Outputs forked = buildChoice(node, mine, 0, b, [&](OpBuilder &inner) -> Outputs {
    SmallVector<Frame> rest = frames;
    for (Frame &frame : rest)
      frame.env = newEnv(frame.env);
    Outputs own = importChosen(node, *rest.back().env, inner);
    if (failed(own) || !*own)
      return own;
    for (auto [name, value] : llvm::zip(node.outputs, **own))
      if (!name.empty())
        rest.back().env->values[ref(name)] = value;
    auto roots = walk(std::move(rest), inner);
    if (failed(roots))
      return failure();
    return std::optional(std::move(*roots));
  });
  if (failed(forked) || !*forked)
    return failure();
  return std::optional(std::move(**forked));
}

} // namespace smelt::onnx
