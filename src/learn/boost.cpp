// The only caller of XGBoost.
#include "boost.h"

#include <cmath>
#include <map>

#include "import.h"
#include "xgboost_library.h"

namespace tenon {

namespace {

Result<void> done(const XgboostLibrary& library, int status) {
  if (status == 0) return {};
  return fail(Code::E0703, std::string("XGBoost says: ") + library.XGBGetLastError(), "this is a fault of Tenon's; report it with the telemetry");
}

// Handles of the library, freed with their owner.
class Matrix {
 public:
  explicit Matrix(const XgboostLibrary& library) : library_(library) {}
  Matrix(const Matrix&) = delete;
  Matrix& operator=(const Matrix&) = delete;
  ~Matrix() {
    if (handle_) library_.XGDMatrixFree(handle_);
  }

  Result<void> make(const Table& table) {
    const auto rows = static_cast<bst_ulong>(table.labels.size());
    TENON_DO(done(library_, library_.XGDMatrixCreateFromMat(table.cells.data(), rows, static_cast<bst_ulong>(table.cells.size()) / rows, NAN, &handle_)));
    TENON_DO(done(library_, library_.XGDMatrixSetFloatInfo(handle_, "label", table.labels.data(), rows)));
    TENON_DO(done(library_, library_.XGDMatrixSetFloatInfo(handle_, "base_margin", table.margins.data(), rows)));
    return done(library_, library_.XGDMatrixSetFloatInfo(handle_, "weight", table.weights.data(), rows));
  }
  DMatrixHandle handle() const { return handle_; }

 private:
  const XgboostLibrary& library_;
  DMatrixHandle handle_ = nullptr;
};

class Handle {
 public:
  explicit Handle(const XgboostLibrary& library) : library_(library) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    if (booster) library_.XGBoosterFree(booster);
  }
  BoosterHandle booster = nullptr;

 private:
  const XgboostLibrary& library_;
};

// A number behind the last colon of "[3]\tjudged-rmse:0.12".
double error_in(const char* text) {
  const std::string line = text;
  return std::strtod(line.c_str() + line.rfind(':') + 1, nullptr);
}

}  // namespace

Result<Booster> boost(const Table& growing, const Table& judging, Objective objective, const GrowOptions& options, uint64_t seed) {
  TENON_TRY(const XgboostLibrary* const opened, xgboost_library());
  const XgboostLibrary& library = *opened;
  Matrix grown(library), judged(library);
  TENON_DO(grown.make(growing));
  TENON_DO(judged.make(judging));
  Handle handle(library);
  const DMatrixHandle matrices[] = {grown.handle(), judged.handle()};
  TENON_DO(done(library, library.XGBoosterCreate(matrices, 2, &handle.booster)));
  const bool squares = objective == Objective::Squares;
  const std::map<std::string, std::string> parameters = {
      {"tree_method", "hist"}, {"objective", squares ? "reg:squarederror" : "binary:logistic"}, {"eval_metric", squares ? "rmse" : "logloss"},
      {"base_score", squares ? "0" : "0.5"}, {"max_depth", std::to_string(options.depth)}, {"eta", std::to_string(options.eta)},
      {"min_child_weight", std::to_string(options.min_child_weight)}, {"lambda", std::to_string(options.lambda)}, {"subsample", std::to_string(options.sampled)},
      {"colsample_bytree", std::to_string(options.sampled)}, {"seed", std::to_string(seed)}, {"nthread", std::to_string(options.threads)}, {"verbosity", "0"}};
  for (const auto& [name, value] : parameters) TENON_DO(done(library, library.XGBoosterSetParam(handle.booster, name.c_str(), value.c_str())));
  int best = 0;
  double least = INFINITY;
  for (int round = 0; round < options.rounds && round - best <= options.patience; ++round) {
    TENON_DO(done(library, library.XGBoosterUpdateOneIter(handle.booster, round, grown.handle())));
    DMatrixHandle watched[] = {judged.handle()};
    const char* names[] = {"judged"};
    const char* said = nullptr;
    TENON_DO(done(library, library.XGBoosterEvalOneIter(handle.booster, round, watched, names, 1, &said)));
    if (const double error = error_in(said); error < least) least = error, best = round;
  }
  bst_ulong length = 0;
  const char* text = nullptr;
  TENON_DO(done(library, library.XGBoosterSaveModelToBuffer(handle.booster, R"({"format": "json"})", &length, &text)));
  return booster_of_json(std::string_view(text, length), best + 1);
}

}  // namespace tenon
