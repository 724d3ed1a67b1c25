//===- Lanes.h - Instructions that work lane by lane ------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Handlers made of a function of one lane. A whole warp is a loop into a local
// array that the compiler vectorises. A result is defined where all sources are.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_SIM_LANES_H
#define SMELT_RUNTIME_SIM_LANES_H

#include "runtime/sim/Decode.h"

namespace smelt::sim {

/// Stores what f(lane) gives for the lanes that run. D is the lanes' storage type.
template <typename D, typename F> inline void storeLanes(Warp &w, Ref d, F f) {
  D *to = w.lanes<D>(d);
  if (w.mask == kAll) {
    alignas(64) D made[kLanes];
    for (unsigned l = 0; l < kLanes; ++l)
      made[l] = f(l);
    std::memcpy(to, made, sizeof made);
  } else {
    for (uint32_t m = w.mask; m; m &= m - 1) {
      unsigned l = unsigned(std::countr_zero(m));
      to[l] = f(l);
    }
  }
}

template <typename D, typename A, auto F> void unary(Warp &w, const Inst &i) {
  const A *a = w.lanes<A>(i.a);
  storeLanes<D>(w, i.d, [&](unsigned l) { return D(F(a[l])); });
  w.define(i.d, w.definedOf(i.a));
}

template <typename D, typename A, auto F> void binary(Warp &w, const Inst &i) {
  const A *a = w.lanes<A>(i.a), *b = w.lanes<A>(i.b);
  storeLanes<D>(w, i.d, [&](unsigned l) { return D(F(a[l], b[l])); });
  w.define(i.d, w.definedOf(i.a) & w.definedOf(i.b));
}

/// The second operand of 32 bits: shifts.
template <typename D, auto F> void shift(Warp &w, const Inst &i) {
  const D *a = w.lanes<D>(i.a);
  const uint32_t *b = w.lanes<uint32_t>(i.b);
  storeLanes<D>(w, i.d, [&](unsigned l) { return D(F(a[l], b[l])); });
  w.define(i.d, w.definedOf(i.a) & w.definedOf(i.b));
}

template <typename D, typename A, typename C, auto F> void ternary(Warp &w, const Inst &i) {
  const A *a = w.lanes<A>(i.a), *b = w.lanes<A>(i.b);
  const C *c = w.lanes<C>(i.c);
  storeLanes<D>(w, i.d, [&](unsigned l) { return D(F(a[l], b[l], c[l])); });
  w.define(i.d, w.definedOf(i.a) & w.definedOf(i.b) & w.definedOf(i.c));
}

/// Stores a comparison and its inverse, combined with a third source as `imm` says.
void finishCompare(Warp &w, const Inst &i, uint32_t hit, uint32_t defined);

/// A predicate from a comparison, with what {.and|.or|.xor} adds: p = F op q, and
/// the second result q' = !F op q.
template <typename A, auto F> void compare(Warp &w, const Inst &i) {
  const A *a = w.lanes<A>(i.a), *b = w.lanes<A>(i.b);
  uint32_t hit = 0;
  if (w.mask == kAll) {
    for (unsigned l = 0; l < kLanes; ++l)
      hit |= uint32_t(F(a[l], b[l])) << l;
  } else {
    for (uint32_t m = w.mask; m; m &= m - 1) {
      unsigned l = unsigned(std::countr_zero(m));
      hit |= uint32_t(F(a[l], b[l])) << l;
    }
  }
  finishCompare(w, i, hit, w.definedOf(i.a) & w.definedOf(i.b));
}
/// The mask of a source predicate; -2 is a constant.
inline uint32_t predicateOf(const Warp &w, int32_t p, bool negated) {
  uint32_t bits = p < 0 ? kAll : w.predicates[size_t(p)];
  return negated ? ~bits : bits;
}
inline uint32_t predicateDefined(const Warp &w, int32_t p) { return p < 0 ? kAll : w.predicatesDefined[size_t(p)]; }
inline void setPredicate(Warp &w, int32_t p, uint32_t bits, uint32_t defined) {
  if (p < 0)
    return;
  w.predicates[size_t(p)] = (w.predicates[size_t(p)] & ~w.mask) | (bits & w.mask);
  w.predicatesDefined[size_t(p)] = (w.predicatesDefined[size_t(p)] & ~w.mask) | (defined & w.mask);
}

//--- numbers of 16 bits
float halfToFloat(uint16_t bits);
uint16_t floatToHalf(float value); // to nearest even
inline float bfloatToFloat(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }
uint16_t floatToBfloat(float value); // to nearest even
/// e4m3 or e5m2 of 8 bits (Convert.cpp).
double fromFloat8(uint32_t bits, bool isE4M3);

} // namespace smelt::sim

#endif // SMELT_RUNTIME_SIM_LANES_H
