//===- AluTest.cpp - Arithmetic, logic and conversions ----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One instruction over 32 lanes against the same function of the host.
//
//===----------------------------------------------------------------------===//
#include "test/runtime/sim/SimTest.h"
#include <bit>
#include <cfenv>
#include <cmath>
#include <functional>
#include <limits>

namespace smelt::sim {
namespace {

using Words = std::vector<uint64_t>;

/// Values with the corners of their type in front.
Words numbers(unsigned bits, uint64_t seed) {
  Words made = {0, 1, ~0ull, uint64_t(1) << (bits - 1), (uint64_t(1) << (bits - 1)) - 1, 2, 31, 32, 63, 64, 5, 0x80};
  uint64_t state = seed;
  while (made.size() < 32) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    made.push_back(state >> (made.size() % 3 ? 7 : 40));
  }
  for (uint64_t &v : made)
    v &= bits == 64 ? ~0ull : (1ull << bits) - 1;
  std::rotate(made.begin(), made.begin() + long(seed % 12), made.end());
  return made;
}
/// Floats with zeros, infinities, NaN and subnormals in front.
Words floats(uint64_t seed, bool isDouble = false) {
  std::vector<double> values = {0.0,    -0.0,   1,   -1,  INFINITY, -INFINITY, NAN,  1e-40,
                                -1e-42, 3.4e38, 0.5, 2.5, 3.5,      -2.5,      1e-3, 1e10};
  uint64_t state = seed;
  while (values.size() < 32) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    values.push_back(std::ldexp(double(int64_t(state >> 11)) / 9e15, int(state >> 60) - 8));
  }
  std::rotate(values.begin(), values.begin() + long(seed % 16), values.end());
  Words made;
  for (double v : values)
    made.push_back(isDouble ? std::bit_cast<uint64_t>(v) : std::bit_cast<uint32_t>(float(v)));
  return made;
}
float f32(uint64_t bits) { return std::bit_cast<float>(uint32_t(bits)); }
uint64_t bits(float v) { return std::bit_cast<uint32_t>(v); }
double f64(uint64_t b) { return std::bit_cast<double>(b); }

struct Op {
  std::string text;  // $d, $a, $b, $c are the registers
  unsigned to, from; // widths in bits
  Words a, b, c;
  std::function<uint64_t(uint64_t, uint64_t, uint64_t)> wanted;
  bool isFloat = false; // NaNs are alike
  double ulps = 0;
  const char *target = "sm_80";
};

std::string registerOf(unsigned width, int number) {
  return (width == 16 ? "%h" : width == 32 ? "%r" : "%rd") + std::to_string(number);
}

void check(const Op &op) {
  SCOPED_TRACE(op.text);
  std::string text;
  for (int k = 0; k < 3; ++k)
    text += "  mul.wide.u32 %rd20, %r0, 8; add.s64 %rd21, %rd" + std::to_string(k + 1) + ", %rd20; ld.global.b" +
            std::to_string(op.from) + " " + registerOf(op.from, 10 + k) + ", [%rd21];\n";
  std::string line = op.text;
  for (auto [mark, name] : {std::pair("$d", registerOf(op.to, 13)),
                            {"$a", registerOf(op.from, 10)},
                            {"$b", registerOf(op.from, 11)},
                            {"$c", registerOf(op.from, 12)}})
    for (size_t at; (at = line.find(mark)) != std::string::npos;)
      line.replace(at, 2, name);
  text += "  " + line + "\n  add.s64 %rd22, %rd0, %rd20; st.global.b" + std::to_string(op.to) + " [%rd22], " +
          registerOf(op.to, 13) + ";\n";
  std::string whole = kernel(text);
  if (strcmp(op.target, "sm_80") != 0)
    whole.replace(whole.find("sm_80"), 5, op.target);
  Fixture f(whole, op.target);
  ASSERT_TRUE(f.device);
  uint64_t out = f.buffer(Words(32, 0));
  for (unsigned lanes : {32u, 19u}) {
    f.device->write(out, {reinterpret_cast<const uint8_t *>(Words(32, 0).data()), 256});
    expectClean(f.run({out, f.buffer(op.a), f.buffer(op.b), f.buffer(op.c)}, {lanes}));
    Words got = f.read<uint64_t>(out, 32);
    for (unsigned l = 0; l < 32; ++l) {
      uint64_t want = l < lanes ? op.wanted(op.a[l], op.b[l], op.c[l]) : 0;
      if (op.to < 64)
        want &= (1ull << op.to) - 1;
      if (op.isFloat && op.to == 32 &&
          ((std::isnan(f32(want)) && std::isnan(f32(got[l]))) ||
           std::fabs(f32(got[l]) - f32(want)) <= op.ulps * std::fabs(f32(want)) * 0x1p-23))
        continue;
      if (op.isFloat && op.to == 64 && std::isnan(f64(want)) && std::isnan(f64(got[l])))
        continue;
      EXPECT_EQ(got[l], want) << "lane " << l << std::hex << " of " << op.a[l] << " " << op.b[l] << " " << op.c[l];
    }
  }
}

