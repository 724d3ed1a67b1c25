//===- ScheduleKernels.cpp - Give every kernel its schedule -----------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The target decides; equal kernels get equal schedules, so that they still
// share their code. Tested by test/passes/schedule/schedule-kernels.mlir.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/Passes.h"

namespace smelt {
#define GEN_PASS_DEF_SCHEDULEKERNELSPASS
#include "passes/schedule/Passes.h.inc"
} // namespace smelt

using namespace mlir;
using namespace smelt;

namespace {

struct ScheduleKernelsPass : smelt::impl::ScheduleKernelsPassBase<ScheduleKernelsPass> {
  explicit ScheduleKernelsPass(const TargetModel *target) : target(target) {}
  void runOnOperation() override {
    bool anyFailed = false;
    getOperation().walk([&](KernelOp kernel) {
      if (!kernel.getSchedule() && failed(target->schedule(kernel)))
        anyFailed = true;
    });
    if (anyFailed)
      signalPassFailure();
  }
  const TargetModel *target;
};

} // namespace

std::unique_ptr<Pass> smelt::createScheduleKernelsPass(const TargetModel &target) {
  return std::make_unique<ScheduleKernelsPass>(&target);
}
