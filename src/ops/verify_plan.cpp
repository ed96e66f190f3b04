// Whether a plan fits a graph: a schedule file is what a user wrote or kept from another model.
#include <algorithm>
#include <map>

#include "tenon/ops.h"
#include "tenon/plan.h"
#include "tenon/provider.h"

namespace tenon {

namespace {

class PlanChecker {
 public:
  PlanChecker(const Graph& graph, const Plan& plan) : g_(graph), plan_(plan), region_of_(graph.nodes.size(), -1) {}

  Diags run() && {
    if (!plan_.graph_hash.empty() && plan_.graph_hash != hash(g_)) {
      refuse("the schedule was made for another graph", "make a new one with --emit schedule, or empty the line `graph`");
      return std::move(found_);
    }
    for (size_t r = 0; r < plan_.regions.size(); ++r)
      for (int n : plan_.regions[r].nodes) {
        int& region = region_of_[static_cast<size_t>(n)];
        if (region >= 0) refuse(name(g_.nodes[static_cast<size_t>(n)].outputs[0]) + " is in two regions");
        region = static_cast<int>(r);
      }
    for (const auto& [value, layout] : plan_.layouts) {
      if (is_port(value)) refuse(name(value) + " is an input or output: its layout is the caller's");
      if (!layout.within.empty()) refuse("the layout of " + name(value) + " is within another value's", "write `part` instead");
      if (!fits(layout, g_.values[value].dims.size())) refuse("the layout of " + name(value) + " does not fit its rank");
    }
    Diags::size_type before = found_.size();
    for (const Part& p : plan_.parts) part(p);
    if (found_.size() > before) return std::move(found_);  // layouts below are those of parts
    laid_out_ = laid_out(g_, plan_);
    ready_.assign(g_.values.size(), false);
    for (ValueId v : g_.inputs) ready(v) = true;
    for (size_t v = 0; v < g_.values.size(); ++v)
      if (g_.constant(ValueId(v))) ready(ValueId(v)) = true;
    for (size_t r = 0; r < plan_.regions.size(); ++r) region(static_cast<int>(r));
    mark_views();
    for (ValueId v : g_.outputs)
      if (!ready(v)) refuse("no region makes the output " + name(v));
    return std::move(found_);
  }

 private:
  std::string name(ValueId v) const { return '%' + g_.values[v].name; }
  void refuse(std::string message, std::string hint = {}) {
    found_.push_back({.code = Code::E0403, .message = std::move(message), .hint = std::move(hint)});
  }
  bool is_port(ValueId v) const {
    return std::ranges::count(g_.inputs, v) + std::ranges::count(g_.outputs, v) > 0;
  }
  std::vector<bool>::reference ready(ValueId v) { return ready_[static_cast<size_t>(v.index)]; }

  // Views whose source is there, as often as that helps: a view may be one of a view.
  void mark_views() {
    for (bool changed = true; changed;) {
      changed = false;
      for (auto [value, of] : plan_.views) {
        if (ready(value) || !ready(of)) continue;
        if (!is_view(value, of)) refuse(name(value) + " is not " + name(of) + " under another shape");
        ready(value) = changed = true;
      }
    }
  }

  // The nodes between the two, as a region, only move elements in the order in which they lie. What regions make is an
  // operand, also where nothing of it is read, as of an empty operand of a concatenation.
  bool is_view(ValueId value, ValueId of) const {
    RegionPlan between;
    std::vector<ValueId> open = {value};
    while (!open.empty()) {
      ValueId v = open.back();
      open.pop_back();
      if (v == of || !g_.values[v].def.valid()) continue;
      int n = g_.values[v].def.index;
      if (region_of_[static_cast<size_t>(n)] >= 0) {
        if (v == value) return false;
        continue;
      }
      if (std::ranges::count(between.nodes, n)) continue;
      between.nodes.push_back(n);
      for (ValueId out : g_.nodes[static_cast<size_t>(n)].outputs)
        between.placed.emplace_back(out, out == value ? Placement::Root : Placement::Inline);
      for (ValueId input : g_.nodes[static_cast<size_t>(n)].inputs)
        if (input.valid()) open.push_back(input);
    }
    std::ranges::sort(between.nodes);
    auto region = build_region(laid_out_, between);
    return region && view_source(laid_out_, *region) == of;
  }

