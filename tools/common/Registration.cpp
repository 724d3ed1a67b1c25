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
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "passes/simplify/Passes.h"

void smelt::registerDialects(mlir::DialectRegistry &registry) {
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  registry.insert<SmeltDialect>();
}

void smelt::registerPasses() {
  mlir::registerAllPasses();
  smelt::registerSimplifyPassesAndPipeline();
}
