// bench: how long an artifact takes, and each of its kernels beside what the device can do.
#include <algorithm>
#include <cmath>
#include <limits>

#include "inputs.h"
#include "region_times.h"
#include "scratch_folder.h"

namespace tenon {

namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// A row per kernel, its calls added up, and the floor over all calls.
void add_kernels(const Artifact& artifact, const std::vector<CallTimes>& times, const Dims& dims, BenchReport& report) {
  std::map<std::string, size_t> rows;
  std::vector<CallCost> costs;
  const std::vector<std::optional<double>> medians = medians_of_calls(times, artifact.calls.size());
  for (size_t call = 0; call < artifact.calls.size(); ++call) {
    if (!medians[call]) continue;
    auto [row, fresh] = rows.emplace(artifact.calls[call].name, report.kernels.size());
    if (fresh) report.kernels.push_back(artifact.calls[call]), costs.push_back({});
    report.kernels[row->second].median_ms += *medians[call];
    ++report.kernels[row->second].calls;
    const auto cost = artifact.work[call] ? call_cost(*artifact.work[call], artifact.rates, dims, report.threads, artifact.weights_bytes) : std::nullopt;
    CallCost& sum = costs[row->second];
    sum.operations += cost ? cost->operations : kUnknown;
    sum.bytes += cost ? cost->bytes : kUnknown;
    sum.least_ms += cost ? cost->least_ms : kUnknown;
    ++report.calls;
    if (cost) report.floor_ms = std::max(report.floor_ms, 0.0) + cost->least_ms;
    else ++report.uncounted_calls;
  }
  for (size_t k = 0; k < costs.size(); ++k) {
    KernelTime& kernel = report.kernels[k];
    if (std::isnan(costs[k].least_ms) || kernel.median_ms <= 0) continue;
    kernel.gflops = costs[k].operations / kernel.median_ms * 1e-6;
    kernel.gb_per_s = costs[k].bytes / kernel.median_ms * 1e-6;
    kernel.roofline = costs[k].least_ms / kernel.median_ms;
    kernel.least_ms = costs[k].least_ms;
  }
}

// What is timed: the artifact, and with `bounds` its two halves.
struct Timed {
  std::unique_ptr<Artifact> artifact;
  unsigned threads = 1;
  std::vector<CallTimes> times;
};

Result<Timed> open_timed(const BenchOptions& options, Steps steps, const ScratchFolder& scratch) {
  CompileOptions compile = options.compile;
  compile.steps = steps;
  TENON_TRY(const std::string path, artifact_or_compiled(options.artifact, compile, scratch));
  Timed timed;
  timed.threads = options.threads;
  TENON_TRY(timed.artifact, open_artifact(path, options.level, options.huge_pages));
  if (options.kernels && timed.artifact->calls.empty())
    return fail(Code::E0501, path + " has no manifest that names its kernels", "name the artifact's folder");
  return timed;
}

// Calls of a turn. With threads a turn takes 100 ms: one thread leaves the other processors idle, and they need some
// milliseconds until they run as they do at work.
Result<int> calls_per_turn(std::span<Timed> all, const std::vector<Tensor>& inputs, const Dims& dims) {
  if (std::ranges::none_of(all, [](const Timed& t) { return t.threads > 1; })) return kRunsPerTurn;
  TENON_TRY(const std::vector<CallTimes> times, all[0].artifact->time(inputs, dims, all[0].threads, kRunsPerTurn, false));
  return std::max(kRunsPerTurn, static_cast<int>(100 / std::max(median_total(times), 0.001)));
}

// In turns, so that all see the same machine.
Result<void> time_in_turns(std::span<Timed> all, const std::vector<Tensor>& inputs, const Dims& dims, const BenchOptions& options, int per_turn) {
  constexpr int kTurns = 25;
  const int turns = options.runs > 0 ? (options.runs + per_turn - 1) / per_turn : kTurns;
  for (int turn = 0; turn < turns; ++turn)
    for (Timed& timed : all) {
      TENON_TRY(std::vector<CallTimes> times, timed.artifact->time(inputs, dims, timed.threads, per_turn, options.kernels));
      std::ranges::move(times, std::back_inserter(timed.times));
    }
  return {};
}

// The largest |a - b|; infinite where one is no number and the other is.
double difference_of(const Tensor& a, const Tensor& b) {
  double apart = 0;
  auto add = [&](double x, double y) {
    if (x == y || (std::isnan(x) && std::isnan(y))) return;
    const double d = std::abs(x - y);
    apart = std::isnan(d) ? std::numeric_limits<double>::infinity() : std::max(apart, d);
  };
  for (size_t k = 0; k < a.f.size() && k < b.f.size(); ++k) add(a.f[k], b.f[k]);
  for (size_t k = 0; k < a.i.size() && k < b.i.size(); ++k) add(static_cast<double>(a.i[k]), static_cast<double>(b.i[k]));
  return apart;
}

std::vector<std::string> regions_of(const Artifact& artifact) {
  std::vector<std::string> regions;
  for (const KernelTime& call : artifact.calls) regions.push_back(call.region);
  return regions;
}

Result<AgainstTimes> against_other(std::span<const Timed> both, const std::vector<Tensor>& inputs, const Dims& dims, int per_turn, BenchReport& report) {
  AgainstTimes found = against_times(both[0].times, both[1].times, per_turn);
  TENON_TRY(const std::vector<Tensor> a, both[0].artifact->run(inputs, dims, both[0].threads));
  TENON_TRY(const std::vector<Tensor> b, both[1].artifact->run(inputs, dims, both[1].threads));
  for (size_t k = 0; k < a.size() && k < b.size(); ++k) found.differences.push_back(difference_of(a[k], b[k]));
  report.against_regions = region_times(regions_of(*both[1].artifact), both[1].times);
  set_against(report.regions, report.against_regions);
  return found;
}

void add_halves(const Timed& timed, Steps steps, BenchReport& report) {
  std::map<std::string, double> sums;
  const std::vector<std::optional<double>> medians = medians_of_calls(timed.times, timed.artifact->calls.size());
  for (size_t call = 0; call < medians.size(); ++call)
    if (medians[call]) sums[timed.artifact->calls[call].name] += *medians[call];
  for (KernelTime& kernel : report.kernels)
    if (auto found = sums.find(kernel.name); found != sums.end())
      (steps == Steps::Loads ? kernel.loads_ms : kernel.arithmetic_ms) = found->second;
}

}  // namespace

