//===- TensorTest.cpp - Every way to store a constant
//----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Raw, typed, packed and sparse data give the bytes that Tensor::data
// promises; sizes, ranges and shapes that don't fit are refused.
//
//===----------------------------------------------------------------------===//
#include "Protos.h"

using namespace smelt::onnx;
using testing::ElementsAre;
using T = pb::TensorProto;

static pb::ModelProto withTensor(pb::TensorProto tensor) {
  pb::ModelProto model = emptyModel();
  *model.mutable_graph()->add_node() = node("Relu", {"x"}, {"y"});
  tensor.set_name("w");
  *model.mutable_graph()->add_initializer() = std::move(tensor);
  return model;
}

static pb::TensorProto typed(int dtype, std::vector<int64_t> dims,
                             std::vector<int32_t> values) {
  pb::TensorProto proto;
  proto.set_data_type(dtype);
  for (int64_t dim : dims)
    proto.add_dims(dim);
  for (int32_t v : values)
    proto.add_int32_data(v);
  return proto;
}

/// The elements of the tensor as E, or none when it was refused.
template <typename E>
static std::vector<E> elements(const pb::TensorProto &tensor) {
  Result<Model> model = read(withTensor(tensor));
  EXPECT_READS(model);
  if (!model)
    return {};
  const Tensor &w = model->graph.initializers.at(0);
  EXPECT_EQ(w.data.size(), size_t(w.elements()) * elementBytes(w.dtype));
  EXPECT_EQ(sizeof(E), elementBytes(w.dtype));
  std::vector<E> out(w.data.size() / sizeof(E));
  if (!out.empty())
    std::memcpy(out.data(), w.data.data(), w.data.size());
  return out;
}

static void refused(const pb::TensorProto &tensor, const char *code,
                    int exitCode = 65) {
  EXPECT_REFUSED(read(withTensor(tensor)), code, exitCode);
}

TEST(Tensors, RawIsTakenAsItIs) {
  EXPECT_THAT(elements<uint16_t>(rawTensor("w", T::FLOAT16, {2},
                                           std::string("\x00\x3c\x00\xc0", 4))),
              ElementsAre(0x3c00, 0xc000));
  EXPECT_THAT(
      elements<uint8_t>(rawTensor("w", T::BOOL, {3}, std::string("\1\0\1", 3))),
      ElementsAre(1, 0, 1));
  refused(rawTensor("w", T::BOOL, {1}, "\x02"), "onnx.bad-bool");
}

TEST(Tensors, PackedElementsTakeOneByteEach) {
  EXPECT_THAT(elements<int8_t>(rawTensor("w", T::INT4, {3}, "\x71\x0f")),
              ElementsAre(1, 7, -1));
  EXPECT_THAT(elements<uint8_t>(rawTensor("w", T::UINT4, {2}, "\xf8")),
              ElementsAre(8, 15));
  EXPECT_THAT(elements<uint8_t>(rawTensor("w", T::FLOAT4E2M1, {2}, "\xa3")),
              ElementsAre(3, 10));
  EXPECT_THAT(elements<int8_t>(rawTensor("w", T::INT2, {5}, "\xe4\x03")),
              ElementsAre(0, 1, -2, -1, -1));
  EXPECT_THAT(elements<uint8_t>(rawTensor("w", T::UINT2, {4}, "\xe4")),
              ElementsAre(0, 1, 2, 3));
  // 0x3f, 0x01, 0x20, 0x15 as a stream of 6 bits, the first in the low ones.
  EXPECT_THAT(elements<uint8_t>(rawTensor("w", T::FLOAT6E2M3, {4},
                                          std::string("\x7f\0\x56", 3))),
              ElementsAre(0x3f, 0x01, 0x20, 0x15));
  // An odd count ends in a half-used byte; one byte more is one too many.
  refused(rawTensor("w", T::INT4, {3}, "\x71"), "onnx.data-size");
  refused(rawTensor("w", T::INT4, {3}, std::string("\x71\x0f\0", 3)),
          "onnx.data-size");
  refused(rawTensor("w", T::FLOAT6E3M2, {3}, "\x71\x0f"), "onnx.data-size");
}

