//===- OpsHostValue.td - Ops of the runtime's host library ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_OPS_HOSTVALUE_TD
#define SMELT_OPS_HOSTVALUE_TD

include "dialects/smelt/OpsBase.td"

def Smelt_ZipMapOp : Smelt_Op<"zip_map", [Pure]> {
  let summary = "probabilities [N, C] to a sequence of N maps (ai.onnx.ml ZipMap)";
  let description = [{`keys`: an ArrayAttr of StringAttr, or of i64 IntegerAttr.}];
  let arguments = (ins AnyRankedTensor:$x, ArrayAttr:$keys);
  let results = (outs Smelt_SequenceType:$result);
  let assemblyFormat = "$x $keys attr-dict `:` functional-type($x, results)";
}
def Smelt_StringLookupOp : Smelt_Op<"string_lookup", [Pure]> {
  let summary = "a tensor of strings: table[indices]";
  let arguments = (ins AnyRankedTensor:$indices, ArrayAttr:$table);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$indices $table attr-dict `:` functional-type($indices, results)";
}
def Smelt_TopKOp : Smelt_Op<"top_k", [Pure]> {
  let summary = "the k largest or smallest along axis, values and indices (ONNX TopK)";
  let arguments = (ins AnyRankedTensor:$x, I64Attr:$axis, BoolAttr:$largest, BoolAttr:$sorted);
  let results = (outs AnyRankedTensor:$values, AnyRankedTensor:$indices);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}
def Smelt_NonZeroOp : Smelt_Op<"non_zero", [Pure]> {
  let summary = "indices of the non-zero elements, [rank, count]; binds symbol `count`";
  let arguments = (ins AnyRankedTensor:$x, I64Attr:$count);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}
def Smelt_HostCallOp : Smelt_Op<"host_call", [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "an ONNX op on sequences, optionals or strings, run on the host";
  let description = [{
    `callee` is the ONNX op (runtime/core/Artifact.h, kHostCallNames); `ints` and
    `texts` are its attributes. A dim of a result that is a bare symbol listed in
    `binds` gets the size that the run finds, every other dim is checked. Tensors
    of known size are written in place (`placed`), others are given memory.

    ```
    %y = smelt.host_call "SequenceAt"(%s, %i) binds [3] : (!smelt.sequence<tensor<*xf32>>, tensor<i64>)
           -> tensor<?xf32, #smelt.dims<()[s0, s1, s2, s3] -> (s3)>>
    ```
  }];
  let arguments = (ins StrAttr:$callee, Variadic<AnyType>:$args, DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$ints,
                       OptionalAttr<ArrayAttr>:$texts, DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$binds, UnitAttr:$placed);
  let results = (outs Variadic<AnyType>:$results);
  let assemblyFormat = [{
    $callee `(` $args `)` (`ints` $ints^)? (`texts` $texts^)? (`binds` $binds^)? (`placed` $placed^)? attr-dict
    `:` functional-type($args, $results)
  }];
}

#endif // SMELT_OPS_HOSTVALUE_TD
