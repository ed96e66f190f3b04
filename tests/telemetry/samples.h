// Records for the tests of the store: all fields set, different by a number.
#pragma once

#include <unistd.h>

#include <filesystem>

#include "tenon/hash.h"
#include "tenon/telemetry.h"

namespace tenon::telemetry {

inline std::string hash_of(const std::string& text) { return hex(blake3(text)); }

// A UUID of a number, so that a test can ask for the same record again.
inline std::string uuid_of(uint64_t number) {
  std::string digits = hash_of(std::to_string(number)).substr(0, 32);
  for (const size_t at : {20, 16, 12, 8}) digits.insert(at, 1, '-');
  return digits;
}

inline Device sample_device(const std::string& name = "znver4") {
  return {.microarchitecture = name, .features = "avx2 avx512f", .l1d_bytes = 32768, .l2_bytes = 1048576, .l3_bytes = 33554432,
          .clock_mhz = 3700.5, .kernel = "6.1.0", .microcode = "0xa10113e", .target_hash = hash_of(name)};
}

inline Compiler sample_compiler(const std::string& name = "build") { return {.id = hash_of(name), .version = "0.1.0"}; }

inline Session sample_session(uint64_t number = 1) {
  return {.uuid = uuid_of(1000000 + number), .started = 1700000000000000, .source = Source::Tune, .policy = "search", .runner = "process", .cpus = "0-1"};
}

inline Origins sample_origins() { return {{sample_device()}, {sample_compiler()}, {sample_session()}}; }

inline Record sample_record(uint64_t number) {
  Record r;
  r.uuid = uuid_of(number);
  r.session = sample_session().uuid, r.device = fingerprint(sample_device()), r.compiler = sample_compiler().id;
  r.workload_hash = hash_of("workload " + std::to_string(number % 3)), r.schedule_hash = hash_of("schedule " + std::to_string(number));
  r.schedule = "rows 4, vectors 3, k_block " + std::to_string(number);
  r.workload = R"({"op_class":"conv","shapes":[[1,64,56,56]],"dtypes":["f32"],"flops":231211008,"bytes":1605632})";
  r.feature_hash = hash_of("features"), r.features = {1.5f, std::numeric_limits<float>::quiet_NaN(), -3, static_cast<float>(number)};
  r.trace = "schedule conv1: rows 4\nlayout x: NCHW16c";
  const double t = 1e-4 * (1 + static_cast<double>(number % 7));
  set_samples(r, {t, 1.1 * t, 1.05 * t, 1.5 * t});
  r.warmups = 3, r.canary_before = 1e-3, r.canary_after = 1.01e-3;
  r.involuntary_switches = 0, r.voluntary_switches = 2, r.migrations = 1, r.load = 0.25;
  r.clock_before_mhz = 3650, r.clock_after_mhz = 3600, r.compile_ms = 12.5, r.code_bytes = 2048, r.spills = 0, r.peak_bytes = 1 << 20;
  r.error_ulp = 2, r.predicted = 1.2e-4, r.predicted_sigma = 2e-5, r.model_hash = hash_of("model"), r.decided_by = "search";
  r.timestamp = 1700000000000000 + static_cast<int64_t>(number);
  return r;
}

// A folder that goes with the test.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "telemetry.XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace tenon::telemetry
