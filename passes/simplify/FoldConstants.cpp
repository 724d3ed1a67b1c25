//===- FoldConstants.cpp - Compute ops on constants -------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// op(constants) -> constant, by the evaluator, in one walk: values stay host
// tensors along a chain and only its ends become constants. Tested by
// test/passes/simplify/fold-constants.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/eval/Evaluator.h"
#include "passes/simplify/Passes.h"
#include "passes/simplify/Rewrites.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>

using namespace mlir;

namespace smelt {

#define GEN_PASS_DEF_FOLDCONSTANTSPASS
#include "passes/simplify/Passes.h.inc"

namespace {

/// Codes above this many bytes are weights and stay codes.
constexpr int64_t kDequantizeLimit = 1024;

bool isNumberTensor(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.hasStaticShape() && eval::isSupportedElement(tensor.getElementType());
}

int64_t elementsOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return byteSize(type) / getElementBytes(tensor.getElementType());
}

/// Multiplications (or comparisons of a window) the op needs, roughly.
int64_t workOf(Operation *op) {
  int64_t work = elementsOf(op->getResult(0).getType()), perElement = 1;
  if (auto matmul = dyn_cast<MatMulOp>(op)) {
    auto lhs = cast<RankedTensorType>(matmul.getLhs().getType());
    perElement = lhs.getDimSize(lhs.getRank() - (matmul.getTransposeLhs() ? 2 : 1));
  } else if (auto conv = dyn_cast<ConvOp>(op)) {
    auto w = cast<RankedTensorType>(conv.getW().getType());
    perElement = elementsOf(w) / std::max<int64_t>(1, w.getDimSize(0));
  } else if (auto conv = dyn_cast<ConvTransposeOp>(op)) {
    auto w = cast<RankedTensorType>(conv.getW().getType());
    perElement = elementsOf(w) / std::max<int64_t>(1, w.getDimSize(1));
  } else if (auto pool = dyn_cast<PoolOp>(op)) {
    for (int64_t size : pool.getKernel())
      if (llvm::MulOverflow(perElement, size, perElement))
        return std::numeric_limits<int64_t>::max();
  } else if (auto recurrent = dyn_cast<RecurrentOp>(op)) {
    perElement = elementsOf(recurrent.getR().getType()) / std::max<int64_t>(1, work);
  }
  return llvm::MulOverflow(work, perElement, work) ? std::numeric_limits<int64_t>::max() : work;
}

/// Ops that give a splat of the same value for a splat operand.
bool movesOnly(Operation *op) {
  return isa<ReshapeOp, TransposeOp, BroadcastOp, SliceOp, TileOp>(op);
}

/// A constant's value, or that of an op already computed. Splats hold one
/// element and the flag.
struct Known {
  eval::HostTensor tensor;
  bool isSplat = false;
};

class Folder {
public:
  Folder(ModuleOp module, const FoldConstantsPassOptions &limits, eval::EvaluatorOptions evaluatorOptions)
      : limits(limits), evaluator(module, evaluatorOptions) {}

  void run(Operation *root) {
    // Values flow from earlier to later ops; a kernel's body is its contract.
    root->walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (isa<KernelOp>(op))
        return WalkResult::skip();
      visit(op);
      return WalkResult::advance();
    });
    finish();
  }

  int64_t numFolded = 0, numRefused = 0;

