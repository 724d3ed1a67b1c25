// RUN: smelt-opt --pass-pipeline="builtin.module(func.func(smelt-simplify))" %s | FileCheck %s
// RUN: smelt-eval %s --pipeline="func.func(smelt-simplify)" | FileCheck %s --check-prefix=SAME
// SAME-COUNT-11: : equal
// SAME-NOT: differs

// unsqueeze, squeeze: nothing.
// CHECK-LABEL: @reshapes
// CHECK-NEXT: return
func.func @reshapes(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = smelt.reshape %x : (tensor<2x3xf32>) -> tensor<1x2x3xf32>
  %1 = smelt.reshape %0 : (tensor<1x2x3xf32>) -> tensor<2x1x3xf32>
  %2 = smelt.reshape %1 : (tensor<2x1x3xf32>) -> tensor<2x3xf32>
  return %2 : tensor<2x3xf32>
}

// CHECK-LABEL: @transposes
// CHECK-NEXT: smelt.transpose %{{.*}} {perm = array<i64: 2, 0, 1>}
// CHECK-NEXT: return
func.func @transposes(%x: tensor<2x3x4xf32>) -> tensor<4x2x3xf32> {
  %0 = smelt.transpose %x {perm = array<i64: 1, 2, 0>} : (tensor<2x3x4xf32>) -> tensor<3x4x2xf32>
  %1 = smelt.transpose %0 {perm = array<i64: 1, 2, 0>} : (tensor<3x4x2xf32>) -> tensor<4x2x3xf32>
  return %1 : tensor<4x2x3xf32>
}

// A transpose of dims of size 1 is a reshape, which cancels another.
// CHECK-LABEL: @transpose_of_ones
// CHECK-NEXT: return
func.func @transpose_of_ones(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = smelt.reshape %x : (tensor<2x3xf32>) -> tensor<1x2x3xf32>
  %1 = smelt.transpose %0 {perm = array<i64: 1, 0, 2>} : (tensor<1x2x3xf32>) -> tensor<2x1x3xf32>
  %2 = smelt.reshape %1 : (tensor<2x1x3xf32>) -> tensor<2x3xf32>
  return %2 : tensor<2x3xf32>
}

// CHECK-LABEL: @matmul
// CHECK-NEXT: smelt.matmul %{{.*}} {transposeLhs = true, transposeRhs = true}
func.func @matmul(%x: tensor<5x3x2xf32>, %y: tensor<4x3xf32>) -> tensor<5x2x4xf32> {
  %0 = smelt.transpose %x {perm = array<i64: 0, 2, 1>} : (tensor<5x3x2xf32>) -> tensor<5x2x3xf32>
  %1 = smelt.transpose %y {perm = array<i64: 1, 0>} : (tensor<4x3xf32>) -> tensor<3x4xf32>
  %2 = smelt.matmul %0, %1 : (tensor<5x2x3xf32>, tensor<3x4xf32>) -> tensor<5x2x4xf32>
  return %2 : tensor<5x2x4xf32>
}

