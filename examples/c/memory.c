//===- memory.c - Bound inputs and outputs, and an allocator of one's own ---===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// memory MODEL.so runs a model with one input and one output of floats. The
// result is written straight to this program's array; everything else the model
// needs comes from a block of it. The second run allocates nothing.
//
//===----------------------------------------------------------------------===//
#include <smelt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A bump allocator over one block.
typedef struct {
  char *block;
  size_t used, size;
  int calls;
} arena;

static void *take(void *user, size_t bytes, size_t alignment) {
  arena *a = user;
  size_t at = (a->used + alignment - 1) / alignment * alignment;
  if (at + bytes > a->size || at + bytes < at)
    return NULL; // a status of the run, not a crash
  a->used = at + bytes;
  ++a->calls;
  return a->block + at;
}
static void give(void *user, void *memory, size_t bytes) {
  (void)user, (void)memory, (void)bytes; // all at once, with the block
}

static size_t elements(const smelt_port *port, int64_t *dims) {
  size_t count = 1;
  for (int d = 0; d < port->rank; ++d)
    count *= (size_t)(dims[d] = port->dims[d] < 0 ? 1 : port->dims[d]);
  return count;
}

int main(int argc, char **argv) {
  smelt_error err = {0, ""};
  smelt_module *module;
  if (argc != 2 || smelt_module_open(argv[1], &module, &err)) {
    fprintf(stderr, "memory: %s\n", argc == 2 ? err.message : "usage: memory MODEL.so");
    return argc == 2 ? err.code : SMELT_USAGE;
  }
  smelt_port in, out;
  int64_t dims[SMELT_MAX_RANK], out_dims[SMELT_MAX_RANK];
  smelt_module_input(module, 0, &in);
  smelt_module_output(module, 0, &out);
  size_t count = elements(&in, dims), results = elements(&out, out_dims);
  arena memory = {NULL, 0, (size_t)64 << 20, 0};
  // Blocks are aligned to 64 bytes, and so must be what is bound.
  memory.block = aligned_alloc(64, memory.size);
  float *input = aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64);
  float *result = aligned_alloc(64, (results * sizeof(float) + 63) / 64 * 64);
  if (!memory.block || !input || !result)
    return SMELT_NO_MEMORY;
  for (size_t i = 0; i < count; ++i)
    input[i] = (float)(i % 17) / 16;

  smelt_context_options options = {sizeof options, 1, 0, 0, {take, give, &memory}};
  smelt_context *context = NULL;
  smelt_tensor tensor = {SMELT_F32, in.rank, dims, input, count * sizeof(float)}, output;
  int code = smelt_context_create(module, &options, &context, &err);
  if (!code)
    code = smelt_bind_input(context, 0, &tensor, &err);
  if (!code)
    code = smelt_bind_output(context, 0, result, results * sizeof(float), &err);
  if (!code)
    code = smelt_run(context, &err);
  int first = memory.calls;
  if (!code)
    code = smelt_run(context, &err);
  if (!code)
    code = smelt_get_output(context, 0, &output, &err);
  if (code)
    fprintf(stderr, "memory: %s\n", err.message);
  else
    printf("written in place: %s, allocations of the second run: %d\n", output.data == result ? "yes" : "no",
           memory.calls - first);
  smelt_context_destroy(context);
  smelt_module_release(module);
  free(memory.block);
  free(input);
  free(result);
  return code;
}
