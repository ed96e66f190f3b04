// Nearest records: of one device and one extractor, by distances that can be computed by hand.
#include "tenon/nearest.h"

#include <gtest/gtest.h>

#include "synthetic.h"

namespace tenon {
namespace {

using testing::Campaign;

TEST(Nearest, ARecordIsNearestToItsOwnFeatures) {
  const telemetry::Folder folder;
  testing::fill(folder / "t.db", {}, 1);
  const auto records = NearestRecords::open({.store = folder / "t.db", .device = {}, .compiler = {}});
  ASSERT_TRUE(records) << records.error()[0].message;
  EXPECT_GT(records->size(), 20U);
  auto store = telemetry::Store::open(folder / "t.db", {.read_only = true});
  const auto all = store->query({.devices = {}, .compilers = {}, .all_devices = true, .all_compilers = true, .workload = {}, .statuses = {telemetry::Status::Ok}});
  for (size_t k = 0; k < all->size(); k += 97) {
    const auto near = records->of((*all)[k].features, 3);
    ASSERT_EQ(near.size(), 3U);
    EXPECT_EQ(near[0].distance, 0);
    EXPECT_EQ(near[0].seconds, (*all)[k].median);
    EXPECT_EQ(near[0].model, (*all)[k].model_name);
    EXPECT_LE(near[1].distance, near[2].distance);
  }
  EXPECT_EQ(records->of((*all)[0].features, records->size() + 5).size(), records->size());
}

// Three records of a device: x[0] is 0, 2, 4, whose standard deviation is sqrt(8/3); x[1] is missing in one.
TEST(Nearest, DistancesAreInStandardDeviations) {
  const telemetry::Folder folder;
  auto store = telemetry::Store::open(folder / "t.db");
  std::vector<telemetry::Record> records;
  for (int k = 0; k < 3; ++k) {
    telemetry::Record& r = records.emplace_back(telemetry::sample_record(static_cast<uint64_t>(k)));
    r.features.assign(feature_table().size(), 1.0F), r.feature_hash = features_id();
    r.features[0] = static_cast<float>(2 * k), r.features[1] = k == 2 ? NAN : 5.0F;
    r.schedule = "rows=" + std::to_string(k) + " |", r.schedule_hash = telemetry::hash_of(r.schedule);
  }
  // Of another extractor, and wrong: neither counts.
  records.push_back(telemetry::sample_record(10));
  records.push_back(records[0]), records.back().uuid = telemetry::uuid_of(11), records.back().status = telemetry::Status::Wrong, records.back().message = "wrong";
  ASSERT_TRUE(store->append(records, telemetry::sample_origins()));
  const auto nearest = NearestRecords::open({.store = folder / "t.db", .device = {}, .compiler = {}});
  ASSERT_TRUE(nearest) << nearest.error()[0].message;
  ASSERT_EQ(nearest->size(), 3U);
  std::vector<float> asked(feature_table().size(), 1.0F);
  asked[0] = 0.5F, asked[1] = 5;
  const auto found = nearest->of(asked, 3);
  ASSERT_EQ(found.size(), 3U);
  const double n = static_cast<double>(feature_table().size()), sigma = std::sqrt(8.0 / 3);
  for (int k = 0; k < 3; ++k) {
    EXPECT_EQ(found[static_cast<size_t>(k)].schedule, "rows=" + std::to_string(k) + " |");
    const double d = (2.0 * k - 0.5) / sigma, missing = k == 2 ? 1 : 0;
    EXPECT_NEAR(found[static_cast<size_t>(k)].distance, std::sqrt((d * d + missing) / n), 1e-12);
  }
}

TEST(Nearest, DevicesAreNotMixedUnasked) {
  const telemetry::Folder folder;
  Campaign campaign;
  campaign.devices = {1, 2};
  testing::fill(folder / "t.db", campaign, 1);
  const auto mixed = NearestRecords::open({.store = folder / "t.db", .device = {}, .compiler = {}});
  ASSERT_FALSE(mixed);
  EXPECT_EQ(mixed.error()[0].code, Code::E0703);
  const auto none = NearestRecords::open({.store = folder / "t.db", .device = "x", .compiler = {}});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error()[0].code, Code::E0703);
  const auto one = NearestRecords::open({.store = folder / "t.db", .device = telemetry::fingerprint(telemetry::sample_device("level" + std::to_string(2.0))), .compiler = {}});
  const auto both = NearestRecords::open({.store = folder / "t.db", .device = "all", .compiler = {}});
  ASSERT_TRUE(one && both);
  EXPECT_LT(one->size(), both->size());
  EXPECT_EQ(NearestRecords::open({.store = folder / "none.db", .device = {}, .compiler = {}}).error()[0].code, Code::E0701);
}

}  // namespace
}  // namespace tenon
