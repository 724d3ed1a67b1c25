//===- Integer.cpp - Integer, logic, selection and movement -----------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// PTX ISA 9.0, 9.7.1, 9.7.2 (extended precision), 9.7.8 (logic and shifts) and 9.7.9
// (mov, selp, prmt). 16-bit registers lie in lanes of 32 bits, upper half ignored.
// Tested by test/runtime/sim/AluTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/sim/Lanes.h"
#include <algorithm>

namespace smelt::sim {

using u32 = uint32_t;
using u64 = uint64_t;
using s32 = int32_t;
using s64 = int64_t;
__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 s128;

void finishCompare(Warp &w, const Inst &i, uint32_t hit, uint32_t defined) {
  uint32_t other = predicateOf(w, i.e.number ? int32_t(i.e.at) : -2, i.qNegated), inverse = ~hit;
  switch (i.imm) { // how it is combined: none, and, or, xor
  case 1: hit &= other, inverse &= other; break;
  case 2: hit |= other, inverse |= other; break;
  case 3: hit ^= other, inverse ^= other; break;
  }
  if (i.e.number)
    defined &= predicateDefined(w, int32_t(i.e.at));
  setPredicate(w, i.p, hit, defined);
  setPredicate(w, i.q, inverse, defined);
}

/// Gives the handler for a type of 16, 32 or 64 bits: F is written for wide types and
/// cut to the width by the storage.
template <template <typename> class Op> static Handler forInteger(Type t) {
  bool isSigned = t.kind == 's';
  switch (t.width) {
  case 16:
    return isSigned
               ? &binary<u32, u32, [](u32 a, u32 b) { return u32(uint16_t(Op<s32>()(int16_t(a), int16_t(b)))); }>
               : &binary<u32, u32, [](u32 a, u32 b) { return u32(uint16_t(Op<u32>()(uint16_t(a), uint16_t(b)))); }>;
  case 32:
    return isSigned ? &binary<s32, s32, [](s32 a, s32 b) { return s32(Op<s32>()(a, b)); }>
                    : &binary<u32, u32, [](u32 a, u32 b) { return u32(Op<u32>()(a, b)); }>;
  default:
    return isSigned ? &binary<s64, s64, [](s64 a, s64 b) { return s64(Op<s64>()(a, b)); }>
                    : &binary<u64, u64, [](u64 a, u64 b) { return u64(Op<u64>()(a, b)); }>;
  }
}

template <typename T> using Unsigned = std::make_unsigned_t<T>;
template <typename T> struct Add {
  T operator()(T a, T b) const { return T(Unsigned<T>(a) + Unsigned<T>(b)); }
};
template <typename T> struct Sub {
  T operator()(T a, T b) const { return T(Unsigned<T>(a) - Unsigned<T>(b)); }
};
template <typename T> struct Mul {
  T operator()(T a, T b) const { return T(Unsigned<T>(a) * Unsigned<T>(b)); }
};
template <typename T> struct Min {
  T operator()(T a, T b) const { return a < b ? a : b; }
};
template <typename T> struct Max {
  T operator()(T a, T b) const { return a > b ? a : b; }
};
// The ISA leaves a division by zero open; here it gives all ones, and the dividend as rest.
template <typename T> struct Div {
  T operator()(T a, T b) const {
    return b == 0 ? T(~T(0)) : std::is_signed_v<T> && b == T(-1) ? T(0 - Unsigned<T>(a)) : T(a / b);
  }
};
template <typename T> struct Rem {
  T operator()(T a, T b) const { return b == 0 ? a : std::is_signed_v<T> && b == T(-1) ? T(0) : T(a % b); }
};
template <typename T> struct MulHi {
  T operator()(T a, T b) const {
    if constexpr (sizeof(T) == 8)
      return T((std::is_signed_v<T> ? u128(s128(a) * s128(b)) : u128(a) * u128(b)) >> 64);
    else
      return T((std::is_signed_v<T> ? u64(s64(a) * s64(b)) : u64(a) * u64(b)) >> 32);
  }
};

/// d, a, b of the type that the last bracket or modifier names.
static Type take(Builder &b, Type t) {
  if (!b.want(3))
    return t;
  b.inst.d = b.dst(0, t.width), b.inst.a = b.src(1, t), b.inst.b = b.src(2, t);
  return t;
}
template <template <typename> class Op> static void arithmetic(Builder &b) {
  Type t = take(b, Type::of(b.word(0)));
  b.inst.run = forInteger<Op>(t);
}
template <auto F> static void saturated(Builder &b) {
  take(b, {'s', 32});
  b.inst.run =
      &binary<s32, s32, [](s32 x, s32 y) { return s32(std::clamp<s64>(F(s64(x), s64(y)), INT32_MIN, INT32_MAX)); }>;
}

static void multiplyHigh(Builder &b) {
  Type t = take(b, Type::of(b.word(0)));
  if (t.width == 16)
    b.inst.run =
        t.kind == 's'
            ? &binary<u32, u32, [](u32 x, u32 y) { return u32(uint16_t((s32(int16_t(x)) * int16_t(y)) >> 16)); }>
            : &binary<u32, u32, [](u32 x, u32 y) { return (x & 0xffff) * (y & 0xffff) >> 16; }>;
  else
    b.inst.run = forInteger<MulHi>(t);
}

/// The product of twice the width.
static void multiplyWide(Builder &b) {
  Type t = Type::of(b.word(0));
  if (!b.want(3))
    return;
  b.inst.d = b.dst(0, 2 * t.width), b.inst.a = b.src(1, t), b.inst.b = b.src(2, t);
  if (t.width == 16)
    b.inst.run = t.kind == 's' ? &binary<u32, u32, [](u32 x, u32 y) { return u32(s32(int16_t(x)) * int16_t(y)); }>
                               : &binary<u32, u32, [](u32 x, u32 y) { return (x & 0xffff) * (y & 0xffff); }>;
  else
    b.inst.run = t.kind == 's' ? &binary<s64, s32, [](s32 x, s32 y) { return s64(x) * y; }>
                               : &binary<u64, u32, [](u32 x, u32 y) { return u64(x) * y; }>;
}

static void multiplyAdd(Builder &b) {
  bool isWide = b.word(0) == ".wide", isHigh = b.word(0) == ".hi";
  Type t = Type::of(b.word(1));
  if (!b.want(4))
    return;
  Type sum = {t.kind, isWide ? 2 * t.width : t.width};
  b.inst.d = b.dst(0, sum.width), b.inst.a = b.src(1, t), b.inst.b = b.src(2, t), b.inst.c = b.src(3, sum);
  bool isSigned = t.kind == 's';
  if (isWide) {
    if (t.width == 16)
      b.inst.run =
          isSigned ? &ternary<u32, u32, u32, [](u32 x, u32 y, u32 z) { return u32(s32(int16_t(x)) * int16_t(y)) + z; }>
                   : &ternary<u32, u32, u32, [](u32 x, u32 y, u32 z) { return (x & 0xffff) * (y & 0xffff) + z; }>;
    else
      b.inst.run = isSigned ? &ternary<u64, s32, u64, [](s32 x, s32 y, u64 z) { return u64(s64(x) * y) + z; }>
                            : &ternary<u64, u32, u64, [](u32 x, u32 y, u64 z) { return u64(x) * y + z; }>;
  } else if (isHigh) {
    if (t.width == 64)
      b.inst.run = isSigned ? &ternary<u64, s64, u64, [](s64 x, s64 y, u64 z) { return u64(MulHi<s64>()(x, y)) + z; }>
                            : &ternary<u64, u64, u64, [](u64 x, u64 y, u64 z) { return MulHi<u64>()(x, y) + z; }>;
    else
      b.inst.run = isSigned ? &ternary<u32, s32, u32, [](s32 x, s32 y, u32 z) { return u32(MulHi<s32>()(x, y)) + z; }>
                            : &ternary<u32, u32, u32, [](u32 x, u32 y, u32 z) { return MulHi<u32>()(x, y) + z; }>;
  } else {
    b.inst.run = t.width == 64 ? &ternary<u64, u64, u64, [](u64 x, u64 y, u64 z) { return x * y + z; }>
                 : t.width == 32
                     ? &ternary<u32, u32, u32, [](u32 x, u32 y, u32 z) { return x * y + z; }>
                     : &ternary<u32, u32, u32, [](u32 x, u32 y, u32 z) { return u32(uint16_t(x * y + z)); }>;
  }
}

//--- one operand
template <auto F16, auto F32, auto F64> static void single(Builder &b) {
  Type t = Type::of(b.word(0));
  if (!b.want(2))
    return;
  b.inst.d = b.dst(0, t.width), b.inst.a = b.src(1, t);
  b.inst.run = t.width == 64 ? &unary<u64, u64, F64> : t.width == 32 ? &unary<u32, u32, F32> : &unary<u32, u32, F16>;
}
static void negate(Builder &b) {
  single<[](u32 a) { return u32(uint16_t(0 - a)); }, [](u32 a) { return 0 - a; }, [](u64 a) { return 0 - a; }>(b);
}
static void absolute(Builder &b) {
  single<[](u32 a) { return u32(uint16_t(int16_t(a) < 0 ? 0 - a : a)); }, [](u32 a) { return s32(a) < 0 ? 0 - a : a; },
         [](u64 a) { return s64(a) < 0 ? 0 - a : a; }>(b);
}
static void complement(Builder &b) {
  if (b.word(0) != ".pred")
    return single<[](u32 a) { return u32(uint16_t(~a)); }, [](u32 a) { return ~a; }, [](u64 a) { return ~a; }>(b);
  if (!b.want(2))
    return;
  b.inst.p = b.dstPredicate(b.operand(0)), b.inst.q = b.srcPredicate(b.operand(1), b.inst.qNegated);
  b.inst.run = [](Warp &w, const Inst &i) {
    setPredicate(w, i.p, ~predicateOf(w, i.q, i.qNegated), predicateDefined(w, i.q));
  };
}
/// Counts and searches: a result of 32 bits.
template <auto F32, auto F64> static void count(Builder &b) {
  Type t = Type::of(b.word(0));
  if (!b.want(2))
    return;
  b.inst.d = b.dst(0, 32), b.inst.a = b.src(1, t);
  b.inst.run = t.width == 64 ? &unary<u32, u64, F64> : &unary<u32, u32, F32>;
}
static void populationCount(Builder &b) {
  count<[](u32 a) { return std::popcount(a); }, [](u64 a) { return std::popcount(a); }>(b);
}
static void leadingZeros(Builder &b) {
  count<[](u32 a) { return std::countl_zero(a); }, [](u64 a) { return std::countl_zero(a); }>(b);
}
static u32 highestBit(u64 value, unsigned width, bool isShift) {
  if (value == 0)
    return kAll;
  unsigned place = 63 - unsigned(std::countl_zero(value));
  return isShift ? width - 1 - place : place;
}
/// The highest bit that differs from the sign; ~0 when there is none. With
/// .shiftamt how far it is from the top.
static void findHighest(Builder &b) {
  Type t = Type::of(b.word(1));
  if (!b.want(2))
    return;
  b.inst.d = b.dst(0, 32), b.inst.a = b.src(1, t);
  bool isSigned = t.kind == 's', isShift = b.has(".shiftamt");
  b.inst.imm = isShift;
  b.inst.extra = isSigned | (t.width == 64) << 1;
  b.inst.run = [](Warp &w, const Inst &i) {
    bool isSigned = i.extra & 1, isWide = i.extra & 2;
    storeLanes<u32>(w, i.d, [&](unsigned l) {
      u64 v = isWide ? w.lanes<u64>(i.a)[l] : w.lanes<u32>(i.a)[l];
      if (isSigned)
        v = isWide ? v ^ u64(s64(v) >> 63) : u64(u32(v) ^ u32(s32(v) >> 31));
      return highestBit(v, isWide ? 64 : 32, i.imm);
    });
    w.define(i.d, w.definedOf(i.a));
  };
}
static u64 reversed(u64 a) {
  a = ((a >> 1) & 0x5555555555555555) | ((a & 0x5555555555555555) << 1);
  a = ((a >> 2) & 0x3333333333333333) | ((a & 0x3333333333333333) << 2);
  a = ((a >> 4) & 0x0f0f0f0f0f0f0f0f) | ((a & 0x0f0f0f0f0f0f0f0f) << 4);
  return __builtin_bswap64(a);
}
static void reverseBits(Builder &b) {
  single<[](u32 a) { return a; }, [](u32 a) { return u32(reversed(a) >> 32); }, [](u64 a) { return reversed(a); }>(b);
}

//--- logic
template <template <typename> class Op> static void logic(Builder &b) {
  if (b.word(0) != ".pred")
    return arithmetic<Op>(b);
  if (!b.want(3))
    return;
  b.inst.p = b.dstPredicate(b.operand(0));
  b.inst.q = b.srcPredicate(b.operand(1), b.inst.qNegated);
  b.inst.target = u32(b.srcPredicate(b.operand(2), b.inst.pNegated));
  b.inst.run = [](Warp &w, const Inst &i) {
    u32 x = predicateOf(w, i.q, i.qNegated), y = predicateOf(w, s32(i.target), i.pNegated);
    setPredicate(w, i.p, Op<u32>()(x, y), predicateDefined(w, i.q) & predicateDefined(w, s32(i.target)));
  };
}
template <typename T> struct And {
  T operator()(T a, T b) const { return T(a & b); }
};
template <typename T> struct Or {
  T operator()(T a, T b) const { return T(a | b); }
};
template <typename T> struct Xor {
  T operator()(T a, T b) const { return T(a ^ b); }
};

/// Amounts from the width on give 0, or copies of the sign.
static void shiftLeft(Builder &b) {
  Type t = Type::of(b.word(0));
  if (!b.want(3))
    return;
  b.inst.d = b.dst(0, t.width), b.inst.a = b.src(1, t), b.inst.b = b.src(2, {'u', 32});
  b.inst.run = t.width == 64   ? &shift<u64, [](u64 a, u32 n) { return n > 63 ? 0 : a << n; }>
               : t.width == 32 ? &shift<u32, [](u32 a, u32 n) { return n > 31 ? 0 : a << n; }>
                               : &shift<u32, [](u32 a, u32 n) { return n > 15 ? 0 : u32(uint16_t(a << n)); }>;
}
static void shiftRight(Builder &b) {
  Type t = Type::of(b.word(0));
  if (!b.want(3))
    return;
  b.inst.d = b.dst(0, t.width), b.inst.a = b.src(1, t), b.inst.b = b.src(2, {'u', 32});
  if (t.kind == 's')
    b.inst.run = t.width == 64 ? &shift<u64, [](u64 a, u32 n) { return u64(s64(a) >> std::min(n, 63u)); }>
                 : t.width == 32
                     ? &shift<u32, [](u32 a, u32 n) { return u32(s32(a) >> std::min(n, 31u)); }>
                     : &shift<u32, [](u32 a, u32 n) { return u32(uint16_t(int16_t(a) >> std::min(n, 15u))); }>;
  else
    b.inst.run = t.width == 64   ? &shift<u64, [](u64 a, u32 n) { return n > 63 ? 0 : a >> n; }>
                 : t.width == 32 ? &shift<u32, [](u32 a, u32 n) { return n > 31 ? 0 : a >> n; }>
                                 : &shift<u32, [](u32 a, u32 n) { return n > 15 ? 0 : (a & 0xffff) >> n; }>;
}
static u32 funnelLeft(u32 a, u32 c, u32 n) { return u32((((u64(c) << 32) | a) << n) >> 32); }
static u32 funnelRight(u32 a, u32 c, u32 n) { return u32(((u64(c) << 32) | a) >> n); }
/// The upper or lower half of a pair of registers that is shifted.
static void funnelShift(Builder &b) {
  bool isLeft = b.word(0) == ".l", wraps = b.word(1) == ".wrap";
  if (!b.want(4))
    return;
  b.inst.d = b.dst(0, 32), b.inst.a = b.src(1, {}), b.inst.b = b.src(2, {}), b.inst.c = b.src(3, {});
  b.inst.run =
      isLeft  ? wraps ? &ternary<u32, u32, u32, [](u32 a, u32 c, u32 n) { return funnelLeft(a, c, n & 31); }>
                      : &ternary<u32, u32, u32, [](u32 a, u32 c, u32 n) { return funnelLeft(a, c, std::min(n, 32u)); }>
      : wraps ? &ternary<u32, u32, u32, [](u32 a, u32 c, u32 n) { return funnelRight(a, c, n & 31); }>
              : &ternary<u32, u32, u32, [](u32 a, u32 c, u32 n) { return funnelRight(a, c, std::min(n, 32u)); }>;
}
/// Bit k of the immediate is the result for the inputs whose bits make k.
static void lookUp3(Builder &b) {
  if (!b.want(5))
    return;
  b.inst.d = b.dst(0, 32), b.inst.a = b.src(1, {}), b.inst.b = b.src(2, {}), b.inst.c = b.src(3, {});
  b.inst.imm = s64(b.immediate(4, 255));
  b.inst.run = [](Warp &w, const Inst &i) {
    const u32 *x = w.lanes<u32>(i.a), *y = w.lanes<u32>(i.b), *z = w.lanes<u32>(i.c);
    storeLanes<u32>(w, i.d, [&](unsigned l) {
      u32 made = 0;
      for (unsigned k = 0; k < 8; ++k)
        if (i.imm >> k & 1)
          made |= (k & 4 ? x[l] : ~x[l]) & (k & 2 ? y[l] : ~y[l]) & (k & 1 ? z[l] : ~z[l]);
      return made;
    });
    w.define(i.d, w.definedOf(i.a) & w.definedOf(i.b) & w.definedOf(i.c));
  };
}

//--- bit fields
static void extractField(Builder &b) {
  Type t = Type::of(b.word(0));
  if (!b.want(4))
    return;
  b.inst.d = b.dst(0, t.width), b.inst.a = b.src(1, t), b.inst.b = b.src(2, {'u', 32}), b.inst.c = b.src(3, {'u', 32});
  b.inst.imm = t.kind == 's';
  b.inst.extra = t.width;
  b.inst.run = [](Warp &w, const Inst &i) {
    const u32 *from = w.lanes<u32>(i.b), *count = w.lanes<u32>(i.c);
    auto field = [&](u64 value, unsigned l) {
      unsigned width = i.extra, at = from[l] & 0xff, n = count[l] & 0xff;
      u64 bits = at < width ? value >> at : 0;
      // Beyond the top, and above the field, stands the sign where the type has one.
      unsigned last = std::min(at + n, width) - 1;
      u64 sign = i.imm && n ? (value >> (last < width ? last : width - 1)) & 1 : 0;
      unsigned have = at < width ? std::min(n, width - at) : 0;
      u64 mask = have >= 64 ? ~u64(0) : (u64(1) << have) - 1;
      return (bits & mask) | (sign ? ~mask : 0);
    };
    if (i.extra == 64)
      storeLanes<u64>(w, i.d, [&](unsigned l) { return field(w.lanes<u64>(i.a)[l], l); });
    else
      storeLanes<u32>(w, i.d, [&](unsigned l) { return u32(field(w.lanes<u32>(i.a)[l], l)); });
    w.define(i.d, w.definedOf(i.a) & w.definedOf(i.b) & w.definedOf(i.c));
  };
}
static void insertField(Builder &b) {
  Type t = Type::of(b.word(0));
  if (!b.want(5))
    return;
  b.inst.d = b.dst(0, t.width), b.inst.a = b.src(1, t), b.inst.b = b.src(2, t), b.inst.c = b.src(3, {'u', 32}),
  b.inst.e = b.src(4, {'u', 32});
  b.inst.extra = t.width;
  b.inst.run = [](Warp &w, const Inst &i) {
    const u32 *from = w.lanes<u32>(i.c), *count = w.lanes<u32>(i.e);
    auto insert = [&](u64 a, u64 into, unsigned l) {
      unsigned at = from[l] & 0xff, n = count[l] & 0xff;
      if (at >= i.extra)
        return into;
      u64 mask = (n >= 64 ? ~u64(0) : (u64(1) << n) - 1) << at;
      return (into & ~mask) | ((a << at) & mask);
    };
    if (i.extra == 64)
      storeLanes<u64>(w, i.d, [&](unsigned l) { return insert(w.lanes<u64>(i.a)[l], w.lanes<u64>(i.b)[l], l); });
    else
      storeLanes<u32>(w, i.d, [&](unsigned l) { return u32(insert(w.lanes<u32>(i.a)[l], w.lanes<u32>(i.b)[l], l)); });
    w.define(i.d, w.definedOf(i.a) & w.definedOf(i.b) & w.definedOf(i.c) & w.definedOf(i.e));
  };
}
/// Bytes of a pair by the selectors of c; bit 3 of one takes the byte's sign.
static void permuteBytes(Builder &b) {
  if (!b.want(4))
    return;
  b.inst.d = b.dst(0, 32), b.inst.a = b.src(1, {}), b.inst.b = b.src(2, {}), b.inst.c = b.src(3, {});
  b.inst.run = &ternary<u32, u32, u32, [](u32 a, u32 c, u32 selectors) {
    u64 bytes = (u64(c) << 32) | a;
    u32 made = 0;
    for (unsigned k = 0; k < 4; ++k) {
      unsigned s = selectors >> (4 * k) & 15;
      u32 byte = u32(bytes >> (8 * (s & 7))) & 255;
      if (s & 8)
        byte = byte & 128 ? 255 : 0;
      made |= byte << (8 * k);
    }
    return made;
  }>;
}

/// Sums of products of bytes (dp4a), or of halves and two bytes (dp2a).
template <bool isFour> static void dotProduct(Builder &b) {
  bool isHigh = !isFour && b.word(0) == ".hi";
  bool signedA = b.word(isFour ? 0 : 1) == ".s32", signedB = b.word(isFour ? 1 : 2) == ".s32";
  if (!b.want(4))
    return;
  b.inst.d = b.dst(0, 32), b.inst.a = b.src(1, {}), b.inst.b = b.src(2, {}), b.inst.c = b.src(3, {});
  b.inst.imm = signedA | signedB << 1 | isHigh << 2;
  b.inst.run = [](Warp &w, const Inst &i) {
    bool signedA = i.imm & 1, signedB = i.imm & 2;
    unsigned first = i.imm & 4 ? 2 : 0;
    const u32 *x = w.lanes<u32>(i.a), *y = w.lanes<u32>(i.b), *z = w.lanes<u32>(i.c);
    auto byteOf = [](u32 v, unsigned k, bool isSigned) {
      return isSigned ? s64(int8_t(v >> (8 * k))) : s64(uint8_t(v >> (8 * k)));
    };
    auto halfOf = [](u32 v, unsigned k, bool isSigned) {
      return isSigned ? s64(int16_t(v >> (16 * k))) : s64(uint16_t(v >> (16 * k)));
    };
    storeLanes<u32>(w, i.d, [&](unsigned l) {
      u32 sum = z[l];
      for (unsigned k = 0; k < (isFour ? 4u : 2u); ++k)
        sum += u32((isFour ? byteOf(x[l], k, signedA) : halfOf(x[l], k, signedA)) *
                   byteOf(y[l], isFour ? k : k + first, signedB));
      return sum;
    });
    w.define(i.d, w.definedOf(i.a) & w.definedOf(i.b) & w.definedOf(i.c));
  };
}

//--- extended precision: the carry of each lane is a bit of the warp's
template <bool isSub, bool reads, bool writes> static void addCarry(Builder &b) {
  Type t = take(b, Type::of(b.word(0)));
  b.inst.extra = t.width;
  b.inst.run = [](Warp &w, const Inst &i) {
    u32 carry = w.carry, out = 0;
    auto run = [&]<typename T>(T) {
      const T *x = w.lanes<T>(i.a), *y = w.lanes<T>(i.b);
      storeLanes<T>(w, i.d, [&](unsigned l) {
        T in = reads ? carry >> l & 1 : isSub, other = isSub ? T(~y[l]) : y[l];
        u128 sum = u128(x[l]) + other + in;
        out |= u32(u32(sum >> (8 * sizeof(T))) & 1) << l;
        return T(sum);
      });
    };
    i.extra == 64 ? run(u64()) : run(u32());
    if (writes)
      w.carry = (carry & ~w.mask) | (out & w.mask);
    w.define(i.d, w.definedOf(i.a) & w.definedOf(i.b));
  };
}
template <bool reads, bool writes> static void madCarry(Builder &b) {
  bool isHigh = b.word(0) == ".hi";
  Type t = Type::of(b.word(1));
  if (!b.want(4))
    return;
  b.inst.d = b.dst(0, t.width), b.inst.a = b.src(1, t), b.inst.b = b.src(2, t), b.inst.c = b.src(3, t);
  b.inst.imm = isHigh | (t.kind == 's') << 1;
  b.inst.extra = t.width;
  b.inst.run = [](Warp &w, const Inst &i) {
    u32 carry = w.carry, out = 0;
    auto run = [&]<typename T>(T) {
      const T *x = w.lanes<T>(i.a), *y = w.lanes<T>(i.b), *z = w.lanes<T>(i.c);
      storeLanes<T>(w, i.d, [&](unsigned l) {
        T product = !(i.imm & 1) ? T(x[l] * y[l])
                    : i.imm & 2  ? T(MulHi<std::make_signed_t<T>>()(s64(x[l]), s64(y[l])))
                                 : MulHi<T>()(x[l], y[l]);
        u128 sum = u128(product) + z[l] + (reads ? carry >> l & 1 : 0);
        out |= u32(u32(sum >> (8 * sizeof(T))) & 1) << l;
        return T(sum);
      });
    };
    i.extra == 64 ? run(u64()) : run(u32());
    if (writes)
      w.carry = (carry & ~w.mask) | (out & w.mask);
    w.define(i.d, w.definedOf(i.a) & w.definedOf(i.b) & w.definedOf(i.c));
  };
}

//--- comparison and selection
template <typename A> static Handler comparison(std::string_view op) {
  if (op == ".eq")
    return &compare<A, [](A a, A b) { return a == b; }>;
  if (op == ".ne")
    return &compare<A, [](A a, A b) { return a != b; }>;
  if (op == ".lt" || op == ".lo")
    return &compare<A, [](A a, A b) { return a < b; }>;
  if (op == ".le" || op == ".ls")
    return &compare<A, [](A a, A b) { return a <= b; }>;
  if (op == ".gt" || op == ".hi")
    return &compare<A, [](A a, A b) { return a > b; }>;
  return &compare<A, [](A a, A b) { return a >= b; }>;
}

void takeCompare(Builder &b, Type t, std::string_view combine) {
  if (!b.want(combine.empty() ? 3 : 4))
    return;
  b.inst.p = b.dstPredicate(b.operand(0));
  if (!b.operand(0).second.empty())
    b.inst.q = b.dstPredicate(b.operand(0).second[0]);
  b.inst.a = b.src(1, t), b.inst.b = b.src(2, t);
  b.inst.imm = combine == ".and" ? 1 : combine == ".or" ? 2 : combine == ".xor" ? 3 : 0;
  if (!combine.empty()) // the third source: its number, and that there is one
    b.inst.e = {u32(b.srcPredicate(b.operand(3), b.inst.qNegated)), 1};
}

static void setPredicateOf(Builder &b) {
  Type t = Type::of(b.word(2));
  takeCompare(b, t, b.word(1));
  bool isSigned = t.kind == 's';
  if (t.width == 64)
    b.inst.run = isSigned ? comparison<s64>(b.word(0)) : comparison<u64>(b.word(0));
  else if (t.width == 32)
    b.inst.run = isSigned ? comparison<s32>(b.word(0)) : comparison<u32>(b.word(0));
  else { // the lower halves of lanes
    b.inst.extra = u32(b.word(0) == ".eq"                         ? 0
                       : b.word(0) == ".ne"                       ? 1
                       : b.word(0) == ".lt" || b.word(0) == ".lo" ? 2
                       : b.word(0) == ".le" || b.word(0) == ".ls" ? 3
                       : b.word(0) == ".gt" || b.word(0) == ".hi" ? 4
                                                                  : 5);
    b.inst.target = isSigned;
    b.inst.run = [](Warp &w, const Inst &i) {
      u32 hit = 0;
      eachLane(w.mask, [&](unsigned l) {
        u32 x = w.lanes<u32>(i.a)[l], y = w.lanes<u32>(i.b)[l];
        s32 a = i.target ? int16_t(x) : s32(uint16_t(x)), c = i.target ? int16_t(y) : s32(uint16_t(y));
        bool results[] = {a == c, a != c, a<c, a <= c, a> c, a >= c};
        hit |= u32(results[i.extra]) << l;
      });
      finishCompare(w, i, hit, w.definedOf(i.a) & w.definedOf(i.b));
    };
  }
}

static void select(Builder &b) {
  Type t = Type::of(b.word(0));
  if (!b.want(4))
    return;
  b.inst.d = b.dst(0, t.width), b.inst.a = b.src(1, t), b.inst.b = b.src(2, t);
  b.inst.p = b.srcPredicate(b.operand(3), b.inst.pNegated);
  b.inst.extra = t.width;
  b.inst.run = [](Warp &w, const Inst &i) {
    u32 p = predicateOf(w, i.p, i.pNegated);
    if (i.extra == 64) {
      const u64 *x = w.lanes<u64>(i.a), *y = w.lanes<u64>(i.b);
      storeLanes<u64>(w, i.d, [&](unsigned l) { return p >> l & 1 ? x[l] : y[l]; });
    } else {
      const u32 *x = w.lanes<u32>(i.a), *y = w.lanes<u32>(i.b);
      storeLanes<u32>(w, i.d, [&](unsigned l) { return p >> l & 1 ? x[l] : y[l]; });
    }
    w.define(i.d, ((p & w.definedOf(i.a)) | (~p & w.definedOf(i.b))) & predicateDefined(w, i.p));
  };
}

/// mov: registers, numbers, addresses of variables, and packing of vectors.
static void move(Builder &b) {
  Type t = Type::of(b.word(0));
  if (!b.want(2))
    return;
  const Operand &to = b.operand(0), &from = b.operand(1);
  if (t.kind == 'p') {
    b.inst.p = b.dstPredicate(to), b.inst.q = b.srcPredicate(from, b.inst.qNegated);
    b.inst.run = [](Warp &w, const Inst &i) {
      setPredicate(w, i.p, predicateOf(w, i.q, i.qNegated), predicateDefined(w, i.q));
    };
    return;
  }
  if (to.kind == Operand::Vector || from.kind == Operand::Vector) {
    bool splits = to.kind == Operand::Vector;
    const Operand &parts = splits ? to : from;
    size_t count = parts.parts.size();
    if (count != 2 && count != 4)
      return (void)b.fail(parts, std::to_string(count) + " registers, want 2 or 4");
    unsigned width = t.width / unsigned(count);
    if (width < 16)
      return (void)b.fail(parts, "parts of " + std::to_string(width) + " bits", 69);
    std::vector<Ref> refs;
    for (const Operand &part : parts.parts)
      refs.push_back(splits ? b.dst(part, width) : b.src(part, {'b', width}));
    b.inst.a = splits ? b.src(from, {'b', t.width}) : Ref{};
    b.inst.d = splits ? Ref{} : b.dst(to, t.width);
    b.inst.extra = b.addFragments(refs);
    b.inst.imm = width;
    b.inst.target = t.width;
    b.inst.run = splits ? [](Warp &w, const Inst &i) {
      const std::vector<Ref> &parts = w.kernel->fragments[i.extra];
      u64 source[kLanes];
      for (unsigned l = 0; l < kLanes; ++l)
        source[l] = i.target == 64 ? w.lanes<u64>(i.a)[l] : w.lanes<u32>(i.a)[l];
      for (size_t k = 0; k < parts.size(); ++k) {
        storeLanes<u32>(w, parts[k], [&](unsigned l) { return u32(source[l] >> (i.imm * s64(k))) & (i.imm == 16 ? 0xffff : kAll); });
        w.define(parts[k], w.definedOf(i.a));
      }
    } : [](Warp &w, const Inst &i) {
      const std::vector<Ref> &parts = w.kernel->fragments[i.extra];
      u32 defined = kAll;
      auto made = [&](unsigned l) {
        u64 value = 0;
        for (size_t k = 0; k < parts.size(); ++k)
          value |= u64(w.lanes<u32>(parts[k])[l] & (i.imm == 16 ? 0xffff : kAll)) << (i.imm * s64(k));
        return value;
      };
      for (Ref part : parts)
        defined &= w.definedOf(part);
      if (i.target == 64)
        storeLanes<u64>(w, i.d, made);
      else
        storeLanes<u32>(w, i.d, [&](unsigned l) { return u32(made(l)); });
      w.define(i.d, defined);
    };
    return;
  }
  if (from.kind == Operand::SpecialRegister &&
      (from.special == Special::Clock || from.special == Special::Clock64 || from.special == Special::GlobalTimer)) {
    b.inst.d = b.dst(0, t.width);
    b.inst.extra = t.width;
    b.inst.run = [](Warp &w, const Inst &i) { // instructions stand for time
      u64 now = w.launch->issued + w.pc;
      if (i.extra == 64)
        storeLanes<u64>(w, i.d, [&](unsigned) { return now; });
      else
        storeLanes<u32>(w, i.d, [&](unsigned) { return u32(now); });
      w.define(i.d, kAll);
    };
    return;
  }
  b.inst.d = b.dst(0, t.width), b.inst.a = b.src(1, t);
  b.inst.run = t.width == 64 ? &unary<u64, u64, [](u64 a) { return a; }> : &unary<u32, u32, [](u32 a) { return a; }>;
}

std::span<const Form> integerForms() {
  static const Form forms[] = {
      {"add(.u16|.s16|.u32|.s32|.u64|.s64)", arithmetic<Add>},
      {"sub(.u16|.s16|.u32|.s32|.u64|.s64)", arithmetic<Sub>},
      {"add.sat.s32", saturated<[](s64 x, s64 y) { return x + y; }>},
      {"sub.sat.s32", saturated<[](s64 x, s64 y) { return x - y; }>},
      {"mul.lo(.u16|.s16|.u32|.s32|.u64|.s64)", arithmetic<Mul>},
      {"mul.hi(.u16|.s16|.u32|.s32|.u64|.s64)", multiplyHigh},
      {"mul.wide(.u16|.s16|.u32|.s32)", multiplyWide},
      {"mad(.lo|.hi|.wide)(.u16|.s16|.u32|.s32|.u64|.s64)", multiplyAdd},
      {"div(.u16|.s16|.u32|.s32|.u64|.s64)", arithmetic<Div>},
      {"rem(.u16|.s16|.u32|.s32|.u64|.s64)", arithmetic<Rem>},
      {"min(.u16|.s16|.u32|.s32|.u64|.s64)", arithmetic<Min>},
      {"max(.u16|.s16|.u32|.s32|.u64|.s64)", arithmetic<Max>},
      {"neg(.s16|.s32|.s64)", negate},
      {"abs(.s16|.s32|.s64)", absolute},
      {"not(.pred|.b16|.b32|.b64)", complement},
      {"and(.pred|.b16|.b32|.b64)", logic<And>},
      {"or(.pred|.b16|.b32|.b64)", logic<Or>},
      {"xor(.pred|.b16|.b32|.b64)", logic<Xor>},
      {"shl(.b16|.b32|.b64)", shiftLeft},
      {"shr(.b16|.b32|.b64|.u16|.u32|.u64|.s16|.s32|.s64)", shiftRight},
      {"shf(.l|.r)(.wrap|.clamp).b32", funnelShift},
      {"lop3.b32", lookUp3},
      {"popc(.b32|.b64)", populationCount},
      {"clz(.b32|.b64)", leadingZeros},
      {"brev(.b32|.b64)", reverseBits},
      {"bfind{.shiftamt}(.u32|.s32|.u64|.s64)", findHighest},
      {"bfe(.u32|.s32|.u64|.s64)", extractField},
      {"bfi(.b32|.b64)", insertField},
      {"prmt.b32", permuteBytes},
      {"dp4a(.u32|.s32)(.u32|.s32)", dotProduct<true>},
      {"dp2a(.lo|.hi)(.u32|.s32)(.u32|.s32)", dotProduct<false>},
      {"add.cc(.u32|.s32|.u64|.s64)", addCarry<false, false, true>},
      {"addc(.u32|.s32|.u64|.s64)", addCarry<false, true, false>},
      {"addc.cc(.u32|.s32|.u64|.s64)", addCarry<false, true, true>},
      {"sub.cc(.u32|.s32|.u64|.s64)", addCarry<true, false, true>},
      {"subc(.u32|.s32|.u64|.s64)", addCarry<true, true, false>},
      {"subc.cc(.u32|.s32|.u64|.s64)", addCarry<true, true, true>},
      {"mad(.lo|.hi).cc(.u32|.s32|.u64|.s64)", madCarry<false, true>},
      {"madc(.lo|.hi)(.u32|.s32|.u64|.s64)", madCarry<true, false>},
      {"madc(.lo|.hi).cc(.u32|.s32|.u64|.s64)", madCarry<true, true>},
      {"setp(.eq|.ne|.lt|.le|.gt|.ge|.lo|.ls|.hi|.hs){.and|.or|.xor}(.b16|.b32|.b64|.u16|.u32|.u64|.s16|.s32|.s64)",
       setPredicateOf},
      {"selp(.b16|.b32|.b64|.u16|.u32|.u64|.s16|.s32|.s64|.f32|.f64)", select},
      {"mov(.pred|.b16|.b32|.b64|.u16|.u32|.u64|.s16|.s32|.s64|.f16|.f32|.f64)", move},
  };
  return forms;
}

} // namespace smelt::sim
