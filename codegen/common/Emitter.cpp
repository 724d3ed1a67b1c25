//===- Emitter.cpp - Index arithmetic, control, memory ----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The part of the emitter that knows no op. Arithmetic is folded and shared
// within a scope (the body of a loop or branch), which keeps the IR small and
// lets equal indices be equal values, on which the element cache relies.
//
//===----------------------------------------------------------------------===//
#include "codegen/common/Emitter.h"
#include "dialects/smelt/NarrowFloat.h"

using namespace mlir;
using namespace smelt;
using namespace smelt::codegen;

//===----------------------------------------------------------------------===//
// Index arithmetic
//===----------------------------------------------------------------------===//

Value Emitter::num(int64_t value) {
  Value &cached = constants[value];
  if (!cached) {
    // Constants stand at the function's entry, so every scope may use them.
    OpBuilder::InsertionGuard guard(b);
    Operation *parent = b.getInsertionBlock()->getParentOp();
    auto function = isa<FunctionOpInterface>(parent) ? cast<FunctionOpInterface>(parent)
                                                     : parent->getParentOfType<FunctionOpInterface>();
    b.setInsertionPointToStart(&function.getFunctionBody().front());
    cached = arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
  }
  return cached;
}

std::optional<int64_t> Emitter::constant(Value v) {
  IntegerAttr attr;
  if (matchPattern(v, m_Constant(&attr)))
    return attr.getInt();
  return std::nullopt;
}

namespace {
enum Arith : unsigned { AddK, SubK, MulK, DivK, RemK, MinK, MaxK };
}

Value Emitter::binary(unsigned kind, Value x, Value y) {
  auto cx = constant(x), cy = constant(y);
  if (cx && cy) {
    switch (kind) {
    case AddK: return num(*cx + *cy);
    case SubK: return num(*cx - *cy);
    case MulK: return num(*cx * *cy);
    case DivK: if (*cy > 0) return num(*cx / *cy); break;
    case RemK: if (*cy > 0) return num(*cx % *cy); break;
    case MinK: return num(std::min(*cx, *cy));
    case MaxK: return num(std::max(*cx, *cy));
    }
  }
  if (kind == AddK && cx == 0)
    return y;
  if ((kind == AddK || kind == SubK) && cy == 0)
    return x;
  if (kind == MulK && (cx == 0 || cy == 0))
    return num(0);
  if (kind == MulK && cx == 1)
    return y;
  if ((kind == MulK || kind == DivK) && cy == 1)
    return x;
  if (kind == RemK && cy == 1)
    return num(0);
  if (kind == SubK && x == y)
    return num(0);
  auto key = std::make_tuple(kind, x.getAsOpaquePointer(), y.getAsOpaquePointer());
  for (Scope &scope : scopes)
    if (auto it = scope.arithmetic.find(key); it != scope.arithmetic.end())
      return it->second;
  Value result;
  switch (kind) {
  case AddK: result = arith::AddIOp::create(b, loc, x, y); break;
  case SubK: result = arith::SubIOp::create(b, loc, x, y); break;
  case MulK: result = arith::MulIOp::create(b, loc, x, y); break;
  case DivK: result = arith::DivUIOp::create(b, loc, x, y); break;
  case RemK: result = arith::RemUIOp::create(b, loc, x, y); break;
  case MinK: result = arith::MinSIOp::create(b, loc, x, y); break;
  case MaxK: result = arith::MaxSIOp::create(b, loc, x, y); break;
  }
  scopes.back().arithmetic[key] = result;
  return result;
}

Value Emitter::add(Value x, Value y) { return binary(AddK, x, y); }
Value Emitter::sub(Value x, Value y) { return binary(SubK, x, y); }
Value Emitter::mul(Value x, Value y) { return binary(MulK, x, y); }
Value Emitter::divU(Value x, Value y) { return binary(DivK, x, y); }
Value Emitter::remU(Value x, Value y) { return binary(RemK, x, y); }
Value Emitter::min(Value x, Value y) { return x == y ? x : binary(MinK, x, y); }
Value Emitter::max(Value x, Value y) { return x == y ? x : binary(MaxK, x, y); }

Value Emitter::cmp(arith::CmpIPredicate p, Value x, Value y) {
  return b.createOrFold<arith::CmpIOp>(loc, p, x, y);
}

Value Emitter::select(Value c, Value x, Value y) {
  if (x == y)
    return x;
  BoolAttr known;
  if (matchPattern(c, m_Constant(&known)))
    return known.getValue() ? x : y;
  return arith::SelectOp::create(b, loc, c, x, y);
}

