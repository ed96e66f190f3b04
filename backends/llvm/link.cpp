// Linking with lld as a library, and archives.
#include <array>
#include <fstream>
#include <mutex>

#include <lld/Common/Driver.h>
#include <llvm/Object/ArchiveWriter.h>
#include <llvm/Support/Path.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/TargetParser/Triple.h>

#include "tenon/backend.h"

LLD_HAS_DRIVER(elf)

#if defined(__SANITIZE_ADDRESS__)
// lld gives threads signal stacks of its own; the sanitizer would free them as if they were its.
extern "C" const char* __asan_default_options() { return "use_sigaltstack=0"; }
#endif

namespace tenon {

namespace {

const char* emulation(const Target& target) {
  switch (llvm::Triple(target.triple).getArch()) {
    case llvm::Triple::x86_64: return "elf_x86_64";
    case llvm::Triple::aarch64: return "aarch64linux";
    case llvm::Triple::riscv64: return "elf64lriscv";
    default: return nullptr;
  }
}

Result<void> run_lld(std::vector<std::string> arguments, const std::filesystem::path& out, Paths objects,
                     const Target& target) {
  const char* machine = emulation(target);
  if (!machine)
    return fail(Code::E0404, "no linker for the target's triple " + target.triple, "emit objects only");
  arguments.insert(arguments.begin(), {"ld.lld", "-m", machine, "--threads=1", "--build-id=none", "-o", out.string()});
  for (const auto& object : objects) arguments.push_back(object.string());
  std::vector<const char*> argv;
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());

  static std::mutex one_at_a_time;  // lld keeps global state
  std::scoped_lock lock(one_at_a_time);
  std::string log;
  llvm::raw_string_ostream stream(log);
  lld::Result result = lld::lldMain(argv, stream, stream, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode != 0) return fail(Code::E0404, "linking " + out.filename().string() + " failed: " + log);
  return {};
}

}  // namespace

Result<void> link_shared(const std::filesystem::path& out, const std::string& soname, Paths objects,
                         const Target& target, bool open, std::span<const std::string> needed, bool large_pages) {
  std::vector<std::filesystem::path> all(objects.begin(), objects.end());
  // What the linker asks of a library that is needed is its soname: an empty one in its place will do.
  for (const std::string& library : needed) {
    const std::filesystem::path object = objects.front().parent_path() / (library + ".o");
    TENON_TRY(const DataObject frame, data_object("empty", 1, target));
    std::ofstream file(object, std::ios::binary);
    file.write(frame.head.data(), static_cast<std::streamsize>(frame.head.size())).put(0);
    file.write(frame.tail.data(), static_cast<std::streamsize>(frame.tail.size()));
    file.close();
    if (!file) return fail(Code::E0505, object.string() + " cannot be written");
    all.push_back(objects.front().parent_path() / library);
    TENON_DO(run_lld({"-shared", "-soname", library}, all.back(), std::array{object}, target));
  }
  std::vector<std::string> arguments = {"-shared", "-soname", soname, "-z", open ? "undefs" : "defs", "-z", "relro", "-z", "now",
                                        "-z", "noexecstack", "--gc-sections", "--hash-style=gnu", "--no-as-needed"};
  if (large_pages) arguments.insert(arguments.end(), {"-z", "max-page-size=" + std::to_string(kLargePage)});
  return run_lld(std::move(arguments), out, all, target);
}

Result<void> link_executable(const std::filesystem::path& out, Paths objects, const Target& target) {
  return run_lld({"-static", "-e", "_start", "-z", "noexecstack", "--gc-sections"}, out, objects, target);
}

Result<void> link_relocatable(const std::filesystem::path& out, Paths objects, const Target& target) {
  return run_lld({"-r"}, out, objects, target);
}

Result<void> write_archive(const std::filesystem::path& out, Paths objects) {
  auto refused = [&](llvm::Error error) {
    return fail(Code::E0505, out.string() + ": " + llvm::toString(std::move(error)));
  };
  std::vector<llvm::NewArchiveMember> members;
  for (const auto& object : objects) {
    auto member = llvm::NewArchiveMember::getFile(object.string(), /*Deterministic=*/true);
    if (!member) return refused(member.takeError());
    members.push_back(std::move(*member));
    members.back().MemberName = llvm::sys::path::filename(members.back().MemberName);
  }
  if (auto error = llvm::writeArchive(out.string(), members, llvm::SymtabWritingMode::NormalSymtab,
                                      llvm::object::Archive::K_GNU, /*Deterministic=*/true, /*Thin=*/false))
    return refused(std::move(error));
  return {};
}

}  // namespace tenon
