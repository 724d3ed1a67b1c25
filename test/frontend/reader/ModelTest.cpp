//===- ModelTest.cpp - Versions, names, attributes and types
//---------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a file says beside its graph's structure, taken over or refused.
//
//===----------------------------------------------------------------------===//
#include "Protos.h"

using namespace smelt::onnx;
using testing::ElementsAre;

TEST(Models, EverythingIsTakenOver) {
  pb::ModelProto proto = addModel();
  proto.set_producer_name("test");
  auto *import = proto.add_opset_import();
  import->set_domain("ai.onnx.ml");
  import->set_version(3);
  auto *entry = proto.add_metadata_props();
  entry->set_key("k");
  entry->set_value("v");
  *proto.mutable_graph()->add_node() = node("Scaler", {"x"}, {"z"});
  proto.mutable_graph()->mutable_node(1)->set_domain("ai.onnx.ml");
  Result<Model> model = read(proto);
  ASSERT_READS(model);
  EXPECT_EQ(model->irVersion, 8);
  EXPECT_EQ(model->producer, "test");
  EXPECT_EQ(model->opset(""), 17);
  EXPECT_EQ(model->opset("ai.onnx"), 17);
  EXPECT_EQ(model->opset("ai.onnx.ml"), 3);
  EXPECT_EQ(model->opset("none"), std::nullopt);
  EXPECT_EQ(model->metadata.at(0).second, "v");
  EXPECT_EQ(model->graph.nodes[0].path(), "main/add");
  EXPECT_EQ(model->graph.nodes[0].opset, 17);
  EXPECT_EQ(model->graph.nodes[1].path(), "main/Scaler_1");
  EXPECT_EQ(model->graph.nodes[1].opset, 3);
  EXPECT_EQ(model->graph.inputs[0].type.dims.at(0).value, 4);
}

TEST(Models, TheModelOutlivesItsBytes) {
  Model moved;
  {
    Result<Model> model = read(addModel());
    ASSERT_READS(model);
    moved = std::move(*model);
  }
  EXPECT_EQ(moved.graph.nodes[0].inputs[1], "w");
  float third;
  std::memcpy(&third, moved.graph.initializers[0].data.data() + 8, 4);
  EXPECT_EQ(third, 3);
  EXPECT_EQ(moved.intern("new"), "new");
}

TEST(Models, IrVersions) {
  pb::ModelProto model = addModel();
  model.clear_ir_version();
  EXPECT_REFUSED(read(model), "onnx.bad-ir-version", 65);
  model.set_ir_version(-3);
  EXPECT_REFUSED(read(model), "onnx.bad-ir-version", 65);
  model.set_ir_version(pb::IR_VERSION);
  EXPECT_READS(read(model));
  model.set_ir_version(pb::IR_VERSION + 1);
  EXPECT_REFUSED(read(model), "onnx.new-ir-version", 69);
}

TEST(Models, OpsetImports) {
  pb::ModelProto model = addModel();
  model.clear_opset_import();
  EXPECT_REFUSED(read(model), "onnx.no-opset", 65);
  model.set_ir_version(2); // before imports existed
  Result<Model> old = read(model);
  ASSERT_READS(old);
  EXPECT_EQ(old->graph.nodes[0].opset, 1);

  pb::ModelProto conflict = addModel();
  conflict.add_opset_import()->set_version(13);
  EXPECT_REFUSED(read(conflict), "onnx.bad-opset", 65);
  pb::ModelProto zero = addModel();
  zero.mutable_opset_import(0)->set_version(0);
  EXPECT_REFUSED(read(zero), "onnx.bad-opset", 65);
  pb::ModelProto other = addModel();
  other.mutable_opset_import(0)->set_domain("com.example");
  EXPECT_REFUSED(read(other), "onnx.no-opset", 65);
  // An op of a domain that isn't imported is for the importer to list.
  pb::ModelProto domain = addModel();
  domain.mutable_graph()->mutable_node(0)->set_domain("com.example");
  Result<Model> foreign = read(domain);
  ASSERT_READS(foreign);
  EXPECT_EQ(foreign->graph.nodes[0].opset, 0);
}

TEST(Models, NoGraph) {
  pb::ModelProto model = addModel();
  model.clear_graph();
  EXPECT_REFUSED(read(model), "onnx.no-graph", 65);
}

TEST(Models, NamesOutOfPolicy) {
  auto named = [](const std::string &name) {
    pb::ModelProto model = addModel();
    model.mutable_graph()->mutable_node(0)->set_name(name);
    return read(model);
  };
  EXPECT_READS(named(std::string(1024, 'n')));
  EXPECT_READS(named("Straße/层 {0}"));
  EXPECT_REFUSED(named(std::string(1025, 'n')), "onnx.name-too-long", 65);
  for (const std::string &bad :
       {std::string("a\0b", 3), std::string("a\nb"), std::string("\x1b[31mred"),
        std::string("a\x7f")}) {
    Result<Model> result = named(bad);
    EXPECT_REFUSED(result, "onnx.name-control-character", 65);
    for (char c : text(result)) // nothing of it reaches a terminal
      EXPECT_TRUE(c == '\n' || (unsigned(c) >= 0x20 && c != 0x7f));
  }
}

TEST(Models, NamesAreUtf8) {
  for (const char *bad : {"\xff", "a\xc3", "\xc0\xaf", "\xe0\x80\xaf",
                          "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80"}) {
    pb::ModelProto model = addModel();
    model.mutable_graph()->set_name(bad);
    Result<Model> result = read(model);
    EXPECT_REFUSED(result, "onnx.name-not-utf8", 65);
    EXPECT_NE(text(result).find("\\x"), std::string::npos);
  }
}

