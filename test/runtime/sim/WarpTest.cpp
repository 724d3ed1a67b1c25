//===- WarpTest.cpp - Instructions between lanes ----------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "test/runtime/sim/SimTest.h"
#include <functional>

namespace smelt::sim {
namespace {

void check(const std::string &body, std::function<uint32_t(uint32_t)> wanted, uint32_t lanes = 32) {
  SCOPED_TRACE(body);
  Fixture f(kernel("  mul.lo.u32 %r1, %r0, 3; mul.wide.u32 %rd20, %r0, 4; add.s64 %rd21, %rd0, %rd20;\n  " + body +
                       "\n  st.global.b32 [%rd21], %r2;",
                   1));
  uint64_t out = f.unwritten(128);
  expectClean(f.run({out}, {lanes}));
  std::vector<uint32_t> got = f.read<uint32_t>(out, 32);
  for (uint32_t l = 0; l < lanes; ++l)
    EXPECT_EQ(got[l], wanted(l)) << "lane " << l;
}

TEST(Warp, Shuffles) {
  check("shfl.sync.bfly.b32 %r2, %r1, 5, 31, 0xffffffff;", [](uint32_t l) { return 3 * (l ^ 5); });
  check("shfl.sync.idx.b32 %r2, %r1, 7, 31, 0xffffffff;", [](uint32_t) { return 21; });
  check("shfl.sync.up.b32 %r2|%p1, %r1, 4, 0, 0xffffffff; @!%p1 mov.b32 %r2, 77;",
        [](uint32_t l) { return l < 4 ? 77 : 3 * (l - 4); });
  check("shfl.sync.down.b32 %r2|%p1, %r1, 4, 31, 0xffffffff; @!%p1 mov.b32 %r2, 77;",
        [](uint32_t l) { return l > 27 ? 77 : 3 * (l + 4); });
  // Segments of eight lanes: mask 0x18 in bits 8 to 12, clamp 7 within.
  check("shfl.sync.idx.b32 %r2, %r1, 3, 0x181f, 0xffffffff;", [](uint32_t l) { return 3 * ((l & 24) + 3); });
  check("shfl.sync.down.b32 %r2|%p1, %r1, 1, 0x1807, 0xffffffff; @!%p1 mov.b32 %r2, 99;",
        [](uint32_t l) { return l % 8 == 7 ? 99 : 3 * (l + 1); });
}
TEST(Warp, VotesMatchesAndReductions) {
  check("setp.lt.u32 %p1, %r0, 5; vote.sync.ballot.b32 %r2, %p1, 0xffffffff;", [](uint32_t) { return 31; });
  check("setp.lt.u32 %p1, %r0, 5; vote.sync.any.pred %p2, %p1, 0xffffffff; selp.b32 %r2, 1, 0, %p2;",
        [](uint32_t) { return 1; });
  check("setp.lt.u32 %p1, %r0, 5; vote.sync.all.pred %p2, !%p1, 0xffffffff; selp.b32 %r2, 1, 0, %p2;",
        [](uint32_t) { return 0; });
  check("and.b32 %r3, %r0, 3; match.any.sync.b32 %r2, %r3, 0xffffffff;",
        [](uint32_t l) { return 0x11111111u << (l & 3); });
  check("match.all.sync.b32 %r2|%p1, 4, 0xffffffff;", [](uint32_t) { return ~0u; });
  check("redux.sync.add.s32 %r2, %r1, 0xffffffff;", [](uint32_t) { return 3 * 496; });
  check("sub.s32 %r1, %r1, 40; redux.sync.min.s32 %r2, %r1, 0xffffffff;", [](uint32_t) { return uint32_t(-40); });
  check("activemask.b32 %r2;", [](uint32_t) { return 0x1fff; }, 13);
  check("mov.u32 %r2, %lanemask_lt;", [](uint32_t l) { return (1u << l) - 1; });
  // A part of the warp among itself.
  check("mov.b32 %r2, 0; setp.ge.u32 %p1, %r0, 16; @%p1 bra E; redux.sync.add.u32 %r2, %r0, 0xffff; E:",
        [](uint32_t l) { return l < 16 ? 120 : 0; });
}
TEST(Warp, MembersMustBeThere) {
  Fixture f(kernel("setp.ge.u32 %p1, %r0, 16; @%p1 bra E; redux.sync.add.u32 %r2, %r0, 0x1ffff; E:", 1));
  expectFinding(f.run({0}), Finding::PartialWarp, "lane 16");
  Fixture g(kernel("redux.sync.add.u32 %r2, %r0, 0x7fffffff;", 1));
  expectFinding(g.run({0}), Finding::PartialWarp, "without being a member");
}

} // namespace
} // namespace smelt::sim
