//===- Probe.cpp - What the machine can do at this moment -------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Loops whose speed only the hardware limits, run beside every measurement: a
// round whose probe is slow was disturbed. Built for the machine it runs on.
//
//===----------------------------------------------------------------------===//
#include <atomic>
#include <pthread.h>
#include <time.h>

namespace {

#if defined(__AVX512F__)
using Lanes [[gnu::vector_size(64)]] = float;
#elif defined(__AVX__)
using Lanes [[gnu::vector_size(32)]] = float;
#else
using Lanes [[gnu::vector_size(16)]] = float;
#endif
constexpr int kAccumulators = 12; // covers the latency of two units of four cycles
constexpr double kFlops = 2.0 * kAccumulators * (sizeof(Lanes) / sizeof(float));

double now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return double(t.tv_sec) + double(t.tv_nsec) * 1e-9;
}

struct Task {
  long steps;
  int threads;
  std::atomic<int> ready{0};
};

void *fmaLoop(void *argument) {
  auto &task = *static_cast<Task *>(argument);
  long steps = task.steps;
  task.ready.fetch_add(1);
  while (task.ready.load() < task.threads) {
  }
  Lanes sums[kAccumulators] = {}, a, b;
  for (unsigned i = 0; i < sizeof(Lanes) / sizeof(float); ++i)
    a[i] = 0.999f, b[i] = 0.001f;
  for (long step = 0; step < steps; ++step)
#pragma clang loop unroll(full)
    for (int i = 0; i < kAccumulators; ++i) {
      sums[i] = sums[i] * a + b;
      asm("" : "+v"(sums[i])); // keeps the loop as it is written
    }
  Lanes total = sums[0];
  for (int i = 1; i < kAccumulators; ++i)
    total += sums[i];
  volatile float sink = total[0];
  (void)sink;
  return nullptr;
}

} // namespace

/// GFLOP/s of `threads` (at most 64) register-only FMA loops of `steps` rounds.
extern "C" [[gnu::visibility("default")]] double smelt_probe_fma(int threads, long steps) {
  pthread_t others[64];
  Task task;
  task.steps = steps;
  task.threads = threads > 64 ? 64 : threads;
  int started = 0;
  while (started < task.threads - 1 && pthread_create(&others[started], nullptr, fmaLoop, &task) == 0)
    ++started;
  if (started < task.threads - 1) // those that run wait for as many as were asked for
    task.ready.fetch_add(task.threads - 1 - started);
  while (task.ready.load() < task.threads - 1) {
  }
  double start = now();
  fmaLoop(&task);
  for (int i = 0; i < started; ++i)
    pthread_join(others[i], nullptr);
  return kFlops * double(steps) * (started + 1) / (now() - start) * 1e-9;
}

/// Operations of one round of one thread.
extern "C" [[gnu::visibility("default")]] double smelt_probe_fma_flops() { return kFlops; }
