//===- SymbolicValuesTest.cpp - Small integer tensors as expressions --------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is known of a tensor's elements, what a branch may assume, and where the
// walk gives up rather than be wrong.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/SymbolicValues.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace smelt;

namespace {

/// Symbols s0 "N" and s1 "M" of any size; a function whose last op before the
/// return is asked for.
class SymbolicValuesTest : public testing::Test {
protected:
  void parse(const std::string &body) {
    context.loadDialect<SmeltDialect, func::FuncDialect>();
    std::string text = R"(smelt.symbol 0 "N"[0, 1099511627776]
smelt.symbol 1 "M"[0, 1099511627776]
func.func @main(%x: tensor<?x?x3xf32, #smelt.dims<()[s0, s1] -> (s0, s1, 3)>>, %data: tensor<2xi64>) {
%shape = smelt.from_exprs {values = #smelt.dims<()[s0, s1] -> (s0, s1, 3)>} : () -> tensor<3xi64>
)" + body + "return\n}\n";
    module = parseSourceString<ModuleOp>(text, &context);
    ASSERT_TRUE(module);
    symbols = std::make_unique<DimSymbols>(*module);
    values = std::make_unique<SymbolicValues>(*symbols);
    Block &block = module->lookupSymbol<func::FuncOp>("main").getBody().front();
    asked = std::prev(block.getTerminator()->getIterator())->getResult(0);
  }

  /// The asked elements as text; "unknown" when they are not known.
  std::string known() {
    auto elements = values->get(asked);
    if (!elements)
      return "unknown";
    std::string text;
    llvm::raw_string_ostream os(text);
    llvm::interleaveComma(*elements, os);
    return text;
  }

