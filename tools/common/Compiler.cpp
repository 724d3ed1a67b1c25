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
#include "passes/Pipeline.h"
#include "tools/common/Registration.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;

namespace smelt {

namespace {

class Compilation {
public:
  Compilation(const CompileOptions &options, llvm::raw_ostream &out, llvm::raw_ostream &err)
      : options(options), out(out), err(err) {
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
  int fail(int code, const Twine &message) {
    err << "smelt: error: " << message << '\n';
    return code;
  }
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
  std::string manifest(const HostProgram &program);
  int writeHeader(StringRef name);

  static constexpr int kPhases = 10;
  const CompileOptions &options;
  llvm::raw_ostream &out, &err;
  std::unique_ptr<MLIRContext> context;
  OwningOpRef<ModuleOp> module;
  std::unique_ptr<codegen::cpu::CpuModel> target;
  std::string modelHash;
  int phase = 0;
};

void Compilation::report(Diagnostic &diagnostic) {
  if (diagnostic.getSeverity() == DiagnosticSeverity::Remark) {
    if (options.onRemark)
      options.onRemark(diagnostic.str());
    return;
  }
  const char *kind = diagnostic.getSeverity() == DiagnosticSeverity::Error     ? "error"
                     : diagnostic.getSeverity() == DiagnosticSeverity::Warning ? "warning"
                                                                               : "note";
  err << "smelt: " << kind << ": ";
  std::string place;
  diagnostic.getLocation()->walk([&](Location loc) {
    if (auto named = dyn_cast<NameLoc>(loc); named && place.empty())
      place = named.getName().str();
    return WalkResult::advance();
  });
  if (!place.empty())
    err << place << ": ";
  err << diagnostic.str() << '\n';
  for (Diagnostic &note : diagnostic.getNotes())
    err << "smelt: note: " << note.str() << '\n';
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

std::string Compilation::manifest(const HostProgram &program) {
  auto ports = [&](bool inputs) {
    llvm::json::Array array;
    auto main = module->lookupSymbol<func::FuncOp>("main");
    FunctionType type = main.getFunctionType();
    DimSymbols symbols(*module);
    for (unsigned i = 0; i < (inputs ? type.getNumInputs() : type.getNumResults()); ++i) {
      Type t = inputs ? type.getInput(i) : type.getResult(i);
      auto name = inputs ? main.getArgAttrOfType<StringAttr>(i, "smelt.name")
                         : main.getResultAttrOfType<StringAttr>(i, "smelt.name");
      llvm::json::Object port;
      port["name"] = name ? name.getValue() : "";
      std::string text;
      llvm::raw_string_ostream os(text);
      if (auto tensor = dyn_cast<RankedTensorType>(t)) {
        os << tensor.getElementType();
        port["dtype"] = text;
        llvm::json::Array dims;
        for (AffineExpr dim : getDims(tensor)) {
          if (auto constant = dyn_cast<AffineConstantExpr>(dim)) {
            dims.push_back(constant.getValue());
          } else if (auto symbol = dyn_cast<AffineSymbolExpr>(dim)) {
            dims.push_back(symbols.get(symbol.getPosition()).getName());
          } else {
            std::string expr;
            llvm::raw_string_ostream(expr) << dim;
            dims.push_back(expr);
          }
        }
        port["shape"] = std::move(dims);
      } else {
        os << t;
        port["type"] = text;
      }
      array.push_back(std::move(port));
    }
    return array;
  };
  llvm::json::Array kernels;
  for (KernelOp kernel : program.kernels)
    kernels.push_back(llvm::json::Object{{"name", kernel.getName()}, {"family", kernel.getScheduleAttr().getFamily()}});
  llvm::json::Object root{
      {"compiler", "smelt " SMELT_VERSION},
      {"model", llvm::sys::path::filename(options.input)},
      {"model_hash", modelHash},
      {"target", target->getTarget().cpu},
      {"triple", target->getTarget().triple},
      {"opt_level", int64_t(options.optLevel)},
      {"inputs", ports(true)},
      {"outputs", ports(false)},
      {"kernels", std::move(kernels)},
      {"dispatches", program.dispatches},
      {"arena_bytes", program.arenaStaticBytes},
      {"arena_lower_bound", program.arenaLowerBound},
  };
  std::string text;
  llvm::raw_string_ostream(text) << llvm::formatv("{0:2}", llvm::json::Value(std::move(root)));
  return text;
}

/// The C99 header beside an object: the descriptor, and names for the places of
/// inputs and outputs.
int Compilation::writeHeader(StringRef name) {
  llvm::SmallString<128> path(options.output);
  llvm::sys::path::replace_extension(path, "h");
  std::error_code code;
  llvm::raw_fd_ostream os(path, code);
  if (code)
    return fail(73, "cannot write " + path + ": " + code.message());
  auto identifier = [](StringRef text) {
    std::string result;
    for (char c : text)
      result += llvm::isAlnum(c) ? c : '_';
    return result;
  };
  os << "/* " << llvm::sys::path::filename(options.input) << ", compiled by smelt " SMELT_VERSION ". */\n#ifndef SMELT_MODEL_"
     << name << "_H\n#define SMELT_MODEL_" << name << "_H\n#include <smelt.h>\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
     << "/* For smelt_module_create. */\nextern const char smelt_artifact_" << name << "[];\n\n";
  auto main = module->lookupSymbol<func::FuncOp>("main");
  for (bool isInput : {true, false}) {
    unsigned count = isInput ? main.getNumArguments() : main.getNumResults();
    os << "enum {\n";
    for (unsigned i = 0; i < count; ++i) {
      auto port = isInput ? main.getArgAttrOfType<StringAttr>(i, "smelt.name")
                          : main.getResultAttrOfType<StringAttr>(i, "smelt.name");
      std::string type;
      llvm::raw_string_ostream(type) << (isInput ? main.getArgumentTypes()[i] : main.getResultTypes()[i]);
      // Names that are no identifiers may meet: their place makes them differ.
      os << "  " << name << (isInput ? "_input" : "_output") << i << '_' << identifier(port ? port.getValue() : "") << " = "
         << i << ", /* " << type << " */\n";
    }
    os << "  " << name << (isInput ? "_inputs" : "_outputs") << " = " << count << "\n};\n\n";
  }
  os << "#ifdef __cplusplus\n}\n#endif\n#endif\n";
  return 0;
}

int Compilation::run() {
  std::string error;
  FailureOr<codegen::cpu::CpuTarget> cpu = codegen::cpu::getTarget(options.target, error);
  if (failed(cpu))
    return fail(64, error);
  target = std::make_unique<codegen::cpu::CpuModel>(*cpu);

  step("read");
  std::vector<onnx::Error> errors;
  auto reportAll = [&](const std::vector<onnx::Error> &list) {
    for (const onnx::Error &e : list)
      err << "smelt: error: " << e.str() << '\n';
    return list.front().exitCode;
  };
  onnx::ReadOptions readOptions;
  readOptions.trustRoot = options.trustRoot;
  onnx::Result<onnx::Model> model = onnx::readModel(options.input, readOptions);
  if (!model)
    return reportAll(model.errors());
  for (const onnx::Warning &warning : model->warnings)
    err << "smelt: warning: " << warning.path << (warning.path.empty() ? "" : ": ") << warning.message << " ["
        << warning.code << "]\n";
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
    options.onScheduled(*module, *target);
  if (options.emit == EmitKind::Explain)
    return 0;
  if (options.emit == EmitKind::Kernels)
    return writeText([&](llvm::raw_ostream &os) { module->print(os, printingFlags()); });

  step("program");
  FailureOr<HostProgram> program = buildHostProgram(*module);
  if (failed(program))
    return internal("program");
  if (int code = dump("program.txt", [&](llvm::raw_ostream &os) { printHostProgram(*program, os); }))
    return code;
  if (options.emit == EmitKind::Host)
    return writeText([&](llvm::raw_ostream &os) { printHostProgram(*program, os); });
  if (options.emit == EmitKind::Llvm || options.emit == EmitKind::Assembly) {
    FailureOr<std::string> text = codegen::printKernels(
        *program, *cpu, options.emit == EmitKind::Llvm ? codegen::cpu::Emit::LLVMIR : codegen::cpu::Emit::Assembly,
        options.optLevel);
    if (failed(text))
      return internal("codegen");
    return writeText([&](llvm::raw_ostream &os) { os << *text; });
  }

  step("codegen");
  codegen::ArtifactOptions artifact;
  artifact.name = "model";
  if (options.emit == EmitKind::Object) { // two objects may meet in one program
    artifact.name = "";
    for (char c : llvm::sys::path::stem(options.output))
      artifact.name += llvm::isAlnum(c) ? c : '_';
  }
  artifact.manifest = manifest(*program);
  artifact.optLevel = options.optLevel;
  FailureOr<std::vector<std::string>> objects = codegen::buildObjects(*program, *cpu, artifact);
  if (failed(objects))
    return internal("codegen");

  step("link");
  codegen::LinkOptions link;
  link.kind = options.emit == EmitKind::Executable      ? codegen::FileKind::Executable
              : options.emit == EmitKind::SharedLibrary ? codegen::FileKind::SharedLibrary
                                                        : codegen::FileKind::Object;
  link.output = options.output;
  link.libraryDir = options.libraryDir + (cpu->isX86 ? "" : "/aarch64");
  link.linker = cpu->isX86 ? "cc" : "aarch64-linux-gnu-gcc";
  link.name = artifact.name;
  link.usesHostOps = program->usesHostOps;
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
