//===- MergeProjections.cpp - One product for the inputs of attention -------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Before -> after: see Passes.td. Runs on the attention kernels just formed: only
// they are known to read slices of a wider buffer at no cost. Tested by
// test/passes/form/merge-projections.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/Constants.h"
#include "passes/form/Passes.h"

namespace smelt {
#define GEN_PASS_DEF_MERGEPROJECTIONSPASS
#include "passes/form/Passes.h.inc"
} // namespace smelt

using namespace mlir;
using namespace smelt;

namespace {

/// Bytes of weights that may be written anew: one product's, and the module's.
constexpr int64_t kMostBytes = int64_t(64) << 20, kMostTotal = int64_t(1) << 30;

RankedTensorType tensorType(Value v) { return cast<RankedTensorType>(v.getType()); }

/// input <- reshape? <- add(bias)? <- matmul(x, weights), all used here only.
struct Projection {
  unsigned input;
  ReshapeOp view;
  AddOp add;
  Value bias;
  MatMulOp product;
  int64_t depth, columns;
  Value result() { return add ? add.getResult() : product.getResult(); }
};

std::optional<Projection> findProjection(KernelOp kernel, unsigned input) {
  Projection p{};
  p.input = input;
  Value v = kernel.getInputs()[input];
  if (!v.hasOneUse())
    return std::nullopt;
  if ((p.view = v.getDefiningOp<ReshapeOp>()))
    v = p.view.getX();
  if ((p.add = v.getDefiningOp<AddOp>())) {
    bool biasFirst = p.add.getLhs().getDefiningOp<ConstantOp>() != nullptr;
    p.bias = biasFirst ? p.add.getLhs() : p.add.getRhs();
    if (!v.hasOneUse() || !p.bias.getDefiningOp<ConstantOp>())
      return std::nullopt;
    v = biasFirst ? p.add.getRhs() : p.add.getLhs();
  }
  p.product = v.getDefiningOp<MatMulOp>();
  if (!p.product || !v.hasOneUse() || p.product.getTransposeLhs() || p.product->getBlock() != kernel->getBlock())
    return std::nullopt;
  Value weights = p.product.getRhs();
  RankedTensorType type = tensorType(weights);
  if (!weights.getDefiningOp<ConstantOp>() || getSplatValue(weights) || type.getRank() != 2 || p.result().getType() != v.getType() ||
      tensorType(v).getElementType() != type.getElementType())
    return std::nullopt;
  p.depth = type.getDimSize(p.product.getTransposeRhs() ? 1 : 0);
  p.columns = type.getDimSize(p.product.getTransposeRhs() ? 0 : 1);
  if (p.bias && (tensorType(p.bias).getRank() != 1 || tensorType(p.bias).getDimSize(0) != p.columns ||
                 tensorType(p.bias).getElementType() != type.getElementType()))
    return std::nullopt;
  return p;
}

bool belongTogether(Projection &a, Projection &b) {
  return a.product.getLhs() == b.product.getLhs() && a.product.getTransposeRhs() == b.product.getTransposeRhs() &&
         bool(a.bias) == bool(b.bias) && a.depth == b.depth &&
         tensorType(a.product.getRhs()).getElementType() == tensorType(b.product.getRhs()).getElementType();
}

/// The weights side by side: rows of each in turn, or one after the other.
Value joinConstants(OpBuilder &builder, Location loc, ArrayRef<Value> parts, int64_t rows, ArrayRef<int64_t> shape) {
  Type element = tensorType(parts[0]).getElementType();
  std::vector<char> bytes;
  SmallVector<ConstantBytes> sources;
  for (Value part : parts) {
    std::optional<ConstantBytes> source = getConstantBytes(part);
    if (!source)
      return {};
    sources.push_back(*source);
  }
  for (int64_t row = 0; row < rows; ++row)
    for (ConstantBytes &source : sources) {
      size_t width = source.data.size() / rows;
      bytes.insert(bytes.end(), source.data.begin() + row * width, source.data.begin() + (row + 1) * width);
    }
  return createConstant(builder, loc, RankedTensorType::get(shape, element), bytes);
}

struct MergeProjections : smelt::impl::MergeProjectionsPassBase<MergeProjections> {
  explicit MergeProjections(const TargetModel *target) : target(target) {}

