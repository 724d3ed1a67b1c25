//===- ContextTest.cpp - Modules, contexts and bindings by the C API ----------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a caller can get wrong, ownership, allocators and threads.
//
//===----------------------------------------------------------------------===//
#include "Programs.h"
#include <atomic>
#include <thread>

using namespace smelt::test;

namespace {

class Scale : public testing::Test {
protected:
  void SetUp() override {
    assembleScale(a);
    m = open(a.finish());
    c = contextOf(m);
  }
  std::string wrong(int wanted, int found) {
    EXPECT_EQ(found, wanted) << err.message;
    return err.message;
  }
  int bindTensor(smelt_tensor t) { return smelt_bind_input(c.get(), 0, &t, &err); }

  Assembler a;
  Module m;
  Context c;
  smelt_error err{};
};

TEST_F(Scale, IsDescribed) {
  EXPECT_EQ(smelt_api_version(), 1u);
  ASSERT_EQ(smelt_module_input_count(m.get()), 1u);
  ASSERT_EQ(smelt_module_output_count(m.get()), 1u);
  smelt_port port;
  ASSERT_EQ(smelt_module_input(m.get(), 0, &port), SMELT_OK);
  EXPECT_STREQ(port.name, "x");
  EXPECT_EQ(port.kind, SMELT_TENSOR);
  EXPECT_EQ(port.dtype, SMELT_F32);
  EXPECT_EQ(port.rank, 1);
  EXPECT_EQ(port.dims[0], -1);
  EXPECT_STREQ(port.dim_names[0], "N");
  EXPECT_EQ(smelt_module_input(m.get(), 1, &port), SMELT_USAGE);
  size_t index = 9;
  EXPECT_EQ(smelt_module_find_output(m.get(), "y", &index, &err), SMELT_OK);
  EXPECT_EQ(index, 0u);
  EXPECT_EQ(wrong(SMELT_USAGE, smelt_module_find_input(m.get(), "z", &index, &err)),
            "the model has no input 'z'; it has 'x'");
  EXPECT_EQ(std::string(smelt_module_manifest(m.get(), &index), index), "{\"name\": \"test\"}");
}

TEST_F(Scale, InputsAreChecked) {
  alignas(16) char data[64];
  int64_t three[] = {3}, matrix[] = {3, 1}, negative[] = {-1}, huge[] = {int64_t(1) << 41};
  EXPECT_EQ(wrong(SMELT_BAD_DATA, bindTensor({SMELT_F64, 1, three, data, 24})), "input 'x' has dtype f64, f32 is wanted");
  EXPECT_EQ(wrong(SMELT_BAD_DATA, bindTensor({SMELT_F32, 2, matrix, data, 12})), "input 'x' has rank 2 (3x1), rank 1 is wanted");
  EXPECT_EQ(wrong(SMELT_BAD_DATA, bindTensor({SMELT_F32, 1, three, data, 16})),
            "input 'x' has 16 bytes, 12 are wanted for 3 of f32");
  EXPECT_EQ(wrong(SMELT_BAD_DATA, bindTensor({SMELT_F32, 1, three, nullptr, 12})), "input 'x' has no data (NULL)");
  EXPECT_NE(wrong(SMELT_BAD_DATA, bindTensor({SMELT_F32, 1, three, data + 1, 12})).find("not aligned to the 4 bytes"), std::string::npos);
  EXPECT_NE(wrong(SMELT_BAD_DATA, bindTensor({SMELT_F32, 1, negative, data, 4})).find("each must be 0..2^40"), std::string::npos);
  EXPECT_NE(wrong(SMELT_BAD_DATA, bindTensor({SMELT_F32, 1, huge, data, 4})).find("each must be 0..2^40"), std::string::npos);
  EXPECT_NE(wrong(SMELT_BAD_DATA, bindTensor({SMELT_F32, 17, huge, data, 4})).find("a rank of 0..16"), std::string::npos);
  EXPECT_NE(wrong(SMELT_BAD_DATA, bindTensor({SMELT_F32, 1, nullptr, data, 4})).find("no dims"), std::string::npos);
  EXPECT_EQ(wrong(SMELT_USAGE, smelt_run(c.get(), &err)), "not all inputs are bound; missing: 'x'");
  smelt_tensor t{SMELT_F32, 1, three, data, 12};
  EXPECT_EQ(wrong(SMELT_USAGE, smelt_bind_input(c.get(), 1, &t, &err)), "input 1 is wanted, the model has 1");
  EXPECT_EQ(smelt_bind_input(c.get(), 0, &t, nullptr), SMELT_OK); // err may be NULL
}

TEST_F(Scale, AStaticDimIsNamed) {
  Assembler b;
  b.input("image", DType::U8, {1, 3, 8});
  b.op(Op::End);
  Module module = open(b.finish());
  c = contextOf(module);
  std::vector<uint8_t> data(48);
  EXPECT_EQ(wrong(SMELT_BAD_DATA, bindTo(c, 0, {2, 3, 8}, data, &err)),
            "input 'image' has 2 as dim 0 (2x3x8), 1 is wanted (1x3x8)");
}

TEST_F(Scale, OutputsInTheCallersMemory) {
  std::vector<float> x = {1, 2, 3}, y(3), both(4);
  bindTo(c, 0, {3}, x);
  ASSERT_EQ(smelt_bind_output(c.get(), 0, y.data(), 8, &err), SMELT_OK);
  EXPECT_EQ(wrong(SMELT_USAGE, smelt_run(c.get(), &err)), "output 'y' needs 12 bytes (3 of f32), it is bound to 8");
  smelt_tensor t;
  EXPECT_EQ(wrong(SMELT_USAGE, smelt_get_output(c.get(), 0, &t, &err)),
            "output 'y' is asked for, but the last run did not end well");
  ASSERT_EQ(smelt_bind_output(c.get(), 0, y.data(), 12, &err), SMELT_OK);
  ASSERT_EQ(smelt_run(c.get(), &err), SMELT_OK) << err.message;
  EXPECT_EQ(y, (std::vector<float>{3, 5, 7}));
  ASSERT_EQ(smelt_get_output(c.get(), 0, &t, &err), SMELT_OK);
  EXPECT_EQ(t.data, y.data());
  EXPECT_EQ(t.bytes, 12u);
  EXPECT_EQ(t.dims[0], 3);
  // Overlapping memory is refused; NULL gives the output back to the context.
  ASSERT_EQ(smelt_bind_output(c.get(), 0, x.data() + 2, 12, &err), SMELT_OK);
  EXPECT_EQ(wrong(SMELT_USAGE, smelt_run(c.get(), &err)), "the memory bound to output 'y' overlaps that of input 'x'");
  EXPECT_NE(wrong(SMELT_BAD_DATA, smelt_bind_output(c.get(), 0, reinterpret_cast<char *>(y.data()) + 2, 12, &err)).find("not aligned"), std::string::npos);
  ASSERT_EQ(smelt_bind_output(c.get(), 0, nullptr, 0, &err), SMELT_OK);
  ASSERT_EQ(smelt_run(c.get(), &err), SMELT_OK) << err.message;
  EXPECT_EQ(outputOf<float>(c, 0), (std::vector<float>{3, 5, 7}));
}

TEST_F(Scale, WrongOptionsAreRefused) {
  smelt_context *none = nullptr;
  smelt_context_options o{};
  EXPECT_NE(wrong(SMELT_USAGE, smelt_context_create(m.get(), &o, &none, &err)).find("struct_size 0"), std::string::npos);
  o.struct_size = sizeof o;
  o.flags = 8;
  EXPECT_NE(wrong(SMELT_USAGE, smelt_context_create(m.get(), &o, &none, &err)).find("flags are 0x8"), std::string::npos);
  o.flags = 0;
  o.threads = 5000;
  EXPECT_NE(wrong(SMELT_USAGE, smelt_context_create(m.get(), &o, &none, &err)).find("at most 4096"), std::string::npos);
  o.threads = 0;
  o.allocator.alloc = [](void *, size_t, size_t) -> void * { return nullptr; };
  EXPECT_NE(wrong(SMELT_USAGE, smelt_context_create(m.get(), &o, &none, &err)).find("both alloc and free"), std::string::npos);
  EXPECT_EQ(none, nullptr);
}

/// Counts, puts guard bytes around and can fail the n-th allocation.
struct Guarded {
  int64_t live = 0, calls = 0, failAt = -1;
  bool isBroken = false;
  static constexpr size_t kPad = 64;
  static void *alloc(void *user, size_t bytes, size_t alignment) {
    auto &g = *static_cast<Guarded *>(user);
    if (g.calls++ == g.failAt)
      return nullptr;
    auto *p = static_cast<uint8_t *>(std::aligned_alloc(64, (bytes + 2 * kPad + 63) / 64 * 64));
    std::memset(p, 0xcd, bytes + 2 * kPad);
    EXPECT_EQ(alignment, 64u);
    g.live += static_cast<int64_t>(bytes);
    return p + kPad;
  }
  static void release(void *user, void *memory, size_t bytes) {
    auto &g = *static_cast<Guarded *>(user);
    auto *p = static_cast<uint8_t *>(memory) - kPad;
    for (size_t i = 0; i < kPad; ++i)
      g.isBroken |= p[i] != 0xcd || p[kPad + bytes + i] != 0xcd;
    g.live -= static_cast<int64_t>(bytes);
    std::free(p);
  }
  Context context(const Module &m, uint32_t threads) {
    smelt_context_options o{};
    o.struct_size = sizeof o;
    o.threads = threads;
    o.allocator = {alloc, release, this};
    smelt_context *c = nullptr;
    EXPECT_EQ(smelt_context_create(m.get(), &o, &c, nullptr), SMELT_OK);
    return Context(c);
  }
};

TEST_F(Scale, TheCallersAllocatorIsUsedAndGuardsHold) {
  Guarded g;
  Context own = g.context(m, 2);
  int64_t warm = 0;
  for (int64_t n : {1000, 17, 1000}) {
    std::vector<float> x(n, 1.0f);
    bindTo(own, 0, {n}, x);
    ASSERT_EQ(smelt_run(own.get(), &err), SMELT_OK) << err.message;
    uint64_t now, peak;
    smelt_context_memory(own.get(), &now, &peak);
    EXPECT_EQ(static_cast<int64_t>(now), g.live);
    EXPECT_GE(peak, now);
    if (!warm)
      warm = g.calls;
    EXPECT_EQ(g.calls, warm); // nothing is allocated in a warm run
  }
  EXPECT_GT(g.live, 8000);
  own.reset();
  EXPECT_EQ(g.live, 0);
  EXPECT_FALSE(g.isBroken);
}

TEST_F(Scale, EveryFailedAllocationIsAStatus) {
  for (int64_t n = 0;; ++n) {
    Guarded g;
    g.failAt = n;
    Context own = g.context(m, 2);
    std::vector<float> x(100, 1.0f);
    bindTo(own, 0, {100}, x);
    int code = smelt_run(own.get(), &err);
    if (code == SMELT_OK) {
      EXPECT_GE(n, 3);
      break;
    }
    EXPECT_EQ(code, SMELT_NO_MEMORY);
    EXPECT_NE(std::string(err.message).find("out of memory"), std::string::npos);
    // The context is not broken by it.
    EXPECT_EQ(smelt_run(own.get(), &err), SMELT_OK) << err.message;
  }
}

TEST_F(Scale, ALimitIsKept) {
  smelt_context_options o{};
  o.struct_size = sizeof o;
  o.threads = 1;
  o.memory_limit = 10000;
  smelt_context *raw = nullptr;
  ASSERT_EQ(smelt_context_create(m.get(), &o, &raw, &err), SMELT_OK);
  Context own(raw);
  std::vector<float> x(2000);
  bindTo(own, 0, {2000}, x);
  EXPECT_NE(wrong(SMELT_NO_MEMORY, smelt_run(own.get(), &err)).find("the limit is 10000"), std::string::npos);
}

TEST_F(Scale, OneModuleManyContextsOnManyThreads) {
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      Context own = contextOf(m, 1 + static_cast<uint32_t>(t) % 2);
      for (int run = 0; run < 50; ++run) {
        int64_t n = 1 + (t * 131 + run * 17) % 400;
        std::vector<float> x(n, static_cast<float>(run)), wanted(n, 2.0f * static_cast<float>(run) + 1);
        if (bindTo(own, 0, {n}, x) || smelt_run(own.get(), nullptr) || outputOf<float>(own, 0) != wanted)
          ++failures;
      }
    });
  for (auto &t : threads)
    t.join();
  EXPECT_EQ(failures, 0);
}

