//===- ElementTest.cpp - Kernels as PTX, interpreted, against the evaluator -===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each kernel is compiled for several chips, assembled where this machine has
// ptxas, and run on the host under the interpreter's checks.
//
//===----------------------------------------------------------------------===//
#include "codegen/nvptx/Lower.h"
#include "dialects/smelt/KernelInfo.h"
#include "dialects/smelt/eval/Evaluator.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Parser/Parser.h"
#include "test/runtime/sim/SimTest.h"
#include <cmath>

using namespace mlir;
using namespace smelt;

namespace {

/// Operand types, the body with arguments %a0, %a1, ..., and the result types.
struct Text {
  std::vector<std::string> operands;
  std::string body;
  std::vector<std::string> results;
  std::string symbols = "";
};
using Bytes = std::vector<char>;

template <typename T> Bytes integers(size_t count, unsigned seed, int low, int high, double scale = 1) {
  Bytes bytes(count * sizeof(T));
  unsigned state = seed * 2654435761u + 12345;
  for (size_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    T value = T(double(low + int((state >> 16) % unsigned(high - low + 1))) * scale);
    std::memcpy(&bytes[i * sizeof(T)], &value, sizeof(T));
  }
  return bytes;
}

int64_t evaluateExpr(AffineExpr e, ArrayRef<int64_t> symbols) {
  if (auto constant = dyn_cast<AffineConstantExpr>(e))
    return constant.getValue();
  if (auto symbol = dyn_cast<AffineSymbolExpr>(e))
    return symbols[symbol.getPosition()];
  auto binary = cast<AffineBinaryOpExpr>(e);
  int64_t x = evaluateExpr(binary.getLHS(), symbols), y = evaluateExpr(binary.getRHS(), symbols);
  return e.getKind() == AffineExprKind::Add        ? x + y
         : e.getKind() == AffineExprKind::Mul      ? x * y
         : e.getKind() == AffineExprKind::CeilDiv  ? (x + y - 1) / y
         : e.getKind() == AffineExprKind::FloorDiv ? x / y
                                                   : x % y;
}

std::string join(const std::vector<std::string> &parts, const std::string &prefix = "") {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i)
    text += (i ? ", " : "") +
            (prefix.empty() ? parts[i]
                            : prefix + std::to_string(i) + (prefix == "%x" && parts[i].empty() ? "" : ": " + parts[i]));
  return text;
}

