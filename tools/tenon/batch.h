// tenon compile --manifest.
#pragma once

#include "model_options.h"

namespace tenon::cli {

// Exit code: that of the worst failure.
int run_batch(const std::string& manifest, const ModelArguments& arguments, Console& console);

}  // namespace tenon::cli
