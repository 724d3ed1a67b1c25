//===- Protos.h - Small models for the reader's tests
//----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Builders of protos, and the matchers for results: a refusal is always
// checked by its code and its exit code.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_TEST_FRONTEND_READER_PROTOS_H
#define SMELT_TEST_FRONTEND_READER_PROTOS_H

#include "frontend/onnx/reader/Reader.h"

#include "onnx-ml.pb.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace smelt::onnx {

namespace pb = ::onnx;

inline pb::ValueInfoProto value(const std::string &name,
                                std::vector<int64_t> dims,
                                int dtype = pb::TensorProto::FLOAT) {
  pb::ValueInfoProto proto;
  proto.set_name(name);
  auto *type = proto.mutable_type()->mutable_tensor_type();
  type->set_elem_type(dtype);
  type->mutable_shape();
  for (int64_t dim : dims)
    type->mutable_shape()->add_dim()->set_dim_value(dim);
  return proto;
}

inline pb::NodeProto node(const std::string &opType,
                          std::vector<std::string> inputs,
                          std::vector<std::string> outputs,
                          const std::string &name = {}) {
  pb::NodeProto proto;
  proto.set_op_type(opType);
  if (!name.empty())
    proto.set_name(name);
  for (const std::string &input : inputs)
    proto.add_input(input);
  for (const std::string &output : outputs)
    proto.add_output(output);
  return proto;
}

inline pb::TensorProto rawTensor(const std::string &name, int dtype,
                                 std::vector<int64_t> dims,
                                 const std::string &bytes) {
  pb::TensorProto proto;
  proto.set_name(name);
  proto.set_data_type(dtype);
  for (int64_t dim : dims)
    proto.add_dims(dim);
  proto.set_raw_data(bytes);
  return proto;
}

inline pb::AttributeProto graphAttribute(const std::string &name,
                                         pb::GraphProto graph) {
  pb::AttributeProto proto;
  proto.set_name(name);
  proto.set_type(pb::AttributeProto::GRAPH);
  *proto.mutable_g() = std::move(graph);
  return proto;
}

/// IR version 8, opset 17, a graph "g" with input x and output y.
inline pb::ModelProto emptyModel() {
  pb::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  pb::GraphProto &graph = *model.mutable_graph();
  graph.set_name("g");
  *graph.add_input() = value("x", {4});
  *graph.add_output() = value("y", {4});
  return model;
}

/// The same with y = Add(x, w), w = [1, 2, 3, 4].
inline pb::ModelProto addModel() {
  pb::ModelProto model = emptyModel();
  *model.mutable_graph()->add_node() = node("Add", {"x", "w"}, {"y"}, "add");
  pb::TensorProto &w = *model.mutable_graph()->add_initializer();
  w.set_name("w");
  w.set_data_type(pb::TensorProto::FLOAT);
  w.add_dims(4);
  for (float f : {1.f, 2.f, 3.f, 4.f})
    w.add_float_data(f);
  return model;
}

inline Result<Model> readBytes(const std::string &bytes,
                               const ReadOptions &options = {},
                               const std::string &dir = {}) {
  return readModelFromBytes(
      {reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()}, dir,
      options);
}

inline Result<Model> read(const pb::ModelProto &model,
                          const ReadOptions &options = {},
                          const std::string &dir = {}) {
  return readBytes(model.SerializeAsString(), options, dir);
}

inline std::string text(const std::vector<Error> &errors) {
  std::string out;
  for (const Error &error : errors)
    out += error.str() + "\n";
  return out;
}

template <typename T> std::string text(const Result<T> &result) {
  return result ? "no error" : text(result.errors());
}

} // namespace smelt::onnx

#define EXPECT_READS(result) EXPECT_TRUE(bool(result)) << text(result)
#define ASSERT_READS(result) ASSERT_TRUE(bool(result)) << text(result)
/// Refused with this code and exit code, and a message.
#define EXPECT_REFUSED(result, wantCode, wantExit)                             \
  do {                                                                         \
    const auto &refused = (result);                                            \
    EXPECT_EQ(refused.exitCode(), wantExit) << text(refused);                  \
    if (!refused) {                                                            \
      EXPECT_EQ(refused.errors().front().code, wantCode) << text(refused);     \
      EXPECT_FALSE(refused.errors().front().message.empty());                  \
    }                                                                          \
  } while (false)

#endif // SMELT_TEST_FRONTEND_READER_PROTOS_H
