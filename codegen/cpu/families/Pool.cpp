//===- Pool.cpp - Maximum, average and sum over windows ---------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   smelt.kernel { p = pool(x); yield h(p) }
//
// Channels last: the lanes are channels, neighbouring positions of a line share
// their loads. Channels first: the lanes run along the line. The frame is that
// of Depthwise.cpp; see Window.h.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/families/Window.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace smelt::codegen::cpu {

namespace {

RankedTensorType tensorType(Value v) { return cast<RankedTensorType>(v.getType()); }

PoolOp getRoot(KernelOp kernel) {
  PoolOp root;
  for (Operation &op : kernel.getBody().front())
    if (auto pool = dyn_cast<PoolOp>(op)) {
      if (root)
        return {};
      root = pool;
    }
  return root;
}

constexpr int64_t kUnrolledTaps = 8;

std::optional<Plan> planPool(KernelOp kernel, const CpuTarget &target) {
  PoolOp op = getRoot(kernel);
  if (!op || !isEpilogueOf(kernel, op) || !isComputableAround(kernel, op))
    return std::nullopt;
  RankedTensorType x = tensorType(op.getX()), y = tensorType(op.getResult());
  bool last = op.getChannelsLast();
  int64_t spatial = x.getRank() - 2;
  Type acc = carriedType(y.getElementType());
  if (argumentNumber(op.getX()) < 0 || spatial < 1 || !isArithmetic(x.getElementType()) ||
      x.getElementType() != y.getElementType() || (op.getKind() != PoolKind::max && !isa<FloatType>(acc)))
    return std::nullopt;
  SmallVector<AffineExpr> out = getDims(y);
  std::optional<int64_t> channels = asConstant(out[last ? spatial + 1 : 1]);
  AffineExpr length = out[spatial + (last ? 0 : 1)], lines = out[0];
  for (int64_t d = 0; d + 1 < spatial; ++d)
    lines = lines * out[d + (last ? 1 : 2)];
  int64_t lanes = target.lanes(acc), nv = 1, positions = 4, taps = 1;
  for (int64_t size : op.getKernel())
    taps *= size;
  if (last) {
    if (!channels || *channels < 1)
      return std::nullopt;
    lanes = std::min<int64_t>(lanes, llvm::bit_floor(uint64_t(*channels)));
    nv = *channels >= 4 * lanes ? 2 : 1;
  } else {
    lines = lines * out[1];
    positions = 1;
    if (auto size = asConstant(length))
      lanes = std::min<int64_t>(lanes, llvm::bit_floor(uint64_t(std::max<int64_t>(*size, 1))));
  }
  int64_t perLine = asConstant(length).value_or(32) * taps * (last ? *channels : 1);
  int64_t perGroup = std::max<int64_t>((1 << 17) / std::max<int64_t>(perLine, 1), 1);
  if (auto count = asConstant(lines))
    perGroup = std::clamp<int64_t>(*count / 16, 1, perGroup);
  Builder b(kernel.getContext());
  Plan plan;
  auto param = [&](StringRef name, int64_t value) {
    plan.params.push_back(b.getNamedAttr(name, b.getI64IntegerAttr(value)));
  };
  param("lanes", lanes);
  param("nv", nv);
  param("positions", positions);
  param("lines", perGroup);
  plan.grid = lines.ceilDiv(perGroup);
  plan.scratch =
      b.getAffineConstantExpr(tileBytes(Tile{unsigned(positions), unsigned(nv), unsigned(lanes)}, acc));
  return plan;
}

struct PoolCode {
  KernelContext &ctx;
  Emitter &e;
  PoolOp op;
  bool last, isMax;
  int64_t spatial;
  unsigned lanes, nv;
  Type acc, xType;
  Buffer x;
  SmallVector<WindowDim> dims;
  SmallVector<Value> xStrides, highPads;
  Value channels, channelStride;

