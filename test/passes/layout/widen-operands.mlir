// RUN: smelt-opt --smelt-widen-operands %s | FileCheck %s
// RUN: smelt-eval %s --pipeline="smelt-widen-operands" | FileCheck %s --check-prefix=SAME
// SAME-COUNT-3: : equal
// SAME-NOT: differs

// One wide value for both convolutions; the other reader rounds it again. The
// weights stay as they are.
// CHECK-LABEL: @shared
// CHECK: %[[R:.*]] = smelt.max
// CHECK: %[[W:.*]] = smelt.cast %[[R]] : (tensor<1x2x5x4xf16>) -> tensor<1x2x5x4xf32>
// CHECK: smelt.conv %[[W]], %{{.*}} : (tensor<1x2x5x4xf32>, tensor<3x2x1x1xf16>) -> tensor<1x3x5x4xf16>
// CHECK: smelt.conv %[[W]], %{{.*}} : (tensor<1x2x5x4xf32>, tensor<2x2x1x1xf16>) -> tensor<1x2x5x4xf16>
// CHECK: %[[N:.*]] = smelt.cast %[[W]] : (tensor<1x2x5x4xf32>) -> tensor<1x2x5x4xf16>
// CHECK: smelt.add %{{.*}}, %[[N]]
// CHECK-NOT: smelt.cast
func.func @shared(%x: tensor<1x2x5x4xf16>, %w: tensor<3x2x1x1xf16>, %v: tensor<2x2x1x1xf16>) -> (tensor<1x3x5x4xf16>, tensor<1x2x5x4xf16>) {
  %z = smelt.constant(dense<0.0> : tensor<f16>) : tensor<f16>
  %r = smelt.max %x, %z : (tensor<1x2x5x4xf16>, tensor<f16>) -> tensor<1x2x5x4xf16>
  %a = smelt.conv %r, %w {strides = array<i64: 1, 1>, pads = #smelt.dims<() -> (0, 0, 0, 0)>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x2x5x4xf16>, tensor<3x2x1x1xf16>) -> tensor<1x3x5x4xf16>
  %b = smelt.conv %r, %v {strides = array<i64: 1, 1>, pads = #smelt.dims<() -> (0, 0, 0, 0)>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x2x5x4xf16>, tensor<2x2x1x1xf16>) -> tensor<1x2x5x4xf16>
  %s = smelt.add %b, %r : (tensor<1x2x5x4xf16>, tensor<1x2x5x4xf16>) -> tensor<1x2x5x4xf16>
  return %a, %s : tensor<1x3x5x4xf16>, tensor<1x2x5x4xf16>
}

// Depthwise convolutions read whole vectors; f32 stays.
// CHECK-LABEL: @left_alone
// CHECK-NOT: smelt.cast
func.func @left_alone(%x: tensor<1x2x5x4xf16>, %w: tensor<2x1x1x1xf16>, %a: tensor<3x4xf32>, %b: tensor<4x5xf32>) -> (tensor<1x2x5x4xf16>, tensor<3x5xf32>) {
  %c = smelt.conv %x, %w {strides = array<i64: 1, 1>, pads = #smelt.dims<() -> (0, 0, 0, 0)>, dilations = array<i64: 1, 1>, groups = 2 : i64} : (tensor<1x2x5x4xf16>, tensor<2x1x1x1xf16>) -> tensor<1x2x5x4xf16>
  %d = smelt.matmul %a, %b : (tensor<3x4xf32>, tensor<4x5xf32>) -> tensor<3x5xf32>
  return %c, %d : tensor<1x2x5x4xf16>, tensor<3x5xf32>
}

// Constant weights are widened in the kernel, panel by panel, not in the file.
// CHECK-LABEL: @weights
// CHECK: %[[X:.*]] = smelt.cast
// CHECK: %[[W:.*]] = smelt.cast %{{.*}} : (tensor<3x2x1x1xf16>) -> tensor<3x2x1x1xf32>
// CHECK: smelt.conv %[[X]], %[[W]]
func.func @weights(%x: tensor<1x2x5x4xf16>) -> tensor<1x3x5x4xf16> {
  %w = smelt.constant(dense<[[[[1.0]], [[2.0]]], [[[-1.0]], [[3.0]]], [[[0.5]], [[0.0]]]]> : tensor<3x2x1x1xf16>) : tensor<3x2x1x1xf16>
  %a = smelt.conv %x, %w {strides = array<i64: 1, 1>, pads = #smelt.dims<() -> (0, 0, 0, 0)>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x2x5x4xf16>, tensor<3x2x1x1xf16>) -> tensor<1x3x5x4xf16>
  return %a : tensor<1x3x5x4xf16>
}
