// The machine's peaks, measured by kernels of our own: what a target file's [rates] say. One model holds them all,
// written as Loops; its calls are timed as `bench` times them, and each rate is the best of all rounds.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <thread>

#include "artifact.h"
#include "lowered.h"
#include "scratch_folder.h"

namespace tenon {

namespace {

// A register block of a product: rows x vectors of accumulators stay in registers over the whole kernel.
struct Block {
  int64_t rows, vectors;
};

enum class Rate { F32, I8, L1, L2, L3, Dram, ForkAsleep, ForkSpinning, Count };

// A call that is timed: `work` operations or bytes.
struct Step {
  Rate rate;
  double work = 1;
  std::string how = {};
};

// Steps of a product's inner loop: its panel of the right side stays in half of the smallest first-level cache.
constexpr int64_t kSteps = 32;
// A call of about a millisecond: long against the clock and the call, short against the scheduler.
constexpr double kCallSeconds = 1e-3;
// Memory is read beyond the last cache; more than this is not asked for, whatever the caches are.
constexpr int64_t kMostBytes = int64_t{512} << 20;

std::string size_text(int64_t bytes) {
  return bytes < (1 << 20) ? fmt::format("{} KiB", bytes >> 10) : fmt::format("{} MiB", bytes >> 20);
}

class ProbeModule {
 public:
  explicit ProbeModule(const Target& target) : t_(target), vector_(target.vector_bytes / 4) {
    const int64_t last = std::max({t_.l1d_bytes, t_.l2_bytes, t_.l3_bytes});
    // A cache that keeps a part of what streams through it serves less than an eighth of this.
    data_bytes_ = std::clamp<int64_t>(8 * last, 64 << 20, kMostBytes) / chunk() * chunk();
    fill();
    // Two shapes: which one feeds the multipliers best differs between cores.
    const bool many = t_.vector_registers >= 32;
    for (Block block : many ? std::array{Block{6, 4}, Block{8, 3}} : std::array{Block{6, 2}, Block{4, 2}}) {
      multiply_f32(block);
      multiply_i8(block);
    }
    // From the outside in. A cache is read by two calls, the first of which brings the data in.
    read(Rate::Dram, data_bytes_, t_.dram_gb_per_s, 1);
    // Far enough beyond the cache before, yet far from all of a cache that several cores share.
    if (t_.l3_bytes > 0) read(Rate::L3, std::min(t_.l3_bytes / 2, 8 * std::max(t_.l1d_bytes, t_.l2_bytes)), t_.l3_gb_per_s, 2);
    if (t_.l2_bytes > 0) read(Rate::L2, t_.l2_bytes / 2, t_.l2_gb_per_s, 2);
    if (t_.l1d_bytes > 0) read(Rate::L1, t_.l1d_bytes / 2, t_.l1_gb_per_s, 2);
    fork();
  }

  // What each call of the host program measures.
  std::vector<std::optional<Step>> steps;
  unsigned width() const { return std::thread::hardware_concurrency() > 1 ? 2 : 1; }

  std::string text() const {
    const int64_t sums = 4 * most_f32_, counts = 4 * most_i32_, products = 4 * kSteps;
    int64_t at = 0;
    auto place = [&](int64_t bytes) { return std::exchange(at, at + (bytes + 63) / 64 * 64); };
    std::string out = "module probe {\n";
    out += fmt::format("output sums: f32[{}]\noutput counts: i32[{}]\n", most_f32_, most_i32_);
    out += fmt::format("buffer sums: f32 output 0 bytes {}\nbuffer counts: i32 output 1 bytes {}\n", sums, counts);
    const auto buffer = [&](const char* name, const char* type, int64_t bytes) {
      out += fmt::format("buffer {}: {} workspace bytes {} offset {}\n", name, type, bytes, place(bytes));
    };
    buffer("data", "i32", data_bytes_);
    buffer("fa", "f32", products * most_rows_);
    buffer("fb", "f32", products * most_lanes_);
    buffer("ia", "u8", products * most_rows_);
    buffer("ib", "i8", products * most_lanes_);
    return out + fmt::format("workspace {}\nscratch 0\n", at) + kernels_ + "host {\n" + host_ + "}\n}\n";
  }

 private:
  int64_t lanes_read() const { return 8 * vector_; }         // enough sums to hide the latency of an addition
  int64_t chunk() const { return 4 * lanes_read() * 4; }     // bytes of four steps

  void call(const std::string& text, std::optional<Step> step) {
    host_ += "call " + text + '\n';
    steps.push_back(std::move(step));
  }

