//===- Recurrent.cpp - RNN, GRU and LSTM layers -----------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   smelt.kernel { y, hT, cT = recurrent(x, r, h0, ...); yield ... }
//     -> for block of sequences: for step: sums = state . R'; gates; state; y
//
// One workgroup takes a block of sequences through all steps, so nothing waits
// for another thread. R is packed [gate][panel][H][nr]; states, sums and gates
// lie in scratch in rows of whole vectors, so only x and the weights per gate
// are read with a mask at a row's end. A sequence that has ended keeps its state.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/Pack.h"
#include "codegen/cpu/families/Contraction.h"
#include "codegen/cpu/families/Dot.h"
#include "codegen/cpu/families/Loops.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace smelt::codegen::cpu {

namespace {

RankedTensorType tensorType(Value v) { return cast<RankedTensorType>(v.getType()); }

/// The one op of the body; all operands are arguments.
RecurrentOp getRoot(KernelOp kernel) {
  Block &block = kernel.getBody().front();
  auto op = dyn_cast<RecurrentOp>(block.front());
  if (!op || op->getNextNode() != block.getTerminator())
    return {};
  for (Value operand : op->getOperands())
    if (argumentNumber(operand) < 0)
      return {};
  for (Value yielded : block.getTerminator()->getOperands())
    if (yielded.getDefiningOp() != op.getOperation())
      return {};
  return op;
}

int64_t gatesOf(CellKind cell) { return cell == CellKind::rnn ? 1 : cell == CellKind::gru ? 3 : 4; }

enum class Function {
  Relu, Tanh, Sigmoid, Affine, LeakyRelu, ThresholdedRelu, ScaledTanh, HardSigmoid, Elu, Softsign, Softplus, Unknown
};

Function functionOf(StringRef name) {
  return llvm::StringSwitch<Function>(name)
      .CaseLower("relu", Function::Relu)
      .CaseLower("tanh", Function::Tanh)
      .CaseLower("sigmoid", Function::Sigmoid)
      .CaseLower("affine", Function::Affine)
      .CaseLower("leakyrelu", Function::LeakyRelu)
      .CaseLower("thresholdedrelu", Function::ThresholdedRelu)
      .CaseLower("scaledtanh", Function::ScaledTanh)
      .CaseLower("hardsigmoid", Function::HardSigmoid)
      .CaseLower("elu", Function::Elu)
      .CaseLower("softsign", Function::Softsign)
      .CaseLower("softplus", Function::Softplus)
      .Default(Function::Unknown);
}

/// The layout of a thread's scratch, in elements of the carried type.
struct Layout {
  int64_t rows, pitch, gates; // rows of whole tiles, elements between them
  int64_t state() const { return 0; }
  int64_t cell() const { return rows * pitch; }
  int64_t reset() const { return 2 * rows * pitch; }
  int64_t sums() const { return 3 * rows * pitch; }
  int64_t sumPitch() const { return gates * pitch; }
  int64_t weights() const { return (3 + gates) * rows * pitch; }
};

std::optional<Plan> planRecurrent(KernelOp kernel, const CpuTarget &target) {
  RecurrentOp op = getRoot(kernel);
  if (!op)
    return std::nullopt;
  RankedTensorType x = tensorType(op.getX()), r = tensorType(op.getR());
  int64_t gates = gatesOf(op.getCell());
  if (x.getRank() != 3 || !r.hasStaticShape() || r.getRank() != 2 || r.getDimSize(1) < 1 ||
      r.getDimSize(0) != gates * r.getDimSize(1) || !isa<FloatType>(x.getElementType()) ||
      !isArithmetic(x.getElementType()) || r.getElementType() != x.getElementType())
    return std::nullopt;
  size_t wanted = gates == 1 ? 1 : gates == 3 ? 2 : 3;
  if (op.getActivations().size() < wanted)
    return std::nullopt;
  for (Attribute name : op.getActivations())
    if (functionOf(cast<StringAttr>(name).getValue()) == Function::Unknown)
      return std::nullopt;

  Builder b(kernel.getContext());
  Type acc = carriedType(x.getElementType());
  AffineExpr batch = getDim(x, 1);
  int64_t hidden = r.getDimSize(1), blockRows = 8;
  if (auto count = asConstant(batch))
    blockRows = std::clamp<int64_t>(*count, 1, blockRows);
  Tile tile = chooseTile(target, acc, asConstant(batch) ? std::optional<int64_t>(blockRows) : std::nullopt, hidden,
                         /*wideRows=*/false);
  int64_t nr = tile.nr(), panels = llvm::divideCeil(hidden, nr);
  Layout layout{int64_t(llvm::alignTo(blockRows, tile.mr)), panels * nr, gates};
  int64_t rArg = argumentNumber(op.getR());
  bool isConstant = bool(constantOperand(kernel, rArg));
  Plan plan;
  auto param = [&](StringRef name, int64_t value) {
    plan.params.push_back(b.getNamedAttr(name, b.getI64IntegerAttr(value)));
  };
  param("mr", tile.mr);
  param("nv", tile.nv);
  param("lanes", tile.lanes);
  param("rows", blockRows);
  param("packs", !isConstant);
  plan.grid = batch.ceilDiv(blockRows);
  int64_t elements = layout.weights() + (isConstant ? 0 : gates * panels * hidden * nr);
  plan.scratch = b.getAffineConstantExpr(llvm::alignTo(elements * getElementBytes(acc), 64) + 8 * layout.rows);
  if (isConstant) {
    Packing packing{{gates, panels, hidden, nr}, {hidden * hidden, nr * hidden, 1, hidden}, {1, 3, hidden}};
    plan.packings.push_back({unsigned(rArg), packing.encode(kernel.getContext())});
  }
  return plan;
}

struct RecurrentCode {
  KernelContext &ctx;
  Emitter &e;
  RecurrentOp op;
  Type acc, type;
  Tile tile;
  int64_t gates, hidden, blockRows;
  Layout layout;
  bool packs;
  Buffer x;
  Value steps, batch, ends, weights;
  Type weightType;

