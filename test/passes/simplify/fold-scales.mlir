// RUN: smelt-opt --pass-pipeline="builtin.module(func.func(smelt-fold-scales,smelt-simplify))" %s | FileCheck %s
// RUN: smelt-eval %s --pipeline="func.func(smelt-fold-scales)" | FileCheck %s --check-prefix=SAME
// SAME-COUNT-9: : equal
// SAME-NOT: differs

// conv, bias, batch normalization: one convolution and one bias.
// CHECK-LABEL: @batch_norm
func.func @batch_norm(%x: tensor<1x2x3xf32>) -> tensor<1x2x3xf32> {
  %w = smelt.constant(dense<[[[1.5], [2.0]], [[3.0], [5.0]]]> : tensor<2x2x1xf32>) : tensor<2x2x1xf32>
  %b = smelt.constant(dense<[[1.0], [2.0]]> : tensor<2x1xf32>) : tensor<2x1xf32>
  %c = smelt.constant(dense<[[2.0], [3.0]]> : tensor<2x1xf32>) : tensor<2x1xf32>
  // CHECK: %[[W:.*]] = smelt.constant(dense<{{\[\[\[}}3.000000e+00], [4.000000e+00]], {{\[\[}}9.000000e+00], [1.500000e+01]]]>
  // CHECK: %[[Y:.*]] = smelt.conv %{{.*}}, %[[W]]
  // CHECK-NEXT: %[[B:.*]] = smelt.constant(dense<{{\[\[}}3.000000e+00], [8.000000e+00]]>
  // CHECK-NEXT: smelt.add %[[Y]], %[[B]]
  // CHECK-NEXT: return
  %0 = smelt.conv %x, %w {strides = array<i64: 1>, pads = #smelt.dims<() -> (0, 0)>, dilations = array<i64: 1>, groups = 1 : i64}
      : (tensor<1x2x3xf32>, tensor<2x2x1xf32>) -> tensor<1x2x3xf32>
  %1 = smelt.add %0, %b : (tensor<1x2x3xf32>, tensor<2x1xf32>) -> tensor<1x2x3xf32>
  %2 = smelt.mul %c, %1 : (tensor<2x1xf32>, tensor<1x2x3xf32>) -> tensor<1x2x3xf32>
  %3 = smelt.constant(dense<[[1.0], [2.0]]> : tensor<2x1xf32>) : tensor<2x1xf32>
  %4 = smelt.add %2, %3 : (tensor<1x2x3xf32>, tensor<2x1xf32>) -> tensor<1x2x3xf32>
  return %4 : tensor<1x2x3xf32>
}

// Depthwise: the weights' first dim is the channel.
// CHECK-LABEL: @depthwise
// CHECK-NOT: smelt.mul
func.func @depthwise(%x: tensor<1x2x3xf32>) -> tensor<1x2x2xf32> {
  %w = smelt.constant(dense<[[[1.0, 2.0]], [[3.0, 4.0]]]> : tensor<2x1x2xf32>) : tensor<2x1x2xf32>
  %c = smelt.constant(dense<[[[2.0], [3.0]]]> : tensor<1x2x1xf32>) : tensor<1x2x1xf32>
  %0 = smelt.conv %x, %w {strides = array<i64: 1>, pads = #smelt.dims<() -> (0, 0)>, dilations = array<i64: 1>, groups = 2 : i64}
      : (tensor<1x2x3xf32>, tensor<2x1x2xf32>) -> tensor<1x2x2xf32>
  %1 = smelt.mul %0, %c : (tensor<1x2x2xf32>, tensor<1x2x1xf32>) -> tensor<1x2x2xf32>
  return %1 : tensor<1x2x2xf32>
}

// CHECK-LABEL: @channels_last
// CHECK-NOT: smelt.mul
func.func @channels_last(%x: tensor<1x3x2xf32>) -> tensor<1x3x2xf32> {
  %w = smelt.constant(dense<[[[1.0], [2.0]], [[3.0], [4.0]]]> : tensor<2x2x1xf32>) : tensor<2x2x1xf32>
  %c = smelt.constant(dense<[2.0, 3.0]> : tensor<2xf32>) : tensor<2xf32>
  %0 = smelt.conv %x, %w {strides = array<i64: 1>, pads = #smelt.dims<() -> (0, 0)>, dilations = array<i64: 1>, groups = 1 : i64, channelsLast = true}
      : (tensor<1x3x2xf32>, tensor<2x2x1xf32>) -> tensor<1x3x2xf32>
  %1 = smelt.mul %0, %c : (tensor<1x3x2xf32>, tensor<2xf32>) -> tensor<1x3x2xf32>
  return %1 : tensor<1x3x2xf32>
}

// CHECK-LABEL: @conv_transpose
// CHECK-NOT: smelt.mul
func.func @conv_transpose(%x: tensor<1x2x3xf32>) -> tensor<1x2x4xf32> {
  %w = smelt.constant(dense<[[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]> : tensor<2x2x2xf32>) : tensor<2x2x2xf32>
  %c = smelt.constant(dense<[[2.0], [3.0]]> : tensor<2x1xf32>) : tensor<2x1xf32>
  %0 = smelt.conv_transpose %x, %w {strides = array<i64: 1>, pads = #smelt.dims<() -> (0)>, dilations = array<i64: 1>, groups = 1 : i64}
      : (tensor<1x2x3xf32>, tensor<2x2x2xf32>) -> tensor<1x2x4xf32>
  %1 = smelt.mul %0, %c : (tensor<1x2x4xf32>, tensor<2x1xf32>) -> tensor<1x2x4xf32>
  return %1 : tensor<1x2x4xf32>
}

// Both orders of the right matrix, a scalar and a division.
// CHECK-LABEL: @matmul
// CHECK-NOT: smelt.mul
// CHECK-NOT: smelt.div
// CHECK: return
func.func @matmul(%x: tensor<2x3xf32>) -> (tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>) {
  %v = smelt.constant(dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>) : tensor<3x2xf32>
  %w = smelt.constant(dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>) : tensor<2x3xf32>
  %u = smelt.constant(dense<[[2.0, 4.0], [6.0, 8.0], [2.0, 4.0]]> : tensor<3x2xf32>) : tensor<3x2xf32>
  %c = smelt.constant(dense<[2.0, 3.0]> : tensor<2xf32>) : tensor<2xf32>
  %s = smelt.constant(dense<2.0> : tensor<f32>) : tensor<f32>
  %0 = smelt.matmul %x, %v : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  %1 = smelt.mul %0, %c : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  %2 = smelt.matmul %x, %w {transposeRhs = true} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x2xf32>
  %3 = smelt.mul %2, %c : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  %4 = smelt.matmul %x, %u : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  %5 = smelt.div %4, %s : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  return %1, %3, %5 : tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>
}

// A scale per row is not one of the weights' columns.
// CHECK-LABEL: @rows
// CHECK: smelt.mul
func.func @rows(%x: tensor<2x3xf32>) -> tensor<2x2xf32> {
  %v = smelt.constant(dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>) : tensor<3x2xf32>
  %c = smelt.constant(dense<[[2.0], [3.0]]> : tensor<2x1xf32>) : tensor<2x1xf32>
  %0 = smelt.matmul %x, %v : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  %1 = smelt.mul %0, %c : (tensor<2x2xf32>, tensor<2x1xf32>) -> tensor<2x2xf32>
  return %1 : tensor<2x2xf32>
}

// The sums are used twice: scaling the weights would change the other use.
// CHECK-LABEL: @two_uses
// CHECK: smelt.mul
func.func @two_uses(%x: tensor<2x3xf32>) -> (tensor<2x2xf32>, tensor<2x2xf32>) {
  %v = smelt.constant(dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>) : tensor<3x2xf32>
  %c = smelt.constant(dense<2.0> : tensor<f32>) : tensor<f32>
  %0 = smelt.matmul %x, %v : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  %1 = smelt.mul %0, %c : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  return %0, %1 : tensor<2x2xf32>, tensor<2x2xf32>
}

// The weights have another use: a second copy would be made.
// CHECK-LABEL: @shared_weights
// CHECK: smelt.mul
func.func @shared_weights(%x: tensor<2x3xf32>) -> (tensor<2x2xf32>, tensor<2x2xf32>) {
  %v = smelt.constant(dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>) : tensor<3x2xf32>
  %c = smelt.constant(dense<2.0> : tensor<f32>) : tensor<f32>
  %0 = smelt.matmul %x, %v : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  %1 = smelt.mul %0, %c : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  %2 = smelt.matmul %x, %v : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  return %1, %2 : tensor<2x2xf32>, tensor<2x2xf32>
}

// Integers wrap the same, but weights of codes keep their range: they stay.
// CHECK-LABEL: @integers
// CHECK: smelt.mul
func.func @integers(%x: tensor<2x3xi8>) -> tensor<2x2xi32> {
  %v = smelt.constant(dense<3> : tensor<3x2xi8>) : tensor<3x2xi8>
  %c = smelt.constant(dense<2> : tensor<i32>) : tensor<i32>
  %0 = smelt.matmul %x, %v : (tensor<2x3xi8>, tensor<3x2xi8>) -> tensor<2x2xi32>
  %1 = smelt.mul %0, %c : (tensor<2x2xi32>, tensor<i32>) -> tensor<2x2xi32>
  return %1 : tensor<2x2xi32>
}
