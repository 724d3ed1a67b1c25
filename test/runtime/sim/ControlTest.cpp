//===- ControlTest.cpp - Branches, barriers, races --------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "test/runtime/sim/SimTest.h"

namespace smelt::sim {
namespace {

const std::string kOut = "  mul.wide.u32 %rd20, %r0, 4; add.s64 %rd21, %rd0, %rd20;\n";

TEST(Control, LanesThatDivergeMeetAgain) {
  // Each lane counts to its own number; then all vote, which wants them together.
  Fixture f(kernel(kOut + R"(
  mov.b32 %r1, 0;
LOOP:
  setp.ge.u32 %p1, %r1, %r0;
  @%p1 bra OUT;
  add.u32 %r1, %r1, 1;
  bra LOOP;
OUT:
  setp.eq.u32 %p2, %r1, %r0;
  vote.sync.ballot.b32 %r2, %p2, 0xffffffff;
  st.global.b32 [%rd21], %r2;)",
                   1));
  uint64_t out = f.unwritten(128);
  LaunchResult result = f.run({out});
  expectClean(result);
  EXPECT_EQ(f.read<uint32_t>(out, 32), std::vector<uint32_t>(32, ~0u));
  EXPECT_EQ(result.counters.divergentBranches, 31u); // the last lane goes alone
}

TEST(Control, IndexedBranches) {
  Fixture f(kernel(kOut + R"(
  rem.u32 %r1, %r0, 3;
T: .branchtargets A, B, C;
  brx.idx %r1, T;
A: mov.b32 %r2, 10; bra.uni END;
B: mov.b32 %r2, 20; bra.uni END;
C: mov.b32 %r2, 30;
END: st.global.b32 [%rd21], %r2;)",
                   1));
  uint64_t out = f.unwritten(128);
  expectClean(f.run({out}));
  std::vector<uint32_t> got = f.read<uint32_t>(out, 32);
  for (uint32_t l = 0; l < 32; ++l)
    EXPECT_EQ(got[l], 10 * (l % 3 + 1));
}

TEST(Control, LanesThatSpinDoNotStarveTheOthers) {
  // Lane 0 waits, at a lower place, for what lane 1 writes later.
  Fixture f(kernel(R"(
  setp.eq.u32 %p1, %r0, 0;
  @!%p1 bra WRITE;
SPIN:
  ld.volatile.global.u32 %r1, [%rd0];
  setp.eq.u32 %p2, %r1, 0;
  @%p2 bra SPIN;
  bra END;
WRITE:
  st.volatile.global.u32 [%rd0], %r0;
END:)",
                   1));
  uint64_t flag = f.buffer(std::vector<uint32_t>{0});
  expectClean(f.run({flag}, {2}));
}

/// Warp 1 reads what warp 0 wrote, through shared memory.
std::string exchange(const std::string &between) {
  return kernel(kOut + R"(
  shl.b32 %r1, %r0, 2;
  mov.u32 %r9, buf;
  add.u32 %r2, %r9, %r1;
  st.shared.b32 [%r2], %r0;
)" + between + R"(
  xor.b32 %r3, %r1, 128;
  add.u32 %r3, %r9, %r3;
  ld.shared.b32 %r4, [%r3];
  st.global.b32 [%rd21], %r4;)",
                1, ".shared .align 4 .b8 buf[256];\n");
}
TEST(Control, BarriersOrderAndTheirLackIsARace) {
  for (uint64_t seed : {0, 1, 2, 3}) {
    Fixture good(exchange("bar.sync 0;"));
    uint64_t out = good.unwritten(256);
    expectClean(good.run({out}, {64}, {}, 0, seed));
    std::vector<uint32_t> got = good.read<uint32_t>(out, 64);
    for (uint32_t t = 0; t < 64; ++t)
      EXPECT_EQ(got[t], t ^ 32);
    Fixture bad(exchange(""));
    LaunchResult result = bad.run({bad.unwritten(256)}, {64}, {}, 0, seed);
    ASSERT_FALSE(result.findings.empty());
    // Which way round depends on who was first.
    EXPECT_TRUE(result.findings[0].kind == Finding::Race || result.findings[0].kind == Finding::Uninitialised)
        << result.findings[0].message;
  }
  // A second write needs a second barrier.
  std::string again = exchange("bar.sync 0;");
  again.replace(again.find("  st.global.b32 [%rd21], %r4;"), 0, "  st.shared.b32 [%r2], %r4;\n");
  Fixture bad(again);
  expectFinding(bad.run({bad.unwritten(256)}, {64}), Finding::Race, "with no barrier between them");
}

