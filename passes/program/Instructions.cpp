//===- Instructions.cpp - Walking and printing the host program's words -----===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "passes/program/HostProgram.h"
#include "passes/program/Memory.h"

using namespace mlir;
using namespace smelt::artifact;
using Code = smelt::artifact::Op;

namespace smelt {

namespace {
struct Form {
  const char *name;
  const char *operands; // r register, b buffer, v value, n literal, t text, j jump
};
Form form(Code op) {
  switch (op) {
  case Code::End: return {"end", ""};
  case Code::LoadImm: return {"imm", "rn"};
  case Code::Move: return {"move", "rr"};
  case Code::Add: return {"add", "rrr"};
  case Code::Sub: return {"sub", "rrr"};
  case Code::Mul: return {"mul", "rrr"};
  case Code::FloorDiv: return {"floordiv", "rrr"};
  case Code::CeilDiv: return {"ceildiv", "rrr"};
  case Code::Mod: return {"mod", "rrr"};
  case Code::Min: return {"min", "rrr"};
  case Code::Max: return {"max", "rrr"};
  case Code::CmpEq: return {"eq", "rrr"};
  case Code::CmpNe: return {"ne", "rrr"};
  case Code::CmpLt: return {"lt", "rrr"};
  case Code::CmpLe: return {"le", "rrr"};
  case Code::And: return {"and", "rrr"};
  case Code::Or: return {"or", "rrr"};
  case Code::Not: return {"not", "rr"};
  case Code::Select: return {"select", "rrrr"};
  case Code::Jump: return {"jump", "j"};
  case Code::JumpIfZero: return {"jump_if_zero", "rj"};
  case Code::InputDim: return {"input_dim", "rnn"};
  case Code::CheckDim: return {"check_dim", "rnn"};
  case Code::Check: return {"check", "rt"};
  case Code::Arena: return {"arena", "r"};
  case Code::ArenaAt: return {"arena_at", "brr"};
  case Code::Const: return {"const", "bnn"};
  case Code::Input: return {"input", "bn"};
  case Code::Output: return {"output", "bn*r"};
  case Code::Alloc: return {"alloc", "br"};
  case Code::Free: return {"free", "b"};
  case Code::View: return {"view", "bbrr"};
  case Code::Copy: return {"copy", "bbr"};
  case Code::Swap: return {"swap", "bb"};
  case Code::Read: return {"read", "rbrn"};
  case Code::Write: return {"write", "brrn"};
  case Code::Segment: return {"segment", "n"};
  case Code::Dispatch: return {"dispatch", "nrrt*r*b"};
  case Code::HostOp: return {"host_op", "nt*n"};
  case Code::OutputValue: return {"output_value", "vn"};
  case Code::InputValue: return {"input_value", "vn"};
  case Code::ShareValue: return {"share_value", "vv"};
  case Code::Plan: return {"plan", "r*p"};
  }
  llvm_unreachable("opcode");
}

/// Calls `see(kind, word)` for every operand; returns the next instruction.
template <typename Fn> size_t visit(std::vector<int64_t> &words, size_t at, Fn see) {
  for (const char *f = form(Code(words[at++])).operands; *f; ++f) {
    if (*f == '*') {
      int64_t count = words[at++];
      ++f;
      for (int64_t i = 0; i < count; ++i)
        if (*f == 'p') { // a buffer to plan: offset, bytes, life
          for (char kind : {'r', 'r', 'n', 'n'})
            see(kind, words[at++]);
        } else {
          see(*f, words[at++]);
        }
    } else {
      see(*f, words[at++]);
    }
  }
  return at;
}
} // namespace

void relocateJumps(std::vector<int64_t> &code, int64_t offset) {
  for (size_t at = 0; at < code.size();)
    at = visit(code, at, [&](char kind, int64_t &word) {
      if (kind == 'j')
        word += offset;
    });
}

void printHostProgram(const HostProgram &program, llvm::raw_ostream &os) {
  std::vector<int64_t> words = program.words;
  size_t code = words[kCodeOffset];
  os << "registers " << words[kRegisterCount] << " buffers " << words[kBufferCount] << " dispatches "
     << program.dispatches << " kernels " << program.kernels.size() << " arena " << program.arenaBytes
     << " (lower bound " << program.arenaLowerBound << ")\n";
  for (size_t at = code; at < words.size();) {
    os << (at - code) << ": " << form(Code(words[at])).name;
    at = visit(words, at, [&](char kind, int64_t word) {
      if (kind == 't')
        os << " \"" << program.strings.c_str() + word << '"';
      else if (kind == 'n' || kind == 'j')
        os << ' ' << word;
      else
        os << ' ' << kind << word;
    });
    os << '\n';
  }
}

} // namespace smelt
