//===- Depthwise.cpp - Convolutions with one input channel per group --------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   smelt.kernel { c = conv(x, w) {groups = C}; yield h(c) }
//
// Channels last: the lanes are channels; a tile of neighbouring positions keeps
// its sums in registers and loads every input vector once per line of taps.
// Weights are packed [tap][channel]. Channels first: the lanes run along the
// line, weights are spread scalars. The last block of lanes overlaps the one
// before, which is sound as a kernel's outputs never overlap its inputs.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/Pack.h"
#include "codegen/cpu/families/Window.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace smelt::codegen::cpu {

namespace {

RankedTensorType tensorType(Value v) { return cast<RankedTensorType>(v.getType()); }

ConvOp getRoot(KernelOp kernel) {
  ConvOp root;
  for (Operation &op : kernel.getBody().front())
    if (auto conv = dyn_cast<ConvOp>(op)) {
      if (root)
        return {};
      root = conv;
    }
  return root;
}

std::optional<Plan> planDepthwise(KernelOp kernel, const CpuTarget &target) {
  ConvOp op = getRoot(kernel);
  if (!op || !isEpilogueOf(kernel, op) || !isComputableAround(kernel, op))
    return std::nullopt;
  RankedTensorType x = tensorType(op.getX()), w = tensorType(op.getW()), y = tensorType(op.getResult());
  bool last = op.getChannelsLast();
  int64_t wArg = argumentNumber(op.getW()), spatial = x.getRank() - 2, outputs = w.getDimSize(0);
  // Weights that are no constants, or computed from some, are laid out in scratch
  // at the kernel's start: there are few.
  bool computes = wArg < 0 || (last && !constantOperand(kernel, wArg));
  if (argumentNumber(op.getX()) < 0 || !w.hasStaticShape() || w.getNumElements() == 0 || spatial < 1 ||
      w.getDimSize(1) != 1 || op.getGroups() == 1)
    return std::nullopt;
  int64_t multiplier = outputs / int64_t(op.getGroups());
  if (last && multiplier != 1)
    return std::nullopt;
  if (w.getShape().back() > 16) // the taps of a line are unrolled
    return std::nullopt;
  Type acc = carriedType(y.getElementType());
  for (Type type : {x.getElementType(), w.getElementType(), y.getElementType()})
    if (!isArithmetic(type) || isa<FloatType>(type) != isa<FloatType>(acc) ||
        carriedType(type).getIntOrFloatBitWidth() > acc.getIntOrFloatBitWidth())
      return std::nullopt;

  Builder b(kernel.getContext());
  SmallVector<AffineExpr> out = getDims(y);
  AffineExpr length = out[spatial + (last ? 0 : 1)], lines = out[0];
  for (int64_t d = 0; d + 1 < spatial; ++d)
    lines = lines * out[d + (last ? 1 : 2)];
  int64_t lanes = target.lanes(acc), nv = 1, positions = 1, taps = w.getNumElements() / outputs;
  if (last) {
    // Narrower vectors where they come out even: half a vector wasted per block
    // costs more than two narrow ones.
    lanes = std::min<int64_t>(lanes, llvm::bit_floor(uint64_t(outputs)));
    if (outputs % lanes != 0 && outputs % (lanes / 2) == 0 && lanes >= 8)
      lanes /= 2;
    nv = target.vectorRegisters >= 32 && outputs >= 2 * lanes ? 2 : 1;
    positions = 8 / (target.vectorRegisters >= 32 ? 1 : 2);
  } else {
    lines = lines * outputs;
    if (auto size = asConstant(length))
      lanes = std::min<int64_t>(lanes, std::max<int64_t>(llvm::bit_floor(uint64_t(std::max<int64_t>(*size, 1))), 1));
  }
  int64_t perLine = asConstant(length).value_or(32) * taps * (last ? outputs : 1), perGroup = 1;
  perGroup = std::max<int64_t>((1 << 18) / std::max<int64_t>(perLine, 1), 1);
  if (auto count = asConstant(lines))
    perGroup = std::clamp<int64_t>(*count / 16, 1, perGroup);
  Plan plan;
  auto param = [&](StringRef name, int64_t value) {
    plan.params.push_back(b.getNamedAttr(name, b.getI64IntegerAttr(value)));
  };
  param("lanes", lanes);
  param("nv", nv);
  param("positions", positions);
  param("lines", perGroup);
  param("computes", computes);
  plan.grid = lines.ceilDiv(perGroup);
  plan.scratch = b.getAffineConstantExpr(
      tileBytes(Tile{unsigned(positions), unsigned(nv), unsigned(lanes)}, acc) +
      (computes ? w.getNumElements() * getElementBytes(acc) : 0));
  if (last && !computes) {
    SmallVector<AffineExpr> strides = stridesOf(kernel, wArg, w);
    Packing packing;
    for (int64_t d = 0; d < spatial; ++d) {
      packing.sizes.push_back(w.getDimSize(d + 2));
      packing.strides.push_back(*asConstant(strides[d + 2]));
    }
    packing.sizes.push_back(outputs);
    packing.strides.push_back(*asConstant(strides[0]));
    plan.packings.push_back({unsigned(wArg), packing.encode(kernel.getContext())});
  }
  return plan;
}

struct DepthwiseCode {
  KernelContext &ctx;
  Emitter &e;
  ConvOp op;
  bool last;
  int64_t spatial, outputs, multiplier;
  unsigned lanes, nv;
  Type acc, xType, wType;
  Buffer x;
  Value weightPointer, weightStride; // of an output channel, channels first
  SmallVector<WindowDim> dims;
  SmallVector<Value> xStrides, wStrides;
  Value channelStride;

