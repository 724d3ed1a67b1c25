//===- Tiles.cpp - Register tiles and blocks of the contractions ------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/config/Tiles.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace smelt::codegen::cpu {

/// Rows of the register tile by vectors per row (index nv - 1). Accumulators, one
/// row of B and one broadcast must fit: 12x2 leaves 32 registers without a spill,
/// 6x2 leaves 16 so.
static constexpr unsigned kRows32[] = {14, 12, 8, 6}; // AVX-512, NEON
static constexpr unsigned kRows16[] = {8, 6, 3, 2};   // AVX2
/// Without a constant row distance every row holds a pointer in a register.
static constexpr unsigned kPointerRows = 8;

Tile chooseTile(const CpuTarget &target, Type accType, std::optional<int64_t> rows, std::optional<int64_t> cols,
                bool wideRows) {
  unsigned lanes = target.lanes(accType);
  unsigned nv = 2;
  if (cols) {
    if (*cols < lanes)
      lanes = std::max<unsigned>(llvm::PowerOf2Ceil(std::max<int64_t>(*cols, 1)), 2);
    int64_t vectors = llvm::divideCeil(std::max<int64_t>(*cols, 1), lanes);
    if (vectors == 1)
      nv = 1;
    else if (vectors % 3 == 0 && vectors % 2 != 0 && target.vectorRegisters >= 32)
      nv = 3;
  }
  unsigned most = target.vectorRegisters >= 32 ? kRows32[nv - 1] : kRows16[nv - 1];
  if (!wideRows)
    most = std::min(most, kPointerRows);
  if (!rows || *rows <= 0)
    return {std::min(most, kPointerRows), nv, lanes};
  // The fewest steps: a tile of r rows costs r row-steps and the loads of B,
  // which weigh about two rows. A last, smaller tile is generated to size.
  unsigned best = 1;
  int64_t bestCost = std::numeric_limits<int64_t>::max();
  for (unsigned mr = 1; mr <= most; ++mr) {
    int64_t tiles = llvm::divideCeil(*rows, mr);
    int64_t cost = *rows + 2 * tiles + (*rows % mr ? 1 : 0);
    // A short last tile cannot hide the latency of its FMAs.
    if (int64_t tail = *rows % mr; tail * nv < 6 && tail)
      cost += std::max<int64_t>(6 / nv - tail, 0);
    if (cost < bestCost || (cost == bestCost && mr <= 8)) {
      best = mr;
      bestCost = cost;
    }
  }
  return {best, nv, lanes};
}

Blocks chooseBlocks(const CpuTarget &target, const Tile &tile, std::optional<int64_t> outer,
                    std::optional<int64_t> rows, std::optional<int64_t> panels, std::optional<int64_t> depth,
                    bool packsB) {
  constexpr int64_t kWantedGroups = 16, kLeastWork = 1 << 19; // multiply-adds of a workgroup
  int64_t k = std::max<int64_t>(depth.value_or(512), 1);
  // The rows of A that a block keeps in a quarter of L2 while B's panels pass by.
  int64_t most = std::clamp<int64_t>(target.l2Bytes / 4 / (k * 4), 32, packsB ? 512 : 128);
  if (packsB)
    most = std::max<int64_t>(most, 128);
  int64_t blockRows = llvm::alignTo(most, tile.mr), rowBlocks = 1;
  if (rows) {
    rowBlocks = llvm::divideCeil(std::max<int64_t>(*rows, 1), blockRows);
    // Blocks of even size, so that threads finish together; small problems in
    // enough blocks for several threads.
    if (!packsB) {
      int64_t others = outer.value_or(1) * panels.value_or(1);
      int64_t wanted = llvm::divideCeil(kWantedGroups, std::max<int64_t>(others, 1));
      while (rowBlocks < wanted && llvm::divideCeil(*rows, rowBlocks * 2) >= 2 * tile.mr)
        rowBlocks *= 2;
    }
    blockRows = llvm::alignTo(llvm::divideCeil(std::max<int64_t>(*rows, 1), rowBlocks), tile.mr);
  }
  int64_t allPanels = std::max<int64_t>(panels.value_or(1 << 20), 1);
  int64_t groups = std::max<int64_t>(outer.value_or(1) * rowBlocks, 1);
  int64_t split = std::clamp<int64_t>(llvm::divideCeil(kWantedGroups, groups), 1, allPanels);
  int64_t blockPanels = panels ? llvm::divideCeil(allPanels, split) : 4;
  int64_t workRows = rows ? std::min<int64_t>(*rows, blockRows) : 1;
  int64_t least = rows ? kLeastWork : kLeastWork / 8; // with M unknown, judge by the bytes of B
  while (blockPanels < allPanels && workRows * k * int64_t(tile.nr()) * blockPanels < least)
    ++blockPanels;
  return {blockRows, std::max<int64_t>(blockPanels, 1)};
}

} // namespace smelt::codegen::cpu
