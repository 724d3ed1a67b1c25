//===- Evaluator.cpp - The reference evaluator: symbols and dispatch --------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One op: resolve the results' shapes, call its family. Control flow and
// functions are in Control.cpp. Tested by test/dialects/eval/.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/eval/Evaluator.h"
#include "dialects/smelt/eval/Families.h"
#include "dialects/smelt/eval/Kinds.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace smelt::eval {

//===----------------------------------------------------------------------===//
// SymbolEnv
//===----------------------------------------------------------------------===//

void SymbolEnv::declare(ModuleOp module) {
  for (auto op : module.getOps<SymbolOp>())
    if (op.getDerive())
      derived[op.getId()] = op;
}

void SymbolEnv::bind(int64_t id, int64_t value) {
  values[id] = value;
  derivedValues.clear();
}

std::optional<int64_t> SymbolEnv::get(int64_t id) const {
  if (auto it = values.find(id); it != values.end())
    return it->second;
  if (auto it = derivedValues.find(id); it != derivedValues.end())
    return it->second;
  auto it = derived.find(id);
  if (it == derived.end())
    return std::nullopt;
  SymbolOp op = it->second;
  SmallVector<int64_t> parts;
  for (AffineExpr expr : op.getExprsAttr().getExprs()) {
    std::optional<int64_t> part = evaluate(expr);
    if (!part)
      return std::nullopt;
    parts.push_back(*part);
  }
  int64_t value;
  if (*op.getDerive() == "min" && parts.size() == 2)
    value = std::min(parts[0], parts[1]);
  else if (*op.getDerive() == "max" && parts.size() == 2)
    value = std::max(parts[0], parts[1]);
  else if (*op.getDerive() == "select" && parts.size() == 3)
    value = parts[0] != 0 ? parts[1] : parts[2];
  else
    return std::nullopt;
  derivedValues[id] = value;
  return value;
}

std::optional<int64_t> SymbolEnv::evaluate(AffineExpr expr) const {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue();
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return get(symbol.getPosition());
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return std::nullopt;
  std::optional<int64_t> a = evaluate(binary.getLHS()), b = evaluate(binary.getRHS());
  if (!a || !b)
    return std::nullopt;
  int64_t result;
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    if (llvm::AddOverflow(*a, *b, result))
      return std::nullopt;
    return result;
  case AffineExprKind::Mul:
    if (llvm::MulOverflow(*a, *b, result))
      return std::nullopt;
    return result;
  case AffineExprKind::FloorDiv:
    return *b <= 0 ? std::nullopt : std::optional<int64_t>(llvm::divideFloorSigned(*a, *b));
  case AffineExprKind::CeilDiv:
    return *b <= 0 ? std::nullopt : std::optional<int64_t>(llvm::divideCeilSigned(*a, *b));
  case AffineExprKind::Mod:
    return *b <= 0 ? std::nullopt : std::optional<int64_t>(llvm::mod(*a, *b));
  default:
    return std::nullopt;
  }
}

//===----------------------------------------------------------------------===//
// Evaluator
//===----------------------------------------------------------------------===//

Evaluator::Evaluator(ModuleOp module, EvaluatorOptions options) : module(module), options(std::move(options)) {}

SymbolEnv Evaluator::makeEnv() const {
  SymbolEnv env;
  if (module)
    env.declare(module);
  return env;
}

Type Evaluator::heldType(Type elementType) const {
  return options.oracle && isa<FloatType>(elementType) ? Float64Type::get(elementType.getContext()) : elementType;
}

LogicalResult Evaluator::fail(Operation *op, const Twine &message) {
  error = message.str();
  if (options.emitErrors)
    op->emitOpError() << "cannot be evaluated: " << error;
  return failure();
}

FailureOr<SmallVector<int64_t>> Evaluator::resolveShape(Operation *op, Type type, const SymbolEnv &env) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return fail(op, "result is not a ranked tensor");
  SmallVector<int64_t> shape;
  // Sizes are bounded here, so that products of them cannot overflow later.
  int64_t bytes = std::max<int64_t>(1, getElementBytes(heldType(tensor.getElementType())));
  bool isEmpty = false, isTooLarge = false;
  for (auto [i, dim] : llvm::enumerate(getDims(type))) {
    std::optional<int64_t> size = env.evaluate(dim);
    if (!size || *size < 0) {
      std::string text;
      llvm::raw_string_ostream os(text);
      os << "size of result dim " << i << ", " << dim << ", is ";
      if (size)
        os << *size;
      else
        os << "not known: a symbol is not bound";
      return fail(op, os.str());
    }
    isEmpty |= *size == 0;
    isTooLarge |= llvm::MulOverflow(bytes, std::max<int64_t>(*size, 1), bytes) || bytes > options.maxBytes;
    shape.push_back(*size);
  }
  if (isTooLarge && !isEmpty)
    return fail(op, "result is larger than " + Twine(options.maxBytes) + " bytes");
  return shape;
}