  DepthwiseCode(KernelContext &ctx)
      : ctx(ctx), e(ctx.e), op(getRoot(ctx.kernel)), last(op.getChannelsLast()),
        spatial(tensorType(op.getX()).getRank() - 2), outputs(tensorType(op.getW()).getDimSize(0)),
        multiplier(outputs / int64_t(op.getGroups())), lanes(ctx.param("lanes")), nv(ctx.param("nv")),
        acc(carriedType(tensorType(op.getResult()).getElementType())), xType(tensorType(op.getX()).getElementType()),
        wType(tensorType(op.getW()).getElementType()), x(ctx.inputs[argumentNumber(op.getX())]) {
    SmallVector<Value> y = e.sizes(op.getResult());
    int64_t first = last ? 1 : 2;
    for (int64_t d = 0; d < spatial; ++d) {
      dims.push_back({tensorType(op.getW()).getDimSize(d + 2), op.getStrides()[d], op.getDilations()[d],
                      e.expr(op.getPads().getExprs()[d]), x.sizes[d + first], y[d + first]});
      xStrides.push_back(x.strides[d + first]);
    }
    channelStride = x.strides[last ? spatial + 1 : 1];
    // [tap][channel] with channels last, [channel][tap] with channels first.
    wStrides.assign(spatial, e.num(1));
    Value stride = e.num(last ? outputs : 1);
    for (int64_t d = spatial; d-- > 0; stride = e.mul(stride, e.num(dims[d].kernel)))
      wStrides[d] = stride;
    weightStride = stride;
    if (!ctx.param("computes")) {
      weightPointer = ctx.inputs[argumentNumber(op.getW())].pointer;
      return;
    }
    wType = acc;
    Tile tile{unsigned(ctx.param("positions")), nv, lanes};
    weightPointer = e.address(ctx.scratch, e.num(tileBytes(tile, acc)), e.b.getI8Type());
    computeWeights();
  }

  void computeWeights() {
    SmallVector<Value> tapSizes;
    int64_t taps = 1;
    for (const WindowDim &dim : dims) {
      tapSizes.push_back(e.num(dim.kernel));
      taps *= dim.kernel;
    }
    e.forLoop(e.num(0), e.num(outputs), e.num(1), [&](Value channel) {
      e.forLoop(e.num(0), e.num(taps), e.num(1), [&](Value tap) {
        SmallVector<Value> index = {channel, e.num(0)};
        llvm::append_range(index, e.delinearize(tap, tapSizes));
        Value value = e.element(op.getW(), index);
        Value to = last ? e.add(e.mul(tap, e.num(outputs)), channel) : e.add(e.mul(channel, e.num(taps)), tap);
        e.store(e.address(weightPointer, to, acc), acc,
                widen(e, value, tensorType(op.getW()).getElementType(), acc));
      });
    });
  }

