//===- Harness.h - Compiles one kernel and runs it --------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A test writes a kernel's body as text; the harness schedules it, compiles it
// for a target, loads the object with ORC and runs it on buffers whose ends lie
// against a guard page, so that reading or writing beyond them is a crash.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_TEST_CODEGEN_CPU_HARNESS_H
#define SMELT_TEST_CODEGEN_CPU_HARNESS_H

#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace smelt::test {

/// Bytes that end at a guard page; `fill` poisons them.
class GuardedBuffer {
public:
  explicit GuardedBuffer(size_t bytes, unsigned char fill = 0xff);
  ~GuardedBuffer();
  GuardedBuffer(GuardedBuffer &&other) noexcept;
  GuardedBuffer(const GuardedBuffer &) = delete;
  char *data() const { return begin; }
  size_t size() const { return bytes; }
  template <class T> T *as() const { return reinterpret_cast<T *>(begin); }

private:
  char *mapping = nullptr, *begin = nullptr;
  size_t bytes = 0, mapped = 0;
};

/// What a kernel looks like: `body` is the text inside of smelt.kernel, with
/// arguments %a0, %a1, ... of `operands` and a smelt.yield of `results`.
struct KernelText {
  std::vector<std::string> operands, results;
  std::string body;
  std::string symbols = ""; // smelt.symbol lines of the module
};

class Kernel {
public:
  /// `constants[i]`: the bytes of operand i when it is a constant. Ends the
  /// program with a message when the kernel cannot be compiled.
  Kernel(const KernelText &text, const std::vector<std::pair<unsigned, std::vector<char>>> &constants,
         const std::string &target);
  ~Kernel();
  const std::string &family() const { return familyName; }
  /// Runs all workgroups in `parts` ranges, each with a fresh scratch; `symbols`
  /// by id. Returns the status word.
  int64_t run(const std::vector<void *> &buffers, const std::vector<int64_t> &symbols = {}, unsigned parts = 1);
  /// What the evaluator says of the same operands: the bytes of every result.
  std::vector<std::vector<char>> evaluate(const std::vector<void *> &operands,
                                          const std::vector<int64_t> &symbols = {}) const;
  std::string assembly() const;
  double compileMilliseconds = 0;

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
  std::string familyName;
};

/// The targets this machine can run: its own, and aarch64 where a cross
/// compiler and qemu-aarch64 are in PATH.
std::vector<std::string> runnableTargets();
/// Whether to try this case: always on our own targets, one in twelve where a
/// run means a link and an emulator.
bool isSampled(const std::string &target);

/// Small integers, so that any order of summation is exact.
template <class T> void fillIntegers(T *data, size_t count, unsigned seed, int low = -4, int high = 4) {
  unsigned state = seed * 2654435761u + 12345;
  for (size_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    data[i] = T(low + int((state >> 16) % unsigned(high - low + 1)));
  }
}

} // namespace smelt::test

#endif // SMELT_TEST_CODEGEN_CPU_HARNESS_H
