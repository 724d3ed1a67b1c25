//===- FunctionTest.cpp - Model-local functions
//----------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Calls, attribute references and names after inlining; recursion and blow-up
// are refused before anything is copied.
//
//===----------------------------------------------------------------------===//
#include "Protos.h"

#include <set>

using namespace smelt::onnx;
using testing::ElementsAre;
using testing::SizeIs;

static pb::NodeProto call(const std::string &name,
                          std::vector<std::string> inputs,
                          std::vector<std::string> outputs) {
  pb::NodeProto proto = node(name, std::move(inputs), std::move(outputs));
  proto.set_domain("f");
  return proto;
}

static pb::FunctionProto function(const std::string &name,
                                  std::vector<std::string> inputs,
                                  std::vector<std::string> outputs,
                                  std::vector<pb::NodeProto> nodes) {
  pb::FunctionProto proto;
  proto.set_domain("f");
  proto.set_name(name);
  for (const std::string &input : inputs)
    proto.add_input(input);
  for (const std::string &output : outputs)
    proto.add_output(output);
  for (pb::NodeProto &node : nodes)
    *proto.add_node() = std::move(node);
  auto *import = proto.add_opset_import();
  import->set_version(18);
  return proto;
}

static pb::ModelProto withFunctions(std::vector<pb::NodeProto> nodes,
                                    std::vector<pb::FunctionProto> functions) {
  pb::ModelProto model = emptyModel();
  auto *import = model.add_opset_import();
  import->set_domain("f");
  import->set_version(1);
  for (pb::NodeProto &node : nodes)
    *model.mutable_graph()->add_node() = std::move(node);
  for (pb::FunctionProto &function : functions)
    *model.add_functions() = std::move(function);
  return model;
}

static std::vector<std::string> paths(const Graph &graph) {
  std::vector<std::string> out;
  for (const Node &node : graph.nodes)
    out.push_back(node.path());
  return out;
}

/// Reads and inlines; the errors of either.
static Result<Model> inlined(const pb::ModelProto &proto,
                             const ReadOptions &options = {}) {
  Result<Model> model = read(proto, options);
  if (!model)
    return model;
  std::vector<Error> errors = inlineFunctions(*model, options);
  if (!errors.empty())
    return errors;
  return model;
}

TEST(Functions, CallsBecomeTheirBodies) {
  Result<Model> model = inlined(withFunctions(
      {call("Twice", {"x"}, {"m"}), call("Twice", {"m"}, {"y"})},
      {function("Twice", {"a"}, {"b"},
                {node("Neg", {"a"}, {"t"}), node("Add", {"t", "a"}, {"b"})})}));
  ASSERT_READS(model);
  EXPECT_TRUE(model->functions.empty());
  EXPECT_THAT(paths(model->graph),
              ElementsAre("main/Twice_0/Neg_0", "main/Twice_0/Add_1",
                          "main/Twice_1/Neg_0", "main/Twice_1/Add_1"));
  const std::vector<Node> &nodes = model->graph.nodes;
  EXPECT_THAT(nodes[0].inputs, ElementsAre("x"));
  EXPECT_THAT(nodes[1].outputs, ElementsAre("m"));
  EXPECT_EQ(nodes[1].inputs[0], nodes[0].outputs[0]);
  EXPECT_THAT(nodes[3].outputs, ElementsAre("y"));
  EXPECT_NE(nodes[0].outputs[0], nodes[2].outputs[0]);
  EXPECT_EQ(nodes[0].opset, 18); // the function's, not the model's
}

TEST(Functions, FreshNamesAreFresh) {
  // The caller already uses the name that a suffix would make.
  Result<Model> model = inlined(withFunctions(
      {node("Relu", {"x"}, {"t#1"}), call("F", {"t#1"}, {"y"})},
      {function("F", {"a"}, {"b"},
                {node("Neg", {"a"}, {"t"}), node("Exp", {"t"}, {"b"})})}));
  ASSERT_READS(model);
  std::set<std::string_view> names;
  for (const Node &node : model->graph.nodes)
    EXPECT_TRUE(names.insert(node.outputs[0]).second) << node.outputs[0];
}

