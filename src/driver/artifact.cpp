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
  return calls;
}

// Artifacts of earlier releases do not say.
void read_work(const Json& manifest, Artifact& artifact) {
  artifact.work.resize(artifact.calls.size());
  if (!manifest.contains("work")) return;
  for (size_t k = 0; k < artifact.calls.size(); ++k)
    if (const Json& work = manifest.at("work").at(k); !work.is_null())
      artifact.work[k] = {.multiply_adds = work.at("multiply_adds"), .bytes = work.at("bytes"), .constant_bytes = work.value("constant_bytes", "0")};
  const Json &rates = manifest.at("target").at("rates"), &cache = manifest.at("target").at("cache");
  artifact.rates = {.gflops_f32 = rates.at("gflops_f32"), .gops_i8 = rates.at("gops_i8"),
                    .l1_gb_per_s = rates.at("l1_gb_per_s"), .l2_gb_per_s = rates.at("l2_gb_per_s"),
                    .l3_gb_per_s = rates.at("l3_gb_per_s"), .dram_gb_per_s = rates.at("dram_gb_per_s"),
                    .l1d_bytes = cache.at("l1d_bytes"), .l2_bytes = cache.at("l2_bytes"), .l3_bytes = cache.at("l3_bytes")};
}

Result<std::unique_ptr<Artifact>> open_folder(const fs::path& folder) try {
  TENON_TRY(const std::string text, read_file(folder / "manifest.json"));
  const Json manifest = Json::parse(text);
  if (manifest.at("schema") != "tenon-manifest" || manifest.at("version") != 1)
    return fail(Code::E0501, (folder / "manifest.json").string() + " has another schema");
  const std::string name = manifest.at("name"), triple = manifest.at("target").at("triple");
  const fs::path library = folder / ("lib" + name + ".so"), program = folder / name;
  const bool native = triple.substr(0, triple.find('-')) == kHost;
  std::unique_ptr<Artifact> artifact;
  if (native && fs::exists(library)) {
    TENON_TRY(artifact, open_library(library.string()));
  } else if (fs::exists(program)) {
    std::vector<std::string> emulator;
    std::istringstream words(native ? std::string() : manifest.at("target").at("qemu").get<std::string>());
    for (std::string word; words >> word;) emulator.push_back(word);
    if (!native && emulator.empty()) return fail(Code::E0506, "the target names no emulator");
    TENON_TRY(artifact, open_program(program.string(), emulator));
  } else {
    return fail(Code::E0501, folder.string() + " has nothing that runs here",
                native ? "compile with --emit so" : "compile with --emit exe: it runs under QEMU");
  }
  artifact->target = manifest.at("target").at("name");
  artifact->build_id = manifest.at("build_id");
  artifact->loops_blake3 = manifest.at("loops_blake3");
  artifact->compiler = manifest.at("compiler");
  artifact->precision = parse_precision(manifest.value("precision", "strict"));
  artifact->weights_bytes = manifest.at("weights").at("bytes");
  artifact->calls = calls_of(manifest);
  read_work(manifest, *artifact);
  return artifact;
} catch (const std::exception& error) {
  return fail(Code::E0501, (folder / "manifest.json").string() + " is malformed: " + error.what());
}

}  // namespace

Result<std::vector<Tensor>> Artifact::run_watched(const std::vector<Tensor>&, const Dims&, const WatchCalls&) {
  return fail(Code::E0501, "only a library of this machine's architecture can be watched",
              "compile for this machine with --emit so");
}

Result<std::unique_ptr<Artifact>> open_artifact(const std::string& path) {
  if (fs::is_directory(path)) return open_folder(path);
  if (!fs::exists(path)) return fail(Diag{.code = Code::E0501, .message = path + " does not exist", .file = path});
  if (path.ends_with(".so")) return open_library(path);
  return open_program(path, {});
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
