//===- WireTest.cpp - Broken protobuf
//--------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the scan refuses before protobuf sees it, with the byte it is at.
//
//===----------------------------------------------------------------------===//
#include "Protos.h"

using namespace smelt::onnx;

TEST(Wire, EmptyFile) { EXPECT_REFUSED(readBytes(""), "onnx.empty-file", 65); }

TEST(Wire, LengthPastTheEndNamesTheByte) {
  std::string bytes = addModel().SerializeAsString();
  bytes.pop_back();
  Result<Model> result = readBytes(bytes);
  EXPECT_REFUSED(result, "onnx.truncated", 65);
  EXPECT_GE(result.errors()[0].offset, 0);
  EXPECT_LT(result.errors()[0].offset, int64_t(bytes.size()));
}

TEST(Wire, HugeLengthAllocatesNothing) {
  // graph (7), length 2^35 - 1.
  EXPECT_REFUSED(readBytes(std::string("\x3a\xff\xff\xff\xff\x7f\x01", 7)),
                 "onnx.truncated", 65);
}

TEST(Wire, NumbersOfMoreThan64Bits) {
  EXPECT_REFUSED(readBytes("\x08" + std::string(9, '\xff') + "\x02"),
                 "onnx.bad-varint", 65);
  EXPECT_REFUSED(readBytes("\x08" + std::string(10, '\xff') + "\x01"),
                 "onnx.bad-varint", 65);
}

TEST(Wire, GroupsAndUnknownWireTypes) {
  for (char tag : {'\x0b', '\x0c', '\x0e', '\x0f'})
    EXPECT_REFUSED(readBytes(std::string(1, tag)), "onnx.wrong-wire-type", 65);
}

TEST(Wire, FieldNumberZero) {
  EXPECT_REFUSED(readBytes(std::string("\x02\x00", 2)), "onnx.bad-tag", 65);
}

TEST(Wire, KnownFieldOfAnotherWireType) {
  // graph as a varint: protobuf would keep it as an unknown field.
  EXPECT_REFUSED(readBytes(addModel().SerializeAsString() + "\x38\x01"),
                 "onnx.wrong-wire-type", 65);
}

TEST(Wire, ASecondGraphIsNotMerged) {
  pb::ModelProto second;
  second.mutable_graph()->set_name("h");
  EXPECT_REFUSED(
      readBytes(addModel().SerializeAsString() + second.SerializeAsString()),
      "onnx.repeated-field", 65);
}

TEST(Wire, UnknownFieldsAreSkipped) {
  // Field 100: a varint, 8 bytes, a string, 4 bytes.
  std::string extra("\xa0\x06\x01\xa1\x06"
                    "12345678\xa2\x06\x03xyz\xa5\x06"
                    "1234",
                    25);
  EXPECT_READS(readBytes(addModel().SerializeAsString() + extra));
}

TEST(Wire, PackedNumbersOfAnOddSize) {
  // A float_data of three bytes.
  pb::ModelProto model = addModel();
  pb::TensorProto *w = model.mutable_graph()->mutable_initializer(0);
  w->clear_float_data();
  std::string bytes = model.SerializeAsString();
  std::string name("\x42\x01w", 3); // the tensor's name, to be followed by more
  size_t at = bytes.find(name);
  ASSERT_NE(at, std::string::npos);
  // doc_string of the same length keeps all outer lengths right.
  w->set_doc_string("abc");
  bytes = model.SerializeAsString();
  at = bytes.find(std::string("\x62\x03"
                              "abc",
                              5));
  ASSERT_NE(at, std::string::npos);
  bytes[at] = '\x22';
  EXPECT_REFUSED(readBytes(bytes), "onnx.wrong-wire-type", 65);
}

TEST(Wire, NestingAndNodeCounts) {
  pb::TypeProto type;
  type.mutable_tensor_type()->set_elem_type(1);
  for (int i = 0; i < 60; ++i) {
    pb::TypeProto outer;
    *outer.mutable_sequence_type()->mutable_elem_type() = type;
    type = outer;
  }
  pb::ModelProto deep = addModel();
  *deep.mutable_graph()->mutable_input(0)->mutable_type() = type;
  EXPECT_REFUSED(read(deep), "onnx.nesting-depth", 65);

  ReadOptions options;
  options.limits.nodes = 3;
  pb::ModelProto wide = addModel();
  for (int i = 0; i < 2; ++i)
    *wide.mutable_graph()->add_node() =
        node("Relu", {"x"}, {"z" + std::to_string(i)});
  EXPECT_READS(read(wide, options));
  *wide.mutable_graph()->add_node() = node("Relu", {"x"}, {"last"});
  EXPECT_REFUSED(read(wide, options), "onnx.too-many-nodes", 65);
}

TEST(Wire, MemoryOfTinyMessagesIsPredicted) {
  // 2 bytes each in the file, hundreds in memory: attributes of a node.
  pb::ModelProto model = addModel();
  for (int i = 0; i < 50000; ++i)
    model.mutable_graph()->mutable_node(0)->add_attribute();
  ReadOptions options;
  options.memoryBudget = 8 << 20;
  EXPECT_LT(model.ByteSizeLong(), 200'000u);
  EXPECT_REFUSED(read(model, options), "onnx.memory-budget", 71);
  // And of messages that nothing uses.
  pb::ModelProto devices = addModel();
  for (int i = 0; i < 200000; ++i)
    devices.add_configuration();
  EXPECT_REFUSED(read(devices, options), "onnx.memory-budget", 71);
  EXPECT_READS(read(addModel(), options));
}

TEST(Wire, FilesOfOtherKindsAreNamed) {
  const std::pair<std::string, const char *> files[] = {
      {"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
       "git lfs pull"},
      {"import torch\nprint('hello')\n", "a text file"},
      {std::string("PK\x03\x04\x14\x00\x08\x08", 8), "a zip archive"},
      {"\x89HDF\r\n\x1a\n", "HDF5"},
      {std::string("\x1c\x00\x00\x00TFL3\x00", 9), "TensorFlow Lite"},
      {std::string("\x10\x00\x00\x00\x00\x00\x00\x00{\"a\":1}", 15),
       "safetensors"},
      {std::string("GGUF\x03\x00\x00\x00", 8), "GGUF"},
  };
  for (const auto &[bytes, what] : files) {
    Result<Model> result = readBytes(bytes);
    EXPECT_EQ(result.exitCode(), 65);
    EXPECT_NE(text(result).find(what), std::string::npos) << text(result);
  }
  EXPECT_REFUSED(readBytes(files[0].first), "onnx.lfs-pointer", 65);
}

TEST(Wire, FilesOverTheLimit) {
  ReadOptions options;
  std::string bytes = addModel().SerializeAsString();
  options.limits.fileBytes = bytes.size();
  EXPECT_READS(readBytes(bytes, options));
  options.limits.fileBytes = bytes.size() - 1;
  EXPECT_REFUSED(readBytes(bytes, options), "onnx.file-too-large", 65);
}
