//===- Lower.cpp - From a scheduled kernel to object code -------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   smelt.kernel (scheduled) -> func.func @k(bufs, syms, begin, end, scratch)
//     -> LLVM dialect -> LLVM IR -> object
//
// The function's body is a second, internal function whose pointers are
// arguments marked noalias: a kernel's outputs never overlap its inputs.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/Lower.h"
#include "codegen/common/ExpandMath.h"
#include "codegen/cpu/Optimize.h"
#include "dialects/smelt/KernelInfo.h"
#include "dialects/smelt/Placement.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include <mutex>

using namespace mlir;

namespace smelt::codegen::cpu {

void initializeTargets() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeAllTargetInfos();
    llvm::InitializeAllTargets();
    llvm::InitializeAllTargetMCs();
    llvm::InitializeAllAsmParsers();
    llvm::InitializeAllAsmPrinters();
  });
}

LogicalResult emitKernelFunction(ModuleOp module, KernelOp kernel, StringRef name, const CpuTarget &target) {
  MLIRContext *context = module.getContext();
  Location loc = kernel.getLoc();
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  Type pointer = LLVM::LLVMPointerType::get(context), i64 = b.getI64Type();
  SmallVector<int64_t> symbolIds = getKernelSymbols(kernel);
  unsigned buffers = kernel.getNumOperands() + kernel.getNumResults();

  // The inner function: every buffer and symbol an argument of its own.
  SmallVector<Type> innerTypes(buffers, pointer);
  innerTypes.append(symbolIds.size() + 2, i64);
  innerTypes.push_back(pointer);
  auto inner = func::FuncOp::create(b, loc, (name + "_body").str(), b.getFunctionType(innerTypes, {}));
  inner.setPrivate();
  inner->setAttr("llvm.linkage", LLVM::LinkageAttr::get(context, LLVM::Linkage::Internal));
  for (unsigned i = 0; i < buffers; ++i)
    inner.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(), b.getUnitAttr());
  inner.setArgAttr(innerTypes.size() - 1, LLVM::LLVMDialect::getNoAliasAttrName(), b.getUnitAttr());
  Block *entry = inner.addEntryBlock();

  // Emission rewrites types in the body, so it works on a copy.
  OpBuilder copyBuilder(context);
  copyBuilder.setInsertionPointToEnd(module.getBody());
  SmallVector<Value> placeholders;
  OpBuilder body = OpBuilder::atBlockEnd(entry);
  for (Type type : kernel.getOperandTypes())
    placeholders.push_back(UnrealizedConversionCastOp::create(body, loc, type, ValueRange()).getResult(0));
  IRMapping mapping;
  mapping.map(kernel.getOperands(), placeholders);
  auto copy = cast<KernelOp>(body.clone(*kernel, mapping));

  Operation *ret = func::ReturnOp::create(body, loc);
  body.setInsertionPoint(ret);
  Emitter e(body, loc);
  for (auto [i, id] : llvm::enumerate(symbolIds))
    e.symbols[id] = entry->getArgument(buffers + i);
  unsigned next = buffers + symbolIds.size();
  KernelContext kernelContext{copy, target, e, {}, {}, entry->getArgument(next), entry->getArgument(next + 1),
                              entry->getArgument(next + 2)};
  // The 64 bytes before a thread's scratch are its status block.
  e.statusPointer = LLVM::GEPOp::create(e.b, loc, pointer, e.b.getI8Type(), kernelContext.scratch,
                                        ArrayRef<LLVM::GEPArg>{-64});
  auto makeBuffer = [&](unsigned i, Type type) { return bufferOf(e, copy, i, type, entry->getArgument(i)); };
  for (auto [i, arg] : llvm::enumerate(copy.getBody().getArguments())) {
    kernelContext.inputs.push_back(makeBuffer(i, arg.getType()));
    e.setBuffer(arg, kernelContext.inputs.back());
  }
  for (auto [i, type] : llvm::enumerate(copy.getResultTypes()))
    kernelContext.outputs.push_back(makeBuffer(copy.getNumOperands() + i, type));
  const Family *family = getFamily(copy.getScheduleAttr().getFamily());
  if (!family)
    return kernel.emitOpError() << "schedule names the unknown family '" << copy.getScheduleAttr().getFamily() << "'";
  if (failed(family->emit(kernelContext)))
    return failure();
  copy.erase();
  for (Value placeholder : placeholders)
    placeholder.getDefiningOp()->erase();

  // The entry unpacks the arrays.
  auto outer = func::FuncOp::create(b, loc, name, b.getFunctionType({pointer, pointer, i64, i64, pointer}, {}));
  OpBuilder o = OpBuilder::atBlockEnd(outer.addEntryBlock());
  SmallVector<Value> args;
  for (unsigned i = 0; i < buffers; ++i) {
    Value slot = LLVM::GEPOp::create(o, loc, pointer, pointer, outer.getArgument(0), ArrayRef<LLVM::GEPArg>{int32_t(i)});
    args.push_back(LLVM::LoadOp::create(o, loc, pointer, slot));
  }
  for (unsigned i = 0; i < symbolIds.size(); ++i) {
    Value slot = LLVM::GEPOp::create(o, loc, pointer, i64, outer.getArgument(1), ArrayRef<LLVM::GEPArg>{int32_t(i)});
    args.push_back(LLVM::LoadOp::create(o, loc, i64, slot));
  }
  args.append({outer.getArgument(2), outer.getArgument(3), outer.getArgument(4)});
  func::CallOp::create(o, loc, inner, args);
  func::ReturnOp::create(o, loc);
  return success();
}