template <typename T> void integers(const std::string &type) {
  using U = std::make_unsigned_t<T>;
  unsigned w = sizeof(T) * 8;
  Words a = numbers(w, 3), b = numbers(w, 8), c = numbers(w, 17);
  auto op = [&](const std::string &name, auto f) {
    check({name + "." + type + " $d, $a, $b;", w, w, a, b, c,
           [f](uint64_t x, uint64_t y, uint64_t) { return uint64_t(U(f(T(x), T(y)))); }});
  };
  op("add", [](T x, T y) { return U(x) + U(y); });
  op("sub", [](T x, T y) { return U(x) - U(y); });
  op("mul.lo", [](T x, T y) { return U(uint64_t(x) * uint64_t(y)); });
  op("min", [](T x, T y) { return std::min(x, y); });
  op("max", [](T x, T y) { return std::max(x, y); });
  op("div", [](T x, T y) { return y == 0 ? T(-1) : std::is_signed_v<T> && y == T(-1) ? T(0 - U(x)) : T(x / y); });
  op("rem", [](T x, T y) { return y == 0 ? x : std::is_signed_v<T> && y == T(-1) ? T(0) : T(x % y); });
  check({"mad.lo." + type + " $d, $a, $b, $c;", w, w, a, b, c,
         [](uint64_t x, uint64_t y, uint64_t z) { return uint64_t(U(x * y + z)); }});
  if constexpr (sizeof(T) < 8) {
    op("mul.hi", [](T x, T y) {
      return std::is_signed_v<T> ? U((int64_t(x) * int64_t(y)) >> (8 * sizeof(T)))
                                 : U((uint64_t(x) * uint64_t(y)) >> (8 * sizeof(T)));
    });
    check({"mul.wide." + type + " $d, $a, $b;", 2 * w, w, a, b, c, [](uint64_t x, uint64_t y, uint64_t) {
             return std::is_signed_v<T> ? uint64_t(int64_t(T(x)) * int64_t(T(y))) : uint64_t(T(x)) * uint64_t(T(y));
           }});
  }
}
TEST(Alu, Integers) {
  integers<int16_t>("s16"), integers<uint16_t>("u16"), integers<int32_t>("s32"), integers<uint32_t>("u32"),
      integers<int64_t>("s64"), integers<uint64_t>("u64");
}

