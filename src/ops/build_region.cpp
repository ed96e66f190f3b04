// RegionPlan -> Region: each node's own lowering, in order, then the values that the plan places inline
// are substituted into their readers. A reduction that is inlined lends its axes to its one reader, which
// becomes its epilogue.
#include <algorithm>

#include "tenon/ops.h"
#include "tenon/plan.h"
#include "tenon/tensor.h"

namespace tenon {

namespace {

class RegionBuilder {
 public:
  RegionBuilder(const Graph& graph, const RegionPlan& plan) : graph_(graph), plan_(plan), importer_{graph.pool} {
    region_.name = plan.name;
  }

  Result<Region> build() {
    for (int n : plan_.nodes) lower(graph_.nodes[static_cast<size_t>(n)]);
    for (auto [value, placement] : plan_.placed)
      if (placement == Placement::Root) region_.buffers[region_.buffer_of(value)].is_output = true;
    // Reductions last: by then all their readers are one statement, which takes the reduction over.
    for (bool reduces : {false, true})
      for (auto [value, placement] : plan_.placed)
        if (placement == Placement::Inline && reduces == is_reduced(region_.buffer_of(value)))
          TENON_DO(inline_value(region_.buffer_of(value)));
    for (Statement& s : region_.statements) divide_sum(s);
    if (plan_.precision != DType::F32)
      for (Statement& s : region_.statements) round_factors(s);
    return std::move(region_);
  }

 private:
  BufferId buffer(ValueId v, bool input) {
    if (!v.valid()) return {};
    if (BufferId known = region_.buffer_of(v); known.valid()) return known;
    const Value& value = graph_.values[v];
    std::vector<Expr> dims;
    for (Expr d : value.dims) dims.push_back(region_.pool.import(importer_, d));
    return region_.buffers.push({value.name, v, value.type, std::move(dims), input, false});
  }

  void lower(const Node& node) {
    const OpDef& def = definition(node.op);
    TENON_CHECK(def.lower, "a composite reached region building");
    std::vector<BufferId> inputs, outputs;
    for (ValueId v : node.inputs) inputs.push_back(buffer(v, true));
    for (ValueId v : node.outputs) outputs.push_back(buffer(v, false));
    LowerInput in{region_, graph_, node, inputs, outputs,
                  [&](Expr dim) { return region_.pool.import(importer_, dim); }};
    size_t first = region_.statements.size();
    def.lower(in);
    for (size_t s = first; s < region_.statements.size(); ++s) {
      region_.statements[s].fold_single_step(region_.pool);
      if (def.kind == OpKind::Contraction)
        for (const Accumulator& a : region_.statements[s].accumulators) products_.push_back(a.var);
      inline_constants(region_.statements[s]);
    }
    region_.origins.push_back(node.origin);
  }

  // Constants of one element become numbers in the code.
  void inline_constants(Statement& s) {
    ExprPool& p = region_.pool;
    ExprPool::Substitution map;
    auto scan = [&](Expr e) {
      std::vector<Expr> loads;
      if (e.valid()) p.collect_loads(e, loads);
      for (Expr load : loads) {
        const RegionBuffer& b = region_.buffers[p.buffer(load)];
        const Constant* c = b.value.valid() ? graph_.constant(b.value) : nullptr;
        if (!c || !(c->splat || c->count() == 1) || c->type == DType::String || is_complex(c->type)) continue;
        Constant one{.type = c->type, .dims = {1}, .bytes = c->bytes, .splat = false};
        Tensor t = decode(c->type, {1}, one.bytes.data, static_cast<size_t>(byte_size(c->type, 1)));
        map[load] = is_float(c->type) ? p.constant(c->type, t.f[0]) : p.constant_int(c->type, t.i[0]);
      }
    };
    s.each_expr([&](Expr& e) { scan(e); });
    if (!map.empty()) s.each_expr([&](Expr& e) { e = p.substitute(e, map); });
  }

