// The spine: model -> graph -> plan -> loops -> code -> artifact.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <mutex>

#include "cache.h"
#include "cost_model_file.h"
#include "files.h"
#include "beyond_f16.h"
#include "islands.h"
#include "lock.h"
#include "lowered.h"
#include "package.h"
#include "parallel.h"
#include "signature.h"
#include "states.h"
#include "tenon/hash.h"
#include "tenon/ops.h"
#include "tenon/policies.h"
#include "tenon/runtime.h"

namespace tenon {

namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kMostLevels = 64;  // a bound model keeps the level's number in the low bits of a pointer

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Reports of several threads, one at a time.
class Progress {
 public:
  Progress(const CompileOptions& options, int total) : options_(options), total_(total) {}
  template <class Body>
  auto stage(std::string_view name, Body body) {
    {
      std::scoped_lock lock(mutex_);
      if (options_.progress) options_.progress(name, done_++, total_);
    }
    const Clock::time_point start = Clock::now();
    auto result = body();
    std::scoped_lock lock(mutex_);
    if (options_.passes.timing) options_.passes.timing(name, seconds_since(start));
    return result;
  }
  // The caller's hooks behind the same lock.
  PassOptions passes(bool unsigned_bytes = false) {
    PassOptions out = options_.passes;
    out.level = options_.level;
    out.unsigned_bytes = unsigned_bytes;
    guard(out.after_graph);
    guard(out.after_loops);
    guard(out.timing);
    return out;
  }

 private:
  template <class... Arguments>
  void guard(std::function<void(Arguments...)>& hook) {
    if (hook) hook = [this, inner = std::move(hook)](Arguments... arguments) {
      std::scoped_lock lock(mutex_);
      inner(arguments...);
    };
  }
  const CompileOptions& options_;
  int done_ = 0, total_;
  std::mutex mutex_;
};

Result<std::vector<Target>> load_targets(const CompileOptions& options) {
  std::vector<std::string> names = options.targets;
  if (!options.cpu_dispatch.empty() && !names.empty())
    return fail(Code::E0601, "--target and --cpu-dispatch do not go together", "name all targets in --cpu-dispatch");
  for (const std::string& name : options.cpu_dispatch) names.push_back(full_target_name(name));
  if (names.empty()) names.push_back(default_target());
  std::vector<Target> targets;
  Diags problems;
  for (const std::string& name : names) {
    if (Result<Target> target = load_target(name)) {
      if (std::ranges::find(targets, target->name, &Target::name) != targets.end())
        return fail(Code::E0601, "target " + target->name + " is given twice");
      targets.push_back(std::move(*target));
    } else problems.insert(problems.end(), target.error().begin(), target.error().end());
  }
  if (!problems.empty()) return std::unexpected(std::move(problems));
  return targets;
}

// Levels of one artifact, from the least to the best.
Result<void> check_levels(std::span<const Target> levels) {
  if (levels.size() < 2 || levels.size() > kMostLevels)
    return fail(Code::E0601, "--cpu-dispatch needs 2 to " + std::to_string(kMostLevels) + " targets", "--cpu-dispatch v2,v3,v4");
  for (const Target& level : levels)
    if (level.triple != levels[0].triple || level.abi != levels[0].abi || level.freestanding != levels[0].freestanding)
      return fail(Code::E0601, "--cpu-dispatch: " + level.name + " is not of the architecture of " + levels[0].name,
                  "one artifact is for one architecture");
  for (size_t k = 0; k < levels.size(); ++k)
    for (size_t better = k + 1; better < levels.size(); ++better) {
      auto needs = [&](const std::string& feature) { return std::ranges::count(levels[k].cpu_check, feature) > 0; };
      if (std::ranges::all_of(levels[better].cpu_check, needs))
        return fail(Code::E0601, "--cpu-dispatch: " + levels[k].name + " would never run, " + levels[better].name +
                                     " comes after it and needs no more", "from the least to the best: --cpu-dispatch v2,v3,v4");
    }
  return {};
}

Result<std::string> model_name(const CompileOptions& options) {
  if (options.name.empty()) return c_identifier(fs::path(options.model).stem().string());
  if (!is_c_identifier(options.name))
    return fail(Code::E0601, "--name " + options.name + " is not a C identifier");
  return options.name;
}

struct Loaded {
  Graph graph;      // where byte products take signed operands
  Graph unsigned_bytes;
  std::vector<std::string> sources;

