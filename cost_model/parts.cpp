#include "parts.h"

#include <algorithm>
#include <set>

#include "halos.h"
#include "joins.h"
#include "tenon/ops.h"
#include "tiles.h"

namespace tenon {

namespace {

class Chooser {
 public:
  Chooser(Graph& graph, const std::vector<RegionPlan>& regions, const Target& target, const Decider& decide, RegionMemo& memo)
      : graph_(graph), regions_(regions), target_(target), decide_(decide), memo_(memo), users_(graph.users()), region_of_(region_of_nodes(graph, regions)),
        stored_(graph.values.size()), fixed_(graph.values.size()), viewed_(graph.values.size()) {
    for (const RegionPlan& region : regions)
      for (const auto& [value, placement] : region.placed) stored_[at(value)] = placement == Placement::Root;
    for (const auto* ports : {&graph.inputs, &graph.outputs})
      for (ValueId v : *ports) fixed_[at(v)] = true;
    for (ValueId v : graph.inputs) stored_[at(v)] = true;
  }

  std::vector<Part> run() {
    std::vector<int> slices, concats;
    for (size_t r = 0; r < regions_.size(); ++r) {
      if (!inspect(static_cast<int>(r))) continue;
      const int last = regions_[r].nodes.back();
      if (node(last).op == Op::slice) slices.push_back(last);
      if (node(last).op == Op::concat) concats.push_back(last);
    }
    for (int n : slices) consider(node(n).outputs[0], node(n).inputs[0]);
    for (int n : concats)
      for (ValueId v : node(n).inputs) consider(v, node(n).outputs[0]);
    return std::move(parts_);
  }

 private:
  static size_t at(ValueId v) { return static_cast<size_t>(v.index); }
  const Node& node(int n) const { return graph_.nodes[static_cast<size_t>(n)]; }
  const Layout& layout(ValueId v) const { return graph_.values[v].layout; }

  // Whether the region makes something in memory of its own; notes what must lie in one piece.
  bool inspect(int r) {
    const RegionPlan& plan = regions_[static_cast<size_t>(r)];
    if (plan.provider != Provider::Own)  // a library takes tensors as they are
      for (int n : plan.nodes)
        for (const auto* values : {&node(n).inputs, &node(n).outputs})
          for (ValueId v : *values)
            if (v.valid()) fixed_[at(v)] = true;
    const Result<Region>& region = memo_.build(graph_, plan);
    if (!region) return false;
    (void)needs_whole_buffer(*region, [&](ValueId v) {
      fixed_[at(v)] = true;
      return false;
    });
    auto of = view_source(graph_, *region);
    if (!of) return true;
    viewed_[at(*of)] = viewed_[at(plan.placed.back().first)] = true;
    return false;
  }

  bool may_be_part(ValueId v) const {
    return stored_[at(v)] && !fixed_[at(v)] && !viewed_[at(v)] && !graph_.constant(v) && bits(graph_.values[v].type) >= 8 &&
           layout(v).capacities.empty() && layout(v).within.empty();
  }

  void consider(ValueId v, ValueId whole) {
    if (!may_be_part(v) || !stored_[at(whole)] || graph_.constant(whole) || !layout(whole).capacities.empty()) return;
    const auto part = part_of(graph_, v, whole);
    if (!part || layout(v).parts != layout(whole).parts) return;
    if (std::ranges::count(layout(whole).parts, part->dim, &LayoutPart::dim) > 1) return;
    const ValueId root = root_of(whole);
    const std::vector<Halo> halos = joined(layout(root).halos, layout(v).halos);
    const bool wider = halos != layout(root).halos;
    std::vector<ValueId> family = members(v);
    if (wider) {
      const std::vector<ValueId> others = members(root);
      family.insert(family.end(), others.begin(), others.end());
      if (std::ranges::any_of(family, [&](ValueId m) { return fixed_[at(m)] || viewed_[at(m)]; })) return;
    }
    auto across = [&](int dim) { return std::ranges::count(halos, dim, &Halo::dim) > 0; };
    if (across(part->dim) || std::ranges::any_of(layout(whole).within, across, &Within::dim)) return;
    // What changes: the part's layout, and the whole's where margins are added.
    std::vector<std::pair<ValueId, Layout>> before;
    for (ValueId m : family) before.emplace_back(m, layout(m));
    std::set<int> around;
    for (ValueId m : family) add_regions(around, m);
    const double products = product_seconds(graph_, regions_, around, target_, memo_);
    graph_.values[root].layout.halos = halos;
    inside_[whole].push_back(*part);
    whole_of_[v] = whole;
    lay_out(root);
    const double rows = row_waste(*part);
    const double gain = copy_seconds(target_, bytes(v)) * rows;
    const double loss = product_seconds(graph_, regions_, around, target_, memo_) - products + bytes(v) * (rows - 1) * passes(v) / copy_rate(target_, bytes(v));
    if (decide_({.kind = DecisionKind::part, .subject = v, .answers = {"copy", "inside"}, .rules = gain > loss ? size_t{1} : size_t{0}}) == 1) {
      parts_.push_back(*part);
      return;
    }
    inside_[whole].pop_back();
    whole_of_.erase(v);
    for (auto& [m, old] : before) graph_.values[m].layout = std::move(old);
  }

