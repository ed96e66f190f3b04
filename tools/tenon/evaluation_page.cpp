#include "evaluation_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tenon::cli {

namespace {

constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#777777"};

const char* colour(size_t k) { return kColours[k % std::size(kColours)]; }

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '&') out += "&amp;";
    else if (c == '"') out += "&quot;";
    else out += c;
  }
  return out;
}

std::string percent(const Figure& f) { return f.groups == 0 ? "-" : fmt::format("{:.1f} % [{:.1f}, {:.1f}]", 100 * f.value, 100 * f.low, 100 * f.high); }

std::string table(const std::vector<MethodFigures>& methods) {
  std::string text = "<table><tr><th>method";
  for (const MetricInfo& metric : metric_table()) text += fmt::format("<th>{}", metric.title);
  for (const MethodFigures& method : methods) {
    text += fmt::format("<tr><td>{}", escaped(method.method));
    for (const Figure& f : method.figures) text += fmt::format("<td>{}", percent(f));
  }
  return text + "</table>";
}

// One row per split, one dot with its interval per method.
std::string dots(const EvaluationReport& report, size_t metric) {
  constexpr double kLeft = 300, kWidth = 560, kStep = 11;
  struct Row {
    std::string name;
    const std::vector<MethodFigures>* methods;
  };
  std::vector<Row> rows = {{"all", &report.all}};
  for (const EvaluatedSplit& split : report.splits)
    if (split.skipped.empty()) rows.push_back({split.left_out, &split.methods});
  double most = 0, y = 8;
  for (const Row& row : rows)
    for (const MethodFigures& m : *row.methods) most = std::max(most, m.figures[metric].value);
  most = std::max(most * 1.15, 0.01);
  auto x = [&](double value) { return kLeft + kWidth * std::clamp(value / most, 0.0, 1.0); };
  std::string body;
  for (const Row& row : rows) {
    const auto height = static_cast<double>(row.methods->size()) * kStep;
    body += fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>", kLeft - 10, y + height / 2 + 4, escaped(row.name.substr(0, 48)));
    for (size_t k = 0; k < row.methods->size(); ++k, y += kStep) {
      const Figure& f = (*row.methods)[k].figures[metric];
      if (f.groups == 0) continue;
      body += fmt::format("<g stroke=\"{0}\" fill=\"{0}\"><title>{1}, {2}: {3} of {4} groups</title><line x1=\"{5:.1f}\" x2=\"{6:.1f}\" y1=\"{7:.1f}\" y2=\"{7:.1f}\"/><circle cx=\"{8:.1f}\" cy=\"{7:.1f}\" r=\"3.5\"/></g>",
                          colour(k), escaped(row.name), escaped((*row.methods)[k].method), percent(f), f.groups, x(f.low), x(f.high), y + kStep / 2, x(f.value));
    }
    y += 8;
  }
  std::string grid;
  for (int k = 0; k <= 4; ++k)
    grid += fmt::format("<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"4\" y2=\"{1:.1f}\" class=\"grid\"/><text x=\"{0:.1f}\" y=\"{2:.1f}\" text-anchor=\"middle\">{3:.3g} %</text>", x(most * k / 4), y, y + 14, 25 * most * k);
  return fmt::format("<svg width=\"900\" height=\"{:.0f}\" role=\"img\">{}{}</svg>", y + 20, grid, body);
}

// Predicted against measured, both logarithmic.
std::string scatter(const EvaluationReport& report) {
  constexpr double kSize = 480, kEdge = 50;
  if (report.points.empty()) return "";
  double low = INFINITY, high = 0;
  for (const EvaluationPoint& p : report.points) low = std::min({low, p.measured, p.predicted}), high = std::max({high, p.measured, p.predicted});
  const double first = std::floor(std::log10(low)), last = std::max(std::ceil(std::log10(high)), first + 1);
  auto place = [&](double seconds) { return kSize * (std::log10(seconds) - first) / (last - first); };
  std::string body;
  for (double e = first; e <= last; ++e) {
    const double at = place(std::pow(10, e));
    body += fmt::format("<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"10\" y2=\"{1}\" class=\"grid\"/><line x1=\"{2}\" x2=\"{3}\" y1=\"{4:.1f}\" y2=\"{4:.1f}\" class=\"grid\"/>", kEdge + at, kSize + 10, kEdge, kEdge + kSize, kSize + 10 - at);
    body += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:g} us</text><text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{:g} us</text>", kEdge + at, kSize + 26, std::pow(10, e + 6), kEdge - 4, kSize + 14 - at, std::pow(10, e + 6));
  }
  body += fmt::format("<line x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"10\" class=\"one\"/>", kEdge, kEdge + kSize, kSize + 10);
  for (const EvaluationPoint& p : report.points)
    body += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2\" fill=\"{}\" fill-opacity=\".5\"/>", kEdge + place(p.measured), kSize + 10 - place(p.predicted), colour(static_cast<size_t>(p.split)));
  return fmt::format("<svg width=\"{}\" height=\"{}\" role=\"img\">{}</svg>", kSize + kEdge + 40, kSize + 34, body);
}

std::string legend(const std::vector<MethodFigures>& methods) {
  std::string text;
  for (size_t k = 0; k < methods.size(); ++k) text += fmt::format("<span style=\"color:{}\">&#9679; {}</span> ", colour(k), escaped(methods[k].method));
  return text;
}

}  // namespace

std::string evaluation_page(const EvaluationReport& report) {
  std::string text = fmt::format(
      "<!doctype html><html lang=en><meta charset=utf-8><title>Cost model, each {0} left out</title><style>"
      "body{{font:15px/1.5 sans-serif;max-width:1000px;margin:2em auto;padding:0 1em}}svg text{{font-size:11px}}"
      ".grid{{stroke:#ddd}}.one{{stroke:#000}}table{{border-collapse:collapse;font-size:13px}}td,th{{padding:.2em .6em;text-align:left}}"
      "tr{{border-bottom:1px solid #ddd}}</style><h1>Cost model, each {0} left out</h1>"
      "<p>{1} timings and {2} failures, {3} devices of {4} machines, {5} seeds{6}. Brackets and bars are 95 % intervals, of draws of workloads and seeds.</p>",
      spelling(report.leave), report.timings, report.failures, report.devices, report.machines, report.seeds, report.probes > 0 ? fmt::format(", {} probes", report.probes) : "");
  for (const std::string& note : report.notes) text += fmt::format("<p>Note: {}.</p>", escaped(note));
  text += "<h2>All</h2>" + table(report.all);
  for (size_t m = 0; m < kMetrics; ++m) {
    const MetricInfo& metric = metric_table()[m];
    if (std::ranges::none_of(report.all, [&](const MethodFigures& method) { return method.figures[m].groups > 0; })) continue;
    text += fmt::format("<h2>{}</h2><p>{}.<br>{}</p>{}", metric.title, escaped(metric.meaning), legend(report.all), dots(report, m));
  }
  text += "<h2>Predicted against measured</h2><p>A sample of the timings, each predicted without what was left out; a colour per split.</p>" + scatter(report);
  for (const EvaluatedSplit& split : report.splits)
    text += fmt::format("<h2>Without {}</h2><p>Trained on {} timings, tested on {} in {} groups.{}</p>{}", escaped(split.left_out), split.training, split.timings, split.groups,
                        split.skipped.empty() ? "" : " Not evaluated: " + escaped(split.skipped) + ".", split.skipped.empty() ? table(split.methods) : "");
  return text + "</html>\n";
}

}  // namespace tenon::cli
