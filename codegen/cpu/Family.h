//===- Family.h - A kernel family of the CPU target -------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A family recognises kernels it can generate, chooses their schedule, packs
// their weights and emits their code. Families are tried in the order of the
// table in Families.cpp; `map` takes whatever is left, and says so.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_CODEGEN_CPU_FAMILY_H
#define SMELT_CODEGEN_CPU_FAMILY_H

#include "codegen/common/Emitter.h"

namespace smelt::codegen::cpu {

/// What the generators need to know of a CPU; one small table per architecture
/// in Target.cpp.
struct CpuTarget {
  std::string triple, cpu, features;
  bool isX86 = true;
  unsigned vectorBytes = 64;   // widest register
  unsigned vectorRegisters = 32;
  bool hasBf16Dot = false, hasInt8Dot = false; // dpbf16ps, vpdpbusd
  int64_t l1Bytes = 32 << 10, l2Bytes = 1 << 20;
  unsigned lanes(mlir::Type type) const {
    unsigned bytes = type.getIntOrFloatBitWidth() <= 8 ? 1 : type.getIntOrFloatBitWidth() / 8;
    return vectorBytes / bytes;
  }
};

/// Everything `emit` works with. The function is open at its entry; its
/// arguments are already in `inputs`/`outputs` (and in `e` as the buffers of
/// the body's arguments).
struct KernelContext {
  KernelOp kernel;
  const CpuTarget &target;
  Emitter &e;
  llvm::SmallVector<Buffer> inputs, outputs;
  mlir::Value wgBegin, wgEnd; // i64
  mlir::Value scratch;        // !llvm.ptr, 64-byte aligned
  mlir::DictionaryAttr params() const { return KernelOp(kernel).getScheduleAttr().getParams(); }
  int64_t param(llvm::StringRef name) const {
    return llvm::cast<mlir::IntegerAttr>(params().get(name)).getInt();
  }
};

/// What a family decides for a kernel. `grid` counts workgroups, `scratch` is
/// in bytes per thread; both over the module's symbols. `packings`: for operand
/// i a closed description of its packed form, empty for row-major.
struct Plan {
  llvm::SmallVector<mlir::NamedAttribute> params;
  mlir::AffineExpr grid, scratch;
  llvm::SmallVector<std::pair<unsigned, mlir::DictionaryAttr>> packings;
};

/// Which operands and results a family takes that are no whole buffers: none,
/// those whose innermost dim is contiguous, any.
enum class Views { None, Rows, Any };

struct Family {
  llvm::StringLiteral name;
  /// The plan, or nothing when the family cannot generate this kernel.
  std::optional<Plan> (*plan)(KernelOp kernel, const CpuTarget &target);
  mlir::LogicalResult (*emit)(KernelContext &context);
  Views views = Views::None;
  /// Other families whose loops this one runs as they would.
  llvm::SmallVector<llvm::StringLiteral, 2> holds = {};
  /// Does it keep what several passes over a row read?
  bool keepsRows = false;
  /// The plan if the family also takes the kernel's strides.
  std::optional<Plan> planFor(KernelOp kernel, const CpuTarget &target) const;
};

/// The families, first choice first.
llvm::ArrayRef<Family> families();
const Family *getFamily(llvm::StringRef name);

/// Puts the first matching family's plan on the kernel as its schedule:
/// params plus `grid`, `scratch` (#smelt.dims) and `packings` (array of
/// {operand, ...}).
mlir::LogicalResult chooseSchedule(KernelOp kernel, const CpuTarget &target);

/// Applies a packing to a constant operand's bytes (row-major, buffer layout).
std::vector<char> packConstant(mlir::RankedTensorType type, llvm::ArrayRef<char> bytes, mlir::DictionaryAttr packing);
/// The packing of operand i of a scheduled kernel; null for row-major.
mlir::DictionaryAttr getPacking(KernelOp kernel, unsigned operand);

// One per file of families/.
extern const Family mapFamily, rowblockFamily, matmulFamily, convFamily, depthwiseFamily, poolFamily, concatFamily,
    scatterFamily, scanFamily, recurrentFamily, treeFamily, attentionFamily, matmulRowsFamily;

/// The target of a name: native, x86-64-v3, x86-64-v4, aarch64.
mlir::FailureOr<CpuTarget> getTarget(llvm::StringRef name, std::string &error);

} // namespace smelt::codegen::cpu

#endif // SMELT_CODEGEN_CPU_FAMILY_H
