//===- FloatDirected.cpp - Rounding towards zero, down and up ---------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiled with -frounding-math: the host's mode is set around the lanes.
//
//===----------------------------------------------------------------------===//
#include "runtime/sim/Arithmetic.h"
#include <cfenv>

namespace smelt::sim {

template <typename T, auto F, unsigned sources> static void directed(Warp &w, const Inst &i) {
  fesetround(int(i.imm));
  arithmetic<T, F, sources>(w, i);
  fesetround(FE_TONEAREST);
}

template <typename T> static Handler handlerOf(Directed op) {
  switch (op) {
  case Directed::Add: return &directed<T, [](T a, T b) { return a + b; }, 2>;
  case Directed::Sub: return &directed<T, [](T a, T b) { return a - b; }, 2>;
  case Directed::Mul: return &directed<T, [](T a, T b) { return a * b; }, 2>;
  case Directed::Fma: return &directed<T, [](T a, T b, T c) { return std::fma(a, b, c); }, 3>;
  case Directed::Div: return &directed<T, [](T a, T b) { return a / b; }, 2>;
  case Directed::Rcp: return &directed<T, [](T a) { return T(1) / a; }, 1>;
  case Directed::Sqrt: return &directed<T, [](T a) { return std::sqrt(a); }, 1>;
  }
  return nullptr;
}

Handler directedHandler(Directed op, bool isDouble) { return isDouble ? handlerOf<double>(op) : handlerOf<float>(op); }

} // namespace smelt::sim
