// Other answers to the planner's questions, and what they should change.
#pragma once

#include <memory>
#include <set>

#include "tenon/decisions.h"
#include "tenon/trees.h"

namespace tenon {

struct Alternative {
  DecisionKind kind{};
  std::string subject, answer, instead_of;  // instead_of: what the rules answer
  std::set<int> nodes;                      // of the regions that change
  double before = 0, after = 0;             // seconds of these, by the cost model where one is asked, else by the roofline prior
  double prior_before = 0, prior_after = 0; // by the prior
  double sigma = 0;                         // standard deviation, over the boosters, of ln(after / before)
};

// Plans that differ in one answer from the plan that `answers` make.
class Comparison {
 public:
  // The planner, what it plans for, and the model must outlive it. A model that learnt from no such device is not asked.
  static Result<Comparison> of(Planner& planner, Answers answers, unsigned threads, const CostModel* model = nullptr);
  static Result<Comparison> of(const Graph& graph, const Target& target, Precision precision, Providers providers, Answers answers, unsigned threads);
  Comparison(Comparison&&) noexcept;
  Comparison& operator=(Comparison&&) noexcept;
  ~Comparison();

  const std::vector<Asked>& asked() const;
  // The question's other answer of that index.
  Result<Alternative> with(const Asked& asked, size_t answer);
  // All other answers to one of `asked`; those that change nothing are left out.
  Result<std::vector<Alternative>> others(const Asked& asked);

 private:
  struct State;
  explicit Comparison(std::unique_ptr<State> state);
  static Result<Comparison> of(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Of every question on the way to the plan that `answers` make, each other answer, that which should gain most first. Those that change nothing, or
// that should take more than `most` times what they replace, are left out. At most `count` are looked at, in the order of the questions.
Result<std::vector<Alternative>> alternatives(Planner& planner, const Answers& answers, double most, size_t count, unsigned threads);
Result<std::vector<Alternative>> alternatives(const Graph& graph, const Target& target, Precision precision, Providers providers, const Answers& answers, double most, size_t count, unsigned threads);

}  // namespace tenon
