//===- SummaryTest.cpp - The data behind `smelt inspect`
//-------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Counts over all graphs, types as text, constants wherever they are kept.
//
//===----------------------------------------------------------------------===//
#include "Protos.h"

#include "frontend/onnx/reader/Summary.h"

using namespace smelt::onnx;

TEST(Summaries, CountsAndSignatures) {
  pb::ModelProto proto = addModel();
  pb::GraphProto &graph = *proto.mutable_graph();
  auto *shape = graph.mutable_input(0)
                    ->mutable_type()
                    ->mutable_tensor_type()
                    ->mutable_shape();
  shape->add_dim()->set_dim_param("N");
  shape->add_dim();
  *graph.add_input() = value("w", {4});
  *graph.add_initializer() =
      rawTensor("i", pb::TensorProto::INT4, {3}, "\x12\x03");

  pb::GraphProto branch;
  branch.set_name("b");
  pb::NodeProto constant = node("Constant", {}, {"r"});
  pb::AttributeProto &attribute = *constant.add_attribute();
  attribute.set_name("value");
  attribute.set_type(pb::AttributeProto::TENSOR);
  *attribute.mutable_t() =
      rawTensor("", pb::TensorProto::FLOAT, {2}, "12345678");
  *branch.add_node() = constant;
  branch.add_output()->set_name("r");
  pb::NodeProto choose = node("If", {"x"}, {"z"});
  *choose.add_attribute() = graphAttribute("then_branch", branch);
  *graph.add_node() = choose;
  *graph.add_node() = node("Add", {"x", "x"}, {"q"});

  Result<Model> model = read(proto);
  ASSERT_READS(model);
  Summary summary = summarize(*model);
  EXPECT_EQ(summary.nodes, 4);
  EXPECT_EQ(summary.subgraphs, 1);
  ASSERT_EQ(summary.ops.size(), 3u);
  EXPECT_EQ(summary.ops[0].opType,
            "Add"); // the most frequent one, then by name
  EXPECT_EQ(summary.ops[0].count, 2);
  EXPECT_EQ(summary.ops[1].opType, "Constant");
  EXPECT_EQ(summary.ops[1].opset, 17);
  EXPECT_EQ(summary.parameters, 4 + 3 + 2);
  EXPECT_EQ(summary.parameterBytes, 16 + 3 + 8);
  ASSERT_EQ(summary.constants.size(), 2u);
  EXPECT_EQ(summary.constants[0].dtype, DType::F32);
  EXPECT_EQ(summary.constants[0].tensors, 2);
  EXPECT_EQ(summary.inputs.at(0).type, "f32[4,N,?]");
  EXPECT_FALSE(summary.inputs[0].hasDefault);
  EXPECT_TRUE(summary.inputs.at(1).hasDefault);
  EXPECT_EQ(summary.outputs.at(0).type, "f32[4]");
  EXPECT_EQ(summary.opsets.at(0).second, 17);
}

TEST(Summaries, TextThatIsNoNameIsEscaped) {
  pb::ModelProto proto = addModel();
  proto.set_producer_name("\x1b[2J");
  auto *entry = proto.add_metadata_props();
  entry->set_key("k");
  entry->set_value("a\xff");
  Result<Model> model = read(proto);
  ASSERT_READS(model);
  Summary summary = summarize(*model);
  EXPECT_EQ(summary.producer, "\\x1b[2J");
  EXPECT_EQ(summary.metadata.at(0).second, "a\\xff");
}

TEST(Summaries, TypesAsText) {
  pb::ModelProto proto = addModel();
  pb::TypeProto tensor, sequence, map, optional;
  tensor.mutable_tensor_type()->set_elem_type(pb::TensorProto::INT64);
  *sequence.mutable_sequence_type()->mutable_elem_type() = tensor;
  map.mutable_map_type()->set_key_type(pb::TensorProto::STRING);
  *map.mutable_map_type()->mutable_value_type() = tensor;
  *optional.mutable_optional_type()->mutable_elem_type() = sequence;
  const std::pair<pb::TypeProto, const char *> types[] = {
      {tensor, "i64[*]"},          {sequence, "seq(i64[*])"},
      {map, "map(string,i64[*])"}, {optional, "optional(seq(i64[*]))"},
      {pb::TypeProto(), "?"},
  };
  for (const auto &[type, want] : types) {
    *proto.mutable_graph()->mutable_input(0)->mutable_type() = type;
    Result<Model> model = read(proto);
    ASSERT_READS(model);
    EXPECT_EQ(typeText(model->graph.inputs[0].type), want);
  }
}
