//===- Optimize.cpp - LLVM's passes for a kernel ----------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A kernel is one loop nest in one function: generators have tiled, unrolled and
// vectorized it. LLVM's default O2 pipeline takes three times as long as this
// list, for code that is no faster. Tested by every test that runs a kernel.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/Optimize.h"
#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Target/TargetMachine.h"

namespace smelt::codegen::cpu {

// Out of the default pipeline stay: what works between functions (the body keeps
// its noalias arguments only if it is not inlined into the entry), unrolling
// (a third of the time), SLP, and all but three of ten runs of instcombine.
static constexpr llvm::StringLiteral kScalar =
    "sroa,early-cse<memssa>,jump-threading,correlated-propagation,simplifycfg,"
    "instcombine<no-verify-fixpoint>,simplifycfg,"
    "loop-mssa(loop-instsimplify,loop-simplifycfg,loop-rotate,licm,simple-loop-unswitch<no-nontrivial;trivial>),"
    "simplifycfg,loop(loop-idiom,indvars,loop-deletion),"
    "gvn,sccp,bdce,instcombine<no-verify-fixpoint>,"
    // Index arithmetic of gathers and pads leaves branches that only now fold.
    "jump-threading,correlated-propagation,dse,loop-mssa(licm),simplifycfg";
static constexpr llvm::StringLiteral kVector = "loop-vectorize,loop-load-elim,";
static constexpr llvm::StringLiteral kClean =
    "instcombine<no-verify-fixpoint>,simplifycfg,vector-combine,loop-mssa(licm),early-cse,simplifycfg";

llvm::Error optimizeModule(llvm::Module &module, llvm::TargetMachine &machine, unsigned optLevel) {
  llvm::LoopAnalysisManager lam;
  llvm::FunctionAnalysisManager fam;
  llvm::CGSCCAnalysisManager cgam;
  llvm::ModuleAnalysisManager mam;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(mam);
  builder.registerCGSCCAnalyses(cgam);
  builder.registerFunctionAnalyses(fam);
  builder.registerLoopAnalyses(lam);
  builder.crossRegisterProxies(lam, fam, cgam, mam);
  std::string passes = ("function(" + kScalar + "," + (optLevel > 0 ? kVector : "") + kClean + ")").str();
  llvm::ModulePassManager manager;
  if (llvm::Error error = builder.parsePassPipeline(manager, passes))
    return error;
  manager.run(module, mam);
  return llvm::Error::success();
}

} // namespace smelt::codegen::cpu
