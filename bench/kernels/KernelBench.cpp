//===- KernelBench.cpp - Contractions against the machine's FMA peak --------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One thread. Each round measures a register-only FMA loop and then every
// kernel; the best of all rounds counts, so that another job on the machine
// disturbs both alike. Usage: smelt-kernel-bench [name part] [--asm]
//
//===----------------------------------------------------------------------===//
#include "test/codegen/cpu/Harness.h"
#include "llvm/Support/FormatVariadic.h"
#include <ctime>
#include <cstdio>

using namespace smelt::test;

namespace {

struct Bench {
  std::string name;
  KernelText text;
  std::vector<size_t> bytes;      // of every operand and result
  std::vector<unsigned> constant; // operands that are weights
  double flops;
  std::vector<int64_t> symbols = {};
};

Bench matmul(int64_t m, int64_t n, int64_t k, bool constantB = true, bool transposeB = false, int64_t batch = 1) {
  std::string lead = batch > 1 ? std::to_string(batch) + "x" : "";
  std::string a = llvm::formatv("tensor<{2}{0}x{1}xf32>", m, k, lead), c = llvm::formatv("tensor<{2}{0}x{1}xf32>", m, n, lead),
              b = llvm::formatv("tensor<{2}{0}x{1}xf32>", transposeB ? n : k, transposeB ? k : n, lead),
              bias = llvm::formatv("tensor<{0}xf32>", n);
  Bench bench;
  bench.name = llvm::formatv("matmul {0}x{1}x{2}{3}{4} x{5}", m, n, k, constantB ? "" : " variable B", transposeB ? " transposed" : "", batch);
  bench.text = {{a, b, bias},
                {c},
                llvm::formatv("    %z = smelt.constant(dense<0.0> : tensor<f32>) : tensor<f32>\n"
                              "    %c = smelt.matmul %a0, %a1 {{transposeRhs = {4}} : ({0}, {1}) -> {2}\n"
                              "    %d = smelt.add %c, %a2 : ({2}, {3}) -> {2}\n"
                              "    %e = smelt.max %d, %z : ({2}, tensor<f32>) -> {2}\n"
                              "    smelt.yield %e : {2}",
                              a, b, c, bias, transposeB ? "true" : "false")};
  bench.bytes = {size_t(4 * m * k * batch), size_t(4 * k * n * batch), size_t(4 * n), size_t(4 * m * n * batch)};
  if (constantB)
    bench.constant = {1};
  bench.flops = 2.0 * m * n * k * batch;
  return bench;
}

Bench conv(int64_t size, int64_t c, int64_t o, int64_t kernel, int64_t stride, int64_t groups = 1, bool channelsLast = true) {
  int64_t pad = kernel / 2, out = (size + 2 * pad - kernel) / stride + 1;
  auto image = [&](int64_t s, int64_t channels) -> std::string {
    return channelsLast ? llvm::formatv("tensor<1x{0}x{0}x{1}xf32>", s, channels)
                        : llvm::formatv("tensor<1x{1}x{0}x{0}xf32>", s, channels);
  };
  std::string x = image(size, c), y = image(out, o), w = llvm::formatv("tensor<{0}x{1}x{2}x{2}xf32>", o, c / groups, kernel),
              bias = channelsLast ? llvm::formatv("tensor<{0}xf32>", o) : llvm::formatv("tensor<{0}x1x1xf32>", o);
  Bench bench;
  bench.name = llvm::formatv("conv {0}x{0}x{1} -> {2} k{3} s{4} g{5}{6}", size, c, o, kernel, stride, groups, channelsLast ? "" : " nchw");
  bench.text = {{x, w, bias},
                {y},
                llvm::formatv("    %z = smelt.constant(dense<0.0> : tensor<f32>) : tensor<f32>\n"
                              "    %c = smelt.conv %a0, %a1 {{strides = array<i64: {4}, {4}>, pads = #smelt.dims<() -> ({5}, {5}, {5}, {5})>, "
                              "dilations = array<i64: 1, 1>, groups = {6}, channelsLast = {7}} : ({0}, {1}) -> {2}\n"
                              "    %d = smelt.add %c, %a2 : ({2}, {3}) -> {2}\n"
                              "    %e = smelt.max %d, %z : ({2}, tensor<f32>) -> {2}\n"
                              "    smelt.yield %e : {2}",
                              x, w, y, bias, stride, pad, groups, channelsLast ? "true" : "false")};
  bench.bytes = {size_t(4 * size * size * c), size_t(4 * o * (c / groups) * kernel * kernel), size_t(4 * o), size_t(4 * out * out * o)};
  bench.constant = {1};
  bench.flops = 2.0 * out * out * o * (c / groups) * kernel * kernel;
  return bench;
}

double seconds() {
  timespec now; // the thread's own time: other jobs share the machine
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec + now.tv_nsec * 1e-9;
}

/// Register-only FMAs with the compiler's widest vectors.
double probePeak() {
#if defined(__AVX512F__)
  constexpr int kLanes = 16;
#else
  constexpr int kLanes = 8;
#endif
  typedef float Vector __attribute__((vector_size(kLanes * 4)));
  constexpr int kCount = 12, kTurns = 200000;
  Vector acc[kCount] = {}, x = {}, y = {};
  for (int i = 0; i < kLanes; ++i)
    x[i] = 0.999f, y[i] = 0.5f;
  double start = seconds();
  for (int t = 0; t < kTurns; ++t) {
#pragma clang fp contract(fast)
#pragma clang loop unroll(full)
    for (int i = 0; i < kCount; ++i)
      acc[i] = acc[i] * x + y;
    asm volatile("" : "+v"(x), "+v"(y));
  }
  double time = seconds() - start;
  for (auto &a : acc)
    asm volatile("" ::"v"(a));
  return 2.0 * kLanes * kCount * kTurns / time;
}

} // namespace

