// Writes stores that must not be believed, for tests/cli/poison_test.py:
//
//   test_telemetry_poison FOLDER      one file per case, and their list on stdout: name, kind, part of the message
//
// Kinds: `file`: no command takes it. `record`, `canary`: none that reads these does. `apart`: sound, but what is in it is not learnt from unasked.
#include <cstdio>
#include <fstream>
#include <functional>

#include "../../src/telemetry/rows.h"
#include "../telemetry/samples.h"
#include "tenon/features.h"

namespace tenon::telemetry {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kRecords = 60, kWorkloads = 20;
constexpr double kInf = std::numeric_limits<double>::infinity();

// One that `train` learns from.
Record learnable(uint64_t number) {
  Record r = sample_record(number);
  r.workload_hash = hash_of("workload " + std::to_string(number % kWorkloads));
  r.workload = R"({"op_class":"conv","shapes":[[1,)" + std::to_string(16 + number % kWorkloads) + R"(,56,56]],"dtypes":["f32"]})";
  r.feature_hash = features_id();
  r.features.assign(feature_table().size(), 0);
  for (size_t k = 0; k < r.features.size(); ++k) r.features[k] = static_cast<float>((number * 7 + k * 13) % 11);
  return r;
}

Canary sample_canary(int64_t at) { return {sample_session().uuid, fingerprint(sample_device()), sample_compiler().id, "read_l2", 1e-4, 1700000000000000 + at}; }

template <class T>
T must(Result<T> result) {
  if (result) return std::move(result).value();
  std::fprintf(stderr, "%s\n", result.error()[0].message.c_str());
  std::exit(1);
}
void must(Result<void> result) {
  if (!result) std::fprintf(stderr, "%s\n", result.error()[0].message.c_str()), std::exit(1);
}

void good(const std::string& path) {
  Store store = must(Store::open(path));
  std::vector<Record> records;
  for (uint64_t k = 0; k < kRecords; ++k) records.push_back(learnable(k));
  const Canary canaries[] = {sample_canary(0), sample_canary(1)};
  must(store.append(records, sample_origins(), canaries));
}

Database raw(const std::string& path) { return must(Database::open(path, Access::Write, 0)); }

void sql(const std::string& path, const std::string& text) { must(raw(path).run("PRAGMA ignore_check_constraints = 1; PRAGMA foreign_keys = 0;" + text)); }

// A row as another program would write it: unchecked, with the checksum that fits.
template <class Row>
void put(const std::string& path, const char* table, const Row& row) {
  Database db = raw(path);
  must(db.run("PRAGMA ignore_check_constraints = 1; PRAGMA foreign_keys = 0"));
  std::string marks = "?";
  for (int k = 0; k < column_count<Row>(); ++k) marks += ", ?";
  Statement insert = must(db.prepare(std::string("INSERT OR REPLACE INTO ") + table + "(checksum, " + columns<Row>() + ") VALUES(" + marks + ")"));
  const std::string sum = checksum(row);
  insert.bind(1, std::string_view(sum));
  each_field(row, Binder(insert, 2));
  must(insert.run());
}

struct Case {
  std::string name, kind, says;
  std::function<void(const std::string& path)> spoil;
};

Case record(const std::string& name, const std::string& says, const std::function<void(Record&)>& spoil) {
  return {name, "record", says, [=](const std::string& path) {
            Record bad = learnable(30);
            bad.uuid = uuid_of(999);
            spoil(bad);
            put(path, "record", bad);
          }};
}

void overwrite(const std::string& path, uint64_t at, const std::string& bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(at));
  file << bytes;
}

void add_others(const std::string& path, const std::function<void(Record&)>& change, const Origins& origins) {
  Store store = must(Store::open(path));
  std::vector<Record> records;
  for (uint64_t k = 1000; k < 1000 + kRecords; ++k) records.push_back(learnable(k)), change(records.back());
  must(store.append(records, origins));
}

