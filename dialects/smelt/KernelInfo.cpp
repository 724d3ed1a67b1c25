//===- KernelInfo.cpp - The contract of a kernel's arguments ----------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/KernelInfo.h"
#include "dialects/smelt/Constants.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SHA1.h"

using namespace mlir;

namespace smelt {

static void collectFromType(Type type, SmallVectorImpl<int64_t> &ids) {
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    for (AffineExpr dim : getDims(tensor))
      collectSymbols(dim, ids);
}

SmallVector<int64_t> getKernelSymbols(KernelOp kernel) {
  SmallVector<int64_t> ids;
  for (Type type : kernel.getOperandTypes())
    collectFromType(type, ids);
  for (Type type : kernel.getResultTypes())
    collectFromType(type, ids);
  if (ArrayAttr strides = kernel.getStridesAttr())
    for (auto dims : strides.getAsRange<DimsAttr>())
      for (AffineExpr expr : dims.getExprs())
        collectSymbols(expr, ids);
  kernel.getBody().walk([&](Operation *op) {
    for (Type type : op->getResultTypes())
      collectFromType(type, ids);
    for (NamedAttribute attr : op->getAttrs())
      if (auto dims = dyn_cast<DimsAttr>(attr.getValue()))
        for (AffineExpr expr : dims.getExprs())
          collectSymbols(expr, ids);
  });
  return ids;
}

static AffineExpr getParam(KernelOp kernel, StringRef name) {
  return cast<DimsAttr>(kernel.getScheduleAttr().getParams().get(name)).getExprs()[0];
}
AffineExpr getGrid(KernelOp kernel) { return getParam(kernel, "grid"); }
AffineExpr getScratch(KernelOp kernel) { return getParam(kernel, "scratch"); }

std::string joinKernelNames(StringRef first, StringRef second) {
  constexpr size_t longest = 160, end = 70;
  llvm::SmallSetVector<StringRef, 8> nodes;
  for (StringRef name : {first, second})
    for (StringRef node : llvm::split(name, '+'))
      nodes.insert(node);
  std::string joined = llvm::join(nodes, "+");
  if (joined.size() <= longest)
    return joined;
  return (first.take_front(end) + "+..+" + second.take_back(end)).str();
}

std::string getKernelKey(KernelOp kernel) {
  SmallVector<int64_t> ids = getKernelSymbols(kernel);
  MLIRContext *context = kernel.getContext();
  DenseMap<AffineExpr, AffineExpr> rename;
  for (auto [i, id] : llvm::enumerate(ids))
    rename[getAffineSymbolExpr(id, context)] = getAffineSymbolExpr(i, context);
  std::string key;
  llvm::raw_string_ostream os(key);
  auto printExprs = [&](ArrayRef<AffineExpr> exprs) {
    for (AffineExpr expr : exprs)
      os << expr.replace(rename) << ',';
  };
  auto printType = [&](Type type) {
    if (auto tensor = dyn_cast<RankedTensorType>(type)) {
      os << '<';
      printExprs(getDims(tensor));
      os << tensor.getElementType() << '>';
    } else {
      os << type;
    }
  };
  std::function<void(Attribute)> printAttr = [&](Attribute attr) {
    if (auto dims = dyn_cast<DimsAttr>(attr)) {
      printExprs(dims.getExprs());
    } else if (auto dictionary = dyn_cast<DictionaryAttr>(attr)) {
      for (NamedAttribute entry : dictionary) {
        os << entry.getName().strref() << '=';
        printAttr(entry.getValue());
        os << ';';
      }
    } else if (auto array = dyn_cast<ArrayAttr>(attr)) {
      for (Attribute element : array) {
        printAttr(element);
        os << ',';
      }
    } else if (auto resource = dyn_cast<DenseResourceElementsAttr>(attr)) { // its name says nothing
      auto bytes = getConstantBytes(resource, cast<RankedTensorType>(resource.getType()));
      os << "resource " << resource.getType() << ' ';
      if (bytes)
        os << llvm::toHex(llvm::SHA1::hash(ArrayRef(reinterpret_cast<const uint8_t *>(bytes->data.data()), bytes->data.size())));
    } else {
      os << attr;
    }
  };
  DenseMap<Value, unsigned> numbers;
  for (Value arg : kernel.getBody().getArguments()) {
    numbers.try_emplace(arg, numbers.size());
    printType(arg.getType());
  }
  for (Operation &op : kernel.getBody().front()) {
    os << '\n' << op.getName().getStringRef() << '(';
    for (Value operand : op.getOperands())
      os << numbers.lookup(operand) << ',';
    os << ')';
    for (NamedAttribute attr : op.getAttrs()) {
      os << attr.getName().strref() << '=';
      printAttr(attr.getValue());
      os << ';';
    }
    if (op.getNumRegions() > 0)
      os << op;
    for (Value result : op.getResults()) {
      numbers.try_emplace(result, numbers.size());
      printType(result.getType());
    }
  }
  os << "\nschedule " << kernel.getScheduleAttr().getFamily() << ' ';
  printAttr(kernel.getScheduleAttr().getParams());
  if (ArrayAttr strides = kernel.getStridesAttr()) {
    os << "\nstrides ";
    for (Attribute entry : strides) {
      printAttr(entry);
      os << '/';
    }
  }
  return key;
}

} // namespace smelt
