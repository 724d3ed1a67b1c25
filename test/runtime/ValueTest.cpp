//===- ValueTest.cpp - Host values, element types, memory and small parts ------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The parts below the interpreter, each on its own.
//
//===----------------------------------------------------------------------===//
#include "Programs.h"
#include "runtime/core/Memory.h"
#include "runtime/core/Value.h"
#include <cmath>

using namespace smelt::test;
using namespace smelt::rt;
using smelt::test::Value;

namespace {

TEST(Support, StringsGrowAndFormat) {
  smelt::rt::String s;
  EXPECT_STREQ(s.c_str(), "");
  EXPECT_TRUE(s.appendf("%d-%s", 7, "x"));
  for (int i = 0; i < 1000; ++i)
    ASSERT_TRUE(s.append("ab"));
  EXPECT_EQ(s.size(), 2003u);
  EXPECT_EQ(strlen(s.c_str()), 2003u);
  EXPECT_FALSE(s.append("x", SIZE_MAX / 2));
  EXPECT_EQ(s.size(), 2003u);
}

TEST(Support, VectorsMoveTheirItems) {
  Vec<smelt::rt::String> v;
  for (int i = 0; i < 100; ++i) {
    smelt::rt::String s;
    ASSERT_TRUE(s.appendf("%d", i));
    ASSERT_TRUE(v.push(std::move(s)));
  }
  EXPECT_STREQ(v[99].c_str(), "99");
  Vec<smelt::rt::String> w = std::move(v);
  EXPECT_TRUE(v.empty());
  EXPECT_EQ(w.size(), 100u);
  EXPECT_FALSE(w.reserve(SIZE_MAX / 2));
}

TEST(Support, MessagesAreOneLine) {
  smelt_error err;
  EXPECT_EQ(fail(&err, 65, "a\nb\x1b[31m%s", std::string(1000, 'z').c_str()), 65);
  EXPECT_EQ(std::string(err.message).substr(0, 9), "a?b?[31mz");
  EXPECT_EQ(strlen(err.message), 511u);
  EXPECT_EQ(fail(nullptr, 70, "nobody looks"), 70);
}

TEST(DTypes, HalvesRoundTrip) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    float f = halfToFloat(static_cast<uint16_t>(bits));
    if (std::isnan(f))
      EXPECT_TRUE(std::isnan(halfToFloat(floatToHalf(f))));
    else
      EXPECT_EQ(floatToHalf(f), bits);
    float g = bf16ToFloat(static_cast<uint16_t>(bits));
    if (std::isnan(g))
      EXPECT_TRUE(std::isnan(bf16ToFloat(floatToBf16(g))));
    else
      EXPECT_EQ(floatToBf16(g), bits);
  }
  EXPECT_EQ(floatToHalf(65520.0f), 0x7c00); // rounds to infinity
  EXPECT_EQ(floatToHalf(65519.0f), 0x7bff);
  EXPECT_EQ(floatToHalf(1.0f + 1.0f / 2048), 0x3c00); // a tie, to even
  EXPECT_EQ(floatToHalf(1.0f + 3.0f / 2048), 0x3c02);
  EXPECT_EQ(floatToHalf(std::ldexp(1.0f, -25)), 0);
  EXPECT_EQ(floatToHalf(std::ldexp(1.5f, -25)), 1);
  EXPECT_EQ(floatToBf16(3.4e38f), 0x7f80);
}

TEST(DTypes, SmallFloatsAreDecoded) {
  struct {
    DType dtype;
    uint8_t bits;
    double value;
  } cases[] = {{DType::F8E4M3FN, 0x7e, 448}, {DType::F8E4M3FN, 0x01, 1.0 / 512}, {DType::F8E4M3FN, 0xb8, -1},
               {DType::F8E4M3FNUZ, 0x7f, 240}, {DType::F8E5M2, 0x7b, 57344}, {DType::F8E5M2, 0x7c, INFINITY},
               {DType::F8E5M2, 0xfc, -INFINITY}, {DType::F8E5M2FNUZ, 0x7f, 57344}, {DType::F8E8M0, 127, 1},
               {DType::F8E8M0, 130, 8}, {DType::F4E2M1, 7, 6}, {DType::F4E2M1, 9, -0.5}, {DType::F4E2M1, 3, 1.5}};
  for (auto &c : cases)
    EXPECT_EQ(loadDouble(c.dtype, &c.bits, 0), c.value) << name(c.dtype) << " " << int(c.bits);
  uint8_t nan[] = {0x7f, 0x80, 0x7d, 0xff};
  EXPECT_TRUE(std::isnan(loadDouble(DType::F8E4M3FN, nan, 0)));
  EXPECT_TRUE(std::isnan(loadDouble(DType::F8E4M3FNUZ, nan, 1)));
  EXPECT_TRUE(std::isnan(loadDouble(DType::F8E5M2, nan, 2)));
  EXPECT_TRUE(std::isnan(loadDouble(DType::F8E8M0, nan, 3)));
}

