// The only user of XGBoost's interface.
#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include <xgboost/c_api.h>

#include "import.h"
#include "tenon/learn.h"

namespace tenon {

namespace {

Result<void> done(int status) {
  if (status == 0) return {};
  return fail(Code::E0703, std::string("XGBoost says: ") + XGBGetLastError(), "this is a fault of Tenon's; report it with the telemetry");
}

// Handles of the library, freed with their owner.
class Matrix {
 public:
  Matrix() = default;
  Matrix(const Matrix&) = delete;
  Matrix& operator=(const Matrix&) = delete;
  ~Matrix() {
    if (handle_) XGDMatrixFree(handle_);
  }

  Result<void> make(std::span<const Timing> timings, const std::vector<size_t>& rows, const std::vector<float>& weights) {
    std::vector<float> cells, labels, margins, weighted;
    for (const size_t r : rows) {
      cells.insert(cells.end(), timings[r].features.begin(), timings[r].features.end());
      labels.push_back(static_cast<float>(std::log(timings[r].seconds)));
      margins.push_back(static_cast<float>(std::log(timings[r].prior)));
      weighted.push_back(weights[r]);
    }
    const auto count = static_cast<bst_ulong>(rows.size());
    TENON_DO(done(XGDMatrixCreateFromMat(cells.data(), count, static_cast<bst_ulong>(timings[0].features.size()), NAN, &handle_)));
    TENON_DO(done(XGDMatrixSetFloatInfo(handle_, "label", labels.data(), count)));
    TENON_DO(done(XGDMatrixSetFloatInfo(handle_, "base_margin", margins.data(), count)));
    return done(XGDMatrixSetFloatInfo(handle_, "weight", weighted.data(), count));
  }
  DMatrixHandle handle() const { return handle_; }

 private:
  DMatrixHandle handle_ = nullptr;
};

class Handle {
 public:
  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    if (booster) XGBoosterFree(booster);
  }
  BoosterHandle booster = nullptr;
};

// The first `rounds` trees.
Result<Booster> trees_of(BoosterHandle handle, int rounds) {
  bst_ulong length = 0;
  const char* text = nullptr;
  TENON_DO(done(XGBoosterSaveModelToBuffer(handle, R"({"format": "json"})", &length, &text)));
  return booster_of_json(std::string_view(text, length), rounds);
}

// A number behind the last colon of "[3]\tjudged-rmse:0.12".
double error_in(const char* text) {
  const std::string line = text;
  return std::strtod(line.c_str() + line.rfind(':') + 1, nullptr);
}

Result<Booster> grow_one(std::span<const Timing> timings, const std::vector<size_t>& drawn, const std::vector<size_t>& left_out, const std::vector<float>& weights,
                         const GrowOptions& options, uint64_t seed) {
  Matrix growing, judging;
  TENON_DO(growing.make(timings, drawn, weights));
  TENON_DO(judging.make(timings, left_out, weights));
  Handle handle;
  const DMatrixHandle matrices[] = {growing.handle(), judging.handle()};
  TENON_DO(done(XGBoosterCreate(matrices, 2, &handle.booster)));
  const std::map<std::string, std::string> parameters = {
      {"tree_method", "hist"}, {"objective", "reg:squarederror"}, {"eval_metric", "rmse"}, {"base_score", "0"}, {"max_depth", std::to_string(options.depth)},
      {"eta", std::to_string(options.eta)}, {"min_child_weight", std::to_string(options.min_child_weight)}, {"lambda", std::to_string(options.lambda)},
      {"subsample", std::to_string(options.sampled)}, {"colsample_bytree", std::to_string(options.sampled)}, {"seed", std::to_string(seed)},
      {"nthread", std::to_string(options.threads)}, {"verbosity", "0"}};
  for (const auto& [name, value] : parameters) TENON_DO(done(XGBoosterSetParam(handle.booster, name.c_str(), value.c_str())));
  int best = 0;
  double least = INFINITY;
  for (int round = 0; round < options.rounds && round - best <= options.patience; ++round) {
    TENON_DO(done(XGBoosterUpdateOneIter(handle.booster, round, growing.handle())));
    DMatrixHandle judged[] = {judging.handle()};
    const char* names[] = {"judged"};
    const char* said = nullptr;
    TENON_DO(done(XGBoosterEvalOneIter(handle.booster, round, judged, names, 1, &said)));
    if (const double error = error_in(said); error < least) least = error, best = round;
  }
  return trees_of(handle.booster, best + 1);
}

}  // namespace

Result<CostModel> grow(const std::string& features_hash, const std::vector<std::string>& names, std::span<const Timing> timings, const GrowOptions& options) {
  constexpr double kLeastWeight = 0.05, kNoise = 0.02;
  constexpr size_t kFewestGroups = 4;
  std::map<int, std::vector<size_t>> groups;
  std::map<int, double> fastest;
  for (size_t k = 0; k < timings.size(); ++k) {
    const Timing& t = timings[k];
    const bool right = t.features.size() == names.size() && std::isfinite(t.prior) && std::isfinite(t.seconds) && t.prior > 0 && t.seconds > 0 && t.noise >= 0 &&
                       std::ranges::none_of(t.features, [](float x) { return std::isinf(x); });
    if (!right) return fail(Code::E0703, "timing " + std::to_string(k) + " has times that are not positive, or features that do not fit", "tenon telemetry stats");
    groups[t.group].push_back(k);
    const auto [at, fresh] = fastest.emplace(t.group, t.seconds);
    if (!fresh) at->second = std::min(at->second, t.seconds);
  }
  if (groups.size() < kFewestGroups)
    return fail(Code::E0703, std::to_string(groups.size()) + " groups of timings are too few to learn from", "tune more models: tenon tune");
  std::vector<float> weights;
  for (const Timing& t : timings)
    weights.push_back(static_cast<float>(std::clamp(fastest[t.group] / t.seconds, kLeastWeight, 1.0) * kNoise * kNoise / (t.noise * t.noise + kNoise * kNoise)));
  std::vector<const std::vector<size_t>*> all;
  for (const auto& [group, rows] : groups) all.push_back(&rows);
  CostModel model{.features = features_hash, .names = names, .provenance = {}, .boosters = {}};
  for (int b = 0; b < options.boosters; ++b) {
    // Multiply-shift instead of a distribution, whose results libraries differ in.
    std::mt19937_64 dice(options.seed * 1000003 + static_cast<uint64_t>(b));
    auto draw = [&] { return static_cast<size_t>(((dice() >> 32) * all.size()) >> 32); };
    std::vector<bool> taken(all.size());
    std::vector<size_t> drawn, left_out;
    do {
      taken.assign(all.size(), false), drawn.clear(), left_out.clear();
      for (size_t k = 0; k < all.size(); ++k) {
        const size_t g = draw();
        taken[g] = true;
        drawn.insert(drawn.end(), all[g]->begin(), all[g]->end());
      }
      for (size_t g = 0; g < all.size(); ++g)
        if (!taken[g]) left_out.insert(left_out.end(), all[g]->begin(), all[g]->end());
    } while (left_out.empty());
    std::ranges::sort(drawn);
    TENON_TRY(model.boosters.emplace_back(), grow_one(timings, drawn, left_out, weights, options, options.seed + static_cast<uint64_t>(b)));
  }
  return model;
}

}  // namespace tenon
