//===- Control.cpp - Branches, barriers and fences --------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// PTX ISA 9.0, 9.7.12 (control flow) and 9.7.13 (bar, membar, fence). A barrier is an
// edge between the clocks of all warps that arrive. Fences order what one warp does,
// which happens in order here anyway. Tested by test/runtime/sim/ControlTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/sim/Lanes.h"
#include <algorithm>

namespace smelt::sim {

using u32 = uint32_t;

static void branchTo(Builder &b) {
  if (!b.want(1))
    return;
  b.inst.target = b.label(0);
  b.inst.isBranch = true;
  b.inst.run = [](Warp &w, const Inst &i) { w.branch(i.target, w.mask); };
}

/// Each lane goes to the label that its index names.
static void branchIndexed(Builder &b) {
  if (!b.want(2))
    return;
  b.inst.a = b.src(0, {'u', 32});
  std::vector<u32> targets;
  for (u32 label : b.tableOf(1))
    targets.push_back(b.function().labels[label]);
  b.kernelAtHand().tables.push_back(targets);
  b.inst.extra = u32(b.kernelAtHand().tables.size() - 1);
  b.inst.run = [](Warp &w, const Inst &i) {
    const auto &targets = w.kernel->tables[i.extra];
    w.needDefined(i, i.a, "a branch");
    u32 left = w.mask;
    const u32 *index = w.lanes<u32>(i.a);
    eachLane(w.mask, [&](unsigned l) {
      if (index[l] >= targets.size() && !w.stop)
        w.fail(i, Finding::OutOfBounds, l,
               "a branch to label " + std::to_string(index[l]) + " of " + std::to_string(targets.size()));
    });
    while (left && !w.stop) {
      u32 first = index[std::countr_zero(left)], together = 0;
      eachLane(left, [&](unsigned l) { together |= u32(index[l] == first) << l; });
      left &= ~together;
      if (left) {
        w.others.push_back({targets[first], together});
        w.active &= ~together;
        ++w.counters().divergentBranches;
      } else {
        w.branch(targets[first], together & w.active);
      }
    }
  };
}

static void leave(Builder &b) {
  b.inst.run = [](Warp &w, const Inst &) { w.exitLanes(w.mask); };
}
static void trap(Builder &b) {
  b.inst.run = [](Warp &w, const Inst &i) {
    w.fail(i, Finding::Trap, unsigned(std::countr_zero(w.mask)), "the kernel trapped");
  };
}
static void doNothing(Builder &b) {
  b.inst.run = [](Warp &, const Inst &) {};
}
/// A lane that sleeps lets others go first.
static void sleep(Builder &b) {
  b.inst.run = [](Warp &w, const Inst &) {
    if (!w.others.empty())
      w.takeTurns();
  };
}

//===----------------------------------------------------------------------===//
// Barriers of the CTA
//===----------------------------------------------------------------------===//

namespace {
enum BarrierKind : u32 { Sync, Arrive, RedPopc, RedAnd, RedOr };
} // namespace

/// The warp's arrival, for all of its lanes. The last one lets the others go.
static void arrive(Warp &w, const Inst &i) {
  u32 id = i.extra & 255;
  auto kind = BarrierKind(i.extra >> 8 & 255);
  CtaBarrier &barrier = w.cta->barriers[id];
  u32 expected = i.imm ? u32(i.imm) : u32(w.cta->warps.size()) * kLanes;
  if (barrier.arrived == 0) {
    barrier.expected = expected;
    barrier.sum = 0, barrier.all = true, barrier.any = false;
    barrier.joined = {};
  } else if (barrier.expected != expected) {
    return w.fail(i, Finding::Barrier, 0,
                  "barrier " + std::to_string(id) + " is waited for with " + std::to_string(expected) +
                      " threads, by others with " + std::to_string(barrier.expected));
  }
  ++w.counters().barriers;
  barrier.arrived += kLanes;
  barrier.joined.join(w.clock);
  if (kind >= RedPopc) {
    u32 p = predicateOf(w, i.q, i.qNegated) & w.live;
    barrier.sum += u32(std::popcount(p));
    barrier.all &= p == w.live;
    barrier.any |= p != 0;
  }
  // What this warp does from now on did not happen before the barrier.
  ++w.clock.epochs[w.index];
  w.barrierId = id;
  w.barrierGeneration = barrier.generation;
  if (barrier.arrived > barrier.expected)
    return w.fail(i, Finding::Barrier, 0,
                  "barrier " + std::to_string(id) + " expects " + std::to_string(barrier.expected) + " threads, " +
                      std::to_string(barrier.arrived) + " arrived");
  if (barrier.arrived == barrier.expected) {
    u32 *results = barrier.results[barrier.generation % 2];
    results[0] = barrier.sum, results[1] = barrier.all, results[2] = barrier.any;
    barrier.released[barrier.generation % 2] = barrier.joined;
    ++barrier.generation;
    barrier.arrived = 0;
    if (kind != Arrive)
      w.clock.join(barrier.joined);
  } else if (kind != Arrive) {
    w.block = Warp::Barrier;
    w.stop = true;
  }
}

/// The second half of a barrier with a result: the instruction behind the wait.
static void takeResult(Warp &w, const Inst &i) {
  const u32 *results = w.cta->barriers[i.extra & 255].results[w.barrierGeneration % 2];
  auto kind = BarrierKind(i.extra >> 8 & 255);
  if (kind == RedPopc) {
    storeLanes<u32>(w, i.d, [&](unsigned) { return results[0]; });
    w.define(i.d, kAll);
  } else {
    setPredicate(w, i.p, results[kind - RedPopc] ? kAll : 0, kAll);
  }
}

static u32 barrierNumber(Builder &b, size_t operand) {
  if (b.operand(operand).kind != Operand::Integer) {
    b.fail(b.operand(operand), "a barrier that a register names", 69);
    return 0;
  }
  return u32(b.immediate(operand, kBarriers - 1));
}

/// bar.sync a{, b}; bar.arrive a, b; all lanes of the warp take part.
template <BarrierKind kind> static void takeBarrier(Builder &b) {
  bool isRed = kind >= RedPopc;
  size_t first = isRed ? 1 : 0;
  if (!b.want(first + 1 + (kind == Arrive) + isRed, first + 2 + isRed))
    return;
  b.inst.extra = barrierNumber(b, first) | u32(kind) << 8;
  if (b.operands() > first + 1 + isRed) {
    b.inst.imm = int64_t(b.immediate(first + 1, 1024));
    if (b.inst.imm % kLanes != 0 || b.inst.imm == 0)
      b.fail(b.operand(first + 1),
             std::to_string(b.inst.imm) + " threads, want a multiple of " + std::to_string(kLanes));
  }
  if (isRed) {
    b.inst.q = b.srcPredicate(b.operand(b.operands() - 1), b.inst.qNegated);
    if (kind == RedPopc)
      b.inst.d = b.dst(0, 32);
    else
      b.inst.p = b.dstPredicate(b.operand(0));
  }
  b.inst.isCollective = true;
  b.inst.run = arrive;
  if (isRed) {
    b.emit(); // the wait, and behind it the result
    b.inst.run = takeResult;
  }
}

std::span<const Form> controlForms() {
  static const Form forms[] = {
      {"bra{.uni}", branchTo},
      {"brx.idx{.uni}", branchIndexed},
      {"ret{.uni}", leave},
      {"exit", leave},
      {"trap", trap},
      {"nanosleep.u32", sleep},
      {"pmevent", doNothing},
      {"bar{.cta}.sync", takeBarrier<Sync>},
      {"barrier{.cta}.sync.aligned", takeBarrier<Sync>},
      {"bar{.cta}.arrive", takeBarrier<Arrive>},
      {"barrier{.cta}.arrive.aligned", takeBarrier<Arrive>},
      {"bar{.cta}.red.popc.u32", takeBarrier<RedPopc>},
      {"bar{.cta}.red.and.pred", takeBarrier<RedAnd>},
      {"bar{.cta}.red.or.pred", takeBarrier<RedOr>},
      {"membar(.cta|.gl|.sys)", doNothing},
      {"fence{.sc|.acq_rel|.acquire|.release}(.cta|.cluster|.gpu|.sys)", doNothing},
      {"griddepcontrol(.wait|.launch_dependents)", doNothing},
  };
  return forms;
}

} // namespace smelt::sim
