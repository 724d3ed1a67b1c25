//===- Operations.cpp - What each op becomes in the host program ------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Dispatches, branches, loops, host scalars and host ops.
//
//===----------------------------------------------------------------------===//
#include "passes/program/ProgramBuilder.h"

using namespace mlir;
using namespace smelt;
using namespace smelt::artifact;
using smelt::Code;

LogicalResult ProgramBuilder::kernel(KernelOp op) {
  if (!op.getSchedule())
    return op.emitOpError() << "has no schedule";
  FailureOr<ArrayAttr> strides = getPlacedStrides(op);
  if (failed(strides) || *strides != op.getStridesAttr())
    return op.emitOpError() << "has strides that are not those of its operands' and results' places";
  std::string key = getKernelKey(op);
  auto [it, isNew] = kernelNumbers.try_emplace(key, program.kernels.size());
  if (isNew) {
    program.kernels.push_back(op);
    program.kernelKeys.push_back(key);
  }
  Words args;
  for (auto [i, operand] : llvm::enumerate(op.getInputs())) {
    DictionaryAttr packing;
    if (auto packings = op.getScheduleAttr().getParams().getAs<ArrayAttr>("packings"))
      for (auto candidate : packings.getAsRange<DictionaryAttr>())
        if (candidate.getAs<IntegerAttr>("operand").getInt() == int64_t(i))
          packing = candidate;
    if (auto constant = operand.getDefiningOp<ConstantOp>())
      args.push_back(constantBuffer(constant.getValue(), cast<RankedTensorType>(constant.getType()), packing));
    else if (packing)
      return op.emitOpError() << "packs operand " << i << ", which is not a constant";
    else
      args.push_back(buffer(operand));
  }
  for (Value result : op.getResults()) {
    allocate(result);
    args.push_back(buffer(result));
  }
  SmallVector<int64_t> ids = getKernelSymbols(op);
  maxSymbols = std::max<int64_t>(maxSymbols, ids.size());
  int64_t grid = reg(getGrid(op)), scratch = reg(getScratch(op));
  SmallVector<int64_t> syms;
  for (int64_t id : ids)
    syms.push_back(reg(getAffineSymbolExpr(id, context)));
  // All of the above may have emitted code, so only now the segment grows.
  Words words = {it->second, grid, scratch, text(op.getName()), int64_t(syms.size())};
  words.insert(words.end(), syms.begin(), syms.end());
  words.push_back(args.size());
  words.insert(words.end(), args.begin(), args.end());
  emit(segment, Code::Dispatch, words);
  ++pendingDispatches;
  ++program.dispatches;
  return success();
}

LogicalResult ProgramBuilder::ifOp(scf::IfOp op) {
  int64_t condition = scalar(op.getCondition());
  for (Value result : op.getResults())
    if (isHostValue(result.getType()))
      hostValue(result);
    else if (!result.getType().isInteger(1))
      buffer(result);
  auto branch = [&](Region &region) -> LogicalResult {
    ScopeGuard scope(*this);
    if (region.empty())
      return success();
    Block &block = region.front();
    if (failed(this->block(block)))
      return failure();
    for (auto [value, result] : llvm::zip(block.getTerminator()->getOperands(), op.getResults())) {
      if (value.getType().isInteger(1)) {
        this->op(Code::Move, {scalar(result), scalar(value)});
        continue;
      }
      if (isHostValue(value.getType())) {
        this->op(Code::ShareValue, {hostValue(result), hostValue(value)});
        continue;
      }
      this->op(Code::View, {buffer(result), buffer(value), imm(0), bytesRegister(value.getType())});
    }
    flush();
    return success();
  };
  this->op(Code::JumpIfZero, {condition, 0});
  size_t toElse = body.size() - 1;
  if (failed(branch(op.getThenRegion())))
    return failure();
  this->op(Code::Jump, {0});
  size_t toEnd = body.size() - 1;
  body[toElse] = body.size();
  if (failed(branch(op.getElseRegion())))
    return failure();
  body[toEnd] = body.size();
  return success();
}

