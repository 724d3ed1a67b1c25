//===- Agree.h - A kernel against the evaluator -----------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_TEST_CODEGEN_CPU_AGREE_H
#define SMELT_TEST_CODEGEN_CPU_AGREE_H

#include "Harness.h"
#include <cmath>
#include <gtest/gtest.h>

namespace smelt::test {

/// An operand's data and whether the compiler sees it as a constant.
struct Operand {
  std::vector<char> bytes;
  bool isConstant = false;
};

template <class T> Operand integers(size_t count, unsigned seed, int low, int high, bool isConstant = false) {
  Operand operand{std::vector<char>(count * sizeof(T)), isConstant};
  fillIntegers(reinterpret_cast<T *>(operand.bytes.data()), count, seed, low, high);
  return operand;
}
/// Multiples of 1/256 in [-1, 1].
inline Operand fractions(size_t count, unsigned seed, bool isConstant = false) {
  Operand operand = integers<float>(count, seed, -256, 256, isConstant);
  for (size_t i = 0; i < count; ++i)
    reinterpret_cast<float *>(operand.bytes.data())[i] /= 256;
  return operand;
}
template <class T> Operand values(std::vector<T> list, bool isConstant = false) {
  Operand operand{std::vector<char>(list.size() * sizeof(T)), isConstant};
  std::memcpy(operand.bytes.data(), list.data(), operand.bytes.size());
  return operand;
}

/// Multiples of 1/64 in [-1, 1] as halves.
inline Operand halfFractions(size_t count, unsigned seed) {
  Operand operand = integers<_Float16>(count, seed, -64, 64);
  for (size_t i = 0; i < count; ++i)
    reinterpret_cast<_Float16 *>(operand.bytes.data())[i] /= _Float16(64);
  return operand;
}

/// Runs the kernel whole and in three parts; both must have the evaluator's
/// bits, or with a tolerance its values, which are floats or of another type T.
template <class T = float> inline void expectAgrees(const KernelText &text, const std::vector<Operand> &operands, const std::string &family,
                         const std::string &target, const std::vector<int64_t> &symbols = {}, double tolerance = 0) {
  if (!isSampled(target))
    return;
  SCOPED_TRACE(target + "\n" + text.body);
  std::vector<GuardedBuffer> buffers;
  std::vector<void *> inputs;
  std::vector<std::pair<unsigned, std::vector<char>>> constants;
  for (size_t i = 0; i < operands.size(); ++i) {
    buffers.emplace_back(operands[i].bytes.size());
    std::memcpy(buffers.back().data(), operands[i].bytes.data(), operands[i].bytes.size());
    inputs.push_back(buffers.back().data());
    if (operands[i].isConstant)
      constants.push_back({unsigned(i), operands[i].bytes});
  }
  Kernel kernel(text, constants, target);
  ASSERT_EQ(kernel.family(), family);
  std::vector<std::vector<char>> want = kernel.evaluate(inputs, symbols);
  for (unsigned parts : {1, 3}) {
    std::vector<void *> pointers(inputs);
    std::vector<GuardedBuffer> outputs;
    for (auto &bytes : want)
      outputs.emplace_back(bytes.size());
    for (auto &output : outputs)
      pointers.push_back(output.data());
    ASSERT_EQ(kernel.run(pointers, symbols, parts), 0);
    for (size_t r = 0; r < want.size(); ++r) {
      if (tolerance == 0) {
        size_t at = std::mismatch(want[r].begin(), want[r].end(), outputs[r].as<char>()).first - want[r].begin();
        ASSERT_EQ(at, want[r].size()) << "result " << r << " in " << parts << " parts: at that byte found "
                                      << int(outputs[r].as<unsigned char>()[at]) << ", wanted " << int((unsigned char)want[r][at]);
        continue;
      }
      const T *expectedAll = reinterpret_cast<const T *>(want[r].data()), *gotAll = outputs[r].as<T>();
      for (size_t i = 0; i < want[r].size() / sizeof(T); ++i)
        if (double expected = double(expectedAll[i]), got = double(gotAll[i]); std::isnan(expected))
          ASSERT_TRUE(std::isnan(got)) << "result " << r << " element " << i << ": " << got;
        else
          ASSERT_NEAR(got, expected, tolerance * (1 + std::fabs(expected))) << "result " << r << " element " << i;
    }
  }
}

} // namespace smelt::test

#endif // SMELT_TEST_CODEGEN_CPU_AGREE_H
