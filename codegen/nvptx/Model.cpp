//===- Model.cpp - An NVIDIA chip as passes see it --------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One family so far, `element`: a thread an element. Costs are those of an A100's
// data sheet (19.5 TFLOP/s in f32, 1.55 TB/s) and a launch of 3 us: enough to rank
// candidates; they claim nothing of a measured time.
//
//===----------------------------------------------------------------------===//
#include "codegen/nvptx/Model.h"
#include "codegen/nvptx/Lower.h"
#include "dialects/smelt/Cost.h"

using namespace mlir;

namespace smelt::codegen::nvptx {

KernelAnswer NvModel::assess(KernelOp kernel) const {
  KernelAnswer answer;
  std::optional<KernelLaunch> launch = planElements(kernel);
  if (!launch) {
    answer.reason = "no kernel family of the target computes this body";
    return answer;
  }
  constexpr double flopsPerMicrosecond = 19.5e6, bytesPerMicrosecond = 1.55e6, launchMicroseconds = 3;
  answer.legal = true;
  answer.family = kElementFamily.str();
  answer.generators = {kElementFamily};
  answer.cost.flops = estimateFlops(kernel);
  answer.cost.bytes = estimateBytes(kernel);
  double compute = answer.cost.flops / flopsPerMicrosecond, memory = answer.cost.bytes / bytesPerMicrosecond;
  answer.cost.computeBound = compute > memory;
  answer.cost.microseconds = std::max(compute, memory) + launchMicroseconds;
  return answer;
}

LogicalResult NvModel::schedule(KernelOp kernel) const {
  std::optional<KernelLaunch> launch = planElements(kernel);
  if (!launch) {
    InFlightDiagnostic diagnostic = kernel.emitOpError() << "no kernel family of " << target.cpu << " can compute it";
    kernel.getBody().walk([&](Operation *op) { diagnostic.attachNote(op->getLoc()) << "it holds " << op->getName(); });
    return diagnostic;
  }
  MLIRContext *context = kernel.getContext();
  Builder b(context);
  NamedAttribute params[] = {b.getNamedAttr("block", b.getI64IntegerAttr(launch->block)),
                             b.getNamedAttr("grid", DimsAttr::get(context, launch->grid)),
                             b.getNamedAttr("scratch", DimsAttr::get(context, getAffineConstantExpr(0, context)))};
  kernel.setScheduleAttr(ScheduleAttr::get(context, kElementFamily, b.getDictionaryAttr(params)));
  return success();
}

} // namespace smelt::codegen::nvptx
