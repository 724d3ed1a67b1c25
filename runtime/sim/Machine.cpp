//===- Machine.cpp - Warps, their groups of lanes, and launches -------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// CTAs run one after the other, the warps of one in turns: a slice of instructions
// each, until a barrier or the end. When none can go on, that is a deadlock and
// every warp says where it stands. Tested by test/runtime/sim/.
//
//===----------------------------------------------------------------------===//
#include "runtime/sim/Machine.h"
#include "runtime/sim/Decode.h"
#include <algorithm>
#include <cstdio>

namespace smelt::sim {

const char *nameOf(Finding::Kind kind) {
  constexpr const char *names[] = {"out of bounds", "misaligned", "uninitialised", "race", "partial warp",
                                   "barrier",       "deadlock",   "trap",          "limit"};
  return names[kind];
}

std::string Counters::json() const {
  char text[1024];
  snprintf(
      text, sizeof text,
      "{\n  \"warp_instructions\": %llu,\n  \"thread_instructions\": %llu,\n  \"divergent_branches\": %llu,\n  "
      "\"barriers\": %llu,\n"
      "  \"global_requests\": %llu,\n  \"global_bytes\": %llu,\n  \"global_sectors\": %llu,\n  \"shared_requests\": "
      "%llu,\n"
      "  \"shared_wavefronts\": %llu,\n  \"local_bytes\": %llu,\n  \"atomics\": %llu,\n  \"tensor_flops\": %llu\n}\n",
      (unsigned long long)warpInstructions, (unsigned long long)threadInstructions,
      (unsigned long long)divergentBranches, (unsigned long long)barriers, (unsigned long long)globalRequests,
      (unsigned long long)globalBytes, (unsigned long long)globalSectors, (unsigned long long)sharedRequests,
      (unsigned long long)sharedWavefronts, (unsigned long long)localBytes, (unsigned long long)atomics,
      (unsigned long long)tensorFlops);
  return text;
}

//===----------------------------------------------------------------------===//
// Groups of lanes
//===----------------------------------------------------------------------===//

static std::string place(const Warp &w, uint32_t line) {
  const Dim3 &id = w.cta->id;
  return w.kernel->name + ", line " + std::to_string(line) + ", CTA (" + std::to_string(id.x) + ", " +
         std::to_string(id.y) + ", " + std::to_string(id.z) + "), warp " + std::to_string(w.index);
}

void Warp::fail(const Inst &i, Finding::Kind kind, unsigned lane, std::string message) {
  constexpr size_t most = 32;
  LaunchResult &result = launch->result;
  if (result.findings.size() < most)
    result.findings.push_back(
        {kind,
         place(*this, i.line) + ", lane " + std::to_string(lane) + ": " + nameOf(kind) + ": " + std::move(message),
         i.line});
  launch->isOver = true;
  stop = true;
}

void Warp::failUndefined(const Inst &i, Ref r, const char *what) {
  unsigned lane = unsigned(std::countr_zero(mask & ~defined[r.number]));
  const std::string &name = kernel->registerNames[r.number];
  fail(i, Finding::Uninitialised, lane,
       std::string(what) + " in " + (name.empty() ? "a register" : name) + " that was never given a value");
}

void Warp::branch(uint32_t target, uint32_t lanesThere) {
  if (lanesThere == active) {
    pc = target;
  } else {
    ++counters().divergentBranches;
    others.push_back({target, lanesThere});
    active &= ~lanesThere;
  }
  if (others.empty())
    return;
  others.push_back({pc, active});
  pick();
}

void Warp::exitLanes(uint32_t lanesOf) {
  live &= ~lanesOf;
  active &= ~lanesOf;
  for (Group &g : others) // those that waited for these lanes look again
    g.state = Group::Ready;
  if (active && !others.empty())
    others.push_back({pc, active});
  if ((active == 0 || !others.empty()) && !pick()) {
    block = Done;
    stop = true;
  }
}

/// Gives a slice to the group that is furthest ahead, so that lanes that spin do not
/// keep the lanes they wait for from running.
void Warp::takeTurns() {
  if (others.empty())
    return;
  others.push_back({pc, active});
  auto best = others.end();
  for (auto it = others.begin(); it != others.end(); ++it)
    if (it->state == Group::Ready && (best == others.end() || it->pc > best->pc))
      best = it;
  pc = best->pc;
  active = best->mask;
  others.erase(best);
  nextPc = ~0u;
}

/// Takes the first group among the ready ones; groups at the same place are one.
bool Warp::pick() {
  uint32_t best = ~0u;
  for (const Group &g : others)
    if (g.state == Group::Ready)
      best = std::min(best, g.pc);
  active = 0;
  if (best == ~0u)
    return false;
  pc = best;
  nextPc = ~0u;
  std::erase_if(others, [&](const Group &g) {
    if (g.pc == best && g.state == Group::Ready) {
      active |= g.mask;
      return true;
    }
    nextPc = std::min(nextPc, g.state == Group::Ready ? g.pc : ~0u);
    return false;
  });
  return true;
}

/// Another group stands where this one arrived, or was left behind.
void Warp::merge() {
  others.push_back({pc, active});
  pick();
}

/// An instruction for all lanes: those that are there wait for the rest of the warp.
/// False when the group has to wait.
static bool gather(Warp &w, const Inst &i) {
  uint32_t here = w.active;
  for (const Group &g : w.others)
    if (g.pc == w.pc)
      here |= g.mask;
  if (here == w.live) {
    std::erase_if(w.others, [&](const Group &g) { return g.pc == w.pc; });
    w.active = here;
    w.nextPc = ~0u;
    return true;
  }
  w.others.push_back({w.pc, w.active, Group::AtCollective});
  if (!w.pick()) {
    // No group can go on, and they stand at different places.
    w.active = here;
    unsigned missing = unsigned(std::countr_zero(w.live & ~here));
    w.fail(i, Finding::PartialWarp, missing, "an instruction for the whole warp, but this lane is elsewhere");
  }
  return false;
}

void runSlice(Warp &w, uint64_t slice) {
  const Inst *code = w.kernel->code.data();
  Counters &counters = w.counters();
  w.stop = false;
  uint64_t issued = 0, threads = 0;
  while (issued < slice) {
    if (w.pc >= w.nextPc) [[unlikely]]
      w.merge();
    const Inst &i = code[w.pc];
    uint32_t mask = w.active;
    if (i.guard >= 0) {
      uint32_t p = w.predicates[size_t(i.guard)];
      if (w.checks() && (mask & ~w.predicatesDefined[size_t(i.guard)])) [[unlikely]] {
        w.fail(i, Finding::Uninitialised, unsigned(std::countr_zero(mask & ~w.predicatesDefined[size_t(i.guard)])),
               "a guard that was never given a value");
        break;
      }
      mask &= i.guardNegated ? ~p : p;
    }
    if (i.isCollective && w.active != w.live) [[unlikely]] {
      if (!gather(w, i)) {
        if (w.stop)
          break;
        continue;
      }
      continue; // the mask anew
    }
    ++issued;
    threads += unsigned(std::popcount(mask));
    w.mask = mask;
    ++w.pc;
    if (mask)
      i.run(w, i);
    if (w.stop) [[unlikely]]
      break;
  }
  counters.warpInstructions += issued;
  counters.threadInstructions += threads;
  w.launch->issued += issued;
  if (!w.stop && !w.others.empty()) {
    if (w.nextPc == ~0u)
      w.merge();
    else
      w.takeTurns();
  }
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

static uint64_t valueOf(Special which, const Run &run, const Cta &cta, const Warp &warp, unsigned lane) {
  const Dim3 &block = run.launch.block, &grid = run.launch.grid;
  uint32_t thread = warp.index * kLanes + lane;
  switch (which) {
  case Special::TidX: return thread % block.x;
  case Special::TidY: return thread / block.x % block.y;
  case Special::TidZ: return thread / block.x / block.y;
  case Special::NTidX: return block.x;
  case Special::NTidY: return block.y;
  case Special::NTidZ: return block.z;
  case Special::CtaIdX: return cta.id.x;
  case Special::CtaIdY: return cta.id.y;
  case Special::CtaIdZ: return cta.id.z;
  case Special::NCtaIdX: return grid.x;
  case Special::NCtaIdY: return grid.y;
  case Special::NCtaIdZ: return grid.z;
  case Special::LaneId: return lane;
  case Special::WarpId: return warp.index;
  case Special::NWarpId: return cta.warps.size();
  case Special::LaneMaskEq: return uint64_t(1) << lane;
  case Special::LaneMaskLt: return (uint64_t(1) << lane) - 1;
  case Special::LaneMaskLe: return (uint64_t(2) << lane) - 1;
  case Special::LaneMaskGt: return uint32_t(~((uint64_t(2) << lane) - 1));
  case Special::LaneMaskGe: return uint32_t(~((uint64_t(1) << lane) - 1));
  // A launch without clusters has clusters of one CTA.
  case Special::ClusterIdX: return cta.id.x;
  case Special::ClusterIdY: return cta.id.y;
  case Special::ClusterIdZ: return cta.id.z;
  case Special::NClusterIdX: return grid.x;
  case Special::NClusterIdY: return grid.y;
  case Special::NClusterIdZ: return grid.z;
  case Special::ClusterNCtaIdX:
  case Special::ClusterNCtaIdY:
  case Special::ClusterNCtaIdZ:
  case Special::ClusterNCtaRank:
  case Special::NSmId: return 1;
  case Special::DynamicSmemSize: return run.launch.dynamicShared;
  case Special::TotalSmemSize: return run.sharedBytes;
  default: return 0;
  }
}

static void startWarp(Warp &w, Cta &cta, Run &run, uint32_t index, uint32_t lanesOf) {
  const Kernel &k = run.kernel;
  w.cta = &cta;
  w.launch = &run;
  w.kernel = &k;
  w.index = index;
  w.live = w.active = lanesOf;
  w.pc = 0;
  w.nextPc = ~0u;
  w.others.clear();
  w.block = Warp::Running;
  w.words = k.image;
  w.defined.assign(k.registers, 0);
  w.predicates.assign(k.predicates, 0);
  w.predicatesDefined.assign(k.predicates, 0);
  for (uint32_t r : k.definedAtStart)
    w.defined[r] = kAll;
  for (auto [which, ref] : k.specials) {
    bool isWide = which == Special::Clock64 || which == Special::GlobalTimer || which == Special::GridId;
    for (unsigned l = 0; l < kLanes; ++l) {
      uint64_t value = valueOf(which, run, cta, w, l);
      if (isWide)
        w.lanes<uint64_t>(ref)[l] = value;
      else
        w.lanes<uint32_t>(ref)[l] = uint32_t(value);
    }
  }
  w.local.assign(k.localBytes * kLanes, 0xdb);
  w.localWritten.assign(k.localBytes * kLanes, 0);
  w.copies.clear();
  std::fill(std::begin(w.openGroup), std::end(w.openGroup), 0);
  w.clock.epochs.assign(cta.warps.size(), 0);
  w.clock.epochs[index] = 1;
}

static void reportDeadlock(Cta &cta) {
  std::string text;
  for (Warp &w : cta.warps) {
    if (w.block == Warp::Done)
      continue;
    const Inst &i = w.kernel->code[w.pc ? w.pc - 1 : 0];
    text += "\n  warp " + std::to_string(w.index) + " waits in line " + std::to_string(i.line);
    if (w.block == Warp::Barrier) {
      const CtaBarrier &b = cta.barriers[w.barrierId];
      text += " at barrier " + std::to_string(w.barrierId) + ", where " + std::to_string(b.arrived) + " of " +
              std::to_string(b.expected) + " threads arrived";
    }
  }
  Warp &first = *std::find_if(cta.warps.begin(), cta.warps.end(), [](Warp &w) { return w.block != Warp::Done; });
  const Inst &i = first.kernel->code[first.pc ? first.pc - 1 : 0];
  first.fail(i, Finding::Deadlock, 0, "no warp of the CTA can go on:" + text);
}

static void runCta(Cta &cta, Run &run) {
  constexpr uint64_t slice = 4096;
  std::vector<uint32_t> order(cta.warps.size());
  for (uint32_t i = 0; i < order.size(); ++i)
    order[i] = i;
  while (!run.isOver) {
    bool isAlive = false, hasRun = false;
    if (run.random) // another order every round: SplitMix64's step
      for (size_t i = order.size(); i > 1; --i) {
        run.random += 0x9e3779b97f4a7c15;
        uint64_t z = (run.random ^ (run.random >> 30)) * 0xbf58476d1ce4e5b9;
        std::swap(order[i - 1], order[(z ^ (z >> 31)) % i]);
      }
    for (uint32_t index : order) {
      Warp &w = cta.warps[index];
      if (w.block == Warp::Done)
        continue;
      isAlive = true;
      if (w.block == Warp::Barrier) {
        if (cta.barriers[w.barrierId].generation == w.barrierGeneration)
          continue;
        w.block = Warp::Running;
        w.clock.join(cta.barriers[w.barrierId].released[w.barrierGeneration % 2]);
      }
      hasRun = true;
      runSlice(w, run.random ? 1 + run.random % slice : slice);
      if (run.issued > run.launch.maxWarpInstructions)
        w.fail(w.kernel->code[w.pc], Finding::Limit, 0,
               "more than " + std::to_string(run.launch.maxWarpInstructions) + " instructions of warps");
      if (run.isOver)
        return;
    }
    if (!isAlive)
      return;
    if (!hasRun)
      return reportDeadlock(cta);
  }
}

static void refuse(LaunchResult &result, Finding::Kind kind, std::string message) {
  result.findings.push_back({kind, std::move(message), 0});
}

LaunchResult Device::launch(const Launch &launch) {
  LaunchResult result;
  auto it = std::find_if(program->kernels.begin(), program->kernels.end(),
                         [&](const Kernel &k) { return k.name == launch.kernel; });
  if (it == program->kernels.end()) {
    refuse(result, Finding::Limit, "there is no kernel '" + launch.kernel + "'");
    return result;
  }
  const Kernel &kernel = *it;
  Run run{*program, kernel, *memory, launch, result, {}};
  auto threads = launch.block.count();
  constexpr uint64_t maxThreads = 1024, maxStaticShared = 48 << 10;
  uint64_t maxShared = program->smVersion >= 90   ? 227 << 10
                       : program->smVersion == 80 ? 163 << 10
                       : program->smVersion >= 86 ? 99 << 10
                                                  : 64 << 10;
  run.sharedBytes = kernel.staticShared + launch.dynamicShared;
  auto differs = [&](const std::vector<uint32_t> &n) {
    return n[0] != launch.block.x || n[1] != launch.block.y || n[2] != launch.block.z;
  };
  if (threads == 0 || threads > maxThreads)
    refuse(result, Finding::Limit,
           "a block of " + std::to_string(threads) + " threads, want 1 to " + std::to_string(maxThreads));
  else if (kernel.requiredThreads && differs(*kernel.requiredThreads))
    refuse(result, Finding::Limit, "the block is not that of .reqntid");
  else if (kernel.maxThreads &&
           threads > uint64_t((*kernel.maxThreads)[0]) * (*kernel.maxThreads)[1] * (*kernel.maxThreads)[2])
    refuse(result, Finding::Limit, "the block has more threads than .maxntid");
  else if (kernel.staticShared > maxStaticShared || run.sharedBytes > maxShared)
    refuse(result, Finding::Limit,
           std::to_string(run.sharedBytes) + " bytes of shared memory, the target has " + std::to_string(maxShared));
  else if (launch.arguments.size() != kernel.paramSizes.size())
    refuse(result, Finding::Limit,
           std::to_string(launch.arguments.size()) + " arguments, the kernel has " +
               std::to_string(kernel.paramSizes.size()) + " parameters");
  if (!result.findings.empty())
    return result;
  run.params.resize(kernel.paramBytes);
  for (size_t i = 0; i < launch.arguments.size(); ++i) {
    if (launch.arguments[i].size() != kernel.paramSizes[i]) {
      refuse(result, Finding::Limit,
             "argument " + std::to_string(i) + " has " + std::to_string(launch.arguments[i].size()) +
                 " bytes, the parameter " + std::to_string(kernel.paramSizes[i]));
      return result;
    }
    std::copy(launch.arguments[i].begin(), launch.arguments[i].end(),
              run.params.begin() + ptrdiff_t(kernel.paramOffsets[i]));
  }
  run.random = launch.seed;
  Cta cta(run);
  for (uint64_t n = 0; n < launch.grid.count() && !run.isOver; ++n) {
    cta.id = {uint32_t(n % launch.grid.x), uint32_t(n / launch.grid.x % launch.grid.y),
              uint32_t(n / launch.grid.x / launch.grid.y)};
    cta.shared.assign(run.sharedBytes, 0xdb);
    cta.sharedWritten.assign(run.sharedBytes, 0);
    if (launch.checks)
      cta.shadow.resize(run.sharedBytes);
    std::fill(std::begin(cta.barriers), std::end(cta.barriers), CtaBarrier{});
    cta.warps.resize((threads + kLanes - 1) / kLanes);
    for (uint32_t w = 0; w < cta.warps.size(); ++w) {
      uint64_t rest = threads - w * kLanes;
      startWarp(cta.warps[w], cta, run, w, rest >= kLanes ? kAll : (1u << rest) - 1);
    }
    runCta(cta, run);
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Devices
//===----------------------------------------------------------------------===//

Device::Device() : program(std::make_unique<Program>()), memory(std::make_unique<Memory>()) {}
Device::~Device() = default;

std::unique_ptr<Device> Device::load(const Module &module, std::vector<Diagnostic> &diagnostics) {
  std::unique_ptr<Device> device(new Device);
  size_t before = diagnostics.size();
  ModuleContext context{module, *device->program, *device->memory, {}, {}, {}};
  unsigned sm = 0;
  for (char c : module.target.substr(std::min<size_t>(3, module.target.size())))
    if (c >= '0' && c <= '9')
      sm = sm * 10 + unsigned(c - '0');
  device->program->smVersion = sm;
  for (const Variable &v : module.variables) {
    if (v.space == Space::Global) {
      uint64_t at = device->memory->allocate(v.bytes, "variable " + v.name);
      const Block *block = device->memory->find(at, v.bytes);
      std::memset(block->bytes.get(), 0, v.bytes); // variables begin as zeros
      std::memset(block->written.get(), 1, v.bytes);
      std::copy(v.initial.begin(), v.initial.end(), block->bytes.get());
      context.globals[v.name] = at;
      device->program->variables.push_back({v.name, at});
    } else if (v.space == Space::Const) {
      auto &bytes = device->program->constants;
      bytes.resize((bytes.size() + v.align - 1) / v.align * v.align);
      context.constants[v.name] = bytes.size();
      bytes.insert(bytes.end(), v.initial.begin(), v.initial.end());
      bytes.resize(context.constants[v.name] + v.bytes);
    }
  }
  for (const Function &f : module.functions)
    if (f.isEntry && f.hasBody) {
      device->program->kernels.emplace_back();
      Builder(context, f, device->program->kernels.back(), diagnostics).run();
    }
  if (diagnostics.size() != before)
    device.reset();
  return device;
}

uint64_t Device::allocate(uint64_t bytes) { return memory->allocate(bytes, "an allocation"); }
void Device::free(uint64_t address) { memory->free(address); }

bool Device::write(uint64_t address, std::span<const uint8_t> bytes) {
  const Block *block = memory->find(address, bytes.size());
  if (!block)
    return false;
  std::memcpy(block->bytes.get() + (address - block->base), bytes.data(), bytes.size());
  std::memset(block->written.get() + (address - block->base), 1, bytes.size());
  return true;
}

bool Device::read(uint64_t address, std::span<uint8_t> bytes) const {
  const Block *block = memory->find(address, bytes.size());
  if (!block)
    return false;
  const uint8_t *written = block->written.get() + (address - block->base);
  std::memcpy(bytes.data(), block->bytes.get() + (address - block->base), bytes.size());
  return std::all_of(written, written + bytes.size(), [](uint8_t w) { return w; });
}

uint64_t Device::addressOf(std::string_view variable) const {
  for (const auto &[name, at] : program->variables)
    if (name == variable)
      return at;
  return 0;
}

} // namespace smelt::sim
