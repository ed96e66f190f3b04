#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>
#include <memory>

#include "command.h"
#include "model_options.h"
#include "records.h"
#include "tenon/hash.h"
#include "tenon/learn.h"

namespace tenon::cli {

namespace {

struct Arguments {
  std::vector<std::string> stores;
  std::string output, device, compiler, epoch, without;
  int seed = 0, jobs = 1;
};

int run_train(const Arguments& a, Console& console) {
  if (a.output.empty()) return console.fail({{.code = Code::E0601, .message = "-o FILE is needed: where the model goes", .hint = "tenon train t.db -o here.model"}});
  TrainOptions options{.stores = a.stores, .device = a.device, .compiler = a.compiler, .without = a.without, .epoch = a.epoch, .grow = {.seed = static_cast<uint64_t>(a.seed), .threads = std::max(1, a.jobs)}};
  const auto report = train(options);
  if (!report) return console.fail(report.error());
  const std::string text = print(report->model);
  if (!(std::ofstream(a.output, std::ios::binary) << text << std::flush)) return console.fail({{.code = Code::E0505, .message = "cannot write the model", .file = a.output}});
  console.record(train_record(*report, hex(blake3(text))));
  console.print(fmt::format("{} timings in {} groups; trees per booster: {:.0f}\n", report->timings, report->groups, fmt::join(report->growth, ", ")));
  if (report->other_models > 0) console.print(fmt::format("{} records are left out: their models are of the family {}, or have no name\n", report->other_models, a.without));
  if (report->other_epochs > 0) console.print(fmt::format("{} records are left out: they are of other epochs of the device\n", report->other_epochs));
  if (report->other_features > 0) console.print(fmt::format("{} timings are left out: their features are another build's\n", report->other_features));
  const Calibration& known = report->model.calibration;
  console.print(known.scale > 0 ? fmt::format("90 % intervals: {:.2f} x hypot(spread, {:.1f} %), from {} workloads that boosters did not see\n", known.scale, 100 * known.floor, known.units)
                                : std::string("too few workloads to calibrate intervals by\n"));
  if (report->failures > 0 && report->model.failures.empty()) console.print(fmt::format("{} trials failed, too few to learn which do\n", report->failures));
  console.print(fmt::format("{}  {}\n", hex(blake3(text)).substr(0, 16), a.output));
  return kOk;
}

}  // namespace

Command train_command() {
  auto a = std::make_shared<Arguments>();
  return {
      .name = "train",
      .summary = "Learn a cost model from telemetry",
      .examples =
          "tenon train t.db -o here.model\n"
          "tenon train a.db b.db --device all -o fleet.model\n"
          "tenon train t.db --epoch latest -o here.model                   # since kernel, microcode or Tenon changed\n"
          "tenon tune m.onnx --target native --cost-model here.model -o m.lock  # the model says what to measure",
      .options = {{"STORE", "", "Telemetry stores that `tenon tune --store` filled", &a->stores, {}, true},
                  {"-o,--output", "FILE", "Cost model to write", &a->output},
                  {"--device", "ID", "Learn from this device: the beginning of its id, or all; default: there may be only one", &a->device},
                  {"--compiler", "ID", "Learn from this build's records, as --device", &a->compiler},
                  {"--epoch", "EPOCH", "Of the device: a number of `tenon telemetry stats`, latest or all; default: there may be only one", &a->epoch},
                  {"--without", "FAMILY", "Leave out the records of a family of models, as `evaluate-model --leave family` does, to judge decisions on models that training never saw", &a->without},
                  {"--seed", "N", "Of the draws; default: 0", &a->seed},
                  {"-j,--jobs", "N", "Threads; the model is the same for any number", &a->jobs}},
      .run = [a](Console& console) { return run_train(*a, console); },
  };
}

}  // namespace tenon::cli
