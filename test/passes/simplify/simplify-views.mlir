// RUN: smelt-opt --pass-pipeline="builtin.module(func.func(smelt-simplify))" %s | FileCheck %s
// RUN: smelt-eval %s --pipeline="func.func(smelt-simplify)" | FileCheck %s --check-prefix=SAME
// SAME-COUNT-2: : equal
// SAME-NOT: differs

// The second half of a channel shuffle is every second channel.
// CHECK-LABEL: @shuffle
// CHECK-NEXT: smelt.slice %{{.*}} {starts = #smelt.dims<() -> (0, 1, 0, 0)>, steps = array<i64: 1, 2, 1, 1>} : (tensor<1x6x2x3xf32>) -> tensor<1x3x2x3xf32>
// CHECK-NEXT: return
func.func @shuffle(%x: tensor<1x6x2x3xf32>) -> tensor<1x3x2x3xf32> {
  %a = smelt.reshape %x : (tensor<1x6x2x3xf32>) -> tensor<3x2x6xf32>
  %b = smelt.transpose %a {perm = array<i64: 1, 0, 2>} : (tensor<3x2x6xf32>) -> tensor<2x3x6xf32>
  %c = smelt.reshape %b : (tensor<2x3x6xf32>) -> tensor<2x1x3x2x3xf32>
  %d = smelt.slice %c {starts = #smelt.dims<() -> (1, 0, 0, 0, 0)>, steps = array<i64: 1, 1, 1, 1, 1>} : (tensor<2x1x3x2x3xf32>) -> tensor<1x1x3x2x3xf32>
  %e = smelt.reshape %d : (tensor<1x1x3x2x3xf32>) -> tensor<1x3x2x3xf32>
  return %e : tensor<1x3x2x3xf32>
}

// Two channels of each group of three, in another order, are no slice.
// CHECK-LABEL: @no_slice
// CHECK: smelt.transpose
func.func @no_slice(%x: tensor<1x6x2x3xf32>) -> tensor<1x4x2x3xf32> {
  %a = smelt.reshape %x : (tensor<1x6x2x3xf32>) -> tensor<2x3x6xf32>
  %b = smelt.transpose %a {perm = array<i64: 1, 0, 2>} : (tensor<2x3x6xf32>) -> tensor<3x2x6xf32>
  %c = smelt.slice %b {starts = #smelt.dims<() -> (1, 0, 0)>, steps = array<i64: 1, 1, 1>} : (tensor<3x2x6xf32>) -> tensor<2x2x6xf32>
  %d = smelt.reshape %c : (tensor<2x2x6xf32>) -> tensor<1x4x2x3xf32>
  return %d : tensor<1x4x2x3xf32>
}
