//===- two_models.c - Two models linked into one program --------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Linked with first.o and second.o of `smelt compile`, whose headers name what is
// in them. Prints how many inputs and outputs each has; nothing is loaded.
//
//===----------------------------------------------------------------------===//
#include "first.h"
#include "second.h"
#include <stdio.h>

static int show(const char *name, const void *descriptor) {
  smelt_error err = {0, ""};
  smelt_module *module;
  smelt_context *context;
  if (smelt_module_create(descriptor, &module, &err)) {
    fprintf(stderr, "two_models: %s: %s\n", name, err.message);
    return err.code;
  }
  int code = smelt_context_create(module, NULL, &context, &err);
  if (code)
    fprintf(stderr, "two_models: %s: %s\n", name, err.message);
  else
    printf("%s: %zu in, %zu out\n", name, smelt_module_input_count(module), smelt_module_output_count(module));
  if (!code)
    smelt_context_destroy(context);
  smelt_module_release(module);
  return code;
}

int main(void) {
  int code = show("first", smelt_artifact_first);
  return code ? code : show("second", smelt_artifact_second);
}
