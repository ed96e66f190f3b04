// The reference for every region: the graph in float64, with the values that regions hand on rounded to their
// types, and beside every value inside a region a bound of how far a kernel may be from it.
#include <algorithm>
#include <cmath>

#include "compare.h"
#include "tenon/ops.h"
#include "verify_layers.h"

namespace tenon {

namespace {

class Judge {
 public:
  Judge(const Lowered& model, const ExactValues& exact) : model_(model), exact_(exact) {
    for (const RegionPlan& region : model.plan.regions)
      for (auto [value, placement] : region.placed) (placement == Placement::Root ? roots_ : inner_)[value] = &region;
  }

  void observe(const EvalInput& in, std::span<Tensor> values) {
    std::vector<const Tensor*> errors;
    for (ValueId v : in.node.inputs) {
      auto it = errors_.find(v);
      errors.push_back(it == errors_.end() ? nullptr : &it->second);
    }
    std::vector<Tensor> bounds = error_bounds({in, errors, values, precision_of(in), winograd_of(in), halves_of(in), short_functions_of(in)});
    const RegionPlan* done = nullptr;
    for (size_t k = 0; k < values.size(); ++k) {
      const ValueId v = in.node.outputs[k];
      if (auto it = roots_.find(v); it != roots_.end()) {
        keep(in, v, values[k], std::move(bounds[k]), *it->second);
        done = it->second;
      } else if (inner_.contains(v)) {
        note_terms(in, *inner_[v]);
        if (std::ranges::any_of(bounds[k].f, [](double e) { return e != 0; })) errors_[v] = std::move(bounds[k]);
      }
    }
    // What is inside a region is read there only.
    if (done && model_.graph.nodes[static_cast<size_t>(done->nodes.back())].outputs == in.node.outputs)
      for (auto [value, placement] : done->placed) errors_.erase(value);
  }

  Reference take() { return std::move(reference_); }

 private:
  struct Sum {
    std::string op;
    double terms = 0;
  };

  // The region that makes the node's result; null: none.
  const RegionPlan* region_of(const EvalInput& in) const {
    for (const auto* regions : {&roots_, &inner_})
      if (auto it = regions->find(in.node.outputs[0]); it != regions->end()) return it->second;
    return nullptr;
  }

  DType precision_of(const EvalInput& in) const {
    const RegionPlan* region = region_of(in);
    return region ? region->precision : DType::F32;
  }

  // F(m,3) that some variant of the region computes the node by; 0: none.
  int64_t winograd_of(const EvalInput& in) const {
    const RegionPlan* region = region_of(in);
    if (!region || in.node.op != Op::conv || !model_.graph.constant(in.node.inputs[1])) return 0;
    int64_t m = 0;
    for (const Variant& variant : region->schedule.variants) m = std::max(m, variant.knobs[Knob::winograd]);
    return m;
  }

  // The longest sum in f16 that some variant of the region makes of the node's products; 0: none.
  int64_t halves_of(const EvalInput& in) const {
    const RegionPlan* region = region_of(in);
    if (!region) return 0;
    int64_t terms = 0;
    auto note = [&](const Knobs& knobs) {
      if (knobs[Knob::halves] == 1) terms = std::max(terms, knobs[Knob::k_block] > 0 ? knobs[Knob::k_block] : kHalfTerms);
    };
    for (const Variant& variant : region->schedule.variants) {
      note(variant.knobs);
      for (const auto& [value, knobs] : variant.producers) note(knobs);
    }
    return terms;
  }

  bool short_functions_of(const EvalInput& in) const {
    const RegionPlan* region = region_of(in);
    return region && std::ranges::any_of(region->schedule.variants, [](const Variant& variant) { return variant.knobs[Knob::functions] == 1; });
  }

  // The longest sum of the region so far.
  void note_terms(const EvalInput& in, const RegionPlan& region) {
    const OpDef& def = definition(in.node.op);
    if (!def.terms) return;
    Sum& sum = sums_[&region];
    if (double terms = def.terms(in); terms > sum.terms) sum = {std::string(def.name), terms};
  }

  void keep(const EvalInput& in, ValueId v, Tensor& value, Tensor bound, const RegionPlan& region) {
    note_terms(in, region);
    Judged judged{.exact = value, .bound = std::move(bound.f), .fed = {}, .op = sums_[&region].op};
    judged.terms = sums_[&region].terms;
    if (judged.terms > 0) judged.c = sum_roundings(judged.terms) / judged.terms;
    const Value& made = model_.graph.values[v];
    if (auto it = exact_.find(made.name); it != exact_.end() && it->second.dims == value.dims) {
      Tensor own = it->second;
      if (own.type == DType::I8 && value.type == DType::U8) {  // relabel_bytes
        own.type = DType::U8;
        for (int64_t& q : own.i) q += 128;
      }
      // The model's own quantised value. Where the folded arithmetic rounds to the other side, so may a kernel.
      for (size_t k = 0; own.type == value.type && k < value.i.size(); ++k)
        if (value.i[k] != own.i[k]) judged.bound[k] = std::max(judged.bound[k], 1.0);
      if (own.type == value.type) judged.exact = value = std::move(own);
    }
    round_elements(value);
    judged.fed = value;
    reference_[v] = std::move(judged);
  }

  const Lowered& model_;
  const ExactValues& exact_;
  std::map<ValueId, const RegionPlan*> roots_, inner_;
  std::map<ValueId, Tensor> errors_;
  std::map<const RegionPlan*, Sum> sums_;
  Reference reference_;
};

}  // namespace

Result<Reference> judge_regions(const Lowered& model, const std::vector<Tensor>& inputs, const Dims& dims,
                                const ExactValues& exact) {
  Judge judge(model, exact);
  EvalOptions options{.dims = {dims.begin(), dims.end()}};
  options.observe = [&](const EvalInput& in, std::span<Tensor> values) { judge.observe(in, values); };
  TENON_TRY(const std::vector<Tensor> outputs, evaluate(model.graph, inputs, options));
  return judge.take();
}

}  // namespace tenon
