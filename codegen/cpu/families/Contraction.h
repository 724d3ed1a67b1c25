//===- Contraction.h - What matmul and convolution share --------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A contraction computes rows x columns results. Rows are the flattened leading
// dims (a matmul's M, a convolution's pixels), columns run along one dim of the
// result in panels of nr. A tile of mr x nr accumulators lives in registers over
// the whole reduction; then the epilogue (the rest of the kernel's body) is
// computed from it and stored. Sizes may be ragged and symbolic everywhere.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_CODEGEN_CPU_FAMILIES_CONTRACTION_H
#define SMELT_CODEGEN_CPU_FAMILIES_CONTRACTION_H

#include "codegen/cpu/config/Tiles.h"

namespace smelt::codegen::cpu {

//--- recognising kernels

/// The constant value of an expression.
std::optional<int64_t> asConstant(mlir::AffineExpr e);
/// True when every yielded value is `root` or elementwise on it, dim for dim.
bool isEpilogueOf(KernelOp kernel, mlir::Operation *root);
/// The kernel's argument behind a body value (through nothing); -1 if it is none.
int64_t argumentNumber(mlir::Value value);
/// The constant outside of the kernel that an argument is; null if it is none.
mlir::Value constantOperand(KernelOp kernel, int64_t argument);
/// The constant argument that `value` is computed from elementwise, element for
/// element (quantized weights, say); null if there is no such one, or it has other
/// uses. What else the computation reads is broadcast.
mlir::Value computedFromConstant(KernelOp kernel, mlir::Value value);
/// Strides of an operand (or, after them, a result) in elements.
llvm::SmallVector<mlir::AffineExpr> stridesOf(KernelOp kernel, unsigned operandOrResult, mlir::Type type);
/// True when the element emitter computes the op without a loop.
bool isComputable(mlir::Operation &op);
/// The same of every op of the body but `root`.
bool isComputableAround(KernelOp kernel, mlir::Operation *root);
/// Floats of at most 64 bits or integers, as tensors' element types.
bool isArithmetic(mlir::Type elementType);

//--- the register tile

/// mr pointers to the first element of each row; element k lies k * step behind.
struct RowOperand {
  llvm::SmallVector<mlir::Value> pointers;
  mlir::Value step;
  mlir::Type type;
};
/// A panel: element (k, j) lies k * step + j behind the pointer. With `valid`,
/// only that many columns may be read.
struct PanelOperand {
  mlir::Value pointer, step;
  mlir::Type type;
  mlir::Value valid;
};

/// A value of `type`'s carried type in the accumulator's type.
mlir::Value widen(Emitter &e, mlir::Value carried, mlir::Type type, mlir::Type acc);
/// acc + x * y.
mlir::Value multiplyAdd(Emitter &e, mlir::Value x, mlir::Value y, mlir::Value acc);
/// Lanes below `valid` as a mask; loads with it (zero elsewhere).
mlir::Value laneMask(Emitter &e, unsigned lanes, mlir::Value valid);
mlir::Value maskedLoad(Emitter &e, mlir::Value pointer, mlir::Type type, unsigned lanes, mlir::Value mask);

/// Zero accumulators, row by row.
llvm::SmallVector<mlir::Value> zeroTile(Emitter &e, const Tile &tile, mlir::Type acc);
/// The accumulators after k more steps; `unroll` of them stand in one loop turn.
llvm::SmallVector<mlir::Value> accumulate(Emitter &e, const Tile &tile, mlir::Type acc, const RowOperand &a,
                                          const PanelOperand &b, mlir::Value k, mlir::ValueRange init,
                                          unsigned unroll = 4);

//--- the epilogue

class Epilogue {
public:
  /// `root`: the contraction's result. `tileMemory` holds one tile of
  /// accumulators in the thread's scratch. `indexOf` maps row and column to the
  /// result's index; the column stands at `colDim`.
  using IndexOf = std::function<llvm::SmallVector<mlir::Value>(mlir::Value row, mlir::Value col)>;
  Epilogue(KernelContext &ctx, mlir::Value root, mlir::Type acc, mlir::Value tileMemory, int64_t colDim,
           IndexOf indexOf);

  /// Rows row0.. (the first `rows` of the tile) and columns col0.. (the first
  /// `cols`); constants of the tile's size where all of it is wanted.
  void finish(const Tile &tile, llvm::ArrayRef<mlir::Value> accumulators, mlir::Value row0, mlir::Value rows,
              mlir::Value col0, mlir::Value cols);
  /// The same for a tile that already lies in memory, rows `pitch` apart.
  void finishFromMemory(mlir::Value memory, int64_t pitch, unsigned lanes, mlir::Value row0, mlir::Value rows,
                        mlir::Value col0, mlir::Value cols);

  /// Lets the lanes run along the rows (the result's last dim) where the columns'
  /// dim has no unit stride: a tile whose rows lie in one line of that dim is
  /// stored column by column. `rowSizes`: the dims that the rows flatten.
  void useRowLanes(llvm::ArrayRef<mlir::Value> rowSizes);

private:
  void direct(const Tile &tile, llvm::ArrayRef<mlir::Value> accumulators, mlir::Value row0, mlir::Value col0);
  /// Computes and stores `lanes` results from (row, col) on, accumulators given.
  void storeLanes(mlir::Value accumulator, mlir::Value row, mlir::Value col, unsigned lanes);

  /// Columns one by one, `lanes` rows side by side along the result's last dim.
  void storeRows(mlir::Value memory, int64_t pitch, unsigned lanes, mlir::Value row0, mlir::Value col0,
                 mlir::Value cols);

  KernelContext &ctx;
  Emitter &e;
  mlir::Value root;
  mlir::Type acc;
  mlir::Value tileMemory;
  int64_t colDim;
  IndexOf indexOf;
  bool isLight, hasLanes;
  mlir::Value lineSize; // of the rows' last dim, with useRowLanes
};

/// Bytes of scratch of one tile of accumulators, a multiple of 64.
int64_t tileBytes(const Tile &tile, mlir::Type acc);

/// Tiles over rows [begin, end): whole tiles, then the rest. When `count` rows
/// are known to be static the rest is a tile of its exact size, else one or two
/// tiles whose surplus rows repeat the last row (`rows` says how many count).
void forRowTiles(Emitter &e, const Tile &tile, mlir::Value begin, mlir::Value end, std::optional<int64_t> total,
                 llvm::function_ref<void(const Tile &tile, mlir::Value row0, mlir::Value rows)> body);

} // namespace smelt::codegen::cpu

#endif // SMELT_CODEGEN_CPU_FAMILIES_CONTRACTION_H