  // Pages that nobody has written are all one page of zeros: every buffer is written first, each time.
  void fill() {
    most_rows_ = 8, most_lanes_ = 4 * vector_;
    const auto one = [&](const char* name, const char* type, int64_t elements) {
      kernels_ += fmt::format("kernel fill_{0} {{\nparam x: {1}[{2}] written\nfor i < {3} {{\ntile lanes(l < {4}) {{\n"
                              "x[{4}*i + l] = 1:{1}\n}}\n}}\n}}\n",
                              name, type, elements, elements / vector_, vector_);
      call(fmt::format("fill_{0}({0})", name), std::nullopt);
    };
    one("data", "i32", data_bytes_ / 4);
    one("fa", "f32", kSteps * most_rows_);
    one("fb", "f32", kSteps * most_lanes_);
    one("ia", "u8", 4 * kSteps * most_rows_);
    one("ib", "i8", 4 * kSteps * most_lanes_);
  }

  int64_t rounds(double work, double per_second) const {
    return std::max<int64_t>(1, std::llround(kCallSeconds * per_second / work));
  }

  void multiply_f32(Block block) {
    const int64_t lanes = block.vectors * vector_;
    const double round = 2.0 * static_cast<double>(block.rows * lanes * kSteps);
    const int64_t times = rounds(round, t_.gflops_f32 * 1e9);
    kernels_ += fmt::format("kernel f32_{0}x{1} {{\nparam a: f32[{2}]\nparam b: f32[{3}]\nparam y: f32[{4}] written\n"
                            "tile rows(r < {0}) lanes(l < {5}) {{\nsum acc = 0:f32\nreduce round < {6}, k < {7} {{\n"
                            "acc = acc + a[{7}*r + k]*b[{5}*k + l]\n}}\ny[{5}*r + l] = acc\n}}\n}}\n",
                            block.rows, block.vectors, kSteps * most_rows_, kSteps * most_lanes_, most_f32_, lanes, times, kSteps);
    call(fmt::format("f32_{}x{}(fa, fb, sums)", block.rows, block.vectors),
         Step{Rate::F32, round * static_cast<double>(times),
              fmt::format("multiply-adds into {} x {} vectors, operands in L1", block.rows, block.vectors)});
  }

  void multiply_i8(Block block) {
    const int64_t lanes = block.vectors * vector_;
    const double round = 2.0 * 4 * static_cast<double>(block.rows * lanes * kSteps);
    const int64_t times = rounds(round, t_.gops_i8 * 1e9);
    kernels_ += fmt::format("kernel i8_{0}x{1} {{\nparam a: u8[{2}]\nparam b: i8[{3}]\nparam y: i32[{4}] written\n"
                            "tile rows(r < {0}) lanes(l < {5}) {{\nsum acc = 0:i32\nreduce round < {6}, k < {7}, q < 4 atom {{\n"
                            "acc = acc + cast(a[{8}*r + 4*k + q], i32)*cast(b[{9}*k + 4*l + q], i32)\n}}\n"
                            "y[{5}*r + l] = acc\n}}\n}}\n",
                            block.rows, block.vectors, 4 * kSteps * most_rows_, 4 * kSteps * most_lanes_, most_i32_, lanes, times,
                            kSteps, 4 * kSteps, 4 * lanes);
    call(fmt::format("i8_{}x{}(ia, ib, counts)", block.rows, block.vectors),
         Step{Rate::I8, round * static_cast<double>(times),
              fmt::format("u8 x i8 products summed into {} x {} vectors of i32, operands in L1", block.rows, block.vectors)});
  }

  void read(Rate rate, int64_t wanted, double gb_per_s, int calls) {
    const int64_t bytes = std::max(chunk(), std::min(wanted, data_bytes_) / chunk() * chunk()), lanes = lanes_read();
    const int64_t times = rate == Rate::Dram ? 1 : rounds(static_cast<double>(bytes), gb_per_s * 1e9);
    const std::string name = fmt::format("read_{}", static_cast<int>(rate));
    kernels_ += fmt::format("kernel {0} {{\nparam x: i32[{1}]\nparam y: i32[{2}] written\ntile lanes(l < {3}) {{\n"
                            "sum acc = 0:i32\nreduce round < {4}, k < {5} by 4 {{\nacc = acc + x[{3}*k + l]\n}}\ny[l] = acc\n}}\n}}\n",
                            name, data_bytes_ / 4, most_i32_, lanes, times, bytes / (4 * lanes));
    const std::string how = fmt::format("{} read in turns", size_text(bytes));
    for (int k = 1; k < calls; ++k) call(name + "(data, counts)", std::nullopt);
    call(name + "(data, counts)", Step{rate, static_cast<double>(bytes * times), how});
  }

  // The workers sleep while the other kernels run, and still look for work when the second fork comes.
  void fork() {
    kernels_ += fmt::format("kernel fork {{\nparam y: i32[{}] written\nparallel for task < 2 {{\ny[task] = 1:i32\n}}\n}}\n", most_i32_);
    call("fork(counts)", Step{Rate::ForkAsleep});
    call("fork(counts)", Step{Rate::ForkSpinning});
  }

