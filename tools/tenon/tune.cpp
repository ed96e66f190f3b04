#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <memory>
#include <utility>

#include "model_options.h"
#include "records.h"
#include "tenon/tune.h"

namespace tenon::cli {

namespace {

struct Arguments {
  ModelArguments model;
  std::vector<std::string> inputs;
  std::string output, budget = "64", database, search = "guided", runner = "local";
  bool resume = false, names = false;
  int threads = 1, seed = 0, cpu = -1, timeout = 120, turns = 0;
};

volatile std::sig_atomic_t interrupted = 0;

// The first time it ends after the round, the second time at once.
void interrupt(int signal) {
  constexpr std::string_view kSaid = "\nends after this round and keeps what was found; once more: ends now\n";
  interrupted = 1;
  std::signal(signal, SIG_DFL);
  [[maybe_unused]] const auto written = write(STDERR_FILENO, kSaid.data(), kSaid.size());
}

// "64": timings of kernels; "10m", "90s", "2h": time.
Result<void> read_budget(const std::string& text, TuneOptions& options) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  const std::string unit = end;
  const double seconds = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  if (!(number > 0) || (seconds == 0 && !unit.empty()) || (seconds == 0 && number != std::floor(number)))
    return fail(Code::E0601, "--budget " + text + " is no number of timings and no time", "--budget 64, --budget 10m");
  options.timings = seconds == 0 ? static_cast<int64_t>(number) : 0;
  options.seconds = number * seconds;
  return {};
}

// What is left of the budget, as far as can be told: 0 s while what was found is measured together.
std::string time_left(const TuneProgress& p, double seconds) {
  if (seconds <= 0 && p.timings <= 0) return "?";
  const double left = seconds > 0 ? seconds - p.seconds : p.seconds / static_cast<double>(p.timings) * static_cast<double>(p.all - p.timings);
  return fmt::format("{:.0f} s", std::max(0.0, left));
}

std::string progress_row(const TuneProgress& p, double seconds) {
  auto of_rules = [](double ratio) { return ratio > 0 ? fmt::format("{:.3f}", ratio) : std::string("-"); };
  return fmt::format("{:>5.0f} s {:>7} {:>12} {:>7.3f} ms  {:>8}  {:>9}  {:>8}  {}", p.seconds, time_left(p, seconds), p.all ? fmt::format("{}/{}", p.timings, p.all) : std::to_string(p.timings),
                     p.best_ms, of_rules(p.best_ms / p.rules_ms), of_rules(p.predicted), of_rules(p.measured), p.improved.empty() ? p.point : fmt::format("{} x {:.3f} {}", p.improved, p.gain, p.point));
}

std::string changes(const TunedRegion& region) {
  std::string text;
  for (const KnobInfo& info : knob_table()) {
    const Knob knob = static_cast<Knob>(&info - knob_table().data());
    if (region.rules[knob] != region.chosen[knob]) text += fmt::format(" {}={}->{}", info.name, region.rules[knob], region.chosen[knob]);
  }
  return text;
}

void print_report(const TuneReport& report, const std::string& lock, Console& console) {
  for (const TunedAnswer& answer : report.answers)
    if (answer.kept || console.verbose())
      console.print(fmt::format("{:.3f} ({:.3f} predicted)  {} {}: {}, not {}{}\n", answer.ratio, answer.predicted, answer.kind, answer.subject, answer.answer, answer.rules, answer.kept ? "" : "; not kept"));
  console.print("    time   share  timings  ratio  region\n");
  std::string point;
  for (const TunedRegion& region : report.regions) {
    if (region.point != point) console.print("at " + (point = region.point) + ":\n");
    console.print(fmt::format("{:>8.4f} {:>6.1f}% {:>8} {:>6.3f}  {}{}{}\n", region.rules_ms, 100 * region.rules_ms / report.rules_ms, region.timings, region.ratio, region.name,
                              region.occurrences > 1 ? fmt::format(" x{}", region.occurrences) : "", changes(region)));
  }
  const int lost = report.wrong + report.crashed + report.timeouts + report.refused;
  console.print(fmt::format("{} timings{} in {:.0f} s{}\n", report.timings, report.resumed ? fmt::format(" beside {} of the store", report.resumed) : "", report.seconds,
                            lost ? fmt::format("; {} candidates wrong, {} crashed, {} too slow, {} refused", report.wrong, report.crashed, report.timeouts, report.refused) : ""));
  if (report.repeated)
    console.print(fmt::format("{} rounds were measured again, as the machine changed meanwhile; {} stayed disturbed, which nothing is learnt from\n", report.repeated, report.disturbed));
  for (const TunedPoint& p : report.points)
    console.print(fmt::format("at {}: {:.3f} ms, {:.3f} [{:.3f}, {:.3f}] of the time of rules ({:.3f} ms)\n", p.point, p.result.median_ms, p.result.ratio, p.result.low, p.result.high, p.rules_ms));
  if (report.faster)
    console.print(fmt::format("{:.3f} ms, {:.3f} [{:.3f}, {:.3f}] of the time of rules ({:.3f} ms); verified\n", report.result.median_ms, report.result.ratio, report.result.low,
                              report.result.high, report.rules_ms));
  else
    console.print(fmt::format("nothing was found that is faster than what rules choose ({:.3f} ms)\n", report.rules_ms));
  if (!lock.empty()) console.print(fmt::format("{}: compile with --locked {}\n", lock, lock));
}

int run_tune(const Arguments& a, Console& console) {
  auto compile = to_options(a.model, console);
  if (!compile) return console.fail(compile.error());
  if (a.resume && a.database.empty()) return console.fail({{.code = Code::E0601, .message = "--resume goes on with what a store has", .hint = "--store FILE --resume"}});
  if (a.search != "guided" && a.search != "random") return console.fail({{.code = Code::E0601, .message = "--search is guided or random", .hint = "--search guided"}});
  TuneOptions options{.compile = std::move(*compile), .output = a.output, .database = a.database, .resume = a.resume, .names = a.names, .inputs = a.inputs, .timeout = static_cast<double>(std::max(1, a.timeout)),
                      .threads = static_cast<unsigned>(std::max(1, a.threads)), .seed = static_cast<uint64_t>(a.seed), .turns = std::max(0, a.turns), .random = a.search == "random", .runner = a.runner, .cpu = a.cpu};
  if (auto read = read_budget(a.budget, options); !read) return console.fail(read.error());
  for (const auto& [name, range] : options.compile.import.dims)
    if (range.lo == range.hi) options.dims[name] = range.lo;
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, interrupt);
  options.stop = [] { return interrupted != 0; };
  options.progress = [&console, &options, begun = false](const TuneProgress& p) mutable {
    if (!std::exchange(begun, true)) console.remark("   time    left      timings       best  of rules  predicted  measured  gained most");
    console.remark(progress_row(p, options.seconds));
  };
  const auto report = tune(options);
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, SIG_DFL);
  if (!report) return console.fail(report.error());
  console.record(tune_record(*report));
  print_report(*report, a.output, console);
  return kOk;
}

}  // namespace

