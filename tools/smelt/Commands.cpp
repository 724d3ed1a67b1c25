//===- Commands.cpp - The verbs of the driver ------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "tools/smelt/Commands.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace smelt;

static std::string libraryDir(const char *argv0) {
  std::string self = llvm::sys::fs::getMainExecutable(argv0, reinterpret_cast<void *>(&libraryDir));
  llvm::SmallString<128> path(llvm::sys::path::parent_path(llvm::sys::path::parent_path(self)));
  llvm::sys::path::append(path, "lib");
  return path.str().str();
}

/// The options of compile and explain.
static void addModelOptions(CLI::App *command, CompileArgs &args) {
  command->add_option("model", args.options.input, "the model: .onnx")->required();
  command->add_option("-O", args.options.optLevel, "0 one op per kernel, 1 fusion, 2 (default) channels-last layout too");
  command->add_option("--target", args.options.target, "native, x86-64-v3, x86-64-v4, aarch64; cuda:sm_80 and the like for --emit=ptx");
  command->add_option("--shapes", args.shapes, "INPUT:DIMS, x:1x3x224x224 or x:1..8x3x?x_, all:?");
  command->add_option("--trust-root", args.options.trustRoot, "a further folder external data may lie in");
  command->add_option("--threads", args.options.threads, "threads the compiler uses");
  command->add_option("--timeout", args.limits.seconds, "seconds until it gives up (exit 75)")->check(CLI::NonNegativeNumber);
  command->add_option("--memory-limit", args.memoryMegabytes, "MB the compiler may use (exit 71); min(75 % of RAM, 64 GiB)");
  command->add_option("--diagnostics", args.diagnostics, "text (default) or json, one object a line")->default_val("text");
  command->add_flag("--in-process", args.inProcess, "no process of its own for the compiler: for debuggers");
  command->add_option("--debug-crash", args.debugCrash, "PHASE:segv, abort, exit, memory or hang")->group("");
}

void smelt::addCommands(CLI::App &app, const char *argv0, std::function<int()> &action) {
  auto args = std::make_shared<CompileArgs>();
  args->options.libraryDir = libraryDir(argv0);
  CLI::App *compile = app.add_subcommand("compile", "Compile a model to an executable, a library or an object");
  addModelOptions(compile, *args);
  compile->add_option("-o", args->options.output, "output: FILE is an executable, FILE.so a library, FILE.o an object");
  compile->add_option("--emit", args->emit, "exe, lib, obj, or text: mlir, kernels, host, llvm, asm, ptx");
  compile->add_option("--dump-phases-to", args->options.dumpDir, "a folder for one numbered file per phase");
  compile->add_flag("--save-temps", args->saveTemps, "keep each phase's IR and each kernel's LLVM IR and object in OUTPUT.temps");
  compile->add_flag("--strict", args->options.strict, "fail (exit 69) if a limit or a kernel's form costs speed");
  auto *cacheDir = compile->add_option("--cache-dir", args->options.cacheDir,
                                       "where compiled kernels are kept; $XDG_CACHE_HOME/smelt or ~/.cache/smelt");
  compile->add_flag("--no-cache", args->noCache, "neither read nor keep compiled kernels")->excludes(cacheDir);
  compile->add_flag("--stats", args->stats, "say how many kernels there were, and how many the cache had");
  compile->add_flag("-q,--quiet", args->quiet, "no progress");
  compile->callback([args, &action] { action = [args] { return compileCommand(*args); }; });

  auto why = std::make_shared<CompileArgs>();
  CLI::App *explain = app.add_subcommand("explain", "Show each kernel, its cost, and every fusion taken and refused");
  addModelOptions(explain, *why);
  explain->add_option("--json", why->jsonFile, "write it as JSON to this file too");
  explain->callback([why, &action] { action = [why] { return explainCommand(*why); }; });

  auto ptx = std::make_shared<PtxArgs>();
  CLI::App *check = app.add_subcommand("ptx-check", "Check PTX and run its kernels on this machine, with no GPU");
  check->add_option("file", ptx->file, "the PTX")->required();
  check->add_option("--kernel", ptx->kernel, "the kernel to run; without it the text is checked only");
  check->add_option("--grid", ptx->grid, "CTAs: X, X,Y or X,Y,Z");
  check->add_option("--block", ptx->block, "threads of a CTA");
  check->add_option("--arg", ptx->arguments, "a parameter: i32:5, f32:0.5, f32[64]:iota, zero, random or unwritten");
  check->add_option("--shared", ptx->sharedBytes, "bytes of dynamic shared memory");
  check->add_option("--print", ptx->print, "show the first elements of buffer N afterwards");
  check->add_option("--counters", ptx->counters, "write what was counted to this file, as JSON");
  check->add_option("--seed", ptx->seed, "warps in a random order, other than 0");
  check->add_flag("--no-checks", ptx->noChecks, "bounds and alignment only");
  check->callback([ptx, &action] { action = [ptx] { return ptxCheck(*ptx); }; });

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
          return usageError(llvm::Twine(pass.name) + " wants an artifact");
        std::vector<std::string> options(rest.begin() + 1, rest.end());
        if (*pass.extra)
          options.insert(options.begin(), pass.extra);
        return runArtifact(rest[0], options);
      };
    });
  }
  CLI::App *inspectCommand = app.add_subcommand("inspect", "Show what a model or an artifact holds");
  inspectCommand->add_option("file", *file, "a model (.onnx) or an artifact")->required();
  inspectCommand->callback([file, &action] { action = [file] { return inspectFile(*file); }; });
}