  /// Sums of `count` positions (along the line) by nv vectors of channels, or of
  /// one vector of positions; `xBase`, `wBase` at the image and channel.
  SmallVector<Value> sums(Value position, unsigned count, bool inner, ArrayRef<Value> outerStarts, Value xBase,
                          Value wBase, unsigned width) {
    WindowDim line = dims.back();
    Value start = windowStart(e, line, position);
    Type vector = width > 1 ? Type(VectorType::get({int64_t(width)}, acc)) : acc;
    unsigned vectors = last ? nv : 1;
    SmallVector<Value> init(count * vectors, e.constantLike(vector, 0));
    auto loadX = [&](Value at, unsigned j) {
      Value pointer = e.address(at, e.num(j * width), xType);
      return widen(e, last ? e.load(pointer, xType, width) : loadStepped(e, pointer, xType, width, line.stride), xType, acc);
    };
    auto loadW = [&](Value at, unsigned j) {
      if (!last)
        return e.splat(widen(e, e.load(at, wType), wType, acc), width);
      return widen(e, e.load(e.address(at, e.num(j * width), wType), wType, width), wType, acc);
    };
    return forWindow(
        e, ArrayRef(dims).drop_back(), outerStarts, ArrayRef(xStrides).drop_back(), init,
        [&](ArrayRef<Value> taps, Value offset, ValueRange carried) {
          Value wLine = wBase;
          for (auto [tap, stride] : llvm::zip(taps, wStrides))
            wLine = e.address(wLine, e.mul(tap, stride), wType);
          Value xLine = e.address(xBase, e.add(offset, e.mul(start, xStrides.back())), xType);
          if (!inner) {
            auto [first, second] = windowTaps(e, line, start);
            return e.forLoop(first, second, e.num(1), carried, [&](Value tap, ValueRange state) {
              SmallVector<Value> next(state);
              Value xAt = e.address(xLine, e.mul(e.mul(tap, e.num(line.dilation)), xStrides.back()), xType);
              Value wAt = e.address(wLine, e.mul(tap, wStrides.back()), wType);
              for (unsigned j = 0; j < vectors; ++j)
                next[j] = multiplyAdd(e, loadX(xAt, j), loadW(wAt, j), next[j]);
              return next;
            });
          }
          // All taps of the line: an input vector serves every position it lies under.
          SmallVector<Value> next(carried);
          std::map<std::pair<int64_t, unsigned>, Value> loaded;
          for (int64_t tap = 0; tap < line.kernel; ++tap) {
            Value wAt = e.address(wLine, e.mul(e.num(tap), wStrides.back()), wType);
            for (unsigned j = 0; j < vectors; ++j) {
              Value weight = loadW(wAt, j);
              for (unsigned i = 0; i < count; ++i) {
                int64_t column = i * line.stride + tap * line.dilation;
                Value &value = loaded[{column, j}];
                if (!value)
                  value = loadX(e.address(xLine, e.mul(e.num(column), xStrides.back()), xType), j);
                next[i * vectors + j] = multiplyAdd(e, value, weight, next[i * vectors + j]);
              }
            }
          }
          return next;
        });
  }

  void emitLineLast(ArrayRef<Value> lineIndex) {
    SmallVector<Value> starts;
    for (int64_t d = 0; d + 1 < spatial; ++d)
      starts.push_back(windowStart(e, dims[d], lineIndex[d + 1]));
    Value image = e.address(x.pointer, e.mul(lineIndex[0], x.strides[0]), xType);
    Epilogue epilogue(ctx, op.getResult(), acc, ctx.scratch, spatial + 1, [&](Value row, Value col) {
      SmallVector<Value> index(lineIndex);
      index.append({row, col});
      return index;
    });
    int64_t block = int64_t(lanes) * nv;
    forLine(e, dims.back(), ctx.param("positions"), [&](Value position, unsigned count, bool inner) {
      e.forLoop(e.num(0), e.num(outputs), e.num(block), [&](Value c) {
        Value channel = outputs % block ? e.min(c, e.num(outputs - block)) : c;
        SmallVector<Value> results = sums(position, count, inner, starts, e.address(image, channel, xType),
                                          e.address(weightPointer, channel, wType), lanes);
        epilogue.finish(Tile{count, nv, lanes}, results, position, e.num(count), channel, e.num(block));
      });
    });
  }

  void emitLineFirst(ArrayRef<Value> lineIndex) { // image, output channel, outer spatial
    SmallVector<Value> starts;
    for (int64_t d = 0; d + 1 < spatial; ++d)
      starts.push_back(windowStart(e, dims[d], lineIndex[d + 2]));
    Value channel = e.divU(lineIndex[1], e.num(multiplier));
    Value plane = e.address(
        x.pointer, e.add(e.mul(lineIndex[0], x.strides[0]), e.mul(channel, channelStride)), xType);
    Value weights = e.address(weightPointer, e.mul(lineIndex[1], weightStride), wType);
    Epilogue epilogue(ctx, op.getResult(), acc, ctx.scratch, spatial + 1, [&](Value row, Value col) {
      SmallVector<Value> index(lineIndex);
      index.push_back(col);
      return index;
    });
    forLineLanes(e, dims.back(), lanes, [&](Value position, unsigned width, bool inner) {
      SmallVector<Value> results = sums(position, 1, inner, starts, plane, weights, width);
      epilogue.finish(Tile{1, 1, width}, results, e.num(0), e.num(1), position, e.num(width));
    });
  }
};

LogicalResult emitDepthwise(KernelContext &ctx) {
  Emitter &e = ctx.e;
  DepthwiseCode code(ctx);
  SmallVector<Value> sizes = e.sizes(code.op.getResult()), lineSizes(sizes);
  lineSizes.erase(lineSizes.begin() + (code.last ? code.spatial : code.spatial + 1));
  if (code.last)
    lineSizes.pop_back(); // the channels
  Value lines = e.num(1), perGroup = e.num(ctx.param("lines"));
  for (Value size : lineSizes)
    lines = e.mul(lines, size);
  e.forLoop(e.mul(ctx.wgBegin, perGroup), e.min(lines, e.mul(ctx.wgEnd, perGroup)), e.num(1), [&](Value line) {
    SmallVector<Value> index = e.delinearize(line, lineSizes);
    if (code.last)
      code.emitLineLast(index);
    else
      code.emitLineFirst(index);
  });
  return success();
}

} // namespace

const Family depthwiseFamily = {"depthwise", planDepthwise, emitDepthwise, Views::Rows};

} // namespace smelt::codegen::cpu
