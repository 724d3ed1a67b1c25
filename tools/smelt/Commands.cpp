//===- Commands.cpp - The verbs of the driver -------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "tools/smelt/Commands.h"
#include "frontend/onnx/reader/Summary.h"
#include "runtime/launcher/Launcher.h"
#include "tools/common/Cache.h"
#include "tools/common/Compiler.h"
#include "tools/smelt/ImageInputs.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include <unistd.h>

using namespace smelt;

namespace {

bool endsWith(const std::string &text, const char *suffix) { return llvm::StringRef(text).ends_with(suffix); }

std::string libraryDir(const char *argv0) {
  std::string self = llvm::sys::fs::getMainExecutable(argv0, reinterpret_cast<void *>(&libraryDir));
  llvm::SmallString<128> path(llvm::sys::path::parent_path(llvm::sys::path::parent_path(self)));
  llvm::sys::path::append(path, "lib");
  return path.str().str();
}

struct CompileArgs {
  CompileOptions options;
  std::string emit;
  std::vector<std::string> shapes;
  int optLevel = 2;
  bool quiet = false, noCache = false, stats = false;
};

int usage(const llvm::Twine &message) {
  llvm::errs() << "smelt: error: " << message << '\n';
  return 64;
}

int compile(CompileArgs &args) {
  CompileOptions &options = args.options;
  static const std::map<std::string, EmitKind> kinds = {
      {"exe", EmitKind::Executable}, {"lib", EmitKind::SharedLibrary}, {"obj", EmitKind::Object},
      {"mlir", EmitKind::Mlir},      {"kernels", EmitKind::Kernels},   {"host", EmitKind::Host},
      {"llvm", EmitKind::Llvm},      {"asm", EmitKind::Assembly}};
  if (!args.emit.empty()) {
    auto kind = kinds.find(args.emit);
    if (kind == kinds.end())
      return usage("--emit knows exe, lib, obj, mlir, kernels, host, llvm and asm, not '" + args.emit + "'");
    options.emit = kind->second;
  } else {
    options.emit = endsWith(options.output, ".so") ? EmitKind::SharedLibrary
                   : endsWith(options.output, ".o") ? EmitKind::Object
                                                    : EmitKind::Executable;
  }
  bool isFile = options.emit == EmitKind::Executable || options.emit == EmitKind::SharedLibrary ||
                options.emit == EmitKind::Object;
  if (isFile && options.output.empty())
    return usage("-o FILE is needed");
  std::string error;
  for (const std::string &text : args.shapes)
    if (!parseShapes(text, options.shapes, error))
      return usage(error);
  options.optLevel = args.optLevel;
  bool isTerminal = llvm::sys::Process::StandardErrIsDisplayed();
  if (isTerminal && !args.quiet)
    options.progress = [](int i, int n, llvm::StringRef name) {
      llvm::errs() << "\r\033[K[" << i << '/' << n << "] " << name << (i == n ? "\r\033[K" : "");
    };
  options.warnsOfCache = !options.cacheDir.empty();
  if (args.noCache)
    options.cacheDir.clear();
  else if (options.cacheDir.empty())
    options.cacheDir = defaultCacheFolder();
  if (args.stats)
    options.onKernels = [](size_t kernels, int64_t dispatches, size_t hits) {
      llvm::errs() << dispatches << " dispatches of " << kernels << " kernels, " << hits << " from the cache\n";
    };
  return compileModel(options, llvm::outs(), llvm::errs());
}

/// What `smelt run program --inspect` prints: the program's manifest.
int programManifest(const std::string &program, std::string &text) {
  llvm::SmallString<128> file;
  if (std::error_code ec = llvm::sys::fs::createTemporaryFile("smelt-manifest", "json", file)) {
    llvm::errs() << "smelt: error: cannot make a temporary file: " << ec.message() << '\n';
    return 73;
  }
  std::string error;
  int code = llvm::sys::ExecuteAndWait(program, {program, "--inspect"}, std::nullopt,
                                       {std::nullopt, llvm::StringRef(file), std::nullopt}, 0, 0, &error);
  if (auto buffer = llvm::MemoryBuffer::getFile(file))
    text = (*buffer)->getBuffer().str();
  llvm::sys::fs::remove(file);
  if (code)
    llvm::errs() << "smelt: error: " << program << " tells no manifest" << (error.empty() ? "" : ": " + error) << '\n';
  return code > 0 ? code : code < 0 ? 65 : 0;
}

/// Becomes the program, or waits for it when there are temporary inputs.
int runProgram(const std::string &file, std::vector<std::string> arguments) {
  std::string path = file.find('/') == std::string::npos ? "./" + file : file;
  ImageInputs images;
  if (int code = images.replace(arguments, [&](std::string &text) { return programManifest(path, text); }))
    return code;
  arguments.insert(arguments.begin(), file);
  if (!images.empty()) {
    std::string error;
    int code = llvm::sys::ExecuteAndWait(path, llvm::SmallVector<llvm::StringRef>(arguments.begin(), arguments.end()),
                                         std::nullopt, {}, 0, 0, &error);
    if (code < 0)
      llvm::errs() << "smelt: error: " << file << ": " << error << '\n';
    return code < 0 ? 70 : code;
  }
  std::vector<char *> argv;
  for (std::string &argument : arguments)
    argv.push_back(argument.data());
  argv.push_back(nullptr);
  execv(path.c_str(), argv.data());
  llvm::errs() << "smelt: error: cannot start " << file << ": " << strerror(errno) << '\n';
  return 65;
}

/// Runs an artifact's own command line: a library is loaded, a program started.
int runArtifact(const std::string &file, std::vector<std::string> arguments) {
  if (access(file.c_str(), F_OK) != 0) {
    llvm::errs() << "smelt: error: there is no file " << file << '\n';
    return 66;
  }
  if (!endsWith(file, ".so"))
    return runProgram(file, std::move(arguments));
  std::string path = file.find('/') == std::string::npos ? "./" + file : file;
  smelt_module *module = nullptr;
  smelt_error failure = {};
  if (int code = smelt_module_open(path.c_str(), &module, &failure)) {
    llvm::errs() << "smelt: error: " << failure.message << '\n';
    return code;
  }
  ImageInputs images;
  int code = images.replace(arguments, [&](std::string &text) {
    size_t size;
    const char *manifest = smelt_module_manifest(module, &size);
    text.assign(manifest, size);
    return 0;
  });
  if (code == 0) {
    arguments.insert(arguments.begin(), file);
    std::vector<char *> argv;
    for (std::string &argument : arguments)
      argv.push_back(argument.data());
    argv.push_back(nullptr);
    code = smelt_launcher_run(module, int(arguments.size()), argv.data());
  }
  smelt_module_release(module);
  return code;
}

int inspect(const std::string &file) {
  if (!endsWith(file, ".onnx"))
    return runArtifact(file, {"--inspect"});
  onnx::Result<onnx::Model> model = onnx::readModel(file);
  if (!model) {
    for (const onnx::Error &error : model.errors())
      llvm::errs() << "smelt: error: " << error.str() << '\n';
    return model.exitCode();
  }
  onnx::Summary summary = onnx::summarize(*model);
  llvm::raw_ostream &os = llvm::outs();
  os << "model       " << summary.file << "\nproducer    " << summary.producer << "\nIR version  " << summary.irVersion
     << "\nopsets     ";
  for (auto &[domain, version] : summary.opsets)
    os << ' ' << (domain.empty() ? "ai.onnx" : domain) << ' ' << version;
  os << "\nparameters  " << summary.parameters << " (" << summary.parameterBytes << " bytes)\n";
  for (const auto &value : summary.inputs)
    os << "input       " << value.name << ": " << value.type << '\n';
  for (const auto &value : summary.outputs)
    os << "output      " << value.name << ": " << value.type << '\n';
  os << "nodes       " << summary.nodes << '\n';
  for (const auto &op : summary.ops)
    os << llvm::format("%8lld  ", (long long)op.count) << (op.domain.empty() ? "" : op.domain + ":") << op.opType << '\n';
  return 0;
}

/// Each kernel with its family, arithmetic, bytes and predicted time, then every
/// fusion taken and refused.
int explain(CompileArgs &args) {
  CompileOptions &options = args.options;
  std::string error;
  for (const std::string &text : args.shapes)
    if (!parseShapes(text, options.shapes, error))
      return usage(error);
  options.optLevel = args.optLevel;
  options.emit = EmitKind::Explain;
  std::vector<std::string> remarks;
  options.onRemark = [&](llvm::StringRef text) { remarks.push_back(text.str()); };
  options.onScheduled = [](mlir::ModuleOp module, const TargetModel &target) {
    llvm::raw_ostream &os = llvm::outs();
    os << "| # | family | ops | MFLOP | KB | us (predicted) | bound by | kernel |\n|---|---|---|---|---|---|---|---|\n";
    double flops = 0, bytes = 0, time = 0;
    int count = 0;
    module.walk([&](KernelOp kernel) {
      KernelCost cost = target.assess(kernel).cost;
      flops += cost.flops;
      bytes += cost.bytes;
      time += cost.microseconds;
      os << "| " << count++ << " | " << kernel.getScheduleAttr().getFamily() << " | "
         << kernel.getBody().front().getOperations().size() - 1 << " | " << llvm::format("%.3f", cost.flops / 1e6) << " | "
         << llvm::format("%.1f", cost.bytes / 1e3) << " | " << llvm::format("%.1f", cost.microseconds) << " | "
         << (cost.computeBound ? "arithmetic" : "memory") << " | " << kernel.getName() << " |\n";
    });
    os << "\n" << count << " kernels, " << llvm::format("%.1f MFLOP, %.1f KB, %.0f us predicted on one core", flops / 1e6, bytes / 1e3, time)
       << " (symbols taken as 32)\n\n";
  };
  int code = compileModel(options, llvm::outs(), llvm::errs());
  if (code == 0)
    for (const std::string &remark : remarks)
      llvm::outs() << remark << '\n';
  return code;
}

} // namespace

