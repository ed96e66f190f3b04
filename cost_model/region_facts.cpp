// What a region is to the cost model, whatever its knobs: axes, accesses, operations.
#include <algorithm>
#include <cmath>

#include "count_ops.h"
#include "merge_axes.h"
#include "tenon/features.h"
#include "tiles.h"

namespace tenon {

namespace {

constexpr double kBitsPerByte = 8;

// A bound extent; one that only a run knows is what `known` says.
double extent_of(const ExprPool& pool, Expr e) {
  const auto [low, high] = pool.bounds(e);
  return low == high ? static_cast<double>(low) : known(pool, e);
}
bool is_symbolic(const ExprPool& pool, Expr e) {
  const auto [low, high] = pool.bounds(e);
  return low != high;
}
double elements_of(const ExprPool& pool, std::span<const Expr> dims) {
  double all = 1;
  for (Expr dim : dims) all *= extent_of(pool, dim);
  return all;
}
double bytes_of(const ExprPool& pool, const RegionBuffer& b) { return elements_of(pool, b.dims) * bits(b.type) / kBitsPerByte; }

Expr without_casts(const ExprPool& pool, Expr e) {
  while (pool.op(e) == SOp::Cast || pool.op(e) == SOp::CastSat) e = pool.operands(e)[0];
  return e;
}

// Dims in the order of memory, outermost first: by the last part that each has.
std::vector<size_t> memory_order(const Layout& layout, size_t rank) {
  std::vector<size_t> order;
  for (size_t p = layout.parts.size(); p-- > 0;)
    if (std::ranges::find(order, static_cast<size_t>(layout.parts[p].dim)) == order.end()) order.push_back(static_cast<size_t>(layout.parts[p].dim));
  if (layout.parts.empty())
    for (size_t d = rank; d-- > 0;) order.push_back(d);
  std::ranges::reverse(order);
  return order;
}

class StatementReader {
 public:
  StatementReader(const Graph& graph, Region& region, size_t at, const Target& target, const Surroundings& around, const Attachment* attachment)
      : graph_(graph), region_(region), pool_(region.pool), s_(region.statements[at]), at_(at), target_(target), around_(around), attachment_(attachment) {}

  StatementFacts run() {
    if (!s_.routine.empty()) return routine();
    f_.owner = at_ + 1 < region_.statements.size() ? owner_of(region_, s_.out) : ValueId{};
    f_.before = attachment_ && attachment_->before[at_];
    f_.sums = !s_.reduce_axes.empty();
    f_.ordered = s_.scan || std::ranges::any_of(s_.accumulators, [](const Accumulator& a) { return a.monoid == Monoid::Custom; });
    f_.type = s_.accumulators.empty() ? region_.buffers[s_.out].type : pool_.type(s_.accumulators[0].var);
    read_axes();
    read_product();
    read_accesses();
    merge_axes(f_);
    choose_lanes();
    count();
    for (Expr axis : s_.axes) f_.points *= extent_of(pool_, pool_.var(axis).extent);
    for (Expr axis : s_.reduce_axes) f_.terms *= extent_of(pool_, pool_.var(axis).extent);
    if (f_.kind != StatementFacts::Kind::Product) f_.m = f_.lane >= 0 ? f_.points / f_.axes[static_cast<size_t>(f_.lane)].extent : f_.points, f_.n = f_.points / f_.m, f_.k = f_.terms;
    return std::move(f_);
  }

 private:
  // Bytes in and out; what a routine computes is not known.
  StatementFacts routine() {
    f_.kind = StatementFacts::Kind::Routine;
    std::vector<BufferId> buffers = s_.operands;
    buffers.push_back(s_.out);
    buffers.insert(buffers.end(), s_.more_outs.begin(), s_.more_outs.end());
    for (size_t k = 0; k < buffers.size(); ++k) {
      AccessFacts access = access_of(buffers[k], k >= s_.operands.size());
      f_.points = std::max(f_.points, access.total / access.element);
      f_.accesses.push_back(std::move(access));
    }
    return std::move(f_);
  }

  Expr offset(const RegionBuffer& b, std::span<const Expr> indices) {
    return physical_offset(pool_, layout_of(graph_, b), b.dims, {indices.begin(), indices.end()});
  }
  // Elements per step along an axis; NaN: not constant.
  double step(Expr e, Expr axis) {
    if (!pool_.depends_on(e, axis)) return 0;
    const auto split = pool_.affine(e, axis);
    const auto by = split ? pool_.as_int(split->first) : std::nullopt;
    return by ? static_cast<double>(*by) : NAN;
  }

