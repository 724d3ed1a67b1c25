//===- Matrix.cpp - ldmatrix, stmatrix and mma ------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// PTX ISA 9.0, 9.7.14. A fragment says which element of a matrix stands in which
// register of which lane; the figures of the ISA are the functions
// `placeInA`, `placeInB` and `placeInC` here. Products are exact, sums are in f32 in the order of k (f64 for
// f64, 32-bit integers wrap). Tested by test/runtime/sim/MatrixTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/sim/Lanes.h"
#include <algorithm>
#include <cmath>

namespace smelt::sim {

using u32 = uint32_t;
using u64 = uint64_t;

void raceCheck(Warp &w, const Inst &i, u64 offset, unsigned bytes, bool isWrite, unsigned lane); // MemoryOps.cpp

//===----------------------------------------------------------------------===//
// ldmatrix and stmatrix
//===----------------------------------------------------------------------===//

/// 8 x 8 matrices of 16-bit elements. Lane 8 m + r gives the address of row r of
/// matrix m; lane l holds elements 2 (l % 4) and the next of row l / 4 (transposed:
/// of column).
template <bool isStore> static void moveMatrix(Warp &w, const Inst &i) {
  const Access &a = w.kernel->accesses[i.extra];
  unsigned count = a.count;
  bool isTransposed = i.imm;
  std::vector<uint8_t> &shared = w.cta->shared, &written = w.cta->sharedWritten;
  u32 needed = count == 4 ? kAll : (1u << (8 * count)) - 1;
  if (w.checks() && (needed & ~w.definedOf(a.base)))
    return w.failUndefined(i, a.base, "an address");
  u64 rows[kLanes];
  for (unsigned l = 0; l < 8 * count; ++l) {
    u64 address = (a.isWideBase ? w.lanes<u64>(a.base)[l] : w.lanes<u32>(a.base)[l]) + u64(a.offset);
    if (a.isGeneric) {
      if (windowOf(address) != kSharedWindow)
        return w.fail(i, Finding::OutOfBounds, l,
                      "a row at address " + std::to_string(address) + ", which is not in shared memory");
      address &= (u64(1) << kWindowShift) - 1;
    }
    if (address % 16 != 0)
      return w.fail(i, Finding::Misaligned, l, "a row of 16 bytes at shared address " + std::to_string(address));
    if (address > shared.size() || shared.size() - address < 16)
      return w.fail(i, Finding::OutOfBounds, l,
                    "a row at shared address " + std::to_string(address) + ", which has " +
                        std::to_string(shared.size()) + " bytes");
    if (w.checks()) {
      raceCheck(w, i, address, 16, isStore, l);
      if (!isStore && std::find(written.begin() + ptrdiff_t(address), written.begin() + ptrdiff_t(address) + 16,
                                kInFlight) != written.begin() + ptrdiff_t(address) + 16)
        w.fail(i, Finding::Race, l,
               "a row at shared address " + std::to_string(address) +
                   ", to which an asynchronous copy goes that was not waited for");
      if (w.stop)
        return;
    }
    rows[l] = address;
  }
  for (unsigned m = 0; m < count; ++m) {
    u32 *regs = w.lanes<u32>(a.elements[m]), defined = 0;
    for (unsigned l = 0; l < kLanes; ++l)
      for (unsigned half = 0; half < 2; ++half) {
        unsigned row = l / 4, column = 2 * (l % 4) + half;
        if (isTransposed)
          std::swap(row, column);
        u64 at = rows[8 * m + row] + 2 * column;
        if (isStore) {
          auto bits = uint16_t(regs[l] >> (16 * half));
          std::memcpy(&shared[at], &bits, 2);
          std::memset(&written[at], w.definedOf(a.elements[m]) >> l & 1, 2);
        } else {
          uint16_t bits;
          std::memcpy(&bits, &shared[at], 2);
          regs[l] = half ? (regs[l] & 0xffff) | u32(bits) << 16 : bits;
          bool isWritten = written[at] && written[at + 1];
          defined = half ? defined & ~(u32(!isWritten) << l) : defined | u32(isWritten) << l;
        }
      }
    if (!isStore)
      w.define(a.elements[m], defined);
    // The rows of a matrix are one wavefront where they touch each bank once.
    unsigned banks[32] = {}, worst = 0;
    for (unsigned r = 0; r < 8; ++r)
      for (unsigned word = 0; word < 4; ++word)
        worst = std::max(worst, ++banks[(rows[8 * m + r] / 4 + word) % 32]);
    w.counters().sharedWavefronts += worst;
  }
  w.counters().sharedRequests += count;
}

template <bool isStore> static void takeMatrix(Builder &b) { // words: number, .trans, space
  if (!b.want(2))
    return;
  unsigned count = unsigned(b.word(0)[2] - '0');
  Access a;
  a.bytes = 16;
  a.count = uint8_t(count);
  if (!b.address(isStore ? 0 : 1, Space::Shared, b.word(2).empty(), a))
    return;
  if (!a.hasBase)
    return (void)b.fail("an address without a register", 69);
  std::vector<Ref> refs = b.vector(isStore ? 1 : 0, {'b', 32}, count, !isStore);
  std::copy(refs.begin(), refs.end(), a.elements);
  b.inst.extra = b.add(a);
  b.inst.imm = b.has(".trans");
  b.inst.isCollective = true;
  b.inst.run = moveMatrix<isStore>;
}

//===----------------------------------------------------------------------===//
// mma
//===----------------------------------------------------------------------===//

namespace {
enum class Element : uint8_t { F16, BF16, TF32, F64, S8, U8, S4, U4, E4M3, E5M2, F32, S32 };
unsigned bitsOf(Element e) {
  switch (e) {
  case Element::F64: return 64;
  case Element::TF32:
  case Element::F32:
  case Element::S32: return 32;
  case Element::F16:
  case Element::BF16: return 16;
  case Element::S4:
  case Element::U4: return 4;
  default: return 8;
  }
}
/// One mma in the instruction's `imm`.
struct Product {
  uint8_t m, n, k;
  Element a, b, c;
  uint8_t pad[2] = {};
};
static_assert(sizeof(Product) == sizeof(int64_t));

Element elementOf(std::string_view word) {
  constexpr std::pair<std::string_view, Element> names[] = {
      {".f16", Element::F16},   {".bf16", Element::BF16}, {".tf32", Element::TF32}, {".f64", Element::F64},
      {".s8", Element::S8},     {".u8", Element::U8},     {".s4", Element::S4},     {".u4", Element::U4},
      {".e4m3", Element::E4M3}, {".e5m2", Element::E5M2}, {".f32", Element::F32},   {".s32", Element::S32}};
  for (auto [name, element] : names)
    if (word == name)
      return element;
  return Element::F32;
}
} // namespace

/// Element `e` (counted over the registers) of lane l. In A a register's elements run
/// along k; registers alternate between rows l / 4 and l / 4 + 8, then go on in k.
static void placeInA(const Product &p, unsigned perRegister, unsigned l, unsigned e, unsigned &row, unsigned &k) {
  unsigned reg = e / perRegister, within = e % perRegister, group = l / 4, quad = l % 4;
  bool hasTwoRows = p.m == 16;
  row = group + (hasTwoRows && (reg & 1) ? 8 : 0);
  unsigned block = hasTwoRows ? reg / 2 : reg;
  k = block * 4 * perRegister + quad * perRegister + within;
}
static void placeInB(unsigned perRegister, unsigned l, unsigned e, unsigned &k, unsigned &column) {
  unsigned reg = e / perRegister, within = e % perRegister;
  column = l / 4;
  k = reg * 4 * perRegister + (l % 4) * perRegister + within;
}
/// C and D: pairs of columns 2 (l % 4), rows l / 4 and l / 4 + 8.
static void placeInC(unsigned l, unsigned e, unsigned &row, unsigned &column) {
  row = l / 4 + 8 * (e / 2);
  column = 2 * (l % 4) + e % 2;
}

template <typename T> static T decode(u32 bits, Element e) {
  switch (e) {
  case Element::F16: return T(halfToFloat(uint16_t(bits)));
  case Element::BF16: return T(bfloatToFloat(uint16_t(bits)));
  case Element::TF32: return T(std::bit_cast<float>(bits & ~0x1fffu)); // the lower bits are ignored
  case Element::F32: return T(std::bit_cast<float>(bits));
  case Element::E4M3: return T(fromFloat8(bits, true));
  case Element::E5M2: return T(fromFloat8(bits, false));
  case Element::S8: return T(int8_t(bits));
  case Element::U8: return T(uint8_t(bits));
  case Element::S4: return T(int32_t(bits << 28) >> 28);
  default: return T(bits);
  }
}

/// Both halves of a register as f32.
template <bool isBfloat> static inline void halves(u32 bits, float &low, float &high) {
  if constexpr (isBfloat) {
    low = std::bit_cast<float>(bits << 16), high = std::bit_cast<float>(bits & 0xffff0000u);
  } else {
#ifdef __F16C__
    low = float(std::bit_cast<_Float16>(uint16_t(bits))), high = float(std::bit_cast<_Float16>(uint16_t(bits >> 16)));
#else
    low = halfToFloat(uint16_t(bits)), high = halfToFloat(uint16_t(bits >> 16));
#endif
  }
}
/// m16n8k8 and m16n8k16 of 16-bit numbers with sums in f32, the products that kernels
/// are made of: the same as `multiply` without its generality.
template <bool isBfloat, unsigned K> static void multiply16(Warp &w, const Inst &i) {
  const auto *lists = &w.kernel->fragments[i.extra];
  for (unsigned list = 0; list < 3; ++list)
    for (Ref r : lists[list])
      if (w.checks() && w.definedOf(r) != kAll)
        return w.failUndefined(i, r, "an operand of a matrix product");
  alignas(64) float a[16][K], b[K][8], c[16][8];
  for (unsigned reg = 0; reg < K / 4; ++reg) {
    const u32 *from = w.lanes<u32>(lists[0][reg]);
    for (unsigned l = 0; l < kLanes; ++l) {
      float *to = &a[l / 4 + 8 * (reg % 2)][8 * (reg / 2) + 2 * (l % 4)];
      halves<isBfloat>(from[l], to[0], to[1]);
    }
  }
  for (unsigned reg = 0; reg < K / 8; ++reg) {
    const u32 *from = w.lanes<u32>(lists[1][reg]);
    for (unsigned l = 0; l < kLanes; ++l) {
      unsigned k = 8 * reg + 2 * (l % 4);
      halves<isBfloat>(from[l], b[k][l / 4], b[k + 1][l / 4]);
    }
  }
  for (unsigned e = 0; e < 4; ++e) {
    const float *from = w.lanes<float>(lists[2][e]);
    for (unsigned l = 0; l < kLanes; ++l)
      c[l / 4 + 8 * (e / 2)][2 * (l % 4) + e % 2] = from[l];
  }
  // Several rows side by side, so that no sum waits for the one before; products of
  // 16-bit numbers are exact in f32, so a fused step gives the same bits.
  using Row = float __attribute__((vector_size(32)));
  constexpr unsigned together = 8;
  for (unsigned from = 0; from < 16; from += together) {
    Row sums[together];
    std::memcpy(sums, c[from], sizeof sums);
#pragma clang loop unroll(full)
    for (unsigned k = 0; k < K; ++k) {
      Row right;
      std::memcpy(&right, b[k], sizeof right);
#pragma clang loop unroll(full)
      for (unsigned row = 0; row < together; ++row) {
        float x = a[from + row][k];
        Row left = {x, x, x, x, x, x, x, x};
        sums[row] = __builtin_elementwise_fma(left, right, sums[row]);
      }
    }
    std::memcpy(c[from], sums, sizeof sums);
  }
  for (unsigned e = 0; e < 4; ++e) {
    float *to = w.lanes<float>(lists[3][e]);
    for (unsigned l = 0; l < kLanes; ++l)
      to[l] = c[l / 4 + 8 * (e / 2)][2 * (l % 4) + e % 2];
    w.define(lists[3][e], kAll);
  }
  w.counters().tensorFlops += 2ull * 16 * 8 * K;
}

template <typename T> static void multiply(Warp &w, const Inst &i) {
  const auto p = std::bit_cast<Product>(i.imm);
  const auto &fragments = w.kernel->fragments;
  const std::vector<Ref> &as = fragments[i.extra], &bs = fragments[i.extra + 1], &cs = fragments[i.extra + 2],
                         &ds = fragments[i.extra + 3];
  for (const auto *list : {&as, &bs, &cs})
    for (Ref r : *list)
      if (w.checks() && w.definedOf(r) != kAll)
        return w.failUndefined(i, r, "an operand of a matrix product");
  T a[16 * 64], b[64 * 8], c[16 * 8];
  auto read = [&](const std::vector<Ref> &refs, Element e, auto place, T *to) {
    unsigned bits = bitsOf(e), per = bits >= 32 ? 1 : 32 / bits;
    for (unsigned l = 0; l < kLanes; ++l)
      for (unsigned n = 0; n < refs.size() * per; ++n) {
        T value;
        if (bits == 64)
          value = T(w.lanes<double>(refs[n])[l]);
        else
          value = decode<T>(
              (w.lanes<u32>(refs[n / per])[l] >> (n % per * bits)) & (bits == 32 ? kAll : (1u << bits) - 1), e);
        to[place(l, n, per)] = value;
      }
  };
  read(
      as, p.a,
      [&](unsigned l, unsigned n, unsigned per) {
        unsigned row, k;
        placeInA(p, per, l, n, row, k);
        return row * p.k + k;
      },
      a);
  read(
      bs, p.b,
      [&](unsigned l, unsigned n, unsigned per) {
        unsigned k, column;
        placeInB(per, l, n, k, column);
        return k * p.n + column;
      },
      b);
  read(
      cs, p.c,
      [&](unsigned l, unsigned n, unsigned) {
        unsigned row, column;
        placeInC(l, n, row, column);
        return row * p.n + column;
      },
      c);
  for (unsigned row = 0; row < p.m; ++row)
    for (unsigned k = 0; k < p.k; ++k)
      for (unsigned column = 0; column < p.n; ++column) {
        if constexpr (std::is_same_v<T, int32_t>)
          c[row * p.n + column] =
              int32_t(u32(c[row * p.n + column]) + u32(a[row * p.k + k]) * u32(b[k * p.n + column]));
        else
          c[row * p.n + column] += a[row * p.k + k] * b[k * p.n + column];
      }
  unsigned bits = bitsOf(p.c), per = bits >= 32 ? 1 : 2;
  for (unsigned l = 0; l < kLanes; ++l)
    for (unsigned n = 0; n < ds.size() * per; ++n) {
      unsigned row, column;
      placeInC(l, n, row, column);
      T value = c[row * p.n + column];
      if (bits == 64)
        w.lanes<double>(ds[n])[l] = double(value);
      else if (bits == 16) {
        u32 half = floatToHalf(float(value)), &reg = w.lanes<u32>(ds[n / 2])[l];
        reg = n % 2 ? (reg & 0xffff) | half << 16 : half;
      } else if constexpr (std::is_same_v<T, int32_t>)
        w.lanes<u32>(ds[n])[l] = u32(value);
      else
        w.lanes<float>(ds[n])[l] = float(value);
    }
  for (Ref r : ds)
    w.define(r, kAll);
  w.counters().tensorFlops += 2ull * p.m * p.n * p.k;
}

/// Words: shape, [.satfinite,] types of D, A, B and C.
static void takeProduct(Builder &b) {
  std::string_view shape = b.word(0);
  Product p{};
  unsigned values[3] = {}, at = 0;
  for (char c : shape.substr(1)) {
    if (c >= '0' && c <= '9')
      values[at] = values[at] * 10 + unsigned(c - '0');
    else if (c != 'm')
      ++at;
  }
  p.m = uint8_t(values[0]), p.n = uint8_t(values[1]), p.k = uint8_t(values[2]);
  Element d = elementOf(b.word(2));
  p.a = elementOf(b.word(3)), p.b = elementOf(b.word(4)), p.c = elementOf(b.word(5));
  if (d != p.c)
    return (void)b.fail("other types of C and D", 69);
  unsigned bits = bitsOf(p.a);
  constexpr struct {
    unsigned bits, m, k;
  } known[] = {{16, 16, 8}, {16, 16, 16}, {32, 16, 4}, {32, 16, 8}, {64, 8, 4},
               {8, 16, 16}, {8, 16, 32},  {4, 16, 32}, {4, 16, 64}};
  bool isKnown = std::any_of(std::begin(known), std::end(known),
                             [&](auto s) { return s.bits == bits && s.m == p.m && s.k == p.k; });
  if (!isKnown || p.n != 8 || bitsOf(p.b) != bits)
    return (void)b.fail("a shape that these types do not have");
  if (!b.word(1).empty())
    return (void)b.fail("sums that saturate", 69);
  if (!b.want(4))
    return;
  auto registers = [&](unsigned rows, unsigned columns, unsigned width) {
    return rows * columns * width / 32 / std::max(32u, width);
  };
  Type narrow{'b', 32}, wide{'f', 64};
  Type ab = bits == 64 ? wide : narrow, cd = bitsOf(p.c) == 64 ? wide : p.c == Element::F32 ? Type{'f', 32} : narrow;
  size_t na = registers(p.m, p.k, bits), nb = registers(p.k, p.n, bits), nc = registers(p.m, p.n, bitsOf(p.c));
  std::vector<Ref> ds = b.vector(0, cd, nc, true);
  b.inst.extra = b.addFragments(b.vector(1, ab, na, false));
  b.addFragments(b.vector(2, ab, nb, false));
  b.addFragments(b.vector(3, cd, nc, false));
  b.addFragments(ds);
  b.inst.imm = std::bit_cast<int64_t>(p);
  b.inst.isCollective = true;
  b.inst.run = p.c == Element::S32 ? &multiply<int32_t> : bits == 64 ? &multiply<double> : &multiply<float>;
  if (p.c == Element::F32 && p.a == p.b && bits == 16)
    b.inst.run = p.a == Element::BF16 ? p.k == 16 ? &multiply16<true, 16> : &multiply16<true, 8>
                 : p.k == 16          ? &multiply16<false, 16>
                                      : &multiply16<false, 8>;
}

std::span<const Form> matrixForms() {
  static const Form forms[] = {
      {"ldmatrix.sync.aligned.m8n8(.x1|.x2|.x4){.trans}{.shared|.shared::cta}.b16", takeMatrix<false>},
      {"stmatrix.sync.aligned.m8n8(.x1|.x2|.x4){.trans}{.shared|.shared::cta}.b16", takeMatrix<true>},
      {"mma.sync.aligned(.m16n8k8|.m16n8k16|.m16n8k4|.m16n8k32|.m16n8k64|.m8n8k4).row.col{.satfinite}(.f16|.f32|.f64|."
       "s32)(.f16|.bf16|.tf32|.f64|.s8|.u8|.s4|.u4|.e4m3|.e5m2)(.f16|.bf16|.tf32|.f64|.s8|.u8|.s4|.u4|.e4m3|.e5m2)(."
       "f16|.f32|.f64|.s32)",
       takeProduct},
  };
  return forms;
}

} // namespace smelt::sim
