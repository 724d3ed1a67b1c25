//===- Races.h - Who wrote and read a word of shared memory -----------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Vector clocks over the warps of a CTA (Mattern 1989): a warp's clock says of each
// warp up to which of its epochs everything it did is known to have happened
// before. Barriers join clocks. Two accesses of a word, one of them a write, of
// which neither happened before the other are a race; so are two lanes of one
// instruction that write different values.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_SIM_RACES_H
#define SMELT_RUNTIME_SIM_RACES_H

#include <cstdint>
#include <string>
#include <vector>

namespace smelt::sim {

struct Clock {
  std::vector<uint32_t> epochs; // by warp

  void join(const Clock &other) {
    if (epochs.size() < other.epochs.size())
      epochs.resize(other.epochs.size());
    for (size_t i = 0; i < other.epochs.size(); ++i)
      if (other.epochs[i] > epochs[i])
        epochs[i] = other.epochs[i];
  }
};

/// What the words of a memory remember.
class Shadow {
public:
  struct Conflict {
    bool isRace = false, otherWrote = false;
    uint32_t warp = 0, line = 0;
  };

  void resize(uint64_t bytes) { words.assign((bytes + 3) / 4, {}); }
  /// Records an access of [offset, offset + bytes) by a warp at its clock, and tells
  /// the access it races with.
  Conflict access(uint64_t offset, unsigned bytes, bool isWrite, uint32_t warp, uint32_t line, const Clock &clock) {
    // What the warp did to the same word since its last barrier needs no second look.
    if (bytes == 4 || bytes == 16) {
      uint32_t epoch = clock.epochs[warp];
      bool isKnown = true;
      for (uint64_t k = offset / 4; k < (offset + bytes) / 4; ++k) {
        const Word &word = words[k];
        isKnown &=
            isWrite ? word.writer == warp && word.writeEpoch == epoch && word.reader == kNobody && word.writeBytes == 15
                    : word.reader == warp && word.readEpoch == epoch && word.readBytes == 15;
      }
      if (isKnown)
        return {};
    }
    return record(offset, bytes, isWrite, warp, line, clock);
  }

private:
  Conflict record(uint64_t offset, unsigned bytes, bool isWrite, uint32_t warp, uint32_t line, const Clock &clock);

  static constexpr uint32_t kNobody = ~0u;
  struct Word {
    uint32_t writer = kNobody, writeEpoch = 0, writeLine = 0;
    uint32_t reader = kNobody, readEpoch = 0, readLine = 0; // the last one; others in `more`
    uint32_t more = 0;                                      // 1 + an index of `readers`
    uint8_t writeBytes = 0, readBytes = 0;                  // masks within the word
  };
  struct Reader {
    uint32_t warp, epoch, line;
  };
  std::vector<Word> words;
  std::vector<std::vector<Reader>> readers;
};

} // namespace smelt::sim

#endif // SMELT_RUNTIME_SIM_RACES_H
