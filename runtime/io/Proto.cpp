//===- Proto.cpp - ONNX tensors, sequences, maps and optionals in .pb ---------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A reader and a writer of protobuf's wire format for the messages of ONNX's
// test data, so that the runtime needs no protobuf. A tensor is read in two
// passes: what is there, then (its size being right) the elements. Tested by
// test/runtime/{IoTest,IoFuzzTest}.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/io/Files.h"

namespace smelt::rt {
namespace {

constexpr int kMaxDepth = 16;

struct Field {
  uint32_t number = 0, wire = 0;
  uint64_t value = 0; // varint, fixed32 or fixed64
  Span bytes;         // length-delimited
};

int malformed(smelt_error *err, const char *what) {
  return fail(err, SMELT_BAD_DATA, "not a valid %s: the protobuf message is cut off or malformed", what);
}

/// The next field; false at the end or when the message is malformed.
bool nextField(Cursor &in, Field &field) {
  if (in.atEnd() || in.failed())
    return false;
  uint64_t tag = in.varint();
  field.number = static_cast<uint32_t>(tag >> 3);
  field.wire = tag & 7;
  switch (field.wire) {
  case 0: field.value = in.varint(); break;
  case 1: field.value = in.word<uint64_t>(); break;
  case 2: field.bytes = in.take(in.varint()); break;
  case 5: field.value = in.word<uint32_t>(); break;
  default: in.take(UINT64_MAX); break; // groups do not occur in ONNX: fails
  }
  if (tag >> 3 == 0 || tag >> 3 > (1u << 29))
    in.take(UINT64_MAX);
  return !in.failed();
}

/// Which field holds a dtype's elements, and its wire type.
struct Home {
  uint32_t field = 0, wire = 0;
};
Home homeOf(DType dtype) {
  switch (dtype) {
  case DType::F32: case DType::C64: return {4, 5};
  case DType::I64: return {7, 0};
  case DType::F64: case DType::C128: return {10, 1};
  case DType::U32: case DType::U64: return {11, 0};
  case DType::String: return {6, 2};
  default: return {5, 0};
  }
}

struct TensorMessage {
  int64_t dims[SMELT_MAX_RANK];
  int64_t rank = 0;
  DType dtype = DType::Undefined;
  Span name, raw;
  bool hasRaw = false;
};

/// Calls `f` with each scalar of a repeated field, packed or not.
template <typename F> bool eachScalar(const Field &field, uint32_t wire, F f) {
  if (field.wire == wire)
    return f(field.value);
  if (field.wire != 2)
    return false;
  Cursor in(field.bytes);
  while (!in.atEnd()) {
    uint64_t value = wire == 0 ? in.varint() : wire == 1 ? in.word<uint64_t>() : in.word<uint32_t>();
    if (in.failed() || !f(value))
      return false;
  }
  return true;
}

/// First pass: everything but typed elements.
int readHeader(Span bytes, TensorMessage &m, smelt_error *err) {
  Cursor in(bytes);
  Field f;
  while (nextField(in, f)) {
    bool ok = true;
    switch (f.number) {
    case 1:
      ok = eachScalar(f, 0, [&](uint64_t dim) {
        if (m.rank >= SMELT_MAX_RANK)
          return false;
        m.dims[m.rank++] = static_cast<int64_t>(dim);
        return true;
      });
      if (!ok && m.rank >= SMELT_MAX_RANK)
        return fail(err, SMELT_BAD_DATA, "the tensor has more than %d dims", SMELT_MAX_RANK);
      break;
    case 2:
      ok = f.wire == 0;
      if (ok && !isValid(static_cast<int64_t>(f.value)))
        return fail(err, SMELT_BAD_DATA, "the tensor has data_type %lld, 1..26 are known",
                    static_cast<long long>(f.value));
      m.dtype = static_cast<DType>(f.value);
      break;
    case 3: return fail(err, SMELT_UNSUPPORTED, "the tensor is one segment of several, a whole one is wanted");
    case 8: ok = f.wire == 2; m.name = f.bytes; break;
    case 9: ok = f.wire == 2; m.raw = f.bytes; m.hasRaw = true; break;
    case 13:
      return fail(err, SMELT_REFUSED, "the tensor's data is in another file (external_data), which is not read here");
    case 14:
      if (f.value != 0)
        return fail(err, SMELT_REFUSED, "the tensor's data is in another file (data_location), which is not read here");
      break;
    default: break;
    }
    if (!ok)
      return malformed(err, "TensorProto");
  }
  if (in.failed())
    return malformed(err, "TensorProto");
  if (m.dtype == DType::Undefined)
    return fail(err, SMELT_BAD_DATA, "the tensor has no data_type");
  return SMELT_OK;
}

/// Unpacks `count` elements of `bits` bits, low bits first, one per byte.
void unpack(DType dtype, Span from, uint8_t *to, size_t count) {
  unsigned bits = info(dtype).bits, perByte = 8 / bits, mask = (1u << bits) - 1;
  bool isSigned = info(dtype).kind == DTypeClass::Signed;
  for (size_t i = 0; i < count; ++i) {
    unsigned value = from.data[i / perByte] >> (i % perByte * bits) & mask;
    to[i] = static_cast<uint8_t>(isSigned && value >> (bits - 1) ? value | ~mask : value);
  }
}

int wrongCount(const TensorMessage &m, uint64_t found, uint64_t wanted, const char *unit, smelt_error *err) {
  char dims[256];
  return fail(err, SMELT_BAD_DATA, "the tensor's data has %llu %s, %llu are wanted for %s of %s",
              static_cast<unsigned long long>(found), unit, static_cast<unsigned long long>(wanted),
              formatDims(m.rank, m.dims, dims, sizeof dims), name(m.dtype));
}

int readTensor(Span bytes, NamedValue &result, smelt_error *err) {
  TensorMessage m;
  if (int code = readHeader(bytes, m, err))
    return code;
  if (!result.name.assign(reinterpret_cast<const char *>(m.name.data), m.name.size))
    return failMemory(err, m.name.size, "a name");
  int64_t count;
  char dims[256];
  if (!elementCount(m.rank, m.dims, count))
    return fail(err, SMELT_BAD_DATA, "the tensor has dims %s, each must be 0..2^40 and all 2^47 at most",
                formatDims(m.rank, m.dims, dims, sizeof dims));
  unsigned bits = info(m.dtype).bits;
  bool isPacked = bits && bits < 8;
  if (m.hasRaw && m.dtype == DType::String)
    return fail(err, SMELT_BAD_DATA, "the tensor has strings in raw_data, string_data is wanted");

  // Second pass over the typed elements: first their number. Packed types and
  // complex ones have fewer or more stored words than elements.
  Home home = homeOf(m.dtype);
  uint64_t words = static_cast<uint64_t>(count);
  if (isPacked)
    words = (words + 8 / bits - 1) / (8 / bits);
  bool isComplex = info(m.dtype).kind == DTypeClass::Complex;
  if (isComplex)
    words *= 2;
  if (m.hasRaw) {
    uint64_t wanted = isPacked ? words : static_cast<uint64_t>(count) * elementSize(m.dtype);
    if (m.raw.size != wanted)
      return wrongCount(m, m.raw.size, wanted, "bytes", err);
  }
  auto eachWord = [&](auto f) {
    Cursor in(bytes);
    Field field;
    while (nextField(in, field))
      if (field.number == home.field &&
          !(home.wire == 2 ? field.wire == 2 && f(field.bytes, uint64_t(0))
                           : eachScalar(field, home.wire, [&](uint64_t v) { return f(Span(), v); })))
        return false;
    return true;
  };
  if (!m.hasRaw) {
    uint64_t found = 0;
    if (!eachWord([&](Span, uint64_t) { return ++found, true; }))
      return malformed(err, "TensorProto");
    if (found != words)
      return wrongCount(m, found, words, "elements", err);
  }

  ValueRef value = makeTensor(m.dtype, m.rank, m.dims);
  if (!value)
    return failMemory(err, count * elementSize(m.dtype), "a tensor");
  auto *to = static_cast<uint8_t *>(value->data);
  if (m.hasRaw) {
    if (isPacked)
      unpack(m.dtype, m.raw, to, count);
    else if (m.raw.size)
      memcpy(to, m.raw.data, m.raw.size);
  } else {
    Bytes packed;
    if (isPacked && !packed.resize(words))
      return failMemory(err, words, "a tensor");
    size_t size = isPacked ? 1 : elementSize(m.dtype) / (isComplex ? 2 : 1), i = 0;
    bool ok = eachWord([&](Span text, uint64_t word) {
      if (m.dtype == DType::String)
        return value->texts[i++].assign(reinterpret_cast<const char *>(text.data), text.size);
      memcpy((isPacked ? packed.data() : to) + i++ * size, &word, size); // little endian
      return true;
    });
    if (!ok)
      return failMemory(err, bytes.size, "strings");
    if (isPacked)
      unpack(m.dtype, spanOf(packed), to, count);
  }
  if (m.dtype == DType::Bool)
    for (int64_t i = 0; i < count; ++i)
      to[i] = to[i] != 0;
  result.value = std::move(value);
  return SMELT_OK;
}

int readValue(Span bytes, smelt_kind kind, NamedValue &result, int depth, smelt_error *err);

bool appendTo(smelt_value *sequence, NamedValue &element) {
  return smelt_value_append(sequence, element.value.get()) == SMELT_OK;
}

/// SequenceProto and OptionalProto share their layout: 3 tensor, 5 sequence,
/// 6 map, 7 optional.
int readElements(Span bytes, smelt_value *sequence, String &title, int depth, smelt_error *err) {
  Cursor in(bytes);
  Field f;
  while (nextField(in, f)) {
    if (f.number == 1 && f.wire == 2 && !title.assign(reinterpret_cast<const char *>(f.bytes.data), f.bytes.size))
      return failMemory(err, f.bytes.size, "a name");
    if (f.number == 4)
      return fail(err, SMELT_UNSUPPORTED, "the sequence holds a sparse tensor, a dense one is wanted");
    if (f.number != 3 && (f.number < 5 || f.number > 7))
      continue;
    if (f.wire != 2)
      return malformed(err, "SequenceProto");
    smelt_kind kind = f.number == 3   ? SMELT_TENSOR
                      : f.number == 5 ? SMELT_SEQUENCE
                      : f.number == 6 ? SMELT_MAP
                                      : SMELT_OPTIONAL;
    NamedValue element;
    if (int code = readValue(f.bytes, kind, element, depth + 1, err))
      return code;
    if (!appendTo(sequence, element))
      return failMemory(err, sizeof(void *), "a sequence");
  }
  return in.failed() ? malformed(err, "SequenceProto") : SMELT_OK;
}

int readMap(Span bytes, NamedValue &result, int depth, smelt_error *err) {
  Cursor in(bytes);
  Field f;
  Vec<int64_t> keys;
  Vec<Span> texts;
  bool ok = true;
  String ignored;
  ValueRef values(smelt_value_create_sequence());
  bool hasMemory = static_cast<bool>(values);
  while (ok && hasMemory && nextField(in, f)) {
    if (f.number == 1 && f.wire == 2)
      hasMemory = result.name.assign(reinterpret_cast<const char *>(f.bytes.data), f.bytes.size);
    else if (f.number == 3)
      ok = eachScalar(f, 0, [&](uint64_t key) { return hasMemory &= keys.push(static_cast<int64_t>(key)); });
    else if (f.number == 4 && f.wire == 2)
      hasMemory = texts.push(f.bytes);
    else if (f.number == 5 && f.wire == 2) {
      if (int code = readElements(f.bytes, values.get(), ignored, depth + 1, err))
        return code;
    }
  }
  if (!hasMemory)
    return failMemory(err, bytes.size, "a map");
  if (!ok || in.failed())
    return malformed(err, "MapProto");
  bool isText = !texts.empty();
  size_t count = isText ? texts.size() : keys.size();
  if ((isText && !keys.empty()) || values->elements.size() != count)
    return fail(err, SMELT_BAD_DATA, "the map has %zu integer keys, %zu string keys and %zu values, as many keys of one kind as values are wanted",
                keys.size(), texts.size(), values->elements.size());
  ValueRef map(smelt_value_create_map(isText ? SMELT_STRING : SMELT_I64));
  if (!map)
    return failMemory(err, sizeof(smelt_value), "a map");
  // Maps of scalars are what ZipMap makes: kept as plain floats.
  bool areFloats = true;
  for (smelt_value *v : values->elements)
    areFloats &= v->kind == SMELT_TENSOR && v->dtype == DType::F32 && smelt_value_count(v) == 1;
  for (size_t i = 0; i < count; ++i) {
    const void *key = isText ? static_cast<const void *>(texts[i].data) : &keys[i];
    size_t size = isText ? texts[i].size : 8;
    smelt_value *v = values->elements[i];
    int code = areFloats ? smelt_value_map_add_float(map.get(), key, size, *static_cast<float *>(v->data))
                         : smelt_value_map_add(map.get(), key, size, v);
    if (code)
      return failMemory(err, size, "a map");
  }
  result.value = std::move(map);
  return SMELT_OK;
}

int readValue(Span bytes, smelt_kind kind, NamedValue &result, int depth, smelt_error *err) {
  if (depth > kMaxDepth)
    return fail(err, SMELT_BAD_DATA, "sequences are nested over %d deep", kMaxDepth);
  if (kind == SMELT_TENSOR)
    return readTensor(bytes, result, err);
  if (kind == SMELT_MAP)
    return readMap(bytes, result, depth, err);
  ValueRef elements(smelt_value_create_sequence());
  if (!elements)
    return failMemory(err, sizeof(smelt_value), "a sequence");
  if (int code = readElements(bytes, elements.get(), result.name, depth, err))
    return code;
  if (kind == SMELT_SEQUENCE) {
    result.value = std::move(elements);
    return SMELT_OK;
  }
  if (elements->elements.size() > 1)
    return fail(err, SMELT_BAD_DATA, "the optional has %zu values, one at most is wanted", elements->elements.size());
  result.value = ValueRef(smelt_value_create_optional(elements->elements.empty() ? nullptr : elements->elements[0]));
  return result.value ? SMELT_OK : failMemory(err, sizeof(smelt_value), "an optional");
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

bool putVarint(Bytes &out, uint64_t value) {
  bool ok = true;
  for (; value >= 128; value >>= 7)
    ok &= out.push(static_cast<uint8_t>(value | 128));
  return out.push(static_cast<uint8_t>(value)) && ok;
}
bool putInt(Bytes &out, uint32_t field, uint64_t value) { return putVarint(out, field << 3) && putVarint(out, value); }
bool putBytes(Bytes &out, uint32_t field, const void *data, size_t size) {
  return putVarint(out, field << 3 | 2) && putVarint(out, size) && out.append(static_cast<const uint8_t *>(data), size);
}

bool putTensor(const char *title, const smelt_value &v, Bytes &out) {
  bool ok = true;
  for (int32_t i = 0; i < v.rank; ++i)
    ok &= putInt(out, 1, static_cast<uint64_t>(v.dims[i]));
  ok &= putInt(out, 2, static_cast<uint64_t>(v.dtype));
  if (*title)
    ok &= putBytes(out, 8, title, strlen(title));
  if (v.dtype == DType::String) {
    for (const String &text : v.texts)
      ok &= putBytes(out, 6, text.c_str(), text.size());
    return ok;
  }
  unsigned bits = info(v.dtype).bits;
  if (bits >= 8)
    return putBytes(out, 9, v.data, v.bytes) && ok;
  Bytes packed;
  unsigned perByte = 8 / bits, mask = (1u << bits) - 1;
  if (!packed.resize((v.bytes + perByte - 1) / perByte))
    return false;
  for (size_t i = 0; i < v.bytes; ++i)
    packed[i / perByte] |= static_cast<uint8_t>((static_cast<uint8_t *>(v.data)[i] & mask) << (i % perByte * bits));
  return putBytes(out, 9, packed.data(), packed.size()) && ok;
}

bool putValue(const char *title, const smelt_value &v, Bytes &out) {
  if (v.kind == SMELT_TENSOR)
    return putTensor(title, v, out);
  bool ok = !*title || putBytes(out, 1, title, strlen(title));
  Bytes values;
  // SequenceProto's elem_type: tensor, sequence, map, optional; other readers want it.
  static constexpr uint64_t elementKinds[] = {1, 3, 4, 5};
  uint64_t elementKind = v.elements.size() ? elementKinds[v.elements[0]->kind] : 1;
  ok &= putInt(values, 2, elementKind);
  auto putElement = [&](const smelt_value &element) {
    Bytes inner;
    static constexpr uint32_t fields[] = {3, 5, 6, 7};
    ok &= putValue("", element, inner) && putBytes(values, fields[element.kind], inner.data(), inner.size());
  };
  for (smelt_value *element : v.elements)
    putElement(*element);
  for (float f : v.floats) {
    int64_t one = 1;
    smelt_tensor scalar{SMELT_F32, 0, &one, &f, 4};
    ValueRef element(smelt_value_create_tensor(&scalar));
    if (!element)
      return false;
    putElement(*element.get());
  }
  if (v.kind != SMELT_MAP)
    return ok && out.append(values.data(), values.size());
  ok &= putInt(out, 2, static_cast<uint64_t>(v.dtype));
  for (int64_t key : v.keys)
    ok &= putInt(out, 3, static_cast<uint64_t>(key));
  for (const String &key : v.texts)
    ok &= putBytes(out, 4, key.c_str(), key.size());
  return putBytes(out, 5, values.data(), values.size()) && ok;
}

} // namespace

int readProto(Span bytes, smelt_kind kind, NamedValue &value, smelt_error *err) {
  return readValue(bytes, kind, value, 0, err);
}

int writeProto(const char *title, const smelt_value &value, Bytes &bytes, smelt_error *err) {
  bytes.clear();
  return putValue(title, value, bytes) ? SMELT_OK : failMemory(err, value.bytes, "a protobuf message");
}

} // namespace smelt::rt
