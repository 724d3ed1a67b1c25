//===- Wire.h - Checking the wire format before protobuf sees it
//-----------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Private to the reader. One pass over the bytes, allocating nothing, knows
// where a file is broken, how deep it nests, how many nodes it has and how
// much memory protobuf would take for it: an empty message of two bytes
// becomes an object of hundreds.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_FRONTEND_ONNX_READER_WIRE_H
#define SMELT_FRONTEND_ONNX_READER_WIRE_H

#include "frontend/onnx/reader/Reader.h"

namespace smelt::onnx {

struct WireFacts {
  uint64_t nodes = 0;
  uint64_t memory = 0; // predicted bytes of the parsed and the built model
};

/// Checks a serialized ModelProto.
Result<WireFacts> scanModel(std::span<const uint8_t> bytes,
                            const Limits &limits);

} // namespace smelt::onnx

#endif // SMELT_FRONTEND_ONNX_READER_WIRE_H
