//===- Convert.cpp - cvt ------------------------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// PTX ISA 9.0, 9.7.9 "cvt". A source is read as a double, or as a 64-bit integer,
// both of which hold every source exactly but for 64-bit integers to floats, which
// have a way of their own. Tested by test/runtime/sim/AluTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/sim/Lanes.h"
#include <cfenv>
#include <cmath>
#include <limits>

namespace smelt::sim {

using u32 = uint32_t;
using u64 = uint64_t;
using s64 = int64_t;

namespace {
enum Mode : uint8_t { Nearest, Zero, Down, Up, NearestAway };
/// A conversion, in the instruction's `imm`.
struct Conversion {
  char toKind = 'u', fromKind = 'u';
  uint8_t toWidth = 32, fromWidth = 32;
  Mode mode = Nearest;
  bool isIntegral = false, saturates = false, flushes = false;

  Type to() const { return {toKind, toWidth}; }
  Type from() const { return {fromKind, fromWidth}; }
};
static_assert(sizeof(Conversion) == sizeof(int64_t));
} // namespace

static Mode modeOf(std::string_view word) {
  if (word.empty())
    return Nearest;
  if (word.starts_with(".rna"))
    return NearestAway;
  switch (word[2]) {
  case 'z': return Zero;
  case 'm': return Down;
  case 'p': return Up;
  default: return Nearest;
  }
}

static double integral(double v, Mode mode) {
  switch (mode) {
  case Zero: return std::trunc(v);
  case Down: return std::floor(v);
  case Up: return std::ceil(v);
  default: return std::nearbyint(v);
  }
}

/// A float to an integer of the type: out of range it is the nearest end, a NaN 0.
static u64 toInteger(double v, Type to, Mode mode) {
  if (std::isnan(v))
    return 0;
  v = integral(v, mode);
  bool isSigned = to.kind == 's';
  double high = std::ldexp(1.0, int(to.width) - isSigned), low = isSigned ? -high : 0;
  if (v >= high)
    return isSigned ? (u64(1) << (to.width - 1)) - 1 : to.width == 64 ? ~u64(0) : (u64(1) << to.width) - 1;
  if (v <= low)
    return isSigned ? u64(1) << (to.width - 1) : 0;
  return isSigned ? u64(s64(v)) : u64(v);
}

/// The bits of a double in a narrower format, rounded once in the mode.
static u64 roundTo(double v, unsigned fractionBits, unsigned exponentBits, Mode mode) {
  u64 bits = std::bit_cast<u64>(v), sign = bits >> 63, magnitude = bits & ~(u64(1) << 63);
  unsigned width = fractionBits + exponentBits;
  u64 infinity = ((u64(1) << exponentBits) - 1) << fractionBits;
  if (magnitude > u64(0x7ff) << 52)
    return (u64(1) << width) - 1; // the canonical NaN
  int bias = (1 << (exponentBits - 1)) - 1;
  int exponent = int(magnitude >> 52) - 1023;
  u64 fraction = (magnitude & ((u64(1) << 52) - 1)) | (magnitude >> 52 ? u64(1) << 52 : 0);
  if (magnitude == u64(0x7ff) << 52)
    return sign << width | infinity;
  if (magnitude == 0)
    return sign << width;
  unsigned drop = 52 - fractionBits;
  if (exponent < 1 - bias)
    drop += unsigned(std::min(64, 1 - bias - exponent));
  u64 kept = drop >= 64 ? 0 : fraction >> drop, rest = drop >= 64 ? fraction : fraction & ((u64(1) << drop) - 1);
  u64 half = drop == 0 || drop > 63 ? 0 : u64(1) << (drop - 1);
  bool isUp = rest != 0 && (mode == Nearest       ? drop <= 63 && (rest > half || (rest == half && (kept & 1)))
                            : mode == NearestAway ? drop <= 63 && rest >= half
                            : mode == Up          ? !sign
                            : mode == Down        ? bool(sign)
                                                  : false);
  kept += isUp;
  u64 result = exponent < 1 - bias ? kept : kept + (u64(exponent + bias - 1) << fractionBits);
  if (result >= infinity) {
    bool toInfinity = mode == Nearest || mode == NearestAway || (mode == Up && !sign) || (mode == Down && sign);
    result = toInfinity ? infinity : infinity - 1;
  }
  return sign << width | result;
}

/// Float8: no infinities in e4m3, and .satfinite keeps what is too large finite.
static u64 toFloat8(double v, bool isE4M3) {
  u64 sign = std::signbit(v) ? 0x80 : 0;
  if (std::isnan(v))
    return 0x7f;
  double most = isE4M3 ? 448 : 57344;
  u64 highest = isE4M3 ? 0x7e : 0x7b;
  if (std::fabs(v) >= most)
    return sign | highest;
  return roundTo(v, isE4M3 ? 3 : 2, isE4M3 ? 4 : 5, Nearest);
}
double fromFloat8(u32 bits, bool isE4M3) {
  unsigned fractionBits = isE4M3 ? 3 : 2, exponent = (bits & 0x7f) >> fractionBits,
           fraction = bits & ((1u << fractionBits) - 1);
  int bias = isE4M3 ? 7 : 15;
  double value;
  if (isE4M3 ? (bits & 0x7f) == 0x7f : exponent == 31 && fraction)
    value = std::numeric_limits<double>::quiet_NaN();
  else if (!isE4M3 && exponent == 31)
    value = std::numeric_limits<double>::infinity();
  else if (exponent == 0)
    value = std::ldexp(double(fraction), 1 - bias - int(fractionBits));
  else
    value = std::ldexp(1 + double(fraction) / double(1u << fractionBits), int(exponent) - bias);
  return bits & 0x80 ? -value : value;
}

static double loadFloat(Warp &w, Ref r, unsigned l, Type t) {
  switch (t.width) {
  case 64: return w.lanes<double>(r)[l];
  case 32: return double(w.lanes<float>(r)[l]);
  default: {
    auto bits = uint16_t(w.lanes<u32>(r)[l]);
    return t.kind == 'h' ? bfloatToFloat(bits) : halfToFloat(bits);
  }
  }
}
/// An integer extended to 64 bits by its sign.
static u64 loadInteger(Warp &w, Ref r, unsigned l, Type t, bool isWide) {
  u64 bits = isWide ? w.lanes<u64>(r)[l] : w.lanes<u32>(r)[l];
  if (t.width == 64)
    return bits;
  unsigned shift = 64 - t.width;
  return t.kind == 's' ? u64(s64(bits << shift) >> shift) : bits << shift >> shift;
}
static u64 storeFloat(double v, Type t, Mode mode) {
  if (t.width == 64)
    return std::bit_cast<u64>(v);
  if (t.width == 32)
    return mode == Nearest ? std::bit_cast<u32>(std::isnan(v) ? std::bit_cast<float>(0x7fffffffu) : float(v))
                           : roundTo(v, 23, 8, mode);
  return t.kind == 'h' ? roundTo(v, 7, 8, mode) : roundTo(v, 10, 5, mode);
}
/// A 64-bit integer to a float, rounded once.
static u64 integerToFloat(u64 bits, bool isSigned, Type to, Mode mode) {
  bool negative = isSigned && s64(bits) < 0;
  u64 magnitude = negative ? 0 - bits : bits;
  // Bits below the 53 of a double are gathered in the last one.
  unsigned drop = magnitude >> 53 ? 11 - unsigned(std::countl_zero(magnitude)) : 0;
  double v;
  if (to.width == 64 && drop) {
    int old = fegetround();
    fesetround(mode == Zero ? FE_TOWARDZERO : mode == Down ? FE_DOWNWARD : mode == Up ? FE_UPWARD : FE_TONEAREST);
    volatile double made = isSigned ? double(s64(bits)) : double(bits);
    fesetround(old);
    return std::bit_cast<u64>(double(made));
  }
  if (drop) {
    u64 kept = magnitude >> drop, lost = magnitude & ((u64(1) << drop) - 1);
    v = std::ldexp(double(kept | (lost != 0)), int(drop));
  } else {
    v = double(magnitude);
  }
  return storeFloat(negative ? -v : v, to, mode);
}

static u64 saturatedInteger(u64 bits, Type from, Type to) {
  bool fromSigned = from.kind == 's', toSigned = to.kind == 's';
  s64 low = toSigned ? -(s64(1) << (to.width - 1)) : 0;
  u64 high = toSigned ? (u64(1) << (to.width - 1)) - 1 : to.width == 64 ? ~u64(0) : (u64(1) << to.width) - 1;
  if (fromSigned && s64(bits) < low)
    return u64(low);
  if ((!fromSigned || s64(bits) >= 0) && bits > high)
    return high;
  return bits;
}

static void convert(Warp &w, const Inst &i) {
  const auto c = std::bit_cast<Conversion>(i.imm);
  const Type to = c.to(), from = c.from();
  bool fromFloat = from.kind == 'f' || from.kind == 'h', toFloat = to.kind == 'f' || to.kind == 'h';
  auto one = [&](unsigned l) -> u64 {
    if (!fromFloat) {
      u64 bits = loadInteger(w, i.a, l, from, i.extra & 1);
      if (toFloat) {
        u64 made = integerToFloat(bits, from.kind == 's', to, c.mode);
        return made;
      }
      bits = c.saturates ? saturatedInteger(bits, from, to) : bits;
      unsigned shift = 64 - to.width;
      return to.kind == 's' ? u64(s64(bits << shift) >> shift) : bits << shift >> shift;
    }
    double v = loadFloat(w, i.a, l, from);
    if (c.flushes && from.width == 32 && std::fabs(v) < double(std::numeric_limits<float>::min()))
      v = std::copysign(0.0, v);
    if (!toFloat)
      return toInteger(v, to, c.mode);
    if (c.isIntegral)
      v = integral(v, c.mode);
    if (c.saturates)
      v = !(v > 0) ? 0 : v > 1 ? 1 : v;
    u64 made = storeFloat(v, to, c.isIntegral ? Nearest : c.mode);
    if (c.flushes && to.width == 32 && (made & 0x7f800000) == 0)
      made &= 0x80000000;
    return made;
  };
  if (i.extra & 2)
    storeLanes<u64>(w, i.d, one);
  else
    storeLanes<u32>(w, i.d, [&](unsigned l) { return u32(one(l)); });
  w.define(i.d, w.definedOf(i.a));
}

/// Words: rounding, .ftz, .sat, destination and source types. A register may be wider
/// than an integer's type.
static void takeConvert(Builder &b) {
  const Type target = Type::of(b.word(3)), source = Type::of(b.word(4));
  if (!b.want(2))
    return;
  Conversion c{target.kind, source.kind, uint8_t(target.width), uint8_t(source.width)};
  bool fromFloat = source.kind == 'f' || source.kind == 'h', toFloat = target.kind == 'f' || target.kind == 'h';
  std::string_view rounding = b.word(0);
  bool isInteger = rounding.ends_with('i');
  c.mode = modeOf(rounding);
  c.isIntegral = isInteger && fromFloat && toFloat;
  c.saturates = b.has(".sat"), c.flushes = b.has(".ftz");
  if (fromFloat && !toFloat && !isInteger)
    return (void)b.fail("a float to an integer wants .rni, .rzi, .rmi or .rpi");
  if (!fromFloat && toFloat && (rounding.empty() || isInteger))
    return (void)b.fail("an integer to a float wants .rn, .rz, .rm or .rp");
  unsigned to = 0, from = 0;
  b.inst.d = b.anyRegister(b.operand(0), to);
  if (b.operand(1).kind == Operand::Register) {
    b.inst.a = b.anyRegister(b.operand(1), from);
  } else {
    from = source.width == 64 ? 64 : 32;
    b.inst.a = b.src(1, {source.kind, std::max(source.width, 32u)});
  }
  if (to && (to < target.width || (toFloat && to != target.width)))
    b.fail(b.operand(0), "a register of " + std::to_string(to) + " bits, want " + std::to_string(target.width));
  if (from && (from < source.width || (fromFloat && from != source.width)))
    b.fail(b.operand(1), "a register of " + std::to_string(from) + " bits, want " + std::to_string(source.width));
  b.inst.extra = (from == 64) | (to == 64) << 1;
  b.inst.imm = std::bit_cast<int64_t>(c);
  b.inst.run = convert;
}

/// Two numbers to a pair: a is the upper one. Words: .relu, type.
static void takePair(Builder &b) {
  if (!b.want(3))
    return;
  b.inst.d = b.dst(0, 32), b.inst.a = b.src(1, {'f', 32}), b.inst.b = b.src(2, {'f', 32});
  b.inst.imm = b.has(".relu") | (Type::of(b.word(1)).kind == 'h') << 1;
  b.inst.run = [](Warp &w, const Inst &i) {
    const float *high = w.lanes<float>(i.a), *low = w.lanes<float>(i.b);
    auto one = [&](float v) {
      if ((i.imm & 1) && v < 0)
        v = 0;
      return u32(i.imm & 2 ? floatToBfloat(v) : floatToHalf(v));
    };
    storeLanes<u32>(w, i.d, [&](unsigned l) { return one(high[l]) << 16 | one(low[l]); });
    w.define(i.d, w.definedOf(i.a) & w.definedOf(i.b));
  };
}

/// f32 to tf32: the lower 13 bits of the fraction become 0.
static void takeTf32(Builder &b) {
  if (!b.want(2))
    return;
  b.inst.d = b.dst(0, 32), b.inst.a = b.src(1, {'f', 32});
  b.inst.run = b.word(0) == ".rna"
                   ? &unary<u32, float, [](float v) { return u32(roundTo(v, 10, 8, NearestAway) << 13); }>
                   : &unary<u32, float, [](float v) { return u32(roundTo(v, 10, 8, Nearest) << 13); }>;
}

/// Pairs of float8: from f32 (two sources) or f16x2, and back. Words: the format, the source.
static void takeFloat8(Builder &b) {
  bool isE4M3 = b.word(1) == ".e4m3x2", isWide = b.word(2) == ".f32", relu = b.has(".relu");
  if (!b.want(isWide ? 3 : 2))
    return;
  b.inst.d = b.dst(0, 16), b.inst.a = b.src(1, {isWide ? 'f' : 'b', 32});
  b.inst.b = isWide ? b.src(2, {'f', 32}) : b.inst.a;
  b.inst.imm = isE4M3 | isWide << 1 | relu << 2;
  b.inst.run = [](Warp &w, const Inst &i) {
    storeLanes<u32>(w, i.d, [&](unsigned l) {
      u32 bits = w.lanes<u32>(i.a)[l];
      double high = i.imm & 2 ? double(w.lanes<float>(i.a)[l]) : halfToFloat(uint16_t(bits >> 16));
      double low = i.imm & 2 ? double(w.lanes<float>(i.b)[l]) : halfToFloat(uint16_t(bits));
      auto one = [&](double v) { return u32(toFloat8((i.imm & 4) && v < 0 ? 0 : v, i.imm & 1)); };
      return one(high) << 8 | one(low);
    });
    w.define(i.d, w.definedOf(i.a) & w.definedOf(i.b));
  };
}
static void takeFromFloat8(Builder &b) {
  bool isE4M3 = b.word(1) == ".e4m3x2";
  if (!b.want(2))
    return;
  b.inst.d = b.dst(0, 32), b.inst.a = b.src(1, {'b', 16});
  b.inst.imm = isE4M3 | b.has(".relu") << 1;
  b.inst.run = [](Warp &w, const Inst &i) {
    storeLanes<u32>(w, i.d, [&](unsigned l) {
      u32 bits = w.lanes<u32>(i.a)[l];
      auto one = [&](u32 v) {
        double value = fromFloat8(v & 255, i.imm & 1);
        return u32(floatToHalf(float((i.imm & 2) && value < 0 ? 0 : value)));
      };
      return one(bits >> 8) << 16 | one(bits);
    });
    w.define(i.d, w.definedOf(i.a));
  };
}

std::span<const Form> convertForms() {
#define SMELT_SIM_INTEGERS ".u8|.u16|.u32|.u64|.s8|.s16|.s32|.s64"
  static const Form forms[] = {
      {"cvt{.rn|.rz|.rm|.rp|.rni|.rzi|.rmi|.rpi}{.ftz}{.sat}(" SMELT_SIM_INTEGERS
       "|.f16|.bf16|.f32|.f64)(" SMELT_SIM_INTEGERS "|.f16|.bf16|.f32|.f64)",
       takeConvert},
      {"cvt.rn{.relu}(.f16x2|.bf16x2).f32", takePair},
      {"cvt(.rna|.rn).tf32.f32", takeTf32},
      {"cvt.rn.satfinite{.relu}(.e4m3x2|.e5m2x2)(.f32|.f16x2)", takeFloat8},
      {"cvt.rn{.relu}.f16x2(.e4m3x2|.e5m2x2)", takeFromFloat8},
      {"cvt.rn.relu(.f16|.bf16).f32",
       [](Builder &b) {
         if (!b.want(2))
           return;
         b.inst.d = b.dst(0, 16), b.inst.a = b.src(1, {'f', 32});
         b.inst.run = b.word(0) == ".bf16"
                          ? &unary<u32, float, [](float v) { return u32(floatToBfloat(v < 0 ? 0 : v)); }>
                          : &unary<u32, float, [](float v) { return u32(floatToHalf(v < 0 ? 0 : v)); }>;
       }},
  };
#undef SMELT_SIM_INTEGERS
  return forms;
}

} // namespace smelt::sim
