//===- MemoryOps.cpp - Loads, stores, atomics and copies --------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// PTX ISA 9.0, 9.7.9 (ld, st, cvta, prefetch, cp.async) and 9.7.13 (atom, red). Every
// lane's range is looked up in what is allocated, must be aligned, and (checked
// launches) was written before it is read; shared memory remembers who wrote and read
// it. Tested by test/runtime/sim/MemoryTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/sim/Lanes.h"
#include <algorithm>
#include <cmath>

namespace smelt::sim {

using u32 = uint32_t;
using u64 = uint64_t;

namespace {
/// Where one lane's access lies.
struct Target {
  uint8_t *bytes = nullptr, *written = nullptr;
  Space space = Space::Global;
  u64 offset = 0; // shared: of the CTA's memory
};
} // namespace

static const char *nameOf(Space space) {
  constexpr const char *names[] = {"register", "param", "shared", "global", "const", "local"};
  return names[unsigned(space)];
}

/// Resolves an address; a finding and false when it is not allocated or aligned.
static bool resolve(Warp &w, const Inst &i, Space space, bool isGeneric, u64 address, unsigned bytes, unsigned lane,
                    bool isWrite, Target &t) {
  if (isGeneric) {
    switch (windowOf(address)) {
    case kGlobalWindow: space = Space::Global; break;
    case kSharedWindow: space = Space::Shared; break;
    case kLocalWindow: space = Space::Local; break;
    case kConstWindow: space = Space::Const; break;
    case kParamWindow: space = Space::Param; break;
    default: space = Space::Global;
    }
    if (space != Space::Global)
      address &= (u64(1) << kWindowShift) - 1;
  }
  t.space = space;
  t.offset = address;
  auto outside = [&](u64 size) {
    w.fail(i, Finding::OutOfBounds, lane,
           std::string(isWrite ? "a store of " : "a load of ") + std::to_string(bytes) + " bytes at " + nameOf(space) +
               " address " + std::to_string(address) + ", which has " + std::to_string(size) + " bytes");
    return false;
  };
  if (address & (bytes - 1)) { // a power of two
    w.fail(i, Finding::Misaligned, lane,
           "an access of " + std::to_string(bytes) + " bytes at " + nameOf(space) + " address " +
               std::to_string(address));
    return false;
  }
  auto within = [&](u64 size) { return address <= size && bytes <= size - address; };
  switch (space) {
  case Space::Global: {
    const Block *block = w.launch->memory.find(address, bytes);
    if (!block) {
      w.fail(i, Finding::OutOfBounds, lane,
             std::string(isWrite ? "a store of " : "a load of ") + std::to_string(bytes) + " bytes at global address " +
                 std::to_string(address) + ": " + w.launch->memory.describe(address));
      return false;
    }
    t.bytes = block->bytes.get() + (address - block->base);
    t.written = block->written.get() + (address - block->base);
    return true;
  }
  case Space::Shared: {
    Cta &cta = *w.cta;
    if (!within(cta.shared.size()))
      return outside(cta.shared.size());
    t.bytes = cta.shared.data() + address, t.written = cta.sharedWritten.data() + address;
    return true;
  }
  case Space::Local: {
    u64 size = w.kernel->localBytes;
    if (!within(size))
      return outside(size);
    t.bytes = w.local.data() + lane * size + address, t.written = w.localWritten.data() + lane * size + address;
    return true;
  }
  case Space::Param:
    if (isWrite || !within(w.launch->params.size()))
      return outside(w.launch->params.size());
    t.bytes = w.launch->params.data() + address;
    return true;
  case Space::Const: {
    const auto &constants = w.launch->program.constants;
    if (isWrite || !within(constants.size()))
      return outside(constants.size());
    t.bytes = const_cast<uint8_t *>(constants.data()) + address;
    return true;
  }
  case Space::Register: break;
  }
  return false;
}

static u64 addressOf(Warp &w, const Access &a, unsigned lane) {
  u64 base = !a.hasBase ? 0 : a.isWideBase ? w.lanes<u64>(a.base)[lane] : w.lanes<u32>(a.base)[lane];
  return base + u64(a.offset);
}

/// The cost of a request: sectors of 32 bytes, or wavefronts over 32 banks of 4 bytes.
static void count(Warp &w, Space space, const u64 *addresses, u32 mask, unsigned bytes) {
  Counters &c = w.counters();
  unsigned lanesOf = unsigned(std::popcount(mask));
  if (mask == kAll && (space == Space::Global || space == Space::Shared)) { // neighbours, as in most kernels
    bool isRow = addresses[0] % 32 == 0;
    for (unsigned l = 1; l < kLanes; ++l)
      isRow &= addresses[l] == addresses[0] + u64(l) * bytes;
    if (isRow) {
      if (space == Space::Global)
        ++c.globalRequests, c.globalBytes += kLanes * bytes, c.globalSectors += bytes;
      else
        ++c.sharedRequests, c.sharedWavefronts += std::max(1u, bytes / 4);
      return;
    }
  }
  if (space == Space::Global) {
    u64 sectors[kLanes * 2];
    unsigned n = 0;
    eachLane(mask, [&](unsigned l) {
      u64 first = addresses[l] / 32, last = (addresses[l] + bytes - 1) / 32;
      if (n == 0 || sectors[n - 1] != first)
        sectors[n++] = first;
      if (last != first)
        sectors[n++] = last;
    });
    std::sort(sectors, sectors + n);
    c.globalSectors += unsigned(std::unique(sectors, sectors + n) - sectors);
    ++c.globalRequests;
    c.globalBytes += u64(lanesOf) * bytes;
  } else if (space == Space::Shared) {
    // 64-bit accesses go by half warps, 128-bit ones by quarters; one word that several
    // lanes read is one access.
    unsigned phase = bytes <= 4 ? 32 : bytes == 8 ? 16 : 8;
    ++c.sharedRequests;
    for (unsigned from = 0; from < kLanes; from += phase) {
      u64 words[kLanes * 4];
      unsigned n = 0;
      for (unsigned l = from; l < from + phase; ++l)
        if (mask >> l & 1)
          for (u64 word = addresses[l] / 4; word <= (addresses[l] + bytes - 1) / 4; ++word)
            words[n++] = word;
      if (n == 0)
        continue;
      std::sort(words, words + n);
      n = unsigned(std::unique(words, words + n) - words);
      unsigned banks[32] = {}, worst = 0;
      for (unsigned k = 0; k < n; ++k)
        worst = std::max(worst, ++banks[words[k] % 32]);
      c.sharedWavefronts += worst;
    }
  } else if (space == Space::Local) {
    c.localBytes += u64(lanesOf) * bytes;
  }
}

void raceCheck(Warp &w, const Inst &i, u64 offset, unsigned bytes, bool isWrite, unsigned lane) {
  Shadow::Conflict found = w.cta->shadow.access(offset, bytes, isWrite, w.index, i.line, w.clock);
  if (found.isRace)
    w.fail(i, Finding::Race, lane,
           std::string(isWrite ? "a store" : "a load") + " of shared address " + std::to_string(offset) +
               ", which warp " + std::to_string(found.warp) + (found.otherWrote ? " wrote" : " read") + " in line " +
               std::to_string(found.line) + " with no barrier between them");
}

/// Lanes of one store that write other values to the same bytes.
static void collisionCheck(Warp &w, const Inst &i, const u64 *addresses, const uint8_t (*values)[16], unsigned bytes) {
  u32 lanesOf[kLanes];
  unsigned n = 0;
  eachLane(w.mask, [&](unsigned l) { lanesOf[n++] = l; });
  std::sort(lanesOf, lanesOf + n,
            [&](u32 a, u32 b) { return addresses[a] != addresses[b] ? addresses[a] < addresses[b] : a < b; });
  for (unsigned k = 1; k < n; ++k)
    if (addresses[lanesOf[k]] == addresses[lanesOf[k - 1]] &&
        std::memcmp(values[lanesOf[k]], values[lanesOf[k - 1]], bytes) != 0)
      return w.fail(i, Finding::Race, lanesOf[k],
                    "lane " + std::to_string(lanesOf[k - 1]) + " stores another value to the same shared address " +
                        std::to_string(addresses[lanesOf[k]]));
}

/// A load of 32-bit words of shared memory by lanes that all stand within it; the
/// usual case, without what the others need. False when it is not one.
static bool loadWords(Warp &w, const Inst &i, const Access &a) {
  if (a.space != Space::Shared || a.isGeneric || a.bytes != 4 || !a.hasBase)
    return false;
  unsigned total = a.total();
  const Cta &cta = *w.cta;
  u64 addresses[kLanes], size = cta.shared.size();
  if (size < total)
    return false;
  if (a.isWideBase) {
    const u64 *base = w.lanes<u64>(a.base);
    for (unsigned l = 0; l < kLanes; ++l)
      addresses[l] = base[l] + u64(a.offset);
  } else {
    const u32 *base = w.lanes<u32>(a.base);
    for (unsigned l = 0; l < kLanes; ++l)
      addresses[l] = base[l] + u64(a.offset);
  }
  u64 outside = 0;
  eachLane(w.mask, [&](unsigned l) { outside |= u64(addresses[l] > size - total) | (addresses[l] & (total - 1)); });
  if (outside)
    return false;
  bool checks = w.checks();
  u32 inFlight = 0;
  for (unsigned k = 0; k < a.count; ++k) {
    u32 defined = checks ? 0 : kAll;
    if (checks)
      eachLane(w.mask, [&](unsigned l) {
        u32 written;
        std::memcpy(&written, &cta.sharedWritten[addresses[l] + 4 * k], 4);
        defined |= u32(written == 0x01010101) << l;
        inFlight |= written & 0x02020202;
      });
    if (checks && inFlight)
      return false; // the slow way tells where
    if (a.sinks[k])
      continue;
    if (a.width[k] != 32)
      return false;
    const uint8_t *shared = cta.shared.data() + 4 * k;
    storeLanes<u32>(w, a.elements[k], [&](unsigned l) {
      u32 word;
      std::memcpy(&word, shared + addresses[l], 4);
      return word;
    });
    w.define(a.elements[k], defined);
  }
  if (checks)
    for (u32 m = w.mask; m && !w.stop; m &= m - 1) {
      unsigned l = unsigned(std::countr_zero(m));
      raceCheck(w, i, addresses[l], total, false, l);
    }
  count(w, Space::Shared, addresses, w.mask, total);
  return true;
}

static void load(Warp &w, const Inst &i) {
  const Access &a = w.kernel->accesses[i.extra];
  unsigned total = a.total();
  if (a.hasBase)
    w.needDefined(i, a.base, "an address");
  if (w.stop || loadWords(w, i, a))
    return;
  u64 addresses[kLanes];
  u32 defined[8];
  std::fill(defined, defined + a.count, 0);
  Space space = a.space;
  bool checks = w.checks();
  for (u32 m = w.mask; m && !w.stop; m &= m - 1) {
    unsigned l = unsigned(std::countr_zero(m));
    Target t;
    addresses[l] = addressOf(w, a, l);
    if (!resolve(w, i, a.space, a.isGeneric, addresses[l], total, l, false, t))
      return;
    space = t.space;
    if (checks && space == Space::Shared)
      raceCheck(w, i, t.offset, total, false, l);
    for (unsigned k = 0; k < a.count; ++k) {
      const uint8_t *from = t.bytes + k * a.bytes;
      bool isWritten = true;
      if (checks && t.written)
        for (unsigned byte = k * a.bytes; byte < (k + 1u) * a.bytes; ++byte) {
          isWritten &= t.written[byte] != 0;
          if (t.written[byte] == kInFlight)
            return w.fail(i, Finding::Race, l,
                          "a load of shared address " + std::to_string(t.offset) +
                              ", to which an asynchronous copy goes that was not waited for");
        }
      defined[k] |= u32(isWritten) << l;
      if (a.sinks[k])
        continue;
      u64 value = 0;
      std::memcpy(&value, from, a.bytes);
      if (a.isSigned && a.bytes < 8) {
        unsigned shift = 64 - 8 * a.bytes;
        value = u64(int64_t(value << shift) >> shift);
      }
      if (a.width[k] == 64)
        w.lanes<u64>(a.elements[k])[l] = value;
      else
        w.lanes<u32>(a.elements[k])[l] = a.width[k] == 16 ? u32(uint16_t(value)) : u32(value);
    }
  }
  for (unsigned k = 0; k < a.count; ++k)
    if (!a.sinks[k])
      w.define(a.elements[k], defined[k]);
  count(w, space, addresses, w.mask, total);
}

static void store(Warp &w, const Inst &i) {
  const Access &a = w.kernel->accesses[i.extra];
  unsigned total = a.total();
  if (a.hasBase)
    w.needDefined(i, a.base, "an address");
  u64 addresses[kLanes];
  uint8_t values[kLanes][16];
  Space space = a.space;
  bool checks = w.checks(), isWide = total > 16;
  for (u32 m = w.mask; m && !w.stop; m &= m - 1) {
    unsigned l = unsigned(std::countr_zero(m));
    Target t;
    addresses[l] = addressOf(w, a, l);
    if (!resolve(w, i, a.space, a.isGeneric, addresses[l], total, l, true, t))
      return;
    space = t.space;
    if (checks && space == Space::Shared)
      raceCheck(w, i, t.offset, total, true, l);
    for (unsigned k = 0; k < a.count; ++k) {
      u64 value = a.width[k] == 64 ? w.lanes<u64>(a.elements[k])[l] : w.lanes<u32>(a.elements[k])[l];
      std::memcpy(t.bytes + k * a.bytes, &value, a.bytes);
      if (!isWide)
        std::memcpy(values[l] + k * a.bytes, &value, a.bytes);
      // Bytes of a register without a value stay unwritten: who reads them is told.
      if (t.written)
        std::memset(t.written + k * a.bytes, w.definedOf(a.elements[k]) >> l & 1, a.bytes);
    }
  }
  if (checks && space == Space::Shared && !isWide && !w.stop)
    collisionCheck(w, i, addresses, values, total);
  count(w, space, addresses, w.mask, total);
}

//--- ld and st
/// Words: semantics, scope, space, [.nc,] cache operators, vector, type.
static Space spaceOf(std::string_view word, bool &isGeneric) {
  isGeneric = word.empty();
  if (word.starts_with(".shared"))
    return Space::Shared;
  return word == ".local"   ? Space::Local
         : word == ".const" ? Space::Const
         : word == ".param" ? Space::Param
                            : Space::Global;
}

static void takeAccess(Builder &b, bool isStore, size_t spaceWord, size_t vectorWord, size_t typeWord) {
  bool isGeneric = false;
  Space space = spaceOf(b.word(spaceWord), isGeneric);
  Type t = Type::of(b.word(typeWord));
  Access a;
  a.bytes = uint8_t(t.bytes());
  a.count = b.word(vectorWord).empty() ? 1 : uint8_t(b.word(vectorWord)[2] - '0');
  a.isSigned = t.kind == 's';
  size_t extra = b.has(".L2::cache_hint") ? 1 : 0; // the policy is not modelled
  if (!b.want(2 + extra))
    return;
  if (unsigned total = a.total(); total > 16 && !(total == 32 && b.sm() >= 100))
    return (void)b.fail("an access of " + std::to_string(total) + " bytes, want at most 16");
  if (!b.address(isStore ? 0 : 1, space, isGeneric, a))
    return;
  const Operand &data = b.operand(isStore ? 1 : 0);
  std::vector<Operand> parts = data.kind == Operand::Vector ? data.parts : std::vector<Operand>{data};
  if (parts.size() != a.count || (data.kind == Operand::Vector) != (a.count > 1))
    return (void)b.fail(data, std::to_string(parts.size()) + " registers, want " + std::to_string(a.count));
  for (size_t k = 0; k < parts.size(); ++k) {
    unsigned width = t.width == 64 ? 64 : 32;
    if (parts[k].kind == Operand::Sink && !isStore) {
      a.sinks[k] = true;
    } else if (parts[k].kind == Operand::Register) {
      a.elements[k] = b.anyRegister(parts[k], width);
      if (width && width < std::min(t.width, 128u))
        b.fail(parts[k], "a register of " + std::to_string(width) + " bits, want at least " + std::to_string(t.width));
    } else if (isStore) {
      a.elements[k] = b.src(parts[k], {t.kind, std::max(t.width, 32u)});
    } else {
      b.fail(parts[k], "want a register");
    }
    a.width[k] = uint8_t(width);
  }
  b.inst.extra = b.add(a);
  b.inst.run = isStore ? store : load;
}

//--- addresses between the spaces
static void convertAddress(Builder &b) { // words: .to, space
  bool isTo = b.word(0) == ".to";
  std::string_view space = b.word(1);
  if (!b.want(2))
    return;
  b.inst.d = b.dst(0, 64), b.inst.a = b.src(1, {'u', 64});
  Window window = space.starts_with(".shared") ? kSharedWindow
                  : space == ".local"          ? kLocalWindow
                  : space == ".const"          ? kConstWindow
                  : space == ".param"          ? kParamWindow
                                               : kGlobalWindow;
  b.inst.imm = int64_t(inWindow(window, 0));
  b.inst.run = [](Warp &w, const Inst &i) {
    const u64 *a = w.lanes<u64>(i.a);
    storeLanes<u64>(w, i.d, [&](unsigned l) { return a[l] ^ u64(i.imm); });
    w.define(i.d, w.definedOf(i.a));
  };
  if (isTo && window != kGlobalWindow)
    b.inst.run = [](Warp &w, const Inst &i) {
      const u64 *a = w.lanes<u64>(i.a);
      w.needDefined(i, i.a, "an address");
      eachLane(w.mask, [&](unsigned l) {
        if (!w.stop && windowOf(a[l]) != windowOf(u64(i.imm)))
          w.fail(i, Finding::OutOfBounds, l,
                 "address " + std::to_string(a[l]) + " does not lie in the state space it is converted to");
      });
      storeLanes<u64>(w, i.d, [&](unsigned l) { return a[l] & ((u64(1) << kWindowShift) - 1); });
      w.define(i.d, w.definedOf(i.a));
    };
}
static void isSpace(Builder &b) {
  if (!b.want(2))
    return;
  b.inst.p = b.dstPredicate(b.operand(0)), b.inst.a = b.src(1, {'u', 64});
  std::string_view space = b.word(0);
  b.inst.imm = space.starts_with(".shared") ? kSharedWindow
               : space == ".local"          ? kLocalWindow
               : space == ".const"          ? kConstWindow
               : space == ".param"          ? kParamWindow
                                            : kGlobalWindow;
  b.inst.run = [](Warp &w, const Inst &i) {
    u32 hit = 0;
    eachLane(w.mask, [&](unsigned l) { hit |= u32(windowOf(w.lanes<u64>(i.a)[l]) == u64(i.imm)) << l; });
    setPredicate(w, i.p, hit, w.definedOf(i.a));
  };
}
static void doNothing(Builder &b) {
  b.inst.run = [](Warp &, const Inst &) {};
}

//--- atomics
enum AtomicOp : u32 { AtomAdd, AtomMin, AtomMax, AtomAnd, AtomOr, AtomXor, AtomExch, AtomCas, AtomInc, AtomDec };

static u64 combine(AtomicOp op, Type t, u64 old, u64 x, u64 y) {
  u64 mask = t.width == 64 ? ~u64(0) : (u64(1) << t.width) - 1;
  if (t.kind == 'f' || t.kind == 'h') {
    if (t.width == 64)
      return std::bit_cast<u64>(std::bit_cast<double>(old) + std::bit_cast<double>(x));
    if (t.width == 32 && !t.isPair)
      return std::bit_cast<u32>(std::bit_cast<float>(u32(old)) + std::bit_cast<float>(u32(x)));
    u64 made = 0;
    for (unsigned at = 0; at < t.width; at += 16) {
      auto a = uint16_t(old >> at), c = uint16_t(x >> at);
      uint16_t sum = t.kind == 'h' ? floatToBfloat(bfloatToFloat(a) + bfloatToFloat(c))
                                   : floatToHalf(halfToFloat(a) + halfToFloat(c));
      made |= u64(sum) << at;
    }
    return made;
  }
  auto isLess = [&](u64 a, u64 c) {
    if (t.kind != 's')
      return a < c;
    unsigned shift = 64 - t.width;
    return int64_t(a << shift) < int64_t(c << shift);
  };
  switch (op) {
  case AtomAdd: return (old + x) & mask;
  case AtomMin: return isLess(x, old) ? x : old;
  case AtomMax: return isLess(old, x) ? x : old;
  case AtomAnd: return old & x;
  case AtomOr: return old | x;
  case AtomXor: return old ^ x;
  case AtomExch: return x;
  case AtomCas: return old == x ? y : old;
  case AtomInc: return old >= x ? 0 : old + 1;
  case AtomDec: return old == 0 || old > x ? x : old - 1;
  }
  return old;
}

static void atomic(Warp &w, const Inst &i) {
  const Access &a = w.kernel->accesses[i.extra];
  auto op = AtomicOp(i.imm & 15);
  Type t{char(i.imm >> 8 & 255), unsigned(a.bytes) * 8, bool(i.imm >> 4 & 1)};
  bool hasResult = i.imm >> 5 & 1;
  if (a.hasBase)
    w.needDefined(i, a.base, "an address");
  u32 defined = 0;
  for (u32 m = w.mask; m && !w.stop; m &= m - 1) { // lane after lane, in order
    unsigned l = unsigned(std::countr_zero(m));
    Target target;
    if (!resolve(w, i, a.space, a.isGeneric, addressOf(w, a, l), a.total(), l, true, target))
      return;
    for (unsigned k = 0; k < a.count; ++k) {
      u64 old = 0;
      std::memcpy(&old, target.bytes + k * a.bytes, a.bytes);
      auto source = [&](Ref r) {
        return a.bytes == 8 ? w.lanes<u64>(r)[l] : u64(w.lanes<u32>(r)[l]) & (a.bytes == 2 ? 0xffff : kAll);
      };
      u64 made = combine(op, t, old, source(a.elements[k]), op == AtomCas ? source(i.c) : 0);
      std::memcpy(target.bytes + k * a.bytes, &made, a.bytes);
      bool wasWritten = !target.written || std::all_of(target.written + k * a.bytes, target.written + (k + 1) * a.bytes,
                                                       [](uint8_t b) { return b; });
      defined |= u32(wasWritten) << l;
      if (target.written && op == AtomExch)
        std::memset(target.written + k * a.bytes, 1, a.bytes);
      if (hasResult) {
        if (a.bytes == 8)
          w.lanes<u64>(i.d)[l] = old;
        else
          w.lanes<u32>(i.d)[l] = u32(old);
      }
    }
    ++w.counters().atomics;
  }
  if (hasResult)
    w.define(i.d, defined);
}

/// Words: semantics, scope, space, operation, [.noftz,] [vector,] type.
template <bool hasResult> static void takeAtomic(Builder &b) {
  bool isGeneric = false;
  Space space = spaceOf(b.word(2), isGeneric);
  constexpr std::pair<std::string_view, AtomicOp> ops[] = {
      {".add", AtomAdd}, {".min", AtomMin},   {".max", AtomMax}, {".and", AtomAnd}, {".or", AtomOr},
      {".xor", AtomXor}, {".exch", AtomExch}, {".cas", AtomCas}, {".inc", AtomInc}, {".dec", AtomDec}};
  AtomicOp op = AtomAdd;
  for (auto [name, value] : ops)
    if (b.word(3) == name)
      op = value;
  Type t = Type::of(b.word(6));
  bool isFloat = t.kind == 'f' || t.kind == 'h';
  if (isFloat && op != AtomAdd)
    return (void)b.fail("floats take .add", 69);
  size_t sources = op == AtomCas ? 2 : 1;
  if (!b.want(hasResult + 1 + sources))
    return;
  Access a;
  a.bytes = uint8_t(t.bytes());
  a.count = b.word(5).empty() ? 1 : uint8_t(b.word(5)[2] - '0');
  if (!b.address(hasResult, space, isGeneric, a))
    return;
  unsigned width = t.width == 16 ? 16 : t.width;
  std::vector<Ref> sourcesOf =
      b.vector(hasResult + 1, {isFloat && t.width >= 32 && !t.isPair ? 'f' : 'b', width}, a.count, false);
  std::copy(sourcesOf.begin(), sourcesOf.end(), a.elements);
  if (op == AtomCas)
    b.inst.c = b.src(hasResult + 2, {'b', width});
  if (hasResult) {
    if (a.count > 1)
      return (void)b.fail("a vector with a result", 69);
    b.inst.d = b.dst(0, width);
  }
  b.inst.extra = b.add(a);
  b.inst.imm = op | int64_t(t.isPair) << 4 | int64_t(hasResult) << 5 | int64_t(t.kind) << 8;
  b.inst.run = atomic;
}

//--- cp.async: the bytes are there at once, but marked as in flight until a wait of
// the lane's own group; then the write happens, for those who look for races
static void copyAsync(Warp &w, const Inst &i) {
  const Access &to = w.kernel->accesses[i.extra], &from = w.kernel->accesses[i.target];
  for (Ref r : {to.base, from.base})
    if (r.number || r.at)
      w.needDefined(i, r, "an address");
  if (i.imm)
    w.needDefined(i, i.c, "a size");
  u64 sharedAddresses[kLanes], globalAddresses[kLanes];
  u32 reading = 0;
  for (u32 m = w.mask; m && !w.stop; m &= m - 1) {
    unsigned l = unsigned(std::countr_zero(m)), bytes = to.bytes;
    Target target, source;
    unsigned size = i.imm ? std::min<u32>(w.lanes<u32>(i.c)[l], bytes) : bytes;
    sharedAddresses[l] = addressOf(w, to, l), globalAddresses[l] = addressOf(w, from, l);
    if (!resolve(w, i, Space::Shared, to.isGeneric, sharedAddresses[l], bytes, l, true, target))
      return;
    if (w.checks())
      raceCheck(w, i, target.offset, bytes, true, l);
    std::memset(target.bytes, 0, bytes);
    bool isWhole = true;
    if (size > 0) {
      reading |= 1u << l;
      if (!resolve(w, i, Space::Global, from.isGeneric, globalAddresses[l], size == bytes ? bytes : 1, l, false,
                   source) ||
          (size < bytes &&
           !resolve(w, i, Space::Global, from.isGeneric, globalAddresses[l] + size - 1, 1, l, false, target = {})))
        return;
      resolve(w, i, Space::Shared, to.isGeneric, sharedAddresses[l], bytes, l, true, target);
      std::memcpy(target.bytes, source.bytes, size);
      isWhole = std::all_of(source.written, source.written + size, [](uint8_t b) { return b; });
    }
    std::memset(target.written, kInFlight, bytes);
    w.copies.push_back({l, u32(target.offset), bytes, w.openGroup[l], i.line, isWhole});
  }
  count(w, Space::Global, globalAddresses, reading, to.bytes);
  count(w, Space::Shared, sharedAddresses, w.mask, to.bytes);
}

static void takeCopyAsync(Builder &b) { // words: cache, [hints], space of the target
  if (!b.want(3, 4))
    return;
  Access to, from;
  u64 bytes = b.immediate(2, 16);
  if (bytes != 4 && bytes != 8 && bytes != 16)
    return (void)b.fail(b.operand(2), std::to_string(bytes) + " bytes, want 4, 8 or 16");
  if (b.word(0) == ".cg" && bytes != 16)
    return (void)b.fail(b.operand(2), std::to_string(bytes) + " bytes, .cg wants 16");
  to.bytes = from.bytes = uint8_t(bytes);
  if (!b.address(0, Space::Shared, false, to) || !b.address(1, Space::Global, false, from))
    return;
  b.inst.extra = b.add(to), b.inst.target = b.add(from);
  if (b.operands() == 4)
    b.inst.c = b.src(3, {'u', 32}), b.inst.imm = 1;
  b.inst.run = copyAsync;
}

/// Ends the copies of a lane's groups but for its last `pending` committed ones.
static void finishCopies(Warp &w, const Inst &i, u32 pending) {
  std::erase_if(w.copies, [&](const Warp::Copy &c) {
    if (!(w.mask >> c.lane & 1) || c.group + pending >= w.openGroup[c.lane])
      return false;
    std::memset(w.cta->sharedWritten.data() + c.offset, c.isWhole, c.bytes);
    if (w.checks())
      raceCheck(w, i, c.offset, c.bytes, true, c.lane);
    return true;
  });
}
static void commitCopies(Builder &b) {
  b.want(0);
  b.inst.run = [](Warp &w, const Inst &) { eachLane(w.mask, [&](unsigned l) { ++w.openGroup[l]; }); };
}
static void waitCopies(Builder &b) {
  if (b.want(1))
    b.inst.imm = int64_t(b.immediate(0, 1 << 20));
  b.inst.run = [](Warp &w, const Inst &i) { finishCopies(w, i, u32(i.imm)); };
}
static void waitAllCopies(Builder &b) {
  b.want(0);
  b.inst.run = [](Warp &w, const Inst &i) {
    eachLane(w.mask, [&](unsigned l) { ++w.openGroup[l]; });
    finishCopies(w, i, 0);
  };
}

std::span<const Form> memoryForms() {
#define SMELT_SIM_TYPES "(.b8|.b16|.b32|.b64|.u8|.u16|.u32|.u64|.s8|.s16|.s32|.s64|.f32|.f64)"
#define SMELT_SIM_CACHE                                                                                                \
  "{.L1::evict_normal|.L1::evict_unchanged|.L1::evict_first|.L1::evict_last|.L1::no_allocate|.ca|.cg|.cs|.cv|.lu}{."   \
  "L2::cache_hint|.L2::64B|.L2::128B|.L2::256B}"
#define SMELT_SIM_SPACE "{.global|.shared|.shared::cta|.local|.const|.param|.param::entry}"
  static const Form forms[] = {
      {"ld{.weak|.volatile|.relaxed|.acquire}{.cta|.cluster|.gpu|.sys}" SMELT_SIM_SPACE SMELT_SIM_CACHE
       "{.v2|.v4|.v8}" SMELT_SIM_TYPES,
       [](Builder &b) { takeAccess(b, false, 2, 5, 6); }},
      {"ld{.weak}{}{.global}.nc" SMELT_SIM_CACHE "{.v2|.v4|.v8}" SMELT_SIM_TYPES,
       [](Builder &b) { takeAccess(b, false, 2, 5, 6); }},
      {"st{.weak|.volatile|.relaxed|.release}{.cta|.cluster|.gpu|.sys}{.global|.shared|.shared::cta|.local}{.L1::evict_"
       "normal|.L1::evict_unchanged|.L1::evict_first|.L1::evict_last|.L1::no_allocate|.wb|.cg|.cs|.wt}{.L2::cache_hint}"
       "{.v2|.v4|.v8}" SMELT_SIM_TYPES,
       [](Builder &b) { takeAccess(b, true, 2, 5, 6); }},
      {"cvta{.to}(.global|.shared|.shared::cta|.local|.const|.param|.param::entry).u64", convertAddress},
      {"isspacep(.global|.shared|.shared::cta|.local|.const|.param)", isSpace},
      {"prefetch{.global|.local}(.L1|.L2)", doNothing},
      {"prefetchu.L1", doNothing},
      {"atom{.relaxed|.acquire|.release|.acq_rel}{.cta|.cluster|.gpu|.sys}{.global|.shared|.shared::cta}(.add|.min|."
       "max|.and|.or|.xor|.exch|.cas|.inc|.dec){.noftz}{}(.b16|.b32|.b64|.u32|.u64|.s32|.s64|.f16|.f16x2|.bf16|."
       "bf16x2|.f32|.f64)",
       takeAtomic<true>},
      {"red{.relaxed|.release}{.cta|.cluster|.gpu|.sys}{.global|.shared|.shared::cta}(.add|.min|.max|.and|.or|.xor|."
       "inc|.dec){.noftz}{.v2|.v4|.v8}(.b32|.b64|.u32|.u64|.s32|.s64|.f16|.f16x2|.bf16|.bf16x2|.f32|.f64)",
       takeAtomic<false>},
      {"cp.async(.ca|.cg).shared{::cta}.global{.L2::64B|.L2::128B|.L2::256B}", takeCopyAsync},
      {"cp.async.commit_group", commitCopies},
      {"cp.async.wait_group", waitCopies},
      {"cp.async.wait_all", waitAllCopies},
  };
  return forms;
}

} // namespace smelt::sim
