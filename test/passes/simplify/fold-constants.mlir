// RUN: smelt-opt --smelt-fold-constants="node-limit=4096" --split-input-file --verify-diagnostics %s | FileCheck %s

// A chain on constants becomes one constant; dead links leave nothing behind.
// CHECK-LABEL: @chain
func.func @chain() -> tensor<3xf32> {
  // CHECK-NEXT: %[[C:.*]] = smelt.constant(dense<[2.000000e+00, 3.000000e+00, 4.000000e+00]> : tensor<3xf32>)
  // CHECK-NEXT: return %[[C]]
  %0 = smelt.constant(dense<[4.0, 9.0, 16.0]> : tensor<3xf32>) : tensor<3xf32>
  %1 = smelt.sqrt %0 : (tensor<3xf32>) -> tensor<3xf32>
  %2 = smelt.reshape %1 : (tensor<3xf32>) -> tensor<1x3xf32>
  %3 = smelt.reshape %2 : (tensor<1x3xf32>) -> tensor<3xf32>
  return %3 : tensor<3xf32>
}

// -----

// A splat far over the limit is computed once and stays a splat.
// CHECK-LABEL: @splat
func.func @splat() -> tensor<100000x8xf32> {
  // CHECK-NEXT: %[[C:.*]] = smelt.constant(dense<2.500000e+00> : tensor<100000x8xf32>)
  // CHECK-NEXT: return %[[C]]
  %0 = smelt.constant(dense<1.5> : tensor<8xf32>) : tensor<8xf32>
  %1 = smelt.constant(dense<1.0> : tensor<f32>) : tensor<f32>
  %2 = smelt.broadcast %0 : (tensor<8xf32>) -> tensor<100000x8xf32>
  %3 = smelt.add %2, %1 : (tensor<100000x8xf32>, tensor<f32>) -> tensor<100000x8xf32>
  return %3 : tensor<100000x8xf32>
}

// -----

// f16 arithmetic is rounded to f16, integers wrap.
// CHECK-LABEL: @exact
func.func @exact() -> (tensor<2xf16>, tensor<2xi8>) {
  // CHECK-DAG: smelt.constant(dense<[3.332520e-01, 6.665040e-01]> : tensor<2xf16>)
  // CHECK-DAG: smelt.constant(dense<[-128, 44]> : tensor<2xi8>)
  %0 = smelt.constant(dense<[1.0, 2.0]> : tensor<2xf16>) : tensor<2xf16>
  %1 = smelt.constant(dense<3.0> : tensor<f16>) : tensor<f16>
  %2 = smelt.div %0, %1 : (tensor<2xf16>, tensor<f16>) -> tensor<2xf16>
  %3 = smelt.constant(dense<[127, 100]> : tensor<2xi8>) : tensor<2xi8>
  %4 = smelt.constant(dense<[1, -56]> : tensor<2xi8>) : tensor<2xi8>
  %5 = smelt.sub %3, %4 : (tensor<2xi8>, tensor<2xi8>) -> tensor<2xi8>
  %6 = smelt.constant(dense<[1, 100]> : tensor<2xi8>) : tensor<2xi8>
  %7 = smelt.add %3, %6 : (tensor<2xi8>, tensor<2xi8>) -> tensor<2xi8>
  %8 = smelt.constant(dense<[1, 0]> : tensor<2xi1>) : tensor<2xi1>
  %9 = smelt.select %8, %7, %5 : (tensor<2xi1>, tensor<2xi8>, tensor<2xi8>) -> tensor<2xi8>
  %10 = smelt.constant(dense<[0, -112]> : tensor<2xi8>) : tensor<2xi8>
  %11 = smelt.add %9, %10 : (tensor<2xi8>, tensor<2xi8>) -> tensor<2xi8>
  return %2, %11 : tensor<2xf16>, tensor<2xi8>
}

// -----

