//===- AttentionTest.cpp - Attention over ragged shapes ---------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels whose body is matmul, softmax, matmul, with the moves around them that
// models have, against the evaluator; the exponential allows no equal bits. Two
// runs split differently must be equal, which expectAgrees checks by both.
//
//===----------------------------------------------------------------------===//
#include "Agree.h"
#include "llvm/Support/FormatVariadic.h"
#include <limits>

using namespace smelt::test;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Case {
  int64_t batch = 2, heads = 3, m, n, d, v;
  bool symbolic = false, causal = false, masked = false, guarded = false;
  enum { Plain, Heads, Fused, Grouped } layout = Plain; // where q, k and v come from
  const char *element = "f32";
};

/// Text of a kernel, op by op.
struct Body {
  std::string text;
  int next = 0;
  std::string op(const std::string &name, const std::string &operands, const std::string &types, const std::string &result,
                 const std::string &attributes = "") {
    std::string value = "%t" + std::to_string(next++);
    text += "    " + value + " = smelt." + name + " " + operands + (attributes.empty() ? "" : " {" + attributes + "}") + " : (" +
            types + ") -> " + result + "\n";
    return value;
  }
};

void runCase(const Case &c, const std::string &target) {
  SCOPED_TRACE(llvm::formatv("batch={0} heads={1} m={2} n={3} d={4} v={5} sym={6} causal={7} mask={8} guard={9} layout={10} {11}",
                             c.batch, c.heads, c.m, c.n, c.d, c.v, c.symbolic, c.causal, c.masked, c.guarded, int(c.layout),
                             c.element).str());
  // Symbols: the batch, queries and keys.
  auto tensor = [&](std::vector<std::string> dims, const std::string &element) {
    std::string shape, exprs;
    bool dynamic = false;
    for (auto &dim : dims) {
      bool isSymbol = c.symbolic && (dim == "B" || dim == "M" || dim == "N");
      int64_t size = dim == "B" ? c.batch : dim == "M" ? c.m : dim == "N" ? c.n : std::stoll(dim);
      shape += (isSymbol ? "?" : std::to_string(size)) + "x";
      exprs += (exprs.empty() ? "" : ", ") + (isSymbol ? (dim == "B" ? "s0" : dim == "M" ? "s1" : "s2") : std::to_string(size));
      dynamic |= isSymbol;
    }
    return "tensor<" + shape + element + (dynamic ? ", #smelt.dims<()[s0, s1, s2] -> (" + exprs + ")>" : "") + ">";
  };
  auto num = [](int64_t x) { return std::to_string(x); };
  std::string t = c.element, h = num(c.heads), d = num(c.d), v = num(c.v), hd = num(c.heads * c.d), hv = num(c.heads * c.v);
  KernelText text;
  text.symbols = "smelt.symbol 0 \"B\" [0, 4096]\nsmelt.symbol 1 \"M\" [0, 4096]\nsmelt.symbol 2 \"N\" [0, 4096]\n";
  Body body;
  std::string q = "%a0", k = "%a1", w = "%a2", qT, kT, vT;
  std::vector<Operand> operands;
  bool transposeK = c.layout != Case::Heads;
  auto add = [&](std::vector<std::string> dims, size_t count, unsigned seed) {
    text.operands.push_back(tensor(dims, t));
    operands.push_back(t == "f16" ? halfFractions(count, seed) : fractions(count, seed));
    return text.operands.back();
  };
  size_t b = c.batch;
  if (c.layout == Case::Plain) {
    qT = add({"B", h, "M", d}, b * c.heads * c.m * c.d, 1);
    kT = add({"B", h, "N", d}, b * c.heads * c.n * c.d, 2);
    vT = add({"B", h, "N", v}, b * c.heads * c.n * c.v, 3);
  } else if (c.layout == Case::Heads) { // [b, s, heads * d], split and transposed
    auto split = [&](const std::string &arg, const char *s, const std::string &size, size_t count, unsigned seed, bool turn) {
      std::string from = add({"B", s, num(c.heads * std::stoll(size))}, count, seed), mid = tensor({"B", s, h, size}, t);
      std::string value = body.op("reshape", arg, from, mid);
      return body.op("transpose", value, mid, turn ? tensor({"B", h, size, s}, t) : tensor({"B", h, s, size}, t),
                     turn ? "perm = array<i64: 0, 2, 3, 1>" : "perm = array<i64: 0, 2, 1, 3>");
    };
    q = split("%a0", "M", d, b * c.m * c.heads * c.d, 1, false);
    k = split("%a1", "N", d, b * c.n * c.heads * c.d, 2, true);
    w = split("%a2", "N", v, b * c.n * c.heads * c.v, 3, false);
    qT = tensor({"B", h, "M", d}, t), kT = tensor({"B", h, d, "N"}, t), vT = tensor({"B", h, "N", v}, t);
  } else if (c.layout == Case::Fused) { // slices of one tensor, m == n and d == v
    std::string from = add({"B", "N", num(3 * c.heads * c.d)}, b * c.n * 3 * c.heads * c.d, 1), part = tensor({"B", "N", hd}, t),
                mid = tensor({"B", "N", h, d}, t), to = tensor({"B", h, "N", d}, t);
    auto slice = [&](int64_t i) {
      std::string value = body.op("slice", "%a0", from, part, "starts = #smelt.dims<() -> (0, 0, " + num(i * c.heads * c.d) +
                                                                  ")>, steps = array<i64: 1, 1, 1>");
      return body.op("transpose", body.op("reshape", value, part, mid), mid, to, "perm = array<i64: 0, 2, 1, 3>");
    };
    q = slice(0), k = slice(1), w = slice(2);
    qT = kT = vT = to;
  } else { // queries in groups of two heads
    std::string from = add({"B", num(2 * c.heads), "M", d}, b * 2 * c.heads * c.m * c.d, 1);
    qT = tensor({"B", h, "2", "M", d}, t);
    q = body.op("reshape", "%a0", from, qT);
    kT = add({"B", h, "1", "N", d}, b * c.heads * c.n * c.d, 2);
    vT = add({"B", h, "1", "N", v}, b * c.heads * c.n * c.v, 3);
  }
  bool grouped = c.layout == Case::Grouped;
  std::string rows = c.layout == Case::Fused ? "N" : "M", qh = grouped ? num(2 * c.heads) : h;
  std::string s = tensor({"B", qh, rows, "N"}, t), row = tensor({"B", qh, rows}, t), row1 = tensor({"B", qh, rows, "1"}, t);
  std::string product = grouped ? tensor({"B", h, "2", rows, "N"}, t) : s;
  std::string x = body.op("matmul", q + ", " + k, qT + ", " + kT, product, transposeK ? "transposeRhs = true" : "");
  if (grouped)
    x = body.op("reshape", x, product, s);
  std::string scalar = "tensor<" + t + ">";
  body.text += "    %scale = smelt.constant(dense<1.25> : " + scalar + ") : " + scalar + "\n";
  x = body.op("mul", x + ", %scale", s + ", " + scalar, s);
  if (c.masked) { // per batch and key; a batch may be masked as a whole
    std::string mask = tensor({"B", "1", "1", "N"}, t);
    std::string argument = "%a" + num(text.operands.size());
    text.operands.push_back(mask);
    Operand bias = integers<float>(b * c.n, 7, 0, 2);
    for (size_t i = 0; i < size_t(b * c.n); ++i) {
      float &value = reinterpret_cast<float *>(bias.bytes.data())[i];
      value = value == 0 || i / std::max<size_t>(c.n, 1) == 1 ? -kInfinity : value;
    }
    operands.push_back(bias);
    x = body.op("add", x + ", " + argument, s + ", " + mask, s);
  }
  if (c.causal) {
    std::string at = tensor({rows, "1"}, "i64"), flat = tensor({rows}, "i64"), keys = tensor({"N"}, "i64"), seen = tensor({rows, "N"}, "i1");
    std::string i = body.op("reshape", body.op("iota", "", "", flat, "axis = 0"), flat, at);
    std::string j = body.op("iota", "", "", keys, "axis = 0");
    std::string allowed = body.op("cmp", i + ", " + j, at + ", " + keys, seen, "kind = 5 : i32");
    body.text += "    %low = smelt.constant(dense<-1000.0> : " + scalar + ") : " + scalar + "\n";
    x = body.op("select", allowed + ", " + x + ", %low", seen + ", " + s + ", " + scalar, s);
  }
  std::string top = body.op("reshape", body.op("reduce", x, s, row, "axes = array<i64: 3>, kind = 2 : i32"), row, row1);
  std::string e = body.op("exp", body.op("sub", x + ", " + top, s + ", " + row1, s), s, s);
  std::string sum = body.op("reshape", body.op("reduce", e, s, row, "axes = array<i64: 3>, kind = 0 : i32"), row, row1);
  std::string p = body.op("div", e + ", " + sum, s + ", " + row1, s);
  if (c.guarded) { // rows without a key are 0
    std::string flag = tensor({"B", qh, rows, "1"}, "i1");
    body.text += "    %lowest = smelt.constant(dense<0xFF800000> : " + scalar + ") : " + scalar + "\n";
    body.text += "    %zero = smelt.constant(dense<0.0> : " + scalar + ") : " + scalar + "\n";
    std::string dead = body.op("cmp", top + ", %lowest", row1 + ", " + scalar, flag, "kind = 0 : i32");
    p = body.op("select", dead + ", %zero, " + p, flag + ", " + scalar + ", " + s, s);
  }
  if (grouped)
    p = body.op("reshape", p, s, product);
  std::string out = grouped ? tensor({"B", h, "2", rows, v}, t) : tensor({"B", h, rows, v}, t);
  std::string y = body.op("matmul", p + ", " + w, product + ", " + vT, out);
  if (c.layout == Case::Heads || c.layout == Case::Fused) {
    std::string turned = tensor({"B", rows, h, v}, t), merged = tensor({"B", rows, hv}, t);
    y = body.op("reshape", body.op("transpose", y, out, turned, "perm = array<i64: 0, 2, 1, 3>"), turned, merged);
    out = merged;
  }
  text.body = body.text + "    smelt.yield " + y + " : " + out;
  text.results = {out};
  if (t == "f16")
    return expectAgrees<_Float16>(text, operands, "attention", target, {c.batch, c.m, c.n}, 2e-3);
  expectAgrees(text, operands, "attention", target, {c.batch, c.m, c.n}, 2e-6);
}