  ValueId root_of(ValueId v) const {
    for (auto it = whole_of_.find(v); it != whole_of_.end(); it = whole_of_.find(v)) v = it->second;
    return v;
  }

  std::vector<ValueId> members(ValueId v) const {
    std::vector<ValueId> found = {v};
    for (size_t i = 0; i < found.size(); ++i)
      if (auto it = inside_.find(found[i]); it != inside_.end())
        for (const Part& p : it->second) found.push_back(p.value);
    return found;
  }

  void lay_out(ValueId whole) {
    auto it = inside_.find(whole);
    if (it == inside_.end()) return;
    for (const Part& p : it->second) {
      graph_.values[p.value].layout = within(graph_, p);
      lay_out(p.value);
    }
  }

  static std::vector<Halo> joined(std::vector<Halo> halos, const std::vector<Halo>& more) {
    for (const Halo& h : more) {
      auto own = std::ranges::find(halos, h.dim, &Halo::dim);
      if (own == halos.end()) {
        halos.push_back(h);
        continue;
      }
      own->before = std::max(own->before, h.before);
      own->after = std::max(own->after, h.after);
    }
    std::ranges::sort(halos, {}, &Halo::dim);
    return halos;
  }

  void add_regions(std::set<int>& around, ValueId v) const {
    if (graph_.values[v].def.valid()) around.insert(region_of_[static_cast<size_t>(graph_.values[v].def.index)]);
    for (int n : users_[at(v)]) around.insert(region_of_[static_cast<size_t>(n)]);
    around.erase(-1);
  }

  double bytes(ValueId v) const {
    return bits(graph_.values[v].type) / 8.0 * elements(graph_.pool, graph_.values[v].dims);
  }

  // Elements that vectors have room for, per element: where the dim is the innermost one, each row of it is for itself.
  double row_waste(const Part& p) const {
    const Layout& order = layout(p.value);
    const auto rank = static_cast<int>(graph_.values[p.value].dims.size());
    if ((order.parts.empty() ? rank - 1 : order.parts.back().dim) != p.dim) return 1;
    const double row = known(graph_.pool, graph_.values[p.value].dims[static_cast<size_t>(p.dim)]);
    const double lanes = std::max(1, target_.lanes(graph_.values[p.value].type));
    return row > 0 ? std::ceil(row / lanes) * lanes / row : 1;
  }

  // Kernels that go through all of the value in its own order: readers and makers that are no products, the copy aside.
  double passes(ValueId v) const {
    double count = 0;
    std::set<int> around;
    add_regions(around, v);
    for (int r : around) {
      const std::vector<int>& nodes = regions_[static_cast<size_t>(r)].nodes;
      auto is = [&](OpKind kind) { return std::ranges::any_of(nodes, [&](int n) { return definition(node(n).op).kind == kind; }); };
      if (!is(OpKind::Contraction) && !(nodes.size() == 1 && is(OpKind::Movement))) ++count;
    }
    return count;
  }

  Graph& graph_;
  const std::vector<RegionPlan>& regions_;
  const Target& target_;
  const Decider& decide_;
  RegionMemo& memo_;
  std::vector<std::vector<int>> users_;
  std::vector<int> region_of_;
  std::vector<bool> stored_, fixed_, viewed_;  // in memory; ports and what routines take; in views, on either side
  std::map<ValueId, ValueId> whole_of_;
  std::map<ValueId, std::vector<Part>> inside_;
  std::vector<Part> parts_;
};

}  // namespace

void choose_parts(Graph& graph, const std::vector<RegionPlan>& regions, const Target& target, Plan& plan, const Decider& decide, RegionMemo& memo) {
  Chooser chooser(graph, regions, target, decide, memo);
  plan.parts = chooser.run();
  std::set<ValueId> parts;
  for (const Part& part : plan.parts) parts.insert(part.value);
  std::erase_if(plan.layouts, [&](const auto& row) { return parts.contains(row.first); });
  for (auto& [value, layout] : plan.layouts) layout = graph.values[value].layout;
}

}  // namespace tenon
