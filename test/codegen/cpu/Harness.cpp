//===- Harness.cpp - Compiles one kernel and runs it ------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Harness.h"
#include "codegen/cpu/Lower.h"
#include "dialects/smelt/Constants.h"
#include "dialects/smelt/KernelInfo.h"
#include "dialects/smelt/eval/Evaluator.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Program.h"
#include <cstdlib>
#include <ctime>
#include <sys/mman.h>

using namespace mlir;
using namespace smelt;
using namespace smelt::codegen::cpu;

namespace smelt::test {

GuardedBuffer::GuardedBuffer(size_t bytes, unsigned char fill) : bytes(bytes) {
  constexpr size_t kPage = 4096;
  mapped = (bytes + kPage - 1) / kPage * kPage + kPage;
  mapping = static_cast<char *>(mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (mapping == MAP_FAILED || mprotect(mapping + mapped - kPage, kPage, PROT_NONE) != 0)
    llvm::report_fatal_error("no memory for a guarded buffer");
  begin = mapping + mapped - kPage - bytes;
  std::memset(begin, fill, bytes);
}
GuardedBuffer::~GuardedBuffer() {
  if (mapping)
    munmap(mapping, mapped);
}
GuardedBuffer::GuardedBuffer(GuardedBuffer &&other) noexcept
    : mapping(other.mapping), begin(other.begin), bytes(other.bytes), mapped(other.mapped) {
  other.mapping = nullptr;
}

using KernelFn = void (*)(void **, const int64_t *, int64_t, int64_t, char *);

struct Kernel::Impl {
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  KernelOp kernel;
  std::unique_ptr<llvm::orc::LLJIT> jit;
  KernelFn function = nullptr;
  std::vector<std::vector<char>> packed; // by operand; empty where the caller's buffer is used
  std::vector<int64_t> symbolIds;
  CpuTarget target;
  std::string crossDirectory; // with the linked runner, when the target is another machine

  ~Impl() {
    if (!crossDirectory.empty())
      llvm::sys::fs::remove_directories(crossDirectory);
  }
  void linkCross(const std::string &object);
  int64_t runCross(const std::vector<void *> &pointers, const std::vector<int64_t> &symbols, int64_t begin, int64_t end,
                   int64_t scratchBytes, const std::vector<int64_t> &values);
};

static void check(bool ok, const std::string &what) {
  if (!ok)
    llvm::report_fatal_error(llvm::Twine(what));
}

/// The thread's own time, as other jobs may share the machine.
static double threadSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec + now.tv_nsec * 1e-9;
}

static int64_t evaluateExpr(AffineExpr e, const std::vector<int64_t> &symbols) {
  if (auto constant = dyn_cast<AffineConstantExpr>(e))
    return constant.getValue();
  if (auto symbol = dyn_cast<AffineSymbolExpr>(e))
    return symbols.at(symbol.getPosition());
  auto binary = cast<AffineBinaryOpExpr>(e);
  int64_t x = evaluateExpr(binary.getLHS(), symbols), y = evaluateExpr(binary.getRHS(), symbols);
  switch (e.getKind()) {
  case AffineExprKind::Add: return x + y;
  case AffineExprKind::Mul: return x * y;
  case AffineExprKind::FloorDiv: return x / y;
  case AffineExprKind::CeilDiv: return (x + y - 1) / y;
  default: return x % y;
  }
}

static bool isCross(llvm::StringRef target) {
#if defined(__aarch64__)
  return target != "aarch64" && target != "native";
#else
  return target == "aarch64";
#endif
}

/// Reads the spec and buffers on stdin, runs the kernel, writes the status and
/// the buffers to stdout.
static const char kRunner[] = R"(
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
void k(void **, const int64_t *, int64_t, int64_t, char *);
static int64_t number(void) { int64_t v; if (fread(&v, 8, 1, stdin) != 1) exit(3); return v; }
int main(void) {
  int64_t count = number(), symbols = number(), begin = number(), end = number(), scratch = number();
  int64_t *values = malloc(8 * symbols + 8), *sizes = malloc(8 * count + 8);
  void **buffers = malloc(8 * count + 8);
  for (int64_t i = 0; i < symbols; ++i) values[i] = number();
  for (int64_t i = 0; i < count; ++i) {
    sizes[i] = number();
    buffers[i] = malloc(sizes[i] + 1);
    if (fread(buffers[i], 1, sizes[i], stdin) != (size_t)sizes[i]) return 3;
  }
  char *memory = aligned_alloc(64, 64 + (scratch + 127) / 64 * 64);
  *(int64_t *)memory = 0;
  k(buffers, values, begin, end, memory + 64);
  fwrite(memory, 8, 1, stdout);
  for (int64_t i = 0; i < count; ++i) fwrite(buffers[i], 1, sizes[i], stdout);
  return 0;
}
)";

static void writeFile(const std::string &path, llvm::StringRef bytes) {
  std::error_code error;
  llvm::raw_fd_ostream os(path, error);
  check(!error, "cannot write " + path);
  os << bytes;
}

