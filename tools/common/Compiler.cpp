//===- Compiler.cpp - From a model file to an artifact ----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "tools/common/Compiler.h"
#include "codegen/artifact/Artifact.h"
#include "mlir/IR/Verifier.h"
#include "codegen/cpu/Model.h"
#include "codegen/nvptx/Lower.h"
#include "codegen/nvptx/Model.h"
#include "dialects/smelt/KernelInfo.h"
#include "passes/Pipeline.h"
#include "tools/common/Cache.h"
#include "tools/common/Manifest.h"
#include "tools/common/Registration.h"
#include "tools/common/Report.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/xxhash.h"
#include <mutex>
#include <set>

using namespace mlir;

namespace smelt {

namespace {

class Compilation {
public:
  Compilation(const CompileOptions &options, llvm::raw_ostream &out, llvm::raw_ostream &err)
      : options(options), out(out), reporter(err, options.jsonDiagnostics) {
    DialectRegistry registry;
    registerCompilerDialects(registry);
    context = std::make_unique<MLIRContext>(registry);
    if (options.threads == 1)
      context->disableMultithreading();
    context->loadAllAvailableDialects();
    context->getDiagEngine().registerHandler([this](Diagnostic &diagnostic) { report(diagnostic); });
  }
  int run();

private:
  void report(Diagnostic &diagnostic);
  int checkStrict();
  int fail(int code, const Twine &message) { return reporter.fail(code, message); }
  int internal(StringRef where) {
    return fail(70, "internal error in phase '" + where + "'; please report it with the model");
  }
  void step(StringRef name) {
    ++phase;
    if (options.progress)
      options.progress(phase, kPhases, name);
  }
  int runPhase(Phase phase);
  int dump(StringRef name, llvm::function_ref<void(llvm::raw_ostream &)> print);
  int writeText(llvm::function_ref<void(llvm::raw_ostream &)> print);
  int keepKernel(size_t number, StringRef ir, StringRef object);
  int writeHeader(StringRef name);

  static constexpr int kPhases = 10;
  const CompileOptions &options;
  llvm::raw_ostream &out;
  Reporter reporter;
  std::set<std::string> weaknesses;
  std::unique_ptr<MLIRContext> context;
  OwningOpRef<ModuleOp> module;
  int findTarget();
  int printPtx();

