// Loops -> object code -> files. The LLVM backend compiles kernels in parallel and links in process.
#pragma once

#include <filesystem>
#include <span>

#include "tenon/loops.h"
#include "tenon/target.h"

namespace tenon {

// What code does of a reduction's steps. With less than all of it results mean nothing: such code shows what bounds a
// kernel, is timed (`tenon bench --bounds`) and thrown away.
enum class Steps : uint8_t {
  All,
  Loads,       // what is loaded, in the same order, is used for nothing
  Arithmetic,  // operands stay in registers, nothing is loaded
};
std::string_view spelling(Steps steps);  // "all", "loads", "arithmetic"

struct CodeOptions {
  int level = 2;
  int jobs = 1;
  Steps steps = Steps::All;
  bool keep_llvm = false;              // --emit llvm
  bool keep_assembly = false;          // --emit asm
  std::string_view runtime_bitcode = {};  // backends/runtime: what Call statements name, linked in as local code
  // For tests: the code is made for `target` and then runs on this one, instructions that it lacks being calls of their C
  // models (`models`: RuntimePart::Isa of this one's architecture).
  const Target* modelled_on = nullptr;
  std::string_view models = {};
};

struct ObjectFile {
  std::string name;               // "conv1_relu.o"
  std::vector<char> bytes;
};

struct CodeResult {
  std::vector<ObjectFile> objects;
  std::string llvm, assembly;
};

// Kernels and the host program: one object per kernel, and one that defines NAME_host and its companions
// (backends/runtime/tenon_abi.h). All symbols are hidden and start with the module's name. The bytes do
// not depend on the number of jobs.
Result<CodeResult> generate_code(const Module& module, const Target& target, const CodeOptions& options);

// What leads from NAME_level_X(level, ...) to the code of one of several modules, of the names `levels`.
Result<ObjectFile> generate_levels(const std::string& name, std::span<const std::string> levels, const Target& target,
                                   const CodeOptions& options);

// A bitcode module of the runtime as it stands, for this target.
Result<ObjectFile> compile_bitcode(std::string_view bitcode, std::string name, const Target& target,
                                   const CodeOptions& options);

// The runtime's bitcode made the model's own: tn_model_X becomes NAME_X, the public functions are visible,
// the descriptor (backends/runtime/descriptor.h) is filled in where given. `embedded`: an object of its own
// defines NAME_weights.
Result<std::string> specialize_bitcode(std::string_view bitcode, const std::string& name,
                                       std::span<const std::byte> descriptor, bool embedded);
// Leaves only the symbols of default visibility global; errors where one is defined nowhere. In place.
Result<void> localize_hidden(const std::filesystem::path& object, std::span<const std::string> defined_elsewhere);

// Of x86-64 and, with pages of 4 KiB, AArch64. A file's page cache is mapped in such pages where it lies in them, and where its
// offsets and addresses agree so far.
inline constexpr uint64_t kLargePage = uint64_t{1} << 21;

// An object file around `size` bytes of read-only data under a hidden symbol, without the data: the file is
// head, data, tail. So data of any size is written in place, never held. `data_align`: of the data's address, at least 64.
struct DataObject {
  std::vector<char> head, tail;
};
Result<DataObject> data_object(const std::string& symbol, uint64_t size, const Target& target, uint64_t data_align = 0);

using Paths = std::span<const std::filesystem::path>;

// lld in process; objects and archives. Nothing of the host's libraries is linked: what is undefined is an
// error, unless `open`: then localize_hidden has seen to it. `needed`: libraries that the loader has to bring, by
// their sonames (DT_NEEDED); they need not be here. The files are mapped, not read. `large_pages`: the library is loaded so that its
// file can be mapped in large pages; it is not longer for that.
Result<void> link_shared(const std::filesystem::path& out, const std::string& soname, Paths objects,
                         const Target& target, bool open = false, std::span<const std::string> needed = {}, bool large_pages = false);
// A static executable; the entry point is `_start`.
Result<void> link_executable(const std::filesystem::path& out, Paths objects, const Target& target);
// One relocatable object out of many.
Result<void> link_relocatable(const std::filesystem::path& out, Paths objects, const Target& target);
// Deterministic: no times, no owners.
Result<void> write_archive(const std::filesystem::path& out, Paths objects);

}  // namespace tenon
