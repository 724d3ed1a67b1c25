//===- Memory.h - Device memory with red zones and written bytes ------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_SIM_MEMORY_H
#define SMELT_RUNTIME_SIM_MEMORY_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace smelt::sim {

/// Bytes, and of each whether it was written.
struct Block {
  uint64_t base = 0, size = 0;
  std::unique_ptr<uint8_t[]> bytes, written;
  std::string name;
};

/// Windows of the generic address space; offsets below 2^48 in each.
enum Window : uint64_t { kGlobalWindow = 0, kSharedWindow = 1, kLocalWindow = 2, kConstWindow = 3, kParamWindow = 4 };
inline constexpr unsigned kWindowShift = 48;
inline uint64_t windowOf(uint64_t address) { return address >> kWindowShift; }
inline uint64_t inWindow(Window window, uint64_t offset) { return (uint64_t(window) << kWindowShift) | offset; }

class Memory {
public:
  /// A block of `size` bytes with a distance to all others that no index crosses by chance.
  uint64_t allocate(uint64_t size, std::string name);
  void free(uint64_t base);
  /// The block that holds the whole range, or null.
  const Block *find(uint64_t address, uint64_t bytes) const {
    if (last && address - last->base < last->size && bytes <= last->size - (address - last->base))
      return last;
    return search(address, bytes);
  }
  /// For messages: the block that lies nearest.
  std::string describe(uint64_t address) const;

private:
  const Block *search(uint64_t address, uint64_t bytes) const;

  std::vector<std::unique_ptr<Block>> blocks; // by base
  mutable const Block *last = nullptr;
  uint64_t next = uint64_t(1) << 32;
};

} // namespace smelt::sim

#endif // SMELT_RUNTIME_SIM_MEMORY_H
