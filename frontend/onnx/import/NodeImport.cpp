//===- NodeImport.cpp - What an op's function is given ----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attributes with their kinds checked, known integers, errors at the node, and
// builders of primitive ops that type their results.
//
//===----------------------------------------------------------------------===//
#include "frontend/onnx/import/Graph.h"

using namespace mlir;

namespace smelt::onnx {

//===----------------------------------------------------------------------===//
// Errors and attributes
//===----------------------------------------------------------------------===//

LogicalResult NodeImport::error(const Twine &message, StringRef code, int exitCode) const {
  return importer.report(node, message, code, exitCode);
}

const Attribute *NodeImport::attribute(StringRef name) const {
  return node.attribute(std::string_view(name.data(), name.size()));
}

bool NodeImport::has(StringRef name) const { return attribute(name) != nullptr; }

LogicalResult NodeImport::require(StringRef name) const {
  if (has(name))
    return success();
  return error("attribute '" + name + "' is missing, it is required", "onnx.missing-attribute");
}

/// The attribute when it is there and of that kind.
static const Attribute *typed(const NodeImport &n, StringRef name, AttrKind kind) {
  const Attribute *attribute = n.attribute(name);
  if (!attribute || attribute->kind == kind)
    return attribute;
  (void)n.error("attribute '" + name + "' is of kind " + ref(onnx::name(attribute->kind)) + ", want " +
                    ref(onnx::name(kind)),
                "onnx.attribute-kind");
  return nullptr;
}

int64_t NodeImport::i(StringRef name, int64_t fallback) const {
  const Attribute *a = typed(*this, name, AttrKind::Int);
  return a ? a->i : fallback;
}

double NodeImport::f(StringRef name, double fallback) const {
  const Attribute *a = typed(*this, name, AttrKind::Float);
  return a ? a->f : fallback;
}

std::string NodeImport::s(StringRef name, StringRef fallback) const {
  const Attribute *a = typed(*this, name, AttrKind::String);
  return a ? std::string(a->s) : fallback.str();
}

SmallVector<int64_t> NodeImport::ints(StringRef name, ArrayRef<int64_t> fallback) const {
  const Attribute *a = typed(*this, name, AttrKind::Ints);
  return a ? SmallVector<int64_t>(a->ints.begin(), a->ints.end()) : SmallVector<int64_t>(fallback);
}

SmallVector<double> NodeImport::floats(StringRef name) const {
  const Attribute *a = typed(*this, name, AttrKind::Floats);
  return a ? SmallVector<double>(a->floats.begin(), a->floats.end()) : SmallVector<double>();
}

std::vector<std::string> NodeImport::strings(StringRef name) const {
  const Attribute *a = typed(*this, name, AttrKind::Strings);
  return a ? std::vector<std::string>(a->strings.begin(), a->strings.end()) : std::vector<std::string>();
}

const Tensor *NodeImport::tensor(StringRef name) const {
  const Attribute *a = attribute(name);
  if (a && a->kind == AttrKind::SparseTensor)
    return a->tensor;
  a = typed(*this, name, AttrKind::Tensor);
  return a ? a->tensor : nullptr;
}

//===----------------------------------------------------------------------===//
// Types, symbols, known integers
//===----------------------------------------------------------------------===//

FailureOr<int64_t> NodeImport::axis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) {
    (void)error("axis " + Twine(axis) + " is out of range, want " + Twine(-rank) + ".." + Twine(rank - 1),
                "onnx.axis");
    return failure();
  }
  return axis < 0 ? axis + rank : axis;
}

Type NodeImport::dtype(DType dtype) const { return importer.elementType(dtype, node); }

LogicalResult NodeImport::sameElementType(ValueRange values) {
  Value first;
  for (Value value : values) {
    if (!value)
      continue;
    if (!first)
      first = value;
    if (elem(value) == elem(first))
      continue;
    std::string text;
    llvm::raw_string_ostream(text) << "inputs are of element types " << elem(first) << " and " << elem(value)
                                   << ", want the same";
    return error(text, "onnx.dtype-mismatch");
  }
  return success();
}

DimSymbols &NodeImport::symbols() { return importer.symbols; }

std::optional<SmallVector<AffineExpr>> NodeImport::known(Value v) {
  return v ? importer.values.get(v) : std::nullopt;
}

