// The models that --cost-model and --q-model name.
#include "cost_model_file.h"

#include "files.h"
#include "tenon/driver.h"
#include "tenon/features.h"

namespace tenon {

std::string_view shipped_weights();  // made by the build; empty: none ship

namespace {

// Problems are of the file.
template <class Model>
Result<Model> named(Result<Model> model, const std::string& path) {
  if (model) return model;
  for (Diag& d : model.error()) d.file = path;
  return std::unexpected(std::move(model).error());
}

// Of what ships, or of a file, whose text is put into `kept`.
Result<std::string_view> text_of(const std::string& name, std::string& kept) {
  if (name != kShipped) {
    TENON_TRY(kept, read_file(name));
    return kept;
  }
  if (shipped_weights().empty()) return fail(Code::E0703, "no cost model ships with this build", "tenon train makes one from telemetry of yours");
  return shipped_weights();
}

}  // namespace

Result<std::string> cost_model_text(const std::string& name) {
  std::string kept;
  TENON_TRY(const std::string_view text, text_of(name, kept));
  return std::string(text);
}

WhoDecides who_decides(const CompileOptions& options) {
  WhoDecides decider{.policy = options.policy, .cost_model = options.cost_model};
  if (decider.cost_model.empty() && decider.policy != spelling(Policy::Rules) && !shipped_weights().empty()) decider.cost_model = kShipped;
  if (decider.policy.empty()) decider.policy = spelling(decider.cost_model.empty() ? Policy::Rules : Policy::Hybrid);
  return decider;
}

Result<CostModel> read_cost_model(const std::string& path) {
  std::string kept;
  TENON_TRY(const std::string_view text, text_of(path, kept));
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
