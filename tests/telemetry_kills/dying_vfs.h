// An SQLite VFS over the default one whose process dies at a chosen call that changes a file.
#pragma once

#include <cstdint>

namespace tenon::telemetry {

struct Death {
  int call = 0;             // die at this xWrite, xSync, xTruncate or xDelete, counted from 1; 0: never
  bool power_loss = false;  // what was not synced is lost in part, by sectors; else the system keeps what was written
  uint64_t seed = 1;
};

// Makes it the default VFS of this process. Once per process.
void install_dying_vfs(const Death& death);

}  // namespace tenon::telemetry