std::optional<SmallVector<int64_t>> Call::resolve(DimsAttr dims) {
  SmallVector<int64_t> values;
  for (AffineExpr expr : dims.getExprs()) {
    std::optional<int64_t> value = env.evaluate(expr);
    if (!value) {
      message = "a symbol of an attribute is not bound";
      return std::nullopt;
    }
    values.push_back(*value);
  }
  return values;
}

/// Ops of families: one result but for top_k and recurrent.
static SmallVector<HostTensor> callFamily(Call &call) {
  if (isa<ScalarBodyInterface>(call.op))
    return {evaluateElementwise(call)};
  for (const HostTensor &operand : call.operands)
    if (!isa<ComplexType>(operand.getElementType()) && !isSupportedElement(operand.getElementType())) {
      call.refuse("element type of an operand is not a float or integer of at most 64 bits");
      return {};
    }
  using Results = SmallVector<HostTensor>;
  return llvm::TypeSwitch<Operation *, Results>(call.op)
      .Case([&](ReshapeOp) -> Results {
        int64_t count = 1;
        for (int64_t size : call.shapes[0])
          count *= size;
        if (count == call[0].getNumElements())
          return {call[0].reshaped(call.shapes[0])};
        return {call.refuse(Twine(call[0].getNumElements()) + " elements do not fill a result of " + Twine(count))};
      })
      .Case([&](TransposeOp op) -> Results { return {evaluateTranspose(call, op)}; })
      .Case([&](BroadcastOp) -> Results { return {evaluateBroadcast(call)}; })
      .Case([&](SliceOp op) -> Results { return {evaluateSlice(call, op)}; })
      .Case([&](ConcatOp op) -> Results { return {evaluateConcat(call, op)}; })
      .Case([&](PadOp op) -> Results { return {evaluatePad(call, op)}; })
      .Case([&](TileOp) -> Results { return {evaluateTile(call)}; })
      .Case([&](IotaOp op) -> Results { return {evaluateIota(call, op)}; })
      .Case([&](GatherOp op) -> Results { return {evaluateGather(call, op)}; })
      .Case([&](GatherElementsOp op) -> Results { return {evaluateGatherElements(call, op)}; })
      .Case([&](GatherNDOp op) -> Results { return {evaluateGatherND(call, op)}; })
      .Case([&](ScatterElementsOp op) -> Results { return {evaluateScatterElements(call, op)}; })
      .Case([&](ScatterNDOp op) -> Results { return {evaluateScatterND(call, op)}; })
      .Case([&](TopKOp op) -> Results { return evaluateTopK(call, op); })
      .Case([&](NonZeroOp) -> Results { return {evaluateNonZero(call)}; })
      .Case([&](TreeEnsembleOp op) -> Results { return {evaluateTreeEnsemble(call, op)}; })
      .Case([&](MatMulOp op) -> Results { return {evaluateMatMul(call, op)}; })
      .Case([&](ConvOp op) -> Results { return {evaluateConv(call, op)}; })
      .Case([&](ConvTransposeOp op) -> Results { return {evaluateConvTranspose(call, op)}; })
      .Case([&](PoolOp op) -> Results { return {evaluatePool(call, op)}; })
      .Case([&](ArgPoolOp op) -> Results { return {evaluateArgPool(call, op)}; })
      .Case([&](ReduceOp op) -> Results { return {evaluateReduce(call, op)}; })
      .Case([&](ArgReduceOp op) -> Results { return {evaluateArgReduce(call, op)}; })
      .Case([&](CumSumOp op) -> Results { return {evaluateCumSum(call, op)}; })
      .Case([&](ResizeOp op) -> Results { return {evaluateResize(call, op)}; })
      .Case([&](RecurrentOp op) -> Results { return evaluateRecurrent(call, op); })
      .Default([&](Operation *) -> Results {
        call.refuse("op is not known to the evaluator");
        return {};
      });
}

