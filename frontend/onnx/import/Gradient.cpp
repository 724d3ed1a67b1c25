//===- Gradient.cpp - Reverse differentiation -------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ai.onnx.preview.training Gradient: the ops between the named inputs and y, as
// they stand in the graph already, are walked backwards; each hands the gradient
// of its result to its operands. A new rule is one case of `Reverse::rule`.
//
//   y = f(x)   ->   dx = J_f(x)^T * ones
//
// Where the node's inputs are other values than the tensors they stand for, the
// ops are repeated on those values first. Test: test/values/run.py.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Compose.h"
#include "frontend/onnx/import/Graph.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace smelt::onnx {

namespace {

class Reverse {
public:
  explicit Reverse(NodeImport &n) : n(n) {}

  /// The ops that lead from `xs` to y, in order; an error where one has no gradient.
  LogicalResult collect(Value y, ArrayRef<Value> xs) {
    for (Value x : xs)
      depends.insert(x);
    Block *block = n.b.getInsertionBlock();
    for (Operation &op : *block)
      if (llvm::any_of(op.getOperands(), [&](Value v) { return depends.contains(v); }))
        for (Value result : op.getResults())
          depends.insert(result);
    llvm::SmallPtrSet<Operation *, 16> needed;
    SmallVector<Value> work = {y};
    while (!work.empty()) {
      Value v = work.pop_back_val();
      Operation *op = v.getDefiningOp();
      if (!op || !depends.contains(v) || llvm::is_contained(xs, v) || !needed.insert(op).second)
        continue;
      if (op->getBlock() != block)
        return n.unsupported("a gradient through control flow");
      llvm::append_range(work, op->getOperands());
    }
    for (Operation &op : *block)
      if (needed.contains(&op))
        path.push_back(&op);
    return success();
  }

  /// Repeats the path with other values; y's copy.
  Value repeat(Value y, IRMapping &map) {
    for (Operation *&op : path)
      op = n.b.clone(*op, map);
    for (auto [from, to] : map.getValueMap())
      if (depends.contains(from))
        copies.push_back(to);
    depends.insert(copies.begin(), copies.end());
    return map.lookupOrDefault(y);
  }

  LogicalResult run(Value y) {
    give(y, n.broadcast(n.scalar(n.elem(y), 1), n.dims(y)));
    for (Operation *op : llvm::reverse(path)) {
      Value g = gradients.lookup(op->getResult(0));
      if (g && failed(rule(op, g)))
        return failure();
    }
    return success();
  }

  Value of(Value x) {
    Value g = gradients.lookup(x);
    return g ? g : n.broadcast(n.scalar(n.elem(x), 0), n.dims(x));
  }

private:
  /// Adds to the gradient of v what reached it in a larger shape.
  void give(Value v, Value g) {
    if (!depends.contains(v) || !g || !isa<FloatType>(n.elem(v)))
      return;
    Dims have = n.dims(g), want = n.dims(v);
    SmallVector<int64_t> summed;
    for (size_t extra = have.size() - want.size(), k = 0; k < have.size(); ++k)
      if (k < extra || (want[k - extra] == n.num(1) && have[k] != n.num(1)))
        summed.push_back(k);
    if (!summed.empty())
      g = n.reshape(n.reduce(ReduceKind::sum, g, summed, false), want);
    g = n.rebind(g, want);
    Value &sum = gradients[v];
    sum = sum ? n.add(sum, g) : g;
  }

  Value num(Value like, double v) { return n.scalar(n.elem(like), v); }
  Value square(Value v) { return n.mul(v, v); }

  LogicalResult matmulRule(MatMulOp op, Value g) {
    Value a = op.getLhs(), b = op.getRhs();
    bool ta = op.getTransposeLhs(), tb = op.getTransposeRhs();
    // C = A B: dA = g B^T, dB = A^T g; a transposed operand's gradient is transposed.
    give(a, ta ? n.matmul(b, g, tb, true) : n.matmul(g, b, false, !tb));
    give(b, tb ? n.matmul(g, a, true, ta) : n.matmul(a, g, !ta, false));
    return success();
  }

