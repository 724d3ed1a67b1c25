//===- Training.cpp - Steps of optimizers -----------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   Adagrad(r, t, x, g, h) -> x - r / (1 + t * decay) * g' / (sqrt(h') + epsilon), h'
//
// ai.onnx.preview.training: elementwise, for any number of tensors side by side;
// gradients stand in Gradient.cpp. Tests: the backend suite.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Compose.h"

using namespace mlir;

namespace smelt::onnx {

namespace {

/// r, t, then `kinds` lists of equal length: the tensors, their gradients, states.
FailureOr<size_t> tensorsOf(NodeImport &n, size_t kinds) {
  size_t rest = n.numInputs() - 2;
  if (n.numInputs() < 2 + kinds || rest % kinds)
    return n.error(Twine(n.numInputs()) + " inputs, want 2 and a multiple of " + Twine(kinds), "onnx.arity");
  for (size_t i = 0; i < n.numInputs(); ++i)
    if (!n.in(i) || (i != 1 && failed(expectFloat(n, n.in(i), "input"))))
      return failure();
  return rest / kinds;
}

/// A scalar of the tensor's type; r and t may be [1] or 0-d.
Value scalarLike(NodeImport &n, Value scalar, Value x) { return n.cast(n.reshape(scalar, {}), n.elem(x)); }

/// The gradient with that of the regularization.
Value regularized(NodeImport &n, Value x, Value g) { return n.add(n.mul(x, like(n, x, n.f("norm_coefficient", 0))), g); }

LogicalResult importAdagrad(NodeImport &n) {
  auto count = tensorsOf(n, 3);
  if (failed(count))
    return failure();
  for (size_t i = 0; i < *count; ++i) {
    Value x = n.in(2 + i), h = n.in(2 + 2 * *count + i), g = regularized(n, x, n.in(2 + *count + i));
    Value rate = n.div(scalarLike(n, n.in(0), x),
                       n.add(n.mul(scalarLike(n, n.in(1), x), like(n, x, n.f("decay_factor", 0))), like(n, x, 1)));
    Value next = n.add(h, n.mul(g, g)), root = n.add(unary<SqrtOp>(n, next), like(n, x, n.f("epsilon", 0)));
    (void)n.set(i, n.sub(x, n.div(n.mul(rate, g), root)));
    (void)n.set(*count + i, next);
  }
  return success();
}

LogicalResult importMomentum(NodeImport &n) {
  auto count = tensorsOf(n, 3);
  if (failed(count) || failed(n.require("mode")))
    return failure();
  std::string mode = n.s("mode", "");
  if (mode != "standard" && mode != "nesterov")
    return n.error("mode is '" + mode + "', want standard or nesterov");
  for (size_t i = 0; i < *count; ++i) {
    Value x = n.in(2 + i), v = n.in(2 + 2 * *count + i), g = regularized(n, x, n.in(2 + *count + i));
    Value alpha = like(n, x, n.f("alpha", 0)), first = n.cmp(CmpKind::gt, scalarLike(n, n.in(1), x), like(n, x, 0));
    // The gradient counts whole in the first step.
    Value beta = n.select(first, like(n, x, n.f("beta", 0)), like(n, x, 1));
    Value next = n.add(n.mul(alpha, v), n.mul(beta, g)), step = mode == "standard" ? next : n.add(g, n.mul(alpha, next));
    (void)n.set(i, n.sub(x, n.mul(scalarLike(n, n.in(0), x), step)));
    (void)n.set(*count + i, next);
  }
  return success();
}

LogicalResult importAdam(NodeImport &n) {
  auto count = tensorsOf(n, 4);
  if (failed(count))
    return failure();
  double alpha = n.f("alpha", 0.9), beta = n.f("beta", 0.999);
  for (size_t i = 0; i < *count; ++i) {
    Value x = n.in(2 + i), v = n.in(2 + 2 * *count + i), h = n.in(2 + 3 * *count + i);
    Value g = regularized(n, x, n.in(2 + *count + i)), t = scalarLike(n, n.in(1), x), one = like(n, x, 1);
    Value nextV = n.add(n.mul(like(n, x, alpha), v), n.mul(like(n, x, 1 - alpha), g));
    Value nextH = n.add(n.mul(like(n, x, beta), h), n.mul(like(n, x, 1 - beta), n.mul(g, g)));
    auto left = [&](double base) { return n.sub(one, n.elementwise<PowOp>({like(n, x, base), t})); };
    Value rate = scalarLike(n, n.in(0), x);
    // The moments' bias towards 0 is made up for from the second step on.
    rate = n.select(n.cmp(CmpKind::gt, t, like(n, x, 0)), n.div(n.mul(rate, unary<SqrtOp>(n, left(beta))), left(alpha)), rate);
    Value root = n.add(unary<SqrtOp>(n, nextH), like(n, x, n.f("epsilon", 0)));
    Value next = n.sub(x, n.mul(rate, n.div(nextV, root)));
    (void)n.set(i, n.mul(like(n, x, 1 - n.f("norm_coefficient_post", 0)), next));
    (void)n.set(*count + i, nextV);
    (void)n.set(2 * *count + i, nextH);
  }
  return success();
}

} // namespace

ArrayRef<OpRow> trainingOps() {
  static constexpr StringLiteral training = "ai.onnx.preview.training";
  static const OpRow rows[] = {
      {training, "Adagrad", 1, 5, -1, importAdagrad},
      {training, "Momentum", 1, 5, -1, importMomentum},
      {training, "Adam", 1, 6, -1, importAdam},
      {training, "Gradient", 1, 1, -1, importGradient},
  };
  return rows;
}

} // namespace smelt::onnx