Value Emitter::expr(AffineExpr e) {
  if (auto constantExpr = dyn_cast<AffineConstantExpr>(e))
    return num(constantExpr.getValue());
  if (auto symbol = dyn_cast<AffineSymbolExpr>(e)) {
    Value value = symbols.lookup(symbol.getPosition());
    assert(value && "kernel uses a symbol that was not passed");
    return value;
  }
  auto binaryExpr = cast<AffineBinaryOpExpr>(e);
  Value x = expr(binaryExpr.getLHS()), y = expr(binaryExpr.getRHS());
  switch (e.getKind()) {
  case AffineExprKind::Add: return add(x, y);
  case AffineExprKind::Mul: return mul(x, y);
  case AffineExprKind::FloorDiv: return arith::FloorDivSIOp::create(b, loc, x, y);
  case AffineExprKind::CeilDiv: return arith::CeilDivSIOp::create(b, loc, x, y);
  case AffineExprKind::Mod: {
    Value r = arith::RemSIOp::create(b, loc, x, y);
    return select(cmp(arith::CmpIPredicate::slt, r, num(0)), add(r, y), r);
  }
  default: llvm_unreachable("dims are no index expressions");
  }
}

SmallVector<Value> Emitter::delinearize(Value linear, ArrayRef<Value> sizes) {
  SmallVector<Value> index(sizes.size());
  for (int64_t i = int64_t(sizes.size()) - 1; i > 0; --i) {
    index[i] = remU(linear, sizes[i]);
    linear = divU(linear, sizes[i]);
  }
  if (!sizes.empty())
    index[0] = linear;
  return index;
}

//===----------------------------------------------------------------------===//
// Control
//===----------------------------------------------------------------------===//

void Emitter::forLoop(Value from, Value to, Value step, llvm::function_ref<void(Value)> body) {
  forLoop(from, to, step, ValueRange(), [&](Value iv, ValueRange) {
    body(iv);
    return SmallVector<Value>();
  });
}

SmallVector<Value> Emitter::forLoop(Value from, Value to, Value step, ValueRange inits,
                                    llvm::function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  // A loop of one turn is its body: static unit dims cost nothing.
  auto cf = constant(from), ct = constant(to), cs = constant(step);
  if (cf && ct && cs && *ct > *cf && *ct <= *cf + *cs)
    return body(from, inits);
  if (cf && ct && *ct <= *cf)
    return SmallVector<Value>(inits);
  auto loop = scf::ForOp::create(b, loc, from, to, step, inits);
  OpBuilder::InsertionGuard guard(b);
  if (inits.empty())
    b.setInsertionPoint(loop.getBody()->getTerminator());
  else
    b.setInsertionPointToStart(loop.getBody());
  pushScope();
  SmallVector<Value> results = body(loop.getInductionVar(), loop.getRegionIterArgs());
  popScope();
  if (!inits.empty())
    scf::YieldOp::create(b, loc, results);
  return SmallVector<Value>(loop.getResults());
}

