//===- Tiles.h - Register tiles and blocks of the contractions --------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Everything that was measured rather than derived: how many rows and vectors a
// register tile has on each architecture, and how many rows and panels a
// workgroup takes. The rewriting in families/ only reads the result.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_CODEGEN_CPU_CONFIG_TILES_H
#define SMELT_CODEGEN_CPU_CONFIG_TILES_H

#include "codegen/cpu/Family.h"

namespace smelt::codegen::cpu {

/// mr rows by nv vectors of `lanes` elements, all in registers.
struct Tile {
  unsigned mr, nv, lanes;
  unsigned nr() const { return nv * lanes; }
};

/// The tile for `rows` x `cols` results of this carried type; nullopt sizes are
/// known at run time only. `wideRows` allows the largest tiles, which need the
/// distance of two rows to be a constant.
Tile chooseTile(const CpuTarget &target, mlir::Type accType, std::optional<int64_t> rows, std::optional<int64_t> cols,
                bool wideRows);

/// How many rows and panels one workgroup computes.
struct Blocks {
  int64_t rows, panels;
};
/// `outer` counts independent products; `depth` is K; `rowBytes` what one row of
/// A takes while its block is in use.
Blocks chooseBlocks(const CpuTarget &target, const Tile &tile, std::optional<int64_t> outer,
                    std::optional<int64_t> rows, std::optional<int64_t> panels, std::optional<int64_t> depth,
                    bool packsB);

} // namespace smelt::codegen::cpu

#endif // SMELT_CODEGEN_CPU_CONFIG_TILES_H
