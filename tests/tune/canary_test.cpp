// Kernels that tell whether the machine is as it was.
#include <gtest/gtest.h>

#include <chrono>
#include <set>

#include "../../src/driver/tune/canaries.h"
#include "../../src/driver/tune/canary_kernels.h"
#include "../../src/driver/tune/watch.h"
#include "tenon/driver.h"

namespace tenon {
namespace {

TEST(Canaries, AreKernelsOnEveryTarget) {
  for (const std::string& name : target_names()) {
    const auto target = load_target(name);
    ASSERT_TRUE(target) << name;
    const CanaryKernels kernels = canary_kernels(*target);
    EXPECT_EQ(kernels.names.size(), 16u);
    EXPECT_EQ(std::set<std::string>(kernels.names.begin(), kernels.names.end()).size(), 16u);
    const auto module = parse_module(kernels.module);
    ASSERT_TRUE(module) << name << ": " << module.error()[0].message;
    const auto right = verify(*module);
    EXPECT_TRUE(right) << name << ": " << right.error()[0].message;
    EXPECT_EQ(module->host.size(), 16u);
  }
}

TEST(Canaries, TakeAMomentHere) {
  const auto target = load_target("native");
  ASSERT_TRUE(target);
  Canaries canaries;
  const auto open = canaries.open(*target, -1);
  ASSERT_TRUE(open) << open.error()[0].message;
  double least = 1;
  for (int k = 0; k < 3; ++k) {  // the machine may be busy
    const auto start = std::chrono::steady_clock::now();
    const auto set = canaries.measure();
    least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    ASSERT_TRUE(set);
    ASSERT_EQ(set->seconds.size(), canaries.names().size());
    for (size_t c = 0; c < set->seconds.size(); ++c) {
      EXPECT_GT(set->seconds[c], 2e-6) << canaries.names()[c] << " is not computed";
      EXPECT_LT(set->seconds[c], 0.1) << canaries.names()[c];
    }
  }
  EXPECT_LT(least, 0.1);
}

CanarySet set_of(double factor, size_t from = 0, size_t to = 16) {
  CanarySet set;
  for (size_t k = 0; k < 16; ++k) set.seconds.push_back(1e-4 * (k >= from && k < to ? factor : 1));
  return set;
}

TEST(Steadiness, IsJudgedByTheCanariesOwnSpread) {
  Steadiness quiet, noisy;
  for (int k = 0; k < 8; ++k) quiet.add(set_of(1), set_of(k % 2 ? 1.004 : 1)), noisy.add(set_of(1), set_of(k % 2 ? 1.2 : 0.85));
  EXPECT_TRUE(quiet.steady(set_of(1), set_of(1.01)));
  EXPECT_FALSE(quiet.steady(set_of(1), set_of(1.06)));
  EXPECT_FALSE(quiet.steady(set_of(1.06), set_of(1))) << "faster again";
  EXPECT_TRUE(noisy.steady(set_of(1), set_of(1.06)));
  EXPECT_FALSE(noisy.steady(set_of(1), set_of(3)));
}

TEST(Watch, SaysWhatChanged) {
  EXPECT_EQ(what_changed({}, true), "") << "there is no base yet";
  EXPECT_EQ(what_changed({.before_ms = 1, .after_ms = 1.04}, true), "");
  EXPECT_NE(what_changed({.before_ms = 1, .after_ms = 1.06}, true).find("the base"), std::string::npos);
  EXPECT_NE(what_changed({.before_ms = 1.06, .after_ms = 1}, true).find("the base"), std::string::npos);
  EXPECT_NE(what_changed({.before_ms = 1, .after_ms = 1}, false).find("canaries"), std::string::npos);
}

TEST(Steadiness, AFewMayDifferByChance) {
  Steadiness quiet;
  for (int k = 0; k < 8; ++k) quiet.add(set_of(1), set_of(1.002));
  EXPECT_TRUE(quiet.steady(set_of(1), set_of(2, 0, 2)));
  EXPECT_FALSE(quiet.steady(set_of(1), set_of(1.2, 0, 5)));
}

}  // namespace
}  // namespace tenon