static pb::AttributeProto reference(const std::string &name,
                                    const std::string &to,
                                    pb::AttributeProto::AttributeType type) {
  pb::AttributeProto proto;
  proto.set_name(name);
  proto.set_ref_attr_name(to);
  proto.set_type(type);
  return proto;
}

static pb::AttributeProto integer(const std::string &name, int64_t i) {
  pb::AttributeProto proto;
  proto.set_name(name);
  proto.set_type(pb::AttributeProto::INT);
  proto.set_i(i);
  return proto;
}

static pb::ModelProto withReference(std::vector<pb::AttributeProto> given,
                                    bool hasDefault) {
  pb::NodeProto softmax = node("Softmax", {"a"}, {"b"});
  *softmax.add_attribute() = reference("axis", "dim", pb::AttributeProto::INT);
  pb::FunctionProto f = function("F", {"a"}, {"b"}, {softmax});
  if (hasDefault)
    *f.add_attribute_proto() = integer("dim", 7);
  else
    f.add_attribute("dim");
  pb::NodeProto caller = call("F", {"x"}, {"y"});
  for (pb::AttributeProto &attribute : given)
    *caller.add_attribute() = std::move(attribute);
  return withFunctions({caller}, {f});
}

TEST(Functions, AttributeReferences) {
  Result<Model> given = inlined(withReference({integer("dim", 3)}, true));
  ASSERT_READS(given);
  const Attribute *axis = given->graph.nodes[0].attribute("axis");
  ASSERT_TRUE(axis);
  EXPECT_EQ(axis->i, 3);
  EXPECT_EQ(axis->refAttrName, "");
  Result<Model> byDefault = inlined(withReference({}, true));
  ASSERT_READS(byDefault);
  EXPECT_EQ(byDefault->graph.nodes[0].attribute("axis")->i, 7);
  // No value anywhere: the op's own default holds.
  Result<Model> none = inlined(withReference({}, false));
  ASSERT_READS(none);
  EXPECT_FALSE(none->graph.nodes[0].attribute("axis"));

  EXPECT_REFUSED(inlined(withReference({integer("dims", 3)}, true)),
                 "onnx.function-attribute", 65);
  pb::AttributeProto wrong;
  wrong.set_name("dim");
  wrong.set_type(pb::AttributeProto::FLOAT);
  EXPECT_REFUSED(inlined(withReference({wrong}, true)), "onnx.attribute-kind",
                 65);
}

TEST(Functions, OmittedInputsAndOutputs) {
  pb::FunctionProto f = function(
      "F", {"a", "lo", "hi"}, {"b", "c"},
      {node("Clip", {"a", "lo", "hi"}, {"b"}), node("Neg", {"a"}, {"c"})});
  Result<Model> model =
      inlined(withFunctions({call("F", {"x", "", "x"}, {"y"})}, {f}));
  ASSERT_READS(model);
  EXPECT_THAT(model->graph.nodes[0].inputs, ElementsAre("x", "", "x"));
  EXPECT_NE(model->graph.nodes[1].outputs[0], "");
  EXPECT_REFUSED(
      inlined(withFunctions({call("F", {"x", "x", "x", "x"}, {"y"})}, {f})),
      "onnx.function-arity", 65);
  EXPECT_REFUSED(
      inlined(withFunctions({call("F", {"x"}, {"y", "z", "w"})}, {f})),
      "onnx.function-arity", 65);
}

TEST(Functions, AnInputHandedOnBecomesAnIdentity) {
  pb::FunctionProto f = function("F", {"a"}, {"a"}, {});
  Result<Model> model = inlined(withFunctions({call("F", {"x"}, {"y"})}, {f}));
  ASSERT_READS(model);
  ASSERT_THAT(model->graph.nodes, SizeIs(1));
  EXPECT_EQ(model->graph.nodes[0].opType, "Identity");
  EXPECT_THAT(model->graph.nodes[0].inputs, ElementsAre("x"));
  EXPECT_THAT(model->graph.nodes[0].outputs, ElementsAre("y"));
  EXPECT_EQ(model->graph.nodes[0].opset, 18);
}

