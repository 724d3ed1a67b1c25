//===- CompileCache.cpp - Compiled kernels on disk --------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "codegen/common/CompileCache.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/BLAKE3.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace fs = llvm::sys::fs;

namespace smelt::codegen {

namespace {

constexpr time_t kStaleSeconds = 3600; // a temporary file this old has lost its writer

/// Behind the payload.
struct Trailer {
  char magic[8];
  uint64_t size; // of the payload
  CacheKey key, checksum;
};
constexpr char kMagic[8] = {'S', 'M', 'E', 'L', 'T', 'K', 'C', '1'};

Trailer makeTrailer(const CacheKey &key, llvm::StringRef payload) {
  Trailer trailer;
  std::memcpy(trailer.magic, kMagic, sizeof kMagic);
  trailer.size = payload.size();
  trailer.key = key;
  trailer.checksum = hashKey(payload);
  return trailer;
}

bool readAll(int fd, std::string &bytes) {
  struct stat status;
  if (fstat(fd, &status) || !S_ISREG(status.st_mode))
    return false;
  bytes.resize(size_t(status.st_size));
  for (size_t at = 0; at < bytes.size();) {
    ssize_t count = read(fd, bytes.data() + at, bytes.size() - at);
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0) // an error, or shorter than it was
      return false;
    at += size_t(count);
  }
  return true;
}

bool writeAll(int fd, llvm::StringRef bytes) {
  while (!bytes.empty()) {
    ssize_t count = write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return false;
    bytes = bytes.drop_front(size_t(count));
  }
  return true;
}

/// Cuts the trailer off when it is the payload's.
bool takeTrailer(const CacheKey &key, std::string &bytes) {
  Trailer found;
  if (bytes.size() < sizeof found)
    return false;
  std::memcpy(&found, bytes.data() + bytes.size() - sizeof found, sizeof found);
  bytes.resize(bytes.size() - sizeof found);
  Trailer wanted = makeTrailer(key, bytes);
  return std::memcmp(&found, &wanted, sizeof found) == 0;
}

} // namespace

CacheKey hashKey(llvm::StringRef text) {
  return llvm::BLAKE3::hash(llvm::ArrayRef(reinterpret_cast<const uint8_t *>(text.data()), text.size()));
}

std::string shortName(const CacheKey &key) { return llvm::toHex(llvm::ArrayRef(key).take_front(16), /*LowerCase=*/true); }

std::string CompileCache::entryPath(const CacheKey &key) const {
  llvm::SmallString<128> path(folder);
  llvm::sys::path::append(path, "kernels", llvm::toHex(llvm::ArrayRef(key).take_front(1), true),
                          llvm::toHex(llvm::ArrayRef(key).drop_front(1), true));
  return path.str().str();
}

std::optional<std::string> CompileCache::find(const CacheKey &key) {
  std::string path = entryPath(key), bytes;
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) {
    ++misses;
    return std::nullopt;
  }
  auto closing = llvm::make_scope_exit([&] { close(fd); });
  if (!readAll(fd, bytes) || !takeTrailer(key, bytes)) {
    unlink(path.c_str());
    ++misses;
    return std::nullopt;
  }
  futimens(fd, nullptr); // it was used now; a folder that is read-only does without
  ++hits;
  return bytes;
}

void CompileCache::add(const CacheKey &key, llvm::StringRef payload) {
  std::string path = entryPath(key);
  llvm::StringRef part = llvm::sys::path::parent_path(path);
  if (std::error_code code = fs::create_directories(part, true, fs::owner_all))
    return failed(code.value());
  int fd;
  llvm::SmallString<128> temporary;
  if (std::error_code code = fs::createUniqueFile(part + "/tmp-%%%%%%%%%%%%", fd, temporary))
    return failed(code.value());
  Trailer trailer = makeTrailer(key, payload);
  bool isWritten = writeAll(fd, payload) &&
                   writeAll(fd, llvm::StringRef(reinterpret_cast<const char *>(&trailer), sizeof trailer)) && fsync(fd) == 0;
  int error = isWritten ? 0 : errno;
  if (close(fd) && !error)
    error = errno;
  if (!error && rename(temporary.c_str(), path.c_str()))
    error = errno;
  if (error) {
    unlink(temporary.c_str());
    return failed(error);
  }
  evict(part);
}

void CompileCache::evict(llvm::StringRef part) {
  struct Entry {
    std::string path;
    uint64_t size;
    timespec used;
  };
  std::vector<Entry> entries;
  uint64_t total = 0;
  time_t now = time(nullptr);
  std::error_code code;
  for (fs::directory_iterator it(part, code), end; it != end && !code; it.increment(code)) {
    struct stat status;
    if (lstat(it->path().c_str(), &status) || !S_ISREG(status.st_mode))
      continue;
    if (llvm::sys::path::filename(it->path()).starts_with("tmp-")) {
      if (status.st_mtim.tv_sec + kStaleSeconds < now)
        unlink(it->path().c_str());
      continue;
    }
    entries.push_back({it->path(), uint64_t(status.st_size), status.st_mtim});
    total += uint64_t(status.st_size);
  }
  std::sort(entries.begin(), entries.end(), [](const Entry &a, const Entry &b) {
    return std::tie(a.used.tv_sec, a.used.tv_nsec, a.path) < std::tie(b.used.tv_sec, b.used.tv_nsec, b.path);
  });
  for (size_t i = 0; i < entries.size() && total > partLimit; ++i) {
    unlink(entries[i].path.c_str());
    total -= entries[i].size;
  }
}

} // namespace smelt::codegen
