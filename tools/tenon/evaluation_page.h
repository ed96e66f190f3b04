// `tenon evaluate-model --html`: tables and plots in one file.
#pragma once

#include <string>

#include "tenon/evaluate.h"

namespace tenon::cli {

std::string evaluation_page(const EvaluationReport& report);

}  // namespace tenon::cli
