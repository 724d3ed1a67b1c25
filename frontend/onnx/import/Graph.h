//===- Graph.h - The importer's state: names, errors, control flow ----------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Private to the importer. A graph is walked by a stack of frames (this graph,
// the graph whose If it belongs to, ...), so that "the rest of the model" is a
// value that can be copied: where an If's branches differ in rank, the rest is
// imported once in each branch (Control.cpp).
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_FRONTEND_ONNX_IMPORT_GRAPH_H
#define SMELT_FRONTEND_ONNX_IMPORT_GRAPH_H

#include "frontend/onnx/import/Importer.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/DenseMap.h"

namespace smelt::onnx {

inline llvm::StringRef ref(std::string_view text) { return {text.data(), text.size()}; }

/// What is known of the rank of a sequence's or optional's elements: a rank, or
/// that there are none yet, or that they may differ.
inline constexpr int64_t kNoElements = -2, kSomeRank = -1;
int64_t joinRanks(int64_t a, int64_t b);
inline SequenceType sequenceOf(mlir::Type elementType) {
  return SequenceType::get(elementType.getContext(), mlir::UnrankedTensorType::get(elementType));
}
/// Forks double the rest of a model each; real ones need a handful.
inline constexpr int64_t kMaxForks = 64;
/// Ends both regions of a result-less scf.if in yields and gives it results.
llvm::SmallVector<mlir::Value> finishIf(mlir::scf::IfOp shell, llvm::ArrayRef<mlir::Type> types,
                                        llvm::ArrayRef<mlir::Value> thenValues, llvm::ArrayRef<mlir::Value> elseValues);

/// A sequence as an optional, and out of one: a run-time status when it is empty.
mlir::Value wrapOptional(mlir::OpBuilder &b, mlir::Location loc, mlir::Value sequence);
mlir::Value takeOptional(mlir::OpBuilder &b, mlir::Location loc, mlir::Value optional);
/// The number of elements, a 0-d i64 tensor.
mlir::Value sequenceLength(NodeImport &n, mlir::Value sequence);

/// If, Loop, Scan and SequenceMap.
bool isControl(const Node &node);

/// Names of one graph; `parent` is the graph around it, or what stood before
/// the walk was forked.
struct Env {
  const Env *parent = nullptr;
  llvm::DenseMap<llvm::StringRef, mlir::Value> values;

  mlir::Value lookup(llvm::StringRef name) const {
    for (const Env *env = this; env; env = env->parent)
      if (auto it = env->values.find(name); it != env->values.end())
        return it->second;
    return {};
  }
};

/// A graph and the place in it.
struct Frame {
  const Graph *graph;
  size_t next;
  Env *env;
  const Node *owner; // the If that takes this graph's outputs; null at the root
};

class Importer {
public:
  /// `pinned`: dims that `all:?` leaves as the model says, by the name of their symbol.
  Importer(const Model &model, mlir::ModuleOp module, const ImportOptions &options, const llvm::StringSet<> &pinned,
           std::vector<Error> &errors);

  mlir::LogicalResult run();

  //--- errors
  mlir::LogicalResult report(const Node &node, const llvm::Twine &message, llvm::StringRef code, int exitCode);
  mlir::LogicalResult report(const Scope *scope, const llvm::Twine &message, llvm::StringRef code, int exitCode);
  size_t numErrors() const { return errors.size(); }

  //--- types (Types.cpp)
  /// Null with an error when there is no such element type here.
  mlir::Type elementType(DType dtype, const Node &node);
  mlir::Type elementType(DType dtype, const Scope *scope);
  /// Type of an input; unknown dims become symbols `name.dimN`.
  mlir::Type valueType(const ValueInfo &info, const TypeInfo &type, const Scope *scope);
  /// Type of a sequence, optional or map; `rank` becomes that of the tensors in it.
  mlir::Type hostType(const TypeInfo &type, const Scope *scope, int64_t &rank);
  mlir::Value constant(const Tensor &tensor, mlir::OpBuilder &b, mlir::Location loc, const Scope *scope);
  /// A contradiction between what the model declares and what was found is an error.
  mlir::LogicalResult checkDeclared(const ValueInfo &info, mlir::Value value, const Scope *scope);

  //--- walking (Importer.cpp)
  mlir::Location location(const Node &node);
  mlir::Location location(llvm::StringRef name, llvm::StringRef kind, const Scope *scope);
  const OpRow *find(const Node &node) const;
  mlir::Value lookup(std::string_view name, const Env &env, const Node &node);
  mlir::LogicalResult bindOutputs(const Node &node, llvm::ArrayRef<mlir::Value> outputs, Env &env);
  mlir::LogicalResult importNode(const Node &node, Env &env, mlir::OpBuilder &b);
  /// Adds the freed dims that these expressions come from.
  void wantSizes(llvm::ArrayRef<mlir::AffineExpr> dims, llvm::SmallVectorImpl<std::string> &to);
  mlir::LogicalResult initializers(const Graph &graph, Env &env, mlir::OpBuilder &b);
  /// Imports what the frames hold from `b` on; gives the root graph's outputs.
  mlir::FailureOr<llvm::SmallVector<mlir::Value>> walk(llvm::SmallVector<Frame> frames, mlir::OpBuilder &b);
  Env *newEnv(const Env *parent);

