// RUN: smelt-opt --smelt-form-kernels --smelt-fuse-kernels --smelt-schedule-kernels --smelt-join-in-place %s --verify-diagnostics=only-expected | FileCheck %s
// RUN: smelt-eval %s --pipeline="smelt-form-kernels,smelt-fuse-kernels,smelt-schedule-kernels,smelt-join-in-place" | FileCheck %s --check-prefix=SAME
// SAME-COUNT-6: : equal
// SAME-NOT: differs

// Both products write their columns of the result.
// CHECK-LABEL: @columns
// CHECK: smelt.kernel "matmul"{{.*}} strides [#smelt.dims<() -> ()>, #smelt.dims<() -> ()>, #smelt.dims<() -> (40, 1)>]
// CHECK: smelt.kernel "matmul"{{.*}} strides [#smelt.dims<() -> ()>, #smelt.dims<() -> ()>, #smelt.dims<() -> (40, 1)>]
// CHECK-NOT: smelt.kernel
// CHECK: smelt.concat
func.func @columns(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>, %v: tensor<8x24xf32>) -> tensor<4x40xf32> {
  %a = smelt.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %b = smelt.matmul %x, %v : (tensor<4x8xf32>, tensor<8x24xf32>) -> tensor<4x24xf32>
  %c = smelt.concat %a, %b {axis = 1 : i64} : (tensor<4x16xf32>, tensor<4x24xf32>) -> tensor<4x40xf32>
  return %c : tensor<4x40xf32>
}

// An input is copied to its place; another reader of the product reads the slice.
// CHECK-LABEL: @input_and_reader
// CHECK: smelt.kernel "matmul"
// CHECK: smelt.kernel "concat"
// CHECK: smelt.kernel "exp"{{.*}} strides [#smelt.dims<() -> (24, 1)>, #smelt.dims<() -> ()>]
func.func @input_and_reader(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>) -> (tensor<4x24xf32>, tensor<4x16xf32>) {
  %a = smelt.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %c = smelt.concat %a, %x {axis = 1 : i64} : (tensor<4x16xf32>, tensor<4x8xf32>) -> tensor<4x24xf32>
  %e = smelt.exp %a : (tensor<4x16xf32>) -> tensor<4x16xf32>
  return %c, %e : tensor<4x24xf32>, tensor<4x16xf32>
}

// A concatenation inside of another: strides of the outer one all the way.
// CHECK-LABEL: @nested
// CHECK-COUNT-2: strides {{.*}}(48, 1)>]
// CHECK: smelt.concat
// CHECK: strides {{.*}}(48, 1)>]
// CHECK: smelt.concat
func.func @nested(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>) -> tensor<4x48xf32> {
  %a = smelt.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %b = smelt.matmul %a, %w {transposeRhs = true} : (tensor<4x16xf32>, tensor<8x16xf32>) -> tensor<4x8xf32>
  %b2 = smelt.matmul %b, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %c = smelt.concat %a, %b2 {axis = 1 : i64} : (tensor<4x16xf32>, tensor<4x16xf32>) -> tensor<4x32xf32>
  %d = smelt.matmul %b2, %w {transposeRhs = true} : (tensor<4x16xf32>, tensor<8x16xf32>) -> tensor<4x8xf32>
  %d2 = smelt.matmul %d, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %e = smelt.concat %c, %d2 {axis = 1 : i64} : (tensor<4x32xf32>, tensor<4x16xf32>) -> tensor<4x48xf32>
  return %e : tensor<4x48xf32>
}

// What the function returns must lie by itself: the concat stays a kernel.
// CHECK-LABEL: @returned
// CHECK: smelt.kernel "concat"
// CHECK: smelt.concat %{{.*}}
// CHECK: smelt.yield
func.func @returned(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>) -> (tensor<4x24xf32>, tensor<4x16xf32>) {
  %a = smelt.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %c = smelt.concat %a, %x {axis = 1 : i64} : (tensor<4x16xf32>, tensor<4x8xf32>) -> tensor<4x24xf32>
  return %c, %a : tensor<4x24xf32>, tensor<4x16xf32>
}

// One value under two shapes, joined twice: one place, one copy of it.
// CHECK-LABEL: @twice
// CHECK: smelt.kernel "matmul"{{.*}} strides [#smelt.dims<() -> ()>, #smelt.dims<() -> ()>, #smelt.dims<() -> (32, 1)>]
// CHECK: smelt.kernel "concat"{{.*}} strides [#smelt.dims<() -> (32, 32, 1)>, #smelt.dims<() -> (32, 32, 1)>]
func.func @twice(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>) -> tensor<4x1x32xf32> {
  %a = smelt.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %b = smelt.reshape %a : (tensor<4x16xf32>) -> tensor<4x1x16xf32>
  %c = smelt.concat %b, %b {axis = 2 : i64} : (tensor<4x1x16xf32>, tensor<4x1x16xf32>) -> tensor<4x1x32xf32>
  return %c : tensor<4x1x32xf32>
}

// A size that follows from an input's; it may be nothing.
// CHECK-LABEL: @symbolic
// CHECK: smelt.kernel "matmul"{{.*}} strides [{{.*}}, #smelt.dims<()[s0] -> ((s0 floordiv 64) * 40, 40, 1)>]
// CHECK: smelt.kernel "matmul"{{.*}} strides [{{.*}}, #smelt.dims<()[s0] -> ((s0 floordiv 64) * 40, 40, 1)>]
// CHECK: smelt.concat
smelt.symbol 0 "n" [0, 1000]
func.func @symbolic(%x: tensor<2x?x8xf32, #smelt.dims<()[s0] -> (2, s0 floordiv 64, 8)>>, %s: tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>, %w: tensor<8x16xf32>, %v: tensor<8x24xf32>) -> tensor<2x?x40xf32, #smelt.dims<()[s0] -> (2, s0 floordiv 64, 40)>> {
  %a = smelt.matmul %x, %w : (tensor<2x?x8xf32, #smelt.dims<()[s0] -> (2, s0 floordiv 64, 8)>>, tensor<8x16xf32>) -> tensor<2x?x16xf32, #smelt.dims<()[s0] -> (2, s0 floordiv 64, 16)>>
  %b = smelt.matmul %x, %v : (tensor<2x?x8xf32, #smelt.dims<()[s0] -> (2, s0 floordiv 64, 8)>>, tensor<8x24xf32>) -> tensor<2x?x24xf32, #smelt.dims<()[s0] -> (2, s0 floordiv 64, 24)>>
  %c = smelt.concat %a, %b {axis = 2 : i64} : (tensor<2x?x16xf32, #smelt.dims<()[s0] -> (2, s0 floordiv 64, 16)>>, tensor<2x?x24xf32, #smelt.dims<()[s0] -> (2, s0 floordiv 64, 24)>>) -> tensor<2x?x40xf32, #smelt.dims<()[s0] -> (2, s0 floordiv 64, 40)>>
  return %c : tensor<2x?x40xf32, #smelt.dims<()[s0] -> (2, s0 floordiv 64, 40)>>
}
