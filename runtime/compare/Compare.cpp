//===- Compare.cpp - Are two results the same? ---------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See Compare.h. Everything is measured in double. Tested by
// test/runtime/CompareTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/compare/Compare.h"
#include <math.h>
#include <stdio.h>

namespace smelt::rt {

Tolerance defaultTolerance(DType dtype) {
  switch (dtype) {
  case DType::F32: case DType::F64: case DType::C64: case DType::C128: return {1e-4, 1e-5, 0.99999};
  case DType::F16: return {2e-3, 1e-3, 0.9999};
  case DType::BF16: return {1.6e-2, 8e-3, 0.999};
  default: return {0, 0, 0}; // exact
  }
}

Tolerance ToleranceChoice::of(DType dtype) const {
  Tolerance t = defaultTolerance(dtype);
  if (t.isExact()) // exact types stay exact
    return t;
  if (hasRtol)
    t.rtol = given.rtol;
  if (hasAtol)
    t.atol = given.atol;
  if (hasCosine)
    t.cosine = given.cosine;
  return t;
}

/// Bits are compared, but not those of NaN, nor the sign of zero.
static Comparison compareExact(DType dtype, const void *got, const void *wanted, uint64_t count) {
  Comparison c;
  c.count = count;
  size_t size = elementSize(dtype);
  bool isFloating = isFloat(dtype);
  for (uint64_t i = 0; i < count; ++i) {
    const char *a = static_cast<const char *>(got) + i * size, *b = static_cast<const char *>(wanted) + i * size;
    if (memcmp(a, b, size) == 0)
      continue;
    double x = loadDouble(dtype, got, i), y = loadDouble(dtype, wanted, i);
    if (isFloating && (x == y || (isnan(x) && isnan(y))))
      continue;
    if (!c.wrong++) {
      c.worst = i;
      c.worstGot = x;
      c.worstWanted = y;
      c.worstRatio = INFINITY;
    }
  }
  c.isSame = c.wrong == 0;
  return c;
}

Comparison compareElements(DType dtype, const void *got, const void *wanted, uint64_t count,
                           const Tolerance &tolerance) {
  if (info(dtype).kind == DTypeClass::Complex) { // its two parts, as floats
    dtype = dtype == DType::C64 ? DType::F32 : DType::F64;
    count *= 2;
  }
  if (!isFloat(dtype) || tolerance.isExact())
    return compareExact(dtype, got, wanted, count);
  Comparison c;
  c.count = count;
  // The sums leave out what is not finite: that is matched element by element.
  double gotSquares = 0, wantedSquares = 0, products = 0;
  uint64_t finite = 0, common = 0;
  double squares = 0, scale = 0; // squares of large numbers would overflow
  for (uint64_t i = 0; i < count; ++i)
    for (double v : {loadDouble(dtype, got, i), loadDouble(dtype, wanted, i)})
      if (isfinite(v) && fabs(v) > scale)
        scale = fabs(v);
  if (scale == 0)
    scale = 1;
  for (uint64_t i = 0; i < count; ++i) {
    double x = loadDouble(dtype, got, i) / scale, y = loadDouble(dtype, wanted, i) / scale;
    if (!isfinite(y))
      continue;
    squares += y * y;
    ++finite;
    if (!isfinite(x))
      continue;
    gotSquares += x * x;
    wantedSquares += y * y;
    products += x * y;
    ++common;
  }
  c.rms = finite ? sqrt(squares / static_cast<double>(finite)) * scale : 0;
  if (gotSquares > 0 && wantedSquares > 0)
    c.cosine = products / (sqrt(gotSquares) * sqrt(wantedSquares));
  else if (gotSquares != wantedSquares)
    c.cosine = 0;
  for (uint64_t i = 0; i < count; ++i) {
    double x = loadDouble(dtype, got, i), y = loadDouble(dtype, wanted, i);
    double ratio = 0;
    if (isfinite(x) && isfinite(y)) {
      double error = fabs(x - y), limit = tolerance.atol * c.rms + tolerance.rtol * fabs(y);
      // Without a tolerance any error is beyond every limit.
      ratio = error == 0 ? 0 : limit > 0 ? error / limit : INFINITY;
    } else if (!(x == y || (isnan(x) && isnan(y)))) {
      ratio = INFINITY;
    }
    if (!(ratio <= 1))
      ++c.wrong;
    if (ratio > c.worstRatio || i == 0) {
      c.worst = i;
      c.worstGot = x;
      c.worstWanted = y;
      c.worstRatio = ratio;
    }
  }
  // A cosine that is no number (overflowing sums) is no proof either.
  c.cosineFailed = common > 0 && !(c.cosine >= tolerance.cosine);
  c.isSame = c.wrong == 0 && !c.cosineFailed;
  return c;
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

static bool differ(const char *name, String &report, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool differ(const char *name, String &report, const char *format, ...) {
  char text[700];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  report.appendf("%s: DIFFERS: %s\n", name, text);
  return false;
}

/// "[1,0,2]" of a flat index.
static void formatIndex(const smelt_value &v, uint64_t index, String &text) {
  int64_t at[SMELT_MAX_RANK];
  if (info(v.dtype).kind == DTypeClass::Complex)
    index /= 2;
  for (int32_t d = v.rank; d-- > 0; index /= static_cast<uint64_t>(v.dims[d]))
    at[d] = static_cast<int64_t>(index % static_cast<uint64_t>(v.dims[d]));
  text.appendf("[");
  for (int32_t d = 0; d < v.rank; ++d)
    text.appendf(d ? ",%lld" : "%lld", static_cast<long long>(at[d]));
  text.appendf("]");
}

static bool compareTensors(const char *name, const smelt_value &got, const smelt_value &wanted,
                           const ToleranceChoice &choice, String &report) {
  char a[256], b[256];
  if (got.dtype != wanted.dtype)
    return differ(name, report, "the dtype is %s, %s is wanted", smelt::rt::name(got.dtype), smelt::rt::name(wanted.dtype));
  if (got.rank != wanted.rank || memcmp(got.dims, wanted.dims, got.rank * sizeof *got.dims) != 0)
    return differ(name, report, "the shape is %s, %s is wanted", formatDims(got.rank, got.dims, a, sizeof a),
                  formatDims(wanted.rank, wanted.dims, b, sizeof b));
  uint64_t count = smelt_value_count(&got);
  const char *shape = formatDims(got.rank, got.dims, a, sizeof a);
  if (got.dtype == DType::String) {
    for (uint64_t i = 0; i < count; ++i)
      if (got.texts[i].size() != wanted.texts[i].size() ||
          memcmp(got.texts[i].c_str(), wanted.texts[i].c_str(), got.texts[i].size()) != 0)
        return differ(name, report, "string %llu is '%.100s', '%.100s' is wanted", static_cast<unsigned long long>(i),
                      got.texts[i].c_str(), wanted.texts[i].c_str());
    report.appendf("%s: same: %llu strings (%s)\n", name, static_cast<unsigned long long>(count), shape);
    return true;
  }
  Tolerance t = choice.of(got.dtype);
  Comparison c = compareElements(got.dtype, got.data, wanted.data, count, t);
  if (c.isSame && t.isExact()) {
    report.appendf("%s: same: %s of %s, exactly\n", name, shape, smelt::rt::name(got.dtype));
    return true;
  }
  if (c.isSame) {
    report.appendf("%s: same: %s of %s, worst error %.3g of the tolerance, cosine %.9g\n", name, shape,
                   smelt::rt::name(got.dtype), c.worstRatio, c.cosine);
    return true;
  }
  if (!c.wrong)
    return differ(name, report, "every element is within rtol %g, atol %g x rms %g, but the cosine is %.9g, at least %g is wanted",
                  t.rtol, t.atol, c.rms, c.cosine, t.cosine);
  String index;
  formatIndex(got, c.worst, index);
  return differ(name, report, "%llu of %llu elements; worst %s is %.9g, %.9g is wanted (error %.3g, %.3g x the tolerance; rtol %g, atol %g x rms %g; cosine %.9g)",
                static_cast<unsigned long long>(c.wrong), static_cast<unsigned long long>(c.count), index.c_str(),
                c.worstGot, c.worstWanted, fabs(c.worstGot - c.worstWanted), c.worstRatio, t.rtol, t.atol, c.rms, c.cosine);
}

/// The entry of `map` with entry `i` of `other`'s key; its size when there is none.
static size_t findKey(const smelt_value &map, const smelt_value &other, size_t i) {
  size_t count = smelt_value_count(&map);
  for (size_t k = 0; k < count; ++k) {
    size_t at = (k + i) % count; // most maps are in the same order
    if (map.dtype == DType::I64 ? map.keys[at] == other.keys[i]
                                : map.texts[at].size() == other.texts[i].size() &&
                                      !memcmp(map.texts[at].c_str(), other.texts[i].c_str(), map.texts[at].size()))
      return at;
  }
  return count;
}

/// An entry's tensor; floats become one.
static ValueRef entryOf(const smelt_value &map, size_t i) {
  if (!map.elements.empty())
    return ValueRef::share(map.elements[i]);
  ValueRef scalar = makeTensor(DType::F32, 0, nullptr);
  if (scalar)
    *static_cast<float *>(scalar->data) = map.floats[i];
  return scalar;
}

static bool compareMaps(const char *name, const smelt_value &got, const smelt_value &wanted,
                        const ToleranceChoice &choice, String &report) {
  if (got.dtype != wanted.dtype)
    return differ(name, report, "the keys are %s, %s are wanted", smelt::rt::name(got.dtype), smelt::rt::name(wanted.dtype));
  size_t count = smelt_value_count(&got);
  bool isSame = true;
  for (size_t i = 0; i < count; ++i) {
    String entry;
    if (wanted.dtype == DType::I64)
      entry.appendf("%s[%lld]", name, static_cast<long long>(wanted.keys[i]));
    else
      entry.appendf("%s['%s']", name, wanted.texts[i].c_str());
    size_t at = findKey(got, wanted, i);
    if (at == count) {
      isSame = differ(entry.c_str(), report, "the key is missing");
      continue;
    }
    ValueRef a = entryOf(got, at), b = entryOf(wanted, i);
    if (!a || !b)
      return differ(name, report, "out of memory");
    // A reference may hold a scalar as a tensor of one element.
    bool areScalars = a->kind == SMELT_TENSOR && b->kind == SMELT_TENSOR && got.elements.empty() != wanted.elements.empty();
    if (areScalars && smelt_value_count(a.get()) == 1 && smelt_value_count(b.get()) == 1 && a->dtype == b->dtype) {
      Comparison c = compareElements(a->dtype, a->data, b->data, 1, choice.of(a->dtype));
      isSame &= c.isSame || differ(entry.c_str(), report, "it is %.9g, %.9g is wanted", c.worstGot, c.worstWanted);
    } else {
      isSame &= compareValues(entry.c_str(), *a.get(), *b.get(), choice, report);
    }
  }
  return isSame;
}

bool compareValues(const char *name, const smelt_value &got, const smelt_value &wanted, const ToleranceChoice &choice,
                   String &report) {
  static const char *const kinds[] = {"a tensor", "a sequence", "a map", "an optional"};
  if (got.kind != wanted.kind)
    return differ(name, report, "it is %s, %s is wanted", kinds[got.kind], kinds[wanted.kind]);
  if (got.kind == SMELT_TENSOR)
    return compareTensors(name, got, wanted, choice, report);
  size_t count = smelt_value_count(&got), expected = smelt_value_count(&wanted);
  if (count != expected)
    return differ(name, report, "it has %zu elements, %zu are wanted", count, expected);
  if (got.kind == SMELT_MAP)
    return compareMaps(name, got, wanted, choice, report);
  bool isSame = true;
  for (size_t i = 0; i < count; ++i) {
    String element;
    element.appendf("%s[%zu]", name, i);
    isSame &= compareValues(element.c_str(), *got.elements[i], *wanted.elements[i], choice, report);
  }
  if (!count)
    report.appendf("%s: same: empty\n", name);
  return isSame;
}

} // namespace smelt::rt
