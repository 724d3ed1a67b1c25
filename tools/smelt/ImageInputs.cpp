//===- ImageInputs.cpp - Pictures as inputs of smelt run -------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See ImageInputs.h.
//
//===----------------------------------------------------------------------===//
#include "tools/smelt/ImageInputs.h"
#include "tools/smelt/Image.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>

using namespace smelt;

namespace {

/// What the picture must become.
struct Port {
  std::string name, dtype;
  std::vector<int64_t> dims; // -1: symbolic
  bool channelsLast = false;
  int64_t channels() const { return dims[channelsLast ? dims.size() - 1 : dims.size() - 3]; }
  int64_t &height() { return dims[dims.size() - (channelsLast ? 3 : 2)]; }
  int64_t &width() { return dims[dims.size() - (channelsLast ? 2 : 1)]; }
};

struct Normalization {
  bool isNone = false;
  std::vector<double> mean, deviation;
};

int fail(int code, const llvm::Twine &message) {
  llvm::errs() << "smelt: error: " << message << '\n';
  return code;
}

bool parseNumbers(llvm::StringRef text, std::vector<double> &numbers) {
  llvm::SmallVector<llvm::StringRef> parts;
  text.split(parts, ',');
  for (llvm::StringRef part : parts) {
    double value;
    if (part.getAsDouble(value) || !std::isfinite(value))
      return false;
    numbers.push_back(value);
  }
  return numbers.size() == 1 || numbers.size() == 3;
}

int parseNormalization(llvm::StringRef text, Normalization &n) {
  n.isNone = text == "none";
  auto [mean, deviation] = text.split(':');
  if (n.isNone || (parseNumbers(mean, n.mean) && parseNumbers(deviation, n.deviation) &&
                   llvm::all_of(n.deviation, [](double d) { return d != 0; })))
    return 0;
  return fail(64, "--normalize is '" + text + "', MEAN:STD (one number or three, with commas) or none is wanted");
}

std::string shapeText(const Port &port) {
  std::string text = port.dtype + "[";
  for (size_t d = 0; d < port.dims.size(); ++d)
    text += (d ? "x" : "") + (port.dims[d] < 0 ? "?" : std::to_string(port.dims[d]));
  return text + "]";
}

/// The input `name` (or the only one, when empty) of the manifest.
int findPort(llvm::StringRef manifest, llvm::StringRef name, Port &port) {
  llvm::Expected<llvm::json::Value> root = llvm::json::parse(manifest);
  if (!root) {
    llvm::consumeError(root.takeError());
    return fail(65, "the artifact's manifest is not JSON");
  }
  const llvm::json::Object *object = root->getAsObject();
  const llvm::json::Array *inputs = object ? object->getArray("inputs") : nullptr;
  if (!inputs)
    return fail(65, "the artifact's manifest lists no inputs");
  for (const llvm::json::Value &value : *inputs) {
    const llvm::json::Object *input = value.getAsObject();
    if (!input || !(name.empty() ? inputs->size() == 1 : input->getString("name") == name))
      continue;
    port.name = input->getString("name").value_or("").str();
    port.dtype = input->getString("dtype").value_or("").str();
    if (const llvm::json::Array *shape = input->getArray("shape"))
      for (const llvm::json::Value &dim : *shape)
        port.dims.push_back(dim.getAsInteger().value_or(-1));
    return 0;
  }
  return fail(64, name.empty() ? llvm::Twine("a picture needs its input's name: --input NAME=@FILE")
                               : "the artifact has no input '" + name + "'");
}

/// Batch 1, one or three channels before or after height and width.
int checkPort(Port &port) {
  size_t rank = port.dims.size();
  auto isChannels = [](int64_t d) { return d == 1 || d == 3; };
  if (rank == 3 || (rank == 4 && std::abs(port.dims[0]) == 1)) {
    if (isChannels(port.dims[rank - 3])) {
      return 0;
    }
    if (isChannels(port.dims[rank - 1])) {
      port.channelsLast = true;
      return 0;
    }
  }
  return fail(65, "input '" + port.name + "' is " + shapeText(port) +
                      ", a picture needs 1 or 3 channels, height and width, with at most a batch of 1");
}

template <typename T> void put(std::string &bytes, double value) {
  T x = T(value);
  bytes.append(reinterpret_cast<const char *>(&x), sizeof x);
}

/// The .npy file of the picture.
int encode(const Port &port, const Image &image, const Normalization &n, std::string &bytes) {
  const char *descr = port.dtype == "f32" ? "<f4" : port.dtype == "f64" ? "<f8" : port.dtype == "u8" ? "|u1" : nullptr;
  if (!descr)
    return fail(69, "input '" + port.name + "' is " + port.dtype + ", pictures become f32, f64 or u8");
  std::string header = std::string("{'descr': '") + descr + "', 'fortran_order': False, 'shape': (";
  for (int64_t d : port.dims)
    header += std::to_string(d) + ", ";
  header += "), }";
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  bytes = std::string("\x93NUMPY\x01\x00", 8) + char(header.size() & 255) + char(header.size() >> 8) + header;
  for (int64_t i = 0; i < int64_t(image.pixels.size()); ++i) {
    int64_t plane = image.height * image.width;
    int64_t channel = port.channelsLast ? i % image.channels : i / plane;
    int64_t pixel = port.channelsLast ? i / image.channels : i % plane;
    double value = image.pixels[size_t(pixel * image.channels + channel)];
    if (port.dtype == "u8") {
      put<uint8_t>(bytes, std::nearbyint(value));
      continue;
    }
    value = n.isNone ? value : value / 255;
    if (!n.mean.empty())
      value = (value - n.mean[n.mean.size() == 1 ? 0 : size_t(channel)]) /
              n.deviation[n.deviation.size() == 1 ? 0 : size_t(channel)];
    port.dtype == "f32" ? put<float>(bytes, value) : put<double>(bytes, value);
  }
  return 0;
}

int convert(const std::string &path, Port &port, const Normalization &n, std::string &bytes) {
  Image image;
  std::string error;
  if (int code = readImage(path, port.channels(), image, error))
    return fail(code, path + ": " + error);
  llvm::errs() << path << ": " << image.height << 'x' << image.width << (image.channels == 1 ? " grey" : " RGB");
  int64_t height = port.height() < 0 ? image.height : port.height(), width = port.width() < 0 ? image.width : port.width();
  if (height != image.height || width != image.width) {
    image = resize(image, height, width);
    llvm::errs() << ", resized to " << height << 'x' << width << " (bilinear)";
  }
  if (port.dtype != "u8")
    llvm::errs() << (n.isNone ? "" : ", divided by 255") << (n.mean.empty() ? "" : ", normalised by mean and deviation");
  llvm::errs() << '\n';
  port.height() = height;
  port.width() = width;
  if (port.dims.size() == 4)
    port.dims[0] = 1;
  return encode(port, image, n, bytes);
}

} // namespace