  bool is_part(ValueId v) const { return std::ranges::count(plan_.parts, v, &Part::value) > 0; }

  // The two hold the same elements at the same place, and both are in memory.
  void part(const Part& p) {
    const std::string here = name(p.value) + " cannot be part of " + name(p.whole) + ": ";
    auto wrong = [&](std::string why) { refuse(here + std::move(why)); };
    const Value &value = g_.values[p.value], &whole = g_.values[p.whole];
    if (std::ranges::count(plan_.parts, p.value, &Part::value) > 1) return wrong("it is part of another value");
    if (is_port(p.value)) return wrong("it is an input or output, which has memory of its own");
    if (g_.constant(p.value) || g_.constant(p.whole)) return wrong("constants lie in the weights");
    if (!is_slice_or_operand(p)) return wrong("it is no slice of it, and no operand of its concatenation, at " + std::to_string(p.dim) + ':' + std::to_string(p.begin));
    if (bits(value.type) < 8) return wrong("elements share bytes");
    if (std::ranges::count(plan_.layouts, p.value, &std::pair<ValueId, Layout>::first)) return wrong("it has a layout of its own");
    const auto row = std::ranges::find(plan_.layouts, p.whole, &std::pair<ValueId, Layout>::first);
    const Layout layout = row == plan_.layouts.end() ? whole.layout : row->second;
    if (!layout.capacities.empty()) return wrong("that is a state");
    const bool blocked = !layout.parts.empty() && std::ranges::find(layout.parts, LayoutPart{.dim = p.dim}) == layout.parts.end();
    if (blocked || std::ranges::count(layout.halos, p.dim, &Halo::dim)) return wrong("dim " + std::to_string(p.dim) + " lies in blocks or has margins");
    for (auto [view, of] : plan_.views)
      if (view == p.value || of == p.value) return wrong("views have memory in one piece");
    for (const RegionPlan& region : plan_.regions)
      for (auto [v, placement] : region.placed)
        if ((v == p.value || v == p.whole) && placement != Placement::Root) return wrong(name(v) + " is not stored");
    size_t steps = 0;
    for (ValueId v = p.whole; is_part(v); v = std::ranges::find(plan_.parts, v, &Part::value)->whole)
      if (++steps > plan_.parts.size()) return wrong("it is part of itself");
  }

  bool is_slice_or_operand(const Part& p) const {
    const NodeId def = g_.values[p.whole].def;
    if (def.valid() && g_.nodes[static_cast<size_t>(def.index)].op == Op::concat) {
      // Every occurrence among the operands is a place to be in.
      const Node& concat = g_.nodes[static_cast<size_t>(def.index)];
      int64_t begin = 0;
      for (ValueId v : concat.inputs) {
        const auto extent = g_.pool.as_int(g_.values[v].dims[static_cast<size_t>(concat.attrs.get<Attr::axis>())]);
        if (!extent) break;
        if (v == p.value && begin == p.begin && p.dim == concat.attrs.get<Attr::axis>()) return true;
        begin += *extent;
      }
    }
    return part_of(g_, p.value, p.whole) == p;
  }

