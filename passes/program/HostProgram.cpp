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
#include "passes/program/ProgramBuilder.h"

using namespace mlir;
using namespace smelt;
using namespace smelt::artifact;
using smelt::Code;

DType smelt::dtypeOf(Type type) {
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

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

int64_t ProgramBuilder::reg(AffineExpr expr) {
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

int64_t ProgramBuilder::computeExpr(AffineExpr expr) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    int64_t r = newRegister();
    op(Code::LoadImm, {r, constant.getValue()});
    return r;
  }
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr)) {
    SymbolOp declaration = symbols.get(symbol.getPosition());
    if (!declaration.getDerive()) {
      // A register nothing has written: sizes of garbage would be memory corrupted.
      if (!symbolRegisters.count(symbol.getPosition()) && !unboundSymbol)
        unboundSymbol = declaration;
      return symbolRegister(symbol.getPosition());
    }
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

int64_t ProgramBuilder::scalar(Value v) {
  auto [it, isNew] = scalars.try_emplace(v, 0);
  if (isNew)
    it->second = newRegister();
  return it->second;
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

int64_t ProgramBuilder::constantBuffer(Attribute value, RankedTensorType type, DictionaryAttr packing) {
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

int64_t ProgramBuilder::buffer(Value v) {
  auto it = buffers.find(v);
  if (it != buffers.end())
    return it->second;
  if (auto constant = v.getDefiningOp<ConstantOp>()) {
    int64_t b = constantBuffer(constant.getValue(), cast<RankedTensorType>(constant.getType()), {});
    return buffers[v] = b;
  }
  return buffers[v] = newBuffer();
}

/// Are the sizes of `type` known wherever those of `other` are? A view behind the
/// kernel may have sizes that are read later (a computed shape).
bool ProgramBuilder::isKnownWith(Type type, Type other) {
  auto symbolsOf = [&](Type t) {
    SmallVector<int64_t> ids;
    for (AffineExpr dim : getDims(t))
      collectSymbols(dim, ids);
    for (size_t i = 0; i < ids.size(); ++i) // `ids` grows by what they derive from
      if (auto exprs = symbols.get(ids[i]).getExprs())
        for (AffineExpr e : exprs->getExprs())
          collectSymbols(e, ids);
    return ids;
  };
  SmallVector<int64_t> known = symbolsOf(other);
  return llvm::all_of(symbolsOf(type), [&](int64_t id) { return isEntrySymbol(id) || llvm::is_contained(known, id); });
}

/// Gives a value that an op is about to write its memory.
void ProgramBuilder::allocate(Value v) {
  int64_t b = buffer(v);
  if (Value whole = plan.root(v); whole != v) { // a slice of a concatenation, or of what was written before
    if (whole.getDefiningOp<ConcatOp>() && allocated.insert(whole).second)
      allocate(whole);
    AffineExpr bytes = getPlacement(v)->offset * getElementBytes(cast<RankedTensorType>(v.getType()).getElementType());
    AffineExpr all = bytesExpr(whole.getType());
    // Where the whole is set in the prologue the slice is too: a view in between would end a segment.
    bool isEarly = llvm::is_contained(main.getArguments(), whole) ||
                   (isa_and_nonnull<KernelOp, ConcatOp>(whole.getDefiningOp()) &&
                    (plan.placeOf.count(whole) || outputOf.count(whole)));
    isEarly &= isEntry(bytes) && llvm::all_of(getDims(whole.getType()), [&](AffineExpr e) { return isEntry(e); });
    llvm::SaveAndRestore guard(inPrologue, isEarly);
    int64_t offset = reg(bytes), from = buffer(whole), size;
    // An empty whole has no place behind its beginning.
    auto staticAll = dyn_cast<AffineConstantExpr>(all), staticOffset = dyn_cast<AffineConstantExpr>(bytes);
    if (staticAll && staticOffset) {
      offset = imm(std::min(staticOffset.getValue(), staticAll.getValue()));
      size = imm(std::max<int64_t>(staticAll.getValue() - staticOffset.getValue(), 0));
    } else {
      int64_t end = reg(all), within = newRegister();
      size = newRegister();
      op(Code::Min, {within, offset, end});
      op(Code::Sub, {size, end, within});
      offset = within;
    }
    op(Code::View, {b, from, offset, size});
    return;
  }
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
  auto it = plan.placeOf.find(v);
  if (it == plan.placeOf.end()) { // size known only now
    op(Code::Alloc, {b, bytesRegister(v.getType())});
    return;
  }
  arenaAt(b, it->second, v.getType());
}

/// Points a buffer at a place in the arena.
void ProgramBuilder::arenaAt(int64_t buffer, unsigned place, Type type) {
  llvm::SaveAndRestore guard(inPrologue, true);
  int64_t offset = plan.offsets ? imm((*plan.offsets)[place]) : placeOffsets[place], bytes = bytesRegister(type);
  op(Code::ArenaAt, {buffer, offset, bytes});
}

/// Asks for the arena, after the run has planned it where sizes are symbolic.
void ProgramBuilder::arena() {
  llvm::SaveAndRestore guard(inPrologue, true);
  int64_t total = plan.offsets ? imm(plan.arenaBytes) : newRegister();
  if (!plan.offsets) {
    SmallVector<int64_t> words = {total, int64_t(plan.places.size())};
    for (const MemoryPlan::Place &place : plan.places) {
      placeOffsets.push_back(newRegister());
      words.append({placeOffsets.back(), reg(place.bytes), place.begin, place.end});
    }
    flush();
    emit(out(), Code::Plan, words);
  }
  op(Code::Arena, {total});
}

/// `to`'s bare, unbound symbols get the dims of `from`; other pairs must agree.
void ProgramBuilder::bindDims(Type from, Type to) {
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

void ProgramBuilder::record(Words &to, StringRef name, Type type) {
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

LogicalResult ProgramBuilder::interface() {
  llvm::SaveAndRestore guard(inPrologue, true);
  // First every dim that *is* a symbol, then the others are checked.
  for (auto [i, arg] : llvm::enumerate(main.getArguments())) {
    auto type = dyn_cast<RankedTensorType>(arg.getType());
    if (!type)
      continue;
    for (auto [d, dim] : llvm::enumerate(getDims(type)))
      if (auto symbol = dyn_cast<AffineSymbolExpr>(dim); symbol && entrySymbols.insert(symbol.getPosition()).second)
        op(Code::InputDim, {symbolRegister(symbol.getPosition()), int64_t(i), int64_t(d)});
  }
  for (auto [i, arg] : llvm::enumerate(main.getArguments())) {
    if (isa<RankedTensorType>(arg.getType()))
      for (auto [d, dim] : llvm::enumerate(getDims(arg.getType())))
        op(Code::CheckDim, {reg(dim), int64_t(i), int64_t(d)});
    if (isHostValue(arg.getType()))
      op(Code::InputValue, {hostValue(arg), int64_t(i)});
    else
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
    op(Code::Check, {ok, text(("size " + symbol.getName() + " must be " + Twine(int64_t(symbol.getMin())) + ".." +
                             Twine(int64_t(symbol.getMax()))).str())});
  }
  return success();
}

LogicalResult ProgramBuilder::block(Block &block) {
  for (Operation &op : block)
    if (failed(operation(&op)))
      return failure();
  return success();
}

LogicalResult ProgramBuilder::returnOp(func::ReturnOp op) {
  for (auto [i, value] : llvm::enumerate(op.getOperands())) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (isHostValue(value.getType())) {
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

FailureOr<HostProgram> ProgramBuilder::build() {
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
    if (isa_and_nonnull<KernelOp, ConcatOp>(root.getDefiningOp()) && root.getParentBlock() == &main.getBody().front() && !outputOf.count(root) &&
        isKnownWith(main.getFunctionType().getResult(i), root.getType()))
      outputOf[root] = i;
  }
  plan.assign(main, [&](AffineExpr e) { return isEntry(e); },
              [&](Value v) { return outputOf.count(v) != 0; });
  if (!plan.offsets && int64_t(plan.places.size()) > kMaxPlanned)
    return module.emitError() << plan.places.size() << " buffers of sizes that only the run knows, the limit is " << kMaxPlanned;
  arena();
  program.arenaBytes = plan.arenaBytes;
  program.arenaLowerBound = plan.lowerBound;
  if (failed(block(main.getBody().front())))
    return failure();
  flush();
  if (unboundSymbol)
    return unboundSymbol.emitError() << "internal: the size '" << unboundSymbol.getName() << "' is read before it is known";

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

FailureOr<HostProgram> smelt::buildHostProgram(ModuleOp module) { return ProgramBuilder(module).build(); }
