//===- MemoryTest.cpp - Loads, stores, atomics, copies ----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "test/runtime/sim/SimTest.h"
#include <algorithm>
#include <bit>
#include <numeric>

namespace smelt::sim {
namespace {

std::vector<uint32_t> iota(size_t count) {
  std::vector<uint32_t> values(count);
  std::iota(values.begin(), values.end(), 0);
  return values;
}

TEST(Memory, VectorsAndExtension) {
  Fixture f(kernel(R"(
  mul.wide.u32 %rd5, %r0, 16; add.s64 %rd6, %rd0, %rd5; add.s64 %rd7, %rd1, %rd5;
  ld.global.v4.b32 {%r1, %r2, %r3, %r4}, [%rd6];
  ld.global.nc.s8 %r5, [%rd6]; add.s32 %r2, %r2, %r5;
  st.global.v2.b32 [%rd7], {%r4, %r3};
  st.global.v2.b32 [%rd7+8], {%r2, %r1};)",
                   2));
  std::vector<uint32_t> in = iota(128);
  in[4] = 0x80; // -128 as s8
  uint64_t out = f.unwritten(512);
  LaunchResult result = f.run({f.buffer(in), out});
  expectClean(result);
  std::vector<uint32_t> got = f.read<uint32_t>(out, 128);
  EXPECT_EQ(got[0], 3u);
  EXPECT_EQ(got[4], 7u);
  EXPECT_EQ(got[6], uint32_t(5 - 128));
  EXPECT_EQ(got[7], 0x80u);
  EXPECT_EQ(result.counters.globalSectors, 16u + 16 + 16 + 16); // of 32 bytes; the byte loads touch one of two each
}

TEST(Memory, RangesAndAlignment) {
  std::string body = "  mul.wide.u32 %rd5, %r0, 4; add.s64 %rd6, %rd0, %rd5; ld.global.b32 %r1, [%rd6+";
  Fixture beyond(kernel(body + "4];", 1));
  expectFinding(beyond.run({beyond.buffer(iota(32))}), Finding::OutOfBounds,
                "lane 31: out of bounds: a load of 4 bytes");
  Fixture odd(kernel(body + "2];", 1));
  expectFinding(odd.run({odd.buffer(iota(64))}), Finding::Misaligned, "lane 0");
  Fixture freed(kernel(body + "0];", 1));
  uint64_t at = freed.buffer(iota(32));
  freed.device->free(at);
  expectFinding(freed.run({at}), Finding::OutOfBounds, "nothing is allocated");
  Fixture shared(kernel("mov.u32 %r1, buf; st.shared.b32 [%r1+64], %r0;", 1, ".shared .align 4 .b8 buf[64];\n"));
  expectFinding(shared.run({0}, {1}), Finding::OutOfBounds, "shared address 64, which has 64 bytes");
  Fixture constant(kernel("mov.u32 %r1, 9; st.global.b32 [%rd0], %r1;", 1));
  EXPECT_TRUE(constant.run({constant.unwritten(4)}, {1}).findings.empty());
}

TEST(Memory, VariablesAndSpaces) {
  Fixture f(kernel(R"(
  mov.u64 %rd5, table; add.s64 %rd5, %rd5, 4; ld.const.b32 %r1, [table+8];
  cvta.const.u64 %rd6, %rd5; ld.b32 %r2, [%rd6];
  ld.global.b32 %r3, [counter];
  mov.u64 %rd7, spill; cvta.local.u64 %rd8, %rd7; st.b32 [%rd8+4], %r1; ld.local.b32 %r4, [spill+4];
  add.u32 %r5, %r1, %r2; add.u32 %r5, %r5, %r3; add.u32 %r5, %r5, %r4;
  st.global.b32 [%rd0], %r5;)",
                   1, ".const .align 4 .b32 table[3] = {1, 10, 100};\n.global .align 4 .u32 counter = 1000;\n", "sm_80",
                   "  .local .align 4 .b8 spill[8];\n"));
  uint64_t out = f.unwritten(4);
  expectClean(f.run({out}, {1}));
  EXPECT_EQ(f.read<uint32_t>(out, 1)[0], 100u + 10 + 1000 + 100);
  EXPECT_NE(f.device->addressOf("counter"), 0u);
}

TEST(Memory, Atomics) {
  Fixture f(kernel(R"(
  atom.global.add.u32 %r1, [%rd0], 1;
  atom.global.max.s32 %r2, [%rd0+4], %r0;
  atom.global.cas.b32 %r3, [%rd0+8], 0, 7;
  red.global.add.f32 [%rd0+12], 0f3F000000;
  atom.global.inc.u32 %r4, [%rd0+16], 9;
  mul.wide.u32 %rd5, %r0, 4; add.s64 %rd6, %rd1, %rd5; st.global.b32 [%rd6], %r1;)",
                   2));
  uint64_t cells = f.buffer(std::vector<uint32_t>(5, 0)), out = f.unwritten(256);
  expectClean(f.run({cells, out}, {64}));
  std::vector<uint32_t> got = f.read<uint32_t>(cells, 5), old = f.read<uint32_t>(out, 64);
  EXPECT_EQ(got[0], 64u);
  EXPECT_EQ(got[1], 63u);
  EXPECT_EQ(got[2], 7u);
  EXPECT_EQ(got[3], std::bit_cast<uint32_t>(32.0f));
  EXPECT_EQ(got[4], 4u);
  std::sort(old.begin(), old.end());
  EXPECT_EQ(old, iota(64));
}

