//===- ThreadPoolTest.cpp - Shares, barriers, sleeping and waking ----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs segments directly on a pool.
//
//===----------------------------------------------------------------------===//
#include "runtime/cpu/ThreadPool.h"
#include <gtest/gtest.h>
#include <thread>
#include <vector>

using namespace smelt::rt;

namespace {

struct Pool {
  explicit Pool(uint32_t threads) {
    smelt_error err{};
    EXPECT_EQ(pool.start(threads, true, &err), SMELT_OK) << err.message;
    scratch.assign(threads, nullptr);
  }
  ThreadPool pool;
  std::vector<void *> scratch;
};

/// Each workgroup counts itself.
void count(void *const *b, const int64_t *, int64_t begin, int64_t end, void *) {
  for (int64_t i = begin; i < end; ++i)
    static_cast<std::atomic<int> *>(b[0])[i]++;
}

TEST(ThreadPool, EveryWorkgroupRunsOnce) {
  for (uint32_t threads : {1u, 2u, 3u, 8u}) {
    Pool p(threads);
    for (int64_t grid : {0, 1, 2, 7, 100, 1001}) {
      std::vector<std::atomic<int>> hits(static_cast<size_t>(grid) + 1);
      void *buffers[] = {hits.data()};
      DispatchRecord r{count, buffers, nullptr, grid};
      p.pool.run(&r, 1, p.scratch.data(), nullptr);
      for (int64_t i = 0; i < grid; ++i)
        EXPECT_EQ(hits[i], 1) << threads << " threads, grid " << grid;
      EXPECT_EQ(hits[grid], 0);
    }
  }
}

/// to[i] = the sum of all of from: wrong if any part of the one before is missing.
void prefix(void *const *b, const int64_t *s, int64_t begin, int64_t end, void *) {
  auto *from = static_cast<int64_t *>(b[0]), *to = static_cast<int64_t *>(b[1]);
  for (int64_t i = begin; i < end; ++i) {
    to[i] = 1;
    for (int64_t k = 0; k < s[0]; ++k)
      to[i] += from[k] & 0xff;
  }
}

TEST(ThreadPool, DispatchesOfASegmentAreInOrder) {
  for (uint32_t threads : {1u, 2u, 5u}) {
    Pool p(threads);
    for (int round = 0; round < 200; ++round) {
      // Grids of 1 between larger ones: the barriers that are left out.
      int64_t grids[] = {8, 1, 1, 8, 8, 1, 8};
      std::vector<std::vector<int64_t>> levels(8, std::vector<int64_t>(8, 0));
      std::vector<std::vector<void *>> buffers;
      std::vector<DispatchRecord> records;
      std::vector<int64_t> wanted(8, 0), symbols;
      buffers.reserve(8);
      symbols.reserve(8);
      for (int i = 0; i < 7; ++i) {
        symbols.push_back(i ? grids[i - 1] : 8);
        buffers.push_back({levels[i].data(), levels[i + 1].data()});
        records.push_back({prefix, buffers.back().data(), &symbols.back(), grids[i]});
      }
      p.pool.run(records.data(), records.size(), p.scratch.data(), nullptr);
      int64_t value = 0;
      for (int i = 0; i < 7; ++i) {
        value = 1 + symbols[i] * (value & 0xff);
        for (int64_t k = 0; k < grids[i]; ++k)
          ASSERT_EQ(levels[i + 1][k], value) << "level " << i << " round " << round;
      }
    }
  }
}

TEST(ThreadPool, SleepersWakeUp) {
  Pool p(3);
  std::vector<std::atomic<int>> hits(9);
  void *buffers[] = {hits.data()};
  DispatchRecord r{count, buffers, nullptr, 9};
  for (int i = 0; i < 5; ++i) {
    // Longer than any spin: the workers are in the futex.
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    p.pool.run(&r, 1, p.scratch.data(), nullptr);
  }
  for (auto &h : hits)
    EXPECT_EQ(h, 5);
}

TEST(ThreadPool, TimesAreTakenAndPoolsRestart) {
  Pool p(2);
  std::vector<std::atomic<int>> hits(4);
  void *buffers[] = {hits.data()};
  DispatchRecord r[] = {{count, buffers, nullptr, 4}, {count, buffers, nullptr, 1}};
  uint64_t times[3] = {};
  p.pool.run(r, 2, p.scratch.data(), times);
  EXPECT_GT(times[0], 0u);
  EXPECT_GE(times[1], times[0]);
  EXPECT_GE(times[2], times[1]);
  p.pool.stop();
  EXPECT_EQ(p.pool.size(), 1u);
  ASSERT_EQ(p.pool.start(2, false, nullptr), SMELT_OK);
  p.pool.run(r, 2, p.scratch.data(), nullptr);
  EXPECT_EQ(hits[0], 4);
  EXPECT_EQ(hits[3], 2);
}

/// The caller and the worker tell the CPUs they run on; each of the two workgroups
/// waits for the other, so that one thread cannot compute both.
void whereAmI(void *const *b, const int64_t *, int64_t begin, int64_t, void *) {
  auto &started = *static_cast<std::atomic<int> *>(b[1]);
  bool isCaller = pthread_equal(pthread_self(), *static_cast<pthread_t *>(b[2]));
  started.fetch_add(1);
  while (started.load() < 2)
    sched_yield();
  static_cast<int *>(b[0])[isCaller ? 0 : 1] = sched_getcpu();
}

TEST(ThreadPool, WorkersMakeWayForACallerThatMoved) {
  cpu_set_t all;
  ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
  if (CPU_COUNT(&all) < 2)
    GTEST_SKIP() << "one CPU";
  Pool p(2);
  int where[2] = {};
  std::atomic<int> started{0};
  pthread_t caller = pthread_self();
  void *buffers[] = {where, &started, &caller};
  DispatchRecord r{whereAmI, buffers, nullptr, 2};
  for (int i = 0; i < 20; ++i) {
    started = 0;
    p.pool.run(&r, 1, p.scratch.data(), nullptr);
    // To where the worker was: the next segment must find them apart.
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(where[1], &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    int mine = where[1];
    started = 0;
    p.pool.run(&r, 1, p.scratch.data(), nullptr);
    EXPECT_EQ(where[0], mine);
    EXPECT_NE(where[1], mine);
    ASSERT_EQ(sched_setaffinity(0, sizeof all, &all), 0);
  }
}

} // namespace
