//===- SVM.cpp - Support vector machines ------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A kernel matrix [N, V] of the rows and the support vectors, then matmuls with
// the coefficients. A classifier compares every pair of classes: its votes
// choose the class, and Platt's sigmoids of its scores are coupled to one
// probability a class by the runtime (host/Coupling.cpp).
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Trees.h"

using namespace mlir;

namespace smelt::onnx {

/// k(x, v) for x [N, F] and `vectors` [V, F]: [N, V].
static FailureOr<Value> kernelMatrix(NodeImport &n, Value x, ArrayRef<double> vectors, int64_t count,
                                     StringRef kernel) {
  Type elem = n.elem(x);
  auto width = staticDim(n, x, 1, "X");
  if (failed(width))
    return failure();
  if (count < 1 || int64_t(vectors.size()) != count * *width)
    return n.error("support vectors have " + Twine(vectors.size()) + " entries, want " + Twine(count) + " x " +
                   Twine(*width));
  SmallVector<double> params = n.floats("kernel_params"); // gamma, coef0, degree
  params.resize(3, 0.0);
  Value sv = floats(n, vectors, {count, *width}, elem);
  if (kernel == "RBF") {
    Value d = n.sub(n.unsqueeze(x, {1}), sv);
    return unary<ExpOp>(n, n.mul(n.reduce(ReduceKind::sum, n.mul(d, d), {2}, false), n.scalar(elem, -params[0])));
  }
  auto k = matmul(n, x, sv, elem, false, /*transposeRhs=*/true);
  if (failed(k) || kernel == "LINEAR")
    return k;
  if (kernel != "POLY" && kernel != "SIGMOID")
    return n.error("kernel_type is '" + kernel + "', want LINEAR, POLY, RBF or SIGMOID");
  Value y = n.add(n.mul(*k, n.scalar(elem, params[0])), n.scalar(elem, params[1]));
  return kernel == "POLY" ? n.elementwise<PowOp>({y, n.scalar(elem, params[2])}) : unary<TanhOp>(n, y);
}

/// The node's X as a matrix [N, F].
static FailureOr<Value> rowsOf(NodeImport &n) {
  auto x = numeric(n);
  if (failed(x))
    return failure();
  return n.rank(*x) == 1 ? n.unsqueeze(*x, {0}) : *x;
}

LogicalResult importSVMRegressor(NodeImport &n) {
  auto x = rowsOf(n);
  if (failed(x))
    return failure();
  Type elem = n.elem(*x);
  SmallVector<double> coefficients = n.floats("coefficients"), rho = n.floats("rho");
  int64_t supports = n.i("n_supports", 0);
  if (failed(expectRange(n, supports, 0, (int64_t(1) << 31) - 1, "n_supports")))
    return failure();
  if (rho.empty())
    return n.error("attribute rho has no entry, want one");
  if (supports > 0 && int64_t(coefficients.size()) != supports)
    return n.error("coefficients has " + Twine(coefficients.size()) + " entries, want " + Twine(supports));
  auto y = supports > 0 ? kernelMatrix(n, *x, n.floats("support_vectors"), supports, n.s("kernel_type", "LINEAR"))
                        : kernelMatrix(n, *x, coefficients, 1, "LINEAR");
  if (succeeded(y) && supports > 0)
    y = matmul(n, *y, floats(n, coefficients, {supports, 1}, elem), elem);
  if (failed(y))
    return failure();
  Value s = n.cast(n.add(*y, n.scalar(elem, rho[0])), n.b.getF32Type());
  if (n.i("one_class", 0))
    return n.set(0, n.select(n.cmp(CmpKind::gt, s, like(n, s, 0)), like(n, s, 1), like(n, s, -1)));
  y = postTransform(n, n.s("post_transform", "NONE"), s);
  return failed(y) ? failure() : n.set(0, *y);
}

namespace {
/// What the comparisons of every pair of classes give.
struct Pairs {
  Value scores; // f32 [N, pairs], above 0 for the first of the pair
  Value best;   // i64 [N], the class with the most votes
};
} // namespace

/// The pairs (i, j > i) in order: support vectors of class i weigh by row j - 1 of
/// the coefficients [classes - 1, V], those of class j by row i.
static FailureOr<Pairs> comparePairs(NodeImport &n, Value x, int64_t classes, ArrayRef<int64_t> perClass) {
  SmallVector<double> coefficients = n.floats("coefficients"), rho = n.floats("rho");
  SmallVector<int64_t> start = {0};
  for (int64_t count : perClass) {
    if (failed(expectRange(n, count, 0, (int64_t(1) << 31) - 1, "an entry of vectors_per_class")))
      return failure();
    start.push_back(start.back() + count);
  }
  int64_t vectors = start.back(), pairs = classes * (classes - 1) / 2, pair = 0;
  if (int64_t(coefficients.size()) != (classes - 1) * vectors || int64_t(rho.size()) != pairs)
    return n.error("coefficients and rho have " + Twine(coefficients.size()) + " and " + Twine(rho.size()) +
                   " entries, want " + Twine((classes - 1) * vectors) + " and " + Twine(pairs));
  constexpr int64_t maxEntries = int64_t(1) << 26; // a table of every vector and pair
  if (vectors * pairs > maxEntries)
    return n.unsupported("an SVMClassifier of " + Twine(vectors) + " vectors and " + Twine(pairs) +
                         " pairs of classes");
  auto k = kernelMatrix(n, x, n.floats("support_vectors"), vectors, n.s("kernel_type", "LINEAR"));
  if (failed(k))
    return failure();
  SmallVector<double> table(vectors * pairs, 0.0), first(pairs * classes, 0.0), second(pairs * classes, 0.0);
  for (int64_t i = 0; i < classes; ++i)
    for (int64_t j = i + 1; j < classes; ++j, ++pair) {
      for (int64_t v = start[i]; v < start[i + 1]; ++v)
        table[v * pairs + pair] = coefficients[(j - 1) * vectors + v];
      for (int64_t v = start[j]; v < start[j + 1]; ++v)
        table[v * pairs + pair] = coefficients[i * vectors + v];
      first[pair * classes + i] = second[pair * classes + j] = 1;
    }
  Type elem = n.elem(x), f32 = n.b.getF32Type();
  auto sum = matmul(n, *k, floats(n, table, {vectors, pairs}, elem), elem);
  if (failed(sum))
    return failure();
  Pairs result;
  result.scores = n.cast(n.add(*sum, floats(n, rho, {pairs}, elem)), f32);
  Value won = n.cast(n.cmp(CmpKind::gt, result.scores, n.scalar(f32, 0)), f32);
  auto forFirst = matmul(n, won, floats(n, first, {pairs, classes}, f32), f32);
  auto forSecond = matmul(n, n.sub(n.scalar(f32, 1), won), floats(n, second, {pairs, classes}, f32), f32);
  if (failed(forFirst) || failed(forSecond))
    return failure();
  Value votes = n.add(*forFirst, *forSecond);
  result.best = votes ? make<ArgReduceOp>(n, {n.dims(votes)[0]}, n.b.getI64Type(), votes, 1, true) : Value();
  if (!result.best)
    return failure();
  return result;
}

/// Platt's sigmoid of every pair's score, coupled to one probability a class.
static FailureOr<Value> probabilities(NodeImport &n, Value scores, int64_t classes, ArrayRef<double> a,
                                      ArrayRef<double> b) {
  int64_t pairs = classes * (classes - 1) / 2;
  if (int64_t(a.size()) != pairs || int64_t(b.size()) != pairs)
    return n.error("prob_a and prob_b have " + Twine(a.size()) + " and " + Twine(b.size()) + " entries, want " +
                   Twine(pairs));
  Type f32 = n.b.getF32Type();
  Value at = n.add(n.mul(scores, floats(n, a, {pairs}, f32)), floats(n, b, {pairs}, f32));
  Value p = at ? clamp(n, unary<SigmoidOp>(n, unary<NegOp>(n, at)), 1e-7, 1 - 1e-7) : Value();
  if (!p)
    return failure();
  return hostCall(n, "PairwiseCoupling", getTensorType(Dims{n.dims(p)[0], n.num(classes)}, f32), p,
                  {{}, {}, {}, /*placed=*/true})[0];
}

LogicalResult importSVMClassifier(NodeImport &n) {
  auto x = rowsOf(n);
  auto labels = readLabels(n, "classlabels_ints", "classlabels_strings");
  if (failed(x) || failed(labels))
    return failure();
  constexpr int64_t maxClasses = 1024;
  int64_t classes = labels->size();
  if (classes < 2 || classes > maxClasses)
    return n.unsupported("SVMClassifier of " + Twine(classes) + " classes, want 2 to " + Twine(maxClasses));
  SmallVector<int64_t> perClass = n.ints("vectors_per_class");
  std::string post = n.s("post_transform", "NONE");
  Value best, scores;
  if (llvm::all_of(perClass, [](int64_t count) { return count == 0; })) { // a linear machine for each class
    SmallVector<double> coefficients = n.floats("coefficients"), rho = n.floats("rho");
    if (rho.empty())
      return n.error("attribute rho has no entry, want one");
    auto y = kernelMatrix(n, *x, coefficients, classes, "LINEAR");
    if (failed(y))
      return failure();
    scores = n.cast(n.add(*y, n.scalar(n.elem(*x), rho[0])), n.b.getF32Type());
    best = scores ? make<ArgReduceOp>(n, {n.dims(scores)[0]}, n.b.getI64Type(), scores, 1, true) : Value();
  } else {
    if (int64_t(perClass.size()) != classes)
      return n.error("vectors_per_class has " + Twine(perClass.size()) + " entries, want " + Twine(classes));
    auto pairs = comparePairs(n, *x, classes, perClass);
    if (failed(pairs))
      return failure();
    scores = pairs->scores, best = pairs->best;
    SmallVector<double> a = n.floats("prob_a"), b = n.floats("prob_b");
    if (!a.empty()) {
      auto p = probabilities(n, scores, classes, a, b);
      if (failed(p))
        return failure();
      scores = *p;
    } else if (classes == 2) { // a column for each class; as ONNX Runtime, softmaxes do not reach them
      bool isOdd = post == "NONE" || post == "LOGISTIC";
      scores = n.concat({isOdd ? unary<NegOp>(n, scores) : n.sub(like(n, scores, 1), scores), scores}, 1);
      post = isOdd ? post : "NONE";
    }
  }
  auto y = postTransform(n, post, scores);
  if (failed(y))
    return failure();
  (void)n.set(0, lookUp(n, *labels, best));
  return n.set(1, *y);
}

} // namespace smelt::onnx