  PoolCode(KernelContext &ctx)
      : ctx(ctx), e(ctx.e), op(getRoot(ctx.kernel)), last(op.getChannelsLast()), isMax(op.getKind() == PoolKind::max),
        spatial(tensorType(op.getX()).getRank() - 2), lanes(ctx.param("lanes")), nv(ctx.param("nv")),
        acc(carriedType(tensorType(op.getResult()).getElementType())), xType(tensorType(op.getX()).getElementType()),
        x(ctx.inputs[argumentNumber(op.getX())]) {
    SmallVector<Value> y = e.sizes(op.getResult());
    int64_t first = last ? 1 : 2;
    for (int64_t d = 0; d < spatial; ++d) {
      dims.push_back({op.getKernel()[d], op.getStrides()[d], op.getDilations()[d],
                      e.expr(op.getPads().getExprs()[d]), x.sizes[d + first], y[d + first]});
      highPads.push_back(e.expr(op.getPads().getExprs()[spatial + d]));
      xStrides.push_back(x.strides[d + first]);
    }
    channels = y[last ? spatial + 1 : 1];
    channelStride = x.strides[last ? spatial + 1 : 1];
  }

  /// How many elements an average at these window starts divides by.
  Value countAt(ArrayRef<Value> starts) {
    Value count = e.num(1);
    for (auto [d, start] : llvm::enumerate(starts)) {
      WindowDim dim = dims[d];
      if (op.getKind() == PoolKind::avg_include_pad) {
        dim.in = e.add(dim.in, highPads[d]); // the low pads are never behind the start
        Value room = e.divU(e.add(e.max(e.sub(dim.in, start), e.num(0)), e.num(dim.dilation - 1)), e.num(dim.dilation));
        count = e.mul(count, e.min(e.num(dim.kernel), room));
      } else {
        auto [first, second] = windowTaps(e, dim, start);
        count = e.mul(count, e.max(e.sub(second, first), e.num(0)));
      }
    }
    return count;
  }

  SmallVector<Value> pooled(Value position, unsigned count, bool inner, ArrayRef<Value> outerStarts, Value xBase,
                            unsigned width) {
    WindowDim line = dims.back();
    Value start = windowStart(e, line, position);
    Type vector = width > 1 ? Type(VectorType::get({int64_t(width)}, acc)) : acc;
    unsigned vectors = last ? nv : 1;
    ReduceKind kind = isMax ? ReduceKind::max : ReduceKind::sum;
    bool asUnsigned = isUnsigned(xType);
    SmallVector<Value> init(count * vectors, e.reduceIdentity(kind, vector, asUnsigned));
    auto loadX = [&](Value at, unsigned j) {
      Value pointer = e.address(at, e.num(j * width), xType);
      return last ? e.load(pointer, xType, width) : loadStepped(e, pointer, xType, width, line.stride);
    };
    SmallVector<Value> results = forWindow(
        e, ArrayRef(dims).drop_back(), outerStarts, ArrayRef(xStrides).drop_back(), init,
        [&](ArrayRef<Value>, Value offset, ValueRange carried) {
          Value xLine = e.address(xBase, e.add(offset, e.mul(start, xStrides.back())), xType);
          if (!inner || line.kernel > kUnrolledTaps) {
            std::pair<Value, Value> range = {e.num(0), e.num(line.kernel)};
            if (!inner)
              range = windowTaps(e, line, start);
            return e.forLoop(range.first, range.second, e.num(1), carried, [&](Value tap, ValueRange state) {
              SmallVector<Value> next(state);
              Value at = e.address(xLine, e.mul(e.mul(tap, e.num(line.dilation)), xStrides.back()), xType);
              for (unsigned i = 0; i < count; ++i)
                for (unsigned j = 0; j < vectors; ++j) {
                  Value from = e.address(at, e.mul(e.num(i * line.stride), xStrides.back()), xType);
                  next[i * vectors + j] = e.combine(kind, next[i * vectors + j], loadX(from, j), asUnsigned);
                }
              return next;
            });
          }
          SmallVector<Value> next(carried);
          std::map<std::pair<int64_t, unsigned>, Value> loaded;
          for (int64_t tap = 0; tap < line.kernel; ++tap)
            for (unsigned i = 0; i < count; ++i)
              for (unsigned j = 0; j < vectors; ++j) {
                int64_t column = i * line.stride + tap * line.dilation;
                Value &value = loaded[{column, j}];
                if (!value)
                  value = loadX(e.address(xLine, e.mul(e.num(column), xStrides.back()), xType), j);
                next[i * vectors + j] = e.combine(kind, next[i * vectors + j], value, asUnsigned);
              }
          return next;
        });
    if (op.getKind() != PoolKind::avg && op.getKind() != PoolKind::avg_include_pad)
      return results;
    for (unsigned i = 0; i < count; ++i) {
      // Lanes along the line are inner ones, where the count along it is the kernel's.
      SmallVector<Value> starts(outerStarts);
      starts.push_back(windowStart(e, line, e.add(position, e.num(i))));
      Value divisor = arith::SIToFPOp::create(e.b, e.loc, acc, countAt(starts));
      for (unsigned j = 0; j < vectors; ++j)
        results[i * vectors + j] =
            arith::DivFOp::create(e.b, e.loc, results[i * vectors + j], e.splat(divisor, width));
    }
    return results;
  }

