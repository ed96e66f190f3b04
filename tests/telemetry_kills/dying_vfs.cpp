#include "dying_vfs.h"

#include <signal.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <vector>

namespace tenon::telemetry {

namespace {

constexpr size_t kSector = 512;

// A change that the disk has not promised to keep.
struct Change {
  sqlite3_int64 at;
  std::vector<char> bytes;
  bool truncation = false;  // to `at`
};

struct File {
  sqlite3_file base;  // SQLite sees this; first
  std::vector<Change>* changes;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

struct State {
  Death death;
  int calls = 0;
  sqlite3_vfs* real = nullptr;
  std::vector<File*> open;
};
State state;

uint64_t random_number() {  // splitmix64
  uint64_t z = state.death.seed += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

File* of(sqlite3_file* file) { return reinterpret_cast<File*>(file); }

int apply(File* file, const Change& change) {
  sqlite3_file* real = file->real();
  return change.truncation ? real->pMethods->xTruncate(real, change.at) : real->pMethods->xWrite(real, change.bytes.data(), static_cast<int>(change.bytes.size()), change.at);
}

// Of what was not synced, each sector reaches the disk or does not.
void lose_power() {
  for (File* file : state.open)
    for (const Change& change : *file->changes) {
      if (change.truncation) {
        if (random_number() & 1) apply(file, change);
        continue;
      }
      for (size_t from = 0; from < change.bytes.size();) {
        const size_t sector_end = (static_cast<size_t>(change.at) + from) / kSector * kSector + kSector - static_cast<size_t>(change.at);
        const size_t to = std::min(sector_end, change.bytes.size());
        if (random_number() & 1) apply(file, {change.at + static_cast<sqlite3_int64>(from), {change.bytes.begin() + static_cast<std::ptrdiff_t>(from), change.bytes.begin() + static_cast<std::ptrdiff_t>(to)}});
        from = to;
      }
    }
}

[[noreturn]] void die() {
  if (state.death.power_loss) lose_power();
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

bool dies_now() { return ++state.calls == state.death.call; }

int vfs_close(sqlite3_file* file) {
  File* f = of(file);
  // Nobody can say any more what happens to it: taken as written.
  for (const Change& change : *f->changes) apply(f, change);
  std::erase(state.open, f);
  delete f->changes;
  return f->real()->pMethods->xClose(f->real());
}

int vfs_file_size(sqlite3_file* file, sqlite3_int64* size) {
  const int ok = of(file)->real()->pMethods->xFileSize(of(file)->real(), size);
  for (const Change& change : *of(file)->changes)
    *size = change.truncation ? change.at : std::max(*size, change.at + static_cast<sqlite3_int64>(change.bytes.size()));
  return ok;
}

int vfs_read(sqlite3_file* file, void* to, int amount, sqlite3_int64 at) {
  File* f = of(file);
  int ok = f->real()->pMethods->xRead(f->real(), to, amount, at);
  if (f->changes->empty() || (ok != SQLITE_OK && ok != SQLITE_IOERR_SHORT_READ)) return ok;
  const sqlite3_int64 end = at + amount;
  for (const Change& change : *f->changes) {
    if (change.truncation) {
      if (change.at < end) std::memset(static_cast<char*>(to) + std::max<sqlite3_int64>(0, change.at - at), 0, static_cast<size_t>(end - std::max(at, change.at)));
      continue;
    }
    const sqlite3_int64 from = std::max(at, change.at), until = std::min(end, change.at + static_cast<sqlite3_int64>(change.bytes.size()));
    if (from < until) std::memcpy(static_cast<char*>(to) + (from - at), change.bytes.data() + (from - change.at), static_cast<size_t>(until - from));
  }
  sqlite3_int64 size = 0;
  vfs_file_size(file, &size);
  return end <= size ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

int vfs_write(sqlite3_file* file, const void* from, int amount, sqlite3_int64 at) {
  File* f = of(file);
  const auto* bytes = static_cast<const char*>(from);
  Change change{at, {bytes, bytes + amount}};
  const bool last = dies_now();
  if (state.death.power_loss) {
    f->changes->push_back(std::move(change));
    if (last) die();
    return SQLITE_OK;
  }
  if (last) {  // in the middle of the call
    change.bytes.resize(random_number() % (static_cast<size_t>(amount) + 1));
    if (!change.bytes.empty()) apply(f, change);
    die();
  }
  return apply(f, change);
}

int vfs_truncate(sqlite3_file* file, sqlite3_int64 size) {
  if (dies_now()) die();
  Change change{size, {}, true};
  if (!state.death.power_loss) return apply(of(file), change);
  of(file)->changes->push_back(std::move(change));
  return SQLITE_OK;
}

int vfs_sync(sqlite3_file* file, int) {
  if (dies_now()) die();
  // The system outlives its processes, so that nothing need be forced to the disk: 500 runs take seconds.
  for (const Change& change : *of(file)->changes)
    if (const int ok = apply(of(file), change); ok != SQLITE_OK) return ok;
  of(file)->changes->clear();
  return SQLITE_OK;
}

#define REAL(file) of(file)->real()->pMethods
int vfs_lock(sqlite3_file* f, int kind) { return REAL(f)->xLock(of(f)->real(), kind); }
int vfs_unlock(sqlite3_file* f, int kind) { return REAL(f)->xUnlock(of(f)->real(), kind); }
int vfs_check_lock(sqlite3_file* f, int* out) { return REAL(f)->xCheckReservedLock(of(f)->real(), out); }
int vfs_control(sqlite3_file* f, int op, void* arg) {
  // A hint that the file will grow to a size: it would be written past us.
  return op == SQLITE_FCNTL_SIZE_HINT ? SQLITE_OK : REAL(f)->xFileControl(of(f)->real(), op, arg);
}
int vfs_sector(sqlite3_file* f) { return REAL(f)->xSectorSize(of(f)->real()); }
int vfs_traits(sqlite3_file* f) { return REAL(f)->xDeviceCharacteristics(of(f)->real()); }
int vfs_shm_map(sqlite3_file* f, int page, int size, int extend, void volatile** out) { return REAL(f)->xShmMap(of(f)->real(), page, size, extend, out); }
int vfs_shm_lock(sqlite3_file* f, int offset, int n, int flags) { return REAL(f)->xShmLock(of(f)->real(), offset, n, flags); }
void vfs_shm_barrier(sqlite3_file* f) { REAL(f)->xShmBarrier(of(f)->real()); }
int vfs_shm_unmap(sqlite3_file* f, int remove) { return REAL(f)->xShmUnmap(of(f)->real(), remove); }
#undef REAL

constexpr sqlite3_io_methods kMethods = {
    2, vfs_close, vfs_read, vfs_write, vfs_truncate, vfs_sync, vfs_file_size, vfs_lock, vfs_unlock, vfs_check_lock, vfs_control,
    vfs_sector, vfs_traits, vfs_shm_map, vfs_shm_lock, vfs_shm_barrier, vfs_shm_unmap, nullptr, nullptr};

int vfs_open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
  File* f = new (file) File{};
  const int ok = state.real->xOpen(state.real, name, f->real(), flags, out);
  if (ok != SQLITE_OK) return ok;
  f->changes = new std::vector<Change>;
  f->base.pMethods = &kMethods;
  state.open.push_back(f);
  return SQLITE_OK;
}

int vfs_delete(sqlite3_vfs*, const char* name, int sync) {
  if (dies_now()) die();
  return state.real->xDelete(state.real, name, sync);
}

}  // namespace

void install_dying_vfs(const Death& death) {
  state.death = death;
  state.real = sqlite3_vfs_find(nullptr);
  static sqlite3_vfs dying = *state.real;  // the rest of its functions are the real one's
  dying.zName = "dying";
  dying.szOsFile = static_cast<int>(sizeof(File)) + state.real->szOsFile;
  dying.xOpen = vfs_open;
  dying.xDelete = vfs_delete;
  sqlite3_vfs_register(&dying, 1);
}

}  // namespace tenon::telemetry
