//===- Model.h - The CPU as passes see it -----------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_CODEGEN_CPU_MODEL_H
#define SMELT_CODEGEN_CPU_MODEL_H

#include "codegen/cpu/Family.h"
#include "dialects/target/TargetModel.h"

namespace smelt::codegen::cpu {

class CpuModel : public TargetModel {
public:
  explicit CpuModel(CpuTarget target) : target(std::move(target)) {}
  llvm::StringRef getName() const override { return target.cpu; }
  KernelAnswer assess(KernelOp kernel) const override;
  mlir::LogicalResult schedule(KernelOp kernel) const override { return chooseSchedule(kernel, target); }
  bool prefersChannelsLast() const override { return true; }
  /// Arithmetic is in f32 whatever the storage.
  bool prefersWide(mlir::Type elementType) const override { return elementType.isF16() || elementType.isBF16(); }
  const CpuTarget &getTarget() const { return target; }

private:
  CpuTarget target;
};

} // namespace smelt::codegen::cpu

#endif // SMELT_CODEGEN_CPU_MODEL_H
