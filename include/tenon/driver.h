// What the commands of the `tenon` program do, as plain functions over plain options. The command line
// fills the options and prints the reports; nothing here prints.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tenon/backend.h"
#include "tenon/features.h"
#include "tenon/frontend.h"
#include "tenon/passes.h"
#include "tenon/policies.h"
#include "tenon/space.h"
#include "tenon/tensor.h"

namespace tenon {

// What an artifact can consist of. A manifest is always written.
enum class Emit : uint8_t {
#define EMIT(name, spelling, what) name,
#include "tenon/emit.def"
#undef EMIT
};

struct EmitInfo {
  Emit emit;
  std::string_view spelling, what;
};
std::span<const EmitInfo> emit_table();
Result<std::vector<Emit>> parse_emit(std::string_view list);  // "so,a,header"

enum class Weights : uint8_t { Embed, File };
enum class Threads : uint8_t { None, Callback, Pool };  // Pool: NAME_pool_* besides the callback
std::optional<Weights> parse_weights(std::string_view word);  // "embed", "file"
std::optional<Threads> parse_threads(std::string_view word);  // "none", "callback", "pool"
std::string full_target_name(const std::string& name);        // "v3" is "x86-64-v3"
std::optional<Precision> parse_precision(std::string_view word);  // "strict", "fast", "bf16", "fp16"
std::string_view spelling(Precision precision);
std::optional<Providers> parse_providers(std::string_view word);  // "none", "onednn", "onednn-everywhere"
std::optional<DimRange> parse_range(std::string_view text);   // "8", "1..8"
// The host's architecture, but no more of it than every such machine has: `native` must be asked for.
std::string default_target();

struct CompileOptions {
  std::string model;                    // an ONNX file
  std::string output = ".";             // folder; one sub-folder per target where there are several
  bool folder_per_target = false;       // also where there is one target
  std::string name;                     // of the model, a C identifier; empty: from the file's name
  std::vector<std::string> targets;     // names, files or "native"; empty: the host's portable baseline
  // Targets of one architecture, from the least to the best, in one artifact that picks where it runs; then
  // `targets` is empty. Empty: an artifact per target.
  std::vector<std::string> cpu_dispatch;
  ImportOptions import;
  std::vector<Emit> emit = {Emit::SharedLibrary, Emit::Archive, Emit::Header};
  Weights weights = Weights::Embed;
  Threads threads = Threads::Callback;
  std::string policy;                   // empty: hybrid where there is a cost model, else rules
  std::string cost_model;               // a file of `tenon train` that the policy asks, or "shipped"; empty: what ships, if anything does
  std::string q_model;                  // a file of `tenon train-policy` that the policy rl asks; empty: none
  BeamOptions beam;                     // of the policies beam and rl
  std::vector<Point> tune_at;           // bindings at which regions get schedules of their own
  Precision precision = Precision::Strict;
  Providers providers = Providers::None;
  std::string schedule;                 // a schedule file to replay; empty: the policy decides
  std::string locked;                   // a lock file of `tenon tune`: replayed as it is, or refused; empty: none
  std::vector<std::string> states;      // "past.*=present.*": inputs that outputs grow in place
  std::string depfile;                  // Make syntax; empty: none
  std::string cache_dir;                // artifacts made before, shared by processes; empty: none
  int level = 2;                        // -O0 ... -O3
  Steps steps = Steps::All;             // less: for bench, which throws the artifact away
  int jobs = 0;                         // 0: one per core
  PassOptions passes;                   // dumps, timings, --verify-each; `level` is taken from above
  std::function<void(std::string_view text)> remark;  // what the cache did and why; as `progress`
  std::function<void(std::string_view stage, int done, int total)> progress;  // from any thread, one at a time
  std::function<void(const Diag& diag)> warn;  // what is worth knowing but no error: once per model
};

struct OutputFile {
  std::string path;    // relative to the artifact's folder
  int64_t bytes = 0;
  std::string blake3;  // hex
};

// The part of an artifact for one of several processors.
struct LevelSummary {
  std::string target;
  int64_t code_bytes = 0;
  int64_t weights_bytes = 0, own_weights_bytes = 0;  // that it reads; that no other level reads
  int64_t workspace_bytes = -1;
  size_t kernels = 0;
};

struct ArtifactSummary {
  std::string name, target, folder, build_id;
  std::vector<OutputFile> files;
  int64_t code_bytes = 0, weights_bytes = 0;
  int64_t workspace_bytes = -1;  // one worker, worst case; -1: a symbol is unbounded
  size_t kernels = 0, nodes = 0;
  double seconds = 0;
  bool cached = false;           // found in the cache
  std::vector<LevelSummary> levels;  // with cpu_dispatch; the numbers above are then of the whole
};

struct CompileOutcome {
  std::string target;
  Result<ArtifactSummary> artifact;
};

// One parse, one artifact per target, in parallel. The outer error is one of all targets (the model's);
// a target's own stands in its outcome. A folder is written whole or not at all.
Result<std::vector<CompileOutcome>> compile(const CompileOptions& options);

// The models of a tenon.toml (docs/manifest.md) as options; `base` says what the file does not, and where to
// write unless its `output` is empty. All problems of the file in one go.
Result<std::vector<CompileOptions>> read_batch(const std::string& manifest, const CompileOptions& base);

struct BatchOutcome {
  std::string model, file, output;
  std::vector<std::string> targets;
  Result<std::vector<CompileOutcome>> artifacts;
};

// Compiles them all, whatever fails. `finished` hears of each in the order given, as soon as can be.
std::vector<BatchOutcome> compile_batch(std::span<const CompileOptions> models, int jobs,
                                        const std::function<void(const BatchOutcome&)>& finished);

// Everything that keeps a model from being compiled for the targets, without generating code.
struct CheckReport {
  size_t nodes = 0;                                             // of the ONNX graph
  std::vector<std::pair<std::string, int>> operators;           // "Conv" -> uses, by name
  std::vector<std::pair<std::string, Diags>> targets;           // per target; empty: it compiles
};
Result<CheckReport> check(const CompileOptions& options);

// Of one target: what schedules the model's regions could have there.
struct SpaceReport {
  std::string target;
  std::vector<RegionSpace> regions;
};
Result<SpaceReport> space(const CompileOptions& options);

// Of one target: what the policy decides. `compile` with the same options does exactly that. `explain`: which decisions get a reason.
struct PlanReport {
  std::string target;
  std::string cost_model;   // hash of its text; empty: none was asked
  std::string text;         // the plan as --emit schedule writes it
  std::vector<Decision> decisions;
};
Result<PlanReport> decisions(const CompileOptions& options, const std::function<bool(const Decision&)>& explain = {});

// A cost model that --cost-model names. E0601: no such file. E0703: it is no cost model, or one that was learnt with other features than this build
// computes. The file is named in both.
Result<CostModel> read_cost_model(const std::string& path);
// The same of a model of the planner's answers.
Result<QModel> read_q_model(const std::string& path);

// What policies decide about, for the options' one target.
struct PreparedModel {
  Target target;
  Graph graph;                          // after the graph passes
  std::optional<CostModel> cost_model;  // that the options name
};
Result<PreparedModel> prepare(const CompileOptions& options);

// Of one target: what a cost model is told of each region, in the schedule that the policy chooses.
struct FeaturesReport {
  std::string target;
  std::vector<RegionFeatures> regions;
};
Result<FeaturesReport> features(const CompileOptions& options, unsigned threads = 1);

struct PortInfo {
  std::string name;
  std::string field;              // in the generated C structures
  DType type{};
  std::vector<std::string> dims;  // "N", "P + S", "224"
};

struct SymbolInfo {
  std::string name;
  std::string field;
  int64_t lo = 0, hi = kIndexMax;
  int input = -1, axis = -1;      // an input dim that is this symbol
  int64_t element = -1;           // or, with axis -1: the element of the input
};

// An input whose buffer the call grows: it has room for `capacity` steps along the axis, of which `past` are there
// before and `present` after. What the model calls its output `output` is no output of the artifact.
struct StateInfo {
  int input = -1;
  std::string output;
  int position = 0;               // of the output among the model's
  int axis = 0;
  std::string past, present;      // "P", "P + S"
  std::string capacity;           // a symbol
};

struct Signature {
  std::string name;
  std::vector<PortInfo> inputs, outputs;
  std::vector<SymbolInfo> symbols;
  std::vector<StateInfo> states;
};

// Of a model or an artifact. For a model: its operators, too; for an artifact: target and build id.
struct InspectReport {
  Signature signature;
  size_t nodes = 0;
  int64_t weights_bytes = 0;
  std::vector<std::pair<std::string, int>> operators;
  std::string target, build_id, compiler;
  std::vector<LevelSummary> levels;
};
Result<InspectReport> inspect(const std::string& path, const ImportOptions& import);

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

// Inputs as the command line names them: "NAME=FILE" (.npy, .pb), "FILE.npz", "NAME=random:SEED",
// "random:SEED" (all that are not named), or a test_data_set folder (input_0.pb ...).
struct RunOptions {
  std::string artifact;                // folder, library, or executable
  std::vector<std::string> inputs;
  std::map<std::string, int64_t> dims; // symbols that the inputs leave open
  std::string output;                  // folder for NAME.npy; empty: none is written
  unsigned threads = 1;
  std::string level;                   // of an artifact for several processors; empty: the best that runs here
  bool huge_pages = false;             // ask the kernel for large pages under workspace, states and a weights file
};
Result<std::vector<NamedTensor>> run(const RunOptions& options);

struct OutputError {
  std::string name;
  DType type{};
  int64_t count = 0;
  double max_ulp = 0, max_abs = 0, max_rel = 0;
  double bound = 0;         // of |y - reference|, at the worst element
  int64_t worst = 0;        // its index, row-major
  double got = 0, want = 0; // and its values
  bool within = false;
  // Of a layer, where `worst` is the element that comes closest to its bound.
  double ratio = 0;         // |y - reference| / bound, there
  int64_t different = 0;    // elements that are not the reference's, rounded to the type
  std::string op;           // the node with the longest sum, c and K of its bound c*K*u*(|A||B|)
  double c = 0, terms = 0;
  std::string node;         // outside: the first ONNX node after which the region is wrong
};

struct VerifyOptions {
  CompileOptions compile;              // the model; and how to compile it where no artifact is given
  std::string artifact;                // empty: compiled into a temporary folder
  std::vector<std::string> inputs;     // as in RunOptions; empty: random:0
  std::map<std::string, int64_t> dims; // unbound symbols get small values
  bool layers = false;                 // per region, fed reference inputs
  unsigned threads = 1;
  bool guard = false;                  // the workspace lies between pages that fault
  std::string output;                  // folder for the reference outputs, in f64; empty: none
  std::string level;                   // as in RunOptions
};

struct VerifyReport {
  std::vector<std::pair<std::string, int64_t>> dims;  // that were used
  std::vector<OutputError> outputs;
  std::vector<OutputError> layers;     // name: of the region's output
  std::vector<NodeRef> islands;        // with layers: products that stayed in floats, of dequantised operands
  bool passed = false;
};
Result<VerifyReport> verify(const VerifyOptions& options);

struct BenchOptions {
  CompileOptions compile;              // where `artifact` is empty: compile.model is compiled first
  std::string artifact;
  std::vector<std::string> inputs;     // empty: random:0
  std::map<std::string, int64_t> dims;
  int runs = 0;                        // 0: for about a second, at least 5
  unsigned threads = 1;
  bool kernels = false;                // per-kernel times
  bool bounds = false;                 // and those of the kernels' loads and of their arithmetic alone; compile.model is needed
  std::string level;                   // as in RunOptions
  bool huge_pages = false;             // as in RunOptions
  std::string against;                 // another artifact of the same model, or this one, in turns with this one; empty: none
  unsigned against_threads = 0;        // that the other runs on; 0: as many
};

struct KernelTime {
  std::string name;
  std::string region;                  // of the first call; empty: not known
  std::vector<NodeRef> nodes;
  double median_ms = 0;
  int calls = 0;
  // Against the target's roofline; negative: not known.
  double gflops = -1, gb_per_s = -1;  // achieved; a multiply-add is two operations
  double roofline = -1;               // least time / time
  double least_ms = -1;
  // With BenchOptions::bounds: the same kernel with the loads of its reductions only, and with their arithmetic only.
  double loads_ms = -1, arithmetic_ms = -1;
};

// All calls of a region of the plan.
struct RegionTime {
  std::string name;
  double median_ms = 0;
  double against_ms = -1;              // of the region of that name in the other artifact; negative: none
  std::vector<double> samples_ms = {}; // of each run that was timed
};

// Beside another artifact of the same model.
struct AgainstTimes {
  double median_ms = 0, min_ms = 0;
  double ratio = 0;                    // this artifact's time / the other's: the median over turns
  double low = 0, high = 0;            // quartiles of the turns' ratios
  double before_ms = 0, after_ms = 0;  // the other's median in the first half of the turns and in the second: how steady the machine was
  std::vector<double> differences = {};  // per output: the largest |a - b|; infinite where only one is a number
};

struct BenchReport {
  std::string target;
  double median_ms = 0, min_ms = 0, spread = 0;  // spread: (p90 - p10) / median
  int runs = 0;
  unsigned threads = 1;
  std::vector<KernelTime> kernels;
  // Sum of the kernels' least times; negative: none is known. Calls of kernels whose work data decides count as nothing.
  double floor_ms = -1;
  int calls = 0, uncounted_calls = 0;
  std::vector<RegionTime> regions;          // with `kernels`; in the order of their first calls
  std::vector<RegionTime> against_regions;  // of the other artifact, with `against`
  std::optional<AgainstTimes> against;
};
Result<BenchReport> bench(const BenchOptions& options);

// A plan's time / another's, of one model with all dims bound, on one target that runs here: both are compiled and timed in turns. Plans as `--emit schedule` writes them.
Result<AgainstTimes> compare_plans(const CompileOptions& options, const std::string& plan, const std::string& other, unsigned threads = 1);

struct ProbeOptions {
  std::string target = "native";       // one that runs here
  int seconds = 4;                     // of measuring, about
};

struct ProbeReport {
  Target target;                       // with the rates that were measured
  std::string file;                    // the same as a target file: how, where and when each was measured
};
// Measures this machine's peaks with kernels that are compiled for the target.
Result<ProbeReport> probe(const ProbeOptions& options);

// Tensor files. Reading trusts nothing: sizes are checked before memory is asked for.
Result<Tensor> read_npy(const std::string& path);
Result<void> write_npy(const std::string& path, const Tensor& tensor);
Result<std::vector<NamedTensor>> read_npz(const std::string& path);

std::string version();  // "0.1.0"

}  // namespace tenon
