//===- Decode.h - Forms of instructions -------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A form is a pattern of an opcode with its modifiers, written as the PTX ISA
// writes it, and a function that makes the decoded instruction. To add an
// instruction: a row in the table of its family, a function beside its siblings.
//
//   "add{.rn|.rz|.rm|.rp}{.ftz}{.sat}.f32"   {}: may be left out
//   "bar(.sync|.red)"                        (): one of these
//   "add{.rn}{}{}(.f64)"                     {}: nothing, to count as its siblings do
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_SIM_DECODE_H
#define SMELT_RUNTIME_SIM_DECODE_H

#include "runtime/sim/Machine.h"
#include <map>

namespace smelt::sim {

/// An instruction type: .u32 is {'u', 32}, .bf16x2 {'h', 32} (see `isPair`).
struct Type {
  char kind = 'b'; // b, u, s, f, h (bf16), p (predicate)
  unsigned width = 32;
  bool isPair = false; // f16x2, bf16x2

  static Type of(std::string_view text); // ".u32"
  unsigned bytes() const { return width / 8; }
};

struct ModuleContext {
  const Module &module;
  Program &program;
  Memory &memory;
  std::map<std::string_view, uint64_t> globals;         // addresses
  std::map<std::string_view, uint64_t> constants;       // offsets in the const space
  std::map<std::string_view, uint64_t> sharedVariables; // of the module: offsets are the kernel's
};

/// Makes one instruction. The helpers report what is wrong and go on, so that a
/// form reads as a list of what it takes.
class Builder {
public:
  Builder(ModuleContext &context, const Function &f, Kernel &kernel, std::vector<Diagnostic> &diagnostics);

  /// Decodes a whole body.
  void run();

  //--- the instruction at hand
  Inst inst;
  /// Emits the instruction as it is and begins another one of the same text. Branches
  /// count PTX instructions, so `places` tells where each begins.
  void emit();
  /// What the pattern's brackets matched, "" where nothing.
  std::string_view word(size_t i) const { return words[i]; }
  bool has(std::string_view modifier) const;
  size_t operands() const { return in->operands.size(); }
  const Operand &operand(size_t i) const { return in->operands[i]; }
  bool want(size_t least, size_t most = 0);

  Ref dst(size_t i, unsigned width) { return dst(operand(i), width); }
  Ref dst(const Operand &o, unsigned width);
  Ref src(size_t i, Type type) { return src(operand(i), type); }
  Ref src(const Operand &o, Type type);
  /// A predicate to write; -1 for the sink.
  int32_t dstPredicate(const Operand &o);
  int32_t srcPredicate(const Operand &o, bool &negated);
  /// Registers of any width, for loads and stores.
  Ref anyRegister(const Operand &o, unsigned &width);
  std::vector<Ref> vector(size_t i, Type type, size_t count, bool isDst);
  /// The parts of an address, its state space given by the instruction.
  bool address(size_t i, Space space, bool isGeneric, Access &access);
  uint64_t immediate(size_t i, uint64_t most);
  uint32_t label(size_t i);
  const std::vector<uint32_t> &tableOf(size_t i);
  Ref constant(uint64_t bits, unsigned width);
  uint32_t add(Access access);
  uint32_t addFragments(std::vector<Ref> fragments);
  uint64_t addressOf(const Operand &o, Space &space);
  bool fail(const Operand &o, std::string message, int exitCode = 65);
  bool fail(std::string message, int exitCode = 65);
  const Function &function() const { return f; }
  Kernel &kernelAtHand() { return kernel; }
  uint32_t sm() const { return context.program.smVersion; }

private:
  bool match(std::string_view pattern, std::string_view opcode);
  void decode(const Instruction &instruction);
  Ref special(Special which, unsigned &width);
  Ref allocate(unsigned width);

  ModuleContext &context;
  const Function &f;
  Kernel &kernel;
  std::vector<Diagnostic> &diagnostics;
  const Instruction *in = nullptr;
  std::vector<std::string_view> words;
  std::vector<Ref> registers;      // of the function, by index
  std::vector<int32_t> predicates; // their numbers, -1 for others
  std::map<std::pair<uint64_t, unsigned>, Ref> constantRefs;
  std::map<Special, Ref> specialRefs;
  std::vector<uint64_t> localOffsets, sharedOffsets; // by local variable
  std::vector<uint32_t> places;                      // of each instruction of the text, in the code
};

struct Form {
  const char *pattern;
  void (*build)(Builder &);
};
std::span<const Form> integerForms();
std::span<const Form> floatForms();
std::span<const Form> convertForms();
std::span<const Form> memoryForms();
std::span<const Form> controlForms();
std::span<const Form> warpForms();
std::span<const Form> matrixForms();

} // namespace smelt::sim

#endif // SMELT_RUNTIME_SIM_DECODE_H
