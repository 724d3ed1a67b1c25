//===- SimTest.h - Running pieces of PTX in tests ---------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_TEST_RUNTIME_SIM_SIMTEST_H
#define SMELT_TEST_RUNTIME_SIM_SIMTEST_H

#include "runtime/sim/Sim.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <unistd.h>

namespace smelt::sim {

inline std::string header(const char *target = "sm_80", const char *version = "8.0") {
  return std::string(".version ") + version + "\n.target " + target + "\n.address_size 64\n";
}

/// A kernel `k` of `params` 64-bit parameters p0, p1, ... that %rd0, %rd1, ... hold
/// (global addresses), with registers of all kinds; %r0 is the thread's number.
inline std::string kernel(const std::string &body, unsigned params = 4, const std::string &declarations = "",
                          const char *target = "sm_80", const std::string &locals = "") {
  std::string text = header(target) + declarations + ".visible .entry k(";
  for (unsigned i = 0; i < params; ++i)
    text += (i ? ", .param .u64 p" : ".param .u64 p") + std::to_string(i);
  text += ")\n{\n  .reg .pred %p<16>;\n  .reg .b16 %h<32>;\n  .reg .b32 %r<64>;\n  .reg .b32 %f<64>;\n  .reg .b64 "
          "%rd<64>;\n  .reg .b64 %fd<32>;\n";
  text += locals;
  for (unsigned i = 0; i < params; ++i)
    text += "  ld.param.u64 %rd" + std::to_string(i) + ", [p" + std::to_string(i) + "];\n";
  return text + "  mov.u32 %r0, %tid.x;\n" + body + "\n  ret;\n}\n";
}

/// Whether ptxas, where this machine has one, takes the text.
inline void expectAssembles(const std::string &text, const char *target = "sm_80") {
  static const char *ptxas = [] {
    const char *named = getenv("SMELT_PTXAS");
    const char *usual = "/usr/local/cuda/bin/ptxas";
    return named ? named : access(usual, X_OK) == 0 ? usual : nullptr;
  }();
  if (!ptxas)
    return;
  char path[] = "/tmp/smelt-ptx-XXXXXX";
  int file = mkstemp(path);
  ASSERT_GE(file, 0);
  ASSERT_EQ(write(file, text.data(), text.size()), ssize_t(text.size()));
  close(file);
  std::string command = std::string(ptxas) + " -arch=" + target + " -o /dev/null " + path + " 2>&1", said;
  FILE *pipe = popen(command.c_str(), "r");
  char line[512];
  while (fgets(line, sizeof line, pipe))
    said += line;
  EXPECT_EQ(pclose(pipe), 0) << said << text;
  unlink(path);
}

/// A device with a text that must load.
struct Fixture {
  std::unique_ptr<Device> device;
  std::vector<Diagnostic> diagnostics;
  std::optional<Module> module;

  explicit Fixture(const std::string &text, const char *target = "sm_80", bool assembles = true) {
    if (assembles)
      expectAssembles(text, target);
    module = parse(text, "test.ptx", diagnostics);
    if (module)
      device = Device::load(*module, diagnostics);
    for (const Diagnostic &d : diagnostics)
      ADD_FAILURE() << d.at.line << ":" << d.at.column << ": " << d.message << "\n" << text;
  }

  template <typename T> uint64_t buffer(const std::vector<T> &values) {
    uint64_t at = device->allocate(values.size() * sizeof(T));
    device->write(at, {reinterpret_cast<const uint8_t *>(values.data()), values.size() * sizeof(T)});
    return at;
  }
  uint64_t unwritten(uint64_t bytes) { return device->allocate(bytes); }
  template <typename T> std::vector<T> read(uint64_t at, size_t count, bool *isWhole = nullptr) {
    std::vector<T> values(count);
    bool whole = device->read(at, {reinterpret_cast<uint8_t *>(values.data()), count * sizeof(T)});
    if (isWhole)
      *isWhole = whole;
    return values;
  }
  LaunchResult run(std::vector<uint64_t> arguments, Dim3 block = {32}, Dim3 grid = {}, uint64_t shared = 0,
                   uint64_t seed = 0, bool checks = true) {
    Launch launch;
    launch.kernel = "k";
    launch.block = block, launch.grid = grid;
    launch.dynamicShared = shared;
    launch.seed = seed;
    launch.checks = checks;
    for (uint64_t value : arguments) {
      launch.arguments.emplace_back(8);
      std::memcpy(launch.arguments.back().data(), &value, 8);
    }
    return device->launch(launch);
  }
};

inline void expectClean(const LaunchResult &result) {
  for (const Finding &f : result.findings)
    ADD_FAILURE() << f.message;
}
inline void expectFinding(const LaunchResult &result, Finding::Kind kind, const std::string &text) {
  ASSERT_FALSE(result.findings.empty()) << "nothing found, want " << nameOf(kind);
  EXPECT_EQ(result.findings[0].kind, kind) << result.findings[0].message;
  EXPECT_NE(result.findings[0].message.find(text), std::string::npos)
      << result.findings[0].message << "\nwant: " << text;
}

} // namespace smelt::sim

#endif // SMELT_TEST_RUNTIME_SIM_SIMTEST_H
