//===- Verifiers.cpp - What a smelt op must fulfil --------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ranks, element types and static sizes; symbolic sizes are compared only when
// both sides are constants. Tested by test/dialects/smelt/invalid.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/Constants.h"
#include "dialects/smelt/Dialect.h"

using namespace mlir;
using namespace smelt;

static RankedTensorType tensor(Value value) { return cast<RankedTensorType>(value.getType()); }

/// NumPy broadcasting of static dims; dynamic ones are believed.
static LogicalResult verifyElementwise(Operation *op) {
  auto result = cast<RankedTensorType>(op->getResult(0).getType());
  int64_t rank = 0;
  for (Value operand : op->getOperands())
    rank = std::max(rank, tensor(operand).getRank());
  if (rank != result.getRank())
    return op->emitOpError() << "result of rank " << result.getRank() << ", operands broadcast to rank " << rank;
  for (Value operand : op->getOperands()) {
    RankedTensorType type = tensor(operand);
    for (int64_t i = 0; i < type.getRank(); ++i) {
      int64_t size = type.getDimSize(i), want = result.getDimSize(rank - type.getRank() + i);
      if (size != want && size != 1 && !ShapedType::isDynamic(size) && !ShapedType::isDynamic(want))
        return op->emitOpError() << "operand dim " << i << " of size " << size
                                 << " does not broadcast to the result's " << want;
    }
  }
  return success();
}

#define SMELT_ELEMENTWISE(OP) \
  LogicalResult OP::verify() { return verifyElementwise(*this); }
SMELT_ELEMENTWISE(AbsOp) SMELT_ELEMENTWISE(NegOp) SMELT_ELEMENTWISE(SignOp) SMELT_ELEMENTWISE(ExpOp)
SMELT_ELEMENTWISE(LogOp) SMELT_ELEMENTWISE(SqrtOp) SMELT_ELEMENTWISE(SinOp) SMELT_ELEMENTWISE(CosOp)
SMELT_ELEMENTWISE(TanOp) SMELT_ELEMENTWISE(AsinOp) SMELT_ELEMENTWISE(AcosOp) SMELT_ELEMENTWISE(AtanOp)
SMELT_ELEMENTWISE(SinhOp) SMELT_ELEMENTWISE(CoshOp) SMELT_ELEMENTWISE(TanhOp) SMELT_ELEMENTWISE(AsinhOp)
SMELT_ELEMENTWISE(AcoshOp) SMELT_ELEMENTWISE(AtanhOp) SMELT_ELEMENTWISE(ErfOp) SMELT_ELEMENTWISE(FloorOp)
SMELT_ELEMENTWISE(CeilOp) SMELT_ELEMENTWISE(RoundOp) SMELT_ELEMENTWISE(SigmoidOp) SMELT_ELEMENTWISE(NotOp)
SMELT_ELEMENTWISE(IsNaNOp) SMELT_ELEMENTWISE(IsInfOp) SMELT_ELEMENTWISE(CastOp) SMELT_ELEMENTWISE(BitCastOp) SMELT_ELEMENTWISE(AddOp)
SMELT_ELEMENTWISE(SubOp) SMELT_ELEMENTWISE(MulOp) SMELT_ELEMENTWISE(DivOp) SMELT_ELEMENTWISE(RemOp)
SMELT_ELEMENTWISE(ModOp) SMELT_ELEMENTWISE(PowOp) SMELT_ELEMENTWISE(MinOp) SMELT_ELEMENTWISE(MaxOp)
SMELT_ELEMENTWISE(AndOp) SMELT_ELEMENTWISE(OrOp) SMELT_ELEMENTWISE(XorOp) SMELT_ELEMENTWISE(ShlOp)
SMELT_ELEMENTWISE(ShrOp) SMELT_ELEMENTWISE(CmpOp) SMELT_ELEMENTWISE(SelectOp)
SMELT_ELEMENTWISE(QuantizeOp) SMELT_ELEMENTWISE(DequantizeOp)
#undef SMELT_ELEMENTWISE

LogicalResult ConstantOp::verify() {
  auto type = cast<RankedTensorType>(getType());
  if (!type.hasStaticShape())
    return emitOpError() << "of dynamic shape " << type;
  if (auto elements = dyn_cast<ElementsAttr>(getValue())) {
    if (elements.getShapedType() != type)
      return emitOpError() << "value of type " << elements.getShapedType() << ", result of type " << type;
    return success();
  }
  if (auto strings = dyn_cast<ArrayAttr>(getValue()))
    if (isa<StringType>(type.getElementType()) && int64_t(strings.size()) == type.getNumElements())
      return success();
  return emitOpError() << "value is neither dense, dense_resource nor one string per element";
}