TEST(Alu, LogicShiftsAndFields) {
  for (unsigned w : {16u, 32u, 64u}) {
    std::string t = ".b" + std::to_string(w);
    Words a = numbers(w, 2), b = numbers(w, 5), c = numbers(w, 9);
    check({"and" + t + " $d, $a, $b;", w, w, a, b, c, [](uint64_t x, uint64_t y, uint64_t) { return x & y; }});
    check({"or" + t + " $d, $a, $b;", w, w, a, b, c, [](uint64_t x, uint64_t y, uint64_t) { return x | y; }});
    check({"xor" + t + " $d, $a, $b;", w, w, a, b, c, [](uint64_t x, uint64_t y, uint64_t) { return x ^ y; }});
    check({"not" + t + " $d, $a;", w, w, a, b, c, [](uint64_t x, uint64_t, uint64_t) { return ~x; }});
    for (unsigned n : {0u, 1u, 15u, 31u, 40u, 63u, 64u}) {
      std::string amount = std::to_string(n);
      check({"shl" + t + " $d, $a, " + amount + ";", w, w, a, b, c,
             [=](uint64_t x, uint64_t, uint64_t) { return n >= w ? 0 : x << n; }});
      check({"shr.u" + std::to_string(w) + " $d, $a, " + amount + ";", w, w, a, b, c,
             [=](uint64_t x, uint64_t, uint64_t) { return n >= w ? 0 : x >> n; }});
      check({"shr.s" + std::to_string(w) + " $d, $a, " + amount + ";", w, w, a, b, c,
             [=](uint64_t x, uint64_t, uint64_t) {
               return uint64_t(int64_t(x << (64 - w)) >> (64 - w) >> std::min(n, w - 1));
             }});
    }
  }
  Words a = numbers(32, 2), b = numbers(32, 5), c = numbers(32, 9);
  check(
      {"popc.b32 $d, $a;", 32, 32, a, b, c, [](uint64_t x, uint64_t, uint64_t) { return uint64_t(std::popcount(x)); }});
  check({"clz.b32 $d, $a;", 32, 32, a, b, c,
         [](uint64_t x, uint64_t, uint64_t) { return uint64_t(std::countl_zero(uint32_t(x))); }});
  check({"brev.b32 $d, $a;", 32, 32, a, b, c, [](uint64_t x, uint64_t, uint64_t) {
           uint64_t made = 0;
           for (int k = 0; k < 32; ++k)
             made |= (x >> k & 1) << (31 - k);
           return made;
         }});
  check({"bfind.u32 $d, $a;", 32, 32, a, b, c,
         [](uint64_t x, uint64_t, uint64_t) { return x ? 63 - uint64_t(std::countl_zero(x)) : ~0ull; }});
  check({"lop3.b32 $d, $a, $b, $c, 0x96;", 32, 32, a, b, c,
         [](uint64_t x, uint64_t y, uint64_t z) { return x ^ y ^ z; }});
  check({"lop3.b32 $d, $a, $b, $c, 0xE8;", 32, 32, a, b, c,
         [](uint64_t x, uint64_t y, uint64_t z) { return (x & y) | (y & z) | (x & z); }});
  check({"shf.l.wrap.b32 $d, $a, $b, 8;", 32, 32, a, b, c,
         [](uint64_t x, uint64_t y, uint64_t) { return (y << 32 | x) << 8 >> 32; }});
  check({"shf.r.wrap.b32 $d, $a, $b, 40;", 32, 32, a, b, c,
         [](uint64_t x, uint64_t y, uint64_t) { return (y << 32 | x) >> 8; }});
  check({"prmt.b32 $d, $a, $b, 0x7250;", 32, 32, a, b, c, [](uint64_t x, uint64_t y, uint64_t) {
           uint64_t all = y << 32 | x;
           return (all & 255) | (all >> 40 & 255) << 8 | (all >> 16 & 255) << 16 | (all >> 56 & 255) << 24;
         }});
  check({"bfe.u32 $d, $a, 4, 8;", 32, 32, a, b, c, [](uint64_t x, uint64_t, uint64_t) { return x >> 4 & 255; }});
  check({"bfe.s32 $d, $a, 28, 8;", 32, 32, a, b, c,
         [](uint64_t x, uint64_t, uint64_t) { return uint64_t(int32_t(x) >> 28); }});
  check({"bfi.b32 $d, $a, $b, 8, 4;", 32, 32, a, b, c,
         [](uint64_t x, uint64_t y, uint64_t) { return (y & ~0xf00ull) | (x & 15) << 8; }});
  check({"dp4a.s32.s32 $d, $a, $b, $c;", 32, 32, a, b, c, [](uint64_t x, uint64_t y, uint64_t z) {
           int64_t sum = int32_t(z);
           for (int k = 0; k < 4; ++k)
             sum += int8_t(x >> (8 * k)) * int8_t(y >> (8 * k));
           return uint64_t(sum);
         }});
  check({"{ .reg .b32 %lo; add.cc.u32 %lo, $a, $b; addc.u32 $d, $a, $c; }", 32, 32, a, b, c,
         [](uint64_t x, uint64_t y, uint64_t z) { return x + z + ((x + y) >> 32); }});
  check({"{ .reg .pred %q, %s; setp.lt.and.s32 %q|%s, $a, $b, %p0; setp.lt.s32 %q, $a, $b; selp.b32 $d, $a, $c, %q; }",
         32, 32, a, b, c, [](uint64_t x, uint64_t y, uint64_t z) { return int32_t(x) < int32_t(y) ? x : z; }});
}

