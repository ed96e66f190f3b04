// Jobs: what a command gets, what it may give back, and that whatever it does is the candidate's outcome and no more.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/utsname.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "../../src/driver/files.h"
#include "../../src/driver/scratch_folder.h"
#include "../../src/driver/tune/job.h"
#include "../../src/driver/tune/job_result.h"
#include "../../src/driver/tune/runner.h"

namespace tenon {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int kTurns = 2, kCalls = 3;

// A model, its base and where its jobs go.
struct Searched {
  ScratchFolder scratch;
  TuneOptions options;
  Lowered model;

  explicit Searched(const std::string& target) {
    options.compile.model = TENON_SOURCE_DIR "/models/digits.onnx";
    options.compile.targets = {target};
    options.compile.import.dims["N"] = {2, 2};
    options.dims["N"] = 2;
    options.timeout = 60;
    model = *lower_model(options.compile);
  }
  std::string base() const { return (scratch.path() / "base").string(); }
  // A command that runs these lines; $1 is the job's folder.
  void runner(const std::string& lines) {
    const fs::path file = scratch.path() / "runner.sh";
    std::ofstream(file) << "#!/bin/sh\n" << lines << "\n";
    fs::permissions(file, fs::perms::owner_all);
    options.runner = file.string();
  }
  Measured make_base() { return measure({.model = &model, .plan = &model.plan, .base = {}, .keep = base(), .turns = kTurns}, options); }
  Measured against_base() { return measure({.model = &model, .plan = &model.plan, .base = base(), .keep = {}, .turns = kTurns}, options); }
  std::string path(const std::string& name) const { return (scratch.path() / name).string(); }
};

void expect_measured(const Measured& m) {
  ASSERT_EQ(m.outcome, Outcome::Ok) << m.message;
  EXPECT_GT(m.model.median_ms, 0);
  EXPECT_GT(m.base_ms, 0);
  EXPECT_GT(m.model.ratio, 0);
  EXPECT_GT(m.canary_before, 0);
  EXPECT_GT(m.canary_after, 0);
  ASSERT_FALSE(m.regions.empty());
  double sum = 0;
  for (const RegionTime& region : m.regions) {
    EXPECT_EQ(region.samples_ms.size(), static_cast<size_t>(kTurns * kCalls));
    EXPECT_GE(region.against_ms, 0) << region.name;
    sum += region.median_ms;
  }
  EXPECT_GT(sum, 0);
  ASSERT_TRUE(m.device);
}

TEST(Runner, ACommandRunsTheJobsScript) {
  Searched s("native");
  s.runner("exec sh \"$1/run.sh\"");
  ASSERT_TRUE(prepare_jobs(s.options, s.model, s.base()));
  expect_measured(s.make_base());
  const Measured again = s.against_base();
  expect_measured(again);
  utsname system;
  ASSERT_EQ(uname(&system), 0);
  EXPECT_EQ(again.device->kernel, system.release);
  EXPECT_GT(again.code_bytes, 0);
}

TEST(Runner, WhateverACommandDoesIsTheCandidatesOutcome) {
  Searched s("native");
  s.runner("cp -r \"$1\" \"${0%/*}/kept\"; exec sh \"$1/run.sh\"");
  ASSERT_TRUE(prepare_jobs(s.options, s.model, s.base()));
  ASSERT_EQ(s.make_base().outcome, Outcome::Ok);
  auto outcome = [&](const std::string& lines, Outcome expected, const std::string& said) {
    s.runner(lines);
    const Measured m = s.against_base();
    EXPECT_EQ(m.outcome, expected) << lines << ": " << m.message;
    EXPECT_NE(m.message.find(said), std::string::npos) << lines << ": " << m.message;
  };
  outcome("echo no route to board >&2; exit 3", Outcome::Crashed, "exit status 3: no route to board");
  outcome("kill -KILL $$", Outcome::Crashed, "signal 9");
  outcome("exit 0", Outcome::Crashed, "left no result.json");
  outcome("echo nonsense > \"$1/result.json\"", Outcome::Crashed, "garbled");
  outcome("mkdir \"$1/result.json\"", Outcome::Crashed, "no file");
  outcome("ln -s /dev/zero \"$1/result.json\"", Outcome::Crashed, "no file");
  // A job of the same programs is the same job; by its id it is another.
  outcome("sh \"${0%/*}/kept/run.sh\"; sed -i s/'\"id\": \".'/'\"id\": \"x'/ \"${0%/*}/kept/result.json\"; cp \"${0%/*}/kept/result.json\" \"$1\"", Outcome::Crashed, "another job");
  // The device's programs fail: no processor for them, or one that is cut.
  outcome("printf 'exit 1' > \"$1/candidate\"; exec sh \"$1/run.sh\"", Outcome::Refused, "");
  outcome("head -c 1000 \"$1/base\" > \"$1/b\"; mv \"$1/b\" \"$1/base\"; exec sh \"$1/run.sh\"", Outcome::Refused, "ended early");
  // The second time is given where the first gave nothing.
  outcome("[ -e \"${0%/*}/tried\" ] || { touch \"${0%/*}/tried\"; exit 1; }; exec sh \"$1/run.sh\"", Outcome::Ok, "");
}

TEST(Runner, ACommandThatHangsIsEndedWithWhatItStarted) {
  Searched s("native");
  s.runner("exec sh \"$1/run.sh\"");
  ASSERT_TRUE(prepare_jobs(s.options, s.model, s.base()));
  ASSERT_EQ(s.make_base().outcome, Outcome::Ok);
  s.runner("sleep 1000 & echo $! > \"${0%/*}/pid\"; wait");
  s.options.timeout = 5;
  EXPECT_EQ(s.against_base().outcome, Outcome::Timeout);
  pid_t sleeper = 0;
  ASSERT_TRUE(std::ifstream(s.path("pid")) >> sleeper);
  // A zombie until its new parent takes notice.
  bool gone = false;
  for (int tries = 0; tries < 100 && !gone; ++tries) {
    std::string state, word;
    std::ifstream stat("/proc/" + std::to_string(sleeper) + "/stat");
    gone = !(stat >> word >> word >> state) || state == "Z";
    if (!gone) usleep(50000);
  }
  EXPECT_TRUE(gone);
}

TEST(Runner, SaysBeforehandWhatItCannotDo) {
  Searched s("native");
  auto refused = [&](Code code) {
    const auto prepared = prepare_jobs(s.options, s.model, s.base());
    ASSERT_FALSE(prepared);
    EXPECT_EQ(prepared.error()[0].code, code) << prepared.error()[0].message;
  };
  s.options.runner = "./no-such-runner";
  refused(Code::E0601);
  s.options.runner = " ";
  refused(Code::E0601);
  s.options.runner = "qemu";  // this machine needs none
  s.model.target.qemu.clear();
  refused(Code::E0506);
  s.model.target.qemu = "no-such-emulator -cpu max";
  refused(Code::E0506);
  s.runner("exit 0");
  s.options.threads = 2;
  refused(Code::E0601);
}

TEST(Job, IsKnownByWhatItIs) {
  Searched s("native");
  s.runner("exec sh \"$1/run.sh\"");
  ASSERT_TRUE(prepare_jobs(s.options, s.model, s.base()));
  ASSERT_EQ(s.make_base().outcome, Outcome::Ok);
  auto job = [&](const std::string& name, int turns) {
    auto written = write_job({.folder = s.path(name), .candidate = s.base(), .base = s.base(), .data = job_data_of(s.base()), .turns = turns, .calls = kCalls});
    EXPECT_TRUE(written);
    return *written;
  };
  const WrittenJob one = job("one", 2), same = job("same", 2), other = job("other", 3);
  EXPECT_EQ(one.id, same.id);
  EXPECT_NE(one.id, other.id);
  const Json described = Json::parse(*read_file(s.path("one/job.json")));
  EXPECT_EQ(described.at("id"), one.id);
  for (const Json& file : described.at("files")) {
    const auto found = output_file(s.path("one"), file.at("path"));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->blake3, file.at("blake3"));
  }
  // Twice, from elsewhere, and for the id both times.
  for (int run = 0; run < 2; ++run) {
    ASSERT_EQ(std::system(("cd / && sh '" + s.path("one/run.sh") + "'").c_str()), 0);
    const auto result = read_result(*read_file(s.path("one/result.json")), one, 2, kCalls);
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_FALSE(read_result(*read_file(s.path("one/result.json")), other, 2, kCalls));
  }
}

