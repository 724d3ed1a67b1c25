//===- Verify.cpp - Checks an artifact before anything of it runs ----------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See Verify.h. The operands of an instruction are described by one letter
// each, so that a new Op is one line in kSignatures. Tested by
// test/runtime/VerifyTest.cpp, which also runs mutated programs.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/Verify.h"
#include "runtime/core/HostOps.h"
#include "runtime/cpu/CpuFeatures.h"

namespace smelt::rt {

using namespace artifact;

static constexpr int64_t kMaxSlots = 1 << 20, kMaxOperands = 4096;

//===----------------------------------------------------------------------===//
// The descriptor
//===----------------------------------------------------------------------===//

int verifyDescriptor(const Descriptor *d, smelt_error *err) {
  if (!d)
    return fail(err, SMELT_USAGE, "the artifact's descriptor is NULL");
  if (memcmp(d->magic, kMagic, sizeof kMagic) != 0)
    return fail(err, SMELT_BAD_DATA, "not a Smelt artifact: its magic is not 'SMELTART'");
  if (d->abiMajor != kAbiMajor)
    return fail(err, SMELT_UNSUPPORTED,
                "the artifact has ABI version %u.%u, this runtime wants %u.x: compile the model again",
                d->abiMajor, d->abiMinor, kAbiMajor);
  if (d->abiMinor > kAbiMinor)
    return fail(err, SMELT_UNSUPPORTED,
                "the artifact has ABI version %u.%u, this runtime knows up to %u.%u", d->abiMajor,
                d->abiMinor, kAbiMajor, kAbiMinor);
  if (d->arch != hostArch())
    return fail(err, SMELT_UNSUPPORTED, "the artifact is for %s (%u), this machine is %s",
                archName(d->arch), static_cast<unsigned>(d->arch), archName(hostArch()));
  if (int code = checkCpu(d->cpuLevel, d->cpuExtras, err))
    return code;
  if (!d->program || d->programWords < kHeaderWords || d->programWords > uint64_t(1) << 32)
    return fail(err, SMELT_BAD_DATA, "the artifact's program has %llu words, at least %u are wanted",
                static_cast<unsigned long long>(d->programWords), kHeaderWords);
  if (!d->strings || d->stringsSize == 0 || d->stringsSize > uint64_t(1) << 32 ||
      d->strings[d->stringsSize - 1] != 0)
    return fail(err, SMELT_BAD_DATA, "the artifact's strings do not end in NUL");
  if ((!d->manifest && d->manifestSize) || d->manifestSize > uint64_t(1) << 32 ||
      (!d->constants && d->constantsSize) || d->constantsSize > uint64_t(1) << 47 ||
      (!d->kernels && d->kernelCount) || d->kernelCount > uint64_t(1) << 32)
    return fail(err, SMELT_BAD_DATA, "a section of the artifact is missing or too large");
  if (reinterpret_cast<uintptr_t>(d->constants) % 64)
    return fail(err, SMELT_BAD_DATA, "the artifact's constants are not aligned to 64 bytes");
  uint64_t found = checksumOf(*d);
  if (found != d->checksum)
    return fail(err, SMELT_BAD_DATA, "the artifact's checksum is %016llx, %016llx is wanted",
                static_cast<unsigned long long>(found), static_cast<unsigned long long>(d->checksum));
  for (uint64_t i = 0; i < d->kernelCount; ++i)
    if (!d->kernels[i])
      return fail(err, SMELT_BAD_DATA, "kernel %llu of the artifact has no address",
                  static_cast<unsigned long long>(i));
  return SMELT_OK;
}

//===----------------------------------------------------------------------===//
// The program
//===----------------------------------------------------------------------===//

namespace {

/// Operands: r register, b buffer, v value, n any literal, c literal >= 0,
/// i input, o output, t text, k kernel, d scalar dtype for Read and Write,
/// e any dtype, j jump target, R count and registers, B count and buffers,
/// Y count and symbol registers, T tensor (b, dtype, rank, rDim...), A array
/// (b, count), P count and buffers to plan (rOffset, rBytes, begin, end), G the
/// form of a host call (HostOpCode).
struct Signature {
  const char *name, *operands;
};
constexpr Signature kSignatures[] = {
    {"End", ""},          {"LoadImm", "rn"},     {"Move", "rr"},       {"Add", "rrr"},
    {"Sub", "rrr"},       {"Mul", "rrr"},        {"FloorDiv", "rrr"},  {"CeilDiv", "rrr"},
    {"Mod", "rrr"},       {"Min", "rrr"},        {"Max", "rrr"},       {"CmpEq", "rrr"},
    {"CmpNe", "rrr"},     {"CmpLt", "rrr"},      {"CmpLe", "rrr"},     {"And", "rrr"},
    {"Or", "rrr"},        {"Not", "rr"},         {"Select", "rrrr"},   {"Jump", "j"},
    {"JumpIfZero", "rj"}, {"InputDim", "ric"},   {"CheckDim", "ric"},  {"Check", "rt"},
    {"Arena", "r"},       {"ArenaAt", "brr"},    {"Const", "bcc"},     {"Input", "bi"},
    {"Output", "boR"},    {"Alloc", "br"},       {"Free", "b"},        {"View", "bbrr"},
    {"Copy", "bbr"},      {"Swap", "bb"},        {"Read", "rbrd"},     {"Write", "brrd"},
    {"Segment", "c"},     {"Dispatch", "krrtYB"}, {"HostOp", ""},      {"OutputValue", "vo"},
    {"InputValue", "vi"}, {"ShareValue", "vv"},  {"Plan", "rP"},
};
constexpr int64_t kOpCount = sizeof kSignatures / sizeof *kSignatures;
static_assert(kOpCount == static_cast<int64_t>(Op::Plan) + 1);

/// Operands of the HostOpCodes, in their order.
constexpr Signature kHostSignatures[] = {
    {"ZipMap", "vTeA"}, {"ToValue", "vT"},        {"TopK", "TTTccc"},
    {"NonZero", "Tbr"}, {"StringLookup", "vTA"},
};
constexpr int64_t kFirstCall = static_cast<int64_t>(HostOpCode::SequenceConstruct);
static_assert(sizeof kHostSignatures / sizeof *kHostSignatures == kFirstCall);
Signature hostSignature(int64_t op) {
  return op < kFirstCall ? kHostSignatures[op] : Signature{kHostCallNames[op - kFirstCall], "G"};
}

class Verifier {
public:
  Verifier(const Descriptor &d, Program &p, smelt_error *err) : d(d), p(p), err(err) {}
  int run();

private:
  int bad(const char *what, int64_t found, int64_t limit) {
    return fail(err, SMELT_BAD_DATA,
                "bad program: word %lld (%s) holds %s %lld, it must be in 0..%lld",
                static_cast<long long>(at - 1), opName, what, static_cast<long long>(found),
                static_cast<long long>(limit - 1));
  }
  int header();
  int ports(int64_t count, Vec<Port> &list);
  int port(Port &port);
  int instructions();
  int operands(const char *signature);
  int hostCall();
  int extra(Op op, int64_t start);
  /// The next word into `word`, which must be in [0, limit).
  int next(const char *what, int64_t limit, int64_t &word);
  int list(const char *what, int64_t limit, int64_t maxCount, int64_t &count);