void expectAgrees(const Text &text, const std::vector<Bytes> &inputs, double tolerance = 0,
                  std::vector<int64_t> symbols = {}, int64_t wantedStatus = 0) {
  SCOPED_TRACE(text.body);
  MLIRContext context;
  context.loadDialect<SmeltDialect, LLVM::LLVMDialect, vector::VectorDialect, arith::ArithDialect, scf::SCFDialect,
                      func::FuncDialect, math::MathDialect>();
  std::vector<std::string> names(text.operands.size());
  std::string call;
  for (size_t i = 0; i < names.size(); ++i)
    call += (i ? ", %x" : "%x") + std::to_string(i);
  std::string source = text.symbols + "\nfunc.func @f(" + join(text.operands, "%x") + ") {\n  %r" +
                       (text.results.size() > 1 ? ":" + std::to_string(text.results.size()) : "") +
                       " = smelt.kernel \"k\" (" + call + ") {\n  ^bb0(" + join(text.operands, "%a") + "):\n" +
                       text.body + "\n  } : (" + join(text.operands) + ") -> (" + join(text.results) +
                       ")\n  return\n}\n";
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(source, &context);
  ASSERT_TRUE(module) << source;
  KernelOp kernel;
  module->walk([&](KernelOp op) { kernel = op; });

  eval::Evaluator evaluator(*module);
  eval::SymbolEnv env = evaluator.makeEnv();
  for (auto [id, value] : llvm::enumerate(symbols))
    env.bind(id, value);
  SmallVector<eval::HostTensor> tensors;
  auto shapeOf = [&](Type type) {
    SmallVector<int64_t> shape;
    for (AffineExpr dim : getDims(type))
      shape.push_back(evaluateExpr(dim, symbols));
    return shape;
  };
  for (auto [operand, bytes] : llvm::zip(kernel.getOperands(), inputs))
    tensors.push_back(eval::HostTensor::copy(cast<RankedTensorType>(operand.getType()).getElementType(),
                                             shapeOf(operand.getType()), bytes));
  std::vector<Bytes> wanted;
  if (wantedStatus == 0) {
    auto results = evaluator.evaluateOp(kernel, tensors, env);
    ASSERT_TRUE(succeeded(results)) << evaluator.getError().str();
    for (const eval::HostTensor &result : *results)
      wanted.emplace_back(result.getBytes().begin(), result.getBytes().end());
  }

  for (const char *chip : {"sm_80", "sm_90a", "sm_75"}) {
    SCOPED_TRACE(chip);
    std::string error;
    auto target = codegen::nvptx::getTarget(std::string("cuda:") + chip, error);
    ASSERT_TRUE(succeeded(target)) << error;
    OwningOpRef<ModuleOp> code = ModuleOp::create(kernel.getLoc());
    auto launched = codegen::nvptx::emitKernelFunction(*code, kernel, "k", *target);
    ASSERT_TRUE(succeeded(launched));
    auto ptx = codegen::nvptx::emitPtx(*code, *target);
    ASSERT_TRUE(succeeded(ptx));
    sim::Fixture f(*ptx, chip);
    ASSERT_TRUE(f.device);
    std::vector<uint64_t> arguments;
    for (const Bytes &bytes : inputs)
      arguments.push_back(f.buffer(bytes));
    for (Type type : kernel.getResultTypes()) {
      int64_t bytes = getElementBytes(cast<RankedTensorType>(type).getElementType());
      for (int64_t size : shapeOf(type))
        bytes *= size;
      arguments.push_back(f.unwritten(uint64_t(bytes)));
    }
    uint64_t status = f.buffer(std::vector<int64_t>{0});
    arguments.push_back(status);
    for (int64_t id : getKernelSymbols(kernel))
      arguments.push_back(uint64_t(symbols[id]));
    auto grid = uint32_t(evaluateExpr(launched->grid, symbols));
    sim::expectClean(f.run(arguments, {launched->block}, {grid}));
    EXPECT_EQ(f.read<int64_t>(status, 1)[0] != 0, wantedStatus != 0);
    for (size_t r = 0; r < wanted.size(); ++r) {
      bool isWhole = false;
      std::vector<char> got = f.read<char>(arguments[inputs.size() + r], wanted[r].size(), &isWhole);
      EXPECT_TRUE(isWhole) << "result " << r << " is not wholly written";
      if (tolerance == 0) {
        EXPECT_EQ(got, wanted[r]) << "result " << r;
        continue;
      }
      for (size_t i = 0; i + 4 <= got.size(); i += 4) {
        float a, b;
        std::memcpy(&a, &got[i], 4), std::memcpy(&b, &wanted[r][i], 4);
        ASSERT_NEAR(a, b, tolerance * (1 + std::fabs(b))) << "result " << r << " element " << i / 4;
      }
    }
  }
}

