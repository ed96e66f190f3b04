// What `stats` says of drift, and when to retrain.
#include <gtest/gtest.h>

#include <cmath>

#include "samples.h"

namespace tenon::telemetry {
namespace {

constexpr int64_t kHour = 3600LL * 1000000;

template <class T>
T must(Result<T> result) {
  if (!result) ADD_FAILURE() << result.error()[0].message;
  return std::move(result).value();
}

// Predicted by a model, `off` times as long as predicted, with some noise.
Record predicted(uint64_t number, double off, const std::string& model) {
  Record r = sample_record(number);
  const double t = r.predicted * off * (1 + 0.01 * (static_cast<double>(number * 7919 % 101) / 50 - 1));
  set_samples(r, {t, t, t});
  r.model_hash = model.empty() ? "" : hash_of(model);
  r.timestamp = 1700000000000000 + static_cast<int64_t>(number) * kHour;
  return r;
}

Stats of(const std::vector<Record>& records, const std::vector<Canary>& canaries = {}) {
  const Folder folder;
  Store store = must(Store::open(folder / "s.db"));
  must(store.append(records, sample_origins(), canaries));
  int64_t last = 0;
  Stats stats = must(store.stats([&](int64_t done, int64_t all) {
    EXPECT_EQ(done, ++last);
    EXPECT_EQ(all, static_cast<int64_t>(records.size()));
  }));
  EXPECT_EQ(stats.records, static_cast<int64_t>(records.size()));
  return stats;
}

bool says(const Stats& stats, const std::string& part) {
  for (const std::string& sentence : stats.advice)
    if (sentence.find(part) != std::string::npos) return true;
  return false;
}

TEST(Changes, AModelThatDriftsIsToBeTrainedAnew) {
  std::vector<Record> records;
  for (uint64_t k = 0; k < 300; ++k) records.push_back(predicted(k, 1, ""));
  for (uint64_t k = 300; k < 420; ++k) records.push_back(predicted(k, 1, "first"));
  for (uint64_t k = 420; k < 500; ++k) records.push_back(predicted(k, 1.07, "first"));
  const Stats stats = of(records);
  ASSERT_EQ(stats.classes.size(), 1u);
  const ClassRow& row = stats.classes[0];
  EXPECT_EQ(row.op_class, "conv");
  EXPECT_EQ(row.records, 500);
  EXPECT_EQ(row.learnable, 500);
  EXPECT_EQ(row.epochs, 1);
  EXPECT_EQ(row.model_hash, hash_of("first"));
  EXPECT_EQ(row.residuals, 200);
  EXPECT_EQ(row.before, 300);
  EXPECT_NEAR(row.mean, 0.4 * std::log(1.07), 0.002);
  ASSERT_EQ(row.changes.size(), 1u);
  EXPECT_NEAR(row.changes[0].by, std::log(1.07), 0.005);
  EXPECT_NEAR(static_cast<double>(row.changes[0].since - records[420].timestamp), 0, 2.0 * kHour);
  EXPECT_TRUE(says(stats, "retrain: residuals of conv on znver4")) << stats.advice[0];
  EXPECT_TRUE(says(stats, "7 % higher since 2023-12-02")) << stats.advice[0];
  EXPECT_TRUE(says(stats, "200 records since the model was made"));
}

TEST(Changes, WithoutOneThereIsNoReason) {
  std::vector<Record> records;
  for (uint64_t k = 0; k < 300; ++k) records.push_back(predicted(k, 1, k < 150 ? "" : "first"));
  const Stats stats = of(records);
  EXPECT_TRUE(stats.classes[0].changes.empty());
  ASSERT_EQ(stats.advice.size(), 1u);
  EXPECT_TRUE(says(stats, "no reason to retrain: no drift in 150 residuals"));
}

TEST(Changes, ManyRecordsSinceAModelAreAReason) {
  std::vector<Record> records;
  for (uint64_t k = 0; k < 300; ++k) records.push_back(predicted(k, 1, k < 100 ? "" : "first"));
  EXPECT_TRUE(says(of(records), "conv on znver4")) << "200 after, 100 before";
  EXPECT_TRUE(says(of(records), "more than the 100 before"));
}

// The prior is far off, and by another factor for each workload: that is no drift.
TEST(Changes, ThePriorIsOffByWorkload) {
  std::vector<Record> records;
  for (uint64_t k = 0; k < 400; ++k) {
    records.push_back(predicted(k, 1 + static_cast<double>(k / 40), ""));
    records.back().workload_hash = hash_of(std::to_string(k / 40));
  }
  const Stats stats = of(records);
  EXPECT_TRUE(stats.classes[0].changes.empty());
  EXPECT_NEAR(stats.classes[0].mean, 0, 0.01);
}

TEST(Changes, WhatWasNotRightCountsForNothing) {
  std::vector<Record> records;
  for (uint64_t k = 0; k < 200; ++k) {
    records.push_back(predicted(k, k < 100 ? 1 : 3, "first"));
    if (k >= 100) records.back().status = Status::Disturbed, records.back().message = "canaries changed meanwhile";
  }
  const Stats stats = of(records);
  EXPECT_EQ(stats.classes[0].residuals, 100);
  EXPECT_TRUE(stats.classes[0].changes.empty());
}

TEST(Changes, CanariesTellOfTheMachine) {
  std::vector<Canary> canaries;
  for (int64_t k = 0; k < 600; ++k)
    for (const char* name : {"exp", "read_l2"}) {
      const double noise = 1 + 0.005 * static_cast<double>(k * 31 % 7 - 3) / 3, slower = k >= 450 && std::string(name) == "exp" ? 1.06 : 1;
      canaries.push_back({sample_session().uuid, fingerprint(sample_device()), sample_compiler().id, name, 1e-4 * noise * slower, 1700000000000000 + k * kHour});
    }
  const Stats stats = of({sample_record(1)}, canaries);
  ASSERT_EQ(stats.drift.size(), 2u);
  EXPECT_EQ(stats.drift[0].name, "exp");
  ASSERT_EQ(stats.drift[0].changes.size(), 1u);
  EXPECT_NEAR(stats.drift[0].changes[0].by, std::log(1.06), 0.005);
  EXPECT_TRUE(stats.drift[1].changes.empty());
  EXPECT_EQ(stats.drift[1].samples, 600);
  EXPECT_NEAR(stats.drift[1].median, 1e-4, 1e-6);
  EXPECT_TRUE(says(stats, "canaries of znver4")) << stats.advice[0];
  EXPECT_TRUE(says(stats, "exp 6 % slower since")) << stats.advice[0];
}

}  // namespace
}  // namespace tenon::telemetry
