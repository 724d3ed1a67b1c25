//===- CpuFeatures.cpp - What the machine at hand can do -------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See CpuFeatures.h. On x86 a feature counts only when the system also saves
// its registers (XGETBV). Tested by test/runtime/VerifyTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/cpu/CpuFeatures.h"
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace smelt::rt {

using namespace artifact;

const char *archName(Arch arch) {
  switch (arch) {
  case Arch::X86_64: return "x86-64";
  case Arch::AArch64: return "aarch64";
  }
  return "an unknown architecture";
}

static int compare(uint32_t level, uint64_t extras, smelt_error *err) {
  uint32_t hostLevel = hostCpuLevel();
  if (level > hostLevel)
    return fail(err, SMELT_UNSUPPORTED, "the artifact needs x86-64-v%u, this CPU is x86-64-v%u", level,
                hostLevel ? hostLevel : 1);
  uint64_t missing = extras & ~hostCpuExtras();
  if (missing)
    return fail(err, SMELT_UNSUPPORTED, "the artifact needs the CPU feature%s%s, this CPU lacks %s",
                missing & kCpuVnni ? " VNNI (int8 dot products)" : "",
                missing & kCpuBf16 ? " BF16 (bfloat16 dot products)" : "",
                missing & ~uint64_t(kCpuVnni | kCpuBf16) ? "it, or this runtime does not know it" : "it");
  return SMELT_OK;
}

int checkCpu(uint32_t level, uint64_t extras, smelt_error *err) {
  bool isKnown = level == kCpuBaseline || (hostArch() == Arch::X86_64 && (level == kCpuX86V3 || level == kCpuX86V4));
  if (!isKnown)
    return fail(err, SMELT_BAD_DATA, "the artifact needs CPU level %u of %s, which does not exist", level,
                archName(hostArch()));
  return compare(level, extras, err);
}

#if defined(__x86_64__)

Arch hostArch() { return Arch::X86_64; }

namespace {
struct Leaf {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  Leaf(unsigned leaf, unsigned sub) {
    if (!__get_cpuid_count(leaf, sub, &eax, &ebx, &ecx, &edx))
      eax = ebx = ecx = edx = 0;
  }
};
} // namespace

static bool has(unsigned word, unsigned mask) { return (word & mask) == mask; }

/// The bits of XCR0: 6 the SSE and AVX state, 0xe0 the AVX-512 state.
static unsigned savedState(const Leaf &one) {
  if (!has(one.ecx, 1u << 27)) // OSXSAVE
    return 0;
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

uint32_t hostCpuLevel() {
  Leaf one(1, 0), seven(7, 0), extended(0x80000001u, 0);
  unsigned saved = savedState(one);
  // FMA, CX16, SSE4.1, SSE4.2, MOVBE, POPCNT, AVX, F16C; BMI1, AVX2, BMI2; LZCNT.
  bool isV3 = has(saved, 6) && has(one.ecx, 1u << 12 | 1u << 13 | 1u << 19 | 1u << 20 | 1u << 22 | 1u << 23 | 1u << 28 | 1u << 29) &&
              has(seven.ebx, 1u << 3 | 1u << 5 | 1u << 8) && has(extended.ecx, 1u << 5);
  if (!isV3)
    return kCpuBaseline;
  // AVX512 F, DQ, CD, BW, VL.
  bool isV4 = has(saved, 0xe6) && has(seven.ebx, 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31);
  return isV4 ? kCpuX86V4 : kCpuX86V3;
}

uint64_t hostCpuExtras() {
  Leaf seven(7, 0), more(7, 1);
  // With AVX-512 its own VNNI counts, below it AVX-VNNI.
  bool isV4 = hostCpuLevel() == kCpuX86V4;
  bool hasVnni = isV4 ? has(seven.ecx, 1u << 11) : has(more.eax, 1u << 4);
  bool hasBf16 = isV4 && has(more.eax, 1u << 5);
  return (hasVnni ? uint64_t(kCpuVnni) : 0) | (hasBf16 ? uint64_t(kCpuBf16) : 0);
}

#elif defined(__aarch64__)

Arch hostArch() { return Arch::AArch64; }
uint32_t hostCpuLevel() { return kCpuBaseline; }
uint64_t hostCpuExtras() {
  bool hasDot = getauxval(AT_HWCAP) & (1ul << 20);    // ASIMDDP
  bool hasBf16 = getauxval(AT_HWCAP2) & (1ul << 14); // BF16
  return (hasDot ? uint64_t(kCpuVnni) : 0) | (hasBf16 ? uint64_t(kCpuBf16) : 0);
}

#else
#error "an architecture that the runtime has not been taught"
#endif

} // namespace smelt::rt
