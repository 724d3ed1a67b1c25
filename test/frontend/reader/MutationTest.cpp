//===- MutationTest.cpp - Mutants of a good model
//--------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Truncations at every byte, every flipped bit, and seeded heaps of edits of
// a model that holds one of everything. Each ends in a model or in errors of
// a documented code; under the asan preset also without any finding.
//
//===----------------------------------------------------------------------===//
#include "Protos.h"

#include "frontend/onnx/reader/Summary.h"

#include <chrono>
#include <random>

using namespace smelt::onnx;

/// Initializers raw, typed, packed and sparse, an If, a function with a
/// reference, types of all kinds.
static std::string everything() {
  pb::ModelProto model = addModel();
  pb::GraphProto &graph = *model.mutable_graph();
  *graph.add_initializer() =
      rawTensor("i4", pb::TensorProto::INT4, {3}, "\x12\x03");
  *graph.add_initializer() = rawTensor("c", pb::TensorProto::BOOL, {}, "\1");
  pb::SparseTensorProto &sparse = *graph.add_sparse_initializer();
  *sparse.mutable_values() = rawTensor("s", pb::TensorProto::UINT8, {1}, "a");
  *sparse.mutable_indices() = rawTensor("si", pb::TensorProto::INT64, {1},
                                        std::string("\1\0\0\0\0\0\0\0", 8));
  sparse.add_dims(4);
  pb::GraphProto branch;
  branch.set_name("b");
  *branch.add_node() = node("Neg", {"x"}, {"r"});
  branch.add_output()->set_name("r");
  pb::NodeProto choose = node("If", {"c"}, {"z"});
  *choose.add_attribute() = graphAttribute("then_branch", branch);
  *graph.add_node() = choose;
  pb::NodeProto softmax = node("Softmax", {"a"}, {"b"});
  pb::AttributeProto &axis = *softmax.add_attribute();
  axis.set_name("axis");
  axis.set_ref_attr_name("k");
  axis.set_type(pb::AttributeProto::INT);
  pb::FunctionProto &function = *model.add_functions();
  function.set_name("F");
  function.set_domain("f");
  function.add_input("a");
  function.add_output("b");
  function.add_attribute("k");
  *function.add_node() = softmax;
  pb::NodeProto call = node("F", {"x"}, {"fx"});
  call.set_domain("f");
  pb::AttributeProto &k = *call.add_attribute();
  k.set_name("k");
  k.set_type(pb::AttributeProto::INT);
  k.set_i(1);
  *graph.add_node() = call;
  pb::ValueInfoProto &info = *graph.add_value_info();
  info.set_name("z");
  info.mutable_type()
      ->mutable_optional_type()
      ->mutable_elem_type()
      ->mutable_sequence_type()
      ->mutable_elem_type()
      ->mutable_tensor_type()
      ->set_elem_type(1);
  return model.SerializeAsString();
}

namespace {
struct Tally {
  int accepted = 0, refused = 0;
};
} // namespace

/// Reads, inlines and walks; anything but a documented end fails the test.
static void tryRead(const std::string &bytes, Tally &tally) {
  static const ReadOptions options = [] {
    ReadOptions small;
    small.memoryBudget = 64 << 20; // a mutant may ask for gigabytes of zeros
    return small;
  }();
  Result<Model> model = readBytes(bytes, options);
  std::vector<Error> errors;
  if (model)
    errors = inlineFunctions(*model, options);
  else
    errors = model.errors();
  if (errors.empty()) {
    ++tally.accepted;
    EXPECT_GE(summarize(*model).nodes, 0);
    for (const Node &node : model->graph.nodes)
      EXPECT_FALSE(node.path().empty());
    return;
  }
  ++tally.refused;
  for (const Error &error : errors) {
    EXPECT_TRUE(error.exitCode == 65 || error.exitCode == 66 ||
                error.exitCode == 69 || error.exitCode == 71 ||
                error.exitCode == 77)
        << error.str();
    EXPECT_FALSE(error.code.empty() || error.message.empty());
    // The scan is at least as strict as protobuf.
    EXPECT_NE(error.code, "onnx.bad-protobuf");
  }
}

TEST(Mutants, TheOriginalIsAccepted) {
  Tally tally;
  tryRead(everything(), tally);
  EXPECT_EQ(tally.accepted, 1);
}

TEST(Mutants, TruncatedAtEveryByte) {
  std::string bytes = everything();
  Tally tally;
  for (size_t size = 0; size < bytes.size(); ++size)
    tryRead(bytes.substr(0, size), tally);
  // Fields behind the graph may be missing as a whole; all other ends are
  // inside of something.
  EXPECT_LE(tally.accepted, 2);
  EXPECT_EQ(size_t(tally.accepted + tally.refused), bytes.size());
}

TEST(Mutants, EveryFlippedBit) {
  std::string bytes = everything();
  Tally tally;
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string mutant = bytes;
    mutant[bit / 8] ^= char(1 << bit % 8);
    tryRead(mutant, tally);
  }
  EXPECT_GT(tally.accepted, 100); // flips within data and names
  EXPECT_GT(tally.refused, 1000);
}

TEST(Mutants, HeapsOfEdits) {
  const std::string original = everything();
  std::mt19937 random(20240229);
  auto below = [&](size_t n) { return size_t(random() % n); };
  static const unsigned char interesting[] = {0x00, 0x01, 0x7f, 0x80,
                                              0xff, 0x0a, 0x12, 0x2a};
  Tally tally;
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for (int round = 0; round < 60'000 && std::chrono::steady_clock::now() < end;
       ++round) {
    std::string mutant = original;
    for (size_t edits = 1 + below(6); edits-- > 0 && !mutant.empty();) {
      size_t at = below(mutant.size());
      size_t size = std::min(1 + below(24), mutant.size() - at);
      switch (below(5)) {
      case 0:
        mutant[at] = char(random());
        break;
      case 1:
        mutant[at] = char(interesting[below(std::size(interesting))]);
        break;
      case 2:
        mutant.erase(at, size);
        break;
      case 3:
        mutant.insert(below(mutant.size()), mutant.substr(at, size));
        break;
      case 4:
        mutant.replace(at, size, mutant.substr(below(mutant.size()), size));
        break;
      }
    }
    tryRead(mutant, tally);
  }
  EXPECT_GT(tally.accepted, 0);
  EXPECT_GT(tally.refused, 1000);
}
