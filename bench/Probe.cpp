//===- Probe.cpp - What the machine can do at this moment -------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Loops whose speed only the hardware limits, run beside every measurement: a
// round whose probe is slow was disturbed. Built for the machine it runs on.
//
//===----------------------------------------------------------------------===//
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

double now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return double(t.tv_sec) + double(t.tv_nsec) * 1e-9;
}

void *fmaLoop(void *argument) {
  long steps = *static_cast<long *>(argument);
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
  int started = 0;
  double start = now();
  while (started < threads - 1 && started < 64 && pthread_create(&others[started], nullptr, fmaLoop, &steps) == 0)
    ++started;
  fmaLoop(&steps);
  for (int i = 0; i < started; ++i)
    pthread_join(others[i], nullptr);
  double flops = 2.0 * kAccumulators * double(sizeof(Lanes) / sizeof(float)) * double(steps) * (started + 1);
  return flops / (now() - start) * 1e-9;
}
