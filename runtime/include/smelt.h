//===- smelt.h - The public C interface of Smelt's run-time library -------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// C99, also valid C++. Opens a compiled model, binds its inputs and outputs
// without a copy and runs it. examples/c/ has a whole program.
//
// Errors.   A function that can fail returns 0 or one of the SMELT_* codes
//           below (they are also the exit codes of every Smelt program) and, if
//           `err` is not NULL, says in it what was found and what is wanted.
//           Nothing is printed, thrown or aborted. `err` is not touched when
//           all is well.
// Threads.  A module is immutable: any thread may use it at any time. A context
//           belongs to one thread at a time; different contexts of one module
//           run at the same time on different threads. A value is immutable
//           once it is part of another one; its reference count is atomic.
// Memory.   What a `_create` or `_open` function returns is freed by the
//           matching `_release` or `_destroy`. Pointers returned inside structs
//           belong to the object they were asked of: names to the module,
//           output data to the context (valid until its next run).
// Layout.   Tensors are dense and row-major. Booleans, and the 4- and 2-bit
//           types, take one byte per element. Rank is at most SMELT_MAX_RANK.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_H
#define SMELT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SMELT_API __attribute__((visibility("default")))
#else
#define SMELT_API
#endif

// In C++ too, any number in an enum is a value that can be looked at.
#ifdef __cplusplus
#define SMELT_ENUM : unsigned int
#else
#define SMELT_ENUM
#endif

#define SMELT_API_VERSION 1
#define SMELT_MAX_RANK 16

// Codes, as in the exit codes of all Smelt programs.
enum {
  SMELT_OK = 0,
  SMELT_USAGE = 64,       // a wrong call: unknown name, missing binding
  SMELT_BAD_DATA = 65,    // an invalid artifact, file or tensor
  SMELT_NO_FILE = 66,     // a missing file
  SMELT_UNSUPPORTED = 69, // another CPU, version or feature is needed
  SMELT_INTERNAL = 70,    // a defect of Smelt
  SMELT_NO_MEMORY = 71,
  SMELT_CANNOT_WRITE = 73,
  SMELT_IO = 74,
  SMELT_DEADLINE = 75,
  SMELT_REFUSED = 77,   // by policy
  SMELT_DEVICE = 80,    // the device failed
  SMELT_DIFFERENT = 82  // a comparison failed
};

typedef struct smelt_error {
  int code;
  char message[512]; // NUL-terminated, one line
} smelt_error;

// Element types, numbered as in ONNX's TensorProto.DataType.
typedef enum smelt_dtype SMELT_ENUM {
  SMELT_UNDEFINED = 0, SMELT_F32 = 1, SMELT_U8 = 2, SMELT_I8 = 3, SMELT_U16 = 4,
  SMELT_I16 = 5, SMELT_I32 = 6, SMELT_I64 = 7, SMELT_STRING = 8, SMELT_BOOL = 9,
  SMELT_F16 = 10, SMELT_F64 = 11, SMELT_U32 = 12, SMELT_U64 = 13, SMELT_C64 = 14,
  SMELT_C128 = 15, SMELT_BF16 = 16, SMELT_F8E4M3FN = 17, SMELT_F8E4M3FNUZ = 18,
  SMELT_F8E5M2 = 19, SMELT_F8E5M2FNUZ = 20, SMELT_U4 = 21, SMELT_I4 = 22,
  SMELT_F4E2M1 = 23, SMELT_F8E8M0 = 24, SMELT_U2 = 25, SMELT_I2 = 26
} smelt_dtype;

typedef enum smelt_kind SMELT_ENUM {
  SMELT_TENSOR = 0, SMELT_SEQUENCE = 1, SMELT_MAP = 2, SMELT_OPTIONAL = 3
} smelt_kind;

typedef struct smelt_module smelt_module;
typedef struct smelt_context smelt_context;
typedef struct smelt_value smelt_value;

// A dense tensor somewhere in memory. `bytes` is what `data` holds.
typedef struct smelt_tensor {
  smelt_dtype dtype;
  int32_t rank;
  const int64_t *dims; // `rank` extents
  void *data;
  size_t bytes;
} smelt_tensor;

