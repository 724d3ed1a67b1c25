// RUN: smelt-opt --smelt-form-kernels --smelt-fuse-kernels %s --verify-diagnostics=only-expected | FileCheck %s
// RUN: smelt-eval %s --pipeline="smelt-form-kernels,smelt-fuse-kernels" | FileCheck %s --check-prefix=SAME
// SAME-COUNT-5: : equal
// SAME-NOT: differs

// A contraction takes what follows it elementwise.
// CHECK-LABEL: @epilogue
// CHECK-COUNT-1: smelt.kernel
// CHECK-NOT: smelt.kernel
func.func @epilogue(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>, %b: tensor<16xf32>) -> tensor<4x16xf32> {
  %z = smelt.constant(dense<0.0> : tensor<f32>) : tensor<f32>
  %m = smelt.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %a = smelt.add %m, %b : (tensor<4x16xf32>, tensor<16xf32>) -> tensor<4x16xf32>
  %r = smelt.max %a, %z : (tensor<4x16xf32>, tensor<f32>) -> tensor<4x16xf32>
  return %r : tensor<4x16xf32>
}

// Softmax is one kernel, the reshapes of its reductions included.
// CHECK-LABEL: @softmax
// CHECK-COUNT-1: smelt.kernel
// CHECK-NOT: smelt.kernel
func.func @softmax(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %m = smelt.reduce %x {kind = 2 : i32, axes = array<i64: 1>} : (tensor<4x8xf32>) -> tensor<4xf32>
  %k = smelt.reshape %m : (tensor<4xf32>) -> tensor<4x1xf32>
  %d = smelt.sub %x, %k : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  %e = smelt.exp %d : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %s = smelt.reduce %e {kind = 0 : i32, axes = array<i64: 1>} : (tensor<4x8xf32>) -> tensor<4xf32>
  %t = smelt.reshape %s : (tensor<4xf32>) -> tensor<4x1xf32>
  %r = smelt.div %e, %t : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return %r : tensor<4x8xf32>
}

// Two contractions stay apart: the first would be computed again and again.
// CHECK-LABEL: @two_products
// CHECK-COUNT-2: smelt.kernel
func.func @two_products(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>, %v: tensor<16x2xf32>) -> tensor<4x2xf32> {
  %m = smelt.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %n = smelt.matmul %m, %v : (tensor<4x16xf32>, tensor<16x2xf32>) -> tensor<4x2xf32>
  return %n : tensor<4x2xf32>
}

// A product whose sum with a residual is normed by rows and read again: one kernel with both as results.
// CHECK-LABEL: @residual
// CHECK: smelt.kernel {{.*}}
// CHECK: smelt.yield %{{.*}}, %{{.*}} :
// CHECK: smelt.kernel
// CHECK-NOT: smelt.kernel
func.func @residual(%x: tensor<40x8xf32>, %w: tensor<8x16xf32>, %r: tensor<40x16xf32>, %v: tensor<16x24xf32>) -> (tensor<40x24xf32>, tensor<40x16xf32>) {
  %c = smelt.matmul %x, %w : (tensor<40x8xf32>, tensor<8x16xf32>) -> tensor<40x16xf32>
  %a = smelt.add %c, %r : (tensor<40x16xf32>, tensor<40x16xf32>) -> tensor<40x16xf32>
  %m = smelt.reduce %a {kind = 2 : i32, axes = array<i64: 1>} : (tensor<40x16xf32>) -> tensor<40xf32>
  %k = smelt.reshape %m : (tensor<40xf32>) -> tensor<40x1xf32>
  %d = smelt.sub %a, %k : (tensor<40x16xf32>, tensor<40x1xf32>) -> tensor<40x16xf32>
  %p = smelt.matmul %d, %v : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
  return %p, %a : tensor<40x24xf32>, tensor<40x16xf32>
}

// Weights that one thread would read too long stay apart from the norm.
// CHECK-LABEL: @large_weights
// CHECK-COUNT-2: smelt.kernel
func.func @large_weights(%x: tensor<4x512xf32>, %w: tensor<512x512xf32>) -> tensor<4x512xf32> {
  %c = smelt.matmul %x, %w : (tensor<4x512xf32>, tensor<512x512xf32>) -> tensor<4x512xf32>
  %m = smelt.reduce %c {kind = 2 : i32, axes = array<i64: 1>} : (tensor<4x512xf32>) -> tensor<4xf32>
  %k = smelt.reshape %m : (tensor<4xf32>) -> tensor<4x1xf32>
  %d = smelt.sub %c, %k : (tensor<4x512xf32>, tensor<4x1xf32>) -> tensor<4x512xf32>
  return %d : tensor<4x512xf32>
}
