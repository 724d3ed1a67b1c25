//===- CpuFeatures.h - What the machine at hand can do -------------*- C++ -*-===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compares an artifact's needs with the CPU before any kernel runs. Tested by
// test/runtime/VerifyTest.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_CPU_CPUFEATURES_H
#define SMELT_RUNTIME_CPU_CPUFEATURES_H

#include "runtime/core/Artifact.h"
#include "runtime/core/Support.h"

namespace smelt::rt {

artifact::Arch hostArch();
const char *archName(artifact::Arch arch);
/// The highest CpuLevel and the CpuExtra bits of this machine.
uint32_t hostCpuLevel();
uint64_t hostCpuExtras();
int checkCpu(uint32_t level, uint64_t extras, smelt_error *err);

} // namespace smelt::rt

#endif // SMELT_RUNTIME_CPU_CPUFEATURES_H
