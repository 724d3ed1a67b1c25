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
// A transposed convolution is taken apart by the outputs' phase: those at the
// same remainder of the strides see the same taps (every stride-th one), and for
// them it is a plain convolution of stride 1, so no product with zero is made.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/Pack.h"
#include "codegen/cpu/families/Contraction.h"
#include "dialects/smelt/Placement.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace smelt::codegen::cpu {

namespace {

RankedTensorType tensorType(Value v) { return cast<RankedTensorType>(v.getType()); }

/// Where the weights come from: packed at compile time; the same, then computed
/// from (dequantized) panel by panel; computed element by element.
enum WeightMode : int64_t { Packed = 0, PackedComputed = 1, Computed = 2 };

/// A convolution of either kind.
struct Root {
  Operation *op = nullptr;
  Value x, w, result;
  SmallVector<int64_t> strides, dilations;
  SmallVector<AffineExpr> pads;
  int64_t groups = 1;
  bool last = false, transposed = false;

  Root() = default;
  template <class Op> explicit Root(Op conv)
      : op(conv), x(conv.getX()), w(conv.getW()), result(conv.getResult()), strides(conv.getStrides()),
        dilations(conv.getDilations()), pads(conv.getPads().getExprs()), groups(conv.getGroups()),
        last(conv.getChannelsLast()), transposed(std::is_same_v<Op, ConvTransposeOp>) {}
  explicit operator bool() const { return op; }