  void read_axes() {
    const RegionBuffer& out = region_.buffers[s_.out];
    const Expr to = offset(out, s_.indices);
    std::vector<std::pair<double, size_t>> order;
    for (size_t k = 0; k < s_.axes.size(); ++k) {
      const double by = std::abs(step(to, s_.axes[k]));
      order.emplace_back(std::isnan(by) ? INFINITY : by, k);
    }
    std::ranges::stable_sort(order, [](const auto& a, const auto& b) { return a.first > b.first; });
    for (const auto& [by, k] : order) {
      exprs_.push_back(s_.axes[k]);
      f_.axes.push_back({.extent = extent_of(pool_, pool_.var(s_.axes[k]).extent), .symbolic = is_symbolic(pool_, pool_.var(s_.axes[k]).extent)});
      if (attachment_) f_.axes.back().span = attachment_->axes[at_][k];
      if (by == 1 && f_.axes.back().extent != 1) f_.lane = static_cast<int>(f_.axes.size()) - 1;
    }
    f_.outputs = static_cast<int>(f_.axes.size());
    for (Expr axis : s_.reduce_axes) {
      exprs_.push_back(axis);
      f_.axes.push_back({.extent = extent_of(pool_, pool_.var(axis).extent), .reduce = true, .symbolic = is_symbolic(pool_, pool_.var(axis).extent)});
    }
    if (f_.sums && s_.condition.valid()) f_.lane = -1;
  }

  void read_product() {
    using Kind = StatementFacts::Kind;
    f_.kind = f_.sums ? Kind::Reduction : Kind::Map;
    const Layout layout = layout_of(graph_, region_.buffers[s_.out]);
    const auto axes = f_.sums ? classify(region_, s_, layout) : std::nullopt;
    if (!axes) return;
    f_.kind = axes->vector_both ? Kind::Depthwise : Kind::Product;
    const auto factors = factors_of(region_, s_, layout);
    left_ = factors->shared, right_ = factors->along;
    if (!axes->vector_both) {
      for (Expr a : axes->m) f_.m *= extent_of(pool_, pool_.var(a).extent);
      for (Expr a : axes->n) f_.n *= extent_of(pool_, pool_.var(a).extent);
      for (Expr a : axes->k) f_.k *= extent_of(pool_, pool_.var(a).extent);
    }
    f_.left_constant = reads_constant(graph_, region_, s_, layout, false);
    f_.right_constant = reads_constant(graph_, region_, s_, layout, true);
    const Expr a = without_casts(pool_, left_), b = without_casts(pool_, right_);
    f_.padded = pool_.op(a) == SOp::Select || pool_.op(b) == SOp::Select;
    f_.factor_bits = std::min(bits(pool_.type(pool_.op(left_) == SOp::Cast ? pool_.operands(left_)[0] : left_)),
                              bits(pool_.type(pool_.op(right_) == SOp::Cast ? pool_.operands(right_)[0] : right_)));
    constexpr int kWord = 4, kPair = 2, kByte = 8;
    const auto inner = innermost_terms(left_);
    auto is_bytes = [&](Expr e) { return bits(pool_.type(e)) == kByte; };
    if (f_.type == DType::I32 && is_bytes(a) && is_bytes(b)) {
      const bool taps = axes->vector_both, few = inner && *inner > 1 && *inner < kWord && target_.has("vpdpbusd");
      f_.steps_at_once = taps ? (few ? static_cast<double>(*inner) : 1) : inner && *inner % kWord == 0 ? kWord : 1;
    }
    if (f_.type == DType::F32 && pool_.type(a) == DType::BF16 && target_.has("vdpbf16ps") && inner && *inner % kPair == 0) f_.steps_at_once = kPair;
    f_.winograd = match_winograd(graph_, region_, s_).has_value();
  }

  // Steps of the axis that is the innermost of the sum: that along which the shared factor's elements lie side by side; else the last.
  std::optional<int64_t> innermost_terms(Expr factor) {
    std::vector<Expr> loads;
    pool_.collect_loads(factor, loads);
    for (Expr axis : s_.reduce_axes)
      for (Expr load : loads)
        if (const std::vector<Expr> at(pool_.operands(load).begin(), pool_.operands(load).end()); step(offset(region_.buffers[pool_.buffer(load)], at), axis) == 1)
          return pool_.as_int(pool_.var(axis).extent);
    return pool_.as_int(pool_.var(s_.reduce_axes.back()).extent);
  }

