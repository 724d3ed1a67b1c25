//===- Results.cpp - Prints, saves and compares the outputs ------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Results go to stdout, everything else to stderr. Tested by
// test/runtime/launcher.py.
//
//===----------------------------------------------------------------------===//
#include "runtime/launcher/Session.h"
#include <stdio.h>
#include <unistd.h>

namespace smelt::rt {
namespace {

constexpr size_t kShownElements = 10;

void printElement(const smelt_value &v, size_t i) {
  if (v.dtype == DType::String)
    printf("'%s'", v.texts[i].c_str());
  else if (v.dtype == DType::Bool)
    fputs(loadInt(v.dtype, v.data, i) ? "true" : "false", stdout);
  else if (v.dtype == DType::U64)
    printf("%llu", static_cast<unsigned long long>(loadInt(v.dtype, v.data, i)));
  else if (isInteger(v.dtype))
    printf("%lld", static_cast<long long>(loadInt(v.dtype, v.data, i)));
  else if (v.dtype == DType::C64 || v.dtype == DType::C128) {
    DType part = v.dtype == DType::C64 ? DType::F32 : DType::F64;
    printf("%.9g%+.9gi", loadDouble(part, v.data, 2 * i), loadDouble(part, v.data, 2 * i + 1));
  } else
    printf(v.dtype == DType::F64 ? "%.17g" : v.dtype == DType::F32 ? "%.9g" : "%.6g", loadDouble(v.dtype, v.data, i));
}

void printValue(const smelt_value &v) {
  size_t count = smelt_value_count(&v);
  size_t shown = count < kShownElements ? count : kShownElements;
  char dims[256];
  switch (v.kind) {
  case SMELT_TENSOR:
    printf("%s[%s] =", name(v.dtype), v.rank ? formatDims(v.rank, v.dims, dims, sizeof dims) : "");
    for (size_t i = 0; i < shown; ++i) {
      putchar(' ');
      printElement(v, i);
    }
    break;
  case SMELT_OPTIONAL:
    fputs(count ? "some " : "none", stdout);
    if (count)
      printValue(*v.elements[0]);
    return;
  case SMELT_SEQUENCE:
    printf("sequence of %zu [", count);
    for (size_t i = 0; i < shown; ++i) {
      fputs(i ? "; " : "", stdout);
      printValue(*v.elements[i]);
    }
    putchar(']');
    break;
  case SMELT_MAP:
    putchar('{');
    for (size_t i = 0; i < shown; ++i) {
      fputs(i ? ", " : "", stdout);
      if (v.dtype == DType::I64)
        printf("%lld: ", static_cast<long long>(v.keys[i]));
      else
        printf("'%s': ", v.texts[i].c_str());
      if (!v.floats.empty())
        printf("%.9g", v.floats[i]);
      else
        printValue(*v.elements[i]);
    }
    putchar('}');
    break;
  }
  if (shown < count)
    printf(" ... (%zu of %zu)", shown, count);
}

int outputValue(Session &s, size_t index, NamedValue &result, smelt_error *err) {
  smelt_port port;
  smelt_value *value;
  smelt_module_output(s.module, index, &port);
  if (int code = smelt_get_output_value(s.context, index, &value, err))
    return code;
  result.value = ValueRef(value);
  return result.name.assign(port.name) ? SMELT_OK : failMemory(err, strlen(port.name), "a name");
}

/// Which output a binding means: by name, or the only one.
int indexOf(Session &s, const Binding &b, const char *option, size_t &index, smelt_error *err) {
  index = 0;
  if (!b.name.empty())
    return smelt_module_find_output(s.module, b.name.c_str(), &index, err);
  size_t count = smelt_module_output_count(s.module);
  if (count == 1)
    return SMELT_OK;
  return fail(err, SMELT_USAGE, "the model has %zu outputs: say which one is meant, %s NAME=@FILE", count, option);
}

int compareOne(Session &s, size_t index, const smelt_value &wanted, bool &isSame, smelt_error *err) {
  NamedValue got;
  if (int code = outputValue(s, index, got, err))
    return code;
  String report;
  isSame &= compareValues(got.name.c_str(), *got.value.get(), wanted, s.options.tolerance, report);
  fputs(report.c_str(), stdout);
  return SMELT_OK;
}

int compareExpected(Session &s, bool &isSame, smelt_error *err) {
  for (const Binding &b : s.options.expected) {
    bool isArchive = b.file && holdsMany(b.file);
    size_t index = 0;
    smelt_port port{};
    if (!isArchive || !b.name.empty()) {
      if (int code = indexOf(s, b, "--expected", index, err))
        return code;
      smelt_module_output(s.module, index, &port);
    }
    NamedValues values;
    if (b.text) {
      NamedValue one;
      if (int code = readText(b.text, one.value, err))
        return code;
      if (!values.push(std::move(one)))
        return failMemory(err, sizeof one, "a tensor");
    } else if (int code = loadFile(b.file, port.kind, values, err)) {
      return code;
    }
    size_t compared = 0;
    for (NamedValue &v : values) {
      if (isArchive && !b.name.empty() && !(v.name == b.name.c_str()))
        continue;
      if (isArchive)
        if (int code = smelt_module_find_output(s.module, v.name.c_str(), &index, err))
          return code;
      ++compared;
      if (int code = compareOne(s, index, *v.value.get(), isSame, err))
        return code;
    }
    if (!compared)
      return fail(err, SMELT_USAGE, "'%s' holds no tensor '%s'", b.file ? b.file : b.text, b.name.c_str());
  }
  return SMELT_OK;
}

int compareTestData(Session &s, bool &isSame, smelt_error *err) {
  size_t compared = 0;
  for (size_t k = 0; k < smelt_module_output_count(s.module); ++k) {
    String path;
    smelt_port port{};
    smelt_module_output(s.module, k, &port);
    if (!path.appendf("%s/output_%zu.pb", s.options.testData, k))
      return failMemory(err, 32, "a path");
    if (access(path.c_str(), F_OK) != 0) {
      fprintf(stderr, "%s: output '%s' has no reference: there is no '%s'\n", s.options.program, port.name, path.c_str());
      continue;
    }
    NamedValues values;
    if (int code = loadFile(path.c_str(), port.kind, values, err))
      return code;
    ++compared;
    if (int code = compareOne(s, k, *values[0].value.get(), isSame, err))
      return code;
  }
  if (!compared)
    return fail(err, SMELT_NO_FILE, "'%s' has no output_k.pb to compare with", s.options.testData);
  return SMELT_OK;
}

} // namespace

int deliverOutputs(Session &s, smelt_error *err) {
  size_t count = smelt_module_output_count(s.module);
  for (const Binding &b : s.options.outputs) {
    NamedValues values;
    size_t first = 0, last = count;
    if (!b.name.empty() || !holdsMany(b.file)) {
      if (int code = indexOf(s, b, "--output", first, err))
        return code;
      last = first + 1;
    }
    for (size_t i = first; i < last; ++i) {
      NamedValue value;
      if (int code = outputValue(s, i, value, err))
        return code;
      if (!values.push(std::move(value)))
        return failMemory(err, sizeof value, "an output");
    }
    if (int code = saveFile(b.file, values, err))
      return code;
  }
  const Options &o = s.options;
  if (!o.outputs.empty() || !o.expected.empty() || o.testData || o.wantsProfile)
    return SMELT_OK;
  for (size_t i = 0; i < count; ++i) {
    NamedValue value;
    if (int code = outputValue(s, i, value, err))
      return code;
    printf("%s: ", value.name.c_str());
    printValue(*value.value.get());
    putchar('\n');
  }
  return SMELT_OK;
}

int compareOutputs(Session &s, smelt_error *err) {
  bool isSame = true;
  if (int code = compareExpected(s, isSame, err))
    return code;
  if (s.options.testData)
    if (int code = compareTestData(s, isSame, err))
      return code;
  return isSame ? SMELT_OK : fail(err, SMELT_DIFFERENT, "the outputs differ from the reference");
}

} // namespace smelt::rt
