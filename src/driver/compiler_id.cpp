#include "compiler_id.h"

#include <elf.h>
#include <link.h>

#include <cstring>
#include <set>

#include "files.h"
#include "tenon/hash.h"

namespace tenon {

namespace {

struct BuildIds {
  bool first = true, program = false;
  std::set<std::string> ids = {};
};

std::string note_build_id(const char* at, size_t bytes) {
  while (bytes >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    std::memcpy(&note, at, sizeof note);
    const size_t name = (note.n_namesz + 3u) & ~3u, content = (note.n_descsz + 3u) & ~3u;
    if (sizeof note + name + content > bytes) break;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(at + sizeof note, "GNU", 4) == 0)
      return {at + sizeof note + name, note.n_descsz};
    at += sizeof note + name + content;
    bytes -= sizeof note + name + content;
  }
  return {};
}

int collect(dl_phdr_info* info, size_t, void* out) {
  auto& found = *static_cast<BuildIds*>(out);
  const bool program = std::exchange(found.first, false);
  // The kernel's own object is no part of Tenon.
  if (!program && (!info->dlpi_name || std::strstr(info->dlpi_name, "linux-vdso"))) return 0;
  for (int k = 0; k < info->dlpi_phnum; ++k) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[k];
    if (segment.p_type != PT_NOTE) continue;
    const std::string id = note_build_id(reinterpret_cast<const char*>(info->dlpi_addr + segment.p_vaddr), segment.p_memsz);
    if (id.empty()) continue;
    found.ids.insert(id);
    found.program = found.program || program;
  }
  return 0;
}

}  // namespace

Result<std::string> compiler_id() {
  BuildIds found;
  dl_iterate_phdr(collect, &found);
  std::string all = version();
  for (const std::string& id : found.ids) all += '\0' + id;
  if (!found.program) {
    TENON_TRY(const MappedInput program, MappedInput::open("/proc/self/exe"));
    all += hex(blake3(program.bytes()));
  }
  return hex(blake3(all));
}

}  // namespace tenon
