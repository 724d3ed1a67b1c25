//===- Lower.cpp - From a kernel to PTX -------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   smelt.kernel { y = add(x, b); z = tanh(y); yield z }
//     ->  i = ctaid * 256 + tid; if i < elements: z[i] = element(z, i)
//
// One thread an element: every body the element emitter knows runs, and is correct.
// It is the fallback of the families that are to come, and no schedule to be proud of.
// Tested by test/codegen/nvptx.
//
//===----------------------------------------------------------------------===//
#include "codegen/nvptx/Lower.h"
#include "codegen/common/Emitter.h"
#include "codegen/common/ExpandMath.h"
#include "dialects/smelt/KernelInfo.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include <mutex>

using namespace mlir;

namespace smelt::codegen::nvptx {

static constexpr unsigned kBlock = 256;
static constexpr unsigned kGlobal = 1;                           // the address space
static constexpr llvm::StringLiteral kBlockName = "smelt.block"; // threads of a CTA, on the function

static void initializeTarget() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeAllTargetInfos();
    llvm::InitializeAllTargets();
    llvm::InitializeAllTargetMCs();
    llvm::InitializeAllAsmPrinters();
  });
}

std::optional<KernelLaunch> planElements(KernelOp kernel) {
  if (!isElementwiseComputable(kernel) || kernel.getNumResults() == 0)
    return std::nullopt;
  SmallVector<AffineExpr> dims = getDims(kernel.getResultTypes()[0]);
  for (Type other : kernel.getResultTypes())
    if (getDims(other) != ArrayRef(dims))
      return std::nullopt;
  AffineExpr count = getAffineConstantExpr(1, kernel.getContext());
  for (AffineExpr dim : dims)
    count = count * dim;
  return KernelLaunch{count.ceilDiv(kBlock), kBlock};
}

FailureOr<KernelLaunch> emitKernelFunction(ModuleOp module, KernelOp kernel, StringRef name, const NvTarget &target) {
  std::optional<KernelLaunch> launch = planElements(kernel);
  if (!launch)
    return kernel.emitOpError() << "no kernel family of " << target.cpu << " can compute it";
  MLIRContext *context = module.getContext();
  context->loadDialect<NVVM::NVVMDialect>();
  Location loc = kernel.getLoc();
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  Type global = LLVM::LLVMPointerType::get(context, kGlobal), pointer = LLVM::LLVMPointerType::get(context),
       i64 = b.getI64Type();
  SmallVector<int64_t> symbolIds = getKernelSymbols(kernel);
  unsigned buffers = kernel.getNumOperands() + kernel.getNumResults();
  SmallVector<Type> types(buffers + 1, global);
  types.append(symbolIds.size(), i64);
  auto function = func::FuncOp::create(b, loc, name, b.getFunctionType(types, {}));
  function->setAttr(kBlockName, b.getI32IntegerAttr(kBlock));
  for (unsigned i = 0; i < buffers; ++i)
    function.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(), b.getUnitAttr());
  Block *entry = function.addEntryBlock();
  OpBuilder body = OpBuilder::atBlockEnd(entry);
  SmallVector<Value> placeholders;
  for (Type operand : kernel.getOperandTypes())
    placeholders.push_back(UnrealizedConversionCastOp::create(body, loc, operand, ValueRange()).getResult(0));
  IRMapping mapping;
  mapping.map(kernel.getOperands(), placeholders);
  auto copy = cast<KernelOp>(body.clone(*kernel, mapping));
  body.setInsertionPoint(func::ReturnOp::create(body, loc));

  Emitter e(body, loc);
  for (auto [i, id] : llvm::enumerate(symbolIds))
    e.symbols[id] = entry->getArgument(buffers + 1 + i);
  auto generic = [&](unsigned i) -> Value {
    return LLVM::AddrSpaceCastOp::create(e.b, loc, pointer, entry->getArgument(i));
  };
  e.statusPointer = generic(buffers);
  for (auto [i, arg] : llvm::enumerate(copy.getBody().getArguments()))
    e.setBuffer(arg, bufferOf(e, copy, i, arg.getType(), generic(i)));
  SmallVector<Buffer> outputs;
  for (auto [i, result] : llvm::enumerate(copy.getResultTypes()))
    outputs.push_back(bufferOf(e, copy, copy.getNumOperands() + i, result, generic(copy.getNumOperands() + i)));

  Type i32 = b.getI32Type();
  auto wide = [&](Value v) -> Value { return arith::ExtUIOp::create(e.b, loc, i64, v); };
  Value cta = wide(NVVM::BlockIdXOp::create(e.b, loc, i32)), thread = wide(NVVM::ThreadIdXOp::create(e.b, loc, i32));
  Value index = e.add(e.mul(cta, e.num(kBlock)), thread);
  OperandRange yields = copy.getBody().front().getTerminator()->getOperands();
  SmallVector<Value> sizes = e.sizes(yields[0]);
  Value total = e.num(1);
  for (Value size : sizes)
    total = e.mul(total, size);
  e.ifThen(e.cmp(arith::CmpIPredicate::slt, index, total), [&] {
    SmallVector<Value> at = e.delinearize(index, sizes);
    for (auto [value, buffer] : llvm::zip(yields, outputs))
      e.store(buffer, at, e.element(value, at), -1);
  });
  copy.erase();
  for (Value placeholder : placeholders)
    placeholder.getDefiningOp()->erase();
  return *launch;
}

