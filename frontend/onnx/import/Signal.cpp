//===- Signal.cpp - Fourier transforms and windows --------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A transform of static length is one matmul with a constant matrix whose rows
// are (n, re | im) and columns (k, re | im): the interleaved layout of ONNX is
// then a reshape. A short-time transform is a convolution with those columns
// as kernels, windowed, and the frame step as stride.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Compose.h"
#include <cmath>

using namespace mlir;

namespace smelt::onnx {

static constexpr int64_t kMaxLength = 2048; // a matrix of at most 4096 x 4096

/// cos and sin of 2 pi k n / length, the product reduced first.
static std::pair<double, double> turn(int64_t k, int64_t n, int64_t length) {
  double angle = 2.0 * M_PI * double((k * n) % length) / double(length);
  return {std::cos(angle), std::sin(angle)};
}

/// The matrix [rows * in, columns * out] of a transform; `in`, `out` are 1
/// (real) or 2. Forward: e^-i; inverse: e^+i / length. `half`: the rows are the
/// first half of a symmetric spectrum.
static SmallVector<double> fourierMatrix(int64_t rows, int64_t in, int64_t columns, int64_t out, int64_t length,
                                         bool inverse, bool half) {
  SmallVector<double> m(rows * in * columns * out);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      auto [cos, sin] = turn(r, c, length);
      double scale = inverse ? 1.0 / double(length) : 1.0;
      if (half && r != 0 && 2 * r != length)
        scale *= 2; // the mirrored coefficient
      double s = (inverse ? sin : -sin) * scale;
      cos *= scale;
      double entries[2][2] = {{cos, s}, {-s, cos}}; // [in part][out part]
      for (int64_t i = 0; i < in; ++i)
        for (int64_t o = 0; o < out; ++o)
          m[((r * in + i) * columns + c) * out + o] = entries[i][o];
    }
  return m;
}

/// The one element of an integer scalar as a constant, or `fallback` when omitted.
static FailureOr<int64_t> scalarInt(NodeImport &n, Value v, StringRef name, int64_t fallback) {
  if (!v)
    return fallback;
  auto values = n.constants(v, name);
  if (failed(values))
    return failure();
  if (values->size() != 1)
    return n.error(Twine(name) + " has " + Twine(values->size()) + " elements, want a scalar");
  return values->front();
}

static LogicalResult importDFT(NodeImport &n, int64_t axis) {
  Value x = n.in(0);
  if (failed(expectFloat(n, x, "input")) || failed(expectRank(n, x, 2, 16, "input")))
    return failure();
  auto at = n.axis(axis, n.rank(x));
  auto parts = staticDim(n, x, n.rank(x) - 1, "input");
  if (failed(at) || failed(parts) || failed(expectRange(n, *at, 0, n.rank(x) - 2, "axis")) ||
      failed(expectRange(n, *parts, 1, 2, "last dim of input")))
    return failure();
  bool inverse = n.i("inverse", 0) != 0, onesided = n.i("onesided", 0) != 0;
  bool toReal = inverse && onesided;
  if (onesided && *parts != (inverse ? 2 : 1))
    return n.error("onesided transform of an input with " + Twine(*parts) + " parts, want " + Twine(inverse ? 2 : 1));
  FailureOr<int64_t> length = 0;
  if (n.hasIn(1)) {
    length = scalarInt(n, n.in(1), "dft_length", 0);
  } else {
    length = staticDim(n, x, *at, "input");
    if (succeeded(length) && toReal)
      length = 2 * (*length - 1);
  }
  if (failed(length) || failed(expectRange(n, *length, 1, int64_t(1) << 31, "dft_length")))
    return failure();
  if (*length > kMaxLength)
    return n.unsupported("DFT of length " + Twine(*length) + ", want " + Twine(kMaxLength) + " at most");
  int64_t rows = toReal ? *length / 2 + 1 : *length, columns = onesided && !inverse ? *length / 2 + 1 : *length;
  int64_t out = toReal ? 1 : 2;
  // Cut or filled with zeros to the length.
  Dims d = n.dims(x);
  if (d[*at] != n.num(rows)) {
    d[*at] = n.num(rows);
    x = make<PadOp>(n, d, n.elem(x), x, like(n, x, 0), DimsAttr::get(n.b.getContext(), Dims(d.size(), n.num(0))),
                    PadMode::constant);
  }
  int64_t place = n.rank(x) - 2;
  Value moved = moveAxis(n, x, *at, place);
  Dims flat = n.dims(moved);
  flat.pop_back();
  flat.back() = n.num(rows * *parts);
  Type elem = n.elem(x);
  Value matrix = floats(n, fourierMatrix(rows, *parts, columns, out, *length, inverse, toReal),
                        {rows * *parts, columns * out}, elem);
  auto y = matmul(n, n.reshape(moved, flat), matrix, elem);
  if (failed(y))
    return failure();
  Dims result = n.dims(moved);
  result[place] = n.num(columns);
  result.back() = n.num(out);
  return n.set(0, moveAxis(n, n.reshape(*y, result), place, *at));
}

