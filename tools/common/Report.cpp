//===- Report.cpp - Diagnostics as text or as JSON -------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "tools/common/Report.h"
#include "llvm/Support/JSON.h"

using namespace mlir;

namespace smelt {

static void printLine(llvm::raw_ostream &os, llvm::json::Object object) {
  os << llvm::json::Value(std::move(object)) << '\n';
}

static std::string utf8(StringRef text) { return llvm::json::isUTF8(text) ? text.str() : llvm::json::fixUTF8(text); }

int Reporter::fail(int exitCode, const Twine &message) {
  if (isJson)
    printLine(os, llvm::json::Object{{"severity", "error"}, {"exit", exitCode}, {"message", utf8(message.str())}});
  else
    os << "smelt: error: " << message << '\n';
  return exitCode;
}

void Reporter::warn(const Twine &message) {
  if (isJson)
    printLine(os, llvm::json::Object{{"severity", "warning"}, {"message", utf8(message.str())}});
  else
    os << "smelt: warning: " << message << '\n';
}

void Reporter::report(const onnx::Error &error) {
  if (!isJson) {
    os << "smelt: error: " << error.str() << '\n';
    return;
  }
  llvm::json::Object object{{"severity", "error"},           {"code", error.code},       {"exit", error.exitCode},
                            {"message", utf8(error.message)}, {"path", utf8(error.path)}, {"file", utf8(error.file)}};
  if (error.offset >= 0)
    object["offset"] = error.offset;
  if (!error.hint.empty())
    object["hint"] = utf8(error.hint);
  printLine(os, std::move(object));
}

void Reporter::warn(StringRef path, StringRef code, StringRef message) {
  if (isJson)
    printLine(os, llvm::json::Object{{"severity", "warning"}, {"code", code}, {"path", utf8(path)}, {"message", utf8(message)}});
  else
    os << "smelt: warning: " << path << (path.empty() ? "" : ": ") << message << " [" << code << "]\n";
}

std::string placeOf(Location loc) {
  std::string place;
  loc->walk([&](Location inner) {
    if (auto named = dyn_cast<NameLoc>(inner); named && place.empty())
      place = named.getName().str();
    return WalkResult::advance();
  });
  return place;
}

void Reporter::report(Diagnostic &diagnostic) {
  const char *kind = diagnostic.getSeverity() == DiagnosticSeverity::Error     ? "error"
                     : diagnostic.getSeverity() == DiagnosticSeverity::Warning ? "warning"
                                                                               : "note";
  std::string place = placeOf(diagnostic.getLocation());
  if (isJson) {
    llvm::json::Array notes;
    for (Diagnostic &note : diagnostic.getNotes())
      notes.push_back(utf8(note.str()));
    printLine(os, llvm::json::Object{{"severity", kind}, {"path", utf8(place)}, {"message", utf8(diagnostic.str())}, {"notes", std::move(notes)}});
    return;
  }
  os << "smelt: " << kind << ": " << place << (place.empty() ? "" : ": ") << diagnostic.str() << '\n';
  for (Diagnostic &note : diagnostic.getNotes())
    os << "smelt: note: " << note.str() << '\n';
}

} // namespace smelt
