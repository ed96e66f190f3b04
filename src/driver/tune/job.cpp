#include "job.h"

#include <algorithm>
#include <filesystem>
#include <limits>

#include <nlohmann/json.hpp>

#include "../expected.h"
#include "../files.h"
#include "../inputs.h"
#include "../signature.h"
#include "tenon/hash.h"

namespace tenon {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int kVersion = 1;

// The program's own sum: {name, calls' regions, weights file or none}.
struct ProgramFacts {
  std::string name;
  std::vector<std::string> regions;
  bool weights = false;
};

Result<ProgramFacts> facts_of(const std::string& folder) try {
  TENON_TRY(const std::string text, read_file(fs::path(folder) / "manifest.json"));
  const Json manifest = Json::parse(text);
  ProgramFacts facts{.name = manifest.at("name"), .regions = manifest.at("regions")};
  facts.weights = fs::exists(fs::path(folder) / (facts.name + ".weights"));
  return facts;
} catch (const Json::exception& error) {
  return fail(Code::E0501, folder + " has a manifest that is malformed: " + error.what());
}

// Types that backends/runtime/runner/difference.c knows.
bool comparable(DType type) {
  if (is_float(type)) return bits(type) >= 16;
  return (is_integer(type) || type == DType::Bool) && bits(type) >= 8;
}

std::string quoted(const std::string& word) {
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// The job's own files. What may be large is the same file where the system links it.
Result<void> place(const fs::path& from, const fs::path& to) {
  constexpr uintmax_t kSmall = 1 << 20;
  std::error_code error;
  if (fs::file_size(from, error) > kSmall) fs::create_hard_link(from, to, error);
  if (error || !fs::exists(to)) fs::copy_file(from, to, error);
  if (error) return fail(Diag{.code = Code::E0505, .message = to.string() + ": " + error.message(), .file = to.string()});
  return {};
}

// All of run.sh but its last part: how a program is called.
std::string arguments(const Json& data, const std::string& program, const ProgramFacts& facts, const JobParts& parts) {
  std::string words = "./" + program;
  for (size_t k = 0; k < data.at("inputs").size(); ++k)
    words += " --input " + quoted(data.at("inputs")[k].get<std::string>() + "=inputs/" + std::to_string(k) + ".npy");
  for (size_t k = 0; k < data.at("outputs").size(); ++k)
    words += " --expect " + quoted(data.at("outputs")[k].get<std::string>() + "=expected/" + std::to_string(k) + ".npy");
  for (const auto& [symbol, value] : data.at("dims").items()) words += " --dim " + quoted(symbol + "=" + std::to_string(value.get<int64_t>()));
  if (facts.weights) words += " --weights " + program + ".weights";
  return words + " --measure " + program + ".json --turns " + std::to_string(parts.turns) + " --calls " + std::to_string(parts.calls) + " --kernels " + std::to_string(facts.regions.size());
}

constexpr std::string_view kBegin = R"SH(#!/bin/sh
# A job of `tenon tune`: runs on the device that is measured, with nothing but a POSIX shell, and leaves result.json here.
# TENON_EMULATOR: words to put before each program.
cd "$(dirname -- "$0")" || exit 1
LC_ALL=C
export LC_ALL
rm -f result.json result.json.new candidate.json base.json
chmod +x candidate base 2>/dev/null
clean() { tr -d '"\\\000-\037\177-\377' | cut -c 1-200; }
line_of() { sed -n "s/^$1[[:space:]]*:[[:space:]]*//p" /proc/cpuinfo 2>/dev/null | sed 1q | clean; }
first_of() { for word; do if [ -n "$word" ]; then printf %s "$word"; return; fi; done; printf unknown; }
)SH";
constexpr std::string_view kEnd = R"SH(status=$?
message=$(sed 1q errors.txt | clean)
if [ $status -eq 0 ] && [ -s candidate.json ] && [ -s base.json ]; then state=ok; else state=failed; fi
khz=$(cat /sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq 2>/dev/null | tr -cd 0-9)
{
  printf '{"schema": "tenon-result", "version": 1, "id": "%s", "status": "%s", "exit": %d, "message": "%s",\n' "$id" $state $status "$message"
  printf '"device": {"cpu": "%s", "kernel": "%s", "microcode": "%s", "clock_khz": "%s"}' \
    "$(first_of "$(line_of 'model name')" "$(line_of Model)" "$(line_of Hardware)" "$(line_of uarch)" "$(line_of 'CPU part')")" \
    "$(first_of "$(uname -r | clean)")" "$(first_of "$(line_of microcode)")" "$(first_of "$khz")"
  if [ $state = ok ]; then printf ',\n"candidate": '; cat candidate.json; printf ',\n"base": '; cat base.json; fi
  printf '}\n'
} > result.json.new && mv result.json.new result.json
)SH";

}  // namespace

