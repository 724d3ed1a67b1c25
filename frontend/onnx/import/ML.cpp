//===- ML.cpp - Classical machine learning (ai.onnx.ml) ---------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Linear and kernel models are matmuls, encoders are comparisons with their
// few keys, trees are smelt.tree_ensemble (Trees.cpp), kernel machines stand in SVM.cpp. Strings exist only as
// results: labels looked up by index, keys of maps.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Graph.h"
#include "frontend/onnx/import/Trees.h"
#include <cmath>

using namespace mlir;

namespace smelt::onnx {

/// A list of floats as a constant row of x's features: 1 entry or one each.
static FailureOr<Value> featureRow(NodeImport &n, Value x, ArrayRef<double> values, StringRef name) {
  AffineExpr width = n.dims(x).back();
  auto fixed = dyn_cast<AffineConstantExpr>(width);
  if (values.size() != 1 && fixed && int64_t(values.size()) != fixed.getValue())
    return n.error(Twine(name) + " has " + Twine(values.size()) + " entries, want 1 or " + Twine(fixed.getValue()));
  return floats(n, values, {int64_t(values.size())}, n.elem(x));
}

FailureOr<Value> numeric(NodeImport &n, size_t i) {
  Value x = n.in(i);
  if (failed(requireInputs(n, {i})) || failed(expectRank(n, x, 1, 2, "X")))
    return failure();
  if (!n.elem(x).isIntOrFloat())
    return n.error("X is not numeric, want floats or integers");
  return n.elem(x).isF64() ? x : n.cast(x, n.b.getF32Type());
}

static LogicalResult importScaler(NodeImport &n) {
  auto x = numeric(n);
  if (failed(x) || failed(n.require("offset")) || failed(n.require("scale")))
    return failure();
  auto offset = featureRow(n, *x, n.floats("offset"), "offset"), scale = featureRow(n, *x, n.floats("scale"), "scale");
  if (failed(offset) || failed(scale))
    return failure();
  return n.set(0, n.cast(n.mul(n.sub(*x, *offset), *scale), n.b.getF32Type()));
}

static LogicalResult importNormalizer(NodeImport &n) {
  auto x = numeric(n);
  std::string norm = n.s("norm", "MAX");
  if (failed(x))
    return failure();
  int64_t last = n.rank(*x) - 1;
  Value size;
  if (norm == "MAX")
    size = n.reduce(ReduceKind::max, unary<AbsOp>(n, *x), {last}, true);
  else if (norm == "L1")
    size = n.reduce(ReduceKind::sum, unary<AbsOp>(n, *x), {last}, true);
  else if (norm == "L2")
    size = unary<SqrtOp>(n, n.reduce(ReduceKind::sum, n.mul(*x, *x), {last}, true));
  else
    return n.error("norm is '" + norm + "', want MAX, L1 or L2");
  // A row of zeros stays one.
  return n.set(0, n.cast(n.div(*x, n.max(size, like(n, size, 1e-30))), n.b.getF32Type()));
}

static LogicalResult importBinarizer(NodeImport &n) {
  Value x = n.in(0);
  return n.set(0, n.cast(n.cmp(CmpKind::gt, x, like(n, x, n.f("threshold", 0))), n.elem(x)));
}

static LogicalResult importImputer(NodeImport &n) {
  Value x = n.in(0);
  if (failed(expectRank(n, x, 1, 2, "X")))
    return failure();
  if (isa<FloatType>(n.elem(x))) {
    if (failed(n.require("imputed_value_floats")))
      return failure();
    auto values = featureRow(n, x, n.floats("imputed_value_floats"), "imputed_value_floats");
    if (failed(values))
      return failure();
    double replaced = n.f("replaced_value_float", 0);
    Value hit = std::isnan(replaced) ? n.elementwise<IsNaNOp>({x}, n.b.getI1Type())
                                     : n.cmp(CmpKind::eq, x, like(n, x, replaced));
    return n.set(0, n.select(hit, *values, x));
  }
  SmallVector<int64_t> values = n.ints("imputed_value_int64s");
  if (failed(n.require("imputed_value_int64s")) || failed(expectElem(n, x, n.b.getI64Type(), "X")))
    return failure();
  if (auto width = dyn_cast<AffineConstantExpr>(n.dims(x).back());
      values.size() != 1 && width && width.getValue() != int64_t(values.size()))
    return n.error("imputed_value_int64s has " + Twine(values.size()) + " entries, want 1 or " +
                   Twine(width.getValue()));
  Value hit = n.cmp(CmpKind::eq, x, createInts(n.b, n.loc, {n.i("replaced_value_int64", 0)}));
  return n.set(0, n.select(hit, createInts(n.b, n.loc, values), x));
}

static LogicalResult importFeatureVectorizer(NodeImport &n) {
  SmallVector<int64_t> widths = n.ints("inputdimensions");
  if (widths.size() != n.numInputs())
    return n.error("inputdimensions has " + Twine(widths.size()) + " entries, want " + Twine(n.numInputs()));
  SmallVector<Value> parts;
  for (size_t i = 0; i < n.numInputs(); ++i) {
    auto x = numeric(n, i);
    if (failed(x) || failed(expectRange(n, widths[i], 1, (int64_t(1) << 31) - 1, "inputdimensions[" + Twine(i) + "]")))
      return failure();
    Value part = n.rank(*x) == 1 ? n.unsqueeze(*x, {1}) : *x;
    // Cut or filled with zeros to the stated width.
    Dims d = n.dims(part);
    if (d[1] != n.num(widths[i])) {
      d[1] = n.num(widths[i]);
      part = make<PadOp>(n, d, n.elem(part), part, like(n, part, 0),
                         DimsAttr::get(n.b.getContext(), ArrayRef<int64_t>{0, 0}), PadMode::constant);
    }
    parts.push_back(n.cast(part, n.b.getF32Type()));
  }
  return n.set(0, n.concat(parts, 1));
}

static LogicalResult importArrayFeatureExtractor(NodeImport &n) {
  Value x = n.in(0), indices = n.in(1);
  if (failed(expectRank(n, x, 1, 16, "X")) || failed(expectElem(n, indices, n.b.getI64Type(), "Y")))
    return failure();
  // Columns of the last dim; a vector gives one row.
  AffineExpr count = getNumElements(indices.getType());
  Value flat = n.reshape(indices, {count});
  Dims d = n.dims(x);
  if (isa<StringType>(n.elem(x))) {
    auto constant = x.getDefiningOp<ConstantOp>();
    auto table = constant ? dyn_cast<ArrayAttr>(constant.getValue()) : ArrayAttr();
    if (!table || n.rank(x) != 1)
      return n.unsupported("columns of a tensor of strings that is not a constant vector");
    return n.set(0, make<StringLookupOp>(n, {n.num(1), count}, n.elem(x), n.reshape(flat, {n.num(1), count}), table));
  }
  int64_t last = n.rank(x) - 1;
  d[last] = count;
  Value y = make<GatherOp>(n, d, n.elem(x), x, flat, last);
  return n.set(0, last == 0 ? n.unsqueeze(y, {0}) : y);
}

static LogicalResult importZipMap(NodeImport &n) {
  Value x = n.in(0);
  auto labels = readLabels(n, "classlabels_int64s", "classlabels_strings");
  if (failed(labels) || failed(expectRank(n, x, 1, 2, "X")) || failed(expectElem(n, x, n.b.getF32Type(), "X")))
    return failure();
  if (n.rank(x) == 1)
    x = n.unsqueeze(x, {0});
  if (failed(expectShape(n, x, {{}, n.num(labels->size())}, "X")))
    return failure();
  Type key = labels->strings.empty() ? Type(n.b.getI64Type()) : Type(StringType::get(n.b.getContext()));
  Type map = MapType::get(n.b.getContext(), key, n.b.getF32Type());
  return n.set(0, ZipMapOp::create(n.b, n.loc, SequenceType::get(n.b.getContext(), map), x, labelAttr(n, *labels)));
}

/// x [N, F] by coefficients [rows, F] plus intercepts, in f32 or f64.
static FailureOr<Value> linearScores(NodeImport &n, int64_t &rows) {
  auto x = numeric(n);
  if (failed(x))
    return failure();
  Value m = n.rank(*x) == 1 ? n.unsqueeze(*x, {0}) : *x;
  auto width = staticDim(n, m, 1, "X");
  if (failed(width))
    return failure();
  SmallVector<double> coefficients = n.floats("coefficients"), intercepts = n.floats("intercepts");
  if (*width == 0 || coefficients.empty() || coefficients.size() % *width != 0)
    return n.error("coefficients has " + Twine(coefficients.size()) + " entries, want a multiple of the " +
                   Twine(*width) + " features");
  rows = coefficients.size() / *width;
  if (!intercepts.empty() && int64_t(intercepts.size()) != rows)
    return n.error("intercepts has " + Twine(intercepts.size()) + " entries, want " + Twine(rows));
  auto y = matmul(n, m, floats(n, coefficients, {rows, *width}, n.elem(m)), n.elem(m), false, /*transposeRhs=*/true);
  if (failed(y) || intercepts.empty())
    return y;
  return n.add(*y, floats(n, intercepts, {rows}, n.elem(m)));
}

static LogicalResult importLinearRegressor(NodeImport &n) {
  int64_t rows = 0;
  auto y = linearScores(n, rows);
  if (failed(y))
    return failure();
  if (rows != n.i("targets", 1))
    return n.error("coefficients are for " + Twine(rows) + " targets, want " + Twine(n.i("targets", 1)));
  y = postTransform(n, n.s("post_transform", "NONE"), n.cast(*y, n.b.getF32Type()));
  return failed(y) ? failure() : n.set(0, *y);
}

static LogicalResult importLinearClassifier(NodeImport &n) {
  int64_t rows = 0;
  auto scores = linearScores(n, rows);
  auto labels = readLabels(n, "classlabels_ints", "classlabels_strings");
  if (failed(scores) || failed(labels))
    return failure();
  scores = n.cast(*scores, n.b.getF32Type());
  if (rows == 1 && labels->size() == 2)
    scores = n.concat({unary<NegOp>(n, *scores), *scores}, 1);
  else if (rows != labels->size())
    return n.error("coefficients are for " + Twine(rows) + " classes, the labels for " + Twine(labels->size()));
  std::string post = n.s("post_transform", "NONE");
  auto y = postTransform(n, post, *scores);
  if (failed(y))
    return failure();
  Value best;
  if (labels->size() == 1) {
    if (!labels->strings.empty())
      return n.unsupported("a classifier with one class label, a string");
    Value hit = n.cmp(CmpKind::ge, *y, like(n, *y, post == "NONE" ? 0.0 : 0.5));
    best = n.cast(n.reshape(hit, {n.dims(*y)[0]}), n.b.getI64Type());
    labels->ints.insert(labels->ints.begin(), 0);
  } else {
    best = make<ArgReduceOp>(n, {n.dims(*y)[0]}, n.b.getI64Type(), *y, 1, true);
  }
  (void)n.set(0, lookUp(n, *labels, best));
  return n.set(1, *y);
}

static LogicalResult importOneHotEncoder(NodeImport &n) {
  Value x = n.in(0);
  SmallVector<int64_t> cats = n.ints("cats_int64s");
  if (cats.empty())
    return n.unsupported("OneHotEncoder of strings");
  if (!n.elem(x).isIntOrFloat())
    return n.error("X is not numeric, cats_int64s want integers");
  Value keys = n.cast(createInts(n.b, n.loc, cats), n.elem(x));
  Value hot = n.cast(n.cmp(CmpKind::eq, n.unsqueeze(x, {n.rank(x)}), keys), n.b.getF32Type());
  if (n.i("zeros", 1) == 0) {
    // Every element must be of a known category.
    SmallVector<int64_t> axes;
    for (int64_t i = 0; i < n.rank(x); ++i)
      axes.push_back(i);
    Value rows = n.reduce(ReduceKind::max, hot, {n.rank(x)}, false);
    Value all = n.reshape(n.reduce(ReduceKind::min, rows, axes, false), {n.num(1)});
    auto known = n.exprs(n.cast(all, n.b.getI64Type()), "known_category", 0, 1);
    if (failed(known))
      return failure();
    CheckOp::create(n.b, n.loc, DimsAttr::get(n.b.getContext(), *known), "OneHotEncoder: unknown category, zeros = 0");
  }
  return n.set(0, hot);
}

/// The place of each element among the `keys`, i64; their number when it is none of them.
static Value indexOfKey(NodeImport &n, Value x, Value keys) {
  int64_t last = n.rank(x);
  Value hit = n.cast(n.cmp(CmpKind::eq, n.unsqueeze(x, {last}), keys), n.b.getI32Type());
  if (!hit)
    return {};
  Value at = make<ArgReduceOp>(n, n.dims(x), n.b.getI64Type(), hit, last, true);
  Value found = n.cmp(CmpKind::ne, n.reduce(ReduceKind::max, hit, {last}, false), n.scalar(n.b.getI32Type(), 0));
  return n.select(found, at, n.exprScalar(n.b.getI64Type(), n.dims(keys)[0]));
}

static LogicalResult importLabelEncoder(NodeImport &n) {
  Value x = n.in(0);
  constexpr size_t maxKeys = 4096;
  // Keys and values in one of the forms that opsets 1, 2 and 4 have.
  SmallVector<double> floatKeys = n.floats("keys_floats"), floatValues = n.floats("values_floats");
  SmallVector<int64_t> intKeys = n.ints("keys_int64s"), intValues = n.ints("values_int64s");
  std::vector<std::string> stringValues = n.strings("values_strings");
  if (n.opset() < 2) {
    stringValues = n.strings("classes_strings");
    for (size_t i = 0; i < stringValues.size(); ++i)
      intKeys.push_back(i);
  }
  bool isText = isString(n, x);
  std::vector<std::string> stringKeys = n.strings("keys_strings");
  const Tensor *keyTensor = n.tensor("keys_tensor"), *valueTensor = n.tensor("values_tensor");
  auto textsOf = [](const Tensor *tensor) {
    std::vector<std::string> texts;
    for (std::string_view text : tensor->strings)
      texts.emplace_back(text);
    return texts;
  };
  if (keyTensor && isText)
    stringKeys = textsOf(keyTensor);
  if (valueTensor && valueTensor->dtype == DType::String)
    stringValues = textsOf(valueTensor);
  size_t keys = isText ? stringKeys.size() : keyTensor ? keyTensor->elements() : isa<FloatType>(n.elem(x)) ? floatKeys.size() : intKeys.size();
  size_t values = std::max({floatValues.size(), intValues.size(), stringValues.size(), size_t(valueTensor ? valueTensor->elements() : 0)});
  if (keys == 0 || keys != values)
    return n.error("LabelEncoder has " + Twine(keys) + " keys of the input's type and " + Twine(values) +
                   " values, want equal numbers");
  if (keys > maxKeys)
    return n.unsupported("LabelEncoder of " + Twine(keys) + " keys, want " + Twine(maxKeys) + " at most");
  auto constantVector = [&](const Tensor &tensor) {
    Value constant = n.importer.constant(tensor, n.b, n.loc, n.node.scope);
    return constant ? n.reshape(constant, {n.num(tensor.elements())}) : Value();
  };
  // One more entry of the table is the default.
  Value index;
  if (isText) {
    auto found = stringIndex(n, x, stringKeys);
    if (failed(found))
      return failure();
    index = *found;
  } else {
    Value table = keyTensor                   ? constantVector(*keyTensor)
                  : isa<FloatType>(n.elem(x)) ? floats(n, floatKeys, {int64_t(keys)}, n.elem(x))
                                              : n.cast(createInts(n.b, n.loc, intKeys), n.elem(x));
    if (!table || failed(n.sameElementType({x, table})))
      return failure();
    index = indexOfKey(n, x, table);
    if (!index)
      return failure();
  }
  const Tensor *defaultTensor = n.tensor("default_tensor");
  if (defaultTensor && defaultTensor->elements() != 1)
    return n.error("default_tensor has " + Twine(defaultTensor->elements()) + " elements, want 1");
  if (valueTensor && valueTensor->dtype != DType::String) {
    Value table = constantVector(*valueTensor);
    if (!table)
      return failure();
    Value fallback = defaultTensor ? constantVector(*defaultTensor)
                                   : n.reshape(like(n, table, isa<FloatType>(n.elem(table)) ? -0.0 : -1), {n.num(1)});
    if (!fallback || failed(n.sameElementType({table, fallback})))
      return failure();
    return n.set(0, make<GatherOp>(n, n.dims(x), n.elem(table), n.concat({table, fallback}, 0), index, 0));
  }
  ClassLabels labels;
  if (!stringValues.empty()) {
    stringValues.push_back(defaultTensor && !defaultTensor->strings.empty() ? std::string(defaultTensor->strings[0])
                                                                            : n.s("default_string", "_Unused"));
    labels.strings = stringValues;
    return n.set(0, lookUp(n, labels, index));
  }
  if (!intValues.empty()) {
    intValues.push_back(n.i("default_int64", -1));
    labels.ints = intValues;
    return n.set(0, lookUp(n, labels, index));
  }
  floatValues.push_back(n.f("default_float", -0.0));
  Value entries = floats(n, floatValues, {int64_t(floatValues.size())}, n.b.getF32Type());
  return n.set(0, make<GatherOp>(n, n.dims(x), n.b.getF32Type(), entries, index, 0));
}

/// Strings to numbers or back, by a list of pairs.
static LogicalResult importCategoryMapper(NodeImport &n) {
  Value x = n.in(0);
  SmallVector<int64_t> ints = n.ints("cats_int64s");
  std::vector<std::string> strings = n.strings("cats_strings");
  if (ints.empty() || ints.size() != strings.size())
    return n.error("CategoryMapper has " + Twine(ints.size()) + " integers and " + Twine(strings.size()) + " strings, want equal numbers");
  ClassLabels labels;
  Value index;
  if (isString(n, x)) {
    auto found = stringIndex(n, x, strings);
    if (failed(found))
      return failure();
    index = *found;
    labels.ints = ints;
    labels.ints.push_back(n.i("default_int64", -1));
  } else {
    if (failed(expectElem(n, x, n.b.getI64Type(), "X")))
      return failure();
    index = indexOfKey(n, x, createInts(n.b, n.loc, ints));
    labels.strings = strings;
    labels.strings.push_back(n.s("default_string", "_Unused"));
  }
  return n.set(0, lookUp(n, labels, index));
}

static LogicalResult refuse(NodeImport &n) { return n.unsupported("operator " + n.opType() + " is not supported"); }

llvm::ArrayRef<OpRow> mlOps() {
  static constexpr StringLiteral ml = "ai.onnx.ml";
  static const OpRow rows[] = {
      {ml, "TreeEnsembleClassifier", 1, 1, 1, importTreeClassifier},
      {ml, "TreeEnsembleRegressor", 1, 1, 1, importTreeRegressor},
      {ml, "TreeEnsemble", 5, 1, 1, importTreeEnsemble},
      {ml, "LinearClassifier", 1, 1, 1, importLinearClassifier},
      {ml, "LinearRegressor", 1, 1, 1, importLinearRegressor},
      {ml, "SVMRegressor", 1, 1, 1, importSVMRegressor},
      {ml, "SVMClassifier", 1, 1, 1, importSVMClassifier},
      {ml, "Scaler", 1, 1, 1, importScaler},
      {ml, "Normalizer", 1, 1, 1, importNormalizer},
      {ml, "Binarizer", 1, 1, 1, importBinarizer},
      {ml, "Imputer", 1, 1, 1, importImputer},
      {ml, "FeatureVectorizer", 1, 1, -1, importFeatureVectorizer},
      {ml, "ArrayFeatureExtractor", 1, 2, 2, importArrayFeatureExtractor},
      {ml, "ZipMap", 1, 1, 1, importZipMap},
      {ml, "OneHotEncoder", 1, 1, 1, importOneHotEncoder},
      {ml, "LabelEncoder", 1, 1, 1, importLabelEncoder},
      {ml, "CategoryMapper", 1, 1, 1, importCategoryMapper},
      {ml, "CastMap", 1, 1, 1, refuse},
      {ml, "DictVectorizer", 1, 1, 1, refuse},
  };
  return rows;
}

} // namespace smelt::onnx
