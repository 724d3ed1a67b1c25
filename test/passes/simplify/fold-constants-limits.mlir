// The totals: bytes of all results and work of one op.
// RUN: smelt-opt --smelt-fold-constants="total-limit=64 work-limit=100" --verify-diagnostics %s | FileCheck %s

// CHECK-LABEL: @total
func.func @total() -> (tensor<10xf32>, tensor<10xf32>) {
  // CHECK: smelt.constant(dense<[0.000000e+00, 1.000000e+00
  %0 = smelt.iota {axis = 0 : i64} : () -> tensor<10xf32>
  // expected-remark @+2 {{left unfolded: 40 bytes more than the 40 folded so far pass the limit of 64}}
  // CHECK: smelt.neg
  %1 = smelt.neg %0 : (tensor<10xf32>) -> tensor<10xf32>
  return %0, %1 : tensor<10xf32>, tensor<10xf32>
}

// CHECK-LABEL: @work
func.func @work() -> tensor<1x1xf32> {
  %0 = smelt.constant(dense<1.0> : tensor<1x200xf32>) : tensor<1x200xf32>
  // expected-remark @+2 {{left unfolded: 200 multiplications, the limit of one op is 100}}
  // CHECK: smelt.matmul
  %1 = smelt.matmul %0, %0 {transposeRhs = true} : (tensor<1x200xf32>, tensor<1x200xf32>) -> tensor<1x1xf32>
  return %1 : tensor<1x1xf32>
}
