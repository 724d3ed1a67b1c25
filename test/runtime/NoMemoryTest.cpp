//===- NoMemoryTest.cpp - The n-th allocation fails, for every n -----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// This program's malloc fails on demand. Each operation of the runtime is
// tried with its first allocation failing, then its second, and so on, until
// it succeeds: always a status, never a crash. Leaks are counted too.
//
//===----------------------------------------------------------------------===//
#include "Files.h"
#include "Programs.h"
#include "runtime/compare/Compare.h"
#include <functional>

extern "C" {
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);
}

static bool isCounting = false, hasFailed = false;
static int64_t untilFailure = -1, live = 0;

static bool mayAllocate() {
  if (!isCounting)
    return true;
  if (untilFailure-- == 0) {
    hasFailed = true;
    return false;
  }
  return true;
}
static void *counted(void *memory) {
  live += isCounting && memory;
  return memory;
}

extern "C" void *malloc(size_t size) { return mayAllocate() ? counted(__libc_malloc(size)) : nullptr; }
// Compilers make one of a malloc whose memory is cleared.
extern "C" void *calloc(size_t n, size_t size) { return mayAllocate() ? counted(__libc_calloc(n, size)) : nullptr; }
extern "C" void *aligned_alloc(size_t alignment, size_t size) {
  return mayAllocate() ? counted(__libc_memalign(alignment, size)) : nullptr;
}
extern "C" int posix_memalign(void **memory, size_t alignment, size_t size) {
  if (!mayAllocate())
    return 12; // ENOMEM
  *memory = counted(__libc_memalign(alignment, size));
  return *memory ? 0 : 12;
}
extern "C" void free(void *memory) {
  live -= isCounting && memory;
  __libc_free(memory);
}

using namespace smelt::test;

