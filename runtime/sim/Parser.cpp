//===- Parser.cpp - PTX text to a module ------------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// PTX ISA 9.0, chapters 4, 5 and 11. Scopes hold registers, variables and labels; a
// label may be used before it stands, so such uses wait for the end of their scope.
// Tested by test/runtime/sim/ParserTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/sim/Lexer.h"
#include <array>
#include <bit>
#include <charconv>
#include <unordered_map>

namespace smelt::sim {

namespace {

const TypeName *typeOf(const Token &token) { return token.kind == Token::Directive ? typeNamed(token.text) : nullptr; }

/// Limits against hostile texts.
constexpr uint64_t kMaxVariableBytes = uint64_t(1) << 32, kMaxRegisters = 1 << 20;
constexpr size_t kMaxDiagnostics = 20, kMaxDepth = 64;

class Parser {
public:
  Parser(Module &module, std::vector<Diagnostic> &diagnostics) : m(module), diagnostics(diagnostics), lexer(m.text) {}

  void run() {
    while (lexer.peek().kind != Token::End && ok())
      moduleItem();
    if (ok() && m.major == 0)
      fail(lexer.peek(), "there is no .version");
  }

private:
  bool ok() const { return diagnostics.size() == before; }
  bool fail(const Token &at, std::string message, int exitCode = 65) {
    if (diagnostics.size() < kMaxDiagnostics)
      diagnostics.push_back({at.at, std::move(message), exitCode});
    return false;
  }
  bool wanted(const Token &found, std::string_view what) {
    std::string text = found.kind == Token::End ? "the end" : "'" + std::string(found.text.substr(0, 40)) + "'";
    return fail(found, "found " + text + ", want " + std::string(what));
  }
  bool expect(std::string_view punctuation) {
    Token token = lexer.next();
    return token.is(punctuation) || wanted(token, "'" + std::string(punctuation) + "'");
  }
  bool accept(std::string_view punctuation) {
    if (!lexer.peek().is(punctuation))
      return false;
    lexer.next();
    return true;
  }
  bool integer(uint64_t &value, uint64_t most, std::string_view what) {
    Token token = lexer.next();
    if (token.kind != Token::Integer)
      return wanted(token, what);
    if (token.value > most)
      return fail(token,
                  std::string(what) + " is " + std::to_string(token.value) + ", want at most " + std::to_string(most));
    value = token.value;
    return true;
  }
  void restOfLine(uint32_t line) {
    while (lexer.peek().kind != Token::End && lexer.peek().at.line == line)
      lexer.next();
  }

  //--- scopes
  struct Family {
    RegisterKind kind;
    uint32_t first, count;
  };
  struct Pending {
    std::string_view name;
    Position at;
    uint32_t instruction, operand; // in a list of branch targets: ~0 and its place
    uint32_t list = 0;
  };
  struct Scope {
    std::unordered_map<std::string_view, uint32_t> registers, locals, labels;
    std::unordered_map<std::string_view, Family> families;
    std::vector<Pending> pending;
  };

  std::optional<uint32_t> findRegister(std::string_view name) const {
    size_t digits = name.size();
    while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9')
      --digits;
    for (auto scope = scopes.rbegin(); scope != scopes.rend(); ++scope) {
      if (auto it = scope->registers.find(name); it != scope->registers.end())
        return it->second;
      if (digits == name.size())
        continue;
      if (auto it = scope->families.find(name.substr(0, digits)); it != scope->families.end()) {
        uint32_t number = 0;
        auto [end, error] = std::from_chars(name.data() + digits, name.data() + name.size(), number);
        if (error == std::errc() && number < it->second.count && (name[digits] != '0' || digits + 1 == name.size()))
          return it->second.first + number;
      }
    }
    return std::nullopt;
  }

  void closeScope() {
    Scope scope = std::move(scopes.back());
    scopes.pop_back();
    for (const Pending &use : scope.pending) {
      if (auto it = scope.labels.find(use.name); it != scope.labels.end()) {
        if (use.instruction == ~0u)
          f->branchTargets[use.list][use.operand] = it->second;
        else
          f->body[use.instruction].operands[use.operand].index = it->second;
      } else if (!scopes.empty()) {
        scopes.back().pending.push_back(use);
      } else {
        diagnostics.push_back(
            {use.at, "'" + std::string(use.name) + "' is no register, variable, function or label", 65});
      }
    }
  }

