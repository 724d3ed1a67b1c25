//===- Supervise.cpp - Work in a process that is watched -------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "tools/smelt/Supervise.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace smelt {

namespace {

uint64_t memoryLimit(const WorkLimits &limits) {
  if (limits.memoryBytes)
    return limits.memoryBytes;
  uint64_t physical = uint64_t(sysconf(_SC_PHYS_PAGES)) * uint64_t(sysconf(_SC_PAGESIZE));
  return std::min(physical / 4 * 3, uint64_t(64) << 30);
}

// A signal to this process ends the child first, so that its files can be removed.
volatile sig_atomic_t caught = 0;
volatile pid_t watched = 0;

void endChild(int signal) {
  caught = signal;
  kill(watched, SIGKILL);
}

[[noreturn]] void outOfMemory() {
  constexpr char message[] = "smelt: error: out of memory (the limit is min(75 % of RAM, 64 GiB) or --memory-limit)\n";
  [[maybe_unused]] ssize_t n = write(STDERR_FILENO, message, sizeof message - 1);
  _exit(71);
}

[[noreturn]] void runChild(const WorkLimits &limits, const std::function<int()> &work) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  rlimit none{0, 0}, data;
  setrlimit(RLIMIT_CORE, &none);
  // Private memory only: a mapped model is the file's.
  if (getrlimit(RLIMIT_DATA, &data) == 0) {
    data.rlim_cur = std::min<uint64_t>(data.rlim_max, memoryLimit(limits));
    setrlimit(RLIMIT_DATA, &data);
  }
  std::set_new_handler(outOfMemory);
  llvm::install_bad_alloc_error_handler([](void *, const char *, bool) { outOfMemory(); });
  int code = work();
  llvm::outs().flush();
  llvm::errs().flush();
  _exit(code);
}

/// Waits until the child has closed `fd`, which only it holds; false at the deadline.
bool waitForEnd(int fd, double seconds) {
  auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  pollfd waited{fd, POLLIN, 0};
  while (true) {
    int milliseconds = -1;
    if (seconds > 0) {
      auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
      milliseconds = int(std::clamp<int64_t>(left, 0, 1 << 30));
    }
    int count = poll(&waited, 1, milliseconds);
    if (count > 0)
      return true;
    if (count == 0)
      return false;
    if (errno != EINTR)
      return true;
  }
}

} // namespace

WorkResult supervise(const WorkLimits &limits, const std::string &temporary, const std::function<int()> &work) {
  int ends[2];
  pid_t child = -1;
  llvm::outs().flush();
  if (pipe2(ends, O_CLOEXEC) == 0)
    child = fork();
  if (child < 0)
    return {71, 0, std::string("cannot start a process: ") + std::strerror(errno)};
  if (child == 0) {
    close(ends[0]);
    runChild(limits, work);
  }
  close(ends[1]);
  watched = child;
  for (int ending : {SIGINT, SIGTERM, SIGHUP})
    signal(ending, endChild);
  WorkResult result;
  bool isLate = !waitForEnd(ends[0], limits.seconds);
  if (isLate)
    kill(child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR)
    ;
  close(ends[0]);
  for (int ending : {SIGINT, SIGTERM, SIGHUP})
    signal(ending, SIG_DFL);
  if (!isLate && !caught && WIFEXITED(status)) {
    result.exitCode = WEXITSTATUS(status);
    return result;
  }
  if (!temporary.empty()) {
    std::string rest = temporary + ".tmp-" + std::to_string(child);
    llvm::sys::fs::remove(rest);
    llvm::sys::fs::remove_directories(rest + ".d");
  }
  int ended = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  if (caught || ended == SIGINT || ended == SIGTERM || ended == SIGHUP) // a wish, no crash
    raise(caught ? caught : ended);
  if (isLate) {
    result.exitCode = 75;
    llvm::raw_string_ostream(result.reason) << "the deadline of " << llvm::format("%g", limits.seconds) << " s has passed";
    return result;
  }
  if (ended == SIGPIPE) { // `smelt explain m.onnx | head`
    result.exitCode = 74;
    result.reason = "nobody reads the output any more";
    return result;
  }
  result.signal = ended;
  result.exitCode = result.signal == SIGKILL ? 71 : 70;
  result.reason = result.signal == SIGKILL ? "the compiler was killed, as happens when memory runs out"
                                           : std::string("the compiler crashed: ") + strsignal(result.signal);
  return result;
}

} // namespace smelt
