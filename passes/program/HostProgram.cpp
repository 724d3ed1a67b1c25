//===- HostProgram.cpp - From the formed module to the host program ---------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   %1 = smelt.kernel(%x)  %2 = smelt.reshape %1  return %2
//     -> InputDim.. | ArenaAt.. | Segment 1, Dispatch | Output
//
// Two streams are written: the prologue (what depends on the inputs' shapes
// only: symbols, sizes, arena offsets, constants) and the body in program
// order. Buffers are planned by Memory.cpp. Tested by test/passes/program/.
//
//===----------------------------------------------------------------------===//
#include "passes/program/HostProgram.h"
#include "dialects/smelt/Constants.h"
#include "dialects/smelt/KernelInfo.h"
#include "passes/program/Memory.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace smelt;
using namespace smelt::artifact;
using Code = smelt::artifact::Op;

namespace {

DType dtypeOf(Type type) {
  if (isa<StringType>(type))
    return DType::String;
  if (auto complex = dyn_cast<ComplexType>(type))
    return complex.getElementType().isF32() ? DType::C64 : DType::C128;
  if (auto integer = dyn_cast<IntegerType>(type)) {
    bool u = integer.isUnsigned();
    switch (integer.getWidth()) {
    case 1: return DType::Bool;
    case 2: return u ? DType::U2 : DType::I2;
    case 4: return u ? DType::U4 : DType::I4;
    case 8: return u ? DType::U8 : DType::I8;
    case 16: return u ? DType::U16 : DType::I16;
    case 32: return u ? DType::U32 : DType::I32;
    case 64: return u ? DType::U64 : DType::I64;
    }
  }
  return llvm::TypeSwitch<Type, DType>(type)
      .Case<Float32Type>([](auto) { return DType::F32; })
      .Case<Float64Type>([](auto) { return DType::F64; })
      .Case<Float16Type>([](auto) { return DType::F16; })
      .Case<BFloat16Type>([](auto) { return DType::BF16; })
      .Case<Float8E4M3FNType>([](auto) { return DType::F8E4M3FN; })
      .Case<Float8E4M3FNUZType>([](auto) { return DType::F8E4M3FNUZ; })
      .Case<Float8E5M2Type>([](auto) { return DType::F8E5M2; })
      .Case<Float8E5M2FNUZType>([](auto) { return DType::F8E5M2FNUZ; })
      .Case<Float4E2M1FNType>([](auto) { return DType::F4E2M1; })
      .Case<Float8E8M0FNUType>([](auto) { return DType::F8E8M0; })
      .Default([](Type) { return DType::Undefined; });
}

class Builder_ {
public:
  Builder_(ModuleOp module) : module(module), symbols(module), context(module.getContext()) {}
  FailureOr<HostProgram> build();

private:
  using Words = std::vector<int64_t>;

  //--- emission
  Words &out() { return inPrologue ? prologue : body; }
  void op(Code code, std::initializer_list<int64_t> operands) {
    flush();
    emit(out(), code, operands);
  }
  static void emit(Words &to, Code code, ArrayRef<int64_t> operands) {
    to.push_back(int64_t(code));
    to.insert(to.end(), operands.begin(), operands.end());
  }
  /// Dispatches wait until something else is emitted; then they are a segment.
  void flush() {
    if (pendingDispatches == 0 || inPrologue)
      return;
    Words pending = std::move(segment);
    segment.clear();
    int64_t count = pendingDispatches;
    pendingDispatches = 0;
    emit(body, Code::Segment, {count});
    body.insert(body.end(), pending.begin(), pending.end());
  }
  int64_t newRegister() { return program_registers++; }
  int64_t newBuffer() { return program_buffers++; }
  int64_t text(StringRef s) {
    auto [it, isNew] = texts.try_emplace(s, program.strings.size());
    if (isNew) {
      program.strings += s;
      program.strings += '\0';
    }
    return it->second;
  }

  //--- scalars
  bool isEntry(AffineExpr expr) {
    SmallVector<int64_t> ids;
    collectSymbols(expr, ids);
    return llvm::all_of(ids, [&](int64_t id) { return isEntrySymbol(id); });
  }
  bool isEntrySymbol(int64_t id) {
    if (entrySymbols.contains(id))
      return true;
    SymbolOp symbol = symbols.get(id);
    if (!symbol.getDerive())
      return false;
    return llvm::all_of(symbol.getExprs()->getExprs(), [&](AffineExpr e) { return isEntry(e); });
  }
  int64_t symbolRegister(int64_t id) {
    auto [it, isNew] = symbolRegisters.try_emplace(id, 0);
    if (isNew)
      it->second = newRegister();
    return it->second;
  }
  int64_t reg(AffineExpr expr);
  int64_t computeExpr(AffineExpr expr);
  int64_t imm(int64_t value) { return reg(getAffineConstantExpr(value, context)); }