int main(int argc, char **argv) {
  std::string filter = argc > 1 ? argv[1] : "";
  bool printsAssembly = argc > 2 && std::string(argv[2]) == "--asm";
  std::vector<Bench> benches = {
      matmul(1024, 1024, 1024), matmul(128, 3072, 768), matmul(128, 768, 3072), matmul(49, 512, 4608),
      matmul(1001, 1000, 512), matmul(197, 768, 768), matmul(1, 4096, 4096), matmul(4, 4096, 4096),
      matmul(1, 1000, 2048), matmul(3136, 64, 64), matmul(4096, 1, 1024), matmul(4096, 3, 1024),
      matmul(512, 512, 512, false), matmul(1, 1024, 1024, false), matmul(512, 512, 64, false, true, 12),
      matmul(1, 512, 64, false, true, 32), matmul(512, 64, 512, false, false, 12),
      conv(56, 64, 64, 3, 1), conv(28, 128, 128, 3, 1), conv(14, 256, 256, 3, 1), conv(7, 512, 512, 3, 1),
      conv(56, 64, 256, 1, 1), conv(14, 1024, 256, 1, 1), conv(56, 256, 512, 1, 2), conv(224, 3, 64, 7, 2), conv(224, 3, 32, 3, 2),
      conv(28, 1, 8, 5, 1), conv(56, 128, 128, 3, 1, 32), conv(56, 64, 64, 3, 1, 1, false), conv(14, 256, 256, 3, 1, 1, false),
      conv(224, 3, 64, 7, 2, 1, false), conv(56, 256, 64, 1, 1, 1, false),
      conv(56, 64, 64, 3, 1, 64), conv(112, 96, 96, 3, 2, 96), conv(14, 512, 512, 3, 1, 512), conv(28, 256, 256, 5, 1, 256),
      conv(56, 64, 64, 3, 1, 64, false)};
  double peak = 0;
  for (int i = 0; i < 5; ++i)
    peak = std::max(peak, probePeak());
  std::printf("FMA peak %.1f GFLOP/s\n", peak * 1e-9);
  for (Bench &bench : benches) {
    if (bench.name.find(filter) == std::string::npos)
      continue;
    std::vector<GuardedBuffer> buffers;
    std::vector<void *> pointers;
    for (size_t i = 0; i < bench.bytes.size(); ++i) {
      buffers.emplace_back((bench.bytes[i] + 63) / 64 * 64);
      fillIntegers(buffers.back().as<float>(), bench.bytes[i] / 4, i);
      pointers.push_back(buffers.back().data());
    }
    std::vector<std::pair<unsigned, std::vector<char>>> constants;
    for (unsigned i : bench.constant)
      constants.push_back({i, std::vector<char>(buffers[i].data(), buffers[i].data() + bench.bytes[i])});
    Kernel kernel(bench.text, constants, "native");
    if (printsAssembly)
      std::printf("%s\n", kernel.assembly().c_str());
    double best = 1e9, nearPeak = peak;
    double until = seconds() + 0.25;
    for (int i = 0; i < 3 || seconds() < until; ++i) {
      double start = seconds();
      kernel.run(pointers, bench.symbols);
      best = std::min(best, seconds() - start);
    }
    for (int i = 0; i < 2; ++i)
      nearPeak = std::max(nearPeak, probePeak());
    peak = std::max(peak, nearPeak);
    double bytes = 0;
    for (size_t b : bench.bytes)
      bytes += b;
    std::printf("%-44s %-9s %9.1f us %7.1f GFLOP/s %5.1f %% of peak %6.1f GB/s  compiled in %.0f ms\n", bench.name.c_str(),
                kernel.family().c_str(), best * 1e6, bench.flops / best * 1e-9, 100 * bench.flops / best / peak,
                bytes / best * 1e-9, kernel.compileMilliseconds);
    std::fflush(stdout);
  }
  return 0;
}
