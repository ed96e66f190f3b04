#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <memory>

#include "model_options.h"
#include "records.h"

namespace tenon::cli {

namespace {

// Exact while it is short.
std::string count(double size) { return size < 1e6 ? fmt::format("{:.0f}", size) : fmt::format("{:.1e}", size); }

int run_space(const ModelArguments& arguments, Console& console) {
  const auto options = to_options(arguments, console);
  if (!options) return console.fail(options.error());
  const auto report = space(*options);
  if (!report) return console.fail(report.error());
  console.record(space_record(*report));
  double digits = 0;
  for (const RegionSpace& region : report->regions) {
    digits += std::log10(region.size());
    console.print(fmt::format("{:>10}  {}\n", count(region.size()), region.name));
    if (!console.verbose()) continue;
    for (const TileSpace& tile : region.tiles) {
      if (tile.of.valid()) console.print(fmt::format("{:>12}of {}\n", "", tile.value));
      for (const KnobValues& k : tile.knobs)
        console.print(fmt::format("{:>12}{} {}\n", "", knob_table()[static_cast<size_t>(k.knob)].name, fmt::join(k.values, " ")));
    }
  }
  console.print(fmt::format("10^{:.1f} schedules of {} regions for {}, as they are cut and laid out\n", digits, report->regions.size(), report->target));
  return kOk;
}

}  // namespace

Command space_command() {
  auto arguments = std::make_shared<ModelArguments>();
  return {
      .name = "space",
      .summary = "Count the schedules that a model's regions could have",
      .examples =
          "tenon space m.onnx --target native --dim N=1\n"
          "tenon space m.onnx --target x86-64-v3 -v  # with the values of every knob",
      .options = joined({{model_row(*arguments, true)}, import_rows(*arguments), code_rows(*arguments)}),
      .run = [arguments](Console& console) { return run_space(*arguments, console); },
  };
}

}  // namespace tenon::cli