/// Blocks until the test lets it go.
std::atomic<bool> entered{false}, mayLeave{false};
void blockingKernel(void *const *, const int64_t *, int64_t, int64_t, void *) {
  entered = true;
  while (!mayLeave)
    std::this_thread::yield();
}

TEST(Context, RunningTwiceAtOnceIsRefused) {
  Assembler a;
  int64_t one = a.imm(1), zero = a.imm(0);
  a.dispatch(a.kernel(blockingKernel), one, zero, "block", {}, {});
  a.op(Op::End);
  Module m = open(a.finish());
  Context c = contextOf(m);
  std::thread other([&] { EXPECT_EQ(smelt_run(c.get(), nullptr), SMELT_OK); });
  while (!entered)
    std::this_thread::yield();
  smelt_error err{};
  EXPECT_EQ(smelt_run(c.get(), &err), SMELT_USAGE);
  EXPECT_STREQ(err.message, "the context is running on another thread: use one context per thread");
  mayLeave = true;
  other.join();
}

/// out[i] = the sum over a fixed share of floats: order matters.
void sumKernel(void *const *b, const int64_t *, int64_t begin, int64_t end, void *) {
  for (int64_t i = begin; i < end; ++i) {
    float sum = 0;
    for (int k = 0; k < 1000; ++k)
      sum += 1.0f / static_cast<float>(i * 1000 + k + 1);
    static_cast<float *>(b[0])[i] = sum;
  }
}

