// Features and the prior: finite where they apply, the same every time, and dearer where a schedule is worse.
#include "tenon/features.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <set>

#include "graphs.h"
#include "tenon/policy.h"
#include "tenon/space.h"

namespace tenon::testing {
namespace {

Graph product(const char* rows, int64_t k, int64_t n, bool constant = true) {
  GraphMaker g{"product"};
  const std::string inner = std::to_string(k), columns = std::to_string(n);
  const ValueId right = constant ? g.constant({k, n}) : g.input("w", {inner.c_str(), columns.c_str()});
  g.output(g.node(Op::abs, {g.node(Op::dot, {g.input("x", {rows, inner.c_str()}), right})}));
  return std::move(g.graph);
}

Graph chain() {
  GraphMaker g{"chain"};
  ValueId x = g.node(Op::conv, {g.input("x", {"1", "8", "32", "32"}), g.constant({64, 8, 1, 1})}, g.conv({1, 1}, {0, 0}));
  x = g.node(Op::abs, {g.node(Op::conv, {x, g.constant({64, 1, 3, 3})}, g.conv({1, 1}, {1, 1}, 64))});
  g.output(g.node(Op::conv, {x, g.constant({24, 64, 3, 3})}, g.conv({1, 1}, {1, 1})));
  return std::move(g.graph);
}

// A region of a plan with all that candidates need.
struct Judge {
  Graph graph;
  Target target;
  Plan plan;
  RegionFacts facts;
  DeviceFacts device;
  Variant variant;

