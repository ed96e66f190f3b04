// What a policy decides about a plan, as questions that the planner asks in a fixed order: docs/decisions/0023. Schedules of regions are no
// questions; they have spaces of their own (space.h).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tenon/plan.h"
#include "tenon/target.h"

namespace tenon {

enum class DecisionKind : uint8_t {
#define DECISION(name, meaning) name,
#include "tenon/decisions.def"
#undef DECISION
};
std::string_view spelling(DecisionKind kind);
std::optional<DecisionKind> parse_decision_kind(std::string_view text);
std::string_view meaning(DecisionKind kind);

struct Question {
  DecisionKind kind{};
  ValueId subject;                   // the value that it is about
  std::vector<std::string> answers;  // all of them legal, all different
  size_t rules = 0;                  // what the rules answer
};
// Which of the answers.
using Decider = std::function<size_t(const Question& question)>;

// Answers as the rules do.
size_t as_rules(const Question& question);

// Answers that differ from those of the rules, by kind and the subject's name.
using Answers = std::map<std::pair<DecisionKind, std::string>, std::string>;

// A question that was asked, and what was answered.
struct Asked {
  DecisionKind kind{};
  std::string subject;               // its name
  std::vector<std::string> answers;
  size_t rules = 0, chosen = 0;
  bool operator==(const Asked&) const = default;
};

// A plan and the questions on the way to it, in their order.
struct DecidedPlan {
  Plan plan;
  std::vector<Asked> asked;
};

// Makes plans of one graph, one after the other, and works out once what they have in common. Graph and target must outlive it, and stay as they are.
class Planner {
 public:
  Planner(const Graph& graph, const Target& target, Precision precision, Providers providers);
  Planner(Planner&&) noexcept;
  Planner& operator=(Planner&&) noexcept;
  ~Planner();

  // As decided_plan.
  Result<DecidedPlan> plan(const Answers& answers = {}, std::vector<std::string>* unused = nullptr);
  // The graph with the layouts of the plan that was made last.
  const Graph& laid_out() const;
  // As build_region of a region of such a plan.
  const Result<Region>& region(const RegionPlan& plan);

  const Graph& graph() const;
  const Target& target() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The plan that these answers make; as the rules answer where there is none. What no question asks for, or what is not legal where it
// does, is told in `unused`. E0405: the target has nothing that computes in this precision.
Result<DecidedPlan> decided_plan(const Graph& graph, const Target& target, Precision precision, Providers providers, const Answers& answers = {},
                                 std::vector<std::string>* unused = nullptr);

}  // namespace tenon
