//===- OpsControl.td - Symbols, host scalars, control flow, kernels ---------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// If is scf.if on an i1 host scalar; its branches meet through smelt.rebind.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_OPS_CONTROL_TD
#define SMELT_OPS_CONTROL_TD

include "dialects/smelt/OpsBase.td"
include "mlir/IR/RegionKindInterface.td"

def Smelt_SymbolOp : Smelt_Op<"symbol"> {
  let summary = "declares symbol `id` of the module, with its range";
  let description = [{
    A symbol without `derive` is bound by an input's dim, `smelt.bind`,
    `smelt.rebind` or `smelt.loop`. With `derive` it is min, max, or select
    (c != 0 ? a : b) of `exprs`, which may use symbols with a smaller id.
  }];
  let arguments = (ins I64Attr:$id, StrAttr:$name, I64Attr:$min, I64Attr:$max,
                       OptionalAttr<StrAttr>:$derive, OptionalAttr<Smelt_DimsAttr>:$exprs);
  let assemblyFormat = "$id $name `[` $min `,` $max `]` (`=` $derive^ $exprs)? attr-dict";
}
def Smelt_BindOp : Smelt_Op<"bind"> {
  let summary = "binds symbols to elements of an integer tensor, read on the host";
  let arguments = (ins AnyRankedTensor:$x, DenseI64ArrayAttr:$elements, DenseI64ArrayAttr:$symbols);
  let assemblyFormat = "$x $elements `to` $symbols attr-dict `:` type($x)";
}
def Smelt_CheckOp : Smelt_Op<"check"> {
  let summary = "a run-time status with `message` when the expression is 0";
  let arguments = (ins Smelt_DimsAttr:$expr, StrAttr:$message);
  let assemblyFormat = "$expr $message attr-dict";
}
def Smelt_TestOp : Smelt_PureOp<"test"> {
  let summary = "host scalar: expression (one entry) compared with 0";
  let arguments = (ins Smelt_DimsAttr:$expr, Smelt_CmpKind:$kind);
  let results = (outs I1:$result);
}
def Smelt_ReadScalarOp : Smelt_Op<"read_scalar"> {
  let summary = "host scalar: the one element of a tensor, as i1 (not 0)";
  let arguments = (ins AnyRankedTensor:$x);
  let results = (outs I1:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}
def Smelt_LoopOp : Smelt_Op<"loop", [RecursiveMemoryEffects, AttrSizedOperandSegments]> {
  let summary = "ONNX Loop: carried values, stacked scan outputs";
  let description = [{
    Runs while iteration < `trip` (absent: unbounded) and the condition holds.
    `iteration` is the symbol the body sees. The body's arguments are the
    carried tensors; it ends in `smelt.loop_yield` with an optional i1 (absent:
    true), the next carried tensors, and one slice per scan output. Results: the
    last carried tensors, then the scan outputs with the count of iterations in
    front. `count` is the symbol bound to the number of iterations made, -1
    when that is `trip` itself. A dim of a body argument that is a bare symbol
    made for this loop (`Loop_3.carried0.dim0`) is bound anew for each iteration
    to the size that is carried; one of a result (`.out`, `.scan`) at the end.
  }];
  let arguments = (ins Optional<I1>:$condition, Variadic<AnyType>:$inits,
                       OptionalAttr<Smelt_DimsAttr>:$trip, I64Attr:$iteration, I64Attr:$count);
  let results = (outs Variadic<AnyType>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    (`while` $condition^)? (`trip` $trip^)? `iteration` $iteration `count` $count
    `(` $inits `)` $body attr-dict `:` functional-type($inits, $results)
  }];
  let hasVerifier = 1;
}
def Smelt_LoopYieldOp : Smelt_Op<"loop_yield", [Pure, Terminator, ParentOneOf<["LoopOp"]>, AttrSizedOperandSegments]> {
  let summary = "ends the body of smelt.loop";
  let arguments = (ins Optional<I1>:$condition, Variadic<AnyType>:$values);
  let assemblyFormat = "(`while` $condition^)? attr-dict ($values^ `:` type($values))?";
}

def Smelt_KernelOp : Smelt_Op<"kernel", [Pure, IsolatedFromAbove, SingleBlock]> {
  let summary = "one device kernel: its specification and its schedule";
  let description = [{
    The body is what the kernel computes, in graph ops on the arguments; the
    schedule says how. `strides` may give, per operand and then per result, the
    layout in elements (absent or empty: contiguous, row-major); symbols in it
    and in the body are the module's.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$inputs, StrAttr:$name,
                       OptionalAttr<Smelt_ScheduleAttr>:$schedule, OptionalAttr<ArrayAttr>:$strides);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $name `(` $inputs `)` (`schedule` $schedule^)? (`strides` $strides^)? $body attr-dict
    `:` functional-type($inputs, $results)
  }];
  let hasVerifier = 1;
}
def Smelt_YieldOp : Smelt_Op<"yield", [Pure, Terminator, ParentOneOf<["KernelOp"]>]> {
  let summary = "ends the body of smelt.kernel";
  let arguments = (ins Variadic<AnyRankedTensor>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

#endif // SMELT_OPS_CONTROL_TD
