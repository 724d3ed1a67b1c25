//===- smelt-suite.cpp - Compiles and runs many models in one process -------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A worker of test runners: a process per case would cost more than the case.
// Each line of stdin is a JSON object
//   {"model": FILE, "library": FILE, "level": 2, "shapes": ["all:?"], "run": ["--test-data=DIR", ...]}
// and is answered by one on stdout: {"stage": "compile" | "run", "code": exit code, "text": what was said}.
// `run` is the launcher's command line; without it the model is only compiled.
// The library is removed afterwards. Used by test/onnx-suite and test/random.
//
//===----------------------------------------------------------------------===//
#include "runtime/launcher/Launcher.h"
#include "tools/common/Compiler.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include <fcntl.h>
#include <iostream>
#include <sys/mman.h>
#include <unistd.h>

namespace {

/// What is written to stdout and stderr while it lives.
class Captured {
public:
  Captured() : memory(memfd_create("smelt-suite", 0)) {
    fflush(nullptr);
    for (int fd : {1, 2}) {
      saved[fd - 1] = dup(fd);
      dup2(memory, fd);
    }
  }
  std::string take() {
    fflush(nullptr);
    for (int fd : {1, 2}) {
      dup2(saved[fd - 1], fd);
      close(saved[fd - 1]);
    }
    std::string text(lseek(memory, 0, SEEK_END), '\0');
    ssize_t size = pread(memory, text.data(), text.size(), 0);
    text.resize(size > 0 ? size : 0);
    close(memory);
    return text;
  }

private:
  int memory, saved[2];
};

struct Answer {
  const char *stage = "compile";
  int code = 0;
  std::string text;
};

std::vector<std::string> strings(const llvm::json::Object &request, llvm::StringRef key) {
  std::vector<std::string> result;
  if (const llvm::json::Array *array = request.getArray(key))
    for (const llvm::json::Value &value : *array)
      result.push_back(value.getAsString().value_or("").str());
  return result;
}

Answer handle(const llvm::json::Object &request) {
  Answer answer;
  smelt::CompileOptions options;
  options.input = request.getString("model").value_or("").str();
  options.output = request.getString("library").value_or("").str();
  options.emit = smelt::EmitKind::SharedLibrary;
  options.optLevel = request.getInteger("level").value_or(2);
  options.threads = 1;
  llvm::raw_string_ostream said(answer.text);
  for (const std::string &text : strings(request, "shapes")) {
    std::string error;
    if (!smelt::parseShapes(text, options.shapes, error)) {
      said << error;
      answer.code = 64;
      return answer;
    }
  }
  answer.code = smelt::compileModel(options, said, said);
  std::vector<std::string> run = strings(request, "run");
  if (answer.code || run.empty())
    return answer;
  answer.stage = "run";
  smelt_module *module = nullptr;
  smelt_error failure = {};
  if ((answer.code = smelt_module_open(options.output.c_str(), &module, &failure))) {
    said << failure.message;
    return answer;
  }
  run.insert(run.begin(), "model");
  std::vector<char *> arguments;
  for (std::string &argument : run)
    arguments.push_back(argument.data());
  Captured captured;
  answer.code = smelt_launcher_run(module, int(arguments.size()), arguments.data());
  said << captured.take();
  smelt_module_release(module);
  return answer;
}

} // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    llvm::Expected<llvm::json::Value> request = llvm::json::parse(line);
    if (!request || !request->getAsObject()) {
      llvm::consumeError(request.takeError());
      llvm::errs() << "smelt-suite: error: a line of stdin is no JSON object\n";
      return 64;
    }
    const llvm::json::Object &object = *request->getAsObject();
    Answer answer = handle(object);
    if (auto library = object.getString("library"))
      llvm::sys::fs::remove(*library);
    llvm::outs() << llvm::json::Value(llvm::json::Object{
                        {"stage", answer.stage}, {"code", answer.code}, {"text", llvm::json::fixUTF8(answer.text)}})
                 << '\n';
    llvm::outs().flush();
  }
  return 0;
}