  void runOnOperation() override {
    SmallVector<KernelOp> kernels;
    getOperation().walk([&](KernelOp kernel) {
      if (target->assess(kernel).family == "attention")
        kernels.push_back(kernel);
    });
    for (KernelOp kernel : kernels) {
      SmallVector<SmallVector<Projection>> groups;
      for (unsigned i = 0; i < kernel.getInputs().size(); ++i)
        if (auto projection = findProjection(kernel, i)) {
          auto group = llvm::find_if(groups, [&](auto &g) { return belongTogether(g[0], *projection); });
          if (group == groups.end())
            groups.push_back({*projection});
          else
            group->push_back(*projection);
        }
      for (auto &group : groups)
        if (group.size() > 1 && merge(kernel, group))
          break; // the inputs are numbered anew
    }
  }

private:
  bool merge(KernelOp kernel, MutableArrayRef<Projection> group) {
    MatMulOp first = group[0].product;
    int64_t depth = group[0].depth, columns = 0;
    SmallVector<Value> weights, biases;
    for (Projection &p : group) {
      columns += p.columns;
      weights.push_back(p.product.getRhs());
      if (p.bias)
        biases.push_back(p.bias);
    }
    Type element = tensorType(weights[0]).getElementType();
    int64_t bytes = depth * columns * getElementBytes(element);
    std::string what = (Twine(group.size()) + " products of " + kernel.getName() + ", " + Twine(depth) + " x " + Twine(columns) +
                        " in all, " + Twine(bytes) + " bytes")
                           .str();
    if (bytes > kMostBytes || written + bytes > kMostTotal) {
      kernel.emitRemark() << "projections refused: " << what << ": more weights than a pass may write";
      return false;
    }
    OpBuilder builder(kernel);
    SmallVector<Location> locs;
    for (Projection &p : group)
      locs.push_back(p.product.getLoc());
    Location loc = builder.getFusedLoc(locs);
    bool transposed = first.getTransposeRhs();
    Value joined = transposed ? joinConstants(builder, loc, weights, 1, {columns, depth})
                              : joinConstants(builder, loc, weights, depth, {depth, columns});
    Value bias = biases.empty() ? Value() : joinConstants(builder, loc, biases, 1, {columns});
    if (!joined || (!bias && !biases.empty()))
      return false;
    written += bytes;
    SmallVector<AffineExpr> dims = getDims(first.getType());
    dims.back() = builder.getAffineConstantExpr(columns);
    RankedTensorType type = getTensorType(dims, element);
    Value merged = MatMulOp::create(builder, loc, type, first.getLhs(), joined, false, transposed);
    if (bias)
      merged = AddOp::create(builder, loc, type, merged, bias);

    // The kernel with one input instead of several, sliced inside.
    SmallVector<Value> inputs;
    for (auto [i, input] : llvm::enumerate(kernel.getInputs()))
      if (llvm::none_of(group, [&](Projection &p) { return p.input == i; }))
        inputs.push_back(input);
    inputs.push_back(merged);
    auto made = KernelOp::create(builder, kernel.getLoc(), kernel.getResultTypes(), inputs, kernel.getNameAttr(), ScheduleAttr(), ArrayAttr());
    Block *body = builder.createBlock(&made.getBody());
    IRMapping mapping;
    for (auto [i, input] : llvm::enumerate(kernel.getInputs()))
      if (llvm::none_of(group, [&](Projection &p) { return p.input == i; }))
        mapping.map(kernel.getBody().getArgument(i), body->addArgument(input.getType(), input.getLoc()));
    Value whole = body->addArgument(type, loc);
    SmallVector<AffineExpr> starts(dims.size(), builder.getAffineConstantExpr(0));
    SmallVector<int64_t> steps(dims.size(), 1);
    int64_t at = 0;
    for (Projection &p : group) {
      starts.back() = builder.getAffineConstantExpr(at);
      at += p.columns;
      Value part = SliceOp::create(builder, p.product.getLoc(), p.result().getType(), whole, DimsAttr::get(&getContext(), starts), steps);
      if (p.view)
        part = ReshapeOp::create(builder, p.view.getLoc(), p.view.getType(), part);
      mapping.map(kernel.getBody().getArgument(p.input), part);
    }
    for (Operation &op : kernel.getBody().front())
      builder.clone(op, mapping);
    KernelAnswer answer = target->assess(made);
    if (answer.family != "attention") {
      kernel.emitRemark() << "projections refused: " << what << ": the target would compute the kernel as " << answer.family;
      made.erase();
      Operation *last = merged.getDefiningOp();
      Operation *product = bias ? last->getOperand(0).getDefiningOp() : nullptr;
      last->erase();
      if (product)
        product->erase();
      return false;
    }
    made.emitRemark() << "projections merged: " << what;
    kernel->replaceAllUsesWith(made.getResults());
    kernel.erase();
    for (Projection &p : group) {
      if (p.view)
        p.view.erase();
      if (p.add)
        p.add.erase();
      p.product.erase();
    }
    return true;
  }

  const TargetModel *target;
  int64_t written = 0;
};

} // namespace

std::unique_ptr<Pass> smelt::createMergeProjectionsPass(const TargetModel &target) {
  return std::make_unique<MergeProjections>(&target);
}
