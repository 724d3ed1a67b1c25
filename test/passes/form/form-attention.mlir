// RUN: smelt-opt --smelt-form-attention %s --verify-diagnostics=only-expected | FileCheck %s
// RUN: smelt-eval %s --fractions --pipeline="smelt-form-attention,smelt-form-kernels,smelt-fuse-kernels" --rtol=1e-5 --atol=1e-6 | FileCheck %s --check-prefix=SAME
// SAME-COUNT-5: : equal
// SAME-NOT: differs

// Softmax between two products, with the heads' reshapes and transposes around
// them: one kernel. The mask is computed once, outside.
// CHECK-LABEL: @heads
// CHECK: smelt.mul
// CHECK: smelt.kernel
// CHECK: smelt.slice
// CHECK-NEXT: smelt.reshape
// CHECK-COUNT-3: smelt.transpose
// CHECK: smelt.matmul
// CHECK: smelt.matmul
// CHECK-NEXT: smelt.transpose
// CHECK-NEXT: smelt.yield
// CHECK: smelt.reshape
// CHECK-NEXT: return
func.func @heads(%q: tensor<2x5x8xf32>, %k: tensor<2x7x8xf32>, %v: tensor<2x7x8xf32>, %m: tensor<2x1x1x7xf32>, %f: tensor<f32>) -> tensor<2x5x8xf32> {
  %mask = smelt.mul %m, %f : (tensor<2x1x1x7xf32>, tensor<f32>) -> tensor<2x1x1x7xf32>
  %ks = smelt.slice %k {starts = #smelt.dims<() -> (0, 0, 0)>, steps = array<i64: 1, 1, 1>} : (tensor<2x7x8xf32>) -> tensor<2x7x8xf32>
  %q4 = smelt.reshape %q : (tensor<2x5x8xf32>) -> tensor<2x5x2x4xf32>
  %k4 = smelt.reshape %ks : (tensor<2x7x8xf32>) -> tensor<2x7x2x4xf32>
  %v4 = smelt.reshape %v : (tensor<2x7x8xf32>) -> tensor<2x7x2x4xf32>
  %qt = smelt.transpose %q4 {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x5x2x4xf32>) -> tensor<2x2x5x4xf32>
  %kt = smelt.transpose %k4 {perm = array<i64: 0, 2, 3, 1>} : (tensor<2x7x2x4xf32>) -> tensor<2x2x4x7xf32>
  %vt = smelt.transpose %v4 {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x7x2x4xf32>) -> tensor<2x2x7x4xf32>
  %s = smelt.matmul %qt, %kt : (tensor<2x2x5x4xf32>, tensor<2x2x4x7xf32>) -> tensor<2x2x5x7xf32>
  %a = smelt.add %s, %mask : (tensor<2x2x5x7xf32>, tensor<2x1x1x7xf32>) -> tensor<2x2x5x7xf32>
  %r = smelt.reduce %a {kind = 2 : i32, axes = array<i64: 3>} : (tensor<2x2x5x7xf32>) -> tensor<2x2x5xf32>
  %r1 = smelt.reshape %r : (tensor<2x2x5xf32>) -> tensor<2x2x5x1xf32>
  %d = smelt.sub %a, %r1 : (tensor<2x2x5x7xf32>, tensor<2x2x5x1xf32>) -> tensor<2x2x5x7xf32>
  %e = smelt.exp %d : (tensor<2x2x5x7xf32>) -> tensor<2x2x5x7xf32>
  %t = smelt.reduce %e {kind = 0 : i32, axes = array<i64: 3>} : (tensor<2x2x5x7xf32>) -> tensor<2x2x5xf32>
  %t1 = smelt.reshape %t : (tensor<2x2x5xf32>) -> tensor<2x2x5x1xf32>
  %p = smelt.div %e, %t1 : (tensor<2x2x5x7xf32>, tensor<2x2x5x1xf32>) -> tensor<2x2x5x7xf32>
  %o = smelt.matmul %p, %vt : (tensor<2x2x5x7xf32>, tensor<2x2x7x4xf32>) -> tensor<2x2x5x4xf32>
  %ot = smelt.transpose %o {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x2x5x4xf32>) -> tensor<2x5x2x4xf32>
  %y = smelt.reshape %ot : (tensor<2x5x2x4xf32>) -> tensor<2x5x8xf32>
  return %y : tensor<2x5x8xf32>
}

// Weights that are a result themselves have to be stored.
// CHECK-LABEL: @weights_wanted
// CHECK-NOT: smelt.kernel
func.func @weights_wanted(%q: tensor<5x4xf32>, %k: tensor<4x7xf32>, %v: tensor<7x4xf32>) -> (tensor<5x4xf32>, tensor<5x7xf32>) {
  %s = smelt.matmul %q, %k : (tensor<5x4xf32>, tensor<4x7xf32>) -> tensor<5x7xf32>
  %r = smelt.reduce %s {kind = 2 : i32, axes = array<i64: 1>} : (tensor<5x7xf32>) -> tensor<5xf32>
  %r1 = smelt.reshape %r : (tensor<5xf32>) -> tensor<5x1xf32>
  %d = smelt.sub %s, %r1 : (tensor<5x7xf32>, tensor<5x1xf32>) -> tensor<5x7xf32>
  %e = smelt.exp %d : (tensor<5x7xf32>) -> tensor<5x7xf32>
  %t = smelt.reduce %e {kind = 0 : i32, axes = array<i64: 1>} : (tensor<5x7xf32>) -> tensor<5xf32>
  %t1 = smelt.reshape %t : (tensor<5xf32>) -> tensor<5x1xf32>
  %p = smelt.div %e, %t1 : (tensor<5x7xf32>, tensor<5x1xf32>) -> tensor<5x7xf32>
  // expected-remark@+1 {{attention refused: matmul: the scores or weights are used elsewhere, by func.return}}
  %o = smelt.matmul %p, %v : (tensor<5x7xf32>, tensor<7x4xf32>) -> tensor<5x4xf32>
  return %o, %p : tensor<5x4xf32>, tensor<5x7xf32>
}

// A softmax over the queries is not of one row of scores.
// CHECK-LABEL: @other_axis
// CHECK-NOT: smelt.kernel
func.func @other_axis(%q: tensor<5x4xf32>, %k: tensor<4x7xf32>, %v: tensor<7x4xf32>) -> tensor<5x4xf32> {
  %s = smelt.matmul %q, %k : (tensor<5x4xf32>, tensor<4x7xf32>) -> tensor<5x7xf32>
  %e = smelt.exp %s : (tensor<5x7xf32>) -> tensor<5x7xf32>
  %t = smelt.reduce %e {kind = 0 : i32, axes = array<i64: 0>} : (tensor<5x7xf32>) -> tensor<7xf32>
  %p = smelt.div %e, %t : (tensor<5x7xf32>, tensor<7xf32>) -> tensor<5x7xf32>
  // expected-remark@+1 {{attention refused: matmul: the target would compute it as map}}
  %o = smelt.matmul %p, %v : (tensor<5x7xf32>, tensor<7x4xf32>) -> tensor<5x4xf32>
  return %o : tensor<5x4xf32>
}

// A norm between two layers is none, nor are two products in a row.
// CHECK-LABEL: @norm
// CHECK-NOT: smelt.kernel
func.func @norm(%x: tensor<5x4xf32>, %w: tensor<4x7xf32>, %v: tensor<7x4xf32>) -> tensor<5x4xf32> {
  %s = smelt.matmul %x, %w : (tensor<5x4xf32>, tensor<4x7xf32>) -> tensor<5x7xf32>
  %r = smelt.reduce %s {kind = 0 : i32, axes = array<i64: 1>} : (tensor<5x7xf32>) -> tensor<5xf32>
  %r1 = smelt.reshape %r : (tensor<5xf32>) -> tensor<5x1xf32>
  %d = smelt.sub %s, %r1 : (tensor<5x7xf32>, tensor<5x1xf32>) -> tensor<5x7xf32>
  %o = smelt.matmul %d, %v : (tensor<5x7xf32>, tensor<7x4xf32>) -> tensor<5x4xf32>
  return %o : tensor<5x4xf32>
}

// What another kernel computes elementwise stays there: the bias of %q.
// CHECK-LABEL: @bias
// CHECK: smelt.matmul
// CHECK: smelt.add
// CHECK: smelt.kernel
func.func @bias(%x: tensor<5x4xf32>, %w: tensor<4x4xf32>, %b: tensor<4xf32>, %k: tensor<4x7xf32>, %v: tensor<7x4xf32>) -> tensor<5x4xf32> {
  %q0 = smelt.matmul %x, %w : (tensor<5x4xf32>, tensor<4x4xf32>) -> tensor<5x4xf32>
  %q = smelt.add %q0, %b : (tensor<5x4xf32>, tensor<4xf32>) -> tensor<5x4xf32>
  %s = smelt.matmul %q, %k : (tensor<5x4xf32>, tensor<4x7xf32>) -> tensor<5x7xf32>
  %r = smelt.reduce %s {kind = 2 : i32, axes = array<i64: 1>} : (tensor<5x7xf32>) -> tensor<5xf32>
  %r1 = smelt.reshape %r : (tensor<5xf32>) -> tensor<5x1xf32>
  %d = smelt.sub %s, %r1 : (tensor<5x7xf32>, tensor<5x1xf32>) -> tensor<5x7xf32>
  %e = smelt.exp %d : (tensor<5x7xf32>) -> tensor<5x7xf32>
  %t = smelt.reduce %e {kind = 0 : i32, axes = array<i64: 1>} : (tensor<5x7xf32>) -> tensor<5xf32>
  %t1 = smelt.reshape %t : (tensor<5xf32>) -> tensor<5x1xf32>
  %p = smelt.div %e, %t1 : (tensor<5x7xf32>, tensor<5x1xf32>) -> tensor<5x7xf32>
  %o = smelt.matmul %p, %v : (tensor<5x7xf32>, tensor<7x4xf32>) -> tensor<5x4xf32>
  return %o : tensor<5x4xf32>
}
