// Symbols, branches, loops and kernels in the evaluator. Inputs are seeded
// integers; every function's results depend on them only where it says so.
// RUN: smelt-eval %s --symbol=N=3 | FileCheck %s

smelt.symbol 0 "N" [1, 64]
smelt.symbol 1 "i" [0, 64]
smelt.symbol 2 "count" [0, 64]
smelt.symbol 3 "len" [0, 64]
smelt.symbol 4 "next" [0, 64]
smelt.symbol 5 "larger" [0, 64] = "max" #smelt.dims<()[s0] -> (s0 * 2, 4)>
smelt.symbol 6 "chosen" [0, 64] = "select" #smelt.dims<()[s0] -> (s0 - 3, 10, 20)>
smelt.symbol 7 "bound" [0, 64]
smelt.symbol 8 "final" [0, 64]
smelt.symbol 9 "found" [0, 64]

// Expressions over an input's dim, derived symbols, mod and both divisions.
// CHECK: @symbols result 0: tensor<7xi64> = 3 6 6 20 1 1 2
func.func @symbols(%x: tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>) -> tensor<7xi64> {
  %0 = smelt.from_exprs {values = #smelt.dims<()[s0, s1, s2, s3, s4, s5, s6] -> (s0, s0 * 2, s5, s6, s0 mod 2, s0 floordiv 2, s0 ceildiv 2)>} : () -> tensor<7xi64>
  return %0 : tensor<7xi64>
}

// The taken branch alone runs; sizes meet through rebind.
// CHECK: @branches result 0: tensor<2xf32> = 7 7
// CHECK: @branches result 1: tensor<1xi64> = 2
func.func @branches(%x: tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>)
    -> (tensor<?xf32, #smelt.dims<()[s0, s1, s2, s3, s4, s5, s6, s7] -> (s7)>>, tensor<1xi64>) {
  %c = smelt.test {expr = #smelt.dims<()[s0] -> (s0 - 3)>, kind = 0 : i32} : () -> i1
  %0 = scf.if %c -> (tensor<?xf32, #smelt.dims<()[s0, s1, s2, s3, s4, s5, s6, s7] -> (s7)>>) {
    %1 = smelt.constant(dense<7.0> : tensor<2xf32>) : tensor<2xf32>
    %2 = smelt.rebind %1 : (tensor<2xf32>) -> tensor<?xf32, #smelt.dims<()[s0, s1, s2, s3, s4, s5, s6, s7] -> (s7)>>
    scf.yield %2 : tensor<?xf32, #smelt.dims<()[s0, s1, s2, s3, s4, s5, s6, s7] -> (s7)>>
  } else {
    smelt.check #smelt.dims<() -> (0)> "not taken"
    %2 = smelt.rebind %x : (tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>) -> tensor<?xf32, #smelt.dims<()[s0, s1, s2, s3, s4, s5, s6, s7] -> (s7)>>
    scf.yield %2 : tensor<?xf32, #smelt.dims<()[s0, s1, s2, s3, s4, s5, s6, s7] -> (s7)>>
  }
  %3 = smelt.from_exprs {values = #smelt.dims<()[s0, s1, s2, s3, s4, s5, s6, s7] -> (s7)>} : () -> tensor<1xi64>
  return %0, %3 : tensor<?xf32, #smelt.dims<()[s0, s1, s2, s3, s4, s5, s6, s7] -> (s7)>>, tensor<1xi64>
}

// A carried tensor that grows by one element an iteration, a scan output of the
// iteration, an end by condition: four iterations.
// CHECK: @loop result 0: tensor<5xi64> = 9 0 1 2 3
// CHECK: @loop result 1: tensor<4x1xi64> = 0 10 20 30
// CHECK: @loop result 2: tensor<1xi64> = 4
func.func @loop() -> (tensor<?xi64, #smelt.dims<()[s0, s1, s2, s3, s4, s5, s6, s7, s8] -> (s8)>>,
                      tensor<?x1xi64, #smelt.dims<()[s0, s1, s2] -> (s2, 1)>>, tensor<1xi64>) {
  %init = smelt.constant(dense<9> : tensor<1xi64>) : tensor<1xi64>
  %start = smelt.rebind %init : (tensor<1xi64>) -> tensor<1xi64>
  %r:2 = smelt.loop trip #smelt.dims<() -> (60)> iteration 1 count 2 (%start) {
  ^bb0(%carried: tensor<?xi64, #smelt.dims<()[s0, s1, s2, s3] -> (s3)>>):
    %i = smelt.from_exprs {values = #smelt.dims<()[s0, s1] -> (s1)>} : () -> tensor<1xi64>
    %grown = smelt.concat %carried, %i {axis = 0 : i64}
        : (tensor<?xi64, #smelt.dims<()[s0, s1, s2, s3] -> (s3)>>, tensor<1xi64>) -> tensor<?xi64, #smelt.dims<()[s0, s1, s2, s3] -> (s3 + 1)>>
    %scan = smelt.from_exprs {values = #smelt.dims<()[s0, s1] -> (s1 * 10)>} : () -> tensor<1xi64>
    %go = smelt.test {expr = #smelt.dims<()[s0, s1] -> (s1 - 3)>, kind = 2 : i32} : () -> i1
    smelt.loop_yield while %go %grown, %scan : tensor<?xi64, #smelt.dims<()[s0, s1, s2, s3] -> (s3 + 1)>>, tensor<1xi64>
  } : (tensor<1xi64>) -> (tensor<?xi64, #smelt.dims<()[s0, s1, s2, s3, s4, s5, s6, s7, s8] -> (s8)>>, tensor<?x1xi64, #smelt.dims<()[s0, s1, s2] -> (s2, 1)>>)
  %n = smelt.from_exprs {values = #smelt.dims<()[s0, s1, s2] -> (s2)>} : () -> tensor<1xi64>
  return %r#0, %r#1, %n : tensor<?xi64, #smelt.dims<()[s0, s1, s2, s3, s4, s5, s6, s7, s8] -> (s8)>>, tensor<?x1xi64, #smelt.dims<()[s0, s1, s2] -> (s2, 1)>>, tensor<1xi64>
}

// No iteration: the carried tensor as it came, an empty scan output.
// CHECK: @no_iteration result 0: tensor<1xf32> = 5
// CHECK: @no_iteration result 1: tensor<0x1xf32> ={{$}}
func.func @no_iteration() -> (tensor<1xf32>, tensor<?x1xf32, #smelt.dims<()[s0, s1, s2] -> (s2, 1)>>) {
  %init = smelt.constant(dense<5.0> : tensor<1xf32>) : tensor<1xf32>
  %no = smelt.constant(dense<0> : tensor<i32>) : tensor<i32>
  %c = smelt.read_scalar %no : (tensor<i32>) -> i1
  %r:2 = smelt.loop while %c iteration 1 count 2 (%init) {
  ^bb0(%carried: tensor<1xf32>):
    smelt.loop_yield %carried, %carried : tensor<1xf32>, tensor<1xf32>
  } : (tensor<1xf32>) -> (tensor<1xf32>, tensor<?x1xf32, #smelt.dims<()[s0, s1, s2] -> (s2, 1)>>)
  return %r#0, %r#1 : tensor<1xf32>, tensor<?x1xf32, #smelt.dims<()[s0, s1, s2] -> (s2, 1)>>
}

// Symbols from elements of a tensor, and from the count of what was found.
// CHECK: @data_dependent result 0: tensor<1x2xi64> = 1 2
// CHECK: @data_dependent result 1: tensor<4xf32> = 0 1 2 3
func.func @data_dependent() -> (tensor<1x?xi64, #smelt.dims<()[s0, s1, s2, s3, s4, s5, s6, s7, s8, s9] -> (1, s9)>>,
                                tensor<?xf32, #smelt.dims<()[s0, s1, s2, s3, s4] -> (s4)>>) {
  %x = smelt.constant(dense<[0, 4, 7]> : tensor<3xi32>) : tensor<3xi32>
  %0 = smelt.non_zero %x {count = 9 : i64} : (tensor<3xi32>) -> tensor<1x?xi64, #smelt.dims<()[s0, s1, s2, s3, s4, s5, s6, s7, s8, s9] -> (1, s9)>>
  smelt.bind %x [1] to [4] : tensor<3xi32>
  %1 = smelt.iota {axis = 0 : i64} : () -> tensor<?xf32, #smelt.dims<()[s0, s1, s2, s3, s4] -> (s4)>>
  return %0, %1 : tensor<1x?xi64, #smelt.dims<()[s0, s1, s2, s3, s4, s5, s6, s7, s8, s9] -> (1, s9)>>, tensor<?xf32, #smelt.dims<()[s0, s1, s2, s3, s4] -> (s4)>>
}

// A kernel's body, with a symbol of the module in it.
// CHECK: @kernel result 0: tensor<3xf32> = 3 4 5
func.func @kernel(%x: tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>) -> tensor<?xf32, #smelt.dims<()[s0] -> (s0)>> {
  %0 = smelt.kernel "k"(%x) {
  ^bb0(%a: tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>):
    %zero = smelt.sub %a, %a : (tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>, tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>) -> tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>
    %n = smelt.from_exprs {values = #smelt.dims<()[s0] -> (s0)>} : () -> tensor<f32>
    %i = smelt.iota {axis = 0 : i64} : () -> tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>
    %1 = smelt.add %i, %n : (tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>, tensor<f32>) -> tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>
    %2 = smelt.add %1, %zero : (tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>, tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>) -> tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>
    smelt.yield %2 : tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>
  } : (tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>) -> tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>
  return %0 : tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>
}
