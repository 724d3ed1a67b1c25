//===- NN.cpp - Convolutions, and the table of the NN family ----------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Conv becomes smelt.conv and a broadcast add of the bias: fusing the bias is
// the kernel former's work. Output sizes and auto_pad are expressions, so one
// import serves every input size. Pools stand in Pool.cpp, norms in Norm.cpp,
// attention in Attention.cpp, Fourier transforms in Signal.cpp, sampling in
// Sampling.cpp, boxes in Detection.cpp.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Compose.h"

using namespace mlir;

namespace smelt::onnx {

namespace {
constexpr int64_t kMaxExtent = (int64_t(1) << 31) - 1; // kernel, stride, dilation, pad: products stay in 64 bits
}

FailureOr<SmallVector<int64_t>> listAttr(NodeImport &n, StringRef name, size_t count, int64_t fallback, int64_t min,
                                         int64_t max) {
  if (!n.has(name))
    return SmallVector<int64_t>(count, fallback);
  SmallVector<int64_t> values = n.ints(name);
  if (values.size() != count)
    return n.error("attribute " + name + " has " + Twine(values.size()) + " entries, want " + Twine(count));
  for (auto [i, value] : llvm::enumerate(values))
    if (failed(expectRange(n, value, min, max, name + "[" + Twine(i) + "]")))
      return failure();
  return values;
}

DimsAttr Window::pads(NodeImport &n) const {
  Dims all = low;
  all.append(high);
  return DimsAttr::get(n.b.getContext(), all);
}

FailureOr<Window> readWindow(NodeImport &n, ArrayRef<AffineExpr> spatial, ArrayRef<int64_t> kernel) {
  Window w;
  w.kernel.assign(kernel.begin(), kernel.end());
  for (auto [i, size] : llvm::enumerate(kernel))
    if (failed(expectRange(n, size, 1, kMaxExtent, "kernel_shape[" + Twine(i) + "]")))
      return failure();
  auto strides = listAttr(n, "strides", spatial.size(), 1, 1, kMaxExtent);
  auto dilations = listAttr(n, "dilations", spatial.size(), 1, 1, kMaxExtent);
  if (failed(strides) || failed(dilations))
    return failure();
  w.strides = *strides;
  w.dilations = *dilations;
  std::string mode = n.s("auto_pad", "NOTSET");
  if (mode.empty())
    mode = "NOTSET";
  if (mode != "NOTSET" && mode != "VALID" && mode != "SAME_UPPER" && mode != "SAME_LOWER")
    return n.error("auto_pad is '" + mode + "', want NOTSET, VALID, SAME_UPPER or SAME_LOWER");
  // Pads beside an auto_pad are dead text in the models that have both.
  SmallVector<int64_t> pads(2 * spatial.size(), 0);
  if (mode == "NOTSET") {
    auto stated = listAttr(n, "pads", 2 * spatial.size(), 0, 0, kMaxExtent);
    if (failed(stated))
      return failure();
    pads = *stated;
  }
  bool ceilMode = n.i("ceil_mode", 0) != 0;
  for (auto [i, x] : llvm::enumerate(spatial)) {
    int64_t stride = w.strides[i], reach = w.dilations[i] * (kernel[i] - 1);
    AffineExpr low = n.num(pads[i]), high = n.num(pads[i + spatial.size()]), out;
    if (StringRef(mode).starts_with("SAME")) {
      // As many outputs as strides fit; the odd pad goes to the named side.
      out = x.ceilDiv(stride);
      AffineExpr total = simplifyAffineExpr((out - 1) * stride + reach + 1 - x, 0, n.symbols().size());
      total = n.symbols().max(total, n.num(0));
      low = mode == "SAME_UPPER" ? total.floorDiv(2) : total.ceilDiv(2);
      high = total - low;
    } else {
      AffineExpr room = simplifyAffineExpr(x + low + high - (reach + 1), 0, n.symbols().size());
      if (auto constant = dyn_cast<AffineConstantExpr>(room); constant && constant.getValue() < 0 && x != n.num(0))
        return n.error("window of " + Twine(reach + 1) + " elements in dim " + Twine(i) +
                       " does not fit the padded input of " + Twine(constant.getValue() + reach + 1));
      // The same at run time; an empty input stays empty.
      n.checkZero(n.symbols().min(x, n.symbols().max(-room, n.num(0))),
                  "window of " + Twine(reach + 1) + " elements in dim " + Twine(i) + " does not fit the padded input");
      out = room.floorDiv(stride) + 1;
      // Rounded up, but no window may start in the right padding.
      if (ceilMode)
        out = n.symbols().min(room.ceilDiv(stride) + 1, (x + low).ceilDiv(stride));
    }
    w.low.push_back(low);
    w.high.push_back(high);
    w.out.push_back(simplifyAffineExpr(out, 0, n.symbols().size()));
  }
  return w;
}

/// The kernel of weights [A, B, K...]; checked against `kernel_shape`.
static FailureOr<SmallVector<int64_t>> kernelOf(NodeImport &n, Value w) {
  SmallVector<int64_t> kernel;
  for (int64_t i = 2; i < n.rank(w); ++i) {
    auto size = staticDim(n, w, i, "W");
    if (failed(size))
      return failure();
    kernel.push_back(*size);
  }
  if (n.has("kernel_shape")) {
    SmallVector<int64_t> stated = n.ints("kernel_shape");
    if (stated != kernel) {
      std::string found, want;
      for (int64_t k : stated)
        found += " " + std::to_string(k);
      for (int64_t k : kernel)
        want += " " + std::to_string(k);
      return n.error("kernel_shape is" + found + ", the weights say" + want);
    }
  }
  return kernel;
}

FailureOr<Value> convolve(NodeImport &n, Value x, Value w, Type resultElem) {
  if (failed(expectRank(n, x, 3, 5, "X")) || failed(expectRank(n, w, n.rank(x), n.rank(x), "W")))
    return failure();
  int64_t groups = n.i("group", 1);
  if (failed(expectRange(n, groups, 1, kMaxExtent, "group")))
    return failure();
  auto kernel = kernelOf(n, w);
  if (failed(kernel))
    return failure();
  Dims xd = n.dims(x), wd = n.dims(w);
  auto channels = dyn_cast<AffineConstantExpr>(xd[1]), perGroup = dyn_cast<AffineConstantExpr>(wd[1]);
  auto outputs = dyn_cast<AffineConstantExpr>(wd[0]);
  if (channels && perGroup && channels.getValue() != perGroup.getValue() * groups)
    return n.error("X has " + Twine(channels.getValue()) + " channels, W and group want " + Twine(perGroup.getValue()) +
                   " x " + Twine(groups));
  if (outputs && outputs.getValue() % groups != 0)
    return n.error("W has " + Twine(outputs.getValue()) + " output channels, want a multiple of group " +
                   Twine(groups));
  auto window = readWindow(n, ArrayRef(xd).drop_front(2), *kernel);
  if (failed(window))
    return failure();
  Dims dims = {xd[0], wd[0]};
  dims.append(window->out);
  return make<ConvOp>(n, dims, resultElem, x, w, window->strides, window->pads(n), window->dilations, groups);
}

FailureOr<Value> addChannelBias(NodeImport &n, Value y, Value bias) {
  if (failed(expectShape(n, bias, {n.dims(y)[1]}, "B")) || failed(expectElem(n, bias, n.elem(y), "B")))
    return failure();
  return n.add(y, alongAxis(n, bias, n.rank(y), 1));
}

static LogicalResult importConv(NodeImport &n) {
  Value x = n.in(0), w = n.in(1);
  if (failed(expectElem(n, w, n.elem(x), "W")))
    return failure();
  FailureOr<Value> y = convolve(n, x, w, n.elem(x));
  if (succeeded(y) && n.hasIn(2))
    y = addChannelBias(n, *y, n.in(2));
  return failed(y) ? failure() : n.set(0, *y);
}

static LogicalResult importConvInteger(NodeImport &n) {
  Value x = n.in(0), w = n.in(1);
  if (failed(expectInteger(n, x, "x")) || failed(expectInteger(n, w, "w")))
    return failure();
  Type i32 = n.b.getI32Type();
  bool plain = true;
  for (int i : {2, 3})
    if (n.hasIn(i) && getSplatValue(n.in(i)) != 0.0)
      plain = false;
  if (!plain) {
    // Zero points are taken off first, so that padding stays zero.
    x = n.cast(x, i32);
    w = n.cast(w, i32);
    if (n.hasIn(2)) {
      auto zero = quantParam(n, n.in(2), x, 1, "x_zero_point");
      if (failed(zero))
        return failure();
      x = n.sub(x, n.cast(*zero, i32));
    }
    if (n.hasIn(3)) {
      auto zero = quantParam(n, n.in(3), w, 0, "w_zero_point");
      if (failed(zero))
        return failure();
      w = n.sub(w, n.cast(*zero, i32));
    }
  }
  FailureOr<Value> y = convolve(n, x, w, i32);
  return failed(y) ? failure() : n.set(0, *y);
}

static LogicalResult importConvTranspose(NodeImport &n) {
  Value x = n.in(0), w = n.in(1);
  if (failed(expectElem(n, w, n.elem(x), "W")) || failed(expectRank(n, x, 3, 5, "X")) ||
      failed(expectRank(n, w, n.rank(x), n.rank(x), "W")))
    return failure();
  int64_t groups = n.i("group", 1);
  if (failed(expectRange(n, groups, 1, kMaxExtent, "group")) || failed(expectShape(
                                                                    n, w,
                                                                    [&] {
                                                                      Dims want(n.rank(w));
                                                                      want[0] = n.dims(x)[1];
                                                                      return want;
                                                                    }(),
                                                                    "W")))
    return failure();
  auto kernel = kernelOf(n, w);
  size_t spatial = n.rank(x) - 2;
  auto strides = listAttr(n, "strides", spatial, 1, 1, kMaxExtent);
  auto dilations = listAttr(n, "dilations", spatial, 1, 1, kMaxExtent);
  auto extra = listAttr(n, "output_padding", spatial, 0, 0, kMaxExtent);
  auto pads = listAttr(n, "pads", 2 * spatial, 0, 0, kMaxExtent);
  if (failed(kernel) || failed(strides) || failed(dilations) || failed(extra) || failed(pads))
    return failure();
  if (auto channels = dyn_cast<AffineConstantExpr>(n.dims(x)[1]); channels && channels.getValue() % groups != 0)
    return n.error("X has " + Twine(channels.getValue()) + " channels, want a multiple of group " + Twine(groups));
  std::string mode = n.s("auto_pad", "NOTSET");
  if (mode != "NOTSET" && mode != "VALID" && mode != "SAME_UPPER" && mode != "SAME_LOWER")
    return n.error("auto_pad is '" + mode + "', want NOTSET, VALID, SAME_UPPER or SAME_LOWER");
  SmallVector<int64_t> shape = n.ints("output_shape");
  if (shape.size() == spatial + 2) // some writers state N and C too
    shape.erase(shape.begin(), shape.begin() + 2);
  if (!shape.empty() && shape.size() != spatial)
    return n.error("output_shape has " + Twine(shape.size()) + " entries, want " + Twine(spatial));

  Dims xd = n.dims(x), low, high, dims = {xd[0], n.dims(w)[1] * groups};
  for (size_t i = 0; i < spatial; ++i) {
    AffineExpr full = (xd[i + 2] - 1) * (*strides)[i] + (*extra)[i] + (*dilations)[i] * ((*kernel)[i] - 1) + 1;
    full = simplifyAffineExpr(full, 0, n.symbols().size());
    AffineExpr lo = n.num(0), hi = n.num(0), out;
    if (!shape.empty() || StringRef(mode).starts_with("SAME")) {
      if (!shape.empty() && failed(expectRange(n, shape[i], 1, kMaxDim, "output_shape[" + Twine(i) + "]")))
        return failure();
      out = shape.empty() ? xd[i + 2] * (*strides)[i] : n.num(shape[i]);
      AffineExpr total = n.symbols().max(simplifyAffineExpr(full - out, 0, n.symbols().size()), n.num(0));
      // Until opset 10 the odd pad stood in front for SAME_UPPER, since then behind.
      bool frontSmall = (mode == "SAME_UPPER") == (n.opset() >= 11);
      lo = frontSmall ? total.floorDiv(2) : total.ceilDiv(2);
      hi = total - lo;
    } else {
      if (mode == "NOTSET") {
        lo = n.num((*pads)[i]);
        hi = n.num((*pads)[i + spatial]);
      }
      out = simplifyAffineExpr(full - lo - hi, 0, n.symbols().size());
      if (auto constant = dyn_cast<AffineConstantExpr>(out); constant && constant.getValue() < 0)
        return n.error("output of size " + Twine(constant.getValue()) + " in dim " + Twine(i) +
                       ": the pads are larger than the result");
    }
    low.push_back(lo);
    high.push_back(hi);
    dims.push_back(out);
  }
  low.append(high);
  Value y = make<ConvTransposeOp>(n, dims, n.elem(x), x, w, *strides, DimsAttr::get(n.b.getContext(), low), *dilations,
                                  groups);
  FailureOr<Value> result = y;
  if (n.hasIn(2))
    result = addChannelBias(n, y, n.in(2));
  return failed(result) ? failure() : n.set(0, *result);
}

llvm::ArrayRef<OpRow> nnOps() {
  static const OpRow rows[] = {
      {"", "Conv", 1, 2, 3, importConv},
      {"", "ConvInteger", 10, 2, 4, importConvInteger},
      {"", "ConvTranspose", 1, 2, 3, importConvTranspose},
      {"", "MaxPool", 1, 1, 1, importMaxPool},
      {"", "AveragePool", 1, 1, 1, importAveragePool},
      {"", "LpPool", 1, 1, 1, importLpPool},
      {"", "GlobalAveragePool", 1, 1, 1, importGlobalAveragePool},
      {"", "GlobalMaxPool", 1, 1, 1, importGlobalMaxPool},
      {"", "GlobalLpPool", 1, 1, 1, importGlobalLpPool},
      {"", "MaxUnpool", 9, 2, 3, importMaxUnpool},
      {"", "BatchNormalization", 1, 5, 5, importBatchNorm},
      {"", "InstanceNormalization", 1, 3, 3, importInstanceNorm},
      {"", "LayerNormalization", 1, 2, 3, importLayerNorm},
      {"", "GroupNormalization", 18, 3, 3, importGroupNorm18},
      {"", "GroupNormalization", 21, 3, 3, importGroupNorm21},
      {"", "RMSNormalization", 23, 2, 2, importRMSNorm},
      {"", "LRN", 1, 1, 1, importLRN},
      {"", "MeanVarianceNormalization", 1, 1, 1, importMeanVarianceNorm},
      {"", "LpNormalization", 1, 1, 1, importLpNorm},
      {"", "Attention", 23, 3, 7, importAttention},
      {"", "RotaryEmbedding", 23, 3, 4, importRotaryEmbedding},
      {"", "DFT", 17, 1, 2, importDFT17},
      {"", "DFT", 20, 1, 3, importDFT20},
      {"", "STFT", 17, 2, 4, importSTFT},
      {"", "MelWeightMatrix", 17, 5, 5, importMelWeightMatrix},
      {"", "HannWindow", 17, 1, 1, importHann},
      {"", "HammingWindow", 17, 1, 1, importHamming},
      {"", "BlackmanWindow", 17, 1, 1, importBlackman},
      {"", "AffineGrid", 20, 2, 2, importAffineGrid},
      {"", "GridSample", 16, 2, 2, importGridSample},
      {"", "Col2Im", 18, 3, 3, importCol2Im},
      {"", "RoiAlign", 10, 3, 3, importRoiAlign},
      {"", "MaxRoiPool", 1, 2, 2, importMaxRoiPool},
      {"", "NonMaxSuppression", 10, 2, 5, importNonMaxSuppression},
      {"", "DeformConv", 19, 3, 5, importDeformConv},
  };
  return rows;
}

} // namespace smelt::onnx