FailureOr<SmallVector<AffineExpr>> NodeImport::exprs(Value v, StringRef name, int64_t min, int64_t max) {
  if (!v)
    return failure();
  if (auto values = known(v))
    return *values;
  RankedTensorType t = type(v);
  if (!isa<IntegerType>(t.getElementType()))
    return error("'" + name + "' must be integers", "onnx.dtype-mismatch");
  if (t.getRank() > 1 || !t.hasStaticShape() || t.getNumElements() > kInlineElements) {
    importer.wantSizes(dims(v), importer.wanted);
    return unsupported("'" + name + "' is computed at run time and not a vector of known, small size");
  }
  SmallVector<AffineExpr> result;
  SmallVector<int64_t> elements, ids;
  for (int64_t i = 0, e = t.getNumElements(); i < e; ++i) {
    result.push_back(symbols().fresh((name + Twine(i)).str(), min, max));
    elements.push_back(i);
    ids.push_back(cast<AffineSymbolExpr>(result.back()).getPosition());
  }
  if (!elements.empty())
    BindOp::create(b, loc, v, elements, ids);
  return result;
}

AffineExpr NodeImport::named(AffineExpr value, const Twine &name) {
  if (isa<AffineConstantExpr, AffineSymbolExpr>(value))
    return value;
  AffineExpr symbol = symbols().fresh((node.label() + "." + name).str());
  BindOp::create(b, loc, fromExprs({value}), ArrayRef<int64_t>{0},
                 ArrayRef<int64_t>{int64_t(cast<AffineSymbolExpr>(symbol).getPosition())});
  return symbol;
}

FailureOr<SmallVector<int64_t>> NodeImport::constants(Value v, StringRef what) {
  if (!v)
    return failure();
  if (auto ints = getConstantInts(v))
    return *ints;
  if (auto values = known(v)) {
    SmallVector<int64_t> result;
    for (AffineExpr expr : *values)
      if (auto constant = dyn_cast<AffineConstantExpr>(expr))
        result.push_back(constant.getValue());
    if (result.size() == values->size())
      return result;
  }
  importer.wantSizes(dims(v), importer.wanted);
  if (known(v))
    importer.wantSizes(*known(v), importer.wanted);
  return unsupported(what + " must be constant, it is computed at run time");
}

//===----------------------------------------------------------------------===//
// Builders
//===----------------------------------------------------------------------===//

static std::string shapeText(NodeImport &n, Value value) {
  std::string text;
  llvm::raw_string_ostream(text) << n.type(value);
  return text;
}

bool NodeImport::isZeroOrOne(AffineExpr dim) {
  return !isa<AffineConstantExpr>(dim) && symbols().range(dim).max <= 1;
}

AffineExpr NodeImport::broadcastDim(AffineExpr have, AffineExpr dim) {
  if (dim == num(1) || dim == have)
    return have;
  if (have == num(1) || isZeroOrOne(have))
    return dim;
  if (isZeroOrOne(dim))
    return have;
  // One of them may be 1 at run time and stretch; then the other one is the
  // result's. Where a range says that none is 1 they are equal, and a known
  // size names the other.
  if (isa<AffineConstantExpr>(dim))
    return dim;
  if (isa<AffineConstantExpr>(have) || symbols().range(have).min >= 2 || symbols().provablyEqual(have, dim))
    return have;
  // A size that is 1 whenever the other one is decides nothing.
  auto isOneWith = [&](AffineExpr x, AffineExpr other) {
    Range range = symbols().range(x, other, 1);
    return range.min == 1 && range.max == 1;
  };
  if (symbols().range(dim).min >= 2 || isOneWith(have, dim))
    return dim;
  return isOneWith(dim, have) ? have : symbols().select(have - 1, have, dim);
}

FailureOr<SmallVector<AffineExpr>> NodeImport::broadcastDims(ValueRange operands) {
  size_t rank = 0;
  for (Value x : operands) {
    if (!x)
      return failure();
    rank = std::max<size_t>(rank, this->rank(x));
  }
  SmallVector<AffineExpr> result(rank, num(1));
  SmallVector<Value> from(rank);
  for (Value x : operands) {
    SmallVector<AffineExpr> ds = dims(x);
    for (auto [i, dim] : llvm::enumerate(ds)) {
      size_t at = rank - ds.size() + i;
      AffineExpr &have = result[at];
      bool haveStatic = isa<AffineConstantExpr>(have) && have != num(1);
      if (haveStatic && isa<AffineConstantExpr>(dim) && dim != num(1) && dim != have)
        return error("shapes " + shapeText(*this, from[at]) + " and " + shapeText(*this, x) + " do not broadcast",
                     "onnx.shape-mismatch");
      AffineExpr both = broadcastDim(have, dim);
      if (both == dim && both != have)
        from[at] = x;
      have = both;
    }
  }
  return result;
}