  Judge(Graph g, const char* name, size_t at = 0, const std::function<void(Target&)>& edit = {}) : graph(std::move(g)), target(load_target(name).value()) {
    if (edit) edit(target);
    plan = rules_policy(graph, target).value();
    const Graph laid = laid_out(graph, plan);
    Region region = build_region(laid, plan.regions[at]).value();
    facts = region_facts(laid, region, plan.regions[at], target, surroundings(laid, plan, at)).value();
    device = device_facts(target);
    variant = plan.regions[at].schedule.variants.back();
  }
  std::vector<float> features(const Variant& v) const {
    std::vector<float> out(feature_table().size());
    features_of(facts, v, device, out);
    return out;
  }
  Variant with(std::initializer_list<std::pair<Knob, int64_t>> knobs) const {
    Variant v = variant;
    for (const auto& [knob, value] : knobs) v.knobs.set(knob, value);
    return v;
  }
  double seconds(std::initializer_list<std::pair<Knob, int64_t>> knobs) const { return prior_seconds(facts, with(knobs), device); }
  float value(std::string_view feature, std::initializer_list<std::pair<Knob, int64_t>> knobs = {}) const { return features(with(knobs))[feature_index(feature)]; }
};

TEST(Features, OfEveryKnobAndNamesAreApart) {
  std::set<std::string_view> names;
  for (const FeatureInfo& f : feature_table()) {
    EXPECT_TRUE(names.insert(f.name).second) << f.name;
    EXPECT_FALSE(f.unit.empty() || f.meaning.empty()) << f.name;
  }
  for (const KnobInfo& k : knob_table()) EXPECT_TRUE(names.contains("knob_" + std::string(k.name))) << k.name;
  const Judge judge(product("96", 64, 64), "znver4");
  for (const KnobInfo& k : knob_table()) {
    const auto knob = static_cast<Knob>(&k - knob_table().data());
    EXPECT_NE(judge.value("knob_" + std::string(k.name), {{knob, 1}}), judge.value("knob_" + std::string(k.name), {{knob, 3}})) << k.name;
  }
}

// A change of what a feature means changes kFeaturesVersion, and then the hash and these numbers.
TEST(Features, ArePinned) {
  EXPECT_EQ(features_hash(), "53a52f899141b8e6");
  const Judge dot(product("96", 64, 48), "znver4"), conv(chain(), "x86-64-v3", 1);
  auto check = [](const Judge& judge, std::initializer_list<std::pair<const char*, double>> expected) {
    for (const auto& [name, value] : expected) EXPECT_NEAR(judge.value(name), value, 1e-3 * std::max(1.0, std::abs(value))) << name;
  };
  check(dot, {{"flops", 19.1812}, {"macs_f32", 18.1699}, {"tile_rows", 9}, {"tile_vectors", 3}, {"read_bytes", 17.2479}, {"l1_fills", 14.5850}, {"l2_fills", 0},
              {"buffer1_unique", 13.5851}, {"t_compute", 12.3628}, {"t_prior", 12.4192}, {"weight_fraction", 0.222222}});
  check(conv, {{"flops", 24.7549}, {"executed_ratio", 1}, {"tile_rows", 6}, {"lane_remainder", 0}, {"read_bytes", 23.6582}, {"l1_fills", 22.4186}, {"temporary_bytes", 0},
               {"t_compute", 17.5383}, {"t_prior", 17.5495}});
}

TEST(Features, RowsOfATailCost) {
  const Judge judge(product("96", 256, 64), "znver4");
  // 96 rows in blocks of 12 are whole; of 13 they leave 5, of 11 8.
  EXPECT_EQ(judge.value("row_remainder", {{Knob::rows, 12}}), 0);
  EXPECT_NEAR(judge.value("row_remainder", {{Knob::rows, 13}}), 5.0 / 96, 1e-6);
  EXPECT_LT(judge.seconds({{Knob::rows, 12}, {Knob::vectors, 2}}), judge.seconds({{Knob::rows, 13}, {Knob::vectors, 2}}));
}

TEST(Features, IdleLanesAreExecuted) {
  const Judge whole(product("96", 256, 64), "x86-64-v4"), rest(product("96", 256, 65), "x86-64-v4");
  EXPECT_EQ(whole.value("executed_ratio"), 1);
  EXPECT_GT(rest.value("executed_ratio"), 1.1);
  EXPECT_GT(rest.seconds({}), 1.05 * whole.seconds({}));
}

TEST(Features, FewAccumulatorsWaitAndTooManySpill) {
  const Judge judge(product("4096", 1024, 512), "x86-64-v4");
  const double good = judge.seconds({{Knob::rows, 6}, {Knob::vectors, 4}});
  EXPECT_GT(judge.seconds({{Knob::rows, 1}, {Knob::vectors, 1}}), 3 * good);
  EXPECT_GT(judge.seconds({{Knob::rows, 2}, {Knob::vectors, 2}}), 1.5 * good);
  EXPECT_GT(judge.seconds({{Knob::rows, 10}, {Knob::vectors, 4}}), 1.1 * good);
  EXPECT_EQ(judge.value("spilled", {{Knob::rows, 10}, {Knob::vectors, 4}}), 9);
}

TEST(Features, OrdersThatReadAgainMoveMore) {
  // Rows of 16 MiB and a panel that L2 holds: panels outside read all rows for each panel.
  const Judge judge(product("4096", 1024, 128), "znver4");
  EXPECT_GT(judge.value("l2_fills", {{Knob::order, 0}}), judge.value("l2_fills", {{Knob::order, 1}}) + 0.5);
  // Blocks of rows that the cache holds make up for it.
  EXPECT_LT(judge.value("l2_fills", {{Knob::order, 0}, {Knob::row_block, 64}}), judge.value("l2_fills", {{Knob::order, 0}}) - 0.5);
}

TEST(Features, IntegersAreWork) {
  GraphMaker g{"bytes"};
  g.output(g.node(Op::dot, {g.input("x", {"32", "64"}, DType::U8), g.constant({64, 32}, DType::I8)}));
  const Judge judge(std::move(g.graph), "znver4");
  EXPECT_NEAR(judge.value("macs_i8"), std::log2(1 + 32 * 64 * 32), 1e-3);
  EXPECT_GE(judge.value("integer_ops"), std::log2(2 * 32 * 64 * 32));
  EXPECT_GT(judge.value("ops_per_byte_l2"), 1);
  EXPECT_EQ(judge.value("macs_f32"), 0);
  EXPECT_GT(judge.seconds({}), 0);
}

TEST(Features, DevicesScaleThePrior) {
  const Judge fast(product("512", 512, 512), "x86-64-v3"), slow(product("512", 512, 512), "x86-64-v3", 0, [](Target& t) { t.gflops_f32 /= 2; });
  const Prior a = prior(fast.facts, fast.variant, fast.device), b = prior(slow.facts, fast.variant, slow.device);
  EXPECT_NEAR(b.compute, 2 * a.compute, 1e-6 * a.compute);
  EXPECT_EQ(a.bound, 0);
  // One row: all weights once, from memory.
  auto from = [](double gb_per_s) { return Judge(product("1", 4096, 4096), "x86-64-v3", 0, [&](Target& t) { t.dram_gb_per_s = gb_per_s, t.l3_bytes = 1 << 21; }); };
  const Judge near = from(20), far = from(10);
  EXPECT_NEAR(far.seconds({}), 2 * near.seconds({}), 0.1 * near.seconds({}));
  EXPECT_EQ(prior(near.facts, near.variant, near.device).bound, 4);
}

TEST(Features, TasksAreSharedByThreads) {
  Judge judge(product("4096", 512, 512), "znver4");
  const double one = judge.seconds({});
  judge.device = device_facts(judge.target, 4);
  EXPECT_LT(judge.seconds({}), one / 2);
  EXPECT_EQ(judge.value("imbalance", {{Knob::parallel, 0}}), 4);
  EXPECT_NEAR(judge.seconds({{Knob::parallel, 0}}), one, 0.05 * one);
}

struct Case {
  Graph (*make)();
  const char* target;
};
Graph symbolic() { return product("N", 40, 24); }
Graph strided() { return product("33", 40, 30, false); }
class Candidates : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Of, Candidates, ::testing::Values(Case{chain, "znver4"}, Case{chain, "aarch64"}, Case{attention, "x86-64-v3"}, Case{attention, "sapphirerapids"},
                                                           Case{symbolic, "znver5"}, Case{strided, "rv64gcv"}, Case{strided, "x86-64-v2"}));

// Of any legal schedule; NaN only where the table says that a feature may not apply.
TEST_P(Candidates, HaveAPriorAndFeatures) {
  const auto [make, name] = GetParam();
  const Graph graph = make();
  const Target target = load_target(name).value();
  const Plan plan = rules_policy(graph, target).value();
  const auto spaces = schedule_spaces(graph, plan, target, Precision::Strict).value();
  const Graph laid = laid_out(graph, plan);
  const DeviceFacts device = device_facts(target);
  for (size_t r = 0; r < spaces.size(); ++r) {
    Region region = build_region(laid, plan.regions[r]).value();
    const RegionFacts facts = region_facts(laid, region, plan.regions[r], target, surroundings(laid, plan, r)).value();
    for (unsigned seed = 0; seed < 100; ++seed) {
      Dice dice(seed);
      Variant variant = plan.regions[r].schedule.variants.back();
      for (const TileSpace& tile : spaces[r].tiles) {
        Knobs drawn;
        do
          for (const KnobValues& k : tile.knobs) drawn.set(k.knob, k.values[static_cast<size_t>(dice.size(0, static_cast<int64_t>(k.values.size()) - 1))]);
        while (!tile.has(drawn));
        if (!tile.of.valid()) {
          for (const auto& [knob, value] : drawn.changed()) variant.knobs.set(knob, value);
        } else {
          std::erase_if(variant.producers, [&](const auto& p) { return p.first == tile.of; });
          variant.producers.emplace_back(tile.of, drawn);
        }
      }
      std::vector<float> once(feature_table().size()), again(once);
      features_of(facts, variant, device, once);
      features_of(facts, variant, device, again);
      for (size_t k = 0; k < once.size(); ++k) {
        const FeatureInfo& f = feature_table()[k];
        EXPECT_FALSE(std::isinf(once[k])) << f.name;
        const bool may_lack = f.group == 'D' || f.group == 'E' || f.group == 'H';
        EXPECT_TRUE(may_lack || !std::isnan(once[k])) << f.name;
        EXPECT_TRUE(once[k] == again[k] || (std::isnan(once[k]) && std::isnan(again[k]))) << f.name;
      }
      const Prior p = prior(facts, variant, device);
      EXPECT_TRUE(std::isfinite(p.seconds) && p.seconds > 0 && p.seconds >= p.compute) << seed;
    }
  }
}

}  // namespace
}  // namespace tenon::testing
