// RUN: smelt-opt --smelt-form-kernels --smelt-schedule-kernels %s | FileCheck %s

// The family, its parameters, and the grid over the module's symbols.
// CHECK-LABEL: @relu
smelt.symbol 0 "n" [0, 1000]
func.func @relu(%x: tensor<?x64xf32, #smelt.dims<()[s0] -> (s0, 64)>>) -> tensor<?x64xf32, #smelt.dims<()[s0] -> (s0, 64)>> {
  %z = smelt.constant(dense<0.0> : tensor<f32>) : tensor<f32>
  // CHECK: smelt.kernel "max"{{.*}} schedule <"map", {{.*}}grid = #smelt.dims<()[s0] ->
  %r = smelt.max %x, %z : (tensor<?x64xf32, #smelt.dims<()[s0] -> (s0, 64)>>, tensor<f32>) -> tensor<?x64xf32, #smelt.dims<()[s0] -> (s0, 64)>>
  return %r : tensor<?x64xf32, #smelt.dims<()[s0] -> (s0, 64)>>
}
