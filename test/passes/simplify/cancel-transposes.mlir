// RUN: smelt-opt --pass-pipeline="builtin.module(func.func(smelt-cancel-transposes))" %s | FileCheck %s
// RUN: smelt-eval %s --pipeline="func.func(smelt-cancel-transposes)" | FileCheck %s --check-prefix=SAME
// SAME-COUNT-7: : equal
// SAME-NOT: differs

// To channels last, a scale per channel and a clamp, and back.
// CHECK-LABEL: @there_and_back
func.func @there_and_back(%x: tensor<1x2x3x4xf32>) -> tensor<1x2x3x4xf32> {
  %c = smelt.constant(dense<[2.0, 3.0]> : tensor<2xf32>) : tensor<2xf32>
  %z = smelt.constant(dense<0.0> : tensor<f32>) : tensor<f32>
  // The scale moves along: [2] -> [1, 2, 1, 1].
  // CHECK-NOT: smelt.transpose
  // CHECK: %[[C:.*]] = smelt.constant(dense<{{.*}}> : tensor<1x2x1x1xf32>)
  // CHECK: %[[M:.*]] = smelt.mul %arg0, %[[C]]
  // CHECK: smelt.max %[[M]], %{{.*}} -> tensor<1x2x3x4xf32>
  // CHECK-NEXT: return
  %0 = smelt.transpose %x {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x2x3x4xf32>) -> tensor<1x3x4x2xf32>
  %1 = smelt.mul %0, %c : (tensor<1x3x4x2xf32>, tensor<2xf32>) -> tensor<1x3x4x2xf32>
  %2 = smelt.max %1, %z : (tensor<1x3x4x2xf32>, tensor<f32>) -> tensor<1x3x4x2xf32>
  %3 = smelt.transpose %2 {perm = array<i64: 0, 3, 1, 2>} : (tensor<1x3x4x2xf32>) -> tensor<1x2x3x4xf32>
  return %3 : tensor<1x2x3x4xf32>
}

// Two leaves, both inverse.
// CHECK-LABEL: @sum
// CHECK-NOT: smelt.transpose
// CHECK: return
func.func @sum(%x: tensor<2x3xf32>, %y: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = smelt.transpose %x {perm = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %1 = smelt.transpose %y {perm = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %2 = smelt.neg %1 : (tensor<3x2xf32>) -> tensor<3x2xf32>
  %3 = smelt.sub %0, %2 : (tensor<3x2xf32>, tensor<3x2xf32>) -> tensor<3x2xf32>
  %4 = smelt.transpose %3 {perm = array<i64: 1, 0>} : (tensor<3x2xf32>) -> tensor<2x3xf32>
  return %4 : tensor<2x3xf32>
}

// One leaf is no transpose: nothing moves.
// CHECK-LABEL: @one_leaf_stays
// CHECK-COUNT-2: smelt.transpose
func.func @one_leaf_stays(%x: tensor<2x3xf32>, %y: tensor<3x2xf32>) -> tensor<2x3xf32> {
  %0 = smelt.transpose %x {perm = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %1 = smelt.add %0, %y : (tensor<3x2xf32>, tensor<3x2xf32>) -> tensor<3x2xf32>
  %2 = smelt.transpose %1 {perm = array<i64: 1, 0>} : (tensor<3x2xf32>) -> tensor<2x3xf32>
  return %2 : tensor<2x3xf32>
}

// The middle value is used elsewhere: it would be computed twice.
// CHECK-LABEL: @used_elsewhere
// CHECK-COUNT-2: smelt.transpose
func.func @used_elsewhere(%x: tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<3x2xf32>) {
  %0 = smelt.transpose %x {perm = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %1 = smelt.abs %0 : (tensor<3x2xf32>) -> tensor<3x2xf32>
  %2 = smelt.transpose %1 {perm = array<i64: 1, 0>} : (tensor<3x2xf32>) -> tensor<2x3xf32>
  return %2, %1 : tensor<2x3xf32>, tensor<3x2xf32>
}

// The permutations are not inverse.
// CHECK-LABEL: @not_inverse
// CHECK-COUNT-2: smelt.transpose
func.func @not_inverse(%x: tensor<2x3x4xf32>) -> tensor<4x2x3xf32> {
  %0 = smelt.transpose %x {perm = array<i64: 1, 2, 0>} : (tensor<2x3x4xf32>) -> tensor<3x4x2xf32>
  %1 = smelt.abs %0 : (tensor<3x4x2xf32>) -> tensor<3x4x2xf32>
  %2 = smelt.transpose %1 {perm = array<i64: 1, 2, 0>} : (tensor<3x4x2xf32>) -> tensor<4x2x3xf32>
  return %2 : tensor<4x2x3xf32>
}

smelt.symbol 0 "N" [1, 64]

// Reshapes there and back, with symbolic sizes and a cast between.
// CHECK-LABEL: @reshapes
// CHECK-NEXT: smelt.constant
// CHECK-NEXT: smelt.cast %arg0 : (tensor<?x6xf32, {{.*}}>) -> tensor<?x6xf64
// CHECK-NEXT: smelt.mul
// CHECK-NEXT: return
func.func @reshapes(%x: tensor<?x6xf32, #smelt.dims<()[s0] -> (s0, 6)>>) -> tensor<?x6xf64, #smelt.dims<()[s0] -> (s0, 6)>> {
  %c = smelt.constant(dense<2.0> : tensor<f64>) : tensor<f64>
  %0 = smelt.reshape %x : (tensor<?x6xf32, #smelt.dims<()[s0] -> (s0, 6)>>) -> tensor<?x2x3xf32, #smelt.dims<()[s0] -> (s0, 2, 3)>>
  %1 = smelt.cast %0 : (tensor<?x2x3xf32, #smelt.dims<()[s0] -> (s0, 2, 3)>>) -> tensor<?x2x3xf64, #smelt.dims<()[s0] -> (s0, 2, 3)>>
  %2 = smelt.mul %1, %c : (tensor<?x2x3xf64, #smelt.dims<()[s0] -> (s0, 2, 3)>>, tensor<f64>) -> tensor<?x2x3xf64, #smelt.dims<()[s0] -> (s0, 2, 3)>>
  %3 = smelt.reshape %2 : (tensor<?x2x3xf64, #smelt.dims<()[s0] -> (s0, 2, 3)>>) -> tensor<?x6xf64, #smelt.dims<()[s0] -> (s0, 6)>>
  return %3 : tensor<?x6xf64, #smelt.dims<()[s0] -> (s0, 6)>>
}

// A scale per column of the inner shape cannot follow.
// CHECK-LABEL: @reshape_with_vector
// CHECK-COUNT-2: smelt.reshape
func.func @reshape_with_vector(%x: tensor<6xf32>) -> tensor<6xf32> {
  %c = smelt.constant(dense<[1.0, 2.0, 3.0]> : tensor<3xf32>) : tensor<3xf32>
  %0 = smelt.reshape %x : (tensor<6xf32>) -> tensor<2x3xf32>
  %1 = smelt.mul %0, %c : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %2 = smelt.reshape %1 : (tensor<2x3xf32>) -> tensor<6xf32>
  return %2 : tensor<6xf32>
}
