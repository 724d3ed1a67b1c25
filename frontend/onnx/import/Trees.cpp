//===- Trees.cpp - Decision tree ensembles ----------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The three ways ONNX writes trees become one node list, renumbered in
// preorder, tree after tree, so that a walk runs forward in memory. The same
// renumbering proves that every node is reached once: a hostile cycle would
// make the kernel walk forever.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Trees.h"
#include <cmath>
#include <map>

using namespace mlir;

namespace smelt::onnx {

namespace {

struct TreeNode {
  int64_t feature = 0;
  double threshold = 0;
  int8_t mode = 0; // as in smelt.tree_ensemble; 0 is a leaf
  int64_t whenTrue = 0, whenFalse = 0;
  bool missingTrue = false;
  // A test of membership (mode EQ): entries [first, first + count) of the ensemble's members.
  int64_t firstMember = 0, memberCount = -1;
  SmallVector<std::pair<int64_t, double>, 1> weights; // (target, weight) of a leaf
};

struct Ensemble {
  std::vector<TreeNode> nodes;
  std::vector<int64_t> roots;
  SmallVector<double> members;
  int64_t targets = 0;
};
constexpr int8_t kEqual = 5;

/// An attribute of floats, or its `_as_tensor` twin of doubles.
FailureOr<SmallVector<double>> floatsOrTensor(NodeImport &n, StringRef name) {
  if (n.has(name))
    return n.floats(name);
  SmallVector<double> values;
  const Tensor *t = n.tensor((name + "_as_tensor").str());
  if (!t)
    return values;
  if (t->dtype != DType::F32 && t->dtype != DType::F64)
    return n.error(Twine(name) + "_as_tensor has element type " + std::string(onnx::name(t->dtype)) +
                   ", want f32 or f64");
  for (int64_t i = 0, e = t->elements(); i < e; ++i) {
    if (t->dtype == DType::F64) {
      double v;
      std::memcpy(&v, t->data.data() + 8 * i, 8);
      values.push_back(v);
    } else {
      float v;
      std::memcpy(&v, t->data.data() + 4 * i, 4);
      values.push_back(v);
    }
  }
  return values;
}

LogicalResult expectCount(NodeImport &n, size_t found, size_t want, StringRef name) {
  if (found == want)
    return success();
  return n.error(Twine(name) + " has " + Twine(found) + " entries, want " + Twine(want));
}

/// The node arrays of TreeEnsembleClassifier and -Regressor; `what` is "class" or "target".
FailureOr<Ensemble> readEnsemble(NodeImport &n, StringRef what) {
  Ensemble e;
  SmallVector<int64_t> ids = n.ints("nodes_nodeids"), trees = n.ints("nodes_treeids");
  SmallVector<int64_t> features = n.ints("nodes_featureids"), yes = n.ints("nodes_truenodeids");
  SmallVector<int64_t> no = n.ints("nodes_falsenodeids"), missing = n.ints("nodes_missing_value_tracks_true");
  std::vector<std::string> modes = n.strings("nodes_modes");
  auto values = floatsOrTensor(n, "nodes_values");
  size_t count = ids.size();
  if (failed(values) || failed(expectCount(n, trees.size(), count, "nodes_treeids")) ||
      failed(expectCount(n, features.size(), count, "nodes_featureids")) ||
      failed(expectCount(n, yes.size(), count, "nodes_truenodeids")) ||
      failed(expectCount(n, no.size(), count, "nodes_falsenodeids")) ||
      failed(expectCount(n, modes.size(), count, "nodes_modes")) ||
      failed(expectCount(n, values->size(), count, "nodes_values")) ||
      (!missing.empty() && failed(expectCount(n, missing.size(), count, "nodes_missing_value_tracks_true"))))
    return failure();
  // std::map: hostile ids may be the sentinels of a DenseMap.
  std::map<std::pair<int64_t, int64_t>, int64_t> index;
  std::map<int64_t, int64_t> rootOf;
  for (size_t i = 0; i < count; ++i) {
    if (!index.try_emplace({trees[i], ids[i]}, i).second)
      return n.error("node " + Twine(ids[i]) + " of tree " + Twine(trees[i]) + " is listed twice, want once");
    // The first node of a tree is its root.
    if (rootOf.try_emplace(trees[i], i).second)
      e.roots.push_back(i);
  }
  static constexpr StringLiteral names[] = {"LEAF",      "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE",
                                            "BRANCH_GT", "BRANCH_EQ",  "BRANCH_NEQ"};
  e.nodes.resize(count);
  for (size_t i = 0; i < count; ++i) {
    TreeNode &node = e.nodes[i];
    const auto *mode = llvm::find(names, modes[i]);
    if (mode == std::end(names))
      return n.error("nodes_modes[" + Twine(i) + "] is '" + modes[i] +
                     "', want LEAF or BRANCH_LEQ, LT, GTE, GT, EQ, NEQ");
    node.mode = mode - names;
    node.feature = features[i];
    node.threshold = (*values)[i];
    node.missingTrue = !missing.empty() && missing[i] != 0;
    if (node.mode == 0)
      continue;
    for (auto [child, to] : {std::pair(yes[i], &node.whenTrue), std::pair(no[i], &node.whenFalse)}) {
      auto it = index.find({trees[i], child});
      if (it == index.end())
        return n.error("node " + Twine(ids[i]) + " of tree " + Twine(trees[i]) + " leads to node " + Twine(child) +
                       ", which does not exist");
      *to = it->second;
    }
  }
  std::string prefix = what.str();
  SmallVector<int64_t> targets = n.ints(prefix + "_ids"), leafIds = n.ints(prefix + "_nodeids");
  SmallVector<int64_t> leafTrees = n.ints(prefix + "_treeids");
  auto weights = floatsOrTensor(n, prefix + "_weights");
  if (failed(weights) || failed(expectCount(n, leafIds.size(), targets.size(), prefix + "_nodeids")) ||
      failed(expectCount(n, leafTrees.size(), targets.size(), prefix + "_treeids")) ||
      failed(expectCount(n, weights->size(), targets.size(), prefix + "_weights")))
    return failure();
  for (size_t i = 0; i < targets.size(); ++i) {
    auto it = index.find({leafTrees[i], leafIds[i]});
    if (it == index.end())
      return n.error(prefix + "_nodeids[" + Twine(i) + "] is node " + Twine(leafIds[i]) + " of tree " +
                     Twine(leafTrees[i]) + ", which does not exist");
    if (e.nodes[it->second].mode == 0) // weights of branches are never reached
      e.nodes[it->second].weights.push_back({targets[i], (*weights)[i]});
  }
  return e;
}

/// Emits the op for x [N, F]: [N, targets] in x's type.
FailureOr<Value> emitEnsemble(NodeImport &n, const Ensemble &e, Value x, ReduceKind aggregate) {
  auto featureCount = staticDim(n, x, 1, "X");
  if (failed(featureCount) || failed(expectRange(n, e.targets, 1, (int64_t(1) << 31) - 1, "number of targets")))
    return failure();
  // Preorder by an explicit stack: hostile trees may be deep. A test of membership
  // becomes a chain of comparisons, at least one.
  std::vector<int32_t> place(e.nodes.size(), -1), roots;
  std::vector<int64_t> order;
  int64_t rows = 0;
  for (int64_t root : e.roots) {
    roots.push_back(rows);
    SmallVector<int64_t> stack = {root};
    while (!stack.empty()) {
      int64_t at = stack.pop_back_val();
      if (place[at] >= 0)
        return n.error("tree node " + Twine(at) + " is reached twice, want a tree");
      const TreeNode &node = e.nodes[at];
      place[at] = rows;
      rows += std::max<int64_t>(1, node.memberCount);
      order.push_back(at);
      if (node.mode == 0)
        continue;
      if (failed(expectRange(n, node.feature, 0, *featureCount - 1, "feature id of tree node " + Twine(at))))
        return failure();
      stack.push_back(node.whenFalse);
      stack.push_back(node.whenTrue);
    }
  }
  std::vector<int32_t> features, yes, no, begin = {0}, targets;
  std::vector<int8_t> modes, missing;
  SmallVector<double> thresholds, weights;
  for (int64_t at : order) {
    const TreeNode &node = e.nodes[at];
    for (int64_t k = 0, tests = std::max<int64_t>(1, node.memberCount); k < tests; ++k) {
      double threshold = node.memberCount < 0    ? node.threshold
                         : node.memberCount == 0 ? std::numeric_limits<double>::quiet_NaN() // equals nothing
                                                 : e.members[node.firstMember + k];
      features.push_back(node.mode ? int32_t(node.feature) : 0);
      modes.push_back(node.mode);
      missing.push_back(node.missingTrue);
      thresholds.push_back(threshold);
      yes.push_back(node.mode ? place[node.whenTrue] : 0);
      no.push_back(!node.mode ? 0 : k + 1 < tests ? place[at] + k + 1 : place[node.whenFalse]);
      if (k + 1 < tests)
        begin.push_back(targets.size());
    }
    for (auto [target, weight] : node.weights) {
      if (failed(expectRange(n, target, 0, e.targets - 1, "target of tree node " + Twine(at))))
        return failure();
      targets.push_back(target);
      weights.push_back(weight);
    }
    begin.push_back(targets.size());
  }
  Type i32 = n.b.getI32Type(), i8 = n.b.getI8Type(), elem = n.elem(x);
  auto ints = [&](const std::vector<int32_t> &v, StringRef name) { return constantOf<int32_t>(n, v, i32, name); };
  auto reals = [&](ArrayRef<double> v) { return floats(n, v, {int64_t(v.size())}, elem); };
  return make<TreeEnsembleOp>(n, {n.dims(x)[0], n.num(e.targets)}, elem, x, ints(features, "tree_features"),
                              reals(thresholds), constantOf<int8_t>(n, modes, i8, "tree_modes"), ints(yes, "tree_true"),
                              ints(no, "tree_false"), constantOf<int8_t>(n, missing, n.b.getI1Type(), "tree_missing"),
                              ints(roots, "tree_roots"), ints(begin, "tree_leaf_begin"),
                              ints(targets, "tree_leaf_targets"), reals(weights), aggregate);
}

/// x as [N, F] in f32, or f64 when it is that.
FailureOr<Value> features(NodeImport &n) {
  Value x = n.in(0);
  if (failed(expectRank(n, x, 1, 2, "X")))
    return failure();
  if (!n.elem(x).isIntOrFloat())
    return n.error("X is not numeric, want floats or integers");
  if (n.rank(x) == 1)
    x = n.unsqueeze(x, {0});
  return n.elem(x).isF64() ? x : n.cast(x, n.b.getF32Type());
}

} // namespace

FailureOr<ClassLabels> readLabels(NodeImport &n, StringRef intsName, StringRef stringsName) {
  ClassLabels labels{n.ints(intsName), n.strings(stringsName)};
  if (labels.size() == 0)
    return n.error("neither " + intsName + " nor " + stringsName + " has entries, want one of them");
  return labels;
}

ArrayAttr labelAttr(NodeImport &n, const ClassLabels &labels) {
  SmallVector<mlir::Attribute> attrs;
  for (const std::string &s : labels.strings)
    attrs.push_back(n.b.getStringAttr(s));
  if (labels.strings.empty())
    for (int64_t i : labels.ints)
      attrs.push_back(n.b.getI64IntegerAttr(i));
  return n.b.getArrayAttr(attrs);
}

Value lookUp(NodeImport &n, const ClassLabels &labels, Value indices) {
  if (!indices)
    return {};
  if (!labels.strings.empty())
    return make<StringLookupOp>(n, n.dims(indices), StringType::get(n.b.getContext()), indices, labelAttr(n, labels));
  bool identity = true;
  for (auto [i, label] : llvm::enumerate(labels.ints))
    identity &= label == int64_t(i);
  if (identity)
    return indices;
  return make<GatherOp>(n, n.dims(indices), n.b.getI64Type(), createInts(n.b, n.loc, labels.ints), indices, 0);
}

FailureOr<Value> postTransform(NodeImport &n, StringRef kind, Value scores) {
  if (!scores)
    return failure();
  int64_t last = n.rank(scores) - 1;
  if (kind == "NONE" || kind.empty())
    return scores;
  if (kind == "LOGISTIC")
    return unary<SigmoidOp>(n, scores);
  if (kind == "SOFTMAX")
    return n.softmax(scores, {last});
  if (kind == "SOFTMAX_ZERO") {
    // A softmax in which scores of 0 keep 0.
    Value top = n.reduce(ReduceKind::max, scores, {last}, /*keepDims=*/true);
    Value isZero = n.cmp(CmpKind::le, unary<AbsOp>(n, scores), like(n, scores, 1e-7));
    Value powers =
        n.select(isZero, n.mul(scores, unary<ExpOp>(n, unary<NegOp>(n, top))), unary<ExpOp>(n, n.sub(scores, top)));
    Value sum = n.reduce(ReduceKind::sum, powers, {last}, /*keepDims=*/true);
    return n.select(n.cmp(CmpKind::eq, sum, like(n, sum, 0)), like(n, powers, 0.5), n.div(powers, sum));
  }
  if (kind == "PROBIT") {
    // sqrt(2) * erfinv(2 s - 1) in Winitzki's approximation, which ONNX's reference takes.
    auto num = [&](double v) { return like(n, scores, v); };
    Value x = n.sub(n.mul(scores, num(2)), num(1));
    Value log = unary<LogOp>(n, n.mul(n.sub(num(1), x), n.add(num(1), x)));
    Value v = n.add(num(2 / (3.14159 * 0.147)), n.mul(num(0.5), log));
    Value root = unary<SqrtOp>(n, n.sub(n.mul(v, v), n.mul(num(1 / 0.147), log)));
    Value size = unary<SqrtOp>(n, n.sub(root, v));
    return n.mul(num(1.41421356), n.select(n.cmp(CmpKind::lt, x, num(0)), unary<NegOp>(n, size), size));
  }
  return n.error("post_transform is '" + kind + "', want NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT");
}

static FailureOr<Value> addBase(NodeImport &n, Value scores, int64_t columns) {
  auto base = floatsOrTensor(n, "base_values");
  if (failed(base) || base->empty())
    return failed(base) ? FailureOr<Value>(failure()) : scores;
  if (int64_t(base->size()) != columns && base->size() != 1)
    return n.error("base_values has " + Twine(base->size()) + " entries, want " + Twine(columns));
  return n.add(scores, floats(n, *base, {int64_t(base->size())}, n.elem(scores)));
}

LogicalResult importTreeClassifier(NodeImport &n) {
  auto x = features(n);
  auto e = readEnsemble(n, "class");
  auto labels = readLabels(n, "classlabels_int64s", "classlabels_strings");
  if (failed(x) || failed(e) || failed(labels))
    return failure();
  int64_t classes = labels->size();
  SmallVector<int64_t> ids = n.ints("class_ids");
  llvm::sort(ids);
  ids.erase(llvm::unique(ids), ids.end());
  // One class with weights among at most two: the other is its complement.
  bool binary = classes <= 2 && ids.size() == 1;
  if (classes == 1 && !labels->strings.empty())
    return n.unsupported("a classifier with one class label, a string");
  e->targets = classes;
  if (classes == 1 && !binary)
    return n.error("class_ids name " + Twine(ids.size()) + " classes, want 1");
  auto scores = emitEnsemble(n, *e, *x, ReduceKind::sum);
  if (succeeded(scores))
    scores = addBase(n, n.cast(*scores, n.b.getF32Type()), classes);
  if (failed(scores))
    return failure();
  std::string post = n.s("post_transform", "NONE");
  if (binary) {
    Value s = sliceAxis(n, *scores, 1, n.num(ids.front()), n.num(1));
    bool plain = post == "NONE" || post == "PROBIT";
    Value other = plain ? n.sub(like(n, s, 1.0), s) : unary<NegOp>(n, s);
    scores = n.concat({other, s}, 1);
  }
  auto y = postTransform(n, post, *scores);
  if (failed(y))
    return failure();
  Value best = make<ArgReduceOp>(n, {n.dims(*y)[0]}, n.b.getI64Type(), *y, 1, true);
  if (classes == 1)
    labels->ints.insert(labels->ints.begin(), 0);
  (void)n.set(0, lookUp(n, *labels, best));
  return n.set(1, *y);
}

LogicalResult importTreeRegressor(NodeImport &n) {
  auto x = features(n);
  auto e = readEnsemble(n, "target");
  if (failed(x) || failed(e))
    return failure();
  e->targets = n.i("n_targets", 1);
  std::string aggregate = n.s("aggregate_function", "SUM");
  if (aggregate != "SUM" && aggregate != "AVERAGE" && aggregate != "MIN" && aggregate != "MAX")
    return n.error("aggregate_function is '" + aggregate + "', want SUM, AVERAGE, MIN or MAX");
  ReduceKind kind = aggregate == "MIN" ? ReduceKind::min : aggregate == "MAX" ? ReduceKind::max : ReduceKind::sum;
  auto y = emitEnsemble(n, *e, *x, kind);
  if (failed(y))
    return failure();
  if (aggregate == "AVERAGE")
    y = n.div(*y, like(n, *y, double(e->roots.size())));
  y = addBase(n, n.cast(*y, n.b.getF32Type()), e->targets);
  if (succeeded(y))
    y = postTransform(n, n.s("post_transform", "NONE"), *y);
  return failed(y) ? failure() : n.set(0, *y);
}

/// ai.onnx.ml 5: branches and leaves in arrays of their own.
LogicalResult importTreeEnsemble(NodeImport &n) {
  auto x = features(n);
  SmallVector<int64_t> featureIds = n.ints("nodes_featureids"), yes = n.ints("nodes_truenodeids");
  SmallVector<int64_t> no = n.ints("nodes_falsenodeids"), yesLeaf = n.ints("nodes_trueleafs");
  SmallVector<int64_t> noLeaf = n.ints("nodes_falseleafs"), missing = n.ints("nodes_missing_value_tracks_true");
  SmallVector<int64_t> roots = n.ints("tree_roots"), leafTargets = n.ints("leaf_targetids");
  if (failed(n.require("nodes_splits")) || failed(n.require("nodes_modes")) || failed(n.require("leaf_weights")) ||
      failed(x))
    return failure();
  auto numbers = [&](StringRef name) -> FailureOr<SmallVector<double>> {
    const Tensor *t = n.tensor(name);
    if (!t)
      return failure();
    SmallVector<double> values;
    for (int64_t i = 0, e = t->elements(); i < e; ++i) {
      const uint8_t *at = t->data.data() + i * elementBytes(t->dtype);
      if (t->dtype == DType::F32) {
        float v;
        std::memcpy(&v, at, 4);
        values.push_back(v);
      } else if (t->dtype == DType::F64) {
        double v;
        std::memcpy(&v, at, 8);
        values.push_back(v);
      } else if (t->dtype == DType::U8) {
        values.push_back(*at);
      } else {
        return n.unsupported(Twine(name) + " of element type " + std::string(onnx::name(t->dtype)));
      }
    }
    return values;
  };
  auto splits = numbers("nodes_splits"), modes = numbers("nodes_modes"), weights = numbers("leaf_weights");
  if (failed(splits) || failed(modes) || failed(weights))
    return failure();
  size_t count = modes->size(), leaves = weights->size();
  if (failed(expectCount(n, splits->size(), count, "nodes_splits")) ||
      failed(expectCount(n, featureIds.size(), count, "nodes_featureids")) ||
      failed(expectCount(n, yes.size(), count, "nodes_truenodeids")) ||
      failed(expectCount(n, no.size(), count, "nodes_falsenodeids")) ||
      failed(expectCount(n, yesLeaf.size(), count, "nodes_trueleafs")) ||
      failed(expectCount(n, noLeaf.size(), count, "nodes_falseleafs")) ||
      failed(expectCount(n, leafTargets.size(), leaves, "leaf_targetids")) ||
      (!missing.empty() && failed(expectCount(n, missing.size(), count, "nodes_missing_value_tracks_true"))))
    return failure();
  Ensemble e;
  e.targets = n.i("n_targets", 1);
  e.nodes.resize(count);
  // A leaf may be shared by several branches: each use becomes a node.
  auto target = [&](int64_t id, bool isLeaf) -> FailureOr<int64_t> {
    if (failed(expectRange(n, id, 0, int64_t(isLeaf ? leaves : count) - 1, isLeaf ? "leaf index" : "node index")))
      return failure();
    if (!isLeaf)
      return id;
    TreeNode leaf;
    leaf.weights.push_back({leafTargets[id], (*weights)[id]});
    e.nodes.push_back(leaf);
    return int64_t(e.nodes.size()) - 1;
  };
  if (n.has("membership_values")) {
    auto members = numbers("membership_values");
    if (failed(members))
      return failure();
    e.members = *members;
  }
  size_t nextMember = 0;
  for (size_t i = 0; i < count; ++i) {
    if (failed(expectRange(n, int64_t((*modes)[i]), 0, 6, "nodes_modes[" + Twine(i) + "]")))
      return failure();
    auto t = target(yes[i], yesLeaf[i] != 0), f = target(no[i], noLeaf[i] != 0);
    if (failed(t) || failed(f))
      return failure();
    TreeNode &node = e.nodes[i];
    node.feature = featureIds[i];
    node.threshold = (*splits)[i];
    node.mode = int8_t((*modes)[i]) + 1;
    if ((*modes)[i] == 6) { // its set ends at the next NaN
      node.mode = kEqual;
      if (nextMember >= e.members.size())
        return n.error("membership_values has no set for nodes_modes[" + Twine(i) + "]");
      node.firstMember = nextMember;
      while (nextMember < e.members.size() && !std::isnan(e.members[nextMember]))
        ++nextMember;
      node.memberCount = nextMember++ - node.firstMember;
    }
    node.whenTrue = *t, node.whenFalse = *f;
    node.missingTrue = !missing.empty() && missing[i] != 0;
  }
  for (int64_t root : roots) {
    if (failed(expectRange(n, root, 0, int64_t(count) - 1, "tree root")))
      return failure();
    // A tree of one leaf is written as a branch with twice the same leaf.
    bool leafOnly = yesLeaf[root] && noLeaf[root] && yes[root] == no[root];
    e.roots.push_back(leafOnly ? e.nodes[root].whenTrue : root);
  }
  int64_t aggregate = n.i("aggregate_function", 1), post = n.i("post_transform", 0);
  if (failed(expectRange(n, aggregate, 0, 3, "aggregate_function")) ||
      failed(expectRange(n, post, 0, 4, "post_transform")))
    return failure();
  static constexpr ReduceKind kinds[] = {ReduceKind::sum, ReduceKind::sum, ReduceKind::min, ReduceKind::max};
  static constexpr StringLiteral posts[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
  auto y = emitEnsemble(n, e, *x, kinds[aggregate]);
  if (succeeded(y) && aggregate == 0)
    y = n.div(*y, like(n, *y, double(std::max<size_t>(1, roots.size()))));
  if (succeeded(y))
    y = postTransform(n, posts[post], *y);
  return failed(y) ? failure() : n.set(0, *y);
}

} // namespace smelt::onnx
