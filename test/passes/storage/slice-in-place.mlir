// RUN: smelt-opt --smelt-form-kernels --smelt-schedule-kernels --smelt-slice-in-place %s --verify-diagnostics=only-expected | FileCheck %s
// RUN: smelt-eval %s --pipeline="smelt-form-kernels,smelt-schedule-kernels,smelt-slice-in-place" | FileCheck %s --check-prefix=SAME
// SAME-COUNT-3: : equal
// SAME-NOT: differs

// A 1x1 convolution reads every second channel where it lies.
// CHECK-LABEL: @channels
// CHECK-NOT: smelt.kernel "slice"
// CHECK: smelt.slice %arg0
// CHECK: smelt.kernel "conv"{{.*}} strides [#smelt.dims<() -> (144, 36, 12, 2)>
func.func @channels(%x: tensor<1x4x3x12xf32>) -> tensor<1x4x3x4xf32> {
  %w = smelt.constant(dense<0.5> : tensor<4x6x1x1xf32>) : tensor<4x6x1x1xf32>
  %s = smelt.slice %x {starts = #smelt.dims<() -> (0, 0, 0, 1)>, steps = array<i64: 1, 1, 1, 2>} : (tensor<1x4x3x12xf32>) -> tensor<1x4x3x6xf32>
  %c = smelt.conv %s, %w {channelsLast = true, dilations = array<i64: 1, 1>, groups = 1 : i64, pads = #smelt.dims<() -> (0, 0, 0, 0)>, strides = array<i64: 1, 1>} : (tensor<1x4x3x6xf32>, tensor<4x6x1x1xf32>) -> tensor<1x4x3x4xf32>
  return %c : tensor<1x4x3x4xf32>
}

// A pool takes no gaps between channels.
// CHECK-LABEL: @pool
// CHECK: smelt.kernel "slice"
func.func @pool(%x: tensor<1x4x4x12xf32>) -> tensor<1x2x2x6xf32> {
  %s = smelt.slice %x {starts = #smelt.dims<() -> (0, 0, 0, 1)>, steps = array<i64: 1, 1, 1, 2>} : (tensor<1x4x4x12xf32>) -> tensor<1x4x4x6xf32>
  %p = smelt.pool %s {channelsLast = true, dilations = array<i64: 1, 1>, kernel = array<i64: 2, 2>, kind = 0 : i32, pads = #smelt.dims<() -> (0, 0, 0, 0)>, strides = array<i64: 2, 2>} : (tensor<1x4x4x6xf32>) -> tensor<1x2x2x6xf32>
  return %p : tensor<1x2x2x6xf32>
}

// What the function returns lies by itself.
// CHECK-LABEL: @returned
// CHECK: smelt.kernel "slice"
func.func @returned(%x: tensor<4x12xf32>) -> tensor<4x6xf32> {
  %s = smelt.slice %x {starts = #smelt.dims<() -> (0, 0)>, steps = array<i64: 1, 2>} : (tensor<4x12xf32>) -> tensor<4x6xf32>
  return %s : tensor<4x6xf32>
}
