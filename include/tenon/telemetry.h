// The telemetry store: every measurement with all that is needed to trust it, in one SQLite file that many
// processes may use at once. docs/telemetry.md says what it guarantees.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tenon/result.h"

namespace tenon {
struct Target;
}

namespace tenon::telemetry {

enum class Status : uint8_t { Ok, Wrong, Invalid, Crashed, Timeout, Disturbed };
enum class Source : uint8_t { Tune, Bench, Deployed };

std::string_view spelling(Status status);
std::string_view spelling(Source source);
std::optional<Status> parse_status(std::string_view text);
std::optional<Source> parse_source(std::string_view text);

constexpr double kNotKnown = std::numeric_limits<double>::quiet_NaN();

#define FIELD(type, name, initial, meaning) type name = initial;
struct Device {
#define DEVICE FIELD
#include "tenon/telemetry_fields.def"
#undef DEVICE
};
struct Compiler {
#define COMPILER FIELD
#include "tenon/telemetry_fields.def"
#undef COMPILER
};
struct Session {
#define SESSION FIELD
#include "tenon/telemetry_fields.def"
#undef SESSION
};
// One schedule of one workload, measured once. Devices, compilers and sessions are rows of their own.
struct Record {
#define RECORD FIELD
#include "tenon/telemetry_fields.def"
#undef RECORD
};
#undef FIELD

std::string new_uuid();                   // random, version 4
std::string fingerprint(const Device& device);  // 64 hexadecimal digits
void set_samples(Record& record, std::vector<double> seconds);  // and their median and MAD

// The device that code for this target is for; `here`: this machine, with its kernel, microcode and clock.
Device device_of(const Target& target, bool here);

// What is wrong with a record by itself, each in a sentence; nothing: it may be stored.
std::vector<std::string> problems_of(const Record& record);
std::vector<std::string> problems_of(const Device& device);
std::vector<std::string> problems_of(const Compiler& compiler);
std::vector<std::string> problems_of(const Session& session);

// Rows that records refer to.
struct Origins {
  std::vector<Device> devices;
  std::vector<Compiler> compilers;
  std::vector<Session> sessions;
};

// Which records. Those of devices and compilers that are not named are never among them.
struct Filter {
  std::vector<std::string> devices, compilers;  // fingerprints and ids; none: no record
  bool all_devices = false, all_compilers = false;
  std::string workload;                          // its hash; empty: all
  std::vector<Status> statuses;                  // empty: all
};

struct PruneRule {  // records for which all that is given holds
  int64_t before = 0;  // microseconds since 1970; 0: whenever
  std::string device, compiler;
  bool disturbed_only = false;
  bool dry_run = false;
};

struct Merged {
  int64_t added = 0, known = 0;  // records
};

struct StatsRow {
  std::string device, compiler, op_class;
  Status status{};
  int64_t records = 0, learnable = 0;  // learnable: ok, and with features
};

struct CanaryRow {
  std::string device;
  int64_t sessions = 0, canaries = 0;
  double median = kNotKnown;  // seconds
  double spread = kNotKnown;  // (p90 - p10) / median
};

struct Stats {
  std::vector<StatsRow> rows;
  std::vector<CanaryRow> canaries;
  int64_t records = 0, learnable = 0, sessions = 0;
};

struct OpenOptions {
  bool read_only = false;
  int busy_ms = 10000;          // how long to wait for other processes before E0701
  int checkpoint_pages = 1000;  // pages of the log after which a writer moves them into the file
};

class Database;

// Every function reports E0701 where the file cannot be used and E0702 where what is to be added is refused.
class Store {
 public:
  // Makes the file where there is none. A file of an older schema is brought up to date, or if only to be read, a copy of it.
  static Result<Store> open(const std::string& path, const OpenOptions& options = {});
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  // All of it or nothing, and on the disk when this returns. A record's device, compiler and session are there already or among
  // `origins`. What the store has already is no error; the same id with other contents is.
  Result<Merged> append(std::span<const Record> records, const Origins& origins = {});
  // All of another store that this one does not have yet, or nothing. Twice is the same as once.
  Result<Merged> merge(const std::string& path);

  // In the order in which they were added.
  Result<std::vector<Record>> query(const Filter& filter);
  Result<int64_t> each(const Filter& filter, const std::function<void(const Record&)>& use);  // how many
  Result<std::vector<Device>> devices();
  Result<std::vector<Compiler>> compilers();
  Result<std::vector<Session>> sessions();

  Result<int64_t> prune(const PruneRule& rule);  // how many records went, or would go
  Result<Stats> stats();
  Result<void> check();  // every page and the checksum of every record; reads the whole file

 private:
  explicit Store(std::unique_ptr<Database> db);
  std::unique_ptr<Database> db_;
};

enum class ExportFormat : uint8_t { JsonLines, Csv };
struct ExportOptions {
  Filter filter;
  ExportFormat format = ExportFormat::JsonLines;
  bool names = false;  // of models and nodes, too
};
// A record with its device, compiler and session per line.
Result<int64_t> export_records(Store& store, const ExportOptions& options, const std::function<void(std::string_view)>& write);

// Adds what a deployed program recorded. `artifact` is the folder it came from, with its manifest; `here` is the
// device that it ran on, null: what the manifest says of its target.
struct Ingested {
  Merged merged;
  int64_t timings = 0;
  bool torn = false;  // the last one was half written and is left out
};
Result<Ingested> ingest(Store& store, const std::string& profile, const std::string& artifact, const Device* here);

}  // namespace tenon::telemetry