  const Descriptor &d;
  Program &p;
  smelt_error *err;
  int64_t at = 0, end = 0; // word offsets in the program
  int64_t codeStart = 0, maxSymbols = 0;
  int64_t lastSymbols = 0, lastBuffers = 0; // of the instruction just read
  const char *opName = "header";
  Vec<uint8_t> isStart;
  Vec<int64_t> jumps;
};

int Verifier::next(const char *what, int64_t limit, int64_t &word) {
  if (at >= end)
    return fail(err, SMELT_BAD_DATA, "bad program: it ends at word %lld inside %s, where %s is wanted",
                static_cast<long long>(end), opName, what);
  word = d.program[at++];
  return word < 0 || word >= limit ? bad(what, word, limit) : SMELT_OK;
}

int Verifier::list(const char *what, int64_t limit, int64_t maxCount, int64_t &count) {
  if (int code = next("a count", maxCount + 1, count))
    return code;
  for (int64_t i = 0, word; i < count; ++i)
    if (int code = next(what, limit, word))
      return code;
  return SMELT_OK;
}

int Verifier::header() {
  const int64_t *h = d.program;
  end = static_cast<int64_t>(d.programWords);
  struct {
    HeaderField field;
    const char *what;
    int64_t limit;
  } fields[] = {{kRegisterCount, "a register count", kMaxSlots},
                {kBufferCount, "a buffer count", kMaxSlots},
                {kHostValueCount, "a value count", kMaxSlots},
                {kInputCount, "an input count", kMaxSlots},
                {kOutputCount, "an output count", kMaxSlots},
                {kCodeOffset, "a code offset", end},
                {kMaxSymbols, "a symbol count", kMaxOperands + 1}};
  for (auto &f : fields) {
    at = f.field + 1;
    if (h[f.field] < 0 || h[f.field] >= f.limit)
      return bad(f.what, h[f.field], f.limit);
  }
  p.registers = h[kRegisterCount];
  p.buffers = h[kBufferCount];
  p.values = h[kHostValueCount];
  maxSymbols = h[kMaxSymbols];
  at = kHeaderWords;
  if (int code = ports(h[kInputCount], p.inputs))
    return code;
  if (int code = ports(h[kOutputCount], p.outputs))
    return code;
  if (h[kCodeOffset] != at)
    return fail(err, SMELT_BAD_DATA, "bad program: the code offset is %lld, the records end at word %lld",
                static_cast<long long>(h[kCodeOffset]), static_cast<long long>(at));
  codeStart = at;
  p.code = d.program + at;
  return SMELT_OK;
}

int Verifier::ports(int64_t count, Vec<Port> &list) {
  // A record has four words at least: a count cannot ask for more memory.
  if (count > (end - at) / 4)
    return fail(err, SMELT_BAD_DATA, "bad program: %lld records do not fit in it",
                static_cast<long long>(count));
  if (!list.resize(count))
    return failMemory(err, count * sizeof(Port), "the inputs and outputs");
  for (Port &p : list)
    if (int code = port(p))
      return code;
  return SMELT_OK;
}

int Verifier::port(Port &port) {
  int64_t text, kind, dtype;
  if (int code = next("a text", d.stringsSize, text))
    return code;
  port.name = d.strings + text;
  if (int code = next("a kind", 4, kind))
    return code;
  port.kind = static_cast<smelt_kind>(kind);
  if (int code = next("a dtype", 27, dtype))
    return code;
  if (dtype == 0 && kind == SMELT_TENSOR)
    return bad("a dtype", dtype, 27);
  port.dtype = static_cast<DType>(dtype);
  if (at >= end || d.program[at] < -1 || d.program[at] > SMELT_MAX_RANK)
    return fail(err, SMELT_BAD_DATA, "bad program: the rank of '%s' is not in -1..%d", port.name,
                SMELT_MAX_RANK);
  port.rank = static_cast<int32_t>(d.program[at++]);
  int64_t rank = port.rank < 0 ? 0 : port.rank;
  if (at + rank > end)
    return fail(err, SMELT_BAD_DATA, "bad program: it ends inside the dims of '%s'", port.name);
  if (!port.dims.resize(rank) || !port.dimNames.resize(rank))
    return failMemory(err, rank * 16, "the dims of a record");
  for (int64_t i = 0; i < rank; ++i) {
    int64_t dim = d.program[at++];
    if (dim >= 0) {
      if (dim > int64_t(1) << 40)
        return bad("a dim", dim, (int64_t(1) << 40) + 1);
      port.dims[i] = dim;
      continue;
    }
    int64_t offset = -1 - dim;
    if (offset >= static_cast<int64_t>(d.stringsSize))
      return bad("a dim's name", offset, d.stringsSize);
    port.dims[i] = -1;
    port.dimNames[i] = d.strings + offset;
  }
  return SMELT_OK;
}

int Verifier::operands(const char *signature) {
  int64_t word, count;
  for (const char *s = signature; *s; ++s) {
    int code = SMELT_OK;
    switch (*s) {
    case 'r': code = next("register", p.registers, word); break;
    case 'b': code = next("buffer", p.buffers, word); break;
    case 'v': code = next("value", p.values, word); break;
    case 'i': code = next("input", p.inputs.size(), word); break;
    case 'o': code = next("output", p.outputs.size(), word); break;
    case 't': code = next("text", d.stringsSize, word); break;
    case 'k': code = next("kernel", d.kernelCount, word); break;
    case 'c': code = next("literal", INT64_MAX, word); break;
    case 'e': code = next("dtype", 27, word); break;
    case 'd':
      code = next("dtype", 27, word);
      if (!code && !isFloat(DType(word)) && !isInteger(DType(word)))
        return fail(err, SMELT_BAD_DATA, "bad program: %s at word %lld has dtype %s, an integer, boolean or float is wanted",
                    opName, static_cast<long long>(at - 1), name(DType(word)));
      break;
    case 'n':
      if (at++ >= end)
        return fail(err, SMELT_BAD_DATA, "bad program: it ends inside %s", opName);
      break;
    case 'j':
      code = next("jump target", end - codeStart, word);
      if (!code && !jumps.push(word))
        return failMemory(err, 8, "the jumps");
      break;
    case 'R': code = list("register", p.registers, SMELT_MAX_RANK, count); break;
    case 'Y':
      code = list("register", p.registers, maxSymbols, count);
      lastSymbols = count;
      break;
    case 'B':
      code = list("buffer", p.buffers, kMaxOperands, count);
      lastBuffers = count;
      break;
    case 'T':
      if ((code = operands("be")))
        return code;
      code = list("register", p.registers, SMELT_MAX_RANK, count);
      break;
    case 'A': code = operands("bc"); break;
    case 'G': code = hostCall(); break;
    case 'P':
      if ((code = next("a count", kMaxPlanned + 1, count)))
        return code;
      for (int64_t i = 0; i < count; ++i)
        if ((code = operands("rrcc")))
          return code;
      break;
    }
    if (code)
      return code;
  }
  return SMELT_OK;
}

/// Results, operands, integers and texts of a HostOpCode from kFirstCall on.
int Verifier::hostCall() {
  static const char *const results[] = {"v", "T", "be"}, *const inputs[] = {"v", "T"};
  int64_t count, kind, rank;
  for (auto [forms, kinds] : {std::pair(results, 3), std::pair(inputs, 2)}) {
    if (int code = next("a count", kMaxOperands + 1, count))
      return code;
    for (int64_t i = 0; i < count; ++i) {
      if (int code = next("a kind", kinds, kind))
        return code;
      if (int code = operands(forms[kind]))
        return code;
      if (forms == results && kind != 1)
        if (int code = list("register", p.registers, SMELT_MAX_RANK, rank))
          return code;
    }
  }
  if (int code = next("a count", kMaxOperands + 1, count))
    return code;
  for (int64_t i = 0; i < count; ++i)
    if (int code = operands("n"))
      return code;
  return operands("A");
}

/// What a signature cannot say.
int Verifier::extra(Op op, int64_t start) {
  const int64_t *w = d.program + start;
  switch (op) {
  case Op::InputDim: case Op::CheckDim: {
    const Port &input = p.inputs[w[2]];
    int64_t rank = input.rank < 0 ? SMELT_MAX_RANK : input.rank;
    if (input.kind != SMELT_TENSOR || w[3] >= rank)
      return bad("a dim", w[3], input.kind != SMELT_TENSOR ? 0 : rank);
    break;
  }
  case Op::Const: {
    int64_t size = static_cast<int64_t>(d.constantsSize), last;
    if (addOverflows(w[2], w[3], last) || last > size)
      return bad("a constant whose end is", addOverflows(w[2], w[3], last) ? INT64_MAX : last, size + 1);
    break;
  }
  case Op::Input: case Op::InputValue:
    if (p.inputs[w[2]].isValue() != (op == Op::InputValue))
      return fail(err, SMELT_BAD_DATA, "bad program: %s of input '%s', which is %s value", opName,
                  p.inputs[w[2]].name, op == Op::Input ? "a host" : "not a host");
    break;
  case Op::Output: {
    const Port &output = p.outputs[w[2]];
    if (output.isValue() || (output.rank >= 0 && output.rank != w[3]))
      return fail(err, SMELT_BAD_DATA, "bad program: output '%s' is set with rank %lld, a tensor of rank %d is declared",
                  output.name, static_cast<long long>(w[3]), output.rank);
    break;
  }
  case Op::OutputValue:
    if (!p.outputs[w[2]].isValue())
      return fail(err, SMELT_BAD_DATA, "bad program: output '%s' is a tensor, but set from a host value",
                  p.outputs[w[2]].name);
    break;
  default: break;
  }
  return SMELT_OK;
}

int Verifier::instructions() {
  if (!isStart.resize(end - codeStart))
    return failMemory(err, end - codeStart, "verification");
  int64_t inSegment = 0, dispatches = 0, symbols = 0, buffers = 0;
  Op op = Op::Segment;
  while (at < end) {
    int64_t start = at, word;
    opName = "an instruction";
    if (int code = next("an opcode", kOpCount, word))
      return code;
    op = static_cast<Op>(word);
    opName = kSignatures[word].name;
    isStart[start - codeStart] = 1;
    if (inSegment && op != Op::Dispatch)
      return fail(err, SMELT_BAD_DATA, "bad program: %s at word %lld stands inside a segment, Dispatch is wanted",
                  opName, static_cast<long long>(start));
    if (op == Op::HostOp) {
      int64_t hostOp, count;
      if (int code = next("host op", kHostOpCount, hostOp))
        return code;
      opName = hostSignature(hostOp).name;
      if (int code = operands("t"))
        return code;
      if (int code = next("a count", end - at, count))
        return code;
      int64_t wanted = at + count;
      if (int code = operands(hostSignature(hostOp).operands))
        return code;
      if (at != wanted)
        return fail(err, SMELT_BAD_DATA, "bad program: %s at word %lld has %lld words, %lld are wanted",
                    opName, static_cast<long long>(start), static_cast<long long>(count),
                    static_cast<long long>(count + at - wanted));
      if (!&smelt_host_op_table || hostOp >= smelt_host_op_table.count)
        return fail(err, SMELT_UNSUPPORTED,
                    "the model needs the host op %s: link libsmelt_hostops.a with -Wl,-u,smelt_host_op_table",
                    opName);
      continue;
    }
    if (int code = operands(kSignatures[word].operands))
      return code;
    if (int code = extra(op, start))
      return code;
    if (op == Op::Segment) {
      inSegment = d.program[start + 1];
      dispatches = symbols = buffers = 0;
      if (inSegment > (end - at) / 7) // a Dispatch has seven words at least
        return fail(err, SMELT_BAD_DATA, "bad program: a segment of %lld dispatches does not fit in it",
                    static_cast<long long>(inSegment));
    } else if (op == Op::Dispatch) {
      if (inSegment)
        --inSegment;
      else
        dispatches = symbols = buffers = 0;
      ++dispatches;
      symbols += lastSymbols;
      buffers += lastBuffers;
      p.segmentDispatches = dispatches > p.segmentDispatches ? dispatches : p.segmentDispatches;
      p.segmentSymbols = symbols > p.segmentSymbols ? symbols : p.segmentSymbols;
      p.segmentBuffers = buffers > p.segmentBuffers ? buffers : p.segmentBuffers;
    }
  }
  if (op != Op::End && op != Op::Jump)
    return fail(err, SMELT_BAD_DATA, "bad program: it ends with %s, End or Jump is wanted", opName);
  for (int64_t target : jumps)
    if (!isStart[target])
      return fail(err, SMELT_BAD_DATA, "bad program: a jump to word %lld of the code, which is not the beginning of an instruction",
                  static_cast<long long>(target));
  return SMELT_OK;
}

int Verifier::run() {
  p.descriptor = &d;
  if (int code = header())
    return code;
  return instructions();
}

} // namespace

int verifyProgram(const Descriptor *descriptor, Program &program, smelt_error *err) {
  return Verifier(*descriptor, program, err).run();
}

} // namespace smelt::rt