  AffineExpr s(unsigned id) { return getAffineSymbolExpr(id, &context); }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  std::unique_ptr<DimSymbols> symbols;
  std::unique_ptr<SymbolicValues> values;
  Value asked;
};

// Gather of a dim, times a constant, put behind another one.
TEST_F(SymbolicValuesTest, ShapeSubgraph) {
  parse(R"(
    %one = smelt.constant(dense<[-2]> : tensor<1xi64>) : tensor<1xi64>
    %m = smelt.gather %shape, %one {axis = 0 : i64} : (tensor<3xi64>, tensor<1xi64>) -> tensor<1xi64>
    %four = smelt.constant(dense<[4]> : tensor<1xi64>) : tensor<1xi64>
    %product = smelt.mul %m, %four : (tensor<1xi64>, tensor<1xi64>) -> tensor<1xi64>
    %r = smelt.concat %product, %shape {axis = 0 : i64} : (tensor<1xi64>, tensor<3xi64>) -> tensor<4xi64>
  )");
  EXPECT_EQ(known(), "s1 * 4, s0, s1, 3");
}

// The number of elements: a product over a slice.
TEST_F(SymbolicValuesTest, SliceAndReduce) {
  parse(R"(
    %two = smelt.slice %shape {starts = #smelt.dims<() -> (1)>, steps = array<i64: 1>} : (tensor<3xi64>) -> tensor<2xi64>
    %r = smelt.reduce %two {axes = array<i64: 0>, kind = 1 : i32} : (tensor<2xi64>) -> tensor<i64>
  )");
  EXPECT_EQ(known(), "s1 * 3");
}

// Floor(dim * 0.5) in floats is a division; 0.1 is not exact in f32: unknown.
TEST_F(SymbolicValuesTest, FloatArithmetic) {
  auto body = [](const char *scale) {
    return std::string(R"(
    %f = smelt.cast %shape : (tensor<3xi64>) -> tensor<3xf32>
    %scale = smelt.constant(dense<)") + scale + R"(> : tensor<f32>) : tensor<f32>
    %m = smelt.mul %f, %scale : (tensor<3xf32>, tensor<f32>) -> tensor<3xf32>
    %fl = smelt.floor %m : (tensor<3xf32>) -> tensor<3xf32>
    %r = smelt.cast %fl : (tensor<3xf32>) -> tensor<3xi64>
  )";
  };
  parse(body("5.000000e-01"));
  EXPECT_EQ(known(), "s0 floordiv 2, s1 floordiv 2, 1");
  parse(body("1.000000e-01"));
  EXPECT_EQ(known(), "unknown");
}

// A size is never -1, so Where(shape == -1, 1, shape) is the shape.
TEST_F(SymbolicValuesTest, DecidedSelect) {
  parse(R"(
    %minus = smelt.constant(dense<-1> : tensor<i64>) : tensor<i64>
    %one = smelt.constant(dense<1> : tensor<i64>) : tensor<i64>
    %c = smelt.cmp %shape, %minus {kind = 0 : i32} : (tensor<3xi64>, tensor<i64>) -> tensor<3xi1>
    %r = smelt.select %c, %one, %shape : (tensor<3xi1>, tensor<i64>, tensor<3xi64>) -> tensor<3xi64>
  )");
  EXPECT_EQ(known(), "s0, s1, 3");
}

// Integer division truncates: known for what cannot be negative, else not.
TEST_F(SymbolicValuesTest, DivisionOfWhatMayBeNegative) {
  auto body = [](int offset) {
    return R"(
    %k = smelt.constant(dense<)" + std::to_string(offset) + R"(> : tensor<i64>) : tensor<i64>
    %two = smelt.constant(dense<2> : tensor<i64>) : tensor<i64>
    %d = smelt.add %shape, %k : (tensor<3xi64>, tensor<i64>) -> tensor<3xi64>
    %r = smelt.div %d, %two : (tensor<3xi64>, tensor<i64>) -> tensor<3xi64>
  )";
  };
  parse(body(1));
  EXPECT_EQ(known(), "(s0 + 1) floordiv 2, (s1 + 1) floordiv 2, 2");
  parse(body(-1));
  EXPECT_EQ(known(), "unknown");
}

// Data, and sums of constants that overflow, are unknown.
TEST_F(SymbolicValuesTest, Unknown) {
  parse("%r = smelt.neg %data : (tensor<2xi64>) -> tensor<2xi64>\n");
  EXPECT_EQ(known(), "unknown");
  parse(R"(
    %big = smelt.constant(dense<9223372036854775807> : tensor<i64>) : tensor<i64>
    %r = smelt.add %big, %big : (tensor<i64>, tensor<i64>) -> tensor<i64>
  )");
  EXPECT_EQ(known(), "unknown");
}

// A condition is a comparison with 0, negations and casts included; what a
// branch assumes decides it and its like.
TEST_F(SymbolicValuesTest, PredicatesAndAssumptions) {
  parse(R"(
    %zero = smelt.constant(dense<0> : tensor<i64>) : tensor<i64>
    %one = smelt.constant(dense<1> : tensor<i64>) : tensor<i64>
    %n = smelt.gather %shape, %zero {axis = 0 : i64} : (tensor<3xi64>, tensor<i64>) -> tensor<i64>
    %c = smelt.cmp %n, %one {kind = 4 : i32} : (tensor<i64>, tensor<i64>) -> tensor<i1>
    %r = smelt.not %c : (tensor<i1>) -> tensor<i1>
  )");
  auto predicate = values->getPredicate(asked);
  ASSERT_TRUE(predicate);
  EXPECT_EQ(predicate->kind, CmpKind::le);
  EXPECT_EQ(predicate->expr, s(0) - 1);
  EXPECT_FALSE(values->decide(*predicate).has_value());

  values->push(*predicate); // N <= 1
  EXPECT_EQ(values->decide(*predicate), true);
  EXPECT_EQ(values->decide({s(0) - 2, CmpKind::lt}), true);
  EXPECT_EQ(values->decide({-s(0) + 5, CmpKind::gt}), true);
  EXPECT_FALSE(values->decide({s(0), CmpKind::eq}).has_value());
  values->push({s(0), CmpKind::ne}); // and N is not 0
  EXPECT_EQ(values->decide({s(0), CmpKind::eq}), false);
  values->pop();
  values->pop();
  EXPECT_FALSE(values->decide(*predicate).has_value());
}

// What is not decided is 0 or 1 by derived symbols, so arithmetic goes on.
TEST_F(SymbolicValuesTest, UndecidedComparison) {
  parse(R"(
    %one = smelt.constant(dense<1> : tensor<i64>) : tensor<i64>
    %r = smelt.cmp %shape, %one {kind = 0 : i32} : (tensor<3xi64>, tensor<i64>) -> tensor<3xi1>
  )");
  auto elements = values->get(asked);
  ASSERT_TRUE(elements);
  smelt::Range range = symbols->range((*elements)[0]);
  EXPECT_EQ(range.min, 0);
  EXPECT_EQ(range.max, 1);
  EXPECT_EQ((*elements)[2], getAffineConstantExpr(0, &context));
}

} // namespace
