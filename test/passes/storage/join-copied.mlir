// RUN: smelt-opt --smelt-form-kernels --smelt-schedule-kernels --smelt-pad-in-place --smelt-join-in-place %s | FileCheck %s

// A scatter cannot write rows that lie apart, so it is copied; the copy stands
// before the concatenation that was made with it in place.
// CHECK-LABEL: @scattered
// CHECK: smelt.scatter_elements
// CHECK: %[[COPY:.*]] = smelt.kernel "pad"(%
// CHECK: smelt.concat %[[COPY]]
func.func @scattered(%x: tensor<16xf32>, %i: tensor<4xi64>, %u: tensor<4xf32>) -> tensor<1x1x5x5xf32> {
  %s = smelt.scatter_elements %x, %i, %u {axis = 0 : i64} : (tensor<16xf32>, tensor<4xi64>, tensor<4xf32>) -> tensor<16xf32>
  %r = smelt.reshape %s : (tensor<16xf32>) -> tensor<1x1x4x4xf32>
  %z = smelt.constant(dense<0.0> : tensor<f32>) : tensor<f32>
  %p = smelt.pad %r, %z {low = #smelt.dims<() -> (0, 0, 0, 0)>, mode = 0 : i32} : (tensor<1x1x4x4xf32>, tensor<f32>) -> tensor<1x1x5x5xf32>
  return %p : tensor<1x1x5x5xf32>
}
