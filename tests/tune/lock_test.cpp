// Lock files: what tune writes is what compile replays, and nothing else is accepted.
#include "../../src/driver/lock.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "../../src/driver/lowered.h"
#include "../loops/cases.h"
#include "tenon/policy.h"

namespace tenon {
namespace {

struct Locked {
  Graph graph;
  Target target;
  Plan plan;
  CompileOptions options;
};

Locked locked(const std::string& target = "x86-64-v3") {
  testing::GraphMaker g{"net"};
  const ValueId y = g.node(Op::conv, {g.input("x", {"1", "8", "14", "14"}), g.constant({24, 8, 3, 3})}, g.conv({1, 1}, {1, 1}));
  g.output(g.node(Op::conv, {g.node(Op::abs, {y}), g.constant({40, 24, 1, 1})}, g.conv({1, 1}, {0, 0})));
  Locked l{g.graph, *load_target(target), {}, {}};
  l.plan = *rules_policy(l.graph, l.target);
  return l;
}

std::vector<std::string> problems(const Result<Plan>& plan) {
  std::vector<std::string> found;
  if (plan) return found;
  for (const Diag& d : plan.error()) {
    EXPECT_EQ(d.code, Code::E0403);
    found.push_back(d.message);
  }
  return found;
}

TEST(Lock, GivesThePlanBack) {
  Locked l = locked();
  l.plan.regions.back().schedule.variants.back().knobs.set(Knob::rows, 3);
  const auto text = print_lock(l.plan, l.graph, l.target, l.options);
  ASSERT_TRUE(text);
  const auto plan = parse_lock(*text, l.graph, l.target, l.options);
  ASSERT_TRUE(plan) << plan.error()[0].message;
  EXPECT_EQ(*print_lock(*plan, l.graph, l.target, l.options), *text);
  EXPECT_EQ(plan->regions.back().schedule.variants.back().knobs[Knob::rows], 3);
}

TEST(Lock, SaysAllThatDiffers) {
  const Locked l = locked(), other = locked("x86-64-v4");
  const std::string text = *print_lock(l.plan, l.graph, l.target, l.options);
  CompileOptions options = l.options;
  options.precision = Precision::Fast;
  options.level = 3;
  options.states = {"a=b"};
  const auto found = problems(parse_lock(text, l.graph, other.target, options));
  ASSERT_EQ(found.size(), 4U);
  EXPECT_NE(found[0].find("target"), std::string::npos);
  EXPECT_NE(found[1].find("precision"), std::string::npos);
  EXPECT_NE(found[2].find("optimisation level"), std::string::npos);
  EXPECT_NE(found[3].find("--state"), std::string::npos);
}

TEST(Lock, IsForOneGraphAndOneCompiler) {
  const Locked l = locked();
  std::string text = *print_lock(l.plan, l.graph, l.target, l.options);
  Graph graph = l.graph;
  graph.values[graph.outputs[0]].name = "z";
  EXPECT_FALSE(problems(parse_lock(text, graph, l.target, l.options)).empty());
  const size_t build = text.find("compiler ") + 9;
  text[build] = text[build] == '0' ? '1' : '0';
  const auto found = problems(parse_lock(text, l.graph, l.target, l.options));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_NE(found[0].find("build of the compiler"), std::string::npos);
}

TEST(Lock, RefusesWhatIsNone) {
  const Locked l = locked();
  const std::string text = *print_lock(l.plan, l.graph, l.target, l.options);
  // Cut anywhere it is refused, or says the same: the last newline alone is not missed.
  for (size_t cut = 0; cut + 1 < text.size(); cut += 7) EXPECT_FALSE(parse_lock(text.substr(0, cut), l.graph, l.target, l.options)) << cut;
  EXPECT_FALSE(parse_lock(text.substr(text.find("\n\n") + 2), l.graph, l.target, l.options));  // a schedule
  std::string none = text;
  none.erase(none.find("graph \""), none.find('\n', none.find("graph \"")) - none.find("graph \"") + 1);
  EXPECT_FALSE(parse_lock(none, l.graph, l.target, l.options));
}

}  // namespace
}  // namespace tenon
