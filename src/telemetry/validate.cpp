// What no measurement can be. A store learns from what it holds, so that nothing of this kind may come in.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "tenon/median.h"
#include "plain_text.h"
#include "rows.h"

namespace tenon::telemetry {

namespace {

constexpr double kDay = 86400;                              // seconds
constexpr double kLeast = 1e-10;                            // seconds: less than a clock's cycle
constexpr double kMostRatio = 1e9;
constexpr double kMostClock = 1e6, kMostLoad = 1e6;         // MHz; runnable threads
constexpr int64_t kMostCount = int64_t{1} << 60;            // bytes, switches: what nothing has that many of
constexpr int64_t kYear2100 = 4102444800LL * 1000000;       // microseconds since 1970
constexpr size_t kLongest = size_t{1} << 20, kMost = size_t{1} << 24;  // bytes of a text, numbers of a list
constexpr std::string_view kWorkloadKeys[] = {"op_class", "ops", "shapes", "dtypes", "layouts", "flops", "bytes", "constant_bytes"};

struct Check {
  std::vector<std::string> problems;

  void that(bool holds, std::string problem) {
    if (!holds) problems.push_back(std::move(problem));
  }
  void id(const char* name, const std::string& text, bool may_be_empty = false) {
    const bool digits = std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
    that((may_be_empty && text.empty()) || (text.size() == 64 && digits), std::string(name) + " is not 64 hexadecimal digits");
  }
  void uuid(const char* name, const std::string& text) {
    bool good = text.size() == 36;
    for (size_t k = 0; good && k < text.size(); ++k) {
      const char c = text[k];
      good = k == 8 || k == 13 || k == 18 || k == 23 ? c == '-' : (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    }
    that(good, std::string(name) + " `" + text.substr(0, 36) + "` is no UUID of lower-case digits");
  }
  void time(const char* name, double seconds) {
    const std::string value = std::string(name) + " is " + std::to_string(seconds);
    if (!std::isfinite(seconds)) that(false, value);
    else if (seconds <= 0) that(false, value + " s: no time is zero or less");
    else if (seconds < kLeast) that(false, std::string(name) + " is less than a tenth of a nanosecond");
    else that(seconds <= kDay, value + " s: more than a day");
  }
  void time_if_known(const char* name, double seconds) {
    if (!std::isnan(seconds)) time(name, seconds);
  }
  void amount_if_known(const char* name, double amount) {
    that(std::isnan(amount) || (std::isfinite(amount) && amount >= 0), std::string(name) + " is " + std::to_string(amount));
  }
  void amount_if_known(const char* name, double amount, double most) {
    amount_if_known(name, amount);
    that(!(std::isfinite(amount) && amount > most), std::string(name) + " is " + std::to_string(amount) + ", which is absurd");
  }
  void moment(const char* name, int64_t at) {
    that(at > 0 && at < kYear2100, std::string(name) + " is " + std::to_string(at) + ": not between 1970 and 2100");
  }
};

struct CheckLengths {
  Check& check;
  void operator()(const char* name, const std::string& v) {
    check.that(v.size() <= kLongest, std::string(name) + " is longer than a mebibyte");
    check.that(is_plain_text(v), std::string(name) + " is no plain UTF-8 text");
  }
  void operator()(const char* name, int64_t v) { check.that(v >= -1 && v <= kMostCount, std::string(name) + " is " + std::to_string(v)); }
  template <class T>
  void operator()(const char* name, const std::vector<T>& v) { check.that(v.size() <= kMost, std::string(name) + " has too many elements"); }
  void operator()(const char*, double) {}
  void operator()(const char*, Status) {}
  void operator()(const char*, Source) {}
};

template <class Row>
void check_lengths(const Row& row, Check& check) { each_field(row, CheckLengths{check}); }

void check_workload(const std::string& text, Check& check) {
  using Json = nlohmann::json;
  // Writing JSON recurses: a file from elsewhere must not decide how deep.
  bool too_deep = false;
  const Json json = Json::parse(text, [&](int depth, Json::parse_event_t, Json&) { return too_deep |= depth > 4, true; }, false);
  if (!json.is_object() || too_deep) return check.that(false, too_deep ? "workload nests too deeply" : "workload is no JSON object");
  check.that(json.contains("op_class") && json["op_class"].is_string() && is_plain_text(json["op_class"].get_ref<const std::string&>()), "workload has no op_class");
  for (const char* amount : {"flops", "bytes", "constant_bytes"})
    if (json.contains(amount)) check.that(json[amount].is_number() && json[amount].get<double>() >= 0, std::string("workload's ") + amount + " is no amount");
  for (const auto& [key, value] : json.items())
    check.that(std::ranges::find(kWorkloadKeys, key) != std::end(kWorkloadKeys), "workload has a key that is not known: " + key.substr(0, 40));
}

void check_samples(const Record& r, Check& check) {
  const size_t before = check.problems.size();
  for (const double s : r.samples)
    if (check.problems.size() < before + 3) check.time("a sample", s);
  check.time_if_known("median", r.median);
  check.amount_if_known("mad", r.mad);
  if (check.problems.size() != before) return;
  if (r.samples.empty()) {
    check.that(r.status != Status::Ok && r.status != Status::Disturbed, "there are no samples, and the status is " + std::string(spelling(r.status)));
    check.that(std::isnan(r.median) && std::isnan(r.mad), "there is a median of no samples");
    return;
  }
  const double median = median_of(r.samples), mad = mad_of(r.samples, median);
  check.that(std::abs(r.median - median) <= 1e-9 * median, "median is not that of the samples");
  check.that(std::abs(r.mad - mad) <= 1e-9 * median, "mad is not that of the samples");
}

}  // namespace

void set_samples(Record& record, std::vector<double> seconds) {
  record.samples = std::move(seconds);
  record.median = record.samples.empty() ? kNotKnown : median_of(record.samples);
  record.mad = record.samples.empty() ? kNotKnown : mad_of(record.samples, record.median);
}

std::vector<std::string> problems_of(const Record& r) {
  Check check;
  check.uuid("uuid", r.uuid);
  check.uuid("session", r.session);
  check.id("device", r.device);
  check.id("compiler", r.compiler);
  check.id("workload_hash", r.workload_hash);
  check.id("schedule_hash", r.schedule_hash);
  check.id("feature_hash", r.feature_hash, r.features.empty());
  check.id("model_hash", r.model_hash, true);
  check_lengths(r, check);
  check_workload(r.workload, check);
  check.that(std::ranges::none_of(r.features, [](float f) { return std::isinf(f); }), "a feature is infinite");
  check_samples(r, check);
  check.time_if_known("canary_before", r.canary_before);
  check.time_if_known("canary_after", r.canary_after);
  check.time_if_known("predicted", r.predicted);
  check.amount_if_known("predicted_sigma", r.predicted_sigma, kDay);
  check.amount_if_known("load", r.load, kMostLoad);
  check.amount_if_known("clock_before_mhz", r.clock_before_mhz, kMostClock);
  check.amount_if_known("clock_after_mhz", r.clock_after_mhz, kMostClock);
  check.amount_if_known("compile_ms", r.compile_ms);
  check.that(!(r.compile_ms > kDay * 1e3), "compile_ms is more than a day");
  check.that(!(r.error_ulp < 0), "error_ulp is negative");  // infinite: a result was
  check.that(r.status == Status::Ok || !r.message.empty(), "the status is " + std::string(spelling(r.status)) + ", and no message says why");
  check.amount_if_known("base_ratio", r.base_ratio, kMostRatio);
  check.that(r.base_ratio != 0, "base_ratio is 0");
  check.moment("timestamp", r.timestamp);
  return check.problems;
}

std::string op_class_of(const Record& record) { return nlohmann::json::parse(record.workload)["op_class"]; }

std::vector<std::string> problems_of(const Canary& canary) {
  Check check;
  check.uuid("session", canary.session);
  check.id("device", canary.device);
  check.id("compiler", canary.compiler);
  check.that(!canary.name.empty(), "name is empty");
  check.time("seconds", canary.seconds);
  check.moment("timestamp", canary.timestamp);
  check_lengths(canary, check);
  return check.problems;
}

std::vector<std::string> problems_of(const Device& device) {
  Check check;
  check.that(!device.microarchitecture.empty(), "microarchitecture is empty");
  check.id("target_hash", device.target_hash);
  check.amount_if_known("clock_mhz", device.clock_mhz, kMostClock);
  check_lengths(device, check);
  return check.problems;
}

std::vector<std::string> problems_of(const Compiler& compiler) {
  Check check;
  check.id("id", compiler.id);
  check_lengths(compiler, check);
  return check.problems;
}

std::vector<std::string> problems_of(const Session& session) {
  Check check;
  check.uuid("uuid", session.uuid);
  check.moment("started", session.started);
  check_lengths(session, check);
  return check.problems;
}

}  // namespace tenon::telemetry
