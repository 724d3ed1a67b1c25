//===- Types.cpp - Element types, inputs, constants -------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// f32 -> f32, i8 -> i8, u8 -> ui8, bool -> i1, f8E4M3FN -> f8E4M3FN, string ->
// !smelt.string; an input x: float[N, ?] -> tensor<?x?xf32> over symbols N and
// x.dim1. Test: test/frontend/import/types.
//
//===----------------------------------------------------------------------===//
#include "dialects/smelt/Origin.h"
#include "frontend/onnx/import/Graph.h"

using namespace mlir;

namespace smelt::onnx {

/// Null for complex numbers and what is none of ONNX's types.
static Type mapDType(DType dtype, MLIRContext *context) {
  Builder b(context);
  auto unsignedInt = [&](unsigned width) { return IntegerType::get(context, width, IntegerType::Unsigned); };
  switch (dtype) {
  case DType::F32: return b.getF32Type();
  case DType::F64: return b.getF64Type();
  case DType::F16: return b.getF16Type();
  case DType::BF16: return b.getBF16Type();
  case DType::F8E4M3FN: return Float8E4M3FNType::get(context);
  case DType::F8E4M3FNUZ: return Float8E4M3FNUZType::get(context);
  case DType::F8E5M2: return Float8E5M2Type::get(context);
  case DType::F8E5M2FNUZ: return Float8E5M2FNUZType::get(context);
  case DType::F8E8M0: return Float8E8M0FNUType::get(context);
  case DType::F4E2M1: return Float4E2M1FNType::get(context);
  case DType::F6E2M3: return Float6E2M3FNType::get(context);
  case DType::F6E3M2: return Float6E3M2FNType::get(context);
  case DType::I8: return b.getI8Type();
  case DType::I16: return b.getI16Type();
  case DType::I32: return b.getI32Type();
  case DType::I64: return b.getI64Type();
  case DType::I4: return b.getIntegerType(4);
  case DType::I2: return b.getIntegerType(2);
  case DType::U8: return unsignedInt(8);
  case DType::U16: return unsignedInt(16);
  case DType::U32: return unsignedInt(32);
  case DType::U64: return unsignedInt(64);
  case DType::U4: return unsignedInt(4);
  case DType::U2: return unsignedInt(2);
  case DType::Bool: return b.getI1Type();
  case DType::String: return StringType::get(context);
  case DType::C64:
  case DType::C128:
  case DType::Undefined: return {};
  }
  return {};
}

static std::string dtypeError(DType dtype) {
  return "element type '" + std::string(name(dtype)) + "' is not supported; want a real number, bool or string";
}

Type Importer::elementType(DType dtype, const Node &node) {
  Type type = mapDType(dtype, module.getContext());
  if (!type)
    (void)report(node, dtypeError(dtype), "onnx.dtype", kExitUnsupported);
  return type;
}

Type Importer::elementType(DType dtype, const Scope *scope) {
  Type type = mapDType(dtype, module.getContext());
  if (!type)
    (void)report(scope, dtypeError(dtype), "onnx.dtype", kExitUnsupported);
  return type;
}

//===----------------------------------------------------------------------===//
// Shapes of inputs
//===----------------------------------------------------------------------===//

static std::string dimText(const Dim &dim) {
  return dim.kind == Dim::Kind::Value ? std::to_string(dim.value)
         : dim.kind == Dim::Kind::Param ? std::string(dim.param)
                                        : "?";
}

const ShapeOverride *Importer::overrideFor(StringRef input) const {
  const ShapeOverride *all = nullptr;
  for (const ShapeOverride &shape : options.shapes) {
    if (shape.input == input)
      return &shape;
    if (shape.input == "all")
      all = &shape;
  }
  return all;
}

/// A named dim that the user gave a size has that size wherever it occurs.
LogicalResult Importer::applyOverrides() {
  for (const ShapeOverride &shape : options.shapes) {
    bool found = shape.input == "all";
    for (const ValueInfo &info : model.graph.inputs)
      found |= shape.input == info.name;
    if (!found)
      return report(model.graph.scope, "--shapes names input '" + Twine(shape.input) + "', the model has no such input",
                    "onnx.shapes-option", 64);
  }
  for (const ValueInfo &info : model.graph.inputs) {
    const ShapeOverride *shape = overrideFor(ref(info.name));
    if (!shape || shape->allDynamic || info.type.kind != TypeInfo::Kind::Tensor)
      continue;
    if (info.type.ranked && shape->dims.size() != info.type.dims.size())
      return report(model.graph.scope,
                    "--shapes gives input '" + Twine(ref(info.name)) + "' " + Twine(shape->dims.size()) +
                        " dims, the model says " + Twine(info.type.dims.size()),
                    "onnx.shapes-option", 64);
    for (auto [dim, want] : llvm::zip(info.type.dims, shape->dims)) {
      if (want.keep || want.dynamic)
        continue;
      if (dim.kind == Dim::Kind::Value) {
        if (dim.value < want.min || dim.value > want.max)
          return report(model.graph.scope,
                        "--shapes gives a dim of input '" + Twine(ref(info.name)) + "' the size " + Twine(want.min) +
                            (want.min == want.max ? Twine() : ".." + Twine(want.max)) + ", the model says " +
                            Twine(dim.value),
                        "onnx.shapes-option", 64);
        continue;
      }
      if (dim.kind != Dim::Kind::Param)
        continue;
      AffineExpr size = want.min == want.max ? getAffineConstantExpr(want.min, module.getContext())
                                             : symbols.named(ref(dim.param), want.min, want.max);
      auto [it, isNew] = params.try_emplace(ref(dim.param), size);
      if (!isNew && it->second != size)
        return report(model.graph.scope, "--shapes gives dim '" + Twine(ref(dim.param)) + "' two different sizes",
                      "onnx.shapes-option", 64);
    }
  }
  return success();
}

Type Importer::hostType(const TypeInfo &type, const Scope *scope, int64_t &rank) {
  MLIRContext *context = module.getContext();
  if (type.kind == TypeInfo::Kind::Tensor) { // the elements may have any shape
    rank = type.ranked ? int64_t(type.dims.size()) : kSomeRank;
    Type element = elementType(type.elem, scope);
    return element ? Type(UnrankedTensorType::get(element)) : Type();
  }
  Type inner = type.inner ? hostType(*type.inner, scope, rank) : Type();
  if (!inner) {
    if (errors.empty())
      (void)report(scope, "a sequence, optional or map without its elements' type", "onnx.value-type", kExitInvalid);
    return {};
  }
  switch (type.kind) {
  case TypeInfo::Kind::Sequence: return SequenceType::get(context, inner);
  case TypeInfo::Kind::Optional: return OptionalType::get(context, inner);
  case TypeInfo::Kind::Map: {
    Type key = elementType(type.elem, scope);
    return key ? Type(MapType::get(context, key, inner)) : Type();
  }
  default:
    (void)report(scope, "a value of a type that is not supported", "onnx.value-type", kExitUnsupported);
    return {};
  }
}

Type Importer::valueType(const ValueInfo &info, const TypeInfo &type, const Scope *scope) {
  MLIRContext *context = module.getContext();
  auto refuse = [&](const Twine &message) {
    (void)report(scope, "value '" + ref(info.name) + "' " + message, "onnx.value-type", kExitUnsupported);
    return Type();
  };
  switch (type.kind) {
  case TypeInfo::Kind::Sequence:
  case TypeInfo::Kind::Optional:
  case TypeInfo::Kind::Map: {
    int64_t rank = kSomeRank;
    return hostType(type, scope, rank);
  }
  case TypeInfo::Kind::None: return refuse("has no type");
  case TypeInfo::Kind::SparseTensor: return refuse("is a sparse tensor, want a dense one");
  case TypeInfo::Kind::Opaque: return refuse("is of an opaque type");
  case TypeInfo::Kind::Tensor: break;
  }

  Type element = elementType(type.elem, scope);
  if (!element)
    return {};
  const ShapeOverride *shape = &type == &info.type ? overrideFor(ref(info.name)) : nullptr;
  size_t rank = type.dims.size();
  if (!type.ranked) {
    if (!shape || shape->allDynamic)
      return refuse("has no declared rank; give it with --shapes=" + ref(info.name) + ":...");
    rank = shape->dims.size();
  }
  SmallVector<AffineExpr> dims;
  for (size_t i = 0; i < rank; ++i) {
    Dim dim = i < type.dims.size() ? type.dims[i] : Dim();
    std::string own = (ref(info.name) + ".dim" + Twine(i)).str();
    ShapeOverride::Dim want;
    want.keep = true;
    if (shape && shape->allDynamic) {
      want.keep = dim.kind == Dim::Kind::Value && pinned.contains(own);
      want.dynamic = true;
    } else if (shape) {
      want = shape->dims[i];
    }
    if (!want.keep && want.dynamic) {
      dims.push_back(symbols.fresh(own));
      if (shape->allDynamic && dim.kind == Dim::Kind::Value)
        freed[cast<AffineSymbolExpr>(dims.back()).getPosition()] = own;
    }
    else if (dim.kind == Dim::Kind::Value)
      dims.push_back(getAffineConstantExpr(dim.value, context));
    else if (dim.kind == Dim::Kind::Param && !dim.param.empty()) {
      auto it = params.find(ref(dim.param));
      dims.push_back(it != params.end() ? it->second : symbols.named(ref(dim.param)));
    } else if (want.keep)
      dims.push_back(symbols.fresh(own));
    else
      dims.push_back(want.min == want.max ? getAffineConstantExpr(want.min, context)
                                          : symbols.fresh(own, want.min, want.max));
  }
  return getTensorType(dims, element);
}

LogicalResult Importer::checkDeclared(const ValueInfo &info, Value value, const Scope *scope) {
  auto found = dyn_cast<RankedTensorType>(value.getType());
  if (!found || info.type.kind != TypeInfo::Kind::Tensor)
    return success();
  auto contradiction = [&](const Twine &declared, const Twine &is) {
    return report(scope, "output '" + ref(info.name) + "' is declared as " + declared + ", the graph computes " + is,
                  "onnx.declared-shape", kExitInvalid);
  };
  Type declared = mapDType(info.type.elem, module.getContext());
  if (declared && declared != found.getElementType()) {
    std::string text;
    llvm::raw_string_ostream(text) << found;
    return contradiction(ref(name(info.type.elem)), text);
  }
  if (!info.type.ranked)
    return success();
  if (int64_t(info.type.dims.size()) != found.getRank())
    return contradiction("a tensor of rank " + Twine(info.type.dims.size()), "rank " + Twine(found.getRank()));
  for (auto [i, dim] : llvm::enumerate(info.type.dims))
    if (dim.kind == Dim::Kind::Value && !found.isDynamicDim(i) && dim.value != found.getDimSize(i))
      return contradiction("of size " + dimText(dim) + " in dim " + Twine(i), Twine(found.getDimSize(i)));
  return success();
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

Value Importer::constant(const Tensor &tensor, OpBuilder &b, Location loc, const Scope *scope) {
  Type element = elementType(tensor.dtype, scope);
  if (!element)
    return {};
  auto type = RankedTensorType::get(tensor.dims, element);
  if (tensor.dtype == DType::String) {
    SmallVector<mlir::Attribute> texts;
    for (std::string_view text : tensor.strings)
      texts.push_back(b.getStringAttr(ref(text)));
    return ConstantOp::create(b, loc, type, b.getArrayAttr(texts));
  }
  ArrayRef<char> bytes(reinterpret_cast<const char *>(tensor.data.data()), tensor.data.size());
  return createBorrowedConstant(b, loc, type, bytes, model.storage, tensor.name.empty() ? "weight" : ref(tensor.name));
}

} // namespace smelt::onnx