void Emitter::ifThen(Value cond, llvm::function_ref<void()> body) {
  BoolAttr known;
  if (matchPattern(cond, m_Constant(&known))) {
    if (known.getValue())
      body();
    return;
  }
  auto op = scf::IfOp::create(b, loc, cond, /*withElse=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(op.thenBlock()->getTerminator());
  pushScope();
  body();
  popScope();
}

Value Emitter::ifElse(Value cond, Type type, llvm::function_ref<Value()> thenBody,
                      llvm::function_ref<Value()> elseBody) {
  BoolAttr known;
  if (matchPattern(cond, m_Constant(&known)))
    return known.getValue() ? thenBody() : elseBody();
  auto op = scf::IfOp::create(b, loc, TypeRange(type), cond, /*withElse=*/true);
  OpBuilder::InsertionGuard guard(b);
  for (bool isThen : {true, false}) {
    b.setInsertionPointToStart(isThen ? op.thenBlock() : op.elseBlock());
    pushScope();
    Value value = isThen ? thenBody() : elseBody();
    scf::YieldOp::create(b, loc, value);
    popScope();
  }
  return op.getResult(0);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value Emitter::address(Value base, Value elementIndex, Type elementType) {
  Type byteType = b.getI8Type();
  if (constant(elementIndex) == 0)
    return base;
  // Scaled by a type of the element's size, so that the target can use its addressing modes.
  int64_t bytes = getElementBytes(elementType);
  Type unit = bytes == 1 ? byteType : b.getIntegerType(8 * bytes);
  return LLVM::GEPOp::create(b, loc, LLVM::LLVMPointerType::get(b.getContext()), unit, base,
                             ArrayRef<LLVM::GEPArg>{elementIndex});
}

Value Emitter::offset(const Buffer &buffer, ArrayRef<Value> index) {
  Value total = num(0);
  for (auto [i, stride] : llvm::zip(index, buffer.strides))
    total = add(total, mul(i, stride));
  return total;
}

/// The type in memory: i1 and narrower integers take a byte, unsigned is signless.
static Type storageType(Type elementType) {
  if (auto integer = dyn_cast<IntegerType>(elementType))
    return IntegerType::get(integer.getContext(), std::max(8u, integer.getWidth()));
  if (isNarrowFloat(elementType))
    return IntegerType::get(elementType.getContext(), 8);
  return elementType;
}

static Type vectorOf(Type type, unsigned lanes) {
  return lanes == 1 ? type : Type(VectorType::get({int64_t(lanes)}, type));
}

Value Emitter::load(Value pointer, Type elementType, unsigned lanes) {
  unsigned alignment = getElementBytes(elementType);
  Value raw = LLVM::LoadOp::create(b, loc, vectorOf(storageType(elementType), lanes), pointer, alignment);
  Type carried = vectorOf(carriedType(elementType), lanes);
  if (elementType.isInteger(1)) {
    Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(raw.getType()));
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, raw, zero);
  }
  if (isNarrowFloat(elementType))
    return decodeNarrow(b, loc, raw, cast<FloatType>(elementType));
  if (raw.getType() != carried)
    return arith::ExtFOp::create(b, loc, carried, raw);
  return raw;
}

void Emitter::store(Value pointer, Type elementType, Value carried) {
  Type target = storageType(elementType);
  unsigned lanes = 1;
  if (auto vector = dyn_cast<VectorType>(carried.getType()))
    lanes = vector.getNumElements();
  if (elementType.isInteger(1))
    carried = arith::ExtUIOp::create(b, loc, vectorOf(target, lanes), carried);
  else if (isNarrowFloat(elementType)) // what cannot be held is infinity or NaN: casts have saturated
    carried = encodeNarrow(b, loc, carried, cast<FloatType>(elementType), /*saturate=*/false);
  else if (getElementTypeOrSelf(carried.getType()) != target)
    carried = arith::TruncFOp::create(b, loc, vectorOf(target, lanes), carried);
  LLVM::StoreOp::create(b, loc, carried, pointer, unsigned(getElementBytes(elementType)));
}

Value Emitter::load(const Buffer &buffer, ArrayRef<Value> index, unsigned lanes, int64_t laneDim) {
  Value base = offset(buffer, index);
  if (lanes == 1)
    return load(address(buffer.pointer, base, buffer.elementType), buffer.elementType);
  Value stride = buffer.strides[laneDim];
  if (constant(stride) == 1)
    return load(address(buffer.pointer, base, buffer.elementType), buffer.elementType, lanes);
  if (constant(stride) == 0)
    return splat(load(address(buffer.pointer, base, buffer.elementType), buffer.elementType), lanes);
  SmallVector<Value> parts;
  for (unsigned l = 0; l < lanes; ++l)
    parts.push_back(load(address(buffer.pointer, add(base, mul(num(l), stride)), buffer.elementType),
                         buffer.elementType));
  return vector::FromElementsOp::create(b, loc, VectorType::get({int64_t(lanes)}, parts[0].getType()), parts);
}

void Emitter::store(const Buffer &buffer, ArrayRef<Value> index, Value carried, int64_t laneDim) {
  Value base = offset(buffer, index);
  auto vector = dyn_cast<VectorType>(carried.getType());
  if (!vector || constant(buffer.strides[laneDim]) == 1)
    return store(address(buffer.pointer, base, buffer.elementType), buffer.elementType, carried);
  for (int64_t l = 0; l < vector.getNumElements(); ++l) {
    Value lane = vector::ExtractOp::create(b, loc, carried, l);
    store(address(buffer.pointer, add(base, mul(num(l), buffer.strides[laneDim])), buffer.elementType),
          buffer.elementType, lane);
  }
}

//===----------------------------------------------------------------------===//
// Small values
//===----------------------------------------------------------------------===//

