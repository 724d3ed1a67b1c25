//===- Reader.h - Reading untrusted ONNX files
//-----------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The only way from a file to a Model. The file is hostile until proved
// otherwise: limits, wire format, tensors, external data and graph structure
// are checked here; whether an op makes sense is the importer's business.
// Errors carry the documented exit code. No LLVM, no exceptions, no globals.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_FRONTEND_ONNX_READER_READER_H
#define SMELT_FRONTEND_ONNX_READER_READER_H

#include "frontend/onnx/reader/Model.h"

#include <string>
#include <variant>
#include <vector>

namespace smelt::onnx {

/// Exit codes the reader uses (a subset of the documented ones).
enum : int {
  kExitInvalid = 65,
  kExitNoInput = 66,
  kExitUnsupported = 69,
  kExitMemory = 71,
  kExitIO = 74,
  kExitPolicy = 77,
};

struct Error {
  int exitCode = kExitInvalid;
  std::string code;    // stable, such as "onnx.dims-overflow"
  std::string message; // what was found and what is wanted
  std::string path;    // "main/Loop_12.body/MatMul_7"; "" for the whole file
  std::string file;
  int64_t offset = -1; // byte in `file`, -1 when unknown
  std::string hint;

  /// `model.onnx@1234: main/MatMul_7: message [onnx.code]` and the hint.
  std::string str() const;
};

/// A value or at least one error.
template <typename T> class [[nodiscard]] Result {
public:
  Result(T value) : state(std::move(value)) {}
  Result(std::vector<Error> errors) : state(std::move(errors)) {}
  Result(Error error) : state(std::vector<Error>{std::move(error)}) {}

  explicit operator bool() const { return state.index() == 0; }
  T &operator*() { return *std::get_if<0>(&state); }
  const T &operator*() const { return *std::get_if<0>(&state); }
  T *operator->() { return std::get_if<0>(&state); }
  const T *operator->() const { return std::get_if<0>(&state); }
  const std::vector<Error> &errors() const { return *std::get_if<1>(&state); }
  /// 0, or the exit code of the first error.
  int exitCode() const { return *this ? 0 : errors().front().exitCode; }

private:
  std::variant<T, std::vector<Error>> state;
};

/// The policy's limits. Tests lower them; nothing raises them.
struct Limits {
  uint64_t fileBytes = uint64_t(2) << 30;
  uint32_t messageDepth = 100;
  uint32_t graphDepth = 32; // subgraphs within subgraphs, calls within calls
  uint32_t nodes = 200'000; // all graphs together, after inlining too
  uint32_t nameBytes = 1024;
  uint32_t rank = 16;
  int64_t dim = int64_t(1) << 40;
  uint32_t errors = 20; // reported at most
};

struct ReadOptions {
  /// A further folder below which external data may lie, symbolic links and
  /// hard links allowed (the caches of model hubs are made of them).
  std::string trustRoot;
  /// Bytes that the model and its declared inputs may need; 0 means
  /// defaultMemoryBudget().
  uint64_t memoryBudget = 0;
  Limits limits;
};

/// min(75 % of the memory of this machine, 64 GiB).
uint64_t defaultMemoryBudget();

Result<Model> readModel(const std::string &file,
                        const ReadOptions &options = {});

/// The same from memory; `localDir` is where external data lie ("" forbids
/// them). `bytes` need not outlive the call.
Result<Model> readModelFromBytes(std::span<const uint8_t> bytes,
                                 const std::string &localDir = {},
                                 const ReadOptions &options = {});

/// Replaces every call of a model-local function by its body, with attribute
/// references resolved and fresh value names, and drops the functions. Returns
/// the errors, none on success.
std::vector<Error> inlineFunctions(Model &model,
                                   const ReadOptions &options = {});

} // namespace smelt::onnx

#endif // SMELT_FRONTEND_ONNX_READER_READER_H
