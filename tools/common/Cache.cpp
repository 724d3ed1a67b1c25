//===- Cache.cpp - Where compiled kernels are kept --------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "tools/common/Cache.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringRef.h"
#include <cstdlib>
#include <cstring>
#include <link.h>

namespace smelt {

std::string defaultCacheFolder() {
  const char *xdg = std::getenv("XDG_CACHE_HOME"), *home = std::getenv("HOME");
  if (xdg && *xdg == '/') // the specification: a relative path counts as unset
    return std::string(xdg) + "/smelt";
  return home && *home == '/' ? std::string(home) + "/.cache/smelt" : "";
}

namespace {

std::string noteOf(const dl_phdr_info &object) {
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    const ElfW(Phdr) &header = object.dlpi_phdr[i];
    if (header.p_type != PT_NOTE)
      continue;
    const char *at = reinterpret_cast<const char *>(object.dlpi_addr + header.p_vaddr), *end = at + header.p_memsz;
    while (at + sizeof(ElfW(Nhdr)) <= end) {
      const auto *note = reinterpret_cast<const ElfW(Nhdr) *>(at);
      const char *name = at + sizeof *note, *bytes = name + (note->n_namesz + 3) / 4 * 4;
      if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0)
        return llvm::toHex(llvm::ArrayRef(reinterpret_cast<const uint8_t *>(bytes), note->n_descsz), /*LowerCase=*/true);
      at = bytes + (note->n_descsz + 3) / 4 * 4;
    }
  }
  return "";
}

struct Search {
  std::string ids;
  bool isFirst = true, isComplete = true;
};

int visit(dl_phdr_info *object, size_t, void *data) {
  auto &search = *static_cast<Search *>(data);
  llvm::StringRef name(object->dlpi_name);
  bool isProgram = std::exchange(search.isFirst, false);
  if (!isProgram && !name.contains("libLLVM") && !name.contains("libMLIR"))
    return 0;
  std::string id = noteOf(*object);
  search.isComplete &= !id.empty();
  search.ids += id + ' ';
  return 0;
}

} // namespace

std::string compilerBuildId() {
  Search search;
  dl_iterate_phdr(visit, &search);
  return search.isComplete ? search.ids : "";
}

} // namespace smelt
