//===- Machine.h - Decoded instructions, warps and CTAs ---------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A register is 32 lanes side by side, of 4 bytes (8 for 64 bits); a predicate is
// a mask of lanes. Immediates and special registers are registers too, filled
// before a warp starts, so every instruction has one form. Beside each register
// stands the mask of the lanes that were ever given a value.
//
// The lanes of a warp run in groups, one for each place in the program. The group
// that is furthest behind runs, and groups that meet become one; an instruction
// for the whole warp waits until all its lanes are there.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_SIM_MACHINE_H
#define SMELT_RUNTIME_SIM_MACHINE_H

#include "runtime/sim/Memory.h"
#include "runtime/sim/Races.h"
#include "runtime/sim/Sim.h"
#include <bit>
#include <cstring>

namespace smelt::sim {

inline constexpr unsigned kLanes = 32;
inline constexpr uint32_t kAll = ~0u;
/// Named barriers of a CTA.
inline constexpr unsigned kBarriers = 16;

/// In the map of written bytes: an asynchronous copy is on its way.
inline constexpr uint8_t kInFlight = 2;

struct Warp;
struct Inst;
using Handler = void (*)(Warp &, const Inst &);

/// A register: where its lanes lie (in words), and its number for what is defined.
struct Ref {
  uint32_t at = 0, number = 0;
};

/// A load, a store, an atomic or an asynchronous copy.
struct Access {
  Space space = Space::Global;
  bool isGeneric = false, isSigned = false;
  uint8_t bytes = 4, count = 1; // of an element, and elements
  bool hasBase = false, isWideBase = false;
  Ref base;
  int64_t offset = 0;
  uint8_t width[8] = {}; // bits of the registers of the elements
  Ref elements[8];
  bool sinks[8] = {};
  unsigned total() const { return unsigned(bytes) * count; }
};

struct Inst {
  Handler run = nullptr;
  Ref d, a, b, c, e;
  int64_t imm = 0;
  uint32_t target = 0;    // branches: an instruction
  uint32_t extra = 0;     // an index into one of the program's tables
  int32_t p = -1, q = -1; // predicates: results, or operands
  int32_t guard = -1;
  bool guardNegated = false, pNegated = false, qNegated = false;
  bool isBranch = false;     // `target` is a place in the code
  bool isCollective = false; // all lanes of the warp take part
  uint32_t line = 0;
};

struct Kernel {
  std::string name;
  std::vector<Inst> code;
  std::vector<Access> accesses;
  std::vector<std::vector<Ref>> fragments;       // of matrix instructions
  std::vector<std::vector<uint32_t>> tables;     // of indirect branches
  std::vector<uint32_t> image;                   // the registers at the start: constants
  std::vector<std::pair<Special, Ref>> specials; // to be filled
  uint32_t registers = 0, predicates = 0;        // numbers
  std::vector<uint32_t> definedAtStart;          // registers that are constants or special
  std::vector<std::string> registerNames;
  std::vector<uint64_t> paramOffsets, paramSizes;
  uint64_t paramBytes = 0, staticShared = 0, localBytes = 0;
  std::optional<std::vector<uint32_t>> requiredThreads, maxThreads;
};

/// Decoded functions of a module, and where its variables lie.
class Program {
public:
  std::vector<Kernel> kernels;
  std::vector<std::pair<std::string, uint64_t>> variables; // global addresses
  std::vector<uint8_t> constants;                          // the const space
  uint32_t smVersion = 80;
};

struct Group {
  uint32_t pc = 0, mask = 0;
  enum State : uint8_t { Ready, AtCollective } state = Ready;
};

struct CtaBarrier {
  uint32_t arrived = 0, expected = 0; // threads
  uint64_t generation = 0;
  uint32_t sum = 0; // bar.red
  bool all = true, any = false;
  uint32_t results[2][3] = {}; // of the last two generations: popc, and, or
  Clock joined, released[2];   // of those that arrived; of the last two generations
};

struct Run; // a launch

struct Cta;

struct Warp {
  Cta *cta = nullptr;
  Run *launch = nullptr;
  const Kernel *kernel = nullptr;
  uint32_t index = 0, live = kAll;
  //--- the group that runs
  uint32_t pc = 0, active = 0, mask = 0; // mask: active lanes that the guard lets through
  uint32_t carry = 0;                    // of each lane, for add.cc and the like
  uint32_t nextPc = ~0u;                 // where the nearest other group stands
  std::vector<Group> others;
  bool stop = false; // the slice ends: blocked, exited or wrong
  enum Block : uint8_t { Running, Barrier, Done } block = Running;
  uint32_t barrierId = 0;
  uint64_t barrierGeneration = 0;
  //--- state
  std::vector<uint32_t> words;   // registers
  std::vector<uint32_t> defined; // by register number
  std::vector<uint32_t> predicates, predicatesDefined;
  std::vector<uint8_t> local, localWritten; // lane after lane
  Clock clock;
  /// Copies of cp.async that no wait of their lane has ended.
  struct Copy {
    uint32_t lane, offset, bytes, group, line;
    bool isWhole; // all of the source was written
  };
  std::vector<Copy> copies;
  uint32_t openGroup[kLanes] = {};

  template <typename T> T *lanes(Ref r) { return reinterpret_cast<T *>(words.data() + r.at); }
  uint32_t &definedOf(Ref r) { return defined[r.number]; }
  void define(Ref r, uint32_t lanesOf) { defined[r.number] = (defined[r.number] & ~mask) | (mask & lanesOf); }
  bool checks() const;
  Counters &counters();

  /// A finding at the instruction; the launch ends.
  void fail(const Inst &i, Finding::Kind kind, unsigned lane, std::string message);
  /// A branch, an address or a result of lanes that were never given a value.
  void needDefined(const Inst &i, Ref r, const char *what) {
    if (checks() && (mask & ~defined[r.number])) [[unlikely]]
      failUndefined(i, r, what);
  }
  void failUndefined(const Inst &i, Ref r, const char *what);
  /// Goes on at `target` with some of the active lanes, the others at the next instruction.
  void branch(uint32_t target, uint32_t lanesThere);
  void exitLanes(uint32_t lanesOf);
  /// The group that is furthest behind among those that can run; false when none can.
  bool pick();
  void merge();
  void takeTurns();
};

struct Cta {
  Run &run;
  Dim3 id;
  std::vector<uint8_t> shared, sharedWritten;
  Shadow shadow;
  std::vector<Warp> warps;
  CtaBarrier barriers[kBarriers];
  explicit Cta(Run &run) : run(run) {}
};

struct Run {
  const Program &program;
  const Kernel &kernel;
  Memory &memory;
  const Launch &launch;
  LaunchResult &result;
  std::vector<uint8_t> params;
  uint64_t sharedBytes = 0, issued = 0, random = 0;
  bool isOver = false;
};

inline bool Warp::checks() const { return launch->launch.checks; }
inline Counters &Warp::counters() { return launch->result.counters; }

/// Calls f(lane) for the lanes of a mask; the whole warp is a loop that vectorises.
template <typename F> inline void eachLane(uint32_t mask, F f) {
  if (mask == kAll) {
    for (unsigned l = 0; l < kLanes; ++l)
      f(l);
  } else {
    for (; mask; mask &= mask - 1)
      f(unsigned(std::countr_zero(mask)));
  }
}

/// Runs a warp until it blocks, is done or has had `slice` instructions.
void runSlice(Warp &warp, uint64_t slice);

} // namespace smelt::sim

#endif // SMELT_RUNTIME_SIM_MACHINE_H