  //--- tensors
  int64_t buffer(Value v);
  int64_t bytesRegister(Type type) {
    return reg(getNumElements(type) * getElementBytes(cast<RankedTensorType>(type).getElementType()));
  }
  AffineExpr bytesExpr(Type type) {
    return getNumElements(type) * getElementBytes(cast<RankedTensorType>(type).getElementType());
  }
  int64_t constantBuffer(Attribute value, RankedTensorType type, DictionaryAttr packing);
  void tensorOperand(Words &words, Value v) { tensorOperand(words, buffer(v), v.getType()); }
  void tensorOperand(Words &words, int64_t b, Type type) {
    auto tensor = cast<RankedTensorType>(type);
    words.push_back(b);
    words.push_back(int64_t(dtypeOf(tensor.getElementType())));
    words.push_back(tensor.getRank());
    for (AffineExpr dim : getDims(type))
      words.push_back(reg(dim));
  }
  int64_t hostValue(Value v) {
    auto [it, isNew] = hostValues.try_emplace(v, 0);
    if (isNew)
      it->second = hostValueCount++;
    return it->second;
  }
  int64_t scalar(Value v);

  //--- the walk
  LogicalResult interface();
  LogicalResult block(Block &block);
  LogicalResult operation(Operation *op);
  LogicalResult kernel(KernelOp op);
  LogicalResult loop(LoopOp op);
  LogicalResult ifOp(scf::IfOp op);
  LogicalResult returnOp(func::ReturnOp op);
  void bindDims(Type from, Type to);
  void allocate(Value v);
  void record(Words &to, StringRef name, Type type);

  struct ScopeGuard {
    Builder_ &b;
    ScopeGuard(Builder_ &b) : b(b) { b.exprScopes.emplace_back(); }
    ~ScopeGuard() { b.exprScopes.pop_back(); }
  };

  ModuleOp module;
  func::FuncOp main;
  DimSymbols symbols;
  MLIRContext *context;
  HostProgram program;
  Words prologue, body, segment;
  bool inPrologue = false;
  int64_t pendingDispatches = 0;
  int64_t program_registers = 0, program_buffers = 0, hostValueCount = 0, maxSymbols = 0;
  llvm::StringMap<int64_t> texts;
  llvm::DenseSet<int64_t> entrySymbols;
  DenseMap<int64_t, int64_t> symbolRegisters;
  DenseMap<AffineExpr, int64_t> entryExprs;
  std::vector<DenseMap<AffineExpr, int64_t>> exprScopes{1};
  DenseMap<Value, int64_t> buffers, hostValues, scalars;
  llvm::StringMap<int64_t> kernelNumbers;
  std::map<std::tuple<const void *, const void *, const void *>, int64_t> constantBuffers;
  MemoryPlan plan;
  DenseMap<Value, int64_t> outputOf; // root value -> output that it is written to directly
};

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

int64_t Builder_::reg(AffineExpr expr) {
  if (isEntry(expr)) {
    auto it = entryExprs.find(expr);
    if (it != entryExprs.end())
      return it->second;
    llvm::SaveAndRestore guard(inPrologue, true);
    int64_t result = computeExpr(expr);
    entryExprs[expr] = result;
    return result;
  }
  for (auto &scope : exprScopes)
    if (auto it = scope.find(expr); it != scope.end())
      return it->second;
  int64_t result = computeExpr(expr);
  if (!isa<AffineSymbolExpr>(expr))
    exprScopes.back()[expr] = result;
  return result;
}

int64_t Builder_::computeExpr(AffineExpr expr) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    int64_t r = newRegister();
    op(Code::LoadImm, {r, constant.getValue()});
    return r;
  }
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr)) {
    SymbolOp declaration = symbols.get(symbol.getPosition());
    if (!declaration.getDerive())
      return symbolRegister(symbol.getPosition());
    SmallVector<int64_t> operands;
    for (AffineExpr e : declaration.getExprs()->getExprs())
      operands.push_back(reg(e));
    int64_t r = newRegister();
    if (*declaration.getDerive() == "max")
      op(Code::Max, {r, operands[0], operands[1]});
    else if (*declaration.getDerive() == "min")
      op(Code::Min, {r, operands[0], operands[1]});
    else
      op(Code::Select, {r, operands[0], operands[1], operands[2]});
    return r;
  }
  auto binary = cast<AffineBinaryOpExpr>(expr);
  int64_t x = reg(binary.getLHS()), y = reg(binary.getRHS());
  int64_t r = newRegister();
  switch (expr.getKind()) {
  case AffineExprKind::Add: op(Code::Add, {r, x, y}); break;
  case AffineExprKind::Mul: op(Code::Mul, {r, x, y}); break;
  case AffineExprKind::FloorDiv: op(Code::FloorDiv, {r, x, y}); break;
  case AffineExprKind::CeilDiv: op(Code::CeilDiv, {r, x, y}); break;
  case AffineExprKind::Mod: op(Code::Mod, {r, x, y}); break;
  default: llvm_unreachable("no binary expression");
  }
  return r;
}

