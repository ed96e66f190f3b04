// What goes into a store comes out again, and only that.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>

#include "../../src/telemetry/rows.h"
#include "../../src/telemetry/schema.h"
#include "samples.h"

namespace tenon::telemetry {
namespace {

std::string text(const Diags& diags) {
  std::string all;
  for (const Diag& diag : diags) all += std::string(code_name(diag.code)) + " " + diag.message + "\n";
  return all;
}

template <class T>
T must(Result<T> result) {
  if (!result) ADD_FAILURE() << text(result.error());
  return std::move(result).value();
}

Store sample_store(const std::string& path, uint64_t from = 0, uint64_t to = 10) {
  Store store = must(Store::open(path));
  std::vector<Record> records;
  for (uint64_t k = from; k < to; ++k) records.push_back(sample_record(k));
  must(store.append(records, sample_origins()));
  return store;
}

Filter everything() { return {.all_devices = true, .all_compilers = true}; }

TEST(Store, GivesBackEveryField) {
  const Folder folder;
  Record full = sample_record(1), bare = sample_record(2);
  full.model_name = "net", full.nodes = "conv1\nrelu1", full.status = Status::Wrong, full.message = "3 elements differ";
  bare.features.clear(), bare.feature_hash.clear(), bare.status = Status::Crashed, bare.message = "signal 11";
  set_samples(bare, {});
  bare.spills = -1, bare.error_ulp = kNotKnown;
  {
    Store store = must(Store::open(folder / "s.db"));
    const Record both[] = {full, bare};
    EXPECT_EQ(must(store.append(both, sample_origins())).added, 2);
  }
  Store store = must(Store::open(folder / "s.db", {.read_only = true}));
  const std::vector<Record> found = must(store.query(everything()));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(checksum(found[0]), checksum(full));
  EXPECT_EQ(checksum(found[1]), checksum(bare));
  EXPECT_EQ(found[0].samples, full.samples);
  EXPECT_EQ(found[0].nodes, full.nodes);
  EXPECT_TRUE(std::isnan(found[0].features[1]));
  EXPECT_EQ(found[1].spills, -1);
  EXPECT_TRUE(std::isnan(found[1].median));
  EXPECT_EQ(checksum(must(store.devices())[0]), checksum(sample_device()));
  EXPECT_EQ(checksum(must(store.sessions())[0]), checksum(sample_session()));
  EXPECT_FALSE(store.append(std::span(&full, 1)).has_value()) << "read only";
}

TEST(Store, ChecksumSeesEveryField) {
  Record first = sample_record(1), second = sample_record(2);
  first.base_ratio = 0.97;
  std::set<std::string> sums = {checksum(first)};
  int fields = 0;
  each_field(first, [&](const char* name, const auto&) {
    Record changed = first;
    each_field(changed, [&](const char* other, auto& field) {
      using T = std::remove_cvref_t<decltype(field)>;
      if (std::string(name) != other) return;
      if constexpr (std::is_same_v<T, std::string>) field += "x";
      else if constexpr (std::is_same_v<T, Status>) field = Status::Timeout;
      else if constexpr (std::is_arithmetic_v<T>) field += 1;
      else field.push_back(1);
    });
    EXPECT_TRUE(sums.insert(checksum(changed)).second) << name;
    ++fields;
  });
  EXPECT_EQ(fields, 38);
}

TEST(Store, ReturnsOnlyNamedDevicesAndCompilers) {
  const Folder folder;
  Store store = sample_store(folder / "s.db", 0, 3);
  Record other_device = sample_record(10), other_compiler = sample_record(11);
  other_device.device = fingerprint(sample_device("cortex-a76"));
  other_compiler.compiler = sample_compiler("next build").id;
  const Record both[] = {other_device, other_compiler};
  must(store.append(both, {{sample_device("cortex-a76")}, {sample_compiler("next build")}, {}}));
  const std::string device = fingerprint(sample_device()), compiler = sample_compiler().id;
  EXPECT_EQ(must(store.query({})).size(), 0u);
  EXPECT_EQ(must(store.query({.devices = {device}})).size(), 0u);
  EXPECT_EQ(must(store.query({.devices = {device}, .compilers = {compiler}})).size(), 3u);
  EXPECT_EQ(must(store.query({.compilers = {compiler}, .all_devices = true})).size(), 4u);
  EXPECT_EQ(must(store.query(everything())).size(), 5u);
  Filter one = everything();
  one.workload = sample_record(0).workload_hash;
  EXPECT_EQ(must(store.query(one)).size(), 1u);
  one = everything();
  one.statuses = {Status::Timeout};
  EXPECT_EQ(must(store.query(one)).size(), 0u);
  // Sessions of another device stay apart from a device that differs in its kernel alone.
  Device updated = sample_device();
  updated.kernel = "6.2.0";
  EXPECT_NE(fingerprint(updated), device);
}

TEST(Store, SameAgainIsNoErrorAndOtherContentsAre) {
  const Folder folder;
  Store store = sample_store(folder / "s.db");
  Record record = sample_record(3);
  EXPECT_EQ(must(store.append(std::span(&record, 1))).known, 1);
  record.warmups = 7;
  const Record both[] = {sample_record(50), record};
  const auto refused = store.append(both);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error()[0].code, Code::E0702);
  EXPECT_NE(text(refused.error()).find("other contents"), std::string::npos);
  EXPECT_EQ(must(store.query(everything())).size(), 10u) << "all or nothing";
  Session session = sample_session();
  session.policy = "rules";
  EXPECT_FALSE(store.append({}, {{}, {}, {session}}).has_value());
}

TEST(Store, PrunesWhatIsAskedFor) {
  const Folder folder;
  Store store = sample_store(folder / "s.db");
  Record disturbed = sample_record(20);
  disturbed.status = Status::Disturbed, disturbed.message = "canary", disturbed.session = sample_session(2).uuid;
  must(store.append(std::span(&disturbed, 1), {{}, {}, {sample_session(2)}}));
  EXPECT_EQ(must(store.prune({.disturbed_only = true, .dry_run = true})), 1);
  EXPECT_EQ(must(store.sessions()).size(), 2u);
  EXPECT_EQ(must(store.prune({.disturbed_only = true})), 1);
  EXPECT_EQ(must(store.sessions()).size(), 1u) << "a session without records goes too";
  EXPECT_EQ(must(store.prune({.before = sample_record(4).timestamp})), 4);
  EXPECT_EQ(must(store.prune({.device = fingerprint(sample_device("other"))})), 0);
  EXPECT_EQ(must(store.prune({.compiler = sample_compiler().id})), 6);
  EXPECT_EQ(must(store.devices()).size(), 0u);
  must(store.append(std::span(&disturbed, 1), {{sample_device()}, {sample_compiler()}, {sample_session(2)}}));
}

TEST(Store, CountsWhatCanBeLearntFrom) {
  const Folder folder;
  Store store = sample_store(folder / "s.db");
  Record bare = sample_record(20), late = sample_record(21);
  bare.features.clear(), bare.feature_hash.clear(), bare.canary_before = bare.canary_after = 2e-3;
  late.status = Status::Timeout, late.message = "10 s", set_samples(late, {});
  const Record both[] = {bare, late};
  must(store.append(both));
  const Stats stats = must(store.stats());
  EXPECT_EQ(stats.records, 12);
  EXPECT_EQ(stats.learnable, 10);
  EXPECT_EQ(stats.sessions, 1);
  ASSERT_EQ(stats.rows.size(), 2u);
  EXPECT_EQ(stats.rows[0].op_class, "conv");
  EXPECT_EQ(stats.rows[0].records, 11);
  ASSERT_EQ(stats.canaries.size(), 1u);
  EXPECT_EQ(stats.canaries[0].canaries, 24);
  EXPECT_NEAR(stats.canaries[0].median, 1.01e-3, 1e-9);
  EXPECT_NEAR(stats.canaries[0].spread, 0.01 / 1.01, 1e-6);
}

TEST(Store, TwoProcessesAppendAtOnce) {
  constexpr uint64_t kEach = 60;
  const Folder folder;
  std::vector<pid_t> children;
  for (uint64_t child = 0; child < 2; ++child) {
    const pid_t pid = fork();
    if (pid == 0) {  // both make the file, too
      auto store = Store::open(folder / "s.db");
      bool good = store.has_value();
      for (uint64_t k = 0; good && k < kEach; ++k) {
        const Record record = sample_record(child * 1000 + k);
        good = store->append(std::span(&record, 1), sample_origins()).has_value();
      }
      _exit(good ? 0 : 1);
    }
    children.push_back(pid);
  }
  for (const pid_t pid : children) {
    int status = 0;
    waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
  }
  Store store = must(Store::open(folder / "s.db"));
  EXPECT_EQ(must(store.query(everything())).size(), 2 * kEach);
  EXPECT_TRUE(store.check().has_value());
}

TEST(Store, ExportsLinesThatParse) {
  const Folder folder;
  Store store = sample_store(folder / "s.db", 0, 2);
  Record named = sample_record(7);
  named.model_name = "secret \"net\", 2";
  must(store.append(std::span(&named, 1)));
  auto exported = [&](ExportFormat format, bool names) {
    std::string all;
    must(export_records(store, {.filter = everything(), .format = format, .names = names}, [&](std::string_view line) { all += line; }));
    return all;
  };
  const std::string json = exported(ExportFormat::JsonLines, false), csv = exported(ExportFormat::Csv, true);
  EXPECT_EQ(std::ranges::count(json, '\n'), 3);
  EXPECT_NE(json.find("\"features\":[1.5,null,-3.0,0.0]"), std::string::npos) << json;
  EXPECT_NE(json.find("\"microarchitecture\":\"znver4\""), std::string::npos);
  EXPECT_EQ(json.find("secret"), std::string::npos) << "names only where asked for";
  EXPECT_EQ(exported(ExportFormat::Csv, false).find("secret"), std::string::npos);
  EXPECT_NE(csv.find("\"secret \"\"net\"\", 2\""), std::string::npos) << csv;
  EXPECT_TRUE(csv.starts_with("uuid,session,device,")) << csv;
  EXPECT_NE(csv.find("1e-04;"), std::string::npos) << "samples are a list";
}

TEST(Migrations, ApplyInOrderAndAllOrNothing) {
  const Folder folder;
  const char* const first[] = {"CREATE TABLE a(x INTEGER); INSERT INTO a VALUES(1)"};
  const char* const second[] = {first[0], "ALTER TABLE a ADD COLUMN y TEXT NOT NULL DEFAULT 'new'"};
  const char* const broken[] = {first[0], second[1], "CREATE TABLE b(x); CREATE TABLE a(x)"};
  Database db = must(Database::open(folder / "m.db", Access::Write, 0));
  ASSERT_TRUE(migrate(db, first).has_value());
  EXPECT_EQ(must(db.number("PRAGMA user_version")), 1);
  ASSERT_TRUE(migrate(db, second).has_value());
  EXPECT_EQ(must(db.text("SELECT y FROM a")), "new");
  EXPECT_FALSE(migrate(db, broken).has_value());
  EXPECT_EQ(must(db.number("PRAGMA user_version")), 2);
  EXPECT_EQ(must(db.number("SELECT count(*) FROM sqlite_schema WHERE name = 'b'")), 0);
  EXPECT_FALSE(migrate(db, first).has_value()) << "newer than this release";
}

TEST(Migrations, AnOlderStoreIsBroughtUpToDate) {
  const Folder folder;
  {  // version 0: an application's id and nothing more
    Database db = must(Database::open(folder / "old.db", Access::Write, 0));
    ASSERT_TRUE(db.run("PRAGMA application_id = " + std::to_string(kApplicationId)).has_value());
  }
  EXPECT_EQ(must(must(Store::open(folder / "old.db", {.read_only = true})).query(everything())).size(), 0u);
  Store store = sample_store(folder / "new.db");
  EXPECT_EQ(must(store.merge(folder / "old.db")).added, 0);
  Store old = must(Store::open(folder / "old.db"));
  EXPECT_EQ(must(old.merge(folder / "new.db")).added, 10);
}

Canary sample_canary(int64_t at, const std::string& name = "read_l2") {
  return {sample_session().uuid, fingerprint(sample_device()), sample_compiler().id, name, 1e-4 * (1 + static_cast<double>(at % 3)), 1700000000000000 + at};
}

TEST(Migrations, AStoreWithoutCanariesIsBroughtUpToDate) {
  const Folder folder;
  sample_store(folder / "old.db");
  {  // version 1, as it was released
    Database db = must(Database::open(folder / "old.db", Access::Write, 0));
    ASSERT_TRUE(db.run("DROP TABLE canary; ALTER TABLE record DROP COLUMN base_ratio; PRAGMA user_version = 1").has_value());
    Database first = must(Database::open("", Access::Memory, 0));
    ASSERT_TRUE(migrate(first, migrations().first(1)).has_value());
    const std::string all = "SELECT type || name || coalesce(sql, '') FROM sqlite_schema ORDER BY 1";
    ASSERT_EQ(must(db.text(all)), must(first.text(all)));
  }
  EXPECT_EQ(must(must(Store::open(folder / "old.db", {.read_only = true})).query(everything())).size(), 10u);
  EXPECT_EQ(must(must(Store::open(folder / "old.db", {.read_only = true})).canaries()).size(), 0u);
  EXPECT_EQ(must(must(Database::open(folder / "old.db", Access::Read, 0)).number("PRAGMA user_version")), 1) << "who only reads changes nothing";
  Store fleet = must(Store::open(folder / "fleet.db"));
  EXPECT_EQ(must(fleet.merge(folder / "old.db")).added, 10);
  Store old = must(Store::open(folder / "old.db"));
  const Canary canary = sample_canary(1);
  must(old.append({}, {}, std::span(&canary, 1)));
  EXPECT_EQ(must(old.canaries()).size(), 1u);
  EXPECT_TRUE(old.check().has_value());
  EXPECT_EQ(must(old.query(everything())).size(), 10u);
}

TEST(Canaries, AreKeptMergedAndPruned) {
  const Folder folder;
  Store store = sample_store(folder / "s.db");
  const Canary set[] = {sample_canary(1), sample_canary(1, "exp"), sample_canary(2)};
  must(store.append({}, {}, set));
  must(store.append({}, {}, set));
  const std::vector<Canary> kept = must(store.canaries());
  ASSERT_EQ(kept.size(), 3u) << "the same again is no error";
  EXPECT_EQ(kept[0].name, "exp");
  EXPECT_EQ(checksum(kept[1]), checksum(set[0]));
  Canary other = set[0];
  other.seconds *= 2;
  const auto refused = store.append({}, {}, std::span(&other, 1));
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(text(refused.error()).find("other contents"), std::string::npos);
  Store fleet = must(Store::open(folder / "fleet.db"));
  must(fleet.merge(folder / "s.db"));
  must(fleet.merge(folder / "s.db"));
  EXPECT_EQ(must(fleet.canaries()).size(), 3u);
  for (void (*spoil)(Canary&) : {+[](Canary& c) { c.seconds = 0; }, +[](Canary& c) { c.seconds = kNotKnown; }, +[](Canary& c) { c.name.clear(); }, +[](Canary& c) { c.timestamp = 0; },
                                 +[](Canary& c) { c.session = uuid_of(5); }, +[](Canary& c) { c.device = hash_of("other"); }}) {
    Canary bad = sample_canary(9);
    spoil(bad);
    EXPECT_FALSE(store.append({}, {}, std::span(&bad, 1)).has_value());
  }
  EXPECT_EQ(must(store.prune({.device = fingerprint(sample_device())})), 10);
  EXPECT_EQ(must(store.canaries()).size(), 0u) << "they go with their session";
}

TEST(Epochs, AreOfOneDeviceThroughItsChanges) {
  const Folder folder;
  Store store = sample_store(folder / "s.db");
  Device updated = sample_device(), other = sample_device("cortex-a76");
  updated.kernel = "6.2.0";
  EXPECT_EQ(hardware(updated), hardware(sample_device()));
  EXPECT_NE(hardware(other), hardware(sample_device()));
  updated.microcode = "0xb";
  EXPECT_EQ(hardware(updated), hardware(sample_device()));
  std::vector<Record> more;
  for (uint64_t k = 100; k < 109; ++k) {
    Record& r = more.emplace_back(sample_record(k));
    if (k < 103) r.device = fingerprint(updated);
    else if (k < 106) r.compiler = sample_compiler("next").id;
    else r.device = fingerprint(other);
  }
  must(store.append(more, {{updated, other}, {sample_compiler("next")}, {}}));
  const std::vector<Epoch> all = must(epochs(std::span(&store, 1)));
  ASSERT_EQ(all.size(), 4u);
  std::vector<Epoch> of_device;
  for (const Epoch& e : all)
    if (e.hardware == hardware(sample_device())) of_device.push_back(e);
  ASSERT_EQ(of_device.size(), 3u);
  for (size_t k = 0; k < 3; ++k) EXPECT_EQ(of_device[k].number, static_cast<int>(k) + 1);
  EXPECT_EQ(of_device[0].records, 10);
  EXPECT_EQ(of_device[1].device, fingerprint(updated));
  EXPECT_NE(of_device[1].what.find("kernel 6.2.0, microcode 0xb"), std::string::npos) << of_device[1].what;
  EXPECT_EQ(of_device[2].compiler, sample_compiler("next").id);
  EXPECT_EQ(of_device[2].begin, sample_record(103).timestamp);
}

TEST(Schema, HasTheFieldsOfTheList) {
  const Folder folder;
  sample_store(folder / "s.db");
  Database db = must(Database::open(folder / "s.db", Access::Read, 0));
  auto found = [&](const std::string& table) { return must(db.text("SELECT group_concat(name, ', ') FROM pragma_table_info('" + table + "')")); };
  EXPECT_EQ(found("device"), "fingerprint, " + columns<Device>());
  EXPECT_EQ(found("compiler"), columns<Compiler>());
  EXPECT_EQ(found("session"), columns<Session>());
  EXPECT_EQ(found("record"), "key, checksum, " + columns<Record>());
  EXPECT_EQ(found("canary"), "key, checksum, " + columns<Canary>());
  EXPECT_EQ(must(db.text("PRAGMA journal_mode")), "wal");
}

}  // namespace
}  // namespace tenon::telemetry
