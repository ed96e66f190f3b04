#include <fmt/format.h>

#include <fstream>
#include <memory>

#include "command.h"
#include "evaluation_page.h"
#include "evaluation_records.h"

namespace tenon::cli {

namespace {

struct Arguments {
  std::vector<std::string> stores;
  std::string leave = "family", device = "all", compiler, html;
  int seeds = 10, seed = 0, probes = 0, jobs = 1;
  bool json = false, offsets = false;
};

void print_figures(const std::string& head, const std::vector<MethodFigures>& methods, Console& console) {
  console.print(fmt::format("{}\n  {:<15}", head, ""));
  for (const MetricInfo& metric : metric_table()) console.print(fmt::format("{:<28}", metric.title));
  console.print("\n");
  for (const MethodFigures& method : methods) {
    console.print(fmt::format("  {:<15}", method.method));
    for (const Figure& f : method.figures)
      console.print(fmt::format("{:<27} ", f.groups == 0 ? "-" : fmt::format("{:.1f} % [{:.1f}, {:.1f}]", 100 * f.value, 100 * f.low, 100 * f.high)));
    console.print("\n");
  }
}

void print_report(const EvaluationReport& report, Console& console) {
  for (const EvaluatedSplit& split : report.splits) {
    const std::string head = fmt::format("without {}: trained on {} timings, tested on {} in {} groups", split.left_out, split.training, split.timings, split.groups);
    if (split.skipped.empty()) print_figures(head, split.methods, console);
    else console.print(fmt::format("{}: not evaluated: {}\n", head, split.skipped));
  }
  print_figures(fmt::format("all, {} seeds", report.seeds), report.all, console);
  console.print(fmt::format("{} timings and {} failures of {} devices of {} machines\n", report.timings, report.failures, report.devices, report.machines));
  if (report.unnamed + report.of_no_family > 0) console.print(fmt::format("left out: {} timings without a model's name, {} of models that no family lists\n", report.unnamed, report.of_no_family));
  if (report.other_features > 0) console.print(fmt::format("left out: {} records whose features are another build's\n", report.other_features));
  for (const std::string& note : report.notes) console.print(note + '\n');
}

int run_evaluate(const Arguments& a, Console& console) {
  EvaluateOptions options{.data = {.stores = a.stores, .device = a.device, .compiler = a.compiler, .grow = {.seed = static_cast<uint64_t>(a.seed), .threads = std::max(1, a.jobs)}}, .leave = *parse_leave(a.leave), .seeds = a.seeds,
                          .probes = static_cast<size_t>(std::max(0, a.probes)), .offsets = a.offsets, .progress = {}};
  if (a.seeds < 1) return console.fail({{.code = Code::E0601, .message = fmt::format("--seeds {}: it takes one at least", a.seeds)}});
  if (a.probes != 0 && a.probes < static_cast<int>(kFewestProbes)) return console.fail({{.code = Code::E0601, .message = fmt::format("--probes {}: it takes {} at least", a.probes, kFewestProbes)}});
  if (a.probes != 0 && options.leave != Leave::Device && options.leave != Leave::Machine)
    return console.fail({{.code = Code::E0601, .message = "--probes adapts to a device that was left out", .hint = "--leave device --probes 32"}});
  options.progress = [&console](const std::string& what, int done, int total) { console.progress(what, done, total); };
  const auto report = evaluate(options);
  if (!report) return console.fail(report.error());
  console.end_progress();
  if (!a.html.empty() && !(std::ofstream(a.html, std::ios::binary) << evaluation_page(*report) << std::flush))
    return console.fail({{.code = Code::E0505, .message = "cannot write the page", .file = a.html}});
  const std::string record = evaluation_record(*report);
  if (a.json) {
    std::puts(record.c_str());
    return kOk;
  }
  console.record(record);
  print_report(*report, console);
  return kOk;
}

}  // namespace

Command evaluate_command() {
  auto a = std::make_shared<Arguments>();
  return {
      .name = "evaluate-model",
      .summary = "Tell how well a cost model predicts what it was not trained on",
      .examples =
          "tenon evaluate-model t.db                               # each family of models left out in turn\n"
          "tenon evaluate-model *.db --leave device --probes 32    # each device, but for 32 timings\n"
          "tenon evaluate-model t.db --leave later --html e.html   # with plots",
      .options = {{"STORE", "", "Telemetry stores that `tenon tune --store --names` filled", &a->stores, {}, true},
                  {"--leave", "WHAT", "What is left out of training, one by one: model families, devices (a machine's levels of instruction sets count each), whole machines, operator classes, the later quarter; default: family", &a->leave,
                   {"family", "device", "machine", "operator", "later"}},
                  {"--probes", "N", "With --leave device or machine: adapt with N timings of what was left out, the others being the test", &a->probes},
                  {"--seeds", "N", "Trainings of each, whose draws differ; default: 10", &a->seeds},
                  {"--seed", "N", "The first of them; default: 0", &a->seed},
                  {"--offsets", "", "Judge trees, too, that do not learn what all times of a workload in a session have in common", &a->offsets},
                  {"--device", "ID", "Only this device: the beginning of its id, or all; default: all", &a->device},
                  {"--compiler", "ID", "Only this build's records; default: there may be only one", &a->compiler},
                  {"--html", "FILE", "Write a page with plots, too", &a->html},
                  {"--json", "", "Print one JSON record: docs/schemas.md", &a->json},
                  {"-j,--jobs", "N", "Threads; the figures are the same for any number", &a->jobs}},
      .run = [a](Console& console) { return run_evaluate(*a, console); },
  };
}

}  // namespace tenon::cli
