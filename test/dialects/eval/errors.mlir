// What the evaluator cannot compute is an error at the op, with what it found.
// RUN: split-file %s %t
// RUN: not smelt-eval %t/check.mlir 2>&1 | FileCheck %s --check-prefix=CHECKED
// RUN: not smelt-eval %t/index.mlir 2>&1 | FileCheck %s --check-prefix=INDEX
// RUN: not smelt-eval %t/rebind.mlir 2>&1 | FileCheck %s --check-prefix=REBIND
// RUN: not smelt-eval %t/unbound.mlir 2>&1 | FileCheck %s --check-prefix=UNBOUND
// RUN: not smelt-eval %t/endless.mlir 2>&1 | FileCheck %s --check-prefix=ENDLESS
// RUN: not smelt-eval %t/huge.mlir 2>&1 | FileCheck %s --check-prefix=HUGE

//--- check.mlir
// CHECKED: check.mlir":4:3): error: 'smelt.check' op cannot be evaluated: check failed: want an even size
smelt.symbol 0 "N" [3, 3]
func.func @f(%x: tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>) {
  smelt.check #smelt.dims<()[s0] -> ((s0 + 1) mod 2)> "want an even size"
  return
}

//--- index.mlir
// INDEX: error: 'smelt.gather' op cannot be evaluated: index -3 is out of range for a dim of 2
func.func @f(%x: tensor<2xf32>) -> tensor<1xf32> {
  %i = smelt.constant(dense<-3> : tensor<1xi64>) : tensor<1xi64>
  %0 = smelt.gather %x, %i {axis = 0 : i64} : (tensor<2xf32>, tensor<1xi64>) -> tensor<1xf32>
  return %0 : tensor<1xf32>
}

//--- rebind.mlir
// REBIND: error: 'smelt.rebind' op cannot be evaluated: result dim 0 is 3, want 4
smelt.symbol 0 "N" [3, 3]
func.func @f(%x: tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>) -> tensor<4xf32> {
  %0 = smelt.rebind %x : (tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

//--- unbound.mlir
// UNBOUND: error: 'smelt.iota' op cannot be evaluated: size of result dim 0, s0, is not known: a symbol is not bound
smelt.symbol 0 "N" [1, 8]
func.func @f() -> tensor<?xf32, #smelt.dims<()[s0] -> (s0)>> {
  %0 = smelt.iota {axis = 0 : i64} : () -> tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>
  return %0 : tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>
}

//--- endless.mlir
// ENDLESS: error: 'smelt.loop' op cannot be evaluated: more than 1048576 iterations
smelt.symbol 0 "i" [0, 8]
func.func @f() {
  smelt.loop iteration 0 count -1 () {
    smelt.loop_yield
  } : () -> ()
  return
}

//--- huge.mlir
// HUGE: error: 'smelt.iota' op cannot be evaluated: result is larger than 8589934592 bytes
func.func @f() -> tensor<1099511627776x1099511627776xf32> {
  %0 = smelt.iota {axis = 0 : i64} : () -> tensor<1099511627776x1099511627776xf32>
  return %0 : tensor<1099511627776x1099511627776xf32>
}
