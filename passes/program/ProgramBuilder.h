//===- ProgramBuilder.h - The state of building a host program --------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// HostProgram.cpp has scalars, buffers and the frame of the program,
// Operations.cpp what each op of the module becomes.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_PASSES_PROGRAM_PROGRAMBUILDER_H
#define SMELT_PASSES_PROGRAM_PROGRAMBUILDER_H

#include "dialects/smelt/Constants.h"
#include "dialects/smelt/KernelInfo.h"
#include "dialects/smelt/Placement.h"
#include "passes/program/HostProgram.h"
#include "passes/program/Memory.h"
#include "llvm/Support/SaveAndRestore.h"
#include <map>

namespace smelt {

using Code = artifact::Op;

/// The artifact's number of an element type.
artifact::DType dtypeOf(mlir::Type type);

class ProgramBuilder {
public:
  ProgramBuilder(mlir::ModuleOp module) : module(module), symbols(module), context(module.getContext()) {}
  mlir::FailureOr<HostProgram> build();

private:
  using Words = std::vector<int64_t>;

  //--- emission
  Words &out() { return inPrologue ? prologue : body; }
  void op(Code code, std::initializer_list<int64_t> operands) {
    flush();
    emit(out(), code, operands);
  }
  static void emit(Words &to, Code code, llvm::ArrayRef<int64_t> operands) {
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
  int64_t text(llvm::StringRef s) {
    auto [it, isNew] = texts.try_emplace(s, program.strings.size());
    if (isNew) {
      program.strings += s;
      program.strings += '\0';
    }
    return it->second;
  }

  //--- scalars
  bool isEntry(mlir::AffineExpr expr) {
    llvm::SmallVector<int64_t> ids;
    collectSymbols(expr, ids);
    return llvm::all_of(ids, [&](int64_t id) { return isEntrySymbol(id); });
  }
  /// Does the symbol follow from the inputs' shapes? Derived symbols build on each
  /// other, so answers are kept; all inputs are bound before the first question.
  bool isEntrySymbol(int64_t id) {
    if (entrySymbols.contains(id))
      return true;
    SymbolOp symbol = symbols.get(id);
    if (!symbol.getDerive())
      return false;
    if (auto it = derivedEntry.find(id); it != derivedEntry.end())
      return it->second;
    bool result =
        llvm::all_of(symbol.getExprs()->getExprs(), [&](mlir::AffineExpr e) { return isEntry(e); });
    return derivedEntry[id] = result;
  }
  int64_t symbolRegister(int64_t id) {
    auto [it, isNew] = symbolRegisters.try_emplace(id, 0);
    if (isNew)
      it->second = newRegister();
    return it->second;
  }
  bool isKnownWith(mlir::Type type, mlir::Type other);
  int64_t reg(mlir::AffineExpr expr);
  int64_t computeExpr(mlir::AffineExpr expr);
  int64_t imm(int64_t value) { return reg(mlir::getAffineConstantExpr(value, context)); }

  //--- tensors
  int64_t buffer(mlir::Value v);
  int64_t bytesRegister(mlir::Type type) {
    return reg(getNumElements(type) * getElementBytes(llvm::cast<mlir::RankedTensorType>(type).getElementType()));
  }
  mlir::AffineExpr bytesExpr(mlir::Type type) {
    return getNumElements(type) * getElementBytes(llvm::cast<mlir::RankedTensorType>(type).getElementType());
  }
  int64_t constantBuffer(mlir::Attribute value, mlir::RankedTensorType type, mlir::DictionaryAttr packing);
  void tensorOperand(Words &words, mlir::Value v) { tensorOperand(words, buffer(v), v.getType()); }
  void tensorOperand(Words &words, int64_t b, mlir::Type type) {
    auto tensor = llvm::cast<mlir::RankedTensorType>(type);
    words.push_back(b);
    words.push_back(int64_t(dtypeOf(tensor.getElementType())));
    words.push_back(tensor.getRank());
    for (mlir::AffineExpr dim : getDims(type))
      words.push_back(reg(dim));
  }
  /// Strings, sequences, maps and optionals.
  static bool isHostValue(mlir::Type type) {
    auto tensor = llvm::dyn_cast<mlir::RankedTensorType>(type);
    return tensor ? llvm::isa<StringType>(tensor.getElementType()) : !type.isInteger(1);
  }
  int64_t hostValue(mlir::Value v);
  /// A constant vector of int64, as a buffer and its count.
  void arrayOperand(Words &words, llvm::ArrayRef<int64_t> values);
  void hostOp(artifact::HostOpCode code, llvm::StringRef name, llvm::ArrayRef<int64_t> words);
  mlir::LogicalResult hostCall(HostCallOp op);
  int64_t scalar(mlir::Value v);

  //--- the walk
  mlir::LogicalResult interface();
  mlir::LogicalResult block(mlir::Block &block);
  mlir::LogicalResult operation(mlir::Operation *op);
  mlir::LogicalResult kernel(KernelOp op);
  mlir::LogicalResult loop(LoopOp op);
  mlir::LogicalResult ifOp(mlir::scf::IfOp op);
  mlir::LogicalResult returnOp(mlir::func::ReturnOp op);
  void bindDims(mlir::Type from, mlir::Type to);
  void allocate(mlir::Value v);
  void arenaAt(int64_t buffer, unsigned place, mlir::Type type);
  void arena();
  void record(Words &to, llvm::StringRef name, mlir::Type type);

  struct ScopeGuard {
    ProgramBuilder &b;
    ScopeGuard(ProgramBuilder &b) : b(b) { b.exprScopes.emplace_back(); }
    ~ScopeGuard() { b.exprScopes.pop_back(); }
  };

  mlir::ModuleOp module;
  mlir::func::FuncOp main;
  DimSymbols symbols;
  mlir::MLIRContext *context;
  HostProgram program;
  Words prologue, body, segment;
  bool inPrologue = false;
  int64_t pendingDispatches = 0;
  int64_t program_registers = 0, program_buffers = 0, hostValueCount = 0, maxSymbols = 0;
  llvm::StringMap<int64_t> texts;
  llvm::DenseSet<int64_t> entrySymbols;
  llvm::DenseMap<int64_t, bool> derivedEntry;
  llvm::DenseMap<int64_t, int64_t> symbolRegisters;
  llvm::DenseMap<mlir::AffineExpr, int64_t> entryExprs;
  llvm::SmallVector<int64_t> placeOffsets; // registers, when the run plans
  std::vector<llvm::DenseMap<mlir::AffineExpr, int64_t>> exprScopes{1};
  llvm::DenseMap<mlir::Value, int64_t> buffers, hostValues, scalars;
  llvm::StringMap<int64_t> kernelNumbers;
  std::map<std::tuple<const void *, const void *, const void *>, int64_t> constantBuffers;
  MemoryPlan plan;
  void sizeScan(mlir::Value scan, mlir::Value slice, llvm::ArrayRef<mlir::AffineExpr> late, int64_t iteration, int64_t trip,
                int64_t bytes);
  SymbolOp unboundSymbol; // a size that was read before it was known
  llvm::DenseSet<mlir::Value> allocated; // concatenations whose first slice was written
  llvm::DenseMap<mlir::Value, int64_t> outputOf; // root value -> output that it is written to directly
};

} // namespace smelt

#endif // SMELT_PASSES_PROGRAM_PROGRAMBUILDER_H