  const Graph& of(const Target& target) const { return prefers_unsigned_bytes(target) ? unsigned_bytes : graph; }
};

// The graph after its passes, in the forms that the targets need.
Result<Loaded> load_graph(const CompileOptions& options, std::span<const Target> targets, Progress& progress) {
  TENON_TRY(std::string name, model_name(options));
  TENON_TRY(Graph graph, progress.stage("import", [&] { return import_onnx(options.model, options.import); }));
  graph.name = std::move(name);
  std::vector<std::string> sources = std::move(graph.sources);
  Loaded loaded{.graph = {}, .unsigned_bytes = {}, .sources = std::move(sources)};
  const auto wants = [&](bool is_unsigned) { return std::ranges::count(targets, is_unsigned, prefers_unsigned_bytes) > 0; };
  const bool both = wants(true) && wants(false);
  for (bool is_unsigned : {true, false}) {
    if (!wants(is_unsigned)) continue;
    Graph& made = is_unsigned ? loaded.unsigned_bytes : loaded.graph;
    made = both && is_unsigned ? graph : std::move(graph);
    TENON_TRY(made, run_graph_passes(std::move(made), progress.passes(is_unsigned)));
    TENON_DO(add_states(made, options.states));
    if (options.warn && !(both && is_unsigned)) std::ranges::for_each(float_islands(made), options.warn);
  }
  return loaded;
}

// Make's syntax: the manifests need every file that was read.
Result<void> write_depfile(const CompileOptions& options, const std::vector<std::string>& sources,
                           const std::vector<std::string>& folders) {
  if (options.depfile.empty()) return {};
  auto escaped = [](const std::string& path) {
    std::string out;
    for (char c : path) {
      if (c == ' ' || c == '#' || c == '\\') out += '\\';
      if (c == '$') out += '$';
      out += c;
    }
    return out;
  };
  std::string text;
  for (const std::string& folder : folders) text += escaped((fs::path(folder) / "manifest.json").string()) + " ";
  text += ":";
  for (const std::string& source : sources) text += " " + escaped(source);
  for (const std::string* file : {&options.schedule, &options.locked, &options.cost_model, &options.q_model})
    if (!file->empty() && *file != kShipped) text += " " + escaped(*file);
  for (const auto* targets : {&options.targets, &options.cpu_dispatch})
    for (const std::string& target : *targets)
      if (target.ends_with(".toml")) text += " " + escaped(target);
  return write_file(options.depfile, text + "\n");
}

// A plan that is replayed has no decisions.
Result<PolicyPlan> make_plan(const Graph& graph, const Target& target, const CompileOptions& options, const std::function<bool(const Decision&)>& explain = {}) {
  if (!options.locked.empty()) {
    TENON_TRY(const std::string text, read_file(options.locked));
    auto plan = parse_lock(text, graph, target, options);
    if (plan) return PolicyPlan{std::move(*plan), {}};
    for (Diag& d : plan.error()) d.file = options.locked;
    return std::unexpected(std::move(plan).error());
  }
  if (!options.schedule.empty()) {
    TENON_TRY(const std::string text, read_file(options.schedule));
    auto plan = parse_plan(text, graph);
    Result<void> fits = plan ? verify_plan(graph, *plan) : Result<void>(std::unexpected(plan.error()));
    if (fits && plan->target != target.name)
      fits = fail(Code::E0403, "the schedule was made for target " + plan->target + ", not " + target.name, "make a new one with --emit schedule");
    if (fits) return PolicyPlan{std::move(*plan), {}};
    for (Diag& d : fits.error()) d.file = options.schedule;
    return std::unexpected(std::move(fits).error());
  }
  const WhoDecides decider = who_decides(options);
  const auto policy = parse_policy(decider.policy);
  if (!policy) return fail(Code::E0601, "--policy " + decider.policy + " is not known", "the policies are: " + policy_words());
  std::optional<CostModel> model;
  if (!decider.cost_model.empty()) {
    TENON_TRY(model, read_cost_model(decider.cost_model));
  }
  std::optional<QModel> q_model;
  if (!options.q_model.empty()) {
    TENON_TRY(q_model, read_q_model(options.q_model));
  }
  auto chosen = choose_plan(graph, target, {.policy = *policy, .model = model ? &*model : nullptr, .q_model = q_model ? &*q_model : nullptr, .beam = options.beam, .precision = options.precision, .providers = options.providers, .points = options.tune_at, .workers = options.threads != Threads::None, .explain = explain});
  if (chosen && options.warn && options.precision == Precision::Fp16) std::ranges::for_each(beyond_f16(graph, chosen->plan), options.warn);
  // What nobody asked for needs no warning.
  if (chosen && options.warn && chosen->unknown_device && !options.cost_model.empty())
    options.warn({.code = Code::E0703, .severity = Severity::Warning, .message = "the cost model learnt from no device like " + target.name + ": rules decide", .hint = "tenon adapt gives it one"});
  return chosen;
}

Result<void> check_points(const CompileOptions& options) {
  if (!options.tune_at.empty() && (!options.schedule.empty() || !options.locked.empty()))
    return fail(Code::E0601, "a plan that is replayed has its schedules", "leave --tune-at out");
  return {};
}

// What becomes the code for one target.
struct Level {
  const Graph* graph;
  const Target* target;
  Plan plan;
  Module module;
  std::string loops_blake3;
};

Result<CodeResult> level_code(const Level& level, const CompileOptions& options) {
  const std::string arch = level.target->triple.substr(0, level.target->triple.find('-'));
  auto wanted = [&](Emit emit) { return std::ranges::find(options.emit, emit) != options.emit.end(); };
  return generate_code(level.module, *level.target,
                       {.level = options.level, .jobs = options.jobs, .steps = options.steps, .keep_llvm = wanted(Emit::Llvm),
                        .keep_assembly = wanted(Emit::Assembly),
                        .runtime_bitcode = runtime_bitcode(RuntimePart::Model, arch)});
}

Result<ArtifactSummary> generate(std::vector<Level> levels, const std::string& folder, const CompileOptions& options,
                                 Progress& progress) {
  std::optional<SharedWeights> shared;
  if (levels.size() > 1) {
    std::vector<LevelWeights> all;
    for (Level& level : levels) {
      all.push_back({*level.graph, level.module});
      level.module.name += "_" + c_identifier(level.target->name);
    }
    shared = share_weights(all);
  }
  std::vector<CodeResult> codes;
  for (const Level& level : levels) {
    TENON_TRY(codes.emplace_back(), progress.stage("code", [&] { return level_code(level, options); }));
  }
  return progress.stage("package", [&] {
    PackageInput in{.levels = {}, .shared = shared ? &*shared : nullptr, .options = options};
    for (size_t k = 0; k < levels.size(); ++k)
      in.levels.push_back({.graph = *levels[k].graph, .plan = levels[k].plan, .module = levels[k].module,
                           .target = *levels[k].target, .code = codes[k], .loops_blake3 = levels[k].loops_blake3});
    return package(in, folder);
  });
}

Result<ArtifactSummary> compile_artifact(const Loaded& model, std::span<const Target> targets, const std::string& folder,
                                         const CompileOptions& options, Progress& progress) {
  const Clock::time_point start = Clock::now();
  std::vector<Level> levels;
  for (const Target& target : targets) {
    const Graph& graph = model.of(target);
    TENON_TRY(PolicyPlan chosen, progress.stage("plan", [&] { return make_plan(graph, target, options); }));
    Plan& plan = chosen.plan;
    TENON_TRY(Module module,
              progress.stage("loops", [&] { return build_module(graph, plan, target, progress.passes()); }));
    levels.push_back({&graph, &target, std::move(plan), std::move(module), {}});
    levels.back().loops_blake3 = hex(blake3(print(levels.back().module)));
  }
  TENON_TRY(ArtifactSummary summary, generate(std::move(levels), folder, options, progress));
  summary.nodes = model.of(targets[0]).nodes.size();
  summary.seconds = seconds_since(start);
  return summary;
}

// Dumps are asked for to be seen: then everything is compiled.
Result<std::optional<ArtifactCache>> open_cache(const CompileOptions& options) {
  const bool dumps = options.passes.after_graph || options.passes.after_loops || options.passes.verify_each;
  if (options.cache_dir.empty() || dumps || options.steps != Steps::All) return std::nullopt;
  TENON_TRY(const std::string name, model_name(options));
  TENON_TRY(ArtifactCache cache, ArtifactCache::open(options, name));
  return cache;
}

}  // namespace

