//===- Sim.h - Running PTX on the host --------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Load a parsed module, allocate device memory, launch kernels; each launch gives
// findings (what is wrong with the kernel) and counters. docs/ptx-interpreter.md
// has the machine's rules.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_SIM_SIM_H
#define SMELT_RUNTIME_SIM_SIM_H

#include "runtime/sim/Ptx.h"
#include <memory>
#include <span>

namespace smelt::sim {

/// What is wrong with a kernel, where it was seen.
struct Finding {
  enum Kind : uint8_t {
    OutOfBounds,
    Misaligned,
    Uninitialised,
    Race,
    PartialWarp,
    Barrier,
    Deadlock,
    Trap,
    Limit,
  };
  Kind kind;
  std::string message; // with the kernel, the line of the PTX, CTA, warp and lane
  uint32_t line = 0;
};
const char *nameOf(Finding::Kind kind);

struct Counters {
  uint64_t warpInstructions = 0, threadInstructions = 0; // issued; times active lanes
  uint64_t divergentBranches = 0, barriers = 0;
  uint64_t globalRequests = 0, globalBytes = 0, globalSectors = 0; // of 32 bytes
  uint64_t sharedRequests = 0, sharedWavefronts = 0;               // wavefronts - requests are bank conflicts
  uint64_t localBytes = 0, atomics = 0;
  uint64_t tensorFlops = 0;

  std::string json() const;
};

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
  uint64_t count() const { return uint64_t(x) * y * z; }
};

struct Launch {
  std::string kernel;
  Dim3 grid, block;
  uint64_t dynamicShared = 0;
  /// The bytes of each parameter, in order.
  std::vector<std::vector<uint8_t>> arguments;
  bool checks = true; // initialisation and races; bounds are always checked
  uint64_t seed = 0;  // 0: warps take turns; else a random order
  uint64_t maxWarpInstructions = uint64_t(1) << 36;
};

struct LaunchResult {
  std::vector<Finding> findings;
  Counters counters;
};

class Program; // a module, decoded
class Memory;  // what a device holds

/// One device with one module. Not for several threads at once.
class Device {
public:
  /// Null with diagnostics when an instruction is unknown or has wrong operands.
  static std::unique_ptr<Device> load(const Module &module, std::vector<Diagnostic> &diagnostics);
  ~Device();

  /// Device memory of `bytes`, unwritten; addresses are multiples of 256.
  uint64_t allocate(uint64_t bytes);
  void free(uint64_t address);
  /// False where the range is not allocated, or (read) not wholly written.
  bool write(uint64_t address, std::span<const uint8_t> bytes);
  bool read(uint64_t address, std::span<uint8_t> bytes) const;
  /// The address of a variable of the module; 0 when there is none.
  uint64_t addressOf(std::string_view variable) const;

  LaunchResult launch(const Launch &launch);

private:
  Device();
  std::unique_ptr<Program> program;
  std::unique_ptr<Memory> memory;
};

} // namespace smelt::sim

#endif // SMELT_RUNTIME_SIM_SIM_H