FailureOr<SmallVector<HostTensor>> Evaluator::runOp(Operation *op, ArrayRef<HostTensor> operands, Values &values,
                                                    SymbolEnv &env) {
  using Results = FailureOr<SmallVector<HostTensor>>;
  auto i1 = [&](bool value) -> Results {
    return SmallVector<HostTensor>{HostTensor::scalar(IntegerType::get(op->getContext(), 1), value)};
  };
  if (auto ifOp = dyn_cast<scf::IfOp>(op))
    return runIf(ifOp, operands[0], values, env);
  if (auto loop = dyn_cast<LoopOp>(op))
    return runLoop(loop, operands, values, env);
  if (auto kernel = dyn_cast<KernelOp>(op))
    return runKernel(kernel, operands, env);
  if (auto bind = dyn_cast<BindOp>(op)) {
    if (failed(runBind(bind, operands[0], env)))
      return failure();
    return SmallVector<HostTensor>();
  }
  if (auto check = dyn_cast<CheckOp>(op)) {
    std::optional<int64_t> value = env.evaluate(check.getExpr().getExprs()[0]);
    if (!value)
      return fail(op, "a symbol of the check is not bound");
    if (*value == 0)
      return fail(op, "check failed: " + check.getMessage());
    return SmallVector<HostTensor>();
  }
  if (auto test = dyn_cast<TestOp>(op)) {
    std::optional<int64_t> value = env.evaluate(test.getExpr().getExprs()[0]);
    if (!value)
      return fail(op, "a symbol of the test is not bound");
    switch (test.getKind()) {
    case CmpKind::eq: return i1(*value == 0);
    case CmpKind::ne: return i1(*value != 0);
    case CmpKind::lt: return i1(*value < 0);
    case CmpKind::le: return i1(*value <= 0);
    case CmpKind::gt: return i1(*value > 0);
    case CmpKind::ge: return i1(*value >= 0);
    }
  }
  if (isa<ReadScalarOp>(op)) {
    if (operands[0].getNumElements() != 1)
      return fail(op, "operand has " + Twine(operands[0].getNumElements()) + " elements, want 1");
    return i1(operands[0].getDouble(0) != 0);
  }
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    if (auto integer = dyn_cast<IntegerAttr>(constant.getValue()); integer && integer.getType().isInteger(1))
      return i1(!integer.getValue().isZero());
    return fail(op, "only i1 host constants are known");
  }
  if (isa<arith::AndIOp, arith::OrIOp, arith::XOrIOp>(op) && op->getResult(0).getType().isInteger(1)) {
    bool a = operands[0].getInt(0) != 0, b = operands[1].getInt(0) != 0;
    return i1(isa<arith::AndIOp>(op) ? a && b : isa<arith::OrIOp>(op) ? a || b : a != b);
  }
  if (auto constant = dyn_cast<ConstantOp>(op)) {
    std::optional<HostTensor> value = HostTensor::fromConstant(constant.getResult());
    if (!value)
      return fail(op, "constant has no bytes");
    return SmallVector<HostTensor>{convert(*value, heldType(value->getElementType()))};
  }
  if (auto exprs = dyn_cast<FromExprsOp>(op)) {
    auto type = cast<RankedTensorType>(exprs.getType());
    HostTensor wide = HostTensor::allocate(IntegerType::get(op->getContext(), 64), type.getShape());
    for (auto [i, expr] : llvm::enumerate(exprs.getValues().getExprs())) {
      std::optional<int64_t> value = env.evaluate(expr);
      if (!value)
        return fail(op, "expression " + Twine(i) + " uses a symbol that is not bound");
      wide.mutableData<int64_t>()[i] = *value;
    }
    return SmallVector<HostTensor>{convert(wide, heldType(type.getElementType()))};
  }
  if (isa<RebindOp>(op)) {
    if (failed(bindShape(op, "result", op->getResult(0).getType(), operands[0], env)))
      return failure();
    return SmallVector<HostTensor>{operands[0]};
  }
  // All others are pure functions of their operands.
  Call call{op, operands, {}, {}, env, {}};
  for (Type type : op->getResultTypes()) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor || !isa<FloatType, IntegerType, ComplexType>(tensor.getElementType()))
      return fail(op, "result is not a tensor of numbers");
    call.types.push_back(heldType(tensor.getElementType()));
    if (isa<NonZeroOp>(op)) {
      call.shapes.emplace_back();
      continue;
    }
    FailureOr<SmallVector<int64_t>> shape = resolveShape(op, type, env);
    if (failed(shape))
      return failure();
    call.shapes.push_back(std::move(*shape));
  }
  SmallVector<HostTensor> results = callFamily(call);
  if (results.size() != op->getNumResults() || llvm::any_of(results, [](const HostTensor &t) { return !t; }))
    return fail(op, call.message);
  for (auto [i, result] : llvm::enumerate(results)) {
    if (isa<NonZeroOp>(op))
      break;
    if (result.getShape() != ArrayRef<int64_t>(call.shapes[i]))
      return fail(op, "result " + Twine(i) + " does not have the shape its type says");
  }
  if (auto nonZero = dyn_cast<NonZeroOp>(op)) {
    if (nonZero.getCount() >= 0)
      env.bind(nonZero.getCount(), results[0].getShape()[1]);
    if (failed(bindShape(op, "result", nonZero.getType(), results[0], env)))
      return failure();
  }
  return results;
}

FailureOr<SmallVector<HostTensor>> Evaluator::evaluateOp(Operation *op, ArrayRef<HostTensor> operands,
                                                         SymbolEnv &env) {
  Values values;
  return runOp(op, operands, values, env);
}

} // namespace smelt::eval
