//===- MatMulRowsTest.cpp - A product and its rows' norm, ragged shapes -----===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels that add a residual to a product, reduce each row twice and use the
// reductions; the residual sum may be a second result. Integer-filled data makes
// every step exact, so the evaluator's bits are wanted.
//
//===----------------------------------------------------------------------===//
#include "Agree.h"
#include "llvm/Support/FormatVariadic.h"

using namespace smelt::test;

namespace {

struct Case {
  std::vector<int64_t> batch = {}; // before the rows
  int64_t m, n, k;
  bool symbolicM = false, transposeB = false, constantB = true, prologueA = false, keepsSum = false, rowResult = false;
};

std::string tensorText(const Case &c, std::vector<int64_t> tail, bool withRows) {
  std::string shape, exprs;
  auto add = [&](int64_t size, bool isSymbol) {
    shape += (isSymbol ? "?" : std::to_string(size)) + "x";
    exprs += (exprs.empty() ? "" : ", ") + (isSymbol ? "s0" : std::to_string(size));
  };
  if (withRows) {
    for (int64_t size : c.batch)
      add(size, false);
    add(c.m, c.symbolicM);
  }
  for (int64_t size : tail)
    add(size, false);
  return "tensor<" + shape + "f32" + (withRows && c.symbolicM ? ", #smelt.dims<()[s0] -> (" + exprs + ")>" : "") + ">";
}

void runCase(const Case &c, const std::string &target) {
  SCOPED_TRACE(llvm::formatv("m={0} n={1} k={2} batch={3} sym={4} tB={5} const={6} pA={7} keeps={8} row={9}", c.m, c.n, c.k,
                             c.batch.size(), c.symbolicM, c.transposeB, c.constantB, c.prologueA, c.keepsSum, c.rowResult)
                   .str());
  std::string a = tensorText(c, {c.k}, true), r = tensorText(c, {c.n}, true), row = tensorText(c, {}, true),
              one = tensorText(c, {1}, true), bias = tensorText(c, {c.n}, false),
              b = c.transposeB ? tensorText(c, {c.n, c.k}, false) : tensorText(c, {c.k, c.n}, false);
  std::string axis = std::to_string(c.batch.size() + 1);
  KernelText text;
  text.symbols = "smelt.symbol 0 \"M\" [0, 4096]\n";
  text.operands = {a, b, bias, r};
  std::string lhs = "%a0";
  if (c.prologueA) {
    text.body += "    %p = smelt.add %a0, %a0 : (" + a + ", " + a + ") -> " + a + "\n";
    lhs = "%p";
  }
  text.body += "    %c = smelt.matmul " + lhs + ", %a1" + (c.transposeB ? " {transposeRhs = true}" : "") + " : (" + a + ", " + b + ") -> " + r +
               "\n    %d = smelt.add %c, %a2 : (" + r + ", " + bias + ") -> " + r +
               "\n    %x = smelt.add %d, %a3 : (" + r + ", " + r + ") -> " + r +
               "\n    %m = smelt.reduce %x {axes = array<i64: " + axis + ">, kind = 2 : i32} : (" + r + ") -> " + row +
               "\n    %m1 = smelt.reshape %m : (" + row + ") -> " + one +
               "\n    %y = smelt.sub %x, %m1 : (" + r + ", " + one + ") -> " + r +
               "\n    %s = smelt.reduce %y {axes = array<i64: " + axis + ">, kind = 0 : i32} : (" + r + ") -> " + row +
               "\n    %s1 = smelt.reshape %s : (" + row + ") -> " + one +
               "\n    %z = smelt.add %y, %s1 : (" + r + ", " + one + ") -> " + r + "\n";
  text.results = {r};
  std::string yields = "%z", types = r;
  auto also = [&](const char *value, const std::string &type) {
    text.results.push_back(type);
    yields += std::string(", ") + value;
    types += ", " + type;
  };
  if (c.keepsSum)
    also("%x", r);
  if (c.rowResult)
    also("%s", row);
  text.body += "    smelt.yield " + yields + " : " + types + "\n";
  size_t rows = c.m;
  for (int64_t size : c.batch)
    rows *= size;
  expectAgrees(text,
               {integers<float>(rows * c.k, 1, -3, 3), integers<float>(c.k * c.n, 2, -3, 3, c.constantB),
                integers<float>(c.n, 3, -8, 8), integers<float>(rows * c.n, 4, -8, 8)},
               "matmulrows", target, {c.m});
}

class MatMulRows : public testing::TestWithParam<std::string> {};

TEST_P(MatMulRows, Ragged) {
  for (int64_t m : {1, 6, 13, 47, 200})
    for (int64_t n : {16, 24, 37, 130})
      for (int64_t k : {1, 64})
        for (bool symbolic : {false, true})
          if (symbolic || m > 1)
            runCase({.m = m, .n = n, .k = k, .symbolicM = symbolic, .keepsSum = (m + n + k) % 2 == 0}, GetParam());
}

TEST_P(MatMulRows, Operands) {
  for (bool symbolic : {false, true}) {
    runCase({.batch = {2, 3}, .m = 11, .n = 40, .k = 20, .symbolicM = symbolic, .prologueA = true, .rowResult = true}, GetParam());
    runCase({.m = 33, .n = 48, .k = 17, .symbolicM = symbolic, .transposeB = true, .keepsSum = true}, GetParam());
    runCase({.m = 33, .n = 50, .k = 17, .symbolicM = symbolic, .transposeB = true, .constantB = false}, GetParam());
    runCase({.m = 33, .n = 50, .k = 17, .symbolicM = symbolic, .constantB = false, .keepsSum = true, .rowResult = true}, GetParam());
    runCase({.m = 0, .n = 50, .k = 17, .symbolicM = true}, GetParam());
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, MatMulRows, testing::ValuesIn(runnableTargets()),
                         [](const auto &info) { std::string s = info.param; for (char &ch : s) if (ch == '-') ch = '_'; return s; });

} // namespace