static void buildLoweringPipeline(OpPassManager &pm) {
  pm.addPass(createExpandMathPass());
  arith::ArithExpandOpsPassOptions expand;
  expand.includeBf16 = true;
  pm.addPass(arith::createArithExpandOpsPass(expand));
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createUBToLLVMConversionPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
}

/// What the NVPTX backend would call a library for, or abort at: there is no library.
static LogicalResult checkInstructions(ModuleOp module, const NvTarget &target) {
  LogicalResult result = success();
  module.walk([&](Operation *op) {
    bool isLibrary =
        isa<LLVM::SinOp, LLVM::CosOp, LLVM::PowOp, LLVM::ExpOp, LLVM::Exp2Op, LLVM::LogOp, LLVM::Log2Op, LLVM::Log10Op>(
            op);
    if (isLibrary || op->getDialect()->getNamespace() == "math") {
      op->emitError() << "a math function that " << target.cpu << " has no instructions for: " << op->getName();
      result = failure();
    }
  });
  return result;
}

FailureOr<std::string> emitPtx(ModuleOp module, const NvTarget &target) {
  initializeTarget();
  Location loc = module.getLoc();
  PassManager pm(module.getContext());
  buildLoweringPipeline(pm);
  if (failed(pm.run(module)) || failed(checkInstructions(module, target)))
    return failure();
  for (auto function : module.getOps<LLVM::LLVMFuncOp>())
    if (auto block = dyn_cast_or_null<IntegerAttr>(function->removeAttr(kBlockName))) { // NVVM's, which want this op
      Builder b(module.getContext());
      function->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), b.getUnitAttr());
      function->setAttr(NVVM::NVVMDialect::getReqntidAttrName(),
                        b.getDenseI32ArrayAttr({int32_t(block.getInt()), 1, 1}));
    }
  DialectRegistry registry;
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
  module.getContext()->appendDialectRegistry(registry);
  llvm::LLVMContext llvmContext;
  std::unique_ptr<llvm::Module> llvmModule = translateModuleToLLVMIR(module, llvmContext, "smelt");
  if (!llvmModule)
    return emitError(loc) << "internal: translation to LLVM IR failed";
  std::string error;
  llvm::Triple triple("nvptx64-nvidia-cuda");
  const llvm::Target *llvmTarget = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!llvmTarget)
    return emitError(loc) << "LLVM has no code generator for " << triple.str() << ": " << error;
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  std::unique_ptr<llvm::TargetMachine> machine(llvmTarget->createTargetMachine(
      triple, target.cpu, target.features(), options, std::nullopt, std::nullopt, llvm::CodeGenOptLevel::Aggressive));
  llvmModule->setDataLayout(machine->createDataLayout());
  llvmModule->setTargetTriple(triple);
  llvm::LoopAnalysisManager lam;
  llvm::FunctionAnalysisManager fam;
  llvm::CGSCCAnalysisManager cgam;
  llvm::ModuleAnalysisManager mam;
  llvm::PassBuilder builder(machine.get());
  builder.registerModuleAnalyses(mam);
  builder.registerCGSCCAnalyses(cgam);
  builder.registerFunctionAnalyses(fam);
  builder.registerLoopAnalyses(lam);
  builder.crossRegisterProxies(lam, fam, cgam, mam);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2).run(*llvmModule, mam);
  llvm::SmallVector<char, 0> buffer;
  llvm::raw_svector_ostream stream(buffer);
  llvm::legacy::PassManager codegen;
  if (machine->addPassesToEmitFile(codegen, stream, nullptr, llvm::CodeGenFileType::AssemblyFile))
    return emitError(loc) << "LLVM cannot print PTX";
  codegen.run(*llvmModule);
  return std::string(buffer.data(), buffer.size());
}

} // namespace smelt::codegen::nvptx
