//===- Files.h - Tensors in files: .npy .npz .pb .safetensors, text -*- C++ -*-===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each format is a reader of a span and a writer into bytes; loadFile and
// saveFile pick by the file's name. Readers take hostile bytes: every size is
// checked against what is there before memory is asked for. Tested by
// test/runtime/{IoTest,IoFuzzTest}.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_IO_FILES_H
#define SMELT_RUNTIME_IO_FILES_H

#include "runtime/core/Value.h"
#include "runtime/io/Bytes.h"

namespace smelt::rt {

struct NamedValue {
  String name;
  ValueRef value;
};
using NamedValues = Vec<NamedValue>;

/// NumPy's .npy, versions 1 to 3. `V2` is read as bf16. Written: bf16 and
/// float8 as f32 (exact), 4- and 2-bit integers as 8-bit ones.
int readNpy(Span bytes, ValueRef &value, smelt_error *err);
int writeNpy(const smelt_value &value, Bytes &bytes, smelt_error *err);

/// A zip file of .npy files. Stored and deflated ones are read, stored ones
/// written.
int readNpz(Span bytes, NamedValues &values, smelt_error *err);
int writeNpz(const NamedValues &values, Bytes &bytes, smelt_error *err);

/// ONNX's TensorProto, SequenceProto, MapProto and OptionalProto, which do not
/// say what they are: `kind` does. The message's name is returned too.
int readProto(Span bytes, smelt_kind kind, NamedValue &value, smelt_error *err);
int writeProto(const char *name, const smelt_value &value, Bytes &bytes, smelt_error *err);

int readSafetensors(Span bytes, NamedValues &values, smelt_error *err);
int writeSafetensors(const NamedValues &values, Bytes &bytes, smelt_error *err);

/// "2x2xf32=1,2,3,4", "i64=7" (a scalar), "3xf32=0" (one value for all).
int readText(const char *text, ValueRef &value, smelt_error *err);

/// By the name's end; `kind` matters to .pb files only. A file of one tensor
/// gives one value (with an empty name unless it has one).
int loadFile(const char *path, smelt_kind kind, NamedValues &values, smelt_error *err);
int saveFile(const char *path, const NamedValues &values, smelt_error *err);
/// Whether the file holds many named tensors (.npz, .safetensors).
bool holdsMany(const char *path);

} // namespace smelt::rt

#endif // SMELT_RUNTIME_IO_FILES_H
