// Rounding to each type in exact mode, none in oracle mode.
// RUN: smelt-eval %s | FileCheck %s --check-prefixes=CHECK,EXACT
// RUN: smelt-eval --oracle %s | FileCheck %s --check-prefixes=CHECK,ORACLE

// 1/3 in f16 and in f64.
// EXACT: @half result 0: tensor<1xf16> = 0.333252
// ORACLE: @half result 0: tensor<1xf64> = 0.333333333333333
func.func @half() -> tensor<1xf16> {
  %0 = smelt.constant(dense<1.0> : tensor<1xf16>) : tensor<1xf16>
  %1 = smelt.constant(dense<3.0> : tensor<1xf16>) : tensor<1xf16>
  %2 = smelt.div %0, %1 : (tensor<1xf16>, tensor<1xf16>) -> tensor<1xf16>
  return %2 : tensor<1xf16>
}

// A sum of f16 runs in f32: 2048 ones and more ones are not stuck at 2048.
// EXACT: @half_sum result 0: tensor<f16> = 3000
// ORACLE: @half_sum result 0: tensor<f64> = 3000
func.func @half_sum() -> tensor<f16> {
  %0 = smelt.constant(dense<1.0> : tensor<3000xf16>) : tensor<3000xf16>
  %1 = smelt.reduce %0 {kind = 0 : i32, axes = array<i64: 0>} : (tensor<3000xf16>) -> tensor<f16>
  return %1 : tensor<f16>
}

// Quantizing to float8 rounds in the oracle too: it is what the op means.
// EXACT: @float8 result 0: tensor<3xf8E4M3FN> = 3.25 448 -0.1171875
// ORACLE: @float8 result 0: tensor<3xf64> = 3.25 448 -0.1171875
func.func @float8() -> tensor<3xf8E4M3FN> {
  %x = smelt.constant(dense<[3.3, 1000.0, -0.12]> : tensor<3xf32>) : tensor<3xf32>
  %s = smelt.constant(dense<1.0> : tensor<f32>) : tensor<f32>
  %z = smelt.constant(dense<0.0> : tensor<f8E4M3FN>) : tensor<f8E4M3FN>
  %0 = smelt.quantize %x, %s, %z : (tensor<3xf32>, tensor<f32>, tensor<f8E4M3FN>) -> tensor<3xf8E4M3FN>
  return %0 : tensor<3xf8E4M3FN>
}

// 4-bit codes: one byte each in memory, saturated, signed and not.
// CHECK: @int4 result 0: tensor<4xi4> = -8 7 3 -1
// CHECK: @int4 result 1: tensor<4xui4> = 0 15 11 7
// EXACT: @int4 result 2: tensor<4xf32> = -4 3.5 1.5 -0.5
// ORACLE: @int4 result 2: tensor<4xf64> = -4 3.5 1.5 -0.5
// CHECK: @int4 result 3: tensor<2xi32> = 15 8
func.func @int4() -> (tensor<4xi4>, tensor<4xui4>, tensor<4xf32>, tensor<2xi32>) {
  %x = smelt.constant(dense<[-100.0, 100.0, 1.4, -0.6]> : tensor<4xf32>) : tensor<4xf32>
  %s = smelt.constant(dense<0.5> : tensor<f32>) : tensor<f32>
  %z = smelt.constant(dense<0> : tensor<i4>) : tensor<i4>
  %0 = smelt.quantize %x, %s, %z : (tensor<4xf32>, tensor<f32>, tensor<i4>) -> tensor<4xi4>
  %u = smelt.constant(dense<8> : tensor<ui4>) : tensor<ui4>
  %1 = smelt.quantize %x, %s, %u : (tensor<4xf32>, tensor<f32>, tensor<ui4>) -> tensor<4xui4>
  %2 = smelt.dequantize %0, %s, %z : (tensor<4xi4>, tensor<f32>, tensor<i4>) -> tensor<4xf32>
  %c = smelt.constant(dense<[15, 8]> : tensor<2xui4>) : tensor<2xui4>
  %3 = smelt.cast %c : (tensor<2xui4>) -> tensor<2xi32>
  return %0, %1, %2, %3 : tensor<4xi4>, tensor<4xui4>, tensor<4xf32>, tensor<2xi32>
}

