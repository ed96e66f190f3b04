// The JSON record of `tenon evaluate-model`: docs/schemas.md.
#pragma once

#include <string>

#include "tenon/evaluate.h"

namespace tenon::cli {

std::string evaluation_record(const EvaluationReport& report);

}  // namespace tenon::cli
