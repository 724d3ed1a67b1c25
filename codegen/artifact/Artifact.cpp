//===- Artifact.cpp - Objects of a compiled model ---------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels.cpp makes the kernels' objects. The descriptor of runtime/core/Artifact.h
// is one LLVM module of constant data with the addresses of the kernels.
//
//===----------------------------------------------------------------------===//
#include "codegen/artifact/Artifact.h"
#include "codegen/artifact/Kernels.h"
#include "dialects/smelt/Constants.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/GlobalVariable.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/xxhash.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;

namespace smelt::codegen {

namespace {

/// Bytes of every constant, packed, and their places in the pool. Equal bytes
/// are stored once.
FailureOr<std::string> layOutPool(HostProgram &program) {
  std::string pool;
  std::map<std::pair<uint64_t, size_t>, int64_t> known;
  for (PoolConstant &constant : program.constants) {
    std::optional<ConstantBytes> bytes = getConstantBytes(constant.value, constant.type);
    if (!bytes)
      return emitError(UnknownLoc::get(constant.type.getContext()))
             << "internal: a constant of type " << constant.type << " has no bytes";
    std::vector<char> packed;
    ArrayRef<char> data = bytes->data;
    if (constant.packing) {
      packed = cpu::packConstant(constant.type, data, constant.packing);
      data = packed;
    }
    auto key = std::make_pair(llvm::xxh3_64bits(ArrayRef<uint8_t>(reinterpret_cast<const uint8_t *>(data.data()), data.size())),
                              data.size());
    auto it = known.find(key);
    if (it != known.end() && std::equal(data.begin(), data.end(), pool.begin() + it->second)) {
      constant.offset = it->second;
    } else {
      pool.resize((pool.size() + 63) / 64 * 64);
      constant.offset = pool.size();
      pool.append(data.data(), data.size());
      known[key] = constant.offset;
    }
    constant.bytes = data.size();
  }
  pool.resize((pool.size() + 63) / 64 * 64);
  for (auto [word, index] : program.constantPatches) {
    program.words[word] = program.constants[index].offset;
    program.words[word + 1] = program.constants[index].bytes;
  }
  return pool;
}

uint64_t fnv1a(uint64_t hash, const void *data, size_t size) {
  for (size_t i = 0; i < size; ++i)
    hash = (hash ^ static_cast<const uint8_t *>(data)[i]) * 0x100000001b3ull;
  return hash;
}

FailureOr<std::string> buildDescriptor(HostProgram &program, ArrayRef<std::string> kernels, StringRef pool,
                                       const cpu::CpuTarget &target, const ArtifactOptions &options, Location loc) {
  llvm::LLVMContext context;
  llvm::Module module("smelt_artifact", context);
  llvm::Triple triple(target.triple);
  module.setTargetTriple(triple);
  std::string error;
  const llvm::Target *llvmTarget = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!llvmTarget)
    return emitError(loc) << "LLVM has no code generator for " << target.triple << ": " << error;
  std::unique_ptr<llvm::TargetMachine> machine(llvmTarget->createTargetMachine(
      triple, target.cpu, target.features, llvm::TargetOptions(), llvm::Reloc::PIC_));
  module.setDataLayout(machine->createDataLayout());
  auto *i64 = llvm::Type::getInt64Ty(context);
  auto *i32 = llvm::Type::getInt32Ty(context);
  auto *pointer = llvm::PointerType::get(context, 0);
  auto data = [&](llvm::Constant *init, StringRef name, unsigned alignment) -> llvm::Constant * {
    auto *global = new llvm::GlobalVariable(module, init->getType(), true, llvm::GlobalValue::InternalLinkage, init,
                                            (name + "_" + options.name).str());
    global->setAlignment(llvm::Align(alignment));
    return global;
  };
  auto bytes = [&](StringRef text) {
    return llvm::ConstantDataArray::getRaw(text, text.size(), llvm::Type::getInt8Ty(context));
  };
  std::vector<uint64_t> words(program.words.begin(), program.words.end());
  llvm::Constant *wordsGlobal = data(llvm::ConstantDataArray::get(context, ArrayRef<uint64_t>(words)), "smelt_program", 64);
  llvm::Constant *stringsGlobal = data(bytes(program.strings), "smelt_strings", 1);
  llvm::Constant *manifestGlobal = data(bytes(options.manifest), "smelt_manifest", 1);
  llvm::Constant *poolGlobal = data(bytes(pool.empty() ? StringRef("\0", 1) : pool), "smelt_constants", 64);
  std::vector<llvm::Constant *> table;
  auto *kernelType = llvm::FunctionType::get(llvm::Type::getVoidTy(context), {pointer, pointer, i64, i64, pointer}, false);
  for (const std::string &symbol : kernels) {
    auto *function = llvm::Function::Create(kernelType, llvm::GlobalValue::ExternalLinkage, symbol, module);
    function->setVisibility(llvm::GlobalValue::HiddenVisibility);
    table.push_back(function);
  }
  if (table.empty())
    table.push_back(llvm::ConstantPointerNull::get(pointer));
  llvm::Constant *tableGlobal =
      data(llvm::ConstantArray::get(llvm::ArrayType::get(pointer, table.size()), table), "smelt_kernels", 8);

