// The space of schedules: what rules choose is in it, and all that is in it lowers, whatever is attached to whatever.
#include "tenon/space.h"

#include <gtest/gtest.h>

#include "../ops/rig.h"
#include "graphs.h"
#include "tenon/passes.h"
#include "tenon/policy.h"

namespace tenon::testing {
namespace {

// An expansion whose depthwise convolution slides over it, and a projection of 24 channels.
Graph expansion() {
  GraphMaker g{"expansion"};
  ValueId x = g.node(Op::neg, {g.input("x", {"1", "8", "32", "32"})});
  x = g.node(Op::tanh, {g.node(Op::conv, {x, g.constant({64, 8, 1, 1})}, g.conv({1, 1}, {0, 0}))});
  x = g.node(Op::abs, {g.node(Op::conv, {x, g.constant({64, 1, 3, 3})}, g.conv({1, 1}, {1, 1}, 64))});
  g.output(g.node(Op::conv, {x, g.constant({24, 64, 1, 1})}, g.conv({1, 1}, {0, 0})));
  return std::move(g.graph);
}

Graph products() {
  GraphMaker g{"products"};
  ValueId x = g.node(Op::abs, {g.node(Op::dot, {g.input("x", {"N", "40"}), g.constant({40, 24})})});
  g.output(x);
  x = g.node(Op::conv, {g.input("y", {"1", "3", "12", "12"}), g.constant({8, 3, 3, 3})}, g.conv({2, 2}, {1, 1}));
  g.output(g.node(Op::conv, {x, g.constant({3, 8, 1, 1})}, g.conv({1, 1}, {0, 0})));
  return std::move(g.graph);
}

Target small_target(const char* name) {
  Target target = load_target(name).value();
  target.l2_bytes = 1 << 17;
  return target;
}

// Of what a variant says of a tile, what the space is about.
Knobs known_of(const TileSpace& space, const Variant& variant) {
  const Knobs* all = &variant.knobs;
  for (const auto& [value, knobs] : variant.producers)
    if (value == space.of) all = &knobs;
  Knobs found;
  for (const KnobValues& k : space.knobs)
    if (all->differs(k.knob)) found.set(k.knob, (*all)[k.knob]);
  return found;
}

void put(Variant& variant, const TileSpace& space, const Knobs& knobs) {
  Knobs* into = &variant.knobs;
  if (space.of.valid()) {
    auto producer = std::ranges::find(variant.producers, space.of, &std::pair<ValueId, Knobs>::first);
    if (producer == variant.producers.end()) producer = variant.producers.insert(producer, {space.of, {}});
    into = &producer->second;
  }
  for (const auto& [knob, value] : knobs.changed()) into->set(knob, value);
}

struct Case {
  Graph (*make)();
  const char* target;
  bool attaches;
};
class Space : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Of, Space, ::testing::Values(Case{expansion, "x86-64-v4", true}, Case{expansion, "aarch64", true}, Case{attention, "x86-64-v3", true},
                                                      Case{attention, "sapphirerapids", true}, Case{products, "znver5", false}, Case{products, "rv64gcv", false}));

TEST_P(Space, HoldsWhatRulesChooseAndAllOfItLowers) {
  const auto [make, name, attaches] = GetParam();
  const Graph graph = make();
  const Target target = small_target(name);
  const auto plan = rules_policy(graph, target);
  ASSERT_TRUE(plan.has_value()) << plan.error()[0].message;
  EXPECT_EQ(std::ranges::any_of(plan->regions, [](const RegionPlan& r) { return r.schedule.variants.back().knobs[Knob::attach] > 0; }), attaches);
  const auto spaces = schedule_spaces(graph, *plan, target, Precision::Strict);
  ASSERT_TRUE(spaces.has_value()) << spaces.error()[0].message;
  ASSERT_EQ(spaces->size(), plan->regions.size());
  for (size_t r = 0; r < spaces->size(); ++r)
    for (const TileSpace& tile : (*spaces)[r].tiles)
      EXPECT_TRUE(tile.has(known_of(tile, plan->regions[r].schedule.variants.back()))) << (*spaces)[r].name << "\n" << print(*plan, graph);
  for (unsigned seed = 0; seed < 60; ++seed) {
    Dice dice(seed);
    Plan other = *plan;
    for (size_t r = 0; r < spaces->size(); ++r)
      for (const TileSpace& tile : (*spaces)[r].tiles) {
        Knobs drawn;
        do
          for (const KnobValues& k : tile.knobs) drawn.set(k.knob, k.values[static_cast<size_t>(dice.size(0, static_cast<int64_t>(k.values.size()) - 1))]);
        while (!tile.has(drawn));
        put(other.regions[r].schedule.variants.back(), tile, drawn);
      }
    SCOPED_TRACE("seed " + std::to_string(seed) + "\n" + print(graph) + print(other, graph));
    const auto fits = verify_plan(graph, other);
    ASSERT_TRUE(fits.has_value()) << fits.error()[0].message;
    const auto module = build_module(graph, other, target, {.verify_each = true});
    ASSERT_TRUE(module.has_value()) << module.error()[0].message;
  }
}

TEST(SpaceSize, CountsBlocksThatFitTheRegisters) {
  const TileSpace tile{.knobs = {{Knob::rows, {1, 2, 4}}, {Knob::vectors, {1, 2, 3}}, {Knob::order, {0, 1}}}, .registers = 6};
  EXPECT_EQ(tile.size(), 2 * 7.0);  // all but 4 x 2 and 4 x 3
  const RegionSpace region{.name = "r", .tiles = {tile, tile}};
  EXPECT_EQ(region.size(), 14.0 * 14);
  Knobs knobs;
  knobs.set(Knob::rows, 4);
  EXPECT_TRUE(tile.has(knobs));
  knobs.set(Knob::vectors, 2);
  EXPECT_FALSE(tile.has(knobs));
  knobs.set(Knob::vectors, 4);
  EXPECT_FALSE(tile.has(knobs));
}

}  // namespace
}  // namespace tenon::testing
