//===- ExplainCommand.cpp - The verb explain -------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each kernel with its family, arithmetic, bytes and predicted time, then every
// fusion taken and refused; as a table, and as JSON. Tested by
// test/tools/explain.test.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/Model.h"
#include "tools/smelt/Commands.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"

using namespace smelt;

namespace {

struct Explanation {
  struct Row {
    std::string family, name;
    int64_t ops;
    KernelCost cost;
  };
  std::vector<Row> kernels;
  std::vector<std::string> remarks;
};

void printTable(const Explanation &e, llvm::raw_ostream &os) {
  os << "| # | family | ops | MFLOP | KB | us (predicted) | bound by | kernel |\n|---|---|---|---|---|---|---|---|\n";
  double flops = 0, bytes = 0, time = 0;
  int count = 0;
  for (const Explanation::Row &row : e.kernels) {
    flops += row.cost.flops;
    bytes += row.cost.bytes;
    time += row.cost.microseconds;
    os << "| " << count++ << " | " << row.family << " | " << row.ops << " | " << llvm::format("%.3f", row.cost.flops / 1e6)
       << " | " << llvm::format("%.1f", row.cost.bytes / 1e3) << " | " << llvm::format("%.1f", row.cost.microseconds)
       << " | " << (row.cost.computeBound ? "arithmetic" : "memory") << " | " << row.name << " |\n";
  }
  os << "\n" << count << " kernels, "
     << llvm::format("%.1f MFLOP, %.1f KB, %.0f us predicted on one core", flops / 1e6, bytes / 1e3, time)
     << " (symbols taken as 32)\n\n";
  for (const std::string &remark : e.remarks)
    os << remark << '\n';
}

int writeJson(const Explanation &e, const std::string &file) {
  llvm::json::Array kernels;
  for (const Explanation::Row &row : e.kernels)
    kernels.push_back(llvm::json::Object{{"name", row.name},
                                         {"family", row.family},
                                         {"ops", row.ops},
                                         {"flops", row.cost.flops},
                                         {"bytes", row.cost.bytes},
                                         {"microseconds", row.cost.microseconds},
                                         {"bound", row.cost.computeBound ? "arithmetic" : "memory"}});
  std::error_code code;
  llvm::raw_fd_ostream os(file, code);
  if (!code) {
    os << llvm::formatv("{0:2}\n", llvm::json::Value(llvm::json::Object{{"kernels", std::move(kernels)},
                                                                        {"remarks", llvm::json::Array(e.remarks)}}));
    os.close();
    code = os.error();
    os.clear_error();
  }
  if (!code)
    return 0;
  llvm::errs() << "smelt: error: cannot write " << file << ": " << code.message() << '\n';
  return 73;
}

} // namespace

int smelt::explainCommand(CompileArgs &args) {
  if (int code = finishOptions(args))
    return code;
  CompileOptions &options = args.options;
  options.emit = EmitKind::Explain;
  Explanation explanation;
  options.onRemark = [&](llvm::StringRef text) { explanation.remarks.push_back(text.str()); };
  options.onScheduled = [&](mlir::ModuleOp module, const TargetModel &target) {
    module.walk([&](KernelOp kernel) {
      explanation.kernels.push_back({kernel.getScheduleAttr().getFamily().str(), kernel.getName().str(),
                                     int64_t(kernel.getBody().front().getOperations().size()) - 1,
                                     target.assess(kernel).cost});
    });
    // The last step in the watched process; the remarks are all there.
    printTable(explanation, llvm::outs());
    return args.jsonFile.empty() ? 0 : writeJson(explanation, args.jsonFile);
  };
  return compileWatched(args);
}