void smelt::addCommands(CLI::App &app, const char *argv0, std::function<int()> &action) {
  auto args = std::make_shared<CompileArgs>();
  args->options.libraryDir = libraryDir(argv0);
  CLI::App *compileCommand = app.add_subcommand("compile", "Compile a model to an executable, a library or an object");
  compileCommand->add_option("model", args->options.input, "the model: .onnx")->required();
  compileCommand->add_option("-o", args->options.output, "output: FILE is an executable, FILE.so a library, FILE.o an object");
  compileCommand->add_option("-O", args->optLevel, "0 one op per kernel, 1 fusion, 2 (default) channels-last layout too")
      ->check(CLI::Range(0, 2));
  compileCommand->add_option("--target", args->options.target, "native, x86-64-v3, x86-64-v4, aarch64");
  compileCommand->add_option("--emit", args->emit, "exe, lib, obj, or text: mlir, kernels, host, llvm, asm");
  compileCommand->add_option("--shapes", args->shapes, "INPUT:DIMS, x:1x3x224x224 or x:1..8x3x?x_, all:?");
  compileCommand->add_option("--dump-phases-to", args->options.dumpDir, "a folder for one numbered file per phase");
  compileCommand->add_option("--trust-root", args->options.trustRoot, "a further folder external data may lie in");
  compileCommand->add_option("--threads", args->options.threads, "threads the compiler uses");
  auto *cacheDir = compileCommand->add_option("--cache-dir", args->options.cacheDir,
                                              "where compiled kernels are kept; $XDG_CACHE_HOME/smelt or ~/.cache/smelt");
  compileCommand->add_flag("--no-cache", args->noCache, "neither read nor keep compiled kernels")->excludes(cacheDir);
  compileCommand->add_flag("--stats", args->stats, "say how many kernels there were, and how many the cache had");
  compileCommand->add_flag("-q,--quiet", args->quiet, "no progress");
  compileCommand->callback([args, &action] { action = [args] { return compile(*args); }; });

  auto why = std::make_shared<CompileArgs>();
  CLI::App *explainCommand = app.add_subcommand("explain", "Show each kernel, its cost, and every fusion taken and refused");
  explainCommand->add_option("model", why->options.input, "the model: .onnx")->required();
  explainCommand->add_option("-O", why->optLevel, "as for compile")->check(CLI::Range(0, 2));
  explainCommand->add_option("--target", why->options.target, "as for compile");
  explainCommand->add_option("--shapes", why->shapes, "as for compile");
  explainCommand->callback([why, &action] { action = [why] { return explain(*why); }; });

  auto file = std::make_shared<std::string>();
  struct Pass {
    const char *name, *help, *extra;
  };
  for (Pass pass : {Pass{"run", "Run an artifact: its own options follow", ""},
                    Pass{"bench", "Time an artifact", "--bench"}}) {
    CLI::App *command = app.add_subcommand(pass.name, pass.help);
    command->prefix_command();
    command->callback([command, pass, &action] {
      std::vector<std::string> rest = command->remaining();
      action = [rest, pass]() -> int {
        if (rest.empty())
          return usage(llvm::Twine(pass.name) + " wants an artifact");
        std::vector<std::string> options(rest.begin() + 1, rest.end());
        if (*pass.extra)
          options.insert(options.begin(), pass.extra);
        return runArtifact(rest[0], options);
      };
    });
  }
  CLI::App *inspectCommand = app.add_subcommand("inspect", "Show what a model or an artifact holds");
  inspectCommand->add_option("file", *file, "a model (.onnx) or an artifact")->required();
  inspectCommand->callback([file, &action] { action = [file] { return inspect(*file); }; });
}
