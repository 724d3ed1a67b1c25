//===- SymbolicValues.cpp - Small integer tensors as expressions ------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An evaluator whose numbers are quotients of affine expressions. It gives up
// (nothing) rather than approximate: what it does not know is computed on the
// device and read back. Tested by test/dialects/smelt/SymbolicValuesTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/SymbolicValues.h"
#include "dialects/smelt/Constants.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>
#include <cstring>

using namespace mlir;

namespace smelt {

/// Definitions are followed this far; the importer asks as it goes, so operands
/// are cached and real chains are short.
static constexpr unsigned kMaxDepth = 500;

static AffineExpr constantOf(AffineExpr like, int64_t value) { return getAffineConstantExpr(value, like.getContext()); }
static std::optional<int64_t> asConstant(AffineExpr expr) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue();
  return std::nullopt;
}
static bool isOne(AffineExpr expr) { return asConstant(expr) == 1; }

/// Sums and products; nothing when constants overflow.
static std::optional<AffineExpr> addExprs(AffineExpr a, AffineExpr b) {
  int64_t sum;
  auto x = asConstant(a), y = asConstant(b);
  if (x && y && __builtin_add_overflow(*x, *y, &sum))
    return std::nullopt;
  return a + b;
}
static std::optional<AffineExpr> mulExprs(AffineExpr a, AffineExpr b) {
  int64_t product;
  auto x = asConstant(a), y = asConstant(b);
  if (x && y && __builtin_mul_overflow(*x, *y, &product))
    return std::nullopt;
  return a * b;
}

Predicate Predicate::negated() const {
  switch (kind) {
  case CmpKind::eq: return {expr, CmpKind::ne};
  case CmpKind::ne: return {expr, CmpKind::eq};
  case CmpKind::lt: return {expr, CmpKind::ge};
  case CmpKind::le: return {expr, CmpKind::gt};
  case CmpKind::gt: return {expr, CmpKind::le};
  case CmpKind::ge: return {expr, CmpKind::lt};
  }
  llvm_unreachable("all kinds are listed");
}

//===----------------------------------------------------------------------===//
// Assumptions
//===----------------------------------------------------------------------===//

void SymbolicValues::push(Predicate assumption) {
  assumptions.push_back(assumption);
  cache.clear();
}

void SymbolicValues::pop() {
  assumptions.pop_back();
  cache.clear();
}

/// What `x kind 0` says of x.
static Range rangeOf(CmpKind kind) {
  constexpr int64_t low = std::numeric_limits<int64_t>::min(), high = std::numeric_limits<int64_t>::max();
  switch (kind) {
  case CmpKind::eq: return {0, 0};
  case CmpKind::lt: return {low, -1};
  case CmpKind::le: return {low, 0};
  case CmpKind::gt: return {1, high};
  case CmpKind::ge: return {0, high};
  case CmpKind::ne: return {low, high};
  }
  llvm_unreachable("all kinds are listed");
}

static int64_t saturatedAdd(int64_t a, int64_t b) {
  int64_t sum;
  if (!__builtin_add_overflow(a, b, &sum))
    return sum;
  return a > 0 ? std::numeric_limits<int64_t>::max() : std::numeric_limits<int64_t>::min();
}