LogicalResult importDFT17(NodeImport &n) { return importDFT(n, n.i("axis", 1)); }
LogicalResult importDFT20(NodeImport &n) {
  if (!n.hasIn(2))
    return importDFT(n, -2);
  auto axis = n.oneAxis(n.in(2), n.rank(n.in(0)), "axis");
  return failed(axis) ? failure() : importDFT(n, *axis);
}

/// STFT of real frames whose length or distance only the run knows: gathered, and
/// multiplied by cosines and sines that are computed. signal [B, S, 1].
static LogicalResult gatherFrames(NodeImport &n, Value signal, Value window, AffineExpr hop, AffineExpr length) {
  Type elem = n.elem(signal), i64 = n.b.getI64Type(), f64 = n.b.getF64Type();
  Dims d = n.dims(signal);
  AffineExpr frames = n.named((d[1] - length).floorDiv(hop) + 1, "frames"), one = n.num(1);
  AffineExpr bins = n.named(n.i("onesided", 1) ? length.floorDiv(2) + 1 : length, "bins");
  Value at = n.add(n.mul(n.iota(i64, {frames, one}, 0), n.exprScalar(i64, hop)), n.iota(i64, {one, length}, 1));
  Value framed = make<GatherOp>(n, {d[0], frames, length}, elem, n.squeeze(signal, {2}), at, 1);
  if (window)
    framed = n.mul(framed, n.rebind(n.cast(window, elem), {length}));
  // Angles of k * n modulo the length, so that large products lose nothing.
  Value turns = n.elementwise<RemOp>({n.mul(n.iota(i64, {length, one}, 0), n.iota(i64, {one, bins}, 1)), n.exprScalar(i64, length)});
  Value angle = n.div(n.mul(n.cast(turns, f64), n.scalar(f64, 2 * M_PI)), n.exprScalar(f64, length));
  Value real = n.matmul(framed, n.cast(unary<CosOp>(n, angle), elem));
  Value imaginary = n.matmul(framed, n.cast(unary<NegOp>(n, unary<SinOp>(n, angle)), elem));
  return n.set(0, n.concat({n.unsqueeze(real, {3}), n.unsqueeze(imaginary, {3})}, 3));
}

