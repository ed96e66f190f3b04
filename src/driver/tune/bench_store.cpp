// bench --store: what a plan's regions take, in turns with themselves and between canaries, for telemetry.
#include <map>

#include "../cost_model_file.h"
#include "../scratch_folder.h"
#include "base.h"
#include "tenon/judge.h"

namespace tenon {

namespace {

std::string who_decided(const CompileOptions& options) { return !options.locked.empty() ? "lock file" : !options.schedule.empty() ? "schedule file" : who_decides(options).policy; }

}  // namespace

Result<StoredBench> store_bench(const TuneOptions& options) {
  if (options.database.empty()) return fail(Code::E0601, "timings are kept in a store", "--store FILE");
  const ScratchFolder scratch;
  const std::string decided_by = who_decided(options.compile);
  TENON_TRY(const Lowered model, lower_model(options.compile));
  Recorder recorder;
  Watch watch;
  Base base;
  TENON_DO(recorder.open(options, model, telemetry::Source::Bench, decided_by));
  TENON_DO(watch.open(model.target, options, recorder));
  TENON_DO(base.open(options, model, watch, recorder, (scratch.path() / "plan").string(), "the model"));
  if (!base.verified()) return fail(Code::E0501, "the model's outputs are not the reference's: no time of it is kept", "tenon verify says more");
  TENON_TRY(std::vector<RegionGroup> groups, group_regions(model.graph, model.plan, model.target, options.compile.precision));
  const Graph graph = laid_out(model.graph, model.plan);
  std::vector<Entry> entries;
  for (RegionGroup& group : groups) {
    if (options.threads == 1) leave_out(group.space, {Knob::parallel});  // as a search does: one thread does not see it
    TENON_TRY(const Judge judge, Judge::of(graph, model.plan, model.target, group, options.threads));
    std::map<std::string, std::vector<size_t>> by_schedule;  // a file may say what it likes of each
    for (const size_t r : group.regions) by_schedule[text_of(tiles_of(model.plan.regions[r], group.space))].push_back(r);
    for (const auto& [schedule, regions] : by_schedule) {
      const Tiles tiles = tiles_of(model.plan.regions[regions[0]], group.space);
      Entry& entry = entries.emplace_back(entry_of(group, model.plan, judge, tiles, regions, base.self(), by_schedule.size() > 1));
      entry.rules = decided_by == "rules";
      if (!entry.rules) entry.ratio = NAN;  // what it ran in turns with is not what rules choose
    }
  }
  TENON_DO(recorder.add(entries));
  return StoredBench{.timings = static_cast<int64_t>(entries.size()), .disturbed = base.self().disturbed};
}

}  // namespace tenon