TEST(Functions, SubgraphsOfBodiesAreRenamed) {
  // F(c, a) = If(c) { t = Neg(a); t } — with t also a name of the caller.
  pb::GraphProto branch;
  branch.set_name("branch");
  *branch.add_node() = node("Neg", {"a"}, {"t"});
  branch.add_output()->set_name("t");
  pb::NodeProto choose = node("If", {"c"}, {"b"});
  *choose.add_attribute() = graphAttribute("then_branch", branch);
  *choose.add_attribute() = graphAttribute("else_branch", branch);
  pb::FunctionProto f = function("F", {"c", "a"}, {"b"}, {choose});
  pb::ModelProto proto =
      withFunctions({node("Cast", {"x"}, {"flag"}), node("Relu", {"x"}, {"t"}),
                     call("F", {"flag", "t"}, {"y"})},
                    {f});
  Result<Model> model = inlined(proto);
  ASSERT_READS(model);
  const Node &node = model->graph.nodes[2];
  EXPECT_EQ(node.path(), "main/F_2/If_0");
  EXPECT_THAT(node.inputs, ElementsAre("flag"));
  const Graph &then = *node.attribute("then_branch")->graph;
  EXPECT_EQ(then.nodes[0].path(), "main/F_2/If_0.then_branch/Neg_0");
  EXPECT_THAT(then.nodes[0].inputs, ElementsAre("t"));
  EXPECT_NE(then.nodes[0].outputs[0], "t");
  EXPECT_EQ(then.nodes[0].outputs[0], then.outputs[0].name);
}

TEST(Functions, CallsInSubgraphsAndInOtherFunctions) {
  pb::FunctionProto inner =
      function("Inner", {"a"}, {"b"}, {node("Neg", {"a"}, {"b"})});
  pb::FunctionProto outer =
      function("Outer", {"a"}, {"b"},
               {call("Inner", {"a"}, {"t"}), node("Exp", {"t"}, {"b"})});
  pb::GraphProto body;
  body.set_name("body");
  *body.add_node() = call("Outer", {"x"}, {"r"});
  body.add_output()->set_name("r");
  pb::NodeProto loop = node("Loop", {"", ""}, {"y"}, "loop");
  *loop.add_attribute() = graphAttribute("body", body);
  Result<Model> model = inlined(withFunctions({loop}, {inner, outer}));
  ASSERT_READS(model);
  EXPECT_THAT(paths(*model->graph.nodes[0].attribute("body")->graph),
              ElementsAre("main/loop.body/Outer_0/Inner_0/Neg_0",
                          "main/loop.body/Outer_0/Exp_1"));
}

TEST(Functions, RecursionIsRefused) {
  EXPECT_REFUSED(read(withFunctions(
                     {call("F", {"x"}, {"y"})},
                     {function("F", {"a"}, {"b"}, {call("F", {"a"}, {"b"})})})),
                 "onnx.recursive-function", 65);
  // Through another one, and from a function that nobody calls.
  EXPECT_REFUSED(read(withFunctions(
                     {node("Relu", {"x"}, {"y"})},
                     {function("F", {"a"}, {"b"}, {call("G", {"a"}, {"b"})}),
                      function("G", {"a"}, {"b"}, {call("F", {"a"}, {"b"})})})),
                 "onnx.recursive-function", 65);
}

