//===- Image.cpp - Pictures from PNG and JPEG files ------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See Image.h. Pictures are limited to 2^28 pixels before anything is
// allocated for them.
//
//===----------------------------------------------------------------------===//
#include "tools/smelt/Image.h"
#include "llvm/ADT/StringRef.h"
#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include <jpeglib.h>
#include <png.h>

using namespace smelt;

static constexpr uint64_t kMaxPixels = uint64_t(1) << 28;

bool smelt::isImageFile(const std::string &path) {
  llvm::StringRef p(path);
  return p.ends_with_insensitive(".png") || p.ends_with_insensitive(".jpg") || p.ends_with_insensitive(".jpeg");
}

static int readPng(const std::string &path, int64_t channels, Image &image, std::string &error) {
  png_image png;
  memset(&png, 0, sizeof png);
  png.version = PNG_IMAGE_VERSION;
  if (!png_image_begin_read_from_file(&png, path.c_str())) {
    error = png.message;
    return 65;
  }
  if (uint64_t(png.width) * png.height > kMaxPixels) {
    error = "has " + std::to_string(png.width) + "x" + std::to_string(png.height) + " pixels, at most 2^28 are read";
    png_image_free(&png);
    return 71;
  }
  png.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  std::vector<uint8_t> bytes(PNG_IMAGE_SIZE(png));
  png_color white = {255, 255, 255}; // what a transparent picture lies on
  if (!png_image_finish_read(&png, &white, bytes.data(), 0, nullptr)) {
    error = png.message;
    return 65;
  }
  image.height = png.height;
  image.width = png.width;
  image.pixels.assign(bytes.begin(), bytes.end());
  return 0;
}

namespace {
struct JpegErrors {
  jpeg_error_mgr manager;
  jmp_buf back;
  char message[JMSG_LENGTH_MAX];
};
} // namespace

/// libjpeg ends an error by a jump; nothing with a destructor lives in here.
static int decodeJpeg(FILE *file, int64_t channels, Image &image, JpegErrors &errors) {
  jpeg_decompress_struct jpeg;
  jpeg.err = jpeg_std_error(&errors.manager);
  errors.manager.error_exit = [](j_common_ptr info) {
    auto *e = reinterpret_cast<JpegErrors *>(info->err);
    e->manager.format_message(info, e->message);
    longjmp(e->back, 1);
  };
  errors.manager.output_message = [](j_common_ptr) {};
  jpeg_create_decompress(&jpeg);
  if (setjmp(errors.back)) {
    jpeg_destroy_decompress(&jpeg);
    return 65;
  }
  jpeg_stdio_src(&jpeg, file);
  jpeg_read_header(&jpeg, TRUE);
  jpeg.out_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_start_decompress(&jpeg); // JPEG itself ends at 65,500 x 65,500
  if (uint64_t(jpeg.output_width) * jpeg.output_height > kMaxPixels) {
    snprintf(errors.message, sizeof errors.message, "has %ux%u pixels, at most 2^28 are read", jpeg.output_width,
             jpeg.output_height);
    jpeg_destroy_decompress(&jpeg);
    return 71;
  }
  image.height = jpeg.output_height;
  image.width = jpeg.output_width;
  size_t stride = size_t(jpeg.output_width) * size_t(channels);
  image.pixels.resize(stride * jpeg.output_height);
  JSAMPARRAY row = (*jpeg.mem->alloc_sarray)(reinterpret_cast<j_common_ptr>(&jpeg), JPOOL_IMAGE, JDIMENSION(stride), 1);
  while (jpeg.output_scanline < jpeg.output_height) {
    size_t at = jpeg.output_scanline * stride;
    jpeg_read_scanlines(&jpeg, row, 1);
    std::copy_n(row[0], stride, image.pixels.begin() + ptrdiff_t(at));
  }
  jpeg_finish_decompress(&jpeg);
  jpeg_destroy_decompress(&jpeg);
  return 0;
}

int smelt::readImage(const std::string &path, int64_t channels, Image &image, std::string &error) {
  FILE *file = fopen(path.c_str(), "rb");
  if (!file) {
    error = strerror(errno);
    return 66;
  }
  int code;
  image.channels = channels;
  if (llvm::StringRef(path).ends_with_insensitive(".png")) {
    code = readPng(path, channels, image, error);
  } else {
    JpegErrors errors;
    code = decodeJpeg(file, channels, image, errors);
    if (code)
      error = errors.message;
  }
  fclose(file);
  return code;
}

Image smelt::resize(const Image &image, int64_t height, int64_t width) {
  Image result{height, width, image.channels, {}};
  result.pixels.resize(size_t(height * width * image.channels));
  auto place = [](int64_t at, int64_t to, int64_t from, int64_t &low, int64_t &high) {
    float x = std::clamp((float(at) + 0.5f) * float(from) / float(to) - 0.5f, 0.0f, float(from - 1));
    low = int64_t(x);
    high = std::min(low + 1, from - 1);
    return x - float(low);
  };
  for (int64_t y = 0; y < height; ++y) {
    int64_t y0, y1, x0, x1;
    float fy = place(y, height, image.height, y0, y1);
    for (int64_t x = 0; x < width; ++x) {
      float fx = place(x, width, image.width, x0, x1);
      for (int64_t c = 0; c < image.channels; ++c) {
        auto at = [&](int64_t r, int64_t s) { return image.pixels[size_t((r * image.width + s) * image.channels + c)]; };
        float top = at(y0, x0) + fx * (at(y0, x1) - at(y0, x0));
        float bottom = at(y1, x0) + fx * (at(y1, x1) - at(y1, x0));
        result.pixels[size_t((y * width + x) * image.channels + c)] = top + fy * (bottom - top);
      }
    }
  }
  return result;
}
