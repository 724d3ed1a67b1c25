//===- Artifact.h - From host program and kernels to files ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_CODEGEN_ARTIFACT_ARTIFACT_H
#define SMELT_CODEGEN_ARTIFACT_ARTIFACT_H

#include "codegen/common/CompileCache.h"
#include "codegen/cpu/Lower.h"
#include "passes/program/HostProgram.h"
#include <functional>

namespace smelt::codegen {

struct ArtifactOptions {
  std::string name;     // symbol suffix: smelt_artifact_<name>
  std::string manifest; // JSON
  std::string buildId;  // of this compiler, part of every kernel's key
  unsigned optLevel = 2;
  CompileCache *cache = nullptr;
  bool readsCache = true; // else only fills it
  /// Called with the number, LLVM IR and object of each kernel that is compiled,
  /// from any thread.
  std::function<void(size_t, llvm::StringRef, llvm::StringRef)> onKernel;
};

/// Object files of a compiled model, in memory, in link order: one for each
/// kernel, then the descriptor with program and constants. The same input
/// gives the same bytes, whatever the cache holds.
mlir::FailureOr<std::vector<std::string>> buildObjects(HostProgram &program, const cpu::CpuTarget &target,
                                                       const ArtifactOptions &options);

/// The kernels' code as text, one after another (--emit=llvm|asm).
mlir::FailureOr<std::string> printKernels(const HostProgram &program, const cpu::CpuTarget &target, cpu::Emit emit,
                                          const ArtifactOptions &options);

enum class FileKind { Executable, SharedLibrary, Object };

struct LinkOptions {
  FileKind kind = FileKind::Executable;
  std::string output;
  std::string libraryDir; // of libsmelt_runtime.a and its companions
  std::vector<std::string> linkers; // C compiler drivers that can link, the first installed one does
  std::string name;
  bool usesHostOps = false; // links the host-op library
};

/// Links objects into the file. `error` says what the linker said.
bool linkFile(const std::vector<std::string> &objects, const LinkOptions &options, std::string &error);

} // namespace smelt::codegen

#endif // SMELT_CODEGEN_ARTIFACT_ARTIFACT_H
