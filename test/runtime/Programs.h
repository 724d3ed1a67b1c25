//===- Programs.h - Artifacts assembled by hand ----------------------*- C++ -*-===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A builder of host programs for tests: what the compiler writes, without the
// compiler. Kernels are plain C++ functions.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_TEST_RUNTIME_PROGRAMS_H
#define SMELT_TEST_RUNTIME_PROGRAMS_H

#include "runtime/core/Artifact.h"
#include "runtime/cpu/CpuFeatures.h"
#include "runtime/include/smelt.h"
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

namespace smelt::test {

using namespace smelt::artifact;

/// Assembles an artifact; must outlive the modules made of it.
class Assembler {
public:
  Assembler() { strings.push_back('\0'); }

  int64_t text(const std::string &s) {
    int64_t offset = static_cast<int64_t>(strings.size());
    strings.insert(strings.end(), s.begin(), s.end());
    strings.push_back('\0');
    return offset;
  }
  int64_t dim(const std::string &name) { return -1 - text(name); }
  void input(const std::string &name, DType dtype, std::vector<int64_t> dims, ValueKind kind = ValueKind::Tensor) {
    port(inputs, name, dtype, dims, kind);
    ++inputCount;
  }
  void output(const std::string &name, DType dtype, std::vector<int64_t> dims, ValueKind kind = ValueKind::Tensor) {
    port(outputs, name, dtype, dims, kind);
    ++outputCount;
  }
  int64_t kernel(KernelFn fn) {
    kernels.push_back(fn);
    return static_cast<int64_t>(kernels.size()) - 1;
  }
  template <typename T> int64_t constant(const std::vector<T> &values) {
    int64_t offset = static_cast<int64_t>(constantsSize);
    EXPECT_LE(constantsSize + values.size() * sizeof(T), sizeof pool);
    if (!values.empty())
      std::memcpy(pool + constantsSize, values.data(), values.size() * sizeof(T));
    constantsSize += (values.size() * sizeof(T) + 63) / 64 * 64;
    return offset;
  }

  /// Appends an instruction; returns its offset in the code.
  int64_t op(Op op, std::initializer_list<int64_t> words = {}) {
    int64_t offset = here();
    code.push_back(static_cast<int64_t>(op));
    code.insert(code.end(), words);
    return offset;
  }
  int64_t here() const { return static_cast<int64_t>(code.size()); }
  int64_t imm(int64_t value) {
    int64_t r = reg();
    op(Op::LoadImm, {r, value});
    return r;
  }
  int64_t reg() { return registers++; }
  int64_t buf() { return buffers++; }
  int64_t val() { return values++; }
  int64_t inputBuffer(int64_t index) {
    int64_t b = buf();
    op(Op::Input, {b, index});
    return b;
  }
  void dispatch(int64_t kernel, int64_t grid, int64_t scratch, const std::string &name, std::vector<int64_t> symbols,
                std::vector<int64_t> buffers) {
    code.insert(code.end(), {static_cast<int64_t>(Op::Dispatch), kernel, grid, scratch, text(name),
                             static_cast<int64_t>(symbols.size())});
    code.insert(code.end(), symbols.begin(), symbols.end());
    code.push_back(static_cast<int64_t>(buffers.size()));
    code.insert(code.end(), buffers.begin(), buffers.end());
    maxSymbols = std::max<int64_t>(maxSymbols, static_cast<int64_t>(symbols.size()));
  }

  /// The finished descriptor; call again after a change.
  const Descriptor &finish() {
    program.assign({registers, buffers, values, inputCount, outputCount, 0, maxSymbols, 0});
    program.insert(program.end(), inputs.begin(), inputs.end());
    program.insert(program.end(), outputs.begin(), outputs.end());
    program[kCodeOffset] = static_cast<int64_t>(program.size());
    program.insert(program.end(), code.begin(), code.end());
    d = {};
    std::memcpy(d.magic, kMagic, sizeof kMagic);
    d.abiMajor = kAbiMajor;
    d.abiMinor = kAbiMinor;
    d.arch = rt::hostArch();
    d.manifest = manifest.data();
    d.manifestSize = manifest.size();
    d.constants = constantsSize ? pool : nullptr;
    d.constantsSize = constantsSize;
    d.kernels = kernels.data();
    d.kernelCount = kernels.size();
    return seal();
  }
  /// Refreshes the pointers and the checksum, after `program` was edited.
  const Descriptor &seal() {
    d.program = program.data();
    d.programWords = program.size();
    d.strings = strings.data();
    d.stringsSize = strings.size();
    d.checksum = checksumOf(d);
    return d;
  }