  //--- the module
  void moduleItem() {
    Token token = lexer.next();
    if (token.isWord(".version")) {
      Token number = lexer.next();
      size_t point = number.text.find('.');
      if (number.kind != Token::Float64 || point == std::string_view::npos)
        return (void)wanted(number, "a version like 8.0");
      std::from_chars(number.text.data(), number.text.data() + point, m.major);
      std::from_chars(number.text.data() + point + 1, number.text.data() + number.text.size(), m.minor);
      if (m.major < 6 || m.major > 9)
        fail(number, "PTX " + std::string(number.text) + ", want 6.0 to 9.x", 69);
    } else if (token.isWord(".target")) {
      Token name = lexer.next();
      if (name.kind != Token::Word || !name.text.starts_with("sm_"))
        return (void)wanted(name, "a target like sm_80");
      m.target = name.text;
      while (accept(","))
        lexer.next();
    } else if (token.isWord(".address_size")) {
      uint64_t bits = 0;
      if (integer(bits, 64, "the size of an address") && bits != 64)
        fail(token, "addresses of " + std::to_string(bits) + " bits, want 64", 69);
    } else if (token.isWord(".file") || token.isWord(".loc")) {
      restOfLine(token.at.line);
    } else if (token.isWord(".section")) {
      while (lexer.peek().kind != Token::End && !lexer.peek().is("{"))
        lexer.next();
      skipBraces();
    } else {
      declaration(token);
    }
  }

  void skipBraces() {
    size_t depth = 0;
    do {
      Token token = lexer.next();
      if (token.kind == Token::End)
        return (void)wanted(token, "'}'");
      depth += token.is("{");
      depth -= token.is("}");
    } while (depth > 0);
  }

  void declaration(Token token) {
    bool isExtern = false;
    while (token.isWord(".extern") || token.isWord(".visible") || token.isWord(".weak") || token.isWord(".common")) {
      isExtern |= token.isWord(".extern");
      token = lexer.next();
    }
    if (token.isWord(".entry") || token.isWord(".func"))
      return function(token);
    Space space;
    if (!spaceOf(token, space))
      return (void)wanted(token, "a directive of a module");
    std::vector<Variable> found;
    if (variables(space, isExtern, found))
      for (Variable &v : found)
        m.variables.push_back(std::move(v));
  }

  static bool spaceOf(const Token &token, Space &space) {
    constexpr std::pair<std::string_view, Space> names[] = {{".global", Space::Global},
                                                            {".const", Space::Const},
                                                            {".shared", Space::Shared},
                                                            {".local", Space::Local},
                                                            {".param", Space::Param}};
    for (auto [name, value] : names)
      if (token.isWord(name))
        return space = value, true;
    return false;
  }

  /// [.align N] [.v2|.v4] .type [.ptr [.space] [.align N]] name [dims] without the end.
  bool variable(Space space, bool isExtern, Variable &v, bool isParameter) {
    uint64_t align = 0, vector = 1;
    const TypeName *type = nullptr;
    while (!type) {
      Token token = lexer.next();
      if (token.isWord(".align")) {
        if (!integer(align, 1 << 16, "an alignment"))
          return false;
        if (!std::has_single_bit(align))
          return fail(token, "an alignment of " + std::to_string(align) + ", want a power of 2");
      } else if (token.isWord(".v2") || token.isWord(".v4")) {
        vector = token.text[2] - '0';
      } else if (!(type = typeOf(token)) || type->name == ".pred") {
        return wanted(token, "a type");
      }
    }
    if (isParameter && lexer.peek().isWord(".ptr")) {
      lexer.next();
      Space pointee;
      while (lexer.peek().kind == Token::Directive) {
        Token token = lexer.next();
        uint64_t ignored = 0;
        if (token.isWord(".align") ? !integer(ignored, ~0ull, "an alignment") : !spaceOf(token, pointee))
          return wanted(token, "a state space or .align");
      }
    }
    Token name = lexer.next();
    if (name.kind != Token::Word)
      return wanted(name, "a name");
    v.name = name.text;
    v.space = space;
    v.at = name.at;
    uint64_t count = vector;
    bool isOpen = false;
    while (accept("[")) {
      if (accept("]")) {
        isOpen = true;
        continue;
      }
      uint64_t size = 0;
      if (!integer(size, kMaxVariableBytes, "a size") || !expect("]"))
        return false;
      if (size != 0 && count > kMaxVariableBytes / size)
        return fail(name, "'" + v.name + "' is larger than " + std::to_string(kMaxVariableBytes) + " bytes");
      count *= size;
    }
    v.bytes = isOpen ? 0 : count * type->bytes;
    v.align = std::max<uint64_t>(align, type->bytes * vector);
    v.isExtern = isExtern || isOpen;
    return true;
  }