  RecurrentCode(KernelContext &ctx)
      : ctx(ctx), e(ctx.e), op(getRoot(ctx.kernel)), acc(carriedType(tensorType(op.getX()).getElementType())),
        type(tensorType(op.getX()).getElementType()),
        tile{unsigned(ctx.param("mr")), unsigned(ctx.param("nv")), unsigned(ctx.param("lanes"))},
        gates(gatesOf(op.getCell())), hidden(tensorType(op.getR()).getDimSize(1)), blockRows(ctx.param("rows")),
        layout{int64_t(llvm::alignTo(blockRows, tile.mr)), panels() * int64_t(tile.nr()), gates},
        packs(ctx.param("packs")), x(*buffer(op.getX())), steps(x.sizes[0]), batch(x.sizes[1]) {
    int64_t elements = layout.weights() + (packs ? gates * panels() * hidden * int64_t(tile.nr()) : 0);
    ends = e.address(ctx.scratch, e.num(llvm::alignTo(elements * getElementBytes(acc), 64)), e.b.getI8Type());
    weights = packs ? at(e.num(layout.weights())) : buffer(op.getR())->pointer;
    weightType = packs ? acc : type;
  }

  int64_t panels() const { return llvm::divideCeil(hidden, int64_t(tile.nr())); }
  const Buffer *buffer(Value operand) { return operand ? &ctx.inputs[argumentNumber(operand)] : nullptr; }
  Value at(Value element) { return e.address(ctx.scratch, element, acc); }
  Value rowAt(int64_t base, Value row) { return at(e.add(e.num(base), e.mul(row, e.num(layout.pitch)))); }
  Value endSlot(Value row) { return e.address(ends, row, e.b.getI64Type()); }

  void packWeights() {
    int64_t nr = tile.nr();
    e.forLoop(e.num(0), e.num(gates), e.num(1), [&](Value gate) {
      e.forLoop(e.num(0), e.num(panels()), e.num(1), [&](Value panel) {
        Value first = e.mul(panel, e.num(nr));
        Value matrix = e.address(buffer(op.getR())->pointer,
                                 e.mul(e.add(e.mul(gate, e.num(hidden)), first), e.num(hidden)), type);
        Value to = e.address(weights, e.mul(e.add(e.mul(gate, e.num(panels())), panel), e.num(hidden * nr)), acc);
        packTransposed(e, matrix, e.num(hidden), type, e.min(e.num(nr), e.sub(e.num(hidden), first)), e.num(hidden),
                       to, nr, tile.lanes, acc);
      });
    });
  }

