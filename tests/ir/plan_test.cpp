// Plans: text, and what of it must fit the graph.
#include "tenon/plan.h"

#include <gtest/gtest.h>

namespace tenon {
namespace {

constexpr std::string_view kGraph = R"(graph g {
  symbol S in 1..64
  input %x: f32[S,8]
  output %y
  constant %w: f32[8,8] = random(1)
  %a: f32[S,8] = dot(%x, %w)
  %b: f32[S,8] = exp(%a)
  %r: f32[8,S] = reshape(%b) {dims=[8, S]}
  %y: f32[8,S] = neg(%r)
})";

constexpr std::string_view kPlan = R"(target "x86-64-v3"
graph "c0ffee"
layout %a "1.0"
layout %w "1/4.0.1%4"
view %r of %b
part %a of %b 1:0
region dot_a {
  nodes %a, %b
  place %a inline
  place %b root
  precision f64
  when S == 1: rows=1 vectors=4
  when S >= 16 & S < 32: rows=6
  otherwise:
}
region "neg y" {
  nodes %y
  otherwise: parallel=0
}
)";

Graph graph() { return *parse_graph(kGraph); }

TEST(Plan, PrintsWhatItReads) {
  Graph g = graph();
  auto plan = parse_plan(kPlan, g);
  ASSERT_TRUE(plan) << plan.error()[0].message;
  EXPECT_EQ(print(*plan, g), kPlan);
  EXPECT_EQ(plan->regions[0].nodes, (std::vector<int>{0, 1}));
  EXPECT_EQ(plan->regions[0].schedule.variants[1].knobs[Knob::rows], 6);
  EXPECT_EQ(plan->regions[0].schedule.variants[1].predicate, "S >= 16 & S < 32");
  EXPECT_EQ(plan->regions[1].schedule.variants[0].knobs[Knob::parallel], 0);
}

TEST(Plan, HashFollowsTheGraph) {
  Graph g = graph();
  std::string before = hash(g);
  EXPECT_EQ(before.size(), 64u);
  EXPECT_EQ(before, hash(graph()));
  g.nodes[3].op = Op::exp;
  EXPECT_NE(before, hash(g));
}

TEST(Plan, WhatDoesNotFitIsRefused) {
  struct Case {
    const char* what;
    const char* by;
    const char* message;
  };
  for (auto [what, by, message] : {
           Case{"layout %a", "layout %z", "the graph has no value %z"},
           Case{"\"1.0\"", "\"1.0.2\"", "the layout does not fit the rank"},
           Case{"nodes %y", "nodes %x", "no node makes %x"},
           Case{"nodes %y", "nodes %b", "%b is in two regions"},
           Case{"inline", "outline", "a placement is"},
           Case{"vectors=4", "speed=4", "no knob is named `speed`"},
           Case{"S == 1", "S + 1", "is not a condition"},
           Case{"otherwise: p", "when S == 2: p", "the last variant"},
           Case{"target \"x86-64-v3\"", "", "expected `target`"},
       }) {
    std::string text(kPlan);
    text.replace(text.find(what), std::string_view(what).size(), by);
    auto plan = parse_plan(text, graph());
    ASSERT_FALSE(plan) << what;
    EXPECT_NE(plan.error()[0].message.find(message), std::string::npos) << plan.error()[0].message;
  }
}

}  // namespace
}  // namespace tenon
