//===- CompareTest.cpp - The comparator catches what it must ------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The rule itself at its edges, then seeded mutants: a comparator that misses
// one of them would let wrong results pass everywhere.
//
//===----------------------------------------------------------------------===//
#include "Files.h"
#include "runtime/compare/Compare.h"
#include <cmath>
#include <random>

using namespace smelt::test;

namespace {

ValueRef floats(std::vector<float> values, std::vector<int64_t> dims = {}) {
  if (dims.empty())
    dims = {static_cast<int64_t>(values.size())};
  ValueRef v = makeTensor(DType::F32, static_cast<int64_t>(dims.size()), dims.data());
  memcpy(v->data, values.data(), values.size() * 4);
  return v;
}

struct Verdict {
  bool isSame;
  std::string report;
};
Verdict compare(const ValueRef &got, const ValueRef &wanted, ToleranceChoice choice = {}) {
  smelt::rt::String report;
  bool isSame = compareValues("y", *got.get(), *wanted.get(), choice, report);
  return {isSame, report.c_str()};
}

TEST(Compare, TheLimitIsRtolTimesReferencePlusAtolTimesRms) {
  // rms of {3, 4} is sqrt(12.5); the limit at 4 is 1e-5 * rms + 1e-4 * 4.
  double rms = std::sqrt(12.5), limit = 1e-5 * rms + 4e-4;
  double wanted[] = {3, 4}, inside[] = {3, 4 + 0.999 * limit}, outside[] = {3, 4 + 1.001 * limit};
  Tolerance t = defaultTolerance(DType::F64);
  Comparison c = compareElements(DType::F64, inside, wanted, 2, t);
  EXPECT_TRUE(c.isSame);
  EXPECT_NEAR(c.rms, rms, 1e-12);
  EXPECT_NEAR(c.worstRatio, 0.999, 1e-6);
  EXPECT_EQ(c.worst, 1u);
  c = compareElements(DType::F64, outside, wanted, 2, t);
  EXPECT_FALSE(c.isSame);
  EXPECT_EQ(c.wrong, 1u);
  // The tolerance is measured by the reference, not by what was computed.
  EXPECT_FALSE(compareElements(DType::F64, wanted, std::vector<double>{3, 0}.data(), 2, t).isSame);
}

TEST(Compare, TheCosineMustHoldToo) {
  // Each element within a wide tolerance, yet the direction is off.
  std::vector<double> wanted(100, 1.0), got(100);
  for (int i = 0; i < 100; ++i)
    got[i] = i % 2 ? 1.09 : 0.91;
  Tolerance wide{0.1, 0, 0.99999};
  Comparison c = compareElements(DType::F64, got.data(), wanted.data(), 100, wide);
  EXPECT_EQ(c.wrong, 0u);
  EXPECT_TRUE(c.cosineFailed);
  EXPECT_FALSE(c.isSame);
  EXPECT_NEAR(c.cosine, 1 / std::sqrt(1 + 0.09 * 0.09), 1e-9);
}

TEST(Compare, NanAndInfinityMatchBothWays) {
  float inf = INFINITY;
  EXPECT_TRUE(compare(floats({NAN, inf, -inf, 1}), floats({-NAN, inf, -inf, 1})).isSame);
  EXPECT_FALSE(compare(floats({NAN, 1}), floats({1, 1})).isSame);
  EXPECT_FALSE(compare(floats({1, 1}), floats({NAN, 1})).isSame);
  EXPECT_FALSE(compare(floats({inf, 1}), floats({-inf, 1})).isSame);
  EXPECT_FALSE(compare(floats({3e38f, 1}), floats({inf, 1})).isSame);
  EXPECT_FALSE(compare(floats({inf, 1}), floats({3e38f, 1})).isSame);
  EXPECT_FALSE(compare(floats({NAN, 1}), floats({inf, 1})).isSame);
}

TEST(Compare, ZerosAndEmptyTensors) {
  EXPECT_TRUE(compare(floats({0, -0.0f}), floats({-0.0f, 0})).isSame);
  EXPECT_FALSE(compare(floats({1e-30f, 0}), floats({0, 0})).isSame) << "all zeros leave no tolerance";
  EXPECT_FALSE(compare(floats({0, 0}), floats({1e-30f, 0})).isSame);
  int64_t none[] = {0, 3};
  ValueRef a = makeTensor(DType::F32, 2, none), b = makeTensor(DType::F32, 2, none);
  EXPECT_TRUE(compare(a, b).isSame);
}

TEST(Compare, IntegersAreExactWhateverTheTolerance) {
  ToleranceChoice wide;
  wide.hasRtol = wide.hasAtol = true;
  wide.given = {10, 10, 0};
  for (DType dtype : {DType::I64, DType::U8, DType::Bool, DType::I4, DType::F8E4M3FN}) {
    ValueRef a = sample(dtype, {4}), b = sample(dtype, {4});
    EXPECT_TRUE(compare(a, b, wide).isSame);
    static_cast<uint8_t *>(a->data)[0] ^= 1;
    Verdict v = compare(a, b, wide);
    EXPECT_FALSE(v.isSame) << name(dtype);
    EXPECT_NE(v.report.find("y: DIFFERS: 1 of 4 elements; worst [0]"), std::string::npos) << v.report;
  }
  // 64-bit integers that a double cannot tell apart.
  int64_t big = (int64_t(1) << 60) + 1, next = big + 1;
  EXPECT_FALSE(compareElements(DType::I64, &big, &next, 1, defaultTolerance(DType::I64)).isSame);
}

TEST(Compare, ShapesAndDTypes) {
  EXPECT_NE(compare(floats({1, 2}, {1, 2}), floats({1, 2}, {2, 1})).report.find("the shape is 1x2, 2x1 is wanted"), std::string::npos);
  EXPECT_NE(compare(floats({1}, {1}), sample(DType::F64, {1})).report.find("the dtype is f32, f64 is wanted"), std::string::npos);
  Verdict v = compare(floats({1, 2, 3, 5, 5, 6}, {2, 3}), floats({1, 2, 3, 4, 5, 6}, {2, 3}));
  EXPECT_NE(v.report.find("worst [1,0] is 5, 4 is wanted"), std::string::npos) << v.report;
}

TEST(Compare, SequencesMapsAndStrings) {
  auto map = [](std::vector<std::pair<int64_t, float>> entries) {
    ValueRef m(smelt_value_create_map(SMELT_I64));
    for (auto &[key, value] : entries)
      smelt_value_map_add_float(m.get(), &key, 8, value);
    return m;
  };
  EXPECT_TRUE(compare(map({{1, 0.5f}, {2, 0.25f}}), map({{2, 0.25f}, {1, 0.5f}})).isSame) << "maps have no order";
  EXPECT_FALSE(compare(map({{1, 0.5f}, {2, 0.25f}}), map({{1, 0.25f}, {2, 0.5f}})).isSame);
  EXPECT_NE(compare(map({{1, 0.5f}}), map({{3, 0.5f}})).report.find("y[3]: DIFFERS: the key is missing"), std::string::npos);
  EXPECT_FALSE(compare(map({{1, 0.5f}}), map({})).isSame);
  ValueRef s(smelt_value_create_sequence()), t(smelt_value_create_sequence());
  smelt_value_append(s.get(), floats({1}).get());
  smelt_value_append(t.get(), floats({2}).get());
  EXPECT_NE(compare(s, t).report.find("y[0]: DIFFERS"), std::string::npos);
  EXPECT_FALSE(compare(s, floats({1})).isSame);
  const char *ab[] = {"a", "b"}, *ac[] = {"a", "c"};
  int64_t two[] = {2};
  ValueRef u(smelt_value_create_strings(1, two, ab, nullptr)), w(smelt_value_create_strings(1, two, ac, nullptr));
  EXPECT_TRUE(compare(u, u).isSame);
  EXPECT_NE(compare(u, w).report.find("string 1 is 'b', 'c' is wanted"), std::string::npos);
}

/// Mistakes a compiler makes, each on random data: every one must be seen.
TEST(Compare, CatchesSeededMutants) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  const int n = 24, m = 16;
  using Mutation = void (*)(std::vector<float> &, std::mt19937 &);
  struct {
    const char *name;
    Mutation mutate;
  } mutants[] = {
      {"one element is another", [](std::vector<float> &y, std::mt19937 &r) { y[r() % y.size()] += 0.01f; }},
      {"one element is NaN", [](std::vector<float> &y, std::mt19937 &r) { y[r() % y.size()] = NAN; }},
      {"one element is infinite", [](std::vector<float> &y, std::mt19937 &r) { y[r() % y.size()] = INFINITY; }},
      {"two elements are swapped", [](std::vector<float> &y, std::mt19937 &r) { size_t i = r() % (y.size() - 1); std::swap(y[i], y[i + 1]); }},
      {"the last row is not written", [](std::vector<float> &y, std::mt19937 &) { std::fill(y.end() - m, y.end(), 0.0f); }},
      {"transposed", [](std::vector<float> &y, std::mt19937 &) { auto x = y; for (int i = 0; i < n; ++i) for (int k = 0; k < m; ++k) y[k * n + i] = x[i * m + k]; }},
      {"shifted by one", [](std::vector<float> &y, std::mt19937 &) { std::rotate(y.begin(), y.begin() + 1, y.end()); }},
      {"scaled by 1.001", [](std::vector<float> &y, std::mt19937 &) { for (float &f : y) f *= 1.001f; }},
      {"a bias of 0.001", [](std::vector<float> &y, std::mt19937 &) { for (float &f : y) f += 0.001f; }},
      {"computed in bf16", [](std::vector<float> &y, std::mt19937 &) { for (float &f : y) f = bf16ToFloat(floatToBf16(f)); }},
      {"a sign is lost", [](std::vector<float> &y, std::mt19937 &) { for (float &f : y) f = std::fabs(f); }},
      {"clamped at 1", [](std::vector<float> &y, std::mt19937 &) { for (float &f : y) f = std::min(f, 1.0f); }},
  };
  for (auto &mutant : mutants)
    for (int round = 0; round < 50; ++round) {
      std::vector<float> wanted(n * m);
      for (float &f : wanted)
        f = normal(random);
      std::vector<float> got = wanted;
      for (float &f : got) // the rounding that must be accepted
        f *= 1 + 1e-6f * normal(random);
      ASSERT_TRUE(compare(floats(got, {n, m}), floats(wanted, {n, m})).isSame);
      mutant.mutate(got, random);
      EXPECT_FALSE(compare(floats(got, {n, m}), floats(wanted, {n, m})).isSame) << mutant.name << ", round " << round;
    }
}

} // namespace