  bool variables(Space space, bool isExtern, std::vector<Variable> &out) {
    Variable v;
    if (!variable(space, isExtern, v, false))
      return false;
    if (accept("=")) {
      uint64_t unit = v.align;
      if (!initializer(v, unit))
        return false;
      v.isExtern = false;
    }
    out.push_back(std::move(v));
    return expect(";");
  }

  /// Numbers in braces, or one; `unit` bytes each. Names of variables are beyond us.
  bool initializer(Variable &v, uint64_t unit) {
    if (unit > 8)
      unit = 1;
    size_t depth = 0;
    bool isMany = lexer.peek().is("{");
    do {
      Token token = lexer.next();
      if (token.is("{")) {
        ++depth;
      } else if (token.is("}")) {
        --depth;
      } else if (token.kind == Token::Integer || token.kind == Token::Float32 || token.kind == Token::Float64 ||
                 token.is("-")) {
        bool negative = token.is("-");
        if (negative)
          token = lexer.next();
        uint64_t bits = negative ? 0 - token.value : token.value;
        if (token.kind == Token::Float64 && unit == 4)
          bits = std::bit_cast<uint32_t>(float(std::bit_cast<double>(token.value)));
        for (uint64_t b = 0; b < unit; ++b)
          v.initial.push_back(uint8_t(bits >> (8 * b)));
      } else if (!token.is(",")) {
        return token.kind == Token::Word ? fail(token, "an initial value that is an address", 69)
                                         : wanted(token, "a number");
      }
    } while (depth > 0);
    if (v.bytes == 0 && isMany)
      v.bytes = v.initial.size();
    if (v.initial.size() > v.bytes)
      return fail(lexer.peek(), "'" + v.name + "' has " + std::to_string(v.initial.size()) +
                                    " initial bytes, its size is " + std::to_string(v.bytes));
    v.initial.resize(v.bytes);
    return true;
  }

  bool parameters(std::vector<Variable> &out) {
    if (!expect("("))
      return false;
    while (!accept(")")) {
      Token token = lexer.next();
      if (token.isWord(".reg"))
        return fail(token, "parameters in registers", 69);
      if (!token.isWord(".param"))
        return wanted(token, "'.param'");
      Variable v;
      if (!variable(Space::Param, false, v, true))
        return false;
      out.push_back(std::move(v));
      if (!lexer.peek().is(")") && !expect(","))
        return false;
    }
    return true;
  }

  std::optional<std::vector<uint32_t>> threeNumbers() {
    std::vector<uint32_t> numbers;
    do {
      uint64_t value = 0;
      if (!integer(value, 1u << 31, "a number"))
        return std::nullopt;
      numbers.push_back(uint32_t(value));
    } while (numbers.size() < 3 && accept(","));
    numbers.resize(3, 1);
    return numbers;
  }

