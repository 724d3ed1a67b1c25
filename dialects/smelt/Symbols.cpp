//===- Symbols.cpp - The module's symbols -----------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Declarations live in the module as smelt.symbol ops; this class is a view
// that adds, folds and bounds them. Tested by test/dialects/symbols_test.cpp.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/Symbols.h"

using namespace mlir;

namespace smelt {

DimSymbols::DimSymbols(ModuleOp module) : module(module) {
  for (auto op : module.getOps<SymbolOp>()) {
    if (ops.size() <= op.getId())
      ops.resize(op.getId() + 1);
    ops[op.getId()] = op;
    byName.try_emplace(op.getName(), op.getId());
    if (op.getDerive())
      derived[ArrayAttr::get(op.getContext(), {op.getDeriveAttr(), op.getExprsAttr()})] = op.getId();
  }
}

AffineExpr DimSymbols::create(StringRef name, int64_t min, int64_t max, StringRef kind,
                              ArrayRef<AffineExpr> exprs) {
  MLIRContext *context = module.getContext();
  OpBuilder builder(context);
  // Declarations stand first in the module, in the order of their ids.
  if (ops.empty())
    builder.setInsertionPointToStart(module.getBody());
  else
    builder.setInsertionPointAfter(ops.back());
  int64_t id = ops.size();
  std::string unique = name.empty() ? ("s" + Twine(id)).str() : name.str();
  while (byName.count(unique))
    unique += "_" + std::to_string(id);
  ops.push_back(SymbolOp::create(
      builder, module.getLoc(), builder.getI64IntegerAttr(id), builder.getStringAttr(unique),
      builder.getI64IntegerAttr(min), builder.getI64IntegerAttr(max),
      kind.empty() ? StringAttr() : builder.getStringAttr(kind),
      kind.empty() ? DimsAttr() : DimsAttr::get(context, exprs)));
  byName[unique] = id;
  return getAffineSymbolExpr(id, context);
}

AffineExpr DimSymbols::fresh(StringRef name, int64_t min, int64_t max) {
  return create(name, min, max, "", {});
}

AffineExpr DimSymbols::named(StringRef name, int64_t min, int64_t max) {
  auto it = byName.find(name);
  if (it != byName.end())
    return getAffineSymbolExpr(it->second, module.getContext());
  return create(name, min, max, "", {});
}

AffineExpr DimSymbols::derive(StringRef kind, ArrayRef<AffineExpr> exprs, Range range) {
  MLIRContext *context = module.getContext();
  Attribute key = ArrayAttr::get(context, {StringAttr::get(context, kind), DimsAttr::get(context, exprs)});
  auto it = derived.find(key);
  if (it != derived.end())
    return getAffineSymbolExpr(it->second, context);
  AffineExpr symbol = create("", range.min, range.max, kind, exprs);
  derived[key] = ops.size() - 1;
  return symbol;
}

AffineExpr DimSymbols::max(AffineExpr a, AffineExpr b) {
  if (provablyLessEqual(b, a))
    return a;
  if (provablyLessEqual(a, b))
    return b;
  Range x = range(a), y = range(b);
  return derive("max", {a, b}, {std::max(x.min, y.min), std::max(x.max, y.max)});
}

AffineExpr DimSymbols::min(AffineExpr a, AffineExpr b) {
  if (provablyLessEqual(a, b))
    return a;
  if (provablyLessEqual(b, a))
    return b;
  Range x = range(a), y = range(b);
  return derive("min", {a, b}, {std::min(x.min, y.min), std::min(x.max, y.max)});
}

AffineExpr DimSymbols::select(AffineExpr c, AffineExpr a, AffineExpr b) {
  Range cond = range(c);
  if (a == b || cond.min > 0 || cond.max < 0)
    return a;
  if (cond.isConstant())
    return b;
  Range x = range(a), y = range(b);
  return derive("select", {c, a, b}, {std::min(x.min, y.min), std::max(x.max, y.max)});
}

static int64_t saturate(__int128 value) {
  if (value > std::numeric_limits<int64_t>::max())
    return std::numeric_limits<int64_t>::max();
  if (value < std::numeric_limits<int64_t>::min())
    return std::numeric_limits<int64_t>::min();
  return int64_t(value);
}

static int64_t floorDiv(int64_t a, int64_t b) {
  if (b == -1)
    return saturate(-__int128(a));
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

Range DimSymbols::range(AffineExpr expr, AffineExpr known, int64_t value) const {
  constexpr Range whole = {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()};
  if (known && expr == known)
    return {value, value};
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return {constant.getValue(), constant.getValue()};
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr)) {
    if (symbol.getPosition() >= ops.size() || !ops[symbol.getPosition()])
      return whole;
    SymbolOp op = ops[symbol.getPosition()];
    Range declared = {int64_t(op.getMin()), int64_t(op.getMax())};
    auto kind = op.getDerive();
    if (!known || !kind || (*kind != "min" && *kind != "max"))
      return declared;
    ArrayRef<AffineExpr> exprs = op.getExprs()->getExprs();
    Range a = range(exprs[0], known, value), b = range(exprs[1], known, value);
    bool least = *kind == "min";
    return {std::max(declared.min, least ? std::min(a.min, b.min) : std::max(a.min, b.min)),
            std::min(declared.max, least ? std::min(a.max, b.max) : std::max(a.max, b.max))};
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return whole;
  Range a = range(binary.getLHS(), known, value), b = range(binary.getRHS(), known, value);
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return {saturate(__int128(a.min) + b.min), saturate(__int128(a.max) + b.max)};
  case AffineExprKind::Mul: {
    __int128 p[] = {__int128(a.min) * b.min, __int128(a.min) * b.max, __int128(a.max) * b.min,
                    __int128(a.max) * b.max};
    return {saturate(*std::min_element(p, p + 4)), saturate(*std::max_element(p, p + 4))};
  }
  case AffineExprKind::FloorDiv:
    if (b.min <= 0)
      return whole;
    return {std::min(floorDiv(a.min, b.min), floorDiv(a.min, b.max)),
            std::max(floorDiv(a.max, b.min), floorDiv(a.max, b.max))};
  case AffineExprKind::CeilDiv:
    if (b.min <= 0)
      return whole;
    return {std::min(-floorDiv(saturate(-__int128(a.min)), b.min), -floorDiv(saturate(-__int128(a.min)), b.max)),
            std::max(-floorDiv(saturate(-__int128(a.max)), b.min), -floorDiv(saturate(-__int128(a.max)), b.max))};
  case AffineExprKind::Mod:
    if (b.min <= 0)
      return whole;
    if (a.min >= 0 && a.max < b.min)
      return a;
    return {0, b.max - 1};
  default:
    return whole;
  }
}

bool DimSymbols::provablyEqual(AffineExpr a, AffineExpr b) const {
  if (a == b)
    return true;
  Range r = range(simplifyAffineExpr(a - b, 0, ops.size()));
  return r.min == 0 && r.max == 0;
}

bool DimSymbols::provablyLessEqual(AffineExpr a, AffineExpr b) const {
  if (a == b)
    return true;
  return range(simplifyAffineExpr(b - a, 0, ops.size())).min >= 0;
}

void collectSymbols(AffineExpr expr, SmallVectorImpl<int64_t> &ids) {
  expr.walk([&](AffineExpr e) {
    if (auto symbol = dyn_cast<AffineSymbolExpr>(e))
      if (!llvm::is_contained(ids, int64_t(symbol.getPosition())))
        ids.push_back(symbol.getPosition());
  });
}

} // namespace smelt