TEST(Models, DeclaredTypes) {
  pb::ModelProto model = addModel();
  pb::TypeProto &type =
      *model.mutable_graph()->mutable_input(0)->mutable_type();
  auto *shape = type.mutable_tensor_type()->mutable_shape();
  shape->mutable_dim(0)->set_dim_param("N");
  shape->add_dim();
  Result<Model> result = read(model);
  ASSERT_READS(result);
  const TypeInfo &info = result->graph.inputs[0].type;
  EXPECT_EQ(info.dims[0].kind, Dim::Kind::Param);
  EXPECT_EQ(info.dims[0].param, "N");
  EXPECT_EQ(info.dims[1].kind, Dim::Kind::Unknown);

  shape->mutable_dim(1)->set_dim_value(-1);
  EXPECT_REFUSED(read(model), "onnx.dim-out-of-range", 65);
  shape->mutable_dim(1)->clear_value();
  for (int i = 0; i < 15; ++i)
    shape->add_dim();
  EXPECT_REFUSED(read(model), "onnx.rank-too-high", 65);
  type.mutable_tensor_type()->clear_shape();
  type.mutable_tensor_type()->set_elem_type(77);
  EXPECT_REFUSED(read(model), "onnx.unknown-dtype", 65);
}

TEST(Models, DeclaredSizesAreHeldAgainstTheBudget) {
  pb::ModelProto model = addModel();
  ReadOptions options;
  options.memoryBudget = 1 << 20;
  EXPECT_READS(read(model, options));
  *model.mutable_graph()->mutable_input(0) = value("x", {1 << 20});
  EXPECT_REFUSED(read(model, options), "onnx.memory-budget", 71);
  *model.mutable_graph()->mutable_input(0) =
      value("x", {int64_t(1) << 40, int64_t(1) << 40});
  EXPECT_REFUSED(read(model), "onnx.memory-budget", 71);
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

static pb::ModelProto withAttribute(const pb::AttributeProto &attribute) {
  pb::ModelProto model = addModel();
  *model.mutable_graph()->mutable_node(0)->add_attribute() = attribute;
  return model;
}

TEST(Attributes, Kinds) {
  pb::AttributeProto ints;
  ints.set_name("a");
  ints.set_type(pb::AttributeProto::INTS);
  ints.add_ints(-1);
  ints.add_ints(2);
  Result<Model> model = read(withAttribute(ints));
  ASSERT_READS(model);
  const Attribute *a = model->graph.nodes[0].attribute("a");
  ASSERT_TRUE(a);
  EXPECT_EQ(a->kind, AttrKind::Ints);
  EXPECT_THAT(a->ints, ElementsAre(-1, 2));
  // Without a type, as in IR version 1, the value tells.
  ints.clear_type();
  model = read(withAttribute(ints));
  ASSERT_READS(model);
  EXPECT_EQ(model->graph.nodes[0].attribute("a")->kind, AttrKind::Ints);
  // A proto3 writer leaves out a zero.
  pb::AttributeProto zero;
  zero.set_name("z");
  zero.set_type(pb::AttributeProto::INT);
  EXPECT_READS(read(withAttribute(zero)));
}

TEST(Attributes, KindsThatDoNotFit) {
  pb::AttributeProto attribute;
  attribute.set_name("a");
  EXPECT_REFUSED(read(withAttribute(attribute)), "onnx.attribute-kind", 65);
  attribute.set_type(pb::AttributeProto::FLOAT);
  attribute.set_i(3);
  EXPECT_REFUSED(read(withAttribute(attribute)), "onnx.attribute-kind", 65);
  attribute.set_f(1);
  attribute.clear_type();
  EXPECT_REFUSED(read(withAttribute(attribute)), "onnx.attribute-kind", 65);
  for (auto kind :
       {pb::AttributeProto::TENSOR, pb::AttributeProto::GRAPH,
        pb::AttributeProto::SPARSE_TENSOR, pb::AttributeProto::TYPE_PROTO}) {
    pb::AttributeProto missing;
    missing.set_name("a");
    missing.set_type(kind);
    EXPECT_REFUSED(read(withAttribute(missing)), "onnx.attribute-kind", 65);
  }
}

TEST(Attributes, DuplicatesAndStrayReferences) {
  pb::AttributeProto attribute;
  attribute.set_name("a");
  attribute.set_type(pb::AttributeProto::INT);
  pb::ModelProto twice = withAttribute(attribute);
  *twice.mutable_graph()->mutable_node(0)->add_attribute() = attribute;
  EXPECT_REFUSED(read(twice), "onnx.duplicate-attribute", 65);
  attribute.set_ref_attr_name("b");
  EXPECT_REFUSED(read(withAttribute(attribute)), "onnx.attribute-reference",
                 65);
}

TEST(Attributes, TensorsInAttributesAreChecked) {
  pb::AttributeProto attribute;
  attribute.set_name("value");
  attribute.set_type(pb::AttributeProto::TENSOR);
  *attribute.mutable_t() = rawTensor("", pb::TensorProto::FLOAT, {2}, "1234");
  Result<Model> result = read(withAttribute(attribute));
  EXPECT_REFUSED(result, "onnx.data-size", 65);
  EXPECT_EQ(result.errors()[0].path, "main/add.value");
}
