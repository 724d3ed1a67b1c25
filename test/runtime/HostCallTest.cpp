//===- HostCallTest.cpp - Sequences, optionals, strings, Unique, Det ---------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Programs of host calls: what ONNX's suite does not ask, above all errors.
//
//===----------------------------------------------------------------------===//
#include "Programs.h"

using namespace smelt::test;

namespace {

constexpr int64_t i64 = static_cast<int64_t>(DType::I64);

/// A program whose inputs are host values and whose outputs are what calls give.
struct Calls {
  Assembler a;
  std::vector<Value> bound;
  std::vector<std::vector<int64_t>> numbers; // tensors that stay alive
  int64_t empty = -1;

  using Words = std::vector<int64_t>;
  static Words value(int64_t v) { return {0, v}; }
  Words tensor(int64_t buffer, Words dims) { // operand or placed result
    Words words = {1, buffer, i64, static_cast<int64_t>(dims.size())};
    for (int64_t dim : dims)
      words.push_back(a.imm(dim));
    return words;
  }
  Words integers(const Words &values) {
    int64_t b = a.buf();
    a.op(Op::Const, {b, a.constant<int64_t>(values), static_cast<int64_t>(values.size()) * 8});
    return tensor(b, values.size() == 1 ? Words{} : Words{static_cast<int64_t>(values.size())});
  }
  int64_t input(ValueKind kind, smelt_value *given, int64_t rank = 0) {
    bool isTensor = kind == ValueKind::Tensor;
    Words dims;
    for (int64_t d = 0; d < rank; ++d)
      dims.push_back(a.dim("d" + std::to_string(d)));
    a.input("in" + std::to_string(bound.size()), isTensor ? DType::String : DType::Undefined, dims, kind);
    int64_t v = a.val();
    a.op(Op::InputValue, {v, static_cast<int64_t>(bound.size())});
    bound.emplace_back(given);
    return v;
  }
  int64_t strings(const std::vector<const char *> &texts) {
    int64_t dims[] = {static_cast<int64_t>(texts.size())};
    return input(ValueKind::Tensor, smelt_value_create_strings(1, dims, texts.data(), nullptr), 1);
  }
  void call(HostOpCode code, const std::vector<Words> &results, const std::vector<Words> &operands, const Words &ints = {},
            const std::vector<const char *> &texts = {}) {
    Words words = {static_cast<int64_t>(results.size())};
    for (const Words &r : results)
      words.insert(words.end(), r.begin(), r.end());
    words.push_back(static_cast<int64_t>(operands.size()));
    for (const Words &o : operands)
      words.insert(words.end(), o.begin(), o.end());
    words.push_back(static_cast<int64_t>(ints.size()));
    words.insert(words.end(), ints.begin(), ints.end());
    Words offsets;
    for (const char *text : texts)
      offsets.push_back(a.text(text));
    int64_t table = a.buf();
    a.op(Op::Const, {table, a.constant<int64_t>(offsets), static_cast<int64_t>(offsets.size()) * 8});
    words.insert(words.end(), {table, static_cast<int64_t>(offsets.size())});
    a.code.insert(a.code.end(), {static_cast<int64_t>(Op::HostOp), static_cast<int64_t>(code), a.text("call"),
                                 static_cast<int64_t>(words.size())});
    a.code.insert(a.code.end(), words.begin(), words.end());
  }
  /// A host value as a result; tensors of strings give out `rank` dims.
  Words valueResult(int64_t v, int64_t rank = 0) {
    Words words = {0, v, rank};
    for (int64_t d = 0; d < rank; ++d)
      words.push_back(a.reg());
    return words;
  }
  void output(int64_t v, ValueKind kind, int64_t rank = 0) {
    Words dims;
    for (int64_t d = 0; d < rank; ++d)
      dims.push_back(a.dim("o" + std::to_string(d)));
    int64_t index = a.outputCount;
    a.output("out" + std::to_string(index), kind == ValueKind::Tensor ? DType::String : DType::Undefined, dims, kind);
    a.op(Op::OutputValue, {v, index});
  }
  /// Runs; the message of the failure, or the empty text.
  std::string run() {
    a.op(Op::End);
    module = open(a.finish());
    context = contextOf(module);
    smelt_error err{};
    for (size_t i = 0; i < bound.size(); ++i)
      if (smelt_bind_input_value(context.get(), i, bound[i].get(), &err))
        return err.message;
    return smelt_run(context.get(), &err) ? err.message : "";
  }
  Value result(size_t index) {
    smelt_value *v = nullptr;
    smelt_error err{};
    EXPECT_EQ(smelt_get_output_value(context.get(), index, &v, &err), SMELT_OK) << err.message;
    return Value(v);
  }
  std::vector<std::string> texts(size_t index) {
    Value v = result(index);
    std::vector<std::string> all;
    for (size_t i = 0; v && i < smelt_value_count(v.get()); ++i)
      all.push_back(smelt_value_string(v.get(), i, nullptr));
    return all;
  }
  Module module;
  Context context;
};

/// A sequence of one-element tensors.
Value sequenceOf(const std::vector<int64_t> &values) {
  Value sequence(smelt_value_create_sequence());
  for (int64_t x : values) {
    smelt_tensor t{SMELT_I64, 0, nullptr, &x, 8};
    Value element(smelt_value_create_tensor(&t));
    EXPECT_EQ(smelt_value_append(sequence.get(), element.get()), SMELT_OK);
  }
  return sequence;
}
std::vector<int64_t> numbersOf(const smelt_value *sequence) {
  std::vector<int64_t> all;
  for (size_t i = 0; i < smelt_value_count(sequence); ++i) {
    smelt_tensor t;
    EXPECT_EQ(smelt_value_tensor(smelt_value_element(sequence, i), &t), SMELT_OK);
    all.push_back(*static_cast<const int64_t *>(t.data));
  }
  return all;
}

std::string editing(HostOpCode code, std::vector<int64_t> from, std::vector<int64_t> operands, std::vector<int64_t> *to = nullptr) {
  Calls c;
  int64_t s = c.input(ValueKind::Sequence, sequenceOf(from).release()), v = c.a.val();
  std::vector<Calls::Words> args = {Calls::value(s)};
  for (int64_t x : operands)
    args.push_back(c.integers({x}));
  c.call(code, {c.valueResult(v)}, args);
  c.output(v, ValueKind::Sequence);
  std::string message = c.run();
  if (message.empty() && to)
    *to = numbersOf(c.result(0).get());
  return message;
}

TEST(HostCall, SequencesAreEditedByPosition) {
  using List = std::vector<int64_t>;
  List to;
  for (auto [at, wanted] : {std::pair<int64_t, List>{0, {9, 1, 2}}, {1, {1, 9, 2}}, {2, {1, 2, 9}}, {-1, {1, 9, 2}}, {-2, {9, 1, 2}}}) {
    EXPECT_EQ(editing(HostOpCode::SequenceInsert, {1, 2}, {9, at}, &to), "");
    EXPECT_EQ(to, wanted) << at;
  }
  EXPECT_EQ(editing(HostOpCode::SequenceInsert, {1, 2}, {9}, &to), "");
  EXPECT_EQ(to, (List{1, 2, 9}));
  EXPECT_EQ(editing(HostOpCode::SequenceErase, {1, 2, 3}, {-3}, &to), "");
  EXPECT_EQ(to, (List{2, 3}));
  EXPECT_EQ(editing(HostOpCode::SequenceInsert, {1, 2}, {9, 3}), "call: position 3 of a sequence of 2, -2..2 is wanted");
  EXPECT_EQ(editing(HostOpCode::SequenceErase, {}, {}), "call: position -1 of a sequence of 0, 0..-1 is wanted");
}

TEST(HostCall, WhatIsNotThereIsAStatus) {
  {
    Calls c;
    int64_t s = c.input(ValueKind::Sequence, sequenceOf({}).release());
    c.call(HostOpCode::ConcatFromSequence, {{2, c.a.buf(), i64, 1, c.a.reg()}}, {Calls::value(s)}, {0, 1});
    EXPECT_EQ(c.run(), "call: an empty sequence, one element or more is wanted");
  }
  {
    Calls c;
    int64_t o = c.input(ValueKind::Optional, smelt_value_create_optional(nullptr));
    c.call(HostOpCode::OptionalGetElement, {{2, c.a.buf(), i64, 0}}, {Calls::value(o)});
    EXPECT_EQ(c.run(), "call: the optional is empty");
  }
  { // an element of another rank than the program was compiled for
    Calls c;
    int64_t s = c.input(ValueKind::Sequence, sequenceOf({5}).release());
    c.call(HostOpCode::SequenceAt, {{2, c.a.buf(), i64, 1, c.a.reg()}}, {Calls::value(s), c.integers({0})});
    EXPECT_EQ(c.run(), "call: the result has rank 0, rank 1 is wanted");
  }
}

TEST(HostCall, SplitTakesWhiteSpaceOrADelimiter) {
  struct {
    int64_t most;
    std::vector<const char *> delimiter;
    std::vector<std::string> wanted;
  } cases[] = {
      {-1, {}, {"a", "b,c", "d", ""}},
      {0, {}, {"a  b,c", "d"}},
      {-1, {","}, {" a  b", "c", "d\t", ""}},
      {1, {"b"}, {" a  ", ",c", "d\t", ""}},
  };
  for (auto &t : cases) {
    Calls c;
    int64_t x = c.strings({" a  b,c", "d\t"}), v = c.a.val(), counts = c.a.buf();
    c.a.op(Op::Alloc, {counts, c.a.imm(16)});
    c.call(HostOpCode::StringSplit, {c.valueResult(v, 2), c.tensor(counts, {2})}, {Calls::value(x)}, {t.most}, t.delimiter);
    c.output(v, ValueKind::Tensor, 2);
    ASSERT_EQ(c.run(), "");
    EXPECT_EQ(c.texts(0), t.wanted);
  }
}

TEST(HostCall, NormalizerKnowsCharacters) {
  Calls c;
  int64_t x = c.strings({"ÉCOLE", "école", "x\xff", "ß"}), lower = c.a.val(), stopped = c.a.val();
  c.call(HostOpCode::StringNormalizer, {c.valueResult(lower, 1)}, {Calls::value(x)}, {1, 1});
  c.call(HostOpCode::StringNormalizer, {c.valueResult(stopped, 1)}, {Calls::value(x)}, {2, 0}, {"École", "x\xff", "ß"});
  c.output(lower, ValueKind::Tensor, 1);
  c.output(stopped, ValueKind::Tensor, 1);
  ASSERT_EQ(c.run(), "");
  EXPECT_EQ(c.texts(0), (std::vector<std::string>{"école", "école", "x\xff", "ß"}));
  EXPECT_EQ(c.texts(1), std::vector<std::string>{""}); // nothing is left
}

TEST(HostCall, RegexRunsAProgram) {
  // a*b: Split 1, 3; Set a; Jump 0; Set b; Match.
  std::vector<int64_t> program = {5, 1, 1, 3, 3, 16, 0, 2, 0, 0, 3, 19, 0, 0, 0, 0, 1, 'a', 'a', 1, 'b', 'b'};
  Calls c;
  int64_t x = c.strings({"b", "aab", "", "ba", "aaa"}), y = c.a.buf();
  c.a.op(Op::Alloc, {y, c.a.imm(5)});
  std::vector<int64_t> out = c.tensor(y, {5});
  out[2] = static_cast<int64_t>(DType::Bool);
  c.call(HostOpCode::RegexFullMatch, {out}, {Calls::value(x)}, program);
  int64_t o = c.a.buf();
  c.a.output("matches", DType::Bool, {5});
  c.a.op(Op::Output, {o, 0, 1, c.a.imm(5)});
  c.a.op(Op::Copy, {o, y, c.a.imm(5)});
  ASSERT_EQ(c.run(), "");
  EXPECT_EQ(outputOf<uint8_t>(c.context, 0), (std::vector<uint8_t>{1, 1, 0, 0, 0}));

  for (auto [word, value] : {std::pair<size_t, int64_t>{0, 7}, {2, 5}, {2, -1}, {5, 21}, {16, 9}, {1, 8}}) { // out of its bounds
    Calls bad;
    std::vector<int64_t> changed = program;
    changed[word] = value;
    int64_t s = bad.strings({"b"}), b = bad.a.buf();
    bad.a.op(Op::Alloc, {b, bad.a.imm(1)});
    std::vector<int64_t> r = bad.tensor(b, {1});
    r[2] = static_cast<int64_t>(DType::Bool);
    bad.call(HostOpCode::RegexFullMatch, {r}, {Calls::value(s)}, changed);
    EXPECT_NE(bad.run().find("bad program: a pattern"), std::string::npos) << word;
  }
}

TEST(HostCall, UniqueKeepsTheFirstOfEach) {
  for (bool isSorted : {true, false}) {
    Calls c;
    int64_t buffers[4] = {c.a.buf(), c.a.buf(), c.a.buf(), c.a.buf()};
    std::vector<Calls::Words> results;
    for (int64_t b : buffers)
      results.push_back({2, b, i64, 1, c.a.reg()});
    c.call(HostOpCode::Unique, results, {c.integers({5, -1, 5, 3, -1, 5})}, {-1, isSorted});
    for (int64_t k = 0; k < 4; ++k) {
      int64_t size = k == 2 ? 6 : 3, o = c.a.buf();
      c.a.output("o" + std::to_string(k), DType::I64, {size});
      c.a.op(Op::Output, {o, k, 1, c.a.imm(size)});
      c.a.op(Op::Copy, {o, buffers[k], c.a.imm(size * 8)});
    }
    ASSERT_EQ(c.run(), "");
    using List = std::vector<int64_t>;
    EXPECT_EQ(outputOf<int64_t>(c.context, 0), isSorted ? (List{-1, 3, 5}) : (List{5, -1, 3}));
    EXPECT_EQ(outputOf<int64_t>(c.context, 1), isSorted ? (List{1, 3, 0}) : (List{0, 1, 3}));
    EXPECT_EQ(outputOf<int64_t>(c.context, 2), isSorted ? (List{2, 0, 2, 1, 0, 2}) : (List{0, 1, 0, 2, 1, 0}));
    EXPECT_EQ(outputOf<int64_t>(c.context, 3), isSorted ? (List{2, 1, 3}) : (List{3, 2, 1}));
  }
}

TEST(HostCall, OperandsAreVerified) {
  auto refused = [](std::vector<int64_t> words) {
    Assembler a;
    int64_t v = a.val();
    (void)v;
    a.code.insert(a.code.end(), {static_cast<int64_t>(Op::HostOp), static_cast<int64_t>(HostOpCode::SequenceLength), a.text("n"),
                                 static_cast<int64_t>(words.size())});
    a.code.insert(a.code.end(), words.begin(), words.end());
    a.op(Op::End);
    smelt_module *m = nullptr;
    smelt_error err{};
    EXPECT_NE(smelt_module_create(&a.finish(), &m, &err), SMELT_OK);
    return std::string(err.message);
  };
  EXPECT_NE(refused({1, 3}).find("a kind 3"), std::string::npos);
  EXPECT_NE(refused({0, 1, 0, 7}).find("value 7"), std::string::npos);
  EXPECT_NE(refused({5000}).find("a count 5000"), std::string::npos);
  EXPECT_NE(refused({0, 0, 2, 1}), "");
}

} // namespace