LogicalResult FromExprsOp::verify() {
  auto type = cast<RankedTensorType>(getType());
  if (!type.hasStaticShape() || type.getNumElements() != int64_t(getValues().size()))
    return emitOpError() << getValues().size() << " expressions for " << type;
  return success();
}

LogicalResult ReshapeOp::verify() {
  RankedTensorType from = tensor(getX()), to = cast<RankedTensorType>(getType());
  if (from.getElementType() != to.getElementType())
    return emitOpError() << "changes the element type from " << from.getElementType() << " to " << to.getElementType();
  if (from.hasStaticShape() && to.hasStaticShape() && from.getNumElements() != to.getNumElements())
    return emitOpError() << "of " << from.getNumElements() << " elements to " << to.getNumElements();
  return success();
}

LogicalResult RebindOp::verify() {
  if (tensor(getX()).getRank() != cast<RankedTensorType>(getType()).getRank())
    return emitOpError() << "changes the rank from " << tensor(getX()).getRank() << " to "
                         << cast<RankedTensorType>(getType()).getRank();
  return success();
}

LogicalResult TransposeOp::verify() {
  RankedTensorType from = tensor(getX()), to = cast<RankedTensorType>(getType());
  if (int64_t(getPerm().size()) != from.getRank() || from.getRank() != to.getRank())
    return emitOpError() << "perm of " << getPerm().size() << " entries for rank " << from.getRank();
  SmallVector<bool> seen(from.getRank());
  for (auto [i, p] : llvm::enumerate(getPerm())) {
    if (p < 0 || p >= from.getRank() || seen[p])
      return emitOpError() << "perm is not a permutation: entry " << i << " is " << p;
    seen[p] = true;
    if (from.getDimSize(p) != to.getDimSize(i))
      return emitOpError() << "result dim " << i << " is " << to.getDimSize(i) << ", operand dim " << p << " is "
                           << from.getDimSize(p);
  }
  return success();
}

LogicalResult BroadcastOp::verify() {
  if (tensor(getX()).getRank() > cast<RankedTensorType>(getType()).getRank())
    return emitOpError() << "to a smaller rank";
  RankedTensorType from = tensor(getX()), to = cast<RankedTensorType>(getType());
  for (int64_t i = 0; i < from.getRank(); ++i) {
    int64_t size = from.getDimSize(i), want = to.getDimSize(to.getRank() - from.getRank() + i);
    if (size != want && size != 1 && !ShapedType::isDynamic(size) && !ShapedType::isDynamic(want))
      return emitOpError() << "dim " << i << " of size " << size << " to " << want;
  }
  return success();
}

LogicalResult SliceOp::verify() {
  int64_t rank = tensor(getX()).getRank();
  if (int64_t(getStarts().size()) != rank || int64_t(getSteps().size()) != rank)
    return emitOpError() << getStarts().size() << " starts and " << getSteps().size() << " steps for rank " << rank;
  if (llvm::is_contained(getSteps(), 0))
    return emitOpError() << "step 0";
  return success();
}

LogicalResult ConcatOp::verify() {
  auto type = cast<RankedTensorType>(getType());
  int64_t axis = getAxis();
  if (getInputs().empty())
    return emitOpError() << "of no inputs";
  if (axis < 0 || axis >= type.getRank())
    return emitOpError() << "axis " << axis << " for rank " << type.getRank();
  for (Value input : getInputs()) {
    RankedTensorType in = tensor(input);
    if (in.getRank() != type.getRank())
      return emitOpError() << "input of rank " << in.getRank() << ", result of rank " << type.getRank();
    for (int64_t i = 0; i < type.getRank(); ++i)
      if (i != axis && !ShapedType::isDynamic(in.getDimSize(i)) && !ShapedType::isDynamic(type.getDimSize(i)) &&
          in.getDimSize(i) != type.getDimSize(i))
        return emitOpError() << "input dim " << i << " is " << in.getDimSize(i) << ", the result's "
                             << type.getDimSize(i);
  }
  return success();
}

LogicalResult PadOp::verify() {
  if (int64_t(getLow().size()) != tensor(getX()).getRank())
    return emitOpError() << getLow().size() << " pads for rank " << tensor(getX()).getRank();
  return success();
}

LogicalResult GatherOp::verify() {
  RankedTensorType x = tensor(getX()), indices = tensor(getIndices());
  if (int64_t(getAxis()) >= x.getRank() || int64_t(getAxis()) < 0)
    return emitOpError() << "axis " << int64_t(getAxis()) << " for rank " << x.getRank();
  if (cast<RankedTensorType>(getType()).getRank() != x.getRank() + indices.getRank() - 1)
    return emitOpError() << "result rank is not " << x.getRank() + indices.getRank() - 1;
  if (!isa<IntegerType>(indices.getElementType()))
    return emitOpError() << "indices of type " << indices.getElementType() << ", want integers";
  return success();
}