  int64_t spatial() const { return strides.size(); }
  /// w is [O, C/groups, K...], or [C, O/groups, K...] when transposed.
  int64_t outGroup() const { return tensorType(w).getDimSize(transposed ? 1 : 0) / (transposed ? 1 : groups); }
  int64_t channels() const { return tensorType(w).getDimSize(transposed ? 0 : 1) / (transposed ? groups : 1); }
  bool hasNoPads() const {
    return !transposed && llvm::all_of(pads, [](AffineExpr e) { return asConstant(e) == 0; });
  }
  /// Channels so few that their products cannot hide the choice of a pointer per
  /// pixel and tap: tiles inside of the image then go without.
  bool hasFewChannels() const { return !transposed && channels() < 32 && !hasNoPads(); }
};

Root getRoot(KernelOp kernel) {
  Root root;
  for (Operation &op : kernel.getBody().front()) {
    if (!isa<ConvOp, ConvTransposeOp>(op))
      continue;
    if (root)
      return {};
    if (auto conv = dyn_cast<ConvOp>(op))
      root = Root(conv);
    else
      root = Root(cast<ConvTransposeOp>(op));
  }
  return root;
}

/// The x with a * x = 1 modulo m; 0 if there is none.
int64_t inverse(int64_t a, int64_t m) {
  for (int64_t x = 1; x <= m; ++x)
    if (a * x % m == 1 % m)
      return x;
  return 0;
}

std::optional<Plan> planConv(KernelOp kernel, const CpuTarget &target) {
  Root root = getRoot(kernel);
  if (!root || !isEpilogueOf(kernel, root.op) || !isComputableAround(kernel, root.op))
    return std::nullopt;
  RankedTensorType x = tensorType(root.x), w = tensorType(root.w), y = tensorType(root.result);
  int64_t wArg = argumentNumber(root.w), spatial = root.spatial(), groups = root.groups, mode = Packed;
  if (!constantOperand(kernel, wArg)) {
    mode = Computed;
    if (Value source = computedFromConstant(kernel, root.w)) {
      mode = PackedComputed;
      wArg = argumentNumber(source);
    }
  }
  // Channels that do not lie side by side are read in place only where no row of zeros stands in.
  if (int64_t xArg = argumentNumber(root.x); xArg >= 0 && hasStrides(kernel, xArg) && root.last && !root.hasNoPads() &&
                                             asConstant(getStrides(kernel, xArg).back()) != 1)
    return std::nullopt;
  if (argumentNumber(root.x) < 0 || !w.hasStaticShape() || spatial < 1 ||
      w.getNumElements() == 0)
    return std::nullopt;
  Type acc = carriedType(y.getElementType());
  for (Type type : {x.getElementType(), w.getElementType(), y.getElementType()})
    if (!isArithmetic(type) || isa<FloatType>(type) != isa<FloatType>(acc) ||
        carriedType(type).getIntOrFloatBitWidth() > acc.getIntOrFloatBitWidth())
      return std::nullopt;

  Builder b(kernel.getContext());
  bool last = root.last;
  int64_t outGroup = root.outGroup(), channels = root.channels(), taps = 1, phases = 1;
  for (int64_t size : w.getShape().drop_front(2))
    taps *= size;
  SmallVector<AffineExpr> out = getDims(y);
  AffineExpr rows = out[0]; // of one phase: the first has the most
  for (int64_t d = 0; d < spatial; ++d) {
    AffineExpr size = out[d + (last ? 1 : 2)];
    if (root.transposed) {
      if (!inverse(root.dilations[d] % root.strides[d], root.strides[d]))
        return std::nullopt; // stride and dilation share a divisor
      phases *= root.strides[d];
      size = size.ceilDiv(root.strides[d]);
    }
    rows = rows * size;
  }
  std::optional<int64_t> staticRows = asConstant(rows);
  Tile tile = chooseTile(target, acc, last && phases == 1 ? staticRows : std::nullopt, outGroup, /*wideRows=*/false);
  int64_t nr = tile.nr(), panels = llvm::divideCeil(outGroup, nr), depth = taps * channels;
  Blocks blocks = chooseBlocks(target, tile, groups * phases, staticRows, panels, depth, /*packsB=*/mode != Packed);
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
  param("w", mode);
  param("w_argument", wArg);
  plan.grid = rows.ceilDiv(blocks.rows) * (phases * groups * llvm::divideCeil(panels, blocks.panels));
  int64_t zeros = llvm::alignTo(channels * getElementBytes(x.getElementType()), 64);
  int64_t gathered = last ? 0 : llvm::alignTo(blocks.rows, tile.mr) * depth * getElementBytes(acc);
  int64_t panelBytes = mode == Packed ? 0 : depth * nr * getElementBytes(acc);
  plan.scratch = b.getAffineConstantExpr(tileBytes(tile, acc) + zeros + llvm::alignTo(gathered, 64) + panelBytes);
  if (mode == Computed)
    return plan;
  // [group, panel, taps..., channel, nr]
  SmallVector<AffineExpr> strides = stridesOf(kernel, wArg, w);
  int64_t outStride = *asConstant(strides[root.transposed ? 1 : 0]);
  int64_t channelStride = *asConstant(strides[root.transposed ? 0 : 1]);
  Packing packing{{groups, panels},
                  {root.transposed ? channels * channelStride : outGroup * outStride, nr * outStride},
                  {}};
  for (int64_t d = 0; d < spatial; ++d) {
    packing.sizes.push_back(w.getDimSize(d + 2));
    packing.strides.push_back(*asConstant(strides[d + 2]));
  }
  packing.sizes.append({channels, nr});
  packing.strides.append({channelStride, outStride});
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
  Root root;
  bool last;
  int64_t spatial, groups, outGroup, channels, depth;
  Type acc, xType, wType;
  Tile tile;
  int64_t nr;
  int64_t mode;
  Buffer x;
  Value weightPointer, panelMemory;
  SmallVector<Value> outSizes, inSizes, xStrides; // of the spatial dims
  SmallVector<int64_t> kernel;
  Value channelStride, panels, images;
  Value tileMemory, zeros, gathered;
  static constexpr unsigned kUnroll = 4;

  // What a workgroup's phase decides (a plain convolution has only one).
  SmallVector<Value> rowSizes; // images, positions of the phase
  SmallVector<Value> phase;    // first output position of every dim
  SmallVector<Value> shift;    // input coordinate of position 0 at the first tap
  SmallVector<Value> firstTap, turns;
  Value rows;

  ConvCode(KernelContext &ctx)
      : ctx(ctx), e(ctx.e), root(getRoot(ctx.kernel)), last(root.last), spatial(root.spatial()), groups(root.groups),
        outGroup(root.outGroup()), channels(root.channels()),
        acc(carriedType(tensorType(root.result).getElementType())), xType(tensorType(root.x).getElementType()),
        wType(tensorType(root.w).getElementType()),
        tile{unsigned(ctx.param("mr")), unsigned(ctx.param("nv")), unsigned(ctx.param("lanes"))}, nr(tile.nr()),
        mode(ctx.param("w")), x(ctx.inputs[argumentNumber(root.x)]) {
    if (mode != Computed)
      weightPointer = ctx.inputs[ctx.param("w_argument")].pointer;
    if (mode != Packed)
      wType = acc; // as the panels are computed
    kernel.assign(tensorType(root.w).getShape().begin() + 2, tensorType(root.w).getShape().end());
    depth = channels;
    for (int64_t size : kernel)
      depth *= size;
    SmallVector<Value> y = e.sizes(root.result);
    int64_t first = last ? 1 : 2;
    for (int64_t d = 0; d < spatial; ++d) {
      outSizes.push_back(y[d + first]);
      inSizes.push_back(x.sizes[d + first]);
      xStrides.push_back(x.strides[d + first]);
    }
    images = y[0];
    channelStride = x.strides[last ? spatial + 1 : 1];
    panels = e.num(llvm::divideCeil(outGroup, nr));
    tileMemory = ctx.scratch;
    Type byte = e.b.getI8Type();
    int64_t zeroBytes = llvm::alignTo(channels * getElementBytes(xType), 64);
    zeros = e.address(ctx.scratch, e.num(tileBytes(tile, acc)), byte);
    gathered = e.address(ctx.scratch, e.num(tileBytes(tile, acc) + zeroBytes), byte);
    int64_t gatheredBytes =
        last ? 0 : llvm::alignTo(ctx.param("rows"), tile.mr) * depth * getElementBytes(acc);
    panelMemory = e.address(gathered, e.num(llvm::alignTo(gatheredBytes, 64)), byte);
    Value none = arith::ConstantOp::create(e.b, e.loc, e.b.getZeroAttr(VectorType::get({16}, e.b.getI32Type())));
    e.forLoop(e.num(0), e.num(zeroBytes), e.num(64),
              [&](Value i) { LLVM::StoreOp::create(e.b, e.loc, none, e.address(zeros, i, byte), 4u); });
  }

  /// Sets what depends on the phase; `index` has one entry per spatial dim.
  void enterPhase(ArrayRef<Value> index) {
    rowSizes = {images};
    phase.clear(), shift.clear(), firstTap.clear(), turns.clear();
    for (int64_t d = 0; d < spatial; ++d) {
      Value pad = e.expr(root.pads[d]), size = outSizes[d];
      int64_t stride = root.strides[d], dilation = root.dilations[d];
      if (!root.transposed) {
        phase.push_back(e.num(0));
        shift.push_back(e.sub(e.num(0), pad));
        firstTap.push_back(e.num(0));
        turns.push_back(e.num(kernel[d]));
        rowSizes.push_back(size);
        continue;
      }
      // Taps t with (phase + pad - t * dilation) divisible by the stride.
      Value p = index[d], sum = e.add(p, pad);
      Value first = e.remU(e.mul(e.remU(sum, e.num(stride)), e.num(inverse(dilation % stride, stride))), e.num(stride));
      Value exact = e.sub(sum, e.mul(first, e.num(dilation)));
      phase.push_back(p);
      shift.push_back(stride == 1 ? exact : Value(arith::DivSIOp::create(e.b, e.loc, exact, e.num(stride))));
      firstTap.push_back(first);
      turns.push_back(e.divU(e.add(e.max(e.sub(e.num(kernel[d]), first), e.num(0)), e.num(stride - 1)), e.num(stride)));
      rowSizes.push_back(e.divU(e.add(e.max(e.sub(size, p), e.num(0)), e.num(stride - 1)), e.num(stride)));
    }
    rows = e.num(1);
    for (Value size : rowSizes)
      rows = e.mul(rows, size);
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
        start.push_back(e.add(e.mul(index[d + 1], e.num(root.transposed ? 1 : root.strides[d])), shift[d]));
      pixels.start.push_back(start);
    }
    return pixels;
  }

