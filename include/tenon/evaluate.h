// How well a cost model predicts what it was not trained on: docs/learning.md.
#pragma once

#include <array>
#include <functional>
#include <optional>

#include "tenon/learn.h"

namespace tenon {

enum class Leave : uint8_t { Family, Device, Machine, Operator, Later };  // what is left out of training, one by one
std::string_view spelling(Leave leave);
std::optional<Leave> parse_leave(std::string_view text);

struct EvaluateOptions {
  TrainOptions data{.stores = {}, .device = "all", .compiler = {}, .grow = {}};
  Leave leave = Leave::Family;
  int seeds = 10;
  size_t probes = 0;                                        // with Device and Machine: of what is left out, to adapt with
  bool offsets = false;                                     // judge GrowOptions::group_offsets, too
  std::function<void(const std::string&, int, int)> progress;  // what is being grown; done; of how many
};

// A figure of all groups together and its 95 % interval, of draws of workloads and seeds with replacement.
struct Figure {
  double value = 0, low = 0, high = 0;
  int64_t groups = 0;  // that it is of; 0: it does not apply
};
enum class Metric : uint8_t { Top1, Top8, Pairs, Mape, Coverage, Failed, Sure };
constexpr size_t kMetrics = 7;
struct MetricInfo {
  std::string_view key, title, meaning;
};
std::span<const MetricInfo> metric_table();  // in the order of Metric

struct MethodFigures {
  std::string method;  // model, adapted, without prior, with offsets, prior, rules, random
  std::array<Figure, kMetrics> figures = {};
  const Figure& operator[](Metric metric) const { return figures[static_cast<size_t>(metric)]; }
};

struct EvaluatedSplit {
  std::string left_out;                              // a family, the beginning of a device's id, an operator class, a time
  int64_t training = 0, timings = 0, groups = 0;     // timings trained on; tested; their groups
  std::string skipped;                               // why nothing was evaluated; empty: it was
  std::vector<MethodFigures> methods;
};
struct EvaluationPoint {
  int split = 0;
  double measured = 0, predicted = 0;  // seconds
};
struct EvaluationReport {
  Leave leave{};
  int seeds = 0;
  int64_t probes = 0;
  int64_t timings = 0, failures = 0, devices = 0, machines = 0, other_features = 0;
  int64_t unnamed = 0, of_no_family = 0;             // timings that --leave family leaves out of all
  std::vector<EvaluatedSplit> splits;
  std::vector<MethodFigures> all;                    // of the groups of all splits
  std::vector<EvaluationPoint> points;               // a sample, of the first seed's model
  std::vector<std::string> notes;                    // what to know of the figures
};
// E0701, E0703: as train. E0703: there is nothing to leave out.
Result<EvaluationReport> evaluate(const EvaluateOptions& options);

}  // namespace tenon