  //--- control flow (Control.cpp)
  /// An If at the top of the frames. Either its outputs are bound and the walk
  /// goes on (no value), or the rest was imported inside (the root's outputs).
  mlir::FailureOr<std::optional<llvm::SmallVector<mlir::Value>>> importIf(const Node &node,
                                                                          llvm::SmallVector<Frame> &frames,
                                                                          mlir::OpBuilder &b);
  /// A node whose function asks for a choice; as importIf.
  mlir::FailureOr<std::optional<llvm::SmallVector<mlir::Value>>> importChoice(const Node &node,
                                                                              llvm::SmallVector<Frame> &frames,
                                                                              mlir::OpBuilder &b);
  mlir::LogicalResult importLoop(const Node &node, Env &env, mlir::OpBuilder &b);
  mlir::LogicalResult importScan(const Node &node, Env &env, mlir::OpBuilder &b);
  mlir::LogicalResult importSequenceMap(const Node &node, Env &env, mlir::OpBuilder &b);
  /// What a loop is made of, and what one pass of its body gives.
  struct LoopSpec {
    const Node &node;
    std::optional<mlir::AffineExpr> trip; // absent: unbounded
    mlir::Value condition;                // i1, absent: true
    llvm::SmallVector<mlir::Value> inits;
  };
  struct LoopPass {
    mlir::Value condition; // a tensor; null: true
    llvm::SmallVector<mlir::Value> carried, scans;
  };
  /// Imports one pass of a loop's body; may be called again with wider types.
  using LoopBody = llvm::function_ref<mlir::FailureOr<LoopPass>(mlir::OpBuilder &, mlir::AffineExpr iteration,
                                                                mlir::ValueRange carried)>;
  mlir::FailureOr<llvm::SmallVector<mlir::Value>> buildLoop(const LoopSpec &spec, mlir::OpBuilder &b, LoopBody body);
  /// A condition that constants, sizes or an enclosing branch decide.
  std::optional<bool> decide(mlir::Value condition);
  /// The condition (a tensor of one bool) as a host scalar.
  mlir::Value hostCondition(mlir::Value condition, mlir::OpBuilder &b, mlir::Location loc);

  const Model &model;
  mlir::ModuleOp module;
  const ImportOptions &options;
  DimSymbols symbols;
  SymbolicValues values;
  int64_t forks = 0;
  /// Integers that the run knows and a node needs to be constants: `code` is a
  /// number that says which of the possibilities they are.
  struct Choice {
    mlir::Value value;
    mlir::AffineExpr code;
    llvm::SmallVector<std::pair<int64_t, llvm::SmallVector<int64_t>>> possible;
    std::string what;
  };
  Env *nodeEnv = nullptr;                                            // of the node at hand
  std::optional<Choice> choice;                                      // asked for by the node at hand
  llvm::DenseMap<mlir::Value, llvm::SmallVector<int64_t>> chosen;    // in the branch that is imported
  llvm::DenseMap<int64_t, std::string> freed; // symbols of dims that the model gives a size
  llvm::SmallVector<std::string> wanted;      // of them, those that a node could not do with,
  llvm::SmallVector<std::string> suspected;   // and those of such a node's inputs
  llvm::DenseMap<mlir::Value, int64_t> elementRanks; // of sequences and optionals

private:
  struct ScanAxes {
    llvm::SmallVector<int64_t> inputAxes, outputAxes;
    llvm::SmallVector<bool> inputReverse, outputReverse;
  };
  mlir::FailureOr<llvm::SmallVector<mlir::Value>> scan(NodeImport &n, const Graph &graph, const Env &env,
                                                       llvm::ArrayRef<mlir::Value> states,
                                                       llvm::ArrayRef<mlir::Value> sequences, const ScanAxes &axes);
  const Graph *loopBody(const Node &node, size_t inputs, size_t carried);
  mlir::LogicalResult rankFailure(const Node &node);

  /// Outputs of a node (null where omitted); nothing when those of its possibilities cannot meet.
  using Outputs = mlir::FailureOr<std::optional<llvm::SmallVector<mlir::Value>>>;
  using ChoiceLeaf = llvm::function_ref<Outputs(mlir::OpBuilder &)>;
  Outputs buildChoice(const Node &node, const Choice &choice, size_t at, mlir::OpBuilder &b, ChoiceLeaf leaf);
  Outputs importChosen(const Node &node, Env &env, mlir::OpBuilder &b);

  std::optional<llvm::SmallVector<mlir::Type>> joinTypes(llvm::ArrayRef<mlir::Value> a, llvm::ArrayRef<mlir::Value> b,
                                                         llvm::StringRef name);
  void assume(mlir::Value condition, bool truth);
  /// Back to the first `count` assumptions.
  void forgetAssumptions(size_t count);
  void requireCondition(mlir::Value condition, bool truth, mlir::OpBuilder &b, mlir::Location loc,
                        const llvm::Twine &message);

  mlir::LogicalResult applyOverrides();
  const ShapeOverride *overrideFor(llvm::StringRef input) const;
  mlir::LogicalResult checkSupported();
  mlir::LogicalResult checkSize(const Node &node, mlir::Value value);

  std::vector<Error> &errors;
  const llvm::StringSet<> &pinned;
  const uint64_t budget = defaultMemoryBudget();
  std::vector<std::unique_ptr<Env>> envs;
  llvm::SmallVector<std::pair<mlir::Value, bool>> facts;             // conditions of the enclosing branches
  llvm::StringMap<mlir::AffineExpr> params;                          // dims that the user gave a size
  llvm::StringMap<llvm::SmallVector<const OpRow *>> registry;        // "domain:op", by falling `since`
};

} // namespace smelt::onnx

#endif // SMELT_FRONTEND_ONNX_IMPORT_GRAPH_H
