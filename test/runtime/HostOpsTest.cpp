//===- HostOpsTest.cpp - ZipMap, ToValue, TopK, NonZero, StringLookup ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each op in a hand-assembled program, its results read by the public API.
//
//===----------------------------------------------------------------------===//
#include "Programs.h"
#include <algorithm>
#include <cmath>
#include <random>

using namespace smelt::test;

namespace {

constexpr int64_t f32 = static_cast<int64_t>(DType::F32), i64 = static_cast<int64_t>(DType::I64),
                  str = static_cast<int64_t>(DType::String);

void hostOp(Assembler &a, HostOpCode code, const std::string &name, std::vector<int64_t> words) {
  a.code.insert(a.code.end(), {static_cast<int64_t>(Op::HostOp), static_cast<int64_t>(code), a.text(name),
                               static_cast<int64_t>(words.size())});
  a.code.insert(a.code.end(), words.begin(), words.end());
}

Value valueOf(const Context &c, size_t index) {
  smelt_value *v = nullptr;
  smelt_error err{};
  EXPECT_EQ(smelt_get_output_value(c.get(), index, &v, &err), SMELT_OK) << err.message;
  return Value(v);
}

/// probabilities [2,3] -> a sequence of two maps.
void assembleZipMap(Assembler &a, int64_t keyDType, const std::vector<int64_t> &keys) {
  a.input("p", DType::F32, {2, 3});
  a.output("maps", DType::Undefined, {}, ValueKind::Sequence);
  int64_t two = a.imm(2), three = a.imm(3), table = a.buf(), v = a.val();
  int64_t p = a.inputBuffer(0);
  a.op(Op::Const, {table, a.constant<int64_t>(keys), static_cast<int64_t>(keys.size()) * 8});
  hostOp(a, HostOpCode::ZipMap, "zip", {v, p, f32, 2, two, three, keyDType, table, static_cast<int64_t>(keys.size())});
  a.op(Op::OutputValue, {v, 0});
  a.op(Op::End);
}

TEST(HostOps, ZipMapWithIntegerKeys) {
  Assembler a;
  assembleZipMap(a, i64, {10, -20, 30});
  Module m = open(a.finish());
  Context c = contextOf(m);
  std::vector<float> p = {0.5f, 0.25f, 0.125f, 1, 2, 3};
  smelt_error err{};
  ASSERT_EQ(bindTo(c, 0, {2, 3}, p, &err), SMELT_OK) << err.message;
  ASSERT_EQ(smelt_run(c.get(), &err), SMELT_OK) << err.message;
  Value v = valueOf(c, 0);
  ASSERT_EQ(smelt_value_kind(v.get()), SMELT_SEQUENCE);
  ASSERT_EQ(smelt_value_count(v.get()), 2u);
  const smelt_value *second = smelt_value_element(v.get(), 1);
  ASSERT_EQ(smelt_value_count(second), 3u);
  EXPECT_EQ(smelt_value_map_key_dtype(second), SMELT_I64);
  int64_t key = 0;
  float value = 0;
  EXPECT_EQ(smelt_value_map_key_i64(second, 1, &key), SMELT_OK);
  EXPECT_EQ(smelt_value_map_float(second, 1, &value), SMELT_OK);
  EXPECT_EQ(key, -20);
  EXPECT_EQ(value, 2);
  // The value outlives the context.
  c.reset();
  EXPECT_EQ(smelt_value_map_float(smelt_value_element(v.get(), 0), 2, &value), SMELT_OK);
  EXPECT_EQ(value, 0.125f);
}

TEST(HostOps, ZipMapWithStringKeys) {
  Assembler a;
  int64_t cat = a.text("cat"), dog = a.text("dog"), empty = a.text("");
  assembleZipMap(a, str, {cat, dog, empty});
  Module m = open(a.finish());
  Context c = contextOf(m);
  std::vector<float> p = {1, 2, 3, 4, 5, 6};
  smelt_error err{};
  bindTo(c, 0, {2, 3}, p);
  ASSERT_EQ(smelt_run(c.get(), &err), SMELT_OK) << err.message;
  Value v = valueOf(c, 0);
  size_t size = 9;
  EXPECT_STREQ(smelt_value_map_key_string(smelt_value_element(v.get(), 0), 1, &size), "dog");
  EXPECT_EQ(size, 3u);
  EXPECT_STREQ(smelt_value_map_key_string(smelt_value_element(v.get(), 1), 2, &size), "");
  EXPECT_EQ(smelt_value_map_key_string(smelt_value_element(v.get(), 1), 3, &size), nullptr);
}

TEST(HostOps, ZipMapRefusesBadTables) {
  std::vector<float> p(6);
  smelt_error err{};
  for (auto [dtype, keys, wanted] : {std::tuple<int64_t, std::vector<int64_t>, const char *>{i64, {1, 2}, "floats [N, 2] are wanted"},
                                     {str, {0, 1, 1 << 20}, "the strings have"},
                                     {f32, {1, 2, 3}, "i64 or string are wanted"}}) {
    Assembler a;
    assembleZipMap(a, dtype, keys);
    Module m = open(a.finish());
    Context c = contextOf(m);
    bindTo(c, 0, {2, 3}, p);
    EXPECT_EQ(smelt_run(c.get(), &err), SMELT_BAD_DATA);
    EXPECT_NE(std::string(err.message).find(wanted), std::string::npos) << err.message;
  }
}

TEST(HostOps, StringLookupAndToValue) {
  Assembler a;
  int64_t zero = a.text("zéro"), one = a.text("one");
  a.input("i", DType::I64, {3});
  a.output("names", DType::String, {3});
  a.output("seq", DType::I64, {3}, ValueKind::Tensor);
  int64_t three = a.imm(3), table = a.buf(), v = a.val(), i = a.inputBuffer(0), y = a.buf(), bytes = a.imm(24);
  a.op(Op::Const, {table, a.constant<int64_t>({zero, one}), 16});
  hostOp(a, HostOpCode::StringLookup, "lookup", {v, i, i64, 1, three, table, 2});
  a.op(Op::OutputValue, {v, 0});
  a.op(Op::Output, {y, 1, 1, three});
  a.op(Op::Copy, {y, i, bytes});
  a.op(Op::End);
  Module m = open(a.finish());
  Context c = contextOf(m);
  std::vector<int64_t> indices = {1, 0, 1};
  smelt_error err{};
  ASSERT_EQ(bindTo(c, 0, {3}, indices, &err), SMELT_OK) << err.message;
  ASSERT_EQ(smelt_run(c.get(), &err), SMELT_OK) << err.message;
  Value names = valueOf(c, 0);
  EXPECT_STREQ(smelt_value_string(names.get(), 0, nullptr), "one");
  EXPECT_STREQ(smelt_value_string(names.get(), 1, nullptr), "zéro");
  smelt_tensor t;
  ASSERT_EQ(smelt_value_tensor(names.get(), &t), SMELT_OK);
  EXPECT_EQ(t.dtype, SMELT_STRING);
  EXPECT_EQ(t.dims[0], 3);
  EXPECT_EQ(t.data, nullptr);
  indices[2] = 2;
  EXPECT_EQ(smelt_run(c.get(), &err), SMELT_BAD_DATA);
  EXPECT_STREQ(err.message, "lookup: the index 2 is outside of a table of 2 strings");
}

/// TopK of x [A,B,C] along `axis`.
struct TopK {
  std::vector<float> values;
  std::vector<int64_t> indices;
};
TopK runTopK(std::vector<int64_t> dims, int64_t axis, int64_t k, bool largest, bool sorted, std::vector<float> x) {
  Assembler a;
  a.input("x", DType::F32, dims);
  std::vector<int64_t> out = dims;
  out[axis] = k;
  a.output("values", DType::F32, out);
  a.output("indices", DType::I64, out);
  std::vector<int64_t> rx, ro;
  for (size_t d = 0; d < dims.size(); ++d) {
    rx.push_back(a.imm(dims[d]));
    ro.push_back(a.imm(out[d]));
  }
  int64_t bx = a.inputBuffer(0), bv = a.buf(), bi = a.buf(), rank = static_cast<int64_t>(dims.size());
  for (int64_t o : {0, 1}) {
    a.code.insert(a.code.end(), {static_cast<int64_t>(Op::Output), o ? bi : bv, o, rank});
    a.code.insert(a.code.end(), ro.begin(), ro.end());
  }
  std::vector<int64_t> words = {bx, f32, rank};
  words.insert(words.end(), rx.begin(), rx.end());
  words.insert(words.end(), {bv, f32, rank});
  words.insert(words.end(), ro.begin(), ro.end());
  words.insert(words.end(), {bi, i64, rank});
  words.insert(words.end(), ro.begin(), ro.end());
  words.insert(words.end(), {axis, largest, sorted});
  hostOp(a, HostOpCode::TopK, "topk", words);
  a.op(Op::End);
  Module m = open(a.finish());
  Context c = contextOf(m);
  smelt_error err{};
  EXPECT_EQ(bindTo(c, 0, dims, x, &err), SMELT_OK) << err.message;
  EXPECT_EQ(smelt_run(c.get(), &err), SMELT_OK) << err.message;
  return {outputOf<float>(c, 0), outputOf<int64_t>(c, 1)};
}

TEST(HostOps, TopKOfOneRow) {
  TopK r = runTopK({5}, 0, 3, true, true, {1, 5, -0.0f, 5, 3});
  EXPECT_EQ(r.values, (std::vector<float>{5, 5, 3}));
  EXPECT_EQ(r.indices, (std::vector<int64_t>{1, 3, 4})); // equal: the lower index first
  r = runTopK({5}, 0, 2, false, true, {1, 5, -0.0f, 0.0f, -3});
  EXPECT_EQ(r.indices, (std::vector<int64_t>{4, 2}));
  r = runTopK({3}, 0, 2, true, true, {1, NAN, INFINITY});
  EXPECT_EQ(r.indices, (std::vector<int64_t>{1, 2}));
  EXPECT_TRUE(runTopK({3}, 0, 0, true, true, {1, 2, 3}).values.empty());
}

TEST(HostOps, TopKAgreesWithASort) {
  std::mt19937 random(7);
  for (int round = 0; round < 30; ++round) {
    int64_t outer = 1 + random() % 3, length = 1 + random() % 40, inner = 1 + random() % 4, k = random() % (length + 1);
    bool largest = random() % 2;
    std::vector<float> x(outer * length * inner);
    for (float &f : x)
      f = static_cast<float>(static_cast<int>(random() % 11) - 5);
    TopK r = runTopK({outer, length, inner}, 1, k, largest, true, x);
    TopK unsorted = runTopK({outer, length, inner}, 1, k, largest, false, x);
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < inner; ++i) {
        std::vector<int64_t> order(length), other;
        for (int64_t n = 0; n < length; ++n)
          order[n] = n;
        auto at = [&](int64_t n) { return x[(o * length + n) * inner + i]; };
        std::stable_sort(order.begin(), order.end(),
                         [&](int64_t p, int64_t q) { return largest ? at(p) > at(q) : at(p) < at(q); });
        order.resize(k);
        for (int64_t n = 0; n < k; ++n) {
          EXPECT_EQ(r.indices[(o * k + n) * inner + i], order[n]);
          EXPECT_EQ(r.values[(o * k + n) * inner + i], at(order[n]));
          other.push_back(unsorted.indices[(o * k + n) * inner + i]);
        }
        std::sort(order.begin(), order.end());
        EXPECT_EQ(other, order);
      }
  }
}

