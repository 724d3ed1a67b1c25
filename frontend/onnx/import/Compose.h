//===- Compose.h - Building blocks several op families share ----------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Checks of an input's shape, windows (kernel, strides, pads), convolution,
// quantization parameters, attention and rotary embedding: what ai.onnx,
// com.microsoft and the legacy ops express in their own words and import alike.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_FRONTEND_ONNX_IMPORT_COMPOSE_H
#define SMELT_FRONTEND_ONNX_IMPORT_COMPOSE_H

#include "frontend/onnx/import/Importer.h"

namespace smelt::onnx {

using Dims = llvm::SmallVector<mlir::AffineExpr>;

template <typename T> bool isNullValue(const T &arg) {
  if constexpr (std::is_same_v<T, mlir::Value>)
    return !arg;
  return false;
}

/// An op whose result has these dims and element type; null after an error.
template <typename OpTy, typename... Args>
mlir::Value make(NodeImport &n, llvm::ArrayRef<mlir::AffineExpr> dims, mlir::Type elementType, Args &&...args) {
  if ((isNullValue<std::decay_t<Args>>(args) || ...))
    return {};
  return OpTy::create(n.b, n.loc, getTensorType(dims, elementType), std::forward<Args>(args)...);
}

//--- checks: an error at the node with found and wanted
mlir::LogicalResult expectRank(NodeImport &n, mlir::Value v, int64_t min, int64_t max, llvm::StringRef name);
/// A null entry of `want` takes any size; symbolic sizes are believed.
mlir::LogicalResult expectShape(NodeImport &n, mlir::Value v, llvm::ArrayRef<mlir::AffineExpr> want,
                                llvm::StringRef name);
mlir::LogicalResult expectElem(NodeImport &n, mlir::Value v, mlir::Type want, llvm::StringRef name);
mlir::LogicalResult expectFloat(NodeImport &n, mlir::Value v, llvm::StringRef name);
mlir::LogicalResult expectInteger(NodeImport &n, mlir::Value v, llvm::StringRef name);
/// `v` broadcasts to x without making it larger.
mlir::LogicalResult expectBroadcast(NodeImport &n, mlir::Value v, mlir::Value x, llvm::StringRef name);
mlir::LogicalResult expectRange(NodeImport &n, int64_t value, int64_t min, int64_t max, const llvm::Twine &name);
/// Inputs that must be there although an optional one stands before them.
mlir::LogicalResult requireInputs(NodeImport &n, llvm::ArrayRef<size_t> inputs);
/// The static size of a dim, or "unsupported" naming it.
mlir::FailureOr<int64_t> staticDim(NodeImport &n, mlir::Value v, int64_t dim, llvm::StringRef name);

//--- small values
/// Where norms and means of `t` are computed: f32 for floats below 32 bits.
inline mlir::Type computeType(mlir::Type t) { return llvm::isa<mlir::FloatType>(t) ? carriedType(t) : t; }
mlir::Value mean(NodeImport &n, mlir::Value x, llvm::ArrayRef<int64_t> axes);
/// A vector [C] as [C, 1, ...]: it then meets dim `axis` of a tensor of `rank`.
mlir::Value alongAxis(NodeImport &n, mlir::Value v, int64_t rank, int64_t axis);
/// `value` of x's element type.
inline mlir::Value like(NodeImport &n, mlir::Value x, double value) {
  return x ? n.scalar(n.elem(x), value) : mlir::Value();
}
/// A constant from host data.
mlir::Value floats(NodeImport &n, llvm::ArrayRef<double> values, llvm::ArrayRef<int64_t> dims, mlir::Type elementType);
template <typename T>
mlir::Value constantOf(NodeImport &n, llvm::ArrayRef<T> values, mlir::Type elementType,
                       llvm::StringRef name = "weight") {
  auto type = mlir::RankedTensorType::get({int64_t(values.size())}, elementType);
  return createConstant(n.b, n.loc, type, {reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T)},
                        name);
}
template <typename OpTy> mlir::Value unary(NodeImport &n, mlir::Value x) {
  return n.elementwise<OpTy>(mlir::ValueRange(x));
}
/// x limited to [low, high].
mlir::Value clamp(NodeImport &n, mlir::Value x, double low, double high);
/// Moves axis `from` to place `to`.
mlir::Value moveAxis(NodeImport &n, mlir::Value x, int64_t from, int64_t to);
/// The range [start, start + size) of one axis.
mlir::Value sliceAxis(NodeImport &n, mlir::Value x, int64_t axis, mlir::AffineExpr start, mlir::AffineExpr size,
                      int64_t step = 1);

