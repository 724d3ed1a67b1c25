//===- Summary.h - The data behind `smelt inspect model.onnx`
//--------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Counts and signatures of a Model as plain values that own their text: how
// they are printed, as text, CSV or JSON, is the caller's business.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_FRONTEND_ONNX_READER_SUMMARY_H
#define SMELT_FRONTEND_ONNX_READER_SUMMARY_H

#include "frontend/onnx/reader/Model.h"

namespace smelt::onnx {

/// "f32[1,3,N,?]", "f32[*]" without a rank, "seq(i64[])", "map(string,f32[])".
std::string typeText(const TypeInfo &type);
std::string typeText(const Tensor &tensor);

struct ValueSummary {
  std::string name, type;
  bool hasDefault = false; // an input that an initializer gives a value to
};

struct OpSummary {
  std::string domain; // "" for ai.onnx
  std::string opType;
  int64_t opset = 0; // 0: not imported
  int64_t count = 0;
};

struct TypeSummary { // constants of one element type
  DType dtype = DType::Undefined;
  int64_t tensors = 0, elements = 0, bytes = 0;
};

struct Summary {
  std::string file, graph, producer;
  int64_t irVersion = 0;
  std::vector<std::pair<std::string, int64_t>> opsets;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<ValueSummary> inputs, outputs;
  std::vector<OpSummary> ops; // all graphs and functions; most frequent first
  int64_t nodes = 0, subgraphs = 0, functions = 0;
  int64_t parameters = 0; // elements of initializers and of Constant nodes
  int64_t parameterBytes = 0;
  int64_t externalBytes = 0;          // the part of them from other files
  std::vector<TypeSummary> constants; // by type, in the order of DType
};

Summary summarize(const Model &model);

} // namespace smelt::onnx

#endif // SMELT_FRONTEND_ONNX_READER_SUMMARY_H