std::optional<bool> SymbolicValues::decide(Predicate predicate) const {
  unsigned count = symbols.size();
  AffineExpr expr = simplifyAffineExpr(predicate.expr, 0, count);
  Range r = symbols.range(expr);
  bool notZero = false;
  for (const Predicate &known : assumptions) {
    Range bound = rangeOf(known.kind);
    // expr = known + k, or expr = k - known.
    if (auto k = asConstant(simplifyAffineExpr(expr - known.expr, 0, count))) {
      r = {std::max(r.min, saturatedAdd(bound.min, *k)), std::min(r.max, saturatedAdd(bound.max, *k))};
      notZero |= known.kind == CmpKind::ne && *k == 0;
    } else if (auto k = asConstant(simplifyAffineExpr(expr + known.expr, 0, count))) {
      int64_t low = bound.max == std::numeric_limits<int64_t>::max() ? std::numeric_limits<int64_t>::min()
                                                                     : saturatedAdd(*k, -bound.max);
      int64_t high = bound.min == std::numeric_limits<int64_t>::min() ? std::numeric_limits<int64_t>::max()
                                                                      : saturatedAdd(*k, -bound.min);
      r = {std::max(r.min, low), std::min(r.max, high)};
      notZero |= known.kind == CmpKind::ne && *k == 0;
    }
  }
  notZero |= r.min > 0 || r.max < 0;
  switch (predicate.kind) {
  case CmpKind::eq:
  case CmpKind::ne:
    if (notZero)
      return predicate.kind == CmpKind::ne;
    if (r.min == 0 && r.max == 0)
      return predicate.kind == CmpKind::eq;
    return std::nullopt;
  case CmpKind::lt:
  case CmpKind::ge:
    if (r.max < 0)
      return predicate.kind == CmpKind::lt;
    if (r.min >= 0)
      return predicate.kind == CmpKind::ge;
    return std::nullopt;
  case CmpKind::le:
  case CmpKind::gt:
    if (r.max <= 0)
      return predicate.kind == CmpKind::le;
    if (r.min > 0)
      return predicate.kind == CmpKind::gt;
    return std::nullopt;
  }
  llvm_unreachable("all kinds are listed");
}

//===----------------------------------------------------------------------===//
// Entry points
//===----------------------------------------------------------------------===//

std::optional<SmallVector<Quotient>> SymbolicValues::getQuotients(Value value) { return evaluate(value, 0); }

std::optional<SmallVector<AffineExpr>> SymbolicValues::get(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || !isa<IntegerType>(type.getElementType()))
    return std::nullopt;
  auto elements = evaluate(value, 0);
  if (!elements)
    return std::nullopt;
  SmallVector<AffineExpr> exprs;
  for (Quotient q : *elements)
    exprs.push_back(q.num);
  return exprs;
}

std::optional<Predicate> SymbolicValues::getPredicate(Value value) {
  Operation *op = value.getDefiningOp();
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!op || !type || !type.hasStaticShape() || type.getNumElements() != 1)
    return std::nullopt;
  if (isa<ReshapeOp, RebindOp, BroadcastOp>(op))
    return getPredicate(op->getOperand(0));
  if (isa<CastOp>(op) && isa<IntegerType>(cast<RankedTensorType>(op->getOperand(0).getType()).getElementType()) &&
      type.getElementType().isInteger(1))
    return getPredicate(op->getOperand(0));
  if (isa<NotOp>(op) && type.getElementType().isInteger(1)) {
    auto inner = getPredicate(op->getOperand(0));
    return inner ? std::optional(inner->negated()) : std::nullopt;
  }
  if (auto cmp = dyn_cast<CmpOp>(op)) {
    auto a = evaluate(cmp.getLhs(), 0), b = evaluate(cmp.getRhs(), 0);
    if (!a || !b)
      return std::nullopt;
    auto x = mulExprs((*a)[0].num, (*b)[0].den), y = mulExprs((*b)[0].num, (*a)[0].den);
    if (!x || !y)
      return std::nullopt;
    return Predicate{simplifyAffineExpr(*x - *y, 0, symbols.size()), cmp.getKind()};
  }
  auto elements = get(value);
  if (!elements)
    return std::nullopt;
  return Predicate{(*elements)[0], CmpKind::ne};
}

std::optional<SymbolicValues::Elements> SymbolicValues::evaluate(Value value, unsigned depth) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  Operation *op = value.getDefiningOp();
  if (!type || !op || depth > kMaxDepth || !type.hasStaticShape() || !type.getElementType().isIntOrFloat())
    return std::nullopt;
  int64_t count = 1;
  for (int64_t size : type.getShape())
    if (__builtin_mul_overflow(count, size, &count))
      return std::nullopt;
  if (count > kInlineElements)
    return std::nullopt;
  if (auto it = cache.find(value); it != cache.end())
    return it->second;
  auto result = evaluateOp(op, type, depth);
  if (result && int64_t(result->size()) != count)
    result = std::nullopt;
  return cache[value] = result;
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