  /// `tap` numbers the weights, `turn` the taps of this phase.
  using TapBody = llvm::function_ref<SmallVector<Value>(Value tap, Value turn, ArrayRef<Value> offsets,
                                                        ArrayRef<Value> inside, ValueRange carried)>;
  /// Loops over the taps of dims d.. with a tile's offsets; `inside` is null per
  /// pixel where nothing can lie outside.
  SmallVector<Value> forTaps(int64_t d, int64_t end, const Pixels &pixels, Value tap, Value turn,
                             SmallVector<Value> offsets, SmallVector<Value> inside, bool checked, ValueRange carried,
                             TapBody body) {
    if (d == end)
      return body(tap, turn, offsets, inside, carried);
    return e.forLoop(e.num(0), turns[d], e.num(1), carried, [&](Value kk, ValueRange state) {
      SmallVector<Value> at(offsets), ok(inside);
      Value reach = e.mul(kk, e.num(root.dilations[d])), number = kk;
      if (root.transposed)
        number = e.add(firstTap[d], e.mul(kk, e.num(root.strides[d])));
      for (size_t i = 0; i < offsets.size(); ++i) {
        Value start = pixels.start[i][d], position = root.transposed ? e.sub(start, reach) : e.add(start, reach);
        at[i] = e.add(at[i], e.mul(position, xStrides[d]));
        if (checked) {
          Value in = e.cmp(arith::CmpIPredicate::ult, position, inSizes[d]);
          ok[i] = ok[i] ? e.b.createOrFold<arith::AndIOp>(e.loc, ok[i], in) : in;
        }
      }
      return forTaps(d + 1, end, pixels, e.add(e.mul(tap, e.num(kernel[d])), number),
                     e.add(e.mul(turn, turns[d]), kk), at, ok, checked, state, body);
    });
  }

