//===- Inputs.cpp - Finds, makes up and binds the inputs ---------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// In this order: --input, --test-data, --fill. What is still missing is listed
// at once (64). Tested by test/runtime/launcher.py.
//
//===----------------------------------------------------------------------===//
#include "runtime/launcher/Session.h"
#include <stdio.h>
#include <unistd.h>

namespace smelt::rt {
namespace {

/// xorshift64*: the same numbers on every machine.
class Random {
public:
  explicit Random(uint64_t seed) : state(seed * 0x9e3779b97f4a7c15u + 0x2545f4914f6cdd1du) {
    for (int i = 0; i < 4; ++i)
      next();
  }
  uint64_t next() {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1du;
  }
  double uniform() { return static_cast<double>(next() >> 11) * (2.0 / 9007199254740992.0) - 1.0; }

private:
  uint64_t state;
};

int place(Session &s, size_t index, ValueRef value) {
  s.inputs[index] = std::move(value);
  return SMELT_OK;
}

/// The place of a named value; without a name, the only input.
int placeNamed(Session &s, const char *name, ValueRef value, smelt_error *err) {
  size_t index = 0, count = smelt_module_input_count(s.module);
  if (!*name && count != 1)
    return fail(err, SMELT_USAGE, "the model has %zu inputs: say which one is meant, --input NAME=...", count);
  if (*name)
    if (int code = smelt_module_find_input(s.module, name, &index, err))
      return code;
  return place(s, index, std::move(value));
}

smelt_kind kindOf(Session &s, const char *name) {
  size_t index = 0;
  smelt_port port;
  if (*name && smelt_module_find_input(s.module, name, &index, nullptr))
    return SMELT_TENSOR; // reported when it is placed
  return smelt_module_input(s.module, index, &port) ? SMELT_TENSOR : port.kind;
}

int fromCommandLine(Session &s, smelt_error *err) {
  for (Binding &b : s.options.inputs) {
    if (b.text) {
      ValueRef value;
      if (int code = readText(b.text, value, err))
        return code;
      if (int code = placeNamed(s, b.name.c_str(), std::move(value), err))
        return code;
      continue;
    }
    NamedValues values;
    if (int code = loadFile(b.file, kindOf(s, b.name.c_str()), values, err))
      return code;
    bool isArchive = holdsMany(b.file);
    bool found = false;
    for (NamedValue &v : values) {
      // NAME=@many.npz takes that member; @many.npz takes all by their names.
      if (isArchive && !b.name.empty() && !(v.name == b.name.c_str()))
        continue;
      found = true;
      const char *name = isArchive || !b.name.empty() ? (b.name.empty() ? v.name.c_str() : b.name.c_str()) : "";
      if (int code = placeNamed(s, name, std::move(v.value), err))
        return code;
    }
    if (!found)
      return fail(err, SMELT_USAGE, "'%s' holds no tensor '%s'", b.file, b.name.c_str());
  }
  return SMELT_OK;
}

int fromTestData(Session &s, smelt_error *err) {
  size_t count = smelt_module_input_count(s.module);
  size_t read = 0;
  for (size_t k = 0;; ++k) {
    String path;
    if (!path.appendf("%s/input_%zu.pb", s.options.testData, k))
      return failMemory(err, 32, "a path");
    if (access(path.c_str(), F_OK) != 0)
      break;
    ++read;
    smelt_port port{};
    smelt_kind kind = smelt_module_input(s.module, k, &port) ? SMELT_TENSOR : port.kind;
    NamedValues values;
    if (int code = loadFile(path.c_str(), kind, values, err))
      return code;
    // The name inside says which input is meant; nameless files count.
    size_t index = k;
    if (values[0].name.empty() || smelt_module_find_input(s.module, values[0].name.c_str(), &index, nullptr))
      index = k;
    if (index >= count)
      return fail(err, SMELT_BAD_DATA, "'%s' is input '%s', the model has %zu inputs", path.c_str(),
                  values[0].name.c_str(), count);
    if (!s.inputs[index])
      place(s, index, std::move(values[0].value));
  }
  if (!read && count)
    return fail(err, SMELT_NO_FILE, "'%s' has no input_0.pb", s.options.testData);
  return SMELT_OK;
}

int makeUp(Session &s, size_t index, const smelt_port &port, smelt_error *err) {
  if (port.kind != SMELT_TENSOR || port.dtype == SMELT_STRING || port.rank < 0)
    return fail(err, SMELT_USAGE, "input '%s' cannot be made up by --fill: it is no tensor of numbers of a known rank",
                port.name);
  int64_t dims[SMELT_MAX_RANK];
  for (int32_t d = 0; d < port.rank; ++d) {
    dims[d] = port.dims[d];
    if (dims[d] >= 0)
      continue;
    bool found = false;
    for (const DimChoice &choice : s.options.dims)
      if (choice.symbol == port.dim_names[d]) {
        dims[d] = choice.value;
        found = true;
      }
    if (!found)
      return fail(err, SMELT_USAGE, "dim %d of input '%s' is symbolic: give it by --dim %s=NUMBER", d, port.name,
                  port.dim_names[d]);
  }
  DType dtype = dtypeOf(port.dtype);
  ValueRef value = makeTensor(dtype, port.rank, dims);
  if (!value)
    return fail(err, SMELT_NO_MEMORY, "out of memory, or too large dims, for input '%s'", port.name);
  Random random(static_cast<uint64_t>(s.options.seed) * 1000003 + index + 1);
  size_t count = smelt_value_count(value.get());
  DTypeClass kind = info(dtype).kind;
  bool isComplex = kind == DTypeClass::Complex;
  if (isComplex) {
    dtype = dtype == DType::C64 ? DType::F32 : DType::F64;
    count *= 2;
  }
  bool isRandom = s.options.fill == Fill::Random;
  for (size_t i = 0; i < count; ++i) {
    if (!isFloat(dtype)) {
      // Small and not negative: most integers in models are indices or sizes.
      storeInt(dtype, value->data, i, static_cast<int64_t>(random.next() >> 62));
    } else if (!storeDouble(dtype, value->data, i, isRandom ? random.uniform() : static_cast<double>(random.next() >> 61) - 4)) {
      // Float8: bit patterns of small numbers.
      static_cast<uint8_t *>(value->data)[i] = static_cast<uint8_t>(random.next() >> 58);
    }
  }
  return place(s, index, std::move(value));
}

} // namespace

int bindInputs(Session &s, smelt_error *err) {
  size_t count = smelt_module_input_count(s.module);
  if (!s.inputs.resize(count))
    return failMemory(err, count * sizeof(ValueRef), "the inputs");
  if (int code = fromCommandLine(s, err))
    return code;
  if (s.options.testData)
    if (int code = fromTestData(s, err))
      return code;
  String missing;
  for (size_t i = 0; i < count; ++i) {
    smelt_port port;
    smelt_module_input(s.module, i, &port);
    if (!s.inputs[i] && s.options.fill != Fill::None) {
      if (int code = makeUp(s, i, port, err))
        return code;
    } else if (!s.inputs[i]) {
      String type;
      describePort(port, type);
      missing.appendf("%s%s %s", missing.empty() ? "" : ", ", port.name, type.c_str());
    }
  }
  if (!missing.empty())
    return fail(err, SMELT_USAGE, "missing inputs: %s; give them by --input NAME=@FILE or --fill random",
                missing.c_str());
  for (size_t i = 0; i < count; ++i)
    if (int code = smelt_bind_input_value(s.context, i, s.inputs[i].get(), err))
      return code;
  return SMELT_OK;
}

} // namespace smelt::rt