LogicalResult ReduceOp::verify() {
  RankedTensorType x = tensor(getX());
  int64_t last = -1;
  for (int64_t axis : getAxes()) {
    if (axis <= last || axis >= x.getRank())
      return emitOpError() << "axes must rise within rank " << x.getRank() << ", found " << axis;
    last = axis;
  }
  if (cast<RankedTensorType>(getType()).getRank() != x.getRank() - int64_t(getAxes().size()))
    return emitOpError() << "result rank is not " << x.getRank() - int64_t(getAxes().size());
  if (x.getElementType().isInteger(1) && (getKind() == ReduceKind::sum || getKind() == ReduceKind::prod))
    return emitOpError() << "of i1 takes max or min";
  return success();
}

LogicalResult MatMulOp::verify() {
  RankedTensorType a = tensor(getLhs()), b = tensor(getRhs());
  if (a.getRank() < 2 || b.getRank() < 2)
    return emitOpError() << "operands of rank " << a.getRank() << " and " << b.getRank() << ", want 2 or more";
  int64_t ka = a.getDimSize(a.getRank() - (getTransposeLhs() ? 2 : 1));
  int64_t kb = b.getDimSize(b.getRank() - (getTransposeRhs() ? 1 : 2));
  if (!ShapedType::isDynamic(ka) && !ShapedType::isDynamic(kb) && ka != kb)
    return emitOpError() << "inner sizes " << ka << " and " << kb << " differ";
  return success();
}

LogicalResult ConvOp::verify() {
  RankedTensorType x = tensor(getX()), w = tensor(getW());
  int64_t spatial = x.getRank() - 2;
  if (spatial < 0 || w.getRank() != x.getRank())
    return emitOpError() << "input of rank " << x.getRank() << " and weights of rank " << w.getRank();
  if (int64_t(getStrides().size()) != spatial || int64_t(getDilations().size()) != spatial ||
      int64_t(getPads().size()) != 2 * spatial)
    return emitOpError() << "strides, dilations or pads do not fit " << spatial << " spatial dims";
  if (llvm::any_of(getStrides(), [](int64_t s) { return s <= 0; }) ||
      llvm::any_of(getDilations(), [](int64_t d) { return d <= 0; }))
    return emitOpError() << "strides and dilations must be positive";
  int64_t channels = x.getDimSize(getChannelsLast() ? x.getRank() - 1 : 1), groups = getGroups();
  if (groups <= 0)
    return emitOpError() << groups << " groups";
  if (!ShapedType::isDynamic(channels) && !ShapedType::isDynamic(w.getDimSize(1)) &&
      w.getDimSize(1) * groups != channels)
    return emitOpError() << "input of " << channels << " channels, weights want " << w.getDimSize(1) * groups;
  if (!ShapedType::isDynamic(w.getDimSize(0)) && w.getDimSize(0) % groups != 0)
    return emitOpError() << w.getDimSize(0) << " output channels in " << groups << " groups";
  return success();
}

/// What it binds must stay for those that ask for the sizes.
void HostCallOp::getEffects(SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  if (!getBinds().empty())
    effects.emplace_back(MemoryEffects::Write::get());
}

LogicalResult LoopOp::verify() {
  Block &block = getBody().front();
  if (block.getNumArguments() != getInits().size())
    return emitOpError() << "body of " << block.getNumArguments() << " arguments for " << getInits().size()
                         << " carried tensors";
  auto yield = dyn_cast<LoopYieldOp>(block.getTerminator());
  if (!yield)
    return emitOpError() << "body must end in smelt.loop_yield";
  if (yield.getValues().size() != getNumResults())
    return emitOpError() << "body yields " << yield.getValues().size() << " tensors, the loop has "
                         << getNumResults() << " results";
  return success();
}

LogicalResult KernelOp::verify() {
  Block &block = getBody().front();
  if (block.getArgumentTypes() != getOperandTypes())
    return emitOpError() << "body's arguments are not of the operands' types";
  auto yield = dyn_cast<YieldOp>(block.getTerminator());
  if (!yield || yield.getOperandTypes() != getResultTypes())
    return emitOpError() << "body must yield the results' types";
  if (ArrayAttr strides = getStridesAttr()) {
    SmallVector<Type> types(getOperandTypes());
    llvm::append_range(types, getResultTypes());
    if (strides.size() != types.size())
      return emitOpError() << "has " << strides.size() << " strides for " << types.size() << " operands and results";
    for (auto [entry, type] : llvm::zip(strides, types)) {
      auto dims = dyn_cast<DimsAttr>(entry);
      if (!dims || (dims.size() != 0 && int64_t(dims.size()) != cast<RankedTensorType>(type).getRank()))
        return emitOpError() << "strides " << entry << " do not fit " << type;
    }
  }
  return success();
}
