//===- Resize.cpp - Resize and Upsample of all opsets -----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The result's sizes are floor(dim * scale), or given; the op keeps the scale
// as the model states it, because coordinates are computed with it. Test:
// test/frontend/import/resize*.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Compose.h"
#include "frontend/onnx/import/Graph.h"
#include <cmath>

using namespace mlir;

namespace smelt::onnx {

/// Constant floats, whatever form they stand in.
static std::optional<SmallVector<double>> constantFloats(NodeImport &n, Value v) {
  auto bytes = getConstantBytes(v);
  if (!bytes || !isa<Float32Type>(n.elem(v)))
    return std::nullopt;
  SmallVector<double> result;
  for (size_t i = 0; i + 4 <= bytes->data.size(); i += 4) {
    float value;
    std::memcpy(&value, bytes->data.data() + i, 4);
    result.push_back(value);
  }
  return result;
}

/// floor(dim * scale) with the scale as the exact fraction that it is.
static AffineExpr scaledSize(NodeImport &n, AffineExpr dim, double scale) {
  if (auto size = dyn_cast<AffineConstantExpr>(dim))
    return n.num(int64_t(std::min(std::floor(double(size.getValue()) * scale), 4e18)));
  int exponent;
  int64_t mantissa = int64_t(std::ldexp(std::frexp(scale, &exponent), 24)); // f32: exact
  int shift = 24 - exponent;
  while (shift > 0 && mantissa % 2 == 0) {
    mantissa /= 2;
    --shift;
  }
  if (shift <= 0)
    return dim * (mantissa << std::min(-shift, 30));
  return (dim * mantissa).floorDiv(int64_t(1) << std::min(shift, 40));
}

namespace {
/// What the op takes, one entry per dim.
struct Plan {
  SmallVector<AffineExpr> sizes;
  SmallVector<double> scales;
  Value factors; // f32 [rank], when the run knows the scales
};
} // namespace

/// One value per axis as a vector [rank], `other` for the dims that are no axis.
static Value spread(NodeImport &n, Value given, int64_t from, ArrayRef<int64_t> axes, int64_t rank, double other) {
  SmallVector<Value> parts(rank, n.reshape(n.scalar(n.elem(given), other), {n.num(1)}));
  for (auto [i, axis] : llvm::enumerate(axes))
    parts[axis] = n.slice(given, {n.num(from + i)}, {n.num(1)});
  return n.concat(parts, 0);
}

/// Scales that only the run knows: the sizes are computed from them, and read.
static LogicalResult planFactors(NodeImport &n, Value given, ArrayRef<int64_t> axes, Plan &plan) {
  if (!isa<Float32Type>(n.elem(given)) || n.rank(given) != 1)
    return n.error("scales must be a vector of float32", "onnx.dtype-mismatch");
  int64_t rank = plan.sizes.size();
  given = n.rebind(given, {n.num(axes.size())});
  plan.factors = spread(n, given, 0, axes, rank, 1);
  if (!plan.factors)
    return failure();
  Value sizes = n.elementwise<FloorOp>({n.mul(n.cast(n.fromExprs(plan.sizes), n.elem(given)), plan.factors)});
  auto wanted = n.exprs(n.cast(sizes, n.b.getI64Type()), n.node.label() + ".size");
  if (failed(wanted))
    return failure();
  for (int64_t axis : axes) {
    plan.sizes[axis] = (*wanted)[axis];
    plan.scales[axis] = 0.0;
  }
  return success();
}

static LogicalResult planScales(NodeImport &n, Value given, ArrayRef<double> attribute, ArrayRef<int64_t> axes, Plan &plan) {
  std::optional<SmallVector<double>> values;
  if (given)
    values = constantFloats(n, given);
  else
    values = SmallVector<double>(attribute);
  SmallVector<AffineExpr> dims = plan.sizes;
  if (values) {
    if (values->size() != axes.size())
      return n.error(Twine(values->size()) + " scales for " + Twine(axes.size()) + " dims", "onnx.shape-mismatch");
    for (auto [axis, scale] : llvm::zip(axes, *values)) {
      if (!(scale > 0) || !std::isfinite(scale))
        return n.error("scale " + Twine(std::to_string(scale)) + ", want a positive number");
      plan.scales[axis] = scale;
      if (scale != 1.0)
        plan.sizes[axis] = scaledSize(n, dims[axis], scale);
    }
    return success();
  }
  // Scales that are quotients of sizes.
  auto quotients = n.importer.values.getQuotients(given);
  if (!quotients)
    return planFactors(n, given, axes, plan);
  if (quotients->size() != axes.size())
    return n.error(Twine(quotients->size()) + " scales for " + Twine(axes.size()) + " dims", "onnx.shape-mismatch");
  for (auto [axis, q] : llvm::zip(axes, *quotients)) {
    auto num = dyn_cast<AffineConstantExpr>(q.num), den = dyn_cast<AffineConstantExpr>(q.den);
    AffineExpr dim = dims[axis];
    if (num && den) {
      plan.scales[axis] = double(num.getValue()) / double(den.getValue());
      if (plan.scales[axis] <= 0)
        return n.error("scale " + Twine(std::to_string(plan.scales[axis])) + ", want a positive number");
    } else {
      plan.scales[axis] = 0.0;
    }
    if (q.den == dim)
      plan.sizes[axis] = q.num;
    else if (q.num == q.den)
      plan.scales[axis] = 1.0;
    else
      plan.sizes[axis] = simplifyAffineExpr((dim * q.num).floorDiv(q.den), 0, n.symbols().size());
  }
  return success();
}

/// keep_aspect_ratio_policy with sizes that only the run knows: one scale for all
/// axes, the least or largest quotient.
static LogicalResult planAspect(NodeImport &n, ArrayRef<AffineExpr> wanted, ArrayRef<int64_t> axes, bool isLeast, Plan &plan) {
  Type f32 = n.b.getF32Type();
  SmallVector<AffineExpr> dims;
  for (int64_t axis : axes)
    dims.push_back(plan.sizes[axis]);
  Value from = n.cast(n.fromExprs(dims), f32);
  Value scale = n.reduce(isLeast ? ReduceKind::min : ReduceKind::max, n.div(n.cast(n.fromExprs(wanted), f32), from), {0}, true);
  Value sizes = n.elementwise<FloorOp>({n.add(n.mul(from, scale), n.scalar(f32, 0.5))});
  auto found = n.exprs(n.cast(sizes, n.b.getI64Type()), n.node.label() + ".size");
  if (failed(found))
    return failure();
  plan.factors = spread(n, n.broadcast(scale, {n.num(axes.size())}), 0, axes, plan.sizes.size(), 1);
  for (auto [i, axis] : llvm::enumerate(axes)) {
    plan.sizes[axis] = (*found)[i];
    plan.scales[axis] = 0.0;
  }
  return success();
}

static LogicalResult planSizes(NodeImport &n, ArrayRef<AffineExpr> wanted, ArrayRef<int64_t> axes, Plan &plan) {
  if (wanted.size() != axes.size())
    return n.error(Twine(wanted.size()) + " sizes for " + Twine(axes.size()) + " dims", "onnx.shape-mismatch");
  std::string policy = n.s("keep_aspect_ratio_policy", "stretch");
  if (policy != "stretch" && policy != "not_larger" && policy != "not_smaller")
    return n.error("attribute 'keep_aspect_ratio_policy' is '" + policy + "', want stretch, not_larger or not_smaller");
  std::optional<double> common;
  if (policy != "stretch") {
    for (auto [axis, want] : llvm::zip(axes, wanted)) {
      auto size = dyn_cast<AffineConstantExpr>(want), dim = dyn_cast<AffineConstantExpr>(plan.sizes[axis]);
      if (!size || !dim || dim.getValue() == 0)
        return planAspect(n, wanted, axes, policy == "not_larger", plan);
      double scale = double(size.getValue()) / double(dim.getValue());
      common = !common ? scale : policy == "not_larger" ? std::min(*common, scale) : std::max(*common, scale);
    }
  }
  for (auto [axis, given] : llvm::zip(axes, wanted)) {
    AffineExpr dim = plan.sizes[axis], want = given;
    auto from = dyn_cast<AffineConstantExpr>(dim);
    if (common)
      want = n.num(int64_t(std::floor(*common * double(from.getValue()) + 0.5)));
    auto to = dyn_cast<AffineConstantExpr>(want);
    if (to && to.getValue() < 0)
      return n.error("size " + Twine(to.getValue()) + ", want 0 or more", "onnx.shape-mismatch");
    plan.sizes[axis] = want;
    plan.scales[axis] = want == dim ? 1.0
                        : common    ? *common
                        : from && to && from.getValue() ? double(to.getValue()) / double(from.getValue())
                                                        : 0.0;
  }
  return success();
}

/// The input coordinate of outputs `at` (f64 [out]), `factor` being output per input size.
static Value inputCoordinate(NodeImport &n, ResizeCoord coord, Value at, Value factor, AffineExpr in, AffineExpr out) {
  Type f64 = n.b.getF64Type();
  Value half = n.scalar(f64, 0.5), one = n.scalar(f64, 1), ins = n.exprScalar(f64, in), outs = n.exprScalar(f64, out);
  Value centred = n.sub(n.div(n.add(at, half), factor), half);
  Value many = n.cmp(CmpKind::gt, outs, one);
  switch (coord) {
  case ResizeCoord::half_pixel:
    return centred;
  case ResizeCoord::half_pixel_symmetric: // the size before rounding moves the centre
    return n.add(centred, n.mul(n.mul(ins, half), n.sub(one, n.div(outs, n.mul(factor, ins)))));
  case ResizeCoord::pytorch_half_pixel:
    return n.select(many, centred, n.scalar(f64, 0));
  case ResizeCoord::align_corners:
    return n.select(many, n.div(n.mul(at, n.sub(ins, one)), n.sub(n.mul(factor, ins), one)), n.scalar(f64, 0));
  case ResizeCoord::asymmetric:
    return n.div(at, factor);
  case ResizeCoord::tf_crop_and_resize:
    break;
  }
  llvm_unreachable("a box has no antialiasing");
}

/// Interpolation along one axis by a kernel that widens where the axis shrinks:
/// each output is a weighted sum of `taps` inputs around its coordinate.
///   x [.., in, ..] -> gather [.., out, taps, ..] * weights [out, taps] -> sum over the taps
static Value shrinkAxis(NodeImport &n, Value x, int64_t axis, const Plan &plan, bool isCubic, ResizeCoord coord) {
  Type f64 = n.b.getF64Type(), i64 = n.b.getI64Type(), elem = computeType(n.elem(x));
  AffineExpr in = n.dims(x)[axis], out = plan.sizes[axis], taps;
  double support = isCubic ? 2 : 1;
  Value factor, one = n.scalar(f64, 1), zero = n.scalar(f64, 0), radius;
  if (double scale = plan.scales[axis]; scale != 0.0) {
    factor = n.scalar(f64, scale);
    double width = std::ceil(2 * support / std::min(scale, 1.0)) + 2;
    if (!(width < double(kMaxDim)))
      return (void)n.unsupported("antialias with a scale of " + Twine(std::to_string(scale))), Value();
    taps = n.num(int64_t(width));
  } else if (plan.factors) {
    factor = n.cast(n.reshape(n.slice(plan.factors, {n.num(axis)}, {n.num(1)}), {}), f64);
  } else {
    factor = n.div(n.exprScalar(f64, out), n.exprScalar(f64, in));
  }
  Value shrink = n.min(factor, one);
  radius = n.div(n.scalar(f64, support), shrink);
  if (!radius)
    return {};
  if (!taps) {
    Value width = n.add(unary<CeilOp>(n, n.mul(radius, n.scalar(f64, 2))), n.scalar(f64, 2));
    auto found = n.exprs(n.cast(n.min(width, n.scalar(f64, double(kMaxDim))), i64), n.node.label() + ".taps", 1);
    if (failed(found))
      return {};
    taps = found->front();
  }
  Dims cells = {out, taps};
  Value at = n.unsqueeze(inputCoordinate(n, coord, n.iota(f64, {out}, 0), factor, in, out), {1});
  Value p = n.add(unary<FloorOp>(n, n.sub(at, radius)), n.iota(f64, cells, 1));
  Value d = n.mul(unary<AbsOp>(n, n.sub(p, at)), shrink), w;
  if (isCubic) { // Keys' kernel with the node's coefficient
    double a = n.f("cubic_coeff_a", -0.75);
    auto poly = [&](ArrayRef<double> c) { // Horner
      Value y = n.scalar(f64, c[0]);
      for (double next : c.drop_front())
        y = n.add(n.mul(y, d), n.scalar(f64, next));
      return y;
    };
    Value near = poly({a + 2, -(a + 3), 0, 1}), far = poly({a, -5 * a, 8 * a, -4 * a});
    w = n.select(n.cmp(CmpKind::le, d, one), near, n.select(n.cmp(CmpKind::lt, d, n.scalar(f64, 2)), far, zero));
  } else {
    w = n.max(zero, n.sub(one, d));
  }
  Value last = n.sub(n.exprScalar(f64, in), one);
  if (n.i("exclude_outside", 0))
    w = n.select(n.elementwise<AndOp>({n.cmp(CmpKind::ge, p, zero), n.cmp(CmpKind::le, p, last)}), w, zero);
  if (!w)
    return {};
  w = n.div(w, n.reduce(ReduceKind::sum, w, {1}, true));
  Value from = n.reshape(n.cast(n.max(zero, n.min(p, last)), i64), {out * taps});
  Dims gathered = n.dims(x), split, weights, result = n.dims(x);
  gathered[axis] = out * taps;
  result[axis] = out;
  for (auto [k, dim] : llvm::enumerate(result)) {
    split.push_back(dim);
    weights.push_back(int64_t(k) == axis ? out : n.num(1));
    if (int64_t(k) == axis) {
      split.push_back(taps);
      weights.push_back(taps);
    }
  }
  Value y = make<GatherOp>(n, gathered, elem, n.cast(x, elem), from, axis);
  if (!y || !w)
    return {};
  y = n.mul(n.reshape(y, split), n.reshape(n.cast(w, elem), weights));
  return n.cast(n.reduce(ReduceKind::sum, y, {axis + 1}, false), n.elem(x));
}

static LogicalResult resize(NodeImport &n) {
  Value x = n.in(0);
  int64_t rank = n.rank(x);
  bool upsample = n.opType() == "Upsample", old = upsample || n.opset() < 11;
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  if (n.has("axes")) {
    axes.clear();
    for (int64_t axis : n.ints("axes")) {
      auto at = n.axis(axis, rank);
      if (failed(at))
        return failure();
      if (llvm::is_contained(axes, *at))
        return n.error("axis " + Twine(axis) + " stands twice in axes", "onnx.axis");
      axes.push_back(*at);
    }
  }

  Plan plan{n.dims(x), SmallVector<double>(rank, 1.0)};
  // An empty tensor in place of an input means that it is not given.
  auto present = [&](Value v) {
    return v && !(n.type(v).hasStaticShape() && n.type(v).getNumElements() == 0);
  };
  Value scales = n.in(old ? 1 : 2), sizes = old ? Value() : n.in(3);
  if (present(sizes)) {
    auto wanted = n.exprs(n.cast(sizes, n.b.getI64Type()), n.node.label() + ".size");
    if (failed(wanted) || failed(planSizes(n, *wanted, axes, plan)))
      return failure();
  } else if (present(scales) || (upsample && n.has("scales"))) {
    if (failed(planScales(n, present(scales) ? scales : Value(), n.floats("scales"), axes, plan)))
      return failure();
  } else if (upsample && n.has("width_scale")) { // opset 1
    if (rank != 4)
      return n.error("input of rank " + Twine(rank) + ", want 4", "onnx.shape-mismatch");
    if (failed(planScales(n, {}, {1.0, 1.0, n.f("height_scale", 1), n.f("width_scale", 1)}, axes, plan)))
      return failure();
  } else {
    return n.error("neither scales nor sizes are given", "onnx.arity");
  }

  std::string modeName = n.s("mode", "nearest");
  auto mode = symbolizeResizeMode(modeName == "bilinear" ? "linear" : modeName);
  std::string coordName = n.s("coordinate_transformation_mode", old ? "asymmetric" : "half_pixel");
  std::string nearestName = n.s("nearest_mode", old ? "floor" : "round_prefer_floor");
  if (coordName == "tf_half_pixel_for_nn") {
    // floor((i + 0.5) / scale) is round-half-up of (i + 0.5) / scale - 0.5.
    if (nearestName != "floor" || modeName != "nearest")
      return n.unsupported("coordinate_transformation_mode tf_half_pixel_for_nn without nearest_mode floor");
    coordName = "half_pixel";
    nearestName = "round_prefer_ceil";
  }
  if (coordName == "tf_half_pixel")
    coordName = "half_pixel";
  auto coord = symbolizeResizeCoord(coordName);
  auto nearest = symbolizeNearestMode(nearestName);
  if (!mode || !coord || !nearest)
    return n.error("mode '" + modeName + "', coordinate_transformation_mode '" + coordName + "' or nearest_mode '" +
                   nearestName + "' is none of ONNX's");

  SmallVector<double> roi;
  Value box;
  if (*coord == ResizeCoord::tf_crop_and_resize) {
    if (!present(n.in(1)))
      return n.error("roi is missing, want it for tf_crop_and_resize", "onnx.arity");
    auto given = constantFloats(n, n.in(1));
    if (!given) {
      if (!isa<Float32Type>(n.elem(n.in(1))) || n.rank(n.in(1)) != 1)
        return n.unsupported("roi must be a vector of float32");
      Value all = n.rebind(n.in(1), {n.num(2 * axes.size())});
      box = n.concat({spread(n, all, 0, axes, rank, 0), spread(n, all, axes.size(), axes, rank, 1)}, 0);
      if (!box)
        return failure();
    } else if (given->size() != 2 * axes.size())
      return n.error(Twine(given->size()) + " numbers in roi, want " + Twine(2 * axes.size()), "onnx.shape-mismatch");
    if (given) {
      roi.assign(2 * rank, 0.0);
      std::fill(roi.begin() + rank, roi.end(), 1.0);
      for (auto [i, axis] : llvm::enumerate(axes)) {
        roi[axis] = (*given)[i];
        roi[rank + axis] = (*given)[axes.size() + i];
      }
    }
  } else if (llvm::all_of(plan.scales, [](double s) { return s == 1.0; }) && plan.sizes == n.dims(x)) {
    return n.set(0, x);
  }
  if (n.i("antialias", 0) != 0 && *mode != ResizeMode::nearest) {
    if (!isa<FloatType>(n.elem(x)) || *coord == ResizeCoord::tf_crop_and_resize)
      return n.unsupported("antialias of integers or with tf_crop_and_resize");
    for (int64_t axis = 0; axis < rank && x; ++axis)
      if (plan.scales[axis] != 1.0 || plan.sizes[axis] != n.dims(x)[axis])
        x = shrinkAxis(n, x, axis, plan, *mode == ResizeMode::cubic, *coord);
    return n.set(0, x);
  }
  return n.set(0, ResizeOp::create(n.b, n.loc, getTensorType(plan.sizes, n.elem(x)), x, plan.factors, box, plan.scales, roi, *mode, *coord,
                                   *nearest, llvm::APFloat(n.f("cubic_coeff_a", -0.75)), n.i("exclude_outside", 0) != 0,
                                   llvm::APFloat(n.f("extrapolation_value", 0))));
}

ArrayRef<OpRow> resizeOps() {
  static constexpr OpRow rows[] = {
      {"", "Resize", 10, 1, 4, resize},
      {"", "Upsample", 1, 1, 2, resize},
  };
  return rows;
}

} // namespace smelt::onnx
