//===- InterpreterTest.cpp - Every Op of a host program -------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs hand-assembled programs and checks values and statuses.
//
//===----------------------------------------------------------------------===//
#include "Programs.h"
#include <climits>

using namespace smelt::test;

namespace {

/// Runs `a`, whose output 0 is an i64 scalar written by the program.
int runScalar(Assembler &a, int64_t *result, std::string *message = nullptr) {
  Module m = open(a.finish());
  Context c = contextOf(m);
  smelt_error err{};
  int code = smelt_run(c.get(), &err);
  if (message)
    *message = err.message;
  if (!code && result)
    *result = outputOf<int64_t>(c, 0)[0];
  return code;
}

/// The result of a binary op on two immediates.
int binary(Op op, int64_t x, int64_t y, int64_t *result, std::string *message = nullptr) {
  Assembler a;
  a.output("y", DType::I64, {});
  int64_t rx = a.imm(x), ry = a.imm(y), r = a.reg(), zero = a.imm(0), b = a.buf();
  a.op(op, {r, rx, ry});
  a.op(Op::Output, {b, 0, 0});
  a.op(Op::Write, {b, zero, r, static_cast<int64_t>(DType::I64)});
  a.op(Op::End);
  return runScalar(a, result, message);
}

TEST(Interpreter, Arithmetic) {
  struct {
    Op op;
    int64_t x, y, wanted;
  } cases[] = {
      {Op::Add, 2, 3, 5},        {Op::Sub, 2, 3, -1},      {Op::Mul, -4, 3, -12},    {Op::FloorDiv, 7, 2, 3},
      {Op::FloorDiv, -7, 2, -4}, {Op::FloorDiv, 7, -2, -4}, {Op::FloorDiv, -8, 2, -4}, {Op::CeilDiv, 7, 2, 4},
      {Op::CeilDiv, -7, 2, -3},  {Op::CeilDiv, 8, 2, 4},   {Op::Mod, 7, 3, 1},       {Op::Mod, -7, 3, 2},
      {Op::Mod, 7, -3, -2},      {Op::Min, 2, -3, -3},     {Op::Max, 2, -3, 2},      {Op::CmpEq, 2, 2, 1},
      {Op::CmpNe, 2, 2, 0},      {Op::CmpLt, 1, 2, 1},     {Op::CmpLt, 2, 2, 0},     {Op::CmpLe, 2, 2, 1},
      {Op::And, 5, 0, 0},        {Op::And, 5, 6, 1},       {Op::Or, 0, 6, 1},        {Op::Or, 0, 0, 0},
  };
  for (auto &t : cases) {
    int64_t result = 99;
    std::string message;
    EXPECT_EQ(binary(t.op, t.x, t.y, &result, &message), SMELT_OK) << message;
    EXPECT_EQ(result, t.wanted) << static_cast<int64_t>(t.op) << " of " << t.x << ", " << t.y;
  }
}

TEST(Interpreter, OverflowAndDivisionByZeroAreStatuses) {
  std::string message;
  EXPECT_EQ(binary(Op::Add, INT64_MAX, 1, nullptr, &message), SMELT_BAD_DATA);
  EXPECT_NE(message.find("overflows 64 bits"), std::string::npos) << message;
  EXPECT_EQ(binary(Op::Sub, INT64_MIN, 1, nullptr), SMELT_BAD_DATA);
  EXPECT_EQ(binary(Op::Mul, INT64_MAX, 2, nullptr), SMELT_BAD_DATA);
  EXPECT_EQ(binary(Op::FloorDiv, INT64_MIN, -1, nullptr), SMELT_BAD_DATA);
  for (Op op : {Op::FloorDiv, Op::CeilDiv, Op::Mod}) {
    EXPECT_EQ(binary(op, 1, 0, nullptr, &message), SMELT_BAD_DATA);
    EXPECT_NE(message.find("divides by zero"), std::string::npos) << message;
  }
}

TEST(Interpreter, LoopSelectMoveNot) {
  // sum of 1..10 by a loop; then Select and Not.
  Assembler a;
  a.output("y", DType::I64, {});
  int64_t i = a.imm(10), sum = a.imm(0), one = a.imm(1), zero = a.imm(0), b = a.buf(), flag = a.reg(), r = a.reg();
  int64_t top = a.here();
  a.op(Op::Add, {sum, sum, i});
  a.op(Op::Sub, {i, i, one});
  int64_t exit = a.here();
  a.op(Op::JumpIfZero, {i, 0});
  a.op(Op::Jump, {top});
  a.code[exit + 2] = a.here();
  a.op(Op::Not, {flag, i}); // 1
  a.op(Op::Select, {r, flag, sum, zero});
  a.op(Op::Move, {sum, r});
  a.op(Op::Output, {b, 0, 0});
  a.op(Op::Write, {b, zero, sum, static_cast<int64_t>(DType::I64)});
  a.op(Op::End);
  int64_t result = 0;
  EXPECT_EQ(runScalar(a, &result), SMELT_OK);
  EXPECT_EQ(result, 55);
}

TEST(Interpreter, EndlessLoopMeetsItsDeadline) {
  Assembler a;
  a.op(Op::Jump, {0});
  Module m = open(a.finish());
  Context c = contextOf(m);
  smelt_context_set_deadline_ms(c.get(), 20);
  smelt_error err{};
  EXPECT_EQ(smelt_run(c.get(), &err), SMELT_DEADLINE);
  EXPECT_STREQ(err.message, "the run took longer than its deadline of 20 ms");
}

TEST(Interpreter, DynamicShapeThroughTheArena) {
  Assembler a;
  assembleScale(a);
  Module m = open(a.finish());
  Context c = contextOf(m, 2);
  for (int64_t n : {1, 100, 16, 0, 5000}) {
    std::vector<float> x(n), wanted(n);
    for (int64_t i = 0; i < n; ++i) {
      x[i] = static_cast<float>(i);
      wanted[i] = 2.0f * static_cast<float>(i) + 1;
    }
    smelt_error err{};
    ASSERT_EQ(bindTo(c, 0, {n}, x, &err), SMELT_OK) << err.message;
    ASSERT_EQ(smelt_run(c.get(), &err), SMELT_OK) << err.message;
    EXPECT_EQ(outputOf<float>(c, 0), wanted);
  }
}

/// Three buffers in a row, each alive with its neighbours: two places are enough. A
/// plan stays while it covers the sizes; the next has a quarter to spare.
TEST(Interpreter, PlansTheArenaBySizes) {
  Assembler a;
  a.input("x", DType::F32, {a.dim("N")});
  a.output("y", DType::I64, {4});
  int64_t n = a.reg(), bytes = a.reg(), total = a.reg(), at[3] = {a.reg(), a.reg(), a.reg()}, y = a.buf(), four = a.imm(4);
  a.op(Op::InputDim, {n, 0, 0});
  a.op(Op::Mul, {bytes, n, four});
  a.op(Op::Plan, {total, 3, at[0], bytes, 0, 1, at[1], bytes, 1, 2, at[2], bytes, 2, 3});
  a.op(Op::Arena, {total});
  for (int64_t offset : at)
    a.op(Op::ArenaAt, {a.buf(), offset, bytes});
  a.op(Op::Output, {y, 0, 1, four});
  for (int64_t i = 0; i < 4; ++i)
    a.op(Op::Write, {y, a.imm(i), i == 0 ? total : at[i - 1], int64_t(DType::I64)});
  a.op(Op::End);
  Module m = open(a.finish());
  Context c = contextOf(m);
  for (auto [size, place] : {std::pair<int64_t, int64_t>{16, 64}, {3, 64}, {100, 512}, {120, 512}, {0, 512}, {129, 704}}) {
    std::vector<float> x(size);
    smelt_error err{};
    ASSERT_EQ(bindTo(c, 0, {size}, x, &err), SMELT_OK) << err.message;
    ASSERT_EQ(smelt_run(c.get(), &err), SMELT_OK) << err.message;
    EXPECT_EQ(outputOf<int64_t>(c, 0), (std::vector<int64_t>{2 * place, 0, place, 0})) << size;
  }
}

TEST(Interpreter, ChecksNameTheInput) {
  Assembler a;
  a.input("left", DType::F32, {a.dim("N")});
  a.input("right", DType::F32, {a.dim("N")});
  int64_t n = a.reg(), two = a.imm(2), ok = a.reg();
  a.op(Op::InputDim, {n, 0, 0});
  a.op(Op::CheckDim, {n, 1, 0});
  a.op(Op::CmpLe, {ok, two, n});
  a.op(Op::Check, {ok, a.text("N must be at least 2")});
  a.op(Op::End);
  Module m = open(a.finish());
  Context c = contextOf(m);
  std::vector<float> left(3), right(4), one(1);
  smelt_error err{};
  bindTo(c, 0, {3}, left);
  bindTo(c, 1, {4}, right);
  EXPECT_EQ(smelt_run(c.get(), &err), SMELT_BAD_DATA);
  EXPECT_STREQ(err.message, "input 'right' has 4 as dim 0 (4), N = 3 is wanted");
  bindTo(c, 0, {1}, one);
  bindTo(c, 1, {1}, one);
  EXPECT_EQ(smelt_run(c.get(), &err), SMELT_BAD_DATA);
  EXPECT_STREQ(err.message, "N must be at least 2");
  bindTo(c, 0, {3}, left);
  bindTo(c, 1, {3}, left);
  EXPECT_EQ(smelt_run(c.get(), &err), SMELT_OK) << err.message;
}

TEST(Interpreter, PoolSwapViewReadWrite) {
  // Two pool buffers, swapped; element 1 of a view of the second is read.
  Assembler a;
  a.output("y", DType::I64, {});
  int64_t i64 = static_cast<int64_t>(DType::I64);
  int64_t bytes = a.imm(24), eight = a.imm(8), sixteen = a.imm(16), zero = a.imm(0), two = a.imm(2), v = a.imm(7),
          w = a.imm(9), r = a.reg();
  int64_t p = a.buf(), q = a.buf(), view = a.buf(), y = a.buf();
  a.op(Op::Alloc, {p, bytes});
  a.op(Op::Alloc, {q, bytes});
  a.op(Op::Write, {p, two, v, i64});
  a.op(Op::Write, {q, two, w, i64});
  a.op(Op::Swap, {p, q});
  a.op(Op::View, {view, p, eight, sixteen});
  a.op(Op::Read, {r, view, a.imm(1), i64});
  a.op(Op::Free, {q});
  a.op(Op::Output, {y, 0, 0});
  a.op(Op::Write, {y, zero, r, i64});
  a.op(Op::End);
  int64_t result = 0;
  std::string message;
  EXPECT_EQ(runScalar(a, &result, &message), SMELT_OK) << message;
  EXPECT_EQ(result, 9);
}

TEST(Interpreter, FloatsReadAsSizesAreTruncated) {
  for (auto [value, wanted, code] : {std::tuple{3.9f, int64_t(3), 0}, {-3.9f, int64_t(-3), 0}, {1e30f, int64_t(0), 65}}) {
    Assembler a;
    a.output("y", DType::I64, {});
    int64_t c = a.buf(), y = a.buf(), zero = a.imm(0), r = a.reg();
    a.op(Op::Const, {c, a.constant<float>({value}), 4});
    a.op(Op::Read, {r, c, zero, static_cast<int64_t>(DType::F32)});
    a.op(Op::Output, {y, 0, 0});
    a.op(Op::Write, {y, zero, r, static_cast<int64_t>(DType::I64)});
    a.op(Op::End);
    int64_t result = 0;
    EXPECT_EQ(runScalar(a, &result), code);
    EXPECT_EQ(result, wanted);
  }
}

TEST(Interpreter, MisuseOfBuffersIsAStatus) {
  int64_t i64 = static_cast<int64_t>(DType::I64);
  auto failing = [&](auto build) {
    Assembler a;
    build(a);
    a.op(Op::End);
    std::string message;
    EXPECT_EQ(runScalar(a, nullptr, &message), SMELT_BAD_DATA);
    return message;
  };
  EXPECT_NE(failing([&](Assembler &a) { a.op(Op::Read, {a.reg(), a.buf(), a.imm(0), i64}); }).find("used before it is set"),
            std::string::npos);
  EXPECT_NE(failing([&](Assembler &a) {
              int64_t b = a.buf();
              a.op(Op::Alloc, {b, a.imm(8)});
              a.op(Op::Read, {a.reg(), b, a.imm(1), i64});
            }).find("element 1 of a tensor with 1 elements"),
            std::string::npos);
  EXPECT_NE(failing([&](Assembler &a) {
              int64_t b = a.buf();
              a.op(Op::Alloc, {b, a.imm(8)});
              a.op(Op::View, {a.buf(), b, a.imm(4), a.imm(8)});
            }).find("a view of 8 bytes at 4 does not fit in 8"),
            std::string::npos);
  EXPECT_NE(failing([&](Assembler &a) {
              a.op(Op::Arena, {a.imm(64)});
              a.op(Op::ArenaAt, {a.buf(), a.imm(-64), a.imm(64)});
            }).find("does not fit in 64 bytes"),
            std::string::npos);
  EXPECT_NE(failing([&](Assembler &a) {
              int64_t b = a.buf();
              a.op(Op::Const, {b, a.constant<int64_t>({1}), 8});
              a.op(Op::Write, {b, a.imm(0), a.imm(0), i64});
            }).find("is written to"),
            std::string::npos);
  EXPECT_NE(failing([&](Assembler &a) {
              a.op(Op::Arena, {a.imm(64)});
              a.op(Op::ArenaAt, {a.buf(), a.imm(0), a.imm(64)});
              a.op(Op::Arena, {a.imm(128)});
            }).find("the arena grows"),
            std::string::npos);
  EXPECT_NE(failing([&](Assembler &a) {
              a.op(Op::Plan, {a.reg(), 1, a.reg(), a.imm(-1), 0, 0});
            }).find("a tensor of -1 bytes in the arena"),
            std::string::npos);
  EXPECT_NE(failing([&](Assembler &a) { a.output("never", DType::F32, {}); }).find("without setting output 'never'"),
            std::string::npos);
  EXPECT_NE(failing([&](Assembler &a) {
              int64_t k = a.kernel(scaleKernel), b = a.buf();
              a.dispatch(k, a.imm(-1), a.imm(0), "bad", {}, {b});
            }).find("kernel 'bad' has -1 workgroups"),
            std::string::npos);
}

TEST(Interpreter, AHugeTensorIsRefusedNotTried) {
  Assembler a;
  a.op(Op::Alloc, {a.buf(), a.imm(int64_t(1) << 46)});
  a.op(Op::End);
  std::string message;
  EXPECT_EQ(runScalar(a, nullptr, &message), SMELT_NO_MEMORY);
  EXPECT_NE(message.find("the limit is"), std::string::npos) << message;
}

/// Adds scratch[0], set by the kernel itself, to the output.
void scratchKernel(void *const *b, const int64_t *s, int64_t begin, int64_t end, void *scratch) {
  auto *own = static_cast<int64_t *>(scratch);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(scratch) % 64, 0u);
  for (int64_t i = begin; i < end; ++i) {
    for (int64_t k = 0; k < s[0]; ++k)
      own[k] = i + s[1];
    static_cast<int64_t *>(b[0])[i] = own[s[0] - 1];
  }
}

