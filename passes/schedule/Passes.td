//===- Passes.td - Choice of schedules --------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_PASSES_SCHEDULE_PASSES_TD
#define SMELT_PASSES_SCHEDULE_PASSES_TD

include "mlir/Pass/PassBase.td"

def ScheduleKernelsPass : Pass<"smelt-schedule-kernels", "::mlir::ModuleOp"> {
  let summary = "Give every kernel the target's best schedule";
  let description = [{
    ```
    smelt.kernel "a"(%x) {...}  ->  smelt.kernel "a"(%x) schedule <map, {grid = ..., lanes = 16}> {...}
    ```
  }];
  let constructor = "nullptr"; // made with the target; tools register it
  let dependentDialects = ["::smelt::SmeltDialect"];
}

#endif // SMELT_PASSES_SCHEDULE_PASSES_TD
