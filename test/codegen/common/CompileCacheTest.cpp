//===- CompileCacheTest.cpp - Entries whole, damaged, torn and too many -----===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "codegen/common/CompileCache.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <csignal>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace smelt::codegen;

namespace {

struct CompileCacheTest : testing::Test {
  CompileCacheTest() { EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("smelt-cache-test", folder)); }
  ~CompileCacheTest() override { llvm::sys::fs::remove_directories(folder); }
  llvm::SmallString<128> folder;
  CacheKey key = hashKey("a kernel");
};

std::string bytesOf(int seed, size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i)
    bytes[i] = char(unsigned(seed) * 31 + i * 7 + i / 251);
  return bytes;
}

bool exists(const std::string &path) { return access(path.c_str(), F_OK) == 0; }

/// A key of the part that all of a test's keys share.
CacheKey siblingOf(const CacheKey &key, int i) {
  CacheKey other = hashKey("sibling " + std::to_string(i));
  other[0] = key[0];
  return other;
}

void setAge(const std::string &path, time_t seconds) {
  timespec times[2] = {};
  times[0].tv_sec = times[1].tv_sec = time(nullptr) - seconds;
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

TEST_F(CompileCacheTest, FindsWhatWasAdded) {
  CompileCache cache(folder.str().str());
  EXPECT_EQ(cache.find(key), std::nullopt);
  for (size_t size : {0u, 1u, 100000u}) {
    cache.add(key, bytesOf(1, size));
    EXPECT_EQ(cache.find(key), bytesOf(1, size));
  }
  EXPECT_EQ(cache.getHits(), 3u);
  EXPECT_EQ(cache.getMisses(), 1u);
  EXPECT_EQ(cache.getUnwritten(), 0u);
  EXPECT_EQ(CompileCache(folder.str().str()).find(hashKey("another kernel")), std::nullopt);
}

TEST_F(CompileCacheTest, EveryFlippedByteIsAMissAndRemoved) {
  CompileCache cache(folder.str().str());
  std::string path = cache.entryPath(key);
  for (off_t at = 0; at < 100 + 80; ++at) {
    cache.add(key, bytesOf(2, 100));
    int fd = open(path.c_str(), O_RDWR);
    struct stat status;
    fstat(fd, &status);
    ASSERT_EQ(status.st_size, 180);
    char byte;
    ASSERT_EQ(pread(fd, &byte, 1, at), 1);
    byte ^= 4;
    ASSERT_EQ(pwrite(fd, &byte, 1, at), 1);
    close(fd);
    EXPECT_EQ(cache.find(key), std::nullopt) << at;
    EXPECT_FALSE(exists(path)) << at;
  }
}

TEST_F(CompileCacheTest, EveryLengthBelowItsOwnIsAMiss) {
  CompileCache cache(folder.str().str());
  for (off_t size = 0; size < 180; ++size) {
    cache.add(key, bytesOf(3, 100));
    ASSERT_EQ(truncate(cache.entryPath(key).c_str(), size), 0);
    EXPECT_EQ(cache.find(key), std::nullopt) << size;
  }
}

TEST_F(CompileCacheTest, AnotherKeysEntryIsAMiss) {
  CompileCache cache(folder.str().str());
  CacheKey other = siblingOf(key, 0);
  cache.add(key, "of the first key");
  ASSERT_EQ(rename(cache.entryPath(key).c_str(), cache.entryPath(other).c_str()), 0);
  EXPECT_EQ(cache.find(other), std::nullopt);
}

TEST_F(CompileCacheTest, LinksAreNotFollowed) {
  CompileCache cache(folder.str().str());
  cache.add(key, "x");
  std::string elsewhere = (folder + "/elsewhere").str();
  ASSERT_EQ(rename(cache.entryPath(key).c_str(), elsewhere.c_str()), 0);
  ASSERT_EQ(symlink(elsewhere.c_str(), cache.entryPath(key).c_str()), 0);
  EXPECT_EQ(cache.find(key), std::nullopt);
}

TEST_F(CompileCacheTest, EvictsWhatWasUsedLongestAgo) {
  CompileCache cache(folder.str().str(), 256 * 4 * 1080); // four entries of 1080 bytes in a part
  for (int i = 0; i < 4; ++i) {
    cache.add(siblingOf(key, i), bytesOf(i, 1000));
    setAge(cache.entryPath(siblingOf(key, i)), 1000 - i);
  }
  EXPECT_TRUE(cache.find(siblingOf(key, 0))); // the oldest is used again
  cache.add(siblingOf(key, 4), bytesOf(4, 1000));
  EXPECT_TRUE(cache.find(siblingOf(key, 0)));
  EXPECT_FALSE(cache.find(siblingOf(key, 1)));
  for (int i : {2, 3, 4})
    EXPECT_EQ(cache.find(siblingOf(key, i)), bytesOf(i, 1000));
}

TEST_F(CompileCacheTest, RemovesTemporaryFilesWithoutAWriter) {
  CompileCache cache(folder.str().str());
  cache.add(key, "x");
  std::string part = llvm::sys::path::parent_path(cache.entryPath(key)).str();
  for (const char *name : {"/tmp-old", "/tmp-new"})
    close(open((part + name).c_str(), O_CREAT | O_WRONLY, 0600));
  setAge(part + "/tmp-old", 7200);
  cache.add(key, "x");
  EXPECT_FALSE(exists(part + "/tmp-old"));
  EXPECT_TRUE(exists(part + "/tmp-new"));
}

TEST_F(CompileCacheTest, AFolderThatCannotBeWrittenIsCounted) {
  std::string file = (folder + "/file").str();
  close(open(file.c_str(), O_CREAT | O_WRONLY, 0600));
  CompileCache cache(file + "/below"); // fails for root too
  cache.add(key, "x");
  EXPECT_EQ(cache.getUnwritten(), 1u);
  EXPECT_EQ(cache.getWriteError(), std::errc::not_a_directory);
  EXPECT_EQ(cache.find(key), std::nullopt);
}

/// Writers are killed at any point; what a reader finds is whole.
TEST_F(CompileCacheTest, KilledWritersLeaveNothingTorn) {
  constexpr int kKeys = 4;
  int found = 0;
  for (int round = 0; round < 150; ++round) {
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      CompileCache cache(folder.str().str());
      for (int i = 0;; ++i)
        cache.add(siblingOf(key, i % kKeys), bytesOf(i % kKeys, size_t(20000 + i % kKeys)));
    }
    usleep(useconds_t(300 + round * 37 % 5000));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    CompileCache cache(folder.str().str());
    for (int i = 0; i < kKeys; ++i)
      if (exists(cache.entryPath(siblingOf(key, i)))) {
        EXPECT_EQ(cache.find(siblingOf(key, i)), bytesOf(i, size_t(20000 + i))) << round;
        ++found;
      }
  }
  EXPECT_GT(found, 100);
}

} // namespace
