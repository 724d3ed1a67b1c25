//===- HostCalls.cpp - Host ops in the host program -------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   %y = smelt.host_call "SequenceAt"(%s, %i) binds [3]
//     -> HostOp SequenceAt, results (2 b dtype rank r...), operands (0 v, 1 T)
//        CmpEq, Check for the dims that were known before
//
//===----------------------------------------------------------------------===//
#include "passes/program/ProgramBuilder.h"

using namespace mlir;
using namespace smelt;
using namespace smelt::artifact;
using smelt::Code;

void ProgramBuilder::arrayOperand(Words &words, ArrayRef<int64_t> values) {
  auto type = RankedTensorType::get({int64_t(values.size())}, IntegerType::get(context, 64));
  words.push_back(constantBuffer(DenseElementsAttr::get(type, values), type, {}));
  words.push_back(values.size());
}

void ProgramBuilder::hostOp(HostOpCode code, StringRef name, ArrayRef<int64_t> words) {
  Words full = {int64_t(code), text(name), int64_t(words.size())};
  full.insert(full.end(), words.begin(), words.end());
  flush();
  emit(out(), Code::HostOp, full);
  program.usesHostOps = true;
}

/// A constant of strings is made once, when the run begins.
int64_t ProgramBuilder::hostValue(Value v) {
  if (auto it = hostValues.find(v); it != hostValues.end())
    return it->second;
  int64_t number = hostValues[v] = hostValueCount++;
  if (auto constant = v.getDefiningOp<ConstantOp>()) {
    llvm::SaveAndRestore guard(inPrologue, true);
    auto type = cast<RankedTensorType>(v.getType());
    SmallVector<int64_t> indices, offsets;
    for (Attribute string : cast<ArrayAttr>(constant.getValue())) {
      indices.push_back(indices.size());
      offsets.push_back(text(cast<StringAttr>(string).getValue()));
    }
    auto indexType = RankedTensorType::get(type.getShape(), IntegerType::get(context, 64));
    Words words = {number};
    tensorOperand(words, constantBuffer(DenseElementsAttr::get(indexType, ArrayRef(indices)), indexType, {}), indexType);
    arrayOperand(words, offsets);
    hostOp(HostOpCode::StringLookup, "Constant", words);
  }
  return number;
}

LogicalResult ProgramBuilder::hostCall(HostCallOp op) {
  int64_t code = 0;
  while (code < int64_t(std::size(kHostCallNames)) && op.getCallee() != kHostCallNames[code])
    ++code;
  if (code == int64_t(std::size(kHostCallNames)))
    return op.emitOpError() << "calls '" << op.getCallee() << "', which the runtime does not have";

  // Sizes that the run finds: symbols of their own, or to be compared with what is known.
  SmallVector<std::pair<int64_t, AffineExpr>> checks;
  auto foundDims = [&](Words &words, Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    words.push_back(tensor ? tensor.getRank() : 0);
    for (AffineExpr dim : tensor ? getDims(type) : SmallVector<AffineExpr>()) {
      auto symbol = dyn_cast<AffineSymbolExpr>(dim);
      if (symbol && llvm::is_contained(op.getBinds(), int64_t(symbol.getPosition()))) {
        words.push_back(symbolRegister(symbol.getPosition()));
      } else {
        words.push_back(newRegister());
        checks.push_back({words.back(), dim});
      }
    }
  };
  Words words = {int64_t(op.getNumResults())};
  for (Value result : op.getResults()) {
    if (isHostValue(result.getType())) {
      words.push_back(0);
      words.push_back(hostValue(result));
      foundDims(words, result.getType());
    } else if (op.getPlaced()) {
      allocate(result);
      words.push_back(1);
      tensorOperand(words, result);
    } else {
      words.push_back(2);
      words.push_back(buffer(result));
      words.push_back(int64_t(dtypeOf(cast<RankedTensorType>(result.getType()).getElementType())));
      foundDims(words, result.getType());
    }
  }
  words.push_back(op.getArgs().size());
  for (Value arg : op.getArgs()) {
    bool isValue = isHostValue(arg.getType());
    words.push_back(!isValue);
    if (isValue)
      words.push_back(hostValue(arg));
    else
      tensorOperand(words, arg);
  }
  words.push_back(op.getInts().size());
  llvm::append_range(words, op.getInts());
  SmallVector<int64_t> texts;
  if (ArrayAttr strings = op.getTextsAttr())
    for (Attribute string : strings)
      texts.push_back(text(cast<StringAttr>(string).getValue()));
  arrayOperand(words, texts);
  hostOp(HostOpCode(int64_t(HostOpCode::SequenceConstruct) + code), op.getCallee(), words);
  for (auto [found, dim] : checks) {
    int64_t same = newRegister(), want = reg(dim);
    this->op(Code::CmpEq, {same, found, want});
    std::string message;
    llvm::raw_string_ostream(message) << op.getCallee() << " gives a size other than " << dim;
    this->op(Code::Check, {same, text(message)});
  }
  return success();
}
