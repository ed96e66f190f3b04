#include "tenon/decisions.h"

#include <algorithm>
#include <array>
#include <set>

#include "planner.h"

namespace tenon {

namespace {

struct Row {
  std::string_view name, meaning;
};
constexpr auto kTable = std::to_array<Row>({
#define DECISION(name, meaning) {#name, meaning},
#include "tenon/decisions.def"
#undef DECISION
});

}  // namespace

std::string_view spelling(DecisionKind kind) { return kTable[static_cast<size_t>(kind)].name; }
std::string_view meaning(DecisionKind kind) { return kTable[static_cast<size_t>(kind)].meaning; }

std::optional<DecisionKind> parse_decision_kind(std::string_view text) {
  const auto row = std::ranges::find(kTable, text, &Row::name);
  return row == kTable.end() ? std::nullopt : std::optional(static_cast<DecisionKind>(row - kTable.begin()));
}

size_t as_rules(const Question& question) { return question.rules; }

struct Planner::State {
  const Graph& graph;
  const Target& target;
  Precision precision;
  Providers providers;
  Graph laid = graph;
  RegionMemo memo = {};
};

Planner::Planner(const Graph& graph, const Target& target, Precision precision, Providers providers) : state_(std::make_unique<State>(graph, target, precision, providers)) {}
Planner::Planner(Planner&&) noexcept = default;
Planner& Planner::operator=(Planner&&) noexcept = default;
Planner::~Planner() = default;

const Graph& Planner::laid_out() const { return state_->laid; }
const Result<Region>& Planner::region(const RegionPlan& plan) { return state_->memo.build(state_->graph, plan); }
const Graph& Planner::graph() const { return state_->graph; }
const Target& Planner::target() const { return state_->target; }

Result<DecidedPlan> Planner::plan(const Answers& answers, std::vector<std::string>* unused) {
  State& s = *state_;
  const Graph& graph = s.graph;
  for (size_t v = 0; v < graph.values.size(); ++v) s.laid.values[ValueId(v)].layout = graph.values[ValueId(v)].layout;
  DecidedPlan decided;
  std::set<std::pair<DecisionKind, std::string>> open;
  for (const auto& [key, text] : answers) open.insert(key);
  const Decider decide = [&](const Question& question) {
    Asked& asked = decided.asked.emplace_back(Asked{.kind = question.kind, .subject = graph.values[question.subject].name, .answers = question.answers, .rules = question.rules, .chosen = question.rules});
    const auto wanted = answers.find({question.kind, asked.subject});
    if (wanted == answers.end()) return asked.chosen;
    const auto found = std::ranges::find(question.answers, wanted->second);
    if (found == question.answers.end()) return asked.chosen;
    open.erase(wanted->first);
    return asked.chosen = static_cast<size_t>(found - question.answers.begin());
  };
  TENON_TRY(decided.plan, plan_by(s.laid, s.target, s.precision, s.providers, decide, s.memo));
  if (unused)
    for (const auto& key : open) unused->push_back(std::string(spelling(key.first)) + ' ' + key.second + ": " + answers.at(key));
  return decided;
}

Result<DecidedPlan> decided_plan(const Graph& graph, const Target& target, Precision precision, Providers providers, const Answers& answers, std::vector<std::string>* unused) {
  return Planner(graph, target, precision, providers).plan(answers, unused);
}

}  // namespace tenon
