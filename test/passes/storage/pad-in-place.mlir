// RUN: smelt-opt --smelt-form-kernels --smelt-schedule-kernels --smelt-pad-in-place --smelt-join-in-place %s --verify-diagnostics=only-expected | FileCheck %s
// RUN: smelt-eval %s --pipeline="smelt-form-kernels,smelt-schedule-kernels,smelt-pad-in-place,smelt-join-in-place" | FileCheck %s --check-prefix=SAME
// SAME-COUNT-3: : equal
// SAME-NOT: differs

// The product writes the interior; four kernels fill the borders.
// CHECK-LABEL: @interior
// CHECK: smelt.kernel "matmul"{{.*}} strides [{{.*}}, #smelt.dims<() -> (19, 1)>]
// CHECK-COUNT-4: smelt.broadcast
// CHECK-NOT: smelt.pad
func.func @interior(%x: tensor<8x8xf32>, %w: tensor<8x16xf32>) -> tensor<11x19xf32> {
  %z = smelt.constant(dense<1.5> : tensor<f32>) : tensor<f32>
  %a = smelt.matmul %x, %w : (tensor<8x8xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  %p = smelt.pad %a, %z {low = #smelt.dims<() -> (1, 2)>, mode = 0 : i32} : (tensor<8x16xf32>, tensor<f32>) -> tensor<11x19xf32>
  return %p : tensor<11x19xf32>
}

// An input cannot lie inside of another buffer.
// CHECK-LABEL: @input
// CHECK: smelt.pad
func.func @input(%x: tensor<4x8xf32>) -> tensor<6x8xf32> {
  %z = smelt.constant(dense<0.0> : tensor<f32>) : tensor<f32>
  %p = smelt.pad %x, %z {low = #smelt.dims<() -> (1, 0)>, mode = 0 : i32} : (tensor<4x8xf32>, tensor<f32>) -> tensor<6x8xf32>
  return %p : tensor<6x8xf32>
}

// A mirrored border follows from the interior.
// CHECK-LABEL: @mirrored
// CHECK: smelt.pad
func.func @mirrored(%x: tensor<4x8xf32>) -> tensor<6x8xf32> {
  %z = smelt.constant(dense<0.0> : tensor<f32>) : tensor<f32>
  %e = smelt.exp %x : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %p = smelt.pad %e, %z {low = #smelt.dims<() -> (1, 0)>, mode = 1 : i32} : (tensor<4x8xf32>, tensor<f32>) -> tensor<6x8xf32>
  return %p : tensor<6x8xf32>
}
