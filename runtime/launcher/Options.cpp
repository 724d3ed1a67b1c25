//===- Options.cpp - The launcher's command line ----------------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See Options.h. Tested by test/runtime/launcher.py.
//
//===----------------------------------------------------------------------===//
#include "runtime/launcher/Options.h"
#include "runtime/io/Files.h"
#include <errno.h>
#include <stdio.h>

namespace smelt::rt {
namespace {

class Parser {
public:
  Parser(int argc, char **argv, Options &o, smelt_error *err) : argc(argc), argv(argv), o(o), err(err) {}
  int run() {
    for (at = 1; at < argc; ++at)
      if (int code = option(argv[at]))
        return code;
    return SMELT_OK;
  }

private:
  int option(const char *arg);
  /// Whether `arg` is `name`; its value is then in `value`.
  bool isOption(const char *arg, const char *name, bool &lacksValue);
  int number(const char *name, int64_t least, int64_t &result);
  int real(const char *name, double &result, bool &isGiven);
  int binding(const char *name, Vec<Binding> &list, bool isOutput);
  int dim();

  int argc;
  char **argv;
  Options &o;
  smelt_error *err;
  int at = 1;
  const char *value = nullptr;
};

bool Parser::isOption(const char *arg, const char *name, bool &lacksValue) {
  size_t n = strlen(name);
  if (strncmp(arg, name, n) != 0)
    return false;
  if (arg[n] == '=') {
    value = arg + n + 1;
    return true;
  }
  if (arg[n])
    return false;
  lacksValue = at + 1 >= argc;
  value = lacksValue ? "" : argv[++at];
  return true;
}

int Parser::number(const char *name, int64_t least, int64_t &result) {
  char *end;
  errno = 0;
  long long n = strtoll(value, &end, 10);
  if (end == value || *end || errno || n < least || n > 1000000000)
    return fail(err, SMELT_USAGE, "%s is '%s', a number of at least %lld is wanted", name, value,
                static_cast<long long>(least));
  result = n;
  return SMELT_OK;
}

int Parser::real(const char *name, double &result, bool &isGiven) {
  char *end;
  result = strtod(value, &end);
  isGiven = true;
  if (end == value || *end || !(result >= 0) || result > 1e300)
    return fail(err, SMELT_USAGE, "%s is '%s', a number of at least 0 is wanted", name, value);
  return SMELT_OK;
}

/// Names may hold '=' only before '=@'; a text is told by its first '='.
int Parser::binding(const char *name, Vec<Binding> &list, bool isOutput) {
  Binding b;
  const char *file = strstr(value, "=@");
  const char *equals = strchr(value, '=');
  bool ok = true;
  if (value[0] == '@') {
    b.file = value + 1;
  } else if (file) {
    ok = b.name.assign(value, static_cast<size_t>(file - value));
    b.file = file + 2;
  } else if (isOutput || !equals) {
    b.file = value; // --output out.npz, --expected ref.npz
  } else {
    // "x=2xf32=1,2" names its input; "2xf32=1,2" does not.
    ValueRef probe;
    smelt_error ignored;
    if (readText(value, probe, &ignored) == SMELT_OK) {
      b.text = value;
    } else {
      ok = b.name.assign(value, static_cast<size_t>(equals - value));
      b.text = equals + 1;
    }
  }
  if (b.file && !*b.file)
    return fail(err, SMELT_USAGE, "%s '%s' names no file", name, value);
  return ok && list.push(std::move(b)) ? SMELT_OK : failMemory(err, sizeof b, name);
}

int Parser::dim() {
  const char *equals = strrchr(value, '=');
  DimChoice choice;
  if (!equals || equals == value)
    return fail(err, SMELT_USAGE, "--dim is '%s', SYMBOL=NUMBER is wanted", value);
  bool ok = choice.symbol.assign(value, static_cast<size_t>(equals - value));
  value = equals + 1;
  if (int code = number("--dim", 0, choice.value))
    return code;
  return ok && o.dims.push(std::move(choice)) ? SMELT_OK : failMemory(err, sizeof choice, "--dim");
}

int Parser::option(const char *arg) {
  bool lacksValue = false;
  auto is = [&](const char *name) { return isOption(arg, name, lacksValue); };
  auto missing = [&] { return fail(err, SMELT_USAGE, "%s needs a value", arg); };
  if (!strcmp(arg, "--help") || !strcmp(arg, "-h"))
    return o.wantsHelp = true, SMELT_OK;
  if (!strcmp(arg, "--inspect"))
    return o.wantsManifest = true, SMELT_OK;
  if (!strcmp(arg, "--bench"))
    return o.wantsBench = true, SMELT_OK;
  if (!strcmp(arg, "--poison"))
    return o.isPoisoning = true, SMELT_OK;
  if (!strcmp(arg, "--profile"))
    return o.wantsProfile = true, SMELT_OK;
  if (is("--input"))
    return lacksValue ? missing() : binding("--input", o.inputs, false);
  if (is("--output"))
    return lacksValue ? missing() : binding("--output", o.outputs, true);
  if (is("--expected"))
    return lacksValue ? missing() : binding("--expected", o.expected, false);
  if (is("--test-data"))
    return lacksValue ? missing() : (o.testData = value, SMELT_OK);
  if (is("--dim"))
    return lacksValue ? missing() : dim();
  if (is("--rtol"))
    return real("--rtol", o.tolerance.given.rtol, o.tolerance.hasRtol);
  if (is("--atol"))
    return real("--atol", o.tolerance.given.atol, o.tolerance.hasAtol);
  if (is("--cosine"))
    return real("--cosine", o.tolerance.given.cosine, o.tolerance.hasCosine);
  if (is("--threads"))
    return number("--threads", 1, o.threads);
  if (is("--warmup"))
    return number("--warmup", 0, o.warmup);
  if (is("--runs") || is("-r"))
    return number("-r", 1, o.runs);
  if (is("--seed"))
    return number("--seed", 0, o.seed);
  if (is("--deadline"))
    return number("--deadline", 0, o.deadlineMs);
  if (is("--fill")) {
    if (strcmp(value, "random") && strcmp(value, "ints"))
      return fail(err, SMELT_USAGE, "--fill is '%s', random or ints is wanted", value);
    o.fill = *value == 'r' ? Fill::Random : Fill::Ints;
    return SMELT_OK;
  }
  if (is("--format")) {
    if (strcmp(value, "md") && strcmp(value, "csv") && strcmp(value, "json"))
      return fail(err, SMELT_USAGE, "--format is '%s', md, csv or json is wanted", value);
    o.format = *value == 'm' ? Format::Markdown : *value == 'c' ? Format::Csv : Format::Json;
    return SMELT_OK;
  }
  return fail(err, SMELT_USAGE, "unknown option '%s'; --help lists them", arg);
}

} // namespace

int parseOptions(int argc, char **argv, Options &options, smelt_error *err) {
  if (argc > 0 && argv[0]) {
    const char *slash = strrchr(argv[0], '/');
    options.program = slash ? slash + 1 : argv[0];
  }
  return Parser(argc, argv, options, err).run();
}

void describePort(const smelt_port &p, String &text) {
  static const char *const kinds[] = {"", "sequence of ", "map of ", "optional of "};
  text.appendf("%s%s", kinds[p.kind], smelt_dtype_name(p.dtype));
  if (p.kind != SMELT_TENSOR)
    return;
  text.appendf("[");
  if (p.rank < 0)
    text.appendf("...");
  for (int32_t i = 0; i < p.rank; ++i) {
    text.appendf("%s", i ? "x" : "");
    if (p.dim_names[i])
      text.appendf("%s", *p.dim_names[i] ? p.dim_names[i] : "?");
    else
      text.appendf("%lld", static_cast<long long>(p.dims[i]));
  }
  text.appendf("]");
}

void printHelp(const Options &o, const smelt_module *module) {
  printf("usage: %s --input NAME=@FILE... [options]\n\n", o.program);
  smelt_port port;
  for (size_t i = 0; smelt_module_input(module, i, &port) == SMELT_OK; ++i) {
    String type;
    describePort(port, type);
    printf("%s  %-24s %s\n", i ? "" : "inputs\n", port.name, type.c_str());
  }
  for (size_t i = 0; smelt_module_output(module, i, &port) == SMELT_OK; ++i) {
    String type;
    describePort(port, type);
    printf("%s  %-24s %s\n", i ? "" : "outputs\n", port.name, type.c_str());
  }
  fputs("options\n"
        "  --input NAME=@FILE         .npy, .npz, .pb or .safetensors; NAME may be left out\n"
        "                             when there is one input or the file holds names\n"
        "  --input NAME=2x2xf32=1,2,3,4   written out (one value: for all elements)\n"
        "  --output NAME=@FILE | FILE write instead of printing; .npz takes all outputs\n"
        "  --expected NAME=@FILE      compare; exit 82 when the output differs\n"
        "  --test-data DIR            input_k.pb in, compared with output_k.pb\n"
        "  --rtol R --atol A --cosine C   |got - ref| <= A * rms(ref) + R * |ref|\n"
        "  --bench [-r RUNS] [--warmup N] [--format md|csv|json]   time it\n"
        "  --profile [--format ...]   time of every kernel\n"
        "  --fill random|ints         make missing inputs up (--seed N); sizes by --dim SYMBOL=N;\n"
        "                             --bench and --profile without any input do as well\n"
        "  --threads N                left out: all CPUs\n"
        "  --poison                   fill unwritten memory with 0xff (finds defects)\n"
        "  --deadline MS              give up a run after that time (exit 75)\n"
        "  --inspect                  print the manifest (JSON)\n"
        "exit codes: 0 ok, 64 usage, 65 bad data, 66 missing file, 69 unsupported, 71 memory,\n"
        "  73 74 cannot write or read, 75 deadline, 80 device, 82 the comparison failed\n",
        stdout);
}

} // namespace smelt::rt
