#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include "decision_text.h"
#include "model_options.h"
#include "records.h"

namespace tenon::cli {

namespace {

struct Arguments {
  ModelArguments model;
  std::string node, region;
  bool json = false;
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

int run_why(const Arguments& a, Console& console) {
  const auto options = to_options(a.model, console);
  if (!options) return console.fail(options.error());
  auto report = decisions(*options, [&](const Decision& d) { return is_meant(a, d); });
  if (!report) return console.fail(report.error());
  std::erase_if(report->decisions, [&](const Decision& d) { return !is_meant(a, d); });
  if (report->decisions.empty()) return console.fail({{.code = Code::E0601, .message = "nothing was decided about " + (a.node.empty() ? a.region : a.node), .hint = "tenon plan -v lists all decisions"}});
  if (a.json) {
    std::puts(plan_record(*report).c_str());
    return kOk;
  }
  console.record(plan_record(*report));
  for (const Decision& d : report->decisions) {
    std::string nodes;
    for (const std::string& node : d.nodes) nodes += (nodes.empty() ? "" : ", ") + node;
    console.print(fmt::format("{} {}{}: {}, by {}{}\n", d.kind, d.subject, nodes.empty() ? "" : " (" + nodes + ")", d.chosen.empty() ? "-" : d.chosen, d.decided_by, d.occurrences > 1 ? fmt::format("; {} regions", d.occurrences) : ""));
    if (d.reason) print_reason(d, *d.reason, console);
  }
  return kOk;
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
          "tenon why m.onnx --target x86-64-v3 --json  # every decision with its reason",
      .options = joined({{model_row(a->model, true),
                          {"--node", "NAME", "Only what concerns this node of the model", &a->node},
                          {"--region", "NAME", "Only this region, or value", &a->region},
                          {"--json", "", "Print one JSON record: docs/schemas.md", &a->json}},
                         import_rows(a->model),
                         code_rows(a->model)}),
      .run = [a](Console& console) { return run_why(*a, console); },
  };
}

}  // namespace tenon::cli
