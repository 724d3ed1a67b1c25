//===- smelt-reduce.cpp - mlir-reduce with Smelt's dialects and passes -----===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Makes IR that fails a test script smaller: smelt-reduce in.mlir
// --reduction-tree='test=script.sh'.
//
//===----------------------------------------------------------------------===//
#include "mlir/IR/MLIRContext.h"
#include "mlir/Tools/mlir-reduce/MlirReduceMain.h"
#include "tools/common/Registration.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  smelt::registerDialects(registry);
  smelt::registerPasses();
  mlir::MLIRContext context(registry);
  return mlir::failed(mlir::mlirReduceMain(argc, argv, context));
}
