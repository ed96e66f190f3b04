#include "locked_folder.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tenon {

namespace fs = std::filesystem;

namespace {

int open_folder(const std::string& path) { return open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); }

void remove_abandoned(const fs::path& parent, const std::string& prefix) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(parent, error)) {
    if (!entry.path().filename().string().starts_with(prefix)) continue;
    const int folder = open_folder(entry.path());
    if (folder < 0) continue;
    std::error_code ignored;
    if (flock(folder, LOCK_EX | LOCK_NB) == 0) fs::remove_all(entry.path(), ignored);
    close(folder);
  }
}

// Opens and locks a new folder; -1 where another process took it for abandoned before the lock was there.
int lock_new(const std::string& path) {
  const int fd = open_folder(path);
  struct stat own {}, there {};
  if (fd >= 0) flock(fd, LOCK_EX);  // a file system without locks: nobody can take it either
  if (fd >= 0 && fstat(fd, &own) == 0 && stat(path.c_str(), &there) == 0 && own.st_ino == there.st_ino) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

}  // namespace

std::optional<LockedFolder> make_locked_folder(const fs::path& parent, const std::string& prefix) {
  remove_abandoned(parent, prefix);
  for (;;) {
    std::string path = (parent / (prefix + "XXXXXX")).string();
    if (!mkdtemp(path.data())) return std::nullopt;
    if (const int lock = lock_new(path); lock >= 0) return LockedFolder{path, lock};
  }
}

}  // namespace tenon
