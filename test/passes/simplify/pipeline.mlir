// The whole of the phase, and where its ops come from.
// RUN: smelt-opt --smelt-simplify-pipeline --mlir-print-debuginfo --mlir-print-local-scope %s | FileCheck %s
// RUN: smelt-opt --smelt-simplify-pipeline --mlir-print-debuginfo --mlir-print-local-scope %s | FileCheck %s --check-prefix=LOC --implicit-check-not="loc(unknown)"
// RUN: smelt-eval %s --pipeline="smelt-simplify-pipeline" | FileCheck %s --check-prefix=SAME
// RUN: smelt-opt --smelt-simplify-pipeline --dump-pass-pipeline %s 2>&1 >/dev/null | FileCheck %s --check-prefix=PASSES
// SAME: @model: equal

// PASSES: smelt-fold-constants
// PASSES: func.func(
// PASSES-NEXT: smelt-simplify
// PASSES: cse
// PASSES: smelt-cancel-transposes
// PASSES: smelt-fold-scales
// PASSES: smelt-fold-constants
// PASSES: smelt-simplify
// PASSES: cse

// LOC: smelt.constant{{.*}} loc(
// LOC: smelt.conv {{.*}} loc(fused["conv", "center", "first", "scale"])
// LOC: smelt.add {{.*}} loc(fused[

// Channels last there and back, a convolution, a batch normalization in five
// ops, a clamp twice: a convolution, a bias and one clamp are left.
// CHECK-LABEL: @model
// CHECK-NOT: smelt.transpose
// CHECK-NOT: smelt.mul
// CHECK: smelt.conv
// CHECK-NEXT: smelt.constant(dense<{{.*}}> : tensor<1x2x1xf32>)
// CHECK-NEXT: smelt.add
// CHECK-NEXT: smelt.max
// CHECK-NEXT: return
func.func @model(%x: tensor<1x2x3xf32>) -> tensor<1x2x3xf32> {
  %w = smelt.constant(dense<[[[1.0], [2.0]], [[3.0], [4.0]]]> : tensor<2x2x1xf32>) : tensor<2x2x1xf32> loc("weights")
  %gamma = smelt.constant(dense<[2.0, 3.0]> : tensor<2xf32>) : tensor<2xf32> loc("gamma")
  %beta = smelt.constant(dense<[1.0, -2.0]> : tensor<2xf32>) : tensor<2xf32> loc("beta")
  %mean = smelt.constant(dense<[1.0, 5.0]> : tensor<2xf32>) : tensor<2xf32> loc("mean")
  %var = smelt.constant(dense<[3.0, 15.0]> : tensor<2xf32>) : tensor<2xf32> loc("var")
  %one = smelt.constant(dense<1.0> : tensor<f32>) : tensor<f32> loc("epsilon")
  %zero = smelt.constant(dense<0.0> : tensor<f32>) : tensor<f32> loc("zero")
  %0 = smelt.conv %x, %w {strides = array<i64: 1>, pads = #smelt.dims<() -> (0, 0)>, dilations = array<i64: 1>, groups = 1 : i64}
      : (tensor<1x2x3xf32>, tensor<2x2x1xf32>) -> tensor<1x2x3xf32> loc("conv")
  %1 = smelt.transpose %0 {perm = array<i64: 0, 2, 1>} : (tensor<1x2x3xf32>) -> tensor<1x3x2xf32> loc("last")
  %2 = smelt.sub %1, %mean : (tensor<1x3x2xf32>, tensor<2xf32>) -> tensor<1x3x2xf32> loc("center")
  %3 = smelt.add %var, %one : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32> loc("eps")
  %4 = smelt.sqrt %3 : (tensor<2xf32>) -> tensor<2xf32> loc("deviation")
  %5 = smelt.div %gamma, %4 : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32> loc("factor")
  %6 = smelt.mul %2, %5 : (tensor<1x3x2xf32>, tensor<2xf32>) -> tensor<1x3x2xf32> loc("scale")
  %7 = smelt.add %6, %beta : (tensor<1x3x2xf32>, tensor<2xf32>) -> tensor<1x3x2xf32> loc("shift")
  %8 = smelt.max %7, %zero : (tensor<1x3x2xf32>, tensor<f32>) -> tensor<1x3x2xf32> loc("relu")
  %9 = smelt.transpose %8 {perm = array<i64: 0, 2, 1>} : (tensor<1x3x2xf32>) -> tensor<1x2x3xf32> loc("first")
  %10 = smelt.max %9, %zero : (tensor<1x2x3xf32>, tensor<f32>) -> tensor<1x2x3xf32> loc("relu2")
  return %10 : tensor<1x2x3xf32> loc("out")
}