// float4: six magnitudes, saturated.
// EXACT: @float4 result 0: tensor<4xf4E2M1FN> = 0.5 6 -1.5 2
// ORACLE: @float4 result 0: tensor<4xf64> = 0.6 100 -1.4 2.2
func.func @float4() -> tensor<4xf4E2M1FN> {
  %x = smelt.constant(dense<[0.6, 100.0, -1.4, 2.2]> : tensor<4xf64>) : tensor<4xf64>
  %0 = smelt.cast %x : (tensor<4xf64>) -> tensor<4xf4E2M1FN>
  return %0 : tensor<4xf4E2M1FN>
}

// NaN wins; -0 is below +0.
// CHECK: @extremes result 0: tensor<3x{{f32|f64}}> = nan 0 2
// CHECK: @extremes result 1: tensor<3x{{f32|f64}}> = nan -0 1
func.func @extremes() -> (tensor<3xf32>, tensor<3xf32>) {
  %x = smelt.constant(dense<[0x7FC00000, -0.0, 1.0]> : tensor<3xf32>) : tensor<3xf32>
  %y = smelt.constant(dense<[1.0, 0.0, 2.0]> : tensor<3xf32>) : tensor<3xf32>
  %0 = smelt.max %x, %y : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %1 = smelt.min %y, %x : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return %0, %1 : tensor<3xf32>, tensor<3xf32>
}

// A tree over two features, a NaN that goes the way of missing values.
// CHECK: @trees result 0: tensor<3x2x{{f32|f64}}> = 1 0 0 5 1 0
func.func @trees() -> tensor<3x2xf32> {
  %x = smelt.constant(dense<[[0.5, 9.0], [2.0, 9.0], [0x7FC00000, 9.0]]> : tensor<3x2xf32>) : tensor<3x2xf32>
  %feature = smelt.constant(dense<[0, 0, 0]> : tensor<3xi64>) : tensor<3xi64>
  %threshold = smelt.constant(dense<[1.0, 0.0, 0.0]> : tensor<3xf32>) : tensor<3xf32>
  %mode = smelt.constant(dense<[1, 0, 0]> : tensor<3xi64>) : tensor<3xi64>
  %yes = smelt.constant(dense<[1, 0, 0]> : tensor<3xi64>) : tensor<3xi64>
  %no = smelt.constant(dense<[2, 0, 0]> : tensor<3xi64>) : tensor<3xi64>
  %missing = smelt.constant(dense<[1, 0, 0]> : tensor<3xi8>) : tensor<3xi8>
  %root = smelt.constant(dense<[0]> : tensor<1xi64>) : tensor<1xi64>
  %begin = smelt.constant(dense<[0, 0, 1, 2]> : tensor<4xi64>) : tensor<4xi64>
  %target = smelt.constant(dense<[0, 1]> : tensor<2xi64>) : tensor<2xi64>
  %weight = smelt.constant(dense<[1.0, 5.0]> : tensor<2xf32>) : tensor<2xf32>
  %0 = smelt.tree_ensemble %x, %feature, %threshold, %mode, %yes, %no, %missing, %root, %begin, %target, %weight
      : (tensor<3x2xf32>, tensor<3xi64>, tensor<3xf32>, tensor<3xi64>, tensor<3xi64>, tensor<3xi64>, tensor<3xi8>,
         tensor<1xi64>, tensor<4xi64>, tensor<2xi64>, tensor<2xf32>) -> tensor<3x2xf32>
  return %0 : tensor<3x2xf32>
}
