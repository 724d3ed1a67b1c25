//===- Model.h - An NVIDIA chip as passes see it ----------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_CODEGEN_NVPTX_MODEL_H
#define SMELT_CODEGEN_NVPTX_MODEL_H

#include "codegen/nvptx/Target.h"
#include "dialects/target/TargetModel.h"

namespace smelt::codegen::nvptx {

class NvModel : public TargetModel {
public:
  explicit NvModel(NvTarget target) : target(std::move(target)) {}
  llvm::StringRef getName() const override { return target.cpu; }
  KernelAnswer assess(KernelOp kernel) const override;
  mlir::LogicalResult schedule(KernelOp kernel) const override;
  bool prefersChannelsLast() const override { return false; }
  bool prefersWide(mlir::Type elementType) const override { return false; }
  const NvTarget &getTarget() const { return target; }

private:
  NvTarget target;
};

} // namespace smelt::codegen::nvptx

#endif // SMELT_CODEGEN_NVPTX_MODEL_H
