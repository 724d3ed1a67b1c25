//===- Bytes.cpp - Whole files, read and written -----------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See Bytes.h. Tested by test/runtime/IoTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/io/Bytes.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

namespace smelt::rt {

static int cannotOpen(const char *path, smelt_error *err) {
  int e = errno;
  return fail(err, e == ENOENT || e == ENOTDIR ? SMELT_NO_FILE : SMELT_IO, "cannot open '%s': %s", path,
              strerror(e));
}

int readFile(const char *path, Bytes &bytes, smelt_error *err, uint64_t limit) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return cannotOpen(path, err);
  Defer closing([&] { close(file); });
  struct stat status;
  if (fstat(file, &status) != 0)
    return cannotOpen(path, err);
  if (!S_ISREG(status.st_mode))
    return fail(err, SMELT_BAD_DATA, "'%s' is not a regular file", path);
  uint64_t size = static_cast<uint64_t>(status.st_size);
  if (size > limit)
    return fail(err, SMELT_BAD_DATA, "'%s' has %llu bytes, at most %llu are read", path,
                static_cast<unsigned long long>(size), static_cast<unsigned long long>(limit));
  if (!bytes.resize(size))
    return failMemory(err, size, path);
  for (size_t done = 0; done < size;) {
    ssize_t got = read(file, bytes.data() + done, size - done);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return fail(err, SMELT_IO, "cannot read '%s': %s", path, got < 0 ? strerror(errno) : "it became shorter");
    done += static_cast<size_t>(got);
  }
  return SMELT_OK;
}

static bool writeAll(int file, Span bytes) {
  for (size_t done = 0; done < bytes.size;) {
    ssize_t put = write(file, bytes.data + done, bytes.size - done);
    if (put < 0 && errno == EINTR)
      continue;
    if (put <= 0)
      return false;
    done += static_cast<size_t>(put);
  }
  return true;
}

int writeFile(const char *path, Span bytes, smelt_error *err) {
  struct stat status;
  bool isSpecial = stat(path, &status) == 0 && !S_ISREG(status.st_mode);
  String name;
  if (!name.assign(path) || (!isSpecial && !name.appendf(".%d.tmp", static_cast<int>(getpid()))))
    return failMemory(err, strlen(path), "a path");
  int file = open(name.c_str(), isSpecial ? O_WRONLY | O_CLOEXEC : O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0)
    return fail(err, SMELT_CANNOT_WRITE, "cannot write '%s': %s", path, strerror(errno));
  bool ok = writeAll(file, bytes) && (isSpecial || fsync(file) == 0);
  int e = errno;
  ok = close(file) == 0 && ok;
  if (ok && !isSpecial && rename(name.c_str(), path) != 0) {
    ok = false;
    e = errno;
  }
  if (ok)
    return SMELT_OK;
  if (!isSpecial)
    unlink(name.c_str());
  return fail(err, SMELT_IO, "cannot write '%s': %s", path, strerror(e));
}

} // namespace smelt::rt