void buildLoweringPipeline(OpPassManager &pm, const CpuTarget &target) {
  pm.addPass(createExpandMathPass());
  arith::ArithExpandOpsPassOptions expand;
  expand.includeBf16 = true;
  pm.addPass(arith::createArithExpandOpsPass(expand));
  pm.addPass(createSCFToControlFlowPass());
  ConvertVectorToLLVMPassOptions vectorOptions;
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createConvertMathToLibmPass());
  // After libm's calls, which take vectors apart.
  pm.addPass(createConvertVectorToLLVMPass(vectorOptions));
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createUBToLLVMConversionPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
}

LogicalResult lowerModules(ModuleOp outer, const CpuTarget &target) {
  PassManager pm(outer.getContext());
  pm.enableVerifier(true);
  buildLoweringPipeline(pm.nest<ModuleOp>(), target);
  return pm.run(outer);
}

FailureOr<std::string> emitModule(ModuleOp module, const CpuTarget &target, Emit emit, unsigned optLevel,
                                  bool isShared) {
  initializeTargets();
  Location loc = module.getLoc();
  std::string out;
  llvm::raw_string_ostream os(out);
  llvm::LLVMContext llvmContext;
  std::unique_ptr<llvm::Module> llvmModule = translateModuleToLLVMIR(module, llvmContext, "smelt");
  if (!llvmModule)
    return emitError(loc) << "internal: translation to LLVM IR failed";
  std::string error;
  llvm::Triple triple(target.triple);
  const llvm::Target *llvmTarget = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!llvmTarget)
    return emitError(loc) << "LLVM has no code generator for " << target.triple << ": " << error;
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  std::unique_ptr<llvm::TargetMachine> machine(llvmTarget->createTargetMachine(
      triple, target.cpu, target.features, options, llvm::Reloc::PIC_, std::nullopt,
      optLevel == 0 ? llvm::CodeGenOptLevel::Less : llvm::CodeGenOptLevel::Default));
  llvmModule->setDataLayout(machine->createDataLayout());
  llvmModule->setTargetTriple(triple);
  for (llvm::Function &function : *llvmModule) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", target.cpu);
    if (!target.features.empty())
      function.addFnAttr("target-features", target.features);
    function.addFnAttr("prefer-vector-width", std::to_string(target.vectorBytes * 8));
    function.setDoesNotThrow();
    if (isShared && !function.hasLocalLinkage()) {
      function.setLinkage(llvm::GlobalValue::WeakODRLinkage);
      function.setVisibility(llvm::GlobalValue::HiddenVisibility);
      function.setComdat(llvmModule->getOrInsertComdat(function.getName()));
    }
  }
  if (llvm::Error failure = optimizeModule(*llvmModule, *machine, optLevel))
    return emitError(loc) << "internal: " << llvm::toString(std::move(failure));
  if (emit == Emit::LLVMIR) {
    llvmModule->print(os, nullptr);
    return out;
  }
  llvm::SmallVector<char, 0> buffer;
  llvm::raw_svector_ostream stream(buffer);
  llvm::legacy::PassManager codegen;
  auto fileType = emit == Emit::Object ? llvm::CodeGenFileType::ObjectFile : llvm::CodeGenFileType::AssemblyFile;
  if (machine->addPassesToEmitFile(codegen, stream, nullptr, fileType))
    return emitError(loc) << "LLVM cannot emit this file type for " << target.triple;
  codegen.run(*llvmModule);
  return std::string(buffer.data(), buffer.size());
}

FailureOr<std::string> compileModule(ModuleOp module, const CpuTarget &target, Emit emit, unsigned optLevel) {
  PassManager pm(module.getContext());
  pm.enableVerifier(true);
  buildLoweringPipeline(pm, target);
  if (failed(pm.run(module)))
    return failure();
  return emitModule(module, target, emit, optLevel);
}

} // namespace smelt::codegen::cpu