Result<std::vector<CompileOutcome>> compile(const CompileOptions& given) {
  CompileOptions options = given;
  const int workers = worker_count(given.jobs);
  TENON_TRY(const std::vector<Target> targets, load_targets(options));
  for (const Target& target : targets)
    if (options.threads == Threads::Pool && target.freestanding)
      return fail(Code::E0601, "--threads pool needs threads, which " + target.name + " does not have");
  TENON_DO(check_points(options));
  const bool dispatch = !options.cpu_dispatch.empty();
  if (dispatch) TENON_DO(check_levels(targets));
  if (dispatch && !options.schedule.empty())
    return fail(Code::E0601, "--schedule is for one target, --cpu-dispatch for several");
  if (!options.locked.empty() && (dispatch || targets.size() != 1 || !options.schedule.empty()))
    return fail(Code::E0601, "--locked is for one target, and replaces --schedule", "tune for each --target, and compile with its lock file");
  if (dispatch && options.providers != Providers::None)
    return fail(Code::E0601, "--providers is for one target, --cpu-dispatch for several", "oneDNN picks its code by the processor itself: name one --target");
  if (options.providers != Providers::None && std::ranges::find(options.emit, Emit::Exe) != options.emit.end())
    return fail(Code::E0601, "--providers makes an artifact that needs oneDNN, which a static program cannot load", "--emit so,a,header");
  if (!options.states.empty() && std::ranges::find(options.emit, Emit::Exe) != options.emit.end())
    return fail(Code::E0601, "--state needs a caller that keeps the buffers, which a program does not have", "--emit so,a,header");
  // The targets of each artifact.
  std::vector<std::span<const Target>> artifacts;
  for (size_t k = 0; k < targets.size(); k += artifacts.back().size())
    artifacts.push_back(std::span(targets).subspan(k, dispatch ? targets.size() : 1));
  options.jobs = std::max(1, workers / static_cast<int>(artifacts.size()));
  std::vector<std::string> folders;
  std::vector<CompileOutcome> outcomes(artifacts.size());
  for (size_t i = 0; i < artifacts.size(); ++i) {
    outcomes[i].target = joined_names(artifacts[i]);
    folders.push_back(artifacts.size() == 1 && !options.folder_per_target ? options.output
                                                                           : (fs::path(options.output) / outcomes[i].target).string());
  }

  TENON_TRY(std::optional<ArtifactCache> cache, open_cache(options));
  std::vector<size_t> missing;
  size_t missing_levels = 0;
  for (size_t i = 0; i < artifacts.size(); ++i) {
    const Clock::time_point start = Clock::now();
    std::optional<ArtifactSummary> found;
    if (cache) {
      TENON_TRY(found, cache->take(artifacts[i], folders[i]));
    }
    if (!found) {
      missing.push_back(i);
      missing_levels += artifacts[i].size();
      continue;
    }
    found->seconds = seconds_since(start);
    outcomes[i].artifact = std::move(*found);
  }
  if (missing.empty()) {
    TENON_DO(write_depfile(options, cache->sources(), folders));
    return outcomes;
  }

  Progress progress(options, static_cast<int>(1 + 3 * missing_levels + missing.size()));
  TENON_TRY(const Loaded model, load_graph(options, targets, progress));
  for_each(missing.size(), workers, [&](size_t k) {
    const size_t i = missing[k];
    outcomes[i].artifact = compile_artifact(model, artifacts[i], folders[i], options, progress);
  });
  if (cache)
    for (size_t i : missing)
      if (outcomes[i].artifact) cache->put(artifacts[i], *outcomes[i].artifact, model.sources);
  TENON_DO(write_depfile(options, model.sources, folders));
  return outcomes;
}

