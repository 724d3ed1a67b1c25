//===- Races.cpp - Who wrote and read a word of shared memory ---------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Accesses of different bytes of one word are no conflict. A word has one last
// writer; its readers since then are kept each with the last epoch.
// Tested by test/runtime/sim/RaceTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/sim/Races.h"

namespace smelt::sim {

Shadow::Conflict Shadow::record(uint64_t offset, unsigned bytes, bool isWrite, uint32_t warp, uint32_t line,
                                const Clock &clock) {
  Conflict found;
  auto happened = [&](uint32_t who, uint32_t epoch) {
    return who == warp || (who < clock.epochs.size() && clock.epochs[who] >= epoch);
  };
  auto report = [&](bool wrote, uint32_t who, uint32_t at) {
    if (!found.isRace)
      found = {true, wrote, who, at};
  };
  uint32_t epoch = clock.epochs[warp];
  for (uint64_t end = offset + bytes; offset < end;) {
    Word &word = words[offset / 4];
    unsigned first = offset % 4, last = unsigned(end - (offset - first) < 4 ? end - (offset - first) : 4);
    auto mask = uint8_t(((1u << last) - 1) & ~((1u << first) - 1));
    if (word.writer != kNobody && (word.writeBytes & mask) && !happened(word.writer, word.writeEpoch))
      report(true, word.writer, word.writeLine);
    if (isWrite) {
      if (word.reader != kNobody && (word.readBytes & mask)) {
        if (!happened(word.reader, word.readEpoch))
          report(false, word.reader, word.readLine);
        if (word.more)
          for (const Reader &r : readers[word.more - 1])
            if (!happened(r.warp, r.epoch))
              report(false, r.warp, r.line);
      }
      bool isSame = word.writer == warp && word.writeEpoch == epoch;
      word.writeBytes = uint8_t(isSame ? word.writeBytes | mask : mask);
      word.writer = warp, word.writeEpoch = epoch, word.writeLine = line;
      word.reader = kNobody, word.readBytes = 0;
      if (word.more)
        readers[word.more - 1].clear();
    } else {
      if (word.reader != kNobody && word.reader != warp && !happened(word.reader, word.readEpoch)) {
        if (!word.more) {
          readers.emplace_back();
          word.more = uint32_t(readers.size());
        }
        auto &list = readers[word.more - 1];
        bool isKnown = false;
        for (Reader &r : list)
          if (r.warp == word.reader)
            r = {word.reader, word.readEpoch, word.readLine}, isKnown = true;
        if (!isKnown)
          list.push_back({word.reader, word.readEpoch, word.readLine});
      }
      word.readBytes = uint8_t(word.reader == kNobody ? mask : word.readBytes | mask);
      word.reader = warp, word.readEpoch = epoch, word.readLine = line;
    }
    offset += last - first;
  }
  return found;
}

} // namespace smelt::sim
