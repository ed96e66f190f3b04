#include <fmt/format.h>

#include <charconv>
#include <memory>

#include "policy_models.h"
#include "policy_records.h"
#include "tenon/hash.h"

namespace tenon::cli {

namespace {

struct Arguments {
  PolicyModels models;
  std::string budgets = "32,128";
  int width = TrialOptions().width, seeds = 1, seed = 0, sweeps = FittedQOptions().sweeps, learn_budget = static_cast<int>(FittedQOptions().budget), jobs = 1;
  bool measure = false, json = false;
};

Result<std::vector<int64_t>> parse_budgets(const std::string& text) {
  std::vector<int64_t> all;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    int64_t value = 0;
    const auto [stop, error] = std::from_chars(text.data() + at, text.data() + end, value);
    if (error != std::errc() || stop != text.data() + end || value < 1) return fail(Code::E0601, "--budgets " + text + " is not understood", "--budgets 32,128");
    all.push_back(value);
    at = end + 1;
  }
  return all;
}

std::string shown(const Gain& gain) { return fmt::format("{:+.2f} % [{:+.2f}, {:+.2f}]", 100 * (gain.value - 1), 100 * (gain.low - 1), 100 * (gain.high - 1)); }

void print_report(const TrialsReport& report, Console& console) {
  for (const PolicyTrial& t : report.trials) {
    auto one = [&](const Found& f) { return fmt::format("{:+.2f} %{} by {} of {}", 100 * (t.rules_seconds / f.seconds - 1), f.measured ? fmt::format(" ({:+.2f} % measured)", 100 * (1 / *f.measured - 1)) : "", f.answers.size(), f.evaluations); };
    console.print(fmt::format("{:<24} {:<22} budget {:>4}, seed {}: beam {}; rl {}\n", t.model, t.family, t.budget, t.seed, one(t.beam), one(t.rl)));
  }
  for (const TrialFigures& f : report.figures) {
    console.print(fmt::format("budget {}, {} models, faster than rules as predicted: beam {}, rl {}; rl than beam {}\n", f.budget, f.models, shown(f.beam), shown(f.rl), shown(f.rl_over_beam)));
    if (f.measured_rl_over_beam) console.print(fmt::format("  as measured: beam {}, rl {}; rl than beam {}\n", shown(*f.measured_beam), shown(*f.measured_rl), shown(*f.measured_rl_over_beam)));
  }
  for (const std::string& skipped : report.skipped) console.print("left out: " + skipped + '\n');
  console.print(fmt::format("rl is {:.0f} % faster than beam at every budget: {}\n", 100 * (TrialsReport::kLeastGain - 1), report.joins_hybrid() ? "yes" : "no; it stays out of hybrid"));
}

int run_evaluate_policy(const Arguments& a, Console& console) {
  const auto budgets = parse_budgets(a.budgets);
  if (!budgets) return console.fail(budgets.error());
  if (a.width < 1 || a.seeds < 1 || a.sweeps < 1 || a.learn_budget < 1) return console.fail({{.code = Code::E0601, .message = "--width, --seeds, --sweeps and --learn-budget take one at least"}});
  const auto loaded = load_policy_models(a.models, console);
  if (!loaded) return console.fail(loaded.error());
  const LoadedPolicyModels& models = **loaded;
  const Target& target = models.models[0].target;
  TrialOptions options{.budgets = *budgets, .width = a.width, .seeds = a.seeds, .learn = {.sweeps = a.sweeps, .budget = a.learn_budget}};
  options.learn.grow.seed = static_cast<uint64_t>(a.seed), options.learn.grow.threads = std::max(1, a.jobs);
  options.progress = [&console](const std::string& what, int done, int total) { console.progress(what, done, total); };
  if (a.measure)
    options.measure = [&](size_t m, const Answers& answers) -> Result<double> {
      const Graph& graph = models.models[m].graph;
      const CompileOptions& compile = models.options[m];
      auto text = [&](const Answers& of) -> Result<std::string> {
        TENON_TRY(const DecidedPlan decided, decided_plan(graph, target, compile.precision, compile.providers, of));
        return print(decided.plan, graph);
      };
      TENON_TRY(const std::string plan, text(answers));
      TENON_TRY(const std::string rules, text({}));
      TENON_TRY(const AgainstTimes times, compare_plans(compile, plan, rules));
      return times.ratio;
    };
  const auto report = policy_trials(models.tasks, target, models.times(), options);
  if (!report) return console.fail(report.error());
  console.end_progress();
  const std::string record = policy_trials_record(*report, target.name, models.models[0].cost_model ? hex(blake3(print(*models.models[0].cost_model))) : "roofline");
  if (a.json) {
    std::puts(record.c_str());
    return kOk;
  }
  console.record(record);
  print_report(*report, console);
  return kOk;
}

}  // namespace

Command evaluate_policy_command() {
  auto a = std::make_shared<Arguments>();
  return {
      .name = "evaluate-policy",
      .summary = "Compare reinforcement learning with plain beam search on families of models that it did not learn from",
      .examples =
          "tenon evaluate-policy *.onnx --target native\n"
          "tenon evaluate-policy a.onnx:N=1 b.onnx c.onnx --target native --measure --json > trials.jsonl\n"
          "tenon evaluate-policy *.onnx --target native --cost-model here.model --measured trials.jsonl",
      .options = joined({policy_model_rows(a->models),
                         {{"--budgets", "LIST", "Plans that each search evaluates; default: 32,128", &a->budgets},
                          {"--width", "N", "Of both beams; default: 4", &a->width},
                          {"--measure", "", "Compile what was found and time it in turns with the rules' plan, on this machine", &a->measure},
                          {"--sweeps", "N", "As in `tenon train-policy`", &a->sweeps},
                          {"--learn-budget", "N", "Plans of each model that learning evaluates per sweep; default: 192", &a->learn_budget},
                          {"--seeds", "N", "Trainings of each, whose draws differ; default: 1", &a->seeds},
                          {"--seed", "N", "The first of them; default: 0", &a->seed},
                          {"--json", "", "Print one JSON record: docs/schemas.md", &a->json},
                          {"-j,--jobs", "N", "Threads; the figures are the same for any number", &a->jobs}}}),
      .run = [a](Console& console) { return run_evaluate_policy(*a, console); },
  };
}

}  // namespace tenon::cli
