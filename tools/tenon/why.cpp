#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include "counterfactuals.h"
#include "decision_text.h"
#include "model_options.h"
#include "records.h"

namespace tenon::cli {

namespace {

struct Arguments {
  ModelArguments model;
  std::vector<std::string> models, inputs;
  std::string node, region, store, device, compiler, runner = "local";
  int counterfactuals = 0, seed = 0, cpu = -1, timeout = 120;
  bool json = false, verify = false;
};

// Which decisions are asked for: all, unless a node or a region is named.
bool is_meant(const Arguments& a, const Decision& d) {
  if (!a.region.empty()) return d.subject == a.region;
  return a.node.empty() || std::ranges::count(d.nodes, a.node) > 0;
}

void print_reason(const Decision& d, const Reason& reason, Console& console) {
  const bool schedule = d.kind == "schedule";
  if (d.seconds > 0) {
    std::string line = fmt::format("    {} {}", schedule ? "should take" : "the regions that it is about should take", duration(d.seconds));
    if (reason.high > 0) line += fmt::format(" (90 %: {} to {})", duration(reason.low), duration(reason.high));
    if (schedule) line += fmt::format("; by the roofline {}, bound by {}, what comes next takes {:.0f} % of that", duration(reason.roofline), reason.bound, 100 * reason.second);
    console.print(line + "\n");
  }
  if (!d.runner_up.empty() && d.seconds > 0) {
    console.print(fmt::format("    runner-up {}: {}\n", d.runner_up, margin(d)));
    for (const Reason::Term& t : reason.terms)
      if (std::abs(t.factor - 1) >= 5e-4) console.print(fmt::format("      x{:.3f}  {}: {}\n", t.factor, t.name, t.meaning));
  }
  if (!reason.nearest.empty()) console.print(fmt::format("    the best change of one knob: {}, {:+.1f} %\n", reason.nearest, 100 * (reason.nearest_seconds / d.seconds - 1)));
}

void print_records(const std::vector<NearRecord>& near, Console& console) {
  if (near.empty()) return;
  console.print("    the nearest measured records\n");
  for (const NearRecord& r : near)
    console.print(fmt::format("      {:>11}  {:.2f} away  {}{}: {}\n", duration(r.seconds), r.distance, r.op_class, r.model.empty() ? "" : " of " + r.model, r.schedule));
}

// The store that was named; of this machine as the target sees it, unless another device is.
Result<std::optional<NearestRecords>> open_store(const Arguments& a) {
  if (a.store.empty()) return std::nullopt;
  NearestOptions options{.store = a.store, .device = a.device, .compiler = a.compiler};
  if (options.device.empty()) {
    TENON_TRY(const Target target, load_target(a.model.targets.empty() ? default_target() : a.model.targets[0]));
    options.device = telemetry::fingerprint(telemetry::device_of(target, true));
  }
  TENON_TRY(NearestRecords records, NearestRecords::open(options));
  return std::optional(std::move(records));
}

int explain_model(const Arguments& a, const CompileOptions& options, const std::optional<NearestRecords>& records, Console& console) {
  constexpr size_t kNearest = 3;
  auto report = decisions(options, [&](const Decision& d) { return is_meant(a, d); });
  if (!report) return console.fail(report.error());
  std::erase_if(report->decisions, [&](const Decision& d) { return !is_meant(a, d); });
  if (report->decisions.empty()) return console.fail({{.code = Code::E0601, .message = "nothing was decided about " + (a.node.empty() ? a.region : a.node), .hint = "tenon plan -v lists all decisions"}});
  std::vector<std::vector<NearRecord>> near;
  if (records)
    for (const Decision& d : report->decisions) near.push_back(d.reason && !d.reason->features.empty() ? records->of(d.reason->features, kNearest) : std::vector<NearRecord>{});
  console.end_progress();
  if (a.json) {
    std::puts(plan_record(*report, near).c_str());
    return kOk;
  }
  console.record(plan_record(*report, near));
  if (a.models.size() > 1) console.print(options.model + ":\n");
  for (size_t k = 0; k < report->decisions.size(); ++k) {
    const Decision& d = report->decisions[k];
    std::string nodes;
    for (const std::string& node : d.nodes) nodes += (nodes.empty() ? "" : ", ") + node;
    console.print(fmt::format("{} {}{}{}: {}, by {}{}\n", d.kind, d.subject, nodes.empty() ? "" : " (" + nodes + ")", d.point.empty() ? "" : " at " + d.point, d.chosen.empty() ? "-" : d.chosen, d.decided_by, d.occurrences > 1 ? fmt::format("; {} regions", d.occurrences) : ""));
    if (d.reason) print_reason(d, *d.reason, console);
    if (records) print_records(near[k], console);
  }
  return kOk;
}

int run_verify(const Arguments& a, std::vector<CompileOptions> models, Console& console) {
  for (CompileOptions& compile : models) compile.progress = {};
  CounterfactualsOptions options{.models = std::move(models), .how = {.inputs = a.inputs, .timeout = static_cast<double>(std::max(1, a.timeout)), .runner = a.runner, .cpu = a.cpu},
                                 .meant = [&](const Decision& d) { return is_meant(a, d); }, .draw = static_cast<size_t>(a.counterfactuals), .seed = static_cast<uint64_t>(a.seed),
                                 .progress = [&console](const std::string& stage, int done, int all) { console.progress(stage, done, all); }};
  const auto report = verify_counterfactuals(options);
  console.end_progress();
  if (!report) return console.fail(report.error());
  if (report->decisions == 0) return console.fail({{.code = Code::E0601, .message = "nothing was decided about " + (a.node.empty() ? a.region : a.node), .hint = "tenon plan -v lists all decisions"}});
  if (a.json) {
    std::puts(counterfactuals_record(*report).c_str());
    return kOk;
  }
  console.record(counterfactuals_record(*report));
  print_counterfactuals(*report, a.models.size() > 1, console);
  return kOk;
}

int run_why(const Arguments& a, Console& console) {
  if (a.counterfactuals < 0 || (a.counterfactuals > 0 && !a.verify)) return console.fail({{.code = Code::E0601, .message = "--counterfactuals says how many --verify measures", .hint = "--verify --counterfactuals 20"}});
  if (a.verify && !a.store.empty()) return console.fail({{.code = Code::E0601, .message = "--verify measures, --store shows what was measured", .hint = "ask for one at a time"}});
  const auto models = options_of_models(a.model, a.models, console);
  if (!models) return console.fail(models.error());
  if (a.verify) return run_verify(a, *models, console);
  const auto records = open_store(a);
  if (!records) return console.fail(records.error());
  int code = kOk;
  for (const CompileOptions& options : *models) code = std::max(code, explain_model(a, options, *records, console));
  return code;
}

}  // namespace

Command why_command() {
  auto a = std::make_shared<Arguments>();
  return {
      .name = "why",
      .summary = "Explain what was decided about a model, a node or a region, and what would have been decided else",
      .examples =
          "tenon why m.onnx --target native --dim N=1 --node Conv_12\n"
          "tenon why m.onnx --target native --dim N=1 --region relu1 --cost-model here.model --policy hybrid\n"
          "tenon why m.onnx --target x86-64-v3 --json  # every decision with its reason\n"
          "tenon why m.onnx --target native --dim N=1 --store t.db             # and what was measured near it\n"
          "tenon why m.onnx --target native --dim N=1 --region relu1 --verify  # measures the runner-up\n"
          "tenon why a.onnx b.onnx --cost-model here.model --policy hybrid --verify --counterfactuals 200",
      .options = joined({{{"models", "MODEL", "ONNX files", &a->models, {}, true},
                          {"--node", "NAME", "Only what concerns this node of the model", &a->node},
                          {"--region", "NAME", "Only this region, or value", &a->region},
                          {"--store", "FILE", "Telemetry store: show the measured schedules of this device that are nearest to what was chosen", &a->store},
                          {"--device", "ID", "With --store: another device, the beginning of its id; default: this machine with --target", &a->device},
                          {"--compiler", "ID", "With --store: records of this build, or all; default: there may be only one", &a->compiler},
                          {"--verify", "", "Measure each runner-up that has a predicted margin, in turns with what was chosen", &a->verify},
                          {"--counterfactuals", "N", "With --verify: draw so many of all whose predicted margin is over max(5 %, 2 sigma)", &a->counterfactuals},
                          {"--seed", "N", "Of the draw; default: 0", &a->seed},
                          {"-i,--input", "NAME=FILE", "With --verify: as for `tenon run`; default: random:0; repeatable", &a->inputs},
                          {"--runner", "RUNNER", "With --verify: local, qemu or a command, as for `tenon tune`; default: local", &a->runner},
                          {"--timeout", "SECONDS", "With --verify: after which a measurement is given up; default: 120", &a->timeout},
                          {"--cpu", "N", "With --verify: processor to measure on; default: the last that this process may use", &a->cpu},
                          {"--json", "", "Print one JSON record: docs/schemas.md", &a->json}},
                         import_rows(a->model),
                         code_rows(a->model)}),
      .run = [a](Console& console) { return run_why(*a, console); },
  };
}

}  // namespace tenon::cli