  uint64_t checksum = 0xcbf29ce484222325ull;
  checksum = fnv1a(checksum, program.words.data(), program.words.size() * 8);
  checksum = fnv1a(checksum, program.strings.data(), program.strings.size());
  checksum = fnv1a(checksum, options.manifest.data(), options.manifest.size());

  artifact::Arch arch = target.isX86 ? artifact::Arch::X86_64 : artifact::Arch::AArch64;
  uint32_t level = !target.isX86 ? artifact::kCpuBaseline
                   : target.vectorBytes == 64 ? artifact::kCpuX86V4 : artifact::kCpuX86V3;
  uint64_t extras = (target.hasInt8Dot ? artifact::kCpuVnni : 0) | (target.hasBf16Dot ? artifact::kCpuBf16 : 0);
  auto num = [&](llvm::Type *type, uint64_t v) -> llvm::Constant * { return llvm::ConstantInt::get(type, v); };
  std::vector<llvm::Constant *> fields = {
      bytes(StringRef(artifact::kMagic, 8)), num(i32, artifact::kAbiMajor), num(i32, artifact::kAbiMinor),
      num(i32, uint32_t(arch)), num(i32, level), num(i64, extras), manifestGlobal, num(i64, options.manifest.size()),
      wordsGlobal, num(i64, program.words.size()), poolGlobal, num(i64, pool.size()), tableGlobal,
      num(i64, program.kernels.size()), stringsGlobal, num(i64, program.strings.size()), num(i64, checksum)};
  llvm::Constant *descriptor = llvm::ConstantStruct::getAnon(context, fields);
  auto *global = new llvm::GlobalVariable(module, descriptor->getType(), true, llvm::GlobalValue::ExternalLinkage,
                                          descriptor, "smelt_artifact_" + options.name);
  global->setAlignment(llvm::Align(64));
  global->setDSOLocal(true);

  llvm::SmallVector<char, 0> buffer;
  llvm::raw_svector_ostream stream(buffer);
  llvm::legacy::PassManager codegen;
  if (machine->addPassesToEmitFile(codegen, stream, nullptr, llvm::CodeGenFileType::ObjectFile))
    return emitError(loc) << "LLVM cannot emit objects for " << target.triple;
  codegen.run(module);
  return std::string(buffer.data(), buffer.size());
}

} // namespace

FailureOr<std::vector<std::string>> buildObjects(HostProgram &program, const cpu::CpuTarget &target,
                                                 const ArtifactOptions &options) {
  cpu::initializeTargets();
  FailureOr<CompiledKernels> kernels = compileKernels(program, target, cpu::Emit::Object, options);
  if (failed(kernels))
    return failure();
  FailureOr<std::string> pool = layOutPool(program);
  if (failed(pool))
    return failure();
  MLIRContext *context = program.constants.empty() ? (program.kernels.empty() ? nullptr : program.kernels[0].getContext())
                                                   : program.constants[0].type.getContext();
  MLIRContext fallback;
  FailureOr<std::string> descriptor =
      buildDescriptor(program, kernels->symbols, *pool, target, options, UnknownLoc::get(context ? context : &fallback));
  if (failed(descriptor))
    return failure();
  kernels->parts.push_back(std::move(*descriptor));
  return std::move(kernels->parts);
}

FailureOr<std::string> printKernels(const HostProgram &program, const cpu::CpuTarget &target, cpu::Emit emit,
                                    const ArtifactOptions &options) {
  cpu::initializeTargets();
  FailureOr<CompiledKernels> kernels = compileKernels(program, target, emit, options);
  if (failed(kernels))
    return failure();
  return llvm::join(kernels->parts, "");
}

} // namespace smelt::codegen
