#include "suite.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

extern char** environ;

namespace tenon::conformance {

namespace fs = std::filesystem;

namespace {

// Unpacked once: the folder's name carries the archive's size and time. Several processes may come at once: each unpacks
// into a folder of its own, the first to rename it wins.
Result<fs::path> unpack(const fs::path& archive, const fs::path& cache) {
  const auto stamp = fs::last_write_time(archive).time_since_epoch().count();
  const fs::path folder = cache / (archive.stem().stem().string() + "-" +
                                   std::to_string(fs::file_size(archive)) + "-" + std::to_string(stamp));
  if (fs::exists(folder)) return folder;
  const fs::path partial = folder.string() + ".partial-" + std::to_string(getpid());
  fs::remove_all(partial);
  fs::create_directories(partial);
  std::string file = archive.string(), into = partial.string();
  std::string words[] = {"tar", "-xf", file, "-C", into};
  char* argv[] = {words[0].data(), words[1].data(), words[2].data(),
                  words[3].data(), words[4].data(), nullptr};
  pid_t child = 0;
  int status = 1;
  if (posix_spawnp(&child, "tar", nullptr, nullptr, argv, environ) != 0 ||
      waitpid(child, &status, 0) != child || status != 0)
    return fail({.code = Code::E0101, .message = "tar could not unpack the archive", .file = archive});
  std::error_code error;
  fs::rename(partial, folder, error);
  if (!error) return folder;
  fs::remove_all(partial);
  if (fs::exists(folder)) return folder;
  return fail({.code = Code::E0101, .message = "cannot keep the unpacked archive: " + error.message(), .file = folder});
}

bool has_suites(const fs::path& folder) {
  if (!fs::is_directory(folder)) return false;
  auto is_folder = [](const fs::directory_entry& entry) { return entry.is_directory(); };
  return std::ranges::any_of(fs::directory_iterator(folder), is_folder);
}

// The archive itself, or the only one in a folder.
Result<fs::path> archive_of(const fs::path& source) {
  if (!fs::is_directory(source)) return source;
  std::vector<fs::path> archives;
  for (const auto& entry : fs::directory_iterator(source))
    if (entry.path().filename().string().find(".tar") != std::string::npos) archives.push_back(entry.path());
  if (archives.size() == 1) return archives[0];
  return fail({.code = Code::E0101, .message = "neither suites nor one archive of them in it", .file = source});
}

// Exceptions to the tolerances: a data.json beside the model, as ONNX's runner has it.
void read_tolerances(const fs::path& folder, Case& test) {
  std::ifstream file(folder / "data.json");
  if (!file) return;
  const auto json = nlohmann::json::parse(file, nullptr, false);
  if (!json.is_object()) return;
  test.rtol = json.value("rtol", test.rtol);
  test.atol = json.value("atol", test.atol);
}

// Cases whose stored numbers are rounding noise where the exact result is 0, so that nothing but the same order of
// float32 operations can come within 1e-7 of them. The bound is float32's unit roundoff times the mean magnitude
// of what is summed.
struct Noise {
  std::string_view name;
  double atol;
};
constexpr Noise kNoise[] = {
    {"node/test_dft_inverse", 0x1p-24 * 50},  // stored: 1.9e-7, the imaginary part of a transform of 0..99
    {"node/test_dft_inverse_opset19", 0x1p-24 * 50},
};

Case folder_case(const fs::path& suite, const fs::path& folder) {
  Case test{.name = suite.filename() / folder.filename(), .model = folder / "model.onnx"};
  for (int i = 0; fs::exists(folder / ("test_data_set_" + std::to_string(i))); i++) {
    const fs::path data = folder / ("test_data_set_" + std::to_string(i));
    test.data.push_back({data, numbered(data, "output_")});
  }
  read_tolerances(folder, test);
  for (const Noise& noise : kNoise)
    if (test.name == noise.name) test.atol = noise.atol;
  return test;
}

Case light_case(const fs::path& suite, const fs::path& model) {
  Case test{.name = suite.filename() / model.stem(), .model = model};
  test.data.push_back({{}, numbered(suite, model.stem().string() + "_output_")});
  if (model.stem() == "light_densenet121")
    test.rtol = 2e-3;  // the only exception in ONNX's data/real/*/data.json
  return test;
}

}  // namespace

std::vector<fs::path> numbered(const fs::path& folder, const std::string& prefix) {
  std::vector<fs::path> files;
  for (int i = 0; fs::exists(folder / (prefix + std::to_string(i) + ".pb")); i++)
    files.push_back(folder / (prefix + std::to_string(i) + ".pb"));
  return files;
}

Result<std::vector<Case>> find_cases(const fs::path& source, const fs::path& cache) {
  if (!fs::exists(source))
    return fail({.code = Code::E0101, .message = "no such folder or archive", .file = source});
  fs::path root = source;
  if (!has_suites(source)) {
    TENON_TRY(const fs::path archive, archive_of(source));
    TENON_TRY(root, unpack(archive, cache));
  }
  std::vector<Case> cases;
  for (const auto& suite : fs::directory_iterator(root)) {
    if (!suite.is_directory()) continue;
    for (const auto& entry : fs::directory_iterator(suite)) {
      if (fs::exists(entry.path() / "model.onnx"))
        cases.push_back(folder_case(suite, entry));
      else if (entry.path().extension() == ".onnx")
        cases.push_back(light_case(suite, entry));
    }
  }
  if (cases.empty()) return fail({.code = Code::E0101, .message = "no tests in it", .file = source});
  std::ranges::sort(cases, {}, &Case::name);
  return cases;
}

}  // namespace tenon::conformance
