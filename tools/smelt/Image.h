//===- Image.h - Pictures from PNG and JPEG files --------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Decoding by libpng and libjpeg, and resizing. Only the driver reads pictures;
// an executable does not. Tested by test/tools/images.test.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_TOOLS_SMELT_IMAGE_H
#define SMELT_TOOLS_SMELT_IMAGE_H

#include <cstdint>
#include <string>
#include <vector>

namespace smelt {

/// Interleaved channels, row by row, 0 to 255.
struct Image {
  int64_t height = 0, width = 0, channels = 0;
  std::vector<float> pixels;
};

bool isImageFile(const std::string &path);

/// Reads a file as grey (1 channel) or RGB (3); returns an exit code, and says
/// why in `error`.
int readImage(const std::string &path, int64_t channels, Image &image, std::string &error);

/// Bilinear, with pixel centres at halves.
Image resize(const Image &image, int64_t height, int64_t width);

} // namespace smelt

#endif // SMELT_TOOLS_SMELT_IMAGE_H