FailureOr<SmallVector<AffineExpr>> NodeImport::unifyBroadcast(SmallVectorImpl<Value> &operands) {
  auto result = broadcastDims(operands);
  if (failed(result))
    return failure();
  for (Value &x : operands) {
    SmallVector<AffineExpr> ds = dims(x);
    bool changed = false;
    for (auto [i, dim] : llvm::enumerate(ds)) {
      AffineExpr want = (*result)[result->size() - ds.size() + i];
      if (dim == num(1) || dim == want)
        continue;
      if (!isZeroOrOne(dim) && symbols().range(dim).min < 2)
        continue; // 1 or the result's: the run decides
      dim = isZeroOrOne(dim) ? num(1) : want;
      changed = true;
    }
    if (changed)
      x = rebind(x, ds);
  }
  return result;
}

Value NodeImport::cmp(CmpKind kind, Value x, Value y) {
  SmallVector<Value> xs = {x, y};
  auto dims = unifyBroadcast(xs);
  if (failed(dims))
    return {};
  return CmpOp::create(b, loc, getTensorType(*dims, b.getI1Type()), xs[0], xs[1], kind);
}

Value NodeImport::cast(Value x, Type elementType) {
  if (!x || !elementType || elem(x) == elementType)
    return x;
  return elementwise<CastOp>({x}, elementType);
}

Value NodeImport::fromExprs(ArrayRef<AffineExpr> values) {
  SmallVector<int64_t> ints;
  for (AffineExpr value : values)
    if (auto constant = dyn_cast<AffineConstantExpr>(value))
      ints.push_back(constant.getValue());
  if (ints.size() == values.size())
    return createInts(b, loc, ints);
  return FromExprsOp::create(b, loc, RankedTensorType::get({int64_t(values.size())}, b.getI64Type()),
                             DimsAttr::get(b.getContext(), values));
}

Value NodeImport::exprScalar(Type elementType, AffineExpr value) {
  if (auto constant = dyn_cast<AffineConstantExpr>(value))
    return scalar(elementType, constant.getValue());
  Value x = FromExprsOp::create(b, loc, RankedTensorType::get({}, b.getI64Type()),
                                DimsAttr::get(b.getContext(), ArrayRef<AffineExpr>(value)));
  return cast(x, elementType);
}

Value NodeImport::rebind(Value x, ArrayRef<AffineExpr> dims) {
  if (!x)
    return {};
  RankedTensorType to = getTensorType(dims, elem(x));
  if (to == type(x))
    return x;
  return RebindOp::create(b, loc, to, x);
}

Value NodeImport::reshape(Value x, ArrayRef<AffineExpr> dims) {
  if (!x)
    return {};
  RankedTensorType from = type(x), to = getTensorType(dims, elem(x));
  if (to == from)
    return x;
  if (from.hasStaticShape() && to.hasStaticShape()) {
    // Products are taken in 128 bits: dims are at most 2^40 each, ranks 16.
    auto count = [](RankedTensorType t) {
      __int128 product = 1;
      for (int64_t size : t.getShape())
        product = size == 0 ? 0 : std::min<__int128>(product * size, __int128(1) << 80);
      return product;
    };
    if (count(from) != count(to)) {
      std::string text;
      llvm::raw_string_ostream(text) << "cannot reshape " << from << " to " << to << ": the numbers of elements differ";
      (void)error(text, "onnx.shape-mismatch");
      return {};
    }
  }
  return ReshapeOp::create(b, loc, to, x);
}

Value NodeImport::transpose(Value x, ArrayRef<int64_t> perm) {
  if (!x)
    return {};
  bool identity = true;
  SmallVector<AffineExpr> from = dims(x), to;
  for (auto [i, p] : llvm::enumerate(perm)) {
    identity &= p == int64_t(i);
    to.push_back(from[p]);
  }
  if (identity)
    return x;
  return TransposeOp::create(b, loc, getTensorType(to, elem(x)), x, perm);
}

Value NodeImport::broadcast(Value x, ArrayRef<AffineExpr> dims) {
  if (!x)
    return {};
  SmallVector<AffineExpr> have = this->dims(x);
  for (auto [i, dim] : llvm::enumerate(have)) {
    AffineExpr want = dims[dims.size() - have.size() + i];
    if (dim == num(1) || dim == want)
      continue;
    if (isZeroOrOne(dim))
      dim = num(1);
    else if (symbols().range(dim).min >= 2)
      dim = want; // else it is 1 or the result's: the run decides
  }
  x = rebind(x, have);
  RankedTensorType to = getTensorType(dims, elem(x));
  return to == type(x) ? x : BroadcastOp::create(b, loc, to, x);
}