ImageInputs::~ImageInputs() {
  for (const std::string &file : temporaries)
    llvm::sys::fs::remove(file);
}

int ImageInputs::replace(std::vector<std::string> &arguments, const std::function<int(std::string &)> &manifest) {
  Normalization normalization;
  std::vector<std::string> kept;
  for (const std::string &argument : arguments) {
    llvm::StringRef text(argument);
    if (!text.consume_front("--normalize="))
      kept.push_back(argument);
    else if (int code = parseNormalization(text, normalization))
      return code;
  }
  std::string json;
  for (size_t i = 0; i < kept.size(); ++i) {
    bool isJoined = llvm::StringRef(kept[i]).starts_with("--input=");
    bool isNext = i > 0 && kept[i - 1] == "--input";
    size_t at = kept[i].find('@');
    if ((!isJoined && !isNext) || at == std::string::npos || !isImageFile(kept[i]))
      continue;
    std::string before = kept[i].substr(0, at), path = kept[i].substr(at + 1), bytes;
    llvm::StringRef name(before);
    name.consume_front("--input=");
    name.consume_back("=");
    if (json.empty())
      if (int code = manifest(json))
        return code;
    Port port;
    if (int code = findPort(json, name, port))
      return code;
    if (int code = checkPort(port))
      return code;
    if (int code = convert(path, port, normalization, bytes))
      return code;
    llvm::SmallString<128> file;
    int fd;
    if (std::error_code ec = llvm::sys::fs::createTemporaryFile("smelt-picture", "npy", fd, file))
      return fail(73, "cannot make a temporary file: " + ec.message());
    temporaries.push_back(file.str().str());
    llvm::raw_fd_ostream os(fd, /*shouldClose=*/true);
    os << bytes;
    os.flush();
    if (os.has_error()) {
      os.clear_error();
      return fail(74, "cannot write " + file.str());
    }
    kept[i] = before + "@" + temporaries.back();
  }
  arguments = std::move(kept);
  return 0;
}