  /// sums[row][gate] = from[row] . R[gate] for some of the gates.
  void project(int64_t firstGate, int64_t count, int64_t from, Value rows, std::optional<int64_t> staticRows) {
    int64_t nr = tile.nr();
    e.forLoop(e.num(firstGate * panels()), e.num((firstGate + count) * panels()), e.num(1), [&](Value panel) {
      PanelOperand b{e.address(weights, e.mul(panel, e.num(hidden * nr)), weightType), e.num(nr), weightType, {}};
      forRowTiles(e, tile, e.num(0), rows, staticRows, [&](const Tile &t, Value first, Value valid) {
        RowOperand a;
        a.step = e.num(1);
        a.type = acc;
        for (unsigned i = 0; i < t.mr; ++i)
          a.pointers.push_back(rowAt(from, e.add(first, e.min(e.num(i), e.sub(valid, e.num(1))))));
        SmallVector<Value> sums = accumulate(e, t, acc, a, b, e.num(hidden), zeroTile(e, t, acc));
        // Rows beyond the last one have room in scratch.
        for (unsigned i = 0; i < t.mr; ++i)
          for (unsigned j = 0; j < t.nv; ++j) {
            Value line = e.mul(e.add(first, e.num(i)), e.num(layout.sumPitch()));
            Value to = e.add(e.add(e.num(layout.sums()), line), e.add(e.mul(panel, e.num(nr)), e.num(j * t.lanes)));
            e.store(at(to), acc, sums[i * t.nv + j]);
          }
      });
    });
  }

  //--- gates, `lanes` neighbours of a row at a time

  Value constant(Value like, double value) { return e.constantLike(like.getType(), value); }
  Value cmp(arith::CmpFPredicate p, Value a, Value c) { return arith::CmpFOp::create(e.b, e.loc, p, a, c); }
  Value sel(Value c, Value a, Value z) { return arith::SelectOp::create(e.b, e.loc, c, a, z); }
  Value plus(Value a, Value c) { return arith::AddFOp::create(e.b, e.loc, a, c); }
  Value minus(Value a, Value c) { return arith::SubFOp::create(e.b, e.loc, a, c); }
  Value times(Value a, Value c) { return arith::MulFOp::create(e.b, e.loc, a, c); }
  Value over(Value a, Value c) { return arith::DivFOp::create(e.b, e.loc, a, c); }

  Value clip(Value v) {
    double limit = op.getClip().convertToDouble();
    if (!(limit > 0))
      return v;
    return arith::MinimumFOp::create(e.b, e.loc, arith::MaximumFOp::create(e.b, e.loc, v, constant(v, -limit)),
                                     constant(v, limit));
  }

  /// Activation number `which` (ONNX: f, g, h) of a clipped sum, or of a state.
  Value activate(size_t which, Value v) {
    Function function = functionOf(cast<StringAttr>(op.getActivations()[which]).getValue());
    double alpha = function == Function::HardSigmoid ? 0.2 : function == Function::LeakyRelu ? 0.01 : 1.0;
    double beta = function == Function::HardSigmoid ? 0.5 : function == Function::ScaledTanh ? 1.0 : 0.0;
    if (which < op.getActivationAlpha().size())
      alpha = op.getActivationAlpha()[which];
    if (which < op.getActivationBeta().size())
      beta = op.getActivationBeta()[which];
    Value zero = constant(v, 0), one = constant(v, 1), a = constant(v, alpha), b = constant(v, beta);
    auto exp = [&](Value t) -> Value { return math::ExpOp::create(e.b, e.loc, t); };
    auto tanh = [&](Value t) -> Value { return math::TanhOp::create(e.b, e.loc, t); };
    switch (function) {
    case Function::Relu: return sel(cmp(arith::CmpFPredicate::OGT, v, zero), v, zero);
    case Function::Tanh: return tanh(v);
    case Function::Sigmoid: return over(one, plus(one, exp(arith::NegFOp::create(e.b, e.loc, v))));
    case Function::Affine: return plus(times(a, v), b);
    case Function::LeakyRelu: return sel(cmp(arith::CmpFPredicate::OGE, v, zero), v, times(a, v));
    case Function::ThresholdedRelu: return sel(cmp(arith::CmpFPredicate::OGT, v, a), v, zero);
    case Function::ScaledTanh: return times(a, tanh(times(b, v)));
    case Function::HardSigmoid:
      return arith::MinimumFOp::create(
          e.b, e.loc, arith::MaximumFOp::create(e.b, e.loc, plus(times(a, v), b), zero), one);
    case Function::Elu:
      return sel(cmp(arith::CmpFPredicate::OGE, v, zero), v, times(a, math::ExpM1Op::create(e.b, e.loc, v)));
    case Function::Softsign: return over(v, plus(one, math::AbsFOp::create(e.b, e.loc, v)));
    case Function::Softplus: return math::Log1pOp::create(e.b, e.loc, exp(v));
    case Function::Unknown: break;
    }
    llvm_unreachable("planned without knowing the activation");
  }