  void emitLine(ArrayRef<Value> lineIndex) { // image, (channel,) outer spatial dims
    SmallVector<Value> starts;
    for (int64_t d = 0; d + 1 < spatial; ++d)
      starts.push_back(windowStart(e, dims[d], lineIndex[d + (last ? 1 : 2)]));
    Value base = e.mul(lineIndex[0], x.strides[0]);
    if (!last)
      base = e.add(base, e.mul(lineIndex[1], channelStride));
    Value image = e.address(x.pointer, base, xType);
    Epilogue epilogue(ctx, op.getResult(), acc, ctx.scratch, spatial + 1, [&](Value row, Value col) {
      SmallVector<Value> index(lineIndex);
      if (last)
        index.push_back(row);
      index.push_back(col);
      return index;
    });
    if (last) {
      // The last block of channels overlaps the one before.
      int64_t count = *e.constant(channels), block = int64_t(lanes) * nv;
      forLine(e, dims.back(), ctx.param("positions"), [&](Value position, unsigned positions, bool inner) {
        e.forLoop(e.num(0), channels, e.num(block), [&](Value c) {
          Value channel = count % block ? e.min(c, e.num(count - block)) : c;
          SmallVector<Value> results =
              pooled(position, positions, inner, starts, e.address(image, channel, xType), lanes);
          epilogue.finish(Tile{positions, nv, lanes}, results, position, e.num(positions), channel, e.num(block));
        });
      });
      return;
    }
    forLineLanes(e, dims.back(), lanes, [&](Value position, unsigned width, bool inner) {
      SmallVector<Value> results = pooled(position, 1, inner, starts, image, width);
      epilogue.finish(Tile{1, 1, width}, results, e.num(0), e.num(1), position, e.num(width));
    });
  }
};

LogicalResult emitPool(KernelContext &ctx) {
  Emitter &e = ctx.e;
  PoolCode code(ctx);
  SmallVector<Value> lineSizes = e.sizes(code.op.getResult());
  lineSizes.pop_back();
  if (code.last)
    lineSizes.pop_back();
  Value lines = e.num(1), perGroup = e.num(ctx.param("lines"));
  for (Value size : lineSizes)
    lines = e.mul(lines, size);
  e.forLoop(e.mul(ctx.wgBegin, perGroup), e.min(lines, e.mul(ctx.wgEnd, perGroup)), e.num(1),
            [&](Value line) { code.emitLine(e.delinearize(line, lineSizes)); });
  return success();
}

} // namespace

const Family poolFamily = {"pool", planPool, emitPool, Views::Rows};

} // namespace smelt::codegen::cpu