TEST(Context, ResultsDoNotDependOnTheThreadCount) {
  std::vector<float> first;
  for (uint32_t threads : {1u, 2u, 3u, 7u, 16u}) {
    Assembler a;
    a.output("y", DType::F32, {37});
    int64_t n = a.imm(37), zero = a.imm(0), y = a.buf();
    a.op(Op::Output, {y, 0, 1, n});
    a.dispatch(a.kernel(sumKernel), n, zero, "sum", {}, {y});
    a.op(Op::End);
    Module m = open(a.finish());
    Context c = contextOf(m, threads);
    EXPECT_EQ(smelt_context_threads(c.get()), threads);
    ASSERT_EQ(smelt_run(c.get(), nullptr), SMELT_OK);
    std::vector<float> y1 = outputOf<float>(c, 0);
    if (first.empty())
      first = y1;
    EXPECT_EQ(std::memcmp(first.data(), y1.data(), first.size() * 4), 0) << threads;
  }
}

/// Reports a bad index in workgroup symbols[0], by the status block.
void indexKernel(void *const *, const int64_t *s, int64_t begin, int64_t end, void *scratch) {
  if (begin <= s[0] && s[0] < end)
    *reinterpret_cast<int64_t *>(static_cast<char *>(scratch) - kStatusBytes) = 1;
}

