//===- MatrixTest.cpp - ldmatrix, stmatrix, mma -----------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Fragments are filled by the figures of the ISA as tables of this test, element by
// element, so that the interpreter's formulas are not their own witness.
//
//===----------------------------------------------------------------------===//
#include "test/runtime/sim/SimTest.h"
#include <cmath>
#include <ostream>

namespace smelt::sim {
namespace {

TEST(Matrix, LoadsAndStoresOfEightByEight) {
  for (bool transposed : {false, true}) {
    std::string trans = transposed ? ".trans" : "";
    // Lane l puts row l of four matrices there, loads, and stores what it got.
    Fixture f(kernel(R"(
  mov.u32 %r9, buf; mad.lo.u32 %r1, %r0, 16, %r9;
  mul.wide.u32 %rd5, %r0, 16; add.s64 %rd6, %rd0, %rd5; add.s64 %rd7, %rd1, %rd5;
  ld.global.v4.b32 {%r2, %r3, %r4, %r5}, [%rd6];
  st.shared.v4.b32 [%r1], {%r2, %r3, %r4, %r5};
  bar.sync 0;
  ldmatrix.sync.aligned.m8n8.x4)" +
                         trans + R"(.shared.b16 {%r10, %r11, %r12, %r13}, [%r1];
  st.global.v4.b32 [%rd7], {%r10, %r11, %r12, %r13};
  bar.sync 0;
  stmatrix.sync.aligned.m8n8.x4)" +
                         trans + R"(.shared.b16 [%r1], {%r10, %r11, %r12, %r13};
  bar.sync 0;
  ld.shared.v4.b32 {%r2, %r3, %r4, %r5}, [%r1];
  add.s64 %rd8, %rd2, %rd5; st.global.v4.b32 [%rd8], {%r2, %r3, %r4, %r5};)",
                     3, ".shared .align 16 .b8 buf[512];\n", "sm_90"),
              "sm_90");
    std::vector<uint16_t> in(256);
    for (size_t i = 0; i < in.size(); ++i)
      in[i] = uint16_t(i * 7 + 1);
    uint64_t out = f.unwritten(512), back = f.unwritten(512);
    LaunchResult result = f.run({f.buffer(in), out, back});
    expectClean(result);
    std::vector<uint16_t> got = f.read<uint16_t>(out, 256);
    for (unsigned l = 0; l < 32; ++l)
      for (unsigned m = 0; m < 4; ++m)
        for (unsigned half = 0; half < 2; ++half) {
          unsigned row = l / 4, column = 2 * (l % 4) + half;
          if (transposed)
            std::swap(row, column);
          EXPECT_EQ(got[l * 8 + m * 2 + half], in[m * 64 + row * 8 + column]);
        }
    EXPECT_EQ(f.read<uint16_t>(back, 256), in);
  }
}

/// D = A B + C of one shape; the numbers are small integers, so sums are exact.
struct Shape {
  const char *name, *types;
  unsigned m, k, bits; // of an element of A and B
  char kind;           // h f16, b bf16, t tf32, s s8, u u8, d f64
};
void PrintTo(const Shape &s, std::ostream *out) { *out << s.name << '.' << s.types; }
class Products : public testing::TestWithParam<Shape> {};

uint32_t encode(int v, char kind) {
  switch (kind) {
  case 'h': return std::bit_cast<uint16_t>(_Float16(v));
  case 'b': return std::bit_cast<uint32_t>(float(v)) >> 16;
  case 't': return std::bit_cast<uint32_t>(float(v));
  default: return uint32_t(v) & 255;
  }
}