namespace {

struct Planned {
  Target target;
  Graph graph;
  Plan plan;
  std::vector<Decision> decisions;
};

// For the options' one target; `refusal`: what is said where there are more.
Result<Planned> plan_model(const CompileOptions& options, Progress& progress, const char* refusal, const std::function<bool(const Decision&)>& explain = {}) {
  TENON_DO(check_points(options));
  TENON_TRY(std::vector<Target> targets, load_targets(options));
  if (targets.size() != 1) return fail(Code::E0601, refusal);
  TENON_TRY(const Loaded model, load_graph(options, targets, progress));
  Graph graph = model.of(targets[0]);
  TENON_TRY(PolicyPlan chosen, make_plan(graph, targets[0], options, explain));
  return Planned{std::move(targets[0]), std::move(graph), std::move(chosen.plan), std::move(chosen.decisions)};
}

}  // namespace

Result<Lowered> lower_model(const CompileOptions& options) {
  Progress progress(options, 1);
  TENON_TRY(Planned model, plan_model(options, progress, "one target at a time can be verified"));
  TENON_TRY(Module module, build_module(model.graph, model.plan, model.target, progress.passes()));
  return Lowered{std::move(model.target), std::move(model.graph), std::move(model.plan), std::move(module)};
}

Result<ArtifactSummary> generate_artifact(const Lowered& model, const std::string& folder, const CompileOptions& given, Emit emit) {
  CompileOptions options = given;
  options.emit = {emit};
  options.jobs = worker_count(given.jobs);
  Progress progress(options, 2);
  std::vector<Level> levels;
  levels.push_back({&model.graph, &model.target, model.plan, model.module, hex(blake3(print(model.module)))});
  return generate(std::move(levels), folder, options, progress);
}