  /// Accumulates a tile from the input in place.
  SmallVector<Value> reduceInPlace(const Tile &t, const Pixels &pixels, Value panel, bool checked) {
    // Along the last dim neighbouring taps are neighbours in memory, weights and
    // input alike: without checks they are one longer run of channels.
    bool joins = !checked && !root.transposed && root.dilations.back() == 1 && groups == 1 &&
                 e.constant(xStrides.back()) == channels && e.constant(channelStride) == 1;
    int64_t run = channels * (joins ? kernel.back() : 1), end = spatial - (joins ? 1 : 0);
    SmallVector<Value> offsets(pixels.base);
    if (joins)
      for (auto [i, offset] : llvm::enumerate(offsets))
        offset = e.add(offset, e.mul(pixels.start[i].back(), xStrides.back()));
    return forTaps(0, end, pixels, e.num(0), e.num(0), offsets, SmallVector<Value>(t.mr), checked,
                   zeroTile(e, t, acc), [&](Value tap, Value, ArrayRef<Value> at, ArrayRef<Value> inside, ValueRange carried) {
                     RowOperand a;
                     a.step = channelStride;
                     a.type = xType;
                     for (unsigned i = 0; i < t.mr; ++i) {
                       Value pointer = e.address(x.pointer, at[i], xType);
                       a.pointers.push_back(inside[i] ? e.select(inside[i], pointer, zeros) : pointer);
                     }
                     PanelOperand b{e.address(panel, e.mul(tap, e.num(run * nr)), wType), e.num(nr), wType, {}};
                     return accumulate(e, t, acc, a, b, e.num(run), carried, kUnroll);
                   });
  }

