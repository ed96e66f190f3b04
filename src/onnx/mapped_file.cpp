#include "mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace tenon::frontend {

namespace fs = std::filesystem;

namespace {

struct Descriptor {
  int fd;
  explicit Descriptor(int f) : fd(f) {}
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
};

Result<Bytes> map_descriptor(int fd, size_t size, const fs::path& path, Code code) {
  if (size == 0) return Bytes{};
  void* address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (address == MAP_FAILED) return fail(code, "cannot map " + path.string() + ": " + std::strerror(errno));
  std::shared_ptr<const void> owner(address, [size](const void* p) { munmap(const_cast<void*>(p), size); });
  return Bytes{.owner = std::move(owner), .data = static_cast<const std::byte*>(address), .size = size};
}

std::unexpected<Diags> outside(const std::string& location, const std::string& why) {
  return fail(Code::E0104, "external data '" + location + "' " + why,
              "move the data beside the model and name it by a relative path");
}

}  // namespace

Result<Bytes> map_file(const fs::path& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (file.fd < 0 || fstat(file.fd, &status) != 0)
    return fail(Code::E0101, "cannot open " + path.string() + ": " + std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return fail(Code::E0101, path.string() + " is not a regular file");
  return map_descriptor(file.fd, static_cast<size_t>(status.st_size), path, Code::E0101);
}

Result<Bytes> ExternalFiles::open(const std::string& location) {
  if (auto it = mapped_.find(location); it != mapped_.end()) return it->second;
  fs::path relative(location);
  if (location.empty() || location.find('\0') != std::string::npos) return outside(location, "names no file");
  if (relative.is_absolute()) return outside(location, "is an absolute path");
  if (std::ranges::find(relative, "..") != relative.end()) return outside(location, "contains '..'");

  std::error_code error;
  fs::path root = fs::canonical(folder_, error);
  fs::path path = fs::canonical(root / relative, error);
  if (error) return fail(Code::E0103, "external data '" + location + "' is missing: " + error.message());
  auto [end, rest] = std::ranges::mismatch(root, path);
  if (end != root.end()) return outside(location, "is a link that leads out of the folder");

  // The path is free of links now; O_NOFOLLOW refuses one that appears in between.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status {};
  if (file.fd < 0 || fstat(file.fd, &status) != 0)
    return fail(Code::E0103, "external data '" + location + "' cannot be opened: " + std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return fail(Code::E0103, "external data '" + location + "' is not a regular file");
  if (status.st_nlink > 1) return outside(location, "has other hard links, which may lie outside the folder");
  TENON_TRY(Bytes bytes, map_descriptor(file.fd, static_cast<size_t>(status.st_size), path, Code::E0103));
  return mapped_.emplace(location, std::move(bytes)).first->second;
}

std::vector<std::string> ExternalFiles::opened() const {
  std::vector<std::string> paths;
  for (const auto& [location, bytes] : mapped_) paths.push_back((folder_ / location).string());
  return paths;
}

}  // namespace tenon::frontend
