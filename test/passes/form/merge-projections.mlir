// RUN: smelt-opt --smelt-form-attention --smelt-merge-projections %s --verify-diagnostics=only-expected | FileCheck %s
// RUN: smelt-eval %s --fractions --pipeline="smelt-form-attention,smelt-merge-projections,smelt-form-kernels,smelt-fuse-kernels" --rtol=1e-5 --atol=1e-6 | FileCheck %s --check-prefix=SAME
// SAME-COUNT-2: : equal
// SAME-NOT: differs

// Three products of one value become one, with their weights side by side.
// CHECK-LABEL: @self
// CHECK: dense<{{\[\[}}1.000000e+00, 2.000000e+00, 5.000000e+00, 6.000000e+00, 9.000000e+00, 8.000000e+00], [3.000000e+00, 4.000000e+00, 7.000000e+00, 8.000000e+00, 7.000000e+00, 6.000000e+00]]>
// CHECK-COUNT-1: smelt.matmul
// CHECK-NOT: smelt.matmul
// CHECK: smelt.add
// CHECK: smelt.kernel
// CHECK: smelt.slice {{.*}} (0, 0)
// CHECK: smelt.slice {{.*}} (0, 2)
// CHECK: smelt.slice {{.*}} (0, 4)
func.func @self(%x: tensor<5x2xf32>) -> tensor<5x2xf32> {
  %wq = smelt.constant(dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>) : tensor<2x2xf32>
  %wk = smelt.constant(dense<[[5.0, 6.0], [7.0, 8.0]]> : tensor<2x2xf32>) : tensor<2x2xf32>
  %wv = smelt.constant(dense<[[9.0, 8.0], [7.0, 6.0]]> : tensor<2x2xf32>) : tensor<2x2xf32>
  %b = smelt.constant(dense<[0.5, 0.25]> : tensor<2xf32>) : tensor<2xf32>
  %q0 = smelt.matmul %x, %wq : (tensor<5x2xf32>, tensor<2x2xf32>) -> tensor<5x2xf32>
  %k0 = smelt.matmul %x, %wk : (tensor<5x2xf32>, tensor<2x2xf32>) -> tensor<5x2xf32>
  %v0 = smelt.matmul %x, %wv : (tensor<5x2xf32>, tensor<2x2xf32>) -> tensor<5x2xf32>
  %q = smelt.add %q0, %b : (tensor<5x2xf32>, tensor<2xf32>) -> tensor<5x2xf32>
  %k = smelt.add %b, %k0 : (tensor<2xf32>, tensor<5x2xf32>) -> tensor<5x2xf32>
  %v = smelt.add %v0, %b : (tensor<5x2xf32>, tensor<2xf32>) -> tensor<5x2xf32>
  %s = smelt.matmul %q, %k {transposeRhs = true} : (tensor<5x2xf32>, tensor<5x2xf32>) -> tensor<5x5xf32>
  %r = smelt.reduce %s {kind = 2 : i32, axes = array<i64: 1>} : (tensor<5x5xf32>) -> tensor<5xf32>
  %r1 = smelt.reshape %r : (tensor<5xf32>) -> tensor<5x1xf32>
  %d = smelt.sub %s, %r1 : (tensor<5x5xf32>, tensor<5x1xf32>) -> tensor<5x5xf32>
  %e = smelt.exp %d : (tensor<5x5xf32>) -> tensor<5x5xf32>
  %t = smelt.reduce %e {kind = 0 : i32, axes = array<i64: 1>} : (tensor<5x5xf32>) -> tensor<5xf32>
  %t1 = smelt.reshape %t : (tensor<5xf32>) -> tensor<5x1xf32>
  %p = smelt.div %e, %t1 : (tensor<5x5xf32>, tensor<5x1xf32>) -> tensor<5x5xf32>
  %o = smelt.matmul %p, %v : (tensor<5x5xf32>, tensor<5x2xf32>) -> tensor<5x2xf32>
  return %o : tensor<5x2xf32>
}

// Queries of one value, keys and values of another: two products.
// CHECK-LABEL: @cross
// CHECK-COUNT-2: smelt.matmul
// CHECK-NEXT: smelt.kernel
func.func @cross(%x: tensor<5x2xf32>, %y: tensor<7x2xf32>) -> tensor<5x2xf32> {
  %wq = smelt.constant(dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>) : tensor<2x2xf32>
  %wk = smelt.constant(dense<[[0.5, 0.25], [0.75, 1.5]]> : tensor<2x2xf32>) : tensor<2x2xf32>
  %wv = smelt.constant(dense<[[9.0, 8.0], [7.0, 6.0]]> : tensor<2x2xf32>) : tensor<2x2xf32>
  %q = smelt.matmul %x, %wq : (tensor<5x2xf32>, tensor<2x2xf32>) -> tensor<5x2xf32>
  %k = smelt.matmul %y, %wk : (tensor<7x2xf32>, tensor<2x2xf32>) -> tensor<7x2xf32>
  %v = smelt.matmul %y, %wv : (tensor<7x2xf32>, tensor<2x2xf32>) -> tensor<7x2xf32>
  %s = smelt.matmul %q, %k {transposeRhs = true} : (tensor<5x2xf32>, tensor<7x2xf32>) -> tensor<5x7xf32>
  %r = smelt.reduce %s {kind = 2 : i32, axes = array<i64: 1>} : (tensor<5x7xf32>) -> tensor<5xf32>
  %r1 = smelt.reshape %r : (tensor<5xf32>) -> tensor<5x1xf32>
  %d = smelt.sub %s, %r1 : (tensor<5x7xf32>, tensor<5x1xf32>) -> tensor<5x7xf32>
  %e = smelt.exp %d : (tensor<5x7xf32>) -> tensor<5x7xf32>
  %t = smelt.reduce %e {kind = 0 : i32, axes = array<i64: 1>} : (tensor<5x7xf32>) -> tensor<5xf32>
  %t1 = smelt.reshape %t : (tensor<5xf32>) -> tensor<5x1xf32>
  %p = smelt.div %e, %t1 : (tensor<5x7xf32>, tensor<5x1xf32>) -> tensor<5x7xf32>
  %o = smelt.matmul %p, %v : (tensor<5x7xf32>, tensor<7x2xf32>) -> tensor<5x2xf32>
  return %o : tensor<5x2xf32>
}
