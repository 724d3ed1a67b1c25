//===- ParserTest.cpp - PTX text --------------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "test/runtime/sim/SimTest.h"
#include <ostream>

namespace smelt::sim {
namespace {

TEST(Parser, ModulesVariablesAndDirectives) {
  std::string text = header("sm_90a, debug") + R"(
.file 1 "a.cu"
.global .align 16 .b8 table[4][2] = {{1, 2}, {3}};
.const .f32 half = 0f3F000000;
.extern .shared .align 1024 .b8 arena[];
.visible .entry k(.param .u64 .ptr .global .align 16 a, .param .align 64 .b8 map[128])
.reqntid 128, 1, 1 .minnctapersm 1
{ /* a
     comment */ .reg .b32 %r<3>; .reg .pred p;
  .loc 1 2 3
  mov.u32 %r0, 0x1F; mov.b32 %r1, 0b101; mov.b32 %r2, 017;
  { .reg .b32 %r1; mov.b32 %r1, -1; bra DONE; DONE: }
  setp.ne.s32 p, %r0, %r1;
  @!p bra DONE;
DONE: ret; }
)";
  std::vector<Diagnostic> diagnostics;
  auto m = parse(text, "t", diagnostics);
  ASSERT_TRUE(m) << diagnostics[0].message;
  EXPECT_EQ(m->target, "sm_90a");
  ASSERT_EQ(m->variables.size(), 3u);
  EXPECT_EQ(m->variables[0].bytes, 8u);
  EXPECT_EQ(m->variables[0].initial, (std::vector<uint8_t>{1, 2, 3, 0, 0, 0, 0, 0}));
  EXPECT_EQ(m->variables[1].initial, (std::vector<uint8_t>{0, 0, 0, 0x3f}));
  EXPECT_TRUE(m->variables[2].isExtern);
  const Function &f = m->functions[0];
  EXPECT_EQ(*f.requiredThreads, (std::vector<uint32_t>{128, 1, 1}));
  EXPECT_EQ(f.params[1].bytes, 128u);
  EXPECT_EQ(f.body[1].operands[1].bits, 5u);
  EXPECT_EQ(f.body[2].operands[1].bits, 15u);
  // The inner scope has a register and a label of its own.
  EXPECT_EQ(f.registers[f.body[3].operands[0].index].name, "%r1");
  EXPECT_NE(f.body[3].operands[0].index, f.body[1].operands[0].index);
  EXPECT_EQ(f.labels[f.body[4].operands[0].index], 5u);
  EXPECT_EQ(f.labels[f.body[6].operands[0].index], 7u);
  EXPECT_TRUE(f.body[6].guardNegated);
}

struct Case {
  const char *body, *message;
  int exitCode;
};
void PrintTo(const Case &c, std::ostream *out) { *out << c.body; }
class Defects : public testing::TestWithParam<Case> {};
TEST_P(Defects, AreNamedWithTheirPlace) {
  const Case &c = GetParam();
  std::string text = kernel(c.body);
  std::vector<Diagnostic> diagnostics;
  auto m = parse(text, "t", diagnostics);
  if (m)
    EXPECT_EQ(Device::load(*m, diagnostics), nullptr);
  ASSERT_FALSE(diagnostics.empty());
  EXPECT_NE(diagnostics[0].message.find(c.message), std::string::npos) << diagnostics[0].message;
  EXPECT_EQ(diagnostics[0].exitCode, c.exitCode) << diagnostics[0].message;
  EXPECT_GT(diagnostics[0].at.line, 13u);
}
INSTANTIATE_TEST_SUITE_P(
    All, Defects,
    testing::Values(Case{"add.s32 %r1, %r2;", "2 operands, want 3", 65},
                    Case{"add.s32 %r1, %r2, %rd3;", "a register of 64 bits, want 32", 65},
                    Case{"add.q32 %r1, %r2, %r3;", "a form that the interpreter does not have", 69},
                    Case{"add.s32.sat %r1, %r2, %r3;", "a form", 69}, Case{"frobnicate.b32 %r1;", "an instruction", 69},
                    Case{"mov.b32 %r1, %r99;", "is no register, variable", 65},
                    Case{"bra nowhere;", "'nowhere' is no register, variable, function or label", 65},
                    Case{"mov.b32 %r1, %r2", "found 'ret', want ','", 65},
                    Case{"mov.b32 %r1, 99999999999999999999;", "want an operand", 65},
                    Case{"ld.global.b32 %r1, [%r2];", "an address of 32 bits, want 64", 65},
                    Case{"ld.global.v4.b64 {%rd1, %rd2, %rd3, %rd4}, [%rd0];", "32 bytes, want at most 16", 65},
                    Case{"add.f32 %f1, %f2, 3;", "an integer, want a floating-point number", 65},
                    Case{"cvt.f32.s32 %f1, %r1;", "wants .rn", 65}, Case{"L: L: mov.b32 %r1, 0;", "stands twice", 65},
                    Case{".reg .b32 %x; .reg .b32 %x;", "declared twice", 65},
                    Case{"mma.sync.aligned.m16n8k16.row.col.f32.tf32.tf32.f32 {%f0}, {%r0}, {%r1}, {%f0};",
                         "a shape that these types do not have", 65},
                    Case{"bar.sync 16;", "want at most 15", 65},
                    Case{"cp.async.cg.shared.global [%r1], [%rd0], 8;", ".cg wants 16", 65}));

TEST(Parser, CutTextsAreDiagnosedAndNeverCrash) {
  std::string text =
      kernel("{ .reg .b32 %t; @%p1 bra L; ld.global.v2.b32 {%r1, %r2}, [%rd0+8]; L: mov.b32 %r3, 0f3F800000; }");
  for (size_t length = 0; length < text.size(); ++length) {
    std::vector<Diagnostic> diagnostics;
    auto m = parse(text.substr(0, length), "t", diagnostics);
    EXPECT_TRUE(m || !diagnostics.empty());
  }
  uint64_t state = 7;
  for (int i = 0; i < 3000; ++i) {
    std::string mutated = text;
    for (int k = 0; k < 3; ++k) {
      state = state * 6364136223846793005ull + 1442695040888963407ull;
      mutated[(state >> 33) % mutated.size()] = char(32 + (state >> 20) % 95);
    }
    std::vector<Diagnostic> diagnostics;
    auto m = parse(mutated, "t", diagnostics);
    if (m)
      Device::load(*m, diagnostics);
  }
}

} // namespace
} // namespace smelt::sim
