//===- Window.h - What depthwise convolutions and pools share ---------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Both slide a window over the spatial dims without mixing channels. Outputs are
// computed line by line along the last spatial dim; a line has an inner range,
// where no tap of that dim falls outside, and two edges, computed one position
// at a time. Taps outside are never visited: the loops' bounds leave them out.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_CODEGEN_CPU_FAMILIES_WINDOW_H
#define SMELT_CODEGEN_CPU_FAMILIES_WINDOW_H

#include "codegen/cpu/families/Contraction.h"

namespace smelt::codegen::cpu {

/// The geometry of one spatial dim, its sizes as values.
struct WindowDim {
  int64_t kernel, stride, dilation;
  mlir::Value pad, in, out;
};

/// First input coordinate of an output position.
mlir::Value windowStart(Emitter &e, const WindowDim &dim, mlir::Value position);
/// Taps [first, second) of a window that starts there lie inside of the input.
std::pair<mlir::Value, mlir::Value> windowTaps(Emitter &e, const WindowDim &dim, mlir::Value start);
/// Output positions [first, second) whose windows lie wholly inside.
std::pair<mlir::Value, mlir::Value> innerRange(Emitter &e, const WindowDim &dim);

/// Sums up taps: `tap(taps, offset, carried)` for every tap of dims 0..; `taps`
/// are the tap indices, `offset` the sum of input coordinate * stride.
using WindowBody = llvm::function_ref<llvm::SmallVector<mlir::Value>(llvm::ArrayRef<mlir::Value> taps,
                                                                     mlir::Value offset, mlir::ValueRange carried)>;
llvm::SmallVector<mlir::Value> forWindow(Emitter &e, llvm::ArrayRef<WindowDim> dims, llvm::ArrayRef<mlir::Value> starts,
                                         llvm::ArrayRef<mlir::Value> strides, mlir::ValueRange init, WindowBody body);

/// Covers [0, dim.out): body(position, count, inner) with `count` neighbours at
/// once inside (widths fall by halves from `wide`), single ones at the edges.
void forLine(Emitter &e, const WindowDim &dim, unsigned wide,
             llvm::function_ref<void(mlir::Value position, unsigned count, bool inner)> body);

/// The same with lanes along the line: body(position, lanes, inner) inside, where
/// the last vector overlaps the one before; single positions at the edges.
void forLineLanes(Emitter &e, const WindowDim &dim, unsigned lanes,
                  llvm::function_ref<void(mlir::Value position, unsigned lanes, bool inner)> body);

/// The vector of `lanes` elements `step` apart from a pointer on (step 1 or 2 by
/// whole vector loads, which read nothing beyond the last element).
mlir::Value loadStepped(Emitter &e, mlir::Value pointer, mlir::Type type, unsigned lanes, int64_t step);

} // namespace smelt::codegen::cpu

#endif // SMELT_CODEGEN_CPU_FAMILIES_WINDOW_H