/// A float as n / 2^k with k <= 12: the scales and halves of shape arithmetic.
/// Others (0.1) do not compute exactly in f32, so their floors are not ours to know.
static std::optional<Quotient> exactFloat(double value, MLIRContext *context) {
  for (int k = 0; k <= 12; ++k) {
    double scaled = std::ldexp(value, k);
    if (std::fabs(scaled) < double(int64_t(1) << 52) && scaled == std::floor(scaled))
      return Quotient{getAffineConstantExpr(int64_t(scaled), context),
                      getAffineConstantExpr(int64_t(1) << k, context)};
  }
  return std::nullopt;
}

static std::optional<SmallVector<Quotient>> constantElements(ConstantOp op, RankedTensorType type) {
  MLIRContext *context = op.getContext();
  SmallVector<Quotient> result;
  AffineExpr one = getAffineConstantExpr(1, context);
  if (auto ints = getConstantInts(op.getResult(), kInlineElements)) {
    for (int64_t value : *ints)
      result.push_back({getAffineConstantExpr(value, context), one});
    return result;
  }
  auto bytes = getConstantBytes(op.getResult());
  if (!bytes || !isa<FloatType>(type.getElementType()))
    return std::nullopt;
  auto floatType = cast<FloatType>(type.getElementType());
  int64_t size = getElementBytes(floatType);
  for (int64_t i = 0, e = type.getNumElements(); i < e; ++i) {
    uint64_t word = 0;
    std::memcpy(&word, bytes->data.data() + i * size, size);
    APFloat f(floatType.getFloatSemantics(), APInt(floatType.getWidth(), word, false, true));
    bool lost;
    f.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
    if (!f.isFinite())
      return std::nullopt;
    auto q = exactFloat(f.convertToDouble(), context);
    if (!q)
      return std::nullopt;
    result.push_back(*q);
  }
  return result;
}

std::optional<SymbolicValues::Elements> SymbolicValues::evaluateOp(Operation *op, RankedTensorType type,
                                                                   unsigned depth) {
  if (auto constant = dyn_cast<ConstantOp>(op))
    return constantElements(constant, type);
  if (auto fromExprs = dyn_cast<FromExprsOp>(op)) {
    Elements result;
    for (AffineExpr expr : fromExprs.getValues().getExprs())
      result.push_back({expr, constantOf(expr, 1)});
    return result;
  }
  if (isa<ReshapeOp, RebindOp>(op))
    return evaluate(op->getOperand(0), depth + 1);
  if (isa<ScalarBodyInterface>(op))
    return elementwise(op, type, depth);
  return movement(op, type, depth);
}

/// Index of an operand's element for an element of the broadcast result.
static int64_t broadcastIndex(int64_t index, ArrayRef<int64_t> shape, ArrayRef<int64_t> from) {
  int64_t result = 0, stride = 1;
  for (int64_t d = shape.size() - 1; d >= 0; --d) {
    int64_t at = index % shape[d], back = int64_t(shape.size()) - d;
    index /= shape[d];
    if (back > int64_t(from.size()))
      continue;
    int64_t size = from[from.size() - back];
    result += (size == 1 ? 0 : at) * stride;
    stride *= size;
  }
  return result;
}

std::optional<SymbolicValues::Elements> SymbolicValues::elementwise(Operation *op, RankedTensorType type,
                                                                    unsigned depth) {
  SmallVector<Elements> operands;
  for (Value operand : op->getOperands()) {
    auto elements = evaluate(operand, depth + 1);
    if (!elements)
      return std::nullopt;
    operands.push_back(std::move(*elements));
  }
  Elements result;
  for (int64_t i = 0, e = type.getNumElements(); i < e; ++i) {
    SmallVector<Quotient> args;
    for (auto [operand, elements] : llvm::zip(op->getOperands(), operands))
      args.push_back(elements[broadcastIndex(i, type.getShape(), cast<RankedTensorType>(operand.getType()).getShape())]);
    auto value = scalar(op, args);
    if (!value)
      return std::nullopt;
    value->num = simplifyAffineExpr(value->num, 0, symbols.size());
    result.push_back(*value);
  }
  return result;
}

