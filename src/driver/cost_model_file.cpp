// The models that --cost-model and --q-model name.
#include "cost_model_file.h"

#include "files.h"
#include "tenon/driver.h"
#include "tenon/features.h"

namespace tenon {

namespace {

// Problems are of the file.
template <class Model>
Result<Model> named(Result<Model> model, const std::string& path) {
  if (model) return model;
  for (Diag& d : model.error()) d.file = path;
  return std::unexpected(std::move(model).error());
}

struct Weights {
  std::string_view name, text;
};
constexpr Weights kWeights[] = {
#include "weights.inc"
    {},
};

}  // namespace

Result<std::string> cost_model_text(const std::string& name) {
  if (name != "shipped") return read_file(name);
  if (kWeights[0].text.empty()) return fail(Code::E0703, "no cost model ships with this build", "tenon train makes one from telemetry of yours");
  return std::string(kWeights[0].text);
}

Result<CostModel> read_cost_model(const std::string& path) {
  TENON_TRY(const std::string text, cost_model_text(path));
  auto model = parse_cost_model(text);
  if (model && model->features != features_hash())
    model = fail(Code::E0703, "the model was learnt with other features than this build computes", "tenon train makes one from telemetry of this build");
  return named(std::move(model), path);
}

Result<QModel> read_q_model(const std::string& path) {
  TENON_TRY(const std::string text, read_file(path));
  return named(parse_q_model(text), path);
}

}  // namespace tenon
