//===- OpsMath.td - Elementwise ops -----------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_OPS_MATH_TD
#define SMELT_OPS_MATH_TD

include "dialects/smelt/OpsBase.td"

def Smelt_AbsOp : Smelt_UnaryOp<"abs", "|x|">;
def Smelt_NegOp : Smelt_UnaryOp<"neg", "-x">;
def Smelt_SignOp : Smelt_UnaryOp<"sign", "-1, 0 or 1">;
def Smelt_ExpOp : Smelt_UnaryOp<"exp", "e to the x">;
def Smelt_LogOp : Smelt_UnaryOp<"log", "natural logarithm">;
def Smelt_SqrtOp : Smelt_UnaryOp<"sqrt", "square root">;
def Smelt_SinOp : Smelt_UnaryOp<"sin", "sine">;
def Smelt_CosOp : Smelt_UnaryOp<"cos", "cosine">;
def Smelt_TanOp : Smelt_UnaryOp<"tan", "tangent">;
def Smelt_AsinOp : Smelt_UnaryOp<"asin", "arcsine">;
def Smelt_AcosOp : Smelt_UnaryOp<"acos", "arccosine">;
def Smelt_AtanOp : Smelt_UnaryOp<"atan", "arctangent">;
def Smelt_SinhOp : Smelt_UnaryOp<"sinh", "hyperbolic sine">;
def Smelt_CoshOp : Smelt_UnaryOp<"cosh", "hyperbolic cosine">;
def Smelt_TanhOp : Smelt_UnaryOp<"tanh", "hyperbolic tangent">;
def Smelt_AsinhOp : Smelt_UnaryOp<"asinh", "inverse hyperbolic sine">;
def Smelt_AcoshOp : Smelt_UnaryOp<"acosh", "inverse hyperbolic cosine">;
def Smelt_AtanhOp : Smelt_UnaryOp<"atanh", "inverse hyperbolic tangent">;
def Smelt_ErfOp : Smelt_UnaryOp<"erf", "error function">;
def Smelt_FloorOp : Smelt_UnaryOp<"floor", "largest integer not above x">;
def Smelt_CeilOp : Smelt_UnaryOp<"ceil", "smallest integer not below x">;
def Smelt_RoundOp : Smelt_UnaryOp<"round", "nearest integer, ties to even">;
def Smelt_SigmoidOp : Smelt_UnaryOp<"sigmoid", "1 / (1 + exp(-x))">;
def Smelt_NotOp : Smelt_UnaryOp<"not", "logical (i1) or bitwise complement">;
def Smelt_IsNaNOp : Smelt_UnaryOp<"is_nan", "is x not a number; result i1">;
def Smelt_IsInfOp : Smelt_UnaryOp<"is_inf", "is x infinite, of the given signs; result i1"> {
  let arguments = (ins AnyRankedTensor:$x, DefaultValuedAttr<BoolAttr, "true">:$negative,
                       DefaultValuedAttr<BoolAttr, "true">:$positive);
}
def Smelt_BitCastOp : Smelt_UnaryOp<"bit_cast", "the element's bits as another type of the same width (ONNX BitCast)"> {
  let description = [{Integers, floats of 16 bits and more, and i1 as a byte that is 0 or 1.}];
}
def Smelt_CastOp : Smelt_UnaryOp<"cast", "conversion of the element type"> {
  let description = [{
    As ONNX Cast: float to integer truncates (out of range: the target's
    saturated value), float to i1 is `x != 0`, float to a narrower float rounds
    to nearest even; to float8 and below `saturate` clamps, else overflow is
    infinity or NaN.
  }];
  let arguments = (ins AnyRankedTensor:$x, DefaultValuedAttr<BoolAttr, "true">:$saturate);
  let hasFolder = 1;
}

def Smelt_AddOp : Smelt_BinaryOp<"add", "x + y", [Commutative]>;
def Smelt_SubOp : Smelt_BinaryOp<"sub", "x - y">;
def Smelt_MulOp : Smelt_BinaryOp<"mul", "x * y", [Commutative]>;
def Smelt_DivOp : Smelt_BinaryOp<"div", "x / y; integers truncate; a zero integer divisor gives 0">;
def Smelt_RemOp : Smelt_BinaryOp<"rem", "remainder with the sign of x (C fmod)">;
def Smelt_ModOp : Smelt_BinaryOp<"mod", "remainder with the sign of y (Python %)">;
def Smelt_PowOp : Smelt_BinaryOp<"pow", "x to the y; the result has x's type">;
def Smelt_MinOp : Smelt_BinaryOp<"min", "smaller of both; NaN wins", [Commutative]>;
def Smelt_MaxOp : Smelt_BinaryOp<"max", "larger of both; NaN wins", [Commutative]>;
def Smelt_AndOp : Smelt_BinaryOp<"and", "logical (i1) or bitwise and", [Commutative]>;
def Smelt_OrOp : Smelt_BinaryOp<"or", "logical (i1) or bitwise or", [Commutative]>;
def Smelt_XorOp : Smelt_BinaryOp<"xor", "logical (i1) or bitwise exclusive or", [Commutative]>;
def Smelt_ShlOp : Smelt_BinaryOp<"shl", "x shifted left by y bits; 0 from the width on">;
def Smelt_ShrOp : Smelt_BinaryOp<"shr", "unsigned x shifted right by y bits; 0 from the width on">;
def Smelt_CmpOp : Smelt_BinaryOp<"cmp", "comparison; result i1; false with NaN but for ne"> {
  let arguments = (ins AnyRankedTensor:$lhs, AnyRankedTensor:$rhs, Smelt_CmpKind:$kind);
}
def Smelt_SelectOp : Smelt_ElementwiseOp<"select"> {
  let summary = "cond ? x : y (ONNX Where)";
  let arguments = (ins AnyRankedTensor:$cond, AnyRankedTensor:$x, AnyRankedTensor:$y);
}

def Smelt_QuantizeOp : Smelt_ElementwiseOp<"quantize"> {
  let summary = "saturate(round_even(x / scale) + zero_point)";
  let description = [{ONNX QuantizeLinear; scale and zero point are shaped to broadcast against x.}];
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$scale, AnyRankedTensor:$zeroPoint);
}
def Smelt_DequantizeOp : Smelt_ElementwiseOp<"dequantize"> {
  let summary = "(x - zero_point) * scale";
  let description = [{ONNX DequantizeLinear; scale and zero point are shaped to broadcast against x.}];
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$scale, AnyRankedTensor:$zeroPoint);
}

#endif // SMELT_OPS_MATH_TD
