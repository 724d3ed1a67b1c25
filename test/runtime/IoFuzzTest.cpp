//===- IoFuzzTest.cpp - Hostile bytes for every reader -----------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Valid files cut at every length and with flipped bits, in a heap block of
// exactly their size (so that the sanitizers see a step outside): each is a
// status or a tensor, never a crash, and no more memory is asked for than the
// file could hold.
//
//===----------------------------------------------------------------------===//
#include "Files.h"
#include <functional>
#include <malloc.h>
#include <random>

using namespace smelt::test;

namespace {

using Reader = std::function<int(Span, smelt_error *)>;

struct Case {
  const char *name;
  Bytes bytes;
  Reader read;
};

NamedValues values() {
  NamedValues list;
  for (DType dtype : {DType::F32, DType::I64, DType::U8}) {
    NamedValue v;
    EXPECT_TRUE(v.name.appendf("v%d", static_cast<int>(dtype)));
    v.value = sample(dtype, {2, 3});
    EXPECT_TRUE(list.push(std::move(v)));
  }
  return list;
}

std::vector<Case> cases() {
  std::vector<Case> list;
  auto add = [&](const char *name, Reader read) -> Bytes & {
    list.push_back({name, Bytes(), read});
    return list.back().bytes;
  };
  Reader npy = [](Span s, smelt_error *e) { ValueRef v; return readNpy(s, v, e); };
  Reader npz = [](Span s, smelt_error *e) { NamedValues v; return readNpz(s, v, e); };
  Reader safe = [](Span s, smelt_error *e) { NamedValues v; return readSafetensors(s, v, e); };
  auto proto = [](smelt_kind kind) -> Reader {
    return [kind](Span s, smelt_error *e) { NamedValue v; return readProto(s, kind, v, e); };
  };
  EXPECT_EQ(writeNpy(*sample(DType::F32, {3, 2}).get(), add("npy", npy), nullptr), 0);
  EXPECT_EQ(writeNpy(*sample(DType::String, {3}).get(), add("npy of strings", npy), nullptr), 0);
  EXPECT_EQ(writeNpz(values(), add("npz", npz), nullptr), 0);
  EXPECT_EQ(writeSafetensors(values(), add("safetensors", safe), nullptr), 0);
  for (DType dtype : {DType::F32, DType::String, DType::I4})
    EXPECT_EQ(writeProto("tensor", *sample(dtype, {3, 2}).get(), add("pb", proto(SMELT_TENSOR)), nullptr), 0);
  ValueRef sequence(smelt_value_create_sequence()), map(smelt_value_create_map(SMELT_STRING));
  for (float f : {1.0f, 2.0f})
    smelt_value_map_add_float(map.get(), f == 1 ? "one" : "two", 3, f);
  smelt_value_append(sequence.get(), map.get());
  smelt_value_append(sequence.get(), sample(DType::F64, {1}).get());
  EXPECT_EQ(writeProto("seq", *sequence.get(), add("pb sequence", proto(SMELT_SEQUENCE)), nullptr), 0);
  EXPECT_EQ(writeProto("map", *map.get(), add("pb map", proto(SMELT_MAP)), nullptr), 0);
  return list;
}

/// What Python's zlib makes of 600 bytes: a fixed and a dynamic block, both with
/// matches.
const std::vector<std::vector<uint8_t>> kDeflated = {
    {99, 96, 32, 21, 48, 146, 12, 88, 88, 217, 216, 57, 152, 152, 73, 160, 128, 36, 39, 132, 67, 44, 197, 195, 39,
     192, 194, 198, 193, 69, 2, 197, 47, 200, 202, 206, 201, 205, 75, 2, 37, 193, 198, 201, 195, 47, 36, 74,
     2, 197, 206, 197, 43, 32, 44, 38, 73, 2, 197, 35, 32, 34, 33, 163, 192, 65, 2, 37, 40, 42, 41, 171, 200,
     201, 75, 2, 37, 41, 167, 172, 193, 197, 47, 66, 2, 37, 175, 162, 201, 45, 32, 42, 69, 2, 5, 0},
    {149, 199, 73, 14, 128, 32, 16, 68, 81, 7, 4, 26, 65, 64, 193, 136, 113, 140, 46, 244, 254, 23, 212, 196, 11,
     88, 127, 81, 47, 149, 101, 104, 57, 28, 171, 184, 144, 69, 9, 240, 46, 125, 231, 47, 186, 113, 140, 75,
     5, 96, 125, 37, 168, 54, 0, 3, 39, 109, 219, 8, 32, 148, 113, 93, 159, 0, 180, 11, 195, 180, 73, 0, 31,
     211, 188, 147, 1, 72, 203, 113, 41, 27, 0, 214, 243, 174, 93, 28, 1, 30},
};

TEST(IoFuzz, Deflate) {
  std::mt19937 random(5);
  for (const auto &valid : kDeflated) {
    std::vector<uint8_t> out(600);
    ASSERT_TRUE(inflate({valid.data(), valid.size()}, out.data(), out.size()));
    for (int i = 0; i < 600; ++i)
      ASSERT_EQ(out[i], i % 7 * (i / 100) + i / 50) << i;
    EXPECT_FALSE(inflate({valid.data(), valid.size()}, out.data(), 599));
    std::vector<uint8_t> larger(601);
    EXPECT_FALSE(inflate({valid.data(), valid.size()}, larger.data(), 601));
    for (size_t n = 0; n < valid.size(); ++n) {
      std::vector<uint8_t> cut(valid.begin(), valid.begin() + static_cast<long>(n));
      EXPECT_FALSE(inflate({cut.data(), n}, out.data(), out.size())) << n;
    }
    for (int round = 0; round < 20000; ++round) {
      std::vector<uint8_t> bytes = valid;
      for (unsigned i = 0, n = 1 + random() % 4; i < n; ++i)
        bytes[random() % bytes.size()] ^= static_cast<uint8_t>(1 << random() % 8);
      (void)inflate({bytes.data(), bytes.size()}, out.data(), out.size());
    }
  }
}

/// Reads a copy in a block of exactly its size.
int readExactly(const Case &c, const std::vector<uint8_t> &bytes) {
  auto *block = static_cast<uint8_t *>(std::malloc(bytes.size() ? bytes.size() : 1));
  if (!bytes.empty())
    memcpy(block, bytes.data(), bytes.size());
  smelt_error err{};
  int code = c.read({block, bytes.size()}, &err);
  if (code) {
    EXPECT_TRUE(code == SMELT_BAD_DATA || code == SMELT_UNSUPPORTED || code == SMELT_REFUSED)
        << c.name << ": " << code << " " << err.message;
    EXPECT_NE(err.message[0], 0) << c.name;
    EXPECT_EQ(err.code, code);
  }
  std::free(block);
  return code;
}

TEST(IoFuzz, Truncations) {
  for (const Case &c : cases()) {
    std::vector<uint8_t> all(c.bytes.begin(), c.bytes.end());
    EXPECT_EQ(readExactly(c, all), SMELT_OK) << c.name;
    int refused = 0;
    for (size_t n = 0; n < all.size(); ++n)
      refused += readExactly(c, std::vector<uint8_t>(all.begin(), all.begin() + static_cast<long>(n))) != 0;
    // A cut protobuf can be a valid shorter message; the others never are.
    if (std::string(c.name).substr(0, 2) != "pb")
      EXPECT_EQ(refused, static_cast<int>(all.size())) << c.name;
    else
      EXPECT_GT(refused, static_cast<int>(all.size()) / 2) << c.name;
  }
}

TEST(IoFuzz, BitFlips) {
  for (const Case &c : cases())
    for (size_t bit = 0; bit < c.bytes.size() * 8; ++bit) {
      std::vector<uint8_t> bytes(c.bytes.begin(), c.bytes.end());
      bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      readExactly(c, bytes);
    }
}

TEST(IoFuzz, RandomMutations) {
  std::mt19937 random(1);
  for (const Case &c : cases())
    for (int round = 0; round < 4000; ++round) {
      std::vector<uint8_t> bytes(c.bytes.begin(), c.bytes.end());
      for (unsigned i = 0, n = 1 + random() % 6; i < n; ++i) {
        size_t at = random() % bytes.size();
        switch (random() % 4) {
        case 0: bytes[at] = static_cast<uint8_t>(random()); break;
        case 1: bytes[at] = random() % 2 ? 0xff : 0x7f; break;
        case 2: bytes.insert(bytes.begin() + static_cast<long>(at), static_cast<uint8_t>(random())); break;
        default: bytes.erase(bytes.begin() + static_cast<long>(at)); break;
        }
        if (bytes.empty())
          bytes.push_back(0);
      }
      readExactly(c, bytes);
    }
}

/// A few bytes must not make a reader ask for gigabytes.
TEST(IoFuzz, SizeBombsAreRefusedBeforeMemory) {
  std::string pb = "\x08\x80\x80\x80\x80\x80\x10\x10\x01"; // dims 2^39, f32, no data
  std::string strings = "\x08\x80\x80\x80\x80\x80\x10\x10\x08";
  NamedValue v;
  smelt_error err{};
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
  auto used = [] { return mallinfo2().hblkhd + mallinfo2().arena; };
#else
  auto used = [] { return size_t(0); };
#endif
  size_t before = used();
  EXPECT_EQ(readProto(span(pb), SMELT_TENSOR, v, &err), SMELT_BAD_DATA) << err.message;
  EXPECT_EQ(readProto(span(strings), SMELT_TENSOR, v, &err), SMELT_BAD_DATA) << err.message;
  ValueRef t;
  EXPECT_EQ(readText("1000000000000xstring=a", t, &err), SMELT_USAGE);
  EXPECT_LE(used(), before + (1 << 20));
}

} // namespace
