//===- GraphTest.cpp - Definitions, uses and order
//-------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Static single assignment, scopes of subgraphs, sorting and cycles.
//
//===----------------------------------------------------------------------===//
#include "Protos.h"

using namespace smelt::onnx;
using testing::ElementsAre;

static pb::ModelProto withNodes(std::vector<pb::NodeProto> nodes) {
  pb::ModelProto model = emptyModel();
  for (pb::NodeProto &node : nodes)
    *model.mutable_graph()->add_node() = std::move(node);
  return model;
}

/// If(c) whose branches yield what `branch` says; c is an initializer.
static pb::ModelProto withIf(pb::GraphProto branch,
                             std::vector<pb::NodeProto> before = {},
                             std::vector<pb::NodeProto> after = {}) {
  pb::ModelProto model = withNodes(std::move(before));
  pb::GraphProto &graph = *model.mutable_graph();
  *graph.add_initializer() = rawTensor("c", pb::TensorProto::BOOL, {}, "\1");
  pb::NodeProto &node = *graph.add_node();
  node = smelt::onnx::node("If", {"c"}, {"y"}, "choose");
  *node.add_attribute() = graphAttribute("then_branch", branch);
  *node.add_attribute() = graphAttribute("else_branch", branch);
  for (pb::NodeProto &other : after)
    *graph.add_node() = std::move(other);
  return model;
}

static pb::GraphProto branchOf(std::vector<pb::NodeProto> nodes,
                               const std::string &output) {
  pb::GraphProto graph;
  graph.set_name("branch");
  for (pb::NodeProto &node : nodes)
    *graph.add_node() = std::move(node);
  graph.add_output()->set_name(output);
  return graph;
}

TEST(Graphs, UndefinedAndDuplicateNames) {
  EXPECT_REFUSED(read(withNodes({node("Relu", {"nope"}, {"y"})})),
                 "onnx.undefined-input", 65);
  EXPECT_REFUSED(read(withNodes({node("Relu", {"x"}, {"z"})})),
                 "onnx.undefined-output", 65);
  EXPECT_REFUSED(
      read(withNodes({node("Relu", {"x"}, {"y"}), node("Neg", {"x"}, {"y"})})),
      "onnx.duplicate-name", 65);
  EXPECT_REFUSED(read(withNodes({node("Relu", {"x"}, {"x"})})),
                 "onnx.duplicate-name", 65);
  pb::ModelProto inputs = withNodes({node("Relu", {"x"}, {"y"})});
  *inputs.mutable_graph()->add_input() = value("x", {4});
  EXPECT_REFUSED(read(inputs), "onnx.duplicate-name", 65);
  pb::ModelProto outputs = withNodes({node("Relu", {"x"}, {"y"})});
  *outputs.mutable_graph()->add_output() = value("y", {4});
  EXPECT_REFUSED(read(outputs), "onnx.duplicate-name", 65);
  pb::ModelProto initializers = addModel();
  *initializers.mutable_graph()->add_initializer() =
      initializers.graph().initializer(0);
  EXPECT_REFUSED(read(initializers), "onnx.duplicate-initializer", 65);
}

TEST(Graphs, OmittedInputsAndOutputsAreNoNames) {
  Result<Model> model = read(withNodes(
      {node("Clip", {"x", "", ""}, {"y"}), node("Dropout", {"x"}, {"", ""})}));
  ASSERT_READS(model);
  EXPECT_EQ(model->graph.nodes[0].inputs.size(), 3u);
}

TEST(Graphs, AnInitializerMayBeAnInputsDefault) {
  pb::ModelProto model = addModel();
  *model.mutable_graph()->add_input() = value("w", {4});
  EXPECT_READS(read(model));
}

TEST(Graphs, UnsortedNodesAreSortedAndKeepTheirIndex) {
  Result<Model> model =
      read(withNodes({node("Neg", {"b"}, {"y"}), node("Exp", {"a"}, {"b"}),
                      node("Abs", {"x"}, {"a"}), node("Relu", {"x"}, {"d"})}));
  ASSERT_READS(model);
  std::vector<std::string> labels;
  for (const Node &node : model->graph.nodes)
    labels.push_back(node.label());
  EXPECT_THAT(labels, ElementsAre("Abs_2", "Exp_1", "Neg_0", "Relu_3"));
}

TEST(Graphs, CyclesAreRefused) {
  EXPECT_REFUSED(read(withNodes({node("Relu", {"y"}, {"y"})})), "onnx.cycle",
                 65);
  Result<Model> result =
      read(withNodes({node("Add", {"x", "b"}, {"a"}, "first"),
                      node("Relu", {"a"}, {"b"}), node("Neg", {"b"}, {"y"})}));
  EXPECT_REFUSED(result, "onnx.cycle", 65);
  EXPECT_EQ(result.errors()[0].path, "main/first");
}