/// F0 = Neg, Fn calls Fn-1 `fan` times.
static pb::ModelProto tower(int height, int fan) {
  std::vector<pb::FunctionProto> functions = {
      function("F0", {"a"}, {"b"}, {node("Neg", {"a"}, {"b"})})};
  for (int i = 1; i < height; ++i) {
    std::vector<pb::NodeProto> nodes;
    for (int k = 0; k < fan; ++k)
      nodes.push_back(call("F" + std::to_string(i - 1), {"a"},
                           {k ? "t" + std::to_string(k) : "b"}));
    functions.push_back(function("F" + std::to_string(i), {"a"}, {"b"}, nodes));
  }
  return withFunctions({call("F" + std::to_string(height - 1), {"x"}, {"y"})},
                       functions);
}

TEST(Functions, DepthAndBlowUpAreCountedNotTried) {
  EXPECT_READS(inlined(tower(32, 1)));
  EXPECT_REFUSED(read(tower(33, 1)), "onnx.call-depth", 65);
  EXPECT_REFUSED(read(tower(500, 1)), "onnx.call-depth", 65);
  EXPECT_READS(inlined(tower(10, 2)));
  EXPECT_REFUSED(read(tower(30, 2)), "onnx.too-many-nodes", 65);
  EXPECT_REFUSED(read(tower(30, 200)), "onnx.too-many-nodes", 65);
  ReadOptions options;
  options.memoryBudget = 1 << 20;
  EXPECT_REFUSED(read(tower(12, 2), options), "onnx.memory-budget", 71);
}

TEST(Functions, SharedGraphAttributesCountAtEachUse) {
  // F(body) = If { body } else { body }, called with a graph that calls F, …:
  // a graph of 2^n nodes in a file of n calls.
  pb::NodeProto choose = node("If", {"c"}, {"b"});
  *choose.add_attribute() =
      reference("then_branch", "body", pb::AttributeProto::GRAPH);
  *choose.add_attribute() =
      reference("else_branch", "body", pb::AttributeProto::GRAPH);
  pb::FunctionProto f = function("F", {"c"}, {"b"}, {choose});
  f.add_attribute("body");
  auto model = [&](int depth) {
    pb::GraphProto graph;
    graph.set_name("leaf");
    *graph.add_node() = node("Neg", {"x"}, {"r"});
    graph.add_output()->set_name("r");
    for (int i = 0; i < depth; ++i) {
      pb::NodeProto inner = call("F", {"c"}, {"r"});
      *inner.add_attribute() = graphAttribute("body", graph);
      graph.clear_node();
      *graph.add_node() = inner;
    }
    pb::NodeProto outer = call("F", {"c"}, {"y"});
    *outer.add_attribute() = graphAttribute("body", graph);
    return withFunctions({node("Cast", {"x"}, {"c"}), outer}, {f});
  };
  Result<Model> small = inlined(model(3));
  ASSERT_READS(small);
  const Node &node = small->graph.nodes[1];
  EXPECT_EQ(node.opType, "If");
  EXPECT_TRUE(node.attribute("then_branch")->graph);
  EXPECT_REFUSED(inlined(model(25)), "onnx.too-many-nodes", 65);
}

TEST(Functions, Signatures) {
  pb::ModelProto model = tower(1, 1);
  *model.add_functions() = model.functions(0);
  EXPECT_REFUSED(read(model), "onnx.duplicate-function", 65);
  model.mutable_functions(1)->set_overload("other");
  EXPECT_READS(inlined(model));
  EXPECT_REFUSED(read(withFunctions({node("Relu", {"x"}, {"y"})},
                                    {function("F", {"a", "a"}, {"b"},
                                              {node("Neg", {"a"}, {"b"})})})),
                 "onnx.function-signature", 65);
  EXPECT_REFUSED(read(withFunctions({node("Relu", {"x"}, {"y"})},
                                    {function("F", {"a"}, {"q"},
                                              {node("Neg", {"a"}, {"b"})})})),
                 "onnx.undefined-output", 65);
  // A body sees nothing of its caller.
  EXPECT_REFUSED(read(withFunctions({call("F", {"x"}, {"y"})},
                                    {function("F", {"a"}, {"b"},
                                              {node("Neg", {"x"}, {"b"})})})),
                 "onnx.undefined-input", 65);
}