//--- host calls
/// What an op of the runtime's host library takes beside its operands.
struct HostCall {
  llvm::SmallVector<int64_t> ints, binds = {};
  std::vector<std::string> texts = {};
  bool placed = false; // tensors among the results have their memory before
};
mlir::ResultRange hostCall(mlir::OpBuilder &b, mlir::Location loc, llvm::StringRef callee, mlir::TypeRange types,
                           mlir::ValueRange args, const HostCall &call = {});
inline mlir::ResultRange hostCall(NodeImport &n, llvm::StringRef callee, mlir::TypeRange types, mlir::ValueRange args,
                                  const HostCall &call = {}) {
  return hostCall(n.b, n.loc, callee, types, args, call);
}

//--- strings (Strings.cpp)
bool isString(NodeImport &n, mlir::Value x);
mlir::Value stringEqual(NodeImport &n, mlir::Value x, mlir::Value y);
/// The place of each string among the keys, i64; their number when it is none of them.
mlir::FailureOr<mlir::Value> stringIndex(NodeImport &n, mlir::Value x, std::vector<std::string> keys);

/// Reverse differentiation (Gradient.cpp).
mlir::LogicalResult importGradient(NodeImport &n);
/// ONNX Dropout with a training mode that is true, or known to the run only (Random.cpp).
mlir::LogicalResult trainingDropout(NodeImport &n, mlir::Value training);

//--- windows
struct Window {
  llvm::SmallVector<int64_t> kernel, strides, dilations;
  Dims low, high, out; // per spatial dim
  DimsAttr pads(NodeImport &n) const;
};
/// Reads strides, dilations, pads, auto_pad and ceil_mode for a kernel.
mlir::FailureOr<Window> readWindow(NodeImport &n, llvm::ArrayRef<mlir::AffineExpr> spatial,
                                   llvm::ArrayRef<int64_t> kernel);
/// An attribute of `count` entries within [min, max]; `fallback` repeated when absent.
mlir::FailureOr<llvm::SmallVector<int64_t>> listAttr(NodeImport &n, llvm::StringRef name, size_t count,
                                                     int64_t fallback, int64_t min, int64_t max);
/// x [N, C, D...] by w, attributes of ONNX Conv, no bias.
mlir::FailureOr<mlir::Value> convolve(NodeImport &n, mlir::Value x, mlir::Value w, mlir::Type resultElem);
/// y [N, C, D...] + bias [C].
mlir::FailureOr<mlir::Value> addChannelBias(NodeImport &n, mlir::Value y, mlir::Value bias);
/// A pool of x [N, C, D...] with the node's attributes.
mlir::FailureOr<mlir::Value> poolOf(NodeImport &n, mlir::Value x, PoolKind kind);
mlir::FailureOr<mlir::Value> averagePoolOf(NodeImport &n, mlir::Value x);
mlir::FailureOr<mlir::Value> globalAverageOf(NodeImport &n, mlir::Value x);

//--- norms
/// scale * normalize(x over axes from `axis` on) + bias, ONNX LayerNormalization.
/// mean and 1/std are in the stash type.
mlir::FailureOr<mlir::Value> layerNorm(NodeImport &n, mlir::Value x, mlir::Value scale, mlir::Value bias, int64_t axis,
                                       double eps, mlir::Type stash, mlir::Value *mean = nullptr,
                                       mlir::Value *invStd = nullptr);
mlir::FailureOr<mlir::Value> rmsNorm(NodeImport &n, mlir::Value x, mlir::Value scale, int64_t axis, double eps,
                                     mlir::Type stash, mlir::Value *invStd = nullptr);

//--- quantization
/// Scale or zero point made to broadcast against x: 0-d, 1-d along `axis`, or of x's rank.
mlir::FailureOr<mlir::Value> quantParam(NodeImport &n, mlir::Value param, mlir::Value x, int64_t axis,
                                        llvm::StringRef name);
mlir::FailureOr<mlir::Value> quantize(NodeImport &n, mlir::Value x, mlir::Value scale, mlir::Value zeroPoint,
                                      mlir::Type elementType, int64_t axis, int64_t block = 0, bool saturate = true,
                                      mlir::Type precision = {});
mlir::FailureOr<mlir::Value> dequantize(NodeImport &n, mlir::Value x, mlir::Value scale, mlir::Value zeroPoint,
                                        int64_t axis, int64_t block = 0);
/// lhs x rhs with NumPy's rules for vectors (ONNX MatMul).
mlir::FailureOr<mlir::Value> matmul(NodeImport &n, mlir::Value lhs, mlir::Value rhs, mlir::Type resultElem,
                                    bool transposeLhs = false, bool transposeRhs = false);

