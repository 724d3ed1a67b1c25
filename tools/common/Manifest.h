//===- Manifest.h - What an artifact says of itself ------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The JSON manifest in every artifact, and the C header beside an object. Tested
// by test/tools/object.test and by every `--inspect`.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_TOOLS_COMMON_MANIFEST_H
#define SMELT_TOOLS_COMMON_MANIFEST_H

#include "passes/program/HostProgram.h"

namespace smelt {

struct ManifestInfo {
  std::string model, modelHash, cpu, triple;
  unsigned optLevel = 2;
};

std::string makeManifest(mlir::ModuleOp module, const HostProgram &program, const ManifestInfo &info);

/// The C99 header beside an object: the descriptor, and names for the places of
/// inputs and outputs.
void printHeader(mlir::ModuleOp module, llvm::StringRef name, llvm::StringRef model, llvm::raw_ostream &os);

} // namespace smelt

#endif // SMELT_TOOLS_COMMON_MANIFEST_H
