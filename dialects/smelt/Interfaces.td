//===- Interfaces.td - What passes and code generators ask of an op --------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_INTERFACES_TD
#define SMELT_INTERFACES_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/Interfaces.td"

def Smelt_ScalarBodyInterface : OpInterface<"ScalarBodyInterface"> {
  let cppNamespace = "::smelt";
  let description = [{
    An elementwise op: element i of the result depends on element i of the
    operands only, after NumPy broadcasting (right-aligned, 1 stretches).
    `emitScalarBody` writes that function once, for scalars and vectors, in the
    arith and math dialects; every target and the spec of a kernel use it.
  }];
  let methods = [
    InterfaceMethod<[{
      Emits the op's function of one element. `args` hold the operands' elements
      in their *carried* types (see `carriedType`), all scalars or all vectors
      of one length; the result is in the carried type of the result element.
    }], "::mlir::Value", "emitScalarBody",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc, "::mlir::ValueRange":$args)>,
    InterfaceMethod<"Relative cost of one element; 1 is an addition.",
      "int64_t", "getElementCost", (ins), [{}], [{ return 1; }]>
  ];
}

#endif // SMELT_INTERFACES_TD
