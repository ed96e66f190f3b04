#include "measure.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include <nlohmann/json.hpp>

#include "../region_times.h"
#include "../scratch_folder.h"
#include "pin.h"
#include "runner.h"

namespace tenon {

namespace {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

int64_t involuntary_switches() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nivcsw;
}

// The regions of both, in what a child answers.
void add_regions(Json& answer, const std::vector<RegionTime>& regions, const std::vector<RegionTime>& base_regions) {
  answer["regions"] = Json::array(), answer["base_regions"] = Json::array();
  for (const RegionTime& r : regions) answer["regions"].push_back({r.name, r.median_ms, r.against_ms, r.samples_ms});
  for (const RegionTime& r : base_regions) answer["base_regions"].push_back({r.name, r.median_ms, r.samples_ms});
}

Json error_json(const char* outcome, const Diags& diags) { return {{"outcome", outcome}, {"message", diags.empty() ? "" : diags[0].message}}; }

Json json_of(const AgainstTimes& a) { return {a.median_ms, a.ratio, a.low, a.high, a.differences, a.before_ms, a.after_ms}; }

// Of a job.
Json json_of(const Measured& m) {
  Json answer = {{"outcome", spelling(m.outcome)}, {"message", m.message}};
  if (m.outcome != Outcome::Ok && m.outcome != Outcome::Wrong) return answer;
  AgainstTimes against = m.model;
  against.median_ms = m.base_ms;
  answer.update({{"switches", m.switches}, {"median_ms", m.model.median_ms}, {"against", json_of(against)}, {"canary", {m.canary_before, m.canary_after}},
                 {"device", {m.device->cpu, m.device->kernel, m.device->microcode, m.device->clock_mhz}}});
  add_regions(answer, m.regions, m.base_regions);
  return answer;
}

// What the child does; its answer.
Json run_job(const Job& job, const std::string& folder, const std::string& scratch, const TuneOptions& options) {
  Clock::time_point start = Clock::now();
  Lowered model{job.model->target, job.model->graph, *job.plan, {}};
  PassOptions passes = options.compile.passes;
  passes.level = options.compile.level;
  auto module = build_module(model.graph, model.plan, model.target, passes);
  if (!module) return error_json("refused", module.error());
  model.module = std::move(*module);
  CompileOptions compile = options.compile;
  compile.progress = {}, compile.warn = {}, compile.weights = Weights::File;
  const bool as_job = runs_jobs(options);
  const auto artifact = generate_artifact(model, folder, compile, as_job ? Emit::Exe : Emit::SharedLibrary);
  if (!artifact) return error_json("refused", artifact.error());
  Json answer = {{"outcome", "ok"}, {"compile_seconds", seconds_since(start)}, {"code_bytes", artifact->code_bytes}};
  if (as_job) {
    answer.update(json_of(run_as_job(job, folder, scratch, options)));
    return answer;
  }
  if (options.threads == 1) pin(options.cpu);
  const int64_t before = involuntary_switches();
  const auto report = bench({.compile = {}, .artifact = folder, .inputs = options.inputs, .dims = options.dims, .runs = kRunsPerTurn * job.turns,
                             .threads = options.threads, .kernels = true, .level = {}, .against = job.base});
  if (!report) return error_json("refused", report.error());
  answer["switches"] = involuntary_switches() - before;
  answer["median_ms"] = report->median_ms;
  add_regions(answer, report->regions, report->against_regions);
  if (report->against) answer["against"] = json_of(*report->against);
  return answer;
}

Measured parse(const std::string& text) try {
  const Json answer = Json::parse(text);
  const std::string word = answer.at("outcome");
  Outcome outcome = Outcome::Ok;
  while (spelling(outcome) != word && outcome != Outcome::Timeout) outcome = static_cast<Outcome>(static_cast<int>(outcome) + 1);
  if (!answer.contains("regions")) return {.outcome = outcome, .message = answer.at("message"), .model = {}, .regions = {}, .base_regions = {}};
  Measured m{.outcome = outcome, .message = answer.value("message", ""), .model = {.median_ms = answer.at("median_ms")}, .regions = {}, .base_regions = {}, .compile_seconds = answer.at("compile_seconds"),
             .code_bytes = answer.at("code_bytes"), .switches = answer.at("switches")};
  for (const Json& r : answer.at("regions")) m.regions.push_back({r.at(0), r.at(1), r.at(2), r.at(3)});
  for (const Json& r : answer.at("base_regions")) m.base_regions.push_back({.name = r.at(0), .median_ms = r.at(1), .samples_ms = r.at(2)});
  if (answer.contains("against")) {
    const Json& a = answer.at("against");
    m.base_ms = a.at(0);
    m.model = {.median_ms = m.model.median_ms, .ratio = a.at(1), .low = a.at(2), .high = a.at(3), .before_ms = a.at(5), .after_ms = a.at(6)};
    for (const Json& d : a.at(4)) m.model.differences.push_back(d.is_null() ? INFINITY : d.get<double>());  // JSON has no infinity
  }
  if (answer.contains("device")) {
    auto number = [](const Json& value) { return value.is_null() ? NAN : value.get<double>(); };  // nor NaN
    const Json &canary = answer.at("canary"), &d = answer.at("device");
    m.canary_before = number(canary.at(0)), m.canary_after = number(canary.at(1));
    m.device = DeviceSaid{.cpu = d.at(0), .kernel = d.at(1), .microcode = d.at(2), .clock_mhz = number(d.at(3))};
  }
  return m;
} catch (const Json::exception& error) {
  return {.outcome = Outcome::Crashed, .message = error.what(), .model = {}, .regions = {}, .base_regions = {}};
}

// All that the child writes until the deadline; nothing: it did not end in time.
std::optional<std::string> read_until(int pipe, double timeout) {
  const Clock::time_point start = Clock::now();
  std::string text;
  char part[4096];
  for (;;) {
    const double left = timeout - seconds_since(start);
    pollfd wait{.fd = pipe, .events = POLLIN, .revents = 0};
    const int ready = left > 0 ? poll(&wait, 1, static_cast<int>(std::ceil(left * 1e3))) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return std::nullopt;
    const ssize_t n = read(pipe, part, sizeof part);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(part, static_cast<size_t>(n));
  }
}

}  // namespace