template <int mode> uint64_t inMode(std::function<float()> f) {
  fesetround(mode);
  float made = f();
  fesetround(FE_TONEAREST);
  return bits(made);
}
TEST(Alu, Floats) {
  Words a = floats(3), b = floats(11), c = floats(29);
  auto op = [&](const std::string &text, auto f, double ulps = 0, const char *target = "sm_80") {
    check({text, 32, 32, a, b, c, [f](uint64_t x, uint64_t y, uint64_t z) { return bits(f(f32(x), f32(y), f32(z))); },
           true, ulps, target});
  };
  op("add.f32 $d, $a, $b;", [](float x, float y, float) { return x + y; });
  op("sub.rn.f32 $d, $a, $b;", [](float x, float y, float) { return x - y; });
  op("mul.f32 $d, $a, $b;", [](float x, float y, float) { return x * y; });
  op("fma.rn.f32 $d, $a, $b, $c;", [](float x, float y, float z) { return std::fma(x, y, z); });
  op("div.rn.f32 $d, $a, $b;", [](float x, float y, float) { return x / y; });
  op("sqrt.rn.f32 $d, $a;", [](float x, float, float) { return std::sqrt(x); });
  op("neg.f32 $d, $a;", [](float x, float, float) { return -x; });
  op("abs.f32 $d, $a;", [](float x, float, float) { return std::fabs(x); });
  op("max.f32 $d, $a, $b;", [](float x, float y, float) {
    return std::isnan(x) ? y : std::isnan(y) ? x : x == y ? (std::signbit(x) ? y : x) : std::max(x, y);
  });
  op("min.NaN.f32 $d, $a, $b;", [](float x, float y, float) {
    return std::isnan(x) || std::isnan(y) ? NAN : x == y ? (std::signbit(x) ? x : y) : std::min(x, y);
  });
  op("add.sat.f32 $d, $a, $b;", [](float x, float y, float) { return !(x + y > 0) ? 0.0f : std::min(x + y, 1.0f); });
  op("mul.ftz.f32 $d, $a, 0f3F000000;", [](float x, float, float) {
    auto flush = [](float v) { return std::fabs(v) < 0x1p-126f ? std::copysign(0.0f, v) : v; };
    return flush(flush(x) * 0.5f);
  });
  op(
      "ex2.approx.ftz.f32 $d, $a;",
      [](float x, float, float) { return std::fabs(x) < 0x1p-126f ? 1.0f : float(std::exp2(double(x))); }, 2);
  op(
      "rcp.approx.ftz.f32 $d, $b;",
      [](float, float y, float) {
        return std::fabs(y) < 0x1p-126f       ? std::copysign(INFINITY, y)
               : std::fabs(1 / y) < 0x1p-126f ? std::copysign(0.0f, y)
                                              : 1 / y;
      },
      1);
  op("tanh.approx.f32 $d, $a;", [](float x, float, float) { return float(std::tanh(double(x))); }, 2);
  op("copysign.f32 $d, $a, $b;", [](float x, float y, float) { return std::copysign(y, x); });
  op("{ .reg .pred %q; setp.gtu.f32 %q, $a, $b; selp.f32 $d, $a, $b, %q; }",
     [](float x, float y, float) { return !(x <= y) ? x : y; });
  check({"add.rz.f32 $d, $a, $b;", 32, 32, a, b, c,
         [](uint64_t x, uint64_t y, uint64_t) {
           return inMode<FE_TOWARDZERO>([=] {
             volatile float p = f32(x), q = f32(y);
             return p + q;
           });
         },
         true});
  check({"mul.rp.f32 $d, $a, $b;", 32, 32, a, b, c,
         [](uint64_t x, uint64_t y, uint64_t) {
           return inMode<FE_UPWARD>([=] {
             volatile float p = f32(x), q = f32(y);
             return p * q;
           });
         },
         true});
  Words da = floats(3, true), db = floats(11, true), dc = floats(29, true);
  check({"fma.rn.f64 $d, $a, $b, $c;", 64, 64, da, db, dc,
         [](uint64_t x, uint64_t y, uint64_t z) { return std::bit_cast<uint64_t>(std::fma(f64(x), f64(y), f64(z))); },
         true});
  check({"div.rn.f64 $d, $a, $b;", 64, 64, da, db, dc,
         [](uint64_t x, uint64_t y, uint64_t) { return std::bit_cast<uint64_t>(f64(x) / f64(y)); }, true});
}

