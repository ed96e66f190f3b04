// Processes that append to a store die at any system call, or with the power; whatever was acknowledged must be there.
//
//   test_telemetry_kills [--runs N] [--seed S]      half of the runs lose power
#include <sys/wait.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>
#include <set>

#include "../telemetry/samples.h"
#include "dying_vfs.h"

namespace tenon::telemetry {
namespace {

constexpr int kRunsPerStore = 12;  // then a new one, so that making a store is interrupted, too

struct Run {
  std::string store, other;  // paths; `other` is a store to merge
  Death death;
  uint64_t first = 0;        // records' numbers count from here
  int out = -1;              // where acknowledged UUIDs are written
};

std::vector<Record> batch_of(uint64_t first, uint64_t count) {
  std::vector<Record> batch;
  for (uint64_t k = 0; k < count; ++k) {
    Record& r = batch.emplace_back(sample_record(first + k));
    // Of all sizes, up to several pages of the file.
    r.trace.assign((first * 7919 + k) % 9000, 'x');
    r.message = std::to_string(first) + "/" + std::to_string(count);
  }
  return batch;
}

bool acknowledge(int out, const std::string& uuid) { return write(out, uuid.data(), uuid.size()) == static_cast<ssize_t>(uuid.size()); }

// The process that dies. Its exit code where it lived: 0.
int child(const Run& run) {
  install_dying_vfs(run.death);
  auto store = Store::open(run.store, {.checkpoint_pages = 24});
  if (!store) return std::fprintf(stderr, "open: %s\n", store.error()[0].message.c_str()), 1;
  uint64_t next = run.first;
  for (int step = 0; step < 14; ++step) {
    const std::vector<Record> batch = batch_of(next, 1 + next % 4);
    next += batch.size();
    if (auto done = store->append(batch, sample_origins()); !done) return std::fprintf(stderr, "append: %s\n", done.error()[0].message.c_str()), 1;
    for (const Record& record : batch)
      if (!acknowledge(run.out, record.uuid)) return 1;
    if (step == 7)
      if (auto done = store->merge(run.other); !done) return std::fprintf(stderr, "merge: %s\n", done.error()[0].message.c_str()), 1;
  }
  return 0;
}

struct Campaign {
  int runs = 25;
  uint64_t seed = 1;
  int killed = 0, lost_power = 0, lived = 0, failures = 0;
  double slowest_open = 0;  // seconds
  size_t acknowledged = 0;
};

// Everything that was acknowledged is there, batches are whole, the file is sound.
void check(const std::string& path, const std::set<std::string>& acknowledged, int run, Campaign& campaign) {
  auto failed = [&](const std::string& what) { ++campaign.failures, std::fprintf(stderr, "run %d: %s\n", run, what.c_str()); };
  const auto start = std::chrono::steady_clock::now();
  auto store = Store::open(path);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  campaign.slowest_open = std::max(campaign.slowest_open, seconds);
  if (seconds > 1) failed("opening took " + std::to_string(seconds) + " s");
  if (!store) return failed("open: " + store.error()[0].message);
  if (auto sound = store->check(); !sound) return failed("check: " + sound.error()[0].message);
  auto records = store->query({.all_devices = true, .all_compilers = true});
  if (!records) return failed("query: " + records.error()[0].message);
  std::set<std::string> there;
  std::map<std::string, size_t> batches;
  for (const Record& record : *records) there.insert(record.uuid), ++batches[record.message];
  for (const std::string& uuid : acknowledged)
    if (!there.contains(uuid)) failed("acknowledged record " + uuid + " is lost");
  for (const auto& [name, count] : batches)
    if (!name.empty() && std::to_string(count) != name.substr(name.find('/') + 1)) failed("half of batch " + name);
  if (batches.contains("") && batches[""] != 5) failed("half of a merged store");
}

std::string start(const Run& run, bool& lived, bool& failed) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  const pid_t pid = fork();
  if (pid == 0) {
    close(ends[0]);
    Run own = run;
    own.out = ends[1];
    _exit(child(own));
  }
  close(ends[1]);
  std::string said;
  char part[4096];
  for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;) said.append(part, static_cast<size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  lived = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  failed = !lived && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  return said;
}

int run_all(Campaign campaign) {
  const Folder folder;
  const std::string other = folder / "other.db";
  {
    Store store = Store::open(other).value();
    std::vector<Record> records;
    for (uint64_t k = 0; k < 5; ++k) records.push_back(sample_record(5000000 + k));
    if (!store.append(records, sample_origins())) return 1;
  }
  std::set<std::string> acknowledged;
  uint64_t random = campaign.seed;
  for (int k = 0; k < campaign.runs; ++k) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    const std::string path = folder / ("store" + std::to_string(k / kRunsPerStore) + ".db");
    if (k % kRunsPerStore == 0) acknowledged.clear();
    // Half of the deaths are among the first calls, in which a store is made or recovered.
    const uint64_t number = random >> 24;
    Run run{.store = path, .other = other, .death = {.call = 1 + static_cast<int>(number % (number & 1024 ? 40 : 1500)), .power_loss = (random >> 60 & 1) != 0, .seed = random}, .first = static_cast<uint64_t>(k) * 100};
    bool lived = false, failed = false;
    const std::string said = start(run, lived, failed);
    if (failed) ++campaign.failures, std::fprintf(stderr, "run %d: the process failed by itself\n", k);
    ++(lived ? campaign.lived : run.death.power_loss ? campaign.lost_power : campaign.killed);
    for (size_t at = 0; at + 36 <= said.size(); at += 36) acknowledged.insert(said.substr(at, 36)), ++campaign.acknowledged;
    // Shared memory does not outlive the power.
    if (run.death.power_loss) std::filesystem::remove(path + "-shm");
    check(path, acknowledged, k, campaign);
  }
  std::printf("%d runs: %d killed, %d lost power, %d lived; %zu records acknowledged; slowest opening %.3f s; %d failures\n", campaign.runs, campaign.killed,
              campaign.lost_power, campaign.lived, campaign.acknowledged, campaign.slowest_open, campaign.failures);
  return campaign.failures > 0;
}

}  // namespace
}  // namespace tenon::telemetry

int main(int argc, char** argv) {
  tenon::telemetry::Campaign campaign;
  for (int k = 1; k + 1 < argc; k += 2) {
    if (std::strcmp(argv[k], "--runs") == 0) campaign.runs = std::atoi(argv[k + 1]);
    if (std::strcmp(argv[k], "--seed") == 0) campaign.seed = std::strtoull(argv[k + 1], nullptr, 10);
  }
  return tenon::telemetry::run_all(campaign);
}