TEST(Element, Elementwise) {
  std::string t = "tensor<5x77xf32>";
  expectAgrees({{t, "tensor<77xf32>", "tensor<f32>"},
                "  %0 = smelt.add %a0, %a1 : (" + t + ", tensor<77xf32>) -> " + t + "\n  %1 = smelt.mul %0, %a2 : (" +
                    t + ", tensor<f32>) -> " + t + "\n  %2 = smelt.max %1, %a0 : (" + t + ", " + t + ") -> " + t +
                    "\n  smelt.yield %2 : " + t,
                {t}},
               {integers<float>(385, 1, -8, 8), integers<float>(77, 2, -8, 8), integers<float>(1, 3, 2, 2)});
  for (const char *op : {"exp", "tanh", "erf", "sigmoid", "sqrt"})
    expectAgrees(
        {{t}, "  %0 = smelt." + std::string(op) + " %a0 : (" + t + ") -> " + t + "\n  smelt.yield %0 : " + t, {t}},
        {integers<float>(385, 4, std::string(op) == "sqrt" ? 0 : -60, 60, 0.125)}, 1e-5);
}
TEST(Element, IntegersAndTypes) {
  std::string i = "tensor<300xi32>", h = "tensor<300xf16>", b = "tensor<300xbf16>", u = "tensor<300xui8>",
              p = "tensor<300xi1>", f = "tensor<300xf32>";
  expectAgrees({{i, i},
                "  %0 = smelt.div %a0, %a1 : (" + i + ", " + i + ") -> " + i + "\n  %1 = smelt.mod %a0, %a1 : (" + i +
                    ", " + i + ") -> " + i + "\n  %2 = smelt.xor %0, %1 : (" + i + ", " + i + ") -> " + i +
                    "\n  smelt.yield %2 : " + i,
                {i}},
               {integers<int32_t>(300, 1, -99, 99), integers<int32_t>(300, 2, 1, 9)});
  expectAgrees({{h},
                "  %0 = smelt.mul %a0, %a0 : (" + h + ", " + h + ") -> " + h + "\n  %1 = smelt.cast %0 : (" + h +
                    ") -> " + f + "\n  smelt.yield %1 : " + f,
                {f}},
               {integers<_Float16>(300, 1, -99, 99, 0.25)}, 1e-3); // halves are carried in f32 through a kernel
  expectAgrees({{f}, "  %0 = smelt.cast %a0 : (" + f + ") -> " + b + "\n  smelt.yield %0 : " + b, {b}},
               {integers<float>(300, 3, -9999, 9999, 0.37)});
  expectAgrees({{u, f},
                "  %0 = smelt.cast %a0 : (" + u + ") -> " + f + "\n  %1 = smelt.cmp %0, %a1 {kind = 2 : i32} : (" + f +
                    ", " + f + ") -> " + p + "\n  smelt.yield %1 : " + p,
                {p}},
               {integers<uint8_t>(300, 1, 0, 255), integers<float>(300, 2, 0, 255)});
}
TEST(Element, MovementReductionsAndProducts) {
  expectAgrees({{"tensor<4x9x7xf32>"},
                "  %0 = smelt.transpose %a0 {perm = array<i64: 2, 0, 1>} : (tensor<4x9x7xf32>) -> tensor<7x4x9xf32>\n"
                "  smelt.yield %0 : tensor<7x4x9xf32>",
                {"tensor<7x4x9xf32>"}},
               {integers<float>(252, 1, -99, 99)});
  expectAgrees({{"tensor<6x50xf32>"},
                "  %0 = smelt.reduce %a0 {axes = array<i64: 1>, kind = 0 : i32} : (tensor<6x50xf32>) -> tensor<6xf32>\n"
                "  smelt.yield %0 : tensor<6xf32>",
                {"tensor<6xf32>"}},
               {integers<float>(300, 1, -9, 9)});
  expectAgrees({{"tensor<13x20xf32>", "tensor<20x17xf32>", "tensor<17xf32>"},
                "  %0 = smelt.matmul %a0, %a1 : (tensor<13x20xf32>, tensor<20x17xf32>) -> tensor<13x17xf32>\n"
                "  %1 = smelt.add %0, %a2 : (tensor<13x17xf32>, tensor<17xf32>) -> tensor<13x17xf32>\n  smelt.yield %1 "
                ": tensor<13x17xf32>",
                {"tensor<13x17xf32>"}},
               {integers<float>(260, 1, -4, 4), integers<float>(340, 2, -4, 4), integers<float>(17, 3, -4, 4)});
  expectAgrees({{"tensor<10x8xf32>", "tensor<5xi64>"},
                "  %0 = smelt.gather %a0, %a1 {axis = 0 : i64} : (tensor<10x8xf32>, tensor<5xi64>) -> tensor<5x8xf32>\n"
                "  smelt.yield %0 : tensor<5x8xf32>",
                {"tensor<5x8xf32>"}},
               {integers<float>(80, 1, -9, 9), integers<int64_t>(5, 2, -10, 9)});
}
TEST(Element, BadIndicesSetTheStatus) {
  expectAgrees({{"tensor<10x8xf32>", "tensor<5xi64>"},
                "  %0 = smelt.gather %a0, %a1 {axis = 0 : i64} : (tensor<10x8xf32>, tensor<5xi64>) -> tensor<5x8xf32>\n"
                "  smelt.yield %0 : tensor<5x8xf32>",
                {"tensor<5x8xf32>"}},
               {integers<float>(80, 1, -9, 9), integers<int64_t>(5, 2, 10, 12)}, 0, {}, 1);
}

} // namespace