/// Every pattern of 16 bits through f32 and back.
TEST(Alu, SixteenBits) {
  for (const char *type : {"f16", "bf16"}) {
    bool isHalf = type[0] == 'f';
    std::string t = type;
    Fixture f(
        kernel("  mov.u32 %r1, %ctaid.x; mad.lo.u32 %r2, %r1, 32, %r0; cvt.u16.u32 %h1, %r2;\n"
               "  cvt.f32." +
                   t + " %f1, %h1; cvt.rn." + t +
                   ".f32 %h2, %f1; mul.wide.u32 %rd5, %r2, 4; add.s64 %rd6, %rd0, %rd5; st.global.f32 [%rd6], %f1;\n"
                   "  mul.wide.u32 %rd5, %r2, 2; add.s64 %rd6, %rd1, %rd5; st.global.b16 [%rd6], %h2;\n",
               2, "", "sm_90"),
        "sm_90");
    ASSERT_TRUE(f.device);
    uint64_t wide = f.unwritten(4 << 16), back = f.unwritten(2 << 16);
    expectClean(f.run({wide, back}, {32}, {2048}));
    std::vector<float> values = f.read<float>(wide, 1 << 16);
    std::vector<uint16_t> bitsBack = f.read<uint16_t>(back, 1 << 16);
    for (unsigned v = 0; v < 1 << 16; ++v) {
      float want = isHalf ? float(std::bit_cast<_Float16>(uint16_t(v))) : std::bit_cast<float>(v << 16);
      if (std::isnan(want)) {
        EXPECT_TRUE(std::isnan(values[v]));
        continue;
      }
      ASSERT_EQ(bits(values[v]), bits(want)) << v;
      ASSERT_EQ(bitsBack[v], v);
    }
  }
  Words a = numbers(16, 3), b = numbers(16, 7), c = numbers(16, 12);
  auto half = [](uint64_t v) { return double(std::bit_cast<_Float16>(uint16_t(v))); };
  auto same = [](double v) { return std::isnan(v) ? 0x7fffull : uint64_t(std::bit_cast<uint16_t>(_Float16(v))); };
  for (Words *w : {&a, &b, &c}) // no NaNs: their bits are not the host's
    for (uint64_t &v : *w)
      if ((v & 0x7c00) == 0x7c00)
        v &= 0x8fff;
  check({"fma.rn.f16 $d, $a, $b, $c;", 16, 16, a, b, c,
         [=](uint64_t x, uint64_t y, uint64_t z) { return same(std::fma(half(x), half(y), half(z))); }});
  check({"add.f16 $d, $a, $b;", 16, 16, a, b, c,
         [=](uint64_t x, uint64_t y, uint64_t) { return same(half(x) + half(y)); }});
  check({"max.f16 $d, $a, $b;", 16, 16, a, b, c,
         [=](uint64_t x, uint64_t y, uint64_t) { return same(std::fmax(half(x), half(y))); }});
}