  LogicalResult reduceRule(ReduceOp op, Value g) {
    Value x = op.getX();
    SmallVector<int64_t> axes(op.getAxes());
    Value wide = n.broadcast(n.unsqueeze(g, axes), n.dims(x));
    switch (op.getKind()) {
    case ReduceKind::sum: give(x, wide); return success();
    case ReduceKind::max:
    case ReduceKind::min: { // shared by all elements that are the extreme
      Value hit = n.cast(n.cmp(CmpKind::eq, x, n.unsqueeze(op.getResult(), axes)), n.elem(x));
      give(x, n.div(n.mul(wide, hit), n.reduce(ReduceKind::sum, hit, axes, true)));
      return success();
    }
    default: return n.unsupported("the gradient of a reduction of kind " + stringifyReduceKind(op.getKind()));
    }
  }

  LogicalResult sliceRule(SliceOp op, Value g) {
    for (int64_t step : op.getSteps())
      if (step != 1)
        return n.unsupported("the gradient of a slice with steps");
    give(op.getX(), make<PadOp>(n, n.dims(op.getX()), n.elem(g), g, num(g, 0), op.getStarts(), PadMode::constant));
    return success();
  }

  LogicalResult rule(Operation *op, Value g) {
    Value y = op->getResult(0), x = op->getOperand(0), z = op->getNumOperands() > 1 ? op->getOperand(1) : Value();
    return TypeSwitch<Operation *, LogicalResult>(op)
        .Case([&](AddOp) { return give(x, g), give(z, g), success(); })
        .Case([&](SubOp) { return give(x, g), give(z, unary<NegOp>(n, g)), success(); })
        .Case([&](MulOp) { return give(x, n.mul(g, z)), give(z, n.mul(g, x)), success(); })
        .Case([&](DivOp) { return give(x, n.div(g, z)), give(z, unary<NegOp>(n, n.div(n.mul(g, y), z))), success(); })
        .Case([&](PowOp) {
          if (depends.contains(x))
            give(x, n.mul(g, n.mul(z, n.elementwise<PowOp>({x, n.sub(z, num(z, 1))}))));
          if (depends.contains(z))
            give(z, n.mul(g, n.mul(y, unary<LogOp>(n, x))));
          return success();
        })
        .Case<MaxOp, MinOp>([&](auto) { // the first operand's where they are equal
          Value first = n.cmp(isa<MaxOp>(op) ? CmpKind::ge : CmpKind::le, x, z);
          return give(x, n.select(first, g, num(g, 0))), give(z, n.select(first, num(g, 0), g)), success();
        })
        .Case([&](SelectOp) {
          Value other = op->getOperand(2);
          return give(z, n.select(x, g, num(g, 0))), give(other, n.select(x, num(g, 0), g)), success();
        })
        .Case([&](NegOp) { return give(x, unary<NegOp>(n, g)), success(); })
        .Case([&](AbsOp) { return give(x, n.mul(g, unary<SignOp>(n, x))), success(); })
        .Case([&](ExpOp) { return give(x, n.mul(g, y)), success(); })
        .Case([&](LogOp) { return give(x, n.div(g, x)), success(); })
        .Case([&](SqrtOp) { return give(x, n.div(g, n.mul(y, num(y, 2)))), success(); })
        .Case([&](SinOp) { return give(x, n.mul(g, unary<CosOp>(n, x))), success(); })
        .Case([&](CosOp) { return give(x, unary<NegOp>(n, n.mul(g, unary<SinOp>(n, x)))), success(); })
        .Case([&](TanhOp) { return give(x, n.mul(g, n.sub(num(y, 1), square(y)))), success(); })
        .Case([&](SigmoidOp) { return give(x, n.mul(g, n.mul(y, n.sub(num(y, 1), y)))), success(); })
        .Case([&](ErfOp) { // 2 / sqrt(pi) * exp(-x^2)
          return give(x, n.mul(g, n.mul(num(x, 1.1283791670955126), unary<ExpOp>(n, unary<NegOp>(n, square(x)))))),
                 success();
        })
        .Case<FloorOp, CeilOp, RoundOp, SignOp>([&](auto) { return success(); }) // 0 almost everywhere
        .Case([&](CastOp) { return give(x, n.cast(g, n.elem(x))), success(); })
        .Case<ReshapeOp>([&](auto) { return give(x, n.reshape(g, n.dims(x))), success(); })
        .Case<RebindOp, BroadcastOp>([&](auto) { return give(x, g), success(); })
        .Case([&](TransposeOp t) {
          SmallVector<int64_t> inverse(t.getPerm().size());
          for (auto [i, from] : llvm::enumerate(t.getPerm()))
            inverse[from] = i;
          return give(x, n.transpose(g, inverse)), success();
        })
        .Case([&](ConcatOp c) {
          AffineExpr at = n.num(0);
          for (Value part : c.getInputs()) {
            AffineExpr size = n.dims(part)[c.getAxis()];
            give(part, sliceAxis(n, g, c.getAxis(), at, size));
            at = at + size;
          }
          return success();
        })
        .Case([&](MatMulOp m) { return matmulRule(m, g); })
        .Case([&](ReduceOp r) { return reduceRule(r, g); })
        .Case([&](SliceOp s) { return sliceRule(s, g); })
        .Default([&](Operation *) { return n.unsupported("the gradient of " + op->getName().getStringRef()); });
  }

