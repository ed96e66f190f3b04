// The parts of the search: workloads without names, candidates that are legal and new, children that fail.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "../../src/driver/scratch_folder.h"
#include "tenon/candidates.h"
#include "../../src/driver/tune/measure.h"
#include "../../src/driver/tune/recorder.h"
#include "../policy/network.h"
#include "tenon/ops.h"
#include "tenon/policy.h"

namespace tenon {
namespace {

struct SearchedNetwork {
  testing::GraphMaker g;
  Target target;
  Plan plan;  // of rules
  std::vector<RegionGroup> groups;
};

SearchedNetwork searched_network() {
  testing::GraphMaker g = network();
  Target target = *load_target("x86-64-v3");
  Plan plan = *rules_policy(g.graph, target);
  auto groups = *group_regions(g.graph, plan, target, Precision::Strict);
  return {std::move(g), std::move(target), std::move(plan), std::move(groups)};
}

TEST(Workload, HasNoNames) {
  const testing::GraphMaker g = network();
  const Target target = *load_target("x86-64-v3");
  const Plan plan = *rules_policy(g.graph, target);
  const auto groups = group_regions(g.graph, plan, target, Precision::Strict);
  ASSERT_TRUE(groups);
  EXPECT_TRUE(std::ranges::any_of(*groups, [](const RegionGroup& group) { return group.regions.size() == 2; }));
  std::set<size_t> regions;
  for (const RegionGroup& group : *groups)
    for (const size_t r : group.regions) EXPECT_TRUE(regions.insert(r).second);
  Graph renamed = g.graph;
  for (size_t v = 0; v < renamed.values.size(); ++v) renamed.values[ValueId(v)].name = "other" + std::to_string(v);
  const auto again = group_regions(renamed, *rules_policy(renamed, target), target, Precision::Strict);
  ASSERT_EQ(again->size(), groups->size());
  for (size_t k = 0; k < groups->size(); ++k) EXPECT_EQ((*again)[k].workload, (*groups)[k].workload);
}

TEST(Candidates, AreLegalNewAndTheSameForASeed) {
  const auto [g, target, plan, groups] = searched_network();
  for (const RegionGroup& group : groups) {
    Candidates one(group, plan, 7), two(group, plan, 7);
    std::set<std::string> seen = {text_of(one.rules())};
    for (int k = 0; k < 20; ++k) {
      const auto tiles = one.propose([](const Tiles&) { return 0.0; }), same = two.propose([](const Tiles&) { return 0.0; });
      ASSERT_EQ(tiles, same);
      if (!tiles) break;
      EXPECT_TRUE(seen.insert(text_of(*tiles)).second);
      Plan changed = plan;
      for (const size_t r : group.regions)
        for (size_t t = 0; t < tiles->size(); ++t) set_knobs(changed.regions[r].schedule.variants.back(), group.space, t, (*tiles)[t]);
      const auto fits = verify_plan(g.graph, changed);
      EXPECT_TRUE(fits) << fits.error()[0].message;
      EXPECT_TRUE(build_module(g.graph, changed, target, {}));
      EXPECT_EQ(knobs_of(changed.regions[group.regions[0]].schedule.variants.back(), group.space, 0), (*tiles)[0]);
    }
  }
}

TEST(Candidates, GoOnFromTheBest) {
  const auto [g, target, plan, groups] = searched_network();
  Candidates search(groups[0], plan, 1);
  // The fewer rows the better: the search gets there.
  for (int k = 0; k < 60; ++k)
    if (const auto tiles = search.propose([](const Tiles&) { return 0.0; })) search.measured(*tiles, static_cast<double>((*tiles)[0][Knob::rows]) / static_cast<double>(search.rules()[0][Knob::rows]), 0);
  EXPECT_LE(search.best()[0][Knob::rows], 2);
  EXPECT_LT(search.best_ratio(), 1);
}

// The fewer rows the better, and the model says the opposite: it is believed less with every schedule, and what is near what was good comes first.
TEST(Candidates, LearnThatPredictionsAreWrong) {
  const auto [g, target, plan, groups] = searched_network();
  auto best_after = [&](int timings, bool learns) {
    Candidates search(groups[0], plan, 1);
    const auto rules = static_cast<double>(search.rules()[0][Knob::rows]);
    auto predicted = [&](const Tiles& tiles) { return -0.3 * (static_cast<double>(tiles[0][Knob::rows]) / rules - 1); };
    for (int k = 0; k < timings; ++k)
      if (const auto tiles = search.propose([&](const Tiles& t) { return learns ? search.expected(t, predicted(t)) : predicted(t); }))
        search.measured(*tiles, std::exp(0.2 * (static_cast<double>((*tiles)[0][Knob::rows]) / rules - 1)), predicted(*tiles));
    return search.best_ratio();
  };
  EXPECT_EQ(best_after(12, false), 1);
  EXPECT_LT(best_after(12, true), 0.95);
}

// What came as it was foretold is believed: near a lesson and far from all.
TEST(Candidates, BelievePredictionsThatCameTrue) {
  const auto [g, target, plan, groups] = searched_network();
  Candidates search(groups[0], plan, 1);
  const Tiles& rules = search.rules();
  EXPECT_EQ(search.expected(rules, -0.1), -0.1);
  const Tiles one = *search.draw(), other = *search.draw();
  search.measured(one, std::exp(-0.2), -0.2);
  EXPECT_DOUBLE_EQ(search.expected(one, -0.2), -0.2);
  EXPECT_DOUBLE_EQ(search.expected(other, 0.4), 0.4);
  // One that misses moves what is near, and all else by less.
  search.measured(one, std::exp(-0.1), -0.2);
  EXPECT_GT(search.expected(one, -0.2), -0.2);
  EXPECT_GT(search.expected(one, -0.2), search.expected(other, -0.2));
}

TEST(Candidates, TextGivesTheTilesBack) {
  const auto [g, target, plan, groups] = searched_network();
  for (const RegionGroup& group : groups) {
    Candidates search(group, plan, 3);
    for (int k = 0; k < 10; ++k) {
      const auto tiles = search.propose([](const Tiles&) { return 0.0; });
      if (!tiles) break;
      EXPECT_EQ(parse_tiles(text_of(*tiles)), tiles);
    }
  }
  for (const char* text : {"rows=4 ", "rows |", "rows=x |", "frob=1 |", "rows=4|", "=4 |"}) EXPECT_FALSE(parse_tiles(text)) << text;
}

TEST(Judge, PriorIsPositiveAndTheModelIsAsked) {
  const testing::GraphMaker g = network();
  const Target target = *load_target("znver4");
  const Plan plan = *rules_policy(g.graph, target);
  const Graph graph = laid_out(g.graph, plan);
  // A model whose order boosters say 0.2 and 0.4 less of fewer rows than rules choose.
  const size_t all = feature_table().size(), rows = static_cast<size_t>(std::ranges::find(feature_table(), "knob_rows", &FeatureInfo::name) - feature_table().begin());
  auto fewer_rows = [&](float gain) { return Booster{.nodes = {{.feature = static_cast<int32_t>(all + rows), .value = 0, .left = 1, .right = 2, .cover = 2}, {.value = -gain}, {.value = 0}}, .roots = {0}}; };
  const CostModel model{.features = {}, .names = std::vector<std::string>(all), .provenance = {}, .boosters = {Booster{}, Booster{}}, .order = {fewer_rows(0.2F), fewer_rows(0.4F)}};
  int fewer = 0;
  const auto groups = *group_regions(g.graph, plan, target, Precision::Strict);
  for (const RegionGroup& group : groups) {
    const auto judge = Judge::of(graph, plan, target, group, 1);
    ASSERT_TRUE(judge);
    Candidates search(group, plan, 5);
    for (int k = 0; k < 20; ++k) {
      const auto tiles = search.propose([&](const Tiles& t) { return judge->prior(t); });
      if (!tiles) break;
      EXPECT_GT(judge->prior(*tiles), 0);
      EXPECT_LT(judge->prior(*tiles), 1);
      EXPECT_EQ(judge->features(*tiles).size(), feature_table().size());
      // Beside half of what the prior says: mean -0.3, deviation 0.1, half of which is hoped for.
      const bool has_fewer = judge->features(*tiles)[rows] < judge->rules().features[rows];
      fewer += has_fewer;
      EXPECT_NEAR(judge->promise(*tiles, &model), judge->promise(*tiles, nullptr) / 2 - (has_fewer ? 0.35 : 0), 1e-5);
    }
  }
  EXPECT_GT(fewer, 0);
}

TEST(Recorder, GivesBackWhatWasMeasured) {
  const testing::GraphMaker g = network();
  const Target target = *load_target("x86-64-v3");
  const Lowered model{target, g.graph, *rules_policy(g.graph, target), {}};
  const auto groups = *group_regions(model.graph, model.plan, target, Precision::Strict);
  ScratchFolder scratch;
  TuneOptions options;
  options.database = (scratch.path() / "t.db").string();
  Candidates search(groups[0], model.plan, 1);
  const Tiles first = *search.propose([](const Tiles&) { return 0.0; }), second = *search.propose([](const Tiles&) { return 0.0; }), third = *search.propose([](const Tiles&) { return 0.0; });
  auto entry = [&](const Tiles& tiles, Outcome outcome, double seconds, const char* disturbed) {
    return Entry{.group = &groups[0], .plan = &model.plan, .tiles = tiles, .outcome = outcome, .message = outcome == Outcome::Ok ? "" : "why", .seconds = {seconds, seconds}, .before = 1, .after = 1, .disturbed = disturbed, .features = {}, .prior = 1e-3};
  };
  {
    Recorder recorder;
    ASSERT_TRUE(recorder.open(options, model));
    std::vector<Entry> entries = {entry(search.rules(), Outcome::Ok, 2e-3, ""), entry(first, Outcome::Ok, 1e-3, ""), entry(second, Outcome::Timeout, 1, ""), entry(third, Outcome::Ok, 1e-4, "canaries changed meanwhile"), entry(third, Outcome::Ok, 0, "")};
    entries[0].rules = true;
    entries[2].features = {1, 2};  // what fails is learnt from, too
    entries[4].unclear = true, entries[4].features = {1, 2};
    const auto added = recorder.add(entries);
    ASSERT_TRUE(added) << added.error()[0].message;
    auto store = telemetry::Store::open(options.database);
    const auto records = store->query({.devices = {}, .compilers = {}, .all_devices = true, .all_compilers = true, .workload = {}, .statuses = {}});
    ASSERT_EQ(records->size(), 5U);
    EXPECT_EQ((*records)[0].decided_by, "rules");
    EXPECT_EQ((*records)[1].decided_by, "search");
    EXPECT_EQ((*records)[2].features, (std::vector<float>{1, 2}));
    EXPECT_EQ((*records)[4].status, telemetry::Status::Invalid);
    EXPECT_TRUE((*records)[4].features.empty() && (*records)[4].samples.empty());
  }
  Recorder again;  // another session
  ASSERT_TRUE(again.open(options, model));
  const auto known = again.known(groups[0], search.rules());
  ASSERT_TRUE(known);
  ASSERT_EQ(known->size(), 3U);  // the third was measured while the machine changed
  EXPECT_EQ((*known)[0].tiles, first);
  EXPECT_EQ((*known)[0].ratio, 0.5);
  EXPECT_EQ((*known)[1].tiles, second);
  EXPECT_EQ((*known)[1].ratio, INFINITY);
  EXPECT_TRUE(again.known(groups.back(), search.rules())->empty());
  Candidates resumed(groups[0], model.plan, 1);
  for (const Known& k : *known) EXPECT_TRUE(resumed.remember(k.tiles, k.ratio, 0));
  EXPECT_EQ(resumed.best(), first);
  for (int k = 0; k < 30; ++k) EXPECT_NE(resumed.propose([](const Tiles&) { return 0.0; }), first);
  // Another target is another device.
  Lowered other = model;
  other.target = *load_target("x86-64-v4");
  Recorder foreign;
  ASSERT_TRUE(foreign.open(options, other));
  EXPECT_TRUE(foreign.known(groups[0], search.rules())->empty());
}

TEST(Measure, SurvivesWhatACandidateDoes) {
  const testing::GraphMaker g = network();
  const auto target = load_target("native");
  ASSERT_TRUE(target);
  Lowered model{*target, g.graph, *rules_policy(g.graph, *target), {}};
  model.module = *build_module(model.graph, model.plan, model.target, {});
  ScratchFolder scratch;
  const std::string base = (scratch.path() / "base").string();
  TuneOptions options;
  options.compile.name = "net";
  const Measured first = measure({.model = &model, .plan = &model.plan, .base = {}, .keep = base, .turns = 2}, options);
  ASSERT_EQ(first.outcome, Outcome::Ok) << first.message;
  const Measured again = measure({.model = &model, .plan = &model.plan, .base = base, .keep = {}, .turns = 2}, options);
  ASSERT_EQ(again.outcome, Outcome::Ok) << again.message;
  EXPECT_GT(again.model.ratio, 0);
  EXPECT_EQ(again.model.differences, std::vector<double>{0});
  EXPECT_FALSE(again.regions.empty());
  for (const RegionTime& region : again.regions) EXPECT_GT(region.against_ms, 0) << region.name;

  options.timeout = 0.001;
  EXPECT_EQ(measure({.model = &model, .plan = &model.plan, .base = base, .keep = {}, .turns = 2}, options).outcome, Outcome::Timeout);
  options.timeout = 60;
  // The compiler ends in an error, and in a signal.
  Plan plan = model.plan;
  plan.regions.back().schedule.variants.back().knobs.set(Knob::attach, 99);
  const Measured refused = measure({.model = &model, .plan = &plan, .base = base, .keep = {}, .turns = 2}, options);
  EXPECT_EQ(refused.outcome, Outcome::Refused);
  EXPECT_FALSE(refused.message.empty());
  options.compile.passes.after_loops = [](std::string_view, const Module&) { __builtin_trap(); };
  EXPECT_EQ(measure({.model = &model, .plan = &model.plan, .base = base, .keep = {}, .turns = 2}, options).outcome, Outcome::Crashed);
}

}  // namespace
}  // namespace tenon