Result<BenchReport> bench(const BenchOptions& options) {
  if (options.bounds && (!options.artifact.empty() || !options.kernels))
    return fail(Code::E0601, "--bounds compiles the model's kernels three times: it goes with --kernels and an ONNX file");
  if (options.against.empty() && options.against_threads)
    return fail(Code::E0601, "--against-workers are those of another artifact", "--against ARTIFACT, which may be the same one");
  ScratchFolder scratch;
  std::vector<Timed> all;
  for (Steps steps : {Steps::All, Steps::Loads, Steps::Arithmetic}) {
    if (steps != Steps::All && !options.bounds) break;
    TENON_TRY(all.emplace_back(), open_timed(options, steps, scratch));
  }
  Artifact& artifact = *all[0].artifact;
  Dims dims = options.dims;
  const std::vector<std::string> specs = options.inputs.empty() ? std::vector<std::string>{"random:0"} : options.inputs;
  TENON_TRY(const std::vector<Tensor> inputs, load_inputs(artifact.signature(), specs, dims, false));
  if (!options.against.empty()) {
    if (options.bounds) return fail(Code::E0601, "--bounds and --against each compare with other artifacts: one at a time");
    TENON_TRY(all.emplace_back().artifact, open_artifact(options.against, options.level, options.huge_pages));
    all.back().threads = options.against_threads ? options.against_threads : options.threads;
  }
  int per_turn = 0;
  if (all.size() > 1) {
    TENON_TRY(per_turn, calls_per_turn(all, inputs, dims));
    TENON_DO(time_in_turns(all, inputs, dims, options, per_turn));
  } else {
    TENON_TRY(all[0].times, artifact.time(inputs, dims, options.threads, options.runs, options.kernels));
  }

  std::vector<double> totals;
  for (const CallTimes& t : all[0].times) totals.push_back(t.total_ms);
  std::ranges::sort(totals);
  BenchReport report{.target = artifact.target, .median_ms = quantile(totals, 0.5), .min_ms = totals.front(),
                     .runs = static_cast<int>(totals.size()), .threads = options.threads};
  report.spread = (quantile(totals, 0.9) - quantile(totals, 0.1)) / report.median_ms;
  if (options.kernels) {
    add_kernels(artifact, all[0].times, dims, report);
    report.regions = region_times(regions_of(artifact), all[0].times);
  }
  if (!options.against.empty()) {
    TENON_TRY(report.against, against_other(all, inputs, dims, per_turn, report));
  }
  if (options.bounds) add_halves(all[1], Steps::Loads, report), add_halves(all[2], Steps::Arithmetic, report);
  return report;
}

}  // namespace tenon
