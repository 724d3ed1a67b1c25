//===- ArenaPlan.h - Offsets for buffers of known lives ------------*- C++ -*-===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shared by the compiler, which plans static sizes, and the runtime, which plans
// symbolic ones when a run's are larger than the last plan's. Plain memory only.
// Tested by test/passes/program/ArenaTest.cpp and test/runtime/InterpreterTest.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_CORE_ARENAPLAN_H
#define SMELT_RUNTIME_CORE_ARENAPLAN_H

#include <stdint.h>

namespace smelt::rt {

/// `bytes` at `offset`, in use from position `begin` to `end` (both included).
struct ArenaBuffer {
  int64_t bytes, begin, end, offset;
};

/// Gives one buffer after the other, in `order`, the lowest offset that is free for
/// its whole life. `placed` is room for `count` numbers; `highest` becomes the
/// buffer that ends last. Returns the bytes of all. O(count^2).
inline int64_t placeInOrder(ArenaBuffer *buffers, const uint32_t *order, uint32_t count, uint32_t *placed,
                            uint32_t &highest) {
  int64_t total = 0;
  highest = 0;
  for (uint32_t n = 0; n < count; ++n) { // placed[0..n) is sorted by offset
    ArenaBuffer &mine = buffers[order[n]];
    int64_t at = 0;
    for (uint32_t j = 0; j < n; ++j) {
      const ArenaBuffer &other = buffers[placed[j]];
      if (other.end < mine.begin || mine.end < other.begin)
        continue;
      if (at + mine.bytes <= other.offset)
        break;
      if (at < other.offset + other.bytes)
        at = other.offset + other.bytes;
    }
    mine.offset = at;
    uint32_t to = n;
    for (; to > 0 && buffers[placed[to - 1]].offset > at; --to)
      placed[to] = placed[to - 1];
    placed[to] = order[n];
    if (at + mine.bytes > total) {
      total = at + mine.bytes;
      highest = order[n];
    }
  }
  return total;
}

/// The most bytes that are in use at one position. O(count^2).
inline int64_t liveBytes(const ArenaBuffer *buffers, uint32_t count) {
  int64_t most = 0;
  for (uint32_t i = 0; i < count; ++i) {
    int64_t live = 0;
    for (uint32_t j = 0; j < count; ++j)
      if (buffers[j].begin <= buffers[i].begin && buffers[i].begin <= buffers[j].end)
        live += buffers[j].bytes;
    most = live > most ? live : most;
  }
  return most;
}

/// Places the buffers, which `order` names largest first, and tries a few times to
/// do better by beginning with the one that reached highest; once when they are many,
/// as each time costs the square of their number. `order`, `best` and
/// `placed` are room for `count` numbers.
inline int64_t planBuffers(ArenaBuffer *buffers, uint32_t *order, uint32_t *best, uint32_t *placed, uint32_t count) {
  const int kTurns = count > 2048 ? 1 : 16;
  const int64_t bound = kTurns > 1 ? liveBytes(buffers, count) : 0;
  int64_t least = INT64_MAX;
  for (int turn = 0; turn < kTurns && least > bound; ++turn) {
    uint32_t highest;
    int64_t total = placeInOrder(buffers, order, count, placed, highest);
    if (total < least) {
      least = total;
      for (uint32_t i = 0; i < count; ++i)
        best[i] = order[i];
    }
    if (count == 0 || order[0] == highest)
      break;
    for (uint32_t i = 0, moved = highest; i < count; ++i) { // to the front
      uint32_t here = order[i];
      order[i] = moved;
      moved = here;
      if (here == highest)
        break;
    }
  }
  uint32_t highest;
  return placeInOrder(buffers, best, count, placed, highest);
}

} // namespace smelt::rt

#endif // SMELT_RUNTIME_CORE_ARENAPLAN_H
