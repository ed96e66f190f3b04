#include "files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>

#include "locked_folder.h"
#include "tenon/backend.h"
#include "tenon/hash.h"

namespace tenon {

namespace fs = std::filesystem;

namespace {

std::unexpected<Diags> unwritable(const fs::path& path, const std::string& why) {
  return fail(Diag{.code = Code::E0505, .message = path.string() + ": " + why, .file = path.string()});
}

bool same_contents(const fs::path& a, const fs::path& b) {
  const Result<MappedInput> x = MappedInput::open(a), y = MappedInput::open(b);
  return x && y && std::ranges::equal(x->bytes(), y->bytes());
}

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

}  // namespace

Result<MappedOutput> MappedOutput::create(const fs::path& path, size_t size) {
  Descriptor file{open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)};
  if (file.fd < 0) return unwritable(path, std::strerror(errno));
  // Reserved now, so that a full disk is an error here and not a signal later.
  if (int error = size > 0 ? posix_fallocate(file.fd, 0, static_cast<off_t>(size)) : 0; error != 0)
    return unwritable(path, std::strerror(error));
  MappedOutput out;
  out.size_ = size;
  if (size == 0) return out;
  void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd, 0);
  if (data == MAP_FAILED) return unwritable(path, std::strerror(errno));
  out.data_ = {static_cast<std::byte*>(data), [size](std::byte* p) { munmap(p, size); }};
  return out;
}

Result<void> write_file(const fs::path& path, std::string_view contents) {
  std::ofstream file(path, std::ios::binary);
  file.write(contents.data(), static_cast<std::streamsize>(contents.size()));
  file.close();
  if (!file) return unwritable(path, std::strerror(errno));
  return {};
}

Result<std::string> read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file || fs::is_directory(path))
    return fail(Diag{.code = Code::E0101, .message = path.string() + " cannot be read", .file = path.string()});
  return std::move(text).str();
}

Result<MappedInput> MappedInput::open(const fs::path& path) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  struct stat status {};
  if (file.fd < 0 || fstat(file.fd, &status) != 0)
    return fail(Diag{.code = Code::E0101, .message = path.string() + ": " + std::strerror(errno), .file = path.string()});
  MappedInput in;
  in.size_ = static_cast<size_t>(status.st_size);
  if (in.size_ == 0) return in;
  void* data = mmap(nullptr, in.size_, PROT_READ, MAP_SHARED, file.fd, 0);
  if (data == MAP_FAILED)
    return fail(Diag{.code = Code::E0101, .message = path.string() + ": " + std::strerror(errno), .file = path.string()});
  in.data_ = {static_cast<const std::byte*>(data), [size = in.size_](const std::byte* p) { munmap(const_cast<std::byte*>(p), size); }};
  return in;
}

Result<void> rewrite_file(const fs::path& path) {
  const fs::path fresh = path.string() + ".new";
  TENON_TRY(const MappedInput old, MappedInput::open(path));
  std::error_code error;
  const fs::perms perms = fs::status(path, error).permissions();
  {
    const Descriptor file{open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)};
    if (file.fd < 0) return unwritable(fresh, std::strerror(errno));
    std::vector<std::byte> piece(std::min<size_t>(kLargePage, old.bytes().size()));
    for (std::span<const std::byte> rest = old.bytes(); !rest.empty();) {
      const size_t size = std::min<size_t>(kLargePage, rest.size());
      std::memcpy(piece.data(), rest.data(), size);  // a write whose source is not there yet is cut into pages
      const ssize_t written = write(file.fd, piece.data(), size);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return unwritable(fresh, std::strerror(errno));
      rest = rest.subspan(static_cast<size_t>(written));
    }
  }
  fs::permissions(fresh, perms, error);
  if (!error) fs::rename(fresh, path, error);
  return error ? unwritable(path, error.message()) : Result<void>{};
}

Result<OutputFile> output_file(const fs::path& folder, const std::string& name) {
  TENON_TRY(const MappedInput file, MappedInput::open(folder / name));
  return OutputFile{.path = name, .bytes = static_cast<int64_t>(file.bytes().size()), .blake3 = hex(blake3(file.bytes()))};
}

Result<StagedFolder> StagedFolder::beside(const fs::path& wanted) {
  std::error_code error;
  fs::path final = fs::absolute(wanted, error).lexically_normal();
  if (!final.has_filename()) final = final.parent_path();
  fs::create_directories(final.parent_path(), error);
  // Inside an existing folder: the parent may not be writable, or on another file system.
  const bool inside = fs::is_directory(final);
  const fs::path parent = inside ? final : final.parent_path();
  const std::string prefix = "." + (inside ? std::string() : final.filename().string() + ".") + "tenon-";
  const std::optional<LockedFolder> staged = make_locked_folder(parent, prefix);
  if (!staged) return unwritable(wanted, std::strerror(errno));
  fs::permissions(staged->path, fs::perms::others_read | fs::perms::others_exec | fs::perms::group_read | fs::perms::group_exec,
                  fs::perm_options::add, error);
  return StagedFolder(std::move(final), staged->path, staged->lock);
}

StagedFolder::~StagedFolder() {
  std::error_code ignored;
  if (!staged_.empty()) fs::remove_all(staged_, ignored);
  if (lock_ >= 0) close(lock_);
}

Result<void> StagedFolder::commit() {
  std::error_code error;
  if (!fs::exists(final_)) {
    fs::rename(staged_, final_, error);
    if (!error) staged_.clear();
    return error ? unwritable(final_, error.message()) : Result<void>{};
  }
  const fs::path manifest = "manifest.json";
  std::vector<fs::path> changed;
  bool manifest_changed = false;
  for (const fs::directory_entry& entry : fs::directory_iterator(staged_)) {
    const fs::path name = entry.path().filename();
    if (same_contents(entry.path(), final_ / name)) continue;
    if (name == manifest) manifest_changed = true;
    else changed.push_back(name);
  }
  if (changed.empty() && !manifest_changed) return {};
  fs::remove(final_ / manifest, error);
  changed.push_back(manifest);
  for (const fs::path& name : changed) {
    fs::rename(staged_ / name, final_ / name, error);
    if (error) return unwritable(final_ / name, error.message());
  }
  return {};
}

}  // namespace tenon
