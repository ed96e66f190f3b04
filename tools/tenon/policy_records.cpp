#include "policy_records.h"

#include <algorithm>
#include <fstream>

#include "json_line.h"

namespace tenon::cli {

namespace {

constexpr const char* kTrials = "tenon.policy_evaluation/1";

Json answers_json(const Answers& answers) {
  Json all = Json::array();
  for (const auto& [key, answer] : answers) all.push_back({{"kind", spelling(key.first)}, {"subject", key.second}, {"answer", answer}});
  return all;
}

Json found_json(const Found& found) {
  return {{"seconds", found.seconds}, {"evaluations", found.evaluations}, {"measured", found.measured ? Json(*found.measured) : Json()}, {"answers", answers_json(found.answers)}};
}

Json gain_json(const std::optional<Gain>& gain) { return gain ? Json{{"value", gain->value}, {"low", gain->low}, {"high", gain->high}} : Json(); }

void add_measured(const Json& found, PolicyTask& task) {
  if (found.at("measured").is_null() || found.at("answers").empty()) return;
  MeasuredPlan plan{.answers = {}, .ratio = found.at("measured").get<double>()};
  for (const Json& row : found.at("answers"))
    if (const auto kind = parse_decision_kind(row.at("kind").get<std::string>())) plan.answers[{*kind, row.at("subject").get<std::string>()}] = row.at("answer").get<std::string>();
  if (plan.ratio > 0 && std::ranges::find(task.measured, plan.answers, &MeasuredPlan::answers) == task.measured.end()) task.measured.push_back(std::move(plan));
}

}  // namespace

std::string train_policy_record(const FittedQReport& report, const std::string& blake3) {
  Json json = record("train_policy/1");
  json["blake3"] = blake3;
  json["answers"] = report.answers;
  json["evaluations"] = report.evaluations;
  json["trees"] = report.trees;
  return line(json);
}

std::string policy_trials_record(const TrialsReport& report, const std::string& target, const std::string& predicted_by) {
  Json json;
  json["schema"] = kTrials;
  json["target"] = target;
  json["predicted_by"] = predicted_by;
  json["joins_hybrid"] = report.joins_hybrid();
  json["figures"] = Json::array();
  for (const TrialFigures& f : report.figures)
    json["figures"].push_back({{"budget", f.budget}, {"models", f.models}, {"beam", gain_json(f.beam)}, {"rl", gain_json(f.rl)}, {"rl_over_beam", gain_json(f.rl_over_beam)},
                               {"measured_beam", gain_json(f.measured_beam)}, {"measured_rl", gain_json(f.measured_rl)}, {"measured_rl_over_beam", gain_json(f.measured_rl_over_beam)}});
  json["trials"] = Json::array();
  for (const PolicyTrial& t : report.trials)
    json["trials"].push_back({{"model", t.model}, {"family", t.family}, {"budget", t.budget}, {"seed", t.seed}, {"rules_seconds", t.rules_seconds}, {"beam", found_json(t.beam)}, {"rl", found_json(t.rl)}});
  json["skipped"] = report.skipped;
  return line(json);
}

Result<void> read_measured_plans(const std::string& file, const std::string& target, std::vector<PolicyTask>& tasks) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return fail({.code = Code::E0505, .message = "cannot read the records", .file = file});
  auto refused = [&](const std::string& why) { return fail({.code = Code::E0703, .message = why, .hint = "tenon evaluate-policy --measure --json writes such records", .file = file}); };
  for (std::string text; std::getline(in, text);) {
    const Json json = Json::parse(text, nullptr, false);
    if (json.is_discarded() || !json.is_object() || json.value("schema", "") != kTrials) return refused("it has lines that are no records of plans");
    try {
      if (json.at("target").get<std::string>() != target) return refused("it is of target " + json.at("target").get<std::string>() + ", not " + target);
      for (const Json& trial : json.at("trials"))
        for (PolicyTask& task : tasks)
          if (task.name == trial.at("model").get<std::string>()) add_measured(trial.at("beam"), task), add_measured(trial.at("rl"), task);
    } catch (const Json::exception& error) {
      return refused(std::string("its record is malformed: ") + error.what());
    }
  }
  return {};
}

}  // namespace tenon::cli
