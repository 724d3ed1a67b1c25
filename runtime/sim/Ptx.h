//===- Ptx.h - A PTX module as its text says it -----------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the parser gives: names are resolved (registers, labels and variables are
// numbers), opcodes are still text. Source: PTX ISA 9.0, "Syntax" and "State
// Spaces, Types, and Variables".
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_SIM_PTX_H
#define SMELT_RUNTIME_SIM_PTX_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace smelt::sim {

struct Position {
  uint32_t line = 0, column = 0;
};

/// A defect of the text: where, what was found and what was wanted. `exitCode` is
/// 65 for a malformed text and 69 for one that is beyond the interpreter.
struct Diagnostic {
  Position at;
  std::string message;
  int exitCode = 65;
};

enum class Space : uint8_t { Register, Param, Shared, Global, Const, Local };
/// Widths of registers; PTX's typed registers (.u32, .f32) are their widths.
enum class RegisterKind : uint8_t { Predicate, Bits16, Bits32, Bits64, Bits128 };
unsigned widthOf(RegisterKind kind); // in bits; 1 for predicates

/// A type of variables and, where `kind` is, of registers.
struct TypeName {
  std::string_view name;
  unsigned bytes;
  std::optional<RegisterKind> kind;
};
const TypeName *typeNamed(std::string_view name); // ".u32"; null when there is none

/// A variable of memory: kernel parameters, shared, global, const and local arrays.
struct Variable {
  std::string name;
  Space space = Space::Global;
  Position at;
  uint64_t bytes = 0, align = 1;
  bool isExtern = false;        // of a size that the launch says
  std::vector<uint8_t> initial; // empty: none
};

/// Flags of an operand's `index` for variables of a function that are parameters or results.
inline constexpr uint32_t kParameterFlag = 1u << 31, kResultFlag = 1u << 30;

enum class Special : uint8_t {
  TidX,
  TidY,
  TidZ,
  NTidX,
  NTidY,
  NTidZ,
  CtaIdX,
  CtaIdY,
  CtaIdZ,
  NCtaIdX,
  NCtaIdY,
  NCtaIdZ,
  LaneId,
  WarpId,
  NWarpId,
  SmId,
  NSmId,
  GridId,
  LaneMaskEq,
  LaneMaskLt,
  LaneMaskLe,
  LaneMaskGt,
  LaneMaskGe,
  ClusterIdX,
  ClusterIdY,
  ClusterIdZ,
  NClusterIdX,
  NClusterIdY,
  NClusterIdZ,
  ClusterCtaIdX,
  ClusterCtaIdY,
  ClusterCtaIdZ,
  ClusterNCtaIdX,
  ClusterNCtaIdY,
  ClusterNCtaIdZ,
  ClusterCtaRank,
  ClusterNCtaRank,
  IsExplicitCluster,
  DynamicSmemSize,
  TotalSmemSize,
  Clock,
  Clock64,
  GlobalTimer,
};
std::optional<Special> specialNamed(std::string_view name); // "%tid.x"

/// An operand. What a name means depends on the instruction; the parser says what
/// it is.
struct Operand {
  enum Kind : uint8_t {
    Register, // `index` in the function's registers
    SpecialRegister,
    Integer,  // `bits`
    Float32,  // `bits`, 0f...
    Float64,  // `bits`, 0d... or a decimal number
    Address,  // [base + bits]: base is a register or a variable, or none
    Name,     // a variable's address, + bits
    Label,    // `index` in the function's labels
    Function, // `index` in the module's functions
    Vector,   // {a, b, ...}
    Sink,     // _
  };
  Kind kind = Sink;
  bool isNegated = false; // !p
  Position at;
  uint32_t index = 0;
  Special special = Special::TidX;
  uint64_t bits = 0;
  /// Address and Name: the variable; in `locals` of the function or the module's.
  enum Base : uint8_t { None, OfRegister, OfModule, OfFunction } base = None;
  std::vector<Operand> parts; // Vector; Address of a tensor: the coordinates
  /// d|p: the second destination of shfl, setp, vote and match.
  std::vector<Operand> second;
};

struct Instruction {
  Position at;
  std::string_view opcode; // with its modifiers, "cvt.rn.f16.f32"
  std::vector<Operand> operands;
  int32_t guard = -1; // a predicate register
  bool guardNegated = false;
};

struct RegisterInfo {
  std::string name;
  RegisterKind kind;
};

struct Function {
  std::string name;
  Position at;
  bool isEntry = false, hasBody = false;
  std::vector<Variable> params, results; // of the .param space
  std::vector<Variable> locals;          // .shared, .local, .param declared in the body
  std::vector<RegisterInfo> registers;
  std::vector<Instruction> body;
  std::vector<uint32_t> labels;                      // the instruction each stands before
  std::vector<std::vector<uint32_t>> branchTargets;  // lists of labels, by the label before them
  std::vector<std::pair<uint32_t, uint32_t>> tables; // (label, index in branchTargets)
  std::optional<std::vector<uint32_t>> requiredThreads, maxThreads, requiredCluster;
  bool explicitCluster = false;
  uint32_t minCtas = 0, maxRegisters = 0;
};

struct Module {
  std::string text; // instructions point into it
  std::string name; // of the file, for messages
  uint32_t major = 0, minor = 0;
  std::string target;
  std::vector<Variable> variables;
  std::vector<Function> functions;

  const Function *find(std::string_view name) const;
};

/// Parses a whole text. Defects are in `diagnostics`, and nothing is returned then.
std::optional<Module> parse(std::string text, std::string name, std::vector<Diagnostic> &diagnostics);

} // namespace smelt::sim

#endif // SMELT_RUNTIME_SIM_PTX_H
