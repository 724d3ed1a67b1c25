//===- Symbols.h - The module's symbols: ranges, fresh and derived ones -----===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Symbol N is the affine symbol expression sN everywhere in the module and is
// declared by one `smelt.symbol` op. Sizes that are not affine (a maximum, a
// choice) are derived symbols; sizes only the data know are bound at run time.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_DIALECTS_SMELT_SYMBOLS_H
#define SMELT_DIALECTS_SMELT_SYMBOLS_H

#include "dialects/smelt/Dialect.h"
#include "llvm/ADT/StringMap.h"

namespace smelt {

/// The largest size a dim may have (RELIABILITY.md: 0..2^40).
inline constexpr int64_t kMaxDim = int64_t(1) << 40;

struct Range {
  int64_t min, max;
  bool isConstant() const { return min == max; }
};

class DimSymbols {
public:
  explicit DimSymbols(mlir::ModuleOp module);

  /// A new symbol to be bound at run time. `name` is for people.
  mlir::AffineExpr fresh(llvm::StringRef name, int64_t min = 0, int64_t max = kMaxDim);
  /// The symbol of that name, made when it is not there yet (inputs' dim_param).
  mlir::AffineExpr named(llvm::StringRef name, int64_t min = 0, int64_t max = kMaxDim);

  /// max, min and (c != 0 ? a : b), folded where ranges decide.
  mlir::AffineExpr max(mlir::AffineExpr a, mlir::AffineExpr b);
  mlir::AffineExpr min(mlir::AffineExpr a, mlir::AffineExpr b);
  mlir::AffineExpr select(mlir::AffineExpr c, mlir::AffineExpr a, mlir::AffineExpr b);

  /// Interval of an expression from the symbols' ranges; saturates at the
  /// limits of int64. `known` is taken to be `value`, in derived symbols too.
  Range range(mlir::AffineExpr expr, mlir::AffineExpr known = {}, int64_t value = 0) const;
  /// Sign facts that follow from the ranges alone.
  bool provablyEqual(mlir::AffineExpr a, mlir::AffineExpr b) const;
  bool provablyLessEqual(mlir::AffineExpr a, mlir::AffineExpr b) const;

  SymbolOp get(int64_t id) const { return ops[id]; }
  int64_t size() const { return ops.size(); }
  mlir::ModuleOp getModule() const { return module; }

private:
  mlir::AffineExpr create(llvm::StringRef name, int64_t min, int64_t max, llvm::StringRef derive,
                          llvm::ArrayRef<mlir::AffineExpr> exprs);
  mlir::AffineExpr derive(llvm::StringRef kind, llvm::ArrayRef<mlir::AffineExpr> exprs, Range range);

  mlir::ModuleOp module;
  llvm::SmallVector<SymbolOp> ops; // by id
  llvm::StringMap<int64_t> byName;
  llvm::DenseMap<mlir::Attribute, int64_t> derived; // (kind, exprs) -> id
};

/// Symbols an expression uses, in order of first use, appended without repeats.
void collectSymbols(mlir::AffineExpr expr, llvm::SmallVectorImpl<int64_t> &ids);

} // namespace smelt

#endif // SMELT_DIALECTS_SMELT_SYMBOLS_H
