//===- Random.cpp - Random numbers ------------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   RandomUniform -> z = mix(seed + (i + 1) * golden); (z >> 40) * 2^-24 * (high - low) + low
//
// Element i is a function of the seed and i (SplitMix64: Steele, Lea, Flood, "Fast
// splittable pseudorandom number generators", 2014), so neither threads nor tiles
// change it. A node without a seed has one of its own that is the same in each run:
// two compilations and two runs of a model give the same numbers.
// Tests: test/values/run.py.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Compose.h"
#include "llvm/Support/xxhash.h"
#include <cmath>

using namespace mlir;

namespace smelt::onnx {

namespace {

Value word(NodeImport &n, uint64_t value) {
  return n.reshape(constantOf<uint64_t>(n, {value}, IntegerType::get(n.b.getContext(), 64, IntegerType::Unsigned), "mix"), {});
}

uint64_t seedOf(NodeImport &n) {
  if (n.has("seed")) { // the float's bits: 1 and 1.5 differ
    const Attribute *attribute = n.attribute("seed"); // an integer in Dropout
    if (attribute->kind == AttrKind::Int)
      return uint64_t(attribute->i);
    float seed = float(n.f("seed", 0));
    uint32_t bits;
    std::memcpy(&bits, &seed, 4);
    return bits;
  }
  return llvm::xxh3_64bits(n.node.path());
}

/// Uniform in [0, 1), f32 of these dims; `stream` tells several of a node apart.
Value uniform(NodeImport &n, ArrayRef<AffineExpr> dims, uint64_t stream = 0) {
  AffineExpr count = n.num(1);
  for (AffineExpr dim : dims)
    count = count * dim;
  constexpr uint64_t golden = 0x9e3779b97f4a7c15;
  auto wide = IntegerType::get(n.b.getContext(), 64, IntegerType::Unsigned);
  auto fold = [&](Value z, uint64_t by) { return n.elementwise<XorOp>({z, n.elementwise<ShrOp>({z, word(n, by)})}); };
  Value i = n.reshape(n.iota(wide, {count}, 0), dims);
  Value z = n.add(n.mul(i, word(n, golden)), word(n, seedOf(n) * 0xd1342543de82ef95 + (2 * stream + 1) * golden));
  z = n.mul(fold(z, 30), word(n, 0xbf58476d1ce4e5b9));
  z = n.mul(fold(z, 27), word(n, 0x94d049bb133111eb));
  z = n.elementwise<ShrOp>({fold(z, 31), word(n, 40)});
  Type f32 = n.b.getF32Type();
  return n.mul(n.cast(z, f32), n.scalar(f32, std::ldexp(1.0, -24)));
}

/// Normal with mean 0 and deviation 1 (Box and Muller, 1958).
Value normal(NodeImport &n, ArrayRef<AffineExpr> dims) {
  Type f32 = n.b.getF32Type();
  Value u = n.sub(n.scalar(f32, 1), uniform(n, dims)); // in (0, 1]
  Value radius = unary<SqrtOp>(n, n.mul(n.scalar(f32, -2), unary<LogOp>(n, u)));
  return n.mul(radius, unary<CosOp>(n, n.mul(uniform(n, dims, 1), n.scalar(f32, 2 * M_PI))));
}

/// The type of the result: `dtype`, else that of the input, else f32.
Type resultType(NodeImport &n) {
  if (n.has("dtype"))
    return n.dtype(DType(n.i("dtype", 1)));
  Type type = n.hasIn(0) ? n.elem(n.in(0)) : Type(n.b.getF32Type());
  if (!isa<FloatType>(type)) {
    (void)n.error("without dtype the input must be of floats", "onnx.dtype-mismatch");
    return {};
  }
  return type;
}

template <bool isNormal> LogicalResult importRandom(NodeImport &n) {
  Dims dims;
  if (n.hasIn(0)) {
    dims = n.dims(n.in(0));
  } else {
    if (failed(n.require("shape")))
      return failure();
    for (int64_t size : n.ints("shape")) {
      if (size < 0)
        return n.error("shape holds " + Twine(size));
      dims.push_back(n.num(size));
    }
  }
  Type type = resultType(n), f32 = n.b.getF32Type();
  if (!type)
    return failure();
  Value x;
  if constexpr (isNormal)
    x = n.add(n.mul(normal(n, dims), n.scalar(f32, n.f("scale", 1))), n.scalar(f32, n.f("mean", 0)));
  else
    x = n.add(n.mul(uniform(n, dims), n.scalar(f32, n.f("high", 1) - n.f("low", 0))), n.scalar(f32, n.f("low", 0)));
  return n.set(0, n.cast(x, type));
}

LogicalResult importBernoulli(NodeImport &n) {
  Value p = n.in(0);
  Type type = resultType(n);
  if (!type || failed(expectFloat(n, p, "input")))
    return failure();
  // In f32 at least: a number just below 1 is 1 in 16 bits, and a probability of 1 would fail.
  Type wide = n.elem(p).isF64() ? n.elem(p) : Type(n.b.getF32Type());
  return n.set(0, n.cast(n.cmp(CmpKind::lt, n.cast(uniform(n, n.dims(p)), wide), n.cast(p, wide)), type));
}

/// Class c of row r where the running sum of the probabilities passes a uniform number.
LogicalResult importMultinomial(NodeImport &n) {
  Value x = n.in(0);
  if (failed(expectFloat(n, x, "input")) || failed(expectRank(n, x, 2, 2, "input")))
    return failure();
  int64_t count = n.i("sample_size", 1);
  Type type = n.dtype(DType(n.i("dtype", int64_t(DType::I32)))), f32 = n.b.getF32Type();
  if (!type || failed(expectRange(n, count, 1, int64_t(1) << 31, "sample_size")))
    return failure();
  Dims d = n.dims(x);
  Value p = n.softmax(n.cast(x, f32), {1});
  if (!p)
    return failure();
  Value sums = CumSumOp::create(n.b, n.loc, n.type(p), p, 1, false, false);
  Value u = uniform(n, {d[0], n.num(count)});
  Value passed = n.cmp(CmpKind::ge, n.unsqueeze(u, {2}), n.unsqueeze(sums, {1}));
  Value index = n.reduce(ReduceKind::sum, n.cast(passed, n.b.getI32Type()), {2}, false);
  return n.set(0, n.cast(n.min(index, n.exprScalar(n.b.getI32Type(), d[1] - 1)), type));
}

} // namespace

/// Elements that stay are scaled so that the expected sum does not change.
LogicalResult trainingDropout(NodeImport &n, Value training) {
  Value x = n.in(0);
  Type type = n.elem(x), f32 = n.b.getF32Type();
  Value ratio = n.hasIn(1) ? n.cast(n.reshape(n.in(1), {}), f32) : n.scalar(f32, 0.5);
  Value off = n.elementwise<NotOp>({n.reshape(training, {})});
  Value mask = n.elementwise<OrOp>({n.cmp(CmpKind::ge, uniform(n, n.dims(x)), ratio), off});
  Value scale = n.select(off, n.scalar(f32, 1), n.div(n.scalar(f32, 1), n.sub(n.scalar(f32, 1), ratio)));
  if (n.wantsOut(1))
    (void)n.set(1, mask);
  return n.set(0, n.select(mask, n.mul(x, n.cast(scale, type)), n.scalar(type, 0)));
}

ArrayRef<OpRow> randomOps() {
  static constexpr OpRow rows[] = {
      {"", "RandomUniform", 1, 0, 0, importRandom<false>},
      {"", "RandomUniformLike", 1, 1, 1, importRandom<false>},
      {"", "RandomNormal", 1, 0, 0, importRandom<true>},
      {"", "RandomNormalLike", 1, 1, 1, importRandom<true>},
      {"", "Bernoulli", 15, 1, 1, importBernoulli},
      {"", "Multinomial", 7, 1, 1, importMultinomial},
  };
  return rows;
}

} // namespace smelt::onnx
