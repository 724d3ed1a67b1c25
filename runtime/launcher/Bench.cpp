//===- Bench.cpp - Times runs and kernels ---------------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// --bench and --profile, as Markdown, CSV or JSON. Tested by
// test/runtime/launcher.py.
//
//===----------------------------------------------------------------------===//
#include "runtime/launcher/Session.h"
#include <stdio.h>

namespace smelt::rt {

static int ascending(const void *a, const void *b) {
  uint64_t x = *static_cast<const uint64_t *>(a), y = *static_cast<const uint64_t *>(b);
  return (x > y) - (x < y);
}

/// A program's name may hold anything a file name may.
static String quoted(const char *text) {
  String result;
  result.appendf("\"");
  for (; *text; ++text) {
    if (static_cast<unsigned char>(*text) < 0x20)
      result.appendf("\\u%04x", *text);
    else
      result.appendf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
  }
  result.appendf("\"");
  return result;
}

int bench(Session &s, smelt_error *err) {
  const Options &o = s.options;
  Vec<uint64_t> times;
  if (!times.reserve(static_cast<size_t>(o.runs)))
    return failMemory(err, static_cast<uint64_t>(o.runs) * 8, "the times");
  for (int64_t i = 0; i < o.warmup + o.runs; ++i) {
    uint64_t start = nowNanoseconds();
    if (int code = smelt_run(s.context, err))
      return code;
    uint64_t time = nowNanoseconds() - start;
    if (i >= o.warmup && !times.push(time))
      return failMemory(err, 8, "the times");
  }
  qsort(times.data(), times.size(), sizeof(uint64_t), ascending);
  size_t n = times.size();
  auto us = [&](size_t i) { return static_cast<double>(times[i]) / 1000; };
  double median = n % 2 ? us(n / 2) : (us(n / 2 - 1) + us(n / 2)) / 2;
  double p95 = us((n * 95 + 99) / 100 - 1);
  uint64_t now, peak;
  smelt_context_memory(s.context, &now, &peak);
  double megabytes = static_cast<double>(peak) / 1e6;
  uint32_t threads = smelt_context_threads(s.context);
  String name = quoted(o.program);
  switch (o.format) {
  case Format::Markdown:
    printf("| model | threads | runs | min us | median us | p95 us | peak MB |\n"
           "|---|---|---|---|---|---|---|\n| %s | %u | %zu | %.1f | %.1f | %.1f | %.1f |\n",
           o.program, threads, n, us(0), median, p95, megabytes);
    break;
  case Format::Csv:
    printf("model,threads,runs,min_us,median_us,p95_us,peak_mb\n%s,%u,%zu,%.3f,%.3f,%.3f,%.3f\n", name.c_str(), threads,
           n, us(0), median, p95, megabytes);
    break;
  case Format::Json:
    printf("{\"model\": %s, \"threads\": %u, \"runs\": %zu, \"min_us\": %.3f, \"median_us\": %.3f, \"p95_us\": %.3f, \"peak_mb\": %.3f}\n",
           name.c_str(), threads, n, us(0), median, p95, megabytes);
    break;
  }
  return SMELT_OK;
}

void printProfile(const Session &s) {
  size_t count;
  const smelt_profile_event *events = smelt_context_profile(s.context, &count);
  Format format = s.options.format;
  uint64_t total = 0;
  for (size_t i = 0; i < count; ++i)
    total += events[i].duration_ns;
  double all = total ? static_cast<double>(total) : 1;
  if (format == Format::Markdown)
    printf("| # | kernel | workgroups | start us | us | %% |\n|---|---|---|---|---|---|\n");
  else if (format == Format::Csv)
    printf("index,kernel,workgroups,start_us,us,percent\n");
  else
    printf("[");
  for (size_t i = 0; i < count; ++i) {
    const smelt_profile_event &e = events[i];
    double start = static_cast<double>(e.start_ns) / 1000, time = static_cast<double>(e.duration_ns) / 1000;
    double percent = 100 * static_cast<double>(e.duration_ns) / all;
    long long grid = static_cast<long long>(e.grid);
    String name = quoted(e.name);
    if (format == Format::Markdown)
      printf("| %zu | %s | %lld | %.1f | %.1f | %.1f |\n", i, e.name, grid, start, time, percent);
    else if (format == Format::Csv)
      printf("%zu,%s,%lld,%.3f,%.3f,%.2f\n", i, name.c_str(), grid, start, time, percent);
    else
      printf("%s{\"kernel\": %s, \"workgroups\": %lld, \"start_us\": %.3f, \"us\": %.3f, \"percent\": %.2f}",
             i ? ",\n " : "", name.c_str(), grid, start, time, percent);
  }
  if (format == Format::Json)
    printf("]\n");
}

} // namespace smelt::rt
