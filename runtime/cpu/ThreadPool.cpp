//===- ThreadPool.cpp - Runs segments of dispatches on all cores -----------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See ThreadPool.h. Waiting is a bounded spin and then a futex: a warm run
// never enters the kernel, and an idle context costs nothing. Tested by
// test/runtime/ThreadPoolTest.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "runtime/cpu/ThreadPool.h"
#include <linux/futex.h>
#include <limits.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace smelt::rt {

static void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

uint32_t usableCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0)
    return 1;
  int count = CPU_COUNT(&set);
  return count > 0 ? static_cast<uint32_t>(count) : 1;
}

/// Workers of successive pools start at successive CPUs, so that two contexts
/// do not pile up on one. The CPU of the calling thread comes last.
static int pickCpu(const cpu_set_t &set, uint32_t usable, uint32_t index, int current) {
  int cpus[CPU_SETSIZE], n = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set) && cpu != current)
      cpus[n++] = cpu;
  return n ? cpus[index % static_cast<uint32_t>(n)] : -1;
}

/// Without the permission the worker runs unpinned, which is only slower.
static void bindThread(pthread_t thread, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  (void)pthread_setaffinity_np(thread, sizeof set, &set);
}

static std::atomic<uint32_t> nextCpu{0};

int ThreadPool::start(uint32_t wanted, bool pin, smelt_error *err) {
  uint32_t usable = usableCpus();
  threads = 1;
  epoch = 0; // what a fresh worker has seen
  // More threads than CPUs: spinning would take the CPU from the one waited for.
  spins = wanted <= usable ? 20000 : 100;
  if (wanted <= 1)
    return SMELT_OK;
  if (!workers.resize(wanted - 1))
    return failMemory(err, wanted * sizeof(Worker), "the thread pool");
  cpu_set_t set;
  CPU_ZERO(&set);
  bool canPin = pin && wanted <= usable && sched_getaffinity(0, sizeof set, &set) == 0;
  uint32_t base = canPin ? nextCpu.fetch_add(wanted - 1) : 0;
  int current = sched_getcpu();
  for (uint32_t i = 0; i < wanted - 1; ++i) {
    Worker &w = workers[i];
    w.pool = this;
    w.index = i + 1;
    w.cpu = canPin ? pickCpu(set, usable, base + i, current) : -1;
    if (int e = pthread_create(&w.thread, nullptr, workerMain, &w)) {
      // Those that run are stopped; `threads` counts them.
      uint32_t started = i;
      stop();
      return fail(err, SMELT_DEVICE, "thread %u of %u could not be started: %s", started + 2, wanted,
                  strerror(e));
    }
    threads = i + 2;
    if (w.cpu >= 0)
      bindThread(w.thread, w.cpu);
  }
  callerCpu = canPin ? current : -1;
  return SMELT_OK;
}

void ThreadPool::stop() {
  if (threads > 1) {
    isStopping = true;
    announce(epoch, epochSleepers);
    for (uint32_t i = 0; i + 1 < threads; ++i)
      pthread_join(workers[i].thread, nullptr);
  }
  threads = 1;
  isStopping = false;
  workers.clear();
}

void ThreadPool::wait(std::atomic<uint32_t> &word, uint32_t old, std::atomic<uint32_t> &sleepers) {
  for (uint32_t i = 0; i < spins; ++i) {
    if (word.load(std::memory_order_acquire) != old)
      return;
    pause();
  }
  // The sleeper counts itself before it looks again; the announcer moves the
  // word before it looks at the count: one of the two sees the other.
  sleepers.fetch_add(1, std::memory_order_seq_cst);
  while (word.load(std::memory_order_seq_cst) == old)
    syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, old, nullptr, nullptr, 0);
  sleepers.fetch_sub(1, std::memory_order_relaxed);
}

void ThreadPool::announce(std::atomic<uint32_t> &word, std::atomic<uint32_t> &sleepers) {
  word.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers.load(std::memory_order_seq_cst))
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