// What the model declares about one input or output.
typedef struct smelt_port {
  const char *name;
  smelt_kind kind;
  smelt_dtype dtype; // of a tensor, or of a sequence's or optional's tensors
  int32_t rank;      // -1: known only at run time
  const int64_t *dims;          // -1 where the extent is symbolic
  const char *const *dim_names; // NULL where the extent is static
} smelt_port;

SMELT_API uint32_t smelt_api_version(void);
// "f32" and so on, "?" for no dtype; bytes of one element, 0 for strings.
SMELT_API const char *smelt_dtype_name(smelt_dtype dtype);
SMELT_API size_t smelt_dtype_size(smelt_dtype dtype);

//===----------------------------------------------------------------------===//
// Modules
//===----------------------------------------------------------------------===//

// Opens a library written by `smelt compile -o m.so`. The descriptor, the whole
// host program and the CPU's features are checked before anything runs.
SMELT_API int smelt_module_open(const char *path, smelt_module **module, smelt_error *err);
// The same for a model linked into the program: `&smelt_artifact_<name>`.
SMELT_API int smelt_module_create(const void *descriptor, smelt_module **module, smelt_error *err);
SMELT_API void smelt_module_retain(smelt_module *module);
// Every context holds its module, so the order of releases does not matter.
SMELT_API void smelt_module_release(smelt_module *module);

SMELT_API size_t smelt_module_input_count(const smelt_module *module);
SMELT_API size_t smelt_module_output_count(const smelt_module *module);
SMELT_API int smelt_module_input(const smelt_module *module, size_t index, smelt_port *port);
SMELT_API int smelt_module_output(const smelt_module *module, size_t index, smelt_port *port);
// The index of a name; SMELT_USAGE lists the names there are.
SMELT_API int smelt_module_find_input(const smelt_module *module, const char *name, size_t *index,
                                      smelt_error *err);
SMELT_API int smelt_module_find_output(const smelt_module *module, const char *name, size_t *index,
                                       smelt_error *err);
// The manifest, as JSON; not NUL-terminated.
SMELT_API const char *smelt_module_manifest(const smelt_module *module, size_t *size);

//===----------------------------------------------------------------------===//
// Contexts
//===----------------------------------------------------------------------===//

// Memory of tensors: the arena, the pool, scratch and outputs. `alloc` returns
// NULL when it has none; both are called by the thread that runs the context.
typedef struct smelt_allocator {
  void *(*alloc)(void *user, size_t bytes, size_t alignment);
  void (*free)(void *user, void *memory, size_t bytes);
  void *user;
} smelt_allocator;

enum {
  SMELT_NO_PINNING = 1, // leave the workers' CPU to the system
  // For tests of models: fill the arena, scratch, dynamic tensors and owned
  // outputs with 0xff (NaN, -1) before each use, so that a kernel that reads
  // what nothing wrote gives a visibly wrong result.
  SMELT_POISON = 2
};

typedef struct smelt_context_options {
  size_t struct_size;        // sizeof(smelt_context_options)
  uint32_t threads;          // with the calling one; 0: one per usable CPU
  uint32_t flags;            // SMELT_NO_PINNING, SMELT_POISON
  uint64_t memory_limit;     // bytes; 0: min(75 % of RAM, 64 GiB)
  smelt_allocator allocator; // all NULL: the C library's
} smelt_context_options;

// `options` may be NULL.
SMELT_API int smelt_context_create(smelt_module *module, const smelt_context_options *options,
                                   smelt_context **context, smelt_error *err);
SMELT_API void smelt_context_destroy(smelt_context *context);
SMELT_API uint32_t smelt_context_threads(const smelt_context *context);
// A run longer than this ends with SMELT_DEADLINE; 0: no limit. Looked at
// between dispatches, not inside a kernel.
SMELT_API void smelt_context_set_deadline_ms(smelt_context *context, uint64_t milliseconds);

// Binds caller's memory; nothing is copied, and it must stay as it is until the
// run is over. Dtype, rank, dims, byte size and alignment are checked; a tensor of
// one element of any rank is taken for a scalar.
SMELT_API int smelt_bind_input(smelt_context *context, size_t index, const smelt_tensor *tensor,
                               smelt_error *err);
