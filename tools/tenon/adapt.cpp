#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <memory>

#include "adapt_records.h"
#include "decision_text.h"
#include "model_options.h"
#include "tenon/features.h"
#include "tenon/hash.h"

namespace tenon::cli {

namespace {

struct Arguments {
  ModelArguments model;
  std::vector<std::string> models, inputs;
  std::string output, store, runner = "local";
  int probes = 32, seed = 0, cpu = -1, timeout = 120;
  bool json = false, names = false;
};

// What is adapted: a file of `tenon train`, or what the roofline says by itself.
Result<CostModel> base_model(const std::string& path) {
  if (!path.empty()) return read_cost_model(path);
  CostModel prior{.features = features_hash(), .names = {}, .provenance = {"no telemetry: the roofline prior"}, .boosters = {}, .order = {}, .calibration = {}, .failures = {}, .deltas = {}};
  for (const FeatureInfo& feature : feature_table()) prior.names.emplace_back(feature.name);
  return prior;
}

// Spread over operator classes and times; where some cannot be measured, others of those that are left, a few times.
Result<std::vector<Probed>> measure(ProbeSet& set, const CostModel& model, size_t count) {
  constexpr int kRounds = 6;
  const std::vector<Probe>& all = set.all();
  auto said = [&](const Probe& p) { return predict(model, p.features, p.prior).mean; };
  std::vector<Probed> probed;
  std::vector<bool> used(all.size());
  size_t timed = 0;
  for (int round = 0; round < kRounds && timed < count; ++round) {
    std::vector<size_t> left;
    std::vector<ProbeCandidate> candidates;
    for (size_t k = 0; k < all.size(); ++k)
      if (!used[k]) left.push_back(k), candidates.push_back({all[k].op_class, said(all[k])});
    std::vector<size_t> chosen = choose_probes(candidates, count - timed);
    if (chosen.empty()) break;
    for (size_t& k : chosen) k = left[k], used[k] = true;
    TENON_TRY(const std::vector<ProbeTime> times, set.measure(chosen));
    for (size_t k = 0; k < chosen.size(); ++k) {
      probed.push_back({all[chosen[k]], std::exp(said(all[chosen[k]])), times[k]});
      timed += times[k].seconds > 0;
    }
  }
  return probed;
}

std::vector<Timing> timings_of(const std::vector<Probed>& probed) {
  std::map<std::string, int> workloads;
  std::vector<Timing> timings;
  for (const Probed& p : probed) {
    const int workload = workloads.emplace(p.probe.workload, static_cast<int>(workloads.size())).first->second;
    if (p.time.seconds > 0) timings.push_back({.features = p.probe.features, .prior = p.probe.prior, .seconds = p.time.seconds, .noise = p.time.noise, .group = workload, .unit = workload});
  }
  return timings;
}

void print_report(const AdaptReport& report, const Arguments& a, Console& console) {
  console.print("   measured   predicted  ratio  region of model: schedule\n");
  for (const Probed& p : report.probes)
    if (p.time.seconds > 0 || console.verbose())
      console.print(fmt::format("{:>11} {:>11} {:>6}  {} of {}: {}{}\n", p.time.seconds > 0 ? duration(p.time.seconds) : "-", duration(p.predicted), p.time.seconds > 0 ? fmt::format("{:.2f}", p.time.seconds / p.predicted) : "-",
                                p.probe.region, p.probe.model, p.probe.schedule, p.time.failure.empty() ? "" : "; " + p.time.failure));
  const auto failed = std::ranges::count_if(report.probes, [](const Probed& p) { return p.time.seconds <= 0; });
  console.print(fmt::format("{} probes{}; the model was off by {:.1f} % on them (MAPE); all times x {:.3f}, and small trees\n", report.delta.probes, failed ? fmt::format(", {} others could not be measured", failed) : "",
                            100 * report.mape, std::exp(report.delta.offset)));
  if (a.runner == "qemu") console.print("under an emulator, whose times say nothing of a device: the delta is for it alone\n");
  console.print(fmt::format("{}  {}: a delta for device {}\n", report.blake3.substr(0, 16), a.output, report.delta.device.substr(0, 12)));
}

int run_adapt(const Arguments& a, Console& console) {
  if (a.output.empty()) return console.fail({{.code = Code::E0601, .message = "-o FILE is needed: where the model goes", .hint = "tenon adapt m.onnx --target my.toml -o my.model"}});
  if (a.probes < static_cast<int>(kFewestProbes)) return console.fail({{.code = Code::E0601, .message = fmt::format("--probes {}: it takes {} at least", a.probes, kFewestProbes)}});
  if (a.model.targets.size() > 1) return console.fail({{.code = Code::E0601, .message = "a delta is for one device", .hint = "adapt for each --target"}});
  const auto report = [&]() -> Result<AdaptReport> {
    TENON_DO(can_learn());
    TENON_TRY(const CostModel base, base_model(a.model.cost_model));
    ProbesOptions options{.models = {}, .how = {.database = a.store, .names = a.names, .inputs = a.inputs, .timeout = static_cast<double>(std::max(1, a.timeout)), .seed = static_cast<uint64_t>(a.seed), .runner = a.runner, .cpu = a.cpu}, .progress = {}};
    ModelArguments arguments = a.model;
    arguments.cost_model.clear();  // what rules choose is what others are compared with
    TENON_TRY(options.models, options_of_models(arguments, a.models, console));
    for (CompileOptions& compile : options.models) compile.progress = {};
    options.progress = [&console](int done, int all) { console.progress("probes", done, all); };
    TENON_TRY(ProbeSet set, ProbeSet::of(options));
    AdaptReport made{.target = set.target(), .probes = {}, .delta = {}, .blake3 = {}};
    TENON_TRY(made.probes, measure(set, base, static_cast<size_t>(a.probes)));
    console.end_progress();
    const std::vector<Timing> timings = timings_of(made.probes);
    if (timings.size() < kFewestProbes) {
      const auto failed = std::ranges::find_if(made.probes, [](const Probed& p) { return !p.time.failure.empty(); });
      return fail(Code::E0703, fmt::format("{} of {} probes could be timed, which are too few to learn a device from{}", timings.size(), made.probes.size(), failed == made.probes.end() ? "" : "; one was " + failed->time.failure),
                  failed == made.probes.end() ? "name more models" : "--cpu N measures on another processor; more models have more schedules");
    }
    TENON_TRY(const CostModel adapted, adapt(base, timings, set.device(), {.seed = static_cast<uint64_t>(a.seed)}));
    for (const Probed& p : made.probes)
      if (p.time.seconds > 0) made.mape += std::abs(p.predicted / p.time.seconds - 1) / static_cast<double>(timings.size());
    made.delta = *std::ranges::find(adapted.deltas, set.device(), &Delta::device);
    const std::string text = print(adapted);
    made.blake3 = hex(blake3(text));
    if (!(std::ofstream(a.output, std::ios::binary) << text << std::flush)) return fail(Code::E0505, "cannot write the model " + a.output);
    return made;
  }();
  if (!report) return console.fail(report.error());
  if (a.json) {
    std::puts(adapt_record(*report).c_str());
    return kOk;
  }
  console.record(adapt_record(*report));
  print_report(*report, a, console);
  return kOk;
}

}  // namespace

Command adapt_command() {
  auto a = std::make_shared<Arguments>();
  a->model.output.clear();
  return {
      .name = "adapt",
      .summary = "Fit a cost model to a new device by a few timings",
      .examples =
          "tenon adapt a.onnx b.onnx --target native --dim N=1 --cost-model fleet.model -o here.model\n"
          "tenon adapt m.onnx --target board.toml --cost-model fleet.model --runner ./on_board.sh -o board.model\n"
          "tenon adapt m.onnx --target board.toml --runner ./on_board.sh --store board.db -o board.model\n"
          "tenon adapt m.onnx --target aarch64 --dim N=1 --runner qemu -o x.model  # tries it without a device",
      .options = joined({{{"models", "MODEL", "ONNX files, of whose regions the probes are", &a->models, {}, true},
                          {"-o,--output", "FILE", "Cost model to write: what --cost-model has, and the device's delta", &a->output},
                          {"--probes", "N", "Timings of kernels to adapt by; default: 32", &a->probes},
                          {"--store", "FILE", "Telemetry store to add the timings to, too", &a->store},
                          {"--names", "", "With --store: write the models' names into it, too", &a->names},
                          {"-i,--input", "NAME=FILE", "As for `tenon run`; default: random:0; repeatable", &a->inputs},
                          {"--runner", "RUNNER", "Where probes run: local, qemu or a command, as for `tenon tune`; default: local", &a->runner},
                          {"--timeout", "SECONDS", "After which a measurement is given up, compiling included; default: 120", &a->timeout},
                          {"--cpu", "N", "Processor to measure on; default: the last that this process may use", &a->cpu},
                          {"--seed", "N", "Of the draws; default: 0", &a->seed},
                          {"--json", "", "Print one JSON record: docs/schemas.md", &a->json}},
                         import_rows(a->model),
                         code_rows(a->model)}),
      .run = [a](Console& console) { return run_adapt(*a, console); },
  };
}

}  // namespace tenon::cli