  void function(const Token &keyword) {
    Function made;
    made.isEntry = keyword.isWord(".entry");
    if (lexer.peek().is("(") && !parameters(made.results))
      return;
    Token name = lexer.next();
    if (name.kind != Token::Word)
      return (void)wanted(name, "the name of a function");
    made.name = name.text;
    made.at = name.at;
    if (lexer.peek().is("(") && !parameters(made.params))
      return;
    while (!lexer.peek().is("{") && !lexer.peek().is(";")) {
      Token token = lexer.next();
      uint64_t value = 0;
      if (token.isWord(".reqntid"))
        made.requiredThreads = threeNumbers();
      else if (token.isWord(".maxntid"))
        made.maxThreads = threeNumbers();
      else if (token.isWord(".reqnctapercluster"))
        made.requiredCluster = threeNumbers();
      else if (token.isWord(".explicitcluster"))
        made.explicitCluster = true;
      else if (token.isWord(".minnctapersm") && integer(value, 1 << 10, "a number"))
        made.minCtas = uint32_t(value);
      else if (token.isWord(".maxnreg") && integer(value, 1 << 10, "a number"))
        made.maxRegisters = uint32_t(value);
      else if (token.isWord(".maxclusterrank") && integer(value, 1 << 10, "a number"))
        ;
      else if (token.isWord(".pragma"))
        lexer.next(), expect(";");
      else if (!token.isWord(".noreturn"))
        wanted(token, "a directive of a function, '{' or ';'");
      if (!ok())
        return;
    }
    // A body follows its declaration.
    size_t index = m.functions.size();
    for (size_t i = 0; i < m.functions.size(); ++i)
      if (m.functions[i].name == made.name)
        index = i;
    if (index < m.functions.size() && m.functions[index].hasBody && lexer.peek().is("{"))
      return (void)fail(name, "function '" + made.name + "' has two bodies");
    if (index == m.functions.size())
      m.functions.push_back(std::move(made));
    else if (lexer.peek().is("{"))
      m.functions[index] = std::move(made);
    if (accept(";"))
      return;
    lexer.next();
    f = &m.functions[index];
    f->hasBody = true;
    registerCount = 0;
    block();
    for (uint32_t &label : f->labels)
      if (label == ~0u)
        label = uint32_t(f->body.size());
  }

  //--- bodies
  void block() {
    if (scopes.size() >= kMaxDepth)
      return (void)fail(lexer.peek(), "more than " + std::to_string(kMaxDepth) + " blocks in one another");
    scopes.emplace_back();
    while (ok() && !lexer.peek().is("}")) {
      if (lexer.peek().kind == Token::End) {
        wanted(lexer.peek(), "'}'");
        break;
      }
      statement();
    }
    if (ok())
      lexer.next();
    closeScope();
  }

  void statement() {
    if (accept("{"))
      return block();
    if (accept(";"))
      return;
    const Token token = lexer.peek();
    Space space;
    if (token.isWord(".reg")) {
      lexer.next();
      return registers();
    }
    if (spaceOf(token, space)) {
      lexer.next();
      std::vector<Variable> found;
      if (!variables(space, false, found))
        return;
      scopes.back().locals[remember(found[0].name)] = uint32_t(f->locals.size());
      f->locals.push_back(std::move(found[0]));
      return;
    }
    if (token.isWord(".loc") || token.isWord(".file"))
      return restOfLine(token.at.line);
    if (token.isWord(".pragma")) {
      lexer.next(), lexer.next();
      return (void)expect(";");
    }
    if (token.isWord(".branchtargets")) {
      lexer.next();
      return branchTargets();
    }
    if (token.kind == Token::Word && lexer.isBefore(':')) {
      lexer.next(), lexer.next();
      uint32_t index = uint32_t(f->labels.size());
      if (!scopes.back().labels.try_emplace(token.text, index).second)
        return (void)fail(token, "label '" + std::string(token.text) + "' stands twice");
      f->labels.push_back(uint32_t(f->body.size()));
      return;
    }
    instruction();
  }