int64_t Builder_::scalar(Value v) {
  auto [it, isNew] = scalars.try_emplace(v, 0);
  if (isNew)
    it->second = newRegister();
  return it->second;
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

int64_t Builder_::constantBuffer(Attribute value, RankedTensorType type, DictionaryAttr packing) {
  auto key = std::make_tuple(value.getAsOpaquePointer(), type.getAsOpaquePointer(),
                             packing ? packing.getAsOpaquePointer() : nullptr);
  auto [it, isNew] = constantBuffers.try_emplace(key, 0);
  if (isNew) {
    it->second = newBuffer();
    llvm::SaveAndRestore guard(inPrologue, true);
    op(Code::Const, {it->second, 0, 0});
    program.constantPatches.emplace_back(prologue.size() - 2, program.constants.size());
    program.constants.push_back({value, type, packing});
  }
  return it->second;
}

int64_t Builder_::buffer(Value v) {
  auto it = buffers.find(v);
  if (it != buffers.end())
    return it->second;
  if (auto constant = v.getDefiningOp<ConstantOp>()) {
    int64_t b = constantBuffer(constant.getValue(), cast<RankedTensorType>(constant.getType()), {});
    return buffers[v] = b;
  }
  return buffers[v] = newBuffer();
}

/// Gives a value that an op is about to write its memory.
void Builder_::allocate(Value v) {
  int64_t b = buffer(v);
  if (auto it = outputOf.find(v); it != outputOf.end()) {
    Type type = main.getFunctionType().getResult(it->second);
    SmallVector<int64_t> words = {b, it->second, cast<RankedTensorType>(type).getRank()};
    for (AffineExpr dim : getDims(type))
      words.push_back(reg(dim));
    llvm::SaveAndRestore guard(inPrologue, llvm::all_of(getDims(type), [&](AffineExpr e) { return isEntry(e); }));
    flush();
    emit(out(), Code::Output, words);
    return;
  }
  auto it = plan.offsets.find(v);
  if (it == plan.offsets.end()) { // size known only now
    op(Code::Alloc, {b, bytesRegister(v.getType())});
    return;
  }
  llvm::SaveAndRestore guard(inPrologue, true);
  int64_t offset = reg(it->second), bytes = bytesRegister(v.getType());
  op(Code::ArenaAt, {b, offset, bytes});
}

/// `to`'s bare, unbound symbols get the dims of `from`; other pairs must agree.
void Builder_::bindDims(Type from, Type to) {
  for (auto [a, c] : llvm::zip(getDims(from), getDims(to))) {
    if (a == c || symbols.provablyEqual(a, c))
      continue;
    auto symbol = dyn_cast<AffineSymbolExpr>(c);
    if (symbol && !symbols.get(symbol.getPosition()).getDerive() && !entrySymbols.contains(symbol.getPosition())) {
      op(Code::Move, {symbolRegister(symbol.getPosition()), reg(a)});
      continue;
    }
    int64_t r = newRegister(), x = reg(a), y = reg(c);
    op(Code::CmpEq, {r, x, y});
    std::string message;
    llvm::raw_string_ostream os(message);
    os << "sizes " << a << " and " << c << " must be equal at run time";
    op(Code::Check, {r, text(message)});
  }
}

//===----------------------------------------------------------------------===//
// The walk
//===----------------------------------------------------------------------===//

void Builder_::record(Words &to, StringRef name, Type type) {
  to.push_back(text(name));
  ValueKind kind = isa<SequenceType>(type)   ? ValueKind::Sequence
                   : isa<MapType>(type)      ? ValueKind::Map
                   : isa<OptionalType>(type) ? ValueKind::Optional
                                             : ValueKind::Tensor;
  to.push_back(int64_t(kind));
  auto tensor = dyn_cast<RankedTensorType>(type);
  to.push_back(int64_t(tensor ? dtypeOf(tensor.getElementType()) : DType::Undefined));
  to.push_back(tensor ? tensor.getRank() : 0);
  if (!tensor)
    return;
  for (AffineExpr dim : getDims(tensor)) {
    if (auto constant = dyn_cast<AffineConstantExpr>(dim)) {
      to.push_back(constant.getValue());
      continue;
    }
    std::string display;
    llvm::raw_string_ostream os(display);
    if (auto symbol = dyn_cast<AffineSymbolExpr>(dim)) {
      os << symbols.get(symbol.getPosition()).getName();
    } else {
      std::string expr;
      llvm::raw_string_ostream es(expr);
      es << dim;
      SmallVector<int64_t> ids;
      collectSymbols(dim, ids);
      llvm::sort(ids, std::greater<>());
      for (int64_t id : ids) { // s12 before s1
        std::string from = "s" + std::to_string(id), with = symbols.get(id).getName().str();
        for (size_t at = 0; (at = expr.find(from, at)) != std::string::npos; at += with.size())
          expr.replace(at, from.size(), with);
      }
      os << expr;
    }
    to.push_back(-1 - text(display));
  }
}

LogicalResult Builder_::interface() {
  llvm::SaveAndRestore guard(inPrologue, true);
  // First every dim that *is* a symbol, then the others are checked.
  for (auto [i, arg] : llvm::enumerate(main.getArguments())) {
    auto type = dyn_cast<RankedTensorType>(arg.getType());
    if (!type)
      return main.emitError() << "input " << i << " of type " << arg.getType() << " is not supported";
    for (auto [d, dim] : llvm::enumerate(getDims(type)))
      if (auto symbol = dyn_cast<AffineSymbolExpr>(dim); symbol && entrySymbols.insert(symbol.getPosition()).second)
        op(Code::InputDim, {symbolRegister(symbol.getPosition()), int64_t(i), int64_t(d)});
  }
  for (auto [i, arg] : llvm::enumerate(main.getArguments())) {
    for (auto [d, dim] : llvm::enumerate(getDims(arg.getType())))
      op(Code::CheckDim, {reg(dim), int64_t(i), int64_t(d)});
    op(Code::Input, {buffer(arg), int64_t(i)});
  }
  // Declared ranges are a contract.
  for (int64_t id = 0; id < symbols.size(); ++id) {
    SymbolOp symbol = symbols.get(id);
    if (!symbol || !entrySymbols.contains(id) || (symbol.getMin() == 0 && int64_t(symbol.getMax()) >= kMaxDim))
      continue;
    int64_t low = newRegister(), high = newRegister(), ok = newRegister();
    op(Code::CmpLe, {low, imm(symbol.getMin()), symbolRegister(id)});
    op(Code::CmpLe, {high, symbolRegister(id), imm(symbol.getMax())});
    op(Code::And, {ok, low, high});
    op(Code::Check, {ok, text(("size " + symbol.getName() + " must be " + Twine(symbol.getMin()) + ".." +
                             Twine(symbol.getMax())).str())});
  }
  return success();
}

LogicalResult Builder_::kernel(KernelOp op) {
  if (!op.getSchedule())
    return op.emitOpError() << "has no schedule";
  std::string key = getKernelKey(op);
  auto [it, isNew] = kernelNumbers.try_emplace(key, program.kernels.size());
  if (isNew)
    program.kernels.push_back(op);
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

LogicalResult Builder_::ifOp(scf::IfOp op) {
  int64_t condition = scalar(op.getCondition());
  for (Value result : op.getResults())
    if (isa<RankedTensorType>(result.getType()))
      buffer(result);
  auto branch = [&](Region &region) -> LogicalResult {
    ScopeGuard scope(*this);
    if (region.empty())
      return success();
    Block &block = region.front();
    if (failed(this->block(block)))
      return failure();
    for (auto [value, result] : llvm::zip(block.getTerminator()->getOperands(), op.getResults())) {
      if (!isa<RankedTensorType>(value.getType())) {
        if (value.getType().isInteger(1)) {
          this->op(Code::Move, {scalar(result), scalar(value)});
          continue;
        }
        return op.emitOpError() << "yields " << value.getType() << ", which is not supported";
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

LogicalResult Builder_::loop(LoopOp op) {
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
    int64_t c = buffer(arg), n = newBuffer();
    current.push_back(c);
    next.push_back(n);
    bindDims(init.getType(), arg.getType());
    int64_t bytes = bytesRegister(init.getType());
    if (auto it = plan.carried.find(arg); it != plan.carried.end()) {
      llvm::SaveAndRestore guard(inPrologue, true);
      int64_t first = reg(it->second.first), second = reg(it->second.second), size = bytesRegister(arg.getType());
      this->op(Code::ArenaAt, {c, first, size});
      this->op(Code::ArenaAt, {n, second, size});
    } else {
      this->op(Code::Alloc, {c, bytes});
    }
    this->op(Code::Copy, {c, buffer(init), bytes});
  }
  SmallVector<Value> scans(op.getResults().drop_front(carried));
  for (Value scan : scans) { // room for `trip` slices, whatever count comes out
    SmallVector<AffineExpr> dims = getDims(scan.getType());
    dims[0] = op.getTrip()->getExprs()[0];
    auto full = getTensorType(dims, cast<RankedTensorType>(scan.getType()).getElementType());
    if (plan.offsets.count(scan) && full == scan.getType())
      allocate(scan);
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
      this->op(Code::Mul, {offset, iteration, bytes});
      this->op(Code::View, {slice, buffer(scan), offset, bytes});
      this->op(Code::Copy, {slice, buffer(value), bytes});
    }
    for (auto [k, value] : llvm::enumerate(yield.getValues().take_front(carried))) {
      int64_t bytes = bytesRegister(value.getType());
      if (!plan.carried.count(block.getArgument(k)))
        this->op(Code::Alloc, {next[k], bytes});
      this->op(Code::Copy, {next[k], buffer(value), bytes});
    }
    for (int64_t k = 0; k < carried; ++k) {
      bindDims(yield.getValues()[k].getType(), block.getArgument(k).getType());
      this->op(Code::Swap, {current[k], next[k]});
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
    bindDims(block.getArgument(k).getType(), op.getResult(k).getType());
    this->op(Code::View, {buffer(op.getResult(k)), current[k], imm(0), bytesRegister(op.getResult(k).getType())});
  }
  return success();
}

LogicalResult Builder_::operation(Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](KernelOp k) { return kernel(k); })
      .Case([&](ConstantOp) { return success(); })
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
          this->op(Code::Check, {ok, text(("size " + symbol.getName() + " must be " + Twine(symbol.getMin()) + ".." +
                                         Twine(symbol.getMax())).str())});
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
        OpBuilder b(context);
        auto type = RankedTensorType::get({int64_t(keys.size())}, b.getI64Type());
        auto attr = DenseElementsAttr::get(type, ArrayRef<int64_t>(keys));
        words.push_back(int64_t(isString ? DType::String : DType::I64));
        words.push_back(constantBuffer(attr, type, {}));
        words.push_back(keys.size());
        Words full = {int64_t(HostOpCode::ZipMap), text("ZipMap"), int64_t(words.size())};
        full.insert(full.end(), words.begin(), words.end());
        flush();
        emit(body, Code::HostOp, full);
        program.usesHostOps = true;
        return success();
      })
      .Case([&](StringLookupOp lookup) {
        Words words = {hostValue(lookup.getResult())};
        tensorOperand(words, lookup.getIndices());
        SmallVector<int64_t> offsets;
        for (Attribute s : lookup.getTable())
          offsets.push_back(text(cast<StringAttr>(s).getValue()));
        OpBuilder b(context);
        auto type = RankedTensorType::get({int64_t(offsets.size())}, b.getI64Type());
        words.push_back(constantBuffer(DenseElementsAttr::get(type, ArrayRef<int64_t>(offsets)), type, {}));
        words.push_back(offsets.size());
        Words full = {int64_t(HostOpCode::StringLookup), text("StringLookup"), int64_t(words.size())};
        full.insert(full.end(), words.begin(), words.end());
        flush();
        emit(body, Code::HostOp, full);
        program.usesHostOps = true;
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
        Words full = {int64_t(HostOpCode::TopK), text("TopK"), int64_t(words.size())};
        full.insert(full.end(), words.begin(), words.end());
        flush();
        emit(body, Code::HostOp, full);
        program.usesHostOps = true;
        return success();
      })
      .Case([&](NonZeroOp nonZero) {
        Words words;
        tensorOperand(words, nonZero.getX());
        words.push_back(buffer(nonZero.getResult()));
        words.push_back(symbolRegister(nonZero.getCount()));
        Words full = {int64_t(HostOpCode::NonZero), text("NonZero"), int64_t(words.size())};
        full.insert(full.end(), words.begin(), words.end());
        flush();
        emit(body, Code::HostOp, full);
        program.usesHostOps = true;
        return success();
      })
      .Case<scf::YieldOp, LoopYieldOp>([&](auto) { return success(); })
      .Case([&](func::ReturnOp ret) { return returnOp(ret); })
      .Default([&](Operation *other) {
        return other->emitOpError() << "has no place in the host program (it should be in a kernel)";
      });
}

LogicalResult Builder_::block(Block &block) {
  for (Operation &op : block)
    if (failed(operation(&op)))
      return failure();
  return success();
}

LogicalResult Builder_::returnOp(func::ReturnOp op) {
  for (auto [i, value] : llvm::enumerate(op.getOperands())) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type || isa<StringType>(type.getElementType())) {
      this->op(Code::OutputValue, {hostValue(value), int64_t(i)});
      continue;
    }
    Value root = plan.root(value);
    if (auto it = outputOf.find(root); it != outputOf.end() && it->second == int64_t(i))
      continue; // written in place
    SmallVector<int64_t> words = {newBuffer(), int64_t(i), type.getRank()};
    for (AffineExpr dim : getDims(type))
      words.push_back(reg(dim));
    flush();
    emit(body, Code::Output, words);
    this->op(Code::Copy, {words[0], buffer(value), bytesRegister(type)});
  }
  this->op(Code::End, {});
  return success();
}

