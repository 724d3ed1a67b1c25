//===- Origin.h - Where in a model an op comes from -------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every imported op has a FusedLoc over a NameLoc (the full path) whose
// metadata holds the rest. Rewrites fuse locations, so one op may have several
// origins.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_DIALECTS_SMELT_ORIGIN_H
#define SMELT_DIALECTS_SMELT_ORIGIN_H

#include "mlir/IR/Location.h"
#include <string>

namespace smelt {

/// A node of the model.
struct Origin {
  std::string file, path; // "main/Loop_12.body/MatMul_7"
  std::string name;       // the node's own, may be empty
  std::string opType, domain;
  int64_t index = 0; // in its graph
  int64_t opset = 0;

  /// `main/MatMul_7 (MatMul, opset 13)`
  std::string str() const;
};

mlir::Location getOriginLoc(mlir::MLIRContext *context, const Origin &origin);

/// The origins that were fused into a location, without repeats.
llvm::SmallVector<Origin> getOrigins(mlir::Location loc);

} // namespace smelt

#endif // SMELT_DIALECTS_SMELT_ORIGIN_H
