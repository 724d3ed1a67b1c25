//===- Families.h - The evaluator's op families (internal) ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One call per op: operands and the shapes of the results are resolved, host
// element types chosen. A family returns a null tensor list with the message
// in `Call::message` when it cannot compute.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_DIALECTS_SMELT_EVAL_FAMILIES_H
#define SMELT_DIALECTS_SMELT_EVAL_FAMILIES_H

#include "dialects/smelt/eval/Evaluator.h"

namespace smelt::eval {

struct Call {
  mlir::Operation *op;
  llvm::ArrayRef<HostTensor> operands;
  llvm::SmallVector<llvm::SmallVector<int64_t>> shapes; // of the results
  llvm::SmallVector<mlir::Type> types;                  // held element types of the results
  const SymbolEnv &env;
  std::string message;

  const HostTensor &operator[](size_t i) const { return operands[i]; }
  /// Why the op cannot be computed.
  HostTensor refuse(const llvm::Twine &text) {
    message = text.str();
    return {};
  }
  /// Entries of a dims attribute as numbers; refuses when one is not known.
  std::optional<llvm::SmallVector<int64_t>> resolve(DimsAttr dims);
};

/// ScalarBodyInterface ops.
HostTensor evaluateElementwise(Call &call);

// Movement.cpp
HostTensor evaluateTranspose(Call &call, TransposeOp op);
HostTensor evaluateBroadcast(Call &call);
HostTensor evaluateSlice(Call &call, SliceOp op);
HostTensor evaluateConcat(Call &call, ConcatOp op);
HostTensor evaluatePad(Call &call, PadOp op);
HostTensor evaluateTile(Call &call);
HostTensor evaluateIota(Call &call, IotaOp op);

// Index.cpp
HostTensor evaluateGather(Call &call, GatherOp op);
HostTensor evaluateGatherElements(Call &call, GatherElementsOp op);
HostTensor evaluateGatherND(Call &call, GatherNDOp op);
HostTensor evaluateScatterElements(Call &call, ScatterElementsOp op);
HostTensor evaluateScatterND(Call &call, ScatterNDOp op);

// Search.cpp
llvm::SmallVector<HostTensor> evaluateTopK(Call &call, TopKOp op);
HostTensor evaluateNonZero(Call &call);
HostTensor evaluateTreeEnsemble(Call &call, TreeEnsembleOp op);

// Contract.cpp, Window.cpp, Reduce.cpp, Resize.cpp, Recurrent.cpp
HostTensor evaluateMatMul(Call &call, MatMulOp op);
HostTensor evaluateConv(Call &call, ConvOp op);
HostTensor evaluateConvTranspose(Call &call, ConvTransposeOp op);
HostTensor evaluatePool(Call &call, PoolOp op);
HostTensor evaluateArgPool(Call &call, ArgPoolOp op);
HostTensor evaluateReduce(Call &call, ReduceOp op);
HostTensor evaluateArgReduce(Call &call, ArgReduceOp op);
HostTensor evaluateCumSum(Call &call, CumSumOp op);
HostTensor evaluateResize(Call &call, ResizeOp op);
llvm::SmallVector<HostTensor> evaluateRecurrent(Call &call, RecurrentOp op);

/// Copies elements of `size` bytes: target is row-major of `shape`, source has
/// `strides` in elements (0 and negative ones too).
void copyStrided(char *target, const char *source, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> strides,
                 int64_t size);
/// The same with strides for the target.
void copyStrided(char *target, llvm::ArrayRef<int64_t> targetStrides, const char *source,
                 llvm::ArrayRef<int64_t> strides, llvm::ArrayRef<int64_t> shape, int64_t size);

/// Sizes [outer, axis, inner] around an axis.
struct AxisSplit {
  int64_t outer = 1, size = 1, inner = 1;
  AxisSplit(llvm::ArrayRef<int64_t> shape, int64_t axis) {
    for (size_t i = 0; i < shape.size(); ++i)
      (int64_t(i) < axis ? outer : int64_t(i) == axis ? size : inner) *= shape[i];
  }
};

} // namespace smelt::eval

#endif // SMELT_DIALECTS_SMELT_EVAL_FAMILIES_H
