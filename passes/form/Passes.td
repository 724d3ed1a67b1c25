//===- Passes.td - Kernel formation -----------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_PASSES_FORM_PASSES_TD
#define SMELT_PASSES_FORM_PASSES_TD

include "mlir/Pass/PassBase.td"

def FormKernelsPass : Pass<"smelt-form-kernels", "::mlir::ModuleOp"> {
  let summary = "Put every device op into a kernel of its own";
  let description = [{
    ```
    %1 = smelt.add %a, %b          %1 = smelt.kernel "add_3"(%a, %b) {
                              ->     ^bb0(%x, %y): %2 = smelt.add %x, %y  smelt.yield %2 }
    ```
    Reshapes and rebinds stay outside (they are views of a buffer), as do
    control flow, host scalars and host ops. Splat constants are copied into the
    body, other constants are operands. smelt-fuse-kernels merges afterwards.
  }];
  let dependentDialects = ["::smelt::SmeltDialect"];
}

def FormAttentionPass : Pass<"smelt-form-attention", "::mlir::ModuleOp"> {
  let summary = "Outline softmax between two products as one kernel";
  let description = [{
    ```
    %s = smelt.matmul %q, %k                     %o = smelt.kernel(%x, %y, %z, %m) {
    %p = softmax of %s * scale + %m        ->      the same ops, with the transposes
    %o = smelt.matmul %p, %v                       of %q, %k, %v and %o }
    ```
    Runs before smelt-form-kernels. What serves Q, K and V only, and the
    transposes of the result, come into the kernel. The target is asked; where it
    has no generator for the body the ops stay as they are. Every candidate,
    taken or refused, is a remark `attention` with its reason.
  }];
  let constructor = "nullptr"; // made with the target; tools register it
  let dependentDialects = ["::smelt::SmeltDialect"];
}

def MergeProjectionsPass : Pass<"smelt-merge-projections", "::mlir::ModuleOp"> {
  let summary = "One product with the weights of all instead of one each for Q, K and V";
  let description = [{
    ```
    %q = smelt.matmul %x, %wq                  %y = smelt.matmul %x, %w   (%wq, %wk, %wv side by side)
    %k = smelt.matmul %x, %wk            ->    %o = smelt.kernel(%y) { slices of %y, attention }
    %v = smelt.matmul %x, %wv
    %o = smelt.kernel(%q, %k, %v) { attention }
    ```
    Biases are joined with the weights. Runs behind smelt-form-attention; taken
    where the target still computes the kernel as attention and the weights to be
    written stay within 64 MiB (1 GiB in a module). A remark `projections` says so.
  }];
  let constructor = "nullptr"; // made with the target; tools register it
  let dependentDialects = ["::smelt::SmeltDialect"];
}

def FuseRowsPass : Pass<"smelt-fuse-rows", "::mlir::ModuleOp"> {
  let summary = "Merge a value with all of its consumers where they meet again";
  let description = [{
    ```
    %1 = smelt.kernel(%x) { exp }
    %2 = smelt.kernel(%1) { reduce sum }    ->   %3 = smelt.kernel(%x) { exp, reduce sum, div }
    %3 = smelt.kernel(%1, %2) { div }
    ```
    Runs before smelt-fuse-kernels, which merges pairs: there the exponential has
    two consumers. Taken where nothing of it is wanted elsewhere and the target
    computes all of it as rows, or place by place. Every candidate, taken or
    refused, is a remark `rows` with its reason.
  }];
  let constructor = "nullptr"; // made with the target; tools register it
  let options = [Option<"maxOps", "max-ops", "int64_t", "64", "most ops in a kernel's body">];
  let dependentDialects = ["::smelt::SmeltDialect"];
}

def FuseKernelsPass : Pass<"smelt-fuse-kernels", "::mlir::ModuleOp"> {
  let summary = "Merge kernels where the target's model says it pays";
  let description = [{
    ```
    %1 = smelt.kernel(%x, %w) { matmul }       %2 = smelt.kernel(%x, %w, %b) {
    %2 = smelt.kernel(%1, %b) { add, relu }  ->   matmul, add, relu }
    ```
    Candidates (producer, consumer) are taken from a priority queue by the bytes
    they save; each is asked of the target (does one kernel family compute the
    merged body?). Every candidate, taken or refused, is a remark `fusion` with
    its reason and numbers. Once nothing is left, a contraction whose result has
    other readers too may take the norm of its rows; the result stays one:
    ```
    %1 = smelt.kernel { matmul, add }
    %2 = smelt.kernel(%1) { norm }      ->   %2, %1 = smelt.kernel { matmul, add, norm }
    %3 = ...(%2, %1)
    ```
  }];
  let constructor = "nullptr"; // made with the target; tools register it
  let options = [Option<"maxOps", "max-ops", "int64_t", "64", "most ops in a kernel's body">];
  let dependentDialects = ["::smelt::SmeltDialect"];
}

#endif // SMELT_PASSES_FORM_PASSES_TD
