//===- Conv.cpp - Convolutions as contractions over pixels ------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   smelt.kernel { c = conv(x, w); yield h(c) }
//     -> for workgroup (group, block of panels, block of pixels):
//          for panel: for tile of pixels: for tap: accumulate over the
//          channels; epilogue, store
//
// Rows are output pixels of all images, columns output channels, weights are
// packed [group][panel][tap][channel][nr]. With channels last a tile reads its
// pixels in place: per tap one pointer per pixel, to the input or, outside of
// it, to a row of zeros. With channels first the pixels of a block are gathered
// into scratch as [tap][channel][mr] first. Padding needs no copy either way.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/Pack.h"
#include "codegen/cpu/families/Contraction.h"
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

bool hasNoPads(ConvOp op) {
  return llvm::all_of(op.getPads().getExprs(), [](AffineExpr e) { return asConstant(e) == 0; });
}

/// Channels so few that their products cannot hide the choice of a pointer per
/// pixel and tap: tiles inside of the image then go without.
bool hasFewChannels(ConvOp op) { return tensorType(op.getW()).getDimSize(1) < 32 && !hasNoPads(op); }

std::optional<Plan> planConv(KernelOp kernel, const CpuTarget &target) {
  ConvOp op = getRoot(kernel);
  if (!op || !isEpilogueOf(kernel, op) || !isComputableAround(kernel, op))
    return std::nullopt;
  RankedTensorType x = tensorType(op.getX()), w = tensorType(op.getW()), y = tensorType(op.getResult());
  int64_t wArg = argumentNumber(op.getW()), spatial = x.getRank() - 2, groups = op.getGroups();
  if (argumentNumber(op.getX()) < 0 || !constantOperand(kernel, wArg) || !w.hasStaticShape() || spatial < 1 ||
      w.getNumElements() == 0)
    return std::nullopt;
  Type acc = carriedType(y.getElementType());
  for (Type type : {x.getElementType(), w.getElementType(), y.getElementType()})
    if (!isArithmetic(type) || isa<FloatType>(type) != isa<FloatType>(acc) ||
        carriedType(type).getIntOrFloatBitWidth() > acc.getIntOrFloatBitWidth())
      return std::nullopt;

  Builder b(kernel.getContext());
  bool last = op.getChannelsLast();
  int64_t outGroup = w.getDimSize(0) / groups, channels = w.getDimSize(1), taps = 1;
  for (int64_t size : w.getShape().drop_front(2))
    taps *= size;
  SmallVector<AffineExpr> out = getDims(y);
  AffineExpr rows = out[0];
  for (int64_t d = 0; d < spatial; ++d)
    rows = rows * out[d + (last ? 1 : 2)];
  std::optional<int64_t> staticRows = asConstant(rows);
  Tile tile = chooseTile(target, acc, last ? staticRows : std::nullopt, outGroup, /*wideRows=*/false);
  int64_t nr = tile.nr(), panels = llvm::divideCeil(outGroup, nr), depth = taps * channels;
  Blocks blocks = chooseBlocks(target, tile, groups, staticRows, panels, depth, /*packsB=*/false);
  if (!last) // a block is gathered once for all panels
    blocks.panels = panels;

  Plan plan;
  auto param = [&](StringRef name, int64_t value) {
    plan.params.push_back(b.getNamedAttr(name, b.getI64IntegerAttr(value)));
  };
  param("mr", tile.mr);
  param("nv", tile.nv);
  param("lanes", tile.lanes);
  param("rows", blocks.rows);
  param("panels", blocks.panels);
  plan.grid = rows.ceilDiv(blocks.rows) * (groups * llvm::divideCeil(panels, blocks.panels));
  int64_t zeros = llvm::alignTo(channels * getElementBytes(x.getElementType()), 64);
  int64_t gathered = last ? 0 : llvm::alignTo(blocks.rows, tile.mr) * depth * getElementBytes(acc);
  plan.scratch = b.getAffineConstantExpr(tileBytes(tile, acc) + zeros + gathered);
  // [group, panel, taps..., channel, nr]
  SmallVector<AffineExpr> strides = stridesOf(kernel, wArg, w);
  int64_t outStride = *asConstant(strides[0]);
  Packing packing{{groups, panels}, {outGroup * outStride, nr * outStride}, {}};
  for (int64_t d = 0; d < spatial; ++d) {
    packing.sizes.push_back(w.getDimSize(d + 2));
    packing.strides.push_back(*asConstant(strides[d + 2]));
  }
  packing.sizes.append({channels, nr});
  packing.strides.append({*asConstant(strides[1]), outStride});
  packing.limits = {1, spatial + 3, outGroup};
  plan.packings.push_back({unsigned(wArg), packing.encode(kernel.getContext())});
  return plan;
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

struct ConvCode {
  KernelContext &ctx;
  Emitter &e;
  ConvOp op;
  bool last;
  int64_t spatial, groups, outGroup, channels, depth;
  Type acc, xType, wType;
  Tile tile;
  int64_t nr;
  Buffer x, w;
  SmallVector<Value> outSizes, rowSizes, inSizes, xStrides; // spatial ones; rowSizes with the image in front
  SmallVector<int64_t> kernel;
  Value channelStride, rows, panels;
  Value tileMemory, zeros, gathered;
  static constexpr unsigned kUnroll = 4;

  ConvCode(KernelContext &ctx)
      : ctx(ctx), e(ctx.e), op(getRoot(ctx.kernel)), last(op.getChannelsLast()),
        spatial(tensorType(op.getX()).getRank() - 2), groups(op.getGroups()),
        acc(carriedType(tensorType(op.getResult()).getElementType())), xType(tensorType(op.getX()).getElementType()),
        wType(tensorType(op.getW()).getElementType()),
        tile{unsigned(ctx.param("mr")), unsigned(ctx.param("nv")), unsigned(ctx.param("lanes"))}, nr(tile.nr()),
        x(ctx.inputs[argumentNumber(op.getX())]), w(ctx.inputs[argumentNumber(op.getW())]) {
    ArrayRef<int64_t> shape = tensorType(op.getW()).getShape();
    outGroup = shape[0] / groups;
    channels = shape[1];
    kernel.assign(shape.begin() + 2, shape.end());
    depth = channels;
    for (int64_t size : kernel)
      depth *= size;
    SmallVector<Value> y = e.sizes(op.getResult());
    int64_t first = last ? 1 : 2;
    for (int64_t d = 0; d < spatial; ++d) {
      outSizes.push_back(y[d + first]);
      inSizes.push_back(x.sizes[d + first]);
      xStrides.push_back(x.strides[d + first]);
    }
    channelStride = x.strides[last ? spatial + 1 : 1];
    rowSizes = {y[0]};
    llvm::append_range(rowSizes, outSizes);
    rows = e.num(1);
    for (Value size : rowSizes)
      rows = e.mul(rows, size);
    panels = e.num(llvm::divideCeil(outGroup, nr));
    tileMemory = ctx.scratch;
    Type byte = e.b.getI8Type();
    int64_t zeroBytes = llvm::alignTo(channels * getElementBytes(xType), 64);
    zeros = e.address(ctx.scratch, e.num(tileBytes(tile, acc)), byte);
    gathered = e.address(ctx.scratch, e.num(tileBytes(tile, acc) + zeroBytes), byte);
    Value none = arith::ConstantOp::create(e.b, e.loc, e.b.getZeroAttr(VectorType::get({16}, e.b.getI32Type())));
    e.forLoop(e.num(0), e.num(zeroBytes), e.num(64),
              [&](Value i) { LLVM::StoreOp::create(e.b, e.loc, none, e.address(zeros, i, byte), 4u); });
  }

  /// A tile's pixels: offset of the image (and group), first input coordinate of
  /// every spatial dim.
  struct Pixels {
    SmallVector<Value> base;
    SmallVector<SmallVector<Value>> start;
  };
  Pixels pixelsOf(unsigned mr, Value group, Value row0, Value lastRow) {
    Pixels pixels;
    for (unsigned i = 0; i < mr; ++i) {
      Value row = e.add(row0, e.num(i));
      if (lastRow)
        row = e.min(row, lastRow);
      SmallVector<Value> index = e.delinearize(row, rowSizes);
      pixels.base.push_back(
          e.add(e.mul(index[0], x.strides[0]), e.mul(group, e.mul(e.num(channels), channelStride))));
      SmallVector<Value> start;
      for (int64_t d = 0; d < spatial; ++d)
        start.push_back(e.sub(e.mul(index[d + 1], e.num(op.getStrides()[d])), e.expr(op.getPads().getExprs()[d])));
      pixels.start.push_back(start);
    }
    return pixels;
  }

  using TapBody = llvm::function_ref<SmallVector<Value>(Value tap, ArrayRef<Value> offsets, ArrayRef<Value> inside,
                                                        ValueRange carried)>;
  /// Loops over the taps of dims d.. with a tile's offsets; `inside` is null per
  /// pixel where nothing can lie outside.
  SmallVector<Value> forTaps(int64_t d, int64_t end, const Pixels &pixels, Value tap, SmallVector<Value> offsets,
                             SmallVector<Value> inside, bool checked, ValueRange carried, TapBody body) {
    if (d == end)
      return body(tap, offsets, inside, carried);
    return e.forLoop(e.num(0), e.num(kernel[d]), e.num(1), carried, [&](Value kk, ValueRange state) {
      SmallVector<Value> at(offsets), ok(inside);
      for (size_t i = 0; i < offsets.size(); ++i) {
        Value position = e.add(pixels.start[i][d], e.mul(kk, e.num(op.getDilations()[d])));
        at[i] = e.add(at[i], e.mul(position, xStrides[d]));
        if (checked) {
          Value in = e.cmp(arith::CmpIPredicate::ult, position, inSizes[d]);
          ok[i] = ok[i] ? e.b.createOrFold<arith::AndIOp>(e.loc, ok[i], in) : in;
        }
      }
      return forTaps(d + 1, end, pixels, e.add(e.mul(tap, e.num(kernel[d])), kk), at, ok, checked, state, body);
    });
  }

  /// Accumulates a tile from the input in place.
  SmallVector<Value> reduceInPlace(const Tile &t, const Pixels &pixels, Value panel, bool checked) {
    // Along the last dim neighbouring taps are neighbours in memory, weights and
    // input alike: without checks they are one longer run of channels.
    bool joins = !checked && op.getDilations().back() == 1 && groups == 1 &&
                 e.constant(xStrides.back()) == channels;
    int64_t run = channels * (joins ? kernel.back() : 1), end = spatial - (joins ? 1 : 0);
    SmallVector<Value> offsets(pixels.base);
    if (joins)
      for (auto [i, offset] : llvm::enumerate(offsets))
        offset = e.add(offset, e.mul(pixels.start[i].back(), xStrides.back()));
    return forTaps(0, end, pixels, e.num(0), offsets, SmallVector<Value>(t.mr), checked, zeroTile(e, t, acc),
                   [&](Value tap, ArrayRef<Value> at, ArrayRef<Value> inside, ValueRange carried) {
                     RowOperand a;
                     a.step = e.num(1);
                     a.type = xType;
                     for (unsigned i = 0; i < t.mr; ++i) {
                       Value pointer = e.address(x.pointer, at[i], xType);
                       a.pointers.push_back(inside[i] ? e.select(inside[i], pointer, zeros) : pointer);
                     }
                     PanelOperand b{e.address(panel, e.mul(tap, e.num(run * nr)), wType), e.num(nr), wType, {}};
                     return accumulate(e, t, acc, a, b, e.num(run), carried, kUnroll);
                   });
  }

  /// Gathers the rows of [row0, rowEnd) as tiles of [depth][mr].
  void gather(Value group, Value row0, Value rowEnd, std::optional<int64_t> total) {
    forRowTiles(e, tile, row0, rowEnd, total, [&](const Tile &t, Value first, Value count) {
      Value lastRow;
      if (e.constant(count) != t.mr)
        lastRow = e.add(first, e.sub(count, e.num(1)));
      Pixels pixels = pixelsOf(t.mr, group, first, lastRow);
      // A tile lies at its first row; short ones use fewer elements per step.
      Value to = e.address(gathered, e.mul(e.sub(first, row0), e.num(depth)), acc);
      forTaps(0, spatial, pixels, e.num(0), pixels.base, SmallVector<Value>(t.mr), !hasNoPads(op), ValueRange(),
              [&](Value tap, ArrayRef<Value> at, ArrayRef<Value> inside, ValueRange) {
                Value line = e.address(to, e.mul(tap, e.num(channels * t.mr)), acc);
                gatherTap(t.mr, line, at, inside);
                return SmallVector<Value>();
              });
    });
  }

  void gatherTap(unsigned mr, Value line, ArrayRef<Value> at, ArrayRef<Value> inside) {
    // Side by side in memory and all inside: one vector per channel.
    Value together;
    auto also = [&](Value condition) {
      together = together ? e.b.createOrFold<arith::AndIOp>(e.loc, together, condition) : condition;
    };
    for (unsigned i = 0; i < mr; ++i) {
      if (i)
        also(e.cmp(arith::CmpIPredicate::eq, at[i], e.add(at[0], e.num(i))));
      if (inside[i])
        also(inside[i]);
    }
    bool canVector = mr > 1 && llvm::isPowerOf2_32(mr);
    if (canVector)
      e.ifThen(together, [&] {
        Value from = e.address(x.pointer, at[0], xType);
        e.forLoop(e.num(0), e.num(channels), e.num(1), [&](Value c) {
          Value value = e.load(e.address(from, e.mul(c, channelStride), xType), xType, mr);
          e.store(e.address(line, e.mul(c, e.num(mr)), acc), acc, widen(e, value, xType, acc));
        });
      });
    auto apart = [&] {
      SmallVector<Value> from, step;
      for (unsigned i = 0; i < mr; ++i) {
        Value pointer = e.address(x.pointer, at[i], xType);
        from.push_back(inside[i] ? e.select(inside[i], pointer, zeros) : pointer);
        step.push_back(inside[i] ? e.select(inside[i], channelStride, e.num(0)) : channelStride);
      }
      e.forLoop(e.num(0), e.num(channels), e.num(1), [&](Value c) {
        for (unsigned i = 0; i < mr; ++i) {
          Value value = e.load(e.address(from[i], e.mul(c, step[i]), xType), xType);
          e.store(e.address(line, e.add(e.mul(c, e.num(mr)), e.num(i)), acc), acc, widen(e, value, xType, acc));
        }
      });
    };
    if (!canVector)
      return apart();
    Value yes = arith::ConstantOp::create(e.b, e.loc, e.b.getBoolAttr(true));
    e.ifThen(e.b.createOrFold<arith::XOrIOp>(e.loc, together, yes), apart);
  }

  void emitGroup(Value workgroup);
};

void ConvCode::emitGroup(Value workgroup) {
  int64_t blockPanels = ctx.param("panels"), panelCount = llvm::divideCeil(outGroup, nr);
  Value blockRows = e.num(ctx.param("rows"));
  Value rowBlocks = e.divU(e.add(rows, e.sub(blockRows, e.num(1))), blockRows);
  SmallVector<Value> at =
      e.delinearize(workgroup, {e.num(groups), e.num(llvm::divideCeil(panelCount, blockPanels)), rowBlocks});
  Value group = at[0], row0 = e.mul(at[2], blockRows), rowEnd = e.min(e.add(row0, blockRows), rows);
  if (groups == 1)
    group = e.num(0);
  Value panel0 = e.mul(at[1], e.num(blockPanels)), panelEnd = e.min(e.add(panel0, e.num(blockPanels)), panels);
  // The gathered tiles' shape must not depend on the tile's number of vectors.
  std::optional<int64_t> staticRows = e.constant(rows);
  if (!last)
    gather(group, row0, rowEnd, staticRows);

  Epilogue epilogue(ctx, op.getResult(), acc, tileMemory, last ? spatial + 1 : 1, [&](Value row, Value col) {
    SmallVector<Value> index = e.delinearize(row, rowSizes);
    index.insert(last ? index.end() : index.begin() + 1, e.add(e.mul(group, e.num(outGroup)), col));
    return index;
  });
  if (!last)
    epilogue.useRowLanes(rowSizes);

  auto panelTiles = [&](Value panel, unsigned nv, int64_t cols) {
    Value col0 = e.mul(panel, e.num(nr));
    Value weights =
        e.address(w.pointer, e.mul(e.add(e.mul(group, panels), panel), e.num(depth * nr)), wType);
    Tile shape = tile;
    shape.nv = nv;
    forRowTiles(e, shape, row0, rowEnd, staticRows, [&](const Tile &t, Value first, Value count) {
      if (!last) {
        RowOperand a;
        a.step = e.num(t.mr);
        a.type = acc;
        Value from = e.address(gathered, e.mul(e.sub(first, row0), e.num(depth)), acc);
        for (unsigned i = 0; i < t.mr; ++i)
          a.pointers.push_back(e.address(from, e.num(i), acc));
        PanelOperand b{weights, e.num(nr), wType, {}};
        SmallVector<Value> sums = accumulate(e, t, acc, a, b, e.num(depth), zeroTile(e, t, acc), kUnroll);
        return epilogue.finish(t, sums, first, count, col0, e.num(cols));
      }
      Value lastRow;
      if (e.constant(count) != t.mr)
        lastRow = e.add(first, e.sub(count, e.num(1)));
      Pixels pixels = pixelsOf(t.mr, group, first, lastRow);
      auto tileOf = [&](bool checked) {
        SmallVector<Value> sums = reduceInPlace(t, pixels, weights, checked);
        epilogue.finish(t, sums, first, count, col0, e.num(cols));
      };
      if (hasNoPads(op) || !hasFewChannels(op))
        return tileOf(!hasNoPads(op));
      Value inner;
      for (unsigned i = 0; i < t.mr; ++i)
        for (int64_t d = 0; d < spatial; ++d) {
          Value reach = e.num((kernel[d] - 1) * op.getDilations()[d]);
          Value low = e.cmp(arith::CmpIPredicate::sge, pixels.start[i][d], e.num(0));
          Value high = e.cmp(arith::CmpIPredicate::slt, e.add(pixels.start[i][d], reach), inSizes[d]);
          Value both = e.b.createOrFold<arith::AndIOp>(e.loc, low, high);
          inner = inner ? e.b.createOrFold<arith::AndIOp>(e.loc, inner, both) : both;
        }
      e.ifThen(inner, [&] { tileOf(false); });
      Value yes = arith::ConstantOp::create(e.b, e.loc, e.b.getBoolAttr(true));
      e.ifThen(e.b.createOrFold<arith::XOrIOp>(e.loc, inner, yes), [&] { tileOf(true); });
    });
  };
  int64_t whole = outGroup / nr, rest = outGroup % nr;
  e.forLoop(panel0, e.min(panelEnd, e.num(whole)), e.num(1), [&](Value panel) { panelTiles(panel, tile.nv, nr); });
  if (rest)
    e.ifThen(e.cmp(arith::CmpIPredicate::eq, panelEnd, panels),
             [&] { panelTiles(e.num(whole), llvm::divideCeil(rest, tile.lanes), rest); });
}

LogicalResult emitConv(KernelContext &ctx) {
  ConvCode code(ctx);
  ctx.e.forLoop(ctx.wgBegin, ctx.wgEnd, ctx.e.num(1), [&](Value workgroup) { code.emitGroup(workgroup); });
  return success();
}

} // namespace

const Family convFamily = {"conv", planConv, emitConv};

} // namespace smelt::codegen::cpu
