//===- ArtifactCommands.cpp - The verbs run, bench and inspect -------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/reader/Summary.h"
#include "runtime/launcher/Launcher.h"
#include "tools/smelt/Commands.h"
#include "tools/smelt/ImageInputs.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"
#include <unistd.h>

using namespace smelt;

namespace {

bool endsWith(const std::string &text, const char *suffix) { return llvm::StringRef(text).ends_with(suffix); }

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

} // namespace

/// Runs an artifact's own command line: a library is loaded, a program started.
int smelt::runArtifact(const std::string &file, std::vector<std::string> arguments) {
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

int smelt::inspectFile(const std::string &file) {
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
