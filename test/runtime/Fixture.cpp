//===- Fixture.cpp - A small model, as the compiler would write it -----------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// x: f32[N] -> y: f32[N] = 2x + 1 and n: i64 = N. Linked as an executable and
// as a library by test/runtime/CMakeLists.txt, without a C++ library.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/Artifact.h"
#include "runtime/cpu/CpuFeatures.h"

using namespace smelt::artifact;

namespace {

void scale(void *const *b, const int64_t *s, int64_t begin, int64_t end, void *) {
  auto *x = static_cast<const float *>(b[0]);
  auto *y = static_cast<float *>(b[1]);
  for (int64_t i = begin * 16; i < end * 16 && i < s[0]; ++i)
    y[i] = 2 * x[i] + 1;
}

const KernelFn kernels[] = {scale};
//                      0 1    3    5    7    9
const char strings[] = "\0x\0y\0n\0N\0scale";
const char manifest[] = "{\"name\": \"fixture\", \"kernels\": [\"scale\"]}";

constexpr int64_t o(Op op) { return static_cast<int64_t>(op); }
constexpr int64_t f32 = static_cast<int64_t>(DType::F32), i64 = static_cast<int64_t>(DType::I64);

const int64_t program[] = {
    5, 3, 0, 1, 2, 22, 1, 0,  // registers, buffers, values, inputs, outputs, code, symbols
    1, 0, f32, 1, -1 - 7,     // x: f32[N]
    3, 0, f32, 1, -1 - 7,     // y: f32[N]
    5, 0, i64, 0,             // n: i64
    o(Op::InputDim), 0, 0, 0, // r0 = N
    o(Op::LoadImm), 1, 16,    //
    o(Op::CeilDiv), 2, 0, 1,  // r2 = ceil(N / 16)
    o(Op::LoadImm), 3, 0,     //
    o(Op::Input), 0, 0,       //
    o(Op::Output), 1, 0, 1, 0, //
    o(Op::Output), 2, 1, 0,   //
    o(Op::Write), 2, 3, 0, i64, //
    o(Op::Segment), 1,        //
    o(Op::Dispatch), 0, 2, 3, 9, 1, 0, 2, 0, 1, //
    o(Op::End),
};

} // namespace

extern "C" {
__attribute__((visibility("default"))) extern Descriptor smelt_artifact;
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
    nullptr, 0,
    kernels, 1,
    strings, sizeof strings,
    0};
}

// The compiler knows the checksum when it writes; a C++ file does not.
__attribute__((constructor)) static void seal() { smelt_artifact.checksum = checksumOf(smelt_artifact); }