  void registers() {
    Token token = lexer.next();
    const TypeName *type = typeOf(token);
    if (!type || !type->kind)
      return (void)wanted(token, "the type of a register");
    do {
      Token name = lexer.next();
      if (name.kind != Token::Word)
        return (void)wanted(name, "the name of a register");
      uint64_t count = 1;
      bool isFamily = accept("<");
      if (isFamily && (!integer(count, kMaxRegisters, "a number of registers") || !expect(">")))
        return;
      if (registerCount + count > kMaxRegisters)
        return (void)fail(name, "more than " + std::to_string(kMaxRegisters) + " registers", 69);
      uint32_t first = uint32_t(f->registers.size());
      if (isFamily)
        scopes.back().families[name.text] = {*type->kind, first, uint32_t(count)};
      else if (!scopes.back().registers.try_emplace(name.text, first).second)
        return (void)fail(name, "register '" + std::string(name.text) + "' is declared twice");
      for (uint64_t i = 0; i < count; ++i)
        f->registers.push_back(
            {isFamily ? std::string(name.text) + std::to_string(i) : std::string(name.text), *type->kind});
      registerCount += count;
    } while (accept(","));
    expect(";");
  }

  void branchTargets() {
    if (f->labels.empty() || f->labels.back() != f->body.size())
      return (void)fail(lexer.peek(), ".branchtargets without a label before it");
    uint32_t list = uint32_t(f->branchTargets.size());
    f->tables.push_back({uint32_t(f->labels.size()) - 1, list});
    f->branchTargets.emplace_back();
    do {
      Token name = lexer.next();
      if (name.kind != Token::Word)
        return (void)wanted(name, "a label");
      scopes.back().pending.push_back({name.text, name.at, ~0u, uint32_t(f->branchTargets[list].size()), list});
      f->branchTargets[list].push_back(0);
    } while (accept(","));
    expect(";");
  }

  void instruction() {
    Instruction made;
    if (accept("@")) {
      made.guardNegated = accept("!");
      Token name = lexer.next();
      auto reg = findRegister(name.text);
      if (!reg || f->registers[*reg].kind != RegisterKind::Predicate)
        return (void)wanted(name, "a predicate register");
      made.guard = int32_t(*reg);
    }
    Token opcode = lexer.next();
    if (opcode.kind != Token::Word)
      return (void)wanted(opcode, "an instruction");
    made.at = opcode.at;
    made.opcode = opcode.text;
    bool needsComma = false;
    while (ok() && !accept(";")) {
      if (needsComma && !expect(","))
        return;
      Operand operand;
      if (!parseOperand(operand, uint32_t(made.operands.size()), 0))
        return;
      if (accept("|")) {
        Operand second;
        if (!parseOperand(second, ~0u, 0))
          return;
        operand.second.push_back(std::move(second));
      }
      made.operands.push_back(std::move(operand));
      needsComma = true;
    }
    f->body.push_back(std::move(made));
  }

  bool list(Operand &operand, std::string_view end, size_t depth) {
    operand.kind = Operand::Vector;
    while (!accept(end)) {
      Operand part;
      if (!parseOperand(part, ~0u, depth + 1))
        return false;
      operand.parts.push_back(std::move(part));
      if (!lexer.peek().is(end) && !expect(","))
        return false;
    }
    return true;
  }

  /// `place` is the operand's number in its instruction, ~0 where no label can stand.
  bool parseOperand(Operand &operand, uint32_t place, size_t depth) {
    if (depth > 4)
      return fail(lexer.peek(), "an operand of more than 4 levels");
    Token token = lexer.next();
    operand.at = token.at;
    if (token.is("{") || token.is("("))
      return list(operand, token.is("{") ? "}" : ")", depth);
    if (token.is("["))
      return address(operand, depth);
    if (token.is("!")) {
      if (!parseOperand(operand, ~0u, depth + 1))
        return false;
      if (operand.kind != Operand::Register || f->registers[operand.index].kind != RegisterKind::Predicate)
        return fail(token, "'!' is for predicates");
      operand.isNegated = true;
      return true;
    }
    bool isMinus = token.is("-");
    if (isMinus)
      token = lexer.next();
    switch (token.kind) {
    case Token::Integer:
      operand.kind = Operand::Integer;
      operand.bits = isMinus ? 0 - token.value : token.value;
      return true;
    case Token::Float32:
    case Token::Float64: {
      bool isSingle = token.kind == Token::Float32;
      operand.kind = isSingle ? Operand::Float32 : Operand::Float64;
      operand.bits = token.value ^ (isMinus ? uint64_t(1) << (isSingle ? 31 : 63) : 0);
      return true;
    }
    case Token::Word: return !isMinus ? name(operand, token, place) : wanted(token, "a number");
    default: return wanted(token, "an operand");
    }
  }

