//===- app.c - A C99 program with a compiled model -------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// app FILE.so loads a model of one f32 input and one f32 output at run time;
// built with -DMODEL=smelt_artifact_name and linked with name.o it has the
// model inside. Prints the sum of the output for an input of ones.
//
//===----------------------------------------------------------------------===//
#include <smelt.h>
#include <stdio.h>

#ifdef MODEL
extern const char MODEL[];
#endif

static int fail(const smelt_error *err) {
  fprintf(stderr, "app: %s\n", err->message);
  return err->code;
}

static int run(smelt_module *module) {
  smelt_error err;
  smelt_context *context = NULL;
  smelt_port port;
  static float ones[1024];
  for (int i = 0; i < 1024; ++i)
    ones[i] = 1.0f;
  smelt_module_input(module, 0, &port);
  smelt_tensor in = {port.dtype, port.rank, port.dims, ones, sizeof(float)}, out;
  for (int d = 0; d < port.rank; ++d)
    in.bytes *= (size_t)port.dims[d];
  if (smelt_context_create(module, NULL, &context, &err) || smelt_bind_input(context, 0, &in, &err) ||
      smelt_run(context, &err) || smelt_get_output(context, 0, &out, &err))
    return fail(&err);
  double sum = 0;
  for (int64_t i = 0; i < out.dims[out.rank - 1]; ++i)
    sum += ((const float *)out.data)[i];
  printf("%s to %.3f\n", port.name, sum);
  smelt_context_destroy(context);
  smelt_module_release(module);
  return 0;
}

int main(int argc, char **argv) {
  smelt_module *module = NULL;
  smelt_error err;
  if (smelt_api_version() != SMELT_API_VERSION)
    return SMELT_UNSUPPORTED;
#ifdef MODEL
  (void)argc, (void)argv;
  if (smelt_module_create(MODEL, &module, &err))
    return fail(&err);
#else
  if (smelt_module_open(argc > 1 ? argv[1] : "", &module, &err))
    return fail(&err);
#endif
  return run(module);
}