Command tune_command() {
  auto a = std::make_shared<Arguments>();
  a->model.output.clear();
  return {
      .name = "tune",
      .summary = "Search for faster schedules by measuring them here",
      .examples =
          "tenon tune m.onnx --target native --dim N=1 -o m.lock           # 64 timings of kernels\n"
          "tenon tune m.onnx --target native --dim N=1 -o m.lock --budget 10m\n"
          "tenon tune m.onnx --target native --dim N=1 -o m.lock --store t.db --resume  # goes on\n"
          "tenon compile m.onnx --target native --dim N=1 --locked m.lock  # what was found, or why it does not fit\n"
          "tenon tune m.onnx --target native --dim B=1 --tune-at S=1,P=512,S=128,P=0 -o m.lock  # S and P stay free\n"
          "tenon tune m.onnx --target aarch64 --dim N=1 --runner qemu  # tries it without a device\n"
          "tenon tune m.onnx --target board.toml --dim N=1 --store board.db --runner ./on_board.sh\n"
          "# on_board.sh: scp -qr $1 b:/tmp/j && ssh -n b sh /tmp/j/run.sh && scp -q b:/tmp/j/result.json $1",
      .options = joined({{model_row(a->model, true),
                          {"-o,--output", "FILE", "Lock file to write", &a->output},
                          {"--budget", "BUDGET", "Timings of kernels, as 64, or time, as 90s, 10m or 2h; default: 64", &a->budget},
                          {"--search", "WAY", "guided, which measures what promises most, or random, to compare with; default: guided", &a->search},
                          {"--store", "FILE", "Telemetry store to add every timing to: docs/telemetry.md", &a->database},
                          {"--resume", "", "With --store: begin with what it has of these regions on this machine by this build", &a->resume},
                          {"--names", "", "With --store: write the model's name into it, too", &a->names},
                          {"-i,--input", "NAME=FILE", "As for `tenon run`; default: random:0; repeatable", &a->inputs},
                          {"--runner", "RUNNER", "Where candidates run. local: in processes here; qemu: under the target's emulator, to try things; else a command, which is given a job's folder and leaves "
                                                 "result.json in it: docs/tuning.md; default: local", &a->runner},
                          {"--timeout", "SECONDS", "After which a candidate is given up, compiling included; default: 120", &a->timeout},
                          {"--workers", "N", "Threads to run on", &a->threads},
                          {"--cpu", "N", "Processor to measure on; default: the last that this process may use", &a->cpu},
                          {"--turns", "N", "Turns of a measurement, each six calls of both artifacts: fewer are quicker and noisier; default: as many as take 1.5 s, 5 to 100", &a->turns},
                          {"--seed", "N", "Of the search; default: 0", &a->seed}},
                         import_rows(a->model),
                         code_rows(a->model)}),
      .run = [a](Console& console) { return run_tune(*a, console); },
  };
}

}  // namespace tenon::cli
