//===- Contract.cpp - MatMul, Gemm, Einsum ----------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Einsum contracts its operands from left to right, each pair as one batched
// matmul:  "bij,bkj->bik"  ->  matmul [b, i, j] x [b, k, j]^T. Test:
// test/frontend/import/contract*.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Importer.h"
#include <map>

using namespace mlir;

namespace smelt::onnx {

/// NumPy's matmul: a vector on the left is a row, on the right a column.
static LogicalResult matMul(NodeImport &n) {
  Value x = n.in(0), y = n.in(1);
  if (failed(n.sameElementType({x, y})))
    return failure();
  if (n.rank(x) == 0 || n.rank(y) == 0)
    return n.error("inputs must have at least one dim", "onnx.shape-mismatch");
  bool row = n.rank(x) == 1, column = n.rank(y) == 1;
  Value result = n.matmul(row ? n.unsqueeze(x, {0}) : x, column ? n.unsqueeze(y, {1}) : y);
  if (!result)
    return failure();
  int64_t rank = n.rank(result);
  SmallVector<int64_t> drop;
  if (row)
    drop.push_back(rank - 2);
  if (column)
    drop.push_back(rank - 1);
  return n.set(0, drop.empty() ? result : n.squeeze(result, drop));
}

static LogicalResult gemm(NodeImport &n) {
  Value a = n.in(0), b = n.in(1), c = n.in(2);
  if (failed(n.sameElementType({a, b, c})))
    return failure();
  // Old exporters hand over more dims than two, the rest being 1.
  auto matrix = [&](Value v) {
    if (n.opset() >= 7 || n.rank(v) <= 2)
      return v;
    AffineExpr columns = n.num(1);
    SmallVector<AffineExpr> dims = n.dims(v);
    for (AffineExpr dim : ArrayRef(dims).drop_front())
      columns = columns * dim;
    return n.reshape(v, {n.dims(v)[0], columns});
  };
  a = matrix(a);
  b = matrix(b);
  if (n.rank(a) != 2 || n.rank(b) != 2)
    return n.error("inputs of rank " + Twine(n.rank(a)) + " and " + Twine(n.rank(b)) + ", want matrices",
                   "onnx.shape-mismatch");
  Value result = n.matmul(a, b, n.i("transA", 0) != 0, n.i("transB", 0) != 0);
  if (!result)
    return failure();
  double alpha = n.f("alpha", 1), beta = n.f("beta", 1);
  if (alpha != 1)
    result = n.mul(result, n.scalar(n.elem(result), alpha));
  if (c && beta != 0) {
    if (beta != 1)
      c = n.mul(c, n.scalar(n.elem(c), beta));
    auto dims = n.broadcastDims({result, c});
    if (failed(dims))
      return failure();
    if (dims->size() != 2 || getTensorType(*dims, n.elem(result)).getShape() != n.type(result).getShape())
      return n.error("the third input does not broadcast to the product's shape", "onnx.shape-mismatch");
    result = n.add(result, c);
  }
  return n.set(0, result);
}

/// A depthwise convolution that sees the past only; the last k - 1 positions
/// are the state of the next call.
static LogicalResult causalConv(NodeImport &n) {
  Value x = n.in(0), w = n.in(1), bias = n.in(2), past = n.in(3);
  if (n.rank(x) != 3 || n.rank(w) != 3 || failed(n.sameElementType({x, w, bias, past})))
    return n.error("input and weight of rank " + Twine(n.rank(x)) + " and " + Twine(n.rank(w)) + ", want 3 and 3",
                   "onnx.shape-mismatch");
  SmallVector<AffineExpr> dims = n.dims(x);
  auto kernel = dyn_cast<AffineConstantExpr>(n.dims(w)[2]), channels = dyn_cast<AffineConstantExpr>(dims[1]);
  if (!kernel || !channels || kernel.getValue() < 1 || channels.getValue() < 1)
    return n.unsupported("channels and kernel length must be static and positive");
  std::string activation = n.s("activation", "none");
  if (activation != "none" && activation != "silu" && activation != "swish")
    return n.error("attribute 'activation' is '" + activation + "', want none, silu or swish");
  AffineExpr length = dims[2], before = n.num(kernel.getValue() - 1);
  SmallVector<AffineExpr> state = {dims[0], dims[1], before};
  Value all = n.concat({past ? past : n.broadcast(n.scalar(n.elem(x), 0), state), x}, 2);
  if (!all)
    return failure();
  Value y = ConvOp::create(n.b, n.loc, getTensorType(dims, n.elem(x)), all, w, ArrayRef<int64_t>{1},
                           DimsAttr::get(n.b.getContext(), ArrayRef<int64_t>{0, 0}), ArrayRef<int64_t>{1},
                           channels.getValue(), false);
  if (bias)
    y = n.add(y, n.reshape(bias, {dims[1], n.num(1)}));
  if (activation != "none")
    y = n.mul(y, n.elementwise<SigmoidOp>({y}));
  (void)n.set(0, y);
  return n.set(1, n.slice(all, {n.num(0), n.num(0), length}, state));
}

//===----------------------------------------------------------------------===//
// Einsum
//===----------------------------------------------------------------------===//

namespace {

/// Labels: letters; the dims of an ellipsis are numbers from 256 up, by their
/// distance from its right end.
using Labels = SmallVector<int, 8>;

struct Term {
  Value value;
  Labels labels;
};

struct Einsum {
  NodeImport &n;