// CHECK-LABEL: @slices
// CHECK-NEXT: smelt.slice %{{.*}} {starts = #smelt.dims<() -> (5)>, steps = array<i64: -2>} : (tensor<10xf32>) -> tensor<2xf32>
func.func @slices(%x: tensor<10xf32>) -> tensor<2xf32> {
  %0 = smelt.slice %x {starts = #smelt.dims<() -> (1)>, steps = array<i64: 2>} : (tensor<10xf32>) -> tensor<4xf32>
  %1 = smelt.slice %0 {starts = #smelt.dims<() -> (2)>, steps = array<i64: -1>} : (tensor<4xf32>) -> tensor<2xf32>
  return %1 : tensor<2xf32>
}

// A slice within the second input, the whole first input, one across: it stays.
// CHECK-LABEL: @slice_of_concat
// CHECK-SAME: (%[[X:.*]]: tensor<2x3xf32>, %[[Y:.*]]: tensor<2x4xf32>)
func.func @slice_of_concat(%x: tensor<2x3xf32>, %y: tensor<2x4xf32>)
    -> (tensor<2x2xf32>, tensor<2x3xf32>, tensor<2x2xf32>) {
  // CHECK: %[[C:.*]] = smelt.concat
  // CHECK: %[[A:.*]] = smelt.slice %[[Y]] {starts = #smelt.dims<() -> (0, 1)>
  // CHECK: %[[B:.*]] = smelt.slice %[[C]]
  // CHECK: return %[[A]], %[[X]], %[[B]]
  %0 = smelt.concat %x, %y {axis = 1 : i64} : (tensor<2x3xf32>, tensor<2x4xf32>) -> tensor<2x7xf32>
  %1 = smelt.slice %0 {starts = #smelt.dims<() -> (0, 4)>, steps = array<i64: 1, 1>} : (tensor<2x7xf32>) -> tensor<2x2xf32>
  %2 = smelt.slice %0 {starts = #smelt.dims<() -> (0, 0)>, steps = array<i64: 1, 1>} : (tensor<2x7xf32>) -> tensor<2x3xf32>
  %3 = smelt.slice %0 {starts = #smelt.dims<() -> (0, 2)>, steps = array<i64: 1, 1>} : (tensor<2x7xf32>) -> tensor<2x2xf32>
  return %1, %2, %3 : tensor<2x2xf32>, tensor<2x3xf32>, tensor<2x2xf32>
}

// Split and concat in order is the tensor; swapped halves stay.
// CHECK-LABEL: @concat_of_slices
// CHECK-SAME: (%[[X:.*]]: tensor<6xf32>)
func.func @concat_of_slices(%x: tensor<6xf32>) -> (tensor<6xf32>, tensor<6xf32>) {
  // CHECK: %[[C:.*]] = smelt.concat
  // CHECK: return %[[X]], %[[C]]
  %0 = smelt.slice %x {starts = #smelt.dims<() -> (0)>, steps = array<i64: 1>} : (tensor<6xf32>) -> tensor<2xf32>
  %1 = smelt.slice %x {starts = #smelt.dims<() -> (2)>, steps = array<i64: 1>} : (tensor<6xf32>) -> tensor<4xf32>
  %2 = smelt.concat %0, %1 {axis = 0 : i64} : (tensor<2xf32>, tensor<4xf32>) -> tensor<6xf32>
  %3 = smelt.concat %1, %0 {axis = 0 : i64} : (tensor<4xf32>, tensor<2xf32>) -> tensor<6xf32>
  return %2, %3 : tensor<6xf32>, tensor<6xf32>
}

// Concats of concats are one; empty inputs go.
// CHECK-LABEL: @concats
// CHECK-NEXT: smelt.concat %{{.*}}, %{{.*}}, %{{.*}} {axis = 0 : i64}
// CHECK-NEXT: return
func.func @concats(%x: tensor<2xf32>, %y: tensor<3xf32>, %e: tensor<0xf32>) -> tensor<7xf32> {
  %0 = smelt.concat %x, %y {axis = 0 : i64} : (tensor<2xf32>, tensor<3xf32>) -> tensor<5xf32>
  %1 = smelt.concat %0, %e, %x {axis = 0 : i64} : (tensor<5xf32>, tensor<0xf32>, tensor<2xf32>) -> tensor<7xf32>
  return %1 : tensor<7xf32>
}

// One index, from the end; every second; and indices in no order, which stay.
// CHECK-LABEL: @gathers
func.func @gathers(%x: tensor<2x5xf32>) -> (tensor<2xf32>, tensor<2x2xf32>, tensor<2x3xf32>) {
  %last = smelt.constant(dense<-1> : tensor<i64>) : tensor<i64>
  %odd = smelt.constant(dense<[1, 3]> : tensor<2xi64>) : tensor<2xi64>
  %any = smelt.constant(dense<[0, 1, 3]> : tensor<3xi64>) : tensor<3xi64>
  // CHECK: smelt.slice %{{.*}} {starts = #smelt.dims<() -> (0, 4)>
  // CHECK-NEXT: smelt.reshape
  // CHECK-NEXT: smelt.slice %{{.*}} {starts = #smelt.dims<() -> (0, 1)>, steps = array<i64: 1, 2>}
  // CHECK-NEXT: smelt.gather
  %0 = smelt.gather %x, %last {axis = 1 : i64} : (tensor<2x5xf32>, tensor<i64>) -> tensor<2xf32>
  %1 = smelt.gather %x, %odd {axis = 1 : i64} : (tensor<2x5xf32>, tensor<2xi64>) -> tensor<2x2xf32>
  %2 = smelt.gather %x, %any {axis = 1 : i64} : (tensor<2x5xf32>, tensor<3xi64>) -> tensor<2x3xf32>
  return %0, %1, %2 : tensor<2xf32>, tensor<2x2xf32>, tensor<2x3xf32>
}

smelt.symbol 0 "N" [1, 64]

// CHECK-LABEL: @broadcasts
// CHECK-NEXT: smelt.broadcast %{{.*}} : (tensor<1xf32>) -> tensor<?x3xf32
// CHECK-NEXT: return
func.func @broadcasts(%x: tensor<1xf32>, %n: tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>)
    -> tensor<?x3xf32, #smelt.dims<()[s0] -> (s0, 3)>> {
  %0 = smelt.broadcast %x : (tensor<1xf32>) -> tensor<1x3xf32>
  %1 = smelt.tile %0 : (tensor<1x3xf32>) -> tensor<?x3xf32, #smelt.dims<()[s0] -> (s0, 3)>>
  return %1 : tensor<?x3xf32, #smelt.dims<()[s0] -> (s0, 3)>>
}

// CHECK-LABEL: @empty_pad
// CHECK-NOT: smelt.pad
func.func @empty_pad(%x: tensor<3xf32>) -> tensor<3xf32> {
  %v = smelt.constant(dense<7.0> : tensor<f32>) : tensor<f32>
  %0 = smelt.pad %x, %v {low = #smelt.dims<() -> (0)>, mode = 0 : i32} : (tensor<3xf32>, tensor<f32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