FailureOr<HostProgram> Builder_::build() {
  main = module.lookupSymbol<func::FuncOp>("main");
  if (!main)
    return module.emitError() << "has no function @main";
  text("");
  if (failed(interface()))
    return failure();
  // A kernel's result in the function's own block that is returned once can be
  // written straight to the output.
  auto ret = cast<func::ReturnOp>(main.getBody().front().getTerminator());
  plan.findRoots(main);
  for (auto [i, value] : llvm::enumerate(ret.getOperands())) {
    Value root = plan.root(value);
    if (root.getDefiningOp<KernelOp>() && root.getParentBlock() == &main.getBody().front() && !outputOf.count(root))
      outputOf[root] = i;
  }
  plan.assign(main, symbols, [&](AffineExpr e) { return isEntry(e); },
              [&](Value v) { return outputOf.count(v) != 0; });
  {
    llvm::SaveAndRestore guard(inPrologue, true);
    op(Code::Arena, {reg(plan.totalBytes)});
  }
  program.arenaStaticBytes = plan.staticBytes;
  program.arenaLowerBound = plan.lowerBound;
  if (failed(block(main.getBody().front())))
    return failure();
  flush();

  Words header(kHeaderWords, 0), records;
  for (auto [i, arg] : llvm::enumerate(main.getArguments())) {
    auto name = main.getArgAttrOfType<StringAttr>(i, "smelt.name");
    record(records, name ? name.getValue() : StringRef(("input" + Twine(i)).str()), arg.getType());
  }
  for (auto [i, type] : llvm::enumerate(main.getResultTypes())) {
    auto name = main.getResultAttrOfType<StringAttr>(i, "smelt.name");
    record(records, name ? name.getValue() : StringRef(("output" + Twine(i)).str()), type);
  }
  header[kRegisterCount] = program_registers;
  header[kBufferCount] = program_buffers;
  header[kHostValueCount] = hostValueCount;
  header[kInputCount] = main.getNumArguments();
  header[kOutputCount] = main.getNumResults();
  header[kCodeOffset] = header.size() + records.size();
  header[kMaxSymbols] = maxSymbols;
  // Jumps were written relative to the body; the prologue stands before it.
  relocateJumps(body, prologue.size());
  program.words = header;
  program.words.insert(program.words.end(), records.begin(), records.end());
  for (auto &patch : program.constantPatches)
    patch.first += program.words.size();
  program.words.insert(program.words.end(), prologue.begin(), prologue.end());
  program.words.insert(program.words.end(), body.begin(), body.end());
  return std::move(program);
}

} // namespace

FailureOr<HostProgram> smelt::buildHostProgram(ModuleOp module) { return Builder_(module).build(); }
