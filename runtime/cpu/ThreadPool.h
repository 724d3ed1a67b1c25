//===- ThreadPool.h - Runs segments of dispatches on all cores -----*- C++ -*-===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One pool per context; the calling thread is worker 0. A segment is one
// wake-up for n dispatches with a barrier between them; workers claim contiguous
// ranges of a grid until none is left. No result depends on who computes what.
// Tested by test/runtime/ThreadPoolTest.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_CPU_THREADPOOL_H
#define SMELT_RUNTIME_CPU_THREADPOOL_H

#include "runtime/core/Artifact.h"
#include "runtime/core/Support.h"
#include <atomic>
#include <pthread.h>

namespace smelt::rt {

/// One dispatch with all its arguments gathered.
struct DispatchRecord {
  artifact::KernelFn kernel;
  void *const *buffers;
  const int64_t *symbols;
  int64_t grid;
};

/// The CPUs this process may use.
uint32_t usableCpus();

class ThreadPool {
public:
  ThreadPool() = default;
  ThreadPool(const ThreadPool &) = delete;
  ~ThreadPool() { stop(); }

  /// Starts `threads - 1` workers. `pin` binds each to a CPU of its own.
  int start(uint32_t threads, bool pin, smelt_error *err);
  void stop();
  uint32_t size() const { return threads; }

  /// Runs the records one after another. `scratch` holds a pointer per worker.
  /// With `times`, it gets count + 1 time stamps (ns) and every dispatch ends
  /// with a barrier.
  void run(const DispatchRecord *records, size_t count, void *const *scratch, uint64_t *times);

private:
  struct Worker {
    ThreadPool *pool = nullptr;
    uint32_t index = 0;
    int cpu = -1;
    pthread_t thread{};
  };
  static void *workerMain(void *worker);
  void work(uint32_t index);
  void makeWay();
  bool claim(int64_t grid, int64_t &begin, int64_t &end);
  void barrier(uint32_t index);
  void wait(std::atomic<uint32_t> &word, uint32_t old, std::atomic<uint32_t> &sleepers);
  void announce(std::atomic<uint32_t> &word, std::atomic<uint32_t> &sleepers);

  uint32_t threads = 1;
  uint32_t spins = 0;
  int callerCpu = -1; // where no worker is; -1: not pinned
  Vec<Worker> workers;

  // The segment at hand, written before `epoch` moves.
  const DispatchRecord *records = nullptr;
  size_t count = 0;
  void *const *scratch = nullptr;
  uint64_t *times = nullptr;

  // Each on its own cache line: they are what the workers poll.
  alignas(128) std::atomic<uint32_t> epoch{0};
  std::atomic<uint32_t> epochSleepers{0};
  bool isStopping = false;
  alignas(128) std::atomic<uint32_t> arrived{0};
  alignas(128) std::atomic<int64_t> next{0}; // the first workgroup nobody has claimed
  alignas(128) std::atomic<uint32_t> generation{0};
  std::atomic<uint32_t> barrierSleepers{0};
};

} // namespace smelt::rt

#endif // SMELT_RUNTIME_CPU_THREADPOOL_H
