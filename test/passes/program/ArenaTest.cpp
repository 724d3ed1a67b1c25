//===- ArenaTest.cpp - Plans are valid and near the liveness bound ----------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random lives: no two that meet overlap. A case in which largest-first is not
// enough reaches the bound.
//
//===----------------------------------------------------------------------===//
#include "passes/program/Arena.h"
#include "runtime/core/ArenaPlan.h"
#include <gtest/gtest.h>
#include <random>

using namespace smelt;

static void expectValid(llvm::ArrayRef<Lifetime> lives, int64_t &total) {
  llvm::SmallVector<int64_t> offsets = planArena(lives, total);
  ASSERT_EQ(offsets.size(), lives.size());
  for (size_t i = 0; i < lives.size(); ++i) {
    EXPECT_GE(offsets[i], 0);
    EXPECT_LE(offsets[i] + lives[i].bytes, total);
    for (size_t j = 0; j < i; ++j)
      if (lives[i].begin <= lives[j].end && lives[j].begin <= lives[i].end)
        EXPECT_TRUE(offsets[i] + lives[i].bytes <= offsets[j] || offsets[j] + lives[j].bytes <= offsets[i]);
  }
  EXPECT_GE(total, getLiveBytes(lives));
}

TEST(Arena, NothingTakesNothing) {
  int64_t total = -1;
  expectValid({}, total);
  EXPECT_EQ(total, 0);
}

TEST(Arena, RandomLives) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    llvm::SmallVector<Lifetime> lives;
    for (int i = 0, count = random() % 60; i < count; ++i) {
      int64_t begin = random() % 100;
      lives.push_back({int64_t(random() % 50) * 64, begin, begin + int64_t(random() % 20)});
    }
    int64_t total = 0;
    expectValid(lives, total);
    EXPECT_LE(total, getLiveBytes(lives) * 5 / 4);
  }
}

TEST(Arena, RunsPlanNearlyAsWell) {
  std::mt19937 random(11);
  for (int round = 0; round < 200; ++round) {
    llvm::SmallVector<Lifetime> lives;
    std::vector<rt::ArenaBuffer> buffers;
    std::vector<uint32_t> order, best, placed;
    for (int i = 0, count = random() % 60; i < count; ++i) {
      int64_t begin = random() % 100;
      lives.push_back({int64_t(random() % 50) * 64, begin, begin + int64_t(random() % 20)});
      buffers.push_back({lives.back().bytes, begin, lives.back().end, 0});
      order.push_back(i);
    }
    best.resize(order.size());
    placed.resize(order.size());
    std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return lives[a].bytes > lives[b].bytes; });
    int64_t total = rt::planBuffers(buffers.data(), order.data(), best.data(), placed.data(), order.size());
    EXPECT_EQ(total, planByRun(lives));
    EXPECT_EQ(rt::liveBytes(buffers.data(), buffers.size()), getLiveBytes(lives));
    EXPECT_LE(total, getLiveBytes(lives) * 4 / 3);
    for (size_t i = 0; i < buffers.size(); ++i)
      for (size_t j = 0; j < i; ++j)
        if (buffers[i].begin <= buffers[j].end && buffers[j].begin <= buffers[i].end)
          EXPECT_TRUE(buffers[i].offset + buffers[i].bytes <= buffers[j].offset ||
                      buffers[j].offset + buffers[j].bytes <= buffers[i].offset);
  }
}

TEST(Arena, ReachesTheBoundWhereLargestFirstDoesNot) {
  // 3 | 3 2 2 | 3 3 1 1, of which two and two follow each other.
  llvm::SmallVector<Lifetime> lives = {{192, 0, 3}, {192, 2, 5}, {128, 0, 1}, {128, 4, 7}, {64, 0, 7}, {192, 6, 7}};
  int64_t total = 0;
  expectValid(lives, total);
  EXPECT_EQ(total, getLiveBytes(lives));
}