TEST(Control, NamedBarriersOfSomeWarps) {
  // Warp 0 produces and arrives; warp 1 waits; warps 2 and 3 take no part.
  std::string body = R"(
  shr.u32 %r5, %r0, 5;
  setp.eq.u32 %p1, %r5, 0; setp.eq.u32 %p2, %r5, 1;
  and.b32 %r6, %r0, 31; shl.b32 %r6, %r6, 2; mov.u32 %r9, buf; add.u32 %r7, %r9, %r6;
  @!%p1 bra NEXT;
  st.shared.b32 [%r7], %r0;
  bar.arrive 1, 64;
NEXT:
  @!%p2 bra END;
  bar.sync 1, 64;
  ld.shared.b32 %r8, [%r7];
  mul.wide.u32 %rd5, %r6, 1; add.s64 %rd6, %rd0, %rd5;
  st.global.b32 [%rd6], %r8;
END:)";
  Fixture f(kernel(body, 1, ".shared .align 4 .b8 buf[128];\n"));
  uint64_t out = f.unwritten(128);
  expectClean(f.run({out}, {128}));
  EXPECT_EQ(f.read<uint32_t>(out, 32)[5], 5u);
  std::string wrong = body;
  wrong.replace(wrong.find("bar.sync 1, 64"), 14, "bar.sync 1, 96");
  Fixture g(kernel(wrong, 1, ".shared .align 4 .b8 buf[128];\n"));
  expectFinding(g.run({g.unwritten(128)}, {128}), Finding::Barrier, "with 96 threads, by others with 64");
}

TEST(Control, BarriersReduce) {
  Fixture f(kernel(kOut + R"(
  setp.lt.u32 %p1, %r0, 40;
  bar.red.popc.u32 %r1, 0, %p1;
  bar.red.and.pred %p2, 0, %p1;
  bar.red.or.pred %p3, 0, %p1;
  selp.b32 %r2, 1000, 0, %p2; selp.b32 %r3, 100, 0, %p3;
  add.u32 %r1, %r1, %r2; add.u32 %r1, %r1, %r3;
  st.global.b32 [%rd21], %r1;)",
                   1));
  uint64_t out = f.unwritten(256);
  expectClean(f.run({out}, {64}));
  EXPECT_EQ(f.read<uint32_t>(out, 64), std::vector<uint32_t>(64, 140));
}

TEST(Control, DeadlocksSayWhereEveryWarpStands) {
  Fixture f(kernel(R"(
  setp.lt.u32 %p1, %r0, 32;
  @%p1 bra END;
  bar.sync 0;
END:)",
                   1));
  LaunchResult result = f.run({0}, {96});
  expectFinding(result, Finding::Deadlock, "warp 1 waits in line");
  EXPECT_NE(result.findings[0].message.find("at barrier 0, where 64 of 96 threads arrived"), std::string::npos)
      << result.findings[0].message;
}

TEST(Control, CollectivesWantTheWholeWarp) {
  Fixture f(kernel(R"(
  setp.lt.u32 %p1, %r0, 8;
  @%p1 bra OTHER;
  vote.sync.any.pred %p2, %p1, 0xffffffff;
  bra END;
OTHER:
  vote.sync.all.pred %p2, %p1, 0xffffffff;
END:)",
                   1));
  expectFinding(f.run({0}), Finding::PartialWarp, "but this lane is elsewhere");
}

TEST(Control, WhatNeverGotAValueIsTold) {
  Fixture branch(kernel("@%p5 bra END;\nEND:", 1));
  expectFinding(branch.run({0}), Finding::Uninitialised, "a guard");
  Fixture address(kernel("ld.global.b32 %r1, [%rd9];", 1));
  expectFinding(address.run({0}), Finding::Uninitialised, "an address in %rd9");
  // Values pass through arithmetic and memory without a word, until they matter.
  Fixture through(kernel(R"(
  add.u32 %r1, %r7, 1;
  st.global.b32 [%rd0], %r1;
  ld.global.b32 %r2, [%rd0];
  setp.eq.u32 %p1, %r2, 0;
  @%p1 bra END;
END:)",
                         1));
  expectFinding(through.run({through.unwritten(4)}, {1}), Finding::Uninitialised, "a guard");
  EXPECT_TRUE(through.run({through.unwritten(4)}, {1}, {}, 0, 0, false).findings.empty());
}

TEST(Control, EndlessKernelsEnd) {
  Fixture f(kernel("L: bra L;", 1));
  Launch launch;
  launch.kernel = "k";
  launch.block = {32};
  launch.arguments = {std::vector<uint8_t>(8)};
  launch.maxWarpInstructions = 100000;
  expectFinding(f.device->launch(launch), Finding::Limit, "more than 100000 instructions");
}

} // namespace
} // namespace smelt::sim
