// RUN: smelt-opt --smelt-channels-last --canonicalize %s | FileCheck %s
// RUN: smelt-eval %s --pipeline="smelt-channels-last" | FileCheck %s --check-prefix=SAME
// SAME-COUNT-2: : equal
// SAME-NOT: differs

// Between two convolutions nothing is moved; the model keeps its own layout
// outside.
// CHECK-LABEL: @two_convs
// CHECK: smelt.transpose %{{.*}} {perm = array<i64: 0, 2, 3, 1>}
// CHECK-NOT: smelt.transpose
// CHECK: smelt.conv {{.*}}channelsLast = true
// CHECK: smelt.max
// CHECK: smelt.conv {{.*}}channelsLast = true
// CHECK: smelt.transpose %{{.*}} {perm = array<i64: 0, 3, 1, 2>}
func.func @two_convs(%x: tensor<1x2x5x4xf32>, %w: tensor<3x2x1x1xf32>, %v: tensor<2x3x1x1xf32>) -> tensor<1x2x5x4xf32> {
  %z = smelt.constant(dense<0.0> : tensor<f32>) : tensor<f32>
  %a = smelt.conv %x, %w {strides = array<i64: 1, 1>, pads = #smelt.dims<() -> (0, 0, 0, 0)>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x2x5x4xf32>, tensor<3x2x1x1xf32>) -> tensor<1x3x5x4xf32>
  %r = smelt.max %a, %z : (tensor<1x3x5x4xf32>, tensor<f32>) -> tensor<1x3x5x4xf32>
  %b = smelt.conv %r, %v {strides = array<i64: 1, 1>, pads = #smelt.dims<() -> (0, 0, 0, 0)>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x3x5x4xf32>, tensor<2x3x1x1xf32>) -> tensor<1x2x5x4xf32>
  return %b : tensor<1x2x5x4xf32>
}

// A mean over the image reads the new layout and gives the old result.
// CHECK-LABEL: @global_sum
// CHECK: smelt.conv
// CHECK: smelt.reduce {{.*}}axes = array<i64: 1, 2>
// CHECK-NOT: smelt.transpose
// CHECK: return
func.func @global_sum(%x: tensor<1x2x5x4xf32>, %w: tensor<3x2x1x1xf32>) -> tensor<1x3xf32> {
  %a = smelt.conv %x, %w {strides = array<i64: 1, 1>, pads = #smelt.dims<() -> (0, 0, 0, 0)>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x2x5x4xf32>, tensor<3x2x1x1xf32>) -> tensor<1x3x5x4xf32>
  %s = smelt.reduce %a {kind = 0 : i32, axes = array<i64: 2, 3>} : (tensor<1x3x5x4xf32>) -> tensor<1x3xf32>
  return %s : tensor<1x3xf32>
}