Value NodeImport::slice(Value x, ArrayRef<AffineExpr> starts, ArrayRef<AffineExpr> sizes, ArrayRef<int64_t> steps) {
  if (!x)
    return {};
  SmallVector<int64_t> ones(starts.size(), 1);
  if (steps.empty())
    steps = ones;
  RankedTensorType to = getTensorType(sizes, elem(x));
  if (to == type(x) && llvm::all_of(steps, [](int64_t s) { return s == 1; }) &&
      llvm::all_of(starts, [&](AffineExpr e) { return e == num(0); }))
    return x;
  return SliceOp::create(b, loc, to, x, DimsAttr::get(b.getContext(), starts), steps);
}

Value NodeImport::concat(ValueRange xs, int64_t axis) {
  if (llvm::any_of(xs, [](Value x) { return !x; }) || xs.empty())
    return {};
  SmallVector<Value> operands(xs);
  SmallVector<AffineExpr> result = dims(xs.front());
  for (Value x : xs.drop_front()) {
    SmallVector<AffineExpr> ds = dims(x);
    if (ds.size() != result.size()) {
      (void)error("inputs of ranks " + Twine(result.size()) + " and " + Twine(ds.size()) + ", want equal ranks",
                  "onnx.shape-mismatch");
      return {};
    }
    for (size_t i = 0; i < ds.size(); ++i) {
      if (int64_t(i) == axis) {
        result[i] = result[i] + ds[i];
        continue;
      }
      if (isa<AffineConstantExpr>(result[i]) && isa<AffineConstantExpr>(ds[i]) && result[i] != ds[i]) {
        (void)error("shapes " + shapeText(*this, xs.front()) + " and " + shapeText(*this, x) + " differ in dim " +
                        Twine(i) + ", which is not the axis",
                    "onnx.shape-mismatch");
        return {};
      }
      if (isa<AffineConstantExpr>(ds[i]))
        result[i] = ds[i];
    }
  }
  for (Value &x : operands) {
    SmallVector<AffineExpr> ds = result;
    ds[axis] = dims(x)[axis];
    x = rebind(x, ds);
  }
  if (operands.size() == 1)
    return operands.front();
  return ConcatOp::create(b, loc, getTensorType(result, elem(xs.front())), operands, axis);
}

Value NodeImport::reduce(ReduceKind kind, Value x, ArrayRef<int64_t> axes, bool keepDims) {
  if (!x)
    return {};
  if (axes.empty())
    return x;
  SmallVector<int64_t> sorted(axes);
  llvm::sort(sorted);
  SmallVector<AffineExpr> kept, ones = dims(x);
  for (auto [i, dim] : llvm::enumerate(dims(x))) {
    if (llvm::is_contained(sorted, int64_t(i)))
      ones[i] = num(1);
    else
      kept.push_back(dim);
  }
  Value result = ReduceOp::create(b, loc, getTensorType(kept, elem(x)), x, kind, sorted);
  return keepDims ? reshape(result, ones) : result;
}

Value NodeImport::unsqueeze(Value x, ArrayRef<int64_t> axes) {
  if (!x)
    return {};
  SmallVector<AffineExpr> from = dims(x), to(from.size() + axes.size());
  for (size_t i = 0, next = 0; i < to.size(); ++i)
    to[i] = llvm::is_contained(axes, int64_t(i)) ? num(1) : from[next++];
  return reshape(x, to);
}

Value NodeImport::squeeze(Value x, ArrayRef<int64_t> axes) {
  if (!x)
    return {};
  SmallVector<AffineExpr> to, ones = dims(x);
  for (auto [i, dim] : llvm::enumerate(dims(x))) {
    if (!llvm::is_contained(axes, int64_t(i))) {
      to.push_back(dim);
      continue;
    }
    if (isa<AffineConstantExpr>(dim) && dim != num(1)) {
      (void)error("dim " + Twine(i) + " of " + shapeText(*this, x) + " is squeezed, its size must be 1",
                  "onnx.shape-mismatch");
      return {};
    }
    ones[i] = num(1);
  }
  return reshape(rebind(x, ones), to);
}

