//===- Memory.cpp - Device memory with red zones and written bytes ----------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "runtime/sim/Memory.h"
#include <algorithm>

namespace smelt::sim {

static constexpr uint64_t kAlignment = 256, kRedZone = uint64_t(1) << 20;

uint64_t Memory::allocate(uint64_t size, std::string name) {
  auto block = std::make_unique<Block>();
  block->base = next;
  block->size = size;
  block->bytes.reset(new uint8_t[size ? size : 1]);
  block->written.reset(new uint8_t[size ? size : 1]());
  block->name = std::move(name);
  next = (next + size + kRedZone + kAlignment - 1) & ~(kAlignment - 1);
  blocks.push_back(std::move(block));
  return blocks.back()->base;
}

void Memory::free(uint64_t base) {
  last = nullptr;
  std::erase_if(blocks, [&](const auto &block) { return block->base == base; });
}

/// The last block that begins at or before the address.
static auto before(const std::vector<std::unique_ptr<Block>> &blocks, uint64_t address) {
  return std::upper_bound(blocks.begin(), blocks.end(), address,
                          [](uint64_t a, const auto &block) { return a < block->base; });
}

const Block *Memory::search(uint64_t address, uint64_t bytes) const {
  auto it = before(blocks, address);
  if (it == blocks.begin())
    return nullptr;
  const Block *block = std::prev(it)->get();
  uint64_t offset = address - block->base;
  if (offset > block->size || bytes > block->size - offset)
    return nullptr;
  return last = block;
}

std::string Memory::describe(uint64_t address) const {
  auto it = before(blocks, address);
  if (it == blocks.begin())
    return blocks.empty() ? "nothing is allocated" : "before all that is allocated";
  const Block &block = **std::prev(it);
  uint64_t offset = address - block.base;
  if (offset < block.size)
    return "byte " + std::to_string(offset) + " of " + block.name + " of " + std::to_string(block.size) + " bytes";
  return std::to_string(offset - block.size) + " bytes behind " + block.name + " of " + std::to_string(block.size) +
         " bytes";
}

} // namespace smelt::sim