namespace {

/// `operation` gives a code, and frees what it made.
void failEach(const char *what, const std::function<int(smelt_error *)> &operation, int least) {
  for (int64_t n = 0;; ++n) {
    smelt_error err{};
    hasFailed = false;
    live = 0;
    untilFailure = n;
    isCounting = true;
    int code = operation(&err);
    isCounting = false;
    EXPECT_EQ(live, 0) << what << " leaks when allocation " << n << " fails";
    if (!hasFailed) {
      EXPECT_EQ(code, SMELT_OK) << what << ": " << err.message;
      EXPECT_GE(n, least) << what << " has fewer allocations than this test was made for";
      return;
    }
    EXPECT_EQ(code, SMELT_NO_MEMORY) << what << ", allocation " << n << ": " << err.message;
    EXPECT_NE(err.message[0], 0) << what << ", allocation " << n;
    ASSERT_LT(n, 1000);
  }
}

TEST(NoMemory, OpeningAndRunning) {
  Assembler a;
  assembleScale(a);
  const Descriptor &d = a.finish();
  failEach("opening", [&](smelt_error *err) {
    smelt_module *m = nullptr;
    int code = smelt_module_create(&d, &m, err);
    smelt_module_release(m);
    return code;
  }, 4);
  Module m = open(d);
  float x[100] = {}; // no std::vector here: its allocations would throw
  int64_t dims[] = {100};
  smelt_tensor t{SMELT_F32, 1, dims, x, sizeof x};
  smelt_context_options options{};
  options.struct_size = sizeof options;
  options.threads = 1;
  failEach("a context and a run", [&](smelt_error *err) {
    smelt_context *c = nullptr;
    smelt_value *v = nullptr;
    int code = smelt_context_create(m.get(), &options, &c, err);
    if (!code)
      code = smelt_bind_input(c, 0, &t, err);
    if (!code) {
      smelt_context_set_profiling(c, 1);
      code = smelt_run(c, err);
    }
    if (!code)
      code = smelt_get_output_value(c, 0, &v, err);
    smelt_value_release(v);
    smelt_context_destroy(c);
    return code;
  }, 10);
}

TEST(NoMemory, Readers) {
  NamedValues values;
  for (DType dtype : {DType::F32, DType::String, DType::I4}) {
    NamedValue v;
    ASSERT_TRUE(v.name.appendf("v%d", static_cast<int>(dtype)));
    v.value = sample(dtype, {3});
    ASSERT_TRUE(values.push(std::move(v)));
  }
  Bytes npz, safe;
  smelt_error none{};
  ASSERT_EQ(writeNpz(values, npz, &none), SMELT_OK) << none.message;
  failEach("readNpz", [&](smelt_error *err) { NamedValues v; return readNpz(spanOf(npz), v, err); }, 6);
  failEach("writeNpz", [&](smelt_error *err) { Bytes b; return writeNpz(values, b, err); }, 6);
  NamedValues numbers;
  NamedValue one;
  ASSERT_TRUE(one.name.append("x"));
  one.value = sample(DType::F32, {3});
  ASSERT_TRUE(numbers.push(std::move(one)));
  ASSERT_EQ(writeSafetensors(numbers, safe, &none), SMELT_OK) << none.message;
  failEach("readSafetensors", [&](smelt_error *err) { NamedValues v; return readSafetensors(spanOf(safe), v, err); }, 4);
  failEach("writeSafetensors", [&](smelt_error *err) { Bytes b; return writeSafetensors(numbers, b, err); }, 2);
  for (NamedValue &v : values) {
    Bytes npy, pb;
    ASSERT_EQ(writeNpy(*v.value.get(), npy, &none), SMELT_OK);
    ASSERT_EQ(writeProto("name", *v.value.get(), pb, &none), SMELT_OK);
    failEach("readNpy", [&](smelt_error *err) { ValueRef r; return readNpy(spanOf(npy), r, err); }, 2);
    failEach("readProto", [&](smelt_error *err) { NamedValue r; return readProto(spanOf(pb), SMELT_TENSOR, r, err); }, 2);
    failEach("writeProto", [&](smelt_error *err) { Bytes b; return writeProto("name", *v.value.get(), b, err); }, 1);
  }
  failEach("readText", [&](smelt_error *err) { ValueRef r; return readText("2xstring=a,b", r, err); }, 3);
  ValueRef map(smelt_value_create_map(SMELT_STRING)), sequence(smelt_value_create_sequence());
  smelt_value_map_add_float(map.get(), "key", 3, 1);
  smelt_value_append(sequence.get(), map.get());
  Bytes pb;
  ASSERT_EQ(writeProto("seq", *sequence.get(), pb, &none), SMELT_OK);
  failEach("a sequence", [&](smelt_error *err) { NamedValue r; return readProto(spanOf(pb), SMELT_SEQUENCE, r, err); }, 6);
  failEach("writing a sequence", [&](smelt_error *err) { Bytes b; return writeProto("seq", *sequence.get(), b, err); }, 4);
}

TEST(NoMemory, HostOps) {
  Assembler a;
  a.input("p", DType::F32, {2});
  a.output("maps", DType::F32, {}, ValueKind::Sequence);
  a.output("names", DType::String, {1});
  int64_t two = a.imm(2), one = a.imm(1), keys = a.buf(), v = a.val(), w = a.val(), p = a.inputBuffer(0);
  int64_t cat = a.text("cat"), i64 = static_cast<int64_t>(DType::I64), str = static_cast<int64_t>(DType::String);
  a.op(Op::Const, {keys, a.constant<int64_t>({cat, cat, 0}), 24});
  a.op(Op::HostOp, {int64_t(HostOpCode::ZipMap), cat, 8, v, p, 1, 1, two, str, keys, 2});
  a.op(Op::OutputValue, {v, 0});
  int64_t index = a.buf(), eight = a.imm(8), sixteen = a.imm(16);
  a.op(Op::View, {index, keys, sixteen, eight});
  a.op(Op::HostOp, {int64_t(HostOpCode::StringLookup), cat, 7, w, index, i64, 1, one, keys, 2});
  a.op(Op::OutputValue, {w, 1});
  a.op(Op::End);
  Module m = open(a.finish());
  Context c = contextOf(m);
  float x[2] = {};
  int64_t dims[] = {2};
  smelt_tensor t{SMELT_F32, 1, dims, x, sizeof x};
  ASSERT_EQ(smelt_bind_input(c.get(), 0, &t, nullptr), SMELT_OK);
  // The context keeps its last values, so what one run makes the next frees.
  smelt_error err{};
  for (int64_t n = 0;; ++n) {
    hasFailed = false;
    untilFailure = n;
    isCounting = true;
    int code = smelt_run(c.get(), &err);
    isCounting = false;
    if (!hasFailed) {
      EXPECT_EQ(code, SMELT_OK) << err.message;
      EXPECT_GE(n, 8);
      break;
    }
    EXPECT_EQ(code, SMELT_NO_MEMORY) << n << ": " << err.message;
  }
}

} // namespace
