#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>
#include <memory>

#include "policy_models.h"
#include "policy_records.h"
#include "tenon/hash.h"

namespace tenon::cli {

namespace {

struct Arguments {
  PolicyModels models;
  std::string output;
  int sweeps = FittedQOptions().sweeps, budget = static_cast<int>(FittedQOptions().budget), seed = 0, jobs = 1;
};

int run_train_policy(const Arguments& a, Console& console) {
  if (a.output.empty()) return console.fail({{.code = Code::E0601, .message = "-o FILE is needed: where the model of answers goes", .hint = "tenon train-policy a.onnx b.onnx --target native -o here.q"}});
  if (a.sweeps < 1 || a.budget < 1) return console.fail({{.code = Code::E0601, .message = "--sweeps and --budget take one at least"}});
  const auto loaded = load_policy_models(a.models, console);
  if (!loaded) return console.fail(loaded.error());
  FittedQOptions options{.sweeps = a.sweeps, .budget = a.budget};
  options.grow.seed = static_cast<uint64_t>(a.seed), options.grow.threads = std::max(1, a.jobs);
  options.progress = [&console](const std::string& what, int done, int total) { console.progress(what, done, total); };
  const auto report = fitted_q((*loaded)->tasks, (*loaded)->models[0].target, (*loaded)->times(), options);
  if (!report) return console.fail(report.error());
  console.end_progress();
  const std::string text = print(report->model);
  if (!(std::ofstream(a.output, std::ios::binary) << text << std::flush)) return console.fail({{.code = Code::E0505, .message = "cannot write the model of answers", .file = a.output}});
  console.record(train_policy_record(*report, hex(blake3(text))));
  console.print(fmt::format("{} answers in {} plans of {} models; trees per booster: {:.0f}\n", report->answers, report->evaluations, (*loaded)->tasks.size(), fmt::join(report->trees, ", ")));
  console.print(fmt::format("{}  {}\n", hex(blake3(text)).substr(0, 16), a.output));
  return kOk;
}

}  // namespace

Command train_policy_command() {
  auto a = std::make_shared<Arguments>();
  return {
      .name = "train-policy",
      .summary = "Learn by reinforcement which answers to the planner's questions pay",
      .examples =
          "tenon train-policy resnet18.onnx:N=1 kws.onnx --target native -o here.q\n"
          "tenon train-policy *.onnx --target native --cost-model here.model --measured trials.jsonl -o here.q\n"
          "tenon compile m.onnx --target native --policy rl --q-model here.q -o out",
      .options = joined({policy_model_rows(a->models),
                         {{"-o,--output", "FILE", "Model of answers to write", &a->output},
                          {"--sweeps", "N", "Fits, each from what the one before says of the next decision; default: 4", &a->sweeps},
                          {"--budget", "N", "Plans of each model that are evaluated per sweep; default: 192", &a->budget},
                          {"--seed", "N", "Of all draws; default: 0", &a->seed},
                          {"-j,--jobs", "N", "Threads; the model is the same for any number", &a->jobs}}}),
      .run = [a](Console& console) { return run_train_policy(*a, console); },
  };
}

}  // namespace tenon::cli
