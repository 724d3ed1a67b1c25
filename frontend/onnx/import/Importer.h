//===- Importer.h - ONNX nodes to smelt ops ---------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An op of ONNX is one small function in the file of its family and one row of
// that family's table. Types are complete at once: every function states the
// result's dims as expressions over symbols, small integer tensors are known as
// expressions (SymbolicValues), so shapes never become kernels.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_FRONTEND_ONNX_IMPORT_IMPORTER_H
#define SMELT_FRONTEND_ONNX_IMPORT_IMPORTER_H

#include "dialects/smelt/Constants.h"
#include "dialects/smelt/Dialect.h"
#include "dialects/smelt/SymbolicValues.h"
#include "dialects/smelt/Symbols.h"
#include "frontend/onnx/reader/Reader.h"

namespace smelt::onnx {

/// `--shapes=x:1x3x224x224 | x:1..8x3x?x? | all:?`, parsed. With `all:?` every dim
/// is a symbol of its own, but for those of static size that a node needs so (a
/// weight's window, the length of a vector of sizes): they stay.
struct ShapeOverride {
  struct Dim {
    int64_t min = 0, max = 0; // equal: static
    bool keep = false;        // `_`: as the model says
    bool dynamic = false;     // `?`: a symbol of its own
  };
  std::string input; // "all": every input
  bool allDynamic = false;
  std::vector<Dim> dims;
};

struct ImportOptions {
  std::vector<ShapeOverride> shapes;
};

/// The module `func.func @main` with the model's inputs and outputs as
/// arguments and results; argument and result attributes `smelt.name` hold
/// their names. Null when `errors` were added; unsupported ops are all listed.
mlir::OwningOpRef<mlir::ModuleOp> importModel(const Model &model, mlir::MLIRContext *context,
                                              const ImportOptions &options, std::vector<Error> &errors);

class Importer;

/// One node on its way into the module: what an op's function sees.
class NodeImport {
public:
  NodeImport(Importer &importer, const Node &node, mlir::ValueRange inputs, mlir::OpBuilder &builder,
             mlir::Location loc)
      : b(builder), loc(loc), importer(importer), node(node), inputs(inputs.begin(), inputs.end()),
        results(node.outputs.size()) {}

  mlir::OpBuilder &b;
  const mlir::Location loc;

  //--- the node
  int64_t opset() const { return node.opset; }
  llvm::StringRef opType() const { return {node.opType.data(), node.opType.size()}; }
  size_t numInputs() const { return inputs.size(); }
  size_t numOutputs() const { return node.outputs.size(); }
  /// Input i; null when it is omitted.
  mlir::Value in(size_t i) const { return i < inputs.size() ? inputs[i] : mlir::Value(); }
  bool hasIn(size_t i) const { return bool(in(i)); }
  bool wantsOut(size_t i) const { return i < node.outputs.size() && !node.outputs[i].empty(); }
  mlir::LogicalResult set(size_t i, mlir::Value value) {
    if (i < results.size())
      results[i] = value;
    return mlir::success();
  }
  llvm::ArrayRef<mlir::Value> getResults() const { return results; }

  //--- attributes; a wrong kind is an error at the node (reported once, by `failed()`)
  bool has(llvm::StringRef name) const;
  int64_t i(llvm::StringRef name, int64_t fallback) const;
  double f(llvm::StringRef name, double fallback) const;
  std::string s(llvm::StringRef name, llvm::StringRef fallback) const;
  llvm::SmallVector<int64_t> ints(llvm::StringRef name, llvm::ArrayRef<int64_t> fallback = {}) const;
  llvm::SmallVector<double> floats(llvm::StringRef name) const;
  std::vector<std::string> strings(llvm::StringRef name) const;
  const Attribute *attribute(llvm::StringRef name) const;
  const Tensor *tensor(llvm::StringRef name) const;
  /// An error when a required attribute is missing.
  mlir::LogicalResult require(llvm::StringRef name) const;

  //--- types
  mlir::RankedTensorType type(mlir::Value v) const { return llvm::cast<mlir::RankedTensorType>(v.getType()); }
  int64_t rank(mlir::Value v) const { return type(v).getRank(); }
  mlir::Type elem(mlir::Value v) const { return type(v).getElementType(); }
  llvm::SmallVector<mlir::AffineExpr> dims(mlir::Value v) const { return getDims(v.getType()); }
  mlir::AffineExpr num(int64_t value) const { return mlir::getAffineConstantExpr(value, b.getContext()); }
  /// `axis` counted from the end when negative; an error when out of range.
  mlir::FailureOr<int64_t> axis(int64_t axis, int64_t rank);
  mlir::Type dtype(DType dtype) const; // null with an error when there is none
  /// An error when the (present) values differ in element type.
  mlir::LogicalResult sameElementType(mlir::ValueRange values);

