//===- Index.cpp - Evaluating gathers and scatters --------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ONNX semantics: negative indices count from the end, others out of range are
// refused. Scatters place updates in row-major order of the indices. Tested by
// test/dialects/eval/index.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/eval/Families.h"
#include "dialects/smelt/eval/Kinds.h"
#include <cstring>

using namespace mlir;

namespace smelt::eval {

/// `index` counted from the front, or -1 when out of range.
static int64_t wrapIndex(int64_t index, int64_t size) {
  if (index < 0)
    index += size;
  return index >= 0 && index < size ? index : -1;
}

static HostTensor refuseIndex(Call &call, int64_t index, int64_t size) {
  return call.refuse("index " + Twine(index) + " is out of range for a dim of " + Twine(size));
}

HostTensor evaluateGather(Call &call, GatherOp op) {
  AxisSplit split(call[0].getShape(), op.getAxis());
  Elements<int64_t> indices(call[1]);
  int64_t count = call[1].getNumElements(), size = getElementBytes(call.types[0]);
  HostTensor result = HostTensor::allocate(call.types[0], call.shapes[0]);
  if (result.getNumElements() != split.outer * count * split.inner)
    return call.refuse("result has " + Twine(result.getNumElements()) + " elements, want " +
                       Twine(split.outer * count * split.inner));
  const char *in = call[0].getBytes().data();
  char *out = result.mutableData<char>();
  int64_t run = split.inner * size;
  for (int64_t i = 0; i < count; ++i) {
    int64_t at = wrapIndex(indices[i], split.size);
    if (at < 0)
      return refuseIndex(call, indices[i], split.size);
    for (int64_t o = 0; o < split.outer; ++o)
      std::memcpy(out + (o * count + i) * run, in + (o * split.size + at) * run, run);
  }
  return result;
}

/// Calls `f(position in the indices, offset in x)` for every element of an
/// elements-wise indexing along `axis`.
template <typename F>
static bool forEachElement(Call &call, int64_t axis, int64_t &bad, F f) {
  ArrayRef<int64_t> shape = call[1].getShape();
  SmallVector<int64_t> strides = rowMajorStrides(call[0].getShape()), index(shape.size(), 0);
  Elements<int64_t> indices(call[1]);
  for (int64_t i = 0, e = call[1].getNumElements(); i < e; ++i) {
    int64_t at = wrapIndex(indices[i], call[0].getShape()[axis]);
    if (at < 0) {
      bad = indices[i];
      return false;
    }
    int64_t offset = at * strides[axis];
    for (size_t d = 0; d < shape.size(); ++d)
      if (int64_t(d) != axis)
        offset += index[d] * strides[d];
    f(i, offset);
    for (size_t d = shape.size(); d-- > 0;) {
      if (++index[d] < shape[d])
        break;
      index[d] = 0;
    }
  }
  return true;
}

static bool fitsInside(ArrayRef<int64_t> indices, ArrayRef<int64_t> x, int64_t axis) {
  if (indices.size() != x.size())
    return false;
  for (size_t d = 0; d < x.size(); ++d)
    if (int64_t(d) != axis && indices[d] > x[d])
      return false;
  return true;
}

HostTensor evaluateGatherElements(Call &call, GatherElementsOp op) {
  if (!fitsInside(call[1].getShape(), call[0].getShape(), op.getAxis()))
    return call.refuse("indices do not fit the operand's shape");
  HostTensor result = HostTensor::allocate(call.types[0], call[1].getShape());
  int64_t size = getElementBytes(call.types[0]), bad = 0;
  const char *in = call[0].getBytes().data();
  char *out = result.mutableData<char>();
  if (!forEachElement(call, op.getAxis(), bad, [&](int64_t i, int64_t offset) {
        std::memcpy(out + i * size, in + offset * size, size);
      }))
    return refuseIndex(call, bad, call[0].getShape()[op.getAxis()]);
  return result;
}

/// Offset in elements of the slice a tuple of `depth` indices names, after
/// `first` batch dims; nothing when one is out of range.
static std::optional<int64_t> tupleOffset(const HostTensor &x, ArrayRef<int64_t> strides, const int64_t *tuple,
                                          int64_t depth, int64_t first) {
  int64_t offset = 0;
  for (int64_t d = 0; d < depth; ++d) {
    int64_t at = wrapIndex(tuple[d], x.getShape()[first + d]);
    if (at < 0)
      return std::nullopt;
    offset += at * strides[first + d];
  }
  return offset;
}

HostTensor evaluateGatherND(Call &call, GatherNDOp op) {
  ArrayRef<int64_t> shape = call[0].getShape(), indexShape = call[1].getShape();
  int64_t batch = op.getBatchDims(), depth = indexShape.empty() ? 0 : indexShape.back();
  if (indexShape.empty() || batch + depth > int64_t(shape.size()) || batch >= int64_t(indexShape.size()))
    return call.refuse("index tuples of " + Twine(depth) + " after " + Twine(batch) + " batch dims for rank " +
                       Twine(shape.size()));
  SmallVector<int64_t> strides = rowMajorStrides(shape);
  int64_t batches = 1, inner = 1, size = getElementBytes(call.types[0]);
  for (int64_t d = 0; d < batch; ++d)
    batches *= shape[d];
  for (size_t d = batch + depth; d < shape.size(); ++d)
    inner *= shape[d];
  int64_t tuples = depth ? call[1].getNumElements() / depth : 0, perBatch = batches ? tuples / batches : 0;
  int64_t batchStride = batches ? call[0].getNumElements() / batches : 0;
  HostTensor result = HostTensor::allocate(call.types[0], call.shapes[0]);
  if (result.getNumElements() != tuples * inner)
    return call.refuse("result has " + Twine(result.getNumElements()) + " elements, want " + Twine(tuples * inner));
  Elements<int64_t> indices(call[1]);
  for (int64_t i = 0; i < tuples; ++i) {
    auto offset = tupleOffset(call[0], strides, indices.data() + i * depth, depth, batch);
    if (!offset)
      return call.refuse("index tuple " + Twine(i) + " is out of range");
    int64_t at = (i / perBatch) * batchStride + *offset;
    std::memcpy(result.mutableData<char>() + i * inner * size, call[0].getBytes().data() + at * size, inner * size);
  }
  return result;
}

/// old (+) update, in the carried type.
template <typename T> static T combine(ScatterKind kind, T old, T update) {
  switch (kind) {
  case ScatterKind::none: return update;
  case ScatterKind::add:
    if constexpr (std::is_floating_point_v<T>) return old + update;
    else return wrapTo<T>(WrappingT<T>(old) + WrappingT<T>(update));
  case ScatterKind::mul:
    if constexpr (std::is_floating_point_v<T>) return old * update;
    else return wrapTo<T>(WrappingT<T>(old) * WrappingT<T>(update));
  case ScatterKind::max: return old != old ? old : update > old || update != update ? update : old;
  case ScatterKind::min: return old != old ? old : update < old || update != update ? update : old;
  }
  llvm_unreachable("unknown scatter");
}

/// Puts `count` updates at `to`, rounding each combination to the type.
static void scatterRun(Type type, ScatterKind kind, char *to, const char *update, int64_t count) {
  int64_t size = getElementBytes(type);
  if (kind == ScatterKind::none) {
    std::memcpy(to, update, count * size);
    return;
  }
  dispatch(carriedKind(type), [&](auto tag) {
    using T = decltype(tag);
    HostTensor oldView = HostTensor::borrow(type, {count}, ArrayRef<char>(to, count * size), nullptr);
    HostTensor newView = HostTensor::borrow(type, {count}, ArrayRef<char>(update, count * size), nullptr);
    Elements<T> olds(oldView), news(newView);
    Result<T> out(type, {count});
    for (int64_t i = 0; i < count; ++i)
      out.data()[i] = combine(kind, olds[i], news[i]);
    HostTensor combined = out.finish();
    std::memcpy(to, combined.getBytes().data(), count * size);
  });
}

HostTensor evaluateScatterElements(Call &call, ScatterElementsOp op) {
  if (!fitsInside(call[1].getShape(), call[0].getShape(), op.getAxis()) || call[1].getShape() != call[2].getShape())
    return call.refuse("indices and updates do not fit the operand's shape");
  HostTensor result = HostTensor::copy(call.types[0], call[0].getShape(), call[0].getBytes());
  int64_t size = getElementBytes(call.types[0]), bad = 0;
  char *out = result.mutableData<char>();
  const char *updates = call[2].getBytes().data();
  if (!forEachElement(call, op.getAxis(), bad, [&](int64_t i, int64_t offset) {
        scatterRun(call.types[0], op.getKind(), out + offset * size, updates + i * size, 1);
      }))
    return refuseIndex(call, bad, call[0].getShape()[op.getAxis()]);
  return result;
}

HostTensor evaluateScatterND(Call &call, ScatterNDOp op) {
  ArrayRef<int64_t> shape = call[0].getShape();
  int64_t depth = call[1].getShape().empty() ? 0 : call[1].getShape().back();
  if (depth == 0 || depth > int64_t(shape.size()))
    return call.refuse("index tuples of " + Twine(depth) + " for rank " + Twine(shape.size()));
  int64_t inner = 1, size = getElementBytes(call.types[0]), tuples = call[1].getNumElements() / depth;
  for (size_t d = depth; d < shape.size(); ++d)
    inner *= shape[d];
  if (call[2].getNumElements() != tuples * inner)
    return call.refuse("updates have " + Twine(call[2].getNumElements()) + " elements, want " + Twine(tuples * inner));
  SmallVector<int64_t> strides = rowMajorStrides(shape);
  HostTensor result = HostTensor::copy(call.types[0], shape, call[0].getBytes());
  Elements<int64_t> indices(call[1]);
  for (int64_t i = 0; i < tuples; ++i) {
    auto offset = tupleOffset(call[0], strides, indices.data() + i * depth, depth, 0);
    if (!offset)
      return call.refuse("index tuple " + Twine(i) + " is out of range");
    scatterRun(call.types[0], op.getKind(), result.mutableData<char>() + *offset * size,
               call[2].getBytes().data() + i * inner * size, inner);
  }
  return result;
}

} // namespace smelt::eval