TEST(Alu, Conversions) {
  Words a = floats(3), n = numbers(32, 4), wide = numbers(64, 6);
  auto to = [&](const std::string &text, auto f) {
    check({text, 32, 32, a, a, a, [f](uint64_t x, uint64_t, uint64_t) { return uint64_t(f(f32(x))); }});
  };
  to("cvt.rzi.s32.f32 $d, $a;", [](float v) {
    return uint32_t(std::isnan(v) ? 0 : v >= 0x1p31f ? INT32_MAX : v <= -0x1p31f ? INT32_MIN : int32_t(v));
  });
  to("cvt.rni.u32.f32 $d, $a;", [](float v) {
    return std::isnan(v) || v < 0 ? 0u : v >= 0x1p32f ? ~0u : uint32_t(std::nearbyint(v));
  });
  check({"cvt.rni.f32.f32 $d, $a;", 32, 32, a, a, a,
         [](uint64_t x, uint64_t, uint64_t) { return bits(std::nearbyint(f32(x))); }, true});
  check({"cvt.sat.f32.f32 $d, $a;", 32, 32, a, a, a,
         [](uint64_t x, uint64_t, uint64_t) {
           float v = f32(x);
           return bits(!(v > 0) ? 0 : std::min(v, 1.0f));
         },
         true});
  check({"cvt.rn.f32.s32 $d, $a;", 32, 32, n, n, n,
         [](uint64_t x, uint64_t, uint64_t) { return bits(float(int32_t(x))); }});
  check({"cvt.rn.f32.u64 $d, $a;", 32, 64, wide, wide, wide,
         [](uint64_t x, uint64_t, uint64_t) { return bits(float(x)); }});
  check({"cvt.rn.f64.s64 $d, $a;", 64, 64, wide, wide, wide,
         [](uint64_t x, uint64_t, uint64_t) { return std::bit_cast<uint64_t>(double(int64_t(x))); }});
  check({"cvt.rn.f32.f64 $d, $a;", 32, 64, floats(5, true), wide, wide,
         [](uint64_t x, uint64_t, uint64_t) { return bits(float(f64(x))); }, true});
  check({"cvt.s64.s32 $d, $a;", 64, 32, n, n, n,
         [](uint64_t x, uint64_t, uint64_t) { return uint64_t(int64_t(int32_t(x))); }});
  check({"cvt.u64.u32 $d, $a;", 64, 32, n, n, n, [](uint64_t x, uint64_t, uint64_t) { return x; }});
  check({"cvt.sat.s8.s32 $d, $a;", 32, 32, n, n, n,
         [](uint64_t x, uint64_t, uint64_t) { return uint64_t(std::clamp(int32_t(x), -128, 127)); }});
  check({"cvt.rna.tf32.f32 $d, $a;", 32, 32, a, a, a,
         [](uint64_t x, uint64_t, uint64_t) -> uint64_t {
           if (std::isnan(f32(x)) || std::isinf(f32(x)))
             return x;
           return (x + 0x1000) & ~0x1fffull;
         },
         true});
  check({"cvt.rn.bf16x2.f32 $d, $a, $b;", 32, 32, floats(3), floats(9), a, [](uint64_t x, uint64_t y, uint64_t) {
           auto one = [](uint64_t v) { return std::isnan(f32(v)) ? 0x7fffull : (v + 0x7fff + (v >> 16 & 1)) >> 16; };
           return one(x) << 16 | one(y);
         }});
}

} // namespace
} // namespace smelt::sim