TEST(HostOps, NonZeroAllocatesAndCounts) {
  // The result replaces the buffer that was read, as a loop may have it.
  Assembler a;
  a.input("x", DType::F32, {2, 3});
  a.output("y", DType::I64, {2, a.dim("count")});
  int64_t two = a.imm(2), three = a.imm(3), eight = a.imm(8), n = a.reg(), bytes = a.reg(), size = a.imm(24);
  int64_t x = a.inputBuffer(0), t = a.buf(), y = a.buf();
  a.op(Op::Alloc, {t, size});
  a.op(Op::Copy, {t, x, size});
  hostOp(a, HostOpCode::NonZero, "nonzero", {t, f32, 2, two, three, t, n});
  a.op(Op::Output, {y, 0, 2, two, n});
  a.op(Op::Mul, {bytes, n, two});
  a.op(Op::Mul, {bytes, bytes, eight});
  a.op(Op::Copy, {y, t, bytes});
  a.op(Op::End);
  Module m = open(a.finish());
  Context c = contextOf(m);
  smelt_error err{};
  std::vector<float> data = {0, 1, -0.0f, NAN, 0, 2};
  bindTo(c, 0, {2, 3}, data);
  for (int run = 0; run < 2; ++run) {
    ASSERT_EQ(smelt_run(c.get(), &err), SMELT_OK) << err.message;
    EXPECT_EQ(outputOf<int64_t>(c, 0), (std::vector<int64_t>{0, 1, 1, 1, 0, 2}));
  }
  data.assign(6, 0);
  ASSERT_EQ(smelt_run(c.get(), &err), SMELT_OK) << err.message;
  smelt_tensor out;
  ASSERT_EQ(smelt_get_output(c.get(), 0, &out, &err), SMELT_OK);
  EXPECT_EQ(out.dims[1], 0);
}

} // namespace