TEST_P(Products, AreThoseOfTheHost) {
  const Shape &s = GetParam();
  unsigned per = 32 / s.bits, na = s.m * s.k / 32 / per, nb = s.k * 8 / 32 / per;
  auto list = [](const char *prefix, unsigned first, unsigned count) {
    std::string text = "{";
    for (unsigned i = 0; i < count; ++i)
      text += (i ? ", " : "") + std::string(prefix) + std::to_string(first + i);
    return text + "}";
  };
  std::string load;
  for (unsigned i = 0; i < na; ++i)
    load += "  ld.global.b32 %r" + std::to_string(10 + i) + ", [%rd6+" + std::to_string(4 * i) + "];\n";
  for (unsigned i = 0; i < nb; ++i)
    load += "  ld.global.b32 %r" + std::to_string(20 + i) + ", [%rd7+" + std::to_string(4 * i) + "];\n";
  bool isInteger = s.kind == 's' || s.kind == 'u';
  const char *c = isInteger ? "%r" : "%f";
  std::string store;
  for (unsigned i = 0; i < 4; ++i) {
    load += std::string("  mov.b32 ") + c + std::to_string(30 + i) + ", " + (isInteger ? "3" : "0f40400000") + ";\n";
    store += "  st.global.b32 [%rd8+" + std::to_string(4 * i) + "], " + c + std::to_string(40 + i) + ";\n";
  }
  Fixture f(kernel(
      "  mul.wide.u32 %rd5, %r0, 16; add.s64 %rd6, %rd0, %rd5; add.s64 %rd7, %rd1, %rd5; add.s64 %rd8, %rd2, %rd5;\n" +
          load + "  mma.sync.aligned." + s.name + ".row.col." + s.types + " " + list(c, 40, 4) + ", " +
          list("%r", 10, na) + ", " + list("%r", 20, nb) + ", " + list(c, 30, 4) + ";\n" + store,
      3));
  ASSERT_TRUE(f.device);
  std::vector<int> a(s.m * s.k), b(s.k * 8);
  for (size_t i = 0; i < a.size(); ++i)
    a[i] = int(i * 5 % 7) - (s.kind == 'u' ? 0 : 3);
  for (size_t i = 0; i < b.size(); ++i)
    b[i] = int(i * 11 % 5) - (s.kind == 'u' ? 0 : 2);
  std::vector<uint32_t> fa(32 * 4), fb(32 * 4);
  for (unsigned l = 0; l < 32; ++l) {
    for (unsigned e = 0; e < na * per; ++e) {
      // A: registers 0 and 1 are rows g and g + 8 of the first half of k, 2 and 3 of the second.
      unsigned reg = e / per, row = l / 4 + (reg % 2 ? 8 : 0), k = (reg / 2) * 4 * per + (l % 4) * per + e % per;
      fa[l * 4 + reg] |= encode(a[row * s.k + k], s.kind) << (e % per * s.bits);
    }
    for (unsigned e = 0; e < nb * per; ++e) {
      unsigned reg = e / per, k = reg * 4 * per + (l % 4) * per + e % per, column = l / 4;
      fb[l * 4 + reg] |= encode(b[k * 8 + column], s.kind) << (e % per * s.bits);
    }
  }
  uint64_t out = f.unwritten(512);
  LaunchResult result = f.run({f.buffer(fa), f.buffer(fb), out});
  expectClean(result);
  EXPECT_EQ(result.counters.tensorFlops, 2ull * s.m * 8 * s.k);
  std::vector<uint32_t> got = f.read<uint32_t>(out, 128);
  for (unsigned l = 0; l < 32; ++l)
    for (unsigned e = 0; e < 4; ++e) {
      unsigned row = l / 4 + 8 * (e / 2), column = 2 * (l % 4) + e % 2;
      int want = 3;
      for (unsigned k = 0; k < s.k; ++k)
        want += a[row * s.k + k] * b[k * 8 + column];
      int found = isInteger ? int(got[l * 4 + e]) : int(std::bit_cast<float>(got[l * 4 + e]));
      EXPECT_EQ(found, want) << "row " << row << ", column " << column;
    }
}
INSTANTIATE_TEST_SUITE_P(Shapes, Products,
                         testing::Values(Shape{"m16n8k16", "f32.f16.f16.f32", 16, 16, 16, 'h'},
                                         Shape{"m16n8k8", "f32.f16.f16.f32", 16, 8, 16, 'h'},
                                         Shape{"m16n8k16", "f32.bf16.bf16.f32", 16, 16, 16, 'b'},
                                         Shape{"m16n8k8", "f32.tf32.tf32.f32", 16, 8, 32, 't'},
                                         Shape{"m16n8k4", "f32.tf32.tf32.f32", 16, 4, 32, 't'},
                                         Shape{"m16n8k32", "s32.s8.s8.s32", 16, 32, 8, 's'},
                                         Shape{"m16n8k16", "s32.u8.u8.s32", 16, 16, 8, 'u'}));

} // namespace
} // namespace smelt::sim
