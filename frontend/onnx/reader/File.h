//===- File.h - Mapped files and the choke point for external data
//---------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Private to the reader: the only functions here that open files. A file is
// checked and mapped through one descriptor.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_FRONTEND_ONNX_READER_FILE_H
#define SMELT_FRONTEND_ONNX_READER_FILE_H

#include "frontend/onnx/reader/Reader.h"

namespace smelt::onnx {

/// A range of pages; moving keeps the address.
class MappedFile {
public:
  MappedFile() = default;
  MappedFile(void *address, size_t size) : address(address), length(size) {}
  MappedFile(MappedFile &&other) noexcept { *this = std::move(other); }
  MappedFile &operator=(MappedFile &&other) noexcept {
    std::swap(address, other.address);
    std::swap(length, other.length);
    return *this;
  }
  ~MappedFile();

  std::span<const uint8_t> bytes() const {
    return {static_cast<const uint8_t *>(address), length};
  }

private:
  void *address = nullptr;
  size_t length = 0;
};

/// Reads the file a user named, any regular file up to `maxBytes`. It is read,
/// not mapped: the bytes are checked first and parsed then, and neither an
/// error of the disk nor another process may change them in between.
Result<MappedFile> readUserFile(const std::string &path, uint64_t maxBytes);

/// How a location below a folder is opened. Walk is what Auto falls back to
/// where the system has no openat2.
enum class OpenMethod { Auto, Walk };

/// Maps the file that a model names by `location`, relative to `folder`.
/// Refused: absolute paths, "..", symbolic links, what isn't a regular file
/// or has a second link. With a `trustRoot` links are followed, as long as
/// the file they end at lies below that folder. These files stay mapped, since
/// they may be larger than the memory; they must not shrink meanwhile.
Result<MappedFile> mapExternalFile(const std::string &folder,
                                   std::string_view location,
                                   const std::string &trustRoot,
                                   OpenMethod method = OpenMethod::Auto);

/// What a file is that isn't an ONNX model ("a git-lfs pointer", "a text
/// file", "a zip archive"), or "".
std::string_view guessContent(std::span<const uint8_t> bytes);

} // namespace smelt::onnx

#endif // SMELT_FRONTEND_ONNX_READER_FILE_H
