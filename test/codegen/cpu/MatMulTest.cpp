//===- MatMulTest.cpp - Matrix products over ragged shapes ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Integer-filled data against a plain triple loop, bit for bit, for every way
// in which the family gets at its operands.
//
//===----------------------------------------------------------------------===//
#include "Harness.h"
#include "llvm/Support/FormatVariadic.h"
#include <gtest/gtest.h>

using namespace smelt::test;

namespace {

struct Case {
  std::vector<int64_t> batch = {}; // of the result
  int64_t m, n, k;
  bool constantB = true, transposeA = false, transposeB = false, batchedB = false, symbolicM = false, symbolicN = false,
       symbolicK = false, prologueA = false, prologueB = false;
  enum { None, Bias, Residual, Heavy } epilogue = None;
};

std::string tensorText(const std::vector<int64_t> &sizes, const std::vector<std::string> &names, const char *element) {
  bool dynamic = false;
  std::string shape, exprs;
  for (size_t i = 0; i < sizes.size(); ++i) {
    dynamic |= !names[i].empty();
    shape += (names[i].empty() ? std::to_string(sizes[i]) : "?") + "x";
    exprs += (i ? ", " : "") + (names[i].empty() ? std::to_string(sizes[i]) : names[i]);
  }
  return "tensor<" + shape + element + (dynamic ? ", #smelt.dims<()[s0, s1, s2] -> (" + exprs + ")>" : "") + ">";
}

template <class T, class R> void runCase(const Case &c, const char *element, const char *resultElement,
                                         const std::string &target) {
  if (!isSampled(target))
    return;
  SCOPED_TRACE(llvm::formatv("{0} m={1} n={2} k={3} batch={4} const={5} tA={6} tB={7} bB={8} sym={9}{10}{11} pA={12} pB={13} epi={14} {15}",
                             target, c.m, c.n, c.k, c.batch.size(), c.constantB, c.transposeA, c.transposeB, c.batchedB,
                             c.symbolicM, c.symbolicN, c.symbolicK, c.prologueA, c.prologueB, int(c.epilogue), element)
                   .str());
  std::string sm = c.symbolicM ? "s0" : "", sn = c.symbolicN ? "s1" : "", sk = c.symbolicK ? "s2" : "";
  int64_t batches = 1;
  for (int64_t size : c.batch)
    batches *= size;
  auto shaped = [&](int64_t x, int64_t y, std::string sx, std::string sy, bool withBatch, const char *type) {
    std::vector<int64_t> sizes = withBatch ? c.batch : std::vector<int64_t>();
    std::vector<std::string> names(sizes.size());
    sizes.insert(sizes.end(), {x, y});
    names.insert(names.end(), {sx, sy});
    return tensorText(sizes, names, type);
  };
  std::string a = c.transposeA ? shaped(c.k, c.m, sk, sm, true, element) : shaped(c.m, c.k, sm, sk, true, element);
  std::string b = c.transposeB ? shaped(c.n, c.k, sn, sk, c.batchedB, element) : shaped(c.k, c.n, sk, sn, c.batchedB, element);
  std::string r = shaped(c.m, c.n, sm, sn, true, resultElement);
  std::string bias = tensorText({c.n}, {sn}, resultElement);
  KernelText text;
  text.operands = {a, b, bias, r};
  text.results = {r};
  text.symbols = "smelt.symbol 0 \"M\" [0, 4096]\nsmelt.symbol 1 \"N\" [0, 4096]\nsmelt.symbol 2 \"K\" [0, 4096]\n";
  std::string lhs = "%a0", rhs = "%a1";
  if (c.prologueA) {
    text.body += "    %pa = smelt.add %a0, %a0 : (" + a + ", " + a + ") -> " + a + "\n";
    lhs = "%pa";
  }
  if (c.prologueB) {
    text.body += "    %pb = smelt.neg %a1 : (" + b + ") -> " + b + "\n";
    rhs = "%pb";
  }
  text.body += "    %c = smelt.matmul " + lhs + ", " + rhs + " {transposeLhs = " + (c.transposeA ? "true" : "false") +
               ", transposeRhs = " + (c.transposeB ? "true" : "false") + "} : (" + a + ", " + b + ") -> " + r + "\n";
  std::string out = "%c";
  auto binary = [&](const char *name, const std::string &op, const std::string &x, const std::string &y, const std::string &ty) {
    text.body += std::string("    ") + name + " = smelt." + op + " " + x + ", " + y + " : (" + r + ", " + ty + ") -> " + r + "\n";
    out = name;
  };
  if (c.epilogue != Case::None)
    binary("%e0", "add", "%c", "%a2", bias);
  if (c.epilogue == Case::Residual || c.epilogue == Case::Heavy)
    binary("%e1", "add", "%e0", "%a3", r);
  if (c.epilogue == Case::Heavy) {
    binary("%e2", "max", "%e1", "%a2", bias);
    binary("%e3", "sub", "%e2", "%c", r);
    binary("%e4", "mul", "%e3", "%e3", r);
    binary("%e5", "min", "%e4", "%a3", r);
  }
  text.body += "    smelt.yield " + out + " : " + r;

  size_t bCount = (c.batchedB ? batches : 1) * c.k * c.n;
  GuardedBuffer aData(batches * c.m * c.k * sizeof(T)), bData(bCount * sizeof(T)), biasData(c.n * sizeof(R)),
      residual(batches * c.m * c.n * sizeof(R)), got(batches * c.m * c.n * sizeof(R)), split(batches * c.m * c.n * sizeof(R));
  fillIntegers(aData.as<T>(), batches * c.m * c.k, 1);
  fillIntegers(bData.as<T>(), bCount, 2);
  fillIntegers(biasData.as<R>(), c.n, 3);
  fillIntegers(residual.as<R>(), batches * c.m * c.n, 4);
  std::vector<std::pair<unsigned, std::vector<char>>> constants;
  if (c.constantB)
    constants.push_back({1, std::vector<char>(bData.data(), bData.data() + bData.size())});
  Kernel kernel(text, constants, target);
  ASSERT_EQ(kernel.family(), "matmul");
  ASSERT_EQ(kernel.run({aData.data(), bData.data(), biasData.data(), residual.data(), got.data()}, {c.m, c.n, c.k}), 0);
  kernel.run({aData.data(), bData.data(), biasData.data(), residual.data(), split.data()}, {c.m, c.n, c.k}, 3);
  ASSERT_EQ(std::memcmp(got.data(), split.data(), got.size()), 0) << "depends on the split";

  for (int64_t g = 0; g < batches; ++g)
    for (int64_t i = 0; i < c.m; ++i)
      for (int64_t j = 0; j < c.n; ++j) {
        R sum = 0;
        const T *pa = aData.as<T>() + g * c.m * c.k, *pb = bData.as<T>() + (c.batchedB ? g * c.k * c.n : 0);
        for (int64_t x = 0; x < c.k; ++x)
          sum += R(c.transposeA ? pa[x * c.m + i] : pa[i * c.k + x]) * R(c.transposeB ? pb[j * c.k + x] : pb[x * c.n + j]);
        if (c.prologueA)
          sum *= 2;
        if (c.prologueB)
          sum = -sum;
        R product = sum, bv = biasData.as<R>()[j], rv = residual.as<R>()[(g * c.m + i) * c.n + j];
        if (c.epilogue != Case::None)
          sum += bv;
        if (c.epilogue == Case::Residual || c.epilogue == Case::Heavy)
          sum += rv;
        if (c.epilogue == Case::Heavy) {
          R t = std::max(sum, bv) - product;
          sum = std::min<R>(t * t, rv);
        }
        ASSERT_EQ(got.as<R>()[(g * c.m + i) * c.n + j], sum) << "at " << g << ", " << i << ", " << j;
      }
}

class MatMul : public testing::TestWithParam<std::string> {};

TEST_P(MatMul, RaggedConstantB) {
  for (int64_t m : {1, 3, 7, 8, 15, 17, 33})
    for (int64_t n : {1, 3, 7, 16, 31, 33, 63, 96})
      runCase<float, float>({.m = m, .n = n, .k = 19, .epilogue = Case::Bias}, "f32", "f32", GetParam());
  for (int64_t k : {0, 1, 2, 4, 5, 64})
    runCase<float, float>({.m = 9, .n = 40, .k = k}, "f32", "f32", GetParam());
  runCase<float, float>({.m = 0, .n = 40, .k = 3}, "f32", "f32", GetParam());
  runCase<float, float>({.m = 5, .n = 0, .k = 3, .constantB = false}, "f32", "f32", GetParam());
}
TEST_P(MatMul, Epilogues) {
  for (int64_t m : {1, 8, 13})
    for (int64_t n : {2, 32, 45}) {
      runCase<float, float>({.m = m, .n = n, .k = 24, .epilogue = Case::Residual}, "f32", "f32", GetParam());
      runCase<float, float>({.m = m, .n = n, .k = 24, .epilogue = Case::Heavy}, "f32", "f32", GetParam());
    }
}
TEST_P(MatMul, VariableB) {
  for (int64_t m : {1, 2, 5, 16, 29})
    for (int64_t n : {1, 2, 5, 16, 37, 64})
      for (bool transposed : {false, true})
        runCase<float, float>({.m = m, .n = n, .k = 21, .constantB = false, .transposeB = transposed}, "f32", "f32", GetParam());
}
TEST_P(MatMul, Batches) {
  for (bool transposed : {false, true})
    for (bool batched : {false, true})
      for (bool constant : {false, true})
        for (int64_t m : {1, 5, 20})
          runCase<float, float>({.batch = {2, 3}, .m = m, .n = 35, .k = 17, .constantB = constant, .transposeB = transposed,
                                 .batchedB = batched, .epilogue = Case::Bias}, "f32", "f32", GetParam());
}
TEST_P(MatMul, Symbolic) {
  for (int64_t m : {1, 2, 7, 8, 9, 40})
    for (int64_t n : {1, 31, 64}) {
      runCase<float, float>({.m = m, .n = n, .k = 18, .symbolicM = true, .epilogue = Case::Bias}, "f32", "f32", GetParam());
      runCase<float, float>({.batch = {2}, .m = m, .n = n, .k = 18, .constantB = false, .transposeB = true, .batchedB = true,
                             .symbolicM = true, .symbolicN = true, .symbolicK = true, .epilogue = Case::Residual},
                            "f32", "f32", GetParam());
      runCase<float, float>({.batch = {2}, .m = m, .n = n, .k = 18, .constantB = false, .batchedB = true,
                             .symbolicM = true, .symbolicN = true, .symbolicK = true}, "f32", "f32", GetParam());
    }
}
TEST_P(MatMul, ProloguesAndTransposedA) {
  for (int64_t m : {3, 18}) {
    runCase<float, float>({.m = m, .n = 40, .k = 21, .prologueA = true, .epilogue = Case::Bias}, "f32", "f32", GetParam());
    runCase<float, float>({.batch = {3}, .m = m, .n = 40, .k = 21, .constantB = false, .prologueA = true, .prologueB = true},
                          "f32", "f32", GetParam());
    runCase<float, float>({.m = m, .n = 40, .k = 21, .constantB = false, .transposeB = true, .symbolicM = true,
                           .symbolicK = true, .prologueA = true, .prologueB = true}, "f32", "f32", GetParam());
    runCase<float, float>({.batch = {2}, .m = m, .n = 33, .k = 21, .transposeA = true}, "f32", "f32", GetParam());
  }
}
TEST_P(MatMul, Types) {
  for (int64_t n : {1, 3, 40})
    for (bool transposed : {false, true})
      for (bool constant : {false, true}) {
        Case c{.m = 11, .n = n, .k = 37, .constantB = constant, .transposeB = transposed, .epilogue = Case::Bias};
        runCase<double, double>(c, "f64", "f64", GetParam());
        runCase<_Float16, _Float16>(c, "f16", "f16", GetParam());
        runCase<int8_t, int32_t>(c, "i8", "i32", GetParam());
        runCase<int32_t, int32_t>(c, "i32", "i32", GetParam());
        runCase<int64_t, int64_t>(c, "i64", "i64", GetParam());
      }
}
INSTANTIATE_TEST_SUITE_P(Targets, MatMul, testing::ValuesIn(runnableTargets()),
                         [](const auto &info) { std::string s = info.param; for (char &ch : s) if (ch == '-') ch = '_'; return s; });

} // namespace
