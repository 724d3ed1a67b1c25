//===- Memory.h - A context's memory and its reusing pool ----------*- C++ -*-===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Memory is the one place a context's tensors come from: the caller's
// allocator or the C library's, under a limit, with statistics. BlockPool
// reuses blocks of dynamic buffers between allocations and runs. Tested by
// test/runtime/ValueTest.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_CORE_MEMORY_H
#define SMELT_RUNTIME_CORE_MEMORY_H

#include "runtime/core/ArenaPlan.h"
#include "runtime/core/Support.h"

namespace smelt::rt {

class Memory {
public:
  void configure(const smelt_allocator &allocator, uint64_t limit);
  /// Aligned to 64 bytes; at least one byte, so never a shared address.
  uint8_t *allocate(int64_t bytes, const char *what, smelt_error *err);
  void release(uint8_t *memory, int64_t bytes);
  uint64_t now() const { return held; }
  uint64_t peak() const { return most; }

private:
  smelt_allocator allocator{};
  uint64_t limit = 0, held = 0, most = 0;
};

/// One growing piece of memory whose old contents are not needed.
class Region {
public:
  int ensure(Memory &memory, int64_t bytes, const char *what, smelt_error *err);
  void release(Memory &memory);
  uint8_t *data() const { return base; }
  int64_t size() const { return capacity; }

private:
  uint8_t *base = nullptr;
  int64_t capacity = 0;
};

/// Where buffers of sizes that only a run knows lie in the arena (Op::Plan).
class SizePlan {
public:
  /// Sets the registers of the instruction's words at `w`. The last plan stays
  /// while it covers the sizes; a second one leaves room for sizes that go on
  /// growing, so that a cache of keys does not cost a plan a step.
  int apply(const int64_t *w, int64_t *registers, smelt_error *err);

private:
  int make(const int64_t *w, const int64_t *registers, smelt_error *err);

  const int64_t *of = nullptr; // the instruction that `buffers` are those of
  Vec<ArenaBuffer> buffers;
  int64_t total = 0;
};

class BlockPool {
public:
  static constexpr int32_t kNone = -1;
  /// Takes a free block of at most twice the size, or allocates one.
  int take(Memory &memory, int64_t bytes, int32_t &block, smelt_error *err);
  void give(int32_t block) { blocks[block].isFree = true; }
  void giveAll();
  uint8_t *data(int32_t block) const { return blocks[block].data; }
  void release(Memory &memory);

private:
  struct Block {
    uint8_t *data = nullptr;
    int64_t bytes = 0;
    bool isFree = false;
  };
  Vec<Block> blocks;
};

} // namespace smelt::rt

#endif // SMELT_RUNTIME_CORE_MEMORY_H