  /// body(j, load) over a row of H; `load` reads lanes of the caller's memory.
  using Load = std::function<Value(Value pointer)>;
  void forUnits(llvm::function_ref<void(Value j, const Load &load)> body) {
    unsigned lanes = tile.lanes;
    e.forLoop(e.num(0), e.num(hidden), e.num(lanes), [&](Value j) {
      Value mask;
      if (hidden % lanes)
        mask = laneMask(e, lanes, e.sub(e.num(hidden), j));
      body(j, [&, mask](Value pointer) {
        return mask ? maskedLoad(e, pointer, type, lanes, mask) : e.load(pointer, type, lanes);
      });
    });
  }

  /// Gate k's sum at a row: x's part and the state's.
  struct RowView {
    Value x, state, cell, reset, sums;
  };
  Value own(Value row, Value j) { return e.load(e.address(row, j, acc), acc, tile.lanes); }
  void put(Value row, Value j, Value v) { e.store(e.address(row, j, acc), acc, v); }
  Value inputOf(const RowView &row, int64_t gate, Value j, const Load &load) {
    return load(e.address(row.x, e.add(e.num(gate * hidden), j), type));
  }
  Value sumOf(const RowView &row, int64_t gate, Value j) {
    return own(row.sums, e.add(e.num(gate * layout.pitch), j));
  }
  Value gateSum(const RowView &row, int64_t gate, Value j, const Load &load) {
    return plus(inputOf(row, gate, j, load), sumOf(row, gate, j));
  }

  void stepRnn(const RowView &row) {
    forUnits([&](Value j, const Load &load) { put(row.state, j, activate(0, clip(gateSum(row, 0, j, load)))); });
  }
  void resetGru(const RowView &row) {
    forUnits([&](Value j, const Load &load) {
      Value r = activate(0, clip(gateSum(row, 1, j, load)));
      put(row.reset, j, op.getLinearBeforeReset() ? r : times(r, own(row.state, j)));
    });
  }
  void stepGru(const RowView &row) {
    forUnits([&](Value j, const Load &load) {
      Value z = activate(0, clip(gateSum(row, 0, j, load))), recurrent = sumOf(row, 2, j);
      if (op.getLinearBeforeReset()) {
        if (const Buffer *bias = buffer(op.getRbias()))
          recurrent = plus(recurrent, load(e.address(bias->pointer, j, type)));
        recurrent = times(own(row.reset, j), recurrent);
      }
      Value candidate = activate(1, clip(plus(inputOf(row, 2, j, load), recurrent)));
      put(row.state, j, plus(times(minus(constant(z, 1), z), candidate), times(z, own(row.state, j))));
    });
  }
  void stepLstm(const RowView &row) {
    const Buffer *peephole = buffer(op.getPeephole());
    forUnits([&](Value j, const Load &load) {
      Value cell = own(row.cell, j);
      auto gate = [&](int64_t k, Value seen) {
        Value sum = gateSum(row, k, j, load);
        if (peephole)
          sum = plus(sum, times(load(e.address(peephole->pointer, e.add(e.num(k * hidden), j), type)), seen));
        return activate(0, clip(sum));
      };
      Value in = gate(0, cell);
      Value forget = op.getInputForget() ? minus(constant(in, 1), in) : gate(2, cell);
      Value next = plus(times(forget, cell), times(in, activate(1, clip(gateSum(row, 3, j, load)))));
      put(row.cell, j, next);
      put(row.state, j, times(gate(1, next), activate(2, next)));
    });
  }

  /// Copies H elements between the caller's memory and scratch.
  void copyRow(Value from, Type fromType, Value to, Type toType) {
    vectorLoop(e, e.num(0), e.num(hidden), std::min<int64_t>(tile.lanes, llvm::bit_floor(uint64_t(hidden))),
               [&](Value j, unsigned lanes) {
                 e.store(e.address(to, j, toType), toType, e.load(e.address(from, j, fromType), fromType, lanes));
               });
  }
  void zeroRow(Value to, Type toType, int64_t count) {
    vectorLoop(e, e.num(0), e.num(count), std::min<int64_t>(tile.lanes, llvm::bit_floor(uint64_t(count))),
               [&](Value j, unsigned lanes) {
                 Type vector = lanes > 1 ? Type(VectorType::get({int64_t(lanes)}, acc)) : acc;
                 e.store(e.address(to, j, toType), toType, e.constantLike(vector, 0));
               });
  }

  /// Every output buffer that holds the op's result number `result`.
  void forOutputs(unsigned result, llvm::function_ref<void(const Buffer &)> body) {
    for (auto [yielded, output] :
         llvm::zip(ctx.kernel.getBody().front().getTerminator()->getOperands(), ctx.outputs))
      if (yielded == op->getResult(result))
        body(output);
  }
  Value yRow(const Buffer &y, Value t, Value b) {
    return e.address(y.pointer, e.add(e.mul(t, y.strides[0]), e.mul(b, y.strides[1])), y.elementType);
  }

