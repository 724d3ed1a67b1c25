//===- Origin.cpp - Where in a model an op comes from -----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tested by test/frontend/import/locations.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/Origin.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace smelt {

std::string Origin::str() const {
  std::string text = path + " (" + (domain.empty() ? opType : domain + "." + opType);
  return text + ", opset " + std::to_string(opset) + ")";
}

Location getOriginLoc(MLIRContext *context, const Origin &origin) {
  Builder b(context);
  SmallVector<NamedAttribute> entries = {
      b.getNamedAttr("file", b.getStringAttr(origin.file)),
      b.getNamedAttr("index", b.getI64IntegerAttr(origin.index)),
      b.getNamedAttr("op_type", b.getStringAttr(origin.opType)),
      b.getNamedAttr("opset", b.getI64IntegerAttr(origin.opset)),
  };
  if (!origin.name.empty())
    entries.push_back(b.getNamedAttr("name", b.getStringAttr(origin.name)));
  if (!origin.domain.empty())
    entries.push_back(b.getNamedAttr("domain", b.getStringAttr(origin.domain)));
  Location path = NameLoc::get(b.getStringAttr(origin.path));
  return FusedLoc::get({path}, b.getDictionaryAttr(entries), context);
}

static void collect(Location loc, SmallVectorImpl<Origin> &origins) {
  auto fused = dyn_cast<FusedLoc>(loc);
  if (!fused)
    return;
  auto metadata = dyn_cast_or_null<DictionaryAttr>(fused.getMetadata());
  auto name = dyn_cast<NameLoc>(fused.getLocations().front());
  if (!metadata || !name || !metadata.get("op_type")) {
    for (Location part : fused.getLocations())
      collect(part, origins);
    return;
  }
  auto text = [&](StringRef key) {
    auto attr = metadata.getAs<StringAttr>(key);
    return attr ? attr.str() : std::string();
  };
  auto number = [&](StringRef key) {
    auto attr = metadata.getAs<IntegerAttr>(key);
    return attr ? attr.getInt() : 0;
  };
  Origin origin{text("file"), name.getName().str(), text("name"), text("op_type"), text("domain"),
                number("index"), number("opset")};
  if (llvm::none_of(origins, [&](const Origin &o) { return o.path == origin.path; }))
    origins.push_back(std::move(origin));
}

SmallVector<Origin> getOrigins(Location loc) {
  SmallVector<Origin> origins;
  collect(loc, origins);
  return origins;
}

} // namespace smelt
