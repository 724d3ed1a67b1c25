//===- Decode.cpp - Instructions to their decoded form ----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Finds the form that an opcode matches and lets it take its operands. What no form
// matches is beyond the interpreter (69) and is named; it is never guessed at.
// Tested by test/runtime/sim/.
//
//===----------------------------------------------------------------------===//
#include "runtime/sim/Decode.h"
#include <algorithm>
#include <unordered_map>

namespace smelt::sim {

Type Type::of(std::string_view text) {
  Type type;
  text.remove_prefix(1);
  type.isPair = text.ends_with("x2");
  if (text.starts_with("bf")) {
    type.kind = 'h';
    text.remove_prefix(2);
  } else if (text.starts_with("tf")) {
    type.kind = 'f';
    text.remove_prefix(2);
  } else {
    type.kind = text[0];
    text.remove_prefix(1);
  }
  type.width = 0;
  for (char c : text) {
    if (c < '0' || c > '9')
      break;
    type.width = type.width * 10 + unsigned(c - '0');
  }
  if (type.kind == 'p')
    type.width = 1;
  if (type.isPair)
    type.width *= 2;
  return type;
}

Builder::Builder(ModuleContext &context, const Function &f, Kernel &kernel, std::vector<Diagnostic> &diagnostics)
    : context(context), f(f), kernel(kernel), diagnostics(diagnostics) {
  kernel.name = f.name;
  kernel.requiredThreads = f.requiredThreads;
  kernel.maxThreads = f.maxThreads;
  for (const RegisterInfo &info : f.registers) {
    bool isPredicate = info.kind == RegisterKind::Predicate;
    predicates.push_back(isPredicate ? int32_t(kernel.predicates++) : -1);
    registers.push_back(isPredicate ? Ref{} : allocate(widthOf(info.kind)));
    if (!isPredicate)
      kernel.registerNames.back() = info.name;
  }
  for (const Variable &v : f.params) {
    kernel.paramBytes = (kernel.paramBytes + v.align - 1) / v.align * v.align;
    kernel.paramOffsets.push_back(kernel.paramBytes);
    kernel.paramSizes.push_back(v.bytes);
    kernel.paramBytes += v.bytes;
  }
  auto place = [](uint64_t &total, const Variable &v) {
    total = (total + v.align - 1) / v.align * v.align;
    uint64_t at = total;
    total += v.bytes;
    return at;
  };
  for (const Variable &v : f.locals) {
    sharedOffsets.push_back(v.space == Space::Shared ? place(kernel.staticShared, v) : 0);
    localOffsets.push_back(v.space == Space::Local ? place(kernel.localBytes, v) : 0);
  }
  // Shared variables of the module; those of an open size begin behind all others.
  for (const Variable &v : context.module.variables)
    if (v.space == Space::Shared && !v.isExtern)
      context.sharedVariables[v.name] = place(kernel.staticShared, v);
  uint64_t align = 1;
  for (const Variable &v : context.module.variables)
    if (v.space == Space::Shared && v.isExtern)
      align = std::max(align, std::max<uint64_t>(v.align, 16));
  kernel.staticShared = (kernel.staticShared + align - 1) / align * align;
  for (const Variable &v : context.module.variables)
    if (v.space == Space::Shared && v.isExtern)
      context.sharedVariables[v.name] = kernel.staticShared;
}

Ref Builder::allocate(unsigned width) {
  // 16 bits take the lower half of 32; a register begins at a multiple of 64 bytes.
  Ref ref{uint32_t(kernel.image.size()), kernel.registers++};
  kernel.image.resize(kernel.image.size() + kLanes * std::max(1u, width / 32), 0xdeadbeef);
  kernel.registerNames.emplace_back();
  return ref;
}

Ref Builder::constant(uint64_t bits, unsigned width) {
  if (width < 64)
    bits &= (uint64_t(1) << width) - 1;
  auto [it, isNew] = constantRefs.try_emplace({bits, width == 64 ? 64 : 32});
  if (isNew) {
    it->second = allocate(width);
    kernel.definedAtStart.push_back(it->second.number);
    for (unsigned l = 0; l < kLanes; ++l)
      if (width == 64)
        std::memcpy(&kernel.image[it->second.at + 2 * l], &bits, 8);
      else
        kernel.image[it->second.at + l] = uint32_t(bits);
  }
  return it->second;
}

Ref Builder::special(Special which, unsigned &width) {
  width = which == Special::Clock64 || which == Special::GlobalTimer || which == Special::GridId ? 64 : 32;
  auto [it, isNew] = specialRefs.try_emplace(which);
  if (isNew) {
    it->second = allocate(width);
    kernel.definedAtStart.push_back(it->second.number);
    kernel.specials.push_back({which, it->second});
  }
  return it->second;
}

bool Builder::fail(const Operand &o, std::string message, int exitCode) {
  diagnostics.push_back({o.at, std::string(in->opcode) + ": " + std::move(message), exitCode});
  return false;
}
bool Builder::fail(std::string message, int exitCode) {
  diagnostics.push_back({in->at, std::string(in->opcode) + ": " + std::move(message), exitCode});
  return false;
}

bool Builder::has(std::string_view modifier) const {
  return std::find(words.begin(), words.end(), modifier) != words.end();
}

bool Builder::want(size_t least, size_t most) {
  most = std::max(most, least);
  if (operands() >= least && operands() <= most)
    return true;
  return fail(std::to_string(operands()) + " operands, want " + std::to_string(least) +
              (most > least ? " to " + std::to_string(most) : ""));
}

Ref Builder::dst(const Operand &o, unsigned width) {
  unsigned found = 0;
  Ref ref = o.kind == Operand::Sink ? allocate(width) : anyRegister(o, found);
  if (found && found != width)
    fail(o, "a register of " + std::to_string(found) + " bits, want " + std::to_string(width));
  return ref;
}

Ref Builder::anyRegister(const Operand &o, unsigned &width) {
  width = 0;
  if (o.kind != Operand::Register || f.registers[o.index].kind == RegisterKind::Predicate) {
    fail(o, "want a register");
    return {};
  }
  width = widthOf(f.registers[o.index].kind);
  return registers[o.index];
}

Ref Builder::src(const Operand &o, Type type) {
  unsigned width = 0;
  switch (o.kind) {
  case Operand::Register: {
    Ref ref = anyRegister(o, width);
    if (width && width != type.width)
      fail(o, "a register of " + std::to_string(width) + " bits, want " + std::to_string(type.width));
    return ref;
  }
  case Operand::SpecialRegister: {
    Ref ref = special(o.special, width);
    if (width != type.width)
      fail(o, "a special register of " + std::to_string(width) + " bits, want " + std::to_string(type.width));
    return ref;
  }
  case Operand::Integer:
    if (type.kind == 'f' || type.kind == 'h')
      fail(o, "an integer, want a floating-point number");
    return constant(o.bits, type.width);
  case Operand::Float32:
  case Operand::Float64: {
    if (type.kind != 'f' || type.width < 32) {
      if (type.kind == 'b' && type.width == (o.kind == Operand::Float32 ? 32u : 64u))
        return constant(o.bits, type.width);
      fail(o, "a floating-point number, want a register or an integer");
    }
    if (type.width == 32 && o.kind == Operand::Float64)
      return constant(std::bit_cast<uint32_t>(float(std::bit_cast<double>(o.bits))), 32);
    if (type.width == 64 && o.kind == Operand::Float32)
      return constant(std::bit_cast<uint64_t>(double(std::bit_cast<float>(uint32_t(o.bits)))), 64);
    return constant(o.bits, type.width);
  }
  case Operand::Name: {
    Space space;
    return constant(addressOf(o, space), type.width);
  }
  default: fail(o, "want a register or a number"); return {};
  }
}

int32_t Builder::dstPredicate(const Operand &o) {
  if (o.kind == Operand::Sink)
    return -1;
  if (o.kind == Operand::Register && predicates[o.index] >= 0 && !o.isNegated)
    return predicates[o.index];
  fail(o, "want a predicate");
  return -1;
}

int32_t Builder::srcPredicate(const Operand &o, bool &negated) {
  negated = o.isNegated;
  if (o.kind == Operand::Register && predicates[o.index] >= 0)
    return predicates[o.index];
  if (o.kind == Operand::Integer && o.bits <= 1) { // a predicate that is constant
    negated = (o.bits == 0) != o.isNegated;
    return -2;
  }
  fail(o, "want a predicate");
  return -2;
}

std::vector<Ref> Builder::vector(size_t i, Type type, size_t count, bool isDst) {
  std::vector<Ref> refs;
  const Operand &o = operand(i);
  if (o.kind != Operand::Vector) {
    if (count != 1)
      fail(o, "want " + std::to_string(count) + " registers in braces");
    refs.push_back(isDst ? dst(o, type.width) : src(o, type));
  } else {
    if (o.parts.size() != count)
      fail(o, std::to_string(o.parts.size()) + " registers, want " + std::to_string(count));
    for (const Operand &part : o.parts)
      refs.push_back(isDst ? dst(part, type.width) : src(part, type));
  }
  refs.resize(count);
  return refs;
}

uint64_t Builder::addressOf(const Operand &o, Space &space) {
  const Variable *v = nullptr;
  uint64_t at = 0;
  if (o.base == Operand::OfFunction && (o.index & kParameterFlag)) {
    uint32_t index = o.index & ~kParameterFlag;
    v = &f.params[index];
    at = kernel.paramOffsets[index];
  } else if (o.base == Operand::OfFunction && !(o.index & kResultFlag)) {
    v = &f.locals[o.index];
    at = v->space == Space::Shared ? sharedOffsets[o.index] : localOffsets[o.index];
    if (v->space == Space::Param)
      fail(o, "a call with parameters", 69);
  } else if (o.base == Operand::OfModule) {
    v = &context.module.variables[o.index];
    at = v->space == Space::Shared  ? context.sharedVariables[v->name]
         : v->space == Space::Const ? context.constants[v->name]
                                    : context.globals[v->name];
  }
  if (!v) {
    fail(o, "want a variable");
    return 0;
  }
  space = v->space;
  return at + o.bits;
}

bool Builder::address(size_t i, Space space, bool isGeneric, Access &access) {
  const Operand &o = operand(i);
  if (o.kind != Operand::Address)
    return fail(o, "want an address");
  if (!o.parts.empty())
    return fail(o, "an address with coordinates");
  access.space = space;
  access.isGeneric = isGeneric;
  access.offset = int64_t(o.bits);
  if (o.base == Operand::OfRegister) {
    unsigned width = 0;
    Operand plain = o;
    plain.kind = Operand::Register;
    access.base = anyRegister(plain, width);
    access.hasBase = true;
    access.isWideBase = width == 64;
    bool isNarrowSpace = !isGeneric && (space == Space::Shared || space == Space::Local || space == Space::Const ||
                                        space == Space::Param);
    if (width && width != 64 && !(width == 32 && isNarrowSpace))
      return fail(o, "an address of " + std::to_string(width) + " bits, want 64");
    return true;
  }
  if (o.base == Operand::None)
    return true;
  Space found = space;
  access.offset = int64_t(addressOf(o, found));
  if (isGeneric) {
    access.space = found;
    access.isGeneric = false;
    return true;
  }
  return found == space || fail(o, "a variable of another state space");
}

uint64_t Builder::immediate(size_t i, uint64_t most) {
  const Operand &o = operand(i);
  if (o.kind != Operand::Integer)
    fail(o, "want a number");
  else if (o.bits > most)
    fail(o, "the number " + std::to_string(o.bits) + ", want at most " + std::to_string(most));
  else
    return o.bits;
  return 0;
}

uint32_t Builder::label(size_t i) {
  if (operand(i).kind != Operand::Label) {
    fail(operand(i), "want a label");
    return 0;
  }
  return f.labels[operand(i).index];
}

const std::vector<uint32_t> &Builder::tableOf(size_t i) {
  static const std::vector<uint32_t> none;
  if (operand(i).kind == Operand::Label)
    for (auto [label, list] : f.tables)
      if (label == operand(i).index)
        return f.branchTargets[list];
  fail(operand(i), "want the label of a .branchtargets");
  return none;
}

uint32_t Builder::add(Access access) {
  kernel.accesses.push_back(access);
  return uint32_t(kernel.accesses.size() - 1);
}

uint32_t Builder::addFragments(std::vector<Ref> fragments) {
  kernel.fragments.push_back(std::move(fragments));
  return uint32_t(kernel.fragments.size() - 1);
}

/// Matches the whole opcode; brackets take the longest of their words that fits.
bool Builder::match(std::string_view pattern, std::string_view opcode) {
  words.clear();
  while (!pattern.empty()) {
    char open = pattern[0];
    if (open != '{' && open != '(') {
      if (opcode.empty() || opcode[0] != open)
        return false;
      pattern.remove_prefix(1);
      opcode.remove_prefix(1);
      continue;
    }
    size_t end = pattern.find(open == '{' ? '}' : ')');
    std::string_view choices = pattern.substr(1, end - 1), best;
    pattern.remove_prefix(end + 1);
    while (!choices.empty()) {
      size_t bar = std::min(choices.find('|'), choices.size());
      std::string_view choice = choices.substr(0, bar);
      choices.remove_prefix(std::min(bar + 1, choices.size()));
      bool isWhole = opcode.size() == choice.size() ||
                     (opcode.size() > choice.size() && (opcode[choice.size()] == '.' || opcode[choice.size()] == ':'));
      if (opcode.starts_with(choice) && isWhole && choice.size() > best.size())
        best = choice;
    }
    if (best.empty() && open == '(')
      return false;
    words.push_back(best);
    opcode.remove_prefix(best.size());
  }
  return opcode.empty();
}

static const std::unordered_map<std::string_view, std::vector<const Form *>> &formsByName() {
  static const auto table = [] {
    std::unordered_map<std::string_view, std::vector<const Form *>> made;
    for (auto forms :
         {integerForms(), floatForms(), convertForms(), memoryForms(), controlForms(), warpForms(), matrixForms()})
      for (const Form &form : forms) {
        std::string_view pattern = form.pattern;
        made[pattern.substr(0, pattern.find_first_of(".{("))].push_back(&form);
      }
    return made;
  }();
  return table;
}

void Builder::emit() { kernel.code.push_back(inst); }

void Builder::decode(const Instruction &instruction) {
  places.push_back(uint32_t(kernel.code.size()));
  in = &instruction;
  inst = {};
  inst.line = instruction.at.line;
  if (instruction.guard >= 0) {
    inst.guard = predicates[instruction.guard];
    inst.guardNegated = instruction.guardNegated;
  }
  auto it = formsByName().find(instruction.opcode.substr(0, instruction.opcode.find('.')));
  if (it == formsByName().end())
    return (void)fail("an instruction that the interpreter does not have", 69);
  for (const Form *form : it->second)
    if (match(form->pattern, instruction.opcode)) {
      form->build(*this);
      kernel.code.push_back(inst);
      return;
    }
  fail("a form that the interpreter does not have", 69);
}

void Builder::run() {
  constexpr size_t most = 20;
  size_t before = diagnostics.size();
  for (const Instruction &instruction : f.body) {
    decode(instruction);
    if (diagnostics.size() - before >= most)
      return;
  }
  // Falling off the end is a return.
  static const Instruction end = [] {
    Instruction made;
    made.opcode = "exit";
    return made;
  }();
  decode(end);
  for (Inst &i : kernel.code)
    if (i.isBranch)
      i.target = places[i.target];
  for (auto &table : kernel.tables)
    for (uint32_t &target : table)
      target = places[target];
}

} // namespace smelt::sim
