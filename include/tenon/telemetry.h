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
// One of the small kernels that a session times again and again, to see whether the machine is as it was.
struct Canary {
#define CANARY FIELD
#include "tenon/telemetry_fields.def"
#undef CANARY
};
#undef FIELD

std::string new_uuid();                   // random, version 4
std::string fingerprint(const Device& device);  // 64 hexadecimal digits
std::string hardware(const Device& device);     // the same, whatever its kernel and microcode: a device through all of its epochs
std::string plain(std::string_view text);       // what is no UTF-8, or controls a terminal, as `?`: a store takes no such text
void set_samples(Record& record, std::vector<double> seconds);  // and their median and MAD

// The device that code for this target is for; `here`: this machine, with its kernel, microcode and clock.
Device device_of(const Target& target, bool here);

// What is wrong with a record by itself, each in a sentence; nothing: it may be stored.
std::vector<std::string> problems_of(const Record& record);
std::vector<std::string> problems_of(const Device& device);
std::vector<std::string> problems_of(const Compiler& compiler);
std::vector<std::string> problems_of(const Session& session);
std::vector<std::string> problems_of(const Canary& canary);

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

// What one device is while kernel, microcode and compiler stay: times of several epochs are not mixed unasked.
struct Epoch {
  std::string hardware;
  int number = 0;                    // from 1, in the order of their first records
  std::string device, compiler;      // fingerprint and id
  std::string what;                  // "kernel 6.1.0, microcode 0xa10113e, tenon 0.1.0"
  int64_t begin = 0, end = 0;        // timestamps of its first and last record
  int64_t records = 0;
};

// A level that changed.
struct Change {
  int64_t since = 0;                 // timestamp of the first sample of the new level
  double by = 0;                     // of ln(seconds), or of the residual
};

// Residuals ln(measured / predicted) of a kind of operator on a device, through all epochs.
struct ClassRow {
  std::string hardware, op_class;
  int64_t records = 0, learnable = 0;
  int epochs = 0;
  std::string model_hash;            // who predicted last; empty: the roofline prior, whose residuals are counted from the first of their workload
  int64_t residuals = 0;             // of its predictions
  int64_t before = 0;                // learnable records from before its first prediction
  double mean = kNotKnown, sigma = kNotKnown;
  std::vector<Change> changes;       // docs/telemetry.md: Drift
};

struct CanaryDrift {
  std::string hardware, name;
  int64_t samples = 0;
  double median = kNotKnown, sigma = kNotKnown;  // seconds; of ln(seconds)
  std::vector<Change> changes;
};

struct Stats {
  std::vector<StatsRow> rows;
  std::vector<CanaryRow> canaries;
  std::vector<Epoch> epochs;
  std::vector<ClassRow> classes;
  std::vector<CanaryDrift> drift;
  std::vector<std::string> advice;   // a sentence each: when to retrain and why, or that there is no reason to
  int64_t records = 0, learnable = 0, sessions = 0;
};

struct OpenOptions {
  bool read_only = false;
  int busy_ms = 10000;          // how long to wait for other processes before E0701
  int checkpoint_pages = 1000;  // pages of the log after which a writer moves them into the file
  bool check = false;           // every page, and what records refer to: for files that come from elsewhere, which any file may
};

class Database;

// Every function reports E0701 where the file cannot be used and E0702 where what is to be added, or was found there, can be no measurement.
class Store {
 public:
  // Makes the file where there is none. A file of an older schema is brought up to date, or if only to be read, a copy of it.
  static Result<Store> open(const std::string& path, const OpenOptions& options = {});
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  // All of it or nothing, and on the disk when this returns. A record's device, compiler and session are there already or among
  // `origins`. What the store has already is no error; the same id with other contents is.
  Result<Merged> append(std::span<const Record> records, const Origins& origins = {}, std::span<const Canary> canaries = {});
  // All of another store that this one does not have yet, or nothing. Twice is the same as once.
  Result<Merged> merge(const std::string& path);

  // In the order in which they were added. Each is looked at as if it came anew; where one is refused, so is the answer.
  Result<std::vector<Record>> query(const Filter& filter);
  Result<int64_t> each(const Filter& filter, const std::function<void(const Record&)>& use);  // how many
  Result<std::vector<Device>> devices();
  Result<std::vector<Compiler>> compilers();
  Result<std::vector<Session>> sessions();
  Result<std::vector<Canary>> canaries();  // by time and name
  Result<std::vector<Epoch>> epochs();     // not numbered

  Result<int64_t> prune(const PruneRule& rule);  // how many records went, or would go
  // Reads every record. `progress`: how many of how many.
  Result<Stats> stats(const std::function<void(int64_t done, int64_t all)>& progress = {});
  Result<void> check();  // every page and the checksum of every record; reads the whole file

 private:
  explicit Store(std::unique_ptr<Database> db);
  std::unique_ptr<Database> db_;
};

// Of some stores together, by hardware and number.
Result<std::vector<Epoch>> epochs(std::span<Store> stores);

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
