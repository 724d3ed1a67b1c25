// RUN: smelt-opt --pass-pipeline="builtin.module(func.func(smelt-simplify))" %s | FileCheck %s
// RUN: smelt-eval %s --pipeline="func.func(smelt-simplify)" | FileCheck %s --check-prefix=SAME
// SAME-COUNT-18: : equal
// SAME-NOT: differs

// Neutral elements go, whichever side they stand on.
// CHECK-LABEL: @neutral
// CHECK-SAME: (%[[X:.*]]: tensor<2x3xf32>)
func.func @neutral(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %one = smelt.constant(dense<1.0> : tensor<f32>) : tensor<f32>
  %zero = smelt.constant(dense<0.0> : tensor<3xf32>) : tensor<3xf32>
  %0 = smelt.mul %one, %x : (tensor<f32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %1 = smelt.add %0, %zero : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %2 = smelt.sub %1, %zero : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %3 = smelt.div %2, %one : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32>
  // CHECK: return %[[X]]
  return %3 : tensor<2x3xf32>
}

// A neutral element that stretches the other operand leaves a broadcast.
// CHECK-LABEL: @neutral_stretches
func.func @neutral_stretches(%x: tensor<3xf32>) -> tensor<2x3xf32> {
  %one = smelt.constant(dense<1.0> : tensor<2x3xf32>) : tensor<2x3xf32>
  // CHECK: smelt.broadcast %{{.*}} : (tensor<3xf32>) -> tensor<2x3xf32>
  %0 = smelt.mul %x, %one : (tensor<3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// Division by a power of two is a multiplication; by 3 it stays.
// CHECK-LABEL: @divide
func.func @divide(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %8 = smelt.constant(dense<8.0> : tensor<f32>) : tensor<f32>
  %3 = smelt.constant(dense<3.0> : tensor<f32>) : tensor<f32>
  // CHECK: smelt.constant(dense<1.250000e-01>
  // CHECK: smelt.mul
  %0 = smelt.div %x, %8 : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  // CHECK: smelt.div
  %1 = smelt.div %x, %3 : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @powers
func.func @powers(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %1 = smelt.constant(dense<1.0> : tensor<f32>) : tensor<f32>
  %2 = smelt.constant(dense<2.0> : tensor<f32>) : tensor<f32>
  %half = smelt.constant(dense<0.5> : tensor<f32>) : tensor<f32>
  // CHECK-NOT: smelt.pow
  // CHECK: smelt.mul %[[X:.*]], %[[X]]
  // CHECK: smelt.sqrt
  %a = smelt.pow %x, %1 : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %b = smelt.pow %a, %2 : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %c = smelt.pow %b, %half : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %a, %b, %c : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @cube
// CHECK: %[[S:.*]] = smelt.mul %[[X:.*]], %[[X]]
// CHECK: smelt.mul %[[S]], %[[X]]
func.func @cube(%x: tensor<4xf32>) -> tensor<4xf32> {
  %3 = smelt.constant(dense<3.0> : tensor<f32>) : tensor<f32>
  %y = smelt.pow %x, %3 : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// CHECK-LABEL: @inverses
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>, %[[M:.*]]: tensor<4xi1>)
func.func @inverses(%x: tensor<4xf32>, %m: tensor<4xi1>) -> (tensor<4xf32>, tensor<4xi1>, tensor<4xf32>) {
  %0 = smelt.neg %x : (tensor<4xf32>) -> tensor<4xf32>
  %1 = smelt.neg %0 : (tensor<4xf32>) -> tensor<4xf32>
  %2 = smelt.not %m : (tensor<4xi1>) -> tensor<4xi1>
  %3 = smelt.not %2 : (tensor<4xi1>) -> tensor<4xi1>
  // CHECK-NEXT: %[[A:.*]] = smelt.abs %[[X]]
  // CHECK-NEXT: return %[[X]], %[[M]], %[[A]]
  %4 = smelt.abs %0 : (tensor<4xf32>) -> tensor<4xf32>
  %5 = smelt.abs %4 : (tensor<4xf32>) -> tensor<4xf32>
  return %1, %3, %5 : tensor<4xf32>, tensor<4xi1>, tensor<4xf32>
}

// CHECK-LABEL: @signs
func.func @signs(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = smelt.neg %y : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK-NEXT: smelt.sub
  %1 = smelt.add %x, %0 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  // CHECK-NEXT: smelt.add
  %2 = smelt.sub %x, %0 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %1, %2 : tensor<4xf32>, tensor<4xf32>
}

// f16 -> f32 -> f16 is nothing; i8 -> f32 -> i32 is one cast.
// CHECK-LABEL: @casts
// CHECK-SAME: (%[[X:.*]]: tensor<4xf16>, %[[I:.*]]: tensor<4xi8>)
func.func @casts(%x: tensor<4xf16>, %i: tensor<4xi8>) -> (tensor<4xf16>, tensor<4xi32>) {
  %0 = smelt.cast %x : (tensor<4xf16>) -> tensor<4xf32>
  %1 = smelt.cast %0 : (tensor<4xf32>) -> tensor<4xf16>
  %2 = smelt.cast %i : (tensor<4xi8>) -> tensor<4xf32>
  // CHECK-NEXT: %[[C:.*]] = smelt.cast %[[I]] : (tensor<4xi8>) -> tensor<4xi32>
  // CHECK-NEXT: return %[[X]], %[[C]]
  %3 = smelt.cast %2 : (tensor<4xf32>) -> tensor<4xi32>
  return %1, %3 : tensor<4xf16>, tensor<4xi32>
}

// f32 -> f16 rounds, i32 -> f32 too, f32 -> i1 -> f32 loses all: they stay.
// Through f64 an i32 saturates to i8, straight it would wrap.
// CHECK-LABEL: @casts_that_stay
// CHECK-COUNT-8: smelt.cast
func.func @casts_that_stay(%x: tensor<4xf32>, %i: tensor<4xi32>)
    -> (tensor<4xf32>, tensor<4xi32>, tensor<4xf32>, tensor<4xi8>) {
  %0 = smelt.cast %x : (tensor<4xf32>) -> tensor<4xf16>
  %1 = smelt.cast %0 : (tensor<4xf16>) -> tensor<4xf32>
  %2 = smelt.cast %i : (tensor<4xi32>) -> tensor<4xf32>
  %3 = smelt.cast %2 : (tensor<4xf32>) -> tensor<4xi32>
  %4 = smelt.cast %x : (tensor<4xf32>) -> tensor<4xi1>
  %5 = smelt.cast %4 : (tensor<4xi1>) -> tensor<4xf32>
  %6 = smelt.cast %i : (tensor<4xi32>) -> tensor<4xf64>
  %7 = smelt.cast %6 : (tensor<4xf64>) -> tensor<4xi8>
  return %1, %3, %5, %7 : tensor<4xf32>, tensor<4xi32>, tensor<4xf32>, tensor<4xi8>
}

// i64 -> i32 -> i8 wraps once.
// CHECK-LABEL: @casts_wrap
func.func @casts_wrap(%i: tensor<4xi64>) -> tensor<4xi8> {
  // CHECK: smelt.cast %{{.*}} : (tensor<4xi64>) -> tensor<4xi8>
  %k = smelt.constant(dense<4294967423> : tensor<i64>) : tensor<i64>
  %j = smelt.mul %i, %k : (tensor<4xi64>, tensor<i64>) -> tensor<4xi64>
  %0 = smelt.cast %j : (tensor<4xi64>) -> tensor<4xi32>
  %1 = smelt.cast %0 : (tensor<4xi32>) -> tensor<4xi8>
  return %1 : tensor<4xi8>
}

// relu(relu(x)), relu6(relu(x)), relu(sigmoid(x)).
// CHECK-LABEL: @clamps
func.func @clamps(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = smelt.constant(dense<0.0> : tensor<f32>) : tensor<f32>
  %3 = smelt.constant(dense<3.0> : tensor<f32>) : tensor<f32>
  // CHECK: %[[A:.*]] = smelt.max
  // CHECK-NEXT: %[[B:.*]] = smelt.min %[[A]]
  // CHECK-NEXT: %[[C:.*]] = smelt.sigmoid
  // CHECK-NEXT: return %[[B]], %[[C]]
  %a = smelt.max %x, %0 : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %b = smelt.max %a, %0 : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %c = smelt.min %b, %3 : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %d = smelt.max %0, %c : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  %e = smelt.sigmoid %x : (tensor<4xf32>) -> tensor<4xf32>
  %f = smelt.max %e, %0 : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %d, %f : tensor<4xf32>, tensor<4xf32>
}

// The tighter of two bounds is kept.
// CHECK-LABEL: @bounds
func.func @bounds(%x: tensor<4xf32>) -> tensor<4xf32> {
  %1 = smelt.constant(dense<1.0> : tensor<f32>) : tensor<f32>
  %2 = smelt.constant(dense<2.0> : tensor<f32>) : tensor<f32>
  // CHECK: %[[TWO:.*]] = smelt.constant(dense<2.0
  // CHECK: smelt.max %{{.*}}, %[[TWO]]
  // CHECK-NEXT: return
  %a = smelt.max %x, %1 : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %b = smelt.max %a, %2 : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %b : tensor<4xf32>
}

// CHECK-LABEL: @select
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>, %[[Y:.*]]: tensor<4xf32>, %[[C:.*]]: tensor<4xi1>)
func.func @select(%x: tensor<4xf32>, %y: tensor<4xf32>, %c: tensor<4xi1>)
    -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %t = smelt.constant(dense<true> : tensor<4xi1>) : tensor<4xi1>
  %f = smelt.constant(dense<false> : tensor<i1>) : tensor<i1>
  %0 = smelt.select %t, %x, %y : (tensor<4xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = smelt.select %f, %x, %y : (tensor<i1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = smelt.select %c, %y, %y : (tensor<4xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  // CHECK-NEXT: return %[[X]], %[[Y]], %[[Y]]
  return %0, %1, %2 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// Constants one after the other become one.
// CHECK-LABEL: @constants_meet
func.func @constants_meet(%x: tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  %a = smelt.constant(dense<[1.0, 2.0, 3.0]> : tensor<3xf32>) : tensor<3xf32>
  %b = smelt.constant(dense<4.0> : tensor<f32>) : tensor<f32>
  // CHECK-DAG: %[[SUM:.*]] = smelt.constant(dense<[-3.000000e+00, -2.000000e+00, -1.000000e+00]>
  // CHECK-DAG: %[[PRODUCT:.*]] = smelt.constant(dense<[4.000000e+00, 8.000000e+00, 1.200000e+01]>
  // CHECK-DAG: smelt.add %{{.*}}, %[[SUM]]
  // CHECK-DAG: smelt.mul %{{.*}}, %[[PRODUCT]]
  // CHECK: return
  %0 = smelt.add %x, %a : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %1 = smelt.sub %0, %b : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32>
  %2 = smelt.mul %x, %a : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %3 = smelt.mul %b, %2 : (tensor<f32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  return %1, %3 : tensor<2x3xf32>, tensor<2x3xf32>
}

// [3] and [2, 1] would make a constant of 6: they stay apart.
// CHECK-LABEL: @constants_would_grow
func.func @constants_would_grow(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %a = smelt.constant(dense<[1.0, 2.0, 3.0]> : tensor<3xf32>) : tensor<3xf32>
  %b = smelt.constant(dense<[[4.0], [5.0]]> : tensor<2x1xf32>) : tensor<2x1xf32>
  // CHECK-COUNT-2: smelt.add
  %0 = smelt.add %x, %a : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %1 = smelt.add %0, %b : (tensor<2x3xf32>, tensor<2x1xf32>) -> tensor<2x3xf32>
  return %1 : tensor<2x3xf32>
}

smelt.symbol 0 "N" [1, 64]

// The consumer broadcasts by itself where another operand has the sizes.
// CHECK-LABEL: @broadcast
func.func @broadcast(%x: tensor<?x3xf32, #smelt.dims<()[s0] -> (s0, 3)>>, %y: tensor<1x3xf32>)
    -> tensor<?x3xf32, #smelt.dims<()[s0] -> (s0, 3)>> {
  // CHECK-NEXT: smelt.mul %{{.*}}, %{{.*}} : (tensor<?x3xf32, {{.*}}>, tensor<1x3xf32>)
  %0 = smelt.broadcast %y : (tensor<1x3xf32>) -> tensor<?x3xf32, #smelt.dims<()[s0] -> (s0, 3)>>
  %1 = smelt.mul %x, %0 : (tensor<?x3xf32, #smelt.dims<()[s0] -> (s0, 3)>>, tensor<?x3xf32, #smelt.dims<()[s0] -> (s0, 3)>>)
      -> tensor<?x3xf32, #smelt.dims<()[s0] -> (s0, 3)>>
  return %1 : tensor<?x3xf32, #smelt.dims<()[s0] -> (s0, 3)>>
}

// Here the broadcast alone gives the result its size: it stays.
// CHECK-LABEL: @broadcast_stays
func.func @broadcast_stays(%x: tensor<1x3xf32>, %y: tensor<1x3xf32>) -> tensor<2x3xf32> {
  // CHECK-NEXT: smelt.broadcast
  %0 = smelt.broadcast %y : (tensor<1x3xf32>) -> tensor<2x3xf32>
  %1 = smelt.mul %x, %0 : (tensor<1x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  return %1 : tensor<2x3xf32>
}

// Pure ops without uses go.
// CHECK-LABEL: @dead
func.func @dead(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-NEXT: return
  %0 = smelt.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  %1 = smelt.reshape %0 : (tensor<4xf32>) -> tensor<2x2xf32>
  %2 = smelt.matmul %1, %1 : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  return %x : tensor<4xf32>
}

// An if on a constant is its branch.
// CHECK-LABEL: @constant_if
// CHECK-NEXT: smelt.neg
// CHECK-NEXT: return
func.func @constant_if(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = arith.constant false
  %0 = scf.if %c -> (tensor<4xf32>) {
    %1 = smelt.exp %x : (tensor<4xf32>) -> tensor<4xf32>
    scf.yield %1 : tensor<4xf32>
  } else {
    %1 = smelt.neg %x : (tensor<4xf32>) -> tensor<4xf32>
    scf.yield %1 : tensor<4xf32>
  }
  return %0 : tensor<4xf32>
}