  bool reads(Statement& s, BufferId b) {
    bool found = std::ranges::find(s.operands, b) != s.operands.end();
    s.each_expr([&](Expr e) {
      std::vector<Expr> loads;
      region_.pool.collect_loads(e, loads);
      for (Expr load : loads) found |= region_.pool.buffer(load) == b;
    });
    return found;
  }

  bool is_reduced(BufferId b) const {
    return std::ranges::any_of(region_.statements, [&](const Statement& s) { return s.out == b && !s.reduce_axes.empty(); });
  }

  Result<void> inline_value(BufferId b) {
    auto& statements = region_.statements;
    auto def = std::ranges::find_if(statements, [&](const Statement& s) { return s.out == b; });
    TENON_CHECK(def != statements.end(), "inlined value has no statement");
    Statement producer = *def;
    bool plain = producer.routine.empty() && !producer.condition.valid() && !producer.scan &&
                 producer.indices == producer.axes &&
                 std::ranges::count_if(statements, [&](const Statement& s) { return s.out == b; }) == 1;
    if (!plain) return refuse(b, "its definition is not one plain statement");
    statements.erase(def);
    for (Statement& s : statements) {
      if (!reads(s, b)) continue;
      if (std::ranges::find(s.operands, b) != s.operands.end()) return refuse(b, "a routine reads it");
      if (producer.reduce_axes.empty()) substitute_loads(s, b, producer);
      else TENON_DO(make_epilogue(s, b, producer));
    }
    return {};
  }

  void substitute_loads(Statement& s, BufferId b, const Statement& producer) {
    ExprPool& p = region_.pool;
    s.each_expr([&](Expr& e) {
      // Innermost loads first: an index may itself read the value.
      for (;;) {
        std::vector<Expr> loads;
        p.collect_loads(e, loads);
        auto it = std::ranges::find_if(loads, [&](Expr load) { return p.buffer(load) == b; });
        if (it == loads.end()) break;
        ExprPool::Substitution axes;
        for (size_t k = 0; k < producer.axes.size(); ++k) axes[producer.axes[k]] = p.operands(*it)[k];
        Expr replacement = p.substitute(producer.value, axes);
        e = p.substitute(e, {{*it, replacement}});
      }
    });
  }

  // reader[axes] = f(b[permutation of axes], ...) takes over the producer's reduction.
  Result<void> make_epilogue(Statement& s, BufferId b, const Statement& producer) {
    ExprPool& p = region_.pool;
    if (!s.reduce_axes.empty() || s.scan) return refuse(b, "its reader reduces too");
    std::vector<Expr> loads, own;
    p.collect_loads(s.value, loads);
    for (Expr load : loads)
      if (p.buffer(load) == b) own.push_back(load);
    if (own.size() != 1) return refuse(b, "its reader reads it at several places");
    ExprPool::Substitution rename;
    for (size_t k = 0; k < producer.axes.size(); ++k) {
      Expr index = p.operands(own[0])[k];
      bool axis = std::ranges::find(s.axes, index) != s.axes.end();
      if (!axis && !p.is_index(index, 0)) return refuse(b, "its reader does not read it element by element");
      rename[producer.axes[k]] = index;
    }
    // Every axis of the reader must come from the producer, else the reduction would be repeated.
    for (Expr axis : s.axes) {
      bool covered = p.is_index(p.var(axis).extent, 1) ||
                     std::ranges::any_of(rename, [&](const auto& kv) { return kv.second == axis; });
      if (!covered) return refuse(b, "its reader broadcasts it");
    }
    s.reduce_axes = producer.reduce_axes;
    s.accumulators = producer.accumulators;
    for (Accumulator& a : s.accumulators) {
      a.init = p.substitute(a.init, rename);
      a.update = p.substitute(a.update, rename);
    }
    Expr result = p.substitute(producer.value, rename);
    s.value = p.substitute(s.value, {{own[0], result}});
    return {};
  }

