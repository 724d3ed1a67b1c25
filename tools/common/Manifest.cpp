//===- Manifest.cpp - What an artifact says of itself ----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "tools/common/Manifest.h"
#include "dialects/smelt/Symbols.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

using namespace mlir;

namespace smelt {

std::string makeManifest(ModuleOp module, const HostProgram &program, const ManifestInfo &info) {
  auto ports = [&](bool inputs) {
    llvm::json::Array array;
    auto main = module.lookupSymbol<func::FuncOp>("main");
    FunctionType type = main.getFunctionType();
    DimSymbols symbols(module);
    for (unsigned i = 0; i < (inputs ? type.getNumInputs() : type.getNumResults()); ++i) {
      Type t = inputs ? type.getInput(i) : type.getResult(i);
      auto name = inputs ? main.getArgAttrOfType<StringAttr>(i, "smelt.name")
                         : main.getResultAttrOfType<StringAttr>(i, "smelt.name");
      llvm::json::Object port;
      port["name"] = name ? name.getValue() : "";
      std::string text;
      llvm::raw_string_ostream os(text);
      if (auto tensor = dyn_cast<RankedTensorType>(t)) {
        os << tensor.getElementType();
        port["dtype"] = text;
        llvm::json::Array dims;
        for (AffineExpr dim : getDims(tensor)) {
          if (auto constant = dyn_cast<AffineConstantExpr>(dim)) {
            dims.push_back(constant.getValue());
          } else if (auto symbol = dyn_cast<AffineSymbolExpr>(dim)) {
            dims.push_back(symbols.get(symbol.getPosition()).getName());
          } else {
            std::string expr;
            llvm::raw_string_ostream(expr) << dim;
            dims.push_back(expr);
          }
        }
        port["shape"] = std::move(dims);
      } else {
        os << t;
        port["type"] = text;
      }
      array.push_back(std::move(port));
    }
    return array;
  };
  llvm::json::Array kernels;
  for (KernelOp kernel : program.kernels)
    kernels.push_back(llvm::json::Object{{"name", kernel.getName()}, {"family", kernel.getScheduleAttr().getFamily()}});
  llvm::json::Object root{
      {"compiler", "smelt " SMELT_VERSION},
      {"model", info.model},
      {"model_hash", info.modelHash},
      {"target", info.cpu},
      {"triple", info.triple},
      {"opt_level", int64_t(info.optLevel)},
      {"inputs", ports(true)},
      {"outputs", ports(false)},
      {"kernels", std::move(kernels)},
      {"dispatches", program.dispatches},
      {"arena_bytes", program.arenaBytes},
      {"arena_lower_bound", program.arenaLowerBound},
  };
  std::string text;
  llvm::raw_string_ostream(text) << llvm::formatv("{0:2}", llvm::json::Value(std::move(root)));
  return text;
}

void printHeader(ModuleOp module, StringRef name, StringRef model, llvm::raw_ostream &os) {
  auto identifier = [](StringRef text) {
    std::string result;
    for (char c : text)
      result += llvm::isAlnum(c) ? c : '_';
    return result;
  };
  os << "/* " << model << ", compiled by smelt " SMELT_VERSION ". */\n#ifndef SMELT_MODEL_"
     << name << "_H\n#define SMELT_MODEL_" << name << "_H\n#include <smelt.h>\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
     << "/* For smelt_module_create. */\nextern const char smelt_artifact_" << name << "[];\n\n";
  auto main = module.lookupSymbol<func::FuncOp>("main");
  for (bool isInput : {true, false}) {
    unsigned count = isInput ? main.getNumArguments() : main.getNumResults();
    os << "enum {\n";
    for (unsigned i = 0; i < count; ++i) {
      auto port = isInput ? main.getArgAttrOfType<StringAttr>(i, "smelt.name")
                          : main.getResultAttrOfType<StringAttr>(i, "smelt.name");
      std::string type;
      llvm::raw_string_ostream(type) << (isInput ? main.getArgumentTypes()[i] : main.getResultTypes()[i]);
      // Names that are no identifiers may meet: their place makes them differ.
      os << "  " << name << (isInput ? "_input" : "_output") << i << '_' << identifier(port ? port.getValue() : "") << " = "
         << i << ", /* " << type << " */\n";
    }
    os << "  " << name << (isInput ? "_inputs" : "_outputs") << " = " << count << "\n};\n\n";
  }
  os << "#ifdef __cplusplus\n}\n#endif\n#endif\n";
}

} // namespace smelt