  std::unique_ptr<TargetModel> target;
  std::optional<codegen::cpu::CpuTarget> cpu; // one of these
  std::optional<codegen::nvptx::NvTarget> gpu;
  std::string modelHash;
  int phase = 0;
};

void Compilation::report(Diagnostic &diagnostic) {
  if (diagnostic.getSeverity() != DiagnosticSeverity::Remark) {
    reporter.report(diagnostic);
    return;
  }
  std::string text = diagnostic.str();
  if (options.onRemark)
    options.onRemark(text);
  if (options.strict && (StringRef(text).starts_with("left unfolded") || StringRef(text).starts_with("not vectorized")))
    weaknesses.insert(placeOf(diagnostic.getLocation()) + ": " + text);
}

/// --strict: everything that was let pass so far is an error.
int Compilation::checkStrict() {
  for (const std::string &weakness : weaknesses)
    reporter.fail(69, weakness + " (--strict)");
  return weaknesses.empty() ? 0 : 69;
}

int Compilation::dump(StringRef name, llvm::function_ref<void(llvm::raw_ostream &)> print) {
  if (options.dumpDir.empty())
    return 0;
  if (std::error_code code = llvm::sys::fs::create_directories(options.dumpDir))
    return fail(73, "cannot make " + options.dumpDir + ": " + code.message());
  llvm::SmallString<128> path(options.dumpDir);
  llvm::sys::path::append(path, (Twine(phase) + "-" + name).str());
  std::error_code code;
  llvm::raw_fd_ostream os(path, code);
  if (code)
    return fail(73, "cannot write " + path + ": " + code.message());
  print(os);
  return 0;
}

int Compilation::writeText(llvm::function_ref<void(llvm::raw_ostream &)> print) {
  if (options.output.empty()) {
    print(out);
    return 0;
  }
  std::error_code code;
  llvm::raw_fd_ostream os(options.output, code);
  if (code)
    return fail(73, "cannot write " + options.output + ": " + code.message());
  print(os);
  os.close();
  if (os.has_error()) {
    std::string message = os.error().message();
    os.clear_error();
    return fail(74, "cannot write " + options.output + ": " + message);
  }
  return 0;
}

/// Large weights would drown the text; their names and types stay.
OpPrintingFlags printingFlags() {
  return OpPrintingFlags().elideLargeElementsAttrs(64).elideLargeResourceString(0).enableDebugInfo(false);
}

int Compilation::runPhase(Phase which) {
  step(getPhaseName(which));
  PassManager pm(context.get());
  pm.enableVerifier(true);
  PipelineOptions pipeline;
  pipeline.optLevel = options.optLevel;
  buildPhase(which, pm, *target, pipeline);
  if (failed(pm.run(*module))) // the target says which kernels it cannot compute
    return which == Phase::Schedule ? 69 : internal(getPhaseName(which));
  return dump((getPhaseName(which) + ".mlir").str(),
              [&](llvm::raw_ostream &os) { module->print(os, printingFlags()); });
}

int Compilation::writeHeader(StringRef name) {
  llvm::SmallString<128> path(options.output);
  llvm::sys::path::replace_extension(path, "h");
  std::error_code code;
  llvm::raw_fd_ostream os(path, code);
  if (code)
    return fail(73, "cannot write " + path + ": " + code.message());
  printHeader(*module, name, llvm::sys::path::filename(options.input), os);
  return 0;
}

/// --save-temps: a kernel's LLVM IR and object, k<number>.ll and .o.
int Compilation::keepKernel(size_t number, StringRef ir, StringRef object) {
  if (int code = dump("k" + std::to_string(number) + ".ll", [&](llvm::raw_ostream &os) { os << ir; }))
    return code;
  return dump("k" + std::to_string(number) + ".o", [&](llvm::raw_ostream &os) { os << object; });
}

/// Artifacts are for CPUs so far; a GPU has the text of its kernels, and what leads to it.
int Compilation::findTarget() {
  std::string error;
  if (StringRef(options.target).starts_with("cuda:")) {
    FailureOr<codegen::nvptx::NvTarget> found = codegen::nvptx::getTarget(options.target, error);
    if (failed(found))
      return fail(64, error);
    constexpr EmitKind possible[] = {EmitKind::Explain, EmitKind::Mlir, EmitKind::Kernels, EmitKind::Ptx};
    if (!llvm::is_contained(possible, options.emit))
      return fail(69, "target '" + options.target + "': there is no artifact for it; --emit=ptx prints its kernels");
    gpu = *found;
    target = std::make_unique<codegen::nvptx::NvModel>(*gpu);
    return 0;
  }
  FailureOr<codegen::cpu::CpuTarget> found = codegen::cpu::getTarget(options.target, error);
  if (failed(found))
    return fail(64, error);
  if (options.emit == EmitKind::Ptx)
    return fail(64, "--emit=ptx wants a target like cuda:sm_80");
  cpu = *found;
  target = std::make_unique<codegen::cpu::CpuModel>(*cpu);
  return 0;
}

/// --emit=ptx: one PTX module with every distinct kernel.
int Compilation::printPtx() {
  step("codegen");
  OwningOpRef<ModuleOp> code = ModuleOp::create(module->getLoc());
  std::map<std::string, std::string> names; // by the kernel's key
  bool isGood = true;
  module->walk([&](KernelOp kernel) {
    auto [it, isNew] = names.try_emplace(getKernelKey(kernel), "smelt_k" + std::to_string(names.size()));
    if (isNew)
      isGood &= succeeded(codegen::nvptx::emitKernelFunction(*code, kernel, it->second, *gpu));
  });
  if (!isGood)
    return internal("codegen");
  FailureOr<std::string> text = codegen::nvptx::emitPtx(*code, *gpu);
  if (failed(text)) // a function that the chip has no instructions for
    return 69;
  return writeText([&](llvm::raw_ostream &os) { os << *text; });
}

int Compilation::run() {
  if (int code = findTarget())
    return code;

  step("read");
  std::vector<onnx::Error> errors;
  auto reportAll = [&](const std::vector<onnx::Error> &list) {
    for (const onnx::Error &e : list)
      reporter.report(e);
    return list.front().exitCode;
  };
  onnx::ReadOptions readOptions;
  readOptions.trustRoot = options.trustRoot;
  onnx::Result<onnx::Model> model = onnx::readModel(options.input, readOptions);
  if (!model)
    return reportAll(model.errors());
  for (const onnx::Warning &warning : model->warnings)
    reporter.warn(warning.path, warning.code, warning.message);
  if (auto file = llvm::MemoryBuffer::getFile(options.input, false, false))
    modelHash = llvm::utohexstr(llvm::xxh3_64bits((*file)->getBuffer()), /*LowerCase=*/true, 16);
  errors = onnx::inlineFunctions(*model);
  if (!errors.empty())
    return reportAll(errors);

  step("import");
  onnx::ImportOptions importOptions;
  importOptions.shapes = options.shapes;
  module = onnx::importModel(*model, context.get(), importOptions, errors);
  if (!module)
    return errors.empty() ? internal("import") : reportAll(errors);
  if (failed(verify(*module)))
    return internal("import");
  if (int code = dump("import.mlir", [&](llvm::raw_ostream &os) { module->print(os, printingFlags()); }))
    return code;
  if (int code = runPhase(Phase::Simplify))
    return code;
  if (options.emit == EmitKind::Mlir)
    return writeText([&](llvm::raw_ostream &os) { module->print(os, printingFlags()); });
  for (Phase which : {Phase::Layout, Phase::Form, Phase::Schedule, Phase::Storage})
    if (int code = runPhase(which))
      return code;
  if (options.onScheduled)
    if (int code = options.onScheduled(*module, *target))
      return code;
  if (options.emit == EmitKind::Explain)
    return 0;
  if (options.emit == EmitKind::Kernels)
    return writeText([&](llvm::raw_ostream &os) { module->print(os, printingFlags()); });
  if (options.emit == EmitKind::Ptx)
    return printPtx();

  step("program");
  FailureOr<HostProgram> program = buildHostProgram(*module);
  if (failed(program))
    return internal("program");
  if (int code = dump("program.txt", [&](llvm::raw_ostream &os) { printHostProgram(*program, os); }))
    return code;
  if (options.emit == EmitKind::Host)
    return writeText([&](llvm::raw_ostream &os) { printHostProgram(*program, os); });
  codegen::ArtifactOptions artifact;
  artifact.name = "model";
  artifact.optLevel = options.optLevel;
  artifact.buildId = compilerBuildId();
  if (options.emit == EmitKind::Llvm || options.emit == EmitKind::Assembly) {
    FailureOr<std::string> text = codegen::printKernels(
        *program, *cpu, options.emit == EmitKind::Llvm ? codegen::cpu::Emit::LLVMIR : codegen::cpu::Emit::Assembly,
        artifact);
    if (failed(text))
      return internal("codegen");
    return writeText([&](llvm::raw_ostream &os) { os << *text; });
  }

  step("codegen");
  if (options.emit == EmitKind::Object) { // two objects may meet in one program
    artifact.name = "";
    for (char c : llvm::sys::path::stem(options.output))
      artifact.name += llvm::isAlnum(c) ? c : '_';
  }
  artifact.manifest = makeManifest(*module, *program, {llvm::sys::path::filename(options.input).str(), modelHash, cpu->cpu, cpu->triple, options.optLevel});
  std::optional<codegen::CompileCache> cache;
  if (!options.cacheDir.empty() && !artifact.buildId.empty())
    artifact.cache = &cache.emplace(options.cacheDir);
  artifact.readsCache = !options.strict && !options.savesKernels; // what comes from there makes no remarks
  std::mutex keeping;
  std::atomic<int> keepError = 0;
  if (options.savesKernels)
    artifact.onKernel = [&](size_t number, StringRef ir, StringRef object) {
      std::lock_guard guard(keeping);
      if (int code = keepKernel(number, ir, object))
        keepError = code;
    };
  FailureOr<std::vector<std::string>> objects = codegen::buildObjects(*program, *cpu, artifact);
  if (keepError)
    return keepError;
  if (failed(objects))
    return internal("codegen");
  if (int code = checkStrict())
    return code;
  if (cache && cache->getUnwritten() > 0 && options.warnsOfCache)
    reporter.warn(Twine(cache->getUnwritten()) + " kernels could not be kept in " + options.cacheDir + ": " +
                  cache->getWriteError().message());
  if (options.onKernels)
    options.onKernels(program->kernels.size(), program->dispatches, cache ? cache->getHits() : 0);

  step("link");
  codegen::LinkOptions link;
  link.kind = options.emit == EmitKind::Executable      ? codegen::FileKind::Executable
              : options.emit == EmitKind::SharedLibrary ? codegen::FileKind::SharedLibrary
                                                        : codegen::FileKind::Object;
  link.output = options.output;
  link.libraryDir = options.libraryDir + (cpu->isX86 ? "" : "/aarch64");
  // A machine with LLVM's packages alone has clang under its version's name only.
  link.linkers = cpu->isX86 ? std::vector<std::string>{"cc", "gcc", "clang", "clang-22"}
                            : std::vector<std::string>{"aarch64-linux-gnu-gcc"};
  link.name = artifact.name;
  link.usesHostOps = program->usesHostOps;
  std::string error;
  if (!codegen::linkFile(*objects, link, error))
    return fail(73, error);
  return options.emit == EmitKind::Object ? writeHeader(artifact.name) : 0;
}

} // namespace

int compileModel(const CompileOptions &options, llvm::raw_ostream &out, llvm::raw_ostream &err) {
  return Compilation(options, out, err).run();
}

bool parseShapes(StringRef text, std::vector<onnx::ShapeOverride> &shapes, std::string &error) {
  auto [name, dims] = text.rsplit(':');
  onnx::ShapeOverride result;
  result.input = name.str();
  if (name.empty() || dims.empty()) {
    error = ("--shapes wants INPUT:DIMS such as x:1x3x224x224, found '" + text + "'").str();
    return false;
  }
  if (dims == "?") {
    result.allDynamic = true;
    shapes.push_back(result);
    return true;
  }
  SmallVector<StringRef> parts;
  dims.split(parts, 'x');
  for (StringRef part : parts) {
    onnx::ShapeOverride::Dim dim;
    if (part == "?") {
      dim.dynamic = true;
    } else if (part == "_") {
      dim.keep = true;
    } else {
      auto [low, high] = part.split("..");
      if (low.getAsInteger(10, dim.min) || (part.contains("..") && high.getAsInteger(10, dim.max)) || dim.min < 0) {
        error = ("--shapes: '" + part + "' is no size, range (1..8), ? or _").str();
        return false;
      }
      if (!part.contains(".."))
        dim.max = dim.min;
      if (dim.max < dim.min) {
        error = ("--shapes: the range '" + part + "' is empty").str();
        return false;
      }
    }
    result.dims.push_back(dim);
  }
  shapes.push_back(result);
  return true;
}

} // namespace smelt
