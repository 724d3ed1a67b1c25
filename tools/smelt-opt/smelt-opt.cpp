//===- smelt-opt.cpp - mlir-opt with Smelt's dialects and passes -----------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads IR of any level, runs what the command line names, prints the result.
// Every flag of mlir-opt works.
//
//===----------------------------------------------------------------------===//
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "tools/common/Registration.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  smelt::registerDialects(registry);
  smelt::registerPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "Smelt's optimizer driver\n", registry));
}
