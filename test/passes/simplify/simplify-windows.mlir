// RUN: smelt-opt --pass-pipeline="builtin.module(func.func(smelt-simplify))" %s | FileCheck %s
// RUN: smelt-eval %s --pipeline="func.func(smelt-simplify)" | FileCheck %s --check-prefix=SAME
// SAME-COUNT-4: : equal
// SAME-NOT: differs

smelt.symbol 0 "H" [1, 64]

// Zeros around spatial dims join the convolution's pads, symbolic sizes too.
// CHECK-LABEL: @conv
func.func @conv(%x: tensor<1x2x?x4xf32, #smelt.dims<()[s0] -> (1, 2, s0, 4)>>, %w: tensor<3x2x2x2xf32>)
    -> tensor<1x3x?x5xf32, #smelt.dims<()[s0] -> (1, 3, s0 + 2, 5)>> {
  %z = smelt.constant(dense<0.0> : tensor<f32>) : tensor<f32>
  // CHECK-NOT: smelt.pad
  // CHECK: smelt.conv {{.*}}pads = #smelt.dims<() -> (1, 0, 2, 2)>
  %0 = smelt.pad %x, %z {low = #smelt.dims<() -> (0, 0, 1, 0)>, mode = 0 : i32}
      : (tensor<1x2x?x4xf32, #smelt.dims<()[s0] -> (1, 2, s0, 4)>>, tensor<f32>) -> tensor<1x2x?x5xf32, #smelt.dims<()[s0] -> (1, 2, s0 + 3, 5)>>
  %1 = smelt.conv %0, %w {strides = array<i64: 1, 1>, pads = #smelt.dims<() -> (0, 0, 0, 1)>, dilations = array<i64: 1, 1>, groups = 1 : i64}
      : (tensor<1x2x?x5xf32, #smelt.dims<()[s0] -> (1, 2, s0 + 3, 5)>>, tensor<3x2x2x2xf32>)
      -> tensor<1x3x?x5xf32, #smelt.dims<()[s0] -> (1, 3, s0 + 2, 5)>>
  return %1 : tensor<1x3x?x5xf32, #smelt.dims<()[s0] -> (1, 3, s0 + 2, 5)>>
}

// Ones are not what a convolution takes outside.
// CHECK-LABEL: @conv_ones
// CHECK: smelt.pad
func.func @conv_ones(%x: tensor<1x1x3xf32>, %w: tensor<1x1x2xf32>) -> tensor<1x1x4xf32> {
  %z = smelt.constant(dense<1.0> : tensor<f32>) : tensor<f32>
  %0 = smelt.pad %x, %z {low = #smelt.dims<() -> (0, 0, 1)>, mode = 0 : i32} : (tensor<1x1x3xf32>, tensor<f32>) -> tensor<1x1x5xf32>
  %1 = smelt.conv %0, %w {strides = array<i64: 1>, pads = #smelt.dims<() -> (0, 0)>, dilations = array<i64: 1>, groups = 1 : i64}
      : (tensor<1x1x5xf32>, tensor<1x1x2xf32>) -> tensor<1x1x4xf32>
  return %1 : tensor<1x1x4xf32>
}

// A maximum takes -inf outside; zeros may win it.
// CHECK-LABEL: @max_pool
func.func @max_pool(%x: tensor<1x2x3xf32>) -> (tensor<1x2x2xf32>, tensor<1x2x2xf32>) {
  %low = smelt.constant(dense<0xFF800000> : tensor<f32>) : tensor<f32>
  %zero = smelt.constant(dense<0.0> : tensor<f32>) : tensor<f32>
  // CHECK: smelt.pool %{{.*}} {{{.*}}pads = #smelt.dims<() -> (1, 0)>{{.*}} : (tensor<1x2x3xf32>)
  %0 = smelt.pad %x, %low {low = #smelt.dims<() -> (0, 0, 1)>, mode = 0 : i32} : (tensor<1x2x3xf32>, tensor<f32>) -> tensor<1x2x4xf32>
  %1 = smelt.pool %0 {kind = 0 : i32, kernel = array<i64: 2>, strides = array<i64: 2>, pads = #smelt.dims<() -> (0, 0)>, dilations = array<i64: 1>}
      : (tensor<1x2x4xf32>) -> tensor<1x2x2xf32>
  // CHECK: smelt.pad
  %2 = smelt.pad %x, %zero {low = #smelt.dims<() -> (0, 0, 1)>, mode = 0 : i32} : (tensor<1x2x3xf32>, tensor<f32>) -> tensor<1x2x4xf32>
  %3 = smelt.pool %2 {kind = 0 : i32, kernel = array<i64: 2>, strides = array<i64: 2>, pads = #smelt.dims<() -> (0, 0)>, dilations = array<i64: 1>}
      : (tensor<1x2x4xf32>) -> tensor<1x2x2xf32>
  return %1, %3 : tensor<1x2x2xf32>, tensor<1x2x2xf32>
}

// An average that counts padded zeros; with pads of its own it stays.
// CHECK-LABEL: @avg_pool
func.func @avg_pool(%x: tensor<1x2x3xf32>) -> (tensor<1x2x2xf32>, tensor<1x2x3xf32>) {
  %zero = smelt.constant(dense<0.0> : tensor<f32>) : tensor<f32>
  // CHECK: smelt.pad
  // CHECK: smelt.pool %{{.*}} {{{.*}}kind = 2 : i32{{.*}}pads = #smelt.dims<() -> (1, 0)>{{.*}} : (tensor<1x2x3xf32>)
  %0 = smelt.pad %x, %zero {low = #smelt.dims<() -> (0, 0, 1)>, mode = 0 : i32} : (tensor<1x2x3xf32>, tensor<f32>) -> tensor<1x2x4xf32>
  %1 = smelt.pool %0 {kind = 1 : i32, kernel = array<i64: 2>, strides = array<i64: 2>, pads = #smelt.dims<() -> (0, 0)>, dilations = array<i64: 1>}
      : (tensor<1x2x4xf32>) -> tensor<1x2x2xf32>
  %2 = smelt.pool %0 {kind = 1 : i32, kernel = array<i64: 2>, strides = array<i64: 2>, pads = #smelt.dims<() -> (1, 1)>, dilations = array<i64: 1>}
      : (tensor<1x2x4xf32>) -> tensor<1x2x3xf32>
  return %1, %2 : tensor<1x2x2xf32>, tensor<1x2x3xf32>
}