  AccessFacts access_of(BufferId id, bool write) {
    const RegionBuffer& buffer = region_.buffers[id];
    AccessFacts access{.buffer = id.index, .element = bits(buffer.type) / kBitsPerByte, .write = write, .steps = {}, .total = bytes_of(pool_, buffer), .dims = {}};
    access.temporary = !buffer.is_input && !buffer.is_output;
    access.constant = buffer.value.valid() && graph_.constant(buffer.value);
    if (access.constant) access.comes_after = around_.since_asked > 0 ? std::min(around_.since_asked, around_.constants) : around_.constants;
    else if (write || access.temporary) access.comes_after = around_.before;
    else access.comes_after = INFINITY;
    if (!access.constant && !write)
      for (const auto& [value, distance] : around_.distances)
        if (value == buffer.value) access.comes_after = distance;
    return access;
  }

  void add_access(BufferId id, std::span<const Expr> indices, bool write, bool in_sum, bool guarded) {
    const RegionBuffer& buffer = region_.buffers[id];
    AccessFacts access = access_of(id, write);
    access.in_sum = in_sum, access.guarded = guarded;
    const Expr to = offset(buffer, indices);
    for (size_t k = 0; k < exprs_.size(); ++k) {
      access.steps.push_back(step(to, exprs_[k]));
      if (access.steps.back() != 0) access.uses |= int64_t{1} << k;
    }
    for (size_t d : memory_order(layout_of(graph_, buffer), indices.size())) {
      AccessFacts::Dim& dim = access.dims.emplace_back();
      dim.extent = extent_of(pool_, buffer.dims[d]);
      for (size_t k = 0; k < exprs_.size(); ++k) {
        const double by = step(indices[d], exprs_[k]);
        if (std::isnan(by)) dim.affine = false;
        if (by != 0) dim.steps.emplace_back(static_cast<int>(k), std::isnan(by) ? 1 : std::abs(by));
      }
      std::vector<Expr> inner;
      pool_.collect_loads(indices[d], inner);
      dim.affine = dim.affine && inner.empty();
    }
    // Neighbours of what is read already are the same lines.
    for (AccessFacts& other : f_.accesses)
      if (other.buffer == access.buffer && other.write == write && other.in_sum == in_sum && other.uses == access.uses && std::ranges::equal(other.steps, access.steps, same)) {
        ++other.copies;
        return;
      }
    f_.accesses.push_back(std::move(access));
  }
  static bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

  void add_loads(std::span<const Expr> of, bool in_sum) {
    std::vector<Expr> loads;
    bool guarded = false;
    for (Expr e : of) {
      pool_.collect_loads(e, loads);
      guarded = guarded || pool_.any_part(e, [&](Expr part) { return pool_.op(part) == SOp::Select; });
    }
    std::ranges::sort(loads);
    const auto repeated = std::ranges::unique(loads);
    loads.erase(repeated.begin(), repeated.end());
    for (Expr load : loads) {
      const std::vector<Expr> indices(pool_.operands(load).begin(), pool_.operands(load).end());
      add_access(pool_.buffer(load), indices, false, in_sum, guarded);
    }
  }

  void read_accesses() {
    std::vector<Expr> updates, values = {s_.value};
    for (const Accumulator& a : s_.accumulators) (f_.sums ? updates : values).push_back(a.update), values.push_back(a.init);
    for (const Statement::Also& more : s_.also) values.push_back(more.value);
    add_loads(updates, true);
    add_loads(values, false);
    add_access(s_.out, s_.indices, true, s_.scan, false);
    for (const Statement::Also& more : s_.also) add_access(s_.out, more.indices, true, s_.scan, false);
  }

  // As choose_shape does: along the reduction where operands are contiguous there and strided along the results.
  void choose_lanes() {
    if (!f_.sums) return;
    f_.reduce_lane = static_cast<int>(f_.axes.size()) - 1;
    bool contiguous = false, strided = f_.lane < 0;
    for (const AccessFacts& a : f_.accesses) {
      if (!a.in_sum || a.write) continue;
      contiguous |= a.steps[static_cast<size_t>(f_.reduce_lane)] == 1;
      if (f_.lane < 0 || a.constant) continue;
      const double by = a.steps[static_cast<size_t>(f_.lane)];
      strided |= by != 0 && by != 1;
      if (f_.kind == StatementFacts::Kind::Product && by != 0) f_.strided_right |= by != 1;
    }
    constexpr double kFew = 4;
    f_.prefers_reduction = !f_.ordered && contiguous && strided && (f_.lane < 0 || f_.axes.back().extent > kFew);
    for (size_t k = 0; k < f_.axes.size(); ++k)
      f_.axes[k].shares = std::ranges::any_of(f_.accesses, [&](const AccessFacts& a) { return !a.write && f_.lane >= 0 && (a.uses >> f_.lane & 1) && !(a.uses >> k & 1); });
  }