/// a kind b as 0 or 1.
std::optional<Quotient> SymbolicValues::compare(CmpKind kind, Quotient a, Quotient b) {
  auto x = mulExprs(a.num, b.den), y = mulExprs(b.num, a.den);
  if (!x || !y)
    return std::nullopt;
  AffineExpr e = simplifyAffineExpr(*x - *y, 0, symbols.size()), zero = constantOf(e, 0), one = constantOf(e, 1);
  if (auto decided = decide({e, kind}))
    return Quotient{*decided ? one : zero, one};
  auto truth = [&](AffineExpr positive) { return symbols.min(symbols.max(positive, zero), one); };
  switch (kind) {
  case CmpKind::eq: return Quotient{one - truth(symbols.max(e, -e)), one};
  case CmpKind::ne: return Quotient{truth(symbols.max(e, -e)), one};
  case CmpKind::lt: return Quotient{truth(-e), one};
  case CmpKind::le: return Quotient{truth(one - e), one};
  case CmpKind::gt: return Quotient{truth(e), one};
  case CmpKind::ge: return Quotient{truth(e + 1), one};
  }
  llvm_unreachable("all kinds are listed");
}

/// Sum, product, maximum, minimum of two.
std::optional<Quotient> SymbolicValues::combine(Operation *op, ReduceKind kind, Quotient a, Quotient b) {
  auto quotient = [](std::optional<AffineExpr> num, std::optional<AffineExpr> den) -> std::optional<Quotient> {
    if (!num || !den)
      return std::nullopt;
    return Quotient{*num, *den};
  };
  if (kind == ReduceKind::prod) {
    // dim * (size / dim) is size: scales that were computed from sizes.
    if (a.num == b.den)
      return Quotient{b.num, a.den};
    if (b.num == a.den)
      return Quotient{a.num, b.den};
    return quotient(mulExprs(a.num, b.num), mulExprs(a.den, b.den));
  }
  auto x = a.den == b.den ? std::optional(a.num) : mulExprs(a.num, b.den);
  auto y = a.den == b.den ? std::optional(b.num) : mulExprs(b.num, a.den);
  auto den = a.den == b.den ? std::optional(a.den) : mulExprs(a.den, b.den);
  if (!x || !y || !den)
    return std::nullopt;
  switch (kind) {
  case ReduceKind::sum: return quotient(addExprs(*x, *y), den);
  case ReduceKind::max: return Quotient{symbols.max(*x, *y), *den};
  case ReduceKind::min: return Quotient{symbols.min(*x, *y), *den};
  case ReduceKind::prod: break;
  }
  return std::nullopt;
}

