#include "policy_models.h"

#include <fmt/format.h>

#include <filesystem>

#include "policy_records.h"

namespace tenon::cli {

std::vector<Option> policy_model_rows(PolicyModels& a) {
  return {{"model", "MODEL", "ONNX files, with dims behind a colon: m.onnx, bert.onnx:B=1,S=128", &a.files, {}, true},
          {"--target", "TARGET", "Whose rates and spaces count, as in `tenon compile`", &a.compile.targets},
          {"--cost-model", "FILE", "Cost model of `tenon train` that predicts times; default: the roofline prior", &a.compile.cost_model},
          {"--precision", "PRECISION", "As in `tenon compile`", &a.compile.precision, {"strict", "fast", "bf16", "fp16"}},
          {"--measured", "FILE", "Records of `tenon evaluate-policy --measure --json` to correct what is predicted by; repeatable", &a.measured}};
}

PlanTimesOptions LoadedPolicyModels::times() const {
  const std::optional<CostModel>& model = models[0].cost_model;
  return {.precision = options[0].precision, .providers = options[0].providers, .model = model ? &*model : nullptr};
}

Result<std::unique_ptr<LoadedPolicyModels>> load_policy_models(const PolicyModels& a, Console& console) {
  auto loaded = std::make_unique<LoadedPolicyModels>();
  for (const std::string& word : a.files) {
    ModelArguments one = a.compile;
    const size_t colon = word.rfind(':');
    const bool dims = colon != std::string::npos && word.find('=', colon) != std::string::npos;
    one.model = dims ? word.substr(0, colon) : word;
    for (size_t at = colon + 1; dims && at < word.size();) {
      const size_t end = std::min(word.find(',', at), word.size());
      one.dims.push_back(word.substr(at, end - at));
      at = end + 1;
    }
    TENON_TRY(CompileOptions options, to_options(one, console));
    options.progress = {}, options.warn = {};
    console.progress(one.model, static_cast<int>(loaded->models.size()), static_cast<int>(a.files.size()));
    TENON_TRY(PreparedModel model, prepare(options));
    loaded->options.push_back(std::move(options)), loaded->models.push_back(std::move(model));
  }
  for (size_t m = 0; m < loaded->models.size(); ++m)
    loaded->tasks.push_back({.name = std::filesystem::path(loaded->options[m].model).stem().string(), .graph = &loaded->models[m].graph, .measured = {}});
  for (const std::string& file : a.measured) TENON_DO(read_measured_plans(file, loaded->models[0].target.name, loaded->tasks));
  return loaded;
}

}  // namespace tenon::cli