LogicalResult importSTFT(NodeImport &n) {
  Value signal = n.in(0), window = n.in(2);
  if (failed(expectFloat(n, signal, "signal")) || failed(expectRank(n, signal, 2, 3, "signal")))
    return failure();
  if (n.rank(signal) == 2)
    signal = n.unsqueeze(signal, {2});
  auto parts = staticDim(n, signal, 2, "signal");
  auto steps = n.exprs(n.in(1), n.node.label() + ".frame_step", 1, (int64_t(1) << 31) - 1);
  if (failed(parts) || failed(steps))
    return failure();
  if (steps->size() != 1)
    return n.error("frame_step has " + Twine(steps->size()) + " elements, want one");
  AffineExpr hop = steps->front();
  auto step = dyn_cast<AffineConstantExpr>(hop);
  if ((step && failed(expectRange(n, step.getValue(), 1, (int64_t(1) << 31) - 1, "frame_step"))) ||
      failed(expectRange(n, *parts, 1, 2, "last dim of signal")))
    return failure();
  FailureOr<int64_t> length = 0;
  if (window && failed(expectRank(n, window, 1, 1, "window")))
    return failure();
  bool isRealSignal = *parts == 1;
  auto lengths = n.hasIn(3) ? n.exprs(n.in(3), n.node.label() + ".frame_length", 1, int64_t(1) << 31)
                            : FailureOr<SmallVector<AffineExpr>>(Dims{n.dims(window ? window : signal)[window ? 0 : 1]});
  if (failed(lengths))
    return failure();
  if (isRealSignal && lengths->size() == 1 && (!step || !isa<AffineConstantExpr>(lengths->front())))
    return gatherFrames(n, signal, window, hop, lengths->front());
  if (!step)
    return n.unsupported("STFT of a complex signal with a frame_step known at run time only");
  if (n.hasIn(3))
    length = scalarInt(n, n.in(3), "frame_length", 0);
  else
    length = window ? staticDim(n, window, 0, "window") : staticDim(n, signal, 1, "signal");
  if (failed(length) || failed(expectRange(n, *length, 1, int64_t(1) << 31, "frame_length")) ||
      (window && failed(expectShape(n, window, {n.num(*length)}, "window"))))
    return failure();
  if (*length > kMaxLength)
    return n.unsupported("STFT with frames of " + Twine(*length) + " samples, want " + Twine(kMaxLength) + " at most");
  int64_t bins = n.i("onesided", 1) ? *length / 2 + 1 : *length;
  // The matrix [length, parts, bins * 2] is wanted as kernels [bins * 2, parts, length].
  Type elem = n.elem(signal);
  Value matrix =
      floats(n, fourierMatrix(*length, *parts, bins, 2, *length, false, false), {*length, *parts, bins * 2}, elem);
  Value kernels = n.transpose(matrix, {2, 1, 0});
  if (window)
    kernels = n.mul(kernels, n.cast(window, elem));
  Dims d = n.dims(signal);
  AffineExpr room = simplifyAffineExpr(d[1] - *length, 0, n.symbols().size());
  if (auto constant = dyn_cast<AffineConstantExpr>(room); constant && constant.getValue() < 0)
    return n.error("frames of " + Twine(*length) + " samples do not fit the signal");
  AffineExpr frames = room.floorDiv(hop) + 1;
  Value x = n.transpose(signal, {0, 2, 1});
  Value y = make<ConvOp>(n, {d[0], n.num(bins * 2), frames}, elem, x, kernels, ArrayRef<int64_t>{step.getValue()},
                         DimsAttr::get(n.b.getContext(), ArrayRef<int64_t>{0, 0}), ArrayRef<int64_t>{1}, 1);
  return n.set(0, n.reshape(n.transpose(y, {0, 2, 1}), {d[0], frames, n.num(bins), n.num(2)}));
}

/// a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N); N is the size, one less when symmetric.
static LogicalResult importWindow(NodeImport &n, double a0, double a1, double a2) {
  Type type = n.dtype(DType(n.i("output_datatype", 1)));
  auto size = n.exprs(n.in(0), "size");
  if (!type || failed(size))
    return failure();
  if (size->size() != 1)
    return n.error("size has " + Twine(size->size()) + " elements, want a scalar");
  if (!isa<FloatType>(type))
    return n.unsupported("a window of integers");
  bool periodic = n.i("periodic", 1) != 0;
  if (auto constant = dyn_cast<AffineConstantExpr>(size->front())) {
    int64_t count = constant.getValue();
    if (failed(expectRange(n, count, 0, 1 << 24, "size")))
      return failure();
    SmallVector<double> values;
    double period = std::max<double>(1, double(periodic ? count : count - 1));
    for (int64_t i = 0; i < count; ++i)
      values.push_back(a0 - a1 * std::cos(2 * M_PI * double(i) / period) +
                       a2 * std::cos(4 * M_PI * double(i) / period));
    return n.set(0, floats(n, values, {count}, type));
  }
  Type f64 = n.b.getF64Type();
  Value at = make<IotaOp>(n, {size->front()}, f64, 0);
  Value period = n.exprScalar(f64, n.symbols().max(periodic ? size->front() : size->front() - 1, n.num(1)));
  Value angle = n.div(n.mul(at, n.scalar(f64, 2 * M_PI)), period);
  Value y = n.sub(n.scalar(f64, a0), n.mul(unary<CosOp>(n, angle), n.scalar(f64, a1)));
  if (a2 != 0)
    y = n.add(y, n.mul(unary<CosOp>(n, n.add(angle, angle)), n.scalar(f64, a2)));
  return n.set(0, n.cast(y, type));
}

