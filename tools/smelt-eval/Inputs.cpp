//===- Inputs.cpp - Made-up inputs of a function ----------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Small integers stored as floats keep every order of summation exact, so that
// results can be compared bit by bit.
//
//===----------------------------------------------------------------------===//
#include "tools/smelt-eval/Inputs.h"
#include "llvm/Support/MemoryBuffer.h"
#include <algorithm>
#include <random>

using namespace mlir;

namespace smelt {

/// Every symbol that nothing derives gets the value of its flag, or the common
/// size moved into its range.
static void bindSymbols(func::FuncOp func, const FillOptions &options, eval::SymbolEnv &env) {
  auto module = func->getParentOfType<ModuleOp>();
  llvm::DenseMap<int64_t, SymbolOp> symbols;
  for (auto op : module.getOps<SymbolOp>())
    symbols[op.getId()] = op;
  for (Type type : func.getArgumentTypes())
    for (AffineExpr dim : getDims(type))
      dim.walk([&](AffineExpr expr) {
        auto symbol = dyn_cast<AffineSymbolExpr>(expr);
        if (!symbol || env.isBound(symbol.getPosition()))
          return;
        int64_t id = symbol.getPosition(), value = options.size ? options.size : 3 + id % 4;
        if (SymbolOp op = symbols.lookup(id)) {
          auto it = options.symbols.find(op.getName());
          value = it != options.symbols.end() ? it->second
                                              : std::clamp<int64_t>(value, op.getMin(), op.getMax());
        }
        env.bind(id, value);
      });
}

static FailureOr<eval::HostTensor> readInput(func::FuncOp func, Type elementType, StringRef text) {
  auto [shapeText, path] = text.split(':');
  SmallVector<int64_t> shape;
  int64_t bytes = getElementBytes(elementType);
  SmallVector<StringRef> sizes;
  shapeText.split(sizes, 'x', -1, /*KeepEmpty=*/false);
  for (StringRef size : sizes) {
    if (size.getAsInteger(10, shape.emplace_back()) || shape.back() < 0)
      return func.emitError() << "--input=" << text << ": want SHAPE:FILE";
    bytes *= shape.back();
  }
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file)
    return func.emitError() << "cannot read " << path << ": " << file.getError().message();
  StringRef data = (*file)->getBuffer();
  if (int64_t(data.size()) != bytes)
    return func.emitError() << path << " has " << data.size() << " bytes, want " << bytes;
  return eval::HostTensor::copy(elementType, shape, ArrayRef<char>(data.data(), data.size()));
}

FailureOr<SmallVector<eval::HostTensor>> makeInputs(func::FuncOp func, const FillOptions &options,
                                                    eval::SymbolEnv &env) {
  for (Type type : func.getArgumentTypes())
    if (!isa<RankedTensorType>(type))
      return func.emitError() << "argument of type " << type << ", want a tensor";
  if (!options.files.empty()) {
    if (options.files.size() != func.getNumArguments())
      return func.emitError() << options.files.size() << " inputs given, want " << func.getNumArguments();
    SmallVector<eval::HostTensor> inputs;
    for (auto [type, text] : llvm::zip_equal(func.getArgumentTypes(), options.files)) {
      auto input = readInput(func, cast<RankedTensorType>(type).getElementType(), text);
      if (failed(input))
        return failure();
      inputs.push_back(*input);
    }
    return inputs;
  }
  bindSymbols(func, options, env);
  std::mt19937_64 random(options.seed);
  SmallVector<eval::HostTensor> inputs;
  for (Type type : func.getArgumentTypes()) {
    Type elementType = cast<RankedTensorType>(type).getElementType();
    if (!eval::isSupportedElement(elementType))
      return func.emitError() << "argument of type " << type << ", want elements of at most 64 bits";
    SmallVector<int64_t> shape;
    for (AffineExpr dim : getDims(type)) {
      std::optional<int64_t> size = env.evaluate(dim);
      if (!size)
        return func.emitError() << "size of an argument is not known: " << type;
      shape.push_back(*size);
    }
    eval::HostTensor wide = eval::HostTensor::allocate(Float64Type::get(func.getContext()), shape);
    for (int64_t i = 0, e = wide.getNumElements(); i < e; ++i) {
      // The generator's own numbers: distributions differ between libraries.
      uint64_t bits = random() >> 11;
      double value = isa<FloatType>(elementType)
                         ? (options.fractions ? double(bits) / double(uint64_t(1) << 51) - 2 : double(bits % 9) - 4)
                         : double(bits % (elementType.isInteger(1) ? 2 : 3));
      wide.mutableData<double>()[i] = value;
    }
    inputs.push_back(eval::convert(wide, elementType));
  }
  return inputs;
}

} // namespace smelt