  FailureOr<Labels> parse(StringRef text, int64_t ellipsisRank) {
    Labels labels;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == ' ')
        continue;
      if (text.substr(i).starts_with("...")) {
        for (int64_t d = ellipsisRank; d-- > 0;)
          labels.push_back(256 + d);
        i += 2;
        continue;
      }
      if (!isalpha(static_cast<unsigned char>(text[i])))
        return n.error("equation has '" + text.substr(i, 1) + "', want letters, commas, '...' and '->'");
      labels.push_back(text[i]);
    }
    return labels;
  }

  static size_t at(const Labels &labels, int label) { return llvm::find(labels, label) - labels.begin(); }

  /// A label that stands twice in a term means its diagonal.
  Term diagonal(Term term) {
    for (size_t i = 0; i < term.labels.size(); ++i)
      for (size_t j = i + 1; j < term.labels.size();) {
        if (term.labels[i] != term.labels[j]) {
          ++j;
          continue;
        }
        Type i64 = n.b.getI64Type();
        SmallVector<AffineExpr> dims = n.dims(term.value), a(dims.size(), n.num(1)), b = a;
        a[i] = dims[i];
        b[j] = dims[j];
        Value on = n.cmp(CmpKind::eq, n.iota(i64, a, i), n.iota(i64, b, j));
        Value masked = n.select(on, term.value, n.scalar(n.elem(term.value), 0));
        term.value = n.reduce(ReduceKind::sum, masked, {int64_t(j)}, false);
        term.labels.erase(term.labels.begin() + j);
      }
    return term;
  }

  /// Sums the labels that `keep` does not hold.
  Term sum(Term term, function_ref<bool(int)> keep) {
    SmallVector<int64_t> axes;
    Labels left;
    for (auto [i, label] : llvm::enumerate(term.labels)) {
      if (keep(label))
        left.push_back(label);
      else
        axes.push_back(i);
    }
    return {n.reduce(ReduceKind::sum, term.value, axes, false), left};
  }

  /// Transposes to this order of labels.
  Value order(const Term &term, const Labels &labels) {
    SmallVector<int64_t> perm;
    for (int label : labels)
      perm.push_back(at(term.labels, label));
    return n.transpose(term.value, perm);
  }

  /// A size of 1 stretches to the other term's (dims of an ellipsis).
  void stretch(Term &term, const Term &other) {
    SmallVector<AffineExpr> dims = n.dims(term.value);
    for (auto [i, label] : llvm::enumerate(term.labels))
      if (size_t j = at(other.labels, label); j < other.labels.size() && dims[i] == n.num(1))
        dims[i] = n.dims(other.value)[j];
    term.value = n.broadcast(term.value, dims);
  }

