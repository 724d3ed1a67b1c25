//===- WarpOps.cpp - Instructions between the lanes of a warp ---------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// PTX ISA 9.0, 9.7.9 "shfl", 9.7.13 "vote", "match", "redux", "activemask", "elect".
// The lanes of a member mask must all be there; a mask that is not the whole live
// warp runs with the group of lanes that arrived together.
// Tested by test/runtime/sim/WarpTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/sim/Lanes.h"

namespace smelt::sim {

using u32 = uint32_t;

/// The member mask of an instruction: constant over the warp, and all of it here.
static u32 members(Warp &w, const Inst &i, Ref mask) {
  w.needDefined(i, mask, "a member mask");
  u32 first = w.lanes<u32>(mask)[std::countr_zero(w.mask)];
  eachLane(w.mask, [&](unsigned l) {
    if (!w.stop && w.lanes<u32>(mask)[l] != first)
      w.fail(i, Finding::PartialWarp, l, "another member mask than its neighbour's");
  });
  u32 missing = first & w.live & ~w.mask;
  if (missing && !w.stop)
    w.fail(i, Finding::PartialWarp, unsigned(std::countr_zero(missing)),
           "a member of the mask is not at the instruction");
  if ((w.mask & ~first) && !w.stop)
    w.fail(i, Finding::PartialWarp, unsigned(std::countr_zero(w.mask & ~first)),
           "at the instruction without being a member of the mask");
  return first;
}
/// Waits for all lanes where the mask is a constant that names all of them.
static void takeMembers(Builder &b, size_t operand) {
  b.inst.e = b.src(operand, {'b', 32});
  b.inst.isCollective = b.operand(operand).kind == Operand::Integer && u32(b.operand(operand).bits) == kAll;
}

enum ShuffleMode : u32 { Up, DownTo, Butterfly, Index };

/// shfl.sync.mode d|p, a, b, c, mask: c holds the clamp and the segments.
static void shuffle(Warp &w, const Inst &i) {
  members(w, i, i.e);
  if (w.stop)
    return;
  const u32 *a = w.lanes<u32>(i.a), *by = w.lanes<u32>(i.b), *control = w.lanes<u32>(i.c);
  w.needDefined(i, i.b, "a lane");
  u32 made[kLanes] = {}, defined = 0, inside = 0;
  eachLane(w.mask, [&](unsigned l) {
    u32 lane = by[l] & 31, clamp = control[l] & 31, segments = control[l] >> 8 & 31;
    u32 most = (l & segments) | (clamp & ~segments), least = l & segments, from = 0;
    bool ok = false;
    switch (i.extra) {
    case Up: from = l - lane, ok = int(l) - int(lane) >= int(most); break;
    case DownTo: from = l + lane, ok = from <= most; break;
    case Butterfly: from = l ^ lane, ok = from <= most; break;
    default: from = least | (lane & ~segments), ok = from <= most;
    }
    if (!ok)
      from = l;
    inside |= u32(ok) << l;
    made[l] = a[from & 31];
    // A lane that is not there gives nothing.
    bool isThere = w.mask >> (from & 31) & 1;
    defined |= (isThere ? w.definedOf(i.a) >> (from & 31) & 1 : 0) << l;
  });
  storeLanes<u32>(w, i.d, [&](unsigned l) { return made[l]; });
  w.define(i.d, defined);
  setPredicate(w, i.p, inside, kAll);
}
static void takeShuffle(Builder &b) {
  if (!b.want(5))
    return;
  std::string_view mode = b.word(0);
  b.inst.extra = mode == ".up" ? Up : mode == ".down" ? DownTo : mode == ".bfly" ? Butterfly : Index;
  b.inst.d = b.dst(0, 32);
  if (!b.operand(0).second.empty())
    b.inst.p = b.dstPredicate(b.operand(0).second[0]);
  b.inst.a = b.src(1, {'b', 32}), b.inst.b = b.src(2, {'u', 32}), b.inst.c = b.src(3, {'u', 32});
  takeMembers(b, 4);
  b.inst.run = shuffle;
}

static void vote(Warp &w, const Inst &i) {
  u32 mask = members(w, i, i.e) & w.mask;
  if (w.stop)
    return;
  u32 p = predicateOf(w, i.q, i.qNegated) & mask;
  u32 defined = (predicateDefined(w, i.q) & mask) == mask ? kAll : 0;
  switch (i.extra) {
  case 0: setPredicate(w, i.p, p == mask ? kAll : 0, defined); break;
  case 1: setPredicate(w, i.p, p ? kAll : 0, defined); break;
  case 2: setPredicate(w, i.p, p == mask || p == 0 ? kAll : 0, defined); break;
  default: storeLanes<u32>(w, i.d, [&](unsigned) { return p; }); w.define(i.d, defined);
  }
}
static void takeVote(Builder &b) {
  if (!b.want(3))
    return;
  bool isBallot = b.word(0) == ".ballot";
  b.inst.extra = b.word(0) == ".all" ? 0 : b.word(0) == ".any" ? 1 : b.word(0) == ".uni" ? 2 : 3;
  if (isBallot)
    b.inst.d = b.dst(0, 32);
  else
    b.inst.p = b.dstPredicate(b.operand(0));
  b.inst.q = b.srcPredicate(b.operand(1), b.inst.qNegated);
  takeMembers(b, 2);
  b.inst.run = vote;
}

/// The lanes with the same value; `all`: that mask only where all have one value.
static void takeMatch(Builder &b) {
  if (!b.want(3))
    return;
  bool isAll = b.word(0) == ".all";
  Type t = Type::of(b.word(1));
  b.inst.d = b.dst(0, 32);
  if (!b.operand(0).second.empty())
    b.inst.p = b.dstPredicate(b.operand(0).second[0]);
  b.inst.a = b.src(1, t);
  b.inst.extra = isAll | (t.width == 64) << 1;
  takeMembers(b, 2);
  b.inst.run = [](Warp &w, const Inst &i) {
    u32 mask = members(w, i, i.e) & w.mask;
    if (w.stop)
      return;
    auto value = [&](unsigned l) { return i.extra & 2 ? w.lanes<uint64_t>(i.a)[l] : uint64_t(w.lanes<u32>(i.a)[l]); };
    u32 made[kLanes] = {};
    bool same = true;
    eachLane(mask, [&](unsigned l) {
      eachLane(mask, [&](unsigned k) { made[l] |= u32(value(k) == value(l)) << k; });
      same &= made[l] == mask;
    });
    storeLanes<u32>(w, i.d, [&](unsigned l) { return i.extra & 1 ? (same ? mask : 0) : made[l]; });
    u32 defined = (w.definedOf(i.a) & mask) == mask ? kAll : 0;
    w.define(i.d, defined);
    setPredicate(w, i.p, same ? kAll : 0, defined);
  };
}

static void takeReduction(Builder &b) {
  if (!b.want(3))
    return;
  std::string_view op = b.word(0);
  bool isSigned = b.word(1) == ".s32";
  b.inst.extra = (op == ".add"   ? 0
                  : op == ".min" ? 1
                  : op == ".max" ? 2
                  : op == ".and" ? 3
                  : op == ".or"  ? 4
                                 : 5) |
                 isSigned << 4;
  b.inst.d = b.dst(0, 32), b.inst.a = b.src(1, {'b', 32});
  takeMembers(b, 2);
  b.inst.run = [](Warp &w, const Inst &i) {
    u32 mask = members(w, i, i.e) & w.mask;
    if (w.stop)
      return;
    const u32 *a = w.lanes<u32>(i.a);
    u32 made = a[std::countr_zero(mask)], rest = mask & (mask - 1);
    auto isLess = [&](u32 x, u32 y) { return i.extra >> 4 ? int32_t(x) < int32_t(y) : x < y; };
    eachLane(rest, [&](unsigned l) {
      switch (i.extra & 15) {
      case 0: made += a[l]; break;
      case 1: made = isLess(a[l], made) ? a[l] : made; break;
      case 2: made = isLess(made, a[l]) ? a[l] : made; break;
      case 3: made &= a[l]; break;
      case 4: made |= a[l]; break;
      default: made ^= a[l];
      }
    });
    storeLanes<u32>(w, i.d, [&](unsigned) { return made; });
    w.define(i.d, (w.definedOf(i.a) & mask) == mask ? kAll : 0);
  };
}

static void takeActiveMask(Builder &b) {
  if (!b.want(1))
    return;
  b.inst.d = b.dst(0, 32);
  b.inst.run = [](Warp &w, const Inst &i) {
    u32 mask = w.mask;
    storeLanes<u32>(w, i.d, [&](unsigned) { return mask; });
    w.define(i.d, kAll);
  };
}
/// d|p: the lane that is chosen, and whether it is this one: the lowest.
static void takeElect(Builder &b) {
  if (!b.want(2))
    return;
  if (b.operand(0).kind != Operand::Sink)
    b.inst.d = b.dst(0, 32), b.inst.imm = 1;
  if (b.operand(0).second.empty())
    return (void)b.fail("want d|p");
  b.inst.p = b.dstPredicate(b.operand(0).second[0]);
  takeMembers(b, 1);
  b.inst.run = [](Warp &w, const Inst &i) {
    u32 mask = members(w, i, i.e) & w.mask;
    if (w.stop)
      return;
    auto leader = u32(std::countr_zero(mask));
    if (i.imm) {
      storeLanes<u32>(w, i.d, [&](unsigned) { return leader; });
      w.define(i.d, kAll);
    }
    setPredicate(w, i.p, 1u << leader, kAll);
  };
}
static void takeWarpBarrier(Builder &b) {
  if (!b.want(1))
    return;
  takeMembers(b, 0);
  b.inst.run = [](Warp &w, const Inst &i) { members(w, i, i.e); };
}

std::span<const Form> warpForms() {
  static const Form forms[] = {
      {"shfl.sync(.up|.down|.bfly|.idx).b32", takeShuffle},
      {"vote.sync(.all|.any|.uni).pred", takeVote},
      {"vote.sync(.ballot).b32", takeVote},
      {"match(.any|.all).sync(.b32|.b64)", takeMatch},
      {"redux.sync(.add|.min|.max)(.u32|.s32)", takeReduction},
      {"redux.sync(.and|.or|.xor)(.b32)", takeReduction},
      {"activemask.b32", takeActiveMask},
      {"elect.sync", takeElect},
      {"bar.warp.sync", takeWarpBarrier},
  };
  return forms;
}

} // namespace smelt::sim
