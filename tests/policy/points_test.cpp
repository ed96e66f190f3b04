// --tune-at: bindings are read, dims become numbers, decisions say what they are for. What is computed: loops/points_test.cpp.
#include <gtest/gtest.h>

#include <algorithm>

#include "../loops/words.h"
#include "tenon/ops.h"
#include "tenon/points.h"
#include "tenon/policies.h"

namespace tenon {
namespace {

using testing::GraphMaker, testing::words;

std::vector<Point> points(std::string_view text) { return *parse_points(text); }

TEST(Points, AreReadFromAList) {
  EXPECT_EQ(points("S=1,S=128"), (std::vector<Point>{{{{"S", 1}}, {}}, {{{"S", 128}}, {}}}));
  EXPECT_EQ(points("S=1,P=512,S=128,P=0"), (std::vector<Point>{{{{"S", 1}}, {{"P", 512}}}, {{{"S", 128}}, {{"P", 0}}}}));
  EXPECT_EQ(print(points("S=1,P=512")[0]), "S=1,P=512");
  for (const char* wrong : {"", "S", "S=", "=1", "S=x", "S=1,", "S=-1", "S=1,P=2,P=3", "S=1,S=1", "S=99999999999999999999"}) {
    const auto read = parse_points(wrong);
    ASSERT_FALSE(read) << wrong;
    EXPECT_EQ(read.error()[0].code, Code::E0601) << wrong;
  }
}

TEST(Points, OnlyFreeDimsOfTheModelAreBound) {
  const GraphMaker g = words();
  const auto bound = bind_dims(g.graph, {{"S", 7}});
  ASSERT_TRUE(bound);
  EXPECT_EQ(type_text(*bound, bound->outputs[0]), "f32[7,48]");
  EXPECT_TRUE(verify_ops(*bound));
  EXPECT_FALSE(bind_dims(g.graph, {{"T", 7}}));
  EXPECT_FALSE(bind_dims(*bound, {{"S", 8}}));
  Graph limited = g.graph;
  limited.pool.var(limited.pool.symbol_named("S")).hi = 16;
  EXPECT_TRUE(bind_dims(limited, {{"S", 16}}));
  EXPECT_FALSE(bind_dims(limited, {{"S", 17}}));
}

TEST(Points, PredicatesFixWhatTheySayIsEqual) {
  EXPECT_EQ(equalities("S == 1 & P < 8"), (DimValues{{"S", 1}}));
  EXPECT_EQ(equalities("S == 1 & P == 8"), (DimValues{{"S", 1}, {"P", 8}}));
  EXPECT_TRUE(equalities("S < 8").empty());
  EXPECT_TRUE(equalities("").empty());
}

TEST(Points, APlanAtAPointHasWhatIsCalledThere) {
  Plan plan;
  plan.regions.resize(1);
  Knobs few, all, one;
  few.set(Knob::rows, 2), all.set(Knob::rows, 6), one.set(Knob::rows, 1);
  plan.regions[0].schedule.variants = {{.predicate = "S == 1", .knobs = one}, {.predicate = "P*S < 8", .knobs = few}, {.predicate = "", .knobs = all}};
  auto at = [&](const DimValues& values) { return plan_at(plan, values)->regions[0].schedule.variants; };
  EXPECT_EQ(at({{"S", 1}}), (std::vector<Variant>{{.predicate = "", .knobs = one}}));
  EXPECT_EQ(at({{"S", 2}, {"P", 3}}), (std::vector<Variant>{{.predicate = "", .knobs = few}}));
  EXPECT_EQ(at({{"S", 2}, {"P", 4}}), (std::vector<Variant>{{.predicate = "", .knobs = all}}));
  // Nobody knows P: both stay.
  EXPECT_EQ(at({{"S", 2}}).size(), 2u);
}

TEST(Points, DecisionsSayWhatTheyAreFor) {
  const GraphMaker g = words();
  const Target target = *load_target("x86-64-v3");
  const auto chosen = choose_plan(g.graph, target, {.points = points("S=1,S=9"), .explain = [](const Decision&) { return false; }});
  ASSERT_TRUE(chosen);
  for (const char* point : {"", "S=1", "S=9"}) EXPECT_TRUE(std::ranges::any_of(chosen->decisions, [&](const Decision& d) { return d.kind == "schedule" && d.point == point; })) << point;
  EXPECT_FALSE(choose_plan(g.graph, target, {.points = points("T=1")}));
}

}  // namespace
}  // namespace tenon
