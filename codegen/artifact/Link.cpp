//===- Link.cpp - Linking objects by the system's C driver ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Objects go to a temporary folder beside the output, the linker runs as a subprocess,
// and the result is renamed into place, so a file is whole or not there.
//
//===----------------------------------------------------------------------===//
#include "codegen/artifact/Artifact.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"

namespace smelt::codegen {

bool linkFile(const std::vector<std::string> &objects, const LinkOptions &options, std::string &error) {
  // Both beside the output, and known to who waits for this process.
  std::string temporary = options.output + ".tmp-" + std::to_string(llvm::sys::Process::getProcessId());
  std::string folder = temporary + ".d";
  if (std::error_code code = llvm::sys::fs::create_directory(folder, /*IgnoreExisting=*/true, llvm::sys::fs::owner_all)) {
    error = "cannot make the temporary folder " + folder + ": " + code.message();
    return false;
  }
  auto cleanup = llvm::make_scope_exit([&] { llvm::sys::fs::remove_directories(folder); });
  std::vector<std::string> args;
  llvm::ErrorOr<std::string> linker = std::make_error_code(std::errc::no_such_file_or_directory);
  std::string tried;
  for (const std::string &name : options.linkers) {
    if ((linker = llvm::sys::findProgramByName(name)))
      break;
    tried += (tried.empty() ? "" : ", ") + name;
  }
  if (!linker) {
    error = "no C compiler to link with is installed: tried " + tried;
    return false;
  }
  args.push_back(*linker);
  switch (options.kind) {
  case FileKind::Executable:
    args.insert(args.end(), {"-o", temporary, "-pie", "-s", "-Wl,--gc-sections",
                             "-Wl,--defsym=smelt_artifact=smelt_artifact_" + options.name});
    break;
  case FileKind::SharedLibrary:
    args.insert(args.end(), {"-shared", "-o", temporary, "-s", "-Wl,-z,defs",
                             "-Wl,--defsym=smelt_artifact=smelt_artifact_" + options.name});
    break;
  case FileKind::Object:
    args.insert(args.end(), {"-r", "-nostdlib", "-o", temporary});
    break;
  }
  for (size_t i = 0; i < objects.size(); ++i) {
    llvm::SmallString<128> path(folder);
    llvm::sys::path::append(path, "o" + std::to_string(i) + ".o");
    std::error_code code;
    llvm::raw_fd_ostream os(path, code);
    os << objects[i];
    os.close();
    if (code || os.has_error()) {
      error = "cannot write " + path.str().str() + ": " + (code ? code : os.error()).message();
      os.clear_error();
      return false;
    }
    args.push_back(path.str().str());
  }
  if (options.kind == FileKind::Executable && options.usesHostOps)
    args.push_back("-Wl,-u,smelt_host_op_table");
  if (options.kind == FileKind::Executable)
    for (const char *library : {"libsmelt_launcher.a", "libsmelt_hostops.a", "libsmelt_runtime.a"})
      args.push_back(options.libraryDir + "/" + library);
  if (options.kind != FileKind::Object)
    args.insert(args.end(), {"-lm", "-pthread"});
  llvm::SmallString<128> log(folder);
  llvm::sys::path::append(log, "log");
  std::vector<llvm::StringRef> argRefs(args.begin(), args.end());
  std::optional<llvm::StringRef> redirects[] = {llvm::StringRef(""), llvm::StringRef(log), llvm::StringRef(log)};
  std::string message;
  int status = llvm::sys::ExecuteAndWait(*linker, argRefs, std::nullopt, redirects, 120, 0, &message);
  if (status != 0) {
    error = "linking failed: " + message;
    if (auto text = llvm::MemoryBuffer::getFile(log))
      error += (*text)->getBuffer();
    llvm::sys::fs::remove(temporary);
    return false;
  }
  if (std::error_code code = llvm::sys::fs::rename(temporary, options.output)) {
    error = "cannot write " + options.output + ": " + code.message();
    llvm::sys::fs::remove(temporary);
    return false;
  }
  return true;
}

} // namespace smelt::codegen