  std::vector<int64_t> program, inputs, outputs, code;
  std::vector<char> strings;
  std::vector<KernelFn> kernels;
  std::string manifest = "{\"name\": \"test\"}";
  int64_t registers = 0, buffers = 0, values = 0, inputCount = 0, outputCount = 0, maxSymbols = 0;
  uint64_t constantsSize = 0;
  alignas(64) uint8_t pool[4096] = {};
  Descriptor d{};

private:
  void port(std::vector<int64_t> &to, const std::string &name, DType dtype, const std::vector<int64_t> &dims,
            ValueKind kind) {
    to.insert(to.end(), {text(name), static_cast<int64_t>(kind), static_cast<int64_t>(dtype),
                         static_cast<int64_t>(dims.size())});
    to.insert(to.end(), dims.begin(), dims.end());
  }
};

struct Release {
  void operator()(smelt_module *m) const { smelt_module_release(m); }
  void operator()(smelt_context *c) const { smelt_context_destroy(c); }
  void operator()(smelt_value *v) const { smelt_value_release(v); }
};
using Module = std::unique_ptr<smelt_module, Release>;
using Context = std::unique_ptr<smelt_context, Release>;
using Value = std::unique_ptr<smelt_value, Release>;

inline Module open(const Descriptor &d) {
  smelt_module *m = nullptr;
  smelt_error err{};
  EXPECT_EQ(smelt_module_create(&d, &m, &err), SMELT_OK) << err.message;
  return Module(m);
}
inline Context contextOf(const Module &m, uint32_t threads = 1) {
  smelt_context_options options{};
  options.struct_size = sizeof options;
  options.threads = threads;
  smelt_context *c = nullptr;
  smelt_error err{};
  EXPECT_EQ(smelt_context_create(m.get(), &options, &c, &err), SMELT_OK) << err.message;
  return Context(c);
}
template <typename T> constexpr smelt_dtype dtypeFor() {
  if constexpr (std::is_same_v<T, float>)
    return SMELT_F32;
  else if constexpr (std::is_same_v<T, int64_t>)
    return SMELT_I64;
  else
    return SMELT_U8;
}
template <typename T>
int bindTo(const Context &c, size_t index, std::vector<int64_t> dims, std::vector<T> &data, smelt_error *err = nullptr) {
  smelt_tensor t{dtypeFor<T>(), static_cast<int32_t>(dims.size()), dims.data(), data.data(), data.size() * sizeof(T)};
  return smelt_bind_input(c.get(), index, &t, err);
}
template <typename T> std::vector<T> outputOf(const Context &c, size_t index) {
  smelt_tensor t{};
  smelt_error err{};
  EXPECT_EQ(smelt_get_output(c.get(), index, &t, &err), SMELT_OK) << err.message;
  auto *data = static_cast<T *>(t.data);
  return std::vector<T>(data, data + t.bytes / sizeof(T));
}

/// y[i] = 2 * x[i] + 1 for the n = symbols[0] elements, 16 a workgroup.
inline void scaleKernel(void *const *b, const int64_t *s, int64_t begin, int64_t end, void *) {
  auto *x = static_cast<const float *>(b[0]);
  auto *y = static_cast<float *>(b[1]);
  for (int64_t i = begin * 16; i < end * 16 && i < s[0]; ++i)
    y[i] = 2 * x[i] + 1;
}

/// x: f32[N] -> y: f32[N] = 2x + 1, through the arena.
inline void assembleScale(Assembler &a) {
  a.input("x", DType::F32, {a.dim("N")});
  a.output("y", DType::F32, {a.dim("N")});
  int64_t k = a.kernel(scaleKernel);
  int64_t n = a.reg(), four = a.imm(4), sixteen = a.imm(16), bytes = a.reg(), grid = a.reg(), zero = a.imm(0);
  a.op(Op::InputDim, {n, 0, 0});
  a.op(Op::Mul, {bytes, n, four});
  a.op(Op::CeilDiv, {grid, n, sixteen});
  a.op(Op::Arena, {bytes});
  int64_t x = a.inputBuffer(0), t = a.buf(), y = a.buf();
  a.op(Op::ArenaAt, {t, zero, bytes});
  a.op(Op::Output, {y, 0, 1, n});
  a.op(Op::Segment, {1});
  a.dispatch(k, grid, zero, "scale", {n}, {x, t});
  a.op(Op::Copy, {y, t, bytes});
  a.op(Op::End);
}

} // namespace smelt::test

#endif // SMELT_TEST_RUNTIME_PROGRAMS_H
