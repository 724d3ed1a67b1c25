// RUN: smelt-opt --smelt-form-kernels %s | FileCheck %s

// Every device op gets a kernel; splats go inside, other constants are operands.
// CHECK-LABEL: @chain
func.func @chain(%x: tensor<2x3xf32>) -> tensor<6xf32> {
  // CHECK: %[[W:.*]] = smelt.constant
  %w = smelt.constant(dense<[1.0, 2.0, 3.0]> : tensor<3xf32>) : tensor<3xf32>
  %z = smelt.constant(dense<0.0> : tensor<f32>) : tensor<f32>
  // CHECK: %[[A:.*]] = smelt.kernel "add"(%{{.*}}, %[[W]])
  // CHECK: smelt.add
  %a = smelt.add %x, %w : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  // CHECK: %[[B:.*]] = smelt.kernel "max"(%[[A]])
  // CHECK: smelt.constant
  // CHECK: smelt.max
  %b = smelt.max %a, %z : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32>
  // A reshape is a view and stays outside.
  // CHECK: %[[R:.*]] = smelt.reshape %[[B]]
  // CHECK: return %[[R]]
  %r = smelt.reshape %b : (tensor<2x3xf32>) -> tensor<6xf32>
  return %r : tensor<6xf32>
}
