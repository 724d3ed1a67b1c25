//===- Report.h - Diagnostics as text or as JSON ---------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One line each on stderr: `smelt: error: PLACE: MESSAGE [CODE]`, or a JSON object
// with severity, code, exit, path, file, offset, message, notes and hint. Tested
// by test/tools/diagnostics.test.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_TOOLS_COMMON_REPORT_H
#define SMELT_TOOLS_COMMON_REPORT_H

#include "frontend/onnx/reader/Reader.h"
#include "mlir/IR/Diagnostics.h"

namespace smelt {

class Reporter {
public:
  Reporter(llvm::raw_ostream &os, bool isJson) : os(os), isJson(isJson) {}

  /// An error of the driver; returns its exit code.
  int fail(int exitCode, const llvm::Twine &message);
  void warn(const llvm::Twine &message);
  void report(const onnx::Error &error);
  void warn(llvm::StringRef path, llvm::StringRef code, llvm::StringRef message);
  void report(mlir::Diagnostic &diagnostic);

private:
  llvm::raw_ostream &os;
  bool isJson;
};

/// The name of the ONNX node, or of whatever else the location names first.
std::string placeOf(mlir::Location loc);

} // namespace smelt

#endif // SMELT_TOOLS_COMMON_REPORT_H