  //--- symbols and known integers
  DimSymbols &symbols();
  /// The elements of an integer tensor as expressions, when they are known.
  std::optional<llvm::SmallVector<mlir::AffineExpr>> known(mlir::Value v);
  /// The elements as expressions in any case: unknown ones are read on the host
  /// into fresh symbols of that range (`smelt.bind`). The tensor must be 0-d or 1-d of static size.
  mlir::FailureOr<llvm::SmallVector<mlir::AffineExpr>> exprs(mlir::Value v, llvm::StringRef name, int64_t min = 0,
                                                             int64_t max = kMaxDim);
  /// The expression as a symbol of its own, read by the host when it is known: for
  /// sizes by which later ones are multiplied and divided.
  mlir::AffineExpr named(mlir::AffineExpr value, const llvm::Twine &name);
  /// Constant integers, or an error naming `what`.
  mlir::FailureOr<llvm::SmallVector<int64_t>> constants(mlir::Value v, llvm::StringRef what);
  /// Axes of a tensor of `rank`, each once, 0 or more. Where only the run knows them
  /// the node is imported once for each possibility (Choice.cpp): this fails
  /// without an error then, and the op's function is called again.
  enum class AxisOrder { Rising, AsGiven };
  mlir::FailureOr<llvm::SmallVector<int64_t>> axes(mlir::Value v, int64_t rank, AxisOrder order, llvm::StringRef what);
  /// The same for one axis.
  mlir::FailureOr<int64_t> oneAxis(mlir::Value v, int64_t rank, llvm::StringRef what);

  //--- building: results typed here, broadcasting included
  /// An elementwise op: result dims by broadcasting, element type `elementType`
  /// (the first operand's when null).
  template <typename OpTy, typename... Attrs>
  mlir::Value elementwise(mlir::ValueRange operands, mlir::Type elementType = {}, Attrs... attrs) {
    llvm::SmallVector<mlir::Value> xs(operands);
    auto dims = unifyBroadcast(xs);
    if (mlir::failed(dims))
      return {};
    auto result = getTensorType(*dims, elementType ? elementType : elem(xs.front()));
    mlir::OperationState state(loc, OpTy::getOperationName());
    if constexpr (sizeof...(Attrs) == 0) {
      OpTy::build(b, state, mlir::TypeRange(result), xs);
      return b.create(state)->getResult(0);
    } else {
      return OpTy::create(b, loc, result, xs[0], attrs...);
    }
  }
  /// NumPy broadcasting. Of two symbolic sizes that meet, each may be 1 at run
  /// time, so the result's is a choice, unless ranges decide: sizes that cannot
  /// be 1 are equal (`rebind` checks it), and a size of at most 1 (min(N, 1), a
  /// slice of one) is taken as 1.
  mlir::FailureOr<llvm::SmallVector<mlir::AffineExpr>> unifyBroadcast(llvm::SmallVectorImpl<mlir::Value> &operands);
  /// The size where two meet that are not two different constants.
  mlir::AffineExpr broadcastDim(mlir::AffineExpr have, mlir::AffineExpr dim);
  /// The same without the rebinds.
  mlir::FailureOr<llvm::SmallVector<mlir::AffineExpr>> broadcastDims(mlir::ValueRange operands);
  /// 0 or 1, which of them is known at run time.
  bool isZeroOrOne(mlir::AffineExpr dim);
  mlir::Value add(mlir::Value x, mlir::Value y) { return elementwise<AddOp>({x, y}); }
  mlir::Value sub(mlir::Value x, mlir::Value y) { return elementwise<SubOp>({x, y}); }
  mlir::Value mul(mlir::Value x, mlir::Value y) { return elementwise<MulOp>({x, y}); }
  mlir::Value div(mlir::Value x, mlir::Value y) { return elementwise<DivOp>({x, y}); }
  mlir::Value max(mlir::Value x, mlir::Value y) { return elementwise<MaxOp>({x, y}); }
  mlir::Value min(mlir::Value x, mlir::Value y) { return elementwise<MinOp>({x, y}); }
  mlir::Value cmp(CmpKind kind, mlir::Value x, mlir::Value y);
  mlir::Value select(mlir::Value c, mlir::Value x, mlir::Value y) { return elementwise<SelectOp>({c, x, y}, elem(x)); }
  mlir::Value cast(mlir::Value x, mlir::Type elementType);
  /// A 0-d constant of the element type.
  mlir::Value scalar(mlir::Type elementType, double value) { return createScalar(b, loc, elementType, value); }
  /// A 1-d i64 tensor of expressions (`from_exprs`, or a constant).
  mlir::Value fromExprs(llvm::ArrayRef<mlir::AffineExpr> values);
  /// One expression as a 0-d tensor of the element type.
  mlir::Value exprScalar(mlir::Type elementType, mlir::AffineExpr value);
  /// The same tensor with its dims named by these expressions, checked at run time.
  mlir::Value rebind(mlir::Value x, llvm::ArrayRef<mlir::AffineExpr> dims);
  mlir::Value reshape(mlir::Value x, llvm::ArrayRef<mlir::AffineExpr> dims);
  mlir::Value transpose(mlir::Value x, llvm::ArrayRef<int64_t> perm);
  mlir::Value broadcast(mlir::Value x, llvm::ArrayRef<mlir::AffineExpr> dims);
  mlir::Value slice(mlir::Value x, llvm::ArrayRef<mlir::AffineExpr> starts, llvm::ArrayRef<mlir::AffineExpr> sizes,
                    llvm::ArrayRef<int64_t> steps = {});
  mlir::Value concat(mlir::ValueRange xs, int64_t axis);
  /// Reduction; keeps the reduced dims as 1 when `keepDims`.
  mlir::Value reduce(ReduceKind kind, mlir::Value x, llvm::ArrayRef<int64_t> axes, bool keepDims);
  /// x + shape[i] * 1: a dims list inserted with size 1 at `axes`, and removed there.
  mlir::Value unsqueeze(mlir::Value x, llvm::ArrayRef<int64_t> axes);
  mlir::Value squeeze(mlir::Value x, llvm::ArrayRef<int64_t> axes);
  /// Batched matrix product with batch dims broadcast; both of rank >= 2.
  mlir::Value matmul(mlir::Value x, mlir::Value y, bool transposeLhs = false, bool transposeRhs = false,
                     mlir::Type elementType = {});
  /// The index along dim `axis` of a tensor of these dims.
  mlir::Value iota(mlir::Type elementType, llvm::ArrayRef<mlir::AffineExpr> dims, int64_t axis);
  /// A run-time status with `message` unless the sizes are equal.
  /// A run-time check that `value`, 0 or more, is 0; none where the ranges prove it.
  void checkZero(mlir::AffineExpr value, const llvm::Twine &message);
  void checkEqual(mlir::AffineExpr a, mlir::AffineExpr b, const llvm::Twine &message);
  /// Numerically stable softmax over `axes` as primitives (max, sub, exp, sum, div).
  mlir::Value softmax(mlir::Value x, llvm::ArrayRef<int64_t> axes, bool log = false);
  /// (x - mean) / sqrt(var + eps) over `axes`, in the element type of x; optional mean and 1/std out.
  mlir::Value normalize(mlir::Value x, llvm::ArrayRef<int64_t> axes, double eps, mlir::Value *mean = nullptr,
                        mlir::Value *invStd = nullptr);