  void region(int r) {
    const RegionPlan& plan = plan_.regions[static_cast<size_t>(r)];
    if (!plan_.parts.empty())
      if (auto built = build_region(g_, plan); built)
        if (const std::string taken = needs_whole_buffer(*built, [&](ValueId v) { return is_part(v); }); !taken.empty())
          refuse('%' + taken + " cannot be part of another value: region " + plan.name + " calls a routine with it");
    mark_views();
    std::map<ValueId, Placement> placed(plan.placed.begin(), plan.placed.end());
    std::map<ValueId, bool> made;
    for (int n : plan.nodes) {
      const Node& node = g_.nodes[static_cast<size_t>(n)];
      if (!definition(node.op).lower) refuse(name(node.outputs[0]) + " has no kernel: its op is decomposed");
      for (ValueId v : node.inputs)
        if (v.valid() && !made.contains(v) && !ready(v)) refuse("region " + plan.name + " reads " + name(v) + ", which is not there when it runs");
      for (ValueId v : node.outputs) {
        made[v] = true;
        if (!placed.contains(v)) refuse("region " + plan.name + " does not say where " + name(v) + " is placed");
      }
    }
    for (auto [v, placement] : placed) {
      if (!made.contains(v)) refuse("region " + plan.name + " places " + name(v) + ", which it does not make");
      if (placement == Placement::Root) ready(v) = true;
      else if (is_port(v)) refuse(name(v) + " is an output: it must be a root");
    }
    if (plan.precision != DType::F32 && plan.precision != DType::BF16 && plan.precision != DType::F16)
      refuse("region " + plan.name + ": products are not rounded to " + std::string(spelling(plan.precision)), "write `precision bf16` or `precision f16`, or leave it out");
    if (plan.precision == DType::F16)
      if (auto built = build_region(laid_out_, plan); built && overflows(g_, *built, DType::F16))
        refuse("region " + plan.name + " has weights beyond 65504, which f16 does not hold", "leave `precision f16` out for it");
    if (plan.provider == Provider::OneDnn) {
      if (plan.schedule.variants.size() > 1) refuse("region " + plan.name + " is oneDNN's and has variants", "keep `otherwise:` alone");
      if (auto call = onednn_call(laid_out_, plan); !call) found_.insert(found_.end(), call.error().begin(), call.error().end());
    }
    for (const Variant& variant : plan.schedule.variants) {
      predicate(plan, variant.predicate);
      halves(plan, variant.knobs);
      for (const auto& [v, knobs] : variant.producers) halves(plan, knobs);
      for (const auto& [v, knobs] : variant.producers)
        if (!placed.contains(v)) refuse("region " + plan.name + " has knobs of " + name(v) + ", which it does not make");
    }
  }

  void halves(const RegionPlan& plan, const Knobs& knobs) {
    if (knobs[Knob::halves] == 0) return;
    if (plan.precision != DType::F16) refuse("region " + plan.name + " sums in f16 and is not of `precision f16`", "write `precision f16` above its knobs");
    if (knobs[Knob::k_block] > kMostHalfTerms)
      refuse("region " + plan.name + " sums " + std::to_string(knobs[Knob::k_block]) + " terms in f16", "k_block of at most " + std::to_string(kMostHalfTerms));
  }

  void predicate(const RegionPlan& plan, const std::string& text) {
    if (text.empty()) return;
    ExprPool pool;
    auto condition = parse_expr(pool, text);
    if (!condition || pool.type(*condition) != DType::Bool)
      return refuse("region " + plan.name + ": `" + text + "` is not a condition over dims");
    std::vector<Expr> symbols;
    pool.collect_vars(*condition, symbols);
    for (Expr s : symbols)
      if (!g_.pool.symbol_named(pool.var(s).name).valid())
        refuse("region " + plan.name + ": the model has no dim " + pool.var(s).name);
  }

  const Graph& g_;
  const Plan& plan_;
  Graph laid_out_;
  std::vector<int> region_of_;
  std::vector<bool> ready_;
  Diags found_;
};

}  // namespace

Result<void> verify_plan(const Graph& graph, const Plan& plan) {
  Diags found = PlanChecker(graph, plan).run();
  if (!found.empty()) return std::unexpected(std::move(found));
  return {};
}

}  // namespace tenon