  NodeImport &n;
  llvm::DenseSet<Value> depends;
  SmallVector<Value> copies;
  SmallVector<Operation *> path;
  llvm::DenseMap<Value, Value> gradients;
};

} // namespace

/// Inputs: values for the tensors of xs, then of zs. Outputs: of the sum of y, one
/// gradient for each of xs.
LogicalResult importGradient(NodeImport &n) {
  std::vector<std::string> xs = n.strings("xs"), zs = n.strings("zs");
  if (failed(n.require("xs")) || failed(n.require("y")))
    return failure();
  if (n.numInputs() != xs.size() + zs.size())
    return n.error(Twine(n.numInputs()) + " inputs, xs and zs name " + Twine(xs.size() + zs.size()), "onnx.arity");
  auto named = [&](StringRef name) -> Value {
    Value v = n.importer.nodeEnv->lookup(name);
    if (!v || !isa<RankedTensorType>(v.getType()))
      return (void)n.error("there is no tensor '" + Twine(name) + "' before this node"), Value();
    return v;
  };
  Value y = named(n.s("y", ""));
  if (!y)
    return failure();
  SmallVector<Value> from, sources;
  IRMapping map;
  bool isSame = true;
  for (auto [i, name] : llvm::enumerate(llvm::concat<std::string>(xs, zs))) {
    Value v = named(name);
    if (!v)
      return failure();
    if (v.getType() != n.in(i).getType())
      return n.error("input " + Twine(i) + " has another type than '" + name + "'", "onnx.dtype-mismatch");
    map.map(v, n.in(i));
    isSame &= v == n.in(i);
    from.push_back(v);
    if (i < xs.size())
      sources.push_back(v);
  }
  Reverse reverse(n);
  if (failed(reverse.collect(y, isSame ? ArrayRef(sources) : ArrayRef(from))))
    return failure();
  if (!isSame) {
    y = reverse.repeat(y, map);
    for (Value &v : sources)
      v = map.lookup(v);
  }
  if (failed(expectFloat(n, y, "y")) || failed(reverse.run(y)))
    return failure();
  for (auto [i, v] : llvm::enumerate(sources))
    (void)n.set(i, reverse.of(v));
  return success();
}

} // namespace smelt::onnx
