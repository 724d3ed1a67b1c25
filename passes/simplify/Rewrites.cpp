//===- Rewrites.cpp - What the simplifying patterns share -------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "passes/simplify/Rewrites.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/xxhash.h"
#include <cstring>

using namespace mlir;

namespace smelt {

static Attribute elementAttr(Type type, const char *bytes) {
  uint64_t word = 0;
  std::memcpy(&word, bytes, getElementBytes(type));
  if (auto floatType = dyn_cast<FloatType>(type))
    return FloatAttr::get(floatType, APFloat(floatType.getFloatSemantics(),
                                             APInt(floatType.getWidth(), word, false, /*implicitTrunc=*/true)));
  return IntegerAttr::get(type, APInt(type.getIntOrFloatBitWidth(), word, false, /*implicitTrunc=*/true));
}

static ArrayRef<uint8_t> bytesOf(const eval::HostTensor &tensor) {
  return ArrayRef(tensor.data<uint8_t>(), tensor.getBytes().size());
}

int64_t byteSize(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  int64_t bytes = getElementBytes(tensor.getElementType());
  for (int64_t size : tensor.getShape())
    if (llvm::MulOverflow(bytes, size, bytes))
      return std::numeric_limits<int64_t>::max();
  return bytes;
}

Value materialize(OpBuilder &builder, Location loc, RankedTensorType type, const eval::HostTensor &tensor,
                  bool isSplat) {
  auto plain = RankedTensorType::get(type.getShape(), type.getElementType());
  if (!isSplat && (tensor.getNumElements() <= 1 || !tensor.isSplat()))
    // The store finds a free name by counting up: names are made to be free.
    return createConstant(builder, loc, plain, tensor.getBytes(),
                          "folded_" + llvm::utohexstr(llvm::xxh3_64bits(bytesOf(tensor)), /*LowerCase=*/true));
  Attribute element = elementAttr(type.getElementType(), tensor.getBytes().data());
  return ConstantOp::create(builder, loc, plain, DenseElementsAttr::get(plain, element));
}

Location fuse(Operation *a, Operation *b) {
  // A long chain keeps the locations of its first ops: the list stays short.
  constexpr size_t most = 16;
  if (a->getLoc() == b->getLoc())
    return a->getLoc();
  if (auto fused = dyn_cast<FusedLoc>(a->getLoc()); fused && fused.getLocations().size() >= most)
    return a->getLoc();
  if (auto fused = dyn_cast<FusedLoc>(b->getLoc()); fused && fused.getLocations().size() >= most)
    return b->getLoc();
  return FusedLoc::get(a->getContext(), {a->getLoc(), b->getLoc()});
}

Value matchType(PatternRewriter &rewriter, Location loc, Value value, Type type) {
  return value.getType() == type ? value : BroadcastOp::create(rewriter, loc, type, value).getResult();
}

Value foldNow(PatternRewriter &rewriter, Operation *op, int64_t limit) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  SmallVector<eval::HostTensor> operands;
  bool fits = type.hasStaticShape() && byteSize(type) <= limit;
  for (Value operand : op->getOperands()) {
    auto tensor = fits ? eval::HostTensor::fromConstant(operand) : std::nullopt;
    if (!tensor)
      break;
    operands.push_back(*tensor);
  }
  Value result;
  if (fits && operands.size() == op->getNumOperands()) {
    eval::EvaluatorOptions options;
    options.emitErrors = false;
    eval::Evaluator evaluator(nullptr, options);
    eval::SymbolEnv env;
    if (auto values = evaluator.evaluateOp(op, operands, env); succeeded(values))
      result = materialize(rewriter, op->getLoc(), type, values->front());
  }
  rewriter.eraseOp(op);
  return result;
}

std::optional<SmallVector<AffineExpr>> broadcastDims(ArrayRef<Type> types) {
  SmallVector<AffineExpr> result;
  for (Type type : types) {
    SmallVector<AffineExpr> dims = getDims(type);
    if (dims.size() > result.size())
      result.insert(result.begin(), dims.size() - result.size(), getAffineConstantExpr(1, type.getContext()));
    size_t offset = result.size() - dims.size();
    for (auto [i, dim] : llvm::enumerate(dims)) {
      AffineExpr one = getAffineConstantExpr(1, type.getContext());
      if (dim == one || dim == result[offset + i])
        continue;
      if (result[offset + i] != one)
        return std::nullopt;
      result[offset + i] = dim;
    }
  }
  return result;
}

AffineExpr simplify(AffineExpr expr) {
  unsigned symbols = 0;
  expr.walk([&](AffineExpr e) {
    if (auto symbol = dyn_cast<AffineSymbolExpr>(e))
      symbols = std::max(symbols, symbol.getPosition() + 1);
  });
  return simplifyAffineExpr(expr, 0, symbols);
}

void applyPatterns(Operation *op, RewritePatternSet &&patterns) {
  GreedyRewriteConfig config;
  config.setMaxIterations(10);
  // Merging constants would drop their locations.
  config.enableConstantCSE(false);
  // Not converging within the bound is fine: the IR is valid after each round.
  (void)applyPatternsGreedily(op, std::move(patterns), config);
}

} // namespace smelt
