//===- Resize.cpp - Evaluating interpolation --------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ONNX Resize, one axis after the other: per output index a list of source
// indices and weights (nearest: one of weight 1). Coordinates and weights are
// computed in f64, sums in the carried float. Tested by
// test/dialects/eval/resize.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/eval/Families.h"
#include "dialects/smelt/eval/Kinds.h"
#include <algorithm>

using namespace mlir;

namespace smelt::eval {

namespace {

struct Taps {
  SmallVector<int64_t, 4> from;
  SmallVector<double, 4> weights;
  bool outside = false; // tf_crop_and_resize beyond the input
};

struct Axis {
  int64_t in, out;
  double scale, roiStart, roiEnd;
};

/// Output coordinate to input coordinate.
double inputCoordinate(ResizeCoord coord, const Axis &axis, int64_t at) {
  double x = double(at), in = double(axis.in), out = double(axis.out);
  switch (coord) {
  case ResizeCoord::half_pixel: return (x + 0.5) / axis.scale - 0.5;
  case ResizeCoord::pytorch_half_pixel: return axis.out > 1 ? (x + 0.5) / axis.scale - 0.5 : 0;
  // The output's size before rounding, as ONNX's reference implementation has it.
  case ResizeCoord::align_corners: return axis.out > 1 ? x * (in - 1) / (axis.scale * in - 1) : 0;
  case ResizeCoord::asymmetric: return x / axis.scale;
  case ResizeCoord::half_pixel_symmetric: {
    double adjustment = out / (axis.scale * in);
    return in / 2 * (1 - adjustment) + (x + 0.5) / axis.scale - 0.5;
  }
  case ResizeCoord::tf_crop_and_resize:
    if (axis.out > 1)
      return axis.roiStart * (in - 1) + x * (axis.roiEnd - axis.roiStart) * (in - 1) / (out - 1);
    return 0.5 * (axis.roiStart + axis.roiEnd) * (in - 1);
  }
  llvm_unreachable("unknown coordinates");
}

int64_t nearestIndex(NearestMode mode, double x) {
  double low = std::floor(x), rest = x - low;
  switch (mode) {
  case NearestMode::round_prefer_floor: return int64_t(rest <= 0.5 ? low : low + 1);
  case NearestMode::round_prefer_ceil: return int64_t(rest < 0.5 ? low : low + 1);
  case NearestMode::floor: return int64_t(low);
  case NearestMode::ceil: return int64_t(std::ceil(x));
  }
  llvm_unreachable("unknown rounding");
}

double linearKernel(double x) { return std::max(0.0, 1 - std::fabs(x)); }
double cubicKernel(double x, double a) {
  x = std::fabs(x);
  if (x <= 1)
    return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? a * (((x - 5) * x + 8) * x - 4) : 0;
}

Taps tapsAt(ResizeOp op, const Axis &axis, int64_t at) {
  Taps taps;
  double x = inputCoordinate(op.getCoord(), axis, at);
  taps.outside = op.getCoord() == ResizeCoord::tf_crop_and_resize && (x < 0 || x > double(axis.in - 1));
  auto clamp = [&](int64_t i) { return std::clamp<int64_t>(i, 0, axis.in - 1); };
  if (op.getMode() == ResizeMode::nearest) {
    taps.from = {clamp(nearestIndex(op.getNearest(), x))};
    taps.weights = {1.0};
    return taps;
  }
  bool cubic = op.getMode() == ResizeMode::cubic;
  double radius = cubic ? 2 : 1, sum = 0;
  for (int64_t i = int64_t(std::floor(x - radius)); i <= int64_t(std::ceil(x + radius)); ++i) {
    double distance = double(i) - x;
    double weight = cubic ? cubicKernel(distance, op.getCubicA().convertToDouble()) : linearKernel(distance);
    if (weight == 0 || (op.getExcludeOutside() && (i < 0 || i >= axis.in)))
      continue;
    taps.from.push_back(clamp(i));
    taps.weights.push_back(weight);
    sum += weight;
  }
  if (sum != 0 && op.getExcludeOutside())
    for (double &weight : taps.weights)
      weight /= sum;
  return taps;
}

} // namespace

HostTensor evaluateResize(Call &call, ResizeOp op) {
  ArrayRef<int64_t> in = call[0].getShape(), out = call.shapes[0];
  size_t rank = in.size();
  if (out.size() != rank || op.getScales().size() != rank)
    return call.refuse("result or scales of another rank");
  for (size_t d = 0; d < rank; ++d)
    if (in[d] == 0 && out[d] != 0)
      return call.refuse("dim " + Twine(d) + " is empty");
  bool hasRoi = op.getRoi().size() == 2 * rank || op.getBox();
  size_t boxAt = op.getFactors() ? 2 : 1;
  bool nearest = op.getMode() == ResizeMode::nearest;
  Kind kind = carriedKind(call.types[0]);
  auto run = [&](auto tag) {
    using T = decltype(tag);
    Elements<T> x(call[0]);
    std::vector<T> current(x.data(), x.data() + call[0].getNumElements());
    SmallVector<int64_t> shape(in);
    SmallVector<std::vector<bool>> outside(rank);
    bool anyOutside = false;
    for (size_t d = 0; d < rank; ++d) {
      Axis axis{in[d], out[d], op.getScales()[d], 0, 1};
      if (axis.scale == 0)
        axis.scale = op.getFactors() ? double(call[1].data<float>()[d]) : double(axis.out) / double(axis.in);
      if (op.getBox()) {
        axis.roiStart = call[boxAt].data<float>()[d];
        axis.roiEnd = call[boxAt].data<float>()[rank + d];
      } else if (hasRoi) {
        axis.roiStart = op.getRoi()[d];
        axis.roiEnd = op.getRoi()[rank + d];
      }
      bool crops = op.getCoord() == ResizeCoord::tf_crop_and_resize && (axis.roiStart != 0 || axis.roiEnd != 1);
      outside[d].assign(axis.out, false);
      if (axis.in == axis.out && axis.scale == 1 && !crops)
        continue;
      AxisSplit split(shape, d);
      std::vector<T> next(split.outer * axis.out * split.inner);
      for (int64_t i = 0; i < axis.out; ++i) {
        Taps taps = tapsAt(op, axis, i);
        outside[d][i] = taps.outside;
        anyOutside |= taps.outside;
        for (int64_t o = 0; o < split.outer; ++o) {
          T *to = next.data() + (o * axis.out + i) * split.inner;
          const T *from = current.data() + o * axis.in * split.inner;
          if (nearest) {
            std::copy_n(from + taps.from[0] * split.inner, split.inner, to);
            continue;
          }
          std::fill_n(to, split.inner, T(0));
          for (auto [source, weight] : llvm::zip_equal(taps.from, taps.weights))
            for (int64_t n = 0; n < split.inner; ++n)
              to[n] = T(to[n] + T(weight) * from[source * split.inner + n]);
        }
      }
      current = std::move(next);
      shape[d] = axis.out;
    }
    if (anyOutside) {
      T fill = castElement<T>(op.getExtrapolation().convertToDouble());
      SmallVector<int64_t> index(rank, 0);
      for (T &element : current) {
        for (size_t d = 0; d < rank; ++d)
          if (outside[d][index[d]])
            element = fill;
        for (size_t d = rank; d-- > 0;) {
          if (++index[d] < out[d])
            break;
          index[d] = 0;
        }
      }
    }
    Result<T> result(call.types[0], out);
    std::copy(current.begin(), current.end(), result.data());
    return result.finish();
  };
  if (kind == Kind::F64)
    return run(double());
  if (!isa<FloatType>(call.types[0]) && nearest)
    return run(int64_t());
  return run(float());
}

} // namespace smelt::eval
