// The schedule space, read off a region's statements and the target.
#include "tenon/space.h"

#include <algorithm>
#include <cmath>

#include "tiles.h"

namespace tenon {

namespace {

std::vector<int64_t> up_to(int64_t first, int64_t last) {
  std::vector<int64_t> all;
  for (int64_t v = first; v <= last; ++v) all.push_back(v);
  return all;
}

// Those that leave something to cut, and 0.
std::vector<int64_t> cuts(std::initializer_list<int64_t> values, double extent) {
  std::vector<int64_t> all = {0};
  std::ranges::copy_if(values, std::back_inserter(all), [&](int64_t v) { return static_cast<double>(v) < extent; });
  return all;
}

class TileChoices {
 public:
  TileChoices(const Graph& graph, Region& region, size_t statement, const Target& target, const RegionPlan& plan, Precision precision)
      : graph_(graph), region_(region), s_(region.statements[statement]), target_(target), plan_(plan), precision_(precision),
        layout_(layout_of(graph, region.buffers[s_.out])), chosen_(plan.schedule.variants.back().knobs) {
    if (statement + 1 == region.statements.size()) return;
    for (const auto& [value, knobs] : plan.schedule.variants.back().producers)
      if (value == owner_of(region, s_.out)) chosen_ = knobs;
  }

  TileSpace run() {
    space_.registers = std::max<int64_t>(1, target_.vector_registers - 1);
    const DType type = s_.accumulators.empty() ? region_.buffers[s_.out].type : region_.pool.type(s_.accumulators[0].var);
    width_ = std::max(1, target_.lanes(type));
    if (s_.reduce_axes.empty()) add(Knob::vectors, up_to(1, 4));
    else if (const auto axes = classify(region_, s_, layout_)) axes->vector_both ? depthwise() : product(*axes, type);
    else reduction();
    add(Knob::parallel, {0, 1, 2});
    if (precision_ == Precision::Fast && has_short_functions(region_, s_)) add(Knob::functions, {0, 1});
    return std::move(space_);
  }

 private:
  // With the value that the plan has.
  void add(Knob knob, std::vector<int64_t> values) {
    if (const int64_t chosen = chosen_[knob]; chosen_.differs(knob) && std::ranges::count(values, chosen) == 0)
      values.insert(std::ranges::upper_bound(values, chosen), chosen);
    if (values.size() > 1) space_.knobs.push_back({knob, std::move(values)});
  }
  bool attaches() const { return plan_.schedule.variants.back().knobs[Knob::attach] > 0; }
  bool slides() const { return plan_.schedule.variants.back().knobs[Knob::attach_slide] == 1; }
  // So many rows, lanes, steps as the axes have.
  int64_t most(double positions, int64_t limit) const { return static_cast<int64_t>(std::clamp<double>(positions, 1, static_cast<double>(limit))); }

  // Of a block of registers; of one line where lines come one by one.
  void add_rows(double all) {
    const double line = slides() ? known(region_.pool, region_.pool.var(s_.axes.back()).extent) : all;
    add(Knob::rows, up_to(1, most(std::min(all, line), kRows)));
  }

  void reduction() {
    add_rows(positions(region_.pool, s_.axes));
    add(Knob::vectors, up_to(1, kVectors));
    steps(positions(region_.pool, s_.reduce_axes));
  }

  void depthwise() {
    reduction();
    add(Knob::results_ahead, {0, 1});
  }

  void product(const ContractionAxes& axes, DType type) {
    const ExprPool& pool = region_.pool;
    const double m = positions(pool, axes.m), n = positions(pool, axes.n), k = positions(pool, axes.k);
    add_rows(m);
    add(Knob::vectors, up_to(1, most(std::ceil(n / width_), kVectors)));
    if (!slides()) {  // which goes through rows outside, tiles within one
      add(Knob::order, {0, 1});
      add(Knob::row_block, cuts({32, 64, 128, 256, 512}, m));
    }
    add(Knob::results_ahead, {0, 1});
    steps(k);
    if (reads_constant(graph_, region_, s_, layout_, true)) {
      add(Knob::prefetch, {0, 1, 2, 4, 8});
      if (chosen_[Knob::beyond] > 0) add(Knob::beyond, {0, 1, 2, 4, 8}), add(Knob::beyond_from, {0});
      add(Knob::ahead, {0, 4, 8, 16, 32});
    } else if (!attaches()) {  // what is packed would be there before its block is computed
      add(Knob::pack_b, {0, 1, 2});
    }
    const Expr left = factors_of(region_, s_, layout_)->shared;
    if (type == DType::F32 && pool.op(left) == SOp::Select) add(Knob::padding, {0, 1});
    std::vector<Expr> loads;
    pool.collect_loads(left, loads);
    if (std::ranges::any_of(loads, [&](Expr load) { return reads_window(pool, load, axes); })) add(Knob::line_ahead, {0, 1});
    if (type == DType::I32 && target_.has("tdpbssd")) add(Knob::matrix, {0, 1});
    if (type == DType::F32 && plan_.precision == DType::BF16 && target_.has("tdpbf16ps")) add(Knob::matrix, {0, 1});
    if (precision_ == Precision::Fast && match_winograd(graph_, region_, s_)) add(Knob::winograd, {0, 2, 4});
  }

