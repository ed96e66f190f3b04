#include <algorithm>
#include <cmath>
#include <limits>

#include "tenon/hash.h"
#include "tenon/ops.h"
#include "tenon/q_policy.h"

namespace tenon {

namespace {

constexpr QFeatureInfo kTable[] = {
#define Q_FEATURE(name, meaning) {#name, meaning},
#include "q_features.def"
#undef Q_FEATURE
};
enum Row : uint8_t {
#define Q_FEATURE(name, meaning) name,
#include "q_features.def"
#undef Q_FEATURE
};

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

float log2_of(double x) { return static_cast<float>(std::log2(std::max(x, 0x1p-60))); }

// Of dims from `from` on; NaN: some are not known.
double product(const Graph& graph, const Value& value, size_t from) {
  double all = 1;
  for (size_t d = from; d < value.dims.size(); ++d) {
    const auto n = graph.pool.as_int(value.dims[d]);
    if (!n) return NAN;
    all *= static_cast<double>(*n);
  }
  return all;
}

double number_in(const std::string& answer) {
  const size_t digit = answer.find_first_of("0123456789");
  return digit == answer.npos ? NAN : std::strtod(answer.c_str() + digit, nullptr);
}

class Extractor {
 public:
  Extractor(const PlanTimes& times, const TimedPlan& plan) : times_(times), graph_(times.graph()), plan_(plan), x_(std::size(kTable), kMissing) {}

  std::vector<float> run(size_t question, size_t answer_at) {
    const Asked& asked = plan_.decided.asked[question];
    const ValueId v = times_.subject(asked);
    about_ = times_.regions_about(plan_, asked);
    about_question(asked, question, answer_at);
    about_value(v);
    const NodeId made = graph_.values[v].def;
    if (made.valid()) about_node(graph_.nodes[static_cast<size_t>(made.index)], maker_kind);
    if (!times_.readers(v).empty()) about_node(graph_.nodes[static_cast<size_t>(times_.readers(v)[0])], reader_kind);
    about_regions_of(v);
    const DeviceFacts& device = times_.device();
    constexpr int kMemory = 3;
    x_[vector_bytes] = static_cast<float>(device.vector_bytes), x_[gflops_f32] = static_cast<float>(device.gflops_f32);
    x_[cycles_per_line] = static_cast<float>(device.line_bytes * device.gigahertz / device.gb_per_s[kMemory]);
    return std::move(x_);
  }

 private:
  void about_question(const Asked& asked, size_t question, size_t at) {
    x_[kind] = static_cast<float>(asked.kind), x_[answers] = static_cast<float>(asked.answers.size()), x_[answer] = static_cast<float>(at);
    x_[number] = static_cast<float>(number_in(asked.answers[at]));
    x_[as_rules] = at == asked.rules, x_[as_now] = at == asked.chosen;
    x_[place] = static_cast<float>(question) / static_cast<float>(plan_.decided.asked.size());
    x_[changed] = x_[changed_near] = 0;
    for (size_t q = 0; q < question; ++q) {
      const Asked& before = plan_.decided.asked[q];
      if (before.chosen == before.rules) continue;
      ++x_[changed];
      const std::vector<size_t> near = times_.regions_about(plan_, before);
      if (std::ranges::any_of(near, [&](size_t r) { return std::ranges::count(about_, r) > 0; })) ++x_[changed_near], x_[last_near] = static_cast<float>(before.kind);
    }
  }

