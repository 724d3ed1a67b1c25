//===- VerifyTest.cpp - A corrupt artifact is a status, never a crash --------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each field of the descriptor and each kind of operand is made wrong; then
// thousands of random mutations of whole programs are opened and run.
//
//===----------------------------------------------------------------------===//
#include "Programs.h"
#include <random>

using namespace smelt::test;

namespace {

/// Opens and expects `code` with `text` in the message.
void refused(const Descriptor &d, int code, const std::string &text) {
  smelt_module *m = nullptr;
  smelt_error err{};
  EXPECT_EQ(smelt_module_create(&d, &m, &err), code) << err.message;
  EXPECT_EQ(m, nullptr);
  EXPECT_EQ(err.code, code);
  EXPECT_NE(std::string(err.message).find(text), std::string::npos) << err.message;
  smelt_module_release(m);
}

class Descriptors : public testing::Test {
protected:
  void SetUp() override {
    assembleScale(a);
    d = a.finish();
  }
  Assembler a;
  Descriptor d;
};

TEST_F(Descriptors, AreChecked) {
  smelt_error err{};
  smelt_module *m = nullptr;
  EXPECT_EQ(smelt_module_create(nullptr, &m, &err), SMELT_USAGE);
  d.magic[0] = 'X';
  refused(d, SMELT_BAD_DATA, "its magic is not 'SMELTART'");
  d = a.finish();
  d.abiMajor = 2;
  refused(d, SMELT_UNSUPPORTED, "ABI version 2.0, this runtime wants 1.x");
  d = a.finish();
  d.abiMinor = kAbiMinor + 1;
  refused(d, SMELT_UNSUPPORTED, "this runtime knows up to");
  d = a.finish();
  d.arch = smelt::rt::hostArch() == Arch::X86_64 ? Arch::AArch64 : Arch::X86_64;
  refused(d, SMELT_UNSUPPORTED, "this machine is");
  d = a.finish();
  d.checksum ^= 1;
  refused(d, SMELT_BAD_DATA, "checksum");
  d = a.finish();
  a.manifest[2] = 'N'; // the manifest is under the checksum too
  refused(d, SMELT_BAD_DATA, "checksum");
}

TEST_F(Descriptors, NeedTheCpuTheyName) {
  d.cpuLevel = 9;
  refused(d, SMELT_BAD_DATA, "which does not exist");
  d = a.finish();
  d.cpuExtras = 1u << 20;
  refused(d, SMELT_UNSUPPORTED, "needs the CPU feature");
  d = a.finish();
  d.cpuLevel = smelt::rt::hostCpuLevel();
  d.cpuExtras = smelt::rt::hostCpuExtras();
  EXPECT_TRUE(open(d));
#if defined(__x86_64__)
  // What the compiler's own probe says.
  EXPECT_EQ(smelt::rt::hostCpuLevel() >= kCpuX86V3, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
  EXPECT_EQ(smelt::rt::hostCpuLevel() == kCpuX86V4, __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"));
#endif
}

TEST_F(Descriptors, HaveTheirSections) {
  d.programWords = 3;
  refused(d, SMELT_BAD_DATA, "has 3 words");
  d = a.finish();
  d.strings = nullptr;
  refused(d, SMELT_BAD_DATA, "strings");
  d = a.finish();
  d.stringsSize -= 1;
  refused(d, SMELT_BAD_DATA, "do not end in NUL");
  d = a.finish();
  d.constants = a.pool + 1;
  d.constantsSize = 8;
  refused(d, SMELT_BAD_DATA, "not aligned to 64");
  d = a.finish();
  a.kernels[0] = nullptr;
  refused(a.finish(), SMELT_BAD_DATA, "kernel 0 of the artifact has no address");
}

/// One instruction with one operand out of range each.
TEST(Verify, OperandsAreInRange) {
  struct {
    std::vector<int64_t> words;
    const char *message;
  } cases[] = {
      {{99}, "an opcode 99, it must be in 0..42"},
      {{int64_t(Op::Move), 0, 5}, "word 25 (Move) holds register 5, it must be in 0..4"},
      {{int64_t(Op::Move), -1, 0}, "register -1"},
      {{int64_t(Op::Free), 3}, "buffer 3"},
      {{int64_t(Op::InputDim), 0, 1, 0}, "input 1"},
      {{int64_t(Op::InputDim), 0, 0, 1}, "a dim 1"},
      {{int64_t(Op::Check), 0, 1000000}, "text 1000000"},
      {{int64_t(Op::Const), 0, 60, 8}, "a constant whose end is 68"},
      {{int64_t(Op::Const), 0, INT64_MAX - 1, INT64_MAX - 1}, "a constant whose end is"},
      {{int64_t(Op::Output), 0, 0, 2, 0, 0}, "is set with rank 2, a tensor of rank 1"},
      {{int64_t(Op::Output), 0, 0, 17}, "a count 17"},
      {{int64_t(Op::OutputValue), 0, 0}, "is a tensor, but set from a host value"},
      {{int64_t(Op::InputValue), 0, 0}, "which is not a host value"},
      {{int64_t(Op::Plan), 0, 1, 0, 9, 0, 0}, "register 9"},
      {{int64_t(Op::Plan), 0, 1, 0, 0, -1, 0}, "literal -1"},
      {{int64_t(Op::Plan), 0, 100000}, "a count 100000"},
      {{int64_t(Op::Read), 0, 0, 0, int64_t(DType::String)}, "has dtype string"},
      {{int64_t(Op::Jump), 1}, "not the beginning of an instruction"},
      {{int64_t(Op::Jump), 1000}, "jump target 1000"},
      {{int64_t(Op::Segment), 2, int64_t(Op::End)}, "does not fit"},
      {{int64_t(Op::Segment), 1, int64_t(Op::Jump), 0, 0, 0, 0, 0, 0}, "Jump at word 25 stands inside a segment"},
      {{int64_t(Op::Dispatch), 1, 0, 0, 0, 0, 0}, "kernel 1"},
      {{int64_t(Op::Dispatch), 0, 0, 0, 0, 2, 0, 0, 0}, "a count 2"}, // more symbols than declared
      {{int64_t(Op::Dispatch), 0, 0, 0, 0, 0, 5000}, "a count 5000"},
      {{int64_t(Op::HostOp), 77, 0, 0}, "host op 77"},
      {{int64_t(Op::Move), 0}, "it ends at word 25 inside Move"},
      {{int64_t(Op::LoadImm), 0}, "it ends inside LoadImm"},
  };
  for (auto &t : cases) {
    Assembler a;
    a.input("x", DType::F32, {3});
    a.output("y", DType::F32, {3});
    a.output("z", DType::F32, {-1}); // named by the empty string at 0
    a.kernel(scaleKernel);
    a.constant<float>({1});
    a.registers = 5;
    a.buffers = 3;
    a.values = 1;
    a.maxSymbols = 1;
    a.code = t.words;
    if (t.words[0] != int64_t(Op::Move) || t.words.size() != 2)
      if (t.words[0] != int64_t(Op::LoadImm))
        a.op(Op::End);
    refused(a.finish(), SMELT_BAD_DATA, t.message);
  }
}

TEST(Verify, TheHeaderAndTheRecords) {
  auto with = [](HeaderField field, int64_t value, const char *message) {
    Assembler a;
    assembleScale(a);
    a.finish();
    a.program[field] = value;
    refused(a.seal(), SMELT_BAD_DATA, message);
  };
  with(kRegisterCount, -1, "a register count -1");
  with(kRegisterCount, int64_t(1) << 40, "a register count");
  with(kInputCount, 1 << 19, "do not fit");
  with(kCodeOffset, 20, "the code offset is 20");
  with(kMaxSymbols, 5000, "a symbol count");
  auto record = [](int64_t word, int64_t value, const char *message) {
    Assembler a;
    assembleScale(a);
    a.finish();
    a.program[kHeaderWords + word] = value;
    refused(a.seal(), SMELT_BAD_DATA, message);
  };
  record(0, 1 << 20, "a text");
  record(1, 4, "a kind 4");
  record(2, 0, "a dtype 0");
  record(2, 27, "a dtype 27");
  record(3, 17, "rank of 'x' is not in -1..16");
  record(4, -100000, "a dim's name");
  record(4, int64_t(1) << 41, "a dim");
}

TEST(Verify, AProgramEndsWithEndOrJump) {
  Assembler a;
  a.imm(1);
  refused(a.finish(), SMELT_BAD_DATA, "it ends with LoadImm, End or Jump is wanted");
}

TEST(Verify, HostOpsNeedTheirLibrary) {
  Assembler a; // this test does not link it
  a.output("v", DType::F32, {}, ValueKind::Sequence);
  int64_t v = a.val(), b = a.buf();
  a.op(Op::HostOp, {int64_t(HostOpCode::ToValue), 0, 4, v, b, int64_t(DType::F32), 0});
  a.op(Op::End);
  refused(a.finish(), SMELT_UNSUPPORTED, "needs the host op ToValue: link libsmelt_hostops.a");
}

/// Any mutated program is refused, or runs to a status. The kernel only looks
/// at its arguments' own memory: what it does with them is the compiler's.
TEST(Verify, MutatedProgramsNeverCrash) {
  auto harmless = [](void *const *, const int64_t *, int64_t, int64_t, void *) {};
  std::mt19937_64 random(42);
  int opened = 0, ran = 0;
  for (int round = 0; round < 20000; ++round) {
    Assembler a;
    assembleScale(a);
    a.kernels[0] = harmless;
    a.finish();
    int changes = 1 + static_cast<int>(random() % 3);
    for (int i = 0; i < changes; ++i) {
      int64_t &word = a.program[random() % a.program.size()];
      switch (random() % 4) {
      case 0: word = static_cast<int64_t>(random() % 48); break;
      case 1: word ^= int64_t(1) << random() % 64; break;
      case 2: word = -word - 1; break;
      default: word += static_cast<int64_t>(random() % 3) - 1; break;
      }
    }
    if (random() % 8 == 0)
      a.program.resize(random() % a.program.size() + 1);
    a.seal();
    smelt_module *m = nullptr;
    smelt_error err{};
    int code = smelt_module_create(&a.d, &m, &err);
    if (code) {
      EXPECT_NE(err.message[0], 0);
      EXPECT_TRUE(code == SMELT_BAD_DATA || code == SMELT_UNSUPPORTED) << code;
      continue;
    }
    ++opened;
    Module module(m);
    smelt_context_options options{};
    options.struct_size = sizeof options;
    options.threads = 1;
    options.memory_limit = 64 << 20;
    smelt_context *c = nullptr;
    ASSERT_EQ(smelt_context_create(m, &options, &c, &err), SMELT_OK) << err.message;
    Context context(c);
    smelt_context_set_deadline_ms(c, 5);
    for (size_t i = 0; i < smelt_module_input_count(m); ++i) {
      smelt_port port;
      smelt_module_input(m, i, &port);
      alignas(16) static char data[1 << 16];
      int64_t dims[16], bytes = static_cast<int64_t>(smelt_dtype_size(port.dtype));
      for (int32_t k = 0; k < port.rank; ++k)
        bytes *= dims[k] = port.dims[k] < 0 ? 3 : port.dims[k];
      smelt_tensor t{port.dtype, port.rank < 0 ? 0 : port.rank, dims, data, static_cast<size_t>(bytes)};
      if (bytes >= 0 && bytes <= int64_t(sizeof data))
        smelt_bind_input(c, i, &t, &err);
    }
    ran += smelt_run(c, &err) == SMELT_OK;
  }
  EXPECT_GT(opened, 1000);
  EXPECT_GT(ran, 300);
}

} // namespace
