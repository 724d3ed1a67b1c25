//===- Memory.cpp - A context's memory and its reusing pool -----------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See Memory.h. Tested by test/runtime/ValueTest.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "runtime/core/Memory.h"
#include <algorithm>
#include <sys/mman.h>
#include <unistd.h>

namespace smelt::rt {

static uint64_t defaultLimit() {
  constexpr uint64_t most = uint64_t(64) << 30;
  long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page <= 0)
    return most;
  uint64_t share = static_cast<uint64_t>(pages) * static_cast<uint64_t>(page) / 4 * 3;
  return share < most ? share : most;
}

/// Pieces worth of huge pages are aligned for them: fewer TLB misses.
static void *systemAllocate(size_t bytes) {
  constexpr size_t huge = 2u << 20;
  void *memory;
  if (posix_memalign(&memory, bytes < 2 * huge ? 64 : huge, bytes) != 0)
    return nullptr;
  if (bytes >= 2 * huge)
    (void)madvise(memory, bytes / huge * huge, MADV_HUGEPAGE); // a hint only
  return memory;
}

void Memory::configure(const smelt_allocator &wanted, uint64_t wantedLimit) {
  allocator = wanted;
  limit = wantedLimit ? wantedLimit : defaultLimit();
}

uint8_t *Memory::allocate(int64_t bytes, const char *what, smelt_error *err) {
  if (bytes < 1)
    bytes = 1;
  uint64_t wanted = static_cast<uint64_t>(bytes);
  if (wanted > limit || held > limit - wanted) {
    fail(err, SMELT_NO_MEMORY, "out of memory: %s wants %llu bytes beside %llu held, the limit is %llu", what,
         static_cast<unsigned long long>(wanted), static_cast<unsigned long long>(held),
         static_cast<unsigned long long>(limit));
    return nullptr;
  }
  void *memory = allocator.alloc ? allocator.alloc(allocator.user, wanted, 64) : systemAllocate(wanted);
  if (!memory) {
    failMemory(err, wanted, what);
    return nullptr;
  }
  held += wanted;
  most = held > most ? held : most;
  return static_cast<uint8_t *>(memory);
}

void Memory::release(uint8_t *memory, int64_t bytes) {
  if (!memory)
    return;
  if (bytes < 1)
    bytes = 1;
  held -= static_cast<uint64_t>(bytes);
  if (allocator.alloc)
    allocator.free(allocator.user, memory, static_cast<size_t>(bytes));
  else
    free(memory);
}

int Region::ensure(Memory &memory, int64_t bytes, const char *what, smelt_error *err) {
  if (base && bytes <= capacity)
    return SMELT_OK;
  release(memory);
  base = memory.allocate(bytes, what, err);
  if (!base)
    return SMELT_NO_MEMORY;
  capacity = bytes;
  return SMELT_OK;
}

void Region::release(Memory &memory) {
  memory.release(base, capacity);
  base = nullptr;
  capacity = 0;
}

int BlockPool::take(Memory &memory, int64_t bytes, int32_t &block, smelt_error *err) {
  int32_t best = kNone;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const Block &b = blocks[i];
    if (b.isFree && b.data && b.bytes >= bytes && b.bytes / 2 <= bytes + 64 &&
        (best == kNone || b.bytes < blocks[best].bytes))
      best = static_cast<int32_t>(i);
  }
  if (best == kNone) {
    // An empty place first, then one more.
    for (size_t i = 0; i < blocks.size() && best == kNone; ++i)
      if (!blocks[i].data)
        best = static_cast<int32_t>(i);
    if (best == kNone) {
      if (blocks.size() >= INT32_MAX || !blocks.push(Block()))
        return failMemory(err, sizeof(Block), "the pool");
      best = static_cast<int32_t>(blocks.size() - 1);
    }
    // An eighth more, so that a slowly growing tensor finds its block again.
    int64_t rounded = (bytes + bytes / 8 + 63) & ~int64_t(63);
    uint8_t *data = memory.allocate(rounded, "a dynamic tensor", nullptr);
    if (!data) { // give the free blocks back and try once more
      for (Block &b : blocks)
        if (b.isFree && b.data) {
          memory.release(b.data, b.bytes);
          b = Block();
        }
      rounded = bytes;
      data = memory.allocate(rounded, "a dynamic tensor", err);
      if (!data)
        return SMELT_NO_MEMORY;
    }
    blocks[best].data = data;
    blocks[best].bytes = rounded < 1 ? 1 : rounded;
  }
  blocks[best].isFree = false;
  block = best;
  return SMELT_OK;
}

void BlockPool::giveAll() {
  for (Block &b : blocks)
    b.isFree = b.data != nullptr;
}

void BlockPool::release(Memory &memory) {
  for (Block &b : blocks)
    memory.release(b.data, b.bytes);
  blocks.reset();
}

//===----------------------------------------------------------------------===//
// SizePlan
//===----------------------------------------------------------------------===//

int SizePlan::apply(const int64_t *w, int64_t *registers, smelt_error *err) {
  const int64_t count = w[2], *operands = w + 3; // rOffset, rBytes, begin, end of each
  bool covers = of == w;
  for (int64_t i = 0; covers && i < count; ++i)
    covers = registers[operands[4 * i + 1]] >= 0 && registers[operands[4 * i + 1]] <= buffers[i].bytes;
  if (!covers)
    if (int code = make(w, registers, err))
      return code;
  registers[w[1]] = total;
  for (int64_t i = 0; i < count; ++i)
    registers[operands[4 * i]] = buffers[i].offset;
  return SMELT_OK;
}

int SizePlan::make(const int64_t *w, const int64_t *registers, smelt_error *err) {
  const int64_t count = w[2], *operands = w + 3;
  bool again = of == w;
  of = nullptr;
  Vec<uint32_t> order, best, placed;
  if (!buffers.resize(count) || !order.resize(count) || !best.resize(count) || !placed.resize(count))
    return failMemory(err, count * (sizeof(ArenaBuffer) + 3 * sizeof(uint32_t)), "the plan of the arena");
  for (int64_t i = 0; i < count; ++i) {
    int64_t bytes = registers[operands[4 * i + 1]];
    if (bytes < 0 || bytes > (INT64_MAX >> 2) / count)
      return fail(err, SMELT_BAD_DATA, "bad program: a tensor of %lld bytes in the arena", static_cast<long long>(bytes));
    if (again)
      bytes += bytes / 4;
    buffers[i] = {(bytes + 63) / 64 * 64, operands[4 * i + 2], operands[4 * i + 3], 0};
    order[i] = static_cast<uint32_t>(i);
  }
  // Largest first; the order of the program among equals, so that a plan is the same each time.
  std::sort(order.data(), order.data() + count, [this](uint32_t x, uint32_t y) {
    return buffers[x].bytes != buffers[y].bytes ? buffers[x].bytes > buffers[y].bytes : x < y;
  });
  total = planBuffers(buffers.data(), order.data(), best.data(), placed.data(), static_cast<uint32_t>(count));
  of = w;
  return SMELT_OK;
}

} // namespace smelt::rt