void ThreadPool::barrier(uint32_t index) {
  // Whoever wakes the caller may do so on its own CPU.
  if (index == 0)
    makeWay();
  uint32_t old = generation.load(std::memory_order_relaxed);
  if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == threads) {
    arrived.store(0, std::memory_order_relaxed);
    next.store(0, std::memory_order_relaxed); // for the dispatch behind the barrier
    announce(generation, barrierSleepers);
  } else {
    wait(generation, old, barrierSleepers);
    if (index == 0)
      makeWay();
  }
}

/// The system may have moved the caller since the last segment, onto a worker's
/// CPU: both would wait for each other's time slices, milliseconds at a time.
/// That worker takes the caller's former CPU.
void ThreadPool::makeWay() {
  int cpu = sched_getcpu();
  if (cpu == callerCpu || callerCpu < 0 || cpu < 0)
    return;
  for (Worker &w : workers)
    if (w.cpu == cpu) {
      w.cpu = callerCpu;
      bindThread(w.thread, w.cpu);
    }
  callerCpu = cpu;
}

void *ThreadPool::workerMain(void *argument) {
  auto &worker = *static_cast<Worker *>(argument);
  ThreadPool &pool = *worker.pool;
  for (uint32_t seen = 0;; ++seen) {
    pool.wait(pool.epoch, seen, pool.epochSleepers);
    if (pool.isStopping)
      return nullptr;
    pool.work(worker.index);
  }
}

/// The next range of a dispatch's workgroups: large ones first, single ones last,
/// so that a worker whose CPU is taken away delays the others by little. Which
/// worker computes a workgroup changes no result.
bool ThreadPool::claim(int64_t grid, int64_t &begin, int64_t &end) {
  begin = next.load(std::memory_order_relaxed);
  do {
    if (begin >= grid)
      return false;
    int64_t part = (grid - begin) / (2 * static_cast<int64_t>(threads));
    end = begin + (part > 1 ? part : 1);
  } while (!next.compare_exchange_weak(begin, end, std::memory_order_relaxed));
  return true;
}

/// One worker's part of a segment. Every worker decides alike where the
/// barriers are: none between two dispatches that only worker 0 computes.
void ThreadPool::work(uint32_t index) {
  // Copies: behind the last barrier the caller may already write the next
  // segment here while this worker is still on its way out of the loop.
  const DispatchRecord *const list = records;
  const size_t n = count;
  void *const own = scratch[index];
  uint64_t *const stamps = times;
  for (size_t i = 0; i < n; ++i) {
    const DispatchRecord &r = list[i];
    if (r.grid > 1) {
      for (int64_t begin, end; claim(r.grid, begin, end);)
        r.kernel(r.buffers, r.symbols, begin, end, own);
    } else if (r.grid == 1 && index == 0) {
      r.kernel(r.buffers, r.symbols, 0, 1, own);
    }
    bool isLast = i + 1 == n;
    if (isLast || stamps || r.grid > 1 || list[i + 1].grid > 1)
      barrier(index);
    if (stamps && index == 0)
      stamps[i + 1] = nowNanoseconds();
  }
}

void ThreadPool::run(const DispatchRecord *segment, size_t segmentCount, void *const *threadScratch,
                     uint64_t *segmentTimes) {
  if (segmentTimes)
    segmentTimes[0] = nowNanoseconds();
  bool isParallel = false;
  for (size_t i = 0; i < segmentCount && threads > 1; ++i)
    isParallel |= segment[i].grid > 1;
  if (!isParallel) {
    for (size_t i = 0; i < segmentCount; ++i) {
      const DispatchRecord &r = segment[i];
      if (r.grid > 0)
        r.kernel(r.buffers, r.symbols, 0, r.grid, threadScratch[0]);
      if (segmentTimes)
        segmentTimes[i + 1] = nowNanoseconds();
    }
    return;
  }
  records = segment;
  count = segmentCount;
  scratch = threadScratch;
  times = segmentTimes;
  next.store(0, std::memory_order_relaxed);
  makeWay();
  announce(epoch, epochSleepers);
  work(0);
}

} // namespace smelt::rt
