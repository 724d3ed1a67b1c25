//===- Ptx.cpp - A PTX module as its text says it ---------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "runtime/sim/Ptx.h"

namespace smelt::sim {

unsigned widthOf(RegisterKind kind) {
  constexpr unsigned widths[] = {1, 16, 32, 64, 128};
  return widths[unsigned(kind)];
}

const Function *Module::find(std::string_view name) const {
  for (const Function &f : functions)
    if (f.name == name)
      return &f;
  return nullptr;
}

static constexpr std::pair<std::string_view, Special> kSpecialNames[] = {
    {"%tid.x", Special::TidX},
    {"%tid.y", Special::TidY},
    {"%tid.z", Special::TidZ},
    {"%ntid.x", Special::NTidX},
    {"%ntid.y", Special::NTidY},
    {"%ntid.z", Special::NTidZ},
    {"%ctaid.x", Special::CtaIdX},
    {"%ctaid.y", Special::CtaIdY},
    {"%ctaid.z", Special::CtaIdZ},
    {"%nctaid.x", Special::NCtaIdX},
    {"%nctaid.y", Special::NCtaIdY},
    {"%nctaid.z", Special::NCtaIdZ},
    {"%laneid", Special::LaneId},
    {"%warpid", Special::WarpId},
    {"%nwarpid", Special::NWarpId},
    {"%smid", Special::SmId},
    {"%nsmid", Special::NSmId},
    {"%gridid", Special::GridId},
    {"%lanemask_eq", Special::LaneMaskEq},
    {"%lanemask_lt", Special::LaneMaskLt},
    {"%lanemask_le", Special::LaneMaskLe},
    {"%lanemask_gt", Special::LaneMaskGt},
    {"%lanemask_ge", Special::LaneMaskGe},
    {"%clusterid.x", Special::ClusterIdX},
    {"%clusterid.y", Special::ClusterIdY},
    {"%clusterid.z", Special::ClusterIdZ},
    {"%nclusterid.x", Special::NClusterIdX},
    {"%nclusterid.y", Special::NClusterIdY},
    {"%nclusterid.z", Special::NClusterIdZ},
    {"%cluster_ctaid.x", Special::ClusterCtaIdX},
    {"%cluster_ctaid.y", Special::ClusterCtaIdY},
    {"%cluster_ctaid.z", Special::ClusterCtaIdZ},
    {"%cluster_nctaid.x", Special::ClusterNCtaIdX},
    {"%cluster_nctaid.y", Special::ClusterNCtaIdY},
    {"%cluster_nctaid.z", Special::ClusterNCtaIdZ},
    {"%cluster_ctarank", Special::ClusterCtaRank},
    {"%cluster_nctarank", Special::ClusterNCtaRank},
    {"%is_explicit_cluster", Special::IsExplicitCluster},
    {"%dynamic_smem_size", Special::DynamicSmemSize},
    {"%total_smem_size", Special::TotalSmemSize},
    {"%clock", Special::Clock},
    {"%clock64", Special::Clock64},
    {"%globaltimer", Special::GlobalTimer},
};

static constexpr TypeName kTypes[] = {
    {".pred", 1, RegisterKind::Predicate},
    {".b8", 1, {}},
    {".u8", 1, {}},
    {".s8", 1, {}},
    {".b16", 2, RegisterKind::Bits16},
    {".u16", 2, RegisterKind::Bits16},
    {".s16", 2, RegisterKind::Bits16},
    {".f16", 2, RegisterKind::Bits16},
    {".bf16", 2, RegisterKind::Bits16},
    {".b32", 4, RegisterKind::Bits32},
    {".u32", 4, RegisterKind::Bits32},
    {".s32", 4, RegisterKind::Bits32},
    {".f32", 4, RegisterKind::Bits32},
    {".f16x2", 4, RegisterKind::Bits32},
    {".bf16x2", 4, RegisterKind::Bits32},
    {".b64", 8, RegisterKind::Bits64},
    {".u64", 8, RegisterKind::Bits64},
    {".s64", 8, RegisterKind::Bits64},
    {".f64", 8, RegisterKind::Bits64},
    {".b128", 16, RegisterKind::Bits128},
};

const TypeName *typeNamed(std::string_view name) {
  for (const TypeName &type : kTypes)
    if (name == type.name)
      return &type;
  return nullptr;
}

std::optional<Special> specialNamed(std::string_view name) {
  for (auto [text, special] : kSpecialNames)
    if (text == name)
      return special;
  return std::nullopt;
}

} // namespace smelt::sim
