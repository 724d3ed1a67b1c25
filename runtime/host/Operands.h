//===- Operands.h - Reads the operands of a host op --------------------*- C++ -*-===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Indices were verified at load; shapes and sizes are checked here. Tested by
// test/runtime/HostOpsTest.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_HOST_OPERANDS_H
#define SMELT_RUNTIME_HOST_OPERANDS_H

#include "runtime/core/Context.h"
#include "runtime/core/HostOps.h"

namespace smelt::rt {

/// "T": a buffer with dtype and dims.
struct TensorOperand {
  uint8_t *data = nullptr;
  DType dtype = DType::Undefined;
  int64_t rank = 0, dims[SMELT_MAX_RANK] = {};
  int64_t count = 0, bytes = 0;
};

/// Walks over the words of a call.
class Operands {
public:
  explicit Operands(HostOpCall &call) : call(call), at(call.words) {}

  int64_t word() { return *at++; }
  const int64_t *position() const { return at; }
  int64_t &reg() { return call.context.registers[word()]; }
  Slot &buffer() { return call.context.buffers[word()]; }
  ValueRef &value() { return call.context.values[word()]; }
  int tensor(TensorOperand &t);
  /// "A": a buffer of int64 words.
  int array(const int64_t *&words, int64_t &count);
  /// The text at an offset of the artifact's strings.
  int text(int64_t offset, const char *&result);

private:
  HostOpCall &call;
  const int64_t *at;
};

/// "name: message" with the op's ONNX name.
#define SMELT_HOST_FAIL(call, code, format, ...)                                                                      \
  ::smelt::rt::fail((call).err, code, "%s: " format, (call).text, ##__VA_ARGS__)

int toValue(HostOpCall &call);
int topK(HostOpCall &call);
int nonZero(HostOpCall &call);
int zipMap(HostOpCall &call);
int stringLookup(HostOpCall &call);

// smelt.host_call (Call.h), by the ONNX op's name.
int sequenceConstruct(HostOpCall &call);
int sequenceInsert(HostOpCall &call);
int sequenceErase(HostOpCall &call);
int sequenceAt(HostOpCall &call);
int sequenceLength(HostOpCall &call);
int splitToSequence(HostOpCall &call);
int concatFromSequence(HostOpCall &call);
int optionalConstruct(HostOpCall &call);
int optionalHasElement(HostOpCall &call);
int optionalGetElement(HostOpCall &call);
int stringConcat(HostOpCall &call);
int stringEqual(HostOpCall &call);
int stringIndex(HostOpCall &call);
int stringSplit(HostOpCall &call);
int stringNormalizer(HostOpCall &call);
int regexFullMatch(HostOpCall &call);
int tfIdfVectorizer(HostOpCall &call);
int unique(HostOpCall &call);
int det(HostOpCall &call);
int pairwiseCoupling(HostOpCall &call);

} // namespace smelt::rt

#endif // SMELT_RUNTIME_HOST_OPERANDS_H