TEST(Tensors, Int32DataHoldsSmallTypes) {
  EXPECT_THAT(elements<int32_t>(typed(T::INT32, {2}, {-5, 1 << 30})),
              ElementsAre(-5, 1 << 30));
  EXPECT_THAT(elements<int8_t>(typed(T::INT8, {2}, {-128, 127})),
              ElementsAre(-128, 127));
  EXPECT_THAT(elements<uint16_t>(typed(T::BFLOAT16, {1}, {0xff80})),
              ElementsAre(0xff80));
  EXPECT_THAT(elements<uint8_t>(typed(T::BOOL, {2}, {1, 0})),
              ElementsAre(1, 0));
  EXPECT_THAT(elements<int8_t>(typed(T::INT4, {3}, {0xf1, 0x07})),
              ElementsAre(1, -1, 7));
  EXPECT_THAT(elements<uint8_t>(typed(T::FLOAT6E3M2, {2}, {63, 1})),
              ElementsAre(63, 1));
  refused(typed(T::INT8, {1}, {128}), "onnx.value-out-of-range");
  refused(typed(T::UINT8, {1}, {-1}), "onnx.value-out-of-range");
  refused(typed(T::BOOL, {1}, {2}), "onnx.value-out-of-range");
  refused(typed(T::FLOAT16, {1}, {65536}), "onnx.value-out-of-range");
  refused(typed(T::UINT4, {2}, {256}), "onnx.value-out-of-range");
  refused(typed(T::INT32, {3}, {1, 2}), "onnx.data-size");
}

TEST(Tensors, OtherTypedFields) {
  pb::TensorProto u32;
  u32.set_data_type(T::UINT32);
  u32.add_dims(1);
  u32.add_uint64_data(4294967295);
  EXPECT_THAT(elements<uint32_t>(u32), ElementsAre(4294967295u));
  u32.set_uint64_data(0, 4294967296);
  refused(u32, "onnx.value-out-of-range");

  pb::TensorProto c64;
  c64.set_data_type(T::COMPLEX64);
  c64.add_dims(1);
  c64.add_float_data(1);
  refused(c64, "onnx.data-size");
  c64.add_float_data(2);
  using Complex = std::array<float, 2>;
  EXPECT_THAT(elements<Complex>(c64), ElementsAre(ElementsAre(1, 2)));

  pb::TensorProto strings;
  strings.set_data_type(T::STRING);
  strings.add_dims(2);
  strings.add_string_data("a");
  refused(strings, "onnx.data-size");
  strings.add_string_data("bc");
  Result<Model> model = read(withTensor(strings));
  ASSERT_READS(model);
  EXPECT_THAT(model->graph.initializers[0].strings, ElementsAre("a", "bc"));
  refused(rawTensor("w", T::STRING, {1}, "a"), "onnx.wrong-data-field");
}

TEST(Tensors, DataInTheWrongPlace) {
  refused(typed(T::FLOAT, {1}, {1}), "onnx.wrong-data-field");
  pb::TensorProto both = typed(T::INT32, {1}, {1});
  both.set_raw_data("abcd");
  refused(both, "onnx.two-data-fields");
  refused(rawTensor("w", T::FLOAT, {2}, "1234"), "onnx.data-size");
  refused(rawTensor("w", 0, {}, "1234"), "onnx.unknown-dtype");
  refused(rawTensor("w", 29, {}, "1234"), "onnx.unknown-dtype");
  pb::TensorProto segment = rawTensor("w", T::UINT8, {}, "1");
  segment.mutable_segment()->set_begin(0);
  refused(segment, "onnx.segment");
}

TEST(Tensors, ShapesOutOfBounds) {
  refused(rawTensor("w", T::UINT8, {-1}, ""), "onnx.dim-out-of-range");
  refused(rawTensor("w", T::UINT8, {(int64_t(1) << 40) + 1}, ""),
          "onnx.dim-out-of-range");
  refused(rawTensor("w", T::UINT8, {int64_t(1) << 40, int64_t(1) << 40}, ""),
          "onnx.dims-overflow");
  // A zero hides no overflow: strides are products too.
  refused(rawTensor("w", T::UINT8, {0, int64_t(1) << 40, int64_t(1) << 40}, ""),
          "onnx.dims-overflow");
  EXPECT_TRUE(elements<float>(rawTensor("w", T::FLOAT, {0, 7}, "")).empty());
  refused(rawTensor("w", T::UINT8, {int64_t(1) << 40}, "a"), "onnx.data-size");
  EXPECT_READS(read(
      withTensor(rawTensor("w", T::UINT8, std::vector<int64_t>(16, 1), "a"))));
  refused(rawTensor("w", T::UINT8, std::vector<int64_t>(17, 1), "a"),
          "onnx.rank-too-high");
}

