// Folders that a process locks while it uses them: one without a lock was left by a process that was killed.
#pragma once

#include <filesystem>
#include <optional>

namespace tenon {

struct LockedFolder {
  std::filesystem::path path;
  int lock = -1;  // a descriptor; closing it unlocks
};

// A new folder PARENT/PREFIXxxxxxx for this user alone, after those of that prefix went that nobody holds. Nothing: it cannot be made (errno).
std::optional<LockedFolder> make_locked_folder(const std::filesystem::path& parent, const std::string& prefix);

}  // namespace tenon
