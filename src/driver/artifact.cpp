#include "artifact.h"

#include <filesystem>
#include <sstream>

#include <nlohmann/json.hpp>

#include "files.h"

namespace tenon {

namespace {

namespace fs = std::filesystem;

#if defined(__x86_64__)
constexpr std::string_view kHost = "x86_64";
#elif defined(__aarch64__)
constexpr std::string_view kHost = "aarch64";
#else
constexpr std::string_view kHost = "riscv64";
#endif

using Json = nlohmann::json;

// The kernels that the artifact's events count.
std::vector<KernelTime> calls_of(const Json& manifest) {
  std::map<std::string, KernelTime> kernels;
  for (const Json& kernel : manifest.at("kernels")) {
    KernelTime row{.name = kernel.at("name")};
    for (const Json& node : kernel.at("nodes"))
      row.nodes.push_back({.index = node.at("index"), .name = node.at("name"), .op = node.at("op"), .opset = node.at("opset")});
    kernels[row.name] = row;
  }
  std::vector<KernelTime> calls;
  for (const Json& name : manifest.at("calls")) calls.push_back(kernels[name.get<std::string>()]);
  if (manifest.contains("regions"))  // artifacts of earlier releases do not say
    for (size_t k = 0; k < calls.size(); ++k) calls[k].region = manifest.at("regions").at(k);
  return calls;
}

// Artifacts of earlier releases do not say.
// `part`: the manifest, or a level in it.
void read_work(const Json& part, Artifact& artifact) {
  artifact.work.resize(artifact.calls.size());
  if (!part.contains("work")) return;
  for (size_t k = 0; k < artifact.calls.size(); ++k)
    if (const Json& work = part.at("work").at(k); !work.is_null())
      artifact.work[k] = {.multiply_adds = work.at("multiply_adds"), .bytes = work.at("bytes"), .constant_bytes = work.value("constant_bytes", "0")};
  const Json &rates = part.at("target").at("rates"), &cache = part.at("target").at("cache");
  artifact.rates = {.gflops_f32 = rates.at("gflops_f32"), .gops_i8 = rates.at("gops_i8"),
                    .l1_gb_per_s = rates.at("l1_gb_per_s"), .l2_gb_per_s = rates.at("l2_gb_per_s"),
                    .l3_gb_per_s = rates.at("l3_gb_per_s"), .dram_gb_per_s = rates.at("dram_gb_per_s"),
                    .l1d_bytes = cache.at("l1d_bytes"), .l2_bytes = cache.at("l2_bytes"), .l3_bytes = cache.at("l3_bytes")};
}

// Its own keys, or those of the level that runs.
const Json& part_that_runs(const Json& manifest, const Artifact& artifact) {
  if (!manifest.contains("levels")) return manifest;
  for (const Json& level : manifest.at("levels"))
    if (level.at("target").at("name") == artifact.level) return level;
  throw std::out_of_range("it has no level " + artifact.level);
}

LevelSummary level_of(const Json& level) {
  const Json& workspace = level.at("workspace").at("max_one_worker");
  return {.target = level.at("target").at("name"), .code_bytes = level.at("code_bytes"),
          .weights_bytes = level.at("weights").at("bytes"), .own_weights_bytes = level.at("weights").at("own_bytes"),
          .workspace_bytes = workspace.is_null() ? -1 : workspace.get<int64_t>(), .kernels = level.at("kernels").size()};
}

Result<std::unique_ptr<Artifact>> open_folder(const fs::path& folder, const std::string& level, bool huge_pages) try {
  TENON_TRY(const std::string text, read_file(folder / "manifest.json"));
  const Json manifest = Json::parse(text);
  if (manifest.at("schema") != "tenon-manifest" || manifest.at("version") != 1)
    return fail(Code::E0501, (folder / "manifest.json").string() + " has another schema");
  const std::string name = manifest.at("name"), triple = manifest.at("target").at("triple");
  const fs::path library = folder / ("lib" + name + ".so"), program = folder / name;
  const bool native = triple.substr(0, triple.find('-')) == kHost;
  std::unique_ptr<Artifact> artifact;
  if (native && fs::exists(library)) {
    TENON_TRY(artifact, open_library(library.string(), level, huge_pages));
  } else if (fs::exists(program)) {
    std::vector<std::string> emulator;
    std::istringstream words(native ? std::string() : manifest.at("target").at("qemu").get<std::string>());
    for (std::string word; words >> word;) emulator.push_back(word);
    if (!native && emulator.empty()) return fail(Code::E0506, "the target names no emulator");
    if (huge_pages) return fail(Code::E0601, "--huge-pages is for libraries: a program asks for its own memory");
    TENON_TRY(artifact, open_program(program.string(), emulator, level));
  } else {
    return fail(Code::E0501, folder.string() + " has nothing that runs here",
                native ? "compile with --emit so" : "compile with --emit exe: it runs under QEMU");
  }
  artifact->build_id = manifest.at("build_id");
  artifact->compiler = manifest.at("compiler");
  artifact->precision = parse_precision(manifest.value("precision", "strict"));
  artifact->weights_bytes = manifest.at("weights").at("bytes");
  if (manifest.contains("levels"))
    for (const Json& part : manifest.at("levels")) artifact->levels.push_back(level_of(part));
  // A program chooses by itself, and does not say.
  if (!artifact->levels.empty() && artifact->level.empty()) {
    for (const LevelSummary& part : artifact->levels) artifact->target += (artifact->target.empty() ? "" : "+") + part.target;
    return artifact;
  }
  const Json& part = part_that_runs(manifest, *artifact);
  artifact->target = part.at("target").at("name");
  artifact->loops_blake3 = part.at("loops_blake3");
  artifact->calls = calls_of(part);
  read_work(part, *artifact);
  return artifact;
} catch (const std::exception& error) {
  return fail(Code::E0501, (folder / "manifest.json").string() + " is malformed: " + error.what());
}

}  // namespace

Result<std::unique_ptr<RepeatedCall>> Artifact::repeated(const std::vector<Tensor>&, const Dims&, unsigned, bool) {
  return fail(Code::E0501, "only a library of this machine's architecture can be called again and again",
              "compile for this machine with --emit so");
}

Result<std::vector<Tensor>> Artifact::run_watched(const std::vector<Tensor>&, const Dims&, const WatchCalls&) {
  return fail(Code::E0501, "only a library of this machine's architecture can be watched",
              "compile for this machine with --emit so");
}

std::unexpected<Diags> no_such_level(const std::string& path, const std::string& level, const std::vector<std::string>& known) {
  std::string names;
  for (const std::string& name : known) names += (names.empty() ? "" : ", ") + name;
  return fail(Code::E0601, path + " has no level " + level,
              names.empty() ? "it was compiled for one processor, without --cpu-dispatch" : "its levels are: " + names);
}

Result<std::unique_ptr<Artifact>> open_artifact(const std::string& path, const std::string& name, bool huge_pages) {
  const std::string level = full_target_name(name);
  if (fs::is_directory(path)) return open_folder(path, level, huge_pages);
  if (!fs::exists(path)) return fail(Diag{.code = Code::E0501, .message = path + " does not exist", .file = path});
  if (path.ends_with(".so")) return open_library(path, level, huge_pages);
  return open_program(path, {}, level);
}

Result<std::vector<int64_t>> resolve_dims(const PortInfo& port, const Dims& dims) {
  ExprPool pool;
  ExprPool::Bindings bindings;
  for (const auto& [name, value] : dims) bindings[pool.symbol(name)] = value;
  std::vector<int64_t> out;
  for (const std::string& text : port.dims) {
    TENON_TRY(const Expr dim, parse_expr(pool, text));
    const std::optional<int64_t> value = pool.evaluate(dim, bindings);
    if (!value) return fail(Code::E0602, "dim `" + text + "` of `" + port.name + "` is not bound");
    out.push_back(*value);
  }
  return out;
}

}  // namespace tenon