Result<void> write_job_data(const TuneOptions& options, const Lowered& model, const std::string& data) {
  const Signature signature = signature_of(model.module);
  for (const PortInfo& port : signature.outputs)
    if (!comparable(port.type)) return fail(Code::E0601, "output `" + port.name + "` is " + std::string(spelling(port.type)) + ", which a job cannot compare on its device", "--runner local");
  Dims dims = options.dims;
  TENON_TRY(const std::vector<Tensor> inputs, load_inputs(signature, options.inputs.empty() ? std::vector<std::string>{"random:0"} : options.inputs, dims, false));
  TENON_TRY(const Graph graph, import_onnx(options.compile.model, options.compile.import));
  TENON_TRY(ExpectedOutputs expected, expected_outputs(graph, in_graph_order(graph, signature, inputs), dims, options.compile.precision));
  for (double& bound : expected.bounds) bound = std::min(bound, std::numeric_limits<double>::max());  // JSON has no infinity
  Json facts = {{"inputs", Json::array()}, {"outputs", Json::array()}, {"dims", Json::object()}, {"bounds", expected.bounds}};
  std::error_code ignored;
  fs::create_directories(fs::path(data) / "inputs", ignored), fs::create_directories(fs::path(data) / "expected", ignored);
  for (size_t k = 0; k < inputs.size(); ++k) {
    facts["inputs"].push_back(signature.inputs[k].name);
    TENON_DO(write_npy((fs::path(data) / "inputs" / (std::to_string(k) + ".npy")).string(), inputs[k]));
  }
  for (size_t k = 0; k < expected.values.size(); ++k) {
    facts["outputs"].push_back(signature.outputs[k].name);
    if (!expected.values[k].f.empty()) expected.values[k].type = DType::F64;
    TENON_DO(write_npy((fs::path(data) / "expected" / (std::to_string(k) + ".npy")).string(), expected.values[k]));
  }
  for (const SymbolInfo& symbol : signature.symbols) facts["dims"][symbol.name] = dims.at(symbol.name);
  return write_file(fs::path(data) / "data.json", facts.dump());
}

Result<WrittenJob> write_job(const JobParts& parts) {
  const fs::path folder = parts.folder;
  TENON_TRY(const std::string text, read_file(fs::path(parts.data) / "data.json"));
  const Json data = Json::parse(text);
  std::error_code error;
  fs::create_directories(folder / "inputs", error), fs::create_directories(folder / "expected", error);
  std::vector<std::string> files;
  auto put = [&](const fs::path& from, const std::string& name) {
    files.push_back(name);
    return place(from, folder / name);
  };
  std::vector<ProgramFacts> programs;
  for (const auto& [artifact, name] : {std::pair{parts.candidate, std::string("candidate")}, std::pair{parts.base, std::string("base")}}) {
    TENON_TRY(programs.emplace_back(), facts_of(artifact));
    TENON_DO(put(fs::path(artifact) / programs.back().name, name));
    if (programs.back().weights) TENON_DO(put(fs::path(artifact) / (programs.back().name + ".weights"), name + ".weights"));
  }
  for (const char* kind : {"inputs", "expected"})
    for (size_t k = 0; fs::exists(fs::path(parts.data) / kind / (std::to_string(k) + ".npy")); ++k) {
      const std::string name = std::string(kind) + "/" + std::to_string(k) + ".npy";
      TENON_DO(put(fs::path(parts.data) / name, name));
    }
  std::string script(kBegin);
  script += "id=$(sed -n 's/.*\"id\": *\"\\([0-9a-f]*\\)\".*/\\1/p' job.json)\n";
  script += "${TENON_EMULATOR-} " + arguments(data, "candidate", programs[0], parts) + " --cpu " + std::to_string(parts.cpu) + " \\\n  --against ${TENON_EMULATOR-} " +
            arguments(data, "base", programs[1], parts) + " 2> errors.txt\n";
  script += kEnd;
  TENON_DO(write_file(folder / "run.sh", script));
  fs::permissions(folder / "run.sh", fs::perms::owner_exec, fs::perm_options::add, error);
  files.emplace_back("run.sh");

  Json job = {{"schema", "tenon-job"}, {"version", kVersion}, {"turns", parts.turns}, {"calls", parts.calls}, {"bounds", data.at("bounds")}, {"files", Json::array()}};
  for (const std::string& name : files) {
    TENON_TRY(const OutputFile file, output_file(folder, name));
    job["files"].push_back({{"path", name}, {"bytes", file.bytes}, {"blake3", file.blake3}});
  }
  WrittenJob written{.id = hex(blake3(job.dump())), .candidate_regions = programs[0].regions, .base_regions = programs[1].regions, .bounds = data.at("bounds")};
  job["id"] = written.id;
  TENON_DO(write_file(folder / "job.json", job.dump(1) + "\n"));
  return written;
}

}  // namespace tenon
