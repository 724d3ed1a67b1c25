//===- Context.h - The state of one running model ------------------*- C++ -*-===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Bindings, memory, threads and the interpreter's registers. Nothing is
// allocated in a warm run of a program without dynamic tensors. Bindings are
// in Context.cpp, the run in Interpreter.cpp. Tested by
// test/runtime/{ContextTest,InterpreterTest}.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_CORE_CONTEXT_H
#define SMELT_RUNTIME_CORE_CONTEXT_H

#include "runtime/core/Memory.h"
#include "runtime/core/Module.h"
#include "runtime/core/Value.h"
#include "runtime/cpu/ThreadPool.h"

namespace smelt::rt {

/// A buffer of the program: where it is, how large, and its pool block.
struct Slot {
  uint8_t *data = nullptr; // null: not set yet
  int64_t bytes = 0;
  int32_t block = BlockPool::kNone;
  bool isReadOnly = false; // a constant or an input
};

struct Input {
  bool isBound = false;
  uint8_t *data = nullptr;
  int64_t bytes = 0;
  int32_t rank = 0;
  int64_t dims[SMELT_MAX_RANK] = {};
  ValueRef value;
};

struct Output {
  uint8_t *bound = nullptr; // the caller's memory, or
  int64_t capacity = 0;
  Region owned;
  uint8_t *data = nullptr; // null: not set in this run
  int64_t bytes = 0;
  int32_t rank = 0;
  int64_t dims[SMELT_MAX_RANK] = {};
  ValueRef value;
};

} // namespace smelt::rt

struct smelt_context {
  smelt_module *module = nullptr;
  smelt::rt::Memory memory;
  smelt::rt::ThreadPool pool;
  std::atomic<bool> isBusy{false};
  bool bindingsChanged = true;
  bool hasRun = false;
  bool isPoisoning = false;
  uint64_t deadlineNs = 0; // of a run; 0: none

  smelt::rt::Vec<smelt::rt::Input> inputs;
  smelt::rt::Vec<smelt::rt::Output> outputs;

  // The interpreter's state.
  smelt::rt::Vec<int64_t> registers;
  smelt::rt::Vec<smelt::rt::Slot> buffers;
  smelt::rt::Vec<smelt::rt::ValueRef> values;
  smelt::rt::Region arena;
  smelt::rt::SizePlan sizePlan;
  int64_t arenaBytes = 0; // what this run asked for
  bool arenaIsUsed = false;
  smelt::rt::BlockPool blocks;
  // One per thread: the status block of artifact::kStatusBytes, then the scratch
  // that kernels see, at scratchPointers.
  smelt::rt::Vec<smelt::rt::Region> scratch;
  smelt::rt::Vec<void *> scratchPointers;
  int64_t scratchBytes = -1; // what every thread has; -1: nothing yet
  // The segment at hand; reserved for the largest one.
  smelt::rt::Vec<smelt::rt::DispatchRecord> records;
  smelt::rt::Vec<void *> recordBuffers;
  smelt::rt::Vec<int64_t> recordSymbols;

  bool isProfiling = false;
  uint64_t runStart = 0;
  smelt::rt::Vec<smelt_profile_event> events;
  smelt::rt::Vec<uint64_t> times;

  ~smelt_context();
  const smelt::rt::Program &program() const { return module->program; }
  int checkBindings(smelt_error *err);
  int run(smelt_error *err);
  /// Marks memory as not written yet, when SMELT_POISON is set.
  void poison(uint8_t *data, int64_t bytes) const {
    if (isPoisoning && bytes > 0)
      memset(data, 0xff, static_cast<size_t>(bytes));
  }
  /// Gives a slot's pool block back and unsets it.
  void clearSlot(smelt::rt::Slot &slot);
  /// Points a slot at fresh pool memory.
  int allocateSlot(smelt::rt::Slot &slot, int64_t bytes, smelt_error *err);
};

#endif // SMELT_RUNTIME_CORE_CONTEXT_H
