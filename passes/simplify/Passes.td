//===- Passes.td - Passes that simplify the graph ---------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_PASSES_SIMPLIFY_PASSES_TD
#define SMELT_PASSES_SIMPLIFY_PASSES_TD

include "mlir/Pass/PassBase.td"

def FoldConstantsPass : Pass<"smelt-fold-constants", "::mlir::ModuleOp"> {
  let summary = "computes ops whose operands are all constants";
  let description = [{
    Every pure op of static shape with constant operands is run by the evaluator
    in the exact arithmetic of its types; `from_exprs` and `test` of constants
    too. Splats stay splats. An op whose result or work is over a limit stays,
    with a remark. `dequantize` of more than 1 KB stays: the codes are the weight.

    ```mlir
    %0 = smelt.constant(dense<2.0> : tensor<4xf32>) : tensor<4xf32>
    %1 = smelt.sqrt %0 : (tensor<4xf32>) -> tensor<4xf32>
    // becomes
    %1 = smelt.constant(dense<1.41421354> : tensor<4xf32>) : tensor<4xf32>
    ```
  }];
  let options = [
    Option<"nodeLimit", "node-limit", "int64_t", "64ll << 20", "bytes of one folded result">,
    Option<"totalLimit", "total-limit", "int64_t", "1ll << 30", "bytes of all folded results">,
    Option<"workLimit", "work-limit", "int64_t", "1ll << 33", "multiplications of one folded op">
  ];
  let statistics = [Statistic<"numFolded", "folded", "ops computed">,
                    Statistic<"numRefused", "refused", "ops left for a limit">];
  let dependentDialects = ["::smelt::SmeltDialect"];
}

def SimplifyPass : Pass<"smelt-simplify"> {
  let summary = "local identities of arithmetic, casts, movement and windows";
  let description = [{
    Greedy patterns: neutral elements, powers, double negations, chains of casts,
    clamps, slices of concats, gathers that are slices, broadcasts that the
    consumer does by itself, pads that a convolution or pool does by itself, ifs
    on constants.

    ```mlir
    %0 = smelt.mul %x, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
    // becomes %x
    ```

    Exact but for: x + 0 and max(x, 0) may change the sign of a zero; x ** 2 and
    x ** 0.5 are rounded as a product and a square root; constants added one
    after the other, or multiplied, are combined first.
  }];
  let dependentDialects = ["::smelt::SmeltDialect"];
}

def FoldScalesPass : Pass<"smelt-fold-scales"> {
  let summary = "folds constant scales into the weights of convolutions and matrix products";
  let description = [{
    A batch normalization after a convolution is a scale and a shift per channel.
    The scale moves into the weights, the shift joins the bias:

    ```mlir
    %0 = smelt.conv %x, %w ...        // %w constant
    %1 = smelt.add %0, %b             // per channel
    %2 = smelt.mul %1, %c             // per channel
    // becomes conv %x, (%w * %c), then add (%b * %c)
    ```

    Rounding changes: the scale is applied to the weights instead of the sums.
    Floating point only; the weights must have no other use.
  }];
  let options = [Option<"nodeLimit", "node-limit", "int64_t", "64ll << 20", "bytes of one new weight">];
  let statistics = [Statistic<"numFolded", "folded", "scales moved into weights">];
  let dependentDialects = ["::smelt::SmeltDialect"];
}

def CancelTransposesPass : Pass<"smelt-cancel-transposes"> {
  let summary = "removes pairs of inverse transposes or reshapes around elementwise ops";
  let description = [{
    A transpose (or reshape) whose operand is a tree of elementwise ops over
    inverse transposes and constants is moved up through the tree, where it
    cancels them; nothing moves unless all of them cancel.

    ```mlir
    %0 = smelt.transpose %x {perm = [0, 2, 3, 1]}
    %1 = smelt.exp %0
    %2 = smelt.transpose %1 {perm = [0, 3, 1, 2]}
    // becomes smelt.exp %x
    ```
  }];
  let statistics = [Statistic<"numCancelled", "cancelled", "transposes and reshapes removed">];
  let dependentDialects = ["::smelt::SmeltDialect"];
}

#endif // SMELT_PASSES_SIMPLIFY_PASSES_TD
