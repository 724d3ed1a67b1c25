//===- TestImport.cpp - Imports models and prints the modules ---------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// smelt-test-import [--quiet] [--canonicalize] [--locations] [--shapes=N:1x?x_]
//                   [--evaluate=DIR] model...
//
// Verifies each module, checks that it prints and parses back to the same text,
// and exits with the documented code of the first error (70 where the importer
// itself is at fault). --locations prints each op's origins instead. --evaluate
// runs the module in the reference evaluator on DIR/input_K.{shape,bin} and
// writes DIR/got_K.{shape,type,bin}: elements row-major, a byte or more each.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/Origin.h"
#include "dialects/smelt/eval/Evaluator.h"
#include "frontend/onnx/import/Importer.h"
#include "frontend/onnx/reader/Reader.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace mlir;
using namespace smelt;

namespace {
struct Options {
  bool quiet = false, canonicalize = false, locations = false;
  std::string dir; // of --evaluate
  onnx::ImportOptions import;
};
} // namespace

static int report(ArrayRef<onnx::Error> errors) {
  for (const onnx::Error &error : errors)
    llvm::errs() << "error: " << error.str() << "\n";
  return errors.front().exitCode;
}

static std::string print(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream os(text);
  module.print(os, OpPrintingFlags().elideLargeResourceString(0));
  return text.substr(0, text.find("\n{-#")); // without the weights' bytes
}

/// The module prints to text that parses to a module that prints the same.
static bool roundTrips(const std::string &text) {
  MLIRContext context; // its own: weights keep their names
  context.loadDialect<SmeltDialect, math::MathDialect, arith::ArithDialect, func::FuncDialect, scf::SCFDialect>();
  OwningOpRef<ModuleOp> again = parseSourceString<ModuleOp>(text, &context);
  std::string second = again ? print(*again) : "";
  if (second == text)
    return true;
  SmallVector<StringRef> a, b;
  StringRef(text).split(a, '\n');
  StringRef(second).split(b, '\n');
  for (auto [x, y] : llvm::zip(a, b))
    if (x != y) {
      llvm::errs() << "error: the module does not parse back to itself:\n" << x << "\n" << y << "\n";
      break;
    }
  return false;
}

static std::string readFile(const std::string &file) {
  auto buffer = llvm::MemoryBuffer::getFile(file);
  return buffer ? (*buffer)->getBuffer().str() : std::string();
}

static void writeFile(const std::string &file, StringRef text) {
  std::error_code error;
  llvm::raw_fd_ostream(file, error) << text;
}

static int evaluate(ModuleOp module, const std::string &dir) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  SmallVector<eval::HostTensor> inputs;
  for (auto [i, type] : llvm::enumerate(main.getArgumentTypes())) {
    std::string base = dir + "/input_" + std::to_string(i);
    std::string shapeText = readFile(base + ".shape"), bytes = readFile(base + ".bin");
    SmallVector<StringRef> parts;
    StringRef(shapeText).split(parts, ' ', -1, /*KeepEmpty=*/false);
    SmallVector<int64_t> shape(parts.size());
    for (auto [part, size] : llvm::zip(parts, shape))
      (void)part.trim().getAsInteger(10, size);
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor || !eval::isSupportedElement(tensor.getElementType())) {
      llvm::errs() << "error: input " << i << " cannot be evaluated: " << type << "\n";
      return 69;
    }
    inputs.push_back(eval::HostTensor::copy(tensor.getElementType(), shape, ArrayRef(bytes.data(), bytes.size())));
  }
  eval::Evaluator evaluator(module);
  auto outputs = evaluator.evaluate(main, inputs);
  if (failed(outputs)) {
    llvm::errs() << "error: evaluation: " << evaluator.getError() << "\n";
    return 82;
  }
  for (auto [i, output] : llvm::enumerate(*outputs)) {
    std::string base = dir + "/got_" + std::to_string(i), shape;
    for (int64_t size : output.getShape())
      shape += std::to_string(size) + " ";
    std::string type;
    llvm::raw_string_ostream(type) << output.getElementType();
    writeFile(base + ".shape", shape);
    writeFile(base + ".type", type);
    writeFile(base + ".bin", StringRef(output.getBytes().data(), output.getBytes().size()));
  }
  return 0;
}

static int import(const std::string &file, const Options &options) {
  auto model = onnx::readModel(file);
  if (!model)
    return report(model.errors());
  if (auto errors = onnx::inlineFunctions(*model); !errors.empty())
    return report(errors);
  MLIRContext context;
  context.loadDialect<math::MathDialect>();
  std::vector<onnx::Error> errors;
  OwningOpRef<ModuleOp> module = onnx::importModel(*model, &context, options.import, errors);
  if (!module)
    return report(errors);
  if (failed(verify(*module))) {
    llvm::errs() << "error: " << file << ": the module is not valid\n";
    return 70;
  }
  if (options.locations) {
    module->walk([](Operation *op) {
      for (const Origin &origin : getOrigins(op->getLoc()))
        llvm::outs() << op->getName() << " " << origin.str() << "\n";
    });
    return 0;
  }
  if (!options.dir.empty())
    return evaluate(*module, options.dir);
  std::string text = print(*module);
  if (!options.quiet)
    llvm::outs() << text;
  if (!roundTrips(text))
    return 70;
  if (!options.canonicalize)
    return 0;
  PassManager passes(&context);
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  if (failed(passes.run(*module))) {
    llvm::errs() << "error: " << file << ": canonicalize and cse failed\n";
    return 70;
  }
  if (!options.quiet)
    llvm::outs() << print(*module);
  return 0;
}

/// x:1x?x_ is one static size, one symbol, one as the model says.
static onnx::ShapeOverride parseShape(StringRef text) {
  onnx::ShapeOverride shape;
  auto [name, dims] = text.split(':');
  shape.input = name.str();
  shape.allDynamic = name == "all";
  SmallVector<StringRef> parts;
  if (!shape.allDynamic)
    dims.split(parts, 'x');
  for (StringRef part : parts) {
    onnx::ShapeOverride::Dim dim;
    dim.keep = part == "_";
    dim.dynamic = part == "?";
    auto [low, high] = part.split("..");
    (void)low.getAsInteger(10, dim.min);
    if ((high.empty() ? low : high).getAsInteger(10, dim.max))
      dim.max = 0;
    shape.dims.push_back(dim);
  }
  return shape;
}

int main(int argc, char **argv) {
  Options options;
  int result = 0;
  for (StringRef arg : ArrayRef(argv, argc).drop_front()) {
    if (arg == "--quiet")
      options.quiet = true;
    else if (arg == "--canonicalize")
      options.canonicalize = true;
    else if (arg == "--locations")
      options.locations = true;
    else if (arg.consume_front("--evaluate="))
      options.dir = arg.str();
    else if (arg.consume_front("--shapes="))
      options.import.shapes.push_back(parseShape(arg));
    else if (int code = import(arg.str(), options); code && !result)
      result = code;
  }
  return result;
}
