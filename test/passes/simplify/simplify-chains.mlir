// RUN: smelt-opt --pass-pipeline="builtin.module(func.func(smelt-simplify))" %s | FileCheck %s
// RUN: smelt-eval %s --pipeline="func.func(smelt-simplify)" | FileCheck %s --check-prefix=SAME
// SAME-COUNT-5: : equal
// SAME-NOT: differs

// Channels last, first, flattened and last again: nothing moves.
// CHECK-LABEL: @nothing
// CHECK-NEXT: smelt.reshape %arg0 : (tensor<1x2x3x4xf32>) -> tensor<1x6x4xf32>
// CHECK-NEXT: return
func.func @nothing(%x: tensor<1x2x3x4xf32>) -> tensor<1x6x4xf32> {
  %a = smelt.transpose %x {perm = array<i64: 0, 3, 1, 2>} : (tensor<1x2x3x4xf32>) -> tensor<1x4x2x3xf32>
  %b = smelt.reshape %a : (tensor<1x4x2x3xf32>) -> tensor<1x4x6xf32>
  %c = smelt.transpose %b {perm = array<i64: 0, 2, 1>} : (tensor<1x4x6xf32>) -> tensor<1x6x4xf32>
  return %c : tensor<1x6x4xf32>
}

// Depth to space of channels last is one transpose.
// CHECK-LABEL: @depth_to_space
// CHECK-COUNT-1: smelt.transpose
// CHECK-NOT: smelt.transpose
func.func @depth_to_space(%x: tensor<1x2x3x4xf32>) -> tensor<1x1x4x6xf32> {
  %a = smelt.transpose %x {perm = array<i64: 0, 3, 1, 2>} : (tensor<1x2x3x4xf32>) -> tensor<1x4x2x3xf32>
  %b = smelt.reshape %a : (tensor<1x4x2x3xf32>) -> tensor<1x1x2x2x2x3xf32>
  %c = smelt.transpose %b {perm = array<i64: 0, 1, 4, 2, 5, 3>} : (tensor<1x1x2x2x2x3xf32>) -> tensor<1x1x2x2x3x2xf32>
  %d = smelt.reshape %c : (tensor<1x1x2x2x3x2xf32>) -> tensor<1x1x4x6xf32>
  return %d : tensor<1x1x4x6xf32>
}

// Each input of the concat lies as the result wants it.
// CHECK-LABEL: @concat
// CHECK-NOT: smelt.transpose
func.func @concat(%x: tensor<1x2x3x4xf32>, %y: tensor<1x2x1x4xf32>) -> tensor<1x8x4xf32> {
  %a = smelt.transpose %x {perm = array<i64: 0, 3, 1, 2>} : (tensor<1x2x3x4xf32>) -> tensor<1x4x2x3xf32>
  %b = smelt.reshape %a : (tensor<1x4x2x3xf32>) -> tensor<1x4x6xf32>
  %c = smelt.transpose %y {perm = array<i64: 0, 3, 1, 2>} : (tensor<1x2x1x4xf32>) -> tensor<1x4x2x1xf32>
  %d = smelt.reshape %c : (tensor<1x4x2x1xf32>) -> tensor<1x4x2xf32>
  %e = smelt.concat %b, %d {axis = 2 : i64} : (tensor<1x4x6xf32>, tensor<1x4x2xf32>) -> tensor<1x4x8xf32>
  %f = smelt.transpose %e {perm = array<i64: 0, 2, 1>} : (tensor<1x4x8xf32>) -> tensor<1x8x4xf32>
  return %f : tensor<1x8x4xf32>
}

// The weights' rows follow the channels.
// CHECK-LABEL: @weights
// CHECK: smelt.reshape %arg0 : (tensor<2x2x1x3xf32>) -> tensor<2x6xf32>
func.func @weights(%x: tensor<2x2x1x3xf32>) -> tensor<2x2xf32> {
  %w = smelt.constant(dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0], [9.0, 10.0], [11.0, 12.0]]> : tensor<6x2xf32>) : tensor<6x2xf32>
  %a = smelt.transpose %x {perm = array<i64: 0, 3, 1, 2>} : (tensor<2x2x1x3xf32>) -> tensor<2x3x2x1xf32>
  %b = smelt.reshape %a : (tensor<2x3x2x1xf32>) -> tensor<2x6xf32>
  %c = smelt.matmul %b, %w : (tensor<2x6xf32>, tensor<6x2xf32>) -> tensor<2x2xf32>
  return %c : tensor<2x2xf32>
}
// CHECK-LABEL: @weights_transposed
// CHECK: smelt.reshape %arg0 : (tensor<2x2x1x3xf32>) -> tensor<2x6xf32>
func.func @weights_transposed(%x: tensor<2x2x1x3xf32>) -> tensor<2x2xf32> {
  %w = smelt.constant(dense<[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [7.0, 8.0, 9.0, 10.0, 11.0, 12.0]]> : tensor<2x6xf32>) : tensor<2x6xf32>
  %a = smelt.transpose %x {perm = array<i64: 0, 3, 1, 2>} : (tensor<2x2x1x3xf32>) -> tensor<2x3x2x1xf32>
  %b = smelt.reshape %a : (tensor<2x3x2x1xf32>) -> tensor<2x6xf32>
  %c = smelt.matmul %b, %w {transposeRhs = true} : (tensor<2x6xf32>, tensor<2x6xf32>) -> tensor<2x2xf32>
  return %c : tensor<2x2xf32>
}
