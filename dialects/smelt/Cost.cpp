//===- Cost.cpp - Arithmetic and bytes of ops and kernels -------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/Cost.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>

using namespace mlir;

namespace smelt {

double estimateSize(AffineExpr expr, double symbolValue) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue();
  if (isa<AffineSymbolExpr>(expr))
    return symbolValue;
  auto binary = cast<AffineBinaryOpExpr>(expr);
  double x = estimateSize(binary.getLHS(), symbolValue), y = estimateSize(binary.getRHS(), symbolValue);
  switch (expr.getKind()) {
  case AffineExprKind::Add: return x + y;
  case AffineExprKind::Mul: return x * y;
  case AffineExprKind::FloorDiv: return y ? std::floor(x / y) : 0;
  case AffineExprKind::CeilDiv: return y ? std::ceil(x / y) : 0;
  case AffineExprKind::Mod: return y ? std::fmod(x, y) : 0;
  default: return 1;
  }
}

static double elements(Type type) {
  double count = 1;
  for (AffineExpr dim : getDims(type))
    count *= estimateSize(dim);
  return count;
}

double estimateFlops(Operation *op) {
  return llvm::TypeSwitch<Operation *, double>(op)
      .Case([](KernelOp kernel) {
        double sum = 0;
        for (Operation &inner : kernel.getBody().front())
          sum += estimateFlops(&inner);
        return sum;
      })
      .Case([](ScalarBodyInterface body) {
        return elements(body->getResult(0).getType()) * body.getElementCost();
      })
      .Case([](MatMulOp matmul) {
        auto lhs = cast<RankedTensorType>(matmul.getLhs().getType());
        int64_t k = lhs.getRank() - (matmul.getTransposeLhs() ? 2 : 1);
        return 2 * elements(matmul.getType()) * estimateSize(getDim(lhs, k));
      })
      .Case([](ConvOp conv) {
        double perOutput = 2;
        SmallVector<AffineExpr> window = getDims(conv.getW().getType());
        for (AffineExpr dim : ArrayRef(window).drop_front())
          perOutput *= estimateSize(dim);
        return perOutput * elements(conv.getType());
      })
      .Case([](ConvTransposeOp conv) {
        double perInput = 2;
        SmallVector<AffineExpr> window = getDims(conv.getW().getType());
        for (AffineExpr dim : ArrayRef(window).drop_front())
          perInput *= estimateSize(dim);
        return perInput * elements(conv.getX().getType());
      })
      .Case([](PoolOp pool) {
        double window = 1;
        for (int64_t k : pool.getKernel())
          window *= k;
        return window * elements(pool.getType());
      })
      .Case([](RecurrentOp recurrent) {
        return 2 * elements(recurrent.getX().getType()) *
               estimateSize(getDims(recurrent.getR().getType()).back());
      })
      .Case<ReduceOp, ArgReduceOp, CumSumOp>([](auto reduce) { return elements(reduce.getX().getType()); })
      .Case([](ResizeOp resize) { return 10 * elements(resize.getType()); })
      .Default([](Operation *) { return 0.0; });
}

double estimateBytes(Operation *op) {
  double bytes = 0;
  auto add = [&](Type type) {
    if (auto tensor = dyn_cast<RankedTensorType>(type))
      bytes += elements(type) * getElementBytes(tensor.getElementType());
  };
  for (Value operand : op->getOperands())
    add(operand.getType());
  for (Type type : op->getResultTypes())
    add(type);
  return bytes;
}

} // namespace smelt
