//===- Strings.cpp - Ops on tensors of strings ------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   StringSplit(x) -> smelt.host_call "StringSplit"(%x) ints [-1] texts [","] binds [2]
//
// Strings live on the host. Tests: the backend suite, test/runtime/HostCallTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Compose.h"
#include "frontend/onnx/import/Regex.h"

using namespace mlir;

namespace smelt::onnx {

namespace {

LogicalResult expectStrings(NodeImport &n, size_t i) {
  if (isString(n, n.in(i)))
    return success();
  return n.error("input " + Twine(i) + " is not a tensor of strings", "onnx.dtype-mismatch");
}
/// Texts stand NUL-terminated in the artifact.
LogicalResult expectPlain(NodeImport &n, const std::vector<std::string> &texts, StringRef name) {
  if (llvm::none_of(texts, [](const std::string &text) { return text.find('\0') != std::string::npos; }))
    return success();
  return n.unsupported(name + " with a NUL character");
}

AffineExpr found(NodeImport &n, StringRef name, HostCall &spec) {
  AffineExpr symbol = n.symbols().fresh((n.node.label() + "." + name).str());
  spec.binds.push_back(cast<AffineSymbolExpr>(symbol).getPosition());
  return symbol;
}

LogicalResult importStringConcat(NodeImport &n) {
  if (failed(expectStrings(n, 0)) || failed(expectStrings(n, 1)))
    return failure();
  auto dims = n.broadcastDims({n.in(0), n.in(1)});
  if (failed(dims))
    return failure();
  return n.set(0, hostCall(n, "StringConcat", getTensorType(*dims, n.elem(n.in(0))), {n.in(0), n.in(1)})[0]);
}

LogicalResult importStringSplit(NodeImport &n) {
  if (failed(expectStrings(n, 0)))
    return failure();
  HostCall spec;
  spec.ints = {n.has("maxsplit") ? n.i("maxsplit", 0) : -1};
  if (n.has("delimiter"))
    spec.texts = {n.s("delimiter", "")};
  if (failed(expectPlain(n, spec.texts, "a delimiter")))
    return failure();
  Dims dims = n.dims(n.in(0));
  Type counts = getTensorType(dims, n.b.getI64Type());
  dims.push_back(found(n, "parts", spec));
  spec.placed = true;
  ResultRange results = hostCall(n, "StringSplit", {getTensorType(dims, n.elem(n.in(0))), counts}, {n.in(0)}, spec);
  (void)n.set(1, results[1]);
  return n.set(0, results[0]);
}

LogicalResult importStringNormalizer(NodeImport &n) {
  if (failed(expectStrings(n, 0)) || failed(expectRank(n, n.in(0), 1, 2, "X")))
    return failure();
  std::string action = n.s("case_change_action", "NONE");
  int64_t code = llvm::StringSwitch<int64_t>(action).Case("NONE", 0).Case("LOWER", 1).Case("UPPER", 2).Default(-1);
  if (code < 0)
    return n.error("case_change_action is '" + action + "', want NONE, LOWER or UPPER");
  Dims dims = n.dims(n.in(0));
  if (dims.size() == 2 && dims[0] != n.num(1)) {
    if (isa<AffineConstantExpr>(dims[0]))
      return n.error("X has " + Twine(cast<AffineConstantExpr>(dims[0]).getValue()) + " rows, want 1", "onnx.shape-mismatch");
    n.checkEqual(dims[0], n.num(1), "StringNormalizer: X must have one row");
    dims[0] = n.num(1);
  }
  HostCall spec;
  spec.ints = {code, n.i("is_case_sensitive", 0)};
  spec.texts = n.strings("stopwords");
  if (failed(expectPlain(n, spec.texts, "stopwords")))
    return failure();
  dims.back() = found(n, "kept", spec);
  return n.set(0, hostCall(n, "StringNormalizer", getTensorType(dims, n.elem(n.in(0))), {n.in(0)}, spec)[0]);
}

LogicalResult importRegexFullMatch(NodeImport &n) {
  if (failed(expectStrings(n, 0)) || failed(n.require("pattern")))
    return failure();
  auto program = compileRegex(n.s("pattern", ""));
  if (!program)
    return n.unsupported("pattern with " + llvm::toString(program.takeError()));
  HostCall spec;
  spec.ints = *program;
  spec.placed = true;
  return n.set(0, hostCall(n, "RegexFullMatch", getTensorType(n.dims(n.in(0)), n.b.getI1Type()), {n.in(0)}, spec)[0]);
}

LogicalResult importTfIdf(NodeImport &n) {
  Value x = n.in(0);
  if (failed(expectRank(n, x, 1, 2, "X")))
    return failure();
  HostCall spec;
  std::string mode = n.s("mode", "");
  int64_t code = llvm::StringSwitch<int64_t>(mode).Case("TF", 0).Case("IDF", 1).Case("TFIDF", 2).Default(-1);
  SmallVector<int64_t> counts = n.ints("ngram_counts"), indexes = n.ints("ngram_indexes"), pool = n.ints("pool_int64s");
  int64_t shortest = n.i("min_gram_length", 0), longest = n.i("max_gram_length", 0), most = n.i("max_skip_count", 0);
  spec.texts = n.strings("pool_strings");
  bool isText = isString(n, x);
  if (code < 0 || shortest < 1 || longest < shortest || most < 0 || int64_t(counts.size()) < longest || indexes.empty() ||
      isText == spec.texts.empty() || (isText && !pool.empty()) || llvm::any_of(indexes, [](int64_t i) { return i < 0 || i > (1 << 30); }))
    return n.error("mode, gram lengths, ngram_counts, ngram_indexes and the pool do not fit each other and X");
  if (failed(expectPlain(n, spec.texts, "pool_strings")) || (!isText && failed(expectInteger(n, x, "X"))))
    return failure();
  int64_t items = isText ? int64_t(spec.texts.size()) : int64_t(pool.size());
  for (auto [i, start] : llvm::enumerate(counts))
    if (start < 0 || start > items || (i && start < counts[i - 1]))
      return n.error("ngram_counts must rise within the pool");
  spec.ints = {code, shortest, longest, most};
  for (ArrayRef<int64_t> list : {ArrayRef(counts), ArrayRef(indexes), ArrayRef(pool)}) {
    spec.ints.push_back(list.size());
    llvm::append_range(spec.ints, list);
  }
  if (spec.ints.size() > 4096 || spec.texts.size() > 4096)
    return n.unsupported("a pool of " + Twine(items) + " items, want 4096 at most");
  SmallVector<Value> args = {x};
  SmallVector<double> weights = n.floats("weights");
  if (!weights.empty()) {
    if (weights.size() != indexes.size())
      return n.error(Twine(weights.size()) + " weights for " + Twine(indexes.size()) + " n-grams");
    args.push_back(floats(n, weights, {int64_t(weights.size())}, n.b.getF32Type()));
  }
  spec.placed = true;
  Dims dims = n.dims(x);
  dims.back() = n.num(*llvm::max_element(indexes) + 1);
  return n.set(0, hostCall(n, "TfIdfVectorizer", getTensorType(dims, n.b.getF32Type()), args, spec)[0]);
}

} // namespace

bool isString(NodeImport &n, Value x) { return isa<StringType>(n.elem(x)); }

Value stringEqual(NodeImport &n, Value x, Value y) {
  auto dims = n.broadcastDims({x, y});
  if (failed(dims))
    return {};
  HostCall spec;
  spec.placed = true;
  return hostCall(n, "StringEqual", getTensorType(*dims, n.b.getI1Type()), {x, y}, spec)[0];
}

FailureOr<Value> stringIndex(NodeImport &n, Value x, std::vector<std::string> keys) {
  if (failed(expectPlain(n, keys, "keys")))
    return failure();
  HostCall spec;
  spec.placed = true;
  spec.texts = std::move(keys);
  return hostCall(n, "StringIndex", getTensorType(n.dims(x), n.b.getI64Type()), {x}, spec)[0];
}

ArrayRef<OpRow> stringOps() {
  static constexpr OpRow rows[] = {
      {"", "StringConcat", 20, 2, 2, importStringConcat},
      {"", "StringSplit", 20, 1, 1, importStringSplit},
      {"", "StringNormalizer", 10, 1, 1, importStringNormalizer},
      {"", "RegexFullMatch", 20, 1, 1, importRegexFullMatch},
      {"", "TfIdfVectorizer", 9, 1, 1, importTfIdf},
  };
  return rows;
}

} // namespace smelt::onnx
