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

#endif // SMELT_PASSES_LAYOUT_PASSES_TD
