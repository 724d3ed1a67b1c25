//===- OpsBase.td - Base classes of the smelt ops ---------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_OPS_BASE_TD
#define SMELT_OPS_BASE_TD

include "dialects/smelt/Dialect.td"
include "dialects/smelt/Interfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/IR/SymbolInterfaces.td"

class Smelt_Op<string mnemonic, list<Trait> traits = []> : Op<Smelt_Dialect, mnemonic, traits>;

/// A pure op on tensors.
class Smelt_PureOp<string mnemonic, list<Trait> traits = []>
    : Smelt_Op<mnemonic, !listconcat([Pure], traits)> {
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

/// Elementwise with NumPy broadcasting; one result.
class Smelt_ElementwiseOp<string mnemonic, list<Trait> traits = []>
    : Smelt_PureOp<mnemonic, !listconcat(
          [DeclareOpInterfaceMethods<Smelt_ScalarBodyInterface, ["getElementCost"]>], traits)> {
  let results = (outs AnyRankedTensor:$result);
  let hasVerifier = 1;
}
class Smelt_UnaryOp<string mnemonic, string text, list<Trait> traits = []> : Smelt_ElementwiseOp<mnemonic, traits> {
  let arguments = (ins AnyRankedTensor:$x);
  let summary = text;
}
class Smelt_BinaryOp<string mnemonic, string text, list<Trait> traits = []> : Smelt_ElementwiseOp<mnemonic, traits> {
  let arguments = (ins AnyRankedTensor:$lhs, AnyRankedTensor:$rhs);
  let summary = text;
}

#endif // SMELT_OPS_BASE_TD