TEST(Interpreter, ScratchIsPerThreadAndProfileNamesDispatches) {
  Assembler a;
  a.output("y", DType::I64, {1000});
  int64_t k = a.kernel(scratchKernel), y = a.buf(), grid = a.imm(1000), words = a.imm(512), bytes = a.imm(4096), hundred = a.imm(100);
  a.op(Op::Output, {y, 0, 1, grid});
  a.op(Op::Segment, {2});
  a.dispatch(k, grid, bytes, "first", {words, hundred}, {y});
  a.dispatch(k, grid, bytes, "second", {words, words}, {y});
  a.op(Op::End);
  Module m = open(a.finish());
  Context c = contextOf(m, 3);
  smelt_context_set_profiling(c.get(), 1);
  smelt_error err{};
  ASSERT_EQ(smelt_run(c.get(), &err), SMELT_OK) << err.message;
  std::vector<int64_t> result = outputOf<int64_t>(c, 0);
  for (int64_t i = 0; i < 1000; ++i)
    EXPECT_EQ(result[i], i + 512);
  size_t count;
  const smelt_profile_event *events = smelt_context_profile(c.get(), &count);
  ASSERT_EQ(count, 2u);
  EXPECT_STREQ(events[0].name, "first");
  EXPECT_STREQ(events[1].name, "second");
  EXPECT_EQ(events[1].grid, 1000);
  EXPECT_GT(events[0].duration_ns, 0u);
  EXPECT_GE(events[1].start_ns, events[0].start_ns + events[0].duration_ns);
}

} // namespace
