//===- Pack.cpp - Packs constants for the kernels ---------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See Pack.h for what a packing says.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/Pack.h"
#include "codegen/cpu/Family.h"
#include <cstring>

using namespace mlir;

namespace smelt::codegen::cpu {

DictionaryAttr Packing::encode(MLIRContext *context) const {
  Builder b(context);
  return b.getDictionaryAttr({b.getNamedAttr("limits", b.getDenseI64ArrayAttr(limits)),
                              b.getNamedAttr("sizes", b.getDenseI64ArrayAttr(sizes)),
                              b.getNamedAttr("strides", b.getDenseI64ArrayAttr(strides))});
}

Packing Packing::decode(DictionaryAttr attr) {
  auto list = [&](StringRef name) { return SmallVector<int64_t>(attr.getAs<DenseI64ArrayAttr>(name).asArrayRef()); };
  return {list("sizes"), list("strides"), list("limits")};
}

namespace {
/// Copies dim by dim; the last dim is a loop over elements of one size.
struct Copier {
  const Packing &packing;
  const char *source;
  char *target;
  int64_t bytes;
  SmallVector<int64_t> index;

  /// How many elements along dim d are inside of every limit it closes.
  int64_t inside(size_t d) const {
    int64_t count = packing.sizes[d];
    for (size_t l = 0; l + 2 < packing.limits.size(); l += 3) {
      int64_t outer = packing.limits[l], inner = packing.limits[l + 1], size = packing.limits[l + 2];
      if (inner == int64_t(d))
        count = std::min(count, size - index[outer] * packing.sizes[inner]);
    }
    return std::max<int64_t>(count, 0);
  }

  void copy(size_t d, int64_t from) {
    int64_t count = inside(d), rest = 1;
    for (size_t i = d + 1; i < packing.sizes.size(); ++i)
      rest *= packing.sizes[i];
    if (d + 1 == packing.sizes.size()) {
      for (int64_t i = 0; i < count; ++i)
        std::memcpy(target + i * bytes, source + (from + i * packing.strides[d]) * bytes, bytes);
      target += packing.sizes[d] * bytes;
      return;
    }
    for (index[d] = 0; index[d] < count; ++index[d])
      copy(d + 1, from + index[d] * packing.strides[d]);
    target += (packing.sizes[d] - count) * rest * bytes; // zeros already
  }
};
} // namespace

std::vector<char> packConstant(RankedTensorType type, ArrayRef<char> bytes, DictionaryAttr attr) {
  Packing packing = Packing::decode(attr);
  int64_t elementBytes = getElementBytes(type.getElementType()), count = 1;
  for (int64_t size : packing.sizes)
    count *= size;
  std::vector<char> packed(count * elementBytes, 0);
  if (count == 0)
    return packed;
  Copier{packing, bytes.data(), packed.data(), elementBytes, SmallVector<int64_t>(packing.sizes.size(), 0)}.copy(0, 0);
  return packed;
}

} // namespace smelt::codegen::cpu