static pb::ModelProto withSparse(std::vector<int64_t> dims,
                                 std::vector<int64_t> indexDims,
                                 std::vector<int64_t> indices,
                                 std::vector<float> values) {
  pb::ModelProto model = emptyModel();
  *model.mutable_graph()->add_node() = node("Relu", {"x"}, {"y"});
  pb::SparseTensorProto &sparse =
      *model.mutable_graph()->add_sparse_initializer();
  sparse.mutable_values()->set_name("w");
  sparse.mutable_values()->set_data_type(T::FLOAT);
  sparse.mutable_values()->add_dims(int64_t(values.size()));
  for (float v : values)
    sparse.mutable_values()->add_float_data(v);
  sparse.mutable_indices()->set_data_type(T::INT64);
  for (int64_t d : indexDims)
    sparse.mutable_indices()->add_dims(d);
  for (int64_t i : indices)
    sparse.mutable_indices()->add_int64_data(i);
  for (int64_t d : dims)
    sparse.add_dims(d);
  return model;
}

TEST(Tensors, SparseBecomesDense) {
  for (const pb::ModelProto &proto :
       {withSparse({2, 3}, {2}, {1, 5}, {7, 8}),
        withSparse({2, 3}, {2, 2}, {0, 1, 1, 2}, {7, 8})}) {
    Result<Model> model = read(proto);
    ASSERT_READS(model);
    const Tensor &w = model->graph.initializers.at(0);
    EXPECT_TRUE(w.isSparse);
    EXPECT_EQ(w.name, "w");
    std::array<float, 6> got;
    ASSERT_EQ(w.data.size(), sizeof(got));
    std::memcpy(got.data(), w.data.data(), sizeof(got));
    EXPECT_THAT(got, ElementsAre(0, 7, 0, 0, 0, 8));
  }
}

TEST(Tensors, SparseOutOfBounds) {
  EXPECT_REFUSED(read(withSparse({2, 3}, {2}, {1, 6}, {7, 8})),
                 "onnx.sparse-index", 65);
  EXPECT_REFUSED(read(withSparse({2, 3}, {2}, {1, 1}, {7, 8})),
                 "onnx.sparse-index", 65);
  EXPECT_REFUSED(read(withSparse({2, 3}, {2}, {-1, 1}, {7, 8})),
                 "onnx.sparse-index", 65);
  EXPECT_REFUSED(read(withSparse({2, 3}, {2, 2}, {0, 1, 1, 3}, {7, 8})),
                 "onnx.sparse-index", 65);
  EXPECT_REFUSED(read(withSparse({2, 0}, {1}, {0}, {7})), "onnx.sparse-index",
                 65);
  EXPECT_REFUSED(read(withSparse({2, 3}, {3}, {0, 1, 2}, {7, 8})),
                 "onnx.sparse-shape", 65);
  // Two values, a terabyte of zeros.
  EXPECT_REFUSED(read(withSparse({int64_t(1) << 40}, {2}, {0, 1}, {7, 8})),
                 "onnx.memory-budget", 71);
  EXPECT_REFUSED(read(withSparse({int64_t(1) << 40, int64_t(1) << 40}, {2},
                                 {0, 1}, {7, 8})),
                 "onnx.dims-overflow", 65);
}

TEST(Tensors, UnpackingCountsAgainstTheBudget) {
  ReadOptions options;
  options.memoryBudget = 1 << 20;
  pb::TensorProto big =
      rawTensor("w", T::UINT2, {2 << 20}, std::string(512 << 10, '\0'));
  EXPECT_REFUSED(read(withTensor(big), options), "onnx.memory-budget", 71);
  options.memoryBudget = 8 << 20;
  EXPECT_READS(read(withTensor(big), options));
}