/// Triangles between frequencies that lie evenly on the mel scale, computed in f64 as
/// ONNX's reference implementation does.
LogicalResult importMelWeightMatrix(NodeImport &n) {
  Type type = n.dtype(DType(n.i("output_datatype", 1))), f64 = n.b.getF64Type();
  auto count = n.exprs(n.in(0), n.node.label() + ".num_mel_bins"), length = n.exprs(n.in(1), n.node.label() + ".dft_length");
  if (!type || failed(count) || failed(length))
    return failure();
  if (count->size() != 1 || length->size() != 1 || !isa<FloatType>(type))
    return n.error("num_mel_bins and dft_length must be one number each, the output floats");
  AffineExpr bins = count->front(), lines = length->front().floorDiv(2) + 1, one = n.num(1);
  auto flt = [&](double v) { return n.scalar(f64, v); };
  auto scalar = [&](size_t i) { return n.cast(n.reshape(n.in(i), {}), f64); };
  auto mel = [&](Value hertz) { // log1p and expm1 lose nothing that f64 would keep here
    return n.mul(unary<LogOp>(n, n.add(n.div(hertz, flt(700)), flt(1))), flt(2595 / std::log(10.0)));
  };
  Value low = mel(scalar(3)), step = n.div(n.sub(mel(scalar(4)), low), n.add(n.exprScalar(f64, bins), flt(2)));
  Value index = n.iota(f64, {one, bins}, 1), rate = scalar(2);
  auto line = [&](double shift) { // the spectrogram's line of frequency i + shift
    Value at = n.add(n.mul(n.add(index, flt(shift)), step), low);
    Value hertz = n.mul(n.sub(unary<ExpOp>(n, n.mul(at, flt(std::log(10.0) / 2595))), flt(1)), flt(700));
    return unary<FloorOp>(n, n.div(n.mul(hertz, n.exprScalar(f64, length->front() + 1)), rate));
  };
  Value left = line(0), center = line(1), right = line(2), at = n.iota(f64, {lines, one}, 0);
  auto both = [&](Value a, Value b) { return n.elementwise<AndOp>({a, b}); };
  Value width = n.sub(center, left), fall = n.sub(right, center), zero = flt(0);
  Value isPoint = n.cmp(CmpKind::eq, width, zero);
  Value rising = both(n.cmp(CmpKind::ge, at, left), n.cmp(CmpKind::le, at, center));
  Value falling = both(n.cmp(CmpKind::ge, at, center), n.cmp(CmpKind::lt, at, right));
  Value up = n.select(isPoint, flt(1), n.div(n.sub(at, left), n.select(isPoint, flt(1), width)));
  Value y = n.select(rising, up, zero);
  y = n.select(both(falling, n.cmp(CmpKind::gt, fall, zero)), n.div(n.sub(right, at), n.max(fall, flt(1))), y);
  return n.set(0, n.cast(y, type));
}

LogicalResult importHann(NodeImport &n) { return importWindow(n, 0.5, 0.5, 0); }
LogicalResult importHamming(NodeImport &n) { return importWindow(n, 25.0 / 46.0, 21.0 / 46.0, 0); }
LogicalResult importBlackman(NodeImport &n) { return importWindow(n, 0.42, 0.5, 0.08); }

} // namespace smelt::onnx
