//===- Float.cpp - Floating point -------------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// PTX ISA 9.0, 9.7.3 to 9.7.5. Arithmetic of f32 and f64 is the host's, in the
// rounding mode that the instruction names; 16-bit numbers are computed in wider
// ones and rounded once. `.approx` functions give the correctly rounded result of
// the host's library: within the error the ISA allows, not a chip's own bits.
// Tested by test/runtime/sim/AluTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/sim/Arithmetic.h"
#include <cfenv>
#include <cmath>
#include <limits>

namespace smelt::sim {

using u32 = uint32_t;
using u64 = uint64_t;

float halfToFloat(uint16_t bits) {
  u32 sign = u32(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 0x3ff;
  if (exponent == 31)
    return std::bit_cast<float>(sign | 0x7f800000 | fraction << 13);
  if (exponent == 0) {
    float value = float(fraction) * 0x1p-24f;
    return sign ? -value : value;
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

uint16_t floatToHalf(float value) {
  u32 bits = std::bit_cast<u32>(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000)
    return 0x7fff; // the canonical NaN
  if (magnitude >= 0x47800000)
    return uint16_t(sign | 0x7c00);
  if (magnitude < 0x38800000) { // subnormal or zero: the sum with a power of two rounds
    float sum = std::bit_cast<float>(magnitude) + 0.5f;
    return uint16_t(sign | (std::bit_cast<u32>(sum) - std::bit_cast<u32>(0.5f)));
  }
  u32 odd = magnitude >> 13 & 1;
  return uint16_t(sign | ((magnitude - 0x38000000 + 0xfff + odd) >> 13));
}

uint16_t floatToBfloat(float value) {
  u32 bits = std::bit_cast<u32>(value);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return 0x7fff;
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// f32 and f64, to nearest; flags in `extra`.
template <typename T, auto F, unsigned sources> static void nearest(Warp &w, const Inst &i) {
  arithmetic<T, F, sources>(w, i);
}

/// Words: the rounding, .ftz, .sat and the type.
template <auto F, unsigned sources, Directed op> static void rounded(Builder &b) {
  Type t = Type::of(b.word(3));
  if (!b.want(1 + sources))
    return;
  b.inst.d = b.dst(0, t.width), b.inst.a = b.src(1, t);
  if (sources > 1)
    b.inst.b = b.src(2, t);
  if (sources > 2)
    b.inst.c = b.src(3, t);
  b.inst.extra = (b.has(".ftz") ? Ftz : 0) | (b.has(".sat") ? Sat : 0);
  if (std::string_view mode = b.word(0); !mode.empty() && mode != ".rn") {
    b.inst.imm = mode == ".rz" ? FE_TOWARDZERO : mode == ".rm" ? FE_DOWNWARD : FE_UPWARD;
    b.inst.run = directedHandler(op, t.width == 64);
  } else {
    b.inst.run = t.width == 64 ? &nearest<double, F, sources> : &nearest<float, F, sources>;
  }
}
constexpr auto addOf = [](auto a, auto b) { return a + b; };
constexpr auto subOf = [](auto a, auto b) { return a - b; };
constexpr auto mulOf = [](auto a, auto b) { return a * b; };
constexpr auto divOf = [](auto a, auto b) { return a / b; };
constexpr auto fmaOf = [](auto a, auto b, auto c) { return std::fma(a, b, c); };
constexpr auto sqrtOf = [](auto a) { return std::sqrt(a); };
constexpr auto rcpOf = [](auto a) { return decltype(a)(1) / a; };

//--- f16, bf16 and their pairs
/// Elements of a lane: one, or two of a pair. `F` computes in double: the products of
/// two and the sum with a third are exact there but for far apart exponents, where
/// rounding to odd keeps the second rounding right.
template <bool isBfloat> static double load16(u32 bits) {
  return isBfloat ? bfloatToFloat(uint16_t(bits)) : halfToFloat(uint16_t(bits));
}

/// A double with its last bit set when it stands for an inexact sum.
static double roundToOdd(double sum, double error) {
  if (error == 0 || !std::isfinite(sum))
    return sum;
  u64 bits = std::bit_cast<u64>(sum);
  if ((error > 0) != (sum > 0)) // the exact value lies nearer to zero
    bits -= !(bits & 1);
  else
    bits |= 1;
  return std::bit_cast<double>(bits);
}
static double exactSum(double a, double b) {
  double sum = a + b, part = sum - a, error = (a - (sum - part)) + (b - part);
  return roundToOdd(sum, error);
}
/// A double to f32 with rounding to odd, so that rounding to 16 bits is right.
static float toOddFloat(double v) {
  float f = float(v);
  if (double(f) == v || !std::isfinite(f))
    return f;
  u32 bits = std::bit_cast<u32>(f);
  if (std::fabs(double(f)) > std::fabs(v))
    --bits;
  return std::bit_cast<float>(bits | 1);
}
template <bool isBfloat> static u32 store16(double v) {
  float f = toOddFloat(v);
  return isBfloat ? floatToBfloat(f) : floatToHalf(f);
}

template <bool isBfloat, auto F, unsigned sources> static void handler16(Warp &w, const Inst &i) {
  bool isPair = i.imm & 1;
  auto element = [&](u32 x, u32 y, u32 z) {
    double a = load16<isBfloat>(x), b = load16<isBfloat>(y), c = load16<isBfloat>(z), made;
    if constexpr (sources == 1)
      made = F(a);
    else if constexpr (sources == 2)
      made = F(a, b);
    else
      made = F(a, b, c);
    if (i.extra & Relu)
      made = std::isnan(made) ? made : made > 0 ? made : 0;
    if (i.extra & Sat)
      made = !(made > 0) ? 0 : made > 1 ? 1 : made;
    return store16<isBfloat>(made);
  };
  const u32 *a = w.lanes<u32>(i.a), *b = w.lanes<u32>(i.b), *c = w.lanes<u32>(i.c);
  storeLanes<u32>(w, i.d, [&](unsigned l) {
    u32 low = element(a[l] & 0xffff, b[l] & 0xffff, c[l] & 0xffff);
    return isPair ? low | element(a[l] >> 16, b[l] >> 16, c[l] >> 16) << 16 : low;
  });
  u32 defined = w.definedOf(i.a);
  if constexpr (sources > 1)
    defined &= w.definedOf(i.b);
  if constexpr (sources > 2)
    defined &= w.definedOf(i.c);
  w.define(i.d, defined);
}
/// The last word of the pattern is the type, whatever stands before it.
template <auto F, unsigned sources> static void narrow(Builder &b, std::string_view type) {
  Type t = Type::of(type);
  if (!b.want(1 + sources))
    return;
  b.inst.d = b.dst(0, t.width), b.inst.a = b.inst.b = b.inst.c = b.src(1, {'b', t.width});
  if (sources > 1)
    b.inst.b = b.src(2, {'b', t.width});
  if (sources > 2)
    b.inst.c = b.src(3, {'b', t.width});
  b.inst.imm = t.isPair;
  b.inst.extra = (b.has(".relu") ? Relu : 0) | (b.has(".sat") ? Sat : 0);
  b.inst.run = t.kind == 'h' ? &handler16<true, F, sources> : &handler16<false, F, sources>;
}
template <auto F, unsigned sources, unsigned typeWord> static void narrowAt(Builder &b) {
  narrow<F, sources>(b, b.word(typeWord));
}
constexpr auto add16 = [](double a, double b) { return exactSum(a, b); };
constexpr auto sub16 = [](double a, double b) { return exactSum(a, -b); };
constexpr auto mul16 = [](double a, double b) { return a * b; };
constexpr auto fma16 = [](double a, double b, double c) { return exactSum(a * b, c); };
constexpr auto min16 = [](double a, double b) { return std::fmin(a, b); };
constexpr auto max16 = [](double a, double b) { return std::fmax(a, b); };
constexpr auto minNan16 = [](double a, double b) {
  return std::isnan(a) || std::isnan(b) ? std::nan("") : std::fmin(a, b);
};
constexpr auto maxNan16 = [](double a, double b) {
  return std::isnan(a) || std::isnan(b) ? std::nan("") : std::fmax(a, b);
};

/// Signs of 16-bit numbers are bits.
template <u32 clear, u32 flip> static void sign16(Builder &b) {
  Type t = Type::of(b.word(1));
  if (!b.want(2))
    return;
  b.inst.d = b.dst(0, t.width), b.inst.a = b.src(1, {'b', t.width});
  b.inst.run = t.isPair ? &unary<u32, u32, [](u32 a) { return (a & ~(clear * 0x10001u)) ^ flip * 0x10001u; }>
                        : &unary<u32, u32, [](u32 a) { return (a & ~clear & 0xffffu) ^ flip; }>;
}

//--- f32 and f64 without rounding
template <auto F32, auto F64> static void signOf(Builder &b) {
  Type t = Type::of(b.word(1));
  if (!b.want(2))
    return;
  b.inst.d = b.dst(0, t.width), b.inst.a = b.src(1, t);
  b.inst.extra = b.has(".ftz") ? Ftz : 0;
  b.inst.run = t.width == 64 ? &nearest<double, F64, 1> : &nearest<float, F32, 1>;
}
static void negate(Builder &b) {
  signOf<[](float a) { return -a; }, [](double a) { return -a; }>(b);
}
static void absolute(Builder &b) {
  signOf<[](float a) { return std::fabs(a); }, [](double a) { return std::fabs(a); }>(b);
}

/// The smaller or larger: a NaN loses, or wins with .NaN; -0 is below +0.
template <typename T, bool isMax, bool nanWins> static T extreme(T a, T b) {
  if (std::isnan(a) || std::isnan(b)) {
    if (nanWins || (std::isnan(a) && std::isnan(b)))
      return std::bit_cast<T>(
          std::conditional_t<sizeof(T) == 4, u32, u64>(sizeof(T) == 4 ? 0x7fffffffu : 0x7fffffffffffffffull));
    return std::isnan(a) ? b : a;
  }
  if (a == b)
    return std::signbit(a) == isMax ? b : a;
  return (a < b) == isMax ? b : a;
}
template <bool isMax> static void minMax(Builder &b) { // words: .ftz, .NaN, type
  Type t = Type::of(b.word(2));
  if (!b.want(3))
    return;
  b.inst.d = b.dst(0, t.width), b.inst.a = b.src(1, t), b.inst.b = b.src(2, t);
  b.inst.extra = b.has(".ftz") ? Ftz : 0;
  bool nan = b.has(".NaN");
  if (t.width == 64)
    b.inst.run = &nearest<double, [](double x, double y) { return extreme<double, isMax, false>(x, y); }, 2>;
  else
    b.inst.run = nan ? &nearest<float, [](float x, float y) { return extreme<float, isMax, true>(x, y); }, 2>
                     : &nearest<float, [](float x, float y) { return extreme<float, isMax, false>(x, y); }, 2>;
}
static void copySign(Builder &b) {
  Type t = Type::of(b.word(0));
  if (!b.want(3))
    return;
  b.inst.d = b.dst(0, t.width), b.inst.a = b.src(1, t), b.inst.b = b.src(2, t);
  b.inst.run = t.width == 64 ? &binary<double, double, [](double s, double v) { return std::copysign(v, s); }>
                             : &binary<float, float, [](float s, float v) { return std::copysign(v, s); }>;
}

//--- approximations: words .ftz and the type
template <auto F> static void approximate(Builder &b) {
  if (!b.want(2))
    return;
  b.inst.d = b.dst(0, 32), b.inst.a = b.src(1, {'f', 32});
  b.inst.extra = b.has(".ftz") ? Ftz : 0;
  b.inst.run = &nearest<float, [](float a) { return float(F(double(a))); }, 1>;
}
constexpr auto exp2Of = [](double a) { return std::exp2(a); };
constexpr auto log2Of = [](double a) { return std::log2(a); };
constexpr auto sinOf = [](double a) { return std::sin(a); };
constexpr auto cosOf = [](double a) { return std::cos(a); };
constexpr auto tanhOf = [](double a) { return std::tanh(a); };
constexpr auto rsqrtOf = [](double a) { return 1 / std::sqrt(a); };
constexpr auto rcpApprox = [](double a) { return 1 / a; };
constexpr auto sqrtApprox = [](double a) { return std::sqrt(a); };
static void divideApproximately(Builder &b) {
  if (!b.want(3))
    return;
  b.inst.d = b.dst(0, 32), b.inst.a = b.src(1, {'f', 32}), b.inst.b = b.src(2, {'f', 32});
  b.inst.extra = b.has(".ftz") ? Ftz : 0;
  b.inst.run = &nearest<float, divOf, 2>;
}

//--- comparisons; the unordered ones hold where either is a NaN
template <typename T> static Handler floatComparison(std::string_view op) {
  if (op == ".eq")
    return &compare<T, [](T a, T b) { return a == b; }>;
  if (op == ".ne")
    return &compare<T, [](T a, T b) { return a != b && a == a && b == b; }>;
  if (op == ".lt")
    return &compare<T, [](T a, T b) { return a < b; }>;
  if (op == ".le")
    return &compare<T, [](T a, T b) { return a <= b; }>;
  if (op == ".gt")
    return &compare<T, [](T a, T b) { return a > b; }>;
  if (op == ".ge")
    return &compare<T, [](T a, T b) { return a >= b; }>;
  if (op == ".equ")
    return &compare<T, [](T a, T b) { return !(a < b) && !(a > b); }>;
  if (op == ".neu")
    return &compare<T, [](T a, T b) { return !(a == b); }>;
  if (op == ".ltu")
    return &compare<T, [](T a, T b) { return !(a >= b); }>;
  if (op == ".leu")
    return &compare<T, [](T a, T b) { return !(a > b); }>;
  if (op == ".gtu")
    return &compare<T, [](T a, T b) { return !(a <= b); }>;
  if (op == ".geu")
    return &compare<T, [](T a, T b) { return !(a < b); }>;
  if (op == ".num")
    return &compare<T, [](T a, T b) { return a == a && b == b; }>;
  return &compare<T, [](T a, T b) { return a != a || b != b; }>;
}
void takeCompare(Builder &b, Type t, std::string_view combine); // Integer.cpp
static void setPredicateOf(Builder &b) {                        // words: comparison, combination, .ftz, type
  Type t = Type::of(b.word(3));
  takeCompare(b, t, b.word(1));
  if (b.has(".ftz"))
    return (void)b.fail("a comparison that flushes subnormals", 69);
  b.inst.run = t.width == 64 ? floatComparison<double>(b.word(0)) : floatComparison<float>(b.word(0));
}
static void testProperty(Builder &b) {
  Type t = Type::of(b.word(1));
  if (!b.want(2))
    return;
  b.inst.p = b.dstPredicate(b.operand(0)), b.inst.a = b.inst.b = b.src(1, t);
  auto pick = [&]<typename T>(T) -> Handler {
    std::string_view what = b.word(0);
    if (what == ".finite")
      return &compare<T, [](T a, T) { return std::isfinite(a); }>;
    if (what == ".infinite")
      return &compare<T, [](T a, T) { return std::isinf(a); }>;
    if (what == ".number")
      return &compare<T, [](T a, T) { return !std::isnan(a); }>;
    if (what == ".notanumber")
      return &compare<T, [](T a, T) { return std::isnan(a); }>;
    if (what == ".normal")
      return &compare<T, [](T a, T) { return std::isnormal(a); }>;
    return &compare<T, [](T a, T) { return std::fpclassify(a) == FP_SUBNORMAL; }>;
  };
  b.inst.run = t.width == 64 ? pick(double()) : pick(float());
}

std::span<const Form> floatForms() {
  static const Form forms[] = {
      {"add{.rn|.rz|.rm|.rp}{.ftz}{.sat}(.f32)", rounded<addOf, 2, Directed::Add>},
      {"sub{.rn|.rz|.rm|.rp}{.ftz}{.sat}(.f32)", rounded<subOf, 2, Directed::Sub>},
      {"mul{.rn|.rz|.rm|.rp}{.ftz}{.sat}(.f32)", rounded<mulOf, 2, Directed::Mul>},
      {"fma(.rn|.rz|.rm|.rp){.ftz}{.sat}(.f32)", rounded<fmaOf, 3, Directed::Fma>},
      {"mad(.rn|.rz|.rm|.rp){.ftz}{.sat}(.f32)", rounded<fmaOf, 3, Directed::Fma>},
      {"div(.rn|.rz|.rm|.rp){.ftz}{.sat}(.f32)", rounded<divOf, 2, Directed::Div>},
      {"rcp(.rn|.rz|.rm|.rp){.ftz}{.sat}(.f32)", rounded<rcpOf, 1, Directed::Rcp>},
      {"sqrt(.rn|.rz|.rm|.rp){.ftz}{.sat}(.f32)", rounded<sqrtOf, 1, Directed::Sqrt>},
      {"add{.rn|.rz|.rm|.rp}{}{}(.f64)", rounded<addOf, 2, Directed::Add>},
      {"sub{.rn|.rz|.rm|.rp}{}{}(.f64)", rounded<subOf, 2, Directed::Sub>},
      {"mul{.rn|.rz|.rm|.rp}{}{}(.f64)", rounded<mulOf, 2, Directed::Mul>},
      {"fma(.rn|.rz|.rm|.rp){}{}(.f64)", rounded<fmaOf, 3, Directed::Fma>},
      {"div(.rn|.rz|.rm|.rp){}{}(.f64)", rounded<divOf, 2, Directed::Div>},
      {"rcp(.rn|.rz|.rm|.rp){}{}(.f64)", rounded<rcpOf, 1, Directed::Rcp>},
      {"sqrt(.rn|.rz|.rm|.rp){}{}(.f64)", rounded<sqrtOf, 1, Directed::Sqrt>},
      {"add{.rn}{.sat}(.f16|.f16x2|.bf16|.bf16x2)", narrowAt<add16, 2, 2>},
      {"sub{.rn}{.sat}(.f16|.f16x2|.bf16|.bf16x2)", narrowAt<sub16, 2, 2>},
      {"mul{.rn}{.sat}(.f16|.f16x2|.bf16|.bf16x2)", narrowAt<mul16, 2, 2>},
      {"fma.rn{.sat|.relu}(.f16|.f16x2|.bf16|.bf16x2)", narrowAt<fma16, 3, 1>},
      {"min(.f16|.f16x2|.bf16|.bf16x2)", narrowAt<min16, 2, 0>},
      {"max(.f16|.f16x2|.bf16|.bf16x2)", narrowAt<max16, 2, 0>},
      {"min.NaN(.f16|.f16x2|.bf16|.bf16x2)", narrowAt<minNan16, 2, 0>},
      {"max.NaN(.f16|.f16x2|.bf16|.bf16x2)", narrowAt<maxNan16, 2, 0>},
      {"neg{}(.f16|.f16x2|.bf16|.bf16x2)", sign16<0, 0x8000>},
      {"abs{}(.f16|.f16x2|.bf16|.bf16x2)", sign16<0x8000, 0>},
      {"ex2.approx(.f16|.f16x2)", narrowAt<exp2Of, 1, 0>},
      {"ex2.approx.ftz(.bf16|.bf16x2)", narrowAt<exp2Of, 1, 0>},
      {"tanh.approx(.f16|.f16x2|.bf16|.bf16x2)", narrowAt<tanhOf, 1, 0>},
      {"neg{.ftz}(.f32|.f64)", negate},
      {"abs{.ftz}(.f32|.f64)", absolute},
      {"min{.ftz}{.NaN}(.f32|.f64)", minMax<false>},
      {"max{.ftz}{.NaN}(.f32|.f64)", minMax<true>},
      {"copysign(.f32|.f64)", copySign},
      {"div(.approx|.full){.ftz}.f32", divideApproximately},
      {"rcp.approx{.ftz}.f32", approximate<rcpApprox>},
      {"sqrt.approx{.ftz}.f32", approximate<sqrtApprox>},
      {"rsqrt.approx{.ftz}.f32", approximate<rsqrtOf>},
      {"ex2.approx{.ftz}.f32", approximate<exp2Of>},
      {"lg2.approx{.ftz}.f32", approximate<log2Of>},
      {"sin.approx{.ftz}.f32", approximate<sinOf>},
      {"cos.approx{.ftz}.f32", approximate<cosOf>},
      {"tanh.approx{.ftz}.f32", approximate<tanhOf>},
      {"setp(.eq|.ne|.lt|.le|.gt|.ge|.equ|.neu|.ltu|.leu|.gtu|.geu|.num|.nan){.and|.or|.xor}{.ftz}(.f32|.f64)",
       setPredicateOf},
      {"testp(.finite|.infinite|.number|.notanumber|.normal|.subnormal)(.f32|.f64)", testProperty},
  };
  return forms;
}

} // namespace smelt::sim