// For sequences, maps, optionals and string tensors; the context keeps it.
SMELT_API int smelt_bind_input_value(smelt_context *context, size_t index, smelt_value *value,
                                     smelt_error *err);
// The output is written to `data`; a run that needs more than `capacity` bytes
// fails. NULL: the context owns the output again.
SMELT_API int smelt_bind_output(smelt_context *context, size_t index, void *data, size_t capacity,
                                smelt_error *err);

SMELT_API int smelt_run(smelt_context *context, smelt_error *err);

// Outputs of the last run. Data and dims are valid until the next one.
SMELT_API int smelt_get_output(smelt_context *context, size_t index, smelt_tensor *tensor,
                               smelt_error *err);
// Also for tensors (which are copied); to be released.
SMELT_API int smelt_get_output_value(smelt_context *context, size_t index, smelt_value **value,
                                     smelt_error *err);

// Memory this context holds now and held at most, by the allocator above.
SMELT_API void smelt_context_memory(const smelt_context *context, uint64_t *now, uint64_t *peak);

// One dispatch of the last run.
typedef struct smelt_profile_event {
  const char *name;
  uint64_t start_ns, duration_ns; // start: since the run began
  int64_t grid;                   // workgroups
} smelt_profile_event;
SMELT_API void smelt_context_set_profiling(smelt_context *context, int enabled);
// The events of the last run in order; valid until the next one.
SMELT_API const smelt_profile_event *smelt_context_profile(const smelt_context *context,
                                                           size_t *count);

//===----------------------------------------------------------------------===//
// Host values
//===----------------------------------------------------------------------===//
// Reference-counted. A getter given a value of another kind, or an index out of
// range, returns NULL, 0 or SMELT_USAGE; it never crashes.

SMELT_API void smelt_value_retain(smelt_value *value);
SMELT_API void smelt_value_release(smelt_value *value); // NULL is allowed
SMELT_API smelt_kind smelt_value_kind(const smelt_value *value);
// Elements of a sequence, entries of a map, 1 or 0 of an optional, elements of
// a tensor.
SMELT_API size_t smelt_value_count(const smelt_value *value);

// A tensor; `data` is NULL for strings, which smelt_value_string returns.
SMELT_API int smelt_value_tensor(const smelt_value *value, smelt_tensor *tensor);
// Element `index` of a string tensor: NUL-terminated, its length in `size`.
SMELT_API const char *smelt_value_string(const smelt_value *value, size_t index, size_t *size);
// Element `index` of a sequence, or the content of an optional (index 0), or
// the tensor of a map's entry; borrowed.
SMELT_API const smelt_value *smelt_value_element(const smelt_value *value, size_t index);
// Maps: SMELT_I64 or SMELT_STRING keys; values are tensors (above) or floats.
SMELT_API smelt_dtype smelt_value_map_key_dtype(const smelt_value *value);
SMELT_API int smelt_value_map_key_i64(const smelt_value *value, size_t index, int64_t *key);
SMELT_API const char *smelt_value_map_key_string(const smelt_value *value, size_t index, size_t *size);
SMELT_API int smelt_value_map_float(const smelt_value *value, size_t index, float *result);

// Makers; NULL when there is no memory or an argument is wrong. A tensor is
// copied; with data NULL it is zeroed and may be written through
// smelt_value_tensor. Adding keeps a reference of its own.
SMELT_API smelt_value *smelt_value_create_tensor(const smelt_tensor *tensor);
SMELT_API smelt_value *smelt_value_create_strings(int32_t rank, const int64_t *dims,
                                                  const char *const *texts, const size_t *sizes);
SMELT_API smelt_value *smelt_value_create_sequence(void);
SMELT_API smelt_value *smelt_value_create_optional(smelt_value *content_or_null);
SMELT_API smelt_value *smelt_value_create_map(smelt_dtype key_dtype);
SMELT_API int smelt_value_append(smelt_value *sequence, smelt_value *element);
// `key` is an int64_t * or, with its size, a const char *. One map holds either
// floats or tensors.
SMELT_API int smelt_value_map_add_float(smelt_value *map, const void *key, size_t size, float value);
SMELT_API int smelt_value_map_add(smelt_value *map, const void *key, size_t size, smelt_value *value);

#ifdef __cplusplus
}
#endif
#endif // SMELT_H
