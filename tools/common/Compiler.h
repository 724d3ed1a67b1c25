//===- Compiler.h - From a model file to an artifact ------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The whole way as one call, for the driver and for tests that compile many
// models in one process. Wires frontend, passes and codegen together; the only
// place that knows them all.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_TOOLS_COMMON_COMPILER_H
#define SMELT_TOOLS_COMMON_COMPILER_H

#include "dialects/target/TargetModel.h"
#include "frontend/onnx/import/Importer.h"
#include <functional>
#include <string>

namespace smelt {

/// Explain stops after scheduling and writes nothing.
enum class EmitKind { Explain, Executable, SharedLibrary, Object, Mlir, Kernels, Host, Llvm, Assembly, Ptx };

struct CompileOptions {
  std::string input, output;
  EmitKind emit = EmitKind::Executable;
  unsigned optLevel = 2;
  unsigned threads = 2;
  std::string target = "native";
  std::string trustRoot;
  std::string dumpDir; // numbered files, one per phase
  std::string libraryDir;
  std::string cacheDir;        // of compiled kernels; empty: none
  bool warnsOfCache = false;   // the user named it, so says when it does not work
  bool savesKernels = false;   // each kernel's LLVM IR and object into dumpDir
  bool strict = false;         // what a limit or a family could not do well is an error
  bool jsonDiagnostics = false;
  std::vector<onnx::ShapeOverride> shapes;
  /// Called at each phase: number, count, name.
  std::function<void(int, int, llvm::StringRef)> progress;
  /// Called with the scheduled module and its target, and with each remark of a
  /// pass (explain).
  std::function<int(mlir::ModuleOp, const TargetModel &)> onScheduled; // an exit code
  std::function<void(llvm::StringRef)> onRemark;
  /// Called when kernels are compiled: distinct ones, dispatches, and how many
  /// of the kernels the cache had.
  std::function<void(size_t, int64_t, size_t)> onKernels;
};

/// Compiles; diagnostics go to `err`, text results (--emit=mlir ...) to `out`
/// when `output` is empty. Returns the documented exit code.
int compileModel(const CompileOptions &options, llvm::raw_ostream &out, llvm::raw_ostream &err);

/// Parses `x:1x3x224x224`, `x:1..8x3x?x_`, `all:?`; false and `error` otherwise.
bool parseShapes(llvm::StringRef text, std::vector<onnx::ShapeOverride> &shapes, std::string &error);

} // namespace smelt

#endif // SMELT_TOOLS_COMMON_COMPILER_H