  // How sums are cut into steps; other lengths of parts round otherwise, within the same bounds.
  void steps(double k) {
    add(Knob::unroll, {1, 2, 4});
    if (is_float(region_.pool.type(s_.accumulators[0].var)) && plan_.precision != DType::F16) add(Knob::k_block, cuts({32, 64, 128, 256, 512}, k));
  }

  static constexpr int64_t kRows = 28, kVectors = 6;
  const Graph& graph_;
  Region& region_;
  const Statement& s_;
  const Target& target_;
  const RegionPlan& plan_;
  Precision precision_;
  Layout layout_;
  Knobs chosen_;
  int width_ = 1;
  TileSpace space_;
};

const KnobValues* find(const TileSpace& space, Knob knob) {
  const auto it = std::ranges::find(space.knobs, knob, &KnobValues::knob);
  return it == space.knobs.end() ? nullptr : &*it;
}

}  // namespace

double TileSpace::size() const {
  double all = 1;
  for (const KnobValues& k : knobs)
    if (k.knob != Knob::rows && k.knob != Knob::vectors) all *= static_cast<double>(k.values.size());
  const std::vector<int64_t> one = {1};
  const KnobValues *rows = find(*this, Knob::rows), *vectors = find(*this, Knob::vectors);
  double blocks = 0;
  for (int64_t r : rows ? rows->values : one)
    for (int64_t v : vectors ? vectors->values : one) blocks += r * v <= registers;
  return all * blocks;
}

bool TileSpace::has(const Knobs& chosen) const {
  auto chosen_of = [&](const KnobValues& k) { return chosen.differs(k.knob) ? chosen[k.knob] : k.values.front(); };
  for (const KnobValues& k : knobs)
    if (std::ranges::count(k.values, chosen_of(k)) == 0) return false;
  for (size_t k = 0; k < chosen.all().size(); ++k)
    if (const auto knob = static_cast<Knob>(k); chosen.differs(knob) && !find(*this, knob)) return false;
  const KnobValues *rows = find(*this, Knob::rows), *vectors = find(*this, Knob::vectors);
  return (rows ? chosen_of(*rows) : 1) * (vectors ? chosen_of(*vectors) : 1) <= registers;
}

double RegionSpace::size() const {
  double all = 1;
  for (const TileSpace& tile : tiles) all *= tile.size();
  return all;
}

Result<std::vector<RegionSpace>> schedule_spaces(const Graph& source, const Plan& plan, const Target& target, Precision precision) {
  const Graph graph = laid_out(source, plan);
  std::vector<RegionSpace> spaces;
  for (const RegionPlan& region_plan : plan.regions) {
    RegionSpace& space = spaces.emplace_back(RegionSpace{.name = region_plan.name, .tiles = {}});
    if (region_plan.provider != Provider::Own) continue;
    TENON_TRY(Region region, build_region(graph, region_plan));
    for (size_t i = 0; i < region.statements.size(); ++i) {
      if (!region.statements[i].routine.empty()) continue;
      // What one value takes several statements for has one tile.
      const ValueId of = i + 1 < region.statements.size() ? owner_of(region, region.statements[i].out) : ValueId{};
      if (of.valid() && std::ranges::find(space.tiles, of, &TileSpace::of) != space.tiles.end()) continue;
      space.tiles.push_back(TileChoices(graph, region, i, target, region_plan, precision).run());
      space.tiles.back().of = of;
      if (of.valid()) space.tiles.back().value = graph.values[of].name;
    }
  }
  return spaces;
}

}  // namespace tenon
