#include "counterfactuals.h"

#include <fmt/format.h>

#include "decision_text.h"
#include "json_line.h"

namespace tenon::cli {

void print_counterfactuals(const CounterfactualsReport& report, bool several_models, Console& console) {
  for (const Counterfactual& c : report.all) {
    const Decision& d = c.decision;
    console.print(fmt::format("{} {}{}{}: {}, not {}\n", d.kind, d.subject, d.occurrences > 1 ? fmt::format(" x{}", d.occurrences) : "", several_models ? " of " + c.model : "", d.chosen, d.runner_up));
    if (!c.measured) console.print(fmt::format("    predicted {}; not measured: {}\n", margin(d), c.failure));
    else
      console.print(fmt::format("    predicted {}; measured {:+.1f} % [{:+.1f}, {:+.1f}], {} against {}: {}{}\n", margin(d), 100 * (c.ratio - 1), 100 * (c.low - 1), 100 * (c.high - 1), duration(c.runner_up_seconds), duration(c.seconds),
                                c.agrees() ? "the sign agrees" : "the sign does not agree", c.disturbed.empty() ? "" : "; disturbed: " + c.disturbed));
  }
  auto share = [](int part, int all) { return all > 0 ? fmt::format("{} of {} ({:.0f} %)", part, all, 100.0 * part / all) : std::string("none"); };
  console.print(fmt::format("{} decisions, {} with a predicted margin over max(5 %, 2 sigma); {} counterfactuals, {} measured{}\n", report.decisions, report.over, report.all.size(), report.measured,
                            report.disturbed ? fmt::format(", {} of them disturbed", report.disturbed) : ""));
  console.print(fmt::format("signs that agree: {}; where the interval tells which is faster: {}\n", share(report.signs, report.measured), share(report.clear_signs, report.clear)));
  if (report.times > 0) console.print(fmt::format("measured times in their predicted 90 % interval: {}\n", share(report.covered, report.times)));
}

std::string counterfactuals_record(const CounterfactualsReport& report) {
  Json json = record("counterfactuals/1");
  json["target"] = report.target;
  json["cost_model"] = report.cost_model.empty() ? Json() : Json(report.cost_model);
  json["decisions"] = report.decisions, json["over"] = report.over;
  json["measured"] = report.measured, json["disturbed"] = report.disturbed, json["signs"] = report.signs;
  json["clear"] = report.clear, json["clear_signs"] = report.clear_signs;
  json["times"] = report.times, json["covered"] = report.covered;
  Json all = Json::array();
  for (const Counterfactual& c : report.all) {
    const Decision& d = c.decision;
    const Reason& reason = *d.reason;
    auto interval = [](double low, double high) { return high > 0 ? Json{low, high} : Json(); };
    Json row = {{"model", c.model}, {"kind", d.kind}, {"subject", d.subject}, {"nodes", d.nodes}, {"chosen", d.chosen}, {"runner_up", d.runner_up}, {"decided_by", d.decided_by}, {"occurrences", d.occurrences}};
    row["predicted"] = {{"seconds", d.seconds}, {"runner_up_seconds", d.runner_up_seconds}, {"ratio", c.predicted()}, {"sigma", d.sigma > 0 ? Json(d.sigma) : Json()},
                        {"interval", interval(reason.low, reason.high)}, {"runner_up_interval", interval(reason.runner_up_low, reason.runner_up_high)}};
    row["measured"] = c.measured ? Json{{"seconds", c.seconds}, {"runner_up_seconds", c.runner_up_seconds}, {"ratio", {c.ratio, c.low, c.high}}, {"disturbed", c.disturbed}} : Json();
    row["agrees"] = c.measured ? Json(c.agrees()) : Json();
    row["failure"] = c.failure.empty() ? Json() : Json(c.failure);
    all.push_back(std::move(row));
  }
  json["counterfactuals"] = std::move(all);
  return line(json);
}

}  // namespace tenon::cli
