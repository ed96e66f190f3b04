#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <memory>

#include "model_options.h"
#include "records.h"
#include "tenon/tune.h"

namespace tenon::cli {

namespace {

struct Arguments {
  ModelArguments model;
  std::vector<std::string> inputs;
  std::string output, level, against, database;
  bool kernels = false, bounds = false, json = false, probe = false, huge_pages = false, names = false;
  int runs = 0, threads = 1, against_threads = 0;
};

int run_probe(const Arguments& a, Console& console) {
  if (!a.model.model.empty() || a.model.targets.size() > 1)
    return console.fail({{.code = Code::E0601, .message = "--probe measures this machine, as one --target; it takes no MODEL",
                          .hint = "tenon bench --probe -o FILE.toml"}});
  ProbeOptions options;
  if (!a.model.targets.empty()) options.target = a.model.targets[0];
  const auto report = probe(options);
  if (!report) return console.fail(report.error());
  if (!a.output.empty() && !(std::ofstream(a.output) << report->file << std::flush))
    return console.fail({{.code = Code::E0505, .message = "cannot write the target file", .file = a.output}});
  if (a.json) std::puts(target_record(report->target).c_str());
  else if (a.output.empty()) std::fputs(report->file.c_str(), stdout);
  return kOk;
}

int run_bench(const Arguments& a, Console& console) {
  if (a.model.model.empty())
    return console.fail({{.code = Code::E0601, .message = "a MODEL or --probe is needed", .hint = "tenon bench --help"}});
  auto options = to_options(a.model, console);
  if (!options) return console.fail(options.error());
  BenchOptions request{.inputs = a.inputs,
                       .runs = a.runs,
                       .threads = static_cast<unsigned>(std::max(1, a.threads)),
                       .kernels = a.kernels || a.bounds,
                       .bounds = a.bounds,
                       .level = a.level,
                       .huge_pages = a.huge_pages,
                       .against = a.against,
                       .against_threads = static_cast<unsigned>(std::max(0, a.against_threads))};
  for (const auto& [name, range] : options->import.dims)
    if (range.lo == range.hi) request.dims[name] = range.lo;
  const bool compiles = a.model.model.ends_with(".onnx");
  if (!a.database.empty() && !compiles)
    return console.fail({{.code = Code::E0601, .message = "--store wants to know how the model was scheduled", .hint = "name the ONNX file; `tenon telemetry ingest` takes what artifacts recorded"}});
  if (compiles) request.compile = *options;
  else request.artifact = a.model.model;
  const auto report = bench(request);
  if (!report) return console.fail(report.error());
  std::optional<StoredBench> stored;
  if (!a.database.empty()) {
    const auto done = store_bench({.compile = std::move(*options), .output = {}, .database = a.database, .names = a.names, .inputs = a.inputs, .dims = request.dims, .threads = request.threads});
    if (!done) return console.fail(done.error());
    stored = *done;
    if (!stored->disturbed.empty()) console.remark("the timings are kept as disturbed, which nothing is learnt from: " + stored->disturbed);
  }
  if (a.json) {
    std::puts(bench_record(*report, stored).c_str());
    return kOk;
  }
  console.record(bench_record(*report, stored));
  console.print(fmt::format("{}: median {:.3f} ms, least {:.3f} ms, spread {:.1f} %, {} runs, {} threads\n",
                            report->target, report->median_ms, report->min_ms, report->spread * 100,
                            report->runs, report->threads));
  if (report->against)
    console.print(fmt::format("against {}: median {:.3f} ms, ratio {:.3f} [{:.3f}, {:.3f}], outputs differ by at most {:.1e}\n", a.against,
                              report->against->median_ms, report->against->ratio, report->against->low, report->against->high,
                              report->against->differences.empty() ? 0 : *std::ranges::max_element(report->against->differences)));
  if (report->floor_ms > 0)
    console.print(fmt::format("roofline floor {:.4f} ms of {} of {} calls: time / floor {:.2f}\n", report->floor_ms,
                              report->calls - report->uncounted_calls, report->calls, report->median_ms / report->floor_ms));
  if (!report->kernels.empty())
    console.print(fmt::format("        time   share   GFLOP/s      GB/s  roofline  {}kernel\n", a.bounds ? "    loads  arithmetic  " : ""));
  for (const KernelTime& kernel : report->kernels) {
    auto percent = [](double part) { return static_cast<int>(std::lround(100 * part)); };
    auto known = [](double value, const char* unit, int digits) {
      return value <= 0 ? std::string("-") : fmt::format("{:.{}f}{}", value, digits, unit);
    };
    const std::string halves = a.bounds ? fmt::format("{:>6} %  {:>8} %  ", percent(kernel.loads_ms / kernel.median_ms), percent(kernel.arithmetic_ms / kernel.median_ms)) : "";
    console.print(fmt::format("{:>9.4f} ms {:>5.1f} %  {:>8}  {:>8}  {:>8}  {}{}\n", kernel.median_ms,
                              100 * kernel.median_ms / report->median_ms, known(kernel.gflops, "", 1),
                              known(kernel.gb_per_s, "", 1), known(kernel.roofline < 0 ? -1 : 100 * kernel.roofline, " %", 0),
                              halves, kernel.name));
  }
  if (stored) console.print(fmt::format("{}: {} timings added\n", a.database, stored->timings));
  return kOk;
}

}  // namespace

Command bench_command() {
  auto a = std::make_shared<Arguments>();
  Option path = model_row(a->model, false);
  path.help = "An ONNX file, which is compiled first, or an artifact";
  return {
      .name = "bench",
      .summary = "Measure how long an artifact takes",
      .examples =
          "tenon bench out\n"
          "tenon bench m.onnx --target native --dim N=1 --kernels\n"
          "tenon bench out --workers 2 --json\n"
          "tenon bench out --against before --kernels  # two artifacts of one model, in turns\n"
          "tenon bench out --workers 2 --against out --against-workers 1  # what a second thread gains\n"
          "tenon bench m.onnx --target native --dim N=1 --bounds  # what bounds each kernel: loads or arithmetic\n"
          "tenon bench m.onnx --target native --dim N=1 --store t.db  # and keep what each kind of region took\n"
          "tenon bench --probe -o here.toml  # what this machine can do, as a target file",
      .options = joined(
          {{path,
            {"-i,--input", "NAME=FILE", "As for `tenon run`; default: random:0; repeatable", &a->inputs},
            {"--kernels", "", "Time each kernel, against what the target file says the device can do", &a->kernels},
            {"--bounds", "", "With an ONNX file: --kernels, and their loads alone and their arithmetic alone", &a->bounds},
            {"--probe", "", "Measure this machine's peaks and print them as a target file", &a->probe},
            {"-o,--output", "FILE", "With --probe: the file to write", &a->output},
            {"--against", "ARTIFACT", "Another artifact of the same model, timed in turns with this one", &a->against},
            {"--against-workers", "N", "Threads that it runs on; default: as --workers", &a->against_threads},
            {"--runs", "N", "Runs to measure; 0: for about a second", &a->runs},
            level_row(a->level),
            huge_pages_row(a->huge_pages),
            {"--workers", "N", "Threads to run on", &a->threads},
            {"--store", "FILE", "With an ONNX file: measure its regions as `tenon tune` does, and add that to a telemetry store", &a->database},
            {"--names", "", "With --store: names of the model, too", &a->names},
            {"--json", "", "Print one JSON record: docs/schemas.md", &a->json}},
           import_rows(a->model),
           code_rows(a->model)}),
      .run = [a](Console& console) { return a->probe ? run_probe(*a, console) : run_bench(*a, console); },
  };
}

}  // namespace tenon::cli
