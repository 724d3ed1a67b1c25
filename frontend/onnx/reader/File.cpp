//===- File.cpp - Mapped files and the choke point for external data
//-------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See File.h. Names are refused by their text first, so that a traversal is
// called one even where its first folder doesn't exist; the kernel's
// RESOLVE_BENEATH then holds against races.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/reader/File.h"
#include "frontend/onnx/reader/Diagnostics.h"

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace smelt::onnx;

namespace {
/// An open descriptor, closed at the end of its scope.
struct Fd {
  int fd = -1;
  explicit Fd(int fd = -1) : fd(fd) {}
  Fd(Fd &&other) noexcept : fd(std::exchange(other.fd, -1)) {}
  Fd &operator=(Fd &&other) noexcept {
    std::swap(fd, other.fd);
    return *this;
  }
  ~Fd() {
    if (fd >= 0)
      ::close(fd);
  }
  explicit operator bool() const { return fd >= 0; }
};
} // namespace

// NONBLOCK: opening a FIFO must not hang. It means nothing to regular files.
static constexpr int kOpenFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

MappedFile::~MappedFile() {
  if (address)
    ::munmap(address, length);
}

static Error fileError(int exitCode, std::string code, std::string message,
                       const std::string &file, std::string hint = {}) {
  return {exitCode, std::move(code), std::move(message), {}, file,
          -1,       std::move(hint)};
}

/// An error of the system while opening or mapping `what`.
static Error systemError(const std::string &what, const std::string &file,
                         int error) {
  bool missing = error == ENOENT || error == ENOTDIR || error == EACCES;
  return fileError(missing ? kExitNoInput : kExitIO,
                   missing ? "io.missing-file" : "io.open-failed",
                   what + ": " + std::strerror(error), file);
}

