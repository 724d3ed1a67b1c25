//===- ImportRun.cpp - Imports a model, prints or evaluates it --------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// smelt-import-run [--quiet] MODEL        prints the module
// smelt-import-run --data=DIR MODEL       evaluates main on DIR/in<k>.bin
// Errors go to stderr, the exit code is the first error's. A test tool: nodes.py
// calls it for single-node models. Shapes of inputs are lines of DIR/in.txt;
// results are DIR/out<k>.bin and lines "type dims" of DIR/out.txt.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/eval/Evaluator.h"
#include "frontend/onnx/import/Importer.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/MemoryBuffer.h"
#include <fstream>

using namespace mlir;
using namespace smelt;
namespace cl = llvm::cl;

static cl::opt<std::string> file(cl::Positional, cl::Required, cl::desc("<model.onnx>"));
static cl::opt<bool> quiet("quiet", cl::desc("do not print the module"));
static cl::opt<bool> oracle("oracle", cl::desc("all floats in f64"));
static cl::opt<std::string> data("data", cl::desc("evaluate on the inputs of this folder"));

static int fail(const std::vector<onnx::Error> &errors) {
  for (const onnx::Error &e : errors)
    llvm::errs() << "error: " << e.str() << '\n';
  return errors.empty() ? 70 : errors.front().exitCode;
}

/// Line k of in.txt is the shape of in<k>.bin.
static std::optional<std::vector<eval::HostTensor>> readInputs(func::FuncOp func) {
  std::vector<eval::HostTensor> inputs;
  std::ifstream shapes(data + "/in.txt");
  for (Type type : func.getArgumentTypes()) {
    std::string line;
    std::getline(shapes, line);
    SmallVector<StringRef> words;
    StringRef(line).split(words, ' ', -1, false);
    SmallVector<int64_t> shape;
    for (StringRef word : words)
      if (word.getAsInteger(10, shape.emplace_back()))
        return std::nullopt;
    auto bytes = llvm::MemoryBuffer::getFile(data + "/in" + Twine(inputs.size()) + ".bin", false, false);
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!bytes || !tensor)
      return std::nullopt;
    StringRef text = (*bytes)->getBuffer();
    inputs.push_back(eval::HostTensor::copy(tensor.getElementType(), shape, {text.data(), text.size()}));
  }
  return inputs;
}

static int evaluate(ModuleOp module) {
  auto func = module.lookupSymbol<func::FuncOp>("main");
  auto inputs = readInputs(func);
  if (!inputs) {
    llvm::errs() << "error: " << data << ": inputs do not fit the function\n";
    return 64;
  }
  eval::EvaluatorOptions options;
  options.oracle = oracle;
  eval::Evaluator evaluator(module, options);
  auto results = evaluator.evaluate(func, *inputs);
  if (failed(results))
    return 1;
  std::string text;
  llvm::raw_string_ostream os(text);
  for (auto [i, result] : llvm::enumerate(*results)) {
    os << result.getElementType();
    for (int64_t size : result.getShape())
      os << ' ' << size;
    os << '\n';
    std::ofstream out(data + "/out" + std::to_string(i) + ".bin", std::ios::binary);
    out.write(result.getBytes().data(), result.getBytes().size());
  }
  std::ofstream(data + "/out.txt") << text;
  return 0;
}

int main(int argc, char **argv) {
  cl::ParseCommandLineOptions(argc, argv, "imports an ONNX model, prints or evaluates it\n");
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
  if (!data.empty())
    return evaluate(*module);
  if (!quiet)
    module->print(llvm::outs(), OpPrintingFlags().elideLargeResourceString(16));
  return 0;
}