  void emitBlock(Value block);
};

void RecurrentCode::emitBlock(Value block) {
  Value b0 = e.mul(block, e.num(blockRows)), rows = e.min(e.num(blockRows), e.sub(batch, b0));
  std::optional<int64_t> staticRows;
  if (auto count = e.constant(batch); count && *count == blockRows) {
    staticRows = blockRows;
    rows = e.num(blockRows);
  }
  Value zero = e.num(0), one = e.num(1);
  Type i64 = e.b.getI64Type();
  const Buffer *lengths = buffer(op.getLengths());
  SmallVector<Value> last = e.forLoop(zero, rows, one, ValueRange(zero), [&](Value row, ValueRange carried) {
    Value b = e.add(b0, row), end = steps;
    zeroRow(rowAt(layout.state(), row), acc, layout.pitch);
    zeroRow(rowAt(layout.cell(), row), acc, layout.pitch);
    zeroRow(rowAt(layout.reset(), row), acc, layout.pitch);
    copyRow(e.address(buffer(op.getH0())->pointer, e.mul(b, e.num(hidden)), type), type, rowAt(layout.state(), row), acc);
    if (const Buffer *c0 = buffer(op.getC0()))
      copyRow(e.address(c0->pointer, e.mul(b, e.num(hidden)), type), type, rowAt(layout.cell(), row), acc);
    if (lengths) {
      Value length = e.load(e.address(lengths->pointer, b, lengths->elementType), lengths->elementType);
      if (length.getType() != i64)
        length = arith::ExtSIOp::create(e.b, e.loc, i64, length);
      end = e.min(e.max(length, zero), steps);
      forOutputs(0, [&](const Buffer &y) {
        e.forLoop(end, steps, one, [&](Value t) { zeroRow(yRow(y, t, b), y.elementType, hidden); });
      });
    }
    e.store(endSlot(row), i64, end);
    return SmallVector<Value>{e.max(carried[0], end)};
  });

  e.forLoop(zero, last[0], one, [&](Value s) {
    auto forActive = [&](llvm::function_ref<void(const RowView &, Value t, Value b)> body) {
      e.forLoop(zero, rows, one, [&](Value row) {
        Value end = e.load(endSlot(row), i64), b = e.add(b0, row);
        e.ifThen(e.cmp(arith::CmpIPredicate::slt, s, end), [&] {
          Value t = op.getReverse() ? e.sub(e.sub(end, one), s) : s;
          RowView view{e.address(x.pointer, e.add(e.mul(t, x.strides[0]), e.mul(b, x.strides[1])), type),
                       rowAt(layout.state(), row), rowAt(layout.cell(), row), rowAt(layout.reset(), row),
                       at(e.add(e.num(layout.sums()), e.mul(row, e.num(layout.sumPitch()))))};
          body(view, t, b);
        });
      });
    };
    bool isGru = op.getCell() == CellKind::gru, splits = isGru && !op.getLinearBeforeReset();
    project(0, splits ? 2 : gates, layout.state(), rows, staticRows);
    if (isGru)
      forActive([&](const RowView &row, Value, Value) { resetGru(row); });
    if (splits)
      project(2, 1, layout.reset(), rows, staticRows);
    forActive([&](const RowView &row, Value t, Value b) {
      if (isGru)
        stepGru(row);
      else if (op.getCell() == CellKind::lstm)
        stepLstm(row);
      else
        stepRnn(row);
      forOutputs(0, [&](const Buffer &y) { copyRow(row.state, acc, yRow(y, t, b), y.elementType); });
    });
  });
  e.forLoop(zero, rows, one, [&](Value row) {
    auto finish = [&](unsigned result, int64_t from) {
      forOutputs(result, [&](const Buffer &out) {
        Value to = e.address(out.pointer, e.mul(e.add(b0, row), out.strides[0]), out.elementType);
        copyRow(rowAt(from, row), acc, to, out.elementType);
      });
    };
    finish(1, layout.state());
    finish(2, op.getCell() == CellKind::lstm ? layout.cell() : layout.state());
  });
}

LogicalResult emitRecurrent(KernelContext &ctx) {
  RecurrentCode code(ctx);
  if (code.packs)
    code.packWeights();
  ctx.e.forLoop(ctx.wgBegin, ctx.wgEnd, ctx.e.num(1), [&](Value block) { code.emitBlock(block); });
  return success();
}

} // namespace

const Family recurrentFamily = {"recurrent", planRecurrent, emitRecurrent};

} // namespace smelt::codegen::cpu
