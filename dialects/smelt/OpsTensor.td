//===- OpsTensor.td - Constants, shape, movement and indexing ---------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_OPS_TENSOR_TD
#define SMELT_OPS_TENSOR_TD

include "dialects/smelt/OpsBase.td"

def Smelt_ConstantOp : Smelt_Op<"constant", [Pure, ConstantLike]> {
  let summary = "a constant tensor or weight";
  let description = [{
    `dense` for splats and up to 64 elements, `dense_resource` (bytes outside of
    the IR) for weights. Strings: an ArrayAttr of StringAttr.
  }];
  let arguments = (ins AnyAttr:$value);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "`(` $value `)` attr-dict `:` type($result)";
  let hasFolder = 1;
  let hasVerifier = 1;
}
def Smelt_FromExprsOp : Smelt_PureOp<"from_exprs"> {
  let summary = "a small integer tensor of symbol expressions, row-major";
  let arguments = (ins Smelt_DimsAttr:$values);
  let results = (outs AnyRankedTensor:$result);
  let hasVerifier = 1;
}
def Smelt_ReshapeOp : Smelt_PureOp<"reshape"> {
  let summary = "same elements in row-major order, the result type's shape";
  let arguments = (ins AnyRankedTensor:$x);
  let results = (outs AnyRankedTensor:$result);
  let hasVerifier = 1;
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}
def Smelt_RebindOp : Smelt_PureOp<"rebind"> {
  let summary = "same tensor with its dims named by other expressions";
  let description = [{
    A result dim that is a bare symbol not yet bound is *bound* here to the
    operand's dim; any other pair of dims is asserted equal (checked at run time
    unless provable). Branches that yield different sizes meet through it.
  }];
  let arguments = (ins AnyRankedTensor:$x);
  let results = (outs AnyRankedTensor:$result);
  let hasVerifier = 1;
}
def Smelt_TransposeOp : Smelt_PureOp<"transpose"> {
  let summary = "result dim i is operand dim perm[i]";
  let arguments = (ins AnyRankedTensor:$x, DenseI64ArrayAttr:$perm);
  let results = (outs AnyRankedTensor:$result);
  let hasVerifier = 1;
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}
def Smelt_BroadcastOp : Smelt_PureOp<"broadcast"> {
  let summary = "NumPy broadcast to the result type's shape";
  let arguments = (ins AnyRankedTensor:$x);
  let results = (outs AnyRankedTensor:$result);
  let hasVerifier = 1;
  let hasFolder = 1;
}
def Smelt_SliceOp : Smelt_PureOp<"slice"> {
  let summary = "elements start + i * step of every dim";
  let description = [{
    One start and one step per dim; steps are static and not 0; sizes are the
    result type's. Starts are in range (the frontend clamps as ONNX Slice says).
  }];
  let arguments = (ins AnyRankedTensor:$x, Smelt_DimsAttr:$starts, DenseI64ArrayAttr:$steps);
  let results = (outs AnyRankedTensor:$result);
  let hasVerifier = 1;
  let hasFolder = 1;
}
def Smelt_ConcatOp : Smelt_PureOp<"concat"> {
  let summary = "operands one after another along axis";
  let arguments = (ins Variadic<AnyRankedTensor>:$inputs, I64Attr:$axis);
  let results = (outs AnyRankedTensor:$result);
  let hasVerifier = 1;
  let hasFolder = 1;
}
def Smelt_PadOp : Smelt_PureOp<"pad"> {
  let summary = "low[i] elements before and the rest after, negative ones cut";
  let description = [{The high pads follow from the result's sizes. `value` is a 0-d tensor (mode constant).}];
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$value, Smelt_DimsAttr:$low, Smelt_PadMode:$mode);
  let results = (outs AnyRankedTensor:$result);
  let hasVerifier = 1;
}
def Smelt_TileOp : Smelt_PureOp<"tile"> {
  let summary = "repeats x along every dim up to the result's sizes (ONNX Tile)";
  let arguments = (ins AnyRankedTensor:$x);
  let results = (outs AnyRankedTensor:$result);
}
def Smelt_IotaOp : Smelt_PureOp<"iota"> {
  let summary = "the index along `axis`";
  let arguments = (ins I64Attr:$axis);
  let results = (outs AnyRankedTensor:$result);
}
def Smelt_GatherOp : Smelt_PureOp<"gather"> {
  let summary = "slices of x along axis by index (ONNX Gather)";
  let description = [{
    result = x.shape[:axis] + indices.shape + x.shape[axis+1:]. A negative index
    counts from the end; one out of range is a run-time status, checked before
    the kernel reads.
  }];
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$indices, I64Attr:$axis);
  let results = (outs AnyRankedTensor:$result);
  let hasVerifier = 1;
}
def Smelt_GatherElementsOp : Smelt_PureOp<"gather_elements"> {
  let summary = "ONNX GatherElements: x[..., indices[i, j, ...], ...] along axis";
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$indices, I64Attr:$axis);
  let results = (outs AnyRankedTensor:$result);
}
def Smelt_GatherNDOp : Smelt_PureOp<"gather_nd"> {
  let summary = "ONNX GatherND";
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$indices, DefaultValuedAttr<I64Attr, "0">:$batchDims);
  let results = (outs AnyRankedTensor:$result);
}
def Smelt_ScatterElementsOp : Smelt_PureOp<"scatter_elements"> {
  let summary = "x with updates placed along axis (ONNX ScatterElements)";
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$indices, AnyRankedTensor:$updates,
                       I64Attr:$axis, DefaultValuedAttr<Smelt_ScatterKind, "ScatterKind::none">:$kind);
  let results = (outs AnyRankedTensor:$result);
}
def Smelt_ScatterNDOp : Smelt_PureOp<"scatter_nd"> {
  let summary = "x with slices placed by index tuples (ONNX ScatterND)";
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$indices, AnyRankedTensor:$updates,
                       DefaultValuedAttr<Smelt_ScatterKind, "ScatterKind::none">:$kind);
  let results = (outs AnyRankedTensor:$result);
}
def Smelt_ResizeOp : Smelt_PureOp<"resize", [AttrSizedOperandSegments]> {
  let summary = "interpolation to the result's sizes (ONNX Resize)";
  let description = [{
    One entry of `scales` per dim (output size / input size; 1.0 where a dim
    stays); a scale of 0.0 means: known at run time, element d of `factors` (f32
    [rank]) or, without that, the quotient of the sizes. `roi` is for
    tf_crop_and_resize (2 * rank), else empty; `box` (f32 [2 * rank]) takes its
    place where only the run knows it.
  }];
  let arguments = (ins AnyRankedTensor:$x, Optional<AnyRankedTensor>:$factors, Optional<AnyRankedTensor>:$box,
                       DenseF64ArrayAttr:$scales, DenseF64ArrayAttr:$roi,
                       Smelt_ResizeMode:$mode, Smelt_ResizeCoord:$coord, Smelt_NearestMode:$nearest,
                       DefaultValuedAttr<F64Attr, "-0.75">:$cubicA,
                       DefaultValuedAttr<BoolAttr, "false">:$excludeOutside,
                       DefaultValuedAttr<F64Attr, "0.0">:$extrapolation);
  let results = (outs AnyRankedTensor:$result);
}
def Smelt_CumSumOp : Smelt_PureOp<"cumsum"> {
  let summary = "running sum or product along axis (ONNX CumSum, CumProd)";
  let arguments = (ins AnyRankedTensor:$x, I64Attr:$axis, DefaultValuedAttr<BoolAttr, "false">:$exclusive,
                       DefaultValuedAttr<BoolAttr, "false">:$reverse, DefaultValuedAttr<BoolAttr, "false">:$product);
  let results = (outs AnyRankedTensor:$result);
}

#endif // SMELT_OPS_TENSOR_TD
