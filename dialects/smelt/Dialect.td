//===- Dialect.td - The smelt graph dialect: dialect, types, attributes ----===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_DIALECT_TD
#define SMELT_DIALECT_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def Smelt_Dialect : Dialect {
  let name = "smelt";
  let cppNamespace = "::smelt";
  let summary = "Neural-network graphs on pure tensors, kernels, and host control";
  let description = [{
    Values are ranked tensors. A tensor with a size that is not known at compile
    time carries `#smelt.dims`: one expression over *symbols* per dimension.
    Symbols are declared by `smelt.symbol` in the module. Element types are the
    builtin ones; unsigned integers are `ui8`, `ui16`, ...; signed integers are
    signless; booleans are `i1`; strings are `!smelt.string`.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
                           "::mlir::scf::SCFDialect", "::mlir::func::FuncDialect"];
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

class Smelt_Attr<string name, string attrMnemonic> : AttrDef<Smelt_Dialect, name> {
  let mnemonic = attrMnemonic;
}

def Smelt_DimsAttr : Smelt_Attr<"Dims", "dims"> {
  let summary = "a list of integer expressions over the module's symbols";
  let description = [{
    One affine (or semi-affine) expression per entry; symbol `sN` is the module's
    symbol number N. As the encoding of a tensor type it gives every dimension,
    the static ones too: `tensor<?x128xf32, #smelt.dims<()[s0] -> (s0 * 2, 128)>>`.
    As an op's attribute it holds starts, pads, trip counts and the like.
  }];
  let parameters = (ins "::mlir::AffineMap":$map);
  let assemblyFormat = "`<` $map `>`";
  let builders = [AttrBuilder<(ins "::llvm::ArrayRef<::mlir::AffineExpr>":$exprs)>,
                  AttrBuilder<(ins "::llvm::ArrayRef<int64_t>":$values)>];
  let extraClassDeclaration = [{
    ::llvm::ArrayRef<::mlir::AffineExpr> getExprs() const { return getMap().getResults(); }
    size_t size() const { return getMap().getNumResults(); }
    /// True when every entry is a constant.
    bool isStatic() const;
    /// The values when all are constants.
    std::optional<::llvm::SmallVector<int64_t>> getStatic() const;
  }];
}

def Smelt_ScheduleAttr : Smelt_Attr<"Schedule", "schedule"> {
  let summary = "how a kernel is computed: a family and its parameters";
  let description = [{
    `family` names a generator of the target's code generator (map, rowblock,
    matmul, conv, ...); `params` are its tile sizes and switches.
  }];
  let parameters = (ins StringRefParameter<"generator">:$family, "::mlir::DictionaryAttr":$params);
  let assemblyFormat = "`<` $family `,` $params `>`";
}

def Smelt_ReduceKind : I32EnumAttr<"ReduceKind", "the combiner of a reduction", [
    I32EnumAttrCase<"sum", 0>, I32EnumAttrCase<"prod", 1>, I32EnumAttrCase<"max", 2>,
    I32EnumAttrCase<"min", 3>]> { let cppNamespace = "::smelt"; }
def Smelt_CmpKind : I32EnumAttr<"CmpKind", "a comparison", [
    I32EnumAttrCase<"eq", 0>, I32EnumAttrCase<"ne", 1>, I32EnumAttrCase<"lt", 2>,
    I32EnumAttrCase<"le", 3>, I32EnumAttrCase<"gt", 4>, I32EnumAttrCase<"ge", 5>]> { let cppNamespace = "::smelt"; }
def Smelt_PadMode : I32EnumAttr<"PadMode", "what stands outside the padded tensor", [
    I32EnumAttrCase<"constant", 0>, I32EnumAttrCase<"reflect", 1>, I32EnumAttrCase<"edge", 2>,
    I32EnumAttrCase<"wrap", 3>]> { let cppNamespace = "::smelt"; }
def Smelt_PoolKind : I32EnumAttr<"PoolKind", "the combiner of a pooling window", [
    I32EnumAttrCase<"max", 0>, I32EnumAttrCase<"avg", 1>, I32EnumAttrCase<"avg_include_pad", 2>,
    I32EnumAttrCase<"sum", 3>]> { let cppNamespace = "::smelt"; }
def Smelt_CellKind : I32EnumAttr<"CellKind", "the cell of a recurrent layer", [
    I32EnumAttrCase<"rnn", 0>, I32EnumAttrCase<"gru", 1>, I32EnumAttrCase<"lstm", 2>]> { let cppNamespace = "::smelt"; }
def Smelt_ScatterKind : I32EnumAttr<"ScatterKind", "how a scattered element meets the old one", [
    I32EnumAttrCase<"none", 0>, I32EnumAttrCase<"add", 1>, I32EnumAttrCase<"mul", 2>,
    I32EnumAttrCase<"max", 3>, I32EnumAttrCase<"min", 4>]> { let cppNamespace = "::smelt"; }
def Smelt_ResizeCoord : I32EnumAttr<"ResizeCoord", "output to input coordinates (ONNX Resize)", [
    I32EnumAttrCase<"half_pixel", 0>, I32EnumAttrCase<"pytorch_half_pixel", 1>,
    I32EnumAttrCase<"align_corners", 2>, I32EnumAttrCase<"asymmetric", 3>,
    I32EnumAttrCase<"half_pixel_symmetric", 4>, I32EnumAttrCase<"tf_crop_and_resize", 5>]> { let cppNamespace = "::smelt"; }
def Smelt_ResizeMode : I32EnumAttr<"ResizeMode", "interpolation (ONNX Resize)", [
    I32EnumAttrCase<"nearest", 0>, I32EnumAttrCase<"linear", 1>, I32EnumAttrCase<"cubic", 2>]> { let cppNamespace = "::smelt"; }
def Smelt_NearestMode : I32EnumAttr<"NearestMode", "rounding of nearest interpolation", [
    I32EnumAttrCase<"round_prefer_floor", 0>, I32EnumAttrCase<"round_prefer_ceil", 1>,
    I32EnumAttrCase<"floor", 2>, I32EnumAttrCase<"ceil", 3>]> { let cppNamespace = "::smelt"; }

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

class Smelt_Type<string name, string typeMnemonic> : TypeDef<Smelt_Dialect, name> {
  let mnemonic = typeMnemonic;
}
def Smelt_StringType : Smelt_Type<"String", "string"> {
  let summary = "the element type of a string tensor (host only)";
}
def Smelt_SequenceType : Smelt_Type<"Sequence", "sequence"> {
  let summary = "a sequence of values of one type (host only)";
  let parameters = (ins "::mlir::Type":$elementType);
  let assemblyFormat = "`<` $elementType `>`";
}
def Smelt_MapType : Smelt_Type<"Map", "map"> {
  let summary = "a map from int64 or string keys to values (host only)";
  let parameters = (ins "::mlir::Type":$keyType, "::mlir::Type":$valueType);
  let assemblyFormat = "`<` $keyType `,` $valueType `>`";
}
def Smelt_OptionalType : Smelt_Type<"Optional", "optional"> {
  let summary = "a value or nothing (host only)";
  let parameters = (ins "::mlir::Type":$elementType);
  let assemblyFormat = "`<` $elementType `>`";
}

#endif // SMELT_DIALECT_TD
