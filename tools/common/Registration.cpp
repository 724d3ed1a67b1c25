//===- Registration.cpp - What the MLIR tools of Smelt know ----------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A new dialect or pass folder adds its line here and in the driver's context,
// nowhere else.
//
//===----------------------------------------------------------------------===//
#include "tools/common/Registration.h"
#include "dialects/smelt/Dialect.h"
#include "codegen/cpu/Model.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "passes/form/Passes.h"
#include "passes/layout/Passes.h"
#include "passes/schedule/Passes.h"
#include "passes/simplify/Passes.h"
#include "passes/storage/Passes.h"

void smelt::registerDialects(mlir::DialectRegistry &registry) {
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  registry.insert<SmeltDialect>();
}

void smelt::registerPasses() {
  mlir::registerAllPasses();
  smelt::registerSimplifyPassesAndPipeline();
  smelt::registerFormKernelsPass();
  mlir::registerPass([] { return smelt::createChannelsLastPass(); });
  // Passes that ask a target get a fixed one here, so that tests do not depend
  // on the machine.
  static const codegen::cpu::CpuModel target = [] {
    std::string error;
    return codegen::cpu::CpuModel(*codegen::cpu::getTarget("x86-64-v4", error));
  }();
  mlir::registerPass([] { return smelt::createWidenOperandsPass(target); });
  mlir::registerPass([] { return smelt::createFormAttentionPass(target); });
  mlir::registerPass([] { return smelt::createMergeProjectionsPass(target); });
  mlir::registerPass([] { return smelt::createFuseRowsPass(target); });
  mlir::registerPass([] { return smelt::createFuseKernelsPass(target); });
  mlir::registerPass([] { return smelt::createScheduleKernelsPass(target); });
  mlir::registerPass([] { return smelt::createPadInPlacePass(target); });
  mlir::registerPass([] { return smelt::createJoinInPlacePass(target); });
  mlir::registerPass([] { return smelt::createSliceInPlacePass(target); });
}
