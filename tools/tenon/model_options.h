// The options of every command that reads a model, and what they mean.
#pragma once

#include "command.h"
#include "tenon/driver.h"

namespace tenon::cli {

// As typed, empty where not given; to_options() checks and converts.
struct ModelArguments {
  std::string model, output, name, level, emit, weights, threads, policy, cost_model, q_model, tune_at, precision, providers, schedule, locked, depfile, cache_dir;
  std::vector<std::string> targets, dims, shapes, print_after;
  std::string cpu_dispatch;
  std::vector<std::string> states;
  int jobs = 0, beam_width = BeamOptions().width, beam_budget = static_cast<int>(BeamOptions().budget);
  bool verify_each = false, time_passes = false;
};

Option model_row(ModelArguments& arguments, bool required);
Option level_row(std::string& level);                         // --level: of a compiled artifact
Option huge_pages_row(bool& huge_pages);
std::vector<Option> import_rows(ModelArguments& arguments);  // --dim, --shape
std::vector<Option> code_rows(ModelArguments& arguments);    // --target, -O, --policy ... : how to compile
std::vector<Option> output_rows(ModelArguments& arguments);  // -o, --name, --emit ... : what to write

Result<CompileOptions> to_options(const ModelArguments& arguments, Console& console);
// The same for each of several models, which get those of the dims that they have. E0601: none of them has one.
Result<std::vector<CompileOptions>> options_of_models(const ModelArguments& arguments, const std::vector<std::string>& models, Console& console);
Result<std::map<std::string, DimRange>> parse_dims(const std::vector<std::string>& texts);
// Dims of one run: no ranges.
Result<std::map<std::string, int64_t>> parse_values(const std::vector<std::string>& texts);

std::vector<Option> joined(std::initializer_list<std::vector<Option>> groups);

}  // namespace tenon::cli
