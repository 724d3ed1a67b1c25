//===- threads.c - One module, a context on each of several threads ---------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// threads MODEL.so runs a model with one input and one output of floats on four
// threads at the same time and says whether all gave the same bytes.
//
//===----------------------------------------------------------------------===//
#include <pthread.h>
#include <smelt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, RUNS = 20 };

typedef struct {
  smelt_module *module;
  float *result; // the caller frees it
  size_t bytes;
  smelt_error err;
} job;

static void *work(void *argument) {
  job *j = argument;
  smelt_context *context = NULL;
  // One thread in each pool: the parallelism is here.
  smelt_context_options options = {sizeof options, 1, 0, 0, {NULL, NULL, NULL}};
  smelt_port port;
  int64_t dims[SMELT_MAX_RANK];
  size_t count = 1;
  smelt_module_input(j->module, 0, &port);
  for (int d = 0; d < port.rank; ++d)
    count *= (size_t)(dims[d] = port.dims[d] < 0 ? 1 : port.dims[d]);
  float *input = malloc(count * sizeof(float));
  for (size_t i = 0; input && i < count; ++i)
    input[i] = (float)(i % 17) / 16;
  smelt_tensor tensor = {SMELT_F32, port.rank, dims, input, count * sizeof(float)}, output;
  if (!smelt_context_create(j->module, &options, &context, &j->err) &&
      !smelt_bind_input(context, 0, &tensor, &j->err)) {
    for (int run = 0; run < RUNS && !j->err.code; ++run)
      smelt_run(context, &j->err);
    if (!j->err.code && !smelt_get_output(context, 0, &output, &j->err) && (j->result = malloc(output.bytes))) {
      memcpy(j->result, output.data, output.bytes); // the context's memory goes with it
      j->bytes = output.bytes;
    }
  }
  smelt_context_destroy(context);
  free(input);
  return NULL;
}

int main(int argc, char **argv) {
  smelt_error err = {0, ""};
  smelt_module *module;
  if (argc != 2 || smelt_module_open(argv[1], &module, &err)) {
    fprintf(stderr, "threads: %s\n", argc == 2 ? err.message : "usage: threads MODEL.so");
    return argc == 2 ? err.code : SMELT_USAGE;
  }
  job jobs[THREADS];
  pthread_t threads[THREADS];
  memset(jobs, 0, sizeof jobs);
  for (int i = 0; i < THREADS; ++i) {
    jobs[i].module = module;
    if (pthread_create(&threads[i], NULL, work, &jobs[i]))
      return SMELT_INTERNAL;
  }
  int code = 0;
  for (int i = 0; i < THREADS; ++i) {
    pthread_join(threads[i], NULL);
    if (jobs[i].err.code) {
      fprintf(stderr, "threads: %s\n", jobs[i].err.message);
      code = jobs[i].err.code;
    } else if (jobs[i].bytes != jobs[0].bytes || memcmp(jobs[i].result, jobs[0].result, jobs[0].bytes)) {
      code = SMELT_DIFFERENT;
    }
  }
  if (!code)
    printf("%d threads, %d runs each: the same %zu bytes\n", THREADS, RUNS, jobs[0].bytes);
  for (int i = 0; i < THREADS; ++i)
    free(jobs[i].result);
  smelt_module_release(module);
  return code;
}