static Result<MappedFile> mapDescriptor(int fd, const struct stat &info,
                                        const std::string &file) {
  if (info.st_size == 0)
    return MappedFile();
  void *address =
      ::mmap(nullptr, size_t(info.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
  if (address == MAP_FAILED)
    return fileError(kExitIO, "io.map-failed",
                     "cannot map " + std::to_string(info.st_size) +
                         " bytes: " + std::strerror(errno),
                     file);
  return MappedFile(address, size_t(info.st_size));
}

static std::string_view kindOfFile(mode_t mode) {
  return S_ISDIR(mode)    ? "a folder"
         : S_ISCHR(mode)  ? "a character device"
         : S_ISBLK(mode)  ? "a block device"
         : S_ISFIFO(mode) ? "a FIFO"
         : S_ISSOCK(mode) ? "a socket"
         : S_ISLNK(mode)  ? "a symbolic link"
                          : "a special file";
}

/// Reads all of a file that has `size` bytes.
static Result<MappedFile> readDescriptor(int fd, size_t size,
                                         const std::string &file) {
  if (size == 0)
    return MappedFile();
  void *address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED)
    return fileError(
        kExitMemory, "io.no-memory",
        "no memory for the file's " + std::to_string(size) + " bytes", file);
  MappedFile out(address, size);
  for (size_t done = 0; done < size;) {
    ssize_t got = ::read(fd, static_cast<char *>(address) + done, size - done);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return fileError(
          kExitIO, "io.read-failed",
          "found " + std::to_string(done) + " of " + std::to_string(size) +
              " bytes: " + (got < 0 ? std::strerror(errno) : "the file ends"),
          file);
    done += size_t(got);
  }
  return out;
}

Result<MappedFile> smelt::onnx::readUserFile(const std::string &path,
                                             uint64_t maxBytes) {
  Fd file(::open(path.c_str(), kOpenFlags));
  if (!file)
    return systemError("cannot open the model", path, errno);
  struct stat info;
  if (::fstat(file.fd, &info) != 0)
    return systemError("cannot inspect the model", path, errno);
  if (!S_ISREG(info.st_mode))
    return fileError(
        kExitIO, "io.not-a-file",
        "found " + std::string(kindOfFile(info.st_mode)) +
            ", want a regular file",
        path,
        S_ISDIR(info.st_mode) ? "name the .onnx file in that folder" : "");
  if (uint64_t(info.st_size) > maxBytes)
    return fileError(kExitInvalid, "onnx.file-too-large",
                     "the file has " + std::to_string(info.st_size) +
                         " bytes, protobuf allows " + std::to_string(maxBytes),
                     path, "save the model with external data");
  return readDescriptor(file.fd, size_t(info.st_size), path);
}

//===----------------------------------------------------------------------===//
// External data
//===----------------------------------------------------------------------===//

/// The reason why `location` is refused by its text alone, or nothing.
static std::optional<Error> refuseLocation(std::string_view location) {
  auto refuse = [&](int exitCode, const char *code, const std::string &why) {
    return fileError(exitCode, code,
                     "external data at " + quote(location) + ": " + why +
                         "; want a path below the model's folder",
                     "");
  };
  if (location.empty())
    return refuse(kExitInvalid, "onnx.external-location",
                  "the location is empty");
  if (location.size() >= PATH_MAX)
    return refuse(kExitInvalid, "onnx.external-location",
                  "the location is too long");
  for (unsigned char c : location)
    if (c < 0x20 || c == 0x7f)
      return refuse(kExitInvalid, "onnx.external-location",
                    "the location holds a control character");
  if (location.front() == '/')
    return refuse(kExitPolicy, "onnx.external-path", "the path is absolute");
  for (size_t start = 0; start <= location.size();) {
    size_t end = std::min(location.find('/', start), location.size());
    if (location.substr(start, end - start) == "..")
      return refuse(kExitPolicy, "onnx.external-path",
                    "the path leaves its folder by '..'");
    start = end + 1;
  }
  return std::nullopt;
}

/// Opens component by component, following no link. errno as of openat2.
static Fd openByWalking(int folder, const std::string &location) {
  Fd at(::openat(folder, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  size_t start = 0;
  while (at) {
    size_t end = std::min(location.find('/', start), location.size());
    std::string part = location.substr(start, end - start);
    bool last = end == location.size();
    if (last)
      return Fd(::openat(at.fd, part.empty() ? "." : part.c_str(),
                         kOpenFlags | O_NOFOLLOW));
    if (!part.empty() && part != ".") {
      // Without O_DIRECTORY O_PATH opens a link itself, so that it can be told
      // from a missing folder.
      Fd next(::openat(at.fd, part.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
      struct stat info;
      if (next && ::fstat(next.fd, &info) == 0 && !S_ISDIR(info.st_mode)) {
        errno = S_ISLNK(info.st_mode) ? ELOOP : ENOTDIR;
        return Fd();
      }
      at = std::move(next);
    }
    start = end + 1;
  }
  return Fd();
}

static Fd openBeneath(int folder, const std::string &location,
                      OpenMethod method) {
  if (method == OpenMethod::Auto) {
    struct open_how how = {};
    how.flags = kOpenFlags;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    Fd file(int(
        ::syscall(SYS_openat2, folder, location.c_str(), &how, sizeof(how))));
    // EPERM: how older sandboxes answer a system call they don't know.
    if (file || (errno != ENOSYS && errno != EPERM))
      return file;
  }
  return openByWalking(folder, location);
}

/// The real path of an open descriptor, "" when the system won't tell.
static std::string realPathOf(int fd) {
  char path[PATH_MAX];
  std::string link = "/proc/self/fd/" + std::to_string(fd);
  ssize_t length = ::readlink(link.c_str(), path, sizeof(path));
  if (length <= 0 || size_t(length) == sizeof(path) || path[0] != '/')
    return {};
  return std::string(path, size_t(length));
}

/// Follows links; the file found must lie below `trustRoot`. O_PATH first:
/// nothing is opened for reading, and no device is touched, before that.
static Result<int> openTrusted(int folder, const std::string &location,
                               const std::string &trustRoot,
                               const std::string &file) {
  Fd found(::openat(folder, location.c_str(), O_PATH | O_CLOEXEC));
  if (!found)
    return systemError("cannot open external data " + quote(location), file,
                       errno);
  Fd root(::open(trustRoot.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root)
    return systemError("cannot open the trusted folder " + quote(trustRoot),
                       file, errno);
  std::string path = realPathOf(found.fd), rootPath = realPathOf(root.fd);
  if (rootPath != "/")
    rootPath += '/';
  if (path.empty() || !path.starts_with(rootPath))
    return fileError(kExitPolicy, "onnx.external-path",
                     "external data " + quote(location) + " is " + quote(path) +
                         "; want a file below the trusted folder " +
                         quote(rootPath),
                     file);
  struct stat info;
  if (::fstat(found.fd, &info) != 0)
    return systemError("cannot inspect " + quote(location), file, errno);
  if (!S_ISREG(info.st_mode))
    return fileError(kExitPolicy, "onnx.external-not-a-file",
                     "external data " + quote(location) + " is " +
                         std::string(kindOfFile(info.st_mode)) +
                         ", want a regular file",
                     file);
  int fd =
      ::open(("/proc/self/fd/" + std::to_string(found.fd)).c_str(), kOpenFlags);
  if (fd < 0)
    return systemError("cannot open external data " + quote(location), file,
                       errno);
  return fd;
}

Result<MappedFile> smelt::onnx::mapExternalFile(const std::string &folder,
                                                std::string_view location,
                                                const std::string &trustRoot,
                                                OpenMethod method) {
  std::string path(location);
  std::string file = folder + "/" + path;
  if (std::optional<Error> refused = refuseLocation(location))
    return *refused;
  if (folder.empty())
    return fileError(
        kExitPolicy, "onnx.external-path",
        "a model without a folder has external data at " + quote(location), "");
  Fd directory(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory)
    return systemError("cannot open the model's folder", folder, errno);

  Fd opened = openBeneath(directory.fd, path, method);
  int error = errno;
  struct stat info = {};
  if (opened && ::fstat(opened.fd, &info) != 0)
    return systemError("cannot inspect " + quote(location), file, errno);
  bool linked = !opened && (error == ELOOP || error == EXDEV);
  bool shared = opened && S_ISREG(info.st_mode) && info.st_nlink != 1;
  if ((linked || shared) && !trustRoot.empty()) {
    Result<int> trusted = openTrusted(directory.fd, path, trustRoot, file);
    if (!trusted)
      return trusted.errors();
    opened = Fd(*trusted);
    if (::fstat(opened.fd, &info) != 0)
      return systemError("cannot inspect " + quote(location), file, errno);
    linked = shared = false;
  }
  if (linked)
    return fileError(kExitPolicy, "onnx.external-symlink",
                     "external data " + quote(location) +
                         " is reached by a symbolic link, want a file below "
                         "the model's folder",
                     file,
                     "name the folder the link leads to with --trust-root");
  if (!opened) // ENXIO: a FIFO or socket nobody serves
    return error == ENXIO
               ? fileError(kExitPolicy, "onnx.external-not-a-file",
                           "external data " + quote(location) +
                               " is a special file, want a regular file",
                           file)
               : systemError("cannot open external data " + quote(location),
                             file, error);
  if (!S_ISREG(info.st_mode))
    return fileError(kExitPolicy, "onnx.external-not-a-file",
                     "external data " + quote(location) + " is " +
                         std::string(kindOfFile(info.st_mode)) +
                         ", want a regular file",
                     file);
  if (shared)
    return fileError(
        kExitPolicy, "onnx.external-hard-link",
        "external data " + quote(location) + " has " +
            std::to_string(info.st_nlink) + " hard links, want one",
        file, "copy the file, or name its folder with --trust-root");
  return mapDescriptor(opened.fd, info, file);
}

std::string_view smelt::onnx::guessContent(std::span<const uint8_t> bytes) {
  std::string_view text(reinterpret_cast<const char *>(bytes.data()),
                        std::min<size_t>(bytes.size(), 512));
  struct Magic {
    std::string_view bytes, what;
  };
  static constexpr Magic table[] = {
      {"version https://git-lfs", "a git-lfs pointer"},
      {"PK\x03\x04", "a zip archive (a PyTorch checkpoint?)"},
      {"\x1f\x8b", "a gzip file"},
      {"\x89HDF\r\n", "an HDF5 file"},
      {"GGUF", "a GGUF file"},
      {"\x80\x02", "a Python pickle"},
      {"<!DOCTYPE", "an HTML page"},
      {"<html", "an HTML page"},
      {"\x7f"
       "ELF",
       "an ELF file"},
  };
  for (const Magic &magic : table)
    if (text.starts_with(magic.bytes))
      return magic.what;
  if (text.size() > 8 && text.substr(4, 4) == "TFL3")
    return "a TensorFlow Lite model";
  if (text.size() > 9 && text[8] == '{' &&
      text.substr(5, 3) == std::string_view("\0\0\0", 3))
    return "a safetensors file";
  for (unsigned char c : text)
    if (c < 0x20 && c != '\n' && c != '\r' && c != '\t')
      return {};
  return text.empty() ? std::string_view() : "a text file";
}