/// The first iteration gives a scan output's `late` sizes and its memory, the
/// later ones must agree.
void ProgramBuilder::sizeScan(Value scan, Value slice, ArrayRef<AffineExpr> late, int64_t iteration, int64_t trip,
                              int64_t bytes) {
  SmallVector<AffineExpr> have = getDims(slice.getType()), want = getDims(scan.getType());
  int64_t first = newRegister(), all = newRegister(), zero = imm(0);
  SmallVector<int64_t> sizes;
  for (AffineExpr dim : have)
    sizes.push_back(reg(dim));
  op(Code::Mul, {all, trip, bytes});
  op(Code::CmpEq, {first, iteration, zero});
  op(Code::JumpIfZero, {first, 0});
  size_t skip = body.size() - 1;
  for (size_t d = 0; d < have.size(); ++d)
    if (llvm::is_contained(late, want[d + 1]))
      op(Code::Move, {reg(want[d + 1]), sizes[d]});
  op(Code::Alloc, {buffer(scan), all});
  body[skip] = body.size();
  for (size_t d = 0; d < have.size(); ++d)
    if (llvm::is_contained(late, want[d + 1])) {
      int64_t same = newRegister();
      op(Code::CmpEq, {same, reg(want[d + 1]), sizes[d]});
      op(Code::Check, {same, text("the slices of a loop's scan output differ in size")});
    }
}

LogicalResult ProgramBuilder::loop(LoopOp op) {
  Block &block = op.getBody().front();
  auto yield = cast<LoopYieldOp>(block.getTerminator());
  int64_t iteration = symbolRegister(op.getIteration());
  int64_t carried = op.getInits().size();
  int64_t trip = -1;
  if (op.getTrip())
    trip = reg(op.getTrip()->getExprs()[0]);
  int64_t condition = -1;
  if (op.getCondition() || yield.getCondition()) {
    condition = newRegister();
    if (op.getCondition())
      this->op(Code::Move, {condition, scalar(op.getCondition())});
    else
      this->op(Code::LoadImm, {condition, 1});
  }
  if (trip < 0 && carried < int64_t(op.getNumResults()))
    return op.emitOpError() << "stacks outputs of an unbounded loop, which is not supported: a trip count is needed";
  if (trip < 0 && condition < 0)
    return op.emitOpError() << "never ends";
  // Carried values: the body reads `current`, the next ones are copied to `next`.
  SmallVector<int64_t> current, next;
  for (auto [arg, init, result] : llvm::zip(block.getArguments(), op.getInits(), op.getResults())) {
    if (isHostValue(arg.getType())) {
      current.push_back(hostValue(arg));
      next.push_back(hostValueCount++);
      if (isa<RankedTensorType>(arg.getType()))
        bindDims(init.getType(), arg.getType());
      this->op(Code::ShareValue, {current.back(), hostValue(init)});
      continue;
    }
    int64_t c = buffer(arg), n = newBuffer();
    current.push_back(c);
    next.push_back(n);
    bindDims(init.getType(), arg.getType());
    int64_t bytes = bytesRegister(init.getType());
    if (auto it = plan.carried.find(arg); it != plan.carried.end()) {
      arenaAt(c, it->second.first, arg.getType());
      arenaAt(n, it->second.second, arg.getType());
    } else {
      this->op(Code::Alloc, {c, bytes});
    }
    this->op(Code::Copy, {c, buffer(init), bytes});
  }
  SmallVector<Value> scans(op.getResults().drop_front(carried));
  DenseMap<Value, SmallVector<AffineExpr>> lateSizes;
  for (Value scan : scans) { // room for `trip` slices, whatever count comes out
    SmallVector<AffineExpr> dims = getDims(scan.getType());
    dims[0] = op.getTrip()->getExprs()[0];
    // Slices of a size that only the body knows: made in the first iteration.
    for (AffineExpr dim : ArrayRef(dims).drop_front())
      if (auto symbol = dyn_cast<AffineSymbolExpr>(dim);
          symbol && !symbols.get(symbol.getPosition()).getDerive() && !isEntry(dim) && !symbolRegisters.count(symbol.getPosition())) {
        this->op(Code::LoadImm, {symbolRegister(symbol.getPosition()), 0});
        lateSizes[scan].push_back(dim);
      }
    auto full = getTensorType(dims, cast<RankedTensorType>(scan.getType()).getElementType());
    if (plan.placeOf.count(scan) && full == scan.getType())
      allocate(scan);
    else if (lateSizes.count(scan)) // no sum of these sizes may be kept from here
      this->op(Code::Alloc, {buffer(scan), imm(0)});
    else
      this->op(Code::Alloc, {buffer(scan), bytesRegister(full)});
  }
  this->op(Code::LoadImm, {iteration, 0});
  size_t head = body.size();
  SmallVector<size_t> exits;
  if (trip >= 0) {
    int64_t more = newRegister();
    this->op(Code::CmpLt, {more, iteration, trip});
    this->op(Code::JumpIfZero, {more, 0});
    exits.push_back(body.size() - 1);
  }
  if (condition >= 0) {
    this->op(Code::JumpIfZero, {condition, 0});
    exits.push_back(body.size() - 1);
  }
  {
    ScopeGuard scope(*this);
    if (failed(this->block(block)))
      return failure();
    for (auto [value, scan] : llvm::zip(yield.getValues().drop_front(carried), scans)) {
      int64_t bytes = bytesRegister(value.getType()), offset = newRegister(), slice = newBuffer();
      if (lateSizes.count(scan))
        sizeScan(scan, value, lateSizes[scan], iteration, trip, bytes);
      this->op(Code::Mul, {offset, iteration, bytes});
      this->op(Code::View, {slice, buffer(scan), offset, bytes});
      this->op(Code::Copy, {slice, buffer(value), bytes});
    }
    for (auto [k, value] : llvm::enumerate(yield.getValues().take_front(carried))) {
      if (isHostValue(value.getType())) {
        this->op(Code::ShareValue, {next[k], hostValue(value)});
        continue;
      }
      int64_t bytes = bytesRegister(value.getType());
      if (!plan.carried.count(block.getArgument(k)))
        this->op(Code::Alloc, {next[k], bytes});
      this->op(Code::Copy, {next[k], buffer(value), bytes});
    }
    for (int64_t k = 0; k < carried; ++k) {
      Type type = block.getArgument(k).getType();
      if (isa<RankedTensorType>(type))
        bindDims(yield.getValues()[k].getType(), type);
      this->op(isHostValue(type) ? Code::ShareValue : Code::Swap, {current[k], next[k]});
    }
    if (yield.getCondition())
      this->op(Code::Move, {condition, scalar(yield.getCondition())});
    int64_t one = imm(1);
    this->op(Code::Add, {iteration, iteration, one});
    this->op(Code::Jump, {int64_t(head)});
  }
  for (size_t exit : exits)
    body[exit] = body.size();
  if (int64_t(op.getCount()) >= 0)
    this->op(Code::Move, {symbolRegister(op.getCount()), iteration});
  for (int64_t k = 0; k < carried; ++k) {
    Type type = op.getResult(k).getType();
    if (isa<RankedTensorType>(type))
      bindDims(block.getArgument(k).getType(), type);
    if (isHostValue(type)) {
      this->op(Code::ShareValue, {hostValue(op.getResult(k)), current[k]});
      continue;
    }
    this->op(Code::View, {buffer(op.getResult(k)), current[k], imm(0), bytesRegister(op.getResult(k).getType())});
  }
  return success();
}