  // sum(k) a/d * b = sum(k) a*b / d where d is the same for all k: rows of a softmax are divided once summed.
  void divide_sum(Statement& s) {
    ExprPool& p = region_.pool;
    if (s.accumulators.size() != 1 || s.accumulators[0].monoid != Monoid::Sum || s.scan) return;
    Accumulator& sum = s.accumulators[0];
    if (p.op(sum.update) != SOp::Add || !is_float(p.type(sum.var)) || p.as_double(sum.init) != 0.0) return;
    auto terms = p.operands(sum.update);
    Expr product = terms[0] == sum.var ? terms[1] : terms[1] == sum.var ? terms[0] : Expr{};
    if (!product.valid() || p.op(product) != SOp::Mul) return;
    const std::array factors{p.operands(product)[0], p.operands(product)[1]};
    for (size_t i = 0; i < factors.size(); ++i) {
      if (p.op(factors[i]) != SOp::Div) continue;
      Expr dividend = p.operands(factors[i])[0], divisor = p.operands(factors[i])[1];
      if (std::ranges::any_of(s.reduce_axes, [&](Expr axis) { return p.depends_on(divisor, axis); })) continue;
      sum.update = p.binary(SOp::Add, sum.var, p.binary(SOp::Mul, dividend, factors[1 - i]));
      s.value = p.substitute(s.value, {{sum.var, p.binary(SOp::Div, sum.var, divisor)}});
      return;
    }
  }

  // sum(k) bf16(a) * bf16(b), or so of f16, where both factors have an output axis of their own: each value that is rounded meets many
  // of the other's. Depthwise and grouped convolutions stay as they are.
  void round_factors(Statement& s) {
    ExprPool& p = region_.pool;
    if (s.accumulators.size() != 1 || s.accumulators[0].monoid != Monoid::Sum) return;
    Accumulator& sum = s.accumulators[0];
    if (p.type(sum.var) != DType::F32 || std::ranges::find(products_, sum.var) == products_.end() || p.op(sum.update) != SOp::Add) return;
    auto terms = p.operands(sum.update);
    Expr product = terms[0] == sum.var ? terms[1] : terms[1] == sum.var ? terms[0] : Expr{};
    if (!product.valid() || p.op(product) != SOp::Mul) return;
    const std::array factors{p.operands(product)[0], p.operands(product)[1]};
    auto has_own_axis = [&](size_t i) {
      return std::ranges::any_of(s.axes, [&](Expr axis) { return p.depends_on(factors[i], axis) && !p.depends_on(factors[1 - i], axis); });
    };
    if (!has_own_axis(0) || !has_own_axis(1)) return;
    auto rounded = [&](Expr e) {
      const bool is_so = p.op(e) == SOp::Cast && p.type(p.operands(e)[0]) == plan_.precision;
      return is_so ? e : p.cast(p.cast(e, plan_.precision), DType::F32);
    };
    sum.update = p.binary(SOp::Add, sum.var, p.binary(SOp::Mul, rounded(factors[0]), rounded(factors[1])));
  }

  std::unexpected<Diags> refuse(BufferId b, const char* why) {
    return fail(Code::E0403, "region " + region_.name + ": value " + region_.buffers[b].name +
                                 " cannot be computed inline: " + why);
  }

  const Graph& graph_;
  const RegionPlan& plan_;
  Region region_;
  ExprPool::Importer importer_;
  std::vector<Expr> products_;  // accumulators of dot, conv and conv_transpose
};

}  // namespace

BufferId Region::buffer_of(ValueId value) const {
  for (size_t b = 0; b < buffers.size(); ++b)
    if (buffers[BufferId(b)].value == value) return BufferId(b);
  return {};
}

Result<Region> build_region(const Graph& graph, const RegionPlan& region) {
  return RegionBuilder(graph, region).build();
}

}  // namespace tenon
