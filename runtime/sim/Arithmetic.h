//===- Arithmetic.h - Floating point lane by lane ---------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One handler, compiled twice: to nearest (Float.cpp), where the compiler may
// vectorise as it likes, and in the other modes (FloatDirected.cpp), where it must
// leave every operation in its place.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_SIM_ARITHMETIC_H
#define SMELT_RUNTIME_SIM_ARITHMETIC_H

#include "runtime/sim/Lanes.h"
#include <cmath>
#include <limits>

namespace smelt::sim {

/// In an instruction's `extra`.
enum Flag : uint32_t { Ftz = 1, Sat = 2, Relu = 4 };
enum class Directed : uint8_t { Add, Sub, Mul, Fma, Div, Rcp, Sqrt };
/// The handler of an operation whose rounding mode (of <cfenv>) is in `imm`.
Handler directedHandler(Directed op, bool isDouble);

static inline float flush(float v) {
  return std::fabs(v) < std::numeric_limits<float>::min() ? std::copysign(0.0f, v) : v;
}
static inline float saturate(float v) { return !(v > 0) ? 0.0f : v > 1 ? 1.0f : v; }

template <typename T, auto F, unsigned sources> static inline void arithmetic(Warp &w, const Inst &i) {
  const T *a = w.lanes<T>(i.a), *b = w.lanes<T>(i.b), *c = w.lanes<T>(i.c);
  auto one = [&](unsigned l) {
    if constexpr (sources == 1)
      return F(a[l]);
    else if constexpr (sources == 2)
      return F(a[l], b[l]);
    else
      return F(a[l], b[l], c[l]);
  };
  if constexpr (sizeof(T) == 4) {
    auto flushed = [&](unsigned l) {
      if constexpr (sources == 1)
        return F(flush(a[l]));
      else if constexpr (sources == 2)
        return F(flush(a[l]), flush(b[l]));
      else
        return F(flush(a[l]), flush(b[l]), flush(c[l]));
    };
    switch (i.extra & (Ftz | Sat)) {
    case 0: storeLanes<T>(w, i.d, one); break;
    case Ftz: storeLanes<T>(w, i.d, [&](unsigned l) { return flush(flushed(l)); }); break;
    case Sat: storeLanes<T>(w, i.d, [&](unsigned l) { return saturate(one(l)); }); break;
    default: storeLanes<T>(w, i.d, [&](unsigned l) { return saturate(flush(flushed(l))); });
    }
  } else {
    storeLanes<T>(w, i.d, one);
  }
  uint32_t defined = w.definedOf(i.a);
  if constexpr (sources > 1)
    defined &= w.definedOf(i.b);
  if constexpr (sources > 2)
    defined &= w.definedOf(i.c);
  w.define(i.d, defined);
}

} // namespace smelt::sim

#endif // SMELT_RUNTIME_SIM_ARITHMETIC_H
