//===- SymbolicValues.h - Small integer tensors as expressions --------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Walks the definitions of an integer (or i1) tensor of at most 64 elements
// and gives its elements as expressions over symbols when they follow from
// constants, shapes and arithmetic; and a condition as a comparison with 0.
// Assumptions (what a branch knows of its condition) are a stack.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_DIALECTS_SMELT_SYMBOLICVALUES_H
#define SMELT_DIALECTS_SMELT_SYMBOLICVALUES_H

#include "dialects/smelt/Symbols.h"

namespace smelt {

/// `expr` compared with 0.
struct Predicate {
  mlir::AffineExpr expr;
  CmpKind kind;
  Predicate negated() const;
};

/// num / den, den > 0. Integers have den 1; floats are exact quotients, which is
/// what shape arithmetic such as Floor(Mul(Cast(dim), 0.5)) means.
struct Quotient {
  mlir::AffineExpr num, den;
};

class SymbolicValues {
public:
  explicit SymbolicValues(DimSymbols &symbols) : symbols(symbols) {}

  /// Elements, row-major; nothing when one of them is not known. An i1 is 0 or 1.
  std::optional<llvm::SmallVector<mlir::AffineExpr>> get(mlir::Value value);
  /// The same for float tensors too.
  std::optional<llvm::SmallVector<Quotient>> getQuotients(mlir::Value value);
  /// A one-element condition as a predicate on expressions.
  std::optional<Predicate> getPredicate(mlir::Value value);
  /// Decides a predicate from ranges and assumptions.
  std::optional<bool> decide(Predicate predicate) const;

  /// Holds until the matching pop.
  void push(Predicate assumption);
  void pop();
  /// Forgets what was computed: to be called when ops were erased.
  void clear() { cache.clear(); }

private:
  using Elements = llvm::SmallVector<Quotient>;
  std::optional<Elements> evaluate(mlir::Value value, unsigned depth);
  std::optional<Elements> evaluateOp(mlir::Operation *op, mlir::RankedTensorType type, unsigned depth);
  std::optional<Elements> elementwise(mlir::Operation *op, mlir::RankedTensorType type, unsigned depth);
  std::optional<Elements> movement(mlir::Operation *op, mlir::RankedTensorType type, unsigned depth);
  std::optional<Quotient> scalar(mlir::Operation *op, llvm::ArrayRef<Quotient> args);
  std::optional<Quotient> compare(CmpKind kind, Quotient a, Quotient b);
  std::optional<Quotient> combine(mlir::Operation *op, ReduceKind kind, Quotient a, Quotient b);

  DimSymbols &symbols;
  llvm::SmallVector<Predicate> assumptions;
  llvm::DenseMap<mlir::Value, std::optional<Elements>> cache; // cleared by push and pop
};

} // namespace smelt

#endif // SMELT_DIALECTS_SMELT_SYMBOLICVALUES_H