private:
  std::optional<Known> lookup(Value value) {
    if (auto it = computed.find(value); it != computed.end())
      return it->second;
    auto constant = value.getDefiningOp<ConstantOp>();
    if (!constant || !isNumberTensor(constant.getType()))
      return std::nullopt;
    auto type = cast<RankedTensorType>(constant.getType());
    if (auto dense = dyn_cast<DenseElementsAttr>(constant.getValue()); dense && dense.isSplat()) {
      auto one = RankedTensorType::get({}, type.getElementType());
      auto attr = DenseElementsAttr::get(one, dense.getSplatValue<Attribute>());
      if (auto tensor = eval::HostTensor::fromAttribute(attr, one))
        return Known{*tensor, true};
      return std::nullopt;
    }
    auto tensor = eval::HostTensor::fromConstant(value);
    return tensor ? std::optional<Known>(Known{*tensor, false}) : std::nullopt;
  }

  bool canFold(Operation *op) {
    if (!isa_and_nonnull<SmeltDialect>(op->getDialect()) || op->getNumRegions() || op->use_empty() ||
        op->hasTrait<OpTrait::IsTerminator>() || isa<ConstantOp, NonZeroOp>(op))
      return false;
    if (isa<TestOp>(op))
      return cast<TestOp>(op).getExpr().isStatic();
    if (auto exprs = dyn_cast<FromExprsOp>(op); exprs && !exprs.getValues().isStatic())
      return false;
    if (!isa<ReadScalarOp>(op) && (!isPure(op) || !llvm::all_of(op->getResultTypes(), isNumberTensor)))
      return false;
    if (isa<RebindOp>(op) && op->getOperand(0).getType() != op->getResult(0).getType())
      return false;
    return true;
  }

  void visit(Operation *op) {
    if (!canFold(op))
      return;
    SmallVector<Known> operands;
    for (Value operand : op->getOperands()) {
      std::optional<Known> known = lookup(operand);
      if (!known)
        return;
      operands.push_back(*known);
    }
    if (isa<DequantizeOp>(op) && byteSize(op->getOperand(0).getType()) > kDequantizeLimit)
      return;
    SmallVector<Known> results;
    bool allSplats = !operands.empty() && llvm::all_of(operands, [](const Known &k) { return k.isSplat; });
    if (allSplats && isNumberTensor(op->getResult(0).getType())) {
      if (movesOnly(op) && elementsOf(op->getResult(0).getType()) > 0)
        return record(op, {operands[0]});
      if (isa<ScalarBodyInterface>(op)) {
        if (auto result = evaluateOneElement(op, operands))
          record(op, {*result});
        return;
      }
    }
    if (!isa<TestOp, ReadScalarOp>(op) && overLimit(op, operands))
      return;
    SmallVector<eval::HostTensor> tensors;
    for (auto [known, operand] : llvm::zip_equal(operands, op->getOperands()))
      tensors.push_back(expand(known, cast<RankedTensorType>(operand.getType())));
    eval::SymbolEnv env;
    auto values = evaluator.evaluateOp(op, tensors, env);
    if (failed(values))
      return; // an index out of range, say: the error belongs to the run
    for (eval::HostTensor &value : *values) {
      total += value.getBytes().size();
      results.push_back({value, false});
    }
    record(op, results);
  }

  bool overLimit(Operation *op, ArrayRef<Known> operands) {
    int64_t bytes = 0;
    for (Type type : op->getResultTypes())
      bytes = std::max(bytes, byteSize(type));
    // A splat operand is written out for the evaluator.
    int64_t splat = 0;
    for (auto [known, operand] : llvm::zip_equal(operands, op->getOperands()))
      if (known.isSplat)
        splat = std::max(splat, byteSize(operand.getType()));
    int64_t work = workOf(op);
    if (splat <= limits.nodeLimit && bytes <= limits.nodeLimit && total + bytes <= limits.totalLimit && work <= limits.workLimit)
      return false;
    ++numRefused;
    InFlightDiagnostic remark = op->emitRemark("left unfolded: ");
    if (bytes > limits.nodeLimit)
      remark << "result has " << bytes << " bytes, the limit of one op is " << limits.nodeLimit;
    else if (splat > limits.nodeLimit)
      remark << "operand has " << splat << " bytes, the limit of one op is " << limits.nodeLimit;
    else if (work > limits.workLimit)
      remark << work << " multiplications, the limit of one op is " << limits.workLimit;
    else
      remark << bytes << " bytes more than the " << total << " folded so far pass the limit of " << limits.totalLimit;
    return true;
  }

  /// Elementwise on splats: the op on 0-d tensors.
  std::optional<Known> evaluateOneElement(Operation *op, ArrayRef<Known> operands) {
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    if (type.getNumElements() == 0)
      return std::nullopt;
    Operation *scalar = op->clone();
    scalar->getResult(0).setType(RankedTensorType::get({}, type.getElementType()));
    SmallVector<eval::HostTensor> tensors;
    for (const Known &known : operands)
      tensors.push_back(known.tensor);
    eval::SymbolEnv env;
    auto values = evaluator.evaluateOp(scalar, tensors, env);
    scalar->destroy();
    if (failed(values))
      return std::nullopt;
    return Known{values->front(), true};
  }

  static eval::HostTensor expand(const Known &known, RankedTensorType type) {
    if (!known.isSplat)
      return known.tensor;
    eval::HostTensor full = eval::HostTensor::allocate(type.getElementType(), type.getShape());
    int64_t size = getElementBytes(type.getElementType());
    for (int64_t i = 0, e = type.getNumElements(); i < e; ++i)
      std::memcpy(full.mutableData<char>() + i * size, known.tensor.getBytes().data(), size);
    return full;
  }

  void record(Operation *op, ArrayRef<Known> results) {
    ++numFolded;
    folded.push_back(op);
    for (auto [value, known] : llvm::zip_equal(op->getResults(), results))
      computed[value] = known;
  }

  /// Constants for the values that other ops use; then the folded ops go.
  void finish() {
    llvm::DenseSet<Operation *> isFolded(folded.begin(), folded.end());
    for (Operation *op : folded) {
      OpBuilder builder(op);
      for (Value result : op->getResults()) {
        if (llvm::all_of(result.getUsers(), [&](Operation *user) { return isFolded.contains(user); }))
          continue;
        const Known &known = computed[result];
        Value constant;
        if (result.getType().isInteger(1))
          constant = arith::ConstantOp::create(builder, op->getLoc(), builder.getBoolAttr(known.tensor.getInt(0)));
        else
          constant = materialize(builder, op->getLoc(), cast<RankedTensorType>(result.getType()), known.tensor,
                                 known.isSplat);
        result.replaceUsesWithIf(constant, [&](OpOperand &use) { return !isFolded.contains(use.getOwner()); });
      }
    }
    llvm::SetVector<Operation *> sources;
    for (Operation *op : llvm::reverse(folded)) {
      for (Value operand : op->getOperands())
        if (auto constant = operand.getDefiningOp<ConstantOp>())
          sources.insert(constant);
      op->erase();
    }
    for (Operation *constant : sources)
      if (constant->use_empty())
        constant->erase();
  }

  FoldConstantsPassOptions limits;
  eval::Evaluator evaluator;
  DenseMap<Value, Known> computed;
  SmallVector<Operation *> folded;
  int64_t total = 0;
};

struct FoldConstantsPass : impl::FoldConstantsPassBase<FoldConstantsPass> {
  using FoldConstantsPassBase::FoldConstantsPassBase;

  void runOnOperation() override {
    FoldConstantsPassOptions limits;
    limits.nodeLimit = nodeLimit;
    limits.totalLimit = totalLimit;
    limits.workLimit = workLimit;
    eval::EvaluatorOptions options;
    options.emitErrors = false;
    Folder folder(getOperation(), limits, options);
    folder.run(getOperation());
    numFolded += folder.numFolded;
    numRefused += folder.numRefused;
  }
};

} // namespace
} // namespace smelt
