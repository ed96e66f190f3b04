// What the probe measures is plausible, and what it writes is a target file.
#include <gtest/gtest.h>

#include "tenon/driver.h"

namespace tenon {
namespace {

TEST(Probe, MeasuresPlausibleRatesAndWritesATargetFile) {
  const auto report = probe({.target = "native", .seconds = 1});
  ASSERT_TRUE(report) << report.error()[0].message;
  const Target& t = report->target;
  for (double rate : {t.gflops_f32, t.gops_i8, t.l1_gb_per_s, t.l2_gb_per_s, t.l3_gb_per_s, t.dram_gb_per_s, t.fork_us})
    EXPECT_GT(rate, 0) << report->file;
  // A cache is no slower than what lies behind it. Noise: another process may take half of a core or a cache.
  EXPECT_GE(t.l1_gb_per_s, 0.5 * t.l2_gb_per_s) << report->file;
  EXPECT_GE(t.l2_gb_per_s, 0.5 * t.dram_gb_per_s) << report->file;
  // A multiply-add needs less than a hundred cycles of 100 MHz and a core does not do 100 at 10 GHz per lane.
  EXPECT_GT(t.gflops_f32, 0.002) << report->file;
  EXPECT_LT(t.gflops_f32, 2000.0 * t.vector_bytes / 4) << report->file;
  EXPECT_LT(t.fork_us, 1e5) << report->file;

  const auto parsed = parse_target(report->file, "native");
  ASSERT_TRUE(parsed) << parsed.error()[0].message << '\n' << report->file;
  EXPECT_EQ(to_toml(*parsed, "", {}), to_toml(t, "", {}));
}

TEST(Probe, ForeignTargetsCannotBeMeasured) {
#if defined(__x86_64__)
  const char* foreign = "aarch64";
#else
  const char* foreign = "x86-64-v2";
#endif
  EXPECT_FALSE(probe({.target = foreign, .seconds = 1}));
}

}  // namespace
}  // namespace tenon