std::string_view spelling(Outcome outcome) {
  constexpr std::string_view kNames[] = {"ok", "wrong", "refused", "crashed", "timeout"};
  return kNames[static_cast<size_t>(outcome)];
}

Measured measure(const Job& job, const TuneOptions& options) {
  auto failed = [](Outcome outcome, std::string why) { return Measured{.outcome = outcome, .message = std::move(why), .model = {}, .regions = {}, .base_regions = {}}; };
  ScratchFolder scratch;  // of this process: it goes whatever becomes of the child
  const std::string folder = job.keep.empty() ? (scratch.path() / "candidate").string() : job.keep;
  int ends[2];
  if (pipe(ends) != 0) return failed(Outcome::Crashed, "no pipe to a process can be made");
  const pid_t child = fork();
  if (child < 0) return failed(Outcome::Crashed, "no process can be made");
  if (child == 0) {
    close(ends[0]);
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // a search that is killed leaves nothing running
    setpgid(0, 0);  // so that Ctrl-C ends the search and not the measurement
    const std::string text = run_job(job, folder, scratch.path().string(), options).dump(-1, ' ', false, Json::error_handler_t::replace);
    size_t done = 0;
    while (done < text.size()) {
      const ssize_t n = write(ends[1], text.data() + done, text.size() - done);
      if (n <= 0) break;
      done += static_cast<size_t>(n);
    }
    _exit(0);
  }
  close(ends[1]);
  const auto text = read_until(ends[0], options.timeout);
  close(ends[0]);
  if (!text) kill(-child, SIGKILL), kill(child, SIGKILL);  // with what it started; alone where it has no group yet
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!text) return failed(Outcome::Timeout, "it took longer than " + std::to_string(static_cast<int>(options.timeout)) + " s");
  if (WIFSIGNALED(status)) return failed(Outcome::Crashed, "it was ended by signal " + std::to_string(WTERMSIG(status)));
  return parse(*text);
}

}  // namespace tenon