std::vector<Case> cases() {
  auto sql_case = [](const std::string& name, const std::string& kind, const std::string& says, const std::string& text) {
    return Case{name, kind, says, [=](const std::string& path) { sql(path, text); }};
  };
  Device other = sample_device("cortex-a76"), updated = sample_device();
  updated.kernel = "6.2.0";
  return {
      {"no_sqlite", "file", "not a database", [](const std::string& path) { std::ofstream(path) << std::string(5000, 'x'); }},
      {"other_application", "file", "no telemetry store", [](const std::string& path) { fs::remove(path), sql(path, "PRAGMA application_id = 7; CREATE TABLE t(x)"); }},
      {"other_tables", "file", "no telemetry store", [](const std::string& path) { fs::remove(path), sql(path, "CREATE TABLE record(x); INSERT INTO record VALUES(1)"); }},
      sql_case("newer_schema", "file", "has schema 99", "PRAGMA user_version = 99"),
      sql_case("negative_schema", "file", "has schema -1", "PRAGMA user_version = -1"),
      sql_case("older_schema_with_newer_tables", "file", "", "PRAGMA user_version = 1"),
      sql_case("trigger", "file", "tables are not those", "CREATE TRIGGER t AFTER INSERT ON record BEGIN DELETE FROM record; END"),
      sql_case("view", "file", "tables are not those", "ALTER TABLE record RENAME TO r; CREATE VIEW record AS SELECT * FROM r"),
      sql_case("column", "file", "tables are not those", "ALTER TABLE record ADD COLUMN more TEXT"),
      {"truncated", "file", "", [](const std::string& path) { fs::resize_file(path, fs::file_size(path) / 2); }},
      {"truncated_in_a_page", "file", "", [](const std::string& path) { fs::resize_file(path, fs::file_size(path) - 100); }},
      {"last_page_gone", "file", "", [](const std::string& path) { fs::resize_file(path, fs::file_size(path) - 4096); }},
      {"page_overwritten", "file", "", [](const std::string& path) { overwrite(path, fs::file_size(path) / 4096 / 2 * 4096, "poison!!poison!!"); }},
      sql_case("no_session", "file", "row without its session", "DELETE FROM session"),
      sql_case("no_device", "file", "row without its device", "DELETE FROM device"),
      sql_case("no_compiler", "file", "row without its compiler", "DELETE FROM compiler"),
      sql_case("device_edited", "file", "checksum does not fit", "UPDATE device SET l1d_bytes = 1"),
      sql_case("session_source", "file", "", "UPDATE session SET source = 'odd'"),
      sql_case("session_moment", "file", "started is 0", "UPDATE session SET started = 0"),
      sql_case("session_text", "file", "no plain UTF-8", "UPDATE session SET policy = CAST(x'c328' AS TEXT)"),
      sql_case("compiler_text", "file", "no plain UTF-8", "UPDATE compiler SET version = CAST(x'1b5b324a' AS TEXT)"),
      sql_case("sample_flipped", "record", "checksum does not fit", "UPDATE record SET samples = CAST(substr(samples, 1, 7) || x'41' || substr(samples, 9) AS BLOB) WHERE key = 7"),
      sql_case("median_edited", "record", "checksum does not fit", "UPDATE record SET median = 1e-9 WHERE key = 3"),
      sql_case("message_edited", "record", "checksum does not fit", "UPDATE record SET message = 'edited' WHERE key = 5"),
      sql_case("odd_blob", "record", "no number of elements", "UPDATE record SET samples = zeroblob(7) WHERE key = 2"),
      sql_case("huge_blob", "record", "checksum does not fit", "UPDATE record SET features = zeroblob(80000000) WHERE key = 2"),
      record("nan", "a sample is nan", [](Record& r) { r.samples[1] = kNotKnown; }),
      record("infinite", "a sample is inf", [](Record& r) { r.samples[1] = kInf; }),
      record("zero", "zero or less", [](Record& r) { set_samples(r, {0, 0, 0}); }),
      record("negative", "zero or less", [](Record& r) { set_samples(r, {-1e-4, -1e-4}); }),
      record("a_week", "more than a day", [](Record& r) { set_samples(r, {604800, 604800}); }),
      record("no_time_at_all", "tenth of a nanosecond", [](Record& r) { set_samples(r, {1e-300, 1e-300}); }),
      record("median_of_other_samples", "median is not that", [](Record& r) { r.median *= 0.5; }),
      record("mad_of_other_samples", "mad is not that", [](Record& r) { r.mad = 0; }),
      record("ok_without_samples", "no samples", [](Record& r) { set_samples(r, {}); }),
      record("absurd_clock", "absurd", [](Record& r) { r.clock_before_mhz = 1e300; }),
      record("infinite_prediction", "predicted is inf", [](Record& r) { r.predicted = kInf; }),
      record("negative_prediction", "zero or less", [](Record& r) { r.predicted = -1e-4; }),
      record("infinite_feature", "a feature is infinite", [](Record& r) { r.features[0] = std::numeric_limits<float>::infinity(); }),
      record("before_1970", "timestamp", [](Record& r) { r.timestamp = 0; }),
      record("far_future", "timestamp", [](Record& r) { r.timestamp = int64_t{1} << 62; }),
      record("no_hash", "workload_hash is not", [](Record& r) { r.workload_hash = "../../etc"; }),
      record("no_json", "no JSON object", [](Record& r) { r.workload = "{"; }),
      record("deep_json", "nests too deeply", [](Record& r) { r.workload = R"({"op_class":"conv","shapes":)" + std::string(100000, '[') + std::string(100000, ']') + "}"; }),
      record("unknown_key", "not known: model", [](Record& r) { r.workload = R"({"op_class":"conv","model":"secret"})"; }),
      record("negative_flops", "flops is no amount", [](Record& r) { r.workload = R"({"op_class":"conv","flops":-1})"; }),
      record("terminal_control", "no op_class", [](Record& r) { r.workload = "{\"op_class\":\"\\u001b[2J\"}"; }),
      record("no_utf8", "no plain UTF-8", [](Record& r) { r.trace = "layout \xc3\x28"; }),
      record("huge_text", "longer than a mebibyte", [](Record& r) { r.trace = std::string((1 << 20) + 1, 'x'); }),
      {"canary", "canary", "zero or less", [](const std::string& path) {
         Canary bad = sample_canary(5);
         bad.seconds = -1;
         put(path, "canary", bad);
       }},
      sql_case("canary_edited", "canary", "checksum does not fit", "UPDATE canary SET seconds = 1"),
      {"other_device", "apart", "several devices", [=](const std::string& path) { add_others(path, [&](Record& r) { r.device = fingerprint(other); }, {{other}, {}, {}}); }},
      {"other_epoch", "apart", "several devices", [=](const std::string& path) { add_others(path, [&](Record& r) { r.device = fingerprint(updated); }, {{updated}, {}, {}}); }},
      {"other_compiler", "apart", "several compilers", [](const std::string& path) { add_others(path, [](Record& r) { r.compiler = sample_compiler("next").id; }, {{}, {sample_compiler("next")}, {}}); }},
      {"other_features", "apart", "", [](const std::string& path) { add_others(path, [](Record& r) { r.feature_hash = hash_of("another extractor"); }, {}); }},
      {"disturbed", "apart", "", [](const std::string& path) { add_others(path, [](Record& r) { r.status = Status::Disturbed, r.message = "canaries changed meanwhile"; }, {}); }},
      {"features_left_out", "apart", "features that do not fit", [](const std::string& path) { add_others(path, [](Record& r) { r.features.pop_back(); }, {}); }},
  };
}

}  // namespace
}  // namespace tenon::telemetry

int main(int argc, char** argv) {
  using namespace tenon::telemetry;
  if (argc != 2) return std::fprintf(stderr, "test_telemetry_poison FOLDER\n"), 2;
  const std::string folder = argv[1];
  good(folder + "/good.db");
  for (const Case& c : cases()) {
    const std::string path = folder + "/" + c.name + ".db";
    good(path);
    c.spoil(path);
    std::printf("%s\t%s\t%s\n", c.name.c_str(), c.kind.c_str(), c.says.c_str());
  }
  return 0;
}
