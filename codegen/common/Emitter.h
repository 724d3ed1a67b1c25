//===- Emitter.h - Kernel code from kernel bodies ---------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What every kernel generator builds with. A kernel's function takes raw
// pointers and i64 sizes; code is scf + arith + math + vector on i64 indices and
// llvm.load/llvm.store, so nothing has to be bufferized and no pass can go
// astray on it. The *element emitter* turns any tensor of a kernel's body into
// code for one element, or for `lanes` elements side by side along one dim:
// generators use it for prologues (operands) and epilogues (what follows the
// contraction), so the fused computation is data to them.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_CODEGEN_COMMON_EMITTER_H
#define SMELT_CODEGEN_COMMON_EMITTER_H

#include "dialects/smelt/Dialect.h"
#include "dialects/smelt/Symbols.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include <functional>

namespace smelt::codegen {

/// A tensor in memory: base pointer, element type, sizes and strides (elements).
struct Buffer {
  mlir::Value pointer; // !llvm.ptr
  mlir::Type elementType;
  llvm::SmallVector<mlir::Value> sizes, strides; // i64
};

class Emitter {
public:
  Emitter(mlir::OpBuilder builder, mlir::Location loc) : b(builder), loc(loc) {}

  mlir::OpBuilder b;
  mlir::Location loc;

  //--- i64 index arithmetic, folded and without repeats within a scope
  mlir::Value num(int64_t value);
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  mlir::Value divU(mlir::Value x, mlir::Value y); // both >= 0
  mlir::Value remU(mlir::Value x, mlir::Value y);
  mlir::Value min(mlir::Value x, mlir::Value y);
  mlir::Value max(mlir::Value x, mlir::Value y);
  mlir::Value cmp(mlir::arith::CmpIPredicate p, mlir::Value x, mlir::Value y);
  mlir::Value select(mlir::Value c, mlir::Value x, mlir::Value y);
  std::optional<int64_t> constant(mlir::Value v);
  /// An expression over the kernel's symbols, evaluated (floor semantics).
  mlir::Value expr(mlir::AffineExpr e);
  /// Values of the module's symbols inside the kernel.
  llvm::DenseMap<int64_t, mlir::Value> symbols;

  //--- structured control; the body's values do not leave its scope
  void forLoop(mlir::Value from, mlir::Value to, mlir::Value step, llvm::function_ref<void(mlir::Value iv)> body);
  llvm::SmallVector<mlir::Value> forLoop(mlir::Value from, mlir::Value to, mlir::Value step, mlir::ValueRange inits,
                                         llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value iv, mlir::ValueRange carried)> body);
  void ifThen(mlir::Value cond, llvm::function_ref<void()> body);
  mlir::Value ifElse(mlir::Value cond, mlir::Type type, llvm::function_ref<mlir::Value()> thenBody,
                     llvm::function_ref<mlir::Value()> elseBody);

  //--- memory. `carried` values are of carriedType(element) (f16 in f32, ...)
  mlir::Value address(mlir::Value base, mlir::Value elementIndex, mlir::Type elementType);
  /// Element offset of an index in a buffer.
  mlir::Value offset(const Buffer &buffer, llvm::ArrayRef<mlir::Value> index);
  mlir::Value load(mlir::Value pointer, mlir::Type elementType, unsigned lanes = 1);
  void store(mlir::Value pointer, mlir::Type elementType, mlir::Value carried);
  /// A vector load along `laneDim`: contiguous, broadcast or lane by lane, as the stride says.
  mlir::Value load(const Buffer &buffer, llvm::ArrayRef<mlir::Value> index, unsigned lanes, int64_t laneDim);
  void store(const Buffer &buffer, llvm::ArrayRef<mlir::Value> index, mlir::Value carried, int64_t laneDim);

  //--- small values
  mlir::Value constantLike(mlir::Type type, double value); // scalar or vector splat
  mlir::Value splat(mlir::Value scalar, unsigned lanes);
  mlir::Value laneIndex(unsigned lanes); // vector<lanes x i64> 0, 1, ...
  /// acc (op) value in a reduction's carried type.
  mlir::Value combine(ReduceKind kind, mlir::Value acc, mlir::Value value, bool isUnsigned);
  mlir::Value reduceIdentity(ReduceKind kind, mlir::Type type, bool isUnsigned);
  mlir::Value reduceLanes(ReduceKind kind, mlir::Value vector, bool isUnsigned);
  /// Splits a linear index into indices of these sizes (the first is not needed).
  llvm::SmallVector<mlir::Value> delinearize(mlir::Value linear, llvm::ArrayRef<mlir::Value> sizes);

  //--- the element emitter
  /// Where a body value's elements come from instead of its definition: a
  /// buffer, or a value that the generator has at hand (an accumulator).
  using Source = std::function<mlir::Value(llvm::ArrayRef<mlir::Value> index, unsigned lanes, int64_t laneDim)>;
  void setSource(mlir::Value tensor, Source source) { sources[tensor] = std::move(source); clearCache(); }
  void setBuffer(mlir::Value tensor, Buffer buffer) { buffers[tensor] = std::move(buffer); vectorizable.clear(); }
  void dropSource(mlir::Value tensor) { sources.erase(tensor); clearCache(); }
  const Buffer *getBuffer(mlir::Value tensor) const {
    auto it = buffers.find(tensor);
    return it == buffers.end() ? nullptr : &it->second;
  }
  /// Sizes of a body value as i64.
  llvm::SmallVector<mlir::Value> sizes(mlir::Value tensor);