  const Target& t_;
  const int64_t vector_;  // elements of four bytes
  const int64_t most_f32_ = 8 * 4 * vector_, most_i32_ = most_f32_;
  int64_t most_rows_ = 0, most_lanes_ = 0, data_bytes_ = 0;
  std::string kernels_, host_;
};

// Milliseconds of every round, per call.
Result<std::vector<CallTimes>> measure(const ProbeModule& made, const Target& target, int seconds) {
  TENON_TRY(Module module, parse_module(made.text()));
  TENON_DO(verify(module));
  Lowered model{.target = target, .graph = {}, .plan = {}, .module = std::move(module)};
  model.graph.name = model.module.name;
  ScratchFolder scratch;
  const std::string folder = (scratch.path() / "probe").string();
  CompileOptions options;
  options.threads = made.width() > 1 ? Threads::Pool : Threads::Callback;
  TENON_DO(generate_artifact(model, folder, options));
  TENON_TRY(const std::unique_ptr<Artifact> artifact, open_artifact(folder));
  std::vector<CallTimes> all;
  for (int k = 0; k < seconds; ++k) {  // new memory each time: pages may lie badly
    TENON_TRY(const std::vector<CallTimes> times, artifact->time({}, {}, made.width(), 0, true));
    all.insert(all.end(), times.begin(), times.end());
  }
  return all;
}

struct Measured {
  double value = 0;  // operations or bytes per second, or seconds
  std::string how;
};

// Three digits: more would be noise.
double rounded(double value) {
  if (value <= 0) return 0;
  const double unit = std::pow(10, std::floor(std::log10(value)) - 2);
  return std::stod(fmt::format("{:.6g}", std::round(value / unit) * unit));
}

}  // namespace

Result<ProbeReport> probe(const ProbeOptions& options) {
  TENON_TRY(Target target, load_target(options.target));
  if (target.freestanding)
    return fail(Code::E0601, "--probe measures this machine, and " + target.name + " has no operating system");
  const ProbeModule made(target);
  TENON_TRY(const std::vector<CallTimes> times, measure(made, target, options.seconds));

  std::array<Measured, static_cast<size_t>(Rate::Count)> best;
  for (size_t call = 0; call < made.steps.size(); ++call) {
    if (!made.steps[call]) continue;
    const Step& step = *made.steps[call];
    std::vector<double> ms;
    for (const CallTimes& round : times) ms.push_back(round.kernels_ms[call]);
    std::ranges::sort(ms);
    Measured& rate = best[static_cast<size_t>(step.rate)];
    // A sleeper may be awake by chance: not the best but the lower quartile.
    if (step.rate == Rate::ForkAsleep) rate.value = ms[ms.size() / 4] * 1e-3;
    else if (step.rate == Rate::ForkSpinning) rate.value = ms[0] * 1e-3;
    else if (const double each = step.work / (ms[0] * 1e-3); each > rate.value) rate = {each, step.how};
  }

  std::map<std::string, std::string> notes;
  auto set = [&](double& to, const char* key, Rate rate) {
    const Measured& measured = best[static_cast<size_t>(rate)];
    to = rounded(measured.value * 1e-9);
    notes[key] = measured.how;
  };
  set(target.gflops_f32, "gflops_f32", Rate::F32);
  set(target.gops_i8, "gops_i8", Rate::I8);
  set(target.dram_gb_per_s, "dram_gb_per_s", Rate::Dram);
  // A cache that the machine does not have is as fast as what lies behind it.
  auto cache = [&](double& to, const char* key, Rate rate, int64_t bytes, double behind) {
    if (bytes > 0) return set(to, key, rate);
    to = behind;
    notes[key] = "there is none: the rate of what lies behind";
  };
  cache(target.l3_gb_per_s, "l3_gb_per_s", Rate::L3, target.l3_bytes, target.dram_gb_per_s);
  cache(target.l2_gb_per_s, "l2_gb_per_s", Rate::L2, target.l2_bytes, target.l3_gb_per_s);
  cache(target.l1_gb_per_s, "l1_gb_per_s", Rate::L1, target.l1d_bytes, target.l2_gb_per_s);
  if (made.width() > 1) {
    target.fork_us = rounded(best[static_cast<size_t>(Rate::ForkAsleep)].value * 1e6);
    notes["fork_us"] = fmt::format("two tasks, the worker asleep, lower quartile; {} while it spins",
                                   rounded(best[static_cast<size_t>(Rate::ForkSpinning)].value * 1e6));
  } else {
    notes["fork_us"] = "not measured: this machine has one processor";
  }

  const auto today = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const std::string cpu = host_cpu_name();
  const std::string heading = fmt::format("Rates measured by tenon {} bench --probe on {:%Y-%m-%d}, one thread of {}; best of {} rounds.",
                                          version(), today, cpu, times.size());
  target.description = fmt::format("{}, measured", cpu);
  ProbeReport report{.target = target, .file = to_toml(target, heading, notes)};
  return report;
}

}  // namespace tenon