  /// Accumulates a gathered tile over the taps of a phase.
  SmallVector<Value> reduceGathered(const Tile &t, const RowOperand &tileRows, Value panel) {
    return forTaps(0, spatial, Pixels(), e.num(0), e.num(0), {}, {}, false, zeroTile(e, t, acc),
                   [&](Value tap, Value turn, ArrayRef<Value>, ArrayRef<Value>, ValueRange carried) {
                     RowOperand a = tileRows;
                     for (Value &pointer : a.pointers)
                       pointer = e.address(pointer, e.mul(turn, e.num(channels * t.mr)), acc);
                     PanelOperand b{e.address(panel, e.mul(tap, e.num(channels * nr)), wType), e.num(nr), wType, {}};
                     return accumulate(e, t, acc, a, b, e.num(channels), carried, kUnroll);
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
      forTaps(0, spatial, pixels, e.num(0), e.num(0), pixels.base, SmallVector<Value>(t.mr), !root.hasNoPads(),
              ValueRange(), [&](Value, Value turn, ArrayRef<Value> at, ArrayRef<Value> inside, ValueRange) {
                Value line = e.address(to, e.mul(turn, e.num(channels * t.mr)), acc);
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

  /// The panel's weights, computed first where they have to be.
  Value panelOf(Value group, Value panel, Value col0, int64_t cols) {
    Type stored = mode == Packed ? wType : tensorType(root.w).getElementType();
    Value packed;
    if (mode == PackedComputed)
      stored = ctx.inputs[ctx.param("w_argument")].elementType;
    if (mode != Computed)
      packed = e.address(weightPointer, e.mul(e.add(e.mul(group, panels), panel), e.num(depth * nr)), stored);
    if (mode == Packed)
      return packed;
    int64_t outDim = root.transposed ? 1 : 0;
    Value source = mode == PackedComputed ? Value(ctx.kernel.getBody().getArgument(ctx.param("w_argument"))) : Value();
    SmallVector<Value> tapSizes;
    for (int64_t size : kernel)
      tapSizes.push_back(e.num(size));
    Value firstOut = root.transposed ? col0 : e.add(e.mul(group, e.num(outGroup)), col0);
    e.forLoop(e.num(0), e.num(depth / channels), e.num(1), [&](Value tap) {
      SmallVector<Value> taps = e.delinearize(tap, tapSizes);
      e.forLoop(e.num(0), e.num(channels), e.num(1), [&](Value c) {
        Value line = e.mul(e.add(e.mul(tap, e.num(channels)), c), e.num(nr));
        auto part = [&](Value j, unsigned width) {
          Value at = e.add(line, j), out = e.add(firstOut, j);
          if (source)
            e.setSource(source, [&, at](ArrayRef<Value>, unsigned lanes, int64_t) {
              return e.load(e.address(packed, at, stored), stored, lanes);
            });
          SmallVector<Value> index = {out, c};
          if (root.transposed)
            index = {e.add(e.mul(group, e.num(channels)), c), out};
          llvm::append_range(index, taps);
          Value value = e.element(root.w, index, width, outDim);
          e.store(e.address(panelMemory, at, acc), acc, widen(e, value, tensorType(root.w).getElementType(), acc));
        };
        int64_t lanes = source ? tile.lanes : 1, whole = cols / lanes * lanes;
        e.forLoop(e.num(0), e.num(whole), e.num(lanes), [&](Value j) { part(j, lanes); });
        e.forLoop(e.num(whole), e.num(cols), e.num(1), [&](Value j) { part(j, 1); });
        e.forLoop(e.num(cols), e.num(nr), e.num(1), [&](Value j) {
          e.store(e.address(panelMemory, e.add(line, j), acc), acc, e.constantLike(acc, 0));
        });
      });
    });
    if (source)
      e.dropSource(source);
    return panelMemory;
  }

  void emitGroup(Value workgroup);
  /// A block of rows and panels of the phase entered.
  void emitBlock(Value group, Value row0, Value panel0);
};

void ConvCode::emitGroup(Value workgroup) {
  int64_t blockPanels = ctx.param("panels"), panelCount = llvm::divideCeil(outGroup, nr);
  Value blockRows = e.num(ctx.param("rows"));
  // The first phase has the most rows; the others may leave workgroups idle.
  SmallVector<Value> phaseCounts;
  for (int64_t d = 0; d < spatial; ++d)
    phaseCounts.push_back(e.num(root.transposed ? root.strides[d] : 1));
  Value mostRows = images;
  for (int64_t d = 0; d < spatial; ++d)
    mostRows = e.mul(mostRows, e.divU(e.add(outSizes[d], e.sub(phaseCounts[d], e.num(1))), phaseCounts[d]));
  Value rowBlocks = e.divU(e.add(mostRows, e.sub(blockRows, e.num(1))), blockRows);
  SmallVector<Value> at = e.delinearize(workgroup, {e.num(0), e.num(groups),
                                                    e.num(llvm::divideCeil(panelCount, blockPanels)), rowBlocks});
  SmallVector<Value> index = e.delinearize(at[0], phaseCounts);
  at.erase(at.begin());
  enterPhase(index);
  Value row0 = e.mul(at[2], blockRows);
  if (!root.transposed)
    return emitBlock(at[0], row0, e.mul(at[1], e.num(blockPanels)));
  e.ifThen(e.cmp(arith::CmpIPredicate::slt, row0, rows),
           [&] { emitBlock(at[0], row0, e.mul(at[1], e.num(blockPanels))); });
}

void ConvCode::emitBlock(Value group, Value row0, Value panel0) {
  int64_t blockPanels = ctx.param("panels");
  Value rowEnd = e.min(e.add(row0, e.num(ctx.param("rows"))), rows);
  if (groups == 1)
    group = e.num(0);
  Value panelEnd = e.min(e.add(panel0, e.num(blockPanels)), panels);
  // The gathered tiles' shape must not depend on the tile's number of vectors.
  std::optional<int64_t> staticRows;
  if (!root.transposed)
    staticRows = e.constant(rows);
  if (!last)
    gather(group, row0, rowEnd, staticRows);

  Epilogue epilogue(ctx, root.result, acc, tileMemory, last ? spatial + 1 : 1, [&](Value row, Value col) {
    SmallVector<Value> index = e.delinearize(row, rowSizes);
    if (root.transposed)
      for (int64_t d = 0; d < spatial; ++d)
        index[d + 1] = e.add(phase[d], e.mul(index[d + 1], e.num(root.strides[d])));
    index.insert(last ? index.end() : index.begin() + 1, e.add(e.mul(group, e.num(outGroup)), col));
    return index;
  });
  if (!last && (!root.transposed || root.strides.back() == 1))
    epilogue.useRowLanes(rowSizes);

  auto panelTiles = [&](Value panel, unsigned nv, int64_t cols) {
    Value col0 = e.mul(panel, e.num(nr));
    Value weights = panelOf(group, panel, col0, cols);
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
        SmallVector<Value> sums = root.transposed ? reduceGathered(t, a, weights)
                                                  : accumulate(e, t, acc, a, {weights, e.num(nr), wType, {}},
                                                               e.num(depth), zeroTile(e, t, acc), kUnroll);
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
      if (!root.hasFewChannels())
        return tileOf(!root.hasNoPads());
      Value inner;
      for (unsigned i = 0; i < t.mr; ++i)
        for (int64_t d = 0; d < spatial; ++d) {
          Value reach = e.num((kernel[d] - 1) * root.dilations[d]);
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

const Family convFamily = {"conv", planConv, emitConv, Views::Any};

} // namespace smelt::codegen::cpu
