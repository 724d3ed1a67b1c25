//===- Evaluator.h - The reference evaluator of the smelt dialect -----------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs ops, kernel bodies and whole functions on host tensors. Exact mode
// rounds each op's result to its element type (f32 in float; f16, bf16 and
// float8 in float, rounded once; integers wrap): constants are folded by it.
// Oracle mode holds every float in f64: tests compare against it.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_DIALECTS_SMELT_EVAL_EVALUATOR_H
#define SMELT_DIALECTS_SMELT_EVAL_EVALUATOR_H

#include "dialects/smelt/eval/Tensor.h"
#include "llvm/ADT/DenseMap.h"
#include <functional>

namespace smelt::eval {

/// Values of the module's symbols while a function runs.
class SymbolEnv {
public:
  std::optional<int64_t> get(int64_t id) const;
  void bind(int64_t id, int64_t value);
  bool isBound(int64_t id) const { return get(id).has_value(); }
  /// Nothing when a symbol is not bound, a divisor is not positive or the
  /// result leaves int64.
  std::optional<int64_t> evaluate(mlir::AffineExpr expr) const;
  /// Declares what derived symbols are made of.
  void declare(mlir::ModuleOp module);

private:
  llvm::DenseMap<int64_t, int64_t> values;
  llvm::DenseMap<int64_t, SymbolOp> derived;
  mutable llvm::DenseMap<int64_t, int64_t> derivedValues; // dropped by bind
};

struct EvaluatorOptions {
  /// All floats in f64, no rounding to narrower types but by smelt.quantize.
  bool oracle = false;
  /// Failures are emitted as errors at the op; else only kept in getError().
  bool emitErrors = true;
  /// Most iterations a loop may make.
  int64_t maxIterations = 1 << 20;
  /// Most bytes one result may have.
  int64_t maxBytes = int64_t(8) << 30;
  /// Called with every value as it is made.
  std::function<void(mlir::Value, const HostTensor &)> onValue;
};

class Evaluator {
public:
  explicit Evaluator(mlir::ModuleOp module, EvaluatorOptions options = {});

  /// One op (with its regions) on the values of its operands.
  llvm::FailureOr<llvm::SmallVector<HostTensor>> evaluateOp(mlir::Operation *op, llvm::ArrayRef<HostTensor> operands,
                                                            SymbolEnv &env);
  /// A function: binds the symbols of the argument types from the inputs'
  /// shapes (and checks the rest), then runs the body. `env` gives values for
  /// symbols that nothing binds, and holds all of them afterwards.
  llvm::FailureOr<llvm::SmallVector<HostTensor>> evaluate(mlir::func::FuncOp func, llvm::ArrayRef<HostTensor> inputs,
                                                          SymbolEnv &env);
  llvm::FailureOr<llvm::SmallVector<HostTensor>> evaluate(mlir::func::FuncOp func,
                                                          llvm::ArrayRef<HostTensor> inputs);

  SymbolEnv makeEnv() const;
  /// What the last failure said.
  llvm::StringRef getError() const { return error; }
  const EvaluatorOptions &getOptions() const { return options; }

  /// The element type values of `elementType` are held in.
  mlir::Type heldType(mlir::Type elementType) const;
  /// Keeps (and emits) the message.
  mlir::LogicalResult fail(mlir::Operation *op, const llvm::Twine &message);
  /// Dims of a tensor type as numbers.
  llvm::FailureOr<llvm::SmallVector<int64_t>> resolveShape(mlir::Operation *op, mlir::Type type, const SymbolEnv &env);

private:
  using Values = llvm::DenseMap<mlir::Value, HostTensor>;
  /// Runs the block's ops; the operands of its terminator, in order.
  llvm::FailureOr<llvm::SmallVector<HostTensor>> runBlock(mlir::Block &block, Values &values, SymbolEnv &env);
  llvm::FailureOr<llvm::SmallVector<HostTensor>> runOp(mlir::Operation *op, llvm::ArrayRef<HostTensor> operands,
                                                       Values &values, SymbolEnv &env);
  llvm::FailureOr<llvm::SmallVector<HostTensor>> runIf(mlir::scf::IfOp op, const HostTensor &condition, Values &values,
                                                       SymbolEnv &env);
  llvm::FailureOr<llvm::SmallVector<HostTensor>> runLoop(LoopOp op, llvm::ArrayRef<HostTensor> operands, Values &values,
                                                         SymbolEnv &env);
  llvm::FailureOr<llvm::SmallVector<HostTensor>> runKernel(KernelOp op, llvm::ArrayRef<HostTensor> operands,
                                                           SymbolEnv &env);
  mlir::LogicalResult bindShape(mlir::Operation *op, const llvm::Twine &what, mlir::Type type, const HostTensor &value,
                                SymbolEnv &env);
  mlir::LogicalResult runBind(BindOp op, const HostTensor &x, SymbolEnv &env);
  const llvm::DenseMap<mlir::Operation *, llvm::SmallVector<mlir::Value, 1>> &lastUses(mlir::Block &block);

  mlir::ModuleOp module;
  EvaluatorOptions options;
  std::string error;
  llvm::DenseMap<mlir::Block *, llvm::DenseMap<mlir::Operation *, llvm::SmallVector<mlir::Value, 1>>> lastUseCache;
};

} // namespace smelt::eval

#endif // SMELT_DIALECTS_SMELT_EVAL_EVALUATOR_H
