//===- ImageInputs.h - Pictures as inputs of smelt run ---------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Turns --input x=@photo.png into --input x=@<temporary>.npy: the picture is
// resized to the input's height and width, laid out as it wants (NCHW, NHWC, or
// without a batch), divided by 255 for a floating-point input, and normalised
// by --normalize. What was done is said on stderr. Tested by
// test/tools/images.test.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_TOOLS_SMELT_IMAGEINPUTS_H
#define SMELT_TOOLS_SMELT_IMAGEINPUTS_H

#include <functional>
#include <string>
#include <vector>

namespace smelt {

class ImageInputs {
public:
  ImageInputs() = default;
  ImageInputs(const ImageInputs &) = delete;
  ~ImageInputs(); // removes the temporary files

  /// Rewrites the arguments; `manifest` gives the artifact's, as JSON, and is
  /// called when there is a picture. Takes --normalize=MEAN,...:STD,... or
  /// --normalize=none (values 0 to 255) out of them. Returns an exit code.
  int replace(std::vector<std::string> &arguments, const std::function<int(std::string &)> &manifest);
  bool empty() const { return temporaries.empty(); }

private:
  std::vector<std::string> temporaries;
};

} // namespace smelt

#endif // SMELT_TOOLS_SMELT_IMAGEINPUTS_H
