//===- OpsNN.td - Contractions, windows, reductions, recurrence -------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_OPS_NN_TD
#define SMELT_OPS_NN_TD

include "dialects/smelt/OpsBase.td"

def Smelt_ReduceOp : Smelt_PureOp<"reduce"> {
  let summary = "reduction over axes; the result drops them";
  let description = [{Sums of f16 and bf16 accumulate in f32; NaN wins in max and min.}];
  let arguments = (ins AnyRankedTensor:$x, Smelt_ReduceKind:$kind, DenseI64ArrayAttr:$axes);
  let results = (outs AnyRankedTensor:$result);
  let hasVerifier = 1;
}
def Smelt_ArgReduceOp : Smelt_PureOp<"arg_reduce"> {
  let summary = "index of the largest or smallest element along axis; the result drops it";
  let arguments = (ins AnyRankedTensor:$x, I64Attr:$axis, BoolAttr:$largest,
                       DefaultValuedAttr<BoolAttr, "false">:$lastIndex);
  let results = (outs AnyRankedTensor:$result);
}
def Smelt_MatMulOp : Smelt_PureOp<"matmul"> {
  let summary = "batched matrix product, lhs [..., M, K] by rhs [..., K, N]";
  let description = [{
    Both of rank >= 2; batch dims broadcast. `transposeLhs/Rhs` swap the last two
    dims of that operand. f16, bf16 accumulate in f32; the result type may be
    wider than the operands (i8 x i8 -> i32).
  }];
  let arguments = (ins AnyRankedTensor:$lhs, AnyRankedTensor:$rhs,
                       DefaultValuedAttr<BoolAttr, "false">:$transposeLhs,
                       DefaultValuedAttr<BoolAttr, "false">:$transposeRhs);
  let results = (outs AnyRankedTensor:$result);
  let hasVerifier = 1;
}
def Smelt_ConvOp : Smelt_PureOp<"conv"> {
  let summary = "convolution; x [N, C, D...] (or [N, D..., C]), w [O, C/groups, K...]";
  let description = [{
    `pads`: low pads of the spatial dims, then high. `channelsLast`: x and the
    result are [N, D..., C]; w keeps its order and is packed by the schedule.
  }];
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$w, DenseI64ArrayAttr:$strides,
                       Smelt_DimsAttr:$pads, DenseI64ArrayAttr:$dilations, I64Attr:$groups,
                       DefaultValuedAttr<BoolAttr, "false">:$channelsLast);
  let results = (outs AnyRankedTensor:$result);
  let hasVerifier = 1;
}
def Smelt_ConvTransposeOp : Smelt_PureOp<"conv_transpose"> {
  let summary = "transposed convolution; x [N, C, D...], w [C, O/groups, K...]";
  let description = [{Low pads only; the result's sizes say the rest (ONNX ConvTranspose).}];
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$w, DenseI64ArrayAttr:$strides,
                       Smelt_DimsAttr:$pads, DenseI64ArrayAttr:$dilations, I64Attr:$groups,
                       DefaultValuedAttr<BoolAttr, "false">:$channelsLast);
  let results = (outs AnyRankedTensor:$result);
}
def Smelt_PoolOp : Smelt_PureOp<"pool"> {
  let summary = "max, average or sum over windows of the spatial dims";
  let description = [{
    `pads`: low pads of the spatial dims, then high. Elements outside never win a
    maximum; `avg` divides by the count of elements inside, `avg_include_pad`
    by the count inside the padded tensor.
  }];
  let arguments = (ins AnyRankedTensor:$x, Smelt_PoolKind:$kind, DenseI64ArrayAttr:$kernel,
                       DenseI64ArrayAttr:$strides, Smelt_DimsAttr:$pads, DenseI64ArrayAttr:$dilations,
                       DefaultValuedAttr<BoolAttr, "false">:$channelsLast);
  let results = (outs AnyRankedTensor:$result);
}
def Smelt_ArgPoolOp : Smelt_PureOp<"arg_pool"> {
  let summary = "flat index of a max pool's winner in x (ONNX MaxPool's Indices)";
  let arguments = (ins AnyRankedTensor:$x, DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$strides,
                       Smelt_DimsAttr:$pads, DenseI64ArrayAttr:$dilations,
                       DefaultValuedAttr<BoolAttr, "false">:$columnMajor);
  let results = (outs AnyRankedTensor:$result);
}
def Smelt_RecurrentOp : Smelt_Op<"recurrent", [Pure, AttrSizedOperandSegments]> {
  let summary = "RNN, GRU or LSTM layer, one direction, the input projection done";
  let description = [{
    `x` [T, B, G*H] is X·Wᵀ + Wb + Rb for every step (for GRU with
    linearBeforeReset the recurrent bias of the h gate stays in `rbias` [H]);
    `r` [G*H, H]; `h0`, `c0` [B, H]; `lengths` [B] i32 or absent; `peephole` [3*H]
    or absent. Gates in ONNX order (LSTM iofc, GRU zrh). Results: `y` [T, B, H], `hT`,
    `cT` [B, H] (`cT` repeats hT but for LSTM). `reverse` runs from the last step.
    `activations`: one name per gate function in ONNX order, `clip` 0 is none.
  }];
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$r, AnyRankedTensor:$h0,
                       Optional<AnyRankedTensor>:$c0, Optional<AnyRankedTensor>:$rbias,
                       Optional<AnyRankedTensor>:$peephole, Optional<AnyRankedTensor>:$lengths,
                       Smelt_CellKind:$cell, BoolAttr:$reverse, StrArrayAttr:$activations,
                       DenseF64ArrayAttr:$activationAlpha, DenseF64ArrayAttr:$activationBeta,
                       DefaultValuedAttr<F64Attr, "0.0">:$clip,
                       DefaultValuedAttr<BoolAttr, "false">:$linearBeforeReset,
                       DefaultValuedAttr<BoolAttr, "false">:$inputForget);
  let results = (outs AnyRankedTensor:$y, AnyRankedTensor:$hT, AnyRankedTensor:$cT);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}
def Smelt_TreeEnsembleOp : Smelt_PureOp<"tree_ensemble"> {
  let summary = "sum of the leaf weights of decision trees, x [N, F] to [N, targets]";
  let description = [{
    Node arrays of one length, trees one after another, children as indices into
    them; `modes`: 0 leaf, 1 <=, 2 <, 3 >=, 4 >, 5 ==, 6 !=. A leaf adds
    `leafWeights[leafBegin[n] .. leafBegin[n+1])` to `leafTargets[...]`.
    Operands are constants: featureIds, thresholds, modes, trueIds, falseIds,
    missingTrue, roots, leafBegin, leafTargets, leafWeights.
  }];
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$featureIds, AnyRankedTensor:$thresholds,
                       AnyRankedTensor:$modes, AnyRankedTensor:$trueIds, AnyRankedTensor:$falseIds,
                       AnyRankedTensor:$missingTrue, AnyRankedTensor:$roots, AnyRankedTensor:$leafBegin,
                       AnyRankedTensor:$leafTargets, AnyRankedTensor:$leafWeights,
                       DefaultValuedAttr<Smelt_ReduceKind, "ReduceKind::sum">:$aggregate);
  let results = (outs AnyRankedTensor:$result);
}

#endif // SMELT_OPS_NN_TD
