// A cost model that --cost-model names.

#include "files.h"
#include "tenon/driver.h"
#include "tenon/features.h"

namespace tenon {

Result<CostModel> read_cost_model(const std::string& path) {
  TENON_TRY(const std::string text, read_file(path));
  auto model = parse_cost_model(text);
  if (model && model->features != features_hash())
    model = fail(Code::E0703, "the model was learnt with other features than this build computes", "tenon train makes one from telemetry of this build");
  if (model) return model;
  for (Diag& d : model.error()) d.file = path;
  return std::unexpected(std::move(model).error());
}

}  // namespace tenon
