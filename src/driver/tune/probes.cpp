#include "tenon/probes.h"

#include <map>
#include <set>

#include "../scratch_folder.h"
#include "base.h"
#include "halves.h"
#include "tenon/median.h"

namespace tenon {

namespace {

// A model, its kinds of regions and, once it is measured, what they are compared with. Stays where it is: the base points to it.
struct Model {
  TuneOptions options;
  Lowered lowered;
  std::vector<RegionGroup> groups;
  std::vector<Judge> judges;
  Recorder recorder;
  Watch watch;
  ScratchFolder scratch;
  std::optional<Base> base;
};

struct Place {
  size_t model, group;
  Tiles tiles;
};

Result<std::unique_ptr<Model>> open_model(const ProbesOptions& options, const CompileOptions& compile) {
  auto m = std::make_unique<Model>();
  m->options = options.how;
  m->options.compile = compile;
  if (m->options.compile.policy.empty()) m->options.compile.policy = spelling(Policy::Rules);
  m->options.dims.clear();
  for (const auto& [name, range] : compile.import.dims)
    if (range.lo == range.hi) m->options.dims[name] = range.lo;
  TENON_TRY(m->lowered, lower_model(m->options.compile));
  const Lowered& l = m->lowered;
  TENON_TRY(m->groups, group_regions(l.graph, l.plan, l.target, compile.precision));
  const Graph laid = laid_out(l.graph, l.plan);
  for (RegionGroup& group : m->groups) {
    // One thread does not see what is lost to several.
    if (options.how.threads == 1) leave_out(group.space, {Knob::parallel});
    TENON_TRY(Judge judge, Judge::of(laid, l.plan, l.target, group, options.how.threads));
    m->judges.push_back(std::move(judge));
  }
  return m;
}

}  // namespace

struct ProbeSet::State {
  ProbesOptions options;
  std::vector<std::unique_ptr<Model>> models;
  std::vector<Probe> all;
  std::vector<Place> places;  // of each probe
  std::string device;
  int done = 0, asked = 0;

  Result<void> open_base(Model& m) {
    TENON_DO(m.recorder.open(m.options, m.lowered));
    TENON_DO(m.watch.open(m.lowered.target, m.options, m.recorder));
    m.base.emplace();
    TENON_DO(m.base->open(m.options, m.lowered, m.watch, m.recorder, (m.scratch.path() / "rules").string(), "what rules choose for " + m.lowered.graph.name));
    if (!m.base->verified()) return fail(Code::E0501, "what rules choose for " + m.lowered.graph.name + " is wrong there", "tenon verify says more");
    const std::string here = telemetry::fingerprint(device_of_session(m.lowered.target, m.base->self().device));
    if (!device.empty() && device != here) return fail(Code::E0601, "the runner ran the models on several devices", "adapt to one at a time");
    device = here;
    return {};
  }

  Plan plan_with(const Model& m, const std::vector<size_t>& batch) const {
    Plan plan = m.lowered.plan;
    for (const size_t p : batch) {
      const RegionGroup& group = m.groups[places[p].group];
      for (const size_t r : group.regions)
        for (size_t t = 0; t < places[p].tiles.size(); ++t) set_knobs(plan.regions[r].schedule.variants.back(), group.space, t, places[p].tiles[t]);
    }
    return plan;
  }

  // What goes wrong is looked for in halves.
  Result<void> run(Model& m, std::vector<size_t> batch, std::map<size_t, ProbeTime>& times) {
    if (options.how.stop && options.how.stop()) return {};
    const Plan plan = plan_with(m, batch);
    TENON_TRY(const Measured measured, m.base->measure(plan));
    if (measured.outcome != Outcome::Ok && batch.size() > 1) {
      std::vector<size_t> second = take_second_half(batch);
      TENON_DO(run(m, std::move(batch), times));
      return run(m, std::move(second), times);
    }
    std::vector<Entry> entries;
    for (const size_t p : batch) {
      const RegionGroup& group = m.groups[places[p].group];
      Entry& entry = entries.emplace_back(entry_of(group, m.lowered.plan, m.judges[places[p].group], places[p].tiles, group.regions, measured));
      entry.rules = places[p].tiles == tiles_of(m.lowered.plan.regions[group.regions[0]], group.space);
      ProbeTime& time = times[p];
      if (entry.outcome != Outcome::Ok) time.failure = std::string(spelling(entry.outcome)) + (entry.message.empty() ? "" : ": " + entry.message);
      else if (!entry.disturbed.empty()) time.failure = "disturbed: " + entry.disturbed;
      else if (entry.unclear) time.failure = "no kernel of it ran, or the clock is too coarse for its time";
      else time.seconds = median_of(entry.seconds), time.noise = kSigmaOfMad * mad_of(entry.seconds, time.seconds) / time.seconds;
    }
    done += static_cast<int>(batch.size());
    if (options.progress) options.progress(done, asked);
    return m.recorder.add(entries);
  }
};

ProbeSet::ProbeSet(std::unique_ptr<State> state) : state_(std::move(state)) {}
ProbeSet::ProbeSet(ProbeSet&&) noexcept = default;
ProbeSet::~ProbeSet() = default;

Result<ProbeSet> ProbeSet::of(const ProbesOptions& options) {
  auto state = std::make_unique<State>();
  state->options = options;
  std::set<std::string> known;
  for (const CompileOptions& compile : options.models) {
    TENON_TRY(state->models.emplace_back(), open_model(options, compile));
    const Model& m = *state->models.back();
    for (size_t g = 0; g < m.groups.size(); ++g) {
      const RegionGroup& group = m.groups[g];
      if (!known.insert(group.workload).second) continue;
      Candidates candidates(group, m.lowered.plan, options.how.seed + known.size());
      const RegionPlan& region = m.lowered.plan.regions[group.regions[0]];
      auto add = [&](const Tiles& tiles) {
        state->places.push_back({state->models.size() - 1, g, tiles});
        state->all.push_back({.model = m.lowered.graph.name, .region = region.name, .workload = group.workload, .op_class = heaviest_op(m.lowered.graph, region), .schedule = text_of(tiles),
                              .features = m.judges[g].features(tiles), .prior = m.judges[g].prior(tiles)});
      };
      add(candidates.rules());
      for (int k = 0; k < options.draws; ++k)
        if (const auto tiles = candidates.draw()) add(*tiles);
    }
  }
  return ProbeSet(std::move(state));
}

const std::string& ProbeSet::target() const { return state_->models[0]->lowered.target.name; }
const std::vector<Probe>& ProbeSet::all() const { return state_->all; }
const std::string& ProbeSet::device() const { return state_->device; }

Result<std::vector<ProbeTime>> ProbeSet::measure(std::span<const size_t> chosen) {
  State& s = *state_;
  s.asked += static_cast<int>(chosen.size());
  std::map<size_t, ProbeTime> times;
  for (size_t model = 0; model < s.models.size(); ++model) {
    std::vector<size_t> left;
    std::ranges::copy_if(chosen, std::back_inserter(left), [&](size_t p) { return s.places[p].model == model; });
    if (left.empty()) continue;
    Model& m = *s.models[model];
    if (!m.base) TENON_DO(s.open_base(m));
    while (!left.empty()) {
      std::vector<size_t> batch, later;
      std::set<size_t> taken;
      for (const size_t p : left) (taken.insert(s.places[p].group).second ? batch : later).push_back(p);
      TENON_DO(s.run(m, std::move(batch), times));
      left = std::move(later);
    }
  }
  std::vector<ProbeTime> found;
  for (const size_t p : chosen) found.push_back(times[p]);
  return found;
}

}  // namespace tenon
