// What XGBoost saves, as plain trees.
#pragma once

#include <string_view>

#include "tenon/trees.h"

namespace tenon {

// The first `trees` of a model in XGBoost's JSON. Throws nlohmann's exceptions where it is none.
Booster booster_of_json(std::string_view json, int trees);

}  // namespace tenon
