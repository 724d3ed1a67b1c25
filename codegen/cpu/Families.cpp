//===- Families.cpp - The CPU's kernel families, first choice first ---------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/Family.h"
#include "dialects/smelt/Placement.h"

using namespace mlir;

namespace smelt::codegen::cpu {

ArrayRef<Family> families() {
  static const Family table[] = {matmulFamily,    matmulRowsFamily, attentionFamily, depthwiseFamily, convFamily,
                                 poolFamily,      recurrentFamily,  concatFamily,    rowblockFamily,  scatterFamily,
                                 scanFamily,      treeFamily,       mapFamily};
  return table;
}

const Family *getFamily(StringRef name) {
  for (const Family &family : families())
    if (family.name == name)
      return &family;
  return nullptr;
}

std::optional<Plan> Family::planFor(KernelOp kernel, const CpuTarget &target) const {
  for (unsigned i = 0; i < kernel.getNumOperands() + kernel.getNumResults(); ++i) {
    if (!hasStrides(kernel, i) || views == Views::Any)
      continue;
    SmallVector<AffineExpr> strides = getStrides(kernel, i);
    if (views == Views::None || (!strides.empty() && strides.back() != getAffineConstantExpr(1, kernel.getContext())))
      return std::nullopt;
  }
  return plan(kernel, target);
}

LogicalResult chooseSchedule(KernelOp kernel, const CpuTarget &target) {
  MLIRContext *context = kernel.getContext();
  Builder b(context);
  for (const Family &family : families()) {
    std::optional<Plan> plan = family.planFor(kernel, target);
    if (!plan)
      continue;
    SmallVector<NamedAttribute> params = std::move(plan->params);
    params.push_back(b.getNamedAttr("grid", DimsAttr::get(context, plan->grid)));
    params.push_back(b.getNamedAttr(
        "scratch", DimsAttr::get(context, plan->scratch ? plan->scratch : getAffineConstantExpr(0, context))));
    SmallVector<Attribute> packings;
    for (auto [operand, packing] : plan->packings) {
      NamedAttrList entries(packing);
      entries.set("operand", b.getI64IntegerAttr(operand));
      packings.push_back(entries.getDictionary(context));
    }
    if (!packings.empty())
      params.push_back(b.getNamedAttr("packings", b.getArrayAttr(packings)));
    kernel.setScheduleAttr(ScheduleAttr::get(context, family.name, b.getDictionaryAttr(params)));
    return success();
  }
  InFlightDiagnostic diagnostic = kernel.emitOpError() << "no kernel family of the CPU target can compute it";
  kernel.getBody().walk([&](Operation *op) { diagnostic.attachNote(op->getLoc()) << "it holds " << op->getName(); });
  return diagnostic;
}

DictionaryAttr getPacking(KernelOp kernel, unsigned operand) {
  ScheduleAttr schedule = kernel.getScheduleAttr();
  auto packings = schedule ? schedule.getParams().getAs<ArrayAttr>("packings") : ArrayAttr();
  if (packings)
    for (auto packing : packings.getAsRange<DictionaryAttr>())
      if (packing.getAs<IntegerAttr>("operand").getInt() == operand)
        return packing;
  return {};
}

} // namespace smelt::codegen::cpu
