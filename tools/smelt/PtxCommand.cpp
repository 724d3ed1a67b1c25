//===- PtxCommand.cpp - smelt ptx-check -------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads PTX, names what is wrong with its text, and runs a kernel on the host under
// the interpreter's checks. docs/ptx-interpreter.md
//
//===----------------------------------------------------------------------===//
#include "runtime/sim/Sim.h"
#include "tools/smelt/Commands.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace smelt;

namespace {
/// An argument of the kernel: a number, or a buffer of device memory.
struct Argument {
  std::vector<uint8_t> bytes;
  uint64_t address = 0, elements = 0;
  std::string type;
};
} // namespace

static std::optional<sim::Dim3> dimsOf(StringRef text) {
  SmallVector<StringRef> parts;
  text.split(parts, ',');
  uint32_t values[3] = {1, 1, 1};
  if (parts.size() > 3)
    return std::nullopt;
  for (auto [i, part] : enumerate(parts))
    if (part.getAsInteger(10, values[i]) || values[i] == 0)
      return std::nullopt;
  return sim::Dim3{values[0], values[1], values[2]};
}

template <typename T> static void append(std::vector<uint8_t> &bytes, T value) {
  const auto *from = reinterpret_cast<const uint8_t *>(&value);
  bytes.insert(bytes.end(), from, from + sizeof value);
}

static bool appendNumber(std::vector<uint8_t> &bytes, StringRef type, StringRef text) {
  double real = 0;
  int64_t integer = 0;
  if (type == "f32" || type == "f64") {
    if (text.getAsDouble(real))
      return false;
    type == "f32" ? append(bytes, float(real)) : append(bytes, real);
    return true;
  }
  if (text.getAsInteger(0, integer))
    return false;
  if (type == "i32")
    append(bytes, int32_t(integer));
  else if (type == "i64")
    append(bytes, integer);
  else if (type == "i16")
    append(bytes, int16_t(integer));
  else
    return false;
  return true;
}

/// i32:5, f32:0.5; f32[64]:iota, zero, random or unwritten.
static bool readArgument(StringRef spec, sim::Device &device, Argument &argument) {
  auto [type, value] = spec.split(':');
  auto [name, size] = type.split('[');
  argument.type = name.str();
  if (size.empty())
    return appendNumber(argument.bytes, name, value);
  std::vector<uint8_t> unit;
  if (!size.consume_back("]") || size.getAsInteger(10, argument.elements) || argument.elements > uint64_t(1) << 28 ||
      !appendNumber(unit, name, "0"))
    return false;
  argument.address = device.allocate(argument.elements * unit.size());
  append(argument.bytes, argument.address);
  if (value == "unwritten")
    return true;
  std::vector<uint8_t> data;
  uint64_t state = 1;
  for (uint64_t i = 0; i < argument.elements; ++i) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    int64_t number = value == "iota" ? int64_t(i) : value == "random" ? int64_t(state >> 58) - 32 : 0;
    appendNumber(data, name, std::to_string(number));
  }
  return (value == "iota" || value == "random" || value == "zero") && device.write(argument.address, data);
}

static void print(const sim::Device &device, const Argument &argument) {
  size_t unit = argument.type == "f64" || argument.type == "i64" ? 8 : argument.type == "i16" ? 2 : 4;
  uint64_t shown = std::min<uint64_t>(argument.elements, 64);
  std::vector<uint8_t> bytes(shown * unit);
  if (!device.read(argument.address, bytes))
    errs() << "smelt: note: not all of it was written\n";
  for (uint64_t i = 0; i < shown; ++i) {
    const uint8_t *at = bytes.data() + i * unit;
    auto as = [&](auto value) {
      std::memcpy(&value, at, sizeof value);
      return value;
    };
    outs() << (i ? " " : "");
    if (argument.type == "f32")
      outs() << as(float());
    else if (argument.type == "f64")
      outs() << as(double());
    else if (argument.type == "i64")
      outs() << as(int64_t());
    else if (argument.type == "i16")
      outs() << as(int16_t());
    else
      outs() << as(int32_t());
  }
  outs() << "\n";
}

int smelt::ptxCheck(const PtxArgs &args) {
  constexpr int invalid = 65, noInput = 66, wrong = 82;
  auto text = MemoryBuffer::getFile(args.file);
  if (!text) {
    errs() << "smelt: error: " << args.file << ": " << text.getError().message() << "\n";
    return noInput;
  }
  std::vector<sim::Diagnostic> diagnostics;
  auto module = sim::parse((*text)->getBuffer().str(), args.file, diagnostics);
  std::unique_ptr<sim::Device> device;
  if (module)
    device = sim::Device::load(*module, diagnostics);
  int code = 0;
  for (const sim::Diagnostic &d : diagnostics) {
    errs() << args.file << ":" << d.at.line << ":" << d.at.column << ": error: " << d.message << "\n";
    code = code == invalid ? code : d.exitCode;
  }
  if (!device)
    return code;
  if (args.kernel.empty()) {
    for (const sim::Function &f : module->functions)
      if (f.isEntry)
        outs() << f.name << ": " << f.body.size() << " instructions, " << f.params.size() << " parameters\n";
    return 0;
  }
  auto grid = dimsOf(args.grid), block = dimsOf(args.block);
  if (!grid || !block)
    return usageError("--grid and --block take X, X,Y or X,Y,Z");
  sim::Launch launch;
  launch.kernel = args.kernel;
  launch.grid = *grid, launch.block = *block;
  launch.dynamicShared = args.sharedBytes;
  launch.checks = !args.noChecks;
  launch.seed = args.seed;
  std::vector<Argument> arguments;
  for (const std::string &spec : args.arguments) {
    arguments.emplace_back();
    if (!readArgument(spec, *device, arguments.back()))
      return usageError("--arg '" + Twine(spec) +
                        "': want TYPE:NUMBER or TYPE[N]:iota, zero, random or unwritten; i16, i32, i64, f32, f64");
    launch.arguments.push_back(arguments.back().bytes);
  }
  sim::LaunchResult result = device->launch(launch);
  for (const sim::Finding &finding : result.findings)
    errs() << args.file << ":" << finding.line << ": " << finding.message << "\n";
  for (size_t index : args.print) {
    if (index >= arguments.size() || arguments[index].elements == 0)
      return usageError("--print " + Twine(index) + " is no buffer");
    print(*device, arguments[index]);
  }
  if (!args.counters.empty()) {
    std::error_code error;
    raw_fd_ostream out(args.counters, error);
    out << result.counters.json();
    if (error)
      return noInput;
  }
  return result.findings.empty() ? 0 : wrong;
}