std::optional<Quotient> SymbolicValues::scalar(Operation *op, ArrayRef<Quotient> args) {
  auto elementOf = [](Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); };
  Type to = elementOf(op->getResult(0));
  bool isFloat = isa<FloatType>(to), isBool = to.isInteger(1);
  Quotient a = args[0];
  AffineExpr one = constantOf(a.num, 1), zero = constantOf(a.num, 0);
  auto negate = [&](Quotient q) -> std::optional<Quotient> {
    auto num = mulExprs(q.num, constantOf(q.num, -1));
    return num ? std::optional(Quotient{*num, q.den}) : std::nullopt;
  };
  /// trunc(num / den) for den > 0.
  auto truncate = [&](AffineExpr num, AffineExpr den) -> std::optional<Quotient> {
    if (isOne(den))
      return Quotient{num, one};
    Range r = symbols.range(num);
    if (r.min >= 0)
      return Quotient{num.floorDiv(den), one};
    if (r.max <= 0 && r.min > std::numeric_limits<int64_t>::min())
      return Quotient{-((-num).floorDiv(den)), one};
    return std::nullopt;
  };
  return TypeSwitch<Operation *, std::optional<Quotient>>(op)
      .Case<CastOp>([&](CastOp cast) -> std::optional<Quotient> {
        if (isBool)
          return compare(CmpKind::ne, a, {zero, one});
        if (isFloat)
          return a;
        auto q = truncate(a.num, a.den);
        // Narrow types wrap; sizes that fit in them do not.
        unsigned width = to.getIntOrFloatBitWidth();
        if (!q || width >= 64)
          return q;
        Range r = symbols.range(q->num);
        if (isUnsigned(to) ? r.min < 0 : r.min < -(int64_t(1) << (width - 1)))
          return std::nullopt;
        if (asConstant(q->num) && r.max >= (int64_t(1) << (isUnsigned(to) ? width : width - 1)))
          return std::nullopt;
        if (width < 32 && r.max >= (int64_t(1) << (width - 1)))
          return std::nullopt;
        return q;
      })
      .Case<AddOp>([&](Operation *) { return combine(op, ReduceKind::sum, a, args[1]); })
      .Case<SubOp>([&](Operation *) -> std::optional<Quotient> {
        auto b = negate(args[1]);
        return b ? combine(op, ReduceKind::sum, a, *b) : std::nullopt;
      })
      .Case<MulOp>([&](Operation *) { return combine(op, ReduceKind::prod, a, args[1]); })
      .Case<MaxOp>([&](Operation *) { return combine(op, ReduceKind::max, a, args[1]); })
      .Case<MinOp>([&](Operation *) { return combine(op, ReduceKind::min, a, args[1]); })
      .Case<DivOp>([&](Operation *) -> std::optional<Quotient> {
        Quotient b = args[1];
        Range r = symbols.range(b.num);
        if (r.max < 0) { // both signs turned
          auto x = negate(a), y = negate(b);
          if (!x || !y)
            return std::nullopt;
          a = *x, b = *y;
        } else if (r.min <= 0) {
          if (r.min < 0 || r.max == 0)
            return std::nullopt;
          b.num = symbols.max(b.num, one); // a size; x / 0 is nobody's meaning
        }
        auto num = mulExprs(a.num, b.den), den = mulExprs(a.den, b.num);
        if (!num || !den)
          return std::nullopt;
        auto x = asConstant(*num), y = asConstant(*den);
        if (x && y && *x % *y == 0)
          return Quotient{constantOf(*num, *x / *y), one};
        return isFloat ? std::optional(Quotient{*num, *den}) : truncate(*num, *den);
      })
      .Case<ModOp, RemOp>([&](Operation *) -> std::optional<Quotient> {
        Quotient b = args[1];
        if (isFloat || symbols.range(b.num).min <= 0 || (isa<RemOp>(op) && symbols.range(a.num).min < 0))
          return std::nullopt;
        return Quotient{a.num % b.num, one};
      })
      .Case<NegOp>([&](Operation *) { return negate(a); })
      .Case<AbsOp>([&](Operation *) -> std::optional<Quotient> {
        auto b = negate(a);
        return b ? std::optional(Quotient{symbols.max(a.num, b->num), a.den}) : std::nullopt;
      })
      .Case<FloorOp>([&](Operation *) { return Quotient{isOne(a.den) ? a.num : a.num.floorDiv(a.den), one}; })
      .Case<CeilOp>([&](Operation *) { return Quotient{isOne(a.den) ? a.num : a.num.ceilDiv(a.den), one}; })
      .Case<RoundOp>([&](Operation *) { return isOne(a.den) ? std::optional(a) : std::nullopt; })
      .Case<CmpOp>([&](CmpOp cmp) { return compare(cmp.getKind(), a, args[1]); })
      .Case<NotOp>([&](Operation *) { return isBool ? std::optional(Quotient{one - a.num, one}) : std::nullopt; })
      .Case<AndOp>([&](Operation *) -> std::optional<Quotient> {
        return isBool ? combine(op, ReduceKind::min, a, args[1]) : std::nullopt;
      })
      .Case<OrOp>([&](Operation *) -> std::optional<Quotient> {
        return isBool ? combine(op, ReduceKind::max, a, args[1]) : std::nullopt;
      })
      .Case<SelectOp>([&](Operation *) -> std::optional<Quotient> {
        if (auto c = asConstant(a.num))
          return args[*c != 0 ? 1 : 2];
        if (args[1].den != args[2].den)
          return std::nullopt;
        return Quotient{symbols.select(a.num, args[1].num, args[2].num), args[1].den};
      })
      .Default([](Operation *) { return std::nullopt; });
}

//===----------------------------------------------------------------------===//
// Movement
//===----------------------------------------------------------------------===//

static SmallVector<int64_t> unravel(int64_t index, ArrayRef<int64_t> shape) {
  SmallVector<int64_t> at(shape.size());
  for (int64_t d = shape.size() - 1; d >= 0; --d) {
    at[d] = index % shape[d];
    index /= shape[d];
  }
  return at;
}

static int64_t ravel(ArrayRef<int64_t> at, ArrayRef<int64_t> shape) {
  int64_t index = 0;
  for (auto [i, size] : llvm::zip(at, shape))
    index = index * size + i;
  return index;
}

