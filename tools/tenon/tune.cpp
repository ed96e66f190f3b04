#include <csignal>
#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "model_options.h"
#include "records.h"
#include "tenon/tune.h"

namespace tenon::cli {

namespace {

struct Arguments {
  ModelArguments model;
  std::vector<std::string> inputs;
  std::string output, budget = "64", database, search = "guided";
  bool resume = false, names = false;
  int threads = 1, seed = 0, cpu = -1;
};

volatile std::sig_atomic_t interrupted = 0;

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
  for (const TunedRegion& region : report.regions)
    console.print(fmt::format("{:>8.4f} {:>6.1f}% {:>8} {:>6.3f}  {}{}{}\n", region.rules_ms, 100 * region.rules_ms / report.rules_ms, region.timings, region.ratio, region.name,
                              region.occurrences > 1 ? fmt::format(" x{}", region.occurrences) : "", changes(region)));
  const int lost = report.wrong + report.crashed + report.timeouts + report.refused;
  console.print(fmt::format("{} timings{} in {:.0f} s{}\n", report.timings, report.resumed ? fmt::format(" beside {} of the store", report.resumed) : "", report.seconds,
                            lost ? fmt::format("; {} candidates wrong, {} crashed, {} too slow, {} refused", report.wrong, report.crashed, report.timeouts, report.refused) : ""));
  if (report.repeated)
    console.print(fmt::format("{} rounds were measured again, as the machine changed meanwhile; {} stayed disturbed, which nothing is learnt from\n", report.repeated, report.disturbed));
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
  TuneOptions options{.compile = std::move(*compile), .output = a.output, .database = a.database, .resume = a.resume, .names = a.names, .inputs = a.inputs, .threads = static_cast<unsigned>(std::max(1, a.threads)),
                      .seed = static_cast<uint64_t>(a.seed), .random = a.search == "random", .cpu = a.cpu};
  if (auto read = read_budget(a.budget, options); !read) return console.fail(read.error());
  for (const auto& [name, range] : options.compile.import.dims)
    if (range.lo == range.hi) options.dims[name] = range.lo;
  std::signal(SIGINT, [](int) { interrupted = 1; });
  options.stop = [] { return interrupted != 0; };
  options.progress = [&console](const TuneProgress& p) {
    console.remark(fmt::format("{:>6.0f} s  {:>5}{} timings  {:.3f} ms, {:.3f} of rules{}", p.seconds, p.timings, p.all ? fmt::format("/{}", p.all) : "", p.best_ms, p.best_ms / p.rules_ms,
                               p.improved.empty() ? "" : fmt::format("  {} x {:.3f}", p.improved, p.gain)));
  };
  const auto report = tune(options);
  std::signal(SIGINT, SIG_DFL);
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
          "tenon compile m.onnx --target native --dim N=1 --locked m.lock  # what was found, or why it does not fit",
      .options = joined({{model_row(a->model, true),
                          {"-o,--output", "FILE", "Lock file to write", &a->output},
                          {"--budget", "BUDGET", "Timings of kernels, as 64, or time, as 90s, 10m or 2h; default: 64", &a->budget},
                          {"--search", "WAY", "guided, which measures what promises most, or random, to compare with; default: guided", &a->search},
                          {"--store", "FILE", "Telemetry store to add every timing to: docs/telemetry.md", &a->database},
                          {"--resume", "", "With --store: begin with what it has of these regions on this machine by this build", &a->resume},
                          {"--names", "", "With --store: write the model's name into it, too", &a->names},
                          {"-i,--input", "NAME=FILE", "As for `tenon run`; default: random:0; repeatable", &a->inputs},
                          {"--workers", "N", "Threads to run on", &a->threads},
                          {"--cpu", "N", "Processor to measure on; default: the last that this process may use", &a->cpu},
                          {"--seed", "N", "Of the search; default: 0", &a->seed}},
                         import_rows(a->model),
                         code_rows(a->model)}),
      .run = [a](Console& console) { return run_tune(*a, console); },
  };
}

}  // namespace tenon::cli