TEST(Context, AnIndexOutOfRangeIsAStatusOfThatRunOnly) {
  Assembler a;
  a.input("i", DType::I64, {});
  int64_t i = a.reg(), four = a.imm(4), zero = a.imm(0), x = a.inputBuffer(0);
  a.op(Op::Read, {i, x, zero, static_cast<int64_t>(DType::I64)});
  a.op(Op::Segment, {0});
  a.dispatch(a.kernel(indexKernel), four, zero, "gather", {i}, {});
  a.op(Op::End);
  Module m = open(a.finish());
  Context c = contextOf(m, 2);
  smelt_error err{};
  for (auto [index, wanted] : {std::pair<int64_t, int>{4, 0}, {0, SMELT_BAD_DATA}, {9, 0}, {3, SMELT_BAD_DATA}, {4, 0}}) {
    std::vector<int64_t> data = {index};
    bindTo(c, 0, {}, data);
    EXPECT_EQ(smelt_run(c.get(), &err), wanted) << index;
  }
  EXPECT_STREQ(err.message, "an index is out of range in kernel 'gather'");
}

/// Copies scratch, an arena tensor and a pool tensor that nothing wrote to.
void unwrittenKernel(void *const *b, const int64_t *, int64_t, int64_t, void *scratch) {
  auto *y = static_cast<int64_t *>(b[2]);
  y[0] = *static_cast<int64_t *>(b[0]);
  y[1] = *static_cast<int64_t *>(b[1]);
  y[2] = *static_cast<int64_t *>(scratch);
  std::memset(b[0], 0, 8);
  std::memset(b[1], 0, 8);
  std::memset(scratch, 0, 8); // and the output's last element is never written
}

