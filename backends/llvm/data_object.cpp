// A relocatable ELF file written by hand, because LLVM's object writer wants the data in memory.
#include <algorithm>
#include <cstring>

#include <llvm/BinaryFormat/ELF.h>
#include <llvm/TargetParser/Triple.h>

#include "tenon/backend.h"

namespace tenon {

namespace {

using namespace llvm::ELF;

constexpr uint64_t kAlign = 64;

struct Machine {
  uint16_t machine;
  uint32_t flags;
};

Result<Machine> machine_of(const Target& target) {
  switch (llvm::Triple(target.triple).getArch()) {
    case llvm::Triple::x86_64: return Machine{EM_X86_64, 0};
    case llvm::Triple::aarch64: return Machine{EM_AARCH64, 0};
    case llvm::Triple::riscv64: return Machine{EM_RISCV, EF_RISCV_RVC | EF_RISCV_FLOAT_ABI_DOUBLE};
    default: return fail(Code::E0404, "no object format for the target's triple " + target.triple);
  }
}

// Names, one after another, as string tables are.
struct Strings {
  std::string text = std::string(1, '\0');
  uint32_t add(const std::string& name) {
    const auto at = static_cast<uint32_t>(text.size());
    text += name + '\0';
    return at;
  }
};

void append(std::vector<char>& out, const void* data, size_t size) {
  const char* bytes = static_cast<const char*>(data);
  out.insert(out.end(), bytes, bytes + size);
}

}  // namespace

Result<DataObject> data_object(const std::string& symbol, uint64_t size, const Target& target, uint64_t data_align) {
  TENON_TRY(const Machine machine, machine_of(target));
  constexpr uint64_t kHead = (sizeof(Elf64_Ehdr) + kAlign - 1) / kAlign * kAlign;
  enum : uint16_t { Null, Data, Symbols, Names, SectionNames, Stack, kSections };

  Strings names, sections;
  const Elf64_Sym symbols[2] = {{}, {.st_name = names.add(symbol), .st_info = STB_GLOBAL << 4 | STT_OBJECT,
                                     .st_other = STV_HIDDEN, .st_shndx = Data, .st_value = 0, .st_size = size}};
  const uint32_t data_name = sections.add(".rodata." + symbol), symbols_name = sections.add(".symtab"),
                 names_name = sections.add(".strtab"), sections_name = sections.add(".shstrtab"),
                 stack_name = sections.add(".note.GNU-stack");
  const uint64_t symbols_at = (kHead + size + 7) / 8 * 8, names_at = symbols_at + sizeof symbols,
                 sections_at = names_at + names.text.size(),
                 table_at = (sections_at + sections.text.size() + 7) / 8 * 8;

  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ElfMagic, 4);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_REL;
  header.e_machine = machine.machine;
  header.e_version = EV_CURRENT;
  header.e_flags = machine.flags;
  header.e_ehsize = sizeof header;
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = kSections;
  header.e_shstrndx = SectionNames;
  header.e_shoff = table_at;

  Elf64_Shdr table[kSections] = {};
  auto section = [&](int index, uint32_t name, uint32_t type, uint64_t at, uint64_t bytes, uint64_t align) {
    table[index].sh_name = name;
    table[index].sh_type = type;
    table[index].sh_offset = at;
    table[index].sh_size = bytes;
    table[index].sh_addralign = align;
  };
  section(Data, data_name, SHT_PROGBITS, kHead, size, std::max(data_align, kAlign));
  table[Data].sh_flags = SHF_ALLOC;
  section(Symbols, symbols_name, SHT_SYMTAB, symbols_at, sizeof symbols, 8);
  table[Symbols].sh_link = Names;
  table[Symbols].sh_info = 1;  // the first symbol that is not local
  table[Symbols].sh_entsize = sizeof(Elf64_Sym);
  section(Names, names_name, SHT_STRTAB, names_at, names.text.size(), 1);
  section(SectionNames, sections_name, SHT_STRTAB, sections_at, sections.text.size(), 1);
  section(Stack, stack_name, SHT_PROGBITS, sections_at, 0, 1);

  DataObject object;
  append(object.head, &header, sizeof header);
  object.head.resize(kHead);
  object.tail.resize(symbols_at - kHead - size);
  append(object.tail, symbols, sizeof symbols);
  append(object.tail, names.text.data(), names.text.size());
  append(object.tail, sections.text.data(), sections.text.size());
  object.tail.resize(table_at - kHead - size);
  append(object.tail, table, sizeof table);
  return object;
}

}  // namespace tenon