  bool name(Operand &operand, const Token &token, uint32_t place) {
    if (token.text == "_") {
      operand.kind = Operand::Sink;
      return true;
    }
    if (auto reg = findRegister(token.text)) {
      operand.kind = Operand::Register;
      operand.index = *reg;
      return true;
    }
    if (auto special = specialNamed(token.text)) {
      operand.kind = Operand::SpecialRegister;
      operand.special = *special;
      return true;
    }
    if (resolveVariable(operand, token.text)) {
      operand.kind = Operand::Name;
      return !(lexer.peek().is("+") || lexer.peek().is("-")) || offset(operand);
    }
    for (size_t i = 0; i < m.functions.size(); ++i)
      if (m.functions[i].name == token.text) {
        operand.kind = Operand::Function;
        operand.index = uint32_t(i);
        return true;
      }
    if (place == ~0u)
      return fail(token, "'" + std::string(token.text) + "' is no register or variable");
    operand.kind = Operand::Label;
    scopes.back().pending.push_back({token.text, token.at, uint32_t(f->body.size()), place});
    return true;
  }

  bool resolveVariable(Operand &operand, std::string_view name) {
    for (auto scope = scopes.rbegin(); scope != scopes.rend(); ++scope)
      if (auto it = scope->locals.find(name); it != scope->locals.end()) {
        operand.base = Operand::OfFunction;
        operand.index = it->second;
        return true;
      }
    auto find = [&](const std::vector<Variable> &variables, Operand::Base base, uint32_t flag) {
      for (size_t i = 0; i < variables.size(); ++i)
        if (variables[i].name == name) {
          operand.base = base;
          operand.index = uint32_t(i) | flag;
          return true;
        }
      return false;
    };
    return find(f->params, Operand::OfFunction, kParameterFlag) || find(f->results, Operand::OfFunction, kResultFlag) ||
           find(m.variables, Operand::OfModule, 0);
  }

  bool offset(Operand &operand) {
    bool isMinus = lexer.next().is("-");
    if (!isMinus && accept("-"))
      isMinus = true;
    uint64_t value = 0;
    if (!integer(value, uint64_t(1) << 40, "an offset"))
      return false;
    operand.bits = isMinus ? 0 - value : value;
    return true;
  }

  bool address(Operand &operand, size_t depth) {
    operand.kind = Operand::Address;
    Token token = lexer.next();
    if (token.kind == Token::Integer) {
      operand.bits = token.value;
    } else if (auto reg = token.kind == Token::Word ? findRegister(token.text) : std::nullopt) {
      operand.base = Operand::OfRegister;
      operand.index = *reg;
    } else if (token.kind != Token::Word || !resolveVariable(operand, token.text)) {
      return wanted(token, "a register, a variable or a number");
    }
    if ((lexer.peek().is("+") || lexer.peek().is("-")) && !offset(operand))
      return false;
    while (accept(",")) {
      Operand coordinates;
      if (!parseOperand(coordinates, ~0u, depth + 1))
        return false;
      operand.parts.push_back(std::move(coordinates));
    }
    return expect("]");
  }

  std::string_view remember(const std::string &name) {
    size_t at = m.text.find(name); // names of scopes outlive the vectors they stand in
    return std::string_view(m.text).substr(at, name.size());
  }

  Module &m;
  std::vector<Diagnostic> &diagnostics;
  const size_t before = diagnostics.size();
  Lexer lexer;
  Function *f = nullptr;
  std::vector<Scope> scopes;
  uint64_t registerCount = 0;
};

} // namespace

std::optional<Module> parse(std::string text, std::string name, std::vector<Diagnostic> &diagnostics) {
  size_t before = diagnostics.size();
  std::optional<Module> module(std::in_place);
  module->text = std::move(text);
  module->name = std::move(name);
  Parser(*module, diagnostics).run();
  if (diagnostics.size() != before)
    module.reset();
  return module;
}

} // namespace smelt::sim
