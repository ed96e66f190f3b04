#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>

#include "decision_text.h"
#include "model_options.h"
#include "records.h"

namespace tenon::cli {

namespace {

struct Arguments {
  ModelArguments model;
  bool json = false;
};

void print_schedules(const PlanReport& report, Console& console) {
  console.print("  predicted  by      region: schedule; runner-up, its margin\n");
  std::string point;
  double all = 0;
  auto end = [&] {
    if (all > 0) console.print(fmt::format("{:>11}  in all\n", duration(all)));
    all = 0;
  };
  for (const Decision& d : report.decisions) {
    if (d.kind != "schedule") continue;
    if (d.point != point) {
      end();
      point = d.point;
      console.print("at " + point + ":\n");
    }
    all += d.seconds * d.occurrences;
    console.print(fmt::format("{:>11}  {:<6}  {}{}: {}{}\n", d.seconds > 0 ? duration(d.seconds) : "", d.decided_by, d.subject, d.occurrences > 1 ? fmt::format(" x{}", d.occurrences) : "", d.chosen.empty() ? "-" : d.chosen,
                              d.runner_up.empty() ? "" : fmt::format("; {} {}", d.runner_up, margin(d))));
  }
  end();
}

int run_plan(const Arguments& a, Console& console) {
  const auto options = to_options(a.model, console);
  if (!options) return console.fail(options.error());
  const auto report = decisions(*options);
  if (!report) return console.fail(report.error());
  if (a.json) {
    std::puts(plan_record(*report).c_str());
    return kOk;
  }
  console.record(plan_record(*report));
  // Questions that the rules answered alike are one line.
  std::map<std::string, std::map<std::string, int>> answers;
  for (const Decision& d : report->decisions)
    if (d.kind != "schedule") ++answers[d.kind][d.chosen];
  for (const auto& [kind, counts] : answers) {
    std::string line = fmt::format("{:<10}", kind);
    for (const auto& [answer, count] : counts) line += fmt::format(" {} x{}", answer, count);
    console.print(line + "\n");
  }
  for (const Decision& d : report->decisions)
    if (d.kind != "schedule" && (console.verbose() || d.chosen != d.rules)) console.print(fmt::format("  {} {}: {}, not {}; by {}\n", d.kind, d.subject, d.chosen, d.runner_up, d.decided_by));
  print_schedules(*report, console);
  return kOk;
}

}  // namespace

Command plan_command() {
  auto a = std::make_shared<Arguments>();
  return {
      .name = "plan",
      .summary = "Print what is decided about a model, what the alternatives are, and by how much they would be slower",
      .examples =
          "tenon plan m.onnx --target native --dim N=1\n"
          "tenon plan m.onnx --target znver4 --policy hybrid --cost-model here.model\n"
          "tenon plan m.onnx --target x86-64-v3 --json  # every decision; -v lists them too",
      .options = joined({{model_row(a->model, true), {"--json", "", "Print one JSON record: docs/schemas.md", &a->json}}, import_rows(a->model), code_rows(a->model)}),
      .run = [a](Console& console) { return run_plan(*a, console); },
  };
}

}  // namespace tenon::cli
