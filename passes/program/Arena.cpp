//===- Arena.cpp - Offsets for buffers of known size and life ---------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One buffer after the other into the lowest gap that is free for its whole
// life. What matters is the order: several are tried, and then the buffer that
// reaches highest is moved to the front, as often as it may help.
// Tested by test/passes/program/ArenaTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "passes/program/Arena.h"
#include "llvm/ADT/STLExtras.h"
#include "runtime/core/ArenaPlan.h"
#include <map>
#include <numeric>

namespace smelt {

int64_t getLiveBytes(llvm::ArrayRef<Lifetime> buffers) {
  std::map<int64_t, int64_t> changes;
  for (const Lifetime &buffer : buffers) {
    changes[buffer.begin] += buffer.bytes;
    changes[buffer.end + 1] -= buffer.bytes;
  }
  int64_t live = 0, most = 0;
  for (auto [at, change] : changes)
    most = std::max(most, live += change);
  return most;
}

namespace {

using Order = llvm::SmallVector<uint32_t>;

struct Layout {
  llvm::SmallVector<int64_t> offsets;
  int64_t total = 0;
  uint32_t highest = 0; // the buffer that ends at `total`
};

std::vector<rt::ArenaBuffer> arenaBuffers(llvm::ArrayRef<Lifetime> lives) {
  std::vector<rt::ArenaBuffer> buffers;
  for (const Lifetime &life : lives)
    buffers.push_back({life.bytes, life.begin, life.end, 0});
  return buffers;
}

Layout place(llvm::ArrayRef<Lifetime> lives, const Order &order) {
  std::vector<rt::ArenaBuffer> buffers = arenaBuffers(lives);
  Order placed(order.size());
  Layout layout;
  layout.total = rt::placeInOrder(buffers.data(), order.data(), order.size(), placed.data(), layout.highest);
  for (const rt::ArenaBuffer &buffer : buffers)
    layout.offsets.push_back(buffer.offset);
  return layout;
}

} // namespace

llvm::SmallVector<int64_t> planArena(llvm::ArrayRef<Lifetime> buffers, int64_t &total) {
  int64_t bound = getLiveBytes(buffers);
  Order plain(buffers.size());
  std::iota(plain.begin(), plain.end(), 0);
  auto sorted = [&](auto key) {
    Order order = plain;
    llvm::stable_sort(order, [&](uint32_t a, uint32_t b) { return key(buffers[a]) > key(buffers[b]); });
    return order;
  };
  auto area = [](const Lifetime &l) { return double(l.bytes) * double(l.end - l.begin + 1); };
  Layout best;
  bool isFirst = true;
  // Larger plans have more orders to gain from, but each costs the square of their size.
  int64_t tries = std::clamp<int64_t>((int64_t(1) << 24) / std::max<int64_t>(buffers.size() * buffers.size(), 1), 1, 256);
  for (Order order : {sorted([](const Lifetime &l) { return l.bytes; }), sorted(area),
                      sorted([](const Lifetime &l) { return l.end - l.begin; }), plain}) {
    for (int64_t turn = 0; turn < tries; ++turn) {
      Layout layout = place(buffers, order);
      if (isFirst || layout.total < best.total)
        best = layout;
      isFirst = false;
      if (best.total <= bound || (!order.empty() && order.front() == layout.highest))
        break;
      order.erase(llvm::find(order, layout.highest));
      order.insert(order.begin(), layout.highest);
    }
    if (best.total <= bound)
      break;
  }
  total = best.total;
  return best.offsets;
}

int64_t planByRun(llvm::ArrayRef<Lifetime> buffers) {
  Order order(buffers.size());
  std::iota(order.begin(), order.end(), 0);
  llvm::stable_sort(order, [&](uint32_t a, uint32_t b) { return buffers[a].bytes > buffers[b].bytes; });
  std::vector<rt::ArenaBuffer> placed = arenaBuffers(buffers);
  Order best(order.size()), room(order.size());
  return rt::planBuffers(placed.data(), order.data(), best.data(), room.data(), order.size());
}

} // namespace smelt