void Kernel::Impl::linkCross(const std::string &object) {
  llvm::SmallString<128> directory;
  check(!llvm::sys::fs::createUniqueDirectory("smelt-kernel", directory), "cannot make a temporary directory");
  crossDirectory = directory.str();
  writeFile(crossDirectory + "/run.c", kRunner);
  writeFile(crossDirectory + "/k.o", object);
  std::string command = "aarch64-linux-gnu-gcc -O1 -static -o " + crossDirectory + "/run " + crossDirectory + "/run.c " +
                        crossDirectory + "/k.o -lm";
  check(std::system(command.c_str()) == 0, "failed: " + command);
}

int64_t Kernel::Impl::runCross(const std::vector<void *> &pointers, const std::vector<int64_t> &symbols, int64_t begin,
                               int64_t end, int64_t scratchBytes, const std::vector<int64_t> &values) {
  std::string input;
  auto number = [&](int64_t v) { input.append(reinterpret_cast<char *>(&v), 8); };
  for (int64_t v : {int64_t(pointers.size()), int64_t(values.size()), begin, end, scratchBytes})
    number(v);
  for (int64_t v : values)
    number(v);
  SmallVector<Type> types(kernel.getOperandTypes());
  llvm::append_range(types, kernel.getResultTypes());
  std::vector<int64_t> sizes;
  for (auto [i, type] : llvm::enumerate(types)) {
    int64_t bytes = getElementBytes(cast<RankedTensorType>(type).getElementType());
    for (AffineExpr dim : getDims(type))
      bytes *= evaluateExpr(dim, symbols);
    if (i < packed.size() && !packed[i].empty())
      bytes = packed[i].size();
    sizes.push_back(bytes);
    number(bytes);
    input.append(static_cast<char *>(pointers[i]), bytes);
  }
  writeFile(crossDirectory + "/in", input);
  std::string command =
      "qemu-aarch64 " + crossDirectory + "/run < " + crossDirectory + "/in > " + crossDirectory + "/out";
  check(std::system(command.c_str()) == 0, "failed: " + command);
  auto output = llvm::MemoryBuffer::getFile(crossDirectory + "/out");
  check(bool(output), "no output of " + command);
  const char *from = (*output)->getBufferStart();
  int64_t status;
  std::memcpy(&status, from, 8);
  from += 8;
  for (auto [i, bytes] : llvm::enumerate(sizes)) {
    if (i >= kernel.getNumOperands())
      std::memcpy(pointers[i], from, bytes);
    from += bytes;
  }
  return status;
}

Kernel::Kernel(const KernelText &text, const std::vector<std::pair<unsigned, std::vector<char>>> &constants,
               const std::string &target)
    : impl(std::make_unique<Impl>()) {
  MLIRContext &context = impl->context;
  context.loadDialect<SmeltDialect, LLVM::LLVMDialect, vector::VectorDialect, arith::ArithDialect, scf::SCFDialect,
                      func::FuncDialect, math::MathDialect>();
  registerBuiltinDialectTranslation(context);
  registerLLVMDialectTranslation(context);
  auto join = [](const std::vector<std::string> &parts) { return llvm::join(parts, ", "); };
  std::vector<std::string> outer, inner, names;
  for (size_t i = 0; i < text.operands.size(); ++i) {
    outer.push_back("%x" + std::to_string(i) + ": " + text.operands[i]);
    inner.push_back("%a" + std::to_string(i) + ": " + text.operands[i]);
    names.push_back("%x" + std::to_string(i));
  }
  std::string source = text.symbols + "\nfunc.func @f(" + join(outer) + ") {\n  %r" +
                       (text.results.size() > 1 ? ":" + std::to_string(text.results.size()) : std::string()) +
                       " = smelt.kernel \"k\" (" + join(names) + ") {\n  ^bb0(" + join(inner) + "):\n" + text.body +
                       "\n  } : (" + join(text.operands) + ") -> (" + join(text.results) + ")\n  return\n}\n";
  impl->module = parseSourceString<ModuleOp>(source, &context);
  check(bool(impl->module), "cannot parse:\n" + source);
  impl->module->walk([&](KernelOp op) { impl->kernel = op; });
  KernelOp kernel = impl->kernel;
  OpBuilder builder(kernel);
  for (auto &[operand, bytes] : constants) {
    auto type = cast<RankedTensorType>(kernel.getOperand(operand).getType());
    kernel.setOperand(operand, createConstant(builder, kernel.getLoc(), type, bytes));
  }
  std::string error;
  auto cpu = getTarget(target, error);
  check(succeeded(cpu), error);
  impl->target = *cpu;
  double start = threadSeconds();
  check(succeeded(chooseSchedule(kernel, *cpu)), "no schedule for:\n" + source);
  familyName = kernel.getScheduleAttr().getFamily().str();
  OwningOpRef<ModuleOp> code = ModuleOp::create(kernel.getLoc());
  check(succeeded(emitKernelFunction(*code, kernel, "k", *cpu)), "cannot emit:\n" + source);
  FailureOr<std::string> object = compileModule(*code, *cpu, Emit::Object, 2);
  check(succeeded(object), "cannot compile:\n" + source);
  compileMilliseconds = 1e3 * (threadSeconds() - start);
  impl->packed.resize(text.operands.size());
  for (auto &[operand, bytes] : constants)
    if (DictionaryAttr packing = getPacking(kernel, operand))
      impl->packed[operand] =
          packConstant(cast<RankedTensorType>(kernel.getOperand(operand).getType()), bytes, packing);
  for (int64_t id : getKernelSymbols(kernel))
    impl->symbolIds.push_back(id);
  if (isCross(target)) {
    impl->linkCross(*object);
    return;
  }
  impl->jit = llvm::cantFail(llvm::orc::LLJITBuilder().create());
  auto &library = impl->jit->getMainJITDylib();
  library.addGenerator(llvm::cantFail(llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
      impl->jit->getDataLayout().getGlobalPrefix())));
  llvm::cantFail(impl->jit->addObjectFile(llvm::MemoryBuffer::getMemBufferCopy(*object)));
  impl->function = llvm::cantFail(impl->jit->lookup("k")).toPtr<KernelFn>();
}

