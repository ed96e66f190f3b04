// What must not come in: measurements that cannot be, and files that are damaged or of somebody else's making.
#include <gtest/gtest.h>

#include <fstream>

#include "../../src/telemetry/rows.h"
#include "../../src/telemetry/schema.h"
#include "samples.h"

namespace tenon::telemetry {
namespace {

namespace fs = std::filesystem;

constexpr double kInf = std::numeric_limits<double>::infinity();

struct Case {
  const char* problem;  // part of the message
  void (*spoil)(Record&);
};

const Case kCases[] = {
    {"uuid", [](Record& r) { r.uuid = "not-a-uuid"; }},
    {"uuid", [](Record& r) { r.uuid[3] = 'G'; }},
    {"compiler is not 64", [](Record& r) { r.compiler = ""; }},
    {"workload_hash is not", [](Record& r) { r.workload_hash.pop_back(); }},
    {"feature_hash", [](Record& r) { r.feature_hash.clear(); }},
    {"a sample is nan", [](Record& r) { r.samples[1] = kNotKnown; }},
    {"a sample is inf", [](Record& r) { r.samples[1] = kInf; }},
    {"zero or less", [](Record& r) { r.samples[1] = 0; }},
    {"zero or less", [](Record& r) { r.samples[1] = -1e-6; }},
    {"more than a day", [](Record& r) { r.samples[1] = 86401; }},
    {"median is not that", [](Record& r) { r.median *= 1.01; }},
    {"median is not that", [](Record& r) { r.median = kNotKnown; }},
    {"mad is not that", [](Record& r) { r.mad = 0; }},
    {"no samples", [](Record& r) { set_samples(r, {}); }},
    {"canary_before", [](Record& r) { r.canary_before = 0; }},
    {"predicted", [](Record& r) { r.predicted = -1; }},
    {"predicted_sigma", [](Record& r) { r.predicted_sigma = kInf; }},
    {"base_ratio is 0", [](Record& r) { r.base_ratio = 0; }},
    {"base_ratio", [](Record& r) { r.base_ratio = -1; }},
    {"absurd", [](Record& r) { r.base_ratio = 1e12; }},
    {"compile_ms", [](Record& r) { r.compile_ms = -1; }},
    {"error_ulp", [](Record& r) { r.error_ulp = -1; }},
    {"spills", [](Record& r) { r.spills = -2; }},
    {"a feature is infinite", [](Record& r) { r.features[0] = std::numeric_limits<float>::infinity(); }},
    {"timestamp", [](Record& r) { r.timestamp = 0; }},
    {"timestamp", [](Record& r) { r.timestamp = int64_t{1} << 62; }},
    {"no JSON object", [](Record& r) { r.workload = "[1]"; }},
    {"no JSON object", [](Record& r) { r.workload = "{"; }},
    {"nests too deeply", [](Record& r) { r.workload = R"({"op_class":"conv","shapes":)" + std::string(100000, '[') + std::string(100000, ']') + "}"; }},
    {"no op_class", [](Record& r) { r.workload = "{}"; }},
    {"not known: model", [](Record& r) { r.workload = R"({"op_class":"conv","model":"secret"})"; }},
    {"no message", [](Record& r) { r.status = Status::Crashed; }},
    {"tenth of a nanosecond", [](Record& r) { set_samples(r, {1e-11}); }},
    {"absurd", [](Record& r) { r.load = 1e9; }},
    {"code_bytes", [](Record& r) { r.code_bytes = std::numeric_limits<int64_t>::max(); }},
    {"bytes is no amount", [](Record& r) { r.workload = R"({"op_class":"conv","bytes":"many"})"; }},
    {"no plain UTF-8", [](Record& r) { r.message = "\xff"; }},
    {"no plain UTF-8", [](Record& r) { r.schedule = "rows \x1b[2J"; }},
    {"no plain UTF-8", [](Record& r) { r.nodes = std::string("a\0b", 3); }},
    {"longer than", [](Record& r) { r.trace = std::string((1 << 20) + 1, 'x'); }},
    {"no such session", [](Record& r) { r.session = uuid_of(77); }},
    {"no such device", [](Record& r) { r.device = hash_of("other"); }},
};

Filter everything() { return {.all_devices = true, .all_compilers = true}; }

size_t size_of(Store& store) {
  const auto all = store.query(everything());
  EXPECT_TRUE(all.has_value());
  return all ? all->size() : 0;
}

Store filled(const std::string& path, uint64_t from, uint64_t to) {
  Store store = Store::open(path).value();
  std::vector<Record> records;
  for (uint64_t k = from; k < to; ++k) records.push_back(sample_record(k));
  EXPECT_TRUE(store.append(records, sample_origins()).has_value());
  return store;
}

std::string problems(const Diags& diags) {
  std::string all;
  for (const Diag& diag : diags) all += diag.message + "\n";
  return all;
}

TEST(Refusals, OfRecords) {
  const Folder folder;
  Store store = filled(folder / "s.db", 0, 1);
  for (const Case& c : kCases) {
    Record bad = sample_record(100);
    c.spoil(bad);
    const Record batch[] = {sample_record(50), bad};
    const auto result = store.append(batch);
    ASSERT_FALSE(result.has_value()) << c.problem;
    EXPECT_EQ(result.error()[0].code, Code::E0702);
    EXPECT_NE(problems(result.error()).find(c.problem), std::string::npos) << problems(result.error());
  }
  EXPECT_EQ(size_of(store), 1u);
}

TEST(Refusals, AllAreReportedUpToALimit) {
  const Folder folder;
  Store store = filled(folder / "s.db", 0, 1);
  std::vector<Record> bad;
  for (uint64_t k = 100; k < 150; ++k) bad.push_back(sample_record(k)), bad.back().median = 1;
  const auto result = store.append(bad);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().size(), 21u);
  EXPECT_NE(result.error().back().message.find("30 problems more"), std::string::npos);
}

// A change to another store behind Tenon's back; the file stays one that SQLite can read.
struct Poison {
  const char* problem;
  const char* sql;
};
const Poison kPoisons[] = {
    {"application id", "PRAGMA application_id = 0"},
    {"schema 4", "PRAGMA user_version = 4"},
    {"schema -1", "PRAGMA user_version = -1"},
    {"checksum", "UPDATE record SET median = 1e-9 WHERE key = 3"},
    {"checksum", "UPDATE record SET message = 'edited' WHERE key = 5"},
    {"checksum", "UPDATE record SET samples = zeroblob(8) WHERE key = 2"},
    {"checksum", "UPDATE device SET l1d_bytes = 1"},
    {"no number of elements", "PRAGMA ignore_check_constraints = 1; UPDATE record SET samples = zeroblob(7) WHERE key = 2"},
    {"`odd` is not known", "PRAGMA ignore_check_constraints = 1; UPDATE record SET status = 'odd' WHERE key = 2"},
    {"`odd` is not known", "PRAGMA ignore_check_constraints = 1; UPDATE session SET source = 'odd'"},
    {"not those of a telemetry store", "CREATE TRIGGER t AFTER INSERT ON record BEGIN DELETE FROM record; END"},
    {"not those of a telemetry store", "ALTER TABLE record RENAME TO r; CREATE VIEW record AS SELECT * FROM r"},
    {"not those of a telemetry store", "DROP INDEX record_by_session"},
    {"other contents", "UPDATE session SET policy = 'rules'"},
};

TEST(Refusals, OfPoisonedStores) {
  for (const Poison& poison : kPoisons) {
    const Folder folder;
    Store store = filled(folder / "s.db", 0, 2);
    filled(folder / "bad.db", 100, 110);
    ASSERT_TRUE(Database::open(folder / "bad.db", Access::Write, 0)->run(poison.sql).has_value()) << poison.sql;
    const auto result = store.merge(folder / "bad.db");
    ASSERT_FALSE(result.has_value()) << poison.sql;
    EXPECT_NE(problems(result.error()).find(poison.problem), std::string::npos) << poison.sql << ": " << problems(result.error());
    EXPECT_EQ(result.error()[0].file, folder / "bad.db");
    EXPECT_EQ(size_of(store), 2u);
  }
}

TEST(Refusals, OfRecordsWithoutTheirSession) {
  const Folder folder;
  filled(folder / "bad.db", 100, 103);
  ASSERT_TRUE(Database::open(folder / "bad.db", Access::Write, 0)->run("PRAGMA foreign_keys = 0; DELETE FROM session").has_value());
  Store store = Store::open(folder / "s.db").value();
  const auto result = store.merge(folder / "bad.db");
  ASSERT_FALSE(result.has_value());
  EXPECT_NE(problems(result.error()).find("row without its session"), std::string::npos) << problems(result.error());
  EXPECT_TRUE(store.devices()->empty()) << "nothing of it was taken";
  EXPECT_FALSE(Store::open(folder / "bad.db")->check().has_value());
}

TEST(Refusals, ARecordWithAFreshChecksumIsStillLookedAt) {
  const Folder folder;
  Store store = filled(folder / "s.db", 0, 2);
  filled(folder / "bad.db", 100, 103);
  Record absurd = sample_record(100);
  set_samples(absurd, {1e6});
  Database db = Database::open(folder / "bad.db", Access::Write, 0).value();
  ASSERT_TRUE(db.run("UPDATE record SET samples = x'0000000080842e41', median = 1e6, mad = 0, checksum = '" + checksum(absurd) + "' WHERE key = 1").has_value());
  const auto result = store.merge(folder / "bad.db");
  ASSERT_FALSE(result.has_value());
  EXPECT_NE(problems(result.error()).find("more than a day"), std::string::npos) << problems(result.error());
  EXPECT_EQ(size_of(store), 2u);
}

TEST(Refusals, OfFilesThatAreNoStores) {
  const Folder folder;
  Store store = filled(folder / "s.db", 0, 2);
  std::ofstream(folder / "text") << std::string(5000, 'x');
  std::ofstream(folder / "empty");
  ASSERT_TRUE(Database::open(folder / "other.db", Access::Write, 0)->run("CREATE TABLE t(x)").has_value());
  for (const char* name : {"text", "empty", "other.db", "missing", "."}) {
    const auto result = store.merge(folder / name);
    ASSERT_FALSE(result.has_value()) << name;
    EXPECT_EQ(result.error()[0].code, Code::E0701) << name;
  }
  for (const char* name : {"text", "other.db", "."}) EXPECT_FALSE(Store::open(folder / name).has_value()) << name;
  EXPECT_EQ(fs::file_size(folder / "text"), 5000u);
  EXPECT_EQ(size_of(store), 2u);
}

TEST(Refusals, OfTruncatedAndCorruptStores) {
  const Folder folder;
  Store store = filled(folder / "s.db", 0, 2);
  filled(folder / "whole.db", 100, 200);
  const auto size = fs::file_size(folder / "whole.db");
  ASSERT_FALSE(fs::exists(folder / "whole.db-wal"));
  uint64_t random = 1;
  int truncated = 0, corrupt = 0;
  for (int k = 0; k < 60; ++k) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    fs::copy_file(folder / "whole.db", folder / "bad.db", fs::copy_options::overwrite_existing);
    if (k % 3 == 0) {
      fs::resize_file(folder / "bad.db", random % size);
    } else {
      std::fstream file(folder / "bad.db", std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(static_cast<std::streamoff>((random >> 20) % size));
      file.write("poison!!", k % 3 == 1 ? 1 : 8);
    }
    const auto result = store.merge(folder / "bad.db");
    if (!result) ++(k % 3 == 0 ? truncated : corrupt);
    if (!result) continue;
    // What was hit is not read here: free space, or an index. Then all must be as it was.
    EXPECT_EQ(result->added + result->known, 100);
  }
  EXPECT_EQ(truncated, 20);
  EXPECT_GT(corrupt, 8);
  EXPECT_TRUE(store.check().has_value());
  const auto all = store.query(everything());
  ASSERT_TRUE(all.has_value());
  for (const Record& record : *all) {
    bool ours = false;
    for (uint64_t k = 0; k < 200 && !ours; ++k) ours = (k < 2 || k >= 100) && checksum(record) == checksum(sample_record(k));
    EXPECT_TRUE(ours);
  }
}

TEST(Merge, TwiceIsTheSameAsOnce) {
  const Folder folder;
  Store store = filled(folder / "s.db", 0, 60);
  filled(folder / "other.db", 50, 100);
  const auto once = store.merge(folder / "other.db"), twice = store.merge(folder / "other.db"), own = store.merge(folder / "s.db");
  ASSERT_TRUE(once && twice && own);
  EXPECT_EQ(once->added, 40);
  EXPECT_EQ(once->known, 10);
  EXPECT_EQ(twice->added, 0);
  EXPECT_EQ(own->known, 100);
  EXPECT_EQ(size_of(store), 100u);
}

}  // namespace
}  // namespace tenon::telemetry