Value NodeImport::matmul(Value x, Value y, bool transposeLhs, bool transposeRhs, Type elementType) {
  if (!x || !y)
    return {};
  SmallVector<AffineExpr> a = dims(x), b = dims(y);
  size_t p = a.size(), q = b.size();
  if (p < 2 || q < 2) {
    (void)error("matrices of rank " + Twine(p) + " and " + Twine(q) + ", want at least 2", "onnx.shape-mismatch");
    return {};
  }
  // A size that one side knows names the other's; of two symbols the left one does.
  auto unify = [&](AffineExpr &s, AffineExpr &t) -> LogicalResult {
    bool known = isa<AffineConstantExpr>(t);
    if (s != t && known && isa<AffineConstantExpr>(s))
      return error("cannot multiply " + shapeText(*this, x) + " by " + shapeText(*this, y) + ": sizes " +
                       Twine(cast<AffineConstantExpr>(s).getValue()) + " and " +
                       Twine(cast<AffineConstantExpr>(t).getValue()) + " must be equal",
                   "onnx.shape-mismatch");
    (known ? s : t) = known ? t : s;
    return success();
  };
  if (failed(unify(a[p - (transposeLhs ? 2 : 1)], b[q - (transposeRhs ? 1 : 2)])))
    return {};
  SmallVector<AffineExpr> result(std::max(p, q), num(1));
  for (size_t back = 3; back <= result.size(); ++back) {
    AffineExpr one = num(1), *s = back <= p ? &a[p - back] : &one, *t = back <= q ? &b[q - back] : &one;
    if (*s != *t && isZeroOrOne(*s))
      *s = num(1);
    if (*s != *t && isZeroOrOne(*t))
      *t = num(1);
    AffineExpr &to = result[result.size() - back];
    if (*s == num(1) || *t == num(1)) {
      to = *s != num(1) ? *s : *t;
    } else if (!isa<AffineConstantExpr>(*s) && !isa<AffineConstantExpr>(*t) && *s != *t && symbols().range(*s).min < 2 &&
               symbols().range(*t).min < 2) {
      to = broadcastDim(*s, *t); // each may be 1 at run time
    } else {
      if (failed(unify(*s, *t)))
        return {};
      to = *s;
    }
  }
  result[result.size() - 2] = a[p - (transposeLhs ? 1 : 2)];
  result[result.size() - 1] = b[q - (transposeRhs ? 2 : 1)];
  x = rebind(x, a);
  y = rebind(y, b);
  return MatMulOp::create(this->b, loc, getTensorType(result, elementType ? elementType : elem(x)), x, y, transposeLhs,
                          transposeRhs);
}

Value NodeImport::iota(Type elementType, ArrayRef<AffineExpr> dims, int64_t axis) {
  return IotaOp::create(b, loc, getTensorType(dims, elementType), axis);
}

void NodeImport::checkEqual(AffineExpr x, AffineExpr y, const Twine &message) {
  if (symbols().provablyEqual(x, y))
    return;
  AffineExpr difference = simplifyAffineExpr(x - y, 0, symbols().size());
  checkZero(symbols().max(difference, -difference), message);
}

void NodeImport::checkZero(AffineExpr value, const Twine &message) {
  if (symbols().provablyLessEqual(value, num(0)))
    return;
  AffineExpr holds = num(1) - symbols().min(value, num(1));
  CheckOp::create(b, loc, DimsAttr::get(b.getContext(), ArrayRef<AffineExpr>(holds)),
                  (StringRef(node.path()) + ": " + message).str());
}

Value NodeImport::softmax(Value x, ArrayRef<int64_t> axes, bool log) {
  Value shifted = sub(x, reduce(ReduceKind::max, x, axes, true));
  if (!shifted)
    return {};
  Value exp = elementwise<ExpOp>({shifted});
  Value sum = reduce(ReduceKind::sum, exp, axes, true);
  return log ? sub(shifted, elementwise<LogOp>({sum})) : div(exp, sum);
}

Value NodeImport::normalize(Value x, ArrayRef<int64_t> axes, double eps, Value *mean, Value *invStd) {
  if (!x)
    return {};
  AffineExpr count = num(1);
  for (int64_t axis : axes)
    count = count * dims(x)[axis];
  Value size = exprScalar(elem(x), count);
  Value m = div(reduce(ReduceKind::sum, x, axes, true), size);
  Value centred = sub(x, m);
  Value variance = div(reduce(ReduceKind::sum, mul(centred, centred), axes, true), size);
  Value std = elementwise<SqrtOp>({add(variance, scalar(elem(x), eps))});
  Value inverse = div(scalar(elem(x), 1), std);
  if (mean)
    *mean = m;
  if (invStd)
    *invStd = inverse;
  return mul(centred, inverse);
}

} // namespace smelt::onnx