Value Emitter::constantLike(Type type, double value) {
  Type element = getElementTypeOrSelf(type);
  TypedAttr attr;
  if (auto floatType = dyn_cast<FloatType>(element))
    attr = FloatAttr::get(floatType, value);
  else
    attr = IntegerAttr::get(element, APInt(element.getIntOrFloatBitWidth(), uint64_t(int64_t(value)), false, true));
  if (auto vector = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(vector, Attribute(attr)));
  return arith::ConstantOp::create(b, loc, attr);
}

Value Emitter::splat(Value scalar, unsigned lanes) {
  if (lanes == 1 || isa<VectorType>(scalar.getType()))
    return scalar;
  return vector::BroadcastOp::create(b, loc, VectorType::get({int64_t(lanes)}, scalar.getType()), scalar);
}

Value Emitter::laneIndex(unsigned lanes) {
  SmallVector<int64_t> values;
  for (unsigned l = 0; l < lanes; ++l)
    values.push_back(l);
  return arith::ConstantOp::create(
      b, loc, DenseElementsAttr::get(VectorType::get({int64_t(lanes)}, b.getI64Type()), ArrayRef<int64_t>(values)));
}

Value Emitter::combine(ReduceKind kind, Value acc, Value value, bool isUnsigned) {
  Type element = getElementTypeOrSelf(acc.getType());
  isUnsigned |= element.isInteger(1);
  if (isa<FloatType>(element)) {
    switch (kind) {
    case ReduceKind::sum: return arith::AddFOp::create(b, loc, acc, value);
    case ReduceKind::prod: return arith::MulFOp::create(b, loc, acc, value);
    case ReduceKind::max: return arith::MaximumFOp::create(b, loc, acc, value);
    case ReduceKind::min: return arith::MinimumFOp::create(b, loc, acc, value);
    }
  }
  switch (kind) {
  case ReduceKind::sum: return arith::AddIOp::create(b, loc, acc, value);
  case ReduceKind::prod: return arith::MulIOp::create(b, loc, acc, value);
  case ReduceKind::max:
    return isUnsigned ? Value(arith::MaxUIOp::create(b, loc, acc, value)) : arith::MaxSIOp::create(b, loc, acc, value);
  case ReduceKind::min:
    return isUnsigned ? Value(arith::MinUIOp::create(b, loc, acc, value)) : arith::MinSIOp::create(b, loc, acc, value);
  }
  llvm_unreachable("kind");
}

Value Emitter::reduceIdentity(ReduceKind kind, Type type, bool isUnsigned) {
  Type element = getElementTypeOrSelf(type);
  if (kind == ReduceKind::sum || kind == ReduceKind::prod)
    return constantLike(type, kind == ReduceKind::sum ? 0 : 1);
  if (isa<FloatType>(element))
    return constantLike(type, (kind == ReduceKind::max ? -1 : 1) * std::numeric_limits<double>::infinity());
  unsigned width = element.getIntOrFloatBitWidth();
  bool wantLowest = kind == ReduceKind::max;
  isUnsigned |= width == 1;
  APInt bits = isUnsigned ? (wantLowest ? APInt::getMinValue(width) : APInt::getMaxValue(width))
                          : (wantLowest ? APInt::getSignedMinValue(width) : APInt::getSignedMaxValue(width));
  Attribute attr = IntegerAttr::get(element, bits);
  if (auto vector = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(vector, attr));
  return arith::ConstantOp::create(b, loc, cast<TypedAttr>(attr));
}

Value Emitter::reduceLanes(ReduceKind kind, Value vector, bool isUnsigned) {
  // A tree of halves: fixed order, the same on every target.
  auto type = cast<VectorType>(vector.getType());
  int64_t lanes = type.getNumElements();
  while (lanes > 1) {
    lanes /= 2;
    SmallVector<int64_t> low, high;
    for (int64_t l = 0; l < lanes; ++l) {
      low.push_back(l);
      high.push_back(l + lanes);
    }
    vector = combine(kind, vector::ShuffleOp::create(b, loc, vector, vector, low),
                     vector::ShuffleOp::create(b, loc, vector, vector, high), isUnsigned);
  }
  return vector::ExtractOp::create(b, loc, vector, int64_t(0));
}

void Emitter::flagBadIndex(Value isBad) {
  ifThen(isBad, [&] {
    LLVM::StoreOp::create(b, loc, num(1), statusPointer, 8u);
  });
}

void Emitter::clearCache() {
  for (Scope &scope : scopes)
    scope.elements.clear();
  vectorizable.clear();
}