  Term contract(Term a, Term b, function_ref<bool(int)> keep) {
    auto in = [](const Term &t) { return [&t](int label) { return llvm::is_contained(t.labels, label); }; };
    a = sum(std::move(a), [&](int l) { return keep(l) || in(b)(l); });
    b = sum(std::move(b), [&](int l) { return keep(l) || in(a)(l); });
    if (!a.value || !b.value)
      return {};
    stretch(a, b);
    stretch(b, a);
    Labels batch, inner, left, right;
    for (int l : a.labels)
      (!in(b)(l) ? left : keep(l) ? batch : inner).push_back(l);
    for (int l : b.labels)
      if (!in(a)(l))
        right.push_back(l);
    auto join = [](std::initializer_list<const Labels *> parts) {
      Labels all;
      for (const Labels *part : parts)
        all.append(*part);
      return all;
    };
    SmallVector<AffineExpr> outDims;
    auto dimsOf = [&](const Term &t, const Labels &labels) {
      SmallVector<AffineExpr> dims;
      for (int l : labels)
        dims.push_back(n.dims(t.value)[at(t.labels, l)]);
      return dims;
    };
    auto product = [&](ArrayRef<AffineExpr> dims) {
      AffineExpr p = n.num(1);
      for (AffineExpr d : dims)
        p = p * d;
      return p;
    };
    SmallVector<AffineExpr> batchDims = dimsOf(a, batch), leftDims = dimsOf(a, left), innerDims = dimsOf(a, inner),
                            rightDims = dimsOf(b, right);
    auto matrix = [&](Value v, AffineExpr rows, AffineExpr columns) {
      SmallVector<AffineExpr> dims = batchDims;
      dims.push_back(rows);
      dims.push_back(columns);
      return n.reshape(v, dims);
    };
    Value x = matrix(order(a, join({&batch, &left, &inner})), product(leftDims), product(innerDims));
    Value y = matrix(order(b, join({&batch, &inner, &right})), product(dimsOf(b, inner)), product(rightDims));
    Value z = inner.empty() ? n.mul(x, y) : n.matmul(x, y);
    outDims = batchDims;
    outDims.append(leftDims);
    outDims.append(rightDims);
    return {n.reshape(z, outDims), join({&batch, &left, &right})};
  }
};

} // namespace

static LogicalResult einsum(NodeImport &n) {
  if (failed(n.require("equation")))
    return failure();
  SmallVector<Value> inputs;
  for (size_t i = 0; i < n.numInputs(); ++i)
    inputs.push_back(n.in(i));
  if (llvm::is_contained(inputs, Value()))
    return n.error("an input is missing", "onnx.arity");
  if (failed(n.sameElementType(inputs)))
    return failure();
  std::string equation = n.s("equation", "");
  auto [leftSide, rightSide] = StringRef(equation).split("->");
  bool hasRight = StringRef(equation).contains("->");
  SmallVector<StringRef> texts;
  leftSide.split(texts, ',');
  if (texts.size() != inputs.size())
    return n.error("equation '" + equation + "' has " + Twine(texts.size()) + " terms for " + Twine(inputs.size()) +
                   " inputs");

  Einsum e{n};
  SmallVector<Term> terms;
  int64_t ellipsisRank = 0;
  std::map<int, int> uses; // in the order of labels, which is the implicit output's
  for (auto [text, value] : llvm::zip(texts, inputs)) {
    int64_t letters = llvm::count_if(text, [](char c) { return isalpha(static_cast<unsigned char>(c)); });
    int64_t own = text.contains("...") ? n.rank(value) - letters : 0;
    auto labels = e.parse(text, std::max<int64_t>(own, 0));
    if (failed(labels))
      return failure();
    if (int64_t(labels->size()) != n.rank(value))
      return n.error("term '" + text + "' does not fit an input of rank " + Twine(n.rank(value)),
                     "onnx.shape-mismatch");
    ellipsisRank = std::max(ellipsisRank, own);
    for (int label : *labels)
      ++uses[label];
    terms.push_back(e.diagonal({value, *labels}));
  }
  Labels output;
  if (hasRight) {
    auto labels = e.parse(rightSide, ellipsisRank);
    if (failed(labels))
      return failure();
    output = *labels;
  } else {
    for (int64_t d = ellipsisRank; d-- > 0;)
      output.push_back(256 + d);
    for (auto [label, count] : uses)
      if (label < 256 && count == 1)
        output.push_back(label);
  }
  for (int label : output)
    if (!uses.count(label) || llvm::count(output, label) != 1)
      return n.error("the output of equation '" + equation + "' has a label that no input has, or one twice");

  Term result = terms.front();
  for (size_t i = 1; i < terms.size(); ++i) {
    auto keep = [&](int label) {
      return llvm::is_contained(output, label) ||
             llvm::any_of(ArrayRef(terms).drop_front(i + 1),
                          [&](const Term &t) { return llvm::is_contained(t.labels, label); });
    };
    result = e.contract(result, terms[i], keep);
    if (!result.value)
      return failure();
  }
  result = e.sum(result, [&](int label) { return llvm::is_contained(output, label); });
  return n.set(0, e.order(result, output));
}

ArrayRef<OpRow> contractOps() {
  static constexpr OpRow rows[] = {
      {"", "MatMul", 1, 2, 2, matMul},
      {"", "Gemm", 1, 2, 3, gemm},
      {"", "CausalConvWithState", 27, 2, 4, causalConv},
      {"", "Einsum", 12, 1, -1, einsum},
  };
  return rows;
}

} // namespace smelt::onnx
