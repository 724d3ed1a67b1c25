// What folding a scale changes: the last bits, within the bound of a layer; and
// smelt-eval sees it.
// RUN: not smelt-eval %s --fractions --pipeline="func.func(smelt-fold-scales)" | FileCheck %s
// RUN: smelt-eval %s --fractions --rtol=1e-5 --atol=1e-5 --pipeline="func.func(smelt-fold-scales)" | FileCheck %s --check-prefix=NEAR
// CHECK: @rounding: result 0 differs: element {{[0-9]+}} is {{.*}}, want
// NEAR: @rounding: equal
func.func @rounding(%x: tensor<8x3xf32>) -> tensor<8x2xf32> {
  %v = smelt.constant(dense<[[1.1, 2.2], [3.3, 4.4], [5.5, 6.6]]> : tensor<3x2xf32>) : tensor<3x2xf32>
  %c = smelt.constant(dense<[0.7, 1.3]> : tensor<2xf32>) : tensor<2xf32>
  %0 = smelt.matmul %x, %v : (tensor<8x3xf32>, tensor<3x2xf32>) -> tensor<8x2xf32>
  %1 = smelt.mul %0, %c : (tensor<8x2xf32>, tensor<2xf32>) -> tensor<8x2xf32>
  return %1 : tensor<8x2xf32>
}
