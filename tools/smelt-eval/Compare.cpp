//===- Compare.cpp - Print and compare results ------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "tools/smelt-eval/Compare.h"
#include "llvm/Support/Format.h"
#include <cmath>

using namespace mlir;

namespace smelt {

static void printElement(llvm::raw_ostream &os, const eval::HostTensor &tensor, int64_t i, bool full = false) {
  Type type = tensor.getElementType();
  if (!isa<FloatType>(type)) {
    if (isUnsigned(type))
      os << uint64_t(tensor.getInt(i));
    else
      os << tensor.getInt(i);
    return;
  }
  os << llvm::format(full ? "%.17g" : type.isF64() ? "%.15g" : "%.7g", tensor.getDouble(i));
}

void print(llvm::raw_ostream &os, const eval::HostTensor &tensor, bool full) {
  int64_t most = full ? tensor.getNumElements() : 64;
  os << tensor.getType() << " =";
  int64_t count = tensor.getNumElements();
  for (int64_t i = 0; i < std::min(count, most); ++i) {
    os << ' ';
    printElement(os, tensor, i, full);
  }
  if (count > most)
    os << " ... (" << count << " elements)";
  os << '\n';
}

std::string firstDifference(const eval::HostTensor &got, const eval::HostTensor &want, const Tolerance &tolerance) {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (got.getType() != want.getType()) {
    os << "type is " << got.getType() << ", want " << want.getType();
    return text;
  }
  bool isFloat = isa<FloatType>(want.getElementType());
  double squares = 0;
  if (isFloat && tolerance.absolute != 0)
    for (int64_t i = 0, e = want.getNumElements(); i < e; ++i)
      if (double value = want.getDouble(i); std::isfinite(value))
        squares += value * value / double(e);
  double absolute = tolerance.absolute * std::sqrt(squares);
  for (int64_t i = 0, e = want.getNumElements(); i < e; ++i) {
    bool equal;
    if (isFloat) {
      double a = got.getDouble(i), b = want.getDouble(i);
      equal = a == b || (a != a && b != b) ||
              (std::isfinite(a) && std::fabs(a - b) <= absolute + tolerance.relative * std::fabs(b));
    } else {
      equal = got.getInt(i) == want.getInt(i);
    }
    if (equal)
      continue;
    os << "element " << i << " is ";
    printElement(os, got, i);
    os << ", want ";
    printElement(os, want, i);
    return text;
  }
  return text;
}

} // namespace smelt
