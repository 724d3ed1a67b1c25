//===- Load.cpp - A module from .mlir or .onnx ------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "tools/smelt-eval/Load.h"
#include "frontend/onnx/import/Importer.h"
#include "frontend/onnx/reader/Reader.h"
#include "mlir/Parser/Parser.h"

using namespace mlir;

namespace smelt {

OwningOpRef<ModuleOp> load(StringRef path, MLIRContext *context) {
  if (!path.ends_with(".onnx"))
    return parseSourceFile<ModuleOp>(path, context);
  std::vector<onnx::Error> errors;
  auto report = [&](const std::vector<onnx::Error> &list) {
    for (const onnx::Error &error : list)
      llvm::errs() << "smelt-eval: error: " << error.str() << '\n';
    return OwningOpRef<ModuleOp>();
  };
  onnx::Result<onnx::Model> model = onnx::readModel(path.str(), {});
  if (!model)
    return report(model.errors());
  errors = onnx::inlineFunctions(*model);
  if (!errors.empty())
    return report(errors);
  OwningOpRef<ModuleOp> module = onnx::importModel(*model, context, {}, errors);
  return module ? std::move(module) : report(errors);
}

} // namespace smelt
