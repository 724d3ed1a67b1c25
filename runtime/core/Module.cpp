//===- Module.cpp - Opens, verifies and describes a model -------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See Module.h. Opening a library looks at its ELF header first, so that one
// of another machine is refused in our words. Tested by
// test/runtime/{ContextTest,VerifyTest}.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/Module.h"
#include "runtime/cpu/CpuFeatures.h"
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace smelt::rt;

smelt_module::~smelt_module() {
  if (library)
    dlclose(library);
}

void smelt::rt::listNames(const Vec<Port> &ports, String &text) {
  for (const Port &p : ports)
    text.appendf("%s'%s'", text.empty() ? "" : ", ", p.name);
}

/// The loader trusts these numbers, and dies of a file that is shorter.
static bool hasAllSegments(int file, const Elf64_Ehdr &header, int64_t fileSize) {
  Elf64_Phdr segments[64];
  size_t count = header.e_phnum, bytes = count * sizeof *segments;
  auto size = static_cast<uint64_t>(fileSize);
  if (count == 0 || count > 64 || header.e_phentsize != sizeof *segments || header.e_phoff > size ||
      pread(file, segments, bytes, static_cast<off_t>(header.e_phoff)) != static_cast<ssize_t>(bytes))
    return false;
  for (size_t i = 0; i < count; ++i)
    if (segments[i].p_type != PT_GNU_STACK &&
        (segments[i].p_offset > size || segments[i].p_filesz > size - segments[i].p_offset))
      return false;
  return true;
}

static int checkElf(const char *path, smelt_error *err) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return fail(err, errno == ENOENT || errno == ENOTDIR ? SMELT_NO_FILE : SMELT_IO, "cannot open '%s': %s",
                path, strerror(errno));
  struct stat status;
  Elf64_Ehdr header;
  bool isRegular = fstat(file, &status) == 0 && S_ISREG(status.st_mode);
  ssize_t got = isRegular ? read(file, &header, sizeof header) : 0;
  bool isWhole = got == sizeof header && hasAllSegments(file, header, status.st_size);
  close(file);
  if (!isRegular)
    return fail(err, SMELT_BAD_DATA, "'%s' is not a regular file", path);
  if (got != sizeof header || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
    return fail(err, SMELT_BAD_DATA, "'%s' is not a library (no ELF file); write one with `smelt compile -o m.so`", path);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_type != ET_DYN)
    return fail(err, SMELT_BAD_DATA, "'%s' is not a 64-bit shared library", path);
  if (header.e_machine != static_cast<unsigned>(hostArch()))
    return fail(err, SMELT_UNSUPPORTED, "'%s' is for %s (%u), this machine is %s", path,
                archName(static_cast<smelt::artifact::Arch>(header.e_machine)), header.e_machine,
                archName(hostArch()));
  if (!isWhole)
    return fail(err, SMELT_BAD_DATA, "'%s' is cut off: it has %lld bytes, fewer than its segments need", path,
                static_cast<long long>(status.st_size));
  return SMELT_OK;
}

/// Checks `descriptor` and makes the module, which takes `library`.
static int makeModule(const Descriptor *descriptor, void *library, smelt_module **result, smelt_error *err) {
  smelt_module *module = create<smelt_module>();
  if (!module) {
    if (library)
      dlclose(library);
    return failMemory(err, sizeof(smelt_module), "a module");
  }
  module->library = library;
  int code = verifyDescriptor(descriptor, err);
  if (!code)
    code = verifyProgram(descriptor, module->program, err);
  if (code) {
    destroy(module);
    return code;
  }
  *result = module;
  return SMELT_OK;
}

static int describe(const Vec<Port> &ports, size_t index, smelt_port *port) {
  if (!port || index >= ports.size())
    return SMELT_USAGE;
  const Port &p = ports[index];
  *port = {p.name, p.kind, static_cast<smelt_dtype>(p.dtype), p.rank, p.dims.data(), p.dimNames.data()};
  return SMELT_OK;
}

static int find(const Vec<Port> &ports, const char *what, const char *name, size_t *index, smelt_error *err) {
  if (!name || !index)
    return fail(err, SMELT_USAGE, "the name of an %s is NULL", what);
  for (size_t i = 0; i < ports.size(); ++i)
    if (strcmp(ports[i].name, name) == 0) {
      *index = i;
      return SMELT_OK;
    }
  String names;
  listNames(ports, names);
  return fail(err, SMELT_USAGE, "the model has no %s '%s'; it has %s", what, name,
              names.empty() ? "none" : names.c_str());
}

extern "C" {

int smelt_module_open(const char *path, smelt_module **module, smelt_error *err) {
  if (!path || !module)
    return fail(err, SMELT_USAGE, "smelt_module_open: the path or the place for the module is NULL");
  *module = nullptr;
  if (int code = checkElf(path, err))
    return code;
  // Without a slash dlopen would search the library path instead of this file.
  String full;
  if ((!strchr(path, '/') && !full.append("./")) || !full.append(path))
    return failMemory(err, strlen(path), "a path");
  void *library = dlopen(full.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return fail(err, SMELT_BAD_DATA, "cannot load '%s': %s", path, dlerror());
  const void *descriptor = dlsym(library, "smelt_artifact");
  if (!descriptor) {
    dlclose(library);
    return fail(err, SMELT_BAD_DATA, "'%s' has no symbol 'smelt_artifact': it was not written by Smelt", path);
  }
  return makeModule(static_cast<const Descriptor *>(descriptor), library, module, err);
}

int smelt_module_create(const void *descriptor, smelt_module **module, smelt_error *err) {
  if (!module)
    return fail(err, SMELT_USAGE, "smelt_module_create: the place for the module is NULL");
  *module = nullptr;
  return makeModule(static_cast<const Descriptor *>(descriptor), nullptr, module, err);
}

void smelt_module_retain(smelt_module *module) {
  module->references.fetch_add(1, std::memory_order_relaxed);
}

void smelt_module_release(smelt_module *module) {
  if (module && module->references.fetch_sub(1, std::memory_order_acq_rel) == 1)
    destroy(module);
}

size_t smelt_module_input_count(const smelt_module *module) { return module->program.inputs.size(); }
size_t smelt_module_output_count(const smelt_module *module) { return module->program.outputs.size(); }

int smelt_module_input(const smelt_module *module, size_t index, smelt_port *port) {
  return describe(module->program.inputs, index, port);
}
int smelt_module_output(const smelt_module *module, size_t index, smelt_port *port) {
  return describe(module->program.outputs, index, port);
}
int smelt_module_find_input(const smelt_module *module, const char *name, size_t *index, smelt_error *err) {
  return find(module->program.inputs, "input", name, index, err);
}
int smelt_module_find_output(const smelt_module *module, const char *name, size_t *index, smelt_error *err) {
  return find(module->program.outputs, "output", name, index, err);
}

const char *smelt_module_manifest(const smelt_module *module, size_t *size) {
  if (size)
    *size = module->program.descriptor->manifestSize;
  return module->program.descriptor->manifest;
}

} // extern "C"
