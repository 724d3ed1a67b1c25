//===- Target.cpp - The CPUs we know by name --------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/Family.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;

namespace smelt::codegen::cpu {

FailureOr<CpuTarget> getTarget(StringRef name, std::string &error) {
  CpuTarget target;
  target.triple = "x86_64-unknown-linux-gnu";
  if (name == "x86-64-v3") {
    target.cpu = "x86-64-v3";
    target.vectorBytes = 32;
    target.vectorRegisters = 16;
    return target;
  }
  if (name == "x86-64-v4") {
    target.cpu = "x86-64-v4";
    return target;
  }
  if (name == "aarch64") {
    target.triple = "aarch64-unknown-linux-gnu";
    target.cpu = "generic";
    target.isX86 = false;
    target.vectorBytes = 16;
    return target;
  }
  if (name != "native") {
    error = ("target '" + name + "' is unknown; known are native, x86-64-v3, x86-64-v4, aarch64").str();
    return failure();
  }
  llvm::Triple host(llvm::sys::getProcessTriple());
  if (host.isAArch64())
    return getTarget("aarch64", error);
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  auto has = [&](StringRef feature) { return features.lookup(feature); };
  target.cpu = llvm::sys::getHostCPUName().str();
  if (has("avx512f") && has("avx512bw") && has("avx512dq") && has("avx512vl")) {
    target.hasBf16Dot = has("avx512bf16");
    target.hasInt8Dot = has("avx512vnni");
  } else if (has("avx2") && has("fma")) {
    target.vectorBytes = 32;
    target.vectorRegisters = 16;
  } else {
    error = "this CPU has no AVX2; name a target with --target to compile for another one";
    return failure();
  }
  // Named so that the same binary results on every machine of this model.
  for (auto &feature : features)
    target.features += std::string(target.features.empty() ? "" : ",") + (feature.second ? "+" : "-") + feature.first().str();
  // The map's order is not defined.
  SmallVector<StringRef> parts;
  StringRef(target.features).split(parts, ',');
  llvm::sort(parts);
  target.features = llvm::join(parts, ",");
  return target;
}

} // namespace smelt::codegen::cpu