TEST(JobResult, IsNotBelievedWhereItCannotBe) {
  const WrittenJob job{.id = "00ff", .candidate_regions = {"a", "a", ""}, .base_regions = {"a", "b"}, .bounds = {0.5, 0}};
  const Json program = {{"cpu", 0}, {"switches", 0}, {"canary_ns", {100, 101}}, {"differences", {0.25, 0}}, {"total_ns", {10, 20}}};
  Json good = {{"schema", "tenon-result"}, {"version", 1}, {"id", "00ff"}, {"status", "ok"}, {"exit", 0}, {"message", ""},
               {"device", {{"cpu", "Some CPU"}, {"kernel", "6.1"}, {"microcode", "unknown"}, {"clock_khz", "1500000"}}}, {"candidate", program}, {"base", program}};
  good["candidate"]["kernel_ns"] = {{1, 2}, {3, 4}, {5, 6}};
  good["base"]["kernel_ns"] = {{4, 8}, {2, 2}};
  const auto read = read_result(good.dump(), job, 1, 2);
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->regions.size(), 1U);
  ASSERT_EQ(read->regions[0].samples_ms.size(), 2U);
  EXPECT_DOUBLE_EQ(read->regions[0].samples_ms[0], 4e-6);
  EXPECT_DOUBLE_EQ(read->regions[0].samples_ms[1], 6e-6);
  EXPECT_DOUBLE_EQ(read->regions[0].against_ms, 8e-6);
  EXPECT_DOUBLE_EQ(read->device->clock_mhz, 1500);

  auto changed = [&](const char* pointer, const Json& value) {
    Json result = good;
    result[Json::json_pointer(pointer)] = value;
    return read_result(result.dump(), job, 1, 2);
  };
  const std::pair<const char*, Json> impossible[] = {
      {"/schema", "tenon-job"}, {"/version", 2}, {"/version", "1"}, {"/id", "00fe"}, {"/id", 255}, {"/id", nullptr}, {"/status", "good"}, {"/status", 1},
      {"/candidate/total_ns", {10}}, {"/candidate/total_ns", {10, 20, 30}}, {"/candidate/total_ns", 10}, {"/candidate/total_ns/0", 0}, {"/candidate/total_ns/0", -10},
      {"/candidate/total_ns/0", 10.5}, {"/candidate/total_ns/0", "10"}, {"/candidate/total_ns/0", nullptr}, {"/candidate/total_ns/0", UINT64_MAX}, {"/base/total_ns/1", 86400000000001},
      {"/candidate/kernel_ns", Json::array()}, {"/candidate/kernel_ns/0", {1}}, {"/candidate/kernel_ns/0/0", -1}, {"/candidate/kernel_ns/0/0", 3}, {"/base/kernel_ns/1/1", NAN},
      {"/candidate/differences", {0.25}}, {"/candidate/differences/0", -0.25}, {"/candidate/differences/0", "0"}, {"/base/differences/0", 0.75}, {"/base/differences/0", nullptr},
      {"/candidate/switches", -1}, {"/base/switches", UINT64_MAX}, {"/candidate/canary_ns", {100}}, {"/candidate/canary_ns/0", 0},
      {"/device/cpu", std::string(201, 'x')}, {"/device/kernel", "6.1\n"}, {"/device/microcode", 1}, {"/device/clock_khz", "fast"}, {"/device/clock_khz", "-1500000"}, {"/device", nullptr}, {"/base", nullptr}};
  for (const auto& [pointer, value] : impossible) {
    const auto result = changed(pointer, value);
    EXPECT_FALSE(result) << pointer << " " << value;
    EXPECT_TRUE(result || result.error().of_runner) << pointer << " " << value;
  }
  const std::string whole = good.dump();
  for (size_t cut = 0; cut < whole.size(); ++cut) EXPECT_FALSE(read_result(whole.substr(0, cut), job, 1, 2)) << cut;
  EXPECT_FALSE(read_result("[]", job, 1, 2));
  EXPECT_FALSE(read_result(std::string(100000, '['), job, 1, 2));

  // What can be, and is not well.
  EXPECT_EQ(changed("/candidate/differences/0", 0.75)->outcome, Outcome::Wrong);
  EXPECT_EQ(changed("/candidate/differences/1", nullptr)->outcome, Outcome::Wrong);
  EXPECT_TRUE(std::isnan(changed("/device/clock_khz", "unknown")->device->clock_mhz));
  Json failed = {{"schema", "tenon-result"}, {"version", 1}, {"id", "00ff"}, {"status", "failed"}, {"exit", 132}, {"message", ""}};
  const auto crashed = read_result(failed.dump(), job, 1, 2);
  ASSERT_FALSE(crashed);
  EXPECT_EQ(crashed.error().outcome, Outcome::Crashed);
  EXPECT_FALSE(crashed.error().of_runner);
  failed["exit"] = 1, failed["message"] = "error: the artifact is for another processor";
  EXPECT_EQ(read_result(failed.dump(), job, 1, 2).error().outcome, Outcome::Refused);
}

TEST(Runner, QemuRunsWhatThisMachineCannot) {
  const bool arm = fs::exists("/usr/bin/qemu-aarch64"), riscv = fs::exists("/usr/bin/qemu-riscv64");
  if (std::getenv("CI")) {
    ASSERT_TRUE(arm && riscv) << "tools/deps.sh installs qemu-user";
  }
  if (!arm && !riscv) GTEST_SKIP() << "no emulator";
  for (const auto& [target, here] : {std::pair{"aarch64", arm}, std::pair{"rv64gcv", riscv}}) {
    if (!here) continue;
    Searched s(target);
    s.options.runner = "qemu";
    ASSERT_TRUE(prepare_jobs(s.options, s.model, s.base())) << target;
    expect_measured(s.make_base());
    const Measured again = s.against_base();
    expect_measured(again);
    EXPECT_EQ(again.device->kernel, "emulated");
  }
}

}  // namespace
}  // namespace tenon
