#include "points.h"

#include <algorithm>
#include <chrono>

#include "../files.h"
#include "../lock.h"
#include "../scratch_folder.h"
#include "runner.h"
#include "tenon/policy.h"

namespace tenon {

namespace {

using Clock = std::chrono::steady_clock;

class PointTuner {
 public:
  explicit PointTuner(const TuneOptions& options) : options_(options) {}

  Result<TuneReport> run() {
    TENON_TRY(model_, lower_model(options_.compile));
    report_.target = model_.target.name, report_.verified = true, report_.result = {.median_ms = 0, .ratio = 0, .low = 0, .high = 0};
    const std::vector<Point>& points = options_.compile.tune_at;
    report_.plan = model_.plan;
    for (size_t k = 0; k < points.size(); ++k) TENON_DO(search(points[k], points.size() - k));
    for (double* ratio : {&report_.result.ratio, &report_.result.low, &report_.result.high}) *ratio /= report_.rules_ms;
    TENON_DO(check());
    if (!options_.output.empty()) {
      TENON_TRY(const std::string lock, print_lock(report_.plan, model_.graph, model_.target, options_.compile));
      TENON_DO(write_file(options_.output, lock));
    }
    report_.seconds = seconds();
    return std::move(report_);
  }

 private:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  // As `options_`, at a point; `left`: points that share what is left of the budget.
  TuneOptions at(const Point& point, size_t left) const {
    TuneOptions options = options_;
    options.output.clear();
    options.compile.tune_at.clear();
    for (const auto& [dim, value] : point.key) options.compile.import.dims[dim] = {value, value};
    for (const auto& [dim, value] : point.all()) options.dims[dim] = value;
    const auto shares = static_cast<double>(left);
    if (options.seconds > 0) options.seconds = std::max(1.0, (options.seconds - seconds()) / shares);
    if (options.timings > 0) options.timings = std::max<int64_t>(1, (options.timings - report_.timings) / static_cast<int64_t>(left));  // 0 would be no limit
    options.progress = [this, point, spent = report_.timings](TuneProgress progress) {
      progress.point = print(point);
      progress.timings += spent, progress.seconds = seconds(), progress.all = options_.timings;
      if (options_.progress) options_.progress(progress);
    };
    return options;
  }

  Result<void> search(const Point& point, size_t left) {
    const TuneOptions options = at(point, left);
    TunePlace place{.model = {.target = model_.target, .graph = {}, .plan = {}, .module = {}}, .judged = {}, .keep = {}};
    TENON_TRY(place.model.graph, bind_dims(model_.graph, point.key));
    TENON_TRY(place.judged, bind_dims(place.model.graph, point.others));
    TENON_TRY(place.model.plan, plan_at(model_.plan, point.key));
    TENON_TRY(place.model.module, build_module(place.model.graph, place.model.plan, place.model.target, options.compile.passes));
    place.keep = [&](RegionGroup& group) {
      const RegionPlan& first = model_.plan.regions[group.regions[0]];
      if (!has_own_variants(model_.graph, first, point.key)) return false;
      keep_form(group.space, model_.graph, first);
      return group.space.size() > 1;
    };
    TENON_TRY(TuneReport found, tune_place(options, place));
    if (found.faster) add_variants(model_.graph, report_.plan, point.key, found.plan);
    for (TunedRegion& region : found.regions) region.point = print(point), report_.regions.push_back(std::move(region));
    report_.points.push_back({.point = print(point), .rules_ms = found.rules_ms, .result = found.result, .faster = found.faster});
    report_.timings += found.timings, report_.resumed += found.resumed, report_.wrong += found.wrong, report_.crashed += found.crashed, report_.timeouts += found.timeouts;
    report_.refused += found.refused, report_.repeated += found.repeated, report_.disturbed += found.disturbed;
    report_.faster |= found.faster, report_.verified &= found.verified;
    // One call at each point.
    report_.rules_ms += found.rules_ms, report_.result.median_ms += found.result.median_ms;
    report_.result.ratio += found.result.ratio * found.rules_ms, report_.result.low += found.result.low * found.rules_ms, report_.result.high += found.result.high * found.rules_ms;
    return {};
  }

  // The one artifact that has the schedules of all points, at each of them.
  Result<void> check() {
    if (!report_.faster || runs_jobs(options_)) return {};
    ScratchFolder scratch;
    model_.plan = report_.plan;
    TENON_TRY(model_.module, build_module(model_.graph, model_.plan, model_.target, options_.compile.passes));
    const std::string folder = (scratch.path() / "found").string();
    CompileOptions compile = options_.compile;
    compile.progress = {}, compile.weights = Weights::File;
    TENON_TRY(const ArtifactSummary made, generate_artifact(model_, folder, compile));
    for (const Point& point : options_.compile.tune_at) {
      const TuneOptions options = at(point, 1);
      TENON_TRY(const VerifyReport verified, verify({.compile = options.compile, .artifact = folder, .inputs = options.inputs, .dims = options.dims, .threads = options.threads, .output = {}, .level = {}}));
      if (!verified.passed) return fail(Code::E0501, "what was found is wrong at " + print(point), "tenon verify says more");
    }
    return {};
  }

  const TuneOptions& options_;
  const Clock::time_point start_ = Clock::now();
  Lowered model_;  // its plan: what rules choose, at the points, too
  TuneReport report_;
};

}  // namespace

Result<TuneReport> tune_points(const TuneOptions& options) { return PointTuner(options).run(); }

}  // namespace tenon
