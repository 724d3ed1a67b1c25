//===- smelt-eval.cpp - Run functions in the reference evaluator ------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Prints the results of every function of a file on made-up inputs; with
// --pipeline, compares them before and after the passes: exit 82 when they
// differ, 69 when there is nothing to compare with. A test tool: not installed.
//
//===----------------------------------------------------------------------===//
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/Support/CommandLine.h"
#include "tools/common/Registration.h"
#include "tools/smelt-eval/Compare.h"
#include "tools/smelt-eval/Inputs.h"
#include "tools/smelt-eval/Load.h"

using namespace mlir;
namespace cl = llvm::cl;

static cl::opt<std::string> file(cl::Positional, cl::desc("<file.mlir or file.onnx>"), cl::init("-"));
static cl::opt<std::string> pipeline("pipeline", cl::desc("compare before and after these passes on the module"));
static cl::list<std::string> symbols("symbol", cl::desc("NAME=VALUE of a symbol"));
static cl::list<std::string> inputs("input", cl::desc("SHAPE:FILE of raw bytes, one per argument"));
static cl::opt<int64_t> size("size", cl::desc("of symbols not named"), cl::init(0));
static cl::opt<uint64_t> seed("seed", cl::desc("of the inputs"), cl::init(0));
static cl::opt<bool> fractions("fractions", cl::desc("fill floats with fractions, not small integers"));
static cl::opt<bool> oracle("oracle", cl::desc("all floats in f64"));
static cl::opt<bool> printIr("print-ir", cl::desc("print the IR after the pipeline too"));
static cl::opt<bool> full("full", cl::desc("print every element with all its digits"));
static cl::opt<double> relative("rtol", cl::init(0));
static cl::opt<double> absolute("atol", cl::desc("in units of the wanted tensor's rms"), cl::init(0));

static FailureOr<SmallVector<smelt::eval::HostTensor>> run(func::FuncOp func, const smelt::FillOptions &fill) {
  smelt::eval::EvaluatorOptions options;
  options.oracle = oracle;
  smelt::eval::Evaluator evaluator(func->getParentOfType<ModuleOp>(), options);
  smelt::eval::SymbolEnv env = evaluator.makeEnv();
  auto inputs = smelt::makeInputs(func, fill, env);
  if (failed(inputs))
    return failure();
  return evaluator.evaluate(func, *inputs, env);
}

int main(int argc, char **argv) {
  smelt::registerPasses();
  cl::ParseCommandLineOptions(argc, argv, "Smelt's reference evaluator\n");
  smelt::FillOptions fill;
  fill.seed = seed;
  fill.fractions = fractions;
  fill.size = size;
  fill.files = inputs;
  for (StringRef symbol : symbols) {
    auto [name, value] = symbol.split('=');
    if (value.getAsInteger(10, fill.symbols[name])) {
      llvm::errs() << "--symbol=" << symbol << ": want NAME=VALUE\n";
      return 64;
    }
  }
  DialectRegistry registry;
  registry.insert<smelt::SmeltDialect>();
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  OwningOpRef<ModuleOp> module = smelt::load(file, &context);
  if (!module)
    return 65;
  OwningOpRef<ModuleOp> after = module->clone();
  if (!pipeline.empty()) {
    PassManager manager(&context);
    // The manager is the module's: nested once more, nothing would run.
    if (StringRef(pipeline).starts_with("builtin.module")) {
      llvm::errs() << "--pipeline=" << pipeline << ": want the passes inside builtin.module(...)\n";
      return 64;
    }
    if (failed(parsePassPipeline(pipeline, manager)))
      return 64;
    if (failed(manager.run(*after)))
      return 70;
    if (printIr)
      after->print(llvm::outs());
  }
  int status = 0;
  for (auto func : module->getOps<func::FuncOp>()) {
    if (func.isExternal())
      continue;
    auto before = run(func, fill);
    if (failed(before))
      return 69;
    if (pipeline.empty()) {
      for (auto [i, result] : llvm::enumerate(*before)) {
        llvm::outs() << "@" << func.getName() << " result " << i << ": ";
        smelt::print(llvm::outs(), result, full);
      }
      continue;
    }
    auto got = run(after->lookupSymbol<func::FuncOp>(func.getName()), fill);
    if (failed(got))
      return 82;
    std::string difference;
    for (auto [i, x, y] : llvm::enumerate(*got, *before))
      if (difference.empty())
        if (difference = smelt::firstDifference(x, y, {relative, absolute}); !difference.empty())
          difference = "result " + std::to_string(i) + " differs: " + difference;
    llvm::outs() << "@" << func.getName() << ": " << (difference.empty() ? "equal" : difference) << "\n";
    status |= !difference.empty();
  }
  return status ? 82 : 0;
}
