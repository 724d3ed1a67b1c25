//===- Build.h - The steps from a parsed proto to a checked Model
//----------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Private to the reader: buildModel fills the structs, checkModel checks and
// sorts the graphs, checkFunctions looks at the calls between functions.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_FRONTEND_ONNX_READER_BUILD_H
#define SMELT_FRONTEND_ONNX_READER_BUILD_H

#include "frontend/onnx/reader/Tensors.h"

#include <string>
#include <unordered_map>

namespace smelt::onnx {

/// Storage::proto into `model`.
void buildModel(Context &context, Model &model);

/// Definitions, uses, outputs; sorts nodes where a file has them unsorted.
void checkModel(Diagnostics &diag, Model &model);

/// The functions of a model by domain, name and overload.
class FunctionTable {
public:
  explicit FunctionTable(const Model &model);
  const Function *find(const Node &node) const;
  /// The function that has the name of another one, if there is one.
  const Function *duplicate() const { return twice; }
  bool empty() const { return table.empty(); }

private:
  std::unordered_map<std::string, const Function *> table;
  const Function *twice = nullptr;
};

/// Recursion, depth and size of what inlining would make.
void checkFunctions(Diagnostics &diag, const Model &model, const Limits &limits,
                    uint64_t memory);

} // namespace smelt::onnx

#endif // SMELT_FRONTEND_ONNX_READER_BUILD_H
