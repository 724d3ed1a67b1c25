//===- Artifact.h - The binary contract between compiler and runtime -------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What codegen/artifact writes and runtime/core reads: one relocatable
// descriptor, `smelt_artifact_<name>`, that points at the manifest, the host
// program, the constant pool and the table of kernels. Plain PODs, little
// endian, no pointers but those of the descriptor. Both sides include this
// file and nothing else of each other. Tested by test/runtime/.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_CORE_ARTIFACT_H
#define SMELT_RUNTIME_CORE_ARTIFACT_H

#include <stdint.h>

namespace smelt::artifact {

inline constexpr char kMagic[8] = {'S', 'M', 'E', 'L', 'T', 'A', 'R', 'T'};
inline constexpr uint32_t kAbiMajor = 1; // another major version is refused
inline constexpr uint32_t kAbiMinor = 0;

/// Element types, numbered as in ONNX's TensorProto.DataType. Booleans and the
/// 4- and 2-bit types take one byte per element in every buffer.
enum class DType : uint32_t {
  Undefined = 0, F32 = 1, U8 = 2, I8 = 3, U16 = 4, I16 = 5, I32 = 6, I64 = 7,
  String = 8, Bool = 9, F16 = 10, F64 = 11, U32 = 12, U64 = 13, C64 = 14,
  C128 = 15, BF16 = 16, F8E4M3FN = 17, F8E4M3FNUZ = 18, F8E5M2 = 19,
  F8E5M2FNUZ = 20, U4 = 21, I4 = 22, F4E2M1 = 23, F8E8M0 = 24, U2 = 25, I2 = 26,
};

/// A kernel computes the workgroups [wgBegin, wgEnd) of its grid. `buffers`
/// holds its inputs, then its outputs; `symbols` its symbol values; `scratch`
/// is private to the calling thread, 64-byte aligned; the kStatusBytes before
/// it are the thread's status block, whose first int64 a kernel sets to 1 when
/// an index was out of range (it reads element 0 then; the run fails).
using KernelFn = void (*)(void *const *buffers, const int64_t *symbols,
                          int64_t wgBegin, int64_t wgEnd, void *scratch);

inline constexpr int64_t kStatusBytes = 64;
/// Most buffers of one Op::Plan.
inline constexpr int64_t kMaxPlanned = 1 << 16;

/// CPU features a program needs, checked before any kernel runs.
enum CpuLevel : uint32_t {
  kCpuBaseline = 0, // x86-64-v1 or armv8-a
  kCpuX86V3 = 3,    // AVX2, FMA, BMI, F16C
  kCpuX86V4 = 4,    // AVX-512 F/BW/CD/DQ/VL
};
enum CpuExtra : uint64_t { // bits of Descriptor::cpuExtras
  kCpuVnni = 1, kCpuBf16 = 2,
};
enum class Arch : uint32_t { X86_64 = 62, AArch64 = 183 }; // ELF e_machine

/// The data symbol `smelt_artifact` of a library (.so, its only export) or of an
/// executable; `smelt_artifact_<name>` of an object file (.o).
struct Descriptor {
  char magic[8];
  uint32_t abiMajor, abiMinor;
  Arch arch;
  uint32_t cpuLevel;
  uint64_t cpuExtras;
  const char *manifest; // JSON, not NUL-terminated
  uint64_t manifestSize;
  const int64_t *program; // the words of a Program (below)
  uint64_t programWords;
  const uint8_t *constants; // 64-byte aligned
  uint64_t constantsSize;
  const KernelFn *kernels;
  uint64_t kernelCount;
  const char *strings; // NUL-terminated texts, addressed by byte offset
  uint64_t stringsSize;
  uint64_t checksum; // FNV-1a 64 over program, strings and manifest bytes, in that order
};

/// One step of the checksum; begin with kChecksumStart.
inline constexpr uint64_t kChecksumStart = 0xcbf29ce484222325u;
inline uint64_t checksumStep(uint64_t hash, const void *bytes, uint64_t size) {
  for (uint64_t i = 0; i < size; ++i)
    hash = (hash ^ static_cast<const uint8_t *>(bytes)[i]) * 0x100000001b3u;
  return hash;
}
/// What Descriptor::checksum must be.
inline uint64_t checksumOf(const Descriptor &d) {
  uint64_t hash = checksumStep(kChecksumStart, d.program, d.programWords * 8);
  hash = checksumStep(hash, d.strings, d.stringsSize);
  return checksumStep(hash, d.manifest, d.manifestSize);
}

//===----------------------------------------------------------------------===//
// The host program: a stream of int64 words
//===----------------------------------------------------------------------===//
//
//   header   : kHeaderWords words, by HeaderField
//   inputs   : inputCount records, then outputs: outputCount records, each
//              [name, kind, dtype, rank, dim...]  name: offset into strings
//              kind: ValueKind.   A dim >= 0 is static; a dim < 0 is symbolic,
//              -1 - d is the offset into strings of its display name. A rank of
//              -1 is known at run time only and has no dims. A string tensor
//              (kind Tensor, dtype String) is a host value: InputValue and
//              OutputValue, never Input and Output.
//   code     : instructions to the end; jump targets are word offsets from the
//              beginning of the code.
//
// State of a run: int64 registers r[], buffers b[] (a pointer and a byte size
// each), host values v[] (sequences, maps, optionals, strings). Registers start
// as 0, buffers and values unset (using an unset one is a status).
//
// The runtime verifies all of it at load: every index in range, every jump to
// the beginning of an instruction, the last instruction End or Jump, strings
// ending in NUL. Limits: rank 16, 2^20 registers, buffers and values, 4096
// buffers and symbols a dispatch. The arena may not grow in a run after an
// ArenaAt, and an output set twice in one run must not need more memory than at
// first (an earlier pointer would dangle): both are statuses. An output that
// no Output or OutputValue reached when the program ends is a status too.

enum HeaderField : uint32_t {
  kRegisterCount, kBufferCount, kHostValueCount, kInputCount, kOutputCount,
  kCodeOffset, // in words from the beginning of the program
  kMaxSymbols, // most symbols of any dispatch
  kHeaderWords = 8,
};
enum class ValueKind : int64_t { Tensor = 0, Sequence = 1, Map = 2, Optional = 3 };

/// Opcode, then its operands, one word each. r: register, b: buffer, v: host
/// value, n: literal. `...` repeats as the count before it says.
enum class Op : int64_t {
  End = 0,    // the program has ended well
  LoadImm,    // r, n                      r = n
  Move,       // r, r
  Add, Sub, Mul,        // r, r, r         wrapping is refused: a status
  FloorDiv, CeilDiv, Mod, // r, r, r       division by zero is a status
  Min, Max,             // r, r, r
  CmpEq, CmpNe, CmpLt, CmpLe, // r, r, r   1 or 0
  And, Or,              // r, r, r         logical, on 0 / not 0
  Not,                  // r, r
  Select,               // r, rCond, rTrue, rFalse
  Jump,                 // n               target
  JumpIfZero,           // r, n
  InputDim,   // r, nInput, nDim           r = that dim of the bound input
  CheckDim,   // r, nInput, nDim           the dim must equal r, else a status naming the input, what was found and what is wanted
  Check,      // r, nText                  r must not be 0, else a status with strings[nText]
  Arena,      // r                         the arena must hold r bytes; keeps its memory between runs
  ArenaAt,    // b, rOffset, rBytes        b = arena + offset
  Const,      // b, nOffset, nBytes        b = constants + offset
  Input,      // b, nInput                 b = the bound input
  Output,     // b, nOutput, nRank, rDim...  b = the caller's buffer (checked for size) or one the context owns; sets the shape
  Alloc,      // b, rBytes                 from the context's pool (dynamic class); an earlier allocation of b is released
  Free,       // b
  View,       // b, bSource, rOffsetBytes, rBytes
  Copy,       // bTo, bFrom, rBytes
  Swap,       // b, b                      exchanges the two (loop-carried values)
  Read,       // r, b, rIndex, nDType      r = element (integers, bool; floats are truncated)
  Write,      // b, rIndex, r, nDType      element = r
  Segment,    // n                         the next n instructions are Dispatch: one wake-up of the pool.
              //                           A Dispatch outside is a segment of its own
  Dispatch,   // nKernel, rGrid, rScratchBytes, nText, nSymbols, rSymbol..., nBuffers, b...
  HostOp,     // nHostOp, nText, nWords, word...   see HostOpCode; the words' meaning is the op's
  OutputValue, // v, nOutput               a host value becomes an output
  InputValue,  // v, nInput
  ShareValue, // v, v                      the first becomes the second
  Plan,       // rTotal, nCount, then for each buffer rOffset, rBytes, nBegin, nEnd
              //                           offsets in an arena of rTotal bytes: buffers in use at one position do not
              //                           overlap. A plan is kept from run to run while it covers the sizes.
};

/// Ops that run on the host, in the runtime's host-op library (linked when
/// used). Tensor operands are given as [b, dtype, rank, rDim...] ("T" below);
/// attribute arrays as [bConstant, count] ("A": a constant buffer of int64,
/// float or packed string offsets as stated).
enum class HostOpCode : int64_t {
  /// ai.onnx.ml ZipMap: vOut, T probabilities [N,C], nKeyDType(I64|String), A keys
  ///   -> a sequence of N maps. String keys: int64 offsets into strings.
  ZipMap = 0,
  /// A tensor becomes a host value: vOut, T
  ToValue = 1,
  /// TopK: T x, T values(out), T indices(out, I64), axis n, largest n, sorted n
  TopK = 2,
  /// NonZero: T x, bOut (allocated from the pool, I64 [rank, count]), rCount(out)
  NonZero = 3,
  /// StringLookup: a string tensor's elements by index: vOut, T indices(I64), A table
  /// -> a string tensor (host value) of the indices' shape.
  StringLookup = 4,
  // The rest are called in one form: results, operands, integers, texts.
  //   count, results: 0 vOut, nRank, rDim(out)...   a host value; the dims are those of a tensor of strings
  //                 | 1 T                           a tensor whose memory is there
  //                 | 2 bOut, dtype, nRank, rDim(out)...  a tensor with memory from the pool
  //   count, operands: 0 v | 1 T;   count, n...;   A texts (offsets into strings)
  // Operands and integers are those of the ONNX op of that name.
  SequenceConstruct = 5, SequenceInsert, SequenceErase, SequenceAt, SequenceLength,
  SplitToSequence,    // integers: axis, keepdims
  ConcatFromSequence, // integers: axis, new_axis
  Optional, OptionalHasElement, OptionalGetElement,
  StringConcat, StringEqual,
  StringIndex,        // the place of each string among the texts
  StringSplit,        // integers: maxsplit; texts: the delimiter
  StringNormalizer,   // integers: case (0 none, 1 lower, 2 upper), is_case_sensitive; texts: stopwords
  RegexFullMatch,     // integers: a program (runtime/host/Text.cpp)
  TfIdfVectorizer,    // integers: mode, gram lengths, skips, lists (runtime/host/Text.cpp)
  Unique,             // integers: axis (-1: none), sorted
  Det,                // of floats [..., M, M]
  PairwiseCoupling,   // f32 [N, pairs of classes] to [N, classes]
};
inline constexpr int64_t kHostOpCount = 25;
/// Names of the HostOpCodes from SequenceConstruct on, as smelt.host_call has them.
inline constexpr const char *kHostCallNames[] = {
    "SequenceConstruct", "SequenceInsert", "SequenceErase", "SequenceAt", "SequenceLength",
    "SplitToSequence", "ConcatFromSequence", "Optional", "OptionalHasElement", "OptionalGetElement",
    "StringConcat", "StringEqual", "StringIndex", "StringSplit", "StringNormalizer", "RegexFullMatch",
    "TfIdfVectorizer", "Unique", "Det", "PairwiseCoupling",
};
static_assert(sizeof kHostCallNames / sizeof *kHostCallNames ==
              kHostOpCount - static_cast<int64_t>(HostOpCode::SequenceConstruct));

} // namespace smelt::artifact

#endif // SMELT_RUNTIME_CORE_ARTIFACT_H
