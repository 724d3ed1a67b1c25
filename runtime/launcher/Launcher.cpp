//===- Launcher.cpp - What an executable model does by itself -----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See Launcher.h. Tested by test/runtime/launcher.py.
//
//===----------------------------------------------------------------------===//
#include "runtime/launcher/Launcher.h"
#include "runtime/launcher/Session.h"
#include <stdio.h>

using namespace smelt::rt;

static int execute(Session &s, int argc, char **argv, smelt_error *err) {
  Options &o = s.options;
  if (int code = parseOptions(argc, argv, o, err))
    return code;
  if (o.wantsHelp)
    return printHelp(o, s.module), SMELT_OK;
  if (o.wantsManifest) {
    size_t size;
    const char *manifest = smelt_module_manifest(s.module, &size);
    fwrite(manifest, 1, size, stdout);
    putchar('\n');
    return SMELT_OK;
  }
  smelt_context_options options{};
  options.struct_size = sizeof options;
  options.threads = static_cast<uint32_t>(o.threads);
  options.flags = o.isPoisoning ? SMELT_POISON : 0;
  if (int code = smelt_context_create(s.module, &options, &s.context, err))
    return code;
  smelt_context_set_deadline_ms(s.context, static_cast<uint64_t>(o.deadlineMs));
  // Time does not depend on the numbers, so a measurement needs no files.
  if ((o.wantsBench || o.wantsProfile) && o.fill == Fill::None && o.inputs.empty() && !o.testData)
    o.fill = Fill::Random;
  if (int code = bindInputs(s, err))
    return code;
  if (o.wantsProfile) {
    // Cold caches and first allocations are not the kernels' time.
    for (int64_t i = 0; i < o.warmup; ++i)
      if (int code = smelt_run(s.context, err))
        return code;
    smelt_context_set_profiling(s.context, 1);
  }
  if (int code = smelt_run(s.context, err))
    return code;
  // Correct first: a timing without a passed comparison is not printed.
  if (int code = compareOutputs(s, err))
    return code;
  if (o.wantsProfile)
    printProfile(s);
  if (o.wantsBench) {
    smelt_context_set_profiling(s.context, 0);
    if (int code = bench(s, err))
      return code;
    if (o.outputs.empty())
      return SMELT_OK;
  }
  return deliverOutputs(s, err);
}

extern "C" int smelt_launcher_run(smelt_module *module, int argc, char **argv) {
  smelt_error err{};
  Session session;
  session.module = module;
  int code = execute(session, argc, argv, &err);
  if (code) {
    fflush(stdout);
    fprintf(stderr, "%s: error: %s\n", session.options.program, err.message);
  }
  if ((fflush(stdout) != 0 || ferror(stdout)) && !code) {
    fprintf(stderr, "%s: error: cannot write to stdout\n", session.options.program);
    code = SMELT_IO;
  }
  return code;
}

extern "C" int smelt_launcher_main(const smelt::artifact::Descriptor *descriptor, int argc, char **argv) {
  smelt_error err{};
  smelt_module *module;
  if (int code = smelt_module_create(descriptor, &module, &err)) {
    fprintf(stderr, "%s: error: %s\n", argc > 0 ? argv[0] : "model", err.message);
    return code;
  }
  int code = smelt_launcher_run(module, argc, argv);
  smelt_module_release(module);
  return code;
}
