//===- Passes.td - Layout of activations ------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_PASSES_LAYOUT_PASSES_TD
#define SMELT_PASSES_LAYOUT_PASSES_TD

include "mlir/Pass/PassBase.td"

def ChannelsLastPass : Pass<"smelt-channels-last", "::mlir::ModuleOp"> {
  let summary = "Keep the activations of convolutions and pools with channels innermost";
  let description = [{
    ```
    %1 = smelt.conv %x, %w               %t = smelt.transpose %x [0, 2, 3, 1]
    %2 = smelt.max %1, %zero        ->   %1 = smelt.conv %t, %w {channelsLast}
    return %2                            %2 = smelt.max %1, %zero
                                         %3 = smelt.transpose %2 [0, 3, 1, 2]   return %3
    ```
    Ops between windows (elementwise, concat, pad, slice, resize, reductions)
    follow their operands, so that transposes stand only where the model meets
    another layout.
  }];
  let constructor = "::smelt::createChannelsLastPass()";
  let dependentDialects = ["::smelt::SmeltDialect"];
}

def WidenOperandsPass : Pass<"smelt-widen-operands", "::mlir::ModuleOp"> {
  let summary = "Keep 16-bit floats that contractions read as f32 between kernels";
  let description = [{
    ```
    %1 = smelt.max %0, %zero : f16       %1 = smelt.max %0, %zero : f16
    %2 = smelt.conv %1, %w : f16    ->   %w1 = smelt.cast %1 : f16 -> f32
                                         %2 = smelt.conv %w1, %w : (f32, f16) -> f16
    ```
    For targets without arithmetic of that type. The cast becomes part of the
    kernel that makes the value; other readers round it again, which is exact.
  }];
  let constructor = "nullptr"; // made with the target; tools register it
  let dependentDialects = ["::smelt::SmeltDialect"];
}

#endif // SMELT_PASSES_LAYOUT_PASSES_TD
