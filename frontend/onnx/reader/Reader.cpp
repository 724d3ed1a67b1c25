//===- Reader.cpp - Reading untrusted ONNX files
//---------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The order of the steps: read, scan the wire format, reserve the memory that
// predicts, parse, build, check. Nothing is allocated for a file before its
// bytes have been scanned.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/reader/Reader.h"
#include "frontend/onnx/reader/Build.h"
#include "frontend/onnx/reader/Wire.h"

#include <unistd.h>
#include <unordered_set>

using namespace smelt::onnx;

uint64_t smelt::onnx::defaultMemoryBudget() {
  constexpr uint64_t most = uint64_t(64) << 30;
  long pages = ::sysconf(_SC_PHYS_PAGES), size = ::sysconf(_SC_PAGESIZE);
  if (pages <= 0 || size <= 0)
    return most;
  return std::min(most, uint64_t(pages) / 4 * 3 * uint64_t(size));
}

/// What a file is that isn't a model, said in the error that found out.
static void explain(Error &error, std::span<const uint8_t> bytes) {
  std::string_view content = guessContent(bytes);
  if (content.empty())
    return;
  bool pointer = content == "a git-lfs pointer";
  error.code = pointer ? "onnx.lfs-pointer" : "onnx.not-a-model";
  error.message = "found " + std::string(content) +
                  ", want an ONNX model in protobuf (" + error.message + ")";
  if (pointer)
    error.hint = "fetch the model itself with `git lfs pull`";
}

/// The values a caller has to hold: inputs and outputs of a known size.
static void checkDeclaredSizes(Context &context, const Model &model) {
  std::unordered_set<std::string_view> constants;
  for (const Tensor &tensor : model.graph.initializers)
    constants.insert(tensor.name);
  auto check = [&](const ValueInfo &value, const char *what) {
    std::vector<int64_t> dims;
    for (const Dim &dim : value.type.dims) {
      if (dim.kind != Dim::Kind::Value)
        return;
      dims.push_back(dim.value);
    }
    if (value.type.kind != TypeInfo::Kind::Tensor ||
        constants.contains(value.name))
      return;
    std::optional<uint64_t> bytes =
        denseBytes(dims, elementBytes(value.type.elem) * 8);
    if (bytes && context.budget.take(*bytes))
      return;
    context.diag.error(
        kExitMemory, "onnx.memory-budget",
        {model.graph.scope, nullptr, value.name},
        std::string("the declared ") + what + " takes " +
            (bytes ? std::to_string(*bytes) : "over 2^63 - 1") + " bytes, " +
            std::to_string(context.budget.limit - context.budget.used) +
            " of " + std::to_string(context.budget.limit) + " are left",
        "give the dim a name, or declare a smaller one");
  };
  for (const ValueInfo &input : model.graph.inputs)
    check(input, "input");
  for (const ValueInfo &output : model.graph.outputs)
    check(output, "output");
}

static Result<Model> read(std::span<const uint8_t> bytes,
                          const std::string &file, const std::string &localDir,
                          const ReadOptions &options) {
  Diagnostics diag(file, std::max(options.limits.errors, 1u));
  if (bytes.empty()) {
    diag.invalid("onnx.empty-file", {},
                 "the file is empty, want an ONNX model");
    return diag.take();
  }
  Result<WireFacts> facts = scanModel(bytes, options.limits);
  if (!facts) {
    for (Error error : facts.errors()) {
      explain(error, bytes);
      diag.add(std::move(error));
    }
    return diag.take();
  }
  Budget budget;
  budget.limit =
      options.memoryBudget ? options.memoryBudget : defaultMemoryBudget();
  if (!budget.take(bytes.size()) || !budget.take(facts->memory)) {
    diag.error(kExitMemory, "onnx.memory-budget", {},
               "parsing the file takes about " +
                   std::to_string(bytes.size() + facts->memory) +
                   " bytes, the budget is " + std::to_string(budget.limit));
    return diag.take();
  }

  Model model;
  model.file = file;
  model.localDir = localDir;
  model.storage = std::make_shared<Storage>();
  Context context = {options, diag, *model.storage, budget, localDir};
  if (!model.storage->proto->ParsePartialFromArray(bytes.data(),
                                                   int(bytes.size()))) {
    // The scan is at least as strict, so this tells of a flaw there; still,
    // what protobuf refuses isn't a model.
    diag.invalid("onnx.bad-protobuf", {}, "protobuf refuses the file");
    return diag.take();
  }
  buildModel(context, model);
  if (!diag.any())
    checkModel(diag, model);
  if (!diag.any())
    checkFunctions(diag, model, options.limits, budget.limit - budget.used);
  if (!diag.any())
    checkDeclaredSizes(context, model);
  if (!diag.any())
    return model;
  std::vector<Error> errors = diag.take();
  if (errors.front().code == "onnx.bad-ir-version")
    explain(errors.front(), bytes);
  return errors;
}

/// Protobuf counts bytes in an int.
static uint64_t maxBytes(const ReadOptions &options) {
  return std::min<uint64_t>(options.limits.fileBytes, INT32_MAX);
}

Result<Model> smelt::onnx::readModel(const std::string &file,
                                     const ReadOptions &options) {
  Result<MappedFile> mapped = readUserFile(file, maxBytes(options));
  if (!mapped)
    return mapped.errors();
  size_t slash = file.rfind('/');
  std::string folder = slash == std::string::npos ? "."
                       : slash == 0               ? "/"
                                                  : file.substr(0, slash);
  return read(mapped->bytes(), file, folder, options);
}

Result<Model> smelt::onnx::readModelFromBytes(std::span<const uint8_t> bytes,
                                              const std::string &localDir,
                                              const ReadOptions &options) {
  if (bytes.size() > maxBytes(options))
    return Error{kExitInvalid,
                 "onnx.file-too-large",
                 "the model has " + std::to_string(bytes.size()) +
                     " bytes, protobuf allows " +
                     std::to_string(maxBytes(options)),
                 {},
                 {},
                 -1,
                 {}};
  return read(bytes, {}, localDir, options);
}
