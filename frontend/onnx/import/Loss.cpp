//===- Loss.cpp - Losses of classification ----------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// -w[t] x[t] with t the target class of every position: a gather along the
// class axis. Ignored targets weigh nothing. Test:
// test/frontend/import/onnx_suite.py -k nllloss.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Importer.h"

using namespace mlir;

namespace smelt::onnx {

/// `logProb` is [N, C, d...], `target` [N, d...], `weight` [C] or null.
static LogicalResult negativeLogLikelihood(NodeImport &n, Value logProb, Value target, Value weight) {
  if (n.rank(logProb) < 2 || n.rank(target) != n.rank(logProb) - 1 || !isa<IntegerType>(n.elem(target)))
    return n.error("input of rank " + Twine(n.rank(logProb)) + " and target of rank " + Twine(n.rank(target)) +
                       ", want [N, C, ...] and integers [N, ...]",
                   "onnx.shape-mismatch");
  std::string reduction = n.s("reduction", "mean");
  if (reduction != "none" && reduction != "sum" && reduction != "mean")
    return n.error("attribute 'reduction' is '" + reduction + "', want none, sum or mean");
  if (failed(n.sameElementType({logProb, weight})))
    return failure();
  Type type = n.elem(logProb), i64 = n.b.getI64Type();
  Value at = n.unsqueeze(n.cast(target, i64), {1}), ignored;
  if (n.has("ignore_index")) {
    ignored = n.cmp(CmpKind::eq, at, n.scalar(i64, n.i("ignore_index", 0)));
    at = n.select(ignored, n.scalar(i64, 0), at);
  }
  if (!at)
    return failure();
  SmallVector<AffineExpr> dims = n.dims(logProb);
  dims[1] = n.num(1);
  at = n.rebind(at, dims);
  Value picked = GatherElementsOp::create(n.b, n.loc, getTensorType(dims, type), logProb, at, 1);
  Value loss = n.elementwise<NegOp>({picked}), weights;
  if (weight)
    weights = GatherOp::create(n.b, n.loc, getTensorType(dims, type), weight, at, 0);
  if (ignored)
    weights = n.select(ignored, n.scalar(type, 0), weights ? weights : n.broadcast(n.scalar(type, 1), dims));
  if (weights)
    loss = n.mul(loss, weights);
  if (reduction == "none")
    return n.set(0, n.squeeze(loss, {1}));
  SmallVector<int64_t> all = llvm::to_vector(llvm::seq<int64_t>(0, dims.size()));
  Value total = n.reduce(ReduceKind::sum, loss, all, false);
  if (reduction == "mean")
    total = n.div(total, weights ? n.reduce(ReduceKind::sum, weights, all, false)
                                 : n.exprScalar(type, getNumElements(n.type(loss))));
  return n.set(0, total);
}

static LogicalResult nllLoss(NodeImport &n) { return negativeLogLikelihood(n, n.in(0), n.in(1), n.in(2)); }

static LogicalResult softmaxCrossEntropy(NodeImport &n) {
  if (n.rank(n.in(0)) < 2)
    return n.error("scores of rank " + Twine(n.rank(n.in(0))) + ", want at least 2", "onnx.shape-mismatch");
  Value logProb = n.softmax(n.in(0), {1}, /*log=*/true);
  (void)n.set(1, logProb);
  return negativeLogLikelihood(n, logProb, n.in(1), n.in(2));
}

ArrayRef<OpRow> lossOps() {
  static constexpr OpRow rows[] = {
      {"", "NegativeLogLikelihoodLoss", 12, 2, 3, nllLoss},
      {"", "SoftmaxCrossEntropyLoss", 12, 2, 3, softmaxCrossEntropy},
  };
  return rows;
}

} // namespace smelt::onnx
