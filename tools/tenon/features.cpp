#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include "model_options.h"
#include "records.h"

namespace tenon::cli {

namespace {

struct Arguments {
  ModelArguments model;
  std::string region;
  int threads = 1;
  bool json = false;
};

std::string_view group_name(char group) {
  constexpr std::string_view kNames[] = {"work", "space", "schedule", "buffers with the most bytes to and from registers", "traffic", "parallelism", "device", "prior"};
  return kNames[group - 'A'];
}

// What log2(1+x) is of.
std::string plain(const FeatureInfo& feature, float value) {
  if (std::isnan(value)) return "-";
  return feature.unit.starts_with("log2") && value > 0 ? fmt::format("{:.6g}", std::exp2(static_cast<double>(value)) - 1) : std::string();
}

void print_region(const RegionFeatures& region, Console& console) {
  char group = 0;
  for (size_t k = 0; k < region.values.size(); ++k) {
    const FeatureInfo& feature = feature_table()[k];
    if (feature.group != group) console.print(fmt::format("{}: {}\n", group = feature.group, group_name(feature.group)));
    console.print(fmt::format("  {:<20} {:>10.4g} {:>12}  {}\n", feature.name, region.values[k], plain(feature, region.values[k]), feature.unit));
  }
}

int run_features(const Arguments& a, Console& console) {
  const auto options = to_options(a.model, console);
  if (!options) return console.fail(options.error());
  auto report = features(*options, static_cast<unsigned>(std::max(1, a.threads)));
  if (!report) return console.fail(report.error());
  if (!a.region.empty()) {
    std::erase_if(report->regions, [&](const RegionFeatures& r) { return r.name != a.region; });
    if (report->regions.empty()) return console.fail({{.code = Code::E0601, .message = "no region is called " + a.region, .hint = "without --region all are listed"}});
  }
  if (a.json) {
    std::puts(features_record(*report).c_str());
    return kOk;
  }
  console.record(features_record(*report));
  double all = 0, floor = 0;
  console.print("       prior  bound         floor  region\n");
  for (const RegionFeatures& region : report->regions) {
    all += region.prior.seconds, floor += region.floor;
    console.print(fmt::format("{:>9.4f} ms  {:<7} {:>8.4f} ms  {}\n", region.prior.seconds * 1e3, bound_name(region.prior.bound), region.floor * 1e3, region.name));
    if (!a.region.empty()) print_region(region, console);
  }
  if (a.region.empty())
    console.print(fmt::format("{:>9.4f} ms          {:>8.4f} ms  {} regions for {}; {} features of hash {}\n", all * 1e3, floor * 1e3, report->regions.size(), report->target,
                              feature_table().size(), features_hash()));
  return kOk;
}

}  // namespace

Command features_command() {
  auto a = std::make_shared<Arguments>();
  return {
      .name = "features",
      .summary = "Print what a cost model is told of a model's regions, and how long they should take",
      .examples =
          "tenon features m.onnx --target native --dim N=1\n"
          "tenon features m.onnx --target znver4 --region relu1  # every feature of one region\n"
          "tenon features m.onnx --target x86-64-v3 --json",
      .options = joined({{model_row(a->model, true),
                          {"--region", "NAME", "Only this region, feature by feature", &a->region},
                          {"--workers", "N", "Threads that share the tasks of a kernel", &a->threads},
                          {"--json", "", "Print one JSON record: docs/schemas.md", &a->json}},
                         import_rows(a->model),
                         code_rows(a->model)}),
      .run = [a](Console& console) { return run_features(*a, console); },
  };
}

}  // namespace tenon::cli