  void about_value(ValueId v) {
    const Value& value = graph_.values[v];
    constexpr double kBitsPerByte = 8;
    const double bytes = product(graph_, value, 0) * bits(value.type) / kBitsPerByte;
    const DeviceFacts& device = times_.device();
    x_[value_bytes] = known_log2(bytes), x_[value_bits] = static_cast<float>(bits(value.type)), x_[value_rank] = static_cast<float>(value.dims.size());
    if (value.dims.size() > 1) x_[value_channels] = known_log2(static_cast<double>(graph_.pool.as_int(value.dims[1]).value_or(0)));
    if (!value.dims.empty()) x_[value_inner] = known_log2(product(graph_, value, value.dims.size() - 1));
    if (value.dims.size() > 2) x_[value_pixels] = known_log2(product(graph_, value, 2));
    x_[value_row_major] = std::ranges::find(plan_.decided.plan.layouts, v, &std::pair<ValueId, Layout>::first) == plan_.decided.plan.layouts.end();
    const Row levels[] = {value_in_l1, value_in_l2, value_in_l3};
    for (size_t k = 0; k < std::size(levels); ++k)
      if (device.bytes[k] > 0) x_[levels[k]] = known_log2(bytes / device.bytes[k]);
    x_[readers] = static_cast<float>(times_.readers(v).size());
    x_[inside] = about_.size() == 1;
  }

  // Rows `first` ... of a node.
  void about_node(const Node& node, Row first) {
    x_[first] = static_cast<float>(definition(node.op).kind);
    if (node.attrs.has(Attr::groups)) x_[first + 1] = log2_of(static_cast<double>(node.attrs.get<Attr::groups>()));
    if (node.attrs.has(Attr::kernel)) {
      x_[first + 2] = 1;
      for (const int64_t k : node.attrs.get<Attr::kernel>()) x_[first + 2] *= static_cast<float>(k);
    } else if (node.op == Op::conv && node.inputs.size() > 1) {
      x_[first + 2] = static_cast<float>(product(graph_, graph_.values[node.inputs[1]], 2));
    }
    if (node.attrs.has(Attr::strides) && !node.attrs.get<Attr::strides>().empty()) x_[first + 3] = static_cast<float>(node.attrs.get<Attr::strides>().back());
  }

  void about_regions_of(ValueId v) {
    double all = 0;
    std::optional<size_t> maker, slowest;
    for (const size_t r : about_) {
      all += plan_.regions[r].seconds;
      if (std::ranges::count(plan_.decided.plan.regions[r].placed, v, &std::pair<ValueId, Placement>::first) > 0) maker = r;
      else if (!slowest || plan_.regions[r].seconds > plan_.regions[*slowest].seconds) slowest = r;
    }
    if (maker) about_region(*maker, maker_seconds);
    if (slowest) about_region(*slowest, reader_seconds);
    x_[about_share] = share(all), x_[about_regions] = static_cast<float>(about_.size());
  }

  // Rows `first` ... of a region.
  void about_region(size_t r, Row first) {
    const RegionOutlook& region = plan_.regions[r];
    const double rows[] = {log2_of(region.seconds), share(region.seconds), static_cast<double>(region.prior.bound), region.prior.second,
                           region.prior.seconds > 0 ? region.prior.overhead / region.prior.seconds : 0, log2_of(region.operations), log2_of(region.inputs),
                           log2_of(region.weights), log2_of(region.temporaries), static_cast<double>(plan_.decided.plan.regions[r].nodes.size())};
    for (size_t k = 0; k < std::size(rows); ++k) x_[first + k] = static_cast<float>(rows[k]);
  }

  float share(double seconds) const { return plan_.seconds > 0 ? static_cast<float>(seconds / plan_.seconds) : 0; }
  static float known_log2(double x) { return std::isnan(x) ? kMissing : log2_of(x); }

  const PlanTimes& times_;
  const Graph& graph_;
  const TimedPlan& plan_;
  std::vector<size_t> about_;
  std::vector<float> x_;
};

}  // namespace

std::span<const QFeatureInfo> q_feature_table() { return kTable; }

std::string q_features_hash() {
  constexpr int kVersion = 1;  // counts changes of how they are computed
  constexpr size_t kDigits = 16;
  std::string text = "q" + std::to_string(kVersion);
  for (const QFeatureInfo& f : kTable) ((text += '\n') += f.name).append("\t").append(f.meaning);
#define DECISION(name, meaning) text += "\n" #name;
#include "tenon/decisions.def"
#undef DECISION
  return hex(blake3(text)).substr(0, kDigits);
}

std::vector<float> q_features(const PlanTimes& times, const TimedPlan& plan, size_t question, size_t answer) { return Extractor(times, plan).run(question, answer); }

}  // namespace tenon