std::optional<SymbolicValues::Elements> SymbolicValues::movement(Operation *op, RankedTensorType type,
                                                                 unsigned depth) {
  ArrayRef<int64_t> shape = type.getShape();
  int64_t count = type.getNumElements();
  if (auto iota = dyn_cast<IotaOp>(op)) {
    Elements result;
    for (int64_t i = 0; i < count; ++i)
      result.push_back({getAffineConstantExpr(unravel(i, shape)[iota.getAxis()], op->getContext()),
                        getAffineConstantExpr(1, op->getContext())});
    return result;
  }
  if (!isa<BroadcastOp, TileOp, TransposeOp, SliceOp, ConcatOp, GatherOp, ReduceOp>(op))
    return std::nullopt;

  SmallVector<Elements> xs;
  for (Value operand : op->getOperands()) {
    auto elements = evaluate(operand, depth + 1);
    if (!elements)
      return std::nullopt;
    xs.push_back(std::move(*elements));
  }
  auto shapeOf = [&](unsigned i) { return cast<RankedTensorType>(op->getOperand(i).getType()).getShape(); };
  ArrayRef<int64_t> from = shapeOf(0);

  if (auto reduce = dyn_cast<ReduceOp>(op)) {
    SmallVector<std::optional<Quotient>> sums(count);
    for (auto [i, x] : llvm::enumerate(xs[0])) {
      SmallVector<int64_t> at = unravel(i, from), kept;
      for (auto [d, index] : llvm::enumerate(at))
        if (!llvm::is_contained(reduce.getAxes(), int64_t(d)))
          kept.push_back(index);
      auto &sum = sums[ravel(kept, shape)];
      sum = sum ? combine(op, reduce.getKind(), *sum, x) : std::optional(x);
      if (!sum)
        return std::nullopt;
    }
    Elements result;
    for (auto &sum : sums) {
      if (!sum)
        return std::nullopt; // a reduction of nothing
      sum->num = simplifyAffineExpr(sum->num, 0, symbols.size());
      result.push_back(*sum);
    }
    return result;
  }

  Elements result;
  for (int64_t i = 0; i < count; ++i) {
    SmallVector<int64_t> at = unravel(i, shape);
    unsigned which = 0;
    SmallVector<int64_t> source(from.size());
    if (isa<BroadcastOp>(op)) {
      result.push_back(xs[0][broadcastIndex(i, shape, from)]);
      continue;
    }
    if (isa<TileOp>(op)) {
      for (size_t d = 0; d < from.size(); ++d)
        source[d] = at[d] % from[d];
    } else if (auto transpose = dyn_cast<TransposeOp>(op)) {
      for (auto [d, p] : llvm::enumerate(transpose.getPerm()))
        source[p] = at[d];
    } else if (auto slice = dyn_cast<SliceOp>(op)) {
      auto starts = slice.getStarts().getStatic();
      if (!starts)
        return std::nullopt;
      for (size_t d = 0; d < from.size(); ++d)
        source[d] = (*starts)[d] + at[d] * slice.getSteps()[d];
    } else if (auto concat = dyn_cast<ConcatOp>(op)) {
      source = at;
      int64_t axis = concat.getAxis();
      while (source[axis] >= shapeOf(which)[axis])
        source[axis] -= shapeOf(which++)[axis];
    } else if (auto gather = dyn_cast<GatherOp>(op)) {
      int64_t axis = gather.getAxis();
      ArrayRef<int64_t> indexShape = shapeOf(1);
      auto index = asConstant(xs[1][ravel(ArrayRef(at).slice(axis, indexShape.size()), indexShape)].num);
      if (!index)
        return std::nullopt;
      for (int64_t d = 0; d < int64_t(from.size()); ++d)
        source[d] = d < axis ? at[d] : d == axis ? (*index < 0 ? *index + from[d] : *index)
                                                 : at[d + indexShape.size() - 1];
    }
    ArrayRef<int64_t> sourceShape = shapeOf(which);
    for (auto [d, index] : llvm::enumerate(source))
      if (index < 0 || index >= sourceShape[d])
        return std::nullopt;
    result.push_back(xs[which][ravel(source, sourceShape)]);
  }
  return result;
}

} // namespace smelt
