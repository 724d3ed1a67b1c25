//===- Registration.h - What the MLIR tools of Smelt know ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The dialects and passes that smelt-opt, smelt-reduce and smelt-lsp-server
// register: all of upstream's and all of ours.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_TOOLS_COMMON_REGISTRATION_H
#define SMELT_TOOLS_COMMON_REGISTRATION_H

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace smelt {

void registerDialects(mlir::DialectRegistry &registry);
void registerPasses();

} // namespace smelt

#endif // SMELT_TOOLS_COMMON_REGISTRATION_H