Result<SpaceReport> space(const CompileOptions& options) {
  Progress progress(options, 1);
  TENON_TRY(const Planned model, plan_model(options, progress, "the space is that of one target"));
  TENON_TRY(std::vector<RegionSpace> regions, schedule_spaces(model.graph, model.plan, model.target, options.precision));
  return SpaceReport{.target = model.target.name, .regions = std::move(regions)};
}

Result<PlanReport> decisions(const CompileOptions& options, const std::function<bool(const Decision&)>& explain) {
  if (!options.schedule.empty() || !options.locked.empty())
    return fail(Code::E0601, "a plan that is replayed was decided elsewhere", "leave --schedule and --locked out");
  Progress progress(options, 1);
  TENON_TRY(Planned model, plan_model(options, progress, "decisions are those of one target", explain ? explain : [](const Decision&) { return false; }));
  std::string model_hash;
  if (const WhoDecides decider = who_decides(options); !decider.cost_model.empty()) {
    TENON_TRY(const std::string text, cost_model_text(decider.cost_model));
    model_hash = hex(blake3(text));
  }
  return PlanReport{.target = model.target.name, .cost_model = std::move(model_hash), .text = print(model.plan, model.graph), .decisions = std::move(model.decisions)};
}

Result<PreparedModel> prepare(const CompileOptions& options) {
  Progress progress(options, 1);
  TENON_TRY(std::vector<Target> targets, load_targets(options));
  if (targets.size() != 1) return fail(Code::E0601, "policies are learnt and compared for one target");
  TENON_TRY(const Loaded model, load_graph(options, targets, progress));
  PreparedModel prepared{.target = targets[0], .graph = model.of(targets[0]), .cost_model = {}};
  if (!options.cost_model.empty()) {
    TENON_TRY(prepared.cost_model, read_cost_model(options.cost_model));
  }
  return prepared;
}

Result<FeaturesReport> features(const CompileOptions& options, unsigned threads) {
  Progress progress(options, 1);
  TENON_TRY(const Planned model, plan_model(options, progress, "features are those of one target"));
  TENON_TRY(std::vector<RegionFeatures> regions, plan_features(model.graph, model.plan, model.target, threads));
  return FeaturesReport{.target = model.target.name, .regions = std::move(regions)};
}

Result<CheckReport> check(const CompileOptions& options) {
  CheckReport report;
  TENON_TRY(const std::vector<Target> targets, load_targets(options));
  Progress progress(options, 1);
  TENON_TRY(const Loaded model, load_graph(options, targets, progress));
  const Graph& graph = model.of(targets[0]);
  std::map<std::string, int> operators;
  std::map<int, std::string> nodes;
  for (const Node& node : graph.nodes)
    if (node.origin.index >= 0) nodes[node.origin.index] = node.origin.op;
  for (const auto& [index, op] : nodes) ++operators[op];
  report.nodes = nodes.size();
  report.operators.assign(operators.begin(), operators.end());
  for (const Target& target : targets) {
    auto lowered = [&]() -> Result<Module> {
      TENON_TRY(const PolicyPlan chosen, make_plan(model.of(target), target, options));
      return build_module(model.of(target), chosen.plan, target, progress.passes());
    }();
    report.targets.emplace_back(target.name, lowered ? Diags{} : std::move(lowered).error());
  }
  return report;
}

}  // namespace tenon
