//===- FixtureMaps.cpp - A classifier's end, as the compiler would write it ----------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// p: f32[N,2] -> maps: a sequence of {'cat': .., 'dog': ..} by ZipMap, and
// best: string[N], all 'dog'. Needs the host-op library.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/Artifact.h"
#include "runtime/cpu/CpuFeatures.h"

using namespace smelt::artifact;

namespace {

//                      0 1    3       8       13     15     19
const char strings[] = "\0p\0maps\0best\0N\0cat\0dog\0zip";
const char manifest[] = "{}";
alignas(64) const int64_t constants[] = {15, 19, 1, 1};

constexpr int64_t o(Op op) { return static_cast<int64_t>(op); }
constexpr int64_t f32 = static_cast<int64_t>(DType::F32), i64 = static_cast<int64_t>(DType::I64),
                  str = static_cast<int64_t>(DType::String);

const int64_t program[] = {
    2, 3, 2, 1, 2, 22, 0, 0,   //
    1, 0, f32, 2, -1 - 13, 2,  // p: f32[N,2]
    3, 1, f32, 0,              // maps
    8, 0, str, 0,              // best: a scalar string
    o(Op::InputDim), 0, 0, 0,  // r0 = N
    o(Op::LoadImm), 1, 2,      //
    o(Op::Input), 0, 0,        //
    o(Op::Const), 1, 0, 16,    // keys: offsets of cat and dog
    o(Op::Const), 2, 16, 8,    // the index 1
    o(Op::HostOp), int64_t(HostOpCode::ZipMap), 23, 9, /**/ 0, 0, f32, 2, 0, 1, str, 1, 2,
    o(Op::HostOp), int64_t(HostOpCode::StringLookup), 23, 6, /**/ 1, 2, i64, 0, 1, 2,
    o(Op::OutputValue), 0, 0,  //
    o(Op::OutputValue), 1, 1,  //
    o(Op::End),
};

} // namespace

extern "C" {
extern Descriptor smelt_artifact;
Descriptor smelt_artifact = {
    {'S', 'M', 'E', 'L', 'T', 'A', 'R', 'T'},
    kAbiMajor, kAbiMinor,
#if defined(__x86_64__)
    Arch::X86_64,
#else
    Arch::AArch64,
#endif
    kCpuBaseline, 0,
    manifest, sizeof manifest - 1,
    program, sizeof program / sizeof *program,
    reinterpret_cast<const uint8_t *>(constants), sizeof constants,
    nullptr, 0,
    strings, sizeof strings,
    0};
}

__attribute__((constructor)) static void seal() { smelt_artifact.checksum = checksumOf(smelt_artifact); }
