#include "model_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "pass_options.h"

namespace tenon::cli {

namespace {

// "input:1x3xHxW"; a name may itself have colons.
Result<std::map<std::string, std::vector<std::string>>> parse_shapes(const std::vector<std::string>& texts) {
  std::map<std::string, std::vector<std::string>> shapes;
  for (const std::string& text : texts) {
    const size_t colon = text.rfind(':');
    if (colon == std::string::npos || colon == 0)
      return fail(Code::E0601, "--shape " + text + " is not understood", "--shape INPUT:1x3x224x224");
    std::vector<std::string>& dims = shapes[text.substr(0, colon)];
    for (size_t at = colon + 1; at < text.size();) {
      const size_t end = std::min(text.find('x', at), text.size());
      dims.push_back(text.substr(at, end - at));
      at = end + 1;
    }
  }
  return shapes;
}

}  // namespace

Option model_row(ModelArguments& a, bool required) {
  return {"model", "MODEL", "An ONNX file", &a.model, {}, required};
}

Option level_row(std::string& level) {
  return {"--level", "TARGET", "Run this part of an artifact that was compiled with --cpu-dispatch; default: the best", &level};
}

Option huge_pages_row(bool& huge_pages) {
  return {"--huge-pages", "", "Ask the kernel for large pages under the workspace and a weights file", &huge_pages};
}

std::vector<Option> import_rows(ModelArguments& a) {
  return {
      {"--dim", "NAME=RANGE", "Bind a symbolic dimension, N=1, or limit it, N=1..8; repeatable", &a.dims},
      {"--shape", "INPUT:DIMS", "Dimensions of an input, as in images:1x3xHxW; repeatable", &a.shapes},
  };
}

std::vector<Option> code_rows(ModelArguments& a) {
  return {
      {"--target", "TARGET", "A name of `tenon targets`, a .toml file, or native; repeatable", &a.targets},
      {"--cpu-dispatch", "LIST", "Targets in one artifact that picks where it runs, least first: v2,v3,v4,sapphirerapids", &a.cpu_dispatch},
      {"-O", "LEVEL", "Optimisation level", &a.level, {"0", "1", "2", "3"}},
      {"--policy", "POLICY", "Who decides what to fuse and how to schedule it: rules; model: whatever a cost model thinks is fastest; hybrid: the model where it knows the device and is sure, else rules; beam: the planner's answers by beam search, schedules as model; rl: the same, led by --q-model; default: hybrid, in `tune` and `adapt` rules", &a.policy, {"rules", "model", "hybrid", "beam", "rl"}},
      {"--cost-model", "FILE", "Cost model of `tenon train` that the policy asks; default: shipped, the one that this build has", &a.cost_model},
      {"--q-model", "FILE", "Model of the planner's answers, of `tenon train-policy`, that --policy rl asks", &a.q_model},
      {"--beam-width", "N", "With --policy beam or rl: plans that are kept after each question; default: 4", &a.beam_width},
      {"--beam-budget", "N", "With --policy beam or rl: plans that are evaluated; default: 128", &a.beam_budget},
      {"--tune-at", "LIST", "Bindings of dims that stay symbolic at which regions get kernels and schedules of their own, as S=1,S=128, or with other dims to choose by, S=1,P=512,S=128,P=0: those of each are called for its S, whatever P", &a.tune_at},
      {"--precision", "PRECISION", "What products of f32 may lose: strict: nothing; bf16: operands are rounded to bf16, sums stay f32; fast: sums stay f32, and 3x3 convolutions may be computed by Winograd's transforms where that is faster, which loses one to two digits, and functions by polynomials within 2^-18; fp16: weights are stored in f16 where that saves time, and where the target multiplies f16 faster, operands are rounded to it and short blocks summed in it", &a.precision, {"strict", "fast", "bf16", "fp16"}},
      {"--providers", "LIST", "Whose code may compute a region besides Tenon's own: onednn: where the target file says that it is faster; onednn-everywhere: wherever it can. The artifact then needs the library", &a.providers, {"none", "onednn", "onednn-everywhere"}},
      {"--schedule", "FILE", "Replay a schedule that --emit schedule wrote", &a.schedule},
      {"--locked", "FILE", "Replay a lock file that `tenon tune` wrote, or say why it does not fit", &a.locked},
      {"--state", "PAST=PRESENT", "Grow an output in its input's buffer, as 'past.*=present.*'; repeatable", &a.states},
      {"--threads", "MODE", "How the artifact uses threads", &a.threads, {"none", "callback", "pool"}},
      {"-j,--jobs", "N", "Threads that compile; 0: one per core", &a.jobs},
      {"--print-after", "PASS", "Print the IR after a pass of `tenon-opt --list`, after `lower`, or after all; repeatable", &a.print_after},
      {"--verify-each", "", "Check the IR after every pass", &a.verify_each},
      {"--time-passes", "", "Print how long each pass took", &a.time_passes},
  };
}

std::vector<Option> output_rows(ModelArguments& a) {
  std::string emits;
  for (const EmitInfo& info : emit_table()) emits += (emits.empty() ? "" : ",") + std::string(info.spelling);
  return {
      {"-o,--output", "DIR", "Folder to write; one folder per target below it if there are several",
       &a.output},
      {"--name", "NAME", "Name of the model in C; default: from the file's name", &a.name},
      {"--emit", "LIST", "What to write, from " + emits, &a.emit},
      {"--weights",
       "WHERE",
       "Weights inside the library, or in a file beside it",
       &a.weights,
       {"embed", "file"}},
      {"--cache-dir", "DIR", "Keep artifacts there and take them from there; default: $TENON_CACHE_DIR, or none", &a.cache_dir},
      {"--depfile", "FILE", "Write a Make rule with every file that was read", &a.depfile},
  };
}

Result<std::map<std::string, DimRange>> parse_dims(const std::vector<std::string>& texts) {
  std::map<std::string, DimRange> dims;
  for (const std::string& text : texts) {
    const size_t equal = text.find('=');
    const auto parsed = equal == std::string::npos || equal == 0
                            ? std::nullopt
                            : parse_range(std::string_view(text).substr(equal + 1));
    if (!parsed)
      return fail(Code::E0601, "--dim " + text + " is not understood", "--dim N=1 or --dim N=1..8");
    dims[text.substr(0, equal)] = *parsed;
  }
  return dims;
}

Result<std::map<std::string, int64_t>> parse_values(const std::vector<std::string>& texts) {
  TENON_TRY(const auto ranges, parse_dims(texts));
  std::map<std::string, int64_t> values;
  for (const auto& [name, dim] : ranges) {
    if (dim.lo != dim.hi)
      return fail(Code::E0601, "--dim " + name + " needs one value here", "--dim " + name + "=1");
    values[name] = dim.lo;
  }
  return values;
}

Result<CompileOptions> to_options(const ModelArguments& a, Console& console) {
  CompileOptions options{.model = a.model, .name = a.name, .targets = a.targets};
  for (size_t at = 0; at < a.cpu_dispatch.size();) {
    const size_t end = std::min(a.cpu_dispatch.find(',', at), a.cpu_dispatch.size());
    options.cpu_dispatch.push_back(a.cpu_dispatch.substr(at, end - at));
    at = end + 1;
  }
  if (!a.output.empty()) options.output = a.output;
  TENON_TRY(options.import.dims, parse_dims(a.dims));
  TENON_TRY(options.import.shapes, parse_shapes(a.shapes));
  if (!a.emit.empty()) {
    TENON_TRY(options.emit, parse_emit(a.emit));
  }
  // Rows with choices: the parser has checked them.
  options.weights = parse_weights(a.weights).value_or(options.weights);
  options.threads = parse_threads(a.threads).value_or(options.threads);
  if (!a.policy.empty()) options.policy = a.policy;
  options.precision = parse_precision(a.precision).value_or(options.precision);
  options.providers = parse_providers(a.providers).value_or(options.providers);
  options.cost_model = a.cost_model;
  options.q_model = a.q_model;
  if (a.beam_width < 1) return fail(Code::E0601, fmt::format("--beam-width {}: it takes one at least", a.beam_width));
  if (a.beam_budget < 0) return fail(Code::E0601, fmt::format("--beam-budget {}: it cannot be negative", a.beam_budget));
  options.beam = {.width = a.beam_width, .budget = a.beam_budget};
  if (!a.tune_at.empty()) {
    TENON_TRY(options.tune_at, parse_points(a.tune_at));
  }
  options.schedule = a.schedule;
  options.locked = a.locked;
  options.states = a.states;
  options.depfile = a.depfile;
  if (!a.level.empty()) options.level = a.level[0] - '0';
  options.jobs = a.jobs;
  TENON_TRY(options.passes, pass_options({a.print_after, a.verify_each, a.time_passes}, console));
  const char* cache = std::getenv("TENON_CACHE_DIR");
  options.cache_dir = a.cache_dir.empty() && cache ? cache : a.cache_dir;
  if (console.verbose()) options.remark = [&console](std::string_view text) { console.remark(text); };
  options.warn = [&console](const Diag& diag) { console.report(diag); };
  options.progress = [&console](std::string_view stage, int done, int total) {
    console.progress(stage, done, total);
  };
  return options;
}

Result<std::vector<CompileOptions>> options_of_models(const ModelArguments& a, const std::vector<std::string>& models, Console& console) {
  TENON_TRY(const CompileOptions common, to_options(a, console));
  if (models.size() > 1 && !common.import.shapes.empty()) return fail(Code::E0601, "--shape names an input of one model, and there are several", "--dim NAME=VALUE counts for all models that have it");
  std::vector<CompileOptions> all;
  std::set<std::string> unused;
  for (const auto& [name, range] : common.import.dims) unused.insert(name);
  for (const std::string& model : models) {
    CompileOptions& options = all.emplace_back(common);
    options.model = model;
    if (models.size() == 1) return all;  // the importer says what is unused
    TENON_TRY(const InspectReport report, inspect(model, {}));
    std::erase_if(options.import.dims, [&](const auto& dim) { return std::ranges::count(report.signature.symbols, dim.first, &SymbolInfo::name) == 0; });
    for (const auto& [name, range] : options.import.dims) unused.erase(name);
  }
  if (!unused.empty()) return fail(Code::E0601, "no input of any of the models has a dim '" + *unused.begin() + "'");
  return all;
}

std::vector<Option> joined(std::initializer_list<std::vector<Option>> groups) {
  std::vector<Option> all;
  for (const std::vector<Option>& group : groups) all.insert(all.end(), group.begin(), group.end());
  return all;
}

}  // namespace tenon::cli