LogicalResult ProgramBuilder::operation(Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](KernelOp k) { return kernel(k); })
      .Case([&](ConstantOp) { return success(); })
      .Case([&](ConcatOp concat) { // its operands lie in it already; it may lie in another
        if (plan.root(concat.getResult()) != concat.getResult())
          allocate(concat.getResult());
        return success();
      })
      .Case([&](ReshapeOp reshape) {
        if (!symbols.provablyEqual(getNumElements(reshape.getX().getType()), getNumElements(reshape.getType()))) {
          int64_t r = newRegister(), x = reg(getNumElements(reshape.getX().getType())),
                  y = reg(getNumElements(reshape.getType()));
          this->op(Code::CmpEq, {r, x, y});
          std::string message;
          llvm::raw_string_ostream os(message);
          os << "a reshape from " << reshape.getX().getType() << " to " << reshape.getType()
             << " needs equal element counts";
          this->op(Code::Check, {r, text(message)});
        }
        buffers[reshape.getResult()] = buffer(reshape.getX());
        return success();
      })
      .Case([&](SliceOp slice) { // a view: allocate()
        allocate(slice.getResult());
        return success();
      })
      .Case([&](RebindOp rebind) {
        bindDims(rebind.getX().getType(), rebind.getType());
        buffers[rebind.getResult()] = buffer(rebind.getX());
        return success();
      })
      .Case([&](BindOp bind) {
        auto type = cast<RankedTensorType>(bind.getX().getType());
        for (auto [element, id] : llvm::zip(bind.getElements(), bind.getSymbols())) {
          SymbolOp symbol = symbols.get(id);
          int64_t r = symbolRegister(id);
          this->op(Code::Read, {r, buffer(bind.getX()), imm(element), int64_t(dtypeOf(type.getElementType()))});
          int64_t low = newRegister(), high = newRegister(), ok = newRegister();
          this->op(Code::CmpLe, {low, imm(symbol.getMin()), r});
          this->op(Code::CmpLe, {high, r, imm(symbol.getMax())});
          this->op(Code::And, {ok, low, high});
          this->op(Code::Check, {ok, text(("size " + symbol.getName() + " must be " + Twine(int64_t(symbol.getMin())) + ".." +
                                         Twine(int64_t(symbol.getMax()))).str())});
        }
        return success();
      })
      .Case([&](CheckOp check) {
        this->op(Code::Check, {reg(check.getExpr().getExprs()[0]), text(check.getMessage())});
        return success();
      })
      .Case([&](TestOp test) {
        int64_t x = reg(test.getExpr().getExprs()[0]), zero = imm(0), r = scalar(test.getResult());
        switch (test.getKind()) {
        case CmpKind::eq: this->op(Code::CmpEq, {r, x, zero}); break;
        case CmpKind::ne: this->op(Code::CmpNe, {r, x, zero}); break;
        case CmpKind::lt: this->op(Code::CmpLt, {r, x, zero}); break;
        case CmpKind::le: this->op(Code::CmpLe, {r, x, zero}); break;
        case CmpKind::gt: this->op(Code::CmpLt, {r, zero, x}); break;
        case CmpKind::ge: this->op(Code::CmpLe, {r, zero, x}); break;
        }
        return success();
      })
      .Case([&](ReadScalarOp read) {
        int64_t raw = newRegister();
        auto type = cast<RankedTensorType>(read.getX().getType());
        this->op(Code::Read, {raw, buffer(read.getX()), imm(0), int64_t(dtypeOf(type.getElementType()))});
        this->op(Code::CmpNe, {scalar(read.getResult()), raw, imm(0)});
        return success();
      })
      .Case([&](arith::ConstantOp constant) -> LogicalResult {
        auto value = dyn_cast<IntegerAttr>(constant.getValue());
        if (!value)
          return op->emitOpError() << "is not an integer";
        this->op(Code::LoadImm, {scalar(constant.getResult()), int64_t(value.getValue().getZExtValue())});
        return success();
      })
      .Case([&](scf::IfOp branch) { return ifOp(branch); })
      .Case([&](LoopOp l) { return loop(l); })
      .Case([&](ZipMapOp zip) {
        Words words = {hostValue(zip.getResult())};
        tensorOperand(words, zip.getX());
        SmallVector<int64_t> keys;
        bool isString = !zip.getKeys().empty() && isa<StringAttr>(zip.getKeys()[0]);
        for (Attribute key : zip.getKeys())
          keys.push_back(isString ? text(cast<StringAttr>(key).getValue()) : cast<IntegerAttr>(key).getInt());
        words.push_back(int64_t(isString ? DType::String : DType::I64));
        arrayOperand(words, keys);
        hostOp(HostOpCode::ZipMap, "ZipMap", words);
        return success();
      })
      .Case([&](StringLookupOp lookup) {
        Words words = {hostValue(lookup.getResult())};
        tensorOperand(words, lookup.getIndices());
        SmallVector<int64_t> offsets;
        for (Attribute s : lookup.getTable())
          offsets.push_back(text(cast<StringAttr>(s).getValue()));
        arrayOperand(words, offsets);
        hostOp(HostOpCode::StringLookup, "StringLookup", words);
        return success();
      })
      .Case([&](TopKOp topk) {
        allocate(topk.getValues());
        allocate(topk.getIndices());
        Words words;
        tensorOperand(words, topk.getX());
        tensorOperand(words, topk.getValues());
        tensorOperand(words, topk.getIndices());
        words.insert(words.end(), {int64_t(topk.getAxis()), topk.getLargest(), topk.getSorted()});
        hostOp(HostOpCode::TopK, "TopK", words);
        return success();
      })
      .Case([&](NonZeroOp nonZero) {
        Words words;
        tensorOperand(words, nonZero.getX());
        words.push_back(buffer(nonZero.getResult()));
        words.push_back(symbolRegister(nonZero.getCount()));
        hostOp(HostOpCode::NonZero, "NonZero", words);
        return success();
      })
      .Case([&](HostCallOp call) { return hostCall(call); })
      .Case<scf::YieldOp, LoopYieldOp>([&](auto) { return success(); })
      .Case([&](func::ReturnOp ret) { return returnOp(ret); })
      .Default([&](Operation *other) {
        return other->emitOpError() << "has no place in the host program (it should be in a kernel)";
      });
}
