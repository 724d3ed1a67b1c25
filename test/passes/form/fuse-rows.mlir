// RUN: smelt-opt --smelt-form-kernels --smelt-fuse-rows %s --verify-diagnostics=only-expected | FileCheck %s
// RUN: smelt-eval %s --fractions --pipeline="smelt-form-kernels,smelt-fuse-rows,smelt-fuse-kernels" --rtol=1e-6 --atol=1e-6 | FileCheck %s --check-prefix=SAME
// SAME-COUNT-4: : equal
// SAME-NOT: differs

// The exponential is read by the sum and by the division: one kernel of them, and
// one of what leads to it.
// CHECK-LABEL: @softmax
// CHECK: smelt.kernel
// CHECK: smelt.exp
// CHECK: smelt.reduce
// CHECK: smelt.div
// CHECK: smelt.yield
// CHECK-NOT: smelt.kernel
func.func @softmax(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %a = smelt.add %x, %y : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %m = smelt.reduce %a {kind = 2 : i32, axes = array<i64: 1>} : (tensor<4x8xf32>) -> tensor<4xf32>
  %k = smelt.reshape %m : (tensor<4xf32>) -> tensor<4x1xf32>
  %d = smelt.sub %a, %k : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  %e = smelt.exp %d : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %s = smelt.reduce %e {kind = 0 : i32, axes = array<i64: 1>} : (tensor<4x8xf32>) -> tensor<4xf32>
  %t = smelt.reshape %s : (tensor<4xf32>) -> tensor<4x1xf32>
  %r = smelt.div %e, %t : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return %r : tensor<4x8xf32>
}

// A residual that is wanted later stays a value of its own; the norm is one kernel.
// CHECK-LABEL: @norm
// CHECK: smelt.kernel
// CHECK: smelt.add
// CHECK: smelt.kernel
// CHECK: smelt.reduce
// CHECK: smelt.kernel
// CHECK: smelt.sub
// CHECK: smelt.reduce
// CHECK: smelt.div
// CHECK: smelt.kernel
// CHECK: smelt.add
func.func @norm(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %a = smelt.add %x, %y : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %m = smelt.reduce %a {kind = 0 : i32, axes = array<i64: 1>} : (tensor<4x8xf32>) -> tensor<4xf32>
  %k = smelt.reshape %m : (tensor<4xf32>) -> tensor<4x1xf32>
  %d = smelt.sub %a, %k : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  %q = smelt.mul %d, %d : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %s = smelt.reduce %q {kind = 0 : i32, axes = array<i64: 1>} : (tensor<4x8xf32>) -> tensor<4xf32>
  %t = smelt.reshape %s : (tensor<4xf32>) -> tensor<4x1xf32>
  %n = smelt.div %d, %t : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  %r = smelt.add %n, %a : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %r, %a : tensor<4x8xf32>, tensor<4x8xf32>
}

// A bias behind a product stays with it.
// CHECK-LABEL: @behind_a_product
// CHECK-COUNT-4: smelt.kernel
func.func @behind_a_product(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>, %b: tensor<8xf32>) -> tensor<4x8xf32> {
  %p = smelt.matmul %x, %w : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %a = smelt.add %p, %b : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
  %e = smelt.tanh %a : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %f = smelt.mul %e, %a : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %f : tensor<4x8xf32>
}

// A product on one of the ways: no rows.
// CHECK-LABEL: @product
// CHECK-COUNT-3: smelt.kernel
func.func @product(%x: tensor<4x4xf32>, %w: tensor<4x4xf32>) -> tensor<4x4xf32> {
  // expected-remark@+1 {{rows refused: neg and 2 ops to add: the target would compute them as matmul}}
  %a = smelt.neg %x : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %p = smelt.matmul %a, %w : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %r = smelt.add %p, %a : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %r : tensor<4x4xf32>
}
