//===- Movement.cpp - Evaluating ops that move elements ---------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// All but pad and tile are one strided copy. Elements are moved as bytes, so
// every element type works. Tested by test/dialects/eval/movement.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/eval/Families.h"
#include "dialects/smelt/eval/Kinds.h"
#include <cstring>

using namespace mlir;

namespace smelt::eval {

namespace {

template <int Size> struct Chunk {
  char bytes[Size];
};

/// Dims, innermost first, merged where both sides run on.
struct Walk {
  SmallVector<int64_t> sizes, to, from;
};

template <typename T> void copyElements(char *target, const char *source, const Walk &walk) {
  T *out = reinterpret_cast<T *>(target);
  const T *in = reinterpret_cast<const T *>(source);
  SmallVector<int64_t> index(walk.sizes.size(), 0);
  int64_t n = walk.sizes[0], s = walk.from[0], t = walk.to[0];
  for (;;) {
    if (s == 1 && t == 1)
      std::memcpy(out, in, n * sizeof(T));
    else
      for (int64_t i = 0; i < n; ++i)
        out[i * t] = in[i * s];
    size_t d = 1;
    for (; d < walk.sizes.size(); ++d) {
      in += walk.from[d];
      out += walk.to[d];
      if (++index[d] < walk.sizes[d])
        break;
      in -= walk.from[d] * walk.sizes[d];
      out -= walk.to[d] * walk.sizes[d];
      index[d] = 0;
    }
    if (d >= walk.sizes.size())
      return;
  }
}

} // namespace

void copyStrided(char *target, ArrayRef<int64_t> targetStrides, const char *source, ArrayRef<int64_t> strides,
                 ArrayRef<int64_t> shape, int64_t size) {
  Walk walk;
  for (size_t d = shape.size(); d-- > 0;) {
    if (shape[d] == 0)
      return;
    if (shape[d] == 1)
      continue;
    if (!walk.sizes.empty() && strides[d] == walk.from.back() * walk.sizes.back() &&
        targetStrides[d] == walk.to.back() * walk.sizes.back()) {
      walk.sizes.back() *= shape[d];
      continue;
    }
    walk.sizes.push_back(shape[d]);
    walk.from.push_back(strides[d]);
    walk.to.push_back(targetStrides[d]);
  }
  if (walk.sizes.empty()) {
    walk.sizes.push_back(1);
    walk.from.push_back(1);
    walk.to.push_back(1);
  }
  switch (size) {
  case 1: return copyElements<uint8_t>(target, source, walk);
  case 2: return copyElements<uint16_t>(target, source, walk);
  case 4: return copyElements<uint32_t>(target, source, walk);
  case 8: return copyElements<uint64_t>(target, source, walk);
  case 16: return copyElements<Chunk<16>>(target, source, walk);
  default: llvm_unreachable("element size");
  }
}

void copyStrided(char *target, const char *source, ArrayRef<int64_t> shape, ArrayRef<int64_t> strides, int64_t size) {
  copyStrided(target, rowMajorStrides(shape), source, strides, shape, size);
}

HostTensor evaluateTranspose(Call &call, TransposeOp op) {
  SmallVector<int64_t> from = rowMajorStrides(call[0].getShape()), strides, shape;
  for (int64_t p : op.getPerm()) {
    strides.push_back(from[p]);
    shape.push_back(call[0].getShape()[p]);
  }
  HostTensor result = HostTensor::allocate(call.types[0], shape);
  copyStrided(result.mutableData<char>(), call[0].getBytes().data(), shape, strides, getElementBytes(call.types[0]));
  return result;
}

HostTensor evaluateBroadcast(Call &call) {
  ArrayRef<int64_t> shape = call.shapes[0], own = call[0].getShape();
  if (own.size() > shape.size())
    return call.refuse("operand has more dims than the result");
  SmallVector<int64_t> from = rowMajorStrides(own), strides(shape.size(), 0);
  for (size_t i = 0, offset = shape.size() - own.size(); i < own.size(); ++i) {
    if (own[i] != 1 && own[i] != shape[offset + i])
      return call.refuse("dim " + Twine(i) + " of size " + Twine(own[i]) + " does not broadcast to " +
                         Twine(shape[offset + i]));
    strides[offset + i] = own[i] == 1 ? 0 : from[i];
  }
  HostTensor result = HostTensor::allocate(call.types[0], shape);
  copyStrided(result.mutableData<char>(), call[0].getBytes().data(), shape, strides, getElementBytes(call.types[0]));
  return result;
}

HostTensor evaluateSlice(Call &call, SliceOp op) {
  std::optional<SmallVector<int64_t>> starts = call.resolve(op.getStarts());
  if (!starts)
    return {};
  ArrayRef<int64_t> shape = call.shapes[0], own = call[0].getShape();
  SmallVector<int64_t> strides = rowMajorStrides(own);
  int64_t offset = 0, size = getElementBytes(call.types[0]);
  HostTensor result = HostTensor::allocate(call.types[0], shape);
  if (result.getNumElements() == 0)
    return result;
  for (size_t i = 0; i < own.size(); ++i) {
    int64_t first = (*starts)[i], last = first + (shape[i] - 1) * op.getSteps()[i];
    if (std::min(first, last) < 0 || std::max(first, last) >= own[i])
      return call.refuse("dim " + Twine(i) + " takes elements " + Twine(first) + " to " + Twine(last) + " of " +
                         Twine(own[i]));
    offset += first * strides[i];
    strides[i] *= op.getSteps()[i];
  }
  copyStrided(result.mutableData<char>(), call[0].getBytes().data() + offset * size, shape, strides, size);
  return result;
}

HostTensor evaluateConcat(Call &call, ConcatOp op) {
  ArrayRef<int64_t> shape = call.shapes[0];
  int64_t axis = op.getAxis(), at = 0, size = getElementBytes(call.types[0]);
  int64_t total = 0;
  for (const HostTensor &input : call.operands) {
    for (size_t i = 0; i < shape.size(); ++i)
      if (int64_t(i) != axis && input.getShape()[i] != shape[i])
        return call.refuse("dim " + Twine(i) + " of an input is " + Twine(input.getShape()[i]) + ", the result's " +
                           Twine(shape[i]));
    total += input.getShape()[axis];
  }
  if (total != shape[axis])
    return call.refuse("inputs have " + Twine(total) + " elements along the axis, the result " + Twine(shape[axis]));
  SmallVector<int64_t> to = rowMajorStrides(shape);
  HostTensor result = HostTensor::allocate(call.types[0], shape);
  for (const HostTensor &input : call.operands) {
    copyStrided(result.mutableData<char>() + at * to[axis] * size, to, input.getBytes().data(),
                rowMajorStrides(input.getShape()), input.getShape(), size);
    at += input.getShape()[axis];
  }
  return result;
}

/// The source index of each index along one dim; -1 is outside (constant mode).
static std::optional<SmallVector<int64_t>> padMap(int64_t own, int64_t size, int64_t low, PadMode mode) {
  SmallVector<int64_t> map(size);
  for (int64_t i = 0; i < size; ++i) {
    int64_t at = i - low;
    if (at < 0 || at >= own) {
      if (mode != PadMode::constant && own == 0)
        return std::nullopt;
      if (mode == PadMode::constant) {
        at = -1;
      } else if (mode == PadMode::edge) {
        at = at < 0 ? 0 : own - 1;
      } else if (mode == PadMode::wrap) {
        at = (at % own + own) % own;
      } else {
        int64_t period = std::max<int64_t>(1, 2 * (own - 1));
        at = (at % period + period) % period;
        if (at >= own)
          at = period - at;
      }
    }
    map[i] = at;
  }
  return map;
}

/// Row-major walk over all dims but the last; the last by its map.
static HostTensor gatherByMaps(Call &call, ArrayRef<SmallVector<int64_t>> maps, const char *fill) {
  ArrayRef<int64_t> shape = call.shapes[0];
  int64_t size = getElementBytes(call.types[0]), rank = shape.size();
  HostTensor result = HostTensor::allocate(call.types[0], shape);
  if (result.getNumElements() == 0)
    return result;
  const char *in = call[0].getBytes().data();
  char *out = result.mutableData<char>();
  if (rank == 0) {
    std::memcpy(out, in, size);
    return result;
  }
  SmallVector<int64_t> strides = rowMajorStrides(call[0].getShape()), index(rank, 0);
  for (;;) {
    int64_t base = 0;
    bool inside = true;
    for (int64_t d = 0; d + 1 < rank; ++d) {
      int64_t at = maps[d][index[d]];
      inside &= at >= 0;
      base += at * strides[d];
    }
    for (int64_t at : maps[rank - 1]) {
      std::memcpy(out, inside && at >= 0 ? in + (base + at) * size : fill, size);
      out += size;
    }
    int64_t d = rank - 2;
    while (d >= 0 && ++index[d] == shape[d])
      index[d--] = 0;
    if (d < 0)
      return result;
  }
}

HostTensor evaluatePad(Call &call, PadOp op) {
  std::optional<SmallVector<int64_t>> low = call.resolve(op.getLow());
  if (!low)
    return {};
  if (call[1].getNumElements() != 1 || call[1].getElementType() != call.types[0])
    return call.refuse("pad value is not one element of the result's type");
  SmallVector<SmallVector<int64_t>> maps;
  for (auto [own, size, before] : llvm::zip_equal(call[0].getShape(), call.shapes[0], *low)) {
    auto map = padMap(own, size, before, op.getMode());
    if (!map)
      return call.refuse("an empty dim can only be padded with a constant");
    maps.push_back(std::move(*map));
  }
  return gatherByMaps(call, maps, call[1].getBytes().data());
}

HostTensor evaluateTile(Call &call) {
  SmallVector<SmallVector<int64_t>> maps;
  if (call[0].getRank() != int64_t(call.shapes[0].size()))
    return call.refuse("result of another rank");
  for (auto [own, size] : llvm::zip_equal(call[0].getShape(), call.shapes[0])) {
    if (own == 0 ? size != 0 : size % own != 0)
      return call.refuse("size " + Twine(size) + " is no multiple of " + Twine(own));
    maps.push_back(*padMap(std::max<int64_t>(own, 1), size, 0, PadMode::wrap));
  }
  return gatherByMaps(call, maps, nullptr);
}

HostTensor evaluateIota(Call &call, IotaOp op) {
  AxisSplit split(call.shapes[0], op.getAxis());
  return dispatch(carriedKind(call.types[0]), [&](auto tag) {
    using T = decltype(tag);
    Result<T> result(call.types[0], call.shapes[0]);
    T *out = result.data();
    for (int64_t o = 0; o < split.outer; ++o)
      for (int64_t i = 0; i < split.size; ++i)
        for (int64_t n = 0; n < split.inner; ++n)
          *out++ = T(i);
    return result.finish();
  });
}

} // namespace smelt::eval
