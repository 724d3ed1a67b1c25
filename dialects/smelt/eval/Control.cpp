//===- Control.cpp - Evaluating functions, branches, loops, kernels ---------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Values die after their last use. What a loop's body binds is forgotten
// before the next iteration; what a branch binds stays, its results' types may
// name it. Tested by test/dialects/eval/control.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/eval/Evaluator.h"
#include "dialects/smelt/eval/Kinds.h"
#include <cstring>

using namespace mlir;

namespace smelt::eval {

using Results = FailureOr<SmallVector<HostTensor>>;

const DenseMap<Operation *, SmallVector<Value, 1>> &Evaluator::lastUses(Block &block) {
  auto [it, isNew] = lastUseCache.try_emplace(&block);
  if (!isNew)
    return it->second;
  DenseMap<Value, Operation *> last;
  for (Operation &op : block) {
    for (Value result : op.getResults())
      last[result] = &op;
    op.walk([&](Operation *nested) {
      for (Value operand : nested->getOperands())
        if (operand.getParentBlock() == &block)
          last[operand] = &op;
    });
  }
  DenseMap<Operation *, SmallVector<Value, 1>> dying;
  for (auto [value, op] : last)
    dying[op].push_back(value);
  return lastUseCache[&block] = std::move(dying);
}

Results Evaluator::runBlock(Block &block, Values &values, SymbolEnv &env) {
  // A nested block may grow the cache and move its entries: look up each time.
  lastUses(block);
  SmallVector<HostTensor> operands;
  for (Operation &op : block) {
    operands.clear();
    for (Value operand : op.getOperands()) {
      auto it = values.find(operand);
      if (it == values.end())
        return fail(&op, "an operand has no value");
      operands.push_back(it->second);
    }
    if (op.hasTrait<OpTrait::IsTerminator>()) {
      for (Value argument : block.getArguments())
        values.erase(argument);
      for (Operation &other : block)
        for (Value result : other.getResults())
          values.erase(result);
      return operands;
    }
    Results results = runOp(&op, operands, values, env);
    if (failed(results))
      return failure();
    for (auto [value, tensor] : llvm::zip_equal(op.getResults(), *results)) {
      if (options.onValue)
        options.onValue(value, tensor);
      values[value] = tensor;
    }
    const auto &dying = lastUseCache[&block];
    if (auto it = dying.find(&op); it != dying.end())
      for (Value value : it->second)
        values.erase(value);
  }
  return fail(block.getParentOp(), "block has no terminator");
}

LogicalResult Evaluator::bindShape(Operation *op, const Twine &what, Type type, const HostTensor &value,
                                   SymbolEnv &env) {
  auto tensor = cast<RankedTensorType>(type);
  if (tensor.getRank() != value.getRank())
    return fail(op, what + " has rank " + Twine(value.getRank()) + ", want " + Twine(tensor.getRank()));
  SmallVector<AffineExpr> dims = getDims(type);
  for (auto [expr, size] : llvm::zip_equal(dims, value.getShape()))
    if (auto symbol = dyn_cast<AffineSymbolExpr>(expr); symbol && !env.isBound(symbol.getPosition()))
      env.bind(symbol.getPosition(), size);
  for (auto [i, expr, size] : llvm::enumerate(dims, value.getShape())) {
    std::optional<int64_t> want = env.evaluate(expr);
    if (!want)
      return fail(op, what + " dim " + Twine(i) + " uses a symbol that is not bound");
    if (*want != size)
      return fail(op, what + " dim " + Twine(i) + " is " + Twine(size) + ", want " + Twine(*want));
  }
  return success();
}

LogicalResult Evaluator::runBind(BindOp op, const HostTensor &x, SymbolEnv &env) {
  for (auto [element, symbol] : llvm::zip_equal(op.getElements(), op.getSymbols())) {
    if (element < 0 || element >= x.getNumElements())
      return fail(op, "element " + Twine(element) + " of a tensor with " + Twine(x.getNumElements()));
    env.bind(symbol, x.getInt(element));
  }
  return success();
}

Results Evaluator::runIf(scf::IfOp op, const HostTensor &condition, Values &values, SymbolEnv &env) {
  bool isTrue = condition.getInt(0) != 0;
  Region &region = isTrue ? op.getThenRegion() : op.getElseRegion();
  if (region.empty())
    return SmallVector<HostTensor>();
  return runBlock(region.front(), values, env);
}

/// Slices of one shape under a new leading dim.
static HostTensor stack(ArrayRef<HostTensor> slices) {
  SmallVector<int64_t> shape = {int64_t(slices.size())};
  llvm::append_range(shape, slices[0].getShape());
  HostTensor result = HostTensor::allocate(slices[0].getElementType(), shape);
  char *out = result.mutableData<char>();
  for (const HostTensor &slice : slices) {
    std::memcpy(out, slice.getBytes().data(), slice.getBytes().size());
    out += slice.getBytes().size();
  }
  return result;
}

Results Evaluator::runLoop(LoopOp op, ArrayRef<HostTensor> operands, Values &values, SymbolEnv &env) {
  bool condition = true;
  if (op.getCondition()) {
    condition = operands.front().getInt(0) != 0;
    operands = operands.drop_front();
  }
  std::optional<int64_t> trip;
  if (op.getTripAttr()) {
    trip = env.evaluate(op.getTripAttr().getExprs()[0]);
    if (!trip)
      return fail(op, "trip count uses a symbol that is not bound");
  }
  Block &body = op.getBody().front();
  bool yieldsCondition = bool(cast<LoopYieldOp>(body.getTerminator()).getCondition());
  SmallVector<HostTensor> carried(operands);
  SmallVector<SmallVector<HostTensor>> scans(op.getNumResults() - carried.size());
  int64_t iteration = 0;
  for (; (!trip || iteration < *trip) && condition; ++iteration) {
    if (iteration >= options.maxIterations)
      return fail(op, "more than " + Twine(options.maxIterations) + " iterations");
    SymbolEnv inner = env;
    inner.bind(op.getIteration(), iteration);
    for (auto [i, argument] : llvm::enumerate(body.getArguments())) {
      if (failed(bindShape(op, "carried tensor " + Twine(i), argument.getType(), carried[i], inner)))
        return failure();
      values[argument] = carried[i];
    }
    Results outputs = runBlock(body, values, inner);
    if (failed(outputs))
      return failure();
    ArrayRef<HostTensor> rest = *outputs;
    if (yieldsCondition) {
      condition = rest.front().getInt(0) != 0;
      rest = rest.drop_front();
    }
    carried.assign(rest.begin(), rest.begin() + carried.size());
    for (auto [scan, slice] : llvm::zip_equal(scans, rest.drop_front(carried.size()))) {
      if (!scan.empty() && scan.front().getShape() != slice.getShape())
        return fail(op, "slices of a scan output differ in shape");
      scan.push_back(slice);
    }
  }
  if (op.getCount() >= 0)
    env.bind(op.getCount(), iteration);
  SmallVector<HostTensor> results = carried;
  for (auto [i, scan] : llvm::enumerate(scans)) {
    if (!scan.empty()) {
      results.push_back(stack(scan));
      continue;
    }
    auto type = cast<RankedTensorType>(op.getResult(carried.size() + i).getType());
    SmallVector<int64_t> shape;
    for (AffineExpr dim : getDims(type))
      shape.push_back(env.evaluate(dim).value_or(0)); // sizes of slices never made
    shape[0] = 0;
    results.push_back(HostTensor::allocate(heldType(type.getElementType()), shape));
  }
  for (auto [i, result] : llvm::enumerate(results))
    if (failed(bindShape(op, "result " + Twine(i), op.getResult(i).getType(), result, env)))
      return failure();
  return results;
}

Results Evaluator::runKernel(KernelOp op, ArrayRef<HostTensor> operands, SymbolEnv &env) {
  Values inner;
  Block &body = op.getBody().front();
  for (auto [argument, operand] : llvm::zip_equal(body.getArguments(), operands))
    inner[argument] = operand;
  return runBlock(body, inner, env);
}

Results Evaluator::evaluate(func::FuncOp func, ArrayRef<HostTensor> inputs, SymbolEnv &env) {
  if (func.isExternal())
    return fail(func, "function has no body");
  if (func.getNumArguments() != inputs.size())
    return fail(func, Twine(inputs.size()) + " inputs, want " + Twine(func.getNumArguments()));
  Values values;
  Block &body = func.getBody().front();
  for (auto [i, argument] : llvm::enumerate(body.getArguments())) {
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type)
      return fail(func, "argument " + Twine(i) + " is not a tensor");
    Type held = heldType(type.getElementType());
    bool isFloat = isa<FloatType>(type.getElementType());
    if (inputs[i].getElementType() != type.getElementType() && inputs[i].getElementType() != held) {
      std::string text;
      llvm::raw_string_ostream os(text);
      os << "input " << i << " has elements " << inputs[i].getElementType() << ", want " << type.getElementType();
      return fail(func, os.str());
    }
    HostTensor value = isFloat ? convert(inputs[i], held) : inputs[i];
    if (failed(bindShape(func, "input " + Twine(i), type, value, env)))
      return failure();
    if (options.onValue)
      options.onValue(argument, value);
    values[argument] = value;
  }
  return runBlock(body, values, env);
}

Results Evaluator::evaluate(func::FuncOp func, ArrayRef<HostTensor> inputs) {
  SymbolEnv env = makeEnv();
  return evaluate(func, inputs, env);
}

} // namespace smelt::eval