class Attention : public testing::TestWithParam<std::string> {};

TEST_P(Attention, Ragged) {
  for (int64_t m : {1, 5, 12, 31})
    for (int64_t n : {2, 7, 16, 33, 70})
      runCase({.m = m, .n = n, .d = 8, .v = 12}, GetParam());
  for (int64_t d : {1, 3, 16, 20, 64})
    for (int64_t v : {1, 5, 16, 40})
      runCase({.m = 9, .n = 37, .d = d, .v = v}, GetParam());
  runCase({.batch = 1, .heads = 1, .m = 150, .n = 130, .d = 24, .v = 32}, GetParam());
}
TEST_P(Attention, Symbolic) {
  for (int64_t m : {0, 1, 2, 9, 130})
    for (int64_t n : {0, 1, 3, 17, 64, 100})
      runCase({.m = m, .n = n, .d = 16, .v = 24, .symbolic = true, .causal = m == n, .masked = n % 2 == 1}, GetParam());
}
TEST_P(Attention, Layouts) {
  for (bool symbolic : {false, true})
    for (int64_t n : {4, 33}) {
      runCase({.m = 11, .n = n, .d = 16, .v = 16, .symbolic = symbolic, .masked = true, .layout = Case::Heads}, GetParam());
      runCase({.m = n, .n = n, .d = 16, .v = 16, .symbolic = symbolic, .causal = true, .layout = Case::Fused}, GetParam());
      runCase({.m = 7, .n = n, .d = 20, .v = 8, .symbolic = symbolic, .layout = Case::Grouped}, GetParam());
    }
}
TEST_P(Attention, Masks) {
  for (bool guarded : {false, true})
    for (bool causal : {false, true}) {
      runCase({.m = 19, .n = 19, .d = 8, .v = 8, .causal = causal, .masked = true, .guarded = guarded}, GetParam());
      runCase({.m = 19, .n = 40, .d = 8, .v = 8, .symbolic = true, .causal = causal, .masked = true, .guarded = guarded}, GetParam());
    }
}
TEST_P(Attention, Halves) { // computed in f32
  for (bool symbolic : {false, true})
    for (auto layout : {Case::Plain, Case::Heads, Case::Grouped})
      runCase({.m = 13, .n = 37, .d = 16, .v = 24, .symbolic = symbolic, .layout = layout, .element = "f16"}, GetParam());
}
INSTANTIATE_TEST_SUITE_P(Targets, Attention, testing::ValuesIn(runnableTargets()),
                         [](const auto &info) { std::string s = info.param; for (char &ch : s) if (ch == '-') ch = '_'; return s; });

} // namespace
