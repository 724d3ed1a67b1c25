//===- run.c - A compiled model in a C program ------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// run MODEL.so loads a model written by `smelt compile -o model.so`, feeds it
// ones (symbolic sizes are 1) and prints the first values of each output.
//
//===----------------------------------------------------------------------===//
#include <smelt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int report(const char *what, const smelt_error *err) {
  fprintf(stderr, "run: %s: %s\n", what, err->message);
  return err->code;
}

// Allocates and binds input `index`, filled with ones where it holds floats and
// with zeros elsewhere. The memory stays ours: `*memory` is freed after the run.
static int bind_ones(smelt_module *module, smelt_context *context, size_t index, void **memory, smelt_error *err) {
  smelt_port port;
  smelt_module_input(module, index, &port);
  int64_t dims[SMELT_MAX_RANK];
  size_t count = 1;
  for (int d = 0; d < port.rank; ++d) {
    dims[d] = port.dims[d] < 0 ? 1 : port.dims[d];
    count *= (size_t)dims[d];
  }
  size_t bytes = count * smelt_dtype_size(port.dtype);
  *memory = calloc(bytes + 1, 1);
  if (!*memory) {
    snprintf(err->message, sizeof err->message, "out of memory for '%s'", port.name);
    return err->code = SMELT_NO_MEMORY;
  }
  for (size_t i = 0; port.dtype == SMELT_F32 && i < count; ++i)
    ((float *)*memory)[i] = 1.0f;
  smelt_tensor tensor = {port.dtype, port.rank < 0 ? 0 : port.rank, dims, *memory, bytes};
  return smelt_bind_input(context, index, &tensor, err);
}

static int print_output(smelt_module *module, smelt_context *context, size_t index, smelt_error *err) {
  smelt_port port;
  smelt_tensor tensor;
  smelt_module_output(module, index, &port);
  printf("%s:", port.name);
  if (port.kind != SMELT_TENSOR || port.dtype == SMELT_STRING) {
    smelt_value *value;
    if (smelt_get_output_value(context, index, &value, err))
      return err->code;
    printf(" a host value of %zu elements\n", smelt_value_count(value));
    smelt_value_release(value);
    return 0;
  }
  if (smelt_get_output(context, index, &tensor, err))
    return err->code;
  for (int d = 0; d < tensor.rank; ++d)
    printf("%s%lld", d ? "x" : " ", (long long)tensor.dims[d]);
  printf(" of %s", smelt_dtype_name(tensor.dtype));
  for (size_t i = 0; i < 4 && i < tensor.bytes / 4 && tensor.dtype == SMELT_F32; ++i)
    printf(" %g", ((const float *)tensor.data)[i]);
  printf("\n");
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: run MODEL.so\n");
    return SMELT_USAGE;
  }
  smelt_error err = {0, ""};
  smelt_module *module;
  if (smelt_module_open(argv[1], &module, &err))
    return report("open", &err);
  smelt_context *context;
  if (smelt_context_create(module, NULL, &context, &err)) {
    smelt_module_release(module);
    return report("context", &err);
  }

  size_t inputs = smelt_module_input_count(module);
  void **memory = calloc(inputs + 1, sizeof *memory);
  int code = memory ? 0 : SMELT_NO_MEMORY;
  for (size_t i = 0; !code && i < inputs; ++i)
    code = bind_ones(module, context, i, &memory[i], &err);
  if (!code)
    code = smelt_run(context, &err);
  for (size_t i = 0; !code && i < smelt_module_output_count(module); ++i)
    code = print_output(module, context, i, &err);
  if (code)
    report("run", &err);

  smelt_context_destroy(context);
  smelt_module_release(module);
  for (size_t i = 0; memory && i < inputs; ++i)
    free(memory[i]);
  free(memory);
  return code;
}