  /// Element `index` of a body value, or the `lanes` elements from there along
  /// `laneDim` (vector<lanes x carried>); all of them must be in bounds.
  mlir::Value element(mlir::Value tensor, llvm::ArrayRef<mlir::Value> index, unsigned lanes = 1, int64_t laneDim = -1);
  /// True when `element` has vector code for lanes along that dim; else it
  /// computes lane by lane, and a scalar loop is the better choice.
  bool vectorizes(mlir::Value tensor, int64_t laneDim);
  /// Records that an index was out of range (the run ends with a status).
  void flagBadIndex(mlir::Value isBad);
  /// A possibly negative index as one in [0, size): others are flagged and become 0.
  mlir::Value checkedIndex(mlir::Value index, mlir::Value size);
  /// Runs a body whose values must not be reused outside of it (a region made by hand).
  void inScope(llvm::function_ref<void()> body) {
    pushScope();
    body();
    popScope();
  }
  mlir::Value statusPointer; // !llvm.ptr to the thread's i64 status

private:
  struct CacheKey;
  void clearCache();
  void pushScope() { scopes.emplace_back(); }
  void popScope() { scopes.pop_back(); }
  mlir::Value binary(unsigned kind, mlir::Value x, mlir::Value y);
  mlir::Value constantElement(ConstantOp op, unsigned lanes);
  mlir::Value elementOf(mlir::Operation *op, mlir::Value tensor, llvm::ArrayRef<mlir::Value> index, unsigned lanes, int64_t laneDim);
  mlir::Value lanesOf(mlir::Value tensor, llvm::ArrayRef<mlir::Value> index, unsigned lanes, int64_t laneDim);
  // By op family, in Element*.cpp.
  mlir::Value elementwise(ScalarBodyInterface op, llvm::ArrayRef<mlir::Value> index, unsigned lanes, int64_t laneDim);
  mlir::Value broadcastOperand(mlir::Value operand, mlir::Value like, llvm::ArrayRef<mlir::Value> index, unsigned lanes, int64_t laneDim);
  mlir::Value reshapeElement(ReshapeOp op, llvm::ArrayRef<mlir::Value> index, unsigned lanes, int64_t laneDim);
  mlir::Value concatElement(ConcatOp op, llvm::ArrayRef<mlir::Value> index, unsigned lanes, int64_t laneDim);
  mlir::Value padElement(PadOp op, llvm::ArrayRef<mlir::Value> index, unsigned lanes, int64_t laneDim);
  mlir::Value gatherElement(GatherOp op, llvm::ArrayRef<mlir::Value> index, unsigned lanes, int64_t laneDim);
  mlir::Value gatherElementsElement(GatherElementsOp op, llvm::ArrayRef<mlir::Value> index);
  mlir::Value gatherNDElement(GatherNDOp op, llvm::ArrayRef<mlir::Value> index, unsigned lanes, int64_t laneDim);
  mlir::Value reduceElement(ReduceOp op, llvm::ArrayRef<mlir::Value> index, unsigned lanes, int64_t laneDim);
  mlir::Value argReduceElement(ArgReduceOp op, llvm::ArrayRef<mlir::Value> index);
  mlir::Value matmulElement(MatMulOp op, llvm::ArrayRef<mlir::Value> index, unsigned lanes, int64_t laneDim);
  mlir::Value convElement(ConvOp op, llvm::ArrayRef<mlir::Value> index, unsigned lanes, int64_t laneDim);
  mlir::Value convTransposeElement(ConvTransposeOp op, llvm::ArrayRef<mlir::Value> index, unsigned lanes, int64_t laneDim);
  mlir::Value poolElement(PoolOp op, llvm::ArrayRef<mlir::Value> index, unsigned lanes, int64_t laneDim);
  mlir::Value argPoolElement(ArgPoolOp op, llvm::ArrayRef<mlir::Value> index);
  mlir::Value cubicNear(mlir::Value s, double a);
  mlir::Value cubicFar(mlir::Value s, double a);
  mlir::Value resizeElement(ResizeOp op, llvm::ArrayRef<mlir::Value> index, unsigned lanes, int64_t laneDim);
  mlir::Value fromExprsElement(FromExprsOp op, llvm::ArrayRef<mlir::Value> index);
  mlir::Value inside(mlir::Value position, mlir::Value size);

  bool computeVectorizes(mlir::Value tensor, int64_t laneDim);

  llvm::DenseMap<mlir::Value, Source> sources;
  llvm::DenseMap<std::pair<mlir::Value, int64_t>, bool> vectorizable; // answers of vectorizes()
  llvm::DenseMap<mlir::Value, Buffer> buffers;
  struct Scope {
    std::map<std::tuple<unsigned, void *, void *>, mlir::Value> arithmetic;
    std::map<std::vector<void *>, mlir::Value> elements;
  };
  std::vector<Scope> scopes{1};
  llvm::DenseMap<int64_t, mlir::Value> constants;
};

/// The buffer of operand or result `index` of a kernel (operands first): contiguous,
/// or with the strides of its placement.
Buffer bufferOf(Emitter &e, KernelOp kernel, unsigned index, mlir::Type type, mlir::Value pointer);
/// True when the element emitter knows every op of the body.
bool isElementwiseComputable(KernelOp kernel);

} // namespace smelt::codegen

#endif // SMELT_CODEGEN_COMMON_EMITTER_H