TEST(Graphs, SubgraphsSeeWhatIsAroundThem) {
  Result<Model> model =
      read(withIf(branchOf({node("Neg", {"x"}, {"r"}, "inner")}, "r")));
  ASSERT_READS(model);
  const Attribute *branch = model->graph.nodes[0].attribute("then_branch");
  ASSERT_TRUE(branch && branch->graph);
  EXPECT_EQ(branch->graph->nodes[0].path(), "main/choose.then_branch/inner");
  // Handing a value of the graph around on is no definition, and is allowed.
  EXPECT_READS(read(withIf(branchOf({}, "x"))));
  EXPECT_REFUSED(read(withIf(branchOf({node("Neg", {"q"}, {"r"})}, "r"))),
                 "onnx.undefined-input", 65);
  EXPECT_REFUSED(read(withIf(branchOf({}, "q"))), "onnx.undefined-output", 65);
}

TEST(Graphs, NothingSeesIntoASubgraph) {
  EXPECT_REFUSED(read(withIf(branchOf({node("Neg", {"x"}, {"r"})}, "r"), {},
                             {node("Relu", {"r"}, {"z"})})),
                 "onnx.undefined-input", 65);
}

TEST(Graphs, ASubgraphsUsesOrderItsNode) {
  // The If takes `late` from a node that stands behind it.
  Result<Model> model =
      read(withIf(branchOf({node("Neg", {"late"}, {"r"})}, "r"), {},
                  {node("Relu", {"x"}, {"late"})}));
  ASSERT_READS(model);
  EXPECT_EQ(model->graph.nodes[0].opType, "Relu");
  // And from itself: a cycle.
  EXPECT_REFUSED(read(withIf(branchOf({node("Neg", {"y"}, {"r"})}, "r"))),
                 "onnx.cycle", 65);
}

TEST(Graphs, SubgraphDepth) {
  auto nested = [](int depth) {
    pb::GraphProto graph = branchOf({node("Neg", {"x"}, {"r"})}, "r");
    for (int i = 1; i < depth; ++i) {
      pb::NodeProto outer = node("If", {"c"}, {"r"});
      *outer.add_attribute() = graphAttribute("then_branch", graph);
      graph = branchOf({outer}, "r");
    }
    return withIf(graph);
  };
  EXPECT_READS(read(nested(32)));
  // Protobuf's own limit, since each level takes three messages.
  EXPECT_REFUSED(read(nested(33)), "onnx.nesting-depth", 65);
  ReadOptions options;
  options.limits.graphDepth = 5;
  EXPECT_READS(read(nested(5), options));
  EXPECT_REFUSED(read(nested(6), options), "onnx.subgraph-depth", 65);
}

TEST(Graphs, RedefinedConstantsAreWarnedOf) {
  auto constant = [](int64_t v) {
    pb::NodeProto proto = node("Constant", {}, {"k"});
    pb::AttributeProto &attribute = *proto.add_attribute();
    attribute.set_name("value_int");
    attribute.set_type(pb::AttributeProto::INT);
    attribute.set_i(v);
    return proto;
  };
  Result<Model> model = read(
      withNodes({constant(12), node("Add", {"x", "k"}, {"y"}), constant(2)}));
  ASSERT_READS(model);
  ASSERT_EQ(model->graph.nodes.size(), 2u);
  EXPECT_EQ(model->graph.nodes[0].attribute("value_int")->i, 2);
  ASSERT_EQ(model->warnings.size(), 1u);
  EXPECT_EQ(model->warnings[0].code, "onnx.redefined-constant");
}

TEST(Graphs, SeveralErrorsAreReportedAtOnce) {
  pb::ModelProto model = emptyModel();
  for (int i = 0; i < 50; ++i)
    *model.mutable_graph()->add_node() =
        node("Relu", {"nope"}, {i ? "z" + std::to_string(i) : "y"});
  Result<Model> result = read(model);
  EXPECT_REFUSED(result, "onnx.undefined-input", 65);
  EXPECT_EQ(result.errors().size(), ReadOptions().limits.errors);
}

TEST(Graphs, LongChainsNeedNoStack) {
  pb::ModelProto model = emptyModel();
  for (int i = 100'000; i-- > 0;) // the worst order
    *model.mutable_graph()->add_node() =
        node("Relu", {i ? "t" + std::to_string(i - 1) : "x"},
             {i == 99'999 ? "y" : "t" + std::to_string(i)});
  Result<Model> result = read(model);
  ASSERT_READS(result);
  EXPECT_EQ(result->graph.nodes.front().inputs[0], "x");
  EXPECT_EQ(result->graph.nodes.back().outputs[0], "y");
}