Kernel::~Kernel() = default;

std::vector<std::vector<char>> Kernel::evaluate(const std::vector<void *> &operands,
                                                const std::vector<int64_t> &symbols) const {
  eval::Evaluator evaluator(*impl->module);
  eval::SymbolEnv env = evaluator.makeEnv();
  for (auto [id, value] : llvm::enumerate(symbols))
    env.bind(id, value);
  SmallVector<eval::HostTensor> tensors;
  for (auto [operand, data] : llvm::zip(impl->kernel.getOperands(), operands)) {
    auto type = cast<RankedTensorType>(operand.getType());
    SmallVector<int64_t> shape;
    int64_t count = 1;
    for (AffineExpr dim : getDims(type)) {
      shape.push_back(evaluateExpr(dim, symbols));
      count *= shape.back();
    }
    size_t bytes = count * getElementBytes(type.getElementType());
    tensors.push_back(eval::HostTensor::copy(type.getElementType(), shape, ArrayRef(static_cast<char *>(data), bytes)));
  }
  auto results = evaluator.evaluateOp(impl->kernel, tensors, env);
  check(succeeded(results), "cannot evaluate: " + evaluator.getError().str());
  std::vector<std::vector<char>> bytes;
  for (const eval::HostTensor &result : *results)
    bytes.emplace_back(result.getBytes().begin(), result.getBytes().end());
  return bytes;
}

std::string Kernel::assembly() const {
  OwningOpRef<ModuleOp> code = ModuleOp::create(impl->kernel.getLoc());
  check(succeeded(emitKernelFunction(*code, impl->kernel, "k", impl->target)), "cannot emit");
  return *compileModule(*code, impl->target, Emit::Assembly, 2);
}

int64_t Kernel::run(const std::vector<void *> &buffers, const std::vector<int64_t> &symbols, unsigned parts) {
  std::vector<void *> pointers(buffers);
  for (size_t i = 0; i < impl->packed.size(); ++i)
    if (!impl->packed[i].empty())
      pointers[i] = impl->packed[i].data();
  std::vector<int64_t> values;
  for (int64_t id : impl->symbolIds)
    values.push_back(symbols.at(id));
  int64_t grid = evaluateExpr(getGrid(impl->kernel), symbols), scratchBytes = evaluateExpr(getScratch(impl->kernel), symbols);
  int64_t status = 0;
  for (unsigned part = 0; part < parts; ++part) {
    if (!impl->crossDirectory.empty()) {
      status |= impl->runCross(pointers, symbols, grid * part / parts, grid * (part + 1) / parts, scratchBytes, values);
      continue;
    }
    // The thread's status block lies before its scratch, which is 64-byte aligned
    // and ends (up to alignment) at the guard.
    GuardedBuffer scratch(64 + (scratchBytes + 63) / 64 * 64);
    std::memset(scratch.data(), 0, 64);
    impl->function(pointers.data(), values.data(), grid * part / parts, grid * (part + 1) / parts, scratch.data() + 64);
    status |= *scratch.as<int64_t>();
  }
  return status;
}

std::vector<std::string> runnableTargets() {
  std::vector<std::string> targets;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2"))
    targets.push_back("x86-64-v3");
  if (__builtin_cpu_supports("avx512bw"))
    targets.push_back("x86-64-v4");
#endif
  targets.push_back("native");
  if (isCross("aarch64") && llvm::sys::findProgramByName("aarch64-linux-gnu-gcc") &&
      llvm::sys::findProgramByName("qemu-aarch64"))
    targets.push_back("aarch64");
  return targets;
}

bool isSampled(const std::string &target) {
  static unsigned count = 0;
  return !isCross(target) || count++ % 12 == 0;
}

} // namespace smelt::test