  void count() {
    const bool product = left_.valid();
    std::vector<Expr> updates, values = {s_.value}, skip;
    for (const Accumulator& a : s_.accumulators) {
      (f_.sums ? updates : values).push_back(a.update);
      values.push_back(a.init);
    }
    for (const Statement::Also& more : s_.also) values.push_back(more.value);
    if (product) {
      updates = {left_, right_};
      if (f_.steps_at_once > 1) skip = {left_, right_};  // the instruction makes them wider
    }
    f_.step = count_ops(pool_, updates, skip);
    f_.point = count_ops(pool_, values);
  }

  const Graph& graph_;
  Region& region_;
  ExprPool& pool_;
  const Statement& s_;
  size_t at_;
  const Target& target_;
  const Surroundings& around_;
  const Attachment* attachment_;
  std::vector<Expr> exprs_;
  Expr left_ = {}, right_ = {};
  StatementFacts f_;
};

// The share of the result that is no copy of what lies there already: parts of a concatenation, slices.
double moved_share(const Region& region, const Statement& s, const Surroundings& around) {
  const ExprPool& pool = region.pool;
  if (!s.accumulators.empty() || !s.value.valid()) return 1;
  const RegionBuffer& out = region.buffers[s.out];
  std::vector<Expr> loads;
  pool.collect_loads(s.value, loads);
  double moved = 1;
  for (Expr load : loads) {
    const RegionBuffer& in = region.buffers[pool.buffer(load)];
    for (const Part& p : around.parts) {
      if (p.value == out.value && p.whole == in.value) return 0;
      if (p.value == in.value && p.whole == out.value) moved -= bytes_of(pool, in) / bytes_of(pool, out);
    }
  }
  return std::max(moved, 0.0);
}

double operations(const StatementFacts& s) {
  const OpCounts &step = s.step, &point = s.point;
  constexpr double kFunction = 20;
  auto weight = [&](const OpCounts& o) { return o.simple + o.compares + o.conversions + kFunction * (o.transcendental + o.divisions); };
  return s.points * (weight(point) + s.terms * (weight(step) + (s.kind == StatementFacts::Kind::Map ? 0 : 2)));
}

void add_buffers(const Graph& graph, const Region& region, const Surroundings& around, RegionFacts& facts) {
  std::vector<bool> used(region.buffers.size());
  for (const StatementFacts& s : facts.statements)
    for (const AccessFacts& a : s.accesses) used[static_cast<size_t>(a.buffer)] = true;
  for (size_t b = 0; b < used.size(); ++b) {
    const RegionBuffer& buffer = region.buffers[BufferId(b)];
    const double size = bytes_of(region.pool, buffer);
    if (!used[b]) continue;
    const bool constant = buffer.value.valid() && graph.constant(buffer.value);
    if (!buffer.is_input && !buffer.is_output && !constant) {
      facts.temporaries += size;
      continue;
    }
    facts.compulsory += size;
    if (constant) facts.weights += size;
    if (buffer.is_output) continue;
    facts.inputs += size;
    if (constant || std::ranges::find(around.previous, buffer.value) == around.previous.end()) facts.unproduced += size;
  }
}

}  // namespace

Result<RegionFacts> region_facts(const Graph& graph, Region& region, const RegionPlan& plan, const Target& target, const Surroundings& around) {
  RegionFacts facts;
  facts.constants = around.constants;
  facts.precision = plan.precision;
  std::optional<Attachment> attachment;
  const Knobs& knobs = plan.schedule.variants.back().knobs;
  if (knobs[Knob::attach] > 0 && knobs[Knob::winograd] == 0) {
    TENON_TRY(attachment, attach(graph, region, shared_axes(graph, region, knobs), knobs[Knob::attach_slide] == 1));
    for (Expr axis : attachment->shared) facts.shared.push_back(extent_of(region.pool, region.pool.var(axis).extent));
  }
  for (size_t i = 0; i < region.statements.size(); ++i) {
    facts.statements.push_back(StatementReader(graph, region, i, target, around, attachment ? &*attachment : nullptr).run());
    facts.statements.back().moved = moved_share(region, region.statements[i], around);
  }
  for (size_t i = 1; i < facts.statements.size(); ++i)
    if (operations(facts.statements[i]) > operations(facts.statements[facts.heaviest])) facts.heaviest = i;
  add_buffers(graph, region, around, facts);
  return facts;
}

}  // namespace tenon