TEST(Context, PoisonShowsWhatNothingWrote) {
  Assembler a;
  a.output("y", DType::I64, {4});
  int64_t eight = a.imm(8), zero = a.imm(0), one = a.imm(1), four = a.imm(4), p = a.buf(), q = a.buf(), y = a.buf();
  a.op(Op::Arena, {eight});
  a.op(Op::ArenaAt, {p, zero, eight});
  a.op(Op::Alloc, {q, eight});
  a.op(Op::Output, {y, 0, 1, four});
  a.dispatch(a.kernel(unwrittenKernel), one, eight, "unwritten", {}, {p, q, y});
  a.op(Op::End);
  Module m = open(a.finish());
  smelt_context_options o{};
  o.struct_size = sizeof o;
  o.threads = 1;
  o.flags = SMELT_POISON;
  smelt_context *raw = nullptr;
  ASSERT_EQ(smelt_context_create(m.get(), &o, &raw, nullptr), SMELT_OK);
  Context c(raw);
  for (int run = 0; run < 2; ++run) { // also what the run before wrote
    ASSERT_EQ(smelt_run(c.get(), nullptr), SMELT_OK);
    EXPECT_EQ(outputOf<int64_t>(c, 0), std::vector<int64_t>(4, -1));
  }
}

TEST(Context, ValuesGoInAndOut) {
  Assembler a;
  a.input("s", DType::F32, {}, ValueKind::Sequence);
  a.input("t", DType::String, {2});
  a.output("s2", DType::F32, {}, ValueKind::Sequence);
  a.output("t2", DType::String, {2});
  int64_t v = a.val(), w = a.val();
  a.op(Op::InputValue, {v, 0});
  a.op(Op::InputValue, {w, 1});
  a.op(Op::OutputValue, {v, 0});
  a.op(Op::OutputValue, {w, 1});
  a.op(Op::End);
  Module m = open(a.finish());
  Context c = contextOf(m);
  smelt_error err{};
  Value sequence(smelt_value_create_sequence());
  const char *texts[] = {"a", "b"};
  int64_t two[] = {2}, one[] = {1};
  Value strings(smelt_value_create_strings(1, two, texts, nullptr)), single(smelt_value_create_strings(1, one, texts, nullptr));
  EXPECT_EQ(smelt_bind_input_value(c.get(), 0, strings.get(), &err), SMELT_BAD_DATA);
  EXPECT_STREQ(err.message, "input 's' is given a tensor, a sequence is wanted");
  float f = 1.5f;
  smelt_tensor t{SMELT_F32, 0, nullptr, &f, 4};
  EXPECT_EQ(smelt_bind_input(c.get(), 0, &t, &err), SMELT_USAGE);
  Value element(smelt_value_create_tensor(&t));
  ASSERT_EQ(smelt_value_append(sequence.get(), element.get()), SMELT_OK);
  ASSERT_EQ(smelt_bind_input_value(c.get(), 0, sequence.get(), &err), SMELT_OK) << err.message;
  EXPECT_EQ(smelt_bind_input_value(c.get(), 1, element.get(), &err), SMELT_BAD_DATA);
  ASSERT_EQ(smelt_bind_input_value(c.get(), 1, strings.get(), &err), SMELT_OK) << err.message;
  sequence.reset();
  ASSERT_EQ(smelt_run(c.get(), &err), SMELT_OK) << err.message;
  smelt_value *out = nullptr;
  ASSERT_EQ(smelt_get_output_value(c.get(), 0, &out, &err), SMELT_OK);
  Value held(out);
  c.reset();
  smelt_tensor got;
  ASSERT_EQ(smelt_value_tensor(smelt_value_element(held.get(), 0), &got), SMELT_OK);
  EXPECT_EQ(*static_cast<float *>(got.data), 1.5f);
}

} // namespace
