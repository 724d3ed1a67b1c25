//===- Files.h - Tensors and folders for tests of readers -------------*- C++ -*-===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sample tensors of every dtype, equality, a temporary folder.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_TEST_RUNTIME_FILES_H
#define SMELT_TEST_RUNTIME_FILES_H

#include "runtime/io/Files.h"
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>
#include <vector>

namespace smelt::test {

using namespace smelt::rt;

inline Span span(const std::string &text) { return {reinterpret_cast<const uint8_t *>(text.data()), text.size()}; }

/// Small values that every dtype can hold, without NaN.
inline ValueRef sample(DType dtype, std::vector<int64_t> dims) {
  ValueRef v = makeTensor(dtype, static_cast<int64_t>(dims.size()), dims.data());
  size_t count = smelt_value_count(v.get());
  for (size_t i = 0; i < count; ++i) {
    if (dtype == DType::String)
      EXPECT_TRUE(v->texts[i].appendf("text %zu", i));
    else if (info(dtype).bits < 8)
      storeInt(DType::I8, v->data, i, static_cast<int64_t>(i % 2) - (info(dtype).kind == DTypeClass::Signed));
    else if (!storeDouble(dtype, v->data, i, static_cast<double>(i % 2 ? i : 0)))
      static_cast<uint8_t *>(v->data)[i] = static_cast<uint8_t>(i * 9);
  }
  return v;
}

inline void expectSame(const smelt_value &a, const smelt_value &b) {
  EXPECT_EQ(a.dtype, b.dtype);
  ASSERT_EQ(a.rank, b.rank);
  for (int32_t i = 0; i < a.rank; ++i)
    EXPECT_EQ(a.dims[i], b.dims[i]);
  ASSERT_EQ(a.bytes, b.bytes);
  if (a.bytes)
    EXPECT_EQ(memcmp(a.data, b.data, a.bytes), 0) << name(a.dtype);
  ASSERT_EQ(a.texts.size(), b.texts.size());
  for (size_t i = 0; i < a.texts.size(); ++i)
    EXPECT_EQ(std::string(a.texts[i].c_str(), a.texts[i].size()), std::string(b.texts[i].c_str(), b.texts[i].size()));
}

class Folder {
public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "smelt-test-XXXXXX").string();
    root = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(root); }
  std::string path(const std::string &file) const { return root + "/" + file; }
  void write(const std::string &file, const std::string &text) const { std::ofstream(path(file), std::ios::binary) << text; }
  int count() const {
    int n = 0;
    for ([[maybe_unused]] auto &entry : std::filesystem::directory_iterator(root))
      ++n;
    return n;
  }

private:
  std::string root;
};

} // namespace smelt::test

#endif // SMELT_TEST_RUNTIME_FILES_H
