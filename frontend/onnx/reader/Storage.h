//===- Storage.h - What the views of a Model point into
//--------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Private to the reader: the parsed protobuf, mapped external files and every
// converted or interned piece, all with stable addresses, freed together.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_FRONTEND_ONNX_READER_STORAGE_H
#define SMELT_FRONTEND_ONNX_READER_STORAGE_H

#include "frontend/onnx/reader/Diagnostics.h"
#include "frontend/onnx/reader/File.h"
#include "frontend/onnx/reader/Model.h"

#include "onnx-ml.pb.h"

#include <algorithm>
#include <deque>
#include <unordered_map>

namespace smelt::onnx {

/// Bytes promised so far, against the budget.
struct Budget {
  uint64_t limit = 0, used = 0;
  /// False when `bytes` more go over the limit; they are not counted then.
  bool take(uint64_t bytes) {
    if (bytes > limit - used)
      return false;
    used += bytes;
    return true;
  }
};

class Storage {
public:
  Storage() : arena(arenaOptions()) {
    proto = google::protobuf::Arena::CreateMessage<::onnx::ModelProto>(&arena);
  }
  Storage(const Storage &) = delete;
  Storage &operator=(const Storage &) = delete;

  google::protobuf::Arena arena;
  ::onnx::ModelProto *proto;

  std::deque<Scope> scopes;
  std::deque<Tensor> tensors;
  std::deque<Graph> graphs;
  std::deque<TypeInfo> types;
  std::deque<std::string> texts;
  std::deque<std::vector<uint8_t>> buffers;
  std::deque<std::vector<std::string_view>> textLists;
  std::deque<std::vector<const Tensor *>> tensorLists;
  std::deque<std::vector<Graph *>> graphLists;
  std::deque<std::vector<const TypeInfo *>> typeLists;
  std::unordered_map<std::string, MappedFile> externalFiles; // by location

  std::string_view intern(std::string text) {
    return texts.emplace_back(std::move(text));
  }
  const Scope *scope(const Scope *parent, std::string label) {
    return &scopes.emplace_back(Scope{parent, std::move(label)});
  }

private:
  static google::protobuf::ArenaOptions arenaOptions() {
    google::protobuf::ArenaOptions options;
    options.max_block_size = 1 << 20;
    return options;
  }
};

} // namespace smelt::onnx

#endif // SMELT_FRONTEND_ONNX_READER_STORAGE_H
