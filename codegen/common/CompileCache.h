//===- CompileCache.h - Compiled kernels on disk ----------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One file per key: payload, then a trailer with the key and a checksum. It is
// written to a temporary file, synced and renamed, and checked through the
// descriptor it is read by; whatever is wrong with it is a miss. The folder has
// 256 parts by the key's first byte, each with its share of the size limit, so
// that eviction never looks at all of it. See docs/compile-cache.md; tested by
// test/codegen/common/CompileCacheTest.cpp and test/tools/compile-cache.test.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_CODEGEN_COMMON_COMPILECACHE_H
#define SMELT_CODEGEN_COMMON_COMPILECACHE_H

#include "llvm/ADT/StringRef.h"
#include <array>
#include <atomic>
#include <optional>
#include <string>

namespace smelt::codegen {

/// A hash of everything that decides the payload.
using CacheKey = std::array<uint8_t, 32>;
CacheKey hashKey(llvm::StringRef text);
/// The key's first 16 bytes, in hexadecimal.
std::string shortName(const CacheKey &key);

class CompileCache {
public:
  static constexpr uint64_t kDefaultLimit = uint64_t(2) << 30;
  static constexpr unsigned kParts = 256;

  /// Makes the folder when it is first written to.
  explicit CompileCache(std::string folder, uint64_t limitBytes = kDefaultLimit)
      : folder(std::move(folder)), partLimit(limitBytes / kParts) {}

  /// The payload; nothing when it is not there or not whole. Marks it as used,
  /// and removes an entry that is damaged. Safe to call from several threads.
  std::optional<std::string> find(const CacheKey &key);
  /// Publishes a payload, and removes what was used longest ago beyond the limit.
  void add(const CacheKey &key, llvm::StringRef payload);

  std::string entryPath(const CacheKey &key) const;
  const std::string &getFolder() const { return folder; }
  unsigned getHits() const { return hits; }
  unsigned getMisses() const { return misses; }
  /// Entries that could not be written; why the last of them.
  unsigned getUnwritten() const { return unwritten; }
  std::error_code getWriteError() const { return {lastError.load(), std::generic_category()}; }

private:
  void evict(llvm::StringRef part);
  void failed(int error) {
    ++unwritten;
    lastError = error;
  }

  std::string folder;
  uint64_t partLimit;
  std::atomic<unsigned> hits = 0, misses = 0, unwritten = 0;
  std::atomic<int> lastError = 0;
};

} // namespace smelt::codegen

#endif // SMELT_CODEGEN_COMMON_COMPILECACHE_H
