//===- CompileCommand.cpp - The verb compile -------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "tools/common/Cache.h"
#include "tools/common/Report.h"
#include "tools/smelt/Commands.h"
#include "tools/smelt/Crash.h"
#include "llvm/Support/Process.h"
#include <csignal>
#include <map>
#include <unistd.h>

using namespace smelt;

int smelt::usageError(const llvm::Twine &message) {
  llvm::errs() << "smelt: error: " << message << '\n';
  return 64;
}

/// --debug-crash=PHASE:KIND, hidden: lets tests see what becomes of a defect.
static void crashOnPurpose(llvm::StringRef kind) {
  if (kind == "segv")
    raise(SIGSEGV);
  if (kind == "abort")
    abort();
  if (kind == "memory")
    for (volatile char *p;; p[0] = 1)
      p = new char[1 << 24];
  if (kind == "hang")
    while (true)
      pause();
  _exit(70);
}

int smelt::finishOptions(CompileArgs &args) {
  CompileOptions &options = args.options;
  std::string error;
  for (const std::string &text : args.shapes)
    if (!parseShapes(text, options.shapes, error))
      return usageError(error);
  if (options.optLevel > 2)
    return usageError("there is no -O" + llvm::Twine(options.optLevel) + ": the levels are 0, 1 and 2");
  if (args.diagnostics != "text" && args.diagnostics != "json")
    return usageError("--diagnostics knows text and json, not '" + args.diagnostics + "'");
  options.jsonDiagnostics = args.diagnostics == "json";
  args.limits.memoryBytes = uint64_t(args.memoryMegabytes) << 20;
  return 0;
}

int smelt::compileWatched(const CompileArgs &args) {
  CompileOptions options = args.options;
  if (!args.debugCrash.empty())
    options.progress = [&args, next = options.progress](int i, int n, llvm::StringRef name) {
      auto [phase, kind] = llvm::StringRef(args.debugCrash).split(':');
      if (phase == name)
        crashOnPurpose(kind);
      if (next)
        next(i, n, name);
    };
  auto work = [&] { return compileModel(options, llvm::outs(), llvm::errs()); };
  if (args.inProcess)
    return work();
  WorkResult result = supervise(args.limits, options.output, work);
  if (!result.reason.empty())
    Reporter(llvm::errs(), options.jsonDiagnostics).fail(result.exitCode, result.reason);
  if (result.exitCode == 70)
    writeReproducer(options, args.shapes, result.reason);
  return result.exitCode;
}

int smelt::compileCommand(CompileArgs &args) {
  CompileOptions &options = args.options;
  llvm::StringRef output(options.output);
  static const std::map<std::string, EmitKind> kinds = {
      {"exe", EmitKind::Executable}, {"lib", EmitKind::SharedLibrary}, {"obj", EmitKind::Object},
      {"mlir", EmitKind::Mlir},      {"kernels", EmitKind::Kernels},   {"host", EmitKind::Host},
      {"llvm", EmitKind::Llvm},      {"asm", EmitKind::Assembly},      {"ptx", EmitKind::Ptx}};
  if (!args.emit.empty()) {
    auto kind = kinds.find(args.emit);
    if (kind == kinds.end())
      return usageError("--emit knows exe, lib, obj, mlir, kernels, host, llvm, asm and ptx, not '" + args.emit + "'");
    options.emit = kind->second;
  } else {
    options.emit = output.ends_with(".so") ? EmitKind::SharedLibrary
                   : output.ends_with(".o") ? EmitKind::Object
                                                    : EmitKind::Executable;
  }
  bool isFile = options.emit == EmitKind::Executable || options.emit == EmitKind::SharedLibrary ||
                options.emit == EmitKind::Object;
  if (isFile && options.output.empty())
    return usageError("-o FILE is needed");
  if (int code = finishOptions(args))
    return code;
  if (args.saveTemps && options.output.empty())
    return usageError("--save-temps lies beside the output: -o FILE is needed");
  if (args.saveTemps) {
    options.dumpDir = options.dumpDir.empty() ? options.output + ".temps" : options.dumpDir;
    options.savesKernels = true;
  }
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
  return compileWatched(args);
}