TEST(DTypes, SizesAreChecked) {
  int64_t bytes, zero[] = {0, int64_t(1) << 41}, big[] = {int64_t(1) << 40, int64_t(1) << 40}, fine[] = {0, 7};
  EXPECT_FALSE(byteSize(DType::F32, 2, zero, bytes));
  EXPECT_FALSE(byteSize(DType::F32, 2, big, bytes));
  EXPECT_FALSE(byteSize(DType::F32, 17, big, bytes));
  EXPECT_TRUE(byteSize(DType::F32, 2, fine, bytes));
  EXPECT_EQ(bytes, 0);
  EXPECT_EQ(dtypeByName("bf16", 4), DType::BF16);
  EXPECT_EQ(dtypeByName("bf1", 3), DType::Undefined);
  EXPECT_STREQ(smelt_dtype_name(SMELT_F8E4M3FN), "f8E4M3FN");
  EXPECT_EQ(smelt_dtype_size(static_cast<smelt_dtype>(99)), 0u);
}

TEST(Memory, ThePoolReusesBlocks) {
  Memory memory;
  memory.configure({}, 1 << 20);
  BlockPool pool;
  int32_t a, b, c;
  ASSERT_EQ(pool.take(memory, 1000, a, nullptr), SMELT_OK);
  uint8_t *first = pool.data(a);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 64, 0u);
  ASSERT_EQ(pool.take(memory, 1000, b, nullptr), SMELT_OK);
  EXPECT_NE(pool.data(b), first);
  pool.give(a);
  ASSERT_EQ(pool.take(memory, 900, c, nullptr), SMELT_OK);
  EXPECT_EQ(pool.data(c), first);
  pool.giveAll();
  // A small tensor does not take a large block; a large one frees what is free.
  uint64_t before = memory.now();
  ASSERT_EQ(pool.take(memory, 10, a, nullptr), SMELT_OK);
  EXPECT_GT(memory.now(), before);
  pool.giveAll();
  ASSERT_EQ(pool.take(memory, (1 << 20) - 100, a, nullptr), SMELT_OK);
  EXPECT_EQ(pool.take(memory, 1 << 20, b, nullptr), SMELT_NO_MEMORY);
  pool.release(memory);
  EXPECT_EQ(memory.now(), 0u);
  EXPECT_GT(memory.peak(), 1000000u);
}

TEST(Values, MapsHoldFloatsOrTensors) {
  Value map(smelt_value_create_map(SMELT_STRING));
  ASSERT_EQ(smelt_value_map_add_float(map.get(), "one", 3, 1), SMELT_OK);
  float f = 2;
  smelt_tensor t{SMELT_F32, 0, nullptr, &f, 4};
  Value tensor(smelt_value_create_tensor(&t));
  EXPECT_EQ(smelt_value_map_add(map.get(), "two", 3, tensor.get()), SMELT_USAGE);
  EXPECT_EQ(smelt_value_count(map.get()), 1u);
  EXPECT_EQ(smelt_value_map_key_dtype(map.get()), SMELT_STRING);
  EXPECT_EQ(smelt_value_map_key_dtype(tensor.get()), SMELT_UNDEFINED);
  int64_t key;
  EXPECT_EQ(smelt_value_map_key_i64(map.get(), 0, &key), SMELT_USAGE);
  EXPECT_EQ(smelt_value_create_map(SMELT_F32), nullptr);
}

TEST(Values, WrongKindsAndCyclesAreRefused) {
  Value sequence(smelt_value_create_sequence()), inner(smelt_value_create_sequence());
  ASSERT_EQ(smelt_value_append(sequence.get(), inner.get()), SMELT_OK);
  EXPECT_EQ(smelt_value_append(inner.get(), sequence.get()), SMELT_USAGE);
  EXPECT_EQ(smelt_value_append(inner.get(), inner.get()), SMELT_USAGE);
  EXPECT_EQ(smelt_value_element(sequence.get(), 1), nullptr);
  EXPECT_EQ(smelt_value_string(sequence.get(), 0, nullptr), nullptr);
  smelt_tensor t;
  EXPECT_EQ(smelt_value_tensor(sequence.get(), &t), SMELT_USAGE);
  Value none(smelt_value_create_optional(nullptr)), some(smelt_value_create_optional(inner.get()));
  EXPECT_EQ(smelt_value_count(none.get()), 0u);
  EXPECT_EQ(smelt_value_element(some.get(), 0), inner.get());
  int64_t dims[] = {2}, bad[] = {-1};
  smelt_tensor zeros{SMELT_I64, 1, dims, nullptr, 0}, wrong{SMELT_I64, 1, bad, nullptr, 0}, size{SMELT_I64, 1, dims, dims, 8};
  Value z(smelt_value_create_tensor(&zeros));
  ASSERT_EQ(smelt_value_tensor(z.get(), &t), SMELT_OK);
  EXPECT_EQ(static_cast<int64_t *>(t.data)[1], 0);
  EXPECT_EQ(smelt_value_create_tensor(&wrong), nullptr);
  EXPECT_EQ(smelt_value_create_tensor(&size), nullptr);
}

} // namespace
