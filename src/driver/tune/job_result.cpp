#include "job_result.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "../region_times.h"

namespace tenon {

namespace {

using Json = nlohmann::json;

constexpr int64_t kLongest = 86400LL * 1000000000;  // nanoseconds: a day
constexpr double kMsPerNs = 1e-6, kSecondsPerNs = 1e-9;

// Thrown and caught here, as nlohmann's own are.
struct Unbelievable {
  std::string why;
};
void want(bool holds, const std::string& why) {
  if (!holds) throw Unbelievable{why};
}

int64_t integer(const Json& value, int64_t least, int64_t most, const std::string& what) {
  // Above int64 nlohmann keeps it unsigned.
  const bool fits = value.is_number_integer() && !(value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(most));
  want(fits && value.get<int64_t>() >= least && value.get<int64_t>() <= most, what + " is no integer that can be");
  return value.get<int64_t>();
}

std::string words(const Json& value, const std::string& what) {
  constexpr size_t kMost = 200;
  want(value.is_string(), what + " is no text");
  const std::string text = value;
  want(text.size() <= kMost && std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 127; }), what + " is too long, or has characters that no device has in its name");
  return text;
}

const Json& list(const Json& value, size_t count, const std::string& what) {
  want(value.is_array() && value.size() == count, what + " does not have " + std::to_string(count) + " entries");
  return value;
}

std::vector<CallTimes> times_of(const Json& program, size_t runs, size_t kernels) {
  std::vector<CallTimes> times(runs);
  const Json &totals = list(program.at("total_ns"), runs, "total_ns"), &rows = list(program.at("kernel_ns"), kernels, "kernel_ns");
  std::vector<int64_t> left(runs);
  for (size_t run = 0; run < runs; ++run) {
    left[run] = integer(totals[run], 1, kLongest, "a time of a call");
    times[run] = {.total_ms = static_cast<double>(left[run]) * kMsPerNs, .kernels_ms = std::vector<double>(kernels)};
  }
  for (size_t kernel = 0; kernel < kernels; ++kernel) {
    list(rows[kernel], runs, "a row of kernel_ns");
    for (size_t run = 0; run < runs; ++run) {
      const int64_t ns = integer(rows[kernel][run], 0, kLongest, "a time of a kernel");
      left[run] -= ns;
      times[run].kernels_ms[kernel] = static_cast<double>(ns) * kMsPerNs;
    }
  }
  want(std::ranges::all_of(left, [](int64_t ns) { return ns >= 0; }), "the kernels of a call take longer than the call");
  return times;
}

std::vector<double> differences_of(const Json& program, size_t outputs) {
  std::vector<double> differences;
  for (const Json& value : list(program.at("differences"), outputs, "differences")) {
    want(value.is_null() || (value.is_number() && std::isfinite(value.get<double>()) && value.get<double>() >= 0), "a difference is negative, or no number");
    differences.push_back(value.is_null() ? INFINITY : value.get<double>());
  }
  return differences;
}

DeviceSaid device_of(const Json& device) {
  DeviceSaid said{.cpu = words(device.at("cpu"), "cpu"), .kernel = words(device.at("kernel"), "kernel"), .microcode = words(device.at("microcode"), "microcode")};
  constexpr double kLeastKhz = 1e3, kMostKhz = 1e8, kMhzPerKhz = 1e-3;
  const std::string khz = words(device.at("clock_khz"), "clock_khz");
  if (khz == "unknown") return said;
  char* end = nullptr;
  const double value = std::strtod(khz.c_str(), &end);
  want(*end == 0 && value >= kLeastKhz && value <= kMostKhz, "clock_khz is no clock");
  said.clock_mhz = value * kMhzPerKhz;
  return said;
}

Measured measured(const Json& result, const WrittenJob& job, int turns, int calls) {
  const auto runs = static_cast<size_t>(turns) * static_cast<size_t>(calls);
  const Json &candidate = result.at("candidate"), &base = result.at("base");
  const std::vector<CallTimes> own = times_of(candidate, runs, job.candidate_regions.size()), others = times_of(base, runs, job.base_regions.size());
  Measured m{.message = {}, .model = {}, .regions = region_times(job.candidate_regions, own), .base_regions = region_times(job.base_regions, others)};
  set_against(m.regions, m.base_regions);
  m.model = against_times(own, others, calls);
  m.base_ms = m.model.median_ms;
  m.model.median_ms = median_total(own);
  constexpr int64_t kMostSwitches = 1LL << 40;
  m.switches = integer(candidate.at("switches"), 0, kMostSwitches, "switches") + integer(base.at("switches"), 0, kMostSwitches, "switches");
  const Json& canary = list(candidate.at("canary_ns"), 2, "canary_ns");
  m.canary_before = static_cast<double>(integer(canary[0], 1, kLongest, "a canary's time")) * kSecondsPerNs;
  m.canary_after = static_cast<double>(integer(canary[1], 1, kLongest, "a canary's time")) * kSecondsPerNs;
  m.device = device_of(result.at("device"));
  // The base is right, or the device is not what the job is for.
  const std::vector<double> ours = differences_of(candidate, job.bounds.size()), theirs = differences_of(base, job.bounds.size());
  for (size_t k = 0; k < job.bounds.size(); ++k) {
    want(theirs[k] <= job.bounds[k], "the base's outputs are wrong on this device");
    if (!(ours[k] <= job.bounds[k])) m.outcome = Outcome::Wrong, m.message = "output " + std::to_string(k) + " lies " + std::to_string(ours[k]) + " from what is expected, " + std::to_string(job.bounds[k]) + " is allowed";
  }
  return m;
}

}  // namespace

std::expected<Measured, JobFailure> read_result(std::string_view text, const WrittenJob& job, int turns, int calls) try {
  constexpr int kFirstSignal = 128;
  const Json result = Json::parse(text);
  want(result.is_object(), "it is no object");
  want(result.at("schema") == "tenon-result" && result.at("version") == 1, "it has another schema");
  if (result.at("id") != job.id) return std::unexpected(JobFailure{.message = "result.json is another job's"});
  const std::string status = words(result.at("status"), "status");
  if (status == "ok") return measured(result, job, turns, calls);
  want(status == "failed", "its status is neither ok nor failed");
  const int64_t code = integer(result.at("exit"), 0, 255, "exit");
  const std::string message = words(result.at("message"), "message");
  return std::unexpected(JobFailure{.outcome = code >= kFirstSignal ? Outcome::Crashed : Outcome::Refused,
                                    .message = message.empty() ? "the program ended with exit status " + std::to_string(code) : message, .of_runner = false});
} catch (const Unbelievable& no) {
  return std::unexpected(JobFailure{.message = "result.json cannot be: " + no.why});
} catch (const Json::exception& error) {
  return std::unexpected(JobFailure{.message = std::string("result.json is garbled: ") + error.what()});
}

}  // namespace tenon