//--- attention
struct AttentionSpec {
  mlir::Value q, k, v; // [B, H, S, D], [B, Hkv, T, D], [B, Hkv, T, Dv]
  double scale = 0;    // 0: 1 / sqrt(D)
  double softcap = 0;  // 0: none
  mlir::Value bias;    // additive, broadcasts to [B, H, S, T]
  mlir::Value allowed; // i1, the same; masked elements become `fill`
  double fill = -std::numeric_limits<double>::infinity();
  bool fillAdds = false;        // add `fill` instead of replacing by it
  bool guardMaskedRows = false; // a row with nothing allowed gives 0, not NaN
  mlir::Type softmaxType;       // null: the operands'
  int captureMode = -1;         // 0 raw, 1 after softcap, 2 after the mask, 3 probabilities
};
/// [B, H, S, Dv]; `captured` gets the scores of captureMode.
mlir::FailureOr<mlir::Value> attention(NodeImport &n, const AttentionSpec &spec, mlir::Value *captured = nullptr);
/// [S, T] i1: key j may be seen by query i, j <= i + offset, and not further back than `window` (-1: any).
mlir::Value causalMask(NodeImport &n, mlir::AffineExpr s, mlir::AffineExpr t, mlir::AffineExpr offset,
                       int64_t window = -1);
/// [B, S, H * D] to [B, H, S, D] and back.
mlir::FailureOr<mlir::Value> splitHeads(NodeImport &n, mlir::Value x, int64_t heads, llvm::StringRef name);
mlir::Value mergeHeads(NodeImport &n, mlir::Value x);
/// Rotates x [B, H, S, D] by caches [B or 1, 1, S, R / 2]; dims from R on are left.
mlir::Value rotate(NodeImport &n, mlir::Value x, mlir::Value cos, mlir::Value sin, int64_t rotaryDim, bool interleaved);

//--- pointwise
mlir::Value gelu(NodeImport &n, mlir::Value x);     // x/2 (1 + erf(x/sqrt 2))
mlir::Value geluTanh(NodeImport &n, mlir::Value x); // the tanh approximation

//--- the ops of nnOps() that live beside NN.cpp
mlir::LogicalResult importMaxPool(NodeImport &n);
mlir::LogicalResult importAveragePool(NodeImport &n);
mlir::LogicalResult importLpPool(NodeImport &n);
mlir::LogicalResult importGlobalAveragePool(NodeImport &n);
mlir::LogicalResult importGlobalMaxPool(NodeImport &n);
mlir::LogicalResult importGlobalLpPool(NodeImport &n);
mlir::LogicalResult importMaxUnpool(NodeImport &n);
mlir::LogicalResult importBatchNorm(NodeImport &n);
mlir::LogicalResult importInstanceNorm(NodeImport &n);
mlir::LogicalResult importLayerNorm(NodeImport &n);
mlir::LogicalResult importGroupNorm18(NodeImport &n);
mlir::LogicalResult importGroupNorm21(NodeImport &n);
mlir::LogicalResult importRMSNorm(NodeImport &n);
mlir::LogicalResult importLRN(NodeImport &n);
mlir::LogicalResult importMeanVarianceNorm(NodeImport &n);
mlir::LogicalResult importLpNorm(NodeImport &n);
mlir::LogicalResult importAttention(NodeImport &n);
mlir::LogicalResult importRotaryEmbedding(NodeImport &n);
mlir::LogicalResult importDFT17(NodeImport &n);
mlir::LogicalResult importDFT20(NodeImport &n);
mlir::LogicalResult importSTFT(NodeImport &n);
mlir::LogicalResult importMelWeightMatrix(NodeImport &n);
mlir::LogicalResult importHann(NodeImport &n);
mlir::LogicalResult importHamming(NodeImport &n);
mlir::LogicalResult importBlackman(NodeImport &n);
mlir::LogicalResult importAffineGrid(NodeImport &n);
mlir::LogicalResult importGridSample(NodeImport &n);
mlir::LogicalResult importCol2Im(NodeImport &n);
mlir::LogicalResult importDeformConv(NodeImport &n);
mlir::LogicalResult importNonMaxSuppression(NodeImport &n);
mlir::LogicalResult importRoiAlign(NodeImport &n);
mlir::LogicalResult importMaxRoiPool(NodeImport &n);

} // namespace smelt::onnx

#endif // SMELT_FRONTEND_ONNX_IMPORT_COMPOSE_H
