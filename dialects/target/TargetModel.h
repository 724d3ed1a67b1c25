//===- TargetModel.h - What passes ask of a target --------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Declared beside the dialects, implemented in codegen, injected by tools: how
// passes know the target without including its code. A sketch is a list of ops
// as they stand in the graph; nothing is created to ask about it.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_DIALECTS_TARGET_TARGETMODEL_H
#define SMELT_DIALECTS_TARGET_TARGETMODEL_H

#include "dialects/smelt/Dialect.h"

namespace smelt {

/// What one kernel costs. Sizes of symbols are taken at their probable value.
struct KernelCost {
  double flops = 0;      // arithmetic of the body, additions
  double bytes = 0;      // operands and results once
  double microseconds = 0; // the larger of both at the target's rates, plus the dispatch
  bool computeBound = false;
};

/// The answer for a kernel that might be formed.
struct KernelAnswer {
  bool legal = false;
  std::string family; // the generator that would take it
  /// Generators whose code the kernel's ops keep: the family, and those it holds.
  llvm::SmallVector<llvm::StringRef, 3> generators;
  bool keepsRows = false; // what several passes over a row read is computed once
  std::string reason; // when not legal
  KernelCost cost;
};

class TargetModel {
public:
  virtual ~TargetModel() = default;
  virtual llvm::StringRef getName() const = 0;
  /// May `kernel` (unscheduled) be one kernel, and at what cost?
  virtual KernelAnswer assess(KernelOp kernel) const = 0;
  /// Puts the best schedule on the kernel.
  virtual mlir::LogicalResult schedule(KernelOp kernel) const = 0;
  /// Do convolutions and pools run better with channels innermost?
  virtual bool prefersChannelsLast() const = 0;
  /// Do single elements of this type cost a conversion that f32 would spare?
  virtual bool prefersWide(mlir::Type elementType) const = 0;
};

} // namespace smelt

#endif // SMELT_DIALECTS_TARGET_TARGETMODEL_H