  //--- errors; after one, helpers return null and take null operands as such
  /// Adds an error at this node (exit 65 unless said) and returns failure.
  mlir::LogicalResult error(const llvm::Twine &message, llvm::StringRef code = "onnx.invalid-node", int exitCode = kExitInvalid) const;
  mlir::LogicalResult unsupported(const llvm::Twine &what) const { return error(what, "onnx.unsupported", kExitUnsupported); }

  Importer &importer;
  const Node &node;

private:
  llvm::SmallVector<mlir::Value> inputs;
  llvm::SmallVector<mlir::Value> results;
};

using ImportFn = mlir::LogicalResult (*)(NodeImport &);

/// A row of a family's table. `since` is the first opset version of `domain`
/// with these semantics; of several rows the highest one not above the
/// model's opset is taken. Input counts are checked before the function runs.
struct OpRow {
  llvm::StringLiteral domain, opType;
  int64_t since;
  int8_t minInputs, maxInputs; // -1: any number
  ImportFn fn;
  bool takesValues = false; // sequences and optionals too; else inputs are tensors
};

/// One per family file: Math.cpp, Reduce.cpp, Contract.cpp, Tensor.cpp, Shape.cpp, Index.cpp, Resize.cpp, Loss.cpp,
/// NN.cpp, Quantize.cpp, Recurrent.cpp, ML.cpp, Microsoft.cpp, Legacy.cpp, Sequences.cpp.
/// If, Loop, Scan and SequenceMap are the importer's own (Control.cpp, Loop.cpp, Sequences.cpp).
llvm::ArrayRef<OpRow> mathOps();
llvm::ArrayRef<OpRow> reduceOps();
llvm::ArrayRef<OpRow> contractOps();
llvm::ArrayRef<OpRow> resizeOps();
llvm::ArrayRef<OpRow> lossOps();
llvm::ArrayRef<OpRow> shapeOps();
llvm::ArrayRef<OpRow> indexOps();
llvm::ArrayRef<OpRow> nnOps();
llvm::ArrayRef<OpRow> tensorOps();
llvm::ArrayRef<OpRow> quantizeOps();
llvm::ArrayRef<OpRow> recurrentOps();
llvm::ArrayRef<OpRow> mlOps();
llvm::ArrayRef<OpRow> microsoftOps();
llvm::ArrayRef<OpRow> legacyOps();
llvm::ArrayRef<OpRow> sequenceOps();
llvm::ArrayRef<OpRow> stringOps();
llvm::ArrayRef<OpRow> trainingOps();
llvm::ArrayRef<OpRow> stateAttentionOps();
llvm::ArrayRef<OpRow> randomOps();

} // namespace smelt::onnx

#endif // SMELT_FRONTEND_ONNX_IMPORT_IMPORTER_H
