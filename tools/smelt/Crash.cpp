//===- Crash.cpp - What a crash of the compiler leaves behind --------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "tools/smelt/Crash.h"
#include "codegen/cpu/Model.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Pipeline.h"
#include "tools/smelt/Supervise.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/xxhash.h"
#include <fcntl.h>
#include <unistd.h>

using namespace smelt;

namespace {

constexpr double kSeconds = 120; // for the second run

/// What a shell takes as one word.
std::string quoted(llvm::StringRef text) {
  std::string result = "'";
  for (char c : text)
    result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

std::string arguments(const CompileOptions &options, llvm::ArrayRef<std::string> shapes) {
  std::string text = "-O" + std::to_string(options.optLevel) + " --target=" + quoted(options.target);
  for (const std::string &shape : shapes)
    text += " --shapes=" + quoted(shape);
  return text;
}

/// The last phase whose IR was written, and its file.
std::pair<int, std::string> lastPhase(llvm::StringRef folder) {
  std::pair<int, std::string> last = {0, ""};
  std::error_code code;
  for (llvm::sys::fs::directory_iterator it(folder, code), end; it != end && !code; it.increment(code)) {
    llvm::StringRef name = llvm::sys::path::filename(it->path()), number = name.split('-').first;
    int n;
    if (name.ends_with(".mlir") && !number.getAsInteger(10, n) && n > last.first)
      last = {n, name.str()};
  }
  return last;
}

/// The passes of the phase after `phase`; empty when that is none of passes.
std::string nextPasses(llvm::StringRef file, const CompileOptions &options) {
  std::string error, text;
  auto target = codegen::cpu::getTarget(options.target, error);
  if (failed(target))
    return "";
  codegen::cpu::CpuModel model(*target);
  constexpr Phase order[] = {Phase::Import, Phase::Simplify, Phase::Layout, Phase::Form, Phase::Schedule};
  for (size_t i = 0; i + 1 < std::size(order); ++i)
    if (file.ends_with((getPhaseName(order[i]) + ".mlir").str())) {
      mlir::MLIRContext context;
      mlir::PassManager passes(&context);
      PipelineOptions pipeline;
      pipeline.optLevel = options.optLevel;
      buildPhase(order[i + 1], passes, model, pipeline);
      llvm::raw_string_ostream os(text);
      passes.printAsTextualPipeline(os);
      return text;
    }
  return "";
}

void writeFile(llvm::StringRef folder, llvm::StringRef name, llvm::StringRef text) {
  std::error_code code;
  llvm::raw_fd_ostream os((folder + "/" + name).str(), code);
  if (code)
    return;
  os << text;
  os.close();
  if (os.has_error())
    os.clear_error();
}

} // namespace

void smelt::writeReproducer(const CompileOptions &options, llvm::ArrayRef<std::string> shapes, llvm::StringRef reason) {
  std::string identity = SMELT_VERSION + arguments(options, shapes) + reason.str();
  if (auto model = llvm::MemoryBuffer::getFile(options.input, false, false))
    identity += llvm::utohexstr(llvm::xxh3_64bits((*model)->getBuffer()));
  std::string folder = "smelt-crash-" + llvm::utohexstr(llvm::xxh3_64bits(identity), /*LowerCase=*/true, 16);
  if (std::error_code code = llvm::sys::fs::create_directories(folder)) {
    llvm::errs() << "smelt: note: no reproducer, cannot make " << folder << ": " << code.message() << '\n';
    return;
  }
  CompileOptions again = options;
  again.dumpDir = folder;
  again.threads = 1;
  again.cacheDir.clear();
  again.output = folder + "/output";
  WorkLimits limits;
  limits.seconds = kSeconds;
  WorkResult result = supervise(limits, again.output, [&] {
    int fd = open((folder + "/stderr.txt").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd >= 0)
      dup2(fd, STDERR_FILENO);
    return compileModel(again, llvm::nulls(), llvm::errs());
  });
  llvm::sys::fs::remove(again.output);

  auto [number, file] = lastPhase(folder);
  std::string passes = nextPasses(file, options);
  std::string script = "#!/bin/sh\n# smelt " SMELT_VERSION " (LLVM " LLVM_VERSION_STRING "): " +
                       (reason.empty() ? "an internal error" : reason.str()) +
                       "\n# run.sh MODEL compiles the model again; run.sh runs the passes that were next.\n"
                       "folder=$(dirname \"$0\")\nif [ $# -gt 0 ]; then\n  exec smelt compile " +
                       arguments(options, shapes) + " --no-cache -o \"$folder/output\" \"$1\"\nfi\n";
  if (!passes.empty()) {
    writeFile(folder, "pipeline.txt", passes + "\n");
    script += "exec smelt-opt --pass-pipeline=" + quoted(passes) + " \"$folder/" + file + "\"\n";
  } else {
    script += "echo 'run.sh: the crash was not in a pass: give the model' >&2\nexit 64\n";
  }
  writeFile(folder, "run.sh", script);
  llvm::sys::fs::setPermissions(folder + "/run.sh", llvm::sys::fs::all_read | llvm::sys::fs::owner_write | llvm::sys::fs::all_exe);
  llvm::errs() << "smelt: note: " << folder << " has what is needed to repeat it, without weights"
               << (result.exitCode == 0 ? "; a second run did not crash" : "") << '\n';
}
