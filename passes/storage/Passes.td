//===- Passes.td - Where values lie in memory -------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_PASSES_STORAGE_PASSES_TD
#define SMELT_PASSES_STORAGE_PASSES_TD

include "mlir/Pass/PassBase.td"

def PadInPlacePass : Pass<"smelt-pad-in-place", "::mlir::ModuleOp"> {
  let summary = "Make pads of kernels' results concatenations with borders";
  let description = [{
    ```
    %2 = smelt.kernel "p"(%1) { pad low 1 high 1 }  ->  %l = smelt.kernel { broadcast }  %h = ...
                                                        %2 = smelt.kernel "p"(%l, %1, %h) { concat }
    ```
    Constant pads of a result that only kernels read, whose border is no larger
    than the result. smelt-join-in-place makes the concatenations views.
  }];
  let constructor = "nullptr"; // made with the target; tools register it
  let dependentDialects = ["::smelt::SmeltDialect"];
}

def JoinInPlacePass : Pass<"smelt-join-in-place", "::mlir::ModuleOp"> {
  let summary = "Let kernels write their slices of a concatenation";
  let description = [{
    ```
    %1 = smelt.kernel "a"(%x)                    %1 = smelt.kernel "a"(%x) strides [[], [24, 1]]
    %2 = smelt.kernel "b"(%x)                ->  %2 = smelt.kernel "b"(%x) strides [[], [24, 1]]
    %3 = smelt.kernel "c"(%1, %2) { concat }     %3 = smelt.concat %1, %2
    ```
    A concat outside of kernels is a statement about memory: its operands lie in
    its result's buffer. What cannot lie there (an input, a constant, a value
    that the host reads, a kernel whose generator takes no strides) is copied by
    a kernel of its own. Every concatenation, taken or refused, is a remark
    `storage` with its reason and the bytes it saves.
  }];
  let constructor = "nullptr"; // made with the target; tools register it
  let dependentDialects = ["::smelt::SmeltDialect"];
}

def SliceInPlacePass : Pass<"smelt-slice-in-place", "::mlir::ModuleOp"> {
  let summary = "Let kernels read slices in place";
  let description = [{
    ```
    %1 = smelt.kernel "s"(%x) { slice }  ->  %1 = smelt.slice %x
    %2 = smelt.kernel "c"(%1)                %2 = smelt.kernel "c"(%1) strides [[64, 2], []]
    ```
    A slice outside of kernels is a view of its operand's buffer. Each, taken or
    refused, is a remark `storage`.
  }];
  let constructor = "nullptr"; // made with the target; tools register it
  let dependentDialects = ["::smelt::SmeltDialect"];
}

#endif // SMELT_PASSES_STORAGE_PASSES_TD
