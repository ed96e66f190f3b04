// Runs ONNX's backend tests through Tenon: docs/conformance.md.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "table.h"
#include "workers.h"

namespace tenon::conformance {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStatus[] = {"passed", "failed", "unsupported"};

fs::path cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME")) return fs::path(cache) / "tenon" / "conformance";
  if (const char* home = std::getenv("HOME")) return fs::path(home) / ".cache" / "tenon" / "conformance";
  return fs::temp_directory_path() / "tenon-conformance";
}

std::map<Status, int> counts(const std::vector<Outcome>& outcomes) {
  std::map<Status, int> count = {{Status::Passed, 0}, {Status::Failed, 0}, {Status::Unsupported, 0}};
  for (const Outcome& outcome : outcomes) count[outcome.status]++;
  return count;
}

nlohmann::ordered_json report(const std::vector<Case>& cases, const std::vector<Outcome>& outcomes) {
  nlohmann::ordered_json json = {{"schema", "tenon.conformance/1"}};
  for (auto [status, count] : counts(outcomes)) json[std::string(kStatus[static_cast<int>(status)])] = count;
  json["total"] = cases.size();
  json["cases"] = nlohmann::json::array();
  for (size_t i = 0; i < cases.size(); i++) {
    const Outcome& o = outcomes[i];
    nlohmann::ordered_json row = {{"name", cases[i].name}, {"status", kStatus[static_cast<int>(o.status)]}};
    if (!o.code.empty()) row["code"] = o.code;
    if (!o.op.empty()) row["op"] = o.op;
    if (!o.message.empty()) row["message"] = o.message;
    row["seconds"] = o.seconds;
    json["cases"].push_back(std::move(row));
  }
  return json;
}

// Failures first, then what is not supported: "status op: count (an example)".
void print_summary(const std::vector<Case>& cases, const std::vector<Outcome>& outcomes) {
  std::map<std::tuple<Status, std::string, std::string>, std::vector<size_t>> groups;
  for (size_t i = 0; i < cases.size(); i++)
    if (outcomes[i].status != Status::Passed)
      groups[{outcomes[i].status, outcomes[i].op, outcomes[i].code}].push_back(i);
  for (const auto& [key, members] : groups) {
    const auto& [status, op, code] = key;
    const size_t first = members.front();
    fmt::print("{:<11} {:>4}  {}{}{}: {}: {}\n", kStatus[static_cast<int>(status)], members.size(), op,
               code.empty() ? "" : " ", code, cases[first].name, outcomes[first].message.substr(0, 140));
  }
  auto count = counts(outcomes);
  fmt::print("passed {}, failed {}, unsupported {}, total {}\n", count[Status::Passed], count[Status::Failed],
             count[Status::Unsupported], cases.size());
}

struct Selection {
  fs::path source;
  std::vector<std::string> filters;
  int sample = 0;    // so many, spread over the suite; 0: all
  int least = 0;     // fewer that pass are a failure
  bool optional = false;
};

struct Outputs {
  std::string json, table;
};

// As ctest's tests that cannot run here; where CI is set they must.
constexpr int kSkipped = 77;

bool write(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  if (file.flush()) return true;
  fmt::print(stderr, "error[{}]: {}: cannot be written\n", code_name(Code::E0505), path);
  return false;
}

void spread(std::vector<Case>& cases, int sample) {
  if (sample <= 0 || static_cast<size_t>(sample) >= cases.size()) return;
  std::vector<Case> kept;
  for (int i = 0; i < sample; ++i)
    kept.push_back(std::move(cases[cases.size() * static_cast<size_t>(i) / static_cast<size_t>(sample)]));
  cases = std::move(kept);
}

int run_all(const Selection& selection, const Options& options, int jobs, const Outputs& outputs) {
  const std::vector<std::string>& filters = selection.filters;
  if (selection.optional && !fs::exists(selection.source) && !std::getenv("CI")) {
    fmt::print("{} is not there: skipped\n", selection.source.string());
    return kSkipped;
  }
  auto cases = find_cases(selection.source, cache_folder());
  if (!cases) {
    fmt::print(stderr, "error[{}]: {}: {}\n", code_name(cases.error()[0].code), cases.error()[0].file,
               cases.error()[0].message);
    return 2;
  }
  auto unwanted = [&](const Case& test) {
    return !filters.empty() && std::ranges::none_of(filters, [&](const std::string& f) {
      return test.name.find(f) != std::string::npos;
    });
  };
  std::erase_if(*cases, unwanted);
  spread(*cases, selection.sample);
  const bool terminal = isatty(STDERR_FILENO);
  const auto outcomes = execute_all(*cases, options, jobs, [&](size_t done) {
    if (terminal) fmt::print(stderr, "\r\033[K[{}/{}]", done, cases->size());
  });
  if (terminal) fmt::print(stderr, "\r\033[K");
  print_summary(*cases, outcomes);
  auto dumped = [](const nlohmann::ordered_json& json) {
    return json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  };
  bool written = outputs.json.empty() || write(outputs.json, dumped(report(*cases, outcomes)));
  written &= outputs.table.empty() || write(outputs.table, markdown(*cases, outcomes, options));
  auto count = counts(outcomes);
  if (count[Status::Passed] < selection.least) fmt::print("fewer than {} passed\n", selection.least);
  return !written || count[Status::Failed] > 0 || count[Status::Passed] < selection.least ? 1 : 0;
}

}  // namespace

}  // namespace tenon::conformance

int main(int argc, char** argv) {
  using namespace tenon::conformance;
  CLI::App app(
      "Runs ONNX's backend tests: compiles each model, runs it, and compares with the stored outputs.");
  Selection selection;
  Outputs outputs;
  Options options;
  int jobs = static_cast<int>(std::thread::hardware_concurrency());
  app.add_option("source", selection.source, "folder of suites, or an archive of it")->required();
  app.add_option("--filter", selection.filters, "only cases whose suite/name contains this; repeatable")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--sample", selection.sample, "only so many cases, spread evenly")->check(CLI::PositiveNumber);
  app.add_option("--least", selection.least, "fail if fewer cases pass")->check(CLI::NonNegativeNumber);
  app.add_flag("--optional", selection.optional, "exit with 77 where the source is missing, unless CI is set");
  app.add_flag("--reference", options.reference, "import and evaluate only, without generating code");
  app.add_option("--target", options.target, "target to compile for")->capture_default_str();
  app.add_option("--opt", options.level, "optimisation level")
      ->capture_default_str()
      ->check(CLI::Range(0, 3));
  app.add_option("--workers", options.workers, "split kernels into tasks, run on one thread and on so many, compare the bits")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--timeout", options.timeout_s, "seconds per case")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--jobs", jobs, "cases at a time")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--json", outputs.json, "write a record with a row per case: docs/schemas.md");
  app.add_option("--table", outputs.table, "write docs/conformance.md: operator, passed, not supported and why");
  CLI11_PARSE(app, argc, argv);
  return run_all(selection, options, jobs, outputs);
}
