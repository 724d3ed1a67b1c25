//===- ImportPrint.cpp - Prints the module a model becomes ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// smelt-import-print [--quiet] MODEL...: reads, inlines, imports and verifies;
// errors go to stderr, the exit code is the first error's. Test tool only.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Importer.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace smelt;

static int importOne(const char *file, bool quiet) {
  auto fail = [&](const std::vector<onnx::Error> &errors) {
    for (const onnx::Error &e : errors)
      llvm::errs() << "error: " << e.str() << '\n';
    return errors.empty() ? 70 : errors.front().exitCode;
  };
  onnx::Result<onnx::Model> model = onnx::readModel(file);
  if (!model)
    return fail(model.errors());
  std::vector<onnx::Error> errors = onnx::inlineFunctions(*model);
  if (!errors.empty())
    return fail(errors);
  MLIRContext context;
  context.loadDialect<SmeltDialect, func::FuncDialect, arith::ArithDialect, math::MathDialect, scf::SCFDialect>();
  OwningOpRef<ModuleOp> module = onnx::importModel(*model, &context, {}, errors);
  if (!module)
    return fail(errors);
  if (failed(verify(*module)))
    return 70;
  if (!quiet)
    module->print(llvm::outs(), OpPrintingFlags().elideLargeResourceString(16));
  return 0;
}

int main(int argc, char **argv) {
  bool quiet = false;
  int worst = 0;
  for (int i = 1; i < argc; ++i) {
    if (llvm::StringRef(argv[i]) == "--quiet") {
      quiet = true;
      continue;
    }
    int code = importOne(argv[i], quiet);
    if (argc > 3)
      llvm::outs() << argv[i] << ": " << code << '\n';
    worst = worst ? worst : code;
  }
  return worst;
}