TEST(Memory, OneWordOfTwoValuesIsARace) {
  Fixture f(kernel("mov.u32 %r1, buf; st.shared.b32 [%r1], %r0;", 1, ".shared .align 4 .b8 buf[4];\n"));
  expectFinding(f.run({0}), Finding::Race, "stores another value to the same shared address");
  Fixture same(kernel("mov.u32 %r1, buf; st.shared.b32 [%r1], 5;", 1, ".shared .align 4 .b8 buf[4];\n"));
  expectClean(same.run({0}));
}

TEST(Memory, BankConflictsAreCounted) {
  for (auto [stride, wavefronts] : {std::pair(4u, 1u), {8u, 2u}, {128u, 32u}, {0u, 1u}}) {
    Fixture f(kernel("mov.u32 %r1, buf; mad.lo.u32 %r2, %r0, " + std::to_string(stride) +
                         ", %r1; st.shared.b32 [%r2], 1; ld.shared.b32 %r3, [%r2];",
                     1, ".shared .align 16 .b8 buf[4096];\n"));
    LaunchResult result = f.run({0});
    expectClean(result);
    EXPECT_EQ(result.counters.sharedRequests, 2u);
    EXPECT_EQ(result.counters.sharedWavefronts, 2 * wavefronts) << stride;
  }
}

/// A copy of 16 bytes a lane, then a read of the neighbour's.
std::string copying(const std::string &wait) {
  return kernel(R"(
  mul.wide.u32 %rd5, %r0, 16; add.s64 %rd6, %rd0, %rd5;
  mov.u32 %r1, buf; mad.lo.u32 %r2, %r0, 16, %r1;
  cp.async.cg.shared.global [%r2], [%rd6], 16;
  cp.async.commit_group;
)" + wait + R"(
  xor.b32 %r3, %r0, 33; mad.lo.u32 %r4, %r3, 16, %r1;
  ld.shared.b32 %r5, [%r4];
  mul.wide.u32 %rd7, %r0, 4; add.s64 %rd8, %rd1, %rd7; st.global.b32 [%rd8], %r5;)",
                2, ".shared .align 16 .b8 buf[1024];\n");
}
TEST(Memory, AsynchronousCopiesAreWaitedFor) {
  Fixture good(copying("cp.async.wait_group 0; bar.sync 0;"));
  uint64_t out = good.unwritten(256);
  expectClean(good.run({good.buffer(iota(256)), out}, {64}));
  EXPECT_EQ(good.read<uint32_t>(out, 64)[3], 4u * (3 ^ 33));
  Fixture noWait(copying("bar.sync 0;"));
  expectFinding(noWait.run({noWait.buffer(iota(256)), noWait.unwritten(256)}, {64}), Finding::Race,
                "that was not waited for");
  Fixture early(copying("cp.async.wait_group 1; bar.sync 0;"));
  expectFinding(early.run({early.buffer(iota(256)), early.unwritten(256)}, {64}), Finding::Race,
                "that was not waited for");
  // The other warp's copy is finished, but nothing says so to this one.
  Fixture noBarrier(copying("cp.async.wait_group 0;"));
  EXPECT_FALSE(noBarrier.run({noBarrier.buffer(iota(256)), noBarrier.unwritten(256)}, {64}).findings.empty());
  // Bytes behind the given size are zeros, and their source is not read.
  Fixture cut(kernel(R"(
  mov.u32 %r1, buf; mov.b32 %r2, 4;
  cp.async.ca.shared.global [%r1], [%rd0], 16, %r2;
  cp.async.wait_all;
  ld.shared.v2.b32 {%r3, %r4}, [%r1];
  st.global.v2.b32 [%rd1], {%r3, %r4};)",
                     2, ".shared .align 16 .b8 buf[16];\n"));
  uint64_t result = cut.unwritten(8);
  expectClean(cut.run({cut.buffer(std::vector<uint32_t>{9}), result}, {1}));
  EXPECT_EQ(cut.read<uint32_t>(result, 2), (std::vector<uint32_t>{9, 0}));
}

TEST(Memory, LaunchesAreChecked) {
  std::string text = kernel("", 1);
  Fixture f(text);
  auto refuses = [&](Launch launch, const char *why) {
    launch.kernel = launch.kernel.empty() ? "k" : launch.kernel;
    expectFinding(f.device->launch(launch), Finding::Limit, why);
  };
  Launch launch;
  launch.kernel = "other";
  refuses(launch, "no kernel 'other'");
  launch = {};
  launch.block = {2048};
  refuses(launch, "2048 threads");
  launch = {};
  refuses(launch, "0 arguments, the kernel has 1");
  launch.arguments = {{1, 2, 3}};
  refuses(launch, "argument 0 has 3 bytes");
  launch.dynamicShared = 200 << 10;
  refuses(launch, "bytes of shared memory");
}

} // namespace
} // namespace smelt::sim
