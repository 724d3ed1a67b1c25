//===- Target.cpp - NVIDIA chips as targets ---------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "codegen/nvptx/Target.h"

using namespace mlir;

namespace smelt::codegen::nvptx {

FailureOr<NvTarget> getTarget(StringRef name, std::string &error) {
  constexpr std::pair<StringLiteral, unsigned> known[] = {{"sm_75", 75}, {"sm_80", 80}, {"sm_86", 86},
                                                          {"sm_89", 89}, {"sm_90", 90}, {"sm_90a", 90}};
  StringRef chip = name;
  if (chip.consume_front("cuda:"))
    for (auto [cpu, sm] : known)
      if (chip == cpu)
        return NvTarget{sm, cpu.str(), 80};
  error = ("target '" + name + "' is unknown; known are cuda:sm_75, sm_80, sm_86, sm_89, sm_90 and sm_90a").str();
  return failure();
}

} // namespace smelt::codegen::nvptx