// Expressions without symbols are constants; with them they stay.
smelt.symbol 0 "N" [1, 64]
// CHECK-LABEL: @exprs
func.func @exprs(%x: tensor<?xf32, #smelt.dims<()[s0] -> (s0)>>) -> (tensor<2xi64>, tensor<1xi64>, i1) {
  // CHECK-DAG: smelt.constant(dense<[3, 4]> : tensor<2xi64>)
  // CHECK-DAG: arith.constant true
  // CHECK-DAG: smelt.from_exprs
  %0 = smelt.from_exprs {values = #smelt.dims<() -> (3, 4)>} : () -> tensor<2xi64>
  %1 = smelt.from_exprs {values = #smelt.dims<()[s0] -> (s0)>} : () -> tensor<1xi64>
  %2 = smelt.test {expr = #smelt.dims<() -> (2)>, kind = 4 : i32} : () -> i1
  return %0, %1, %2 : tensor<2xi64>, tensor<1xi64>, i1
}

// -----

// The codes of a weight stay codes above 1 KB.
// CHECK-LABEL: @dequantize
func.func @dequantize() -> (tensor<2000xf32>, tensor<2xf32>) {
  %s = smelt.constant(dense<0.5> : tensor<f32>) : tensor<f32>
  %z = smelt.constant(dense<1> : tensor<i8>) : tensor<i8>
  %large = smelt.constant(dense<3> : tensor<2000xi8>) : tensor<2000xi8>
  // CHECK: smelt.dequantize {{.*}} -> tensor<2000xf32>
  %0 = smelt.dequantize %large, %s, %z : (tensor<2000xi8>, tensor<f32>, tensor<i8>) -> tensor<2000xf32>
  %small = smelt.constant(dense<[3, 5]> : tensor<2xi8>) : tensor<2xi8>
  // CHECK: smelt.constant(dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>)
  %1 = smelt.dequantize %small, %s, %z : (tensor<2xi8>, tensor<f32>, tensor<i8>) -> tensor<2xf32>
  return %0, %1 : tensor<2000xf32>, tensor<2xf32>
}

// -----

// A result over the limit stays, and says so.
// CHECK-LABEL: @limit
func.func @limit() -> tensor<2048xf32> {
  // expected-remark @+2 {{left unfolded: result has 8192 bytes, the limit of one op is 4096}}
  // CHECK: smelt.iota
  %0 = smelt.iota {axis = 0 : i64} : () -> tensor<2048xf32>
  return %0 : tensor<2048xf32>
}

// -----

// A splat of a petabyte is a few bytes here; its sum is left to the run.
// CHECK-LABEL: @huge_splat
func.func @huge_splat() -> (tensor<f32>, tensor<1099511627776xf32>) {
  %0 = smelt.constant(dense<1.0> : tensor<1099511627776x1024xf32>) : tensor<1099511627776x1024xf32>
  // expected-remark @+2 {{left unfolded: operand has 4503599627370496 bytes, the limit of one op is 4096}}
  // CHECK: smelt.reduce
  %1 = smelt.reduce %0 {kind = 0 : i32, axes = array<i64: 0, 1>} : (tensor<1099511627776x1024xf32>) -> tensor<f32>
  // CHECK: smelt.constant(dense<-1.000000e+00> : tensor<1099511627776xf32>)
  %2 = smelt.constant(dense<1.0> : tensor<1099511627776xf32>) : tensor<1099511627776xf32>
  %3 = smelt.neg %2 : (tensor<1099511627776xf32>) -> tensor<1099511627776xf32>
  return %1, %3 : tensor<f32>, tensor<1099511627776xf32>
}

// -----

// An index out of range is an error of the run, not of the compiler.
// CHECK-LABEL: @bad_index
func.func @bad_index() -> tensor<1xf32> {
  // CHECK: smelt.gather
  %0 = smelt.constant(dense<[1.0, 2.0]> : tensor<2xf32>) : tensor<2xf32>
  %1 = smelt.constant(dense<7> : tensor<1xi64>) : tensor<1xi64>
  %2 = smelt.gather %0, %1 {axis = 0 : i64} : (tensor<2xf32>, tensor<1xi64>) -> tensor<1xf32>
  return %2 : tensor<1xf32>
}
