//===- Kernels.cpp - The compiled kernels of a program ----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A kernel is the unit of compilation: a module, an LLVM context and an object
// of its own, named by a hash of all that decides its code. So the bytes of an
// artifact depend neither on which kernels the cache has nor on the threads, and
// two models linked into one program share the kernels they have in common.
//
//===----------------------------------------------------------------------===//
#include "codegen/artifact/Kernels.h"
#include "mlir/IR/Threading.h"

using namespace mlir;

namespace smelt::codegen {

/// Everything that decides the code; the kernel itself is the last part.
static CacheKey getKey(StringRef kernelKey, const cpu::CpuTarget &target, const ArtifactOptions &options) {
  std::string text;
  llvm::raw_string_ostream(text) << "smelt kernel\n"
                                 << options.buildId << '\n'
                                 << target.triple << '\n'
                                 << target.cpu << '\n'
                                 << target.features << '\n'
                                 << target.vectorBytes << ' ' << target.vectorRegisters << ' ' << target.hasBf16Dot << ' '
                                 << target.hasInt8Dot << ' ' << target.l1Bytes << ' ' << target.l2Bytes << '\n'
                                 << options.optLevel << '\n'
                                 << kernelKey;
  return hashKey(text);
}

FailureOr<CompiledKernels> compileKernels(const HostProgram &program, const cpu::CpuTarget &target, cpu::Emit emit,
                                          const ArtifactOptions &options) {
  CompiledKernels result;
  size_t count = program.kernels.size();
  if (count == 0)
    return result;
  MLIRContext *context = program.kernels.front()->getContext();
  result.symbols.resize(count);
  result.parts.resize(count);
  std::vector<CacheKey> keys(count);
  std::vector<char> isFound(count, 0);
  CompileCache *cache = emit == cpu::Emit::Object ? options.cache : nullptr;
  parallelFor(context, 0, count, [&](size_t i) {
    keys[i] = getKey(program.kernelKeys[i], target, options);
    result.symbols[i] = "smelt_k_" + shortName(keys[i]);
    if (!cache || !options.readsCache)
      return;
    if (std::optional<std::string> object = cache->find(keys[i])) {
      result.parts[i] = std::move(*object);
      isFound[i] = 1;
    }
  });

  // What is missing: lowered by one pass manager, which works on all modules at once.
  OwningOpRef<ModuleOp> outer = ModuleOp::create(program.kernels.front()->getLoc());
  OpBuilder builder = OpBuilder::atBlockEnd(outer->getBody());
  SmallVector<std::pair<size_t, ModuleOp>> missing;
  for (size_t i = 0; i < count; ++i)
    if (!isFound[i])
      missing.emplace_back(i, ModuleOp::create(builder, KernelOp(program.kernels[i])->getLoc()));
  if (missing.empty())
    return result;
  if (failed(failableParallelForEach(context, missing, [&](auto &unit) {
        return cpu::emitKernelFunction(unit.second, program.kernels[unit.first], result.symbols[unit.first], target);
      })) ||
      failed(cpu::lowerModules(*outer, target)) ||
      failed(failableParallelForEach(context, missing, [&](auto &unit) -> LogicalResult {
        auto [i, module] = unit;
        FailureOr<std::string> part = cpu::emitModule(module, target, emit, options.optLevel, /*isShared=*/true);
        if (failed(part))
          return failure();
        if (cache)
          cache->add(keys[i], *part);
        result.parts[i] = std::move(*part);
        if (!options.onKernel)
          return success();
        FailureOr<std::string> text = cpu::emitModule(module, target, cpu::Emit::LLVMIR, options.optLevel, true);
        if (failed(text))
          return failure();
        options.onKernel(i, *text, result.parts[i]);
        return success();
      })))
    return failure();
  return result;
}

} // namespace smelt::codegen
