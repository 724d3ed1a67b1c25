//===- Inflate.cpp - The decoder of deflate (RFC 1951) ------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// For .npz files of np.savez_compressed. Decodes code by code, by the number
// of codes of each length: small rather than fast. The size is known, and a
// step outside either end is an error. Tested by
// test/runtime/{IoFuzzTest.cpp,launcher.py}.
//
//===----------------------------------------------------------------------===//
#include "runtime/io/Bytes.h"

namespace smelt::rt {
namespace {

constexpr int kMaxBits = 15, kMaxCodes = 288;

/// A canonical Huffman code: how many codes have each length, and the symbols
/// in the order of their codes.
struct Huffman {
  uint16_t counts[kMaxBits + 1];
  uint16_t symbols[kMaxCodes];

  /// False when the lengths ask for more codes than there are.
  bool build(const uint8_t *lengths, int n) {
    memset(counts, 0, sizeof counts);
    for (int i = 0; i < n; ++i)
      ++counts[lengths[i]];
    counts[0] = 0;
    int left = 1;
    uint16_t offsets[kMaxBits + 2] = {};
    for (int length = 1; length <= kMaxBits; ++length) {
      left = left * 2 - counts[length];
      if (left < 0)
        return false;
      offsets[length + 1] = static_cast<uint16_t>(offsets[length] + counts[length]);
    }
    for (int i = 0; i < n; ++i)
      if (lengths[i])
        symbols[offsets[lengths[i]]++] = static_cast<uint16_t>(i);
    return true;
  }
};

class Inflater {
public:
  Inflater(Span in, uint8_t *out, size_t size) : in(in), out(out), size(size) {}

  bool run() {
    bool isLast = false;
    while (!isLast && isGood) {
      isLast = bits(1);
      switch (bits(2)) {
      case 0: stored(); break;
      case 1: fixed(); break;
      case 2: dynamic(); break;
      default: isGood = false;
      }
    }
    return isGood && put == size;
  }

private:
  uint32_t bits(int n) {
    while (held < n) {
      if (at >= in.size) {
        isGood = false;
        return 0;
      }
      buffer |= static_cast<uint32_t>(in.data[at++]) << held;
      held += 8;
    }
    uint32_t value = buffer & ((1u << n) - 1);
    buffer >>= n;
    held -= n;
    return value;
  }

  /// The next symbol, or -1.
  int symbol(const Huffman &h) {
    int code = 0, first = 0, index = 0;
    for (int length = 1; length <= kMaxBits && isGood; ++length) {
      code |= static_cast<int>(bits(1));
      int count = h.counts[length];
      if (code - first < count)
        return h.symbols[index + code - first];
      index += count;
      first = (first + count) * 2;
      code *= 2;
    }
    isGood = false;
    return -1;
  }

  void stored() {
    buffer = 0;
    held = 0; // to the next byte
    uint32_t length = bits(16), inverse = bits(16);
    isGood &= (length ^ inverse) == 0xffff && length <= in.size - at && length <= size - put;
    if (!isGood)
      return;
    memcpy(out + put, in.data + at, length);
    put += length;
    at += length;
  }

  void codes(const Huffman &literals, const Huffman &distances) {
    // Lengths 3..258 and distances 1..32768, each a base and extra bits.
    static constexpr uint16_t lengthBase[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                              31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    static constexpr uint8_t lengthExtra[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    static constexpr uint16_t distanceBase[] = {1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
                                                193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    while (isGood) {
      int s = symbol(literals);
      if (s == 256)
        return;
      if (s < 256) {
        isGood &= s >= 0 && put < size;
        if (isGood)
          out[put++] = static_cast<uint8_t>(s);
        continue;
      }
      s -= 257;
      if (s >= 29) {
        isGood = false;
        return;
      }
      size_t length = lengthBase[s] + bits(lengthExtra[s]);
      int d = symbol(distances);
      if (d < 0 || d >= 30) {
        isGood = false;
        return;
      }
      size_t distance = distanceBase[d] + bits(d < 2 ? 0 : d / 2 - 1);
      isGood &= distance <= put && length <= size - put;
      for (size_t i = 0; isGood && i < length; ++i, ++put)
        out[put] = out[put - distance];
    }
  }

  void fixed() {
    uint8_t lengths[kMaxCodes];
    for (int i = 0; i < kMaxCodes; ++i)
      lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    isGood &= first.build(lengths, kMaxCodes);
    memset(lengths, 5, 30);
    isGood &= second.build(lengths, 30);
    codes(first, second);
  }

  void dynamic() {
    static constexpr uint8_t order[] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    int literals = static_cast<int>(bits(5)) + 257, distances = static_cast<int>(bits(5)) + 1,
        given = static_cast<int>(bits(4)) + 4;
    uint8_t lengths[286 + 30] = {};
    isGood &= literals <= 286 && distances <= 30;
    for (int i = 0; i < given && isGood; ++i)
      lengths[order[i]] = static_cast<uint8_t>(bits(3));
    if (!isGood || !first.build(lengths, 19)) {
      isGood = false;
      return;
    }
    memset(lengths, 0, sizeof lengths);
    for (int i = 0; i < literals + distances && isGood;) {
      int s = symbol(first), repeat = 1;
      uint8_t length = static_cast<uint8_t>(s);
      if (s == 16) {
        isGood &= i > 0;
        length = i > 0 ? lengths[i - 1] : 0;
        repeat = 3 + static_cast<int>(bits(2));
      } else if (s >= 17) {
        length = 0;
        repeat = s == 17 ? 3 + static_cast<int>(bits(3)) : 11 + static_cast<int>(bits(7));
      }
      isGood &= s >= 0 && repeat <= literals + distances - i;
      for (; isGood && repeat > 0; --repeat)
        lengths[i++] = length;
    }
    isGood = isGood && first.build(lengths, literals) && second.build(lengths + literals, distances);
    codes(first, second);
  }

  Span in;
  size_t at = 0;
  uint8_t *out;
  size_t size, put = 0;
  uint32_t buffer = 0;
  int held = 0;
  bool isGood = true;
  Huffman first, second;
};

} // namespace

bool inflate(Span packed, uint8_t *to, size_t size) { return Inflater(packed, to, size).run(); }

} // namespace smelt::rt
